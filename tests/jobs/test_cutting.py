"""How recordings are cut for each family of models, and what the user may ask for."""

import pytest

from speechcli.backends import registry
from speechcli.backends.catalog import FAMILIES
from speechcli.errors import UsageError
from speechcli.jobs.job import rules_of


@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if not family.aligns])
def test_every_family_has_rules_with_and_without_a_chunk_size(name):
    family = FAMILIES[name]

    assert rules_of(family, name).longest == family.longest
    assert rules_of(family, name, 8).longest == 8
    assert rules_of(family, name, family.most).longest == family.most


@pytest.mark.parametrize(
    ("name", "chunk", "aligned", "line"),
    [
        ("whisper", 60, None, "--chunk-size 60: x hears 8 to 30 seconds in one pass"),
        ("vibevoice", 4000, None, "hears 8 to 3600 seconds"),
        ("qwen3-asr", 1, None, "hears 8 to 1200 seconds"),
        ("qwen3-asr", 600, "qwen3-aligner", "hears 8 to 1200 seconds in one pass, 300 with word times"),
        ("qwen3-asr", 60, "pocketsphinx", "hears 8 to 1200 seconds in one pass, 30 with word times"),
    ],
)
def test_a_window_the_model_cannot_hear_is_refused(name, chunk, aligned, line):
    with pytest.raises(UsageError, match=line):
        rules_of(FAMILIES[name], "x", chunk, FAMILIES.get(aligned))


def test_a_long_window_is_never_given_to_an_aligner_unasked():
    def longest(name, aligner):
        return rules_of(FAMILIES[name], "x", None, FAMILIES[aligner]).longest

    assert longest("qwen3-asr", "qwen3-aligner") == 180
    assert longest("qwen3-asr", "pocketsphinx") == 30
    assert longest("qwen3-asr", "ctc") == 60
    assert longest("vibevoice", "qwen3-aligner") == 3600, "it is aligned segment by segment"


@pytest.mark.parametrize(("chunk", "hears"), [(None, None), (20, 60), (120, 120), (3600, 300)])
def test_an_aligner_beside_a_model_hears_windows_as_long_as_that_models(chunk, hears):
    other = registry.aligner_of(registry.Wanted("vibevoice", longest=chunk, aligner="ctc:facebook/wav2vec2-base-960h"))

    assert other is not None
    assert other.longest == hears


def test_settings_of_the_aligner_are_its_own():
    wanted = registry.Wanted(
        "qwen3-asr-0.6b",
        device="cuda",
        settings={
            "aligner.device": "cpu",
            "aligner.dtype": "float32",
            "max_new_tokens": "9",
            "aligner.batch_size": "2",
        },
        aligner="qwen3-aligner",
    )

    other = registry.aligner_of(wanted)

    assert other is not None
    assert (other.model, other.device, other.dtype, other.batch_size) == ("qwen3-aligner", "cpu", "float32", 2)
    assert other.settings == {}


def test_a_setting_of_an_aligner_nobody_asked_for_is_refused():
    with pytest.raises(UsageError, match="no aligner was asked for"):
        registry.aligner_of(registry.Wanted("qwen3-asr-0.6b", settings={"aligner.device": "cpu"}))
