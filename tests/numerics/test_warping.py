"""Dynamic time warping, against the recursion of the paper written down as it stands."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from speechcli.numerics.warping import first_columns

SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)
WHOLE = arrays(np.float32, SHAPES, elements=st.integers(-3, 3).map(float))
REAL = arrays(np.float32, SHAPES, elements=st.floats(-100, 100, width=32))


def most(alike) -> float:
    """What the best path gathers."""
    best = {(-1, -1): 0.0}
    for i, j in itertools.product(*map(range, alike.shape)):
        before = (best.get(place, -np.inf) for place in ((i - 1, j - 1), (i - 1, j), (i, j - 1)))
        best[i, j] = float(alike[i, j]) + max(before)
    return best[alike.shape[0] - 1, alike.shape[1] - 1]


def gathered(alike, first) -> float:
    """What the best of the paths gathers that enter the rows in these columns."""
    total = 0.0
    for i, column in enumerate(first):
        if i + 1 == len(first):
            return total + float(alike[i, column:].sum(dtype=np.float64))
        following = first[i + 1]  # which is reached from the same column, or from the one before
        ends = [end for end in (following - 1, following) if end >= column]
        total += max(float(alike[i, column : end + 1].sum(dtype=np.float64)) for end in ends)
    raise AssertionError


def check(alike) -> None:
    first = first_columns(alike)

    assert len(first) == len(alike)
    assert first[0] == 0
    assert all(0 <= a <= b < alike.shape[1] for a, b in itertools.pairwise(first))
    assert gathered(alike, first) == pytest.approx(most(alike), abs=1e-9)


@given(WHOLE)
def test_no_path_gathers_more_where_many_gather_the_same(alike):
    check(alike)


@given(REAL)
def test_no_path_gathers_more(alike):
    check(alike)


def test_rows_are_entered_where_they_begin_to_be_like_the_columns():
    alike = np.full((3, 9), -1, np.float32)
    alike[0, :2] = alike[1, 2:7] = alike[2, 7:] = 1

    assert first_columns(alike).tolist() == [0, 2, 7]


def test_more_rows_than_columns_share_them():
    assert first_columns(np.array([[1, -1], *[[-1, 1]] * 4])).tolist() == [0, 1, 1, 1, 1]


def test_as_many_tokens_and_frames_as_a_window_has():
    alike = np.random.default_rng(0).normal(size=(440, 1500)).astype(np.float32)

    check(alike)
