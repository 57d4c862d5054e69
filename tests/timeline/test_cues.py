"""Captions: where they break, how long they stay, and what they never do."""

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechcli.core.span import to_ms
from speechcli.core.transcript import Segment, Word, joined
from speechcli.errors import UsageError
from speechcli.timeline.cues import LATE_MS, Cue, Style, cues, lint
from speechcli.timeline.text import breakable, chopped, clean, ends_sentence, label, pieces, width

PLAIN = Style(labels=False)


def spoken(
    text: str, start: float = 0.0, speaker: str | None = None, pauses: dict[str, float] | None = None
) -> Segment:
    """A segment as a model gives it: 0.3 s a word, and the silences named after some words."""
    words, at = [], start
    for token in text.split():
        words.append(Word(round(at, 3), round(at + 0.3, 3), f" {token}"))
        at += 0.3 + (pauses or {}).get(token, 0.0)
    return Segment(words[0].start, words[-1].end, joined(tuple(words)), tuple(words), speaker)


def chinese(text: str, start: float = 0.0) -> Segment:
    words = tuple(Word(round(start + i * 0.2, 3), round(start + i * 0.2 + 0.2, 3), c) for i, c in enumerate(text))
    return Segment(words[0].start, words[-1].end, joined(words), words)


def lines(segments: list[Segment], style: Style = PLAIN) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cues(segments, style)]


def test_a_short_segment_is_one_line() -> None:
    assert lines([spoken("And so, my fellow Americans.")]) == [("And so, my fellow Americans.",)]


def test_lines_break_after_a_clause_before_they_break_for_balance() -> None:
    (cue,) = cues([spoken("My fellow Americans, ask not what your country can do.")], PLAIN)

    assert cue.lines == ("My fellow Americans,", "ask not what your country can do.")


def test_lines_are_alike_where_no_grammar_says_otherwise() -> None:
    (cue,) = cues([spoken("one two three four five six seven eight nine ten eleven")], PLAIN)

    top, bottom = map(len, cue.lines)
    assert abs(top - bottom) <= 6


def test_a_line_does_not_end_with_an_article() -> None:
    (cue,) = cues([spoken("Somebody that nobody expected opened the window again")], PLAIN)

    assert not cue.lines[0].endswith(" the")


def test_captions_break_after_a_sentence_first() -> None:
    text = (
        "It rained all day long in the old town. When the sun came back in the evening everybody went out for a walk."
    )

    assert lines([spoken(text)])[0] == ("It rained all day long in the old town.",)


def test_captions_break_at_a_pause_where_there_is_no_punctuation() -> None:
    text = "so we went home and slept until somebody rang the bell at the door and we got up to see who it was"
    shown = lines([spoken(text, pauses={"slept": 0.6})])

    assert any(cue[-1].endswith("slept") for cue in shown)


def test_a_long_pause_always_ends_a_caption() -> None:
    assert lines([spoken("wait for it", pauses={"wait": 1.6})]) == [("wait",), ("for it",)]


def test_no_word_is_left_alone() -> None:
    text = (
        "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolish men."
    )

    for shown in lines([spoken(text)]):
        assert all(len(line.split()) > 1 for line in shown)


def test_a_sentence_that_goes_on_in_the_next_segment_is_broken_as_a_whole() -> None:
    first = spoken("Whisper cuts in the middle of")
    shown = lines([first, spoken("a sentence.", first.end + 0.2)])

    assert shown == [("Whisper cuts in the middle of a sentence.",)]


@pytest.mark.parametrize(
    "following",
    [
        spoken("a sentence.", 5.0),  # after a silence
        spoken("a sentence.", 2.0, speaker="SPEAKER_01"),
        Segment(2.0, 3.0, "a sentence."),  # without words: somebody's own caption
    ],
)
def test_other_neighbours_are_not_joined(following: Segment) -> None:
    assert len(lines([spoken("Whisper cuts in the middle of"), following])) == 2


def test_a_caption_somebody_wrote_keeps_its_lines_and_times() -> None:
    authored = [
        Segment(1.0, 3.0, "- Who is there?\n- Me."),
        Segment(3.0, 5.0, "Come in, then,"),
        Segment(5.0, 7.0, "quick!"),
    ]

    assert list(cues(authored, PLAIN)) == [
        Cue(1.0, 3.0, ("- Who is there?", "- Me.")),
        Cue(3.0, 5.0, ("Come in, then,",)),
        Cue(5.0, 7.0, ("quick!",)),
    ]


def test_a_segment_without_words_that_is_too_long_is_broken_with_times_in_proportion() -> None:
    text = "This was said by a model that knows no words. " * 5
    shown = list(cues([Segment(10.0, 30.0, text)], PLAIN))

    assert " ".join(" ".join(cue.lines) for cue in shown) == text.strip()
    assert all(cue.words == () for cue in shown)
    assert shown[0].start == 10.0
    assert shown[-1].end == pytest.approx(30.0, abs=0.01)
    assert lint(shown, PLAIN) == []


def test_chinese_lines_hold_half_as_many_characters_and_do_not_begin_with_punctuation() -> None:
    text = "今天天气很好,我们一起去公园散步。" * 4
    style = replace(PLAIN, max_line_width=16)
    shown = lines([chinese(text)], style)

    assert "".join("".join(cue) for cue in shown) == text
    for line in (line for cue in shown for line in cue):
        assert width(line) <= 16
        assert line[0] not in ",。"


def test_chinese_captions_break_at_sentences() -> None:
    shown = lines(
        [chinese("今天天气很好我们去公园。明天可能会下雨所以在家看书。")],
        replace(PLAIN, max_line_width=26, max_line_count=1),
    )

    assert shown[0] == ("今天天气很好我们去公园。",)
    assert "".join(line for cue in shown[1:] for line in cue) == "明天可能会下雨所以在家看书。"


def test_a_word_longer_than_a_line_is_cut_and_nothing_else_is() -> None:
    style = replace(PLAIN, max_line_width=10)
    shown = lines([spoken("die Donaudampfschifffahrt fährt")], style)

    assert all(width(line) <= 10 for cue in shown for line in cue)
    assert "".join("".join(cue) for cue in shown).replace(" ", "") == "dieDonaudampfschifffahrtfährt"


def test_the_name_of_the_speaker_takes_room_on_the_first_line() -> None:
    segment = spoken("This line would fit without a name on it", speaker="SPEAKER_00")

    assert [len(cue.lines) for cue in cues([segment])] == [2]
    assert [len(cue.lines) for cue in cues([segment], PLAIN)] == [1]
    assert lint(cues([segment])) == []


def test_a_change_of_speaker_ends_the_caption() -> None:
    shown = list(cues([spoken("I think that", 0, "SPEAKER_00"), spoken("no you do not", 1.0, "SPEAKER_01")]))

    assert [cue.speaker for cue in shown] == ["SPEAKER_00", "SPEAKER_01"]


def test_a_short_caption_stays_until_it_can_be_read_but_not_into_the_next() -> None:
    first, second, third = cues([spoken("No."), spoken("Never!", 0.5), spoken("Ever.", 3.0)], PLAIN)

    assert (first.start, first.end) == (0.0, 0.417)  # min_gap before 0.5
    assert (second.start, second.end) == (0.5, 1.333)  # min_duration
    assert third.end == 3.833


def test_a_fast_caption_stays_longer_where_there_is_silence() -> None:
    fast = spoken("Internationalization notwithstanding, characteristically")
    first, _ = cues([fast, spoken("Well.", 9.0)], PLAIN)

    assert first.end == pytest.approx(56 / PLAIN.max_cps, abs=0.01)


def test_a_slow_caption_makes_way_for_the_gap() -> None:
    first, _ = cues([spoken("This was said in no hurry."), spoken("And so was this.", 1.8)], PLAIN)

    assert first.end == 1.717


def test_nothing_is_shown_after_the_end_of_the_recording() -> None:
    (cue,) = cues([spoken("No.", 4.0)], PLAIN, lambda: 4.5)

    assert cue.end == 4.5


def test_a_caption_that_lasts_too_long_is_taken_away() -> None:
    assert [cue.duration for cue in cues([Segment(0, 60, "♪")], PLAIN)] == [7.0]


def test_two_people_at_once_get_captions_one_after_the_other() -> None:
    long = spoken("I have been talking about this for quite some time now and I will go on", 0.0, "SPEAKER_00")
    shown = list(cues([long, spoken("Yes.", 0.5, "SPEAKER_01"), spoken("Right.", 1.2, "SPEAKER_01")]))

    assert all(a.end <= b.start for a, b in pairwise(shown))
    assert {cue.speaker for cue in shown} == {"SPEAKER_00", "SPEAKER_01"}


def test_words_a_line_and_lines_can_be_limited_to_one() -> None:
    shown = list(cues([spoken("one two three")], replace(PLAIN, max_words_per_line=1, max_line_count=1)))

    assert [cue.lines for cue in shown] == [("one",), ("two",), ("three",)]


def test_captions_appear_as_soon_as_the_next_one_is_known() -> None:
    read = 0

    def segments() -> Iterator[Segment]:
        nonlocal read
        for i in range(100):
            read += 1
            yield spoken(f"Sentence number {i}.", i * 3.0)

    for number, _ in enumerate(cues(segments(), PLAIN), 1):
        assert read <= number + 2


def test_lint_tells_what_the_speech_forces() -> None:
    fast = Cue(0.0, 0.5, ("This is far too much to be read in half a second",))
    found = lint([fast, Cue(0.45, 9.0, ("a", "b", "c"))], replace(PLAIN, max_words_per_line=5))

    assert [(v.cue, v.rule) for v in found] == [
        (1, "line_width"),
        (1, "words_per_line"),
        (1, "cps"),
        (1, "min_duration"),
        (2, "line_count"),
        (2, "max_duration"),
        (2, "overlap"),
    ]
    assert found[2].value == 96.0
    assert found[2].limit == 20.0


def test_a_style_that_nothing_can_satisfy_is_refused() -> None:
    for wrong in ({"max_line_width": 1}, {"max_line_count": 0}, {"max_cps": 0}, {"min_duration": 9.0}, {"min_gap": -1}):
        with pytest.raises(UsageError):
            Style(**wrong)


def test_text_is_cleaned_of_what_could_do_harm() -> None:
    assert clean("a\x1b[2Jb\x07\x85c\u2028d\r\n\ne\ufeff\ud800 ") == "a[2Jb c d e"
    assert clean(" \t\u00a0 ") == ""
    assert clean("100\u00a0km,\u3000はい") == "100\u00a0km,\u3000はい"


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("Yes.", True),
        ("Really?!”", True),
        ("はい。", True),
        ("Mr.", False),
        ("J.", False),
        ("well,", False),
        ("…", True),
    ],
)
def test_ends_of_sentences(text: str, ends: bool) -> None:
    assert ends_sentence(text) is ends


def test_width_counts_columns() -> None:
    assert [width(t) for t in ("abc", "字幕", "e\u0301", "한글", "👍", "")] == [3, 4, 1, 4, 2, 0]


def test_korean_breaks_at_blanks_only() -> None:
    assert pieces("안녕하세요") == ["안녕하세요"]
    assert not breakable("안", "녕")


def test_marks_stay_with_their_letters_when_a_word_is_chopped() -> None:
    assert chopped("e\u0301" * 3, 2) == ["e\u0301e\u0301", "e\u0301"]


def test_names_cannot_break_out_of_their_label() -> None:
    assert label("A]\n[B") == "[A) (B]: "
    assert label(None) == label(" ") == ""


# Any speech at all.

WORDS = st.text(alphabet="aZ9.,?!'-é字幕。、가👍\u0301\u00a0\u3000", min_size=1, max_size=12) | st.sampled_from(
    ["and", "the", "Well,", "yes.", "(no)", "Donaudampfschifffahrtsgesellschaftskapitän", "これは字幕です。"]
)


@st.composite
def speech(draw: st.DrawFn, speakers: tuple[str | None, ...] = (None,), overlap: bool = False) -> list[Segment]:
    out: list[Segment] = []
    at = 0
    for _ in range(draw(st.integers(0, 6))):
        at = at if overlap and draw(st.booleans()) else (to_ms(out[-1].end) if out else 0)
        at += draw(st.integers(0, 3000))
        now, words = at, []
        for text in draw(st.lists(WORDS, min_size=1, max_size=30)):
            now += draw(st.sampled_from([0, 0, 0, 100, 700, 2000]))
            end = now + draw(st.integers(0, 900))
            words.append(Word(now / 1000, end / 1000, (" " if draw(st.integers(0, 5)) else "") + text))
            now = end
        speaker = draw(st.sampled_from(speakers))
        text = joined(tuple(words))
        kept = tuple(words) if draw(st.booleans()) else ()
        out.append(Segment(at / 1000, now / 1000, text, kept, speaker))
    return out


STYLES = st.builds(
    Style,
    max_line_width=st.integers(2, 50),
    max_line_count=st.integers(1, 4),
    max_cps=st.floats(2, 40),
    max_duration=st.floats(1, 10),
    max_words_per_line=st.none() | st.integers(1, 5),
    highlight_words=st.booleans(),
    labels=st.just(False),
)


def ink(text: str) -> str:
    return "".join(clean(text).split())


@given(speech(), STYLES)
@settings(max_examples=150, deadline=None)
def test_every_word_is_shown_in_order_and_no_line_is_too_wide(segments: list[Segment], style: Style) -> None:
    shown = list(cues(segments, style))

    assert ink(" ".join(" ".join(cue.lines) for cue in shown)) == ink(" ".join(s.text for s in segments))
    for cue in shown:
        assert 1 <= len(cue.lines) <= style.max_line_count
        assert all(line == clean(line) != "" and width(line) <= style.max_line_width for line in cue.lines)
        if cue.words:
            assert ink("".join(w.text for w in cue.words)) == ink("".join(cue.lines))


@given(speech(("A", "B", None), overlap=True), STYLES)
@settings(max_examples=150, deadline=None)
def test_captions_are_in_order_on_the_grid_and_never_overlap(segments: list[Segment], style: Style) -> None:
    shown = list(cues(segments, style))
    starts = sorted(s.start for s in segments)

    for cue in shown:
        assert cue.start == to_ms(cue.start) / 1000
        assert cue.end == to_ms(cue.end) / 1000
        assert to_ms(cue.end) - to_ms(cue.start) >= 1
    assert all(a.end <= b.start for a, b in pairwise(shown))
    if shown:
        assert shown[0].start >= starts[0]


@given(speech(("A", "B"), overlap=True))
@settings(max_examples=50, deadline=None)
def test_nothing_the_style_can_avoid_is_left_to_lint(segments: list[Segment]) -> None:
    style = PLAIN

    rules = {v.rule for v in lint(cues(segments, style), style)}

    assert rules <= {"cps", "min_duration", "min_gap"}


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**5), st.text(max_size=40)), max_size=20))
@settings(max_examples=100, deadline=None)
def test_segments_in_any_order_still_give_captions_in_order(rows: list[tuple[int, int, str]]) -> None:
    segments = [Segment(start / 1000, (start + length) / 1000, text) for start, length, text in rows]
    shown = list(cues(segments, PLAIN))

    assert all(a.end <= b.start for a, b in pairwise(shown))
    assert all(cue.end > cue.start for cue in shown)


def test_a_crowd_of_interjections_does_not_push_captions_ever_later() -> None:
    random.seed(1)
    crowd = [Segment(i / 10, i / 10 + 2, f"word {i}", speaker=f"S{i % 9}") for i in range(200)]
    shown = list(cues(crowd, PLAIN))

    assert len(shown) == 200
    assert max(to_ms(c.start) - to_ms(s.start) for c, s in zip(shown, crowd, strict=True)) <= LATE_MS + 200


KEPT = Style(labels=False, keep_cues=True)


@st.composite
def subtitles(draw: st.DrawFn) -> list[Segment]:
    """Somebody's captions, aligned or as they were: lines of any width, words of any length, in order."""
    out: list[Segment] = []
    now = draw(st.integers(0, 5000))
    for _ in range(draw(st.integers(1, 12))):
        words = []
        now += draw(st.integers(0, 3000))
        at = now
        for i in range(draw(st.integers(1, 9))):
            end = now + draw(st.integers(1, 2500))
            text = draw(st.sampled_from(["word", "a", "dass", "字幕", "42", "extraordinary,", "end."]))
            blank = draw(st.sampled_from([" ", "\n", " "])) if i else ""
            words.append(Word(now / 1000, end / 1000, blank + text))
            now = end
        spoken = draw(st.booleans())
        out.append(Segment(at / 1000, now / 1000, joined(tuple(words)), tuple(words) if spoken else ()))
    return out


@given(subtitles(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_kept_captions_are_the_segments_with_their_lines_and_times(segments: list[Segment], marked: bool) -> None:
    style = replace(KEPT, highlight_words=marked)
    shown = list(cues(segments, style))
    gap, shortest = to_ms(style.min_gap), to_ms(style.min_duration)

    assert [cue.lines for cue in shown] == [tuple(s.text.split("\n")) for s in segments]
    assert [cue.start for cue in shown] == [s.start for s in segments]
    assert all(a.end <= b.start for a, b in pairwise(shown))
    for cue, segment, after in zip(shown, segments, [*shown[1:], None], strict=True):
        longer = to_ms(cue.end) - to_ms(segment.end)
        assert longer >= -gap
        if longer > 0:  # into silence only, and not for long
            assert to_ms(cue.end) - to_ms(cue.start) <= shortest
            assert after is None or to_ms(after.start) - to_ms(cue.end) >= gap
        if segment.words or marked:
            assert ink("".join(w.text for w in cue.words)) == ink("".join(cue.lines))


def test_kept_captions_last_from_their_first_to_their_last_word() -> None:
    words = (Word(1.0, 1.5, "Late"), Word(9.0, 10.5, "\nwords."))
    (cue,) = cues([Segment(0.2, 12.0, "Late\nwords.", words)], KEPT)

    assert (cue.start, cue.end, cue.lines) == (1.0, 10.5, ("Late", "words."))


def test_kept_captions_that_are_said_at_the_same_time_are_shown_in_their_order() -> None:
    shown = list(cues([Segment(0.0, 3.0, "Both"), Segment(0.0, 3.0, "at once."), Segment(3.0, 4.0, "Then.")], KEPT))

    assert [cue.lines for cue in shown] == [("Both",), ("at once.",), ("Then.",)]
    assert all(a.end <= b.start for a, b in pairwise(shown))
