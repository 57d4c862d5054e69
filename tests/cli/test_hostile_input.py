"""Recordings, names and decoders that are not what they should be, through `speechcli transcribe`.

Most lie in one folder, the zoo, which is transcribed once: a bad one is told in a line, and all others are done.
"""

import io
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from ports import listening
from screen import shown
from spoken import DATA, RATE, clip, words

from speechcli.media.decode import Take

LADY = DATA / "3080-5032-0000.flac"  # 5 s: "but I am hugely pleased that you have seen my lady"
LOBSTER = DATA / "367-130732-0000.flac"  # 2 s: "lobsters and lobsters"

posix = pytest.mark.skipif(os.name != "posix", reason="names and programs of POSIX")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def write_float(path: Path, samples: np.ndarray) -> None:
    """A WAV of float32 as it is, not-a-numbers and all."""
    data = samples.astype("<f4").tobytes()
    fmt = struct.pack("<HHIIHH", 3, 1, RATE, 4 * RATE, 4, 32)
    body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def halved(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


# What lies in the zoo. NAMES: how the subtitles of a recording are called on the screen.
NAMES = {
    b"new\nline.flac": "new\\nline.srt",
    b"-dash.flac": "-dash.srt",
    b"--overwrite.flac": "--overwrite.srt",
    b"bytes\xff\xfe.flac": "bytes\\xff\\xfe.srt",
    b"escape\x1b[31m\x1b]0;title\x07.flac": "escape\\x1b[31m\\x1b]0;title\\x07.srt",
    "reversed\u202egpj.flac".encode(): "reversedgpj.srt",  # the override is left out of our names
    b"markup[red]bold[].flac": "markup[red]bold[].srt",
    b"percent%d%s.flac": "percent%d%s.srt",
    b"http:127.0.0.1.flac": "http:127.0.0.1.srt",
    b"x" * 250 + b".flac": None,  # told in full, written short: 255 bytes are all there is
}
if sys.platform == "darwin":  # whose file systems take UTF-8 only
    del NAMES[b"bytes\xff\xfe.flac"]
SOUNDS = (
    *("float64.wav", "loud.wav", "few-nan.wav", "mulaw.wav", "surround.flac", "opposite.wav", "fast.wav"),
    *("really-mp3.wav", "really-flac.mp4", "film.mp4", "raw.aac"),
)
QUIET = ("silence.wav", "tenth.wav", "one-sample.wav", "dc.wav", "no-samples.wav")
CUT = ("cut.mp3", "cut.flac", "cut.ogg", "cut.mkv", "cut.m4a", "cut.wav")
BAD = {
    "empty.wav": r"empty\.wav is not a media file ffmpeg can read \(.+\); is it damaged or empty\?",
    "zeros.mp3": r"zeros\.mp3 .+",
    "words.ogg": r"words\.ogg is not a media file ffmpeg can read \(.+\); is it damaged or empty\?",
    "page.mp4": r"page\.mp4 .+",
    "many-nan.wav": r"many-nan\.wav: [\d.]+ % of the samples are not numbers \(NaN or infinite\); write it again",
    "late-moov.m4a": r"late-moov\.m4a .+",
    "hertz.wav": r"hertz\.wav: a sample rate of 1 Hz is not accepted; is the header damaged\?",
    "playlist.mp3": r"playlist\.mp3.+",
    "playlist.wav": r"playlist\.wav.+",
    "concat.mp4": r"concat\.mp4.+",
}


@pytest.fixture(scope="module")
def listener() -> Iterator[tuple[int, list[str]]]:
    """A port of this machine, and who has come to it: nobody is what is wanted."""
    with listening() as there:
        yield there


@pytest.fixture(scope="module")
def zoo(once, ffmpeg, listener, tmp_path_factory):
    """The folder, what its run gave, and its summary by the name of the recording."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "zoo"
    folder.mkdir()

    def make(name: str, *arguments: object) -> Path:
        command = [ffmpeg, "-nostdin", "-v", "error", *arguments, folder / name]
        subprocess.run(list(map(str, command)), check=True)
        return folder / name

    for name in NAMES:
        shutil.copy(LOBSTER, os.path.join(os.fsencode(folder), name))

    speech = clip(LADY.stem).samples
    soundfile.write(folder / "float64.wav", speech.astype("f8"), RATE, subtype="DOUBLE")
    write_float(folder / "loud.wav", np.clip(300 * speech, -100, 100))
    write_float(folder / "few-nan.wav", np.where(np.arange(len(speech)) % 20_000 == 7, np.nan, speech))
    write_float(folder / "many-nan.wav", np.where(np.arange(len(speech)) % 100 == 7, np.inf, speech))
    make("mulaw.wav", "-i", LADY, "-ar", 8000, "-c:a", "pcm_mulaw")
    make("fast.wav", "-i", LADY, "-ar", 192_000)
    centre = np.zeros((len(speech), 6), "f4")
    centre[:, 2] = speech
    soundfile.write(folder / "surround.flac", centre, RATE)
    soundfile.write(folder / "opposite.wav", np.stack([speech, -speech], axis=1), RATE)
    make("really-mp3.mp3", "-i", LADY).rename(folder / "really-mp3.wav")
    shutil.copy(LADY, folder / "really-flac.mp4")
    make("film.mp4", "-f", "lavfi", "-i", "color=s=64x64:r=5:d=4", "-i", LADY, "-c:a", "aac")
    make("raw.aac", "-i", LADY)
    make("mute.mp4", "-f", "lavfi", "-i", "color=s=64x64:r=5:d=1")

    soundfile.write(folder / "silence.wav", np.zeros(5 * RATE), RATE)
    soundfile.write(folder / "tenth.wav", speech[RATE : RATE + RATE // 10], RATE)
    soundfile.write(folder / "one-sample.wav", speech[:1], RATE)
    soundfile.write(folder / "dc.wav", np.full(3 * RATE, 0.3), RATE)
    soundfile.write(folder / "no-samples.wav", speech[:0], RATE)

    for name in CUT:
        fast_start = ("-movflags", "+faststart") if name.endswith("m4a") else ()
        halved(make(name, "-i", LADY, *fast_start))
    halved(make("late-moov.m4a", "-i", LADY))

    (folder / "empty.wav").touch()
    (folder / "zeros.mp3").write_bytes(bytes(5000))
    (folder / "words.ogg").write_text("Just words.\n" * 99)
    (folder / "page.mp4").write_text("<!doctype html><html><body>404</body></html>")
    write_float(folder / "hertz.wav", speech)
    data = bytearray((folder / "hertz.wav").read_bytes())
    data[24:32] = struct.pack("<II", 1, 4)
    (folder / "hertz.wav").write_bytes(data)
    secret = home / "secret.ts"
    subprocess.run([ffmpeg, "-v", "error", "-i", LADY, "-c:a", "aac", secret], check=True)
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.0,\n"
    (folder / "playlist.mp3").write_text(f"{head}http://127.0.0.1:{listener[0]}/a.ts\n#EXT-X-ENDLIST\n")
    (folder / "playlist.wav").write_text(f"{head}{secret}\n#EXT-X-ENDLIST\n")
    (folder / "concat.mp4").write_text(f"ffconcat version 1.0\nfile '{secret}'\n")
    os.mkfifo(folder / "pipe.wav")
    (folder / "folder.wav").mkdir()
    (folder / "nowhere.wav").symlink_to("gone.wav")
    (folder / "round.wav").symlink_to("round.wav")

    done = once(home, "transcribe", "zoo", "-f", "srt,json", "--output-dir", "texts", "--summary", "summary.json")
    summary = json.loads((home / "summary.json").read_text("utf-8"))
    return home, done, {entry["input"].removeprefix("zoo/"): entry for entry in summary["recordings"]}


def text_of(home: Path, name: str) -> list[str]:
    return words(json.loads((home / "texts" / name).with_suffix(".json").read_text("utf-8"))["text"])


@posix
def test_a_run_over_all_of_it_ends_with_1_and_has_an_entry_for_each(zoo):
    _, done, entries = zoo

    assert (done.code, done.out) == (1, "")
    assert "Traceback" not in done.err
    assert len(entries) == len(NAMES) + len(SOUNDS) + len(QUIET) + len(CUT) + len(BAD) + 1
    failed = {name for name, entry in entries.items() if entry["status"] == "failed"}
    assert failed == set(BAD)


@pytest.mark.parametrize("name", SOUNDS)
def test_odd_sound_is_heard(name, zoo):
    home, _, entries = zoo

    assert entries[name]["status"] == "done"
    assert entries[name]["exit_code"] == 0
    assert {"pleased", "lady"} & set(text_of(home, name))


def test_what_was_mended_is_told(zoo):
    _, done, entries = zoo

    notes = {name: " ".join(entries[name]["verdict"]["notes"]) for name in SOUNDS}
    assert re.search(
        r"\d samples that are not numbers \(NaN or infinite\) were replaced by silence", notes["few-nan.wav"]
    )
    assert re.search(r"times above full scale: turned down", notes["loud.wav"])
    assert notes["opposite.wav"] == "channels cancel each other: channel 1 turned round"
    assert notes["mulaw.wav"] == notes["surround.flac"] == ""
    assert "channel 1 turned round" in done.err


@pytest.mark.parametrize("name", QUIET)
def test_where_nobody_speaks_there_is_no_text(name, zoo):
    home, _, entries = zoo

    assert (entries[name]["status"], entries[name]["exit_code"]) == ("done", 0)
    assert entries[name]["verdict"]["coverage"] is None
    document = json.loads((home / "texts" / name).with_suffix(".json").read_text())
    assert document["segments"] == []
    assert (home / "texts" / name).with_suffix(".srt").read_bytes() == b""


@pytest.mark.parametrize("name", CUT)
def test_a_file_cut_short_is_heard_as_far_as_it_goes_and_told(name, zoo):
    home, _, entries = zoo

    entry = entries[name]
    assert (entry["status"], entry["exit_code"]) == ("done", 0)
    assert entry["verdict"]["status"] == "warning"
    assert entry["verdict"]["complete"] is False
    assert "cut short?" in " ".join(entry["verdict"]["notes"])
    assert 0.5 < entry["duration"] < 4
    output = home / "texts" / f"{name}.json"  # they have one name but for the suffix
    assert json.loads(output.read_text())["quality"]["complete"] is False


@pytest.mark.parametrize("name", BAD)
def test_a_bad_one_is_told_in_one_line_and_leaves_nothing(name, zoo):
    home, done, entries = zoo

    assert entries[name]["exit_code"] == 65
    told = [line for line in done.err.splitlines() if f"{name}" in line]
    assert len(told) == 1, told
    assert re.fullmatch(rf"error: (zoo/)?{BAD[name]}", told[0])
    assert not list((home / "texts").glob(f"{Path(name).stem}.*"))


@posix
def test_no_other_file_and_no_address_is_opened(zoo, listener):
    """Nor does what the secret says come out anywhere under the playlists' names."""
    home, _, _ = zoo

    assert listener[1] == []
    assert not [name for name in os.listdir(home / "texts") if name.startswith(("playlist", "concat"))]


def test_a_film_without_sound_is_skipped_and_no_failure(zoo):
    _, done, entries = zoo

    assert (entries["mute.mp4"]["status"], entries["mute.mp4"]["exit_code"]) == ("skipped", 0)
    assert "skipped: zoo/mute.mp4 has no audio stream; is it a video without sound?" in done.err


def test_pipes_folders_and_broken_links_in_a_folder_are_passed_by(zoo):
    assert not {"pipe.wav", "folder.wav", "nowhere.wav", "round.wav"} & set(zoo[2])


@posix
@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_recording_may_be_called_anything(name, zoo):
    home, done, _ = zoo
    stem = os.fsdecode(name).removesuffix(".flac").replace("\u202e", "")
    found = [path for path in os.listdir(home / "texts") if path.startswith(stem[:200]) and path.endswith(".json")]
    lines = [line for line in done.err.splitlines() if " -> texts/" in line]

    assert len(found) == 1
    assert len(os.fsencode(found[0])) <= 255
    document = json.loads((home / "texts" / found[0]).read_text("utf-8"))
    assert "lobsters" in words(document["text"])
    if NAMES[name] is not None:
        assert found[0] == f"{stem}.json"
        assert sum(f"texts/{NAMES[name]}, " in line for line in lines) == 1


def test_nothing_of_a_name_or_a_tag_reaches_the_terminal_as_a_command(zoo):
    home, done, _ = zoo

    assert not CONTROL.search(done.err)
    summary = (home / "summary.json").read_text("utf-8")
    assert not CONTROL.search(summary.replace("\u202e", "")), "what is reversed stays so in data"


def test_nothing_but_whole_outputs_and_the_manifest_is_left(zoo):
    home, _, entries = zoo
    n_done = sum(entry["status"] == "done" for entry in entries.values())

    names = os.listdir(home / "texts")
    assert len([name for name in names if name.endswith((".srt", ".json"))]) == 2 * n_done
    hidden = {name for name in names if name.startswith(".") and not name.endswith(".journal")}
    assert hidden == {".speechcli-manifest.jsonl"}
    assert len(os.listdir(home / "zoo")) == len(entries) + 4, "nothing has been written among the recordings"


def test_the_same_command_again_does_nothing_again_but_what_failed(zoo, once):
    home, _, entries = zoo
    before = written(home / "texts")

    done = once(home, "transcribe", "zoo", "-f", "srt,json", "--output-dir", "texts")

    n_done = sum(entry["status"] == "done" for entry in entries.values())
    assert done.code == 1
    assert done.err.splitlines()[-1] == f"{len(entries)} recordings: {n_done + 1} skipped, {len(BAD)} failed"
    assert written(home / "texts") == before


def written(folder: Path) -> dict[str, int]:
    """Outputs, and when they were written."""
    return {name: (folder / name).stat().st_mtime_ns for name in os.listdir(folder) if not name.startswith(".")}


# --- on the command line ---


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_names_that_look_like_options_or_are_no_text_can_be_named(here, child):
    """As the shell gives them: after `--`, with `./`, and as bytes that are no UTF-8."""
    names = [b"-dash.flac", b"--quiet.flac", b"bad\xff\x1b[31m.flac"]
    for name in names:
        shutil.copy(LOBSTER, os.path.join(os.fsencode(here), name))

    done = child("transcribe", "-f", "json", "--", b"-dash.flac", b"./--quiet.flac", b"bad\xff\x1b[31m.flac")

    assert done.returncode == 0, done.stderr
    assert done.stderr.count(b" -> ") == 3
    assert b"\x1b" not in done.stderr
    done.stderr.decode("utf-8")
    document = json.loads(Path(os.fsdecode(b"bad\xff\x1b[31m.json")).read_text("utf-8"))
    assert "lobsters" in words(document["text"])
    assert (here / "-dash.json").exists()
    assert (here / "--quiet.json").exists()


def test_stdin_that_is_empty_or_no_media_is_told(speechcli, here, monkeypatch):
    for data, told in (
        (b"", "stdin is empty; nothing came through the pipe"),
        (b"words " * 99, "stdin is not a media"),
    ):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

        done = speechcli("transcribe", "-")

        assert (done.code, done.out) == (65, "")
        assert done.err.startswith(f"speechcli: error: {told}")
        assert done.err.count("\n") == 1
    assert list(here.iterdir()) == []


def test_the_summary_never_replaces_what_is_no_file(speechcli, here):
    """For root, /dev/null is a name like any other."""
    shutil.copy(LOBSTER, here / "talk.flac")
    os.mkfifo(here / "pipe")

    done = speechcli("transcribe", "talk.flac", "--summary", "pipe")

    assert done.code == 73
    assert (here / "pipe").is_fifo()
    assert not (here / "talk.srt").exists(), "told before the work, not after it"


# --- text that is out for more ---

BACKEND = r"""
from speechcli.backends.base import Traits
from speechcli.core.transcript import Heard, Segment, Stage, Word

SAID = (" \x1b]52;c;aGk=\x07\x1b[2Jred", " [bold]", " 00:00:09,000", " -->", " \n\n2\n<b>x", " {\\an8}\x9b31m", " end.")


class Evil:
    traits = Traits(rate=16000, longest=30.0, gives_words=True)
    stage = Stage("transcribe", "evil", "evil\x1b[31m")

    def transcribe(self, batch, hints):
        words = tuple(Word(0.2 * i, 0.2 * i + 0.2, text) for i, text in enumerate(SAID))
        segment = Segment(0.0, 1.4, "".join(SAID).strip(), words=words)
        return [Heard((segment,)) for _ in batch]

    def close(self):
        pass


def open_it(wanted):
    return Evil()
"""


@pytest.fixture
def evil(here, monkeypatch) -> None:
    """A model, installed beside us as anybody can, that says what terminals and subtitles take for commands."""
    about = here / "packages" / "evil-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[speechcli.transcribers]\nevil = evil_backend:open_it\n")
    (here / "packages" / "evil_backend.py").write_text(BACKEND)
    monkeypatch.syspath_prepend(here / "packages")
    shutil.copy(LOBSTER, here / "talk.flac")


def test_escapes_in_what_is_said_reach_neither_files_nor_screen(evil, speechcli, here):
    done = speechcli("transcribe", "talk.flac", "-m", "evil", "--no-vad", "-f", "all", "-o", "texts")
    sys.modules.pop("evil_backend")

    assert done.code == 0, done.err
    assert not CONTROL.search(done.err)
    for path in (here / "texts").glob("[!.]*"):
        text = path.read_text("utf-8")
        assert not set("\x1b\x07" if path.suffix == ".json" else "\x1b\x07\x9b") & set(text), path.name
        assert "red" in text, path.name
    assert (here / "texts" / "talk.srt").read_text("utf-8").count("-->") == 1
    assert (here / "texts" / "talk.vtt").read_text("utf-8").count("-->") == 1
    assert "red" in json.loads((here / "texts" / "talk.json").read_text("utf-8"))["text"]


@posix
def test_on_a_terminal_too(evil, here):
    inner, outer = pty.openpty()
    command = [sys.executable, "-m", "speechcli", "transcribe", "talk.flac", "-m", "evil", "--no-vad", "-o", "-"]
    path = os.pathsep.join([str(here / "packages"), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(command, stdout=outer, stderr=outer, env=os.environ | {"PYTHONPATH": path}) as process:
        text = shown(process, inner, outer)

    assert process.returncode == 0
    assert b"red" in text
    assert not set(b"\x1b\x07") & set(text)


def test_tags_of_a_file_are_no_commands_when_its_tracks_are_listed(speechcli, here, ffmpeg):
    title = ("-metadata:s:a:0", "title=\x1b[31mred\x07\nsecond line", "-metadata", "title=\x1b[2J")
    subprocess.run([ffmpeg, "-v", "error", "-i", LOBSTER, *title, here / "tagged.mka"], check=True)

    done = speechcli("transcribe", "tagged.mka", "--track", 9)

    assert done.code == 2
    assert done.err.startswith("error: tagged.mka has no audio track 9; --track takes one of 0: ")
    assert done.err.count("\n") == 1
    assert not CONTROL.search(done.err)


# --- the decoder ---


def decoder(here: Path, ffmpeg: Path, body: str) -> str:
    """An ffmpeg that does `body` when it is to decode talk.*, and all else as the true one does."""
    fake = here / "fake-ffmpeg"
    fake.write_text(
        f'#!/bin/sh\ncase "$*" in *f32le*talk*|*talk*f32le*) ;; *) exec "{ffmpeg}" "$@" ;; esac\n'
        f'ffmpeg="{ffmpeg}"\n{body}\n'
    )
    fake.chmod(0o755)
    return str(fake)


FAULTS = {
    "killed": ('"$ffmpeg" "$@" | head -c 40000; kill -KILL $$', r"decoder crashed \(signal 9\)"),
    "crashed": ("kill -SEGV $$", r"decoder crashed \(signal 11\)"),
    "out of words": ("exit 3", r"no sound could be decoded from talk\.flac \(no reason given\)"),
    "hanging": ("sleep 1000", r"the decoder gave nothing for 1 s; it was stopped"),
    "hanging, shouting": ("yes >&2", r"the decoder gave nothing for 1 s; it was stopped"),
}


@posix
@pytest.mark.parametrize("fault", FAULTS)
def test_a_decoder_that_fails_fails_one_recording_and_the_same_command_does_it_later(
    fault, here, ffmpeg, speechcli, monkeypatch
):
    """Patience is a second here instead of a minute."""
    body, told = FAULTS[fault]
    shutil.copy(LADY, here / "talk.flac")
    shutil.copy(LOBSTER, here / "other.flac")
    command = ("transcribe", "talk.flac", "other.flac", "-f", "txt")

    with monkeypatch.context() as patch:
        patch.setenv("SPEECHCLI_FFMPEG", decoder(here, ffmpeg, body))
        patch.setattr("speechcli.jobs.recording.Take", partial(Take, patience=1.0))
        broken = speechcli(*command, "--summary", "summary.json")

    assert broken.code == 1
    assert re.search(rf"^error: talk\.flac: .*{told}", broken.err, re.MULTILINE), broken.err
    assert broken.err.count("error: ") == 1
    codes = {
        entry["input"]: entry["exit_code"] for entry in json.loads((here / "summary.json").read_text())["recordings"]
    }
    assert codes == {"talk.flac": 65, "other.flac": 0}
    assert not (here / "talk.txt").exists()
    assert "lobsters" in words((here / "other.txt").read_text())
    if fault == "killed":
        after = speechcli(*command)
        assert after.code == 0
        assert "other.flac: already done" in after.err
        assert "lady" in words((here / "talk.txt").read_text())


@posix
def test_a_decoder_that_ends_half_way_without_a_word_is_noticed(here, ffmpeg, speechcli, monkeypatch):
    shutil.copy(LADY, here / "talk.flac")

    monkeypatch.setenv("SPEECHCLI_FFMPEG", decoder(here, ffmpeg, '"$ffmpeg" "$@" | head -c 120000'))

    done = speechcli("transcribe", "talk.flac", "-f", "json", "--strict")

    assert done.code == 1
    assert re.search(r"warning: .*decoded 1\.9 s of 4\.6 s announced \(file cut short\?\)", done.err)
    assert json.loads((here / "talk.json").read_text())["quality"]["complete"] is False


@posix
def test_another_program_called_ffmpeg_is_not_taken_for_it(here, speechcli, monkeypatch):
    """It prints nothing: the wheel's is taken."""
    (here / "ffmpeg").write_text("#!/bin/sh\nexit 0\n")
    (here / "ffmpeg").chmod(0o755)
    shutil.copy(LOBSTER, here / "talk.flac")
    monkeypatch.setenv("PATH", f"{here}:/nowhere")

    done = speechcli("transcribe", "talk.flac", "--dry-run")

    assert done.code == 0
    assert "talk.flac\t0:02\t" in done.out


# --- a recording that does not hold still ---


@posix
def test_a_recording_that_grows_meanwhile_is_told_and_does_not_count_as_done(here, ffmpeg, speechcli, monkeypatch):
    shutil.copy(LADY, here / "talk.flac")

    with monkeypatch.context() as patch:
        patch.setenv("SPEECHCLI_FFMPEG", decoder(here, ffmpeg, f'"$ffmpeg" "$@"; echo more >> {here}/talk.flac'))
        done = speechcli("transcribe", "talk.flac", "-f", "txt")
    plan = speechcli("transcribe", "talk.flac", "-f", "txt", "--dry-run")

    assert done.code == 0
    assert "input changed while it was read" in done.err
    assert "lady" in words((here / "talk.txt").read_text())
    assert "\ttranscribe (" in plan.out


@posix
def test_a_recording_that_is_gone_when_its_turn_comes_is_told(here, ffmpeg, speechcli, monkeypatch):
    """The decoder of the first takes the second away."""
    shutil.copy(LADY, here / "talk.flac")
    shutil.copy(LOBSTER, here / "other.flac")

    monkeypatch.setenv("SPEECHCLI_FFMPEG", decoder(here, ffmpeg, f'rm {here}/other.flac; exec "$ffmpeg" "$@"'))

    done = speechcli("transcribe", "talk.flac", "other.flac", "-f", "txt")

    assert done.code == 1
    assert "error: other.flac is not there; was it moved or deleted?\n" in done.err
    assert "lady" in words((here / "talk.txt").read_text())
