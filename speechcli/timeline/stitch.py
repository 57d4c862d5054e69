"""What the windows gave, on the one axis of the recording. The only place where time is shifted."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from speechcli.core.span import Seconds, tidy
from speechcli.core.transcript import Dropped, Heard, Segment, Turn, Word, joined
from speechcli.timeline.windows import Window

_SAME: Seconds = 0.6  # two hearings of one word lie at most this far apart


@dataclass(frozen=True, slots=True)
class Answer:
    """One window and what it gave, in the time of its own audio."""

    window: Window
    heard: Heard


def shifted(answer: Answer) -> Heard:
    """What a window gave, in recording time, on the millisecond grid."""
    by = answer.window.heard.start

    def word(w: Word) -> Word:
        return w.moved(tidy(w.start + by), tidy(w.end + by))

    heard = answer.heard
    return replace(
        heard,
        segments=tuple(
            replace(s, start=tidy(s.start + by), end=tidy(s.end + by), words=tuple(map(word, s.words)))
            for s in heard.segments
        ),
        turns=tuple(Turn(tidy(t.start + by), tidy(t.end + by), t.speaker) for t in heard.turns),
        dropped=tuple(Dropped(tidy(d.start + by), tidy(d.end + by), d.text, d.reason) for d in heard.dropped),
        cut=None if heard.cut is None else tidy(heard.cut + by),
    )


def stitch(groups: Iterable[Sequence[Answer]]) -> Iterator[Segment]:
    """The segments of a recording, in order, each as soon as no later window can change it.

    groups: per window of the plan, in order, its answer and those of its parts that were heard again. Where two
    windows overlap (a cut inside speech) both have heard the same words: they change over at the matching word
    nearest to the cut, else at the cut. What a window heard once more of the one before is the other's.
    """
    held: list[Segment] = []
    cut: Seconds | None = None  # where `held` meets the next window, when they overlap
    for group in groups:
        here = interleaved([shifted(answer).segments for answer in group])
        window = group[0].window
        if cut is not None:
            held, here = seam(held, here, cut)
        elif window.heard.start < window.own.start:
            here = [s for s in (_keep(s, _from(window.own.start)) for s in here) if s is not None]
        yield from held
        cut = window.own.end if window.heard.end > window.own.end else None
        if cut is None:
            yield from here
            here = []
        held = here
    yield from held


def interleaved(heard: Sequence[Sequence[Segment]]) -> list[Segment]:
    """Segments of a window and of its parts in one row, a segment split where a part lies inside it."""
    row = list(heard[0]) if heard else []
    for part in heard[1:]:
        for segment in part:
            row = [piece for other in row for piece in split(other, segment.start)]
            row.append(segment)
    row.sort(key=lambda s: (s.start, s.end))
    return (
        [
            s if s.speaker != following.speaker else _ending_by(s, following.start)  # two speakers may talk at once
            for s, following in itertools.pairwise(row)
        ]
        + row[-1:]
    )


def split(segment: Segment, at: Seconds) -> list[Segment]:
    """The segment in two, between the words around `at`; whole when `at` is outside or it has no words."""
    if not segment.start < at < segment.end or len(segment.words) < 2:
        return [segment]
    before, after = _keep(segment, lambda w: w.middle < at), _keep(segment, lambda w: w.middle >= at)
    return [piece for piece in (before, after) if piece is not None]


def seam(before: Sequence[Segment], after: Sequence[Segment], cut: Seconds) -> tuple[list[Segment], list[Segment]]:
    """Two hearings that overlap around `cut`, without what both have heard."""
    matches = [
        (abs(a.middle - cut), a.end, b.end)
        for a in _words(before)
        for b in _words(after)
        if abs(a.middle - b.middle) <= _SAME and _bare(a) == _bare(b) != ""
    ]
    if not any(s.words for s in after):  # a whole segment is one hearing's or the other's
        cut = next((s.start for s in after if s.start < cut < s.end), cut)
    _, last_before, last_after = min(matches, default=(0.0, cut, cut))
    if matches:
        left = [_keep(s, lambda w: w.end <= last_before) for s in before]
        right = [_keep(s, lambda w: w.end > last_after) for s in after]
    else:
        left = [_keep(s, lambda w: w.middle < cut) for s in before]
        right = [_keep(s, lambda w: w.middle >= cut) for s in after]
    return [s for s in left if s is not None], [s for s in right if s is not None]


def _from(start: Seconds) -> Callable[[Word | Segment], bool]:
    return lambda piece: piece.middle >= start


def _keep(segment: Segment, wanted: Callable[[Word | Segment], bool]) -> Segment | None:
    if not segment.words:
        return segment if wanted(segment) else None
    words = tuple(w for w in segment.words if wanted(w))
    if not joined(words):
        return None
    return replace(segment, start=words[0].start, end=words[-1].end, words=words, text=joined(words))


def _ending_by(segment: Segment, limit: Seconds) -> Segment:
    """The segment and its words, none reaching beyond `limit`."""
    if segment.end <= limit:
        return segment
    words = tuple(w.moved(min(w.start, limit), min(w.end, limit)) for w in segment.words)
    return replace(segment, end=max(segment.start, limit), words=words)


def _words(segments: Iterable[Segment]) -> list[Word]:
    return [word for segment in segments for word in segment.words]


def _bare(word: Word) -> str:
    return re.sub(r"\W", "", word.text).lower()
