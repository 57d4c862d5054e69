"""The GPU benchmark, as it would run there, on the small models of tests/tiny: every row, on the CPU."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMultimodalLM, AutoModelForTokenClassification

from speechcli.backends import budget

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import gpu_models

ALWAYS = {"date", "commit", "model", "row", "tiny", "dtype", "device", "driver_cuda", "versions"}
KEYS = {
    "load": {"seconds", "weights_gb", "gb_per_s"},
    "prefill": {"audio_s", "seconds", "rtfx"},
    "decode": {"step_ms", "tokens_per_s", "copy_gb_per_s", "limit_ms", "share_of_limit", "share_with_cache"},
    "peak": {"minutes", "windows_at_once", "batches", "peak_gib", "estimated_gib", "weights_gib", "host_peak_gib"},
}
CASES = [(name, row) for name, model in gpu_models.MODELS.items() for row in model.rows]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # two are ten times slower on models as small as these
    yield
    torch.set_num_threads(before)
    torch._dynamo.reset()


def row(tmp_path: Path, *line: str) -> dict:
    results = tmp_path / "rows.jsonl"
    assert gpu_models.main([*line, "--tiny", "--tokens", "48", "--results", str(results)]) == 0
    return json.loads(results.read_text().splitlines()[-1])


@pytest.mark.parametrize(("model", "name"), CASES)
def test_every_row_runs_alone_and_adds_a_line(model, name, tmp_path, capsys):
    found = row(tmp_path, "--model", model, "--row", name)

    numbers = {key: found[key] for key in KEYS[name]}
    assert found.keys() >= ALWAYS
    assert all(math.isfinite(value) and value > 0 for value in numbers.values()), numbers
    assert capsys.readouterr().out.startswith(f"{model} {name}")


@pytest.mark.parametrize("model", ["vibevoice", "qwen3-asr-0.6b", "voxtral-realtime"])
def test_decoding_is_measured_compiled_and_in_batches(model, tmp_path):
    found = row(tmp_path, "--model", model, "--row", "decode", "--batch", "2", "--compile")

    assert found["batch"] == 2
    assert found["compile"] is True
    assert found["tokens_per_s"] == pytest.approx(2000 / found["step_ms"], rel=1e-3)
    spoken = dict(gpu_models.MODELS[model].spoken)
    for what, rate in spoken.items():
        key = f"rtfx_{what.replace(' ', '_')}"
        assert found[key] == pytest.approx(found["tokens_per_s"] / rate, rel=1e-3)


def test_lines_add_up_in_one_file(tmp_path):
    row(tmp_path, "--model", "qwen3-aligner", "--row", "prefill")
    row(tmp_path, "--model", "qwen3-aligner", "--row", "prefill", "--batch", "3")

    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [line["batch"] for line in lines] == [1, 3]


def test_the_plan_has_every_batch_with_and_without_compiling_and_every_length():
    lines = [" ".join(line) for line in gpu_models.plans("vibevoice")]

    for n_batch in (1, 4, 16, 32):
        assert f"--model vibevoice --row decode --batch {n_batch}" in lines
        assert f"--model vibevoice --row decode --batch {n_batch} --compile" in lines
    for minutes in (5, 30, 60):
        assert f"--model vibevoice --row peak --minutes {minutes}" in lines


@pytest.mark.parametrize("name", gpu_models.MODELS)
def test_what_runs_on_a_gpu_has_the_published_size(name, tmp_path):
    args = gpu_models.arguments().parse_args(["--model", name, "--row", "load", "--device", "cpu"])
    config = gpu_models.Bench(args, tmp_path).config
    auto = AutoModelForTokenClassification if "aligner" in name else AutoModelForMultimodalLM

    with torch.device("meta"):
        model = auto.from_config(config)

    assert sum(p.numel() for p in model.parameters()) == budget.facts(budget.PUBLISHED[name]).parameters


@pytest.mark.skipif(torch.cuda.is_available(), reason="would run")
def test_without_a_gpu_the_full_size_is_refused(capsys):
    with pytest.raises(SystemExit):
        gpu_models.main(["--model", "vibevoice", "--row", "load"])
    assert "--tiny" in capsys.readouterr().err


def test_a_row_that_a_model_has_not_is_refused(capsys):
    with pytest.raises(SystemExit):
        gpu_models.main(["--tiny", "--model", "voxtral-realtime", "--row", "prefill"])
    assert "load, decode, peak" in capsys.readouterr().err
