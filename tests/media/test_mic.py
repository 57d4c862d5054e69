"""Real sound, played by a real sound server and recorded from it."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from pulse import Pulse, server
from spoken import RATE, clip

from speechcli.errors import DiskError, UnavailableError, UsageError
from speechcli.media import mic, recorder
from speechcli.media.mic import Waits

SHORT = Waits(first=5.0, silent=1.0, again=2.0, between=0.1)


@pytest.fixture
def pulse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pulse]:
    """A sound server that this process finds, with one loudspeaker."""
    with server() as running:
        monkeypatch.setenv("PULSE_SERVER", running.address)
        running.speaker("room", "Room")
        yield running


def as_nobody(code: str) -> subprocess.CompletedProcess[str]:
    """Runs code as a user that has no rights, who could not even start this Python."""
    become = "import os; os.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)"
    loaded = "from pathlib import Path; from speechcli.media import denied, mic, recorder"
    program = [sys.executable, "-c", "\n".join((loaded, become, code))]
    return subprocess.run(program, capture_output=True, text=True, timeout=60)


def recording(folder: Path, rate: int, channels: int) -> tuple[Path, np.ndarray]:
    """A WAV file, and the 2 s of speech in it, shape (n, channels); the channels differ in level.

    It begins with silence, for of a stream that sets in PulseAudio may leave out the first milliseconds.
    """
    samples = soxr.resample(clip("LJ001-0001").samples[: 2 * RATE], RATE, rate)
    frames = np.stack([samples * (0.9 - 0.4 * n) for n in range(channels)], axis=1)
    path = folder / "said.wav"
    soundfile.write(path, np.concatenate([np.zeros((rate // 4, channels)), frames]), rate, subtype="PCM_16")
    return path, soundfile.read(path, dtype="float32", always_2d=True)[0][rate // 4 :]


def place_of(wanted: np.ndarray, heard: np.ndarray) -> int:
    """Frames of `heard` before `wanted` begins, by cross-correlation."""
    size = len(wanted) + len(heard)
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(wanted, size))
    return int(np.argmax(np.fft.irfft(product, size)[: len(heard)]))


@pytest.mark.parametrize(
    ("rate", "channels"), [pytest.param(48_000, 2, marks=pytest.mark.slow), (44_100, 2), (16_000, 1)]
)
def test_what_is_played_is_recorded_to_the_sample_at_the_devices_own_rate(pulse, tmp_path, rate, channels):
    pulse.speaker("desk", "Desk", rate, channels)
    path, wanted = recording(tmp_path, rate, channels)

    source = mic.open("desk.monitor")
    assert (source.rate, source.channels, source.live, source.name) == (rate, channels, True, "Monitor of Desk")
    blocks, player, left = [], None, rate // 2
    for block in source.blocks():
        blocks.append(block)
        player = player or pulse.play(path, "desk")  # once the first sound is there
        left -= len(block.frames) if player.poll() is not None else 0
        if left < 0:
            source.close()
    heard = np.concatenate([block.frames for block in blocks])
    first = place_of(wanted[:, 0], heard[:, 0])

    assert heard.dtype == np.float32
    np.testing.assert_allclose(heard[first : first + len(wanted)], wanted, atol=1.01 / 32768)
    assert not [block for block in blocks if block.lost or block.note]
    assert all(a.arrived <= b.arrived <= time.monotonic() for a, b in pairwise(blocks))
    assert max(len(block.frames) for block in blocks) <= rate // 10


def test_all_that_can_be_recorded_is_listed_with_its_own_rate_and_channels(pulse):
    pulse.speaker("desk", "Desk", 44_100, 1)
    pulse.tell("set-default-source", "desk.monitor")

    listed = sorted(mic.devices(), key=lambda device: device.id)

    assert listed == [
        mic.Device("desk.monitor", "Monitor of Desk", True, 44_100, 1, "pulseaudio"),
        mic.Device("room.monitor", "Monitor of Room", False, 48_000, 2, "pulseaudio"),
    ]


def test_without_a_name_it_is_the_default_microphone(pulse):
    pulse.speaker("desk", "Desk", 44_100)
    pulse.tell("set-default-source", "desk.monitor")

    source = mic.open()
    source.close()

    assert (source.name, source.rate) == ("Monitor of Desk", 44_100)


def test_a_microphone_is_chosen_by_id_number_name_or_a_part_that_no_other_has(pulse):
    pulse.speaker("desk", "Desk")
    numbers = [device.id for device in mic.devices()]

    for wanted in ("desk.monitor", str(numbers.index("desk.monitor")), "Monitor of Desk", "DESK"):
        source = mic.open(wanted)
        source.close()
        assert source.name == "Monitor of Desk", wanted


@pytest.mark.parametrize(
    ("wanted", "says"), [("monitor", "2 microphones are called 'monitor'"), ("head", "no microphone 'head'")]
)
def test_a_name_that_fits_none_or_several_is_refused_with_all_there_are(pulse, wanted, says):
    pulse.speaker("desk", "Desk")

    with pytest.raises(UsageError) as refused:
        mic.open(wanted)

    assert says in refused.value.message
    assert "Monitor of Room (room.monitor)" in refused.value.hint
    assert "Monitor of Desk (desk.monitor)" in refused.value.hint


def test_without_a_sound_server_there_is_no_microphone_and_no_endless_silence(monkeypatch, tmp_path):
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nobody")
    if mic.devices():
        pytest.skip("this machine has sound hardware of its own")

    with pytest.raises(UnavailableError, match="no microphone here") as refused:
        mic.open()

    assert refused.value.exit_code == 69


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a program as somebody else")
def test_a_sound_server_of_somebody_elses_is_permission_denied(pulse):
    folder = Path(pulse.address.removeprefix("unix:")).parent
    folder.chmod(0o755)

    done = as_nobody("mic.open()")

    assert "DeniedError: the sound server does not let this user in" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a program as somebody else")
def test_a_device_that_the_kernel_keeps_from_us_is_permission_denied():
    """Devices are files; those of the recording side are looked at."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        ask = f"print(denied.denied(Path({name!r})))"
        (Path(name) / "pcmC0D0p").touch(0o000)
        played = as_nobody(ask)
        (Path(name) / "pcmC0D0c").touch(0o000)
        recorded = as_nobody(ask)

    assert played.stdout == "None\n"
    assert recorded.stdout.startswith(f"permission denied opening {name}/pcmC0D0c; ")


def test_unplugged_for_good_it_is_said_and_then_a_failure_and_no_other_takes_its_place(pulse):
    module = pulse.speaker("desk", "Desk")
    source = mic.open("desk.monitor", SHORT)
    blocks = source.blocks()
    before = next(blocks)

    pulse.unplug(module)
    notes = []
    with pytest.raises(DiskError, match="Monitor of Desk gives nothing any more") as failed:  # noqa: PT012
        for block in blocks:
            assert not (notes and len(block.frames))  # of Room, say
            notes += [block.note] if block.note else []
    source.close()

    assert len(before.frames)
    assert notes == [mic.GONE]
    assert failed.value.exit_code == 74


def test_plugged_in_again_it_goes_on_and_the_gap_is_counted_by_the_clock(pulse):
    module = pulse.speaker("desk", "Desk", 44_100)
    source = mic.open("desk.monitor", Waits(first=5.0, silent=1.0, again=20.0, between=0.1))
    frames, lost, notes, first, last = 0, 0, [], None, None

    for n, block in enumerate(source.blocks()):
        if n == 20:
            pulse.unplug(module)
        if block.note == mic.GONE:
            pulse.speaker("desk", "Desk", 44_100)
        notes += [block.note] if block.note else []
        if len(block.frames):
            first = block.arrived - len(block.frames) / source.rate if first is None else first
            frames, lost, last = frames + len(block.frames), lost + block.lost, block.arrived
        if block.note == mic.BACK:
            source.close()

    assert notes == [mic.GONE, mic.BACK]
    assert lost > 44_100  # what it took to notice
    assert frames + lost == pytest.approx((last - first) * 44_100, abs=44_100 / 2)  # what the server had held back


@pytest.mark.slow
def test_a_sound_server_that_ends_and_starts_again_is_an_unplugged_microphone(pulse):
    source = mic.open(None, Waits(first=5.0, silent=1.0, again=20.0, between=0.1))
    notes = []

    for n, block in enumerate(source.blocks()):
        if n == 5:
            pulse.stop()
        notes += [block.note] if block.note else []
        if block.note == mic.GONE:
            pulse.start()
            pulse.speaker("room", "Room")
        if block.note == mic.BACK:
            source.close()

    assert notes == [mic.GONE, mic.BACK]


def test_what_nobody_takes_in_time_is_dropped_and_counted(pulse, monkeypatch):
    monkeypatch.setattr(recorder, "HELD", 0.5)
    source = mic.open("room.monitor")
    blocks = source.blocks()
    next(blocks)

    time.sleep(2)
    late = [next(blocks) for _ in range(50)]
    source.close()

    lost = [n for n, block in enumerate(late) if block.lost]
    held = sum(len(block.frames) for block in late[: lost[0]])
    assert held <= 0.5 * source.rate
    assert late[lost[0]].lost % (source.rate // 50) == 0  # counted, not estimated: pieces of 20 ms
    frames = sum(len(block.frames) + block.lost for block in late[: lost[0] + 1])
    assert frames == pytest.approx((late[lost[0]].arrived - late[0].arrived) * source.rate, abs=source.rate / 5)


def test_a_sound_server_that_hangs_is_said_and_holds_nobody_up(pulse, monkeypatch):
    before = set(threading.enumerate())
    monkeypatch.setattr(mic, "_HANGS", 0.5)
    monkeypatch.setattr(mic, "_LETS_GO", 0.2)
    source = mic.open("room.monitor", Waits(first=5.0, silent=0.5, again=1.0, between=0.1))
    blocks = source.blocks()
    next(blocks)

    pulse.send(signal.SIGSTOP)
    with pytest.raises(UnavailableError, match="does not answer"):
        mic.devices()
    with pytest.raises(DiskError):
        for _ in blocks:
            pass
    source.close()
    assert set(threading.enumerate()) - before  # it did not wait
    pulse.send(signal.SIGCONT)

    for thread in set(threading.enumerate()) - before:
        thread.join(20)
        assert not thread.is_alive()  # once it goes on, it is let go


@pytest.mark.slow
def test_a_program_that_was_stopped_goes_on_and_knows_what_it_missed(pulse):
    """As Ctrl-Z and fg do. The server keeps 2 s for it."""
    code = """if 1:
        import json
        from speechcli.media import mic
        source = mic.open("room.monitor", mic.Waits(first=5.0, silent=0.5, between=0.3))
        frames, lost, notes, first = 0, 0, [], None
        for n, block in enumerate(source.blocks()):
            first = block.arrived if n == 0 else first
            frames, lost = frames + len(block.frames) if n else 0, lost + block.lost
            notes += [block.note] if block.note else []
            if n == 10:
                print(flush=True)
            if frames + lost > 6 * source.rate:
                source.close()
        print(json.dumps([frames / source.rate, lost / source.rate, block.arrived - first, notes]))
    """
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout.readline()
        begin = time.monotonic()
        program.send_signal(signal.SIGSTOP)
        time.sleep(4)
        program.send_signal(signal.SIGCONT)
        stopped = time.monotonic() - begin
        sound, lost, clock, notes = json.loads(program.communicate(timeout=60)[0])

    assert notes == []
    assert 1.0 < lost < stopped - 1.0
    assert sound + lost == pytest.approx(clock, abs=0.3)


def test_closed_by_another_thread_it_ends_and_leaves_no_file_and_no_thread(pulse):
    def held() -> tuple[int, int]:
        gc.collect()
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    mic.open().close()  # what libraries keep from the first time on
    before = held()

    for _ in range(3):
        source = mic.open()
        closing = threading.Timer(0.3, source.close)
        closing.start()
        for block in source.blocks():
            assert not block.note
        closing.join()

    assert held() == before


def test_a_program_that_ends_without_closing_it_ends(pulse):
    code = "from speechcli.media import mic; blocks = mic.open().blocks(); print(len(next(blocks).frames))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)

    assert done.returncode == 0
    assert int(done.stdout) > 0


def test_an_alsa_device_is_opened_where_there_is_no_sound_server(tmp_path):
    """A device of ALSA's that reads a file, configured as a user would; in a process of its own."""
    samples = clip("LJ001-0001").samples[: 2 * RATE]
    (tmp_path / "said.raw").write_bytes(samples.astype("<f4").tobytes())
    (tmp_path / "alsa.conf").write_text(
        f"""pcm.tape {{
          type file
          slave.pcm "null"
          file "/dev/null"
          infile "{tmp_path}/said.raw"
          format "raw"
          hint {{ show on
                  description "Tape" }}
        }}
        pcm.null {{ type null }}
        """
    )
    code = """if 1:
        import json, sys
        import numpy as np
        from speechcli.media import mic
        (device,) = mic.devices()
        print(json.dumps([device.id, device.name, device.default, device.backend]), flush=True)
        source = mic.open()  # none is the default: the first one
        blocks = source.blocks()
        frames = [next(blocks).frames[:, 0] for _ in range(50)]
        source.close()
        sys.stdout.buffer.write(np.concatenate(frames).tobytes())
    """
    environment = {**os.environ, "ALSA_CONFIG_PATH": str(tmp_path / "alsa.conf"), "PULSE_SERVER": "unix:/nobody"}

    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    listed, _, sound = done.stdout.partition(b"\n")
    heard = np.frombuffer(sound, np.float32)
    first = place_of(samples[:16_000], heard)

    assert json.loads(listed) == ["tape", "Tape", False, "alsa"]
    assert np.array_equal(heard[first : first + 16_000], samples[:16_000])
    assert not np.any(heard[:first])
    assert done.stderr == b""
