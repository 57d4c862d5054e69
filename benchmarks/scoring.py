"""Word error rates as counts that add, after Whisper's English normalizer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True, slots=True)
class Counts:
    """Substituted, deleted and inserted words, and how many the reference has."""

    s: int = 0
    d: int = 0
    i: int = 0
    n: int = 0

    @property
    def wer(self) -> float:
        """Percent."""
        return 100 * (self.s + self.d + self.i) / max(1, self.n)

    @property
    def given(self) -> int:
        """Words that were written."""
        return self.n - self.d + self.i

    @property
    def coverage(self) -> float:
        """Words that were written over words of the reference, percent."""
        return 100 * self.given / max(1, self.n)

    @property
    def left_out(self) -> float:
        """Words of the reference for which none was written, percent."""
        return 100 * self.d / max(1, self.n)

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.s + other.s, self.d + other.d, self.i + other.i, self.n + other.n)

    def __str__(self) -> str:
        errors = f"{self.s} substituted, {self.d} deleted, {self.i} inserted of {self.n}"
        return f"{self.wer:.2f} % ({errors}), coverage {self.coverage:.1f} %"


def counts(reference: str, heard: str) -> Counts:
    """The errors of one recording; without words in the reference everything heard is inserted."""
    import jiwer

    wanted, got = normal(reference), normal(heard)
    if not wanted or not got:
        return Counts(d=len(wanted.split()), i=len(got.split()), n=len(wanted.split()))
    out = jiwer.process_words(wanted, got)
    return Counts(out.substitutions, out.deletions, out.insertions, len(wanted.split()))


def pooled(rows: Iterable[Counts]) -> Counts:
    """All errors over all words."""
    return sum(rows, Counts())


def spoken(srt: Path) -> str:
    """The text of an SRT file."""
    blocks = _BLOCK.split(srt.read_text(encoding="utf-8-sig").replace("\r\n", "\n").strip())
    return " ".join(" ".join(block.split("\n")[2:]) for block in blocks)


def normal(text: str) -> str:
    """The text as it is compared: lower case, no punctuation, numbers and spellings in one form."""
    out: str = _normalizer()(text)
    return out


@cache
def _normalizer() -> Any:
    from whisper_normalizer.english import EnglishTextNormalizer

    return EnglishTextNormalizer()
