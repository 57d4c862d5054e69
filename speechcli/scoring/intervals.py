"""How sure a rate of several recordings is: bootstrap over recordings (Bisani and Ney 2004, ICASSP).

The recordings are drawn anew with replacement, as many as there are, many times over; each time all errors are put over
all lengths, and the middle `level` of what comes out is the interval (percentiles; Efron 1979). Words of one recording
are not independent, so recordings are drawn and not words. Two systems are compared draw by draw on the same
recordings. The same input gives the same interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speechcli.scoring.rates import Rate

DRAWS: Final = 2000
_CELLS = 1 << 20  # of the table of draws that is held at once


class Interval(NamedTuple):
    """What the truth lies between."""

    low: float
    high: float


def interval(rates: Sequence[Rate], n: int = DRAWS, seed: int = 0, level: float = 0.95) -> Interval | None:
    """Of the pooled rate. None for fewer than two recordings, for one tells nothing of others; and without lengths."""
    errors, lengths = _drawn([[r.errors for r in rates], [r.length for r in rates]], n, seed)
    return _middle(errors, lengths, level)


def difference(
    old: Sequence[Rate], new: Sequence[Rate], n: int = DRAWS, seed: int = 0, level: float = 0.95
) -> Interval | None:
    """Of the new pooled rate less the old one, on the same recordings in the same order. None as for `interval`.

    Raises ValueError for rows of different lengths.
    """
    _same(old, new)
    rows = [[r.errors for r in old], [r.length for r in old], [r.errors for r in new], [r.length for r in new]]
    wrong, of, wrong_now, of_now = _drawn(rows, n, seed)
    return _middle(wrong_now * of - wrong * of_now, of * of_now, level)


def ratio(
    old: Sequence[float], new: Sequence[float], n: int = DRAWS, seed: int = 0, level: float = 0.95
) -> Interval | None:
    """Of the sum of the new amounts over that of the old, on the same recordings: seconds of work of two systems, or
    durations over seconds of work, which is a speed. None as for `interval`. Raises ValueError as `difference`.
    """
    _same(old, new)
    below, above = _drawn([old, new], n, seed)
    return _middle(above, below, level)


def _same(old: Sequence[object], new: Sequence[object]) -> None:
    if len(old) != len(new):
        raise ValueError(f"{len(old)} recordings and {len(new)}")


def _drawn(rows: Sequence[Sequence[float]], n: int, seed: int) -> NDArray[np.float64]:
    """Sums of n draws. rows: shape (amounts, recordings); gives (amounts, n), or (amounts, 0) below two recordings."""
    amounts = np.asarray(rows, dtype=np.float64)
    files = amounts.shape[1]
    if files < 2:
        return np.empty((len(rows), 0))
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS // files)
    shares = np.full(files, 1 / files)
    times = (rng.multinomial(files, shares, size=min(step, n - done)) for done in range(0, n, step))
    return np.concatenate([amounts @ drawn.T for drawn in times], axis=1)


def _middle(above: NDArray[np.float64], below: NDArray[np.float64], level: float) -> Interval | None:
    kept = below > 0
    if not kept.any():
        return None
    low, high = np.quantile(above[kept] / below[kept], [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))
