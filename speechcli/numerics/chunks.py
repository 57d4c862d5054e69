"""What a segmentation model says in overlapping chunks of a recording, put together frame by frame.

In each chunk it tells a few local speakers apart, who are numbered anew in the next one. How many talk at once is the
mean over the chunks that hear a moment (pyannote.audio's speaker count, Bredin and Laurent 2021); that somebody else
talks now is what most of them say; and two stretches are one speaker's, or two, as far as chunks that hear both say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.intp]

SPEECH = 0.5  # share of the chunks that have to hear somebody
BOTH = 1.5  # speakers, on the mean, from which on two talk at once


@dataclass(slots=True, eq=False)
class Chunks:
    """The chunks of one recording, in order.

    hop: frames from one chunk's start to the next, not a whole number. active: per chunk (frames, speakers), bool.
    """

    hop: float
    active: list[NDArray[np.bool_]] = field(default_factory=list)

    def start(self, index: int) -> int:
        """The first frame of a chunk."""
        return round(index * self.hop)

    @property
    def n_final(self) -> int:
        """Frames that no later chunk will hear."""
        return self.start(len(self.active))

    def counts(self, first: int, stop: int) -> NDArray[np.uint8]:
        """How many talk in each frame from `first` to before `stop`: 0, 1, or 2 for more; shape (stop - first,)."""
        talking = np.zeros(stop - first, np.float32)
        anyone = np.zeros(stop - first, np.float32)
        chunks = np.zeros(stop - first, np.float32)
        for index in self.hearing(first, stop):
            begin, active = self.start(index), self.active[index]
            a, b = max(begin, first), min(begin + len(active), stop)
            n = active[a - begin : b - begin].sum(axis=1)
            talking[a - first : b - first] += n
            anyone[a - first : b - first] += n > 0
            chunks[a - first : b - first] += 1
        heard = np.maximum(chunks, 1)
        return np.where(talking / heard >= BOTH, 2, anyone / heard >= SPEECH).astype(np.uint8)

    def hearing(self, first: int, stop: int) -> range:
        """The chunks that hear any of these frames."""
        if not self.active:
            return range(0)
        size = len(self.active[0])
        begin = max(0, int((first - size) / self.hop))
        end = min(len(self.active), int(stop / self.hop) + 2)
        inside = [i for i in range(begin, end) if self.start(i) < stop and self.start(i) + size > first]
        return range(inside[0], inside[-1] + 1) if inside else range(0)


def changes(chunks: Chunks, speech: Frames) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each frame with speech, how many chunks hear there who talked in the one before, and how many somebody else.

    speech: (n,), frames with speech, rising. Both (n,).
    """
    same, other = np.zeros(len(speech)), np.zeros(len(speech))
    for index, active in enumerate(chunks.active):
        begin = chunks.start(index)
        low, high = np.searchsorted(speech, (begin, begin + len(active)))
        if high - low < 2:
            continue
        heard = active[speech[low:high] - begin]
        before, now = heard[:-1], heard[1:]
        one = (before & now).any(axis=1)
        same[low + 1 : high] += one
        other[low + 1 : high] += before.any(axis=1) & now.any(axis=1) & ~one
    return same, other


def related(chunks: Chunks, starts: Frames, stops: Frames) -> NDArray[np.float32]:
    """Whether two stretches are of one speaker, as the chunks say that hear both: 1 surely, -1 surely not, 0 unknown.

    starts, stops: (n,), frames, rising. Gives (n, n).
    """
    n = len(starts)
    same, heard = np.zeros((n, n), np.float32), np.zeros((n, n), np.float32)
    middles, quarter = (starts + stops) / 2, (stops - starts) / 4
    for index in chunks.hearing(int(starts[0]), int(stops[-1])) if n else ():
        active = chunks.active[index]
        begin, size = chunks.start(index), len(active)
        at = np.nonzero((middles - quarter >= begin) & (middles + quarter <= begin + size))[0]
        if len(at) < 2:
            continue
        shares, known = _shares(active, starts[at] - begin, stops[at] - begin)
        block = np.ix_(at, at)
        same[block] += shares @ shares.T
        heard[block] += np.outer(known, known)
    out = np.where(heard > 0, 2 * same / np.maximum(heard, 1) - 1, 0)
    return out.astype(np.float32)


_FEW = 12  # frames of one speaker alone, a fifth of a second: fewer say nothing about a stretch


def _shares(
    active: NDArray[np.bool_], starts: Frames, stops: Frames
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The local speakers' shares of stretches where they talk alone, (n, speakers); whether they are known, (n,)."""
    alone = active & (active.sum(axis=1, keepdims=True) == 1)
    sums = np.vstack([np.zeros((1, active.shape[1])), np.cumsum(alone, axis=0)])
    talk = sums[np.clip(stops, 0, len(active))] - sums[np.clip(starts, 0, len(active))]
    total = talk.sum(axis=1, keepdims=True)
    shares = np.where(total >= _FEW, talk / np.maximum(total, 1), 0).astype(np.float32)
    return shares, (total[:, 0] >= _FEW).astype(np.float32)


def others(chunks: Chunks, speaker: Frames, both: Sequence[tuple[int, int]], n_speakers: int) -> Frames:
    """Who else talks where two talk at once, -1 where nobody does.

    speaker: (frames,), who talks in each frame, -1 for nobody. both: runs of frames in which two talk. A chunk knows
    its local speakers by who they are where they talk alone; where no chunk knows, it is who talks next. (frames,).
    """
    out = np.full(len(speaker), -1)
    votes = np.zeros((len(speaker), n_speakers), np.float32) if both else np.zeros((0, n_speakers), np.float32)
    for index, active in enumerate(chunks.active if both else ()):
        begin = chunks.start(index)
        active = active[: max(0, len(speaker) - begin)]
        n_talking = active.sum(axis=1)
        if not (n_talking >= 2).any():
            continue
        here = speaker[begin : begin + len(active)]
        who = np.zeros((active.shape[1], n_speakers), np.float32)
        for local in range(active.shape[1]):
            alone = here[active[:, local] & (n_talking == 1) & (here >= 0)]
            if len(alone):
                who[local] = np.bincount(alone, minlength=n_speakers) / len(alone)
        votes[begin : begin + len(active)] += np.where((n_talking >= 2)[:, None], active @ who, 0)
    talks = np.nonzero(speaker >= 0)[0]
    turns = np.nonzero(np.diff(speaker[talks], prepend=-1))[0]  # the first of each one's talk, among `talks`
    for start, stop in both:
        for one in np.unique(speaker[start:stop]):
            at = start + np.nonzero(speaker[start:stop] == one)[0]
            sums = votes[at].sum(axis=0)
            sums[one] = 0
            if sums.max(initial=0) > 0:
                out[at] = int(sums.argmax())
            elif len(turns) > 1:
                out[at] = speaker[_neighbour(talks, turns, int(at[len(at) // 2]))]
    return out


def _neighbour(talks: Frames, turns: Frames, at: int) -> int:
    """The nearest frame in which somebody else talks than at this one; the earlier of two that are as near."""
    turn = int(np.searchsorted(talks[turns], at, "right")) - 1
    before = [int(talks[turns[turn] - 1])] if turn > 0 else []
    after = [int(talks[turns[turn + 1]])] if turn + 1 < len(turns) else []
    return min(before + after, key=lambda frame: abs(frame - at))


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where a mask holds: starts and stops.

    >>> runs(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    return list(zip(np.nonzero(edges == 1)[0].tolist(), np.nonzero(edges == -1)[0].tolist(), strict=True))
