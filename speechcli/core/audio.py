"""Sound that knows where in its recording it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from speechcli.core.span import Seconds, Span, to_samples

Samples: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Mono sound.

    samples: float32 (n,), in [-1, 1]. rate: Hz. first: index of samples[0] in the recording.
    """

    samples: Samples
    rate: int
    first: int = 0

    def __post_init__(self) -> None:
        if self.samples.dtype != np.float32 or self.samples.ndim != 1:
            raise ValueError(f"audio is mono float32, not {self.samples.dtype} {self.samples.shape}")

    @property
    def start(self) -> Seconds:
        return self.first / self.rate

    @property
    def duration(self) -> Seconds:
        return len(self.samples) / self.rate

    @property
    def end(self) -> Seconds:
        return (self.first + len(self.samples)) / self.rate

    def cut(self, span: Span) -> Audio:
        """The part inside `span` (recording time), as a view; empty where they do not meet."""
        start = min(max(to_samples(span.start, self.rate) - self.first, 0), len(self.samples))
        stop = min(max(to_samples(span.end, self.rate) - self.first, start), len(self.samples))
        return Audio(self.samples[start:stop], self.rate, self.first + start)
