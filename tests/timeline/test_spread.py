"""Text without times over the speech it was heard in."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechcli.core.span import Span
from speechcli.core.transcript import Heard, Segment, joined
from speechcli.timeline.spread import spread, tokens

texts = st.text(st.sampled_from("abc .,!今日は안녕\n"), min_size=1, max_size=60).filter(lambda t: t.strip())
spans = st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 10)), max_size=5)


@given(texts, spans)
def test_words_join_to_the_text_stay_in_order_and_inside_the_sound(text, speech):
    heard = Heard((Segment(0.0, 60.0, text.strip()),))

    done = spread(heard, [Span(a, a + b) for a, b in speech], 60.0)

    words = [w for s in done.segments for w in s.words]
    assert "".join("".join(joined(s.words) for s in done.segments).split()) == "".join(text.split())
    assert all(w.placed == "interpolated" and w.confidence is None for w in words)
    assert all(0 <= a.start <= a.end <= 60 for a in words)
    assert all(a.start <= b.start for a, b in itertools.pairwise(words))


@given(texts)
def test_tokens_joined_are_the_text(text):
    assert "".join(tokens(text)) == "\n".join(" ".join(line.split()) for line in text.split("\n") if line.strip())


def test_no_word_is_put_where_nobody_speaks():
    done = spread(Heard((Segment(0, 30, "One two three four."),)), [Span(1, 2), Span(20, 21)], 30.0)

    (segment,) = done.segments
    assert [(w.start, w.end) for w in segment.words] == [
        pytest.approx(times, abs=0.01) for times in [(1, 1.4), (1.4, 1.8), (1.8, 20.4), (20.4, 21)]
    ]


def test_sentences_become_segments_and_what_has_words_is_left_alone():
    timed = spread(Heard((Segment(0, 10, "First one. Second one!"),)), [Span(0, 10)], 10.0)

    assert [s.text for s in timed.segments] == ["First one.", "Second one!"]
    assert spread(timed, [Span(5, 10)], 10.0) == timed


def test_a_line_break_is_the_blank_before_the_word_that_follows_it():
    assert tokens("- No.\n- Yes, \t\n 今日\r\nso\tbe  it") == [
        "-", " No.", "\n-", " Yes,", "\n今", "日", "\nso", " be", " it",
    ]  # fmt: skip
