"""How voices sound: the features against Kaldi's formulas, and prints of people who read in the clips of data/."""

import itertools
import threading
from collections.abc import Callable

import numpy as np
import pytest
from spoken import RATE, clip

from speechcli.backends import community1
from speechcli.core.audio import Audio
from speechcli.core.span import Span

pytest.importorskip("kaldi_native_fbank", reason="needs the extra: pip install speechcli[diarize]")
from speechcli.backends import wespeaker
from speechcli.backends.wespeaker import WeSpeaker

READERS = {
    "1089": ("1089-134686-0000", "1089-134686-0001"),
    "2414": ("2414-128291-0002", "2414-128291-0000"),
    "367": ("367-130732-0001", "367-130732-0000"),
    "LJ": ("LJ001-0001", "LJ001-0002"),
    "3080": ("3080-5032-0000",),
    "1998": ("1998-15444-0000",),
    "Kennedy": ("jfk",),
}


@pytest.fixture(scope="module")
def printer(models) -> WeSpeaker:
    return WeSpeaker(community1.load(community1.find()))


def kaldi_fbank(samples: np.ndarray) -> np.ndarray:
    """Kaldi's feature-window.cc, mel-computations.cc and feature-fbank.cc in a few lines, for 16 kHz and 80 bands."""
    sound = samples.astype(np.float64) * 32768
    hamming = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(400) / 399)

    def mel(hertz: float | np.ndarray) -> np.ndarray:
        return 1127 * np.log(1 + np.asarray(hertz) / 700)

    edges = np.linspace(mel(20), mel(8000), 82)
    bins = mel(np.arange(257) * RATE / 512)
    up = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    bands = np.maximum(0, np.minimum(up, down))
    bands[:, 256] = 0  # Kaldi leaves the last bin out
    rows = []
    for start in range(0, len(sound) - 399, 160):
        frame = sound[start : start + 400]
        frame = frame - frame.mean()
        frame = (frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])) * hamming
        power = np.abs(np.fft.rfft(frame, 512)) ** 2
        rows.append(np.log(np.maximum(bands @ power, np.finfo(np.float32).eps)))
    return np.array(rows)


def test_features_are_kaldis():
    sound = clip("1089-134686-0001").samples[: 2 * RATE + 77]

    found = wespeaker.fbank(sound)

    expected = kaldi_fbank(sound)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=0.02)
    assert np.abs(found - expected).mean() < 1e-3


@pytest.mark.parametrize(("n", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16_000, 98)])
def test_a_frame_is_25_ms_each_10_ms(n, frames):
    features = wespeaker.fbank(np.random.default_rng(1).normal(0, 0.1, n).astype(np.float32))

    assert features.shape == (frames, 80)
    middles = wespeaker.centres(frames)
    assert middles.tolist() == pytest.approx([(160 * i + 200) / RATE for i in range(frames)])


def test_silence_has_features_that_are_numbers():
    assert np.isfinite(wespeaker.fbank(np.zeros(RATE, np.float32))).all()


def test_many_stretches_in_one_pass_give_what_each_gives_by_itself(printer):
    """What makes overlapping windows nearly free; two of them have holes, one is a single half second."""
    features = wespeaker.fbank(clip("2414-128291-0002").samples[: 8 * RATE])
    weights = np.zeros((6, len(features)), np.float32)
    for i, (start, stop) in enumerate([(0, 150), (50, 200), (50, 200), (600, 750), (300, 350), (0, len(features))]):
        weights[i, start:stop] = 1
    weights[2, 90:130] = weights[5, ::3] = 0

    together = printer.embed(features, weights)

    assert together.shape == (6, wespeaker.SIZE)
    for row, found in zip(weights, together, strict=True):
        np.testing.assert_allclose(found, printer.embed(features, row[None])[0], rtol=1e-3, atol=1e-4)
    assert np.abs(together[1] - together[2]).max() > 1e-3, "a hole says something"


def test_what_has_no_weight_hardly_counts(printer):
    """Others around it are heard by the first layers only: a stretch in two settings sounds as one voice."""
    mine, other = clip("1089-134686-0000").samples[: RATE * 3], clip("LJ001-0001").samples
    spans = [np.concatenate([mine, other[start : start + 3 * RATE]]) for start in (0, 5 * RATE)]
    found = []
    for sound in spans:
        features = wespeaker.fbank(sound)
        features = features - features.mean(axis=0)
        weights = np.zeros((2, len(features)), np.float32)
        weights[0, :290] = weights[1, 310:] = 1
        found.append(printer.embed(features, weights))

    (a, b), (c, _) = ([row / np.linalg.norm(row) for row in rows] for rows in found)
    assert a @ c > 0.8
    assert a @ b < 0.4


def test_one_voice_is_alike_and_two_are_not(printer):
    prints = {
        name: np.array(printer.voice(clip(name), [Span(0.0, min(6.0, clip(name).duration))]))
        for names in READERS.values()
        for name in names
    }
    who = {name: reader for reader, names in READERS.items() for name in names}

    for one, other in itertools.combinations(prints, 2):
        likeness = float(prints[one] @ prints[other])
        if who[one] == who[other]:
            assert likeness > printer.alike, (one, other)
        else:
            assert likeness < printer.alike - 0.05, (one, other)


def test_a_print_is_a_direction_and_comes_out_the_same_again(printer):
    audio = clip("jfk")
    spans = [Span(0.3, 2.2), Span(3.3, 7.6)]
    before = audio.samples.copy()

    print_ = printer.voice(audio, spans)

    assert print_ is not None
    assert len(print_) == wespeaker.SIZE
    assert np.linalg.norm(print_) == pytest.approx(1, abs=1e-3)
    assert printer.voice(audio, spans) == print_
    assert np.array_equal(audio.samples, before)


def test_only_what_is_asked_for_is_heard(printer):
    """A recording of two: each of them by the stretches that are theirs."""
    one, two = clip("1089-134686-0000").samples[: 8 * RATE], clip("LJ001-0001").samples[: 8 * RATE]
    both = Audio(np.concatenate([one, two]), RATE)

    first, second = (printer.voice(both, [Span(at, at + 8.0)]) for at in (0.0, 8.0))

    assert first == printer.voice(Audio(one, RATE), [Span(0.0, 8.0)])
    assert second == printer.voice(Audio(two, RATE), [Span(0.0, 8.0)])


def test_stretches_count_by_their_length(printer):
    audio = clip("2414-128291-0002")
    parts = [Span(0.0, 10.0), Span(10.0, 14.0)]
    first, second = (np.array(printer.voice(audio, [part])) for part in parts)
    both = np.array(printer.voice(audio, parts))

    mean = 10 * first + 4 * second
    assert both == pytest.approx(mean / np.linalg.norm(mean), abs=1e-4)
    assert first @ second < 0.95


@pytest.mark.parametrize(
    "spans",
    [(), (Span(1.0, 1.4),), (Span(0.0, 0.2), Span(2.0, 2.2)), tuple(Span(i, i + 0.02) for i in range(10))],
    ids=["none", "short", "two short ones", "crumbs"],
)
def test_too_little_speech_has_no_print(printer, spans):
    assert printer.voice(clip("jfk"), spans) is None


def test_stretches_after_the_end_of_the_sound_are_nothing(printer):
    assert printer.voice(clip("jfk"), [Span(30.0, 40.0)]) is None


def test_threads_hear_what_one_hears(printer):
    names = ("jfk", "LJ001-0016", "3080-5032-0000", "1089-134686-0001")
    alone = {name: printer.voice(clip(name), [Span(0.0, 3.0)]) for name in names}
    found: dict[str, object] = {}

    def hear(name: str) -> Callable[[], None]:
        return lambda: found.update({name: printer.voice(clip(name), [Span(0.0, 3.0)])})

    threads = [threading.Thread(target=hear(name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == alone
