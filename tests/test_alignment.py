"""The stages of `align` in a row: no word of a text is lost, whatever its times, its speakers and the aligner say."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechcli import alignment
from speechcli.backends.base import Traits
from speechcli.core.audio import Audio
from speechcli.core.span import Span, merged, total
from speechcli.core.transcript import Segment, Stage, Transcript, Word

RATE = 1000
LONGEST = 20.0


def text(*segments: Segment | str) -> Transcript:
    made = tuple(Segment(0.0, 0.0, one) if isinstance(one, str) else one for one in segments)
    return Transcript("text", 0.0, made)


def told(sentence: str, start: float, pace: float = 0.3) -> list[Word]:
    """The words of a sentence one after the other, as a recogniser hears them."""
    return [
        Word(start + i * pace, start + (i + 1) * pace, f" {w}", 0.9)
        for i, w in enumerate(sentence.lower().strip(".!").split())
    ]


class Sure:
    """An `Aligner` that gives the words of a piece its time in equal shares."""

    traits = Traits(RATE, LONGEST)
    stage = Stage("align", "tests", "sure")

    def align(self, batch, texts, languages, doubtful=()):
        return [
            [
                Word(audio.duration * i / len(row), audio.duration * (i + 1) / len(row), word, 0.9, placed="aligner")
                for i, word in enumerate(row)
            ]
            for audio, row in zip(batch, texts, strict=True)
        ]

    def close(self):
        pass


def aligned(task: alignment.Task) -> Transcript:
    """All parts of a task through the aligner; the sound has no meaning to it."""
    aligner, sound = Sure(), Audio(np.zeros(round(task.duration * RATE), np.float32), RATE)
    found = []
    for part in task.parts:
        if part.plan is None:
            found.append(followed(part, task, lambda piece: words_of(aligner, sound, piece))[0])
        else:
            found.append((part.plan, [words_of(aligner, sound, piece) for piece in part.plan.pieces]))
    return alignment.finished(task, found, "a.wav", True, (), (aligner.stage,))


def words_of(aligner, sound, piece):
    (words,) = alignment.align(aligner, [sound.cut(piece.span)], [(piece, "en")])
    return words


def followed(part, task, answer):
    """What `follow` comes to, and the pieces that it asked for."""
    windows = alignment.follow(part, task, LONGEST)
    asked = []
    try:
        piece = next(windows)
        while True:
            asked.append(piece)
            piece = windows.send(answer(piece))
    except StopIteration as end:
        return end.value, asked


def tokens_of(transcript: Transcript) -> list[str]:
    return " ".join(segment.text for segment in transcript.segments).split()


def assert_whole(transcript: Transcript, given_text: Transcript) -> None:
    assert tokens_of(transcript) == tokens_of(given_text)
    for segment in transcript.segments:
        assert all(a.end <= b.start for a, b in pairwise(segment.words))
        assert all(0 <= w.start < w.end <= transcript.duration for w in segment.words)


# --- the sound of the pieces ---


@given(
    spans=st.lists(st.tuples(st.floats(0, 12), st.floats(0, 4)), max_size=12),
    size=st.integers(1, 3000),
)
def test_the_sound_of_each_piece_is_that_of_the_whole_recording_there(spans, size):
    whole = np.arange(10 * RATE, dtype=np.float32)
    blocks = (Audio(whole[i : i + size], RATE, i) for i in range(0, len(whole), size))
    sounds = alignment.cut(blocks)
    next(sounds)

    for start, length in sorted(spans):
        sound = sounds.send(Span(start, start + length))

        np.testing.assert_array_equal(sound.samples, Audio(whole, RATE).cut(Span(start, start + length)).samples)
        if len(sound.samples):
            assert sound.first == sound.samples[0]


def test_what_is_no_longer_asked_for_is_forgotten():
    alive = []

    def blocks():
        for i in range(200):
            block = np.full(RATE, i, np.float32)
            alive.append(block)
            yield Audio(block, RATE, i * RATE)

    import sys

    sounds = alignment.cut(blocks())
    next(sounds)
    most = 0
    for start in range(0, 195, 2):
        sounds.send(Span(start, start + 3.0))
        most = max(most, sum(sys.getrefcount(block) > 3 for block in alive))

    assert most <= 6, "of 200 blocks"


# --- several speakers ---

FIRST = "the committee for agriculture will meet on thursday in the large room"
SECOND = "lobsters and lobsters are what everybody wanted to have at that table"
THIRD = "meanwhile the harvest was brought in from the southern fields by seven men"


def crosstalk(*more: Segment) -> Transcript:
    return text(Segment(1.0, 5.0, FIRST, speaker="A"), Segment(3.0, 7.0, SECOND, speaker="B"), *more)


def test_speakers_who_talk_at_once_have_each_their_own_stretch_of_sound():
    written = crosstalk(Segment(10.0, 14.0, THIRD, speaker="A"))
    task = alignment.task(
        written, told(FIRST, 1.0) + told(THIRD, 10.0), [Span(1, 7), Span(10, 14)], 15.0, LONGEST, "en"
    )

    done = aligned(task)

    assert_whole(done, written)
    assert [s.speaker for s in done.segments] == ["A", "B", "A"]
    first, second, third = done.segments
    assert 0.8 < first.start < first.end < 5.2
    assert 2.8 < second.start < second.end < 7.2
    assert 9.5 < third.start < third.end < 14.5


def test_what_one_says_while_another_speaks_is_not_told_as_lacking_in_the_text():
    written = crosstalk(Segment(10.0, 14.0, THIRD, speaker="A"))
    speech = [Span(1, 7), Span(10, 14), Span(20, 24)]
    elsewhere = told("and nobody ever wrote down what they said afterwards in the garden", 20.0)
    task = alignment.task(written, told(FIRST, 1.0) + told(THIRD, 10.0) + elsewhere, speech, 25.0, LONGEST, "en")

    (missing,) = aligned(task).verdict.fit.mismatches

    assert missing.kind == "unwritten"
    assert missing.start >= 19.5


@pytest.mark.parametrize("late", [3.0, 100.0])
def test_a_text_whose_times_lie_beyond_the_recording_keeps_all_its_segments(late):
    """The text of an hour to the first minute of it, or times that were off."""
    written = text(Segment(late, late + 4, FIRST, speaker="A"), Segment(late + 2, late + 6, SECOND, speaker="B"), THIRD)
    heard = told(FIRST, 0.5) + told(SECOND, 4.5)
    task = alignment.task(written, heard, [Span(0.5, 8.0)], 8.5, LONGEST, "en")

    assert_whole(aligned(task), written)


def test_the_verdict_is_that_of_all_parts_by_their_size():
    """The one word that nobody interrupts was not found; the others were."""
    written = crosstalk(Segment(10.0, 10.4, "zymurgy", speaker="A"))
    task = alignment.task(written, [], [Span(1, 7)], 15.0, LONGEST, "en")
    main, *others = task.parts
    assert (len(main.tokens), len(others)) == (1, 2)
    sound = Audio(np.zeros(15 * RATE, np.float32), RATE)
    found = [(p.plan, [words_of(Sure(), sound, piece) for piece in p.plan.pieces]) for p in task.parts]
    found[0] = (main.plan, [[replace(w, confidence=None, placed="interpolated") for w in r] for r in found[0][1]])

    fit = alignment.finished(task, found, "a.wav", True, (), ()).verdict.fit

    assert fit.placed == pytest.approx(24 / 25, abs=1e-3)
    assert fit.confidence == 0.9


# --- marks and segments without sound ---


def test_marks_alone_and_at_the_beginning_of_a_segment_come_back_beside_its_words():
    written = text("- Well, yes.", "…", "— No !", "♪", "(Tuesday) - maybe")
    heard = told("well yes", 1.0) + told("no", 5.0) + told("tuesday maybe", 9.0)
    task = alignment.task(written, heard, [Span(1, 1.6), Span(5, 5.3), Span(9, 9.6)], 12.0, LONGEST, "en")

    done = aligned(task)

    assert_whole(done, written)
    dash, no = (word for s in done.segments if "No" in s.text for word in s.words[:2])
    assert dash.text.strip() == "—"
    assert no.start - dash.end < 0.011, "and not at the end of what was said before"


def test_a_mark_before_a_segments_first_word_stays_where_it_is_where_there_is_no_room():
    words = (Word(5.0, 5.001, " -"), Word(5.001, 6.0, " Yes"))

    assert alignment._opened(words, 5.0) == words
    assert alignment._opened(words[:1], 0.0) == words[:1]
    assert alignment._opened((), 0.0) == ()


@pytest.mark.parametrize("speech", [[], [Span(2.0, 3.0)]])
@pytest.mark.parametrize("duration", [5.0, 100.0])
def test_where_nothing_was_heard_every_word_comes_back_all_the_same(speech, duration):
    written = text("Nobody says this.", "And nobody answers.")
    task = alignment.task(written, [], speech, duration, LONGEST, "en")

    done = aligned(task)

    assert_whole(done, written)
    if not speech and duration > LONGEST:
        assert done.verdict.fit.placed == 0
        assert [m.kind for m in done.verdict.fit.mismatches] == ["unspoken"]


# --- a text that is followed as it comes ---

ANSWERS = ("early", "late", "still", "even")


@settings(deadline=None)
@given(
    n_words=st.integers(1, 400),
    pauses=st.lists(st.tuples(st.floats(0.1, 30.0), st.floats(0.05, 30.0)), min_size=1, max_size=12),
    answers=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=5),
    draw=st.randoms(use_true_random=False),
)
def test_following_ends_and_each_word_is_in_one_window_or_told_whatever_the_aligner_says(
    n_words, pauses, answers, draw
):
    speech, at = [], 0.0
    for quiet, loud in pauses:
        speech.append(Span(at + quiet, at + quiet + loud))
        at += quiet + loud
    duration = at + 0.5 + LONGEST
    written = text(" ".join(f"word{'s' * draw.randrange(9)}" for _ in range(n_words)))
    task = alignment.task(written, [], speech, duration, LONGEST, "en")
    (part,) = task.parts

    def answer(piece):
        """Legal: inside the piece, times that do not decrease."""
        kind, n, span = answers[draw.randrange(len(answers))], len(piece.entries), piece.span
        if kind == "even":
            edges = np.linspace(span.start, span.end, 2 * n)
        elif kind == "still":
            edges = np.full(2 * n, span.start)
        else:
            edges = np.sort([draw.random() for _ in range(2 * n)]) ** (4 if kind == "early" else 0.1)
            edges = span.start + edges * span.duration
        rows = zip(edges[::2].tolist(), edges[1::2].tolist(), piece.entries, strict=True)
        return [Word(a, b, entry.text, 0.5, placed="aligner") for a, b, entry in rows]

    (plan, words), asked = followed(part, task, answer)

    assert len(asked) <= duration / 0.5 + 1
    assert all(0 <= piece.span.start < piece.span.end <= duration for piece in asked)
    assert all(piece.span.duration <= LONGEST + 1e-9 for piece in asked)
    assert all(a.span.start < b.span.start for a, b in pairwise(asked)), "the sound is read once, forward"
    assert all(piece.entries for piece in asked)
    missing = [token for first, stop, _ in plan.unspoken for token in range(first, stop)]
    assert [e.token for piece in plan.pieces for e in piece.entries] + missing == list(range(n_words))
    assert [len(piece.entries) for piece in plan.pieces] == list(map(len, words))
    done = alignment.finished(task, [(plan, words)], "a.wav", True, (), ())
    assert_whole(done, written)


@pytest.mark.parametrize("length", [0.3, 0.14])
def test_a_window_is_given_fewer_words_than_it_holds_and_the_next_begins_where_they_end(length):
    """Speech at one pace: an aligner that is right is never asked for a word that is not there.

    length: of a word; be there a little pause after each, windows are left where a sentence ends.
    """
    sentence = "word " * 9 + "word."
    written = text(*[sentence] * 40)
    speech = [Span(4.0 * i + 0.5, 4.0 * i + 3.5) for i in range(40)]
    task = alignment.task(written, [], speech, 160.0, LONGEST, "en")
    (part,) = task.parts

    def right(piece):
        out = []
        for entry in piece.entries:
            sentence, place = divmod(entry.token, 10)
            start = 4.0 * sentence + 0.5 + 0.3 * place
            assert piece.span.start - 0.01 <= start, "it was left behind"
            assert start + 0.3 <= piece.span.end + 0.01, "it is not there yet"
            out.append(Word(start, start + length, entry.text, 0.9, placed="aligner"))
        return out

    (plan, _), asked = followed(part, task, right)

    assert sum(len(piece.entries) for piece in plan.pieces) == 400
    assert not plan.unspoken
    begins = [piece.span.start % 4.0 for piece in asked]
    assert all(begin < 0.5 or begin > 3.2 + length for begin in begins), "cut between sentences"
    assert len(asked) <= 20


def test_the_end_of_a_word_is_no_place_for_the_next_one():
    """The detector hears a tail of each sentence that the aligner leaves out, and then nothing for a whole window."""
    written = text("one two three four", "five six seven eight", "nine ten eleven twelve")
    speech = [Span(30.0 * i + 1.0, 30.0 * i + 3.2) for i in range(3)]
    task = alignment.task(written, [], speech, 90.0, LONGEST, "en")
    (part,) = task.parts

    def right(piece):
        starts = [30.0 * (e.token // 4) + 1.0 + 0.5 * (e.token % 4) for e in piece.entries]
        assert all(piece.span.start - 0.01 <= start < piece.span.end for start in starts), "asked where it is not"
        rows = zip(starts, piece.entries, strict=True)
        return [Word(start, start + 0.5, entry.text, 0.9, placed="aligner") for start, entry in rows]

    (plan, _), _ = followed(part, task, right)

    assert sum(len(piece.entries) for piece in plan.pieces) == 12


def test_what_is_followed_leaves_those_out_who_talk_at_once():
    """Nobody listened: the segments that overlap have their own times, and the window of the rest passes them by."""
    written = text(
        Segment(1.0, 9.0, FIRST, speaker="A"),
        Segment(2.0, 9.5, SECOND, speaker="B"),
        Segment(60, 64, THIRD, speaker="A"),
    )
    task = alignment.task(written, [], [Span(1, 9.5), Span(60, 64)], 70.0, LONGEST, "en")
    main = next(part for part in task.parts if part.plan is None)

    _, asked = followed(main, task, lambda piece: words_of(Sure(), Audio(np.zeros(70 * RATE, np.float32), RATE), piece))

    assert [piece.span.start > 50 for piece in asked] == [True] * len(asked)
    assert total(merged(piece.span for piece in asked)) < LONGEST
