"""A real Chromium for the tests of pages. A test file that wants it says `pytest_plugins = ["chromium"]`.

The system's browser is used (Playwright's own are a download): $CHROMIUM, else the first there is of the usual names.
Without one, or without Playwright, such tests are skipped with that reason.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def executable() -> str | None:
    """The browser there is."""
    return os.environ.get("CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser, a playwright Browser. Gone after the file: while it runs, nothing else can use asyncio here."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install speechcli[test]")
    path = executable()
    if path is None:
        pytest.skip(f"needs a browser: none of {', '.join(NAMES)} was found, and CHROMIUM names none")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--mute-audio"]
        )
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens a file as a playwright Page: `opened(path, width=360, dark=True, at="#t=3")`.

    At the end of the test nothing must have gone wrong in any of them, and nothing been asked of a network.
    wrong: what the test expects to go wrong, as parts of the messages.
    """
    contexts: list[Any] = []
    told: list[str] = []
    asked: list[str] = []
    expected: list[str] = []

    def open_page(
        path: Path, width: int = 1280, height: int = 800, dark: bool = False, at: str = "", wrong: tuple[str, ...] = ()
    ) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            has_touch=width < 600,
            accept_downloads=True,
        )
        contexts.append(context)
        expected.extend(wrong)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("console", lambda line: told.append(line.text) if line.type in ("error", "warning") else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.resolve().as_uri() + at)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [line for line in told if not any(part in line for part in expected)] == []
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []
