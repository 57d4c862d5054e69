"""Who speaks when, in many recordings: a diarizer of tones on real files, threads, locks and manifests."""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pitches import RATE, Pitches, talk
from tones import RULES, Ear, Energy, melody, tune

from speechcli.backends.base import Counts, Diarized, OutOfMemoryError
from speechcli.backends.registry import Resolved, Wanted
from speechcli.core.span import Span
from speechcli.core.transcript import Segment, Stage, Transcript, Turn, Verdict, Word
from speechcli.errors import BusyError, DataError, MediaError, NoInputError, UnavailableError
from speechcli.formats import table
from speechcli.jobs import batch, manifest, plan, run
from speechcli.jobs.aligned import Finished
from speechcli.jobs.batch import Engines
from speechcli.jobs.diarized import after, given, of_segments, read_turns, work
from speechcli.jobs.hearings import Listened
from speechcli.jobs.job import Job, Question, Rendering, Text, told_of
from speechcli.jobs.journal import Journal
from speechcli.jobs.recording import Recordings
from speechcli.media.files import fingerprint

WHO = Question("", "", diarizer=("pitches", "1"), turns=True)
LOW, MIDDLE, HIGH = 300, 900, 1500  # Hz; each is a person


@pytest.fixture
def recordings(ffmpeg) -> Recordings:
    return Recordings(ffmpeg, RATE)


def job(folder: Path, name: str, samples: np.ndarray | None = None, question: Question = WHO, text=None) -> Job:
    """A job for a wav of that name, its rttm and its lock in `folder`."""
    if samples is not None:
        soundfile.write(folder / f"{name}.wav", samples, RATE)
    path = folder / f"{name}.wav"
    outputs = (("rttm", folder / f"{name}.rttm"),)
    return Job(path, path.name, path.name, question, outputs, folder, folder, text=text)


def finished(events) -> list[Finished]:
    """What was finished; locks are freed."""
    made = []
    for event in events:
        assert not isinstance(event, run.Failed), event
        if isinstance(event, Finished):
            event.done()
            made.append(event)
    return made


def rows(turns: Sequence[Turn]) -> list[tuple[float, float, str]]:
    return [(round(t.start, 1), round(t.end, 1), t.speaker) for t in turns]


def test_each_recording_gets_its_own_turns_a_verdict_and_who_found_them(tmp_path, recordings):
    first = job(tmp_path, "a", talk((0.0, 1.0, LOW), (2.0, 3.0, MIDDLE), seconds=4.0))
    second = job(tmp_path, "b", talk((9.0, 10.0, HIGH), seconds=21.0))

    made = {one.job.name: one.transcript for one in finished(work([first, second], Pitches(), recordings))}

    assert rows(made["a.wav"].turns) == [(0.0, 1.0, "SPEAKER_00"), (2.0, 3.0, "SPEAKER_01")]
    assert rows(made["b.wav"].turns) == [(9.0, 10.0, "SPEAKER_00")]
    assert (made["b.wav"].duration, made["b.wav"].segments) == (21.0, ())
    assert made["a.wav"].verdict == Verdict(speech=2.0)
    assert made["a.wav"].made_by == (Stage("diarize", "tones", "pitches", "1"),)
    assert dict(made["a.wav"].recording)["fingerprint"] == fingerprint(first.media)
    assert [path.name for path in tmp_path.iterdir() if "journal" in path.name] == []


def test_the_counts_reach_the_diarizer_and_stand_with_its_settings(tmp_path, recordings):
    asked = {
        Counts(): {},
        Counts(3, 3): {"num_speakers": "3"},
        Counts(2, 5): {"min_speakers": "2", "max_speakers": "5"},
    }
    samples = talk((0.0, 1.0, LOW), seconds=2.0)
    diarizer = Pitches()
    jobs = [job(tmp_path, f"n{i}", samples, replace(WHO, speakers=counts)) for i, counts in enumerate(asked)]

    made = finished(work(jobs, diarizer, recordings))

    assert diarizer.begun == list(asked)
    assert [dict(one.transcript.made_by[0].settings) for one in made] == list(asked.values())
    assert [one.transcript.verdict.notes for one in made] == [(), ("only 1 told apart",), ("only 1 told apart",)]
    assert [one.transcript.verdict.status for one in made] == ["ok", "warning", "warning"]


def test_what_a_recording_gives_is_told_while_it_is_heard(tmp_path, recordings):
    one = job(tmp_path, "a", talk((0.0, 1.0, LOW), seconds=20.0))

    events = list(work([one], Pitches(), recordings))

    assert [type(event) for event in events] == [run.Began, Listened, Listened, Listened, Finished]
    assert [event.seconds for event in events[1:4]] == [8.0, 16.0, 20.0]


@pytest.mark.parametrize("lanes", [1, 2])
def test_as_many_recordings_are_heard_at_once_as_the_diarizer_likes(tmp_path, recordings, lanes):
    together = threading.Barrier(lanes)
    diarizer = Pitches(lanes, during=lambda block: together.wait(timeout=20) if not block.first else None)
    samples = talk((0.0, 1.0, LOW), seconds=2.0)

    made = finished(work([job(tmp_path, f"{i}", samples) for i in range(4)], diarizer, recordings))

    assert len(made) == 4
    assert diarizer.most_under_way == lanes


def test_with_a_roster_recordings_are_told_in_order_and_its_names_are_theirs(tmp_path, recordings):
    second_is_over = threading.Event()
    long, short = talk((0.0, 1.0, LOW), seconds=17.0), talk((0.0, 1.0, HIGH), seconds=2.0)
    asked = []

    def during(block):
        if block.first:  # only the long one has a second block
            assert second_is_over.wait(timeout=20)
        elif len(block.samples) < 5 * RATE:
            second_is_over.set()

    def roster(of: Job, found: Diarized) -> Diarized:
        asked.append(of.name)
        return replace(found, turns=tuple(replace(t, speaker=f"{of.media.stem}-{t.speaker}") for t in found.turns))

    jobs = [job(tmp_path, "long", long), job(tmp_path, "short", short)]
    made = finished(work(jobs, Pitches(2, during=during), recordings, roster=roster))

    assert asked == ["long.wav", "short.wav"]
    assert [one.transcript.turns[0].speaker for one in made] == ["long-SPEAKER_00", "short-SPEAKER_00"]


def test_nothing_outside_of_the_clips_is_heard(tmp_path, recordings):
    samples = talk((0.0, 2.0, LOW), (3.0, 6.0, MIDDLE), (9.0, 11.0, HIGH), seconds=12.0)
    one = job(tmp_path, "a", samples, replace(WHO, clips=(Span(4.0, 5.0), Span(9.5, 1e7))))

    heard = []

    (made,) = finished(work([one], Pitches(during=lambda block: heard.append(block.samples)), recordings))

    assert rows(made.transcript.turns) == [(4.0, 5.0, "SPEAKER_00"), (9.5, 11.0, "SPEAKER_01")]
    loud = np.flatnonzero(np.concatenate(heard)) / RATE
    assert ((loud >= 4.0) & (loud < 5.0) | (loud >= 9.5)).all()


def test_a_recording_that_cannot_be_read_fails_alone(tmp_path, recordings):
    (tmp_path / "bad.wav").write_bytes(b"RIFF of nothing")
    jobs = [job(tmp_path, "bad"), job(tmp_path, "good", talk((0.0, 1.0, LOW), seconds=2.0)), job(tmp_path, "gone")]

    events = list(work(jobs, Pitches(), recordings))

    assert {e.job.name: type(e) for e in events if isinstance(e, Finished | run.Failed)} == {
        "bad.wav": run.Failed,
        "good.wav": Finished,
        "gone.wav": run.Failed,
    }


def test_too_little_memory_fails_the_recording_and_a_bug_ends_the_run(tmp_path, recordings):
    def raising(error: Exception) -> Pitches:
        def during(block):
            raise error

        return Pitches(during=during)

    one = job(tmp_path, "a", talk((0.0, 1.0, LOW), seconds=2.0))

    (*_, failed) = work([one], raising(OutOfMemoryError("of the card")), recordings)

    assert isinstance(failed.error, UnavailableError)
    with pytest.raises(ZeroDivisionError):
        list(work([one], raising(ZeroDivisionError()), recordings))
    Journal(one.journal).close()  # the lock is free


def test_a_recording_that_somebody_else_has_in_work_is_busy_and_one_that_is_done_is_skipped(tmp_path, recordings):
    busy, done = (job(tmp_path, name, talk((0.0, 1.0, LOW), seconds=2.0)) for name in ("busy", "done"))
    with Journal(busy.journal):
        events = list(work([busy, done], Pitches(), recordings, still_wanted=lambda one: one is not done))

    assert [type(event) for event in events] == [run.Failed, run.Skipped]
    assert isinstance(events[0].error, BusyError)


def test_the_journal_of_an_interrupted_transcription_is_left_as_it_is(tmp_path, recordings):
    one = job(tmp_path, "a", talk((0.0, 1.0, LOW), seconds=2.0))
    with Journal(one.journal) as journal:
        journal.begin("of the transcription")
    kept = one.journal.read_bytes()

    finished(work([one], Pitches(), recordings))

    assert one.journal.read_bytes() == kept


def test_who_stops_in_between_leaves_no_thread_and_no_lock(tmp_path, recordings):
    going = threading.Event()
    jobs = [job(tmp_path, f"{i}", talk((0.0, 1.0, LOW), seconds=40.0)) for i in range(3)]
    before = threading.active_count()
    diarizer = Pitches(2, during=lambda block: going.wait(timeout=20) if block.first else None)

    events = work(jobs, diarizer, recordings)
    next(events)
    going.set()
    events.close()

    assert threading.active_count() == before
    assert len(diarizer.begun) == 2, "what was not begun is not begun any more"
    for one in jobs:
        with Journal(one.journal):  # nobody else has it
            pass
    assert not [path for path in tmp_path.iterdir() if "journal" in path.name]


# --- after a transcription ---

HEARD = replace(WHO, model="ear", revision="1", rules=RULES, turns=False)


def tones_of(*numbers: int) -> np.ndarray:
    return np.concatenate(list(tune(numbers)))


def transcribed(jobs: Sequence[Job], recordings: Recordings, diarizer: Pitches, ear: Ear | None = None):
    return batch.worked(jobs, Engines(ear or Ear(), Energy(), recordings, diarizer=diarizer), resume=True)


def test_words_get_the_speakers_that_were_heard_and_both_makers_are_named(tmp_path, recordings):
    low, high = melody(1, 4), melody(40, 4)  # 240 to 360 Hz, and 1800 on
    one = job(tmp_path, "a", tones_of(*low, *high, *low), HEARD)

    (made,) = finished(transcribed([one], recordings, Pitches(person=lambda pitch: int(pitch > 1000))))

    said = [(word.text.strip(), word.speaker) for word in made.transcript.words]
    assert said == [
        (f"w{n}", speaker)
        for numbers, speaker in ((low, "SPEAKER_00"), (high, "SPEAKER_01"), (low, "SPEAKER_00"))
        for n in numbers
    ]
    assert [stage.stage for stage in made.transcript.made_by] == ["transcribe", "diarize"]
    assert made.transcript.verdict.coverage is not None
    assert not one.journal.exists()


def test_the_journal_of_a_transcription_stays_until_its_speakers_are_known_and_written(tmp_path, recordings):
    jobs = [job(tmp_path, name, tones_of(*melody(1, 9)), HEARD) for name in "ab"]
    over = []

    for event in transcribed(jobs, recordings, Pitches()):
        if isinstance(event, Finished):
            assert event.job.journal.stat().st_size > 100
            event.done()
            assert not event.job.journal.exists()
            over.append(event.job)

    assert over == jobs


def test_an_interrupted_diarization_does_not_transcribe_again(tmp_path, recordings):
    one = job(tmp_path, "a", tones_of(*melody(1, 9)), HEARD)
    ear = Ear()

    def stop(block):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finished(transcribed([one], recordings, Pitches(during=stop), ear))
    n_calls = len(ear.calls)
    other = replace(one, question=replace(HEARD, speakers=Counts(2, 2)))  # and one may change one's mind
    (made,) = finished(transcribed([other], recordings, Pitches(), ear))

    assert n_calls > 0
    assert len(ear.calls) == n_calls
    assert len(made.transcript.words) == 9


def test_a_recording_that_was_written_to_in_between_fails_and_keeps_its_journal(tmp_path, recordings):
    one = job(tmp_path, "a", tones_of(*melody(1, 9)), HEARD)
    events = batch._transcribed(
        [one], Engines(Ear(), Energy(), recordings), True, lambda _: True, True, False, held=True
    )

    def changing():
        for event in events:
            if isinstance(event, Finished):
                soundfile.write(one.media, tones_of(*melody(2, 9)), RATE)
            yield event

    (*_, failed) = after(changing(), [one], Pitches(), recordings)

    assert isinstance(failed, run.Failed)
    assert isinstance(failed.error, MediaError)
    assert one.journal.stat().st_size > 100
    Journal(one.journal).close()


def test_a_failed_and_a_finished_recording_come_through_together_also_in_order(tmp_path, recordings):
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    jobs = [job(tmp_path, "bad", None, HEARD), *(job(tmp_path, n, tones_of(*melody(1, 5)), HEARD) for n in "ab")]
    engines = Engines(Ear(), Energy(), recordings, diarizer=Pitches(2), roster=lambda of, found: found)

    over = [e for e in batch.worked(jobs, engines) if isinstance(e, Finished | run.Failed)]

    assert [(type(e), e.job.name) for e in over] == [
        (run.Failed, "bad.wav"),
        (Finished, "a.wav"),
        (Finished, "b.wav"),
    ]


# --- transcripts that are there already ---

SAID = Transcript(
    "a.wav",
    6.0,
    (
        Segment(0.0, 2.0, "one two", (Word(0.0, 0.9, " one"), Word(1.1, 2.0, " two")), "SPEAKER_07"),
        Segment(3.0, 6.0, "three four", (Word(3.0, 4.0, " three"), Word(5.0, 6.0, " four")), "SPEAKER_07"),
    ),
    turns=(Turn(0.0, 6.0, "SPEAKER_07"),),
    made_by=(Stage("transcribe", "x", "y"), Stage("diarize", "x", "older")),
)


def text_of(folder: Path, transcript: Transcript = SAID, **more) -> Text:
    path = folder / "a.json"
    path.write_text("".join(table.pieces("json", transcript)))
    return Text(path, path.name, path.name, **more)


def test_a_transcript_gets_new_speakers_and_its_old_ones_go(tmp_path, recordings):
    samples = talk((0.0, 2.0, LOW), (3.0, 4.2, MIDDLE), (4.8, 6.0, HIGH), seconds=6.0)
    one = job(tmp_path, "a", samples, text=text_of(tmp_path))

    (made,) = finished(work([one], Pitches(), recordings))

    assert [(s.text, s.speaker) for s in made.transcript.segments] == [
        ("one two", "SPEAKER_00"),
        ("three", "SPEAKER_01"),
        ("four", "SPEAKER_02"),
    ]
    assert [(w.start, w.end) for w in made.transcript.words] == [(w.start, w.end) for w in SAID.words]
    assert [stage.model for stage in made.transcript.made_by] == ["y", "pitches"]


def test_a_transcript_of_other_bytes_is_told(tmp_path, recordings):
    strange = replace(SAID, recording=(("fingerprint", "blake2b:0"),))
    one = job(tmp_path, "a", talk((0.0, 2.0, LOW), seconds=6.0), text=text_of(tmp_path, strange))

    (made,) = finished(work([one], Pitches(), recordings))

    assert any("other bytes" in note for note in made.transcript.verdict.notes)


def test_only_segments_that_may_be_of_several_are_warned_of(tmp_path, recordings):
    """Without times of words, a segment is whoever's talks most in it."""
    bare = replace(SAID, segments=tuple(replace(s, words=()) for s in SAID.segments))
    samples = talk((0.0, 2.0, LOW), (3.0, 4.2, MIDDLE), (4.2, 6.0, HIGH), seconds=6.0)
    one = job(tmp_path, "a", samples, text=text_of(tmp_path, bare))

    (made,) = finished(work([one], Pitches(), recordings))

    assert [s.speaker for s in made.transcript.segments] == ["SPEAKER_00", "SPEAKER_02"]
    (note,) = made.transcript.verdict.notes
    assert note.startswith("1 segment without word times")


def test_turns_that_are_given_need_no_recording(tmp_path):
    (tmp_path / "gold.rttm").write_text("SPEAKER a 1 0 2 <NA> <NA> Anna <NA>\nSPEAKER a 1 3 3 <NA> <NA> Ben <NA>\n")
    text = text_of(tmp_path, turns=tmp_path / "gold.rttm")
    one = replace(job(tmp_path, "a", text=text), media=text.path)

    (made,) = finished(given([one]))

    assert [(s.text, s.speaker) for s in made.transcript.segments] == [("one two", "Anna"), ("three four", "Ben")]
    assert made.transcript.made_by[-1] == Stage("diarize", "speechcli", "given", settings=(("turns", "gold.rttm"),))
    assert made.transcript.verdict.notes == ()


@pytest.mark.parametrize(
    ("text", "speakers", "notes"),
    [
        ("SPEAKER talk 1 0 1 <NA> <NA> A <NA> <NA>", ["A"], 0),
        ("SPEAKER other 1 0 1 <NA> <NA> A <NA> <NA>", ["A"], 1),
        ("SPEAKER x 1 0 1 <NA> <NA> A <NA> <NA>\nSPEAKER talk 1 2 1 <NA> <NA> B <NA> <NA>", ["B"], 0),
        (";; nobody\n", [], 0),
    ],
)
def test_turns_of_a_file_are_those_of_the_recording(tmp_path, text, speakers, notes):
    (tmp_path / "a.rttm").write_text(text)

    turns, told = read_turns(tmp_path / "a.rttm", "talk")

    assert ([turn.speaker for turn in turns], len(told)) == (speakers, notes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "SPEAKER x 1 0 1 <NA> <NA> A <NA> <NA>\nSPEAKER y 1 2 1 <NA> <NA> B <NA> <NA>",
            "about x, y, and not about talk",
        ),
        ("SPEAKER x 1 0 1 <NA> <NA> A <NA> <NA>\nSPEAKER talk 1 2 -1 <NA> <NA> B <NA> <NA>", "line 2"),
        ("SPEAKER talk 1 0 1 <NA> <NA> A <NA> <NA>\nwhat?\n", "line 2"),
    ],
)
def test_a_file_of_turns_that_cannot_serve_is_told_why(tmp_path, text, told):
    (tmp_path / "a.rttm").write_text(text)

    with pytest.raises(DataError, match=told):
        read_turns(tmp_path / "a.rttm", "talk")


def test_turns_of_another_transcript_keep_its_names(tmp_path):
    segments = (Segment(2.0, 3.0, "b", speaker="Ben"), Segment(3.2, 4.0, "b", speaker="Ben"), Segment(5.0, 6.0, "?"))
    (tmp_path / "b.json").write_text("".join(table.pieces("json", Transcript("a.wav", 6.0, segments))))

    turns, _ = read_turns(tmp_path / "b.json", "a")

    assert turns == (Turn(2.0, 4.0, "Ben"),)


def test_a_model_that_tells_speakers_gives_turns_of_its_segments():
    made = of_segments(replace(SAID, turns=()))

    assert made.turns == (Turn(0.0, 2.0, "SPEAKER_07"), Turn(3.0, 6.0, "SPEAKER_07"))
    assert made.segments == SAID.segments


class Telling(Ear):
    """Hears tones, and takes all for somebody's."""

    def transcribe(self, batch, hints):
        heard = super().transcribe(batch, hints)
        return [replace(h, segments=tuple(replace(s, speaker="7") for s in h.segments)) for h in heard]


def test_a_transcript_whose_speakers_a_transcriber_tells_is_told_as_much_about(tmp_path, recordings):
    strange = replace(SAID, recording=(("fingerprint", "blake2b:0"),), duration=1.0)
    one = job(tmp_path, "a", tones_of(*melody(1, 12)), replace(HEARD, turns=True), text_of(tmp_path, strange))

    (made,) = finished(batch.worked([one], Engines(Telling(), Energy(), recordings)))

    assert [s.text for s in made.transcript.segments] == [s.text for s in SAID.segments]
    assert {s.speaker for s in made.transcript.segments} == {"SPEAKER_00"}
    assert made.transcript.duration == 6.0
    assert any("other bytes" in note for note in made.transcript.verdict.notes)


def test_a_transcript_that_is_gone_fails_alone(tmp_path, recordings):
    gone = job(tmp_path, "a", tones_of(*melody(1, 12)), replace(HEARD, turns=True), text_of(tmp_path))
    one = job(tmp_path, "b", tones_of(*melody(1, 12)), replace(HEARD, turns=True))
    gone.text.path.unlink()

    events = list(batch.worked([gone, one], Engines(Telling(), Energy(), recordings)))

    (failed,) = [event for event in events if isinstance(event, run.Failed)]
    (made,) = [event for event in events if isinstance(event, Finished)]
    assert (failed.job, made.job) == (gone, one)
    assert isinstance(failed.error, NoInputError)
    with Journal(gone.journal):  # nobody else has it
        pass


# --- plan and manifest ---


def test_questions_that_nobody_asks_speakers_of_have_the_key_that_they_always_had():
    assert Question("whisper-tiny.en", "sha256:1").key() == "d7d83a0a8b3930d21f85319634ae9df0"
    asked = [
        Question("m", "1"),
        Question("m", "1", diarizer=("embedded", "1")),
        Question("m", "1", diarizer=("embedded", "2")),
        Question("m", "1", diarizer=("embedded", "1"), speakers=Counts(2, 2)),
        Question("m", "1", turns=True),
    ]
    assert len({question.key() for question in asked}) == len(asked)


def test_weights_in_fewer_bits_are_another_diarizer():
    told = [
        told_of(Resolved(Wanted("m", settings={"b": "1", "a": "2"}, quantize=bits), "m", "r", None, "hf-diarizer"))
        for bits in (None, "int8", "int4")
    ]

    assert told[0][-2:] == ("a=2", "b=1")
    assert len(set(told)) == 3


def test_who_speaks_and_what_is_said_are_two_answers_of_one_recording(tmp_path, recordings, no_power_cuts):
    """Neither is taken for the other, nor written over it."""
    turns = job(tmp_path, "a", tones_of(*melody(1, 5)))
    words = replace(turns, question=replace(HEARD, diarizer=()), outputs=(("json", tmp_path / "a.json"),))
    rendering = Rendering(("rttm",))

    def carried_out(one: Job, **engines) -> list[batch.Outcome]:
        roots = plan.load_manifests([one])
        decision = plan.decide(one, roots[one.root], rendering)
        opened = Engines(Ear(), Energy(), recordings, **engines)
        events = batch.carry_out([decision], rendering, roots, lambda: opened)
        return [event for event in events if isinstance(event, batch.Outcome)]

    first, second = carried_out(words)[0], carried_out(turns, diarizer=Pitches())[0]
    again = [carried_out(words)[0].status, carried_out(turns)[0].status]
    over = replace(turns, outputs=(("json", tmp_path / "a.json"),))
    said = (tmp_path / "a.json").read_bytes()
    (refused,) = carried_out(over)

    assert (first.status, second.status, again) == ("done", "done", ["skipped", "skipped"])
    assert first.talk is None
    assert list(second.talk.speakers) == ["SPEAKER_00"]
    assert refused.code == 73
    assert "transcribe" in str(refused.error)
    assert (tmp_path / "a.json").read_bytes() == said
    assert len(manifest.load(tmp_path).entries) == 2


def test_progress_goes_half_way_with_each_of_the_two(tmp_path, recordings):
    one = job(tmp_path, "a", tones_of(*melody(1, 40)), HEARD)

    seconds = [e.seconds for e in transcribed([one], recordings, Pitches()) if isinstance(e, batch.Progress)]

    assert seconds == sorted(seconds)
    assert seconds[-1] == pytest.approx(20.0)
    assert 10.0 in [round(s, 3) for s in seconds]


def test_the_turns_reach_the_disk(tmp_path, recordings, no_power_cuts):
    one = job(tmp_path, "a", talk((0.5, 1.5, LOW), seconds=2.0))
    roots = plan.load_manifests([one])
    seen = []

    outcomes = list(
        batch.carry_out(
            [plan.Do(one, "new")],
            Rendering(("rttm",), speakers={"SPEAKER_00": "Anna"}),
            roots,
            lambda: Engines(Ear(), Energy(), recordings, diarizer=Pitches()),
            look=lambda of, shown: seen.append(shown.speakers),
        )
    )

    assert (tmp_path / "a.rttm").read_text() == "SPEAKER a 1 0.500 1.000 <NA> <NA> Anna <NA> <NA>\n"
    assert seen == [("Anna",)]
    assert dict(outcomes[-1].talk.speakers) == {"Anna": 1.0}
    entry = json.loads((tmp_path / manifest.NAME).read_text().splitlines()[-1])
    assert (entry["kind"], entry["text"]) == ("diarize", "")
