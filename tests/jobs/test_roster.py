"""A voice has one name in all recordings of a batch, whatever the order, and over runs, crashes and processes."""

import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from speechcli.backends.base import Diarized
from speechcli.core.transcript import Turn, Voice
from speechcli.errors import DataError, SpeechcliError
from speechcli.jobs import roster as rosters
from speechcli.jobs.job import Job, Question
from speechcli.jobs.roster import NAME, Enrolled, Roster, voices_file


class Prints:
    """A `VoicePrinter` that is never asked to listen: the prints are here already."""

    rate = 16_000
    alike = 0.5

    def __init__(self, name: str = "made") -> None:
        self.name = name

    def voice(self, audio, spans):
        raise AssertionError


def sound_of(person: int, unlike: float = 0.0, seed: int = 0) -> tuple[float, ...]:
    """A print of a person; `unlike` says how far from the person's usual one."""
    random = np.random.default_rng(seed)
    print_ = np.eye(32)[person] + unlike * random.normal(0, 32**-0.5, 32)
    return tuple((print_ / np.linalg.norm(print_)).tolist())


def voice(label: str, person: int, unlike: float = 0.3, seed: int = 0, seconds: float = 20.0) -> Voice:
    return Voice(label, seconds, sound_of(person, unlike, seed))


def linked(folder: Path, **more) -> Roster:
    return Roster(Prints(), file=folder / NAME, **more)


def people(folder: Path) -> list[dict]:
    return json.loads((folder / NAME).read_text())["speakers"]


def test_the_same_voice_has_the_same_name_in_the_next_recording(tmp_path):
    roster = linked(tmp_path)

    first = roster.names("a.wav", ["x", "y"], [voice("x", 1), voice("y", 2)])
    second = roster.names("b.wav", ["x", "y", "z"], [voice("x", 2, seed=1), voice("y", 3), voice("z", 1, seed=2)])

    assert first == {"x": "SPEAKER_00", "y": "SPEAKER_01"}
    assert second == {"x": "SPEAKER_01", "y": "SPEAKER_02", "z": "SPEAKER_00"}


def test_a_later_run_in_another_order_changes_no_name_of_an_earlier_recording(tmp_path):
    voices = {f"{i}.wav": [voice("x", i, seed=i), voice("y", i + 1, seed=i + 50)] for i in range(4)}
    before = {name: linked(tmp_path).names(name, ["x", "y"], heard) for name, heard in voices.items()}

    again = {name: linked(tmp_path).names(name, ["x", "y"], voices[name]) for name in sorted(voices, reverse=True)}
    linked(tmp_path).names("new.wav", ["x"], [voice("x", 9)])

    assert again == before
    assert len(people(tmp_path)) == 6


def test_a_recording_is_taken_in_once(tmp_path):
    heard = [voice("x", 1)]
    linked(tmp_path).names("a.wav", ["x"], heard)
    once = (tmp_path / NAME).read_bytes()
    written = os.stat(tmp_path / NAME).st_ino

    linked(tmp_path).names("a.wav", ["x"], heard)

    assert (tmp_path / NAME).read_bytes() == once
    assert os.stat(tmp_path / NAME).st_ino == written  # not even written anew


def test_two_voices_of_one_recording_never_get_one_name(tmp_path):
    roster = linked(tmp_path)
    roster.names("a.wav", ["x"], [voice("x", 1, 0.0)])

    second = roster.names("b.wav", ["near", "nearest"], [voice("near", 1, 0.6), voice("nearest", 1, 0.2)])

    assert second == {"nearest": "SPEAKER_00", "near": "SPEAKER_01"}


def test_a_known_voice_is_the_mean_of_what_was_heard_by_its_seconds(tmp_path):
    roster = linked(tmp_path)
    roster.names("a.wav", ["x"], [Voice("x", 30.0, (1.0, 0.0))])
    roster.names("b.wav", ["x"], [Voice("x", 10.0, (0.8, 0.6))])

    (one,) = people(tmp_path)

    assert (one["seconds"], one["recordings"]) == (40.0, ["a.wav", "b.wav"])
    assert one["print"] == pytest.approx([(30 + 8) / 40, 6 / 40])


def test_who_was_heard_too_little_for_a_print_gets_a_name_that_nobody_else_gets(tmp_path):
    roster = linked(tmp_path)

    first = roster.names("a.wav", ["x", "quiet"], [voice("x", 1)])
    second = roster.names("b.wav", ["quiet", "x"], [voice("x", 2)])

    assert first == {"x": "SPEAKER_00", "quiet": "SPEAKER_01"}
    assert second == {"quiet": "SPEAKER_02", "x": "SPEAKER_03"}
    assert linked(tmp_path).names("a.wav", ["x", "quiet"], [voice("x", 1)]) == first


def test_a_word_or_two_are_not_enough_to_know_somebody_by(tmp_path):
    roster = linked(tmp_path, enrolled=[Enrolled("Anna", 12.0, sound_of(5))])
    roster.names("a.wav", ["x"], [voice("x", 1)])

    called = roster.names("b.wav", ["x", "y"], [voice("x", 1, seconds=1.9), voice("y", 5, seconds=1.9)])

    assert called == {"x": "SPEAKER_01", "y": "SPEAKER_02"}
    assert [len(one["print"]) for one in people(tmp_path)] == [32, 0, 0]


def test_nobody_speaks_nothing_is_written(tmp_path):
    assert linked(tmp_path).names("a.wav", [], []) == {}
    assert not (tmp_path / NAME).exists() or not (tmp_path / NAME).read_bytes()


def test_the_enrolled_get_their_names_and_are_kept_nowhere(tmp_path):
    anna = Enrolled("Anna", 12.0, sound_of(1))
    roster = linked(tmp_path, enrolled=[anna, Enrolled("Bert", 9.0, sound_of(7))])

    called = roster.names("a.wav", ["x", "y"], [voice("x", 2), voice("y", 1)])

    assert called == {"x": "SPEAKER_00", "y": "Anna"}
    assert roster.missed == ("Bert",)
    assert "Anna" not in (tmp_path / NAME).read_text()
    assert [one["recordings"] for one in people(tmp_path)] == [["a.wav"]]


def test_without_linking_the_others_keep_the_recordings_labels_and_no_file_is_made(tmp_path):
    roster = Roster(Prints(), [Enrolled("Anna", 12.0, sound_of(1))])
    turns = tuple(Turn(i, i + 1, f"SPEAKER_{i:02d}") for i in range(3))
    job = Job(tmp_path / "a.wav", "a.wav", "a.wav", Question("m", "r"), (), tmp_path, None)

    made = roster(job, Diarized(turns, (voice("SPEAKER_00", 2), voice("SPEAKER_01", 1))))

    assert [t.speaker for t in made.turns] == ["SPEAKER_00", "Anna", "SPEAKER_02"]
    assert [v.speaker for v in made.voices] == ["SPEAKER_00", "Anna"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX's")
def test_only_its_owner_can_read_the_file(tmp_path):
    linked(tmp_path).names("a.wav", ["x"], [voice("x", 1)])

    assert os.stat(tmp_path / NAME).st_mode & 0o077 == 0


DAMAGE = {
    "torn": lambda text: text[: len(text) // 2],
    "foreign": lambda text: '{"voices": ["soprano", "alto"]}',
    "a list": lambda text: "[1, 2]",
    "no text": lambda text: "\x00\x01",
    "another name": lambda text: text.replace("SPEAKER_01", "SPEAKER_07"),
    "not finite": lambda text: text.replace('"seconds": 20.0', '"seconds": NaN'),
    "no numbers": lambda text: text.replace('"seconds": 20.0', '"seconds": "20"'),
    "another version": lambda text: text.replace('"speechcli_voices": 1', '"speechcli_voices": 99'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_cannot_be_gone_on_with_is_one_line_and_is_left_alone(tmp_path, damage):
    linked(tmp_path).names("a.wav", ["x", "y"], [voice("x", 1), voice("y", 2)])
    text = (tmp_path / NAME).read_text()
    damaged = DAMAGE[damage](text)
    assert damaged != text
    (tmp_path / NAME).write_text(damaged)

    with pytest.raises(DataError, match="delete it to begin anew") as caught:
        linked(tmp_path)

    assert NAME in caught.value.message
    assert "\n" not in str(caught.value)
    assert (tmp_path / NAME).read_text() == damaged


def test_prints_of_another_printer_are_not_compared(tmp_path):
    linked(tmp_path).names("a.wav", ["x"], [voice("x", 1)])

    with pytest.raises(DataError, match="holds prints by made, which cannot be compared with those by other"):
        Roster(Prints("other"), file=tmp_path / NAME)


def test_a_file_that_was_damaged_meanwhile_is_told_too(tmp_path):
    roster = linked(tmp_path)
    (tmp_path / NAME).write_text("[]")

    with pytest.raises(DataError, match="is damaged"):
        roster.names("a.wav", ["x"], [voice("x", 1)])


def test_a_crash_before_the_file_is_there_leaves_the_one_before(tmp_path, monkeypatch):
    linked(tmp_path).names("a.wav", ["x"], [voice("x", 1)])
    before = (tmp_path / NAME).read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(SpeechcliError, match="disk full"):
        linked(tmp_path).names("b.wav", ["x"], [voice("x", 2)])

    assert (tmp_path / NAME).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def _one_process(folder: str, number: int) -> None:
    for i in range(12):
        linked(Path(folder)).names(f"{number}-{i}.wav", ["x"], [voice("x", 12 * number + i, 0.0)])


@pytest.mark.skipif(os.name != "posix", reason="locks are POSIX's")
def test_processes_that_share_a_file_lose_nobody_and_give_no_number_twice(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_one_process, args=(str(tmp_path), number)) for number in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert [worker.exitcode for worker in workers] == [0, 0]
    assert [one["name"] for one in people(tmp_path)] == [f"SPEAKER_{i:02d}" for i in range(24)]
    assert sorted(r for one in people(tmp_path) for r in one["recordings"]) == sorted(
        f"{number}-{i}.wav" for number in (0, 1) for i in range(12)
    )


def test_the_file_lies_at_the_root_of_the_outputs_above_all_of_them(tmp_path):
    def job(root: str) -> Job:
        return Job(tmp_path / "a.wav", "a.wav", "a.wav", Question("m", "r"), (), tmp_path / root, None)

    assert voices_file([job("out"), job("out")]) == tmp_path / "out" / NAME
    assert voices_file([job("out/one"), job("out/two")]) == tmp_path / "out" / NAME


def test_recordings_of_several_roots_are_told_apart(tmp_path):
    roster = linked(tmp_path)
    turns = (Turn(0.0, 9.0, "SPEAKER_00"),)
    for root in ("one", "two"):
        job = Job(tmp_path / root / "a.wav", "a.wav", "a.wav", Question("m", "r"), (), tmp_path / root, None)
        roster(job, Diarized(turns, (voice("SPEAKER_00", 1),)))

    assert people(tmp_path)[0]["recordings"] == ["one/a.wav", "two/a.wav"]


def test_what_the_file_is_stands_in_it(tmp_path):
    linked(tmp_path).names("a.wav", ["x"], [voice("x", 1)])

    document = json.loads((tmp_path / NAME).read_text())

    assert document["speechcli_voices"] == rosters._VERSION
    assert "biometric" in document["note"]
    assert document["printer"] == "made"
