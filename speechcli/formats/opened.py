"""A file somebody has to text: its encoding, its size, and what it is."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from speechcli.errors import DataError, NoInputError, from_os

LARGEST = 1 << 29  # bytes; a transcript of 24 hours has about a tenth
_MARKS = (  # UTF-32 first: its mark begins like that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TIMING = re.compile(r"\d+:\d\d:\d\d[,.]\d+[ \t]*-->")
_SEVERAL_FIELDS = re.compile(r"SPEAKER \S+ \S+ [\d.]+ [\d.]+ ")


def text_of(path: Path, largest: int = LARGEST) -> tuple[str, str]:
    """The text of a file, and a note about how it was read ("" for UTF-8, and where a mark says what it is).

    Raises NoInputError, DeniedError, DiskError; DataError for a file of more than `largest` bytes.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(largest + 1)
    except FileNotFoundError as error:
        raise NoInputError(f"{path.name} is not there") from error
    except OSError as error:
        raise from_os(error, f"reading {path.name}") from error
    if len(raw) > largest:
        raise DataError(f"{path.name} is larger than {largest >> 20} MB", "is it a transcript?")
    return decoded(raw, path.name)


def decoded(raw: bytes, name: str) -> tuple[str, str]:
    """Bytes as text, and a note about an encoding that was guessed. Raises DataError for what is no text.

    >>> decoded("Gruß".encode("cp1252"), "a.srt")
    ('Gruß', 'a.srt is not in UTF-8: read as cp1252')
    """
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            try:
                return raw.decode(encoding), ""
            except UnicodeDecodeError as error:
                raise DataError(f"{name} is broken at byte {error.start}: not {encoding}") from error
    if b"\0" in raw[:4096]:
        raise DataError(f"{name} is no text file", "give a transcript or captions")
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding), "" if encoding == "utf-8" else f"{name} is not in UTF-8: read as {encoding}"
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1"), f"{name} is not in UTF-8: read as latin-1"


def kind_of(text: str) -> str:
    """The format that the content shows, or "" where it shows none.

    >>> kind_of('WEBVTT'), kind_of('{"text": ""}'), kind_of("hello")
    ('vtt', 'json', '')
    """
    head = text[:4096].lstrip("\ufeff \t\r\n")
    if head.startswith("WEBVTT"):
        return "vtt"
    if head.startswith(("{", "[{", "[]")) or re.match(r"\[\s*[{\]]", head):
        return "json"
    if "ooTextFile" in head[:200] and "TextGrid" in head[:200]:
        return "textgrid"
    if head.startswith("start\tend\ttext"):
        return "tsv"
    if _SEVERAL_FIELDS.match(head):
        return "rttm"
    return "srt" if _TIMING.search(head) else ""
