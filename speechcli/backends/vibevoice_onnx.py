"""VibeVoice-ASR on onnxruntime: who said what and when, from two graphs, without torch.

Sources: the card of akkikiki/VibeVoice-ASR-onnx for files, inputs and prompt; transformers,
models/vibevoice_acoustic_tokenizer/feature_extraction and models/vibevoice_asr/processing, for the sound's level and
for where hotwords and context stand; benchmarks/export_onnx.py makes such graphs of any checkpoint.

The encoder turns 3200 samples into a frame. It is causal and reaches a fixed time back, so long sound is heard in
chunks, each with that much of what came before, whose frames are thrown away: the same frames as at once, in bounded
memory. The decoder reads [speech ; text]. With a cache it is fed the frames as they come, then steps a token at a time,
its cache staying on the device. Without one (the card's own graphs) each token costs as much as all that came before.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors
from tokenizers import Tokenizer

from speechcli.backends import onnx_files, settings, vibevoice_answer
from speechcli.backends.base import Hints, OutOfMemoryError, Setup, Traits
from speechcli.backends.machine import cores
from speechcli.backends.onnx_files import Graph, size_of
from speechcli.backends.vibevoice_graphs import (
    KINDS,
    RATE,
    USUAL_PACE,
    Shape,
    cache_of,
    config_of,
    encoder_of,
    find,
    pick,
    shape_of,
    without_cache,
)
from speechcli.core.audio import Audio, Samples
from speechcli.core.span import Seconds
from speechcli.core.transcript import Heard, Stage
from speechcli.errors import DataError, UnavailableError, UsageError

ALONE: Seconds = 60.0  # of sound, above which a decoder without a cache is too slow to be used unawares
LOUDNESS = -25.0  # dB of full scale
EXPORT = "benchmarks/export_onnx.py CHECKPOINT FOLDER --kv makes graphs with one"
_EPS = 1e-6  # as in the feature extractor
_BLOCK = 1 << 20  # samples measured at once
_LONGEST_ANSWER = 32_768  # tokens; generation_config.json
_PACE = 12.0  # tokens a second: nobody speaks faster, three at once included
_MARGIN = 256  # tokens
_ENDS = ("<|im_end|>", "<|endoftext|>")
_SYSTEM = "You are a helpful assistant that transcribes audio input into text output in JSON format."
_KEYS = "Start time, End time, Speaker ID, Content"
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_FAILURES = (
    ort_errors.Fail,
    ort_errors.RuntimeException,
    ort_errors.EPFail,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.InvalidArgument,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """What `--set` takes for VibeVoice in ONNX.

    weights: of the decoder, q4, int8, fp16 or fp32; auto is by memory. max_new_tokens: of an answer; by the length of
    the sound unless set. acoustic_tokenizer_chunk_size: samples at 24 kHz that the encoder hears at once, a multiple
    of 3200. prefill_chunk_size: frames that the decoder is fed at once. threads: of the CPU; 0: as many as there are.
    """

    weights: str = "auto"
    max_new_tokens: int | None = None
    acoustic_tokenizer_chunk_size: int = 30 * RATE
    prefill_chunk_size: int = 256
    threads: int = 0

    def __post_init__(self) -> None:
        if self.weights not in ("auto", *KINDS):
            raise UsageError(f"weights={self.weights} is none of auto, {', '.join(KINDS)}")
        for name, least in (("max_new_tokens", 1), ("prefill_chunk_size", 1), ("threads", 0)):
            if (value := getattr(self, name)) is not None and value < least:
                raise UsageError(f"{name} must be at least {least}")


def open(setup: Setup) -> VibeVoiceOnnx:  # noqa: A001 - what a backend's door is called
    """The model, loaded. Raises UsageError, UnavailableError, DataError."""
    given = settings.parse(Settings, _with_quantize(setup))
    if setup.attention is not None or setup.compile:
        raise UsageError("graphs in ONNX take neither --attn-implementation nor --compile", "vibevoice does")
    if setup.dtype not in ("auto", "float32", "float16"):
        raise UsageError(f"graphs in ONNX do not compute in {setup.dtype}", "float32 or float16")
    try:
        shape = shape_of(config_of(setup.folder))
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        raise DataError(f"{setup.folder / 'config.json'} describes no VibeVoice ({error})", "is it whole?") from error
    if given.acoustic_tokenizer_chunk_size % shape.hop or given.acoustic_tokenizer_chunk_size < shape.hop:
        raise UsageError(
            f"acoustic_tokenizer_chunk_size={given.acoustic_tokenizer_chunk_size} is no multiple of {shape.hop} samples"
        )
    files = find(setup.folder)
    device = _device(setup.device, setup.cards)
    encoder = encoder_of(files, setup.dtype, device)
    kind, decoder = pick(
        files, given.weights, encoder, cache_of(shape, setup.longest), _free(device, setup.cards), device != "cpu"
    )
    onnx_files.check((encoder, decoder))
    sessions = _Sessions(device, given.threads)
    return VibeVoiceOnnx(setup, given, shape, kind, sessions, encoder, decoder)


def _with_quantize(setup: Setup) -> Mapping[str, str]:
    """`--quantize` is another word for the same thing here."""
    kind = {"int8": "int8", "int4": "q4"}.get(setup.quantize or "", "auto")
    return {"weights": kind, **setup.settings}


# --- memory ---


def _free(device: str, cards: Sequence[str] | None) -> int | None:
    """Bytes free where the weights go; None where nobody can tell."""
    return _free_on_gpu(device.partition(":")[2], cards) if device != "cpu" else _free_on_host()


def _free_on_gpu(index: str, cards: Sequence[str] | None) -> int | None:
    if cards is not None:  # CUDA counts these, nvidia-smi all there are; both know them by their UUID
        index = cards[int(index)] if int(index) < len(cards) else ""
    if not index:
        return None
    query = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits", f"--id={index}"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
        return int(told.split()[0]) * 2**20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def _free_on_host() -> int | None:
    """Of the machine, and of the container if that has less."""
    rows: list[int] = []
    with contextlib.suppress(OSError, ValueError, IndexError, StopIteration):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        rows.append(int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024)
    group = Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError, ValueError, IndexError, StopIteration):
        lines = (group / "memory.stat").read_text("ascii").splitlines()
        cached = int(next(line for line in lines if line.startswith("inactive_file ")).split()[1])
        used = int((group / "memory.current").read_text("ascii")) - cached
        rows.append(int((group / "memory.max").read_text("ascii")) - used)
    if not rows:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            rows.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(rows, default=None)


# --- sessions ---


def _device(name: str, cards: Sequence[str] | None) -> str:
    """What was asked for as cpu or cuda:N. Raises UsageError, UnavailableError."""
    there = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if name == "auto":
        return "cuda:0" if there and _free_on_gpu("0", cards) is not None else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise UsageError(f"this model runs on cpu and cuda, not on {name}", "use --device cpu")
    if kind == "cpu":
        return "cpu"
    if not there:
        raise UnavailableError("this onnxruntime knows no CUDA", "pip install onnxruntime-gpu, or --device cpu")
    return f"cuda:{int(index or 0)}"


class _Sessions:
    """Opens graphs on one device."""

    def __init__(self, device: str, threads: int) -> None:
        self.device = device
        self._threads = threads or cores()

    def open(self, graph: Graph, basic: bool) -> onnxruntime.InferenceSession:
        """basic: without rewriting the graph for transformers, which the encoder's card forbids."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Lengths differ at each step: a plan for each of them, and arenas that fit none, would only pile up.
        options.enable_mem_pattern = False
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if basic:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        try:
            session = onnxruntime.InferenceSession(str(graph.path), options, providers=self._providers())
        except _FAILURES as error:
            if _is_memory(error):
                raise UnavailableError(
                    f"not enough memory on {self.device} for {graph.path.name}", "--set weights=q4, or --device cpu"
                ) from error
            raise DataError(f"{graph.path} cannot be loaded ({_first_line(error)})", "is it whole?") from error
        if self.device != "cpu" and "CUDAExecutionProvider" not in session.get_providers():
            raise UnavailableError(f"onnxruntime cannot use {self.device}", "see speechcli doctor, or --device cpu")
        return session

    def _providers(self) -> list[Any]:
        if self.device == "cpu":
            return ["CPUExecutionProvider"]
        cuda = {
            "device_id": self.device.partition(":")[2],
            "arena_extend_strategy": "kSameAsRequested",
            "cudnn_conv_algo_search": "HEURISTIC",  # the exhaustive one would search for each new length
        }
        return [("CUDAExecutionProvider", cuda), "CPUExecutionProvider"]


def _is_memory(error: Exception) -> bool:
    return bool(re.search(r"allocat|out of memory|bad_alloc", str(error), re.IGNORECASE))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


@contextlib.contextmanager
def _memory() -> Iterator[None]:
    """The engine's ways of saying that memory is short become ours. Raises OutOfMemoryError."""
    try:
        yield
    except _FAILURES as error:
        if _is_memory(error):
            raise OutOfMemoryError(_first_line(error)) from error
        raise


# --- the encoder ---


class _Encoder:
    def __init__(self, session: onnxruntime.InferenceSession, shape: Shape, chunk: int) -> None:
        self._session, self._shape = session, shape
        (self._input,) = session.get_inputs()
        self._step = chunk // shape.hop

    def __call__(self, samples: Samples) -> Iterator[NDArray[Any]]:
        """Frames of the sound, shape (1, frames, hidden), a chunk at a time. samples: (n,), n > 0, at 24 kHz."""
        hop, dtype = self._shape.hop, _TYPES[self._input.type]
        gain = gain_of(samples)
        n_frames = -(-len(samples) // hop)
        for first in range(0, n_frames, self._step):
            before = min(self._shape.context, first)
            last = min(first + self._step, n_frames)
            part = samples[(first - before) * hop : last * hop]
            sound = np.zeros((1, 1, (last - first + before) * hop), dtype)  # a rest that fills no frame would be lost
            np.multiply(part, gain, out=sound[0, 0, : len(part)], casting="same_kind")
            (frames,) = self._session.run(None, {self._input.name: sound})
            yield frames[:, before:]


def gain_of(samples: Samples) -> np.float32:
    """The factor that brings a sound to -25 dB of full scale, or to 1 at its loudest where that would clip."""
    energy, peak = 0.0, 0.0
    for at in range(0, len(samples), _BLOCK):
        block = samples[at : at + _BLOCK]
        energy += float(np.dot(block, block))
        peak = max(peak, float(block.max()), -float(block.min()))
    gain = 10 ** (LOUDNESS / 20) / (math.sqrt(energy / len(samples)) + _EPS)
    return np.float32(gain / (gain * peak + _EPS) if gain * peak > 1.0 else gain)


# --- the decoder ---


def _check(graph: Graph, session: onnxruntime.InferenceSession, inputs: set[str], output: str) -> None:
    """Raises DataError for a graph that takes or gives something else, a cache aside."""
    outputs = [o.name for o in session.get_outputs()]
    types = {i.type for i in session.get_inputs()} - {"tensor(int64)"}
    others = {name for name in graph.inputs if not name.startswith("past")} ^ inputs
    presents = {name.partition(".")[2] for name in outputs if name.startswith("present")}
    pasts = {name.partition(".")[2] for name in graph.inputs if name.startswith("past")}
    if others or output not in outputs or not types <= set(_TYPES) or pasts - presents:
        raise DataError(
            f"{graph.path.name} is laid out otherwise (it takes {', '.join(graph.inputs[:4])})",
            f"it must take {' and '.join(sorted(inputs))}, and give {output}: benchmarks/export_onnx.py",
        )


class _Decoder(Protocol):
    """One answer: fed the speech, then asked for the tokens that follow a text."""

    def fresh(self) -> _Decoder: ...
    def hear(self, frames: NDArray[Any]) -> None: ...
    def next(self, ids: Sequence[int]) -> int:
        """The likeliest token after `ids`, which follow all that it was given before."""
        ...


class _Plain:
    """Without a cache: the whole prompt again for each token."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._type = _TYPES[next(i.type for i in session.get_inputs() if i.name == "speech_embeddings")]
        self._frames: list[NDArray[Any]] = []
        self._ids: list[int] = []

    def fresh(self) -> _Plain:
        return _Plain(self._session)

    def hear(self, frames: NDArray[Any]) -> None:
        self._frames.append(frames.astype(self._type, copy=False))

    def next(self, ids: Sequence[int]) -> int:
        self._frames = [np.concatenate(self._frames, 1)] if len(self._frames) > 1 else self._frames
        self._ids += ids
        fed = {"input_ids": np.array([self._ids], np.int64), "speech_embeddings": self._frames[0]}
        (logits,) = self._session.run(["logits"], fed)
        return int(logits[0, -1].argmax())


class _Cached:
    """With a cache, which stays on the device: `past...` in, `present...` out."""

    def __init__(self, session: onnxruntime.InferenceSession, device: str, slice_: int) -> None:
        self._session, self._device, self._slice = session, device, slice_
        kind, _, index = device.partition(":")
        self._place = (kind, int(index or 0))
        inputs = {i.name: i for i in session.get_inputs()}
        speech = inputs["speech_embeddings"]
        self._type, self._none = _TYPES[speech.type], np.zeros((1, 0, speech.shape[2]), _TYPES[speech.type])
        self._pairs = _pairs(list(inputs), [o.name for o in session.get_outputs()])
        self._past = [
            onnxruntime.OrtValue.ortvalue_from_numpy(
                np.zeros((1, inputs[past].shape[1], 0, inputs[past].shape[3]), _TYPES[inputs[past].type]), *self._place
            )
            for past, _ in self._pairs
        ]

    def fresh(self) -> _Cached:
        return _Cached(self._session, self._device, self._slice)

    def hear(self, frames: NDArray[Any]) -> None:
        for at in range(0, frames.shape[1], self._slice):
            self._run((), frames[:, at : at + self._slice].astype(self._type, copy=False))

    def next(self, ids: Sequence[int]) -> int:
        return int(self._run(ids, self._none)[0, -1].argmax())

    def _run(self, ids: Sequence[int], speech: NDArray[Any]) -> NDArray[Any]:
        """Logits of the last position, shape (1, 1, vocabulary)."""
        io = self._session.io_binding()
        io.bind_cpu_input("input_ids", np.array([ids], np.int64).reshape(1, -1))
        io.bind_cpu_input("speech_embeddings", np.ascontiguousarray(speech))
        io.bind_output("logits")
        for (past, present), value in zip(self._pairs, self._past, strict=True):
            io.bind_ortvalue_input(past, value)
            io.bind_output(present, *self._place)
        self._session.run_with_iobinding(io)
        logits, *self._past = io.get_outputs()
        found: NDArray[Any] = logits.numpy()
        return found


def _pairs(inputs: Sequence[str], outputs: Sequence[str]) -> list[tuple[str, str]]:
    """The inputs of the cache, each with the output that is its next value: past_key_values.0.key, present.0.key."""
    by_place = {name.partition(".")[2]: name for name in outputs if name.startswith("present")}
    return [(name, by_place[name.partition(".")[2]]) for name in inputs if name.startswith("past")]


# --- prompt and answer ---


def prompt(seconds: Seconds, told: str = "") -> str:
    """The card's prompt, which follows the speech. told: hotwords and context, where the torch template has them."""
    ask = f"with extra info: {told}\n\nPlease" if told else "please"
    return (
        f"<|im_start|>system\n{_SYSTEM}<|im_end|>\n<|im_start|>user\n"
        f"This is a {seconds:.2f} seconds audio, {ask} transcribe it with these keys: {_KEYS}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


class VibeVoiceOnnx:
    """A `Transcriber`."""

    def __init__(
        self,
        setup: Setup,
        given: Settings,
        shape: Shape,
        kind: str,
        sessions: _Sessions,
        encoder: Graph,
        decoder: Graph,
    ) -> None:
        self._settings, self._shape, self._device, self._cards = given, shape, sessions.device, setup.cards
        self._tokenizer, self._ends = _tokenizer(setup.folder)
        session = sessions.open(encoder, basic=True)
        _check(encoder, session, {"audio"}, "speech_embeddings")
        self._encoder = _Encoder(session, shape, given.acoustic_tokenizer_chunk_size)
        session = sessions.open(decoder, basic=False)
        _check(decoder, session, {"input_ids", "speech_embeddings"}, "logits")
        self._cached = any(name.startswith("past") for name in decoder.inputs)
        self._vocabulary = next(int(o.shape[2]) for o in session.get_outputs() if o.name == "logits")
        self._decoder: _Decoder = (
            _Cached(session, sessions.device, given.prefill_chunk_size) if self._cached else _Plain(session)
        )
        self.traits = Traits(RATE, setup.longest, gives_speakers=True, takes_prompt=True)
        cache = "with" if self._cached else "without"
        engine = f"onnxruntime {onnxruntime.__version__} on {sessions.device} in {kind}, {cache} a cache"
        used = {f.name: str(getattr(given, f.name)) for f in fields(given)} | {"weights": kind}
        self.stage = Stage("transcribe", engine, setup.name, setup.revision, tuple(used.items()))

    def transcribe(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        """One after the other: the graphs hear one sound at a time. Raises OutOfMemoryError, UnavailableError."""
        with _memory():
            return [self._hear(audio, hint) for audio, hint in zip(batch, hints, strict=True)]

    def close(self) -> None:
        """Frees the weights; the transcriber cannot be used any more."""
        del self._encoder, self._decoder

    def _hear(self, audio: Audio, hints: Hints) -> Heard:
        vibevoice_answer.check(hints)
        if not len(audio.samples):
            return Heard()
        ids = self._tokenizer.encode(
            prompt(audio.duration, vibevoice_answer.told(hints) or ""), add_special_tokens=False
        ).ids
        if not self._cached:
            self._refuse_what_cannot_fit(audio.duration, len(ids))
        decoder = self._decoder.fresh()
        for frames in self._encoder(audio.samples):
            decoder.hear(frames)
        watch = None if self._cached or audio.duration <= ALONE else _Watch(audio.duration)
        tokens = list(self._answer(decoder, ids, audio.duration, watch))
        ended = bool(tokens) and tokens[-1] in self._ends
        raw = self._tokenizer.decode(tokens[:-1] if ended else tokens, skip_special_tokens=False)
        notes = () if watch is None else (watch.note,)
        return vibevoice_answer.heard(raw, audio.duration, hints, len(tokens), ended, notes)

    def _answer(self, decoder: _Decoder, ids: Sequence[int], duration: Seconds, watch: _Watch | None) -> Iterator[int]:
        """The tokens to the one that ends the answer, if one does."""
        limit = self._settings.max_new_tokens or min(_LONGEST_ANSWER, _MARGIN + math.ceil(_PACE * duration))
        for _ in range(limit):
            token = decoder.next(ids)
            if watch is not None:
                watch.tell()
            yield token
            if token in self._ends:
                return
            ids = (token,)

    def _refuse_what_cannot_fit(self, duration: Seconds, n_ids: int) -> None:
        positions = math.ceil(duration * RATE / self._shape.hop) + n_ids + round(USUAL_PACE * duration)
        needed, free = without_cache(positions, self._shape.heads, self._vocabulary), _free(self._device, self._cards)
        if free is not None and needed > free:
            raise UnavailableError(
                f"{duration / 60:.0f} minutes need {size_of(needed)} of memory where the decoder has no cache, "
                f"and {size_of(free)} are free",
                f"--chunk-size {ALONE:g}; {EXPORT}",
            )


class _Watch:
    """How long something long takes without a cache: said once, after the first token, and kept for the verdict."""

    def __init__(self, duration: Seconds) -> None:
        self._duration = duration
        self._began = time.monotonic()
        self.note = ""

    def tell(self) -> None:
        if self.note:
            return
        whole = (time.monotonic() - self._began) * USUAL_PACE * self._duration
        self.note = (
            f"{self._duration:.0f} s heard by a decoder without a cache, which takes about "
            f"{max(1, round(whole / 60))} min: {EXPORT}"
        )
        _log.warning("%s", self.note)


def _tokenizer(folder: Path) -> tuple[Tokenizer, frozenset[int]]:
    """The tokenizer, and the tokens that end an answer."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise DataError(f"{folder} holds no tokenizer.json", "fetch it again: speechcli models pull")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise DataError(f"{path} cannot be read ({error})", "is it whole?") from error
    tokenizer.no_padding()  # transformers may have left it on when it saved
    tokenizer.no_truncation()
    ends = frozenset(number for token in _ENDS if (number := tokenizer.token_to_id(token)) is not None)
    if not ends:
        raise DataError(f"{path} knows none of {', '.join(_ENDS)}", "is it VibeVoice's?")
    return tokenizer, ends
