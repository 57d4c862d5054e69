"""Tab-separated values as Whisper writes them: `start`, `end` in whole milliseconds, `text`.

A text that begins with a quote is quoted as in CSV: unquoted, readers would swallow the lines after it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from speechcli.core.span import to_ms
from speechcli.core.transcript import Segment, Transcript
from speechcli.errors import DataError
from speechcli.formats.rows import number, transcript_of
from speechcli.timeline.text import clean


def lines(segments: Iterable[Segment]) -> Iterator[str]:
    """The header, then one line a segment."""
    yield "start\tend\ttext\n"
    for segment in segments:
        if text := clean(segment.text):
            start = max(to_ms(segment.start), 0)
            quoted = '"' + text.replace('"', '""') + '"' if text.startswith('"') else text
            yield f"{start}\t{max(to_ms(segment.end), start)}\t{quoted}\n"


def read(text: str, source: str) -> Transcript:
    """Segments without words. Raises DataError with the line that is wrong."""
    rows = csv.reader(text.splitlines(), delimiter="\t")
    segments: list[Segment] = []
    try:
        if next(rows, []) != ["start", "end", "text"]:
            raise DataError(f"{source} does not begin with the columns start, end, text", "is it a TSV of Whisper?")
        for row in rows:
            if len(row) != 3:
                raise DataError(f"{source}, line {rows.line_num}: {len(row)} columns where 3 belong")
            start, end = (number(value, source, rows.line_num) / 1000 for value in row[:2])
            if said := clean(row[2]):
                segments.append(Segment(start, max(start, end), said))
    except csv.Error as error:
        raise DataError(f"{source}, line {rows.line_num}: {error}") from error
    return transcript_of(source, segments)
