"""How words are spelt in the vocabularies of CTC models: letters in one case or the other, and pieces of words."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from speechcli.backends.spelling import Letters, Pieces, speller
from speechcli.numerics.trellis import WILDCARD

TINY = Path(__file__).parent.parent / "tiny"
MARK = 99


def letters(alphabet: str) -> Letters:
    return Letters({letter: i for i, letter in enumerate(alphabet, start=1)}, MARK)


def read(alphabet: str, word: str) -> str:
    """The tokens of a word as text: `*` for a wildcard, `|` for the mark between words."""
    signs = {WILDCARD: "*", MARK: "|"} | dict(enumerate(alphabet, start=1))
    return "".join(signs[i] for i in letters(alphabet).spelt(word))


UPPER, LOWER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ'", "abcdefghijklmnopqrstuvwxyz'"


@pytest.mark.parametrize(
    ("alphabet", "word", "spelt"),
    [
        (UPPER, " Stuff", "STUFF"),
        (LOWER, " Stuff", "stuff"),
        (UPPER + LOWER, " Stuff", "Stuff"),
        (LOWER, " modern.”", "modern"),
        (UPPER, " don’t", "DON'T"),
        (UPPER, " ’twas 'so'", "TWAS|SO"),
        (LOWER.strip("'"), " don't", "dont"),
        (UPPER, " twenty-one", "TWENTY|ONE"),
        (LOWER, " café", "cafe"),
        (LOWER + "é", " café", "café"),
        (LOWER + "é", " cafe\u0301", "café"),
        (LOWER, " Straße", "strasse"),
        (LOWER + "ß", " Straße", "straße"),
        (LOWER, " naïveté", "naivete"),
        (LOWER, " x²", "x*"),
        (LOWER + "2", " x²", "x2"),
        (LOWER, " привет", "*"),
        (LOWER, " tschüß-мир", "tschuss|*"),
        ("привет", " Привет", "привет"),
        (LOWER, " 3rd", "*rd"),
        (LOWER, " —", ""),
        (LOWER, " …»", ""),
        (LOWER, "", ""),
        ("안녕", "안녕", "안녕"),
        ("\u1112\u1161\u11ab", "한", "\u1112\u1161\u11ab"),
        ("की", "की", "की"),
        ("क", "की", "क"),
    ],
)
def test_letters_are_in_the_vocabularys_case_and_what_it_lacks_is_a_wildcard(alphabet, word, spelt):
    assert read(alphabet, word) == spelt


def test_no_sign_of_the_vocabulary_itself_is_ever_spelt():
    vocabulary = {"<pad>": 0, "|": 1, "<": 2, ">": 3, ".": 4, "a": 5}

    assert Letters(vocabulary, 1).spelt(" <pad>|a.") == [WILDCARD, 5, WILDCARD, 1, 5]


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(TINY / "hf-ctc", local_files_only=True)


@pytest.mark.parametrize("word", [" Stuff", "STUFF", " “stuff”", " stuff,", "ſtuff"])
def test_pieces_are_those_of_the_tokenizer_for_the_word_as_the_vocabulary_has_it(tokenizer, word):
    found = speller(tokenizer)

    assert isinstance(found, Pieces)
    assert tokenizer.convert_ids_to_tokens(found.spelt(word)) == ["▁stuff"]
    assert found.mark is None


@pytest.mark.parametrize(
    ("word", "spelt"),
    [(" прямо", ["*"]), (" stuffж", ["▁stuff", "*"]), (" жstuff", ["*", "st", "uff"]), (" 42", ["*"]), (" …", [])],
)
def test_what_the_tokenizer_does_not_know_is_one_wildcard(tokenizer, word, spelt):
    tokens = speller(tokenizer).spelt(word)

    assert ["*" if i == WILDCARD else tokenizer.convert_ids_to_tokens(i) for i in tokens] == spelt


def test_a_word_of_two_has_the_pieces_of_both(tokenizer):
    spell = speller(tokenizer).spelt

    assert spell(" you-have") == [*spell("you"), *spell("have")]
