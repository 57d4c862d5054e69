"""Sound that is being made to text while it is made: source -> bounded queue -> session -> what is said about it.

One thread takes the sound from its source, saves it and queues it; the other feeds all that waits to the model, however
much it is: what falls behind is heard in larger pieces, which costs the less. Where even that is too slow, what came
last is left out, and said to be.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import soxr
from numpy.typing import NDArray

from speechcli.backends.base import Session
from speechcli.core.audio import Samples
from speechcli.core.live import Event, Missed
from speechcli.core.span import Seconds
from speechcli.media.capture import Block, Source
from speechcli.media.mix import Mixer

MOST: Seconds = 30.0  # of sound that may wait for the model
SLOW = "the model is too slow for this machine"
LOST = "the sound did not come"
_TICK: Seconds = 0.25  # between two looks at a queue that stays empty
_REMEMBERED: Seconds = 600.0  # how long it is known when a sample came


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and how long ago the end of what it tells was said; None where nobody knows any more."""

    event: Event
    latency: Seconds | None


@dataclass(frozen=True, slots=True)
class Status:
    """How it goes. heard: seconds of the stream that the model has taken. behind: seconds that wait for it."""

    heard: Seconds
    behind: Seconds


@dataclass(frozen=True, slots=True)
class Note:
    """What happened to the source, for people."""

    text: str


Said: TypeAlias = Told | Status | Note


class Ear:
    """Frames of a source to mono samples at the model's rate, in order."""

    def __init__(self, given: int, channels: int, rate: int) -> None:
        """given, rate: Hz, of the source and of the model."""
        self._mixer = Mixer(channels)
        self._given, self._rate = given, rate
        self._resampler = self._fresh()

    def hear(self, frames: NDArray[np.float32]) -> Samples:
        """frames: shape (n, channels); gives shape (m,), nearly n * rate / given of them, the rest with the next."""
        mono = self._mixer.mix(frames)
        return np.clip(mono if self._resampler is None else self._resampler.resample_chunk(mono), -1.0, 1.0)

    def rest(self) -> Samples:
        """What the filter still holds; what is heard after that stands by itself."""
        left = np.zeros(0, np.float32)
        if self._resampler is not None:
            left = self._resampler.resample_chunk(left, last=True)
            self._resampler = self._fresh()
        return np.clip(left, -1.0, 1.0)

    def missed(self, n_frames: int) -> int:
        """Samples that so many frames would have given."""
        return round(n_frames * self._rate / self._given)

    def _fresh(self) -> soxr.ResampleStream | None:
        if self._given == self._rate:
            return None
        return soxr.ResampleStream(self._given, self._rate, 1, dtype="float32", quality="HQ")


@dataclass(frozen=True, slots=True)
class _Piece:
    """samples: at the model's rate. arrived: when the last was there. lost: samples missing before them, and why."""

    samples: Samples
    arrived: float
    lost: int = 0
    why: str = ""
    note: str = ""


class _Queue:
    """What waits for the model: at most so many samples. A source that waits is made to wait."""

    def __init__(self, most: int, waits: bool) -> None:
        self._most, self._waits = most, waits
        self._pieces: deque[_Piece] = deque()
        self._change = threading.Condition()
        self._n_samples = 0
        self._left_out = 0
        self._over = False
        self._failure: BaseException | None = None

    def put(self, piece: _Piece) -> None:
        with self._change:
            while self._waits and self._n_samples > self._most // 8 and not self._over:
                self._change.wait()
            if not self._waits and self._n_samples + len(piece.samples) > self._most:
                self._left_out += piece.lost + len(piece.samples)
                piece = _Piece(np.zeros(0, np.float32), piece.arrived, note=piece.note)
                if not piece.note:
                    return
            elif self._left_out:
                lost, self._left_out = self._left_out + piece.lost, 0
                piece = _Piece(piece.samples, piece.arrived, lost, SLOW, piece.note)
            self._n_samples += len(piece.samples)
            self._pieces.append(piece)
            self._change.notify_all()

    def end(self, failure: BaseException | None = None) -> None:
        """Nothing more comes."""
        with self._change:
            if self._left_out:
                self._pieces.append(_Piece(np.zeros(0, np.float32), time.monotonic(), self._left_out, SLOW))
                self._left_out = 0
            self._over, self._failure = True, self._failure or failure
            self._change.notify_all()

    def take(self, patience: Seconds) -> list[_Piece] | None:
        """All that waits, nothing after so many seconds; None when nothing more comes."""
        with self._change:
            if not self._pieces and not self._over:
                self._change.wait(patience)
            pieces = list(self._pieces)
            self._pieces.clear()
            self._n_samples = 0
            self._change.notify_all()
            return None if not pieces and self._over else pieces

    @property
    def waiting(self) -> int:
        """Samples."""
        return self._n_samples + self._left_out

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


class Live:
    """One source that a session listens to. To be run once, by one thread; `stop` may come from any."""

    def __init__(
        self,
        source: Source,
        session: Session,
        rate: int,
        save: Callable[[Block], str] | None = None,
        most: Seconds = MOST,
    ) -> None:
        """rate: Hz of the session. save: is given each block before the model is, and says what there is to say."""
        self._source, self._session, self._rate, self._save = source, session, rate, save
        self._queue = _Queue(round(most * rate), not source.live)
        self._ear = Ear(source.rate, source.channels, rate)
        self._fed = 0  # samples, with those that were lost
        self._came: deque[tuple[int, float]] = deque()  # (samples of the stream, when the last of them came)

    @property
    def duration(self) -> Seconds:
        """Of the stream, as far as it was heard."""
        return self._fed / self._rate

    def stop(self) -> None:
        """Ends the source; what it gave is still heard, and its last words told."""
        self._source.close()

    def run(self) -> Iterator[Said]:
        """All that is said, to the last word. Then raises what ended the source, if it failed."""
        reader = threading.Thread(target=self._read, name="speechcli-source", daemon=True)
        reader.start()
        try:
            while (pieces := self._queue.take(_TICK)) is not None:
                yield from self._hear(pieces)
                yield Status(self.duration, self._queue.waiting / self._rate)
            yield from map(self._told, self._session.finish())
        finally:
            self._source.close()
            self._queue.end()
            reader.join(timeout=5.0)
        self._queue.raise_failure()

    def _read(self) -> None:
        try:
            for block in self._source.blocks():
                note = " ".join(filter(None, (block.note, self._save(block) if self._save else "")))
                rest = self._ear.rest() if block.lost else np.zeros(0, np.float32)
                if len(rest):
                    self._queue.put(_Piece(rest, block.arrived))
                samples = self._ear.hear(block.frames)
                lost = self._ear.missed(block.lost)
                if len(samples) or lost or note:
                    self._queue.put(_Piece(samples, block.arrived, lost, LOST, note))
            self._queue.put(_Piece(self._ear.rest(), time.monotonic()))
        except BaseException as error:  # told in the other thread, when all that came before it was heard
            self._queue.end(error)
        else:
            self._queue.end()

    def _hear(self, pieces: list[_Piece]) -> Iterator[Said]:
        run: list[Samples] = []
        ahead = self._fed
        for piece in pieces:
            if piece.note:
                yield Note(piece.note)
            if piece.lost:
                yield from self._feed(run)
                run = []
                yield from map(self._told, self._session.skip(piece.lost))
                start = self.duration
                self._fed += piece.lost
                yield Told(Missed(start, self.duration, piece.why), None)
                ahead = self._fed
            run.append(piece.samples)
            ahead += len(piece.samples)
            self._came.append((ahead, piece.arrived))
        yield from self._feed(run)

    def _feed(self, run: list[Samples]) -> Iterator[Told]:
        samples = np.concatenate(run) if run else np.zeros(0, np.float32)
        if not len(samples):
            return
        self._fed += len(samples)
        while len(self._came) > 1 and self._came[0][0] < self._fed - _REMEMBERED * self._rate:
            self._came.popleft()
        yield from map(self._told, self._session.feed(samples))

    def _told(self, event: Event) -> Told:
        return Told(event, self._latency(event.end))

    def _latency(self, moment: Seconds) -> Seconds | None:
        """Since the sound of that moment came."""
        at, when = min(moment * self._rate, self._fed), None
        for n_samples, arrived in reversed(self._came):
            if n_samples < at:
                break
            when = arrived
        return None if when is None else max(0.0, time.monotonic() - when)
