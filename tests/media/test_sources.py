"""Sound that is no file yet."""

from __future__ import annotations

import base64
import io
import os
import tempfile
import threading
from pathlib import Path

import pytest

from speechcli.errors import DiskError, MediaError, NoInputError
from speechcli.media.sources import on_disk, spool


@pytest.fixture
def empty_tmp(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_an_mp4_through_a_pipe_is_heard_and_the_copy_is_gone(make, hear, jfk, empty_tmp):
    """Its index is at the end: ffmpeg cannot read it from the pipe itself."""
    film = make("a.mp4", "-t", "1", "-i", jfk)
    pipe = empty_tmp.parent / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(film.read_bytes()))
    writer.start()
    with spool(pipe) as path:
        assert hear(path).report.duration == pytest.approx(1, abs=0.1)
        assert path.is_relative_to(empty_tmp)
    writer.join()
    assert list(empty_tmp.iterdir()) == []


def test_the_copy_is_gone_after_an_error_too(empty_tmp):
    def fail() -> None:
        with spool(io.BytesIO(b"x")):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(empty_tmp.iterdir()) == []


def test_more_than_the_cap_is_refused_while_it_comes(empty_tmp):
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer) -> int:
            buffer[:] = bytes(len(buffer))
            return len(buffer)

    with pytest.raises(MediaError, match=r"stdin is more than 0.00390625 GiB"), spool(Endless(), cap=4 << 20):
        pass
    assert list(empty_tmp.iterdir()) == []


def test_an_empty_stdin_says_so(empty_tmp):
    with pytest.raises(MediaError, match="stdin is empty"), spool(io.BytesIO(b"")):
        pass


def test_a_missing_pipe_is_exit_66(empty_tmp):
    with pytest.raises(NoInputError), spool(empty_tmp / "gone", "gone"):
        pass


def test_no_room_names_tmpdir(monkeypatch):
    """C8: only when there is something to spool."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    assert on_disk(Path("a.wav"), Path("/nowhere")) == Path("a.wav")
    with pytest.raises(DiskError, match=r"/nowhere/at/all .*set TMPDIR") as caught, spool(io.BytesIO(b"x")):
        pass
    assert caught.value.exit_code == 74


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_names_tmpdir(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "mkstemp", lambda **_: (os.open("/dev/full", os.O_WRONLY), "/dev/full"))
    with pytest.raises(DiskError, match=r"No space left on device.*set TMPDIR"), spool(io.BytesIO(bytes(1 << 22))):
        pass


@pytest.mark.parametrize("kind", ["str", "path", "bytes", "file", "data URL"])
def test_everything_the_api_takes_becomes_a_file(kind, tmp_path, jfk, hear):
    data = jfk.read_bytes()
    sound = {
        "str": str(jfk),
        "path": jfk,
        "bytes": data,
        "file": io.BytesIO(data),
        "data URL": "data:audio/flac;base64," + base64.encodebytes(data).decode(),
    }[kind]
    path = on_disk(sound, tmp_path)
    assert path.read_bytes() == data


@pytest.mark.parametrize("url", ["data:audio/wav,abc", "data:audio/wav;base64,$$$", "data:", "data:;base64,\u00e9"])
def test_a_data_url_that_is_not_base64_is_refused(url, tmp_path):
    with pytest.raises(MediaError, match="not base64"):
        on_disk(url, tmp_path)
    assert list(tmp_path.iterdir()) == []
