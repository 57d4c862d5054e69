"""Turn recordings into subtitles, text and data.

    speechcli transcribe talk.mp3                          talk.srt beside it
    speechcli transcribe talk.mp3 -f srt,json -o out/      several formats, in a folder
    speechcli transcribe recordings/ --output-dir texts/   a tree, in the same shape
    speechcli transcribe talk.mp3 -f srt -o - | less       captions as they are heard
    cat talk.mp4 | speechcli transcribe - -f txt           from a pipe

Run the same command again after an interruption: what is finished is not done again.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from speechcli.backends import registry
from speechcli.backends.base import Hints
from speechcli.cli import options, show, values
from speechcli.cli import summary as summaries
from speechcli.cli.progress import clock, lines_of, screen
from speechcli.errors import FAILED, OK, Interrupted, NoInputError, SpeechcliError, UsageError, from_os
from speechcli.jobs import batch, plan
from speechcli.jobs.estimate import estimate
from speechcli.jobs.job import Job, Question, Rendering
from speechcli.jobs.output import check_folder
from speechcli.jobs.plan import Decision, Do, Refuse, Render, Skip, Wish
from speechcli.jobs.recording import Recordings
from speechcli.media import ffmpeg, files, lists, probe, sources
from speechcli.media.files import Input
from speechcli.timeline.windows import Rules

_WORTH_A_TABLE = 2  # recordings


def transcribe(
    audio: options.Audio = None,
    files_from: options.FilesFrom = None,
    null: options.Null = False,
    recursive: options.Recursive = True,
    track: options.Track = 0,
    channel: options.Channel = None,
    clip_timestamps: options.ClipTimestamps = None,
    max_recording: options.MaxRecording = "100h",
    max_download: options.MaxDownload = "4GB",
    format: options.Format = None,  # noqa: A002
    output: options.Output = None,
    output_dir: options.OutputDir = None,
    overwrite: options.Overwrite = False,
    speaker_names: options.SpeakerNames = None,
    word_timestamps: options.WordTimestamps = True,
    model: options.Model = registry.DEFAULT,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    batch_size: options.BatchSize = None,
    set: options.Set = None,  # noqa: A002
    offline: options.Offline = False,
    model_dir: options.ModelDir = None,
    language: options.Language = None,
    task: options.Task = "transcribe",
    hotwords: options.Hotwords = None,
    hotwords_file: options.HotwordsFile = None,
    context: options.ContextText = None,
    vad: options.Vad = True,
    vad_threshold: options.VadThreshold = None,
    vad_min_silence_duration_ms: options.VadMinSilence = None,
    vad_min_speech_duration_ms: options.VadMinSpeech = None,
    vad_speech_pad_ms: options.VadSpeechPad = None,
    max_line_width: options.MaxLineWidth = None,
    max_line_count: options.MaxLineCount = None,
    max_words_per_line: options.MaxWordsPerLine = None,
    max_cps: options.MaxCps = None,
    min_duration: options.MinDuration = None,
    max_duration: options.MaxDuration = None,
    min_gap: options.MinGap = None,
    highlight_words: options.HighlightWords = False,
    standard: options.Standard = False,
    standard_asia: options.StandardAsia = False,
    skip_existing: options.SkipExisting = True,
    resume: options.Resume = True,
    fail_fast: options.FailFast = False,
    dry_run: options.DryRun = False,
    strict: options.Strict = False,
    state_dir: options.StateDir = None,
    summary: options.Summary = None,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    progress: options.ShowProgress = None,
    config: options.Config = None,
) -> int:
    """Turn recordings into subtitles, text and data.

    By default: talk.mp3 gives talk.srt beside it, by the Whisper that comes with the install. Run the same command
    again after an interruption: what is finished is not done again.
    """
    if standard and standard_asia:
        raise UsageError("--standard and --standard-asia exclude each other")
    formats, demanded = values.formats(format)
    style = values.style_of(
        standard_asia,
        max_line_width=max_line_width,
        max_line_count=max_line_count,
        max_words_per_line=max_words_per_line,
        max_cps=max_cps,
        min_duration=min_duration,
        max_duration=max_duration,
        min_gap=min_gap,
        highlight_words=highlight_words or None,
    )
    question = Question(
        model=model,
        revision="",
        dtype=dtype,
        settings=tuple(sorted(values.settings(set).items())),
        hints=Hints(values.languages(language), values.hotwords(hotwords, hotwords_file), context or "", task),
        rules=_rules(vad, vad_threshold, vad_min_silence_duration_ms, vad_min_speech_duration_ms, vad_speech_pad_ms),
        judged=vad,
        track=track,
        channel=channel,
        clips=values.clips(clip_timestamps),
    )
    wanted = registry.Wanted(
        model, device, dtype, values.settings(set), batch_size, model_dir, offline or _env("HF_HUB_OFFLINE") == "1"
    )
    longest = values.length(max_recording, "--max-recording")
    rendering = Rendering(formats, style, values.speaker_names(speaker_names), word_timestamps, demanded)
    choices = _Choices(overwrite, skip_existing, resume, fail_fast, strict, quiet, verbose, progress, summary)
    with ExitStack() as temporary:
        cap = values.size(max_download, "--max-download")
        found = _gathered(audio or [], _listed(files_from, null), recursive, cap, temporary)
        if [wish.source.name for wish, _ in found] == ["stdin"] and not (output or output_dir) and len(formats) <= 1:
            output = "-"
        where = plan.delivery(formats, output, output_dir, state_dir, len(found))
        rendering = replace(rendering, formats=where.formats)
        program = ffmpeg.find(_env("SPEECHCLI_FFMPEG"))
        if dry_run:
            jobs = plan.jobs([_told(wish, hints, question) for wish, hints in found], where)
            return _dry_run(jobs, rendering, wanted, program, choices)
        resolved = registry.resolve(wanted)
        question = replace(question, model=resolved.name, revision=resolved.revision)
        jobs = plan.jobs([_told(wish, hints, question) for wish, hints in found], where)

        def engines() -> batch.Engines:
            transcriber = registry.open_transcriber(resolved)
            recordings = Recordings(program, transcriber.traits.rate, longest)
            return batch.Engines(transcriber, registry.open_detector(question.judged), recordings)

        if where.stdout:
            return _to_stdout(jobs[0], rendering, engines, choices)
        return _to_files(jobs, rendering, engines, choices)


@dataclass(frozen=True, slots=True)
class _Choices:
    """How a batch is run and told about."""

    overwrite: bool
    skip_existing: bool
    resume: bool
    fail_fast: bool
    strict: bool
    quiet: bool
    verbose: bool
    progress: bool | None
    summary: Path | None


def _to_files(
    jobs: Sequence[Job], rendering: Rendering, engines: Callable[[], batch.Engines], choices: _Choices
) -> int:
    began = time.monotonic()
    roots = plan.load_manifests(jobs)
    decisions = [plan.decide(job, roots[job.root], rendering, choices.overwrite, choices.skip_existing) for job in jobs]
    decisions = [_writable(decision) for decision in decisions]
    outcomes: list[batch.Outcome] = []
    expected = sum(d.job.weight for d in decisions if isinstance(d, Do))
    with screen(len(jobs), expected, choices.quiet, choices.progress) as view:
        if choices.verbose:
            for decision in decisions:
                view.say(f"{show.safe(decision.job.name)}: {_action(decision)}")
        running = batch.carry_out(decisions, rendering, roots, engines, choices.resume, choices.skip_existing)
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
    code = batch.exit_code(outcomes, choices.strict)
    seconds = time.monotonic() - began
    if len(jobs) >= _WORTH_A_TABLE and not choices.quiet:
        if sys.stderr.isatty():
            show.console(stderr=True).print(summaries.table(outcomes))
        for line in summaries.lines(outcomes, seconds):
            show.tell(line)
    if choices.summary is not None:
        summaries.write(choices.summary, outcomes, code, seconds)
    return code


def _to_stdout(job: Job, rendering: Rendering, engines: Callable[[], batch.Engines], choices: _Choices) -> int:
    outcomes: list[batch.Outcome] = []

    def tell(event: batch.Outcome | batch.Progress) -> None:
        if isinstance(event, batch.Outcome):
            outcomes.append(event)

    began = time.monotonic()
    pieces = batch.stream(job, rendering.formats[0], rendering, engines(), choices.resume, tell)
    try:
        show.out(pieces)
    finally:
        pieces.close()
    code = batch.exit_code(outcomes, choices.strict)
    for outcome in outcomes:
        for line in lines_of(outcome, quiet=True):
            show.tell(line)
    if choices.summary is not None:
        summaries.write(choices.summary, outcomes, code, time.monotonic() - began)
    return code


def _gathered(
    named: Sequence[str], listed: Sequence[lists.Listed], recursive: bool, cap: int, temporary: ExitStack
) -> list[tuple[Wish, lists.FileHints]]:
    """The recordings meant, spooled or fetched where they are no files; `temporary` removes those again."""
    addresses = [name for name in named if name.startswith(("https://", "http://"))]
    names = [name for name in named if name not in addresses]
    found: list[tuple[Input, lists.FileHints]] = []
    if names or not (addresses or listed):
        found += [(source, lists.FileHints()) for source in files.find_inputs(names, recursive)]
    for entry in listed:
        found += [(source, entry.hints) for source in files.find_inputs([entry.audio], recursive)]
    wishes = [(_spooled(source, hints, temporary), hints) for source, hints in found]
    for address in addresses:
        from speechcli.media.fetch import fetch

        path = fetch(address, Path(temporary.enter_context(tempfile.TemporaryDirectory(prefix="speechcli-"))), cap)
        wishes.append((Wish(Input(path, path.name), _NOTHING_ASKED, lasting=False), lists.FileHints()))
    return wishes


def _spooled(source: Input, hints: lists.FileHints, temporary: ExitStack) -> Wish:
    if source.path == files.STDIN:
        path = temporary.enter_context(sources.spool(sys.stdin.buffer))
    elif sources.is_stream(source.path):
        path = temporary.enter_context(sources.spool(source.path, source.name))
    else:
        return Wish(source, _NOTHING_ASKED, output=hints.output)
    return Wish(replace(source, path=path), _NOTHING_ASKED, lasting=False, output=hints.output)


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
    return replace(wish, question=replace(question, hints=told, track=track))


def _rules(listening: bool, threshold: float | None, silence: int | None, speech: int | None, pad: int | None) -> Rules:
    rules = Rules()
    if not listening:
        return replace(rules, onset=0.01, offset=0.01)
    if threshold is not None:
        rules = replace(rules, onset=threshold, offset=max(0.005, min(threshold, threshold - 0.15)))
    given = {"gap": silence, "min_speech": speech, "pad": pad}
    return replace(rules, **{name: ms / 1000 for name, ms in given.items() if ms is not None})


def _writable(decision: Decision) -> Decision:
    """Refuses what could not be written, before a model is loaded for it."""
    if isinstance(decision, Do | Render):
        try:
            for folder in dict.fromkeys(path.parent for _, path in decision.job.outputs):
                check_folder(folder)
        except SpeechcliError as error:
            return Refuse(decision.job, error)
    return decision


def _action(decision: Decision) -> str:
    match decision:
        case Do(_, why):
            return f"transcribe ({why})"
        case Skip():
            return "skip (done)"
        case Render():
            return "write anew, without a model"
        case Refuse(_, error):
            return f"refuse: {show.safe(error)}"


def _dry_run(
    jobs: Sequence[Job], rendering: Rendering, wanted: registry.Wanted, program: Path, choices: _Choices
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
        rows.append((job.name, length, windows, _action(decision), outputs))
    show.table(("recording", "length", "windows", "action", "outputs"), rows, right=("length", "windows"))
    whole = estimate(todo, outline.longest, outline.batch, outline.lanes, wanted.model, outline.size_mb)
    show.tell(
        f"{len(todo)} of {len(jobs)} to transcribe, {clock(sum(todo))} of media; about {whole.windows} windows in "
        f"batches of {whole.batch}, {outline.lanes} at a time; roughly {whole.memory} MB and {clock(whole.seconds)}"
    )
    return FAILED if failed else OK


def _env(name: str) -> str | None:
    return os.environ.get(name) or None


_NOTHING_ASKED = Question("", "")
