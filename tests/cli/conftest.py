"""Running the program: in this process for what it does, as a child for what it is."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from speechcli.__main__ import run


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _nobodys_configuration(monkeypatch, tmp_path_factory):
    """The machine's own configuration and colours have no say in tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.delenv("SPEECHCLI_FFMPEG", raising=False)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def speechcli(capsys, here) -> Callable[..., Done]:
    """`speechcli ARGS`, in this process and an empty folder."""

    def call(*args: object) -> Done:
        code = run([str(arg) for arg in args])
        told = capsys.readouterr()
        return Done(code, told.out, told.err)

    return call


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[..., Done]:
    """`speechcli ARGS` in this process and the folder `cwd`, for what several tests look at."""
    nowhere = str(tmp_path_factory.mktemp("config"))

    def call(cwd: Path, *args: object) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, chdir(cwd), redirect_stdout(out), redirect_stderr(err):
            patch.setenv("XDG_CONFIG_HOME", nowhere)
            patch.delenv("SPEECHCLI_FFMPEG", raising=False)
            code = run([str(arg) for arg in args])
        return Done(code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture
def child(here) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """`speechcli ARGS` as a process of its own; `shell` is what follows on the command line."""

    def call(*args: str, shell: str = "", **settings) -> subprocess.CompletedProcess[bytes]:
        command = [
            shutil.which("bash") or "bash",
            "-c",
            f'"$@" {shell}',
            "bash",
            sys.executable,
            "-m",
            "speechcli",
            *args,
        ]
        return subprocess.run(command, capture_output=True, timeout=60, **settings)

    return call
