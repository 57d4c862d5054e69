"""Captions that were aligned: each stays what it was, and every format takes them."""

import csv
import io
import json
from dataclasses import replace
from itertools import pairwise

import jsonschema
import pysrt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechcli.core.transcript import Fit, Mismatch, Segment, Transcript, Verdict, Word, joined
from speechcli.formats import jsondoc, table
from speechcli.formats.script import read_script
from speechcli.timeline.cues import Style
from speechcli.timeline.spread import tokens
from speechcli.timeline.text import clean, label
from speechcli.timeline.units import in_units

KEPT = Style(keep_cues=True)
SRT = """\
1
00:00:01,000 --> 00:00:02,500
[ANNA]: - It cost $3.50.
- Really? 今日は

2
00:00:03,000 --> 00:00:09,500
a line that is as long as no style would have it, for its author wanted it to be
and
a third

"""


def aligned(read: Transcript, start: float = 1.0) -> Transcript:
    """As an aligner leaves it: every token timed, one after the other, some of them interpolated."""
    out, at, n = [], start, 0
    for segment in read.segments:
        words = []
        for token in tokens(segment.text):
            n += 1
            sure = None if n % 5 == 0 else 0.9
            words.append(Word(at, at + 0.25, token, sure, segment.speaker, "aligner" if sure else "interpolated"))
            at = round(at + 0.3, 3)
        row = tuple(words)
        out.append(replace(segment, start=row[0].start, end=row[-1].end, text=joined(row), words=row))
        at += 1.0
    mismatches = (Mismatch(0.2, 0.9, "well", "unwritten"), Mismatch(1.0, 1.25, "-", "unspoken"))
    return replace(
        read, segments=tuple(out), duration=at, verdict=Verdict(guessed=n // 5, fit=Fit(0.8, 0.9, mismatches))
    )


TALK = aligned(read_script(SRT.encode(), "talk.srt").transcript)


def test_unchanged_captions_come_out_as_they_came_in() -> None:
    assert "".join(table.pieces("srt", read_script(SRT.encode(), "a.srt").transcript, KEPT)) == SRT


@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_aligned_captions_keep_their_text_and_lines_and_are_timed_by_their_words(name: str) -> None:
    again = table.parsed(name, "".join(table.pieces(name, TALK, KEPT)), "a")

    assert [(s.text, s.speaker) for s in again.segments] == [(s.text, s.speaker) for s in TALK.segments]
    assert "\n" in again.segments[0].text
    for segment, caption in zip(TALK.segments, again.segments, strict=True):
        assert (caption.start, caption.end) == (segment.words[0].start, segment.words[-1].end)


def test_highlighted_words_keep_the_lines_of_their_caption() -> None:
    items = pysrt.from_string("".join(table.pieces("srt", TALK, replace(KEPT, highlight_words=True))))
    plain = [item.text.replace("<u>", "").replace("</u>", "") for item in items]

    assert list(dict.fromkeys(plain)) == [label(s.speaker) + s.text for s in TALK.segments]
    assert "[ANNA]: - It cost <u>$3.50.</u>\n- Really? 今日は" in [item.text for item in items]
    assert all(a.end <= b.start for a, b in pairwise(items))


def test_every_format_that_is_to_hold_words_or_segments_is_filled() -> None:
    assert {"json", "srt", "vtt", "txt", "tsv", "lrc", "ass", "ctm", "stm", "textgrid", "audacity"} <= set(
        table.fillable(TALK)
    )
    assert {"verbose_json", "seglst"} <= set(table.fillable(TALK))


LINES = {  # the first of each, where a line break would spoil a format of lines
    "txt": "[ANNA]: - It cost $3.50. - Really? 今日は",
    "stm": "talk 1 ANNA 1.000 3.650 - It cost $3.50. - Really? 今日は",
    "audacity": "1.000000\t3.650000\t[ANNA]: - It cost $3.50. - Really? 今日は",
    "lrc": "[00:01.00]ANNA: - It cost $3.50. - Really? 今日は",
    "ctm": "talk 1 1.000 0.250 - 0.900",
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_of_a_format_of_lines_holds_all_lines_of_a_caption(name: str) -> None:
    rows = "".join(table.pieces(name, TALK, KEPT)).splitlines()

    assert rows[0] == LINES[name]
    assert len(rows) == (len(TALK.words) if name == "ctm" else 2)


def test_formats_of_other_kinds_hold_no_line_break_where_none_may_be() -> None:
    rows = list(csv.reader(io.StringIO("".join(table.pieces("tsv", TALK))), delimiter="\t"))
    ass = [row for row in "".join(table.pieces("ass", TALK, KEPT)).splitlines() if row.startswith("Dialogue")]
    verbose = json.loads("".join(table.pieces("verbose_json", TALK)))
    seglst = json.loads("".join(table.pieces("seglst", TALK)))

    assert rows[1] == ["1000", "3650", "- It cost $3.50. - Really? 今日は"]
    assert [row.count("\\N") for row in ass] == [1, 2]
    assert verbose["segments"][0]["text"] == " - It cost $3.50. - Really? 今日は"
    assert [row["word"] for row in verbose["words"]] == [w.text.strip() for w in TALK.words]
    assert seglst[0]["words"] == "- It cost $3.50. - Really? 今日は"


def test_a_textgrid_has_the_words_of_each_speaker_in_a_tier() -> None:
    again = table.parsed("textgrid", "".join(table.pieces("textgrid", TALK)), "a")

    assert {w.text.strip() for w in again.words} == {w.text.strip() for w in TALK.words}
    assert [(w.start, w.end) for w in again.words] == [(w.start, w.end) for w in TALK.words]
    assert again.speakers == ("ANNA",)


def test_json_holds_all_of_it() -> None:
    text = "".join(table.pieces("json", TALK))
    data = json.loads(text)

    assert jsondoc.read(text, "a.json") == TALK
    assert data["quality"]["fit"] == {
        "placed": 0.8,
        "confidence": 0.9,
        "mismatches": [
            {"start": 0.2, "end": 0.9, "text": "well", "kind": "unwritten"},
            {"start": 1.0, "end": 1.25, "text": "-", "kind": "unspoken"},
        ],
    }
    assert data["segments"][0]["words"][3] == {
        "word": "$3.50.", "start": 1.9, "end": 2.15, "score": 0.9, "speaker": "ANNA", "placed": "aligner",
    }  # fmt: skip
    assert data["segments"][0]["words"][4]["interpolated"] is True
    jsonschema.validate(data, jsondoc.schema())


def test_json_without_an_alignment_has_no_fit_and_a_wrong_one_is_refused() -> None:
    assert "fit" not in json.loads("".join(table.pieces("json", replace(TALK, verdict=Verdict()))))["quality"]

    data = json.loads("".join(table.pieces("json", TALK)))
    data["quality"]["fit"]["mismatches"][0]["kind"] = "odd"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, jsondoc.schema())


def test_a_word_put_right_by_hand_keeps_its_line() -> None:
    text = "".join(table.pieces("json", TALK)).replace("\\na third", "\\na fourth")
    segment = jsondoc.read(text, "a.json").segments[1]

    assert [w.text for w in segment.words[-3:]] == ["\nand", "\na", " fourth"]
    assert [w.start for w in segment.words] == [w.start for w in TALK.segments[1].words]


def test_units_are_written_like_words() -> None:
    spelled = in_units(TALK, "character")

    assert "".join(table.pieces("txt", spelled)) == "".join(table.pieces("txt", TALK))
    assert "".join(table.pieces("srt", spelled, KEPT)) == "".join(table.pieces("srt", TALK, KEPT))
    assert "".join(table.pieces("srt", in_units(TALK, "line"), KEPT)) == "".join(table.pieces("srt", TALK, KEPT))
    assert len("".join(table.pieces("ctm", spelled)).splitlines()) == len("".join(TALK.text.split()))


_LINE = st.lists(
    st.sampled_from(["word", "a", "字幕", "it's", "9,5", "...", "Ünïted", "<3", "x>y", "-"]), min_size=1, max_size=9
)
_CAPTION = st.lists(_LINE.map(" ".join), min_size=1, max_size=3).map("\n".join)


@given(st.lists(_CAPTION, min_size=1, max_size=8), st.sampled_from(["srt", "vtt"]), st.booleans())
@settings(max_examples=100, deadline=None)
def test_any_captions_come_back_with_their_lines(captions: list[str], name: str, spoken: bool) -> None:
    segments = tuple(Segment(i * 2.0, i * 2.0 + 1.5, text) for i, text in enumerate(captions))
    talk = Transcript("a.wav", 2.0 * len(captions), segments)
    written = "".join(table.pieces(name, aligned(talk) if spoken else talk, KEPT))
    again = table.parsed(name, written, "a")

    assert [s.text for s in again.segments] == captions
    assert [clean(s.text) for s in again.segments] == [clean(text) for text in captions]
    if not spoken:
        assert [(s.start, s.end) for s in again.segments] == [(s.start, s.end) for s in segments]
    assert "".join(table.pieces(name, again, KEPT)) == written
