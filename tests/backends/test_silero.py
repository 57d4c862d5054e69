"""The speech detector: where it hears speech, and that sound may come in blocks of any size."""

import itertools

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spoken import CLIPS, RATE, blocks, clip, made

from speechcli.backends import registry, vad_silero
from speechcli.backends.onnx_bytes import written
from speechcli.backends.vad_silero import FRAME, Silero
from speechcli.core.audio import Audio
from speechcli.core.span import Span, merged, total, uncovered
from speechcli.errors import UnavailableError
from speechcli.timeline.windows import Rules, plan

NAMES = ("1089-134686-0000", "LJ001-0016", "2414-128291-0000", "1998-15444-0000", "LJ001-0002")


@pytest.fixture(scope="module")
def detector():
    return registry.open_detector()


def spans_of(probabilities: np.ndarray, seconds: float) -> list[Span]:
    """Where speech is, by the rules that cut recordings, pauses inside an utterance closed."""
    windows = plan([(seconds, probabilities.tolist())], FRAME / RATE, Rules())
    return merged([s for w in windows for s in w.speech], within=0.8)


def test_speech_is_found_where_it_was_put(detector):
    """Five utterances after silences of 2 to 5 s: as many stretches, each within 0.3 s of its place."""
    recording = made(NAMES, (2.0, 3.0, 5.0, 2.5, 4.0))

    found = spans_of(detector.fresh()(recording.audio), recording.audio.duration)

    assert len(found) == len(NAMES)
    for span, there in zip(recording.spans, found, strict=True):
        assert there.start == pytest.approx(span.start, abs=0.3)
        assert there.end == pytest.approx(span.end, abs=0.3)


@pytest.mark.parametrize("loudness", [0.05, 0.3, 1.0])
def test_quiet_speech_is_speech_too(detector, loudness):
    recording = made(NAMES, (2.0, 3.0, 5.0, 2.5, 4.0))
    quieter = Audio(recording.audio.samples * np.float32(loudness), RATE)

    found = spans_of(detector.fresh()(quieter), quieter.duration)

    missed = uncovered(recording.spans, found)
    assert total(missed) < 0.1 * total(recording.spans)


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(CLIPS[:6]), data=st.data())
def test_blocks_of_any_whole_number_of_frames_give_what_one_block_gives(detector, name, data):
    audio = clip(name)
    frames = -(-len(audio.samples) // FRAME)
    cuts = sorted(data.draw(st.sets(st.integers(1, frames - 1), max_size=20)))
    edges = [0, *(cut * FRAME for cut in cuts), len(audio.samples)]
    whole = detector.fresh()(audio)
    streaming = detector.fresh()

    parts = [streaming(Audio(audio.samples[a:b], RATE, a)) for a, b in itertools.pairwise(edges)]

    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


def as_published(audio: Audio) -> np.ndarray:
    """Probabilities by the graph as its makers wrote it, all frames at once."""
    session = onnxruntime.InferenceSession(str(vad_silero._file()), providers=["CPUExecutionProvider"])
    sound = np.pad(audio.samples, (64, -len(audio.samples) % FRAME))
    state = np.zeros((1, 1, 128), np.float32)
    frames = np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(sound, 64 + FRAME)[::FRAME])
    return session.run(None, {"input": frames, "h": state, "c": state})[0].reshape(-1)


LOUD_NOISE = np.random.default_rng(3).uniform(-1, 1, 5 * RATE).astype(np.float32)
FAINT = np.full(3 * RATE, 1e-20, np.float32)


@pytest.mark.parametrize(
    "audio",
    [*map(clip, CLIPS), made(NAMES, (2.0, 0.1, 5.0, 0.3, 4.0)).audio, Audio(LOUD_NOISE, RATE), Audio(FAINT, RATE)],
    ids=[*CLIPS, "several", "noise", "faint"],
)
def test_probabilities_are_those_of_the_published_graph(detector, audio):
    np.testing.assert_allclose(detector.fresh()(audio), as_published(audio), atol=2e-5)


def test_another_graph_than_the_known_one_is_told(monkeypatch, tmp_path):
    other = tmp_path / "silero_vad_v6.onnx"
    other.write_bytes(written([], {"somebody's weight": np.zeros(3, np.float32)}, [], []))
    monkeypatch.setattr(vad_silero, "_file", lambda: other)

    with pytest.raises(UnavailableError, match="is not the one that is known here"):
        Silero()


def test_a_fresh_detector_does_not_remember_the_recording_before(detector):
    audio = clip(NAMES[0])
    first = detector.fresh()(audio)
    used = detector.fresh()
    used(clip(NAMES[1]))

    np.testing.assert_array_equal(used.fresh()(audio), first)


def test_one_probability_a_frame_a_short_last_one_included(detector):
    for size in (1, FRAME - 1, FRAME, FRAME + 1, 10 * FRAME):
        (block,) = blocks(Audio(np.zeros(size, np.float32), RATE), size)
        probabilities = detector.fresh()(block)

        assert probabilities.shape == (-(-size // FRAME),)
        assert np.all((probabilities >= 0) & (probabilities <= 1))
    assert Silero()(Audio(np.zeros(0, np.float32), RATE)).shape == (0,)


def test_sound_is_not_written_to(detector):
    samples = clip(NAMES[4]).samples.copy()
    samples.flags.writeable = False

    detector.fresh()(Audio(samples, RATE))

    np.testing.assert_array_equal(samples, clip(NAMES[4]).samples)
