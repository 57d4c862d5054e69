"""Sound that is not a file yet: pipes, bytes, `data:` URLs. ffmpeg needs files (an mp4 is read from its end)."""

from __future__ import annotations

import base64
import binascii
import io
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from speechcli.errors import DeniedError, DiskError, MediaError, NoInputError, SpeechcliError, from_os

CAP = 64 << 30  # bytes; a day of film fits in


def is_stream(path: Path) -> bool:
    """Whether `path` is a pipe or a device (`/dev/fd/63`, `/dev/stdin`), to be spooled before it can be decoded."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


@contextmanager
def spool(stream: BinaryIO | Path, name: str = "stdin", cap: int = CAP) -> Iterator[Path]:
    """What `stream` (open, or a pipe to open) gives, as a temporary file that is gone when the context is left.

    Raises MediaError when it is empty or more than `cap` bytes, DiskError when it does not fit on the disk.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="speechcli-")
    except OSError as error:
        raise _no_room(error, tempfile.gettempdir() if tempfile.tempdir else "the temporary folder") from error
    with folder as place:
        if isinstance(stream, Path):
            try:
                opened = stream.open("rb", buffering=0)
            except PermissionError as error:
                raise DeniedError(f"permission denied reading {name}", "check who owns it") from error
            except OSError as error:
                raise NoInputError(f"{name} cannot be opened ({error.strerror or error})") from error
            with opened:
                yield pour(opened, Path(place), name, cap)
        else:
            yield pour(stream, Path(place), name, cap)


def pour(stream: BinaryIO | io.RawIOBase, folder: Path, name: str, cap: int = CAP) -> Path:
    """A new file in `folder` with everything that `stream` still gives. Raises as `spool` does."""
    total = 0
    try:
        handle, text = tempfile.mkstemp(prefix="input-", dir=folder)
    except OSError as error:
        raise _no_room(error, str(folder)) from error
    with open(handle, "wb") as file:
        while data := _read(stream, name):
            total += len(data)
            if total > cap:
                raise MediaError(f"{name} is more than {cap / (1 << 30):g} GiB", "save it to a file first")
            try:
                file.write(data)
            except OSError as error:
                raise _no_room(error, str(folder)) from error
        try:
            file.flush()
        except OSError as error:
            raise _no_room(error, str(folder)) from error
    if not total:
        raise MediaError(f"{name} is empty", "nothing came through the pipe")
    return Path(text)


def on_disk(sound: str | Path | bytes | BinaryIO, folder: Path) -> Path:
    """The sound as a file: the path itself, else a new file in `folder`.

    Raises MediaError for a `data:` URL that is not base64, and as `spool` does.
    """
    if isinstance(sound, Path):
        return sound
    if isinstance(sound, str):
        return pour(io.BytesIO(_decoded(sound)), folder, "the data URL") if sound.startswith("data:") else Path(sound)
    if isinstance(sound, bytes | bytearray | memoryview):
        return pour(io.BytesIO(sound), folder, "the recording")
    return pour(sound, folder, "the recording")


def _decoded(url: str) -> bytes:
    """RFC 2397, the base64 kind."""
    head, comma, body = url.partition(",")
    if not comma or not head.endswith(";base64"):
        raise MediaError("the data URL is not base64", "data:audio/wav;base64,...")
    try:
        return base64.b64decode(re.sub(r"\s+", "", body), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MediaError(f"the data URL is not base64 ({error})", "data:audio/wav;base64,...") from error


def _read(stream: BinaryIO | io.RawIOBase, name: str) -> bytes:
    try:
        return stream.read(1 << 20) or b""
    except OSError as error:
        raise from_os(error, f"reading {name}") from error


def _no_room(error: OSError, folder: str) -> SpeechcliError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return DiskError(f"cannot spool the input into {folder} ({reason})", "set TMPDIR to a folder with room")
