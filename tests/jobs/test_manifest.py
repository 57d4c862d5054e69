"""The manifest: what was made here, whatever happened to its end, to the outputs, or at the same time."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speechcli.errors import NoInputError, OutputError
from speechcli.jobs import manifest as manifests
from speechcli.jobs.job import Job, Question, Rendering
from speechcli.jobs.manifest import NAME, Entry, Manifest, Output
from speechcli.jobs.output import digest_of, write_atomically
from speechcli.jobs.plan import Do, Refuse, Render, Skip, decide
from speechcli.media.files import fingerprint

QUESTION = Question("whisper-tiny", "1")
RENDERING = Rendering(("json", "srt"))

pytestmark = pytest.mark.usefixtures("no_power_cuts")


def entry(i: int, **changed) -> Entry:
    outputs = {f"talk{i}.srt": Output("srt", f"d{i}", "r"), f"talk{i}.json": Output("json", f"j{i}", "s")}
    made = Entry(f"talk{i}.mp3", 1000 + i, 17 * i, f"blake2b:{i}", "q", outputs, "ok", 0, 12.5 * i, ("rttm",))
    return replace(made, **changed)


ENTRIES = [entry(0), entry(1, input="bad\udcff 世界\n.mp3"), entry(2, left_out=()), entry(3, outputs={})]


def fill(root: Path, entries=tuple(ENTRIES)) -> bytes:
    manifest = Manifest(root)
    for one in entries:
        manifest.add(one)
    return (root / NAME).read_bytes()


def test_what_was_recorded_comes_back_the_same(tmp_path):
    fill(tmp_path)

    loaded = manifests.load(tmp_path)

    assert list(loaded.entries.values()) == ENTRIES
    assert loaded.made["talk2.srt"] == {"d2": Output("srt", "d2", "r")}


def test_there_need_not_be_one(tmp_path):
    assert manifests.load(tmp_path) == Manifest(tmp_path)


def test_the_last_entry_of_a_recording_counts(tmp_path):
    fill(tmp_path, [entry(0), entry(0, question="other")])

    assert manifests.load(tmp_path).entries["talk0.mp3", "", ""].question == "other"


def test_torn_at_any_byte_no_whole_entry_is_lost_and_what_follows_is_kept(tmp_path):
    data = fill(tmp_path)
    ends = [i for i, byte in enumerate(data) if byte == ord("\n")]

    for size in range(len(data) + 1):
        (tmp_path / NAME).write_bytes(data[:size])
        whole = ENTRIES[: sum(end <= size for end in ends)]
        loaded = manifests.load(tmp_path)
        assert list(loaded.entries.values()) == whole, size

        loaded.add(entry(9))

        assert list(manifests.load(tmp_path).entries.values()) == [*whole, entry(9)]


GARBAGE = (
    b"\x00" * 512,
    b"\xff\xfe",
    b"[" * 100_000,
    b"{}",
    b"null\n7\n[]\n",
    b'{"announced":7}',
    b'{"announced":{"talk0.srt":7}}',
    b'{"announced":{"talk0.srt":{"format":"srt"}}}',
    b'{"input":"talk0.mp3"}',
    b'{"input":"talk0.mp3","outputs":[],"left_out":[]}',
    b'{"input":"talk0.mp3","outputs":{},"left_out":null}',
)


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda g: repr(g[:20]))
def test_garbage_is_no_entry(tmp_path, garbage):
    data = fill(tmp_path)
    first = data.index(b"\n") + 1
    (tmp_path / NAME).write_bytes(data[:first] + garbage + b"\n" + data[first:] + garbage)

    loaded = manifests.load(tmp_path)

    assert list(loaded.entries.values()) == ENTRIES
    assert loaded.made["talk0.srt"] == {"d0": Output("srt", "d0", "r")}


@given(st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_is_too_bad_to_go_on(tmp_path, data):
    (tmp_path / NAME).unlink(missing_ok=True)
    whole = fill(tmp_path)
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    (tmp_path / NAME).write_bytes(whole[:start] + data.draw(st.binary(max_size=40)) + whole[stop:])

    assert (
        list(manifests.load(tmp_path).entries.values())[: whole[:start].count(b"\n")]
        == (ENTRIES[: whole[:start].count(b"\n")])
    )


def test_what_others_add_is_taken_over_bit_by_bit(tmp_path):
    mine, others = Manifest(tmp_path), Manifest(tmp_path)
    others.add(entry(0))
    mine.refresh()
    assert list(mine.entries) == [("talk0.mp3", "", "")]
    mine.add(entry(1))
    others.add(entry(2))
    with (tmp_path / NAME).open("ab") as file:  # somebody is in the middle of a line
        file.write(b'{"announced":{"talk4.srt":{"format":"srt",')
        file.flush()
        mine.refresh()
        file.write(b'"digest":"d4","rendering":"r"}}}\n')
    assert list(mine.entries) == [(f"talk{i}.mp3", "", "") for i in range(3)]
    assert "talk4.srt" not in mine.made

    mine.refresh()
    assert mine.made["talk4.srt"] == {"d4": Output("srt", "d4", "r")}

    (tmp_path / NAME).unlink()
    others.add(entry(3))
    mine.refresh()
    assert mine.entries["talk3.mp3", "", ""] == entry(3), "a shorter file is read from its beginning"


WRITER = """
import sys
from pathlib import Path
from speechcli.jobs.manifest import Entry, Manifest, Output
who = sys.argv[2]
manifest = Manifest(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for i in range(150):
    output = Output("srt", "d" * (i * 37 % 5000), who)
    manifest.add(Entry(f"{who}{i}", i, i, "f", "q", {f"{who}{i}.srt": output}, "ok", 0, 1.0))
"""


def test_two_processes_write_whole_lines_and_lose_none(tmp_path):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), who], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for who in "ab"
    ]
    for writer in writers:
        assert writer.stdout.readline() == b"ready\n"
    for writer in writers:
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0

    lines = (tmp_path / NAME).read_bytes().splitlines()
    assert len(lines) == 300
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert set(manifests.load(tmp_path).entries) == {(f"{who}{i}", "", "") for who in "ab" for i in range(150)}


def test_the_nearest_manifest_answers_for_a_folder(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert manifests.nearest(tmp_path / "a" / "b") == tmp_path / "a" / "b"

    fill(tmp_path)

    assert manifests.nearest(tmp_path / "a" / "b") == tmp_path


# --- what is to be done, from what lies on disk ---


@pytest.fixture
def made(tmp_path) -> Job:
    """A recording that was transcribed to json and srt."""
    media = tmp_path / "talk.mp3"
    media.write_bytes(b"sound")
    outputs = tuple((name, tmp_path / f"talk.{name}") for name in ("json", "srt"))
    job = Job(media, "talk.mp3", "talk.mp3", QUESTION, outputs, tmp_path, tmp_path)
    record(job)
    return job


def record(job: Job, announced_only: bool = False, rendering: Rendering = RENDERING, text: str = "x") -> None:
    manifest = Manifest(job.root)
    written = {}
    for name, path in job.outputs:
        key = rendering.key(captions=name == "srt")

        def announce(digest, path=path, name=name, key=key):
            manifest.announce(path, Output(name, digest, key))

        written[path.name] = Output(name, write_atomically(path, [f"{name} {text}"], announce), key)
    stat = job.media.stat()
    if not announced_only:
        question = job.question.key()
        manifest.add(
            Entry(
                job.entry, stat.st_size, stat.st_mtime_ns, fingerprint(job.media), question, written, "ok", 0, 1.0, ()
            )
        )


def decided(job: Job, rendering: Rendering = RENDERING, **options):
    return decide(job, manifests.load(job.root), rendering, **options)


def test_what_is_done_is_left_alone(made):
    assert isinstance(decided(made), Skip)


def test_an_output_that_somebody_edited_is_noticed_and_left_alone(made):
    path = made.outputs[1][1]
    path.write_text(path.read_text() + "!")
    os.utime(path, ns=(1, 1))

    decision = decided(made)

    assert isinstance(decision, Refuse)
    assert isinstance(decision.error, OutputError)
    assert str(path) in decision.error.message
    assert isinstance(decided(made, overwrite=True), Do)


def test_a_file_that_was_never_ours_is_left_alone(made):
    (made.root / NAME).unlink()

    assert isinstance(decided(made), Refuse)


def test_a_folder_or_a_link_to_nowhere_under_the_name_is_left_alone(made):
    path = made.outputs[1][1]
    path.unlink()
    path.mkdir()
    assert "is a folder" in decided(made).error.message

    path.rmdir()
    path.symlink_to("nowhere")
    assert isinstance(decided(made), Refuse)


def test_an_output_that_is_gone_is_made_again_from_our_json_or_else_from_the_recording(made):
    made.outputs[1][1].unlink()
    decision = decided(made)
    assert isinstance(decision, Render)
    assert decision.document == made.outputs[0][1]

    made.outputs[0][1].unlink()
    assert decided(made) == Do(made, "an output is missing")


def test_another_question_or_recording_is_answered_anew(made):
    other = replace(made, question=replace(QUESTION, model="whisper-small"))
    assert decided(other) == Do(other, "model or options have changed")

    os.utime(made.media, ns=(1, 1))
    assert isinstance(decided(made), Skip), "another date, the same content"

    made.media.write_bytes(b"SOUND")
    assert decided(made) == Do(made, "the recording has changed")

    made.media.unlink()
    assert isinstance(decided(made).error, NoInputError)


def test_another_style_is_written_anew_without_a_model(made):
    styled = replace(RENDERING, style=replace(RENDERING.style, max_line_width=20))

    assert isinstance(decided(made, styled), Render)


def test_outputs_of_a_run_that_ended_before_it_recorded_them_are_known_for_ours(made):
    """A power cut between the renaming and the entry: the same command must go on."""
    (made.root / NAME).unlink()
    record(made, announced_only=True)

    assert decided(made) == Do(made, "new")


def test_outputs_replaced_by_a_run_that_ended_before_it_recorded_them_are_known_for_ours(made):
    other = replace(made, question=replace(QUESTION, model="whisper-small"))
    record(other, announced_only=True, text="y")

    assert decided(other) == Do(other, "model or options have changed")
    assert not isinstance(decided(made), Skip), "these are not the outputs of the entry"


def test_an_announced_output_that_never_came_does_not_make_the_old_one_foreign(made):
    manifest = Manifest(made.root)
    for name, path in made.outputs:
        manifest.announce(path, Output(name, "of a text that never got its name", "r"))

    assert isinstance(decided(made), Skip)


def test_outputs_that_another_process_made_since_the_manifest_was_read_are_no_strangers(made):
    (made.root / NAME).unlink()
    for _, path in made.outputs:
        path.unlink()
    early = manifests.load(made.root)
    record(made)

    assert isinstance(decide(made, early, RENDERING), Skip)


def test_the_same_bytes_are_announced_once(made):
    size = (made.root / NAME).stat().st_size
    manifest = manifests.load(made.root)
    for name, path in made.outputs:
        manifest.announce(path, Output(name, digest_of(path), RENDERING.key(name == "srt")))

    assert (made.root / NAME).stat().st_size == size
