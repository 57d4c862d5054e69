"""A whole batch: what was decided is done, written and recorded, one outcome a recording."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from speechcli import pipeline
from speechcli.backends import diarizers, printing, registry
from speechcli.backends.base import Aligner, Diarizer, SpeechDetector, Transcriber, VoicePrinter
from speechcli.backends.listener import Listener
from speechcli.core.span import Seconds, total
from speechcli.core.transcript import Transcript, Turn, Verdict
from speechcli.errors import FAILED, OK, BusyError, DataError, NoAudioError, SpeechcliError, UnavailableError
from speechcli.formats import table
from speechcli.formats.html.beside import NOTHING
from speechcli.jobs import aligned, channels, deliver, diarized, enrolment, journal, pages, run
from speechcli.jobs.aligned import Finished as Finished
from speechcli.jobs.hearings import Listened
from speechcli.jobs.job import Job, Rendering
from speechcli.jobs.manifest import Manifest
from speechcli.jobs.output import sweep
from speechcli.jobs.plan import Decision, Do, Refuse, Render, Skip, decide
from speechcli.jobs.recording import Ending, Recordings
from speechcli.jobs.roster import Roster, voices_file
from speechcli.timeline.speakers import link
from speechcli.timeline.stitch import Answer, stitch
from speechcli.timeline.turns import overlaps, renamed, talk

Status: TypeAlias = Literal["done", "rendered", "skipped", "failed"]
Look: TypeAlias = Callable[[Job, Transcript], None]
_ANY_RATE = 16_000  # Hz, where nothing is heard


@dataclass(frozen=True, slots=True)
class Talk:
    """Who speaks how long. speakers: by first appearance. together: seconds in which several do, of all with speech."""

    speakers: Mapping[str, Seconds]
    together: Seconds
    whole: Seconds


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recording.

    code: its own exit code. paths: what was written. warned: the verdict is not ok, be it an earlier run's. talk: who
    speaks, where that was asked. notes: what a page has not, and why.
    """

    job: Job
    status: Status
    code: int = OK
    error: SpeechcliError | None = None
    duration: Seconds | None = None
    verdict: Verdict | None = None
    paths: tuple[Path, ...] = ()
    left_out: Mapping[str, str] | None = None
    warned: bool = False
    talk: Talk | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """A recording was begun (`seconds` 0) or went on: seconds of it that are finished."""

    job: Job
    seconds: Seconds
    duration: Seconds | None = None
    resumed: int = 0


@dataclass(frozen=True, slots=True)
class Engines:
    """What a batch runs on, opened.

    printer: knows voices again, where the model tells speakers. roster: knows speakers of other recordings again.
    """

    transcriber: Transcriber
    detector: SpeechDetector
    recordings: Recordings
    aligner: Aligner | None = None
    diarizer: Diarizer | None = None
    printer: VoicePrinter = pipeline.NO_WEIGHTS
    roster: Roster | None = None

    def close(self) -> None:
        """Frees the models."""
        for engine in (self.transcriber, self.aligner, self.diarizer):
            if engine is not None:
                engine.close()


def aligning(aligner: registry.Resolved, anchor: registry.Resolved | None, program: Path, longest: Seconds) -> Engines:
    """What aligns texts, opened. anchor: finds where they are said; without one somebody listens for speech only.

    program: ffmpeg. longest: refuse longer recordings. Raises UsageError, UnavailableError, DataError.
    """
    recogniser = None if anchor is None else registry.open_transcriber(anchor)
    opened = registry.open_aligner(aligner, recogniser)
    heard = recogniser or Listener(opened.traits.rate)
    detector = registry.open_detector(True, heard.traits.rate)
    return Engines(heard, detector, Recordings(program, heard.traits.rate, longest), opened)


def diarizing(resolved: registry.Resolved | None, program: Path, longest: Seconds, split: bool = False) -> Engines:
    """What tells who speaks when, opened: a diarizer, or a transcriber that tells speakers; None: turns are given.

    split: somebody listens for speech on each channel. program, longest: as for `aligning`. Raises UsageError,
    UnavailableError, DataError.
    """
    diarizer: Diarizer | None = None
    transcriber: Transcriber = Listener(_ANY_RATE)
    if resolved is not None and diarizers.transcribes(resolved.wanted):
        transcriber = registry.open_transcriber(resolved)
    elif resolved is not None:
        diarizer = diarizers.open_diarizer(resolved)
    rate = transcriber.traits.rate if diarizer is None else diarizer.traits.rate
    detector = registry.open_detector(split or (diarizer is None and resolved is not None), rate)
    printer = printing.opened(
        transcriber.traits.gives_speakers, None if resolved is None else resolved.wanted.model_dir
    )
    return Engines(transcriber, detector, Recordings(program, rate, longest), diarizer=diarizer, printer=printer)


def knowing(
    engines: Engines, jobs: Sequence[Job], clips: Mapping[str, Sequence[Path]], linked: bool, model_dir: Path | None
) -> tuple[Engines, tuple[str, ...]]:
    """The engines with a roster, and what is strange about the clips.

    clips: per name, of somebody's voice. linked: the speakers of all recordings get the same names. Raises
    UnavailableError where voices cannot be printed, MediaError for a clip that does not serve.
    """
    printer = diarizers.open_printer(model_dir)
    if printer is None:
        raise UnavailableError("no model that knows voices again is here", "speechcli models pull diarize")
    detector = registry.open_detector(True, printer.rate)
    voices, notes = enrolment.enrolled(clips, printer, detector, engines.recordings.ffmpeg)
    known = Roster(printer, voices, voices_file(jobs) if linked else None)
    return replace(engines, roster=known), notes


def carry_out(
    decisions: Sequence[Decision],
    rendering: Rendering,
    roots: Mapping[Path, Manifest],
    engines: Callable[[], Engines],
    resume: bool = True,
    recheck: bool = True,
    look: Look | None = None,
) -> Generator[Outcome | Progress, None, None]:
    """Does what was decided: refusals, skips and renderings first, then what needs a model.

    engines: called once, when the first recording needs them. recheck: whether to leave a recording alone that
    another process has finished in the meantime. look: shown each transcript that was written, now or earlier.
    """
    todo: list[Job] = []
    for folder in _written_to(decisions):
        sweep(folder)
    for decision in decisions:
        match decision:
            case Do(job):
                todo.append(job)
            case Refuse(job, error):
                yield _failed(job, error)
            case Skip(job, entry):
                if job.journal is not None:
                    journal.discard(job.journal)  # of a run that was killed between the last two steps
                warned = entry.verdict != "ok"
                yield Outcome(job, "skipped", entry.exit_code, duration=entry.duration, warned=warned)
                if look is not None and (shown := _on_disk(job, entry.duration)) is not None:
                    look(job, shown)
            case Render():
                yield _rendered(decision, rendering, roots, look)

    now: dict[Path, Manifest] = {}  # as others see them too; for the thread that reads ahead

    def still_wanted(job: Job) -> bool:
        # another process may have finished it between the plan and the lock
        manifest = now.setdefault(job.root, Manifest(job.root))
        return not (recheck and isinstance(decide(job, manifest, rendering), Skip))

    if todo:
        events = worked(todo, engines(), resume, still_wanted, patient=False)
        yield from _written_out(events, rendering, roots, look)


Happened: TypeAlias = Progress | run.Skipped | run.Failed | run.Group | Finished


def worked(
    jobs: Sequence[Job],
    engines: Engines,
    resume: bool = False,
    still_wanted: Callable[[Job], bool] = lambda job: True,
    patient: bool = True,
    live: bool = False,
) -> Iterator[Happened]:
    """Transcribes the recordings, aligns the texts that they bring along, or finds who speaks; see `run.work`."""
    diarizer, recordings, roster = engines.diarizer, engines.recordings, engines.roster
    if all(job.text is not None and job.text.turns is not None for job in jobs):
        yield from _progressing(diarized.given(jobs))
    elif diarizer is None:
        yield from _transcribed(jobs, engines, resume, still_wanted, patient, live, held=False)
    elif all(job.question.model for job in jobs):
        heard = _transcribed(jobs, engines, resume, still_wanted, patient, live, held=True)
        yield from _progressing(diarized.after(heard, jobs, diarizer, recordings, patient, roster), twice=True)
    else:
        yield from _progressing(diarized.work(jobs, diarizer, recordings, still_wanted, patient, roster))


def _progressing(events: Iterator[Happened | diarized.Event], twice: bool = False) -> Iterator[Happened]:
    """The events, which say how far a recording is. twice: it is heard a second time, which is half of the work."""
    before: dict[int, Seconds] = {}
    for event in events:
        match event:
            case run.Began(job, duration, resumed):
                yield Progress(job, 0.0, duration, resumed)
            case Listened(job, seconds):
                yield Progress(job, before[id(job)] + seconds / 2 if twice else seconds)
            case Progress(job, seconds) if twice:
                before[id(job)] = seconds / 2
                yield replace(event, seconds=seconds / 2)
            case _:
                yield event


def _transcribed(
    jobs: Sequence[Job],
    engines: Engines,
    resume: bool,
    still_wanted: Callable[[Job], bool],
    patient: bool,
    live: bool,
    held: bool,
) -> Generator[Happened, None, None]:
    """held: journals stay open after `Finished`."""
    groups: dict[int, list[Sequence[Answer]]] = defaultdict(list)
    for event in _events(jobs, engines, resume, still_wanted, patient, live, held):
        match event:
            case run.Began(job, duration, resumed):
                yield Progress(job, 0.0, duration, resumed)
            case run.Group(job, answers):
                if not _aligns(job):
                    groups[id(job)].append(answers)
                yield event
                yield Progress(job, answers[0].window.own.end)
            case run.Ended(job, ending, done):
                try:
                    transcript = finished(job, groups.pop(id(job), []), ending, engines)
                except SpeechcliError as error:  # of a transcript that came along, and is not there any more
                    event.leave()
                    yield run.Failed(job, error)
                else:
                    yield Finished(job, transcript, ending, done, event.leave)
            case run.Failed(job, _):
                groups.pop(id(job), None)
                yield event
            case _:
                yield event


def _aligns(job: Job) -> bool:
    return job.text is not None and not job.question.turns


def _events(
    jobs: Sequence[Job],
    engines: Engines,
    resume: bool,
    still_wanted: Callable[[Job], bool],
    patient: bool,
    live: bool,
    held: bool,
) -> Iterator[run.Event | aligned.Event]:
    ear, aligner, detector, recordings = engines.transcriber, engines.aligner, engines.detector, engines.recordings
    if any(map(_aligns, jobs)):
        assert aligner is not None, "texts need an aligner"
        return aligned.work(jobs, ear, aligner, detector, recordings, resume, still_wanted, patient)
    printer = engines.printer
    return run.work(
        jobs, ear, detector, recordings, resume, still_wanted, patient, live, aligner, held, printer=printer
    )


def _written_out(
    events: Iterator[Happened], rendering: Rendering, roots: Mapping[Path, Manifest], look: Look | None
) -> Iterator[Outcome | Progress]:
    for event in events:
        match event:
            case Finished():
                yield _written(event, rendering, roots[event.job.root], look)
            case run.Skipped(job):
                yield Outcome(job, "skipped")
            case run.Failed(job, error):
                yield _failed(job, error)
            case Progress():
                yield event


def stream(
    job: Job,
    format_name: str,
    rendering: Rendering,
    engines: Engines,
    resume: bool,
    tell: Callable[[Outcome | Progress], None],
    look: Look | None = None,
) -> Generator[str, None, None]:
    """One recording as text, piece by piece: cue by cue where the format allows it, else when all is known.

    The same bytes as a file would hold. tell: told of progress, and at the end of the outcome. Raises what a batch
    would report.
    """
    rendering = job.rendering(rendering)
    ended: list[Finished] = []
    delivered: deliver.Delivered | None = None

    def arriving() -> Iterator[Sequence[Answer]]:
        for event in worked([job], engines, resume, patient=False, live=True):
            match event:
                case Progress():
                    tell(event)
                case run.Group(_, answers):
                    yield answers
                case Finished():
                    ended.append(event)
                case run.Failed(_, error):
                    raise error

    whole = job.text is not None or _asks_who(job)
    streams = table.named(format_name).streams and not whole
    if streams:
        linked = link(arriving(), engines.printer.alike)
        shown = (deliver.shown(segment, rendering) for segment in stitch(linked))
        yield from table.stream(format_name, shown, rendering.style, lambda: ended[0].ending.duration)
    else:
        deque(arriving(), maxlen=0)
    transcript = ended[0].transcript
    if not streams:
        shown_as = deliver.rendered(transcript, rendering)
        if (lack := table.missing(format_name, shown_as)) is not None:
            raise DataError(f"{job.name}: {lack}")
        page = table.named(format_name).kind == "page"
        if page:
            made = pages.of_job(job, rendering, shown_as, None)
            delivered = deliver.Delivered({}, (), {}, {}, next(iter(made.errors), None), made.notes)
        yield from table.pieces(format_name, shown_as, rendering.style, made.beside if page else NOTHING)
    ended[0].done()
    if look is not None:
        look(job, deliver.rendered(transcript, rendering))
    tell(_outcome(job, "done", transcript, delivered, rendering))


def finished(
    job: Job,
    groups: Sequence[Sequence[Answer]],
    ending: Ending,
    engines: Engines,
) -> Transcript:
    """The transcript of a recording whose every window has been heard. Raises as `diarized.with_turns` does."""
    aligner = engines.aligner

    def assembled(groups: Sequence[Sequence[Answer]]) -> Transcript:
        return pipeline.assemble(
            Path(job.name).name,
            ending.duration,
            groups,
            job.question.judged,
            ending.complete,
            ending.notes,
            (engines.transcriber.stage,) if aligner is None else (engines.transcriber.stage, aligner.stage),
            job.question.raw,
            engines.printer.alike,
        )

    transcript = channels.made(job, groups, assembled) if job.question.split else assembled(groups)
    transcript = replace(transcript, recording=ending.facts)
    return diarized.with_turns(job, diarized.of_segments(transcript), ending) if job.question.turns else transcript


def _written(made: Finished, rendering: Rendering, manifest: Manifest, look: Look | None) -> Outcome:
    job = made.job
    try:
        delivered = deliver.write(made.transcript, job, job.rendering(rendering), manifest)
        deliver.record(made.transcript, job, delivered, manifest, made.ending)
    except SpeechcliError as error:
        made.leave()
        return _failed(job, error)
    made.done()
    if look is not None:
        look(job, deliver.rendered(made.transcript, job.rendering(rendering)))
    return _outcome(job, "done", made.transcript, delivered, rendering)


def _outcome(
    job: Job, status: Status, transcript: Transcript, delivered: deliver.Delivered | None, rendering: Rendering
) -> Outcome:
    error = delivered.error if delivered is not None else None
    code = FAILED if transcript.verdict.status == "failed" else OK
    return Outcome(
        job,
        status if error is None else "failed",
        code if error is None else error.exit_code,
        error,
        transcript.duration,
        transcript.verdict,
        delivered.paths if delivered is not None else (),
        {**delivered.left_out, **delivered.partly} if delivered is not None else None,
        transcript.verdict.status != "ok",
        _talk(transcript.turns, job.rendering(rendering)) if _asks_who(job) else None,
        delivered.notes if delivered is not None else (),
    )


def _asks_who(job: Job) -> bool:
    return bool(job.question.turns or job.question.diarizer or job.question.split)


def _talk(turns: Sequence[Turn], rendering: Rendering) -> Talk:
    turns = renamed(turns, rendering.speakers)
    return Talk(talk(turns), total(overlaps(turns)), total(turns))


def _rendered(decision: Render, rendering: Rendering, roots: Mapping[Path, Manifest], look: Look | None) -> Outcome:
    """Our json, written anew in other formats or another style."""
    job, entry, manifest = decision.job, decision.entry, roots[decision.job.root]
    try:
        transcript = pages.transcript_in(decision.document)
        delivered = deliver.write(transcript, job, job.rendering(rendering), manifest)
        outputs = {name: made for name, made in entry.outputs.items() if manifest.output(manifest.root / name) == made}
        manifest.add(replace(entry, outputs={**outputs, **delivered.outputs}, left_out=tuple(delivered.left_out)))
    except SpeechcliError as error:
        return _failed(job, error)
    if look is not None:
        look(job, deliver.rendered(transcript, job.rendering(rendering)))
    return _outcome(job, "rendered", transcript, delivered, rendering)


def _on_disk(job: Job, duration: Seconds) -> Transcript | None:
    """What an earlier run wrote of the recording, where that can be read: the json, or the turns."""
    for name in ("json", "rttm"):
        for form, path in job.outputs:
            if form == name:
                with suppress(SpeechcliError):  # somebody may have taken it away since
                    read = table.read(path)
                    return replace(read, source=Path(job.name).name, duration=max(read.duration, duration))
    return None


def _failed(job: Job, error: SpeechcliError) -> Outcome:
    if isinstance(error, NoAudioError) and not job.demanded:
        return Outcome(job, "skipped", OK, error)
    return Outcome(job, "failed", error.exit_code, error)


def _written_to(decisions: Sequence[Decision]) -> list[Path]:
    """The folders that outputs will be written into, each once."""
    jobs = [decision.job for decision in decisions if isinstance(decision, Do | Render)]
    return list(dict.fromkeys(path.parent for job in jobs for _, path in job.outputs))


def exit_code(outcomes: Sequence[Outcome], strict: bool, alone: bool) -> int:
    """The batch's exit code: FAULTS.md section 5, and 1 for a warning when `strict`.

    alone: there was but one recording, and it is that one's own code.
    """
    codes = [_strict(o) if strict else o.code for o in outcomes]
    if alone:
        return codes[0]
    if not any(codes):
        return OK
    busy = all(isinstance(o.error, BusyError) for o, code in zip(outcomes, codes, strict=True) if code)
    return BusyError.exit_code if busy else FAILED


def _strict(outcome: Outcome) -> int:
    return outcome.code or (FAILED if outcome.warned else OK)
