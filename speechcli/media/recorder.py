"""The one door to sound devices: the library miniaudio, which finds the system's own at run time. To be imported late.

Why not its class `Devices`: it gives up the whole list for one device that cannot be asked (ALSA has such), and does
not tell which is the default. A context without a device that could be opened stands for silence without end in
miniaudio (its "null" backend); it is never asked for here.
"""

from __future__ import annotations

import contextlib
import queue
import time
import weakref
from collections.abc import Generator, Iterator
from typing import Any

import miniaudio
from miniaudio import Backend, DeviceType, MiniaudioError, SampleFormat, ffi, lib

from speechcli.core.span import Seconds
from speechcli.errors import DeniedError, SpeechcliError, UnavailableError
from speechcli.media.alsa import hush
from speechcli.media.device import LIST, Device, Piece

# First what most desktops have (PipeWire speaks PulseAudio's protocol), then the kernel's own. Not JACK: its library
# talks on stderr, and who runs it has PipeWire's bridge.
BACKENDS = {
    "pulseaudio": Backend.PULSEAUDIO,
    "alsa": Backend.ALSA,
    "coreaudio": Backend.COREAUDIO,
    "wasapi": Backend.WASAPI,
    "sndio": Backend.SNDIO,
    "audio4": Backend.AUDIO4,
    "oss": Backend.OSS,
}
HELD: Seconds = 10.0  # of sound that nobody has taken yet
_PERIOD = 20  # ms from callback to callback
_PERIODS = 100  # that the sound server keeps while Python does not get round to them
# What ALSA lists and nobody can speak into: zeros, and plugins. Some of these talk on stderr when they are asked.
_PLUGINS = frozenset(("null", "jack", "oss", "lavrate", "samplerate", "speexrate", "speex", "upmix", "vdownmix"))

_DENIED, _BUSY = -6, -19  # MA_ACCESS_DENIED, MA_BUSY


def backends() -> Iterator[str]:
    """Those this build of miniaudio knows, the first choice first."""
    return (name for name, backend in BACKENDS.items() if miniaudio.is_backend_enabled(backend))


def listed(backend: str, only: str | None = None) -> list[tuple[Device, Any]]:
    """What can be recorded through a backend, in its order, each with the `ma_device_id` to open it by.

    Empty where its server does not run or there is no device. only: the id of the one that is wanted.
    """
    with _context(backend) as context:
        infos, count = ffi.new("ma_device_info **"), ffi.new("ma_uint32 *")
        if context is None or lib.ma_context_get_devices(context, ffi.NULL, ffi.NULL, infos, count) != 0:
            return []
        found = []
        for info in infos[0][0 : count[0]]:
            place = ffi.new("ma_device_id *", info.id)  # a copy: the list goes with the context
            asked = ffi.new("ma_device_info *")
            key = _text(place, backend)
            if (key in _PLUGINS and key != only) or only not in (None, key):
                continue
            if lib.ma_context_get_device_info(context, DeviceType.CAPTURE.value, place, asked) != 0:
                continue  # a plugin without the device it wants, or one taken by another program
            forms = asked.nativeDataFormats[0 : asked.nativeDataFormatCount]
            rate, channels = _native([(form.sampleRate, form.channels) for form in forms])
            name = bytes(ffi.string(info.name)).decode("utf-8", "replace").replace("\n", ", ")
            found.append((Device(key, name, bool(info.isDefault), rate, channels, backend), place))
        return found


class Recorder:
    """A device that records into a queue from now on, until it is closed."""

    def __init__(self, device: Device, place: Any, pieces: queue.SimpleQueue[Piece | None]) -> None:
        """place: from `listed`; None for the default device, whichever that is by and by.

        Raises DeniedError, UnavailableError.
        """
        self._pieces = pieces
        self._most = round(HELD * device.rate)
        self._channels = device.channels
        self._put, self._taken = 0, 0  # frames; each is written by one thread only
        backend = BACKENDS[device.backend]
        self._stream = self._receive()
        next(self._stream)
        hush()
        form = SampleFormat.FLOAT32
        try:
            self._device = miniaudio.CaptureDevice(
                form, device.channels, device.rate, _PERIOD, place, _PERIODS, [backend], app_name="speechcli"
            )
            # also when Python ends without that: it would wait for the thread that waits for it
            self._closing = weakref.finalize(self, _let_go, self._device)
            try:
                self._device.start(self._stream)
            except MiniaudioError:
                self.close()
                raise
        except MiniaudioError as error:
            raise _refused(error, device) from error

    def taken(self, piece: Piece) -> None:
        """Makes room in the queue."""
        self._taken += len(piece.data) // (4 * self._channels)

    def close(self) -> None:
        self._closing()

    def _receive(self) -> Generator[None, bytes, None]:
        """Called by the thread of the sound system, which must not be kept waiting."""
        lost = 0
        while True:
            data = yield
            arrived = time.monotonic()
            frames = len(data) // (4 * self._channels)
            if self._put - self._taken + frames > self._most:
                lost += frames
                continue
            self._put += frames
            self._pieces.put(Piece(data, arrived, lost))
            lost = 0


def _let_go(device: miniaudio.CaptureDevice) -> None:
    context = device._context
    device.close()
    lib.ma_context_uninit(context)  # which miniaudio leaves open, with its connection and thread


@contextlib.contextmanager
def _context(backend: str) -> Iterator[Any]:
    """A `ma_context`, or None where the backend has no server or driver here."""
    hush()
    context = ffi.new("ma_context *")
    if lib.ma_context_init(ffi.new("ma_backend[]", [BACKENDS[backend].value]), 1, ffi.NULL, context) != 0:
        yield None
        return
    try:
        yield context
    finally:
        lib.ma_context_uninit(context)


def _text(place: Any, backend: str) -> str:
    """The id as text: the name the system itself has for the device."""
    raw = bytes(ffi.buffer(place))
    if backend == "wasapi":  # wchar_t[64]
        return raw[:128].decode("utf-16-le", "replace").split("\0")[0]
    return raw.split(b"\0")[0].decode("utf-8", "replace")


def _native(forms: list[tuple[int, int]]) -> tuple[int, int]:
    """Rate and channels to open with, of all that a device offers; 0 stands for any, and nothing for unknown.

    A sound server offers one. Hardware offers many: that nearest to 48 kHz, and two channels where it has them.

    >>> _native([(44_100, 2)]), _native([(8_000, 1), (48_000, 1), (48_000, 8), (48_000, 2)]), _native([(96_000, 0)])
    ((44100, 2), (48000, 2), (96000, 1))
    """
    rate = min((rate or 48_000 for rate, _ in forms), key=lambda rate: (abs(rate - 48_000), rate), default=48_000)
    channels = [channels or 1 for hertz, channels in forms if (hertz or 48_000) == rate]
    return rate, min(channels, key=lambda n: (abs(n - 2), n), default=1)


def _refused(error: MiniaudioError, device: Device) -> SpeechcliError:
    code = error.args[1] if len(error.args) > 1 else None
    if code == _DENIED:
        return DeniedError(f"permission denied opening the microphone {device.name}", "may you use sound devices?")
    if code == _BUSY:
        return UnavailableError(f"another program holds the microphone {device.name}", "end that one first")
    return UnavailableError(f"the microphone {device.name} cannot be opened ({error.args[0]}, {code})", LIST)
