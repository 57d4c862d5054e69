"""The page of a recording in a real Chromium: listened to, searched and corrected by mouse and by keyboard."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from made_pages import ARABIC, EMPTY, HOSTILE, MARKS, PACKED, PLAIN, SAMPLE, TALK, TURNS, hour, written

from speechcli.formats import table
from speechcli.formats.html.beside import Beside, Mark, Media, Peaks

pytest_plugins = ["chromium"]

HELD = Beside(Media("", SAMPLE.read_bytes(), "audio/mpeg"), Peaks(bytes(range(256)) * 9, 50.0))
AT = "document.getElementById('seek').getAttribute('aria-valuetext')"
LIT = "[...document.querySelectorAll('.w.on')].map(word => word.textContent)"
# How many elements change at a time, each time that something does, and the words that were lit meanwhile.
WATCH = """() => {
  window.changes = [];
  window.spoken = new Set();
  new MutationObserver((records) => {
    window.changes.push(new Set(records.map((one) => one.target)).size);
    window.spoken.add(document.querySelector('.on')?.textContent);
  }).observe(document, {attributes: true, childList: true, characterData: true, subtree: true});
}"""


def until(page, condition):
    """Waits for a condition; playwright's own way of waiting is an eval, which the page forbids."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"waited ten seconds for {condition}")


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def hit_marks(page, name):
    return page.evaluate(f"[...(CSS.highlights.get('{name}') ?? [])].map(range => range.toString())")


def saved(page, kind: str, folder: Path) -> Path:
    page.click("#save summary")
    with page.expect_download() as told:
        page.click(f"[data-save={kind}]")
    path = folder / told.value.suggested_filename
    told.value.save_as(path)
    return path


def test_a_click_on_a_word_goes_there_and_words_are_lit_as_they_are_spoken(opened, tmp_path):
    page = opened(written(tmp_path, TALK, HELD))
    until(page, "document.getElementById('media').readyState > 0")

    page.get_by_text("best", exact=True).click()

    assert page.evaluate(LIT) == ["best"]
    assert page.evaluate("document.getElementById('media').currentTime") == pytest.approx(2.0, abs=0.001)
    assert page.evaluate(AT) == "0:02 / 0:44"
    page.evaluate(WATCH)
    press(page, "k")
    until(page, "window.spoken.has('times')")
    press(page, " ")
    assert page.evaluate("[...window.spoken]")[0] == "best"
    assert page.evaluate("document.getElementById('media').paused")


def test_while_it_plays_at_most_three_elements_change_at_a_time(opened, tmp_path):
    page = opened(written(tmp_path, TALK, HELD))
    until(page, "document.getElementById('media').readyState > 0")
    page.select_option("#speed", "2")
    press(page, "k")
    page.evaluate(WATCH)
    until(page, "window.spoken.has('maybe')")
    changes = page.evaluate("window.changes")

    assert len(changes) >= 8
    assert max(changes) <= 3


def test_with_ten_thousand_words_at_most_three_elements_change_at_a_time(opened, tmp_path):
    page = opened(written(tmp_path, hour()), at="#t=1800")
    assert page.evaluate("document.querySelectorAll('.said .w').length") == 10_000
    page.evaluate(WATCH)

    for _ in range(20):
        press(page, ".")
    changes = page.evaluate("window.changes")

    assert len(changes) == 20
    assert max(changes) <= 3
    assert page.evaluate("document.querySelectorAll('.w.on').length") == 1
    assert page.evaluate("document.querySelector('.on').getBoundingClientRect().top") > 0


def test_a_time_in_the_address_is_gone_to(opened, tmp_path):
    page = opened(written(tmp_path, TALK), at="#t=7.1")
    assert page.evaluate(LIT) == ["that"]

    page.evaluate("location.hash = '#t=21.6'")
    until(page, f"({LIT})[0] === 'four'")


def test_the_keyboard_goes_through_seconds_words_sentences_and_flagged_places(opened, tmp_path):
    page = opened(written(tmp_path, TALK))
    places = []
    for key in ("ArrowRight", "l", "ArrowLeft", "j", "ArrowDown", "]", "ArrowUp", "[", ".", ",", "n", "n", "p", "p"):
        press(page, key)
        places.append((key, page.evaluate("document.getElementById('seek').getAttribute('aria-valuenow')")))

    assert places == [
        ("ArrowRight", "5"),
        ("l", "15"),
        ("ArrowLeft", "10"),
        ("j", "0"),
        ("ArrowDown", "0"),  # 0.5 s
        ("]", "6"),
        ("ArrowUp", "0"),
        ("[", "0"),
        (".", "0"),  # 0.5 s
        (",", "0"),
        ("n", "6"),
        ("n", "14"),
        ("p", "6"),
        ("p", "30"),
    ]
    assert page.inner_text("#said") == "Flagged place 4 of 4, Taken out at 0:30"
    assert page.locator("#flag-list [aria-current]").inner_text().startswith("0:30")


def test_keys_type_while_somebody_types(opened, tmp_path):
    page = opened(written(tmp_path, TALK))
    press(page, "/")
    page.keyboard.type("jekn ?")

    assert page.input_value("#query") == "jekn ?"
    assert page.evaluate(AT) == "0:00 / 0:44"
    assert not page.is_visible("#help")
    press(page, "Escape", "?")
    assert page.is_visible("#help")
    press(page, "l")
    assert page.evaluate(AT) == "0:00 / 0:44"


def test_the_slider_is_moved_by_its_own_keys_and_by_the_mouse(opened, tmp_path):
    page = opened(written(tmp_path, TALK))
    page.focus("#seek")
    press(page, "End")
    assert page.evaluate(AT) == "0:44 / 0:44"
    press(page, "Home", "ArrowUp")
    assert page.evaluate(AT) == "0:05 / 0:44"

    box = page.locator("#wave").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 10)

    assert page.evaluate(AT) == "0:22 / 0:44"


def test_everything_can_be_reached_with_the_tab_key(opened, tmp_path):
    page = opened(written(tmp_path, TALK, HELD))
    reached = []
    for _ in range(20):
        press(page, "Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.localName"))

    assert reached[0] == "a"  # to the transcript
    assert {"edit", "theme", "help-open", "play", "back", "forward", "speed", "query", "seek", "flag-next"} <= {
        *reached
    }


def test_a_search_counts_lists_and_marks_what_it_finds(opened, tmp_path):
    page = opened(written(tmp_path, TALK, Beside(marks=MARKS)))
    press(page, "/")
    page.keyboard.type("OF  times")

    assert page.inner_text("#hits") == "2 hits"
    assert hit_marks(page, "hits") == ["of times", "of times"]
    assert "the worst of times" in page.locator("#found-list li").nth(1).inner_text()
    press(page, "Enter", "Enter")
    assert page.inner_text("#hits") == "2 of 2"
    assert hit_marks(page, "hit") == ["of times"]
    assert page.evaluate(LIT) == ["of"]
    assert page.evaluate(AT) == "0:12 / 0:44"
    press(page, "Shift+Enter")
    assert page.inner_text("#hits") == "1 of 2"
    page.fill("#query", "finest")  # what the reference has is no part of the text
    assert page.inner_text("#hits") == "no hits"


def test_a_corrected_text_is_saved_and_read_again(opened, tmp_path):
    page = opened(written(tmp_path, TALK))
    press(page, "e")
    page.get_by_role("button", name="Correct the sentence at 0:10").click()
    page.keyboard.press("Control+A")
    page.keyboard.type("It was the very worst <b>of</b> times")
    page.keyboard.press("Control+Enter")

    assert "the very worst <b>of</b> times" in page.inner_text("#transcript")
    assert page.evaluate("document.activeElement.className") == "fix"
    corrected = table.read(saved(page, "json", tmp_path))
    assert corrected.segments[2].text == "It was the very worst <b>of</b> times"
    assert corrected.segments[2].words[0] == TALK.segments[2].words[0]
    assert corrected.segments[:2] == TALK.segments[:2]
    assert corrected.source == "a talk.mp3"
    subtitles = saved(page, "srt", tmp_path)
    assert subtitles.name == "a talk.srt"
    assert "very worst" in subtitles.read_text()
    assert "very worst" in saved(page, "vtt", tmp_path).read_text()


def test_what_was_not_corrected_is_saved_as_the_same_document(opened, tmp_path):
    page = opened(written(tmp_path, TALK))

    assert saved(page, "json", tmp_path).read_text() == "".join(table.pieces("json", TALK))
    assert saved(page, "srt", tmp_path).read_text() == "".join(table.pieces("srt", TALK))


def test_a_speaker_is_renamed_everywhere_and_the_renaming_undone(opened, tmp_path):
    page = opened(written(tmp_path, TALK))
    press(page, "]", "s")
    page.wait_for_selector("#who[open]")
    page.fill("#rename", "Anna Ö. <x>")
    press(page, "Enter")

    assert page.locator(".lane .name").all_inner_texts() == ["Anna Ö. <x>", "TOM"]
    assert page.locator(".seg .who").all_inner_texts() == ["Anna Ö. <x>", "Anna Ö. <x>", "TOM", "TOM"]
    press(page, "e", "u")
    assert page.locator(".lane .name").all_inner_texts() == ["ANNA", "TOM"]
    assert page.locator(".seg .who").all_inner_texts() == ["ANNA", "TOM"]
    press(page, "U")
    assert page.locator(".lane .name").all_inner_texts() == ["Anna Ö. <x>", "TOM"]


def test_a_sentence_is_given_to_somebody_else(opened, tmp_path):
    page = opened(written(tmp_path, TALK))
    press(page, "e")
    page.locator("button.who").nth(1).click()
    page.fill("#reassign", "TOM")
    press(page, "Enter")

    assert [s.speaker for s in table.read(saved(page, "json", tmp_path)).segments] == ["ANNA", "TOM", "TOM", "TOM"]


def test_leaving_with_unsaved_corrections_is_asked_about_and_only_then(opened, tmp_path):
    page = opened(written(tmp_path, TALK))
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    assert asked == []

    press(page, "e")
    page.get_by_role("button", name="Correct the sentence at 0:06").click()
    page.keyboard.type("Well, ")
    page.keyboard.press("Control+Enter")
    page.reload()

    assert asked == ["beforeunload"]


def test_escape_leaves_a_text_as_it_was(opened, tmp_path):
    page = opened(written(tmp_path, TALK))
    press(page, "]", "]", "e", "Enter")
    page.wait_for_selector("textarea")
    page.keyboard.type("nonsense")
    press(page, "Escape")

    assert "nonsense" not in page.inner_text("#transcript")
    assert not page.is_visible("#undo")


def test_hostile_text_is_shown_as_text(opened, tmp_path):
    page = opened(written(tmp_path, HOSTILE, Beside(marks=(Mark("deleted", 1, 1, 1, "<script>alert(3)</script>"),))))
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    press(page, "e")
    shown = page.inner_text("#transcript")

    for text in (
        "<script>alert(1)</script>",
        "--> ",
        "</script><!-- <script>",
        "<script>alert(3)</script>",
        '<b>"Eve"</b>',
    ):
        assert text in shown
    assert "\u202eturned" in page.evaluate("document.getElementById('transcript').textContent")
    assert "<i>gone</i>" in shown
    assert page.locator("h1").inner_text().startswith('"><img src=x onerror=alert(1)>')
    assert page.locator("#transcript b, #transcript i, #transcript img, #top img").count() == 0
    assert page.evaluate("getComputedStyle(document.querySelector('.who bdi')).unicodeBidi") == "isolate"
    assert dialogs == []


def test_errors_against_the_reference_are_told_apart_without_colour(opened, tmp_path):
    page = opened(written(tmp_path, TALK, Beside(marks=MARKS, scored="WER 30 %")))
    first, third = (page.locator(".said").nth(i).evaluate("said => said.textContent") for i in (0, 2))

    assert first == "It was the bestreference: finest of times"
    assert third == "It was missing: verythe worst of timesmissing: indeed"
    styles = page.evaluate(
        """() => ['.substituted', '.inserted', '.ref.missing'].map((name) => {
          const style = getComputedStyle(document.querySelector('.said ' + name));
          return style.textDecorationLine + ' ' + style.textDecorationStyle + ' ' + style.borderTopStyle;
        })"""
    )
    assert styles == ["underline double none", "line-through solid none", "none solid dashed"]
    assert page.evaluate("getComputedStyle(document.querySelector('.low')).textDecorationStyle") == "dotted"
    press(page, "?")
    assert page.locator("#legend").get_by_text("not in the reference").is_visible()


def test_a_recording_that_is_not_there_is_told_with_the_cure(opened, tmp_path):
    page = opened(written(tmp_path, TALK, Beside(Media("not%20here.mp3"))), wrong=("ERR_FILE_NOT_FOUND",))
    page.wait_for_selector("#trouble:not([hidden])")

    told = page.inner_text("#trouble")
    assert "not here.mp3" in told
    assert "speechcli convert 'a talk.json' -f html --embed-media" in told
    page.get_by_text("best", exact=True).click()
    assert page.evaluate(LIT) == ["best"]


def test_a_recording_that_browsers_cannot_play_is_told(opened, tmp_path):
    media = Media("", b"no sound at all", "audio/mpeg", problem="AC-3 is not played by browsers")
    page = opened(written(tmp_path, TALK, Beside(media)))
    page.wait_for_selector("#trouble:not([hidden])")

    assert "AC-3 is not played by browsers" in page.inner_text("#trouble")


def test_page_and_recording_can_move_together(opened, tmp_path):
    name = "a b#c'%é.mp3"
    page_path = written(tmp_path, TALK, Beside(Media(quote(name))))
    (tmp_path / name).write_bytes(SAMPLE.read_bytes())
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in (page_path, tmp_path / name):
        path.rename(moved / path.name)

    page = opened(moved / page_path.name)

    until(page, "document.getElementById('media').duration > 40")
    assert not page.is_visible("#trouble")


def test_a_lane_is_drawn_only_where_it_is_seen_and_no_wider_than_the_window(opened, tmp_path):
    page = opened(written(tmp_path, TURNS))
    until(page, "document.querySelector('.lane canvas').height !== 150")
    drawn = "[...document.querySelectorAll('.lane canvas')].map(canvas => canvas.height !== 150)"

    before = page.evaluate(drawn)
    assert len(before) == 20
    assert 3 <= sum(before) <= 8
    page.evaluate("document.getElementById('lanes').scrollTop = 1e6")
    until(page, f"({drawn})[19]")
    assert max(page.evaluate("[...document.querySelectorAll('canvas')].map(canvas => canvas.width)")) <= 1280


def test_the_waveform_is_drawn_larger_and_smaller(opened, tmp_path):
    page = opened(written(tmp_path, TALK, HELD))
    picture = "document.getElementById('wave').toDataURL()"
    whole = page.evaluate(picture)

    press(page, "+")
    assert page.evaluate(picture) != whole
    press(page, "-")
    assert page.evaluate(picture) == whole


@pytest.mark.parametrize(
    ("transcript", "expected"),
    [
        (TURNS, "SPEAKER_19"),
        (PLAIN, "No words here.\nTwo lines."),
        (EMPTY, "Nobody speaks in this recording."),
    ],
    ids=["turns", "plain", "empty"],
)
def test_a_page_without_words_shows_what_there_is(opened, tmp_path, transcript, expected):
    page = opened(written(tmp_path, transcript))
    press(page, "]", "n", ".", "Enter", "s", "Escape", "e", "Enter", "u")

    assert expected in page.inner_text("#transcript")


def test_a_segment_without_words_is_clicked_and_lit_as_a_whole(opened, tmp_path):
    page = opened(written(tmp_path, PLAIN))
    page.get_by_text("The end").click()

    assert page.evaluate(LIT) == ["The end"]
    assert page.evaluate(AT) == "0:05 / 0:10"


def test_turns_without_text_are_gone_through_and_lit(opened, tmp_path):
    page = opened(written(tmp_path, TURNS))
    press(page, "]", "]")
    assert page.evaluate("document.querySelector('.seg:has(.on)').innerText").split() == [
        "0:04",
        "SPEAKER_02",
        "1.5",
        "s",
    ]

    page.locator(".seg .w").nth(5).click()
    assert page.evaluate(AT) == "0:10 / 1:00"


def test_speakers_of_turns_without_text_are_renamed_too(opened, tmp_path):
    page = opened(written(tmp_path, TURNS))
    press(page, "]", "s")
    page.wait_for_selector("#who[open]")
    assert not page.is_visible("#reassign")
    assert page.input_value("#rename") == "SPEAKER_01"
    page.fill("#rename", "Zoë")
    press(page, "Enter")
    until(page, "document.activeElement.textContent === 'Zoë'")

    page.locator("button.who").nth(4).click()
    page.fill("#rename", "Zoë")
    press(page, "Enter")
    turns = table.read(saved(page, "json", tmp_path)).turns
    assert [turn.speaker for turn in turns[:5]] == ["SPEAKER_00", "Zoë", "SPEAKER_02", "SPEAKER_03", "Zoë"]


def test_text_runs_in_its_own_direction(opened, tmp_path):
    page = opened(written(tmp_path, ARABIC))
    directions = page.evaluate("[...document.querySelectorAll('.said')].map(said => getComputedStyle(said).direction)")

    assert directions == ["rtl", "ltr"]
    assert page.evaluate("getComputedStyle(document.getElementById('seek')).direction") == "ltr"


def test_light_and_dark_can_be_chosen_and_are_kept(opened, tmp_path):
    page = opened(written(tmp_path, TALK), dark=True)
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(paper)
    page.click("#theme")
    light = page.evaluate(paper)

    assert dark == "rgb(22, 24, 27)"
    assert light == "rgb(252, 251, 248)"
    for _ in range(50):  # what is kept is on its way to the browser
        page.reload()
        if page.evaluate(paper) == light:
            break
    assert page.evaluate(paper) == light


@pytest.mark.parametrize("name", ["talk", "arabic", "turns", "hostile"])
def test_on_a_phone_nothing_has_to_be_scrolled_sideways(opened, tmp_path, name):
    transcript = {"talk": TALK, "arabic": ARABIC, "turns": TURNS, "hostile": HOSTILE}[name]
    page = opened(written(tmp_path, transcript, Beside(marks=MARKS if name == "talk" else None)), width=360, height=740)
    wider = "document.documentElement.scrollWidth - innerWidth"

    assert page.evaluate(wider) <= 0
    press(page, "e")
    assert page.evaluate(wider) <= 0
    page.click("#places")
    assert page.is_visible("#flagged")
    assert page.evaluate(wider) <= 0
    page.click("#help-open")
    assert page.evaluate(wider) <= 0
    assert page.evaluate("document.getElementById('player').getBoundingClientRect().height") < 740 / 3


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)], ids=["desk in light", "phone in the dark"])
def test_axe_finds_nothing(opened, tmp_path, width, dark):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()
    path = written(tmp_path, TALK, Beside(Media("", SAMPLE.read_bytes(), "audio/mpeg"), marks=MARKS, home="index.html"))
    page = opened(path, width=width, dark=dark)

    def violations():
        found = axe.run(page).response["violations"]
        return [(one["id"], [node["html"][:100] for node in one["nodes"]]) for one in found]

    press(page, "/")
    page.keyboard.type("of")
    press(page, "Enter", "Tab", "Tab")
    assert violations() == []
    press(page, "e", "Enter")
    assert violations() == []
    press(page, "Escape")
    page.click("#theme")  # the other one
    page.click("#save summary")
    assert violations() == []
    press(page, "?")
    assert page.is_visible("#help")
    assert violations() == []
    press(page, "Escape", "s")
    assert page.is_visible("#who")
    assert violations() == []


def test_without_javascript_the_page_says_what_it_needs(chromium, tmp_path):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(written(tmp_path, TALK).as_uri())

    assert "needs JavaScript" in page.inner_text("main")
    assert "20 words" in page.inner_text("#facts")
    context.close()


def test_the_focus_is_kept_through_corrections_and_given_back(opened, tmp_path):
    page = opened(written(tmp_path, TALK))
    focused = """(() => {
      const one = document.activeElement;
      const place = [...document.querySelectorAll('.seg')].indexOf(one.closest('.seg'));
      return (one.id || one.className.split(' ')[0] || one.localName) + (place < 0 ? '' : ` ${place}`);
    })()"""
    press(page, "e")
    page.locator(".fix").nth(2).focus()
    told = []
    for keys in (
        ("Enter",),
        ("x", "Control+Enter"),
        ("u",),
        ("U",),
        ("/",),
        ("b", "Escape"),
        ("Enter", "Control+A", "Delete", "Control+Enter"),
        ("e",),
    ):
        press(page, *keys)
        told.append(page.evaluate(focused))
    assert told == ["textarea 2", "fix 2", "fix 2", "fix 2", "query", "fix 2", "fix 2", "transcript"]
    assert not page.get_by_text("0:10").is_visible()  # it was emptied

    page.focus("#undo")
    press(page, "Enter")
    assert page.evaluate(focused) == "undo"
    press(page, "Enter")
    assert page.evaluate(focused) == "edit"
    page.get_by_text("0:10").first.wait_for(state="visible")


def test_flagged_places_that_were_corrected_are_told_and_passed_over(opened, tmp_path):
    page = opened(written(tmp_path, TALK, Beside(marks=MARKS)))
    assert page.inner_text("#flag-count") == "8"
    press(page, "e")

    def correct(place, text):
        page.locator(".fix").nth(place).click()
        page.fill("textarea", text)
        press(page, "Control+Enter")

    correct(1, "maybe this that, then")  # the unsure words are there still
    assert page.inner_text("#flag-count") == "8"
    correct(1, "may be that then")
    correct(2, "It was the very worst of times indeed")
    assert page.inner_text("#flag-count") == "5 left, 3 corrected"
    assert page.locator("#flag-list .done").all_inner_texts()[0].split("\n")[1] == "Unsure words"
    press(page, "n", "n", "n")
    assert page.inner_text("#said") == "Flagged place 6 of 8, Gap at 0:14"
    press(page, "p")
    assert page.inner_text("#said") == "Flagged place 2 of 8, Error at 0:02"
    press(page, "u", "u", "u")
    assert page.inner_text("#flag-count") == "8"


def test_words_put_in_where_there_is_no_time_are_lit_and_gone_to(opened, tmp_path):
    page = opened(written(tmp_path, PACKED))
    press(page, "e")
    page.locator(".fix").first.click()
    page.fill("textarea", "well one very two three")
    press(page, "Control+Enter")
    for word in ("very", "well"):
        page.get_by_text(word, exact=True).click()
        assert page.evaluate(LIT) == [word]
    seen = []
    for key in "....,,,,":
        press(page, key)
        seen.append(page.evaluate(LIT)[0])
    assert seen == ["one", "very", "two", "three", "two", "very", "one", "well"]
    assert [(w.start, w.end) for w in table.read(saved(page, "json", tmp_path)).segments[0].words[::2]] == [
        (1.0, 1.0),
        (2.0, 2.0),
        (3.0, 4.0),
    ]


def test_places_where_nobody_speaks_are_shown_too(opened, tmp_path):
    page = opened(written(tmp_path, hour(1000)), at="#t=1202")
    there = "(() => { const top = %s.getBoundingClientRect().top; return top > 0 && top < innerHeight; })()"
    assert page.evaluate(there % "[...document.querySelectorAll('.aside-row')][19]")

    box = page.locator("#wave").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.7, box["y"] + 20)  # it does not play
    until(page, there % "document.querySelector('.on')")


def test_it_is_printed_dark_on_white(opened, tmp_path):
    page = opened(written(tmp_path, TALK))
    page.click("#theme")
    page.get_by_text("best", exact=True).click()
    press(page, "e", "Enter")
    page.emulate_media(media="print")

    colours = page.evaluate("[document.body, document.querySelector('.on')].map(one => getComputedStyle(one).color)")
    assert colours == ["rgb(29, 31, 34)"] * 2
    assert page.get_by_text("It was the best").is_visible()
    assert [page.is_visible(name) for name in ("textarea", "#player", ".fix", "#edit")] == [False] * 4


def test_on_a_phone_that_lies_the_buttons_stay_and_the_text_has_room(opened, tmp_path):
    page = opened(written(tmp_path, hour(1000)), width=740, height=360, at="#t=1800")
    tops = page.evaluate("['#controls', '.on'].map(one => document.querySelector(one).getBoundingClientRect().top)")

    assert tops[0] == 0
    assert 60 < tops[1] < 300
    assert page.locator("#controls").bounding_box()["height"] < 70
