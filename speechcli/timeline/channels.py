"""A recording with a speaker on each channel: the channels' transcripts, each made by itself, become one."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from speechcli.core.span import Seconds, Span, clipped, merged, tidy, uncovered
from speechcli.core.transcript import Segment, Transcript, Turn, Verdict
from speechcli.core.turns import speaker_name
from speechcli.timeline.stitch import split
from speechcli.timeline.turns import BREATH, in_order
from speechcli.timeline.verdict import language_of


def turns_of(speech: Mapping[int, Sequence[Span]], duration: Seconds) -> tuple[Turn, ...]:
    """The turns of those who speak on the channels; a breath does not end one. speech: by channel.

    Speakers are numbered as channels are, by the place on the line and not by who begins.
    """
    bounds = Span(0.0, duration)
    return in_order(
        Turn(tidy(span.start), tidy(span.end), speaker_name(channel))
        for channel, spans in speech.items()
        for span in merged(clipped(spans, bounds), BREATH)
    )


def joined(parts: Mapping[int, Transcript], turns: Sequence[Turn]) -> Transcript:
    """One transcript of those of the channels, at least one, with a speaker each. turns: see `turns_of`.

    A segment is cut where somebody else talks in a pause of its speaker's, so that what is said follows in its order.
    """
    rows: dict[str, list[Turn]] = defaultdict(list)
    for turn in turns:
        rows[turn.speaker].append(turn)
    segments = [
        piece
        for channel, part in parts.items()
        for segment in part.segments
        for piece in _apart(_of(segment, speaker_name(channel)), rows)
    ]
    segments.sort(key=lambda s: (s.start, s.end))
    return replace(
        next(iter(parts.values())),
        segments=tuple(segments),
        turns=tuple(turns),
        language=language_of(segments),
        verdict=_verdict([part.verdict for part in parts.values()]),
        raw=tuple(sorted((raw for part in parts.values() for raw in part.raw), key=lambda raw: raw.start)),
    )


def _of(segment: Segment, speaker: str) -> Segment:
    """What a model that tells speakers took for several on one channel is one."""
    return replace(segment, speaker=speaker, words=tuple(replace(word, speaker=speaker) for word in segment.words))


def _apart(segment: Segment, turns: Mapping[str, Sequence[Turn]]) -> list[Segment]:
    """The segment, cut in those pauses of its speaker in which somebody else talks. turns: each speaker's, in order."""
    near = {speaker: _touching(row, segment) for speaker, row in turns.items()}
    own = near.get(segment.speaker or "", ())
    others = [turn for speaker, row in near.items() if speaker != segment.speaker for turn in row]
    row = [segment]
    for pause in uncovered([segment], own) if others else ():
        if any(pause.overlap(turn) for turn in others):
            row = [piece for one in row for piece in split(one, pause.middle)]
    return row


def _touching(row: Sequence[Turn], span: Span) -> Sequence[Turn]:
    """Those of one speaker's turns, in order, that have a moment of the span."""
    first = bisect_right(row, span.start, key=lambda turn: turn.end)
    return row[first : bisect_left(row, span.end, key=lambda turn: turn.start)]


def _verdict(verdicts: Sequence[Verdict]) -> Verdict:
    """On the recording, of those on its channels: their speech counts, as often as several speak at once."""
    judged = [v for v in verdicts if v.speech is not None]
    speech = sum(v.speech or 0.0 for v in judged)
    covered = sum((v.coverage or 0.0) * (v.speech or 0.0) for v in judged)
    return Verdict(
        coverage=round(covered / speech, 4) if speech else None,
        speech=round(speech, 3) if judged else None,
        gaps=tuple(sorted((gap for v in verdicts for gap in v.gaps), key=lambda gap: (gap.start, gap.end))),
        loops=sum(v.loops for v in verdicts),
        guessed=sum(v.guessed for v in verdicts),
        complete=all(v.complete for v in verdicts),
        notes=tuple(dict.fromkeys(note for v in verdicts for note in v.notes)),
        dropped=tuple(sorted((d for v in verdicts for d in v.dropped), key=lambda d: d.start)),
    )
