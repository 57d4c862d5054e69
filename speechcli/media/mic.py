"""The microphone: which there are, and the sound of one, which may go away and come back."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from speechcli.core.span import Seconds
from speechcli.errors import DiskError, UnavailableError, UsageError
from speechcli.media.capture import Block, said
from speechcli.media.denied import denied
from speechcli.media.device import LIST, Device, Piece
from speechcli.media.patience import Given, within

if TYPE_CHECKING:
    from types import ModuleType

    from speechcli.media.recorder import Recorder

__all__ = ["Device", "Microphone", "Waits", "devices", "open"]

GONE = "the microphone gives nothing any more; waiting for it"
BACK = "the microphone is back"

_HANGS: Seconds = 10.0  # a sound server that takes longer to answer does not
_LETS_GO: Seconds = 2.0  # and one that takes longer to let go
_SKIP: Seconds = 0.25  # without sound, between two pieces, that is not jitter
_BEHIND = 300  # pieces at once: what a server keeps for us while this program is stopped


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds. first: until its first sound; a loudspeaker that slept gives its monitor nothing for 2 s.

    silent: without sound, until it counts as unplugged. again: that it is waited for then. between: two tries.
    """

    first: Seconds = 5.0
    silent: Seconds = 2.0
    again: Seconds = 10.0
    between: Seconds = 0.25


def devices() -> list[Device]:
    """What can be recorded here, in the system's order; none where there is nothing."""
    return [device for device, _ in _found()]


def open(wanted: str | None = None, waits: Waits = Waits()) -> Microphone:  # noqa: A001  # as its neighbours'
    """A microphone, recording from now on at its own rate: the default one, or by id, number (from 0) or name.

    Raises UsageError for one that is not there or more than one, UnavailableError, DeniedError.
    """
    found = _found()
    if not found:
        raise denied() or UnavailableError(
            "there is no microphone here",
            "plug one in, start the sound server, or pipe sound in: … | speechcli stream-mic -",
        )
    there = [device for device, _ in found]
    if wanted is None:
        default = next((device for device in there if device.default), None)
        return Microphone(default, None, waits) if default else Microphone(there[0], there[0].id, waits)
    meant = _meant(wanted, there)
    if not meant:  # ALSA has names of its own, also beside a sound server
        recorder = _door()
        meant = [device for name in recorder.backends() for device, _ in recorder.listed(name, wanted)]
    if len(meant) != 1:
        what = f"{len(meant)} microphones are called" if meant else "there is no microphone"
        rows = "; ".join(f"{n}: {device.name} ({device.id})" for n, device in enumerate(there))
        raise UsageError(f"{what} {wanted!r}", f"--input-device takes a number, a name or an id of {rows}")
    return Microphone(meant[0], meant[0].id, waits)


def _door() -> ModuleType:
    try:
        from speechcli.media import recorder
    except ImportError as error:  # Linux on ARM has no wheel of it
        raise UnavailableError(
            f"the library miniaudio is missing ({error})",
            "pip install miniaudio (it may want a C compiler), or pipe sound in: … | speechcli stream-mic -",
        ) from error
    return recorder


def _found() -> list[tuple[Device, Any]]:
    """Those of the first backend that has any; the same microphone would come again in the next."""
    recorder = _door()

    def ask() -> list[tuple[Device, Any]]:
        return next((found for backend in recorder.backends() if (found := recorder.listed(backend))), [])

    return _answered(ask)


def _answered(call: Callable[[], Given]) -> Given:
    try:
        return within(_HANGS, call)
    except TimeoutError as error:
        raise UnavailableError("the sound server does not answer", "start PipeWire or PulseAudio anew") from error


def _meant(wanted: str, there: Sequence[Device]) -> list[Device]:
    """By the first of these that fits any: id, number, name, a part of the name or id in whatever case."""
    part = wanted.casefold()
    return (
        [device for device in there if device.id == wanted]
        or [device for n, device in enumerate(there) if str(n) == wanted]
        or [device for device in there if device.name == wanted]
        or [device for device in there if part in device.name.casefold() or part in device.id.casefold()]
    )


class Microphone:
    """A `Source` that records until it is closed.

    When nothing comes any more it is opened again: the same one, or whichever is the default where none was named.
    """

    live = True

    def __init__(self, device: Device, wanted: str | None, waits: Waits) -> None:
        """wanted: the id of the device that was asked for; None for the default one."""
        self.name, self.rate, self.channels = device.name, device.rate, device.channels
        self._device, self._wanted, self._waits = device, wanted, waits
        self._pieces: queue.SimpleQueue[Piece | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._lock = threading.Lock()  # around opening and closing
        self._recorder: Recorder | None = None
        self._last: float | None = None  # when there was sound
        if not _answered(self._reopen):
            raise UnavailableError(f"the microphone {device.name} is not there any more", LIST)

    def blocks(self) -> Iterator[Block]:
        """Until it is closed; to be asked once. Raises DiskError when nothing comes any more, and DeniedError."""
        return self._run()

    def close(self) -> None:
        self._closed.set()
        self._pieces.put(None)
        with contextlib.suppress(TimeoutError):  # the server hangs; whenever it goes on, it is let go
            within(_LETS_GO, self._end)

    def _end(self) -> None:
        with self._lock:
            self._release()

    def _run(self) -> Generator[Block, None, None]:
        patience = self._waits.first
        while not self._closed.is_set():
            # twice: a program that was stopped wakes up with its patience at an end and sound about to come
            piece, note = self._next(patience) or self._next(self._waits.between), ""
            patience = self._waits.silent
            if piece is None and not self._closed.is_set():
                yield said(GONE, self.channels)
                piece, note = self._wait(), BACK
            if piece is not None and not self._closed.is_set():
                yield from self._blocks(piece, note)

    def _blocks(self, piece: Piece, note: str) -> Iterator[Block]:
        """One, as a rule; where sound is missing before it, all that came at once, to know by the clock how much."""
        pieces, missing = [piece], 0
        if self._last is not None and piece.arrived - self._last > _SKIP:
            while len(pieces) < _BEHIND and (more := self._next(0.01)) is not None:
                pieces.append(more)
            came = sum(self._frames(piece) + piece.lost for piece in pieces)
            missing = round((pieces[-1].arrived - self._last) * self.rate) - came
        self._last = pieces[-1].arrived
        for piece in pieces:
            frames = np.frombuffer(piece.data, np.float32).reshape(-1, self.channels)
            lost = piece.lost + (missing if missing > _SKIP * self.rate else 0)
            yield Block(np.clip(frames, -1.0, 1.0), piece.arrived, lost, note)
            missing, note = 0, ""

    def _frames(self, piece: Piece) -> int:
        return len(piece.data) // (4 * self.channels)

    def _next(self, patience: Seconds) -> Piece | None:
        """The next piece; None when none comes in so many seconds, or it was closed."""
        try:
            piece = self._pieces.get(timeout=patience)
        except queue.Empty:
            return None
        if piece is not None and self._recorder is not None:
            self._recorder.taken(piece)
        return piece

    def _wait(self) -> Piece | None:
        """The first piece after it was gone; None when it was closed. Raises what `blocks` says."""
        end = time.monotonic() + self._waits.again
        failure: Exception | None = None
        while not self._closed.wait(self._waits.between):
            left = end - time.monotonic()
            try:
                opened = within(max(left, self._waits.silent), self._reopen)
            except (UnavailableError, TimeoutError) as error:
                opened, failure = False, error
            if opened and (piece := self._next(min(self._waits.first, max(left, self._waits.silent)))) is not None:
                return piece
            if time.monotonic() > end and not self._closed.is_set():
                raise DiskError(
                    f"the microphone {self.name} gives nothing any more",
                    "is it plugged in? what was said before is kept",
                ) from failure
        return None

    def _reopen(self) -> bool:
        """Whether it is there, and records (again)."""
        recorder = _door()
        with self._lock:
            self._release()
            found = recorder.listed(self._device.backend, self._wanted)
            if found and not self._closed.is_set():
                place = None if self._wanted is None else found[0][1]
                self._recorder = recorder.Recorder(self._device, place, self._pieces)
            if self._closed.is_set():  # meanwhile, by somebody who did not wait
                self._release()
            return self._recorder is not None

    def _release(self) -> None:
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None
