"""Devices, quantised and split weights, and what goes wrong with them, on a small language model made here."""

from __future__ import annotations

import gc
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import common
from transformers import AutoModelForCausalLM, AutoModelForMultimodalLM, Qwen3Config, Qwen3ForCausalLM

from speechcli.backends import placement_torch, registry, sizes
from speechcli.backends.base import Hints, OutOfMemoryError, Setup
from speechcli.core.audio import Audio
from speechcli.errors import DataError, UnavailableError, UsageError

TINY = Path(common.__file__).parent
PROMPT = torch.randperm(700, generator=torch.Generator().manual_seed(1))[None, :40]
CPU = placement_torch.place("cpu", "float32")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # two are ten times slower on models as small as these
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A language model of 480 k numbers, tied embeddings, in three shards, that knows one text by heart."""
    folder = tmp_path_factory.mktemp("lm")
    torch.manual_seed(0)
    shape = {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 2, "head_dim": 32}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    config = Qwen3Config(vocab_size=700, tie_word_embeddings=True, **shape, **heads)
    model = Qwen3ForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        model(PROMPT, labels=PROMPT).loss.backward()
        optimizer.step()
    model.save_pretrained(folder, max_shard_size="1MB")
    return folder


@pytest.fixture
def copy(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "lm"))


def setup(folder: Path, **more) -> Setup:
    return Setup("small", folder, "r", 30.0, device="cpu", **more)


def load(folder: Path, where=CPU, **more):
    memory = {"max_memory": more.pop("max_memory")} if "max_memory" in more else {}
    return placement_torch.load(AutoModelForCausalLM, setup(folder, **more), where, **memory)


def logits(model) -> np.ndarray:
    with torch.inference_mode():
        return model(PROMPT).logits[0].float().numpy()


def offloaded() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("speechcli-offload-*"))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_model_is_in_the_dtype_that_was_asked_for(made, dtype):
    model = load(made, placement_torch.place("cpu", dtype))

    assert str(model.dtype) == f"torch.{dtype}"
    assert not model.training


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("quantize", "off", "smaller"), [("int8", 0.05, 0.65), ("int4", 0.25, 0.45)])
def test_quantised_weights_answer_as_whole_ones_and_are_smaller(made, quantize, off, smaller, dtype):
    where = placement_torch.place("cpu", dtype)
    whole = load(made, where)
    wanted = logits(whole)
    model = load(made, where, quantize=quantize)
    found = logits(model)

    assert np.linalg.norm(found - wanted) / np.linalg.norm(wanted) < off
    assert found.argmax(-1)[:-1].tolist() == PROMPT[0, 1:].tolist()
    assert model.model.layers[0].mlp.up_proj.weight.dtype in (torch.int8, torch.uint8)
    assert model.lm_head.weight.dtype == where.dtype
    layers = sum(p.numel() * p.element_size() for p in whole.model.layers.parameters())
    kept = sum(p.numel() * p.element_size() for p in model.model.layers.parameters())
    assert kept < layers * smaller


def test_quantising_without_the_library_names_the_extra(made, monkeypatch):
    monkeypatch.setattr(placement_torch, "find_spec", lambda name: None)

    with pytest.raises(UnavailableError, match=r"speechcli\[quantize\]"):
        load(made, quantize="int8")


def test_a_quantisation_nobody_knows_is_refused(made):
    with pytest.raises(UsageError, match="int3"):
        load(made, quantize="int3")


def test_quantising_fetches_no_code_from_the_hub(made, tmp_path):
    """With the package `kernels` there, bitsandbytes asks the hub for compiled code on CPUs with AVX512-BF16."""
    (tmp_path / "kernels.py").write_text("def get_kernel(*a, **k):\n    raise SystemExit('a kernel was asked for')\n")
    code = f"""
import torch
from pathlib import Path
from transformers import AutoModelForCausalLM
from speechcli.backends import placement_torch
from speechcli.backends.base import Setup
where = placement_torch.place("cpu", "float32")
setup = Setup("small", Path({str(made)!r}), "r", 30.0, quantize="int4")
print(placement_torch.load(AutoModelForCausalLM, setup, where)(torch.arange(5)[None]).logits.shape)
"""
    paths = os.pathsep.join([str(tmp_path), *sys.path])

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        check=True,
    )

    assert done.stdout.strip() == "torch.Size([1, 5, 700])"
    assert "Loading" not in done.stderr


def test_a_model_split_over_memory_and_disk_answers_the_same(made):
    wanted, before = logits(load(made)), offloaded()

    model = load(made, max_memory={"cpu": 1_300_000})
    places = set(model.hf_device_map.values())

    assert {str(place) for place in places} == {"cpu", "disk"}
    assert np.allclose(logits(model), wanted, atol=1e-5)
    generated = model.generate(PROMPT, max_new_tokens=4, do_sample=False, pad_token_id=0)
    assert generated.shape == (1, 44)
    assert len(offloaded() - before) == 1
    del model, generated
    gc.collect()
    assert offloaded() == before


def test_a_failed_load_leaves_no_folder_behind(copy):
    before = offloaded()
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "intermediate_size": 380}))

    with pytest.raises(DataError):
        load(copy, max_memory={"cpu": "1GB"})
    assert offloaded() == before


def test_loading_says_nothing(made, capfd):
    load(made)
    load(made, max_memory={"cpu": 1_300_000})

    told = capfd.readouterr()
    assert told.out == ""
    assert told.err == ""


@pytest.mark.parametrize("quantize", ["int8", "int4"])
def test_quantised_weights_that_must_be_split_are_refused_with_the_knob(made, quantize):
    with pytest.raises(UnavailableError, match=f"not enough memory for small in {quantize}"):
        load(made, quantize=quantize, max_memory={"cpu": 450_000})


def test_weights_that_memory_cannot_hold_are_refused_before_they_are_read(made, monkeypatch):
    monkeypatch.setattr(placement_torch, "free", lambda where: 1_000_000)

    with pytest.raises(UnavailableError, match=r"small takes 1\.9 MB .* 1\.0 MB .*--dtype bfloat16, --quantize int8"):
        load(made)
    assert load(made, quantize="int4") is not None


# --- the models that this is for, small: see tests/tiny ---


def heard(module: str, folder: str, **more) -> list[str]:
    """What the backend says of two clips."""
    backend = importlib.import_module(f"speechcli.backends.{module}")
    opened = backend.open(setup(TINY / folder, **more))
    rate = opened.traits.rate
    sounds = [Audio(common.sound(name, rate), rate) for name in ("lady", "talk")]
    answers = opened.transcribe(sounds, [Hints()] * 2)
    opened.close()
    return [" ".join(segment.text.strip() for segment in answer.segments) for answer in answers]


SPEECH = [
    ("qwen3_asr", "qwen3-asr"),
    ("vibevoice", "vibevoice"),
    ("voxtral_realtime", "voxtral-realtime"),
]
SAID = [common.text("lady"), common.text("talk")]


@pytest.mark.parametrize("quantize", ["int8", "int4"])
@pytest.mark.parametrize(("module", "folder"), SPEECH)
def test_speech_is_written_right_with_quantised_weights(module, folder, quantize):
    assert heard(module, folder, quantize=quantize) == SAID


@pytest.mark.parametrize(("folder", "whole"), [("qwen3-asr", "audio_tower"), ("vibevoice", "tokenizer_encoder")])
def test_encoders_and_heads_stay_as_they_are(folder, whole):
    model = placement_torch.load(AutoModelForMultimodalLM, setup(TINY / folder, quantize="int8"), CPU)

    small = {name for name, weight in model.named_parameters() if weight.dtype == torch.int8}

    assert any("language_model.layers" in name for name in small)
    assert not [name for name in small if whole in name or "projector" in name or "head" in name]


@pytest.mark.parametrize("quantize", ["int8", "int4"])
def test_any_model_of_transformers_can_be_quantised(quantize):
    """Its rows of 48 numbers are no whole blocks of 64: they stay as they are in int4."""
    assert heard("hf", "hf-ctc", quantize=quantize) == heard("hf", "hf-ctc")


@pytest.mark.parametrize(("module", "folder"), SPEECH)
def test_speech_is_written_right_by_a_model_split_over_memory_and_disk(module, folder, monkeypatch):
    real, maps = placement_torch.load, []

    def split(*args, **more):
        model = real(*args, max_memory={"cpu": 1_200_000}, **more)
        maps.append({str(place) for place in model.hf_device_map.values()})
        return model

    monkeypatch.setattr(placement_torch, "load", split)

    assert heard(module, folder) == SAID
    assert "disk" in maps[0]


# --- damaged and foreign folders: one line each ---


def cut_short(folder: Path) -> None:
    path = min(folder.glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-7])


def lose_a_shard(folder: Path) -> None:
    sorted(folder.glob("*.safetensors"))[1].unlink()


def change(**values):
    def act(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **values}))

    return act


def tear_config(folder: Path) -> None:
    (folder / "config.json").write_text((folder / "config.json").read_text()[:40])


def only_pickle(folder: Path) -> None:
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'true'\ntR.")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut_short, r"model-00001-of-\d+\.safetensors has"),
        (lose_a_shard, r"lacks model-00002-of"),
        (change(intermediate_size=380), r"mlp\.\w+\.weight is \d+ by \d+, not"),
        (change(num_hidden_layers=3, layer_types=None), r"layers\.2\.\S+ is missing and \d+ more"),
        (change(model_type="nobody"), "model type `nobody`"),
        (change(auto_map={"AutoModel": "own.Model"}), "run its own code"),
        (tear_config, "config.json cannot be read"),
        (only_pickle, "can run code"),
    ],
)
def test_a_folder_that_is_not_right_is_told_in_one_line(copy, damage, told):
    damage(copy)

    with pytest.raises(DataError, match=told) as caught:
        load(copy)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_another_kind_of_model_is_told_in_one_line(made):
    with pytest.raises(DataError, match="Qwen3Config") as caught:
        placement_torch.load(AutoModelForMultimodalLM, setup(made), CPU)
    assert "\n" not in str(caught.value)


# --- devices and attention ---


def test_a_device_that_is_not_there_is_told():
    with pytest.raises(UnavailableError, match="no CUDA device 7"):
        placement_torch.place("cuda:7", "auto")
    with pytest.raises(UsageError, match="tpu"):
        placement_torch.place("tpu", "auto")
    with pytest.raises(UsageError, match="int8"):
        placement_torch.place("cpu", "int8")


def test_attention_is_passed_on_where_it_can_be_had(made):
    asked = setup(made)

    assert placement_torch.attention(asked) is None
    assert placement_torch.attention(replace(asked, attention="sdpa")) == "sdpa"
    assert placement_torch.attention(replace(asked, attention="eager")) == "eager"
    with pytest.raises(UsageError, match="sdpa, eager"):
        placement_torch.attention(replace(asked, attention="fast"))
    with pytest.raises(UnavailableError, match="CUDA"):
        placement_torch.attention(replace(asked, attention="flash_attention_2"))


# --- memory ---


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.05 GB)"),
        RuntimeError("Invalid buffer size: 20.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_every_way_to_say_that_memory_is_short_is_one(error):
    with pytest.raises(OutOfMemoryError) as caught, placement_torch.memory():
        raise error
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), OSError(2, "No such file"), ValueError("x")])
def test_other_errors_fly_through(error):
    with pytest.raises(type(error)) as caught, placement_torch.memory():
        raise error
    assert caught.value is error


def test_torch_itself_runs_out_and_the_tensors_of_the_failed_call_go():
    alive = []

    class Big:
        pass

    def compute() -> None:
        import weakref

        big = Big()
        alive.append(weakref.ref(big))
        torch.empty(10**15)

    def call() -> None:
        with placement_torch.memory():
            compute()

    try:
        call()
    except OutOfMemoryError as error:
        caught = error
        freed = alive[0]() is None  # while the error is still held

    assert isinstance(caught, OutOfMemoryError)
    assert freed


def test_a_model_that_the_device_cannot_hold_is_unavailable_with_the_knob(made):
    class Short:
        @staticmethod
        def from_pretrained(*args, **more):
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(UnavailableError, match="--quantize int4"):
        placement_torch.load(Short, setup(made), CPU)


def test_what_a_batch_may_hold_is_bounded_and_what_was_learnt_counts(made, tmp_path):
    sizes.forget()
    asked = setup(made)
    whole = placement_torch.fit(asked, CPU, tmp_path)

    sizes.remember(placement_torch.known_as(asked, CPU), placement_torch.card(CPU), 90.0, tmp_path)

    assert whole == 240.0  # a CPU
    assert placement_torch.fit(asked, CPU, tmp_path) == 90.0
    assert placement_torch.fit(replace(asked, longest=120.0), CPU, tmp_path) == 120.0  # one window is always tried
    sizes.forget()


class _Asked:
    """Stands for an Auto class on a machine with cards: keeps what it was asked, and has no room."""

    def __init__(self) -> None:
        self.more: dict = {}

    def from_pretrained(self, *args, **more):
        self.more = more
        raise torch.OutOfMemoryError("CUDA out of memory.")


@pytest.fixture
def cards(monkeypatch):
    """Two of 10 MB."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10_000_000, 10_000_000))
    return placement_torch.Place(torch.device("cuda:0"), torch.bfloat16)


def test_what_one_card_cannot_hold_is_spread_over_all_and_the_host(made, cards, monkeypatch):
    monkeypatch.setattr(placement_torch, "free", lambda where: 500_000)
    asked, before = _Asked(), offloaded()

    with pytest.raises(UnavailableError):
        placement_torch.load(asked, replace(setup(made), device="auto"), cards)

    assert asked.more["device_map"] == "auto"
    assert set(asked.more["max_memory"]) == {0, 1, "cpu"}
    assert asked.more["max_memory"][1] == 8_000_000
    assert offloaded() == before


def test_what_one_card_can_hold_goes_straight_to_it(made, cards, monkeypatch):
    monkeypatch.setattr(placement_torch, "free", lambda where: 10_000_000)
    asked = _Asked()

    with pytest.raises(UnavailableError, match="--quantize int8, --quantize int4"):
        placement_torch.load(asked, replace(setup(made), device="auto"), cards)

    assert asked.more["device_map"] == {"": torch.device("cuda:0")}


def test_a_card_that_the_user_chose_is_not_exchanged_for_another(made, cards, monkeypatch):
    monkeypatch.setattr(placement_torch, "free", lambda where: 500_000)
    asked = _Asked()

    with pytest.raises(UnavailableError, match="are free on cuda:0"):
        placement_torch.load(asked, replace(setup(made), device="cuda:0"), cards)
    assert asked.more == {}


@pytest.mark.slow
def test_models_that_are_loaded_at_once_are_whole_and_so_is_the_next():
    """transformers exchanges its own functions while it loads; of two at once one left the other's noop in place."""
    from concurrent.futures import ThreadPoolExecutor

    folders = [TINY / "qwen3-asr", TINY / "qwen3-aligner"] * 3

    def load(folder):
        resolved = registry.resolve(registry.Wanted(str(folder), device="cpu"))
        opened = registry.open_aligner if folder.name == "qwen3-aligner" else registry.open_transcriber
        opened(resolved).close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(load, folders))
    load(folders[0])
