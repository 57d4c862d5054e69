"""A result as a table of figures for spreadsheets and scripts: RFC 4180, a row for each recording of each system.

After the recordings of a system its totals follow: "all" in the column `scope`, where theirs is "recording"; only they
have intervals, memory, load and energy. Figures are plain numbers, with their unit in the name of the column; what is
not known is empty. A name or note that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV
injection), and control characters are left out.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Final

from speechcli.bench import standing
from speechcli.bench.result import Result, Run, System
from speechcli.scoring.rates import METRICS, Metric, Rate
from speechcli.timeline.text import clean

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_UNITS: Final[dict[Metric, str]] = {
    "wer": "words",
    "cer": "characters",
    "cpwer": "words",
    "tcpwer": "words",
    "der": "s",
    "boundary": "edges",
}
_FIGURES: Final = (
    "duration_s",
    "wall_s",
    "cpu_s",
    "rtfx",
    "first_result_s",
    "load_s",
    "warm_up_s",
    "memory_bytes",
    "gpu_memory_bytes",
    "energy_j",
)


def rows(result: Result) -> Iterator[str]:
    """A line each, the names of the columns first. The metrics are those asked for, and what was scored besides."""
    metrics = [m for m in METRICS if m in result.metrics or any(s.score(m) for s in result.systems)]
    columns = ["system", "scope", "recording", *_FIGURES, *(c for m in metrics for c in _columns(m)), "error", "notes"]
    yield _line(dict(zip(columns, columns, strict=True)), columns)
    for system in result.systems:
        for run in system.runs:
            yield _line(_run(system, run, metrics), columns)
        yield _line(_total(system, metrics), columns)


def _run(system: System, run: Run, metrics: list[Metric]) -> dict[str, object]:
    row: dict[str, object] = {
        "system": _text(system.name),
        "scope": "recording",
        "recording": _text(run.recording),
        "duration_s": run.duration,
        "wall_s": run.seconds,
        "cpu_s": run.cpu,
        "rtfx": run.duration / run.seconds if run.seconds and not run.error else None,
        "first_result_s": run.first,
        "error": _text(run.error),
        "notes": _text("; ".join(f"{metric}: {why}" for metric, why in run.lacking.items())),
    }
    for metric in metrics:
        if (rate := run.scores.get(metric)) is not None:
            row |= _figures(metric, rate)
    return row


def _total(system: System, metrics: list[Metric]) -> dict[str, object]:
    row: dict[str, object] = {
        "system": _text(system.name),
        "scope": "all",
        "duration_s": sum(run.duration for run in system.done),
        "wall_s": _sum([run.seconds for run in system.done]),
        "cpu_s": _sum([run.cpu for run in system.done]),
        "rtfx": system.rtfx,
        "first_result_s": standing.first_words(system),
        "load_s": system.load,
        "warm_up_s": system.warm_up,
        "memory_bytes": system.memory,
        "gpu_memory_bytes": system.device_memory,
        "energy_j": system.energy,
        "error": _text(system.error),
        "notes": _text("; ".join(system.notes)),
    }
    for metric in metrics:
        if (rate := system.score(metric)) is not None:
            row |= _figures(metric, rate)
            if (interval := standing.interval_of(system, metric)) is not None:
                name, factor = _name(metric)
                row |= {f"{name}_low": interval.low * factor, f"{name}_high": interval.high * factor}
    return row


def _columns(metric: Metric) -> tuple[str, ...]:
    name, _ = _name(metric)
    kinds = () if metric == "boundary" else tuple(f"{metric}_{kind}_{_UNITS[metric]}" for kind in _KINDS[metric])
    return (name, f"{name}_low", f"{name}_high", *kinds, f"{metric}_of_{_UNITS[metric]}")


_KINDS: Final[dict[Metric, tuple[str, ...]]] = {
    "wer": ("substituted", "deleted", "inserted"),
    "cer": ("substituted", "deleted", "inserted"),
    "cpwer": ("errors",),
    "tcpwer": ("errors",),
    "der": ("errors",),
    "boundary": (),
}


def _figures(metric: Metric, rate: Rate) -> dict[str, object]:
    name, factor = _name(metric)
    unit, parts = _UNITS[metric], dict(rate.parts)
    amounts = {
        f"{metric}_{kind}_{unit}": rate.errors if kind == "errors" else parts.get(kind) for kind in _KINDS[metric]
    }
    value = rate.value
    return {name: None if value is None else value * factor, **amounts, f"{metric}_of_{unit}": rate.length}


def _name(metric: Metric) -> tuple[str, float]:
    """Of the column of the rate, and what it is multiplied by to be in its unit."""
    return ("boundary_mean_ms", 1) if metric == "boundary" else (f"{metric}_percent", 100)


def _line(row: dict[str, object], columns: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([_cell(row.get(column)) for column in columns])
    return out.getvalue()


def _cell(value: object) -> object:
    return float(f"{value:.10g}") if isinstance(value, float) else value


def _text(text: str) -> str:
    text = clean(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _sum(amounts: list[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None
