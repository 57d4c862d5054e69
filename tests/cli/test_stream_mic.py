"""`speechcli stream-mic` as people run it: from a real sound server, a pipe and files, on a terminal and off it."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pulse import Pulse, server
from spoken import DATA, RATE, clip, made, said, words, wrong
from test_live_screen import Tmux

from speechcli.core.transcript import Transcript
from speechcli.formats import jsondoc

PROGRAM = (sys.executable, "-m", "speechcli", "stream-mic")
WRONG = 0.2  # share of wrong words: 0.05 where this was written
JFK = DATA / "jfk.flac"
LADY = "3080-5032-0000"  # 5 s
FORMATS = ("srt", "vtt", "json", "txt")


class Running:
    """A `stream-mic` under way. events: those that were read."""

    def __init__(self, *args: object, **settings: Any) -> None:
        command = [*PROGRAM, *map(str, args)]
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen(command, **{**pipes, "text": True, **settings})
        self.events: list[dict[str, Any]] = []

    def event(self, kind: str, then: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The next event of this kind for which that holds."""
        for line in self.process.stdout:
            self.events.append(json.loads(line))
            if self.events[-1]["type"] == kind and then(self.events[-1]):
                return self.events[-1]
        raise AssertionError(f"no such {kind}: {self.process.stderr.read()}")

    def end(self, timeout: float = 60) -> tuple[int, str]:
        """The exit code and what stood on stderr; all events are read then."""
        out, err = self.process.communicate(timeout=timeout)
        self.events += map(json.loads, out.splitlines())
        return self.process.returncode, err

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    @property
    def finals(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == "final"]

    @property
    def text(self) -> str:
        return text(self.events)


def text(events: Sequence[dict[str, Any]]) -> str:
    """What all finals say."""
    out = ""
    for event in events:
        if event["type"] == "final":
            out += event["text"] if event.get("joined") or not out else " " + event["text"]
    return out


@pytest.fixture
def running() -> Iterator[Callable[..., Running]]:
    """`stream-mic ARGS` as a process, which is ended with the test."""
    started: list[Running] = []

    def start(*args: object, **settings: Any) -> Running:
        started.append(Running(*args, **settings))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


def transcript(path: Path) -> Transcript:
    return jsondoc.read(path.read_text("utf-8"), path.name)


def texts(folder: Path, stem: str = "talk") -> dict[str, str]:
    """What the files of all formats say, each read by its own reader, and in order."""
    shown = {name: (folder / f"{stem}.{name}").read_text("utf-8") for name in FORMATS if name != "json"}
    said = {"txt": shown["txt"]}
    assert shown["vtt"].startswith("WEBVTT\n\n")
    captions = {"srt": shown["srt"].strip().split("\n\n"), "vtt": shown["vtt"].strip().split("\n\n")[1:]}
    for name, blocks in captions.items():
        rows = [block.split("\n") for block in blocks if block]
        if name == "srt":
            assert [row.pop(0) for row in rows] == [str(n + 1) for n in range(len(rows))]
        times = [moment for row in rows for moment in row.pop(0).replace(",", ".").split(" --> ")]
        assert times == sorted(times)
        said[name] = "\n".join("\n".join(row) for row in rows)
    document = transcript(folder / f"{stem}.json")
    said["json"] = " ".join(segment.text for segment in document.segments)
    return said


# --- a file, replayed ---


@pytest.fixture(scope="module")
def replayed(tmp_path_factory) -> tuple[Path, Running]:
    """A whole session with everything that can be written."""
    folder = tmp_path_factory.mktemp("replayed")
    files = ("-f", ",".join(FORMATS), "-o", folder / "talk.srt", "--save-audio", folder / "talk.wav")
    session = Running(JFK, "--speed", 8, "--events", *files)
    assert session.end() == (0, "")
    return folder, session


def test_events_are_numbered_finals_in_the_order_of_time_with_partials_of_what_follows_and_an_end(replayed):
    events = replayed[1].events
    finals = replayed[1].finals

    assert {event["type"] for event in events} == {"partial", "final", "end"}
    assert [event["id"] for event in finals] == list(range(len(finals)))
    assert len(finals) > 2
    at = 0.0
    over = 0
    for event in events[:-1]:
        assert event["id"] == over, "of what is not final yet"
        assert at <= event["start"] <= event["end"] <= 11.0
        assert event["text"] == event["text"].strip() != ""
        assert 0 <= event["latency_ms"] < 30_000
        if event["type"] == "final":
            spans = [(word["start"], word["end"]) for word in event["words"]]
            assert " ".join(word["word"] for word in event["words"]) == event["text"]
            assert (spans[0][0], max(end for _, end in spans)) == (event["start"], event["end"])
            assert spans == sorted(spans)
            at, over = event["end"], over + 1
    assert events[-1] == {"type": "end", "id": over, "start": 0.0, "end": 11.0, "text": "", "latency_ms": 0}
    assert finals[-1]["ends"]


def test_what_was_said_is_heard_to_the_last_word(replayed):
    heard = words(replayed[1].text)

    assert wrong(said("jfk"), heard) <= WRONG * len(said("jfk"))
    assert heard[-1] == "country"


def test_every_file_says_what_the_finals_say(replayed):
    folder, session = replayed

    for name, found in texts(folder).items():
        assert words(found) == words(session.text), name
    document = transcript(folder / "talk.json")
    assert document.verdict.complete
    assert document.duration == 11.0
    finals = [word["word"] for event in session.finals for word in event["words"]]
    assert [word.text.strip() for segment in document.segments for word in segment.words] == finals
    assert sorted(path.name for path in folder.iterdir()) == sorted([*(f"talk.{name}" for name in FORMATS), "talk.wav"])


def test_the_files_are_what_convert_makes_of_the_json(replayed, speechcli, here):
    for name in ("srt", "vtt", "txt"):
        speechcli("convert", replayed[0] / "talk.json", "-f", name, "-o", here / f"again.{name}")
        assert (here / f"again.{name}").read_text() == (replayed[0] / f"talk.{name}").read_text()


def test_the_sound_is_kept(replayed):
    kept, rate = soundfile.read(replayed[0] / "talk.wav", dtype="float32")

    assert rate == RATE
    np.testing.assert_allclose(kept, clip("jfk").samples, atol=1.01 / 32768)


def test_off_a_terminal_finals_are_lines_each_with_its_time_by_request(speechcli, replayed):
    done = speechcli("stream-mic", JFK, "--speed", 0, "--clock", "-q")

    assert (done.code, done.err) == (0, "")
    clocks, lines = zip(*(line.split(" ", 1) for line in done.out.splitlines()), strict=True)
    assert set(clocks) <= {f"0:{n:02}" for n in range(11)}
    assert list(clocks) == sorted(clocks)
    heard = words(" ".join(lines))
    assert wrong(said("jfk"), heard) <= WRONG * len(said("jfk"))
    assert heard[-1] == "country"


# --- stdin ---


def sound(kind: str, rate: int = 44_100) -> bytes:
    """The clip in two channels."""
    frames, given = soundfile.read(JFK, dtype="float32", always_2d=True)
    assert (given, frames.shape[1]) == (rate, 2)
    if kind == "f32le":
        return frames.astype("<f4").tobytes()
    bare = np.clip(np.rint(frames * 32768), -32768, 32767).astype("<i2").tobytes()
    if kind == "s16le":
        return bare
    unknown = (0xFFFFFFFF).to_bytes(4, "little")  # a WAV that goes into a pipe does not know its size
    head = soundfile_header(rate)
    return head[:4] + unknown + head[8:40] + unknown + bare


def soundfile_header(rate: int) -> bytes:
    """44 bytes, of 16 bit in two channels."""
    numbers = [(16, 4), (1, 2), (2, 2), (rate, 4), (4 * rate, 4), (4, 2), (16, 2)]
    format_chunk = b"".join(number.to_bytes(size, "little") for number, size in numbers)
    return b"RIFF" + bytes(4) + b"WAVEfmt " + format_chunk + b"data" + bytes(4)


@pytest.mark.parametrize(("kind", "spare"), [("wav", b""), ("s16le", b""), ("f32le", b"\x01\x02\x03\x04\x05")])
def test_sound_on_stdin_is_heard_to_its_end(kind, spare, here):
    bare = () if kind == "wav" else ("--input-rate", 44_100, "--input-format", kind, "--input-channels", 2)
    command = [*PROGRAM, "-", *map(str, bare), "--save-audio", "kept.wav"]

    done = subprocess.run(command, input=sound(kind) + spare, capture_output=True, timeout=60)

    loading, *notes = done.stderr.decode().splitlines()
    assert done.returncode == 0
    assert loading == "loading whisper-tiny.en to listen to standard input"
    assert notes == (["standard input ended inside a sample, which is left out"] if spare else [])
    heard = words(done.stdout.decode())
    assert wrong(said("jfk"), heard) <= WRONG * len(said("jfk"))
    assert heard[-1] == "country"
    kept, rate = soundfile.read("kept.wav", dtype="int16")
    assert rate == 44_100
    assert kept.astype("<i2").tobytes() == sound("s16le")


def test_nothing_on_stdin_is_a_session_in_which_nobody_spoke(here):
    done = subprocess.run(
        [*PROGRAM, "-", "--events", "-f", ",".join(FORMATS), "-o", "talk.srt"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == {"type": "end", "id": 0, "start": 0, "end": 0, "text": "", "latency_ms": 0}
    assert set(texts(here).values()) == {""}


# --- what is wrong before anything is heard ---


@pytest.fixture
def no_model(monkeypatch) -> None:
    """Whoever loads a model fails."""

    def refuse(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("speechcli.backends.streaming.open_streaming", refuse)


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("-f", "srt"), 2, "-f without a file to write; add -o talk.srt"),
        (("-o", "-"), 2, "-o - : stdout has the words already"),
        (("-o", "talk.docx"), 2, "talk.docx: no format has this suffix"),
        (("-o", "talk.tsv"), 2, "tsv cannot grow while people speak"),
        (("-f", "srt,docx", "-o", "talk.srt"), 2, "there is no format 'docx'"),
        (("--save-audio", "talk.mp3"), 2, "sound is saved as WAV, and talk.mp3 is no name of one"),
        (("-f", "srt", "-o", "talk.wav", "--save-audio", "talk.wav"), 2, "talk.wav is named twice"),
        (("-o", "there.srt"), 73, "there.srt exists; --overwrite"),
        (("-f", "txt,srt", "-o", "there.txt"), 73, "there.srt exists; --overwrite"),
        (("--save-audio", "there.wav"), 73, "there.wav exists; --overwrite"),
        (("--save-audio", "talk.flac.wav", "-o", "folder.srt"), 73, "cannot write folder.srt: it is a folder"),
        (("--overwrite", "-o", "there.srt", "--save-audio", "there.mp3"), 2, "sound is saved as WAV"),
        (("--overwrite", "-o", "there.srt", "--max-utterance", "100"), 2, "hears 2 to 28 seconds at once"),
        (("--overwrite", "-o", "there.srt", "--model", "nonsense"), 2, "no model is called 'nonsense'"),
        (("--model", "community-1"), 2, "community-1 tells who speaks and does not transcribe"),
        (("--model", "qwen3-forced-aligner"), 2, "qwen3-forced-aligner aligns words and does not transcribe"),
        (("--max-utterance", "1"), 2, "--max-utterance 1: whisper-tiny.en hears 2 to 28 seconds at once"),
        (("--endpoint-silence-ms", "5"), 2, "--endpoint-silence-ms 5: no pause that ends an utterance; 100 to 10000"),
        (("--delay-ms", "480"), 2, "--delay-ms is not for whisper-tiny.en"),
        (("--vad-threshold", "3"), 2, "'--vad-threshold'"),
        (("--input-rate", "8000"), 2, "--input-rate is of bare samples on stdin; give - as the source"),
        (("--input-device", "desk"), 2, "--input-device desk and the source"),
        (("--speed", "-1"), 2, "no such speed: -1"),
        (("--speed", "nan"), 2, "no such speed: nan"),
    ],
)
def test_options_that_cannot_be_taken_are_one_line_and_no_model_is_loaded(speechcli, here, no_model, args, code, told):
    """And no file is touched."""
    (here / "folder.srt").mkdir()
    for name in ("there.srt", "there.wav"):
        (here / name).write_text("precious")

    done = speechcli("stream-mic", JFK, *args)

    assert (done.code, done.out) == (code, "")
    one_line(done.err, told)
    assert sorted(path.name for path in here.iterdir()) == ["folder.srt", "there.srt", "there.wav"]
    assert (here / "there.srt").read_text() == (here / "there.wav").read_text() == "precious"


def one_line(err: str, told: str) -> None:
    """That this complaint is all that stands there."""
    assert err.startswith("speechcli: error: "), err
    assert told in err
    assert err.count("\n") == 1, err


@pytest.mark.parametrize(
    ("source", "code", "told"),
    [
        ("nothing.flac", 66, "nothing.flac is not there"),
        (".", 65, "is a folder"),
        ("notes.txt", 65, "notes.txt is not a media file"),
    ],
)
def test_what_cannot_be_replayed_is_one_line(speechcli, here, no_model, source, code, told):
    (here / "notes.txt").write_text("Dear diary")

    done = speechcli("stream-mic", source)

    assert (done.code, done.out) == (code, "")
    one_line(done.err, told)


def test_the_recording_that_is_replayed_cannot_be_where_its_sound_is_kept(speechcli, here, no_model):
    soundfile.write(here / "talk.wav", clip(LADY).samples, RATE)
    before = (here / "talk.wav").read_bytes()

    done = speechcli("stream-mic", "talk.wav", "--overwrite", "--save-audio", "./talk.wav")

    assert done.code == 2
    one_line(done.err, "talk.wav is named twice")
    assert (here / "talk.wav").read_bytes() == before


@pytest.mark.parametrize("source", [(), ("-",)])
def test_speed_is_for_files(speechcli, no_model, source):
    done = speechcli("stream-mic", *source, "--speed", 2)

    assert done.code == 2
    one_line(done.err, "--speed is for a file that is replayed; name one")


def test_an_encoded_file_on_stdin_is_refused_and_bare_samples_of_an_impossible_rate(child, here):
    mp3 = child("stream-mic", "-", input=b"ID3\x04" + bytes(5000))
    rate = child("stream-mic", "-", "--input-rate", "5", input=bytes(5000))

    assert (mp3.returncode, rate.returncode) == (2, 2)
    one_line(mp3.stderr.decode(), "standard input is MP3, not WAV or bare samples; name the file")
    one_line(rate.stderr.decode(), "standard input: a sample rate of 5 Hz is not accepted")


# --- ended from outside ---


def recording(path: Path, times: int = 1) -> Path:
    """Sentences with pauses, about 13 s, so many times."""
    one = made((LADY, "1089-134691-0000", "LJ001-0002"), [0.3, 1.2, 1.2]).audio.samples
    soundfile.write(path, np.tile(one, times), RATE)
    return path


def test_killed_it_leaves_whole_files_with_all_that_it_had_told(running, here):
    files = ("-f", ",".join(FORMATS), "-o", "talk.srt", "--save-audio", "talk.wav")
    session = running(recording(here / "long.wav", 3), "--speed", 4, "--events", *files)
    session.event("final", lambda event: event["id"] == 3)

    session.process.kill()
    session.end()

    told = words(session.text)
    for name, found in texts(here).items():  # they may have a final more, for it is written before it is told
        assert words(found)[: len(told)] == told, name
    assert not transcript(here / "talk.json").verdict.complete
    kept, rate = soundfile.read("talk.wav", dtype="float32")
    assert len(kept) / rate >= session.finals[-1]["end"]
    np.testing.assert_array_equal(kept, soundfile.read("long.wav", dtype="float32")[0][: len(kept)])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_stopped_it_still_tells_and_writes_the_last_words(running, here, number, code):
    """The last words are heard and not yet final: nothing came after them, and stdin is still open."""
    session = running("-", "--events", "-f", ",".join(FORMATS), "-o", "talk.srt", text=False)
    session.process.stdin.write(sound("wav")[: 44 + 4 * round(10.45 * 44_100)])
    session.process.stdin.flush()
    partial = session.event("partial", lambda event: event["end"] > 9.5)
    assert not [event for event in session.finals if event["end"] > partial["start"] + 0.01]

    open_still = os.dup(session.process.stdin.fileno())
    session.signal(number)
    out, err = session.process.communicate(timeout=20)
    os.close(open_still)
    session.events += map(json.loads, out.splitlines())

    assert session.process.returncode == code
    assert err.decode() == ("" if code == 0 else "speechcli: error: ended by a signal\n")
    assert words(session.text)[-1] == "country"
    assert session.events[-1]["type"] == "end"
    for name, found in texts(here).items():
        assert words(found) == words(session.text), name


def test_a_second_ctrl_c_ends_it_at_once(running, here):
    session = running(recording(here / "long.wav", 8), "--speed", 40, "--events", "-o", "talk.json")
    session.event("final")  # much sound waits by then
    while session.process.poll() is None:  # Python takes two for one where the model keeps its main thread meanwhile
        session.signal(signal.SIGINT)
        time.sleep(0.1)

    assert session.end() == (130, "")
    assert session.events[-1]["type"] != "end"
    document = transcript(here / "talk.json")
    assert not document.verdict.complete
    told = words(session.text)
    assert words(" ".join(segment.text for segment in document.segments if segment.words))[: len(told)] == told


def test_nobody_reads_stdout_any_more(child, here):
    shell = "--speed 4 -q -o talk.json | head -1; exit ${PIPESTATUS[0]}"
    done = child("stream-mic", str(recording(here / "long.wav", 2)), shell=shell)

    assert (done.returncode, done.stderr) == (141, b"")
    assert done.stdout.count(b"\n") == 1
    document = transcript(here / "talk.json")
    written = words(" ".join(segment.text for segment in document.segments))
    assert written[: len(words(done.stdout.decode()))] == words(done.stdout.decode())
    assert not document.verdict.complete


# --- too little of something ---


@pytest.mark.slow
def test_what_a_slow_model_cannot_hear_is_told_and_what_follows_has_its_true_times(running, here):
    """A minute comes in 2 s; only half a minute may wait."""
    path = recording(here / "long.wav", 5)
    length = soundfile.info(path).duration
    session = running(path, "--speed", 60, "--events", "-f", "json,srt", "-o", "talk.json")
    assert session.end() == (0, "")

    missed = [event for event in session.events if event["type"] == "missed"]
    assert missed
    assert all(event["reason"] == "the model is too slow for this machine" for event in missed)
    assert session.events[-1]["end"] == pytest.approx(length, abs=0.01)
    told = [event for event in session.events if event["type"] in ("final", "missed")]
    for before, after in pairwise(told):
        assert before["end"] <= after["start"] + 0.01
    n_missed = sum(event["end"] - event["start"] for event in missed)
    assert 1 < n_missed < length - 29
    document = transcript(here / "talk.json")
    assert sum(gap.duration for gap in document.verdict.gaps) == pytest.approx(n_missed, abs=0.1)
    assert "s not transcribed]" in (here / "talk.srt").read_text()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="a limit put upon a process under way")
def test_no_room_for_the_file_is_said_once_and_the_captions_go_on(running, here):
    """From some moment on no file may be longer than it is then."""
    session = running(JFK, "--speed", 4, "--events", "-o", "talk.srt")
    session.event("final")
    told = words(session.text)
    size = (here / "talk.srt").stat().st_size
    resource.prlimit(session.process.pid, resource.RLIMIT_FSIZE, (size, size))

    code, err = session.end()

    assert code == 74
    assert err.splitlines() == [
        "disk full writing talk.srt; the captions go on",
        "speechcli: error: disk full writing talk.srt; make room, then run the same command again",
    ]
    assert words(session.text)[-1] == "country"
    number, _, *rows = (here / "talk.srt").read_text().rstrip().split("\n")
    assert number == "1"
    assert words(" ".join(rows)) == told


# --- a microphone ---


@pytest.fixture
def pulse(monkeypatch) -> Iterator[Pulse]:
    """A sound server with two loudspeakers; what Room plays is the default microphone."""
    with server() as running:
        monkeypatch.setenv("PULSE_SERVER", running.address)
        running.speaker("desk", "Desk", 44_100, 2)
        running.speaker("room", "Room", 48_000, 2)
        running.tell("set-default-source", "room.monitor")
        yield running


def listening(pulse: Pulse) -> None:
    """Waits until somebody records."""
    end = time.monotonic() + 20
    while not pulse.tell("list", "short", "source-outputs"):
        assert time.monotonic() < end
        time.sleep(0.02)


def played(folder: Path) -> tuple[Path, list[str]]:
    """A recording to be played, and its words."""
    path = folder / "played.wav"
    one = made((LADY,), [0.3])
    soundfile.write(path, one.audio.samples, RATE)
    return path, one.said


def test_what_the_default_microphone_hears_becomes_captions_until_ctrl_c(pulse, running, here):
    path, spoken = played(here)
    session = running("-o", "talk.srt", "--save-audio", "talk.wav")
    listening(pulse)

    pulse.play(path, "room").wait(30)
    time.sleep(0.5)
    session.signal(signal.SIGINT)
    out, err = session.process.communicate(timeout=20)

    assert session.process.returncode == 0
    assert err == "loading whisper-tiny.en to listen to Monitor of Room\n"
    assert wrong(spoken, words(out)) <= WRONG * len(spoken)
    assert words(out)[-1] == spoken[-1]
    rows = [line for line in (here / "talk.srt").read_text().splitlines() if line[:1].isalpha()]
    assert words(" ".join(rows)) == words(out)
    kept = soundfile.info("talk.wav")
    assert (kept.samplerate, kept.channels) == (48_000, 2)
    assert kept.duration > 5


def test_the_microphone_that_was_named_is_pulled_out_and_what_was_said_is_kept(pulse, running, here):
    """44.1 kHz stereo; and none of the others takes its place."""
    path, spoken = played(here)
    modules = pulse.tell("list", "short", "modules").splitlines()
    desk = next(line.split("\t")[0] for line in modules if "sink_name=desk" in line)
    session = running("--input-device", "desk", "--events", "-o", "talk.json")
    listening(pulse)

    player = pulse.play(path, "desk")
    session.event("partial")
    player.wait(30)
    pulse.unplug(desk)
    code, err = session.end()

    assert code == 74
    gone, error = err.splitlines()
    assert gone == "the microphone gives nothing any more; waiting for it"
    assert error.startswith("speechcli: error: the microphone Monitor of Desk gives nothing any more; ")
    heard = words(session.text)
    assert wrong(spoken, heard) <= WRONG * len(spoken) + 1
    document = transcript(here / "talk.json")
    assert words(" ".join(segment.text for segment in document.segments)) == heard
    assert not document.verdict.complete


def test_microphones_are_listed_off_a_terminal_in_columns_for_programs(pulse, speechcli):
    done = speechcli("stream-mic", "--list-devices")

    assert (done.code, done.err) == (0, "")
    columns, *rows = [line.split("\t") for line in done.out.splitlines()]
    assert columns == ["number", "name", "rate", "channels", "default", "id"]
    assert [row[0] for row in rows] == ["0", "1"]
    assert sorted(row[1:] for row in rows) == [
        ["Monitor of Desk", "44100 Hz", "2", "", "desk.monitor"],
        ["Monitor of Room", "48000 Hz", "2", "yes", "room.monitor"],
    ]


def test_a_microphone_that_is_not_there_is_one_line_with_those_that_are(pulse, speechcli, no_model):
    done = speechcli("stream-mic", "--input-device", "head")

    assert done.code == 2
    one_line(done.err, "there is no microphone 'head'; --input-device takes a number, a name or an id of ")
    assert "Monitor of Room (room.monitor)" in done.err


def test_no_microphone_at_all(speechcli, here, monkeypatch, no_model):
    monkeypatch.setenv("PULSE_SERVER", f"unix:{here}/nobody")
    listed = speechcli("stream-mic", "--list-devices")
    if listed.out.count("\n") > 1:
        pytest.skip("this machine has sound hardware of its own")

    done = speechcli("stream-mic")

    assert (listed.code, listed.out) == (0, "number\tname\trate\tchannels\tdefault\tid\n")
    assert listed.err.startswith("there is no microphone here; ")
    assert done.code == 69
    one_line(done.err, "there is no microphone here; plug one in, ")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a program as somebody else")
def test_a_sound_server_of_somebody_elses_is_permission_denied(pulse):
    if not all(place.stat().st_mode & 0o001 for place in Path(sys.prefix).resolve().parents):
        pytest.skip("this Python lies where no other user may look")
    folder = Path(pulse.address.removeprefix("unix:")).parent
    folder.chmod(0o755)
    code = """if 1:
        import os
        from speechcli.__main__ import run
        run(["stream-mic", "--input-device", "head"])  # all is imported then, which nobody may not do here
        os.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)
        os._exit(run(["stream-mic"]))
    """
    mine = {**os.environ, "XDG_CONFIG_HOME": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=mine)

    assert (done.returncode, done.stdout) == (77, "")
    last = done.stderr.splitlines()[-1]  # the server's own library has its say as well
    assert last.startswith("speechcli: error: the sound server does not let this user in; ")


# --- on a terminal ---


@pytest.fixture
def terminal(tmp_path) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        pytest.skip("reading a screen back wants tmux installed")
    tmux = Tmux(tmp_path)
    yield tmux
    tmux.close()
    subprocess.run(["tmux", "-L", tmux.name, "kill-server"], capture_output=True, check=False)


def begin(tmux: Tmux, columns: int, rows: int, *args: object) -> None:
    """Starts `stream-mic ARGS` there; the exit code is shown when it has ended."""
    program = " ".join([*PROGRAM, *map(str, args)])
    command = f"env -u COLUMNS -u LINES {program}; echo over $?; sleep 60"
    tmux.ask("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), command)


def over(rows: list[str]) -> bool:
    return bool(re.match(r"over \d", rows[-1]))


def test_on_a_terminal_final_words_are_solid_the_rest_is_dim_and_ctrl_c_leaves_the_text_alone(terminal, here):
    begin(terminal, 60, 10, recording(here / "long.wav", 3), "--clock")
    seen = terminal.until(lambda rows: shades(rows)[0] and len(shades(rows)[1]) > 1, "-e")
    assert "listening · long.wav" in bare(seen)[-1]
    assert shades(seen)[0][0] == "but"
    assert shades(seen)[1][0] == "0:00", "the time of the utterance"

    terminal.resize(40, 10)
    narrow = terminal.until(lambda rows: "listening" in rows[-1] and max(map(len, rows[1:])) <= 40)
    terminal.resize(60, 10)
    terminal.until(lambda rows: sum(row.startswith("0:") for row in terminal.all()) > 2)
    terminal.ask("send-keys", "C-c")
    terminal.until(over)

    assert any("listening" in row for row in narrow)
    rows = terminal.all()
    first, *said, last = rows
    assert first == "loading whisper-tiny.en to listen to long.wav"
    assert last == "over 0"
    assert not [row for row in said if "listening" in row or "^C" in row]
    spoken = made((LADY, "1089-134691-0000", "LJ001-0002"), [0.3, 1.2, 1.2]).said
    heard = [word for row in said for word in words(row.partition(" ")[2] if row.startswith("0:") else row)]
    n = min(len(heard), len(spoken))
    assert wrong(spoken[:n], heard[:n]) <= WRONG * n + 1, "each word once"
    assert terminal.ask("display", "-p", "#{cursor_flag}").strip() == "1"


def shades(rows: list[str]) -> tuple[list[str], list[str]]:
    """The solid words and the dim ones between the first line and the status."""
    solid, dim, now = "", "", False
    between = "\n".join(rows).rpartition("\n")[0].partition("to listen to long.wav")[2]
    for piece in re.split(r"(\x1b\[[\d;]*m)", between):
        if piece.startswith("\x1b"):
            now = piece == "\x1b[2m" or (now and piece not in ("\x1b[0m", "\x1b[m"))
        elif now:
            dim += piece
        else:
            solid += piece
    return words(solid), re.findall(r"[a-z]+|\d+:\d\d", dim.lower())


def bare(rows: list[str]) -> list[str]:
    return [re.sub(r"\x1b\[[\d;]*m", "", row) for row in rows]


def test_on_twenty_columns_the_whole_text_scrolls_up_once(terminal):
    begin(terminal, 20, 6, JFK, "--speed", 4, "-q")
    terminal.until(over)

    rows = terminal.all()
    assert rows[-1] == "over 0"
    assert max(map(len, rows)) < 20
    heard = words(" ".join(rows[:-1]))
    assert wrong(said("jfk"), heard) <= WRONG * len(said("jfk"))
    assert heard[-1] == "country"


def test_a_second_ctrl_c_gives_the_terminal_its_cursor_back(terminal, here):
    begin(terminal, 60, 10, recording(here / "long.wav", 8), "--speed", 40, "-q")
    terminal.until(lambda rows: any("behind" in row for row in rows))
    for _ in range(2):
        terminal.ask("send-keys", "C-c")
        time.sleep(0.5)  # Python takes two for one where the model keeps its main thread meanwhile
    terminal.until(over)

    assert terminal.ask("display", "-p", "#{cursor_flag}").strip() == "1"


def test_microphones_are_a_table_on_a_terminal(pulse, terminal):
    begin(terminal, 100, 10, "--list-devices")
    terminal.until(over)

    rows = [cells for row in terminal.all() if (cells := row.split())]
    assert rows[0] == ["number", "name", "rate", "channels", "default", "id"]
    assert {"Monitor", "Desk", "44100", "desk.monitor"} <= set(next(row for row in rows if "desk.monitor" in row))
