"""What a batch looks like while it runs: a bar on a terminal, plain lines elsewhere, all on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from speechcli.cli.show import safe
from speechcli.core.span import Seconds, Span, to_ms
from speechcli.core.transcript import PLACED_FAILED, Fit, Verdict
from speechcli.formats.clock import short
from speechcli.jobs.batch import Outcome, Progress, Talk

_NAMED = 8  # speakers in a line
_HEARTBEAT: Seconds = 30.0  # between plain lines about one long recording


class Screen(Protocol):
    """Where a batch tells what happens."""

    def tell(self, event: Outcome | Progress) -> None: ...
    def say(self, line: str) -> None: ...


@contextmanager
def screen(n_jobs: int, expected: Seconds, quiet: bool, bar: bool | None) -> Iterator[Screen]:
    """The screen for a batch. expected: seconds of media, roughly. bar: None for one on a terminal only."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if quiet or bar is False or (bar is None and (not console.is_terminal or console.is_dumb_terminal)):
        yield _Lines(quiet)
        return
    with moving(console) as progress:
        yield _Bar(progress, n_jobs, expected)


class _Tally:
    """Seconds of media that are done, and how fast."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._taken_over = 0.0  # finished by an earlier run: not our speed
        self._done: dict[int, Seconds] = {}

    def take(self, event: Outcome | Progress) -> None:
        if isinstance(event, Progress):
            self._done[id(event.job)] = max(event.seconds, self._done.get(id(event.job), 0.0))
        elif event.status == "done":
            self._done[id(event.job)] = event.duration or 0.0

    @property
    def seconds(self) -> Seconds:
        return sum(self._done.values())

    @property
    def speed(self) -> float:
        """Times real time."""
        return self.seconds / max(time.monotonic() - self._began, 1e-3)


class _Lines:
    """One line a recording, and now and then one about a long one."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._tally = _Tally()
        self._last = time.monotonic()

    def tell(self, event: Outcome | Progress) -> None:
        self._tally.take(event)
        if isinstance(event, Outcome):
            for line in lines_of(event, self._quiet):
                self.say(line)
        elif not self._quiet and time.monotonic() - self._last > _HEARTBEAT:
            self._last = time.monotonic()
            self.say(f"{safe(event.job.name)}: {clock(event.seconds)} done, {self._tally.speed:.1f}x")

    def say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201


class _Bar:
    """One bar over the whole batch, lines about what is finished above it."""

    def __init__(self, progress: Any, n_jobs: int, expected: Seconds) -> None:
        self._progress = progress
        self._tally = _Tally()
        self._n_jobs = n_jobs
        self._n_over = 0
        self._rest = {"": expected}  # of jobs not begun, by their weight
        self._lengths: dict[int, Seconds] = {}
        self._weights: Seconds = expected
        self._task = progress.add_task("", total=max(expected, 1.0), speed="", media="", left="")

    def tell(self, event: Outcome | Progress) -> None:
        self._tally.take(event)
        job = event.job
        if isinstance(event, Progress) and id(job) not in self._lengths:
            self._lengths[id(job)] = event.duration or job.weight
            self._weights -= job.weight
        if isinstance(event, Outcome):
            self._n_over += 1
            if event.duration is not None and id(job) in self._lengths:
                self._lengths[id(job)] = event.duration
            for line in lines_of(event, quiet=False):
                self.say(line)
        total = sum(self._lengths.values()) + max(self._weights, 0.0)
        name = safe(job.name) if self._n_jobs == 1 else f"{self._n_over}/{self._n_jobs} {safe(job.name)}"
        self._progress.update(
            self._task,
            description=name[-40:],
            completed=min(self._tally.seconds, total),
            total=max(total, 1.0),
            media=f"{clock(self._tally.seconds)}/{clock(total)}",
            speed=f"{self._tally.speed:.0f}x",
            left=f"{clock(max(0.0, total - self._tally.seconds) / self._tally.speed)} left"
            if self._tally.seconds
            else "",
        )

    def say(self, line: str) -> None:
        from rich.text import Text

        self._progress.console.print(Text(line), soft_wrap=True)


def moving(console: Any) -> Any:
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[media]}", markup=False),
        TextColumn("{task.fields[speed]}", markup=False),
        TextColumn("{task.fields[left]}", markup=False),  # rich's own guesses from the last few seconds
        console=console,
        transient=True,
    )


def lines_of(outcome: Outcome, quiet: bool) -> Iterator[str]:
    """What is to be said about a finished recording."""
    name = safe(outcome.job.name)
    if outcome.error is not None:
        word = "skipped" if outcome.status == "skipped" else "error"
        if word == "error" or not quiet:
            yield f"{word}: {_about(str(outcome.error), outcome.job.name)}"
        return
    if outcome.status == "skipped":
        remark = ", below its floor" if outcome.code else ", with a warning" if outcome.warned else ""
        if remark or not quiet:
            yield f"{name}: already done{remark}"
        return
    if quiet:
        if outcome.verdict is not None and outcome.verdict.status != "ok":
            yield f"warning: {name}: {told(outcome.verdict, outcome.talk)}"
        return
    written = ", ".join(safe(str(path)) for path in outcome.paths)
    length = f" ({clock(outcome.duration)})" if outcome.duration is not None else ""
    yield f"{name}{length} -> {written}" if written else f"{name}{length}"
    if outcome.verdict is not None:
        mark = {"ok": "", "warning": "warning: ", "failed": "failed: "}[outcome.verdict.status]
        yield f"  {mark}{told(outcome.verdict, outcome.talk)}"
    if outcome.left_out:
        yield "  left out: " + "; ".join(outcome.left_out.values())
    for note in outcome.notes:
        yield f"  {safe(note)}"


def told(verdict: Verdict, talk: Talk | None = None) -> str:
    """A verdict in one line."""
    parts = [] if talk is None else [_talk(talk)]
    if talk is not None and verdict.coverage is None:
        return "; ".join([*parts, *map(safe, verdict.notes)])
    return "; ".join([*parts, ", ".join(_parts(verdict)), *map(safe, verdict.notes)])


def _talk(talk: Talk) -> str:
    """3 speakers (Anna 1:02, SPEAKER_01 0:40, SPEAKER_02 0:08), 4% of it at once."""
    if not talk.speakers:
        return "nobody speaks"
    most = sorted(talk.speakers, key=lambda s: -talk.speakers[s])[:_NAMED]
    shown = ", ".join(f"{safe(s)} {clock(seconds)}" for s, seconds in talk.speakers.items() if s in most)
    share = round(100 * talk.together / talk.whole)
    together = f", {share}% of it at once" if share else ""
    more = ", ..." if len(talk.speakers) > _NAMED else ""
    return f"{_count(len(talk.speakers), 'speaker')} ({shown}{more}){together}"


def _parts(verdict: Verdict) -> list[str]:
    if verdict.fit is not None:
        parts = _fit(verdict.fit, verdict.speech)
    elif verdict.coverage is None:
        parts = ["no speech heard"] if verdict.speech == 0 else ["coverage unknown"]
    else:
        parts = [f"coverage {verdict.coverage:.0%} of {clock(verdict.speech or 0.0)} of speech"]
    if verdict.gaps and verdict.fit is None:
        parts.append(f"{_count(len(verdict.gaps), 'gap')} without text ({_stretches(verdict.gaps)})")
    if verdict.loops:
        parts.append(f"{_count(verdict.loops, 'loop')} cut")
    if verdict.dropped:
        parts.append(f"{_count(len(verdict.dropped), 'invented stretch', 'es')} taken out")
    if verdict.guessed and verdict.fit is None:
        parts.append(f"{_count(verdict.guessed, 'word')} timed by guess")
    return parts


def clock(seconds: Seconds) -> str:
    """1:02:03, or 2:03 below an hour.

    >>> clock(3723.4), clock(59.6)
    ('1:02:03', '1:00')
    """
    return short(to_ms(seconds))


def _fit(fit: Fit, speech: Seconds | None) -> list[str]:
    if speech == 0:
        return ["no speech heard: no word of the text was placed"]
    parts = [f"{fit.placed:.0%} of the words placed"]
    if fit.confidence is not None:
        parts[0] += f", median confidence {fit.confidence:.2f}"
    if fit.placed < PLACED_FAILED:
        parts.append("is it the right text?")
    for kind, what in (("unspoken", "that nobody says"), ("unwritten", "that the text lacks")):
        there = [m for m in fit.mismatches if m.kind == kind]
        n_words = sum(len(m.text.split()) for m in there)
        if there:
            parts.append(f"{_count(n_words, 'word')} {what} ({_stretches(there)})")
    return parts


def _stretches(spans: Sequence[Span]) -> str:
    """The longest three, in order."""
    shown = sorted(sorted(spans, key=lambda s: -s.duration)[:3], key=lambda s: s.start)
    return ", ".join(map(_stretch, shown)) + (", ..." if len(spans) > 3 else "")


def _stretch(span: Span) -> str:
    return f"{clock(span.start)}-{clock(span.end)}"


def _count(n: int, noun: str, plural: str = "s") -> str:
    return f"{n} {noun}{plural if n != 1 else ''}"


def _about(message: str, name: str) -> str:
    """The message under the recording's whole name, which is said once."""
    base = Path(name).name
    own = message.removeprefix(name if message.startswith(name) else base)
    return safe(f"{name}{own}" if own != message else f"{name}: {message}")
