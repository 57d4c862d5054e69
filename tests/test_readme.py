"""What the README shows works: its commands and its Python are run, and what they print is what it says."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import speechcli
from speechcli.backends import community1, diarizers
from speechcli.errors import UnavailableError

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SAMPLE = Path(speechcli.__file__).parent / "sample" / "two_cities.mp3"


def diarizer_is_here() -> bool:
    """Whether this machine has what `speechcli[diarize]` brings."""
    try:
        diarizers.check_packages()
        community1.find()
    except UnavailableError:
        return False
    return True


needs_diarizer = pytest.mark.skipif(not diarizer_is_here(), reason="needs the extra speechcli[diarize]")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(tmp_path_factory) -> Path:
    """A newcomer's folder: the recording that ships, and a folder of recordings."""
    folder = tmp_path_factory.mktemp("readme")
    for path in (SAMPLE, SAMPLE.with_suffix(".txt")):
        shutil.copy(path, folder)
    for kind, suffix in (("recordings", ".flac"), ("texts", ".txt")):
        (folder / kind).mkdir()
        for name in ("LJ001-0002", "367-130732-0001"):
            shutil.copy(ROOT / "tests" / "data" / f"{name}{suffix}", folder / kind)
    return folder


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = folder / "bin" / "speechcli"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m speechcli "$@"\n')
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "XDG_CONFIG_HOME": str(folder / "config")}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=folder, env=env, capture_output=True, text=True
    )


def said(subtitles: str) -> list[str]:
    """Their words. Other processors hear a word some milliseconds earlier or later, and so break captions elsewhere."""
    return re.findall(r"[a-z']+", re.sub(r"(?m)^[\d:,]+ --> .*$", "", subtitles), re.IGNORECASE)


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["first", "every"])
def test_every_command_works_and_prints_what_the_readme_says(place, every):
    """Each; or the first of each block, which others build on, and those whose answer is shown."""
    for block in blocks("console"):
        for number, part in enumerate(re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]):
            command, _, shown = part.partition("\n")
            if "diarize" in command and not diarizer_is_here():
                continue
            if number and not (every or shown.strip()):
                continue
            done = run(command, place)
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            assert "Traceback" not in done.stderr
            if shown.strip():
                # other processors hear a word some milliseconds earlier or later
                assert re.sub(r"\d", "0", done.stdout.strip()) == re.sub(r"\d", "0", shown.strip()), command


def test_the_python_example_works(place):
    transcribing, aligning, *_ = blocks("python")

    done = run(f"{sys.executable} - <<'END'\n{transcribing}\n{aligning}\nEND", place)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("It was the best of times")
    assert float(done.stdout.split()[-1]) > 0.95
    assert (place / "two_cities.vtt").read_text().startswith("WEBVTT\n\n")


@needs_diarizer
def test_the_python_example_of_speakers_works(place):
    transcribing, _, diarizing, _ = blocks("python")
    told = "assert {word.speaker for word in named.words} == {'SPEAKER_00'}"

    done = run(f"{sys.executable} - <<'END'\n{transcribing}\n{diarizing}\n{told}\nEND", place)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("SPEAKER_00")


def test_the_python_example_of_a_stream_works(place):
    *_, streaming = blocks("python")

    done = run(f"{sys.executable} - <<'END'\nimport speechcli\n{streaming}\nEND", place)

    assert done.returncode == 0, done.stderr
    assert re.search(r"^Partial [\d.]+ \w+", done.stdout, re.MULTILINE)
    assert "Final" in done.stdout


def test_the_configuration_example_is_understood(place):
    (text,) = blocks("toml")
    tomllib.loads(text)
    (place / "speechcli.toml").write_text(text)

    done = run("speechcli transcribe two_cities.mp3 --dry-run", place)
    (place / "speechcli.toml").unlink()

    assert done.returncode == 0, done.stderr
    assert "two_cities.json" in done.stdout


def test_every_exit_code_is_in_the_table():
    from speechcli import errors

    codes = {e.exit_code for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.SpeechcliError)}

    table = {int(n) for row in re.findall(r"^\| ([\d, ]+) \|", README, re.MULTILINE) for n in row.split(",")}
    assert codes <= table
    assert {0, 1, 130, 141, 143} <= table


def test_every_format_and_file_named_exists():
    from speechcli.formats.table import FORMATS

    for name in FORMATS:
        assert f"`{name}`" in README
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
