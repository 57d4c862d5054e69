"""What people see: text from outside made safe, tables, and the one way to stdout."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from speechcli.errors import DiskError

_UNFIT = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional marks, overrides and isolates (UAX #9)
    "\u2028\u2029\ufeff"  # line and paragraph separators, BOM
    "\ud800-\udfff]"  # bytes of a file name that are not UTF-8 (PEP 383)
)


def safe(text: object) -> str:
    r"""`text` on one line, what a terminal would act upon made visible.

    >>> print(safe("a\x1b[31mb\n\u202e.mp3"))
    a\x1b[31mb\n\u202e.mp3
    """
    return _UNFIT.sub(_visible, str(text))


def out(pieces: Iterable[str]) -> None:
    """Writes data to stdout, each piece at once. Raises DiskError; a pipe nobody reads stays a BrokenPipeError."""
    for piece in pieces:
        try:
            sys.stdout.write(piece)
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise DiskError(
                f"cannot write to stdout ({error.strerror})", "is the disk full, or stdout closed?"
            ) from error


def tell(line: str) -> None:
    """A line about the work, to stderr. `line` is safe already."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> None:
    """A table on stdout: drawn on a terminal, tab-separated lines under one of names elsewhere.

    right: columns set flush right. Cells may hold anything; nothing in them is markup.
    """
    if not sys.stdout.isatty():
        out("\t".join(safe(cell) for cell in row) + "\n" for row in (columns, *rows))
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(
            column, justify="right" if column in right else "left", no_wrap=column in columns[:1] or column in right
        )
    for row in rows:
        drawn.add_row(*(Text(safe(cell)) for cell in row))
    console().print(drawn)


def console(stderr: bool = False) -> Any:
    """Rich's console on stdout or stderr: no markup, no highlighting; NO_COLOR, TERM=dumb and pipes honoured."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=False)


def megabytes(size_mb: float) -> str:
    """A size for people.

    >>> megabytes(75), megabytes(1528)
    ('75 MB', '1.5 GB')
    """
    return f"{size_mb:.0f} MB" if size_mb < 1000 else f"{size_mb / 1000:.1f} GB"


def _visible(found: re.Match[str]) -> str:
    character = found[0]
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
