"""What is timed of a text: its words, its characters, or its lines."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from itertools import pairwise
from typing import Literal, TypeAlias

from speechcli.core.span import to_ms
from speechcli.core.transcript import Segment, Transcript, Word

Unit: TypeAlias = Literal["word", "character", "line"]

_JOINER = "\u200d"
_INDICATORS = range(0x1F1E6, 0x1F200)  # two of these are a flag
_SKINS = range(0x1F3FB, 0x1F400)
_LEADING = range(0x1100, 0x1160)  # Hangul letters that a syllable begins with,
_JAMO = range(0x1160, 0x1200)  # and those it goes on with


def in_units(transcript: Transcript, unit: Unit) -> Transcript:
    """An aligned transcript whose words are such units.

    Characters share the time of their word evenly and are marked as interpolated where there are several; its blank
    stays before the first. Lines are the segments, which then have no words.
    """
    if unit == "word":
        return transcript
    into = _spelled if unit == "character" else _whole
    return replace(transcript, segments=tuple(into(segment) for segment in transcript.segments))


def characters(text: str) -> list[str]:
    """What people take for one character each: marks and joined signs stay with what they belong to.

    This is the part of the extended grapheme clusters (Unicode, UAX #29) that the tables of Python suffice for. A
    blank at the beginning belongs to the first.

    >>> characters(" 👍🏽a"), len(characters("e\\u0301"))
    ([' 👍🏽', 'a'], 1)
    """
    bare = text.lstrip()
    out: list[str] = []
    for character in bare:
        if out and _belongs(out[-1], character):
            out[-1] += character
        else:
            out.append(character)
    blank = text[: len(text) - len(bare)]
    return [blank + out[0], *out[1:]] if out else []


def _belongs(before: str, character: str) -> bool:
    """Whether `character` is one with the cluster `before` it."""
    code, last = ord(character), before[-1]
    if character == _JOINER or unicodedata.category(character) in ("Mn", "Me", "Mc", "Cf"):
        return True
    if last == _JOINER or code in _SKINS:
        return unicodedata.category(character) in ("So", "Sk") or code in _SKINS
    if code in _INDICATORS:
        return len(before) == 1 and ord(last) in _INDICATORS
    return (code in _JAMO and (ord(last) in _LEADING or ord(last) in _JAMO)) or (
        code in _LEADING and ord(last) in _LEADING
    )


def _spelled(segment: Segment) -> Segment:
    return replace(segment, words=tuple(part for word in segment.words for part in _parts(word)))


def _parts(word: Word) -> list[Word]:
    texts = characters(word.text)
    if len(texts) < 2:
        return [word]
    start, end, n = to_ms(word.start), to_ms(word.end), len(texts)
    if end - start >= n:  # on the grid that files have, so that no character is written with no time
        marks = [(start + (end - start) * i // n) / 1000 for i in range(n + 1)]
    else:
        marks = [word.start + word.duration * i / n for i in range(n)] + [word.end]
    return [
        replace(word, start=a, end=max(a, b), text=text, placed="interpolated")
        for text, (a, b) in zip(texts, pairwise(marks), strict=True)
    ]


def _whole(segment: Segment) -> Segment:
    if not segment.words:
        return segment
    end = max(word.end for word in segment.words)
    return replace(segment, start=min(segment.words[0].start, end), end=end, words=())
