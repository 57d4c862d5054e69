"""Plain text: one line a segment; where speakers are known, one line a speech, `[SPEAKER_00]: ` before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from speechcli.core.transcript import Segment
from speechcli.formats.rows import following
from speechcli.timeline.text import clean, label


def lines(segments: Iterable[Segment]) -> Iterator[str]:
    """The text of each segment as it comes; what one speaker says in a row goes on in the same line."""
    talking = before = ""  # who has the line that is not ended yet, and what it ends with
    for segment in segments:
        if not (text := clean(segment.text)):
            continue
        speaker = label(segment.speaker)
        if talking and speaker == talking:
            yield following(text, before)
        else:
            ended = "\n" if talking else ""
            yield f"{ended}{speaker}{text}" if speaker else f"{ended}{text}\n"
        talking, before = speaker, text
    if talking:
        yield "\n"
