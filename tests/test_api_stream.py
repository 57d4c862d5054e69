"""`speechcli.stream`: what a Python caller gives and gets, and every mistake."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from listening import check_order, cut, finals, text
from spoken import DATA, words, wrong

import speechcli
from speechcli.errors import MediaError, SpeechcliError, UsageError
from speechcli.live import Stream, Streaming


@pytest.fixture(scope="module")
def refusing():
    """A stream that is only given what it must refuse."""
    with speechcli.stream() as session:
        session.feed(np.zeros(10, np.float32))  # mono from here on
        yield session


@pytest.fixture(scope="module")
def recording() -> tuple[np.ndarray, int]:
    """11 s of speech, int16, stereo at 44.1 kHz."""
    frames, rate = soundfile.read(DATA / "jfk.flac", dtype="int16")
    return frames, rate


FORMS = {
    "int16 stereo": lambda frames: frames,
    "int16 mono": lambda frames: frames[:, 0],
    "float32 stereo": lambda frames: (frames / 32768).astype(np.float32),
    "float64 in one column": lambda frames: frames[:, :1] / 32768,
}


@pytest.mark.parametrize(
    "form", ["int16 stereo", *(pytest.param(form, marks=pytest.mark.slow) for form in list(FORMS)[1:])]
)
def test_sound_in_every_form_is_heard(recording, form):
    frames, rate = recording

    with speechcli.stream(rate=rate) as session:
        events = [event for block in cut(FORMS[form](frames), rate) for event in session.feed(block)]
        events += session.finish()
        stage, duration = session.stage, session.duration

    assert wrong(words((DATA / "jfk.txt").read_text()), words(text(events))) <= 5  # of 22: "am I", "asked"
    assert finals(events)[-1].ends
    assert (stage.stage, duration) == ("transcribe", 11.0)
    check_order(events, 11.0)


def test_nothing_fed_gives_nothing():
    with speechcli.stream() as session:
        assert session.duration == 0
        assert session.feed(np.zeros(0, np.float32)) == []
        assert session.feed(np.zeros((0, 1), np.int16)) == []
        assert session.finish() == []
    with speechcli.stream() as session:
        assert session.finish() == []


def test_after_its_end_a_stream_takes_nothing_more_and_closes_as_often_as_one_likes():
    session = speechcli.stream()
    session.feed(np.zeros(100, np.float32))
    session.finish()

    for late in (lambda: session.feed(np.zeros(100, np.float32)), session.finish):
        with pytest.raises(UsageError, match="this stream is over"):
            late()
    session.close()
    session.close()
    with pytest.raises(UsageError, match="this stream is over"):
        session.feed(np.zeros(100, np.float32))
    assert session.duration == 100 / 16_000
    assert session.stage.stage == "transcribe"


def test_an_error_inside_closes_it_and_goes_on():
    with pytest.raises(ZeroDivisionError), speechcli.stream() as session:
        1 / 0  # noqa: B018  # somebody's bug

    with pytest.raises(UsageError, match="over"):
        session.finish()


@pytest.mark.parametrize(
    ("block", "says"),
    [
        (np.zeros((2, 3, 4), np.float32), "no sound"),
        (np.float32(0.5), "no sound"),
        (np.zeros((10, 0), np.float32), "no sound"),
        (np.zeros((2, 16_000), np.float32), "no sound"),  # channels first
        (np.zeros((10, 2), np.float32), "2 channels after others of 1"),
        (np.array([0.0, np.nan]), "not numbers"),
        (np.array([0.0, -np.inf]), "not numbers"),
        (np.array(["a", "b"]), "no sound"),
        (np.array([None, 1]), "no sound"),
        (np.array([1j]), "no sound"),
        (np.array([True]), "no sound"),
        (np.zeros(3, np.int64), "int64"),
        (b"\0\0\0\0", "no sound"),
        (None, "no sound"),
        ([[0.0, 0.1], [0.0]], "no sound"),
    ],
    ids=lambda given: "" if isinstance(given, str) else repr(given)[:24],
)
def test_what_is_no_sound_is_refused_and_the_stream_goes_on(refusing: Stream, block, says):
    before = refusing.duration

    with pytest.raises(MediaError, match=says):
        refusing.feed(block)

    assert refusing.duration == before
    assert refusing.feed(np.zeros(16, np.float32)) == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"modle": "x"}, "modle"),
        ({"model": "whisper-huge"}, "whisper-huge"),
        ({"model": 5}, "model=5"),
        ({"rate": 0}, "0 Hz"),
        ({"rate": -16_000}, "-16000 Hz"),
        ({"rate": 1 << 30}, "Hz"),
        ({"rate": 16_000.5}, "16000.5 Hz"),
        ({"rate": "16000"}, "16000"),
        ({"rate": float("nan")}, "nan"),
        ({"rate": None}, "None"),
        ({"language": "klingonese"}, "klingonese"),
        ({"language": ["de", "nonsense"]}, "nonsense"),
        ({"language": 5}, "language"),
        ({"language": "de"}, "does not know de"),  # the embedded model knows English only
        ({"task": "sing"}, "sing"),
        ({"delay_ms": 480}, "delay"),
        ({"endpoint_silence_ms": 0}, "silence"),
        ({"endpoint_silence_ms": "long"}, "endpoint_silence_ms"),
        ({"max_utterance": 1}, "max-utterance"),
        ({"max_utterance": "long"}, "max_utterance"),
        ({"vad_threshold": 7}, "vad-threshold"),
        ({"vad_threshold": "high"}, "vad_threshold"),
        ({"settings": {"beam": "5"}}, "beam"),
        ({"settings": {"encoder_seconds": "1"}}, "encoder_seconds"),
        ({"device": "abacus"}, "abacus"),
        ({"dtype": "float3"}, "float3"),
        ({"model": "voxtral-realtime", "max_utterance": 9}, "max-utterance"),
    ],
    ids=str,
)
def test_a_wrong_option_is_one_clear_error(given, says):
    with pytest.raises(SpeechcliError, match=says) as caught:
        speechcli.stream(**given)

    assert "\n" not in str(caught.value)


def test_options_are_a_record_or_names_and_names_win():
    with pytest.raises(UsageError, match="dict"):
        speechcli.stream({"rate": 8000})
    with pytest.raises(SpeechcliError, match="whisper-huge"):
        speechcli.stream(Streaming(rate=8000), model="whisper-huge")
    with speechcli.stream(Streaming(rate=8000), rate=48_000) as session:
        session.feed(np.zeros(48_000, np.int16))
        assert session.duration == 1.0
