"""STM, reference segments (NIST sclite): `<file> <channel> <speaker> <start> <end> [<label>] text`.

A speaker nobody knows is `unknown`: scorers demand the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from speechcli.core.span import to_ms
from speechcli.core.transcript import Segment, Transcript
from speechcli.errors import DataError
from speechcli.formats.clock import seconds
from speechcli.formats.rows import field, file_id, number, one_recording, transcript_of
from speechcli.timeline.text import clean

UNKNOWN = "unknown"
_LABEL = re.compile(r"<(?:o|[^<>\s]*,[^<>\s]*)>(?:\s+|$)", re.IGNORECASE)  # <o>: overall, and nothing else
_NOT_SCORED = {"ignore_time_segment_in_scoring", "inter_segment_gap", "(%hesitation)"}


def document(transcript: Transcript) -> Iterator[str]:
    """One line a segment, sorted by start."""
    name = file_id(transcript.source)
    for segment in sorted(transcript.segments, key=lambda s: s.start):
        if text := clean(segment.text):
            start = max(to_ms(segment.start), 0)
            end = max(to_ms(segment.end), start + 1)
            yield f"{name} 1 {field(segment.speaker, UNKNOWN)} {seconds(start)} {seconds(end)} {text}\n"


def read(text: str, source: str) -> Transcript:
    """Segments without words. Raises DataError with the line that is wrong."""
    segments: list[Segment] = []
    names: set[str] = set()
    for line, row in enumerate(text.split("\n"), 1):
        parts = row.split(None, 5)
        if not parts or row.lstrip().startswith(";;"):
            continue
        if len(parts) < 5:
            raise DataError(f"{source}, line {line}: {len(parts)} columns where STM has at least 5")
        start, end = number(parts[3], source, line), number(parts[4], source, line)
        if end < start:
            raise DataError(f"{source}, line {line}: ends at {parts[4]}, before it begins at {parts[3]}")
        names.add(parts[0])
        said = parts[5].strip() if len(parts) > 5 else ""
        if (label := _LABEL.match(said)) is not None:
            said = said[label.end() :]
        if (said := clean(said)) and said.lower() not in _NOT_SCORED:
            segments.append(Segment(start, end, said, speaker=None if parts[2] == UNKNOWN else parts[2]))
    one_recording(names, source)
    return transcript_of(source, segments)
