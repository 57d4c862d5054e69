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
