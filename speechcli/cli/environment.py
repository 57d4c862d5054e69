"""What we read from the environment; nothing else of ours does, but `NO_COLOR` and its like in `__main__`."""

from __future__ import annotations

import os


def ffmpeg() -> str | None:
    """The ffmpeg the user wants: name or path."""
    return os.environ.get("SPEECHCLI_FFMPEG") or None


def debugging() -> bool:
    """Whether a bug shows its traceback at once."""
    return bool(os.environ.get("SPEECHCLI_DEBUG"))


def plain() -> bool:
    """Whether colours are unwanted (no-color.org, and terminals without any)."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
