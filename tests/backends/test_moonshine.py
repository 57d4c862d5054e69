"""Moonshine tiny-en: the law of every transcriber on real speech, and what it promises of its own."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny import common

import speechcli
from speechcli.backends import catalog, moonshine, registry, weights
from speechcli.backends.base import Hints
from speechcli.core.audio import Audio
from speechcli.core.transcript import Heard
from speechcli.errors import DataError, UsageError
from speechcli.timeline.polish import loop_in

DATA = Path(__file__).parent.parent / "data"
CLIPS = ("1089-134686-0000", "1998-15444-0000", "367-130732-0001", "3080-5032-0000")

pytestmark = pytest.mark.skipif(
    find_spec("moonshine_voice") is None, reason="needs speechcli[diarize], whose wheel brings the weights"
)


def clip(name: str) -> Audio:
    samples, rate = soundfile.read(DATA / f"{name}.flac", dtype="float32")
    return Audio(samples, rate)


def opened(**given: str) -> moonshine.Moonshine:
    made = registry.open_transcriber(registry.resolve(registry.Wanted("moonshine", settings=given)))
    assert isinstance(made, moonshine.Moonshine)
    return made


@pytest.fixture(scope="module")
def model():
    made = opened()
    yield made
    made.close()


@pytest.fixture(scope="module")
def clips() -> list[Audio]:
    return [clip(name) for name in CLIPS]


@pytest.fixture(scope="module")
def heard(model, clips) -> list[Heard]:
    return model.transcribe(clips, [Hints()] * len(clips))


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def test_one_answer_per_audio_in_order_with_the_words_that_were_spoken(heard):
    assert len(heard) == len(CLIPS)
    for name, answer in zip(CLIPS, heard, strict=True):
        spoken, found = words((DATA / f"{name}.txt").read_text()), words(answer.segments[0].text)
        assert sum(word in found for word in spoken) / len(spoken) > 0.7, (spoken, found)


def test_an_answer_is_one_segment_over_the_whole_audio_with_its_confidence(clips, heard):
    for audio, answer in zip(clips, heard, strict=True):
        (segment,) = answer.segments
        assert (segment.start, segment.end) == (0.0, audio.duration)
        assert segment.language == answer.language == "en"
        assert -0.6 < (segment.avg_logprob or 0.0) < 0
        assert (answer.notes, answer.loops, answer.raw) == ((), 0, segment.text)


def test_the_same_audio_gives_the_same_answer_alone_and_in_a_batch(model, clips, heard):
    for audio, answer in zip(clips, heard, strict=True):
        assert model.transcribe([audio], [Hints()]) == [answer]


def test_windows_heard_at_the_same_time_give_the_answers_they_give_alone(model, clips, heard):
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda audio: model.transcribe([audio], [Hints()])[0], clips))

    assert answers == heard


def test_empty_audio_between_others_gives_nothing(model, clips, heard):
    nothing = Audio(np.zeros(0, np.float32), 16000)

    assert model.transcribe([clips[2], nothing, clips[3]], [Hints()] * 3) == [heard[2], Heard(), heard[3]]
    assert model.transcribe([], []) == []


@pytest.mark.parametrize("n_samples", [1, 126, 127, 894, 895, 896, 1022, 1600, 3000])
def test_sound_shorter_than_the_encoders_first_frame_is_heard_without_an_error(model, clips, n_samples):
    samples = clips[0].samples[16000 : 16000 + n_samples]

    (answer,) = model.transcribe([Audio(samples, 16000)], [Hints()])

    assert all((s.start, s.end) == (0.0, n_samples / 16000) for s in answer.segments)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(32000, np.float32),
        common.faint(4.0, 16000),
        np.random.default_rng(0).normal(0, 0.05, 64000).astype(np.float32),
    ],
    ids=["digital", "faint", "loud noise"],
)
def test_silence_and_noise_give_no_text(model, samples):
    (answer,) = model.transcribe([Audio(samples, 16000)], [Hints()])

    assert answer.segments == ()


def test_arrays_are_not_written_to(model, clips, heard):
    samples = clips[2].samples.copy()
    samples.flags.writeable = False

    assert model.transcribe([Audio(samples, 16000)], [Hints()]) == [heard[2]]

    np.testing.assert_array_equal(samples, clips[2].samples)


def test_an_answer_that_is_longer_than_anybody_speaks_is_cut_off_and_told(model, clips, heard):
    short = opened(tokens_per_second="0.5")

    (answer,) = short.transcribe([clips[0]], [Hints()])

    assert 0 < len(words(answer.segments[0].text)) < len(words(heard[0].segments[0].text))
    assert answer.notes == ("an answer was cut off at its longest (--set tokens_per_second)",)


def test_a_loop_is_cut_after_its_first_round_and_counted(model, clips):
    again_and_again = np.tile(clips[0].samples[8000:24000], 15)

    (answer,) = model.transcribe([Audio(again_and_again, 16000)], [Hints()])

    assert answer.loops == len(answer.dropped) > 0
    assert {gone.reason for gone in answer.dropped} == {"repetition loop"}
    assert loop_in(answer.segments[0].text.split()) is None
    assert loop_in(answer.raw.split()) is not None


def test_what_is_said_after_a_loop_is_heard_all_the_same(model, clips):
    loop, pause = np.tile(clips[0].samples[8000:24000], 13), np.zeros(8000, np.float32)

    (answer,) = model.transcribe([Audio(np.concatenate([loop, pause, clips[0].samples]), 16000)], [Hints()])

    assert answer.loops > 0
    assert "turnips and carrots" in answer.segments[0].text


def test_a_loop_in_tokens_is_found_from_its_sixth_round_on():
    assert moonshine.loop_at([9, *[1, 2, 3] * 6]) == 4
    assert moonshine.loop_at([9, *[1, 2, 3] * 5]) is None
    assert moonshine.loop_at([*[7] * 6, 9]) is None  # it went on


def test_sound_is_halved_where_it_is_quietest_near_its_middle():
    sound = np.random.default_rng(2).normal(0, 0.1, 10 * 16000).astype(np.float32)
    sound[1000:3000] = 0  # too far from the middle
    sound[4 * 16000 : 4 * 16000 + 2400] = 0

    assert 4 * 16000 <= moonshine.quietest(sound, 2 * 16000) < 4 * 16000 + 2400


def test_every_token_has_its_piece_and_bytes_that_are_no_letter_alone_become_one(model):
    pieces = model._pieces
    euro = [pieces.index(bytes([byte])) for byte in "\u20ac".encode()]

    assert len(pieces) == 32768
    assert moonshine.text_of([1, pieces.index("\u2581the".encode()), *euro, 32001, 2], pieces) == "the\u20ac"


def test_a_piece_of_128_bytes_and_more_has_its_length_in_two():
    long = b"x" * 300
    data = b"\x05<unk>\x03<s>\x04</s>" + bytes([128 + 300 % 128, 300 // 128]) + long + b"\x00\x01a"

    assert moonshine.read_pieces(data, Path("tokenizer.bin")) == [b"<unk>", b"<s>", b"</s>", long, b"", b"a"]


@pytest.mark.parametrize("name", moonshine.FILES)
def test_a_folder_without_one_of_the_files_is_told_which(tmp_path, name):
    setup = registry.setup_of(registry.resolve(registry.Wanted("moonshine")))
    shutil.copytree(setup.folder, tmp_path / "model")
    (tmp_path / "model" / name).unlink()

    with pytest.raises(DataError, match=re.escape(name)):
        moonshine.open(replace(setup, folder=tmp_path / "model"))


@pytest.mark.parametrize("name", moonshine.FILES)
def test_a_file_that_is_cut_short_is_refused(tmp_path, name):
    setup = registry.setup_of(registry.resolve(registry.Wanted("moonshine")))
    shutil.copytree(setup.folder, tmp_path / "model")
    data = (setup.folder / name).read_bytes()
    (tmp_path / "model" / name).write_bytes(data[: len(data) // 2 + 1])

    with pytest.raises(DataError, match="whole"):
        moonshine.open(replace(setup, folder=tmp_path / "model"))


def test_weights_with_one_flipped_byte_are_refused(tmp_path, monkeypatch):
    folder = registry.setup_of(registry.resolve(registry.Wanted("moonshine"))).folder
    shutil.copytree(folder, tmp_path / "assets" / "tiny-en")
    path = tmp_path / "assets" / "tiny-en" / moonshine.FILES[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    monkeypatch.setattr(weights, "find_spec", lambda name: type("Spec", (), {"origin": str(tmp_path / "__init__.py")}))

    with pytest.raises(DataError, match="checksum"):
        weights.of_package(catalog.find("moonshine"))


@pytest.mark.parametrize(
    ("hints", "message"),
    [(Hints(languages=("de",)), "only knows English, not de"), (Hints(task="translate"), "cannot translate")],
)
def test_what_the_model_cannot_do_is_refused(model, clips, hints, message):
    with pytest.raises(UsageError, match=message):
        model.transcribe([clips[2]], [hints])


def test_hints_that_the_model_cannot_take_are_told_about(model, clips, heard):
    (answer,) = model.transcribe([clips[2]], [Hints(hotwords=("stew",), context="dinner")])

    assert answer.segments == heard[2].segments
    assert [note.split()[3].rstrip(",") for note in answer.notes] == ["hotwords", "context"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"device": "cuda"}, "processor"),
        ({"dtype": "float16"}, "int8"),
        ({"compile": True}, "--compile"),
        ({"attention": "sdpa"}, "--attn-implementation"),
        ({"quantize": "int4"}, "--quantize"),
        ({"settings": {"lanes": "9"}}, "at most 8"),
        ({"settings": {"tokens_per_second": "0"}}, "above 0"),
        ({"settings": {"beam_size": "3"}}, "known: tokens_per_second"),
    ],
)
def test_options_that_would_do_nothing_and_wrong_settings_are_refused(wanted, message):
    with pytest.raises(UsageError, match=message):
        registry.open_transcriber(registry.resolve(registry.Wanted("moonshine", **wanted)))


def test_a_recording_is_transcribed_like_with_any_other_model():
    transcript = speechcli.transcribe(DATA / "1089-134686-0000.flac", model="moonshine")

    assert "turnips and carrots" in transcript.text
    assert transcript.made_by[0].model == "moonshine-tiny.en"
    assert {word.placed for word in transcript.words} == {"interpolated"}
