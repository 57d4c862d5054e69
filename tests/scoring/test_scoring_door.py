"""One door: what a reference allows is scored, and what it does not is told in a line."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from speechcli.core.span import Span
from speechcli.core.transcript import Segment, Stage, Transcript, Turn, Word
from speechcli.errors import UsageError
from speechcli.scoring.rates import METRICS
from speechcli.scoring.references import Reference
from speechcli.scoring.score import Options, available, metrics_of, score
from speechcli.scoring.words import wer

for package in ("jiwer", "whisper_normalizer", "pyannote.metrics", "meeteval"):
    pytest.importorskip(package, reason='scoring wants pip install "speechcli[bench]"')


def segment(start: float, text: str, speaker: str | None) -> Segment:
    """A word a second."""
    words = tuple(Word(start + i, start + i + 1, f" {word}") for i, word in enumerate(text.split()))
    return Segment(start, start + len(words), text, words, speaker)


ROWS = (segment(0, "Good morning all.", "anna"), segment(3, "Hello, Anna.", "ben"))
WHOLE = Reference(
    files=(Path("talk.stm"),),
    text="Good morning all.\nHello, Anna.",
    segments=ROWS,
    words=tuple(word for row in ROWS for word in row.words),
    turns=(Turn(0, 3, "anna"), Turn(3, 5, "ben")),
)
TALK = Transcript("talk.wav", 6.0, (segment(0, "good morning hall", "S0"), segment(3, "hello Anna", "S1")))
MUTE = replace(TALK, segments=tuple(replace(s, speaker=None, words=()) for s in TALK.segments))


def test_all_that_the_reference_allows_is_scored() -> None:
    scores = score(TALK, WHOLE)

    assert set(scores.rates) == set(METRICS)
    assert scores.lacking == {}
    assert {metric: rate.errors for metric, rate in scores.rates.items()} == {
        "wer": 1,
        "cer": 1,
        "cpwer": 1,
        "tcpwer": 1,
        "der": 0,
        "boundary": 0,
    }
    assert scores.text == "good morning hall hello anna"
    assert scores.reference == "good morning all hello anna"
    assert scores.distances == (0,) * 8
    assert scores.notes == ()


def test_what_the_reference_does_not_say_is_told_and_the_rest_is_scored() -> None:
    text = score(TALK, Reference((), text=WHOLE.text))
    turns = score(TALK, Reference((), turns=WHOLE.turns))

    assert set(text.rates) == {"wer", "cer"}
    assert text.lacking == {
        "cpwer": "the reference does not say who said what",
        "tcpwer": "the reference does not say who said what",
        "der": "the reference does not say who speaks when",
        "boundary": "the reference has no times of words",
    }
    assert set(turns.rates) == {"der"}
    assert turns.lacking["wer"] == turns.lacking["cpwer"] == "the reference has no text"
    some = replace(WHOLE, segments=(ROWS[0], replace(ROWS[1], speaker=None)))
    assert score(TALK, some).lacking["cpwer"] == "the reference does not say who said 1 of 2 segments"


def test_what_the_transcript_lacks_is_told() -> None:
    plain = score(MUTE, WHOLE)
    turns = score(Transcript("talk.wav", 6.0, turns=WHOLE.turns or ()), WHOLE)

    assert set(plain.rates) == {"wer", "cer"}
    assert plain.lacking["cpwer"] == plain.lacking["der"] == "the transcript has no speakers"
    assert plain.lacking["boundary"] == "the transcript has no times of words in 2 of 2 segments"
    assert turns.rates["der"].errors == 0
    assert turns.lacking["wer"] == "the transcript has no text"


def test_a_transcript_of_nothing_misses_everything() -> None:
    scores = score(Transcript("talk.wav", 6.0), WHOLE)

    assert scores.lacking == {}
    assert [scores.rates[metric].value for metric in ("wer", "cer", "cpwer", "tcpwer", "der")] == [1] * 5


def test_who_was_asked_for_words_and_heard_none_has_missed_them_all() -> None:
    stages = (Stage("transcribe", "an engine", "a"), Stage("diarize", "another", "b"))

    scores = score(Transcript("talk.wav", 6.0, turns=WHOLE.turns or (), made_by=stages), WHOLE)

    assert [scores.rates[metric].value for metric in ("wer", "cer", "cpwer", "tcpwer")] == [1] * 4


def test_only_what_is_asked_for_is_scored_and_told() -> None:
    scores = score(MUTE, WHOLE, metrics_of("cer,der"))

    assert set(scores.rates) == {"cer"}
    assert set(scores.lacking) == {"der"}


def test_a_metric_that_fails_does_not_keep_the_others_from_being_scored() -> None:
    crowd = tuple(segment(i, "hello", str(i)) for i in range(25))

    scores = score(Transcript("talk.wav", 30.0, crowd), WHOLE)

    assert scores.lacking == {
        "cpwer": "the transcript has 25 speakers and meeteval takes 20",
        "tcpwer": "the transcript has 25 speakers and meeteval takes 20",
    }
    assert "wer" in scores.rates


def test_words_in_the_middle_of_ignored_stretches_do_not_count() -> None:
    reference = replace(WHOLE, ignored=(Span(2.0, 3.0),), text="good morning hello anna")

    scores = score(TALK, reference, ("wer", "der"))

    assert scores.rates["wer"].errors == 0
    assert scores.rates["der"].length == pytest.approx(1.75 + 1.5)  # 0.25 to 2, 3.25 to 4.75
    assert (
        score(MUTE, replace(reference, ignored=(Span(0.0, 3.0),), text="hello anna"), ("wer",)).rates["wer"].errors == 0
    )


def test_the_recordings_end_tells_where_false_alarms_end() -> None:
    late = Transcript("talk.wav", 5.0, turns=(Turn(0, 3, "x"), Turn(3, 5, "y"), Turn(50, 52, "x")))

    assert score(late, WHOLE, ("der",), duration=60.0).rates["der"].errors == pytest.approx(2)
    assert score(late, WHOLE, ("der",)).rates["der"].errors == 0


def test_the_normaliser_is_the_one_that_was_asked_for() -> None:
    assert score(TALK, WHOLE, ("wer",), Options("none")).rates["wer"] == wer(WHOLE.text or "", TALK.text, "none")
    with pytest.raises(UsageError, match="there is no normalizer"):
        score(TALK, WHOLE, ("der",), Options("upper"))


def test_the_reference_of_another_recording_is_suspected() -> None:
    other = Reference((Path("talk.txt"),), text="the quick brown fox jumps over the lazy dog today")

    assert score(TALK, other, ("wer",)).notes == (
        "hardly a word in common with talk.txt: is this the right reference?",
    )
    assert score(Transcript("talk.wav", 6.0), other, ("wer",)).notes == ()


def test_the_english_normalizer_on_another_language_is_worth_a_note() -> None:
    german = replace(TALK, language="de")

    assert score(german, WHOLE, ("wer",)).notes == ("the normalizer english is not for de: basic is",)
    assert score(german, WHOLE, ("wer",), Options("basic")).notes == ()


def test_metrics_are_named_by_a_list_and_a_wrong_name_gets_a_near_one() -> None:
    assert metrics_of("DER, wer,wer") == ("der", "wer")
    with pytest.raises(UsageError, match="there is no metric 'cpwr'; did you mean cpwer"):
        metrics_of("wer,cpwr")
    with pytest.raises(UsageError, match="no metric is named"):
        metrics_of(" , ")


def test_what_is_not_installed_is_told_in_a_line_and_the_rest_works(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = tuple(METRICS)

    assert available(everything) == (everything, ())
    monkeypatch.setattr("speechcli.scoring.score.find_spec", lambda name: None if name == "meeteval" else sys)
    metrics, lines = available(everything)
    assert metrics == ("wer", "cer", "der", "boundary")
    assert lines == (
        "no cpwer, tcpwer: meeteval is not installed "
        '(pip install "speechcli[bench]"; it is a source package that needs a C++ compiler, '
        "and all else works without)",
    )
    monkeypatch.setattr("speechcli.scoring.score.find_spec", lambda name: None if name == "whisper_normalizer" else sys)
    assert available(everything)[0] == ("der",)
    assert available(everything, "none") == (everything, ())


def test_without_meeteval_everything_else_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "meeteval.io", None)

    scores = score(TALK, WHOLE)

    assert set(scores.rates) == {"wer", "cer", "der", "boundary"}
    assert "C++ compiler" in scores.lacking["tcpwer"]
