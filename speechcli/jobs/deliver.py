"""Finished transcripts to files, and into the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from speechcli.core.transcript import Segment, Transcript
from speechcli.errors import FAILED, OK, DataError, SpeechcliError
from speechcli.formats import table
from speechcli.formats.html.beside import NOTHING
from speechcli.jobs import pages
from speechcli.jobs.job import Job, Rendering
from speechcli.jobs.manifest import Entry, Manifest, Output
from speechcli.jobs.output import write_atomically
from speechcli.jobs.recording import Ending
from speechcli.timeline.turns import renamed
from speechcli.timeline.units import in_units


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was written.

    left_out: format and why not. partly: what a format does not show. error: a demanded format that cannot be filled,
    or what a page should have and has not. notes: a line each for people.
    """

    outputs: Mapping[str, Output]
    paths: tuple[Path, ...]
    left_out: Mapping[str, str]
    partly: Mapping[str, str]
    error: SpeechcliError | None = None
    notes: tuple[str, ...] = ()


def write(transcript: Transcript, job: Job, rendering: Rendering, manifest: Manifest) -> Delivered:
    """Writes every output of the job that the transcript can fill. Raises DiskError, DeniedError, OutputError."""
    shown = rendered(transcript, rendering)
    outputs: dict[str, Output] = {}
    paths: list[Path] = []
    left_out: dict[str, str] = {}
    partly: dict[str, str] = {}
    beside = NOTHING
    notes: tuple[str, ...] = ()
    errors: list[SpeechcliError] = []
    if (lost := unknown_names(transcript, rendering.speakers)) is not None:
        partly["speaker_names"] = lost
    for name, path in job.outputs:
        if (lack := table.missing(name, shown)) is not None:
            left_out[name] = lack
            continue
        key = pages.key(name, path, job, rendering)
        if table.named(name).kind == "page":
            made = pages.of_job(job, rendering, shown, path)
            beside, notes, key = made.beside, made.notes, made.key
            errors += made.errors

        def announce(digest: str, path: Path = path, name: str = name, key: str = key) -> None:
            manifest.announce(path, Output(name, digest, key))

        digest = write_atomically(path, table.pieces(name, shown, rendering.style, beside), announce)
        if (less := table.left_out(name, shown)) is not None:
            partly[name] = less
        outputs[manifest.name_of(path)] = Output(name, digest, key)
        paths.append(path)
    error = next(iter(errors), None)
    if left_out and (rendering.demanded or not outputs):
        error = DataError(
            f"{job.name}: {'; '.join(left_out.values())}", "the other formats were written" if outputs else ""
        )
    return Delivered(outputs, tuple(paths), left_out, partly, error, notes)


def record(transcript: Transcript, job: Job, delivered: Delivered, manifest: Manifest, ending: Ending) -> None:
    """Puts a finished recording into the manifest; one that was written to while it was read is not finished."""
    if ending.changed:
        return
    status = transcript.verdict.status
    manifest.add(
        Entry(
            input=job.entry,
            size=ending.size,
            mtime_ns=ending.mtime_ns,
            fingerprint=ending.fingerprint,
            question=job.question.key(),
            outputs=delivered.outputs,
            verdict=status,
            exit_code=FAILED if status == "failed" else OK,
            duration=transcript.duration,
            left_out=tuple(delivered.left_out),
            text=job.text.entry if job.text is not None else "",
            kind=job.kind,
        )
    )


def rendered(transcript: Transcript, rendering: Rendering) -> Transcript:
    """The transcript as it is to be shown: speakers under their names, words where they are wanted, in their units."""
    transcript = in_units(transcript, rendering.unit)
    return replace(
        transcript,
        segments=tuple(shown(segment, rendering) for segment in transcript.segments),
        turns=renamed(transcript.turns, rendering.speakers) if rendering.speakers else transcript.turns,
    )


def unknown_names(transcript: Transcript, names: Mapping[str, str]) -> str | None:
    """Which names no speaker of the transcript can have; None where each has its speaker, or had it before."""
    there = set(transcript.speakers)
    lost = [speaker for speaker, name in names.items() if speaker not in there and name not in there]
    if not lost:
        return None
    who = ", ".join(transcript.speakers[:6]) + (", ..." if len(there) > 6 else "") if there else "none is known"
    return f"nobody is called {', '.join(lost[:6])}{', ...' if len(lost) > 6 else ''} (speakers: {who})"


def shown(segment: Segment, rendering: Rendering) -> Segment:
    """One segment as it is to be shown."""
    names = rendering.speakers
    words = tuple(replace(w, speaker=names.get(w.speaker or "", w.speaker)) for w in segment.words)
    return replace(
        segment, speaker=names.get(segment.speaker or "", segment.speaker), words=words if rendering.words else ()
    )
