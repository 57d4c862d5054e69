"""All that can be said of a transcript beside its reference, and why the rest cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Final, get_args

from speechcli.core.span import Seconds, Span, uncovered
from speechcli.core.transcript import Segment, Transcript, Turn, Word, joined
from speechcli.errors import SpeechcliError, UsageError
from speechcli.scoring import boundaries, words
from speechcli.scoring.normal import INSTALL, INSTALL_ALL, normal, normalizer
from speechcli.scoring.rates import METRICS, Metric, Rate
from speechcli.scoring.references import Reference
from speechcli.timeline.turns import known

_NEEDS: Final[dict[Metric, tuple[str, ...]]] = {
    "wer": ("jiwer",),
    "cer": ("jiwer",),
    "cpwer": ("meeteval",),
    "tcpwer": ("meeteval",),
    "der": ("pyannote.metrics",),
    "boundary": ("jiwer",),
}
_FEW_WORDS = 5  # below this many nothing is said of whose reference it is
_STRANGE = 0.9  # of the words are wrong
WITHOUT: Final = "the transcript has no"  # begins each line on what no reference can mend
_OF_WORDS = ("transcribe", "align")  # stages that give words


@dataclass(frozen=True, slots=True)
class Options:
    """normalizer: see normal.NORMALIZERS. collar: seconds each side of an edge that DER leaves out. tcp_collar: by how
    much the times of words may differ for tcpWER.
    """

    normalizer: str = "english"
    collar: Seconds = 0.25
    tcp_collar: Seconds = 5.0


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one recording. lacking: metrics that were asked for and cannot be had, and why. text, reference: as compared
    by WER, normalised. distances: ms, of word edges, signed. notes: what is odd, the reference's own notes first.
    """

    rates: Mapping[Metric, Rate]
    lacking: Mapping[Metric, str]
    text: str = ""
    reference: str = ""
    distances: tuple[int, ...] = ()
    notes: tuple[str, ...] = field(default=())


class _Lacking(Exception):
    """Why a metric cannot be had."""


def metrics_of(names: str) -> tuple[Metric, ...]:
    """Metrics by name, parted by commas, each once. Raises UsageError with the names there are.

    >>> metrics_of("WER, der")
    ('wer', 'der')
    """
    out: list[Metric] = []
    for name in filter(None, (name.strip() for name in names.split(","))):
        key = next((metric for metric in get_args(Metric) if metric == name.lower()), None)
        if key is None:
            near = get_close_matches(name.lower(), METRICS, n=1)
            question = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"there is no metric {name!r}", f"{question}there are {', '.join(METRICS)}")
        out.append(key)
    if not out:
        raise UsageError("no metric is named", f"there are {', '.join(METRICS)}")
    return tuple(dict.fromkeys(out))


def available(metrics: Sequence[Metric], name: str = "english") -> tuple[tuple[Metric, ...], tuple[str, ...]]:
    """The metrics whose packages are installed, and a line for each package that is not. name: of the normaliser."""
    normaliser = () if name == "none" else ("whisper_normalizer",)
    lost: dict[str, list[Metric]] = {}
    for metric in metrics:
        for package in (*_NEEDS[metric], *(normaliser if metric != "der" else ())):
            if not _installed(package):
                lost.setdefault(package, []).append(metric)
    without = {metric for row in lost.values() for metric in row}
    return tuple(m for m in metrics if m not in without), tuple(_line(package, row) for package, row in lost.items())


def score(
    transcript: Transcript,
    reference: Reference,
    metrics: Sequence[Metric] = tuple(METRICS),
    options: Options = Options(),
    duration: Seconds | None = None,
) -> Scores:
    """What the reference allows of `metrics`. duration: of the recording, where the transcript does not know it.

    Raises UsageError for an unknown normaliser; everything else that is in the way of a metric stands in `lacking`.
    """
    normalizer(options.normalizer)
    heard = _heard(transcript, reference.ignored)
    edges: list[int] = []

    def boundary() -> Rate:
        rate, distances = boundaries.boundary(*_timed(reference, heard), options.normalizer)
        edges.extend(distances)
        return rate

    ways: dict[Metric, Callable[[], Rate]] = {
        "wer": lambda: words.wer(_text(reference, heard), heard.text, options.normalizer),
        "cer": lambda: words.cer(_text(reference, heard), heard.text, options.normalizer),
        "cpwer": lambda: _cpwer(reference, heard, options),
        "tcpwer": lambda: _tcpwer(reference, heard, options),
        "der": lambda: _der(reference, transcript, options, duration),
        "boundary": boundary,
    }
    rates: dict[Metric, Rate] = {}
    lacking: dict[Metric, str] = {}
    for metric in metrics:
        try:
            rates[metric] = ways[metric]()
        except _Lacking as why:
            lacking[metric] = str(why)
        except SpeechcliError as error:
            lacking[metric] = str(error)
    compared = {"wer", "cer"} & rates.keys()
    return Scores(
        rates=rates,
        lacking=lacking,
        text=normal(heard.text, options.normalizer) if compared else "",
        reference=normal(reference.text or "", options.normalizer) if compared else "",
        distances=tuple(edges),
        notes=(*reference.notes, *_odd(rates.get("wer"), heard, reference, options)),
    )


# --- each metric ---


def _text(reference: Reference, heard: Transcript) -> str:
    if reference.text is None:
        raise _Lacking("the reference has no text")
    if heard.turns and not heard.segments and not any(stage.stage in _OF_WORDS for stage in heard.made_by):
        raise _Lacking(f"{WITHOUT} text")  # who was asked for words, and heard none, has none right
    return reference.text


def _attributed(reference: Reference, heard: Transcript) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    wanted = reference.segments or ()
    _text(reference, heard)
    if reference.text and not wanted:
        raise _Lacking("the reference does not say who said what")
    if unknown := sum(segment.speaker is None for segment in wanted):
        raise _Lacking(f"the reference does not say who said {unknown} of {len(wanted)} segments")
    if heard.segments and not any(segment.speaker or _voices(segment) for segment in heard.segments):
        raise _Lacking(f"{WITHOUT} speakers")
    return wanted, heard.segments


def _voices(segment: Segment) -> bool:
    return any(word.speaker is not None for word in segment.words)


def _cpwer(reference: Reference, heard: Transcript, options: Options) -> Rate:
    from speechcli.scoring.attributed import cpwer

    return cpwer(*_attributed(reference, heard), options.normalizer)


def _tcpwer(reference: Reference, heard: Transcript, options: Options) -> Rate:
    from speechcli.scoring.attributed import tcpwer

    return tcpwer(*_attributed(reference, heard), options.normalizer, options.tcp_collar)


def _der(reference: Reference, transcript: Transcript, options: Options, duration: Seconds | None) -> Rate:
    from speechcli.scoring.speakers import der

    if reference.turns is None:
        raise _Lacking("the reference does not say who speaks when")
    found: tuple[Turn, ...] = known(transcript)
    if not found and transcript.segments:
        raise _Lacking(f"{WITHOUT} speakers")
    end = max((duration or transcript.duration, *(turn.end for turn in reference.turns)))
    scored = uncovered(reference.uem or [Span(0.0, end)], reference.ignored)
    return der(reference.turns, found, scored, options.collar)


def _timed(reference: Reference, heard: Transcript) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
    if not reference.words:
        raise _Lacking("the reference has no times of words")
    if without := sum(not segment.words for segment in heard.segments if segment.text.strip()):
        raise _Lacking(f"{WITHOUT} times of words in {without} of {len(heard.segments)} segments")
    return reference.words, heard.words


def _heard(transcript: Transcript, ignored: Sequence[Span]) -> Transcript:
    """Without what was said in the middle of stretches that do not count, as sclite does."""
    if not ignored:
        return transcript

    def counts(span: Span) -> bool:
        return not any(hole.start <= span.middle < hole.end for hole in ignored)

    segments = []
    for segment in transcript.segments:
        kept = tuple(word for word in segment.words if counts(word))
        if kept and len(kept) < len(segment.words):
            start, end = min(word.start for word in kept), max(word.end for word in kept)
            segments.append(replace(segment, start=start, end=end, text=joined(kept), words=kept))
        elif kept or (not segment.words and counts(segment)):
            segments.append(segment)
    return replace(transcript, segments=tuple(segments))


def _odd(rate: Rate | None, heard: Transcript, reference: Reference, options: Options) -> list[str]:
    notes = []
    if rate is not None:
        parts = dict(rate.parts)
        right = rate.length - parts["substituted"] - parts["deleted"]
        n_heard = right + parts["substituted"] + parts["inserted"]
        if min(rate.length, n_heard) >= _FEW_WORDS and right < (1 - _STRANGE) * rate.length:
            names = ", ".join(path.name for path in reference.files) or "the reference"
            notes.append(f"hardly a word in common with {names}: is this the right reference?")
    if heard.language not in (None, "en") and options.normalizer == "english":
        notes.append(f"the normalizer english is not for {heard.language}: basic is")
    return notes


# --- packages ---


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False


def _line(package: str, metrics: Sequence[Metric]) -> str:
    without = f"no {', '.join(metrics)}: {package} is not installed"
    if package == "meeteval":
        source = "it is a source package that needs a C++ compiler, and all else works without"
        return f"{without} ({INSTALL_ALL}; {source})"
    return f"{without} ({INSTALL})"
