"""A recording longer than VibeVoice hears at once: who speaks keeps the name over the cut, through the whole path.

The small checkpoint numbers the speakers of each window anew: "0" and "1" in "talk", "0" in the others.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch
from tiny import common

from speechcli.api import Options, transcribe
from speechcli.backends import diarizers
from speechcli.backends.catalog import FAMILIES
from speechcli.core.transcript import Transcript
from speechcli.jobs.job import rules_of

FOLDER = Path(common.__file__).parent / "vibevoice"
RATE = 24_000
PAD = 0.6  # seconds: the checkpoint knows the half second before the words
ROW = ("talk", "lady", "talk", "stuff", "lady")


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # two are ten times slower on so small a model
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["cepstra", "community-1"])
def _printer(request, monkeypatch):
    if request.param == "cepstra":  # as on a machine without the extra
        monkeypatch.setattr(diarizers, "open_printer", lambda model_dir=None: None)
    elif diarizers.open_printer() is None:
        pytest.skip("needs the extra: pip install speechcli[diarize]")


def recording(folder: Path, row: tuple[str, ...], pauses: tuple[float, ...]) -> Path:
    """The clips, each after a pause (seconds), and a last pause; written as they are made."""
    path = folder / "meeting.flac"
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for name, pause in zip(row, pauses, strict=True):
            minute, rest = common.faint(60.0, RATE), pause % 60
            for _ in range(int(pause // 60)):
                file.write(minute)
            file.write(common.faint(rest, RATE))
            file.write(common.sound(name, RATE))
        file.write(common.faint(2.0, RATE))
    return path


def heard(path: Path, chunk: float | None = None) -> Transcript:
    rules = replace(rules_of(FAMILIES["vibevoice"], "vibevoice", chunk), pad=PAD)
    return transcribe(path, Options(model=str(FOLDER), rules=rules, chunk_size=chunk))


def check(transcript: Transcript, row: tuple[str, ...]) -> None:
    """All that was said, and one name a speaker."""
    parts = [(name, part) for name in row for part in common.CLIPS[name]]
    assert [s.text for s in transcript.segments] == [part.text for _, part in parts]
    names: dict[tuple[str, int], set[str | None]] = {}
    for segment, (name, part) in zip(transcript.segments, parts, strict=True):
        names.setdefault((name, part.speaker), set()).add(segment.speaker)
    assert [sorted(map(str, found)) for found in names.values()] == [[f"SPEAKER_{i:02d}"] for i in range(len(names))]


@pytest.mark.usefixtures("_printer")
def test_speakers_keep_their_names_over_many_windows(tmp_path):
    path = recording(tmp_path, ROW, (3.0, 14.0, 14.0, 14.0, 14.0))

    check(heard(path, chunk=12.0), ROW)


@pytest.mark.slow
@pytest.mark.usefixtures("_printer")
def test_speakers_keep_their_names_over_the_cut_of_an_hour(tmp_path):
    """At the length that the full model hears: cut in the silence near its end."""
    path = recording(tmp_path, ("talk", "talk"), (5.0, 3700.0))

    transcript = heard(path)

    assert transcript.duration > 3700
    check(transcript, ("talk", "talk"))
