"""`-f html` of transcribe, align, diarize and convert: the page, its recording, its references, the folder's list."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import soundfile
from spoken import DATA

from speechcli.formats import table
from speechcli.formats.html import reading

LOBSTER = DATA / "367-130732-0000.flac"  # 2 s
MODERN = DATA / "LJ001-0002.flac"  # 2 s


@pytest.fixture(scope="session")
def made(tmp_path_factory, once) -> Path:
    """A folder of two recordings, transcribed into pages; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "talks/day 1").mkdir(parents=True)
    shutil.copy(LOBSTER, folder / "talks/lobster.flac")
    shutil.copy(MODERN, folder / "talks/day 1/modern #1?.flac")
    done = once(folder, "transcribe", "talks", "-f", "html,json")
    assert done.code == 0, done.err
    assert "all recordings -> talks/index.html" in done.err.splitlines()
    return folder / "talks"


@pytest.fixture(scope="session")
def alone(tmp_path_factory, once) -> Path:
    """A folder of one recording and its page."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copy(LOBSTER, folder / "talk.flac")
    assert once(folder, "transcribe", "talk.flac", "-f", "html").code == 0
    return folder


@pytest.fixture
def talks(made, here) -> Path:
    """The same in the current folder."""
    shutil.copytree(made, here / "talks")
    return here / "talks"


@pytest.fixture
def no_model(monkeypatch):
    """Whoever loads the model fails."""
    from speechcli.backends import registry

    def refuse(*_: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(registry, "open_transcriber", refuse)


def block(path: Path, name: str) -> object:
    held = reading.held(path, name)
    assert held is not None
    return json.loads(held)


def source(path: Path) -> str:
    """The address of the recording in a page, "" for none."""
    _, _, rest = path.read_text("utf-8").partition('<audio id="media"')
    return rest.partition(' src="')[2].partition('"')[0] if ' src="' in rest.partition(">")[0] else ""


def test_a_folder_becomes_pages_and_a_list(made):
    page = made / "lobster.html"

    assert "lobsters" in reading.transcript(page).text.lower()
    assert source(page) == "lobster.flac"
    assert source(made / "day 1/modern #1?.html") == "modern%20%231%3F.flac"
    assert block(page, "page")["peaks"]["rate"] == 100
    assert 'href="index.html">All recordings' in page.read_text()
    assert 'href="../index.html">All recordings' in (made / "day 1/modern #1?.html").read_text()
    listed = (made / "index.html").read_text()
    assert 'href="day%201/modern%20%231%3F.html"' in listed
    assert 'href="lobster.html"' in listed
    assert reading.transcript(page) == table.read(made / "lobster.json")


def test_what_is_done_is_not_done_again_and_the_list_stays_the_same(talks, speechcli, no_model):
    before = {path: path.read_bytes() for path in talks.rglob("*.html")}

    done = speechcli("transcribe", "talks", "-f", "html,json")

    assert done.code == 0
    assert done.err.count("already done") == 2
    assert {path: path.read_bytes() for path in talks.rglob("*.html")} == before


def test_a_recording_that_comes_later_is_listed_with_those_before(talks, speechcli):
    shutil.copy(LOBSTER, talks / "zebra.flac")

    done = speechcli("transcribe", "talks/zebra.flac", "-f", "html")

    assert done.code == 0, done.err
    listed = (talks / "index.html").read_text()
    assert [f'href="{name}.html"' in listed for name in ("lobster", "zebra", "day%201/modern%20%231%3F")] == [True] * 3


def test_one_recording_alone_gets_no_list(alone):
    assert sorted(path.name for path in alone.iterdir()) == [".speechcli-manifest.jsonl", "talk.flac", "talk.html"]
    assert "All recordings" not in (alone / "talk.html").read_text()


def test_a_page_alone_is_made_anew_without_a_model_when_the_recording_is_to_be_in_it(alone, here, speechcli, no_model):
    """Out of the transcript that the page itself holds: there is no json."""
    shutil.copytree(alone, here, dirs_exist_ok=True)
    first = reading.transcript(here / "talk.html")

    done = speechcli("transcribe", "talk.flac", "-f", "html", "--embed-media")

    assert done.code == 0, done.err
    assert source(here / "talk.html") == ""
    assert reading.held(here / "talk.html", "media-bytes") is not None
    assert reading.transcript(here / "talk.html") == first


def test_overwrite_and_all_leave_pages_to_those_who_ask_for_them(talks, speechcli):
    done = speechcli("transcribe", "talks/lobster.flac", "-f", "all", "-o", "out")

    assert done.code == 0
    assert not list(Path("out").glob("*.html"))
    assert speechcli("transcribe", "talks/lobster.flac", "-f", "all,html", "-o", "out").code == 0
    assert Path("out/lobster.html").is_file()
    assert source(Path("out/lobster.html")) == "../talks/lobster.flac"


def test_somebody_elses_index_and_page_stay(talks, speechcli):
    (talks / "index.html").write_text("<h1>mine</h1>")
    (talks / "lobster.html").write_text("mine")

    done = speechcli("transcribe", "talks", "-f", "html,json")

    assert done.code == 1
    assert (talks / "index.html").read_text() == "<h1>mine</h1>"
    assert (talks / "lobster.html").read_text() == "mine"
    assert sum("index.html is there and not ours" in line for line in done.err.splitlines()) == 1


# --- recordings that do not play, or are not there ---


def test_what_browsers_do_not_play_is_told_with_the_cure(here, speechcli, ffmpeg):
    subprocess.run([ffmpeg, "-v", "error", "-i", LOBSTER, "-c:a", "adpcm_ms", "talk.wav"], check=True)

    done = speechcli("transcribe", "talk.wav", "-f", "html")

    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if "--embed-media" in line]
    assert "browsers do not play adpcm_ms sound" in line
    assert block(here / "talk.html", "page")["problem"] == "browsers do not play adpcm_ms sound"
    assert speechcli("transcribe", "talk.wav", "-f", "html", "--embed-media").err.count("adpcm") == 0
    assert block(here / "talk.html", "page")["mime"] == "audio/mpeg"


def test_a_pipe_has_a_page_without_player_unless_it_is_to_hold_it(here, child):
    done = child("transcribe", "-", "-f", "html", "-o", "talk.html", shell=f"< '{LOBSTER}'")

    assert done.returncode == 0, done.stderr
    assert done.stderr.decode().count("no player: stdin is not kept") == 1
    page = here / "talk.html"
    assert "<audio" not in page.read_text()
    assert block(page, "page")["peaks"] is not None
    done = child("transcribe", "-", "-f", "html", "-o", "-", "--embed-media", shell=f"< '{LOBSTER}' > out.html")
    assert (done.returncode, done.stderr) == (0, b"")
    assert reading.held(here / "out.html", "media-bytes") is not None


def test_a_page_on_stdout_links_from_the_current_folder(talks, speechcli):
    done = speechcli("transcribe", "talks/lobster.flac", "-f", "html", "-o", "-")

    assert (done.code, done.err) == (0, "")
    assert ' src="talks/lobster.flac"' in done.out


# --- options ---


@pytest.mark.parametrize(
    "arguments",
    [
        ("transcribe", "talks/lobster.flac", "--embed-media"),
        ("transcribe", "talks/lobster.flac", "-f", "srt", "--references", "talks"),
        ("convert", "talks/lobster.json", "-f", "srt", "--media", "talks/lobster.flac"),
        ("convert", "talks/lobster.json", "-f", "srt", "--embed-media"),
        ("diarize", "talks/lobster.json", "--embed-media", "-f", "json"),
    ],
)
def test_options_of_pages_without_a_page_are_refused(talks, speechcli, no_model, arguments):
    done = speechcli(*arguments)

    assert done.code == 2
    assert done.err.endswith("add -f html\n")
    assert len(done.err.splitlines()) == 1


def test_references_show_the_errors(talks, speechcli, no_model):
    pytest.importorskip("jiwer")
    pytest.importorskip("whisper_normalizer")
    heard = table.read(talks / "lobster.json").text
    Path("ref.txt").write_text(heard.replace("lobsters", "elephants").replace("Lobsters", "Elephants"))

    done = speechcli("transcribe", "talks/lobster.flac", "-f", "html,json", "--reference", "ref.txt")

    assert done.code == 0, done.err
    assert {mark[4] for mark in block(talks / "lobster.html", "page")["marks"]} == {"elephants"}
    assert speechcli("transcribe", "talks/lobster.flac", "-f", "html", "--references", "nowhere").code == 66


def test_align_makes_pages_too(here, speechcli):
    shutil.copy(DATA / "LJ001-0002.flac", here / "talk.flac")
    shutil.copy(DATA / "LJ001-0002.txt", here / "talk.txt")

    done = speechcli("align", "talk.flac", "talk.txt", "-f", "html")

    assert done.code == 0, done.err
    assert source(here / "talk.aligned.html") == "talk.flac"
    assert reading.transcript(here / "talk.aligned.html").words


# --- convert ---


def test_convert_finds_the_recording_and_lists_several(talks, speechcli):
    done = speechcli("convert", "talks/lobster.json", "talks/day 1/modern #1?.json", "-f", "html", "-o", "out")

    assert done.code == 0, done.err
    assert source(Path("out/lobster.html")) == "../talks/lobster.flac"
    assert source(Path("out/modern #1?.html")) == "../talks/day%201/modern%20%231%3F.flac"
    assert 'href="index.html">All recordings' in Path("out/lobster.html").read_text()
    assert 'href="modern%20%231%3F.html"' in Path("out/index.html").read_text()
    assert done.err.splitlines()[-1] == "all recordings -> out/index.html"


def test_convert_makes_the_page_that_transcribe_made(talks, speechcli):
    (talks / "index.html").unlink()
    first = (
        (talks / "lobster.html")
        .read_text()
        .replace('<a id="home" class="button" href="index.html">All recordings</a>', "")
    )

    assert speechcli("convert", "talks/lobster.json", "-f", "html", "--overwrite").code == 0

    assert (talks / "lobster.html").read_text() == first


def test_convert_finds_the_recording_of_a_transcript_that_lies_elsewhere(here, speechcli):
    (here / "in").mkdir()
    shutil.copy(LOBSTER, here / "in/talk.flac")
    assert speechcli("transcribe", "in/talk.flac", "-f", "json", "-o", "out/").code == 0

    assert speechcli("convert", "out/talk.json", "-f", "html").code == 0

    assert source(here / "out/talk.html") == "../in/talk.flac"


def test_convert_without_a_recording_says_so_and_makes_the_page(here, speechcli):
    (here / "talk.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello there.\n")

    done = speechcli("convert", "talk.srt", "-f", "html")

    assert done.code == 0
    assert done.err.splitlines() == [
        "talk.srt: no player: talk.srt is not in .; --media names it",
        "talk.srt -> talk.html",
    ]
    assert speechcli("convert", "talk.srt", "-f", "html", "--overwrite", "--embed-media").code == 66


@pytest.mark.parametrize(("media", "code"), [("nix.mp3", 66), ("talk.txt", 65), ("pixel.png", 65)])
def test_media_that_is_none_is_one_line_and_the_other_formats_are_written(talks, speechcli, media, code):
    Path("talk.txt").write_text("no sound")
    Path("pixel.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    done = speechcli("convert", "talks/lobster.json", "-f", "html,vtt", "--media", media, "-o", "out")

    assert done.code == code
    assert [line for line in done.err.splitlines() if "error" in line] == [done.err.splitlines()[-1]]
    assert media in done.err.splitlines()[-1]
    assert [path.name for path in Path("out").iterdir()] == ["lobster.vtt"]


def test_one_recording_of_several_transcripts_is_refused_and_their_folder_is_not(talks, speechcli):
    shutil.copy(talks / "lobster.json", "a.json")
    shutil.copy(talks / "day 1/modern #1?.json", "b.json")

    done = speechcli("convert", "a.json", "b.json", "-f", "html", "--media", "talks/lobster.flac")
    both = speechcli("convert", "a.json", "b.json", "-f", "html", "--media", "talks")

    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert both.code == 0
    assert source(Path("a.html")) == "talks/lobster.flac"
    assert "no player" in both.err, "the other's recording lies deeper"


def test_a_page_that_cannot_be_written_is_one_line(talks, speechcli):
    Path("out/lobster.html").mkdir(parents=True)

    done = speechcli("convert", "talks/lobster.json", "-f", "html", "-o", "out")

    assert done.code == 73
    assert done.err == "speechcli: error: out/lobster.html is a folder; choose another place with -o\n"


def test_another_track_than_the_first_is_told(here, speechcli, ffmpeg):
    command = [
        ffmpeg,
        "-v",
        "error",
        "-i",
        MODERN,
        "-i",
        LOBSTER,
        "-map",
        "0:a",
        "-map",
        "1:a",
        "-c:a",
        "aac",
        "two.m4a",
    ]
    subprocess.run(command, check=True)

    done = speechcli("transcribe", "two.m4a", "--track", "1", "-f", "html")

    assert done.code == 0
    assert "the page plays track 0 and not 1, which was heard; --embed-media takes that one" in done.err
    assert "lobsters" in reading.transcript(here / "two.html").text.lower()
    assert source(here / "two.html") == "two.m4a"


def test_a_page_of_silence_is_a_page(here, speechcli):
    import numpy as np

    soundfile.write("silence.wav", np.zeros(32_000, np.float32), 16_000)

    done = speechcli("transcribe", "silence.wav", "-f", "html")

    assert done.code == 0
    assert reading.transcript(here / "silence.html").segments == ()
