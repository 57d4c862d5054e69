"""The formats by name and suffix, and what they ask of a transcript."""

import subprocess
import sys
from dataclasses import replace

import pytest
from made_transcripts import EMPTY, NAMELESS, TALK

from speechcli.core.transcript import Transcript, Turn
from speechcli.errors import DataError, UsageError
from speechcli.formats import table

NAMES = "json srt vtt txt tsv lrc ass ctm stm rttm textgrid audacity verbose_json seglst html".split()


def test_names_and_suffixes() -> None:
    assert list(table.FORMATS) == NAMES
    assert [f.suffix for f in table.FORMATS.values()] == (
        ".json .srt .vtt .txt .tsv .lrc .ass .ctm .stm .rttm .TextGrid .labels.txt .verbose.json .seglst.json .html"
    ).split()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("SRT", "srt"),
        ("TextGrid", "textgrid"),
        ("webvtt", "vtt"),
        ("aud", "audacity"),
        ("text", "txt"),
        (".vtt", "vtt"),
        ("verbose-json", "verbose_json"),
    ],
)  # fmt: skip
def test_spellings(name: str, found: str) -> None:
    assert table.named(name).name == found


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="there is no format 'strt'; did you mean srt") as caught:
        table.named("strt")

    assert "seglst" in caught.value.hint


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.srt", "srt"),
        ("A.SRT", "srt"),
        ("x/a.textgrid", "textgrid"),
        ("a.labels.txt", "audacity"),
        ("a.txt", "txt"),
        ("a.verbose.json", "verbose_json"),
        ("a.b.json", "json"),
        ("a.mp3", None),
        (".srt", None),
        ("srt", None),
    ],
)
def test_suffixes(path: str, found: str | None) -> None:
    form = table.by_suffix(path)

    assert (form.name if form else None) == found


def test_what_a_transcript_cannot_fill_is_refused_aloud() -> None:
    assert table.missing("rttm", NAMELESS) == "rttm needs speakers: none are known"
    assert table.missing("ctm", NAMELESS) == "ctm needs words with times: 1 of 1 segments have none"
    with pytest.raises(
        DataError, match="rttm needs speakers: none are known; speechcli diarize finds out who speaks"
    ) as caught:
        table.pieces("rttm", NAMELESS)
    assert caught.value.exit_code == 65


def test_what_a_transcript_can_fill() -> None:
    assert table.fillable(TALK) == NAMES
    assert table.fillable(EMPTY) == NAMES
    assert table.fillable(NAMELESS) == [name for name in NAMES if name not in ("ctm", "rttm")]
    assert table.fillable(Transcript("a", 1.0, turns=(Turn(0, 1, "A"),))) == [
        *("json", "rttm", "textgrid", "audacity", "html")
    ]
    assert "ctm" not in table.fillable(replace(TALK, segments=(*TALK.segments, *NAMELESS.segments)))


def test_only_some_formats_are_written_as_they_come() -> None:
    assert [f.name for f in table.FORMATS.values() if f.streams] == ["srt", "vtt", "txt", "tsv", "lrc", "ass"]
    with pytest.raises(UsageError, match="json can only be written as a whole"):
        table.stream("json", [])


def test_the_table_loads_no_format_and_no_pysrt() -> None:
    code = (
        "import sys; from speechcli.formats import table, srt; table.by_suffix('a.srt'); "
        "print([m for m in ('pysrt', 'json', 'numpy', 'speechcli.formats.vtt') if m in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_examples_in_the_docstrings_hold() -> None:
    import doctest
    from importlib import import_module

    for name in ("clock", "opened", "plain", "rows", "script", "table", "words"):
        assert doctest.testmod(import_module(f"speechcli.formats.{name}")).failed == 0
    assert doctest.testmod(import_module("speechcli.timeline.text")).failed == 0
