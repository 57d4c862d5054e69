"""Plain text: where its segments are, who speaks, and what are no words."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechcli.formats import plain

BOOK = """\
It was the best of times, it was the worst of times, it was the age of
wisdom, it was the age of foolishness. It was the epoch of belief, it
was the epoch of incredulity!
It was the season of Light, it was the season of Darkness, it was the
spring of hope.

It was the winter of despair."""


def texts(text: str, lines: bool = False) -> list[str]:
    return [segment.text for segment in plain.segments(text, "a.txt", lines)[0]]


def spoken(text: str) -> list[tuple[str | None, str]]:
    return [(segment.speaker, segment.text) for segment in plain.segments(text, "a.txt")[0]]


def test_a_line_is_a_segment() -> None:
    text = "the first\nsecond one which is a good deal longer than the first\r\nthird\rfourth\n\n\n  fifth  \n"

    assert texts(text) == [
        "the first", "second one which is a good deal longer than the first", "third", "fourth", "fifth",
    ]  # fmt: skip


def test_lines_of_a_wrapped_book_go_on_until_a_sentence_or_the_block_ends() -> None:
    assert texts(BOOK) == [
        "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
        "foolishness. It was the epoch of belief, it was the epoch of incredulity!",
        "It was the season of Light, it was the season of Darkness, it was the spring of hope.",
        "It was the winter of despair.",
    ]


def test_lines_can_be_had_as_they_stand() -> None:
    assert texts(BOOK, lines=True) == [line for line in BOOK.split("\n") if line]


def test_lines_of_many_lengths_are_no_wrapped_book() -> None:
    text = "\n".join(
        ["he hoped there would be stew for dinner turnips and carrots", "stuff it into you his belly counselled him",
         "after early nightfall the yellow lamps would light up here and there", "hello bertie any good in your mind",
         "number ten fresh nelly is waiting on you good night husband"]
    )  # fmt: skip

    assert texts(text) == text.split("\n")


def test_a_wrapped_chinese_text_gets_no_blanks() -> None:
    line = "那是最好的年代那是最坏的年代那是智慧的年代那是愚蠢的年代"

    assert texts(f"{line}\n{line}\n完了。") == [f"{line}{line}完了。"]


def test_names_in_brackets_are_speakers_as_we_write_them() -> None:
    assert spoken("[SPEAKER_00]: Hello.\nAnd more.\n\nNobody.\n[Anna B.]: Hi.") == [
        ("SPEAKER_00", "Hello."), ("SPEAKER_00", "And more."), (None, "Nobody."), ("Anna B.", "Hi."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ANNA: Hello.\nBOB: Hi.\n", [("ANNA", "Hello."), ("BOB", "Hi.")]),
        ("Anna: One.\nBo: Two.\nAnna: Three.", [("Anna", "One."), ("Bo", "Two."), ("Anna", "Three.")]),
        ("Speaker 1: A.\n\nSpeaker 1: B.", [("Speaker 1", "A."), ("Speaker 1", "B.")]),
        ("小明：你好\n小红：你好\n小明：再见", [("小明", "你好"), ("小红", "你好"), ("小明", "再见")]),
    ],
)
def test_names_that_are_used_all_through_are_speakers_and_that_is_told(
    text: str, expected: list[tuple[str | None, str]]
) -> None:
    segments, notes = plain.segments(text, "a.txt")

    assert [(s.speaker, s.text) for s in segments] == expected
    assert "names before lines are taken for speakers" in notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "ANNA: Hello.",
        "Note: this is one.\nWarning: this is another.",
        "One thing.\nNote: a word.\nNote: another.\nAnd the rest.\nOf it.",
        "at 10:30 he said: go\nand then: stop",
        "To: us\nFrom: you\nTo: them\nSubject: none",
        "https://example.org: it is\nhttps://example.org: it was",
    ],
)
def test_words_before_colons_are_words_otherwise(text: str) -> None:
    segments, notes = plain.segments(text, "a.txt")

    assert "\n".join(s.text for s in segments) == text
    assert {s.speaker for s in segments} == {None}
    assert notes == []


def test_a_wrapped_speech_belongs_to_its_speaker() -> None:
    text = BOOK.split("\n\n")[0].replace("It was the best", "ANNA: It was best").replace("It was the season", "BOB: It")

    assert [who for who, _ in spoken(text)] == ["ANNA", "BOB"]
    assert "foolishness. It was the epoch of belief, it was the epoch" in spoken(text)[0][1]


def test_tags_are_left_out_and_counted() -> None:
    segments, notes = plain.segments('{\\an8}<p class="a b">He <i>did</i> it.<br/>Yes & 2<3 &amp; <3 </p>', "a.txt")

    assert [s.text for s in segments] == ["He did it.", "Yes & 2<3 &amp; <3"]
    assert notes == ["a.txt: tags are no words: 6 left out (<p>, <i>, {\\an8}, ...)"]


def test_a_page_of_the_web_is_its_words() -> None:
    page = (
        "<!DOCTYPE html>\n<html><head><title>No</title></head><body><!-- no\n<p> -->\n<script>var no = '<p>';</script>"
        "<h1>Tom &amp; Jerry</h1>\n<p>Run.</p></body></html>"
    )

    assert texts(page) == ["Tom & Jerry", "Run."]


def test_what_only_looks_like_markup_stays() -> None:
    text = "a <b and c> d # * _x_ **y** [music] (applause) {x} <a@b.c> <http://a.b>"

    assert texts(text) == [text]


@given(st.text(st.sampled_from("ab <>/!-{}\\\n:A."), max_size=60))
def test_every_character_outside_tags_comes_back_in_order(text: str) -> None:
    kept = "".join("".join(s.text for s in plain.segments(text, "a.txt", lines=True)[0]).split())
    bare, tags = plain.unmarked(text)

    assert kept == "".join(bare.split())
    assert (bare == text) == (not tags)
    rest = iter(text)
    assert all(character in rest for character in kept)


@pytest.mark.parametrize("row", ["<!-- ", "<script> ", "<a ", "<a b=", "{\\", "a:", "A: ", "<", "\n", "A\n\n", "<?"])
def test_hostile_text_takes_no_longer_than_its_length(row: str) -> None:
    started = time.perf_counter()
    plain.segments(row * 50_000, "a.txt")

    assert time.perf_counter() - started < 5
