"""`speechcli align` with the aligner that comes along: texts in, words with times out, and what does not match told."""

import io
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from spoken import DATA, RATE, clip

WORDS = {name: json.loads((DATA / f"{name}.words.json").read_text()) for name in ("mary", "bobby")}  # labelled by hand
LOBSTER, LADY, MODERN = "367-130732-0000", "3080-5032-0000", "LJ001-0002"


def text_of(name: str) -> str:
    return (DATA / f"{name}.txt").read_text("utf-8").strip()


def recording(path: Path, *names: str | float) -> Path:
    """Clips after each other; a number is so many seconds of a faint hiss."""
    rng = np.random.default_rng(0)
    parts = [
        clip(one).samples if isinstance(one, str) else rng.normal(0, 1e-4, int(one * RATE)).astype(np.float32)
        for one in names
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.concatenate(parts), RATE)
    return path


def words_in(path: Path) -> list[dict]:
    return json.loads(path.read_text("utf-8"))["word_segments"]


def fit_in(path: Path) -> dict:
    return json.loads(path.read_text("utf-8"))["quality"]["fit"]


def _seconds(stamp: str) -> float:
    hours, minutes, seconds = stamp.replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


@pytest.fixture
def talk(here) -> Path:
    """Two sentences with pauses, and their text with punctuation beside them."""
    recording(here / "talk.wav", 0.5, LOBSTER, 1.0, LADY, 0.5)
    (here / "talk.txt").write_text(f"“{text_of(LOBSTER).capitalize()}!” — {text_of(LADY).capitalize()}…\n")
    return here / "talk.wav"


@pytest.mark.parametrize("name", ["mary", "bobby"])
def test_words_stand_where_a_person_put_them(speechcli, here, name):
    recording(here / "a.wav", name)
    (here / "a.txt").write_text(" ".join(word["word"] for word in WORDS[name]))

    done = speechcli("align", "a.wav", "a.txt")

    assert done.code == 0, done.err
    found = words_in(here / "a.aligned.json")
    assert [word["word"] for word in found] == [word["word"] for word in WORDS[name]]
    errors = [abs(f[edge] - w[edge]) for f, w in zip(found, WORDS[name], strict=True) for edge in ("start", "end")]
    assert sorted(errors)[len(errors) // 2] < 0.03
    assert max(errors) < 0.15


def test_every_word_comes_back_as_it_was_written_in_order_with_time_and_without_overlap(speechcli, talk, here):
    done = speechcli("align", talk, "talk.txt")

    assert done.code == 0, done.err
    assert "100% of the words placed" in done.err
    found = words_in(here / "talk.aligned.json")
    assert " ".join(word["word"] for word in found) == (here / "talk.txt").read_text().strip()
    assert all(word["start"] < word["end"] for word in found)
    assert all(a["end"] <= b["start"] for a, b in itertools.pairwise(found))
    spoken = [word for word in found if re.search(r"\w", word["word"])]
    assert all(0 < word["score"] <= 1 and word["placed"] == "aligner" for word in spoken)


def test_numbers_are_found_as_they_are_spoken_and_come_back_as_they_were_written(speechcli, here):
    """LJ001-0007 says "the forty-two line Bible of about fourteen fifty-five"."""
    said = (DATA / "LJ001-0007.txt").read_text().strip()
    written = re.sub("forty.two", "42", re.sub("fourteen fifty.five", "1455", said))
    assert "42" in written
    assert "1455" in written
    shutil.copy(DATA / "LJ001-0007.flac", here / "a.flac")
    for name, text in (("said", said), ("written", written)):
        (here / f"{name}.txt").write_text(text)
        assert speechcli("align", "a.flac", f"{name}.txt", "-o", f"{name}.json").code == 0

    found, spelled = words_in(here / "written.json"), words_in(here / "said.json")
    by_word = {word["word"].strip('",.'): word for word in spelled}
    number = next(word for word in found if "42" in word["word"])
    year = next(word for word in found if "1455" in word["word"])
    assert number["start"] == pytest.approx(by_word["forty-two"]["start"], abs=0.05)
    assert year["start"] == pytest.approx(by_word["fourteen"]["start"], abs=0.05)
    assert year["placed"] == "aligner"
    assert fit_in(here / "written.json")["placed"] == 1.0


def test_text_that_nobody_says_is_told_and_does_not_move_its_neighbours(speechcli, talk, here):
    lobster, lady = text_of(LOBSTER), text_of(LADY)
    extra = "the committee for agriculture will meet on thursday in the large room of the town hall"
    (here / "more.txt").write_text(f"{lobster}\n{extra}\n{lady}\n")
    (here / "plain.txt").write_text(f"{lobster}\n{lady}\n")

    more, plain = (speechcli("align", talk, f"{name}.txt", "-o", f"{name}.json") for name in ("more", "plain"))

    assert (more.code, plain.code) == (0, 0)
    assert "that nobody says" in more.err
    (missing,) = fit_in(here / "more.json")["mismatches"]
    assert (missing["kind"], missing["text"]) == ("unspoken", extra)
    found = words_in(here / "more.json")
    unsaid = {word["word"] for word in found if word.get("interpolated")}
    assert unsaid == set(extra.split())
    there = [word for word in found if not word.get("interpolated")]
    for one, other in zip(there, words_in(here / "plain.json"), strict=True):
        assert one["word"] == other["word"]
        assert one["start"] == pytest.approx(other["start"], abs=0.03)


def test_speech_that_the_text_lacks_is_told_and_does_not_stretch_its_neighbours(speechcli, here):
    recording(here / "a.wav", 0.5, LOBSTER, 1.0, "mary", 1.0, LADY, 0.5)
    (here / "a.txt").write_text(f"{text_of(LOBSTER)} {text_of(LADY)}")

    done = speechcli("align", "a.wav", "a.txt")

    assert done.code == 0
    assert "that the text lacks" in done.err
    (missing,) = fit_in(here / "a.aligned.json")["mismatches"]
    assert missing["kind"] == "unwritten"
    begin = 0.5 + clip(LOBSTER).duration + 1.0
    assert begin - 0.3 < missing["start"] < missing["end"] < begin + clip("mary").duration + 0.3
    assert all(word["end"] - word["start"] < 1.2 for word in words_in(here / "a.aligned.json"))
    assert not [w for w in words_in(here / "a.aligned.json") if begin < (w["start"] + w["end"]) / 2 < missing["end"]]


def test_captions_keep_their_lines_and_get_new_times(speechcli, here):
    recording(here / "film.wav", 2.0, LOBSTER, 1.0, LADY, 0.5)
    lobster, lady = text_of(LOBSTER), text_of(LADY).split()
    half = len(lady) // 2
    lines = f"- {' '.join(lady[:half])}\n{' '.join(lady[half:])}"
    (here / "film.srt").write_text(
        f"1\n00:00:30,000 --> 00:00:31,000\n{lobster}\n\n2\n00:00:31,000 --> 00:00:32,000\n{lines}\n"
    )

    done = speechcli("align", "film.wav", "film.srt")

    assert done.code == 0, done.err
    first, second = (here / "film.aligned.srt").read_text().strip().split("\n\n")
    assert first.split("\n")[2:] == [lobster]
    assert second.split("\n")[2:] == lines.split("\n")
    begins, ends = ([_seconds(cue.split("\n")[1].split(" --> ")[i]) for cue in (first, second)] for i in (0, 1))
    begin = 2.0 + clip(LOBSTER).duration + 1.0
    assert 2.0 <= begins[0] < ends[0] < begin - 0.5
    assert begin <= begins[1] < ends[1] < begin + clip(LADY).duration + 0.2


def test_the_text_comes_from_stdin_and_the_result_goes_to_stdout(speechcli, talk, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text_of(LOBSTER).encode()), encoding="utf-8"))

    done = speechcli("align", talk, "-", "-f", "ctm", "-o", "-", "-q")

    assert [line.split()[4] for line in done.out.splitlines() if not line.startswith(";;")] == text_of(LOBSTER).split()
    assert "that the text lacks" not in done.out


def test_units_are_words_characters_or_lines(speechcli, talk, here):
    (here / "lines.txt").write_text(f"{text_of(LOBSTER)}\n{text_of(LADY)}\n")
    for unit in ("word", "character", "line"):
        done = speechcli("align", talk, "lines.txt", "--unit", unit, "-o", f"{unit}.json")
        assert done.code == 0, done.err

    both = text_of(LOBSTER) + text_of(LADY)
    assert "".join(word["word"] for word in words_in(here / "character.json")) == both.replace(" ", "")
    found = json.loads((here / "line.json").read_text())
    assert [s["text"] for s in found["segments"]] == [text_of(LOBSTER), text_of(LADY)]
    assert found["word_segments"] == []
    whole = json.loads((here / "word.json").read_text())
    assert found["segments"][0]["start"] == whole["word_segments"][0]["start"]
    assert found["segments"][1]["end"] == whole["word_segments"][-1]["end"]


def test_folders_are_paired_by_name_and_what_has_no_partner_is_told(speechcli, here):
    recording(here / "audio" / "a.wav", LOBSTER)
    recording(here / "audio" / "deep" / "b.wav", LADY)
    recording(here / "audio" / "c.wav", MODERN)
    for name, text in (("a", LOBSTER), ("deep/b", LADY), ("d", MODERN)):
        path = here / "texts" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text_of(text))

    done = speechcli("align", "audio", "texts", "--output-dir", "out", "-f", "textgrid", "--summary", "s.json")

    assert done.code == 1
    assert sorted(p.relative_to(here / "out").as_posix() for p in (here / "out").rglob("*.TextGrid")) == [
        "a.TextGrid",
        "deep/b.TextGrid",
    ]
    assert "texts/d.txt: no recording has this name" in done.err
    assert sum("no recording has" in line for line in done.err.splitlines()) == 1
    assert "c.wav has no text" in done.err
    entries = {Path(e["input"]).name: e for e in json.loads((here / "s.json").read_text())["recordings"]}
    assert {name: e["exit_code"] for name, e in entries.items()} == {"a.wav": 0, "b.wav": 0, "c.wav": 66}
    assert entries["a.wav"]["verdict"]["placed"] == 1.0


def test_many_texts_without_a_recording_are_one_line(speechcli, here):
    recording(here / "audio" / "a.wav", LOBSTER)
    for name in "abcdef":
        path = here / "texts" / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text_of(LOBSTER))

    done = speechcli("align", "audio", "texts", "--output-dir", "out", "--dry-run")

    assert done.code == 0
    assert "texts/b.txt, texts/c.txt, texts/d.txt and 2 more: no recording has these names" in done.err
    assert sum("no recording" in line for line in done.err.splitlines()) == 1


def test_a_recording_with_several_texts_is_not_said_to_have_none(speechcli, here):
    recording(here / "audio" / "a.wav", LOBSTER)
    (here / "texts").mkdir()
    for suffix in ("txt", "tsv"):
        (here / "texts" / f"a.{suffix}").write_text("lobsters")

    done = speechcli("align", "audio", "texts")

    assert done.code == 2
    assert done.err == "error: audio/a.wav has several texts: a.tsv, a.txt; --pairs LIST.tsv says which\n"


def test_a_pipe_in_a_list_is_not_waited_for(speechcli, here):
    recording(here / "a.wav", LOBSTER)
    os.mkfifo(here / "a.txt")
    (here / "list.tsv").write_text("a.wav\ta.txt\n")

    done = speechcli("align", "--pairs", "list.tsv")

    assert done.code == 2
    assert "a.txt is a pipe or a device" in done.err


def test_a_list_says_who_belongs_to_whom_and_nothing_is_done_twice(speechcli, here):
    recording(here / "a.wav", LOBSTER)
    (here / "one.txt").write_text(text_of(LOBSTER))
    (here / "list.tsv").write_text("audio\ttext\na.wav\tone.txt\ten\n")

    first = speechcli("align", "--pairs", "list.tsv")
    again = speechcli("align", "--pairs", "list.tsv")
    (here / "one.txt").write_text(text_of(LOBSTER).upper())
    changed = speechcli("align", "--pairs", "list.tsv")

    assert (first.code, again.code, changed.code) == (0, 0, 0)
    assert "already done" in again.err
    assert "already done" not in changed.err
    assert words_in(here / "a.aligned.json")[0]["word"].isupper()


def test_a_transcript_and_an_alignment_of_one_recording_live_side_by_side(speechcli, talk, here):
    assert speechcli("transcribe", talk, "-f", "json").code == 0
    assert speechcli("align", talk, "talk.txt").code == 0

    assert "already done" in speechcli("transcribe", talk, "-f", "json").err
    assert "already done" in speechcli("align", talk, "talk.txt").err


def test_speakers_who_talk_at_once_are_found_each_in_their_own_time(speechcli, here):
    """One begins while the other still speaks; the text has them one after the other."""
    first, second = clip("mary").samples, clip(LADY).samples
    at = len(first) - RATE // 2
    both = np.zeros(at + len(second), np.float32)
    both[: len(first)] += first
    both[at:] += second * 0.5
    soundfile.write(here / "a.wav", both, RATE)
    start = at / RATE
    rows = [
        {"start": 0.0, "end": len(first) / RATE, "speaker": "A", "text": text_of("mary")},
        {"start": start, "end": len(both) / RATE, "speaker": "B", "text": text_of(LADY)},
    ]
    (here / "a.json").write_text(json.dumps({"segments": rows, "language": "en"}))

    done = speechcli("align", "a.wav", "a.json")

    assert done.code == 0, done.err
    segments = json.loads((here / "a.aligned.json").read_text())["segments"]
    assert [s["speaker"] for s in segments] == ["A", "B"]
    assert segments[0]["end"] < len(first) / RATE + 0.2
    assert segments[1]["start"] == pytest.approx(start + 0.56, abs=0.5)


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (b"", 65, "is empty"),
        (b" \n\n ", 65, "empty"),
        (b"... -- !!!", 65, "holds no words"),
        (b"good\nm\xfcrning", 65, "line 2, byte 2"),
        ("こんにちは、世界".encode(), 2, "aligns one language: English"),
        (b"\0\0", 65, "NUL"),
    ],
)
def test_a_text_that_cannot_be_aligned_is_one_clear_line(speechcli, here, text, code, says):
    recording(here / "a.wav", LOBSTER)
    (here / "a.txt").write_bytes(text)

    done = speechcli("align", "a.wav", "a.txt")

    assert done.code == code, done.err
    assert says in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not (here / "a.aligned.json").exists()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["a.wav"], "which text?"),
        (["a.wav", "a.wav"], "is the recording itself"),
        (["-", "-"], "stdin is one input"),
        (["a.wav", "a.txt", "--pairs", "x.tsv"], "takes the place of"),
        (["a.wav", "a.txt", "--model", "whisper-small"], "does not align"),
        (["a.wav", "a.txt", "--model", "nobody"], "no model is called"),
        (["a.wav", "a.txt", "--anchor", "qwen3-asr-0.6b"], "no times of words"),
        (["a.wav", "a.txt", "--language", "de,fr"], "one language"),
        (["a.wav", "a.txt", "-o", "a.txt"], "is an input"),
        (["a.wav", "https://x.invalid/a.txt"], "texts are not fetched"),
        (["a.wav", "a.txt", "--device", "nonsense"], "--device nonsense"),
        (["a.wav", "a.txt", "--device", "cuda"], "runs on the processor"),
        (["a.wav", "a.txt", "--dtype", "float13"], "--dtype is not for"),
    ],
)
def test_wrong_usage_is_one_clear_line(speechcli, here, args, says):
    recording(here / "a.wav", LOBSTER)
    (here / "a.txt").write_text(text_of(LOBSTER))

    done = speechcli("align", *args)

    assert done.code == 2, done.err
    assert says in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_the_wrong_text_fails_and_says_what_it_may_be(speechcli, here):
    recording(here / "a.wav", 0.5, LADY, 0.5, "mary", 0.5)
    (here / "a.txt").write_text(
        "The quarterly figures for zinc and copper exceeded what all analysts had foreseen. " * 3
    )

    done = speechcli("align", "a.wav", "a.txt")

    assert done.code == 1
    assert "is it the right text?" in done.err
    assert len(words_in(here / "a.aligned.json")) == 39, "every word is there all the same"


def test_silence_places_no_word_and_says_so(speechcli, here):
    soundfile.write(here / "a.wav", np.zeros(5 * RATE), RATE)
    (here / "a.txt").write_text("nobody says this")

    done = speechcli("align", "a.wav", "a.txt")

    assert done.code == 1
    assert "no speech heard" in done.err


def test_ten_times_too_much_text_keeps_what_is_said(speechcli, here):
    recording(here / "a.wav", 0.5, LADY, 0.5)
    other = "meanwhile the harvest was brought in from the southern fields by seven men and their horses\n"
    (here / "a.txt").write_text(other * 10 + text_of(LADY) + "\n" + other * 10)

    done = speechcli("align", "a.wav", "a.txt")

    assert "that nobody says" in done.err
    found = words_in(here / "a.aligned.json")
    assert len(found) == 20 * len(other.split()) + len(text_of(LADY).split())
    placed = [word["word"] for word in found if not word.get("interpolated")]
    assert placed == text_of(LADY).split()


def test_a_single_word_is_found(speechcli, here):
    recording(here / "a.wav", LOBSTER)
    (here / "a.txt").write_text("lobsters")

    speechcli("align", "a.wav", "a.txt")

    (word,) = words_in(here / "a.aligned.json")
    assert word["placed"] == "aligner"


def test_a_plan_is_shown_and_nothing_done(speechcli, talk, here):
    before = sorted(here.iterdir())

    done = speechcli("align", talk, "talk.txt", "--dry-run")

    assert done.code == 0
    assert "talk.txt" in done.out
    assert "align (new)" in done.out
    assert sorted(here.iterdir()) == before


@pytest.mark.slow
def test_killed_half_way_the_same_command_goes_on_and_gives_the_same(here):
    """The journal holds windows heard and pieces aligned; an unbroken run gives the same bytes."""
    names = [LADY, 1.0, "mary", 1.0, MODERN, 1.0, LOBSTER, 1.0]
    recording(here / "a.wav", *names * 6)
    text = "\n".join(text_of(name) for name in names * 6 if isinstance(name, str))
    (here / "a.txt").write_text(text)
    command = [sys.executable, "-m", "speechcli", "align", "a.wav", "a.txt"]
    journal = here / ".a.aligned.json.journal"
    running = subprocess.Popen([*command, "-q"], cwd=here)
    deadline = time.monotonic() + 120
    while running.poll() is None and time.monotonic() < deadline:
        if journal.exists() and journal.read_bytes().count(b'"window": "-1') + journal.read_bytes().count(b'"-1.0') > 1:
            running.send_signal(signal.SIGKILL)
            break
        time.sleep(0.02)
    running.wait()
    assert journal.exists(), "killed while it aligned"

    subprocess.run(command, cwd=here, check=True)
    resumed = (here / "a.aligned.json").read_bytes()
    subprocess.run([*command, "--overwrite", "--no-resume"], cwd=here, check=True)

    assert (here / "a.aligned.json").read_bytes() == resumed
    assert not journal.exists()
