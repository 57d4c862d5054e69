"""Whisper of every size through CTranslate2 and faster-whisper.

Sources: Radford et al. 2022 (arXiv:2212.04356) for the decoding rules and their thresholds; SYSTRAN/faster-whisper
for features, tokens and word times; CTranslate2 for the numerics.

Windows are encoded one by one (a batch is slower on CPUs: its activations leave the cache), decoded in batches, and
their words timed one by one: on a CPU in OpenVINO where that is faster (`encoders`, `decoders`), else in CTranslate2.
On a CPU each of the three gives the same bits for a window whatever shares its batch.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens, merge_punctuations
from numpy.typing import NDArray

from speechcli.backends import ctranslate2_decoder
from speechcli.backends.base import Hints, OutOfMemoryError, Traits
from speechcli.backends.decoders import NAMES as DECODERS
from speechcli.backends.encoders import NAMES as ENCODERS
from speechcli.backends.log_mel import features
from speechcli.backends.placement import MAX_LANES
from speechcli.backends.whisper_search import Found, Rules
from speechcli.backends.whisper_times import (
    FRAME,
    OTHERS,
    CTranslate2,
    Heads,
    Part,
    Reader,
    Sound,
    in_order,
    with_heads,
)
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds, Span, clipped, total
from speechcli.core.transcript import Heard, Segment, Stage, Word
from speechcli.errors import UsageError

if TYPE_CHECKING:
    from speechcli.backends.decoders import Engine
    from speechcli.backends.encoders import Encoder
    from speechcli.backends.placement import Placement

RATE = 16000  # Hz
LONGEST = 30.0  # seconds: the encoder's input
_FRAMES = 3000  # mel frames in LONGEST
_TIME_STEP = 0.02  # seconds a timestamp token stands for
_CONTEXT = 120  # tokens of what was said so far, for windows that go on
_FASTEST = 12  # tokens a second; more is a loop
_LOOK_BACK = 25  # encoder frames
_END = 200  # characters
_WORTH_GOING_ON: Seconds = 0.5  # of speech that is left
_MULTILINGUAL = "another one does, such as --model whisper-small; see: speechcli models"
_TRAILING: Seconds = 0.15  # of a word, after the last speech that was heard
_PREPENDED = "\"'“¿([{-"
_APPENDED = "\"'.。,，!！?？:：”)]}、"


@dataclass(frozen=True, slots=True)
class Settings:
    """What `--set` takes for Whisper.

    beam_size: hypotheses kept; one takes a quarter less time, and half a word in a hundred more is wrong. A window
    whose text or whose end compresses better than `compression_ratio_threshold` (a loop) is decoded once more with
    n-grams forbidden to repeat. A window is taken for silence above `no_speech_threshold` when its mean log probability
    is below `silence_logprob_threshold`; one below `unsure_logprob_threshold` is not asked to go on where it stopped
    before its end. encoder: its engine; auto is the fastest on this CPU, as measured there once (`encoders`). decoder:
    its engine; auto is OpenVINO on a CPU that computes in bfloat16 (`decoders`). lanes: batches at the same time, 100
    MB each; 0: one a core. confidence: whether each word's is told, which CTranslate2's decoder does by reading all
    again. encoder_seconds: of sound that others than CTranslate2's encoder take; it was taught 30, and with less, which
    costs less, some words differ: for live captions.
    """

    beam_size: int = 3
    compression_ratio_threshold: float = 2.4
    no_speech_threshold: float = 0.6
    silence_logprob_threshold: float = -1.0
    unsure_logprob_threshold: float = -0.5
    no_repeat_ngram_size: int = 4
    batch_size: int = 5
    encoder: str = "auto"
    decoder: str = "auto"
    lanes: int = 0
    confidence: bool = True
    encoder_seconds: float = LONGEST

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise UsageError(f"encoder={self.encoder} is none of {', '.join(ENCODERS)}")
        if self.decoder not in DECODERS:
            raise UsageError(f"decoder={self.decoder} is none of {', '.join(DECODERS)}")
        for name in ("beam_size", "batch_size", "no_repeat_ngram_size"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1")
        if not 2 <= self.encoder_seconds <= LONGEST:
            raise UsageError(f"encoder_seconds={self.encoder_seconds:g}: from 2 to {LONGEST:g}")
        if not 0 <= self.lanes <= MAX_LANES:
            raise UsageError(f"lanes={self.lanes}: at most {MAX_LANES}, or 0 for one a core")


class Decoder(Protocol):
    """Finds words in what an encoder made of sound, for several threads at once."""

    def memory(self, encoded: NDArray[Any]) -> Any:
        """What it wants to have of the encoder's output, (1, 1500, width)."""
        ...

    def rest(self, memory: Any, begin: int) -> Any:
        """The same of what follows a frame, perhaps with some of what is before."""
        ...

    def decode(
        self,
        memories: Sequence[Any],
        prompts: Sequence[list[int]],
        rules: Rules,
        beam_size: int,
        longest: Sequence[int],
    ) -> list[Found]:
        """What is said in each; see `whisper_search.search`."""
        ...


@dataclass(frozen=True, slots=True)
class _Decoded:
    """logprobs: of each token, or none."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    avg_logprob: float
    compression_ratio: float
    no_speech: float


@dataclass(frozen=True, slots=True)
class _Window:
    """encoded: the encoder's output, (1, 1500, width). memory: the decoder's, of the last `frames` of them. prompt:
    tokens before the first. speech: where some is.
    """

    encoded: NDArray[Any]
    memory: Any
    frames: int
    tokenizer: Tokenizer
    prompt: list[int]
    speech: tuple[Span, ...]


@contextmanager
def _memory() -> Iterator[None]:
    """Work on the device: CTranslate2's out-of-memory becomes `OutOfMemoryError`."""
    try:
        yield
    except RuntimeError as error:
        if "out of memory" in str(error).lower():
            raise OutOfMemoryError(str(error)) from error
        raise


class _Model(WhisperModel):  # type: ignore[misc]  # faster-whisper is not typed
    """faster-whisper's, with a shorter median filter over the attention: as exact, for a quarter less time.

    Measured on 776 hand-labelled words (TIMIT): 105 ms mean error of word edges with 3 frames, 107 ms with 7.
    """

    def find_alignment(
        self, tokenizer: Tokenizer, text_tokens: list[list[int]], encoder_output: Any, num_frames: int
    ) -> Any:
        return super().find_alignment(tokenizer, text_tokens, encoder_output, num_frames, median_filter_width=3)


class Whisper:
    """A `Transcriber`. encoder, engine: instead of CTranslate2's. heads: those that time words."""

    def __init__(
        self,
        folder: Path,
        stage: Stage,
        place: Placement,
        settings: Settings,
        encoder: Encoder | None = None,
        heads: Heads = OTHERS,
        engine: Engine | None = None,
    ) -> None:
        name, _, index = place.device.partition(":")
        with with_heads(folder, heads) as own:
            self._model = _Model(
                str(own),
                device=name,
                device_index=int(index or 0),
                compute_type=place.compute_type,
                cpu_threads=place.threads,
                num_workers=place.lanes,
            )
        self._heads = heads
        self._reader = Reader(CTranslate2(self._model.model, self._silence), heads.pairs)
        self._timer = self._reader  # where how sure the model is need not be read
        if engine is not None and engine.aligner is not None:
            self._timer = Reader(engine.aligner(self._silence), heads.pairs)
        self._encoder = encoder
        self._n_mels: int = self._model.model.n_mels
        self._decoder: Decoder = ctranslate2_decoder.Decoder(self._model.model) if engine is None else engine.decoder
        self._frames = _FRAMES if encoder is None else encoder.frames
        self._longest = self._frames / 100
        # Half of the lanes decode while the others encode and align: decoding takes half of the time and most of the
        # memory, and two decoders share a cache that holds one.
        self._decoders = threading.BoundedSemaphore((place.lanes + 1) // 2)
        self._settings = settings
        self._silence_encoded: NDArray[Any] | None = None  # once somebody needs it
        self._silent_lock = threading.Lock()
        self._multilingual: bool = self._model.model.is_multilingual
        self.stage = stage
        self.traits = Traits(
            rate=RATE,
            longest=self._longest,
            batch=settings.batch_size,
            lanes=place.lanes,
            gives_words=True,
            hears_again=True,
            takes_prompt=True,
            languages=tuple(self._model.supported_languages),
        )

    def transcribe(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        """One `Heard` per audio of at most `traits.longest`; see `Transcriber`. Raises OutOfMemoryError, UsageError."""
        answers = [Heard() for _ in batch]
        there = [i for i, audio in enumerate(batch) if len(audio.samples)]
        if not there:
            return answers
        with _memory():
            windows = [self._window(batch[i], hints[i]) for i in there]
            with self._decoders:
                decoded = self._decode(windows)
            for i, window, result in zip(there, windows, decoded, strict=True):
                if result is not None:
                    answers[i] = self._heard(batch[i], window, result)
        return answers

    def times(self, batch: Sequence[Audio], texts: Sequence[Sequence[str]]) -> list[list[Word]]:
        """When words that are known are said: a Word for each token, in order, in audios of at most 30 s.

        texts: per audio its tokens, each with the blank before it. A token without letters and digits is interpolated
        right after the one before, its confidence None; so are all in empty audio. Raises OutOfMemoryError, UsageError.
        """
        with _memory():
            return [self._timed(audio, tokens) for audio, tokens in zip(batch, texts, strict=True)]

    def close(self) -> None:
        """Frees the weights; the transcriber cannot be used any more."""
        self._model.model.unload_model()

    def _timed(self, audio: Audio, texts: Sequence[str]) -> list[Word]:
        if audio.duration > self._longest:
            raise UsageError(
                f"Whisper hears {self._longest:.0f} s at once and not {audio.duration:.1f}", "use shorter windows"
            )
        if not len(audio.samples) or not texts:
            return in_order(texts, {}, audio.duration)
        encoded = self._encode(audio)
        return self._reader.words(
            self._tokenizer(encoded, Hints()), _sound(encoded, audio.duration), audio.duration, texts
        )

    def _window(self, audio: Audio, hints: Hints) -> _Window:
        encoded = self._encode(audio)
        tokenizer = self._tokenizer(encoded, hints)
        speech = hints.speech or (Span(0.0, audio.duration),)  # not told: it may be everywhere
        memory = self._decoder.memory(encoded)
        return _Window(encoded, memory, encoded.shape[1], tokenizer, self._prompt(tokenizer, hints), speech)

    def _encode(self, audio: Audio) -> NDArray[Any]:
        """Encoder output of one window, shape (1, 1500, width), or less where the encoder takes less."""
        mel = features(audio.samples, self._n_mels, self._frames)[None]
        if self._encoder is not None:
            return self._encoder(mel)
        encoded = self._model.encode(mel)
        if self._model.model.device == "cuda":
            encoded = encoded.to_device(ctranslate2.Device.cpu)
        return np.array(encoded)

    def _silence(self) -> NDArray[Any]:
        """What the encoder makes of silence, (1, 1500, width)."""
        with self._silent_lock:
            if self._silence_encoded is None:
                self._silence_encoded = self._encode(Audio(np.zeros(RATE, np.float32), RATE))
            return self._silence_encoded

    def _tokenizer(self, encoded: NDArray[Any], hints: Hints) -> Tokenizer:
        language = hints.languages[0] if len(hints.languages) == 1 else None
        if not self._multilingual:
            if hints.languages and "en" not in hints.languages:
                raise UsageError(f"this model only knows English, not {', '.join(hints.languages)}", _MULTILINGUAL)
            if hints.task != "transcribe":
                raise UsageError("this model only knows English: it cannot translate", _MULTILINGUAL)
            language = "en"
        elif language is None:
            found = self._model.model.detect_language(_storage(encoded))[0]  # (token, probability), best first
            codes = [token[2:-2] for token, _ in found]
            language = next((code for code in codes if not hints.languages or code in hints.languages), codes[0])
        return Tokenizer(self._model.hf_tokenizer, self._multilingual, hints.task, language)

    def _prompt(self, tokenizer: Tokenizer, hints: Hints) -> list[int]:
        """Hotwords, then the end of the context, in half the decoder's room: the other half is for the answer."""
        room = self._model.max_length // 2 - 1
        hotwords = _plain(", ".join(hints.hotwords), tokenizer)[:room]
        context = _plain(hints.context, tokenizer)
        told = [*hotwords, *context[max(0, len(context) + len(hotwords) - room) :]]
        return [*([tokenizer.sot_prev, *told] if told else []), *tokenizer.sot_sequence]

    def _decode(self, batch: Sequence[_Window]) -> list[_Decoded | None]:
        """Per window its tokens, or None where it is taken for silence."""
        settings = self._settings
        found = self._generate(batch, settings.beam_size)
        loops = [i for i, decoded in enumerate(found) if self._loops(decoded)]
        again = self._generate([batch[i] for i in loops], settings.beam_size, settings.no_repeat_ngram_size)
        for i, decoded in zip(loops, again, strict=True):
            found[i] = decoded
        self._go_on(batch, found)
        return [None if self._silent(d) else d for d in found]

    def _go_on(self, batch: Sequence[_Window], found: list[_Decoded]) -> None:
        """Lets windows that the model left in the middle go on.

        A window that ends on two timestamps says "an unfinished sentence begins here"; openai/whisper moves its
        window there and encodes again. We ask for the rest of the same window, from that timestamp on, with the words
        so far as its context: half a point of WER better than hearing the rest alone, and no second encoding. What was
        heard already is kept from the decoder, which has the less to attend to.
        """
        going: dict[int, _Window] = {}
        for i, decoded in enumerate(found):
            window = batch[i]
            if self._unfinished(window, decoded):
                said = _text(decoded.tokens, window)[-_CONTEXT:]
                prompt = [window.tokenizer.sot_prev, *said, *window.tokenizer.sot_sequence, decoded.tokens[-1]]
                begin = decoded.tokens[-1] - window.tokenizer.timestamp_begin  # a timestamp is an encoder frame
                begin = max(0, begin - _LOOK_BACK)
                memory = self._decoder.rest(window.memory, begin)
                going[i] = replace(window, prompt=prompt, memory=memory, frames=max(window.frames - begin, _LOOK_BACK))
        rest = self._generate(list(going.values()), self._settings.beam_size)
        for (i, window), more in zip(going.items(), rest, strict=True):
            known = int(more.tokens[:1] == found[i].tokens[-1:])  # the prefix may come back
            new = more.tokens[known:]
            logprobs = found[i].logprobs + more.logprobs[known:]
            longer = replace(found[i], tokens=found[i].tokens + new, logprobs=logprobs)
            text = window.tokenizer.decode(_text(longer.tokens, window))
            if new and _repetition(text) <= self._settings.compression_ratio_threshold:
                found[i] = longer

    def _unfinished(self, window: _Window, decoded: _Decoded) -> bool:
        tokens, begin = decoded.tokens, window.tokenizer.timestamp_begin
        if len(tokens) < 2 or tokens[-2] < begin or len(tokens) > self._model.max_length // 2 - 24:
            return False
        rest = Span(min((tokens[-1] - begin) * _TIME_STEP, self._longest), self._longest)
        left = total(clipped(window.speech, rest)) if rest.duration else 0.0
        sure = not self._loops(decoded) and decoded.avg_logprob >= self._settings.unsure_logprob_threshold
        return sure and left >= _WORTH_GOING_ON

    def _loops(self, decoded: _Decoded) -> bool:
        return decoded.compression_ratio > self._settings.compression_ratio_threshold

    def _silent(self, decoded: _Decoded) -> bool:
        settings = self._settings
        return (
            decoded.no_speech > settings.no_speech_threshold
            and decoded.avg_logprob < settings.silence_logprob_threshold
        )

    def _generate(self, batch: Sequence[_Window], beam_size: int, ngram: int = 0) -> list[_Decoded]:
        if not batch:
            return []
        found = self._decoder.decode(
            [window.memory for window in batch],
            [window.prompt for window in batch],
            self._rules(batch[0].tokenizer, ngram),
            beam_size,
            [self._room(window) for window in batch],
        )
        texts = [window.tokenizer.decode(_text(one.tokens, window)) for window, one in zip(batch, found, strict=True)]
        return [
            _Decoded(one.tokens, one.logprobs, one.avg_logprob, _repetition(text.strip()), one.no_speech)
            for one, text in zip(found, texts, strict=True)
        ]

    def _room(self, window: _Window) -> int:
        """Tokens that prompt and answer may have together: where the rest is asked for, what can be said in it."""
        begun = window.prompt[-1] >= window.tokenizer.timestamp_begin
        room = len(window.prompt) + window.frames * _FASTEST // 50 if begun else self._model.max_length
        return min(room, int(self._model.max_length))

    def _rules(self, tokenizer: Tokenizer, ngram: int) -> Rules:
        suppressed = np.array([*get_suppressed_tokens(tokenizer, [-1]), tokenizer.no_timestamps])
        return Rules(
            tokenizer.sot, tokenizer.eot, tokenizer.no_speech, tokenizer.timestamp_begin, suppressed, ngram=ngram
        )

    def _heard(self, audio: Audio, window: _Window, decoded: _Decoded) -> Heard:
        tokenizer = window.tokenizer
        pieces = _pieces(decoded, tokenizer, audio.duration)
        frames = min(self._frames, round(audio.duration * 100))
        if not pieces or frames < 2:
            return Heard()
        segments = []
        for words in self._words(pieces, window, audio.duration):
            text = "".join(word.text for word in words).strip()
            if text:
                start, end = words[0].start, max(words[-1].end, words[0].start)
                language = tokenizer.language_code
                segments.append(Segment(start, end, text, words, None, language, round(decoded.avg_logprob, 4)))
        return Heard(tuple(segments), language=tokenizer.language_code if segments else None)

    def _words(self, pieces: list[dict[str, Any]], window: _Window, duration: Seconds) -> list[tuple[Word, ...]]:
        """The words of each piece, with their times."""
        tokenizer = window.tokenizer
        if not self._heads.pairs:
            frames = min(self._frames, round(duration * 100))
            sound = _storage(window.encoded)
            self._model.add_word_timestamps([pieces], tokenizer, sound, frames, _PREPENDED, _APPENDED, 0.0)
            return [tuple(_word(w, duration) for w in piece["words"] if w["word"]) for piece in pieces]
        rows = [_split(piece, tokenizer) for piece in pieces]
        parts = [Part(piece["start"], piece["end"], len(row)) for piece, row in zip(pieces, rows, strict=True)]
        every = [row["word"] for words in rows for row in words]
        sure, told = self._settings.confidence, bool(pieces[0]["logprobs"])
        sound = replace(_sound(window.encoded, duration), memory=window.memory)
        reader = self._reader if sure and not told else self._timer
        words = reader.words(tokenizer, sound, duration, every, parts, sure and not told)
        if sure and told:
            rated = zip(words, (row for words in rows for row in words), strict=True)
            words = [replace(word, confidence=_confidence(row)) for word, row in rated]
        timed = iter(words)
        return [tuple(_not_after(replace(next(timed), placed="model"), window.speech) for _ in row) for row in rows]


def _sound(encoded: NDArray[Any], duration: Seconds) -> Sound:
    return Sound(encoded, min(int(duration / FRAME + 0.5), encoded.shape[1]))


def _pieces(decoded: _Decoded, tokenizer: Tokenizer, duration: float) -> list[dict[str, Any]]:
    """Runs of text tokens between timestamp tokens, in the shape faster-whisper's word times want.

    A run without a closing timestamp reaches to the end of the audio.
    """
    pieces: list[dict[str, Any]] = []
    start, run, sure = 0.0, list[int](), list[float]()
    for token, logprob in zip_longest((*decoded.tokens, None), decoded.logprobs):
        if token is not None and token < tokenizer.timestamp_begin:
            if token < tokenizer.eot:
                run.append(token)
                sure += [] if logprob is None else [logprob]
            continue
        at = duration if token is None else min((token - tokenizer.timestamp_begin) * _TIME_STEP, duration)
        if run:
            pieces.append({"seek": 0, "start": min(start, at), "end": at, "tokens": run, "logprobs": sure})
            run, sure = [], []
        start = at
    return pieces


def _not_after(word: Word, speech: Sequence[Span]) -> Word:
    """A word whose end reaches into silence ends soon after somebody has stopped speaking."""
    spoken = [span.end for span in speech if span.start < word.end and word.start < span.end]
    end = min(word.end, max(spoken, default=word.end) + _TRAILING)
    return word.moved(word.start, end)


def _split(piece: Mapping[str, Any], tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """The words of a piece with the blank before them, each with the punctuation that belongs to it.

    logprobs: of the tokens that the word itself is written with.
    """
    parts, groups = tokenizer.split_to_word_tokens(list(piece["tokens"]))
    told = iter(piece["logprobs"])
    rows: list[dict[str, Any]] = [
        {"word": part, "tokens": list(group), "logprobs": list(islice(told, len(group)))}
        for part, group in zip(parts, groups, strict=False)
    ]
    merge_punctuations(rows, _PREPENDED, _APPENDED)
    return [row for row in rows if row["word"]]


def _confidence(row: Mapping[str, Any]) -> float | None:
    """Mean probability of a word's tokens."""
    return round(float(np.mean(np.exp(row["logprobs"]))), 4) if row["logprobs"] else None


def _plain(text: str, tokenizer: Tokenizer) -> list[int]:
    """Tokens of a text from outside: no special ones, whatever it spells, and nothing that UTF-8 cannot hold."""
    text = text.strip().encode("utf-8", "replace").decode()
    return [token for token in tokenizer.encode(" " + text) if token < tokenizer.eot] if text else []


def _text(tokens: Sequence[int], window: _Window) -> list[int]:
    return [token for token in tokens if token < window.tokenizer.eot]


def _word(word: Mapping[str, Any], duration: float) -> Word:
    start = min(max(float(word["start"]), 0.0), duration)
    end = min(max(float(word["end"]), start), duration)
    return Word(start, end, word["word"], round(float(word["probability"]), 4))


def _storage(array: NDArray[Any]) -> ctranslate2.StorageView:
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(array))


def _repetition(text: str) -> float:
    """How well a text or its end compresses: what goes round in circles does it at the end."""
    return max(_compression_ratio(text), _compression_ratio(text[-_END:]))


def _compression_ratio(text: str) -> float:
    """Length over compressed length, as in openai/whisper; 1 for nothing."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 1.0
