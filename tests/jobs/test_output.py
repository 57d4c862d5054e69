"""Files that have their final name only when they are whole."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from speechcli.errors import DeniedError, OutputError
from speechcli.jobs import lines, locks
from speechcli.jobs.output import PART, check_folder, digest_of, sweep, write_atomically


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_text_is_written_as_utf8_and_its_digest_is_given(tmp_path):
    path = tmp_path / "talk.srt"

    digest = write_atomically(path, ["Grüße, ", "世界\n", "\udcff"])  # half a character: no UTF-8 can say it

    assert path.read_bytes() == "Grüße, 世界\n?".encode()
    assert digest == hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() == digest_of(path)
    assert names(tmp_path) == ["talk.srt"]


def test_missing_folders_are_made(tmp_path):
    write_atomically(tmp_path / "a" / "b" / "talk.srt", ["x"])

    assert (tmp_path / "a" / "b" / "talk.srt").read_text() == "x"


@pytest.mark.parametrize("there", [None, "what stood here"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_writer_that_fails_half_way_leaves_what_was_there_and_nothing_else(tmp_path, there, error):
    path = tmp_path / "talk.srt"
    if there is not None:
        path.write_text(there)

    def pieces():
        yield "x" * 100_000
        raise error

    with pytest.raises(error):
        write_atomically(path, pieces())

    assert names(tmp_path) == ([] if there is None else ["talk.srt"])
    assert there is None or path.read_text() == there


def test_the_name_is_given_when_all_is_written_and_announced(tmp_path):
    path = tmp_path / "talk.srt"
    path.write_text("old")
    seen = []

    def pieces():
        yield "new "
        seen.append(path.read_text())
        yield "text"

    digest = write_atomically(path, pieces(), lambda d: seen.extend([d, path.read_text()]))

    assert seen == ["old", digest, "old"]
    assert path.read_text() == "new text"


def test_an_announcement_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "talk.srt"
    path.write_text("old")

    with pytest.raises(ZeroDivisionError):
        write_atomically(path, ["new"], lambda digest: 1 / 0)

    assert names(tmp_path) == ["talk.srt"]
    assert path.read_text() == "old"


def test_a_power_cut_finds_the_old_file_or_the_new_one_and_lines_that_are_whole(tmp_path, monkeypatch):
    """What is synced, in which order: the bytes before they get their name, and the name."""
    done = []

    def told(name):
        real = getattr(os, name)

        def call(subject, *args):
            done.append(
                (name, os.path.basename(os.readlink(f"/proc/self/fd/{subject}") if name != "replace" else args[0]))
            )
            return real(subject, *args)

        return call

    monkeypatch.setattr(os, "fsync", told("fsync"))
    monkeypatch.setattr(os, "replace", told("replace"))

    write_atomically(tmp_path / "talk.srt", ["x"], lambda digest: done.append(("announce", "")))
    with (tmp_path / "lines").open("ab+") as file:
        lines.append(file.fileno(), {"a": 1}, "lines")

    assert done[0][0] == "fsync"
    assert done[0][1].startswith(PART)
    assert done[1:] == [("announce", ""), ("replace", "talk.srt"), ("fsync", tmp_path.name), ("fsync", "lines")]


def test_the_mode_is_that_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "talk.srt", ["x"])
    finally:
        os.umask(before)

    assert (tmp_path / "talk.srt").stat().st_mode & 0o777 == 0o640


def test_the_longest_name_there_is_can_be_written(tmp_path):
    path = tmp_path / ("é" * 125 + ".srt")
    assert len(os.fsencode(path.name)) == 254

    write_atomically(path, ["x"])

    assert names(tmp_path) == [path.name]


def test_a_name_too_long_is_said_to_be(tmp_path):
    with pytest.raises(OutputError, match="File name too long"):
        write_atomically(tmp_path / ("x" * 252 + ".srt"), ["x"])

    assert names(tmp_path) == []


def test_a_link_is_followed_and_stays_a_link(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "real.srt"
    target.write_text("old")
    link = tmp_path / "talk.srt"
    link.symlink_to(target)

    write_atomically(link, ["new"])

    assert link.is_symlink()
    assert target.read_text() == "new"
    assert names(tmp_path / "elsewhere") == ["real.srt"]


def test_a_folder_under_the_name_is_not_replaced(tmp_path):
    (tmp_path / "talk.srt").mkdir()

    with pytest.raises(OutputError):
        write_atomically(tmp_path / "talk.srt", ["x"])

    assert names(tmp_path) == ["talk.srt"]


def test_below_a_file_nothing_can_be_made(tmp_path):
    (tmp_path / "file").write_text("x")

    with pytest.raises(OutputError, match="File exists writing"):
        write_atomically(tmp_path / "file" / "talk.srt", ["x"])
    with pytest.raises(OutputError, match="cannot write into"):
        check_folder(tmp_path / "file" / "texts")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(DeniedError, match=r"talk\.srt"):
            write_atomically(tmp_path / "talk.srt", ["x"])
        with pytest.raises(OutputError, match="cannot write into"):
            check_folder(tmp_path)
    finally:
        tmp_path.chmod(0o755)


def test_checking_a_folder_makes_it_and_leaves_it_empty(tmp_path):
    check_folder(tmp_path / "a" / "b")

    assert names(tmp_path / "a" / "b") == []


def test_what_cannot_be_read_has_no_digest(tmp_path):
    assert digest_of(tmp_path) is None
    assert digest_of(tmp_path / "nowhere") is None


WRITER = """
import sys
from pathlib import Path
from speechcli.jobs.output import write_atomically

def pieces():
    yield "half"
    print("writing", flush=True)
    sys.stdin.read()
    yield " and half"

write_atomically(Path(sys.argv[1]), pieces())
"""


@pytest.fixture
def writer(tmp_path):
    """A process in the middle of writing talk.srt."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "talk.srt")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"writing\n"
        yield process
        process.kill()


def test_what_a_killed_process_left_is_swept_away(tmp_path, writer):
    writer.kill()
    writer.wait()
    assert len(names(tmp_path)) == 1, "nothing stands under the name, and something is left"

    sweep(tmp_path)

    assert names(tmp_path) == []


def test_what_a_process_is_writing_is_not_swept_away(tmp_path, writer):
    sweep(tmp_path)
    writer.stdin.close()

    assert writer.wait() == 0
    assert names(tmp_path) == ["talk.srt"]
    assert (tmp_path / "talk.srt").read_text() == "half and half"


def test_sweeping_spares_all_other_files_and_does_not_mind_missing_folders(tmp_path):
    (tmp_path / "talk.srt").write_text("x")
    (tmp_path / f"my{PART}").write_text("x")
    (tmp_path / f"{PART}folder").mkdir()
    os.mkfifo(tmp_path / f"{PART}pipe")
    before = names(tmp_path)

    sweep(tmp_path)
    sweep(tmp_path / "nowhere")

    assert names(tmp_path) == before


def test_a_temporary_that_is_swept_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    """The sweeper comes between the making of the file and its lock."""
    made = []
    opened = os.open

    def overtaken(path, flags, *args, **settings):
        handle = opened(path, flags, *args, **settings)
        if flags & os.O_EXCL:
            if not made:
                sweep(tmp_path)
            made.append(os.path.exists(path))
        return handle

    monkeypatch.setattr(os, "open", overtaken)

    write_atomically(tmp_path / "talk.srt", ["x"])

    assert made == [False, True]
    assert names(tmp_path) == ["talk.srt"]


def test_a_lock_is_one_process_s_and_freed_when_the_file_is_closed(tmp_path):
    path = tmp_path / "file"
    first, second = (os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(2))
    try:
        assert locks.lock(first)
        assert not locks.lock(second)
        os.close(first)
        assert locks.lock(second)
        assert locks.names(path, second)
        path.unlink()
        assert not locks.names(path, second)
    finally:
        os.close(second)
