"""A real batch with the real model, broken off in every way there is: the same command ends it as if nothing were."""

import ctypes
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechcli.__main__ import run
from speechcli.jobs.manifest import NAME
from speechcli.jobs.output import PART

DATA = Path(__file__).parent.parent / "data"
RATE = 16_000
SHORT = ("2414-128291-0000", "367-130732-0000", "LJ001-0002")
LONG = ("1089-134691-0000", "3080-5032-0000", "2414-128291-0000", "1089-134686-0001", "367-130732-0001", SHORT[1])
OUTPUT = 10  # windows that an output counts for
PAUSE = 4.5  # seconds: long enough to end a window

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture(scope="module", autouse=True)
def _nobodys_configuration(tmp_path_factory):
    """The machine's own configuration has no say in tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.setenv("COLUMNS", "200")
        yield


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """A folder with three short recordings, and one of six windows."""
    folder = tmp_path_factory.mktemp("recordings")
    for name in SHORT:
        shutil.copy(DATA / f"{name}.flac", folder)
    parts = []
    for name in LONG:
        samples, rate = soundfile.read(DATA / f"{name}.flac", dtype="float32")
        assert rate == RATE, name
        parts += [samples, np.zeros(round(PAUSE * RATE))]
    soundfile.write(folder / "long.flac", np.concatenate(parts), RATE)
    return folder


@pytest.fixture(scope="module")
def unbroken(recordings, tmp_path_factory) -> dict[str, bytes]:
    """What a run writes that nothing disturbs."""
    folder = tmp_path_factory.mktemp("unbroken")
    assert here(recordings, folder) == 0
    assert leftovers(folder) == []
    return outputs(folder)


class Running:
    """`speechcli transcribe RECORDINGS --output-dir FOLDER` as a process."""

    def __init__(self, recordings: Path, folder: Path, *more: str, before: Callable[[], object] | None = None) -> None:
        command = [sys.executable, "-m", "speechcli", "transcribe", str(recordings), "--output-dir", str(folder)]
        self.folder = folder
        self.process = subprocess.Popen(
            [*command, "-f", "srt,json", *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=before,
            text=True,
        )

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits for the condition, or for the end."""
        deadline = time.monotonic() + 60
        while self.process.poll() is None and not condition():
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def ended(self) -> int:
        """The exit code; what was said is in `said`."""
        out, self.said = self.process.communicate(timeout=60)
        assert out == ""
        assert "Traceback" not in self.said
        return self.process.returncode


def here(recordings: Path, folder: Path) -> int:
    """The same in this process, for where nothing is to be broken off."""
    return run(["transcribe", str(recordings), "--output-dir", str(folder), "-f", "srt,json"])


def outputs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.*") if not path.name.startswith(".")}


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.glob(".*") if path.name != NAME]


def journals(folder: Path) -> list[Path]:
    return list(folder.glob(".*.journal"))


def windows(journal: Path) -> list[str]:
    """The windows it holds."""
    whole, _, _ = journal.read_bytes().rpartition(b"\n")
    return [value["window"] for value in map(json.loads, whole.splitlines()) if "window" in value]


def progress(folder: Path) -> int:
    """Windows finished, and outputs: it grows from 0."""
    n_windows = 0
    for journal in journals(folder):
        try:
            n_windows += len(windows(journal))
        except FileNotFoundError:
            continue
    return n_windows + OUTPUT * len(outputs(folder))


def entries(folder: Path) -> list[str]:
    """The recordings in the manifest, as often as they are there."""
    values = map(json.loads, (folder / NAME).read_bytes().splitlines())
    return sorted(Path(value["input"]).name for value in values if "input" in value)


@pytest.mark.slow
def test_killed_again_and_again_nothing_is_lost_and_nothing_is_done_twice(recordings, unbroken, tmp_path):
    folder, kept = tmp_path / "out", tmp_path / "kept"
    kept.mkdir()
    folder.mkdir()
    chance = random.Random(7)
    finished: dict[str, bytes] = {}
    n_before: dict[str, int] = {}

    for goal in (1, 4, OUTPUT):
        running = Running(recordings, folder)
        running.until(lambda goal=goal: progress(folder) >= goal)
        time.sleep(chance.random() / 20)
        running.process.kill()
        running.ended()
        for journal in journals(folder):  # a second name for the same file, which stays
            if not (kept / journal.name).exists():
                os.link(journal, kept / journal.name)
        now = outputs(folder)
        assert all(text == unbroken[name] for name, text in now.items()), "a name was given to half a file"
        assert finished.items() <= now.items()
        finished = now
        n_before |= {journal.name: len(windows(journal)) for journal in journals(folder)}
    assert max(n_before.values()) > 0, "it was killed before it had done anything"
    assert len(finished) < len(unbroken), "it was over before it was killed"

    assert here(recordings, folder) == 0

    assert outputs(folder) == unbroken
    assert leftovers(folder) == []
    assert entries(folder) == sorted(path.name for path in recordings.iterdir())
    for journal in kept.iterdir():
        heard = windows(journal)
        assert len(heard) == len(set(heard)), f"{journal.name}: a window was heard twice"
        assert len(heard) >= n_before.get(journal.name, 0), f"{journal.name} was begun anew"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_signal_ends_it_at_once_and_says_that_the_same_command_goes_on(recordings, unbroken, tmp_path, number, code):
    running = Running(recordings, tmp_path)
    running.until(lambda: progress(tmp_path) >= 2)
    running.process.send_signal(number)
    began = time.monotonic()

    assert running.ended() == code, running.said
    assert time.monotonic() - began < 3
    last = running.said.splitlines()[-1]
    n_done = len(entries(tmp_path)) if (tmp_path / NAME).exists() else 0
    assert last.endswith("of 4 done; run the same command to continue"), running.said
    assert f"interrupted: {n_done} of 4 done" in last
    assert running.said.count("interrupted") == 1
    assert not list(tmp_path.glob(f"{PART}*"))
    assert all(text == unbroken[name] for name, text in outputs(tmp_path).items())
    if number == signal.SIGTERM:
        assert here(recordings, tmp_path) == 0
        assert outputs(tmp_path) == unbroken
        assert leftovers(tmp_path) == []


def test_two_processes_in_one_folder_do_each_recording_once(recordings, unbroken, tmp_path):
    both = [Running(recordings, tmp_path) for _ in range(2)]

    codes = [running.ended() for running in both]

    assert set(codes) <= {0, 75}, [running.said for running in both]
    assert outputs(tmp_path) == unbroken
    assert leftovers(tmp_path) == []
    assert entries(tmp_path) == sorted(path.name for path in recordings.iterdir())
    for running, code in zip(both, codes, strict=True):
        assert (code == 75) == ("is being made by" in running.said)


def test_one_that_comes_while_another_is_at_work_takes_the_rest(recordings, unbroken, tmp_path):
    first = Running(recordings, tmp_path)
    first.until(lambda: progress(tmp_path) >= 2)
    first.process.send_signal(signal.SIGSTOP)  # it holds its locks and does nothing
    try:
        second = Running(recordings, tmp_path)
        assert second.ended() == 75
        assert f"is being made by process {first.process.pid} on" in second.said
        assert len(outputs(tmp_path)) < len(unbroken)
    finally:
        first.process.send_signal(signal.SIGCONT)

    assert first.ended() == 0
    assert outputs(tmp_path) == unbroken
    assert entries(tmp_path) == sorted(path.name for path in recordings.iterdir())


# --- disks ---


def limited(n_bytes: int) -> Callable[[], None]:
    """No file of the process may become longer: the disk is full from there on."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


@pytest.mark.parametrize("n_bytes", [60, 500, 1200], ids=["first line", "a window", "an output"])
def test_a_file_that_cannot_grow_is_a_full_disk_and_what_was_done_stays(recordings, unbroken, tmp_path, n_bytes):
    """60 bytes: not even the journal's first line; 500: not a window; 1200: the journal, the srt, and not the json."""
    running = Running(recordings / f"{SHORT[0]}.flac", tmp_path, before=limited(n_bytes))

    assert running.ended() == 74, running.said
    assert "disk full writing" in running.said
    assert "make room, then run the same command again" in running.said
    assert not list(tmp_path.glob(f"{PART}*"))
    assert all(text == unbroken[name] for name, text in outputs(tmp_path).items())

    assert here(recordings / f"{SHORT[0]}.flac", tmp_path) == 0
    assert outputs(tmp_path) == {name: text for name, text in unbroken.items() if name.startswith(SHORT[0])}
    assert leftovers(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KB."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        not mount
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True).returncode
    ):
        pytest.skip("may not mount")
    yield folder
    subprocess.run([umount, "-l", folder], check=True)


@pytest.mark.parametrize(
    "n_pages", [pytest.param(1, marks=pytest.mark.slow), 3, pytest.param(6, marks=pytest.mark.slow)]
)
def test_on_a_full_disk_what_was_done_stays_and_the_same_command_goes_on(
    recordings, unbroken, small_disk, capsys, tmp_path, n_pages
):
    three = tmp_path / "three"
    three.mkdir()
    for name in SHORT:
        shutil.copy2(recordings / f"{name}.flac", three)
    expected = {name: text for name, text in unbroken.items() if not name.startswith("long")}
    ballast = small_disk / "ballast.bin"
    ballast.write_bytes(bytes(4096 * (16 - n_pages)))

    code = here(three, small_disk)

    said = capsys.readouterr().err
    assert code in (1, 74), said
    assert "disk full" in said
    ballast.unlink()
    before = outputs(small_disk)
    assert all(text == expected[name] for name, text in before.items())
    assert not list(small_disk.glob(f"{PART}*"))

    assert here(three, small_disk) == 0, capsys.readouterr().err
    assert outputs(small_disk) == expected
    assert leftovers(small_disk) == []


def test_a_read_only_disk_is_refused_before_a_model_is_loaded(recordings, small_disk, capsys):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)

    assert here(recordings / f"{SHORT[0]}.flac", small_disk) == 73
    assert f"cannot write into {small_disk}" in capsys.readouterr().err


def powerless() -> None:
    """Root may write everywhere by one capability, which goes with the next exec; others have none."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities of Linux")
def test_folders_that_may_not_be_written_to(recordings, tmp_path):
    forbidden, mine = tmp_path / "forbidden", tmp_path / "mine"
    forbidden.mkdir()
    mine.mkdir()
    forbidden.chmod(0o555)
    recording = recordings / f"{SHORT[0]}.flac"

    output = Running(recording, forbidden, before=powerless)
    state = Running(recording, mine, "--state-dir", str(forbidden), before=powerless)

    assert output.ended() == 73, output.said
    assert f"cannot write into {forbidden}" in output.said
    assert state.ended() == 77, state.said
    assert "permission denied" in state.said
    assert list(forbidden.iterdir()) == []
    assert outputs(mine) == {}
