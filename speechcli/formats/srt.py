"""SubRip captions.

A counter from 1, `HH:MM:SS,mmm --> HH:MM:SS,mmm`, one or more lines, a blank line; UTF-8 without BOM, LF. Nothing can
be escaped in it: what a player or parser would take for markup is written so that it does not.
Reading goes through pysrt, the only GPL-3 package, which only this file imports; it is imported by the reader, so that
writing does without. Writing is plain formatting: pysrt's objects take more than twice as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from speechcli.core.transcript import Segment, Transcript
from speechcli.errors import DataError
from speechcli.formats.clock import hms
from speechcli.formats.marked import shown
from speechcli.formats.rows import few, named_speech, transcript_of
from speechcli.timeline.cues import Cue, Style
from speechcli.timeline.text import label

if TYPE_CHECKING:
    import pysrt

_LATEST_MS = 10**12
_ARROW = re.compile(r"-{2,}>")
_TAG = re.compile(r"<(?=\s*[A-Za-z/!])")
_STAMP = re.compile(r"(\d):(\d{1,2}):(?=\d{1,2}[.,]\d)")  # pysubs2 takes a line with two for a new caption
_OVERRIDE = re.compile(r"\{\\")
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}")  # what players understand: <i>, <font ...>, {\an8}


def captions(cues: Iterable[Cue], style: Style = Style(), first: int = 1) -> Iterator[str]:
    """One piece of text a caption. first: the number of the first."""
    for number, (start, end, lines, speaker) in enumerate(shown(cues, style, _harmless), first):
        name = _name(speaker) if style.labels and speaker else ""
        body = "\n".join(lines) if len(lines) == 1 else _apart(lines)
        yield f"{number}\n{hms(start, ',')} --> {hms(end, ',')}\n{name}{body}\n\n"


def read(text: str, source: str) -> Transcript:
    """The captions as segments without words, their lines kept. Raises DataError where there are none."""
    segments, notes = rows(text, source)
    return transcript_of(source, segments, notes=few(notes))


def rows(text: str, source: str) -> tuple[list[Segment], list[str]]:
    """The captions in the order of the file, whatever their times, and what is wrong with it. Raises DataError."""
    import pysrt

    segments: list[Segment] = []
    notes: list[str] = []
    n_blocks = 0
    for line, block in _blocks(text):
        n_blocks += 1
        try:
            segment = _segment(pysrt.SubRipItem.from_lines(block))
        except (pysrt.Error, ValueError):
            notes.append(f"line {line} is no caption: {block[0].strip()[:40]!r}")
            continue
        if segment is not None:
            segments.append(segment)
    if notes and len(notes) == n_blocks:
        raise DataError(f"{source}, {notes[0]}", "is it a SubRip file?")
    return segments, notes


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, lines) of what stands between blank lines, which is how pysrt reads."""
    block: list[str] = []
    first = 0
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, line in enumerate((*lines, ""), 1):
        if line.strip("\ufeff \t"):
            first = first if block else number
            block.append(line.lstrip("\ufeff"))
        elif block:
            yield first, block
            block = []


def _segment(item: pysrt.SubRipItem) -> Segment | None:
    """None for a caption without text."""
    lines = [stripped for line in item.text.split("\n") if (stripped := _MARKUP.sub("", line).strip())]
    if not lines:
        return None
    start = max(item.start.ordinal, 0)
    if max(start, item.end.ordinal) > _LATEST_MS:
        raise ValueError("no recording is that long")
    speaker, said = named_speech("\n".join(lines))
    return Segment(start / 1000, max(item.end.ordinal, start) / 1000, said, speaker=speaker)


def _harmless(text: str) -> str:
    if ":" in text:
        text = _STAMP.sub("\\1∶\\2∶", text)  # a ratio sign looks the same
    if "<" not in text and ">" not in text and "{" not in text:
        return text
    return _OVERRIDE.sub("{", _TAG.sub("‹", _ARROW.sub("->", text)))


@lru_cache(maxsize=256)
def _name(speaker: str) -> str:
    return _harmless(label(speaker))


def _apart(lines: list[str]) -> str:
    """Lines, but none of digits alone after the first: parsers take it for the next counter."""
    body = lines[0]
    for line in lines[1:]:
        body += (" " if line.strip().isdigit() else "\n") + line
    return body
