"""Frames of speech to utterances."""

import pytest

from speechcli.timeline.utterances import Utterance

FRAME = 0.032


def utterance(probabilities: list[float], start: float = 0.0) -> Utterance:
    """Frames from `start` on; 0.5 and more is speech."""
    made = Utterance(start, FRAME)
    for i, probability in enumerate(probabilities, 1):
        made.hear(start + i * FRAME, probability, probability >= 0.5)
    return made


def test_its_speech_is_in_stretches_and_its_end_is_that_of_the_last():
    made = utterance([0.9] * 10 + [0.1] * 5 + [0.9] * 2 + [0.2] * 20, start=5.0)

    assert made.spoken == [
        pytest.approx((5.0, 5.0 + 10 * FRAME)),
        pytest.approx((5.0 + 15 * FRAME, 5.0 + 17 * FRAME)),
    ]
    assert made.speech == pytest.approx(12 * FRAME)
    assert made.end == pytest.approx(5.0 + 17 * FRAME)


def test_without_speech_it_ends_where_it_begins():
    assert (utterance([0.1] * 9, 3.0).end, utterance([0.1] * 9, 3.0).speech) == (3.0, 0)


def test_an_hour_of_speech_without_a_pause_is_one_stretch():
    made = utterance([0.9] * 10_000, start=3000.0)

    assert len(made.spoken) == 1
    assert made.speech == pytest.approx(10_000 * FRAME)


def test_it_is_cut_in_the_middle_of_the_quietest_quarter_of_a_second_of_its_last_third():
    loud = [0.9] * 300
    loud[30:50] = [0.0] * 20  # the longest pause, but too far back
    loud[230:240] = [0.4] * 10
    loud[270] = 0.0  # the quietest frame, and alone

    cut = utterance(loud, start=2.0).weakest()

    assert cut == pytest.approx(2.0 + 235 * FRAME, abs=2 * FRAME)


def test_speech_as_loud_everywhere_is_still_cut_in_its_last_third_and_before_its_end():
    made = utterance([0.9] * 300)

    assert 200 * FRAME <= made.weakest() < made.end


def test_what_comes_after_a_cut_is_an_utterance_of_its_own():
    made = utterance([0.9] * 100 + [0.1] * 10 + [0.9] * 50)
    cut = 105 * FRAME

    rest = made.after(cut)

    assert rest.start == cut
    assert rest.spoken == [pytest.approx((110 * FRAME, 160 * FRAME))]
    assert rest.end == made.end
    assert made.after(made.end).spoken == []
