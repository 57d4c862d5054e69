"""`speechcli convert`: any readable transcript to any writable format, and nobody's file lost."""

import io
import json
import sys
from types import SimpleNamespace

import pytest

from speechcli.core.transcript import Segment, Transcript, Word
from speechcli.formats import table

SRT = "1\n00:00:01,000 --> 00:00:02,000\nHello there.\n\n2\n00:00:03,000 --> 00:00:04,500\nFine.\n\n"


def spoken() -> Transcript:
    words = (
        Word(0.5, 0.9, " Good", 0.9, "SPEAKER_00"),
        Word(0.9, 1.5, " morning.", 0.8, "SPEAKER_00"),
    )
    answer = (Word(2.0, 2.6, " Hello!", 0.7, "SPEAKER_01"),)
    return Transcript(
        "talk.wav",
        4.0,
        (
            Segment(0.5, 1.5, "Good morning.", words, "SPEAKER_00", "en"),
            Segment(2.0, 2.6, "Hello!", answer, "SPEAKER_01", "en"),
        ),
        language="en",
    )


@pytest.fixture
def talk(here):
    (here / "talk.json").write_text("".join(table.pieces("json", spoken())))
    (here / "sub.srt").write_text(SRT)
    return here


@pytest.mark.parametrize("name", list(table.FORMATS))
def test_our_json_becomes_every_format(speechcli, talk, name):
    done = speechcli("convert", "talk.json", "-f", name, "-o", "-")

    assert done.code == 0
    assert done.out == "".join(table.pieces(name, spoken()))


def test_several_formats_lie_beside_the_input_and_are_told_on_stderr(speechcli, talk):
    done = speechcli("convert", "talk.json", "-f", "srt,vtt", "-f", "txt")

    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines() == [f"talk.json -> talk.{end}" for end in ("srt", "vtt", "txt")]
    assert (talk / "talk.vtt").read_text().startswith("WEBVTT\n")


def test_quiet_says_nothing(speechcli, talk):
    assert speechcli("convert", "talk.json", "-f", "srt", "-q").err == ""


def test_the_format_is_told_by_the_name_of_the_output(speechcli, talk):
    assert speechcli("convert", "talk.json", "-o", "new/out.labels.txt").code == 0
    assert (talk / "new" / "out.labels.txt").read_text() == "".join(table.pieces("audacity", spoken()))


def test_an_output_that_is_no_name_of_a_format_is_a_folder(speechcli, talk):
    assert speechcli("convert", "talk.json", "sub.srt", "-f", "txt", "-o", "out").code == 0
    assert sorted(path.name for path in (talk / "out").iterdir()) == ["sub.txt", "talk.txt"]


def test_stdin_is_told_by_its_content_and_goes_to_stdout(child, talk):
    done = child("convert", "-", "-f", "txt", shell="< talk.json")

    assert done.stdout == b"".join(piece.encode() for piece in table.pieces("txt", spoken()))


def test_stdin_whose_content_does_not_tell_is_told_by_from(speechcli, monkeypatch):
    ctm = "talk 1 0.50 0.40 Good 0.9\ntalk 1 0.90 0.60 morning 0.8\n"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(ctm.encode())))

    assert speechcli("convert", "-", "--from", "ctm", "-f", "txt").out.strip() == "Good morning"


def test_speakers_get_names(speechcli, talk):
    done = speechcli(
        "convert", "talk.json", "-f", "json", "-o", "-", "--speaker-names", "SPEAKER_00=Anna,SPEAKER_01=Ben"
    )

    document = json.loads(done.out)
    assert [segment["speaker"] for segment in document["segments"]] == ["Anna", "Ben"]
    assert document["segments"][0]["words"][0]["speaker"] == "Anna"


@pytest.mark.parametrize(
    "content", ["SPEAKER_00=Anna\nSPEAKER_01 = Ben\n", '{"SPEAKER_00": "Anna", "SPEAKER_01": "Ben"}']
)
def test_speakers_names_may_stand_in_a_file(speechcli, talk, content):
    (talk / "names").write_text(content)

    done = speechcli("convert", "talk.json", "-f", "rttm", "-o", "-", "--speaker-names", "names")

    assert [line.split()[7] for line in done.out.splitlines()] == ["Anna", "Ben"]


def test_two_speakers_with_one_name_are_one(speechcli, talk):
    done = speechcli(
        "convert", "talk.json", "-f", "txt", "-o", "-", "--speaker-names", "SPEAKER_00=Anna,SPEAKER_01=Anna"
    )

    assert done.out.startswith("[Anna]: ")
    assert done.out.count("\n") == 1
    assert done.err == ""


def test_a_name_for_nobody_is_told(speechcli, talk):
    given = "SPEAKER_00=Anna,SPEAKER_07=Ben"
    done = speechcli("convert", "talk.json", "-f", "txt", "-o", "-", "--speaker-names", given)
    again = speechcli("convert", "talk.json", "-f", "txt", "-o", "-", "--speaker-names", given, "-q")

    assert done.code == 0
    assert "talk.json: --speaker-names: nobody is called SPEAKER_07 (speakers: SPEAKER_00, SPEAKER_01)" in done.err
    assert again.err == ""


def test_captions_follow_the_style_asked_for(speechcli, talk):
    done = speechcli("convert", "talk.json", "-f", "srt", "-o", "-", "--max-words-per-line", 1, "--max-line-count", 1)

    assert [line for line in done.out.splitlines() if "Good" in line or "morning" in line] == [
        "[SPEAKER_00]: Good",
        "[SPEAKER_00]: morning.",
    ]


def test_a_file_that_exists_is_not_overwritten_unasked(speechcli, talk):
    (talk / "talk.srt").write_text("mine")

    done = speechcli("convert", "talk.json", "-f", "txt,srt")

    assert done.code == 73
    assert done.err == "speechcli: error: talk.srt exists; --overwrite replaces it, -o FOLDER spares it\n"
    assert (talk / "talk.srt").read_text() == "mine"
    assert not (talk / "talk.txt").exists(), "looked before it wrote"
    assert speechcli("convert", "talk.json", "-f", "txt,srt", "--overwrite").code == 0


def test_all_is_what_the_transcript_can_fill_and_spares_the_input(speechcli, talk):
    done = speechcli("convert", "sub.srt", "-f", "all", "-o", "out")

    assert done.code == 0
    assert done.err.splitlines()[-1] == "sub.srt: left out: ctm, rttm"
    assert len(list((talk / "out").iterdir())) == len(table.ALL) - 2
    assert speechcli("convert", "talk.json", "-f", "all").code == 0


def test_a_format_that_cannot_be_filled_is_refused_and_the_others_are_written(speechcli, talk):
    done = speechcli("convert", "sub.srt", "-f", "ctm,txt")

    assert done.code == 65
    assert "ctm needs words with times" in done.err
    assert (talk / "sub.txt").exists()
    assert not (talk / "sub.ctm").exists()


def test_a_bad_input_is_told_and_the_others_go_on(speechcli, talk):
    (talk / "bad.json").write_text("{")

    done = speechcli("convert", "bad.json", "none.srt", "sub.srt", "-f", "txt", "-q")

    assert done.code == 1
    bad, none = done.err.splitlines()
    assert bad.startswith("error: bad.json")
    assert none == "error: none.srt is not there"
    assert (talk / "sub.txt").exists()


@pytest.mark.parametrize(("name", "code"), [("bad.json", 65), ("none.srt", 66)])
def test_one_bad_input_ends_with_its_own_code(speechcli, talk, name, code):
    (talk / "bad.json").write_text("{")

    assert speechcli("convert", name, "-f", "txt").code == code


@pytest.mark.parametrize(
    "args",
    [
        ("talk.json",),
        ("talk.json", "-f", "srt,vtt", "-o", "-"),
        ("talk.json", "sub.srt", "-f", "txt", "-o", "-"),
        ("talk.json", "sub.srt", "-f", "txt", "-o", "one.txt"),
        ("talk.json", "-f", "txt", "-o", "a", "--output-dir", "b"),
        ("talk.json", "-f", "srt", "--min-duration", "9"),
        ("talk.json", "-f", "srt", "--standard", "--standard-asia"),
        ("talk.json", "-f", "srt", "--speaker-names", "Anna="),
    ],
)
def test_what_contradicts_itself_is_refused_before_anything_is_written(speechcli, talk, args):
    before = sorted(talk.iterdir())

    assert speechcli("convert", *args).code == 2
    assert sorted(talk.iterdir()) == before


def test_two_inputs_that_would_become_one_file_are_refused(speechcli, talk):
    (talk / "sub.vtt").write_text("WEBVTT\n")

    done = speechcli("convert", "sub.srt", "sub.vtt", "-f", "txt")

    assert done.code == 2
    assert "two inputs would become sub.txt" in done.err


def test_lint_tells_what_is_wrong_with_a_file_as_it_is(speechcli, talk):
    (talk / "bad.srt").write_text(
        "1\n00:00:01,000 --> 00:00:01,500\nThis line is far too long for anybody to read in time.\n\n"
        "2\n00:00:01,400 --> 00:00:09,000\nOne\ntwo\nthree\n\n"
    )

    done = speechcli("convert", "bad.srt", "--lint")

    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines() == [
        "bad.srt: caption 1 is 54 columns wide (42)",
        "bad.srt: caption 1 is 108 characters a second (20)",
        "bad.srt: caption 1 is 0.5 s long (0.833)",
        "bad.srt: caption 2 is 3 lines (2)",
        "bad.srt: caption 2 is 7.6 s long (7)",
        "bad.srt: caption 2 is 0.1 s into the one before",
    ]
    assert speechcli("convert", "bad.srt", "--lint", "--strict").code == 1
    assert speechcli("convert", "talk.json", "--lint", "--strict").code == 0
