"""The text that is to be found in a recording: any file of words, with or without times.

Other than `table.read`, this takes plain text, and is strict about its encoding: every word is to come back exactly as
it was written, so none may be a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from speechcli.core.transcript import Segment, Transcript, Verdict
from speechcli.errors import DataError
from speechcli.formats import plain, srt, vtt
from speechcli.formats.opened import LARGEST, bytes_of, decoded, is_office, is_sound, is_wide, kind_of
from speechcli.formats.rows import few, transcript_of
from speechcli.formats.table import FORMATS, Format, by_suffix, named, parsed

CAPTIONS = {"srt": srt.rows, "vtt": vtt.rows}
_JSON = re.compile(r'\s*(?:\{\s*["}]|\[\s*[{\]])')  # {music} is a text
_TTML = re.compile(r"\s*(?:<\?xml[^<>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:\w+:)?tt[\s>]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Script:
    """A text to align.

    transcript: its segments in the order of the text; those of a text without times are at 0. Speakers, words, times
    and the language are there where the file has them. cues: whether it came as captions, which are to stay.
    notes: what was made of it that somebody may want to know.
    """

    transcript: Transcript
    cues: bool
    notes: tuple[str, ...] = ()


def read_script(source: Path | bytes, name: str, format: str | None = None, lines: bool = False) -> Script:  # noqa: A002
    """The text in a file, or in bytes that came from elsewhere.

    name: what to call it to people; its suffix tells the format where `format` and the content do not. lines: each
    line is a segment.
    Raises NoInputError, DeniedError, DiskError; UsageError for a format there is not; DataError, with the place, for
    what cannot be understood and for what holds no word.
    """
    raw = source if isinstance(source, bytes) else bytes_of(source)
    text, note = _text(raw, name)
    form = _form(text, name, format)
    notes = [note] if note else []
    if not text.strip():
        raise DataError(f"{name} is empty", "give what is spoken")
    if form.name == "txt":
        segments, told = plain.segments(text, name, lines)
        transcript = transcript_of(name, segments)
        notes += told
    else:
        transcript = _transcript(form, text, name)
        if form.name != "json":  # whose notes are about its making
            notes += transcript.verdict.notes
        if form.name in CAPTIONS:
            tags = plain.unmarked(text)[1]
            del tags["<v>"]  # a voice of WebVTT, which is who speaks
            notes += plain.told(tags, name)
    segments = [segment for whole in transcript.segments for segment in (_lines(whole) if lines else [whole])]
    segments = [segment for segment in segments if segment.text.strip()]
    if not any(map(str.isalnum, "".join(segment.text for segment in segments))):
        raise DataError(f"{name} holds no words", next(iter(notes), "give what is spoken"))
    said = replace(transcript, segments=tuple(segments), verdict=Verdict())
    return Script(said, form.name in CAPTIONS, tuple(notes))


def _text(raw: bytes, name: str) -> tuple[str, str]:
    """The text of a file, and a note about how it was read."""
    if is_sound(raw):
        raise DataError(f"{name} is a recording, no text", "the recording comes first, then its text")
    if is_office(raw):
        raise DataError(f"{name} is a PDF or from a word processor", "save it as plain text in UTF-8")
    if len(raw) > LARGEST:
        raise DataError(f"{name} is larger than {LARGEST >> 20} MB", "is it a text?")
    if is_wide(raw):
        return decoded(raw, name)
    if b"\0" in raw:
        place = _place(raw, raw.index(b"\0"))
        raise DataError(f"{name}, {place}: a NUL byte, which no text holds", "save it as plain text in UTF-8")
    try:
        return raw.decode().removeprefix("\ufeff"), ""
    except UnicodeDecodeError as error:
        where, byte = _place(raw, error.start), raw[error.start]
        try:
            guess = raw.decode("cp1252")
        except UnicodeDecodeError:
            guess = ""
        if kind_of(guess) in CAPTIONS:
            return guess, f"{name}, {where}: not in UTF-8, read as cp1252"
        raise DataError(
            f"{name}, {where}: 0x{byte:02x} is no UTF-8", f"save it in UTF-8: iconv -f CP1252 -t UTF-8 {name}"
        ) from error


def _place(raw: bytes, at: int) -> str:
    """Where the byte at index `at` is, both counted from 1.

    >>> _place(b"a\\nbc", 3)
    'line 2, byte 2'
    """
    return f"line {raw.count(10, 0, at) + 1}, byte {at - raw.rfind(10, 0, at)}"


def _form(text: str, name: str, format_: str | None) -> Format:
    """The format a text is in; plain text where nothing says otherwise."""
    shown = kind_of(text)
    if shown == "json" and _JSON.match(text) is None:
        shown = ""
    if format_ is not None:
        form = named(format_)
    elif shown:
        form = FORMATS[shown]
    else:
        form = by_suffix(name) or FORMATS["txt"]
    if form.name == "rttm":
        raise DataError(f"{name} tells who spoke when, and holds no text", "give a transcript or captions")
    if not (form.reads or form.name == "txt"):
        raise DataError(f"{name}: {form.name} is not read", f"give {', '.join(_read())}")
    if form.name == "txt" and _TTML.match(text):
        raise DataError(f"{name} is TTML, which is not read", f"give {', '.join(_read())}")
    return form


def _read() -> Iterator[str]:
    return (form.name for form in FORMATS.values() if form.name == "txt" or (form.reads and form.needs != "speakers"))


def _transcript(form: Format, text: str, name: str) -> Transcript:
    if form.name in CAPTIONS:
        rows, notes = CAPTIONS[form.name](text, name)
        in_time = transcript_of(name, rows, notes=few(notes))
        return replace(in_time, segments=tuple(rows))  # as in the file: their times are what is to be mended
    try:
        transcript = parsed(form.name, text, name)
    except DataError:
        if not (said := _only_text(form, text)):
            raise
    else:
        if transcript.segments or not (said := _only_text(form, text)):
            return transcript
    return transcript_of(name, plain.segments(said, name)[0])


def _only_text(form: Format, text: str) -> str:
    """What a JSON says that has a text and no times, as OpenAI's plain answers."""
    if not form.suffix.endswith(".json"):
        return ""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    said = data.get("text") if isinstance(data, dict) else None
    return said if isinstance(said, str) else ""


def _lines(segment: Segment) -> list[Segment]:
    """A segment a line of the segment's text; words go, which may span two."""
    rows = segment.text.split("\n")
    return [replace(segment, text=row.strip(), words=()) for row in rows] if len(rows) > 1 else [segment]
