"""The times of spoken words to one word for each token of the text, exactly as it is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, median

from speechcli.core.span import Seconds, Span, tidy, to_ms
from speechcli.core.transcript import Fit, Mismatch, Word
from speechcli.timeline.activity import Speech, not_endless
from speechcli.timeline.anchors import PACE, Plan
from speechcli.timeline.matching import rising

EARLY: Seconds = 0.12  # an aligner begins a word so long before anybody speaks
SLOT: Seconds = 0.01  # of a word that has no sound, where there is room
YIELDED = 0.25  # share of its time that a word gives up to neighbours without any,
YIELDED_MOST: Seconds = 0.06  # and no more than this
AT_EASE = 1.5  # an interpolated word takes this much of the time that its letters ask for, where there is room
WEAK = 0.05  # unheard words below this confidence: 3 % of those that are said (TIMIT), 70 % of those that are not
TOGETHER: Seconds = 0.5  # mismatches this near to each other are one


def placed(
    tokens: Sequence[str],
    said: Sequence[Sequence[tuple[str, ...]]],
    found: Sequence[Sequence[Word]],
    plan: Plan,
    speech: Sequence[Span],
    duration: Seconds,
) -> list[Word]:
    """One word a token, in order, without overlap, inside [0, duration], each with some time; on the millisecond.

    said: as in `anchors.plan`. found: for each token the words that the aligner gave its spoken words, in recording
    time; those it interpolated do not count. A token without any takes the recogniser's time for it, or what is left
    between its neighbours, is "interpolated" and has no confidence. Its least time is SLOT, a millisecond in a crowd,
    and less only where there are more tokens than milliseconds; neighbours of a crowd yield a little.
    """
    if not tokens:
        return []
    activity = Speech(speech)
    spans: list[Span | None] = [
        _hull(text, words, activity, duration) for text, words in zip(tokens, found, strict=True)
    ]
    aligned = [_after_silence(span, activity) for span in _in_order(spans)]
    sure = [span is not None for span in aligned]
    edges = _Filling(tokens, said, plan, activity, duration).fill(aligned)
    return [
        Word(
            start,
            end,
            text,
            _confidence(words) if by_aligner else None,
            placed="aligner" if by_aligner else "interpolated",
        )
        for (start, end), text, words, by_aligner in zip(
            _on_the_grid(edges, duration), tokens, found, sure, strict=True
        )
    ]


def fit(
    words: Sequence[Word],
    said: Sequence[Sequence[tuple[str, ...]]],
    plan: Plan,
    others: Sequence[Word] = (),
    least: float = WEAK,
) -> Fit:
    """How well the text was found; words: those of `placed`.

    others: what the aligner found of the entries that are not in the text. least: a confidence below which a word
    that the recogniser did not hear is taken for not said.
    """
    doubtful = {entry.token for piece in plan.pieces for entry in piece.entries if entry.doubtful}
    unspoken = {token for first, stop, _ in plan.unspoken for token in range(first, stop)}
    there, sounding = [], []
    missed: list[bool] = []
    for token, (word, alternatives) in enumerate(zip(words, said, strict=True)):
        if not alternatives:
            missed.append(bool(missed) and missed[-1])  # a mark goes with the word before it
            continue
        sounding.append(token)
        weak = word.confidence is not None and word.confidence < least and token not in plan.heard
        if word.placed != "interpolated" and not weak:
            there.append(token)
        missed.append(token in unspoken or weak or (word.placed == "interpolated" and token in doubtful))
    confidences = [c for token in there if (c := words[token].confidence) is not None]
    mismatches = [*_runs(words, missed), *_unwritten(plan, others)]
    return Fit(
        placed=round(len(there) / len(sounding), 4) if sounding else 0.0,
        confidence=round(median(confidences), 4) if confidences else None,
        mismatches=tuple(sorted(mismatches, key=lambda m: (m.start, m.end, m.kind))),
    )


def _hull(text: str, words: Sequence[Word], speech: Speech, duration: Seconds) -> Span | None:
    """From the first to the last of a token's spoken words, no longer than it can be."""
    own = [word for word in words if word.placed != "interpolated"]
    if not own:
        return None
    start = min(max(min(word.start for word in own), 0.0), duration)
    end = min(max(max(word.end for word in own), start), duration)
    span = Span(start, end)
    if len(own) == 1 or span.duration > 1.5 * sum(word.duration for word in own):
        start, end = not_endless(span, " ".join(word.text.strip() for word in words), speech.inside(span))
    return Span(start, end)


def _confidence(words: Sequence[Word]) -> float | None:
    known = [w.confidence for w in words if w.confidence is not None and w.placed != "interpolated"]
    return round(min(1.0, max(0.0, fmean(known))), 4) if known else None


def _in_order(spans: Sequence[Span | None]) -> list[Span | None]:
    """The spans without those that contradict most others, and without overlap: half to each."""
    order = rising([(i, span.start) for i, span in enumerate(spans) if span is not None])
    out: list[Span | None] = [None] * len(spans)
    before = -1
    for i, _ in order:
        span = spans[i]
        assert span is not None
        last = out[before] if before >= 0 else None
        if last is not None and last.end > span.start:
            middle = max(last.start, min((last.end + span.start) / 2, span.middle))
            out[before] = Span(last.start, middle)
            span = Span(middle, max(middle, span.end))
        out[i] = span
        before = i
    return out


def _after_silence(span: Span | None, speech: Speech) -> Span | None:
    """A word that begins in silence begins half way to where the detector hears somebody.

    An aligner cannot tell a breath from a soft sound there: measured on the first words of TIMIT, 47 ms mean error of
    their starts without this and 20 ms with it, and much the same on other recordings and in noise.
    """
    onset = None if span is None else speech.begins(span.start, span.end)
    if span is None or onset is None or onset - span.start > EARLY:
        return span
    return Span((span.start + onset) / 2, span.end)


@dataclass(frozen=True, slots=True)
class _Filling:
    """Gives the tokens without time what is left between the others."""

    tokens: Sequence[str]
    said: Sequence[Sequence[tuple[str, ...]]]
    plan: Plan
    speech: Speech
    duration: Seconds

    def fill(self, spans: Sequence[Span | None]) -> list[tuple[Seconds, Seconds]]:
        edges = [(span.start, span.end) if span else (0.0, 0.0) for span in spans]
        where = self._where()
        i = 0
        while i < len(spans):
            if spans[i] is not None:
                i += 1
                continue
            stop = i
            while stop < len(spans) and spans[stop] is None:
                stop += 1
            self._room(edges, i, stop)
            lo = edges[i - 1][1] if i else 0.0
            hi = edges[stop][0] if stop < len(edges) else self.duration
            for group, rows in groupby(range(i, stop), key=lambda k: where[k]):
                chosen = list(rows)
                after = sum(self._needs(k) for k in range(chosen[-1] + 1, stop)) if chosen[-1] + 1 < stop else 0.0
                bounds = _within(lo, hi, group, SLOT * len(chosen), min(after, SLOT * (stop - chosen[-1] - 1)))
                for k, edge in zip(chosen, self._shares(chosen, bounds), strict=True):
                    edges[k] = edge
                lo = edges[chosen[-1]][1]
            i = stop
        return edges

    def _where(self) -> list[Span | None]:
        """Where each token is said, as far as the plan knows; marks are where the word before them is."""
        out: list[Span | None] = [None] * len(self.tokens)
        for piece in self.plan.pieces:
            for entry in piece.entries:
                if entry.token is not None:
                    out[entry.token] = piece.span
        for token, span in enumerate(self.plan.where):
            out[token] = span or out[token]
        for first, stop, span in self.plan.unspoken:
            out[first:stop] = [span] * (stop - first)
        for token in range(1, len(out)):
            if not self.said[token]:
                out[token] = out[token - 1]
        return out

    def _room(self, edges: list[tuple[Seconds, Seconds]], first: int, stop: int) -> None:
        """Neighbours yield a little to those that would have no time at all."""
        lo = edges[first - 1][1] if first else 0.0
        hi = edges[stop][0] if stop < len(edges) else self.duration
        lacking = SLOT * (stop - first) - (hi - lo)
        if lacking <= 0:
            return
        if first:
            start, end = edges[first - 1]
            given = min(lacking, YIELDED_MOST, YIELDED * (end - start))
            edges[first - 1] = start, end - given
            lacking -= given
        if stop < len(edges) and lacking > 0:
            start, end = edges[stop]
            edges[stop] = start + min(lacking, YIELDED_MOST, YIELDED * (end - start)), end

    def _needs(self, token: int) -> Seconds:
        """Seconds that a token would take."""
        return AT_EASE * PACE * max(1, len(self.tokens[token].strip())) if self.said[token] else SLOT

    def _shares(self, rows: Sequence[int], bounds: Span) -> Iterator[tuple[Seconds, Seconds]]:
        """The tokens one after the other, from where somebody speaks within the bounds."""
        needs = [self._needs(k) for k in rows]
        if any(self.said[k] for k in rows):
            hull = self.speech.hull(bounds.start, bounds.end)
            bounds = hull if hull.duration >= SLOT * len(rows) else bounds
        scale = min(1.0, bounds.duration / sum(needs))
        at = bounds.start
        for need in needs:
            start, at = at, min(at + scale * need, bounds.end)
            yield start, at


def _within(lo: Seconds, hi: Seconds, group: Span | None, needed: Seconds, after: Seconds) -> Span:
    """The part of [lo, hi] that is the group's; others follow that need some of it too."""
    if group is None:
        return Span(lo, max(lo, hi))
    last = max(lo, hi - after)
    start = min(max(lo, group.start), max(lo, last - needed))
    return Span(start, max(start, min(max(group.end, start + needed), last)))


def _on_the_grid(edges: Sequence[tuple[Seconds, Seconds]], duration: Seconds) -> Iterator[tuple[Seconds, Seconds]]:
    """The same on whole milliseconds, none empty; evenly over everything where there are not enough of them."""
    last = int(duration * 1000)
    n = len(edges)
    if n > last:
        yield from ((duration * i / n, duration * (i + 1) / n) for i in range(n))
        return
    out: list[tuple[int, int]] = []
    at = 0
    for start, end in edges:
        begin = max(to_ms(start), at)
        at = max(to_ms(end), begin + 1)
        out.append((begin, at))
    for i in range(n - 1, -1, -1):
        begin, end = out[i]
        if end <= last:
            break
        out[i] = min(begin, last - 1), last
        last = out[i][0]
    yield from ((tidy(begin / 1000), tidy(end / 1000)) for begin, end in out)


def _runs(words: Sequence[Word], missed: Sequence[bool]) -> Iterator[Mismatch]:
    """Neighbouring words that nobody says, as one."""
    for yes, rows in groupby(range(len(words)), key=lambda i: missed[i]):
        if yes:
            run = [words[i] for i in rows]
            yield Mismatch(run[0].start, run[-1].end, "".join(word.text for word in run).strip(), "unspoken")


def _unwritten(plan: Plan, others: Sequence[Word]) -> Iterator[Mismatch]:
    rows = [*plan.unwritten, *((Span(w.start, w.end), w.text.strip()) for w in others if w.placed != "interpolated")]
    now: Mismatch | None = None
    for span, text in sorted(rows, key=lambda row: (row[0].start, row[0].end)):
        if now is not None and span.start - now.end <= TOGETHER:
            now = Mismatch(now.start, max(now.end, span.end), f"{now.text} {text}".strip(), "unwritten")
            continue
        if now is not None:
            yield now
        now = Mismatch(span.start, span.end, text, "unwritten")
    if now is not None:
        yield now
