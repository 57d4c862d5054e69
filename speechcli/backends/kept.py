"""Small and large facts about this machine in the user's cache, which may be lost, damaged or unwritable at any time.

A file is its data and, in the last four bytes, their CRC-32. It is written under another name and moved, so that others
see all of it or nothing.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

_CHECK = 4  # bytes


def folder(name: str) -> Path:
    """One of ours in the user's cache; it need not be there."""
    return user_cache_path("speechcli") / name


def read(path: Path) -> bytes | None:
    """What was kept; None where nothing is, or not what was written."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if len(data) < _CHECK or zlib.crc32(data[:-_CHECK]) != int.from_bytes(data[-_CHECK:], "little"):
        return None
    with suppress(OSError):
        os.utime(path)  # used last
    return data[:-_CHECK]


def write(path: Path, data: bytes, most: int | None = None) -> None:
    """Keeps data, and of files with the same suffix only the `most` that were used last; silent where it cannot."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with open(handle, "wb") as file:
                file.write(data)
                file.write(zlib.crc32(data).to_bytes(_CHECK, "little"))
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        if most is not None:
            for old in sorted(path.parent.glob(f"*{path.suffix}"), key=_used)[:-most]:
                old.unlink(missing_ok=True)


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # gone meanwhile
        return 0.0
