"""What every model that listens live has to do, whichever way it does it, on real speech."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from listening import check_order, cut, finals, said, text
from spoken import made, words, wrong
from tiny import common

from speechcli.backends import registry, streaming
from speechcli.backends.base import Hints, StreamingTranscriber, Transcriber
from speechcli.backends.streaming import Listening
from speechcli.core.live import Final, Partial
from speechcli.core.span import Span
from speechcli.errors import UsageError

TINY = Path(__file__).parent.parent / "tiny"
RATE = 16_000
CLIPS = ("lady", "modern", "talk")
MODELS = {
    "whisper": "embedded",
    "moonshine": "moonshine",
    "voxtral": str(TINY / "voxtral-realtime"),
    "qwen3-asr": str(TINY / "qwen3-asr"),
}
WRONG = {"whisper": 4, "moonshine": 4, "voxtral": 0}  # of 20 words, however they are fed; qwen3-asr knows whole clips


@dataclass(frozen=True)
class Live:
    name: str
    model: StreamingTranscriber
    heard: dict[int, list[Partial | Final]]

    def said(self, size: int) -> list[Partial | Final]:
        """Of `sound`, in blocks of that many samples; once."""
        if size not in self.heard:
            self.heard[size] = said(self.model.listen(Hints()), sound(), size)
        return self.heard[size]


def opened(model: str, listening: Listening) -> StreamingTranscriber:
    wanted = registry.Wanted(model, device="cpu", dtype="float32" if model.startswith("/") else "auto")
    return streaming.open_streaming(registry.resolve(streaming.wish(wanted, listening)), listening)


@pytest.fixture(scope="module", params=MODELS)
def live(request) -> Iterator[Live]:
    if request.param == "moonshine" and find_spec("moonshine_voice") is None:
        pytest.skip("needs speechcli[diarize], whose wheel brings the weights")
    model = opened(MODELS[request.param], Listening())
    yield Live(request.param, model, {})
    model.close()


@cache
def sound() -> np.ndarray:
    """15 s: three clips with pauses."""
    return np.concatenate([part for n in CLIPS for part in (common.sound(n, RATE), common.faint(1.2, RATE))])


def spoken() -> list[str]:
    return words(" ".join(map(common.text, CLIPS)))


@pytest.mark.parametrize("size", [pytest.param(320, marks=pytest.mark.slow), 10**9])
def test_finals_follow_one_another_and_a_partial_has_the_id_of_the_next(live, size):
    events = live.said(size)

    assert finals(events)
    check_order(events, len(sound()) / RATE)


@pytest.mark.parametrize("size", [pytest.param(320, marks=pytest.mark.slow), 10**9])
def test_the_words_are_those_that_were_said_however_they_come(live, size):
    if live.name not in WRONG:
        pytest.skip("its small checkpoint was taught whole clips")

    found = words(text(live.said(size)))

    assert wrong(spoken(), found) <= WRONG[live.name]


def test_words_come_while_the_sound_does(live):
    session, first = live.model.listen(Hints()), None
    for i, block in enumerate(cut(sound(), 8000)):
        if first is None and list(session.feed(block)):
            first = (i + 1) / 2

    assert first is not None
    assert first <= 4.0  # the first word begins at half a second, and that clip is 4.5 s long


def test_what_is_no_speech_gives_nothing(live):
    random = np.random.default_rng(3)
    session = live.model.listen(Hints())

    events = [event for n in (0, 1, 0, 1, 1) for event in session.feed(np.zeros(n, np.float32))]
    events += session.feed(np.zeros(3 * RATE, np.float32))
    if live.name != "voxtral":  # which was taught no noise
        events += session.feed(random.normal(0, 0.05, 3 * RATE).astype(np.float32))
    events += session.feed(common.faint(3, RATE))

    assert [*events, *session.finish()] == []


def test_a_stream_of_nothing_says_nothing(live):
    assert list(live.model.listen(Hints()).finish()) == []


def test_the_last_word_is_said_when_the_sound_ends_with_it(live):
    if live.name not in WRONG:
        pytest.skip("its small checkpoint was taught whole clips")
    samples = common.sound("lady", RATE)[: round((common.words("lady")[-1][2] + 0.05) * RATE)]

    for size in (1600, 10**9):
        assert words(text(said(live.model.listen(Hints()), samples, size)))[-1] == "lady"


def test_behind_lost_sound_time_goes_on_and_no_id_comes_twice(live):
    session = live.model.listen(Hints())
    first, second = common.sound("modern", RATE), common.sound("lady", RATE)

    before = [*session.feed(first), *session.skip(5 * RATE)]
    after = [*session.feed(second), *session.finish()]

    gap = len(first) / RATE + 5
    assert finals(before)
    assert finals(after)[0].start >= gap - 0.05
    check_order([*before, *after], gap + len(second) / RATE)
    assert all(final.end <= len(first) / RATE + 0.01 for final in finals(before))
    if live.name in WRONG:
        assert wrong(words(common.text("lady")), words(text(after))) <= 2


def test_two_sessions_at_a_time_say_what_each_would_alone(live):
    one, other = common.sound("lady", RATE), common.sound("modern", RATE)
    alone = [text(said(live.model.listen(Hints()), samples, RATE)) for samples in (one, other)]
    sessions, events = (live.model.listen(Hints()), live.model.listen(Hints())), ([], [])

    for blocks in itertools.zip_longest(cut(one, RATE), cut(other, RATE)):
        for block, session, found in zip(blocks, sessions, events, strict=True):
            found += session.feed(block) if block is not None else ()
    for session, found in zip(sessions, events, strict=True):
        found += session.finish()

    assert [text(found) for found in events] == alone
    assert all(alone)


# Whisper, of a longer recording.


def changed(events: list[Partial | Final]) -> tuple[int, int]:
    """Words of partials that stand at another place or not at all in the end; and all words of partials."""
    last = words(text(events))
    n_final = n_changed = n_shown = 0
    for event in events:
        found = words(event.text)
        if isinstance(event, Final):
            n_final += len(found)
            continue
        n_shown += len(found)
        then = last[n_final : n_final + len(found)]
        n_changed += sum(a != b for a, b in itertools.zip_longest(found, then))
    return n_changed, n_shown


@pytest.mark.slow
def test_whisper_errs_live_hardly_more_than_offline_and_rewrites_little(transcriber: Transcriber):
    names = ("LJ001-0001", "1688-142285-0000")
    recording = made(names, (0.5, 1.0))
    offline = []
    for span in recording.spans:
        audio = recording.audio.cut(Span(max(0.0, span.start - 0.2), span.end + 0.2))
        (heard,) = transcriber.transcribe([audio], [Hints(speech=(Span(0.2, audio.duration - 0.2),))])
        offline += words(" ".join(segment.text for segment in heard.segments))
    model = opened("embedded", Listening())

    events = said(model.listen(Hints()), recording.audio.samples, 512)

    model.close()
    check_order(events, recording.audio.duration)
    n_words = len(recording.said)
    assert wrong(recording.said, words(text(events))) <= wrong(recording.said, offline) + 0.05 * n_words
    n_changed, n_shown = changed(events)
    assert n_shown > n_words / 2
    assert n_changed <= 0.15 * n_shown


@pytest.mark.parametrize("size", [pytest.param(1600, marks=pytest.mark.slow), 10**9])
def test_whisper_cut_in_the_middle_of_speech_loses_and_doubles_no_word(size):
    model = opened("embedded", Listening(longest=3.0))
    recording = made(("LJ001-0001",), (0.5,))  # 9.5 s without a pause

    events = said(model.listen(Hints()), recording.audio.samples, size)

    model.close()
    assert sum(final.ends for final in finals(events)) >= 3
    assert wrong(recording.said, words(text(events))) <= 3
    check_order(events, recording.audio.duration)


# Which model listens, and how.


def test_whisper_listens_in_windows_that_cost_less_unless_the_user_says_otherwise():
    usual = streaming.wish(registry.Wanted("embedded"), Listening())
    asked = streaming.wish(
        registry.Wanted("embedded", settings={"encoder_seconds": "30", "beam_size": "1"}), Listening()
    )

    assert float(usual.settings["encoder_seconds"]) < 30
    assert asked.settings["encoder_seconds"] == "30"
    assert asked.settings["beam_size"] == "1"
    assert asked.settings["lanes"] == usual.settings["lanes"] == "1"
    assert not streaming.wish(registry.Wanted("moonshine"), Listening()).settings


@pytest.mark.parametrize(
    ("model", "listening", "said"),
    [
        ("embedded", Listening(delay_ms=480), "--delay-ms"),
        ("voxtral-realtime", Listening(silence=0.5), "--endpoint-silence-ms"),
        ("voxtral-realtime", Listening(longest=9.0), "--max-utterance"),
        ("voxtral-realtime", Listening(onset=0.5), "--vad-threshold"),
        ("embedded", Listening(longest=1.0), "--max-utterance 1"),
        ("embedded", Listening(longest=29.0), "--max-utterance 29"),
        ("embedded", Listening(longest=float("nan")), "--max-utterance nan"),
        ("embedded", Listening(silence=0.0), "--endpoint-silence-ms 0"),
        ("embedded", Listening(silence=11.0), "--endpoint-silence-ms 11000"),
        ("embedded", Listening(silence=float("nan")), "--endpoint-silence-ms nan"),
        ("embedded", Listening(onset=0.0), "--vad-threshold 0"),
        ("embedded", Listening(onset=1.5), "--vad-threshold 1.5"),
        ("embedded", Listening(onset=float("nan")), "--vad-threshold nan"),
    ],
)
def test_what_does_nothing_or_cannot_be_is_refused_before_anything_is_loaded(model, listening, said):
    with pytest.raises(UsageError, match=said):
        streaming.wish(registry.Wanted(model), listening)


def test_a_quiet_threshold_lowers_both_ends_of_the_detector():
    found = streaming.endpoints(registry.Wanted("embedded"), Listening(onset=0.2, silence=0.4, longest=7.0))

    assert (found.onset, found.offset, found.silence, found.longest) == (0.2, 0.2, 0.4, 7.0)
