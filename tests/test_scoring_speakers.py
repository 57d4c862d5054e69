from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"

pytest.importorskip("pyannote.metrics", reason='scoring speakers wants pip install "speechcli[bench]"')


@pytest.fixture(scope="module")
def scoring() -> Iterator[ModuleType]:
    """benchmarks/scoring_speakers.py, which is no part of the package; its child process finds it by the same path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("scoring_speakers")


def rttm(path: Path, *turns: tuple[float, float, str], fields: int = 10) -> Path:
    tail = " <NA>" * (fields - 8)
    path.write_text("".join(f"SPEAKER r 1 {a} {round(b - a, 3)} <NA> <NA> {who}{tail}\n" for a, b, who in turns))
    return path


def test_missed_invented_and_confused_seconds_are_those_one_can_count(scoring: ModuleType) -> None:
    # a: 0..10, b: 10..20; found: x from 1 s on (1 missed), y from 12 on (2 of b given to a), 3 s after the end invented
    scored = scoring.score([(0, 10, "a"), (10, 20, "b")], [(1, 12, "x"), (12, 23, "y")], 30.0)
    errors = scored.errors[0]
    assert (errors.missed, errors.invented, errors.confused, errors.total) == pytest.approx((1, 3, 2, 20))
    assert errors.der == pytest.approx(30)
    assert scored.counts == (0,)


def test_the_collar_is_a_quarter_of_a_second_on_each_side_of_an_edge_of_the_reference(scoring: ModuleType) -> None:
    # edges at 0, 10 and 20 of the reference; scored are 0.25..9.75 and 10.25..19.75
    late = scoring.score([(0, 10, "a"), (10, 20, "b")], [(0.25, 10.25, "x"), (10.25, 19.75, "y")], 20.0)
    assert late.errors[1].total == pytest.approx(19)
    assert late.errors[1].der == pytest.approx(0)
    later = scoring.score([(0, 10, "a"), (10, 20, "b")], [(0, 11.25, "x"), (11.25, 20, "y")], 20.0)
    assert later.errors[1].confused == pytest.approx(1)


def test_overlapped_speech_counts_for_each_who_talks(scoring: ModuleType) -> None:
    scored = scoring.score([(0, 10, "a"), (5, 10, "b")], [(0, 10, "x")], 10.0)
    assert scored.errors[0].total == pytest.approx(15)
    assert scored.errors[0].missed == pytest.approx(5)
    assert scored.counts == (-1,)


def test_what_is_found_outside_of_the_reference_is_scored_to_the_end_of_the_recording(scoring: ModuleType) -> None:
    scored = scoring.score([(0, 4, "a")], [(0, 4, "x"), (50, 52, "x")], 60.0)
    assert scored.errors[0].invented == pytest.approx(2)


def test_pooling_adds_seconds_not_percents(scoring: ModuleType) -> None:
    short = scoring.score([(0, 1, "a")], [], 1.0)  # 100 % of 1 s
    long = scoring.score([(0, 99, "a")], [(0, 99, "x")], 99.0)  # 0 % of 99 s
    whole = scoring.pooled([short, long])
    assert whole.errors[0].der == pytest.approx(1)
    assert whole.counts == (-1, 0)
    assert whole.right == 50


def test_a_recording_in_which_nobody_speaks_is_right_when_nobody_is_found(scoring: ModuleType) -> None:
    assert scoring.score([], [], 10.0).errors[0].der == 0
    assert scoring.score([], [(1, 2, "x")], 10.0).errors[0].der == 100


def test_labels_that_change_are_seconds_that_each_part_alone_would_have_right(scoring: ModuleType) -> None:
    true = [(0, 10, "a"), (10, 20, "b"), (20, 30, "a"), (30, 40, "b")]
    kept = [(0, 10, "x"), (10, 20, "y"), (20, 30, "x"), (30, 40, "y")]
    swapped = [(0, 10, "x"), (10, 20, "y"), (20, 30, "y"), (30, 40, "x")]
    assert scoring.drift(true, kept, 40.0, 20.0) == pytest.approx(0)
    assert scoring.drift(true, swapped, 40.0, 20.0) == pytest.approx(20)


@pytest.mark.parametrize("fields", [9, 10])
def test_rttm_of_nine_and_of_ten_fields_is_read(scoring: ModuleType, tmp_path: Path, fields: int) -> None:
    path = rttm(tmp_path / "r.rttm", (0.5, 2.0, "a"), fields=fields)
    assert scoring.turns(path) == [(0.5, 2.0, "a")]


def test_scores_of_files_take_a_missing_answer_for_nothing_found(scoring: ModuleType, tmp_path: Path) -> None:
    reference = rttm(tmp_path / "true.rttm", (0.0, 5.0, "a"))
    right, missing = scoring.scores([(reference, reference, 5.0), (reference, tmp_path / "none.rttm", 5.0)])
    assert right.errors[0].der == 0
    assert missing.errors[0].der == 100


def test_cpwer_forgives_names_and_counts_words_of_the_wrong_speaker_twice(scoring: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("meeteval", reason='scoring words of speakers wants pip install "speechcli[bench]"')
    pytest.importorskip("whisper_normalizer", reason='scoring words of speakers wants pip install "speechcli[bench]"')
    stm = tmp_path / "true.stm"
    stm.write_text("r 1 anna 0 2 <o,f0> good morning all\nr 1 ben 2 4 hello, Anna\n")
    words = [("Good", "S1"), ("morning", "S1"), ("all.", "S1"), ("Hello", "S0"), ("Anna", "S0")]
    found = tmp_path / "found.json"

    def attributed(*speakers: str) -> tuple[int, int]:
        rows = [
            {"word": word, "start": i / 2, "end": i / 2 + 0.4, "speaker": who}
            for i, ((word, _), who) in enumerate(zip(words, speakers, strict=True))
        ]
        segment = {"start": 0.0, "end": 2.5, "text": "Good morning all. Hello Anna", "speaker": "S1", "words": rows}
        found.write_text(json.dumps({"segments": [segment]}))
        result = scoring.attributed(scoring.said(stm), scoring.said_words(found))
        return result.errors, result.words

    assert attributed("S1", "S1", "S1", "S0", "S0") == (0, 5)
    assert attributed("S1", "S1", "S0", "S0", "S0") == (2, 5)  # missing of one, put into the other
    assert attributed("S1", "S1", "S1", "S1", "S1") == (4, 5)
    missing = scoring.attributed(scoring.said(stm), scoring.said_words(tmp_path / "none.json"))
    assert (missing.errors, missing.words) == (5, 5)


def test_segments_without_speakers_are_whose_turns_are_longest_in_them(scoring: ModuleType, tmp_path: Path) -> None:
    found = tmp_path / "plain.json"
    rows = [{"start": 0.0, "end": 4.0, "text": "Yes. Well, no"}, {"start": 9.0, "end": 10.0, "text": "Hm"}]
    found.write_text(json.dumps({"segments": rows}))
    turns = rttm(tmp_path / "turns.rttm", (0.0, 1.0, "a"), (1.0, 3.0, "b"), (3.0, 3.5, "a"))
    assert scoring.said_segments(found, turns) == [(0.0, 4.0, "b", "Yes. Well, no"), (9.0, 10.0, "", "Hm")]
