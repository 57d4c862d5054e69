"""How a voice sounds, as a direction: statistics of mel-frequency cepstra over what it said.

Sources: Davis and Mermelstein 1980 for the cepstra; O'Shaughnessy's formula for the mel scale (HTK). Long-term means
and spreads tell voices of one recording apart, where room and microphone are the same; they are no speaker
recognition across recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

_WINDOW = 0.025  # seconds
_HOP = 0.010
_MELS = 32
_CEPSTRA = 19  # without the zeroth, which is loudness
_LOWEST, _HIGHEST = 60.0, 7600.0  # Hz
_LOUD = 0.1  # frames quieter than this share of the loudest are pauses
_ENOUGH = 30  # frames


def voice(samples: NDArray[np.float32], rate: int, spans: Sequence[tuple[float, float]]) -> tuple[float, ...] | None:
    """Mean and spread of the cepstra over the stretches (seconds) in which one speaker talks, of unit length.

    samples: shape (n,). None when there is too little of it.
    """
    rows = [_cepstra(samples[max(0, int(a * rate)) : int(b * rate)], rate) for a, b in spans]
    frames = np.concatenate([row for row in rows if len(row)] or [np.zeros((0, _CEPSTRA), np.float32)])
    if len(frames) < _ENOUGH:
        return None
    both = np.concatenate([frames.mean(axis=0), frames.std(axis=0)])
    return tuple(round(float(x), 5) for x in both / (np.linalg.norm(both) + 1e-9))


def _cepstra(samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Of the frames that are no pauses, shape (frames, _CEPSTRA)."""
    size, hop = round(_WINDOW * rate), round(_HOP * rate)
    if len(samples) < size:
        return np.zeros((0, _CEPSTRA), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    n_fft = 1 << (size - 1).bit_length()
    power = np.abs(np.fft.rfft(frames * np.hanning(size).astype(np.float32), n_fft)) ** 2
    energy = power.sum(axis=1)
    power = power[energy > _LOUD**2 * energy.max()]
    mel = np.log(power @ _filters(rate, n_fft) + 1e-9)
    return np.asarray(mel @ _cosines(), np.float32)


@cache
def _filters(rate: int, n_fft: int) -> NDArray[np.float64]:
    """Triangles on the mel scale, shape (n_fft / 2 + 1, _MELS)."""
    top = min(_HIGHEST, rate / 2)
    mels = np.linspace(2595 * np.log10(1 + _LOWEST / 700), 2595 * np.log10(1 + top / 700), _MELS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    hertz = np.arange(n_fft // 2 + 1)[:, None] * rate / n_fft
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))


@cache
def _cosines() -> NDArray[np.float64]:
    """The DCT-II without its first row, shape (_MELS, _CEPSTRA)."""
    k = np.arange(1, _CEPSTRA + 1)
    return np.cos(np.pi * (np.arange(_MELS)[:, None] + 0.5) * k / _MELS)
