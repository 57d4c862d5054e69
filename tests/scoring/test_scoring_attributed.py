"""cpWER and tcpWER equal meeteval's, also its command line's on the same files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from speechcli.core.transcript import Segment, Transcript, Word
from speechcli.errors import DataError, UnavailableError
from speechcli.scoring.attributed import by_speaker, cpwer, tcpwer
from speechcli.scoring.rates import Rate, pooled
from speechcli.scoring.references import Found, folder, read
from speechcli.scoring.score import Options, score

pytest.importorskip("meeteval", reason="meeteval is a source package that needs a C++ compiler")

CASES = Path(__file__).parents[1] / "data" / "scoring"
EXAMPLE = CASES / "meeteval"


def said(texts: dict[str, str]) -> list[Segment]:
    return [Segment(0.0, 1.0, text, speaker=who) for who, text in texts.items()]


def counts(rate: Rate) -> dict[str, float]:
    return {**dict(rate.parts), "length": rate.length}


@pytest.mark.parametrize("case", json.loads((CASES / "cpwer_cases.json").read_text()), ids=lambda case: case["id"])
def test_cpwer_is_counted_as_in_cases_of_known_score(case: dict) -> None:
    rate = cpwer(said(case["ref"]), said(case["hyp"]), "none")

    assert (rate.errors, rate.length) == (case["errors"], case["length"])
    assert rate.value == pytest.approx(case["cpwer"], abs=1e-6)


@pytest.mark.parametrize(
    ("metric", "options"), [("cpwer", ()), ("tcpwer", ("--collar", "5")), ("tcpwer", ("--collar", "1"))]
)
@pytest.mark.parametrize("suffix", ["stm", "seglst.json"])
def test_files_and_their_sum_equal_meetevals_command_line(
    tmp_path: Path, metric: str, options: tuple[str, ...], suffix: str
) -> None:
    pytest.importorskip("simplejson", reason='its command line wants pip install "meeteval[cli]"')
    command = [sys.executable, "-m", "meeteval.wer", metric, *options]
    command += ["-r", str(EXAMPLE / f"ref.{suffix}"), "-h", str(EXAMPLE / f"hyp.{suffix}")]
    command += ["--per-reco-out", str(tmp_path / "each.json"), "--average-out", str(tmp_path / "all.json")]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    theirs = json.loads((tmp_path / "each.json").read_text()) | {"sum": json.loads((tmp_path / "all.json").read_text())}

    place, rates = folder(EXAMPLE / f"ref.{suffix}"), {}
    for name in ("recordingA", "recordingB"):
        found = read(Found((EXAMPLE / f"hyp.{suffix}",)), name)
        heard = Transcript(name, 10.0, found.segments or ())
        asked = Options("none", tcp_collar=float(options[-1]) if options else 5.0)
        rates[name] = score(heard, read(place.of(Path(name)), name), (metric,), asked).rates[metric]
    rates["sum"] = pooled(rates.values())

    assert rates["sum"].errors > 0
    for name, rate in rates.items():
        assert counts(rate) == {
            "substituted": theirs[name]["substitutions"],
            "deleted": theirs[name]["deletions"],
            "inserted": theirs[name]["insertions"],
            "length": theirs[name]["length"],
        }, name


def test_the_names_of_speakers_do_not_matter_and_words_of_the_wrong_one_count_twice() -> None:
    reference = [Segment(0, 2, "Good morning all.", speaker="anna"), Segment(2, 4, "hello, Anna", speaker="ben")]
    right = [Segment(0, 2, "good morning, all", speaker="1"), Segment(2, 4, "Hello Anna", speaker="0")]
    wrong = [Segment(0, 1.5, "good morning", speaker="1"), Segment(1.5, 4, "all hello anna", speaker="0")]

    assert cpwer(reference, right).errors == 0
    assert counts(cpwer(reference, wrong)) == {"substituted": 0, "deleted": 1, "inserted": 1, "length": 5}


def test_words_far_from_their_time_count_for_tcpwer_alone() -> None:
    reference = [Segment(0, 2, "good morning", speaker="a")]
    late = [Segment(20, 22, "good morning", speaker="x")]

    assert cpwer(reference, late).errors == 0
    assert counts(tcpwer(reference, late)) == {"substituted": 0, "deleted": 2, "inserted": 2, "length": 2}
    assert tcpwer(reference, late, collar=30.0).errors == 0


def test_a_speakers_words_are_normalised_as_one_text() -> None:
    reference = [Segment(0, 1, "twenty", speaker="a"), Segment(1, 2, "five men", speaker="a")]

    assert cpwer(reference, [Segment(0, 2, "25 men", speaker="x")]).errors == 0


def test_a_segment_is_parted_where_its_words_have_other_speakers() -> None:
    words = (Word(0, 1, " good", speaker="a"), Word(1, 2, " day", speaker="b"), Word(2, 3, " sir"))

    parted = by_speaker([Segment(4, 5, "late", speaker="c"), Segment(0, 3, "good day sir", words, "a")])

    assert [(s.start, s.end, s.text, s.speaker) for s in parted] == [
        (0, 1, "good", "a"),
        (1, 2, "day", "b"),
        (2, 3, "sir", "a"),
        (4, 5, "late", "c"),
    ]


@pytest.mark.parametrize("metric", [cpwer, tcpwer])
def test_where_one_side_says_nothing_all_is_missing_or_inserted(metric) -> None:  # type: ignore[no-untyped-def]
    row = [Segment(0, 2, "good morning", speaker="a"), Segment(2, 3, "uh", speaker="b")]

    assert counts(metric(row, [])) == {"substituted": 0, "deleted": 2, "inserted": 0, "length": 2}
    assert counts(metric([], row)) == {"substituted": 0, "deleted": 0, "inserted": 2, "length": 0}
    assert counts(metric([], [])) == {"substituted": 0, "deleted": 0, "inserted": 0, "length": 0}


def test_more_speakers_than_meeteval_takes_are_told_in_one_line() -> None:
    crowd = [Segment(i, i + 1, "hello", speaker=str(i)) for i in range(21)]

    for metric in (cpwer, tcpwer):
        with pytest.raises(DataError, match="the transcript has 21 speakers and meeteval takes 20"):
            metric(crowd[:2], crowd)


def test_meeteval_tells_nobody_on_the_screen() -> None:
    """Segments of one speaker that overlap, and a collar of 0, are worth a warning to it."""
    code = (
        "from speechcli.core.transcript import Segment as S\nfrom speechcli.scoring.attributed import cpwer, tcpwer\n"
        "row = [S(0, 4, 'a b c d', speaker='a'), S(1, 2, 'e f', speaker='a')]\ncpwer(row, row, 'none')\n"
        "tcpwer(row, row, 'none', 0.0)\nimport logging; logging.basicConfig()\ntcpwer(row, row, 'none', 0.1)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stderr == ""


def test_without_meeteval_one_line_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "meeteval.io", None)

    with pytest.raises(UnavailableError, match=r"C\+\+ compiler; all but cpwer and tcpwer works.*speechcli\[bench\]"):
        cpwer([], [])
