"""Texts that repeat themselves, beside what was heard of them."""

import random
import time

import pytest

from speechcli.timeline.matching import side_by_side

PRAYER = (
    "hail mary full of grace the lord is with thee blessed art thou among women and blessed is the fruit of thy womb"
    " jesus holy mary mother of god pray for us sinners now and at the hour of our death amen"
).split()


def heard_of(text: list[str], seed: int) -> tuple[list[str], list[int]]:
    """Words as a recogniser gives them, one in ten wrong and one in twenty missing, and which of the text each is."""
    chance = random.Random(seed)
    kept = [i for i in range(len(text)) if chance.random() > 0.05]
    return ["".join(chance.choices("bdgkz", k=6)) if chance.random() < 0.1 else text[i] for i in kept], kept


@pytest.mark.parametrize("n_times", [2, 4, 20, 53])
def test_a_text_that_says_the_same_again_and_again_is_found_where_it_is_said(n_times):
    text = PRAYER * n_times
    heard, source = heard_of(text, n_times)

    blocks = side_by_side(text, heard)

    assert [i for b in blocks for i in range(b.text, b.text_stop)] == list(range(len(text)))
    assert [j for b in blocks for j in range(b.heard, b.heard_stop)] == list(range(len(heard)))
    right = sum(b.agrees and source[b.heard] == b.text for b in blocks)
    assert right > 0.8 * len(text)


def test_what_follows_on_a_repeated_text_and_is_not_written_is_left_alone():
    heard, _ = heard_of(PRAYER * 20, 1)
    speech = [f"word{k}" for k in range(300)]

    blocks = side_by_side(PRAYER * 20, heard + speech)

    assert not any(b.agrees for b in blocks if b.heard >= len(heard))
    assert sum(b.agrees for b in blocks) > 0.8 * 20 * len(PRAYER)


def test_an_hour_of_one_word_takes_seconds():
    began = time.process_time()
    blocks = side_by_side(["om"] * 10_000, ["om"] * 9_000)

    assert sum(b.agrees for b in blocks) > 8_900
    assert time.process_time() - began < 20
