"""The outline of a recording: where it is loud, where it is silent, and as far as it can be heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechcli.errors import UsageError
from speechcli.media import peaks
from speechcli.media.peaks import Outline, outline
from speechcli.media.probe import probe

DATA = Path(__file__).parents[1] / "data"
RATE = 16_000


def drawn(path: Path, ffmpeg: Path, track: int | None = None) -> Outline:
    return outline(path, probe(path, ffmpeg), ffmpeg, track)


def tone(seconds: float, loud: float) -> np.ndarray:
    return (loud * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def test_each_moment_is_as_loud_as_it_is(tmp_path, ffmpeg):
    path = tmp_path / "steps.wav"
    soundfile.write(path, np.concatenate([tone(1, 0.25), np.zeros(RATE, np.float32), tone(1, 0.5)]), RATE)

    found = drawn(path, ffmpeg)
    values = np.frombuffer(found.values, np.uint8)

    assert (found.rate, len(values)) == (100, 300)
    assert np.all(np.abs(values[2:98].astype(int) - 64) <= 2)
    assert not values[102:198].any()
    assert np.all(np.abs(values[202:298].astype(int) - 128) <= 2)


def test_the_loudest_sample_counts_and_not_the_mean(tmp_path, ffmpeg):
    path = tmp_path / "clap.wav"
    samples = np.zeros(2 * RATE, np.float32)
    samples[RATE : RATE + 40] = 0.9  # 2.5 ms
    soundfile.write(path, samples, RATE)

    values = drawn(path, ffmpeg).values

    assert values[100] > 200
    assert not any(values[110:])


@pytest.mark.parametrize("noise", [0.0, 1e-4], ids=["digital", "of a quiet room"])
def test_silence_is_zeros(tmp_path, ffmpeg, noise):
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.random.default_rng(1).normal(0, noise, 2 * RATE).astype(np.float32), RATE)

    assert drawn(path, ffmpeg).values == bytes(200)


def test_what_is_too_loud_is_full_scale_and_no_more(tmp_path, ffmpeg):
    path = tmp_path / "loud.wav"
    soundfile.write(path, tone(1, 3.0), RATE, subtype="FLOAT")

    assert max(drawn(path, ffmpeg).values) == 255


def test_a_long_recording_has_no_more_peaks_than_a_page_can_draw(tmp_path, ffmpeg, monkeypatch):
    """Twenty a second for an hour; here a clip of 11 s with fewer allowed, to the same loudest moments."""
    whole = drawn(DATA / "jfk.flac", ffmpeg)
    monkeypatch.setattr(peaks, "MOST", 240)

    found = drawn(DATA / "jfk.flac", ffmpeg)

    assert (len(whole.values), whole.rate) == (1100, 100)
    assert (len(found.values), found.rate) == (220, 20)
    assert found.values == bytes(max(whole.values[i : i + 5]) for i in range(0, 1100, 5))


def test_a_broken_recording_gives_what_can_be_had(tmp_path, ffmpeg):
    whole = (DATA / "jfk.flac").read_bytes()
    path = tmp_path / "cut.flac"
    path.write_bytes(whole[: len(whole) // 2])

    found = drawn(path, ffmpeg)

    assert 300 < len(found.values) < 900
    assert max(found.values) > 100


def test_a_recording_of_which_nothing_can_be_decoded_gives_no_peaks(tmp_path, ffmpeg):
    """It was whole when it was looked at, and was overwritten since."""
    facts = probe(DATA / "jfk.flac", ffmpeg)
    path = tmp_path / "gone.flac"
    path.write_bytes(bytes(3000))

    assert outline(path, facts, ffmpeg).values == b""


def test_another_track_has_another_outline(tmp_path, ffmpeg, make):
    for name, loud in (("a.wav", 0.1), ("b.wav", 0.6)):
        soundfile.write(tmp_path / name, tone(1, loud), RATE)
    path = make("two.mka", "-i", tmp_path / "a.wav", "-i", tmp_path / "b.wav", "-map", "0:a", "-map", "1:a")

    assert max(drawn(path, ffmpeg, 0).values) < 40
    assert max(drawn(path, ffmpeg, 1).values) > 120
    with pytest.raises(UsageError, match="no audio track 2"):
        drawn(path, ffmpeg, 2)


def test_memory_does_not_grow_with_the_recording(tmp_path, ffmpeg):
    """An hour of sound at a low rate: what Python holds of it at once is minutes."""
    import tracemalloc

    path = tmp_path / "hour.flac"
    soundfile.write(path, np.tile(tone(1, 0.1)[::2], 3600), 8000)
    tracemalloc.start()
    try:
        found = drawn(path, ffmpeg)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert (len(found.values), found.rate) == (72_000, 20)
    assert peak < 8 << 20, "an hour at 4 kHz would be 57 MB"
