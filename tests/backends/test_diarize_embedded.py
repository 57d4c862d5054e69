"""Who speaks when, by the models that come along: talks made of clips of data/, so it is known who speaks when."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate
from spoken import RATE, blocks, clip

from speechcli.backends import community1
from speechcli.backends.base import Counts, Diarized, Setup
from speechcli.core.audio import Audio
from speechcli.core.span import Span, merged, total
from speechcli.core.turns import GRID
from speechcli.errors import UnavailableError, UsageError

pytest.importorskip("kaldi_native_fbank", reason="needs the extra: pip install speechcli[diarize]")
from speechcli.backends import diarize_embedded
from speechcli.backends.diarize_embedded import Embedded

ANY = Counts()
DECODED = 512_000  # samples that the decoder gives at a time


def opened(**settings: str) -> Embedded:
    return diarize_embedded.open(Setup("community-1", community1.find(), community1.REVISION, 60.0, settings=settings))


pytestmark = pytest.mark.usefixtures("models")


@pytest.fixture(scope="module")
def diarizer(models) -> Iterator[Embedded]:
    made = opened()
    yield made
    made.close()


# --- talks ---


@dataclass(frozen=True, slots=True)
class Talk:
    """Sound, and who speaks when in it, by their levels."""

    samples: np.ndarray
    turns: tuple[tuple[Span, str], ...]

    @property
    def duration(self) -> float:
        return len(self.samples) / RATE


def talk(*lines: tuple[float, str, float, float], after: float = 0.5) -> Talk:
    """From lines: when (seconds after the last one's end, less than none to interrupt it), a clip, from where to where
    of it; all over faint noise.
    """
    placed, at = [], 0.0
    for pause, name, start, end in lines:
        sound = clip(name).samples[round(start * RATE) : round(end * RATE)]
        sound = sound * (0.06 / np.sqrt(np.mean(sound**2)))
        at += pause
        placed.append((round(at * RATE), sound, name.split("-")[0][:4]))
        at += len(sound) / RATE
    samples = np.random.default_rng(5).normal(0, 3e-4, round((at + after) * RATE)).astype(np.float32)
    turns = []
    for first, sound, who in placed:
        samples[first : first + len(sound)] += sound
        turns += [(Span(first / RATE + a, first / RATE + b), who) for a, b in spoken(sound)]
    samples.flags.writeable = False
    return Talk(samples, tuple(turns))


def spoken(sound: np.ndarray) -> list[tuple[float, float]]:
    """Where a clip is louder than 30 dB below its loudest 10 ms, rests of up to half a second with it."""
    n = len(sound) // 160
    level = np.sqrt(np.mean(sound[: n * 160].reshape(n, 160) ** 2, axis=1))
    loud = np.flatnonzero(level > 0.03 * level.max()) / 100
    return [(span.start, span.end) for span in merged([Span(at, at + 0.01) for at in loud], 0.5)]


@pytest.fixture(scope="module")
def two() -> Talk:
    """A man and a woman in turns, in a quiet room."""
    return talk(
        (0.5, "1089-134686-0000", 0, 7.0),
        (0.3, "LJ001-0001", 0, 6.5),
        (0.4, "1089-134686-0001", 0, 3.2),
        (0.2, "LJ001-0003", 0, 4.0),
    )


@pytest.fixture(scope="module")
def found_of_two(diarizer, two) -> Diarized:
    return heard(diarizer, two.samples)


def heard(diarizer: Embedded, samples: np.ndarray, counts: Counts = ANY, size: int = DECODED) -> Diarized:
    hearing = diarizer.begin(counts)
    for block in blocks(Audio(np.asarray(samples, np.float32), RATE), size):
        hearing.hear(block)
    found = hearing.end()
    keeps_its_word(found, len(samples) / RATE)
    return found


def keeps_its_word(found: Diarized, duration: float) -> None:
    """What `base.Diarized` promises."""
    starts = [(turn.start, turn.end) for turn in found.turns]
    assert starts == sorted(starts)
    assert all(0 <= turn.start < turn.end <= duration for turn in found.turns)
    names = list(dict.fromkeys(turn.speaker for turn in found.turns))
    assert names == [f"SPEAKER_{i:02d}" for i in range(len(names))]
    for name in names:
        own = [turn for turn in found.turns if turn.speaker == name]
        assert all(b.start - a.end >= GRID for a, b in pairwise(own))
    assert {voice.speaker for voice in found.voices} <= set(names)
    for voice in found.voices:
        assert np.linalg.norm(voice.print) == pytest.approx(1, abs=1e-3)
        assert 0 < voice.seconds <= total(t for t in found.turns if t.speaker == voice.speaker) + 0.05


def error_rate(found: Diarized, truth: Talk, collar: float = 0.0) -> float:
    """Diarization error rate, overlapped speech scored. collar: seconds either side of true turns that do not count."""
    reference, hypothesis = Annotation(), Annotation()
    for i, (span, who) in enumerate(truth.turns):
        reference[Segment(span.start, span.end), i] = who
    for i, turn in enumerate(found.turns):
        hypothesis[Segment(turn.start, turn.end), i] = turn.speaker
    whole = Timeline([Segment(0, truth.duration)])
    return float(DiarizationErrorRate(collar=2 * collar)(reference, hypothesis, uem=whole))


def speakers(found: Diarized) -> int:
    return len({turn.speaker for turn in found.turns})


# --- who speaks when ---


def test_two_who_take_turns(found_of_two, two):
    assert speakers(found_of_two) == 2
    assert error_rate(found_of_two, two) < 0.05
    assert error_rate(found_of_two, two, 0.25) < 0.02
    assert {voice.speaker for voice in found_of_two.voices} == {"SPEAKER_00", "SPEAKER_01"}
    assert found_of_two.notes == ()


def test_three_of_whom_two_interrupt(diarizer):
    truth = talk(
        (0.2, "2414-128291-0002", 0, 8.0),
        (0.5, "3080-5032-0000", 0, 4.5),
        (0.3, "1089-134686-0000", 0, 8.0),
        (-2.0, "3080-5032-0000", 1.5, 4.5),
        (0.4, "2414-128291-0002", 8.0, 14.0),
        (-1.5, "1089-134686-0001", 0, 3.2),
    )

    found = heard(diarizer, truth.samples)

    assert speakers(found) == 3
    assert error_rate(found, truth) < 0.17
    assert error_rate(found, truth, 0.25) < 0.05


def test_where_two_talk_at_once_turns_overlap(diarizer):
    truth = talk(
        (0.3, "1089-134686-0000", 0, 8.0),
        (-3.0, "LJ001-0001", 0, 9.6),
        (0.5, "1089-134686-0000", 3.0, 10.0),
        (-2.5, "LJ001-0003", 0, 6.0),
    )
    both = overlaps(
        [span for span, who in truth.turns if who == "1089"], [s for s, who in truth.turns if who != "1089"]
    )

    found = heard(diarizer, truth.samples)

    own = [[turn for turn in found.turns if turn.speaker == f"SPEAKER_{k:02d}"] for k in (0, 1)]
    told = overlaps(*own)
    assert speakers(found) == 2
    assert error_rate(found, truth) < 0.1
    assert error_rate(found, truth, 0.25) < 0.05
    assert total(told) > 0.5 * total(both) > 1.5
    assert total(overlaps(told, both)) > 0.8 * total(told)


def overlaps(one: list[Span], other: list[Span]) -> list[Span]:
    pairs = [(max(a.start, b.start), min(a.end, b.end)) for a in one for b in other]
    return [Span(start, end) for start, end in pairs if start < end]


@pytest.mark.slow
def test_ten_minutes_in_bounded_memory_and_a_voice_has_its_name_to_the_end(diarizer, two):
    """Two who talk, rest for minutes, and go on: what is kept of the sound is two rounds', and what chunks hear."""
    rest = np.random.default_rng(1).normal(0, 3e-4, 270 * RATE).astype(np.float32)
    samples = np.concatenate([rest, two.samples, rest, two.samples[: 16 * RATE], rest[: 25 * RATE]])
    assert len(samples) > 600 * RATE
    hearing, most = diarizer.begin(ANY), 0
    for block in blocks(Audio(samples, RATE), 8 * RATE):
        hearing.hear(Audio(block.samples.copy(), RATE, block.first))
        most = max(most, sum(len(part if part.base is None else part.base) for part in hearing._sound))

    found = hearing.end()

    assert 60 * RATE < most < 150 * RATE
    keeps_its_word(found, len(samples) / RATE)
    later = 540 + two.duration
    first, again = ([turn for turn in found.turns if (turn.start >= later) == after] for after in (False, True))
    whole = [turn for turn in again if turn.end < later + 15.5]
    assert speakers(found) == 2 == len({turn.speaker for turn in whole})
    for one, other in zip(first, whole, strict=False):
        assert one.speaker == other.speaker
        assert one.start + later - 270 == pytest.approx(other.start, abs=0.2)


# --- the same sound, however it comes ---


@pytest.fixture(scope="module")
def late(two) -> np.ndarray:
    """The talk after half a minute: somebody begins where one stretch ends, and another one's margin."""
    rest = np.random.default_rng(4).normal(0, 3e-4, 33 * RATE).astype(np.float32)
    return np.concatenate([rest[: round((40.5 - 7.8) * RATE)], two.samples, rest[: 15 * RATE]])


@pytest.fixture(scope="module")
def found_late(diarizer, late) -> Diarized:
    return heard(diarizer, late)


@pytest.mark.parametrize("size", [1600, 8 * RATE, 1 << 30], ids=["0.1 s", "8 s", "all at once"])
def test_blocks_of_whatever_size_give_the_same_turns(diarizer, late, found_late, size, monkeypatch):
    """Worked off every few seconds, so that little more than a minute is many rounds."""
    monkeypatch.setattr(diarize_embedded, "_ROUND", 3.0)

    assert heard(diarizer, late, size=size) == found_late


def test_a_talk_that_begins_late_is_the_same_talk(found_late, late, two):
    shifted = tuple((Span(span.start + 40.5 - 7.8, span.end + 40.5 - 7.8), who) for span, who in two.turns)

    assert speakers(found_late) == 2
    assert error_rate(found_late, Talk(late, shifted)) < 0.06
    assert error_rate(found_late, Talk(late, shifted), 0.25) < 0.03


def test_blocks_are_not_written_to_and_empty_ones_do_no_harm(diarizer, two):
    sound = two.samples[: 9 * RATE].copy()
    before = sound.copy()
    parts = (sound[:0], sound[: 5 * RATE], sound[:0], sound[5 * RATE :], sound[:0])
    hearing = diarizer.begin(ANY)

    for part in parts:
        hearing.hear(Audio(part, RATE))

    assert hearing.end() == heard(diarizer, before)
    assert np.array_equal(sound, before)


def test_two_hearings_at_once_give_what_each_gives_alone(diarizer, two, found_of_two):
    other = clip("2414-128291-0002").samples[: 12 * RATE]
    alone = heard(diarizer, other)
    found: dict[str, Diarized] = {}
    threads = [
        threading.Thread(target=lambda n=name, s=sound, k=size: found.update({n: heard(diarizer, s, size=k)}))
        for name, sound, size in (("two", two.samples, 4000), ("other", other, 1 << 30))
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {"two": found_of_two, "other": alone}


def test_the_number_of_threads_changes_nothing(diarizer, two):
    sound = two.samples[: 14 * RATE]
    single = opened(threads="1")

    try:
        assert heard(single, sound) == heard(diarizer, sound)
    finally:
        single.close()


# --- how many ---


@pytest.fixture(scope="module")
def monologue() -> np.ndarray:
    return np.concatenate([clip(name).samples for name in ("LJ001-0001", "LJ001-0003")])


@pytest.mark.parametrize(("counts", "n"), [(ANY, 1), (Counts(1, 1), 1), (Counts(2, 2), 2), (Counts(5, 5), 5)])
def test_a_monologue_has_one_speaker_or_as_many_as_are_asked_for(diarizer, monologue, counts, n):
    found = heard(diarizer, monologue, counts)

    assert speakers(found) == n
    assert found.notes == ()


def test_more_speakers_than_can_be_told_apart_give_a_note(diarizer):
    found = heard(diarizer, clip("jfk").samples[: 5 * RATE], Counts(40))

    n = speakers(found)
    assert 1 <= n < 40
    assert found.notes == (f"40 speakers were asked for, and {n} could be told apart",)


def test_two_may_have_to_be_one(diarizer, two, found_of_two):
    found = heard(diarizer, two.samples, Counts(most=1))

    assert speakers(found) == 1
    assert total(found.turns) >= total(merged(found_of_two.turns)) - 0.1


def test_more_speakers_allowed_or_as_many_as_there_are_change_nothing(diarizer, two, found_of_two):
    assert heard(diarizer, two.samples, Counts(2, 9)) == found_of_two


# --- sound of other kinds ---


def tones() -> np.ndarray:
    """Chords that change twice a second, with their overtones, each fading away."""
    at = np.arange(12 * RATE) / RATE
    root = 220 * 2 ** (np.array([0, 5, 7, 9, 4, 2, 7, 0])[(at * 2).astype(int) % 8] / 12)
    chord = [np.sin(2 * np.pi * np.cumsum(root * k * step) / RATE) / k for k in (1, 2, 3) for step in (1, 1.26, 1.5)]
    return 0.05 * np.sum(chord, axis=0) * np.exp(-2 * (at % 0.5))


NOBODY = {
    "silence": np.zeros(12 * RATE),
    "noise": np.random.default_rng(1).normal(0, 0.1, 12 * RATE),
    "faint noise": np.random.default_rng(2).normal(0, 1e-3, 12 * RATE),
    "clicks": np.where(np.arange(12 * RATE) % RATE == 0, 0.9, 0.0),
    "tones": tones(),
    "hum": 0.2 * np.sin(2 * np.pi * 50 * np.arange(12 * RATE) / RATE),
    "an offset": np.full(12 * RATE, 0.3),
    "a sample": np.zeros(1),
    "less than a frame": np.random.default_rng(3).normal(0, 0.1, 300),
}


@pytest.mark.parametrize("kind", list(NOBODY))
def test_where_nobody_talks_there_are_no_turns(diarizer, kind):
    for counts in (ANY, Counts(3)):
        found = heard(diarizer, NOBODY[kind], counts)

        assert (found.turns, found.voices) == ((), ())


def test_no_sound_at_all_has_no_turns(diarizer):
    assert diarizer.begin(ANY).end() == Diarized()
    assert heard(diarizer, np.zeros(0)) == Diarized()


def test_a_third_of_a_second_of_speech(diarizer):
    found = heard(diarizer, clip("jfk").samples[round(3.4 * RATE) : round(3.7 * RATE)])

    assert speakers(found) <= 1


def test_two_seconds_of_speech_are_one_speakers(diarizer):
    sound = clip("jfk").samples[round(0.4 * RATE) : round(2.4 * RATE)]

    found = heard(diarizer, sound)

    assert speakers(found) == 1
    assert total(found.turns) > 1.5
    assert speakers(heard(diarizer, sound, Counts(5))) >= 1


def clipped(samples: np.ndarray) -> np.ndarray:
    return np.clip(samples * 20, -1, 1)


def telephone(samples: np.ndarray) -> np.ndarray:
    """300 to 3400 Hz."""
    found = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    found[(hertz < 300) | (hertz > 3400)] = 0
    return np.fft.irfft(found, len(samples))


def soft(samples: np.ndarray) -> np.ndarray:
    return samples * 0.02


@pytest.mark.parametrize("spoilt", [clipped, telephone, soft])
def test_bad_sound_has_the_same_speakers(diarizer, two, spoilt):
    found = heard(diarizer, spoilt(two.samples))

    assert speakers(found) == 2
    assert error_rate(found, two, 0.25) < 0.06


# --- what it says of itself ---


def test_its_stage_gives_the_notice_and_its_traits_what_it_takes(diarizer):
    assert (diarizer.stage.stage, diarizer.stage.revision) == ("diarize", community1.REVISION)
    assert dict(diarizer.stage.settings)["notice"] == community1.NOTICE
    assert "CC-BY-4.0" in community1.NOTICE
    assert (diarizer.traits.rate, diarizer.traits.gives_speakers) == (RATE, True)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_either_engine_hears_who_speaks_when_and_is_named(engine, two):
    if engine == "openvino":
        pytest.importorskip("openvino", reason="needs OpenVINO: pip install openvino")
    own = opened(engine=engine)

    try:
        found = heard(own, two.samples)
    finally:
        own.close()
    assert own.stage.engine == engine
    assert speakers(found) == 2
    assert error_rate(found, two) < 0.05
    assert error_rate(found, two, 0.25) < 0.02


def test_without_openvino_it_is_onnxruntime_but_not_where_the_other_was_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "speechcli.backends.quiet_openvino", raising=False)

    own = opened()
    own.close()

    assert own.stage.engine == "onnxruntime"
    with pytest.raises(UnavailableError, match="OpenVINO"):
        opened(engine="openvino")


@pytest.mark.parametrize("wrong", [{"nonsense": "1"}, {"engine": "steam"}, {"threads": "0"}, {"cut": "far"}])
def test_a_setting_that_it_does_not_have_is_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        opened(**wrong)


def test_the_cut_decides_how_unlike_two_speakers_must_be(diarizer, two):
    """Any two are one where no distance is far enough."""
    lenient = opened(cut="3")

    try:
        assert speakers(heard(lenient, two.samples[: 14 * RATE])) == 1
    finally:
        lenient.close()
    assert speakers(heard(diarizer, two.samples[: 14 * RATE])) == 2
