"""What a page shows beside the transcript. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

ErrorKind: TypeAlias = Literal["substituted", "inserted", "deleted"]


@dataclass(frozen=True, slots=True)
class Media:
    """The recording, to be played. link: address relative to the page, percent-encoded, "" for none. data: its bytes
    where the page holds them, of type `mime` ("audio/mpeg"). video: whether there are pictures. problem: why browsers
    may not play it, "" where they do.
    """

    link: str = ""
    data: bytes = b""
    mime: str = ""
    video: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Peaks:
    """The waveform: the loudest sample, 0..255, of each 1/rate seconds."""

    values: bytes
    rate: float


@dataclass(frozen=True, slots=True)
class Mark:
    """An error against a reference. `words[first:last]` of segment number `segment` are wrong; first == last where
    words are missing, which belong before word `first`. reference: what should stand there, "" for what nobody said.

    A segment without words counts the words of its text, parted at blanks.
    """

    kind: ErrorKind
    segment: int
    first: int
    last: int
    reference: str


@dataclass(frozen=True, slots=True)
class Beside:
    """All of it. marks: None where there is no reference. scored: one line on how it was compared ("WER 4.2 % (12 of
    286 words), normalizer english"). home: address of the index page, "" for none.
    """

    media: Media = Media()
    peaks: Peaks | None = None
    marks: tuple[Mark, ...] | None = None
    scored: str = ""
    home: str = ""


NOTHING = Beside()
