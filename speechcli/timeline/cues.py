"""Segments to caption cues by people's standards: line width, lines, reading speed, durations, gaps.

Sources: Netflix Timed Text Style Guide (42 characters, 2 lines, 20 characters a second, 5/6 s to 7 s, 2 frames).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from speechcli.core.span import Seconds, Span
from speechcli.core.transcript import Segment, Word


@dataclass(frozen=True, slots=True)
class Style:
    """How captions are to look.

    max_line_width: columns (a CJK character takes two). max_cps: characters a second.
    min_duration, max_duration, min_gap: seconds.
    """

    max_line_width: int = 42
    max_line_count: int = 2
    max_cps: float = 20.0
    min_duration: Seconds = 0.833
    max_duration: Seconds = 7.0
    min_gap: Seconds = 0.083
    max_words_per_line: int | None = None
    highlight_words: bool = False


@dataclass(frozen=True, slots=True)
class Cue(Span):
    """One caption: its lines, and its words where they are known (never fewer than shown)."""

    lines: tuple[str, ...]
    speaker: str | None = None
    words: tuple[Word, ...] = ()


def cues(segments: Iterable[Segment], style: Style = Style()) -> Iterator[Cue]:
    """Captions of the segments, in order, each as soon as the next one is known."""
    raise NotImplementedError
