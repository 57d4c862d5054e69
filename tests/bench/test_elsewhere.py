"""Transcripts that somebody made, as `bench --transcripts` takes them: found, read, scored for what they can say."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechcli.bench import elsewhere, gather
from speechcli.bench.measure import Measured
from speechcli.core.transcript import Turn
from speechcli.media.files import Input
from speechcli.scoring.references import Reference, beside, read
from speechcli.scoring.score import Options, metrics_of

pytest.importorskip("jiwer", reason='scores want pip install "speechcli[bench]"')
STM = "{0} 1 A 0 2 <o,f0> good morning\n{0} 1 B 2 4 <o,m0> hello anna\n"


def talks(folder: Path, *places: str) -> list[Input]:
    """Recordings, as far as their names matter."""
    rows = []
    for place in places:
        path = folder / "talks" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        rows.append(Input(path, f"talks/{place}", folder / "talks"))
    return rows


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def scored(folder: Path, recordings: list[Input], metrics: str) -> gather.System:
    """The one system of a result, against the STM beside each recording."""
    known: dict[Path, Reference] = {}
    for one in recordings:
        put(one.path.with_suffix(".stm"), STM.format(one.path.stem))
        known[one.path] = read(beside(one.path), one.name)
    gathering = gather.Gathering(metrics_of(metrics), Options("basic", 0.0), gather.Gold({}, known))
    for event in elsewhere.transcripts(folder, recordings):
        gathering.take(event)
    (system,) = gathering.result(complete=True).systems
    return system


def heard(folder: Path, recordings: list[Input]) -> list[Measured]:
    return list(elsewhere.transcripts(folder, recordings))


def test_what_was_kept_of_a_tree_is_found_again_though_names_are_there_twice(tmp_path: Path) -> None:
    rows = talks(tmp_path, "a/talk.flac", "b/talk.flac")
    for place in ("a", "b"):
        put(tmp_path / "kept" / "talks" / place / "talk.flac.txt", f"I am {place}.")

    found = heard(tmp_path / "kept", rows)

    assert [one.transcript.text if one.transcript else one.error for one in found] == ["I am a.", "I am b."]


def test_where_nobody_can_tell_which_one_is_meant_it_is_said(tmp_path: Path) -> None:
    rows = talks(tmp_path, "a/talk.flac")
    for place in ("x", "y"):
        put(tmp_path / "kept" / place / "talk.txt", "Which?")

    (one,) = heard(tmp_path / "kept", rows)

    assert one.transcript is None
    assert "transcripts in 2 places" in one.error


def test_names_before_lines_are_no_words(tmp_path: Path) -> None:
    rows = talks(tmp_path, "talk.flac")
    put(tmp_path / "theirs" / "talk.txt", "[SPEAKER_00]: Good morning.\n[SPEAKER_01]: Hello, Anna.\n")

    (run,) = scored(tmp_path / "theirs", rows, "wer").runs

    assert run.scores["wer"].errors == 0
    assert run.text == "good morning hello anna"


def test_turns_of_an_rttm_are_scored_as_they_stand(tmp_path: Path) -> None:
    rows = talks(tmp_path, "talk.flac")
    row = "SPEAKER talk 1 {} {} <NA> <NA> x <NA> <NA>\n"
    put(tmp_path / "theirs" / "talk.rttm", row.format(0, 2) + row.format(1, 2))

    (one,) = heard(tmp_path / "theirs", rows)

    assert one.transcript is not None
    assert one.transcript.turns == (Turn(0, 2, "x"), Turn(1, 3, "x"))


@pytest.mark.parametrize(
    ("suffix", "spoken", "metrics", "none"),
    [
        ("rttm", "SPEAKER a 1 0 2 <NA> <NA> x <NA> <NA>\n", "wer,cer", "the transcript has no text"),
        ("txt", "good morning hello anna", "cpwer,tcpwer,der", "the transcript has no speakers"),
    ],
)
def test_one_in_which_nobody_was_heard_does_not_stand_for_all(
    tmp_path: Path, suffix: str, spoken: str, metrics: str, none: str
) -> None:
    if "cpwer" in metrics:
        pytest.importorskip("meeteval", reason='cpWER wants pip install "speechcli[bench]"')
    rows = talks(tmp_path, "a.flac", "b.flac")
    put(tmp_path / "theirs" / f"a.{suffix}", spoken)
    put(tmp_path / "theirs" / f"b.{suffix}", "")

    runs = scored(tmp_path / "theirs", rows, metrics).runs

    assert [run.scores for run in runs] == [{}, {}]
    assert all(why == none for run in runs for why in run.lacking.values())
    assert set(runs[1].lacking) == set(metrics_of(metrics))


def test_who_tells_speakers_has_missed_all_where_it_heard_nothing(tmp_path: Path) -> None:
    pytest.importorskip("meeteval", reason='cpWER wants pip install "speechcli[bench]"')
    rows = talks(tmp_path, "a.flac", "b.flac")
    put(tmp_path / "theirs" / "a.stm", STM.format("a"))
    put(tmp_path / "theirs" / "b.stm", "")

    runs = scored(tmp_path / "theirs", rows, "wer,cpwer").runs

    assert [run.scores["cpwer"].value for run in runs] == [0, 1]
    assert [run.scores["wer"].value for run in runs] == [0, 1]
