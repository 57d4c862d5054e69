"""What every backend is: the protocols, and the records that go in and out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from speechcli.core.audio import Audio, Samples
from speechcli.core.live import Final, Partial
from speechcli.core.span import Seconds, Span
from speechcli.core.transcript import Heard, Stage, Turn, Voice, Word

UNLIMITED = 1 << 20  # audios in a batch: their seconds are the bound


@dataclass(frozen=True, slots=True)
class Traits:
    """What a model needs and gives.

    rate: Hz it listens at. longest: seconds it hears in one pass. batch: audios at once that serve it best. seconds:
    sound that a batch may hold, the shorter audios padded to the longest. lanes: batches it can work on at the same
    time. gives_times: whether its segments say when; without, text is spread over the speech. hears_again: whether
    speech it passed over is worth a second try (what follows `Heard.cut` always is).
    """

    rate: int
    longest: Seconds
    batch: int = 1
    lanes: int = 1
    gives_words: bool = False
    gives_speakers: bool = False
    hears_again: bool = False
    takes_prompt: bool = False
    languages: tuple[str, ...] = ()  # ISO 639-1; empty: not told
    seconds: Seconds = float("inf")
    gives_times: bool = True


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known beforehand about one audio."""

    languages: tuple[str, ...] = ()  # one: spoken for sure; several: one of these; none: find out
    hotwords: tuple[str, ...] = ()
    context: str = ""  # prose the recording is about
    task: str = "transcribe"  # or "translate"
    speech: tuple[Span, ...] = ()  # where speech was heard, from the start of the audio


@dataclass(frozen=True, slots=True)
class Setup:
    """How a backend is opened: the weights on this machine, and where and how they are to run.

    A backend file has `open(setup) -> Transcriber` (or Aligner), which raises UsageError, UnavailableError, DataError.
    longest: seconds of the longest window that will come. batch_size: audios at once; None: as many as serve it best,
    -1: as many as fit. settings: what `--set` gave, for the file's `Settings`, by `settings.parse`. cards: those that
    CUDA counts from 0, by number or UUID, where the user chose some (CUDA_VISIBLE_DEVICES). before: what stands before
    the names of its settings, as the user writes them ("aligner." where it goes along with another model).
    """

    name: str
    folder: Path
    revision: str
    longest: Seconds
    device: str = "auto"
    dtype: str = "auto"
    attention: str | None = None  # transformers' attn_implementation: sdpa, eager, flash_attention_2
    quantize: str | None = None  # weights in int8 or int4
    compile: bool = False
    batch_size: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    cards: tuple[str, ...] | None = None
    before: str = ""

    def batch(self, likes: int) -> int:
        """Audios at once, where `likes` serve the model best; what `Traits.seconds` bounds may be without limit."""
        return UNLIMITED if self.batch_size == -1 else self.batch_size or likes


class OutOfMemoryError(Exception):
    """The device cannot hold this batch; a smaller one may fit."""


@runtime_checkable
class Learning(Protocol):
    """A backend that remembers what was too much for its device, and asks for smaller batches from then on."""

    def too_much(self, seconds: Seconds) -> None:
        """A batch of so many seconds, with its padding, did not fit."""
        ...


class Transcriber(Protocol):
    """Sound to text.

    One `Heard` per audio, in order; silence and empty audio give an empty one; times lie inside the audio
    and do not decrease; words join to text; arrays are not written to; the same audio gives the same answer,
    alone or in a batch.
    """

    @property
    def traits(self) -> Traits: ...
    @property
    def stage(self) -> Stage: ...
    def transcribe(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]: ...
    def close(self) -> None: ...


class Aligner(Protocol):
    """Exactly one Word per token, in order; a lost one is interpolated, its confidence None.

    texts: per audio its tokens, each with the blank before it, as they are to stand in the words; numbers and the like
    as they are spoken. languages: ISO codes, of those in `traits.languages`. doubtful: per audio, places of tokens that
    may not have been said; an aligner that can tell interpolates them. What is empty is like (): none are.
    """

    @property
    def traits(self) -> Traits: ...
    @property
    def stage(self) -> Stage: ...
    def close(self) -> None: ...
    def align(
        self,
        batch: Sequence[Audio],
        texts: Sequence[Sequence[str]],
        languages: Sequence[str | None],
        doubtful: Sequence[Collection[int]] = (),
    ) -> list[list[Word]]: ...


@dataclass(frozen=True, slots=True)
class Counts:
    """How many speakers a recording may have. most: None for as many as there are."""

    least: int = 1
    most: int | None = None

    def __post_init__(self) -> None:
        if self.least < 1 or (self.most is not None and self.most < self.least):
            raise ValueError(f"no such count of speakers: {self.least} to {self.most}")


@dataclass(frozen=True, slots=True)
class Diarized:
    """Who speaks when in one recording.

    turns: by their starts, inside the recording, of SPEAKER_00 and on by first appearance; those of one speaker neither
    overlap nor touch. voices: how each of the speakers sounds, where the diarizer knows. notes: for the verdict.
    """

    turns: tuple[Turn, ...] = ()
    voices: tuple[Voice, ...] = ()
    notes: tuple[str, ...] = ()


class Hearing(Protocol):
    """One recording being heard; its blocks follow one another without gaps, and are not written to afterwards."""

    def hear(self, block: Audio) -> None: ...
    def end(self) -> Diarized:
        """To be asked once, after the last block. No speech, and no blocks, give no turns."""
        ...


class Diarizer(Protocol):
    """Who speaks when; recordings of any length, in memory that does not hold them.

    The same sound gives the same turns, in blocks of whatever size; blocks are not written to. Several hearings may be
    under way, each in a thread of its own.
    """

    @property
    def traits(self) -> Traits: ...
    @property
    def stage(self) -> Stage: ...
    def begin(self, counts: Counts) -> Hearing: ...
    def close(self) -> None: ...


class VoicePrinter(Protocol):
    """How voices sound; used by several threads at a time.

    name: of its weights; prints of printers with other names cannot be compared. rate: Hz it listens at. alike: the
    cosine of two prints from which on they are taken for one voice.
    """

    name: str
    rate: int
    alike: float

    def voice(self, audio: Audio, spans: Sequence[Span]) -> tuple[float, ...] | None:
        """The print of who talks in these stretches (from the start of the audio), of unit length; None when there is
        too little.
        """
        ...


class Session(Protocol):
    """One stream of sound that becomes text while it goes on; used by one thread.

    The finals, one after the other, are the text; none changes, and none begins before the one before it ends. A
    partial holds all that was heard since the last final. Times are from the first sample of the stream.
    """

    def feed(self, samples: Samples) -> Iterator[Partial | Final]:
        """What is new with these samples, which follow the ones before; float32 (n,) at `traits.rate`, of any length.

        To be iterated to its end. The more comes at once, the less work is each second of it.
        """
        ...

    def skip(self, n_samples: int) -> Iterator[Partial | Final]:
        """Goes on behind sound that was lost: what was heard before it becomes final."""
        ...

    def finish(self) -> Iterator[Partial | Final]:
        """The last words. To be called once; nothing may be fed any more."""
        ...


class StreamingTranscriber(Protocol):
    """Sound to text while it is heard. One model, many streams."""

    @property
    def traits(self) -> Traits: ...
    @property
    def stage(self) -> Stage: ...
    def listen(self, hints: Hints) -> Session: ...
    def close(self) -> None: ...


class SpeechDetector(Protocol):
    """Speech probability along one recording, block by block, the state carried over."""

    frame: int  # samples a probability stands for
    rate: int  # Hz

    def fresh(self) -> SpeechDetector: ...
    def __call__(self, audio: Audio) -> NDArray[np.float32]:
        """Probabilities, shape (len(samples) / frame, rounded up), 0..1; a last short frame is padded with zeros."""
        ...
