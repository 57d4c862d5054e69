"""How unknown English words are said."""

import random
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pocketsphinx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechcli.spoken import phones
from speechcli.spoken.phones import PHONES, pronounce

WEIGHTS = Path(phones.__file__).with_name("g2p_en.npz")


@pytest.fixture(scope="module")
def dictionary() -> dict[str, list[list[str]]]:
    """CMUdict as it comes with pocketsphinx: word -> its pronunciations."""
    words = defaultdict(list)
    for line in Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")).read_text().splitlines():
        word, *sounds = line.split()
        words[re.sub(r"\(\d+\)$", "", word)].append(sounds)
    return words


@pytest.mark.parametrize(
    ("word", "sounds"),
    [
        ("test", "T EH S T"),
        ("Kubernetes", "K AH B ER N AH T S"),
        ("FBI", "EH F B IY AY"),
        ("html", "EY CH T IY EH M EH L"),
        ("ESPN", "IY EH S P IY EH N"),
        ("DVDs", "D IY V IY D IY Z"),
        ("MP3", "EH M P IY TH R IY"),
        ("x", "EH K S"),
        ("YouTube", "Y UW T UW B"),
        ("iPhone", "AY F OW N"),
        ("McDonald", "M AH K D AA N AH L D"),
        ("Zoë", "Z OW"),
        ("Łódź", "L AA D Z"),
        ("blog's", "B L AA G Z"),
        ("blogs’", "B L AA G Z"),
        ("grep's", "G R EH P S"),
        ("fox's", "F AA K S IH Z"),
        ("mightn't", "M AY T AH N T"),
        ("they'll", "DH EY AH L"),
        ("rock-solid", "R AA K S AA L AH D"),
    ],
)
def test_a_word_is_said(word, sounds):
    assert " ".join(pronounce(word)) == sounds


@pytest.mark.parametrize("word", ["", "—", "…", "'", "Привет", "今日", "♪", "\u0301"])
def test_what_has_no_latin_letter_and_no_digit_has_no_phones(word):
    assert pronounce(word) == ()


def test_parts_that_a_dictionary_knows_are_said_as_it_says():
    known = {"zelensky": ("Z", "EH", "L"), "tube": ("T", "UW", "B"), "cafe": ("K", "AH", "F", "EY")}

    def look_up(word):
        return known.get(word, ())

    assert pronounce("Zelensky's", look_up) == ("Z", "EH", "L", "Z")
    assert pronounce("FooTube", look_up)[-3:] == ("T", "UW", "B")
    assert pronounce("café", look_up) == ("K", "AH", "F", "EY")


def test_the_words_of_cmudict_come_out_nearly_as_it_has_them(dictionary):
    """One phone in twelve is wrong over a thousand words; the sample is smaller."""
    words = random.Random(7).sample([word for word in dictionary if word.isalpha()], 300)

    wrong = total = 0
    for word in words:
        said = pronounce(word)
        assert set(said) <= PHONES
        errors, length = min((distance(said, right), len(right)) for right in dictionary[word])
        wrong += errors
        total += length

    assert wrong / total < 0.12


def test_the_phones_are_those_of_the_acoustic_models_dictionary(dictionary):
    assert {sound for ways in dictionary.values() for way in ways for sound in way} == PHONES


@pytest.mark.parametrize("word", ["speech", "zelenskyy", "transcriptionist", "q", "aaaaaaaaaaaaaaaaaaaa"])
def test_the_network_computes_what_pytorchs_gru_computes(word):
    with np.load(WEIGHTS, allow_pickle=False) as file:
        arrays = {name: torch.from_numpy(file[name].astype(np.float32)) for name in file.files}
    encoder, decoder = gru(arrays, "enc"), gru(arrays, "dec")
    with torch.no_grad():
        letters = torch.tensor([ord(letter) - ord("a") + 3 for letter in word] + [2])
        _, state = encoder(arrays["enc_emb"][letters].unsqueeze(1))
        row, rows = 2, []
        while len(rows) < 2 * len(word) + 2:
            out, state = decoder(arrays["dec_emb"][row].view(1, 1, -1), state)
            row = int((out.view(-1) @ arrays["fc_w"].T + arrays["fc_b"]).argmax())
            if row == 3:
                break
            rows.append(row)

    assert list(phones._rows(phones._network(), word)) == rows


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300) | st.text("abcXYZ'’-19é", max_size=300))
def test_any_text_gives_a_bounded_number_of_known_phones_always_the_same(text):
    said = pronounce(text)

    assert set(said) <= PHONES
    assert len(said) <= 600
    phones._predicted.cache_clear()
    assert pronounce(text) == said


def test_a_word_of_a_million_letters_is_no_work():
    assert pronounce("ab" * 500_000) == pronounce("ab" * 50)


def gru(arrays, name) -> torch.nn.GRU:
    size = arrays[f"{name}_w_hh"].shape[1]
    layer = torch.nn.GRU(arrays[f"{name}_emb"].shape[1], size)
    layer.load_state_dict(
        {
            "weight_ih_l0": arrays[f"{name}_w_ih"],
            "weight_hh_l0": arrays[f"{name}_w_hh"],
            "bias_ih_l0": arrays[f"{name}_b_ih"],
            "bias_hh_l0": arrays[f"{name}_b_hh"],
        }
    )
    return layer


def distance(a, b) -> int:
    """Levenshtein's."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]
