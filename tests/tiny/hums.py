"""Voices without words, which small diarizers learn in a minute: hums of several pitches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
PITCHES = (110.0, 270.0, 430.0)  # Hz


def hum(pitch: float, seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Ten harmonics that swell, shape (n,)."""
    random = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    parts = [np.sin(2 * np.pi * pitch * k * t + random.uniform(0, 6)) / k for k in range(1, 11)]
    swell = 0.75 + 0.25 * np.sin(2 * np.pi * 4 * t + random.uniform(0, 6))
    return (0.1 * swell * sum(parts)).astype(np.float32)


def quiet(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """A room in which nobody hums, shape (n,)."""
    return np.random.default_rng(seed).normal(0, 3e-4, round(seconds * RATE)).astype(np.float32)


def scene(seconds: float, *parts: tuple[float, float, float]) -> NDArray[np.float32]:
    """A recording of hums, each (start, end, pitch), which may overlap; shape (n,)."""
    sound = quiet(seconds)
    for seed, (start, end, pitch) in enumerate(parts):
        first = round(start * RATE)
        sound[first : round(end * RATE)] += hum(pitch, end - start, seed)[: round(end * RATE) - first]
    return sound
