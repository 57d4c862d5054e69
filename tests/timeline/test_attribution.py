"""Turns join words: no word lost or moved, no sentence torn for a slip of a tenth of a second."""

import json
import random
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechcli.core.span import Span
from speechcli.core.transcript import Segment, Transcript, Turn, Word, joined
from speechcli.timeline.attribution import AT_A_PAUSE, CHANGE, HEAVIEST, PAUSE, attributed, overlapped
from speechcli.timeline.text import ends_sentence
from speechcli.timeline.turns import in_order, overlaps, stretches


def words(text: str, start: float = 0.0, each: float = 0.3) -> tuple[Word, ...]:
    """The words of a text one after the other; `_` is half a second of silence."""
    out, at = [], start
    for token in text.split():
        if token == "_":
            at += 0.5
        else:
            out.append(Word(round(at, 3), round(at + each, 3), f" {token}"))
            at += each
    return tuple(out)


def segment(row: tuple[Word, ...], **more) -> Segment:
    return Segment(row[0].start, row[-1].end, joined(row), row, **more)


def said(text: str, *turns: tuple[float, float, str], each: float = 0.3) -> list[tuple[str | None, str]]:
    """Who said what of one segment."""
    row = words(text, each=each)
    talk = Transcript("a.wav", row[-1].end, (segment(row),))
    return [(s.speaker, s.text) for s in attributed(talk, [Turn(*t) for t in turns]).segments]


@pytest.mark.parametrize(
    ("text", "turns", "expected"),
    [
        ("a b c d", [(0.0, 1.2, "A")], [("A", "a b c d")]),
        # a change in the middle of a segment
        ("a b c d e f g h", [(0.0, 1.2, "A"), (1.2, 2.4, "B")], [("A", "a b c d"), ("B", "e f g h")]),
        # the turns are off by less than a word at a sentence's end
        ("How are you? Fine, thanks, and you?", [(0, 0.7, "A"), (0.7, 2.1, "B")], None),
        ("How are you? Fine, thanks, and you?", [(0, 1.1, "A"), (1.1, 2.1, "B")], None),
        # a slip of a diarizer in the middle of a sentence: too short
        ("a b c d e f g", [(0.0, 0.9, "A"), (0.9, 1.2, "B"), (1.2, 2.1, "A")], [("A", "a b c d e f g")]),
        ("a b c d e f g", [(0.0, 0.9, "A"), (0.9, 1.5, "B"), (1.5, 2.1, "A")], [("A", "a b c d e f g")]),
        # long enough to be somebody else's words
        (
            "a b c d e f g h i j",
            [(0.0, 0.9, "A"), (0.9, 2.1, "B"), (2.1, 3.0, "A")],
            [("A", "a b c"), ("B", "d e f g"), ("A", "h i j")],
        ),
        # a backchannel over somebody's turn breaks nothing
        ("a b c d e f", [(0.0, 1.8, "A"), (0.6, 1.3, "B")], [("A", "a b c d e f")]),
        # one between two sentences is heard
        (
            "That is it. _ Yeah. _ So we go.",
            [(0.0, 0.9, "A"), (1.4, 1.7, "B"), (2.2, 3.1, "A")],
            [("A", "That is it."), ("B", "Yeah."), ("A", "So we go.")],
        ),
        # one word at the end of a segment is no piece, after a pause it is
        ("a b c d e", [(0.0, 1.2, "A"), (1.2, 1.5, "B")], [("A", "a b c d e")]),
        ("a b c d _ e", [(0.0, 1.2, "A"), (1.7, 2.0, "B")], [("A", "a b c d"), ("B", "e")]),
        # two talk all the time: whoever began first
        ("a b c", [(0.1, 0.9, "B"), (0.0, 0.9, "A")], [("A", "a b c")]),
        ("a b c", [(0.0, 0.9, "B"), (0.0, 0.9, "A")], [("A", "a b c")]),
        ("a b c d e f g h i", [(0.0, 1.8, "A"), (0.9, 2.7, "B")], [("A", "a b c d e f"), ("B", "g h i")]),
        # in no turn: the nearest within half a second, else nobody
        ("a b c", [(0.95, 3.0, "A")], [("A", "a b c")]),
        ("a b c", [(3.0, 4.0, "A")], [(None, "a b c")]),
        ("a b c", [], [(None, "a b c")]),
        # a hole in a turn, in the middle of a sentence
        ("a b c d e f g h i", [(0.0, 0.6, "A"), (2.0, 2.7, "A")], [("A", "a b c d e f g h i")]),
    ],
)
def test_words_are_given_to_who_said_them(text, turns, expected):
    expected = expected or [("A", "How are you?"), ("B", "Fine, thanks, and you?")]

    assert said(text, *turns) == expected


def test_one_long_word_inside_a_sentence_is_no_piece():
    row = (*words("a b c"), Word(0.9, 2.9, " loooong"), *words("d e f", 2.9))
    talk = Transcript("a.wav", 5.0, (segment(row),))
    turns = (Turn(0.0, 0.9, "A"), Turn(0.9, 2.9, "B"), Turn(2.9, 3.8, "A"))

    assert [s.speaker for s in attributed(talk, turns).segments] == ["A"]


def test_what_a_segment_has_besides_its_words_stays_with_its_pieces():
    row = words("Is it? _ It is indeed.", 1.0)
    whole = Segment(0.8, 4.0, joined(row), row, "old", "en", -0.4)
    talk = Transcript("a.wav", 5.0, (whole,), (Turn(0.0, 5.0, "old"),), "en")
    done = attributed(talk, [Turn(1.0, 1.6, "A"), Turn(2.1, 3.0, "B")])

    assert done.segments == (
        Segment(0.8, 1.6, "Is it?", tuple(replace(w, speaker="A") for w in row[:2]), "A", "en", -0.4),
        Segment(2.1, 4.0, "It is indeed.", tuple(replace(w, speaker="B") for w in row[2:]), "B", "en", -0.4),
    )
    assert done.turns == (Turn(1.0, 1.6, "A"), Turn(2.1, 3.0, "B"))


def test_segments_without_words_take_the_greatest_overlap():
    talk = Transcript(
        "a.wav", 20.0, (Segment(0.0, 4.0, "One."), Segment(4.0, 6.0, "Two."), Segment(15.0, 16.0, "Far."))
    )
    turns = (Turn(0.0, 1.0, "A"), Turn(1.0, 3.9, "B"), Turn(4.0, 4.5, "A"), Turn(5.0, 5.5, "A"), Turn(4.2, 5.0, "B"))

    assert [s.speaker for s in attributed(talk, turns).segments] == ["B", "A", None]


def test_languages_without_blanks_are_cut_by_their_seconds():
    row = tuple(Word(i * 0.2, i * 0.2 + 0.2, c) for i, c in enumerate("今日はいい天気です。そうですね本当に"))
    talk = Transcript("a.wav", 4.0, (segment(row),))
    done = attributed(talk, [Turn(0.0, 2.0, "A"), Turn(2.0, 3.6, "B")])

    assert [(s.speaker, s.text) for s in done.segments] == [("A", "今日はいい天気です。"), ("B", "そうですね本当に")]


def test_nothing_stays_nothing():
    assert attributed(Transcript("a.wav", 2.0), []) == Transcript("a.wav", 2.0)
    assert attributed(Transcript("a.wav", 2.0), [Turn(0.0, 1.0, "A")]).turns == (Turn(0.0, 1.0, "A"),)


_TOKENS = st.sampled_from([" well", " so", " yes.", " Mr.", "字", "。", " no?", " ", " a-b,"])
_TURNS = st.lists(
    st.builds(
        lambda start, length, who: Turn(start / 1000, (start + length) / 1000, who),
        st.integers(0, 20_000),
        st.integers(0, 6_000),
        st.sampled_from("ABCD"),
    ),
    max_size=20,
)


@st.composite
def talks(draw: st.DrawFn) -> Transcript:
    """Segments one after the other, with and without words."""
    segments, at = [], 0
    for _ in range(draw(st.integers(0, 5))):
        row = []
        for text in draw(st.lists(_TOKENS, min_size=1, max_size=12)):
            at += draw(st.sampled_from([0, 0, 0, 50, 400, 3000]))
            length = draw(st.sampled_from([0, 20, 200, 300, 600, 2000]))
            row.append(Word(at / 1000, (at + length) / 1000, text))
            at += length
        if joined(tuple(row)):
            whole = segment(tuple(row))
            segments.append(whole if draw(st.booleans()) else replace(whole, words=()))
    return Transcript("a.wav", at / 1000, tuple(segments))


@given(talks(), _TURNS)
@settings(max_examples=400, deadline=None)
def test_of_any_talk_and_any_turns(talk: Transcript, turns: list[Turn]) -> None:
    done = attributed(talk, turns)

    assert [replace(w, speaker=None) for w in done.words] == list(talk.words)
    assert "".join(done.text.split()) == "".join(talk.text.split())
    assert {s.speaker for s in done.segments} <= {None, *(t.speaker for t in turns)}
    assert all({w.speaker for w in s.words} <= {s.speaker} for s in done.segments)
    assert all(a.start <= b.start for a, b in pairwise(done.segments))
    assert attributed(done, done.turns) == done


@given(talks(), _TURNS)
@settings(max_examples=400, deadline=None)
def test_a_piece_of_a_sentence_has_two_words_and_the_time_that_its_ends_demand(
    talk: Transcript, turns: list[Turn]
) -> None:
    done = attributed(talk, turns)
    first = {s.words[0].start for s in talk.segments if s.words}
    last = {max(w.end for w in s.words) for s in talk.segments if s.words}

    for before, piece, after in zip((None, *done.segments), done.segments, (*done.segments[1:], None), strict=False):
        row = piece.words
        if not row or (row[0].start in first and row[-1].end in last):
            continue  # a segment of its own
        cuts = [(a, b) for a, b in ((before, piece), (piece, after)) if a and b and not free(a, b, first)]
        prices = [price(a.words[-1], b.words[0]) for a, b in cuts]
        same = len(cuts) == 2 and cuts[0][0].speaker == cuts[1][1].speaker  # it interrupts one speaker
        demanded = sum(prices) if same else max(prices, default=0.0)
        assert sum(min(w.duration or 0.001, HEAVIEST) for w in row) >= demanded - 1e-3
        assert len(row) > 1 or CHANGE not in prices


def free(before: Segment, after: Segment, first: set[float]) -> bool:
    """Whether two segments were two from the start."""
    return not before.words or not after.words or after.words[0].start in first


def price(before: Word, after: Word) -> float:
    return AT_A_PAUSE if after.start - before.end >= PAUSE or ends_sentence(before.text) else CHANGE


def test_an_hour_of_thirty_people_takes_no_time():
    """An hour of words and of turns: seconds, not minutes."""
    rng = random.Random(1)
    row = [Word(i * 0.3, i * 0.3 + 0.3, f" w{i}") for i in range(12_000)]
    turns = [Turn(t, t + rng.uniform(0.2, 4.0), f"S{rng.randrange(30)}") for t in range(3600)]
    parts = [segment(tuple(row[i : i + 50])) for i in range(0, len(row), 50)]

    done = attributed(Transcript("a.wav", 3600.0, tuple(parts)), turns)

    assert len(done.words) == 12_000
    assert len({s.speaker for s in done.segments}) == 30


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((0.0, 1.0), False),
        ((1.5, 2.5), True),
        ((2.0, 3.0), True),
        ((2.6, 4.0), False),
        ((2.5, 2.5), True),
        ((9, 9), False),
    ],
)
def test_a_word_is_overlapped_when_two_talk_in_half_of_it(span, expected):
    two = overlaps([Turn(0.0, 3.0, "A"), Turn(2.0, 5.0, "B")])

    assert two == [Span(2.0, 3.0)]
    assert overlapped([Span(*span)], two) == [expected]


@given(_TURNS)
@settings(max_examples=300, deadline=None)
def test_stretches_say_at_each_moment_who_talks(turns: list[Turn]) -> None:
    row = stretches(turns)

    assert all(a.end <= b.start for a, b in pairwise(row))
    assert all(s.start < s.end and s.speakers for s in row)
    for i in range(0, 26_000, 97):
        at = i / 1000 + 0.0005
        now = next((set(s.speakers) for s in row if s.start <= at < s.end), set())
        assert now == {t.speaker for t in turns if t.start <= at < t.end}


@given(_TURNS)
def test_turns_in_order_neither_overlap_nor_touch(turns: list[Turn]) -> None:
    row = in_order(turns)

    assert [t.start for t in row] == sorted(t.start for t in row)
    for _, own in groupby(sorted(row, key=lambda t: t.speaker), key=lambda t: t.speaker):
        assert all(a.end < b.start for a, b in pairwise(own))
    assert in_order(row) == row


DATA = Path(__file__).parent.parent / "data"


@pytest.mark.parametrize("seed", range(20))
def test_turns_that_are_off_by_two_tenths_of_a_second_leave_each_speaker_his_sentence(seed: int) -> None:
    """Two people's recordings, marked by hand word by word, one after the other as one segment: each speaks twice."""
    rng = random.Random(seed)
    row: list[Word] = []
    gold: list[str] = []
    turns: list[Turn] = []
    for name in ("bobby", "mary", "bobby", "mary"):
        marked = json.loads((DATA / f"{name}.words.json").read_text("utf-8"))
        began = row[-1].end + 0.1 if row else 0.2
        for _ in range(2):
            at = row[-1].end + 0.1 - marked[0]["start"] if row else 0.2
            row += [Word(at + w["start"], at + w["end"], f" {w['word']}") for w in marked]
            gold += [name] * len(marked)
        turns.append(Turn(max(began + rng.uniform(-0.2, 0.2), 0.0), row[-1].end + rng.uniform(-0.2, 0.2), name))
    done = attributed(Transcript("talk.wav", row[-1].end, (segment(tuple(row)),)), turns)

    wrong = sum(word.speaker != name for word, name in zip(done.words, gold, strict=True))
    assert wrong <= 3  # a short word beside each change
    assert [s.speaker for s in done.segments] == ["bobby", "mary", "bobby", "mary"]
