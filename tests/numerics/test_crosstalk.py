"""What leaks from one channel into the other goes, and nothing else does; on calls made of clips."""

import numpy as np
import pytest
from calls import call, lines, loud
from spoken import RATE, clip

from speechcli.numerics.crosstalk import Crosstalk


def cleaned(recorded: np.ndarray, seconds: float = 8.0) -> np.ndarray:
    crosstalk = Crosstalk(len(recorded), RATE)
    size = round(seconds * RATE)
    parts = [crosstalk(list(recorded[:, at : at + size])) for at in range(0, recorded.shape[1], size)]
    return np.stack([np.concatenate([part[channel] for part in parts]) for channel in range(len(recorded))])


def shares(recorded: np.ndarray, spoken: np.ndarray) -> tuple[float, float, float]:
    """Of the energy, what is left: where only the other talks, where only the channel's own does, where both do."""
    clean = cleaned(recorded)
    before, after = np.zeros(3), np.zeros(3)
    talk = [loud(one) for one in spoken]
    for channel in (0, 1):
        own, other = np.repeat(talk[channel], RATE // 10), np.repeat(talk[1 - channel], RATE // 10)
        for i, where in enumerate((other & ~own, own & ~other, own & other)):
            before[i] += np.sum(recorded[channel, : len(own)][where] ** 2)
            after[i] += np.sum(clean[channel, : len(own)][where] ** 2)
    leak, alone, together = after / before
    return leak, alone, together


@pytest.mark.parametrize("level", [-10.0, -15.0, -25.0])
@pytest.mark.parametrize(
    "late",
    [0.0, pytest.param(0.005, marks=pytest.mark.slow), 0.04, pytest.param(0.15, marks=pytest.mark.slow)],
    ids=lambda s: f"{1000 * s:g}ms",
)
def test_a_leak_is_silenced_and_those_who_talk_are_not(level, late):
    spoken = lines()

    leak, alone, together = shares(call(spoken, level, late), spoken)

    assert leak < 0.05
    assert alone > 0.995
    assert together > 0.85


def test_a_leak_through_a_room_is_silenced():
    spoken = lines()

    leak, alone, together = shares(call(spoken, -15.0, room=True), spoken)

    assert leak < 0.03
    assert alone > 0.995
    assert together > 0.95


@pytest.mark.parametrize("loudness", [1.0, 0.3, 0.1])
def test_where_nothing_leaks_nothing_is_lost_however_unlike_the_levels(loudness):
    spoken = lines(loud=loudness)
    recorded = call(spoken, None)

    assert (cleaned(recorded) == recorded).all()


def test_a_quiet_speaker_is_not_taken_for_a_leak_where_there_is_one():
    spoken = lines(loud=0.3)

    _, alone, _ = shares(call(spoken, -20.0), spoken)

    assert alone > 0.995


def test_what_is_as_loud_on_all_channels_is_the_first_ones():
    """An announcement at the beginning of a call."""
    rest = np.zeros(2 * RATE, np.float32)
    announcement = np.concatenate([clip("LJ001-0001").samples, rest])
    reply = np.concatenate([clip("3080-5032-0000").samples, rest])
    recorded = np.stack([np.concatenate([announcement, 0 * reply]), np.concatenate([announcement, reply])])
    recorded += np.random.default_rng(1).normal(0, 1e-4, recorded.shape).astype(np.float32)

    clean = cleaned(recorded)

    n = len(announcement)
    assert np.sum(clean[0, :n] ** 2) > 0.99 * np.sum(recorded[0, :n] ** 2)
    assert np.sum(clean[1, :n] ** 2) < 0.05 * np.sum(recorded[1, :n] ** 2)
    assert np.sum(clean[1, n:] ** 2) > 0.99 * np.sum(recorded[1, n:] ** 2)


def test_three_channels():
    spoken = np.concatenate([lines(), np.zeros((1, 62 * RATE), np.float32)])
    spoken[2, 30 * RATE : 30 * RATE + len(clip("LJ001-0001").samples)] = clip("LJ001-0001").samples
    recorded = spoken + 0.15 * (spoken.sum(axis=0) - spoken)
    recorded = np.clip(recorded + np.random.default_rng(2).normal(0, 3e-4, spoken.shape), -1, 1).astype(np.float32)

    clean = cleaned(recorded)

    alone = np.s_[int(2.0 * RATE) : int(15.0 * RATE)]  # the first speaker
    assert np.sum(clean[0, alone] ** 2) > 0.99 * np.sum(recorded[0, alone] ** 2)
    for other in (1, 2):
        assert np.sum(clean[other, alone] ** 2) < 0.06 * np.sum(recorded[other, alone] ** 2)


def test_silence_and_short_blocks_pass_and_arrays_are_not_written_to():
    crosstalk = Crosstalk(2, RATE)
    silence = np.zeros(RATE, np.float32)
    short = clip("1089-134691-0000").samples[8000:8100]
    kept = short.copy()

    assert all(not one.any() and len(one) == RATE for one in crosstalk([silence, silence]))
    assert [len(one) for one in crosstalk([short, 0.1 * short])] == [100, 100]
    assert (short == kept).all()
    assert [len(one) for one in crosstalk([short[:0], short[:0]])] == [0, 0]


@pytest.mark.parametrize("rate", [8_000, 24_000])
def test_other_rates(rate):
    spoken = lines()
    step = np.arange(0, spoken.shape[1] - 1, RATE / rate)
    recorded = call(spoken)
    there = np.stack([np.interp(step, np.arange(len(one)), one) for one in recorded]).astype(np.float32)
    crosstalk = Crosstalk(2, rate)

    clean = np.concatenate(
        [crosstalk(list(there[:, at : at + 8 * rate]))[1] for at in range(0, there.shape[1], 8 * rate)]
    )

    first = np.s_[2 * rate : 15 * rate]
    assert np.sum(clean[first] ** 2) < 0.06 * np.sum(there[1, first] ** 2)
