"""Edges of words are compared where both sides have the same word, in milliseconds, above zero for late."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from speechcli.core.transcript import Word
from speechcli.scoring.boundaries import WITHIN, boundary, paired_share, summary
from speechcli.scoring.rates import pooled

pytest.importorskip("jiwer", reason='scoring words wants pip install "speechcli[bench]"')
pytest.importorskip("whisper_normalizer", reason='scoring words wants pip install "speechcli[bench]"')

LABELLED = Path(__file__).parents[1] / "data"


def row(*words: tuple[str, float, float]) -> tuple[Word, ...]:
    return tuple(Word(start, end, f" {text}") for text, start, end in words)


HAND = row(("Good", 0.1, 0.5), ("morning,", 0.7, 1.2), ("Anna.", 1.5, 2.0))


def test_distances_are_signed_start_and_end_in_turn() -> None:
    found = row(("good", 0.15, 0.45), ("morning", 0.7, 1.2), ("anna", 1.4996, 2.2))

    rate, distances = boundary(HAND, found)

    assert distances == (50, -50, 0, 0, 0, 200)
    assert rate.parts == (("distance", 300),)
    assert rate.length == 6
    assert rate.value == 50
    assert paired_share(HAND, found) == 1


def test_only_words_that_both_have_are_compared() -> None:
    found = row(("good", 0.1, 0.5), ("evening", 5.0, 6.0), ("dear", 6.0, 7.0), ("anna", 1.6, 2.0))

    rate, distances = boundary(HAND, found)

    assert distances == (0, 0, 100, 0)
    assert rate.length == 4
    assert paired_share(HAND, found) == pytest.approx(2 / 3)


def test_a_word_that_is_two_on_the_other_side_is_left_out_and_its_neighbours_are_not() -> None:
    wanted = row(("I'm", 1.0, 2.0), ("here", 2.0, 3.0))
    got = row(("I", 1.1, 1.5), ("am", 1.6, 2.3), ("here", 2.1, 3.0))

    assert boundary(wanted, got)[1] == (100, 0)
    assert paired_share(wanted, got) == 0.5
    assert boundary(wanted, wanted)[1] == (0, 0, 0, 0)


def test_a_number_of_several_words_has_the_outer_edges_of_all() -> None:
    wanted = row(("25", 1.0, 2.0), ("men", 2.0, 3.0))
    got = row(("twenty", 1.1, 1.5), ("five", 1.6, 2.3), ("men", 2.0, 3.0))

    assert boundary(wanted, got)[1] == (100, 300, 0, 0)
    assert paired_share(got, wanted) == 1


def test_words_of_a_language_without_blanks_are_compared_one_by_one() -> None:
    wanted = (Word(0.0, 0.4, "今"), Word(0.4, 0.8, "日"))
    found = (Word(0.1, 0.4, "今"), Word(0.4, 0.9, "日"))

    assert boundary(wanted, found, "basic")[1] == (100, 0, 0, 100)


def test_hand_labelled_words_moved_by_a_known_amount_are_off_by_that() -> None:
    words = json.loads((LABELLED / "mary.words.json").read_text())
    rows = words["words"] if isinstance(words, dict) else words
    hand = row(*((one["word"], one["start"], one["end"]) for one in rows))
    late = tuple(word.moved(word.start + 0.03, word.end + 0.03) for word in hand)

    rate, distances = boundary(hand, late)

    assert rate.value == pytest.approx(30)
    assert set(distances) == {30}
    assert rate.length == 2 * len(hand) > 4


def test_a_summary_says_how_many_edges_are_how_near() -> None:
    found = summary((-10, 20, 30, -200, 500))

    assert found is not None
    assert (found.median, found.mean, found.bias) == (30, 152, 20)
    assert found.p95 == pytest.approx(440)
    assert dict(found.within) == {20: 0.4, 50: 0.6, 100: 0.6, 200: 0.8}
    assert tuple(dict(found.within)) == WITHIN
    assert summary(()) is None


def test_without_words_there_is_nothing_to_compare() -> None:
    assert boundary(HAND, ())[0].length == 0
    assert boundary((), HAND) == boundary((), ())
    assert paired_share((), HAND) is None


def test_sums_over_files_are_of_edges() -> None:
    rates = [boundary(HAND, HAND)[0], boundary(HAND[:1], row(("good", 0.5, 0.9)))[0]]

    assert pooled(rates).value == 100  # 800 ms over 8 edges
