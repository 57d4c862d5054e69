"""Which system to use, in words that the intervals bear out.

A system is called better where the whole interval of the paired difference says so; where it does not, that is said,
and of systems that cannot be told apart the fastest is advised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from speechcli.bench import standing
from speechcli.bench.result import Result, System
from speechcli.bench.standing import FEW, FEWEST, Standing
from speechcli.bench.wording import figure, several, size, times, took, wrong
from speechcli.scoring.rates import Metric, pooled


@dataclass(frozen=True, slots=True)
class Advice:
    """picks: names of the systems to use, together where they cannot be told apart; () where none is known. headline:
    one sentence. reasons: why, and what else there is to know for a choice. cautions: what the figures do not show.
    """

    picks: tuple[str, ...]
    headline: str
    reasons: tuple[str, ...]
    cautions: tuple[str, ...]


def advice(result: Result) -> Advice:
    """Which of the systems to use."""
    metric = standing.judged_by(result)
    there = [s for s in standing.standings(result) if s.system.done]
    cautions = tuple(_cautions(result, metric))
    if not there:
        return Advice((), "Nothing was measured: no system gave a transcript.", (), cautions)
    scored = [s for s in there if s.rate is not None] if metric is not None else []
    if metric is None or not scored:
        return replace(_by_speed(there), cautions=cautions)
    if len(there) == 1:
        only = there[0]
        return Advice(
            (only.name,),
            f"{only.name}: {wrong(metric, only.rate or 0.0)}{_spread(metric, only)}.",
            (*_costs(only), "Name more models with --model to choose among them."),
            cautions,
        )
    return replace(_by_both(metric, scored, there), cautions=cautions)


def _by_speed(there: Sequence[Standing]) -> Advice:
    timed = sorted((s for s in there if s.rtfx), key=lambda s: -(s.rtfx or 0.0))
    unknown = "Without references nobody knows how accurate they are: --references DIR says where they lie."
    if not timed:
        return Advice((), "Neither accuracy nor speed is known: nothing to choose by.", (unknown,), ())
    if len(timed) == 1:
        return Advice(
            (timed[0].name,),
            f"{timed[0].name} works {times(timed[0].rtfx)} times as fast as real time.",
            (*_costs(timed[0]), unknown),
            (),
        )
    first, second = timed[:2]
    surely = standing.faster(first.system, second.system)
    headline = f"{first.name} is the fastest" + ("." if surely else ", as far as can be told.")
    told = "" if surely else f"Its lead over {second.name} is within what runs of the same work differ by."
    return Advice((first.name,), headline, (*filter(None, [told]), *_costs(timed[0]), unknown), ())


def _by_both(metric: Metric, scored: Sequence[Standing], there: Sequence[Standing]) -> Advice:
    """The most accurate, or of those that cannot be told from it the fastest."""
    run = [s for s in scored if s.rtfx] or list(scored)  # what was made elsewhere cannot be run here
    ranked = _ranked(metric, [s for s in run if not s.failed] or run)
    best = ranked[0]
    judged = {s.name: standing.against(s.system, best.system, metric) for s in ranked[1:]}
    alike = [best, *(s for s in ranked[1:] if judged[s.name].verdict in ("same", "better"))]
    pick = max(alike, key=lambda s: (s.rtfx or 0.0, -alike.index(s)))
    if pick is not best and not _surely_faster(pick, best):
        pick = best  # neither more accurate nor surely faster
    reasons = [*_why(metric, pick, best, alike, ranked, judged), *_costs(pick)]
    reasons += _faster_one(metric, pick, run)
    reasons += _elsewhere(metric, pick, [s for s in scored if s not in run])
    reasons += _beaten(metric, run, pick)
    reasons += [f"How accurate {s.name} is was not scored." for s in there if s.rate is None]
    picks = tuple(s.name for s in alike if s is pick or not _surely_faster(pick, s))
    told = "." if len(picks) == 1 else ": what was measured does not tell them apart."
    return Advice(picks, f"Use {_named(picks, 'or')}{told}", tuple(reasons), ())


def _surely_faster(a: Standing, b: Standing) -> bool:
    return bool(a.rtfx and b.rtfx) and standing.faster(a.system, b.system)


def _why(
    metric: Metric,
    pick: Standing,
    best: Standing,
    alike: Sequence[Standing],
    ranked: Sequence[Standing],
    judged: dict[str, standing.Judged],
) -> list[str]:
    score = f"{wrong(metric, pick.rate or 0.0)}{_spread(metric, pick)}"
    others = [s for s in alike if s is not pick]
    if pick is not best:
        names = _named([s.name for s in others])
        return [
            f"{pick.name} gets {score}. On these {several(judged[pick.name].recordings, 'recording')} no difference in "
            f"accuracy can be told between it and {names} ({_rates(metric, others)}), and it is the faster one: "
            f"{times(pick.rtfx)} times real time, {best.name} {times(best.rtfx)} times."
        ]
    if len(ranked) == 1:
        return [f"{pick.name} gets {score}; no other system did all recordings."]
    second = ranked[1]
    verdict = judged[second.name].verdict
    if verdict == "worse":
        return [
            f"{pick.name} is the most accurate: {score}. The next, {second.name}, has {figure(metric, second.rate)}, "
            f"and that difference is more than chance on {several(judged[second.name].recordings, 'recording')}."
        ]
    if verdict == "unknown":
        few = several(judged[second.name].recordings, "recording")
        return [
            f"{pick.name} errs least on what was measured: {score}, {second.name} {figure(metric, second.rate)}. "
            f"Whether that holds for other recordings {few} cannot tell."
        ]
    if all(_surely_faster(pick, s) for s in others):
        speed = (
            f"and it is the faster one: {times(pick.rtfx)} times real time, {second.name} {times(second.rtfx)} times."
        )
    else:
        speed = "and none is surely faster."
    on = several(judged[second.name].recordings, "recording")
    return [
        f"{pick.name} gets {score}. On {on} no difference in accuracy can be told between it and "
        f"{_named([s.name for s in others])} ({_rates(metric, others)}), {speed}"
    ]


def _faster_one(metric: Metric, pick: Standing, scored: Sequence[Standing]) -> list[str]:
    """The fastest of those that err more, for who is in a hurry."""
    quick = [s for s in scored if s is not pick and _surely_faster(s, pick)]
    if not quick:
        return []
    fastest = max(quick, key=lambda s: s.rtfx or 0.0)
    factor = (fastest.rtfx or 0.0) / (pick.rtfx or 1.0)
    rate = wrong(metric, fastest.rate or 0.0)
    hour = took(standing.an_hour(fastest.system) or 0.0)
    return [f"If speed matters more: {fastest.name} is {times(factor)} times as fast (an hour in {hour}), with {rate}."]


def _elsewhere(metric: Metric, pick: Standing, others: Sequence[Standing]) -> list[str]:
    """How transcripts of which nobody knows what they took stand beside it."""
    out = []
    for s in others:
        judged = standing.against(s.system, pick.system, metric)
        than = {
            "better": f"is more accurate than {pick.name}",
            "worse": f"is less accurate than {pick.name}",
            "same": f"cannot be told from {pick.name} in accuracy",
            "unknown": "has too few recordings to be judged",
        }[judged.verdict]
        out.append(f"{s.name}, which was not run here, {than}: {wrong(metric, s.rate or 0.0)}.")
    return out


def _costs(pick: Standing) -> list[str]:
    """How long an hour takes, and how much memory."""
    if (seconds := standing.an_hour(pick.system)) is None:
        return []
    memory = pick.system.memory
    peak = f", and up to {size(memory)} of memory" if memory is not None else ""
    return [f"An hour of sound takes {pick.name} {took(seconds)} on this machine{peak}."]


def _beaten(metric: Metric, scored: Sequence[Standing], pick: Standing) -> list[str]:
    """Systems that another one is better and faster than, surely both."""
    out = []
    for s in scored:
        better = [
            other
            for other in (pick, *scored)
            if (other.rate or 0.0) < (s.rate or 0.0)
            and (other.rtfx or 0.0) > (s.rtfx or 0.0)
            and standing.against(other.system, s.system, metric).verdict == "better"
            and standing.faster(other.system, s.system)
        ]
        if better:
            out.append(f"Nobody needs {s.name} here: {better[0].name} is both more accurate and faster.")
    return out


def _ranked(metric: Metric, systems: Sequence[Standing]) -> list[Standing]:
    """By errors on the recordings that all of them have; where there is none, each on its own."""
    found = [standing.rates(s.system, metric) for s in systems]
    common = [name for name in found[0] if all(name in rates for rates in found)]

    def rate(s: Standing) -> float:
        own = standing.rates(s.system, metric)
        value = pooled(own[name] for name in common).value if common else None
        return (s.rate or 0.0) if value is None else value

    return sorted(systems, key=lambda s: (rate(s), -(s.rtfx or 0.0)))


def _cautions(result: Result, metric: Metric | None) -> list[str]:
    out = []
    recordings = {run.recording for system in result.systems for run in system.runs}
    if not result.complete:
        out.append("The benchmark was broken off before its end.")
    out += [s.trouble for s in result.systems if s.error]
    for system in result.systems:
        failed = sum(bool(run.error) for run in system.runs)
        if failed:
            out.append(f"{system.name} gave no transcript of {failed} of {several(len(system.runs), 'recording')}.")
    most = max((s.recordings for s in standing.standings(result)), default=0)
    if metric is not None and most == 1 and len(recordings) == 1:
        out.append("All of this is about one recording: others may turn out otherwise.")
    elif metric is not None and 0 < most < FEWEST:
        out.append(f"Only {several(most, 'recording')} could be scored: too few to tell chance from a difference.")
    elif metric is not None and most < FEW:
        out.append(f"Only {several(most, 'recording')} could be scored: intervals from so few are rough.")
    if metric is not None and _uneven(result.systems, metric):
        out.append("Not all systems were scored on the same recordings: differences are of those that both have.")
    return out


def _uneven(systems: Sequence[System], metric: Metric) -> bool:
    found = {frozenset(standing.rates(system, metric)) for system in systems if standing.rates(system, metric)}
    return len(found) > 1


def _spread(metric: Metric, s: Standing) -> str:
    return f" ({figure(metric, s.interval.low)} to {figure(metric, s.interval.high)})" if s.interval is not None else ""


def _rates(metric: Metric, systems: Sequence[Standing]) -> str:
    return ", ".join(figure(metric, s.rate) for s in systems)


def _named(names: Sequence[str], last: str = "and") -> str:
    """Names in a row.

    >>> _named(["a"]), _named(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"
