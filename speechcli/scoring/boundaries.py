"""How far the edges of words lie from where a reference has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from speechcli.core.span import to_ms
from speechcli.core.transcript import Word
from speechcli.scoring.rates import Rate
from speechcli.scoring.tokens import Tokens, tokens
from speechcli.scoring.words import pairs

WITHIN: Final = (20, 50, 100, 200)  # ms


@dataclass(frozen=True, slots=True)
class Summary:
    """Of distances in milliseconds, either way: half of them are below the median, one in twenty above p95.

    bias: the median with its sign; below zero: too early. within: for each of WITHIN the share of edges, 0..1.
    """

    median: float
    mean: float
    p95: float
    bias: float
    within: tuple[tuple[int, float], ...]


def boundary(
    reference: Sequence[Word], found: Sequence[Word], normalizer: str = "english"
) -> tuple[Rate, tuple[int, ...]]:
    """Distances of the edges of words that both have, and their sum over their number.

    Words are paired as by `wer`: those that are equal after the normaliser. Where it makes one of several ("twenty
    five": 25) the outer edges are compared; "I'm" and "I am" are left out. The distances are in ms, start and end in
    turn, above zero where what was found is late.
    """
    distances: list[int] = []
    for wanted, got in _paired(reference, found, normalizer):
        distances.append(to_ms(found[got[0]].start) - to_ms(reference[wanted[0]].start))
        distances.append(to_ms(found[got[1] - 1].end) - to_ms(reference[wanted[1] - 1].end))
    return Rate((("distance", sum(map(abs, distances))),), len(distances)), tuple(distances)


def paired_share(reference: Sequence[Word], found: Sequence[Word], normalizer: str = "english") -> float | None:
    """The share of the reference's words whose edges are compared, 0..1; None without words."""
    if not reference:
        return None
    return sum(last - first for (first, last), _ in _paired(reference, found, normalizer)) / len(reference)


def summary(distances: Sequence[int]) -> Summary | None:
    """None without distances."""
    if not distances:
        return None
    signed = np.asarray(distances, dtype=np.float64)
    off = np.abs(signed)
    return Summary(
        median=float(np.median(off)),
        mean=float(off.mean()),
        p95=float(np.percentile(off, 95)),
        bias=float(np.median(signed)),
        within=tuple((most, float((off <= most).mean())) for most in WITHIN),
    )


def _paired(
    reference: Sequence[Word], found: Sequence[Word], normalizer: str
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Spans of words of both sides that say the same, token by token."""
    wanted, got = (tokens([f" {word.text.strip()}" for word in row], normalizer) for row in (reference, found))
    partner = {
        pair.reference: pair.heard
        for pair in pairs(wanted.texts, got.texts)
        if pair.equal and pair.reference is not None and pair.heard is not None
    }
    theirs = dict(_groups(got))
    out = []
    for span, (first, last) in _groups(wanted):
        at = partner.get(first)
        if at is None or any(partner.get(first + i) != at + i for i in range(last - first)):
            continue
        heard = got.spans[at]
        if theirs.get(heard) == (at, at + last - first):
            out.append((span, heard))
    return out


def _groups(row: Tokens) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Spans of words, and of the tokens that come from them."""
    out: list[tuple[tuple[int, int], tuple[int, int]]] = []
    for place, span in enumerate(row.spans):
        if out and out[-1][0] == span:
            out[-1] = (span, (out[-1][1][0], place + 1))
        else:
            out.append((span, (place, place + 1)))
    return out
