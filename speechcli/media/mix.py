"""Many channels to one, and every sample checked: what comes out is finite and lies in [-1, 1].

ffmpeg's own down-mix makes silence of two channels in opposite phase and a whisper of one microphone among six;
one NaN turns half a minute of a model's text into nonsense (FAULTS B3-B5). Decisions are taken per piece of sound
and hold until a later piece asks for another, so that a recording of any length streams through.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speechcli.core.audio import Samples
from speechcli.errors import MediaError

HEARD = 1e-8  # mean square (-80 dBFS) from which on a channel counts: below is dither and codec noise
LOUD = 1e-6  # mean square (-60 dBFS) from which on cancelling is worth a look
CANCELLED = 0.04  # energy of the sum over the loudest channel's: -20 dB for the mean of two channels
OVERSHOOT = 1.25  # resampling and lossy codecs exceed 1 a little; that is cut off, as any player does
HOT = 0.1  # share of samples of a piece above full scale from which on it is turned down, and not cut off
RARE = 0.001  # share of samples that may be no numbers, and that is left out when a level is measured


class Mixer:
    """Turns pieces of sound into mono, in order; `notes` says what was done to them."""

    def __init__(self, channels: int, only: int | None = None) -> None:
        """only: take this channel (from 0) instead of a mix."""
        self.gain = 1.0  # only ever falls
        self._channels = channels
        self._only = only
        self._heard = np.zeros(channels, dtype=bool)  # only ever grows
        self._signs = np.ones(channels, dtype=np.float32)
        self._turned: list[int] = []
        self._loudest = 1.0
        self._broken = 0
        self._seen = 0

    def mix(self, frames: NDArray[np.float32]) -> Samples:
        """frames: shape (n, channels), any values; gives shape (n,), a new array, finite, in [-1, 1]."""
        if self._only is not None:
            frames = frames[:, self._only : self._only + 1]
        self._seen += frames.size
        if frames.size == 0:
            return np.zeros(0, dtype=np.float32)
        frames, peak = self._mended(frames)
        if peak * self.gain > 1.0:
            frames = self._tamed(frames, peak)
        elif self.gain != 1.0:
            frames = frames * np.float32(self.gain)
        return frames[:, 0].copy() if frames.shape[1] == 1 else self._mean(frames)

    def _mended(self, frames: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        """What is not a number becomes 0; and the largest magnitude."""
        peak = float(max(frames.max(), -frames.min()))  # NaN and infinity show in these two
        if not np.isfinite(peak):
            good = np.isfinite(frames)
            self._broken += int(good.size - np.count_nonzero(good))
            frames = np.where(good, frames, np.float32(0))
            peak = float(np.abs(frames).max())
        return frames, peak

    def _tamed(self, frames: NDArray[np.float32], peak: float) -> NDArray[np.float32]:
        """At most full scale: spikes are cut off, sound that is too loud as a whole is turned down for good.

        A broken mp3 frame in the middle may be thirty times too loud; what follows it must not suffer.
        """
        if peak * self.gain > OVERSHOOT:
            size = np.abs(frames)
            if np.count_nonzero(size > 1.0 / self.gain) > HOT * size.size:
                level = float(np.quantile(size, 1.0 - RARE))
                self.gain = min(self.gain, 1.0 / level)
                self._loudest = max(self._loudest, level)
        tamed: NDArray[np.float32] = np.clip(frames * np.float32(self.gain), -1.0, 1.0)
        return tamed

    def _mean(self, frames: NDArray[np.float32]) -> Samples:
        """The sum of the channels over the number of those heard so far, with none cancelling another.

        Channels that cancel are added with the opposite sign, as with both kept nobody who speaks on only one of
        them is lost. The new sum is as loud as the loudest channel at least: its product with that channel is the
        sum of magnitudes of all products, the channel's own among them.
        """
        rows = np.ascontiguousarray(frames.T)  # each channel's samples side by side: mixed in half the time
        energy = np.einsum("ij,ij->i", rows, rows) / len(frames)
        self._heard |= energy > HEARD
        mixed = self._sum(rows)
        loudest = int(energy.argmax())
        if energy[loudest] > LOUD and float(np.einsum("i,i", mixed, mixed)) < CANCELLED * energy[loudest] * len(frames):
            products = np.einsum("ij,j->i", rows, rows[loudest])
            self._signs = np.where(products < 0, np.float32(-1), np.float32(1))
            self._turned = self._turned or np.flatnonzero(products < 0).tolist()
            mixed = self._sum(rows)
        mixed /= max(1, int(np.count_nonzero(self._heard)))
        return np.clip(mixed, -1.0, 1.0, out=mixed)  # channels that do not count are in the sum

    def _sum(self, rows: NDArray[np.float32]) -> Samples:
        total: Samples = rows[0] * self._signs[0]
        for row, sign in zip(rows[1:], self._signs[1:], strict=True):
            (np.add if sign > 0 else np.subtract)(total, row, out=total)
        return total

    def refuse(self, name: str, expected: int = 0) -> None:
        """Raises MediaError when more than 0.1 % of the samples are no numbers.

        expected: samples still to come included; while that is more than were seen, the rest may yet be good.
        """
        if self._broken > RARE * max(self._seen, expected):
            share = 100 * self._broken / self._seen
            raise MediaError(
                f"{name}: {share:.2g} % of the samples are not numbers (NaN or infinite)", "write it again"
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done that a person should know, one sentence each."""
        said = []
        if self._broken:
            said.append(f"{self._broken} samples that are not numbers (NaN or infinite) were replaced by silence")
        if self._loudest > 2.0:
            said.append(f"samples {self._loudest:.3g} times above full scale: turned down")
        if self._turned:
            which = "channel " if len(self._turned) == 1 else "channels "
            said.append(f"channels cancel each other: {which}{', '.join(map(str, self._turned))} turned round")
        return tuple(said)


def floats(samples: NDArray[np.generic]) -> NDArray[np.float32]:
    """float32, integers brought from the range of their type to [-1, 1). Raises MediaError for what is no sound."""
    if np.issubdtype(samples.dtype, np.floating):
        return np.asarray(samples, np.float32)
    if not np.issubdtype(samples.dtype, np.integer) or samples.dtype.itemsize > 4:  # nobody fills 64 bits
        raise MediaError(f"samples of type {samples.dtype} are no sound", "give floats in [-1, 1] or int16")
    range_ = np.iinfo(samples.dtype.name)
    half = (range_.max - range_.min + 1) // 2
    return np.asarray((samples.astype(np.float64) - (range_.min + half)) / half, np.float32)
