"""Plain text: one line a segment, `[SPEAKER_00]: ` before it where somebody is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from speechcli.core.transcript import Segment
from speechcli.timeline.text import clean, label


def lines(segments: Iterable[Segment]) -> Iterator[str]:
    """One line a segment."""
    for segment in segments:
        if text := clean(segment.text):
            yield f"{label(segment.speaker)}{text}\n"
