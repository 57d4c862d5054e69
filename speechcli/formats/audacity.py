"""Audacity label tracks: start, end (seconds, six decimals) and label, parted by tabs; one label a segment.

Where only turns are known, one label a turn: the speaker. Audacity shows labels over one another.
"""

from __future__ import annotations

from collections.abc import Iterator

from speechcli.core.span import Span, to_ms
from speechcli.core.transcript import Transcript
from speechcli.formats.clock import seconds
from speechcli.timeline.text import clean, label


def document(transcript: Transcript) -> Iterator[str]:
    """One line a segment, or a turn."""
    rows: list[tuple[Span, str]] = [
        (s, label(s.speaker) + text) for s in transcript.segments if (text := clean(s.text))
    ]
    for span, text in rows or [(turn, clean(turn.speaker)) for turn in transcript.turns]:
        start = max(to_ms(span.start), 0)
        end = max(to_ms(span.end), start)
        yield f"{seconds(start)}000\t{seconds(end)}000\t{text}\n"
