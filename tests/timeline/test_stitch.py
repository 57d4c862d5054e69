"""From window time to recording time, and what happens where windows meet."""

import itertools

from speechcli.core.span import Span
from speechcli.core.transcript import Dropped, Heard, Segment, Turn, Word
from speechcli.timeline.stitch import Answer, interleaved, seam, shifted, split, stitch
from speechcli.timeline.windows import Window


def said(text: str, start: float, step: float = 0.5) -> Segment:
    """A segment of words `step` apart."""
    words = tuple(
        Word(round(start + i * step, 3), round(start + (i + 1) * step, 3), " " + w) for i, w in enumerate(text.split())
    )
    return Segment(words[0].start, words[-1].end, text, words)


def window(index: int, own: tuple[float, float], heard: tuple[float, float] | None = None) -> Window:
    return Window((index,), Span(*own), Span(*(heard or own)), (Span(*own),))


def test_shifted_moves_everything_and_rounds_to_milliseconds():
    heard = Heard((said("a b", 0.0),), (Turn(0, 1, "S"),), "en", (Dropped(0.2, 0.4, "x", "why"),))

    moved = shifted(Answer(window(0, (10.00049, 20)), heard))

    assert [(w.start, w.end) for w in moved.segments[0].words] == [(10.0, 10.5), (10.5, 11.0)]
    assert moved.turns == (Turn(10.0, 11.0, "S"),)
    assert moved.dropped[0].start == 10.2


def test_stitch_gives_segments_as_soon_as_they_are_settled():
    def groups():
        yield [Answer(window(0, (0, 10)), Heard((said("one", 1),)))]
        raise AssertionError("asked for the next window before giving the first")

    assert next(stitch(groups())).text == "one"


def test_stitch_changes_over_at_the_word_both_have_heard():
    """A cut inside speech at 10 s: each window hears 1.5 s of the other, and mishears its own edge."""
    before = Answer(window(0, (0, 10), (0, 11.5)), Heard((said("we shall not go to the mood", 8.0),)))
    after = Answer(window(1, (10, 20), (8.5, 20)), Heard((said("knot go to the moon and back", 0.5),)))

    segments = list(stitch([[before], [after]]))

    assert " ".join(s.text for s in segments) == "we shall not go to the moon and back"


def test_stitch_without_a_match_changes_over_at_the_cut():
    left, right = seam([said("a b c d", 8.0)], [said("w x y z", 9.0)], 9.5)

    assert [s.text for s in left] == ["a b c"]
    assert [s.text for s in right] == ["x y z"]


def test_interleaved_puts_a_part_between_the_words_it_was_missing_from():
    whole = Segment(0, 9, "left right", (Word(0, 1, " left"), Word(8, 9, " right")))

    row = interleaved([[whole], [said("in between", 3)]])

    assert [s.text for s in row] == ["left", "in between", "right"]
    assert [s.start for s in row] == [0, 3, 8]


def test_interleaved_lets_nothing_overlap():
    row = interleaved([[said("a b c d", 0)], [said("e f", 1.9)]])

    assert all(a.end <= b.start for a, b in itertools.pairwise(row))


def test_split_leaves_a_segment_without_words_whole():
    segment = Segment(0, 4, "no words here")

    assert split(segment, 2) == [segment]


def test_segments_without_words_that_two_windows_heard_are_told_by_the_one_that_heard_them_whole():
    first = Heard((Segment(1, 5, "One."), Segment(6, 10.9, "Two that was cut")))
    second = Heard((Segment(0.5, 6, "Two that was cut off."), Segment(7, 9, "Three.")))
    groups = [
        [Answer(window(0, (0, 10), (0, 11)), first)],
        [Answer(window(1, (10, 30), (5.5, 30)), second)],
    ]

    assert [s.text for s in stitch(groups)] == ["One.", "Two that was cut off.", "Three."]


def test_what_a_window_heard_once_more_of_the_one_before_is_the_others():
    first = Heard((Segment(1, 5, "One."), Segment(6, 9, "Two.")))
    second = Heard((Segment(0.8, 3.9, "Two."), Segment(6, 8, "Three.")))
    groups = [[Answer(window(0, (0, 10)), first)], [Answer(window(1, (10, 30), (5, 30)), second)]]

    assert [s.text for s in stitch(groups)] == ["One.", "Two.", "Three."]
