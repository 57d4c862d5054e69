"""Many recordings through one model: order, batches, failures and memory, by an ear for tones."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tones import RULES, STEP, Ear, Energy, Shelf, Tape, jobs_in, melody, text_of

from speechcli.backends.base import OutOfMemoryError
from speechcli.core.transcript import Heard, joined
from speechcli.errors import BusyError, DataError, MediaError, UnavailableError
from speechcli.jobs import batch, plan, run
from speechcli.jobs.job import Question
from speechcli.jobs.journal import Journal
from speechcli.media.files import Input

SIX = {f"tape{i}": melody(20 * i, n) for i, n in enumerate((70, 9, 45, 14, 24, 16))}


def key_of(job, fingerprint: str) -> str:
    """What its journal is known by while the ear of these tests hears it."""
    return f"{job.key(fingerprint)} {Ear(1, 1).stage.engine}"


def engines(ear: Ear) -> batch.Engines:
    """What a batch of tones runs on."""
    return batch.Engines(ear, Energy(), Shelf({}))


def within(seconds: float, do: Callable[[], object]) -> None:
    """Does it in a thread, for a deadlock is to fail and not to hang."""
    caught = []

    def guarded() -> None:
        try:
            do()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    thread.join(seconds)
    if caught:
        raise caught[0]
    assert not thread.is_alive(), "nothing goes on"


def outcome(folder: Path, shelf: Shelf, ear: Ear, **settings) -> tuple[dict[str, str], dict[str, Exception]]:
    """The text of each finished recording, and the error of each failed one; each is told once."""
    texts, errors, groups = {}, {}, {name: [] for name in shelf.tapes}

    def do() -> None:
        for event in run.work(jobs_in(folder, shelf.tapes), ear, Energy(), shelf, **settings):
            name = event.job.name
            match event:
                case run.Group(_, answers):
                    groups[name].append(answers)
                case run.Ended(job, ending, done):
                    assert name not in texts | errors
                    texts[name] = " ".join(
                        s.text for s in batch.finished(job, groups[name], ending, engines(ear)).segments
                    )
                    done()
                case run.Failed(_, error):
                    assert name not in texts | errors
                    errors[name] = error

    within(20, do)
    return texts, errors


@pytest.mark.parametrize(("size", "lanes"), [(1, 1), (4, 1), (3, 2)])
def test_each_recording_gets_the_words_of_its_own_sound_each_once(tmp_path, size, lanes):
    texts, errors = outcome(tmp_path, Shelf(SIX), Ear(size, lanes))

    assert texts == {name: text_of(numbers) for name, numbers in SIX.items()}
    assert not errors
    assert not list(tmp_path.iterdir()), "no journal is left"


def test_words_stand_where_they_sounded(tmp_path):
    numbers = [*melody(0, 30), *[-1] * 20, *melody(40, 50)]
    (job,) = jobs_in(tmp_path, ["talk"])
    ear = Ear()
    groups, endings = [], []

    for event in run.work([job], ear, Energy(), Shelf({"talk": numbers})):
        match event:
            case run.Group(_, answers):
                groups.append(answers)
            case run.Ended(_, ending, _):
                endings.append(ending)

    words = batch.finished(job, groups, endings[0], engines(ear)).words
    assert [int(w.text[2:]) for w in words] == [n for n in numbers if n >= 0]
    places = [i * STEP for i, n in enumerate(numbers) if n >= 0]
    assert all(abs(w.start - place) < 0.05 for w, place in zip(words, places, strict=True))


def test_windows_of_different_recordings_share_batches(tmp_path):
    short = {f"tape{i}": melody(10 * i, 8) for i in range(9)}
    ear = Ear(batch=4, lanes=1, before=lambda words: time.sleep(0.1))  # slower than the reader

    texts, _ = outcome(tmp_path, Shelf(short), ear)

    assert len(texts) == 9
    mixed = [{window[0] // 10 for window in call} for call in ear.calls]
    assert max(map(len, mixed)) == 4, mixed
    assert len(ear.calls) <= 4, "the first ones are heard alone, then batches are full"


def test_the_longest_recording_is_begun_first(tmp_path):
    for name, size in (("b.mp3", 30_000), ("c.mp3", 90_000), ("a.mp3", 10_000), ("d.wav", 100_000)):
        (tmp_path / name).write_bytes(bytes(size))
    question = Question("ear", "1", rules=RULES)
    wishes = [plan.Wish(Input(path, path.name), question) for path in sorted(tmp_path.iterdir())]
    shelf = Shelf({name: melody(0, 8) for name in ("a.mp3", "b.mp3", "c.mp3", "d.wav")})

    jobs = plan.jobs(wishes, plan.Delivery(("txt",), folder=tmp_path))
    began = [e.job.name for e in run.work(jobs, Ear(), Energy(), shelf) if isinstance(e, run.Began)]

    assert began == ["c.mp3", "b.mp3", "d.wav", "a.mp3"], "a second of wav has more bytes than one of mp3"


def test_a_recording_is_told_as_soon_as_it_is_finished(tmp_path):
    tapes = {f"tape{i}": melody(20 * i, 60) for i in range(6)}
    ear = Ear(batch=2, lanes=1)

    events = run.work(jobs_in(tmp_path, tapes), ear, Energy(), Shelf(tapes))
    heard = [sum(map(len, ear.calls)) for event in events if isinstance(event, run.Ended)]

    assert heard[0] < heard[-1] / 3, heard
    assert heard == sorted(heard)


def test_groups_come_in_the_order_of_the_recording_whichever_lane_is_first(tmp_path):
    slow = threading.Event()
    ear = Ear(batch=1, lanes=3, before=lambda words: slow.wait(0.02 * (words[0][0] % 3)))

    events = run.work(jobs_in(tmp_path, ["talk"]), ear, Energy(), Shelf({"talk": melody(0, 140)}))
    order = [event.answers[0].window.index for event in events if isinstance(event, run.Group)]

    assert order == [(i,) for i in range(len(order))]


def test_a_batch_too_large_for_the_device_is_made_smaller_and_nothing_is_lost(tmp_path):
    def small_device(words):
        if sum(map(len, words)) > 25:
            raise OutOfMemoryError

    ear = Ear(batch=4, lanes=1, before=small_device)
    texts, errors = outcome(tmp_path, Shelf(SIX), ear)

    assert max(map(len, ear.calls)) > 1, "the limit was met"
    assert texts == {name: text_of(numbers) for name, numbers in SIX.items()}
    assert not errors


def test_a_window_too_large_by_itself_fails_its_recording_only(tmp_path):
    def tiny_device(words):
        if any(30 in window for window in words):
            raise OutOfMemoryError

    texts, errors = outcome(tmp_path, Shelf({"a": melody(0, 20), "b": melody(20, 60), "c": melody(80, 20)}), Ear())

    assert len(texts) == 3
    texts, errors = outcome(
        tmp_path, Shelf({"a": melody(0, 20), "b": melody(20, 60), "c": melody(80, 20)}), Ear(before=tiny_device)
    )
    assert texts == {"a": text_of(melody(0, 20)), "c": text_of(melody(80, 20))}
    assert isinstance(errors["b"], UnavailableError)
    assert "not enough memory" in str(errors["b"])


def deaf_to(number: int, error: Exception = DataError("the model gave up")) -> Callable:  # noqa: B008
    def before(words):
        if any(number in window for window in words):
            raise error

    return before


def test_a_window_that_fails_fails_its_recording_only_and_what_was_finished_of_it_stays(tmp_path):
    tapes = {"a": melody(0, 20), "b": melody(20, 60), "c": melody(90, 20)}

    texts, errors = outcome(tmp_path, Shelf(tapes), Ear(batch=3, lanes=1, before=deaf_to(75)))

    assert texts == {"a": text_of(tapes["a"]), "c": text_of(tapes["c"])}
    assert str(errors["b"]) == "the model gave up"
    assert [path.name for path in tmp_path.iterdir()] == [".b.json.journal"]

    ear = Ear(batch=3, lanes=1)
    texts, errors = outcome(tmp_path, Shelf({"b": tapes["b"]}), ear)
    assert texts == {"b": text_of(tapes["b"])}
    heard = {number for call in ear.calls for window in call for number in window}
    assert 75 in heard
    assert 20 not in heard, "the beginning was not heard again"


def test_many_failing_recordings_do_not_stop_the_others(tmp_path):
    """Each held a place in the reading ahead for ever: with as many as places, nothing went on."""
    tapes = {f"bad{i:02}": melody(0, 60) for i in range(12)} | {"good": melody(80, 50)}

    texts, errors = outcome(tmp_path, Shelf(tapes), Ear(batch=1, lanes=1, before=deaf_to(5)))

    assert texts == {"good": text_of(melody(80, 50))}
    assert len(errors) == 12


def test_a_recording_that_fails_twice_is_told_once_and_the_others_are_finished(tmp_path):
    """A window fails, and then the decoder: counted twice, the batch ended before its last recording."""
    told = threading.Event()

    def broken() -> None:
        assert told.wait(10)
        raise MediaError("the decoder crashed")

    shelf = Shelf({"bad": Tape(melody(0, 36), "x", then=broken), "good": melody(60, 50)})
    events = []

    def do() -> None:
        for event in run.work(
            jobs_in(tmp_path, shelf.tapes), Ear(1, 1, before=deaf_to(1)), Energy(), shelf, patient=False
        ):
            events.append(event)
            if isinstance(event, run.Failed):
                told.set()

    within(20, do)
    assert [str(e.error) for e in events if isinstance(e, run.Failed)] == ["the model gave up"]
    assert [e.job.name for e in events if isinstance(e, run.Ended)] == ["good"]


def test_a_decoder_that_crashes_fails_its_recording_and_the_windows_before_are_kept(tmp_path):
    def broken() -> None:
        raise MediaError("the decoder crashed")

    shelf = Shelf({"bad": Tape(melody(0, 60), "x", then=broken), "good": melody(60, 50)})

    texts, errors = outcome(tmp_path, shelf, Ear(1, 1))

    assert texts == {"good": text_of(melody(60, 50))}
    assert str(errors["bad"]) == "the decoder crashed"
    with Journal(tmp_path / ".bad.json.journal") as journal:
        (job,) = jobs_in(tmp_path, ["bad"])
        assert journal.begin(key_of(job, "x")) > 0


def test_a_bug_in_an_engine_flies_through(tmp_path):
    with pytest.raises(ZeroDivisionError):
        outcome(tmp_path, Shelf({"a": melody(0, 9)}), Ear(before=deaf_to(1, ZeroDivisionError("oh"))))


def test_a_bug_in_reading_flies_through(tmp_path):
    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        outcome(tmp_path, Shelf({"a": Tape(melody(0, 9), "x", then=broken)}), Ear())


def test_a_recording_that_another_process_has_in_work_is_left_to_it(tmp_path):
    with Journal(tmp_path / ".b.json.journal") as journal:
        journal.begin("somebody's")

        texts, errors = outcome(tmp_path, Shelf({"a": melody(0, 9), "b": melody(20, 9), "c": melody(40, 9)}), Ear())

    assert set(texts) == {"a", "c"}
    assert isinstance(errors["b"], BusyError)
    assert "by process" in str(errors["b"])


def test_a_recording_finished_by_others_meanwhile_is_not_heard(tmp_path):
    ear = Ear()

    texts, errors = outcome(
        tmp_path, Shelf({"a": melody(0, 9), "b": melody(20, 9)}), ear, still_wanted=lambda job: job.name == "a"
    )

    assert set(texts) == {"a"}
    assert not errors
    assert not list(tmp_path.iterdir())


def test_closing_stops_all_threads_and_keeps_what_was_finished(tmp_path):
    shelf = Shelf(SIX)
    before = set(threading.enumerate())
    events = run.work(jobs_in(tmp_path, SIX), Ear(1, 2), Energy(), shelf)

    while not isinstance(next(events), run.Group):
        pass
    events.close()

    assert set(threading.enumerate()) == before
    kept = 0
    for name in SIX:
        (job,) = jobs_in(tmp_path, [name])
        with Journal(job.journal) as journal:
            kept += journal.begin(key_of(job, shelf.tapes[name].fingerprint))
    assert kept > 0


def test_what_the_journal_has_is_not_heard_again_and_the_answer_is_the_same(tmp_path):
    whole, _ = outcome(tmp_path / "whole", Shelf(SIX), Ear(2, 1))
    first, second = Ear(2, 1), Ear(2, 1)
    events = run.work(jobs_in(tmp_path, SIX), first, Energy(), Shelf(SIX))
    while sum(map(len, first.calls)) < 7:
        next(events)
    events.close()
    kept = sum(path.read_bytes().count(b'"window"') for path in tmp_path.glob(".*.journal"))

    texts, errors = outcome(tmp_path, Shelf(SIX), second)

    everything = Ear(2, 1)
    outcome(tmp_path / "count", Shelf(SIX), everything)
    assert texts == whole
    assert not errors
    assert kept >= 5
    assert sum(map(len, second.calls)) == sum(map(len, everything.calls)) - kept


class Forgetful(Ear):
    """Passes over two stretches of every long window, and hears them when they stand alone."""

    def __init__(self) -> None:
        super().__init__(2, 1)
        self.traits = replace(self.traits, hears_again=True)

    def transcribe(self, batch, hints):
        return [self._without_two_stretches(heard) for heard in super().transcribe(batch, hints)]

    def _without_two_stretches(self, heard: Heard) -> Heard:
        words = heard.segments[0].words
        if len(words) < 16:
            return heard
        kept = words[:3] + words[7:10] + words[14:]
        return Heard((replace(heard.segments[0], words=kept, text=joined(kept)),), language="en")


def test_parts_heard_again_are_taken_from_the_journal_too_several_of_one_window(tmp_path):
    tapes = {"a": melody(0, 60)}

    def heard(ear: Ear) -> str:
        groups, text = [], ""
        for event in run.work(jobs_in(tmp_path, tapes), ear, Energy(), Shelf(tapes)):
            match event:
                case run.Group(_, answers):
                    groups.append(answers)
                case run.Ended(job, ending, _):  # killed here: the journal stays
                    text = " ".join(s.text for s in batch.finished(job, groups, ending, engines(ear)).segments)
        return text

    whole = heard(Forgetful())
    again = Forgetful()

    assert set(text_of(melody(0, 60)).split()) <= set(whole.split())
    assert heard(again) == whole
    assert again.calls == []


def test_who_waits_for_the_first_words_has_them_after_one_window(tmp_path):
    """Live, the first window is heard alone and its passed-over parts next; then batches are full again."""
    tapes = {"a": melody(0, 145)}
    ear = Forgetful()
    events = run.work(jobs_in(tmp_path, tapes), ear, Energy(), Shelf(tapes), live=True)

    while not isinstance(next(events), run.Group):
        pass
    first = list(ear.calls[:3])
    deque(events, maxlen=0)

    assert [len(call) for call in first] == [1, 1, 1]
    assert first[0][0][0] == 0
    assert {*range(3, 7), *range(10, 14)} <= {*first[1][0], *first[2][0]}
    assert len(first[1][0]) + len(first[2][0]) < 16
    assert max(len(call) for call in ear.calls) == 2


def test_without_resume_everything_is_heard_again(tmp_path):
    tapes = {"a": melody(0, 60)}
    first, second = Ear(1, 1, before=deaf_to(55)), Ear(1, 1)
    outcome(tmp_path, Shelf(tapes), first)

    outcome(tmp_path, Shelf(tapes), second, resume=False)

    assert 0 in second.calls[0][0]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_the_recording(tmp_path):
    """Seconds of sound alive at once, while a reader faster than the model goes through forty minutes."""
    peak = {}
    for minutes in (10, 40):
        tape = Tape(melody(0, minutes * 120), "long")
        texts, _ = outcome(tmp_path, Shelf({"talk": tape}), Ear(batch=4, lanes=2))
        assert texts["talk"] == text_of(tape.numbers)
        peak[minutes] = max(tape.alive)

    ahead = 4 * 3  # windows: a batch for each lane and one in reserve
    assert peak[40] <= (ahead + 2) * RULES.longest + 4 * 8.192, peak
    assert peak[40] <= 1.1 * peak[10], peak
