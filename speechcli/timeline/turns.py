"""Turns as a diarizer is to give them, and turns of what a model wrote down with speakers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from speechcli.core.span import Seconds, Span, clipped, merged
from speechcli.core.transcript import Segment, Turn, Voice

GRID: Seconds = 0.001  # of what is written: a shorter turn would be empty there, a shorter gap none
BREATH: Seconds = 0.5
"""Sentences of one speaker that are closer are one turn. People who write down turns do not part them there: of the
pauses between one speaker's turns in AMI's meetings (96) none is shorter, of a telephone call's (8) one."""


def tidied(turns: Iterable[Turn], duration: Seconds) -> tuple[Turn, ...]:
    """Turns as `Diarized` promises them: inside the recording, each speaker's own apart, SPEAKER_00 first.

    Sorted by start, then end; those who start at once are numbered as they were sorted by what they were called.

    >>> tidied([Turn(2.0, 9.0, "b"), Turn(-1.0, 1.0, "a"), Turn(1.0, 1.5, "a"), Turn(3.0, 3.0, "c")], 5.0)
    (Turn(start=0.0, end=1.5, speaker='SPEAKER_00'), Turn(start=2.0, end=5.0, speaker='SPEAKER_01'))
    """
    return tidied_with(turns, (), duration)[0]


def tidied_with(
    turns: Iterable[Turn], voices: Iterable[Voice], duration: Seconds
) -> tuple[tuple[Turn, ...], tuple[Voice, ...]]:
    """As `tidied`, and the speakers' voices under their new names; those of nobody who talks are left out."""
    spans: dict[str, list[Span]] = defaultdict(list)
    for turn in turns:
        spans[turn.speaker].append(turn)
    bounds = Span(0.0, max(0.0, duration))
    kept = [
        Turn(span.start, span.end, speaker)
        for speaker, own in spans.items()
        for span in merged(clipped(own, bounds), GRID)
        if span.duration >= GRID
    ]
    kept.sort(key=lambda turn: (turn.start, turn.end, turn.speaker))
    names = {old: label(i) for i, old in enumerate(dict.fromkeys(turn.speaker for turn in kept))}
    renamed = (replace(voice, speaker=names[voice.speaker]) for voice in voices if voice.speaker in names)
    return (
        tuple(replace(turn, speaker=names[turn.speaker]) for turn in kept),
        tuple(sorted(renamed, key=lambda voice: (len(voice.speaker), voice.speaker))),
    )


def turns_of(segments: Iterable[Segment], within: Seconds = BREATH) -> tuple[Turn, ...]:
    """Who talks when, by the speakers of segments; a speaker's segments up to `within` apart are one turn.

    What has no speaker (music, silence that a model noted) gives none. Speakers are named anew, by first appearance.

    >>> turns_of([Segment(0.0, 1.0, "So.", speaker="7"), Segment(1.4, 2.0, "Well.", speaker="7")])
    (Turn(start=0.0, end=2.0, speaker='SPEAKER_00'),)
    """
    spans: dict[str, list[Span]] = defaultdict(list)
    for segment in segments:
        if segment.speaker is not None and segment.duration > 0:
            spans[segment.speaker].append(segment)
    talk = [Turn(s.start, s.end, speaker) for speaker, own in spans.items() for s in merged(own, within)]
    return tidied(talk, max((turn.end for turn in talk), default=0.0))


def label(number: int) -> str:
    """What the speaker is called who comes so many-th.

    >>> label(0), label(11)
    ('SPEAKER_00', 'SPEAKER_11')
    """
    return f"SPEAKER_{number:02d}"
