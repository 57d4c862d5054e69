"""How this process keeps its memory; a program may decide that for itself, a library may not."""

from __future__ import annotations

import ctypes
import sys
from importlib.util import find_spec

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # glibc's malloc.h
_ALWAYS = 1 << 30  # bytes
_VERY_LARGE, _MUCH = 1 << 22, 1 << 26  # bytes: of a block, and at the end of the heap


def keep_large_blocks() -> None:
    """Lets glibc keep what is freed instead of giving it back to the system, page by page, and asking again.

    CTranslate2's encoder of Whisper takes and frees 54 MB for each of its layers; with glibc's defaults every window
    pays for touching those pages anew, a fifth of all CPU time. OpenVINO keeps its own memory: where it is there, what
    is very large is given back, 150 MB less (and `--set encoder=ctranslate2` pays). Elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)  # the arenas of other threads are too small for such blocks
        block, end = (_VERY_LARGE, _MUCH) if find_spec("openvino") else (_ALWAYS, _ALWAYS)
        mallopt(_M_MMAP_THRESHOLD, block)
        mallopt(_M_TRIM_THRESHOLD, end)
