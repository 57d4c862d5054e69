"""Sound as it is decoded, kept as long as somebody may ask for it."""

from __future__ import annotations

from collections import deque

import numpy as np

from speechcli.core.audio import Audio
from speechcli.core.span import Seconds, Span, to_samples


def taken(tape: deque[Audio], span: Span, done_with: Seconds) -> Audio:
    """The sound of `span`. Blocks that end by `done_with` leave the tape as they are copied, for an hour is 345 MB.

    The last block stays: it says where the recording is.
    """
    rate, first = tape[0].rate, tape[0].first
    begin = max(to_samples(span.start, rate), first)
    stop = max(begin, min(to_samples(span.end, rate), tape[-1].first + len(tape[-1].samples)))
    parts = sum(block.first < stop and begin < block.first + len(block.samples) for block in tape)
    whole = None if parts == 1 else np.empty(stop - begin, np.float32)
    sound = Audio(whole if whole is not None else np.zeros(0, np.float32), rate, begin)
    kept: deque[Audio] = deque()
    while tape:
        block = tape.popleft()
        part = block.cut(span)
        if len(part.samples):
            if whole is None:
                sound = part
            else:
                whole[part.first - begin : part.first - begin + len(part.samples)] = part.samples
        if block.end > done_with or not tape:
            kept.append(block)
    tape.extend(kept)
    return sound
