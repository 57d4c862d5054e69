"""The process dies at every single call to the system, and every few of them fail; nothing is ever lost by it.

As SQLite's and curl's tests do it: count the calls of an undisturbed run, then break the first, the second, ...
The recordings are tones, so that a run takes a moment; what is broken is real: our files, on a real disk.
"""

import errno
import itertools
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tones import Ear, Energy, Shelf, jobs_in, melody

from speechcli.errors import SpeechcliError
from speechcli.jobs import batch, plan
from speechcli.jobs import manifest as manifests
from speechcli.jobs.job import Rendering
from speechcli.jobs.output import PART

TAPES = {"a": melody(0, 34), "b": melody(50, 12)}
OTHERS = {"a": melody(70, 9), "b": melody(90, 7)}
RENDERING = Rendering(("json", "srt"))
CALLS = ("open", "write", "fsync", "replace", "unlink", "ftruncate", "mkdir", "close")

pytestmark = [
    pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc and fork"),
    pytest.mark.usefixtures("no_power_cuts"),
]


def transcribe(folder: Path, ear: Ear, tapes=TAPES, overwrite: bool = False) -> list[batch.Outcome]:
    """The whole of it: plan, transcribe, write, record."""
    for name in tapes:
        if not (folder / name).exists():
            (folder / name).write_bytes(name.encode() * 9)
    jobs = jobs_in(folder, tapes)
    roots = plan.load_manifests(jobs)
    decisions = [plan.decide(job, roots[job.root], RENDERING, overwrite) for job in jobs]
    engines = batch.Engines(ear, Energy(), Shelf(tapes))
    events = batch.carry_out(decisions, RENDERING, roots, lambda: engines, recheck=not overwrite)
    try:
        return [event for event in events if isinstance(event, batch.Outcome)]
    finally:
        events.close()


class Fault:
    """In front of the system's calls: at the n-th that concerns `folder`, `strike` is called with its name."""

    def __init__(self, folder: Path, n: int, strike: Callable[[str], None]) -> None:
        self._folder, self._n, self._strike = os.fspath(folder), n, strike
        self.count = 0
        self._real = {name: getattr(os, name) for name in CALLS}

    def __enter__(self):
        for name in CALLS:
            setattr(os, name, self._before(name))
        return self

    def __exit__(self, *_):
        for name, real in self._real.items():
            setattr(os, name, real)

    def _before(self, name):
        real = self._real[name]

        def call(subject, *args, **named):
            if self._concerns(subject):
                self.count += 1
                if self.count == self._n:
                    self._strike(name)
            return real(subject, *args, **named)

        return call

    def _concerns(self, subject) -> bool:
        if isinstance(subject, int):
            try:
                subject = os.readlink(f"/proc/self/fd/{subject}")
            except OSError:
                return False
        return os.fspath(subject).startswith(self._folder)


def outputs(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.glob("*.*") if not p.name.startswith(".")}


def leftovers(folder: Path) -> list[str]:
    return [
        p.name for p in folder.iterdir() if p.name.startswith((PART, ".")) and p.name != ".speechcli-manifest.jsonl"
    ]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> dict[str, bytes]:
    """What an undisturbed run writes."""
    folder = tmp_path_factory.mktemp("unbroken")
    assert [o.status for o in transcribe(folder, Ear(2, 1))] == ["done"] * len(TAPES)
    assert not leftovers(folder)
    return outputs(folder)


@pytest.fixture(scope="module", params=["new", pytest.param("overwriting", marks=pytest.mark.slow)])
def start(request, tmp_path_factory) -> Path:
    """A folder to begin with: empty, or with older outputs of ours, which `--overwrite` is to replace."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "overwriting":
        transcribe(folder, Ear(2, 1), OTHERS)
    return folder


N_WINDOWS = {"a": 2, "b": 1}


def windows_of(ear: Ear) -> int:
    return sum(map(len, ear.calls))


def check(folder: Path, n: int, before: dict[str, bytes], unbroken: dict[str, bytes]) -> None:
    """No output is half a file, and none that was there is gone."""
    now = outputs(folder)
    assert set(before) <= set(now), f"call {n}"
    assert all(text in (before.get(name), unbroken[name]) for name, text in now.items()), f"call {n}: half a file"


def check_again(folder: Path, n: int, again: bool, unbroken: dict[str, bytes]) -> None:
    """The same command ends with the same bytes, hears nothing twice, and leaves nothing."""
    n_kept = sum(p.read_bytes().count(b'"window"') for p in folder.glob(".*.journal"))
    done = [name for name, *_ in manifests.load(folder).entries]
    n_kept += sum(N_WINDOWS[name] for name in done if not journal_of(folder, name).exists())
    ear = Ear(2, 1)

    told = transcribe(folder, ear, overwrite=again)

    assert [str(o.error) for o in told if o.error is not None] == [], f"call {n}"
    assert outputs(folder) == unbroken, f"call {n}"
    assert leftovers(folder) == [], f"call {n}"
    assert again or windows_of(ear) == sum(N_WINDOWS.values()) - n_kept, f"call {n}"


def journal_of(folder: Path, name: str) -> Path:
    return folder / f".{name}.json.journal"


def test_killed_at_any_call_the_same_command_goes_on(tmp_path, start, unbroken):
    before = outputs(start)
    again = bool(before)
    for n in itertools.count(1, 2 if again else 1):
        folder = Path(shutil.copytree(start, tmp_path / str(n)))
        child = os.fork()
        if not child:
            try:
                with Fault(folder, n, lambda name: os.kill(os.getpid(), signal.SIGKILL)):
                    transcribe(folder, Ear(2, 1), overwrite=again)
            finally:
                os._exit(0)
        struck = os.WIFSIGNALED(os.waitpid(child, 0)[1])

        check(folder, n, before, unbroken)
        check_again(folder, n, again, unbroken)
        if not struck:
            break
    assert n > 40


@pytest.mark.parametrize(
    ("number", "code", "step"),
    [(errno.ENOSPC, 74, 3), (errno.EIO, 74, 9), (errno.EROFS, 73, 9), (errno.EACCES, 77, 5)],
    ids=["disk full", "disk broken", "read-only", "forbidden"],
)
def test_whichever_call_fails_what_was_done_stays_and_the_same_command_goes_on(
    tmp_path, start, unbroken, number, code, step
):
    def strike(name: str) -> None:
        if name != "close":  # does its work even where it fails
            raise OSError(number, os.strerror(number))

    before = outputs(start)
    again = bool(before)
    for n in itertools.count(1, step):
        folder = Path(shutil.copytree(start, tmp_path / str(n)))
        codes = set()
        with Fault(folder, n, strike) as fault:
            try:
                codes = {o.code for o in transcribe(folder, Ear(2, 1), overwrite=again)}
            except SpeechcliError as error:
                codes = {error.exit_code}

        assert codes <= {0, code}, f"call {n}"
        check(folder, n, before, unbroken)
        check_again(folder, n, again, unbroken)
        if fault.count < n:
            break
    assert n > 40
