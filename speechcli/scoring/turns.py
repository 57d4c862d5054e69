"""Turns as scorers take them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from speechcli.core.span import tidy
from speechcli.core.transcript import Turn


def of_rttm(text: str) -> tuple[Turn, ...]:
    """The turns as they stand in a sound RTTM; those of a speaker that touch stay two: the collar is around each."""
    lines = (line.split() for line in text.split("\n"))
    turns = (
        Turn(tidy(float(parts[3])), tidy(float(parts[3]) + float(parts[4])), parts[7])
        for parts in lines
        if parts and parts[0] == "SPEAKER"
    )
    return tuple(sorted((turn for turn in turns if turn.duration > 0), key=lambda turn: (turn.start, turn.end)))


def apart(turns: Iterable[Turn]) -> list[Turn]:
    """Turns of one speaker that overlap made one; those that only touch stay two.

    >>> apart([Turn(0.0, 2.0, "A"), Turn(1.0, 3.0, "A"), Turn(3.0, 4.0, "A")])
    [Turn(start=0.0, end=3.0, speaker='A'), Turn(start=3.0, end=4.0, speaker='A')]
    """
    rows: dict[str, list[Turn]] = defaultdict(list)
    for turn in sorted(turns, key=lambda turn: (turn.start, turn.end)):
        row = rows[turn.speaker]
        if row and turn.start < row[-1].end:
            row[-1] = row[-1].moved(row[-1].start, max(row[-1].end, turn.end))
        elif turn.duration > 0:
            row.append(turn)
    return sorted((turn for row in rows.values() for turn in row), key=lambda turn: (turn.start, turn.end))
