"""Lists of recordings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechcli.errors import DataError
from speechcli.media.lists import FileHints, Listed, read_list


def test_lines():
    data = b"\xef\xbb\xbfa.wav\r\n\n  b c.wav\n#d.wav\nbad\xff.wav\nlast"
    assert [one.audio for one in read_list(data)] == ["a.wav", "  b c.wav", "#d.wav", "bad\udcff.wav", "last"]


def test_nul_separated_names_may_hold_anything_else():
    assert [one.audio for one in read_list(b"a\nb.wav\0-c.wav\0\0", nul=True)] == ["a\nb.wav", "-c.wav"]


def test_a_nul_where_lines_were_expected_names_the_option():
    with pytest.raises(DataError, match=r"line 2 of the list holds a NUL; for NUL-separated names use -0"):
        read_list(b"a.wav\nb\0c")


def test_json_lines_carry_hints():
    data = (
        b'{"audio": "a.wav"}\n\n'
        b'{"audio": "b.wav", "language": "de", "hotwords": ["x", "y"], "context": "c", "track": 1, "output": "o"}\n'
    )
    assert read_list(data, jsonl=True) == [
        Listed("a.wav"),
        Listed("b.wav", FileHints("de", ("x", "y"), "c", 1, "o")),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"a.wav", "line 2 of the list is not JSON"),
        (b"[1]", "line 2 of the list names no recording"),
        (b'{"audio": 3}', "line 2 of the list names no recording"),
        (b'{"audio": ""}', "line 2 of the list names no recording"),
        (b'{"audio": "a", "lang": "de"}', "line 2 of the list has an unknown key 'lang'"),
        (b'{"audio": "a", "track": "1"}', "line 2 of the list: track is a number"),
        (b'{"audio": "a", "track": true}', "line 2 of the list: track is a number"),
        (b'{"audio": "a", "track": -1}', "line 2 of the list: track is a number"),
        (b'{"audio": "a", "hotwords": 7}', "line 2 of the list: hotwords are a list"),
        (b'{"audio": "a", "speakers": [1]}', "line 2 of the list: speakers are names"),
        (b'{"audio": "a", "language": 1}', "line 2 of the list: language is a text"),
        (b'{"audio": "a\\u0000b"}', "line 2 of the list holds a NUL"),
        (b'{"audio": "\xff"}', "line 2 of the list is not JSON"),
        (b"[" * 100_000, "line 2 of the list is not JSON"),
    ],
)
def test_a_bad_line_is_named(line, words):
    with pytest.raises(DataError, match=words) as caught:
        read_list(b'{"audio": "ok"}\n' + line, jsonl=True)
    assert caught.value.exit_code == 65


@given(st.binary(max_size=200), st.booleans(), st.booleans())
def test_any_bytes_give_names_or_a_data_error(data, nul, jsonl):
    try:
        listed = read_list(data, nul, jsonl)
    except DataError:
        return
    assert all(one.audio and "\0" not in one.audio for one in listed)
