"""The outline of a recording's sound: how loud each moment is, for drawing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speechcli.core.span import Seconds
from speechcli.errors import MediaError
from speechcli.media.decode import Take, decode
from speechcli.media.probe import Facts

RATE = 4_000  # Hz: the loudest voices are far below the 2 kHz that are left
FINEST = 100  # peaks a second
MOST = 72_000  # peaks: 20 a second for an hour
_BLOCK = 60 * RATE  # samples: a minute, that memory does not grow with the recording


@dataclass(frozen=True, slots=True)
class Outline:
    """The loudest sample, 0..255, of each 1/rate seconds; full scale is 255."""

    values: bytes
    rate: float


def outline(path: Path, facts: Facts, ffmpeg: Path, track: int | None = None, longest: Seconds = 360_000.0) -> Outline:
    """The outline of a track, from its first sample at 0 s; as far as it can be decoded, where it is broken.

    At most `MOST` peaks, at most `FINEST` a second. Silence is 0. facts: from `probe`. track: None for the one the file
    prefers. longest: what comes later is left out. Raises UsageError for a track that is not there.
    """
    values = bytearray()
    with decode(path, facts, ffmpeg, Take(RATE, track, block=_BLOCK, longest=longest)) as blocks, suppress(MediaError):
        for block in blocks:
            values += _peaks(block.samples)
    return _thinned(bytes(values))


def _peaks(samples: np.ndarray[tuple[int], np.dtype[np.float32]]) -> bytes:
    """`FINEST` a second; the last may be of less."""
    width = RATE // FINEST
    loud = np.zeros(-(-len(samples) // width) * width, np.float32)
    np.abs(samples, out=loud[: len(samples)])
    peaks = np.minimum(loud.reshape(-1, width).max(axis=1), 1.0)
    return bytes(np.rint(peaks * 255).astype(np.uint8))


def _thinned(values: bytes) -> Outline:
    """Neighbours put together until there are no more than `MOST`."""
    n = max(1, -(-len(values) // MOST))
    whole = np.zeros(-(-len(values) // n) * n, np.uint8)
    whole[: len(values)] = np.frombuffer(values, np.uint8)
    return Outline(whole.reshape(-1, n).max(axis=1, initial=0).tobytes(), FINEST / n)
