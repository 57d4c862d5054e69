"""The report in a real Chromium: by keyboard, on a phone, in light and dark, with names that mean harm."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_results import heard, result

from speechcli.bench import report
from speechcli.bench.compare import compare
from speechcli.bench.result import Result, Run

pytest_plugins = ["chromium"]
HOSTILE = "<img src=x onerror=alert(1)></script>"
GOOD, BAD = heard("good", 0.05, 12), heard("bad", 0.3, 12, speed=40.0)
BOTH = result(replace(GOOD, runs=(*GOOD.runs[:-1], Run("011.wav", 24.0, error="out of memory"))), BAD)


@pytest.fixture
def shown(opened: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    def show(of: Result = BOTH, old: Result | None = None, **how: Any) -> Any:
        path = tmp_path / "report.html"
        comparison = None if old is None else compare(old, of)
        path.write_text("".join(map(str, report.report(of, "html", comparison))), "utf-8")
        return opened(path, **how)

    return show


def column(page: Any, table: str, place: int) -> list[str]:
    return page.eval_on_selector_all(f"{table} tbody tr", f"rows => rows.map(r => r.cells[{place}].innerText.trim())")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_nothing_bars_anybody(shown: Callable[..., Any], width: int, dark: bool):
    """axe-core finds nothing, with errors opened and a comparison; nor does the page scroll sideways."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page = shown(old=result(heard("good", 0.1, 12), heard("bad", 0.2, 12)), width=width, dark=dark)
    page.locator("summary").first.click()
    page.locator(".snippets").first.wait_for()

    found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]

    assert [(f["id"], f["nodes"][0]["html"][:200]) for f in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_tables_sort_by_keyboard_and_tell_how(shown: Callable[..., Any]):
    page = shown()
    head = page.locator("#recordings th", has_text="bad").locator("visible=true")
    head.locator("button").focus()

    page.keyboard.press("Enter")
    up = [float(cell) for cell in column(page, "#recordings", 3)]
    assert up == sorted(up)
    assert head.get_attribute("aria-sort") == "ascending"

    page.keyboard.press("Enter")
    assert [float(cell) for cell in column(page, "#recordings", 3)] == up[::-1]
    assert head.get_attribute("aria-sort") == "descending"


def test_what_is_not_known_sorts_last_whichever_way(shown: Callable[..., Any]):
    page = shown()
    button = page.locator("#recordings th", has_text="good").locator("visible=true").locator("button")

    for _ in range(2):
        button.click()
        assert column(page, "#recordings", 2)[-1] == "failed"


def test_another_figure_of_each_recording_is_shown(shown: Callable[..., Any]):
    page = shown()
    assert page.locator("#recordings td:visible").count() == 12 * 3

    page.select_option("#kind", "rtfx")

    assert page.locator("#recordings td:visible").count() == 12 * 3
    row = page.locator("#recordings tbody tr", has_text="000.wav")
    assert [cell.strip() for cell in row.locator("td:visible").all_inner_texts()] == ["24 s", "10", "40"]


def test_the_errors_of_a_recording_are_drawn_when_it_is_opened(shown: Callable[..., Any]):
    page = shown()
    assert page.locator(".snippets").count() == 0

    link = page.locator("#recordings a", has_text="003.wav")
    link.focus()
    page.keyboard.press("Enter")

    block = page.locator("details[open]")
    assert block.count() == 1
    assert block.locator("summary").inner_text().startswith("003.wav")
    assert block.locator("h3").all_inner_texts() == ["good", "bad"]
    wrong = int(sum(s.runs[3].scores["wer"].errors for s in (GOOD, BAD)))
    assert block.locator(".pair").count() == wrong
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert block.locator(".pair").count() == wrong  # drawn once


def test_the_kinds_of_errors_differ_without_colour(shown: Callable[..., Any]):
    page = shown()
    page.locator("summary").first.click()
    for kind in ("substituted", "deleted", "inserted"):  # they are drawn when the browser tells that it has opened
        page.locator(f"details .pair.{kind}").first.wait_for()

    borders = {
        kind: page.eval_on_selector(f"details .pair.{kind}", "e => getComputedStyle(e).borderTopStyle")
        for kind in ("substituted", "deleted", "inserted")
    }

    assert len(set(borders.values())) == 3


def test_names_and_words_that_mean_harm_are_text(shown: Callable[..., Any]):
    """`opened` fails the test for any error or request; an alert would stop it."""
    evil = heard(HOSTILE, 0.5, 3, prefix=HOSTILE)
    runs = tuple(replace(run, reference=f"{HOSTILE} said", text=f"{HOSTILE} heard \u202e") for run in evil.runs)
    page = shown(result(replace(evil, runs=runs), heard("b", 0.5, 3, prefix=HOSTILE), machine={HOSTILE: HOSTILE}))

    page.locator("summary").first.click()
    page.locator(".pair").first.wait_for()

    assert page.locator("img").count() == 0
    assert HOSTILE in page.locator("#recordings").inner_text()
    assert HOSTILE.split()[0] in page.locator("details[open]").inner_text()


def test_every_chart_point_lies_in_the_chart_and_its_text_tells_the_figures(shown: Callable[..., Any]):
    for width in (1280, 360):
        page = shown(width=width)
        chart = page.locator('svg[role="img"]')
        frame = chart.bounding_box()

        for circle in page.locator(".point circle").all():
            box = circle.bounding_box()
            assert frame["x"] - 12 <= box["x"] <= frame["x"] + frame["width"] + 12
            assert frame["y"] <= box["y"] <= frame["y"] + frame["height"]
        assert "bad: WER" in chart.get_attribute("aria-label")
        assert page.locator(".point").count() == 2


def test_the_page_stays_quick_with_five_hundred_recordings(shown: Callable[..., Any]):
    """Of the errors only those are built that somebody opens; rows out of sight are not laid out."""
    page = shown(result(*(heard(name, 0.2, 500, length=30) for name in "abcd")))

    assert page.locator("details").count() == 500
    assert page.locator(".pair").count() == 3  # of the legend
    assert page.eval_on_selector("#recordings tbody tr", "e => getComputedStyle(e).contentVisibility") == "auto"
