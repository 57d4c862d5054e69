"""`--channels split`: who speaks on a telephone recording, and what; no model tells the speakers apart."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from calls import CALL, call, lines, near
from spoken import RATE, said, words, wrong

import speechcli as package
from speechcli.backends import registry
from speechcli.core.audio import Audio
from speechcli.core.span import Span, merged
from speechcli.errors import MediaError, UsageError
from speechcli.timeline.windows import Rules, plan

SPEAKERS = ("SPEAKER_00", "SPEAKER_01")


def talk(samples: np.ndarray) -> list[Span]:
    """Where somebody talks on a line that nobody else is on, as the speech detector hears it."""
    detector = registry.open_detector(True, RATE)
    audio = Audio(samples, RATE)
    windows = plan([(audio.end, detector(audio).tolist())], detector.frame / RATE, Rules())
    return merged((span for window in windows for span in window.speech), 0.5)


def turns(rttm: str, speaker: str) -> list[Span]:
    rows = [line.split() for line in rttm.splitlines()]
    return [Span(float(r[3]), float(r[3]) + float(r[4])) for r in rows if r[7] == speaker]


@pytest.fixture(scope="module")
def alone() -> list[list[Span]]:
    """When each talks."""
    spoken = lines()
    noise = call(np.zeros_like(spoken), None)
    return [talk(own) for own in spoken + noise]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """call.wav, with leaks of -15 dB; and others."""
    folder = tmp_path_factory.mktemp("calls")
    recorded = call(lines())
    soundfile.write(folder / "call.wav", recorded.T, RATE)
    soundfile.write(folder / "mono.wav", recorded[0], RATE)
    soundfile.write(folder / "dual.mp3", np.stack([recorded[0], recorded[0]], axis=1), RATE)
    return folder


@pytest.fixture(scope="module")
def transcribed(folder, once):
    """call.wav transcribed, in several formats."""
    where = folder / "out"
    args = ("transcribe", "call.wav", "--channels", "split", "-f", "srt,json,txt,rttm,vtt,TextGrid")
    return once(folder, *args, "--output-dir", where), where


@pytest.mark.parametrize("leak", [None, -10.0, -15.0, -25.0], ids=lambda leak: f"{leak}dB")
@pytest.mark.parametrize("late", [0.0, 0.06])
def test_turns_are_those_of_the_lines_and_a_leak_has_none(speechcli, here, alone, leak, late):
    soundfile.write(here / "call.wav", call(lines(), leak, late).T, RATE)

    done = speechcli("diarize", "call.wav", "--channels", "split", "-f", "rttm", "-o", "-")

    assert done.code == 0, done.err
    for speaker, wanted in zip(SPEAKERS, alone, strict=True):
        assert near(turns(done.out, speaker), wanted, 0.5 if leak == -10.0 else 0.3) == []  # it hides faint words


def test_the_first_channel_is_the_first_speaker_whoever_begins(speechcli, here, alone):
    soundfile.write(here / "call.wav", call(lines())[::-1].T, RATE)

    done = speechcli("diarize", "call.wav", "--channels", "split", "--speaker-names", "SPEAKER_01=Anna", "-o", "-")

    assert near(turns(done.out, "Anna"), alone[0], 0.3) == []
    assert near(turns(done.out, "SPEAKER_00"), alone[1], 0.3) == []


def test_words_are_their_speakers_and_leaked_ones_are_not_written_twice(transcribed):
    done, where = transcribed
    made = json.loads((where / "call.json").read_text("utf-8"))

    assert done.code == 0, done.err
    for channel, speaker in enumerate(SPEAKERS):
        spoken = [word for c, name, _ in CALL if c == channel for word in said(name)]
        segments = [segment for segment in made["segments"] if segment["speaker"] == speaker]
        heard = words(" ".join(segment["text"] for segment in segments))
        assert wrong(spoken, heard) <= 0.25 * len(spoken), heard
        assert len(heard) <= 1.1 * len(spoken)
        assert {word["speaker"] for segment in segments for word in segment["words"]} == {speaker}
    assert [segment["start"] for segment in made["segments"]] == sorted(s["start"] for s in made["segments"])
    assert (made["quality"]["status"], made["quality"]["complete"]) == ("ok", True)
    assert made["provenance"]["made_by"][-1]["model"] == "channels"


def test_all_formats_say_who_speaks(transcribed, alone):
    _, where = transcribed
    srt, text = (where / "call.srt").read_text("utf-8"), (where / "call.txt").read_text("utf-8")

    for speaker, wanted in zip(SPEAKERS, alone, strict=True):
        assert f"[{speaker}]: " in srt
        assert f"[{speaker}]: " in text
        assert f"<v {speaker}>" in (where / "call.vtt").read_text("utf-8")
        assert speaker in (where / "call.TextGrid").read_text("utf-8")
        assert near(turns((where / "call.rttm").read_text("utf-8"), speaker), wanted, 0.3) == []
    assert "SPEAKER_02" not in srt


def test_a_second_run_leaves_it_alone_and_a_mix_is_another_question(transcribed, folder, once):
    _, where = transcribed
    same = ("transcribe", "call.wav", "-f", "srt,json,txt,rttm,vtt,TextGrid", "--output-dir", where)

    again = once(folder, *same, "--channels", "split")
    mixed = once(folder, *same, "--dry-run")

    assert "already done" in again.err
    assert "skip (done)" not in mixed.out


@pytest.mark.slow
def test_a_transcript_made_of_the_mix_gets_its_speakers(folder, once, tmp_path):
    once(folder, "transcribe", "call.wav", "-f", "json", "--output-dir", tmp_path)

    done = once(
        folder, "diarize", tmp_path / "call.json", "--audio", "call.wav", "--channels", "split", "-f", "json", "-o", "-"
    )

    assert done.code == 0, done.err
    made = json.loads(done.out)
    assert {segment.get("speaker") for segment in made["segments"]} == set(SPEAKERS)
    heard = words(" ".join(s["text"] for s in made["segments"] if s["speaker"] == "SPEAKER_00"))
    spoken = [word for c, name, _ in CALL if c == 0 for word in said(name)]
    assert wrong(spoken, heard) <= 0.35 * len(spoken)


@pytest.mark.parametrize("command", ["diarize", "transcribe"])
@pytest.mark.parametrize(
    ("name", "code", "line"),
    [("mono.wav", 2, "mono.wav has one channel"), ("dual.mp3", 65, "dual.mp3: all channels have the same sound")],
)
def test_nothing_to_split_is_one_line(folder, once, tmp_path, command, name, code, line):
    done = once(folder, command, name, "--channels", "split", "--output-dir", tmp_path / "out")

    assert done.code == code
    assert line in done.err
    assert "leave out --channels split" in done.err
    assert "Traceback" not in done.err
    assert done.err.count("error") == 1
    assert not list(tmp_path.glob("out/[a-z]*"))


@pytest.mark.parametrize(
    "more",
    [
        ("transcribe", "--channel", "0"),
        ("transcribe", "--diarize"),
        ("transcribe", "--diarizer", "embedded"),
        ("transcribe", "--num-speakers", "2"),
        ("diarize", "--channel", "1"),
        ("diarize", "--max-speakers", "2"),
        ("diarize", "--model", "pyannote"),
        ("diarize", "--link-speakers"),
        ("diarize", "--turns", "call.rttm"),
    ],
    ids=" ".join,
)
def test_what_excludes_it_is_said(folder, once, more):
    done = once(folder, more[0], "call.wav", "--channels", "split", *more[1:])

    assert done.code == 2
    assert f"--channels split and {more[1]} exclude each other" in done.err


def test_other_words_for_it_are_refused(speechcli):
    assert speechcli("diarize", "call.wav", "--channels", "both").code == 2


def test_in_python(alone):
    recorded = call(lines())

    found = package.diarize((recorded.T, RATE), channels="split")
    made = package.transcribe((recorded.T[: 21 * RATE], RATE), channels="split")

    for speaker, wanted in zip(SPEAKERS, alone, strict=True):
        assert near([turn for turn in found.turns if turn.speaker == speaker], wanted, 0.3) == []
    assert found.segments == ()
    assert [segment.speaker for segment in made.segments][-1] == "SPEAKER_01"
    assert set(made.speakers) == set(SPEAKERS)
    with pytest.raises(UsageError, match="channels split and num_speakers exclude"):
        package.diarize((recorded.T, RATE), channels="split", num_speakers=2)
    with pytest.raises(UsageError, match="channels 'left'"):
        package.transcribe((recorded.T, RATE), channels="left")
    with pytest.raises(MediaError, match="same sound"):
        package.diarize((recorded[[0, 0]].T, RATE), channels="split")
