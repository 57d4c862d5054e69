"""Batches that are too large for a device are halved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from speechcli.backends.base import Learning, OutOfMemoryError
from speechcli.core.audio import Audio

_Told = TypeVar("_Told")
_Answer = TypeVar("_Answer")


def shrinking(
    engine: object,
    work: Callable[[Sequence[Audio], Sequence[_Told]], list[_Answer]],
    batch: Sequence[Audio],
    told: Sequence[_Told],
) -> list[_Answer]:
    """What `work` gives for a batch; one too large for the device is halved, and `engine` learns of it."""
    try:
        return work(batch, told)
    except OutOfMemoryError:
        if len(batch) == 1:
            raise
    # outside the except block: its traceback would hold on to the memory
    if isinstance(engine, Learning):
        engine.too_much(len(batch) * max(audio.duration for audio in batch))
    half = len(batch) // 2
    first, second = (batch[:half], told[:half]), (batch[half:], told[half:])
    return [*shrinking(engine, work, *first), *shrinking(engine, work, *second)]
