"""Texts to align: what is read of each kind of file, and what is refused."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_transcripts import TALK

from speechcli.core.transcript import Segment, Transcript, Verdict, Word
from speechcli.errors import DataError, NoInputError, UsageError
from speechcli.formats import opened, script, table
from speechcli.formats.script import Script, read_script
from speechcli.timeline.spread import tokens

SRT = (
    "1\n00:00:01,000 --> 00:00:02,500\n- <i>Gruß!</i>\n- {\\an8}Ja.\n\n"
    "2\n00:00:03,000 --> 00:00:04,000\n[SPEAKER_01]: Ende\n"
)
CAPTIONS = (Segment(1.0, 2.5, "- Gruß!\n- Ja."), Segment(3.0, 4.0, "Ende", speaker="SPEAKER_01"))
SOUNDS = Path(__file__).parent.parent / "data"


def read(text: str | bytes, name: str = "a.txt", **how: bool | str | None) -> Script:
    return read_script(text if isinstance(text, bytes) else text.encode(), name, **how)  # type: ignore[arg-type]


def test_plain_text_has_no_times() -> None:
    assert read("Hello there.\nGeneral [sighs] Kenobi!\n") == Script(
        Transcript("a.txt", 0.0, (Segment(0, 0, "Hello there."), Segment(0, 0, "General [sighs] Kenobi!"))), False, ()
    )


@pytest.mark.parametrize("name", ["a.text", "a", "stdin", "a.md", "a.normalized.txt", "README.v2"])
def test_what_nothing_says_otherwise_of_is_plain_text(name: str) -> None:
    assert read("Hello: {music}", name).transcript.segments == (Segment(0, 0, "Hello: {music}"),)


@pytest.mark.parametrize("text", ["{music} Hello.", "{\\an8}Hello.", "[music] Hello.", "[[1]] hello"])
def test_braces_and_brackets_make_no_json(text: str) -> None:
    assert read(text).transcript.text == text.removeprefix("{\\an8}")


@pytest.mark.parametrize("name", ["a.srt", "a.txt", "stdin"])
def test_captions_keep_their_lines_times_and_speakers(name: str) -> None:
    done = read(SRT, name)

    assert (done.transcript.segments, done.cues) == (CAPTIONS, True)
    assert done.notes == (f"{name}: tags are no words: 3 left out (<i>, {{\\an8}})",)


@pytest.mark.parametrize("head", ["", "WEBVTT\n\n"], ids=["srt", "vtt"])
def test_captions_stay_in_their_order_and_none_is_lost_whatever_their_times(head: str) -> None:
    times = ["00:00:09.000 --> 00:00:08.000", "01:00:05.000 --> 01:00:06.000", "00:00:01.000 --> 00:00:02.000"]
    cues = [f"{i}\n{time}\nword {i}\n\n" for i, time in enumerate(times, 1)]

    done = read(head + "".join(cues))

    assert [(s.text, s.start) for s in done.transcript.segments] == [("word 1", 9), ("word 2", 3605), ("word 3", 1)]
    assert done.cues


def test_captions_in_the_encoding_of_old_are_guessed_and_the_place_is_told() -> None:
    done = read(SRT.encode("cp1252"), "a.srt")

    assert done.transcript.segments == CAPTIONS
    assert done.notes[0] == "a.srt, line 3, byte 9: not in UTF-8, read as cp1252"


def test_voices_are_speakers_and_not_told_as_tags() -> None:
    done = read("WEBVTT\n\n00:01.000 --> 00:02.000\n<v Anna>Hello.</v>\n", "a.vtt")

    assert done.transcript.segments == (Segment(1.0, 2.0, "Hello.", speaker="Anna"),)
    assert done.notes == ()


def test_lines_of_captions_are_segments_where_lines_are_asked_for() -> None:
    assert [s.text for s in read(SRT, "a.srt", lines=True).transcript.segments] == ["- Gruß!", "- Ja.", "Ende"]


@pytest.mark.parametrize(
    "name", ["json", "srt", "vtt", "tsv", "ctm", "stm", "textgrid", "verbose_json", "seglst", "txt"]
)
def test_what_we_write_we_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"talk{table.named(name).suffix}"
    path.write_text("".join(table.pieces(name, TALK)), "utf-8")
    done = read_script(path, path.name)

    assert "".join(done.transcript.text.split()) == "Well,Iknow.字幕です。"
    assert done.cues == (name in ("srt", "vtt"))
    assert done.transcript.verdict == Verdict()
    if name in ("json", "srt", "vtt", "stm", "textgrid", "txt", "seglst"):
        assert done.transcript.speakers == ("SPEAKER_00", "SPEAKER_01")
    if name == "json":
        assert done.transcript.segments == TALK.segments


def test_a_format_can_be_named_where_the_name_tells_none() -> None:
    text = "f 1 A 0.0 1.5 hello world\n"

    assert read(text, "stdin", format="stm").transcript.segments == (Segment(0.0, 1.5, "hello world", speaker="A"),)
    assert read(text, "stdin").transcript.text == text.strip()
    with pytest.raises(UsageError, match="no format 'docx'"):
        read(text, "stdin", format="docx")


@pytest.mark.parametrize("data", [{"text": "Hello. <b>You</b>."}, {"text": "Hello. You.", "segments": []}])
def test_json_with_a_text_alone_is_read_as_text(data: object) -> None:
    done = read(json.dumps(data), "a.json")

    assert done.transcript == Transcript("a.json", 0.0, (Segment(0, 0, "Hello. You."),))


def test_whisperx_words_and_speakers_come_along() -> None:
    words = [{"word": "In", "start": 0.0, "end": 0.4, "score": 0.7}, {"word": "1999,"}]
    data = {"segments": [{"start": 0.0, "end": 2.0, "text": " In 1999,", "speaker": "S", "words": words}]}

    (segment,) = read(json.dumps(data), "a.json").transcript.segments
    assert segment.words == (Word(0.0, 0.4, " In", 0.7), Word(0.4, 2.0, " 1999,", placed="interpolated"))
    assert segment.speaker == "S"


@pytest.mark.parametrize(
    ("raw", "name", "told"),
    [
        (b"", "a.txt", "a.txt is empty"),
        (b"", "a.vtt", "a.vtt is empty"),
        (b"\xef\xbb\xbf \n\n", "a.srt", "a.srt is empty"),
        (b"<p></p>\n -- ...\n", "a.txt", "a.txt holds no words; a.txt: tags are no words"),
        ("♪ ♪\n".encode(), "a.txt", "a.txt holds no words; give what is spoken"),
        (b"1\n00:00:01,000 --> 00:00:02,000\n...\n", "a.srt", "a.srt holds no words"),
        (b"WEBVTT\n\n00:61.000 --> 00:62.000\nHi.\n", "a.vtt", "a.vtt holds no words; line 3 has no times"),
        (b"ok\nGru\xdf, hello", "a.txt", "a.txt, line 2, byte 4: 0xdf is no UTF-8; save it in UTF-8: iconv"),
        (b"\xef\xbb\xbfab\xe4", "a.txt", "a.txt, line 1, byte 6: 0xe4 is no UTF-8"),
        (b'{"text": "Gru\xdf"}', "a.json", "a.json, line 1, byte 14: 0xdf is no UTF-8"),
        (b"a\n\xe2\x82", "a.txt", "a.txt, line 2, byte 1: 0xe2 is no UTF-8"),
        (b"1\n00:00:01,000 --> 00:00:02,000\n\x81\n", "a.srt", "a.srt, line 3, byte 1: 0x81 is no UTF-8"),
        (b"a\nb\0", "a.txt", "a.txt, line 2, byte 2: a NUL byte"),
        ("no mark".encode("utf-16-le"), "a.txt", "a.txt, line 1, byte 2: a NUL byte"),
        (b'{"segments": [', "a.json", "a.json, line 1: no JSON"),
        (b'{"segments": [', "a.txt", "a.txt, line 1: no JSON"),
        (b'{"a": 1}', "a.json", "a.json is JSON of a kind we do not know"),
        (b'{"segments": []}', "a.json", "a.json holds no words"),
        (b"SPEAKER f 1 0.5 1.25 <NA> <NA> A <NA>\n", "a.txt", "a.txt tells who spoke when, and holds no text"),
        (b"[00:12.00]sung", "a.lrc", "a.lrc: lrc is not read; give json, srt, vtt, txt"),
        (b"<?xml version='1.0'?>\n<!-- x -->\n<tt xmlns='x'><p>a</p></tt>", "a.xml", "a.xml is TTML"),
        (b"{\\rtf1 hello}", "a.txt", "a.txt is a PDF or from a word processor; save it as plain text"),
        (b"PK\x03\x04hello", "a.docx", "a.docx is a PDF or from a word processor"),
        (b"a b\n", "a.stm", "a.stm, line 1: 2 columns"),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(raw: bytes, name: str, told: str) -> None:
    with pytest.raises(DataError) as caught:
        read(raw, name)

    assert str(caught.value).startswith(told)


def test_a_pair_the_wrong_way_round_is_told() -> None:
    with pytest.raises(DataError, match=r"jfk\.flac is a recording, no text; the recording comes first"):
        read_script(SOUNDS / "jfk.flac", "jfk.flac")
    assert not opened.is_sound((SOUNDS / "jfk.txt").read_bytes())


@pytest.mark.parametrize(
    "head",
    [
        b"RIFF\x24\x80\0\0WAVEfmt ", b"ID3\x03\0", b"\xff\xfb\x90\x64", b"\xff\xf1\x50", b"OggS\0\x02",
        b"\x1aE\xdf\xa3", b"\0\0\0\x20ftypM4A ", b"FORM\0\0\x10\x00AIFF", b"#!AMR\n",
    ],
)  # fmt: skip
def test_recordings_are_known_by_their_first_bytes(head: bytes) -> None:
    with pytest.raises(DataError, match="is a recording"):
        read(head + b"x" * 20)


@pytest.mark.parametrize("text", ["RIFF is a format", "ID3 tags", "FORM follows function", "\ufeffHello", "ÿ, said he"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_words_that_begin_like_a_recording_are_words(text: str, encoding: str) -> None:
    assert read(text.encode(encoding)).transcript.text == text.lstrip("\ufeff")


def test_files_that_are_not_there_folders_and_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoInputError, match="is not there"):
        read_script(tmp_path / "none.txt", "none.txt")
    with pytest.raises(NoInputError, match="is a folder"):
        read_script(tmp_path, "folder")
    monkeypatch.setattr(script, "LARGEST", 1 << 20)
    with pytest.raises(DataError, match="larger than 1 MB"):
        read(b"word " * 300_000)


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=9), min_size=1)
)
@settings(max_examples=100, deadline=None)
def test_every_word_of_a_text_comes_back_as_it_was_written(words: list[str]) -> None:
    text = " ".join(["so", *words, "be"])
    done = read(text.replace(" ", "\n", 1)).transcript
    (_, tags) = script.plain.unmarked(text)
    if tags or done.speakers:
        return

    assert " ".join(" ".join("".join(tokens(s.text)).split()) for s in done.segments) == text


def test_three_hundred_thousand_words_take_seconds() -> None:
    text = "".join(f"word{i}{'.' * (i % 9 == 0)}{' ' if i % 12 else chr(10)}" for i in range(300_000))
    started = time.perf_counter()
    done = read(text)

    assert sum(len(s.text.split()) for s in done.transcript.segments) == 300_000
    assert time.perf_counter() - started < 10


def test_reading_does_not_change_what_convert_takes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Just some words.")

    with pytest.raises(DataError, match="in no format we read"):
        table.read(tmp_path / "a.txt")


def test_a_verdict_of_another_making_is_not_kept() -> None:
    noted = replace(TALK, verdict=replace(TALK.verdict, notes=("two loops",)))
    done = read("".join(table.pieces("json", noted)), "a.json")

    assert done.notes == ()
    assert done.transcript.verdict == Verdict()
