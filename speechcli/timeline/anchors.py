"""What is to be aligned where: a text, and a recogniser's words over the whole recording, to a plan.

Text that nobody says and sound that nobody wrote down are left out of it and told. Linear in the length of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

from rapidfuzz.distance import Levenshtein

from speechcli.core.span import Seconds, Span
from speechcli.core.transcript import Word
from speechcli.core.words import normal
from speechcli.timeline.activity import Speech
from speechcli.timeline.cutting import TOUCH, Item, cut
from speechcli.timeline.matching import Block, side_by_side, weight
from speechcli.timeline.sounding import sound_alike
from speechcli.timeline.text import breakable, pieces

DROP = 4.0  # unmatched words cost a half each: from eight in a row on, text and recording have parted
BELIEVED = 3.0  # worth of the words that agree, from which on a stretch is no accident
MOSTLY = 0.6  # or so much of all that could agree
MISHEARD = 0.4  # of the letters: the same words, badly recognised (English by chance: 0.34 is reached by one in 20)
ALIKE, ALIKE_LONG = 0.5, 0.6  # the same for `sound_alike`: of one or two words, and of more
SOMETHING = 1.2  # two words of some length: what less is worth may be an accident anywhere
AT_ONCE = 300  # words of text whose letters are compared
FEW = 3  # words of the text without partner that are left to the aligner, beside much that is not written
MANY = 8  # words heard in a row and not written, that are not left to the aligner
PACE: Seconds = 0.07  # a character, until the recording tells its own
FITS = (0.6, 1.7)  # seconds of speech for a second of text: recognised by nobody, yet it may well be said there
FITS_ALONE = (0.4, 2.5)  # the same where there is nothing else to go by
FASTEST = 8.0  # words a second
UNHEARD: Seconds = 2.0  # speech outside of all pieces that is told although nothing was recognised in it


@dataclass(frozen=True, slots=True)
class Entry:
    """One spoken word of a piece.

    text: with the blank before it. token: the written token it belongs to; None: heard, and not in the text. doubtful:
    it may not have been said.
    """

    text: str
    token: int | None
    doubtful: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """What is aligned at once: a stretch of sound and its words."""

    span: Span
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be aligned where.

    pieces: in order, their tokens too; their spans overlap by a tenth of a second at most. unspoken: runs of tokens
    [first, stop) that are in no piece as nobody says them, and where they would be. unwritten: sound that is in no
    piece, and what was heard there ("": speech, but no words). forms: which of its alternatives each token has in the
    pieces; empty: the first. where: about where each is said, as the recogniser heard it, or something else in its
    place; None: it does not tell. heard: tokens that it heard, in part at least.
    """

    pieces: tuple[Piece, ...]
    unspoken: tuple[tuple[int, int, Span], ...] = ()
    unwritten: tuple[tuple[Span, str], ...] = ()
    forms: tuple[int, ...] = ()
    where: tuple[Span | None, ...] = ()
    heard: frozenset[int] = frozenset()


def plan(
    said: Sequence[Sequence[tuple[str, ...]]],
    heard: Sequence[Word],
    speech: Sequence[Span],
    duration: Seconds,
    longest: Seconds,
) -> Plan:
    """The plan for a text and its recording.

    said: for each written token its spoken words, alternatives, likeliest first; () has no sound. heard: a recogniser's
    words, in order, numbers as they are spoken (see `spoken_out`); wrong, missing and made up ones are expected.
    speech: where a detector heard some. longest: seconds of a piece. Where nothing was heard a recording of up to
    `longest` is one piece with the whole text, as it may be what is said; a longer one has no pieces.
    """
    ours = _Text(tuple((0 if forms else -1) for forms in said), said)
    theirs = list(_bare(heard))
    beside = [word.text for word in theirs]
    blocks = side_by_side(ours.words, beside)
    forms = _forms(said, ours, beside, blocks)
    if forms != ours.forms:
        ours = _Text(forms, said)
        blocks = side_by_side(ours.words, beside)
    reader = _Reader(ours, theirs, Speech(speech), duration, longest)
    reader.read(blocks)
    return reader.plan()


def spoken_out(heard: Sequence[Word], forms: Sequence[Sequence[tuple[str, ...]]]) -> list[Word]:
    """The words heard, as they are spoken: one that was written "$3" is two, which share its time by their letters.

    forms: for each its alternatives, of which the first is taken; () has no sound.
    """
    out: list[Word] = []
    for word, alternatives in zip(heard, forms, strict=True):
        if alternatives:
            spans = _shared(word.start, word.end, alternatives[0])
            out += [
                replace(word, start=span.start, end=span.end, text=f" {text}")
                for span, text in zip(spans, alternatives[0], strict=True)
            ]
    return out


def _bare(heard: Sequence[Word]) -> Iterator[Word]:
    """The words in the form in which they are compared; writing without blanks character by character."""
    at = 0.0
    for word in heard:
        if bare := normal(word.text):
            parts = pieces(bare)
            at = max(at, word.start)
            for part, span in zip(parts, _shared(at, max(at, word.end), parts), strict=True):
                yield Word(span.start, span.end, part)


def _shared(start: Seconds, end: Seconds, texts: Sequence[str]) -> list[Span]:
    """The time between two moments shared out by letters."""
    if len(texts) == 1:
        return [Span(start, end)]
    letters = [max(1, len(text)) for text in texts]
    scale = (end - start) / max(1, sum(letters))
    edges = [start]
    for n in letters:
        edges.append(min(end, edges[-1] + n * scale))
    return [Span(a, b) for a, b in pairwise(edges)]


class _Text:
    """The spoken words of the text in a row. forms: which alternative each token has, -1 for none."""

    def __init__(self, forms: tuple[int, ...], said: Sequence[Sequence[tuple[str, ...]]]) -> None:
        self.forms = forms
        self.words: list[str] = []
        self.spelled: list[str] = []
        self.tokens: list[int] = []
        for token, (form, alternatives) in enumerate(zip(forms, said, strict=True)):
            for word in alternatives[form] if form >= 0 else ():
                self.words.append(normal(word) or word)
                self.spelled.append(word)
                self.tokens.append(token)


def _forms(
    said: Sequence[Sequence[tuple[str, ...]]], ours: _Text, heard: Sequence[str], blocks: Sequence[Block]
) -> tuple[int, ...]:
    """For each token the alternative that is most like what was heard between its neighbours."""
    partner: list[tuple[int, int] | None] = [None] * len(ours.words)
    for block in blocks:
        if block.agrees:
            for i in range(block.text, block.text_stop):
                partner[i] = (block.heard, block.heard_stop)
    forms = list(ours.forms)
    first = 0
    while first < len(ours.tokens):
        token, stop = ours.tokens[first], first + 1
        while stop < len(ours.tokens) and ours.tokens[stop] == token:
            stop += 1
        if len(said[token]) > 1:
            lo, hi = first, stop
            while lo > 0 and partner[lo - 1] is None and first - lo < MANY:
                lo -= 1
            while hi < len(partner) and partner[hi] is None and hi - stop < MANY:
                hi += 1
            before = (partner[lo - 1] or (0, 0))[1] if lo else 0
            after = (partner[hi] or (0, 0))[0] if hi < len(partner) else len(heard)
            if 0 < after - before <= 4 * MANY + len(said[token][0]):
                there = "".join(heard[before:after])
                lead, tail = ours.words[lo:first], ours.words[stop:hi]
                unlike = [_unlike("".join([*lead, *map(normal, form), *tail]), there) for form in said[token]]
                forms[token] = unlike.index(min(unlike))
        first = stop
    return tuple(forms)


def _unlike(form: str, heard: str) -> float:
    """How little of a form was heard, 0..1; that more was heard costs little, for the text may lack it."""
    return Levenshtein.distance(form, heard, weights=(1, 4, 4)) / (4 * max(1, len(form)))


def _stretches(blocks: Sequence[Block]) -> Iterator[tuple[int, int, float]]:
    """Stretches [first, stop) of blocks in which text and sound agree, and what that is worth.

    Each begins and ends with words that agree; between them no more is missing than they can make up for (the rule of
    the X-drop of BLAST: Altschul et al. 1990).
    """
    k = 0
    while k < len(blocks):
        if not blocks[k].agrees:
            k += 1
            continue
        first, best, stop, worth = k, 0.0, k + 1, 0.0
        while k < len(blocks):
            worth += blocks[k].worth
            k += 1
            if worth > best:
                best, stop = worth, k
            elif worth <= 0 or worth < best - DROP:
                break
        k = stop
        yield first, stop, best


@dataclass(slots=True)
class _Reader:
    """Goes through text and sound side by side and sorts what it meets."""

    ours: _Text
    heard: list[Word]  # bare
    speech: Speech
    duration: Seconds
    longest: Seconds
    stretches: list[list[Item]] = field(default_factory=lambda: [[]])
    edges: list[Span] = field(default_factory=list)  # of the stretches: sound beyond is not theirs
    unspoken: list[tuple[int, int, Span]] = field(default_factory=list)
    unwritten: list[tuple[Span, str]] = field(default_factory=list)
    found: set[int] = field(default_factory=set)  # tokens that were heard
    where: dict[int, Span] = field(default_factory=dict)
    pace: Seconds = PACE
    floor: Seconds = 0.0

    def read(self, blocks: Sequence[Block]) -> None:
        believed = self._believed(blocks)
        self._set_pace(blocks, believed)
        at = 0
        for first, stop in [*believed, (len(blocks), len(blocks))]:
            self._hole(blocks[at:first], anchored=bool(believed))
            self._stretch(blocks[first:stop])
            at = stop

    def _believed(self, blocks: Sequence[Block]) -> list[tuple[int, int]]:
        """Stretches that are no accident: they are worth something, or most of what lies between two such agrees."""
        could = self._could(blocks)
        found = list(_stretches(blocks))
        surely = [row for row in found if row[2] >= min(BELIEVED, MOSTLY * could(0, len(blocks)))]
        if not surely:
            return []
        out: list[tuple[int, int]] = []
        at = k = 0
        for first, stop, _ in [*surely, (len(blocks), len(blocks), 0.0)]:
            least = max(SOMETHING, MOSTLY * could(at, first))
            while k < len(found) and found[k][0] < first:
                if found[k][2] >= least:
                    out.append(found[k][:2])
                k += 1
            out.append((first, stop))
            at, k = stop, k + 1
        return out[:-1]

    def _could(self, blocks: Sequence[Block]) -> Callable[[int, int], float]:
        """What blocks [first, stop) would be worth if all of their shorter side agreed."""
        text = list(accumulate(map(weight, self.ours.words), initial=0.0))
        heard = list(accumulate((weight(word.text) for word in self.heard), initial=0.0))

        def could(first: int, stop: int) -> float:
            if first >= stop:
                return 0.0
            begin, end = blocks[first], blocks[stop - 1]
            return min(text[end.text_stop] - text[begin.text], heard[end.heard_stop] - heard[begin.heard])

        return could

    def plan(self) -> Plan:
        self.edges.append(Span(min(self.floor, self.duration), self.duration))
        done: list[Piece] = []
        for stretch, bounds in zip(self.stretches, self.edges, strict=True):
            for span, items in cut(stretch, self.speech, bounds, self.longest):
                start = max(span.start, done[-1].span.end - 2 * TOUCH) if done else span.start
                done.append(Piece(Span(start, max(start, span.end)), tuple(map(_entry, items))))
        unwritten = sorted([*self.unwritten, *self._unheard(done)], key=lambda u: (u[0].start, u[0].end))
        forms = tuple(max(0, form) for form in self.ours.forms)
        where = tuple(self.where.get(token) for token in range(len(forms)))
        return Plan(tuple(done), tuple(self.unspoken), tuple(unwritten), forms, where, frozenset(self.found))

    def _set_pace(self, blocks: Sequence[Block], believed: Sequence[tuple[int, int]]) -> None:
        seconds, letters = 0.0, 0
        for first, stop in believed:
            for block in blocks[first:stop]:
                if block.agrees:
                    seconds += sum(word.duration for word in self.heard[block.heard : block.heard_stop])
                    letters += sum(map(len, self.ours.words[block.text : block.text_stop]))
        if letters > 200:
            self.pace = min(max(seconds / letters, PACE / 2), PACE * 4)

    def _now(self) -> Seconds:
        """Where the last word that was put somewhere ends."""
        return self.stretches[-1][-1].end if self.stretches[-1] else self.floor

    def _add(self, i: int, start: Seconds, end: Seconds, doubtful: bool, sure: bool) -> None:
        start = max(start, self.stretches[-1][-1].start if self.stretches[-1] else start)
        token = self.ours.tokens[i]
        item = Item(start, max(start, end), self.ours.spelled[i], token, doubtful, sure)
        self.stretches[-1].append(item)
        if item.duration:
            known = self.where.get(token, item)
            self.where[token] = Span(min(known.start, item.start), max(known.end, item.end))

    def _add_heard(self, j: int) -> None:
        word = self.heard[j]
        start = max(word.start, self.stretches[-1][-1].start if self.stretches[-1] else word.start)
        self.stretches[-1].append(Item(start, max(start, word.end), word.text, None, doubtful=True, sure=False))

    def _stretch(self, blocks: Sequence[Block]) -> None:
        """Words that agree, and the few between them that do not."""
        odd: list[Block] = []
        for block in blocks:
            if not block.agrees:
                odd.append(block)
                continue
            self._odd(odd)
            odd = []
            beside = self.heard[block.heard : block.heard_stop]
            rows = range(block.text, block.text_stop)
            spans = _shared(beside[0].start, max(w.end for w in beside), [self.ours.words[i] for i in rows])
            for i, span in zip(rows, spans, strict=True):
                self._add(i, span.start, span.end, doubtful=False, sure=True)
                self.found.add(self.ours.tokens[i])

    def _odd(self, blocks: Sequence[Block]) -> None:
        """A few words that are not alike: misheard, or one of both was said, or was not, which the sound will tell."""
        rows = [i for block in blocks for i in range(block.text, block.text_stop)]
        beside = [j for block in blocks for j in range(block.heard, block.heard_stop)]
        if rows and beside and self._alike(rows, beside):
            self._put(rows, self.heard[beside[0]].start, self.heard[beside[-1]].end)
            return
        for block in blocks:
            for i in range(block.text, block.text_stop):
                if block.heard < block.heard_stop:
                    word = self.heard[block.heard]
                    self._add(i, word.start, word.end, doubtful=True, sure=False)
                else:
                    self._add(i, self._now(), self._now(), doubtful=True, sure=False)
            for j in range(block.heard, block.heard_stop):
                self._add_heard(j)

    def _put(self, rows: Sequence[int], start: Seconds, end: Seconds) -> None:
        """Words of the text that are said between two moments, though they were not recognised."""
        spans = _shared(start, max(start, end), [self.ours.words[i] for i in rows])
        for i, span in zip(rows, spans, strict=True):
            self._add(i, span.start, span.end, doubtful=False, sure=False)

    def _alike(self, rows: Sequence[int], beside: Sequence[int]) -> bool:
        if max(len(rows), len(beside)) > AT_ONCE:
            return False
        ours, theirs = [self.ours.words[i] for i in rows], [self.heard[j].text for j in beside]
        if Levenshtein.normalized_similarity("".join(ours), "".join(theirs)) >= MISHEARD:
            return True
        return sound_alike(" ".join(ours), " ".join(theirs)) >= (ALIKE if len(ours) <= 2 else ALIKE_LONG)

    def _hole(self, blocks: Sequence[Block], anchored: bool) -> None:
        """Where text and recording have parted, or begin, or end."""
        rows = [i for block in blocks for i in range(block.text, block.text_stop)]
        beside = [j for block in blocks for j in range(block.heard, block.heard_stop)]
        if not rows and not beside:
            return
        start = self._now()
        after = blocks[-1].heard_stop
        end = max(start, self.heard[after].start if after < len(self.heard) else self.duration)
        if rows and self._misheard(rows, beside, Span(start, end), anchored):
            where = self.speech.hull(start, end)
            self._put(rows, where.start, where.end)
            return
        if rows and anchored and len(rows) <= FEW:
            left, right = self._sides(blocks, beside)
            self._odd(blocks[:left])
            between = [j for block in blocks[left:right] for j in range(block.heard, block.heard_stop)]
            if between:
                self._left_out((), between, Span(start, end))
            self._odd(blocks[right:])
            return
        self._left_out(rows, beside, Span(start, end))

    def _sides(self, blocks: Sequence[Block], beside: Sequence[int]) -> tuple[int, int]:
        """What of a few words of text, with much beside that is not written, goes with what is before and after it."""
        if len(beside) <= MANY:
            return len(blocks), len(blocks)
        middle = beside[len(beside) // 2]
        texts = [k for k, block in enumerate(blocks) if block.text < block.text_stop]
        left = max((k + 1 for k in texts if blocks[k].heard < middle), default=0)
        right = min((k for k in texts if k >= left), default=len(blocks))
        return left, right

    def _left_out(self, rows: Sequence[int], beside: Sequence[int], where: Span) -> None:
        first, stop = 0, len(rows)
        tokens = self.ours.tokens
        while first < stop and rows[first] and tokens[rows[first]] == tokens[rows[first] - 1]:
            self._add(rows[first], self._now(), self._now(), doubtful=True, sure=False)
            first += 1
        while (
            stop > first and rows[stop - 1] + 1 < len(tokens) and tokens[rows[stop - 1]] == tokens[rows[stop - 1] + 1]
        ):
            stop -= 1
        if first < stop:
            self.unspoken.append((tokens[rows[first]], tokens[rows[stop - 1]] + 1, where))
        if len(beside) > MANY or (beside and not self.stretches[-1]):
            begin, end = self.heard[beside[0]].start, max(self.heard[j].end for j in beside)
            self.unwritten.append((Span(begin, end), " ".join(self.heard[j].text for j in beside)))
            self._close(begin, end)
        else:
            for j in beside:
                self._add_heard(j)
        for i in rows[stop:]:
            self._add(i, self._now(), self._now(), doubtful=True, sure=False)

    def _close(self, start: Seconds, end: Seconds) -> None:
        """A stretch ends, as what comes between is not in the text."""
        self.edges.append(Span(min(self.floor, start), start))
        self.stretches.append([])
        self.floor = min(max(self.floor, end), self.duration)

    def _misheard(self, rows: Sequence[int], beside: Sequence[int], where: Span, anchored: bool) -> bool:
        """Whether these words may well be what is said there, although they were not recognised."""
        spoken = self.speech.seconds(where.start, where.end)
        if not anchored:
            if self.duration > self.longest or len(rows) > FASTEST * max(spoken, 0.25):
                return False
            if not beside:
                return spoken > 0
        elif beside:
            return self._alike(rows, beside)
        needed = self.pace * sum(len(self.ours.words[i]) for i in rows)
        least, most = FITS if anchored else FITS_ALONE
        return least * needed <= spoken <= most * needed

    def _unheard(self, done: Sequence[Piece]) -> Iterator[tuple[Span, str]]:
        """Speech outside of all pieces in which nothing was recognised."""
        covers = sorted([*(p.span for p in done), *(span for span, _ in self.unwritten)], key=lambda s: s.start)
        k = 0
        for span in self.speech.spans:
            at = span.start
            while k < len(covers) and covers[k].end <= at:
                k += 1
            m = k
            while m < len(covers) and covers[m].start < span.end:
                if covers[m].start - at >= UNHEARD:
                    yield Span(at, covers[m].start), ""
                at = max(at, covers[m].end)
                m += 1
            if span.end - at >= UNHEARD:
                yield Span(at, span.end), ""


def _entry(item: Item) -> Entry:
    blank = "" if item.text and breakable("x", item.text[0]) else " "
    return Entry(blank + item.text, item.token, item.doubtful)
