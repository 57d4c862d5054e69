"""The sound of a session, kept as a WAV file that is whole at every moment.

16-bit PCM (RIFF, as in "Multimedia Programming Interface and Data Specifications 1.0", 1991). The samples are written
first and the header after them, by one write each: a process killed between the two leaves a file that lacks its last
block, and no other fault.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechcli.core.span import Seconds
from speechcli.errors import UsageError, from_os
from speechcli.media.capture import Block
from speechcli.media.places import check_free, put

MOST = 2**32 - 1 - 64  # bytes of sound: a WAV file counts its bytes in 32 bits
WARNED: Seconds = 60.0  # before the file is full
_HEADER = 44  # bytes
_ZEROS = 1 << 16  # frames of silence written at once


def check_place(path: Path, overwrite: bool) -> None:
    """That sound may be saved here. Raises UsageError for a name that is not `.wav`, OutputError."""
    if path.suffix.lower() != ".wav":
        raise UsageError(f"sound is saved as WAV, and {path.name} is no name of one", "name it FILE.wav")
    check_free(path, overwrite)


class Saving:
    """A WAV file that blocks are added to. To be used by one thread."""

    def __init__(self, path: Path, rate: int, channels: int, overwrite: bool = False, most: int = MOST) -> None:
        """Makes the file, without sound. rate: Hz. most: bytes of sound that it may hold.

        Raises UsageError for a name that is not `.wav`, OutputError where something stands already (unless overwrite)
        or nothing can be made, DeniedError, DiskError.
        """
        check_place(path, overwrite)
        self.path = path
        self._rate = rate
        self._channels = channels
        self._most = most // (2 * channels)  # frames
        self._n_frames = 0
        self._told = 0  # of the two things that are said about a full file
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0)
            self._handle = os.open(path, flags, 0o666)
            self._write_header()
        except OSError as error:
            raise from_os(error, f"writing {path.name}") from error

    @property
    def seconds(self) -> Seconds:
        """Of sound in the file."""
        return self._n_frames / self._rate

    @property
    def full(self) -> bool:
        return self._n_frames >= self._most

    def add(self, block: Block) -> str:
        """Writes a block, silence before it where frames were lost, so that times stay true.

        What there is to say about it, for people, or nothing: once when the file is soon full, once when it is; then
        nothing is written any more. Raises DiskError and its like; the file keeps what it has.
        """
        try:
            for first in range(0, block.lost, _ZEROS):
                self._append(np.zeros((min(_ZEROS, block.lost - first), self._channels), np.float32))
            self._append(block.frames)
        except OSError as error:
            raise from_os(error, f"writing {self.path.name}") from error
        return self._about_room()

    def close(self) -> None:
        """Makes the file last through a power cut. Raises DiskError and its like; a second call does nothing."""
        handle, self._handle = self._handle, -1
        if handle < 0:
            return
        try:
            os.fsync(handle)
        except OSError as error:
            raise from_os(error, f"writing {self.path.name}") from error
        finally:
            os.close(handle)

    def _append(self, frames: NDArray[np.float32]) -> None:
        frames = frames[: self._most - self._n_frames]
        if not len(frames):
            return
        scaled = np.nan_to_num(frames.astype(np.float64)) * 32768.0  # what a decoder divides by
        data = np.clip(np.rint(scaled), -32768, 32767).astype("<i2").tobytes()
        at = _HEADER + self._n_frames * 2 * self._channels
        put(self._handle, data, at)
        self._n_frames += len(frames)
        self._write_header()

    def _write_header(self) -> None:
        width = 2 * self._channels
        n_bytes = self._n_frames * width
        told = 1, self._channels, self._rate, self._rate * width, width, 16  # 1: PCM
        header = struct.pack(
            "<4sI4s4sIHHIIHH4sI", b"RIFF", n_bytes + _HEADER - 8, b"WAVE", b"fmt ", 16, *told, b"data", n_bytes
        )
        os.pwrite(self._handle, header, 0)

    def _about_room(self) -> str:
        if self.full and self._told < 2:
            self._told = 2
            return f"{self.path.name} is full ({_size(self._most * 2 * self._channels)}): sound is not saved any more"
        if self._told < 1 and self._n_frames >= self._most - WARNED * self._rate:
            self._told = 1
            return (
                f"{self.path.name} will be full in a minute (a WAV file ends at 4 GB): then sound is not saved any more"
            )
        return ""


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 5e7 else f"{n_bytes / 1e6:.1f} MB"
