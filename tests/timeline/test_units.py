"""Words cut into characters, and lines taken whole."""

import doctest
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechcli.core.span import tidy
from speechcli.core.transcript import Segment, Transcript, Word, joined
from speechcli.timeline import units
from speechcli.timeline.units import characters, in_units

WORDS = (Word(1.0, 1.4, "Is", 0.9, "A", "aligner"), Word(1.5, 1.9, "\nit?", 0.5, "A", "aligner"), Word(2.0, 2.1, " I"))
TALK = Transcript("a.wav", 3.0, (Segment(0.5, 2.5, "Is\nit? I", WORDS, "A"),))


def test_words_stay_as_they_are() -> None:
    assert in_units(TALK, "word") == TALK


def test_characters_share_the_time_of_their_word_and_say_that_they_are_guessed() -> None:
    (segment,) = in_units(TALK, "character").segments

    assert [(w.text, w.start, w.end) for w in segment.words] == [
        ("I", 1.0, 1.2), ("s", 1.2, 1.4), ("\ni", 1.5, 1.633), ("t", 1.633, 1.766), ("?", 1.766, 1.9), (" I", 2.0, 2.1),
    ]  # fmt: skip
    assert [w.placed for w in segment.words] == ["interpolated"] * 5 + ["model"]
    assert [w.confidence for w in segment.words] == [0.9, 0.9, 0.5, 0.5, 0.5, None]
    assert segment.text == "Is\nit? I"


def test_lines_have_no_words_and_the_time_of_what_is_said_in_them() -> None:
    assert in_units(TALK, "line").segments == (Segment(1.0, 2.1, "Is\nit? I", (), "A"),)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (" नमस्ते", [" न", "म", "स्", "ते"]),
        ("שָׁלוֹם", ["שָׁ", "ל", "וֹ", "ם"]),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", ["\u1112\u1161\u11ab", "\u1100\u1173\u11af"]),
        ("👍🏽👨‍👩‍👧!", ["👍🏽", "👨‍👩‍👧", "!"]),
        ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
        ("می\u200cخواهم", ["م", "ی\u200c", "خ", "و", "ا", "ه", "م"]),
        ("\u0301a", ["\u0301", "a"]),
        (" ", []),
    ],
)
def test_marks_and_joined_signs_stay_with_what_they_belong_to(text: str, cut: list[str]) -> None:
    assert characters(text) == cut


@given(st.text(min_size=1, max_size=12).filter(str.strip), st.integers(0, 10**6), st.integers(1, 2000))
def test_characters_join_to_the_word_and_fill_its_time_without_an_empty_one(text: str, start: int, length: int) -> None:
    word = Word(start / 1000, (start + length) / 1000, f" {text.strip()}", 0.5)
    segment = Segment(word.start, word.end, text.strip(), (word,))
    (spelled,) = in_units(Transcript("a", 9e3, (segment,)), "character").segments
    parts = spelled.words

    assert joined(parts) == segment.text
    assert (parts[0].start, parts[-1].end) == (word.start, word.end)
    assert all(w.start < w.end for w in parts)
    assert all(a.end == b.start for a, b in pairwise(parts))
    if length >= len(parts):
        assert all(tidy(w.start) < tidy(w.end) for w in parts)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(units).failed == 0
