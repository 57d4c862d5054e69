"""Append-only JSON lines that survive a crash: one synced write a line, a torn last line is dropped."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from speechcli.errors import from_os


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file in their order; lines that are torn or no objects are left out."""
    return since(path, 0)[0]


def since(path: Path, start: int) -> tuple[Iterator[dict[str, Any]], int]:
    """The objects from byte `start` on, and where the next ones will be; from the beginning in a shorter file."""
    try:
        with path.open("rb") as file:
            if start > os.fstat(file.fileno()).st_size:
                start = 0
            file.seek(start)
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return iter(()), 0
    except OSError as error:
        raise from_os(error, f"reading {path.name}") from error
    return _objects(data), start + data.rfind(b"\n") + 1


def _objects(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.split(b"\n"):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def append(handle: int, value: dict[str, Any], name: str) -> None:
    """Writes one line to an open file descriptor and syncs it; `name` is for the error.

    A torn line of an earlier crash is closed first: nothing is ever appended to it.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    data = text.encode() + b"\n"
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            data = b"\n" + data
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    except OSError as error:
        raise from_os(error, f"writing {name}") from error
