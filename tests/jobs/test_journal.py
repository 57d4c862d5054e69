"""The journal of a recording in work: what is in it comes back, whatever happened to its end."""

import json
import os
import socket
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speechcli.backends.base import Hints
from speechcli.core.span import Span
from speechcli.core.transcript import Dropped, Heard, Segment, Turn, Word
from speechcli.errors import BusyError, DiskError
from speechcli.jobs import journal as journals
from speechcli.jobs.job import Job, Question
from speechcli.jobs.journal import Journal
from speechcli.timeline.windows import Rules, Window

KEY = "0123456789abcdef"

pytestmark = pytest.mark.usefixtures("no_power_cuts")


def window(i: int, part: tuple[int, ...] = ()) -> Window:
    return Window((i, *part), Span(10.0 * i, 10.0 * i + 10), Span(10.0 * i + 0.1, 10.0 * i + 9.7), ())


def words(*texts: str) -> Heard:
    row = tuple(Word(i / 3, i / 3 + 0.1, f" {text}", 0.1 + i / 7) for i, text in enumerate(texts))
    return Heard((Segment(row[0].start, row[-1].end, " ".join(texts), row, None, "en", -1 / 3),), language="en")


WHOLE = (
    words("so", "it", "begins"),
    Heard(),
    Heard(
        (Segment(1 / 3, 2.0, "世界 \u2028 \x1b[31m", (), "A", "zh"),),
        (Turn(0.1, 2.0, "A"), Turn(0.3, 0.7, "B")),
        "zh",
        (Dropped(1.0, 2.0, "Thank you.", "no speech was heard there"),),
        loops=3,
    ),
    words("the", "end"),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".talk.srt.journal"


def fill(path, answers=WHOLE, key=KEY) -> bytes:
    with Journal(path) as journal:
        assert journal.begin(key) == 0
        for i, heard in enumerate(answers):
            journal.add(window(i), heard)
    return path.read_bytes()


def known(path, n=4, key=KEY, resume=True) -> list[Heard | None]:
    with Journal(path, resume) as journal:
        journal.begin(key)
        return [journal.known(window(i)) for i in range(n)]


def test_what_was_written_comes_back_the_same(path):
    fill(path)

    assert known(path) == list(WHOLE)


numbers = st.floats(0, 1e5, allow_nan=False)
spans = st.tuples(numbers, numbers).map(sorted)
texts = st.text(min_size=1).map(str.strip).filter(bool)
words_of_any_kind = st.builds(
    lambda span, text, confidence, speaker: Word(*span, f" {text}", confidence, speaker, "interpolated"),
    spans,
    texts,
    st.none() | st.floats(0, 1),
    st.none() | st.text(),
)
segments = st.builds(
    lambda row, language: Segment(0.0, 1e5, "".join(w.text for w in row).strip(), tuple(row), None, language, None),
    st.lists(words_of_any_kind, min_size=1, max_size=4),
    st.none() | st.sampled_from(["en", "zh"]),
)
answers = st.builds(
    lambda parts, turns, dropped, loops: Heard(tuple(parts), tuple(turns), None, tuple(dropped), loops),
    st.lists(segments, max_size=3),
    st.lists(st.builds(lambda span, who: Turn(*span, who), spans, st.text()), max_size=2),
    st.lists(st.builds(lambda span, text: Dropped(*span, text, "why"), spans, st.text()), max_size=2),
    st.integers(0, 9),
)


@given(st.lists(answers, max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_answer_comes_back_the_same(path, answers):
    path.unlink(missing_ok=True)
    fill(path, answers)

    assert known(path, len(answers)) == answers


def test_torn_at_any_byte_no_whole_window_is_lost_and_what_follows_is_kept(path):
    data = fill(path)
    ends = [i for i, byte in enumerate(data) if byte == ord("\n")]  # a line without its newline is whole

    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        n_whole = sum(end <= size for end in ends) - 1
        expected = [*WHOLE[: max(0, n_whole)], *[None] * (len(WHOLE) - max(0, n_whole))]
        with Journal(path) as journal:
            assert journal.begin(KEY) == max(0, n_whole), size
            assert [journal.known(window(i)) for i in range(len(WHOLE))] == expected
            journal.add(window(9), WHOLE[0])

        with Journal(path) as journal:
            journal.begin(KEY)
            assert [journal.known(window(i)) for i in range(len(WHOLE))] == expected, "the torn line did no more harm"
            assert journal.known(window(9)) == WHOLE[0], "nothing is appended to a torn line"


GARBAGE = (
    b"\x00" * 512,
    b"\xff\xfe\x80",
    b"[" * 100_000,
    b"{}",
    b"null\n7\n[]\n",
    b"9" * 5000,
    b'{"window":"9","at":[0,1],"heard":{}}\n',
    b'{"window":["9"],"at":[0,1],"heard":null}\n',
    b'{"window":"9","at":0,"heard":[]}\n',
    b'{"window":"9","at":[0,1],"heard":{"segments":[1],"turns":[],"language":null,"dropped":[],"loops":0}}\n',
    b'{"window":"9","at":[0,1],"heard":{"segments":[{"words":[{"start":"a"}]}],"turns":[],"dropped":[]}}\n',
)


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda g: repr(g[:20]))
def test_garbage_at_the_end_or_in_between_is_no_window(path, garbage):
    data = fill(path)
    for place in (len(data), data.index(b"\n", data.index(b"\n") + 1) + 1):
        path.write_bytes(data[:place] + garbage + (b"\n" + data[place:] if place < len(data) else b""))

        assert known(path) == list(WHOLE)


@given(st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_is_too_bad_to_go_on(path, data):
    path.unlink(missing_ok=True)
    whole = fill(path)
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    path.write_bytes(whole[:start] + data.draw(st.binary(max_size=40)) + whole[stop:])
    n_before = max(0, whole[:start].count(b"\n") - 1)

    assert known(path)[:n_before] == list(WHOLE[:n_before])


@pytest.mark.parametrize("other", ["another recording or model", ""])
def test_a_journal_of_another_question_is_not_used_and_is_written_anew(path, other):
    fill(path)

    assert known(path, key=other) == [None] * len(WHOLE)
    assert len(path.read_bytes().splitlines()) == 1
    assert known(path) == [None] * len(WHOLE)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "whisper-small"},
        {"revision": "2"},
        {"dtype": "float32"},
        {"settings": (("beam_size", "1"),)},
        {"hints": Hints(languages=("de",))},
        {"hints": Hints(hotwords=("Dickens",))},
        {"rules": Rules(longest=20.0)},
        {"judged": False},
        {"track": 1},
        {"channel": 0},
        {"clips": (Span(0.0, 1.0),)},
    ],
    ids=str,
)
def test_whatever_may_change_the_answer_changes_the_key(tmp_path, change):
    def key(question, media="blake2b:1"):
        return Job(tmp_path, "", "", question, (), tmp_path, None).key(media)

    assert key(Question("whisper-tiny", "1")) == key(Question("whisper-tiny", "1"))
    assert key(Question("whisper-tiny", "1")) != key(Question("whisper-tiny", "1"), "blake2b:2")
    assert key(Question("whisper-tiny", "1")) != key(Question(**{"model": "whisper-tiny", "revision": "1", **change}))


def test_without_resume_nothing_is_taken_over(path):
    fill(path)

    assert known(path, resume=False) == [None] * len(WHOLE)


def test_an_answer_to_another_stretch_is_not_used(path):
    fill(path)
    with Journal(path) as journal:
        journal.begin(KEY)
        moved = Window((0,), Span(0.0, 10.0), Span(0.1, 9.6), ())

        assert journal.known(moved) is None
        assert journal.known(window(0, (1,))) is None
        assert journal.known(window(0)) == WHOLE[0]


def test_a_second_process_is_told_who_is_at_it(path):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from speechcli.jobs.journal import Journal\n"
            "with Journal(Path(sys.argv[1])) as j: j.begin('k'); print('held', flush=True); sys.stdin.read()",
            str(path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(BusyError) as caught:
            Journal(path)
        assert caught.value.message == f"talk.srt is being made by process {holder.pid} on {socket.gethostname()}"
        journals.discard(path)
        assert path.exists(), "nobody takes it away from him"
        holder.kill()

    with Journal(path) as journal:  # the kernel frees the lock of whoever was killed
        assert journal.begin("k") == 0


def test_who_takes_a_journal_over_is_named_and_not_who_left_it(path):
    fill(path)
    text = path.read_text()
    path.write_text(text.replace(f'"pid":{os.getpid()}', '"pid":1'))

    with Journal(path) as journal:
        assert journal.begin(KEY) == len(WHOLE)
        with pytest.raises(BusyError, match=f"by process {os.getpid()} on"):
            Journal(path)


def test_an_empty_journal_is_not_left_behind_and_one_with_windows_is(path):
    with Journal(path):
        assert path.exists()
    assert not path.exists()

    fill(path)
    assert path.exists()

    with Journal(path) as journal:
        journal.begin(KEY)
        journal.finish()
    assert not path.exists()


def test_a_journal_of_a_finished_recording_is_discarded(path):
    journals.discard(path)  # there is none
    fill(path)

    journals.discard(path)

    assert not path.exists()


def test_a_journal_that_is_removed_while_we_wait_for_its_lock_is_opened_anew(path, monkeypatch):
    """Between our opening and our locking its owner finished and removed it: our lock would be on nothing."""
    fill(path)
    opened = []
    real = os.open

    def late(name, *args, **named):
        handle = real(name, *args, **named)
        if os.fspath(name) == os.fspath(path) and not opened:
            path.unlink()
        opened.append(name)
        return handle

    monkeypatch.setattr(os, "open", late)

    with Journal(path) as journal:
        assert journal.begin(KEY) == 0
        assert os.path.samestat(os.fstat(journal._handle), path.stat())


def test_each_window_is_on_disk_when_add_returns(path):
    with Journal(path) as journal:
        journal.begin(KEY)
        for i, heard in enumerate(WHOLE):
            journal.add(window(i), heard)
            last = json.loads(path.read_bytes().splitlines()[-1])
            assert last["window"] == str(i)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_said_to_be_full():
    from speechcli.jobs import lines

    handle = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(DiskError, match="disk full writing talk"):
            lines.append(handle, {"a": 1}, "talk")
    finally:
        os.close(handle)


def test_names_of_any_length_have_a_journal_and_different_ones(tmp_path):
    names = ["x" * 251, "x" * 250 + "y", "é" * 120, "bad\udcff", "short"]
    jobs = [Job(tmp_path, "", "", Question("m", "1"), (("srt", tmp_path / n),), tmp_path, tmp_path) for n in names]

    for job in jobs:
        fill(job.journal)

    assert len({job.journal for job in jobs}) == len(list(tmp_path.iterdir())) == len(names)
