"""DER equals pyannote.metrics', its collar is that of md-eval and dscore, and sums over files add."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from speechcli.core.span import Span
from speechcli.core.transcript import Transcript, Turn
from speechcli.errors import UnavailableError
from speechcli.scoring.rates import pooled
from speechcli.scoring.references import Found, read
from speechcli.scoring.score import Options, score
from speechcli.scoring.speakers import der

pytest.importorskip("pyannote.metrics", reason='scoring speakers wants pip install "speechcli[bench]"')

CASES = Path(__file__).parents[1] / "data" / "scoring"
PERTURBED = json.loads((CASES / "der_cases.json").read_text())
THEIRS = {"missed": "missed detection", "false alarm": "false alarm", "confusion": "confusion"}


def turns(rows: list) -> list[Turn]:
    return [Turn(*row) for row in rows]


@pytest.mark.parametrize("collar", ["0", "0.25", "0.5"])
@pytest.mark.parametrize("case", PERTURBED, ids=lambda case: case["id"])
def test_seconds_are_counted_as_in_cases_of_known_score(case: dict, collar: str) -> None:
    expected = case["expected"][f"collar{collar}_overlap"]

    rate = der(turns(case["ref"]), turns(case["hyp"]), [Span(*case["uem"])], float(collar))

    assert rate.length == pytest.approx(expected["total"], abs=1e-3)
    for name, amount in rate.parts:
        assert amount == pytest.approx(expected[THEIRS[name]], abs=1e-3), name
    if rate.value is not None:
        assert rate.value == pytest.approx(expected["diarization error rate"], abs=1e-4)


def test_the_expectations_of_pyannotes_and_dscores_own_tests_are_met() -> None:
    pyannote, dscore = json.loads((CASES / "der_published.json").read_text())

    rate = der(turns(pyannote["ref"]), turns(pyannote["hyp"]), 40.0, 0.0)
    assert rate.value == pytest.approx(pyannote["expected"]["der"])
    assert [amount for _, amount in rate.parts] == pytest.approx([2, 7, 7])
    rate = der(turns(dscore["ref"]), turns(dscore["hyp"]), [Span(*dscore["uem"])], 0.0)
    assert 100 * (rate.value or 0) == pytest.approx(dscore["expected"]["der_percent"], abs=1e-5)


def test_the_files_of_dscore_give_what_it_publishes() -> None:
    reference = read(Found((CASES / "dscore" / "ref.rttm",)), "FILE1.wav")
    found = read(Found((CASES / "dscore" / "sys.rttm",)), "FILE1.wav")
    heard = Transcript("FILE1.wav", 43.0, turns=found.turns or ())

    scores = score(heard, reference, ("der",), Options(collar=0.0))

    assert 100 * (scores.rates["der"].value or 0) == pytest.approx(26.39309, abs=1e-5)


def test_the_collar_is_on_each_side_of_an_edge_of_the_reference() -> None:
    late = der([Turn(0, 10, "a"), Turn(10, 20, "b")], [Turn(0, 10.25, "x"), Turn(10.25, 20, "y")], 20.0, 0.25)

    assert late.length == pytest.approx(19)
    assert late.errors == pytest.approx(0)


def test_where_nobody_speaks_all_that_is_found_is_a_false_alarm() -> None:
    rate = der([], [Turn(1, 3, "x")], 10.0, 0.0)

    assert rate.parts == (("missed", 0.0), ("false alarm", 2.0), ("confusion", 0.0))
    assert rate.value is None


def test_turns_of_one_speaker_that_overlap_count_both_as_pyannote_has_it_and_a_note_says_so(tmp_path: Path) -> None:
    row = "SPEAKER t 1 {} {} <NA> <NA> a <NA> <NA>\n"
    (tmp_path / "t.rttm").write_text(row.format(0, 6) + row.format(4, 6))
    reference = read(Found((tmp_path / "t.rttm",)), "t.wav")

    rate = der(reference.turns or (), [Turn(0, 10, "x")], 10.0, 0.0)

    assert rate.length == pytest.approx(12)
    assert dict(rate.parts)["missed"] == pytest.approx(2)
    assert reference.notes == (
        "t.rttm: a turn overlaps another one of the same speaker: both count, as pyannote.metrics has it",
    )


def test_without_pyannote_metrics_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyannote.metrics.diarization", None)

    with pytest.raises(UnavailableError, match=r"speechcli\[score\]"):
        der([], [], 1.0, 0.0)


def test_files_and_their_sum_equal_pyannotes_command_line(tmp_path: Path) -> None:
    pytest.importorskip("tabulate", reason='its command line wants pip install "pyannote.metrics[cli]"')
    cases = [case for case in PERTURBED if case["id"].endswith("drop20")]
    ref, hyp, uem = (tmp_path / name for name in ("ref.rttm", "hyp.rttm", "all.uem"))
    for path, side in ((ref, "ref"), (hyp, "hyp")):
        path.write_text(
            "".join(
                f"SPEAKER {case['uri']} 1 {a:.3f} {b - a:.3f} <NA> <NA> {who} <NA> <NA>\n"
                for case in cases
                for a, b, who in case[side]
            )
        )
    uem.write_text("".join(f"{case['uri']} 1 {case['uem'][0]} {case['uem'][1]}\n" for case in cases))
    (tmp_path / "all.lst").write_text("".join(f"{case['uri']}\n" for case in cases))
    (tmp_path / "database.yml").write_text(
        "Protocols:\n  Cases:\n    SpeakerDiarization:\n      Y:\n        test:\n"
        f"          uri: {tmp_path}/all.lst\n          annotation: {ref}\n          annotated: {uem}\n"
    )
    command = [sys.executable, "-c", "from pyannote.metrics.cli import main; main()", "diarization", "--collar=0.5"]
    done = subprocess.run(
        [*command, "Cases.SpeakerDiarization.Y", str(hyp)],
        env={**os.environ, "PYANNOTE_DATABASE_CONFIG": str(tmp_path / "database.yml")},
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    numbers = {line.split()[0]: re.findall(r"\d+\.\d+", line) for line in done.stdout.splitlines() if "." in line}

    rates = {}
    for case in cases:
        name = f"{case['uri']}.wav"
        heard = Transcript(name, case["uem"][1], turns=read(Found((hyp,)), name).turns or ())
        rates[case["uri"]] = score(heard, read(Found((ref, uem)), name), ("der",)).rates["der"]
    rates["TOTAL"] = pooled(rates.values())
    assert rates["TOTAL"].errors > 1
    for uri, rate in rates.items():
        value, _, _, total, _, _, alarm, _, missed, _, confusion, _ = map(float, numbers[uri])
        assert 100 * (rate.value or 0) == pytest.approx(value, abs=0.0051)
        assert rate.length == pytest.approx(total, abs=0.0051)
        assert [amount for _, amount in rate.parts] == pytest.approx([missed, alarm, confusion], abs=0.0051)


def test_ignored_stretches_and_a_uem_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.rttm").write_text("SPEAKER t 1 0 10 <NA> <NA> a <NA> <NA>\n")
    (tmp_path / "t.uem").write_text("t 1 0 6\nt 1 5 8\n")
    (tmp_path / "t.stm").write_text("t 1 x 0 2 <o,,> ignore_time_segment_in_scoring\nt 1 a 2 10 <o,,> hello\n")
    reference = read(Found(tuple(sorted(tmp_path.iterdir()))), "t.wav")

    rate = score(Transcript("t", 10.0, turns=(Turn(0, 5, "x"),)), reference, ("der",), Options(collar=0)).rates["der"]

    assert rate.length == pytest.approx(6)  # 2 to 8
    assert dict(rate.parts)["missed"] == pytest.approx(3)
