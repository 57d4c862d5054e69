"""What `speechcli diarize` does once its options are read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from speechcli.backends import diarizers
from speechcli.backends.registry import Wanted
from speechcli.cli import allocator, environment, show, work
from speechcli.cli.drawing import Pictures
from speechcli.cli.progress import clock
from speechcli.cli.work import Choices, Question, Rendering, Sources, Target, Voices
from speechcli.core.transcript import Transcript, Turn
from speechcli.errors import FAILED, OK, NoInputError, SpeechcliError, UsageError
from speechcli.formats import table
from speechcli.formats.opened import bytes_of
from speechcli.jobs import batch, diarized, pages, plan
from speechcli.jobs.job import Job, Text
from speechcli.jobs.plan import Refuse, Wish
from speechcli.media import ffmpeg, files, probe
from speechcli.media.files import Input


@dataclass(frozen=True, slots=True)
class Given:
    """What comes along with a transcript. audio: its recording, or the folder of it. turns: who speaks when."""

    audio: str | None
    turns: Path | None


def diarize(
    named: Sources,
    given: Given,
    question: Question,
    rendering: Rendering,
    wanted: Wanted,
    target: Target,
    choices: Choices,
    voices: Voices,
    plot: Path | None,
) -> int:
    """The exit code. wanted: what `diarizers.diarizer_for` gave. Raises what ends the whole run."""
    with ExitStack() as temporary:
        taken = _taken(named, given, question, temporary)
        wishes = [wish for wish, _ in taken]
        output = target.output
        if [wish.source.name for wish in wishes] == ["stdin"] and not (output or target.output_dir):
            output = "-" if len(rendering.formats) <= 1 else output
        where = plan.delivery(
            rendering.formats, output, target.output_dir, target.state_dir, len(taken), _default(wishes)
        )
        rendering = work.paged(rendering, where.formats)
        _check_fillable(wishes, rendering, wanted)
        program = ffmpeg.find(environment.ffmpeg())
        offline = wanted.offline or choices.dry_run or work.env("HF_HUB_OFFLINE") == "1"
        wanted = replace(wanted, offline=offline, cards=environment.cards())
        resolved = None
        if given.turns is None and not question.split:
            resolved = diarized.resolved_offline(wanted) if choices.dry_run else diarized.resolve(wanted)
        if resolved is not None:
            asked = diarized.question_of(question, resolved)
        else:
            asked = replace(question, turns=True, diarizer=() if question.split else (diarized.GIVEN,))
        work.check_summary(choices)
        work.tell_notices(resolved)
        asked = replace(asked, diarizer=asked.diarizer + voices.told(resolved))
        jobs = plan.jobs([_asking(wish, asked) for wish in wishes], where)
        rendering = work.for_all(rendering, jobs, program)
        pictures = Pictures(plot, jobs, choices.overwrite)
        errors = {wish.text.path: error for wish, error in taken if error is not None and wish.text is not None}
        refused = {id(j): errors[j.text.path] for j in jobs if j.text is not None and j.text.path in errors}
        if choices.dry_run:
            return _dry_run(jobs, rendering, program, choices, refused)
        pictures.check()

        def engines() -> batch.Engines:
            allocator.keep_large_blocks()
            return voices.known_to(
                batch.diarizing(resolved, program, target.longest, question.split), jobs, wanted.model_dir
            )

        if where.stdout:
            if refused:
                raise next(iter(refused.values()))
            code = work.to_stdout(jobs[0], rendering, engines, choices, pictures)
        else:
            code = work.to_files(jobs, rendering, engines, choices, refused, pictures)
            pictures.to_terminal(choices.quiet)
        voices.tell_missed()
        return code or pictures.code


def _asking(wish: Wish, asked: Question) -> Wish:
    own = wish.question
    return replace(wish, question=replace(asked, text=own.text, track=own.track))


def _taken(
    named: Sources, given: Given, question: Question, temporary: ExitStack
) -> list[tuple[Wish, SpeechcliError | None]]:
    """What is meant: recordings, and transcripts with theirs; or why one cannot be taken."""
    taken: list[tuple[Wish, SpeechcliError | None]] = []
    for wish, hints in work.gathered(named, temporary):
        track = question.track if hints.track is None else hints.track
        bare = replace(wish, question=replace(question, track=track), speakers=dict(hints.speakers))
        taken.append(_transcribed(bare, given) if _is_transcript(wish.source) else (bare, None))
    recordings = [wish.source for wish, _ in taken if wish.text is None]
    if recordings and given.turns is not None:
        raise UsageError(f"--turns joins with a transcript, and {recordings[0].name} is a recording", "name its json")
    if recordings and given.audio is not None:
        raise UsageError(f"--audio is for transcripts, and {recordings[0].name} is a recording", "leave it out")
    if len(taken) > 1 and given.audio is not None and not os.path.isdir(given.audio):
        raise UsageError(f"--audio {given.audio}: one recording, and {len(taken)} transcripts", "name a folder of them")
    if len(taken) > 1 and given.turns is not None and not _is_rttm(given.turns):
        raise UsageError(
            f"--turns {given.turns}: one recording's, and {len(taken)} transcripts", "an RTTM names several"
        )
    return taken


def _is_transcript(source: Input) -> bool:
    """By its name: what is neither a recording's nor one of a format we read is tried as a recording."""
    form = table.by_suffix(source.path)
    return source.explicit and source.path.suffix.lower() not in files.SUFFIXES and form is not None and form.reads


def _is_rttm(path: Path) -> bool:
    form = table.by_suffix(path)
    return form is not None and form.name == "rttm"


def _transcribed(wish: Wish, given: Given) -> tuple[Wish, SpeechcliError | None]:
    """A transcript with its recording; where that is not to be found the error, and itself in its place."""
    path = wish.source.path
    text = Text(path, wish.source.name, "", cues=_form(path) in ("srt", "vtt"), turns=given.turns)
    bare = replace(wish, text=text)
    try:
        raw = bytes_of(path)
        transcript = diarized.transcript_in(text)
        if given.turns is not None:
            turns = bytes_of(given.turns)
            diarized.read_turns(given.turns, Path(transcript.source).stem)
            return replace(bare, question=replace(wish.question, text=_digest(raw, turns))), None
        source = _recording(path, transcript, given.audio)
    except SpeechcliError as error:
        return bare, error
    track = wish.question.track
    if track is None:
        known = dict(transcript.recording).get("track", "")
        track = int(known) if known.isdecimal() and int(known) else None
    return replace(bare, source=source, question=replace(wish.question, text=_digest(raw), track=track)), None


def _recording(text: Path, transcript: Transcript, where: str | None) -> Input:
    """The recording that a transcript was made of. Raises NoInputError, UsageError."""
    if where is not None and not os.path.isdir(where):
        return Input(Path(where), where)
    folder = Path(where) if where is not None else text.parent
    found = pages.recording_of(transcript, text, folder, "--audio")
    if found is None:
        own = folder / Path(transcript.source).name
        called = own.name if own.suffix.lower() in files.SUFFIXES else f"a recording called {_stem(text)}"
        raise NoInputError(f"{text.name}: {called} is not in {folder}", "--audio names it, or the folder where it lies")
    return Input(found, str(found))


def _stem(path: Path) -> str:
    form = table.by_suffix(path)
    return path.name[: -len(form.suffix)] if form is not None else path.stem


def _form(path: Path) -> str:
    form = table.by_suffix(path)
    return form.name if form is not None else ""


def _digest(*data: bytes) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for one in data:
        digest.update(len(one).to_bytes(8, "big") + one)
    return digest.hexdigest()


def _default(wishes: Sequence[Wish]) -> str:
    """The format where none was named: turns of recordings; of transcripts captions as they came, else everything."""
    if any(wish.text is None for wish in wishes):
        return "rttm"
    forms = {_form(wish.text.path) for wish in wishes if wish.text is not None}
    return forms.pop() if forms in ({"srt"}, {"vtt"}) else "json"


def _check_fillable(wishes: Sequence[Wish], rendering: Rendering, wanted: Wanted) -> None:
    """Before a model is loaded: turns alone are no captions. Raises UsageError."""
    if diarizers.transcribes(wanted) or not rendering.demanded or all(wish.text is not None for wish in wishes):
        return
    turns_alone = Transcript("", 1.0, turns=(Turn(0.0, 1.0, "SPEAKER_00"),))
    for name in rendering.formats:
        if table.missing(name, turns_alone) is not None:
            raise UsageError(f"{name} needs text, and diarize finds turns", f"speechcli transcribe --diarize -f {name}")


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
        if not isinstance(decision, Refuse) and (job.text is None or job.text.turns is None):
            try:
                seconds = probe.probe(job.media, program, Path(job.name).name).duration
                length = clock(seconds) if seconds is not None else "?"
            except SpeechcliError as error:
                decision = Refuse(job, error)
        failed = failed or isinstance(decision, Refuse)
        outputs = ", ".join(str(path) for _, path in job.outputs) or "stdout"
        text = job.text.name if job.text is not None else ""
        rows.append((job.name, text, length, work.action(decision), outputs))
    show.table(("recording", "transcript", "length", "action", "outputs"), rows, right=("length",))
    return FAILED if failed else OK
