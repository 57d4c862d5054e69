"""Nothing from outside acts on the terminal, and data goes to stdout whole."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from speechcli.cli import show


def test_control_characters_become_visible():
    assert show.safe("a\x1b]52;c;eA==\x07b\x9bm\r\n\x7f") == r"a\x1b]52;c;eA==\x07b\x9bm\r\n\x7f"


def test_reversed_and_invisible_text_becomes_visible():
    assert show.safe("gpj\u202e.mp3\u2066\ufeff\u2028") == r"gpj\u202e.mp3\u2066\ufeff\u2028"


def test_bytes_that_are_not_utf_8_are_shown_as_bytes():
    assert show.safe(b"bad\xff\xfe.wav".decode("utf-8", "surrogateescape")) == r"bad\xff\xfe.wav"


def test_what_people_write_is_left_alone():
    text = "Ünïcödé 你好 שלום [red]x[/] 👩‍🚀 \\n"

    assert show.safe(text) == text


@given(st.text())
def test_what_is_safe_is_one_printable_line_that_can_be_encoded(text):
    safe = show.safe(text)

    safe.encode()  # raises for what is no text
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in safe)
    assert len(safe.splitlines()) <= 1


def test_a_table_is_tab_separated_where_there_is_no_terminal(capsys):
    show.table(("NAME", "SIZE"), [("a\tb", "[red]1[/red]")])

    assert capsys.readouterr().out == "NAME\tSIZE\na\\tb\t[red]1[/red]\n"


def test_a_table_on_a_terminal_takes_nothing_for_markup(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")

    show.table(("NAME", "SIZE"), [("[red]x[/]", ":smile: \x1b[31m")])

    told = capsys.readouterr().out
    assert "[red]x[/]" in told
    assert r":smile: \x1b[31m" in told
    assert "\x1b" not in told
