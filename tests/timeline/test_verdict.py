"""How far a transcript can be trusted."""

import pytest

from speechcli.core.span import Span
from speechcli.core.transcript import Dropped, Heard, Segment, Verdict, Word
from speechcli.timeline.gaps import unheard
from speechcli.timeline.verdict import judge, language_of
from speechcli.timeline.windows import Window


def segment(start: float, end: float, placed: str = "model", language: str | None = None) -> Segment:
    return Segment(start, end, "word", (Word(start, end, " word", placed=placed),), language=language)


def test_coverage_is_time_of_words_over_time_of_speech():
    verdict = judge([segment(0, 6)], [], [Span(0, 12)])

    assert verdict.coverage == 0.5
    assert verdict.speech == 12
    assert verdict.gaps == (Span(6, 12),)


def test_without_speech_coverage_is_unknown_and_nothing_is_wrong():
    assert judge([], [], []) == Verdict(coverage=None, speech=0.0)
    assert judge([], [], []).status == "ok"


def test_loops_guesses_and_what_was_dropped_are_counted():
    heard = [Heard(loops=1, dropped=(Dropped(1, 2, "x", "loop"),)), Heard(loops=2)]

    verdict = judge([segment(0, 1), segment(1, 2, "interpolated")], heard, [Span(0, 2)])

    assert (verdict.loops, verdict.guessed, len(verdict.dropped)) == (3, 1, 1)


@pytest.mark.parametrize(
    ("coverage", "speech", "status"),
    [
        (0.24, 10, "failed"),
        (0.25, 10, "warning"),
        (0.59, 10, "warning"),
        (0.6, 10, "ok"),
        (0.0, 9.9, "ok"),
        (None, 0, "ok"),
    ],
)
def test_status_follows_the_floors_where_enough_was_spoken(coverage, speech, status):
    assert Verdict(coverage=coverage, speech=speech).status == status


def test_a_file_cut_short_is_a_warning():
    assert Verdict(coverage=1, speech=20, complete=False).status == "warning"


def test_unheard_finds_the_tail_a_model_left_out_but_not_a_breath():
    window = Window((0,), Span(0, 30), Span(0, 30), (Span(0, 10), Span(10.5, 29)))

    (part,) = unheard(window, [segment(i, i + 1) for i in range(15)])

    assert part.index == (0, 0)
    assert part.heard.start == pytest.approx(14.7)
    assert part.heard.end == pytest.approx(29.3)


def test_unheard_does_not_try_a_third_time():
    window = Window((0, 0, 0), Span(0, 30), Span(0, 30), (Span(0, 30),))

    assert unheard(window, []) == []


def test_language_is_the_one_spoken_longest():
    assert language_of([segment(0, 1, language="de"), segment(1, 5, language="en")]) == "en"
    assert language_of([segment(0, 1)]) is None
