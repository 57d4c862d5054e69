"""Sound to transcript with the real detector and the real model: windows, seams, odd lengths, memory."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from spoken import CLIPS, DATA, RATE, Made, blocks, clip, made, said, words, wrong

from speechcli import alignment, pipeline
from speechcli.backends import registry
from speechcli.backends.base import Hints, Transcriber
from speechcli.core.audio import Audio
from speechcli.core.span import Span
from speechcli.core.transcript import Heard, Segment, Transcript
from speechcli.timeline.stitch import Answer
from speechcli.timeline.windows import Rules, Window

BLOCK = 512 * 256
TWELVE = CLIPS[-12:]
LENGTHS = {"20 minutes": 20, "2 hours": 120}


@pytest.fixture(scope="module")
def detector():
    return registry.open_detector()


def transcribed(
    transcriber: Transcriber,
    detector,
    sound: Iterable[Audio],
    duration: float,
    rules: Rules = Rules(),
    only: tuple[Span, ...] = (),
) -> Transcript:
    """The stages one after the other, a window at a time; jobs/run.py does the same in batches."""

    def answers(window: Window, audio: Audio) -> Iterator[Answer]:
        (heard,) = pipeline.listen(transcriber, [(window, audio)], [Hints()]) if window.speech else [Heard()]
        answer = Answer(window, heard)
        yield answer
        for part in pipeline.to_hear_again(transcriber, answer):
            yield from answers(part, audio.cut(part.heard))

    groups = [list(answers(*pair)) for pair in pipeline.windows(sound, detector.fresh(), rules, only)]
    return pipeline.assemble("made", duration, groups, True, True, (), (transcriber.stage,))


def of(transcriber: Transcriber, detector, audio: Audio, **more) -> Transcript:
    return transcribed(transcriber, detector, blocks(audio, BLOCK), audio.duration, **more)


def errors(recording: Made, transcript: Transcript) -> int:
    return wrong(recording.said, words(transcript.text))


# --- windows ---


def test_windows_do_not_depend_on_the_blocks_that_sound_comes_in(detector):
    recording = made(TWELVE[:6], (0.5, 5.0, 0.3, 0.4, 12.0, 0.6)).audio
    samples = recording.samples

    def cut(size: int) -> list[tuple[Window, list[float]]]:
        found = list(pipeline.windows(blocks(recording, size), detector.fresh(), Rules()))
        for window, audio in found:
            if window.speech:
                first = round(window.heard.start * RATE)
                assert audio.first == first
                np.testing.assert_array_equal(audio.samples, samples[first : first + len(audio.samples)])
                assert audio.duration == pytest.approx(window.heard.duration, abs=2 / RATE)
            else:
                assert len(audio.samples) == 0
        return [(w.index, w.own, w.heard) for w, _ in found]

    whole = cut(len(samples))

    assert len(whole) > 2
    assert [cut(512 * n) for n in (1, 7, 256)] == [whole] * 3


def test_only_the_parts_asked_for_are_heard(transcriber, detector):
    recording = made(TWELVE[:5], (1.0, 2.0, 2.0, 2.0, 2.0))
    wanted = recording.spans[2]
    only = (Span(wanted.start - 0.5, wanted.end + 0.5),)

    transcript = of(transcriber, detector, recording.audio, only=only)

    assert wrong(said(recording.names[2]), words(transcript.text)) <= 0.3 * len(said(recording.names[2]))
    assert all(only[0].start - 0.5 <= w.start and w.end <= only[0].end + 0.5 for w in transcript.words)


# --- odd lengths ---


def test_speech_after_a_long_loud_silence_is_heard_at_its_place(transcriber, detector):
    """95 s of noise 20 dB below the speech, longer than any window, then somebody speaks."""
    name = "LJ001-0012"
    speech = clip(name).samples
    noise = np.random.default_rng(3).normal(0, 0.1 * np.sqrt(np.mean(speech**2)), 95 * RATE + len(speech))
    noise[95 * RATE :] += speech
    audio = Audio(noise.astype(np.float32), RATE)

    transcript = of(transcriber, detector, audio)

    assert wrong(said(name), words(transcript.text)) <= 0.3 * len(said(name)), transcript.text
    assert 95.0 - 0.3 <= transcript.words[0].start <= 96.0
    assert transcript.words[-1].end <= audio.duration


@pytest.mark.parametrize("around", [0.0, 0.3, 5.0])
def test_speech_shorter_than_a_second_is_heard(transcriber, detector, around):
    """Two words, 0.67 s, alone, with a little air, and lost in 10 s of quiet."""
    mary, rolled, *_ = json.loads((DATA / "mary.words.json").read_text())
    quiet = np.random.default_rng(4).normal(0, 3e-4, round(around * RATE)).astype(np.float32)
    speech = clip("mary").cut(Span(mary["start"], rolled["end"])).samples
    audio = Audio(np.concatenate([quiet, speech, quiet]), RATE)

    transcript = of(transcriber, detector, audio)

    assert words(transcript.text) == ["mary", "rolled"]
    first, second = transcript.words
    assert max(0, around - 0.3) <= first.start < first.end <= second.start < second.end <= around + 0.67 + 0.3
    assert second.end <= audio.duration


@pytest.mark.parametrize("n_samples", [1, 100, 512, 1600, 4800])
def test_a_snippet_too_short_for_words_is_no_trouble(transcriber, detector, n_samples):
    audio = Audio(clip(TWELVE[0]).samples[RATE : RATE + n_samples], RATE)

    transcript = of(transcriber, detector, audio)

    assert all(0 <= w.start < w.end <= audio.duration for w in transcript.words)


@pytest.mark.parametrize(
    "extra", [pytest.param(-1, marks=pytest.mark.slow), pytest.param(0, marks=pytest.mark.slow), 1]
)
def test_a_recording_as_long_as_the_longest_window_loses_nothing(transcriber, detector, extra):
    """30 s of speech from the first sample to the last, and one sample more or less; the last clip is cut off."""
    recording = made(TWELVE[-5:], (0.0, 0.3, 0.3, 0.3, 0.3))
    samples = recording.audio.samples[: 30 * RATE + extra]
    assert len(samples) == 30 * RATE + extra
    whole = [(n, span.end) for n, span in zip(recording.names, recording.spans, strict=True) if span.end < 30]
    spoken = [word for name, _ in whole for word in said(name)]

    transcript = of(transcriber, detector, Audio(samples, RATE))

    heard = "".join(w.text for w in transcript.words if w.middle < whole[-1][1])
    assert wrong(spoken, words(heard)) <= 0.15 * len(spoken), transcript.text
    assert transcript.words[-1].start > whole[-1][1]
    assert transcript.words[-1].end <= len(samples) / RATE


# --- seams ---


@pytest.fixture(scope="module")
def alone(transcriber, detector) -> int:
    """Wrong words when each of the twelve is a recording of its own."""
    recordings = [made((name,), (0.5,)) for name in TWELVE]
    with ThreadPoolExecutor(transcriber.traits.lanes) as lanes:
        return sum(lanes.map(lambda one: errors(one, of(transcriber, detector, one.audio)), recordings))


@pytest.mark.parametrize(
    ("pause", "longest"),
    [(0.4, 12.0), pytest.param(0.0, 30.0, marks=pytest.mark.slow), pytest.param(1.5, 30.0, marks=pytest.mark.slow)],
)
def test_nothing_is_lost_at_seams(transcriber, detector, alone, pause, longest):
    """Twelve clips in a row, without a pause between them too; a shorter window cuts inside clips as well."""
    recording = made(TWELVE, [pause] * len(TWELVE))

    transcript = of(transcriber, detector, recording.audio, rules=Rules(longest=longest))

    n_words = len(recording.said)
    assert errors(recording, transcript) <= alone + 0.05 * n_words, transcript.text
    assert 0.96 * n_words <= len(words(transcript.text)) <= 1.05 * n_words, transcript.text
    assert all(a.end <= b.start + 1e-9 for a, b in itertools.pairwise(transcript.words))


# --- memory ---

HOURS = """
import sys
import numpy as np
from spoken import CLIPS, DATA, RATE, clip
from test_pipeline import BLOCK, transcribed
from speechcli.backends import registry
from speechcli.core.audio import Audio

def sound(minutes):  # somebody says much at first, then a sentence every ten minutes
    random = np.random.default_rng(0)
    for i in range(minutes * 60 * RATE // BLOCK):
        block = random.normal(0, 3e-4, BLOCK).astype(np.float32)
        if i < 6 or i % 73 == 20:
            speech = clip(CLIPS[i % 2]).samples[:BLOCK]
            block[: len(speech)] += speech
        yield Audio(block, RATE, i * BLOCK)

minutes = int(sys.argv[1])
transcriber = registry.open_transcriber(registry.resolve(registry.Wanted("embedded", device="cpu")))
transcript = transcribed(transcriber, registry.open_detector(), sound(minutes), minutes * 60.0)
high_water = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(len(transcript.words), high_water.split()[1])
"""


@pytest.fixture(scope="module", autouse=True)
def children() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that hear LENGTHS, begun first and awaited last: they take as long as all else here."""
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{here.parent}{os.pathsep}{here}"}
    begun = [
        subprocess.Popen([sys.executable, "-c", HOURS, str(m)], env=environment, stdout=subprocess.PIPE, text=True)
        for m in LENGTHS.values()
        if sys.platform.startswith("linux")  # they read /proc
    ]
    yield begun
    for child in begun:
        child.kill()
        child.communicate()


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_does_not_grow_with_the_length_of_the_recording(children):
    """Two hours against 20 minutes, both by processes of their own; VmHWM, for ru_maxrss remembers the parent's."""
    told = [child.communicate(timeout=300)[0].split() for child in children]

    (few_words, short), (many_words, long) = ((int(words), int(kb)) for words, kb in told)
    assert many_words > 2 * few_words
    assert long < 1.15 * short


@pytest.mark.parametrize("rate", [RATE, 24_000])
def test_an_aligners_times_are_those_of_the_window_wherever_the_segment_lies_and_whatever_the_models_rate(rate):
    """The small aligner knows clips after two seconds of quiet; its part begins 0.4 s before the segment."""
    import soxr
    from tiny import common

    folder = Path(common.__file__).parent / "qwen3-aligner"
    aligner = registry.open_aligner(registry.resolve(registry.Wanted(str(folder), device="cpu")))
    for before in (0.0, 5.0):
        at_16k = np.concatenate([common.faint(before + 2.0, RATE), common.sound("lady", RATE)])
        sound = soxr.resample(at_16k, RATE, rate).astype(np.float32)
        duration = len(sound) / rate
        untimed = Heard((Segment(before + 0.4, duration, common.text("lady"), speaker="0", language="en"),))

        (heard,) = alignment.timed(aligner, [Audio(sound, rate)], [untimed], [Hints()])

        assert " ".join(s.text for s in heard.segments) == common.text("lady")
        words = [word for s in heard.segments for word in s.words]
        for word, (text, start, end) in zip(words, common.words("lady"), strict=True):
            assert (word.text.strip(), word.speaker) == (text, "0")
            assert word.start == pytest.approx(before + 2 + start, abs=0.1)
            assert word.end == pytest.approx(before + 2 + end, abs=0.1)


def test_a_segment_in_a_language_that_the_aligner_lacks_stays_as_it_is():
    from tiny import common

    folder = Path(common.__file__).parent / "qwen3-aligner"
    aligner = registry.open_aligner(registry.resolve(registry.Wanted(str(folder), device="cpu")))
    heard = Heard((Segment(0.0, 2.0, "Selvä juttu.", language="fi"),))

    (same,) = alignment.timed(aligner, [Audio(common.sound("modern", RATE), RATE)], [heard], [Hints()])

    assert same.segments == heard.segments
    assert "words in Finnish have no times" in same.notes[0]


@pytest.mark.parametrize("folder", ["qwen3-asr", "vibevoice", "voxtral-realtime", "hf-ctc"])
def test_what_was_too_much_for_the_device_is_remembered_and_the_answers_are_the_same(folder, tmp_path, monkeypatch):
    """Torch's own error above so many seconds of sound, padding included."""
    import torch
    from tiny import common

    from speechcli.backends import placement_torch, sizes

    monkeypatch.setattr(sizes, "user_cache_path", lambda name: tmp_path)
    path = Path(common.__file__).parent / folder
    opened = registry.open_transcriber(registry.resolve(registry.Wanted(str(path), device="cpu")))
    rate = opened.traits.rate
    sounds = [Audio(common.sound(name, rate), rate) for name in ("lady", "stuff", "modern", "lady")]
    windows = [(Window((i,), span, span, (span,)), a) for i, a in enumerate(sounds) for span in [Span(0, a.duration)]]
    free = pipeline.listen(opened, windows, [Hints()] * 4)
    transcribe, n_refused = opened.transcribe, 0

    def small(batch, hints):
        nonlocal n_refused
        with placement_torch.memory():
            if len(batch) * max(a.duration for a in batch) > 10:
                n_refused += 1
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return transcribe(batch, hints)

    before = opened.traits.seconds
    monkeypatch.setattr(opened, "transcribe", small)
    try:
        heard = pipeline.listen(opened, windows, [Hints()] * 4)
    finally:
        sizes.forget()

    assert [[s.text for s in h.segments] for h in heard] == [[s.text for s in h.segments] for h in free]
    assert n_refused
    assert opened.traits.seconds <= before
    assert (tmp_path / "batches.json").is_file(), "the next run knows"
