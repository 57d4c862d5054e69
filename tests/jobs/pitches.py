"""A diarizer of tones (`tones.py`): each pitch is a person, and who is heard is in the samples and nowhere else."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from speechcli.backends.base import Counts, Diarized, Traits
from speechcli.core.audio import Audio
from speechcli.core.span import Span
from speechcli.core.transcript import Stage, Turn, Voice
from speechcli.core.turns import tidied

RATE = 16_000
FRAME = RATE // 10


class Pitches:
    """A `Diarizer`. person: of a pitch in Hz; as a rule each 400 Hz are one. during: called with each block."""

    def __init__(
        self,
        lanes: int = 1,
        person: Callable[[float], int] = lambda pitch: int(pitch // 400),
        during: Callable[[Audio], None] = lambda block: None,
    ) -> None:
        self.traits = Traits(rate=RATE, longest=10.0, lanes=lanes)
        self.stage = Stage("diarize", "tones", "pitches", "1")
        self.person = person
        self.during = during
        self.begun: list[Counts] = []
        self.under_way = self.most_under_way = 0
        self.change = threading.Lock()
        self.closed = False

    def begin(self, counts: Counts) -> _Hearing:
        self.begun.append(counts)
        with self.change:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        return _Hearing(self, counts)

    def close(self) -> None:
        self.closed = True


class _Hearing:
    def __init__(self, diarizer: Pitches, counts: Counts) -> None:
        self._diarizer = diarizer
        self._counts = counts
        self._turns: list[Turn] = []
        self._at = 0

    def hear(self, block: Audio) -> None:
        assert block.first == self._at, "blocks follow one another"
        self._at += len(block.samples)
        self._diarizer.during(block)
        for first in range(0, len(block.samples), FRAME):
            frame = block.samples[first : first + FRAME]
            if np.abs(frame).max() > 0.05:
                crossings = np.count_nonzero(np.diff(np.signbit(frame)))
                pitch = crossings / 2 * RATE / len(frame)
                start = (block.first + first) / RATE
                person = self._diarizer.person(pitch)
                self._turns.append(Turn(start, start + len(frame) / RATE, f"{person}"))

    def end(self) -> Diarized:
        with self._diarizer.change:
            self._diarizer.under_way -= 1
        turns = tidied(self._turns, max((turn.end for turn in self._turns), default=0.0))
        speakers = list(dict.fromkeys(turn.speaker for turn in turns))
        notes = (f"only {len(speakers)} told apart",) if len(speakers) < self._counts.least > 1 else ()
        voices = tuple(Voice(s, 1.0, (1.0, float(i))) for i, s in enumerate(speakers))
        return Diarized(turns, voices, notes)


def talk(*parts: Span | tuple[float, float, float], seconds: float) -> np.ndarray:
    """A recording of tones: (start, end, pitch) each."""
    samples = np.zeros(round(seconds * RATE), np.float32)
    t = np.arange(len(samples)) / RATE
    for start, end, pitch in parts:
        first, last = round(start * RATE), round(end * RATE)
        samples[first:last] += 0.4 * np.sin(2 * np.pi * pitch * t[first:last]).astype(np.float32)
    return samples
