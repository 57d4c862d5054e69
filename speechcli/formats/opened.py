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
_SOUND = re.compile(  # the first bytes of what people keep recordings in
    rb"RIFF....(?:WAVE|AVI )|RF64....WAVE|fLaC\0|OggS\0|ID3[\x02-\x04]|FORM....AIF|\x1aE\xdf\xa3|#!AMR|caff\0|\.snd\0"
    rb"|wvpk|\0...(?:ftyp|moov|mdat)|0&\xb2u|\0\0\x01[\xb3\xba]|\xff[\xf1-\xf3\xf9-\xfb]",
    re.DOTALL,
)
_OFFICE = re.compile(rb"%PDF-|PK\x03\x04|\{\\rtf|\xd0\xcf\x11\xe0")  # PDF, docx and odt, RTF, doc
_TIMING = re.compile(r"\d+:\d\d:\d\d[,.]\d+[ \t]*-->")
_SEVERAL_FIELDS = re.compile(  # of an RTTM, whatever stands before its first turn
    r"(?:(?:[;#]|SPKR-INFO\b).*+\n\s*+)*+SPEAKER(?:[ \t]+\S+){2}(?:[ \t]+-?\d[\d.]*){2}[ \t]"
)


def text_of(path: Path, largest: int = LARGEST) -> tuple[str, str]:
    """The text of a file, and a note about how it was read ("" for UTF-8, and where a mark says what it is).

    Raises NoInputError, DeniedError, DiskError; DataError for a file of more than `largest` bytes.
    """
    return decoded(bytes_of(path, largest), path.name)


def bytes_of(path: Path, largest: int = LARGEST) -> bytes:
    """What is in a file. Raises NoInputError, DeniedError, DiskError; DataError for more than `largest` bytes."""
    try:
        with path.open("rb") as file:
            raw = file.read(largest + 1)
    except FileNotFoundError as error:
        raise NoInputError(f"{path.name} is not there") from error
    except IsADirectoryError as error:
        raise NoInputError(f"{path.name or path} is a folder", "name a file in it") from error
    except OSError as error:
        raise from_os(error, f"reading {path.name}") from error
    if len(raw) > largest:
        raise DataError(f"{path.name} is larger than {largest >> 20} MB", "is it a transcript?")
    return raw


def is_sound(raw: bytes) -> bool:
    """Whether a file that begins like this is a recording.

    >>> is_sound(b"RIFF\\x24\\0\\0\\0WAVEfmt "), is_sound(b"RIFF is a format.")
    (True, False)
    """
    return _SOUND.match(raw) is not None


def is_office(raw: bytes) -> bool:
    """Whether a file that begins like this is a PDF, or was saved by a word processor."""
    return _OFFICE.match(raw) is not None


def is_wide(raw: bytes) -> bool:
    """Whether the file begins with the mark of UTF-16 or UTF-32."""
    return raw.startswith(tuple(mark for mark, encoding in _MARKS if encoding != "utf-8-sig"))


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
