"""Stretches of time, and the only place where time is rounded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

Seconds: TypeAlias = float


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch [start, end) of a recording, in seconds from its first sample."""

    start: Seconds
    end: Seconds

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start) and math.isfinite(self.end) and self.start <= self.end):
            raise ValueError(f"not a stretch of time: {self.start} to {self.end}")

    @property
    def duration(self) -> Seconds:
        return self.end - self.start

    @property
    def middle(self) -> Seconds:
        return (self.start + self.end) / 2

    def overlap(self, other: Span) -> Seconds:
        """Seconds that both cover."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))

    def moved(self, start: Seconds, end: Seconds) -> Self:
        """The same thing at another place."""
        return replace(self, start=start, end=end)


def to_ms(seconds: Seconds) -> int:
    """Whole milliseconds, halves up.

    >>> to_ms(1.9996), to_ms(0.0005)
    (2000, 1)
    """
    return math.floor(seconds * 1000 + 0.5)


def to_samples(seconds: Seconds, rate: int) -> int:
    """Index of the sample at `seconds`, at `rate` Hz."""
    return math.floor(seconds * rate + 0.5)


def tidy(seconds: Seconds) -> Seconds:
    """Seconds on the millisecond grid: what JSON and the other seconds-based formats write."""
    return to_ms(seconds) / 1000


def total(spans: Iterable[Span]) -> Seconds:
    """Seconds covered, a moment covered twice counted once."""
    return math.fsum(span.duration for span in merged(spans))


def merged(spans: Iterable[Span], within: Seconds = 0.0) -> list[Span]:
    """Sorted spans without overlap; neighbours up to `within` apart become one.

    >>> merged([Span(2, 3), Span(0, 1), Span(0.5, 1.5)])
    [Span(start=0, end=1.5), Span(start=2, end=3)]
    """
    out: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        if out and span.start - out[-1].end <= within:
            out[-1] = Span(out[-1].start, max(out[-1].end, span.end))
        else:
            out.append(Span(span.start, span.end))
    return out


def clipped(spans: Iterable[Span], bounds: Span) -> list[Span]:
    """The parts of `spans` inside `bounds`, empty ones left out."""
    cut = (Span(max(s.start, bounds.start), max(s.start, bounds.start, min(s.end, bounds.end))) for s in spans)
    return [span for span in cut if span.duration > 0]


def uncovered(bounds: Sequence[Span], covers: Iterable[Span]) -> list[Span]:
    """What of `bounds` no span of `covers` touches.

    >>> uncovered([Span(0, 10)], [Span(2, 3), Span(9, 12)])
    [Span(start=0, end=2), Span(start=3, end=9)]
    """
    out: list[Span] = []
    covers = merged(covers)
    for bound in merged(bounds):
        at = bound.start
        for cover in covers:
            if cover.end <= at:
                continue
            if cover.start >= bound.end:
                break
            if cover.start > at:
                out.append(Span(at, cover.start))
            at = max(at, cover.end)
        if at < bound.end:
            out.append(Span(at, bound.end))
    return out
