"""Forced alignment: where each token of a known text is said, by what a CTC model heard in each frame.

The best path through the trellis of Graves et al. 2006 (section 4.1): a blank before, between and after the tokens,
each of which may be passed by, but not between two tokens that are the same. Added to it: a wildcard that stands for
any token, as the star of Pratap et al. 2023 (arXiv 2305.13516, section 3.1.4), and tokens that may be left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speechcli.numerics.ctc import Run

WILDCARD = -1
MOST_CELLS = 1 << 28  # frames x tokens, a byte each: 300 s at 20 ms a frame with a token in every one

_STRANGE = 0.1  # nats that a frame of a wildcard costs beyond its best token: those that fit keep their own frames
_LOST = -np.inf
_FROM_BLANK, _FROM_TOKEN, _INTO_BLANK, _SKIPPED = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class Forced:
    """A text on its best path.

    runs: per token its frames, with the mean of its probabilities in them (None for a wildcard); None where it was left
    out. score: log-probability of the path, less what its wildcards and what is left out cost.
    """

    runs: tuple[Run | None, ...]
    score: float


def forced(
    scores: NDArray[np.floating],
    tokens: Sequence[int],
    blank: int,
    optional: Sequence[tuple[int, int]] = (),
    costs: Sequence[float] = (),
) -> Forced | None:
    """The tokens on their best path; None where there is none, for the frames are too few.

    scores: shape (frames, vocabulary), log-probabilities, 0 or less. tokens: of the vocabulary, but not the blank, or
    `WILDCARD`. optional: tokens that may be left out together, half-open ranges in their order; between what is said
    before and after them there is a blank then. costs: nats for leaving out each of them; nothing when empty.
    Linear in frames x tokens; raises ValueError above `MOST_CELLS` of them, unless the frames are too few.

    >>> scores = np.log(np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.7, 0.2], [0.1, 0.1, 0.8]]))
    >>> [(run.token, run.first, run.stop) for run in forced(scores, [1, 2], blank=0).runs]
    [(1, 1, 3), (2, 3, 4)]
    """
    n_frames, n_tokens = len(scores), len(tokens)
    if n_tokens - sum(stop - first for first, stop in optional) > n_frames:
        return None
    if n_frames * (n_tokens + 1) > MOST_CELLS:
        raise ValueError(f"{n_tokens} tokens in {n_frames} frames are too many for one trellis")
    chains = _Chains(optional, n_tokens, costs or [0.0] * len(optional))
    ids = np.asarray(tokens, np.intp).reshape(-1)
    wild = np.flatnonzero(ids == WILDCARD)
    known = np.where(ids == WILDCARD, 0, ids)
    best = scores.max(axis=1) - _STRANGE if len(wild) else None
    apart = np.zeros(n_tokens)  # added to what comes straight from the token before
    apart[:1] = _LOST
    apart[1:][(ids[1:] == ids[:-1]) & (ids[1:] != WILDCARD)] = _LOST

    # said[k], rest[k]: the best path so far that is in token k, or in the blank before it. Row 0 of `ways` is the blank
    # before the sound, the last the one after it; each holds how the best path came there.
    said = np.full(n_tokens, _LOST)
    rest = np.full(n_tokens + 1, _LOST)
    rest[0] = 0.0
    ways = np.zeros((n_frames + 2, n_tokens + 1), np.uint8)
    chains.skip(rest, ways[0])
    before = np.full(n_tokens, _LOST)
    for t in range(n_frames + 1):
        way = ways[t + 1]
        before[1:] = said[:-1]
        before += apart
        into_blank = said > rest[1:]
        way[1:][into_blank] = _INTO_BLANK
        if t < n_frames:
            came = np.maximum(rest[:-1], before)
            moved = came > said
            way[:-1] |= moved * np.where(before > rest[:-1], _FROM_TOKEN, _FROM_BLANK).astype(np.uint8)
            heard = scores[t, known].astype(np.float64)
            if best is not None:
                heard[wild] = best[t]
        rest[1:][into_blank] = said[into_blank]
        if t < n_frames:
            said = np.maximum(came, said) + heard
            rest += scores[t, blank]
        chains.skip(rest, way)
    if rest[-1] == _LOST:
        return None
    return Forced(tuple(_runs(scores, ids, _frames(ways, chains.begins))), float(rest[-1]))


class _Chains:
    """Ranges that may be left out, those that follow each other in one row of boundaries between tokens."""

    def __init__(self, optional: Sequence[tuple[int, int]], n_tokens: int, costs: Sequence[float]) -> None:
        self.begins = {stop: first for first, stop in optional}
        rows: list[list[int]] = []
        paid: list[list[float]] = []  # for all from the first boundary of the row on
        end = 0
        for (first, stop), cost in zip(optional, costs, strict=True):
            if not end <= first < stop <= n_tokens:
                raise ValueError(f"tokens {first} to {stop} of {n_tokens} cannot be left out after {end}")
            if not rows or rows[-1][-1] != first:
                rows.append([first])
                paid.append([0.0])
            rows[-1].append(stop)
            paid[-1].append(paid[-1][-1] + cost)
            end = stop
        shape = (len(rows), max(map(len, rows), default=0))
        self._places = np.array([row + [row[-1]] * (shape[1] - len(row)) for row in rows], np.intp).reshape(shape)
        self._there = np.array([[k < len(row) for k in range(shape[1])] for row in rows], np.bool_).reshape(shape)
        self._costs = np.array([row + [row[-1]] * (shape[1] - len(row)) for row in paid]).reshape(shape)

    def skip(self, rest: NDArray[np.float64], way: NDArray[np.uint8]) -> None:
        """Goes from blank to blank past what may be left out, in the same frame; `rest` and `way` are changed."""
        if not len(self._places):
            return
        own = rest[self._places] + self._costs
        best = np.maximum.accumulate(own, axis=1)
        better = (best > own) & self._there
        places = self._places[better]
        rest[places] = (best - self._costs)[better]
        way[places] |= _SKIPPED


def _frames(ways: NDArray[np.uint8], begins: dict[int, int]) -> list[tuple[int, int] | None]:
    """The frames of each token, half-open, by the way back from the end; None for one that was left out."""
    frames: list[tuple[int, int] | None] = [None] * (ways.shape[1] - 1)
    row, k, in_blank = len(ways) - 1, ways.shape[1] - 1, True
    while row > 0:
        way = int(ways[row, k])
        row -= 1
        if not in_blank:
            found = frames[k]
            frames[k] = (row, row + 1 if found is None else found[1])
            in_blank = way & 3 == _FROM_BLANK
            k -= way & 3 == _FROM_TOKEN
            continue
        while way & _SKIPPED:
            k = begins[k]
            way = int(ways[row + 1, k])
        if way & _INTO_BLANK:
            k -= 1
            in_blank = False
    return frames


def _runs(
    scores: NDArray[np.floating], ids: NDArray[np.intp], frames: Sequence[tuple[int, int] | None]
) -> list[Run | None]:
    out: list[Run | None] = []
    for token, span in zip(ids.tolist(), frames, strict=True):
        if span is None:
            out.append(None)
            continue
        sure = None if token == WILDCARD else float(np.exp(scores[span[0] : span[1], token]).mean())
        out.append(Run(token, *span, sure))
    return out
