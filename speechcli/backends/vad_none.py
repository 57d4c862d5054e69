"""A speech detector that takes everything for speech (`--no-vad`), and only tells where it is quietest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speechcli.core.audio import Audio

FLOOR = 0.5  # of the probability: everything is speech, loud or not
FRAME = 0.032  # seconds
_LOUD = 0.1  # root mean square of a frame that counts as fully loud


class Everything:
    """A `SpeechDetector` for sound at `rate` Hz."""

    def __init__(self, rate: int = 16000) -> None:
        self.frame = round(FRAME * rate)
        self.rate = rate

    def fresh(self) -> Everything:
        """Itself: it has no state."""
        return self

    def __call__(self, audio: Audio) -> NDArray[np.float32]:
        """FLOOR to 1 by loudness, shape (frames,), so that cuts fall where it is quiet."""
        n_frames = -(-len(audio.samples) // self.frame)
        padded = np.zeros(n_frames * self.frame, np.float32)
        padded[: len(audio.samples)] = audio.samples
        loudness = np.sqrt(np.mean(padded.reshape(n_frames, self.frame) ** 2, axis=1))
        probabilities: NDArray[np.float32] = (FLOOR + (1 - FLOOR) * np.clip(loudness / _LOUD, 0, 1)).astype(np.float32)
        return probabilities
