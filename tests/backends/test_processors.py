"""What is wrong with a model's processor is told in one short line that names it."""

import shutil
from pathlib import Path

import pytest

from speechcli.backends import processors
from speechcli.backends.registry import Wanted, open_transcriber, resolve
from speechcli.errors import DataError

TINY = Path(__file__).parents[1] / "tiny"


def opened(folder):
    return open_transcriber(resolve(Wanted(str(folder), device="cpu")))


@pytest.mark.parametrize("name", ["qwen3-asr", "vibevoice"])
def test_a_model_without_the_template_by_which_it_is_asked_is_refused_when_it_is_opened(tmp_path, name):
    folder = shutil.copytree(TINY / name, tmp_path / name)
    (folder / "chat_template.jinja").unlink()

    with pytest.raises(DataError, match=r"holds no chat_template\.jinja"):
        opened(folder)


@pytest.mark.parametrize("name", ["qwen3-asr", "vibevoice", "voxtral-realtime", "hf-ctc", "hf-seq2seq"])
def test_a_missing_file_of_the_processor_is_named_and_nothing_more_is_said(tmp_path, name):
    folder = shutil.copytree(TINY / name, tmp_path / name)
    for path in folder.glob("*processor_config.json"):
        path.unlink()

    with pytest.raises(DataError, match=r"\(preprocessor_config\.json is missing\)"):
        opened(folder)


@pytest.mark.parametrize("content", [None, "", "not json", "{}", "[]"])
@pytest.mark.parametrize("name", ["qwen3-asr", "vibevoice", "hf-ctc", "hf-seq2seq"])
def test_a_tokenizer_that_is_not_whole_is_told_in_one_short_line(tmp_path, name, content):
    folder = shutil.copytree(TINY / name, tmp_path / name)
    (folder / "tokenizer.json").unlink()
    if content is not None:
        (folder / "tokenizer.json").write_text(content)

    with pytest.raises(DataError, match=r"processor|tokenizer") as caught:
        opened(folder)

    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300 + len(str(folder))


def test_a_long_reason_is_cut():
    assert len(processors.reason(ValueError("word " * 1000))) == 160
