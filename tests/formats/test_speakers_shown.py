"""Who speaks, in each format that people read: paragraphs, captions, tiers, labels, and overlapped words in json."""

import json
from dataclasses import replace

import jsonschema
import pytest
from made_transcripts import TALK

from speechcli.core.transcript import Segment, Transcript, Turn, Word, joined
from speechcli.errors import DataError
from speechcli.formats import jsondoc, table, textgrid
from speechcli.timeline.attribution import attributed
from speechcli.timeline.cues import Style

TURNS = Transcript("a.wav", 6.0, turns=(Turn(0.0, 3.0, "Anna"), Turn(2.0, 4.0, "Ben"), Turn(5.0, 6.0, "Anna")))


def segments(*rows: tuple[str | None, str]) -> tuple[Segment, ...]:
    return tuple(Segment(i, i + 1, text, speaker=who) for i, (who, text) in enumerate(rows))


def text(*rows: tuple[str | None, str]) -> str:
    return "".join(table.pieces("txt", Transcript("a.wav", 9.0, segments(*rows))))


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        ([("A", "One."), ("A", "Two."), ("B", "Three."), ("A", "Four.")], "[A]: One. Two.\n[B]: Three.\n[A]: Four.\n"),
        ([(None, "One."), (None, "Two.")], "One.\nTwo.\n"),
        ([("A", "One."), (None, "Two."), (None, "Three."), ("A", "Four.")], "[A]: One.\nTwo.\nThree.\n[A]: Four.\n"),
        ([("A", "今日は。"), ("A", "はい。"), ("A", "Yes.")], "[A]: 今日は。はい。Yes.\n"),
        ([("A", "One\nline."), ("A", " "), ("A", "Two.")], "[A]: One line. Two.\n"),
        ([("A", " "), ("B", "")], ""),
        ([], ""),
    ],
)
def test_what_one_speaker_says_is_one_paragraph(rows, shown):
    assert text(*rows) == shown


def test_paragraphs_appear_as_they_are_said():
    """A reader of the pipe sees a segment as soon as it is heard, and a line of nobody's at once to its end."""
    row = iter(segments(("A", "One."), ("A", "Two."), (None, "Three."), ("B", "Four.")))
    pieces = table.stream("txt", row)

    assert [next(pieces) for _ in range(4)] == ["[A]: One.", " Two.", "\nThree.\n", "[B]: Four."]
    assert list(pieces) == ["\n"]


def test_no_caption_has_words_of_two_speakers_and_each_is_named():
    row = tuple(Word(i * 0.4, i * 0.4 + 0.4, f" {t}") for i, t in enumerate("yes I did so no you did not well".split()))
    whole = Segment(0.0, row[-1].end, joined(row), row)
    talk = attributed(
        Transcript("a.wav", 4.0, (whole,)), [Turn(0.0, 1.6, "Anna"), Turn(1.6, 3.2, "Ben"), Turn(3.2, 4.0, "Ben")]
    )

    assert "".join(table.pieces("srt", talk)) == (
        "1\n00:00:00,000 --> 00:00:01,517\n[Anna]: yes I did so\n\n"
        "2\n00:00:01,600 --> 00:00:03,600\n[Ben]: no you did not well\n\n"
    )
    assert "".join(table.pieces("vtt", talk)) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.517\n<v Anna>yes I did so</v>\n\n"
        "00:00:01.600 --> 00:00:03.600\n<v Ben>no you did not well</v>\n\n"
    )
    assert "".join(table.pieces("srt", talk, Style(labels=False))).count("[") == 0


def test_turns_alone_are_a_tier_a_speaker_and_are_read_again():
    written = "".join(table.pieces("textgrid", TURNS))
    read = textgrid.read(written, "a.wav")

    assert written.count('name = "Anna - turns"') == written.count('name = "Ben - turns"') == 1
    assert written.count('text = "Anna"') == 2
    assert (read.turns, read.segments, read.duration) == (TURNS.turns, (), 6.0)


def test_people_who_talk_at_once_have_their_words_in_their_own_tiers():
    row = (Segment(0.0, 3.0, "All the time.", speaker="A"), Segment(1.0, 2.0, "Yeah.", speaker="B"))
    read = textgrid.read("".join(table.pieces("textgrid", Transcript("a.wav", 3.0, row))), "a")

    assert [(s.start, s.end, s.speaker) for s in read.segments] == [(0.0, 3.0, "A"), (1.0, 2.0, "B")]


def test_names_that_look_the_same_share_a_tier_and_lose_nothing():
    row = (
        Segment(0.0, 1.0, "One.", speaker="A"),
        Segment(2.0, 3.0, "Two.", speaker="A\n"),
        Segment(4.0, 5.0, "Three."),
    )
    written = "".join(table.pieces("textgrid", Transcript("a.wav", 5.0, row)))

    assert written.count("IntervalTier") == 2
    assert all(f'text = "{said}"' in written for said in ("One.", "Two.", "Three."))


def test_turns_alone_are_labels_for_audacity():
    assert "".join(table.pieces("audacity", TURNS)) == (
        "0.000000\t3.000000\tAnna\n2.000000\t4.000000\tBen\n5.000000\t6.000000\tAnna\n"
    )


@pytest.mark.parametrize("name", ["txt", "srt", "vtt", "tsv", "ctm", "stm"])
def test_what_is_text_is_not_made_of_turns(name):
    with pytest.raises(DataError, match=f"{name} needs text: only who spoke when is known"):
        table.pieces(name, TURNS)


def test_json_marks_the_words_over_which_somebody_else_talks():
    row = tuple(Word(i * 0.5, i * 0.5 + 0.5, f" {t}") for i, t in enumerate("we are not there yet".split()))
    talk = Transcript(
        "a.wav",
        9.0,
        (Segment(0.0, 2.5, joined(row), row), Segment(4.0, 5.0, "No words."), Segment(6.0, 7.0, "Alone.")),
        (Turn(0.0, 2.5, "A"), Turn(0.7, 1.8, "B"), Turn(4.0, 5.0, "A"), Turn(4.5, 6.0, "B"), Turn(6.0, 7.0, "A")),
    )
    document = json.loads("".join(jsondoc.document(talk)))

    jsonschema.validate(document, jsondoc.schema())
    assert [w["word"] for w in document["word_segments"] if w.get("overlapped")] == ["are", "not", "there"]
    assert [s.get("overlapped") for s in document["segments"]] == [None, True, None]
    assert jsondoc.read(json.dumps(document), "a") == talk


def test_json_marks_nothing_where_nobody_talks_over_anybody():
    assert "overlapped" not in "".join(jsondoc.document(TALK))
    assert "overlapped" not in "".join(jsondoc.document(replace(TALK, turns=())))
