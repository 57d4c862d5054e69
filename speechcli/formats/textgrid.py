"""Praat TextGrids. Written in the long text form, read in the long and the short one.

Intervals tile the time of the recording and do not overlap, so each speaker has a tier: `words`, or
`SPEAKER_00 - words` (the names of the Montreal Forced Aligner); `segments` where the transcript has no words; `turns`
where only those are known.
Praat reads free-standing numbers, quoted texts and <flags>, and passes over everything else (its manual, "TextGrid
file formats"): so does `read`. WebMAUS names its tiers ORT-MAU (words), KAN-MAU and MAU (sounds).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from speechcli.core.span import Seconds, tidy, to_ms
from speechcli.core.transcript import Segment, Transcript, Turn, Word
from speechcli.errors import DataError
from speechcli.formats.clock import seconds
from speechcli.formats.rows import few, following, segments_of, transcript_of
from speechcli.timeline.text import clean

_Token: TypeAlias = float | str | bool  # a number, a text, a flag: whether it says <exists>

_TOKEN = re.compile(r'!.*|"(?P<text>(?:[^"]|"")*+)"(?=[\s!]|$)|<(?P<flag>\w+)>|(?P<other>[^\s!]+)')
_HEX = re.compile(r"[+-]?0[xX][\da-fA-F]+(?:\.[\da-fA-F]*)?(?:[pP][+-]?\d+)?")
_NUMBER = re.compile(r"([+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)(%?)")
_DIGITS = frozenset("+-0123456789")  # what a number begins with
_SILENCE = frozenset(("", "sp", "sil", "spn", "<eps>", "<sil>", "#"))
_WORDS = re.compile(r"(?:(?P<speaker>.*\S)\s+-\s+)?(?:words?|ORT(?:-MAU)?)", re.IGNORECASE)
_TURNS = re.compile(r"(?P<speaker>.*\S)\s+-\s+turns?", re.IGNORECASE)
_SOUNDS = re.compile(r"(?:.*\S\s+-\s+)?(?:phones?|phonemes?|syllables?|tones?|(?:KAN-)?MAU)", re.IGNORECASE)
_SEGMENTS = re.compile(
    r"(?:(?P<speaker>.*\S)\s+-\s+)?(?:segments?|sentences?|utterances?|transcript(?:ion)?|text|phrases?)", re.IGNORECASE
)


class _Label(NamedTuple):
    """An interval with text."""

    start: int  # ms
    end: int
    text: str


class _Tier(NamedTuple):
    name: str
    intervals: bool  # False: a tier of points
    labels: list[tuple[Seconds, Seconds, str]]


def document(transcript: Transcript) -> Iterator[str]:
    """The header, then one piece of text an interval."""
    segments = transcript.segments or [Segment(t.start, t.end, t.speaker, speaker=t.speaker) for t in transcript.turns]
    spoken = bool(transcript.segments or not segments) and all(s.words for s in segments if clean(s.text))
    kind = "words" if spoken else "segments" if transcript.segments else "turns"
    rows: dict[str, list[Segment]] = {}
    for segment in segments:
        rows.setdefault(clean(segment.speaker or ""), []).append(segment)
    tiers = {
        f"{name} - {kind}" if name else kind: list(_apart((w for s in row for w in s.words) if spoken else row))
        for name, row in sorted(rows.items())
    } or {kind: []}
    end = max(to_ms(transcript.duration), 1, *(label.end for tier in tiers.values() for label in tier[-1:]))
    yield 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
    yield f"xmin = 0 \nxmax = {seconds(end)} \ntiers? <exists> \nsize = {len(tiers)} \nitem []: \n"
    for number, (name, labels) in enumerate(tiers.items(), 1):
        tiles = list(_tiled(labels, end))
        yield (
            f'    item [{number}]:\n        class = "IntervalTier" \n        name = "{_quoted(name)}" \n'
            f"        xmin = 0 \n        xmax = {seconds(end)} \n        intervals: size = {len(tiles)} \n"
        )
        begins = seconds(0)
        for i, tile in enumerate(tiles, 1):  # they tile: each begins where the one before it ends
            ends = seconds(tile.end)
            yield (
                f"        intervals [{i}]:\n            xmin = {begins} \n"
                f'            xmax = {ends} \n            text = "{_quoted(tile.text)}" \n'
            )
            begins = ends


def read(text: str, source: str) -> Transcript:
    """Tiers of words give words. Without one, tiers of segments give segments; where no tier has such a name either,
    each gives the segments of one speaker. Tiers of turns give turns.

    Raises DataError for what is no TextGrid.
    """
    tiers, duration = _tiers(text, source)
    notes = [f"tier {tier.name!r} is of points: left out" for tier in tiers if not tier.intervals]
    spans = [tier for tier in tiers if tier.intervals]
    turns = [
        Turn(start, end, clean(match["speaker"]))
        for tier in spans
        if (match := _TURNS.fullmatch(tier.name))
        for start, end, label in tier.labels
        if clean(label)
    ]
    spans = [tier for tier in spans if not _TURNS.fullmatch(tier.name)]
    segments: list[Segment] = []
    for tier in spans:
        if match := _WORDS.fullmatch(tier.name):
            segments += segments_of(_words(tier), clean(match["speaker"] or "") or None)
    if segments:
        return transcript_of(source, segments, turns, duration, notes=few(notes))
    others = [tier for tier in spans if not _SOUNDS.fullmatch(tier.name)]
    sentences = [tier for tier in others if _SEGMENTS.fullmatch(tier.name)] or others or spans
    notes += [f"tier {tier.name!r} is left out" for tier in others if tier not in sentences]
    for tier in sentences:
        match = _SEGMENTS.fullmatch(tier.name)
        speaker = (match["speaker"] if match else tier.name if len(sentences) > 1 else None) or ""
        segments += [
            Segment(start, end, said, speaker=clean(speaker) or None)
            for start, end, label in tier.labels
            if (said := clean(label)).lower() not in _SILENCE
        ]
    return transcript_of(source, segments, turns, duration, notes=few(notes))


def _apart(spans: Iterable[Word | Segment]) -> Iterator[_Label]:
    """Labels in order, none empty in time, none over another: one that begins too early begins later."""
    at = 0
    for span in sorted(spans, key=lambda s: s.start):
        if text := clean(span.text):
            start = max(to_ms(span.start), at)
            at = max(to_ms(span.end), start + 1)
            yield _Label(start, at, text)


def _tiled(labels: Iterable[_Label], end: int) -> Iterator[_Label]:
    at = 0
    for label in labels:
        if label.start > at:
            yield _Label(at, label.start, "")
        yield label
        at = label.end
    if at < end:
        yield _Label(at, end, "")


def _quoted(text: str) -> str:
    return text.replace('"', '""')


def _words(tier: _Tier) -> Iterator[Word]:
    before = ""
    for start, end, label in sorted(tier.labels):
        if (said := clean(label)).lower() not in _SILENCE:
            before = following(said, before)
            yield Word(start, end, before)


def _tiers(text: str, source: str) -> tuple[list[_Tier], Seconds]:
    """The tiers of the file, and where it ends."""
    tokens = _tokens(text)
    try:
        if (_text(tokens).removesuffix(" short"), _text(tokens)) != ("ooTextFile", "TextGrid"):
            raise DataError(f"{source} is no TextGrid in text form", "save it in Praat as a text file")
        _number(tokens)
        end = tidy(max(_number(tokens), 0.0))
        if next(tokens, None) is not True:
            return [], end
        return [_tier(tokens) for _ in range(int(_number(tokens)))], end
    except ValueError as error:
        raise DataError(f"{source} is a broken TextGrid: {error}") from error


def _tier(tokens: Iterator[_Token]) -> _Tier:
    kind, name = _text(tokens), _text(tokens)
    _number(tokens)  # where the tier begins and ends: its labels say it better
    _number(tokens)
    labels: list[tuple[Seconds, Seconds, str]] = []
    for _ in range(int(_number(tokens))):
        start = tidy(max(_number(tokens), 0.0))
        end = start if kind == "TextTier" else max(start, tidy(_number(tokens)))
        labels.append((start, end, _text(tokens)))
    return _Tier(clean(name), kind == "IntervalTier", labels)


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text.lstrip("\ufeff")):
        if (quoted := match["text"]) is not None:
            yield quoted.replace('""', '"')
        elif (flag := match["flag"]) is not None:
            yield flag == "exists"
        elif (other := match["other"]) is not None and other[0] in _DIGITS and (value := _value(other)) is not None:
            yield value


def _value(token: str) -> float | None:
    """The number, percentage or fraction that a token begins with; None for a word."""
    if match := _HEX.match(token):
        return float.fromhex(match[0])
    match = _NUMBER.match(token)
    if match is None:
        return None
    value = float(match[1]) / (100 if match[2] else 1)
    if token[match.end() :].startswith("/") and (divisor := _NUMBER.match(token, match.end() + 1)):
        below = float(divisor[1]) / (100 if divisor[2] else 1)
        return value / below if below else None
    return value


def _number(tokens: Iterator[_Token]) -> float:
    """Raises ValueError where something else stands."""
    token = next(tokens, None)
    if not isinstance(token, float) or not abs(token) < 1e9:
        raise ValueError(f"a number belongs where {_told(token)} is")
    return token


def _text(tokens: Iterator[_Token]) -> str:
    """Raises ValueError where something else stands."""
    token = next(tokens, None)
    if not isinstance(token, str):
        raise ValueError(f"a quoted text belongs where {_told(token)} is")
    return token


def _told(token: _Token | None) -> str:
    return "the end of the file" if token is None else repr(token)[:40]
