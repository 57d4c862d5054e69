"""Live captions on a terminal: driven in tmux, the screen read back; and in a bare pseudoterminal, byte by byte."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from screen import shown

from speechcli.cli.live_screen import Atom, broken

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="reading a screen back wants tmux installed")

DRIVER = """
import json, os, sys
from speechcli.cli import show, signals, streams
from speechcli.cli.live_screen import live_screen
from speechcli.core.live import Final, Missed, Partial
from speechcli.core.transcript import Word
from speechcli.errors import Interrupted, SpeechcliError

def words(texts, start):
    return tuple(Word(start + i, start + i + 0.5, text) for i, text in enumerate(texts))

streams.prepare()
number = 0
try:
    with signals.polite(), open(sys.argv[1]) as told, live_screen(show.console(), "clock" in sys.argv) as screen:
        for line in told:
            kind, *rest = json.loads(line)
            if kind in ("partial", "final"):
                said = words(*rest[:2])
                span = said[0].start, said[-1].end
                if kind == "partial":
                    screen.event(Partial(*span, number, said))
                else:
                    screen.event(Final(*span, number, said, "en", rest[2]))
                    number += 1
            elif kind == "missed":
                screen.event(Missed(*rest))
            elif kind == "status":
                screen.status(rest[0])
            elif kind == "note":
                screen.note(rest[0])
            elif kind == "raise":
                raise RuntimeError("planted")
            elif kind == "mark":
                open(rest[0], "w").close()
            elif kind == "end":
                screen.end(rest[0])
                break
except Interrupted:
    pass
except RuntimeError:
    print("raised")
except SpeechcliError as error:
    open(sys.argv[1] + ".error", "w").write(str(error))
    os._exit(error.exit_code)
print("over")
sys.stdout.flush()
"""


class Driven:
    """A screen under way: what it is told comes through a pipe."""

    def __init__(self, folder: Path) -> None:
        self.at = 0.0
        self.script = folder / "driver.py"
        self.script.write_text(DRIVER)
        self.pipe = folder / "told"
        os.mkfifo(self.pipe)
        self._out = os.open(self.pipe, os.O_RDWR)  # so that neither end waits for the other

    def tell(self, *what: Any) -> None:
        os.write(self._out, json.dumps(what).encode() + b"\n")

    def partial(self, text: str) -> None:
        self.tell("partial", [f" {word}" for word in text.split(" ")], self.at)

    def final(self, text: str, ends: bool = False) -> None:
        texts = text.split(" ")
        self.tell("final", [f" {word}" for word in texts], self.at, ends)
        self.at += len(texts)

    def close(self) -> None:
        os.close(self._out)


class Tmux(Driven):
    """In a terminal of tmux, which can be resized and read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.name = f"speechcli-{os.getpid()}-{folder.name[-20:]}"

    def start(self, columns: int = 60, rows: int = 10, *options: str) -> None:
        command = f"env -u COLUMNS -u LINES {sys.executable} {self.script} {self.pipe} {' '.join(options)}; sleep 60"
        self.ask("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), command)

    def ask(self, *words: str) -> str:
        command = ["tmux", "-L", self.name, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout

    def resize(self, columns: int, rows: int) -> None:
        self.ask("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self, *options: str) -> list[str]:
        """The rows of the screen, empty ones at the end left out."""
        return self.ask("capture-pane", "-p", *options).rstrip("\n").split("\n")

    def all(self) -> list[str]:
        """What has scrolled away and the screen."""
        return self.screen("-S", "-")

    def until(self, there: Callable[[list[str]], bool], *options: str) -> list[str]:
        """The screen as soon as it is as it should be."""
        for _ in range(300):
            if there(rows := self.screen(*options)):
                return rows
            time.sleep(0.05)
        raise AssertionError("the screen never showed it, but\n" + "\n".join(rows))


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    terminal = Tmux(tmp_path)
    yield terminal
    terminal.close()
    subprocess.run(["tmux", "-L", terminal.name, "kill-server"], capture_output=True, check=False)


def test_final_words_are_solid_the_rest_is_dim_and_the_status_stands_below(tmux: Tmux) -> None:
    tmux.start()
    tmux.tell("status", "0:03 listening · Microphone")
    tmux.final("the boat had")
    tmux.partial("been lying")

    rows = tmux.until(lambda rows: "listening" in rows[-1] and "lying" in rows[0], "-e")

    solid, dim = "\n".join(rows).split("\x1b[2m", 1)
    assert re.sub(r"\x1b\[(0|39|49)m", "", solid) == "the boat had"
    assert re.sub(r"\x1b\[[\d;]*m", "", dim) == " been lying\n0:03 listening · Microphone"
    assert tmux.ask("display", "-p", "#{cursor_flag} #{cursor_x} #{cursor_y}").strip() == "0 0 0"


def test_what_is_over_scrolls_up_and_stays_once_and_nothing_else_is_left(tmux: Tmux) -> None:
    tmux.start(40, 5)
    said = [f"sentence {i} has some words more than fit into one line of it." for i in range(12)]
    for text in said:
        for i in range(0, len(text.split()), 3):
            tmux.partial(" ".join(text.split()[i : i + 5]))
            tmux.final(" ".join(text.split()[i : i + 3]), ends=i + 3 >= len(text.split()))
        tmux.tell("status", "listening")
    tmux.until(lambda rows: "listening" in rows[-1] and "11" in "".join(rows))
    tmux.tell("end", 100.0)
    tmux.until(lambda rows: rows[-1] == "over")

    rows = tmux.all()
    assert " ".join(rows[:-1]) == " ".join(said)
    assert rows[:2] == ["sentence 0 has some words more than fit", "into one line of it."]
    assert tmux.ask("display", "-p", "#{cursor_flag}").strip() == "1"


def test_a_long_utterance_scrolls_up_line_by_line_as_it_becomes_final(tmux: Tmux) -> None:
    tmux.start(30, 40)
    numbers = [f"word{i}" for i in range(60)]
    for i in range(0, 60, 4):
        tmux.final(" ".join(numbers[i : i + 4]))
    tmux.partial("and this is still open")
    tmux.tell("status", "listening")
    rows = tmux.until(lambda rows: "open" in "".join(rows))

    assert " ".join(rows[:-1]) == " ".join([*numbers, "and this is still open"])
    assert tmux.ask("display", "-p", "#{cursor_y}").strip() == str(len(rows) - 4), "three lines of text, and the status"


def test_a_partial_is_replaced_by_the_next_one_however_long_it_was(tmux: Tmux) -> None:
    tmux.start(40, 12)
    tmux.partial(" ".join(["long"] * 40))
    tmux.until(lambda rows: len(rows) == 3)
    tmux.partial("short")
    tmux.until(lambda rows: rows == ["short"])


@pytest.mark.parametrize("sizes", [[(30, 12)], [(100, 12)], [(30, 12), (50, 6), (90, 20), (40, 20)]])
def test_resizing_breaks_the_block_anew_and_leaves_no_trace(tmux: Tmux, sizes: list[tuple[int, int]]) -> None:
    tmux.start(60, 12)
    tmux.final("an utterance that is over before anything happens", ends=True)
    said = "an utterance that is over before anything happens"
    for i in range(12):
        tmux.final(f"more and more words{i}")
        said += f" more and more words{i}"
    tmux.partial("and some that are open")
    tmux.tell("status", "listening")
    tmux.until(lambda rows: rows[-1] == "listening" and "open" in "".join(rows))

    for columns, rows in sizes:
        tmux.resize(columns, rows)
        tmux.partial(f"open at {columns}")
        seen = tmux.until(lambda now, n=columns: now[-1] == "listening" and f"open at {n}" in " ".join(now))
        assert max(map(len, seen)) <= columns
        assert sum("listening" in row for row in tmux.all()) == 1

    tmux.final("the end", ends=True)
    tmux.tell("end", 100.0)
    tmux.until(lambda rows: rows[-1] == "over")
    tmux.resize(200, 50)
    shown_once = "".join("".join(tmux.all()[:-1]).split())  # a terminal that wraps anew breaks inside words
    assert shown_once == "".join(f"{said} the end".split())


def test_a_resize_alone_breaks_the_block_anew(tmux: Tmux) -> None:
    tmux.start(60, 12)
    tmux.final("broken between words where nothing else happens than that")
    tmux.tell("status", "listening")
    tmux.until(lambda rows: rows[-1] == "listening")

    tmux.resize(24, 12)

    tmux.until(lambda rows: rows == ["broken between words", "where nothing else", "happens than that", "listening"])


def test_what_a_final_leaves_of_a_partial_stays_in_sight(tmux: Tmux) -> None:
    tmux.start()
    tmux.partial("one two three")
    tmux.until(lambda rows: rows == ["one two three"])
    tmux.final("one")
    tmux.tell("status", "listening")

    assert tmux.until(lambda rows: rows[-1] == "listening") == ["one two three", "listening"]


def test_where_nothing_was_said_nothing_is_left(tmux: Tmux) -> None:
    tmux.start(40, 5)
    tmux.partial("perhaps")
    tmux.tell("status", "listening")
    tmux.until(lambda rows: rows == ["perhaps", "listening"])
    tmux.tell("end", 3.0)
    tmux.until(lambda rows: rows == ["over"])

    assert tmux.all() == ["over"]


def test_twenty_columns_and_two_rows_show_the_newest_line_and_the_status(tmux: Tmux) -> None:
    tmux.start(20, 2)
    said = "eins zwei drei vier Donaudampfschifffahrtsgesellschaft sechs sieben"
    tmux.tell("status", "0:03 listening · a microphone")
    tmux.final(said)
    rows = tmux.until(lambda rows: "sechs" in rows[0])
    assert rows == ["sechs sieben", "0:03 listening · a…"]

    tmux.tell("end", 9.0)
    tmux.until(lambda rows: rows[-1] == "over")
    assert tmux.all()[:-1] == ["eins zwei drei vier", "Donaudampfschifffah", "rtsgesellschaft", "sechs sieben"]


def test_a_terminal_of_one_row_has_the_text_alone(tmux: Tmux) -> None:
    tmux.start(30, 1)
    tmux.tell("status", "listening")
    tmux.final("one two three")
    tmux.partial("four")

    assert tmux.until(lambda rows: "four" in rows[0]) == ["one two three four"]


def test_wide_characters_take_two_columns_and_are_broken_between(tmux: Tmux) -> None:
    tmux.start(25, 10)
    text = "今日はとても良い天気ですね。明日もきっと晴れるでしょう"
    tmux.tell("final", list(text), 0.0, False)
    tmux.tell("status", "listening")
    rows = tmux.until(lambda rows: rows[-1] == "listening")

    assert "".join(rows[:-1]) == text
    assert max(map(len, rows[:-1])) <= 12


def test_clock_and_missed_sound(tmux: Tmux) -> None:
    tmux.start(60, 12, "clock")
    tmux.at = 61.0
    tmux.partial("one two")
    tmux.until(lambda rows: rows[0] == "1:01 one two")
    tmux.final("one")
    tmux.final("two three", ends=True)
    tmux.tell("missed", 64.0, 67.0, "too slow")
    tmux.at = 3700.0
    tmux.final("four")
    tmux.tell("note", "the microphone is back")
    tmux.tell("status", "listening")

    rows = tmux.until(lambda rows: "listening" in rows[-1])
    assert rows == [
        "1:01 one two three",
        "[3 s not transcribed]",
        "1:01:40 four",
        "the microphone is back · listening",
    ]


def test_what_a_terminal_would_act_upon_is_shown_and_not_done(tmux: Tmux) -> None:
    tmux.start(100, 10)
    tmux.tell("final", [" a\x1b[2Jb", " [red]c[/red]", " \u202edlrow", "\x07\r\n"], 0.0, False)
    tmux.partial(":smile: \x1b]0;title\x07")
    tmux.tell("status", "mic\x1b[2J [bold]rophone")

    rows = tmux.until(lambda rows: "rophone" in rows[-1])
    assert rows == [
        r"a\x1b[2Jb [red]c[/red] \u202edlrow\x07 :smile: \x1b]0;title\x07",
        r"mic\x1b[2J [bold]rophone",
    ]


@pytest.mark.parametrize("how", ["C-c", "raise"])
def test_an_end_by_force_leaves_what_was_final_and_a_cursor(tmux: Tmux, how: str) -> None:
    tmux.start(60, 12)
    tmux.final("this was said")
    tmux.partial("this was not")
    tmux.tell("status", "listening")
    tmux.until(lambda rows: rows == ["this was said this was not", "listening"])

    if how == "raise":
        tmux.tell("raise")
    else:
        tmux.ask("send-keys", "C-c")
    rows = tmux.until(lambda rows: rows[-1] == "over")

    assert rows == ["this was said", "raised", "over"] if how == "raise" else ["this was said", "over"]
    assert tmux.ask("display", "-p", "#{cursor_flag}").strip() == "1"


# --- byte by byte ---


def child(driven: Driven, outer: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """The driver on a terminal of 40 columns."""
    fcntl.ioctl(outer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    return subprocess.Popen(
        [sys.executable, str(driven.script), str(driven.pipe)],
        stdin=outer,
        stdout=outer,
        stderr=outer,
        env=inherited | {"TERM": "xterm-256color"} | environment,
    )


def bytes_of(folder: Path, environment: dict[str, str], *told: tuple[Any, ...]) -> bytes:
    """What the terminal gets to see."""
    driven = Driven(folder)
    inner, outer = pty.openpty()
    with child(driven, outer, environment) as process:
        for what in told:
            driven.tell(*what)
        data = shown(process, inner, outer)
    driven.close()
    assert process.returncode == 0
    return data


SAID = ("final", [" one", " two"], 0.0, False), ("status", "listening"), ("partial", [" three"], 2.0)


def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path) -> None:
    data = bytes_of(tmp_path, {"TERM": "dumb"}, *SAID, ("final", [" four"], 3.0, True), ("end", 4.0))

    assert data == b"one two four\r\nover\r\n"


def test_without_colour_there_is_none(tmp_path: Path) -> None:
    data = bytes_of(tmp_path, {"NO_COLOR": "1"}, *SAID, ("missed", 5.0, 6.0, "x"), ("end", 9.0))

    assert b"one two" in data
    assert not re.search(rb"\x1b\[[\d;]*[345679]\d[\d;]*m", data)


def test_the_cursor_is_hidden_meanwhile_and_comes_back(tmp_path: Path) -> None:
    data = bytes_of(tmp_path, {}, *SAID, ("end", 4.0))

    assert data.startswith(b"\x1b[?25l")
    assert data.count(b"\x1b[?25h") == 1
    assert data.endswith(b"\x1b[?25hover\r\n")


def test_a_flood_of_events_is_not_a_flood_of_drawings(tmp_path: Path) -> None:
    driven = Driven(tmp_path)
    inner, outer = pty.openpty()
    with child(driven, outer, {}) as process:
        assert os.read(inner, 1)  # it has begun
        began = time.monotonic()
        for i in range(400):
            driven.partial(f"word{i}")
            time.sleep(0.002)
        driven.final("the last word", ends=True)
        driven.tell("end", 9.0)
        data = shown(process, inner, outer)
        elapsed = time.monotonic() - began
    driven.close()

    assert 1 <= data.count(b"word") <= 12 * elapsed + 2
    assert b"the last word" in data


def test_a_terminal_that_stops_does_not_hold_up_the_session(tmp_path: Path) -> None:
    driven = Driven(tmp_path)
    inner, outer = pty.openpty()
    with child(driven, outer, {}) as process:
        for i in range(2000):  # far more than a terminal takes that nobody reads
            driven.final(f"one two three {i}", ends=True)
        driven.tell("mark", str(tmp_path / "told all"))
        for _ in range(300):
            if (tmp_path / "told all").exists():
                break
            time.sleep(0.05)
        assert (tmp_path / "told all").exists()
        driven.tell("end", 9e3)
        data = shown(process, inner, outer)
    driven.close()
    assert [f"one two three {i}".encode() in data for i in (0, 1, 1000, 1999)] == [True] * 4


def test_a_terminal_that_goes_away_is_an_error_that_is_told(tmp_path: Path) -> None:
    driven = Driven(tmp_path)
    inner, outer = pty.openpty()
    with child(driven, outer, {}) as process:
        driven.partial("one")
        os.close(outer)
        assert os.read(inner, 1)
        os.close(inner)
        while process.poll() is None:
            driven.partial("two")
            time.sleep(0.05)
    driven.close()
    assert process.returncode == 74
    assert (tmp_path / "told.error").read_text().startswith("cannot write to the terminal (")


# --- lines ---


def atoms(*texts: str) -> list[Atom]:
    return [Atom(text.strip(), text.startswith(" ")) for text in texts]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (atoms(), []),
        (atoms(" one", " two", " three"), ["one two", "three"]),
        (atoms(" one", " two", "!", " x"), ["one", "two! x"]),
        (atoms(" abcdefghijklmnop", " q"), ["abcdefg", "hijklmn", "op q"]),
        (atoms(" 字", "幕", "で", "す", "。"), ["字幕で", "す。"]),
    ],
)
def test_lines_are_broken_where_they_may_be(row: list[Atom], expected: list[str]) -> None:
    lines = broken(row, 7)

    assert ["".join(" " * (a.blank and i > 0) + a.text for i, a in enumerate(line)) for line in lines] == expected
