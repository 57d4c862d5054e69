"""`speechcli transcribe` with the embedded model: what goes in, what comes out, what is done again and what is not."""

import fcntl
import io
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from screen import shown
from spoken import CLIPS, DATA, RATE, clip, made, said, words, wrong

# Clips and a word that any build of the model hears in them: exact texts and times differ between processors.
LOBSTER = "367-130732-0000", "lobsters"  # 2 s
MODERN = "LJ001-0002", "modern"  # 2 s
WAIT = "1089-134691-0000", "wait"  # 3 s
LADY = "3080-5032-0000", "lady"  # 5 s
WRONG = 0.16  # share of wrong words: 0.10 where this was written


def place(recording: tuple[str, str], path: Path) -> Path:
    """The clip as a file, in the container of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = DATA / f"{recording[0]}.flac"
    if path.suffix == ".flac":
        shutil.copy(source, path)
    else:
        soundfile.write(path, *soundfile.read(source))
    return path


def says(path: Path, recording: tuple[str, str]) -> bool:
    return recording[1] in words(path.read_text("utf-8"))


def files(folder: Path) -> list[str]:
    """All files below, but for the manifest."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != ".speechcli-manifest.jsonl")
    return sorted(str(path.relative_to(folder)) for path in found)


@pytest.fixture
def talk(here) -> Path:
    """A recording of 2 s in the current folder."""
    return place(LOBSTER, here / "talk.flac")


@pytest.fixture
def no_model(monkeypatch):
    """Whoever loads the model fails."""

    def refuse(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("speechcli.backends.registry.open_transcriber", refuse)


# --- inputs ---


def test_a_recording_becomes_subtitles_beside_it_and_stdout_stays_empty(speechcli, talk, here):
    done = speechcli("transcribe", "talk.flac")

    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("talk.flac (0:02) -> talk.srt\n  coverage ")
    assert files(here) == ["talk.flac", "talk.srt"]
    first, times, text = (here / "talk.srt").read_text().split("\n")[:3]
    assert first == "1"
    assert re.fullmatch(r"00:00:0\d,\d\d\d --> 00:00:0\d,\d\d\d", times)
    assert "lobsters" in words(text)


@pytest.fixture(scope="module")
def tree(once, tmp_path_factory):
    """A folder with what belongs into it and what does not, transcribed into another."""
    folder = tmp_path_factory.mktemp("tree")
    recordings = folder / "recordings"
    place(LADY, recordings / "lady.flac")
    place(LOBSTER, recordings / "day" / "twin.flac")
    place(MODERN, recordings / "day" / "twin.wav")
    place(WAIT, recordings / "day" / "night" / "wait.ogg")
    place(WAIT, recordings / ".trash" / "gone.flac")
    place(WAIT, recordings / ".hidden.flac")
    (recordings / "notes.txt").write_text("Dear diary")
    (recordings / "list.m3u8").write_text("#EXTM3U\nlady.flac\n")
    done = once(
        folder, "transcribe", "recordings", "--output-dir", "texts", "-f", "srt,json", "--summary", "summary.json"
    )
    return folder, done


def test_a_folder_becomes_the_same_tree_of_files(tree):
    folder, done = tree

    assert (done.code, done.out) == (0, "")
    assert files(folder / "texts") == [
        "day/night/wait.json",
        "day/night/wait.srt",
        "day/twin.flac.json",
        "day/twin.flac.srt",
        "day/twin.wav.json",
        "day/twin.wav.srt",
        "lady.json",
        "lady.srt",
    ]
    assert files(folder / "recordings") == [
        ".hidden.flac",
        ".trash/gone.flac",
        "day/night/wait.ogg",
        "day/twin.flac",
        "day/twin.wav",
        "lady.flac",
        "list.m3u8",
        "notes.txt",
    ]


def test_two_recordings_with_one_name_but_for_the_suffix_have_a_file_each(tree):
    texts = tree[0] / "texts" / "day"

    assert says(texts / "twin.flac.srt", LOBSTER)
    assert says(texts / "twin.wav.srt", MODERN)


def test_each_recording_is_told_in_a_line_with_its_verdict_and_the_batch_in_one(tree):
    lines = tree[1].err.splitlines()

    assert sum(line.startswith("recordings/") and " -> texts/" in line for line in lines) == 4
    assert sum(line.startswith("  coverage ") for line in lines) == 4
    assert re.fullmatch(r"4 recordings: 4 done; 0:\d\d of media in \d:\d\d, [\d.]+x", lines[-1])
    assert len(lines) == 9


def test_the_summary_has_an_entry_for_each_recording(tree):
    summary = json.loads((tree[0] / "summary.json").read_text())

    assert summary["exit_code"] == 0
    assert summary["counts"] == {"done": 4, "rendered": 0, "skipped": 0, "failed": 0}
    entries = {entry["input"]: entry for entry in summary["recordings"]}
    lady = entries["recordings/lady.flac"]
    assert lady["outputs"] == ["texts/lady.srt", "texts/lady.json"]
    assert (lady["status"], lady["exit_code"], lady["error"]) == ("done", 0, None)
    assert lady["duration"] == pytest.approx(clip(LADY[0]).duration, abs=0.01)
    assert lady["verdict"]["status"] == "ok"
    assert 0.6 < lady["verdict"]["coverage"] <= 1
    assert lady["verdict"]["complete"] is True
    assert summary["media_seconds"] == pytest.approx(sum(entry["duration"] for entry in entries.values()), abs=0.01)


def test_a_second_run_over_its_own_outputs_does_nothing(tree, once, no_model):
    """Neither outputs nor manifest are taken for recordings, and nothing is heard twice."""
    folder, _ = tree
    before = {path: (folder / path).stat().st_mtime_ns for path in files(folder)}

    done = once(folder, "transcribe", "recordings", "texts", "--output-dir", "texts", "-f", "srt,json")

    assert done.code == 0
    assert done.err.count(": already done\n") == 4
    assert done.err.endswith("4 recordings: 4 skipped\n")
    assert {path: (folder / path).stat().st_mtime_ns for path in files(folder)} == before


def planned(done) -> list[str]:
    """Names of recordings in a plan."""
    return sorted(line.split("\t")[0] for line in done.out.splitlines()[1:])


def test_without_recursion_folders_in_folders_are_passed_by(tree, speechcli):
    recordings = tree[0] / "recordings"

    done = speechcli("transcribe", recordings, "--no-recursive", "--dry-run")

    assert planned(done) == [f"{recordings}/lady.flac"]


def test_patterns_are_understood_where_the_shell_has_not(tree, speechcli):
    recordings = tree[0] / "recordings"

    assert planned(speechcli("transcribe", f"{recordings}/*.flac", "--dry-run")) == [f"{recordings}/lady.flac"]
    assert planned(speechcli("transcribe", f"{recordings}/**/*.flac", f"{recordings}/*/*.wav", "--dry-run")) == [
        f"{recordings}/day/twin.flac",
        f"{recordings}/day/twin.wav",
        f"{recordings}/lady.flac",
    ]


@pytest.fixture
def stdin(monkeypatch) -> Callable[[bytes], None]:
    def feed(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    return feed


def test_stdin_goes_to_stdout_and_leaves_no_file_behind(speechcli, here, stdin, monkeypatch):
    (here / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(here / "tmp"))
    stdin((DATA / f"{LOBSTER[0]}.flac").read_bytes())

    done = speechcli("transcribe", "-")

    assert done.code == 0
    assert done.out.startswith("1\n00:00:00,")
    assert LOBSTER[1] in words(done.out)
    assert files(here) == []


def test_stdin_can_become_files(speechcli, here, stdin):
    stdin((DATA / f"{LOBSTER[0]}.flac").read_bytes())

    assert speechcli("transcribe", "-", "-f", "txt,vtt", "-o", "texts").code == 0

    assert files(here) == ["texts/stdin.txt", "texts/stdin.vtt"]
    assert says(here / "texts" / "stdin.txt", LOBSTER)


def test_lists_name_recordings(speechcli, here, stdin):
    names = ["a.flac", "# b.flac", " c .flac"]
    for name in [*names, "d\ne.flac"]:
        place(LOBSTER, here / name)
    (here / "list").write_text("\r\n".join(["", *names, ""]))
    (here / "nul").write_bytes(b"\0".join(os.fsencode(name) for name in ["d\ne.flac", *names]))
    stdin(b"a.flac\n./a.flac\n")

    assert planned(speechcli("transcribe", "--files-from", "list", "--dry-run")) == sorted(names)
    assert planned(speechcli("transcribe", "--files-from", "nul", "-0", "--dry-run")) == sorted(
        [r"d\ne.flac", *names], key=lambda name: name
    )
    assert planned(speechcli("transcribe", "--files-from", "-", "a.flac", "--dry-run")) == ["a.flac"], "each once"


def test_lists_of_json_lines_carry_hints_for_each_recording(speechcli, here, ffmpeg):
    """A film whose second track has the words, and a recording that is to be called otherwise."""
    command = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "anullsrc=r=16000:d=2", "-i", DATA / f"{LOBSTER[0]}.flac"]
    subprocess.run([*command, "-map", "0", "-map", "1", here / "film.mka"], check=True)
    place(MODERN, here / "b.flac")
    entries = [
        {"audio": "film.mka", "track": 1, "language": "en", "hotwords": ["crayfish"], "context": "At the seaside."},
        {"audio": "b.flac", "output": "chapter/one.srt"},
    ]
    (here / "list.jsonl").write_text("\n".join(map(json.dumps, entries)))

    done = speechcli("transcribe", "--files-from", "list.jsonl", "--output-dir", "texts")

    assert done.code == 0
    assert files(here / "texts") == ["chapter/one.srt", "film.srt"]
    assert says(here / "texts" / "film.srt", LOBSTER)
    assert says(here / "texts" / "chapter" / "one.srt", MODERN)


@pytest.mark.parametrize(
    ("option", "kept"), [(("--track", 1), True), (("--track", 0), False), (("--channel", 1), True)]
)
def test_a_track_or_a_channel_can_be_chosen(speechcli, here, ffmpeg, option, kept):
    speech = clip(LOBSTER[0]).samples
    soundfile.write(here / "two.wav", np.stack([np.zeros_like(speech), speech], axis=1), RATE)
    command = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "anullsrc=r=16000:d=2", "-i", here / "two.wav"]
    subprocess.run([*command, "-map", "0", "-map", "1", here / "two.mka"], check=True)

    done = speechcli(
        "transcribe", "two.wav" if option[0] == "--channel" else "two.mka", "-f", "txt", "-o", "-", *option
    )

    assert done.code == 0
    assert (LOBSTER[1] in words(done.out)) == kept


def test_only_the_parts_asked_for_are_heard(speechcli, here):
    recording = made((LOBSTER[0], MODERN[0]), (1, 3))
    soundfile.write(here / "two.wav", recording.audio.samples, RATE)

    done = speechcli(
        "transcribe", "two.wav", "-o", "-", "-f", "tsv", "--clip-timestamps", f"{recording.spans[1].start - 1}"
    )

    assert MODERN[1] in words(done.out)
    assert LOBSTER[1] not in words(done.out)
    assert int(done.out.splitlines()[1].split("\t")[0]) > 1000 * (recording.spans[1].start - 1)


# --- outputs ---


def test_two_recordings_that_would_become_one_file_are_refused_before_anything_is_done(speechcli, here, no_model):
    for folder in ("monday", "tuesday"):
        place(LOBSTER, here / folder / "talk.flac")

    done = speechcli("transcribe", "monday", "tuesday", "--output-dir", "texts")

    assert done.code == 2
    assert "monday/talk.flac and tuesday/talk.flac would both become texts/talk.flac.srt" in done.err
    assert not (here / "texts").exists()


def test_the_transcript_of_another_recording_is_not_replaced_unasked(speechcli, here):
    place(LOBSTER, here / "monday" / "talk.flac")
    place(MODERN, here / "tuesday" / "talk.flac")
    assert speechcli("transcribe", "monday/talk.flac", "--output-dir", "texts").code == 0

    done = speechcli("transcribe", "tuesday/talk.flac", "--output-dir", "texts")

    assert done.code == 73
    assert "texts/talk.srt is the transcript of monday/talk.flac" in done.err
    assert says(here / "texts" / "talk.srt", LOBSTER)


def test_an_output_may_be_a_file_of_any_format_or_a_folder(speechcli, talk, here):
    assert speechcli("transcribe", "talk.flac", "-o", "new/words.vtt").code == 0
    assert (here / "new" / "words.vtt").read_text().startswith("WEBVTT\n\n00:")

    assert speechcli("transcribe", "talk.flac", "-o", "texts").code == 0
    assert says(here / "texts" / "talk.srt", LOBSTER)


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> Path:
    """A recording of four windows, with pauses long enough to end them."""
    names = [name for name, _ in (LADY, WAIT, MODERN, LOBSTER)]
    path = tmp_path_factory.mktemp("long") / "long.wav"
    soundfile.write(path, made(names, [4.5] * 4).audio.samples, RATE)
    return path


@pytest.fixture(scope="module")
def written(long, once) -> Path:
    """That recording in every format it can fill."""
    done = once(long.parent, "transcribe", "long.wav", "-f", "all", "--output-dir", "all", "-v")
    assert done.code == 0, done.err
    assert "long.wav: transcribe (new)\n" in done.err
    assert done.err.endswith("  left out: rttm needs speakers: none are known\n")
    return long.parent / "all"


def test_all_is_every_format_that_the_transcript_can_fill(written, long):
    """What was left out is said in a line: the assertion stands where that line comes up."""
    assert files(written) == sorted(
        "long." + suffix
        for suffix in (
            *("json", "srt", "vtt", "txt", "tsv", "lrc", "ass", "ctm", "stm", "TextGrid"),
            *("labels.txt", "verbose.json", "seglst.json"),
        )
    )
    assert all((written / name).stat().st_size for name in files(written))


@pytest.mark.parametrize("name", ["vtt", "txt", "tsv", "json"])
def test_stdout_has_the_bytes_that_the_file_has(written, long, speechcli, here, name):
    done = speechcli("transcribe", long, "-f", name, "-o", "-")

    assert (done.code, done.err) == (0, "")
    assert done.out.encode() == (written / f"long.{name}").read_bytes()
    assert files(here) == []


def test_captions_appear_while_the_rest_is_not_even_decoded(written, long, here, ffmpeg):
    """The decoder holds the end back until a caption has been read; then all is as in the file."""
    fake = here / "ffmpeg"
    fake.write_text(
        f'#!/bin/sh\ncase "$*" in *f32le*) ;; *) exec "{ffmpeg}" "$@" ;; esac\n'
        f'"{ffmpeg}" "$@" | {{ head -c 1600000; until [ -e go ]; do sleep 0.05; done; cat; }}\n'
    )
    fake.chmod(0o755)
    command = [sys.executable, "-m", "speechcli", "transcribe", long, "-f", "srt", "-o", "-"]
    environment = os.environ | {"SPEECHCLI_FFMPEG": str(fake)}

    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        (here / "go").touch()
        rest = process.stdout.read()

    assert process.returncode == 0
    assert first == b"1\n"
    assert first + rest == (written / "long.srt").read_bytes()


def test_a_format_that_cannot_be_filled_is_refused_aloud_and_the_others_are_written(speechcli, talk, here):
    done = speechcli("transcribe", "talk.flac", "-f", "rttm,txt")

    assert done.code == 65
    assert done.err == "error: talk.flac: rttm needs speakers: none are known; the other formats were written\n"
    assert files(here) == ["talk.flac", "talk.txt"]


def test_without_the_times_of_words_formats_of_words_are_left_out(speechcli, talk, here):
    done = speechcli("transcribe", "talk.flac", "-f", "all", "--no-word-timestamps")

    assert done.code == 0
    assert "ctm needs words with times" in done.err
    assert not (here / "talk.ctm").exists()
    document = json.loads((here / "talk.json").read_text())
    assert document["word_segments"] == []
    assert LOBSTER[1] in words(document["text"])


# --- the words ---


@pytest.fixture(scope="module")
def heard(once, tmp_path_factory) -> dict[str, dict]:
    """The json of every clip, from one run."""
    folder = tmp_path_factory.mktemp("heard")
    done = once(
        folder, "transcribe", *(DATA / f"{name}.flac" for name in CLIPS), "--output-dir", ".", "-f", "json", "-q"
    )
    assert (done.code, done.err) == (0, "")
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in CLIPS}


def test_the_words_are_those_that_were_said(heard):
    errors = sum(wrong(said(name), words(heard[name]["text"])) for name in CLIPS)

    assert errors / sum(len(said(name)) for name in CLIPS) < WRONG


def test_every_word_has_a_start_and_an_end_inside_the_recording_and_in_order(heard):
    for name, document in heard.items():
        assert document["word_segments"], name
        times = [time for word in document["word_segments"] for time in (word["start"], word["end"])]
        assert times == sorted(times), name
        assert times[0] >= 0, name
        assert times[-1] <= document["duration"] == pytest.approx(clip(name).duration, abs=0.001), name


def test_the_json_says_what_made_it(heard):
    document = heard[LADY[0]]

    (stage,) = document["provenance"]["made_by"]
    assert stage["model"] == "whisper-tiny.en"
    assert stage["revision"] == "sha256:1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
    assert document["schema"] == "speechcli/1"
    assert document["language"] == "en"
    assert document["quality"]["complete"] is True


# --- the verdict ---


@pytest.fixture(scope="module")
def quiet(once, tmp_path_factory):
    """What holds no speech: silence, noise, and music of a kind."""
    folder = tmp_path_factory.mktemp("quiet")
    random, time_ = np.random.default_rng(3), np.arange(12 * RATE) / RATE
    beat = np.exp(-6 * (time_ % 0.5))
    notes = np.choose((time_ // 0.5).astype(int) % 4, [220.0, 277.2, 329.6, 440.0])
    sounds = {
        "silence": np.zeros(12 * RATE),
        "noise": 0.1 * random.standard_normal(12 * RATE),
        "hum": 0.3 * np.sin(2 * np.pi * 50 * time_),
        "music": 0.3 * beat * sum(np.sin(2 * np.pi * k * notes * time_) / k for k in (1, 2, 3, 4)),
    }
    for name, samples in sounds.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE)
    return folder, tuple(sounds), once(folder, "transcribe", ".", "-f", "srt,txt,json", "--strict")


def test_where_nobody_speaks_nothing_is_written_and_that_is_no_failure(quiet):
    """Not even a strict one. Coverage is null."""
    folder, names, done = quiet

    assert done.code == 0, done.err
    for name in names:
        document = json.loads((folder / f"{name}.json").read_text())
        assert document["segments"] == [], name
        if name != "music":  # of which the detector may take a note for a voice
            assert document["quality"]["coverage"] is None
            assert f"{name}.json\n  no speech heard\n" in done.err
        assert (folder / f"{name}.srt").read_text() == (folder / f"{name}.txt").read_text() == ""


@pytest.fixture(scope="module")
def cut(once, tmp_path_factory):
    """A recording of which the second half is missing."""
    folder = tmp_path_factory.mktemp("cut")
    data = (DATA / f"{LADY[0]}.flac").read_bytes()
    (folder / "cut.flac").write_bytes(data[: len(data) // 2])
    return folder, once(folder, "transcribe", "cut.flac", "-f", "srt,json", "--summary", "summary.json")


def test_a_file_cut_short_gives_its_text_and_a_warning(cut):
    folder, done = cut

    assert done.code == 0
    assert re.search(r"^  warning: .*decoded \d\.\d s of 4\.6 s announced \(file cut short\?\)", done.err, re.MULTILINE)
    assert (folder / "cut.srt").stat().st_size
    assert json.loads((folder / "cut.json").read_text())["quality"]["complete"] is False
    (entry,) = json.loads((folder / "summary.json").read_text())["recordings"]
    assert (entry["status"], entry["verdict"]["status"], entry["verdict"]["complete"]) == ("done", "warning", False)


def test_strict_makes_a_warning_count_also_one_of_an_earlier_run(cut, once, no_model):
    folder, _ = cut

    again = once(folder, "transcribe", "cut.flac", "-f", "srt,json", "-q")
    strict = once(folder, "transcribe", "cut.flac", "-f", "srt,json", "-q", "--strict")

    assert again.code == 0
    assert strict.code == 1
    assert strict.err == "cut.flac: already done, with a warning\n"


def test_quiet_says_nothing_but_what_needs_a_look(cut, once, speechcli, talk):
    assert speechcli("transcribe", "talk.flac", "-q") == type(cut[1])(0, "", "")

    folder, _ = cut
    done = once(folder, "transcribe", "cut.flac", "-q", "-f", "txt")
    assert (done.code, done.out) == (0, "")
    assert re.fullmatch(r"warning: cut\.flac: coverage .*file cut short\?.*\n", done.err)


def test_without_listening_for_speech_the_coverage_is_unknown(speechcli, talk, here):
    done = speechcli("transcribe", "talk.flac", "--no-vad", "-f", "json")

    assert done.code == 0
    assert "  coverage unknown\n" in done.err
    document = json.loads((here / "talk.json").read_text())
    assert document["quality"]["coverage"] is None
    assert LOBSTER[1] in words(document["text"])


# --- again ---


@pytest.fixture(scope="module")
def finished_once(once, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    place(LADY, folder / "talk.flac")
    assert once(folder, "transcribe", "talk.flac", "-f", "srt,json").code == 0
    return folder


@pytest.fixture
def finished(finished_once, here) -> Path:
    """A folder with a recording and its srt and json, as an earlier run left them; the current one."""
    shutil.copytree(finished_once, here, dirs_exist_ok=True)
    return here


def test_what_is_done_is_not_done_again(finished, speechcli, no_model):
    before = {path.name: path.stat().st_mtime_ns for path in finished.iterdir()}

    done = speechcli("transcribe", "talk.flac", "-f", "srt,json")

    assert (done.code, done.err) == (0, "talk.flac: already done\n")
    assert {path.name: path.stat().st_mtime_ns for path in finished.iterdir()} == before


def test_a_copy_with_another_date_is_the_same_recording(finished, speechcli, no_model):
    os.utime(finished / "talk.flac", (1, 1))

    assert speechcli("transcribe", "talk.flac", "-f", "srt,json").err == "talk.flac: already done\n"


@pytest.mark.parametrize(
    "change",
    [("-f", "srt,json", "--max-line-width", 20), ("-f", "srt,json,vtt"), ("-f", "tsv")],
    ids=["looks", "another format", "another format alone"],
)
def test_what_only_looks_otherwise_is_written_from_our_json_without_the_model(finished, speechcli, no_model, change):
    done = speechcli("transcribe", "talk.flac", *change, "--summary", "summary.json")

    assert done.code == 0, done.err
    assert json.loads((finished / "summary.json").read_text())["counts"]["rendered"] == 1
    for name in change[1].split(","):
        assert says(finished / f"talk.{name}", LADY)
    if "--max-line-width" in change:
        lines = [line for line in (finished / "talk.srt").read_text().splitlines() if "-->" not in line]
        assert max(map(len, lines)) <= 20


def test_an_output_that_is_gone_is_written_again_without_the_model(finished, speechcli, no_model):
    before = (finished / "talk.srt").read_bytes()
    (finished / "talk.srt").unlink()

    assert speechcli("transcribe", "talk.flac", "-f", "srt,json").code == 0
    assert (finished / "talk.srt").read_bytes() == before


def test_an_output_that_somebody_edited_is_left_alone(finished, speechcli, no_model):
    (finished / "talk.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nMy work of a week\n\n")
    document = (finished / "talk.json").read_bytes()

    done = speechcli("transcribe", "talk.flac", "-f", "srt,json", "--max-line-width", 20)

    assert done.code == 73
    assert done.err == (
        "error: talk.flac: talk.srt exists and is not what speechcli wrote there; "
        "--overwrite replaces it, --output-dir spares it\n"
    )
    assert "My work of a week" in (finished / "talk.srt").read_text()
    assert (finished / "talk.json").read_bytes() == document


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("--overwrite",), "--overwrite"),
        (("--no-skip-existing",), "--no-skip-existing"),
        (("--set", "beam_size=1"), "model or options have changed"),
        (("--vad-threshold", 0.4), "model or options have changed"),
        (("--context", "At court."), "model or options have changed"),
        ((), "the recording has changed"),
    ],
)
def test_what_changes_the_answer_is_planned_to_be_done_again_and_why(finished, speechcli, change, why, no_model):
    if not change:
        place(MODERN, finished / "talk.flac")

    done = speechcli("transcribe", "talk.flac", "-f", "srt,json", *change, "--dry-run")

    assert f"\ttranscribe ({why})\t" in done.out


def test_overwrite_replaces_also_what_is_not_ours(finished, speechcli):
    (finished / "talk.srt").write_text("mine")

    done = speechcli("transcribe", "talk.flac", "-f", "srt,json", "--overwrite")

    assert done.code == 0
    assert says(finished / "talk.srt", LADY)
    assert speechcli("transcribe", "talk.flac", "-f", "srt,json").err == "talk.flac: already done\n"


def test_a_recording_that_has_changed_is_heard_again(finished, speechcli):
    place(MODERN, finished / "talk.flac")

    assert speechcli("transcribe", "talk.flac", "-f", "srt,json").code == 0
    assert says(finished / "talk.srt", MODERN)
    assert not says(finished / "talk.srt", LADY)


def test_what_a_broken_run_heard_is_taken_over_unless_that_is_not_wanted(long, here, speechcli, ffmpeg, monkeypatch):
    """The decoder crashes once a window is in the journal. A word in there is altered, and found again or not."""
    journal = here / ".long.txt.journal"
    fake = here / "ffmpeg"
    fake.write_text(
        f'#!/bin/sh\ncase "$*" in *f32le*) ;; *) exec "{ffmpeg}" "$@" ;; esac\n'
        f'"{ffmpeg}" "$@" | head -c 1600000\n'
        f"until grep -q lady {journal}; do sleep 0.05; done\nkill -KILL $$\n"
    )
    fake.chmod(0o755)
    shutil.copy(long, here)
    monkeypatch.setenv("SPEECHCLI_FFMPEG", str(fake))
    broken = speechcli("transcribe", "long.wav", "-f", "txt")
    assert broken.code == 65
    assert broken.err.startswith("error: long.wav: decoder crashed (signal 9)")
    assert not (here / "long.txt").exists()
    monkeypatch.delenv("SPEECHCLI_FFMPEG")
    altered = journal.read_text().replace("lady", "walrus")

    journal.write_text(altered)
    assert speechcli("transcribe", "long.wav", "-f", "txt").code == 0
    assert {"walrus", "lobsters"} <= set(words((here / "long.txt").read_text()))
    assert not journal.exists()

    journal.write_text(altered)
    assert speechcli("transcribe", "long.wav", "-f", "txt", "--no-resume", "--overwrite").code == 0
    assert {"lady", "lobsters"} <= set(words((here / "long.txt").read_text()))
    assert not journal.exists()


# --- how it is run ---


@pytest.mark.slow
def test_the_first_failure_ends_the_run_when_that_is_wanted(here, child):
    """The bad one is the largest, and so the first."""
    place(LOBSTER, here / "good.flac")
    (here / "bad.flac").write_bytes(b"no sound" * 100_000)

    done = child("transcribe", "good.flac", "bad.flac", "--fail-fast")

    assert done.returncode == 1
    first, last = done.stderr.decode().splitlines()
    assert first.startswith("error: bad.flac: ")
    assert last == "2 recordings: 1 failed, 1 left"
    assert not (here / "good.srt").exists()
    assert child("transcribe", "good.flac", "bad.flac").returncode == 1
    assert (here / "good.srt").exists()


def test_a_dry_run_prints_the_plan_and_writes_nothing(finished, speechcli, no_model):
    place(LOBSTER, finished / "new.flac")
    place(MODERN, finished / "mine.flac")
    (finished / "mine.srt").write_text("mine")
    (finished / "mine.json").write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in [finished, *finished.iterdir()]}

    done = speechcli("transcribe", ".", "-f", "srt,json", "--dry-run", "--summary", "summary.json")

    assert done.code == 1, "one of them would be refused"
    header, *rows = [line.split("\t") for line in done.out.splitlines()]
    assert header == ["recording", "length", "windows", "action", "outputs"]
    assert {row[0]: row[1:3] for row in rows} == {
        "talk.flac": ["0:05", ""],
        "new.flac": ["0:02", "~1"],
        "mine.flac": ["0:02", ""],
    }
    actions = {row[0]: row[3] for row in rows}
    assert actions["talk.flac"] == "skip (done)"
    assert actions["new.flac"] == "transcribe (new)"
    assert actions["mine.flac"].startswith("refuse: mine.srt exists and is not what speechcli wrote there")
    assert {row[0]: row[4] for row in rows}["new.flac"] == "new.srt, new.json"
    assert re.match(
        r"1 of 3 to transcribe, 0:02 of media; about 1 windows in batches of 1, \d+ at a time; "
        r"roughly \d+ MB and \d+:\d\d\n",
        done.err,
    )
    assert {path: path.stat().st_mtime_ns for path in [finished, *finished.iterdir()]} == before


def test_a_plan_for_a_model_that_is_not_here_fetches_nothing(speechcli, talk, here):
    done = speechcli("transcribe", "talk.flac", "--model", "whisper-small", "--dry-run", "--model-dir", here / "models")

    assert done.code == 0
    assert "talk.flac\t0:02\t~1\ttranscribe (new)\ttalk.srt\n" in done.out
    assert not (here / "models").exists()


def test_a_configuration_file_sets_defaults_and_flags_win(speechcli, talk, here):
    (here / "speechcli.toml").write_text('[transcribe]\nformat = ["txt", "vtt"]\noutput-dir = "texts"\nquiet = true\n')

    assert planned_outputs(speechcli("transcribe", "talk.flac", "--dry-run")) == (
        f"{here}/texts/talk.txt, {here}/texts/talk.vtt"
    ), "a name in a file is relative to that file"
    assert planned_outputs(speechcli("transcribe", "talk.flac", "--dry-run", "-f", "srt")) == f"{here}/texts/talk.srt"
    done = speechcli("transcribe", "talk.flac")
    assert (done.code, done.err) == (0, "")
    assert files(here / "texts") == ["talk.txt", "talk.vtt"]


def planned_outputs(done) -> str:
    """Of the one recording of a plan."""
    return done.out.splitlines()[1].split("\t")[-1]


@pytest.mark.parametrize(
    "flags",
    [
        ("--format", "vtt", "--output-dir", "out", "--max-line-width", 30, "--vad-threshold", 0.4, "--dry-run"),
        ("--output_format", "vtt", "--output_dir", "out", "--max_line_width", 30, "--vad_threshold", 0.4, "--dry_run"),
        ("--output-format=vtt", "--output_dir=out", "--max-line_width=30", "--vad_filter", "--dry-run"),
        ("-f", "vtt", "--output_dir", "out", "--compute_type", "int8", "--initial_prompt", "At sea.", "--dry-run"),
    ],
    ids=["kebab", "snake", "mixed", "other tools"],
)
def test_flags_are_understood_in_kebab_and_in_snake_case(speechcli, talk, flags):
    done = speechcli("transcribe", "talk.flac", *flags)

    assert done.code == 0, done.err
    assert planned_outputs(done) == "out/talk.vtt"


def test_on_a_terminal_a_bar_is_shown_and_taken_away_again(here, talk):
    """80 columns, stdout and stderr both the terminal: what stays are the lines about the recording."""
    inner, outer = pty.openpty()
    fcntl.ioctl(outer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "CI")}
    with subprocess.Popen(
        [sys.executable, "-m", "speechcli", "transcribe", "talk.flac"],
        stdin=outer,
        stdout=outer,
        stderr=outer,
        env=environment | {"TERM": "xterm"},
    ) as process:
        text = shown(process, inner, outer)

    assert process.returncode == 0
    assert 0 <= text.find(b"\x1b[?25l") < text.rfind(b"\x1b[?25h"), "the cursor is hidden for the bar, and comes back"
    assert b"talk.flac (0:02) -> talk.srt" in text
    assert b"coverage" in text
