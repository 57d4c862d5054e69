"""Connectionist temporal classification: frames to tokens (Graves et al., 2006, section 3.1)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Run:
    """One token on the best path. first, stop: its frames, half-open. probability: their mean, 0..1, if known."""

    token: int
    first: int
    stop: int
    probability: float | None


def best_path(logits: NDArray[np.float32], blank: int) -> list[Run]:
    """The most probable token of each frame, equal neighbours taken together, blanks left out.

    logits: shape (frames, vocabulary), before the softmax; no frames give no tokens.

    >>> import numpy as np
    >>> logits = np.eye(3, dtype=np.float32)[[0, 1, 1, 0, 1, 2]]
    >>> [(run.token, run.first, run.stop) for run in best_path(logits, blank=0)]
    [(1, 1, 3), (1, 4, 5), (2, 5, 6)]
    """
    if not len(logits):
        return []
    best = logits.argmax(axis=1)
    top = np.take_along_axis(logits, best[:, None], axis=1)
    probability = 1.0 / np.exp(logits - top).sum(axis=1)  # the softmax of the best
    edges = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(best)]
    return [
        Run(int(best[first]), first, stop, float(probability[first:stop].mean()))
        for first, stop in itertools.pairwise(edges)
        if best[first] != blank
    ]
