"""Live captions on a terminal: what is said now in a block at the bottom, what was said above it as plain text.

    the boat had been lying there for years          <- has scrolled up: final, never touched again
    and nobody knew whose it was until               <- the block: final words solid,
    somebody came                                       the rest dim
    0:42 listening · USB Microphone                  <- how it goes

The cursor rests at the first column of the block, and each new block is written over the old one from there, all in
one write: nothing is counted back over, so that a terminal which wraps its lines anew when it is resized (most do, and
move the cursor along) and one which does not (xterm) both end up right, as long as the block fits on the screen;
`rich.live` counts lines, and leaves old ones behind. A thread draws, at most `RATE` times a second and only when there
is something new: a terminal that stops (Ctrl-S) holds up no sound.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, NamedTuple, Self

from speechcli.cli.live_lines import Lines
from speechcli.cli.show import safe
from speechcli.core.live import Event, Final, Missed, Partial
from speechcli.core.span import Seconds, to_ms
from speechcli.core.transcript import Word
from speechcli.errors import DiskError
from speechcli.formats.clock import short
from speechcli.formats.growing import gap
from speechcli.timeline.text import breakable, pieces

LINES = 3  # of text in the block
NARROWEST = 20  # columns that lines are broken for, at least
RATE = 12.0  # drawings a second, at most
NOTED: Seconds = 10.0  # how long a note is shown
_LATE: Seconds = 2.0  # what is said about being behind only from here on
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"  # the cursor
_CUT, _WRAP = "\x1b[?7l", "\x1b[?7h"  # lines too wide; the terminal may be narrower already than the system says it is
_REST = "\x1b[K"  # clears the rest of the line; at its begin too, for terminals remember how wide it was
_BELOW = " \x1b[J\r"  # clears what follows; from the corner itself, tmux would scroll it into its history
LEFT = f"{_WRAP}\x1b[{LINES}B\r\n{_SHOW}"  # for who goes at once: below the block


class Atom(NamedTuple):
    """What is never parted, whether a blank stands before it, how it looks, and whether it is final."""

    text: str
    blank: bool
    style: str = ""
    said: bool = True


def live_screen(console: Any, clock: bool = False) -> LiveScreen | Lines:
    """Where live text goes on this terminal: one that cannot move its cursor (TERM=dumb) gets plain lines.

    console: of `show.console`. clock: whether each utterance begins with its time.
    """
    if console.is_dumb_terminal or not console.file.isatty():
        return Lines(max(console.width - 1, NARROWEST), clock)
    return LiveScreen(console, clock)


def status(name: str, elapsed: Seconds, behind: Seconds = 0.0, dropped: Seconds = 0.0) -> str:
    """How it goes, the most important first. name: of the source. dropped: of sound, so far.

    >>> status("USB Microphone", 42.0)
    '0:42 listening · USB Microphone'
    >>> status("USB Microphone", 42.0, 3.2, 1.5)
    '0:42 3 s behind · 1.5 s dropped · USB Microphone'
    """
    parts = [f"{short(to_ms(elapsed))} " + (f"{behind:.0f} s behind" if behind > _LATE else "listening")]
    if dropped > 0:
        parts.append(f"{max(dropped, 0.1):.1f} s dropped")
    return " · ".join([*parts, name])


class LiveScreen:
    """The block. Events, status and notes may come from any one thread; it is drawn by its own."""

    def __init__(self, console: Any, clock: bool = False) -> None:
        self._console = console
        self._clock = clock
        self._over: list[list[Atom]] = []  # utterances and remarks that are to scroll up
        self._said: list[Atom] = []  # of the one that goes on, what is final and has not scrolled up
        self._pending: tuple[Word, ...] = ()
        self._begun = False  # whether something of this utterance is final
        self._status = ""
        self._note = ""
        self._note_until = 0.0
        self._new = threading.Condition()  # re-entrant: a signal may come while this thread holds it
        self._dirty = self._closing = False
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._draw_on, name="captions", daemon=True)
        self._before: Any = None  # what a resize did before

    def __enter__(self) -> Self:
        self._write(_HIDE)
        if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGWINCH"):
            self._before = signal.signal(signal.SIGWINCH, self._resized)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves what was final on the terminal, and nothing else. Raises DiskError, or what else kept it from that."""
        if self._before is not None:
            signal.signal(signal.SIGWINCH, self._before)
        with self._new:
            self._closing = self._dirty = True
            self._new.notify()
        self._thread.join()
        if self._failed is not None:
            with suppress(OSError, DiskError):
                self._write(_SHOW)
            if error is None:
                raise self._failed

    def event(self, event: Event, latency: Seconds | None = None) -> None:
        """Shows it soon. Raises DiskError (BrokenPipeError) where an earlier one could not be shown."""
        with self._new:
            if isinstance(event, Partial):
                self._pending = event.words
            elif isinstance(event, Final):
                self._final(event)
            elif isinstance(event, Missed):
                self._end_utterance()
                self._over.append(_atoms(gap(event), "bold"))
            self._changed()

    def status(self, text: str) -> None:
        """The line under the block; see `status` of this module."""
        with self._new:
            self._status = safe(text)
            self._changed()

    def note(self, text: str) -> None:
        """Something that happened, shown for a while in the line under the block."""
        with self._new:
            self._note = safe(text)
            self._note_until = time.monotonic() + NOTED
            self._changed()

    def end(self, duration: Seconds) -> None:
        """Nothing more will be said."""
        with self._new:
            self._end_utterance()
            self._status = self._note = ""
            self._changed()

    def _changed(self) -> None:
        if self._failed is not None:
            raise self._failed
        self._dirty = True
        self._new.notify()

    def _resized(self, number: int, frame: FrameType | None) -> None:
        with self._new:
            self._dirty = True
            self._new.notify()
        if callable(self._before):
            self._before(number, frame)

    def _final(self, final: Final) -> None:
        self._said += self._told(final.words, said=True)
        self._begun = True
        self._pending = tuple(word for word in self._pending if word.start > final.end - 1e-3)  # until it is told anew
        if final.ends:
            self._end_utterance()

    def _end_utterance(self) -> None:
        if self._said:
            self._over.append(self._said)
        self._said, self._pending, self._begun = [], (), False

    def _told(self, words: Sequence[Word], said: bool) -> list[Atom]:
        """Words that come next in this utterance."""
        style = "" if said else "dim"
        told = [atom for word in words for atom in _atoms(word.text, style, said)]
        if self._clock and not self._begun and told:
            return [Atom(short(to_ms(words[0].start)), False, "dim", said), told[0]._replace(blank=True), *told[1:]]
        return told

    def _draw_on(self) -> None:
        closing = False
        last = 0.0
        try:
            while not closing:
                with self._new:
                    while not self._dirty:
                        self._new.wait()
                    while not self._closing and (left := last + 1 / RATE - time.monotonic()) > 0:
                        self._new.wait(left)
                    self._dirty, closing = False, self._closing
                    text = self._last() if closing else self._picture()
                last = time.monotonic()
                self._write(text)
        except Exception as error:  # whatever it is: told to who calls next
            self._failed = error

    def _picture(self) -> str:
        """What turns the block on the terminal into the one that is to be seen."""
        columns, rows = self._size()
        most = max(1, min(LINES, rows - 1))
        up = self._gone(columns)
        now = broken([*self._said, *self._told(self._pending, said=False)], columns)
        n_up = 0
        while len(now) - n_up > most and all(atom.said for atom in now[n_up]):
            n_up += 1
        if n_up:
            up += now[:n_up]
            self._said = [atom for line in now[n_up:] for atom in line if atom.said]
        block = [self._painted(line) for line in now[n_up:][-most:]]
        if rows > 1:
            note = self._note if time.monotonic() < self._note_until else ""
            block.append(self._painted(_cropped(" · ".join(filter(None, (note, self._status))), columns)))
        back = f"\x1b[{len(block) - 1}A" if len(block) > 1 else ""
        shown = f"{_REST}\n".join(_REST + line for line in block)
        return f"\r{self._above(up)}{_CUT}{shown}{_REST}{_BELOW}{_WRAP}{back}"

    def _last(self) -> str:
        """What stays."""
        self._end_utterance()
        return f"\r{self._above(self._gone(self._size()[0]))}{_BELOW}{_REST}{_SHOW}"

    def _gone(self, columns: int) -> list[list[Atom]]:
        """The lines of what is over."""
        over, self._over = self._over, []
        return [line for atoms in over for line in broken(atoms, columns)]

    def _above(self, lines: Iterable[Sequence[Atom]]) -> str:
        return "".join(f"{_REST}{self._painted(line)}{_REST}\n" for line in lines)

    def _painted(self, line: Sequence[Atom]) -> str:
        """A line as the terminal takes it."""
        from rich.text import Text

        text = Text()
        for i, atom in enumerate(line):
            text.append((" " if atom.blank and i else "") + atom.text, atom.style)
        with self._console.capture() as caught:
            self._console.print(text, end="", no_wrap=True, overflow="ignore", crop=False, soft_wrap=True)
        painted: str = caught.get()
        return painted

    def _size(self) -> tuple[int, int]:
        """Columns that a line may take, which is one less than there are, and rows."""
        try:
            columns, rows = os.get_terminal_size(self._console.file.fileno())
        except (OSError, ValueError):
            columns, rows = self._console.size
        return max(columns or 80, NARROWEST) - 1, rows or 24

    def _write(self, text: str) -> None:
        try:
            self._console.file.write(text)
            self._console.file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise DiskError(f"cannot write to the terminal ({error.strerror})", "was its window closed?") from error


def broken(atoms: Iterable[Atom], columns: int) -> list[list[Atom]]:
    """Atoms in lines of at most `columns`, broken where a line may end; what is too wide for a line is cut."""
    from rich.cells import cell_len, chop_cells

    lines: list[list[Atom]] = []
    used = 0
    for group in _inseparable(atoms):
        wide = sum(cell_len(atom.text) for atom in group)
        if lines and used + group[0].blank + wide <= columns:
            lines[-1] += group
            used += group[0].blank + wide
        elif wide <= columns:
            lines.append(group)
            used = wide
        else:
            for atom in group:
                for i, part in enumerate(chop_cells(atom.text, columns)):
                    lines.append([atom._replace(text=part, blank=atom.blank and i == 0)])
                    used = cell_len(part)
    return lines


def _inseparable(atoms: Iterable[Atom]) -> list[list[Atom]]:
    """Atoms with the marks and endings that came as words of their own."""
    groups: list[list[Atom]] = []
    for atom in atoms:
        if groups and not atom.blank and not breakable(groups[-1][-1].text[-1], atom.text[0]):
            groups[-1].append(atom)
        else:
            groups.append([atom])
    return groups


def _atoms(text: str, style: str = "", said: bool = True) -> list[Atom]:
    """What a terminal can take of a text, in the smallest pieces a line can be broken into."""
    atoms: list[Atom] = []
    blank = text[:1].isspace()
    for token in text.split():
        atoms += [Atom(piece, blank and i == 0, style, said) for i, piece in enumerate(pieces(safe(token)))]
        blank = True
    return atoms


def _cropped(line: str, columns: int) -> list[Atom]:
    """The line under the block."""
    from rich.cells import cell_len, chop_cells

    if cell_len(line) > columns:
        line = chop_cells(line, columns - 1)[0] + "…"
    return [Atom(line, False, "dim")]
