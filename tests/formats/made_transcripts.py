"""Transcripts for the tests of formats: one of each kind, and any at all."""

from hypothesis import strategies as st

from speechcli.core.span import Span
from speechcli.core.transcript import (
    Dropped,
    Fit,
    Mismatch,
    Segment,
    Stage,
    Transcript,
    Turn,
    Verdict,
    Word,
    joined,
)

WORDS = (
    Word(0.0, 0.4, " Well,", 0.9),
    Word(0.4, 0.8, " I"),
    Word(0.9, 1.2, " know.", placed="interpolated"),
)
JAPANESE = (Word(1.5, 2.0, "字"), Word(2.0, 2.4, "幕", 0.5), Word(2.4, 3.0, "です。"))
TALK = Transcript(
    source="my talk.mp3",
    duration=5.0,
    segments=(
        Segment(0.0, 1.2, "Well, I know.", WORDS, "SPEAKER_00", "en", -0.25),
        Segment(1.5, 3.0, "字幕です。", JAPANESE, "SPEAKER_01", "ja"),
    ),
    turns=(Turn(0.0, 1.2, "SPEAKER_00"), Turn(1.4, 3.1, "SPEAKER_01")),
    language="en",
    verdict=Verdict(0.9, 2.4, (Span(3.0, 4.0),), guessed=1, dropped=(Dropped(4.0, 4.5, "you", "silence"),)),
    made_by=(Stage("transcribe", "faster-whisper", "tiny.en", "1a5afa", (("beam_size", "5"),)),),
    recording=(("track", "0"),),
)
NAMELESS = Transcript("a.wav", 2.0, (Segment(0.0, 1.0, "Nobody is known."),))
EMPTY = Transcript("silence.wav", 2.0)

_MS = st.integers(0, 300_000_000)
NASTY = st.text(max_size=60) | st.sampled_from(
    [
        "a\n\n2\n00:00:01,000 --> 00:00:09,000\nINJECTED",
        "hello --> 00:00:05,000",
        "--->",
        "NOTE this\n\nSTYLE\n::cue{}",
        "WEBVTT",
        "<v Eve>not me</v><script>alert(1)</script>",
        "{\\an8}{\\p1}top",
        "42",
        "I have\n42",
        '"quoted',
        'a ""b"" "',
        "=1+1\t@x",
        "\x1b]52;c;x\x07 \x9b31m \x00",
        "one\u2028two\u2029three\x85four\x0bfive\x0csix\x1cseven",
        "[00:12.00]sung <00:13.00>twice",
        "\ufeffbom \ud800half",
        "\u202eright to left",
        "&amp; & < >",
        ";; comment",
        "<o,f0,male> labelled",
        "\\N\\h\\",
    ]
)
NAMES = st.none() | st.sampled_from(
    ["SPEAKER_00", "Anna B.", "<b>\n[x]", "A, B", ";;", "unknown", "\x1b[1m", "Zoë > Q"]
)


@st.composite
def rows(draw: st.DrawFn) -> tuple[Segment, ...]:
    """Segments without words in order of time, their text whatever it is."""
    out = []
    for start, length, text, speaker in draw(st.lists(st.tuples(_MS, st.integers(0, 9000), NASTY, NAMES), max_size=8)):
        out.append(Segment(start / 1000, (start + length) / 1000, text, speaker=speaker))
    return tuple(sorted(out, key=lambda s: s.start))


@st.composite
def words(draw: st.DrawFn) -> tuple[Word, ...]:
    at = draw(_MS)
    out = []
    for text in draw(
        st.lists(st.sampled_from([" a", "b", " c,", "\nl", "字", "  d ", " ", "", " é f"]) | st.text(max_size=9))
    ):
        end = at + draw(st.integers(0, 900))
        score = draw(st.none() | st.floats(0, 1))
        placed = draw(st.sampled_from(["model", "aligner", "interpolated"]))
        out.append(Word(at / 1000, end / 1000, text, score, draw(NAMES), placed))
        at = end + draw(st.integers(0, 900))
    return tuple(out)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    spoken = draw(words())
    start = draw(_MS)
    return Segment(
        start / 1000,
        (start + draw(_MS)) / 1000,
        joined(spoken) if spoken else draw(st.text(max_size=30)),
        spoken,
        draw(NAMES),
        draw(st.sampled_from([None, "en"])),
        draw(st.none() | st.floats(-9, 0)),
    )


_SPANS = st.tuples(_MS, _MS).map(lambda p: (min(p) / 1000, max(p) / 1000))
_TEXT = st.text(max_size=20)
_MISMATCHES = st.lists(
    st.builds(lambda p, t, k: Mismatch(*p, t, k), _SPANS, _TEXT, st.sampled_from(["unspoken", "unwritten"])), max_size=2
).map(tuple)
VERDICTS = st.builds(
    Verdict,
    st.none() | st.floats(0, 1),
    st.none() | _MS.map(lambda ms: ms / 1000),
    st.lists(_SPANS.map(lambda p: Span(*p)), max_size=3).map(tuple),
    st.integers(0, 9),
    st.integers(0, 9),
    st.booleans(),
    st.lists(_TEXT, max_size=3).map(tuple),
    st.lists(st.builds(lambda p, a, b: Dropped(*p, a, b), _SPANS, _TEXT, _TEXT), max_size=2).map(tuple),
    st.none() | st.builds(Fit, st.floats(0, 1), st.none() | st.floats(0, 1), _MISMATCHES),
)
_FACTS = st.dictionaries(st.sampled_from(["track", "path", "rate"]), _TEXT, max_size=3).map(lambda d: tuple(d.items()))
TRANSCRIPTS = st.builds(
    Transcript,
    _TEXT | st.just("bad\udcff\udcfe.wav"),
    _MS.map(lambda ms: ms / 1000),
    st.lists(segments(), max_size=4).map(tuple),
    st.lists(st.builds(lambda p, s: Turn(*p, s), _SPANS, _TEXT), max_size=3).map(tuple),
    st.sampled_from([None, "en", "yue"]),
    VERDICTS,
    st.lists(st.builds(Stage, _TEXT, _TEXT, _TEXT, _TEXT, _FACTS), max_size=2).map(tuple),
    _FACTS,
)
