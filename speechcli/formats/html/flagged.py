"""The places of a transcript that want an ear: what the verdict knows, what was guessed, what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal, TypeAlias

from speechcli.core.span import Seconds, Span
from speechcli.core.transcript import Segment, Transcript, Verdict, Word, joined
from speechcli.formats.html.beside import Mark

FlagKind: TypeAlias = Literal["gap", "dropped", "guessed", "unsure", "unspoken", "unwritten", "error", "cut"]

UNSURE: Final = 0.5  # confidence below which a word is shaded
GUESSED_RUN: Final = 3  # words in a row whose times are guessed: fewer are a second at most, and every number is one
UNSURE_RUN: Final = 2  # words in a row


@dataclass(frozen=True, slots=True)
class Flag(Span):
    """A place, and what is the matter. text: the words of it, "" where there are none. segment: the number of the one
    whose text is in doubt, None where that is not known.
    """

    kind: FlagKind
    text: str = ""
    why: str = ""
    segment: int | None = None


def flags(transcript: Transcript, marks: Iterable[Mark] | None = None) -> list[Flag]:
    """All of them by their start."""
    found = [
        *_of_verdict(transcript.verdict, transcript.duration),
        *_runs(transcript.segments, "guessed", _is_guessed, GUESSED_RUN),
        *_runs(transcript.segments, "unsure", _is_unsure, UNSURE_RUN),
        *_errors(transcript.segments, marks or ()),
    ]
    return sorted(found, key=lambda flag: (flag.start, flag.end))


def _is_guessed(word: Word) -> bool:
    return word.placed == "interpolated"


def _is_unsure(word: Word) -> bool:
    return word.confidence is not None and word.confidence < UNSURE


def _of_verdict(verdict: Verdict, duration: Seconds) -> Iterator[Flag]:
    for gap in verdict.gaps:
        yield Flag(gap.start, gap.end, "gap", why=f"{gap.duration:.1f} s of speech without text")
    for drop in verdict.dropped:
        yield Flag(drop.start, drop.end, "dropped", drop.text, drop.reason)
    for misfit in verdict.fit.mismatches if verdict.fit is not None else ():
        yield Flag(misfit.start, misfit.end, misfit.kind, misfit.text)
    if not verdict.complete:
        yield Flag(duration, duration, "cut", why="the file is cut short")


def _runs(segments: Iterable[Segment], kind: FlagKind, odd: Callable[[Word], bool], least: int) -> Iterator[Flag]:
    """Runs of odd words, not across segments."""
    for number, segment in enumerate(segments):
        for is_odd, group in groupby(segment.words, odd):
            words = tuple(group)
            if is_odd and len(words) >= least:
                end = max(words[0].start, words[-1].end)
                yield Flag(words[0].start, end, kind, joined(words), f"{len(words)} words", number)


def _errors(segments: tuple[Segment, ...], marks: Iterable[Mark]) -> Iterator[Flag]:
    for mark in marks:
        segment = segments[mark.segment]
        texts = [word.text.strip() for word in segment.words] or segment.text.split()
        text = " ".join(texts[mark.first : mark.last])
        why = {
            "substituted": f"the reference has “{mark.reference}”",
            "inserted": "the reference does not have it",
            "deleted": f"“{mark.reference}” is missing",
        }[mark.kind]
        at = _span(segment, mark)
        yield Flag(at.start, at.end, "error", text, why, mark.segment)


def _span(segment: Segment, mark: Mark) -> Span:
    """When the words of a mark were said; for missing ones, where the word before them ends."""
    words = segment.words[mark.first : mark.last]
    if words:
        return Span(words[0].start, max(words[0].start, words[-1].end))
    if not segment.words:
        return segment
    at = segment.words[mark.first - 1].end if mark.first else segment.words[0].start
    return Span(at, at)
