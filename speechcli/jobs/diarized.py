"""Who speaks when, in many recordings: by itself, after their transcription, or for transcripts that are there already.

A recording is decoded once and heard block by block; several at once, as many as the diarizer hears side by side. It is
done or it is not: what a stopped run was hearing is heard again from its beginning.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias, TypeVar

from speechcli.backends import catalog, diarizers, registry
from speechcli.backends.base import Counts, Diarized, Diarizer
from speechcli.backends.registry import Resolved, Wanted
from speechcli.core.span import Seconds, tidy, total
from speechcli.core.transcript import Segment, Stage, Transcript, Turn, Verdict
from speechcli.errors import DataError, SpeechcliError, UnavailableError, UsageError
from speechcli.formats import rttm, table
from speechcli.formats.opened import text_of
from speechcli.jobs import run
from speechcli.jobs.aligned import Finished
from speechcli.jobs.hearings import Crew, Found, Listened
from speechcli.jobs.job import Job, Question, Text, rules_of, told_of
from speechcli.jobs.recording import Ending, Recordings
from speechcli.media import files
from speechcli.timeline.attribution import attributed
from speechcli.timeline.turns import in_order, stretches, turns_of

_DIARIZERS = "diarizer."  # before a setting: it is the diarizer's
_A_WHILE: Seconds = 1.0  # of talk: less is a turn that begins early
GIVEN = "given"  # the name of the diarizer where somebody says who speaks when


Roster: TypeAlias = Callable[[Job, Diarized], Diarized]
"""What gives the speakers of a recording the names that they have elsewhere: asked recording by recording, in order."""


Event: TypeAlias = run.Began | Listened | run.Skipped | run.Failed | Finished
_Told = TypeVar("_Told")


def work(
    jobs: Sequence[Job],
    diarizer: Diarizer,
    recordings: Recordings,
    still_wanted: Callable[[Job], bool] = lambda job: True,
    patient: bool = True,
    roster: Roster | None = None,
) -> Iterator[Event]:
    """Finds who speaks when in each job's recording, and tells what happens; see `run.work`.

    A job with a text gets that transcript back, with its words' speakers. Recordings end as they are heard; with a
    roster in the order of the jobs.
    """
    crew = Crew(diarizer, recordings, still_wanted)
    row = _Row(jobs if roster is not None else ())
    n_left = len(jobs)
    with crew.at_work(patient):
        for job in jobs:
            crew.ask(job)
        while n_left:
            news = crew.next()
            if not isinstance(news, _Over):
                yield news
                continue
            n_left -= 1
            for over in row.put(news):
                yield _made(over, diarizer.stage, roster) if isinstance(over, Found) else over


def after(
    events: Generator[_Told | Finished, None, None],
    jobs: Sequence[Job],
    diarizer: Diarizer,
    recordings: Recordings,
    patient: bool = True,
    roster: Roster | None = None,
) -> Iterator[_Told | Event]:
    """What a transcription tells; its finished transcripts are held back until the speakers of their words are known.

    events: of these jobs, whose journals stay open after `Finished`.
    """
    crew = Crew(diarizer, recordings)
    row = _Row(jobs if roster is not None else ())
    held: dict[int, Finished] = {}
    n_left, n_asked = len(jobs), 0

    def told(over: Found | Event) -> Event:
        before = held.pop(id(over.job), None)
        if isinstance(over, Found):
            assert before is not None
            return _made(over, diarizer.stage, roster, before)
        if before is not None:
            before.leave()
        return over

    with closing(events), crew.at_work(patient):
        for event in events:
            n_left -= isinstance(event, Finished | run.Skipped | run.Failed)
            if isinstance(event, Finished):
                held[id(event.job)] = event
                crew.ask(event.job, event.ending.fingerprint)
                n_asked += 1
            elif isinstance(event, run.Skipped | run.Failed):
                yield from map(told, row.put(event))
            else:
                yield event
            while n_asked and (not n_left or crew.has_news):  # with the last event the journals would be closed
                news = crew.next()
                if isinstance(news, _Over):
                    n_asked -= 1
                    yield from map(told, row.put(news))
                else:
                    yield news


def resolve(wanted: Wanted) -> Resolved:
    """The diarizer's weights, or those of the transcriber that tells speakers; see `diarizers.resolve`."""
    return registry.resolve(wanted) if diarizers.transcribes(wanted) else diarizers.resolve(wanted)


def resolved_offline(wanted: Wanted) -> Resolved:
    """As `resolve`, as far as that can be known without fetching anything, for a plan."""
    try:
        return resolve(replace(wanted, offline=True))
    except UnavailableError:
        return Resolved(wanted, wanted.model, "", None, "")


def question_of(asked: Question, resolved: Resolved) -> Question:
    """Who speaks when, asked of this model; `asked` says the rest. Raises UsageError."""
    wanted = resolved.wanted
    if not diarizers.transcribes(wanted):
        return replace(asked, turns=True, diarizer=told_of(resolved))
    if asked.speakers != Counts():
        raise UsageError(f"{wanted.model} counts the speakers by itself", "--model embedded takes their number")
    return replace(
        asked,
        turns=True,
        model=resolved.name,
        revision=resolved.revision,
        settings=wanted.told,
        rules=rules_of(registry.family_of(wanted), wanted.model, wanted.longest),
    )


def apart(settings: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The model's settings, and those of the diarizer that goes with it.

    >>> apart({"beam_size": "5", "diarizer.device": "cpu"})
    ({'beam_size': '5'}, {'device': 'cpu'})
    """
    own = {key: text for key, text in settings.items() if not key.startswith(_DIARIZERS)}
    return own, {key.removeprefix(_DIARIZERS): text for key, text in settings.items() if key.startswith(_DIARIZERS)}


def diarizer_of(
    wanted: Wanted, asked: bool, name: str | None, settings: Mapping[str, str], counts: Counts
) -> Wanted | None:
    """The diarizer that goes with a model; None where none was asked for, or the model tells speakers by itself.

    asked: `--diarize`. name: `--diarizer`. settings: its own. Raises UsageError, UnavailableError, DataError.
    """
    if not asked and name is None:
        if settings:
            raise UsageError(f"--set {_DIARIZERS}{next(iter(settings))}: no diarizer was asked for", "--diarize")
        if counts != Counts():
            raise UsageError("--num-speakers and its like say how many to tell apart", "--diarize")
        return None
    if name is None and _tells_speakers(wanted):
        if settings or counts != Counts():
            raise UsageError(f"{wanted.model} tells speakers by itself", "--diarizer embedded counts them")
        return None
    given = dict(settings)
    called = name or "embedded"
    its = replace(
        Wanted(called, given.pop("device", "auto"), given.pop("dtype", "auto"), given),
        model_dir=wanted.model_dir,
        offline=wanted.offline,
        before=_DIARIZERS,
    )
    its = diarizers.diarizer_for(its)
    if diarizers.transcribes(its):
        raise UsageError(f"--diarizer {called} transcribes too", f"--model {called} does both at once")
    if its.device == "auto" and its.model != catalog.EMBEDDED_DIARIZER:
        its = replace(its, device=wanted.device)
    return its


def given(jobs: Sequence[Job]) -> Iterator[Event]:
    """Joins turns that a file says with the transcript of each job; no recording is heard."""
    for job in jobs:
        try:
            yield _joined(job)
        except SpeechcliError as error:
            yield run.Failed(job, error)


def of_segments(transcript: Transcript) -> Transcript:
    """The transcript of a model that tells speakers by itself, with their turns."""
    return replace(transcript, turns=turns_of(transcript.turns or transcript.segments))


def with_turns(job: Job, heard: Transcript, ending: Ending) -> Transcript:
    """The transcript that the job brings along, its words' speakers those that were heard in its recording.

    Raises DataError and its like where that file cannot be read any more.
    """
    if job.text is None:
        return heard
    stages = [replace(stage, stage="diarize") for stage in heard.made_by]
    return _renewed(job, transcript_in(job.text), heard.turns, heard.verdict.notes, ending, *stages)


def read_turns(path: Path, wanted: str) -> tuple[tuple[Turn, ...], tuple[str, ...]]:
    """The turns in a file, and notes on them. wanted: stem of the recording, where the file is about several.

    Raises NoInputError and its like, DataError with the line that is wrong.
    """
    known = table.by_suffix(path)
    if known is None or known.name != "rttm":
        turns = of_segments(table.read(path)).turns
        if not turns:
            raise DataError(f"{path.name} does not say who speaks", "an RTTM, or a transcript with speakers")
        return turns, ()
    text, note = text_of(path)
    read = rttm.read(text, path.name, wanted)
    return read.turns, (*read.verdict.notes, *([note] if note else []))


_Over: TypeAlias = Found | run.Skipped | run.Failed  # a recording is


class _Row:
    """Recordings that are over, in the order of these jobs; as they come where there are none."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._order = deque(id(job) for job in jobs)
        self._over: dict[int, Found | Event] = {}

    def put(self, over: Found | Event) -> Iterator[Found | Event]:
        """What can be told with this one."""
        if not self._order:
            yield over
            return
        self._over[id(over.job)] = over
        while self._order and self._order[0] in self._over:
            yield self._over.pop(self._order.popleft())


def _made(found: Found, stage: Stage, roster: Roster | None, before: Finished | None = None) -> Finished | run.Failed:
    """before: the recording's transcription."""
    done, leave = (found.done, found.leave) if before is None else (before.done, before.leave)
    job, ending = found.job, found.ending
    try:
        diarized = found.diarized if roster is None else roster(job, found.diarized)
        made_by = _told(stage, job.question.speakers)
        if before is not None:
            made = _with(before.transcript, diarized.turns, diarized.notes, made_by)
        elif job.text is not None:
            made = _renewed(job, transcript_in(job.text), diarized.turns, diarized.notes, ending, made_by)
        else:
            made = _of_turns(job, diarized, ending, made_by)
    except SpeechcliError as error:
        leave()
        return run.Failed(job, error)
    return Finished(job, made, ending, done, leave)


def _of_turns(job: Job, diarized: Diarized, ending: Ending, made_by: Stage) -> Transcript:
    return Transcript(
        source=Path(job.name).name,
        duration=tidy(ending.duration),
        turns=diarized.turns,
        verdict=Verdict(
            speech=round(total(diarized.turns), 3),
            complete=ending.complete,
            notes=tuple(dict.fromkeys((*ending.notes, *diarized.notes))),
        ),
        made_by=(made_by,),
        recording=ending.facts,
    )


def _renewed(
    job: Job, transcript: Transcript, turns: Sequence[Turn], notes: Sequence[str], ending: Ending, *made_by: Stage
) -> Transcript:
    """The transcript that the job brings along, with the speakers that were heard in its recording."""
    made = _with(transcript, turns, (*notes, *_strange(transcript, ending)), *made_by)
    return replace(
        made,
        source=Path(job.name).name,
        duration=tidy(ending.duration),
        recording=made.recording or ending.facts,
    )


def _joined(job: Job) -> Finished:
    """The job's transcript with the turns that were given."""
    assert job.text is not None
    assert job.text.turns is not None
    transcript = transcript_in(job.text)
    turns, notes = read_turns(job.text.turns, Path(transcript.source).stem)
    duration = max([transcript.duration, *(s.end for s in transcript.segments)])
    beyond = [turn for turn in turns if turn.end > duration + _A_WHILE]
    if duration and beyond:
        notes = (*notes, f"{len(beyond)} of {len(turns)} turns lie beyond the end: are they this recording's?")
    stage = Stage("diarize", "speechcli", GIVEN, settings=(("turns", job.text.turns.name),))
    made = _with(transcript, in_order(turns), notes, stage)
    stat = job.media.stat()
    fingerprint = files.fingerprint(job.media)
    ending = Ending(duration, True, (), False, fingerprint, stat.st_size, stat.st_mtime_ns, ())

    def nothing() -> None:
        """There is no journal."""

    return Finished(job, made, ending, nothing, nothing)


def _with(transcript: Transcript, turns: Sequence[Turn], notes: Sequence[str], *stages: Stage) -> Transcript:
    made = attributed(transcript, turns)
    if n_shared := _shared(transcript.segments, turns):
        several = f"{n_shared} segments" if n_shared > 1 else "1 segment"
        notes = (*notes, f"{several} without word times, with talk of several: whoever talks most has it")
    verdict = replace(made.verdict, notes=tuple(dict.fromkeys((*made.verdict.notes, *notes))))
    return replace(made, verdict=verdict, made_by=(*_without_diarizers(made), *stages))


def _shared(segments: Sequence[Segment], turns: Sequence[Turn]) -> int:
    """Segments without times of words in which a second speaker talks for a while."""
    row = stretches(turns)
    starts = [stretch.start for stretch in row]
    n_shared = 0
    for segment in segments:
        said: dict[str, Seconds] = defaultdict(float)
        first = max(bisect_right(starts, segment.start) - 1, 0)
        for start, end, speakers in row[first : bisect_left(starts, segment.end)] if not segment.words else ():
            for speaker in speakers:
                said[speaker] += max(0.0, min(end, segment.end) - max(start, segment.start))
        n_shared += len(said) > 1 and sorted(said.values())[-2] >= _A_WHILE
    return n_shared


def _without_diarizers(transcript: Transcript) -> tuple[Stage, ...]:
    """Who made it, but for those whose speakers are no longer in it."""
    return tuple(stage for stage in transcript.made_by if stage.stage != "diarize")


def _told(stage: Stage, counts: Counts) -> Stage:
    """The stage with the numbers of speakers that were asked for."""
    if counts == Counts():
        return stage
    if counts.least == counts.most:
        asked = [("num_speakers", str(counts.most))]
    else:
        asked = [("min_speakers", str(counts.least))] if counts.least > 1 else []
        asked += [("max_speakers", str(counts.most))] if counts.most is not None else []
    return replace(stage, settings=(*stage.settings, *asked))


def _strange(transcript: Transcript, ending: Ending) -> tuple[str, ...]:
    """Notes where the transcript was made of other bytes, or goes on where the recording has ended."""
    notes: list[str] = []
    before = dict(transcript.recording).get("fingerprint")
    if before is not None and before != ending.fingerprint:
        notes.append(f"the transcript was not made of this file, but of a {transcript.source} with other bytes")
    beyond = [segment for segment in transcript.segments if segment.start > ending.duration + _A_WHILE]
    if beyond:
        told = f"{len(beyond)} of {len(transcript.segments)} segments"
        notes.append(f"{told} lie beyond the recording's end: is it this transcript's?")
    return tuple(notes)


def transcript_in(text: Text) -> Transcript:
    """The transcript in a file, whose speakers are asked for. Raises DataError where it has no text."""
    transcript = table.read(text.path)
    if not transcript.segments and transcript.turns:
        raise DataError(f"{text.name} has no text: only who spoke when", "speechcli diarize takes a recording for that")
    return transcript


def _tells_speakers(wanted: Wanted) -> bool:
    """Whether the model tells speakers by itself."""
    try:
        return diarizers.transcribes(diarizers.diarizer_for(wanted))
    except UsageError:
        return False
