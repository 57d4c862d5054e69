"""What every score is made of: wrong over right, as counts that add. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Metric: TypeAlias = Literal["wer", "cer", "cpwer", "tcpwer", "der", "boundary"]

METRICS: Final[dict[Metric, str]] = {
    "wer": "word error rate",
    "cer": "character error rate",
    "cpwer": "word error rate with speakers (concatenated, the best permutation)",
    "tcpwer": "word error rate with speakers and times (time-constrained cpWER)",
    "der": "diarization error rate",
    "boundary": "how far off the edges of words are",
}


@dataclass(frozen=True, slots=True)
class Rate:
    """Errors of one recording, or of several: sums add, and a rate is made of the sums.

    parts: the kinds of error and how much of each ("substituted", 3); of words, of characters, or of seconds. length:
    of the reference, in the same unit. For "boundary": one part, the summed distance in milliseconds, over the number
    of edges compared.
    """

    parts: tuple[tuple[str, float], ...]
    length: float

    @property
    def errors(self) -> float:
        return sum(amount for _, amount in self.parts)

    @property
    def value(self) -> float | None:
        """Errors over length; None where the reference has nothing.

        >>> Rate((("substituted", 1), ("deleted", 1)), 8).value
        0.25
        """
        return self.errors / self.length if self.length else None

    def __add__(self, other: Rate) -> Rate:
        mine, its = dict(self.parts), dict(other.parts)
        names = dict.fromkeys((*mine, *its))
        return Rate(tuple((n, mine.get(n, 0) + its.get(n, 0)) for n in names), self.length + other.length)


def pooled(rates: Iterable[Rate]) -> Rate:
    """All errors over all lengths."""
    return sum(rates, Rate((), 0))
