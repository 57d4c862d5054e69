"""Transcripts as pages, for the tests that look at them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle, islice
from pathlib import Path

from speechcli.core.span import Span
from speechcli.core.transcript import Dropped, Fit, Mismatch, Segment, Stage, Transcript, Turn, Verdict, Word, joined
from speechcli.formats.html.beside import NOTHING, Beside, Mark
from speechcli.formats.html.page import page

SAMPLE = Path(__file__).parents[2] / "speechcli" / "sample" / "two_cities.mp3"


def said(start: float, text: str, speaker: str | None = None) -> Segment:
    """A segment of words of half a second each."""
    words = tuple(
        Word(start + i / 2, start + i / 2 + 0.4, f" {token}", 0.9, speaker) for i, token in enumerate(text.split())
    )
    return Segment(start, words[-1].end, joined(words), words, speaker, "en")


UNSURE = Segment(
    6.0,
    8.0,
    "maybe this that then",
    (
        Word(6.0, 6.4, " maybe", 0.3, "ANNA"),
        Word(6.5, 6.9, " this", 0.2, "ANNA"),
        Word(7.0, 7.4, " that", 0.9, "ANNA"),
        Word(7.5, 8.0, " then", 0.9, "ANNA"),
    ),
    "ANNA",
    "en",
)
GUESSED = Segment(
    20.0,
    22.0,
    "one two three four",
    (
        Word(20.0, 20.4, " one", None, "TOM", "interpolated"),
        Word(20.5, 20.9, " two", None, "TOM", "interpolated"),
        Word(21.0, 21.4, " three", None, "TOM", "interpolated"),
        Word(21.5, 22.0, " four", 0.8, "TOM"),
    ),
    "TOM",
    "en",
)
TALK = Transcript(
    source="a talk.mp3",
    duration=44.0,
    segments=(
        said(0.5, "It was the best of times", "ANNA"),
        UNSURE,
        said(10.0, "It was the worst of times", "TOM"),
        GUESSED,
    ),
    turns=(Turn(0.5, 8.0, "ANNA"), Turn(10.0, 13.0, "TOM"), Turn(20.0, 22.0, "TOM")),
    language="en",
    verdict=Verdict(0.8, 20.0, (Span(14.0, 18.0),), 1, 3, True, ("a note",), (Dropped(30.0, 31.0, "you you", "loop"),)),
    made_by=(Stage("transcribe", "faster-whisper", "tiny.en"),),
)
MARKS = (
    Mark("substituted", 0, 3, 4, "finest"),
    Mark("inserted", 0, 4, 5, ""),
    Mark("deleted", 2, 2, 2, "very"),
    Mark("deleted", 2, 6, 6, "indeed"),
)
TURNS = Transcript("a call.wav", 60.0, turns=tuple(Turn(i * 2.0, i * 2 + 1.5, f"SPEAKER_{i:02}") for i in range(20)))
PLAIN = Transcript("plain.srt", 10.0, (Segment(0.0, 4.0, "No words here.\nTwo lines."), Segment(5.0, 9.0, "The end")))
ARABIC = Transcript(
    "مقابلة.mp3",
    6.0,
    (
        Segment(0.0, 3.0, "مرحبا بالعالم (WHO) هنا.", (), "ليلى", "ar"),
        Segment(3.0, 6.0, "And English.", (), "Tom", "en"),
    ),
    language="ar",
)
EMPTY = Transcript("silence.wav", 5.0)
PACKED = Transcript(
    "fluent.wav",
    5.0,
    (Segment(1.0, 4.0, "one two three", (Word(1.0, 2.0, " one"), Word(2.0, 3.0, " two"), Word(3.0, 4.0, " three"))),),
)
HOSTILE = Transcript(
    '"><img src=x onerror=alert(1)>\u202egpj.exe',
    12.0,
    (
        Segment(0.0, 2.0, "<script>alert(1)</script>", (), '<b>"Eve"</b>'),
        Segment(
            2.0,
            4.0,
            "--> </script><!-- <script>",
            (Word(2.0, 3.0, " -->"), Word(3.0, 3.5, " </script><!--"), Word(3.5, 4.0, " <script>")),
            "a\u202eb",
        ),
        Segment(4.0, 6.0, "\u202eturned \x00 and \ud800 half", (), "<b>"),
        Segment(6.0, 8.0, "a line\u2028and\u2029another", (), "{{media}}"),
    ),
    language='en"><b',
    verdict=Verdict(
        0.5, 11.0, (), 0, 0, True, ("<img src=x onerror=alert(2)>",), (Dropped(8.0, 9.0, "<i>gone</i>", "</script>"),)
    ),
)
UNFIT = Transcript(
    "read.mp3",
    30.0,
    (said(1.0, "what was read"),),
    verdict=Verdict(
        fit=Fit(0.2, 0.4, (Mismatch(1.0, 2.0, "what", "unspoken"), Mismatch(8.0, 9.0, "hello", "unwritten"))),
        complete=False,
    ),
)
_TEXT = "It was the best of times and it was the worst of times, in short the period was like the present one.".split()


def hour(n_words: int = 10_000, n_speakers: int = 6) -> Transcript:
    """An hour of talk with everything that a word can have: speakers, confidence, and who placed it."""
    each, n = 3600 / n_words, 20
    tokens = list(islice(cycle(_TEXT), n_words))
    segments = []
    for k in range(0, n_words, n):
        speaker = f"SPEAKER_{k // n % n_speakers:02}"
        words = tuple(
            Word(
                (k + i) * each,
                (k + i + 0.9) * each,
                f" {token}",
                ((k + i) * 7919 % 1000) / 1000 + 0.000123,
                speaker,
                "aligner",
            )
            for i, token in enumerate(tokens[k : k + n])
        )
        segments.append(Segment(words[0].start, words[-1].end, joined(words), words, speaker, "en"))
    turns = tuple(Turn(s.start, s.end, s.speaker) for s in segments if s.speaker)
    gaps = tuple(Span(i * 60.0, i * 60 + 5) for i in range(1, 50))
    return Transcript("an hour.mp3", 3600.0, tuple(segments), turns, "en", Verdict(0.9, 3000.0, gaps))


def written(folder: Path, transcript: Transcript, beside: Beside = NOTHING, name: str = "page.html") -> Path:
    """The page in a file."""
    path = folder / name
    path.write_text("".join(pieces(transcript, beside)), encoding="utf-8")
    return path


def pieces(transcript: Transcript, beside: Beside = NOTHING) -> Iterable[str]:
    return page(transcript, beside=beside)
