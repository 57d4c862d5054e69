"""Turns: what a diarizer gave takes the shape that is promised, and what a model wrote is turned into them."""

import random
from itertools import pairwise

import pytest

from speechcli.core.span import Span, to_ms, total
from speechcli.core.transcript import Segment, Turn, Voice
from speechcli.core.turns import tidied, tidied_with
from speechcli.timeline.turns import BREATH, turns_of


def test_turns_are_cut_at_the_ends_of_the_recording_and_what_lies_outside_goes():
    turns = [Turn(-2.0, 1.0, "x"), Turn(4.0, 7.0, "y"), Turn(6.0, 8.0, "z"), Turn(-3.0, -1.0, "w")]

    assert tidied(turns, 5.0) == (Turn(0.0, 1.0, "SPEAKER_00"), Turn(4.0, 5.0, "SPEAKER_01"))


def test_a_speakers_own_turns_that_overlap_or_touch_are_one_and_others_stay_apart():
    turns = [Turn(0.0, 1.0, "a"), Turn(1.0, 2.0, "a"), Turn(1.5, 3.0, "b"), Turn(1.8, 2.5, "a"), Turn(2.6, 2.7, "a")]

    assert tidied(turns, 9.0) == (
        Turn(0.0, 2.5, "SPEAKER_00"),
        Turn(1.5, 3.0, "SPEAKER_01"),
        Turn(2.6, 2.7, "SPEAKER_00"),
    )


def test_speakers_are_numbered_by_first_appearance_and_not_by_what_they_were_called():
    turns = [Turn(5.0, 6.0, "SPEAKER_00"), Turn(0.0, 1.0, "SPEAKER_02"), Turn(2.0, 3.0, "SPEAKER_01")]

    assert [turn.speaker for turn in tidied(turns, 9.0)] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02"]


def test_a_speaker_who_is_dropped_takes_no_number():
    turns = [Turn(0.0, 0.0, "nobody"), Turn(1.0, 1.0004, "a breath"), Turn(2.0, 3.0, "somebody")]

    assert tidied(turns, 9.0) == (Turn(2.0, 3.0, "SPEAKER_00"),)


@pytest.mark.parametrize("duration", [0.0, -1.0, 3.0])
def test_no_turns_and_no_recording_give_none(duration):
    assert tidied([], duration) == ()
    assert tidied([Turn(4.0, 5.0, "a")], duration) == ()


def test_voices_go_with_the_new_names_and_those_of_nobody_go():
    turns = [Turn(3.0, 4.0, "0"), Turn(1.0, 2.0, "1")]
    voices = [Voice("0", 1.0, (1.0, 0.0)), Voice("1", 1.0, (0.0, 1.0)), Voice("2", 1.0, (0.6, 0.8))]

    named, sounding = tidied_with(turns, voices, 9.0)

    assert named == (Turn(1.0, 2.0, "SPEAKER_00"), Turn(3.0, 4.0, "SPEAKER_01"))
    assert sounding == (Voice("SPEAKER_00", 1.0, (0.0, 1.0)), Voice("SPEAKER_01", 1.0, (1.0, 0.0)))


@pytest.mark.parametrize("seed", range(30))
def test_whatever_comes_in_the_promise_holds_and_nobody_loses_a_moment(seed):
    chance = random.Random(seed)
    starts = [chance.uniform(-2, 12) for _ in range(60)]
    turns = [
        Turn(start, start + chance.choice([0.0, 1e-4, 0.001, 0.3, 2.0]), chance.choice("abcd")) for start in starts
    ]

    found = tidied(turns, 10.0)

    assert list(found) == sorted(found, key=lambda turn: (turn.start, turn.end, turn.speaker))
    assert list(dict.fromkeys(turn.speaker for turn in found)) == [f"SPEAKER_{i:02d}" for i in range(4)]
    for speaker in {turn.speaker for turn in found}:
        own = [turn for turn in found if turn.speaker == speaker]
        assert all(0.0 <= to_ms(turn.start) < to_ms(turn.end) <= 10_000 for turn in own)
        assert all(to_ms(a.end) < to_ms(b.start) for a, b in pairwise(own))
    before = total(Span(max(0.0, t.start), min(10.0, t.end)) for t in turns if t.end > 0 and t.start < 10)
    assert total(found) == pytest.approx(before, abs=0.03)
    assert tidied(found, 10.0) == found


def test_sentences_of_one_speaker_are_one_turn_until_somebody_breathes_longer():
    told = [("0", 0.0, 2.0), ("0", 2.0 + BREATH, 4.0), ("0", 4.1 + BREATH, 6.0), ("1", 4.0, 4.3)]
    segments = [Segment(start, end, "So.", speaker=speaker) for speaker, start, end in told]

    assert turns_of(segments) == (
        Turn(0.0, 4.0, "0"),
        Turn(4.0, 4.3, "1"),
        Turn(4.1 + BREATH, 6.0, "0"),
    )


def test_music_that_a_model_wrote_down_is_nobodys_turn():
    segments = [Segment(0.0, 2.0, "[Music]"), Segment(2.0, 3.0, "Hello.", speaker="3")]

    assert turns_of(segments) == (Turn(2.0, 3.0, "3"),)
    assert turns_of([Segment(0.0, 2.0, "[Music]")]) == ()
