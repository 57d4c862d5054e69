"""The stages in their order, over opened things: no names, no files, no screen.

sound -> speech -> windows -> (batches) -> what was heard -> one transcript
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from speechcli.alignment import timed
from speechcli.backends import printing
from speechcli.backends.base import Aligner, Hints, SpeechDetector, Transcriber, VoicePrinter
from speechcli.backends.cepstra import Cepstra
from speechcli.backends.shrinking import shrinking
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds, Span, clipped, tidy
from speechcli.core.transcript import Heard, Raw, Stage, Transcript, Voice
from speechcli.media.tape import taken
from speechcli.timeline.gaps import rest, unheard
from speechcli.timeline.polish import polish
from speechcli.timeline.speakers import link
from speechcli.timeline.spread import spread
from speechcli.timeline.stitch import Answer, shifted, stitch
from speechcli.timeline.verdict import judge, language_of
from speechcli.timeline.windows import Rules, Window, plan

NO_WEIGHTS = Cepstra()


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
    printer: VoicePrinter = NO_WEIGHTS,
) -> list[Heard]:
    """What the model hears in each window, its words timed, polished; a batch too large for the device is halved.

    printer: knows voices again, where the model tells speakers.
    """
    told = [replace(h, speech=_inside(window)) for (window, _), h in zip(batch, hints, strict=True)]
    sounds = [audio for _, audio in batch]
    answers = shrinking(transcriber, transcriber.transcribe, sounds, told)
    if aligner is not None:
        answers = timed(aligner, sounds, answers, told)
    if not transcriber.traits.gives_times:
        answers = [spread(h, t.speech, a.duration) for h, a, t in zip(answers, sounds, told, strict=True)]
    polished = [polish(h, a.duration, t.speech) for h, a, t in zip(answers, sounds, told, strict=True)]
    if not transcriber.traits.gives_speakers:
        return polished
    return [replace(h, voices=_voices(h, audio, printer)) for h, audio in zip(polished, sounds, strict=True)]


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
    alike: float = NO_WEIGHTS.alike,
) -> Transcript:
    """The finished transcript of a recording.

    groups: see `stitch`; speakers are still each window's own. judged: whether somebody listened for speech, without
    whom coverage is unknown. raw: whether the model's own strings are kept. alike: of who made the voices' prints.
    """
    groups = list(link(groups, alike))
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


def _inside(window: Window) -> tuple[Span, ...]:
    """The speech of a window, from the start of its sound."""
    by = window.heard.start
    return tuple(Span(max(0.0, s.start - by), s.end - by) for s in clipped(window.speech, window.heard))


def _notes(heard: Sequence[Heard]) -> list[str]:
    return [note for h in heard for note in h.notes]


def _raw(answer: Answer) -> Raw:
    return Raw(answer.window.heard.start, answer.window.heard.end, answer.heard.raw)


def _voices(heard: Heard, audio: Audio, printer: VoicePrinter) -> tuple[Voice, ...]:
    """How each speaker of the window sounds."""
    talk: dict[str, list[Span]] = {}
    for segment in heard.segments:
        if segment.speaker is not None:
            talk.setdefault(segment.speaker, []).append(segment)
    return printing.voices(printer, audio, talk)
