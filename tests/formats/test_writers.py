"""What each format looks like, to the letter."""

import pysrt
import pytest
from made_transcripts import EMPTY, NAMELESS, TALK

from speechcli.core.transcript import Segment, Transcript, Turn, Word
from speechcli.formats import ass, srt, table, vtt
from speechcli.timeline.cues import Cue, Style

SRT = """\
1
00:00:00,000 --> 00:00:01,200
[SPEAKER_00]: Well, I know.

2
00:00:01,500 --> 00:00:03,000
[SPEAKER_01]: 字幕です。

"""
VTT = """\
WEBVTT

00:00:00.000 --> 00:00:01.200
<v SPEAKER_00>Well, I know.</v>

00:00:01.500 --> 00:00:03.000
<v SPEAKER_01>字幕です。</v>

"""
JSON = """\
{
"schema": "speechcli/1",
"text": "Well, I know.\\n字幕です。",
"language": "en",
"duration": 5.0,
"segments": [
{"id": 0, "start": 0.0, "end": 1.2, "text": "Well, I know.", "speaker": "SPEAKER_00", "language": "en", \
"avg_logprob": -0.25, "words": [{"word": "Well,", "start": 0.0, "end": 0.4, "score": 0.9}, \
{"word": "I", "start": 0.4, "end": 0.8}, {"word": "know.", "start": 0.9, "end": 1.2, "interpolated": true}]},
{"id": 1, "start": 1.5, "end": 3.0, "text": "字幕です。", "speaker": "SPEAKER_01", "language": "ja", \
"words": [{"word": "字", "start": 1.5, "end": 2.0}, {"word": "幕", "start": 2.0, "end": 2.4, "score": 0.5}, \
{"word": "です。", "start": 2.4, "end": 3.0}]}
],
"word_segments": [
{"word": "Well,", "start": 0.0, "end": 0.4, "score": 0.9},
{"word": "I", "start": 0.4, "end": 0.8},
{"word": "know.", "start": 0.9, "end": 1.2, "interpolated": true},
{"word": "字", "start": 1.5, "end": 2.0},
{"word": "幕", "start": 2.0, "end": 2.4, "score": 0.5},
{"word": "です。", "start": 2.4, "end": 3.0}
],
"turns": [
{"start": 0.0, "end": 1.2, "speaker": "SPEAKER_00"},
{"start": 1.4, "end": 3.1, "speaker": "SPEAKER_01"}
],
"quality": {"status": "ok", "coverage": 0.9, "speech_seconds": 2.4, "gaps": [{"start": 3.0, "end": 4.0}], \
"loops": 0, "guessed_words": 1, "complete": true, "notes": [], \
"dropped": [{"start": 4.0, "end": 4.5, "text": "you", "reason": "silence"}]},
"provenance": {"source": "my talk.mp3", "recording": {"track": "0"}, \
"made_by": [{"stage": "transcribe", "engine": "faster-whisper", "model": "tiny.en", "revision": "1a5afa", \
"settings": {"beam_size": "5"}}]}
}
"""
VERBOSE = """\
{
"task": "transcribe",
"language": "english",
"duration": 5.0,
"text": "Well, I know. 字幕です。",
"segments": [
{"id": 0, "seek": 0, "start": 0.0, "end": 1.2, "text": " Well, I know.", "tokens": [], "temperature": 0.0, \
"avg_logprob": -0.25, "compression_ratio": 0.619, "no_speech_prob": 0.0},
{"id": 1, "seek": 0, "start": 1.5, "end": 3.0, "text": " 字幕です。", "tokens": [], "temperature": 0.0, \
"avg_logprob": 0.0, "compression_ratio": 0.625, "no_speech_prob": 0.0}
],
"words": [
{"word": "Well,", "start": 0.0, "end": 0.4},
{"word": "I", "start": 0.4, "end": 0.8},
{"word": "know.", "start": 0.9, "end": 1.2},
{"word": "字", "start": 1.5, "end": 2.0},
{"word": "幕", "start": 2.0, "end": 2.4},
{"word": "です。", "start": 2.4, "end": 3.0}
],
"usage": {"type": "duration", "seconds": 5}
}
"""
TEXTGRID = """\
File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0 
xmax = 2.000 
tiers? <exists> 
size = 2 
item []: 
    item [1]:
        class = "IntervalTier" 
        name = "segments" 
        xmin = 0 
        xmax = 2.000 
        intervals: size = 2 
        intervals [1]:
            xmin = 0.000 
            xmax = 1.000 
            text = "" 
        intervals [2]:
            xmin = 1.000 
            xmax = 2.000 
            text = "Bye." 
    item [2]:
        class = "IntervalTier" 
        name = "Anna - segments" 
        xmin = 0 
        xmax = 2.000 
        intervals: size = 3 
        intervals [1]:
            xmin = 0.000 
            xmax = 0.500 
            text = "" 
        intervals [2]:
            xmin = 0.500 
            xmax = 1.500 
            text = "The ""word""." 
        intervals [3]:
            xmin = 1.500 
            xmax = 2.000 
            text = "" 
"""  # noqa: W291


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("srt", SRT),
        ("vtt", VTT),
        ("json", JSON),
        ("verbose_json", VERBOSE),
        ("txt", "[SPEAKER_00]: Well, I know.\n[SPEAKER_01]: 字幕です。\n"),
        ("tsv", "start\tend\ttext\n0\t1200\tWell, I know.\n1500\t3000\t字幕です。\n"),
        ("lrc", "[00:00.00]SPEAKER_00: Well, I know.\n[00:01.50]SPEAKER_01: 字幕です。\n"),
        (
            "ctm",
            "my_talk 1 0.000 0.400 Well, 0.900\nmy_talk 1 0.400 0.400 I\nmy_talk 1 0.900 0.300 know.\n"
            "my_talk 1 1.500 0.500 字\nmy_talk 1 2.000 0.400 幕 0.500\nmy_talk 1 2.400 0.600 です。\n",
        ),
        ("stm", "my_talk 1 SPEAKER_00 0.000 1.200 Well, I know.\nmy_talk 1 SPEAKER_01 1.500 3.000 字幕です。\n"),
        (
            "rttm",
            "SPEAKER my_talk 1 0.000 1.200 <NA> <NA> SPEAKER_00 <NA> <NA>\n"
            "SPEAKER my_talk 1 1.400 1.700 <NA> <NA> SPEAKER_01 <NA> <NA>\n",
        ),
        ("audacity", "0.000000\t1.200000\t[SPEAKER_00]: Well, I know.\n1.500000\t3.000000\t[SPEAKER_01]: 字幕です。\n"),
        (
            "seglst",
            '[\n{"session_id": "my_talk", "speaker": "SPEAKER_00", "start_time": 0.0, "end_time": 1.2, '
            '"words": "Well, I know."},\n{"session_id": "my_talk", "speaker": "SPEAKER_01", "start_time": 1.5, '
            '"end_time": 3.0, "words": "字幕です。"}\n]\n',
        ),
    ],
)
def test_a_talk_in_each_format(name: str, text: str) -> None:
    assert "".join(table.pieces(name, TALK)) == text


def test_ass_has_a_style_and_a_line_a_caption() -> None:
    text = "".join(table.pieces("ass", TALK))

    assert text.startswith("[Script Info]\nScriptType: v4.00+\n")
    assert text.endswith(
        "Text\nDialogue: 0,0:00:00.00,0:00:01.20,Default,SPEAKER_00,0,0,0,,[SPEAKER_00]: Well, I know.\n"
        "Dialogue: 0,0:00:01.50,0:00:03.00,Default,SPEAKER_01,0,0,0,,[SPEAKER_01]: 字幕です。\n"
    )


def test_a_textgrid_has_a_tier_a_speaker_and_tiles_the_time() -> None:
    talk = Transcript("a.wav", 2.0, (Segment(0.5, 1.5, 'The "word".', speaker="Anna"), Segment(1.0, 2.0, "Bye.")))

    assert "".join(table.pieces("textgrid", talk)) == TEXTGRID


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, "") for name in ("srt", "txt", "lrc", "ctm", "stm", "rttm", "audacity")),
        ("vtt", "WEBVTT\n\n"),
        ("tsv", "start\tend\ttext\n"),
        ("seglst", "[]\n"),
    ],
)
def test_a_recording_without_speech_is_an_empty_file_or_a_header(name: str, text: str) -> None:
    assert "".join(table.pieces(name, EMPTY)) == text


def test_who_nobody_knows_has_no_name() -> None:
    assert "".join(table.pieces("txt", NAMELESS)) == "Nobody is known.\n"
    assert "<v" not in "".join(table.pieces("vtt", NAMELESS))
    assert "".join(table.pieces("stm", NAMELESS)) == "a 1 unknown 0.000 1.000 Nobody is known.\n"


HIGHLIGHTED = """\
1
00:00:00,000 --> 00:00:00,400
[SPEAKER_00]: <u>Well,</u> I know.

2
00:00:00,400 --> 00:00:00,800
[SPEAKER_00]: Well, <u>I</u> know.

3
00:00:00,800 --> 00:00:00,900
[SPEAKER_00]: Well, I know.

4
00:00:00,900 --> 00:00:01,200
[SPEAKER_00]: Well, I <u>know.</u>

5
00:00:01,500 --> 00:00:02,000
[SPEAKER_01]: <u>字</u>幕です。

6
00:00:02,000 --> 00:00:02,400
[SPEAKER_01]: 字<u>幕</u>です。

7
00:00:02,400 --> 00:00:03,000
[SPEAKER_01]: 字幕<u>です。</u>

"""


def test_highlighting_gives_a_cue_a_word() -> None:
    assert "".join(table.pieces("srt", TALK, Style(highlight_words=True))) == HIGHLIGHTED


def test_highlighted_words_are_escaped_and_their_lines_kept() -> None:
    cue = Cue(0.0, 2.0, ("a<b &", "c"), None, (Word(0, 1, " a<b"), Word(1, 1.5, " &"), Word(1.5, 2, " c")))
    text = "".join(vtt.captions([cue], Style(highlight_words=True)))

    assert [block.split("\n", 1)[1] for block in text.strip().split("\n\n")[1:]] == [
        "<u>a&lt;b</u> &amp;\nc",
        "a&lt;b <u>&amp;</u>\nc",
        "a&lt;b &amp;\n<u>c</u>",
    ]


def test_karaoke_takes_the_time_of_the_cue() -> None:
    text = "".join(table.pieces("ass", TALK, Style(highlight_words=True)))

    assert text.split("\n")[-3].endswith("[SPEAKER_00]: {\\kf40}Well, {\\kf40}I {\\k10}{\\kf30}know.")


def test_times_are_rounded_once_and_carry() -> None:
    cue = Cue(3599.9996, 3661.9999, ("Over the hour.",))

    assert next(srt.captions([cue])) == "1\n01:00:00,000 --> 01:01:02,000\nOver the hour.\n\n"
    assert "1:00:00.00,1:01:02.00" in list(ass.captions([cue]))[1]


def test_rttm_rounds_both_ends_and_not_the_duration() -> None:
    talk = Transcript("a.wav", 9.0, turns=(Turn(0.0004, 1.0008, "A"), Turn(0.5, 0.5, "B")))

    assert [line.split()[3:5] for line in table.pieces("rttm", talk)] == [["0.000", "1.001"], ["0.500", "0.001"]]


def test_rttm_without_turns_comes_from_segments_and_leaves_out_the_unknown() -> None:
    talk = Transcript("a.wav", 3.0, (Segment(0, 1, "Hi.", speaker="A"), Segment(1, 2, "Who?")))

    assert len(list(table.pieces("rttm", talk))) == 1
    assert table.left_out("rttm", talk) == "rttm leaves out 1 of 2 segments: nobody knows who spoke"
    assert table.left_out("rttm", TALK) is None


def test_pysrt_reads_our_srt_and_writes_the_same() -> None:
    items = pysrt.from_string(SRT)

    assert "\n".join(str(item).rstrip("\n") + "\n" for item in items) + "\n" == SRT


def test_labels_can_be_left_out() -> None:
    assert "SPEAKER" not in "".join(table.pieces("srt", TALK, Style(labels=False)))
