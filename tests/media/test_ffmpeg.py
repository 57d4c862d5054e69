"""Finding an ffmpeg, and keeping it in hand."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from speechcli.errors import DeniedError, MediaError, NoInputError, UnavailableError
from speechcli.media.decode import Take, decode
from speechcli.media.ffmpeg import FORMATS, complaint, find, regular, version
from speechcli.media.probe import probe


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def alive(pid: int) -> bool:
    return any(one == pid for one, _ in running())


def running() -> list[tuple[int, int]]:
    """Processes that are not zombies, with their groups: our own grandchildren wait for pid 1 to reap them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, group = stat.read_text().rpartition(")")[2].split()[:3]
            if state != "Z":
                found.append((int(stat.parent.name), int(group)))
    return found


def gone(pid: int, within: float = 5.0) -> bool:
    """Whether a process and its group end in time."""
    until = time.monotonic() + within
    while any(pid in one for one in running()) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(pid in one for one in running())


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_the_wheels_ffmpeg_is_found_when_the_system_has_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find()
    assert version(found)


def test_a_program_that_prints_nothing_is_not_ffmpeg(tmp_path, monkeypatch):
    """The system's `ffmpeg` may be something else: the next candidate is taken; one that was named is refused."""
    fake = script(tmp_path / "ffmpeg", "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    assert find() != fake
    with pytest.raises(UnavailableError, match="is not an ffmpeg that runs"):
        find(str(fake))


def test_no_ffmpeg_at_all_is_exit_69_and_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "missing"))
    with pytest.raises(UnavailableError, match="ffmpeg not found; install it") as caught:
        find()
    assert caught.value.exit_code == 69
    assert "SPEECHCLI_FFMPEG" in caught.value.hint


def test_a_named_ffmpeg_that_is_missing_is_named_in_the_error():
    with pytest.raises(UnavailableError, match="/nowhere/ffmpeg is not an ffmpeg"):
        find("/nowhere/ffmpeg")


def test_no_demuxer_that_opens_other_files_is_allowed():
    never = {"hls", "dash", "concat", "concatf", "sdp", "rtsp", "rtp", "image2", "imf", "lavfi", "tty", "applehttp"}
    assert not never & set(FORMATS.split(","))


@linux
@pytest.mark.parametrize("body", ["sleep 1000", "yes >&2", "sleep 1000 & wait"])
def test_a_decoder_that_hangs_is_killed_with_all_it_started(body, tmp_path, ffmpeg, jfk):
    """Also one that floods stderr: a full pipe that nobody reads would stop both for ever."""
    fake = script(tmp_path / "fake", f"echo $$ > {tmp_path}/pid\n{body}")
    facts = probe(jfk, ffmpeg)
    began = time.monotonic()
    with pytest.raises(MediaError, match=r"jfk.flac: the decoder gave nothing for 0.5 s"):
        list(decode(jfk, facts, fake, Take(patience=0.5)))

    assert time.monotonic() - began < 4
    assert gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_is_told_with_its_signal(number, tmp_path, ffmpeg, jfk):
    """Even after some sound: half a transcript must not pass for the answer, the same command may do better."""
    fake = script(tmp_path / "fake", f"head -c 400000 /dev/zero\nkill -{int(number)} $$")
    with pytest.raises(MediaError, match=rf"jfk.flac: decoder crashed \(signal {int(number)}\)"):
        list(decode(jfk, probe(jfk, ffmpeg), fake))


def test_an_exit_status_with_half_the_sound_gives_that_half_and_says_so(tmp_path, ffmpeg, jfk):
    fake = script(tmp_path / "fake", "head -c 352000 /dev/zero\necho '[x @ 0x1] disk on \033[31mfire' >&2\nexit 1")
    with decode(jfk, probe(jfk, ffmpeg), fake) as blocks:
        seconds = sum(block.duration for block in blocks)

    assert seconds == pytest.approx(352000 / 4 / 16000 / probe(jfk, ffmpeg).tracks[0].channels)
    report = blocks.report()
    assert not report.complete
    assert any("announced (file cut short?)" in note for note in report.notes)
    assert any(note == "1 error while decoding (last: disk on fire)" for note in report.notes)


def test_an_exit_status_without_sound_is_an_error(tmp_path, ffmpeg, jfk):
    fake = script(tmp_path / "fake", "exit 1")
    with pytest.raises(MediaError, match=r"no sound could be decoded from jfk\.flac"):
        list(decode(jfk, probe(jfk, ffmpeg), fake))


def test_a_program_that_is_gone_is_unavailable(tmp_path, ffmpeg, jfk):
    with pytest.raises(UnavailableError, match="ffmpeg cannot be started"):
        list(decode(jfk, probe(jfk, ffmpeg), tmp_path / "gone"))


@linux
def test_a_hundred_decodes_leave_nothing_behind(ffmpeg, tone):
    """No descriptor, no process (a zombie would be a child still to be waited for), no thread."""
    path = tone("a.wav", 440, 0.1)
    facts = probe(path, ffmpeg)

    def state() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    list(decode(path, facts, ffmpeg))
    before = state()
    for n in range(100):
        with decode(path, facts, ffmpeg) as blocks:
            if n % 2:
                list(blocks)
            else:
                next(blocks)

    assert all(now <= then for now, then in zip(state(), before, strict=True))  # other tests' threads may end
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_stopping_early_raises_nothing_and_may_be_repeated(ffmpeg, tone):
    path = tone("a.flac", 440, 120)
    with decode(path, probe(path, ffmpeg), ffmpeg, Take(block=1600)) as blocks:
        assert len(next(blocks).samples) == 1600
        blocks.close()
        blocks.close()
    assert not blocks.report().complete
    assert list(blocks) == []


@linux
def test_the_decoder_dies_with_us(tmp_path, tone):
    """kill -9 of the reader: the child finds its pipe closed; and it is not in our group, so Ctrl-C spares it."""
    path = tone("long.flac", 440, 1200)
    program = f"""
import os, time
from pathlib import Path
from speechcli.media.decode import Take, decode
from speechcli.media.ffmpeg import find
from speechcli.media.probe import probe
path = Path({str(path)!r})
blocks = decode(path, probe(path, find()), find(), Take(block=1600))
next(blocks)
print(Path("/proc/self/task", str(os.getpid()), "children").read_text(), os.getpgid(0), flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        child, group = map(int, reader.stdout.readline().split())
        try:
            assert alive(child)
            assert os.getpgid(child) != group
        finally:
            reader.kill()
        assert gone(child)


def test_only_regular_files_are_opened(tmp_path):
    """A FIFO would hang ffmpeg for ever."""
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "round.wav").symlink_to("round.wav")
    for name, kind, words in [
        ("pipe.wav", MediaError, "not a regular file"),
        ("folder.wav", MediaError, "is a folder"),
        ("gone.wav", NoInputError, "is not there"),
        ("round.wav", NoInputError, "cannot be opened"),
        ("n" * 300, NoInputError, "cannot be opened"),
        ("nul\0.wav", NoInputError, "cannot be opened"),
    ]:
        with pytest.raises(kind, match=words):
            regular(tmp_path / name, name)
    with pytest.raises(MediaError, match="not a regular file"):
        regular(Path("/dev/zero"), "/dev/zero")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_exit_77(tmp_path, ffmpeg):
    path = tmp_path / "a.wav"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(DeniedError) as caught:
        probe(path, ffmpeg)
    assert caught.value.exit_code == 77


def test_a_complaint_has_no_addresses_and_no_control_characters():
    said = "[in#0 @ 0x5] bad \x1b[1;31mthing\x07 \x9b\n[in#0 @ 0x5] Error opening input: Invalid data\n"
    assert complaint(said) == "bad thing? ?"
    assert complaint("") == "no reason given"


def test_blocks_do_not_depend_on_how_the_pipe_is_cut(ffmpeg, jfk):
    """The same file gives the same samples, whatever the block size."""
    facts = probe(jfk, ffmpeg)
    whole = np.concatenate([b.samples for b in decode(jfk, facts, ffmpeg)])
    for block in (1000, 16_384, 131_072):
        parts = list(decode(jfk, facts, ffmpeg, Take(block=block)))
        assert {len(part.samples) for part in parts[:-1]} == {block}
        np.testing.assert_array_equal(np.concatenate([part.samples for part in parts]), whole)
