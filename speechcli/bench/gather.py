"""What was measured, put together into a result: scored, outside of what is timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from speechcli.bench import machine, measure
from speechcli.bench.measure import Event, Measured
from speechcli.bench.result import Result, Run, System
from speechcli.errors import NoInputError, SpeechcliError
from speechcli.formats.html.beside import Beside
from speechcli.jobs import pages
from speechcli.jobs.job import Page
from speechcli.media.files import Input
from speechcli.scoring import references, words
from speechcli.scoring.rates import METRICS, Metric, Rate
from speechcli.scoring.references import Found, Reference
from speechcli.scoring.score import WITHOUT, Options


@dataclass(frozen=True, slots=True)
class Gold:
    """What is right about recordings, by their paths. known: as read without their durations. notes: a line each."""

    found: Mapping[Path, Found]
    known: Mapping[Path, Reference]
    notes: tuple[str, ...] = ()

    @property
    def texts(self) -> bool:
        """Whether any says what was said, and not only who spoke."""
        return any(reference.text is not None for reference in self.known.values())

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What some reference has the facts for."""
        row = self.known.values()
        told: dict[Metric, bool] = {
            "wer": self.texts,
            "cer": self.texts,
            "cpwer": any(s.speaker is not None for reference in row for s in reference.segments or ()),
            "tcpwer": any(s.speaker is not None for reference in row for s in reference.segments or ()),
            "der": any(reference.turns is not None for reference in row),
            "boundary": any(bool(reference.words) for reference in row),
        }
        return tuple(metric for metric, there in told.items() if there)


NOTHING = Gold({}, {})


def gold(recordings: Sequence[Input], folder: Path | None = None) -> Gold:
    """The references of recordings, beside them or in a folder; notes on those that have none, or a broken one.

    Raises NoInputError for a folder without any, DataError, DeniedError.
    """
    ours = pages.Ours()
    there = None if folder is None else references.folder(folder, ours)
    found: dict[Path, Found] = {}
    known: dict[Path, Reference] = {}
    notes: list[str] = []
    for one in recordings:
        try:
            own = references.beside(one.path, ours) if there is None else there.of(one.path, one.root)
            found[one.path] = own
            known[one.path] = references.read(own, one.name)
        except NoInputError:
            notes += [f"{one.name}: {note}" for note in own.notes]
        except SpeechcliError as error:
            notes.append(str(error))
    return Gold(found, known, tuple(notes))


class Gathering:
    """A result that grows."""

    def __init__(self, metrics: Sequence[Metric], options: Options, right: Gold) -> None:
        self._metrics, self._options, self._gold = tuple(metrics), options, right
        self._systems: dict[str, System] = {}
        self._made = datetime.now(UTC).isoformat(timespec="seconds")
        self._machine = machine.facts()

    def take(self, event: Event) -> tuple[str, ...]:
        """Takes it in, scored; what is odd about that, a line each, for people. A second time it changes nothing."""
        before = self._systems.get(event.system.name)
        runs = () if before is None else before.runs
        notes: tuple[str, ...] = ()
        if isinstance(event, Measured) and all(run.recording != event.recording.name for run in runs):
            reference, notes = self._reference(event)
            run, said = measure.run_of(event, reference, self._metrics, self._options)
            runs, notes = (*runs, run), (*notes, *(f"{run.recording}: {note}" for note in said))
        self._systems[event.system.name] = replace(event.system, runs=runs)
        return notes

    def result(self, complete: bool = False) -> Result:
        """So far."""
        return Result(
            systems=tuple(map(_able, self._systems.values())),
            metrics=self._metrics,
            normalizer=self._options.normalizer,
            collar=self._options.collar,
            tcp_collar=self._options.tcp_collar,
            made=self._made,
            machine=self._machine,
            complete=complete,
        )

    def beside(self, event: Measured, path: Path) -> Beside:
        """What the page of a transcript has, to be written under `path`: the recording, and the errors."""
        one, transcript = event.recording, event.transcript
        assert transcript is not None
        try:
            made = pages.beside(transcript, pages.Source(one.path, one.name), path, Page()).beside
        except SpeechcliError:  # it is not there any more; the transcript is
            made = Beside()
        reference = self._gold.known.get(one.path)
        if reference is None or reference.text is None or "wer" not in self._metrics:
            return made
        marks, rate = words.marks(transcript, reference.text, self._options.normalizer)
        return replace(made, marks=marks, scored=words.told(rate, self._options.normalizer))

    def _reference(self, event: Measured) -> tuple[Reference | None, tuple[str, ...]]:
        """Read anew now that it is known how long the recording is: what goes on after its end is another one's."""
        path = event.recording.path
        known = self._gold.known.get(path)
        if known is None or path not in self._gold.found or not event.duration:
            return known, ()
        try:
            return references.read(self._gold.found[path], event.recording.name, event.duration), ()
        except SpeechcliError as error:
            return None, (str(error),)


def _able(system: System) -> System:
    """Without scores of a kind that it never gives: where its only ones are of recordings in which it heard nothing,
    and all its other transcripts are without text, without speakers or without times, there is nothing to score.
    """
    runs = system.runs
    for metric in METRICS:
        scored = [run for run in runs if metric in run.scores]
        why = next((run.lacking[metric] for run in runs if run.lacking.get(metric, "").startswith(WITHOUT)), "")
        if scored and why and all(_nothing(run.scores[metric]) for run in scored):
            runs = tuple(_unscored(run, metric, why) if metric in run.scores else run for run in runs)
    return system if runs is system.runs else replace(system, runs=runs)


def _nothing(rate: Rate) -> bool:
    """Whether all is deleted, or missed, and nothing else."""
    parts = dict(rate.parts)
    lost = parts.get("deleted", parts.get("missed", 0.0))
    return rate.errors == lost and lost >= rate.length


def _unscored(run: Run, metric: Metric, why: str) -> Run:
    left = {name: rate for name, rate in run.scores.items() if name != metric}
    return replace(run, scores=left, lacking={**run.lacking, metric: why})
