"""Texts to recordings: like `run`, and then each text's words find their times.

Recognition finds where in a recording its text is said; it goes through `run`, with its journals and shared batches.
Then each recording is decoded once more, and its pieces go to the aligner, those of several short ones together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from speechcli import alignment
from speechcli.alignment import Found, Task
from speechcli.backends.base import Aligner, OutOfMemoryError, SpeechDetector, Transcriber
from speechcli.backends.listener import Listener
from speechcli.core.audio import Audio
from speechcli.core.languages import name_of
from speechcli.core.span import Span
from speechcli.core.transcript import Heard, Segment, Stage, Transcript, Word, joined
from speechcli.errors import MediaError, SpeechcliError, UnavailableError, UsageError
from speechcli.formats.script import Script, read_script
from speechcli.jobs import run
from speechcli.jobs.job import Job, Text
from speechcli.jobs.journal import Journal
from speechcli.jobs.recording import Ending, Recordings
from speechcli.timeline.anchors import Piece
from speechcli.timeline.stitch import Answer, stitch
from speechcli.timeline.text import language_by_script
from speechcli.timeline.windows import Window


@dataclass(frozen=True, slots=True)
class Finished:
    """A transcript is there. done: to be called when its outputs are written; leave: when they cannot be."""

    job: Job
    transcript: Transcript
    ending: Ending
    done: Callable[[], None]
    leave: Callable[[], None]


Event: TypeAlias = run.Began | run.Group | run.Skipped | run.Failed | Finished


def work(
    jobs: Sequence[Job],
    recogniser: Transcriber,
    aligner: Aligner,
    detector: SpeechDetector,
    recordings: Recordings,
    resume: bool = True,
    still_wanted: Callable[[Job], bool] = lambda job: True,
    patient: bool = True,
) -> Iterator[Event]:
    """Aligns each job's text; see `run.work`. A text in a language that the recogniser lacks does without it."""
    heard_by: dict[bool, list[Job]] = {True: [], False: []}
    for job in jobs:
        try:
            known = recogniser.traits.languages
            language = language_of(script_of(_text(job)), _text(job), aligner)
        except SpeechcliError as error:
            yield run.Failed(job, error)
        else:
            heard_by[not known or language in known].append(job)
    for listens, some in heard_by.items():
        if some:
            ear = recogniser if listens else Listener(recogniser.traits.rate)
            crew = _Crew(ear, aligner, replace(recordings, rate=aligner.traits.rate))
            yield from crew.events(
                run.work(some, ear, detector, recordings, resume, still_wanted, patient=patient, held=True), len(some)
            )


def script_of(text: Text) -> Script:
    """The text, read. Raises DataError, NoInputError."""
    return read_script(text.path, text.name, lines=text.lines)


def language_of(script: Script, text: Text, aligner: Aligner) -> str | None:
    """The language of a text: as told, else as its letters look. Raises UsageError for one that the aligner lacks."""
    language = text.language or script.transcript.language or language_by_script(script.transcript.text)
    known = aligner.traits.languages
    if known and language not in known:
        several = "these languages" if len(known) > 1 else "one language"
        raise UsageError(
            f"{text.name} is in {name_of(language)}: {aligner.stage.model} aligns {several}: "
            f"{', '.join(name_of(code) for code in known)}",
            "--language names the text's own; --model qwen3-aligner or ctc:MODEL align others",
        )
    return language


@dataclass(slots=True, eq=False)
class _Waiting:
    """A recording that was heard, whose text is to be aligned. found: of each part, its pieces' words."""

    ended: run.Ended
    task: Task
    notes: tuple[str, ...]
    found: list[dict[int, Sequence[Word]]] = field(default_factory=list)
    followed: dict[int, Found] = field(default_factory=dict)
    over: bool = False

    @property
    def job(self) -> Job:
        return self.ended.job

    @property
    def journal(self) -> Journal | None:
        return self.ended.journal


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """A piece with its sound. index: of its part, and of itself in it."""

    of: _Waiting
    index: tuple[int, int]
    piece: Piece
    audio: Audio


class _Crew:
    """What a run of one recogniser needs."""

    def __init__(self, recogniser: Transcriber, aligner: Aligner, recordings: Recordings) -> None:
        self._recogniser = recogniser
        self._aligner = aligner
        self._recordings = recordings

    def events(self, heard: Iterator[run.Event], n_jobs: int) -> Iterator[Event]:
        groups: dict[int, list[Sequence[Answer]]] = defaultdict(list)
        waiting: list[_Waiting] = []
        n_left = n_jobs
        for event in heard:
            n_left -= isinstance(event, run.Ended | run.Skipped | run.Failed)
            match event:
                case run.Ended():
                    try:
                        waiting.append(self._planned(event, groups.pop(id(event.job), [])))
                    except SpeechcliError as error:
                        event.leave()
                        yield run.Failed(event.job, error)
                case run.Group(job, answers):
                    groups[id(job)].append(answers)
                    yield event
                case run.Failed(job, _):
                    groups.pop(id(job), None)
                    yield event
                case _:
                    yield event
            if waiting and (not n_left or self._enough(waiting)):  # with the last event the journals are closed
                yield from self._aligned(waiting)
                waiting = []

    def _planned(self, ended: run.Ended, groups: Sequence[Sequence[Answer]]) -> _Waiting:
        text = _text(ended.job)
        script = script_of(text)
        words = [word for segment in stitch(groups) for word in segment.words]
        speech = [span for group in groups for span in group[0].window.speech]
        language = language_of(script, text, self._aligner)
        longest = self._aligner.traits.longest
        duration = ended.ending.duration
        task = alignment.task(script.transcript, words, speech, duration, longest, language, not text.lines)
        return _Waiting(ended, task, script.notes, [{} for _ in task.parts])

    def _enough(self, waiting: Sequence[_Waiting]) -> bool:
        """Whether the aligner's batch is full."""
        traits = self._aligner.traits
        spans = [piece.span for w in waiting for part in w.task.parts if part.plan for piece in part.plan.pieces]
        follows = any(part.plan is None for w in waiting for part in w.task.parts)
        full = max(len(waiting), len(spans)) >= traits.batch or sum(s.duration for s in spans) >= traits.seconds
        return follows or full

    def _aligned(self, waiting: Sequence[_Waiting]) -> Iterator[Event]:
        batch: list[_Piece] = []
        for one in waiting:
            try:
                for piece in self._pieces(one):
                    batch.append(piece)
                    if self._full(batch):
                        yield from self._align(batch)
                        batch = []
                    if one.over:
                        break
            except SpeechcliError as error:
                yield from self._fail(one, error)
            else:
                yield from self._finished(one)  # unless its last pieces go with those of the next recording
        yield from self._align(batch)

    def _full(self, batch: Sequence[_Piece]) -> bool:
        traits = self._aligner.traits
        padded = (len(batch) + 1) * max(piece.audio.duration for piece in batch)
        return len(batch) >= traits.batch or padded > traits.seconds

    def _pieces(self, one: _Waiting) -> Iterator[_Piece]:
        """What is still to be aligned of a recording, with its sound; what is followed is aligned here."""
        todo = sorted(
            (
                ((i, k), piece)
                for i, part in enumerate(one.task.parts)
                if part.plan is not None
                for k, piece in enumerate(part.plan.pieces)
            ),
            key=lambda item: item[1].span.start,
        )
        for (i, k), piece in todo:
            if (words := _known(one, (i, k), piece)) is not None:
                one.found[i][k] = words
        todo = [(index, piece) for index, piece in todo if index[1] not in one.found[index[0]]]
        for i, part in enumerate(one.task.parts):
            if part.plan is None:
                with self._sound(one) as sound:
                    one.followed[i] = self._followed(one, i, sound)
        if todo:
            with self._sound(one) as sound:
                for index, piece in todo:
                    yield _Piece(one, index, piece, sound(piece.span))

    @contextmanager
    def _sound(self, one: _Waiting) -> Iterator[Callable[[Span], Audio]]:
        """The recording once more: stretches of it, each beginning no earlier than the one before."""
        with self._recordings.open(one.job) as recording:
            if recording.fingerprint != one.ended.ending.fingerprint:
                raise MediaError(f"{one.job.name} was written to while it was read", "run the same command again")
            cut = alignment.cut(recording.blocks())
            next(cut)
            yield cut.send

    def _followed(self, one: _Waiting, i: int, sound: Callable[[Span], Audio]) -> Found:
        """A part without anything to hold on to, window by window."""
        longest = self._aligner.traits.longest
        windows = alignment.follow(one.task.parts[i], one.task, longest)
        k = 0
        try:
            piece = next(windows)
            while True:
                words = _known(one, (i, k), piece)
                if words is None:
                    words = self._times([_Piece(one, (i, k), piece, sound(piece.span))])[0]
                k += 1
                piece = windows.send(words)
        except StopIteration as end:
            found: Found = end.value
            return found

    def _align(self, batch: Sequence[_Piece]) -> Iterator[Event]:
        batch = [piece for piece in batch if not piece.of.over]
        if not batch:
            return
        try:
            found = self._times(batch)
        except SpeechcliError as error:
            if len(batch) > 1:  # one of them is to blame
                for piece in batch:
                    yield from self._align([piece])
                return
            yield from self._fail(batch[0].of, error)
            return
        for piece, words in zip(batch, found, strict=True):
            piece.of.found[piece.index[0]][piece.index[1]] = words
        for one in dict.fromkeys(piece.of for piece in batch):
            yield from self._finished(one)

    def _times(self, batch: Sequence[_Piece]) -> list[list[Word]]:
        """The words of each piece, which its journal keeps."""
        asked = [(piece.piece, piece.of.task.language) for piece in batch]
        try:
            found = alignment.align(self._aligner, [piece.audio for piece in batch], asked)
        except OutOfMemoryError as error:
            raise UnavailableError(
                "not enough memory to align one window", "a smaller --chunk-size, or --device cpu"
            ) from error
        for piece, words in zip(batch, found, strict=True):
            if piece.of.journal is not None:
                piece.of.journal.add(_window(piece.index, piece.piece), _kept(words))
        return found

    def _finished(self, one: _Waiting) -> Iterator[Event]:
        """The recording, if all of its pieces have their times."""
        parts = one.task.parts
        whole = all(
            i in one.followed if part.plan is None else len(one.found[i]) == len(part.plan.pieces)
            for i, part in enumerate(parts)
        )
        if one.over or not whole:
            return
        one.over = True
        found = [
            one.followed[i] if part.plan is None else (part.plan, [words for _, words in sorted(one.found[i].items())])
            for i, part in enumerate(parts)
        ]
        ending = one.ended.ending
        transcript = alignment.finished(
            one.task,
            found,
            Path(one.job.name).name,
            ending.complete,
            (*ending.notes, *one.notes),
            self._made_by(),
        )
        facts = (*ending.facts, ("text", _text(one.job).name))
        yield Finished(one.job, replace(transcript, recording=facts), ending, one.ended.done, one.ended.leave)

    def _made_by(self) -> tuple[Stage, ...]:
        if isinstance(self._recogniser, Listener):
            return (self._aligner.stage,)
        return replace(self._recogniser.stage, stage="anchor"), self._aligner.stage

    def _fail(self, one: _Waiting, error: SpeechcliError) -> Iterator[Event]:
        if not one.over:
            one.over = True
            one.ended.leave()
            yield run.Failed(one.job, error)


def _text(job: Job) -> Text:
    assert job.text is not None, "only jobs with a text come here"
    return job.text


def _window(index: tuple[int, int], piece: Piece) -> Window:
    """What the journal knows a piece by: no window of the recogniser is called so."""
    return Window((-1, *index), piece.span, piece.span, ())


def _kept(words: Sequence[Word]) -> Heard:
    """For the journal; in the recording's time, for the piece's own has no use."""
    start = min((word.start for word in words), default=0.0)
    end = max((word.end for word in words), default=start)
    return Heard((Segment(start, end, joined(tuple(words)), tuple(words)),)) if words else Heard()


def _known(one: _Waiting, index: tuple[int, int], piece: Piece) -> Sequence[Word] | None:
    """What an earlier run found."""
    heard = one.journal.known(_window(index, piece)) if one.journal is not None else None
    if heard is None:
        return None
    words = heard.segments[0].words if heard.segments else ()
    return words if [w.text for w in words] == [entry.text for entry in piece.entries] else None
