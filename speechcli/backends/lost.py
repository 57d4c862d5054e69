"""Words that an aligner could not place, beside those that it did."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from speechcli.core.span import Seconds
from speechcli.core.transcript import Word

INSTANT: Seconds = 0.4  # at most, of a word that nothing is known of


def filled(
    tokens: Sequence[str], words: Sequence[Word | None], duration: Seconds, instant: Seconds = INSTANT
) -> list[Word]:
    """The words, those that are missing right after the one before; over all the time when all are missing.

    tokens: their texts. duration: of the sound. instant: what a missing word takes at most. What is filled in is
    interpolated, and may have no length.
    """
    out: list[Word] = []
    first = 0
    while first < len(words):
        word = words[first]
        if word is not None:
            out.append(word)
            first += 1
            continue
        stop = next((k for k in range(first, len(words)) if words[k] is not None), len(words))
        after = words[stop] if stop < len(words) else None
        start = out[-1].end if out else 0.0
        end = max(start, after.start if after is not None else duration)
        most = instant * (stop - first)
        if out:
            end = min(end, start + most)
        elif after is not None:
            start = max(start, end - most)
        edges = np.linspace(start, end, stop - first + 1).tolist()
        out += [
            Word(a, b, token, None, placed="interpolated")
            for token, (a, b) in zip(tokens[first:stop], pairwise(edges), strict=True)
        ]
        first = stop
    return out
