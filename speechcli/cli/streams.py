"""stdin, stdout and stderr, made safe: whole, UTF-8, and stdout for data alone."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

BROKEN_PIPE = 141  # 128 + SIGPIPE: nobody reads any more, which is no error of ours
CANNOT_WRITE = 74


def prepare() -> None:
    """Takes the streams over, at the start of the program.

    A descriptor that the caller closed is filled, so that no file of ours gets its number; writing to a closed
    stdout stays an error. What native libraries write to descriptor 1 goes to stderr from here on: `sys.stdout`
    alone leads to the real one.
    """
    closed = [number for number in range(3) if not _is_open(number)]
    for _ in closed:
        os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    data = os.open(os.devnull, os.O_RDONLY) if 1 in closed else os.dup(1)
    os.dup2(2, 1)
    raw = io.FileIO(data, "w")
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors="replace", newline="\n", line_buffering=raw.isatty()
    )
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace")
    else:  # it was closed
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), encoding="utf-8", write_through=True)


def settle(code: int) -> int:
    """Writes out what stdout still holds, at the end of the program; the exit code."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = BROKEN_PIPE
    except OSError as error:
        if code != CANNOT_WRITE:  # else it has been said
            tell(f"speechcli: error: cannot write to stdout ({error.strerror}); is the disk full, or stdout closed?")
        code = CANNOT_WRITE
    if code in (BROKEN_PIPE, CANNOT_WRITE):
        with suppress(OSError):  # the interpreter will try once more, and must not complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def tell(line: str) -> None:
    """A line to stderr, where somebody is there to read it."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)  # noqa: T201


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
