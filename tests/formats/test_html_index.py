"""The page above the pages: a table of recordings, and a search over all of them, in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from speechcli.core.transcript import Segment, Transcript, Turn, Verdict
from speechcli.formats import table
from speechcli.formats.html.index import Row, index

pytest_plugins = ["chromium"]

HOSTILE = '<img src=x onerror=alert(1)></script><!--\u202e"&\u2028'


def talk(name: str, *texts: str, **more) -> Transcript:
    segments = tuple(Segment(10.0 * i + 3.2, 10.0 * i + 9, text, speaker="Anna") for i, text in enumerate(texts))
    return Transcript(name, 10.0 * len(texts) + 5, segments, **more)


def rows() -> list[Row]:
    return [
        Row("a.html", "", talk("a.mp3", "The cat sat.", "On the mat.", language="de")),
        Row("b%20%23.html", "", talk("b #.mp3", "Ein Café in İzmir.", "No cat here.", verdict=Verdict(complete=False))),
        Row("day/c.html", "day", talk("c.mp3", "Nothing of the kind.", verdict=Verdict(0.1, 20.0))),
    ]


def written(folder: Path, *made: Row) -> Path:
    (folder / "index.html").write_text("".join(index("talks", made)), "utf-8")
    return folder / "index.html"


def shown(page) -> list[str]:
    page.wait_for_timeout(200)
    return [text.replace("\n", " ") for text in page.locator("#found li").all_inner_texts()]


def test_it_says_of_each_recording_what_there_is_to_know():
    text = "".join(index("talks", rows()))

    found = re.findall(r'<a href="([^"]*)"><bdi>([^<]*)</bdi></a></th><td class="number">([^<]*)</td>', text)
    assert found == [
        ("a.html", "a.mp3", "0:25"),
        ("b%20%23.html", "b #.mp3", "0:25"),
        ("day/c.html", "day/c.mp3", "0:15"),
    ]
    assert re.findall(r"<td>(German|)</td>", text) == ["German", "", ""]
    assert re.findall(r'<td><span class="\w+">([^<]+)</span></td>', text) == [
        "ok",
        "to be checked",
        "not to be trusted",
    ]
    assert "3 recordings, 1:05" in text


def test_the_same_recordings_give_the_same_bytes():
    assert "".join(index("talks", rows())) == "".join(index("talks", rows()))


def test_turns_alone_are_a_recording_too():
    text = "".join(index("talks", [Row("a.html", "", Transcript("a.mp3", 2.0, turns=(Turn(0, 1, "Ben"),)))]))

    assert "<bdi>Ben</bdi>" in text


def test_many_speakers_are_counted():
    turns = tuple(Turn(i, i + 1, f"S{i}") for i in range(9))
    text = "".join(index("talks", [Row("a.html", "", Transcript("a.mp3", 9.0, turns=turns))]))

    assert "<bdi>S5</bdi> and 3 more" in text
    assert "S6" not in text


def test_hits_open_the_page_at_their_moment(tmp_path, opened):
    made = rows()
    for row in made[:2]:
        name = {"a.html": "a.html", "b%20%23.html": "b #.html"}[row.address]
        (tmp_path / name).write_text("".join(table.pieces("html", row.transcript)), "utf-8")
    page = opened(written(tmp_path, *made))

    page.keyboard.press("/")
    page.keyboard.type("CAT")

    assert shown(page) == ["0:03 Anna: The cat sat.", "0:13 Anna: No cat here."]
    assert page.locator("#count").inner_text() == "2 hits in 2 recordings"
    assert page.locator("mark").all_inner_texts() == ["cat", "cat"]
    assert not page.locator("#list").is_visible()
    page.locator("#found li a").nth(1).click()
    assert page.url == tmp_path.as_uri() + "/b%20%23.html#t=13.2"
    page.go_back()
    assert page.locator("#query").input_value() == "CAT"
    assert len(shown(page)) == 2


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ("cafe in", ["0:03 Anna: Ein Café in İzmir."]),
        ("izmir.", ["0:03 Anna: Ein Café in İzmir."]),
        ("mat", ["0:13 Anna: On the mat."]),
        ("  the   cat ", ["0:03 Anna: The cat sat."]),
        ("dog", []),
    ],
)
def test_case_accents_and_blanks_do_not_matter(tmp_path, opened, query, hits):
    page = opened(written(tmp_path, *rows()))

    page.locator("#query").fill(query)

    assert shown(page) == hits
    if not hits:
        assert page.locator("#count").inner_text() == "Nothing found"
        assert page.locator("#list").is_visible()


def test_a_recording_is_found_by_its_name_and_escape_shows_all_again(tmp_path, opened):
    page = opened(written(tmp_path, *rows()))

    page.locator("#query").fill("day/c")
    assert shown(page) == []
    assert page.locator("#found h2 a").evaluate_all("all => all.map(a => a.getAttribute('href'))") == ["day/c.html"]
    page.keyboard.press("Escape")

    assert not page.locator("#found").is_visible()
    assert page.locator("#list tbody tr").count() == 3


def test_hostile_text_is_shown_as_text(tmp_path, opened):
    """In names, speakers, languages and what is said; the fixture fails on any error or request."""
    row = Row(
        "a.html",
        HOSTILE,
        Transcript(HOSTILE, 5.0, (Segment(0, 1, f"say {HOSTILE}", speaker=HOSTILE),), language=HOSTILE),
    )
    page = opened(written(tmp_path, row, *rows()))

    page.locator("#query").fill("onerror")

    assert len(shown(page)) == 1
    assert "<img src=x onerror=alert(1)></script>" in page.locator("#found li").inner_text()
    assert page.locator("img").count() == 0
    assert page.locator("#list tbody tr").count() == 4


def test_a_long_text_is_shown_around_its_hit(tmp_path, opened):
    text = "before " * 200 + "needle" + " after" * 200
    page = opened(written(tmp_path, Row("a.html", "", talk("a.mp3", text))))

    page.locator("#query").fill("needle")

    (line,) = shown(page)
    assert "… before" in line
    assert "before needle after" in line
    assert line.endswith("after …")
    assert len(line) < 400


def test_hundreds_of_recordings_are_searched_and_two_hundred_hits_listed(tmp_path, opened):
    said = [f"word number {i}" for i in range(100)]
    made = [Row(f"{i}.html", "", talk(f"talk {i}.mp3", *said)) for i in range(300)]
    page = opened(written(tmp_path, *made))

    page.locator("#query").fill("number 7")

    assert len(shown(page)) == 200
    assert page.locator("#count").inner_text() == "3300 hits in 300 recordings, the first 200 are listed"
    assert page.locator("#found h2").count() == 19


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_accessible_and_fits_a_phone(tmp_path, opened, dark):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page = opened(written(tmp_path, *rows()), width=360, dark=dark)

    assert axe.Axe().run(page).response["violations"] == []
    page.locator("#query").fill("cat")
    shown(page)
    assert axe.Axe().run(page).response["violations"] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_its_data_are_one_block_of_strict_json():
    text = "".join(index("talks", rows()))

    (data,) = re.findall(r'<script type="application/json" id="recordings">(.*?)</script>', text, re.DOTALL)
    assert json.loads(data)[1] == [
        "b%20%23.html",
        "b #.mp3",
        [[3.2, "Anna", "Ein Café in İzmir."], [13.2, "Anna", "No cat here."]],
    ]
