"""Where a torch model runs and how it is loaded: device, dtype, attention, quantised weights, memory.

Sources: transformers' from_pretrained, accelerate's big model inference.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from speechcli.backends.base import OutOfMemoryError, Setup
from speechcli.errors import DataError, UnavailableError, UsageError

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Place:
    """device: "cpu", "cuda:N" or "mps". dtype: of the arithmetic."""

    device: torch.device
    dtype: torch.dtype


def place(device: str, dtype: str) -> Place:
    """auto: the first CUDA device, else Apple's, else the CPU; bfloat16 where the device has it, else float32.

    Raises UnavailableError, UsageError.
    """
    if device == "auto":
        device = "cuda:0" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = device.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not index.isdigit()):
        raise UsageError(f"no device is called {device}", "auto, cpu, cuda, cuda:1 or mps")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        n_cuda = torch.cuda.device_count()
        raise UnavailableError(
            f"no CUDA device {index or 0} here ({n_cuda} found)", "use --device cpu; see speechcli doctor"
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UnavailableError("no Apple GPU here", "use --device cpu")
    if dtype == "auto":
        fast = kind == "cuda" and torch.cuda.is_bf16_supported()
        return Place(torch.device(device), torch.bfloat16 if fast else torch.float32)
    if dtype not in _DTYPES:
        raise UsageError(f"this model cannot compute in {dtype}", f"it can in {', '.join(_DTYPES)}")
    return Place(torch.device(device), _DTYPES[dtype])


def load(auto: Any, setup: Setup, where: Place, **more: object) -> Any:
    """The model of `setup.folder` by one of transformers' Auto classes, in evaluation mode, on its device.

    more: further arguments of from_pretrained. Raises DataError for weights that cannot be read, UnavailableError for
    a device that they do not fit on.
    """
    try:
        with memory():
            model = auto.from_pretrained(
                setup.folder, dtype=where.dtype, use_safetensors=True, local_files_only=True, **more
            )
            return model.to(where.device).eval()
    except OutOfMemoryError as error:
        raise UnavailableError(
            f"not enough memory on {where.device} for {setup.name}", "--quantize int4, a smaller model, or --device cpu"
        ) from error
    except Exception as error:
        # safetensors, json and transformers share no narrower ancestor (SafetensorError derives from Exception)
        raise DataError(f"the weights in {setup.folder} cannot be loaded ({error})", "are they whole?") from error


@contextmanager
def memory() -> Iterator[None]:
    """Torch's ways of saying that memory is short become ours. Raises OutOfMemoryError."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemoryError(str(error)) from error
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, MemoryError) or "not enough memory" in str(error) or "out of memory" in str(error):
            raise OutOfMemoryError(str(error)) from error
        raise
