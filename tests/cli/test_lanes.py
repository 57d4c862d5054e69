"""Who speaks when, on terminals of any width, with and without colour and letters beyond ASCII."""

import io
import random

import pytest
from rich.console import Console

from speechcli.cli import lanes, show
from speechcli.core.transcript import Segment, Transcript, Turn

CALL = Transcript(
    "call.wav", 30.0, turns=(Turn(0.0, 12.0, "Anna"), Turn(10.0, 20.0, "Ben [bold]"), Turn(21.0, 30.0, "Anna"))
)


def plain(transcript: Transcript, width: int, blocks: bool = True) -> list[str]:
    return [line.plain for line in lanes.lanes(transcript, width, blocks)]


def test_a_lane_a_speaker_with_his_seconds_and_his_share_over_a_clock():
    assert plain(CALL, 64) == [
        "Anna       ████████████████            ████████████    0:21  68%",
        "Ben [bold]              ▆████████████▆                 0:10  32%",
        "           0:00  0:05   0:10   0:15  0:20   0:25",
    ]


def test_on_a_narrow_terminal_the_names_stand_over_the_lanes():
    assert plain(CALL, 20, blocks=False) == [
        "Anna 0:21 68%",
        "########      ######",
        "Ben [bold] 0:10 32%",
        "      :######:      ",
        "0:00  0:10   0:20",
    ]


def hard() -> Transcript:
    rng = random.Random(1)
    names = [*(f"SPEAKER_{i:02d}" for i in range(28)), "字幕" * 40, "\x1b[31m\u202eevil\n"]
    turns = [Turn(t, t + rng.uniform(0.3, 9.0), rng.choice(names)) for t in range(0, 3600, 3)]
    return Transcript("a.wav", 3600.0, turns=tuple(turns))


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("width", [1, 7, 20, 47, 48, 80, 200])
def test_no_line_is_wider_than_the_terminal_nor_says_what_it_cannot_show(width: int, blocks: bool):
    for transcript in (CALL, hard()):
        lines = lanes.lanes(transcript, width, blocks)

        assert all(line.cell_len <= width for line in lines)
        assert all(line.plain.isprintable() for line in lines)
        assert blocks or all(line.plain.isascii() for line in lines)


def test_thirty_people_can_be_told_apart_on_twenty_columns():
    named = [line for line in plain(hard(), 20) if line.startswith("SPEAKER_")]

    assert len({line.split()[0] for line in named}) == 28


def test_whoever_says_a_word_in_an_hour_is_seen():
    talk = Transcript("a.wav", 3600.0, turns=(Turn(0.0, 3600.0, "A"), Turn(1800.0, 1800.3, "B")))
    lane = plain(talk, 80)[1]

    assert lane.startswith("B ")
    assert lane.count("▁") == 1


def test_columns_in_which_others_talk_too_are_bold():
    anna = lanes.lanes(CALL, 60)[0]
    bold = "".join(anna.plain[span.start : span.end] for span in anna.spans if "bold" in str(span.style))

    assert bold
    assert len(bold) < 6


def test_without_speakers_there_is_no_picture():
    assert lanes.lanes(Transcript("a.wav", 3.0), 80) == []
    assert lanes.lanes(Transcript("a.wav", 3.0, (Segment(0.0, 1.0, "Who?"),)), 80) == []
    assert lanes.lanes(Transcript("a.wav", 3.0, (Segment(0.0, 1.0, "So.", speaker="A"),)), 80)


@pytest.mark.parametrize(
    ("environment", "blocks"),
    [
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, False),
        ({"LANG": "de_DE.UTF-8"}, True),
        ({"LC_ALL": "", "LC_CTYPE": "C.utf8"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, False),
    ],
)
def test_the_locale_says_whether_there_are_blocks(monkeypatch, environment, blocks):
    for key in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(key, raising=False)
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    written = io.StringIO()
    monkeypatch.setattr(show, "console", lambda stderr: Console(file=written, width=60, force_terminal=False))
    lanes.print_lanes(CALL)

    assert ("█" in written.getvalue()) == blocks
    assert ("#" in written.getvalue()) != blocks
    assert "\x1b" not in written.getvalue()
    assert "Ben [bold]" in written.getvalue()
