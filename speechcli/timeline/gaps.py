"""Speech that a model passed over: where it is, and what is to be heard again.

The idea is the gap filling of CrispASR (decode an empty stretch once more, alone), at finer grain: Whisper often ends
a 30 s window early, and what it left out is heard when it stands at the beginning of a window of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from speechcli.core.span import Seconds, Span, clipped, merged, total, uncovered
from speechcli.core.transcript import Segment, Word
from speechcli.timeline.windows import Window, again

SHORTEST: Seconds = 1.0  # of speech without words, worth hearing again
DEPTH = 2  # a part of a part is heard again, a part of that is not
HALVED: Seconds = 15.0  # shorter halves are not tried
MOST_CUTS = 8  # an answer cut off this often is not asked for again
CLOSE: Seconds = 0.5  # words this near to each other leave no gap
_ENDLESS: Seconds = 0.8  # a longer word may hide speech behind its beginning
_PAD: Seconds = 0.3


def unheard(window: Window, segments: Sequence[Segment]) -> list[Window]:
    """Parts of `window` with speech and no words, to be heard again; segments: what it gave, in recording time.

    Nothing for a window that is itself the second try of a second try, or that gave no more than its parent did.
    """
    if len(window.index) > DEPTH:
        return []
    covers = [_covered(piece) for piece in words_or_segments(segments)]
    edges = [window.heard.start, *(edge for c in covers for edge in (c.start, c.end)), window.heard.end]
    parts: list[Window] = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start < SHORTEST:
            continue
        spoken = clipped(window.speech, Span(start, end))
        if total(spoken) >= SHORTEST:
            span = Span(max(window.heard.start, spoken[0].start - _PAD), min(window.heard.end, spoken[-1].end + _PAD))
            parts.append(again(window, len(parts), span, window.speech))
    whole = len(window.index) > 1 and len(parts) == 1 and parts[0].heard.duration > 0.9 * window.heard.duration
    return [] if whole else parts


def _covered(piece: Word | Segment) -> Span:
    if isinstance(piece, Word) and piece.duration > _ENDLESS + SHORTEST:
        return Span(piece.start, piece.start + _ENDLESS)
    return Span(piece.start, piece.end)


def rest(window: Window, cut: Seconds) -> list[Window]:
    """What follows the place where the model's answer ended, to be heard again; nothing when no speech is left.

    cut: in recording time. Where the model did not get anywhere, the window is halved in a pause: the same sound would
    have the same answer.
    """
    if len(window.index) > MOST_CUTS:
        return []
    tail = Span(min(max(cut, window.heard.start), window.heard.end), window.heard.end)
    left = clipped(window.speech, tail)
    if total(left) < SHORTEST:
        return []
    if tail.start - window.heard.start < SHORTEST:
        return _halves(window)
    return [again(window, 0, Span(max(tail.start, left[0].start - _PAD), tail.end), window.speech)]


def _halves(window: Window) -> list[Window]:
    """The window in two, cut in the pause nearest to its middle; nothing where it is too short for that."""
    if window.heard.duration < 2 * HALVED:
        return []
    pauses = [(before.end + after.start) / 2 for before, after in pairwise(window.speech)]
    middle = min(pauses, key=lambda at: abs(at - window.heard.middle), default=window.heard.middle)
    halves = (Span(window.heard.start, middle), Span(middle, window.heard.end))
    return [again(window, i, span, window.speech) for i, span in enumerate(halves) if clipped(window.speech, span)]


def words_or_segments(segments: Sequence[Segment]) -> list[Word | Segment]:
    """All words, and the segments that have none, in their order."""
    return [piece for segment in segments for piece in (segment.words or (segment,))]


def gaps(speech: Sequence[Span], covers: Sequence[Span], longer: Seconds) -> list[Span]:
    """Stretches of speech, `longer` or more, that nothing of `covers` explains."""
    return [span for span in uncovered(speech, merged(covers, within=CLOSE)) if span.duration >= longer]
