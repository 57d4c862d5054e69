"""The stages in their order, over opened things: no names, no files, no screen.

sound -> speech -> windows -> (batches) -> what was heard -> one transcript
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from speechcli.backends.base import Hints, OutOfMemoryError, SpeechDetector, Transcriber
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds, Span, clipped, tidy
from speechcli.core.transcript import Heard, Stage, Transcript
from speechcli.timeline.gaps import unheard
from speechcli.timeline.polish import polish
from speechcli.timeline.stitch import Answer, shifted, stitch
from speechcli.timeline.verdict import judge, language_of
from speechcli.timeline.windows import Rules, Window, plan


def windows(
    blocks: Iterable[Audio], detector: SpeechDetector, rules: Rules, only: Sequence[Span] = ()
) -> Iterator[tuple[Window, Audio]]:
    """The windows of a recording with their sound, as it is decoded; memory is bounded by the longest window.

    only: parts of the recording to listen to; all of it when empty. The sound of a silent window is empty.
    """
    tape: deque[Audio] = deque()
    frame = detector.frame / detector.rate

    def heard() -> Iterator[tuple[Seconds, list[float]]]:
        for block in blocks:
            tape.append(block)
            probabilities = detector(block).tolist()
            if only:
                times = (block.start + (i + 0.5) * frame for i in range(len(probabilities)))
                inside = [any(s.start <= t < s.end for s in only) for t in times]
                probabilities = [p if yes else 0.0 for p, yes in zip(probabilities, inside, strict=True)]
            yield block.end, probabilities

    for window in plan(heard(), frame, rules):
        yield window, _cut(tape, window.heard if window.speech else Span(window.own.start, window.own.start))
        while len(tape) > 1 and tape[0].end <= window.own.end - rules.context:
            tape.popleft()


def listen(transcriber: Transcriber, batch: Sequence[tuple[Window, Audio]], hints: Sequence[Hints]) -> list[Heard]:
    """What the model hears in each window, polished; a batch too large for the device is halved."""
    told = [replace(h, speech=_inside(window)) for (window, _), h in zip(batch, hints, strict=True)]
    answers = _shrinking(transcriber, [audio for _, audio in batch], told)
    return [
        polish(heard, audio.duration, hint.speech) for heard, (_, audio), hint in zip(answers, batch, told, strict=True)
    ]


def to_hear_again(transcriber: Transcriber, answer: Answer) -> list[Window]:
    """Parts of a window in which speech was heard and no word came."""
    return unheard(answer.window, shifted(answer).segments) if transcriber.traits.hears_again else []


def assemble(
    source: str,
    duration: Seconds,
    groups: Sequence[Sequence[Answer]],
    judged: bool,
    complete: bool,
    notes: Sequence[str],
    made_by: Sequence[Stage],
) -> Transcript:
    """The finished transcript of a recording.

    groups: see `stitch`. judged: whether somebody listened for speech, without whom coverage is unknown.
    """
    heard = [shifted(answer) for group in groups for answer in group]
    segments = tuple(stitch(groups))
    speech = [span for group in groups for span in group[0].window.speech] if judged else None
    return Transcript(
        source=source,
        duration=tidy(duration),
        segments=segments,
        turns=tuple(sorted((t for h in heard for t in h.turns), key=lambda t: (t.start, t.end))),
        language=language_of(segments),
        verdict=judge(segments, heard, speech, complete, notes),
        made_by=tuple(made_by),
    )


def _cut(tape: Iterable[Audio], span: Span) -> Audio:
    parts = [part for block in tape if len((part := block.cut(span)).samples)]
    if not parts:
        first = next(iter(tape))
        return Audio(np.zeros(0, np.float32), first.rate, round(span.start * first.rate))
    if len(parts) == 1:
        return parts[0]
    return Audio(np.concatenate([part.samples for part in parts]), parts[0].rate, parts[0].first)


def _inside(window: Window) -> tuple[Span, ...]:
    """The speech of a window, from the start of its sound."""
    by = window.heard.start
    return tuple(Span(max(0.0, s.start - by), s.end - by) for s in clipped(window.speech, window.heard))


def _shrinking(transcriber: Transcriber, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
    try:
        return transcriber.transcribe(batch, hints)
    except OutOfMemoryError:
        if len(batch) == 1:
            raise
    half = len(batch) // 2  # outside the except block: its traceback would hold on to the memory
    return [*_shrinking(transcriber, batch[:half], hints[:half]), *_shrinking(transcriber, batch[half:], hints[half:])]
