"""WER and CER equal jiwer's, and errors are marked at the transcript's own words."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from speechcli.core.transcript import Segment, Transcript, Word
from speechcli.errors import UnavailableError, UsageError
from speechcli.formats.html.beside import Mark
from speechcli.scoring.normal import normal, normalizer
from speechcli.scoring.rates import pooled
from speechcli.scoring.words import aligned, cer, marks, told, wer

pytest.importorskip("jiwer", reason='scoring words wants pip install "speechcli[bench]"')
pytest.importorskip("whisper_normalizer", reason='scoring words wants pip install "speechcli[bench]"')

CASES = Path(__file__).parents[1] / "data" / "scoring"
SPOKEN = json.loads((CASES / "wer_cases.json").read_text())


def transcript(*segments: str, words: bool = True) -> Transcript:
    """Each segment's words a second long; `words=False`: text alone."""
    out, at = [], 0.0
    for text in segments:
        row = tuple(Word(at + i, at + i + 1, f" {word}") for i, word in enumerate(text.split())) if words else ()
        out.append(Segment(at, at + len(text.split()), text, row))
        at += len(text.split())
    return Transcript("talk.wav", at, tuple(out))


@pytest.mark.parametrize(("text", "expected"), json.loads((CASES / "whisper_normalizer_pairs.json").read_text()))
def test_the_english_normalizer_gives_what_whispers_own_tests_expect(text: str, expected: str) -> None:
    assert normal(text) == expected


def test_normalizers_differ_as_their_names_say() -> None:
    text = "Well, it's the 2nd\n\tcolour (laughs)"

    assert normal(text, "none") == "Well, it's the 2nd colour (laughs)"
    assert normal(text, "basic") == "well it s the 2nd colour"
    assert normal(text, "english") == "well it is the 2nd color"


def test_an_unknown_normalizer_is_refused_with_a_near_name() -> None:
    with pytest.raises(UsageError, match="did you mean english"):
        normalizer("englisch")
    with pytest.raises(UsageError, match="basic"):
        wer("a", "b", "lower")


@pytest.mark.parametrize("case", SPOKEN, ids=lambda case: case["id"])
def test_words_and_characters_are_counted_as_in_published_cases(case: dict) -> None:
    rate = wer(case["ref"], case["hyp"], "none")

    assert dict(rate.parts) == {"substituted": case["sub"], "deleted": case["dele"], "inserted": case["ins"]}
    assert rate.value == pytest.approx(case["wer"], abs=1e-6)
    assert cer(case["ref"], case["hyp"], "none").value == pytest.approx(case["cer"], abs=1e-6)


@pytest.mark.parametrize("flag", [(), ("--cer",)], ids=["wer", "cer"])
def test_the_sum_over_files_equals_jiwers_command_line(tmp_path: Path, flag: tuple[str, ...]) -> None:
    spoken = [case for case in SPOKEN if case["id"].startswith("librispeech")]
    (tmp_path / "ref.txt").write_text("".join(f"{normal(case['ref'])}\n" for case in spoken))
    (tmp_path / "hyp.txt").write_text("".join(f"{normal(case['hyp'])}\n" for case in spoken))
    command = [sys.executable, "-c", "from jiwer.cli import cli; cli()", "-r", "ref.txt", "-h", "hyp.txt", *flag]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    ours = pooled((cer if flag else wer)(case["ref"], case["hyp"]) for case in spoken)
    assert 0 < float(done.stdout) == pytest.approx(ours.value, abs=1e-12)


def test_an_empty_reference_makes_all_that_was_heard_inserted() -> None:
    assert wer("", "thank you for watching").parts == (("substituted", 0), ("deleted", 0), ("inserted", 4))
    assert wer("", "thank you").length == 0
    assert wer("", "thank you").value is None
    assert wer("uh, [music]", "").errors == 0
    assert cer("", "ab", "none").parts[2] == ("inserted", 2)
    assert wer("thank you", "").parts[1] == ("deleted", 2)
    assert pooled([wer("a b", "a b"), wer("", "c")]).value == 0.5


def test_without_jiwer_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jiwer", None)

    with pytest.raises(UnavailableError, match=r"speechcli\[score\]"):
        wer("a", "b", "none")


def test_both_texts_stand_side_by_side_as_they_are_counted() -> None:
    assert aligned("the black cat sat down here", "a the cat sits down", "none") == [
        ("inserted", (), ("a",)),
        ("equal", ("the",), ("the",)),
        ("deleted", ("black",), ()),
        ("equal", ("cat",), ("cat",)),
        ("substituted", ("sat",), ("sits",)),
        ("equal", ("down",), ("down",)),
        ("deleted", ("here",), ()),
    ]


@pytest.mark.parametrize(
    ("segments", "reference", "expected"),
    [
        (("a b c",), "a b c", []),
        (("a x c",), "a b c", [Mark("substituted", 0, 1, 2, "b")]),
        (("a b c",), "a c", [Mark("inserted", 0, 1, 2, "")]),
        (("a c",), "a b c", [Mark("deleted", 0, 1, 1, "b")]),
        (("a", "c"), "a b c", [Mark("deleted", 0, 1, 1, "b")]),
        (("c",), "a b c", [Mark("deleted", 0, 0, 0, "a b")]),
        (("a",), "a b c", [Mark("deleted", 0, 1, 1, "b c")]),
        (("twenty five men",), "25 men", []),
        (("twenty five men",), "35 men", [Mark("substituted", 0, 0, 2, "35")]),
        (("25 men",), "thirty-five men", [Mark("substituted", 0, 0, 1, "35")]),
        (("he won't go",), "he will go", [Mark("substituted", 0, 1, 2, "will")]),
        (("he won't go",), "he will now go", [Mark("substituted", 0, 1, 2, "will now")]),
        (("he won't go",), "he will not go", []),
        (("uh, so um I went",), "So I went", []),
        (("uh, so um I went",), "So I want", [Mark("substituted", 0, 4, 5, "want")]),
        (
            ("it was twenty", "five men"),
            "it was 26 men",
            [Mark("substituted", 0, 2, 3, "26"), Mark("substituted", 1, 0, 1, "26")],
        ),
        (("", "b"), "a b", [Mark("deleted", 0, 0, 0, "a")]),
    ],
)
def test_errors_are_marked_at_the_words_of_the_transcript(
    segments: tuple[str, ...], reference: str, expected: list[Mark]
) -> None:
    for words in (True, False):
        found, rate = marks(transcript(*segments, words=words), reference)

        assert list(found) == expected
        assert rate == wer(reference, "\n".join(segments))


def test_a_word_with_something_missing_beside_it_counts_from_the_word_before() -> None:
    found, _ = marks(transcript("one two", "three"), "one two and a half three", "none")

    assert found == (Mark("deleted", 0, 2, 2, "and a half"),)


def test_without_segments_nothing_is_marked_and_all_is_missing() -> None:
    found, rate = marks(Transcript("talk.wav", 5.0), "a b")

    assert found == ()
    assert rate.parts[1] == ("deleted", 2)


POOL = (
    "uh twenty twenty-five five hundred and a half won't he's been Mr. Müller's $20 million (laughs loudly) "
    "colour color one oh one 1960s -- … I I gonna let's 3rd third percent per cent [music playing] o'clock"
).split()


@pytest.mark.parametrize("normaliser", ["english", "basic", "none"])
def test_marks_are_valid_in_order_and_tell_of_every_error_whatever_the_normaliser_joins(normaliser: str) -> None:
    for seed in range(120):
        draw = random.Random(seed)
        rows = [" ".join(draw.choices(POOL, k=draw.randint(0, 9))) for _ in range(3)]
        reference = " ".join(word for word in " ".join(rows).split() if draw.random() > 0.1)
        reference += " " + " ".join(draw.choices(POOL, k=draw.randint(0, 2)))
        heard = transcript(*rows, words=bool(seed % 2))

        found, rate = marks(heard, reference, normaliser)

        assert rate == wer(reference, heard.text, normaliser)
        assert bool(found) == bool(rate.errors)
        assert [(m.segment, m.first, m.last) for m in found] == sorted((m.segment, m.first, m.last) for m in found)
        covered = set()
        for mark in found:
            assert 0 <= mark.first <= mark.last <= len(rows[mark.segment].split())
            assert (mark.first == mark.last) == (mark.kind == "deleted")
            assert (mark.reference == "") == (mark.kind == "inserted")
            own = {(mark.segment, i) for i in range(mark.first, mark.last)}
            assert not own & covered
            covered |= own


def test_words_that_are_not_marked_are_what_the_reference_says() -> None:
    """Put right at its marks, a transcript has no errors."""
    for case in SPOKEN:
        heard = transcript(case["hyp"])
        found, _ = marks(heard, case["ref"], "none")
        words = case["hyp"].split()
        for mark in reversed(found):
            words[mark.first : mark.last] = mark.reference.split()

        assert " ".join(words) == case["ref"]


def test_the_line_on_a_score_names_the_normaliser() -> None:
    assert told(wer("a b c d", "a b c x", "none"), "none") == "WER 25.0 % (1 of 4 words), normalizer none"
    assert told(wer("", "x", "none"), "none") == "WER (1 of 0 words), normalizer none"
