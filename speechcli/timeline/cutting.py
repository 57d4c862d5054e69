"""Words whose times are roughly known, to stretches of sound that are aligned at once. Cuts lie in silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from speechcli.core.span import Seconds, Span
from speechcli.timeline.activity import ASIDE, OFF, Speech

MARGIN: Seconds = 0.3  # of silence around the speech of a piece
APART: Seconds = 2.0  # a pause this long is in no piece
TOUCH: Seconds = 0.05  # two pieces that are cut inside speech both hear this much of each other
_LATER = 0.02  # a pause this much wider is preferred to one a second later


@dataclass(frozen=True, slots=True)
class Item(Span):
    """A spoken word, about where it is said.

    token: see `anchors.Entry`. sure: heard there, so that a cut beside it is safe.
    """

    text: str
    token: int | None
    doubtful: bool
    sure: bool


def cut(items: Sequence[Item], speech: Speech, bounds: Span, longest: Seconds) -> Iterator[tuple[Span, Sequence[Item]]]:
    """The items in stretches of at most `longest` seconds, each with the sound that it is said in.

    items: in order, their starts too. bounds: sound outside of it is not theirs. Neighbours overlap by 2 * TOUCH at
    most, and where a word alone is longer than `longest` it is cut short.
    """
    room = max(longest - 2 * (MARGIN + ASIDE), longest / 2)
    first = 0
    floor = bounds.start
    while first < len(items):
        stop = _stop(items, first, speech, room)
        limit = items[stop].start if stop < len(items) else bounds.end
        last = max(item.end for item in items[first:stop])
        if last > limit:  # their times overlap
            last = limit = max((last + limit) / 2, items[first].start)
        start = min(_begins(items[first].start, floor, speech), bounds.end)
        end = min(max(_ends(last, limit, speech), start), bounds.end, start + longest)
        yield Span(start, end), items[first:stop]
        floor = max(floor, min(end, limit))
        first = stop


def _stop(items: Sequence[Item], first: int, speech: Speech, longest: Seconds) -> int:
    """One past the last item of a stretch that begins with item `first`."""
    limit = items[first].start + longest
    best, best_worth = first + 1, float("-inf")
    for stop in range(first + 1, len(items)):
        before, after = items[stop - 1], items[stop]
        sure = before.sure and after.sure
        pause = after.start - before.end
        if pause >= APART and (sure or speech.seconds(before.end, after.start) < 2 * OFF):
            return stop
        worth = min(pause, 1.0) + _LATER * before.end - (0.0 if sure else 10.0)
        if worth > best_worth:
            best, best_worth = stop, worth
        if after.end > limit:
            return best
    return len(items)


def _begins(word: Seconds, floor: Seconds, speech: Speech) -> Seconds:
    """Where the sound of a piece begins, when its first word begins about there and what was before ends at `floor`."""
    least = max(0.0, min(floor, word) - TOUCH)
    quiet, start = speech.onset(word)
    if start < min(floor, word):  # what was said before runs on into it
        return least
    room = start - max(quiet, floor) if quiet < start else 2 * MARGIN
    return max(start - min(MARGIN, max(TOUCH, room / 2)), least)


def _ends(word: Seconds, limit: Seconds, speech: Speech) -> Seconds:
    """Where it ends, when its last word ends about there and the next thing begins at `limit`."""
    most = max(limit, word) + TOUCH
    end, quiet = speech.offset(word)
    if end > max(limit, word):
        return max((word + limit) / 2, word) + TOUCH
    room = min(quiet, limit) - end if quiet > end else 2 * MARGIN
    return min(end + min(MARGIN, max(TOUCH, room / 2)), most)
