"""Arithmetic on config.json against the published sizes, the modules of transformers, and whole headers."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModelForMultimodalLM, AutoModelForTokenClassification

from speechcli.backends import budget, catalog, checkpoint, sizes
from speechcli.errors import DataError

GB = 1e9


@pytest.mark.parametrize("name", budget.PUBLISHED)
def test_parameters_are_counted_as_transformers_builds_them(name):
    config = dict(budget.PUBLISHED[name])
    aligner = "architectures" in config
    made = CONFIG_MAPPING[config.pop("model_type")](**{k: v for k, v in config.items() if k != "architectures"})
    with torch.device("meta"):
        model = (AutoModelForTokenClassification if aligner else AutoModelForMultimodalLM).from_config(made)

    assert budget.facts(budget.PUBLISHED[name]).parameters == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "billions", "kib_a_token", "gb"),
    [
        ("vibevoice", 8.33, 56, 16.7),
        ("qwen3-asr-1.7b", 2.04, 112, 4.1),
        ("qwen3-asr-0.6b", 0.78, 112, 1.6),
        ("voxtral-realtime", 4.43, 104, 8.9),
    ],
)
def test_published_models_have_their_published_sizes(name, billions, kib_a_token, gb):
    facts = budget.facts(budget.PUBLISHED[name])

    assert facts.parameters / GB == pytest.approx(billions, abs=0.006)
    assert facts.kept * 2 / 1024 == kib_a_token
    assert facts.weights(2, None) / GB == pytest.approx(gb, abs=0.05)
    model = catalog.find(name)
    assert model is not None
    assert model.size_mb * 1e6 == pytest.approx(facts.weights(2, None), rel=0.03)


@pytest.mark.parametrize(
    ("name", "gb"), [("vibevoice", 1.55), ("qwen3-asr-1.7b", 5.2), ("qwen3-asr-0.6b", 5.2), ("voxtral-realtime", 1.07)]
)
def test_an_hour_of_sound_takes_the_cache_that_was_computed_by_hand(name, gb):
    facts = budget.facts(budget.PUBLISHED[name])
    tokens = min(int(3600 * facts.heard), facts.window or 10**9)

    assert (tokens * facts.kept + facts.kept_anyway) * 2 / GB == pytest.approx(gb, rel=0.05)


def test_the_host_needs_what_was_measured_for_an_hour():
    hour = budget.estimate(budget.PUBLISHED["vibevoice"], 3600)

    assert hour.host == pytest.approx(1650 * 2**20, rel=0.05)


def test_every_large_model_of_the_catalogue_can_be_estimated_without_its_weights():
    large = {
        m.name for m in catalog.MODELS if m.family in ("vibevoice", "qwen3-asr", "qwen3-aligner", "voxtral-realtime")
    }

    assert large <= budget.PUBLISHED.keys()


def test_a_config_without_its_defaults_says_the_same():
    """config.json leaves out what is the class's default."""
    short = budget.facts({"model_type": "voxtral_realtime"})

    assert short == budget.facts(budget.PUBLISHED["voxtral-realtime"])


def test_quantised_weights_shrink_by_what_is_quantised_only():
    facts = budget.facts(budget.PUBLISHED["vibevoice"])
    whole, int8, int4 = (facts.weights(2, q) / GB for q in (None, "int8", "int4"))

    assert whole > int8 > int4
    assert int4 == pytest.approx(2 * (8.33 - 6.525) + 0.56 * 6.525, abs=0.05)  # encoders, embeddings and head stay


def test_what_fits_is_the_largest_batch_that_does():
    config = budget.PUBLISHED["qwen3-asr-1.7b"]
    asked = budget.estimate(config, 180, batch=16)

    fit = budget.fits(asked, 24 * GB)

    assert fit.batch >= 1
    held = budget.estimate(config, 180, batch=fit.batch)
    beyond = budget.estimate(config, 180, batch=fit.batch + 1)
    assert held.device <= 24 * GB * budget.USABLE * 1.001
    assert beyond.device > 24 * GB * budget.USABLE


def test_a_model_that_can_never_fit_is_refused_with_the_knob_to_turn():
    small, hour = budget.PUBLISHED["vibevoice"], 3600
    twelve = budget.fits(budget.estimate(small, hour), 12 * GB)

    assert twelve.batch == 0
    assert "16.7 GB" in twelve.reason
    assert "--quantize int4" in twelve.knobs
    assert budget.fits(budget.estimate(small, hour, quantize="int4"), 24 * GB).batch >= 1


def test_a_window_that_is_too_long_names_chunk_size():
    fit = budget.fits(budget.estimate(budget.PUBLISHED["vibevoice"], 3600), 20 * GB)

    assert fit.batch == 0
    assert fit.knobs[0] == "--chunk-size"


def test_a_batch_that_is_too_large_names_batch_size():
    fit = budget.fits(budget.estimate(budget.PUBLISHED["vibevoice"], 3600, batch=64), 40 * GB)

    assert 1 <= fit.batch < 64
    assert fit.knobs[0] == f"--batch-size {fit.batch}"


def test_seconds_and_batches_agree():
    one = budget.estimate(budget.PUBLISHED["qwen3-asr-0.6b"], 60)
    room = 10 * one.row + one.once

    assert budget.seconds(one, room) == pytest.approx(600)
    assert budget.seconds(one, -1) == 0


def test_an_unknown_model_is_counted_by_its_headers():
    tensors = (checkpoint.Stored("a", "F32", (1000, 1000), 4_000_000), checkpoint.Stored("b", "F32", (1000,), 4000))

    made = budget.estimate({"model_type": "whisper", "d_model": 384}, 30, dtype_bytes=4, tensors=tensors)

    assert made.weights == 4_004_000
    assert made.device > made.weights


# --- headers ---


def shard(header: object, n_bytes: int) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(n_bytes)


ONE = {"a": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, "__metadata__": {"format": "pt"}}


def test_headers_tell_names_types_shapes_and_sizes(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(shard(ONE, 12))

    assert checkpoint.stored(tmp_path) == (checkpoint.Stored("a", "BF16", (2, 3), 12),)
    assert checkpoint.stored(tmp_path)[0].values == 6


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", shard(ONE, 11), shard(ONE, 13), shard([], 0), shard({"a": 1}, 4), b"\xff" * 40]
)
def test_a_damaged_file_is_told_by_its_name_in_one_line(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)

    with pytest.raises(DataError, match=r"model\.safetensors") as caught:
        checkpoint.stored(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_shard_is_named(tmp_path):
    (tmp_path / "model-1.safetensors").write_bytes(shard(ONE, 12))
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))

    with pytest.raises(DataError, match=r"lacks model-2\.safetensors \(2 files"):
        checkpoint.stored(tmp_path)


def test_an_index_may_not_point_out_of_its_folder(tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../other.safetensors"}}')

    with pytest.raises(DataError, match="points out of its folder"):
        checkpoint.stored(tmp_path)


def test_pickles_are_refused_and_left_unread(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")

    with pytest.raises(DataError, match="can run code"):
        checkpoint.check(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "processor_config.json"])
def test_a_model_with_its_own_code_is_refused(tmp_path, name):
    (tmp_path / "model.safetensors").write_bytes(shard(ONE, 12))
    (tmp_path / name).write_text('{"auto_map": {"AutoModel": "own.Model"}}')

    with pytest.raises(DataError, match="run its own code"):
        checkpoint.check(tmp_path)


# --- what fitted before ---


@pytest.fixture
def fresh():
    sizes.forget()
    yield
    sizes.forget()


@pytest.mark.usefixtures("fresh")
def test_what_did_not_fit_is_known_in_the_next_run(tmp_path):
    sizes.remember("vibevoice in bfloat16", "H200", 7200.0, tmp_path)
    sizes.remember("vibevoice in bfloat16", "L4", 600.0, tmp_path)
    sizes.forget()  # as another process

    assert sizes.known("vibevoice in bfloat16", "H200", tmp_path) == 7200.0
    assert sizes.known("vibevoice in bfloat16", "L4", tmp_path) == 600.0
    assert sizes.known("vibevoice in int4", "L4", tmp_path) is None


@pytest.mark.usefixtures("fresh")
def test_the_smallest_of_a_run_counts(tmp_path):
    sizes.remember("m", "c", 100.0, tmp_path)
    sizes.remember("m", "c", 400.0, tmp_path)

    assert sizes.known("m", "c", tmp_path) == 100.0


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("content", ["", "[]", '{"m": 3}', '{"m": {"c": ["x", 1]}}', '{"m": {"c": [100, 0]}}'])
def test_a_strange_or_old_file_is_as_good_as_none(tmp_path, content):
    (tmp_path / "batches.json").write_text(content)

    assert sizes.known("m", "c", tmp_path) is None
    sizes.remember("m", "c", 50.0, tmp_path)
    sizes.forget()
    assert sizes.known("m", "c", tmp_path) == 50.0


@pytest.mark.usefixtures("fresh")
def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path):
    (tmp_path / "file").write_text("")

    sizes.remember("m", "c", 50.0, tmp_path / "file" / "under")

    assert sizes.known("m", "c", tmp_path / "file" / "under") == 50.0
