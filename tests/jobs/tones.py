"""Recordings of tones, and a transcriber that hears them: what it says is in the samples it is given and nowhere else.

A word is a tone of 0.4 s, its number the pitch; a wrong cut, a lost block or an answer that went to another recording
gives other words.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from speechcli.backends.base import Hints, Traits
from speechcli.core.audio import Audio
from speechcli.core.transcript import Heard, Segment, Stage, Word, joined
from speechcli.jobs import recording
from speechcli.jobs.job import Job, Question
from speechcli.jobs.recording import Ending
from speechcli.media.files import fingerprint
from speechcli.timeline.windows import Rules

RATE = 16_000
BLOCK = round(recording.BLOCK * RATE)
TONE, STEP = 0.4, 0.5  # seconds of a tone, and from one to the next
RULES = Rules(longest=10.0, gap=2.0, pad=0.1, context=1.0)
N_PITCHES = 150


def text_of(numbers: Iterable[int]) -> str:
    return " ".join(f"w{number}" for number in numbers)


def tune(numbers: Iterable[int]) -> Iterator[np.ndarray]:
    """Half a second for each number: its tone and a rest; -1 is silence."""
    t = np.arange(round(TONE * RATE)) / RATE
    for number in numbers:
        piece = np.zeros(round(STEP * RATE), np.float32)
        if number >= 0:
            piece[: len(t)] = 0.5 * np.sin(2 * np.pi * (200 + 40 * number) * t)
        yield piece


def melody(first: int, n: int) -> list[int]:
    """n different words from `first` on, over again when the pitches run out."""
    return [(first + i) % N_PITCHES for i in range(n)]


class Energy:
    """A `SpeechDetector`: loud is speech."""

    frame, rate = 512, RATE

    def fresh(self) -> Energy:
        return self

    def __call__(self, audio: Audio) -> np.ndarray:
        n_frames = -(-len(audio.samples) // self.frame)
        padded = np.zeros(n_frames * self.frame, np.float32)
        padded[: len(audio.samples)] = audio.samples
        return (np.sqrt(np.mean(padded.reshape(n_frames, -1) ** 2, axis=1)) > 0.05).astype(np.float32)


class Ear:
    """A `Transcriber` of tones. before: called with each batch as it is heard (words a window); may raise."""

    def __init__(
        self, batch: int = 4, lanes: int = 2, before: Callable[[Sequence[Sequence[int]]], None] = lambda batch: None
    ) -> None:
        self.traits = Traits(RATE, RULES.longest, batch, lanes, gives_words=True)
        self.stage = Stage("transcribe", "tones", "ear")
        self.calls: list[list[list[int]]] = []
        self._before = before
        self._lock = threading.Lock()

    def transcribe(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        heard = [_heard(audio) for audio in batch]
        words = [[int(word.text[2:]) for segment in one.segments for word in segment.words] for one in heard]
        with self._lock:
            self.calls.append(words)
            self._before(words)
        return heard

    def close(self) -> None:
        pass


def _heard(audio: Audio) -> Heard:
    loud = np.convolve(np.abs(audio.samples), np.ones(160) / 160, "same") > 0.05
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8)))
    words = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if end - start < 0.05 * RATE:
            continue
        spectrum = np.abs(np.fft.rfft(audio.samples[start:end], 1 << 14))
        pitch = float(np.argmax(spectrum)) * RATE / (1 << 14)
        words.append(Word(start / RATE, end / RATE, f" w{round((pitch - 200) / 40)}", confidence=1.0))
    if not words:
        return Heard()
    row = tuple(words)
    return Heard((Segment(row[0].start, row[-1].end, joined(row), row, avg_logprob=-0.1),), language="en")


@dataclass
class Tape:
    """A recording of tones, made as it is read."""

    numbers: Sequence[int]
    fingerprint: str
    then: Callable[[], None] = lambda: None  # when all has been read
    alive: list[float] = field(default_factory=list)  # seconds in memory, after each change
    changed: bool = False  # written to while it was read
    stat: tuple[int, int] = (1, 1)  # size and date of its file
    _now: float = 0.0

    @property
    def duration(self) -> float:
        return len(self.numbers) * STEP

    def blocks(self) -> Iterator[Audio]:
        first, waiting = 0, np.zeros(0, np.float32)
        for piece in tune(self.numbers):
            waiting = np.concatenate([waiting, piece])
            if len(waiting) >= BLOCK:
                yield self._counted(Audio(waiting[:BLOCK].copy(), RATE, first))
                first, waiting = first + BLOCK, waiting[BLOCK:].copy()
        if len(waiting):
            yield self._counted(Audio(waiting, RATE, first))
        self.then()

    def _counted(self, audio: Audio) -> Audio:
        self._count(audio.duration)
        weakref.finalize(audio.samples, self._count, -audio.duration)
        return audio

    def _count(self, seconds: float) -> None:
        self._now += seconds
        self.alive.append(self._now)

    def ending(self) -> Ending:
        return Ending(self.duration, True, (), self.changed, self.fingerprint, *self.stat, ())


class Shelf:
    """`Recordings` of tapes, by the name of the job's media; a file of that name says when it is another one."""

    def __init__(self, tapes: Mapping[str, Tape | Sequence[int]]) -> None:
        self.tapes = {n: t if isinstance(t, Tape) else Tape(t, f"tape:{n}:{t}") for n, t in tapes.items()}

    @contextmanager
    def open(self, job: Job) -> Iterator[Tape]:
        tape = self.tapes[job.media.name]
        if job.media.exists():
            stat = job.media.stat()
            tape.stat, tape.fingerprint = (stat.st_size, stat.st_mtime_ns), fingerprint(job.media)
        yield tape


def jobs_in(folder: Path, names: Iterable[str], formats: Sequence[str] = ("json", "srt")) -> list[Job]:
    """A job for each name, its outputs and journal in `folder`."""
    question = Question("ear", "1", rules=RULES)
    return [
        Job(folder / n, n, n, question, tuple((f, folder / f"{n}.{f}") for f in formats), folder, folder) for n in names
    ]
