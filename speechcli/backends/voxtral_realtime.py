"""Voxtral Realtime: text that runs beside the sound, one token for 80 ms, a fixed delay behind it.

Sources: Liu et al. 2026 (arXiv:2602.11298) for the delayed streams and their [P] and [W]; the card of
mistralai/Voxtral-Mini-4B-Realtime-2602 for languages and delays; transformers, models/voxtral_realtime, and
mistral_common, tokens/tokenizers/audio.py, for features, padding and prompt.

`generate` hears a whole file token by token: its encoder runs once for each of them. Here the encoder hears a block of
tokens at a time and only the language model steps, which gives the same tokens in less than half of the time. Each
block is heard and written before the next one is made into features, so an hour takes no more memory than a minute
but for the attention of the language model, which has an end too (8192 tokens in the published model).

A batch begins together and is padded with silence on the right. Nothing that is heard reaches back in time, so each
row reads as it would alone; it is cut where its own sound ends, for behind it the model makes words up.

Compiled (`--compile`), every batch is filled up to its full size, and what the language model remembers has room for
the longest window, so that the step stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import AutoModelForMultimodalLM

from speechcli.backends import placement_torch, processors, settings
from speechcli.backends.base import Hints, OutOfMemoryError, Setup, Traits
from speechcli.backends.voxtral_scribe import TOKEN_MS, Scribe
from speechcli.backends.voxtral_stream import Ring, Step, Stream, step
from speechcli.backends.voxtral_words import Written, segments, words
from speechcli.core.audio import Audio, Samples
from speechcli.core.languages import VOXTRAL, name_of
from speechcli.core.span import Seconds
from speechcli.core.transcript import Heard, Stage
from speechcli.errors import DataError, UnavailableError, UsageError

NAME = "Voxtral Realtime"
RATE = 16_000  # Hz
SHORTEST_DELAY, LONGEST_DELAY = TOKEN_MS, 2400  # ms: the range the model was taught
DELAY = 480  # ms: what the card recommends
BATCH = 8
ATTENTION = ("sdpa", "eager")  # the ring comes with its own mask, which flash attention cannot take


@dataclass(frozen=True, slots=True)
class Settings:
    """What `--set` takes for Voxtral Realtime.

    delay_ms, num_delay_tokens: how far the text stays behind the sound, said in one of two ways: 80 to 2400 ms in
    steps of 80 (480 unless set). Longer is more accurate; 960 ms is worth it for files. block: tokens that the encoder
    hears at once.
    """

    delay_ms: int | None = None
    num_delay_tokens: int | None = None
    block: int = 64

    def __post_init__(self) -> None:
        allowed = f"{SHORTEST_DELAY} to {LONGEST_DELAY} ms in steps of {TOKEN_MS}"
        if self.delay_ms is not None and (
            self.delay_ms % TOKEN_MS or not SHORTEST_DELAY <= self.delay_ms <= LONGEST_DELAY
        ):
            raise UsageError(f"delay_ms={self.delay_ms} is none of the model's delays", allowed)
        tokens = self.num_delay_tokens
        if tokens is not None and not SHORTEST_DELAY <= tokens * TOKEN_MS <= LONGEST_DELAY:
            raise UsageError(f"num_delay_tokens={tokens} is none of the model's delays", f"a token is 80 ms: {allowed}")
        if tokens is not None and self.delay_ms is not None and tokens * TOKEN_MS != self.delay_ms:
            raise UsageError(
                f"delay_ms={self.delay_ms} and num_delay_tokens={tokens} contradict each other", "give one of them"
            )
        if self.block < 1:
            raise UsageError("block must be at least 1")

    @property
    def delay(self) -> int:
        """In tokens."""
        return self.num_delay_tokens or (self.delay_ms or DELAY) // TOKEN_MS


@dataclass(frozen=True, slots=True)
class Loaded:
    """The model of a folder on its device, and who prepares and reads for it."""

    model: Any
    scribe: Scribe
    device: torch.device
    stage: Stage

    @property
    def window(self) -> int:
        """Tokens that the language model looks back at."""
        return int(self.model.config.text_config.sliding_window)

    def step(self, setup: Setup) -> Step:
        """One token further, compiled where `setup` says so."""
        if not setup.compile:
            return step
        return torch.compile(step, mode="reduce-overhead" if self.device.type == "cuda" else None)


def load(setup: Setup, place: placement_torch.Place) -> Loaded:
    """The model of a folder. Raises UsageError, UnavailableError, DataError."""
    chosen = settings.parse(Settings, setup.settings)
    if setup.attention not in (None, *ATTENTION):
        raise UsageError(f"{NAME} runs with {' or '.join(ATTENTION)} attention, not {setup.attention}")
    scribe = Scribe(_processor(setup.folder), chosen.delay, chosen.block)
    more = {"attn_implementation": setup.attention} if setup.attention else {}
    model = placement_torch.load(AutoModelForMultimodalLM, setup, place, **more)
    told = {
        "delay_ms": chosen.delay * TOKEN_MS,
        "block": chosen.block,
        "dtype": str(model.dtype).removeprefix("torch."),
        "attention": model.config._attn_implementation,
    }
    engine = f"transformers {transformers.__version__}"
    settled = tuple((key, str(value)) for key, value in told.items())
    return Loaded(model, scribe, place.device, Stage("transcribe", engine, setup.name, setup.revision, settled))


def open(setup: Setup) -> VoxtralRealtime:  # noqa: A001  # the registry's name for it
    """The model of a folder. Raises UsageError, UnavailableError, DataError."""
    if setup.compile and setup.batch_size == -1:
        raise UsageError(f"{NAME} is compiled for a batch of one size", "give --batch-size, such as 8")
    place = placement_torch.place(setup.device, setup.dtype)
    seconds = placement_torch.fit(setup, place)  # before the model takes its share
    opened = VoxtralRealtime(load(setup, place), setup, seconds)
    opened.known(setup, place)
    return opened


def check(hints: Hints) -> None:
    """Raises UsageError for what the model cannot do."""
    if hints.task != "transcribe":
        raise UsageError(f"{NAME} cannot translate", "it writes what is said, as it is said")
    if len(hints.languages) == 1 and hints.languages[0] not in VOXTRAL:
        known = ", ".join(name_of(code) for code in VOXTRAL)
        raise UsageError(f"{NAME} does not know {name_of(hints.languages[0])}", f"it knows {known}")


def _processor(folder: Path) -> Any:
    """The model's own processor. Raises DataError, UnavailableError."""
    if find_spec("mistral_common") is None:
        raise UnavailableError(f"{NAME} needs mistral-common", 'pip install "mistral-common[audio]"')
    if not (folder / "tekken.json").is_file():  # of which transformers says nothing
        raise DataError(f"{folder} holds no tekken.json, its tokenizer", "are all its files there?")
    return processors.load(folder, hint="is its tekken.json whole?")


class VoxtralRealtime(placement_torch.Learner):
    """A `Transcriber`."""

    def __init__(self, loaded: Loaded, setup: Setup, seconds: Seconds) -> None:
        """seconds: of sound, padded, that a batch may hold."""
        self._model, self._scribe, self._device = loaded.model, loaded.scribe, loaded.device
        self._window, self._step = loaded.window, loaded.step(setup)
        self._ring: Ring | None = None  # the one that a compiled step writes into
        self._ring_rows = 0
        self._compiled = setup.compile
        batch = setup.batch(BATCH)
        self._rows = batch if setup.compile else 0  # that a batch is filled up to for it
        self.stage = loaded.stage
        self.traits = Traits(
            rate=RATE,
            longest=setup.longest,
            batch=batch,
            seconds=seconds,
            gives_words=True,
            languages=VOXTRAL,
        )

    def transcribe(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        """One `Heard` per audio; see `Transcriber`. Raises OutOfMemoryError, UsageError, UnavailableError."""
        for hint in hints:
            check(hint)
        there = [i for i, audio in enumerate(batch) if len(audio.samples)]
        answers = [Heard() for _ in batch]
        try:
            with placement_torch.compiling(NAME), placement_torch.memory():
                streams = self._write([batch[i].samples for i in there]) if there else []
        except OutOfMemoryError:
            self._rows, self._ring = self._rows // 2, None
            raise
        for i, written in zip(there, streams, strict=True):
            answers[i] = self._heard(batch[i], hints[i], written)
        return answers

    def close(self) -> None:
        """Frees the weights; the transcriber cannot be used any more."""
        del self._model, self._ring
        placement_torch.give_back()

    def _memory(self, n_rows: int, n_tokens: int) -> Ring:
        """A new ring, or, for a compiled step, the same each time: that of the longest window."""
        if not self._compiled:
            return Ring(self._model, min(n_tokens, self._window), self._device)
        if self._ring is None or self._ring_rows != n_rows:
            longest = self._scribe.n_tokens(round(self.traits.longest * RATE))
            self._ring, self._ring_rows = Ring(self._model, min(longest, self._window), self._device), n_rows
        return self._ring

    def _write(self, sounds: list[Samples]) -> list[list[Written]]:
        lengths = [self._scribe.n_tokens(len(sound)) for sound in sounds]
        padded = [*sounds, *[np.zeros(0, np.float32)] * (self._rows - len(sounds))]
        ring = self._memory(len(padded), max(lengths))
        stream = None
        for features, prompt in self._scribe.blocks(padded):
            if prompt is not None:
                stream = Stream(self._model, prompt, self._scribe.delay, ring, self._step)
            assert stream is not None
            stream.feed(features)
        assert stream is not None
        tokens, logprobs = stream.take()
        prompted = self._scribe.prompt_length
        return [
            self._scribe.read(ids[: length - prompted], row[: length - prompted])
            for length, ids, row in zip(lengths, tokens, logprobs, strict=False)
        ]

    def _heard(self, audio: Audio, hint: Hints, written: Sequence[Written]) -> Heard:
        language = hint.languages[0] if len(hint.languages) == 1 else None
        found = words(written, self._scribe.when, audio.duration)
        raw = b"".join(token.piece for token in written).decode("utf-8", "replace")
        told = hint.hotwords or hint.context
        notes = (f"{NAME} takes no hotwords or context",) if told else ()
        return Heard(tuple(segments(found, language)), language=language if found else None, notes=notes, raw=raw)
