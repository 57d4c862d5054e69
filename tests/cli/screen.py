"""A child process on a terminal."""

from __future__ import annotations

import os
import subprocess


def shown(process: subprocess.Popen[bytes], inner: int, outer: int) -> bytes:
    """All that the child writes to its end of a pseudoterminal, `outer`; both ends are closed then."""
    os.close(outer)
    data = b""
    try:
        while more := os.read(inner, 1 << 16):
            data += more
    except OSError:  # how Linux tells that the other end is gone
        pass
    os.close(inner)
    process.wait()
    return data
