"""Best path of a hidden Markov model whose states all lead to each other, and seldom (Viterbi 1967)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def switching(scores: NDArray[np.floating], change: NDArray[np.float64]) -> NDArray[np.intp]:
    """The state at each step, (n,).

    scores: (n, K), log likelihoods. change: (n,), the probability, above 0 and at most a half, that a step's state is
    another than that of the one before; all others are alike.
    """
    n, n_states = scores.shape
    if n_states == 1 or not n:
        return np.zeros(n, np.intp)
    stay, leave = np.log1p(-change), np.log(change / (n_states - 1))
    from_ = np.empty((n, n_states), np.int16)
    states = np.arange(n_states, dtype=np.int16)
    best = scores[0].astype(np.float64)
    for i in range(1, n):
        top = int(best.argmax())
        jump = best[top] + leave[i]
        best = best + stay[i]
        jumps = best < jump
        from_[i] = np.where(jumps, top, states)
        best = np.where(jumps, jump, best) + scores[i]
    path = np.empty(n, np.intp)
    path[-1] = int(best.argmax())
    for i in range(n - 1, 0, -1):
        path[i - 1] = from_[i, path[i]]
    return path
