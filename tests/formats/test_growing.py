"""A file that grows with finals: whole at every moment, and what `convert` would have made of it."""

from __future__ import annotations

import html
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pysrt
import pytest
import webvtt

from speechcli.core.live import Final, Missed
from speechcli.core.span import Span
from speechcli.core.transcript import Stage, Word
from speechcli.errors import DiskError, OutputError, UsageError
from speechcli.formats import jsondoc, table
from speechcli.formats.growing import Growing, gap
from speechcli.timeline.cues import Style

FORMATS = ("srt", "vtt", "json", "txt")
SAID = (
    "The quick brown fox jumps over the lazy dog, and then it runs into the forest where nobody lives. "
    "Dr. Smith said: no! It was 3.5 miles from there to the next house which stood under two old trees "
    "and had not been lived in for longer than anyone could say because whoever had the key was gone "
    "<i>away</i> --> & never came back to it. 字幕は、ここで終わります。 Then "
)


def spoken(n_words: int, seed: int = 1) -> list[Word]:
    """Words as a session gives them: in order, some apart."""
    rng = random.Random(seed)
    words: list[Word] = []
    at = 0.0
    texts = SAID.split()
    for i in range(n_words):
        length = rng.uniform(0.05, 0.5)
        words.append(Word(at, at + length, f" {texts[i % len(texts)]}", rng.choice([None, 0.5])))
        at += length + (rng.random() < 0.1) * rng.uniform(0.0, 3.0)
    return words


def finals(n_words: int, seed: int = 1) -> Iterator[Final]:
    """The words in pieces of one to six."""
    rng = random.Random(seed)
    words = spoken(n_words, seed)
    number = 0
    while words:
        part, words = tuple(words[: (n := rng.randint(1, 6))]), words[n:]
        yield Final(part[0].start, part[-1].end, number, part, "en", not words or rng.random() < 0.1)
        number += 1


def read(path: Path) -> str:
    """The letters a player or script reads from the file; an error where it is not of its format."""
    name = path.suffix[1:]
    text = path.read_text("utf-8")
    if name == "srt":
        shown = pysrt.SubRipFile.from_string(text, error_handling=pysrt.ERROR_RAISE)
        assert [item.index for item in shown] == list(range(1, len(shown) + 1))
        text = "".join(item.text for item in shown)
    elif name == "vtt":
        assert text.startswith("WEBVTT\n\n")
        text = "".join(caption.raw_text for caption in webvtt.from_string(text))
    elif name == "json":
        document = json.loads(text)
        assert set(jsondoc.schema()["required"]) <= set(document)
        text = document["text"]
        assert letters(text) == letters("".join(w["word"] for s in document["segments"] for w in s["words"]))
    else:
        assert text == "" or text.endswith("\n")
    return letters(html.unescape(text))


def letters(text: str) -> str:
    return "".join(c for c in text if c.isalnum())


def told(events: Sequence[Final]) -> str:
    return letters("".join(final.text for final in events))


@pytest.mark.parametrize("name", FORMATS)
def test_after_every_final_the_file_is_whole_and_has_every_word(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"live.{name}"
    growing = Growing(path, name)
    assert read(path) == ""

    so_far: list[Final] = []
    for final in finals(300):
        growing.add(final)
        so_far.append(final)
        assert read(path) == told(so_far), final

    growing.close(1000.0)
    assert read(path) == told(so_far)


@pytest.mark.parametrize("style", [Style(), Style(highlight_words=True)])  # with marked words, a text can get shorter
@pytest.mark.parametrize("name", FORMATS)
def test_between_any_two_system_calls_the_file_is_whole(
    tmp_path: Path, name: str, style: Style, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"live.{name}"
    states: list[str] = []

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def watch(*given: Any) -> Any:
            result = call(*given)
            if path.exists():
                states.append(read(path))
            return result

        return watch

    for call in ("open", "write", "pwrite", "ftruncate", "fsync", "replace", "close"):
        monkeypatch.setattr(os, call, watched(getattr(os, call)))
    growing = Growing(path, name, style)
    for final in finals(300):
        growing.add(final)
    growing.close(500.0)

    assert len(states) > 100
    if style.highlight_words and name in ("srt", "vtt"):
        return  # a word stands there as often as its caption has words
    assert all(after.startswith(before) for before, after in pairwise(states)), "nothing is ever taken away"
    assert states[-1] == told(list(finals(300)))


@pytest.mark.parametrize("style", [Style(), Style(max_line_width=20, max_line_count=1), Style(highlight_words=True)])
@pytest.mark.parametrize("name", FORMATS)
def test_the_finished_file_is_what_convert_makes_of_it(tmp_path: Path, name: str, style: Style) -> None:
    for seed in range(5):
        path = tmp_path / f"{seed}.{name}"
        growing = Growing(path, name, style, "Microphone", [Stage("transcribe", "whisper", "tiny.en")])
        for final in finals(200, seed):
            growing.add(final)
        transcript = growing.close(500.0)

        made = "".join(table.pieces(name, transcript, style))
        written = path.read_text("utf-8")
        assert (json.loads(written) == json.loads(made)) if name == "json" else (written == made)


def test_captions_keep_to_the_style_while_they_grow(tmp_path: Path) -> None:
    path = tmp_path / "live.srt"
    growing = Growing(path, "srt")
    for final in finals(200):
        growing.add(final)
        shown = pysrt.open(str(path))
        assert all(len(line) <= 42 for item in shown for line in item.text.split("\n") if line.isascii())
        assert all(a.end <= b.start for a, b in pairwise(shown))


def test_nothing_said_leaves_a_valid_file(tmp_path: Path) -> None:
    for name in FORMATS:
        Growing(tmp_path / f"live.{name}", name).close(3.0)

    assert (tmp_path / "live.srt").read_text() == (tmp_path / "live.txt").read_text() == ""
    assert (tmp_path / "live.vtt").read_text() == "WEBVTT\n\n"
    document = json.loads((tmp_path / "live.json").read_text())
    jsonschema.validate(document, jsondoc.schema())
    assert (document["segments"], document["duration"], document["quality"]["complete"]) == ([], 3.0, True)


def test_a_segment_is_a_sentence_or_what_a_pause_ends(tmp_path: Path) -> None:
    growing = Growing(tmp_path / "live.txt", "txt")
    words = [Word(i, i + 0.9, text) for i, text in enumerate([" So", " it", " is.", " Now", " then", " go"])]
    growing.add(Final(0.0, 1.9, 0, tuple(words[:2]), "en"))
    growing.add(Final(2.0, 4.9, 1, tuple(words[2:5]), "en", True))
    assert (tmp_path / "live.txt").read_text() == "So it is.\nNow then\n"

    growing.add(Final(5.0, 5.9, 2, (words[5],), "en"))
    transcript = growing.close(7.0)

    assert [(s.start, s.end, s.text) for s in transcript.segments] == [
        (0.0, 2.9, "So it is."),
        (3.0, 4.9, "Now then"),
        (5.0, 5.9, "go"),
    ]
    assert (transcript.language, transcript.duration) == ("en", 7.0)


def test_another_language_and_thirty_seconds_begin_another_segment(tmp_path: Path) -> None:
    growing = Growing(tmp_path / "live.json", "json")
    for i in range(50):
        growing.add(Final(i, i + 0.9, i, (Word(i, i + 0.9, f" w{i}"),), "en"))
    growing.add(Final(50, 51, 50, (Word(50, 51, " ja"),), "de"))

    transcript = growing.close(60.0)

    assert [(s.start, s.language) for s in transcript.segments] == [(0, "en"), (30, "en"), (50, "de")]


def test_what_was_missed_is_marked_where_it_was(tmp_path: Path) -> None:
    event = Missed(2.0, 5.0, "the model is too slow")
    for name in FORMATS:
        growing = Growing(tmp_path / f"live.{name}", name)
        growing.add(Final(0.0, 1.0, 0, (Word(0.0, 1.0, " before"),), "en"))
        growing.missed(event)
        growing.missed(Missed(9.0, 9.4, "the model is too slow"))
        growing.add(Final(12.0, 13.0, 1, (Word(12.0, 13.0, " after."),), "en"))
        growing.close(20.0)

    captions = pysrt.open(str(tmp_path / "live.srt"))
    assert [(c.start.ordinal, c.text) for c in captions] == [
        (0, "before"),
        (2000, gap(event)),
        (9000, "[0.4 s not transcribed]"),
        (12000, "after."),
    ]
    assert gap(event) == "[3 s not transcribed]"
    assert [c.text for c in webvtt.read(str(tmp_path / "live.vtt"))] == [c.text for c in captions]
    assert (tmp_path / "live.txt").read_text().splitlines() == [c.text for c in captions]
    kept = table.read(tmp_path / "live.json")
    assert [s.text for s in kept.segments] == ["before", "after."]
    assert kept.verdict.gaps == (Span(2.0, 5.0), Span(9.0, 9.4))
    assert kept.verdict.notes == ("3.4 s not transcribed: the model is too slow",)
    assert kept.verdict.status == "warning"


def test_a_document_that_still_grows_says_that_it_is_not_complete(tmp_path: Path) -> None:
    path = tmp_path / "live.json"
    growing = Growing(path, "json", source="Microphone")
    growing.add(Final(0.0, 1.0, 0, (Word(0.0, 1.0, " hello"),), "en"))
    jsonschema.validate(json.loads(path.read_text()), jsondoc.schema())
    assert not table.read(path).verdict.complete

    transcript = growing.close(2.0)

    jsonschema.validate(json.loads(path.read_text()), jsondoc.schema())
    assert table.read(path) == transcript
    assert (transcript.source, transcript.duration, transcript.verdict.complete) == ("Microphone", 2.0, True)
    assert growing.close(3.0).segments == transcript.segments, "a second one does nothing"


WRITER = """
import sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from test_growing import finals, letters
from speechcli.formats.growing import Growing
growing = Growing(Path(sys.argv[1]), sys.argv[2], overwrite=True)
print("made", flush=True)
for final in finals(20_000):
    growing.add(final)
    print(letters(final.text), flush=True)
"""


@pytest.mark.parametrize("name", ["srt", pytest.param("vtt", marks=pytest.mark.slow), "json"])
def test_a_killed_process_leaves_a_whole_file_with_every_final_it_had_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"live.{name}"
    rng = random.Random(name)
    everything = told(list(finals(20_000)))
    for _ in range(5):
        command = [sys.executable, "-c", WRITER, str(path), name, str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "made\n"
            time.sleep(rng.uniform(0.0, 0.3))
            process.send_signal(signal.SIGKILL)
            n_told = sum(len(line) - 1 for line in process.stdout if line.endswith("\n"))
        written = read(path)
        assert len(written) >= n_told
        assert everything.startswith(written)


FULL = """
import resource, sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from test_growing import finals, letters
from speechcli.errors import DiskError
from speechcli.formats.growing import Growing
growing = Growing(Path(sys.argv[1]), sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
said = ""
coming = finals(1000)
for final in coming:
    try:
        growing.add(final)
    except DiskError as error:
        print(said, error)
        said += letters(final.text)
        break
    said += letters(final.text)
before = Path(sys.argv[1]).read_bytes()
for _ in range(30):
    final = next(coming)
    said += letters(final.text)
    try:
        growing.add(final)
    except DiskError:
        assert Path(sys.argv[1]).read_bytes() == before
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
if len(sys.argv) > 4:
    growing.close(1000.0)
print(said)
"""


@pytest.mark.parametrize("name", FORMATS)
def test_a_full_disk_is_told_and_takes_nothing_that_was_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"live.{name}"
    command = [sys.executable, "-c", FULL, str(path), name, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    said, error = done.stdout.split(" ", 1)
    assert error.startswith(f"disk full writing live.{name};")
    assert len(said) > 50
    assert read(path) == said


@pytest.mark.parametrize("name", FORMATS)
def test_a_disk_that_has_room_again_gets_what_it_could_not_take(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"live.{name}"
    command = [sys.executable, "-c", FULL, str(path), name, str(Path(__file__).parent), "close"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    before, *_, said = done.stdout.split()
    assert len(said) > len(before) + 100
    assert read(path) == said


def test_what_stands_there_is_refused_and_replaced_on_demand(tmp_path: Path) -> None:
    path = tmp_path / "live.srt"
    path.write_text("mine\n")
    with pytest.raises(OutputError, match=r"live\.srt exists; --overwrite replaces it"):
        Growing(path, "srt")
    with pytest.raises(OutputError, match="it is a folder"):
        Growing(tmp_path, "srt", overwrite=True)
    assert path.read_text() == "mine\n"

    Growing(path, "srt", overwrite=True).close(1.0)

    assert path.read_text() == ""
    assert [p.name for p in tmp_path.iterdir()] == ["live.srt"]


def test_a_link_stays_one_and_folders_are_made(tmp_path: Path) -> None:
    (tmp_path / "link.srt").symlink_to(tmp_path / "deep" / "real.srt")

    Growing(tmp_path / "link.srt", "srt").close(1.0)

    assert (tmp_path / "link.srt").is_symlink()
    assert (tmp_path / "deep" / "real.srt").read_text() == ""


def test_a_format_that_cannot_grow_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="rttm cannot grow while people speak; srt, vtt, json, txt can"):
        Growing(tmp_path / "live.rttm", "rttm")
    with pytest.raises(UsageError, match="did you mean srt"):
        Growing(tmp_path / "live.srr", "srr")
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_nothing_can_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((OutputError, DiskError), match=r"writing live\.srt"):
        Growing(tmp_path / "file" / "live.srt", "srt")


def test_what_is_written_anew_each_time_does_not_grow_with_the_session(tmp_path: Path) -> None:
    """Captions: the sentence that is being said and the one before it."""
    path = tmp_path / "live.srt"
    growing = Growing(path, "srt")
    for final in finals(3000):
        growing.add(final)

    before = path.read_bytes()
    growing.add(Final(1e4, 1e4 + 1, 0, (Word(1e4, 1e4 + 1, " More"),), "en"))
    after = path.read_bytes()

    assert len(before) > 25_000
    assert after.startswith(before[:-2500])
