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
        ("whisper", 60, False, "--chunk-size 60: x hears 8 to 30 seconds in one pass"),
        ("vibevoice", 4000, False, "hears 8 to 3600 seconds"),
        ("qwen3-asr", 1, False, "hears 8 to 1200 seconds"),
        ("qwen3-asr", 600, True, "hears 8 to 1200 seconds in one pass, 300 with word times"),
    ],
)
def test_a_window_the_model_cannot_hear_is_refused(name, chunk, aligned, line):
    with pytest.raises(UsageError, match=line):
        rules_of(FAMILIES[name], "x", chunk, aligned)


def test_a_long_window_is_never_given_to_an_aligner_unasked():
    assert rules_of(FAMILIES["qwen3-asr"], "x", None, aligned=True).longest == 180
    assert rules_of(FAMILIES["vibevoice"], "x", None, aligned=True).longest == 3600, "it is aligned segment by segment"


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
