"""Files people have, read."""

from pathlib import Path

import pytest
from made_transcripts import TALK

from speechcli.core.transcript import Segment, Transcript, Turn, Word
from speechcli.errors import DataError, NoInputError
from speechcli.formats import ctm, opened, rttm, srt, stm, table, textgrid, tsv, vtt

CAPTIONS = (
    "1\r\n00:00:01,000 --> 00:00:02,500\r\n- Gruß!\r\n- Ja.\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nEnde\r\n"
)
EXPECTED = (Segment(1.0, 2.5, "- Gruß!\n- Ja."), Segment(3.0, 4.0, "Ende"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(CAPTIONS.encode(encoding))
    read = table.read(path)

    assert read.segments == EXPECTED
    assert read.source == "a.srt"
    assert read.duration == 4.0
    assert bool(read.verdict.notes) == (encoding == "cp1252")


def test_utf16_with_its_mark_first_whichever_way_round(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(b"\xfe\xff" + CAPTIONS.encode("utf-16-be"))

    assert table.read(path).segments == EXPECTED


def test_srt_is_read_with_speakers_without_markup_and_without_counters() -> None:
    text = (
        "00:00:01.5 --> 00:00:02,500 X1:40\n[SPEAKER_00]: <i>Hello</i> {\\an8}there\n\n"
        "7\n00:00:03,000 --> 00:00:02,000\nbackwards\n\n\n8\n00:00:05,000 --> 00:00:06,000\n\n"
    )
    read = srt.read(text, "a.srt")

    assert read.segments == (
        Segment(1.005, 2.5, "Hello there", speaker="SPEAKER_00"),
        Segment(3.0, 3.0, "backwards"),
    )


def test_srt_with_one_broken_caption_keeps_the_others_and_says_so() -> None:
    read = srt.read(CAPTIONS + "\r\nthis is\r\nno caption\r\n", "a.srt")

    assert read.segments == EXPECTED
    assert read.verdict.notes == ("line 10 is no caption: 'this is'",)


def test_srt_without_a_caption_is_refused_with_its_line() -> None:
    with pytest.raises(DataError, match=r"a\.srt, line 2 is no caption"):
        srt.read("\nhello\nworld\n", "a.srt")


def test_vtt_is_read_with_voices_entities_and_without_the_rest() -> None:
    text = (
        "\ufeffWEBVTT - title\nKind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE --- not --> a cue\n\n"
        "intro\n01:00.000 --> 01:02.500 align:start\n"
        "<v.loud Anna &amp; Bo>Tom &lt;3 <c.red>Jerry</c> <00:01:01.000>now</v>\n\n"
        "00:01:03.000 --> 00:01:04.000\n<v A>One.</v>\n<v B>Two.\n"
    )
    read = vtt.read(text, "a.vtt")

    assert read.segments == (
        Segment(60.0, 62.5, "Tom <3 Jerry now", speaker="Anna & Bo"),
        Segment(63.0, 64.0, "One.", speaker="A"),
        Segment(63.0, 64.0, "Two.", speaker="B"),
    )


def test_rttm_of_nine_and_ten_fields_among_other_lines() -> None:
    text = (
        ";; comment\nSPKR-INFO f 1 <NA> <NA> <NA> unknown A <NA>\nSPEAKER f 1 0.5 1.25 <NA> <NA> A <NA>\n"
        "SPEAKER f 1 1.0 1.0 <NA> <NA> B <NA> <NA>\n\n"
    )

    assert rttm.read(text, "a.rttm").turns == (Turn(0.5, 1.75, "A"), Turn(1.0, 2.0, "B"))


def test_ctm_words_become_segments_by_their_pauses() -> None:
    text = ";; x\nf A 0.0 0.5 hello 0.9\nf A 0.5 0.5 world NA lex NA\nf A 3.0 0.5 again\n"
    read = ctm.read(text, "a.ctm")

    assert [s.text for s in read.segments] == ["hello world", "again"]
    assert read.words[0] == Word(0.0, 0.5, " hello", 0.9)


def test_stm_without_its_labels_and_what_is_not_scored() -> None:
    text = (
        ";; x\nf 1 A 0.0 1.5 <o,f0,male> hello world\nf 1 unknown 1.5 2 well\n"
        "f 1 inter_segment_gap 2 3 ignore_time_segment_in_scoring\nf 1 A 3 4\nf 1 B 4 5 <O> all <a,b> there\n"
    )

    assert stm.read(text, "a.stm").segments == (
        Segment(0.0, 1.5, "hello world", speaker="A"),
        Segment(1.5, 2.0, "well"),
        Segment(4.0, 5.0, "all <a,b> there", speaker="B"),
    )


@pytest.mark.parametrize(
    ("reader", "text", "told"),
    [
        (rttm.read, "SPEAKER f 1 0.5 1\n", "line 1 is no line of an RTTM"),
        (rttm.read, "SPEAKER f 1 x 1 <NA> <NA> A <NA>\n", "line 1: 'x' is no time"),
        (rttm.read, "SPEAKER f 1 0 1 <NA> <NA> A <NA>\nSPEAKER g 1 0 1 <NA> <NA> A <NA>\n", "2 recordings"),
        (ctm.read, "\nf 1 0.5\n", "line 2: 3 columns"),
        (ctm.read, "f 1 nan 1 word\n", "line 1: 'nan' is no time"),
        (stm.read, "f 1 A 0.5\n", "line 1: 4 columns"),
        (stm.read, "f 1 A 2 1 text\n", "before it begins"),
        (tsv.read, "a\tb\n", "columns start, end, text"),
        (tsv.read, "start\tend\ttext\n1\t2\n", "line 2: 2 columns"),
        (vtt.read, "hello", "WEBVTT"),
        (textgrid.read, "ooTextFile", "TextGrid"),
        (textgrid.read, '"ooTextFile" "TextGrid" 0 1 <exists> 1 "IntervalTier" "a" 0 1 2 0 1 "x" 1', "broken TextGrid"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(reader, text: str, told: str) -> None:
    with pytest.raises(DataError, match=r"file") as caught:
        reader(text, "file")

    assert told in str(caught.value)


SHORT = '''\
File type = "ooTextFile"
Object class = "TextGrid"

0
2.5
<exists>
3
"IntervalTier"
"Anna - words"
0
2.5
4
0
0.5
"say"
0.5
1
"""hi"""
1
1.5
"sil"
1.5
2.5
"字"
"IntervalTier"
"Anna - phones"
0
2.5
1
0
2.5
"s"
"TextTier"
"bell"
0
2.5
1
1.25
"ding"
'''


def test_a_short_textgrid_with_words_phones_and_points() -> None:
    read = textgrid.read(SHORT, "a.TextGrid")

    assert [(s.text, s.speaker) for s in read.segments] == [('say "hi"字', "Anna")]
    assert [(w.start, w.end, w.text) for w in read.words] == [(0.0, 0.5, " say"), (0.5, 1.0, ' "hi"'), (1.5, 2.5, "字")]
    assert read.duration == 2.5
    assert read.verdict.notes == ("tier 'bell' is of points: left out",)


def test_praat_numbers_and_comments() -> None:
    text = (
        '"ooTextFile short" ! a "comment" 3\n"TextGrid" zero 0 2s <exists> 1 tier\n"IntervalTier" "Mary" 0 2 2\n'
        '0 50% "half" 1/2 0x2 "to two"'
    )

    assert [(s.start, s.end, s.text) for s in textgrid.read(text, "a").segments] == [
        (0, 0.5, "half"),
        (0.5, 2, "to two"),
    ]


def test_tiers_that_are_not_words_are_speakers_when_there_are_several() -> None:
    text = (
        '"ooTextFile" "TextGrid" 0 2 <exists> 2 "IntervalTier" "Mary" 0 2 1 0 2 "one" '
        '"IntervalTier" "Bo" 0 2 1 1 2 "two"'
    )

    assert [(s.text, s.speaker) for s in textgrid.read(text, "a").segments] == [("one", "Mary"), ("two", "Bo")]


@pytest.mark.parametrize("name", ["json", "srt", "vtt", "tsv", "ctm", "stm", "textgrid", "verbose_json", "seglst"])
def test_what_we_write_we_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"talk{table.named(name).suffix}"
    path.write_text("".join(table.pieces(name, TALK)), "utf-8")
    read = table.read(path)

    assert "".join(read.text.split()) == "Well,Iknow.字幕です。"
    assert read.segments[0].start == 0.0
    if name not in ("tsv", "ctm", "verbose_json"):
        assert read.speakers == ("SPEAKER_00", "SPEAKER_01")


def test_turns_we_write_we_read(tmp_path: Path) -> None:
    path = tmp_path / "talk.rttm"
    path.write_text("".join(table.pieces("rttm", TALK)), "utf-8")

    assert table.read(path).turns == TALK.turns


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.srt", "WEBVTT\n\n00:01.000 --> 00:02.000\nHi.\n"), ("a.txt", CAPTIONS), ("a", "[]"), ("a.json", "[]")],
)
def test_the_content_wins_over_the_suffix(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, "utf-8")

    assert isinstance(table.read(path), Transcript)


def test_files_that_are_not_there_too_large_or_no_transcripts(tmp_path: Path) -> None:
    with pytest.raises(NoInputError):
        table.read(tmp_path / "none.srt")
    (tmp_path / "a.txt").write_text("Just some words.")
    with pytest.raises(DataError, match="in no format we read"):
        table.read(tmp_path / "a.txt")
    (tmp_path / "a.srt").write_bytes(b"\0\1\2")
    with pytest.raises(DataError, match="no text file"):
        table.read(tmp_path / "a.srt")
    with pytest.raises(DataError, match="larger than"):
        opened.text_of(tmp_path / "a.txt", largest=10)


TIERS = '"ooTextFile" "TextGrid" 0 2 <exists> {n} {tiers}'


@pytest.mark.parametrize(
    ("names", "said", "left"),
    [
        (["utterances", "notes"], ["utterances"], ("tier 'notes' is left out",)),
        (["A - segments", "B - segments", "gloss"], ["A - segments", "B - segments"], ("tier 'gloss' is left out",)),
        (["KAN-MAU", "ORT-MAU", "MAU"], ["ORT-MAU"], ()),
        (["phones", "words", "utterances"], ["words"], ()),
    ],
)
def test_tiers_are_chosen_by_their_names(names: list[str], said: list[str], left: tuple[str, ...]) -> None:
    tiers = " ".join(f'"IntervalTier" "{name}" 0 2 1 0 2 "{name}"' for name in names)
    read = textgrid.read(TIERS.format(n=len(names), tiers=tiers), "a")

    assert [s.text for s in read.segments] == said
    assert read.verdict.notes == left
    assert read.speakers == tuple(name[0] for name in said if " - " in name)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match="is a folder"):
        table.read(tmp_path)
