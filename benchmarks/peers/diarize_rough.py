"""The bar for diarization: windows of 1.5 s where community-1's segmentation hears speech, put together by VBx.

    python benchmarks/peers/diarize_rough.py FILE... --output-dir FOLDER

Segmentation every 2 s says where one talks and where two do. Each stretch of speech is cut into windows of 1.5 s every
0.75 s, the last one flush with its end, and a window is given to one speaker: average linkage by cosine distance to
0.7, then VBx without transitions (Fa 0.2, Fb 1). Between two windows the middle is the border. Where two talk, the
nearest other speaker is added.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from diarize_parts import RATE, Floats, Models, Turns, at_once, fbank, main, merged, stretches, unit, vbx
from scipy.cluster.hierarchy import fcluster, linkage

_STEP = 2.0  # seconds
_WINDOW, _HOP = round(1.5 * RATE), round(0.75 * RATE)
_APART = 0.7  # cosine distance
_FA, _FB = 0.2, 1.0
_OVERLAP = 0.1  # seconds that are worth a second speaker


def diarizer(models: Models) -> Callable[[Floats], Turns]:
    """The pipeline with these weights."""

    def turns(samples: Floats) -> Turns:
        duration = len(samples) / RATE
        talking = at_once(models.segmentation(samples, _STEP), _STEP)
        spoken = [(int(a * RATE), int(b * RATE)) for a, b in stretches(talking >= 1, duration)]
        windows = [_windows(start, end) for start, end in spoken]
        flat = [window for some in windows for window in some]
        if not flat:
            return []
        who = iter(_speakers(models, np.stack([models.print(fbank(samples[a:b])) for a, b in flat])))
        found: Turns = []
        for stretch, some in zip(spoken, windows, strict=True):
            middles = [(a + b) / 2 for a, b in some]
            borders = [stretch[0], *((a + b) / 2 for a, b in pairwise(middles)), stretch[1]]
            found += [(a / RATE, b / RATE, int(next(who))) for a, b in pairwise(borders)]
        found = merged(found)
        return merged(found + _seconds(found, stretches(talking >= 2, duration)))

    return turns


def _windows(start: int, end: int) -> list[tuple[int, int]]:
    if end - start <= _WINDOW:
        return [(start, end)]
    return [*((at, at + _WINDOW) for at in range(start, end - _WINDOW, _HOP)), (end - _WINDOW, end)]


def _speakers(models: Models, prints: Floats) -> Floats:
    if len(prints) < 2:
        return np.zeros(len(prints), np.int64)
    labels = fcluster(linkage(unit(prints), "average", "cosine"), _APART, "distance") - 1
    gamma, _ = vbx(models.plda(prints), models.phi, labels, _FA, _FB, 40)
    return gamma.argmax(1)


def _seconds(turns: Turns, overlaps: list[tuple[float, float]]) -> Turns:
    """Who else talks where two do: those whose turns meet there, or the one who is nearest."""
    out: Turns = []
    for start, end in overlaps:
        if end - start < _OVERLAP:
            continue
        here = {who for a, b, who in turns if a < end and b > start}
        others = [(min(abs(a - end), abs(b - start)), who) for a, b, who in turns if who not in here]
        if len(here) >= 2:
            out += [(start, end, who) for who in here]
        elif others:
            out.append((start, end, min(others)[1]))
    return out


if __name__ == "__main__":
    main(__doc__, diarizer)
