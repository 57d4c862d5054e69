"""What the readers have in common: rows of a file to a transcript, and what is wrong to a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from speechcli.core.span import Seconds, tidy
from speechcli.core.transcript import Segment, Transcript, Turn, Verdict, Word, joined
from speechcli.errors import DataError
from speechcli.timeline.text import breakable, clean, ends_sentence

NOTED = 3  # lines that are told; the others are counted
PARTED: Seconds = 0.5  # words this far apart are in two segments
_NAMED = re.compile(r"\[([^\[\]\n]{1,80})\]: ")


def transcript_of(
    source: str,
    segments: Iterable[Segment],
    turns: Iterable[Turn] = (),
    duration: Seconds = 0.0,
    language: str | None = None,
    notes: Sequence[str] = (),
) -> Transcript:
    """A transcript that was read: in order, and at least as long as what is in it."""
    row = tuple(sorted(segments, key=lambda s: (s.start, s.end)))
    held = tuple(sorted(turns, key=lambda t: (t.start, t.end)))
    end = max((duration, *(s.end for s in row), *(t.end for t in held)))
    return Transcript(source, tidy(end), row, held, language, Verdict(notes=tuple(notes)))


def segments_of(words: Iterable[Word], speaker: str | None = None) -> list[Segment]:
    """Words in a row to segments: a new one after each pause and sentence."""
    out: list[list[Word]] = []
    for word in words:
        if out and word.start - out[-1][-1].end <= PARTED and not ends_sentence(out[-1][-1].text):
            out[-1].append(word)
        else:
            out.append([word])
    return [
        Segment(row[0].start, max(w.end for w in row), joined(tuple(row)), tuple(row), speaker)
        for row in out
        if joined(tuple(row))
    ]


def following(text: str, before: str) -> str:
    """A word of a list with the blank that stands before it in running text; before: the word it follows.

    >>> following("word", "a"), following("字", "幕")
    (' word', '字')
    """
    return text if before and text and breakable(before[-1], text[0]) else f" {text}"


def named_speech(text: str) -> tuple[str | None, str]:
    """Who speaks, and what is said.

    >>> named_speech("[SPEAKER_00]: Hello.")
    ('SPEAKER_00', 'Hello.')
    """
    match = _NAMED.match(text)
    return (match[1], text[match.end() :]) if match else (None, text)


def number(text: str, source: str, line: int) -> Seconds:
    """A time as a number of seconds, not negative. Raises DataError."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        why = ": it is negative" if value < 0 and text.lstrip().startswith("-") else ""
        raise DataError(f"{source}, line {line}: {text[:40]!r} is no time in seconds{why}")
    return tidy(value)


def one_recording(names: Iterable[str], source: str) -> None:
    """Raises DataError when rows of more than one recording are in a file."""
    several = sorted(set(names))
    if len(several) > 1:
        raise DataError(
            f"{source} is about {len(several)} recordings ({', '.join(several[:3])}, ...)", "split it into one for each"
        )


def few(notes: Sequence[str]) -> list[str]:
    """The first notes, and how many more there are."""
    rest = len(notes) - NOTED
    return [*notes[:NOTED], f"and {rest} more like these"] if rest > 0 else list(notes)


def field(text: str | None, unknown: str) -> str:
    """One field of a file whose fields are parted by blanks; never empty, never a comment.

    >>> field("my talk", "-"), field(";; x", "-"), field("", "-")
    ('my_talk', '_;_x', '-')
    """
    one = "_".join(clean(text or "").split())
    return (f"_{one[1:]}" if one.startswith(";") else one) or unknown


def file_id(source: str) -> str:
    """The recording's name as such files have it: without suffix and blanks."""
    return field(PurePath(source).stem, "recording")
