"""Who spoke when against a reference: the diarization error rate, by pyannote.metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from speechcli.core.span import Seconds, Span
from speechcli.core.transcript import Turn
from speechcli.errors import UnavailableError
from speechcli.scoring.normal import INSTALL
from speechcli.scoring.rates import Rate

PARTS = {"missed": "missed detection", "false alarm": "false alarm", "confusion": "confusion"}


def der(reference: Iterable[Turn], found: Iterable[Turn], scored: Seconds | Sequence[Span], collar: Seconds) -> Rate:
    """Speaker-seconds missed, invented and given to another speaker, overlapped speech included.

    scored: how long the recording is, or the stretches of it that count (a UEM). collar: seconds before and after each
    edge of a reference turn that do not count, as md-eval and dscore have it; pyannote's own is both together. Turns of
    one speaker that overlap count both, as on pyannote's command line. Raises UnavailableError without it.
    """
    try:
        from pyannote.core import Segment, Timeline
        from pyannote.metrics.diarization import DiarizationErrorRate
    except ImportError as error:
        raise UnavailableError("pyannote.metrics is not installed", INSTALL) from error

    spans = [Span(0.0, scored)] if isinstance(scored, (int, float)) else scored
    whole = Timeline([Segment(span.start, span.end) for span in spans])
    metric = DiarizationErrorRate(collar=2 * collar, skip_overlap=False)
    parts = metric(_annotation(reference), _annotation(found), uem=whole, detailed=True)
    return Rate(tuple((name, float(parts[theirs])) for name, theirs in PARTS.items()), float(parts["total"]))


def _annotation(turns: Iterable[Turn]) -> Any:
    from pyannote.core import Annotation, Segment

    out = Annotation()
    for track, turn in enumerate(turns):
        if turn.duration > 0:
            out[Segment(turn.start, turn.end), track] = turn.speaker
    return out
