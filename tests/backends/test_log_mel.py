"""Whisper's features: those of faster-whisper, whatever the sound and however long."""

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor
from hypothesis import given, settings
from hypothesis import strategies as st
from spoken import CLIPS, RATE, clip, made

from speechcli.backends.log_mel import _filters, features

LONG = made(CLIPS, [0.3] * len(CLIPS)).audio.samples
NOISE = np.random.default_rng(5).uniform(-1, 1, 31 * RATE).astype(np.float32)


def as_faster_whisper(samples: np.ndarray, n_mels: int, n_frames: int = 3000) -> np.ndarray:
    """Its features, without the frame that its padding adds, cut and padded as it does before it encodes."""
    made = FeatureExtractor(feature_size=n_mels)(samples)[:, :-1][:, :n_frames]
    return np.pad(made, ((0, 0), (0, n_frames - made.shape[1])))


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize(
    "samples",
    [
        *(clip(name).samples for name in CLIPS[:4]),
        LONG[: 30 * RATE],
        LONG[: 30 * RATE + 1],
        LONG[: 30 * RATE] * np.float32(1e-3),
        np.concatenate([np.zeros(5 * RATE, np.float32), clip(CLIPS[0]).samples]),
        NOISE[: 30 * RATE],
        NOISE,
        np.zeros(30 * RATE, np.float32),
    ],
    ids=[*CLIPS[:4], "30 s", "a sample more", "faint", "after silence", "noise", "31 s", "silence"],
)
def test_features_are_those_of_faster_whisper(samples, n_mels):
    found = features(samples, n_mels)

    assert found.dtype == np.float32
    assert found.shape == (n_mels, 3000)
    np.testing.assert_allclose(found, as_faster_whisper(samples, n_mels), atol=1e-5)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_bands_are_those_of_faster_whisper(n_mels):
    theirs = FeatureExtractor.get_mel_filters(RATE, 400, n_mels)

    np.testing.assert_allclose(_filters(n_mels), theirs, atol=1e-8)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 2000), frames=st.integers(1, 20))
def test_short_sound_and_short_encoders_too(n, frames):
    samples = LONG[4 * RATE : 4 * RATE + n]

    np.testing.assert_allclose(features(samples, 80, frames), as_faster_whisper(samples, 80, frames), atol=1e-5)


def test_no_sound_is_nothing_but_padding():
    assert not features(np.zeros(0, np.float32), 80).any()


def test_sound_is_not_written_to():
    samples = clip(CLIPS[0]).samples.copy()
    before = samples.copy()
    samples.flags.writeable = False

    features(samples, 80)

    np.testing.assert_array_equal(samples, before)
