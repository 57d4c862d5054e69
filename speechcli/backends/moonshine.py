"""Moonshine: English speech to text whose cost follows the length of the sound, on a processor.

Sources: Jeffries et al. 2024 (arXiv:2410.15608); transformers, models/moonshine, for what the graphs expect (the mask
is of samples, which the decoder thins out itself); moonshine-voice for the graphs, whose weights are in int8, and for
its tokenizer.bin.

The encoder hears the raw sound, nothing padded; the decoder says a token at a time. Its keys and values stay where
onnxruntime made them, and those of the sound are made once. Windows are heard one by one: alone or in a batch, the
answer is the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime import OrtValue
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from speechcli.backends import settings
from speechcli.backends.base import Hints, Setup, Traits
from speechcli.backends.machine import cores
from speechcli.core.audio import Audio, Samples
from speechcli.core.transcript import Dropped, Heard, Segment, Stage
from speechcli.errors import DataError, UsageError, from_os

RATE = 16000  # Hz
FILES = ("encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin")
_SHORTEST = RATE // 10  # samples; less than 895 are no frame of the encoder
_BEGIN, _END = 1, 2  # tokens
_WORDLESS = (b"<unk>", b"<s>", b"</s>")  # pieces that are not said; others are <<ST_0>> and so on
_BLANK = "\u2581".encode()
_MORE = 4  # tokens that are allowed on top of the pace, for the end and what begins in the middle of a word
_ROUNDS = 6  # the same tokens this often in a row are a loop ...
_LOOP = 16  # ... of up to so many
_HALF = 3 * RATE  # samples, at least, of the halves that are heard where the whole was a loop
_FAINT = 1e-3  # of full scale, -60 dB: level of a window in which there is hardly anybody
_MOST_LANES = 8
_FAILURES = (ort_errors.Fail, ort_errors.InvalidGraph, ort_errors.InvalidProtobuf, ort_errors.RuntimeException)


@dataclass(frozen=True, slots=True)
class Settings:
    """What `--set` takes for Moonshine.

    tokens_per_second: more is no speech. A window whose mean log probability is below `silence_logprob_threshold` is
    taken for silence; half of that where nothing is loud. lanes: windows at the same time, a thread each; 0: one a
    core.
    """

    tokens_per_second: float = 10.0
    silence_logprob_threshold: float = -1.0
    lanes: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.tokens_per_second <= 50:
            raise UsageError(f"tokens_per_second={self.tokens_per_second:g}: above 0, at most 50")
        if not 0 <= self.lanes <= _MOST_LANES:
            raise UsageError(f"lanes={self.lanes}: at most {_MOST_LANES}, or 0 for one a core")


def open(setup: Setup) -> Moonshine:  # noqa: A001  # every backend's door
    """The model of the folder. Raises UsageError, DataError, DiskError."""
    own = settings.parse(Settings, setup.settings, setup.before)
    if setup.device not in ("auto", "cpu"):
        raise UsageError(f"--device {setup.device}: {setup.name} runs on the processor", "leave it out")
    if setup.dtype not in ("auto", "int8"):
        raise UsageError(f"--dtype {setup.dtype}: the weights of {setup.name} are in int8", "leave it out")
    given = {
        "--quantize": setup.quantize not in (None, "int8"),
        "--attn-implementation": setup.attention is not None,
        "--compile": setup.compile,
    }
    for option in (name for name, wanted in given.items() if wanted):
        raise UsageError(f"{option} is not for {setup.name}, which runs in onnxruntime", "leave it out")
    return Moonshine(setup, own)


@dataclass(frozen=True, slots=True)
class _Said:
    """logprob: the mean over the tokens and the end. ended: whether the model was done."""

    tokens: tuple[int, ...]
    logprob: float
    ended: bool


class Moonshine:
    """A `Transcriber`, of texts without times."""

    def __init__(self, setup: Setup, own: Settings) -> None:
        encoder, decoder, pieces = (_read(setup.folder / name) for name in FILES)
        try:
            self._encoder, self._decoder = _session(encoder, keeps=True), _session(decoder, keeps=False)
        except _FAILURES as error:
            raise DataError(f"the graphs in {setup.folder} cannot be loaded ({error})", "are they whole?") from error
        self._pieces = read_pieces(pieces, setup.folder / FILES[2])
        outputs = [output.name for output in self._decoder.get_outputs()]
        self._first = outputs
        self._next = [name for name in outputs if ".encoder." not in name]
        self._own = own
        self._nothing: dict[str, OrtValue] = {  # the keys and values of no tokens, and of no sound
            tensor.name: OrtValue.ortvalue_from_numpy(np.zeros((1, tensor.shape[1], 0, tensor.shape[3]), np.float32))
            for tensor in self._decoder.get_inputs()
            if tensor.name.startswith("past_key_values")
        }
        lanes = own.lanes or min(cores(), _MOST_LANES)
        self.traits = Traits(RATE, setup.longest, setup.batch(1), lanes, languages=("en",), gives_times=False)
        told = tuple((field.name, str(getattr(own, field.name))) for field in fields(own))
        engine = f"onnxruntime {onnxruntime.__version__} in int8"
        self.stage = Stage("transcribe", engine, setup.name, setup.revision, told)

    def transcribe(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        """One `Heard` per audio, its text in one segment; see `Transcriber`. Raises UsageError."""
        return [self._heard(audio, hint) for audio, hint in zip(batch, hints, strict=True)]

    def close(self) -> None:
        """Frees the weights; the transcriber cannot be used any more."""
        del self._encoder, self._decoder

    def _heard(self, audio: Audio, hint: Hints) -> Heard:
        notes = self._notes(hint)
        if not audio.samples.any():
            return Heard()
        parts = self._parts(audio.samples)
        raw = " ".join(filter(None, (text_of(part.tokens, self._pieces) for part in parts)))
        n_tokens = sum(len(part.tokens) + 1 for part in parts)
        logprob = sum(part.logprob * (len(part.tokens) + 1) for part in parts) / n_tokens
        sure = self._own.silence_logprob_threshold * (0.5 if _rms(audio.samples) < _FAINT else 1.0)
        if logprob < sure or not any(map(str.isalnum, raw)):
            return Heard(raw=raw)
        loops = [part.tokens[at:] for part in parts if (at := loop_at(part.tokens)) is not None]
        text = " ".join(filter(None, (text_of(part.tokens[: loop_at(part.tokens)], self._pieces) for part in parts)))
        if not all(part.ended or loop_at(part.tokens) for part in parts):
            notes += ("an answer was cut off at its longest (--set tokens_per_second)",)
        return Heard(
            (Segment(0.0, audio.duration, text, language="en", avg_logprob=round(logprob, 4)),),
            language="en",
            dropped=tuple(
                Dropped(0.0, audio.duration, text_of(gone, self._pieces), "repetition loop") for gone in loops
            ),
            loops=len(loops),
            notes=notes,
            raw=raw,
        )

    def _parts(self, samples: Samples) -> list[_Said]:
        """What is said; where that goes round in circles, what is said in either half, which is easier to hear."""
        most = math.ceil(len(samples) / RATE * self._own.tokens_per_second) + _MORE
        said = self._said(self._encoded(samples), most)
        if loop_at(said.tokens) is None or len(samples) < 2 * _HALF:
            return [said]
        middle = quietest(samples, _HALF // 2)
        return self._parts(samples[:middle]) + self._parts(samples[middle:])

    def _notes(self, hint: Hints) -> tuple[str, ...]:
        """About hints that the model cannot take. Raises UsageError for what it cannot do."""
        if hint.task != "transcribe":
            raise UsageError(f"{self.stage.model} cannot translate", "use a Whisper model")
        if hint.languages and "en" not in hint.languages:
            raise UsageError(f"this model only knows English, not {', '.join(hint.languages)}", "see: speechcli models")
        given = {"hotwords": hint.hotwords, "context": hint.context}
        return tuple(f"{self.stage.model} takes no {what}, which was not used" for what, told in given.items() if told)

    def _encoded(self, samples: Samples) -> OrtValue:
        """What the encoder makes of the sound, (1, frames, width): a frame for 384 samples, each of which sees 895."""
        sound = np.zeros((1, max(len(samples), _SHORTEST)), np.float32)
        sound[0, : len(samples)] = samples
        inputs = {"input_values": _value(sound), "attention_mask": _value(np.ones(sound.shape, np.int64))}
        (out,) = self._encoder.run_with_ort_values(None, inputs)
        return out

    def _said(self, sound: OrtValue, most: int) -> _Said:
        """The most probable token, one after the other."""
        feeds = {
            **self._nothing,
            "encoder_hidden_states": sound,
            "encoder_attention_mask": _value(np.ones((1, 1), np.int64)),  # one says for all: nothing is padding
            "input_ids": _value(np.array([[_BEGIN]])),
            "use_cache_branch": _value(np.array([False])),
        }
        wanted = self._first
        tokens: list[int] = []
        logprobs = 0.0
        while True:
            found = dict(zip(wanted, self._decoder.run_with_ort_values(wanted, feeds), strict=True))
            logits = found.pop("logits").numpy()[0, -1]
            token = int(logits.argmax())
            highest = float(logits[token])
            logprobs -= math.log(float(np.exp(logits - highest).sum()))
            if token == _END:
                return _Said(tuple(tokens), logprobs / (len(tokens) + 1), True)
            tokens.append(token)
            if len(tokens) >= most or loop_at(tokens) is not None:
                return _Said(tuple(tokens), logprobs / len(tokens), False)
            feeds.update((name.replace("present", "past_key_values"), value) for name, value in found.items())
            feeds["input_ids"] = _value(np.array([[token]]))
            if wanted is self._first:  # the keys and values of the sound are there for good
                feeds["use_cache_branch"] = _value(np.array([True]))
                wanted = self._next


def read_pieces(data: bytes, path: Path) -> list[bytes]:
    """What each token stands for, in UTF-8. Raises DataError.

    A piece is its length and its bytes; a length of 128 and more takes two bytes, the second counting 128s. Blanks are
    U+2581, as in SentencePiece.
    """
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        size, at = data[at], at + 1
        if size >= 128 and at < len(data):
            size, at = size - 128 + 128 * data[at], at + 1
        pieces.append(data[at : at + size])
        at += size
    if at != len(data) or len(pieces) <= _END or pieces[_END] != b"</s>":
        raise DataError(f"{path} is no vocabulary of Moonshine", "is it whole?")
    return pieces


def text_of(tokens: Sequence[int], pieces: Sequence[bytes]) -> str:
    """The text of the tokens; what is not said of them is left out.

    >>> text_of([0, 1, 2, 1], [b"\\xe2\\x96\\x81so", b" it", b"<<ST_7>>"])
    'so it it'
    """
    said = (pieces[token] for token in tokens if token < len(pieces))
    whole = b"".join(piece for piece in said if piece not in _WORDLESS and not piece.startswith(b"<<ST_"))
    return " ".join(whole.replace(_BLANK, b" ").decode("utf-8", "ignore").split())


def loop_at(tokens: Sequence[int]) -> int | None:
    """Where the last tokens begin to say again what the ones before said, so often that it is a loop.

    >>> loop_at([5, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2]), loop_at([7, 7, 7])
    (3, None)
    """
    for size in range(1, min(_LOOP, len(tokens) // _ROUNDS) + 1):
        first = len(tokens) - size * _ROUNDS
        if list(tokens[first:]) == list(tokens[-size:]) * _ROUNDS:
            return first + size
    return None


def quietest(samples: Samples, reach: int) -> int:
    """Index of the middle of the quietest 50 ms, no further than `reach` samples from the middle."""
    size = RATE // 20
    first = len(samples) // 2 - reach
    frames = samples[first : first + 2 * reach // size * size].reshape(-1, size)
    return first + int(np.square(frames).sum(axis=1).argmin()) * size + size // 2


def _rms(samples: Samples) -> float:
    return math.sqrt(float(np.dot(samples, samples)) / len(samples))


def _value(array: NDArray[Any]) -> OrtValue:
    return OrtValue.ortvalue_from_numpy(array)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path.parent} holds no Moonshine (no {path.name})", "see: speechcli models") from error
    except OSError as error:
        raise from_os(error, f"reading {path}") from error


def _session(model: bytes, keeps: bool) -> onnxruntime.InferenceSession:
    """keeps: whether it holds on to the most memory that it ever needed.

    The attention of 30 s is 50 MB a layer, and half of the encoder's time is then the kernel's, which clears new pages.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # lanes are the threads: a step is too small to cut
    options.enable_cpu_mem_arena = keeps
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
