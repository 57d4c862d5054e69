"""RTTM, who spoke when (NIST): `SPEAKER <file> 1 <onset> <duration> <NA> <NA> <speaker> <NA> <NA>`.

Both ends are rounded and their difference written: rounding start and duration apart would move the end. Readers take
nine fields too (LDC, Kaldi). The lines of a file are in whatever order; a speaker's own turns that overlap are one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from speechcli.core.span import Seconds, tidy, to_ms
from speechcli.core.transcript import Transcript, Turn
from speechcli.errors import DataError
from speechcli.formats.clock import seconds
from speechcli.formats.rows import few, field, file_id, number, one_recording, transcript_of
from speechcli.timeline.turns import in_order, known

_OTHERS = frozenset(
    "SPKR-INFO LEXEME NON-LEX NON-SPEECH SEGMENT NOSCORE NO_RT_METADATA SU CB FILLER EDIT IP A/P".split()
)
_SHORTEST: Seconds = 0.001


def document(transcript: Transcript) -> Iterator[str]:
    """One line a turn, sorted by onset; without turns, one a segment whose speaker is known."""
    name = file_id(transcript.source)
    for turn in in_order(map(_written, known(transcript))):
        start, end = to_ms(turn.start), to_ms(turn.end)
        yield f"SPEAKER {name} 1 {seconds(start)} {seconds(end - start)} <NA> <NA> {turn.speaker} <NA> <NA>\n"


def read(text: str, source: str, recording: str | None = None) -> Transcript:
    """Turns, and no text. recording: name of the one whose turns are wanted, where a file holds those of several.

    Raises DataError with the line that is wrong, and for several recordings none of which is the wanted one.
    """
    turns: dict[str, list[Turn]] = defaultdict(list)
    empty: dict[str, list[str]] = defaultdict(list)
    for line, row in enumerate(text.split("\n"), 1):
        parts = row.split()
        if not parts or parts[0].startswith((";", "#")) or parts[0] in _OTHERS:
            continue
        if parts[0] != "SPEAKER" or not 9 <= len(parts) <= 10:
            what = f"{len(parts)} fields, not 9 or 10" if parts[0] == "SPEAKER" else repr(row.strip()[:40])
            raise DataError(f"{source}, line {line} is no line of an RTTM file: {what}")
        start, length = number(parts[3], source, line), number(parts[4], source, line)
        if length > 0:
            turns[parts[1]].append(Turn(start, tidy(start + length), parts[7]))
        else:
            empty[parts[1]].append(f"line {line} is of no length: left out")
            turns[parts[1]] += ()
    name, note = _wanted(list(turns), source, recording)
    return transcript_of(source, (), in_order(turns.get(name, ())), notes=few([*note, *empty.get(name, ())]))


def _wanted(names: list[str], source: str, recording: str | None) -> tuple[str, list[str]]:
    """The name in the file of the recording, and what is odd about it. Raises DataError."""
    if recording is not None and names:
        known = {file_id(recording), field(recording, "")}
        if (own := next((name for name in names if name in known), None)) is not None:
            return own, []
        if len(names) > 1:
            raise DataError(
                f"{source} is about {_few(names)}, and not about {file_id(recording)}",
                "the second field of its lines names the recording",
            )
        return names[0], [f"{source} calls its recording {names[0]}, not {file_id(recording)}"]
    one_recording(names, source)
    return (names[0] if names else ""), []


def _few(names: list[str]) -> str:
    """The first of many names."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _written(turn: Turn) -> Turn:
    """As it is written: on the grid, not empty, the speaker a single field."""
    start = tidy(max(turn.start, 0.0))
    return Turn(start, max(tidy(turn.end), start + _SHORTEST), field(turn.speaker, "unknown"))
