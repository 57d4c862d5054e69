"""The law of `base.Transcriber`, the same for every family: held by the small checkpoints on the clips they know."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from tiny import common

from speechcli.backends import registry
from speechcli.backends.base import Hints, Transcriber
from speechcli.core.audio import Audio
from speechcli.core.transcript import Heard, joined

TINY = Path(common.__file__).parent
FAMILIES = ("vibevoice", "qwen3-asr", "voxtral-realtime", "hf-ctc", "hf-seq2seq")
NAMES = tuple(common.CLIPS)


@pytest.fixture(scope="module", params=FAMILIES)
def opened(request):
    made = registry.open_transcriber(registry.resolve(registry.Wanted(str(TINY / request.param), device="cpu")))
    yield made
    made.close()


@pytest.fixture(scope="module")
def clips(opened: Transcriber) -> list[Audio]:
    return [Audio(common.sound(name, opened.traits.rate), opened.traits.rate) for name in NAMES]


@pytest.fixture(scope="module")
def heard(opened: Transcriber, clips: list[Audio]) -> list[Heard]:
    return opened.transcribe(clips, [Hints()] * len(clips))


def bare(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


def test_one_answer_per_audio_in_order_with_the_words_that_were_spoken(heard):
    assert [bare("".join(s.text for s in answer.segments)) for answer in heard] == [bare(common.text(n)) for n in NAMES]


def test_the_same_audio_gives_the_same_answer_alone_and_in_a_batch(opened, clips, heard):
    for audio, answer in zip(clips, heard, strict=True):
        (alone,) = opened.transcribe([audio], [Hints()])
        assert [(s.text, s.speaker) for s in alone.segments] == [(s.text, s.speaker) for s in answer.segments]
        for one, other in zip(alone.segments, answer.segments, strict=True):
            assert (one.start, one.end) == pytest.approx((other.start, other.end), abs=0.001)


def test_the_same_batch_gives_the_same_answer_again(opened, clips, heard):
    assert opened.transcribe(clips, [Hints()] * len(clips)) == heard


def test_times_lie_inside_the_audio_and_do_not_decrease_and_words_join_to_text(clips, heard):
    for audio, answer in zip(clips, heard, strict=True):
        assert all(0 <= s.start <= s.end <= audio.duration + 1e-6 for s in answer.segments)
        assert all(a.start <= b.start for a, b in itertools.pairwise(answer.segments))
        for segment in answer.segments:
            assert not segment.words or joined(segment.words) == segment.text
            assert all(0 <= w.start <= w.end <= audio.duration + 1e-6 for w in segment.words)
            assert all(a.start <= b.start for a, b in itertools.pairwise(segment.words))


def test_empty_audio_is_legal_and_gives_nothing_between_others_too(opened, clips, heard):
    nothing = Audio(np.zeros(0, np.float32), opened.traits.rate)

    first, empty, last = opened.transcribe([clips[0], nothing, clips[1]], [Hints()] * 3)

    assert empty == Heard()
    assert [s.text for s in first.segments] == [s.text for s in heard[0].segments]
    assert [s.text for s in last.segments] == [s.text for s in heard[1].segments]
    assert opened.transcribe([nothing], [Hints()]) == [Heard()]
    assert opened.transcribe([], []) == []


def test_silence_gives_nothing(opened):
    rate = opened.traits.rate

    (answer,) = opened.transcribe([Audio(common.faint(4.0, rate), rate)], [Hints()])

    assert answer.segments == ()


def test_arrays_are_not_written_to(opened, clips):
    samples = clips[1].samples.copy()
    samples.flags.writeable = False

    opened.transcribe([Audio(samples, opened.traits.rate)], [Hints()])

    np.testing.assert_array_equal(samples, clips[1].samples)


def test_the_stage_says_what_it_was_made_with(opened, heard):
    assert opened.stage.stage == "transcribe"
    assert opened.stage.revision.startswith("files:")
    assert opened.stage.engine
    assert all(answer.raw for answer in heard)
