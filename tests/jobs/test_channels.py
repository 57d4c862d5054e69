"""Recordings with a speaker on each channel among others: batches, order, resuming, failures; by an ear for tones."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tones import RATE, RULES, Ear, Energy, melody, tune

from speechcli.core.span import Span
from speechcli.core.transcript import Transcript
from speechcli.errors import MediaError, UsageError
from speechcli.jobs import batch, channels, run
from speechcli.jobs.job import Job, Question
from speechcli.jobs.recording import Recordings
from speechcli.media.ffmpeg import find

pytestmark = pytest.mark.usefixtures("no_power_cuts")

REST = [-1] * 12  # six seconds: a window ends
LEFT = [*melody(0, 9), *REST, *melody(20, 30), *REST, *REST]
RIGHT = [*REST, *melody(60, 24), *REST, *REST, *melody(90, 15)]
ASKED = Question("ear", "1", rules=RULES)
SPLIT = replace(ASKED, split=True)


def sound(*rows: Sequence[int]) -> np.ndarray:
    """A channel for each row of tones, shape (n, channels)."""
    return np.stack([np.concatenate(list(tune(row))) for row in rows], axis=1)


def job(folder: Path, name: str, samples: np.ndarray, question: Question = SPLIT) -> Job:
    soundfile.write(folder / f"{name}.wav", samples, RATE)
    outputs = (("json", folder / f"{name}.json"),)
    return Job(folder / f"{name}.wav", f"{name}.wav", name, question, outputs, folder, folder)


@pytest.fixture
def call(tmp_path) -> Job:
    return job(tmp_path, "call", sound(LEFT, RIGHT))


def engines(ear: Ear) -> batch.Engines:
    return batch.Engines(ear, Energy(), Recordings(find(), RATE))


def worked(jobs: Sequence[Job], ear: Ear, **settings: bool) -> tuple[dict[str, Transcript], dict[str, Exception]]:
    done, errors = {}, {}
    for event in batch.worked(jobs, engines(ear), **settings):
        match event:
            case batch.Finished(made, transcript):
                done[made.entry] = transcript
                event.done()
            case run.Failed(made, error):
                errors[made.entry] = error
    return done, errors


def numbers(transcript: Transcript, speaker: str) -> list[int]:
    return [int(word.text[2:]) for word in transcript.words if word.speaker == speaker]


def sung(row: Sequence[int]) -> list[int]:
    return [number for number in row if number >= 0]


def heard(ear: Ear) -> list[int]:
    """All that the model was given, in its order."""
    return [number for call in ear.calls for window in call for number in window]


def test_each_channel_is_a_speaker_and_every_word_is_told_once(call):
    done, _ = worked([call], Ear())
    made = done["call"]

    assert numbers(made, "SPEAKER_00") == sung(LEFT)
    assert numbers(made, "SPEAKER_01") == sung(RIGHT)
    assert [s.start for s in made.segments] == sorted(s.start for s in made.segments)
    assert made.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert (made.verdict.status, made.verdict.complete) == ("ok", True)
    assert made.verdict.coverage == pytest.approx(1.0, abs=0.01)
    assert [stage.stage for stage in made.made_by] == ["transcribe", "diarize"]
    assert dict(made.recording)["channels"] == "2"


def test_the_turns_are_when_somebody_is_heard(call):
    done, _ = worked([call], Ear())

    turns = [turn for turn in done["call"].turns if turn.speaker == "SPEAKER_00"]

    assert [(turn.start, turn.end) for turn in turns] == [
        (pytest.approx(0.0, abs=0.05), pytest.approx(4.4, abs=0.05)),
        (pytest.approx(10.5, abs=0.05), pytest.approx(25.4, abs=0.05)),
    ]


def test_channels_share_batches_with_each_other_and_with_other_recordings(tmp_path, call):
    ear = Ear(batch=4, lanes=1, before=lambda batch: time.sleep(0 if len(ear.calls) > 1 else 2))  # time to read on
    jobs = [job(tmp_path, "mono", sound(melody(110, 40)), ASKED), call, job(tmp_path, "last", sound(RIGHT, LEFT))]

    done, errors = worked(jobs, ear)

    assert errors == {}
    assert [int(word.text[2:]) for word in done["mono"].words] == melody(110, 40)
    assert numbers(done["last"], "SPEAKER_00") == sung(RIGHT)
    kinds = [{number // 55 for window in call for number in window} for call in ear.calls]  # left, right, mono
    assert any({0, 1} <= kind for kind in kinds)
    assert any(2 in kind and len(kind) > 1 for kind in kinds)


def test_three_channels(tmp_path):
    third = [*REST, *REST, *melody(110, 8), *[-1] * (len(LEFT) - 32)]

    done, _ = worked([job(tmp_path, "bridge", sound(LEFT, RIGHT[: len(LEFT)], third))], Ear())

    assert numbers(done["bridge"], "SPEAKER_02") == sung(third)
    assert done["bridge"].speakers == ("SPEAKER_00", "SPEAKER_01", "SPEAKER_02")


def test_a_stopped_run_is_gone_on_with_and_gives_the_same(tmp_path, call):
    whole, _ = worked([replace(call, state=None)], Ear())
    n_told = 0
    events = batch.worked([call], engines(Ear(batch=1, lanes=1)), resume=True)
    for event in events:
        n_told += isinstance(event, run.Group)
        if n_told == 4:
            break
    events.close()
    assert call.journal is not None
    assert call.journal.exists()

    ear = Ear(batch=1, lanes=1)
    done, _ = worked([call], ear, resume=True)

    assert done["call"] == whole["call"]
    assert 0 < len(heard(ear)) < len(sung(LEFT) + sung(RIGHT)) - 10
    assert not call.journal.exists()


def test_what_was_heard_of_a_mix_is_not_taken_for_the_channels(call):
    mixed = replace(call, question=ASKED)

    assert mixed.question.key() != call.question.key()
    assert mixed.key("x") != call.key("x")


def test_one_channel_or_the_same_sound_on_all_fails_and_the_others_go_on(tmp_path, call):
    left = sound(LEFT)
    noise = np.random.default_rng(3).normal(0, 1e-4, (len(left), 2))
    jobs = [
        job(tmp_path, "mono", left),
        job(tmp_path, "dual", np.concatenate([left, 0.9 * left], axis=1) + noise),
        job(tmp_path, "turned", np.concatenate([left, -left], axis=1)),
        call,
    ]

    done, errors = worked(jobs, Ear())

    assert list(done) == ["call"]
    assert isinstance(errors["mono"], UsageError)
    assert "one channel" in str(errors["mono"])
    for name in ("dual", "turned"):
        assert isinstance(errors[name], MediaError)
        assert "same sound" in str(errors[name])


def test_a_silent_line_and_two_of_them(tmp_path):
    silence = [-1] * len(LEFT)

    done, errors = worked(
        [job(tmp_path, "voicemail", sound(silence, LEFT)), job(tmp_path, "nobody", sound(silence, silence))], Ear()
    )

    assert errors == {}
    assert done["voicemail"].speakers == ("SPEAKER_01",)
    assert numbers(done["voicemail"], "SPEAKER_01") == sung(LEFT)
    assert (done["nobody"].segments, done["nobody"].turns, done["nobody"].verdict.coverage) == ((), (), None)


def test_an_announcement_at_the_beginning_is_not_the_same_sound_all_along(tmp_path):
    both = melody(130, 18)

    done, _ = worked([job(tmp_path, "call", sound([*both, *LEFT], [*both, *RIGHT[: len(LEFT)]]))], Ear())

    assert numbers(done["call"], "SPEAKER_00")[: len(both)] == both
    assert not set(both[2:-2]) & set(numbers(done["call"], "SPEAKER_01"))


def test_parts_of_a_call(call):
    parts = replace(call, question=replace(SPLIT, clips=(Span(0.0, 4.5), Span(20.0, 25.5))))

    made = worked([parts], Ear())[0]["call"]

    assert numbers(made, "SPEAKER_00") == [*melody(0, 9), *melody(39, 11)]
    assert all(turn.end < 4.6 or turn.start > 19.9 for turn in made.turns)


def test_without_a_model_the_turns_are_all(call):
    listening = replace(call, question=replace(SPLIT, model="", turns=True))
    opened = batch.diarizing(None, find(), 3600.0, split=True)

    events = list(batch.worked([listening], replace(opened, detector=Energy())))

    (made,) = (event.transcript for event in events if isinstance(event, batch.Finished))
    assert made.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert made.segments == ()
    assert (made.verdict.status, made.verdict.coverage) == ("ok", None)
    assert made.verdict.speech == pytest.approx(0.5 * len(sung(LEFT) + sung(RIGHT)), rel=0.2)
    assert made.made_by == (channels.STAGE,)


@pytest.mark.parametrize("option", ["--channel", "--num-speakers"])
def test_what_does_not_go_with_it(option):
    with pytest.raises(UsageError, match=f"--channels split and {option} exclude each other"):
        channels.by_channel("split", {"--diarize": False, "--turns": None, option: 0})
    assert channels.by_channel("split", {"--diarize": False, option: None})
    assert not channels.by_channel(None, {option: 0})
