"""Who speaks when by a Sortformer of transformers: a small one that knows three hums, heard block by block."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import common, hums
from tiny.hums import PITCHES, RATE, scene

from speechcli.backends import diarize_hf, vibevoice
from speechcli.backends.base import Counts, Diarized, Hints, Setup
from speechcli.core.audio import Audio
from speechcli.core.transcript import Turn
from speechcli.errors import DataError, UsageError
from speechcli.timeline.turns import turns_of

TINY = Path(__file__).parent.parent / "tiny"
LOW, HIGH, HIGHER = PITCHES
TALK = ((0.5, 3.0, HIGH), (3.4, 5.9, LOW), (5.5, 8.0, HIGHER), (9.0, 11.5, HIGH), (12.0, 13.7, LOW))
WHO = ("SPEAKER_00", "SPEAKER_01", "SPEAKER_02", "SPEAKER_00", "SPEAKER_01")
ANYBODY = Counts()


def opened(folder: Path, **more) -> diarize_hf.Sortformer:
    return diarize_hf.open(Setup(f"hf:{folder.name}", folder, "r", 10.0, device="cpu", **more))


@pytest.fixture(scope="module")
def diarizer():
    return opened(TINY / "hf-diarizer")


@pytest.fixture(scope="module")
def talk():
    return scene(14.2, *TALK)


def heard(diarizer, samples, size: int = 16_000, counts: Counts = ANYBODY) -> Diarized:
    hearing = diarizer.begin(counts)
    for first in range(0, len(samples), size):
        hearing.hear(Audio(samples[first : first + size], RATE, first))
    return hearing.end()


def long(turns: tuple[Turn, ...]) -> list[Turn]:
    return [turn for turn in turns if turn.duration > 0.3]


def test_everybody_is_heard_when_they_speak_and_known_again(diarizer, talk):
    found = long(heard(diarizer, talk).turns)

    assert [turn.speaker for turn in found] == list(WHO)
    for turn, (start, end, _) in zip(found, TALK, strict=True):
        assert turn.start == pytest.approx(start, abs=0.15)
        assert turn.end == pytest.approx(end, abs=0.15)


def test_those_who_speak_at_once_both_have_turns(diarizer, talk):
    _, low, higher, *_ = long(heard(diarizer, talk).turns)

    assert low.overlap(higher) == pytest.approx(0.4, abs=0.2)


@pytest.mark.parametrize("size", [1, 1_601, 40_000, 10**6])
def test_blocks_of_any_size_give_the_same_turns(diarizer, talk, size):
    short = talk[: 5 * RATE]

    assert heard(diarizer, short if size > 1 else short[: 2 * RATE + 7], size) == heard(
        diarizer, short if size > 1 else short[: 2 * RATE + 7]
    )


@pytest.mark.parametrize("seconds", [0.3, 2.0, 2.1, 2.39, 2.4, 2.41, 4.3, 4.4, 4.405, 6.1, 14.2])
@pytest.mark.parametrize("back", [0, 3])
def test_block_by_block_the_model_answers_as_to_the_whole_recording(diarizer, talk, seconds, back, monkeypatch):
    monkeypatch.setattr(diarizer.model.config, "chunk_left_context", back)
    samples = talk[: round(seconds * RATE)]
    whole = diarizer.processor(samples, sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        logits = diarizer.model(whole["input_features"][:, : len(samples) // 160]).logits  # the last is padding
    told = diarizer.processor.extract_speaker_dict(logits)[0]

    found = heard(diarizer, samples, 3_000).turns

    right = sorted((row["Start"], row["End"]) for row in told)
    assert sorted((round(turn.start, 2), round(turn.end, 2)) for turn in found) == right
    assert seconds < 1 or right


def test_what_was_heard_before_counts(diarizer, talk):
    """The equality above would say little if the cache did nothing to the answers."""
    hearing = diarizer.begin(ANYBODY)
    for first in range(0, len(talk), 8_000):
        hearing._cache = diarizer.begin(ANYBODY)._cache
        hearing.hear(Audio(talk[first : first + 8_000], RATE, first))

    assert hearing.end() != heard(diarizer, talk, 8_000)


def test_memory_does_not_grow_with_the_recording(diarizer, talk):
    hearing = diarizer.begin(ANYBODY)
    kept = []
    for i in range(8):
        hearing.hear(Audio(talk, RATE, i * len(talk)))
        kept.append(sum(len(sound) for sound in hearing._sound))

    assert max(kept) < 6 * RATE
    assert hearing._cache.embeds.shape[1] == diarizer.model.config.streaming_config.speaker_cache_length


def test_recordings_under_way_at_the_same_time_do_not_mix(diarizer, talk):
    other = scene(14.2, (1.0, 6.0, HIGHER), (7.0, 12.0, LOW))
    one, two = diarizer.begin(ANYBODY), diarizer.begin(ANYBODY)
    for first in range(0, len(talk), RATE):
        one.hear(Audio(talk[first : first + RATE], RATE, first))
        two.hear(Audio(other[first : first + RATE], RATE, first))

    assert one.end() == heard(diarizer, talk)
    assert two.end() == heard(diarizer, other)


@pytest.mark.parametrize("n", [0, 1, 100, 159, 160, 161, 400])
def test_next_to_no_sound_gives_no_turns(diarizer, n):
    assert heard(diarizer, np.zeros(n, np.float32)) == Diarized()


def test_a_quiet_room_gives_no_turns(diarizer):
    assert long(heard(diarizer, hums.quiet(8.0)).turns) == []


def test_blocks_are_not_written_to_and_may_be_written_over(diarizer, talk):
    hearing, block = diarizer.begin(ANYBODY), np.empty(RATE, np.float32)
    for first in range(0, 5 * RATE, RATE):
        block[:] = talk[first : first + RATE]
        hearing.hear(Audio(block, RATE, first))
        assert np.array_equal(block, talk[first : first + RATE])
        block[:] = 0.5

    assert hearing.end() == heard(diarizer, talk[: 5 * RATE])


def test_a_count_that_it_cannot_heed_is_noted_where_it_found_another(diarizer):
    samples = scene(6.0, (0.5, 2.5, LOW), (3.0, 5.5, HIGH))

    (note,) = heard(diarizer, samples, counts=Counts(3, 3)).notes

    assert "cannot be told how many" in note
    assert "found 2 speakers" in note
    assert heard(diarizer, samples, counts=Counts(2, 2)).notes == ()


def test_it_says_so_where_there_may_be_more_than_it_tells_apart(diarizer, talk):
    (note,) = heard(diarizer, talk).notes

    assert "at most 3" in note


def test_the_threshold_can_be_set(talk):
    strict = heard(opened(TINY / "hf-diarizer", settings={"threshold": "0.999"}), talk).turns
    usual = heard(opened(TINY / "hf-diarizer"), talk).turns

    assert sum(turn.duration for turn in strict) < sum(turn.duration for turn in usual)
    with pytest.raises(UsageError, match="between 0 and 1"):
        opened(TINY / "hf-diarizer", settings={"threshold": "1.5"})


def test_sound_at_another_rate_is_refused(diarizer):
    with pytest.raises(ValueError, match="8000 Hz"):
        diarizer.begin(ANYBODY).hear(Audio(np.zeros(100, np.float32), 8_000))


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("hf-seq2seq", "a WhisperForConditionalGeneration, which does not tell who speaks"),
        ("vibevoice", "transcribes, and tells speakers along with the words"),
    ],
)
def test_a_model_that_does_not_diarize_is_told_by_what_it_is(folder, told):
    with pytest.raises(UsageError, match=told):
        opened(TINY / folder)


def test_weights_of_another_shape_are_told(tmp_path):
    shutil.copytree(TINY / "hf-diarizer", tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    config["head_config"]["num_speakers"] = config["streaming_config"]["num_speakers"] = 2
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))

    with pytest.raises(DataError, match="are not those of its config"):
        opened(tmp_path / "m")


def test_its_stage_says_what_was_run(diarizer):
    assert diarizer.stage.stage == "diarize"
    assert "nemotron3_diarization" in diarizer.stage.engine
    assert diarizer.traits.rate == RATE


def test_a_transcriber_that_tells_speakers_gives_turns_too():
    """VibeVoice, by its own segments; MOSS-Transcribe-Diarize's are read in test_hf."""
    vibevoice_ = vibevoice.open(Setup("vibevoice", TINY / "vibevoice", "r", 3600.0, device="cpu"))
    (heard_,) = vibevoice_.transcribe([Audio(common.sound("talk", 24_000), 24_000)], [Hints()])

    turns = turns_of(heard_.segments)

    assert [turn.speaker for turn in turns] == ["0", "1"]
    for turn, (start, end, _, _) in zip(turns, common.turns("talk"), strict=True):
        assert (turn.start, turn.end) == pytest.approx((start, end), abs=0.1)
