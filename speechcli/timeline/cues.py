"""Segments to caption cues by people's standards: line width, lines, reading speed, durations, gaps.

Sources: Netflix Timed Text Style Guide (42 characters, 2 lines, 20 characters a second, 5/6 s to 7 s, 2 frames).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

from speechcli.core.span import Seconds, Span, to_ms
from speechcli.core.transcript import Segment, Word
from speechcli.errors import UsageError
from speechcli.timeline.breaks import PAUSE, Limits, atoms, captions, costs, interpolated, wrapped
from speechcli.timeline.text import clean, ends_sentence, label, width

JOINED: Seconds = 1.0  # a sentence goes on after a silence shorter than this
LONGEST: Seconds = 30.0  # of what is joined before it is broken
LATE_MS = 1500  # that a caption may come late when people talk at the same time

Rule: TypeAlias = Literal[
    "line_width", "line_count", "words_per_line", "cps", "min_duration", "max_duration", "min_gap", "overlap"
]


@dataclass(frozen=True, slots=True)
class Style:
    """How captions are to look.

    max_line_width: columns (a CJK character takes two). max_cps: columns a second, blanks counted.
    min_duration, max_duration, min_gap: seconds. highlight_words: one cue a word, the word marked.
    labels: whether names of speakers stand in the text (`[SPEAKER_00]: `), where they take room; at most half a line.
    keep_cues: each segment is one caption, in the order given, with its own lines and its own words' times, as when
    somebody's subtitles are mended: widths, lines and reading speed are theirs and are not looked at.
    """

    max_line_width: int = 42
    max_line_count: int = 2
    max_cps: float = 20.0
    min_duration: Seconds = 0.833
    max_duration: Seconds = 7.0
    min_gap: Seconds = 0.083
    max_words_per_line: int | None = None
    highlight_words: bool = False
    labels: bool = True
    keep_cues: bool = False

    def __post_init__(self) -> None:
        if self.max_line_width < 2 or self.max_line_count < 1 or (self.max_words_per_line or 1) < 1:
            raise UsageError("captions need lines of at least 2 columns, one line, and one word a line")
        if not (self.max_cps > 0 and 0 <= self.min_duration <= self.max_duration > 0 and self.min_gap >= 0):
            raise UsageError(
                f"no caption can last {self.min_duration:g} to {self.max_duration:g} s "
                f"at {self.max_cps:g} characters a second and gaps of {self.min_gap:g} s"
            )


@dataclass(frozen=True, slots=True)
class Cue(Span):
    """One caption: its lines, and its words where they are known (never fewer than shown)."""

    lines: tuple[str, ...]
    speaker: str | None = None
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Violation:
    """What a cue does that its style forbids. cue: counted from 1. value, limit: in the unit of the rule."""

    cue: int
    rule: Rule
    value: float
    limit: float


class _Draft(NamedTuple):
    """A caption as it was spoken, before its neighbours are known. Times in ms; order: among equal starts."""

    start: int
    order: int
    end: int
    lines: tuple[str, ...]
    speaker: str | None
    words: tuple[Word, ...]
    authored: bool  # timed as a whole, by somebody's hand or by a model that knows no words


def cues(
    segments: Iterable[Segment], style: Style = Style(), duration: Callable[[], Seconds] | None = None
) -> Iterator[Cue]:
    """Captions of the segments, in order, each as soon as the next one is known; none overlap.

    A sentence that goes on in the next segment is broken as a whole. Segments without words stand for themselves,
    and one that satisfies the style keeps its lines. duration: of the recording, asked for when the segments have
    ended; the last caption is not held beyond it.
    """
    drafts = _kept(segments, style) if style.keep_cues else _in_order(units(segments), style)
    held: _Draft | None = None
    at = 0  # when `held` appears
    for draft in drafts:
        if held is None:
            held, at = draft, max(0, draft.start)
            continue
        following = max(draft.start, held.start, 0)  # segments out of order are not put in order, but in a row
        end = _end(held, at, following, style)
        yield _cue(held, at, end)
        held, at = draft._replace(start=following), max(following, end)
    if held is not None:
        yield _cue(held, at, _last_end(held, at, duration() if duration else None, style))


def lint(shown: Iterable[Cue], style: Style = Style()) -> list[Violation]:
    """What the captions do that the style forbids: what the speech forced, or somebody else's file."""
    found: list[Violation] = []
    before: Cue | None = None
    for number, cue in enumerate(shown, 1):
        found += [Violation(number, rule, value, limit) for rule, value, limit in _faults(cue, before, style)]
        before = cue
    return found


def _faults(cue: Cue, before: Cue | None, style: Style) -> Iterator[tuple[Rule, float, float]]:
    named = label(cue.speaker) if style.labels else ""
    widest = max((width(line) for line in (named + cue.lines[0], *cue.lines[1:])), default=0) if cue.lines else 0
    if widest > style.max_line_width:
        yield "line_width", widest, style.max_line_width
    if len(cue.lines) > style.max_line_count:
        yield "line_count", len(cue.lines), style.max_line_count
    n_words = max((len(line.split()) for line in cue.lines), default=0)
    if style.max_words_per_line is not None and n_words > style.max_words_per_line:
        yield "words_per_line", n_words, style.max_words_per_line
    start, end = to_ms(cue.start), to_ms(cue.end)
    if _reading_ms(cue.lines, style) > end - start:
        yield "cps", round(_columns(cue.lines) * 1000 / max(end - start, 1), 1), style.max_cps
    if end - start < to_ms(style.min_duration):
        yield "min_duration", (end - start) / 1000, style.min_duration
    if end - start > to_ms(style.max_duration):
        yield "max_duration", (end - start) / 1000, style.max_duration
    if before is not None:
        gap = start - to_ms(before.end)
        if gap < 0:
            yield "overlap", -gap / 1000, 0.0
        elif gap < to_ms(style.min_gap):
            yield "min_gap", gap / 1000, style.min_gap


def _kept(segments: Iterable[Segment], style: Style) -> Iterator[_Draft]:
    """A caption a segment."""
    for segment in segments:
        words = segment.words or (interpolated(segment) if style.highlight_words else ())
        if lines := _own_lines(segment):
            span = Span(words[0].start, max(words[0].start, words[-1].end)) if segment.words else segment
            yield _Draft(to_ms(span.start), 0, to_ms(span.end), lines, segment.speaker, words, not segment.words)


def units(segments: Iterable[Segment]) -> Iterator[list[Segment]]:
    """Segments that are broken as one: a sentence and its continuations."""
    unit: list[Segment] = []
    for segment in segments:
        if not segment.text.strip():
            continue
        if unit and not _continues(unit, segment):
            yield unit
            unit = []
        unit.append(segment)
        if not segment.words or ends_sentence(segment.text):
            yield unit
            unit = []
    if unit:
        yield unit


def _continues(unit: list[Segment], segment: Segment) -> bool:
    return (
        bool(segment.words)
        and segment.speaker == unit[-1].speaker
        and -JOINED < segment.start - unit[-1].end < JOINED
        and segment.end - unit[0].start <= LONGEST
    )


def _in_order(row: Iterable[list[Segment]], style: Style) -> Iterator[_Draft]:
    """The captions of all units by their start; units begin in order, and may overlap."""
    waiting: list[_Draft] = []
    n_drafts = 0
    for unit in row:
        start = to_ms(unit[0].start)
        while waiting and waiting[0].start <= start:
            yield heapq.heappop(waiting)
        for draft in _drafts(unit, style):
            heapq.heappush(waiting, draft._replace(order=n_drafts))
            n_drafts += 1
    while waiting:
        yield heapq.heappop(waiting)


def _drafts(unit: list[Segment], style: Style) -> Iterator[_Draft]:
    speaker = unit[0].speaker
    taken = width(label(speaker)) if style.labels else 0
    room = max(style.max_line_width - taken, style.max_line_width // 2)
    spoken = bool(unit[0].words)
    words_a_line = style.max_words_per_line or style.max_line_width
    limits = Limits(room, style.max_line_width, style.max_line_count, words_a_line, style.max_duration)
    if not style.highlight_words or spoken:
        lines = _as_it_is(unit, limits)
        if lines:
            end = to_ms(unit[-1].end)
            yield _Draft(to_ms(unit[0].start), 0, end, lines, speaker, unit[0].words, not spoken)
            return
    row = atoms(unit, room)
    cost = costs(row)
    for first, stop in captions(row, cost, limits):
        part = row[first:stop]
        if lines := wrapped(part, cost[first:stop], limits):
            words = tuple(w for atom in part for w in atom.words) if spoken or style.highlight_words else ()
            yield _Draft(to_ms(part[0].start), 0, to_ms(part[-1].end), lines, speaker, words, False)


def _as_it_is(unit: list[Segment], limits: Limits) -> tuple[str, ...]:
    """The lines of a unit that need no breaking: one short line, or an author's own lines; else ()."""
    segment = unit[0]
    if len(unit) > 1:
        return ()
    if segment.words:
        line = clean(segment.text)
        easy = (
            width(line) <= limits.first
            and len(segment.words) <= limits.words
            and segment.duration <= limits.duration
            and all(b.start - a.end <= PAUSE / 3 for a, b in pairwise(segment.words))
        )
        return (line,) if easy else ()
    lines = _own_lines(segment)
    widths = [width(line) for line in lines]
    fits = (
        0 < len(lines) <= limits.lines
        and widths[0] <= limits.first
        and max(widths) <= limits.width
        and (limits.words >= limits.width or max(len(line.split()) for line in lines) <= limits.words)
        and (len(lines) == 1 or segment.duration <= limits.duration)  # one line too long in time is shown less long
    )
    return lines if fits else ()


def _own_lines(segment: Segment) -> tuple[str, ...]:
    return tuple(line for raw in segment.text.split("\n") if (line := clean(raw)))


def _end(draft: _Draft, at: int, following: int, style: Style) -> int:
    """When a caption that appears at `at` goes, in ms; `following`: when the next one ought to appear."""
    want = _reading_ms(draft.lines, style)
    gap = to_ms(style.min_gap)
    end = _spoken_end(draft, at, want, style)
    if following < end:  # two at the same time: each gets the time to be read, within reason
        return max(following, min(end, at + want, following + LATE_MS), at + 1)
    longest = at + _stay_ms(draft.lines, style)
    if end < longest:
        return max(end, min(longest, following - gap))
    if not draft.authored and following - end < gap and following - gap >= at + want:
        return following - gap
    return end


def _last_end(draft: _Draft, at: int, duration: Seconds | None, style: Style) -> int:
    want = _stay_ms(draft.lines, style)
    end = _spoken_end(draft, at, want, style)
    return max(end, at + want if duration is None else min(at + want, to_ms(duration)))


def _stay_ms(lines: tuple[str, ...], style: Style) -> int:
    """Milliseconds that a caption stays where nothing else is to be shown; one that is kept was timed to be read."""
    want = to_ms(style.min_duration) if style.keep_cues else _reading_ms(lines, style)
    return min(want, to_ms(style.max_duration))


def _spoken_end(draft: _Draft, at: int, want: int, style: Style) -> int:
    """When it was spoken to its end; one that comes late gets its time, as far as it takes it to be read."""
    end = max(draft.end, at + 1, at + min(draft.end - draft.start, want))
    if style.keep_cues:
        return end
    return max(min(end, at + to_ms(style.max_duration)), at + 1)


def _reading_ms(lines: tuple[str, ...], style: Style) -> int:
    """Milliseconds that a caption is to be seen."""
    return max(to_ms(style.min_duration), to_ms(_columns(lines) / style.max_cps))


def _columns(lines: tuple[str, ...]) -> int:
    return sum(map(width, lines)) + max(0, len(lines) - 1)


def _cue(draft: _Draft, start: int, end: int) -> Cue:
    return Cue(start / 1000, end / 1000, draft.lines, draft.speaker, draft.words)
