"""Turns as scorers take them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from speechcli.core.transcript import Turn


def apart(turns: Iterable[Turn]) -> list[Turn]:
    """Turns of one speaker that overlap made one; those that only touch stay two, for the collar is around each."""
    rows: dict[str, list[Turn]] = defaultdict(list)
    for turn in sorted(turns, key=lambda turn: (turn.start, turn.end)):
        row = rows[turn.speaker]
        if row and turn.start < row[-1].end:
            row[-1] = row[-1].moved(row[-1].start, max(row[-1].end, turn.end))
        elif turn.duration > 0:
            row.append(turn)
    return [turn for row in rows.values() for turn in row]
