"""Texts to recordings through the small checkpoint of Qwen's aligner: times, batches, journals and failures."""

import itertools
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny import common

from speechcli.backends import align_qwen3, registry
from speechcli.backends.base import OutOfMemoryError, Setup
from speechcli.backends.listener import Listener
from speechcli.core.transcript import Transcript
from speechcli.errors import (
    BusyError,
    MediaError,
    NoInputError,
    SpeechcliError,
    UnavailableError,
    UsageError,
)
from speechcli.jobs import batch, plan, run
from speechcli.jobs.job import Job, Question, Text
from speechcli.jobs.journal import Journal
from speechcli.jobs.plan import Delivery, Wish
from speechcli.jobs.recording import Recordings
from speechcli.media.decode import Decoding
from speechcli.media.files import Input
from speechcli.timeline.windows import Rules

FOLDER = Path(common.__file__).parent / "qwen3-aligner"
RATE = 16_000
CLOSE = 0.16  # seconds: two steps of the model
NAMES = tuple(common.CLIPS)


class Counting:
    """The small aligner; what it was given is kept. before: called with each batch, may raise."""

    def __init__(self, longest: float = 180.0) -> None:
        self._aligner = align_qwen3.open(Setup("qwen3-aligner", FOLDER, "", longest, "cpu", "float32"))
        self.traits, self.stage = self._aligner.traits, self._aligner.stage
        self.calls: list[list[float]] = []
        self.texts: list[str] = []
        self.before = lambda batch, texts: None

    def align(self, batch, texts, languages, doubtful=()):
        self.before(batch, texts)
        self.calls.append([audio.duration for audio in batch])
        self.texts += ["".join(row) for row in texts]
        return self._aligner.align(batch, texts, languages, doubtful)

    def close(self) -> None:
        self._aligner.close()


@pytest.fixture(scope="module")
def opened() -> Iterator[dict[float, Counting]]:
    made = {longest: Counting(longest) for longest in (180.0, 20.0)}
    yield made
    for one in made.values():
        one.close()


@pytest.fixture
def aligner(opened) -> Counting:
    """As it comes: windows of up to 50 s, which is what its classes reach."""
    return fresh(opened[180.0])


@pytest.fixture
def short_sighted(opened) -> Counting:
    """Windows of up to 20 s."""
    return fresh(opened[20.0])


def fresh(one: Counting) -> Counting:
    one.calls, one.texts, one.before = [], [], lambda batch, texts: None
    return one


@pytest.fixture(scope="module")
def detector():
    return registry.open_detector()


@pytest.fixture
def engines(ffmpeg, detector, aligner) -> batch.Engines:
    """Nobody recognises a word."""
    return batch.Engines(Listener(RATE), detector, Recordings(ffmpeg, RATE), aligner)


def recording(path: Path, *parts: str | float) -> list[tuple[str, float, float]]:
    """Clips one after the other, a number being so many seconds of faint noise; its words."""
    sounds, words, at = [], [], 0.0
    for i, part in enumerate(parts):
        sound = common.sound(part, RATE) if isinstance(part, str) else common.faint(part, RATE, i)
        words += [(w, at + a, at + b) for w, a, b in (common.words(part) if isinstance(part, str) else ())]
        sounds.append(sound)
        at += len(sound) / RATE
    soundfile.write(path, np.concatenate(sounds), RATE)
    return words


def job(folder: Path, name: str, text: str | None, state: bool = True, **more) -> Job:
    """A recording of `folder` and its text, which is written beside it."""
    path = folder / f"{name}.txt"
    if text is not None:
        path.write_text(text)
    question = Question("none", "", rules=Rules(), aligner=("small",), text=text or "")
    return Job(
        folder / f"{name}.wav",
        f"{name}.wav",
        f"{name}.wav",
        question,
        (("json", folder / f"{name}.json"),),
        folder,
        folder if state else None,
        text=Text(path, f"{name}.txt", f"{name}.txt", **more),
    )


def spoken(words) -> str:
    return " ".join(word for word, _, _ in words)


def worked(jobs, engines, **more) -> tuple[dict[str, Transcript], dict[str, SpeechcliError]]:
    """What became of each job, by its name."""
    done, failed = {}, {}
    for event in batch.worked(jobs, engines, **more):
        match event:
            case batch.Finished():
                done[event.job.name] = event.transcript
                event.done()
            case run.Failed(one, error):
                failed[one.name] = error
    return done, failed


def assert_right(transcript: Transcript, words, close: float = CLOSE) -> None:
    assert [w.text.strip() for w in transcript.words] == [word for word, _, _ in words]
    assert all(w.start < w.end for w in transcript.words)
    assert all(a.end <= b.start for a, b in itertools.pairwise(transcript.words))
    off = [
        (word.text, round(word.start - start, 2), round(word.end - end, 2))
        for word, (_, start, end) in zip(transcript.words, words, strict=True)
        if max(abs(word.start - start), abs(word.end - end)) > close
    ]
    assert not off
    assert transcript.verdict.fit.placed >= 0.98  # the model's stamps may go backwards once in a while
    assert transcript.verdict.fit.mismatches == ()


# --- right times through the genuine path ---


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_alone_has_its_words_where_they_are_said(tmp_path, engines, aligner, name):
    words = recording(tmp_path / "a.wav", 3.0, name, 1.0)

    done, failed = worked([job(tmp_path, "a", spoken(words))], engines)

    assert not failed
    assert_right(done["a.wav"], words)
    assert done["a.wav"].made_by == (aligner.stage,)


def test_short_recordings_share_a_batch_and_each_has_its_own_times(tmp_path, engines, aligner):
    words = {f"{n}.wav": recording(tmp_path / f"{n}.wav", 1.0 + i, n, 0.5) for i, n in enumerate(NAMES)}

    done, failed = worked([job(tmp_path, n, spoken(words[f"{n}.wav"])) for n in NAMES], engines)

    assert not failed
    assert [len(call) for call in aligner.calls] == [4], "all at once"
    assert len(set(aligner.calls[0])) == 4, "of other lengths"
    for name, transcript in done.items():
        assert_right(transcript, words[name])
    assert not list(tmp_path.glob(".*.journal"))


@pytest.mark.slow
def test_more_than_five_minutes_go_in_pieces_where_a_recogniser_heard_them(tmp_path, engines, aligner, transcriber):
    parts = [p for i in range(12) for p in (NAMES[i % 4], 22.0 + i % 3)]
    words = recording(tmp_path / "a.wav", 2.0, *parts)
    assert soundfile.info(tmp_path / "a.wav").duration > 300

    done, failed = worked([job(tmp_path, "a", spoken(words))], replace(engines, transcriber=transcriber))

    assert not failed
    assert_right(done["a.wav"], words)
    pieces = [seconds for call in aligner.calls for seconds in call]
    assert len(pieces) >= 12
    assert max(pieces) <= aligner.traits.longest <= 180
    assert max(map(len, aligner.calls)) > 1
    assert [stage.stage for stage in done["a.wav"].made_by] == ["anchor", "align"]


def test_more_than_five_minutes_are_followed_window_by_window_where_nobody_recognises_anything(
    tmp_path, engines, short_sighted
):
    parts = [part for _ in range(24) for part in ("lady", 2.5, "stuff", 2.5)]
    words = recording(tmp_path / "a.wav", 1.0, *parts)
    assert soundfile.info(tmp_path / "a.wav").duration > 300

    done, failed = worked([job(tmp_path, "a", spoken(words))], replace(engines, aligner=short_sighted))

    assert not failed
    assert_right(done["a.wav"], words)
    pieces = [seconds for call in short_sighted.calls for seconds in call]
    assert max(pieces) <= 20
    assert sum(pieces) < 2 * soundfile.info(tmp_path / "a.wav").duration


# --- broken off and gone on with ---


def broken_off(jobs, engines, aligner, n_calls: int) -> None:
    """The process dies while the aligner works on its call number `n_calls`."""

    def die(batch, texts):
        if len(aligner.calls) == n_calls:
            raise KeyboardInterrupt

    aligner.before = die
    with pytest.raises(KeyboardInterrupt):
        worked(jobs, engines, resume=True)
    aligner.before = lambda batch, texts: None


def test_windows_that_were_aligned_are_not_aligned_again(tmp_path, engines, short_sighted):
    words = recording(tmp_path / "a.wav", 1.0, *["lady", 2.5, "stuff", 2.5] * 8)
    one = job(tmp_path, "a", spoken(words))
    engines = replace(engines, aligner=short_sighted)
    whole, _ = worked([one], engines)
    n_all = len(short_sighted.calls)
    assert n_all >= 6
    fresh(short_sighted)

    broken_off([one], engines, short_sighted, 4)
    assert one.journal.exists()
    done, _ = worked([one], engines, resume=True)

    assert len(short_sighted.calls) == n_all
    assert done == whole
    assert not one.journal.exists()


@pytest.mark.slow
def test_recordings_of_a_broken_batch_are_taken_up_piece_by_piece(tmp_path, engines, aligner, transcriber):
    """The first batch is kept."""
    words = recording(tmp_path / "a.wav", 2.0, *["lady", 22.0, "talk", 22.0, "stuff", 22.0] * 4)
    one = job(tmp_path, "a", spoken(words))
    engines = replace(engines, transcriber=transcriber)
    whole, _ = worked([one], engines)
    n_pieces, n_kept = len(aligner.texts), len(aligner.calls[0])
    assert n_pieces == 12
    assert 1 < n_kept < n_pieces
    fresh(aligner)

    broken_off([one], engines, aligner, 1)
    fresh(aligner)
    done, _ = worked([one], engines, resume=True)

    assert len(aligner.texts) == n_pieces - n_kept
    assert done == whole


def test_another_text_takes_nothing_over(tmp_path, engines, short_sighted):
    words = recording(tmp_path / "a.wav", 1.0, *["lady", 2.5, "stuff", 2.5] * 4)
    engines = replace(engines, aligner=short_sighted)
    broken_off([job(tmp_path, "a", spoken(words))], engines, short_sighted, 2)
    fresh(short_sighted)
    other = spoken(words).replace("hugely", "really")

    done, _ = worked([job(tmp_path, "a", other)], engines, resume=True)

    assert short_sighted.texts[0].split()[:4] == ["But", "I", "am", "really"]
    assert " ".join(segment.text for segment in done["a.wav"].segments) == other


# --- failures ---


@pytest.fixture
def four(tmp_path) -> dict[str, list[tuple[str, float, float]]]:
    return {n: recording(tmp_path / f"{n}.wav", 1.0, n, 0.5) for n in NAMES}


def test_a_recording_that_changes_between_its_two_readings_fails_alone(tmp_path, engines, four, monkeypatch):
    jobs = [job(tmp_path, n, spoken(four[n])) for n in NAMES]
    open_ = Recordings.open
    seen = []

    def changed(self, one):
        if one.name == "lady.wav":
            seen.append(one)
            if len(seen) == 2:
                recording(one.media, 1.5, "lady", 0.7)
        return open_(self, one)

    monkeypatch.setattr(Recordings, "open", changed)
    done, failed = worked(jobs, engines)

    assert len(seen) == 2
    assert set(failed) == {"lady.wav"}
    assert isinstance(failed["lady.wav"], MediaError)
    assert "was written to while it was read" in str(failed["lady.wav"])
    for name, transcript in done.items():
        assert_right(transcript, four[name.removesuffix(".wav")])
    with Journal(jobs[1].journal):
        pass  # free for whoever comes next


def test_one_that_the_aligner_refuses_fails_alone(tmp_path, engines, aligner, four):
    def refuse(batch, texts):
        if any("pleased" in "".join(row) for row in texts):
            raise UnavailableError("no words for this", "none")

    aligner.before = refuse
    done, failed = worked([job(tmp_path, n, spoken(four[n])) for n in NAMES], engines)

    assert {name: str(error) for name, error in failed.items()} == {"lady.wav": "no words for this; none"}
    for name, transcript in done.items():
        assert_right(transcript, four[name.removesuffix(".wav")])


def test_a_bug_in_the_aligner_is_not_swallowed_and_frees_the_journals(tmp_path, engines, aligner, four):
    def bug(batch, texts):
        raise ZeroDivisionError

    aligner.before = bug
    jobs = [job(tmp_path, n, spoken(four[n])) for n in NAMES]
    with pytest.raises(ZeroDivisionError):
        worked(jobs, engines)

    for one in jobs:
        with Journal(one.journal):
            pass


def test_too_large_a_batch_is_halved_and_gives_the_same(tmp_path, engines, aligner, four):
    jobs = [job(tmp_path, n, spoken(four[n])) for n in NAMES]
    free, _ = worked(jobs, engines)
    fresh(aligner)

    def small(batch, texts):
        if len(batch) > 1:
            raise OutOfMemoryError

    aligner.before = small
    done, failed = worked(jobs, engines)

    assert not failed
    assert [len(call) for call in aligner.calls] == [1, 1, 1, 1]
    assert done == free


def test_a_piece_for_which_there_is_no_memory_fails_its_recording_with_a_way_out(tmp_path, engines, aligner, four):
    def small(batch, texts):
        if max(audio.duration for audio in batch) > 5:
            raise OutOfMemoryError

    aligner.before = small
    done, failed = worked([job(tmp_path, n, spoken(four[n])) for n in NAMES], engines)

    assert set(failed) == {"talk.wav"}
    assert isinstance(failed["talk.wav"], UnavailableError)
    assert "--chunk-size" in failed["talk.wav"].hint
    assert len(done) == 3


def test_a_recording_that_another_process_works_on_is_left_to_it(tmp_path, engines, four):
    jobs = [job(tmp_path, n, spoken(four[n])) for n in NAMES]
    with Journal(jobs[2].journal) as other:
        other.begin("theirs")
        done, failed = worked(jobs, engines)

    assert {name: error.exit_code for name, error in failed.items()} == {"stuff.wav": BusyError.exit_code}
    assert len(done) == 3


def test_a_text_that_is_gone_when_its_turn_comes_fails_alone(tmp_path, engines, four):
    jobs = [job(tmp_path, n, spoken(four[n])) for n in NAMES]
    (tmp_path / "modern.txt").unlink()
    events = batch.worked(jobs, engines)
    done, failed = {}, {}
    for event in events:
        match event:
            case batch.Progress(one, seconds) if one.name == "stuff.wav" and not seconds:
                (tmp_path / "stuff.txt").unlink()  # after it was read for the first time
            case batch.Finished(one, transcript):
                done[one.name] = transcript
                event.done()
            case run.Failed(one, error):
                failed[one.name] = error

    assert {name: type(error) for name, error in failed.items()} == {
        "modern.wav": NoInputError,
        "stuff.wav": NoInputError,
    }
    assert set(done) == {"lady.wav", "talk.wav"}
    with Journal(jobs[2].journal):
        pass


# --- languages ---


def test_a_text_in_a_language_that_the_recogniser_lacks_does_without_it(tmp_path, engines, aligner, transcriber, four):
    """The embedded one hears English; German is the aligner's alone, with the same times for the same sounds."""
    assert transcriber.traits.languages == ("en",)
    heard = []
    listening = replace(engines, transcriber=_Overheard(transcriber, heard))
    jobs = [job(tmp_path, "lady", spoken(four["lady"]), language="de"), job(tmp_path, "talk", spoken(four["talk"]))]

    done, failed = worked(jobs, listening)

    assert not failed
    assert [stage.stage for stage in done["lady.wav"].made_by] == ["align"]
    assert [stage.stage for stage in done["talk.wav"].made_by] == ["anchor", "align"]
    assert done["lady.wav"].language == "de"
    assert len(heard) == 1, "the windows of one recording"
    assert_right(done["talk.wav"], four["talk"])


class _Overheard:
    def __init__(self, transcriber, heard):
        self.traits, self.stage = transcriber.traits, transcriber.stage
        self._transcriber, self._heard = transcriber, heard

    def transcribe(self, batch, hints):
        self._heard += batch
        return self._transcriber.transcribe(batch, hints)

    def close(self):
        pass


def test_a_language_that_the_aligner_lacks_is_one_clear_line_and_fails_alone(tmp_path, engines, four):
    jobs = [job(tmp_path, n, spoken(four[n]), language="fi" if n == "lady" else None) for n in NAMES]

    done, failed = worked(jobs, engines)

    assert set(failed) == {"lady.wav"}
    error = failed["lady.wav"]
    assert isinstance(error, UsageError)
    assert "lady.txt is in Finnish" in error.message
    assert "Chinese" in error.message
    assert "\n" not in str(error)
    assert len(done) == 3


# --- names ---


def test_alignments_of_recordings_of_one_name_are_not_taken_for_their_transcripts(tmp_path):
    """talk.wav and talk.mp3: talk.wav.aligned.json, beside what `transcribe` calls talk.wav.json."""
    question = Question("none", "")
    sources = [Input(tmp_path / name, name) for name in ("talk.wav", "talk.mp3")]
    text = Text(tmp_path / "talk.txt", "talk.txt", "talk.txt")

    heard = plan.jobs([Wish(source, question) for source in sources], Delivery(("json",)))
    aligned = plan.jobs([Wish(source, question, text=text) for source in sources], Delivery(("json",)))

    assert not {path for one in heard for _, path in one.outputs} & {path for one in aligned for _, path in one.outputs}


# --- memory ---


def test_a_recording_is_never_in_memory_as_a_whole(tmp_path, engines, short_sighted, monkeypatch):
    """Five minutes of sound are 19 MB; what is held of it at once is a window and a few blocks."""
    words = recording(tmp_path / "a.wav", 1.0, *["lady", 2.5, "stuff", 2.5] * 25)
    alive = [0.0]
    next_ = Decoding.__next__

    def gone(seconds):
        alive.append(alive[-1] - seconds)

    def counted(self):
        block = next_(self)
        alive.append(alive[-1] + block.duration)
        weakref.finalize(block.samples, gone, block.duration)
        return block

    monkeypatch.setattr(Decoding, "__next__", counted)
    done, _ = worked([job(tmp_path, "a", spoken(words))], replace(engines, aligner=short_sighted))

    assert done
    assert len(alive) > 2 * 2 * 300 / 8, "read twice"
    assert max(alive) <= 90
