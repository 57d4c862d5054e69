"""The page of an hour of talk, 10 000 words, in a real browser: until it can be used, a time update, search, scrolling.

Everything is timed in the page, with style and layout: a time update is what happens when the next word is spoken:
one word is put out, one is lit, the playhead is drawn, and the text is scrolled when the word is out of sight. Frames
are those that the browser gives while the text goes by at 100 pixels a frame, eight a screen; 16.7 ms is the
best there is. No recording is played, and where there is no graphics card the processors draw, too.

    python benchmarks/page.py --pairs 5
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import common
from common import Line
from playwright.sync_api import Browser, sync_playwright

from speechcli.core.span import Span
from speechcli.core.transcript import Segment, Transcript, Turn, Verdict, Word, joined
from speechcli.formats.html.beside import Beside, Peaks
from speechcli.formats.html.page import page

sys.path.insert(0, str(common.HERE.parent / "tests"))
from chromium import executable

DURATION, N_WORDS, N_SPEAKERS, A_SEGMENT = 3600.0, 10_000, 6, 20
TEXT = "It was the best of times, it was the worst of times, in short, the period was like the present one.".split()
UPDATES = """() => {
  const times = [];
  for (let i = 0; i < 1000; i++) {
    const began = performance.now();
    document.dispatchEvent(new KeyboardEvent('keydown', {key: '.', bubbles: true, cancelable: true}));
    document.body.offsetHeight;
    times.push(performance.now() - began);
  }
  return times;
}"""
SEARCH = """(text) => {
  const query = document.getElementById('query');
  const began = performance.now();
  query.value = text;
  query.dispatchEvent(new Event('input'));
  document.body.offsetHeight;
  return performance.now() - began;
}"""
SCROLL = """async () => {
  const times = [];
  let before = await new Promise(requestAnimationFrame);
  for (let i = 0; i < 200; i++) {
    scrollTo({top: 100 * i, behavior: 'instant'});
    const now = await new Promise(requestAnimationFrame);
    times.push(now - before);
    before = now;
  }
  return times;
}"""
LOAD = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"


def main() -> int:
    args = common.begin(common.arguments(__doc__))
    path = executable()
    if path is None:
        sys.exit("no Chromium was found, and CHROMIUM names none")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        file = Path(scratch) / "page.html"
        file.write_text("".join(page(talk(), beside=Beside(peaks=Peaks(_noise(), 50.0)))), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        rounds = [_round(browser, file) for _ in range(args.pairs)]
        about = f"One page, {args.pairs} times opened anew; Chromium {browser.version}."
        browser.close()
        size = file.stat().st_size
    updates = sorted(time for one in rounds for time in one["updates"])
    frames = sorted(time for one in rounds for time in one["frames"])
    lines = [
        Line("the file, without media", "MB", size / common.MB, passes=3.0),
        Line("opened until it can be used", "ms", median(one["load"] for one in rounds), passes=1500, stretch=500),
        Line("a time update, median", "ms", median(updates), passes=4.0, stretch=1.0),
        Line("a time update, 95 of 100 are quicker", "ms", _share(updates, 0.95), passes=16.7, stretch=4.0),
        Line(
            f"a search with {rounds[0]['hits']}", "ms", median(one["search"] for one in rounds), passes=200, stretch=50
        ),
        Line("a frame while scrolling, median", "ms", median(frames), passes=34),
        Line("a frame while scrolling, 95 of 100 are quicker", "ms", _share(frames, 0.95), passes=67),
    ]
    raw = [one | {row: _told(one[row]) for row in ("updates", "frames")} for one in rounds]
    return common.publish(args, "Page: an hour, 10 000 words", about, lines, raw)


def _round(browser: Browser, file: Path) -> dict[str, Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    shown = context.new_page()
    shown.goto(file.as_uri())
    result = {
        "load": shown.evaluate(LOAD),
        "updates": [round(time, 3) for time in shown.evaluate(UPDATES)],
        "search": shown.evaluate(SEARCH, "was"),
        "hits": shown.inner_text("#hits"),
        "frames": [round(time, 2) for time in shown.evaluate(SCROLL)],
    }
    context.close()
    return result


def talk() -> Transcript:
    """Six people, each word with all that it can have."""
    each = DURATION / N_WORDS
    tokens = list(islice(cycle(TEXT), N_WORDS))
    segments = tuple(_segments(tokens, each))
    turns = tuple(Turn(s.start, s.end, s.speaker or "") for s in segments)
    gaps = tuple(Span(at, at + 4.0) for at in range(60, 3600, 60))
    return Transcript("an hour.mp3", DURATION, segments, turns, "en", Verdict(0.9, 3000.0, gaps))


def _segments(tokens: list[str], each: float) -> Iterator[Segment]:
    for first in range(0, len(tokens), A_SEGMENT):
        speaker = f"SPEAKER_{first // A_SEGMENT % N_SPEAKERS:02}"
        words = tuple(
            Word(i * each, (i + 0.9) * each, f" {tokens[i]}", i * 7919 % 1000 / 1000, speaker, "aligner")
            for i in range(first, min(first + A_SEGMENT, len(tokens)))
        )
        yield Segment(words[0].start, words[-1].end, joined(words), words, speaker, "en")


def _noise() -> bytes:
    return bytes(i * 7919 % 251 for i in range(int(DURATION) * 50))


def _told(times: list[float]) -> dict[str, float]:
    return {"n": len(times), "median": median(times), "p95": _share(sorted(times), 0.95), "max": max(times)}


def _share(row: list[float], share: float) -> float:
    """The value that this share of a sorted row does not exceed."""
    return row[min(len(row) - 1, int(share * len(row)))]


if __name__ == "__main__":
    sys.exit(main())
