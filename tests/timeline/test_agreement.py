"""Which words of two hypotheses are one, and where what is new begins."""

import itertools

import pytest

from speechcli.core.transcript import Word
from speechcli.timeline.agreement import agreed, beyond, same


def row(text: str, start: float = 0.0, step: float = 0.5) -> list[Word]:
    """Words one after the other, each 0.4 s long."""
    return [Word(start + i * step, start + i * step + 0.4, f" {word}") for i, word in enumerate(text.split())]


def rest(done: list[Word], heard: list[Word]) -> str:
    return " ".join(word.text.strip() for word in heard[beyond(done, heard) :])


@pytest.mark.parametrize(
    ("one", "other"),
    [(" Don't,", " dont"), (" STRASSE", " straße"), (" “Hello”", " hello."), (" 你好。", "你好"), (" ...", " ...")],
)
def test_words_are_one_whatever_their_case_and_marks(one, other):
    assert same(Word(0, 1, one)) == same(Word(0, 1, other)) != ""


@pytest.mark.parametrize(("one", "other"), [(" two", " too"), (" ...", " !"), (" a", " an")])
def test_words_of_other_letters_are_not_one(one, other):
    assert same(Word(0, 1, one)) != same(Word(0, 1, other))


@pytest.mark.parametrize(
    ("before", "now", "n"),
    [
        ("", "a b", 0),
        ("a b", "", 0),
        ("a b c", "A, b c d", 3),
        ("a b c d", "a b", 2),
        ("a b c", "a x c", 1),  # what comes after the first difference is not settled
        ("x b c", "a b c", 0),
    ],
)
def test_hypotheses_agree_up_to_the_first_word_that_differs(before, now, n):
    assert agreed(row(before), row(now)) == n


@pytest.mark.parametrize(
    ("done", "heard", "left"),
    [
        ("", "a b c", "a b c"),
        ("a b", "", ""),
        ("a b c", "a b c", ""),
        ("the cat sat", "the cat sat on the mat", "on the mat"),
        ("the cat sat", "The cat, sat on", "on"),
        ("the cat sat", "the kat sat on", "on"),  # respelled
        ("the cat sat", "the cat sad on", "on"),  # the last of them too
        ("in the beginning was", "beginning was the word", "the word"),  # the first ones are not heard any more
        ("go go go", "go go go go stop", "go stop"),  # said once more, not heard once more
        ("we saw the cat", "we saw cat run", "run"),  # one of them is missing
    ],
)
def test_what_is_new_begins_behind_what_is_settled(done, heard, left):
    assert rest(row(done), row(heard)) == left


def test_a_word_that_is_only_heard_now_among_settled_ones_moves_nothing():
    done = row("we saw cat")
    heard = [*row("we saw"), Word(0.9, 1.0, " the"), Word(1.0, 1.4, " cat"), Word(1.5, 1.9, " run")]

    assert rest(done, heard) == "run"


def test_of_words_said_twice_the_time_tells_which_are_settled():
    again = row("no no no no")

    assert [beyond(again[:n], again) for n in range(5)] == [0, 1, 2, 3, 4]


def test_a_settled_word_that_is_not_heard_again_takes_nothing_with_it():
    done = row("before", start=3.5)

    assert rest(done, row("and after", start=4.0)) == "and after"
    assert rest(done, row("fore and after", start=3.5)) == "and after"  # half of it is


def test_a_long_past_is_matched_where_one_word_was_added_and_another_lost():
    letters = [f"{a}{b}" for a, b in itertools.product("abcdef", "uvwxyz")]
    done, heard = row(" ".join(letters)), row(" ".join([*letters[:10], "um", *letters[10:20], *letters[21:], "new"]))

    assert rest(done, heard) == "new"
