"""How late and how steady live captions are: what could be read when, against what was said when.

Words are compared as Whisper's English normalizer writes them, one by one. Nothing heavy is imported but where it is
used, for the sake of the memory of what is measured: see common.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from scoring import normal

EARLY = 0.25
"""Seconds before a word's labelled start from which on it may be found in what is shown: labels are not that exact."""
FRAME = 0.02
"""Seconds within which two looks are one: nobody reads what a screen shows for a frame."""
_TAIL = 20
"""Words that are final and still looked at, so that what follows them finds its place."""
_LONGEST = 300
"""Words that are final and looked at, at most: where nothing fits any more, it goes on with what is said just then."""
_RUN = 3
"""Words in a row that are the same on both sides, before the place between them and the next is taken for sure."""


@dataclass(frozen=True, slots=True)
class Said:
    """A word of the reference, normalized, and when it is said, seconds.

    timed: whether its times are good enough to measure delays from; labelled: whether somebody measured them by hand.
    """

    word: str
    start: float
    end: float
    timed: bool = True
    labelled: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """What a program showed, as a change of what it showed before; in words as it wrote them, or normalized.

    at: seconds since the first sample of the recording was played. kept: how many words of the look before stay,
    counted from the first; words: those after them. settled: how many, counted from the first, are final.
    """

    at: float
    kept: int
    words: tuple[str, ...]
    settled: int


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds from the end of a word to when it could first be read, and to when it was first final; None: never.

    Below zero where a word was shown before it had ended.
    """

    said: Said
    shown: float | None
    final: float | None


@dataclass(frozen=True, slots=True)
class Changes:
    """shown: different words that were shown at a place while they could still change; changed: those of them that are
    not what the final text has there. erased: words that were taken back, each time one was; final: words of the final
    text.
    """

    shown: int
    changed: int
    erased: int
    final: int

    @property
    def share(self) -> float:
        """Percent of the words shown that were changed."""
        return 100 * self.changed / max(1, self.shown)

    @property
    def erasure(self) -> float:
        """Words taken back for each final one: normalized erasure (Arivazhagan et al. 2020, arXiv:1912.03393)."""
        return self.erased / max(1, self.final)


# --- words ---


@cache
def tokens(word: str) -> tuple[str, ...]:
    """A written word as it is compared; "um" gives none, "it's" two."""
    return tuple(normal(word).split())


def reference(words: Iterable[Mapping[str, Any]], labelled: bool = False) -> list[Said]:
    """Normalized words of a list of `{"word", "start", "end"}`; times that are `"interpolated"` are guesses."""
    return [
        Said(token, one["start"], one["end"], not one.get("interpolated"), labelled)
        for one in words
        for token in tokens(one["word"])
    ]


def better(said: Sequence[Said], labelled: Sequence[Said], reach: float = 0.5) -> list[Said]:
    """The words with the times that somebody measured, where there are any: of the same word, `reach` seconds around.

    Each measured time is used once, in order.
    """
    out, j = list[Said](), 0
    for one in said:
        middle = (one.start + one.end) / 2
        while j < len(labelled) and (labelled[j].start + labelled[j].end) / 2 < middle - reach:
            j += 1
        near = range(j, len(labelled))
        found = None
        for k in near:
            if (labelled[k].start + labelled[k].end) / 2 > middle + reach:
                break
            if labelled[k].word == one.word:
                found = k
                break
        if found is None:
            out.append(one)
        else:
            out.append(labelled[found])
            j = found + 1
    return out


def repeated(said: Sequence[Said], times: int, length: float) -> list[Said]:
    """The words of a recording of `length` seconds that is played several times over."""
    return [
        Said(one.word, one.start + i * length, one.end + i * length, one.timed, one.labelled)
        for i in range(times)
        for one in said
    ]


# --- what was shown ---


def written(events: Iterable[tuple[float, Mapping[str, Any]]]) -> Iterator[Look]:
    """What the events of `speechcli stream-mic --events` show, with the time each arrived at.

    All finals so far and then the current partial, which holds all that is not final; the next event takes its place.
    One that is "joined" goes on with the last word of the final before.
    """
    n_final, last = 0, list[str]()  # the last final word is told again each time: what is joined to it changes it
    for at, event in events:
        if event["type"] not in ("partial", "final"):
            continue
        words = event["text"].split()
        words = [last[0] + words[0], *words[1:]] if event.get("joined") and last and words else [*last, *words]
        kept = n_final - len(last)
        if event["type"] == "final":
            n_final, last = kept + len(words), words[-1:]
            yield Look(at, kept, tuple(words), n_final)
        else:
            yield Look(at, kept, tuple(words), kept if event.get("joined") else n_final)


def normalized(written: Iterable[Look]) -> list[Look]:
    """Looks in normalized words, of which a written one gives none, one or several; those within a frame made one."""
    before = [0]  # normalized words before each written one, and after the last
    out = list[Look]()
    for look in written:
        kept = before[look.kept]
        del before[look.kept + 1 :]
        words = list[str]()
        for word in look.words:
            words += tokens(word)
            before.append(before[-1] + len(tokens(word)))
        out = _with(out, Look(look.at, kept, tuple(words), before[look.settled]))
    return out


def _with(before: list[Look], look: Look) -> list[Look]:
    """The looks with one more, which takes the place of a last one that hardly anybody saw."""
    if before and look.at - before[-1].at < FRAME:
        last = before.pop()
        words = last.words[: max(0, look.kept - last.kept)] + look.words
        look = Look(last.at, min(last.kept, look.kept), words, look.settled)
    before.append(look)
    return before


def final_words(looks: Iterable[Look]) -> list[str]:
    """The final text."""
    shown, settled = list[str](), 0
    for look in looks:
        shown[look.kept :] = look.words
        settled = look.settled
    return shown[:settled]


# --- places ---


@dataclass(frozen=True, slots=True)
class Place:
    """Where a shown word stands in a text: at a word, which it is or is not, or (same None) before one, in between."""

    index: int
    same: bool | None


def placed(shown: Sequence[str], text: Sequence[str]) -> list[Place]:
    """The place of each shown word in a text that both begin with, and that may go on.

    Least edits (Levenshtein) between what is shown and a beginning of the text; of beginnings that are as near the one
    with more words the same, and then the shortest: a word that is said again later is found where it is said first.

    >>> [(place.index, place.same) for place in placed(["we", "went", "the"], ["we", "want", "the", "best", "the"])]
    [(0, True), (1, False), (2, True)]
    """
    from rapidfuzz.distance import Levenshtein, Opcodes

    def same(ops: Opcodes) -> int:
        return sum(op.src_end - op.src_start for op in ops if op.tag == "equal")

    shown, text = list(shown), list(text)
    edits = [Levenshtein.distance(shown, text[:stop]) for stop in range(len(text) + 1)]
    near = (Levenshtein.opcodes(shown, text[:stop]) for stop, n in enumerate(edits) if n == min(edits))
    out = list[Place]()
    for op in max(near, key=same):  # the first of several
        n = op.src_end - op.src_start
        if op.tag == "insert":
            continue
        if op.tag == "delete":
            out += [Place(op.dest_start, None)] * n
        else:
            out += [Place(op.dest_start + i, op.tag == "equal") for i in range(n)]
    return out


@dataclass(frozen=True, slots=True)
class Placed:
    """The last words of a look and their places in a text. first: number of the first of them in all that is shown."""

    look: Look
    first: int
    words: tuple[str, ...]
    places: tuple[Place, ...]


def followed(
    looks: Iterable[Look], text: Sequence[str], there: Callable[[float], int] | None = None
) -> Iterator[Placed]:
    """The places of what each look shows: of all that is not final, and of the last final words before it.

    there: how many words of the text can be there at a moment (all). What was final and is changed after so many more
    words were final is not looked at again.
    """
    shown, first, origin = list[str](), 0, 0  # words from number `first` on, which begin at word `origin` of the text
    for look in looks:
        shown[max(0, look.kept - first) :] = look.words[max(0, first - look.kept) :]
        stop = origin + 2 * len(shown) + 8 if there is None else max(origin, there(look.at))
        places = [Place(origin + place.index, place.same) for place in placed(shown, text[origin:stop])]
        yield Placed(look, first, tuple(shown), tuple(places))
        n = _sure(places, look.settled - first)
        if not n and look.settled - first > _LONGEST:
            n = look.settled - first - _TAIL
            origin = max(origin, min(stop, len(text)) - 2 * _TAIL)
        elif n:
            origin = places[n - 1].index + 1
        first, shown = first + n, shown[n:]


def _sure(places: Sequence[Place], settled: int) -> int:
    """How many of the first words need no more looking at; 0: as many as now."""
    for n in range(settled - _TAIL, _RUN - 1, -1):
        run = places[n - _RUN : n]
        if all(place.same for place in run) and run[-1].index - run[0].index == _RUN - 1:
            return n
    return 0


# --- numbers ---


def delays(looks: Sequence[Look], said: Sequence[Said]) -> list[Delay]:
    """For each word of the reference, how long after its end it was shown, and final.

    It is shown at the first look that has this word at its place, be it as a partial or as a final; a word that was
    never recognized right is never shown, and counted apart by `None`.
    """
    words, starts = [one.word for one in said], [one.start for one in said]
    shown, final = dict[int, float](), dict[int, float]()
    for one in followed(looks, words, lambda at: bisect_right(starts, at + EARLY)):
        for i, place in enumerate(one.places):
            if place.same:
                shown.setdefault(place.index, one.look.at)
                if one.first + i < one.look.settled:
                    final.setdefault(place.index, one.look.at)
    return [
        Delay(one, *(None if i not in when else when[i] - one.end for when in (shown, final)))
        for i, one in enumerate(said)
    ]


def changes(looks: Sequence[Look]) -> Changes:
    """How much of what was shown before it was final did not stay.

    Words shown count once for each place in the final text and each word shown there, however often and long they were
    shown; a word that has no place there (it was shown between two that have) counts as changed.
    """
    text = final_words(looks)
    right, wrong = set[tuple[int, str]](), set[tuple[int, str]]()
    for one in followed(looks, text):
        for i in range(max(0, one.look.settled - one.first), len(one.words)):
            place = one.places[i]
            (right if place.same else wrong).add((2 * place.index + (place.same is not None), one.words[i]))
    return Changes(len(right) + len(wrong), len(wrong), _erased(looks), len(text))


def _erased(looks: Iterable[Look]) -> int:
    shown, erased = list[str](), 0
    for look in looks:
        old = shown[look.kept :]
        same = next((i for i, (a, b) in enumerate(zip(old, look.words, strict=False)) if a != b), None)
        erased += len(old) - (min(len(old), len(look.words)) if same is None else same)
        shown[look.kept :] = look.words
    return erased


def percentile(values: Iterable[float], percent: float) -> float | None:
    """Between the two nearest values, linearly (numpy's own way); None without any."""
    import numpy as np

    there = list(values)
    return float(np.percentile(there, percent)) if there else None
