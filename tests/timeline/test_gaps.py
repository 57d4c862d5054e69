"""What is heard again: after a cut in the model's answer, and where it got nowhere."""

from speechcli.core.span import Span
from speechcli.timeline.gaps import rest
from speechcli.timeline.windows import Window


def window(
    *speech: tuple[float, float], index: tuple[int, ...] = (3,), heard: tuple[float, float] = (100, 400)
) -> Window:
    span = Span(*heard)
    return Window(index, span, span, tuple(Span(*s) for s in speech))


def test_what_follows_the_cut_is_heard_again_from_its_first_words():
    (part,) = rest(window((110, 200), (250, 390)), cut=210)

    assert part.index == (3, 0)
    assert part.heard == Span(249.7, 400)
    assert part.speech == (Span(250, 390),)


def test_nothing_is_heard_again_where_no_speech_is_left():
    assert rest(window((110, 200)), cut=200.5) == []


def test_a_window_in_which_the_model_got_nowhere_is_halved_in_a_pause():
    first, second = rest(window((110, 200), (220, 300), (310, 390)), cut=100)

    assert (first.index, second.index) == ((3, 0), (3, 1))
    assert first.heard == Span(100, 210), "the pause nearest to the middle"
    assert second.heard == Span(210, 400)


def test_a_short_window_without_an_answer_is_given_up_and_so_is_one_cut_too_often():
    assert rest(window((101, 119), heard=(100, 120)), cut=100) == []
    assert rest(window((110, 390), index=(3, *range(9))), cut=200) == []
