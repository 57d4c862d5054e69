"""Captions ready to be written: times in ms, clean lines, and with `highlight_words` one for each word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import NamedTuple, TypeAlias

from speechcli.core.span import to_ms
from speechcli.timeline.cues import Cue, Style
from speechcli.timeline.text import clean


class Run(NamedTuple):
    """A piece of a line, and which word of the cue it belongs to (None: a blank between two)."""

    text: str
    word: int | None


# What is on the screen: start, end (ms, start < end), lines (none blank), speaker.
Shown: TypeAlias = tuple[int, int, list[str], str | None]


def shown(cues: Iterable[Cue], style: Style, escape: Callable[[str], str]) -> Iterator[Shown]:
    """The captions of the cues, each text escaped; a highlighted word stands in `<u></u>`, as Whisper has it."""
    for cue in cues:
        start = max(to_ms(cue.start), 0)
        end = max(to_ms(cue.end), start + 1)
        if style.highlight_words and (cut := runs(cue)):
            for at, until, word in moments(cue, start, end):
                marked = ["".join(_marked(escape(run.text), run.word, word) for run in line) for line in cut]
                yield at, until, marked, cue.speaker
            continue
        lines = cue.lines if "".join(cue.lines).isprintable() else map(clean, cue.lines)
        if plain := [escape(line) for line in lines if line.strip()]:
            yield start, end, plain, cue.speaker


def runs(cue: Cue) -> list[list[Run]]:
    """The lines of a cue cut into its words; [] where they are not known, or are not what is shown."""
    owners = [i for i, word in enumerate(cue.words) for _ in _ink(clean(word.text))]
    lines = [text for line in cue.lines if (text := clean(line))]
    if not owners or len(owners) != sum(len(_ink(line)) for line in lines):
        return []
    owner = iter(owners)
    cut = [[(c, None if c.isspace() else next(owner)) for c in line] for line in lines]
    return [[Run("".join(c for c, _ in run), word) for word, run in groupby(line, key=lambda c: c[1])] for line in cut]


def moments(cue: Cue, start: int, end: int) -> Iterator[tuple[int, int, int | None]]:
    """(start, end, word) in ms, without holes, from `start` to `end`; word None while nobody speaks."""
    at = start
    for i, word in enumerate(cue.words):
        begins = min(max(to_ms(word.start), at), end)
        ends = min(max(to_ms(word.end), begins), end)
        if ends == begins:
            continue
        if begins > at:
            yield at, begins, None
        yield begins, ends, i
        at = ends
    if at < end:
        yield at, end, None


def _ink(text: str) -> list[str]:
    return [c for c in text if not c.isspace()]


def _marked(text: str, word: int | None, now: int | None) -> str:
    return f"<u>{text}</u>" if word is not None and word == now else text
