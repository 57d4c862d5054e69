"""What `speechcli transcribe` does once its options are read."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from speechcli.backends import catalog, diarizers, printing, registry
from speechcli.backends.base import Hints as Hints
from speechcli.backends.budget import Estimate
from speechcli.backends.registry import Wanted as Wanted
from speechcli.cli import allocator, environment, show, values
from speechcli.cli import summary as summaries
from speechcli.cli.progress import clock, lines_of, screen
from speechcli.core.span import Seconds
from speechcli.errors import (
    FAILED,
    OK,
    Interrupted,
    NoInputError,
    OutputError,
    SpeechcliError,
    UnavailableError,
    UsageError,
    from_os,
)
from speechcli.formats import table
from speechcli.jobs import batch, listing, pages, plan
from speechcli.jobs.channels import by_channel as by_channel
from speechcli.jobs.diarized import apart as apart
from speechcli.jobs.diarized import diarizer_of as diarizer_of
from speechcli.jobs.diarized import resolved_offline
from speechcli.jobs.estimate import estimate
from speechcli.jobs.job import Job, Page, rules_of
from speechcli.jobs.job import Question as Question
from speechcli.jobs.job import Rendering as Rendering
from speechcli.jobs.job import counts_of as counts_of
from speechcli.jobs.job import told_of as told_of
from speechcli.jobs.manifest import Manifest
from speechcli.jobs.output import check_folder
from speechcli.jobs.plan import Decision, Do, Refuse, Render, Skip, Wish
from speechcli.jobs.recording import Recordings
from speechcli.media import ffmpeg, files, lists, probe, sources
from speechcli.media.files import Input
from speechcli.media.places import check_file
from speechcli.timeline.windows import Rules, listening_to_all

_WORTH_A_TABLE = 2  # recordings


@dataclass(frozen=True, slots=True)
class Sources:
    """What the user named. cap: bytes to fetch at most."""

    named: tuple[str, ...]
    files_from: str | None
    null: bool
    recursive: bool
    cap: int


@dataclass(frozen=True, slots=True)
class Target:
    """Where answers and journals go; longest: recordings above are refused."""

    output: str | None
    output_dir: Path | None
    state_dir: Path | None
    longest: Seconds


@dataclass(frozen=True, slots=True)
class Choices:
    """How a batch is run and told about."""

    overwrite: bool
    skip_existing: bool
    resume: bool
    fail_fast: bool
    dry_run: bool
    strict: bool
    quiet: bool
    verbose: bool
    progress: bool | None
    summary: Path | None


@dataclass(frozen=True, slots=True)
class Voices:
    """Who is to be known by the voice. clips: per name. linked: the speakers of other recordings."""

    clips: Mapping[str, Sequence[Path]]
    linked: bool
    _known: list[batch.Engines] = field(default_factory=list)

    def told(self, diarizer: registry.Resolved | None) -> tuple[str, ...]:
        """What of this determines the answer. Raises UsageError where voices are not printed; NoInputError."""
        if not self.clips and not self.linked:
            return ()
        if diarizer is None or diarizer.name != catalog.EMBEDDED_DIARIZER:
            option = "--enroll" if self.clips else "--link-speakers"
            raise UsageError(f"{option} needs the voice prints of the embedded diarizer", "--diarizer embedded")
        clips = [f"{name}={files.fingerprint(path)}" for name, paths in self.clips.items() for path in paths]
        return (*clips, *(["linked"] if self.linked else []))

    def known_to(self, engines: batch.Engines, jobs: Sequence[Job], model_dir: Path | None) -> batch.Engines:
        """The engines, with somebody who knows them; what is strange is told. Raises MediaError, UnavailableError."""
        if not self.clips and not self.linked:
            return engines
        known, notes = batch.knowing(engines, jobs, self.clips, self.linked, model_dir)
        for note in notes:
            show.tell(f"warning: {show.safe(note)}")
        self._known.append(known)
        return known

    def tell_missed(self) -> None:
        """Says whose voice was in no recording: no failure, and not to be overlooked."""
        for engines in self._known:
            for name in engines.roster.missed if engines.roster is not None else ():
                show.tell(f"note: nobody was heard who sounds like {show.safe(name)}")


NOBODY = Voices({}, linked=False)


def work(
    named: Sources,
    question: Question,
    rendering: Rendering,
    wanted: Wanted,
    target: Target,
    choices: Choices,
    diarizer: Wanted | None = None,
    voices: Voices = NOBODY,
) -> int:
    """The exit code. Raises what ends the whole run."""
    wanted = replace(wanted, offline=wanted.offline or env("HF_HUB_OFFLINE") == "1", cards=environment.cards())
    if diarizer is not None:
        diarizer = replace(diarizer, offline=wanted.offline, cards=wanted.cards)
    with ExitStack() as temporary:
        found = gathered(named, temporary)
        output = target.output
        if [wish.source.name for wish, _ in found] == ["stdin"] and not (output or target.output_dir):
            output = "-" if len(rendering.formats) <= 1 else output
        where = plan.delivery(rendering.formats, output, target.output_dir, target.state_dir, len(found))
        rendering = paged(rendering, where.formats)
        program = ffmpeg.find(environment.ffmpeg())
        if choices.dry_run:
            question = _as_asked(question, wanted, diarizer, voices)
            jobs = plan.jobs([_told(wish, hints, question) for wish, hints in found], where)
            return _dry_run(jobs, for_all(rendering, jobs, program), wanted, program, choices)
        check_summary(choices)
        other = registry.aligner_of(wanted)
        resolved = registry.resolve(wanted)
        aligner = None if other is None else registry.resolve(other)
        speakers = None if diarizer is None else diarizers.resolve(diarizer)
        tell_notices(resolved, aligner, speakers)
        question = replace(
            question,
            model=resolved.name,
            revision=resolved.revision,
            aligner=told_of(aligner),
            diarizer=told_of(speakers) + voices.told(speakers),
        )
        jobs = plan.jobs([_told(wish, hints, question) for wish, hints in found], where)
        rendering = for_all(rendering, jobs, program)

        def engines() -> batch.Engines:
            allocator.keep_large_blocks()
            # the aligner first: the transcriber then sees what is left of the device
            opened = None if aligner is None else registry.open_aligner(aligner)
            tells = None if speakers is None else diarizers.open_diarizer(speakers)
            transcriber = registry.open_transcriber(resolved)
            recordings = Recordings(program, transcriber.traits.rate, target.longest)
            detector = registry.open_detector(question.judged, transcriber.traits.rate)
            printer = printing.opened(transcriber.traits.gives_speakers, wanted.model_dir)
            opened_all = batch.Engines(transcriber, detector, recordings, opened, tells, printer)
            return voices.known_to(opened_all, jobs, wanted.model_dir)

        if where.stdout:
            code = to_stdout(jobs[0], rendering, engines, choices)
        else:
            code = to_files(jobs, rendering, engines, choices)
        voices.tell_missed()
        return code


def page(embed: bool, spoken: Path | None = None) -> Page:
    """What pages are to have, by their options. Raises as `pages.page_of`."""
    return pages.page_of(embed, spoken)


def paged(rendering: Rendering, formats: Sequence[str]) -> Rendering:
    """The rendering in these formats. Raises UsageError for options of pages where none is written."""
    if not any(table.named(name).kind == "page" for name in formats):
        if rendering.page.embed:
            raise UsageError("--embed-media is for pages", "add -f html")
        if rendering.page.references is not None:
            raise UsageError("--references is for pages, which show the errors", "add -f html")
    return replace(rendering, formats=tuple(formats))


def for_all(rendering: Rendering, jobs: Sequence[Job], program: Path) -> Rendering:
    """The rendering with what the pages of these recordings need. program: ffmpeg."""
    return replace(rendering, page=pages.for_all(rendering.page, jobs, program))


def check_summary(choices: Choices) -> None:
    """Whether `--summary` can be written: before a night's work, not after it. Raises OutputError and its like."""
    if choices.summary is not None:
        check_folder(choices.summary.parent)
        check_file(choices.summary)


def tell_notices(*models: registry.Resolved | None) -> None:
    """Says where another model is used than was asked for."""
    for model in models:
        if model is not None and model.notice:
            show.tell(show.safe(model.notice))


def with_aligner(wanted: Wanted, words: bool | None, languages: Sequence[str] = ()) -> Wanted:
    """The wish with an aligner where `--word-timestamps` asks for words and the model tells none. Raises UsageError."""
    if words is False and wanted.aligner is not None:
        raise UsageError("--aligner and --no-word-timestamps exclude each other")
    if not words or wanted.aligner is not None or registry.family_of(wanted).words:
        return wanted
    return replace(wanted, aligner=registry.usual_aligner(wanted, languages))


def rules(
    wanted: Wanted,
    listening: bool,
    threshold: float | None,
    silence: int | None,
    speech: int | None,
    pad: int | None,
) -> Rules:
    """The rules of cutting, of the model and the speech detector's options (milliseconds). Raises UsageError."""
    made = rules_of(registry.family_of(wanted), wanted.model, wanted.longest, registry.aligner_family(wanted))
    if not listening:
        return listening_to_all(made)
    if threshold is not None:
        made = replace(made, onset=threshold, offset=max(0.005, threshold - 0.15))
    given = {"gap": silence, "min_speech": speech, "pad": pad}
    return replace(made, **{name: ms / 1000 for name, ms in given.items() if ms is not None})


def to_files(
    jobs: Sequence[Job],
    rendering: Rendering,
    engines: Callable[[], batch.Engines],
    choices: Choices,
    refused: Mapping[int, SpeechcliError] = MappingProxyType({}),
    look: batch.Look | None = None,
) -> int:
    """Does the jobs; the exit code. refused: which of them, by `id`, cannot be done, and why. look: see `batch`."""
    began = time.monotonic()
    roots = plan.load_manifests(jobs)
    decisions = [_writable(decided(job, roots, rendering, choices, refused)) for job in jobs]
    outcomes: list[batch.Outcome] = []
    recheck = choices.skip_existing and not choices.overwrite
    expected = sum(d.job.weight for d in decisions if isinstance(d, Do))
    with screen(len(jobs), expected, choices.quiet, choices.progress) as view:
        if choices.verbose:
            for decision in decisions:
                view.say(f"{show.safe(decision.job.name)}: {action(decision)}")
        running = batch.carry_out(decisions, rendering, roots, engines, choices.resume, recheck, look)
        try:
            for event in running:
                view.tell(event)
                if isinstance(event, batch.Outcome):
                    outcomes.append(event)
                    if choices.fail_fast and event.code != OK:
                        break
        except Interrupted as error:
            n_done = sum(o.status != "failed" for o in outcomes)
            text = f"interrupted: {n_done} of {len(jobs)} done; run the same command to continue"
            raise Interrupted(text, error.signum) from error
        finally:
            running.close()
    code = batch.exit_code(outcomes, choices.strict, alone=len(jobs) == 1)
    code = _list(rendering, roots, choices) or code
    seconds = time.monotonic() - began
    if len(jobs) >= _WORTH_A_TABLE and not choices.quiet:
        if sys.stderr.isatty():
            show.console(stderr=True).print(summaries.table(outcomes))
        show.tell(summaries.line(outcomes, len(jobs), seconds))
    if choices.summary is not None:
        summaries.write(choices.summary, outcomes, code, seconds)
    return code


def _list(rendering: Rendering, roots: Mapping[Path, Manifest], choices: Choices) -> int:
    """Makes the lists of the pages anew, where there are several or a list was before; the exit code."""
    if not any(table.named(name).kind == "page" for name in rendering.formats):
        return OK
    code = OK
    for root, manifest in roots.items():
        if root not in rendering.page.listed and not listing.is_ours(root / listing.NAME):
            continue
        try:
            manifest.refresh()  # other processes may have made pages here
            path = listing.write(root, listing.folders_of(manifest))
        except OutputError as error:  # somebody else's index.html
            show.tell(f"warning: {show.safe(error)}")
            code = code or (FAILED if choices.strict else OK)
        except SpeechcliError as error:
            show.tell(f"error: {show.safe(error)}")
            code = code or error.exit_code
        else:
            if path is not None and not choices.quiet:
                near = os.path.relpath(path)
                show.tell(f"all recordings -> {show.safe(path if near.startswith(os.pardir) else near)}")
    return code


def decided(
    job: Job,
    roots: Mapping[Path, Manifest],
    rendering: Rendering,
    choices: Choices,
    refused: Mapping[int, SpeechcliError],
) -> Decision:
    """What is to be done about a job."""
    if (error := refused.get(id(job))) is not None:
        return Refuse(job, error)
    return plan.decide(job, roots[job.root], rendering, choices.overwrite, choices.skip_existing)


def to_stdout(
    job: Job,
    rendering: Rendering,
    engines: Callable[[], batch.Engines],
    choices: Choices,
    look: batch.Look | None = None,
) -> int:
    """Does one job, its only output to stdout; the exit code. look: see `batch.stream`."""
    outcomes: list[batch.Outcome] = []

    def tell(event: batch.Outcome | batch.Progress) -> None:
        if isinstance(event, batch.Outcome):
            outcomes.append(event)

    began = time.monotonic()
    pieces = batch.stream(job, rendering.formats[0], rendering, engines(), choices.resume, tell, look)
    try:
        show.out(pieces)
    finally:
        pieces.close()
    code = batch.exit_code(outcomes, choices.strict, alone=True)
    for outcome in outcomes:
        for line in lines_of(outcome, quiet=True):
            show.tell(line)
        if not choices.quiet:
            for note in outcome.notes:
                show.tell(show.safe(f"{outcome.job.name}: {note}"))
    if choices.summary is not None:
        summaries.write(choices.summary, outcomes, code, time.monotonic() - began)
    return code


def gathered(given: Sources, temporary: ExitStack) -> list[tuple[Wish, lists.FileHints]]:
    """The recordings meant, spooled or fetched where they are no files; `temporary` removes those again."""
    listed = _listed(given.files_from, given.null)
    addresses = [name for name in given.named if name.startswith(("https://", "http://"))]
    names = [name for name in given.named if name not in addresses]
    found: list[tuple[Input, lists.FileHints]] = []
    if names or not (addresses or listed):
        found += [(source, lists.FileHints()) for source in files.find_inputs(names, given.recursive)]
    for entry in listed:
        found += [(source, entry.hints) for source in files.find_inputs([entry.audio], given.recursive)]
    found = _each_once(found)
    wishes = [(_spooled(source, hints, temporary), hints) for source, hints in found]
    for address in addresses:
        from speechcli.media.fetch import fetch

        path = fetch(
            address, Path(temporary.enter_context(tempfile.TemporaryDirectory(prefix="speechcli-"))), given.cap
        )
        wishes.append((Wish(Input(path, path.name), NOTHING_ASKED, lasting=False), lists.FileHints()))
    return wishes


def _each_once(found: list[tuple[Input, lists.FileHints]]) -> list[tuple[Input, lists.FileHints]]:
    """A list may name a recording twice; with other hints it is another question."""
    kept: dict[tuple[str, lists.FileHints], tuple[Input, lists.FileHints]] = {}
    for source, hints in found:
        kept.setdefault((os.path.abspath(source.path), hints), (source, hints))
    return list(kept.values())


def _spooled(source: Input, hints: lists.FileHints, temporary: ExitStack) -> Wish:
    if source.path == files.STDIN:
        path = temporary.enter_context(sources.spool(sys.stdin.buffer))
    elif sources.is_stream(source.path):
        path = temporary.enter_context(sources.spool(source.path, source.name))
    else:
        return Wish(source, NOTHING_ASKED, output=hints.output)
    return Wish(replace(source, path=path), NOTHING_ASKED, lasting=False, output=hints.output)


def _listed(name: str | None, null: bool) -> list[lists.Listed]:
    """The entries of `--files-from`."""
    if name is None:
        if null:
            raise UsageError("-0 goes with --files-from")
        return []
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except FileNotFoundError as error:
        raise NoInputError(f"--files-from {name}: there is no such file") from error
    except OSError as error:
        raise from_os(error, f"reading {name}") from error
    entries = lists.read_list(data, null, jsonl=name.lower().endswith(".jsonl"))
    if not entries:
        raise NoInputError(f"--files-from {name}: the list is empty")
    return entries


def _told(wish: Wish, hints: lists.FileHints, question: Question) -> Wish:
    """The wish with the question, as far as a list does not say otherwise."""
    base = question.hints
    told = Hints(
        values.languages(hints.language) if hints.language is not None else base.languages,
        hints.hotwords or base.hotwords,
        hints.context if hints.context is not None else base.context,
        base.task,
    )
    track = question.track if hints.track is None else hints.track
    return replace(wish, question=replace(question, hints=told, track=track), speakers=dict(hints.speakers))


def _as_asked(
    question: Question, wanted: registry.Wanted, diarizer: registry.Wanted | None, voices: Voices
) -> Question:
    """The question as a run would ask it, as far as that can be known: nothing is fetched for a plan."""
    try:
        resolved = registry.resolve(replace(wanted, offline=True))
    except UnavailableError:
        return question
    other = registry.aligner_of(wanted)
    try:
        aligner = None if other is None else registry.resolve(replace(other, offline=True))
    except UnavailableError:
        aligner = None
    speakers = None if diarizer is None else resolved_offline(diarizer)
    return replace(
        question,
        model=resolved.name,
        revision=resolved.revision,
        aligner=told_of(aligner),
        diarizer=told_of(speakers) + voices.told(speakers),
    )


def _writable(decision: Decision) -> Decision:
    """Refuses what could not be written, before a model is loaded for it."""
    if isinstance(decision, Do | Render):
        try:
            for folder in dict.fromkeys(path.parent for _, path in decision.job.outputs):
                check_folder(folder)
        except SpeechcliError as error:
            return Refuse(decision.job, error)
    return decision


def action(decision: Decision) -> str:
    """What will be done, in a few words."""
    match decision:
        case Do(_, why):
            verb = "diarize" if decision.job.question.turns else "align" if decision.job.text else "transcribe"
            return f"{verb} ({why})"
        case Skip():
            return "skip (done)"
        case Render():
            return "write anew, without a model"
        case Refuse(_, error):
            return f"refuse: {show.safe(error)}"


def _dry_run(
    jobs: Sequence[Job], rendering: Rendering, wanted: registry.Wanted, program: Path, choices: Choices
) -> int:
    """The plan as a table on stdout."""
    outline = registry.outline(wanted)
    roots = plan.load_manifests(jobs)
    rows, todo, failed = [], [], 0
    for job in jobs:
        decision = plan.decide(job, roots[job.root], rendering, choices.overwrite, choices.skip_existing)
        length = windows = ""
        try:
            seconds = probe.probe(job.media, program, Path(job.name).name).duration
            length = clock(seconds) if seconds is not None else "?"
            if isinstance(decision, Do):
                todo.append(seconds or 0.0)
                one = estimate([seconds or 0.0], outline.longest, outline.batch, outline.lanes, wanted.model, 0)
                windows = f"~{one.windows}"
        except SpeechcliError as error:
            decision = Refuse(job, error)
        failed += isinstance(decision, Refuse)
        outputs = ", ".join(str(path) for _, path in job.outputs) or "stdout"
        rows.append((job.name, length, windows, action(decision), outputs))
    show.table(("recording", "length", "windows", "action", "outputs"), rows, right=("length", "windows"))
    if outline.needs is not None:
        show.tell(_needs(len(todo), len(jobs), sum(todo), outline.needs))
        return FAILED if failed else OK
    whole = estimate(todo, outline.longest, outline.batch, outline.lanes, wanted.model, outline.size_mb)
    show.tell(
        f"{len(todo)} of {len(jobs)} to transcribe, {clock(sum(todo))} of media; about {whole.windows} windows in "
        f"batches of {whole.batch}, {outline.lanes} at a time; roughly {whole.memory} MB and {clock(whole.seconds)}"
    )
    return FAILED if failed else OK


def _needs(n_todo: int, n_all: int, seconds: Seconds, needs: Estimate) -> str:
    def gb(n_bytes: float) -> str:
        return f"{n_bytes / 1e9:.1f} GB"

    todo = f"{n_todo} of {n_all} to transcribe, {clock(seconds)} of media"
    if not needs.cache:
        weights = f"weights of {gb(needs.weights)}" if needs.weights else "weights of unknown size"
        return f"{todo}; windows of {clock(needs.seconds)}; {weights}, and what a batch takes is not known beforehand"
    return (
        f"{todo}; a batch of {needs.batch} with windows of "
        f"{clock(needs.seconds)} takes about {gb(needs.device)} on the device (weights {gb(needs.weights)}, cache "
        f"{gb(needs.cache)}, activations {gb(needs.activations)}) and {gb(needs.host)} of host memory"
    )


def env(name: str) -> str | None:
    """What the environment says; None where it is empty."""
    return os.environ.get(name) or None


NOTHING_ASKED = Question("", "")
