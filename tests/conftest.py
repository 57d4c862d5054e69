"""What tests of every room share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from speechcli.backends import community1, diarizers, registry
from speechcli.backends.base import Transcriber
from speechcli.cli import environment
from speechcli.errors import UnavailableError
from speechcli.media.ffmpeg import find

environment.prepare_engines()  # before any engine is loaded: this process is to compute what the command does
DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def ffmpeg() -> Path:
    """The ffmpeg that is found without being named."""
    return find()


@pytest.fixture(scope="session")
def jfk() -> Path:
    """11 s of speech, 44.1 kHz stereo flac; its words are in jfk.txt."""
    return DATA / "jfk.flac"


@pytest.fixture(scope="session")
def transcriber() -> Iterator[Transcriber]:
    """The embedded model on the CPU, loaded once."""
    opened = registry.open_transcriber(registry.resolve(registry.Wanted("embedded", device="cpu")))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def models() -> None:
    """The diarizer's weights, without which there is nothing to test."""
    try:
        diarizers.check_packages()
        community1.find()
    except UnavailableError as error:
        pytest.skip(f"needs the extra speechcli[diarize]: {error}")
