"""Ctrl-C and its like: the first one stops politely, the second one at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from speechcli.errors import Interrupted

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


@contextmanager
def polite() -> Iterator[None]:
    """Inside, a signal raises `Interrupted` where the program stands; a second one ends the process."""

    def stop(number: int, frame: FrameType | None) -> None:
        for again in _heeded():
            signal.signal(again, lambda n, _: os._exit(128 + n))
        raise Interrupted("interrupted", number)

    with handled(stop):
        yield


@contextmanager
def handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Inside, these signals are the handler's, but for those that the program was started without."""
    before = {number: signal.signal(number, handler) for number in _heeded()}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _heeded() -> list[int]:
    """Their numbers; nohup stays nohup."""
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
