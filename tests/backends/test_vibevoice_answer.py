"""What VibeVoice writes, whole and damaged, to segments."""

import itertools
import json
import random
import time

import pytest

from speechcli.backends.vibevoice_answer import read
from speechcli.core.transcript import Segment

ROWS = [
    {"Start": 0.0, "End": 7.56, "Speaker": 0, "Content": 'He said "no", and {left} [early]: twice.'},
    {"Start": 7.56, "End": 9.1, "Speaker": 1, "Content": "Don't go, Zoë. 你好"},
    {"Start": 9.1, "End": 10, "Content": "[Environmental Sounds]"},
    {"Start": 10, "End": 12.25, "Speaker": 0, "Content": "I\\we must."},
]
ANSWER = json.dumps(ROWS, separators=(",", ":"))
SPOKEN = (
    Segment(0.0, 7.56, 'He said "no", and {left} [early]: twice.', (), "0"),
    Segment(7.56, 9.1, "Don't go, Zoë. 你好", (), "1"),
    Segment(10.0, 12.25, "I\\we must.", (), "0"),
)


def rows(*texts: str, step: float = 1.0) -> str:
    return json.dumps([{"Start": i * step, "End": (i + 1) * step, "Content": t} for i, t in enumerate(texts)])


@pytest.mark.parametrize(
    "text",
    [
        ANSWER,
        "assistant\n" + ANSWER + "\n",
        "<|im_start|>assistant\n" + ANSWER + "<|im_end|>\n<|endoftext|>",
        "Sure! Here is the transcript:\n```json\n" + json.dumps(ROWS, indent=2) + "\n```\nCan I help you further?",
        ANSWER[:-1] + ",]",
        ANSWER.replace('"}', '", }'),
        json.dumps(ROWS, ensure_ascii=False),
        '{"segments": ' + ANSWER + "}",
        repr(ROWS),  # single quotes
        ANSWER.replace('"Start"', '"Start time"').replace('"End"', '"End time"').replace('"Speaker"', '"Speaker ID"'),
        ANSWER.replace('"Start"', "Start").replace('"Content"', "content"),
        "\n".join(json.dumps(row) for row in ROWS),
    ],
    ids="plain header marks fenced comma commas unicode wrapped single older bare lines".split(),
)
def test_the_same_answer_in_other_clothes_is_the_same_answer(text):
    answer = read(text, 12.25)

    assert answer.segments == SPOKEN
    assert (answer.cut, answer.loops, answer.notes, answer.dropped) == (None, 0, (), ())


def test_an_answer_cut_at_any_character_gives_its_complete_segments_and_where_to_go_on():
    for stop in range(len(ANSWER)):
        answer = read("assistant\n" + ANSWER[:stop], 60.0)

        complete = sum(ANSWER[:stop].count(end) for end in ('twice."}', '597d"}', 'must."}'))
        assert answer.segments == SPOKEN[:complete], ANSWER[:stop]
        assert answer.cut == (SPOKEN[complete - 1].end if complete else 0.0)
        assert answer.notes


def test_no_string_makes_it_raise():
    dice = random.Random(3)
    for _ in range(10_000):
        letters = list(ANSWER)
        for _ in range(dice.randint(1, 12)):
            i = dice.randrange(len(letters))
            if (what := dice.random()) < 0.4:
                letters[i] = dice.choice("{}[]\",:'\\eE-.0 9\nuN<|>\ud800\x00")
            elif what < 0.7:
                del letters[i]
            else:
                letters[i:i] = letters[dice.randrange(len(letters)) :][: dice.randint(1, 40)]

        answer = read("".join(letters), 12.25)

        assert all(0 <= s.start <= s.end <= 12.25 and s.text for s in answer.segments)
        assert all(a.start <= b.start for a, b in itertools.pairwise(answer.segments))
        assert answer.cut is None or 0 <= answer.cut <= 12.25


@pytest.mark.parametrize(
    "part", ["{", '{"a":"', '"', "{'Content':", '{"Content":"}', "}{'", '{"Start":1,', "no ", "\\"]
)
def test_a_long_hostile_string_takes_no_long_time(part):
    began = time.monotonic()

    read('[{"Start":0,"End":1,"Content":"' + part * (130_000 // len(part)), 10.0)
    read(part * (130_000 // len(part)), 10.0)

    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [
        ('"00:01:02"', '"00:01:03.5"', (62.0, 63.5)),
        ('"1:02"', '"1:03,5"', (62.0, 63.5)),
        ('"62.0s"', '"63.5"', (62.0, 63.5)),
        ("6.2e1", "63.5", (62.0, 63.5)),
        ("62", "99999", (62.0, 70.0)),  # past the end
        ("-3", "63.5", (0.0, 63.5)),
        ("63.5", "62", (62.0, 63.5)),  # backwards
        ("NaN", "63.5", (0.0, 63.5)),  # after what was before, which is nothing
        ("62", "NaN", (62.0, 62.2)),  # as long as the text takes
        ("62", "1e999", (62.0, 62.2)),
        ("62", "null", (62.0, 62.2)),
        ("6" * 5000, "63.5", (0.0, 63.5)),
        ("62", "[1, 2]", None),
    ],
)
def test_times_of_any_kind_lie_inside_the_sound(start, end, wanted):
    answer = read(f'[{{"Start":{start},"End":{end},"Speaker":0,"Content":"So."}}]', 70.0)

    found = [(round(s.start, 3), round(s.end, 3)) for s in answer.segments]
    assert found == ([wanted] if wanted else [])
    assert wanted in ((62.0, 63.5), None) or sum("times put right" in note for note in answer.notes) == 1 or end == "62"


def test_a_segment_after_the_end_of_the_sound_is_taken_out_and_told():
    answer = read(rows("One.", "Two.", "Three.", step=5.0), 10.0)

    assert [s.text for s in answer.segments] == ["One.", "Two."]
    assert [(d.text, d.reason) for d in answer.dropped] == [("Three.", "after the end of the sound")]


def test_segments_come_in_the_order_of_their_starts_and_going_back_is_told():
    answer = read('[{"Start":50,"End":52,"Content":"b"},{"Start":3,"End":4,"Content":"a"}]', 60.0)

    assert [s.text for s in answer.segments] == ["a", "b"]
    assert answer.notes == ("times put right that the model gave: 1",)


@pytest.mark.parametrize(
    ("told", "speaker"),
    [
        ('"Speaker":0,', "0"),
        ('"Speaker":"12",', "12"),
        ('"Speaker ID":"Speaker 3",', "3"),
        ('"Speaker":1.0,', "1"),
        ('"Speaker":"N/A",', None),
        ('"Speaker":null,', None),
        ('"Speaker":-1,', None),
        ('"Speaker":"",', None),
        ("", None),
        ('"Speaker":"Anna",', "Anna"),
        ('"Speaker":1,"Speaker":2,', "2"),
    ],
)
def test_a_speaker_is_a_label_or_nobody(told, speaker):
    (segment,) = read(f'[{{"Start":1,"End":2,{told}"Content":"So."}}]', 9.0).segments

    assert segment.speaker == speaker


@pytest.mark.parametrize("content", ["[Silence]", "[Environmental Sounds]", "[Music] [Noise]", "", "   ", "[Music]."])
def test_what_is_no_speech_is_no_segment(content):
    answer = read(json.dumps([{"Start": 0, "End": 9, "Content": content}]), 9.0)

    assert answer.segments == ()
    assert answer.cut is None
    assert not answer.notes


def test_nothing_said_is_no_fault_and_no_json_is_one():
    assert (read("assistant\n[]\n", 9.0).cut, read("[ ]", 9.0).notes) == (None, ())
    for text in ("", "assistant\n", "I cannot transcribe this.", "[", '{"error": "too long"', "!!!!!!!!"):
        answer = read(text, 9.0)

        assert (answer.segments, answer.cut) == ((), 0.0)
        assert answer.notes[0] == "the model's answer could not be read"


@pytest.mark.parametrize(
    ("damaged", "kept"),
    [
        ('{"Start":1,"End":2,"Content":"He said "no" to me."}', ['He said "no" to me.']),
        ('{"Start":1,"End":2,"Content":"open},{"Start":2,"End":3,"Content":"next"}', ["open", "next"]),
        ('{"Start":1,"End":2,"Content":"a\nb"}', ["a b"]),
        ('{"Start":1,"End":2,"Content":["x"]},{"Start":2,"End":3,"Content":"next"}', ["next"]),
        ('{"Start":1,"End":2,"Content":"\\ud83d\\ude00 \\ud800"}', ["😀 \ufffd"]),
        ('{"Start":1,"End":2,"Content":"a<|im_end|>b"}', ["ab"]),
    ],
)
def test_one_damaged_segment_costs_no_other(damaged, kept):
    answer = read(f"[{damaged}]", 9.0)

    assert [s.text for s in answer.segments] == kept


@pytest.mark.parametrize("n_before", [0, 1, 3])
@pytest.mark.parametrize("round_", [["Thank you for watching."], ["I see it.", "You see it too."]])
def test_a_loop_of_segments_is_cut_after_its_first_round_and_the_rest_is_heard_again(round_, n_before):
    before = [f"Sentence number {i}." for i in range(n_before)]

    answer = read(rows(*before, *round_ * 9), 100.0)

    assert [s.text for s in answer.segments] == [*before, *round_]
    assert answer.loops == 1
    assert answer.cut == n_before + len(round_)
    assert len(answer.dropped) == 8 * len(round_)
    assert {d.reason for d in answer.dropped} == {"repetition loop"}


def test_a_loop_without_an_end_is_cut_where_the_last_whole_segment_ends():
    answer = read(
        rows("One sentence.")[:-1] + ', {"Start": 1.0, "End": 9.0, "Content": "so ' + "and so on " * 300, 60.0
    )

    assert [s.text for s in answer.segments] == ["One sentence."]
    assert (answer.loops, answer.cut) == (1, 1.0)


def test_going_back_to_the_beginning_and_saying_all_again_is_a_loop():
    once = rows("One sentence.", "Another one.", "A third.")[:-1]

    answer = read(once + ", " + once[1:] + "]", 60.0)

    assert [s.text for s in answer.segments] == ["One sentence.", "Another one.", "A third."]
    assert (answer.loops, answer.cut) == (1, 3.0)


def test_people_who_say_yes_again_and_again_are_no_loop():
    answer = read(rows(*["Yes."] * 8, "No, no, no, no."), 9.0)

    assert len(answer.segments) == 9
    assert (answer.loops, answer.cut) == (0, None)


def test_a_cut_answer_that_reaches_the_end_of_the_sound_needs_no_second_hearing():
    answer = read(rows("One.", "Two.", step=5.0)[:-1], 10.2)

    assert answer.cut is None
    assert answer.notes == ("the model's answer stops in the middle",)
