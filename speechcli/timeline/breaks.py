"""Where a row of words is cut into captions and lines: sentence before clause before pause before balance.

Both cuts are shortest paths: a break costs what it hurts, and the cheapest row of breaks is taken (the idea is
Knuth and Plass 1981). Costs are in the same arbitrary unit throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import NamedTuple

from speechcli.core.span import Seconds
from speechcli.core.transcript import Segment, Word
from speechcli.timeline.text import breakable, chopped, clean, ends_clause, ends_sentence, pieces, width

PAUSE: Seconds = 1.5  # silence that always ends a caption
SHORT = 8  # columns of a word that looks lost on a line or caption of its own

_SENTENCE, _CLAUSE, _JOINT, _INSIDE, _TIED = 0.0, 25.0, 45.0, 70.0, 100.0  # a break after a sentence, ..., an article
_PAUSED = 40.0  # what half a second of silence makes a break cheaper
_CAPTION = 30.0  # one caption more
_FULLNESS = 30.0  # of a full caption; as a square it makes captions alike
_STRADDLE = 40.0  # the end of one sentence and the beginning of another
_ORPHAN = 90.0
_SLOPE = 0.04  # of a line, per squared column off the ideal
_BOTTOM_HEAVY = 1.0  # columns that upper lines are ideally shorter

# English only: what a clause begins with, and what is not parted from the next word. Other languages break at
# punctuation, pauses and balance.
_BEGINS = frozenset("and but or nor so because although though while when where which who that if unless than".split())
_TIES = frozenset(
    "a an the my your his her its our their this these those of to in on at by for with from into as is are was were "
    "be been not no very i you he she it we they and or but mr. mrs. ms. dr. st.".split()
)


class Atom(NamedTuple):
    """What is never parted: a word with its punctuation. A tuple, because there are millions."""

    text: str
    width: int  # columns
    blank: bool  # whether a blank stands before it
    start: Seconds
    end: Seconds
    words: tuple[Word, ...]


class Limits(NamedTuple):
    """first, width: columns of the first line and of the others. lines, words: at most, words per line."""

    first: int
    width: int
    lines: int
    words: int
    duration: Seconds


def interpolated(segment: Segment) -> tuple[Word, ...]:
    """Words of a segment without any, its time shared by columns."""
    texts = [
        " " * (i == 0) + piece
        for token in clean(segment.text).split(" ")
        if token
        for i, piece in enumerate(pieces(token))
    ]
    return _shared(texts, segment.start, segment.end, segment.speaker)


def atoms(segments: Iterable[Segment], limit: int) -> list[Atom]:
    """The atoms of some segments in a row, none wider than `limit`, their times non-decreasing."""
    out: list[Atom] = []
    for segment in segments:
        parted = True  # from what was before
        for word in segment.words or interpolated(segment):
            text, columns = _measured(word.text)
            if not text:
                parted = True
                continue
            blank = word.text[0].isspace() or (parted and not (out and breakable(out[-1].text[-1], text[0])))
            parted = word.text[-1].isspace()
            last = out[-1] if out else None
            start = word.start if last is None else max(word.start, last.start)
            end = max(word.end, start)
            if last and not blank and last.width + columns <= limit and not breakable(last.text[-1], text[0]):
                words = (*last.words, word)
                out[-1] = Atom(
                    last.text + text, last.width + columns, last.blank, last.start, max(last.end, end), words
                )
            elif columns <= limit:
                out.append(Atom(text, columns, blank, start, end, (word,)))
            else:
                out += _chopped(word.moved(start, end), text, blank, limit)
    return out


def costs(row: Sequence[Atom]) -> list[float]:
    """What a break after each atom costs; nothing after the last."""
    out = [_cost(atom, following) for atom, following in pairwise(row)]
    return [*out, 0.0] if row else []


def captions(row: Sequence[Atom], cost: Sequence[float], limits: Limits) -> list[tuple[int, int]]:
    """The row cut into captions: (first, last + 1) of each. Every caption has lines within the limits."""
    n = len(row)
    if n and _is_one(row, limits):
        return [(0, n)]
    widths = [a.width for a in row]
    blanks = [int(a.blank) for a in row]
    starts = [a.start for a in row]
    ends = [a.end for a in row]
    counts = [len(a.words) for a in row]
    pauses = [i > 0 and starts[i] - ends[i - 1] > PAUSE for i in range(n)]
    closes = [_closing(a.text) == _SENTENCE for a in row]
    fullness = _FULLNESS / (limits.first + limits.width * (limits.lines - 1)) ** 2
    best = [0.0, *[float("inf")] * n]
    came = [0] * (n + 1)
    for i in range(n):
        so_far = best[i] + _CAPTION
        line = used = total = on_line = 0
        room = limits.first
        straddles = False
        latest = starts[i] + limits.duration
        for j in range(i, n):
            wide = widths[j]
            if j > i:
                if pauses[j] or ends[j] > latest:
                    break
                straddles = straddles or closes[j - 1]
                total += blanks[j]
                if used + blanks[j] + wide > room or on_line + counts[j] > limits.words:
                    line += 1
                    if line == limits.lines:
                        break
                    used, on_line, room = wide, counts[j], limits.width
                else:
                    used += blanks[j] + wide
                    on_line += counts[j]
            else:
                used, on_line = wide, counts[j]
            total += wide
            price = so_far + cost[j] + fullness * total * total
            if straddles and not closes[j]:
                price += _STRADDLE
            if j == i and wide < SHORT:
                price += _ORPHAN
            if price < best[j + 1]:
                best[j + 1] = price
                came[j + 1] = i
    cuts = [n]
    while cuts[-1]:
        cuts.append(came[cuts[-1]])
    cuts.reverse()
    return list(pairwise(cuts))


def wrapped(row: Sequence[Atom], cost: Sequence[float], limits: Limits) -> tuple[str, ...]:
    """The lines of one caption: as few as can be, cut where it hurts least, alike and rather heavy at the bottom."""
    n = len(row)
    ends = list(accumulate(a.width + a.blank for a in row))
    indent = limits.width - limits.first
    if n == 0:
        return ()
    if ends[-1] - row[0].blank <= limits.first and sum(len(a.words) for a in row) <= limits.words:
        return (text,) if (text := text_of(row)) else ()
    counts = list(accumulate((len(a.words) for a in row), initial=0))
    n_lines = _fewest(row, limits)
    ideal = (ends[-1] + indent) / n_lines
    reached: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for line in range(n_lines):
        further: dict[int, tuple[float, tuple[int, ...]]] = {}
        last = line == n_lines - 1
        room, more = (limits.width, 0) if line else (limits.first, indent)
        for i, (price, cuts) in reached.items():
            before = (ends[i - 1] if i else 0) + row[i].blank
            for j in (n,) if last else range(i + 1, n):
                wide = ends[j - 1] - before
                if j > i + 1 and (wide > room or counts[j] - counts[i] > limits.words):
                    break
                off = wide + more - ideal + (0.0 if last else _BOTTOM_HEAVY)
                there = price + _SLOPE * off * off + (0.0 if last else cost[j - 1])
                if j == i + 1 and wide < SHORT:
                    there += _ORPHAN
                if j not in further or there < further[j][0]:
                    further[j] = (there, (*cuts, j))
        reached = further
    lines = (text_of(row[i:j]) for i, j in pairwise((0, *reached[n][1])))
    return tuple(line for line in lines if line)


def text_of(row: Sequence[Atom]) -> str:
    return "".join((" " if a.blank and i else "") + a.text for i, a in enumerate(row)).strip()


def _cost(atom: Atom, following: Atom) -> float:
    silence = min(max(following.start - atom.end, 0.0) * 2, 1.0)
    closing = _closing(atom.text)
    return (closing if closing == _TIED else min(closing, _opening(following.text))) - _PAUSED * silence


@lru_cache(maxsize=1 << 15)
def _closing(text: str) -> float:
    """What a break after this word costs, whatever follows."""
    if ends_sentence(text):
        return _SENTENCE
    if ends_clause(text):
        return _CLAUSE
    return _TIED if text.lower().strip("\"'“”‘’(") in _TIES else _INSIDE


@lru_cache(maxsize=1 << 15)
def _opening(text: str) -> float:
    """What a break before this word costs at most."""
    if text[0] in "(（“「『—–":
        return _CLAUSE
    return _JOINT if text.lower() in _BEGINS else _TIED


def _is_one(row: Sequence[Atom], limits: Limits) -> bool:
    """Whether the row is a caption already, with no pause to break it at: the most frequent case, and quickly told."""
    return (
        row[-1].end - row[0].start <= limits.duration
        and sum(a.width + 1 for a in row) <= limits.first + limits.width * (limits.lines - 1) + limits.lines
        and all(b.start - a.end <= PAUSE / 3 for a, b in pairwise(row))
        and _fewest(row, limits) <= limits.lines
    )


def _fewest(row: Sequence[Atom], limits: Limits) -> int:
    """Lines that filling one after the other takes."""
    n_lines, used, on_line, room = 1, 0, 0, limits.first
    for i, atom in enumerate(row):
        blank = atom.blank and i > 0
        if i and (used + blank + atom.width > room or on_line + len(atom.words) > limits.words):
            n_lines, used, on_line, room = n_lines + 1, atom.width, len(atom.words), limits.width
        else:
            used += blank + atom.width
            on_line += len(atom.words)
    return n_lines


@lru_cache(maxsize=1 << 15)  # words come again and again
def _measured(raw: str) -> tuple[str, int]:
    text = clean(raw)
    return text, width(text)


def _chopped(word: Word, text: str, blank: bool, limit: int) -> list[Atom]:
    """The atoms of a word too wide for a line, its time shared among them."""
    texts = [
        " " * (i == 0 and (blank or k > 0)) + piece
        for k, token in enumerate(text.split(" "))
        for i, piece in enumerate(chopped(token, limit))
    ]
    return [
        Atom(*_measured(w.text), w.text[0] == " ", w.start, w.end, (w,))
        for w in _shared(texts, word.start, word.end, word.speaker)
        if w.text.strip()
    ]


def _shared(texts: Sequence[str], start: Seconds, end: Seconds, speaker: str | None) -> tuple[Word, ...]:
    """The time from `start` to `end` shared among words by their columns."""
    marks = list(accumulate((max(1, width(t)) for t in texts), initial=0))
    per = (end - start) / marks[-1] if marks[-1] else 0.0
    times = [min(start + mark * per, end) for mark in marks]
    return tuple(
        Word(a, b, text, None, speaker, "interpolated") for text, (a, b) in zip(texts, pairwise(times), strict=True)
    )
