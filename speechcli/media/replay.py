"""A file replayed as if somebody spoke it now."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

from speechcli.core.audio import Audio
from speechcli.errors import UsageError
from speechcli.media.capture import Block, said
from speechcli.media.decode import Decoding, Take, decode
from speechcli.media.probe import probe

RATE = 16_000  # Hz
BLOCK = 512  # samples, 32 ms


def open(path: Path, speed: float, ffmpeg: Path) -> Replay:  # noqa: A001  # as its neighbours'
    """The sound of a file, mono at 16 kHz, `speed` times as fast as it was; as fast as taken where that is 0 or inf.

    ffmpeg: from `find`. Raises UsageError for a speed that is none, and what `probe` raises.
    """
    if math.isnan(speed) or speed < 0:
        raise UsageError(f"no such speed: {speed:g}", "--speed 2 replays twice as fast, --speed 0 as fast as possible")
    path = path.absolute()  # so that "." has a name
    return Replay(decode(path, probe(path, ffmpeg), ffmpeg, Take(RATE, block=BLOCK)), path.name, speed or math.inf)


class Replay:
    """A `Source`: each block is due when its last sample would have been spoken, counted from the first block.

    `arrived` is when it was due, also where nobody took it then: what comes next comes at once, until it is on time
    again. A file that is damaged or cut short is said in notes after its last block.
    """

    rate = RATE
    channels = 1

    def __init__(self, decoding: Decoding, name: str, speed: float) -> None:
        self.name = name
        self.live = math.isfinite(speed)
        self._decoding, self._speed = decoding, speed
        self._closed = threading.Event()
        self._busy = threading.Lock()  # held by whoever is inside the decoder

    def blocks(self) -> Iterator[Block]:
        """The file from its start; to be asked once. Raises MediaError when it cannot be decoded."""
        return self._run()

    def _run(self) -> Generator[Block, None, None]:
        start: float | None = None
        try:
            while (audio := self._next()) is not None:
                if start is None:
                    start = time.monotonic()  # not before: the decoder took its time to begin
                due = self._due(start, audio)
                if self._closed.wait(max(0.0, due - time.monotonic())):
                    return
                yield Block(audio.samples.reshape(-1, 1), due)
            report = self._decoding.report()
        finally:
            with self._busy:
                self._decoding.close()
        for note in () if report.complete or self._closed.is_set() else report.notes:
            yield said(note, 1)

    def _next(self) -> Audio | None:
        with self._busy:
            return None if self._closed.is_set() else next(self._decoding, None)

    def _due(self, start: float, audio: Audio) -> float:
        """By the clock; from the start each time, so that nothing adds up."""
        return start + audio.end / self._speed if self.live else time.monotonic()

    def close(self) -> None:
        self._closed.set()
        if self._busy.acquire(blocking=False):  # else it is being read, or closed, and ends with that
            try:
                self._decoding.close()
            finally:
                self._busy.release()
