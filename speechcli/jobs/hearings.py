"""Threads in which recordings are heard by a diarizer, one to a recording, and what they tell."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from typing import TypeAlias

import numpy as np

from speechcli.backends.base import Diarized, Diarizer, OutOfMemoryError
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds, Span, clipped, tidy, to_samples
from speechcli.core.transcript import Turn
from speechcli.core.turns import tidied_with
from speechcli.errors import MediaError, SpeechcliError, UnavailableError
from speechcli.jobs import run
from speechcli.jobs.job import Job
from speechcli.jobs.journal import Journal
from speechcli.jobs.recording import Ending, Recordings

_TOO_LARGE = UnavailableError("not enough memory to tell the speakers apart", "--device cpu, or a shorter recording")


@dataclass(frozen=True, slots=True)
class Listened:
    """A recording is being heard: so many seconds of it were."""

    job: Job
    seconds: Seconds


@dataclass(frozen=True, slots=True)
class Found:
    """Who speaks when in a recording. done, leave: as in `Finished`."""

    job: Job
    diarized: Diarized
    ending: Ending
    done: Callable[[], None]
    leave: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Bug:
    """What ended a thread."""

    error: BaseException


News: TypeAlias = run.Began | Listened | run.Skipped | run.Failed | Found


class Crew:
    """The threads that hear recordings, and what they tell."""

    def __init__(
        self, diarizer: Diarizer, recordings: Recordings, still_wanted: Callable[[Job], bool] | None = None
    ) -> None:
        self._diarizer = diarizer
        self._recordings = replace(recordings, rate=diarizer.traits.rate)
        self._still_wanted = still_wanted  # None: whoever transcribes them holds their locks
        self._one_at_a_time = threading.Lock()
        self._stopped = threading.Event()
        self._todo: SimpleQueue[tuple[Job, str | None] | None] = SimpleQueue()
        self._news: SimpleQueue[News | _Bug] = SimpleQueue()
        self._owned: list[Journal] = []

    def at_work(self, patient: bool) -> ExitStack:
        """The threads, while the context is open. patient: whether to wait in the end for what they are doing."""
        threads = [
            threading.Thread(target=self._hear_all, daemon=True, name=f"hearing-{i}")
            for i in range(self._diarizer.traits.lanes)
        ]
        stack = ExitStack()
        stack.callback(self._end, threads, patient)
        for thread in threads:
            thread.start()
        return stack

    def ask(self, job: Job, fingerprint: str | None = None) -> None:
        """Has the job's recording heard. fingerprint: what it was when it was transcribed."""
        self._todo.put((job, fingerprint))

    @property
    def has_news(self) -> bool:
        return not self._news.empty()

    def next(self) -> News:
        """What happens next; waits for it."""
        news = self._news.get()
        if isinstance(news, _Bug):
            raise news.error
        return news

    def _end(self, threads: Sequence[threading.Thread], patient: bool) -> None:
        self._stopped.set()
        for _ in threads:
            self._todo.put(None)
        for thread in threads:
            thread.join(timeout=None if patient else 0.1)
        for journal in list(self._owned):
            self._free(journal)

    def _hear_all(self) -> None:
        while (asked := self._todo.get()) is not None:
            job, fingerprint = asked
            try:
                self._hear_one(job, fingerprint)
            except SpeechcliError as error:
                self._news.put(run.Failed(job, error))
            except OutOfMemoryError:
                self._news.put(run.Failed(job, _TOO_LARGE))
            except BaseException as error:  # raised again in the caller's thread
                self._news.put(_Bug(error))
                return

    def _hear_one(self, job: Job, fingerprint: str | None) -> None:
        if self._stopped.is_set():
            return
        journal = None
        with ExitStack() as until_found:
            if self._still_wanted is not None and job.journal is not None:
                journal = Journal(job.journal)  # for its lock: there is nothing to keep in it
                self._owned.append(journal)
                until_found.callback(self._free, journal)
            if self._still_wanted is not None:
                with self._one_at_a_time:
                    wanted = self._still_wanted(job)
                if not wanted:
                    self._news.put(run.Skipped(job))
                    return
            heard = self._heard(job, fingerprint)
            if heard is not None:
                until_found.pop_all()
                free = partial(self._free, journal)
                self._news.put(Found(job, *heard, free, free))

    def _heard(self, job: Job, fingerprint: str | None) -> tuple[Diarized, Ending] | None:
        """None when the run was stopped meanwhile."""
        with self._recordings.open(job) as recording:
            if fingerprint is None:
                self._news.put(run.Began(job, recording.duration, 0))
            elif recording.fingerprint != fingerprint:
                raise MediaError(f"{job.name} was written to while it was read", "run the same command again")
            hearing = self._diarizer.begin(job.question.speakers)
            for block in recording.blocks():
                if self._stopped.is_set():
                    return None
                hearing.hear(_only(block, job.question.clips))
                self._news.put(Listened(job, block.end))
            diarized, ending = hearing.end(), recording.ending()
            return _inside(diarized, ending.duration, job.question.clips), ending

    def _free(self, journal: Journal | None) -> None:
        if journal is not None:
            with suppress(ValueError):  # two threads may want it at once: who takes it out closes it
                self._owned.remove(journal)
                journal.close()


def _only(block: Audio, clips: Sequence[Span]) -> Audio:
    """The block, silent outside of the parts that are listened to."""
    if not clips:
        return block
    samples = np.zeros_like(block.samples)
    for span in clipped(clips, Span(block.start, block.end)):
        first, last = (to_samples(t - block.start, block.rate) for t in (span.start, span.end))
        samples[first:last] = block.samples[first:last]
    return replace(block, samples=samples)


def _inside(diarized: Diarized, duration: Seconds, clips: Sequence[Span]) -> Diarized:
    """The turns inside the recording, and inside the parts that were listened to."""
    bounds = (
        [Span(c.start, min(c.end, duration)) for c in clips if c.start < duration] if clips else [Span(0, duration)]
    )
    inside = [
        Turn(tidy(piece.start), tidy(piece.end), turn.speaker)
        for turn in diarized.turns
        for bound in bounds
        for piece in clipped([turn], bound)
    ]
    turns, voices = tidied_with(inside, diarized.voices, duration)
    return replace(diarized, turns=turns, voices=voices)
