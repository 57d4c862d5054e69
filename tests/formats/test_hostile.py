"""Whatever is said, by whomever, whenever: other parsers see our captions, and no others."""

import contextlib
import csv
import io
import json
import re
from collections.abc import Callable
from itertools import pairwise

import pysrt
import pysubs2
import pytest
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st
from made_transcripts import NASTY, rows

from speechcli.core.transcript import Segment, Transcript, Turn
from speechcli.errors import DataError
from speechcli.formats import ass, ctm, rttm, srt, stm, table, textgrid, tsv, vtt
from speechcli.formats.rows import field
from speechcli.timeline.cues import Cue, Style, cues
from speechcli.timeline.text import clean, label

FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff\u2028\u2029]")


def shown(segments: tuple[Segment, ...], style: Style) -> list[Cue]:
    return list(cues(segments, style))


def ink(text: str) -> str:
    return "".join(text.split())


@given(rows())
@settings(max_examples=60, deadline=None)
def test_srt(segments: tuple[Segment, ...]) -> None:
    ours = shown(segments, Style())
    text = "".join(srt.captions(ours))
    theirs = pysrt.from_string(text)

    assert len(theirs) == len(ours) == len(pysubs2.SSAFile.from_string(text, "srt") if text else [])
    assert [item.index for item in theirs] == list(range(1, len(ours) + 1))
    assert all(item.start < item.end for item in theirs)
    assert all(a.end <= b.start for a, b in pairwise(theirs))
    for item, cue, read in zip(theirs, ours, pysubs2.SSAFile.from_string(text, "srt") if text else [], strict=True):
        assert item.text.count("\n") < 2
        assert "-->" not in item.text
        assert "{\\" not in item.text
        said = label(cue.speaker) + " ".join(cue.lines)
        if not set(said) & set("<>{"):
            assert ink(item.text).replace("∶", ":") == ink(said).replace("∶", ":")
        if read.end < pysubs2.time.make_time(h=100):
            assert (read.start, read.end) == (round(cue.start * 1000), round(cue.end * 1000))
        assert ink(read.text.replace("\\N", "")) == ink(item.text.replace("\\N", ""))


@given(rows())
@settings(max_examples=60, deadline=None)
def test_vtt(segments: tuple[Segment, ...]) -> None:
    style = Style(labels=False)
    ours = shown(segments, style)
    text = "".join(vtt.captions(ours, style))
    theirs = list(webvtt.from_buffer(io.StringIO(text)))
    read = vtt.read(text, "a.vtt")

    assert len(theirs) == len(ours) == len(read.segments)
    assert text.count("-->") == len(ours)
    for segment, cue in zip(read.segments, ours, strict=True):
        assert segment.text.split("\n") == list(cue.lines)
        assert segment.speaker == (clean(cue.speaker or "") or None)
        assert (segment.start, segment.end) == (cue.start, cue.end)


@given(rows())
@settings(max_examples=60, deadline=None)
def test_ass(segments: tuple[Segment, ...]) -> None:
    style = Style(labels=False)
    ours = shown(segments, style)
    theirs = pysubs2.SSAFile.from_string("".join(ass.captions(ours, style)))

    assert len(theirs) == len(ours)
    for event, cue in zip(theirs, ours, strict=True):
        assert ink(event.plaintext.replace("\u2060", "").replace("｛", "{").replace("｝", "}")) == ink(
            "".join(cue.lines).replace("\u2060", "").replace("｛", "{").replace("｝", "}")
        )
        assert event.plaintext.count("\n") == len(cue.lines) - 1


@given(rows())
@settings(max_examples=60, deadline=None)
def test_rttm(segments: tuple[Segment, ...]) -> None:
    turns = tuple(Turn(s.start, s.end, s.speaker or "nobody") for s in segments)
    text = "".join(rttm.document(Transcript("a  b\n.wav", 1.0, turns=turns)))
    read = rttm.read(text, "a.rttm")

    assert all(len(line.split(" ")) == 10 and float(line.split()[4]) > 0 for line in text.splitlines())
    assert list(read.turns) == sorted(read.turns, key=lambda t: t.start)
    for speaker in {t.speaker for t in turns}:
        own = [t for t in read.turns if t.speaker == field(speaker, "unknown")]
        assert all(a.end < b.start for a, b in pairwise(own))
        assert all(any(o.start <= t.start and t.end <= o.end for o in own) for t in turns if t.speaker == speaker)


@given(rows())
@settings(max_examples=60, deadline=None)
def test_textgrid(segments: tuple[Segment, ...]) -> None:
    talk = Transcript("a.wav", 1.0, segments)
    text = "".join(textgrid.document(talk))
    read = textgrid.read(text, "a.TextGrid")

    assert len(read.segments) == sum(clean(s.text).lower() not in ("", "sp", "sil", "#") for s in segments)
    assert {s.text for s in read.segments} <= {clean(s.text) for s in segments}
    for tier in text.split("item [")[2:]:
        times = [float(t) for t in re.findall(r"^ {12}xm(?:in|ax) = ([\d.]+) $", tier, re.MULTILINE)]
        assert times[::2][1:] == times[1::2][:-1]
        assert all(a < b for a, b in zip(times[::2], times[1::2], strict=True))


@given(rows())
@settings(max_examples=60, deadline=None)
def test_tsv_and_stm(segments: tuple[Segment, ...]) -> None:
    said = [clean(s.text) for s in segments if clean(s.text)]
    table_text = "".join(tsv.lines(segments))
    stm_text = "".join(stm.document(Transcript("a.wav", 1.0, segments)))

    assert [row[2] for row in csv.reader(io.StringIO(table_text), delimiter="\t")][1:] == said
    assert [s.text for s in tsv.read(table_text, "a.tsv").segments] == said or len(set(said)) > 1
    assert len(stm_text.splitlines()) == len(said)
    assert all(len(line.split(" ", 5)) == 6 for line in stm_text.splitlines())
    assert len(stm.read(stm_text, "a.stm").segments) >= len(said) - sum(t.startswith("<") for t in said)


@given(rows())
@settings(max_examples=20, deadline=None)
@pytest.mark.parametrize("name", [name for name in table.FORMATS if name != "ctm"])
def test_no_format_lets_a_control_character_through(name: str, segments: tuple[Segment, ...]) -> None:
    talk = Transcript("a\x1b.wav", 1.0, segments, tuple(Turn(s.start, s.end, s.speaker or "x") for s in segments))
    text = "".join(table.pieces(name, talk))

    text.encode()
    if name in ("json", "verbose_json", "seglst"):
        json.loads(text, parse_constant=pytest.fail)
    else:
        assert not FORBIDDEN.search(text)


@given(st.lists(NASTY, max_size=5), st.sampled_from(["srt", "vtt", "lrc", "ass", "txt", "tsv"]))
@settings(max_examples=60, deadline=None)
def test_a_stream_has_the_bytes_of_the_whole(texts: list[str], name: str) -> None:
    segments = tuple(Segment(i, i + 0.5, text, speaker="A") for i, text in enumerate(texts))
    talk = Transcript("a.wav", 5.2, segments)

    assert list(table.stream(name, iter(segments), duration=lambda: 5.2)) == list(table.pieces(name, talk))


@given(st.text(max_size=300))
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("reader", [srt.read, vtt.read, rttm.read, ctm.read, stm.read, tsv.read, textgrid.read])
def test_readers_read_or_refuse(reader: Callable[[str, str], Transcript], text: str) -> None:
    for content in (
        text,
        f"WEBVTT\n\n00:00.000 --> 00:01.000\n{text}",
        f'"ooTextFile" "TextGrid" 0 1 <exists> 1 {text}',
    ):
        with contextlib.suppress(DataError):
            assert isinstance(reader(content, "file"), Transcript)
