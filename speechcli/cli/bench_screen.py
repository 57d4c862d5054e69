"""What a benchmark looks like while it runs: a bar on a terminal, plain lines elsewhere, all on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from speechcli.bench.measure import Event, Going, Loading, Measured, Over
from speechcli.bench.wording import times, took
from speechcli.cli.progress import clock
from speechcli.cli.show import console, safe, tell

_GAP = 3  # cells between two columns


class Screen:
    """Tells events. quiet: failures alone."""

    def __init__(self, n_runs: int, quiet: bool, bar: Any = None) -> None:
        self._n_runs, self._quiet, self._bar = n_runs, quiet, bar
        self._n_over = 0
        self._task = None if bar is None else bar.add_task("", total=max(n_runs, 1), media="", speed="", left="")

    def tell(self, event: Event) -> None:
        name = safe(event.system.name)
        match event:
            case Loading(system) if system.load is None:
                self._move(f"{name}: loading")
            case Going(_, recording, done, duration):
                share = done / duration if duration else 0.0
                self._move(f"{name}: {safe(recording.name)}", min(share, 0.99))
            case Measured():
                self._n_over += 1
                self._move(f"{name}: {safe(event.recording.name)}")
                if event.error:
                    self.say(f"error: {name}: {safe(event.recording.name)}: {safe(event.error)}")
                elif not self._quiet:
                    self.say(f"{name}: {safe(event.recording.name)} ({clock(event.duration)}){_speed(event)}")
            case Over(system) if system.error:
                self.say(f"error: {name}: {safe(system.error)}")

    def _move(self, what: str, share: float = 0.0) -> None:
        if self._bar is not None:
            n = f"{self._n_over}/{self._n_runs}"
            self._bar.update(self._task, description=what[-50:], completed=self._n_over + share, media=n)

    def say(self, line: str) -> None:
        if self._bar is None:
            tell(line)
            return
        from rich.text import Text

        self._bar.console.print(Text(line), soft_wrap=True)


def _speed(event: Measured) -> str:
    if not event.seconds:
        return ""
    return f" in {took(event.seconds)}, {times(event.duration / event.seconds)}x"


@contextmanager
def screen(n_runs: int, quiet: bool, bar: bool | None) -> Iterator[Screen]:
    """bar: None for one on a terminal only."""
    from rich.console import Console

    from speechcli.cli.progress import moving

    console = Console(stderr=True, highlight=False)
    if quiet or bar is False or (bar is None and (not console.is_terminal or console.is_dumb_terminal)):
        yield Screen(n_runs, quiet)
        return
    with moving(console) as drawn:
        yield Screen(n_runs, quiet, drawn)


def parts(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[int]]:
    """Columns that a terminal has room for beside the first, table by table; all of them where there is no terminal."""
    if not sys.stdout.isatty():
        return [list(range(len(names)))]
    from rich.cells import cell_len

    wide = [max(cell_len(safe(row[i])) for row in (names, *rows)) + _GAP for i in range(len(names))]
    room = console().width - wide[0]
    out: list[list[int]] = [[0]]
    for i in range(1, len(names)):
        if len(out[-1]) > 1 and sum(wide[k] for k in out[-1][1:]) + wide[i] > room:
            out.append([0])
        out[-1].append(i)
    return out
