"""What `speechcli bench` does once its options are read."""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechcli.api import Diarization
from speechcli.api import Options as Options
from speechcli.bench import csv_rows, elsewhere, kept, measure, quick, report, table
from speechcli.bench.compare import Comparison, compare, same_rules
from speechcli.bench.gather import NOTHING, Gathering, Gold, gold
from speechcli.bench.measure import Event, Going, Measured, Over
from speechcli.bench.report.advice import advice
from speechcli.bench.result import Result
from speechcli.bench.wording import size, times, took
from speechcli.cli import bench_screen, show
from speechcli.core.span import Seconds
from speechcli.errors import FAILED, OK, Interrupted, NoInputError, SpeechcliError, UnavailableError, UsageError
from speechcli.formats import table as formats
from speechcli.jobs.output import check_folder, write_atomically
from speechcli.media import files
from speechcli.media.files import Input
from speechcli.media.places import check_free
from speechcli.scoring.rates import Metric
from speechcli.scoring.score import Options as Scoring
from speechcli.scoring.score import available, metrics_of

_CHILD = (sys.executable, "-m", "speechcli.cli.measuring")
_OFTEN: Seconds = 10.0  # between two times that a result is written while it grows
_NAMED = 5  # recordings in a line


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be measured, and by what. metrics: by name, None for all that the references allow."""

    inputs: tuple[str, ...]
    recursive: bool
    quick: bool
    references: Path | None
    transcripts: tuple[Path, ...]
    models: tuple[str, ...]
    metrics: str | None
    scoring: Scoring


@dataclass(frozen=True, slots=True)
class Kept:
    """The files to write."""

    json: Path | None
    csv: Path | None
    report: Path | None
    pages: Path | None
    transcripts: Path | None
    overwrite: bool

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.json, self.csv, self.report) if path is not None)

    @property
    def folders(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.pages, self.transcripts) if path is not None)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the user wants to see. bar: None for one on a terminal only."""

    quiet: bool
    bar: bool | None


def work(asked: Asked, options: Options, target: Kept, earlier: Path | None, shown: Shown) -> int:
    """Measures, shows, writes; the exit code. Raises SpeechcliError."""
    old = None if earlier is None else kept.read(earlier)
    named = None if asked.metrics is None else metrics_of(asked.metrics)
    _check(asked, target)
    alone = asked.quick and not asked.inputs
    inputs = [] if alone else _inputs(asked)
    right = NOTHING if alone else _gold(asked, inputs, shown)
    with tempfile.TemporaryDirectory(prefix="speechcli-") as folder:
        if alone:
            subjects = quick.subjects(options, asked.models)
            events: Iterable[Event] = quick.measured(subjects, Path(folder), _conditions())
            n_runs = len(subjects) * 2
            right = Gold({}, quick.references(Path(folder)))
            room = quick.there(options.device)
        else:
            subjects = _subjects(asked, options, right)
            events = measure.measured(subjects, inputs, _conditions())
            n_runs = (len(subjects) + len(asked.transcripts)) * len(inputs)
        gathering = Gathering(_possible(named, right, asked.scoring), asked.scoring, right)
        if old is not None:
            same_rules(old, gathering.result())  # nobody waits for hours to be told
        taken = [subject.name for subject in subjects]
        made, broken, unkept = _measured(asked, events, inputs, taken, gathering, target, shown, n_runs)
    result = gathering.result(complete=broken is None)
    n_done = sum(len(system.runs) for system in result.systems)
    if broken is not None and not n_done:
        raise broken
    comparison: Comparison | None = None
    unlike: SpeechcliError | None = None
    try:
        comparison = None if old is None else compare(old, result)
    except SpeechcliError as error:
        unlike = error
    try:
        if alone:
            _show_quick(quick.quick(made, options, room))
        _show(result, shown, alone)
    finally:  # a stdout that is closed costs nobody what was measured
        _write(result, target, comparison, shown)
    if comparison is not None:
        for line in comparison.text:
            show.tell(show.safe(line))
    if broken is not None:
        raise Interrupted(f"interrupted: {n_done} of {n_runs} measured", broken.signum) from broken
    if (lost := unkept or unlike) is not None:
        raise lost
    failed = any(system.error or any(run.error for run in system.runs) for system in result.systems)
    return (comparison.exit_code if comparison is not None else OK) or (FAILED if failed else OK)


# --- before ---


def _conditions() -> measure.Conditions:
    return measure.Conditions(program=_CHILD)


def _check(asked: Asked, target: Kept) -> None:
    """What can be known to be wrong before anything is measured. Raises SpeechcliError."""
    if not asked.inputs and not asked.quick:
        raise UsageError("which recordings?", "speechcli bench FOLDER, or --quick for the recording that ships")
    if "-" in asked.inputs or any(name.startswith(("https://", "http://")) for name in asked.inputs):
        raise UsageError("bench hears each recording several times", "save it to a file first")
    if target.report is not None:
        report.check(target.report)
    if len({path.absolute() for path in target.files}) < len(target.files):
        raise UsageError("two of --json, --csv and --report name one file")
    for path in target.files:
        check_free(path, target.overwrite)
        check_folder(path.parent)
    for folder in target.folders:
        check_folder(folder)


def _inputs(asked: Asked) -> list[Input]:
    found = files.find_inputs(asked.inputs, asked.recursive)
    names = [one.name for one in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        # results are told, and compared with those of another day, by name
        raise UsageError(f"two recordings are called {twice[0]}", "name the folder that both are in")
    return found


def _gold(asked: Asked, inputs: Sequence[Input], shown: Shown) -> Gold:
    """The references. Raises NoInputError where there is none at all, but for `--quick`."""
    right = gold(inputs, asked.references)
    for note in right.notes:
        show.tell(f"warning: {show.safe(note)}")
    if not right.known and not asked.quick:
        where = f"in {asked.references}" if asked.references is not None else "beside them"
        raise NoInputError(
            f"no recording has a reference {where}",
            "what is said in talk.mp3 stands in talk.txt; --references says where; --quick measures speed alone",
        )
    lost = [one.name for one in inputs if one.path not in right.known]
    if lost and right.known and not shown.quiet:
        named = ", ".join(lost[:_NAMED]) + (", ..." if len(lost) > _NAMED else "")
        show.tell(f"{len(lost)} of {len(inputs)} have no reference and are measured for speed: {show.safe(named)}")
    return right


def _possible(named: tuple[Metric, ...] | None, right: Gold, scoring: Scoring) -> tuple[Metric, ...]:
    """What can be scored here: what was named, else all that the references allow.

    Raises UnavailableError where none of those that were named can.
    """
    if not right.known:
        return ()
    there, lines = available(right.metrics if named is None else named, scoring.normalizer)
    if named and not there:
        raise UnavailableError("; ".join(lines))
    for line in lines:
        show.tell(show.safe(line))
    return there


def _subjects(asked: Asked, options: Options, right: Gold) -> list[measure.Subject]:
    if not asked.models and asked.transcripts:
        return []
    base = options if right.texts or not right.known else _of_turns(options)
    return measure.subjects(asked.models or (base.model,), base)


def _of_turns(options: Options) -> Diarization:
    """The same wishes, of models that tell who speaks."""
    both = set(Diarization.__dataclass_fields__) & set(Options.__dataclass_fields__) - {"model"}
    return Diarization(**{name: getattr(options, name) for name in both})


# --- meanwhile ---


def _measured(
    asked: Asked,
    events: Iterable[Event],
    inputs: Sequence[Input],
    taken: Sequence[str],
    gathering: Gathering,
    target: Kept,
    shown: Shown,
    n_runs: int,
) -> tuple[list[Event], Interrupted | None, SpeechcliError | None]:
    """What `--quick` is told of, all being gathered and kept as it came; what broke it off; what could not be kept,
    after which nothing more is: measuring goes on.
    """
    made: list[Event] = []
    last: Event | None = None
    unkept: SpeechcliError | None = None
    written = time.monotonic()
    try:
        with bench_screen.screen(n_runs, shown.quiet, shown.bar) as screen:
            for event in _all(asked, events, inputs, taken):
                last = event
                if asked.quick and not isinstance(event, Going):
                    made.append(event)
                notes = gathering.take(event)
                screen.tell(event)
                for note in notes:
                    screen.say(f"warning: {show.safe(note)}")
                if unkept is not None:
                    continue
                try:
                    if isinstance(event, Measured):
                        _keep(event, gathering, target)
                    if target.json is not None and (isinstance(event, Over) or time.monotonic() - written > _OFTEN):
                        write_atomically(target.json, kept.document(gathering.result()))
                        written = time.monotonic()
                except SpeechcliError as error:
                    unkept = error
                    screen.say(f"error: {show.safe(error)}: nothing more is written until all is measured")
    except Interrupted as error:
        if last is not None:
            gathering.take(last)  # it may have been being scored
        return made, error, unkept
    return made, None, unkept


def _all(asked: Asked, events: Iterable[Event], inputs: Sequence[Input], taken: Iterable[str]) -> Iterable[Event]:
    """taken: names of the models, which no folder of transcripts may have too: they would be one system."""
    names = set(taken)
    for folder in dict.fromkeys(asked.transcripts):
        name = next(name for name in _names(folder) if name not in names)
        names.add(name)
        yield from elsewhere.transcripts(folder, inputs, name)
    yield from events


def _names(folder: Path) -> Iterator[str]:
    """What a folder of transcripts may be called, the shortest first."""
    yield folder.resolve().name or str(folder)
    yield str(folder)
    yield from (f"{folder} ({n})" for n in itertools.count(2))


def _keep(event: Measured, gathering: Gathering, target: Kept) -> None:
    """The transcript and its page, where they are asked for."""
    if event.transcript is None:
        return
    system = _as_name(event.system.name)
    place = event.recording.path.name if event.recording.root is None else event.recording.name
    if target.transcripts is not None:
        path = target.transcripts / system / f"{place}.json"
        write_atomically(path, formats.pieces("json", event.transcript))
    if target.pages is not None:
        path = target.pages / system / f"{place}.html"
        write_atomically(path, formats.pieces("html", event.transcript, beside=gathering.beside(event, path)))


def _as_name(system: str) -> str:
    """What a folder may be called.

    >>> _as_name("hf:org/name")
    'hf_org_name'
    """
    return "".join("_" if letter in '/\\:*?"<>|\0' else letter for letter in system).strip(". ") or "_"


# --- after ---


def _show(result: Result, shown: Shown, alone: bool) -> None:
    """The table to stdout, what is to be said about it to stderr. alone: another table says how fast."""
    if not alone:
        drawn = table.table(result)
        figures = [column.name for column in drawn.columns if column.figure]
        starred = sys.stdout.isatty()
        rows = [[cell.marked if starred else cell.text for cell in row] for row in drawn.rows]
        names = [column.name for column in drawn.columns]
        for part in bench_screen.parts(names, rows):
            show.table([names[i] for i in part], [[row[i] for i in part] for row in rows], right=figures)
        lines = drawn.notes
    if shown.quiet or alone:
        return
    told = advice(result)
    for line in dict.fromkeys((*lines, told.headline, *told.reasons, *told.cautions)):
        show.tell(show.safe(line))


def _show_quick(found: quick.Quick) -> None:
    """What this machine can do."""
    columns = ("model", "what", "fits", "needs", "RTFx", "an hour takes", "remark")
    rows = [
        (
            row.model,
            row.role,
            {True: "yes", False: "no", None: "?"}[row.fits],
            f"{size(row.needs)} {row.known}".strip() if row.needs is not None else "",
            times(row.speed),
            took(row.hour) if row.hour is not None else "",
            row.error or row.advice,
        )
        for row in found.rows
    ]
    show.table(columns, rows, right=("RTFx", "an hour takes"))
    show.tell(show.safe(f"{size(found.room.free)} of {found.room.where} are free"))
    if longest := max((row.sound for row in found.rows), default=0.0):
        show.tell(
            f"RTFx is seconds of sound a second of work, of up to {took(longest)} of English read aloud, model loaded "
            "and warm; an hour takes 3600 s over that, and less where there is less speech in it"
        )


def _write(result: Result, target: Kept, comparison: Comparison | None, shown: Shown) -> None:
    """The files that were asked for; one that cannot be written keeps none of the others from it."""
    todo: list[tuple[Path | None, Callable[[], Iterable[str | bytes]]]] = [
        (target.json, lambda: kept.document(result)),
        (target.csv, lambda: csv_rows.rows(result)),
        (target.report, lambda: report.report(result, report.kind_of(target.report or ""), comparison)),
    ]
    errors: list[SpeechcliError] = []
    for path, pieces in todo:
        if path is None:
            continue
        try:
            write_atomically(path, pieces())
            if not shown.quiet:
                show.tell(f"-> {show.safe(path)}")
        except SpeechcliError as error:
            errors.append(error)
    if errors:
        raise errors[0]
