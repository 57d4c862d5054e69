"""Two rows of words, side by side: a text and what was heard of it. Linear in their length.

Runs of words that occur once in both are chained (Bram Cohen's patience diff), what lies between two of them is
looked at again with shorter runs, and what is small enough is compared word by word, by spelling. Nothing larger than
`SMALL` pairs is ever compared with everything.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from rapidfuzz.distance import Indel

from speechcli.timeline.sounding import sound_alike

SMALL = 4096  # pairs of words that may be compared each with each,
TINY = 64  # and that are, without a look for longer runs
CORNER = 24  # words at the edge of what is not small, where it may still agree with its neighbours
STRIDE = 48  # words that are compared at once where a text repeats itself, so that no run of it occurs once
GOES_ON = 0.6  # of them agree on both sides, or it is no such text
RUNS = (8, 5, 3, 2, 1)  # words of a run that is looked for, the surest first
NEARBY = 400  # words around which a run of two is worth something
FEW = 3  # words so few that one alone is looked for in a long row
DEEP = 16  # times that a gap is divided
ALIKE = 0.65  # spelling, from where on two words are one that was heard or written wrongly
ALIKE_JOINED = 0.85  # "every one" and "everyone"
JOIN = 0.3  # what it costs to take two words for one
SKIP = -0.5  # a word without a partner
ASIDE = 0.3  # what it costs a pair to lie far from both corners of a gap: better one part missing than two
MIXED = -0.6  # two words in the same place that are not alike: less than two words without partners

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class Block:
    """Words [text, text_stop) of the text beside words [heard, heard_stop) of what was heard.

    worth: above 0 where they are the same word, or nearly; SKIP or MIXED where they are not or one side is empty.
    """

    text: int
    text_stop: int
    heard: int
    heard_stop: int
    worth: float

    @property
    def agrees(self) -> bool:
        return self.worth > 0


def likeness(first: str, second: str) -> float:
    """How alike two words are spelled, 0..1: the share of letters that both have, in order.

    >>> likeness("okay", "ok") > ALIKE, likeness("cat", "dog")
    (True, 0.0)
    """
    return Indel.normalized_similarity(first, second)


def side_by_side(text: Sequence[str], heard: Sequence[str]) -> list[Block]:
    """All words of both in order, each in one block."""
    numbers: dict[str, int] = {}
    a = [numbers.setdefault(word, len(numbers)) for word in text]
    b = [numbers.setdefault(word, len(numbers)) for word in heard]
    out: list[Block] = []
    at, beside = 0, 0
    for i, j, n in [*_chain(a, b), (len(a), len(b), 0)]:
        out += _between(text, heard, _Gap(at, i, beside, j))
        out += [Block(i + k, i + k + 1, j + k, j + k + 1, weight(text[i + k])) for k in range(n)]
        at, beside = i + n, j + n
    return out


def weight(word: str) -> float:
    """What it says when this word is on both sides: short ones are on every page."""
    return min(1.0, 0.25 + 0.15 * len(word)) if word.isascii() else 1.0


@dataclass(frozen=True, slots=True)
class _Gap:
    """Words [a, a_stop) of the text and [b, b_stop) of what was heard, not yet compared."""

    a: int
    a_stop: int
    b: int
    b_stop: int

    @property
    def empty(self) -> bool:
        return self.a == self.a_stop or self.b == self.b_stop

    @property
    def pairs(self) -> int:
        return (self.a_stop - self.a) * (self.b_stop - self.b)

    @property
    def lopsided(self) -> bool:
        """Much is missing on one side, and a run that comes again in it is not to be told by itself."""
        sides = self.a_stop - self.a, self.b_stop - self.b
        return max(sides) > 1.5 * min(sides)


def _chain(a: Sequence[int], b: Sequence[int]) -> list[tuple[int, int, int]]:
    """Runs (i, j, n) of equal words, in the order of both."""
    out: list[tuple[int, int, int]] = []
    todo = [(_Gap(0, len(a), 0, len(b)), 0)]
    while todo:
        gap, depth = todo.pop()
        if gap.empty:
            continue
        runs = list(_ends(a, b, gap)) if depth else []
        out += runs
        rest = _without(gap, runs)
        if rest.pairs <= TINY or (rest.pairs <= SMALL and rest.lopsided) or depth == DEEP:
            continue
        found = _runs(a, b, rest)
        out += found
        edges = [(rest.a, rest.b, 0), *found, (rest.a_stop, rest.b_stop, 0)]
        if found:
            todo += [(_Gap(i + n, k, j + n, m), depth + 1) for (i, j, n), (k, m, _) in pairwise(edges)]
    return sorted(out)


def _ends(a: Sequence[int], b: Sequence[int], gap: _Gap) -> Iterator[tuple[int, int, int]]:
    """The equal words with which a gap begins, and those with which it ends: its neighbours go on."""
    most = min(gap.a_stop - gap.a, gap.b_stop - gap.b)
    head = 0
    while head < most and a[gap.a + head] == b[gap.b + head]:
        head += 1
    tail = 0
    while tail < most - head and a[gap.a_stop - 1 - tail] == b[gap.b_stop - 1 - tail]:
        tail += 1
    if head:
        yield gap.a, gap.b, head
    if tail:
        yield gap.a_stop - tail, gap.b_stop - tail, tail


def _without(gap: _Gap, ends: Sequence[tuple[int, int, int]]) -> _Gap:
    a, a_stop, b, b_stop = gap.a, gap.a_stop, gap.b, gap.b_stop
    for i, j, n in ends:
        if i == a and j == b:
            a, b = a + n, b + n
        else:
            a_stop, b_stop = i, j
    return _Gap(a, a_stop, b, b_stop)


def _runs(a: Sequence[int], b: Sequence[int], gap: _Gap) -> list[tuple[int, int, int]]:
    """The longest chain of runs that occur once on both sides; of the longest kind of run that there is."""
    for n in RUNS:
        sides = gap.a_stop - gap.a, gap.b_stop - gap.b
        if n == 1 and (gap.pairs <= SMALL or min(sides) > FEW):
            break
        if n == 2 and (gap.pairs <= SMALL or max(sides) > NEARBY):
            continue
        ours, theirs = _once(a, gap.a, gap.a_stop, n), _once(b, gap.b, gap.b_stop, n)
        pairs = [(i, theirs[run]) for run, i in ours.items() if i >= 0 and theirs.get(run, -1) >= 0]
        if pairs:
            return _joined(rising(pairs), n)
    return []


def _once(words: Sequence[int], first: int, stop: int, n: int) -> dict[tuple[int, ...], int]:
    """Where each run of n words begins, -1 for those that occur again; in order."""
    seen: dict[tuple[int, ...], int] = {}
    for i in range(first, stop - n + 1):
        run = tuple(words[i : i + n])
        seen[run] = -1 if run in seen else i
    return seen


def rising(pairs: Sequence[tuple[int, _Number]]) -> list[tuple[int, _Number]]:
    """The longest part of `pairs`, sorted by the first, in which the second rises too."""
    ends: list[_Number] = []  # the least second number that a chain of each length ends with
    where: list[int] = []
    before: list[int] = []
    for k, (_, j) in enumerate(pairs):
        length = bisect_left(ends, j)
        before.append(where[length - 1] if length else -1)
        if length == len(ends):
            ends.append(j)
            where.append(k)
        else:
            ends[length], where[length] = j, k
    out: list[tuple[int, _Number]] = []
    k = where[-1] if where else -1
    while k >= 0:
        out.append(pairs[k])
        k = before[k]
    return out[::-1]


def _joined(pairs: Sequence[tuple[int, int]], n: int) -> list[tuple[int, int, int]]:
    """Runs of n words that overlap on both sides alike made one; of others that overlap the first is kept."""
    out: list[tuple[int, int, int]] = []
    for i, j in pairs:
        if out:
            p, q, m = out[-1]
            if i - p == j - q and i <= p + m:
                out[-1] = (p, q, i - p + n)
                continue
            if i < p + m or j < q + m:
                continue
        out.append((i, j, n))
    return out


def _between(text: Sequence[str], heard: Sequence[str], gap: _Gap) -> Iterator[Block]:
    """What two runs have between them; where that is much, it is followed as long as it agrees, then its corners."""
    if gap.pairs <= SMALL:
        yield from _compared(text, heard, gap)
        return
    if blocks := _step(text, heard, gap):
        while blocks:
            yield from blocks
            gap = _Gap(blocks[-1].text_stop, gap.a_stop, blocks[-1].heard_stop, gap.b_stop)
            blocks = _step(text, heard, gap) if gap.pairs > SMALL else []
        yield from _between(text, heard, gap)
        return
    wide, high = min(CORNER, (gap.a_stop - gap.a) // 2), min(CORNER, (gap.b_stop - gap.b) // 2)
    inner = _Gap(gap.a + wide, gap.a_stop - wide, gap.b + high, gap.b_stop - high)
    yield from _compared(text, heard, _Gap(gap.a, inner.a, gap.b, inner.b))
    yield from _alone(inner)
    yield from _compared(text, heard, _Gap(inner.a_stop, gap.a_stop, inner.b_stop, gap.b_stop))


def _step(text: Sequence[str], heard: Sequence[str], gap: _Gap) -> list[Block]:
    """How a gap begins, if it agrees there, up to words that are the same: a prayer said again has no other hold."""
    near = _Gap(gap.a, min(gap.a + STRIDE, gap.a_stop), gap.b, min(gap.b + STRIDE, gap.b_stop))
    blocks = _compared(text, heard, near)
    stop = max((k for k, b in enumerate(blocks, 1) if b.agrees and b.text_stop - gap.a <= STRIDE // 2), default=0)
    n_agree = sum(b.agrees for b in blocks[:stop])
    if not stop or n_agree < GOES_ON * max(blocks[stop - 1].text_stop - gap.a, blocks[stop - 1].heard_stop - gap.b):
        return []
    return blocks[:stop]


def _alone(gap: _Gap) -> Iterator[Block]:
    for i in range(gap.a, gap.a_stop):
        yield Block(i, i + 1, gap.b, gap.b, SKIP)
    for j in range(gap.b, gap.b_stop):
        yield Block(gap.a_stop, gap.a_stop, j, j + 1, SKIP)


_MOVES = ((1, 0), (0, 1), (1, 1), (1, 2), (2, 1))
_ONE = (bytes(2), bytes((1, 2)))  # a word beside a word


def _compared(text: Sequence[str], heard: Sequence[str], gap: _Gap) -> list[Block]:
    """The best way to read both side by side, each word compared with each (Needleman and Wunsch 1970)."""
    if gap.empty:
        return list(_alone(gap))
    ours, theirs = text[gap.a : gap.a_stop], heard[gap.b : gap.b_stop]
    m, n = len(ours), len(theirs)
    if m == n == 1:
        return _read_back(text, heard, gap, _ONE)
    best = [[SKIP * j for j in range(n + 1)]]
    came = [bytearray([1]) * (n + 1)]  # which of _MOVES led here
    alike_above = [0.0] * (n + 1)
    for i, word in enumerate(ours, 1):
        above, row, moves = best[-1], [SKIP * i], bytearray(n + 1)
        alike = [0.0, *(Indel.normalized_similarity(word, other) for other in theirs)]
        for j in range(1, n + 1):
            aside = ASIDE * min(1.0, min(abs(i - j), abs(m - i - n + j)) / 16)
            ways = [(above[j] + SKIP, 0), (row[j - 1] + SKIP, 1), (above[j - 1] + _worth(word, alike[j]) - aside, 2)]
            if j > 1 and _one(alike[j], alike[j - 1], word, theirs[j - 2] + theirs[j - 1]):
                ways.append((above[j - 2] + weight(word) - JOIN - aside, 3))
            if i > 1 and _one(alike[j], alike_above[j], ours[i - 2] + word, theirs[j - 1]):
                ways.append((best[-2][j - 1] + weight(word) - JOIN - aside, 4))
            score, moves[j] = max(ways)
            row.append(score)
        best.append(row)
        came.append(moves)
        alike_above = alike
    return _read_back(text, heard, gap, came)


def _read_back(text: Sequence[str], heard: Sequence[str], gap: _Gap, came: Sequence[Sequence[int]]) -> list[Block]:
    out: list[Block] = []
    i, j = gap.a_stop, gap.b_stop
    while i > gap.a or j > gap.b:
        move = came[i - gap.a][j - gap.b] if i > gap.a and j > gap.b else 0 if i > gap.a else 1
        p, q = _MOVES[move]
        worth = SKIP
        if move == 2:
            worth = _worth(text[i - 1], Indel.normalized_similarity(text[i - 1], heard[j - 1]))
        elif move > 2:
            worth = weight(text[i - 1])
        out.append(Block(i - p, i, j - q, j, worth))
        i, j = i - p, j - q
    blocks: list[Block] = []
    for block in reversed(out):
        one = _as_one(text, heard, blocks[-1], block) if blocks else None
        if one is None:
            blocks.append(block)
        else:
            blocks[-1] = one
    return blocks


def _as_one(text: Sequence[str], heard: Sequence[str], first: Block, second: Block) -> Block | None:
    """Two blocks as one, where the word that was heard alone makes the other more alike: "bluejay" and "blue j"."""
    whole, extra = (first, second) if first.agrees else (second, first)
    if not whole.agrees or extra.agrees or extra.text < extra.text_stop:
        return None
    ours = "".join(text[whole.text : whole.text_stop])
    both = "".join(heard[first.heard : second.heard_stop])
    if sound_alike(ours, both) <= sound_alike(ours, "".join(heard[whole.heard : whole.heard_stop])):
        return None
    return Block(whole.text, whole.text_stop, first.heard, second.heard_stop, whole.worth)


def _worth(word: str, alike: float) -> float:
    """What it is worth to read these as the same word; a little more than MIXED where they are not, but nearly."""
    return alike * weight(word) if alike >= ALIKE else MIXED + 0.2 * alike


def _one(alike: float, other: float, ours: str, theirs: str) -> bool:
    """Whether two words of one side are the one of the other, where neither is it alone."""
    if max(alike, other) == 1.0 or not 0.7 < len(ours) / len(theirs) < 1.4:
        return False
    joined = Indel.normalized_similarity(ours, theirs)
    return joined >= ALIKE_JOINED and joined > max(alike, other)
