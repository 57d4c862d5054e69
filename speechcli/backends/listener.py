"""A `Transcriber` that hears no words: where a detector's speech is all that is wanted of a recording."""

from __future__ import annotations

from collections.abc import Sequence

from speechcli.backends.base import Hints, Traits
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds
from speechcli.core.transcript import Heard, Stage

_BATCH = 16
_WINDOW: Seconds = 30.0


class Listener:
    """Every window is empty to it."""

    def __init__(self, rate: int) -> None:
        self.traits = Traits(rate=rate, longest=_WINDOW, batch=_BATCH)
        self.stage = Stage("listen", "speechcli", "none")

    def transcribe(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        """An empty `Heard` for each audio."""
        return [Heard() for _ in batch]

    def close(self) -> None:
        """There is nothing to free."""
