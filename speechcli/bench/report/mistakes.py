"""The errors themselves: word by word with what stands around them, and which come again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from speechcli.bench.result import Result, Run
from speechcli.scoring.words import aligned

Pair: TypeAlias = tuple[str, str]  # what was said, what was heard; "" where one has nothing
Piece: TypeAlias = str | Pair  # words on which both agree, or an error

CONTEXT: Final = 4  # words shown each side of an error
BUDGET: Final = 1_500_000  # characters of snippets in a page, however many recordings there are
_LONGEST: Final = 160  # characters of a word: text without blanks is one
_MOST: Final = 8  # confusions of a kind


@dataclass(frozen=True, slots=True)
class Mistakes:
    """Of one system on one recording. snippets: stretches of text around errors; left_out: errors beyond the budget."""

    system: str
    recording: str
    snippets: tuple[tuple[Piece, ...], ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Often:
    """What a system gets wrong most often, with how often, from often to seldom."""

    system: str
    substituted: tuple[tuple[Pair, int], ...]
    deleted: tuple[tuple[str, int], ...]
    inserted: tuple[tuple[str, int], ...]


def mistakes(result: Result, budget: int = BUDGET) -> tuple[list[Mistakes], list[Often]]:
    """Of all systems on all recordings that have a reference. Raises UnavailableError without jiwer.

    Recordings with fewer errors are shown whole, and all others to the same length, so that the sum is in the budget.
    """
    found: list[Mistakes] = []
    often: list[Often] = []
    for system in result.systems:
        counts = Counter[Pair]()
        for run in system.runs:
            if run.error or not run.reference:
                continue
            pieces = list(_pieces(run))
            counts.update(piece for piece in pieces if not isinstance(piece, str))
            found.append(Mistakes(system.name, run.recording, tuple(_snippets(pieces))))
        often.append(_often(system.name, counts))
    most = _share([_size(m.snippets) for m in found], budget)
    return [_cut(m, most) for m in found], often


def _pieces(run: Run) -> Iterator[Piece]:
    """The texts are normalised already."""
    for kind, said, heard in aligned(run.reference, run.text, "none"):
        if kind == "equal":
            yield " ".join(map(_short, said))
        elif kind == "substituted":
            yield from zip(map(_short, said), map(_short, heard), strict=True)
        else:
            yield from ((_short(word), "") for word in said)
            yield from (("", _short(word)) for word in heard)


def _snippets(pieces: Sequence[Piece]) -> Iterator[tuple[Piece, ...]]:
    """Errors with at most CONTEXT words each side; long agreement parts one snippet from the next."""
    snippet: list[Piece] = []
    for place, piece in enumerate(pieces):
        if not isinstance(piece, str):
            snippet.append(piece)
            continue
        words = piece.split(" ")
        first, last = place == 0, place == len(pieces) - 1
        if not first and not last and len(words) <= 2 * CONTEXT:
            snippet.append(piece)
            continue
        if not first:
            tail = len(words) > CONTEXT
            snippet.append(" ".join(words[:CONTEXT]) + (" …" if tail else ""))
            yield tuple(snippet)
            snippet = []
        if not last:
            snippet = [("… " if len(words) > CONTEXT else "") + " ".join(words[-CONTEXT:])]
    if any(not isinstance(piece, str) for piece in snippet):
        yield tuple(snippet)


def _often(system: str, counts: Counter[Pair]) -> Often:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Often(
        system,
        tuple((pair, n) for pair, n in ranked if pair[0] and pair[1])[:_MOST],
        tuple((said, n) for (said, heard), n in ranked if not heard)[:_MOST],
        tuple((heard, n) for (said, heard), n in ranked if not said)[:_MOST],
    )


def _size(snippets: Sequence[Sequence[Piece]]) -> int:
    """Characters, with those of JSON around them."""
    return sum(4 + sum(len(p) + 3 if isinstance(p, str) else len(p[0]) + len(p[1]) + 8 for p in s) for s in snippets)


def _share(sizes: Sequence[int], budget: int) -> int:
    """What each may take at most so that all together stay in the budget.

    >>> _share([10, 100, 100], 110)
    50
    """
    left, most = budget, max(sizes, default=0)
    for n, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - n)
        if size > share:
            return share
        left -= size
    return most


def _cut(found: Mistakes, most: int) -> Mistakes:
    """The first snippets that fit, and how many errors the others have."""
    kept: list[tuple[Piece, ...]] = []
    size = left_out = 0
    for snippet in found.snippets:
        size += _size([snippet])
        if size <= most:
            kept.append(snippet)
        else:
            left_out += sum(not isinstance(piece, str) for piece in snippet)
    return Mistakes(found.system, found.recording, tuple(kept), left_out)


def _short(word: str) -> str:
    return word if len(word) <= _LONGEST else word[: _LONGEST - 1] + "…"
