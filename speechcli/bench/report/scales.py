"""Where figures lie in a picture: ticks and ends of its axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

_STEPS = (1, 2, 5)


def logarithmic(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """First, last and ticks (1, 2, 5 and their tenfold) of an axis that holds all values (> 0) with air beside them.

    >>> logarithmic([4.0, 41.0])
    (2.0, 50.0, [2.0, 5.0, 10.0, 20.0, 50.0])
    """
    low, high = min(values) / 1.2, max(values) * 1.2
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    grid = [float(f"{step}e{power}") for power in range(first - 1, last + 1) for step in _STEPS]
    start = max(tick for tick in grid if tick <= low)
    end = min(tick for tick in grid if tick >= high)
    inside = [tick for tick in grid if start <= tick <= end]
    return (
        start,
        end,
        inside if len(inside) <= 8 else [t for t in inside if str(t).strip("0.").startswith("1") or t in (start, end)],
    )


def linear(highest: float) -> tuple[float, list[float]]:
    """Last value and ticks of an axis from 0 that holds `highest`.

    >>> linear(0.13)
    (0.15, [0.0, 0.05, 0.1, 0.15])
    """
    if highest <= 0:
        return 1.0, [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(highest))
    step = next(s * power / 10 for s in (1, 2, 5, 10, 20, 50) if highest / (s * power / 10) <= 5)
    count = math.ceil(highest / step - 1e-9)
    return round(count * step, 12), [round(i * step, 12) for i in range(count + 1)]
