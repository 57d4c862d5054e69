"""Which recordings are meant."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from speechcli.errors import MediaError, NoInputError
from speechcli.media.files import STDIN, Input, find_inputs, fingerprint
from speechcli.media.probe import probe
from speechcli.media.sources import is_stream


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plant(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(name.encode())


def names(*patterns: str, **how: bool) -> list[str]:
    return [str(one.path) for one in find_inputs(patterns, **how)]


def test_a_folder_is_walked_in_order_for_media_only(here):
    plant("d/b.WAV", "d/a.mp3", "d/x.txt", "d/x.srt", "d/x.json", "d/.hidden.wav", "d/.git/o.wav", "d/sub/c.opus")
    assert names("d") == ["d/a.mp3", "d/b.WAV", "d/sub/c.opus"]
    assert names("d", recursive=False) == ["d/a.mp3", "d/b.WAV"]
    assert find_inputs(["d"])[2] == Input(Path("d/sub/c.opus"), "d/sub/c.opus", Path("d"), explicit=False)


def test_what_is_named_is_taken_whatever_it_looks_like(here):
    plant("x.txt", ".hidden.opus")
    assert find_inputs(["x.txt"]) == [Input(Path("x.txt"), "x.txt")]
    assert names(".hidden.opus", "x.txt") == [".hidden.opus", "x.txt"]


def test_a_pattern_is_one_only_where_no_such_file_exists(here):
    plant("a[1].wav", "a1.wav", "sub/b1.wav")
    assert names("a[1].wav") == ["a[1].wav"]
    assert names("a[12].wav") == ["a1.wav"]
    assert names("**/*1.wav") == ["a1.wav", "sub/b1.wav"]


def test_stdin_is_a_dash_and_a_file_called_dash_is_not(here):
    plant("-")
    assert find_inputs(["-"]) == [Input(STDIN, "stdin")]
    assert names("./-") == [str(here / "-")]


def test_each_recording_comes_once(here):
    plant("d/a.wav", "d/b.wav")
    Path("d/link.wav").symlink_to("a.wav")
    assert names("d", "d/a.wav", "./d/b.wav", "d") == ["d/a.wav", "d/b.wav"]
    assert names("d/a.wav", "d/link.wav") == ["d/a.wav", "d/link.wav"]  # two names, both asked for


def test_links_lead_to_files_and_not_into_folders(here):
    plant("out/far.wav", "out/tree/t.wav", "d/a.wav")
    Path("d/far.wav").symlink_to("../out/far.wav")
    Path("d/loop").symlink_to(".")
    Path("d/tree").symlink_to("../out/tree")
    Path("d/round.wav").symlink_to("round.wav")
    Path("d/nowhere.wav").symlink_to("gone.wav")
    assert names("d") == ["d/a.wav", "d/far.wav"]


def test_pipes_and_sockets_in_a_folder_are_passed_by(here):
    plant("d/a.wav")
    os.mkfifo("d/pipe.wav")
    os.mknod("d/socket.wav", stat.S_IFSOCK)
    (here / "d" / "folder.wav").mkdir()
    assert names("d") == ["d/a.wav"]


def test_a_named_pipe_is_a_stream(here):
    os.mkfifo("pipe")
    plant("a.wav")
    assert [one.explicit for one in find_inputs(["pipe"])] == [True]
    assert is_stream(Path("pipe"))
    assert is_stream(Path("/dev/null"))
    assert not is_stream(Path("a.wav"))
    assert not is_stream(Path("gone"))


@pytest.mark.parametrize("patterns", [("gone.wav",), ("*.wav",), ("d",), ("gone", "d"), ()])
def test_nothing_at_all_is_exit_66_and_names_what_was_asked(patterns, here):
    (here / "d").mkdir()
    with pytest.raises(NoInputError) as caught:
        find_inputs(patterns)
    assert caught.value.exit_code == 66
    assert all(pattern in str(caught.value) for pattern in patterns)


def test_one_missing_among_others_is_told_when_its_turn_comes(here, ffmpeg):
    plant("a.wav")
    found = find_inputs(["a.wav", "gone.wav"])
    assert [one.name for one in found] == ["a.wav", "gone.wav"]
    with pytest.raises(NoInputError, match=r"gone.wav is not there"):
        probe(found[1].path, ffmpeg)


@pytest.mark.parametrize("name", [b"-a.wav", b"new\nline.wav", b"bad\xff.wav", b"sp ace.wav", b"x" * 251 + b".wav"])
def test_any_name_is_found(name, here):
    Path("d").mkdir()
    Path(os.fsdecode(b"d/" + name)).write_bytes(b"")
    assert names("d") == [os.fsdecode(b"d/" + name)]


def test_a_fingerprint_is_of_the_content(here):
    plant("a.wav")
    Path("copy.mp3").write_bytes(b"a.wav")
    Path("other").write_bytes(b"a.waw")
    assert fingerprint(Path("a.wav")) == fingerprint(Path("copy.mp3")) != fingerprint(Path("other"))
    kind, _, digits = fingerprint(Path("a.wav")).partition(":")
    assert (kind, len(digits)) == ("blake2b", 64)
    with pytest.raises(NoInputError):
        fingerprint(Path("gone"))
    with pytest.raises(MediaError):
        fingerprint(here)
