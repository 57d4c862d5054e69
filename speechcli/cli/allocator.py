"""How this process keeps its memory; a program may decide that for itself, a library may not."""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # glibc's malloc.h
_ALWAYS = 1 << 26  # bytes, 16 times of which an int holds
_VERY_LARGE = 1 << 22


def keep_large_blocks() -> None:
    """Lets glibc keep what is freed instead of giving it back to the system, page by page, and asking again.

    CTranslate2's encoder of Whisper takes and frees 54 MB for each of its layers; with glibc's defaults every window
    pays for touching those pages anew, a fifth of all CPU time. Where OpenVINO runs it, which keeps its own memory,
    what is very large is given back: 150 MB less. Elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)  # the arenas of other threads are too small for such blocks
        given_back = _VERY_LARGE if find_spec("openvino") else _ALWAYS
        mallopt(_M_MMAP_THRESHOLD, given_back)
        mallopt(_M_TRIM_THRESHOLD, 16 * given_back)
