"""Who speaks when, on the terminal: a lane a speaker, and a clock under them.

    Anna      ▁██▇▁      ▆██  0:21  68%
    Ben           ▃█████▂     0:10  32%
              0:00      0:15

A column is as full as its time is talked; one in which others talk too is bold. Nothing is told by colour alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from speechcli.cli import show
from speechcli.core.span import Seconds, to_ms
from speechcli.core.transcript import Transcript
from speechcli.formats.clock import short
from speechcli.timeline.turns import Stretch, known, stretches, talk

if TYPE_CHECKING:
    from rich.text import Text

_BLOCKS = " ▁▂▃▄▅▆▇█"
_PLAIN = " .:-=#"
_COLOURS = ("yellow", "cyan", "green", "magenta", "red", "blue")
_NARROW = 48  # columns; below, a lane's name stands over it
_NAME = 24  # columns a name may take


def print_lanes(transcript: Transcript, stderr: bool = True) -> None:
    """The picture on the terminal; nothing where no speaker is known."""
    console = show.console(stderr)
    for line in lanes(transcript, console.width, not console.is_dumb_terminal and _has_blocks(os.environ)):
        console.print(line, no_wrap=True, overflow="crop", crop=True)


def lanes(transcript: Transcript, width: int, blocks: bool = True) -> list[Text]:
    """The lines of the picture, none wider than `width` columns. blocks: whether they may have more than ASCII."""
    from rich.text import Text

    turns = known(transcript)
    row, seconds = stretches(turns), talk(turns)
    if not seconds:
        return []
    duration = max(transcript.duration, row[-1].end)
    narrow = width < _NARROW
    told = {s: f"{short(to_ms(n)):>7} {n / sum(seconds.values()):4.0%}" for s, n in seconds.items()}
    if narrow:
        told = {s: " ".join(text.split()) for s, text in told.items()}
    rooms = {s: max(width - 1 - len(told[s]), 1) if narrow else min(width // 3, _NAME) for s in seconds}
    names = {speaker: _name(speaker, rooms[speaker], blocks) for speaker in seconds}
    wide = max(name.cell_len for name in names.values()) + 1
    columns = max(width if narrow else width - wide - 13, 1)
    out: list[Text] = []
    for (speaker, (full, shared)), colour in zip(
        _columns(row, seconds, duration, columns).items(), _COLOURS * (len(seconds) // len(_COLOURS) + 1), strict=False
    ):
        bar = Text()
        for share, both in zip(full, shared, strict=True):
            bar.append(_cell(share, _BLOCKS if blocks else _PLAIN), f"bold {colour}" if both else colour)
        if narrow:
            head = Text.assemble(names[speaker], " ", told[speaker])
            head.truncate(width)
            out += [head, bar]
        else:
            names[speaker].pad_right(wide - names[speaker].cell_len)
            out.append(Text.assemble(names[speaker], bar, " ", told[speaker]))
    out.append(Text((" " * (0 if narrow else wide)) + _clock(duration, columns), "dim"))
    return out


def _columns(
    row: Sequence[Stretch], speakers: Mapping[str, Seconds], duration: Seconds, n: int
) -> dict[str, tuple[list[float], list[bool]]]:
    """For each speaker the share of each of `n` columns that is talked, 0..1, and whether somebody else talks there."""
    made: dict[str, tuple[list[float], list[bool]]] = {speaker: ([0.0] * n, [False] * n) for speaker in speakers}
    each = duration / n
    for start, end, together in row:
        for column in range(min(int(start / each), n - 1), min(int(end / each), n - 1) + 1):
            shared = min(end, (column + 1) * each) - max(start, column * each)
            for speaker in together if shared > 0 else ():
                full, crowded = made[speaker]
                full[column] += shared / each
                crowded[column] |= len(together) > 1
    return made


def _cell(share: float, marks: str) -> str:
    """Whoever talks at all is seen.

    >>> [_cell(share, _PLAIN) for share in (0, 0.01, 0.5, 1)]
    [' ', '.', '-', '#']
    """
    return marks[0] if share <= 0 else marks[min(1 + int(share * (len(marks) - 1)), len(marks) - 1)]


def _name(speaker: str, columns: int, blocks: bool) -> Text:
    from rich.text import Text

    text = show.safe(speaker)
    if not blocks:
        text = text.encode("ascii", "backslashreplace").decode("ascii")
    name = Text(text)
    if name.cell_len > columns:
        name.truncate(max(columns - (1 if blocks else 2), 0))
        name.append("…" if blocks else "..")
        name.truncate(columns)
    return name


def _clock(duration: Seconds, columns: int) -> str:
    """Times under the columns they stand for, as many as are apart enough to be read.

    >>> _clock(100.0, 30)
    '0:00     0:30     1:00'
    """
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
    room = len(short(to_ms(duration))) + 2
    step = next((s for s in steps if s / duration * columns >= room), None)
    line = ""
    for at in range(0, int(duration) + 1, step or int(duration) + 1):
        place, mark = int(at / duration * columns), short(to_ms(at))
        if place + len(mark) <= columns:
            line = line.ljust(place) + mark
    return line


def _has_blocks(environment: Mapping[str, str]) -> bool:
    """Whether the terminal's locale says that it shows more than ASCII."""
    told = next((environment[key] for key in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(key)), "")
    return "utf" in told.lower() or (os.name != "posix" and not told)
