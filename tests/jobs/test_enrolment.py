"""Reference clips give a person's voice, whatever silence is about it; what cannot is told in one line."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import spoken

from speechcli.backends import diarizers, printing, registry
from speechcli.backends.base import Diarized
from speechcli.backends.cepstra import Cepstra
from speechcli.core.audio import Audio
from speechcli.core.span import Span
from speechcli.core.transcript import Turn
from speechcli.errors import MediaError, NoInputError, UsageError
from speechcli.jobs.enrolment import enrolled
from speechcli.jobs.job import Job, Question
from speechcli.jobs.roster import NAME, Roster
from speechcli.media.ffmpeg import find
from speechcli.timeline.speakers import cosine

ANNA = "1089-134686-0000"
BERT = "2414-128291-0002"


@pytest.fixture(scope="module")
def printer():
    opened = diarizers.open_printer()
    if opened is None:
        pytest.skip("needs the extra: pip install speechcli[diarize]")
    return opened


def file_of(folder: Path, *parts: np.ndarray, name: str = "anna.wav", rate: int = spoken.RATE) -> Path:
    soundfile.write(folder / name, np.concatenate(parts), rate)
    return folder / name


def sound(name: str) -> np.ndarray:
    return spoken.clip(name).samples


def faint(seconds: float) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 3e-4, round(seconds * spoken.RATE)).astype(np.float32)


def voices(clips: dict[str, list[Path]], printer):
    return enrolled(clips, printer, registry.open_detector(), find())


def test_silence_does_not_dilute_a_voice(tmp_path, printer):
    bare = file_of(tmp_path, sound(ANNA))
    silent = file_of(tmp_path, faint(40), sound(ANNA)[:64_000], faint(30), sound(ANNA)[64_000:], name="long.wav")

    ((one,), none), ((other,), _) = voices({"Anna": [bare]}, printer), voices({"Anna": [silent]}, printer)

    assert cosine(one.print, other.print) > 0.95
    assert one.seconds == pytest.approx(other.seconds, abs=1.0)
    assert one.seconds < len(sound(ANNA)) / spoken.RATE
    assert none == ()


def test_several_clips_of_a_name_are_averaged_by_their_speech(tmp_path, printer):
    paths = [file_of(tmp_path, sound(name), name=f"{name}.wav") for name in ("LJ001-0001", "LJ001-0003")]

    ((both,), notes) = voices({"Linda": paths}, printer)

    singles = [voices({"Linda": [path]}, printer)[0][0] for path in paths]
    assert both.seconds == pytest.approx(sum(one.seconds for one in singles))
    assert all(cosine(both.print, one.print) > 0.85 for one in singles)
    assert sum(x * x for x in both.print) == pytest.approx(1.0)
    assert notes == ()


def test_who_is_enrolled_is_found_in_another_recording_and_nobody_else_is(tmp_path, printer):
    anna = file_of(tmp_path, sound(ANNA))
    zoe = file_of(tmp_path, sound("1998-15444-0000"), name="zoe.wav")
    made, notes = voices({"Anna": [anna], "Zoe": [zoe]}, printer)
    clips = (BERT, "1089-134686-0001", "LJ001-0005")  # Anna says something else
    turns, at = [], 0.0
    for i, clip in enumerate(clips):
        turns.append(Turn(at, at + spoken.clip(clip).duration, f"SPEAKER_{i:02d}"))
        at = turns[-1].end
    audio = Audio(np.concatenate([sound(clip) for clip in clips]), spoken.RATE)
    talk = {turn.speaker: [Span(turn.start, turn.end)] for turn in turns}
    heard = Diarized(tuple(turns), printing.voices(printer, audio, talk))
    job = Job(tmp_path / "talk.wav", "talk.wav", "talk.wav", Question("m", "r"), (), tmp_path, None)

    alone = Roster(printer, made)
    linked = Roster(printer, made, tmp_path / NAME)

    assert [t.speaker for t in alone(job, heard).turns] == ["SPEAKER_00", "Anna", "SPEAKER_02"]
    assert [t.speaker for t in linked(job, heard).turns] == ["SPEAKER_00", "Anna", "SPEAKER_01"]
    assert alone.missed == linked.missed == ("Zoe",)
    assert notes == ()


def test_two_people_in_one_clip_are_told(tmp_path, printer):
    clip = file_of(tmp_path, sound(ANNA), sound(BERT)[:160_000])

    _, notes = voices({"Anna": [clip]}, printer)

    assert notes == ("anna.wav: parts of it sound like different people; is only Anna heard in it?",)


def test_one_voice_under_two_names_is_told(tmp_path, printer):
    paths = {name: [file_of(tmp_path, sound("LJ001-0001"), name=f"{name}.wav")] for name in ("Anna", "Bea")}

    assert voices(paths, printer)[1] == ("Anna and Bea sound alike: recordings may take the one for the other",)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([faint(20)], "anna.wav: nothing of speech to know Anna by"),
        ([faint(5), sound("LJ001-0002"), faint(5)], r"anna.wav: 1\.\d seconds of speech to know Anna by"),
    ],
    ids=["silence", "two words"],
)
def test_too_little_speech_is_one_line(tmp_path, parts, told):
    clip = file_of(tmp_path, *parts)

    with pytest.raises(MediaError, match=told) as caught:
        voices({"Anna": [clip]}, Cepstra())

    assert caught.value.hint == "3 seconds or more, better 10 to 30"


def test_clips_that_are_not_there_or_no_sound_are_one_line(tmp_path):
    (tmp_path / "text.wav").write_text("no sound at all")

    with pytest.raises(NoInputError, match=r"anna\.wav"):
        voices({"Anna": [tmp_path / "anna.wav"]}, Cepstra())
    with pytest.raises(MediaError, match=r"text\.wav"):
        voices({"Anna": [tmp_path / "text.wav"]}, Cepstra())


def test_a_name_that_recordings_give_to_others_is_refused(tmp_path):
    with pytest.raises(UsageError, match="SPEAKER_03"):
        voices({"SPEAKER_03": [tmp_path / "anna.wav"]}, Cepstra())


def test_a_long_clip_is_listened_to_until_enough_was_said(tmp_path):
    """Whatever follows is not even decoded."""
    ((one,), _) = voices({"Linda": [file_of(tmp_path, *[sound("LJ001-0001")] * 9)]}, Cepstra())

    assert one.seconds == pytest.approx(60.0, abs=0.1)
