"""The same voice keeps its name over windows: by the talk that both heard, then by how it sounds."""

from speechcli.core.span import Span
from speechcli.core.transcript import Heard, Segment, Voice
from speechcli.timeline.speakers import link
from speechcli.timeline.stitch import Answer
from speechcli.timeline.windows import Window

ALIKE = 0.65
DEEP, HIGH, ROUGH = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


def answer(index: int, start: float, talk: list[tuple[float, float, str]], voices: dict[str, tuple[float, ...]] = {}):  # noqa: B006
    """A window of 100 s from `start`; talk in the time of its own sound."""
    window = Window((index,), Span(start, start + 100), Span(start, start + 100), (Span(start, start + 100),))
    segments = tuple(Segment(a, b, f"words of {who}", speaker=who) for a, b, who in talk)
    prints = tuple(Voice(who, 10.0, print_) for who, print_ in voices.items())
    return Answer(window, Heard(segments, voices=prints))


def names(groups: list[list[Answer]]) -> list[list[str | None]]:
    return [[s.speaker for a in group for s in a.heard.segments] for group in link(groups, ALIKE)]


def test_speakers_are_numbered_by_their_first_words():
    assert names([[answer(0, 0, [(0, 1, "7"), (1, 2, "0"), (2, 3, "7")])]]) == [
        ["SPEAKER_00", "SPEAKER_01", "SPEAKER_00"]
    ]


def test_talk_that_two_windows_have_heard_tells_who_is_who():
    before = answer(0, 0, [(0, 40, "0"), (50, 70, "1"), (80, 99, "0")])
    after = answer(1, 50, [(0.2, 20, "0"), (30.1, 49, "1"), (60, 80, "0")])

    assert names([[before], [after]])[1] == ["SPEAKER_01", "SPEAKER_00", "SPEAKER_01"]


def test_without_shared_talk_the_voice_tells():
    before = answer(0, 0, [(0, 40, "0"), (50, 70, "1")], {"0": DEEP, "1": HIGH})
    after = answer(1, 100, [(0, 20, "0"), (30, 49, "1"), (60, 80, "2")], {"0": HIGH, "1": ROUGH, "2": DEEP})

    assert names([[before], [after]])[1] == ["SPEAKER_01", "SPEAKER_02", "SPEAKER_00"]


def test_shared_talk_counts_more_than_the_voice():
    before = answer(0, 0, [(60, 99, "0")], {"0": DEEP})
    after = answer(1, 50, [(10, 49, "0"), (60, 80, "1")], {"0": HIGH, "1": DEEP})

    assert names([[before], [after]])[1] == ["SPEAKER_00", "SPEAKER_01"]


def test_a_voice_is_remembered_over_windows_in_which_it_is_silent():
    groups = [
        [answer(0, 0, [(0, 40, "0")], {"0": DEEP})],
        [answer(1, 100, [(0, 40, "0")], {"0": HIGH})],
        [answer(2, 200, [(0, 40, "0")], {"0": DEEP})],
    ]

    assert names(groups) == [["SPEAKER_00"], ["SPEAKER_01"], ["SPEAKER_00"]]


def test_a_part_that_is_heard_again_is_linked_too():
    first = answer(0, 0, [(0, 40, "0"), (40, 50, "1")], {"0": DEEP, "1": HIGH})
    part = Answer(
        Window((0, 0), Span(60, 100), Span(60, 100), ()),
        Heard((Segment(1, 9, "more", speaker="0"),), voices=(Voice("0", 8, HIGH),)),
    )

    ((_, again),) = link([[first, part]], ALIKE)

    assert again.heard.segments[0].speaker == "SPEAKER_01"


def test_answers_without_speakers_come_back_as_they_are():
    plain = Answer(Window((0,), Span(0, 9), Span(0, 9), ()), Heard((Segment(1, 2, "hello"),)))

    assert list(link([[plain]], ALIKE)) == [(plain,)]


def test_the_threshold_is_the_printers():
    near = (0.8, 0.6, 0.0)
    groups = [[answer(0, 0, [(0, 40, "0")], {"0": DEEP})], [answer(1, 100, [(0, 40, "0")], {"0": near})]]

    strict, loose = ([a[0].heard.segments[0].speaker for a in link(groups, alike)] for alike in (0.81, 0.79))

    assert strict == ["SPEAKER_00", "SPEAKER_01"]
    assert loose == ["SPEAKER_00", "SPEAKER_00"]
