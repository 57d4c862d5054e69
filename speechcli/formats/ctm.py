"""CTM, time-marked words (NIST sclite): `<file> <channel> <start> <duration> <word> [<confidence>]`.

Five columns where a word has no confidence. NeMo's eight columns are read too; `;;` begins a comment.
"""

from __future__ import annotations

from collections.abc import Iterator

from speechcli.core.span import tidy, to_ms
from speechcli.core.transcript import Transcript, Word
from speechcli.errors import DataError
from speechcli.formats.clock import seconds
from speechcli.formats.rows import field, file_id, following, number, one_recording, segments_of, transcript_of
from speechcli.timeline.text import clean


def document(transcript: Transcript) -> Iterator[str]:
    """One line a word, sorted by start."""
    name = file_id(transcript.source)
    for word in sorted(transcript.words, key=lambda w: w.start):
        if not clean(word.text):
            continue
        start = max(to_ms(word.start), 0)
        length = max(to_ms(word.end) - start, 1)
        sure = "" if word.confidence is None else f" {min(max(word.confidence, 0.0), 1.0):.3f}"
        yield f"{name} 1 {seconds(start)} {seconds(length)} {field(word.text, '_')}{sure}\n"


def read(text: str, source: str) -> Transcript:
    """Words, in segments by their pauses; channels are told apart as speakers. Raises DataError with the line."""
    words: dict[str, list[Word]] = {}
    names: set[str] = set()
    for line, row in enumerate(text.split("\n"), 1):
        parts = row.split()
        if not parts or row.lstrip().startswith(";;"):
            continue
        if len(parts) not in (5, 6, 8):
            raise DataError(f"{source}, line {line}: {len(parts)} columns where CTM has 5 or 6")
        start, length = number(parts[2], source, line), number(parts[3], source, line)
        names.add(parts[0])
        channel = words.setdefault(parts[1], [])
        said = following(parts[4], channel[-1].text if channel else "")
        channel.append(Word(start, tidy(start + length), said, _confidence(parts[5:6])))
    one_recording(names, source)
    several = len(words) > 1
    segments = [
        segment
        for channel, row in words.items()
        for segment in segments_of(sorted(row, key=lambda w: w.start), f"channel_{channel}" if several else None)
    ]
    return transcript_of(source, segments)


def _confidence(column: list[str]) -> float | None:
    try:
        value = float(column[0]) if column else -1.0
    except ValueError:  # NA
        return None
    return value if 0 <= value <= 1 else None
