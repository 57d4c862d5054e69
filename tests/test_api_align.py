"""`speechcli.align`: every kind of text and sound, every kind of mistake."""

import subprocess
import sys
import threading
import typing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import soundfile
from spoken import DATA
from tiny import common

import speechcli
from speechcli.api import Alignment, Options
from speechcli.core.transcript import Segment, Transcript
from speechcli.errors import DataError, NoInputError, SpeechcliError, UsageError

LOBSTER, LADY = "367-130732-0000", "3080-5032-0000"
SMALL = str(Path(common.__file__).parent / "qwen3-aligner")


def path_of(name: str) -> Path:
    return DATA / f"{name}.flac"


def text_of(name: str) -> str:
    return (DATA / f"{name}.txt").read_text("utf-8").strip()


def times(transcript: Transcript) -> list[tuple[str, float, float]]:
    return [(word.text.strip(), word.start, word.end) for word in transcript.words]


@pytest.fixture(scope="module")
def forms(tmp_path_factory) -> dict[str, Transcript]:
    """Two recordings and their texts in every form, in one call."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "lady.txt").write_text(text_of(LADY))
    (folder / "lady.srt").write_text(f"1\n00:00:09,000 --> 00:00:10,000\n{text_of(LADY)}\n")
    said = Transcript("lady.flac", 4.0, (Segment(0.0, 0.0, text_of(LADY)),), language="en")
    samples, rate = soundfile.read(path_of(LADY), dtype="float32")
    asked = {
        "words": (path_of(LADY), text_of(LADY)),
        "path": (str(path_of(LADY)), folder / "lady.txt"),
        "captions": (path_of(LADY), folder / "lady.srt"),
        "transcript": (path_of(LADY), said),
        "array": ((samples, rate), text_of(LADY)),
        "bytes": (path_of(LADY).read_bytes(), text_of(LADY)),
        "other": (path_of(LOBSTER), text_of(LOBSTER)),
    }
    sounds, texts = zip(*asked.values(), strict=True)
    return dict(zip(asked, speechcli.align(list(sounds), list(texts)), strict=True))


@pytest.mark.parametrize("form", ["path", "captions", "transcript", "array", "bytes"])
def test_the_same_words_and_sound_in_another_form_have_the_same_times(forms, form):
    assert times(forms[form]) == times(forms["words"])


def test_words_come_back_as_they_were_written_with_time_and_verdict(forms):
    for form, name in (("words", LADY), ("other", LOBSTER)):
        found = forms[form]
        assert found.text == text_of(name)
        assert all(0 <= w.start < w.end <= found.duration for w in found.words)
        assert all(a.end <= b.start for a, b in pairwise(found.words))
        assert all(w.placed == "aligner" and 0 < w.confidence <= 1 for w in found.words)
        assert (found.verdict.fit.placed, found.verdict.fit.mismatches) == (1.0, ())
        assert 0 < found.verdict.fit.confidence <= 1
        assert found.language == "en"


def test_what_is_no_file_has_a_name_that_is_the_same_every_time(forms):
    assert [forms[form].source for form in ("words", "path", "array", "bytes")] == [
        f"{LADY}.flac",
        f"{LADY}.flac",
        "recording",
        "recording",
    ]
    facts = {form: dict(forms[form].recording)["text"] for form in ("words", "path", "transcript")}
    assert facts == {"words": "the text", "path": "lady.txt", "transcript": "lady.flac"}


def test_a_pair_alone_gives_what_it_gives_in_a_list(forms):
    assert speechcli.align(path_of(LOBSTER), text_of(LOBSTER)) == forms["other"]


def test_a_transcript_keeps_its_speakers_its_segments_and_their_order():
    words = text_of(LADY).split()
    given = Transcript(
        "mine.json",
        9.0,
        (
            Segment(1.0, 2.0, " ".join(words[:4]), speaker="ANNA"),
            Segment(2.0, 3.0, " ".join(words[4:7]), speaker="BEN"),
            Segment(3.0, 9.0, " ".join(words[7:]) + " …", speaker="ANNA"),
        ),
        language="en",
    )

    found = speechcli.align(path_of(LADY), given, model=SMALL, anchor="none", device="cpu")

    assert [(s.speaker, s.text) for s in found.segments] == [(s.speaker, s.text) for s in given.segments]
    assert all({w.speaker for w in s.words} == {s.speaker} for s in found.segments)
    assert all(a.end <= b.start for a, b in pairwise(found.segments))
    assert given.segments[0].words == (), "what was given is as it was"


def test_lines_are_segments_where_that_is_asked_for():
    written = f"{text_of(LADY)[:20].strip()}\n{text_of(LADY)[20:].strip()}"

    lines, whole = (
        speechcli.align(path_of(LADY), written, model=SMALL, anchor="none", device="cpu", lines=lines)
        for lines in (True, False)
    )

    assert [s.text for s in lines.segments] == written.split("\n")
    assert lines.text.split() == whole.text.split()


def test_text_that_nobody_says_stands_in_the_verdict():
    extra = "and the committee for agriculture will meet on thursday in the large room of the town hall"

    found = speechcli.align(path_of(LADY), f"{text_of(LADY)} {extra}")

    assert found.text == f"{text_of(LADY)} {extra}"
    (missing,) = found.verdict.fit.mismatches
    assert missing.kind == "unspoken"
    assert missing.text.split()[-6:] == extra.split()[-6:]
    assert found.verdict.fit.placed < 0.6


def test_options_come_as_a_record_or_by_name_or_both():
    record = Alignment(model=SMALL, anchor="none", device="cpu", language="English")
    path, text = path_of(LADY), text_of(LADY)

    by_record = speechcli.align(path, text, record)
    by_name = speechcli.align(path, text, model=SMALL, anchor="none", device="cpu", language="en")
    both = speechcli.align(path, text, record, language="de")

    assert by_record == by_name
    assert by_record.made_by[0].stage == "align"
    assert both.language == "de"


def test_no_recordings_give_no_transcripts():
    assert speechcli.align([], []) == []


def test_several_threads_align_at_once():
    found: dict[int, Transcript] = {}

    def one(i: int) -> None:
        name = (LADY, LOBSTER)[i % 2]
        found[i] = speechcli.align(path_of(name), text_of(name), model=SMALL, anchor="none", device="cpu")

    threads = [threading.Thread(target=one, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == [0, 1, 2, 3]
    assert (found[0], found[1]) == (found[2], found[3])
    assert found[0] != found[1]


# --- mistakes ---


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("", DataError, "the text is empty"),
        (" \n ", DataError, "the text is empty"),
        ("... --", DataError, "the text holds no words"),
        ("こんにちは", UsageError, "aligns one language: English"),
        (Path("nowhere.txt"), NoInputError, "nowhere.txt"),
        (b"words", UsageError, "a bytes is no text"),
        (None, UsageError, "a NoneType is no text"),
        (["some", "words"], UsageError, "a list is no text"),
        (Transcript("empty.json", 1.0), DataError, "empty.json"),
        ("half of \ud83d a smiley", DataError, "the text, character 9"),
        ("a \0 b", DataError, "NUL"),
    ],
)
def test_a_text_that_cannot_be_aligned_is_one_clear_line(text, error, says):
    with pytest.raises(error) as raised:
        speechcli.align(path_of(LOBSTER), text)

    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("exists", [str, lambda path: str(path.relative_to(Path.cwd()))])
def test_the_path_of_a_text_as_a_str_is_refused_with_what_to_write(tmp_path, monkeypatch, exists):
    path = tmp_path / "talk.txt"
    path.write_text("lobsters")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError) as raised:
        speechcli.align(path_of(LOBSTER), exists(path))

    assert raised.value.hint == f"give Path({exists(path)!r})"


@pytest.mark.parametrize(
    ("audio", "text"),
    [
        ([path_of(LADY), path_of(LOBSTER)], [text_of(LADY)]),
        ([path_of(LADY)], text_of(LADY)),
        ([path_of(LADY)], Path("talk.txt")),
        ([path_of(LADY)], Transcript("t", 1.0)),
        ([path_of(LADY)], None),
        ([], ["a"]),
    ],
)
def test_a_list_of_recordings_takes_as_many_texts(audio, text):
    with pytest.raises(UsageError, match="as many texts"):
        speechcli.align(audio, text)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"speed": 2}, "known options: model, anchor"),
        ({"language": "Klingonese"}, "no such language"),
        ({"language": ["en", "de"]}, "no such language"),
        ({"model": "whisper-small"}, "does not align"),
        ({"model": "nobody"}, "no model is called"),
        ({"anchor": "qwen3-asr-0.6b"}, "no times of words"),
        ({"clips": [(3, 1)]}, "no stretch of time"),
        ({"model": SMALL, "language": "fi"}, "is in Finnish"),
    ],
)
def test_options_that_cannot_be_are_one_clear_line(options, says):
    with pytest.raises(SpeechcliError) as raised:
        speechcli.align(path_of(LOBSTER), text_of(LOBSTER), **options)

    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("options", [Options(), {"language": "en"}, "en"])
def test_what_is_no_record_of_options_is_told(options):
    with pytest.raises(UsageError, match="Alignment"):
        speechcli.align(path_of(LOBSTER), text_of(LOBSTER), options)

    with pytest.raises(UsageError, match=r"transcribe: options are of type"):
        speechcli.transcribe(path_of(LOBSTER), {"language": "en"})


def test_a_sound_that_is_none_is_told_as_in_transcribe():
    for sound in (3, None, (1, 2, 3)):
        with pytest.raises(UsageError, match="is no sound"):
            speechcli.align(sound, "words")
    with pytest.raises(NoInputError):
        speechcli.align("nowhere.wav", "words")


def test_one_wrong_text_of_a_list_is_named_before_anything_is_loaded(tmp_path, monkeypatch):
    from speechcli.backends import registry

    monkeypatch.setattr(registry, "open_aligner", lambda *args: pytest.fail("loaded"))
    (tmp_path / "b.txt").write_bytes(b"m\xfcrning")

    with pytest.raises(DataError, match=r"b\.txt, line 1, byte 2"):
        speechcli.align([path_of(LADY), path_of(LOBSTER)], [text_of(LADY), tmp_path / "b.txt"])


def test_the_options_of_the_command_have_the_same_names():
    from speechcli.cli.align import align as command

    same = {"batch_size", "chunk_size", "compile", "model", "anchor", "language", "device", "dtype", "track", "channel"}
    names = set(Alignment.__dataclass_fields__)

    assert same <= names & set(typing.get_type_hints(command))
    assert replace(Alignment(), model="x").model == "x"


def test_importing_it_brings_no_engine():
    code = "import sys, speechcli; speechcli.align; print([m for m in ('torch', 'ctranslate2') if m in sys.modules])"

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.strip() == "[]"
