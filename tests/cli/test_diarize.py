"""`speechcli diarize` and `transcribe --diarize` with the models that come along: who speaks, on made conversations."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from spoken import RATE, clip

from speechcli.backends import community1
from speechcli.media.ffmpeg import find

# A man, a woman and Mary, each twice; of LibriSpeech, of Kennedy's speech, and of EMU's "ae"
ROW = (("jfk", 6.5), ("3080-5032-0000", 6.0), ("mary", 6.0), ("jfk", 6.5), ("3080-5032-0000", 6.0), ("mary", 6.0))
PAUSE = 0.4


def conversation(row=ROW) -> tuple[np.ndarray, list[tuple[float, float, str]]]:
    """The clips one after the other, and who talks when."""
    parts, gold, at = [], [], 0.0
    for name, most in row:
        samples = clip(name).samples[: int(most * RATE)]
        parts += [samples, np.zeros(int(PAUSE * RATE), np.float32)]
        gold.append((at, at + len(samples) / RATE, name))
        at += len(samples) / RATE + PAUSE
    return np.concatenate(parts), gold


def rows(path: Path | str) -> list[tuple[float, float, str]]:
    """Turns of an RTTM."""
    text = path.read_text("utf-8") if isinstance(path, Path) else path
    fields = [line.split() for line in text.splitlines()]
    assert all(len(f) == 10 and f[0] == "SPEAKER" for f in fields)
    return [(float(f[3]), float(f[3]) + float(f[4]), f[7]) for f in fields]


def share_right(turns: list[tuple[float, float, str]], gold: list[tuple[float, float, str]]) -> float:
    """Of the time that somebody is found to talk, how much is whose most of it is; by the best one to one naming."""
    talk: dict[tuple[str, str], float] = {}
    for start, end, speaker in turns:
        for a, b, who in gold:
            talk[speaker, who] = talk.get((speaker, who), 0.0) + max(0.0, min(end, b) - max(start, a))
    right, taken = 0.0, set()
    for (speaker, who), seconds in sorted(talk.items(), key=lambda row: -row[1]):
        if speaker not in taken and who not in taken:
            right += seconds
            taken |= {speaker, who}
    return right / sum(end - start for start, end, _ in turns)


@pytest.fixture(scope="session")
def talked(tmp_path_factory, models) -> tuple[Path, list[tuple[float, float, str]]]:
    """A folder with talk.wav, and who talks when in it."""
    folder = tmp_path_factory.mktemp("talked")
    samples, gold = conversation()
    soundfile.write(folder / "talk.wav", samples, RATE)
    return folder, gold


@pytest.fixture(scope="session")
def diarized(talked, once):
    """talk.wav diarized, in two formats and a picture."""
    folder, _ = talked
    done = once(folder, "diarize", "talk.wav", "-f", "rttm,json,textgrid", "--plot", "talk.svg")
    assert done.code == 0, done.err
    return done


@pytest.fixture(scope="session")
def transcribed(talked, once):
    """The same recording with words and speakers."""
    folder, _ = talked
    done = once(folder, "transcribe", "talk.wav", "--diarize", "-f", "json,vtt,txt", "--output-dir", "said")
    assert done.code == 0, done.err
    return done


@pytest.fixture
def talk(talked, here) -> Path:
    """The recording, in an empty folder."""
    shutil.copy(talked[0] / "talk.wav", here)
    return here / "talk.wav"


def test_three_people_are_told_apart_and_keep_their_labels(talked, diarized):
    folder, gold = talked

    turns = rows(folder / "talk.rttm")

    assert {speaker for *_, speaker in turns} == {"SPEAKER_00", "SPEAKER_01", "SPEAKER_02"}
    assert share_right(turns, gold) > 0.95
    assert turns[0][2] == "SPEAKER_00"
    assert "3 speakers (SPEAKER_00 0:" in diarized.err


def test_the_json_says_who_found_it_and_whose_weights_they_are(talked, diarized):
    made = json.loads((talked[0] / "talk.json").read_text("utf-8"))

    (stage,) = made["provenance"]["made_by"]
    assert (stage["stage"], stage["revision"]) == ("diarize", community1.REVISION)
    assert stage["model"].startswith("community-1")
    assert community1.NOTICE in stage["settings"].values()
    assert [t["speaker"] for t in made["turns"]] == [speaker for *_, speaker in rows(talked[0] / "talk.rttm")]
    assert made["segments"] == []
    assert made["quality"]["status"] == "ok"


def test_the_other_formats_and_the_picture_are_there(talked, diarized):
    folder, _ = talked

    assert (folder / "talk.TextGrid").read_text("utf-8").count('class = "IntervalTier"') == 3
    assert (folder / "talk.svg").read_text("utf-8").count("SPEAKER_0") >= 3


def test_a_finished_recording_is_not_heard_again_and_its_picture_is_drawn_all_the_same(talked, diarized, once):
    folder, _ = talked
    before = (folder / "talk.rttm").stat().st_mtime_ns

    done = once(folder, "diarize", "talk.wav", "-f", "rttm,json,textgrid", "--plot", "again.svg")

    assert (done.code, done.err.strip()) == (0, "talk.wav: already done")
    assert (folder / "talk.rttm").stat().st_mtime_ns == before
    assert (folder / "again.svg").read_text("utf-8").count("SPEAKER_0") >= 3


def test_stdout_holds_the_turns_and_nothing_else(talked, diarized, once, monkeypatch):
    folder, _ = talked

    done = once(folder, "diarize", "talk.wav", "-f", "rttm", "-o", "-", "--quiet")

    assert done.code == 0
    assert done.out == (folder / "talk.rttm").read_text("utf-8")


def test_transcribed_words_have_their_speakers(talked, transcribed):
    folder, gold = talked
    made = json.loads((folder / "said" / "talk.json").read_text("utf-8"))

    middles = [((w["start"] + w["end"]) / 2, w["speaker"]) for w in made["word_segments"]]
    # twice a sentence is cut short, and the model may end it with a word that nobody says, in the pause
    inside = [(at, speaker) for at, speaker in middles if any(start <= at <= end for start, end, _ in gold)]
    spoken = [(at - 0.05, at + 0.05, speaker) for at, speaker in inside]

    assert len(middles) - len(inside) <= 2
    assert len(spoken) > 40
    assert share_right(spoken, gold) > 0.96
    assert [s["stage"] for s in made["provenance"]["made_by"]] == ["transcribe", "diarize"]
    assert made["turns"]
    assert "<v SPEAKER_02>Mary" in (folder / "said" / "talk.vtt").read_text("utf-8")
    paragraphs = (folder / "said" / "talk.txt").read_text("utf-8").splitlines()
    assert [line[1:11] for line in paragraphs] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02"] * 2
    assert "3 speakers" in transcribed.err
    assert "coverage" in transcribed.err


def test_without_diarize_a_transcript_is_the_same_but_for_the_speakers(talked, transcribed, once):
    folder, _ = talked

    once(folder, "transcribe", "talk.wav", "-f", "json", "--output-dir", "plain")

    plain, named = (json.loads((folder / d / "talk.json").read_text("utf-8")) for d in ("plain", "said"))
    assert [(w["word"], w["start"]) for w in plain["word_segments"]] == [
        (w["word"], w["start"]) for w in named["word_segments"]
    ]
    assert plain["turns"] == []
    assert len(plain["provenance"]["made_by"]) == 1


def test_a_transcript_is_diarized_again_without_transcribing(talked, transcribed, speechcli, here):
    folder, _ = talked
    shutil.copy(folder / "talk.wav", here)
    shutil.copy(folder / "said" / "talk.json", here / "result.json")

    done = speechcli("diarize", "result.json", "--num-speakers", 2, "-f", "json,srt")

    assert done.code == 0, done.err
    before, after = (json.loads((here / f"result{s}.json").read_text("utf-8")) for s in ("", ".diarized"))
    assert [(w["word"], w["start"]) for w in after["word_segments"]] == [
        (w["word"], w["start"]) for w in before["word_segments"]
    ]
    assert {w["speaker"] for w in after["word_segments"]} == {"SPEAKER_00", "SPEAKER_01"}
    diarizer = [s for s in after["provenance"]["made_by"] if s["stage"] == "diarize"]
    assert [s["settings"]["num_speakers"] for s in diarizer] == ["2"]
    assert "[SPEAKER_00]" in (here / "result.diarized.srt").read_text("utf-8")
    assert speechcli("diarize", "result.json", "--num-speakers", 2, "-f", "json,srt").err.endswith("already done\n")


def test_captions_get_speakers_and_stay_captions(talk, here, speechcli):
    (here / "talk.srt").write_text(
        "1\n00:00:00,300 --> 00:00:04,500\nAnd so, my fellow Americans\n\n"
        "2\n00:00:08,700 --> 00:00:12,300\nBut I am hugely pleased\n\n"
    )

    done = speechcli("diarize", "talk.srt")

    assert done.code == 0, done.err
    text = (here / "talk.diarized.srt").read_text("utf-8")
    assert "[SPEAKER_00]: And so, my fellow Americans" in text
    assert "[SPEAKER_01]: But I am hugely pleased" in text
    assert "00:00:00,300 --> 00:00:04,500" in text


TOLD = {
    "text": "one two",
    "segments": [{"start": 0.0, "end": 2.0, "text": "one"}, {"start": 3.0, "end": 5.0, "text": "two"}],
}


@pytest.fixture
def result(here) -> Path:
    """A transcript as Whisper writes them, and no recording."""
    (here / "talk.json").write_text(json.dumps(TOLD))
    return here / "talk.json"


def test_turns_that_are_given_are_joined_without_a_recording_or_a_model(result, here, speechcli):
    (here / "gold.rttm").write_text(
        "SPEAKER talk 1 0.0 2.1 <NA> <NA> Anna <NA>\nSPEAKER talk 1 2.9 2.1 <NA> <NA> Ben <NA> <NA>\n"
    )

    done = speechcli("diarize", "talk.json", "--turns", "gold.rttm", "-f", "srt,json")

    assert done.code == 0, done.err
    assert "2 speakers (Anna 0:02, Ben 0:02)" in done.err
    assert "[Anna]: one" in (here / "talk.diarized.srt").read_text("utf-8")
    assert json.loads((here / "talk.diarized.json").read_text("utf-8"))["segments"][1]["speaker"] == "Ben"


@pytest.mark.parametrize(
    ("turns", "code", "told"),
    [
        ("SPEAKER other 1 0.0 2.1 <NA> <NA> Anna <NA> <NA>\n", 0, "calls its recording other, not talk"),
        (
            "SPEAKER a 1 0 2 <NA> <NA> A <NA>\nSPEAKER b 1 0 2 <NA> <NA> B <NA>\n",
            65,
            "is about a, b, and not about talk",
        ),
        ("SPEAKER talk 1 0 2 <NA> <NA> A <NA>\nSPEAKER talk 1 3 -2 <NA> <NA> B <NA>\n", 65, "gold.rttm, line 2"),
        ("SPEAKER talk 1 0 2 <NA> <NA> A <NA>\nnothing of the kind\n", 65, "gold.rttm, line 2"),
    ],
)
def test_turns_that_do_not_fit_are_told(result, here, speechcli, turns, code, told):
    (here / "gold.rttm").write_text(turns)

    done = speechcli("diarize", "talk.json", "--turns", "gold.rttm")

    assert (done.code, told in done.err) == (code, True), done.err
    assert (here / "talk.diarized.json").exists() == (code == 0)


def test_a_transcript_whose_recording_is_not_there_is_told(result, here, speechcli):
    done = speechcli("diarize", "talk.json")

    assert done.code == 66
    assert "--audio" in done.err
    assert done.err.count("\n") == 1


def test_of_two_recordings_of_a_name_one_has_to_be_named(result, here, speechcli):
    for suffix in ("wav", "mp3"):
        (here / f"talk.{suffix}").write_bytes(b"")

    done = speechcli("diarize", "talk.json")

    assert done.code == 2
    assert "talk.mp3, talk.wav" in done.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--num-speakers", 0), "num-speakers 0: at least one speaks"),
        (("--max-speakers", -2), "max-speakers -2: at least one speaks"),
        (("--num-speakers", 3, "--max-speakers", 4), "num-speakers excludes"),
        (("--min-speakers", 4, "--max-speakers", 3), "min-speakers 4 is more than max-speakers 3"),
        (("-f", "srt"), "srt needs text"),
        (("--turns", "gold.rttm"), "is a recording"),
        (("--audio", "b.wav"), "is a recording"),
        (("--model", "whisper-small"), "does not tell who speaks"),
        (("--plot", "a.jpg"), "a picture is a .svg or a .png"),
        (("--enroll", "Anna"), "not KEY=VALUE"),
        (("--set", "nothing=1"), "nothing"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(speechcli, here, options, told, models):
    soundfile.write(here / "a.wav", np.zeros(RATE, np.float32), RATE)

    done = speechcli("diarize", "a.wav", *options)

    assert done.code == 2, done.err
    assert told in done.err
    assert done.err.count("\n") == 1
    assert not (here / "a.rttm").exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--num-speakers", 2), "--diarize"),
        (("--set", "diarizer.x=1"), "no diarizer was asked for"),
        (("--diarizer", "whisper-small"), "does not tell who speaks"),
        (("--diarize", "--min-speakers", 3, "--max-speakers", 2), "min-speakers 3 is more than"),
    ],
)
def test_wrong_usage_of_transcribe_too(speechcli, here, options, told):
    soundfile.write(here / "a.wav", np.zeros(RATE, np.float32), RATE)

    done = speechcli("transcribe", "a.wav", *options)

    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert told in done.err


# --- recordings that are not what they should be ---


def sound(path: Path, kind: str) -> None:
    """A recording of that kind."""
    rng = np.random.default_rng(0)
    t = np.arange(6 * RATE) / RATE
    chord = sum(0.1 * np.sin(2 * np.pi * f * t) for f in (262, 330, 392, 523)).astype(np.float32)
    short = clip("jfk").samples[int(0.3 * RATE) : int(2.3 * RATE)]
    made = {
        "silence": np.zeros(5 * RATE, np.float32),
        "noise": rng.normal(0, 0.02, 5 * RATE).astype(np.float32),
        "music": chord,
        "two seconds": short,
        "nothing at all": np.zeros(0, np.float32),
        "one click": np.concatenate([np.ones(8, np.float32), np.zeros(RATE // 20, np.float32)]),
        "clipped": np.clip(8 * conversation(ROW[:2])[0], -1, 1).astype(np.float32),
    }
    if kind == "8 kHz":
        soundfile.write(path, conversation(ROW[:3])[0][::2], RATE // 2, subtype="ULAW")
    else:
        soundfile.write(path, made[kind], RATE)


@pytest.mark.parametrize(
    ("kind", "codes", "speakers"),
    [
        ("silence", {0}, {0}),
        ("noise", {0}, {0}),
        ("music", {0}, {0, 1}),
        ("two seconds", {0}, {1}),
        ("one click", {0}, {0}),
        ("nothing at all", {0, 65}, {0}),
        ("clipped", {0}, {1, 2, 3}),
        ("8 kHz", {0}, {2, 3}),
    ],
)
def test_any_recording_gets_a_file_a_line_and_a_right_exit_code(speechcli, here, models, kind, codes, speakers):
    sound(here / "a.wav", kind)

    done = speechcli("diarize", "a.wav")

    assert done.code in codes, done.err
    assert "internal error" not in done.err
    if done.code == 0:
        assert len({speaker for *_, speaker in rows(here / "a.rttm")}) in speakers
        assert ("nobody speaks" in done.err) == (not rows(here / "a.rttm"))


def test_more_speakers_than_there_are_is_a_note_and_no_error(speechcli, here, models):
    soundfile.write(here / "a.wav", clip("jfk").samples[: 3 * RATE], RATE)

    done = speechcli("diarize", "a.wav", "--num-speakers", 30)

    assert done.code == 0, done.err
    assert "warning" in done.err
    assert rows(here / "a.rttm")
    assert speechcli("diarize", "a.wav", "--num-speakers", 30, "--strict").code == 1


def test_a_film_without_sound_is_refused_when_named_and_left_out_of_folders(speechcli, here, models):
    (here / "films").mkdir()
    subprocess.run(
        [find(), "-v", "error", "-f", "lavfi", "-i", "color=size=16x16:duration=1", here / "films" / "mute.mp4"],
        check=True,
    )

    named, found = speechcli("diarize", "films/mute.mp4"), speechcli("diarize", "films")

    assert (named.code, named.err.count("\n")) == (65, 1)
    assert found.code == 0
    assert "skipped" in found.err


def test_a_bad_file_does_not_stop_the_others_and_their_tree_is_kept(speechcli, here, models):
    (here / "in" / "deep").mkdir(parents=True)
    soundfile.write(here / "in" / "deep" / "good.wav", clip("jfk").samples[: 3 * RATE], RATE)
    (here / "in" / "bad.wav").write_bytes(b"not a recording")

    done = speechcli("diarize", "in", "--output-dir", "out", "--summary", "sum.json")

    assert done.code == 1
    assert rows(here / "out" / "deep" / "good.rttm")
    counts = json.loads((here / "sum.json").read_text("utf-8"))["counts"]
    assert (counts["done"], counts["failed"]) == (1, 1)


def test_turns_that_somebody_made_by_hand_are_not_overwritten(speechcli, talk, here):
    gold = "SPEAKER talk 1 0.0 2.0 <NA> <NA> Anna <NA> <NA>\n"
    (here / "talk.rttm").write_text(gold)

    done = speechcli("diarize", "talk.wav")

    assert done.code == 73
    assert (here / "talk.rttm").read_text("utf-8") == gold


def test_a_transcript_of_ours_is_not_overwritten_by_turns(speechcli, here, models):
    soundfile.write(here / "a.wav", clip("jfk").samples[: 3 * RATE], RATE)
    assert speechcli("transcribe", "a.wav", "-f", "json").code == 0
    before = (here / "a.json").read_bytes()

    done = speechcli("diarize", "a.wav", "-f", "json")

    assert done.code == 73
    assert (here / "a.json").read_bytes() == before
    assert speechcli("diarize", "a.wav").code == 0
    assert speechcli("transcribe", "a.wav", "-f", "json").err.strip() == "a.wav: already done"


def test_recordings_of_one_name_in_two_folders_have_a_picture_each(speechcli, here, models):
    for name in ("a", "b"):
        (here / name).mkdir()
        (here / name / "talk.srt").write_text(f"1\n00:00:00,000 --> 00:00:02,000\n{name}\n")
    (here / "gold.rttm").write_text("SPEAKER talk 1 0.0 1.5 <NA> <NA> Anna <NA> <NA>\n")

    done = speechcli("diarize", "a/talk.srt", "b/talk.srt", "--turns", "gold.rttm", "--plot", "drawn")

    assert done.code == 0, done.err
    drawn = sorted(str(path.relative_to(here)) for path in (here / "drawn").rglob("*.svg"))
    assert drawn == ["drawn/a/talk.diarized.svg", "drawn/b/talk.diarized.svg"]


@pytest.mark.parametrize("picture", ["p.svg", "p.png"])
def test_a_picture_takes_the_place_of_our_own_and_of_no_other(speechcli, here, picture):
    (here / "talk.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nwell\n")
    (here / "gold.rttm").write_text("SPEAKER talk 1 0.0 1.5 <NA> <NA> Anna <NA> <NA>\n")
    (here / picture).write_text("mine")
    command = ("diarize", "talk.srt", "--turns", "gold.rttm", "--plot", picture)

    refused = speechcli(*command)
    kept = (here / picture).read_text(encoding="latin-1")
    told = speechcli(*command, "--overwrite")
    drawn = (here / picture).read_bytes()
    again = speechcli(*command, "--no-skip-existing")

    assert (refused.code, kept) == (73, "mine")
    assert "not what speechcli drew" in refused.err
    assert (told.code, again.code) == (0, 0), again.err
    assert (here / picture).read_bytes() == drawn != b"mine"


def test_captions_that_go_on_after_the_recording_are_told_of(speechcli, here, models):
    soundfile.write(here / "short.wav", clip("jfk").samples[: 3 * RATE], RATE)
    cues = ("1\n00:00:00,500 --> 00:00:02,000\nand so", "2\n00:00:09,000 --> 00:00:10,000\nask not")
    (here / "long.srt").write_text("\n\n".join(cues) + "\n")

    done = speechcli("diarize", "long.srt", "--audio", "short.wav")

    assert done.code == 0
    assert "1 of 2 segments lie beyond the recording's end" in done.err


def test_a_dry_run_knows_what_is_done_with_linked_speakers_too(speechcli, here, models):
    soundfile.write(here / "a.wav", clip("jfk").samples[: 3 * RATE], RATE)
    command = ("transcribe", "a.wav", "-f", "json", "--diarize", "--link-speakers")
    assert speechcli(*command).code == 0

    done = speechcli(*command, "--dry-run")

    assert "skip (done)" in done.out


def test_a_dry_run_shows_the_plan_and_does_nothing(speechcli, talk, here, result):
    before = sorted(os.listdir(here))

    done = speechcli("diarize", "talk.wav", "talk.json", "--dry-run")

    assert done.code == 0, done.err
    lines = [line.split("\t") for line in done.out.splitlines()]
    assert lines[0] == ["recording", "transcript", "length", "action", "outputs"]
    assert {(*line[:2], *line[3:]) for line in lines[1:]} == {
        ("talk.wav", "", "diarize (new)", "talk.rttm"),
        ("talk.wav", "talk.json", "diarize (new)", "talk.diarized.rttm"),
    }
    assert sorted(os.listdir(here)) == before


def test_names_are_given_to_speakers_without_hearing_again(talked, diarized, once):
    folder, _ = talked

    done = once(folder, "diarize", "talk.wav", "-f", "rttm,json,textgrid", "--speaker-names", "SPEAKER_00=Jack")

    assert done.code == 0, done.err
    assert "Jack" in {speaker for *_, speaker in rows(folder / "talk.rttm")}


def test_a_recording_from_a_pipe_goes_to_stdout(child, talked):
    with (talked[0] / "talk.wav").open("rb") as pipe:
        done = child("diarize", "-", "--clip-timestamps", "0,8", stdin=pipe)

    assert done.returncode == 0, done.stderr
    turns = rows(done.stdout.decode())
    assert turns
    assert max(end for _, end, _ in turns) <= 8.0


def test_clips_are_known_by_name_where_they_are_enrolled(speechcli, talk, here):
    other = np.concatenate([clip(name).samples for name in ("2414-128291-0000", "2414-128291-0002")])
    soundfile.write(here / "other.wav", other, RATE)
    soundfile.write(here / "jack.wav", clip("jfk").samples, RATE)

    done = speechcli("diarize", "talk.wav", "--enroll", "Jack=jack.wav", "--enroll", "Nobody=other.wav")

    assert done.code == 0, done.err
    turns = rows(here / "talk.rttm")
    assert turns[0][2] == "Jack"
    assert "Nobody" not in {speaker for *_, speaker in turns}


def test_voices_keep_their_labels_in_all_recordings_of_a_batch(speechcli, here, models):
    for name, row in (("a", ROW[:2]), ("b", ROW[1:2])):
        soundfile.write(here / f"{name}.wav", conversation(row)[0], RATE)

    done = speechcli("diarize", "a.wav", "b.wav", "--link-speakers")

    assert done.code == 0, done.err
    lady = {s for a, b, s in rows(here / "a.rttm") if a > 6.8}
    assert lady == {speaker for *_, speaker in rows(here / "b.rttm")} == {"SPEAKER_01"}
    assert (here / ".speechcli-voices.json").exists()


def test_a_signal_leaves_nothing_half_done_and_the_same_command_does_it(talk, here, speechcli):
    samples = np.tile(conversation()[0], 12)
    soundfile.write(here / "long.wav", samples, RATE)
    command = [sys.executable, "-m", "speechcli", "diarize", "long.wav", "--progress"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as running:
        wait_for(here / ".long.rttm.journal")
        running.send_signal(signal.SIGINT)
        told = running.communicate()[1].decode()

    assert running.returncode == 130, told
    assert "run the same command to continue" in told
    assert sorted(path.name for path in here.iterdir()) == ["long.wav", "talk.wav"]
    done = speechcli("diarize", "long.wav", "--clip-timestamps", "0,8")
    assert done.code == 0, done.err
    assert rows(here / "long.rttm")


def wait_for(path: Path) -> None:
    """Until the file is there."""
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.05)


def test_a_projects_configuration_has_no_say_in_files_outside_of_it(speechcli, talk, here):
    (here / "speechcli.toml").write_text('[diarize]\nenroll = ["Anna=../anna.wav"]\n')

    done = speechcli("diarize", "talk.wav")

    assert done.code == 78
    assert "lies outside" in done.err


def test_the_summary_says_who_speaks_how_long(talked, diarized, once):
    folder, _ = talked

    done = once(folder, "diarize", "talk.wav", "--overwrite", "-f", "rttm,json,textgrid", "--summary", "sum.json")

    assert done.code == 0, done.err
    (entry,) = json.loads((folder / "sum.json").read_text("utf-8"))["recordings"]
    assert list(entry["speakers"]) == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02"]
    assert all(seconds > 1 for seconds in entry["speakers"].values())


def test_names_of_many_may_stand_on_the_command_line(speechcli, here):
    everybody = ",".join(f"SPEAKER_{i:02d}=Somebody with a name {i}" for i in range(20))
    (here / "gold.rttm").write_text("SPEAKER talk 1 0 2 <NA> <NA> SPEAKER_19 <NA> <NA>\n", "utf-8")
    (here / "talk.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nHello.\n", "utf-8")

    done = speechcli(
        "diarize", "talk.srt", "--turns", "gold.rttm", "-f", "txt", "-o", "-", "--speaker-names", everybody
    )

    assert (done.code, done.out) == (0, "[Somebody with a name 19]: Hello.\n"), done.err


@pytest.mark.parametrize("option", [("--num-speakers", 2), ("--enroll", "Anna=talk.srt"), ("--link-speakers",)])
def test_what_would_do_nothing_beside_given_turns_is_refused(speechcli, here, option):
    (here / "gold.rttm").write_text("SPEAKER talk 1 0 2 <NA> <NA> Anna <NA> <NA>\n", "utf-8")
    (here / "talk.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nHello.\n", "utf-8")

    done = speechcli("diarize", "talk.srt", "--turns", "gold.rttm", *option)

    assert done.code == 2
    assert "with --turns nobody is told apart" in done.err
    assert not (here / "talk.diarized.srt").exists()


def test_onnxruntime_keeps_no_id_of_the_machine_to_tell_its_makers(tmp_path):
    code = "from speechcli.backends.vad_silero import Silero; Silero()"
    environ = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}

    subprocess.run([sys.executable, "-c", code], check=True, env={**environ, "XDG_CACHE_HOME": str(tmp_path)})

    assert list(tmp_path.rglob("*")) == []
