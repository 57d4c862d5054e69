"""How far a transcript can be trusted: coverage, gaps, loops, guesses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from speechcli.core.span import Seconds, Span, clipped, merged, total
from speechcli.core.transcript import Heard, Segment, Verdict
from speechcli.timeline.gaps import CLOSE, gaps, words_or_segments

GAP: Seconds = 2.0  # speech without text from here on is told


def judge(
    segments: Sequence[Segment],
    heard: Iterable[Heard],
    speech: Sequence[Span] | None,
    complete: bool = True,
    notes: Sequence[str] = (),
) -> Verdict:
    """The verdict on a recording.

    heard: all that its windows gave, in recording time. speech: where the detector heard some; None when nobody
    listened for it. Words up to half a second apart count as one stretch: a breath is not a gap.
    """
    heard = list(heard)
    covers = merged(words_or_segments(segments), within=CLOSE)
    seconds = None if speech is None else total(speech)
    covered = sum(total(clipped(speech or (), cover)) for cover in covers)
    return Verdict(
        coverage=round(min(1.0, covered / seconds), 4) if seconds else None,
        speech=None if seconds is None else round(seconds, 3),
        gaps=tuple(gaps(speech or (), covers, GAP)),
        loops=sum(h.loops for h in heard),
        guessed=sum(word.placed == "interpolated" for s in segments for word in s.words),
        complete=complete,
        notes=tuple(notes),
        dropped=tuple(d for h in heard for d in h.dropped),
    )


def language_of(segments: Iterable[Segment]) -> str | None:
    """The language most of the time was spoken in."""
    seconds: dict[str, Seconds] = defaultdict(float)
    for segment in segments:
        if segment.language is not None:
            seconds[segment.language] += segment.duration
    return max(seconds, key=lambda code: seconds[code], default=None)
