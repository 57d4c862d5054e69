"""Reports: advice that the intervals bear out, the errors themselves, the page's text and size, the pictures."""

import html
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
from made_results import heard, result, system

from speechcli.bench import report
from speechcli.bench.compare import compare
from speechcli.bench.report import charts
from speechcli.bench.report.advice import Advice, advice
from speechcli.bench.report.mistakes import BUDGET, mistakes
from speechcli.bench.result import Result, Run, System
from speechcli.errors import OutputError, UsageError

TWELVE = [3, 5, 2, 8, 4, 6, 3, 9, 5, 4, 7, 2]
SHAKEN = [n + d for n, d in zip(TWELVE, [2, -2, 1, -1, 2, -2, 1, -1, 2, -2, 1, 0], strict=True)]
WORSE = [n + 4 for n in TWELVE]
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '<script>alert(1)</script> --> </title> " \u202e$x$ &'


def page(of: Result) -> str:
    return "".join(map(str, report.report(of)))


def told(page: str) -> str:
    """The text of a page's body, its scripts left out."""
    body = page.partition("<main>")[2].partition("</main>")[0]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", body)))


def said(of: Advice) -> str:
    return " ".join((of.headline, *of.reasons, *of.cautions))


# --- advice ---


def test_the_most_accurate_is_advised_where_the_difference_is_sure():
    found = advice(result(system("good", TWELVE, 5.0), system("bad", WORSE, 40.0)))

    assert found.headline == "Use good."
    assert "good is the most accurate: 4.8 % of words wrong" in found.reasons[0]
    assert "The next, bad, has 8.8 %, and that difference is more than chance on 12 recordings." in found.reasons[0]
    assert found.reasons[1] == "An hour of sound takes good 12 min on this machine."
    assert found.reasons[2] == (
        "If speed matters more: bad is 8.0 times as fast (an hour in 1 min 30 s), with 8.8 % of words wrong."
    )


def test_of_two_that_cannot_be_told_apart_the_faster_one_is_advised():
    """The slow one has the fewer errors, by less than chance."""
    found = advice(result(system("slow", TWELVE, 5.0), system("quick", SHAKEN, 40.0)))

    assert sum(TWELVE) < sum(SHAKEN)
    assert found.picks == ("quick",)
    assert (
        "On these 12 recordings no difference in accuracy can be told between it and slow (4.8 %)" in found.reasons[0]
    )
    assert "it is the faster one: 40 times real time, slow 5.0 times" in found.reasons[0]


def test_of_two_alike_in_all_nothing_is_claimed():
    found = advice(result(system("a", TWELVE, 10.0), system("b", SHAKEN, 10.5)))

    assert (found.picks, found.headline) == (("a", "b"), "Use a or b: what was measured does not tell them apart.")
    assert (
        "no difference in accuracy can be told between it and b (4.9 %), and none is surely faster." in found.reasons[0]
    )
    assert "Nobody needs" not in said(found)


def test_what_another_is_better_and_faster_than_nobody_needs():
    found = advice(result(system("good", TWELVE, 40.0), system("bad", WORSE, 10.0), system("alike", SHAKEN, 10.0)))

    assert "Nobody needs bad here: good is both more accurate and faster." in found.reasons
    assert "Nobody needs alike" not in said(found)


def test_of_one_recording_nothing_is_claimed_beyond_it():
    found = advice(result(system("a", [3]), system("b", [30], 10.0)))

    assert found.picks == ("a",)
    assert "a errs least on what was measured: 3.0 % of words wrong, b 30.0 %." in found.reasons[0]
    assert "1 recording cannot tell" in found.reasons[0]
    assert "more than chance" not in said(found)
    assert found.cautions == ("All of this is about one recording: others may turn out otherwise.",)


@pytest.mark.parametrize(
    ("count", "caution"),
    [
        (2, "Only 2 recordings could be scored: too few to tell chance from a difference."),
        (4, "Only 4 recordings could be scored: intervals from so few are rough."),
        (6, None),
    ],
)
def test_few_recordings_are_told(count: int, caution: str | None):
    found = advice(result(system("a", [3] * count), system("b", [9] * count)))

    assert found.cautions == ((caution,) if caution else ())


def test_a_system_that_fails_on_recordings_is_not_advised():
    """It seems better for it lacks the hard ones."""
    whole = system("whole", [5] * 11 + [80])
    lucky = system("lucky", [4] * 11 + [80])
    runs = (*lucky.runs[:11], replace(lucky.runs[11], error="out of memory", scores={}))

    found = advice(result(replace(lucky, runs=runs), whole))

    assert found.picks == ("whole",)
    assert "lucky gave no transcript of 1 of 12 recordings." in found.cautions
    assert any("not all systems were scored on the same recordings" in line.lower() for line in found.cautions)


def test_systems_are_ranked_on_the_recordings_that_both_have():
    easy = system("easy", [2] * 6)  # and the hard ones were never given to it
    hard = replace(system("hard", [1] * 6 + [90] * 6))

    assert advice(result(easy, hard)).picks == ("hard",)


def test_transcripts_that_were_made_elsewhere_are_told_and_not_advised():
    found = advice(result(system("ours", WORSE, 10.0), system("cloud", TWELVE, None)))

    assert found.picks == ("ours",)
    assert "cloud, which was not run here, is more accurate than ours: 4.8 % of words wrong." in found.reasons


def test_transcripts_made_elsewhere_are_compared_where_nothing_was_run():
    assert advice(result(system("a", WORSE, None), system("b", TWELVE, None))).headline == "Use b."


def test_without_references_the_fastest_is_told():
    bare = [
        replace(s, runs=tuple(replace(r, scores={}) for r in s.runs))
        for s in (system("a", TWELVE), system("b", TWELVE, 40.0))
    ]

    found = advice(result(*bare, metrics=()))

    assert found.headline == "b is the fastest."
    assert found.reasons[0] == "An hour of sound takes b 1 min 30 s on this machine."
    assert "Without references nobody knows how accurate they are" in found.reasons[1]


def test_one_system_is_described():
    found = advice(result(system("a", TWELVE, memory=734 * 10**6)))

    assert found.headline.startswith("a: 4.8 % of words wrong (")
    assert found.reasons[0] == "An hour of sound takes a 6 min on this machine, and up to 734 MB of memory."


@pytest.mark.parametrize("of", [result(), result(System("a", (), error="no such model"))])
def test_nothing_measured_is_nothing_advised(of: Result):
    found = advice(of)

    assert (found.picks, found.headline) == ((), "Nothing was measured: no system gave a transcript.")
    assert "could not be run" in said(found) or not of.systems


# --- the errors themselves ---


def run(reference: str, text: str) -> Result:
    return result(System("a", (Run("x", 9.0, reference=reference, text=text),)))


def test_errors_stand_with_four_words_each_side():
    (found,), (often,) = mistakes(run("a b c d e f g h i j k l m n o p q", "a b c d e f x h j k l m new n o p q"))

    assert found.snippets == (("… c d e f", ("g", "x"), "h", ("i", ""), "j k l m", ("", "new"), "n o p q"),)
    assert often.substituted == ((("g", "x"), 1),)
    assert often.deleted == (("i", 1),)
    assert often.inserted == (("new", 1),)


def test_far_errors_are_snippets_of_their_own():
    middle = " ".join(f"w{i}" for i in range(9))

    (found,), _ = mistakes(run(f"one {middle} two", f"eins {middle} zwei"))

    assert found.snippets == (
        (("one", "eins"), "w0 w1 w2 w3 …"),
        ("… w5 w6 w7 w8", ("two", "zwei")),
    )


def test_all_that_was_said_is_in_the_snippets_where_nothing_is_left_out():
    spoken = heard("a", 0.5, 3)

    for found, its in zip(mistakes(result(spoken))[0], spoken.runs, strict=True):
        wrong = [piece for snippet in found.snippets for piece in snippet if not isinstance(piece, str)]
        assert len(wrong) == its.scores["wer"].errors
        assert found.left_out == 0


def test_the_errors_of_a_page_are_bounded_and_the_rest_counted():
    spoken = heard("a", 0.5, 8, length=400)

    found, _ = mistakes(result(spoken), budget=4000)

    assert len(json.dumps([m.snippets for m in found], ensure_ascii=False)) < 6000
    for m, its in zip(found, spoken.runs, strict=True):
        shown = sum(not isinstance(piece, str) for snippet in m.snippets for piece in snippet)
        assert shown + m.left_out == its.scores["wer"].errors
        assert m.left_out > 0


def test_a_word_without_end_is_cut():
    (found,), _ = mistakes(run("字" * 5000, "字" * 4999))

    assert found.snippets == ((("字" * 159 + "…", "字" * 159 + "…"),),)


# --- the page ---


def test_the_answer_comes_first_then_the_figures():
    text = told(page(result(heard("good", 0.05, 12), heard("bad", 0.3, 12, speed=40.0))))

    order = [
        text.index(part)
        for part in (
            "Use good.",
            "The figures",
            "Errors against speed",
            "Each recording",
            "word by word",
            "most often",
            "How this",
        )
    ]
    assert order == sorted(order)
    assert "Whisper's English normaliser" in text
    assert "wall time from opening the file to the finished transcript" in text
    assert "Zen" in text


def test_a_comparison_is_on_the_page_the_worse_first():
    old, new = result(heard("a", 0.1, 12)), result(heard("a", 0.4, 12))

    text = told("".join(map(str, report.report(new, "html", compare(old, new)))))

    assert "Compared with before: worse in 1 of 3" in text
    assert text.index("▼ worse") < text.index("= same")


def test_what_comes_from_outside_is_text():
    spoken = heard(HOSTILE, 0.5, 3, prefix=HOSTILE)
    runs = (*spoken.runs, Run(f"{HOSTILE}!", 1.0, error=HOSTILE))
    evil = replace(spoken, runs=runs, model=HOSTILE, settings=((HOSTILE, HOSTILE),), notes=(HOSTILE,))

    made = page(result(evil, heard("b", 0.5, 3, prefix=HOSTILE), machine={HOSTILE: HOSTILE}, made=HOSTILE))

    assert "<script>alert" not in made
    assert made.count("</title>") == 1
    assert "http" not in re.sub(r"http://www.w3.org/2000/svg", "", made.lower()).replace('http-equiv="', "")
    assert HOSTILE.partition(" ")[0] in told(made)


def test_no_style_or_handler_stands_in_the_body():
    """The policy would let none of them act."""
    body = page(result(heard("a", 0.2, 3), heard("b", 0.2, 3))).partition("<body>")[2]

    assert not re.search(r"<[^>]+ (style|on\w+)=", body)


def test_five_hundred_recordings_of_four_systems_stay_a_page():
    many = [heard(name, 0.3, 500) for name in "abcd"]

    made = page(result(*many))

    assert len(made) < BUDGET + 3_000_000
    assert made.count("<details") == 500


def test_a_result_without_anything_is_a_page():
    assert "Nothing was measured" in told(page(result()))
    assert "no such model" in told(page(result(System("a", (), error="no such model"))))


# --- pictures ---


def written(picture: bytes) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.fromstring(picture).iter(f"{SVG}text")]


BOTH = result(heard("good", 0.05, 12), heard("bad", 0.3, 12, speed=40.0))


def test_the_picture_names_systems_and_recordings_and_says_which_to_use():
    pytest.importorskip("matplotlib", reason="pictures need speechcli[bench]")
    (picture,) = report.report(BOTH, "svg")
    assert isinstance(picture, bytes)
    texts = written(picture)

    assert "12 recordings, 2026-11-22. Use good." in texts
    assert {"good", "bad", "000.wav", "011.wav", "WER of 12 recordings"} <= set(texts)


def test_systems_are_told_by_hatching_and_not_by_colour_alone():
    pytest.importorskip("matplotlib", reason="pictures need speechcli[bench]")
    picture = charts.drawn(BOTH, "svg").decode()

    assert "<pattern" in picture


def test_the_same_result_is_the_same_picture():
    pytest.importorskip("matplotlib", reason="pictures need speechcli[bench]")
    assert charts.drawn(BOTH, "svg") == charts.drawn(BOTH, "svg")
    (picture,) = report.report(BOTH, "png")
    assert isinstance(picture, bytes)
    assert picture.startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize(
    "of",
    [
        result(),
        result(system("a", [3])),
        result(system("a", TWELVE, None), system("b", WORSE, None)),
        result(system("a", [0, 0, 0])),
        result(system("a", [900, 800, 700], 0.001)),
        result(system("_", TWELVE), system(HOSTILE, TWELVE), system("\x00\ud800", TWELVE)),
        result(*(system(f"s{i}", TWELVE) for i in range(12))),
        result(replace(system("a", TWELVE), runs=tuple(replace(r, scores={}) for r in system("a", TWELVE).runs))),
    ],
)
def test_whatever_is_known_can_be_drawn(of: Result):
    pytest.importorskip("matplotlib", reason="pictures need speechcli[bench]")
    assert ElementTree.fromstring(charts.drawn(of, "svg")).tag == f"{SVG}svg"
    assert "<main>" in page(of)


def test_names_in_a_picture_are_no_formulas():
    pytest.importorskip("matplotlib", reason="pictures need speechcli[bench]")
    assert "$x^2$ & $\\frac{" in written(charts.drawn(result(system("$x^2$ & $\\frac{", TWELVE)), "svg"))


# --- where it goes ---


def test_a_report_is_what_its_name_says():
    assert [report.kind_of(name) for name in ("a.HTML", "b.htm", "c.png", "d.svg")] == ["html", "html", "png", "svg"]
    with pytest.raises(UsageError, match=r"report\.pdf: a report is a \.html, a \.png or a \.svg"):
        report.kind_of("out/report.pdf")


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.html").mkdir()

    with pytest.raises(OutputError, match="name another place for the report"):
        report.check(tmp_path / "file" / "report.html")
    with pytest.raises(OutputError, match="is a folder"):
        report.check(tmp_path / "folder.html")
    report.check(tmp_path / "new" / "report.html")


def test_without_the_packages_a_line_says_what_to_install():
    code = (
        "import sys; sys.modules['matplotlib'] = None; sys.modules['jiwer'] = None\n"
        "from pathlib import Path; from speechcli.bench import report; from speechcli.errors import UnavailableError\n"
        "from speechcli.bench.report import charts; from speechcli.bench.result import Result, Run, System\n"
        "r = Result((System('a', (Run('x', 1.0, text='a', reference='b'),)),), (), 'none', 0.0, 0.0, '', {})\n"
        "for make in (lambda: list(report.report(r)), lambda: report.report(r, 'svg')):\n"
        "    try:\n        make()\n    except UnavailableError as error:\n        print(error)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.count('pip install "speechcli[score]"') == 2
