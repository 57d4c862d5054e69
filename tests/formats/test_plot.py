"""The picture of who speaks when: what is in it, whatever people are called, however many they are."""

import random
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from speechcli.core.transcript import Segment, Transcript, Turn
from speechcli.errors import DataError, UsageError
from speechcli.formats import plot

pytest.importorskip("matplotlib", reason="pictures need speechcli[diarize]")
SVG = "{http://www.w3.org/2000/svg}"
CALL = Transcript("call.wav", 30.0, turns=(Turn(0.0, 12.0, "Anna"), Turn(10.0, 20.0, "Ben"), Turn(21.0, 30.0, "Anna")))


def texts(picture: bytes) -> list[str]:
    """What an XML reader finds written in it."""
    return ["".join(node.itertext()) for node in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def bars(picture: bytes) -> list[str]:
    """The colours of its bars, lane by lane."""
    styles = [
        shape.get("style") or ""
        for group in ElementTree.fromstring(picture).iter(f"{SVG}g")
        if "PolyCollection" in (group.get("id") or "")
        for shape in group.iter(f"{SVG}path")
    ]
    return [style.partition("stroke: ")[2][:7] for style in styles]


def test_a_lane_a_speaker_with_his_seconds_and_his_share_under_a_clock():
    written = texts(plot.drawn(CALL, "svg"))

    assert [t for t in written if t.startswith(("Anna", "Ben"))] == ["Anna  0:21   68%", "Ben  0:10   32%"]
    assert [t for t in written if t.endswith(("0", "5")) and len(t) == 4] == [f"0:{s:02}" for s in range(0, 31, 5)]
    assert "call.wav: 2 speakers; 0:02 at the same time (black)" in written


def test_what_is_talked_at_the_same_time_is_black_in_both_lanes():
    anna, again, black, ben, black_too = bars(plot.drawn(CALL, "svg"))

    assert anna == again
    assert black == black_too == "#000000"
    assert len({anna, ben, black}) == 3


def test_the_segments_serve_where_no_turns_are_known():
    talk = Transcript("a.wav", 9.0, (Segment(0.0, 4.0, "So.", speaker="Anna"), Segment(5.0, 9.0, "Who?")))

    assert "Anna  0:04  100%" in texts(plot.drawn(talk, "svg", title="My talk"))


def test_the_same_turns_give_the_same_bytes():
    assert plot.drawn(CALL, "svg") == plot.drawn(CALL, "svg")
    assert plot.drawn(CALL, "png") == plot.drawn(CALL, "png")
    assert plot.drawn(CALL, "png").startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("$x^2$ & $\\frac{", "$x^2$ & $\\frac{"),
        ("\x1b[31mred\n\x00\ud800\u202eevil", "[31mred evil"),
        ("字幕太郎", "字幕太郎"),
        ("x" * 500, "x" * 27 + "…"),
        ("字" * 500, "字" * 13 + "…"),
        ("\x07", "?"),
    ],
)
def test_names_are_text_and_fit(name: str, shown: str):
    talk = Transcript(name, 5.0, turns=(Turn(0.0, 5.0, name),))
    written = texts(plot.drawn(talk, "svg"))

    assert any(text.removesuffix("  0:05  100%").replace("\ufffd", "") == shown for text in written), written
    assert plot.drawn(talk, "png")


def test_an_hour_of_thirty_people_is_drawn_with_all_of_them():
    rng = random.Random(1)
    turns = [Turn(t, t + rng.uniform(0.5, 9.0), f"SPEAKER_{rng.randrange(30):02d}") for t in range(0, 3600, 4)]
    written = texts(plot.drawn(Transcript("a.wav", 3600.0, turns=tuple(turns)), "svg"))

    assert sum(text.startswith("SPEAKER_") for text in written) == 30
    assert {"0:00", "30:00", "1:00:00"} <= set(written)


def test_of_too_many_people_those_are_drawn_who_talk_most():
    turns = tuple(Turn(i * 10.0, i * 10.0 + 1 + i / 100, f"P{i}") for i in range(plot.MOST + 20))
    written = texts(plot.drawn(Transcript("a.wav", 2000.0, turns=turns), "svg"))

    assert f"a.wav: {plot.MOST + 20} speakers, those {plot.MOST} who talk most" in written
    assert not any(text.startswith("P19 ") for text in written)
    assert any(text.startswith("P20 ") for text in written)


def test_silence_is_an_empty_picture_and_text_without_speakers_is_none():
    assert "silence.wav: nobody speaks" in texts(plot.drawn(Transcript("silence.wav", 0.0), "svg"))
    with pytest.raises(DataError, match="a timeline needs speakers: none are known; speechcli diarize"):
        plot.drawn(Transcript("a.wav", 2.0, (Segment(0.0, 1.0, "Who?"),)))


def test_a_pictures_kind_is_its_suffix():
    assert [plot.kind_of("a.SVG"), plot.kind_of("b.c.png")] == ["svg", "png"]
    with pytest.raises(UsageError, match=r"a\.jpg: a picture is a \.svg or a \.png"):
        plot.kind_of("x/a.jpg")


def test_without_matplotlib_a_line_says_what_to_install():
    """In a Python of its own that cannot find it; nothing of matplotlib is loaded before something is drawn."""
    code = (
        "import sys; from speechcli.formats import plot; from speechcli.core.transcript import Transcript\n"
        "print('matplotlib' in sys.modules)\nsys.modules['matplotlib'] = None\n"
        "from speechcli.errors import UnavailableError\n"
        "try:\n    plot.drawn(Transcript('a', 1.0))\nexcept UnavailableError as error:\n"
        "    print(error, error.exit_code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["False", 'a picture needs matplotlib; pip install "speechcli[diarize]" 69']
