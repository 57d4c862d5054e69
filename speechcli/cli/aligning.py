"""What `speechcli align` does once its options are read."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from speechcli.backends import registry
from speechcli.backends.registry import Wanted
from speechcli.cli import allocator, environment, show, work
from speechcli.cli.progress import clock
from speechcli.cli.work import Choices, Question, Rendering, Target
from speechcli.errors import FAILED, OK, NoInputError, SpeechcliError, UsageError, from_os
from speechcli.formats.opened import bytes_of
from speechcli.formats.script import read_script
from speechcli.jobs import batch, pairs, plan
from speechcli.jobs.job import Job, Text
from speechcli.jobs.pairs import Pair
from speechcli.jobs.plan import Refuse, Wish
from speechcli.media import ffmpeg, probe, sources

_FEW = 3  # texts without a recording that are named; the others are counted


@dataclass(frozen=True, slots=True)
class Named:
    """What the user named. listed: a file of pairs instead of the two."""

    audio: str | None
    text: str | None
    listed: str | None
    recursive: bool
    cap: int


@dataclass(frozen=True, slots=True)
class Wishes:
    """How texts are taken. keep_cues: None where their kind decides. lines: each of their lines is a unit."""

    language: str | None
    keep_cues: bool | None
    lines: bool


def align(
    named: Named,
    wishes: Wishes,
    question: Question,
    rendering: Rendering,
    wanted: Wanted,
    anchor: Wanted | None,
    target: Target,
    choices: Choices,
) -> int:
    """The exit code. anchor: the recogniser that finds where a text is said. Raises what ends the whole run."""
    with ExitStack() as temporary:
        found = _pairs(named, temporary)
        taken = [_taken(pair, question, wishes, named.text if named.listed is None else None) for pair in found]
        output = target.output
        if named.audio == "-" and not (output or target.output_dir):
            output = "-"
        default = _default(
            {wish.text.path.suffix.lower() for wish, _ in taken if wish.text is not None and wish.text.cues}
        )
        where = plan.delivery(rendering.formats, output, target.output_dir, target.state_dir, len(taken), default)
        rendering = work.paged(rendering, where.formats)
        program = ffmpeg.find(environment.ffmpeg())
        offline = wanted.offline or choices.dry_run or work.env("HF_HUB_OFFLINE") == "1"
        cards = environment.cards()
        work.check_summary(choices)
        aligner = registry.resolve(replace(wanted, offline=offline, cards=cards))
        ear = None if anchor is None else registry.resolve(replace(anchor, offline=offline, cards=cards))
        work.tell_notices(aligner, ear)
        asked = replace(
            question,
            model=ear.name if ear is not None else "",
            revision=ear.revision if ear is not None else "",
            aligner=work.told_of(aligner),
        )
        jobs = plan.jobs([_asking(wish, asked) for wish, _ in taken], where)
        rendering = work.for_all(rendering, jobs, program)
        errors = {wish.source.path: error for wish, error in taken if error is not None}
        refused = {id(job): errors[job.media] for job in jobs if job.text is None and job.media in errors}
        if choices.dry_run:
            return _dry_run(jobs, rendering, program, choices, refused)

        def engines() -> batch.Engines:
            allocator.keep_large_blocks()
            return batch.aligning(aligner, ear, program, target.longest)

        if where.stdout:
            if refused:
                raise next(iter(refused.values()))
            return work.to_stdout(jobs[0], rendering, engines, choices)
        return work.to_files(jobs, rendering, engines, choices, refused)


def _pairs(named: Named, temporary: ExitStack) -> list[Pair]:
    """The pairs meant, what comes through pipes or from the network spooled. Raises UsageError, NoInputError."""
    if named.listed is not None:
        if named.audio is not None or named.text is not None:
            raise UsageError("--pairs takes the place of AUDIO and TEXT")
        return pairs.listed(_bytes(named.listed), named.listed)
    if named.audio is None or named.text is None:
        raise UsageError("which text?", "speechcli align AUDIO TEXT, or --pairs LIST.tsv")
    if named.audio == named.text == "-":
        raise UsageError("stdin is one input: the recording or its text", "save one of them to a file")
    given = work.Sources((named.audio,), None, False, named.recursive, named.cap)
    found = [wish.source for wish, _ in work.gathered(given, temporary)]
    if named.text.startswith(("https://", "http://")):
        raise UsageError(f"{named.text} is an address: texts are not fetched", "save it, or pipe it in: TEXT is then -")
    text = Path(named.text)
    if named.text != "-" and text.is_dir():
        made, orphans = pairs.by_name(found, text)
        if orphans:
            show.tell(_told(orphans))
        if all(isinstance(pair.error, NoInputError) for pair in made):
            raise NoInputError(f"no recording has a text in {named.text}", "texts have the names of the recordings")
        return made
    if len(found) > 1:
        raise UsageError(f"{len(found)} recordings and one text", "name a folder of texts, or --pairs LIST.tsv")
    if named.text == "-":
        return [Pair(found[0], temporary.enter_context(sources.spool(sys.stdin.buffer)))]
    if sources.is_stream(text):
        return [Pair(found[0], temporary.enter_context(sources.spool(text, named.text)))]
    return [pairs.one(found[0], text)]


def _told(orphans: Sequence[Path]) -> str:
    """One line about texts that belong to no recording."""
    names = ", ".join(show.safe(path) for path in orphans[:_FEW])
    if (rest := len(orphans) - _FEW) > 0:
        names += f" and {rest} more"
    return f"{names}: no recording has {'this name' if len(orphans) == 1 else 'these names'}"


def _bytes(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except FileNotFoundError as error:
        raise NoInputError(f"--pairs {name}: there is no such file") from error
    except OSError as error:
        raise from_os(error, f"reading {name}") from error


def _taken(pair: Pair, question: Question, wishes: Wishes, name: str | None) -> tuple[Wish, SpeechcliError | None]:
    """The pair as a wish, its text read once to see whether it can be; without a text where it cannot.

    name: what the user called the text, "-" for one that was spooled.
    """
    lasting = not (pair.source.name == "stdin" or "://" in pair.source.name)
    bare = Wish(pair.source, question, lasting)
    if pair.text is None:
        return bare, pair.error
    called = "stdin" if name == "-" else str(pair.text)
    if sources.is_stream(pair.text):
        return bare, UsageError(f"{called} is a pipe or a device", "name it as TEXT, or save it to a file")
    language = pair.language or wishes.language
    text = Text(pair.text, called, called if called == "stdin" else "", language, lines=wishes.lines)
    try:
        raw = bytes_of(pair.text)
        script = read_script(raw, called, lines=text.lines)
    except SpeechcliError as error:
        return bare, error
    text = replace(text, cues=script.cues if wishes.keep_cues is None else wishes.keep_cues)
    hints = replace(question.hints, languages=(language,) if language else question.hints.languages)
    digest = hashlib.blake2b(raw, digest_size=16).hexdigest()
    told = f"{digest} {language or ''} {wishes.lines}"
    return replace(bare, question=replace(question, text=told, hints=hints), text=text), None


def _asking(wish: Wish, asked: Question) -> Wish:
    return replace(wish, question=replace(asked, text=wish.question.text, hints=wish.question.hints))


def _default(suffixes: set[str]) -> str:
    """The format to write where none was named: captions as they came, else everything."""
    return suffixes.pop().lstrip(".") if suffixes in ({".srt"}, {".vtt"}) else "json"


def _dry_run(
    jobs: Sequence[Job], rendering: Rendering, program: Path, choices: Choices, refused: dict[int, SpeechcliError]
) -> int:
    """The plan as a table on stdout."""
    roots = plan.load_manifests(jobs)
    rows = []
    failed = False
    for job in jobs:
        decision = work.decided(job, roots, rendering, choices, refused)
        length = ""
        try:
            seconds = probe.probe(job.media, program, Path(job.name).name).duration
            length = clock(seconds) if seconds is not None else "?"
        except SpeechcliError as error:
            decision = Refuse(job, error)
        failed = failed or isinstance(decision, Refuse)
        outputs = ", ".join(str(path) for _, path in job.outputs) or "stdout"
        text = job.text.name if job.text is not None else ""
        rows.append((job.name, text, length, work.action(decision), outputs))
    show.table(("recording", "text", "length", "action", "outputs"), rows, right=("length",))
    return FAILED if failed else OK
