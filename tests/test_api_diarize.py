"""`speechcli.diarize`, and `transcribe(diarize=True)`, with the models that come along."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from spoken import RATE, clip

import speechcli
from speechcli.api import Diarization
from speechcli.backends import diarizers
from speechcli.core.transcript import Segment, Transcript, Turn
from speechcli.errors import DataError, UsageError

pytestmark = pytest.mark.usefixtures("models")


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """Kennedy for eight seconds, and after a rest a woman for four and a half."""
    rest = np.zeros(RATE // 2, np.float32)
    return np.concatenate([clip("jfk").samples[: 8 * RATE], rest, clip("3080-5032-0000").samples, rest])


@pytest.fixture(scope="module")
def found(talk) -> Transcript:
    return speechcli.diarize((talk, RATE))


def test_turns_of_a_recording(found, talk):
    assert isinstance(found, Transcript)
    assert found.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert found.duration == pytest.approx(len(talk) / RATE, abs=0.001)
    assert all(turn.end < 8.5 for turn in found.turns if turn.speaker == "SPEAKER_00")
    assert all(turn.start > 8.0 for turn in found.turns if turn.speaker == "SPEAKER_01")
    assert (found.segments, found.verdict.status) == ((), "ok")
    assert [stage.stage for stage in found.made_by] == ["diarize"]


def test_a_list_gives_a_list_in_its_order_whatever_is_finished_first(talk, found, tmp_path):
    soundfile.write(tmp_path / "one.wav", clip("jfk").samples[: 3 * RATE], RATE)
    silence = (np.zeros(2 * RATE, np.float32), RATE)

    long, none, one = speechcli.diarize([(talk, RATE), silence, tmp_path / "one.wav"])

    assert long.turns == found.turns
    assert none.turns == ()
    assert (one.source, one.speakers) == ("one.wav", ("SPEAKER_00",))


def test_how_many_speak_may_be_said(talk):
    options = Diarization(num_speakers=1)

    assert speechcli.diarize((talk, RATE), options).speakers == ("SPEAKER_00",)
    assert speechcli.diarize((talk, RATE), options, num_speakers=None, max_speakers=1).speakers == ("SPEAKER_00",)


def test_transcribed_words_have_speakers_and_may_get_them_later(talk):
    at_once = speechcli.transcribe((talk, RATE), diarize=True)
    before = speechcli.transcribe((talk, RATE))
    later = speechcli.diarize((talk, RATE), transcript=before)

    assert before.speakers == ()
    assert at_once.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert later.segments == at_once.segments
    assert later.turns == at_once.turns
    assert [(w.text, w.start) for w in later.words] == [(w.text, w.start) for w in before.words]


def test_a_transcript_may_be_a_file(talk, tmp_path):
    (tmp_path / "a.srt").write_text("1\n00:00:00,500 --> 00:00:04,000\nAnd so\n\n")

    made = speechcli.diarize((talk, RATE), transcript=tmp_path / "a.srt")

    assert [(s.text, s.speaker) for s in made.segments] == [("And so", "SPEAKER_00")]


def test_voices_are_known_by_their_clips_and_linked_in_a_list(talk, tmp_path):
    soundfile.write(tmp_path / "jack.wav", clip("jfk").samples, RATE)
    lady = (np.concatenate([clip("3080-5032-0000").samples, np.zeros(RATE, np.float32)]), RATE)

    both, alone = speechcli.diarize([(talk, RATE), lady], enroll={"Jack": tmp_path / "jack.wav"}, link_speakers=True)

    assert both.speakers[0] == "Jack"
    assert alone.speakers == both.speakers[1:]


@pytest.mark.parametrize(
    ("more", "error", "told"),
    [
        ({"num_speakers": 0}, UsageError, "at least one speaks"),
        ({"min_speakers": 3, "max_speakers": 2}, UsageError, "is more than"),
        ({"model": "whisper-small"}, UsageError, "does not tell who speaks"),
        ({"transcript": 3}, UsageError, "a int is no transcript"),
        ({"transcript": [Transcript("a", 1.0)] * 2}, UsageError, "1 recordings take as many transcripts"),
        ({"transcript": Transcript("a", 1.0, turns=(Turn(0, 1, "A"),))}, DataError, "has no text"),
        ({"speakers": 3}, UsageError, "known options"),
    ],
)
def test_what_cannot_be_taken_is_told_before_a_model_is_loaded(talk, monkeypatch, more, error, told):
    monkeypatch.setattr(diarizers, "open_diarizer", None)

    with pytest.raises(error, match=told):
        speechcli.diarize((talk, RATE), **more)


def test_options_of_transcribe_are_no_options_of_diarize(talk):
    with pytest.raises(UsageError, match="Diarization"):
        speechcli.diarize((talk, RATE), speechcli.api.Options())


def test_a_transcript_of_a_file_that_is_saved_as_rttm(found, tmp_path):
    speechcli.save(found, tmp_path / "a.rttm")

    assert speechcli.load(tmp_path / "a.rttm").turns == found.turns
    assert Path(tmp_path / "a.rttm").read_text().startswith("SPEAKER ")


def test_a_transcript_without_a_speaker_stays_without_where_nobody_talks():
    said = Transcript("a", 3.0, (Segment(0.0, 1.0, "hm"),))

    made = speechcli.diarize((np.zeros(3 * RATE, np.float32), RATE), transcript=said)

    assert [s.speaker for s in made.segments] == [None]


@pytest.mark.parametrize("number", ["2", 2.5])
def test_a_number_of_speakers_is_a_whole_one(number):
    with pytest.raises(UsageError, match="not a whole number"):
        speechcli.diarize((np.zeros(RATE, np.float32), RATE), num_speakers=number)
