"""Models measured in processes of their own: what is told, and what becomes of it when something dies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import parrot
import psutil
import pytest
import spoken

from speechcli import api
from speechcli.api import Diarization, Options
from speechcli.backends import catalog
from speechcli.bench import child, elsewhere, measure
from speechcli.bench.measure import Conditions, Event, Going, Loading, Measured, Over, Subject
from speechcli.core.transcript import Segment, Transcript
from speechcli.errors import NoInputError, UnavailableError, UsageError
from speechcli.media.files import Input
from speechcli.scoring import score
from speechcli.scoring.references import Reference
from speechcli.timeline.windows import Rules

TALK = Input(spoken.DATA / "jfk.flac", "jfk.flac")
OTHER = Input(spoken.DATA / f"{spoken.CLIPS[0]}.flac", "other.flac")
FEATHERS = Conditions(program=parrot.PROGRAM)
PARROT = Subject("parrot", Options())
NOISY = """
import os, threading, time
def chatter():
    while True:
        os.write(1, b"Loading checkpoint shards: 100%")
        time.sleep(0.01)
from speechcli.bench import child
threading.Timer(0.2, chatter).start()
child.main()
"""  # what an engine may print, at any time
posix = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX'")


def named(*names: str) -> list[Input]:
    """Recordings that only a parrot hears."""
    return [Input(Path(name), name) for name in names]


def finished(events: list[Event]) -> list[Measured]:
    return [event for event in events if isinstance(event, Measured)]


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


# --- the real thing ---


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    """A model that cannot be loaded, and the embedded one on three recordings, one of which is none."""
    folder = tmp_path_factory.mktemp("measured")
    good = api.registry.resolve(api.registry.Wanted()).folder
    assert good is not None
    broken = shutil.copytree(good, folder / "broken")
    (broken / "model.bin").write_bytes(b"no model at all")
    (folder / "noise.mp3").write_text("no sound at all")
    subjects = [Subject("broken", Options(model=str(broken))), *measure.subjects(["tiny.en"], Options(device="cpu"))]
    return list(measure.measured(subjects, [TALK, Input(folder / "noise.mp3", "noise.mp3"), OTHER]))


def test_the_transcript_is_that_of_the_api(events):
    heard = finished(events)[0]

    assert heard.transcript is not None
    assert heard.transcript.text == api.transcribe(TALK.path, device="cpu").text
    assert heard.transcript.words
    assert heard.duration == pytest.approx(11.0, abs=0.1)


def test_times_are_of_the_recording_and_not_of_what_comes_before(events):
    for one in (finished(events)[0], finished(events)[2]):
        assert one.system.load > 0
        assert one.system.warm_up > 0
        assert 0 < one.first <= one.seconds
        assert one.cpu > 0.05


def test_the_system_says_what_ran_and_how_much_memory_it_took(events):
    system = finished(events)[0].system

    assert (system.name, system.model) == (catalog.EMBEDDED, catalog.EMBEDDED)
    assert system.revision.startswith("sha256:")
    assert dict(system.settings)["beam_size"] == "3"
    assert "on cpu in int8" in system.device
    assert 75_000_000 < system.memory < 4_000_000_000  # with its weights, without ours
    assert system.device_memory is None
    assert any(note.startswith("energy:") for note in system.notes)


def test_a_recording_that_cannot_be_decoded_is_an_error_of_its_own(events):
    assert [bool(one.error) for one in finished(events)] == [False, True, False]
    assert "noise.mp3" in finished(events)[1].error
    assert [one.transcript is None for one in finished(events)] == [False, True, False]


def test_a_model_that_cannot_be_loaded_does_not_keep_the_next_one_from_it(events):
    over = [event.system for event in events if isinstance(event, Over)]

    assert [system.name for system in over] == ["broken", catalog.EMBEDDED]
    assert "cannot be loaded" in over[0].error
    assert "\n" not in over[0].error
    assert over[1].error == ""
    assert [one.system.name for one in finished(events)] == [catalog.EMBEDDED] * 3


def test_whoever_waits_is_told_what_goes_on(events):
    kinds = [type(event) for event in events if event.system.name != "broken"]

    assert kinds[0] is Loading
    assert kinds[-1] is Over
    assert kinds.index(Going) < kinds.index(Measured)
    assert max(event.done for event in events if isinstance(event, Going)) <= 11.1


def test_the_processes_are_gone_when_it_is_over(events):
    assert not [process for process in children() if "speechcli.bench.child" in process.cmdline()]


@posix
def test_a_child_that_is_killed_keeps_what_it_has_finished():
    noisy = Conditions(program=(sys.executable, "-c", NOISY))
    told = []
    for event in measure.measured([Subject("real", Options(device="cpu"))], [TALK, OTHER, TALK], noisy):
        told.append(event)
        if isinstance(event, Going) and len(finished(told)) == 1:
            (process,) = psutil.Process().children()
            process.kill()

    first, second, third = finished(told)
    assert first.transcript is not None
    assert not first.error
    assert second.error == "its process was killed, as the system does when memory runs out"
    assert third.error.startswith("not heard, for before it")
    assert second.duration == pytest.approx(spoken.clip(spoken.CLIPS[0]).duration, abs=0.1)
    assert isinstance(told[-1], Over)
    assert "was killed" in told[-1].system.error


@posix
def test_a_child_does_not_outlive_who_asked_it_whatever_it_is_at(tmp_path):
    """Nor does that of one who is killed, and can end nothing."""
    stuck = (
        "import time; from speechcli import api; from speechcli.bench import child; "
        "api.opened = lambda options: time.sleep(600); child.main()"
    )
    script = tmp_path / "bench.py"
    script.write_text(
        "import contextlib, sys, threading\n"
        "import psutil\n"
        "from speechcli.api import Options\n"
        "from speechcli.bench import measure\n"
        "def tell():\n"
        "    there = []\n"
        "    while not there:\n"
        "        with contextlib.suppress(psutil.Error):\n"
        "            there = [c for c in psutil.Process().children() if 'api.opened' in ' '.join(c.cmdline())]\n"
        "    print(there[0].pid, flush=True)\n"
        "threading.Thread(target=tell, daemon=True).start()\n"
        f"conditions = measure.Conditions(program=(sys.executable, '-c', {stuck!r}))\n"
        "list(measure.measured([measure.Subject('a', Options())], [], conditions))\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        orphan = psutil.Process(int(asking.stdout.readline()))
        asking.kill()
    gone, left = psutil.wait_procs([orphan], timeout=30)
    for one in left:
        one.kill()

    assert gone


@pytest.mark.usefixtures("models")
def test_diarizers_are_measured_by_their_turns():
    (subject,) = measure.subjects(["embedded"], Diarization())

    told = list(measure.measured([subject], [TALK]))

    (heard,) = finished(told)
    assert subject.name == catalog.EMBEDDED_DIARIZER
    assert heard.transcript.turns
    assert not heard.transcript.segments
    assert heard.seconds > 0
    assert heard.first is None


# --- a child that does as it is told ---


def test_a_child_that_ends_is_told_by_its_last_words():
    told = list(measure.measured([PARROT], named("one", "ends", "two"), FEATHERS))

    assert [one.error.partition(":")[0] for one in finished(told)] == [
        "",
        "its process ended (exit code 3)",
        "not heard, for before it its process ended (exit code 3)",
    ]
    assert told[-1].system.error == "its process ended (exit code 3): RuntimeError: no more seeds"
    assert told[-1].system.load is not None


@posix
def test_a_child_that_dies_leaves_the_next_system_to_its_work():
    subjects = [PARROT, replace(PARROT, name="next")]

    told = list(measure.measured(subjects, named("one", "dies"), FEATHERS))

    assert [(one.system.name, bool(one.error)) for one in finished(told)] == [
        ("parrot", False),
        ("parrot", True),
        ("next", False),
        ("next", True),
    ]


@posix
def test_a_child_that_does_nothing_hangs_and_one_that_computes_does_not():
    told = list(measure.measured([PARROT], named("spins", "hangs"), replace(FEATHERS, patience=0.5)))

    assert [one.error for one in finished(told)] == ["", "it hung: nothing done in 0.5 seconds"]
    assert not children()


def test_a_program_that_cannot_be_started_is_an_error_of_its_system():
    told = list(measure.measured([PARROT], named("one"), Conditions(program=("/nowhere/python",))))

    assert not finished(told)
    assert "cannot be started" in told[-1].system.error


def test_whoever_stops_early_leaves_no_child_behind():
    events = measure.measured([PARROT], named("one", "two"), FEATHERS)
    next(event for event in events if isinstance(event, Measured))
    during = len(children())
    events.close()

    assert during == 1
    assert not children()


def test_a_recording_that_is_not_worth_it_is_left_out():
    def worth(recording: Input, before: list[Measured]) -> bool:
        return recording.name != "slow 60" or sum(one.seconds for one in before) < 2

    told = list(measure.measured([PARROT], named("one", "two", "slow 60", "three"), FEATHERS, worth))

    assert [one.recording.name for one in finished(told)] == ["one", "two", "three"]


# --- before anything is run ---


@pytest.mark.parametrize(
    ("model", "error", "told"),
    [
        ("whisper-tini", UsageError, "did you mean whisper-tiny"),
        ("large-v3", UnavailableError, "speechcli models pull whisper-large-v3"),
        ("Systran/faster-whisper-tiny", UnavailableError, "speechcli models pull whisper-tiny"),
        ("some/body", UnavailableError, "speechcli models pull some/body"),
        ("qwen3-aligner", UsageError, "does not transcribe"),
    ],
)
def test_a_model_that_is_not_here_is_known_before_anything_is_run(tmp_path, model, error, told):
    subjects = [PARROT, Subject(model, Options(model=model, model_dir=tmp_path))]

    with pytest.raises(error) as raised:
        measure.measured(subjects, named("one"), FEATHERS)  # not one event was asked for

    assert told in str(raised.value)
    assert "--offline" not in str(raised.value)


def test_two_systems_of_one_name_are_refused():
    with pytest.raises(UsageError, match="the same name"):
        measure.measured([PARROT, PARROT], named("one"), FEATHERS)


def test_one_model_under_two_names_is_measured_once():
    found = measure.subjects(["embedded", "tiny.en"], Options())

    assert [subject.name for subject in found] == [catalog.EMBEDDED]


@pytest.mark.parametrize(
    "options",
    [
        Options(
            language=["en", "de"],
            settings={"beam_size": "5"},
            rules=Rules(longest=20.0),
            clips=[(0.0, 1.5)],
            model_dir=Path("models"),
            diarize=True,
            num_speakers=2,
        ),
        Diarization(max_speakers=3, chunk_size=20.0, settings={"cut": "0.6"}),
    ],
)
def test_options_arrive_as_they_were_sent(options):
    line = json.dumps(child.asked(options, TALK.path, 5.0))
    arrived = child.options_of(json.loads(line))

    assert json.dumps(child.asked(arrived, TALK.path, 5.0)) == line
    assert type(arrived) is type(options)
    assert getattr(arrived, "rules", None) == getattr(options, "rules", None)
    assert arrived.model_dir == options.model_dir


def test_voices_that_are_enrolled_are_not_measured():
    with pytest.raises(UsageError, match="not measured"):
        child.asked(Diarization(enroll={"Ann": "ann.wav"}), TALK.path, 5.0)


# --- scores ---


def measured_as(text: str) -> Measured:
    system = measure.System("s", ())
    return Measured(system, TALK, 11.0, 2.0, 3.0, 0.5, Transcript("jfk.flac", 11.0, (Segment(0.0, 11.0, text),)))


def test_a_run_is_what_was_measured_and_its_scores():
    reference = Reference((), "And so, my fellow Americans")

    run, notes = measure.run_of(measured_as("and so my fellow American"), reference, ("wer", "der"), score.Options())

    assert (run.recording, run.duration, run.seconds, run.cpu, run.first) == ("jfk.flac", 11.0, 2.0, 3.0, 0.5)
    assert run.scores["wer"].value == pytest.approx(1 / 5)
    assert set(run.lacking) == {"der"}
    assert run.reference == "and so my fellow americans"
    assert notes == ()


def test_a_run_without_a_reference_or_a_transcript_says_so():
    alone, _ = measure.run_of(measured_as("and so"), None, ("wer",), score.Options())
    failed, _ = measure.run_of(
        Measured(measure.System("s", ()), TALK, 11.0, error="broken"), Reference((), "and"), ("wer",), score.Options()
    )

    assert (alone.scores, alone.lacking) == ({}, {"wer": "there is no reference"})
    assert (failed.error, failed.scores) == ("broken", {})


def test_a_reference_of_something_else_is_noted():
    reference = Reference((), "the quick brown fox jumps over the lazy dog")

    _, notes = measure.run_of(measured_as("ask not what your country can do"), reference, ("wer",), score.Options())

    assert "is this the right reference?" in notes[0]


# --- transcripts that are there already ---


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[str, str], None]:
    def put(name: str, text: str) -> None:
        path = tmp_path / "theirs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    put("readme.md", "no transcript")
    return put


SRT = "1\n00:00:00,000 --> 00:00:02,000\n{}\n"


def test_transcripts_made_elsewhere_are_found_by_name_the_fullest_first(tmp_path, folder):
    folder("a.txt", "plain\nwords\n")
    folder("b.mp3.srt", SRT.format("captions"))
    folder("b.txt", "less")
    folder("c.txt", "less")
    folder("c.srt", SRT.format("more"))
    recordings = [Input(tmp_path / name, name) for name in ("a.mp3", "b.mp3", "c.mp3", "d.mp3")]

    found = list(elsewhere.transcripts(tmp_path / "theirs", recordings))

    assert [one.transcript and one.transcript.text for one in found] == ["plain words", "less", "more", None]
    assert "has no transcript of d.mp3" in found[3].error
    assert {one.system.name for one in found} == {"theirs"}
    assert {one.seconds for one in found} == {None}


def test_transcripts_of_one_name_are_told_apart_by_their_folders(tmp_path, folder):
    folder("mon/talk.txt", "monday")
    folder("tue/talk.txt", "tuesday")
    in_tree = Input(tmp_path / "tue" / "talk.mp3", "tue/talk.mp3", tmp_path)
    alone = Input(tmp_path / "talk.mp3", "talk.mp3")

    told = list(elsewhere.transcripts(tmp_path / "theirs", [in_tree, alone]))

    assert told[0].transcript.text == "tuesday"
    assert "in 2 places" in told[1].error


def test_a_transcript_that_cannot_be_read_is_an_error_of_its_recording(tmp_path, folder):
    folder("a.json", "{")
    folder("b.txt", "fine")
    recordings = [Input(tmp_path / name, name) for name in ("a.mp3", "b.mp3")]

    told = list(elsewhere.transcripts(tmp_path / "theirs", recordings))

    assert "a.json" in told[0].error
    assert told[1].transcript.text == "fine"


def test_a_folder_without_transcripts_is_told_at_once(tmp_path, folder):
    folder("notes.pdf", "")

    with pytest.raises(NoInputError, match="holds no transcripts"):
        list(elsewhere.transcripts(tmp_path / "theirs", [TALK]))
    with pytest.raises(NoInputError, match="is no folder"):
        list(elsewhere.transcripts(tmp_path / "nowhere", [TALK]))
