"""What is said when a batch is over: a table on the terminal, a JSON file for scripts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from speechcli import __version__
from speechcli.cli.progress import clock, told
from speechcli.cli.show import safe
from speechcli.core.span import Seconds
from speechcli.jobs.batch import Outcome, Talk
from speechcli.jobs.output import write_atomically


def write(path: Path, outcomes: Sequence[Outcome], exit_code: int, seconds: Seconds) -> None:
    """The summary as JSON. seconds: wall time of the run."""
    document = {
        "speechcli": __version__,
        "exit_code": exit_code,
        "seconds": round(seconds, 3),
        "media_seconds": round(sum(o.duration or 0.0 for o in outcomes if o.status == "done"), 3),
        "counts": _counts(outcomes),
        "recordings": [_entry(outcome) for outcome in outcomes],
    }
    write_atomically(path, [json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1), "\n"])


def line(outcomes: Sequence[Outcome], n_jobs: int, seconds: Seconds) -> str:
    """The batch in a line: counts and speed. n_jobs: how many outcomes there might have been."""
    numbers = {**_counts(outcomes), "left": n_jobs - len(outcomes)}
    counts = ", ".join(f"{n} {status}" for status, n in numbers.items() if n)
    media = sum(o.duration or 0.0 for o in outcomes if o.status == "done")
    speed = f"; {clock(media)} of media in {clock(seconds)}, {media / seconds:.1f}x" if media and seconds else ""
    return f"{n_jobs} recordings: {counts}{speed}"


def table(outcomes: Sequence[Outcome]) -> Any:
    """A rich table of what became of each recording."""
    from rich.table import Table
    from rich.text import Text

    out = Table(box=None, pad_edge=False)
    for name, justify in (("recording", "left"), ("length", "right"), ("result", "left"), ("", "left")):
        out.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    colours = {"done": "green", "rendered": "green", "skipped": "dim", "failed": "red"}
    for outcome in outcomes:
        length = clock(outcome.duration) if outcome.duration is not None else ""
        poor = outcome.status == "done" and outcome.verdict is not None and outcome.verdict.status != "ok"
        colour = "yellow" if poor else colours[outcome.status]
        out.add_row(Text(safe(outcome.job.name)), length, Text(outcome.status, colour), Text(_remark(outcome)))
    return out


def _remark(outcome: Outcome) -> str:
    if outcome.error is not None:
        return safe(outcome.error.message)
    if outcome.verdict is not None and outcome.verdict.status != "ok":
        return told(outcome.verdict, outcome.talk)
    return ""


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return {s: sum(o.status == s for o in outcomes) for s in ("done", "rendered", "skipped", "failed")}


def _entry(outcome: Outcome) -> dict[str, Any]:
    verdict = outcome.verdict
    return {
        "input": _text(outcome.job.name),
        "status": outcome.status,
        "exit_code": outcome.code,
        "error": None if outcome.error is None else _text(str(outcome.error)),
        "duration": outcome.duration,
        "outputs": [_text(str(path)) for path in outcome.paths],
        "left_out": dict(outcome.left_out or {}),
        **({} if outcome.talk is None else {"speakers": _talk(outcome.talk)}),
        "verdict": None
        if verdict is None
        else {
            "status": verdict.status,
            "coverage": verdict.coverage,
            "speech_seconds": verdict.speech,
            "gaps": [[gap.start, gap.end] for gap in verdict.gaps],
            "loops": verdict.loops,
            "guessed_words": verdict.guessed,
            "complete": verdict.complete,
            "notes": [_text(note) for note in verdict.notes],
            **({} if verdict.fit is None else {"placed": verdict.fit.placed, "confidence": verdict.fit.confidence}),
        },
    }


def _talk(talk: Talk) -> dict[str, float]:
    """Seconds that each speaks."""
    return {_text(speaker): round(seconds, 3) for speaker, seconds in talk.speakers.items()}


def _text(text: str) -> str:
    """A name as valid UTF-8: bytes that are none become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
