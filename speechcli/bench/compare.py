"""Two results of different days: what became better, what worse, and what nobody can tell.

Errors are judged by the interval of the difference over the recordings that both results have, each against itself; a
change is told where the whole interval is on one side of zero. Speed and memory are judged on the same machine only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from speechcli.bench import standing
from speechcli.bench.result import Result, Run, System
from speechcli.bench.standing import FEW, Judged, Verdict
from speechcli.bench.wording import SHORT, difference, figure, several, size, times, took
from speechcli.errors import FAILED, OK, DataError
from speechcli.scoring.rates import METRICS, Metric, pooled

HARDWARE: Final = ("processor", "cores", "memory", "gpu")  # of Result.machine: what makes times comparable
# Peaks of the same work differ by what the allocator keeps and by the order of threads: a few percent, seen.
MEMORY: Final = 1.1
_TENTH: Final = 0.1  # seconds of duration: more, and two recordings of one name are not the same
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One thing judged: of `system`, `what` ("WER", "speed", "memory", "transcripts"), before and after as text."""

    system: str
    what: str
    old: str
    new: str
    judged: Judged
    told: str  # the difference and its interval, or why it was not judged

    @property
    def verdict(self) -> Verdict:
        return self.judged.verdict

    @property
    def text(self) -> str:
        told = f" ({self.told})" if self.told else ""
        return f"{self.system}: {self.what} {self.old} -> {self.new}: {WORDS[self.verdict]}{told}"


WORDS: Final[dict[Verdict, str]] = {"better": "better", "same": "same", "worse": "worse", "unknown": "cannot tell"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """lines: what was judged. notes: what was left out and why. exit_code: FAILED where anything is worse, for CI."""

    lines: tuple[Line, ...]
    notes: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """Of the whole: worse where anything is; cannot tell where nothing could be judged."""
        found = {line.verdict for line in self.lines}
        ranked: tuple[Verdict, ...] = ("worse", "better", "same")
        return next((verdict for verdict in ranked if verdict in found), "unknown")

    @property
    def exit_code(self) -> int:
        return FAILED if self.verdict == "worse" else OK

    @property
    def text(self) -> tuple[str, ...]:
        """For the terminal: what was judged, notes, and the verdict."""
        worse = sum(line.verdict == "worse" for line in self.lines)
        last = {
            "worse": f"worse in {worse} of {len(self.lines)}",
            "better": "better, and worse in nothing",
            "same": "the same as far as can be told",
            "unknown": "too little to tell",
        }[self.verdict]
        return (*(line.text for line in self.lines), *self.notes, f"compared with before: {last}")


def compare(old: Result, new: Result) -> Comparison:
    """What changed. Raises DataError where the results were scored by other rules or have nothing in common."""
    same_rules(old, new)
    pairs, notes = _pairs(old, new)
    machines = _machines(old, new)
    lines: list[Line] = []
    shared: set[str] = set()
    for before, after in pairs:
        common, said = _recordings(before, after)
        notes += said
        shared |= common
        lines += _failures(before, after, common)
        for metric in METRICS:
            if metric in old.metrics and metric in new.metrics:
                found, said = _scored(before, after, metric, common)
                lines += found
                notes += said
        lines += [] if machines else _resources(before, after, common)
    if not shared and not any(line.verdict == "worse" for line in lines):
        raise DataError("the two results have no recording in common", "compare runs on the same recordings")
    if machines:
        notes.append(f"speed and memory are not judged: another machine ({machines})")
    return Comparison(tuple(lines), tuple(notes))


def same_rules(old: Result, new: Result) -> None:
    """Raises DataError where they were scored by other rules, with the option that makes them the same."""
    if old.normalizer != new.normalizer:
        raise DataError(
            f"the old result was scored with the normalizer {old.normalizer}, this one with {new.normalizer}",
            f"run it with --normalizer {old.normalizer}",
        )
    for metric, mine, its, option in (
        ("der", old.collar, new.collar, "--collar"),
        ("tcpwer", old.tcp_collar, new.tcp_collar, "--tcp-collar"),
    ):
        if mine != its and metric in old.metrics and metric in new.metrics:
            raise DataError(
                f"the old result was scored with a collar of {mine:g} s, this one with {its:g} s ({metric})",
                f"run it with {option} {mine:g}",
            )


def _pairs(old: Result, new: Result) -> tuple[list[tuple[System, System]], list[str]]:
    """Systems of one name; two that are each the only one belong together whatever they are called."""
    if len(old.systems) == len(new.systems) == 1:
        before, after = old.systems[0], new.systems[0]
        if before.name == after.name:
            return [(before, after)], []
        return [(before, after)], [f"{after.name} is compared with {before.name}, the only one there was"]
    known = {system.name: system for system in old.systems}
    pairs = [(known[system.name], system) for system in new.systems if system.name in known]
    names = {system.name for system in new.systems}
    if not pairs:
        raise DataError(
            f"the two results have no system in common: {_named(known)} before, {_named(names)} now",
            "name the same models, or one in each",
        )
    notes = [f"{name} was not there before" for name in names - set(known)]
    return pairs, sorted(notes) + [f"{name} is not there any more" for name in known if name not in names]


def _recordings(before: System, after: System) -> tuple[set[str], list[str]]:
    """Names of the recordings that are the same in both, and those left out."""
    mine, its = {run.recording: run for run in before.runs}, {run.recording: run for run in after.runs}
    other = [name for name in mine if name in its and abs(mine[name].duration - its[name].duration) > _TENTH]
    notes = [f"{after.name}: {_some(other)}: another recording of the same name, left out"] if other else []
    if gone := [name for name in mine if name not in its]:
        notes.append(f"{after.name}: not run any more: {_some(gone)}")
    if fresh := [name for name in its if name not in mine]:
        notes.append(f"{after.name}: not run before: {_some(fresh)}")
    return {name for name in mine if name in its} - set(other), notes


def _failures(before: System, after: System, common: set[str]) -> list[Line]:
    """A line where recordings that gave a transcript give none any more, or the other way round."""
    dead = [bool(system.error) and not system.done for system in (before, after)]
    if any(dead):
        if all(dead):
            return []
        verdict: Verdict = "worse" if dead[1] else "better"
        told = after.error if dead[1] else before.error
        return [_transcripts(after.name, "could not" if dead[0] else "could be run", "", verdict, told)]
    failed = [{run.recording for run in s.runs if run.error} & common for s in (before, after)]
    lost, won = failed[1] - failed[0], failed[0] - failed[1]
    if not lost and not won:
        return []
    told = f"no transcript any more: {_some(sorted(lost))}" if lost else f"now there: {_some(sorted(won))}"
    n = len(common)
    counts = [f"{n - len(f)} of {n}" for f in failed]
    return [_transcripts(after.name, counts[0], counts[1], "worse" if lost else "better", told)]


def _transcripts(name: str, old: str, new: str, verdict: Verdict, told: str) -> Line:
    now = new or ("could not be run" if verdict == "worse" else "runs")
    return Line(name, "transcripts", old, now, Judged(verdict, None, None, 0), told)


def _scored(before: System, after: System, metric: Metric, common: set[str]) -> tuple[list[Line], list[str]]:
    mine, its = standing.rates(before, metric), standing.rates(after, metric)
    both = [name for name in mine if name in its and name in common]
    if not both:
        return [], [f"{after.name}: {SHORT[metric]} is in one of the results only"] if mine or its else []
    texts = [{run.recording: run.reference for run in s.runs} for s in (before, after)]
    other = [n for n in both if mine[n].length != its[n].length or texts[0][n] != texts[1][n]]
    if metric == "boundary":  # its length is of edges that were found, not of the reference alone
        other = [n for n in both if texts[0][n] != texts[1][n]]
    notes = []
    if other:
        name = other[0]
        counts = f"{name}: {mine[name].length:g} before, {its[name].length:g} now"
        notes.append(f"{after.name}: {SHORT[metric]}: another reference for {_some(other)}, left out ({counts})")
    kept = [name for name in both if name not in other]
    if not kept:
        return [], notes
    found = standing.judged([mine[n] for n in kept], [its[n] for n in kept])
    values = [pooled(rates[n] for n in kept).value for rates in (mine, its)]
    told = _told(metric, found)
    return [Line(after.name, SHORT[metric], figure(metric, values[0]), figure(metric, values[1]), found, told)], notes


def _told(metric: Metric, found: Judged) -> str:
    if found.change is None:
        return "the references have nothing to count"
    if found.interval is None:
        if found.verdict == "same":
            return f"the same errors in {several(found.recordings, 'recording')}"
        few = several(found.recordings, "recording")
        return f"{difference(metric, found.change)}; {few} cannot tell chance from a change"
    low, high = difference(metric, found.interval.low), difference(metric, found.interval.high)
    spread = f"{low.partition(' ')[0]} to {high.partition(' ')[0]}"
    few = f", only {several(found.recordings, 'recording')}" if found.recordings < FEW else ""
    return f"{difference(metric, found.change)}, 95 % interval {spread}{few}"


def _resources(before: System, after: System, common: set[str]) -> list[Line]:
    """Speed, time to the first words, memory: where both were measured on one machine."""
    lines = []
    noise = standing.noise(before, after)
    mine, its = standing.timed(before), standing.timed(after)
    both = [name for name in mine if name in its and name in common]
    if both:
        found = _borne_out(standing.slower([mine[n] for n in both], [its[n] for n in both], noise), before, after, both)
        sound = sum(run.duration for run in after.runs if run.recording in both)
        was, now = (f"{times(sound / sum(seconds[n] for n in both))} times real time" for seconds in (mine, its))
        lines.append(Line(after.name, "speed", was, now, found, _factor(found, noise)))
    mine, its = _firsts(before.done), _firsts(after.done)
    both = [name for name in mine if name in its and name in common]
    if both:
        found = _borne_out(standing.slower([mine[n] for n in both], [its[n] for n in both], noise), before, after, both)
        was, now = (took(sum(seconds[n] for n in both) / len(both)) for seconds in (mine, its))
        lines.append(Line(after.name, "first words after", was, now, found, _factor(found, noise)))
    for what, least, most in (
        ("memory", before.memory, after.memory),
        ("GPU memory", before.device_memory, after.device_memory),
    ):
        if least and most:
            factor = most / least
            verdict: Verdict = "worse" if factor > MEMORY else "better" if factor < 1 / MEMORY else "same"
            told = f"{factor:.2f} times; up to {MEMORY:g} is the same"
            lines.append(
                Line(after.name, what, size(least), size(most), Judged(verdict, factor, None, len(both)), told)
            )
    return lines


def _borne_out(found: Judged, before: System, after: System, both: Sequence[str]) -> Judged:
    """Where other programs were at work, wall time alone shows nothing: its verdict holds if processor time has it too.

    A model that waits for half of the processors takes twice the time, and the same processor time.
    """
    if not (before.disturbed or after.disturbed) or found.verdict not in ("worse", "better"):
        return found
    was, now = (sum(run.cpu or 0.0 for run in s.runs if run.recording in both) for s in (before, after))
    most = standing.DISTURBED
    holds = bool(was and now) and (now > most * was if found.verdict == "worse" else was > most * now)
    return found if holds else replace(found, verdict="unknown")


def _factor(found: Judged, noise: float) -> str:
    if found.change is None:
        return ""
    told = f"{found.change:.2f} times the time"
    if found.interval is not None:
        told += f", 95 % interval {found.interval.low:.2f} to {found.interval.high:.2f}"
    most = noise if found.interval is not None else noise * standing.NOISE
    others = ", other programs being at work" if noise > standing.NOISE else ""
    return f"{told}; up to {most:.3g} is noise{others}"


def _firsts(runs: Sequence[Run]) -> dict[str, float]:
    return {run.recording: run.first for run in runs if run.first}


def _machines(old: Result, new: Result) -> str:
    """Where the machines differ; "" where times can be compared. What one of them does not tell counts as different."""
    for key in HARDWARE:
        mine, its = old.machine.get(key, ""), new.machine.get(key, "")
        if mine != its:
            return f"{key}: {mine or 'not told'} before, {its or 'not told'} now"
    return ""


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _named(names: Sequence[str] | set[str] | dict[str, System]) -> str:
    return _some(sorted(names)) or "none"
