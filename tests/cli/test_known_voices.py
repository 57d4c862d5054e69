"""One voice, one name in all recordings of a batch; clips of a voice give it a name (`--link-speakers`, `--enroll`)."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import spoken

from speechcli.backends import diarizers
from speechcli.jobs.roster import NAME

pytestmark = pytest.mark.skipif(
    diarizers.open_printer() is None, reason="needs the extra: pip install speechcli[diarize]"
)
BERT = "2414-128291-0002"


def part(clip: str, half: int) -> np.ndarray:
    return np.array_split(spoken.clip(clip).samples, 2)[half]


@pytest.fixture
def recordings(tmp_path) -> list[Path]:
    """One speaker of each is in the other too, and comes first in one and last in the other."""
    pause = np.random.default_rng(1).normal(0, 3e-4, 8000).astype(np.float32)
    rows = {
        "a": [spoken.clip("1089-134686-0000").samples, part(BERT, 0)],
        "b": [part(BERT, 1), spoken.clip("LJ001-0001").samples],
    }
    for name, (first, second) in rows.items():
        soundfile.write(tmp_path / f"{name}.flac", np.concatenate([pause, first, pause, second, pause]), spoken.RATE)
    return [tmp_path / f"{name}.flac" for name in rows]


def speakers(path: Path) -> list[str]:
    """By first appearance."""
    return list(dict.fromkeys(line.split()[7] for line in path.read_text("utf-8").splitlines()))


def test_a_voice_keeps_its_name_in_the_next_recording_and_in_the_next_run(once, recordings, tmp_path):
    command = ("diarize", "--link-speakers", "-f", "rttm", "--output-dir", tmp_path / "out")

    first = once(tmp_path, *command, recordings[0])
    named = speakers(tmp_path / "out" / "a.rttm")
    second = once(tmp_path, *command, *reversed(recordings))

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert named == ["SPEAKER_00", "SPEAKER_01"]
    assert speakers(tmp_path / "out" / "a.rttm") == named
    assert speakers(tmp_path / "out" / "b.rttm") == ["SPEAKER_01", "SPEAKER_02"]
    assert (tmp_path / "out" / NAME).is_file()


def test_whose_voice_is_given_is_named_and_who_is_not_there_is_a_note(once, recordings, tmp_path):
    for name, clip in (("linda", "LJ001-0003"), ("zoe", "1998-15444-0000")):
        soundfile.write(tmp_path / f"{name}.wav", spoken.clip(clip).samples, spoken.RATE)
    clips = ("--enroll", f"Linda={tmp_path / 'linda.wav'}", "--enroll", f"Zoe={tmp_path / 'zoe.wav'}")

    done = once(tmp_path, "diarize", recordings[1], *clips, "-f", "rttm", "--output-dir", tmp_path / "out")

    assert done.code == 0, done.err
    assert speakers(tmp_path / "out" / "b.rttm") == ["SPEAKER_00", "Linda"]
    assert "note: nobody was heard who sounds like Zoe" in done.err
    assert "like Linda" not in done.err
    assert not (tmp_path / "out" / NAME).exists()


def test_a_file_of_voices_that_is_damaged_is_one_line_before_anything_is_heard(once, recordings, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / NAME).write_text("torn")

    done = once(tmp_path, "diarize", "--link-speakers", recordings[0], "-f", "rttm", "--output-dir", tmp_path / "out")

    assert done.code == 65
    assert "delete it to begin anew" in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "out" / "a.rttm").exists()
