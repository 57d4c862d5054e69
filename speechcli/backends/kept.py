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
    """Keeps data, silent where it cannot.

    most: bytes of all files with this suffix: beyond it those go that were not used for longest, but not the new one.
    """
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
            _bound(path, most)


def _bound(new: Path, most: int) -> None:
    others = [(file.stat(), file) for file in new.parent.glob(f"*{new.suffix}") if file != new]
    left = most - new.stat().st_size
    for facts, file in sorted(others, key=lambda other: other[0].st_mtime, reverse=True):
        left -= facts.st_size
        if left < 0:
            file.unlink(missing_ok=True)
