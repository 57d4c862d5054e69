"""Prints of voices, by clips of known speakers."""

import numpy as np
import pytest
from tiny import common

from speechcli.numerics.voice import voice

PAIRS = {  # two recordings of each speaker
    "1089": ("1089-134686-0000", "1089-134686-0001"),
    "2414": ("2414-128291-0000", "2414-128291-0002"),
    "367": ("367-130732-0000", "367-130732-0001"),
    "LJ": ("LJ001-0001", "LJ001-0002"),
}


def print_of(file: str, rate: int = 16_000) -> np.ndarray:
    samples = common.recording(file, rate)
    found = voice(samples, rate, [(0.0, len(samples) / rate)])
    assert found is not None
    return np.array(found)


@pytest.mark.parametrize("speaker", PAIRS)
def test_a_voice_is_nearest_to_itself(speaker):
    first = print_of(PAIRS[speaker][0])

    likeness = {other: float(first @ print_of(files[1])) for other, files in PAIRS.items()}

    assert max(likeness, key=lambda other: likeness[other]) == speaker
    assert likeness[speaker] > 0.5


def test_voices_of_different_people_point_elsewhere():
    prints = [print_of(files[0]) for files in PAIRS.values()]

    assert np.mean([a @ b for i, a in enumerate(prints) for b in prints[:i]]) < 0.3


def test_a_print_has_unit_length_and_does_not_depend_on_rate_or_loudness():
    file = PAIRS["1089"][0]
    samples = common.recording(file, 16_000)
    quiet = np.array(voice(samples * np.float32(0.05), 16_000, [(0.0, len(samples) / 16_000)]))

    assert np.linalg.norm(print_of(file)) == pytest.approx(1, abs=1e-3)
    assert print_of(file) @ print_of(file, 24_000) > 0.97
    assert print_of(file) @ quiet > 0.97


def test_too_little_of_a_voice_gives_none():
    samples = common.recording(PAIRS["1089"][0], 16_000)

    assert voice(samples, 16_000, []) is None
    assert voice(samples, 16_000, [(1.0, 1.2)]) is None
    assert voice(np.zeros(0, np.float32), 16_000, [(0.0, 5.0)]) is None


@pytest.mark.slow
def test_an_hour_of_one_voice_sounds_as_a_part_of_it():
    samples = np.tile(common.recording(PAIRS["LJ"][0], 16_000), 400)

    found = np.array(voice(samples, 16_000, [(0.0, len(samples) / 16_000)]))

    assert found @ print_of(PAIRS["LJ"][0]) > 0.97


def test_silence_is_a_print_of_nothing_in_particular_and_no_error():
    found = voice(np.zeros(16_000 * 3, np.float32), 16_000, [(0.0, 3.0)])

    assert found is None or np.isfinite(found).all()
