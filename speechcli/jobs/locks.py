"""Locks on open files (`flock`): the kernel frees them when the process ends, however it ends."""

from __future__ import annotations

import os
from pathlib import Path


def lock(handle: int, wait: bool = False) -> bool:
    """Locks an open file for this process; False when another has it. Where there are no such locks: True."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def names(path: Path, handle: int) -> bool:
    """Whether the open file still stands under `path`; whoever has its lock can rely on that."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path)) or os.name != "posix"
    except FileNotFoundError:
        return False
