"""The page of a recording as a file: what it holds, and that nothing in a transcript can break it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from made_pages import ARABIC, EMPTY, HOSTILE, MARKS, PLAIN, TALK, TURNS, UNFIT, hour

from speechcli.core.transcript import Transcript, Verdict
from speechcli.formats import jsondoc
from speechcli.formats.html.beside import NOTHING, Beside, Mark, Media, Peaks
from speechcli.formats.html.flagged import flags
from speechcli.formats.html.page import page
from speechcli.formats.html.shell import block, shell

ALL = {
    "talk": TALK,
    "turns": TURNS,
    "plain": PLAIN,
    "arabic": ARABIC,
    "empty": EMPTY,
    "hostile": HOSTILE,
    "unfit": UNFIT,
}


class Tags(HTMLParser):
    """The tags of a page with their attributes, its scripts by id, its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.styles: list[str] = []
        self.texts: list[str] = []
        self._inside: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = [tag]

    def handle_endtag(self, tag):
        self._inside = []

    def handle_data(self, data):
        if self._inside == ["script"]:
            self.scripts.append((self.tags[-1][1], data))
        elif self._inside == ["style"]:
            self.styles.append(data)
        else:
            self.texts.append(data)

    def block(self, name: str) -> str:
        return next(text for attributes, text in self.scripts if attributes.get("id") == name)


def made(transcript: Transcript, beside: Beside = NOTHING) -> Tags:
    return Tags("".join(page(transcript, beside=beside)))


@pytest.mark.parametrize("name", ALL)
def test_the_page_holds_the_transcript_as_our_json_does(name):
    inside = made(ALL[name]).block("document")

    assert jsondoc.read(inside, "page") == jsondoc.read("".join(jsondoc.document(ALL[name])), "json")


def test_the_same_transcript_gives_the_same_bytes():
    beside = Beside(Media("a.mp3"), Peaks(bytes(range(256)), 50.0), MARKS, "WER 3 %")

    assert "".join(page(TALK, beside=beside)) == "".join(page(TALK, beside=beside))


def test_only_our_own_scripts_and_styles_can_run_and_nothing_is_fetched():
    found = made(HOSTILE, Beside(Media("a%20b.mp3")))
    policy = next(a["content"] for tag, a in found.tags if tag == "meta" and "http-equiv" in a)
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    running = [text for attributes, text in found.scripts if "type" not in attributes]

    def hashes(texts):
        return [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts]

    assert rules["default-src"] == rules["connect-src"] == ["'none'"]
    assert rules["script-src"] == hashes(running)
    assert rules["style-src"] == hashes(found.styles)
    assert not any("://" in (value or "") for tag, a in found.tags if tag != "meta" for value in a.values())
    assert not any(name.startswith("on") or name == "style" for _, a in found.tags for name in a)


def test_hostile_text_makes_no_tags():
    plain = {tag for tag, _ in made(TALK).tags}
    found = made(HOSTILE, Beside(marks=(Mark("deleted", 0, 0, 0, "</script><b>"),), scored="<b>", home='"><b>'))

    assert {tag for tag, _ in found.tags} - plain <= {"a"}
    assert "alert(2)" in "".join(found.texts)
    assert json.loads(found.block("page"))["marks"] == [["deleted", 0, 0, 0, "</script><b>"]]
    assert re.search("<title>(.*)</title>", "".join(page(HOSTILE)))[1].endswith("\ufffdgpj.exe: transcript")


def test_a_data_block_can_end_nothing():
    text = "".join(shell("t", "", data={"x": block("</script><!--\u2028\u2029&\ud800")}))
    inside = Tags(text).block("x")

    assert not re.search("[<>&\u2028\u2029]", inside)
    assert json.loads(inside) == "</script><!--\u2028\u2029&\ufffd"


def test_a_script_that_would_end_itself_is_refused():
    with pytest.raises(ValueError, match="cannot stand"):
        list(shell("t", "", scripts=("x = '</script>'",)))


def test_an_hour_of_ten_thousand_words_stays_under_three_megabytes():
    talk = hour()
    assert len(talk.words) == 10_000

    marks = tuple(Mark("substituted", s, 3, 4, "another") for s in range(len(talk.segments)))
    size = len("".join(page(talk, beside=Beside(Media("a.mp3"), Peaks(bytes(3600 * 50), 50.0), marks))).encode())

    assert size < 3_000_000


def test_the_recording_is_linked_or_held():
    linked = made(TALK, Beside(Media("a%20b.mp3", video=True)))
    data = bytes(range(256)) * 3000
    held = made(TALK, Beside(Media("a.mp3", data, "audio/mpeg")))

    assert [(tag, a["src"]) for tag, a in linked.tags if tag in ("audio", "video")] == [("video", "a%20b.mp3")]
    assert [(tag, a.get("src")) for tag, a in held.tags if tag in ("audio", "video")] == [("audio", None)]
    assert base64.b64decode(json.loads(held.block("media-bytes"))) == data
    assert not any(tag in ("audio", "video") for tag, _ in made(TALK).tags)


def test_flagged_places_are_what_is_odd_by_their_start():
    found = flags(TALK, MARKS)

    assert [(f.kind, f.start, f.text) for f in found] == [
        ("error", 2.0, "best"),
        ("error", 2.5, "of"),
        ("unsure", 6.0, "maybe this"),
        ("error", 10.9, ""),
        ("error", 12.9, ""),
        ("gap", 14.0, ""),
        ("guessed", 20.0, "one two three"),
        ("dropped", 30.0, "you you"),
    ]
    assert [(f.kind, f.start) for f in flags(UNFIT)] == [("unspoken", 1.0), ("unwritten", 8.0), ("cut", 30.0)]
    assert flags(EMPTY) == []


def test_an_error_in_a_segment_without_words_is_at_its_segment():
    (found,) = flags(PLAIN, (Mark("substituted", 0, 1, 2, "sound"),))

    assert (found.start, found.end, found.text) == (0.0, 4.0, "words")


def test_the_head_tells_how_far_it_can_be_trusted_and_how_wrong_it_is():
    text = " ".join("".join(made(TALK, Beside(marks=MARKS, scored="WER 25 %")).texts).split())
    unfit = "".join(made(UNFIT).texts)

    assert "To be checked" in text
    assert "a note" in text
    assert "Against the reference: WER 25 %; 4 places (1 wrong, 1 too many, 2 missing)." in text
    assert "Not to be trusted" in unfit
    assert "20% of the text was found in the recording" in unfit
    assert "Against the reference" not in unfit
    assert "convert -f html --media gives it one" in unfit
    assert "gives it one" not in "".join(made(UNFIT, Beside(Media("read.mp3"))).texts)
    assert "To be checked" not in "".join(made(replace(TALK, verdict=Verdict(0.9, 20.0))).texts)
