"""A known text to its recording: the stages of `align` in their order, over opened things.

text -> tokens -> as spoken -> (what was heard) -> pieces -> times of their words -> one word a token
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, takewhile
from statistics import median
from typing import TypeAlias

import numpy as np

from speechcli.backends.base import Aligner, Hints
from speechcli.backends.shrinking import shrinking
from speechcli.core.audio import Audio
from speechcli.core.languages import name_of
from speechcli.core.span import Seconds, Span, clipped, merged, tidy, total, uncovered
from speechcli.core.transcript import Fit, Heard, Segment, Stage, Transcript, Word, joined
from speechcli.errors import DataError
from speechcli.media.tape import taken
from speechcli.spoken.forms import spoken
from speechcli.timeline import anchors
from speechcli.timeline.anchors import Entry, Piece, Plan
from speechcli.timeline.batches import choose
from speechcli.timeline.placing import SLOT, WEAK, fit, placed
from speechcli.timeline.spread import sentences, tokens
from speechcli.timeline.text import breakable, language_by_script
from speechcli.timeline.verdict import judge, language_of

_AROUND: Seconds = 0.4  # heard on either side of what is aligned by the times that a model gave
_INSIDE: Seconds = 0.15  # the same where somebody else speaks before and after
_TELLING = 4  # words heard that tell whether a text is that of a recording
_HARDLY = 0.2  # of its words recognised: then nothing but an aligner that is sure says that a word was said
_DOUBTED = 0.5  # confidence that a word not recognised must then have to count as placed
_FIRST = 4  # words of a segment, one of which is recognised where it begins
_NEAR = 4  # segments before and after one, whose lateness is likely its own
_AGREE: Seconds = 1.0
_INTERRUPTS: Seconds = 0.1  # two speakers at once, for so long at least
_FASTEST = 20  # words a second that are given to an aligner at most
_SURELY = 0.7  # of the words that a window would hold at the recording's mean pace, so many are surely in it
_LEAST: Seconds = 0.5  # a window steps on, whatever was found
_PAUSE: Seconds = 0.15  # after a word that a window may be left at


Said: TypeAlias = Sequence[Sequence[tuple[str, ...]]]
"""For each token its alternatives, as they are spoken; () has no sound."""


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens that are placed together: all of a text but what overlaps, or a segment somebody talks over.

    places: of its tokens in the text. tokens, said: what is written, and as it is spoken. plan: None where nothing was
    heard to make one, and the text is followed as it comes. aside: it is a segment that somebody talks over.
    """

    places: tuple[int, ...]
    tokens: tuple[str, ...]
    said: tuple[tuple[tuple[str, ...], ...], ...]
    plan: Plan | None
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """A text and what was heard of its recording.

    counts: tokens of each segment of the text. by_sentence: a segment without times is cut where its sentences end.
    strangers: words were heard, and hardly one of the text's.
    """

    text: Transcript
    by_sentence: bool
    counts: tuple[int, ...]
    parts: tuple[Part, ...]
    language: str | None
    speech: tuple[Span, ...]
    duration: Seconds
    strangers: bool = False


def task(
    text: Transcript,
    heard: Sequence[Word],
    speech: Sequence[Span],
    duration: Seconds,
    longest: Seconds,
    language: str | None,
    by_sentence: bool = True,
) -> Task:
    """What is to be aligned, in pieces of at most `longest` seconds.

    heard: a recogniser's words, empty where none listened. speech: where somebody speaks. language: of the text.
    Raises DataError for more words than there is time for.
    """
    rows = [_tokens(segment.text) for segment in text.segments]
    counts = tuple(map(len, rows))
    every = [token for row in rows for token in row]
    if len(every) > duration / SLOT:
        raise DataError(f"{len(every)} words cannot be said in {duration:.1f} s", "is it the right text?")
    said = [tuple(forms) for forms in spoken(every, language)]
    heard = anchors.spoken_out(heard, spoken([word.text for word in heard], language))
    places: list[range] = []
    for count in counts:
        begin = places[-1].stop if places else 0
        places.append(range(begin, begin + count))

    def part(chosen: Sequence[int], plan: Callable[[Said], Plan | None], aside: bool = False) -> Part:
        own = tuple(said[i] for i in chosen)
        return Part(tuple(chosen), tuple(every[i] for i in chosen), own, plan(own), aside)

    def anchored(own: Said) -> Plan | None:
        return anchors.plan(own, heard, speech, duration, longest) if heard or duration <= longest else None

    overlapping = _interrupted(text.segments)
    whole = anchored(said) if overlapping else None
    late = [] if whole is None else _lateness(text.segments, counts, whole)
    alone = {row: span for row in overlapping if (span := _where(text.segments[row], late, duration, longest))}
    main = part([i for row, where in enumerate(places) if row not in alone for i in where], anchored)
    asides = [part(places[row], partial(_whole, span=alone[row]), aside=True) for row in sorted(alone)]
    parts = [*([main] if main.places else []), *asides]
    strangers = len(heard) >= _TELLING and main.plan is not None and _share(main) < _HARDLY
    return Task(text, by_sentence, counts, tuple(parts), language, tuple(speech), duration, strangers)


Found: TypeAlias = tuple[Plan, Sequence[Sequence[Word]]]
"""A plan, and for each of its pieces a word an entry."""


def follow(part: Part, task: Task, longest: Seconds) -> Generator[Piece, Sequence[Word], Found]:
    """What is to be aligned next, where nothing was heard to hold on to; the words found are sent back.

    A window of sound is given fewer words than it surely holds; what it says of its first words is believed, up to a
    pause, where the next window begins. Steps on, whatever comes, so that it ends: linear in the length.
    """
    entries = _entries(part.said)
    letters = sum(len(entry.text) for entry in entries)
    speech = uncovered(task.speech, _aside(task))
    pace = letters / max(total(speech), 1e-3)
    did: list[Piece] = []
    found: list[Sequence[Word]] = []
    at = 0.0
    while entries and (ahead := clipped(speech, Span(at, max(at, task.duration)))):
        start = max(at, ahead[0].start - _AROUND)
        window = Span(start, min(start + longest, task.duration))
        last = ahead[-1].end <= window.end
        holds = pace * total(clipped(ahead, window))
        if not last and holds < len(entries[0].text) / 2:  # the end of a word that has its time, and nothing else
            at = window.end
            continue
        most = int(window.duration * _FASTEST) + 1
        n_given = min(most, len(entries) if last else _within(entries, holds * _SURELY))
        given = entries[:n_given]
        words = yield Piece(window, given)
        n_kept, end = (len(given), window.end) if last else _leaving(words)
        did.append(Piece(window, given[:n_kept]))
        found.append(words[:n_kept])
        entries = entries[n_kept:]
        at = max(start + _LEAST, end)
    there = min(at, task.duration)
    unspoken = ((entries[0].token or 0, len(part.said), Span(there, there)),) if entries else ()
    return Plan(tuple(did), unspoken, ()), found


def align(aligner: Aligner, sounds: Sequence[Audio], asked: Sequence[tuple[Piece, str | None]]) -> list[list[Word]]:
    """The words of each piece's entries, in the recording's time; language of each. Too large a batch is halved."""

    def work(batch: Sequence[Audio], told: Sequence[tuple[Piece, str | None]]) -> list[list[Word]]:
        texts = [[entry.text for entry in piece.entries] for piece, _ in told]
        doubtful = [[i for i, entry in enumerate(piece.entries) if entry.doubtful] for piece, _ in told]
        return aligner.align(batch, texts, [language for _, language in told], doubtful)

    found = shrinking(aligner, work, [Audio(sound.samples, sound.rate) for sound in sounds], asked)
    return [
        [replace(w, start=tidy(w.start + sound.start), end=tidy(w.end + sound.start)) for w in words]
        for sound, words in zip(sounds, found, strict=True)
    ]


def timed(aligner: Aligner, sounds: Sequence[Audio], answers: Sequence[Heard], hints: Sequence[Hints]) -> list[Heard]:
    """What a model heard, with the aligner's words; a segment too long for it, or in another language, stays as it is.

    sounds: what the model was given; its times are from their beginnings.
    """
    traits = aligner.traits
    todo: list[_Segment] = []
    notes: list[list[str]] = [[] for _ in answers]
    for i, (sound, heard, hint) in enumerate(zip(sounds, answers, hints, strict=True)):
        only = hint.languages[0] if len(hint.languages) == 1 else None
        for j, segment in enumerate(heard.segments):
            language = segment.language or only or language_by_script(segment.text)
            around = Span(max(0.0, segment.start - _AROUND), segment.end + _AROUND)
            audio = Audio(sound.samples, sound.rate).cut(around)
            written = _tokens(segment.text)
            knows = not traits.languages or language in traits.languages
            if written and not knows:
                notes[i].append(f"words in {name_of(language)} have no times: {aligner.stage.model} does not know it")
            elif written and audio.duration > traits.longest:
                notes[i].append(f"a segment has no word times: the aligner hears {traits.longest:g} s at once")
            elif written and audio.duration:
                said = tuple(spoken(written, language))
                piece = Piece(Span(audio.start, audio.end), _entries(said))
                todo.append(_Segment((i, j), segment, audio, written, said, piece, language, hint.speech))
    rows = [list(heard.segments) for heard in answers]
    while todo:
        chosen = choose([one.audio.duration for one in todo], traits.batch, traits.seconds)
        batch = [todo[k] for k in chosen]
        todo = [one for k, one in enumerate(todo) if k not in chosen]
        parts = [_at(one.audio, traits.rate) for one in batch]
        for one, words in zip(batch, align(aligner, parts, [(b.piece, b.language) for b in batch]), strict=True):
            i, j = one.place
            rows[i][j] = one.with_words(words)
    return [
        replace(
            heard,
            segments=tuple(piece for segment in row for piece in sentences(segment)),
            notes=tuple(dict.fromkeys([*heard.notes, *more])),
        )
        for heard, row, more in zip(answers, rows, notes, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Segment:
    """A segment that is to be timed. place: of its window, and in it. audio: its sound, and a little around."""

    place: tuple[int, int]
    segment: Segment
    audio: Audio
    tokens: tuple[str, ...]
    said: tuple[tuple[tuple[str, ...], ...], ...]
    piece: Piece
    language: str
    speech: tuple[Span, ...]

    def with_words(self, words: Sequence[Word]) -> Segment:
        """The segment timed, its text as it was."""
        plan = Plan((self.piece,), (), ())
        own, _ = _by_token(len(self.tokens), plan, [words])
        inside = clipped(self.speech, self.piece.span)
        there = placed(self.tokens, self.said, own, plan, inside, self.audio.end)
        put = tuple(replace(word, speaker=self.segment.speaker) for word in there)
        language = self.segment.language or self.language
        whole = replace(self.segment, text=joined(put), words=put, language=language)
        return whole.moved(put[0].start, max(put[0].start, put[-1].end))


def cut(blocks: Iterable[Audio]) -> Generator[Audio, Span, None]:
    """The sound of stretches that are sent in, each beginning no earlier than the one before.

    To be primed with `next`; blocks are read as far as they are needed and forgotten as soon as they can be.
    """
    tape: deque[Audio] = deque()
    rest = iter(blocks)
    audio = Audio(np.zeros(0, np.float32), 1)
    while True:
        span = yield audio
        while not tape or tape[-1].end < span.end:
            if (block := next(rest, None)) is None:
                break
            tape.append(block)
            while len(tape) > 1 and tape[0].end <= span.start:
                tape.popleft()
        if tape:
            audio = taken(tape, span, span.start)


def finished(
    task: Task,
    found: Sequence[Found],
    source: str,
    complete: bool,
    notes: Sequence[str],
    made_by: Sequence[Stage],
) -> Transcript:
    """The text with its times. found: for each part its plan, and the words of each piece."""
    n_tokens = sum(task.counts)
    words: list[Word | None] = [None] * n_tokens
    fits: list[tuple[int, Fit]] = []
    elsewhere = _aside(task)
    for part, (plan, by_piece) in zip(task.parts, found, strict=True):
        own, others = _by_token(len(part.tokens), plan, by_piece)
        there = placed(part.tokens, part.said, own, plan, task.speech, task.duration)
        # what somebody says meanwhile is written in another part
        plan = replace(plan, unwritten=tuple(row for row in plan.unwritten if not _mostly(row[0], elsewhere)))
        others = [word for word in others if not _mostly(Span(word.start, word.end), elsewhere)]
        least = _DOUBTED if task.strangers else WEAK
        fits.append((sum(map(bool, part.said)), fit(there, part.said, plan, others, least)))
        for place, word in zip(part.places, there, strict=True):
            words[place] = word
    segments: list[Segment] = []
    begin = 0
    for segment, count in zip(task.text.segments, task.counts, strict=True):
        own_words = tuple(
            replace(word, speaker=segment.speaker) for word in words[begin : begin + count] if word is not None
        )
        own_words = _opened(own_words, segments[-1].end if segments else 0.0)
        begin += count
        if own_words and len(own_words) == count:
            whole = replace(
                segment, words=own_words, text=joined(own_words), language=segment.language or task.language
            )
            whole = whole.moved(own_words[0].start, max(w.end for w in own_words))
            segments += sentences(whole) if task.by_sentence and not segment.duration else [whole]
    verdict = judge(segments, (), task.speech, complete, tuple(dict.fromkeys([*notes, *task.text.verdict.notes])))
    return Transcript(
        source=source,
        duration=tidy(task.duration),
        segments=tuple(segments),
        turns=task.text.turns,
        language=language_of(segments),
        verdict=replace(verdict, fit=_together(fits)),
        made_by=tuple(made_by),
    )


def _interrupted(segments: Sequence[Segment]) -> list[int]:
    """Segments that a segment of another speaker overlaps, by the times they came with."""
    timed = sorted(
        (i for i, segment in enumerate(segments) if segment.duration > 0 and segment.speaker is not None),
        key=lambda i: segments[i].start,
    )
    found: set[int] = set()
    confused: set[int] = set()  # by their own speaker
    going: list[int] = []  # that have not ended yet
    for i in timed:
        going = [k for k in going if segments[k].end > segments[i].start]
        for k in going:
            if segments[k].overlap(segments[i]) > _INTERRUPTS:
                (confused if segments[k].speaker == segments[i].speaker else found).update((i, k))
        going.append(i)
    return sorted(found - confused)


def _share(part: Part) -> float:
    """Of a part's sounding tokens, how many were recognised."""
    assert part.plan is not None
    return len(part.plan.heard) / max(1, sum(map(bool, part.said)))


def _lateness(segments: Sequence[Segment], counts: Sequence[int], plan: Plan) -> list[tuple[Seconds, Seconds]]:
    """(a time that a segment came with, how much later it is said), of segments whose first words were recognised."""
    out: list[tuple[Seconds, Seconds]] = []
    at = 0
    for segment, count in zip(segments, counts, strict=True):
        first = next((i for i in range(at, at + min(_FIRST, count)) if i in plan.heard), None)
        there = plan.where[first] if first is not None and first < len(plan.where) else None
        if there is not None and segment.duration > 0:
            out.append((segment.start, there.start - segment.start))
        at += count
    return sorted(out)


def _where(
    segment: Segment, late: Sequence[tuple[Seconds, Seconds]], duration: Seconds, longest: Seconds
) -> Span | None:
    """Where to look for a segment that others overlap: where it says, as much later as its neighbours are.

    None where that is not to be told: they do not agree, or it would lie outside of the recording, or is too long.
    """
    k = bisect_left(late, (segment.start, 0.0))
    near = [by for _, by in late[max(0, k - _NEAR) : k + _NEAR]]
    by = median(near) if near else 0.0
    if near and median(abs(one - by) for one in near) > _AGREE:
        return None
    by = by if abs(by) > _AGREE else 0.0  # times that are right are better than the recogniser's
    start, end = max(0.0, segment.start + by - _INSIDE), min(duration, segment.end + by + _INSIDE)
    return Span(start, end) if segment.duration <= end - start <= longest else None


def _aside(task: Task) -> list[Span]:
    """Where segments are said that have a part of their own."""
    return merged(piece.span for part in task.parts if part.aside and part.plan for piece in part.plan.pieces)


def _mostly(span: Span, covers: Sequence[Span]) -> bool:
    """Whether more than half of it is covered; covers: without overlap."""
    return sum(span.overlap(cover) for cover in covers) > span.duration / 2


def _whole(said: Sequence[Sequence[tuple[str, ...]]], span: Span) -> Plan:
    """One piece of all tokens."""
    entries = _entries(said)
    return Plan((Piece(span, entries),) if entries else (), (), ())


def _entries(said: Sequence[Sequence[tuple[str, ...]]]) -> tuple[Entry, ...]:
    return tuple(Entry(f" {word}", i, doubtful=False) for i, forms in enumerate(said) if forms for word in forms[0])


def _tokens(text: str) -> tuple[str, ...]:
    """The tokens of a segment, the first with a blank before it, as models give it, where its script has blanks."""
    written = tokens(text)
    if written and not breakable("x", written[0][0]):
        written[0] = f" {written[0]}"
    return tuple(written)


def _opened(words: tuple[Word, ...], after: Seconds) -> tuple[Word, ...]:
    """A segment's words, marks that it opens with ("- Yes.") right before its first word and not after the last one's.

    after: when the segment before it ended.
    """
    first = next((i for i, word in enumerate(words) if any(map(str.isalnum, word.text))), 0)
    room = words[first].start - after if first else 0.0
    if not first or room < first * SLOT:
        return words
    begin = words[first].start - first * SLOT
    marks = (word.moved(tidy(begin + i * SLOT), tidy(begin + (i + 1) * SLOT)) for i, word in enumerate(words[:first]))
    return (*marks, *words[first:])


def _by_token(n_tokens: int, plan: Plan, by_piece: Sequence[Sequence[Word]]) -> tuple[list[list[Word]], list[Word]]:
    """Each token's words, and those of entries that the text has not."""
    own: list[list[Word]] = [[] for _ in range(n_tokens)]
    others: list[Word] = []
    for piece, words in zip(plan.pieces, by_piece, strict=True):
        for entry, word in zip(piece.entries, words, strict=True):
            (others if entry.token is None else own[entry.token]).append(word)
    return own, others


def _within(entries: Sequence[Entry], letters: float) -> int:
    """How many of the entries have so many letters; at least one."""
    sums = accumulate(len(entry.text) for entry in entries)
    return max(1, sum(1 for _ in takewhile(lambda n: n <= letters, sums)))


def _leaving(words: Sequence[Word]) -> tuple[int, Seconds]:
    """How many words of a window are believed, and where the next one begins.

    Up to the widest pause in their last third, where there is one, and a little into it: what a detector takes for
    speech is still the end of a word there.
    """
    least = max(1, len(words) * 2 // 3)
    pauses = [
        (words[k].start - words[k - 1].end, k) for k in range(least, len(words)) if words[k - 1].placed == "aligner"
    ]
    widest, k = max(pauses, default=(0.0, 0))
    if widest >= _PAUSE:
        return k, words[k - 1].end + _PAUSE
    n_kept = max(1, len(words) * 4 // 5)
    return n_kept, words[n_kept - 1].end


def _together(fits: Sequence[tuple[int, Fit]]) -> Fit:
    """The parts' fits as one, by their tokens that have a sound."""
    n_tokens = sum(n for n, _ in fits)
    sure = [f.confidence for n, f in fits if f.confidence is not None for _ in range(n)]
    return Fit(
        round(sum(n * f.placed for n, f in fits) / n_tokens, 4) if n_tokens else 0.0,
        median(sure) if sure else None,
        tuple(sorted((m for _, f in fits for m in f.mismatches), key=lambda m: (m.start, m.end))),
    )


def _at(audio: Audio, rate: int) -> Audio:
    """The sound at the aligner's rate, which need not be the model's."""
    if audio.rate == rate:
        return audio
    import soxr

    samples = np.ascontiguousarray(soxr.resample(audio.samples, audio.rate, rate), np.float32)
    return Audio(samples, rate, round(audio.start * rate))
