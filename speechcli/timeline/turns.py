"""Turns along the time axis: in order, as diarizers promise them, of segments; who talks together with whom."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from speechcli.core.span import Seconds, Span, merged, total
from speechcli.core.transcript import Segment, Transcript, Turn

BREATH: Seconds = 0.5
"""Sentences of one speaker that are closer are one turn. People who write down turns do not part them there: of the
pauses between one speaker's turns in AMI's meetings (96) none is shorter, of a telephone call's (8) one."""


class Stretch(NamedTuple):
    """Where the same people talk all along. speakers: at least one, who began first comes first."""

    start: Seconds
    end: Seconds
    speakers: tuple[str, ...]


def known(transcript: Transcript) -> tuple[Turn, ...]:
    """Who speaks when as far as a transcript tells: its turns; without them, its segments whose speaker is known."""
    segments = (Turn(s.start, s.end, s.speaker) for s in transcript.segments if s.speaker)
    return transcript.turns or tuple(segments)


def in_order(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """The turns by their starts, none empty; those of one speaker neither overlap nor touch.

    >>> in_order([Turn(2.0, 4.0, "B"), Turn(1.0, 3.0, "B"), Turn(2.0, 2.0, "A")])
    (Turn(start=1.0, end=4.0, speaker='B'),)
    """
    rows: dict[str, list[Turn]] = defaultdict(list)
    for turn in turns:
        if turn.duration > 0:
            rows[turn.speaker].append(turn)
    out = (Turn(span.start, span.end, speaker) for speaker, row in rows.items() for span in merged(row))
    return tuple(sorted(out, key=lambda t: (t.start, t.end, t.speaker)))


def renamed(turns: Iterable[Turn], names: Mapping[str, str]) -> tuple[Turn, ...]:
    """The turns in order, their speakers under other names; two that get one name are one.

    >>> renamed([Turn(0.0, 2.0, "A"), Turn(1.0, 3.0, "B")], {"B": "A"})
    (Turn(start=0.0, end=3.0, speaker='A'),)
    """
    return in_order(replace(turn, speaker=names.get(turn.speaker, turn.speaker)) for turn in turns)


def stretches(turns: Iterable[Turn]) -> list[Stretch]:
    """Who talks when, moment by moment: in order, without overlap; silence is left out.

    >>> stretches([Turn(0.0, 3.0, "A"), Turn(2.0, 4.0, "B")])[1]
    Stretch(start=2.0, end=3.0, speakers=('A', 'B'))
    """
    out: list[Stretch] = []
    talking: list[Turn] = []  # by their starts
    ends: list[Seconds] = []
    at = 0.0

    def until(moment: Seconds) -> None:
        nonlocal at, talking
        while ends and ends[0] <= moment:
            end = heapq.heappop(ends)
            if end > at:
                out.append(Stretch(at, end, tuple(t.speaker for t in talking)))
                at = end
            talking = [t for t in talking if t.end > end]
        if talking and moment > at:
            out.append(Stretch(at, moment, tuple(t.speaker for t in talking)))
        at = max(at, moment)

    for turn in in_order(turns):
        until(turn.start)
        talking.append(turn)
        heapq.heappush(ends, turn.end)
        at = turn.start
    until(max(ends, default=0.0))
    return out


def overlaps(turns: Iterable[Turn]) -> list[Span]:
    """Where at least two talk at the same time."""
    return merged(Span(s.start, s.end) for s in stretches(turns) if len(s.speakers) > 1)


def talk(turns: Iterable[Turn]) -> dict[str, Seconds]:
    """Seconds that each speaker talks, speakers by first appearance.

    >>> talk([Turn(3.0, 4.0, "B"), Turn(0.0, 2.0, "A"), Turn(1.0, 2.5, "A")])
    {'A': 2.5, 'B': 1.0}
    """
    rows: dict[str, list[Turn]] = defaultdict(list)
    for turn in in_order(turns):
        rows[turn.speaker].append(turn)
    return {speaker: total(row) for speaker, row in rows.items()}


def turns_of(said: Iterable[Segment | Turn], within: Seconds = BREATH) -> tuple[Turn, ...]:
    """Who talks when, by the speakers of segments; what one says with pauses up to `within` is one turn.

    What has no speaker (music, silence that a model noted) gives none.

    >>> turns_of([Segment(0.0, 1.0, "So.", speaker="7"), Segment(1.4, 2.0, "Well.", speaker="7")])
    (Turn(start=0.0, end=2.0, speaker='7'),)
    """
    spans: dict[str, list[Span]] = defaultdict(list)
    for one in said:
        if one.speaker is not None:
            spans[one.speaker].append(one)
    return in_order(Turn(s.start, s.end, speaker) for speaker, own in spans.items() for s in merged(own, within))
