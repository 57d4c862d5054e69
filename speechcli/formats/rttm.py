"""RTTM, who spoke when (NIST): `SPEAKER <file> 1 <onset> <duration> <NA> <NA> <speaker> <NA> <NA>`.

Both ends are rounded and their difference written: rounding start and duration apart would move the end. Readers take
nine fields too (LDC, Kaldi).
"""

from __future__ import annotations

from collections.abc import Iterator

from speechcli.core.span import tidy, to_ms
from speechcli.core.transcript import Transcript, Turn
from speechcli.errors import DataError
from speechcli.formats.clock import seconds
from speechcli.formats.rows import field, file_id, number, one_recording, transcript_of

_OTHERS = frozenset(
    "SPKR-INFO LEXEME NON-LEX NON-SPEECH SEGMENT NOSCORE NO_RT_METADATA SU CB FILLER EDIT IP A/P".split()
)


def document(transcript: Transcript) -> Iterator[str]:
    """One line a turn, sorted by onset; without turns, one a segment whose speaker is known."""
    name = file_id(transcript.source)
    turns = transcript.turns or [Turn(s.start, s.end, s.speaker) for s in transcript.segments if s.speaker]
    for turn in sorted(turns, key=lambda t: t.start):
        start = max(to_ms(turn.start), 0)
        length = max(to_ms(turn.end) - start, 1)
        speaker = field(turn.speaker, "unknown")
        yield f"SPEAKER {name} 1 {seconds(start)} {seconds(length)} <NA> <NA> {speaker} <NA> <NA>\n"


def read(text: str, source: str) -> Transcript:
    """Turns, and no text. Raises DataError with the line that is wrong."""
    turns: list[Turn] = []
    names: set[str] = set()
    for line, row in enumerate(text.split("\n"), 1):
        parts = row.split()
        if not parts or parts[0].startswith((";", "#")) or parts[0] in _OTHERS:
            continue
        if parts[0] != "SPEAKER" or not 9 <= len(parts) <= 10:
            raise DataError(f"{source}, line {line} is no line of an RTTM file: {row.strip()[:40]!r}")
        start, length = number(parts[3], source, line), number(parts[4], source, line)
        names.add(parts[1])
        turns.append(Turn(start, tidy(start + length), parts[7]))
    one_recording(names, source)
    return transcript_of(source, (), turns)
