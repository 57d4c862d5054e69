"""Whether a file ends where its container says: what ffmpeg does not tell when half of it is missing."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from speechcli.core.span import Seconds

STREAMED = 0x7FFF_0000  # sizes from here on (and 0) are what writers to a pipe put in: not known
_MOST_CHUNKS = 1000  # looked at before the sound begins
_TAIL = 256 << 10  # bytes; an Ogg page has at most 64 KB, and a few may follow the last of our stream


def cut_wav(path: Path) -> Seconds | None:
    """Seconds that the header of a RIFF WAV announces, if the file is too short to hold them; else None.

    http://soundfile.sapp.org/doc/WaveFormat/; RF64 and its kin keep the size elsewhere and are left alone.
    """
    with path.open("rb") as file:
        whole = file.seek(0, os.SEEK_END)
        file.seek(0)
        riff = file.read(12)
        if len(riff) < 12 or riff[:4] != b"RIFF" or riff[8:] != b"WAVE":
            return None
        rate = 0
        for _ in range(_MOST_CHUNKS):
            head = file.read(8)
            if len(head) < 8:
                break
            tag, size = struct.unpack("<4sI", head)
            if tag == b"data":
                cut = 0 < size < STREAMED and file.tell() + size > whole
                return size / rate if rate and cut else None
            begin = file.read(min(size, 64))
            if tag == b"fmt ":
                rate = _byte_rate(begin)
            file.seek(size - len(begin) + size % 2, os.SEEK_CUR)
    return None


def _byte_rate(fmt: bytes) -> int:
    if len(fmt) < 16:
        return 0
    coding, channels, rate, per_second, _, bits = struct.unpack_from("<HHIIHH", fmt)
    # for plain PCM the sum is what decoders go by; a wrong field would be a false alarm
    return rate * channels * ((bits + 7) // 8) if coding in (1, 3, 0xFFFE) else int(per_second)


def ogg_ends(path: Path) -> bool:
    """Whether an Ogg file has a page marked as the end of a stream where it ends (RFC 3533, header type 0x04)."""
    with path.open("rb") as file:
        tail = _last(file, _TAIL)
    at = tail.rfind(b"OggS")
    while at >= 0:
        if len(tail) > at + 5 and tail[at + 4] == 0 and tail[at + 5] & 4:
            return True
        at = tail.rfind(b"OggS", 0, at)
    return False


def _last(file: BinaryIO, n: int) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - n))
    return file.read(n)
