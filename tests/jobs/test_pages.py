"""Pages among the outputs: their links, their keys, and the list of a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from speechcli.core.transcript import Segment, Transcript, Turn, Verdict, Word
from speechcli.errors import DataError, MediaError, NoInputError, OutputError, UsageError
from speechcli.formats import table
from speechcli.formats.html import reading
from speechcli.formats.html.beside import NOTHING
from speechcli.jobs import listing, manifest, pages
from speechcli.jobs.job import Job, Page, Question, Rendering, Text
from speechcli.jobs.listing import address
from speechcli.jobs.locks import lock
from speechcli.jobs.manifest import Manifest, Output
from speechcli.jobs.output import write_atomically
from speechcli.media import embedding

DATA = Path(__file__).parents[1] / "data"
LOBSTER = DATA / "367-130732-0000.flac"  # 2 s
NAMES = ["plain.flac", "a b#c?d%41&'\"<x>.flac", "ünï 世界.flac", "colon: a.flac", "back\\slash.flac", "bad\udcff.flac"]

pytestmark = pytest.mark.usefixtures("no_power_cuts")


def said(source: str = "talk.flac", text: str = " lobsters and lobsters", **more) -> Transcript:
    row = tuple(Word(i / 2, i / 2 + 0.4, f" {word}") for i, word in enumerate(text.split()))
    return Transcript(source, 2.0, (Segment(0.0, row[-1].end, text.strip(), row),), language="en", **more)


def job(media: Path, *outputs: Path, root: Path | None = None, **more) -> Job:
    named = tuple(((form.name if (form := table.by_suffix(path)) else "?"), path) for path in outputs)
    return Job(media, str(media), media.name, Question("m", "1"), named, root or media.parent, None, **more)


def written(path: Path, transcript: Transcript) -> Path:
    write_atomically(path, table.pieces("html", transcript))
    return path


@pytest.fixture
def talk(tmp_path) -> Path:
    """A recording of 2 s."""
    path = tmp_path / "talk.flac"
    shutil.copy(LOBSTER, path)
    return path


# --- addresses ---


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["", "deep/er", "../beside"])
def test_an_address_leads_back_to_the_file_whatever_its_name(tmp_path, name, place):
    folder = tmp_path / "pages"
    target = folder / place / name

    found = address(target, folder)

    assert set(found) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/%")
    assert ":" not in found, "or its begin would be taken for a protocol"
    assert os.path.normpath(os.fsencode(folder) + b"/" + unquote_to_bytes(found)) == os.path.normpath(
        os.fsencode(target)
    )


def test_on_another_drive_an_address_is_whole(tmp_path, monkeypatch):
    """Where there is no relative path: what ntpath.relpath raises for two drives."""

    def no_way(*_: object) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", no_way)

    assert address(tmp_path / "a #1.mp3", tmp_path) == f"file://{tmp_path}/a%20%231.mp3"


# --- what a page has ---


def test_a_page_links_to_its_recording_and_draws_it(talk, tmp_path, ffmpeg):
    made = pages.of_job(job(talk), Rendering(("html",)), said(), tmp_path / "out/talk.html")

    media, peaks = made.beside.media, made.beside.peaks
    assert (media.link, media.data, media.mime, media.video, media.problem) == (
        "../talk.flac",
        b"",
        "audio/flac",
        False,
        "",
    )
    assert peaks is not None
    assert len(peaks.values) == 237
    assert (made.notes, made.errors) == ((), ())


def test_an_embedded_recording_is_not_linked(talk, tmp_path, ffmpeg):
    rendering = Rendering(("html",), page=Page(embed=True))

    made = pages.of_job(job(talk), rendering, said(), tmp_path / "talk.html")

    assert (made.beside.media.link, made.beside.media.mime) == ("", "audio/flac")
    assert made.beside.media.data == talk.read_bytes()


def test_what_is_not_kept_is_not_linked_and_that_is_told(talk, tmp_path, ffmpeg):
    made = pages.of_job(job(talk, lasting=False), Rendering(("html",)), said(), tmp_path / "talk.html")

    assert made.beside.media == NOTHING.media
    assert made.beside.peaks is not None
    assert made.notes == (f"no player: {talk} is not kept; --embed-media puts it into the page",)


def test_what_is_too_large_to_embed_is_linked_and_is_an_error(talk, tmp_path, ffmpeg, monkeypatch):
    """The transcript of a night is not lost for it; and the next run tries again."""
    monkeypatch.setattr(embedding.embedded, "__defaults__", (None, 1000, 360_000.0))
    rendering = Rendering(("html",), page=Page(embed=True))
    page = tmp_path / "talk.html"

    made = pages.of_job(job(talk), rendering, said(), page)

    assert made.beside.media.link == "talk.flac"
    assert [type(error) for error in made.errors] == [MediaError]
    assert made.key == pages.key("html", page, job(talk), Rendering(("html",)))
    assert made.key != pages.key("html", page, job(talk), rendering)


def test_with_turns_given_the_recording_is_looked_for_beside_the_transcript(talk, tmp_path, ffmpeg):
    text = tmp_path / "talk.diarized.json"
    text.write_text("")
    turns = Text(text, "talk", "", turns=tmp_path / "talk.rttm")

    made = pages.of_job(job(text, text=turns), Rendering(("html",)), said(), tmp_path / "talk.html")

    assert made.beside.media.link == "talk.flac"


def test_what_cannot_be_played_any_more_is_told_and_no_error(talk, tmp_path, ffmpeg):
    """The transcript is whole, and the recording went away meanwhile."""
    talk.unlink()

    made = pages.of_job(job(talk), Rendering(("html",)), said(), tmp_path / "talk.html")

    assert made.beside == NOTHING
    assert made.errors == ()
    assert made.notes == (f"no player: {talk.name} is not there; was it moved or deleted?",)


@pytest.mark.parametrize(
    ("source", "text", "there", "found"),
    [
        ("talk.mp3", "other.json", ["talk.mp3", "other.mp3"], "talk.mp3"),
        ("talk.json", "talk.json", ["talk.wav"], "talk.wav"),
        ("elsewhere.mp3", "talk.aligned.json", ["talk.wav"], "talk.wav"),
        ("../../etc/talk.mp3", "x.json", ["talk.mp3"], "talk.mp3"),
        ("talk.mp3", "x.json", ["other.mp3", "talk.txt"], None),
    ],
)
def test_the_recording_of_a_transcript_is_found_by_name(tmp_path, source, text, there, found):
    for name in there:
        (tmp_path / name).write_text("")

    path = pages.recording_of(said(source), tmp_path / text)

    assert path == (None if found is None else tmp_path / found)


def test_of_two_recordings_that_may_be_meant_none_is_guessed(tmp_path):
    for name in ("talk.mp3", "talk.wav"):
        (tmp_path / name).write_text("")

    with pytest.raises(UsageError, match=r"talk.json may be of talk.mp3, talk.wav; --media names its recording"):
        pages.recording_of(said("talk.json"), tmp_path / "talk.json")


def test_errors_against_a_reference_are_shown_and_counted(talk, tmp_path, ffmpeg):
    pytest.importorskip("jiwer")
    pytest.importorskip("whisper_normalizer")
    (tmp_path / "refs").mkdir()
    (tmp_path / "refs/talk.txt").write_text("Lobsters or lobsters.")
    page = pages.page_of(False, tmp_path / "refs")

    made = pages.of_job(job(talk), Rendering(("html",), page=page), said(), tmp_path / "talk.html")

    assert made.beside.scored == "WER 33.3 % (1 of 3 words), normalizer english"
    assert [(m.kind, m.segment, m.first, m.last, m.reference) for m in made.beside.marks or ()] == [
        ("substituted", 0, 1, 2, "or")
    ]


def test_without_a_reference_for_it_a_page_says_so_and_is_made(talk, tmp_path, ffmpeg):
    pytest.importorskip("jiwer")
    (tmp_path / "refs").mkdir()
    (tmp_path / "refs/another.txt").write_text("Something else.")

    made = pages.of_job(
        job(talk), Rendering(("html",), page=pages.page_of(False, tmp_path / "refs")), said(), tmp_path / "talk.html"
    )

    assert made.beside.marks is None
    assert made.notes == ("no errors shown: there is no reference for it",)
    with pytest.raises(NoInputError):
        pages.page_of(False, tmp_path / "nowhere")


# --- keys ---


def test_the_keys_of_other_formats_are_what_they_were_before_there_were_pages():
    """Or every finished transcript of everybody would be made anew. The digests were taken at 90acb83."""
    rendering = Rendering(("srt", "json"))
    embedded = replace(rendering, page=Page(embed=True))
    media = Path("/nowhere/talk.mp3")

    for one in (rendering, embedded):
        assert pages.key("srt", Path("/nowhere/talk.srt"), job(media), one) == "9c67b48a8acc2fa3819b7e92fc938f2a"
        assert pages.key("json", Path("/nowhere/talk.json"), job(media), one) == "70d744e8335b7180a0c8142e6278ac2f"


def test_the_key_of_a_page_tells_what_is_in_it(talk, tmp_path):
    page = tmp_path / "talk.html"
    plain = Rendering(("html",))

    def key(rendering: Rendering, **more) -> str:
        return pages.key("html", page, job(talk, **more), rendering)

    keys = {
        key(plain),
        key(replace(plain, page=Page(embed=True))),
        key(replace(plain, words=False)),
        key(replace(plain, speakers={"SPEAKER_00": "Anna"})),
        key(replace(plain, style=replace(plain.style, max_line_width=20))),
        key(replace(plain, page=Page(listed=frozenset({tmp_path})))),
    }

    assert len(keys) == 6
    assert key(plain) == key(replace(plain, formats=("srt", "html"))), "and nothing else"


def test_the_key_of_a_page_changes_with_the_reference(talk, tmp_path):
    pytest.importorskip("jiwer")
    reference = tmp_path / "talk.txt"
    reference.write_text("Lobsters.")
    rendering = Rendering(("html",), page=pages.page_of(False, tmp_path))
    first = pages.key("html", tmp_path / "talk.html", job(talk), rendering)

    reference.write_text("Lobsters or not.")

    assert pages.key("html", tmp_path / "talk.html", job(talk), rendering) != first


@pytest.mark.parametrize(
    ("change", "whole"),
    [({}, True), ({"page": Page(embed=True)}, True), ({"words": False}, False), ({"speakers": {"A": "B"}}, False)],
)
def test_a_page_with_everything_in_it_serves_to_make_the_others(talk, tmp_path, change, whole):
    key = pages.key("html", tmp_path / "talk.html", job(talk), Rendering(("html",), **change))

    assert pages.holds_all(Output("html", "digest", key)) is whole


def test_what_a_page_holds_is_read_again(tmp_path):
    transcript = said(text=" </script><!-- é", verdict=Verdict(0.9, 1.0, notes=("a\u2028b",)))
    transcript = replace(transcript, turns=(Turn(0.0, 1.0, "A<b>"),))

    page = written(tmp_path / "talk.html", transcript)

    assert reading.transcript(page) == transcript
    assert reading.held(page, "nothing") is None
    bare = tuple(replace(segment, words=()) for segment in transcript.segments)
    assert reading.outline(page) == replace(transcript, segments=bare)


@pytest.mark.parametrize("text", ["", "<p>", '<script type="application/json" id="document">{"a":', "x" * 100])
def test_a_file_that_is_no_page_is_told(tmp_path, text):
    (tmp_path / "a.html").write_text(text)

    for read in (reading.transcript, reading.outline):
        with pytest.raises(DataError, match=r"a\.html is no page of a transcript"):
            read(tmp_path / "a.html")


# --- the list ---


def tree(root: Path) -> Path:
    for name, text in (("b.html", " two"), ("day 2/a#1.html", " three"), ("a.html", " one")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        written(root / name, said(Path(name).stem + ".mp3", text))
    return root


def test_a_list_has_every_page_of_its_folders_in_order(tmp_path):
    root = tree(tmp_path / "talks")
    (root / "mine.html").write_text("<p>no page of ours</p>")
    (root / ".hidden.html").write_text("")

    path = listing.write(root, [root / "day 2", root / "gone"])

    assert path == root / "index.html"
    text = path.read_text()
    addresses = ['href="a.html"', 'href="b.html"', 'href="day%202/a%231.html"']
    assert sorted(addresses, key=text.index) == addresses
    assert "mine" not in text
    assert listing.is_ours(path)


def test_a_list_is_the_same_bytes_again_and_forgets_what_is_gone(tmp_path):
    root = tree(tmp_path)
    first = (listing.write(root, []) or root).read_bytes()

    assert (listing.write(root, []) or root).read_bytes() == first
    (root / "b.html").unlink()
    assert b'href="b.html"' not in (listing.write(root, []) or root).read_bytes()


@pytest.mark.parametrize("other", ["<h1>My home page</h1>", ""])
def test_somebody_elses_index_stays(tmp_path, other):
    root = tree(tmp_path)
    (root / "index.html").write_text(other)

    with pytest.raises(OutputError, match="is there and not ours"):
        listing.write(root, [])

    assert (root / "index.html").read_text() == other
    assert listing.home(root, root / "a.html", listed=True) == ""


def test_the_page_of_a_recording_called_index_stays_too(tmp_path):
    written(tmp_path / "index.html", said("index.mp3"))

    with pytest.raises(OutputError):
        listing.write(tmp_path, [])


def test_without_pages_there_is_no_list(tmp_path):
    assert listing.write(tmp_path, []) is None
    assert list(tmp_path.iterdir()) == []


def test_pages_lead_back_to_the_list_there_is_or_will_be(tmp_path):
    page = tmp_path / "day 2/a.html"

    assert listing.home(tmp_path, page, listed=False) == ""
    assert listing.home(tmp_path, page, listed=True) == "../index.html"
    tree(tmp_path)
    listing.write(tmp_path, [])
    assert listing.home(tmp_path, page, listed=False) == "../index.html"
    assert listing.home(tmp_path, tmp_path / "index.html", listed=True) == ""


def test_a_manifest_knows_the_folders_of_its_pages(tmp_path):
    known = Manifest(tmp_path)
    for i, name in enumerate(("a.html", "x/y/b.html", "z/c.srt")):
        output = Output(name.rsplit(".", 1)[1], "d", "r")
        known.add(manifest.Entry(f"{i}.mp3", 1, 1, "f", "q", {name: output}, "ok", 0, 1.0))

    assert listing.folders_of(known) == {tmp_path, tmp_path / "x/y"}


@pytest.mark.skipif(os.name != "posix", reason="folders have no locks there")
def test_who_lists_waits_for_the_one_that_does_and_sees_its_pages(tmp_path):
    """Or the list of the one that looked first would come last."""
    tree(tmp_path)
    handle = os.open(tmp_path, os.O_RDONLY)
    lock(handle)
    waiting = threading.Thread(target=listing.write, args=(tmp_path, []))
    waiting.start()
    waiting.join(0.3)

    assert waiting.is_alive()
    assert not (tmp_path / "index.html").exists()
    written(tmp_path / "late.html", said("late.mp3"))
    os.close(handle)
    waiting.join(30)
    assert 'href="late.html"' in (tmp_path / "index.html").read_text()


def test_processes_that_list_at_once_lose_no_page_and_leave_no_half_file(tmp_path):
    """Each makes a page, then the list: whoever comes last has seen them all."""
    code = (
        "import sys; from pathlib import Path; from speechcli.jobs import listing\n"
        "from speechcli.formats import table; from speechcli.core.transcript import Transcript\n"
        "root = Path(sys.argv[1])\n"
        "for i in range(8):\n"
        "    name = f'{sys.argv[2]}{i}'\n"
        "    (root / f'{name}.html').write_text(''.join(table.pieces('html', Transcript(f'{name}.mp3', 1.0))))\n"
        "    listing.write(root, [])\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "abc"]
    while any(process.poll() is None for process in running):
        if (tmp_path / "index.html").exists():
            assert (tmp_path / "index.html").read_text().endswith("</html>\n")

    assert [process.returncode for process in running] == [0, 0, 0]
    text = (tmp_path / "index.html").read_text()
    assert all(f'href="{name}{i}.html"' in text for name in "abc" for i in range(8))
    assert len(list(tmp_path.iterdir())) == 25, "and nothing else is left"
