"""The nouns of a transcript: who said what, and when. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from speechcli.core.span import Seconds, Span

Placed: TypeAlias = Literal["model", "aligner", "interpolated"]
Misfit: TypeAlias = Literal["unspoken", "unwritten"]

COVERAGE_WARNING = 0.60
COVERAGE_FAILED = 0.25
ENOUGH_SPEECH: Seconds = 10.0  # below this much speech, coverage is told and not judged
PLACED_WARNING = 0.90
PLACED_FAILED = 0.25


@dataclass(frozen=True, slots=True)
class Word(Span):
    """One word with the blank before it (`" hello"`), and who or what gave its times."""

    text: str
    confidence: float | None = None  # 0..1
    speaker: str | None = None
    placed: Placed = "model"


@dataclass(frozen=True, slots=True)
class Segment(Span):
    """A stretch of speech of one speaker; its words joined and stripped are its text.

    `words` is empty (the model gave none) or complete, never partly present.
    """

    text: str
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    language: str | None = None  # ISO 639-1
    avg_logprob: float | None = None  # mean log probability of its tokens, where the model tells

    def __post_init__(self) -> None:
        Span.__post_init__(self)
        if self.words and joined(self.words) != self.text:
            raise ValueError(f"the words of a segment must be its text: {self.text!r}")


@dataclass(frozen=True, slots=True)
class Turn(Span):
    """One speaker talking; turns may overlap."""

    speaker: str


@dataclass(frozen=True, slots=True)
class Dropped(Span):
    """Text that a model gave and that was taken out, with the reason."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Voice:
    """How a speaker of one window sounds: what tells whether a speaker of another window is the same person."""

    speaker: str
    seconds: Seconds  # of speech it was made of
    print: tuple[float, ...]  # a direction: prints are compared by their cosine


@dataclass(frozen=True, slots=True)
class Raw(Span):
    """A model's own words about a stretch of recording, before we read them."""

    text: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What one window gave, timed from the start of its audio; what the journal stores.

    Speakers are the window's own ("0", "1"); the recording's are made of them by `timeline.speakers`. cut: the model's
    answer ends there though the sound goes on, and the rest is to be heard again. notes: for the verdict.
    """

    segments: tuple[Segment, ...] = ()
    turns: tuple[Turn, ...] = ()
    language: str | None = None
    dropped: tuple[Dropped, ...] = ()
    loops: int = 0  # repetition loops cut
    cut: Seconds | None = None
    notes: tuple[str, ...] = ()
    voices: tuple[Voice, ...] = ()
    raw: str = ""  # the model's own string


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the making: what did it, with which model."""

    stage: str  # "transcribe", "align", "diarize", "convert"
    engine: str
    model: str
    revision: str = ""  # commit or digest of the weights
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Mismatch(Span):
    """Where a text and its recording do not agree.

    kind: "unspoken" when nobody says this of the text, "unwritten" when somebody speaks and the text has nothing; text
    is then what was heard, as far as that is known.
    """

    text: str
    kind: Misfit


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a text was found in its recording.

    placed: share of its words that the aligner placed, 0..1. confidence: the median of theirs, 0..1.
    """

    placed: float
    confidence: float | None = None
    mismatches: tuple[Mismatch, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far the transcript can be trusted.

    fit: where a given text was aligned, which is then what is judged.
    coverage: seconds of words over seconds of speech heard, 0..1; None without speech.
    gaps: where speech was heard and no text came. guessed: words timed by interpolation.
    complete: False when the file is cut short. notes: everything else worth a line.
    """

    coverage: float | None = None
    speech: Seconds | None = None
    gaps: tuple[Span, ...] = ()
    loops: int = 0
    guessed: int = 0
    complete: bool = True
    notes: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    fit: Fit | None = None

    @property
    def status(self) -> Literal["ok", "warning", "failed"]:
        if self.fit is not None:
            if self.fit.placed < PLACED_FAILED:
                return "failed"
            if self.fit.placed < PLACED_WARNING:
                return "warning"
        elif self.coverage is not None and (self.speech or 0.0) >= ENOUGH_SPEECH:
            if self.coverage < COVERAGE_FAILED:
                return "failed"
            if self.coverage < COVERAGE_WARNING:
                return "warning"
        return "warning" if not self.complete or self.notes else "ok"


@dataclass(frozen=True, slots=True)
class Transcript:
    """The whole answer for one recording; what is not known is empty."""

    source: str  # name of the recording, without folders
    duration: Seconds
    segments: tuple[Segment, ...] = ()
    turns: tuple[Turn, ...] = ()
    language: str | None = None
    verdict: Verdict = Verdict()
    made_by: tuple[Stage, ...] = ()
    recording: tuple[tuple[str, str], ...] = ()  # facts about the input: track, fingerprint, ...
    raw: tuple[Raw, ...] = ()  # kept when asked for

    @property
    def text(self) -> str:
        """All segments, one a line."""
        return "\n".join(segment.text for segment in self.segments)

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Speakers in the order of their first appearance, in segments and turns."""
        spans: list[Segment | Turn] = sorted((*self.segments, *self.turns), key=lambda s: s.start)
        return tuple(dict.fromkeys(s.speaker for s in spans if s.speaker is not None))


def joined(words: tuple[Word, ...]) -> str:
    """The text of a row of words."""
    return "".join(word.text for word in words).strip()
