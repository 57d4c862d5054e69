"""What tests of live sessions share: how they are fed, what holds for all events, and a model whose words are levels.

A word of this model is 0.4 s of one level, which says which word it is, and 0.1 s of nothing; part of it sounds alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from speechcli.backends.base import Hints, Session, Traits
from speechcli.core.audio import Audio
from speechcli.core.live import Final, Partial
from speechcli.core.transcript import Heard, Segment, Stage, Word, joined

RATE = 16_000
STEP = 0.5  # seconds from one word of levels to the next


def cut(samples: np.ndarray, sizes: int | Sequence[int]) -> Iterator[np.ndarray]:
    """The sound in blocks of these sizes, in turn."""
    at = 0
    for size in itertools.cycle((sizes,) if isinstance(sizes, int) else sizes):
        if at >= len(samples):
            return
        yield samples[at : at + size]
        at += size


def said(session: Session, samples: np.ndarray, sizes: int | Sequence[int] = 512) -> list[Partial | Final]:
    """All events, to the last."""
    events = [event for block in cut(samples, sizes) for event in session.feed(block)]
    return [*events, *session.finish()]


def finals(events: Iterable[object]) -> list[Final]:
    return [event for event in events if isinstance(event, Final)]


def text(events: Iterable[object]) -> str:
    return joined(tuple(word for final in finals(events) for word in final.words))


def check_order(events: Iterable[Partial | Final], duration: float) -> None:
    """Ids, spans and words are as `Partial` and `Final` say."""
    next_id, end = 0, 0.0
    for event in events:
        assert event.id == next_id
        assert event.words
        assert (event.start, event.end) == (event.words[0].start, event.words[-1].end)
        assert end <= event.start <= event.end <= duration + 1e-6
        assert all(a.end <= b.start for a, b in itertools.pairwise(event.words))
        if isinstance(event, Final):
            next_id, end = next_id + 1, event.end


def levels(numbers: Iterable[int], pause: float = 0.0) -> np.ndarray:
    """The sound of these words, one each STEP, and silence behind the last."""
    word = np.zeros(round(STEP * RATE), np.float32)
    word[: round(0.4 * RATE)] = 1.0
    parts = [word * np.float32(0.2 + number / 1000) for number in numbers]
    return np.concatenate([*parts, np.zeros(round(pause * RATE), np.float32)])


def named(numbers: Iterable[int]) -> str:
    return " ".join(f"w{number}" for number in numbers)


class Loud:
    """A `SpeechDetector`: loud is speech. It hears one stream, without gaps."""

    frame, rate = 512, RATE

    def __init__(self) -> None:
        self._next: int | None = None

    def fresh(self) -> Loud:
        return Loud()

    def __call__(self, audio: Audio) -> np.ndarray:
        assert self._next in (None, audio.first)
        self._next = audio.first + len(audio.samples)
        n_frames = -(-len(audio.samples) // self.frame)
        padded = np.zeros(n_frames * self.frame, np.float32)
        padded[: len(audio.samples)] = audio.samples
        return (np.sqrt(np.mean(padded.reshape(n_frames, -1) ** 2, axis=1)) > 0.05).astype(np.float32)


class Levels:
    """A `Transcriber` of levels. heard: (seconds, hints) of each audio it was given. closed: whether it was closed."""

    def __init__(self, longest: float = 30.0, gives_words: bool = True, takes_prompt: bool = False) -> None:
        self.traits = Traits(RATE, longest, gives_words=gives_words, takes_prompt=takes_prompt)
        self.stage = Stage("transcribe", "levels", "levels")
        self.heard: list[tuple[float, Hints]] = []
        self.closed = False

    def transcribe(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        self.heard += [(audio.duration, hint) for audio, hint in zip(batch, hints, strict=True)]
        return [self._words(audio) for audio in batch]

    def close(self) -> None:
        self.closed = True

    def _words(self, audio: Audio) -> Heard:
        loud = np.concatenate([[0.0], audio.samples, [0.0]])
        edges = np.flatnonzero(np.diff(loud) != 0)
        words = []
        for start, end in itertools.pairwise(edges.tolist()):
            level = float(audio.samples[start])
            if level:
                words.append(Word(start / RATE, end / RATE, f" w{round((level - 0.2) * 1000)}", confidence=1.0))
        if not words:
            return Heard()
        row = tuple(words)
        return Heard((Segment(row[0].start, row[-1].end, joined(row), row if self.traits.gives_words else ()),))
