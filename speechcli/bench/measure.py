"""Models measured on recordings: each in a process of its own, one after the other, nothing else of ours beside it.

Timed is, for each recording alone, from opening its file to its finished transcript, decoding included, as `speechcli
transcribe` does it, without writing it; loading and warming up are told apart. What a child has finished is told at
once, so whoever stops, or a child that dies, loses nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeAlias

import psutil  # type: ignore[import-untyped]

from speechcli import api
from speechcli.api import Diarization, Options
from speechcli.backends import registry
from speechcli.bench import child
from speechcli.bench.result import Run, System
from speechcli.core.span import Seconds
from speechcli.core.transcript import Transcript
from speechcli.errors import SpeechcliError, UnavailableError, UsageError
from speechcli.formats import jsondoc
from speechcli.media import ffmpeg, probe
from speechcli.media.files import Input
from speechcli.scoring import score
from speechcli.scoring.rates import Metric
from speechcli.scoring.references import Reference

SAMPLE = Path(__file__).parent.parent / "sample" / "two_cities.mp3"
_LOOK: Seconds = 1.0  # between two looks whether a child is still at work
_IDLE = 0.02  # of a core: less is nobody at work
_KILLED = 9  # SIGKILL, which Windows does not name


@dataclass(frozen=True, slots=True)
class Subject:
    """A model as it is to be measured. name: of its system, unique in a result."""

    name: str
    options: Options | Diarization


@dataclass(frozen=True, slots=True)
class Conditions:
    """How it is measured.

    warm_up: a recording, of which the first `warm_seconds` are heard before anything is timed. patience: a child that
    says nothing for so long, and uses no processor time meanwhile, hangs. program: what is run as `child`.
    """

    warm_up: Path = SAMPLE
    warm_seconds: Seconds = 15.0
    patience: Seconds = 300.0
    program: tuple[str, ...] = (sys.executable, "-m", "speechcli.bench.child")


USUAL = Conditions()

# In each event `system` is what is known by now, without its runs.


@dataclass(frozen=True, slots=True)
class Loading:
    """The model is being loaded, and warmed up."""

    system: System


@dataclass(frozen=True, slots=True)
class Going:
    """A recording is in work: seconds of it that are finished, of `duration` where that is known."""

    system: System
    recording: Input
    done: Seconds = 0.0
    duration: Seconds | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """A recording is finished: a transcript and its times, or an error; see `Run`."""

    system: System
    recording: Input
    duration: Seconds
    seconds: Seconds | None = None
    cpu: Seconds | None = None
    first: Seconds | None = None
    transcript: Transcript | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Over:
    """The system is done with. With an error it could not be loaded, or not go on to the end."""

    system: System


Event: TypeAlias = Loading | Going | Measured | Over
Worth: TypeAlias = Callable[[Input, Sequence[Measured]], bool]


def subjects(models: Sequence[str], base: Options | Diarization) -> list[Subject]:
    """A subject for each model, all with the same other options; one that is named twice is measured once.

    Raises UsageError, UnavailableError, DataError: see `check`.
    """
    found: dict[str, Subject] = {}
    for model in models:
        subject = Subject(model, replace(base, model=model))
        name = check(subject) or model
        there = found.get(name)
        if there is not None and os.path.isdir(model) and not _same_folder(model, there.options.model):
            name = os.path.abspath(model)  # two folders of one name are two models
        found.setdefault(name, replace(subject, name=name))
    return list(found.values())


def _same_folder(a: str, b: str) -> bool:
    return os.path.isdir(b) and os.path.samefile(a, b)


def check(subject: Subject) -> str:
    """The model's one name: it can be asked, and its weights are here. Nothing is loaded and nothing fetched.

    Raises UsageError, UnavailableError, DataError.
    """
    options = subject.options
    if isinstance(options, Options):  # what does not transcribe is not to be fetched for it
        registry.family_of(
            registry.Wanted(
                options.model, attention=options.attention, quantize=options.quantize, compile=options.compile
            )
        )
    try:
        return api.check(replace(options, offline=True))
    except UnavailableError as error:
        lacking, forbidden, _ = error.message.partition(" and --offline forbids")
        if not forbidden:
            raise
        raise UnavailableError(lacking, error.hint) from error


def measured(
    subjects: Sequence[Subject],
    recordings: Sequence[Input],
    conditions: Conditions = USUAL,
    worth: Worth = lambda recording, before: True,
) -> Iterator[Event]:
    """What happens, as it happens. Closing the iterator ends the child at work.

    worth: asked before each recording, with what its system did before: whether it is to be measured at all. Raises at
    once, before anything is run: UsageError, UnavailableError, DataError for a model that is not here.
    """
    if len({subject.name for subject in subjects}) < len(subjects):
        raise UsageError("two systems have the same name", "each needs its own")
    for subject in subjects:
        check(subject)
    return _all(subjects, recordings, conditions, worth)


def _all(
    subjects: Sequence[Subject], recordings: Sequence[Input], conditions: Conditions, worth: Worth
) -> Iterator[Event]:
    for subject in subjects:
        yield from _one(subject, recordings, conditions, worth)


def _one(subject: Subject, recordings: Sequence[Input], conditions: Conditions, worth: Worth) -> Iterator[Event]:
    system = System(subject.name, (), model=subject.options.model)
    yield Loading(system)
    options = replace(subject.options, offline=True)
    left = list(recordings)
    done: list[Measured] = []
    try:
        with _Child(conditions) as at_work:
            began = time.monotonic()
            at_work.ask(child.asked(options, conditions.warm_up, conditions.warm_seconds))
            while system.warm_up is None:
                system = _loaded(system, at_work.news(), time.monotonic() - began)
                yield Loading(system)
            while left:
                if not worth(left[0], done):
                    left.pop(0)
                    continue
                for event in _heard(at_work, system, left[0], options):
                    system = event.system
                    if isinstance(event, Measured):
                        done.append(event)
                    yield event
                left.pop(0)
    except _Gone as gone:
        system = replace(system, error=str(gone))
        for i, recording in enumerate(left if system.warm_up is not None else ()):
            error = str(gone) if not i else f"not heard, for before it {gone}"
            yield Measured(system, recording, length(recording, options.ffmpeg), error=error)
    yield Over(system)


def _heard(
    at_work: _Child, system: System, recording: Input, options: Options | Diarization
) -> Iterator[Going | Measured]:
    """What happens to one recording; what is measured comes last. Raises _Gone."""
    at_work.ask({"path": os.path.abspath(recording.path), "name": recording.name})
    duration: Seconds | None = None
    while (news := at_work.news())["event"] == "going":
        duration = news["duration"] or duration
        yield Going(system, recording, news["done"], duration)
    yield _answer(_metered(system, news), recording, news, options)


def _loaded(system: System, news: child.Message, seconds: Seconds) -> System:
    """The system with what is new; `load` is from the start of its process, Python's imports included. Raises _Gone."""
    match news["event"]:
        case "loaded":
            settings = tuple((str(key), str(value)) for key, value in news["settings"])
            about = {key: news[key] for key in ("model", "revision", "device")}
            return replace(system, **about, settings=settings, load=seconds)
        case "warm":
            return replace(_metered(system, news), warm_up=news["seconds"])
        case _:
            raise _Gone(news["error"])


def _metered(system: System, news: child.Message) -> System:
    return replace(
        system,
        memory=news["memory"],
        device_memory=news["device_memory"],
        energy=news["energy"],
        notes=tuple(news["notes"]),
    )


def _answer(system: System, recording: Input, news: child.Message, options: Options | Diarization) -> Measured:
    if news["event"] == "failed":
        return Measured(system, recording, length(recording, options.ffmpeg), error=news["error"])
    transcript = jsondoc.read(news["transcript"], recording.name)
    return Measured(system, recording, transcript.duration, news["seconds"], news["cpu"], news["first"], transcript, "")


def length(recording: Input, program: str | None = None) -> Seconds:
    """As its container says; 0 where nobody can tell. program: the ffmpeg to use."""
    try:
        return probe.probe(recording.path, ffmpeg.find(program), recording.name).duration or 0.0
    except SpeechcliError:
        return 0.0


def run_of(
    one: Measured, reference: Reference | None, metrics: Sequence[Metric], options: score.Options
) -> tuple[Run, tuple[str, ...]]:
    """What was measured, with its scores, and what is odd about them, a line each.

    reference: of the recording; None where there is none, and nothing is scored. Raises UsageError for an unknown
    normaliser.
    """
    run = Run(one.recording.name, one.duration, one.seconds, one.cpu, one.first, error=one.error)
    if one.transcript is None:
        return run, ()
    if reference is None:
        return replace(run, lacking=dict.fromkeys(metrics, "there is no reference")), ()
    found = score.score(one.transcript, reference, metrics, options, one.duration)
    scored = replace(
        run,
        scores=found.rates,
        lacking=found.lacking,
        text=found.text,
        reference=found.reference,
        distances=found.distances,
    )
    return scored, found.notes


class _Gone(Exception):
    """The child does not work any more; why."""


class _Child:
    """The process of one system; leaving the context ends it."""

    def __init__(self, conditions: Conditions) -> None:
        self._patience = conditions.patience
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (its stderr: a pipe that nobody empties would stop it)
        try:
            self._process = subprocess.Popen(
                conditions.program,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                start_new_session=True,  # Ctrl-C is for us, who end it
            )
        except OSError as error:
            self._said.close()
            raise _Gone(f"its process cannot be started ({error})") from error
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True, name="answers")
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._end()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            with suppress(OSError):  # what it did not read
                pipe.close()  # type: ignore[union-attr]

    def ask(self, message: child.Message) -> None:
        """Raises _Gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            self._process.wait()
            raise _Gone(self._why()) from error

    def news(self) -> dict[str, Any]:
        """What it says next. Raises _Gone."""
        since, used = time.monotonic(), self._used()
        while True:
            try:
                line = self._lines.get(timeout=min(_LOOK, self._patience))
            except Empty:
                now = time.monotonic()
                if now - since < self._patience:
                    continue
                before, used = used, self._used()
                if used - before < _IDLE * (now - since):
                    raise _Gone(f"it hung: nothing done in {self._patience:g} seconds") from None
                since = now
                continue
            if not line:
                self._process.wait()
                raise _Gone(self._why())
            said: dict[str, Any] = json.loads(line)
            return said

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith(b"\n"):  # else it died over it
                self._lines.put(line)
        self._lines.put(b"")

    def _used(self) -> Seconds:
        """Processor time of it and of its children."""
        try:
            process = psutil.Process(self._process.pid)
            family = [process, *process.children(recursive=True)]
            times = [one.cpu_times() for one in family]
        except psutil.Error:  # one of them has ended meanwhile
            return 0.0
        return float(sum(one.user + one.system for one in times))

    def _why(self) -> str:
        """Why it ended."""
        code = self._process.returncode
        if code == -_KILLED:
            return "its process was killed, as the system does when memory runs out"
        said = self._last_words()
        if code < 0:
            with suppress(ValueError):
                return f"its process crashed ({signal.Signals(-code).name})" + (f": {said}" if said else "")
        return f"its process ended (exit code {code})" + (f": {said}" if said else "")

    def _last_words(self) -> str:
        """The last line that it said, of a traceback the error."""
        self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, self._said.tell() - 4096))
        lines = self._said.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")[:300]

    def _end(self) -> None:
        """At once, with whatever it has started."""
        if self._process.poll() is None:
            if os.name == "posix":
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, _KILLED)
            else:
                self._process.kill()
        self._process.wait()
