"""How systems stand beside one another: what each scored, how sure that is, and whether two can be told apart.

Two systems, or two days, are compared on the recordings that both have, recording by recording (paired): a hard
recording is hard for both, and its difficulty falls out of the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Final, Literal, TypeAlias

from speechcli.bench.result import Result, Run, System
from speechcli.scoring import intervals
from speechcli.scoring.intervals import Interval
from speechcli.scoring.rates import METRICS, Metric, Rate, pooled

Verdict: TypeAlias = Literal["better", "same", "worse", "unknown"]

# Three recordings that all say the same give an interval beside zero; so do two, every other time by mere chance.
FEWEST: Final = 3
# Below this many the interval is told as what it is, of few recordings: six that all say the same are the first whose
# agreement by chance is rarer than one in twenty (sign test, 2 / 2**6).
FEW: Final = 6
# Wall time of the same work on the same machine differs from run to run, in all recordings alike, which no bootstrap
# over recordings sees: on a shared machine by 20 % at worst. What is told is beyond that with its whole interval.
NOISE: Final = 1.2
# Where both runs are at their worst, or other programs share the machine: seen there are 0.72 and 1.15, one after the
# other, against the same earlier run.
DISTURBED: Final = NOISE**2


# Table, advice and pictures ask for the same ones, and of 500 recordings each takes a tenth of a second.
_interval = lru_cache(maxsize=64)(intervals.interval)
_difference = lru_cache(maxsize=256)(intervals.difference)
_ratio = lru_cache(maxsize=256)(intervals.ratio)


@dataclass(frozen=True, slots=True)
class Judged:
    """a against b. change: of the rate (a minus b), or the factor between two amounts; interval: of it, or None."""

    verdict: Verdict
    change: float | None
    interval: Interval | None
    recordings: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A system by the one metric that it is judged by.

    recordings: how many were scored. failed: how many gave no transcript.
    """

    system: System
    rate: float | None
    interval: Interval | None
    rtfx: float | None
    recordings: int
    failed: int

    @property
    def name(self) -> str:
        return self.system.name


def judged_by(result: Result) -> Metric | None:
    """The metric that decides: the first of METRICS that any system has; None where nothing is scored."""
    scored = {
        metric for system in result.systems for run in system.runs for metric in run.scores if _sayable(run, metric)
    }
    return next((metric for metric in METRICS if metric in scored), None)


def standings(result: Result) -> tuple[Standing, ...]:
    """All systems, in their order."""
    metric = judged_by(result)
    return tuple(_standing(system, metric) for system in result.systems)


def rates(system: System, metric: Metric) -> dict[str, Rate]:
    """By recording."""
    return {run.recording: run.scores[metric] for run in system.runs if metric in run.scores}


def interval_of(system: System, metric: Metric) -> Interval | None:
    """Of its rate, by bootstrap over recordings; None below FEWEST."""
    found = list(rates(system, metric).values())
    return _interval(tuple(found)) if len(found) >= FEWEST else None


def against(a: System, b: System, metric: Metric) -> Judged:
    """Whether `a` errs less than `b` on the recordings that both have."""
    mine, its = rates(a, metric), rates(b, metric)
    common = [name for name in mine if name in its]
    return judged([its[name] for name in common], [mine[name] for name in common])


def judged(old: Sequence[Rate], new: Sequence[Rate]) -> Judged:
    """Whether the new rates are lower; the same recordings in the same order. The whole interval decides."""
    before, after = pooled(old).value, pooled(new).value
    if before is None or after is None:
        return Judged("unknown", None, None, len(old))
    if all(a.errors == b.errors for a, b in zip(old, new, strict=True)):
        return Judged("same", after - before, None, len(old))
    if len(old) < FEWEST:
        return Judged("unknown", after - before, None, len(old))
    found = _difference(tuple(old), tuple(new))
    if found is None:
        return Judged("unknown", after - before, None, len(old))
    verdict: Verdict = "worse" if found.low > 0 else "better" if found.high < 0 else "same"
    return Judged(verdict, after - before, found, len(old))


def noise(a: System, b: System) -> float:
    """By what factor two runs of the same work may differ: more, where other programs were at work meanwhile."""
    return DISTURBED if a.disturbed or b.disturbed else NOISE


def slower(old: Sequence[float], new: Sequence[float], noise: float = NOISE) -> Judged:
    """Whether the new amounts (seconds) are larger by more than noise; the same recordings in the same order."""
    if not old or not sum(old) or not sum(new):
        return Judged("unknown", None, None, len(old))
    factor = sum(new) / sum(old)
    found = _ratio(tuple(old), tuple(new)) if len(old) >= FEWEST else None
    if found is None:  # both runs at their worst, one this way and one that
        most = noise * NOISE
        told: Verdict = "worse" if factor > most else "better" if factor < 1 / most else "unknown"
        return Judged(told, factor, None, len(old))
    verdict: Verdict = "worse" if found.low > noise else "better" if found.high < 1 / noise else "same"
    return Judged(verdict, factor, found, len(old))


def timed(system: System) -> dict[str, float]:
    """Wall seconds by recording."""
    return {run.recording: run.seconds for run in system.done if run.seconds}


def faster(a: System, b: System) -> bool:
    """Whether `a` took less time than `b` on the recordings that both have, beyond noise where that can be told."""
    mine, its = timed(a), timed(b)
    common = [name for name in mine if name in its]
    return slower([its[name] for name in common], [mine[name] for name in common], noise(a, b)).verdict == "better"


def first_words(system: System) -> float | None:
    """The median of the times until first words were there."""
    found = [run.first for run in system.done if run.first is not None]
    return median(found) if found else None


def edges_off(system: System) -> float | None:
    """The median distance of word edges from the reference's, either way, in milliseconds."""
    found = [abs(distance) for run in system.runs for distance in run.distances]
    return median(found) if found else None


def an_hour(system: System) -> float | None:
    """Seconds of work that an hour of sound takes."""
    return 3600 / rtfx if (rtfx := system.rtfx) else None


def energy_an_hour(system: System) -> float | None:
    """Joules an hour of sound, of all that was run."""
    sound = sum(run.duration for run in system.done)
    return system.energy / sound * 3600 if system.energy is not None and sound else None


def unbeaten(found: Sequence[Standing]) -> tuple[Standing, ...]:
    """Those that no other is both more accurate and faster than, by their figures, from fast to slow."""
    whole = [s for s in found if s.rate is not None and s.rtfx is not None]
    left = [s for s in whole if not any(_beats(other, s) for other in whole)]
    return tuple(sorted(left, key=lambda s: -(s.rtfx or 0.0)))


def _beats(a: Standing, b: Standing) -> bool:
    mine, its = (-(a.rate or 0.0), a.rtfx or 0.0), (-(b.rate or 0.0), b.rtfx or 0.0)
    return mine != its and mine[0] >= its[0] and mine[1] >= its[1]


def _standing(system: System, metric: Metric | None) -> Standing:
    score = system.score(metric) if metric is not None else None
    return Standing(
        system=system,
        rate=score.value if score is not None else None,
        interval=interval_of(system, metric) if metric is not None else None,
        rtfx=system.rtfx,
        recordings=sum(metric in run.scores for run in system.runs) if metric is not None else 0,
        failed=sum(bool(run.error) for run in system.runs),
    )


def _sayable(run: Run, metric: Metric) -> bool:
    return run.scores[metric].length > 0
