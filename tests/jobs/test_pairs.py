"""Which text belongs to which recording."""

import os
from pathlib import Path

import pytest

from speechcli.errors import DataError, NoInputError, UsageError
from speechcli.jobs import pairs
from speechcli.media.files import find_inputs


def made(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def told(found: list[pairs.Pair], texts: Path) -> dict[str, str | None]:
    return {
        Path(pair.source.name).name: None if pair.text is None else pair.text.relative_to(texts).as_posix()
        for pair in found
    }


def test_recordings_find_the_text_of_their_name_in_the_same_place_of_the_tree(tmp_path):
    audio = made(tmp_path / "audio", "a.wav", "day1/b.mp3", "day2/b.mp3")
    texts = made(tmp_path / "texts", "a.txt", "day1/b.srt", "day2/b.TextGrid", "day2/.hidden.txt")

    found, orphans = pairs.by_name(find_inputs([str(audio)]), texts)

    assert [p.text.relative_to(texts).as_posix() for p in found] == ["a.txt", "day1/b.srt", "day2/b.TextGrid"]
    assert orphans == []


def test_a_name_that_is_there_once_is_found_anywhere(tmp_path):
    audio = made(tmp_path / "audio", "deep/down/a.wav")
    texts = made(tmp_path / "texts", "a.json")

    found, _ = pairs.by_name(find_inputs([str(audio)]), texts)

    assert told(found, texts) == {"a.wav": "a.json"}


def test_recordings_and_texts_may_lie_together_and_our_own_results_are_no_texts(tmp_path):
    folder = made(tmp_path, "a.wav", "a.txt", "a.aligned.json", "a.aligned.TextGrid", "b.wav", "b.seglst.json")

    found, orphans = pairs.by_name(find_inputs([str(folder)]), folder)

    assert told(found, folder) == {"a.wav": "a.txt", "b.wav": "b.seglst.json"}
    assert orphans == []


def test_a_pipe_in_a_folder_is_no_text(tmp_path):
    audio = made(tmp_path / "audio", "a.wav", "b.wav")
    texts = made(tmp_path / "texts", "a.txt")
    os.mkfifo(texts / "b.txt")

    found, orphans = pairs.by_name(find_inputs([str(audio)]), texts)

    assert told(found, texts) == {"a.wav": "a.txt", "b.wav": None}
    assert orphans == []


def test_a_recording_without_text_with_several_and_a_text_without_recording_are_told(tmp_path):
    audio = made(tmp_path / "audio", "a.wav", "b.wav", "c.wav")
    texts = made(tmp_path / "texts", "b.txt", "b.srt", "c.txt", "d.txt")

    found, orphans = pairs.by_name(find_inputs([str(audio)]), texts)

    assert told(found, texts) == {"a.wav": None, "b.wav": None, "c.wav": "c.txt"}
    assert isinstance(found[0].error, NoInputError)
    assert "a.wav has no text" in str(found[0].error)
    assert isinstance(found[1].error, UsageError)
    assert "b.srt, b.txt" in str(found[1].error)
    assert [path.name for path in orphans] == ["d.txt"]


def test_a_list_names_pairs_and_languages(tmp_path):
    found = pairs.listed("\ufeffaudio\ttext\r\na b.wav\ttexts/ä.txt\n\nc.wav\tc.srt\tGerman\n".encode(), "list.tsv")

    assert [(p.source.name, str(p.text), p.language) for p in found] == [
        ("a b.wav", "texts/ä.txt", None),
        ("c.wav", "c.srt", "de"),
    ]


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"a.wav a.txt\n", DataError, "line 1: not AUDIO<TAB>TEXT"),
        (b"a.wav\ta.txt\nb.wav\t\n", DataError, "line 2"),
        (b"a.wav\ta.txt\tde\tmore\n", DataError, "line 1"),
        (b"a.wav\ta.txt\tElvish\n", DataError, "'Elvish'"),
        (b"a\0.wav\ta.txt\n", DataError, "NUL"),
        (b"https://x.org/a.wav\ta.txt\n", DataError, "line 1: an address"),
        (b"a.wav\ta.txt\n\n./a.wav\tb.txt\n", DataError, "lines 1 and 3: ./a.wav twice"),
        (b"audio\ttext\n", NoInputError, "empty"),
        (b"", NoInputError, "empty"),
    ],
)
def test_a_list_that_cannot_be_understood_says_where(data, error, says):
    with pytest.raises(error, match=says.replace("<", r"\<").replace("[", r"\[")):
        pairs.listed(data, "list.tsv")


def test_a_recording_is_not_its_own_text(tmp_path):
    (source,) = find_inputs([str(made(tmp_path, "a.wav") / "a.wav")])

    with pytest.raises(UsageError, match="is the recording itself"):
        pairs.one(source, tmp_path / "x" / ".." / "a.wav")
