"""Sound on a pipe: a WAV file as it is being written, or bare samples.

WAVE as Microsoft and IBM specified it (1991), WAVE_FORMAT_EXTENSIBLE (Microsoft, 2007), RF64 (EBU Tech 3306).
Programs that write into a pipe cannot come back to fill in the sizes: 0, and what is nearly 2 or 4 GiB (arecord, sox,
ffmpeg), stand for "until the end of input".
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from speechcli.core.audio import Samples
from speechcli.errors import MediaError, UsageError, from_os
from speechcli.media.capture import Block, said
from speechcli.media.probe import HIGHEST_RATE, LOWEST_RATE, MOST_CHANNELS

RATE = 16_000  # Hz, of bare samples
KIND = "s16le"
NAME = "standard input"

_TENTH = 10  # of a second: blocks are not longer, so that what is written live is heard soon
_ENDLESS = 0x7FFF0000  # bytes; from here on a size is no size
_LONGEST_CHUNK = 64 << 20  # bytes of a chunk before the sound; cover pictures are smaller
_LOUDEST = 64.0  # floats beyond +36 dBFS are no sound
_ENCODED = {  # at a place in the first bytes
    (0, b"ID3"): "MP3",
    (0, b"fLaC"): "FLAC",
    (0, b"OggS"): "Ogg",
    (4, b"ftyp"): "MP4",
    (0, b"\x1aE\xdf\xa3"): "Matroska or WebM",
    (0, b"FORM"): "AIFF",
    (0, b"caff"): "CAF",
    (0, b"#!AMR"): "AMR",
}

Read: TypeAlias = Callable[[int], bytes]  # at most so many bytes, as soon as there are some; none at the end


@dataclass(frozen=True, slots=True)
class Layout:
    """How samples lie in bytes. kind: s16le, s24le, s32le, f32le."""

    rate: int
    kind: str
    channels: int

    @property
    def frame(self) -> int:
        """Bytes of one."""
        return int(self.kind[1:3]) // 8 * self.channels


def open(  # noqa: A001  # as its neighbours'
    stream: BinaryIO, rate: int | None = None, kind: str | None = None, channels: int | None = None
) -> Pipe:
    """What a pipe brings. A WAV header says itself what follows; else these do, or 16000 Hz, s16le, one channel.

    stream: nothing may have been read from it; it stays open. Waits for the first bytes. Raises UsageError, also for
    what is plainly a file of another kind where nothing was said about samples, and MediaError.
    """
    source = _Bytes(stream)
    start = source.exactly(12)
    if start[:4] in (b"RIFF", b"RF64") and start[8:] == b"WAVE":
        layout, size = _header(source)
        return Pipe(source, layout, size)
    if (rate, kind, channels) == (None, None, None):
        start += _refuse(start, source)
    layout = _checked(
        Layout(RATE if rate is None else rate, kind or KIND, 1 if channels is None else channels), UsageError
    )
    if layout.kind not in ("s16le", "f32le"):
        raise UsageError(f"no such sample format: {layout.kind}", "--input-format takes s16le or f32le")
    source.give_back(start)
    return Pipe(source, layout, None)


class Pipe:
    """A `Source` that waits for whoever takes its blocks; each is at most a tenth of a second, and comes at once."""

    name = NAME
    live = False

    def __init__(self, source: _Bytes, layout: Layout, size: int | None) -> None:
        """size: bytes of sound announced, where they were."""
        self.rate, self.channels = layout.rate, layout.channels
        self._source, self._layout, self._size = source, layout, size

    def blocks(self) -> Iterator[Block]:
        """Until the end of input; to be asked once. Raises MediaError for what are no samples, and DiskError."""
        frame = self._layout.frame
        most = max(1, self.rate // _TENTH) * frame
        left = self._size
        rest = b""
        while left is None or left > 0:
            got = self._source.some(most - len(rest) if left is None else min(most - len(rest), left))
            arrived = time.monotonic()
            if not got:
                break
            left = None if left is None else left - len(got)
            rest += got
            whole = len(rest) // frame * frame
            if whole:
                yield Block(_samples(rest[:whole], self._layout), arrived)
                rest = rest[whole:]
        if self._source.closed:
            return
        if left:
            yield said(f"{NAME} ended {left / frame / self.rate:.1f} s before the end it had announced", self.channels)
        if rest:
            yield said(f"{NAME} ended inside a sample, which is left out", self.channels)

    def close(self) -> None:
        self._source.close()


class _Bytes:
    """Bytes of a stream as they come, in a way that another thread can end.

    Read from the file below it where there is one, for a `BufferedReader` cannot be asked whether it would wait.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._before = b""
        self._closed = threading.Event()
        self._file: int | None = None
        with contextlib.suppress(io.UnsupportedOperation, AttributeError):  # BytesIO
            self._file = stream.fileno() if os.name == "posix" else None  # Windows waits for sockets only

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def some(self, most: int) -> bytes:
        """At least one byte; none at the end."""
        if self._before:
            got, self._before = self._before[:most], self._before[most:]
            return got
        try:
            while self._file is not None and not self.closed:
                if select.select([self._file], [], [], 0.2)[0]:
                    return os.read(self._file, most)
            if self.closed:
                return b""
            return getattr(self._stream, "read1", self._stream.read)(most) or b""
        except OSError as error:
            raise from_os(error, f"reading {NAME}") from error

    def exactly(self, n: int) -> bytes:
        """So many bytes, or those that are left."""
        got = b""
        while len(got) < n and (piece := self.some(n - len(got))):
            got += piece
        return got

    def skip(self, n: int) -> None:
        while n > 0 and (piece := self.some(min(n, 1 << 16))):
            n -= len(piece)

    def give_back(self, data: bytes) -> None:
        self._before = data + self._before

    def close(self) -> None:
        self._closed.set()


def _header(source: _Bytes) -> tuple[Layout, int | None]:
    """What a WAV header says, read up to its first sample: layout, and bytes of sound where it knows."""
    layout: Layout | None = None
    long: int | None = None  # bytes of sound, of RF64
    while len(chunk := source.exactly(8)) == 8:
        name, size = chunk[:4], int.from_bytes(chunk[4:], "little")
        if name == b"data":
            if layout is None:
                raise MediaError(f"the WAV header on {NAME} does not say what its samples are", "is it damaged?")
            if size == 0xFFFFFFFF and long:
                return layout, long
            return layout, size if 0 < size < _ENDLESS else None
        if size > _LONGEST_CHUNK:
            break
        if name in (b"fmt ", b"ds64"):
            body = source.exactly(size)
            if name == b"fmt ":
                layout = _layout(body)
            elif len(body) >= 16:
                long = int.from_bytes(body[8:16], "little")
            size = 0 if size % 2 == 0 else 1
        else:
            size += size % 2
        source.skip(size)
    raise MediaError(f"the WAV on {NAME} ends before its sound begins", "is it damaged?")


def _layout(body: bytes) -> Layout:
    """Of a `fmt ` chunk. Raises MediaError for samples that are neither plain nor float."""
    if len(body) < 16:
        raise MediaError(f"the WAV header on {NAME} is too short", "is it damaged?")
    tag, channels, rate, _, frame, bits = struct.unpack("<HHIIHH", body[:16])
    if tag == 0xFFFE and len(body) >= 26:  # WAVE_FORMAT_EXTENSIBLE: the tag begins the GUID of the sub-format
        tag = int.from_bytes(body[24:26], "little")
    kind = {(1, 16): "s16le", (1, 24): "s24le", (1, 32): "s32le", (3, 32): "f32le"}.get((tag, bits))
    if kind is None:
        raise MediaError(
            f"the WAV on {NAME} has samples of a kind that is not read there (format {tag}, {bits} bits)",
            "16, 24 and 32 bit PCM and 32 bit float are: … | ffmpeg -i - -c:a pcm_s16le -f wav - | speechcli …",
        )
    layout = _checked(Layout(rate, kind, channels), MediaError)
    if frame != layout.frame:
        raise MediaError(f"the WAV header on {NAME} contradicts itself", "is it damaged?")
    return layout


def _checked(layout: Layout, refused: type[MediaError] | type[UsageError]) -> Layout:
    if not LOWEST_RATE <= layout.rate <= HIGHEST_RATE:
        raise refused(f"{NAME}: a sample rate of {layout.rate} Hz is not accepted", f"{LOWEST_RATE} to {HIGHEST_RATE}")
    if not 1 <= layout.channels <= MOST_CHANNELS:
        raise refused(f"{NAME}: {layout.channels} channels are not accepted", f"1 to {MOST_CHANNELS}")
    return layout


def _refuse(start: bytes, source: _Bytes) -> bytes:
    """Raises UsageError for a file of another kind that begins with `start`; gives what it had to read to know."""
    kind = next((kind for (at, magic), kind in _ENCODED.items() if start[at : at + len(magic)] == magic), None)
    more = b""
    if kind is None and (length := _mp3_frame(start)):
        more = source.exactly(length + 4 - len(start))
        kind = "MP3" if _mp3_frame((start + more)[length:]) else None
    if kind is not None:
        raise UsageError(
            f"{NAME} is {kind}, not WAV or bare samples",
            "name the file, or convert it: … | ffmpeg -i - -f wav - | speechcli stream-mic -",
        )
    return more


def _mp3_frame(data: bytes) -> int:
    """Bytes of the MPEG audio frame of layer III that begins here; 0 where none does (ISO 11172-3, 2.4.1.3).

    >>> _mp3_frame(bytes.fromhex("fffb9064")), _mp3_frame(bytes.fromhex("fffe0100"))
    (417, 0)
    """
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE6 != 0xE2:
        return 0
    version, kbps, hertz = data[1] >> 3 & 3, data[2] >> 4, data[2] >> 2 & 3
    if version == 1 or kbps in (0, 15) or hertz == 3:
        return 0
    table = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)  # MPEG 1
    if version != 3:
        table = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)  # MPEG 2 and 2.5
    rate = (44_100, 48_000, 32_000)[hertz] >> (0 if version == 3 else 1 if version == 2 else 2)
    return (144 if version == 3 else 72) * table[kbps - 1] * 1000 // rate + (data[2] >> 1 & 1)


def _samples(data: bytes, layout: Layout) -> NDArray[np.float32]:
    """Shape (n, channels), in [-1, 1]. data: whole frames. Raises MediaError where floats are none."""
    match layout.kind:
        case "s16le":
            flat: Samples = np.frombuffer(data, "<i2") * np.float32(2**-15)
        case "s24le":
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            flat = (wide.view("<i4")[:, 0] * 2.0**-31).astype(np.float32)
        case "s32le":
            flat = (np.frombuffer(data, "<i4") * 2.0**-31).astype(np.float32)
        case _:
            floats = np.frombuffer(data, "<f4")
            if not np.all(np.abs(floats) < _LOUDEST):  # NaN is not
                raise MediaError(f"{NAME} does not hold 32 bit floats of sound", "is it s16le? see --input-format")
            flat = np.clip(floats, -1.0, 1.0).astype(np.float32)
    return flat.reshape(-1, layout.channels)
