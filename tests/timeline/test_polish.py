"""What models get wrong, put right, and what is right left alone."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechcli.core.span import Span
from speechcli.core.transcript import Heard, Segment, Word, joined
from speechcli.timeline.polish import loop_in, polish

ALL = (Span(0, 30),)


def segment(*words: tuple[float, float, str], logprob: float | None = -0.2) -> Segment:
    made = tuple(Word(a, b, " " + t) for a, b, t in words)
    return Segment(made[0].start, max(w.end for w in made), joined(made), made, avg_logprob=logprob)


def test_a_good_answer_is_left_as_it_is():
    heard = Heard((segment((0.5, 1, "hello"), (1, 1.4, "world")),), language="en")

    assert polish(heard, 5, ALL) == heard


def test_a_loop_is_cut_after_its_first_round_and_what_was_cut_is_kept():
    words = [(i * 0.3, i * 0.3 + 0.3, w) for i, w in enumerate("well malo malo malo malo malo malo malo malo".split())]

    result = polish(Heard((segment(*words),)), 30, ALL)

    assert result.segments[0].text == "well malo"
    assert result.loops == 1
    assert result.dropped[0].reason == "repetition loop"
    assert result.dropped[0].text.split() == ["malo"] * 7


@pytest.mark.parametrize("text", ["no no no no no", "one two one two one two one two", "ha ha ha"])
def test_people_repeat_themselves_too(text):
    assert loop_in(text.split()) is None


def test_a_loop_of_a_long_phrase_is_found():
    phrase = "I am going to the shop now".split()

    assert loop_in(phrase * 6) == (7, 42)


def test_the_end_of_a_sentence_that_the_window_cut_is_not_made_up():
    words = [(28, 28.4, "that"), (28.4, 28.7, "are"), (28.7, 29.4, "good,"), (29.4, 30, "I")]
    made_up = [(30, 30, word) for word in "would be happy to be happy".split()]

    result = polish(Heard((segment(*words, *made_up),)), 30, ALL)

    assert result.segments[0].text == "that are good, I"
    assert result.dropped[0].text == "would be happy to be happy"
    assert polish(result, 30, ALL) == result


def test_two_short_words_at_the_end_stay():
    heard = Heard((segment((28, 29.9, "well"), (30, 30, "it"), (30, 30, "is")),))

    assert polish(heard, 30, ALL).segments[0].text == "well it is"


def test_text_on_silence_is_dropped_with_its_reason():
    made_up = segment((10, 10.5, "Thank"), (10.5, 11, "you."), logprob=-0.3)

    result = polish(Heard((made_up,)), 30, (Span(0, 5),))

    assert result.segments == ()
    assert result.dropped[0].text == "Thank you."
    assert result.dropped[0].reason == "no speech was heard there"


def test_thank_you_that_was_said_stays():
    said = segment((1, 1.4, "Thank"), (1.4, 1.9, "you."))

    assert polish(Heard((said,)), 30, (Span(0.9, 2),)).segments == (said,)


def test_a_word_of_ten_seconds_shrinks_to_where_somebody_speaks():
    result = polish(Heard((segment((2, 12, "so"), (12, 12.4, "then")),)), 30, (Span(11.5, 13),))

    word = result.segments[0].words[0]
    assert 11.4 < word.start <= 11.5
    assert word.end <= 12


def test_words_that_begin_together_share_their_time_and_say_that_it_is_a_guess():
    """Cross-attention gives a short word no time at all, now and then."""
    heard = Heard((segment((5, 5.4, "Great,"), (5.6, 5.6, "thank"), (5.6, 5.8, "you.")),))

    words = polish(heard, 30, ALL).segments[0].words

    assert [(w.start, w.end) for w in words] == [(5, 5.4), (5.6, pytest.approx(5.7)), (pytest.approx(5.7), 5.8)]
    assert [w.placed for w in words] == ["model", "interpolated", "interpolated"]


times = st.floats(-5, 40, allow_nan=False)
words = st.lists(st.tuples(times, times), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(st.lists(words, max_size=4), st.floats(0.02, 30))
def test_times_come_out_inside_the_audio_in_order_and_a_second_polish_changes_nothing(answers, duration):
    number = itertools.count()  # no two words alike: loops are another test
    segments = tuple(
        segment(*((max(0.0, min(a, b)), max(0.0, a, b), f"w{next(number)}") for a, b in row)) for row in answers
    )

    once = polish(Heard(segments), duration, (Span(0, duration),))

    flat = [w for s in once.segments for w in s.words]
    assert all(0 <= w.start < w.end <= duration + 1e-9 for w in flat)
    assert all(a.start <= b.start for a, b in itertools.pairwise(flat))
    assert all(joined(s.words) == s.text for s in once.segments)
    twice = polish(once, duration, (Span(0, duration),))
    assert [s.text for s in twice.segments] == [s.text for s in once.segments]
    again = [w for s in twice.segments for w in s.words]
    assert [w.start for w in again] == pytest.approx([w.start for w in flat])
    assert [w.end for w in again] == pytest.approx([w.end for w in flat])


def test_a_word_that_reaches_back_into_silence_begins_when_somebody_speaks():
    """Whisper's first word begins with its window; one that begins in speech stays."""
    early = segment((0.0, 0.7, "it"), (0.7, 1.0, "was"), (1.0, 1.3, "best"))

    (late,) = polish(Heard((early,)), 2.0, (Span(0.4, 1.4),)).segments
    (same,) = polish(Heard((early,)), 2.0, (Span(0.0, 0.2), Span(0.4, 1.4))).segments

    assert [(w.start, w.end) for w in late.words] == [(pytest.approx(0.35), 0.7), (0.7, 1.0), (1.0, 1.3)]
    assert same == early
