"""Channels with a speaker each: what of one channel's sound leaked into the others is silenced there.

On telephone lines and between microphones each speaker is heard, fainter and perhaps later, in the other channels too.
How a channel's sound gets into another is estimated by least squares, a filter per pair of channels: the cross spectrum
over the power spectrum (Wiener's filter by Welch's averages; J. S. Bendat, A. G. Piersol, "Random Data", chapter 6),
after the delay that the cross correlation shows (C. H. Knapp, G. C. Carter, "The generalized correlation method for
estimation of time delay", 1976). Where most of a channel's energy is what that filter makes of a louder channel, it is
that one's sound. Somebody's own voice is not explained by the other's, so double talk stays, however unlike in level.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

EXPLAINED = 0.4  # share of a frame's energy from which on it is another channel's sound
FAINTER = 0.5  # energy of a leak over that of what leaked, at most: -3 dB
LATEST = 0.4  # seconds: an echo by way of the other end of a line
EARLIEST = 0.05  # seconds: channels may be recorded with unlike delays
AUDIBLE = 1e-7  # mean square (-70 dBFS) below which a frame is nobody's
HARDLY = 0.15  # and in a short pause between such frames
ISLAND = 4  # frames, 64 ms apart: fewer between two leaks is leak too, where the other is louder
ENOUGH = 24  # frames, 1.5 s, of talk that show a delay
MEMORY = 0.7  # of the filters, from block to block: paths change slowly

Samples: TypeAlias = NDArray[np.float32]
Spectra: TypeAlias = NDArray[np.complex64]
_Number = TypeVar("_Number", np.float64, np.complex128)


class Crosstalk:
    """Silences leaks in the channels of one recording, block by block."""

    def __init__(self, channels: int, rate: int) -> None:
        self._frame = 1 << round(np.log2(0.128 * rate))  # samples
        self._floor = AUDIBLE * self._frame**2 * 0.1875  # of half a spectrum under a Hann window, by Parseval
        self._late, self._early = round(LATEST * rate), round(EARLIEST * rate)
        self._before = np.zeros((channels, self._late + self._frame), np.float32)
        self._paths: dict[tuple[int, int], _Path] = {}

    def __call__(self, block: Sequence[Samples]) -> list[Samples]:
        """The channels without what leaked. block: shape (n,) each; what is given back are the same arrays or new ones.

        Blocks follow one another; what the filters learn, they keep.
        """
        n = len(block[0])
        heard = np.concatenate([self._before, np.stack(block)], axis=1)  # shape (channels, before + n)
        self._before = heard[:, -self._before.shape[1] :].copy()
        spectra = [self._spectra(one, 0, n) for one in heard]
        energy = np.array([_energy(s) for s in spectra])  # shape (channels, frames)
        out = list(block)
        for b in range(len(out)):
            leaked = np.zeros(energy.shape[1], bool)
            for a in range(len(out)):
                if a != b and np.any((energy[a] > energy[b] * (FAINTER if a < b else 1.0)) & (energy[b] > self._floor)):
                    leaked |= self._leaked(a, b, heard, spectra[b], energy, n) & (energy[b] > self._floor)
            if leaked.any():
                out[b] = block[b] * self._gain(leaked, n)
        return out

    def _leaked(
        self, a: int, b: int, heard: NDArray[np.float32], target: Spectra, energy: NDArray[np.float64], n: int
    ) -> NDArray[np.bool_]:
        """Which frames of channel b are channel a's sound, shape (frames,)."""
        least = FAINTER if a < b else 1.0 / FAINTER  # the same sound, as loud in both, is the first one's
        louder = (_smooth(energy[a]) > least * _smooth(energy[b])) & (energy[a] > self._floor)
        lag = self._lag(heard[a, -n:] * (1.0 - self._gain(louder, n)), heard[b, -n:])
        path = self._paths.get((a, b))
        moved = path is None or abs(path.lag - lag) > self._frame // 128
        if path is None or (moved and np.count_nonzero(louder) >= ENOUGH):
            path = self._paths[a, b] = _Path(lag, target.shape[1])
        source = self._spectra(heard[a], path.lag, n)
        own = _smooth(energy[b])
        louder = _smooth(_energy(source)) > least * own
        rest = _smooth(_energy(target - path.made(source, target, louder / (own + self._floor))))
        return _closed((rest < (1.0 - EXPLAINED) * own) & louder, (rest < (1.0 - HARDLY) * own) & louder)

    def _lag(self, source: Samples, target: Samples) -> int:
        """Samples that the target comes after the source, where the two are most alike."""
        size = 1 << int(np.ceil(np.log2(len(source) + self._late)))
        cross = np.fft.rfft(target, size) * np.conj(np.fft.rfft(source, size))
        size_of = np.abs(cross)
        cross /= np.maximum(size_of, 1e-3 * float(size_of.max()) + 1e-12) ** 0.8
        alike = np.abs(np.fft.irfft(cross, size))
        row = np.concatenate([alike[size - self._early :], alike[: self._late]])
        return int(row.argmax()) - self._early

    def _spectra(self, heard: Samples, lag: int, n: int) -> Spectra:
        """Of half overlapping frames around every hop of the last `n` samples, `lag` samples earlier."""
        hop = self._frame // 2
        begin = len(heard) - n - hop - lag
        wanted = (-(-n // hop) + 1) * hop + hop  # samples
        there = heard[begin : begin + wanted]
        padded = np.zeros(wanted, np.float32)
        padded[: len(there)] = there
        frames = np.lib.stride_tricks.sliding_window_view(padded, self._frame)[::hop]
        window = np.hanning(self._frame + 1)[:-1].astype(np.float32)
        return np.fft.rfft(frames * window, axis=1).astype(np.complex64)

    def _gain(self, leaked: NDArray[np.bool_], n: int) -> Samples:
        """0 around the middle of each frame that is leaked, shape (n,), with slopes to 1."""
        hop = self._frame // 2
        gain: Samples = np.interp(np.arange(n), np.arange(len(leaked)) * hop, np.where(leaked, 0.0, 1.0)).astype(
            np.float32
        )
        return gain


class _Path:
    """How the sound of one channel gets into another: by how much later, and through which filter."""

    def __init__(self, lag: int, bins: int) -> None:
        self.lag = lag
        self._cross = np.zeros(bins, np.complex128)
        self._power = np.zeros(bins)

    def made(self, source: Spectra, target: Spectra, weights: NDArray[np.float64]) -> Spectra:
        """What the filter makes of the source; it learns from these frames, by their weights, shape (frames,).

        The less there is in the target, the more a frame says: what is not leaked is noise to the filter, and weighted
        least squares go by one over its variance.

        From a frame and its neighbours nothing is learnt for themselves: they would explain any sound a little, and a
        short one all of it.
        """
        cross = weights[:, None] * target * np.conj(source)
        power = weights[:, None] * np.abs(source) ** 2
        self._cross = MEMORY * self._cross + cross.sum(axis=0)
        self._power = MEMORY * self._power + power.sum(axis=0)
        least = 1e-6 * float(self._power.max()) + 1e-12
        learnt = (self._cross - _smooth(cross)) / (np.maximum(self._power - _smooth(power), 0.0) + least)
        made: Spectra = (source * learnt).astype(np.complex64)
        return made


def _energy(spectra: Spectra) -> NDArray[np.float64]:
    """Of each frame, shape (frames,)."""
    energy: NDArray[np.float64] = np.sum(np.abs(spectra) ** 2, axis=1, dtype=np.float64)
    return energy


def _smooth(rows: NDArray[_Number]) -> NDArray[_Number]:
    """Over three frames, the first axis."""
    out = rows.copy()
    out[1:] += rows[:-1]
    out[:-1] += rows[1:]
    return out


def _closed(leaked: NDArray[np.bool_], likely: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """With short islands between leaks where another is likely: echo in a room."""
    out = leaked.copy()
    places = np.flatnonzero(leaked)
    for before, after in itertools.pairwise(places.tolist()):
        if 1 < after - before <= ISLAND + 1 and likely[before:after].all():
            out[before:after] = True
    return out
