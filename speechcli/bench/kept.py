"""A benchmark's result as JSON, to be read again on another day: all that was counted, so that sums can be made anew.

`result.schema.json` beside this file describes it. What can be made of the counts (rates, totals, speed) is written
too, for scripts, and not read again. Unknown keys are passed over: they may be added within version 1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final, TypeVar

from speechcli.bench.result import Result, Run, System
from speechcli.errors import DataError
from speechcli.formats.opened import bytes_of, decoded
from speechcli.scoring.rates import METRICS, Metric, Rate

SCHEMA: Final = "speechcli-bench/1"
_FAMILY: Final = "speechcli-bench/"
_NORMALIZERS: Final = ("english", "basic", "none")
_MOST: Final = 1e18  # of anything; sums of more would be no numbers
_HALF = re.compile("[\ud800-\udfff]")
_T = TypeVar("_T")


def document(result: Result) -> Iterator[str]:
    """One run a line. Half a surrogate pair, as in a file name that is no UTF-8, becomes U+FFFD.

    Raises ValueError for a number that JSON has not (nan, infinity).
    """
    yield f'{{\n"schema": {_encoded(SCHEMA)},\n"made": {_encoded(result.made)},\n'
    yield f'"complete": {_encoded(result.complete)},\n"machine": {_encoded(dict(result.machine))},\n'
    yield f'"metrics": {_encoded(list(result.metrics))},\n"normalizer": {_encoded(result.normalizer)},\n'
    yield f'"collar_seconds": {_encoded(result.collar)},\n"tcp_collar_seconds": {_encoded(result.tcp_collar)},\n'
    yield '"systems": ['
    for place, system in enumerate(result.systems):
        yield ",\n" if place else "\n"
        yield _encoded(_system(system)).removesuffix("}") + ', "runs": ['
        for n, run in enumerate(system.runs):
            yield (",\n" if n else "\n") + _encoded(_run(run))
        yield "\n]}" if system.runs else "]}"
    yield "\n]\n}\n" if result.systems else "]\n}\n"


def read(path: str | Path) -> Result:
    """The result in a file that `document` wrote. Raises NoInputError and its like, and DataError for another file."""
    path = Path(path)
    text, _ = decoded(bytes_of(path), path.name)
    return parsed(text, path.name)


def parsed(text: str, source: str) -> Result:
    """The result in a text; source: the file's name. Raises DataError."""
    try:
        data = json.loads(text, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{source}, line {error.lineno}: no JSON ({error.msg})", "was it cut short? run the benchmark again"
        ) from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"{source} is no result of a benchmark: {str(error)[:100]}") from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if isinstance(schema, str) and schema.startswith(_FAMILY) and schema != SCHEMA:
        raise DataError(
            f"{source} is of another speechcli ({schema[:40]}, this one reads {SCHEMA})",
            "use the same speechcli for both",
        )
    if schema != SCHEMA:
        what = "a transcript, " if isinstance(schema, str) and schema.startswith("speechcli/") else ""
        raise DataError(f"{source} is {what}no result of a benchmark", "speechcli bench --json FILE writes one")
    try:
        return _result_of(data)
    except KeyError as error:
        raise DataError(f"{source} is not the result it seems to be: no {error}") from error
    except (TypeError, ValueError) as error:
        raise DataError(f"{source} is not the result it seems to be: {str(error)[:200]}") from error


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of what `document` writes."""
    loaded: dict[str, Any] = json.loads(resources.files("speechcli.bench").joinpath("result.schema.json").read_text())
    return loaded


def _encoded(value: object) -> str:
    return _HALF.sub("\ufffd", json.dumps(value, ensure_ascii=False, allow_nan=False))


def _system(system: System) -> dict[str, Any]:
    scores = {metric: rate for metric in METRICS if (rate := system.score(metric)) is not None}
    return {
        "name": system.name,
        "model": system.model,
        "revision": system.revision,
        "settings": dict(system.settings),
        "device": system.device,
        "load_seconds": system.load,
        "warm_up_seconds": system.warm_up,
        "memory_bytes": system.memory,
        "device_memory_bytes": system.device_memory,
        "energy_joules": system.energy,
        "error": system.error,
        "notes": list(system.notes),
        "rtfx": system.rtfx,
        "scores": {metric: _rate(rate) for metric, rate in scores.items()},
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "recording": run.recording,
        "duration": run.duration,
        "seconds": run.seconds,
        "cpu_seconds": run.cpu,
        "first_seconds": run.first,
        "scores": {metric: _rate(rate) for metric, rate in run.scores.items()},
        "lacking": dict(run.lacking),
        "error": run.error,
        "text": run.text,
        "reference": run.reference,
        "distances_ms": list(run.distances),
    }


def _rate(rate: Rate) -> dict[str, Any]:
    return {"parts": dict(rate.parts), "length": rate.length, "rate": rate.value}


def _result_of(data: Mapping[str, Any]) -> Result:
    systems = tuple(_system_of(row) for row in _list(data["systems"]))
    _once([system.name for system in systems], "system")
    return Result(
        systems=systems,
        metrics=tuple(_metric(name) for name in _list(data["metrics"])),
        normalizer=_one_of(data["normalizer"], _NORMALIZERS),
        collar=_amount(data["collar_seconds"]),
        tcp_collar=_amount(data["tcp_collar_seconds"]),
        made=_text(data["made"]),
        machine={key: _text(value) for key, value in _object(data["machine"]).items()},
        complete=_flag(data["complete"]),
    )


def _system_of(row: Any) -> System:
    row = _object(row)
    runs = tuple(_run_of(run) for run in _list(row["runs"]))
    _once([run.recording for run in runs], "recording")
    return System(
        name=_text(row["name"]),
        runs=runs,
        model=_text(row["model"]),
        revision=_text(row["revision"]),
        settings=tuple((key, _text(value)) for key, value in _object(row["settings"]).items()),
        device=_text(row["device"]),
        load=_or_none(_amount, row["load_seconds"]),
        warm_up=_or_none(_amount, row["warm_up_seconds"]),
        memory=_or_none(_count, row["memory_bytes"]),
        device_memory=_or_none(_count, row["device_memory_bytes"]),
        energy=_or_none(_amount, row["energy_joules"]),
        error=_text(row["error"]),
        notes=tuple(map(_text, _list(row["notes"]))),
    )


def _run_of(row: Any) -> Run:
    row = _object(row)
    return Run(
        recording=_text(row["recording"]),
        duration=_amount(row["duration"]),
        seconds=_or_none(_amount, row["seconds"]),
        cpu=_or_none(_amount, row["cpu_seconds"]),
        first=_or_none(_amount, row["first_seconds"]),
        scores={_metric(name): _rate_of(rate) for name, rate in _object(row["scores"]).items()},
        text=_text(row["text"]),
        reference=_text(row["reference"]),
        error=_text(row["error"]),
        lacking={_metric(name): _text(why) for name, why in _object(row["lacking"]).items()},
        distances=tuple(_whole(distance) for distance in _list(row["distances_ms"])),
    )


def _rate_of(row: Any) -> Rate:
    row = _object(row)
    parts = tuple((kind, _amount(amount)) for kind, amount in _object(row["parts"]).items())
    return Rate(parts, _amount(row["length"]))


# What stands in a file is what it should be, or the line says what it is.


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"no object: {_short(value)}")
    return value


def _list(value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise TypeError(f"no list: {_short(value)}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"no text: {_short(value)}")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"neither true nor false: {_short(value)}")
    return value


def _amount(value: Any) -> float:
    """A number from 0 up; whole ones stay whole."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
        raise TypeError(f"no amount: {_short(value)}")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"no whole number: {_short(value)}")
    return value


def _count(value: Any) -> int:
    if _whole(value) < 0:
        raise ValueError(f"no count: {value}")
    return _whole(value)


def _metric(name: Any) -> Metric:
    for metric in METRICS:
        if metric == name:
            return metric
    raise ValueError(f"an unknown metric {_short(name)}")


def _one_of(value: Any, words: Sequence[str]) -> str:
    if value not in words:
        raise ValueError(f"{_short(value)} is none of {', '.join(words)}")
    return _text(value)


def _or_none(check: Callable[[Any], _T], value: Any) -> _T | None:
    return None if value is None else check(value)


def _once(names: Sequence[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"two times the {what} {_short(name)}")
        seen.add(name)


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _short(value: Any) -> str:
    return repr(value)[:60]
