"""Words of a JSON file to words of a segment: the blanks between them, and the times they lack."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from speechcli.core.span import Seconds, tidy
from speechcli.core.transcript import Placed, Segment, Word, joined
from speechcli.timeline.text import breakable

_TOKENS = re.compile(r"(\s*)(\S+)")


@dataclass(frozen=True, slots=True)
class Row:
    """A word as a file has it: without blanks, perhaps without times. text: with its blanks, where the file tells."""

    bare: str
    start: Seconds | None = None
    end: Seconds | None = None
    confidence: float | None = None
    speaker: str | None = None
    placed: Placed = "model"
    text: str | None = None


def restored(text: str, bare: Sequence[str]) -> list[str] | None:
    """The words with the blanks that stand before them in the text; None when they are not its words.

    The first gets a blank too, as most models give it one, unless it is of a script without blanks.

    >>> restored("Well, I know.", ["Well,", "I", "know."])
    [' Well,', ' I', ' know.']
    >>> restored("字幕", ["字", "幕"])
    ['字', '幕']
    """
    out: list[str] = []
    at = 0
    for word in bare:
        begin = at
        while at < len(text) and text[at].isspace():
            at += 1
        if not text.startswith(word, at):
            return None
        at += len(word)
        blank = text[begin : at - len(word)] if out else " " * (word != "" and not breakable("x", word[0]))
        out.append(blank + word)
    return None if text[at:].strip() else out


def with_words(segment: Segment, rows: Sequence[Row]) -> Segment:
    """The segment with its words. Its text wins: rows that are not its words take theirs from it where there are as
    many, as when somebody has put a spelling right, and are left out otherwise.
    """
    texts = restored(segment.text, [row.bare for row in rows])
    if texts is None and len(tokens := _TOKENS.findall(segment.text)) == len(rows):
        texts = [("\n" if "\n" in blank else " ") + token for blank, token in tokens]
        rows = [replace(row, text=None) for row in rows]
    if texts is None:
        return segment
    words = tuple(
        Word(start, end, row.text if row.text is not None else text, row.confidence, row.speaker, placed)
        for row, text, (start, end, placed) in zip(rows, texts, _timed(rows, segment), strict=True)
    )
    return replace(segment, words=words, text=joined(words))


def number(value: object) -> float | None:
    """A number out of JSON, None where there is none. Raises ValueError, TypeError for what is no number.

    >>> number("1.5"), number(None)
    (1.5, None)
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(f"{value!r:.40} is no number")
    if not math.isfinite(found := float(value)):
        raise ValueError(f"{value!r} is no number")
    return found


def name(value: object) -> str | None:
    """A name out of JSON: numbers are names too, nothing is none."""
    return None if value is None else str(value)


def _timed(rows: Sequence[Row], segment: Segment) -> list[tuple[Seconds, Seconds, Placed]]:
    """Times for every row; those without share the time between their neighbours."""
    out: list[tuple[Seconds, Seconds, Placed]] = []
    i = 0
    while i < len(rows):
        row = rows[i]
        if row.start is not None and row.end is not None:
            out.append((row.start, max(row.start, row.end), row.placed))
            i += 1
            continue
        stop = next(
            (k for k in range(i, len(rows)) if rows[k].start is not None and rows[k].end is not None), len(rows)
        )
        begin = out[-1][1] if out else segment.start
        until = max(begin, (rows[stop].start if stop < len(rows) else None) or segment.end)
        marks = [tidy(begin + (until - begin) * k / (stop - i)) for k in range(stop - i + 1)]
        out += [(a, max(a, b), "interpolated") for a, b in pairwise(marks)]
        i = stop
    return out
