"""WebVTT captions (W3C). Hours always, because some players need them; the speaker is a voice, `<v SPEAKER_00>`."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from speechcli.core.transcript import Segment, Transcript
from speechcli.errors import DataError
from speechcli.formats.clock import hms
from speechcli.formats.marked import shown
from speechcli.formats.rows import few, transcript_of
from speechcli.timeline.cues import Cue, Style
from speechcli.timeline.text import clean

_TIME = r"((?:\d{1,6}:)?[0-5]\d:[0-5]\d\.\d{3})(?!\d)"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}.*")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?(?:[ \t\n]+([^>]*))?>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*(?:>|$)")


def captions(cues: Iterable[Cue], style: Style = Style()) -> Iterator[str]:
    """The header, then one piece of text a caption."""
    yield "WEBVTT\n\n"
    for start, end, lines, speaker in shown(cues, style, _escaped):
        body = "\n".join(lines)
        if speaker and (name := clean(speaker)):
            closing = " >" if name.endswith("--") else ">"  # no arrow; parsers take the blank off
            body = f"<v {_escaped(name)}{closing}{body}</v>"
        yield f"{hms(start, '.')} --> {hms(end, '.')}\n{body}\n\n"


def read(text: str, source: str) -> Transcript:
    """The captions as segments without words, one for each voice. Raises DataError for what is no WebVTT."""
    segments, notes = rows(text, source)
    return transcript_of(source, segments, notes=few(notes))


def rows(text: str, source: str) -> tuple[list[Segment], list[str]]:
    """The captions in the order of the file, whatever their times, and what is wrong with it. Raises DataError."""
    lines = re.split(r"\r\n|\n|\r", text.replace("\x00", "\ufffd"))
    if re.match(r"\ufeff?WEBVTT(?:[ \t]|$)", lines[0]) is None:
        raise DataError(f"{source} does not begin with WEBVTT", "is it a WebVTT file?")
    segments: list[Segment] = []
    notes: list[str] = []
    i = 1
    while i < len(lines):
        if "-->" not in lines[i]:
            i += 1
            continue
        timing, first = lines[i], i + 1
        i = first
        while i < len(lines) and lines[i] and "-->" not in lines[i]:
            i += 1
        match = _TIMING.fullmatch(timing)
        if match is None:
            notes.append(f"line {first} has no times: {timing.strip()[:40]!r}")
        else:
            start, end = map(_seconds, match.groups())
            segments += _voices("\n".join(lines[first:i]), start, max(start, end))
            if end < start:
                notes.append(f"line {first} ends before it begins")
    return segments, notes


def _voices(payload: str, start: float, end: float) -> Iterator[Segment]:
    parts = _VOICE.split(payload)
    for speaker, said in zip([None, *parts[1::2]], parts[::2], strict=True):
        text = html.unescape(_TAG.sub("", said))
        text = "\n".join(line.strip() for line in text.split("\n") if line.strip())
        if text:
            yield Segment(start, end, text, speaker=clean(html.unescape(speaker or "")) or None)


def _seconds(time: str) -> float:
    *minutes, seconds = time.split(":")
    total = 0
    for part in minutes:
        total = total * 60 + int(part)
    return (total * 60_000 + int(seconds.replace(".", ""))) / 1000


def _escaped(text: str) -> str:
    if "&" not in text and "<" not in text and ">" not in text:
        return text
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
