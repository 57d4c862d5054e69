"""Any Transcriber made live: with a model whose words are known for sure, and with Whisper on real speech."""

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from listening import RATE, STEP, Levels, Loud, check_order, finals, levels, named, said, text

from speechcli.backends.base import Hints
from speechcli.backends.endpointed import Endpointed, Pace
from speechcli.core.audio import Audio
from speechcli.core.live import Final, Partial
from speechcli.core.span import Span
from speechcli.core.transcript import Heard, Segment, Word, joined
from speechcli.timeline.utterances import Endpoints

BLOCKS = {"20 ms": 320, "1 s": 16_000, "5 s": 80_000, "uneven": (1, 700, 50_000, 33), "whole": 10**9}


class Script(Levels):
    """Says one hypothesis after the other, whatever it is given; of each word its end and, after a ?, doubt."""

    def __init__(self, *hypotheses: str) -> None:
        super().__init__()
        self.hypotheses = list(hypotheses)

    def transcribe(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        assert len(batch) == 1
        row = []
        for i, word in enumerate(self.hypotheses.pop(0).split()):
            end = 0.2 * (i + 1)
            row.append(Word(end - 0.19, end, f" {word.rstrip('?')}", confidence=0.1 if word.endswith("?") else 0.9))
        return [Heard((Segment(row[0].start, row[-1].end, joined(row), tuple(row)),) if row else ())]


def listen(model: Levels, endpoints: Endpoints = Endpoints(), pace: Pace = Pace()):
    return Endpointed(model, Loud(), endpoints, pace).listen(Hints())


def loud(seconds: float) -> np.ndarray:
    return np.full(round(seconds * RATE), 0.3, np.float32)


def quiet(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def shown(events) -> list[str]:
    return [("= " if isinstance(event, Final) else "~ ") + event.text for event in events]


# No word is lost and none said twice.


@pytest.mark.parametrize("sizes", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("longest", [4.0, 20.0])
def test_of_speech_without_a_pause_each_word_is_said_once(sizes, longest):
    numbers = range(100)

    events = said(listen(Levels(), Endpoints(longest=longest)), levels(numbers), sizes)

    assert text(events) == named(numbers)
    check_order(events, 100 * STEP)
    for word, number in zip((w for f in finals(events) for w in f.words), numbers, strict=True):
        assert abs(word.start - number * STEP) < 0.11
        assert abs(word.end - number * STEP - 0.4) < 0.11


@pytest.mark.parametrize("sizes", BLOCKS.values(), ids=BLOCKS)
@pytest.mark.parametrize("pause", [0.2, 0.45, 0.7, 1.5])
def test_of_speech_with_pauses_each_word_is_said_once(sizes, pause):
    sound = np.concatenate([levels(range(first, first + 18), pause) for first in range(0, 90, 18)])

    events = said(listen(Levels()), sound, sizes)

    assert text(events) == named(range(90))
    check_order(events, len(sound) / RATE)


@pytest.mark.parametrize("sizes", BLOCKS.values(), ids=BLOCKS)
def test_the_last_word_is_said_when_the_stream_ends_in_it(sizes):
    sound = levels(range(7))[: -round(0.3 * RATE)]  # 0.2 s of it are left

    events = said(listen(Levels()), sound, sizes)

    assert text(events) == named(range(7))
    assert [final.ends for final in finals(events)][-1]


def test_what_differs_in_every_hypothesis_is_said_at_last_as_it_was_heard_last():
    class Unsteady(Levels):
        def _words(self, audio):
            heard = super()._words(audio)
            row = tuple(word.moved(word.start, word.end) for s in heard.segments for word in s.words)
            row = tuple(Word(w.start, w.end, f"{w.text}{'abcdefg'[len(self.heard) % 7]}") for w in row)
            return Heard(tuple(Segment(s.start, s.end, joined(row), row) for s in heard.segments))

    events = said(listen(Unsteady()), levels(range(60)))

    assert [word[:-1] for word in text(events).split()] == named(range(60)).split()
    check_order(events, 60 * STEP)


def test_words_without_times_are_laid_over_the_speech():
    events = said(listen(Levels(gives_words=False)), levels(range(8), pause=2.0))

    assert text(events) == named(range(8))
    check_order(events, 6.0)
    assert finals(events)[-1].end < 4.2


@pytest.mark.parametrize("longest", [3.0, 9.5, 30.0])
def test_the_model_is_never_given_more_than_it_can_hear(longest):
    model = Levels(longest)

    events = said(listen(model, Endpoints(longest=longest)), levels(range(60)), 5 * RATE)

    assert max(seconds for seconds, _ in model.heard) <= min(longest, Pace().window)
    assert text(events) == named(range(60))


# What is final.


def test_words_are_final_when_two_hypotheses_agree_and_shown_before():
    script = Script("a", "a b c", "a b x d", "a b c d e", "a b c d e")

    events = said(listen(script), loud(2.95), RATE // 2)

    assert script.hypotheses == []
    assert shown(events) == ["= a", "~ b", "= b", "~ x", "~ c d", "= c d e"]
    assert [event.id for event in events] == [0, 1, 1, 2, 2, 2]


def test_a_word_that_may_go_on_is_not_shown_and_a_doubtful_one_later():
    script = Script("a b c? d e", "a b c? d e", "a b c? d e")

    (first, *_) = listen(script).feed(loud(1.0))
    later = list(listen(script).feed(loud(1.7)))

    assert first.text == "a b"
    assert later[0].text == "a b c d"


def test_in_a_pause_all_that_was_said_is_shown():
    session = listen(Levels())

    events = [*session.feed(levels(range(4))), *session.feed(quiet(0.3))]

    assert isinstance(events[-1], Partial)
    assert events[-1].text == named(range(4))[-len(events[-1].text) :]
    assert events[-1].words[-1].text == " w3"


@pytest.mark.parametrize(("pause", "n_utterances"), [(0.3, 1), (0.5, 2)])
def test_a_pause_ends_an_utterance_after_the_silence_asked_for(pause, n_utterances):
    sound = np.concatenate([levels(range(5), pause), levels(range(5, 10), pause=1.0)])

    events = said(listen(Levels(), Endpoints(silence=0.5)), sound)  # a word ends with 0.1 s of silence

    assert [final.text.split()[-1] for final in finals(events) if final.ends] == ["w4", "w9"][-n_utterances:]


@pytest.mark.parametrize(("sizes", "last"), [(10**9, "w6"), (512, "w8")])  # w7 was final before the cut was known
def test_an_utterance_ends_at_the_longest_one_at_the_weakest_place(sizes, last):
    sound = np.concatenate([levels(range(7), 0.3), levels(range(7, 20))])

    events = said(listen(Levels(), Endpoints(longest=5.0)), sound, sizes)

    assert next(final for final in finals(events) if final.ends).text.split()[-1] == last
    assert text(events) == named(range(20))


@pytest.mark.parametrize("sizes", BLOCKS.values(), ids=BLOCKS)
def test_a_click_is_no_utterance(sizes):
    model = Levels()
    sound = quiet(4.0)
    sound[20_000:20_300] = 0.9

    assert said(listen(model), sound, sizes) == []
    assert model.heard == []


@pytest.mark.parametrize("n_samples", [0, 1, 511, 100_000])
def test_silence_is_never_given_to_the_model(n_samples):
    model = Levels()

    assert said(listen(model), np.zeros(n_samples, np.float32), 333) == []
    assert model.heard == []


# What the model is told.


def test_the_model_is_told_where_speech_is_and_what_was_said_before_its_sound():
    model = Levels(takes_prompt=True)
    sound = np.concatenate([levels(range(8), 2.0), levels(range(8, 16), 2.0), levels(range(16, 24), 2.0)])

    said(Endpointed(model, Loud()).listen(Hints(context="Numbers.", hotwords=("w7",))), sound)

    seconds, hints = model.heard[-1]
    assert hints.hotwords == ("w7",)
    begin = int(hints.context.split()[-1][1:]) + 1
    assert hints.context == f"Numbers. {named(range(begin))}"
    assert 0 < begin <= 16
    assert all(0 <= span.start < span.end <= seconds for span in hints.speech)
    assert sum(span.duration for span in hints.speech) == pytest.approx((24 - begin) * STEP, abs=0.5)
    assert model.heard[0][1].context == "Numbers."


def test_the_context_is_no_longer_than_asked_and_not_told_to_a_model_that_takes_none():
    told, untold = Levels(takes_prompt=True), Levels()
    sound = np.concatenate([levels(range(10), 1.5)] * 5)

    for model in (told, untold):
        said(listen(model, pace=Pace(context=30)), sound)

    assert max(len(hints.context) for _, hints in told.heard) in range(20, 31)
    assert {hints.context for _, hints in untold.heard} == {""}


# Sound that was lost.


def test_behind_lost_sound_time_goes_on_and_what_was_said_before_is_final():
    model = Levels()
    session = listen(model)
    before = [*session.feed(levels(range(5))), *session.skip(3 * RATE)]
    n_before = len(model.heard)

    after = [*session.feed(levels(range(5, 9), pause=1.0)), *session.finish()]

    assert text(before) == named(range(5))
    assert isinstance(before[-1], Final)
    assert text(after) == named(range(5, 9))
    assert finals(after)[0].start == pytest.approx(5.5, abs=0.05)
    assert max(seconds for seconds, _ in model.heard[n_before:]) <= 3.1  # nothing from before
    check_order([*before, *after], 8.5)


def test_lost_sound_before_any_and_twice_in_a_row_only_moves_time():
    session = listen(Levels())

    events = [*session.skip(RATE), *session.skip(RATE), *session.feed(levels(range(3))), *session.finish()]

    assert text(events) == named(range(3))
    assert finals(events)[0].start == pytest.approx(2.0, abs=0.05)


# Hours.


@pytest.mark.slow
def test_the_sixtieth_minute_costs_what_the_second_did_and_nothing_grows():
    minute = np.concatenate([levels(range(first, first + 24), 18.0) for first in (0, 24)])
    model = Levels()
    session = listen(model)
    calls, seconds, peaks, row = [], [], [], []
    tracemalloc.start()
    for _ in range(60):
        model.heard.clear()
        tracemalloc.reset_peak()
        row += [text(event for i in range(0, len(minute), RATE) for event in session.feed(minute[i : i + RATE]))]
        calls.append(len(model.heard))
        seconds.append(round(sum(length for length, _ in model.heard), 3))
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()

    assert row == [named(range(48))] * 60
    assert calls[1] == calls[59] <= 60
    assert seconds[1] == pytest.approx(seconds[59], abs=1.0)
    assert peaks[59] < 1.1 * peaks[5]


def test_what_comes_at_once_is_less_work():
    def work(size: int) -> float:
        model = Levels()
        said(listen(model), levels(range(120)), size)
        return sum(seconds for seconds, _ in model.heard)

    costs = [work(size) for size in (RATE // 2, RATE, 3 * RATE, 60 * RATE)]

    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 2 * 60  # each second about once


# Streams and their model.


def test_two_streams_of_one_model_know_nothing_of_each_other():
    model = Endpointed(Levels(), Loud())
    one, other = model.listen(Hints()), model.listen(Hints())
    events = ([], [])

    for i in range(0, 10 * RATE, RATE // 4):
        events[0].extend(one.feed(levels(range(20))[i : i + RATE // 4]))
        events[1].extend(other.feed(levels(range(50, 70))[i : i + RATE // 4]))
    events[0].extend(one.finish())
    events[1].extend(other.finish())

    assert [text(found) for found in events] == [named(range(20)), named(range(50, 70))]


def test_the_callers_samples_are_neither_kept_nor_written_to():
    session, block, events = listen(Levels()), np.zeros(RATE, np.float32), []
    for first in range(0, 10 * RATE, RATE):
        block[:] = levels(range(20))[first : first + RATE]
        block.flags.writeable = False
        events += session.feed(block)
        block.flags.writeable = True
        block[:] = 0.9  # it is the next recording's

    assert text([*events, *session.finish()]) == named(range(20))


def test_it_is_its_transcriber_to_those_who_ask_and_closes_it():
    model = Levels()
    live = Endpointed(model, Loud())

    assert (live.traits, live.stage) == (model.traits, model.stage)
    live.close()
    assert model.closed


def test_a_detector_of_another_rate_is_refused():
    class Slow(Loud):
        rate = 8000

    with pytest.raises(ValueError, match="8000"):
        Endpointed(Levels(), Slow())


def test_the_span_of_lost_speech_is_not_told_to_the_model():
    model = Levels()
    session = listen(model)
    for _ in session.feed(levels(range(4))):
        pass
    for _ in session.skip(100):
        pass
    model.heard.clear()

    events = [*session.feed(levels(range(4, 8))), *session.finish()]

    assert text(events) == named(range(4, 8))
    assert all(hints.speech[0].start <= 0.01 and len(hints.speech) == 1 for _, hints in model.heard)
    assert isinstance(model.heard[0][1].speech[0], Span)
