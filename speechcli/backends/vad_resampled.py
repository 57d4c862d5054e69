"""A speech detector for sound at another rate than its own."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from speechcli.backends.base import SpeechDetector
from speechcli.core.audio import Audio, Samples

_EDGE = 0.05  # seconds of the block before, so that the filter has no edge where blocks meet


class Resampled:
    """A `SpeechDetector` over another: blocks of `rate` Hz, each but the last a whole number of its frames."""

    def __init__(self, detector: SpeechDetector, rate: int) -> None:
        self._detector = detector
        self._given = rate
        self._before: Samples = np.zeros(0, np.float32)
        self.frame = detector.frame
        self.rate = detector.rate

    def fresh(self) -> Resampled:
        """One at the beginning of another recording."""
        return Resampled(self._detector.fresh(), self._given)

    def __call__(self, audio: Audio) -> NDArray[np.float32]:
        """See `SpeechDetector`."""
        n_samples = round(len(audio.samples) * self.rate / self._given)
        with_edge = np.concatenate([self._before, audio.samples])
        self._before = with_edge[-round(_EDGE * self._given) :].copy()
        sound = soxr.resample(with_edge, self._given, self.rate)
        own = np.ascontiguousarray(sound[max(0, len(sound) - n_samples) :], np.float32)
        return self._detector(Audio(own, self.rate))
