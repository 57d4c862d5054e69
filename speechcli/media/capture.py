"""Sound that is being made: what every source of it gives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Block:
    """A few milliseconds of sound, as they came.

    frames: float32 (n, channels), in [-1, 1], at the source's rate; n may be 0. arrived: `time.monotonic()` when the
    last of them was there. lost: frames that the source could not deliver right before these (an overrun). note: what
    happened, for people ("the microphone is back"), or nothing.
    """

    frames: NDArray[np.float32]
    arrived: float
    lost: int = 0
    note: str = ""


def said(note: str, channels: int) -> Block:
    """A block without sound, now."""
    return Block(np.zeros((0, channels), np.float32), time.monotonic(), note=note)


class Source(Protocol):
    """Where the sound comes from; opened, at its own rate.

    name: for people. live: whether the sound goes on whether or not somebody takes it; else it waits.
    """

    name: str
    rate: int  # Hz
    channels: int
    live: bool

    def blocks(self) -> Iterator[Block]:
        """Blocks until the source ends. Raises UnavailableError, DiskError, MediaError when it fails."""
        ...

    def close(self) -> None:
        """Lets the device go; may be called at any time, from any thread, and ends `blocks`."""
        ...
