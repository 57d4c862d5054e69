"""One word a token, exactly as written, each with a time of its own; and how well the text was found."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechcli.core.span import Span, to_ms
from speechcli.core.transcript import Mismatch, Word
from speechcli.timeline.anchors import Entry, Piece, Plan
from speechcli.timeline.placing import SLOT, fit, placed


def word(start, end, text=" word", confidence=0.9, by="aligner"):
    return Word(start, end, text, confidence, placed=by)


def whole(said, span, doubtful=()):
    """A plan with everything in one piece."""
    return Plan(
        (
            Piece(
                span,
                tuple(Entry(f" {w}", i, i in doubtful) for i, forms in enumerate(said) for w in (forms or [()])[0]),
            ),
        )
    )


def said_as(tokens):
    """Each token is spoken as it is written; marks alone have no sound."""
    return [((t.strip(),),) if any(c.isalnum() for c in t) else () for t in tokens]


def times(words):
    return [(w.start, w.end) for w in words]


def assert_holds(words, tokens, duration):
    """What is true of all that comes back."""
    assert [w.text for w in words] == list(tokens)
    assert all(w.start < w.end for w in words)
    assert all(a.end <= b.start for a, b in itertools.pairwise(words))
    assert words[0].start >= 0
    assert words[-1].end <= duration
    assert all((w.confidence is None) == (w.placed == "interpolated") for w in words)


anything = st.lists(
    st.tuples(
        st.sampled_from((" word", " —", " $3.50", "今")),
        st.lists(st.tuples(st.floats(-5, 40), st.floats(0, 30), st.booleans()), max_size=3),
        st.one_of(st.none(), st.tuples(st.floats(0, 30), st.floats(0, 5))),
    ),
    min_size=1,
    max_size=40,
)


@settings(deadline=None, max_examples=300)
@given(
    anything,
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 5)), max_size=6),
    st.floats(0.05, 30),
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.floats(0, 30)),
)
def test_whatever_comes_each_token_has_a_time_of_its_own(rows, speech, duration, gone):
    tokens = [token for token, _, _ in rows]
    said = said_as(tokens)
    found = [
        [word(max(0, a), max(0, a) + b, by="interpolated" if lost else "aligner") for a, b, lost in spans]
        for _, spans, _ in rows
    ]
    where = tuple(None if span is None else Span(span[0], span[0] + span[1]) for _, _, span in rows)
    first, stop = sorted(min(k, len(tokens)) for k in gone[:2])
    unspoken = ((first, stop, Span(gone[2], gone[2] + 1)),) if first < stop else ()
    plan = Plan(whole(said, Span(0, duration)).pieces, unspoken, where=where)
    spans = [Span(a, a + b) for a, b in speech]

    words = placed(tokens, said, found, plan, spans, duration)

    assert_holds(words, tokens, duration)
    assert 0 <= fit(words, said, plan).placed <= 1


def test_words_that_were_found_stay_where_they_are_to_the_millisecond():
    tokens = [" one", " two", " three"]
    found = [[word(0.5, 0.9)], [word(1.2, 1.5678)], [word(1.5678, 2.0)]]
    said = said_as(tokens)

    words = placed(tokens, said, found, whole(said, Span(0, 3)), [Span(0.4, 2.1)], 3.0)

    assert times(words) == [(0.5, 0.9), (1.2, 1.568), (1.568, 2.0)]
    assert {w.placed for w in words} == {"aligner"}


def test_a_number_is_as_long_as_all_its_words_and_as_sure_as_they_are_together():
    tokens = [" costs", " $3"]
    said = [(("costs",),), (("three", "dollars"),)]
    found = [[word(0.5, 0.9)], [word(1.0, 1.3, confidence=0.6), word(1.3, 1.9, confidence=0.8)]]

    words = placed(tokens, said, found, whole(said, Span(0, 3)), [Span(0, 3)], 3.0)

    assert times(words)[1] == (1.0, 1.9)
    assert words[1].confidence == pytest.approx(0.7)


def test_a_mark_alone_sits_at_the_end_of_the_word_before_it():
    tokens = [" yes", " —", " no", "…"]
    said = said_as(tokens)
    found = [[word(0.5, 0.9)], [], [word(2.0, 2.4)], []]

    words = placed(tokens, said, found, whole(said, Span(0, 3)), [Span(0.5, 0.9), Span(2.0, 2.4)], 3.0)

    assert times(words) == [(0.5, 0.9), (0.9, pytest.approx(0.9 + SLOT)), (2.0, 2.4), (2.4, pytest.approx(2.4 + SLOT))]


def test_a_mark_between_words_without_a_pause_takes_next_to_nothing_from_them():
    tokens = [" yes", " —", " no"]
    said = said_as(tokens)
    found = [[word(0.5, 0.9)], [], [word(0.9, 1.4)]]

    words = placed(tokens, said, found, whole(said, Span(0, 3)), [Span(0.5, 1.4)], 3.0)

    assert_holds(words, tokens, 3.0)
    assert abs(words[0].end - 0.9) <= 0.011
    assert abs(words[2].start - 0.9) <= 0.011


def test_a_word_that_was_refused_is_between_its_neighbours_where_somebody_speaks():
    tokens = [" one", " two", " three"]
    said = said_as(tokens)
    found = [[word(0.5, 0.9)], [], [word(3.0, 3.4)]]

    words = placed(tokens, said, found, whole(said, Span(0, 5)), [Span(0.5, 0.9), Span(2.0, 2.3), Span(3, 4)], 5.0)

    assert (words[1].placed, words[1].confidence) == ("interpolated", None)
    assert 2.0 <= words[1].start < words[1].end <= 2.31


def test_a_word_that_the_recogniser_heard_has_its_time_where_the_aligner_has_none():
    tokens = [" one", " two", " three"]
    said = said_as(tokens)
    plan = Plan(whole(said, Span(0, 9)).pieces, where=(None, Span(6.0, 6.3), None))

    words = placed(tokens, said, [[word(0.5, 0.9)], [], [word(8.0, 8.4)]], plan, [Span(0, 9)], 9.0)

    assert times(words)[1] == (6.0, 6.3)
    assert words[1].placed == "interpolated"


def test_a_hundred_unspoken_words_leave_their_neighbours_alone():
    tokens = [f" w{i}" for i in range(102)]
    said = said_as(tokens)
    found = [[word(5.0, 5.4)], *([[]] * 100), [word(5.5, 5.9)]]
    plan = Plan(whole(said, Span(4, 7)).pieces, ((1, 101, Span(5.4, 5.5)),))

    words = placed(tokens, said, found, plan, [Span(5.0, 5.9)], 10.0)

    assert_holds(words, tokens, 10.0)
    assert times(words)[0] == (5.0, pytest.approx(5.4, abs=0.061))
    assert times(words)[-1] == (pytest.approx(5.5, abs=0.061), 5.9)


def test_unspoken_words_are_where_they_would_be_and_not_all_over_a_pause():
    tokens = [" one", " two", " three", " four"]
    said = said_as(tokens)
    plan = Plan(whole(said, Span(0, 60)).pieces, ((1, 3, Span(1.0, 50.0)),))

    words = placed(tokens, said, [[word(0.5, 1.0)], [], [], [word(50.0, 50.4)]], plan, [Span(0, 1), Span(50, 51)], 60.0)

    assert words[2].end - words[1].start < 2.0


@pytest.mark.parametrize(("n", "duration"), [(300_000, 3600.0), (30_000, 10.0), (5, 0.003), (3, 0.0001)])
def test_an_impossible_amount_of_text_stays_inside_the_recording(n, duration):
    tokens = [" word"] * n
    said = said_as(tokens)

    words = placed(tokens, said, [[]] * n, Plan((), ((0, n, Span(0, duration)),)), [], duration)

    assert_holds(words, tokens, duration)


def test_with_room_for_all_no_two_ends_of_a_word_are_the_same_millisecond():
    n = 9000
    tokens = [" word"] * n
    said = said_as(tokens)

    words = placed(tokens, said, [[]] * n, Plan((), ((0, n, Span(0, 10)),)), [], 10.0)

    assert all(to_ms(w.end) > to_ms(w.start) for w in words)


def test_words_that_two_pieces_both_heard_the_edge_of_share_it():
    tokens = [" one", " two"]
    said = said_as(tokens)

    words = placed(tokens, said, [[word(0.5, 1.06)], [word(1.0, 1.5)]], whole(said, Span(0, 3)), [Span(0, 3)], 3.0)

    assert times(words) == [(0.5, 1.03), (1.03, 1.5)]


def test_a_word_that_contradicts_all_others_is_not_believed():
    tokens = [f" w{i}" for i in range(9)]
    said = said_as(tokens)
    found = [[word(i, i + 0.5)] for i in range(9)]
    found[4] = [word(8.7, 9.0, confidence=1.0)]

    words = placed(tokens, said, found, whole(said, Span(0, 10)), [Span(0, 9)], 10.0)

    assert [w.placed == "interpolated" for w in words] == [i == 4 for i in range(9)]
    assert 3.5 <= words[4].start < words[4].end <= 5.0


def test_a_word_is_no_longer_than_its_letters_allow():
    tokens = [" yes", " no"]
    said = said_as(tokens)

    words = placed(
        tokens,
        said,
        [[word(0.5, 9.0)], [word(9.0, 9.4)]],
        whole(said, Span(0, 10)),
        [Span(0.5, 1.1), Span(9, 9.4)],
        10.0,
    )

    assert times(words)[0] == (0.5, 1.1)


def test_a_fit_tells_the_share_the_median_and_what_does_not_match():
    tokens = [" one", " two", " —", " three", " four", " five"]
    said = said_as(tokens)
    plan = Plan(
        whole(said, Span(0, 20), doubtful=(5,)).pieces,
        ((1, 4, Span(1.0, 1.5)),),
        ((Span(12.0, 15.0), "a jingle"),),
    )
    found = [[word(0.5, 1.0, confidence=0.8)], [], [], [], [word(2.0, 2.4, confidence=0.4)], []]
    words = placed(tokens, said, found, plan, [Span(0, 16)], 20.0)

    told = fit(words, said, plan, others=[word(11.2, 11.8, " and"), word(3, 4, " not", by="interpolated")])

    assert told.placed == pytest.approx(2 / 5)
    assert told.confidence == pytest.approx(0.6)
    assert [(m.kind, m.text) for m in told.mismatches] == [
        ("unspoken", "two — three"),
        ("unspoken", "five"),
        ("unwritten", "and a jingle"),
    ]
    assert told.mismatches[2] == Mismatch(11.2, 15.0, "and a jingle", "unwritten")


def test_a_word_with_no_confidence_to_speak_of_that_nobody_heard_is_not_placed():
    tokens = [" one", " two"]
    said = said_as(tokens)
    plan = Plan(whole(said, Span(0, 3)).pieces, heard=frozenset({0}))
    found = [[word(0.5, 1.0, confidence=0.01)], [word(1.5, 2.0, confidence=0.01)]]
    words = placed(tokens, said, found, plan, [Span(0, 3)], 3.0)

    told = fit(words, said, plan, least=0.05)

    assert told.placed == 0.5
    assert [m.text for m in told.mismatches] == ["two"]


def test_a_text_without_sound_is_not_judged_by_its_words():
    words = placed([" —"], [()], [[]], Plan(()), [], 3.0)

    told = fit(words, [()], Plan(()))

    assert (told.placed, told.confidence, told.mismatches) == (0.0, None, ())


def test_no_text_has_no_words():
    assert placed([], [], [], Plan(()), [Span(0, 1)], 1.0) == []


def test_words_without_any_room_have_a_little_of_their_neighbours_and_push_nobody():
    tokens = [f" w{i}" for i in range(103)]
    said = said_as(tokens)
    found = [[word(5.0, 5.4)], *([[]] * 100), [word(5.4, 5.8)], [word(5.8, 6.2)]]
    plan = Plan(whole(said, Span(4, 7)).pieces, ((1, 101, Span(5.4, 5.4)),))

    words = placed(tokens, said, found, plan, [Span(5.0, 6.2)], 10.0)

    assert_holds(words, tokens, 10.0)
    assert times(words)[-2:] == [(pytest.approx(5.4, abs=0.061), 5.8), (5.8, 6.2)]
