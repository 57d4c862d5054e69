"""A result as a table of plain cells: a row a system, and only the columns that some system fills."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from speechcli.bench import standing
from speechcli.bench.result import Result, System
from speechcli.bench.wording import SHORT, TIMED, bare, several, size, times, took
from speechcli.scoring.rates import METRICS, Metric


@dataclass(frozen=True, slots=True)
class Column:
    """name: as short as a terminal needs. meaning: for a page. figure: whether it holds numbers."""

    name: str
    meaning: str
    figure: bool = True


@dataclass(frozen=True, slots=True)
class Cell:
    """text: "" where nothing is known. value: what it is sorted by. best: whether no other system has a better one."""

    text: str
    value: float | None = None
    best: bool = False

    @property
    def marked(self) -> str:
        """As a terminal shows it, the best with a star."""
        return f"{self.text} *" if self.best else self.text


@dataclass(frozen=True, slots=True)
class Table:
    """rows: one a system, a cell a column. notes: what the figures do not say, a line each."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]


def table(result: Result) -> Table:
    """Errors with their 95 % intervals by bootstrap over recordings, speed, memory, energy."""
    kept = [c for c in _columns(result) if not c[0].figure or any(c[1](s).text for s in result.systems)]
    cells = [_marked([cell(system) for system in result.systems], sign) for _, cell, sign in kept]
    return Table(
        columns=tuple(column for column, _, _ in kept),
        rows=tuple(zip(*cells, strict=True)),
        notes=tuple(_notes(result)),
    )


def _columns(result: Result) -> list[tuple[Column, Callable[[System], Cell], int]]:
    """Each with what fills it, and whether the greatest (1), the least (-1) or none (0) is best."""
    edges = any(standing.edges_off(s) is not None for s in result.systems)  # whose median says more than their mean
    scored = [
        m for m in METRICS if any(s.score(m) is not None for s in result.systems) and not (m == "boundary" and edges)
    ]
    rates = [(_rated(m), _rate_cell(m), -1) for m in scored]
    return [
        (Column("system", "system", figure=False), lambda s: Cell(s.name), 0),
        *rates,
        (
            Column("edges ms", "median distance of word edges from the reference's, in milliseconds"),
            lambda s: _number(standing.edges_off(s), lambda v: f"{v:.0f}"),
            -1,
        ),
        (
            Column("RTFx", "seconds of sound a second of work"),
            lambda s: _number(s.rtfx, times),
            1,
        ),
        (
            Column("an hour", "time that an hour of sound takes"),
            lambda s: _number(standing.an_hour(s), took),
            -1,
        ),
        (
            Column("first words", "median time until the first words are there"),
            lambda s: _number(standing.first_words(s), took),
            -1,
        ),
        (Column("load", "time until the model is ready"), lambda s: _number(s.load, took), -1),
        (
            Column("memory", "peak of host memory"),
            lambda s: Cell(size(s.memory), None if s.memory is None else float(s.memory)),
            -1,
        ),
        (
            Column("GPU memory", "peak of GPU memory"),
            lambda s: Cell(size(s.device_memory), None if s.device_memory is None else float(s.device_memory)),
            -1,
        ),
        (
            Column("Wh/h", "watt-hours an hour of sound"),
            lambda s: _number(standing.energy_an_hour(s), lambda joules: f"{joules / 3600:.2g}"),
            -1,
        ),
    ]


def _rated(metric: Metric) -> Column:
    unit = "ms" if metric == "boundary" else "%"
    return Column(f"{SHORT[metric]} {unit}", f"{METRICS[metric]}, {unit}")


def _rate_cell(metric: Metric) -> Callable[[System], Cell]:
    def cell(system: System) -> Cell:
        score = system.score(metric)
        if score is None or score.value is None:
            return Cell("")
        interval = standing.interval_of(system, metric)
        spread = f" ({bare(metric, interval.low)}–{bare(metric, interval.high)})" if interval is not None else ""
        return Cell(bare(metric, score.value) + spread, score.value)

    return cell


def _number(value: float | None, text: Callable[[float], str]) -> Cell:
    return Cell("") if value is None else Cell(text(value), value)


def _marked(cells: Sequence[Cell], sign: int) -> list[Cell]:
    """With the best marked, where there is something to choose."""
    values = [sign * cell.value for cell in cells if cell.value is not None]
    if not sign or len(set(values)) < 2:
        return list(cells)
    return [Cell(c.text, c.value, best=c.value is not None and sign * c.value == max(values)) for c in cells]


def _notes(result: Result) -> list[str]:
    out = []
    if not result.complete:
        out.append("the benchmark was broken off: these are its results until then")
    if any(system.rtfx is not None for system in result.systems):
        out.append(f"timed is {TIMED}")
    if (metric := standing.judged_by(result)) is not None:
        out.append(f"normalizer {result.normalizer}; intervals hold 95 % of resamples of the recordings")
        if all(standing.interval_of(system, metric) is None for system in result.systems):
            out[-1] = f"normalizer {result.normalizer}; fewer than {standing.FEWEST} recordings give no interval"
    for system in result.systems:
        if system.error:
            out.append(system.trouble)
        failed = [run for run in system.runs if run.error]
        if failed:
            out.append(f"{system.name}: no transcript of {several(len(failed), 'recording')} of {len(system.runs)}")
            out += [f"{system.name}: {run.recording}: {run.error}" for run in failed[:_SHOWN]]
        out += [f"{system.name}: {note}" for note in system.notes]
    return out + _lacking(result)


_SHOWN = 3  # errors of a system that the notes quote


def _lacking(result: Result) -> list[str]:
    """What could not be scored: each reason once, with all that it is the reason of."""
    found: dict[tuple[Metric, str], tuple[dict[str, None], dict[str, None]]] = {}
    for system in result.systems:
        for run in system.runs:
            for metric, why in run.lacking.items():
                systems, recordings = found.setdefault((metric, why), ({}, {}))
                systems[system.name] = recordings[run.recording] = None
    told: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (metric, why), (systems, recordings) in found.items():
        told.setdefault((why, tuple(systems), tuple(recordings)), []).append(SHORT[metric])
    return [
        f"{'' if len(whose) == len(result.systems) else ', '.join(whose) + ': '}no {', '.join(metrics)} of "
        f"{several(len(names), 'recording') if len(names) > 1 else names[0]}: {why}"
        for (why, whose, names), metrics in told.items()
    ]
