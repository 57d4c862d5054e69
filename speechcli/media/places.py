"""Where files may be made, and bytes put into them. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path

from speechcli.errors import OutputError


def check_file(path: Path) -> None:
    """Raises OutputError where `path` is there and is no file: for root, /dev/null is a name like any other."""
    if os.path.exists(path) and not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "not a regular file"
        raise OutputError(f"cannot write {path}: it is {kind}", "name a file")


def check_free(path: Path, overwrite: bool) -> None:
    """That a file may be made here. Raises OutputError."""
    check_file(path)
    if os.path.exists(path) and not overwrite:
        raise OutputError(f"{path} exists", "--overwrite replaces it, another name spares it")


def put(handle: int, data: bytes, at: int) -> None:
    """Writes all of it at an offset: by one call, but on a disk that is full or nearly so. Raises OSError."""
    n = 0
    while n < len(data):
        n += os.pwrite(handle, data[n:], at + n)
