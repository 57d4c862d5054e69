"""What a batch will take, before it begins: for `--dry-run`. Rough on purpose, and said to be so."""

from __future__ import annotations

import math
from dataclasses import dataclass

from speechcli.core.span import Seconds

_SPEED_TINY = 34.0  # seconds of audio a CPU-second, whisper-tiny.en in int8: benchmarks/results, row B1
_RELATIVE = {"tiny": 1.0, "base": 0.6, "small": 0.22, "turbo": 0.09, "medium": 0.075, "large": 0.04, "distil": 0.1}
_BASE_MB, _LANE_MB, _WINDOW_MB = 330, 70, 2  # as measured with the embedded model; weights come on top


@dataclass(frozen=True, slots=True)
class Estimate:
    """windows: passes of the model. memory: MB of host memory. seconds: wall time on this machine."""

    windows: int
    batch: int
    memory: int
    seconds: Seconds


def estimate(
    durations: list[Seconds], longest: Seconds, batch: int, lanes: int, model: str, weights_mb: float
) -> Estimate:
    """For recordings of these durations; speech is taken to fill them."""
    windows = sum(math.ceil(d / (0.85 * longest)) for d in durations if d > 0)
    relative = next((factor for name, factor in _RELATIVE.items() if name in model), _RELATIVE["large"])
    seconds = sum(durations) / (_SPEED_TINY * relative * lanes)
    memory = _BASE_MB + _LANE_MB * lanes + _WINDOW_MB * batch * (lanes + 1) + max(0.0, weights_mb - 75)
    return Estimate(windows, min(batch, windows), round(memory), seconds)
