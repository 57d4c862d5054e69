"""Windows of many recordings to batches: alike in length, no more sound than the device can hold."""

from __future__ import annotations

from collections.abc import Sequence

from speechcli.core.span import Seconds


def choose(durations: Sequence[Seconds], most: int, seconds: Seconds) -> list[int]:
    """Which of the waiting windows make the next batch: the longest, and those nearest to it in length.

    durations: of each, in the order they came. most: how many at most; seconds: of sound, each padded to the longest.
    At least one is chosen, however long; among equals the first come first.

    >>> choose([10, 170, 30, 175], most=8, seconds=360)
    [3, 1]
    >>> choose([30, 30, 30], most=2, seconds=1000)
    [0, 1]
    """
    if not durations:
        return []
    by_length = sorted(range(len(durations)), key=lambda i: (-durations[i], i))
    longest = durations[by_length[0]]
    room = most if longest * most <= seconds else max(1, int(seconds / longest))
    return by_length[:room]
