"""Ctrl-C and its like: the first one stops politely, the second one at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from speechcli.errors import Interrupted

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


@contextmanager
def polite() -> Iterator[None]:
    """Inside, a signal raises `Interrupted` where the program stands; a second one ends the process."""
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    numbers = [n for n in numbers if signal.getsignal(n) is not signal.SIG_IGN]  # nohup stays nohup

    def stop(number: int, frame: FrameType | None) -> None:
        for again in numbers:
            signal.signal(again, lambda n, _: os._exit(128 + n))
        raise Interrupted("interrupted", number)

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
