"""Where a model runs and with which arithmetic: device, compute type, lanes and threads."""

from __future__ import annotations

from dataclasses import dataclass

import ctranslate2

from speechcli.backends.machine import cores
from speechcli.errors import UnavailableError, UsageError

MAX_LANES = 8


@dataclass(frozen=True, slots=True)
class Placement:
    """device: "cpu" or "cuda:N". lanes: batches at a time; threads: CPU threads of each."""

    device: str
    compute_type: str
    lanes: int
    threads: int


def for_ctranslate2(device: str, dtype: str) -> Placement:
    """Placement of a CTranslate2 model; "auto" takes the first CUDA device there is, else the CPU in int8.

    On a CPU one thread a lane, as many lanes as cores: threads inside a layer only wait for each other.
    Raises UnavailableError, UsageError.
    """
    n_cuda = ctranslate2.get_cuda_device_count()
    if device == "auto":
        device = "cuda:0" if n_cuda else "cpu"
    kind, _, index = device.partition(":")
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise UsageError(f"this model runs on cpu and cuda, not on {device}", "use --device cpu")
    number = int(index or 0)
    if kind == "cuda" and number >= n_cuda:
        raise UnavailableError(
            f"no CUDA device {number} here ({n_cuda} found)", "use --device cpu; see speechcli doctor"
        )
    default = "int8" if kind == "cpu" else "float16"
    compute_type = default if dtype == "auto" else dtype
    possible = ctranslate2.get_supported_compute_types(kind, number)
    if compute_type not in possible:
        raise UsageError(f"{device} cannot compute in {compute_type}", f"it can in {', '.join(sorted(possible))}")
    if kind == "cpu":
        lanes = min(cores(), MAX_LANES)
        return Placement("cpu", compute_type, lanes, max(1, cores() // lanes))
    return Placement(f"cuda:{number}", compute_type, 1, 1)
