"""The captions of a page: what its scripts need to save subtitles, also of a transcript corrected in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any, Self

from speechcli.core.span import to_ms
from speechcli.core.transcript import Segment, Transcript
from speechcli.formats.marked import shown
from speechcli.timeline.cues import Cue, Style, cues


class _Place(str):
    """The name of a speaker that knows whose it is: the one thing that a caption keeps of its segment and words."""

    segment: int
    word: int

    @classmethod
    def of(cls, speaker: str | None, segment: int, word: int = 0) -> Self:
        place = cls(speaker or "")
        place.segment, place.word = segment, word
        return place


def captions(transcript: Transcript, style: Style = Style()) -> dict[str, Any]:
    """The captions as SubRip and WebVTT have them, and what new lines must keep to.

    width, lines, words: at most, of a line, of a caption, of a line (null: any). labels: whether names stand in the
    text of SubRip. keep: whether each segment is one caption with its own lines. srt, vtt: rows of [start ms, end ms,
    lines, parts]; vtt is null where it has the same. parts: [segment, first word, last word + 1, ms at which the first
    begins] of each segment in it; both words are 0 in a segment without words. A word too wide for a line may be in
    two captions. `highlight_words` is not looked at: the page itself shows the word that is spoken.
    """
    plain = replace(style, highlight_words=False)
    srt = list(_rows(transcript, plain))
    vtt = list(_rows(transcript, replace(plain, labels=False))) if plain.labels and transcript.speakers else srt
    return {
        "width": style.max_line_width,
        "lines": style.max_line_count,
        "words": style.max_words_per_line,
        "labels": style.labels,
        "keep": style.keep_cues,
        "srt": srt,
        "vtt": None if vtt == srt else vtt,
    }


def _rows(transcript: Transcript, style: Style) -> Iterator[list[Any]]:
    segments = [_placed(segment, i) for i, segment in enumerate(transcript.segments)]
    for cue in cues(segments, style, lambda: transcript.duration):
        for start, end, lines, _ in shown((cue,), style, str):
            yield [start, end, lines, list(_parts(cue))]


def _placed(segment: Segment, place: int) -> Segment:
    words = (replace(word, speaker=_Place.of(word.speaker, place, i)) for i, word in enumerate(segment.words))
    return replace(segment, speaker=_Place.of(segment.speaker, place), words=tuple(words))


def _parts(cue: Cue) -> Iterator[list[int]]:
    """The words that a caption holds, by their segments."""
    said = [(word.speaker, word) for word in cue.words if isinstance(word.speaker, _Place)]
    if not said and isinstance(cue.speaker, _Place):
        yield [cue.speaker.segment, 0, 0, to_ms(cue.start)]
    for segment, run in groupby(said, key=lambda one: one[0].segment):
        row = list(run)
        places = [place.word for place, _ in row]
        yield [segment, min(places), max(places) + 1, to_ms(row[0][1].start)]
