"""Qwen3-ForcedAligner through transformers: the times of words that are known, in 11 languages.

Sources: Qwen3-ASR technical report (arXiv:2601.21337), section on forced alignment; the model card
Qwen/Qwen3-ForcedAligner-0.6B-hf; transformers 5.23, models/qwen3_asr.

The model reads the sound and the words, two markers after each, and gives each marker one of 5000 steps of 80 ms. It
knows letters, digits and apostrophes only: its words are mapped back to the tokens as they were given.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from transformers import Qwen3ASRForTokenClassification
from transformers.models.qwen3_asr.processing_qwen3_asr import FORCED_ALIGNER_LANGUAGES, LANGUAGE_CODE_TO_NAME

from speechcli.backends import placement_torch
from speechcli.backends import settings as own
from speechcli.backends.base import Setup, Traits
from speechcli.backends.lost import INSTANT, filled
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds, Span
from speechcli.core.transcript import Stage, Word
from speechcli.errors import UnavailableError, UsageError

RATE = 16_000  # Hz
MOST: Seconds = 300.0  # the model card: tried up to five minutes
BATCH, BATCH_ON_CPU = 32, 8  # audios at once, where the memory allows
ENCODED_AT_ONCE: Seconds = 600.0  # the convolutions hold 3 MB a second in bfloat16 (480 channels, 64 x 50 a second)

_NAMES = {code: name for code, name in LANGUAGE_CODE_TO_NAME.items() if name in FORCED_ALIGNER_LANGUAGES}
_NEEDS = {"ja": ("nagisa", "japanese"), "ko": ("soynlp", "korean")}  # packages that find the words, and our extras


@dataclass(frozen=True, slots=True)
class Settings:
    """What `--set` takes for the aligner. compile_backend: of torch.compile."""

    compile_backend: str = "inductor"


@dataclass(frozen=True, slots=True)
class _Stamped(Span):
    """A word as the model sees it. confidence: None where its stamps went backwards and were put right."""

    text: str
    confidence: float | None


@dataclass(frozen=True, slots=True)
class _Share:
    """What a token has of the model's words: from letter `start` of word `first` up to letter `stop` of `last`."""

    first: int
    start: int
    last: int
    stop: int


def open(setup: Setup) -> Qwen3Aligner:  # noqa: A001  # the registry's name for it
    """The aligner of a folder. Raises UsageError, UnavailableError, DataError."""
    from speechcli.backends.qwen3_asr import load_processor

    settings = own.parse(Settings, setup.settings, setup.before, own.HEEDED | {"compile": "--compile"})
    place = placement_torch.place(setup.device, setup.dtype)
    attention = placement_torch.attention(setup)
    processor = load_processor(setup.folder)
    seconds = placement_torch.fit(setup, place)  # before the model takes its share
    more = {"attn_implementation": attention} if attention else {}
    model = placement_torch.load(Qwen3ASRForTokenClassification, setup, place, **more)
    room = placement_torch.Room(place.device, seconds)
    if setup.compile:  # not the encoder, which loops over pieces of 8 s: it would be compiled for each number of them
        model.model.language_model.compile(backend=settings.compile_backend, dynamic=True)
    opened = Qwen3Aligner(model, processor, setup, room)
    opened.known(setup, place)
    return opened


class Qwen3Aligner(placement_torch.Learner):
    """An `Aligner`."""

    def __init__(self, model: Any, processor: Any, setup: Setup, room: placement_torch.Room) -> None:
        self._model = model
        self._device = room.device
        self._processor = processor
        self._step = processor.timestamp_segment_time / 1000  # seconds
        likes = BATCH if room.device.type != "cpu" else BATCH_ON_CPU
        self.traits = Traits(
            rate=RATE,
            longest=min(setup.longest, MOST, model.config.num_labels * self._step),
            batch=setup.batch(likes),
            seconds=min(room.seconds, ENCODED_AT_ONCE),
            gives_words=True,
            languages=tuple(_NAMES),
        )
        told = {"dtype": str(model.dtype).removeprefix("torch."), "attention": model.config._attn_implementation}
        engine = f"transformers {transformers.__version__}"
        self.stage = Stage("align", engine, setup.name, setup.revision, tuple(told.items()))

    def close(self) -> None:
        """Frees the weights; the aligner cannot be used any more."""
        self._model = None
        placement_torch.give_back()

    def align(
        self,
        batch: Sequence[Audio],
        texts: Sequence[Sequence[str]],
        languages: Sequence[str | None],
        doubtful: Sequence[Collection[int]] = (),
    ) -> list[list[Word]]:
        """Per audio a Word for each of its tokens; see `Aligner`. It cannot tell what was not said.

        A token is interpolated that has no letter or digit, or shares one of the model's words with another token, or
        whose two stamps are one, or were put right; all are in a language that the model lacks. Raises
        OutOfMemoryError, UnavailableError, and UsageError for an audio above `MOST`.
        """
        for audio in batch:
            if audio.duration > MOST:
                raise UsageError(
                    f"the aligner hears {MOST:.0f} s at once and not {audio.duration:.0f}", "use a smaller --chunk-size"
                )
        todo = [
            i
            for i, (audio, language) in enumerate(zip(batch, languages, strict=True))
            if len(audio.samples) and (language is None or language in _NAMES) and self._split(texts[i], language)
        ]
        stamped: list[list[_Stamped]] = [[] for _ in batch]
        if todo:
            with placement_torch.compiling(self.stage.model), placement_torch.memory(), torch.no_grad():
                pairs = [self._inputs(batch[i], texts[i], languages[i]) for i in todo]
                for i, words in zip(todo, self._stamps(*zip(*pairs, strict=True)), strict=True):
                    stamped[i] = words
        return [
            _words(tokens, _apart(words, audio.duration), audio.duration)
            for tokens, words, audio in zip(texts, stamped, batch, strict=True)
        ]

    def _split(self, tokens: Sequence[str], language: str | None) -> list[str]:
        """The model's words of a text. Raises UnavailableError."""
        name = None if language is None else _NAMES[language]
        try:
            return list(self._processor.split_words_for_alignment("".join(tokens), name))
        except ImportError as error:  # transformers' for the package, or its own for another
            package, extra = _NEEDS.get(language or "", ("", ""))
            if not package:
                raise
            raise UnavailableError(
                f"aligning {name} needs {package}, which is not here or not whole", f"pip install 'speechcli[{extra}]'"
            ) from error

    def _stamps(self, inputs: Sequence[Any], words: Sequence[Sequence[str]]) -> list[list[_Stamped]]:
        """The words with the times that the model gives them, in order."""
        n_tokens = max(i["input_ids"].shape[1] for i in inputs)
        n_frames = max(i["input_features_mask"].shape[1] for i in inputs)
        ids = torch.full((len(inputs), n_tokens), self._model.config.pad_token_id)
        attention = torch.zeros_like(ids)
        features = torch.zeros(len(inputs), inputs[0]["input_features"].shape[1], n_frames)
        mask = torch.zeros(len(inputs), n_frames, dtype=torch.long)
        for row, one in enumerate(inputs):
            n_own, n_heard = one["input_ids"].shape[1], one["input_features_mask"].shape[1]
            ids[row, n_tokens - n_own :] = one["input_ids"][0]
            attention[row, n_tokens - n_own :] = 1
            features[row, :, :n_heard] = one["input_features"][0]
            mask[row, :n_heard] = one["input_features_mask"][0]
        device = self._device
        logits = self._model(
            input_ids=ids.to(device),
            attention_mask=attention.to(device),
            position_ids=(attention.cumsum(-1) - 1).clamp(min=0).to(device),  # as if each were alone
            input_features=features.to(device, self._model.dtype),
            input_features_mask=mask.to(device),
        ).logits
        marker = self._model.config.timestamp_token_id
        found = []
        for row, own_words in enumerate(words):
            scores = logits[row][ids[row].to(device) == marker].float()  # (2 a word, classes)
            items = self._processor.decode_forced_alignment(
                scores[None], torch.full((1, len(scores)), marker, device=device), [list(own_words)], marker
            )[0]
            found.append(self._sure(items, scores.softmax(-1).cpu().numpy()))
        return found

    def _inputs(self, audio: Audio, tokens: Sequence[str], language: str | None) -> tuple[Any, list[str]]:
        """The processor's tokens (1, n), features (1, 128, frames) and mask (1, frames) of one audio, and its words."""
        inputs, (words,) = self._processor.prepare_forced_aligner_inputs(
            audio=[audio.samples],
            transcript=["".join(tokens)],
            language=None if language is None else [_NAMES[language]],
            processor_kwargs={"audio_kwargs": {"sampling_rate": audio.rate}},
        )
        return inputs, words

    def _sure(self, items: Sequence[dict[str, Any]], shares: NDArray[np.float32]) -> list[_Stamped]:
        """Times with how sure the model is of the less sure of the two, a step early or late counted as right.

        shares: probabilities of the classes, (2 a word, classes).
        """
        raw = shares.argmax(-1)
        out = []
        for i, item in enumerate(items):
            times = float(item["start_time"]), float(item["end_time"])
            places = [round(time / self._step) for time in times]
            kept = places == raw[2 * i : 2 * i + 2].tolist()
            sure = min(float(shares[2 * i + k, max(0, at - 1) : at + 2].sum()) for k, at in enumerate(places))
            confidence = round(min(sure, 1.0), 4) if kept else None
            out.append(_Stamped(times[0], max(times), str(item["text"]), confidence))
        return out


def _apart(words: Sequence[_Stamped], duration: Seconds) -> list[_Stamped]:
    """The words inside [0, duration]; runs without any length are spread over the time to the next word, as a guess."""
    inside = [w.moved(min(w.start, duration), min(w.end, duration)) for w in words]
    out: list[_Stamped] = []
    first = 0
    while first < len(inside):
        stop = first
        while stop < len(inside) and inside[stop].duration == 0:
            stop += 1
        if stop == first:
            out.append(inside[first])
            first += 1
            continue
        run = inside[first:stop]
        start, most = run[0].start, INSTANT * len(run)
        end = min(inside[stop].start if stop < len(inside) else duration, run[-1].end + most)
        if end <= start:  # no time after them: take what is left before
            start = max(out[-1].end if out else 0.0, end - most)
        edges = np.linspace(start, max(start, end), len(run) + 1).tolist()
        out += [replace(w, start=a, end=b, confidence=None) for w, (a, b) in zip(run, pairwise(edges), strict=True)]
        first = stop
    return out


def _words(tokens: Sequence[str], stamped: Sequence[_Stamped], duration: Seconds) -> list[Word]:
    """A Word for each token, from the model's words that hold its letters."""
    shares = _shares(tokens, [w.text for w in stamped])
    out: list[Word | None] = []
    for token, share in zip(tokens, shares, strict=True):
        if share is None:
            out.append(None)
            continue
        first, last = stamped[share.first], stamped[share.last]
        start = first.start + first.duration * share.start / len(first.text)
        end = last.start + last.duration * share.stop / len(last.text)
        whole = share.start == 0 and share.stop == len(last.text)
        sure = [w.confidence for w in stamped[share.first : share.last + 1]]
        lowest = min((c for c in sure if c is not None), default=None)
        if whole and None not in sure:
            out.append(Word(start, max(start, end), token, lowest, placed="aligner"))
        else:
            out.append(Word(start, max(start, end), token, None, placed="interpolated"))
    return filled(tokens, out, duration)


def _shares(tokens: Sequence[str], words: Sequence[str]) -> list[_Share | None]:
    """Where each token's letters are in the model's words; None for a token that has none there.

    The model's words are the letters and digits of the text in their order, whatever stands between them.

    >>> _shares([" twenty-one", " —", " U.S."], ["twentyone", "US"])
    [_Share(first=0, start=0, last=0, stop=9), None, _Share(first=1, start=0, last=1, stop=2)]
    """
    places = [(i, j) for i, word in enumerate(words) for j in range(len(word))]
    letters, source = _forms("".join(words)), _forms("".join(tokens))
    if not _within(letters, source):  # a package for Japanese or Korean wrote some letters in another form
        blocks = SequenceMatcher(None, source, letters, autojunk=False).get_matching_blocks()
        found = {block.a + k: block.b + k for block in blocks for k in range(block.size)}
    else:
        found, at = {}, 0
        for place, letter in enumerate(source):
            if at < len(letters) and letter == letters[at]:
                found[place] = at
                at += 1
    out: list[_Share | None] = []
    begin = 0
    for token in tokens:
        taken = [places[found[k]] for k in range(begin, begin + len(token)) if k in found]
        begin += len(token)
        out.append(_Share(*taken[0], taken[-1][0], taken[-1][1] + 1) if taken else None)
    return out


def _forms(text: str) -> list[str]:
    """Each letter in its plain form: nagisa writes full-width letters and half-width kana in the other width."""
    return [unicodedata.normalize("NFKC", letter) for letter in text]


def _within(letters: Sequence[str], source: Sequence[str]) -> bool:
    """Whether the letters come in this order in the source, with others between them."""
    rest = iter(source)
    return all(letter in rest for letter in letters)
