"""Corrections in a page, and what is saved from it: its scripts in a real Chromium, against Python's own writers."""

from __future__ import annotations

import io
import itertools
import json
import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pysrt
import pytest
import webvtt
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_transcripts import NASTY, TALK, TRANSCRIPTS, rows
from spoken import RATE, made

import speechcli
from speechcli.core.span import to_ms
from speechcli.core.transcript import Segment, Transcript, Turn, Verdict, Word, joined
from speechcli.formats import jsondoc, table
from speechcli.formats.html.captions import captions
from speechcli.formats.html.shell import asset
from speechcli.timeline import text as text_of_python
from speechcli.timeline.attribution import attributed
from speechcli.timeline.breaks import Limits, atoms, costs, wrapped
from speechcli.timeline.cues import Style
from speechcli.timeline.turns import in_order, renamed

pytest_plugins = ["chromium"]

SCHEMA = jsonschema.Draft202012Validator(jsondoc.schema())
NEWER = (*range(0x2630, 0x2638), *range(0x268A, 0x2690), *range(0x4DC0, 0x4E00), *range(0x1D300, 0x1D380))
"""Wide from Unicode 16 on, narrow before; Python goes from 14 to 17."""

CORRECTED = """([text, cues, edits]) => {
  const doc = JSON.parse(text);
  const past = edit.history(doc);
  const docs = [];
  for (const [name, ...args] of edits) {
    past.push(edit[name](past.now(), ...args));
    docs.push(JSON.stringify(past.now()));
  }
  const now = past.now();
  const out = {
    docs, json: save.toJson(now), srt: save.toSrt(now, cues), vtt: save.toVtt(now, cues), edited: past.edited(),
  };
  while (past.canUndo()) past.undo();
  out.back = past.now() === doc && save.toJson(doc);
  while (past.canRedo()) past.redo();
  out.again = past.now() === now;
  return out;
}"""


@pytest.fixture(scope="module")
def call(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Runs JavaScript in a page that has our scripts."""
    page = chromium.new_page()
    for name in ("writing", "edit", "captions", "save"):
        page.add_script_tag(content=asset(f"{name}.js"))
    yield page.evaluate
    page.close()


@pytest.fixture(scope="module")
def corrected(call: Callable[..., Any]) -> Callable[..., Any]:
    """What the page makes of a transcript by corrections: [name of a function, its arguments after the document]."""

    def run(transcript: Transcript, *edits: list[Any], style: Style = Style()) -> dict[str, Any]:
        text = written(transcript)
        out: dict[str, Any] = call(CORRECTED, [text, captions(transcript, style), edits])
        assert out["back"] == text
        assert out["again"]
        return out

    return run


@pytest.fixture(scope="module")
def heard() -> Transcript:
    """Three real clips, by two real voices, as Whisper heard them."""
    recording = made(("LJ001-0002", "jfk", "LJ001-0005"), (0.3, 1.0, 0.8))
    found = speechcli.transcribe((recording.audio.samples, RATE), model="embedded")
    names = ("SPEAKER_00", "SPEAKER_01", "SPEAKER_00")
    turns = [Turn(span.start, span.end, name) for span, name in zip(recording.spans, names, strict=True)]
    transcript = attributed(found, turns)
    assert len(transcript.speakers) == 2
    assert len(transcript.words) > 30
    return transcript


def written(transcript: Transcript) -> str:
    return "".join(jsondoc.document(transcript))


def subtitles(name: str, transcript: Transcript, style: Style = Style()) -> str:
    return "".join(table.stream(name, transcript.segments, style, lambda: transcript.duration))


def read(text: str) -> Transcript:
    """A saved document, which must be what Python writes of what it has read in it."""
    SCHEMA.validate(json.loads(text))
    transcript = jsondoc.read(text, "saved.json")
    assert written(transcript) == text
    return transcript


def spread(texts: str, start: float, end: float, **more: Any) -> Segment:
    """A segment whose words, given with blanks before them, share its time."""
    found = re.findall(r"\s*\S+", texts)
    marks = [to_ms(start) + (to_ms(end) - to_ms(start)) * i // len(found) for i in range(len(found) + 1)]
    words = tuple(
        Word(a / 1000, b / 1000, text, 0.5, more.get("speaker"))
        for text, (a, b) in zip(found, itertools.pairwise(marks), strict=True)
    )
    return Segment(start, end, joined(words), words, **more)


def told_of(word: Word) -> str:
    return f"{word.text.strip()} {word.start:g}-{word.end:g}{' ?' if word.placed == 'interpolated' else ''}"


def lines_of(words: tuple[Word, ...]) -> list[tuple[Any, ...]]:
    return [(w.text.strip(), w.start, w.end, w.confidence, w.speaker, w.placed) for w in words]


# ---- what was not corrected

STYLES = st.sampled_from(
    [
        Style(),
        Style(max_line_width=17, max_line_count=1),
        Style(labels=False),
        Style(keep_cues=True),
        Style(max_words_per_line=2, highlight_words=True),
    ]
)


@given(TRANSCRIPTS | st.builds(lambda segments: Transcript("a.wav", 5.0, segments), rows()), STYLES)
@settings(max_examples=150, deadline=None)
def test_uncorrected_it_saves_what_python_writes(corrected: Callable[..., Any], talk: Transcript, style: Style) -> None:
    out = corrected(talk, style=style)

    plain = replace(style, highlight_words=False)
    assert out["json"] == written(talk)
    assert out["srt"] == subtitles("srt", talk, plain)
    assert out["vtt"] == subtitles("vtt", talk, plain)
    assert not out["edited"]


def test_a_real_recording_uncorrected_is_saved_as_python_writes_it(
    corrected: Callable[..., Any], heard: Transcript
) -> None:
    out = corrected(heard)

    assert out["json"] == written(heard)
    assert out["srt"] == subtitles("srt", heard)
    assert out["vtt"] == subtitles("vtt", heard)
    assert out["srt"].count("[SPEAKER_0") > 2


@pytest.mark.parametrize(
    "number",
    [1e-05, 1.5e-07, 0.0001, 5e-324, 1 / 3, 1.0, -0.0, 100.0, 1e15, 1e16, 123456789012345680.0, 1e22, -2.5e300],
)
def test_numbers_are_written_as_python_writes_them(corrected: Callable[..., Any], number: float) -> None:
    talk = Transcript("a.wav", 1.0, (Segment(0, 1, "x", avg_logprob=number),))

    assert f'"avg_logprob": {number!r}}}' in corrected(talk)["json"]


def test_characters_are_what_they_are_in_python(call: Callable[..., Any]) -> None:
    told = call("""() => {
      let out = '';
      for (let code = 0; code < 0x32000; code++) {
        const c = code >= 0xd800 && code < 0xe000 ? ' ' : String.fromCodePoint(code);
        out += writing.width(c) + (writing.strip(c) === '' ? 4 : 0) + (writing.breakable('x', c) ? 8 : 0);
        out += ' ';
      }
      return out;
    }""").split()

    wrong = []
    for c in map(chr, range(0x32000)):
        category = unicodedata.category(c)
        expected = text_of_python.width(c) + 4 * c.isspace() + 8 * text_of_python.breakable("x", c)
        marks = category in ("Mn", "Mc") and c > "\u1000"  # some change from version to version of Unicode
        if category not in ("Cn", "Cs", "Co") and not marks and ord(c) not in NEWER and int(told[ord(c)]) != expected:
            wrong.append(hex(ord(c)))
    assert wrong == []


@given(st.text(st.characters(exclude_categories=["Cn", "Cs", "Co", "Mn", "Mc"]), max_size=40))
@settings(max_examples=150, deadline=None)
def test_text_is_cleaned_and_cut_as_in_python(call: Callable[..., Any], text: str) -> None:
    text = text.encode("utf-8", "replace").decode()  # a page holds no half characters
    cleaned, parts = call("(text) => [writing.clean(text), writing.clean(text).split(' ').map(writing.pieces)]", text)

    assert cleaned == text_of_python.clean(text)
    assert parts == [text_of_python.pieces(token) for token in cleaned.split(" ")]


# ---- another text

TIMES = "one two three four"  # of four seconds each


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one too three four", "one 0-1 .5|too 1-2|three 2-3 .5|four 3-4 .5"),
        ("One two, three four!", "One 0-1 .5|two, 1-2 .5|three 2-3 .5|four! 3-4 .5"),
        ("one three four", "one 0-1 .5|three 2-3 .5|four 3-4 .5"),
        ("onetwo three four", "onetwo 0-2|three 2-3 .5|four 3-4 .5"),
        ("one tee wo three four", "one 0-1 .5|tee 1-1.571 ?|wo 1.571-2 ?|three 2-3 .5|four 3-4 .5"),
        ("one two three and four", "one 0-1 .5|two 1-2 .5|three 2-3 .5|and 3-3 ?|four 3-4 .5"),
        ("five six", "five 0-2.222 ?|six 2.222-4 ?"),
        ("one  two\tthree\u2028four ", "one 0-1 .5|two 1-2 .5|three 2-3 .5|four 3-4 .5"),
        ("four one two three", "four 0-0 ?|one 0-1 .5|two 1-2 .5|three 2-3 .5"),
    ],
)
def test_words_that_stay_keep_their_times(corrected: Callable[..., Any], text: str, expected: str) -> None:
    talk = Transcript("a.wav", 4.0, (spread(f" {TIMES}", 0, 4),))

    segment = read(corrected(talk, ["retext", 0, text])["json"]).segments[0]

    told = [f"{told_of(w)} .5" if w.confidence else told_of(w) for w in segment.words]
    assert "|".join(told) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("北京|大学|好", "北京大雪好", "北京 0-1|大学>大雪 1-2|好 2-3"),
        ("北京|大学|好", "北京大学很好", "北京 0-1|大学 1-2|很 2-2 ?|好 2-3"),
        ("今|日|は", "明日は", "今>明 0-1|日 1-2|は 2-3"),
        ("كيف| حالك| اليوم", "كيف حالكم اليوم", "كيف 0-1|حالك>حالكم 1-2|اليوم 2-3"),
        ("can|'t| go", "I can't go", "I 0-0 ?|can 0-1|'t 1-2|go 2-3"),
        ("can|'t| go", "cannot go", "can't>cannot 0-2|go 2-3"),
        ("So| The| the| cat", "So the mouse", "So 0-1|the 2-3|cat>mouse 3-4"),
        ("New York| is", "New York was", "New York 0-1|is>was 1-2"),
    ],
)
def test_words_of_every_kind_stay(corrected: Callable[..., Any], before: str, after: str, expected: str) -> None:
    """before: the words between bars. expected: what stood there before ">", where that was something else."""
    words = tuple(Word(i, i + 1, text, 0.5) for i, text in enumerate(before.split("|")))
    talk = Transcript("a.wav", float(len(words)), (Segment(0, len(words), joined(words), words),))

    segment = read(corrected(talk, ["retext", 0, after])["json"]).segments[0]

    wanted = [row.split(">")[-1] for row in expected.split("|")]
    assert segment.text == after
    assert [told_of(w) for w in segment.words] == wanted
    kept = {w.text.strip() for w in words}
    assert all((w.confidence is not None) == (w.text.strip() in kept) for w in segment.words)


def test_far_apart_in_a_long_text_only_what_was_corrected_is_new(corrected: Callable[..., Any]) -> None:
    luck = random.Random(4)
    texts = [f" {luck.choice('ab')}{luck.randrange(900)}" for _ in range(2600)]
    talk = Transcript("a.wav", 2600.0, (spread("".join(texts), 0, 2600),))
    texts[3] = " first"
    texts[2500:2502] = [" last"]

    words = read(corrected(talk, ["retext", 0, "".join(texts).strip()])["json"]).words

    old = talk.words
    assert words[:3] + words[4:2500] + words[2501:] == old[:3] + old[4:2500] + old[2502:]
    assert (words[3].start, words[3].end, words[2500].start, words[2500].end) == (3, 4, 2500, 2502)


def test_the_same_text_changes_nothing(corrected: Callable[..., Any], heard: Transcript) -> None:
    edits = [["retext", i, f" {segment.text}\n"] for i, segment in enumerate(heard.segments)]
    edits += [["reassign", 0, f" {heard.segments[0].speaker} "], ["renameSpeaker", "SPEAKER_00", "SPEAKER_00 "]]

    assert not corrected(heard, *edits)["edited"]


def test_new_words_are_guesses_and_counted(corrected: Callable[..., Any]) -> None:
    words = (Word(0, 1, " a", 0.5), Word(1, 2, " b", placed="interpolated"), Word(2, 3, " c", 0.5, placed="aligner"))
    talk = Transcript("a.wav", 3.0, (Segment(0, 3, "a b c", words, avg_logprob=-0.5),), verdict=Verdict(guessed=1))

    more = read(corrected(talk, ["retext", 0, "a b and so c"])["json"])
    fewer = read(corrected(talk, ["retext", 0, "a c"])["json"])
    other = read(corrected(talk, ["retext", 0, "a b d"])["json"])

    assert (more.verdict.guessed, fewer.verdict.guessed, other.verdict.guessed) == (3, 0, 1)
    assert more.segments[0].avg_logprob is None
    assert [w.placed for w in other.words] == ["model", "interpolated", "aligner"]
    assert other.words[2] == Word(2, 3, " d", None, None, "aligner")


def test_a_text_of_no_words_just_changes(corrected: Callable[..., Any]) -> None:
    talk = Transcript("a.srt", 9.0, (Segment(1, 2, "Two\nlines", speaker="Zoë"), Segment(2, 3, "More.")))

    saved = read(corrected(talk, ["retext", 0, "Two other\n lines "])["json"])

    assert saved.segments[0] == Segment(1, 2, "Two other\nlines", speaker="Zoë")
    assert saved.segments[1] == talk.segments[1]


def test_a_word_between_two_that_overlap_has_no_time(corrected: Callable[..., Any]) -> None:
    words = (Word(0, 2, " a"), Word(1, 3, " b"))
    talk = Transcript("a.wav", 3.0, (Segment(0, 3, "a b", words),))

    saved = read(corrected(talk, ["retext", 0, "a x b"])["json"])

    assert [told_of(w) for w in saved.words] == ["a 0-2", "x 1-1 ?", "b 1-3"]


def test_half_a_character_is_replaced(call: Callable[..., Any]) -> None:
    found = call("(text) => save.toJson(edit.retext(JSON.parse(text), 0, 'x\\ud800 y\\u0007z'))", written(TALK))

    assert read(found).segments[0].text == "x\ufffd yz"


def test_what_is_undone_is_gone_with_the_next_correction(call: Callable[..., Any]) -> None:
    found = call(
        """(text) => {
          const past = edit.history(JSON.parse(text));
          const say = (words) => past.push(edit.retext(past.now(), 0, words));
          const now = () => past.now().segments[0].text;
          const out = [past.undo() === past.now(), say('one'), say('one'), say('two'), past.canRedo()];
          past.undo();
          out.push(now(), past.canRedo(), say('three'), past.canRedo(), past.redo() === past.now(), now());
          past.undo();
          out.push(now());
          return out;
        }""",
        written(TALK),
    )

    assert found == [True, True, False, True, False, "one", True, True, False, True, "three", "one"]


def test_an_emptied_segment_goes_when_saved_and_is_told(corrected: Callable[..., Any]) -> None:
    out = corrected(TALK, ["retext", 0, "  "], ["renameSpeaker", "SPEAKER_01", "Aiko"])
    saved = read(out["json"])

    assert [s.text for s in saved.segments] == ["字幕です。"]
    assert saved.verdict.dropped[-1].text == "Well, I know."
    assert saved.verdict.dropped[-1].reason == "taken out by hand"
    assert saved.verdict.guessed == 0
    assert json.loads(out["docs"][-1])["segments"][0]["text"] == ""
    assert [item.text for item in pysrt.from_string(out["srt"])] == ["[Aiko]: 字幕です。"]

    filled = corrected(TALK, ["retext", 0, ""], ["retext", 0, "No idea."])
    assert [w.text for w in read(filled["json"]).segments[0].words] == [" No", " idea."]
    assert read(filled["json"]).verdict.dropped == TALK.verdict.dropped
    assert pysrt.from_string(filled["srt"])[0].text == "[SPEAKER_00]: No idea."


def test_what_was_done_by_hand_is_told_once(corrected: Callable[..., Any]) -> None:
    saved = read(corrected(TALK, ["retext", 0, "Well."], ["renameSpeaker", "SPEAKER_00", "Eve"])["json"])
    more = read(corrected(saved, ["retext", 0, "Hm."])["json"])

    assert [(s.stage, s.engine) for s in saved.made_by] == [("transcribe", "faster-whisper"), ("edit", "speechcli")]
    assert more.made_by == saved.made_by


# ---- speakers


def conversation() -> Transcript:
    """A, B, A and C, who talks while A does."""
    return Transcript(
        "talk.wav",
        20.0,
        (
            spread(" Good morning, how are you?", 1, 3, speaker="A"),
            spread(" Fine.", 3.2, 4, speaker="B"),
            spread(" And so on and on.", 4.5, 7, speaker="A"),
            Segment(5, 6, "Oh!", speaker="C"),
        ),
        (Turn(0.9, 3.1, "A"), Turn(3.1, 4.2, "B"), Turn(4.4, 7.2, "A"), Turn(4.9, 6.1, "C")),
    )


def test_a_speaker_is_renamed_everywhere(corrected: Callable[..., Any]) -> None:
    out = corrected(conversation(), ["renameSpeaker", "A", "  Ann\u0007 <b>[x]\n"])
    saved = read(out["json"])

    name = "Ann <b>[x]"
    assert saved.speakers == (name, "B", "C")
    assert {w.speaker for s in saved.segments if s.speaker == name for w in s.words} == {name}
    assert saved.turns == renamed(conversation().turns, {"A": name})
    assert pysrt.from_string(out["srt"])[0].text == "[Ann ‹b>(x)]: Good morning, how are you?"
    assert next(iter(webvtt.from_buffer(io.StringIO(out["vtt"])))).voice == "Ann &lt;b&gt;[x]"
    assert json.loads(out["docs"][0])["word_segments"][0]["speaker"] == name
    assert '"speaker": "A"' not in out["docs"][0]


def test_two_speakers_become_one(corrected: Callable[..., Any]) -> None:
    talk = conversation()
    assert written(talk).count('"overlapped"') == 3 + 2  # words twice, a segment

    saved = read(corrected(talk, ["renameSpeaker", "C", "A"])["json"])

    assert saved.speakers == ("A", "B")
    assert saved.turns == (Turn(0.9, 3.1, "A"), Turn(3.1, 4.2, "B"), Turn(4.4, 7.2, "A"))
    assert "overlapped" not in written(saved)


def test_a_segment_is_given_to_somebody_else(corrected: Callable[..., Any]) -> None:
    saved = read(corrected(conversation(), ["reassign", 1, "A"])["json"])

    assert [s.speaker for s in saved.segments] == ["A", "A", "A", "C"]
    assert saved.words[5].speaker == "A"
    assert saved.turns == (Turn(0.9, 4.2, "A"), Turn(4.4, 7.2, "A"), Turn(4.9, 6.1, "C"))

    nobody = read(corrected(conversation(), ["reassign", 1, None])["json"])
    assert [nobody.segments[1].speaker, nobody.words[5].speaker] == [None, None]
    assert "B" not in {turn.speaker for turn in nobody.turns}

    newcomer = read(corrected(conversation(), ["reassign", 2, "D"])["json"])
    assert newcomer.turns[-2:] == (Turn(4.4, 7.2, "D"), Turn(4.9, 6.1, "C"))


def test_nobodys_segment_becomes_a_turn(corrected: Callable[..., Any]) -> None:
    talk = replace(conversation(), segments=(*conversation().segments, spread(" Bye.", 9, 10)))

    saved = read(corrected(talk, ["reassign", 4, "B"])["json"])

    assert saved.turns == (*talk.turns, Turn(9.0, 10.0, "B"))
    assert saved.words[-1].speaker == "B"


def test_part_of_a_turn_goes_with_its_segment(corrected: Callable[..., Any]) -> None:
    talk = Transcript(
        "a.wav",
        9.0,
        (spread(" One.", 1, 2, speaker="A"), spread(" Two.", 3, 4, speaker="A")),
        (Turn(0.8, 4.3, "A"),),
    )

    saved = read(corrected(talk, ["reassign", 1, "B"])["json"])

    assert saved.turns == (Turn(0.8, 3.0, "A"), Turn(3.0, 4.3, "B"))


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        (["renameSpeaker", "A", " \n"], "A speaker needs a name."),
        (["reassign", 9, "B"], "There is no segment 9."),
        (["retext", -1, "x"], "There is no segment -1."),
    ],
)
def test_it_refuses(call: Callable[..., Any], edits: list[Any], message: str) -> None:
    found = call(
        """([text, [name, ...args]]) => {
          try { edit[name](JSON.parse(text), ...args); } catch (e) { return e.message; }
        }""",
        [written(conversation()), edits],
    )

    assert found == message


# ---- captions


def captioned(text: str) -> list[tuple[int, int, str]]:
    return [(item.start.ordinal, item.end.ordinal, item.text) for item in pysrt.from_string(text)]


def test_only_captions_that_were_corrected_change(corrected: Callable[..., Any], heard: Transcript) -> None:
    segment = heard.segments[1]
    before = captioned(subtitles("srt", heard))
    last = segment.words[-1].text.strip()

    after = captioned(corrected(heard, ["retext", 1, segment.text.removesuffix(last) + "indeed."])["srt"])

    assert [(a, b) for a, b, _ in after] == [(a, b) for a, b, _ in before]
    changed = [(x[2], y[2]) for x, y in zip(before, after, strict=True) if x != y]
    assert [now.split() for _, now in changed] == [was.replace(last, "indeed.").split() for was, _ in changed]
    assert len(changed) == 1


def test_words_go_to_the_caption_of_their_time(corrected: Callable[..., Any]) -> None:
    said = " The quick brown fox jumps over the lazy dog, and then it sleeps in the warm sun until the evening comes."
    talk = Transcript(
        "a.wav", 20.0, (spread(said + " Then it goes home, slowly and with a heavy heart, to eat.", 0, 15),)
    )
    before = captioned(subtitles("srt", talk))
    assert len(before) > 2

    after = captioned(corrected(talk, ["retext", 0, talk.text.replace("lazy", "extraordinarily indolent")])["srt"])

    assert [(a, b) for a, b, _ in after] == [(a, b) for a, b, _ in before]
    assert " ".join(" ".join(t.split()) for _, _, t in after) == talk.text.replace("lazy", "extraordinarily indolent")
    assert all(len(line) <= 42 for _, _, t in after for line in t.split("\n"))
    assert [t for _, _, t in after[1:]] == [t for _, _, t in before[1:]]


@given(
    st.lists(
        st.sampled_from("a to and, well. Donaudampfschiff 字幕 です。 כן said (so however, Mr. I".split()),
        min_size=1,
        max_size=14,
    )
)
@settings(max_examples=100, deadline=None)
def test_lines_are_broken_as_python_breaks_them(corrected: Callable[..., Any], tokens: list[str]) -> None:
    style = Style(max_line_width=24)
    spoken = (Word(0, 2, " x", speaker="Al"), Word(2.4, 5, " y", speaker="Al"))  # a pause, where a line may well end
    talk = Transcript("a.wav", 6.0, (Segment(0, 5, "x y", spoken, "Al"),))
    half = len(tokens) // 2

    out = corrected(talk, ["retext", 0, " ".join([*tokens[:half], "x", "y", *tokens[half:]])], style=style)

    limits = Limits(24 - len("[Al]: "), 24, 2, 24, 7.0)
    row = atoms(read(out["json"]).segments, limits.first)
    expected = "\n".join(wrapped(row, costs(row), limits))
    if expected.count("\n") < 2:
        assert [t for _, _, t in captioned(out["srt"])] == ["[Al]: " + expected]
    else:
        shown = captioned(out["srt"])
        assert all(t.count("\n") < 2 for _, _, t in shown)
        assert "".join("".join(t.removeprefix("[Al]: ").split()) for _, _, t in shown) == "".join(expected.split())
        assert all(a[1] == b[0] for a, b in itertools.pairwise(shown))
        assert (shown[0][0], shown[-1][1]) == captioned(subtitles("srt", talk, style))[0][:2]


def test_a_name_makes_no_arrow() -> None:
    text = subtitles("vtt", Transcript("a.wav", 5.0, (spread(" Hm.", 0, 1, speaker="--"),)))

    assert text.count("-->") == 1
    assert table.parsed("vtt", text, "a.vtt").segments[0].speaker == "--"
    assert [cue.text for cue in webvtt.from_buffer(io.StringIO(text))] == ["Hm."]


def test_a_caption_of_two_speakers_is_two(corrected: Callable[..., Any]) -> None:
    talk = Transcript(
        "a.wav", 5.0, (spread(" Are you", 0, 1, speaker="A"), spread(" there? Yes.", 1, 2.5, speaker="A"))
    )
    assert len(captioned(subtitles("srt", talk))) == 1

    out = corrected(talk, ["reassign", 1, "B"])

    assert [(a, t) for a, _, t in captioned(out["srt"])] == [(0, "[A]: Are you"), (1000, "[B]: there? Yes.")]
    assert [cue.voice for cue in webvtt.from_buffer(io.StringIO(out["vtt"]))] == ["A", "B"]


def test_a_longer_name_has_its_lines_broken_again(corrected: Callable[..., Any]) -> None:
    english = spread(" One two three four five six seven eight nine ten.", 0, 3, speaker="A")
    japanese = spread(" 今日は天気がとてもいいですから散歩に行きましょう。", 4, 7, speaker="A")
    talk = Transcript("a.wav", 9.0, (english, japanese))
    assert [t for _, _, t in captioned(subtitles("srt", talk))] == [
        "[A]: One two three four five\nsix seven eight nine ten.",
        "[A]: 今日は天気がとてもいいですから散歩に\n行きましょう。",
    ]

    out = corrected(talk, ["renameSpeaker", "A", "Dr. Elizabeth Smith"])

    assert [t for _, _, t in captioned(out["srt"])] == [
        "[Dr. Elizabeth Smith]: One two three\nfour five six seven eight nine ten.",
        "[Dr. Elizabeth Smith]: 今日は天気がと\nてもいいですから散歩に行きましょう。",
    ]
    assert "One two three four five six seven eight nine ten." in out["vtt"].replace("\n", " ")


def test_lines_of_a_caption_file_stay_somebodys_work(corrected: Callable[..., Any]) -> None:
    talk = Transcript("a.srt", 9.0, (Segment(1, 3, "Two\nlines", speaker="Zoë"), Segment(4, 5, "")))

    out = corrected(talk, ["retext", 0, "Two\nother lines"], ["retext", 1, "Here at last"])

    assert [t for _, _, t in captioned(out["srt"])] == ["[Zoë]: Two\nother lines", "Here at last"]
    assert captioned(out["srt"])[1][:2] == (4000, 5000)


@given(st.lists(st.tuples(st.integers(0, 3), NASTY), min_size=1, max_size=4), NASTY)
@example([(0, "-->")], "--")
@settings(max_examples=80, deadline=None)
def test_hostile_text_stays_text(corrected: Callable[..., Any], typed: list[tuple[int, str]], name: str) -> None:
    edits: list[list[Any]] = [["retext", i, text.replace("\ud800", "\ufffd")] for i, text in typed]
    if text_of_python.clean(name):
        edits.append(["renameSpeaker", "A", name.replace("\ud800", "\ufffd")])
    out = corrected(conversation(), *edits)
    saved = read(out["json"])
    srt, vtt = captioned(out["srt"]), list(webvtt.from_buffer(io.StringIO(out["vtt"])))

    assert len(srt) == out["srt"].count("-->")
    assert len(vtt) == out["vtt"].count("-->") == len(table.parsed("vtt", out["vtt"], "a.vtt").segments)
    assert "".join("".join(s.text.split()) for s in table.parsed("vtt", out["vtt"], "a.vtt").segments) == "".join(
        "".join(text_of_python.clean(s.text).split()) for s in sorted(saved.segments, key=lambda s: s.start)
    )
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\u2028\u2029]|\{\\|<script", out["srt"])
    assert all(a[1] <= b[0] and a[0] < a[1] for a, b in itertools.pairwise(srt))


# ---- anything at all

VOCABULARY = {
    "en": "the a quick brown fox, jumps. over lazy dog don't New-York 42 well… it".split(),
    "zh": [*"今天气很好我们去公散步", "园，", "吧。", "北京", "大学"],
    "ar": "كيف حالك اليوم؟ أنا بخير، شكرا هل كتاب مدرسة بيت، قلم شمس قمر".split(),
}


def chatter(luck: random.Random, language: str) -> Transcript:
    """A talk of several speakers; words touch, or leave pauses."""
    segments, turns, at = [], [], luck.randrange(2000)
    blank = "" if language == "zh" else " "
    for _ in range(luck.randint(1, 5)):
        speaker, words, start = luck.choice("ABC"), [], at
        for i, said in enumerate(luck.sample(VOCABULARY[language], luck.randint(1, 12))):
            end = at + luck.randrange(600)
            text = (blank if i or luck.random() < 0.9 else "") + said
            score = luck.choice([None, round(luck.random(), 4)])
            words.append(Word(at / 1000, end / 1000, text, score, speaker, luck.choice(["model", "interpolated"])))
            at = end + luck.choice([0, 0, luck.randrange(900)])
        end = at + luck.randrange(300)
        segments.append(Segment(start / 1000, end / 1000, joined(tuple(words)), tuple(words), speaker, language))
        turns.append(Turn(max(0, start - luck.randrange(300)) / 1000, (end + luck.randrange(500)) / 1000, speaker))
        at = end + luck.choice([0, luck.randrange(2000)])
    for _ in range(luck.choice([0, 0, 5])):  # somebody who is heard all the time, and never understood
        start = luck.randrange(at)
        turns.append(Turn(start / 1000, (start + luck.randrange(1, 900)) / 1000, "D"))
    turns = [*in_order(turns)]
    guessed = sum(w.placed == "interpolated" for s in segments for w in s.words)
    return Transcript("a.wav", at / 1000 + 1, tuple(segments), tuple(turns), language, Verdict(guessed=guessed))


def any_edit(luck: random.Random, talk: Transcript) -> list[Any]:
    """A correction, and of one to a text which words before and after it must stay."""
    index = luck.randrange(len(talk.segments))
    match luck.randrange(8):
        case 0:
            return ["renameSpeaker", luck.choice(talk.speakers or ("A",)), luck.choice(["A", "Zoë", "B "])]
        case 1:
            return ["reassign", index, luck.choice(["A", "C", "New", "", None])]
    texts = [w.text for w in talk.segments[index].words]
    first = luck.randrange(len(texts) + 1)
    last = min(len(texts), first + luck.choice([0, 0, 1, 1, 2, 12]))
    blank = "" if talk.language == "zh" else " "
    new = [
        blank + luck.choice(["new", "字"] if talk.language != "zh" else ["新", "的"])
        for _ in range(luck.choice([0, 1, 1, 2, 5]))
    ]
    return ["retext", index, "".join([*texts[:first], *new, *texts[last:]]), first, len(texts) - last]


@pytest.mark.parametrize("language", VOCABULARY)
def test_a_hundred_corrections_leave_all_else_as_it_was(corrected: Callable[..., Any], language: str) -> None:
    luck = random.Random(language)
    for _ in range(100):
        talk = chatter(luck, language)
        kind, *args = any_edit(luck, talk)
        out = corrected(talk, [kind, *args[:2]])
        saved = read(out["json"])

        assert saved.verdict.guessed == sum(w.placed == "interpolated" for w in saved.words)
        for segment in saved.segments:
            times = [t for w in segment.words for t in (w.start, w.end)]
            assert times == sorted(times)
            assert segment.start <= times[0]
            assert times[-1] <= segment.end
        said = [c for _, _, t in captioned(out["srt"]) for c in re.sub(r"^\[.*?\]: ", "", t) if not c.isspace()]
        assert "".join(said) == "".join("".join(s.text.split()) for s in saved.segments)
        if kind == "retext":
            index, text, first, last = args
            text = " ".join(text.split())
            others = [s for i, s in enumerate(talk.segments) if i != index]
            assert [s for i, s in enumerate(saved.segments) if i != index or not text] == others
            assert saved.turns == talk.turns
            old = lines_of(talk.segments[index].words)
            new = lines_of(saved.segments[index].words) if text else []
            assert not text or saved.segments[index].text == text
            assert new[: min(first, len(new))] == old[: min(first, len(new))]
            assert not last or new[-last:] == old[-last:]
        else:
            assert [s.text for s in saved.segments] == [s.text for s in talk.segments]
            assert [(w.start, w.end, w.confidence) for w in saved.words] == [
                (w.start, w.end, w.confidence) for w in talk.words
            ]


@given(TRANSCRIPTS, st.lists(st.tuples(st.integers(0, 3), NASTY), min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_whatever_is_typed_into_whatever_it_is_read_again(
    corrected: Callable[..., Any], talk: Transcript, typed: list[tuple[int, str]]
) -> None:
    n = len(talk.segments)
    edits = [["retext", i % n, text.replace("\ud800", "")] for i, text in typed] if n else []
    out = corrected(talk, *edits)

    saved = read(out["json"])
    assert len(saved.segments) <= n
    assert len(captioned(out["srt"])) == out["srt"].count(" --> ")


def test_a_saved_document_is_an_input_again(corrected: Callable[..., Any], heard: Transcript, tmp_path: Path) -> None:
    path = tmp_path / "corrected.json"
    path.write_text(corrected(heard, ["renameSpeaker", "SPEAKER_01", "Kennedy"])["json"], "utf-8")

    loaded = speechcli.load(path)
    speechcli.save(loaded, tmp_path / "corrected.srt")

    assert loaded.speakers == ("SPEAKER_00", "Kennedy")
    assert "[Kennedy]: " in (tmp_path / "corrected.srt").read_text("utf-8")


def test_a_captioner_goes_from_sentence_to_sentence(
    opened: Callable[..., Any], heard: Transcript, tmp_path: Path
) -> None:
    """With the mouse, every field left by a click on the next one; then everything taken back."""
    path = tmp_path / "talk.html"
    path.write_text("".join(table.pieces("html", heard)), "utf-8")
    page = opened(path)
    page.click("#edit")

    for i, segment in enumerate(heard.segments):
        page.locator(".seg").nth(i).locator(".fix").click()
        page.locator("textarea").fill(f"{segment.text} Number {i}.")
    page.locator(".seg").nth(0).locator(".who").click()
    page.fill("#rename", "Linda")
    page.click("#rename-do")
    corrected, subtitled = (jsondoc.read(saved(page, "json"), "a.json"), captioned(saved(page, "srt")))
    while page.locator("#undo").is_visible():
        page.click("#undo")

    assert [s.text for s in corrected.segments] == [f"{s.text} Number {i}." for i, s in enumerate(heard.segments)]
    assert corrected.speakers == ("Linda", "SPEAKER_01")
    assert " ".join(" ".join(t for _, _, t in subtitled).split()).count("Number ") == len(heard.segments)
    assert saved(page, "json") == written(heard)


def saved(page: Any, kind: str) -> str:
    page.click("#save summary")
    with page.expect_download() as told:
        page.click(f"[data-save={kind}]")
    return Path(told.value.path()).read_bytes().decode("utf-8")
