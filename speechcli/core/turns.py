"""Turns as every diarizer is to give them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from speechcli.core.span import Seconds, Span, clipped, merged
from speechcli.core.transcript import Turn, Voice

GRID: Seconds = 0.001  # of what is written: a shorter turn would be empty there, a shorter gap none


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
    names = numbers(kept)
    renamed = (replace(voice, speaker=names[voice.speaker]) for voice in voices if voice.speaker in names)
    return (
        tuple(replace(turn, speaker=names[turn.speaker]) for turn in kept),
        tuple(sorted(renamed, key=lambda voice: (len(voice.speaker), voice.speaker))),
    )


def speaker_name(number: int) -> str:
    """What a speaker is called who has no name: by number, from 0.

    >>> speaker_name(1)
    'SPEAKER_01'
    """
    return f"SPEAKER_{number:02d}"


def numbers(turns: Iterable[Turn]) -> dict[str, str]:
    """What speakers are called by first appearance: SPEAKER_00 and on, by what they were called. turns: in order."""
    return {speaker: speaker_name(i) for i, speaker in enumerate(dict.fromkeys(turn.speaker for turn in turns))}
