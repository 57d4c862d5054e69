"""Dynamic time warping: how two sequences go along with each other, by how like each pair of their places is.

Source: Sakoe and Chiba 1978, Dynamic programming algorithm optimization for spoken word recognition, without weights
and slope constraint.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def first_columns(alike: NDArray[np.floating]) -> NDArray[np.intp]:
    """The first column of each row on the path from the first row and column to the last ones that gathers most.

    alike: shape (rows, columns), finite, one of each at least. A step of the path is to the next row, the next column,
    or both. Of paths that gather the same, one that goes along a row is taken.

    >>> first_columns(np.array([[5, 1, -1, -1], [-1, 2, 9, -1], [-1, -1, -1, 3]])).tolist()
    [0, 1, 3]
    """
    n_rows, n_columns = alike.shape
    cost = np.full((n_rows + 1, n_columns + 1), np.inf)  # of the best path to each place; a row and a column before all
    cost[0, 0] = 0
    alone = -alike.astype(np.float64)
    along = alone.cumsum(1)  # from the first column on, in one row
    before = along - alone
    entered = np.empty(n_columns)
    for row in range(n_rows):
        above, here = cost[row], cost[row + 1, 1:]
        np.minimum(above[:-1], above[1:], out=entered)
        entered -= before[row]
        np.minimum.accumulate(entered, out=here)  # the best column to have come into this row, for each place
        here += along[row]

    both, down, right = cost[:-1, :-1], cost[:-1, 1:], cost[1:, :-1]
    came_down = np.minimum(both, down) < right
    diagonal = both <= down
    first = np.zeros(n_rows, np.intp)
    column = n_columns - 1
    for row in range(n_rows - 1, 0, -1):
        column -= int(came_down[row, column::-1].argmax())
        first[row] = column
        column -= bool(diagonal[row, column])
    return first
