"""Channels to mono, by numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from speechcli.errors import MediaError
from speechcli.media.mix import Mixer

T = np.arange(16_384) / 16_000
TONE = (0.5 * np.sin(2 * np.pi * 440 * T)).astype(np.float32)
OTHER = (0.5 * np.sin(2 * np.pi * 700 * T)).astype(np.float32)
NOTHING = np.zeros_like(TONE)


def stack(*channels):
    return np.stack(channels, axis=1).astype(np.float32)


def rms(samples):
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


@settings(deadline=None, max_examples=200)
@given(arrays(np.float32, st.tuples(st.integers(0, 40), st.integers(1, 4)), elements=st.floats(width=32)))
@example(np.float32([[-7e15, -1e10]]))
def test_whatever_comes_in_finite_sound_within_full_scale_comes_out(frames):
    before = frames.copy()
    mixed = Mixer(frames.shape[1]).mix(frames)

    assert mixed.shape == (len(frames),)
    assert mixed.dtype == np.float32
    assert np.isfinite(mixed).all()
    assert (np.abs(mixed) <= 1).all()
    np.testing.assert_array_equal(frames, before)  # and what came in is not touched


def test_mono_passes_unchanged():
    mixed = Mixer(1).mix(TONE[:, None])
    np.testing.assert_array_equal(mixed, TONE)
    assert not np.shares_memory(mixed, TONE)


def test_the_divisor_is_the_number_of_channels_heard_so_far():
    """A second speaker who comes later halves the level once; his silence does not double it again."""
    mixer = Mixer(2)
    levels = [rms(mixer.mix(stack(*pair))) / rms(TONE) for pair in ((TONE, NOTHING), (TONE, OTHER), (TONE, NOTHING))]
    assert levels == pytest.approx([1, np.sqrt(0.5), 0.5], rel=0.02)


def test_noise_of_a_silent_channel_is_not_being_heard():
    hiss = np.random.default_rng(1).normal(0, 5e-5, len(TONE)).astype(np.float32)  # -86 dBFS: dither, codecs
    assert rms(Mixer(2).mix(stack(TONE, hiss))) == pytest.approx(rms(TONE), rel=0.01)


@pytest.mark.parametrize("weight", [-1, -0.95, -1.05])
def test_channels_that_cancel_are_turned_round(weight):
    mixer = Mixer(2)
    assert rms(mixer.mix(stack(TONE, weight * TONE))) > 0.9 * rms(TONE)
    assert mixer.notes == ("channels cancel each other: channel 1 turned round",) or weight == -1.05


def test_after_cancelling_nobody_who_speaks_on_one_channel_is_lost():
    """The first second of music in opposite phase must not cost the right-hand speaker."""
    mixer = Mixer(2)
    mixer.mix(stack(TONE, -TONE))
    for pair in ((NOTHING, OTHER), (OTHER, NOTHING), (TONE, TONE), (TONE, OTHER)):
        assert rms(mixer.mix(stack(*pair))) >= 0.49 * max(map(rms, pair))


def test_a_little_difference_is_not_cancelling():
    mixer = Mixer(2)
    mixer.mix(stack(TONE, OTHER))
    assert mixer.notes == ()


def test_gain_falls_and_never_rises():
    mixer = Mixer(1)
    loud = mixer.mix(1000 * TONE[:, None])
    after = mixer.mix(TONE[:, None])
    assert np.abs(loud).max() == pytest.approx(1, abs=1e-3)
    assert np.abs(after).max() == pytest.approx(0.5 / 500, rel=0.01)


def test_a_spike_is_cut_off_and_what_follows_is_not_turned_down():
    """One broken frame of an mp3: 400 samples, thirty times too loud."""
    broken = TONE.copy()
    broken[1000:1400] *= 60
    mixer = Mixer(1)
    assert np.abs(mixer.mix(broken[:, None])).max() == 1
    np.testing.assert_array_equal(mixer.mix(TONE[:, None]), TONE)
    assert mixer.notes == ()


def test_refusal_waits_while_the_rest_may_be_good():
    bad = TONE.copy()
    bad[:50] = np.nan
    mixer = Mixer(1)
    mixer.mix(bad[:, None])

    mixer.refuse("a.wav", expected=10 * len(TONE))
    with pytest.raises(MediaError, match=r"a.wav: 0.31 % of the samples are not numbers"):
        mixer.refuse("a.wav")
