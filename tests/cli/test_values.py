"""What people type as values of options, and what they mean by it."""

import doctest

import pytest

from speechcli.cli import show, values
from speechcli.core import languages
from speechcli.core.span import Span
from speechcli.errors import DataError, NoInputError, UsageError
from speechcli.formats import table
from speechcli.timeline.cues import Style


@pytest.mark.parametrize("module", [values, show, languages])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, ((), True)),
        (["srt"], (("srt",), True)),
        (["srt,json", "VTT", ".srt"], (("srt", "json", "vtt"), True)),
        (["verbose-json", "TextGrid", "webvtt"], (("verbose_json", "textgrid", "vtt"), True)),
        (["srt,all"], (table.ALL, False)),
        (["all,page"], ((*table.ALL, "html"), False)),
    ],
)
def test_formats(given, meant):
    assert values.formats(given) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (None, ()),
        ("Auto", ()),
        ("None", ()),
        ("en", ("en",)),
        ("ENGLISH", ("en",)),
        ("en-US, pt_BR", ("en", "pt")),
        ("haitian creole,Mandarin,de,german", ("ht", "zh", "de")),
    ],
)
def test_languages(text, meant):
    assert values.languages(text) == meant


def test_hotwords_come_from_commas_and_files(tmp_path):
    (tmp_path / "words").write_text("\ufeffVoxtral  # a model\n\nQwen\nNVIDIA NeMo\n", encoding="utf-8")

    assert values.hotwords("Qwen, MOSS,", tmp_path / "words") == ("Qwen", "MOSS", "Voxtral", "NVIDIA NeMo")
    with pytest.raises(NoInputError, match="--hotwords-file"):
        values.hotwords(None, tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (None, ()),
        ("5,10", (Span(5, 10),)),
        ("0,1:00,1:01:01.5", (Span(0, 60), Span(3661.5, values.TO_THE_END))),
    ],
)
def test_clips(text, meant):
    assert values.clips(text) == meant


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: values.languages("Klingon"), "--language Klingon: no such language"),
        (lambda: values.clips("10,5"), "each time must be later"),
        (lambda: values.clips("a,5"), "--clip-timestamps a: not a time"),
        (lambda: values.clips("-1,5"), "--clip-timestamps -1: not a time"),
        (lambda: values.length("0", "--max-recording"), "--max-recording 0: must be more than nothing"),
        (lambda: values.length("1e9", "--max-recording"), "--max-recording 1e9: not a time"),
        (lambda: values.length("nan", "--max-recording"), "not a time"),
        (lambda: values.length("1:00h", "--max-recording"), "not a time"),
        (lambda: values.size("lots", "--max-download"), "--max-download lots: not a size"),
        (lambda: values.size("i", "--max-download"), "not a size"),
        (lambda: values.size("0", "--max-download"), "not a size"),
        (lambda: values.size("5 i", "--max-download"), "not a size"),
        (lambda: values.settings(["beam_size"]), "--set beam_size: not KEY=VALUE"),
        (lambda: values.settings(["=5"]), "not KEY=VALUE"),
        (lambda: values.speaker_names("SPEAKER_00=Anna,Ben"), "--speaker-names Ben: not KEY=VALUE"),
        (lambda: values.speaker_names("SPEAKER_00=Anna, B."), "names with commas stand in a file"),
        (lambda: values.speaker_names("S=Anna,T=Bo,S=Cy"), "--speaker-names: S is named twice, Anna and Cy"),
        (lambda: values.style_of(min_duration=9.0), "no caption can last 9 to 7 s"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_options_name(call, told):
    with pytest.raises(UsageError) as refused:
        call()

    assert told in str(refused.value)


def test_settings_keep_the_last_and_what_follows_the_first_sign():
    assert values.settings(["a=1", "b=x=y", "a=2"]) == {"a": "2", "b": "x=y"}


def test_speakers_names_in_json_are_one_object_of_texts(tmp_path):
    for content in ("{", "[1]", '{"SPEAKER_00": 1}', '{"SPEAKER_00": " "}'):
        (tmp_path / "names.json").write_text(content if content.startswith("{") else "{" + content)
        with pytest.raises(DataError):
            values.speaker_names(str(tmp_path / "names.json"))


@pytest.mark.parametrize(
    "content",
    [
        "SPEAKER_00=Smith, John\n\n# a remark\n SPEAKER_01 = Ben = boss \n",
        "SPEAKER_00\tSmith, John\r\nSPEAKER_01\tBen = boss",
        "\ufeffSPEAKER_00\tSmith, John\nSPEAKER_01=Ben = boss\n",
        '{"SPEAKER_00": "Smith, John", "SPEAKER_01": " Ben = boss"}',
    ],
)
def test_speakers_names_stand_in_files_of_lines_or_in_json(tmp_path, content):
    (tmp_path / "names").write_text(content, encoding="utf-8")

    assert values.speaker_names(str(tmp_path / "names")) == {"SPEAKER_00": "Smith, John", "SPEAKER_01": "Ben = boss"}


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("Anna", "names.txt, line 3: 'Anna' names nobody; SPEAKER_00=Anna"),
        ("SPEAKER_01=", "names.txt, line 3: 'SPEAKER_01=' names nobody"),
        ("=Anna", "names.txt, line 3: '=Anna' names nobody"),
        ("\tAnna", "names.txt, line 3: 'Anna' names nobody"),
        ("SPEAKER_00=Bo", "names.txt, line 3: SPEAKER_00 is named twice, Anna and Bo"),
    ],
)
def test_a_line_that_names_nobody_is_told_with_its_number(tmp_path, monkeypatch, bad, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.txt").write_text(f"SPEAKER_00=Anna\n\n{bad}\nSPEAKER_02=Cy\n")

    with pytest.raises(DataError) as refused:
        values.speaker_names("names.txt")
    assert told in str(refused.value)


def test_a_style_is_the_default_but_for_what_was_given():
    assert values.style_of() == Style()
    assert values.style_of(max_cps=17.0, max_line_width=None) == Style(max_cps=17.0)
    assert values.style_of(True, max_line_count=1) == Style(max_line_width=32, max_line_count=1, max_cps=18.0)
