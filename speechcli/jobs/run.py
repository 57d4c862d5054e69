"""Many jobs to answers: decode ahead, share batches between recordings, keep a journal.

One thread reads recordings and cuts them into windows, one thread a lane of the model transcribes batches, and the
caller's thread, which pulls the events, does all the rest: bookkeeping, journals, and (outside) writing.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import TypeAlias

from speechcli import pipeline
from speechcli.backends.base import Aligner, OutOfMemoryError, SpeechDetector, Transcriber, VoicePrinter
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds
from speechcli.core.transcript import Heard
from speechcli.errors import SpeechcliError, UnavailableError
from speechcli.jobs import channels
from speechcli.jobs.channels import Channels
from speechcli.jobs.job import Job, Question
from speechcli.jobs.journal import Journal
from speechcli.jobs.recording import Ending, Recording, Recordings
from speechcli.timeline.batches import choose
from speechcli.timeline.stitch import Answer
from speechcli.timeline.windows import Window


@dataclass(frozen=True, slots=True)
class Began:
    """A recording is being read. duration: as its container says, if it does. resumed: windows taken over."""

    job: Job
    duration: Seconds | None
    resumed: int


@dataclass(frozen=True, slots=True)
class Group:
    """A window of the plan is finished, with its parts that were heard again. Groups of a job come in order."""

    job: Job
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """All groups of the job have come. Its journal stays, locked, until the next event is asked for.

    done: to be called when the outputs are written: the journal goes. journal, leave: where journals are `held`, for
    what is still to be done; `leave` frees it where the job fails.
    """

    job: Job
    ending: Ending
    done: Callable[[], None]
    journal: Journal | None = None
    leave: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Somebody else finished this recording in the meantime."""

    job: Job


@dataclass(frozen=True, slots=True)
class Failed:
    """The job cannot be done; what its journal holds stays."""

    job: Job
    error: SpeechcliError


Event: TypeAlias = Began | Group | Ended | Skipped | Failed


def work(
    jobs: Sequence[Job],
    transcriber: Transcriber,
    detector: SpeechDetector,
    recordings: Recordings,
    resume: bool = True,
    still_wanted: Callable[[Job], bool] = lambda job: True,
    patient: bool = True,
    live: bool = False,
    aligner: Aligner | None = None,
    held: bool = False,
    printer: VoicePrinter = pipeline.NO_WEIGHTS,
) -> Iterator[Event]:
    """Does the jobs in their order, several at once, and tells what happens.

    still_wanted: asked once a job's lock is held; False when another process has done it. Closing the iterator stops
    everything; what the journals hold stays. patient: whether to wait then for the batches under way; without it the
    process has to end by `os._exit`, for engines abort when the interpreter ends under them. live: somebody waits for
    the first words, which then come before all others; else every batch is as full as it can be. held: journals stay
    open after `Ended`, until `done` or `leave` is called. printer: knows voices again, where the model tells speakers.
    """
    crew = _Crew(transcriber, detector, recordings, resume, still_wanted, live, aligner, held, printer)
    threads = [threading.Thread(target=crew.read, args=(jobs,), daemon=True, name="read")]
    threads += [
        threading.Thread(target=crew.transcribe, daemon=True, name=f"lane-{i}") for i in range(transcriber.traits.lanes)
    ]
    for thread in threads:
        thread.start()
    try:
        yield from crew.events(len(jobs))
        patient = True  # nobody is at work any more
    finally:
        crew.stop()
        for thread in threads:
            thread.join(timeout=None if patient else 0.1)
        crew.close_journals()


@dataclass(slots=True, eq=False)
class _Piece:
    """A window to be transcribed, with its sound and whose it is."""

    work: _Work
    window: Window
    audio: Audio
    alone: bool = False  # its batch failed: it gets a second try by itself


@dataclass(slots=True, eq=False)
class _Work:
    """A job under way."""

    job: Job
    journal: Journal | None
    groups: dict[int, _Open] = field(default_factory=dict)
    n_told: int = 0  # groups given to the caller
    ending: Ending | None = None
    over: bool = False


@dataclass(slots=True)
class _Open:
    """A window of the plan and what is still missing of it. seconds: of its sound."""

    seconds: Seconds
    answers: list[Answer] = field(default_factory=list)
    missing: int = 1
    finished: bool = False


@dataclass(frozen=True, slots=True)
class _Read:
    work: _Work
    ending: Ending


@dataclass(frozen=True, slots=True)
class _Unreadable:
    work: _Work
    error: SpeechcliError


@dataclass(frozen=True, slots=True)
class _Answered:
    batch: list[_Piece]
    heard: list[Heard] | Exception


@dataclass(frozen=True, slots=True)
class _NothingMore:
    """The reader is through; with the bug that ended it, if one did."""

    bug: BaseException | None = None


_Message: TypeAlias = Began | _Piece | _Read | _Unreadable | _Answered | _NothingMore | Skipped | Failed

_TOO_LARGE = UnavailableError(
    "not enough memory for one window", "a smaller --chunk-size, --quantize int4, or --device cpu"
)


class _Slots:
    """Room for windows that were read and are not finished: so many, and so many seconds of sound.

    One always finds room where nothing else is, however long it is.
    """

    def __init__(self, most: int, seconds: Seconds) -> None:
        self._most = most
        self._seconds = seconds
        self._n_taken = 0
        self._taken: Seconds = 0.0
        self._change = threading.Condition()

    def fits(self, n_windows: int, seconds: Seconds) -> bool:
        """Whether another window may come to so many, if it is short enough."""
        return n_windows < self._most and seconds < self._seconds

    def take(self, seconds: Seconds, wait: Seconds) -> bool:
        """Whether there was room within `wait` seconds."""
        with self._change:
            if not self._change.wait_for(lambda: self._fits(seconds), wait):
                return False
            self._n_taken += 1
            self._taken += seconds
            return True

    def give(self, seconds: Seconds) -> None:
        """Gives back what was taken."""
        with self._change:
            self._n_taken -= 1
            self._taken -= seconds
            self._change.notify()

    def widen(self, most: int) -> None:
        """Room for so many from now on."""
        with self._change:
            self._most = most
            self._change.notify()

    def _fits(self, seconds: Seconds) -> bool:
        return not self._n_taken or (self._n_taken < self._most and self._taken + seconds <= self._seconds)


class _Crew:
    """The threads' common ground: queues between them, and the bookkeeping of the caller's thread."""

    def __init__(
        self,
        transcriber: Transcriber,
        detector: SpeechDetector,
        recordings: Recordings,
        resume: bool,
        still_wanted: Callable[[Job], bool],
        live: bool,
        aligner: Aligner | None,
        held: bool,
        printer: VoicePrinter,
    ) -> None:
        self._live = live
        self._held_open = held
        self._transcriber = transcriber
        self._aligner = aligner
        self._printer = printer
        self._detector = detector
        self._recordings = recordings
        self._resume = resume
        self._still_wanted = still_wanted
        traits = transcriber.traits
        # windows read ahead bound the memory: a full batch a lane, and one in reserve; but where somebody waits for the
        # first words a single one until something has been answered
        self._n_ahead = traits.batch * (traits.lanes + 1)
        self._slots = _Slots(1 if live else self._n_ahead, traits.seconds * (traits.lanes + 1))
        self._stopped = threading.Event()
        self._inbox: SimpleQueue[_Message] = SimpleQueue()
        self._batches: SimpleQueue[list[_Piece] | None] = SimpleQueue()
        self._ready: deque[_Piece] = deque()
        self._n_held = 0  # windows read and not finished, and seconds of them
        self._held: Seconds = 0.0
        self._n_busy = 0  # lanes at work
        self._read_all = False
        self._works: list[_Work] = []  # whose journals are open

    # --- the reading thread ---

    def read(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if self._stopped.is_set():
                return
            try:
                self._read_one(job)
            except SpeechcliError as error:
                self._inbox.put(Failed(job, error))
            except BaseException as error:  # raised again in the caller's thread
                self._inbox.put(_NothingMore(error))
                return
        self._inbox.put(_NothingMore())

    def _read_one(self, job: Job) -> None:
        with ExitStack() as until_owned:
            journal = None
            if job.journal is not None:
                journal = until_owned.enter_context(Journal(job.journal, self._resume))
            if not self._still_wanted(job):
                if journal is not None:
                    journal.finish()
                self._inbox.put(Skipped(job))
                return
            split = job.question.split
            with channels.opened(self._recordings, job) if split else self._recordings.open(job) as recording:
                resumed = journal.begin(self._key(job, recording.fingerprint)) if journal is not None else 0
                work = _Work(job, journal)
                self._works.append(work)
                until_owned.pop_all()  # from here on the caller's thread closes it
                self._inbox.put(Began(job, recording.duration, resumed))
                try:
                    question = job.question
                    for window, audio in self._windows(recording, question):
                        while not self._slots.take(audio.duration, wait=0.2):
                            if self._stopped.is_set():
                                return
                        if self._stopped.is_set():
                            return
                        if work.over:  # one of its windows failed
                            self._slots.give(audio.duration)
                            return
                        self._inbox.put(_Piece(work, window, audio))
                    self._inbox.put(_Read(work, recording.ending()))
                except SpeechcliError as error:
                    self._inbox.put(_Unreadable(work, error))

    def _windows(self, recording: Recording | Channels, question: Question) -> Iterator[tuple[Window, Audio]]:
        if isinstance(recording, Channels):
            return recording.windows(self._detector, question.rules, question.clips)
        return pipeline.windows(recording.blocks(), self._detector.fresh(), question.rules, question.clips)

    def _key(self, job: Job, fingerprint: str) -> str:
        """Of the journal: what it holds must not be put together with what other engines hear, nor what it holds of
        voices be compared with another printer's.
        """
        ours = self._transcriber.traits.gives_speakers and self._printer.name != pipeline.NO_WEIGHTS.name
        key = f"{job.key(fingerprint)} {self._transcriber.stage.engine}"
        return f"{key} {self._printer.name}" if ours else key

    # --- the lanes ---

    def transcribe(self) -> None:
        while (batch := self._batches.get()) is not None:
            try:
                hints = [piece.work.job.question.hints for piece in batch]
                sounds = [(piece.window, piece.audio) for piece in batch]
                heard = pipeline.listen(self._transcriber, sounds, hints, self._aligner, self._printer)
                self._inbox.put(_Answered(batch, heard))
            except Exception as error:  # told apart in the caller's thread
                self._inbox.put(_Answered(batch, error))

    # --- the caller's thread ---

    def events(self, n_jobs: int) -> Iterator[Event]:
        n_left = n_jobs
        while n_left:
            for event in self._happened(self._inbox.get()):
                yield event
                n_left -= isinstance(event, Ended | Skipped | Failed)
            self._dispatch()

    def _happened(self, message: _Message) -> Iterator[Event]:
        match message:
            case _Piece():
                yield from self._take(message)
            case _Answered():
                yield from self._answered(message)
            case _Read(work, ending):
                work.ending = ending
                yield from self._told(work)
            case _NothingMore(bug):
                self._read_all = True
                if bug is not None:
                    raise bug
            case _Unreadable(work, error):
                yield from self._fail(work, error)
            case Began() | Skipped() | Failed():
                yield message

    def stop(self) -> None:
        self._stopped.set()
        for _ in range(self._transcriber.traits.lanes):
            self._batches.put(None)

    def close_journals(self) -> None:
        for work in self._works:
            if work.journal is not None:
                work.journal.close()

    def _take(self, piece: _Piece) -> Iterator[Event]:
        """A window from the reader."""
        self._n_held += 1
        self._held += piece.audio.duration
        if piece.work.over:
            self._release(piece.audio.duration)
            return
        piece.work.groups[piece.window.index[0]] = _Open(piece.audio.duration)
        if piece.window.silent:
            yield from self._accept(piece, Heard())
        elif (known := self._known(piece)) is not None:
            yield from self._accept(piece, known)
        else:
            self._ready.append(piece)

    def _known(self, piece: _Piece) -> Heard | None:
        journal = piece.work.journal
        return None if journal is None else journal.known(piece.window)

    def _answered(self, answered: _Answered) -> Iterator[Event]:
        """A batch from a lane."""
        self._n_busy -= 1
        self._read_further_ahead()
        if isinstance(answered.heard, Exception):
            yield from self._unanswered(answered.batch, answered.heard)
            return
        for piece, heard in zip(answered.batch, answered.heard, strict=True):
            if piece.work.over:
                continue
            if piece.work.journal is not None:
                piece.work.journal.add(piece.window, heard)
            yield from self._accept(piece, heard)

    def _unanswered(self, batch: list[_Piece], error: Exception) -> Iterator[Event]:
        """A batch failed: each of its windows is tried alone, so that one bad window fails one recording only."""
        if len(batch) > 1:
            for piece in batch:
                piece.alone = True
            self._ready.extendleft(reversed(batch))
            return
        work = batch[0].work
        if isinstance(error, SpeechcliError):
            yield from self._fail(work, error)
        elif isinstance(error, OutOfMemoryError):
            yield from self._fail(work, _TOO_LARGE)
        else:
            raise error

    def _accept(self, piece: _Piece, heard: Heard) -> Iterator[Event]:
        """What a window gave; its parts without words go the same way once more."""
        answer = Answer(piece.window, heard)
        group = piece.work.groups[piece.window.index[0]]
        group.answers.append(answer)
        group.missing -= 1
        judged = piece.work.job.question.judged  # without a speech detector nobody knows what was passed over
        parts = pipeline.to_hear_again(self._transcriber, answer) if judged or heard.cut is not None else []
        group.missing += len(parts)  # all at once: a part known from the journal may be the last one missing
        for part in parts:
            again = _Piece(piece.work, part, piece.audio.cut(part.heard))
            if (known := self._known(again)) is not None:
                yield from self._accept(again, known)
            elif self._live:
                self._ready.appendleft(again)
            else:
                self._ready.append(again)
        if not group.missing and not group.finished:
            group.finished = True
            self._release(group.seconds)
            yield from self._told(piece.work)

    def _told(self, work: _Work) -> Iterator[Event]:
        """The groups that are next in order, and the end when all have been told."""
        while (group := work.groups.get(work.n_told)) is not None and group.finished:
            del work.groups[work.n_told]
            work.n_told += 1
            yield Group(work.job, tuple(sorted(group.answers, key=lambda a: a.window.index)))
        if work.ending is not None and not work.groups and not work.over:
            work.over = True
            yield Ended(work.job, work.ending, partial(self._finish, work), work.journal, partial(self._close, work))
            if not self._held_open:
                self._close(work)

    def _fail(self, work: _Work, error: SpeechcliError) -> Iterator[Event]:
        if work.over:
            return
        work.over = True
        self._ready = deque(piece for piece in self._ready if piece.work is not work)
        for group in work.groups.values():
            if not group.finished:
                self._release(group.seconds)
        work.groups.clear()
        yield Failed(work.job, error)
        self._close(work)

    def _finish(self, work: _Work) -> None:
        if work.journal is not None:
            work.journal.finish()
        self._close(work)

    def _close(self, work: _Work) -> None:
        if work.journal is not None:
            work.journal.close()
        with suppress(ValueError):
            self._works.remove(work)

    def _read_further_ahead(self) -> None:
        self._slots.widen(self._n_ahead)

    def _release(self, seconds: Seconds) -> None:
        self._n_held -= 1
        self._held -= seconds
        self._slots.give(seconds)

    def _dispatch(self) -> None:
        """Gives the free lanes their batches: full ones, unless no more windows can come before one is answered."""
        traits = self._transcriber.traits
        while self._ready and self._n_busy < traits.lanes:
            first = self._ready[0]
            waited_for = self._live and not first.work.n_told  # the first words come before all others
            if waited_for and first.window.index[0]:
                return
            more_to_come = not self._read_all and self._slots.fits(self._n_held, self._held)
            if len(self._ready) < traits.batch and more_to_come and self._n_busy:
                return
            batch = self._batch(1 if waited_for or first.alone else traits.batch)
            self._n_busy += 1
            self._batches.put(batch)

    def _batch(self, most: int) -> list[_Piece]:
        """Windows that go together: the first ones, or those alike in length where the model pads them."""
        seconds = self._transcriber.traits.seconds
        if self._live or math.isinf(seconds) or most == 1:
            return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]
        chosen = choose([piece.audio.duration for piece in self._ready], most, seconds)
        batch = [self._ready[i] for i in chosen]
        self._ready = deque(piece for i, piece in enumerate(self._ready) if i not in chosen)
        return batch
