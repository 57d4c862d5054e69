"""Completion in bash, zsh and fish: the scripts are what the program prints, and work in the shells."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from speechcli.cli.completion import FILES, SCRIPTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("shell", FILES)
def test_the_files_are_as_they_would_be_generated(shell):
    """If not: `python -m speechcli.cli.completion completions`."""
    assert (ROOT / "completions" / FILES[shell]).read_text() == SCRIPTS[shell]


@pytest.mark.parametrize("shell", FILES)
def test_the_program_prints_them(speechcli, shell):
    assert speechcli("completion", shell).out == SCRIPTS[shell]


@pytest.mark.parametrize("shell", FILES)
def test_typers_own_way_of_asking_for_a_script_works(child, shell):
    done = child(env={**os.environ, "_SPEECHCLI_COMPLETE": f"source_{shell}"})

    assert done.returncode == 0
    assert b"_SPEECHCLI_COMPLETE=complete_" + shell.encode() in done.stdout


@pytest.fixture
def path(tmp_path_factory) -> str:
    """A PATH with a `speechcli` on it."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "speechcli"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m speechcli "$@"\n')
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def completed(shell: str, line: str, path: str) -> set[str]:
    """What the shell offers for `line`."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    script = ROOT / "completions" / FILES[shell]
    commands = {
        "bash": f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _speechcli speechcli;"
        ' printf "%s\\n" "${COMPREPLY[@]}"',
        "zsh": "compdef() { :; }; _arguments() { print -r -- $2; print -r -- $1 };"
        f" _files() {{ :; }}; source {script}; words=({quoted}); CURRENT={len(words)}; _speechcli",
        "fish": f"source {script}; complete --do-complete '{line}'",
    }
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    plain = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    done = subprocess.run(
        [shell, *plain, "-c", commands[shell]],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PATH": path},
        check=True,
    )
    assert done.stderr == ""
    return set(done.stdout.replace('"', " ").replace("(", " ").replace(")", " ").split())


@pytest.mark.parametrize("shell", FILES)
@pytest.mark.parametrize(
    ("line", "offered", "not_offered"),
    [
        ("speechcli tra", {"transcribe"}, {"convert"}),
        ("speechcli convert --max-l", {"--max-line-width", "--max-line-count"}, {"--max-cps"}),
        ("speechcli convert --lint -f v", {"vtt", "verbose_json"}, {"srt"}),
        ("speechcli convert -f srt,v", {"srt,vtt"}, {"vtt"}),
        ("speechcli models whisper-large-v", {"whisper-large-v2", "whisper-large-v3"}, {"whisper-tiny"}),
        ("speechcli models p", {"pull"}, {"rm"}),
        ("speechcli completion f", {"fish"}, {"bash"}),
    ],
)
def test_a_shell_completes(shell, line, offered, not_offered, path):
    found = completed(shell, line, path)

    assert offered <= found
    assert not not_offered & found


@pytest.mark.parametrize("shell", FILES)
def test_a_shell_completes_options_and_models_of_transcribe(shell, path):
    assert {"--language"} <= completed(shell, "speechcli transcribe --lang", path)
    assert {"whisper-tiny", "whisper-tiny.en"} <= completed(shell, "speechcli transcribe -m whisper-t", path)
