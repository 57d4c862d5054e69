"""SegLST, segments for scoring (meeteval): a list of `{session_id, speaker, start_time, end_time, words}`."""

from __future__ import annotations

import json
from collections.abc import Iterator

from speechcli.core.span import tidy
from speechcli.core.transcript import Transcript
from speechcli.formats.rows import file_id
from speechcli.timeline.text import clean

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
UNKNOWN = "unknown"  # meeteval demands a speaker


def document(transcript: Transcript) -> Iterator[str]:
    """One line a segment."""
    name = file_id(transcript.source)
    before = "[\n"
    for segment in transcript.segments:
        if not (text := clean(segment.text)):
            continue
        start = tidy(max(segment.start, 0.0))
        row = {
            "session_id": name,
            "speaker": clean(segment.speaker or "") or UNKNOWN,
            "start_time": start,
            "end_time": max(tidy(segment.end), start),
            "words": text,
        }
        yield before + _encode(row)
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"
