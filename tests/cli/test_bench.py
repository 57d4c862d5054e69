"""`speechcli bench` as its users call it: real models on real speech, and what is wrong with what they give it."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jiwer
import pytest
from spoken import DATA
from whisper_normalizer.english import EnglishTextNormalizer

from speechcli.bench import kept
from speechcli.cli import bench_screen

NAMES = ("367-130732-0001", "3080-5032-0000", "LJ001-0002")
WRONG = "Nobody ever said these words, and not in this order either."


def recordings(folder: Path, wrong: str = "") -> Path:
    """Three clips with what is said in them; of one of them something else, where it is named."""
    folder.mkdir()
    for name in NAMES:
        shutil.copy(DATA / f"{name}.flac", folder)
        text = WRONG if name == wrong else (DATA / f"{name}.txt").read_text("utf-8")
        (folder / f"{name}.txt").write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def measured(once, tmp_path_factory):
    """A folder with all that `bench` writes of three recordings and one model, and what it said."""
    folder = tmp_path_factory.mktemp("bench")
    recordings(folder / "talks")
    kinds = ("--json", "r.json", "--csv", "r.csv", "--report", "r.html", "--pages", "pages", "--keep", "kept")
    done = once(folder, "bench", "talks", *kinds)
    assert done.code == 0, done.err
    return folder, done


def test_the_table_has_what_jiwer_counts_in_what_the_model_heard(measured):
    folder, done = measured
    result = kept.read(folder / "r.json")
    normal = EnglishTextNormalizer()
    said, heard = [], []
    for name in NAMES:
        said.append(normal((DATA / f"{name}.txt").read_text("utf-8")))
        heard.append(normal(json.loads((folder / f"kept/whisper-tiny.en/talks/{name}.flac.json").read_text())["text"]))

    counted = jiwer.process_words(said, heard)

    (system,) = result.systems
    names = ("substituted", "deleted", "inserted")
    assert [dict(system.score("wer").parts)[name] for name in names] == [
        counted.substitutions,
        counted.deletions,
        counted.insertions,
    ]
    head, row = (line.split("\t") for line in done.out.splitlines())
    shown = dict(zip(head, row, strict=True))
    assert float(shown["WER %"].split()[0]) == pytest.approx(100 * counted.wer, abs=0.051)
    assert shown["system"] == "whisper-tiny.en"
    assert float(shown["RTFx"]) > 0
    assert shown["memory"].endswith("B")


def test_metrics_that_no_reference_allows_are_not_spoken_of_unless_they_are_asked_for(measured, once):
    folder, done = measured
    assert "DER" not in done.out + done.err

    asked = once(folder, "bench", "talks", "--transcripts", "kept/whisper-tiny.en", "--metrics", "wer,der")

    assert "no DER of 3 recordings: the reference does not say who speaks when" in asked.err


def test_what_is_written_can_be_read_by_what_it_is_for(measured):
    folder, done = measured
    rows = list(csv.DictReader(io.StringIO((folder / "r.csv").read_text("utf-8"))))

    assert [row["scope"] for row in rows] == ["recording"] * 3 + ["all"]
    assert (folder / "r.html").read_text("utf-8").startswith("<!doctype html>")
    for name in NAMES:
        page = (folder / f"pages/whisper-tiny.en/talks/{name}.flac.html").read_text("utf-8")
        assert "WER " in page
        assert f"../../../talks/{name}.flac" in page
    assert {line for line in done.err.splitlines() if line.startswith("-> ")} == {"-> r.json", "-> r.csv", "-> r.html"}


def test_kept_transcripts_are_scored_again_as_they_were(measured, once):
    folder, _ = measured

    done = once(folder, "bench", "talks", "--transcripts", "kept/whisper-tiny.en", "--json", "again.json")

    assert done.code == 0
    before, after = kept.read(folder / "r.json").systems[0], kept.read(folder / "again.json").systems[0]
    assert [run.scores for run in after.runs] == [run.scores for run in before.runs]
    assert after.rtfx is None


def test_two_folders_of_one_name_are_two_systems(measured, once):
    folder, _ = measured
    shutil.copytree(folder / "kept", folder / "other")
    words = ("--transcripts", "kept/whisper-tiny.en", "--transcripts", "other/whisper-tiny.en")

    done = once(folder, "bench", "talks", *words, "--json", "two.json")

    assert done.code == 0, done.err
    names = [system.name for system in kept.read(folder / "two.json").systems]
    assert names == ["whisper-tiny.en", "other/whisper-tiny.en"]


def test_a_narrow_terminal_has_its_table_in_parts(monkeypatch):
    names = ["system", "WER %", "RTFx", "memory"]
    rows = [["whisper-tiny.en", "3.1 (0.0-6.3)", "11", "452 MB"]]
    whole = bench_screen.parts(names, rows)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "42")

    assert whole == [[0, 1, 2, 3]]
    assert bench_screen.parts(names, rows) == [[0, 1, 2], [0, 3]]
    monkeypatch.setenv("COLUMNS", "10")
    assert bench_screen.parts(names, rows) == [[0, 1], [0, 2], [0, 3]]


def test_what_cannot_be_kept_costs_nothing_of_what_was_measured(measured, once):
    folder, _ = measured
    (folder / "full").mkdir()
    (folder / "full" / "whisper-tiny.en").write_text("no folder", "utf-8")

    done = once(
        folder, "bench", "talks", "--transcripts", "kept/whisper-tiny.en", "--pages", "full", "--json", "all.json"
    )

    assert done.code == 73, done.err
    (system,) = kept.read(folder / "all.json").systems
    assert [bool(run.scores) for run in system.runs] == [True] * 3
    assert "WER" in done.out
    assert "Traceback" not in done.err


def test_a_comparison_that_cannot_be_made_is_refused_at_once_or_costs_nothing(measured, once):
    folder, _ = measured
    words = ("bench", "talks", "--transcripts", "kept/whisper-tiny.en", "--compare", "r.json", "--json", "now.json")

    rules = once(folder, *words, "--normalizer", "basic")

    assert rules.code == 65
    assert "run it with --normalizer english" in rules.err
    assert not rules.out
    assert not (folder / "now.json").exists()


def test_the_same_again_is_the_same_and_worse_is_worse(measured, once):
    folder, _ = measured
    same = once(folder, "bench", "talks", "--transcripts", "kept/whisper-tiny.en", "--compare", "r.json")
    shutil.copytree(folder / "kept/whisper-tiny.en", folder / "poor")
    for path in (folder / "poor/talks").glob("*.json"):
        document = json.loads(path.read_text("utf-8"))
        document["segments"] = document["segments"][:0]
        path.write_text(json.dumps(document), "utf-8")

    worse = once(folder, "bench", "talks", "--transcripts", "poor", "--compare", "r.json")

    assert (same.code, worse.code) == (0, 1)
    assert "WER" in worse.err
    assert "worse" in worse.err


def test_speakers_alone_are_found_by_models_that_tell_speakers(once, tmp_path):
    recordings(tmp_path / "talks")
    for path in (tmp_path / "talks").glob("*.txt"):
        path.unlink()
        (tmp_path / "talks" / f"{path.stem}.rttm").write_text(
            f"SPEAKER {path.stem} 1 0.200 1.500 <NA> <NA> somebody <NA> <NA>\n", "utf-8"
        )

    done = once(tmp_path, "bench", "talks/LJ001-0002.flac", "--json", "r.json")

    assert done.code == 0, done.err
    (system,) = kept.read(tmp_path / "r.json").systems
    assert system.name == "community-1-embedded"
    assert 0 < system.score("der").length <= 1.5


def test_interrupted_it_keeps_what_was_measured(here):
    recordings(here / "talks")
    command = [sys.executable, "-m", "speechcli", "bench", "talks", "--json", "r.json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("whisper-tiny.en: "):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130, err
    assert "Traceback" not in err
    result = kept.read(here / "r.json")
    assert not result.complete
    assert 1 <= len(result.systems[0].runs) < 3 or "3 of 3" in err
    assert out.startswith("system\t")


def test_killed_its_models_end_too(here):
    recordings(here / "talks")
    process = subprocess.Popen(
        [sys.executable, "-m", "speechcli", "bench", "talks"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if line.startswith("whisper-tiny.en: "):
            break
    at_work = children(process.pid)
    assert at_work
    process.kill()
    process.communicate(timeout=60)

    deadline = time.monotonic() + 20
    while any(map(alive, at_work)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, at_work))


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(text) for text in listed.stdout.split()]


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_one_recording_that_is_none_fails_alone(once, tmp_path):
    recordings(tmp_path / "talks")
    (tmp_path / "talks" / "bad.wav").write_bytes(os.urandom(2000))
    (tmp_path / "talks" / "bad.txt").write_text("what was said", "utf-8")

    done = once(tmp_path, "bench", "talks/bad.wav", "talks/LJ001-0002.flac", "--json", "r.json")

    assert done.code == 1
    good, bad = sorted(kept.read(tmp_path / "r.json").systems[0].runs, key=lambda run: bool(run.error))
    assert "bad.wav" in bad.error
    assert good.scores["wer"].length == 4


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--metrics", "wer"), 2, "which recordings?"),
        (("nothing/",), 66, "nothing"),
        (("-",), 2, "save it to a file first"),
        (("https://example.com/talk.mp3",), 2, "save it to a file first"),
        (("talks", "--model", "whisper-tine"), 2, "whisper-tiny"),
        (("talks", "--model", "whisper-small"), 69, "speechcli models pull whisper-small"),
        (("talks", "--metrics", "werr"), 2, "did you mean wer?"),
        (("talks", "--normalizer", "englisch"), 2, "english"),
        (("talks", "--references", "gone"), 66, "gone"),
        (("talks", "--references", "empty"), 66, "has no references"),
        (("talks", "--transcripts", "empty"), 66, "no transcripts"),
        (("talks", "--report", "r.pdf"), 2, "a report is a .html, a .png or a .svg"),
        (("talks", "--report", "file/r.html"), 73, "cannot write"),
        (("talks", "--json", "there.json"), 73, "there.json exists"),
        (("talks", "--json", "a.json", "--csv", "a.json"), 2, "name one file"),
        (("talks", "--compare", "there.json"), 65, "there.json"),
        (("talks", "--compare", "gone.json"), 66, "gone.json"),
        (("alone",), 66, "no recording has a reference beside them"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_before_anything_is_measured(speechcli, here, words, code, told):
    recordings(here / "talks")
    (here / "empty").mkdir()
    (here / "alone").mkdir()
    shutil.copy(DATA / f"{NAMES[0]}.flac", here / "alone")
    (here / "there.json").write_text("{}", "utf-8")
    (here / "file").write_text("", "utf-8")

    done = speechcli("bench", *words)

    assert done.code == code, done.err
    assert told in done.err
    assert "Traceback" not in done.err
    assert not done.out
    assert len([line for line in done.err.splitlines() if "error" in line]) <= 1


def test_a_reference_of_another_recording_is_noticed(measured, once, tmp_path):
    recordings(tmp_path / "talks", wrong=NAMES[1])

    done = once(tmp_path, "bench", "talks", "--transcripts", measured[0] / "kept/whisper-tiny.en")

    assert "is this the right reference?" in done.err
    assert NAMES[1] in done.err


def test_what_speechcli_wrote_is_no_reference(once, tmp_path):
    recordings(tmp_path / "talks")
    for path in (tmp_path / "talks").glob("*.txt"):
        path.unlink()
    assert once(tmp_path, "transcribe", "talks", "-f", "srt,json").code == 0

    done = once(tmp_path, "bench", "talks")

    assert done.code == 66
    assert "no reference" in done.err
