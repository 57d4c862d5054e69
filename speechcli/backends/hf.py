"""Any speech model of transformers through its Auto classes: CTC, transducers, encoder-decoders, and those asked.

What a model gives depends on its kind: CTC and transducers words with times, Whisper segments with times, models that
write `[0.48][S01]text[1.66]` segments with times and speakers, all others a text alone.
Sources: the model documentation of transformers; Radford et al. 2022 for Whisper's prompt.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    AutoFeatureExtractor,
    AutoModelForCTC,
    AutoModelForMultimodalLM,
    AutoModelForRNNT,
    AutoModelForSpeechSeq2Seq,
    AutoModelForTDT,
    AutoTokenizer,
)
from transformers.models.auto import modeling_auto

from speechcli.backends import placement_torch, processors, weights
from speechcli.backends import settings as own
from speechcli.backends.base import Hints, Setup, Traits, Transcriber
from speechcli.backends.placement_torch import Place
from speechcli.core.audio import Audio
from speechcli.core.languages import code_of, name_of
from speechcli.core.span import Seconds
from speechcli.core.transcript import Heard, Segment, Stage, Word, joined
from speechcli.errors import DataError, UnavailableError, UsageError
from speechcli.numerics.ctc import Run, best_path

# Whisper's generate() calls the general one with arguments that this then warns about, at every start.
for _name in ("transformers.generation.utils", "transformers.models.whisper.generation_whisper"):
    logging.getLogger(_name).setLevel(logging.ERROR)

_PAUSE: Seconds = 1.0  # between the words of two segments of a CTC model, which knows no sentences
_BATCH = 8
_CUT_OFF = "the model's answer was cut off at its longest (--set max_new_tokens)"
_TIME_STEP: Seconds = 0.02  # of Whisper's timestamps
_FASTEST = 12  # tokens a second of speech: the densest that MODELS.md counted is 9.7, with times and speakers
_LEAST_TOKENS = 64
_TURN = re.compile(r"\[([\d:.]+)\]\[S(\d+)\](.*?)(?:\[([\d:.]+)\]|$)", re.DOTALL)
"""Of MOSS-Transcribe-Diarize, transformers/models/moss_transcribe_diarize; the last may lack its end."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What `--set` takes.

    max_new_tokens: of an answer; else as many as the sound can hold. num_beams: hypotheses followed at a time.
    temperature: 0 for the most probable answer, above for a drawn one. seed: of the drawing.
    """

    max_new_tokens: int | None = None
    num_beams: int = 1
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_beams < 1 or (self.max_new_tokens is not None and self.max_new_tokens < 1):
            raise UsageError("num_beams and max_new_tokens must be at least 1")
        if self.temperature < 0:
            raise UsageError("temperature must not be below 0")


def open(setup: Setup) -> Transcriber:  # noqa: A001  # every backend's door
    """The model of the folder. Raises UsageError, UnavailableError, DataError."""
    settings = own.parse(Settings, setup.settings)
    config = weights.config_of(setup.folder)
    kind = kind_of(setup.name, config)
    place = placement_torch.place(setup.device, setup.dtype)
    if kind == "ctc":
        return Ctc(setup, place, settings)
    if kind in ("tdt", "rnnt"):
        return Transducer(setup, place, settings, AutoModelForTDT if kind == "tdt" else AutoModelForRNNT)
    if kind == "whisper":
        return Whisper(setup, place, settings)
    return Generative(setup, place, settings, str(config.get("model_type")))


def kind_of(name: str, config: dict[str, Any]) -> str:
    """Which of ctc, tdt, rnnt, whisper, seq2seq and multimodal a model is, by its config.json. Raises UsageError."""
    model_type, architectures = config.get("model_type"), config.get("architectures") or [""]
    if (family := weights.KINDS.get(str(model_type))) is not None:
        if family == "qwen3-asr" and weights.aligns(config):
            bare = name.removeprefix("hf:")
            raise UsageError(f"{name} aligns words and does not transcribe", f"--aligner {bare}")
        raise UsageError(f"{name} is a {family} model", f"use --model {family}, or its folder without hf:")
    if model_type in modeling_auto.MODEL_FOR_CTC_MAPPING_NAMES:
        if not str(architectures[0]).endswith("ForCTC"):
            raise UsageError(f"{name} ({architectures[0]}) has not been taught to write", "use one fine-tuned for CTC")
        return "ctc"
    if model_type in modeling_auto.MODEL_FOR_TDT_MAPPING_NAMES:
        return "tdt"
    if model_type in modeling_auto.MODEL_FOR_RNNT_MAPPING_NAMES:
        return "rnnt"
    if model_type == "whisper":
        return "whisper"
    if model_type in modeling_auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES:
        return "seq2seq"
    if model_type in modeling_auto.MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES:
        return "multimodal"
    raise UsageError(f"{name} is no speech model that transformers can transcribe with (model_type {model_type})")


def _stage(setup: Setup, place: Place, settings: Settings, kind: str) -> Stage:
    told = tuple((f.name, str(getattr(settings, f.name))) for f in dataclasses.fields(settings))
    dtype = str(place.dtype).removeprefix("torch.")
    return Stage("transcribe", f"transformers ({kind}) on {place.device} in {dtype}", setup.name, setup.revision, told)


class _Torch(placement_torch.Learner):
    """What all kinds share: a loaded model, and the sound as it wants it."""

    model: Any
    traits: Traits
    stage: Stage

    def __init__(self, setup: Setup, place: Place, auto: Any) -> None:
        attention = placement_torch.attention(setup)
        more = {"attn_implementation": attention} if attention else {}
        self.model = placement_torch.load(auto, setup, place, **more)
        self._place = place
        self.known(setup, place)

    def transcribe(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        """One `Heard` per audio; see `Transcriber`. Raises OutOfMemoryError, UsageError."""
        answers = [Heard() for _ in batch]
        there = [i for i, audio in enumerate(batch) if len(audio.samples)]
        if there:
            with placement_torch.memory(), torch.inference_mode():
                heard = self._hear([batch[i] for i in there], [hints[i] for i in there])
            for i, answer in zip(there, heard, strict=True):
                answers[i] = answer
        return answers

    def _hear(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        raise NotImplementedError

    def close(self) -> None:
        """Frees the weights; the transcriber cannot be used any more."""
        del self.model
        placement_torch.give_back()

    def _there(self, inputs: Any) -> dict[str, Any]:
        """Tensors on the model's device, the floating ones in its type."""
        return dict(inputs.to(self.model.device, self._place.dtype))


def _batch_size(setup: Setup) -> int:
    return _BATCH if setup.batch_size is None else 64 if setup.batch_size < 1 else setup.batch_size


# --- CTC


class Ctc(_Torch):
    """A `Transcriber` that gives words with times: parakeet-ctc, wav2vec2, HuBERT, LASR and their like.

    step: seconds of a frame. blank: the token of frames in which nothing begins.
    """

    kind = "CTC"
    auto: Any = AutoModelForCTC

    def __init__(self, setup: Setup, place: Place, settings: Settings) -> None:
        self._extractor = processors.load(setup.folder, auto=AutoFeatureExtractor)
        self.tokenizer = processors.load(setup.folder, auto=AutoTokenizer)
        super().__init__(setup, place, self.auto)
        blank = getattr(self.model.config, "pad_token_id", None)  # transformers: the blank of CTC is the padding
        self.blank: int = self.tokenizer.pad_token_id if blank is None else blank
        # Without a mask the padding is heard: models of group norm want zeros, and are told nothing about them
        # (transformers, Wav2Vec2FeatureExtractor). Alone they hear no padding at all.
        self._masked = "attention_mask" in self._features([np.zeros(setup_rate(self._extractor), np.float32)])
        self.step = self._seconds_a_frame()
        self._settings = settings
        self.stage = _stage(setup, place, settings, self.kind)
        self.traits = Traits(
            rate=setup_rate(self._extractor), longest=setup.longest, batch=_batch_size(setup), gives_words=True
        )

    def _features(self, samples: Sequence[Any]) -> Any:
        return self._extractor(
            [np.asarray(s) for s in samples],
            sampling_rate=self._extractor.sampling_rate,
            padding=True,
            return_tensors="pt",
        )

    def _n_frames(self, inputs: Any) -> list[int]:
        """Frames of logits that each row's sound fills."""
        main = inputs[self.model.main_input_name]
        lengths = inputs["attention_mask"].sum(-1) if "attention_mask" in inputs else torch.tensor([main.shape[1]])
        for name in ("_get_feat_extract_output_lengths", "_get_subsampling_output_length"):
            if (of := getattr(self.model, name, None)) is not None:
                return [int(n) for n in of(lengths)]
        raise UnavailableError(f"how many frames {type(self.model).__name__} gives is not known to speechcli")

    def _seconds_a_frame(self) -> Seconds:
        """Measured on 64 s, a whole number of frames of any model, for extractors and models count differently."""
        rate = self._extractor.sampling_rate
        short, long = (self._n_frames(self._features([np.zeros(n * rate, np.float32)]))[0] for n in (1, 65))
        return 64.0 / (long - short)

    def _hear(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        notes = _unheeded(hints, self.stage.model, "languages hotwords context task".split())
        runs = [told for inputs in self._inputs(batch) for told in self._runs(inputs)]
        answers = [self._heard(told, audio.duration) for told, audio in zip(runs, batch, strict=True)]
        return [replace(heard, notes=note) for heard, note in zip(answers, notes, strict=True)]

    def scores(self, batch: Sequence[Audio]) -> list[NDArray[np.float32]]:
        """Per audio the log-probabilities of its frames, shape (frames, vocabulary). Raises OutOfMemoryError."""
        with placement_torch.memory(), torch.inference_mode():
            return [
                torch.log_softmax(logits, -1).cpu().numpy()
                for inputs in self._inputs(batch)
                for logits in self._logits(inputs)
            ]

    def _inputs(self, batch: Sequence[Audio]) -> Iterator[Any]:
        """Features of the audios, in the batches that the model may hear them in."""
        least = round(2 * self.step * self._extractor.sampling_rate)  # shorter sound is no frame
        samples = [np.pad(a.samples, (0, max(0, least - len(a.samples)))) for a in batch]
        for rows in [samples] if self._masked else [[one] for one in samples]:
            yield self._features(rows)

    def _logits(self, inputs: Any) -> list[torch.Tensor]:
        """Per row, in float32, shape (frames, vocabulary)."""
        lengths = self._n_frames(inputs)
        logits = self.model(**self._there(inputs)).logits.float()
        return [logits[i, :n] for i, n in enumerate(lengths)]

    def _runs(self, inputs: Any) -> list[list[Run]]:
        """Per row its tokens and their frames."""
        return [best_path(logits.cpu().numpy(), self.blank) for logits in self._logits(inputs)]

    def _heard(self, runs: Sequence[Run], duration: Seconds) -> Heard:
        raw = self._decoded(run.token for run in runs)
        segments = tuple(_segments(self._words(runs, duration)))
        return Heard(segments, raw=raw)

    def _decoded(self, tokens: Iterable[int]) -> str:
        ids = list(tokens)
        return str(self.tokenizer.decode(ids, group_tokens=False, skip_special_tokens=True)) if ids else ""

    def _words(self, runs: Sequence[Run], duration: Seconds) -> Iterator[Word]:
        """Words with the blank before them, timed by the frames of their tokens."""
        first = True
        for told in _by_word(runs, self.tokenizer):
            text = self._decoded(run.token for run in told).strip()
            if text:
                start = min(told[0].first * self.step, duration)
                end = min(max(told[-1].stop * self.step, start), duration)
                sure = [run.probability for run in told if run.probability is not None]
                confidence = round(sum(sure) / len(sure), 4) if sure else None
                yield Word(start, end, text if first else " " + text, confidence)
                first = False


class Transducer(Ctc):
    """A `Transcriber` that gives words with times: parakeet-tdt, parakeet-rnnt and their like."""

    kind = "transducer"

    def __init__(self, setup: Setup, place: Place, settings: Settings, auto: Any) -> None:
        self.auto = auto
        super().__init__(setup, place, settings)

    def _runs(self, inputs: Any) -> list[list[Run]]:
        config, lengths = self.model.config, self._n_frames(inputs)
        most = max(lengths) * int(getattr(config, "max_symbols_per_step", 10))
        found = self.model.generate(**self._there(inputs), max_new_tokens=self._settings.max_new_tokens or most)
        silent = {config.pad_token_id, getattr(config, "blank_token_id", None)}
        ends = found.durations.cumsum(
            -1
        )  # a token lasts from the frame it is said in; source: ParakeetProcessor.decode
        rows = []
        told = (lengths, found.sequences.tolist(), ends.tolist(), found.durations.tolist())
        for n, ids, stops, lasting in zip(*told, strict=True):
            each = zip(ids, stops, lasting, strict=True)
            row = [Run(t, e - d, min(max(e, e - d + 1), n), None) for t, e, d in each if t not in silent]
            rows.append([run for run in row if run.first < n])
        return rows


def setup_rate(extractor: Any) -> int:
    """Hz a feature extractor wants."""
    return int(extractor.sampling_rate)


def _by_word(runs: Sequence[Run], tokenizer: Any) -> Iterator[list[Run]]:
    """Runs of one word each: it ends at a token that is a blank, or before one that begins with one.

    A blank is SentencePiece's \u2581, byte-level BPE's \u0120, a space, or the tokenizer's own word delimiter.
    """
    delimiter = getattr(tokenizer, "word_delimiter_token", None)
    word: list[Run] = []
    for run in runs:
        piece = str(tokenizer.convert_ids_to_tokens(run.token))
        if piece == delimiter or piece in ("\u2581", "\u0120", " "):
            if word:
                yield word
            word = []
            continue
        if word and piece[0] in "\u2581\u0120 ":
            yield word
            word = []
        word.append(run)
    if word:
        yield word


def _segments(words: Iterable[Word]) -> Iterator[Segment]:
    """Words in segments that pauses part."""
    row: list[Word] = []
    for word in words:
        if row and word.start - row[-1].end >= _PAUSE:
            yield _segment(row)
            row = []
        row.append(word if row else replace(word, text=word.text.lstrip()))
    if row:
        yield _segment(row)


def _segment(row: Sequence[Word]) -> Segment:
    words = tuple(row)
    return Segment(words[0].start, words[-1].end, joined(words), words)


# --- Whisper


class Whisper(_Torch):
    """A `Transcriber` that gives segments with times: Whisper in transformers' own weights."""

    def __init__(self, setup: Setup, place: Place, settings: Settings) -> None:
        self._processor = processors.load(setup.folder)
        extractor = self._processor.feature_extractor
        longest = float(extractor.chunk_length)
        if setup.longest > longest:
            raise UsageError(
                f"{setup.name} hears {longest:g} s in one pass, not {setup.longest:g}", f"--chunk-size {longest:g}"
            )
        super().__init__(setup, place, AutoModelForSpeechSeq2Seq)
        if getattr(self.model.generation_config, "no_timestamps_token_id", None) is None:
            raise DataError(
                f"{setup.folder} holds no generation_config.json that names Whisper's own tokens",
                "take that of the model it was made of",
            )
        self._settings = settings
        self._multilingual = bool(getattr(self.model.generation_config, "is_multilingual", False))
        self._by_code: dict[str, str] = {
            code: token
            for token in getattr(self.model.generation_config, "lang_to_id", None) or {}
            if (code := code_of(token.strip("<|>"))) is not None
        }
        self.stage = _stage(setup, place, settings, "Whisper")
        self.traits = Traits(
            rate=setup_rate(extractor),
            longest=longest,
            batch=_batch_size(setup),
            takes_prompt=True,
            languages=tuple(self._by_code) if self._multilingual else ("en",),
        )

    def _hear(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        features = self._there(
            self._processor.feature_extractor(
                [a.samples for a in batch], sampling_rate=self.traits.rate, return_tensors="pt", truncation=False
            )
        )["input_features"]
        languages = [self._language(features[i : i + 1], hint) for i, hint in enumerate(hints)]
        alike: dict[tuple[str, str], list[int]] = {}  # one call takes one prompt and one task
        for i, hint in enumerate(hints):
            alike.setdefault((_prompt(hint), hint.task), []).append(i)
        answers: dict[int, Heard] = {}
        for (prompt, task), rows in alike.items():
            told = [languages[i] for i in rows]
            for i, segments in zip(rows, self._generate(features[rows], told, prompt, task), strict=True):
                answers[i] = self._heard(segments, batch[i].duration, languages[i])
        return [answers[i] for i in range(len(batch))]

    def _language(self, features: Any, hint: Hints) -> str:
        """Code of the language: the forced one, else the likeliest of those allowed."""
        if not self._multilingual:
            if hint.languages and "en" not in hint.languages:
                raise UsageError(f"this model only knows English, not {', '.join(hint.languages)}")
            if hint.task != "transcribe":
                raise UsageError("this model only knows English: it cannot translate")
            return "en"
        if unknown := [code for code in hint.languages if code not in self._by_code]:
            raise UsageError(f"this model does not know {name_of(unknown[0])}", "see: speechcli models")
        if len(hint.languages) == 1:
            return hint.languages[0]
        config = copy.deepcopy(self.model.generation_config)
        allowed = {self._by_code[code]: code for code in hint.languages or self._by_code}
        config.lang_to_id = {token: config.lang_to_id[token] for token in allowed}
        found = int(self.model.detect_language(input_features=features, generation_config=config)[0])
        return next(allowed[token] for token, number in config.lang_to_id.items() if number == found)

    def _generate(self, features: Any, languages: Sequence[str], prompt: str, task: str) -> list[list[dict[str, Any]]]:
        """Per row its segments: start and end in seconds, tokens."""
        more: dict[str, Any] = dict(_asked(self._settings))
        if self._settings.max_new_tokens is not None:
            more["max_new_tokens"] = self._settings.max_new_tokens
        if self._multilingual:
            more |= {"language": [self._by_code[code] for code in languages], "task": task}
        if prompt:
            ids = self._processor.get_prompt_ids(prompt, return_tensors="pt").to(features.device)
            room = int(self.model.config.max_target_positions) // 2 - 1  # the rest is for the answer
            more["prompt_ids"] = torch.cat([ids[:1], ids[1:][-(room - 1) :]])
        _seeded(self._settings)
        found = self.model.generate(features, return_timestamps=True, return_segments=True, **more)
        return list(found["segments"])

    def _heard(self, segments: Sequence[dict[str, Any]], duration: Seconds, language: str) -> Heard:
        tokenizer = self._processor.tokenizer
        raw = "".join(tokenizer.decode(s["tokens"], decode_with_timestamps=True) for s in segments)
        out = []
        for segment in segments:
            text = tokenizer.decode(segment["tokens"], skip_special_tokens=True).strip()
            start, end = self._times(segment, duration)
            if text and start < duration:  # the rest of its window is silence that we put there
                out.append(Segment(start, max(start, min(end, duration)), text, language=language))
        notes = () if all(self._ended(s) for s in segments) else (_CUT_OFF,)
        return Heard(tuple(out), language=language if out else None, raw=raw, notes=notes)

    def _ended(self, segment: dict[str, Any]) -> bool:
        """Whether the answer that the segment is of came to its end; it is padded with ends, or with what pads."""
        config = self.model.generation_config
        return int(segment["result"][-1]) in (config.eos_token_id, config.pad_token_id)

    def _times(self, segment: dict[str, Any], duration: Seconds) -> tuple[Seconds, Seconds]:
        """What the segment's own tokens say; transformers begins an answer of one segment at its window's start."""
        begin = int(self.model.generation_config.no_timestamps_token_id) + 1
        tokens = segment["tokens"].tolist()
        told = [(token - begin) * _TIME_STEP for token in tokens if token >= begin]
        start, end = float(segment["start"]), float(segment["end"])
        if not told or tokens[0] < begin:
            return start, end
        if len(told) == 1:  # it never said where this ends
            return end, duration
        doubled = len(told) > 2 and tokens[-2] >= begin
        return end - (told[-2] if doubled else told[-1]) + told[0], end


def _prompt(hint: Hints) -> str:
    """Context, then hotwords: what stands last weighs most, and is kept where there is no room for all."""
    told = " ".join(part for part in (hint.context.strip(), ", ".join(hint.hotwords)) if part)
    return re.sub(r"<\|.*?\|>", " ", told).encode("utf-8", "replace").decode().strip()


# --- everything else


class Generative(_Torch):
    """A `Transcriber` that gives a text, with times and speakers where the model writes them."""

    def __init__(self, setup: Setup, place: Place, settings: Settings, model_type: str) -> None:
        self._processor = processors.load(setup.folder)
        names = modeling_auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES
        super().__init__(setup, place, AutoModelForSpeechSeq2Seq if model_type in names else AutoModelForMultimodalLM)
        request = getattr(self._processor, "apply_transcription_request", None)
        self._takes = frozenset(inspect.signature(request).parameters) if request else frozenset[str]()
        if not request and not self.model.config.is_encoder_decoder:
            raise UsageError(f"{setup.name} ({model_type}) has no request for a transcript that speechcli knows")
        if not self.model.config.is_encoder_decoder:
            self._processor.tokenizer.padding_side = "left"  # an answer goes on where its prompt ends
        self._settings = settings
        timed = model_type == "moss_transcribe_diarize"
        self.stage = _stage(setup, place, settings, model_type)
        self.traits = Traits(
            rate=setup_rate(self._processor.feature_extractor),
            longest=setup.longest,
            batch=_batch_size(setup),
            gives_times=timed,
            gives_speakers=timed,
            takes_prompt=bool(self._takes & {"prompt", "keywords"}),
        )

    def _hear(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        inputs = self._there(self._request(batch, hints))
        longest = max(audio.duration for audio in batch)
        room = self._settings.max_new_tokens or _LEAST_TOKENS + int(longest * _FASTEST)
        _seeded(self._settings)
        ids = self.model.generate(**inputs, max_new_tokens=room, **_asked(self._settings))
        begun = 1 if self.model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
        ids = ids[:, begun:]  # a decoder's first token may be the one that ends
        ends = self.model.generation_config.eos_token_id
        ends = torch.tensor(ends if isinstance(ends, list) else [ends], device=ids.device)
        known = [key for key, names in _ASKED.items() if self._takes & set(names)]
        notes = _unheeded(hints, self.stage.model, [key for key in _ASKED if key not in known])
        answers = []
        for i, (audio, hint) in enumerate(zip(batch, hints, strict=True)):
            raw = str(self._processor.tokenizer.decode(ids[i], skip_special_tokens=True))
            whole = bool(torch.isin(ids[i], ends).any())
            heard = read(raw, audio.duration, hint, self.traits.gives_times, whole)
            answers.append(replace(heard, notes=heard.notes + notes[i]))
        return answers

    def _request(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> Any:
        samples = [np.array(audio.samples) for audio in batch]
        if not self._takes:
            return self._processor(samples, sampling_rate=self.traits.rate, padding=True, return_tensors="pt")
        languages = [hint.languages[0] if len(hint.languages) == 1 else None for hint in hints]
        told: dict[str, Any] = {}
        if "language" in self._takes and all(languages):
            told["language"] = languages
        if "source_language" in self._takes:
            told["source_language"] = [language or "en" for language in languages]
            if any(hint.task == "translate" for hint in hints):
                told["target_language"] = ["en" if h.task == "translate" else h.languages[0] for h in hints]
        if "keywords" in self._takes and any(hint.hotwords for hint in hints):
            told["keywords"] = [[_plain(word) for word in hint.hotwords] for hint in hints]  # no special tokens
        if "model_id" in self._takes:  # Voxtral's, of mistral-common's request
            told |= {"model_id": self.stage.model, "sampling_rate": self.traits.rate, "format": ["wav"] * len(samples)}
        else:
            told |= {"return_tensors": "pt", "processor_kwargs": {"text_kwargs": {"padding": True}}}
        return self._processor.apply_transcription_request(samples, **told)


_ASKED = {
    "languages": ("language", "source_language"),
    "hotwords": ("keywords",),
    "context": ("context",),
    "task": ("target_language",),
}
"""Of `Hints`, and the parameters of a request that take it. A `prompt` replaces the model's own instruction, so
that the context is not put there."""


def read(raw: str, duration: Seconds, hint: Hints, timed: bool, whole: bool) -> Heard:
    """An answer as segments. timed: whether it is in the form `[0.48][S01]text[1.66]`; whole: whether it was ended.

    A text alone spans the speech. Times outside the audio are drawn into it.
    """
    text = raw.strip().removeprefix("assistant\n").strip()
    found = list(_TURN.finditer(text)) if timed else []
    cut_off = () if whole else (_CUT_OFF,)
    if not found:
        language = hint.languages[0] if len(hint.languages) == 1 and text else None
        start = min((span.start for span in hint.speech), default=0.0)
        end = max((span.end for span in hint.speech), default=duration)
        segments = (Segment(min(start, duration), min(end, duration), text, language=language),) if text else ()
        return Heard(segments, language=language, raw=raw, notes=cut_off)
    labels: dict[str, str] = {}
    out: list[Segment] = []
    cut: Seconds | None = None
    for turn in found:
        begun, speaker, content, ended = turn.groups()
        start = min(max(_seconds(begun), out[-1].start if out else 0.0), duration)
        if ended is None and not whole:
            cut = start
        elif content.strip():
            end = duration if ended is None else min(_seconds(ended), duration)
            label = labels.setdefault(speaker, str(len(labels)))
            out.append(Segment(start, max(start, end), content.strip(), speaker=label))
    if not whole and cut is None:
        cut = out[-1].end if out else 0.0
    return Heard(tuple(out), raw=raw, cut=cut)


def _seconds(told: str) -> Seconds:
    """Seconds of "7.56", "1:23" or "01:02:03".

    >>> _seconds("1:02.5")
    62.5
    """
    try:
        return float(sum(float(part) * 60**i for i, part in enumerate(reversed(told.split(":")))))
    except ValueError:
        return 0.0


def _asked(settings: Settings) -> dict[str, Any]:
    """Of generate()."""
    drawn = {"do_sample": True, "temperature": settings.temperature} if settings.temperature else {"do_sample": False}
    return {"num_beams": settings.num_beams, **drawn}


def _seeded(settings: Settings) -> None:
    if settings.temperature:
        torch.manual_seed(settings.seed)


def _plain(text: str) -> str:
    return re.sub(r"<\|.*?\|>", " ", text).strip()


def _unheeded(hints: Sequence[Hints], name: str, deaf: Sequence[str]) -> list[tuple[str, ...]]:
    """Notes about hints that the model cannot take. Raises UsageError for a translation."""
    told = {"hotwords": "hotwords", "context": "context", "languages": "a language"}
    out = []
    for hint in hints:
        if "task" in deaf and hint.task != "transcribe":
            raise UsageError(f"{name} cannot translate", "use a Whisper model")
        given = [what for field, what in told.items() if field in deaf and getattr(hint, field)]
        out.append(tuple(f"{name} takes no {what.removeprefix('a ')}, which was not used" for what in given))
    return out
