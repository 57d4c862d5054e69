"""What there is to compute on besides the CPU."""

from __future__ import annotations

from importlib.util import find_spec

import ctranslate2


def accelerators() -> list[str]:
    """One line each, as the engines see them; takes seconds where torch is installed."""
    found = [f"cuda:{i} for CTranslate2" for i in range(ctranslate2.get_cuda_device_count())]
    if find_spec("torch") is not None:
        import torch

        for i in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(i)
            found.append(f"cuda:{i} for torch: {facts.name}, {facts.total_memory / 1e9:.0f} GB")
        if torch.backends.mps.is_available():
            found.append("mps for torch")
    return found


def likely_width(device: str) -> int:
    """Bytes of a number where nobody said which: bfloat16 on a card, float32 on the CPU.

    As CTranslate2 sees the cards: to ask torch would take seconds.
    """
    return 2 if card(device) else 4


def card(device: str) -> bool:
    """Whether something else than the CPU is meant, as far as CTranslate2 sees it."""
    return device != "cpu" and (device != "auto" or bool(ctranslate2.get_cuda_device_count()))
