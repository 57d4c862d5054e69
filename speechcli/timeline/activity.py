"""Where somebody speaks, to be asked often: each question costs a search, not a look at the whole recording."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

from speechcli.core.span import Seconds, Span, clipped, merged

OFF: Seconds = 0.2  # a recogniser's times are this exact
ASIDE: Seconds = 0.7  # speech this far from a word is not of that word


class Speech:
    """The stretches that a detector heard speech in, merged and sorted."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = merged(spans)
        self._starts = [span.start for span in self.spans]
        self._before = list(accumulate((span.duration for span in self.spans), initial=0.0))

    def seconds(self, start: Seconds, end: Seconds) -> Seconds:
        """How much is spoken between two moments."""
        return max(0.0, self._until(end) - self._until(start))

    def inside(self, span: Span) -> list[Span]:
        """What is spoken within a span."""
        first = max(0, bisect_right(self._starts, span.start) - 1)
        return clipped(self.spans[first : bisect_left(self._starts, span.end)], span)

    def hull(self, start: Seconds, end: Seconds) -> Span:
        """From the first to the last that is spoken between two moments; all of it where nothing is."""
        first = max(0, bisect_right(self._starts, start) - 1)
        first += first < len(self.spans) and self.spans[first].end <= start
        last = bisect_left(self._starts, end) - 1
        if last < first:
            return Span(start, end)
        return Span(max(start, self._starts[first]), min(end, self.spans[last].end))

    def begins(self, start: Seconds, end: Seconds) -> Seconds | None:
        """Where speech begins after silence, between two moments of which the first is in that silence."""
        k = bisect_right(self._starts, start)
        silent = not k or self.spans[k - 1].end <= start
        return self._starts[k] if silent and k < len(self._starts) and self._starts[k] < end else None

    def _until(self, moment: Seconds) -> Seconds:
        k = bisect_right(self._starts, moment)
        if not k:
            return 0.0
        return self._before[k - 1] + min(moment - self._starts[k - 1], self.spans[k - 1].duration)

    def onset(self, word: Seconds) -> tuple[Seconds, Seconds]:
        """(where the silence begins, where the speech begins) before a word that begins about there."""
        k = bisect_right(self._starts, word + OFF) - 1
        if k >= 0 and self.spans[k].end > word - OFF and word - self._starts[k] <= ASIDE:
            return (self.spans[k - 1].end if k else 0.0), self._starts[k]
        return word, word

    def offset(self, word: Seconds) -> tuple[Seconds, Seconds]:
        """(where the speech ends, where the silence ends) after a word that ends about there."""
        k = bisect_left(self._starts, word + OFF) - 1
        if k >= 0 and self.spans[k].end < word - OFF and k + 1 < len(self.spans):
            return word, word
        if k >= 0 and self.spans[k].end - word <= ASIDE:
            after = self._starts[k + 1] if k + 1 < len(self.spans) else float("inf")
            return self.spans[k].end, after
        return word, word


def not_endless(span: Span, text: str, spoken: Sequence[Span]) -> tuple[Seconds, Seconds]:
    """A word much longer than its letters allow loses the silence inside its time, then what is left over.

    spoken: where somebody speaks within `span`.
    """
    longest = 0.6 + 0.12 * len(text.strip())
    if span.duration <= longest:
        return span.start, span.end
    if not spoken:
        return span.start, span.start + longest
    best = max(spoken, key=lambda s: (s.duration, -s.start))
    return best.start, min(best.end, best.start + longest)
