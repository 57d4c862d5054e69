"""Source to events: nothing is lost in silence, whatever the source and the model do."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from listening import RATE, STEP, Levels, Loud, check_order, finals, levels, named, text
from spoken import DATA, words, wrong

from speechcli.backends import registry, streaming
from speechcli.backends.base import Hints
from speechcli.backends.endpointed import Endpointed
from speechcli.core.live import Final, Missed, Partial
from speechcli.errors import UnavailableError
from speechcli.jobs.live import LOST, SLOW, Ear, Live, Note, Status, Told
from speechcli.media.capture import Block, said


class Given:
    """A `Source` of blocks that were made before.

    pace: seconds to wait before each. then: called after the last. keeps: whether they came when they say.
    """

    name = "given"

    def __init__(
        self,
        blocks: list[Block],
        rate: int = RATE,
        channels: int = 1,
        live: bool = True,
        pace: float = 0.0,
        then: Callable[[], None] = lambda: None,
        keeps: bool = False,
    ) -> None:
        self.rate, self.channels, self.live = rate, channels, live
        self.n_given = 0
        self.closed = threading.Event()
        self._blocks, self._pace, self._then, self._keeps = blocks, pace, then, keeps

    def blocks(self) -> Iterator[Block]:
        for block in self._blocks:
            if self._pace:
                self.closed.wait(self._pace)
            if self.closed.is_set():
                return
            self.n_given += 1
            yield block if self._keeps else replace(block, arrived=time.monotonic())
        self._then()

    def close(self) -> None:
        self.closed.set()


class Slow:
    """A `Session` that takes some seconds for each second of sound, and notes what it was given."""

    def __init__(self, of, seconds: float) -> None:
        self._of, self._seconds = of, seconds
        self.fed: list[int] = []
        self.skipped: list[int] = []

    def feed(self, samples):
        time.sleep(self._seconds * len(samples) / RATE)
        self.fed.append(len(samples))
        yield from self._of.feed(samples)

    def skip(self, n_samples):
        self.skipped.append(n_samples)
        yield from self._of.skip(n_samples)

    def finish(self):
        yield from self._of.finish()


def pieces(samples: np.ndarray, size: int = 512) -> list[Block]:
    frames = samples[:, None] if samples.ndim == 1 else samples
    return [Block(frames[i : i + size], 0.0) for i in range(0, len(frames), size)]


def session():
    return Endpointed(Levels(), Loud()).listen(Hints())


def events(told) -> list[Partial | Final | Missed]:
    return [one.event for one in told if isinstance(one, Told)]


def missed(told) -> list[Missed]:
    return [event for event in events(told) if isinstance(event, Missed)]


def heard(told) -> list[Partial | Final]:
    return [event for event in events(told) if not isinstance(event, Missed)]


def check_whole(told, duration: float) -> None:
    """Everything is in order, and what is missed is told where it is."""
    check_order(heard(told), duration)
    ends = 0.0
    for event in events(told):
        if isinstance(event, Missed):
            assert ends - 1e-6 <= event.start < event.end <= duration + 1e-6
        if not isinstance(event, Partial):
            ends = event.end


# Fast and slow.


@pytest.mark.parametrize("live", [True, False])
def test_all_words_of_a_source_are_told_to_the_last(live):
    job = Live(Given(pieces(levels(range(20))), live=live), session(), RATE)

    told = list(job.run())

    assert text(heard(told)) == named(range(20))
    assert missed(told) == []
    assert job.duration == pytest.approx(20 * STEP)
    check_whole(told, 10.0)


def test_a_source_slower_than_the_model_is_told_as_it_comes():
    source = Given(pieces(levels(range(4), pause=1.0), 8000), pace=0.02)

    when = [source.n_given for one in Live(source, session(), RATE).run() if isinstance(one, Told)]

    assert len(when) >= 2
    assert when[0] < 6  # blocks; there are 6


def test_a_model_too_slow_drops_what_does_not_fit_and_says_how_much():
    sound = levels(range(40))
    slow = Slow(session(), 0.02)
    job = Live(Given(pieces(sound), pace=0.0003), slow, RATE, most=2.0)

    told = list(job.run())

    assert missed(told)
    assert {event.reason for event in missed(told)} == {SLOW}
    assert sum(slow.fed) + sum(slow.skipped) == len(sound)
    assert sum(event.duration for event in missed(told)) == pytest.approx(sum(slow.skipped) / RATE)
    assert max(slow.fed) <= 2 * RATE
    assert job.duration == pytest.approx(20.0)
    check_whole(told, 20.0)
    for word in (word for final in finals(heard(told)) for word in final.words):
        assert abs(word.start - int(word.text[2:]) * STEP) < 0.45  # a part of it may be missing


def test_what_the_source_lost_is_counted_also_where_the_rest_is_dropped():
    blocks = [replace(block, lost=1600) for block in pieces(levels(range(40)), 4000)]
    job = Live(Given(blocks), Slow(session(), 0.02), RATE, most=1.0)

    told = list(job.run())

    assert SLOW in {event.reason for event in missed(told)}
    assert job.duration == pytest.approx(20.0 + len(blocks) * 0.1)
    check_whole(told, job.duration)


def test_a_model_too_slow_for_small_pieces_is_given_larger_ones():
    slow = Slow(session(), 0.05)

    told = list(Live(Given(pieces(levels(range(40)))), slow, RATE).run())

    assert text(heard(told)) == named(range(40))
    assert max(slow.fed) > 4 * 512
    assert max(one.behind for one in told if isinstance(one, Status)) <= 20.0


@pytest.mark.parametrize("size", [512, 5 * RATE])
def test_a_source_that_waits_is_made_to_wait_and_loses_nothing(size):
    slow = Slow(session(), 0.01)
    source = Given(pieces(levels(range(40)), size), live=False)
    ahead = []

    told = []
    for one in Live(source, slow, RATE, most=1.0).run():
        told.append(one)
        ahead.append(min(source.n_given * size, 20 * RATE) - sum(slow.fed))

    assert text(heard(told)) == named(range(40))
    assert missed(told) == []
    assert max(ahead) <= 2 * size + RATE


# What happens to the source.


@pytest.mark.parametrize("live", [True, False])
def test_a_source_that_fails_is_told_after_all_that_was_said_before(live):
    def fail() -> None:
        raise UnavailableError("the microphone is gone", "plug it in")

    told = []

    with pytest.raises(UnavailableError, match="the microphone is gone"):
        told.extend(Live(Given(pieces(levels(range(7))), live=live, then=fail), session(), RATE).run())

    assert text(heard(told)) == named(range(7))


def test_a_fault_of_the_program_is_not_swallowed_either():
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        for _ in Live(Given(pieces(levels(range(3))), then=fail), session(), RATE).run():
            pass


def test_stopped_the_last_words_are_still_told():
    source = Given(pieces(levels(range(2000)), 4000), pace=0.005)
    job = Live(source, session(), RATE)
    told = []

    for one in job.run():
        told.append(one)
        if isinstance(one, Told) and isinstance(one.event, Final):
            job.stop()

    assert source.n_given < 1000
    row = [int(word[1:]) for word in text(heard(told)).split()]
    assert row == list(range(len(row)))
    assert len(row) * STEP >= job.duration - STEP
    assert [final.ends for final in finals(heard(told))][-1]


def test_who_stops_listening_lets_go_of_the_source():
    source = Given(pieces(levels(range(2000)), 4000), pace=0.005)
    told = Live(source, session(), RATE).run()
    next(told)

    told.close()

    assert source.closed.is_set()
    assert not [t for t in threading.enumerate() if t.name == "speechcli-source"]


def test_sound_that_the_source_lost_is_told_and_time_goes_on():
    first, second = pieces(levels(range(4))), pieces(levels(range(4, 8)))
    second[0] = Block(second[0].frames, 0.0, lost=3 * RATE)
    job = Live(Given([*first, *second]), session(), RATE)

    told = list(job.run())

    assert missed(told) == [Missed(2.0, 5.0, LOST)]
    assert text(heard(told)) == named(range(8))
    fifth = next(word for final in finals(heard(told)) for word in final.words if word.text == " w4")
    assert fifth.start == pytest.approx(5.0, abs=0.05)
    assert job.duration == pytest.approx(7.0)
    order = [event for event in events(told) if not isinstance(event, Partial)]
    assert [type(event) for event in order if event.end <= 2.0 or isinstance(event, Missed)][-1] is Missed
    check_whole(told, 7.0)


def test_lost_sound_is_counted_at_the_rate_of_the_source():
    silence = np.zeros((44_100, 2), np.float32)
    blocks = [Block(silence, 0.0), Block(silence, 0.0, lost=88_200), Block(silence[:0], 0.0, lost=44_100)]
    slow = Slow(session(), 0.0)

    told = list(Live(Given(blocks, 44_100, 2), slow, RATE).run())

    assert slow.skipped == [2 * RATE, RATE]
    assert sum(slow.fed) == pytest.approx(2 * RATE, abs=4)
    assert sum(event.duration for event in missed(told)) == pytest.approx(3.0)


def test_notes_come_where_they_were_made_and_what_saving_says_too():
    blocks = pieces(levels(range(4), pause=1.0), 16_000)
    kept = []

    def save(block: Block) -> str:
        kept.append(len(block.frames))
        return "the disk is full" if len(kept) == 3 else ""

    source = Given([said("it begins", 1), *blocks, said("it ends", 1)])

    told = list(Live(source, session(), RATE, save).run())

    assert [one.text for one in told if isinstance(one, Note)] == ["it begins", "the disk is full", "it ends"]
    assert kept == [0, *(len(block.frames) for block in blocks), 0]
    assert text(heard(told)) == named(range(4))


def test_notes_are_told_even_when_the_sound_is_dropped():
    blocks = [*itertools.chain(*([block, said(f"{i}", 1)] for i, block in enumerate(pieces(levels(range(40)), 8000))))]

    told = list(Live(Given(blocks), Slow(session(), 0.02), RATE, most=1.0).run())

    assert missed(told)
    assert [one.text for one in told if isinstance(one, Note)] == [f"{i}" for i in range(40)]


def test_latency_counts_from_when_the_end_of_a_word_came():
    now = time.monotonic()
    blocks = pieces(levels(range(12), pause=1.0))
    source = Given([Block(b.frames, now - 1000 + i * 512 / RATE) for i, b in enumerate(blocks, 1)], keeps=True)

    told = [one for one in Live(source, session(), RATE).run() if isinstance(one, Told)]

    late = time.monotonic() - now
    assert told
    for one in told:
        assert one.latency is not None
        assert 999.9 <= one.latency + one.event.end <= 1000.1 + late


def test_status_says_how_much_was_heard():
    told = list(Live(Given(pieces(levels(range(10)))), session(), RATE).run())
    row = [one.heard for one in told if isinstance(one, Status)]

    assert row == sorted(row)
    assert row[-1] == pytest.approx(5.0)


# At other rates.


@pytest.mark.parametrize("given", [8000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("size", [1, 441, 10_000])
def test_at_any_rate_sound_is_as_long_as_it_was(given, size):
    n = min(given * 2, size * 3000)
    ear = Ear(given, 2, RATE)
    t = np.arange(n)[:, None] / given
    tone = (0.5 * np.sin(2 * np.pi * 440 * t) * np.ones((1, 2))).astype(np.float32)

    found = np.concatenate([*(ear.hear(tone[i : i + size]) for i in range(0, n, size)), ear.rest()])

    assert abs(len(found) - n * RATE / given) <= 2
    wanted = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(found)) / RATE)
    middle = slice(200, len(found) - 200)
    np.testing.assert_allclose(found[middle], wanted[middle], atol=2e-3)


def test_behind_its_rest_sound_begins_anew():
    ear = Ear(48_000, 1, RATE)
    loud = np.full((4800, 1), 0.9, np.float32)
    first = np.concatenate([ear.hear(loud), ear.rest()])

    second = np.concatenate([ear.hear(np.zeros((4800, 1), np.float32)), ear.rest()])

    assert len(first) == pytest.approx(1600, abs=2)
    assert not second.any()


def test_a_recording_of_44_khz_in_stereo_is_heard_in_its_words():
    frames, rate = soundfile.read(DATA / "jfk.flac", dtype="float32")
    listening = streaming.Listening()
    wanted = streaming.wish(registry.Wanted("embedded", device="cpu"), listening)
    model = streaming.open_streaming(registry.resolve(wanted), listening)
    job = Live(Given(pieces(frames, 4410), rate, 2, live=False), model.listen(Hints()), model.traits.rate)

    told = list(job.run())

    model.close()
    assert (rate, frames.shape[1]) == (44_100, 2)
    assert job.duration == pytest.approx(len(frames) / rate, abs=0.001)
    assert wrong(words((DATA / "jfk.txt").read_text()), words(text(heard(told)))) <= 4  # "am I", "asked"
    check_whole(told, job.duration)
