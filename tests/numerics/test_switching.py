"""The best path through states that all lead to each other, held against the list of all paths."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechcli.numerics.switching import switching


def worth(scores: np.ndarray, change: np.ndarray, path) -> float:
    """Log likelihood of a path. scores: (n, K)."""
    n_states = scores.shape[1]
    told = scores[np.arange(len(path)), list(path)].sum()
    for i in range(1, len(path)):
        told += np.log(1 - change[i]) if path[i] == path[i - 1] else np.log(change[i] / (n_states - 1))
    return float(told)


@given(st.integers(1, 6), st.integers(2, 4), st.integers(0, 10_000))
def test_no_path_of_all_is_better(n, n_states, seed):
    random = np.random.default_rng(seed)
    scores = random.normal(0, 2, (n, n_states))
    change = random.uniform(0.001, 0.5, n)  # a half is the most that the diarizer says

    found = switching(scores, change)

    best = max(worth(scores, change, path) for path in itertools.product(range(n_states), repeat=n))
    assert worth(scores, change, found) == pytest.approx(best, abs=1e-9)


def test_a_change_is_made_where_it_is_probable():
    """The scores say only that the first frames are one's and the last ones another's."""
    scores = np.zeros((10, 2))
    scores[:2, 0] = scores[8:, 1] = 3.0
    change = np.full(10, 0.01)
    change[6] = 0.4

    assert switching(scores, change).tolist() == [0] * 6 + [1] * 4


def test_a_blip_is_not_worth_two_changes_but_a_stretch_is():
    scores = np.zeros((60, 3))
    scores[:, 0] = 1.0
    scores[10, 2] = 4.0
    scores[30:45, 1] = 3.0

    found = switching(scores, np.full(60, 0.01)).tolist()

    assert found == [0] * 30 + [1] * 15 + [0] * 15


@pytest.mark.parametrize("shape", [(0, 1), (0, 3), (4, 1), (1, 3)])
def test_no_steps_and_a_single_state(shape):
    scores = np.random.default_rng(1).normal(0, 1, shape)

    found = switching(scores, np.full(shape[0], 0.1))

    assert found.tolist() == scores.argmax(axis=1).tolist()


def test_what_comes_in_is_not_written_to():
    scores, change = np.random.default_rng(3).normal(0, 1, (50, 4)), np.full(50, 0.2)
    before = scores.copy()

    switching(scores, change)

    assert np.array_equal(scores, before)
    assert (change == 0.2).all()


def test_many_states_and_many_steps():
    """Forty states, each in its stretch; a state's number must not be lost on the way back."""
    truth = np.repeat(np.arange(40)[::-1], 50)
    scores = np.random.default_rng(4).normal(0, 1, (2000, 40))
    scores[np.arange(2000), truth] += 3.0

    assert (switching(scores, np.full(2000, 0.02)) == truth).mean() > 0.99
