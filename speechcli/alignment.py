"""A known text to its recording: the stages of `align` in their order, over opened things.

text -> tokens -> as spoken -> (what was heard) -> pieces -> times of their words -> one word a token
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from speechcli import pipeline
from speechcli.backends.base import Aligner
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds, Span, clipped, tidy, total
from speechcli.core.transcript import Fit, Segment, Stage, Transcript, Verdict, Word, joined
from speechcli.spoken.forms import spoken
from speechcli.timeline import anchors
from speechcli.timeline.anchors import Entry, Piece, Plan
from speechcli.timeline.placing import fit, placed
from speechcli.timeline.spread import sentences, tokens
from speechcli.timeline.verdict import judge, language_of

_AROUND: Seconds = 0.3  # heard on either side of what is aligned by the times it came with
_INTERRUPTS: Seconds = 0.1  # two speakers at once, for so long at least
_SURELY = 0.7  # of the words that a window would hold at the recording's mean pace, so many are surely in it
_PAUSE: Seconds = 0.15  # after a word that a window may be left at


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens that are placed together: all of a text but what overlaps, or a segment somebody talks over.

    places: of its tokens in the text. tokens, said: what is written, and as it is spoken. plan: None where nothing was
    heard to make one, and the text is followed as it comes.
    """

    places: tuple[int, ...]
    tokens: tuple[str, ...]
    said: tuple[tuple[tuple[str, ...], ...], ...]
    plan: Plan | None


@dataclass(frozen=True, slots=True)
class Task:
    """A text and what was heard of its recording.

    counts: tokens of each segment of the text.
    """

    text: Transcript
    counts: tuple[int, ...]
    parts: tuple[Part, ...]
    language: str | None
    speech: tuple[Span, ...]
    duration: Seconds
    heard: tuple[Word, ...]


def task(
    text: Transcript,
    heard: Sequence[Word],
    speech: Sequence[Span],
    duration: Seconds,
    longest: Seconds,
    language: str | None,
) -> Task:
    """What is to be aligned, in pieces of at most `longest` seconds.

    heard: a recogniser's words, empty where none listened; speech: where somebody speaks; language: of the text.
    """
    rows = [tokens(segment.text) for segment in text.segments]
    counts = tuple(map(len, rows))
    every = [token for row in rows for token in row]
    said = [tuple(forms) for forms in spoken(every, language)]
    places: list[range] = []
    for count in counts:
        begin = places[-1].stop if places else 0
        places.append(range(begin, begin + count))
    alone = _interrupted(text.segments)
    main = [i for row, where in enumerate(places) if row not in alone for i in where]
    parts = []
    if main:
        follows = not heard and duration > longest
        own = [said[i] for i in main]
        plan = None if follows else anchors.plan(own, heard, speech, duration, longest)
        parts.append(Part(tuple(main), tuple(every[i] for i in main), tuple(own), plan))
    for row in sorted(alone):
        where, segment = places[row], text.segments[row]
        span = Span(max(0.0, segment.start - _AROUND), min(duration, segment.end + _AROUND))
        own = [said[i] for i in where]
        if where and 0 < span.duration <= longest:
            parts.append(Part(tuple(where), tuple(every[i] for i in where), tuple(own), _whole(own, span)))
    return Task(text, counts, tuple(parts), language, tuple(speech), duration, tuple(heard))


Found: TypeAlias = tuple[Plan, Sequence[Sequence[Word]]]
"""A plan, and for each of its pieces a word an entry."""


def follow(part: Part, task: Task, longest: Seconds) -> Generator[Piece, Sequence[Word], Found]:
    """What is to be aligned next, where nothing was heard to hold on to; the words found are sent back.

    A window of sound is given fewer words than it surely holds; what it says of its first words is believed, up to a
    pause, where the next window begins. Steps on, whatever comes, so that it ends: linear in the length.
    """
    entries = [
        Entry(f" {word}", i, doubtful=False) for i, forms in enumerate(part.said) if forms for word in forms[0]
    ]
    letters = sum(len(entry.text) for entry in entries)
    pace = letters / max(total(task.speech), 1e-3)
    did: list[Piece] = []
    found: list[Sequence[Word]] = []
    at = 0.0
    while entries and (ahead := clipped(task.speech, Span(at, max(at, task.duration)))):
        start = max(at, ahead[0].start - _AROUND)
        window = Span(start, min(start + longest, task.duration))
        last = ahead[-1].end <= window.end
        n_given = len(entries) if last else _within(entries, pace * total(clipped(ahead, window)) * _SURELY)
        given = entries[:n_given]
        words = yield Piece(window, tuple(given))
        n_kept = len(given) if last else _leaving(words)
        did.append(Piece(window, tuple(given[:n_kept])))
        found.append(words[:n_kept])
        entries = entries[n_kept:]
        at = max(start + _LEAST, words[n_kept - 1].end)
    return Plan(tuple(did), (), ()), found


def align(aligner: Aligner, sounds: Sequence[Audio], asked: Sequence[tuple[Piece, str | None]]) -> list[list[Word]]:
    """The words of each piece's entries, in the recording's time; language of each. Too large a batch is halved."""
    def work(batch: Sequence[Audio], told: Sequence[tuple[Piece, str | None]]) -> list[list[Word]]:
        texts = [[entry.text for entry in piece.entries] for piece, _ in told]
        doubtful = [[i for i, entry in enumerate(piece.entries) if entry.doubtful] for piece, _ in told]
        return aligner.align(batch, texts, [language for _, language in told], doubtful)

    found = pipeline.shrinking(aligner, work, [Audio(sound.samples, sound.rate) for sound in sounds], asked)
    return [
        [replace(w, start=tidy(w.start + sound.start), end=tidy(w.end + sound.start)) for w in words]
        for sound, words in zip(sounds, found, strict=True)
    ]


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
            audio = pipeline.taken(tape, span, span.start)


def finished(
    task: Task,
    found: Sequence[tuple[Plan, Sequence[Sequence[Word]]]],
    source: str,
    complete: bool,
    notes: Sequence[str],
    made_by: Sequence[Stage],
) -> Transcript:
    """The text with its times. found: for each part its plan, and the words of each piece."""
    n_tokens = sum(task.counts)
    words: list[Word | None] = [None] * n_tokens
    fits: list[tuple[int, Fit]] = []
    for part, (plan, by_piece) in zip(task.parts, found, strict=True):
        own = _by_token(len(part.tokens), plan, by_piece)
        there = placed(part.tokens, part.said, own, plan, task.speech, task.duration)
        fits.append((len(part.tokens), fit(there, part.said, plan)))
        for place, word in zip(part.places, there, strict=True):
            words[place] = word
    segments: list[Segment] = []
    begin = 0
    for segment, count in zip(task.text.segments, task.counts, strict=True):
        own_words = tuple(
            replace(word, speaker=segment.speaker) for word in words[begin : begin + count] if word is not None
        )
        begin += count
        if own_words and len(own_words) == count:
            whole = replace(segment, words=own_words, text=joined(own_words), language=segment.language or task.language)
            segments.append(whole.moved(own_words[0].start, max(w.end for w in own_words)))
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


def _interrupted(segments: Sequence[Segment], longest: Seconds) -> set[int]:
    """Segments that a segment of another speaker overlaps, by the times they came with, short enough for one piece."""
    timed = sorted(
        (i for i, segment in enumerate(segments) if segment.duration > 0 and segment.speaker is not None),
        key=lambda i: segments[i].start,
    )
    found: set[int] = set()
    going: list[int] = []  # that have not ended yet
    for i in timed:
        going = [k for k in going if segments[k].end > segments[i].start]
        for k in going:
            if segments[k].speaker != segments[i].speaker and segments[k].overlap(segments[i]) > _INTERRUPTS:
                found |= {i, k}
        going.append(i)
    return {i for i in found if segments[i].duration + 2 * _AROUND <= longest}


def _whole(said: Sequence[Sequence[tuple[str, ...]]], span: Span) -> Plan:
    """One piece of all tokens."""
    entries = tuple(Entry(f" {word}", i, doubtful=False) for i, forms in enumerate(said) if forms for word in forms[0])
    return Plan((Piece(span, entries),) if entries else (), (), ())


def _within(entries: Sequence[Entry], letters: float) -> int:
    """How many of the entries have so many letters; at least one."""
    n = 0
    for n, entry in enumerate(entries, 1):
        letters -= len(entry.text)
        if letters <= 0:
            break
    return max(1, n)


def _leaving(words: Sequence[Word]) -> int:
    """How many words of a window are believed: up to the last pause, in its last third where there is one."""
    least = max(1, len(words) * 2 // 3)
    pauses = [
        k for k in range(least, len(words)) if words[k].start - words[k - 1].end >= _PAUSE and _sure(words[k - 1])
    ]
    return pauses[-1] if pauses else max(1, len(words) * 4 // 5)


def _sure(word: Word) -> bool:
    return word.placed == "aligner"


def _together(fits: Sequence[tuple[int, Fit]]) -> Fit:
    """The parts' fits as one, by their tokens."""
    n_tokens = sum(n for n, _ in fits)
    sure = [f.confidence for _, f in fits if f.confidence is not None]
    return Fit(
        round(sum(n * f.placed for n, f in fits) / n_tokens, 4) if n_tokens else 0.0,
        fits[0][1].confidence if fits else None,
        tuple(sorted((m for _, f in fits for m in f.mismatches), key=lambda m: (m.start, m.end))),
    )
