"""Audacity label tracks: start, end (seconds, six decimals) and label, parted by tabs; one label a segment."""

from __future__ import annotations

from collections.abc import Iterator

from speechcli.core.span import to_ms
from speechcli.core.transcript import Transcript
from speechcli.formats.clock import seconds
from speechcli.timeline.text import clean, label


def document(transcript: Transcript) -> Iterator[str]:
    """One line a segment."""
    for segment in transcript.segments:
        if text := clean(segment.text):
            start = max(to_ms(segment.start), 0)
            end = max(to_ms(segment.end), start)
            yield f"{seconds(start)}000\t{seconds(end)}000\t{label(segment.speaker)}{text}\n"
