"""What has been finished of a recording in work, on disk, under a lock.

Line 1 is the job's key and who works on it, then a line per finished window, and one for whoever takes it over. The
lock is the file's own.
"""

from __future__ import annotations

import contextlib
import os
import socket
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from speechcli.core.transcript import Dropped, Heard, Segment, Turn, Voice, Word
from speechcli.errors import BusyError, from_os
from speechcli.jobs import lines
from speechcli.jobs.locks import lock, names
from speechcli.jobs.output import sync_folder
from speechcli.timeline.windows import Window


class Journal:
    """The journal of one job, locked while it is open. Raises BusyError when another process has it."""

    def __init__(self, path: Path, resume: bool = True) -> None:
        self._path = path
        self._resume = resume
        self._handle = _locked(path)
        self._known: dict[str, tuple[list[float], Heard]] = {}

    def begin(self, key: str) -> int:
        """Takes over the windows of an earlier run with the same key; their number. Else begins anew."""
        entries = list(lines.read(self._path))
        head = {"key": key, "pid": os.getpid(), "host": socket.gethostname()}
        if self._resume and entries and entries[0].get("key") == key:
            for entry in entries[1:]:
                with contextlib.suppress(KeyError, TypeError, ValueError):
                    self._known[entry["window"]] = (list(entry["at"]), _heard(entry["heard"]))
            lines.append(self._handle, head, self._path.name)  # it is ours now
            return len(self._known)
        try:
            os.ftruncate(self._handle, 0)
        except OSError as error:
            raise from_os(error, f"writing {self._path.name}") from error
        lines.append(self._handle, head, self._path.name)
        return 0

    def known(self, window: Window) -> Heard | None:
        """What an earlier run heard in this window, if it was the same stretch."""
        at, heard = self._known.get(_name(window), ([], None))
        return heard if at == [window.heard.start, window.heard.end] else None

    def add(self, window: Window, heard: Heard) -> None:
        """Keeps what a window gave; on disk when this returns."""
        entry = {"window": _name(window), "at": [window.heard.start, window.heard.end], "heard": asdict(heard)}
        lines.append(self._handle, entry, self._path.name)

    def finish(self) -> None:
        """The outputs are written: the journal goes."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        """Frees the lock; an unfinished journal stays for the next run, one without windows does not."""
        if self._handle < 0:
            return
        with contextlib.suppress(OSError):
            if os.fstat(self._handle).st_size == 0:
                self._path.unlink()
        os.close(self._handle)
        self._handle = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def discard(path: Path) -> None:
    """Removes the journal of a recording that is finished, unless a process is at it."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDWR)
        try:
            if lock(handle) and names(path, handle):
                path.unlink()
        finally:
            os.close(handle)


def _locked(path: Path) -> int:
    """The file opened and locked; opened again when somebody removed it in between."""
    try:
        while True:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            with ExitStack() as unless_kept:
                unless_kept.callback(os.close, handle)
                if not lock(handle):
                    raise BusyError(
                        f"{path.name[1:].removesuffix('.journal')} is being made{_by(path)}", "try again later"
                    )
                if names(path, handle):
                    sync_folder(path.parent)
                    unless_kept.pop_all()
                    return handle
    except OSError as error:
        raise from_os(error, f"opening {path.name}") from error


def _by(path: Path) -> str:
    heads = [value for value in lines.read(path) if "pid" in value]
    return f" by process {heads[-1]['pid']} on {heads[-1]['host']}" if heads else " by another process"


def _name(window: Window) -> str:
    return ".".join(map(str, window.index))


def _heard(value: dict[str, Any]) -> Heard:
    def segment(s: dict[str, Any]) -> Segment:
        return Segment(**{**s, "words": tuple(Word(**w) for w in s["words"])})

    return Heard(
        segments=tuple(map(segment, value["segments"])),
        turns=tuple(Turn(**t) for t in value["turns"]),
        language=value["language"],
        dropped=tuple(Dropped(**d) for d in value["dropped"]),
        loops=value["loops"],
        cut=value["cut"],
        notes=tuple(value["notes"]),
        voices=tuple(Voice(v["speaker"], v["seconds"], tuple(v["print"])) for v in value["voices"]),
        raw=value["raw"],
    )
