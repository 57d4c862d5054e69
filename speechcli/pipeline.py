"""The stages in their order, over opened things: no names, no files, no screen.

sound -> speech -> windows -> (batches) -> what was heard -> one transcript
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from speechcli.backends.base import Aligner, Hints, Learning, OutOfMemoryError, SpeechDetector, Transcriber
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds, Span, clipped, tidy, to_samples, total
from speechcli.core.transcript import Heard, Raw, Stage, Transcript, Voice, Word, joined
from speechcli.numerics.voice import voice
from speechcli.timeline.batches import choose
from speechcli.timeline.gaps import rest, unheard
from speechcli.timeline.polish import polish
from speechcli.timeline.speakers import link
from speechcli.timeline.spread import sentences, spread, tokens
from speechcli.timeline.stitch import Answer, shifted, stitch
from speechcli.timeline.text import language_by_script
from speechcli.timeline.verdict import judge, language_of
from speechcli.timeline.windows import Rules, Window, plan

_AROUND: Seconds = 0.4  # heard on either side of a segment that is aligned
_Told = TypeVar("_Told")
_Answer = TypeVar("_Answer")


def windows(
    blocks: Iterable[Audio], detector: SpeechDetector, rules: Rules, only: Sequence[Span] = ()
) -> Iterator[tuple[Window, Audio]]:
    """The windows of a recording with their sound, as it is decoded; memory is bounded by the longest window.

    only: parts of the recording to listen to; all of it when empty. The sound of a silent window is empty.
    """
    tape: deque[Audio] = deque()
    frame = detector.frame / detector.rate

    def heard() -> Iterator[tuple[Seconds, list[float]]]:
        for block in blocks:
            tape.append(block)
            probabilities = detector(block).tolist()
            if only:
                times = (block.start + (i + 0.5) * frame for i in range(len(probabilities)))
                inside = [any(s.start <= t < s.end for s in only) for t in times]
                probabilities = [p if yes else 0.0 for p, yes in zip(probabilities, inside, strict=True)]
            yield block.end, probabilities

    for window in plan(heard(), frame, rules):
        done_with = window.own.end - max(rules.context, rules.overlap)
        wanted = window.heard if window.speech else Span(window.own.start, window.own.start)
        yield window, taken(tape, wanted, done_with)


def listen(
    transcriber: Transcriber,
    batch: Sequence[tuple[Window, Audio]],
    hints: Sequence[Hints],
    aligner: Aligner | None = None,
) -> list[Heard]:
    """What the model hears in each window, its words timed, polished; a batch too large for the device is halved."""
    told = [replace(h, speech=_inside(window)) for (window, _), h in zip(batch, hints, strict=True)]
    sounds = [audio for _, audio in batch]
    answers = shrinking(transcriber, transcriber.transcribe, sounds, told)
    if aligner is not None:
        answers = align(aligner, sounds, answers, told)
    if not transcriber.traits.gives_times:
        answers = [spread(h, t.speech, a.duration) for h, a, t in zip(answers, sounds, told, strict=True)]
    polished = [polish(h, a.duration, t.speech) for h, a, t in zip(answers, sounds, told, strict=True)]
    if not transcriber.traits.gives_speakers:
        return polished
    return [replace(heard, voices=_voices(heard, audio)) for heard, audio in zip(polished, sounds, strict=True)]


def align(aligner: Aligner, sounds: Sequence[Audio], answers: Sequence[Heard], hints: Sequence[Hints]) -> list[Heard]:
    """The answers with the aligner's words; a segment that is too long for it or in another language stays as it is."""
    traits = aligner.traits
    todo: list[tuple[int, int, Audio, list[str], str]] = []  # answer, segment, its sound, its tokens, language
    for i, (sound, heard, hint) in enumerate(zip(sounds, answers, hints, strict=True)):
        for j, segment in enumerate(heard.segments):
            around = Span(max(0.0, segment.start - _AROUND), segment.end + _AROUND)
            part = Audio(sound.samples, sound.rate).cut(around)
            only = hint.languages[0] if len(hint.languages) == 1 else None
            language = segment.language or only or language_by_script(segment.text)
            texts = tokens(segment.text)
            if language in traits.languages and 0 < part.duration <= traits.longest and texts:
                todo.append((i, j, part, texts, language))
    rows = [list(heard.segments) for heard in answers]
    while todo:
        chosen = choose([part.duration for _, _, part, _, _ in todo], traits.batch, traits.seconds)
        batch = [todo[k] for k in chosen]
        todo = [item for k, item in enumerate(todo) if k not in chosen]
        parts = [_at(item[2], traits.rate) for item in batch]
        heard_words = shrinking(aligner, _aligning(aligner), parts, [item[3:] for item in batch])
        for (i, j, part, _, language), words in zip(batch, heard_words, strict=True):
            segment = rows[i][j]
            at = part.start
            placed = tuple(replace(w, start=w.start + at, end=w.end + at, speaker=segment.speaker) for w in words)
            if text := joined(placed):
                whole = replace(segment, text=text, words=placed, language=segment.language or language)
                rows[i][j] = whole.moved(placed[0].start, max(placed[0].start, placed[-1].end))
    return [
        replace(heard, segments=tuple(piece for segment in row for piece in sentences(segment)))
        for heard, row in zip(answers, rows, strict=True)
    ]


def to_hear_again(transcriber: Transcriber, answer: Answer) -> list[Window]:
    """Parts of a window in which speech was heard and no word came, and what follows a cut in the model's answer."""
    heard = shifted(answer)
    if heard.cut is not None:
        return rest(answer.window, heard.cut)
    return unheard(answer.window, heard.segments) if transcriber.traits.hears_again else []


def assemble(
    source: str,
    duration: Seconds,
    groups: Sequence[Sequence[Answer]],
    judged: bool,
    complete: bool,
    notes: Sequence[str],
    made_by: Sequence[Stage],
    raw: bool = False,
) -> Transcript:
    """The finished transcript of a recording.

    groups: see `stitch`; speakers are still each window's own. judged: whether somebody listened for speech, without
    whom coverage is unknown. raw: whether the model's own strings are kept.
    """
    groups = list(link(groups))
    heard = [shifted(answer) for group in groups for answer in group]
    segments = tuple(stitch(groups))
    speech = [span for group in groups for span in group[0].window.speech] if judged else None
    return Transcript(
        source=source,
        duration=tidy(duration),
        segments=segments,
        turns=tuple(sorted((t for h in heard for t in h.turns), key=lambda t: (t.start, t.end))),
        language=language_of(segments),
        verdict=judge(segments, heard, speech, complete, tuple(dict.fromkeys([*notes, *_notes(heard)]))),
        made_by=tuple(made_by),
        raw=tuple(_raw(answer) for group in groups for answer in group if answer.heard.raw) if raw else (),
    )


def taken(tape: deque[Audio], span: Span, done_with: Seconds) -> Audio:
    """The sound of `span`. Blocks that end by `done_with` leave the tape as they are copied, for an hour is 345 MB.

    The last block stays: it says where the recording is.
    """
    rate, first = tape[0].rate, tape[0].first
    begin = max(to_samples(span.start, rate), first)
    stop = max(begin, min(to_samples(span.end, rate), tape[-1].first + len(tape[-1].samples)))
    parts = sum(block.first < stop and begin < block.first + len(block.samples) for block in tape)
    whole = None if parts == 1 else np.empty(stop - begin, np.float32)
    sound = Audio(whole if whole is not None else np.zeros(0, np.float32), rate, begin)
    kept: deque[Audio] = deque()
    while tape:
        block = tape.popleft()
        part = block.cut(span)
        if len(part.samples):
            if whole is None:
                sound = part
            else:
                whole[part.first - begin : part.first - begin + len(part.samples)] = part.samples
        if block.end > done_with or not tape:
            kept.append(block)
    tape.extend(kept)
    return sound


def _inside(window: Window) -> tuple[Span, ...]:
    """The speech of a window, from the start of its sound."""
    by = window.heard.start
    return tuple(Span(max(0.0, s.start - by), s.end - by) for s in clipped(window.speech, window.heard))


def _notes(heard: Sequence[Heard]) -> list[str]:
    return [note for h in heard for note in h.notes]


def _raw(answer: Answer) -> Raw:
    return Raw(answer.window.heard.start, answer.window.heard.end, answer.heard.raw)


def _voices(heard: Heard, audio: Audio) -> tuple[Voice, ...]:
    """How each speaker of the window sounds."""
    spans: dict[str, list[Span]] = {}
    for segment in heard.segments:
        if segment.speaker is not None:
            spans.setdefault(segment.speaker, []).append(segment)
    found = [
        (speaker, total(own), voice(audio.samples, audio.rate, [(s.start, s.end) for s in own]))
        for speaker, own in spans.items()
    ]
    return tuple(Voice(speaker, seconds, print_) for speaker, seconds, print_ in found if print_ is not None)


def _at(audio: Audio, rate: int) -> Audio:
    """The sound at the aligner's rate, which need not be the model's; it begins anew."""
    if audio.rate == rate:
        return audio
    import soxr

    return Audio(np.ascontiguousarray(soxr.resample(audio.samples, audio.rate, rate), np.float32), rate)


def _aligning(aligner: Aligner) -> Callable[[Sequence[Audio], Sequence[tuple[list[str], str]]], list[list[Word]]]:
    def work(sounds: Sequence[Audio], told: Sequence[tuple[list[str], str]]) -> list[list[Word]]:
        return aligner.align(sounds, [texts for texts, _ in told], [language for _, language in told])

    return work


def shrinking(
    engine: object,
    work: Callable[[Sequence[Audio], Sequence[_Told]], list[_Answer]],
    batch: Sequence[Audio],
    told: Sequence[_Told],
) -> list[_Answer]:
    """What `work` gives for a batch; one too large for the device is halved, and `engine` learns of it."""
    try:
        return work(batch, told)
    except OutOfMemoryError:
        if len(batch) == 1:
            raise
    # outside the except block: its traceback would hold on to the memory
    if isinstance(engine, Learning):
        engine.too_much(len(batch) * max(audio.duration for audio in batch))
    half = len(batch) // 2
    first, second = (batch[:half], told[:half]), (batch[half:], told[half:])
    return [*shrinking(engine, work, *first), *shrinking(engine, work, *second)]
