"""What a model is asked for by, and which of them are refused before anything is fetched or loaded."""

from pathlib import Path

import pytest

from speechcli.backends import hf, registry, weights
from speechcli.backends.registry import Wanted
from speechcli.errors import UsageError

TINY = Path(__file__).parents[1] / "tiny"


@pytest.mark.parametrize("name", ["qwen3-aligner", str(TINY / "qwen3-aligner"), "Qwen/Qwen3-ForcedAligner-0.6B"])
def test_an_aligner_asked_for_as_a_model_is_refused_before_it_is_fetched(name):
    with pytest.raises(UsageError, match="aligns words and does not transcribe") as caught:
        registry.family_of(Wanted(name))

    assert caught.value.hint == f"--aligner {name}"


def test_an_aligner_taken_for_any_model_of_transformers_is_told_to_be_one():
    folder = TINY / "qwen3-aligner"

    with pytest.raises(UsageError, match="aligns words and does not transcribe"):
        hf.kind_of(f"hf:{folder}", weights.config_of(folder))


@pytest.mark.parametrize("name", ["whisper-small", "qwen3-asr", str(TINY / "qwen3-asr"), "some/model"])
def test_a_model_asked_for_as_an_aligner_is_refused_before_it_is_fetched(name):
    with pytest.raises(UsageError, match="does not align words"):
        registry.aligner_of(Wanted(aligner=name))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf:", "no model is called 'hf:'"),
        ("", "no model is called ''"),
        ("hf:/nowhere", "there is no folder /nowhere"),
        ("./nowhere", "there is no folder ./nowhere"),
        (__file__, "is a file, not a model's folder"),
        (f"hf:{__file__}", "is a file, not a model's folder"),
    ],
)
def test_a_path_without_a_model_is_no_id_of_the_hub(name, message):
    with pytest.raises(UsageError, match=message):
        registry.canonical(name)


def test_a_folder_has_no_revisions():
    with pytest.raises(UsageError, match="--revision abc"):
        registry.resolve(Wanted(str(TINY / "qwen3-asr"), revision="abc"))


@pytest.mark.parametrize("name", ["qwen3-asr", "vibevoice", "voxtral-realtime", "hf-ctc"])
@pytest.mark.parametrize(
    "wrong", [{"device": "tpu"}, {"dtype": "int9"}, {"attention": "none"}, {"settings": {"unknown": "1"}}]
)
def test_a_plan_refuses_what_a_run_would_refuse_everywhere(name, wrong):
    registry.outline(Wanted(str(TINY / name)))

    with pytest.raises(UsageError):
        registry.outline(Wanted(str(TINY / name), **wrong))


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("embedded", {"quantize": "int8"}),
        ("embedded", {"attention": "sdpa"}),
        ("embedded", {"compile": True}),
        (str(TINY / "hf-ctc"), {"compile": True}),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(name, option):
    with pytest.raises(UsageError, match=r"is not for|is not compiled here"):
        registry.family_of(Wanted(name, **option))
