"""What is said about speech that is still going on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from speechcli.core.span import Span
from speechcli.core.transcript import Word, joined


@dataclass(frozen=True, slots=True)
class Partial(Span):
    """All that was heard since the last final, and may still change; the next event takes its place.

    id: that the next final will have. words: never empty; the span is theirs.
    """

    id: int
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        return joined(self.words)


@dataclass(frozen=True, slots=True)
class Final(Span):
    """Words that will not change any more; those of one final follow those of the one before in time.

    id: counted from 0. words: never empty; the span is theirs. ends: whether what was being said ends here (a pause, or
    the longest utterance); else the next final goes on in the middle of it. language: ISO 639-1, where known.
    """

    id: int
    words: tuple[Word, ...]
    language: str | None = None
    ends: bool = False

    @property
    def text(self) -> str:
        return joined(self.words)


@dataclass(frozen=True, slots=True)
class Missed(Span):
    """Sound that nobody transcribed, and why, for people: "the model is too slow"."""

    reason: str


Event: TypeAlias = Partial | Final | Missed
