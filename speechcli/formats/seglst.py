"""SegLST, segments for scoring (meeteval): a list of `{session_id, speaker, start_time, end_time, words}`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from speechcli.core.span import tidy
from speechcli.core.transcript import Transcript
from speechcli.formats.rows import file_id
from speechcli.timeline.text import clean

_quoted: Callable[[str], str] = json.encoder.encode_basestring
UNKNOWN = "unknown"  # meeteval demands a speaker


def document(transcript: Transcript) -> Iterator[str]:
    """One line a segment."""
    name = file_id(transcript.source)
    before = "[\n"
    for segment in transcript.segments:
        if not (text := clean(segment.text)):
            continue
        start = tidy(max(segment.start, 0.0))
        end = max(tidy(segment.end), start)
        speaker = _quoted(clean(segment.speaker or "") or UNKNOWN)
        yield (
            f'{before}{{"session_id": {_quoted(name)}, "speaker": {speaker}, "start_time": {start}, "end_time": {end}, '
            f'"words": {_quoted(text)}}}'
        )
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"
