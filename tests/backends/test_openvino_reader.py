"""Times read in OpenVINO are those that CTranslate2 reads, and those of labels."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spoken import DATA, RATE, clip, made

from speechcli.backends.base import Hints
from speechcli.backends.whisper_times import FRAME, TINY_EN, Aligner, CTranslate2, Part, Reader, Sound
from speechcli.core.audio import Audio

openvino_decoder = pytest.importorskip("speechcli.backends.openvino_decoder")
openvino_reader = pytest.importorskip("speechcli.backends.openvino_reader")

LABELLED = ("mary", "bobby")
LONG = ("1089-134686-0000", "LJ001-0002", "LJ001-0007")  # 23 s
LANES = 2


class Engines:
    """Words by the two of them, of the same sound."""

    def __init__(self, transcriber, model: Path) -> None:
        self.transcriber = transcriber
        self.decoder = openvino_decoder.Decoder(model, LANES, 1)
        silence = transcriber._silence
        self.ours = openvino_reader.Aligner(model, self.decoder, TINY_EN.chosen, LANES, 1, silence)
        self.theirs = CTranslate2(transcriber._model.model, silence)

    def sound(self, audio: Audio) -> Sound:
        encoded = self.transcriber._encode(audio)
        frames = min(int(audio.duration / FRAME + 0.5), encoded.shape[1])
        return Sound(encoded, frames, self.decoder.memory(encoded))

    def words(self, aligner: Aligner, sound: Sound, texts, parts=()):
        tokenizer = self.transcriber._tokenizer(sound.encoded, Hints())
        return Reader(aligner, pairs=True).words(tokenizer, sound, sound.frames * FRAME, texts, parts, sure=False)


@pytest.fixture(scope="module")
def engines(transcriber, tiny_en) -> Engines:
    return Engines(transcriber, tiny_en / "model.bin")


def tokens(name: str) -> list[str]:
    return [" " + word for word in (DATA / f"{name}.txt").read_text("utf-8").split()]


def edges(words) -> np.ndarray:
    return np.array([edge for word in words for edge in (word.start, word.end)])


def check_same(ours, theirs) -> None:
    apart = np.abs(edges(ours) - edges(theirs))
    assert [w.text for w in ours] == [w.text for w in theirs]
    assert np.mean(apart) < 0.01
    assert np.mean(apart < 1.5 * FRAME) > 0.95


@pytest.mark.parametrize("name", [*LABELLED, *LONG])
def test_words_are_where_ctranslate2_puts_them(engines, name):
    sound = engines.sound(clip(name))

    check_same(*(engines.words(aligner, sound, tokens(name)) for aligner in (engines.ours, engines.theirs)))


@pytest.mark.parametrize("name", LABELLED)
def test_words_are_where_a_person_put_them(engines, name):
    labels = json.loads((DATA / f"{name}.words.json").read_text())

    words = engines.words(engines.ours, engines.sound(clip(name)), tokens(name))

    off = np.abs(edges(words) - [label[edge] for label in labels for edge in ("start", "end")])
    assert np.mean(off) < 0.055
    assert max(off) < 0.1
    assert all(word.confidence is None and word.placed == "aligner" for word in words)


@pytest.mark.parametrize("seconds", [23.5, 29.9], ids=["silence at its end", "no silence at its end"])
def test_parts_of_a_window_are_read_by_themselves(engines, seconds):
    recording = made([*LONG, "mary"], (0.4, 0.4, 0.4, 0.4))
    n_samples = round(seconds * RATE)
    sound = engines.sound(Audio(recording.audio.samples[:n_samples], RATE))
    spans = list(zip(recording.names, recording.spans, strict=True))
    inside = [(name, span) for name, span in spans if span.end < seconds]
    texts = [token for name, _ in inside for token in tokens(name)]
    parts = [Part(span.start, span.end, len(tokens(name))) for name, span in inside]

    ours, theirs = (engines.words(aligner, sound, texts, parts) for aligner in (engines.ours, engines.theirs))

    assert len(inside) >= 3
    check_same(ours, theirs)


def test_what_was_compiled_is_kept_and_lost_without_harm(engines, tiny_en, tmp_path):
    cache = tmp_path / "reader.blob"
    sound = engines.sound(clip("mary"))
    words = engines.words(engines.ours, sound, tokens("mary"))

    for damage in (None, b"", b"damaged", None):
        if damage is not None:
            cache.write_bytes(damage)
        again = openvino_reader.Aligner(
            tiny_en / "model.bin", engines.decoder, TINY_EN.chosen, 1, 1, engines.transcriber._silence, cache
        )
        assert engines.words(again, sound, tokens("mary")) == words
        assert cache.stat().st_size > 1e6


def test_two_at_once_read_what_each_reads_alone(engines):
    sounds = [(engines.sound(clip(name)), tokens(name)) for name in (*LABELLED, *LONG)]

    def read(both):
        return engines.words(engines.ours, *both)

    with ThreadPoolExecutor(LANES) as pool:
        together = list(pool.map(read, sounds * 3))

    assert together == [read(both) for both in sounds] * 3


def test_two_frames_and_as_many_tokens_as_there_is_room_for(engines):
    sound = engines.sound(clip("mary"))
    tokenizer = engines.transcriber._tokenizer(sound.encoded, Hints())
    look = engines.ours(sound, tokenizer)

    assert set(look(3, 5, [tokenizer.no_timestamps]).first) <= {0, 1}
    first = look(0, sound.frames, tokenizer.encode(" a") * 440).first
    assert len(first) == 441
    assert all(0 <= a <= b < sound.frames for a, b in itertools.pairwise(first))


@given(st.integers(0, 2**32), st.integers(2, 30), st.integers(2, 30))
def test_frames_are_measured_by_what_is_usual_for_them(seed, n_tokens, n_frames):
    """The formulas of openai/whisper, timing.py, as they stand."""
    looked = np.random.default_rng(seed).exponential(size=(2, n_tokens, n_frames)).astype(np.float32)
    of_sound = looked.astype(np.float64) / looked.sum(2, keepdims=True, dtype=np.float64)
    usual = (of_sound - of_sound.mean(1, keepdims=True)) / of_sound.std(1, keepdims=True)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(usual, ((0, 0), (0, 0), (1, 1)), "reflect"), 3, axis=2)

    assert np.allclose(openvino_reader._likeness(looked), np.median(around, axis=3).mean(0), atol=0.02)


def test_what_nothing_is_looked_at_in_is_like_nothing():
    assert not openvino_reader._likeness(np.zeros((3, 4, 2), np.float32)).any()
