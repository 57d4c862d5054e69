"""`bench --quick`: every model of the catalogue, and what is measured of those that are here."""

from __future__ import annotations

from pathlib import Path

import parrot
import pytest

from speechcli.api import Diarization, Options
from speechcli.backends import catalog
from speechcli.bench import measure, quick
from speechcli.bench.measure import Conditions, Event, Measured, Subject
from speechcli.bench.quick import Room, Row
from speechcli.bench.result import System
from speechcli.errors import UnavailableError
from speechcli.media.files import Input
from speechcli.scoring import score

GB = 10**9
ROOM = Room("host memory", 24 * GB, False)
FEATHERS = Conditions(program=parrot.PROGRAM)


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """The embedded model, on the sample and on twice the sample."""
    subjects = quick.subjects(Options(device="cpu"), ["embedded"])
    return list(quick.measured(subjects, tmp_path_factory.mktemp("quick"), times=2))


def rows(events: list[Event], room: Room = ROOM, model_dir: Path | None = None) -> dict[str, Row]:
    return {row.model: row for row in quick.quick(events, Options(device="cpu", model_dir=model_dir), room).rows}


def test_what_is_here_is_measured_on_the_longest_sound(events):
    heard = [event for event in events if isinstance(event, Measured)]
    row = rows(events)[catalog.EMBEDDED]

    assert [one.error for one in heard] == ["", ""]
    assert heard[1].duration == pytest.approx(2 * heard[0].duration, abs=0.1)
    assert row.sound == heard[1].duration
    assert row.speed == pytest.approx(heard[1].duration / heard[1].seconds)
    assert row.hour == pytest.approx(3600 / row.speed)
    assert (row.known, row.fits, row.here) == ("measured", True, True)
    assert row.needs == heard[1].system.memory
    assert row.load > 0


def test_the_sample_and_its_words_belong_together(events):
    heard = [event for event in events if isinstance(event, Measured)]
    references = quick.references(heard[1].recording.path.parent, times=2)
    for times, one in enumerate(heard, 1):
        run, notes = measure.run_of(one, references[one.recording.path], ("wer",), score.Options())

        assert run.scores["wer"].value < 0.15
        assert run.scores["wer"].length == pytest.approx(times * 120, abs=times * 10)
        assert notes == ()


def test_every_model_has_its_row_and_the_measured_ones_come_first(events):
    found = quick.quick(events, Options(device="cpu"), ROOM).rows

    assert {row.model for row in found} == set(catalog.names())
    assert found[0].model == catalog.EMBEDDED
    assert [row.speed for row in found[1:]] == [None] * (len(found) - 1)


def test_what_is_not_here_has_no_speed_and_says_how_to_get_it(tmp_path):
    row = rows([], model_dir=tmp_path)["whisper-large-v3"]

    assert (row.here, row.speed, row.hour) == (False, None, None)
    assert row.advice == "speechcli models pull whisper-large-v3"
    assert row.known == "estimated"


def test_whether_a_model_fits_depends_on_what_is_free(tmp_path):
    small, large = (rows([], Room("host memory", n * GB, False), tmp_path) for n in (1, 200))

    assert (small["vibevoice"].fits, large["vibevoice"].fits) == (False, True)
    assert (small["whisper-tiny"].fits, large["whisper-tiny"].fits) == (True, True)
    assert small["whisper-large-v3"].fits is False


def test_weights_alone_are_no_proof_that_a_model_fits(tmp_path):
    small, large = (rows([], Room("host memory", n * GB, False), tmp_path)["parakeet-ctc-1.1b"] for n in (1, 200))

    assert (small.known, small.fits, large.fits) == ("at least", False, None)


def test_what_times_words_or_tells_speakers_is_told_apart(tmp_path):
    found = rows([], model_dir=tmp_path)

    assert found["qwen3-aligner"].role == "times words"
    assert found["pyannote"].role == "tells speakers"
    assert (found["pyannote"].needs, found["pyannote"].fits) == (None, None)


def test_a_model_that_did_not_run_says_why():
    events = [measure.Over(System(catalog.EMBEDDED, (), error="its process was killed"))]

    row = rows(events)[catalog.EMBEDDED]

    assert (row.error, row.speed) == ("its process was killed", None)
    assert row.known == "estimated"


def test_a_model_of_the_users_own_has_a_row_too():
    system = System("/models/mine", (), memory=GB)
    heard = Measured(system, Input(quick.SAMPLE, "sample"), 40.0, 4.0, 4.0, 1.0)

    row = rows([heard])["/models/mine"]

    assert (row.speed, row.hour, row.needs) == (10.0, 360.0, GB)


@pytest.mark.parametrize(
    ("patience", "heard"), [(60.0, ["two_cities.mp3", "two_cities x 2"]), (1.0, ["two_cities.mp3"])]
)
def test_a_slow_model_is_not_asked_for_the_long_sound(tmp_path, monkeypatch, patience, heard):
    monkeypatch.setattr(quick, "PATIENCE", patience)

    told = list(quick.measured([Subject("parrot", Options())], tmp_path, FEATHERS, times=2))

    assert [event.recording.name for event in told if isinstance(event, Measured)] == heard


def test_what_is_here_is_what_is_measured(tmp_path):
    found = {subject.name: subject.options for subject in quick.subjects(Options(model_dir=tmp_path))}

    assert isinstance(found[catalog.EMBEDDED], Options)
    assert catalog.EMBEDDED_ALIGNER not in found
    assert "whisper-large-v3" not in found
    assert all(isinstance(o, Diarization) for name, o in found.items() if name == catalog.EMBEDDED_DIARIZER)


def test_a_named_model_that_is_not_here_is_told(tmp_path):
    with pytest.raises(UnavailableError, match="models pull whisper-small"):
        quick.subjects(Options(model_dir=tmp_path), ["small"])


def test_the_room_is_that_of_this_machine():
    assert quick.there("cpu").where == "host memory"
    assert quick.there("cpu").free > 10**8
