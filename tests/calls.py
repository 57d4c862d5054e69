"""Telephone calls made of clips: a speaker on each channel, who is heard in the other one too where the line leaks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from spoken import RATE, clip

from speechcli.core.span import Span

# who says what when; the third clip of the second speaker is said into a sentence of the first
CALL = (
    (0, "1688-142285-0000", 1.0),
    (1, "3080-5032-0000", 17.0),
    (0, "1089-134686-0001", 22.5),
    (1, "2414-128291-0002", 26.5),
    (0, "1089-134686-0000", 46.0),
    (1, "367-130732-0001", 51.0),
    (0, "1089-134691-0000", 57.5),
)
LENGTH = 62.0
FLOOR = 3e-4  # of the lines' own noise: -70 dBFS


def lines(row: Sequence[tuple[int, str, float]] = CALL, length: float = LENGTH, loud: float = 1.0) -> np.ndarray:
    """What each says, shape (2, n), float32. loud: the second speaker's level."""
    made = np.zeros((2, round(length * RATE)), np.float32)
    for channel, name, at in row:
        samples = clip(name).samples * (loud if channel else 1.0)
        made[channel, round(at * RATE) : round(at * RATE) + len(samples)] += samples
    return made


def call(spoken: np.ndarray, leak: float | None = -15.0, late: float = 0.0, room: bool = False) -> np.ndarray:
    """What is recorded, shape (2, n). leak: dB; late: seconds that it comes later. room: it echoes there."""
    random = np.random.default_rng(7)
    recorded = spoken + random.normal(0, FLOOR, spoken.shape)
    if leak is not None:
        first = round(late * RATE)
        path = np.zeros(first + (4000 if room else 1))
        path[first] = 1.0
        if room:
            path[first:] += 0.08 * random.normal(0, 1, 4000) * np.exp(-np.arange(4000) / 800)
        path *= 10 ** (leak / 20) / np.sqrt(np.sum(path**2))
        size = spoken.shape[1] + len(path)
        heard = np.fft.irfft(np.fft.rfft(spoken, size) * np.fft.rfft(path, size), size)[:, : spoken.shape[1]]
        recorded += heard[::-1]
    return np.clip(recorded, -1.0, 1.0).astype(np.float32)


def loud(samples: np.ndarray, seconds: float = 0.1) -> np.ndarray:
    """Where somebody talks: whether each tenth of a second is louder than -45 dBFS."""
    size = round(seconds * RATE)
    pieces = samples[: len(samples) // size * size].reshape(-1, size)
    return np.sqrt(np.mean(pieces**2, axis=1)) > 0.0056


def near(found: Sequence[Span], wanted: Sequence[Span], within: float) -> list[str]:
    """Where the two rows of turns begin or end more than `within` seconds apart, for people; nothing when they agree.

    Compared are moments: one of them may take for two turns what the other takes for one with a pause.
    """

    def inside(row: Sequence[Span], moment: float, by: float) -> bool:
        return any(span.start - by <= moment <= span.end + by for span in row)

    out = []
    for row, other, name in ((found, wanted, "too much"), (wanted, found, "missing")):
        for span in row:
            moments = np.arange(span.start, span.end, 0.01)
            stray = [m for m in moments if not inside(other, float(m), within)]
            if stray:
                out.append(f"{name}: {stray[0]:.2f} to {stray[-1]:.2f} s")
    return out
