"""Live text for programs: words as they become final, events as lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from speechcli.cli.live_lines import Events, Lines
from speechcli.core.live import Final, Missed, Partial
from speechcli.core.transcript import Word


def words(text: str, at: float = 0.0) -> tuple[Word, ...]:
    """A word a second."""
    return tuple(Word(at + i, at + i + 0.5, f" {word}") for i, word in enumerate(text.split()))


def final(text: str, at: float = 0.0, number: int = 0, ends: bool = False) -> Final:
    said = words(text, at)
    return Final(said[0].start, said[-1].end, number, said, "en", ends)


def partial(text: str, at: float = 0.0, number: int = 0) -> Partial:
    said = words(text, at)
    return Partial(said[0].start, said[-1].end, number, said)


def test_words_are_written_as_soon_as_they_are_final_and_a_line_ends_with_what_is_said(capsys) -> None:
    with Lines() as lines:
        seen = []
        for event in (
            partial("the boat had"),
            final("the boat"),
            partial("hat been"),
            final("had been", 2),
            final("lying there. And", 4),
            final("nobody knew", 7, ends=True),
            final("why", 9),
        ):
            lines.event(event)
            seen.append(capsys.readouterr().out)
        lines.end(12.0)
        seen.append(capsys.readouterr().out)

    assert seen == ["", "the boat", "", " had been", " lying there.\nAnd", " nobody knew\n", "why", "\n"]


def test_a_long_line_is_broken_between_words(capsys) -> None:
    text = " ".join(f"word{i}" for i in range(100))
    lines = Lines()
    for i in range(0, 100, 3):
        lines.event(final(" ".join(text.split()[i : i + 3]), i))
    lines.end(100.0)

    written = capsys.readouterr().out
    assert max(map(len, written.splitlines())) <= 84
    assert min(map(len, written.splitlines()[:-1])) > 70
    assert written.split() == text.split()


def test_chinese_is_broken_without_blanks_and_gets_none(capsys) -> None:
    text = "今日はとても良い天気ですね明日もきっと晴れるでしょうそして私たちは海へ行きます"
    lines = Lines(columns=30)
    lines.event(Final(0.0, 40.0, 0, tuple(Word(i, i + 1, c) for i, c in enumerate(text)), "ja", True))

    written = capsys.readouterr().out
    assert written.replace("\n", "") == text
    assert [len(line) for line in written.splitlines()[:-1]] == [15, 15]


def test_a_clock_stands_before_each_line(capsys) -> None:
    lines = Lines(clock=True)
    lines.event(final("one two.", 61, ends=True))
    lines.event(final("three", 3700, ends=True))

    assert capsys.readouterr().out == "1:01 one two.\n1:01:40 three\n"


def test_what_was_missed_has_a_line_of_its_own_and_a_reason_on_stderr(capsys) -> None:
    lines = Lines()
    lines.event(final("one two"))
    lines.event(Missed(2.0, 5.0, "the model is\x1b[31m too slow"))
    lines.event(final("three", 5))
    lines.end(6.0)

    told = capsys.readouterr()
    assert told.out == "one two\n[3 s not transcribed]\nthree\n"
    assert told.err == "3 s not transcribed: the model is\\x1b[31m too slow\n"


def test_control_characters_are_not_written(capsys) -> None:
    lines = Lines()
    lines.event(Final(0.0, 1.0, 0, (Word(0.0, 1.0, " a\x1b[31mb\n\x07c"), Word(1.0, 1.0, "\x00")), None, True))
    lines.note("gone\x1b[2J")

    told = capsys.readouterr()
    assert told.out == "a[31mb c\n"
    assert told.err == "gone\\x1b[2J\n"


def test_events_are_lines_of_json(capsys) -> None:
    with Events() as events:
        events.event(partial("the boat"), 0.5)
        events.event(final("the boat", 0, 0), 1.2346)
        events.event(final("had", 2.00049, 1, ends=True), None)
        events.event(Missed(3.0, 5.0, "too slow"))
        events.status("not told")
        events.end(7.12345)

    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    the, boat = {"word": "the", "start": 0.0, "end": 0.5}, {"word": "boat", "start": 1.0, "end": 1.5}
    assert rows == [
        {"type": "partial", "id": 0, "start": 0.0, "end": 1.5, "text": "the boat", "latency_ms": 500},
        {
            "type": "final",
            "id": 0,
            "start": 0.0,
            "end": 1.5,
            "text": "the boat",
            "latency_ms": 1235,
            "language": "en",
            "ends": False,
            "words": [the, boat],
        },
        {
            "type": "final",
            "id": 1,
            "start": 2.0,
            "end": 2.5,
            "text": "had",
            "latency_ms": None,
            "language": "en",
            "ends": True,
            "words": [{"word": "had", "start": 2.0, "end": 2.5}],
        },
        {"type": "missed", "start": 3.0, "end": 5.0, "text": "", "latency_ms": None, "reason": "too slow"},
        {"type": "end", "id": 2, "start": 0.0, "end": 7.123, "text": "", "latency_ms": 0},
    ]


def test_the_text_can_be_put_together_from_events_with_and_without_blanks(capsys) -> None:
    events = Events()
    said = [[" 今日"], ["は"], [" OK"], [" fin", "e"]]
    for i, texts in enumerate(said):
        events.event(Partial(i, i + 1, i, (Word(i, i + 1, texts[0]),)))
        events.event(Final(i, i + 1, i, tuple(Word(i, i + 1, text) for text in texts), None, i == 2))

    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for kind in ("partial", "final"):
        assert [row.get("joined") for row in rows if row["type"] == kind] == [None, True, None, None]
    text = "".join(("" if row.get("joined") else " ") + row["text"] for row in rows if row["type"] == "final")
    assert text == " 今日は OK fine"


def test_an_event_is_one_line_whatever_was_said(capsys) -> None:
    events = Events()
    events.event(Final(0.0, 1.0, 0, (Word(0.0, 1.0, ' "\n\r\x1b\u2028\\'),), None, True))

    (line, nothing) = capsys.readouterr().out.split("\n")
    assert nothing == ""
    assert "\x1b" not in line
    assert json.loads(line)["text"] == '"\n\r\x1b\u2028\\'.strip()


@pytest.mark.parametrize("kind", ["Lines", "Events"])
def test_a_reader_that_goes_away_is_a_broken_pipe(kind: str) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_live_lines import *
out = {kind}()
try:
    while True:
        out.event(final("one two three", ends=True))
except BrokenPipeError:
    print("nobody reads", file=sys.stderr)
    from speechcli.cli import streams
    sys.exit(streams.settle(streams.BROKEN_PIPE))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert b"one two three" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b"nobody reads\n"
    assert process.returncode == 141
