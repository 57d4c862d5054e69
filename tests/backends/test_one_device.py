"""Every tensor that meets the model lies on the model's device: seen without a GPU, by how each of them was made.

On a CPU all tensors are on the same device, so a forgotten `.to(device)` goes unnoticed until somebody has a GPU.
`Apart` tells them apart: the backend is told to run on "cpu:0", which the weights are said to be on. So is what was
made there by `device=` or moved by `.to(device)`, and what was computed from such tensors. All else is on "cpu", the
host, and must not meet them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import common
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from speechcli.backends import align_qwen3, placement_torch, registry, vibevoice
from speechcli.backends.base import Hints, Setup
from speechcli.core.audio import Audio

TINY = Path(common.__file__).parent
NAMES = tuple(common.CLIPS)[:2]  # of different lengths: rows are padded
HOST, THERE = torch.device("cpu"), torch.device("cpu", 0)
BACK = ("cpu", "numpy", "tolist", "item")


class Apart(TorchFunctionMode):
    """Notes in `met` the functions that were given tensors of both sides, as CUDA would refuse them."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.met: list[str] = []
        for weight in (*model.parameters(), *model.buffers()):
            weight._is_there = True

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        more = kwargs or {}
        name = getattr(func, "__name__", str(func))
        if func == torch.Tensor.device.__get__:
            return THERE if is_there(args[0]) else HOST
        given = list(tensors((args, more)))
        found = func(*args, **more)
        if name in BACK:
            there = False
        elif device := more.get("device") or next((a for a in args if isinstance(a, torch.device | str)), None):
            there = torch.device(device) == THERE
        else:
            there = any(is_there(tensor) for tensor in given)
            # CUDA takes indices from the host, and numbers without axes
            beside = [args[0], args[2]] if name == "__setitem__" else [args[0]] if name == "__getitem__" else given
            sides = {is_there(tensor) for tensor in tensors(beside) if tensor.dim()}
            if len(sides) == 2 and name not in ("to", "copy_"):
                self.met.append(name)
        for tensor in tensors(found):
            tensor._is_there = there
        return found


def tensors(tree: Any) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor))


def is_there(tensor: torch.Tensor) -> bool:
    return getattr(tensor, "_is_there", False)


@pytest.fixture(autouse=True)
def _told_to_run_there(monkeypatch):
    monkeypatch.setattr(placement_torch, "place", lambda device, dtype: placement_torch.Place(THERE, torch.float32))


def transcriber(name: str, **how: Any):
    return registry.open_transcriber(registry.resolve(registry.Wanted(str(TINY / name), device="cpu", **how)))


def clips(rate: int) -> list[Audio]:
    return [Audio(common.sound(name, rate), rate) for name in NAMES]


def inner(opened: Any) -> torch.nn.Module:
    return getattr(opened, "model", None) or opened._model


FAMILIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("vibevoice", {}),
    ("vibevoice", {"settings": {"seed": "3", "do_sample": "true", "prefill_chunk_size": "7"}}),
    ("qwen3-asr", {}),
    ("qwen3-asr", {"settings": {"repetition_penalty": "1.1", "num_beams": "2"}}),
    ("voxtral-realtime", {}),
    ("voxtral-realtime", {"attention": "eager"}),
    ("hf-ctc", {}),
    ("hf-seq2seq", {}),
)


@pytest.mark.parametrize(("name", "how"), FAMILIES)
def test_nothing_from_the_host_meets_the_model(name, how):
    opened = transcriber(name, **how)
    audios = clips(opened.traits.rate)
    hints = [Hints(languages=("en", "de") if name == "qwen3-asr" else ()) for _ in audios]

    with Apart(inner(opened)) as apart:
        heard = opened.transcribe(audios, hints)

    assert apart.met == []
    assert all(answer.segments for answer in heard)


def test_nothing_from_the_host_meets_the_aligner():
    opened = align_qwen3.open(Setup("qwen3-aligner", TINY / "qwen3-aligner", "", 180.0, device="cpu"))
    texts = [[f" {word}" for word in common.text(name).split()] for name in NAMES]

    with Apart(inner(opened)) as apart:
        words = opened.align(clips(16_000), texts, ["en", "en"])

    assert apart.met == []
    assert [len(row) for row in words] == [len(row) for row in texts]


def test_a_tensor_that_was_left_on_the_host_is_seen(monkeypatch):
    opened = transcriber("vibevoice")
    monkeypatch.setattr(vibevoice._Noise, "__call__", lambda noise, latents: torch.zeros(latents.shape))
    monkeypatch.setattr(opened, "_noise", lambda: vibevoice._Noise(1, 0.5))

    with Apart(inner(opened)) as apart:
        opened.transcribe(clips(24_000), [Hints()] * 2)

    assert apart.met
