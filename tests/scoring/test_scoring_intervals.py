"""Intervals equal scipy's bootstrap, hold the truth as often as they claim, and are the same every time."""

from __future__ import annotations

import random

import numpy as np
import pytest

from speechcli.scoring.intervals import difference, interval, ratio
from speechcli.scoring.rates import Rate, pooled


def rates(seed: int, files: int = 30, share: float = 0.1) -> list[Rate]:
    """Recordings of different lengths and difficulty; of all words `share` is wrong on average."""
    draw = random.Random(seed)
    out = []
    for _ in range(files):
        length = draw.randint(20, 200)
        hard = share * draw.uniform(0.2, 1.8)
        out.append(Rate((("substituted", sum(draw.random() < hard for _ in range(length))),), length))
    return out


def test_one_recording_tells_nothing_of_others() -> None:
    assert interval([]) is None
    assert interval(rates(1)[:1]) is None
    assert difference(rates(1)[:1], rates(2)[:1]) is None
    assert ratio([1.0], [2.0]) is None
    assert interval([Rate((("inserted", 3),), 0)] * 3) is None


def test_the_same_input_gives_the_same_interval_around_the_pooled_rate() -> None:
    low, high = interval(rates(1)) or (1, 0)

    assert (low, high) == interval(rates(1)) != interval(rates(1), seed=1)
    assert low < (pooled(rates(1)).value or 0) < high
    wide = interval(rates(1), level=0.99)
    assert wide is not None
    assert wide.low < low
    assert high < wide.high


def test_recordings_that_all_say_the_same_leave_no_doubt() -> None:
    assert interval([Rate((("deleted", 1),), 10)] * 5) == pytest.approx((0.1, 0.1))
    assert ratio([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]) == pytest.approx((2, 2))


def test_intervals_equal_scipys_bootstrap() -> None:
    stats = pytest.importorskip("scipy.stats")
    found = rates(3)
    errors, lengths = np.array([r.errors for r in found]), np.array([r.length for r in found])

    theirs = stats.bootstrap(
        (errors, lengths),
        lambda e, n, axis: e.sum(axis) / n.sum(axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=20_000,
        rng=1,
    ).confidence_interval

    assert interval(found, n=20_000) == pytest.approx((theirs.low, theirs.high), rel=0.02)


def test_the_true_rate_is_inside_about_as_often_as_claimed() -> None:
    inside = 0
    for seed in range(200):
        low, high = interval(rates(seed), n=500) or (1, 0)
        inside += low <= 0.1 <= high

    assert 178 <= inside <= 199  # 190 expected; percentiles are a little too narrow with 30 recordings


def test_a_small_difference_on_the_same_recordings_is_seen_where_the_rates_alone_overlap() -> None:
    old = rates(5)
    new = [Rate((("substituted", r.errors + 1),), r.length) for r in old]

    found = difference(old, new)
    alone = interval(old), interval(new)

    assert found is not None
    assert 0 < found.low < found.high < 0.03
    assert alone[0] is not None
    assert alone[1] is not None
    assert alone[0].high > alone[1].low
    assert difference(old, old) == (0, 0)


def test_a_difference_is_drawn_recording_by_recording() -> None:
    old, new = rates(6), rates(7)
    forward, back = difference(old, new), difference(new, old)

    assert forward is not None
    assert back is not None
    assert forward == pytest.approx((-back.high, -back.low))
    assert forward.low < (pooled(new).value or 0) - (pooled(old).value or 0) < forward.high
    width = max(one.high - one.low for one in (interval(old), interval(new)) if one is not None)
    assert width < forward.high - forward.low < 2 * width  # variances of what is independent add
    with pytest.raises(ValueError, match="30 recordings and 29"):
        difference(old, new[1:])
    with pytest.raises(ValueError, match="2 recordings and 1"):
        ratio([1, 2], [1])


def test_silent_recordings_among_others_count_with_their_insertions() -> None:
    found = [*rates(8), Rate((("inserted", 5),), 0)]

    low, high = interval(found) or (1, 0)

    assert low < (pooled(found).value or 0) < high


def test_many_recordings_are_drawn_in_parts_that_fit() -> None:
    found = [Rate((("deleted", i % 7),), 30) for i in range(5000)]

    low, high = interval(found, n=300) or (1, 0)

    assert low < 0.1 < high
    assert high - low < 0.01
