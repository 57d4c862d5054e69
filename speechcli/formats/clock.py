"""Times as text, from whole milliseconds."""

from __future__ import annotations

from functools import lru_cache


def hms(ms: int, point: str) -> str:
    """Hours always, at least two digits.

    >>> hms(3_600_001, ","), hms(360_000_000, ".")
    ('01:00:00,001', '100:00:00.000')
    """
    minutes, rest = divmod(ms, 60_000)
    return f"{_minutes(minutes)}{rest // 1000:02d}{point}{rest % 1000:03d}"


def seconds(ms: int) -> str:
    """Seconds with three decimals, exactly.

    >>> seconds(61_005)
    '61.005'
    """
    return f"{ms // 1000}.{ms % 1000:03d}"


def centiseconds(ms: int) -> int:
    """Halves up."""
    return (ms + 5) // 10


@lru_cache(maxsize=64)  # the same minute comes many times in a row
def _minutes(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}:"
