"""What machine figures were measured on: for `Result.machine`. Nothing heavy is imported to find out."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from types import ModuleType

import psutil  # type: ignore[import-untyped]

from speechcli import __version__
from speechcli.backends.machine import cores
from speechcli.bench.meters import nvml

_PACKAGES = (
    *("numpy", "faster-whisper", "ctranslate2", "onnxruntime", "openvino", "torch", "transformers"),
    *("pyannote.audio", "jiwer", "meeteval", "pyannote.metrics", "whisper-normalizer"),
)
_CGROUP = Path("/sys/fs/cgroup")


def facts(cpuinfo: Path = Path("/proc/cpuinfo"), group: Path = _CGROUP) -> Mapping[str, str]:
    """Processor, cores, memory, GPUs, system, Python and packages, as far as they are known; in this order.

    cpuinfo, group: where Linux tells of processors, and of a container's limits.
    """
    library, _ = nvml()
    found = {
        "processor": _processor(cpuinfo),
        "cores": _cores(group),
        "memory": f"{memory(group) / 1e9:.1f} GB",
        **({} if library is None else _gpus(library)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "speechcli": __version__,
    }
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return {name: fact for name, fact in found.items() if fact}


def memory(group: Path = _CGROUP) -> int:
    """Bytes of host memory there are; a container's limit where that is less."""
    whole = int(psutil.virtual_memory().total)
    with suppress(OSError, ValueError):  # "max"
        return min(whole, int((group / "memory.max").read_text()))
    return whole


def free(group: Path = _CGROUP) -> int:
    """Bytes of host memory that a program may take; of a container's limit what is left."""
    there = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError, StopIteration):
        rows = (group / "memory.stat").read_text().splitlines()
        cached = int(next(row for row in rows if row.startswith("inactive_file ")).split()[1])  # given back when needed
        used = int((group / "memory.current").read_text()) - cached
        return min(there, max(0, int((group / "memory.max").read_text()) - used))
    return there


def _processor(cpuinfo: Path) -> str:
    with suppress(OSError):
        for line in cpuinfo.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _cores(group: Path) -> str:
    """Those that this process may use; what a container has of them in time, where that is less."""
    n = cores()
    with suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text().split()
        if (share := float(quota) / float(period)) < n:  # "max" is no number
            return f"{n}, {share:g} of them in time"
    return str(n)


def _gpus(library: ModuleType) -> Mapping[str, str]:
    """NVIDIA's, as NVML tells."""
    with suppress(library.NVMLError):
        handles = [library.nvmlDeviceGetHandleByIndex(i) for i in range(library.nvmlDeviceGetCount())]
        named = [
            f"{library.nvmlDeviceGetName(handle)}, {library.nvmlDeviceGetMemoryInfo(handle).total / 1e9:.0f} GB"
            for handle in handles
        ]
        return {"gpu": "; ".join(named), "driver": str(library.nvmlSystemGetDriverVersion())}
    return {}
