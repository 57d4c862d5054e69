"""Which words of a row the tokens of its normalised text come from, though normalisers merge, split and drop words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from speechcli.scoring.normal import normal


@dataclass(frozen=True, slots=True)
class Tokens:
    """A normalised text in tokens. spans: for each the words `[first, last)` of the row that it comes from.

    Both ends of the spans never fall. Tokens of one word share it ("won't": will, not); a token of several words has
    them all ("twenty five": 25).
    """

    texts: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


def tokens(words: Sequence[str], normalizer: str, text: str | None = None) -> Tokens:
    """words: with the blanks between them, so that joined they are the text; text: where something else joins them.

    Each word is normalised alone too. Where the whole says the same, a token is that word's; where it does not, the
    tokens between two that agree are of all the words between them.
    """
    from rapidfuzz.distance import Levenshtein

    whole = normal("".join(words) if text is None else text, normalizer).split()
    known: dict[str, list[str]] = {}
    alone: list[str] = []
    owners: list[int] = []
    for place, word in enumerate(words):
        if word not in known:
            known[word] = normal(word, normalizer).split()
        alone += known[word]
        owners += [place] * len(known[word])
    spans: list[tuple[int, int]] = []
    for agrees, blocks in groupby(Levenshtein.opcodes(alone, whole), key=lambda block: block.tag == "equal"):
        row = list(blocks)
        own = owners[row[0].src_start : row[-1].src_end]
        if agrees:
            spans += [(owner, owner + 1) for owner in own]
        else:
            before = owners[row[0].src_start - 1] if row[0].src_start else 0  # for tokens that come of nothing
            span = (own[0], own[-1] + 1) if own else (before, before + 1)
            spans += [span] * (row[-1].dest_end - row[0].dest_start)
    return Tokens(tuple(whole), tuple(spans))
