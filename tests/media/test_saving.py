"""The sound of a session as a WAV file that is whole at every moment."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechcli.errors import DiskError, OutputError, UsageError
from speechcli.media.capture import Block
from speechcli.media.saving import Saving

RATE = 16_000


def noise(n_frames: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    """What 16 bits can hold exactly."""
    whole = np.random.default_rng(seed).integers(-32768, 32768, (n_frames, channels))
    return (whole / 32768).astype(np.float32)


def block(frames: np.ndarray, lost: int = 0) -> Block:
    return Block(frames, 0.0, lost)


@pytest.mark.parametrize("channels", [1, 2])
def test_after_every_block_the_file_has_the_sound_so_far_bit_by_bit(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "talk.wav"
    sound = noise(5000, channels)
    saving = Saving(path, 44_100, channels)
    assert soundfile.info(path).frames == 0

    for first in range(0, 5000, 700):
        assert saving.add(block(sound[first : first + 700])) == ""
        kept, rate = soundfile.read(path, dtype="float32", always_2d=True)
        assert rate == 44_100
        assert np.array_equal(kept, sound[: first + 700])
    assert saving.seconds == 5000 / 44_100
    saving.close()
    saving.close()
    with wave.open(str(path)) as read:
        assert read.getparams()[:4] == (channels, 2, 44_100, 5000)


def test_what_is_too_loud_is_clipped_and_what_is_no_number_is_silence(tmp_path: Path) -> None:
    saving = Saving(tmp_path / "talk.wav", RATE, 1)
    saving.add(block(np.array([[1.5], [-1.5], [np.nan], [1.0], [0.0]], np.float32)))
    saving.close()

    kept, _ = soundfile.read(tmp_path / "talk.wav", dtype="int16")
    assert kept.tolist() == [32767, -32768, 0, 32767, 0]


def test_frames_that_were_lost_are_silence_so_that_times_stay_true(tmp_path: Path) -> None:
    sound = noise(100, 2)
    saving = Saving(tmp_path / "talk.WAV", RATE, 2)
    saving.add(block(sound))
    saving.add(block(sound, lost=200_000))
    saving.close()

    kept, _ = soundfile.read(tmp_path / "talk.WAV", dtype="float32")
    assert len(kept) == 200_200
    assert np.array_equal(kept[:100], sound)
    assert not kept[100:200_100].any()
    assert np.array_equal(kept[200_100:], sound)


def test_the_block_is_not_written_to(tmp_path: Path) -> None:
    sound = noise(100) * 2
    before = sound.copy()
    sound.flags.writeable = False

    Saving(tmp_path / "talk.wav", RATE, 1).add(block(sound))

    assert np.array_equal(sound, before)


def test_a_full_file_is_announced_told_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    most = 2 * 90 * RATE  # bytes: a minute and a half
    saving = Saving(path, RATE, 1, most=most)
    second = noise(RATE)

    said = [(i, note) for i in range(100) if (note := saving.add(block(second)))]

    assert said == [
        (29, "talk.wav will be full in a minute (a WAV file ends at 4 GB): then sound is not saved any more"),
        (89, "talk.wav is full (2.9 MB): sound is not saved any more"),
    ]
    assert saving.full
    assert soundfile.info(path).frames == 90 * RATE
    assert path.stat().st_size == 44 + most


def test_only_wav_is_written_and_nothing_of_somebody_elses(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"sound is saved as WAV, and talk\.mp3 is no name of one; name it FILE\.wav"):
        Saving(tmp_path / "talk.mp3", RATE, 1)
    assert list(tmp_path.iterdir()) == []
    path = tmp_path / "talk.wav"
    path.write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"talk\.wav exists; --overwrite replaces it"):
        Saving(path, RATE, 1)
    assert path.read_bytes() == b"mine"
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        Saving(tmp_path / "folder.wav", RATE, 1, overwrite=True)

    Saving(path, RATE, 1, overwrite=True).close()

    assert soundfile.info(path).frames == 0


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_saving import RATE, block, noise
from speechcli.media.saving import Saving
saving = Saving(Path(sys.argv[1]), RATE, 2, overwrite=True)
print("made", flush=True)
sound = noise(1600, 2)
while True:
    saving.add(block(sound))
    print("+", flush=True)
"""


def test_a_killed_process_leaves_a_file_with_every_block_it_had_written(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    sound = noise(1600, 2)
    rng = random.Random(4)
    for _ in range(8):
        command = [sys.executable, "-c", WRITER, str(path), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "made\n"
            time.sleep(rng.uniform(0.0, 0.1))
            process.send_signal(signal.SIGKILL)
            n_blocks = process.stdout.read().count("+\n")
        kept, _ = soundfile.read(path, dtype="float32")
        assert len(kept) % 1600 == 0
        assert len(kept) // 1600 >= n_blocks
        assert all(np.array_equal(kept[i : i + 1600], sound) for i in range(0, len(kept), 1600))


FULL = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_saving import RATE, block, noise
from speechcli.errors import DiskError
from speechcli.media.saving import Saving
saving = Saving(Path(sys.argv[1]), RATE, 1)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
try:
    while True:
        saving.add(block(noise(1600)))
except DiskError as error:
    print(error)
saving.close()
"""


def test_a_full_disk_is_told_and_the_file_keeps_its_sound(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"

    command = [sys.executable, "-c", FULL, str(path), str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.startswith("disk full writing talk.wav;")
    kept, _ = soundfile.read(path, dtype="float32")
    assert np.array_equal(kept, np.tile(noise(1600)[:, 0], 3))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((OutputError, DiskError), match=r"writing talk\.wav"):
        Saving(tmp_path / "file" / "talk.wav", RATE, 1)
