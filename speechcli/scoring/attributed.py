"""Words with their speakers against a reference: cpWER and tcpWER, by meeteval.

cpWER (Watanabe et al. 2020): all that a speaker says is put together, and found speakers are matched with true ones as
is best. tcpWER (von Neumann et al. 2023): a word counts as right only near its time. meeteval is a source package that
needs a C++ compiler; nothing else here needs it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from types import ModuleType
from typing import Any, Final

from speechcli.core.span import Seconds
from speechcli.core.transcript import Segment, joined
from speechcli.errors import DataError, UnavailableError
from speechcli.scoring.normal import INSTALL_ALL, normal
from speechcli.scoring.rates import Rate

MOST: Final = 20  # speakers that meeteval takes; more are a mistake of the input, it says
_LOGGERS = ("preprocess", "time_constrained", "error_rate")  # meeteval's


def cpwer(reference: Iterable[Segment], found: Iterable[Segment], normalizer: str = "english") -> Rate:
    """Words substituted, deleted and inserted, each speaker's words in order of time and normalised as one text.

    Segments without a speaker are those of one nobody knows. Raises UsageError for an unknown normaliser, DataError for
    more than MOST speakers, UnavailableError without meeteval.
    """
    score = meeteval().wer.cp_word_error_rate
    wanted, got = _texts(reference, normalizer), _texts(found, normalizer)
    _few_enough(wanted, got)
    if not wanted or not got:
        return _alone(wanted.values(), got.values())
    return _rate(score(wanted, got, reference_sort=False, hypothesis_sort=False))


def tcpwer(
    reference: Iterable[Segment], found: Iterable[Segment], normalizer: str = "english", collar: Seconds = 5.0
) -> Rate:
    """As `cpwer`, but words match only within `collar` seconds; each segment is normalised by itself.

    The times of words inside a segment are meeteval's guess by their letters: in the reference as long as they are, in
    what was found the middle of each. Raises as `cpwer`.
    """
    score = meeteval().wer.time_constrained_minimum_permutation_word_error_rate
    wanted, got = _rows(reference, normalizer), _rows(found, normalizer)
    _few_enough({row["speaker"] for row in wanted}, {row["speaker"] for row in got})
    if not wanted or not got:
        return _alone((row["words"] for row in wanted), (row["words"] for row in got))
    segments = meeteval().io.SegLST
    return _rate(score(segments(wanted), segments(got), collar=collar))


def by_speaker(segments: Iterable[Segment]) -> list[Segment]:
    """By their starts, a segment parted where its words have other speakers than it has."""
    out: list[Segment] = []
    for segment in segments:
        runs = [(who, tuple(own)) for who, own in groupby(segment.words, key=lambda w: w.speaker or segment.speaker)]
        if len(runs) < 2 and (not runs or runs[0][0] == segment.speaker):
            out.append(segment)
            continue
        for who, own in runs:
            start, end = min(word.start for word in own), max(word.end for word in own)
            out.append(Segment(start, end, joined(own), own, who))
    return sorted(out, key=lambda segment: segment.start)


def meeteval() -> ModuleType:
    """The package, which keeps its warnings to itself. Raises UnavailableError."""
    try:
        import meeteval.io
        import meeteval.wer
    except ImportError as error:
        raise UnavailableError(
            "meeteval is not installed: a source package that needs a C++ compiler; all but cpwer and tcpwer works",
            INSTALL_ALL,
        ) from error
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    module: ModuleType = meeteval
    return module


def _texts(segments: Iterable[Segment], normalizer: str) -> dict[str, str]:
    said: dict[str, list[str]] = {}
    for segment in by_speaker(segments):
        said.setdefault(segment.speaker or "", []).append(segment.text)
    texts = {speaker: normal(" ".join(texts), normalizer) for speaker, texts in said.items()}
    return {speaker: text for speaker, text in texts.items() if text}


def _rows(segments: Iterable[Segment], normalizer: str) -> list[dict[str, Any]]:
    """As meeteval's SegLST has them."""
    rows = [
        {"speaker": s.speaker or "", "start_time": s.start, "end_time": s.end, "words": normal(s.text, normalizer)}
        for s in by_speaker(segments)
    ]
    return [row for row in rows if row["words"]]


def _few_enough(wanted: Mapping[str, str] | set[str], got: Mapping[str, str] | set[str]) -> None:
    for who, speakers in (("the reference", wanted), ("the transcript", got)):
        if len(speakers) > MOST:
            raise DataError(f"{who} has {len(speakers)} speakers and meeteval takes {MOST}")


def _alone(wanted: Iterable[str], got: Iterable[str]) -> Rate:
    """Where one side says nothing."""
    deleted, inserted = (sum(len(text.split()) for text in texts) for texts in (wanted, got))
    return Rate((("substituted", 0), ("deleted", deleted), ("inserted", inserted)), deleted)


def _rate(score: Any) -> Rate:
    parts: Sequence[tuple[str, int]] = (
        ("substituted", score.substitutions),
        ("deleted", score.deletions),
        ("inserted", score.insertions),
    )
    return Rate(tuple((name, int(count)) for name, count in parts), int(score.length))
