"""Who spoke when, as NIST writes it: what others wrote is read, and what is wrong is named with its line."""

import re

import pytest

from speechcli.core.transcript import Segment, Transcript, Turn
from speechcli.errors import DataError
from speechcli.formats import opened, rttm, table

NINE = "SPEAKER {name} 1 {start} {length} <NA> <NA> {who} <NA>\n"
TEN = "SPEAKER {name} 1 {start} {length} <NA> <NA> {who} <NA> <NA>\n"


def line(start: object, length: object, who: str = "A", name: str = "talk", form: str = TEN) -> str:
    return form.format(start=start, length=length, who=who, name=name)


def test_lines_in_any_order_give_turns_in_order():
    text = line(5, 1) + line(0.5, 2, "B", form=NINE) + line("1e0", 1).replace(" ", "\t")

    assert rttm.read(text, "a.rttm").turns == (Turn(0.5, 2.5, "B"), Turn(1.0, 2.0, "A"), Turn(5.0, 6.0, "A"))


def test_a_speaker_who_talks_over_himself_has_one_turn():
    text = line(0, 2) + line(1, 3) + line(1.5, 1, "B") + line(4, 1)

    assert rttm.read(text, "a.rttm").turns == (Turn(0.0, 5.0, "A"), Turn(1.5, 2.5, "B"))


def test_turns_of_no_length_are_left_out_and_told():
    read = rttm.read(line(0, 2) + line(3, 0) + line(3, "0.000", "B"), "a.rttm")

    assert read.turns == (Turn(0.0, 2.0, "A"),)
    assert read.verdict.notes == ("line 2 is of no length: left out", "line 3 is of no length: left out")


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (line("-0.5", 1), "line 2: '-0.5' is no time in seconds: it is negative"),
        (line(0.5, "-1e-3"), "line 2: '-1e-3' is no time in seconds: it is negative"),
        (line("x", 1), "line 2: 'x' is no time in seconds"),
        (line(0, "1,5"), "line 2: '1,5' is no time in seconds"),
        (line("nan", 1), "line 2: 'nan' is no time in seconds"),
        (line(0, "inf"), "line 2: 'inf' is no time in seconds"),
        (line(0, "-inf"), "line 2: '-inf' is no time in seconds"),
        ("SPEAKER talk 1 0.5 1\n", "line 2 is no line of an RTTM file: 5 fields, not 9 or 10"),
        (line(0, 1, "Anna B C"), "line 2 is no line of an RTTM file: 12 fields, not 9 or 10"),
        ("hello there\n", "line 2 is no line of an RTTM file: 'hello there'"),
    ],
)
def test_a_bad_line_is_named_with_its_value(bad: str, told: str):
    with pytest.raises(DataError, match=re.escape(f"a.rttm, {told}")):
        rttm.read(line(0, 1) + bad + line(3, 1), "a.rttm")


SEVERAL = line(0, 1, name="monday") + line(0, 2, "B", name="tuesday_talk") + line(3, 0, name="monday")


@pytest.mark.parametrize("recording", ["tuesday talk.mp3", "tuesday_talk", "tuesday_talk.wav"])
def test_of_several_recordings_the_wanted_one_is_read(recording: str):
    read = rttm.read(SEVERAL, "all.rttm", recording)

    assert read.turns == (Turn(0.0, 2.0, "B"),)
    assert read.verdict.notes == ()


def test_of_several_recordings_none_is_guessed():
    with pytest.raises(DataError, match=r"all.rttm is about 2 recordings .monday, tuesday_talk"):
        rttm.read(SEVERAL, "all.rttm")
    with pytest.raises(
        DataError, match=r"all.rttm is about monday, tuesday_talk, and not about friday; the second field"
    ):
        rttm.read(SEVERAL, "all.rttm", "friday.mp3")


def test_the_only_recording_may_have_another_name_which_is_told():
    read = rttm.read(line(0, 1, name="f0"), "a.rttm", "my talk.mp3")

    assert read.turns == (Turn(0.0, 1.0, "A"),)
    assert read.verdict.notes == ("a.rttm calls its recording f0, not my_talk",)


@pytest.mark.parametrize(
    "text",
    [
        line(0, 1),
        ";; made by hand\n\n" + line(0, 1),
        "SPKR-INFO talk 1 <NA> <NA> <NA> unknown A <NA>\n" + line(0.5, 1),
        line(0, 1).replace(" ", "\t"),
        line("-1", 1),
    ],
)
def test_what_it_is_shows_without_its_suffix(text: str):
    assert opened.kind_of(text) == "rttm"
    assert opened.kind_of("SPEAKER talk one is the name of nobody") == ""


def test_a_file_without_turns_is_silence():
    assert rttm.read(";; nobody\n\n", "a.rttm", "a").turns == ()


def test_what_is_written_is_sorted_whole_and_in_safe_fields():
    turns = (Turn(4.0, 5.0, "Zoë\tB"), Turn(0.0, 2.0, ";; x"), Turn(1.0, 3.0, ";; x"), Turn(5.0, 6.0, "Zoë B"))
    talk = Transcript("my talk\n.mp3", 9.0, turns=turns)

    assert "".join(table.pieces("rttm", talk)) == (
        "SPEAKER my_talk 1 0.000 3.000 <NA> <NA> _;_x <NA> <NA>\n"
        "SPEAKER my_talk 1 4.000 2.000 <NA> <NA> Zoë_B <NA> <NA>\n"
    )


def test_segments_that_follow_one_another_are_one_turn():
    row = (
        Segment(0, 1, "One.", speaker="A"),
        Segment(1, 2, "Two.", speaker="A"),
        Segment(1.5, 3, "Three.", speaker="B"),
    )

    assert [s.split()[3:5] for s in table.pieces("rttm", Transcript("a", 3.0, row))] == [
        ["0.000", "2.000"],
        ["1.500", "1.500"],
    ]
