"""What Whisper's encoder is given: the logarithm of the sound's power in bands of the mel scale, 100 times a second.

Source: Radford et al. 2022 (arXiv:2212.04356), section 2.2. The numbers are those of faster-whisper's
`FeatureExtractor` followed by its padding, in a third of the time: float32 throughout, transformed in parts that stay
in the cache.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechcli.core.audio import Samples

RATE = 16_000  # Hz
_HOP = 160  # samples between frames
_SIZE = 400  # samples of a frame, the sample it stands for in the middle
_BINS = _SIZE // 2 + 1
_AT_ONCE = 100  # frames
_LEAST = 1e-10  # power
_RANGE = 8.0  # powers of ten below the loudest, in which differences are kept

# Slaney's mel scale (Auditory Toolbox, 1998): linear up to 1 kHz, which is 15 mel, then a factor of 6.4 every 27.
_KNEE, _LINEAR, _STEP = 1000.0, 15.0, math.log(6.4) / 27


def features(samples: Samples, n_mels: int, n_frames: int = 3000) -> NDArray[np.float32]:
    """Log-mel features of a window, shape (n_mels, n_frames), from about -1 to 1.

    samples: float32, 16 kHz, shape (n,). There are n // 160 frames; zeros stand for those that miss, what is beyond
    n_frames is left out but counts for the loudest, as does the frame after the last.
    """
    n = len(samples) // _HOP
    power = _power(samples, n + 1)
    log = _filters(n_mels) @ power.T
    np.log10(np.maximum(log, np.float32(_LEAST), out=log), out=log)
    np.maximum(log, log.max() - np.float32(_RANGE), out=log)
    made = np.zeros((n_mels, n_frames), np.float32)
    np.add(log[:, :n_frames][:, :n], np.float32(4), out=made[:, :n])
    made[:, :n] /= np.float32(4)
    return made


def _power(samples: Samples, n: int) -> NDArray[np.float32]:
    """Power of the first n frames, shape (n, 201): zeros follow the sound, its mirror image precedes it."""
    half = _SIZE // 2
    padded = np.zeros(max(len(samples), half + 1) + _SIZE, np.float32)
    padded[half : half + len(samples)] = samples
    padded[:half] = padded[2 * half : half : -1]
    frames = np.lib.stride_tricks.sliding_window_view(padded, _SIZE)[::_HOP]
    power = np.empty((n, _BINS), np.float32)
    windowed = np.empty((_AT_ONCE, _SIZE), np.float32)
    spectrum: Any = np.empty((_AT_ONCE, _BINS), np.complex64)  # numpy's types know rfft of float64 only
    for first in range(0, n, _AT_ONCE):
        part = power[first : first + _AT_ONCE]
        size = len(part)
        np.multiply(frames[first : first + size], _window(), out=windowed[:size])
        squares = np.fft.rfft(windowed[:size], out=spectrum[:size]).view(np.float32)
        squares *= squares
        np.add(squares[:, ::2], squares[:, 1::2], out=part)
    return power


@functools.cache
def _window() -> NDArray[np.float32]:
    return np.hanning(_SIZE + 1)[:-1].astype(np.float32)


@functools.lru_cache(maxsize=4)
def _filters(n_mels: int) -> NDArray[np.float32]:
    """Share of each frequency in each band, shape (n_mels, 201): triangles of the same area, as in Slaney's toolbox."""
    top = _LINEAR + math.log(RATE / 2 / _KNEE) / _STEP
    mels = np.linspace(0.0, top, n_mels + 2)
    edges = np.where(mels < _LINEAR, mels * (_KNEE / _LINEAR), _KNEE * np.exp(_STEP * (mels - _LINEAR)))[:, None]
    hertz = np.linspace(0.0, RATE / 2, _BINS)
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    shares = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))
    return np.asarray(shares, np.float32)
