"""OpenVINO, kept from telling its makers of every import, and models of it that several threads may call at once."""

# ruff: noqa: E402
from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

# It tells its makers of every import, over the network; without this package it keeps quiet. We are offline.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as ops

from speechcli.backends import kept

__all__ = ["Compiled", "compiled", "has_bfloat16", "openvino", "ops"]

_MOST = 1 << 30  # bytes of what was compiled that are kept: the encoder of tiny.en has 13 MB, of large-v3 700

# Its first look at an array imports numpy while it holds a lock of its own: two threads that do it at once may wait for
# each other for ever (one of seven processes did, 2026.4).
_ = openvino.Tensor(np.zeros(1, np.float32)).data


@cache
def has_bfloat16() -> bool:
    """Whether the processor computes in it, which is not to say that it is fast."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@cache
def _core() -> openvino.Core:
    """The engine itself: all models of a process share it."""
    return openvino.Core()


class Compiled:
    """A model on the processor. precision: what it runs in."""

    def __init__(
        self, model: openvino.Model | bytes, lanes: int, threads: int, rough: bool, group: int | None = None
    ) -> None:
        """model: or the blob of one. lanes: calls at a time. threads: of each. rough: bfloat16 will do, where it is.

        group: so many inputs of a layer share a scale, where its weights are int8: they are rounded too.
        """
        core = _core()
        short = rough and has_bfloat16()
        self.precision = "bfloat16" if short else "float32"
        told = {
            "INFERENCE_PRECISION_HINT": "bf16" if short else "f32",
            "INFERENCE_NUM_THREADS": lanes * threads,
            "NUM_STREAMS": lanes,
            "ENABLE_CPU_PINNING": False,  # others use these cores too
            # Kernels of so many shapes are kept: of all that an hour brings they took 240 MB, and saved no time.
            "CPU_RUNTIME_CACHE_CAPACITY": 16,
        }
        if short:
            told["KV_CACHE_PRECISION"] = "bf16"
        if group is not None:
            told["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = group
        if isinstance(model, bytes):
            self._compiled = core.import_model(model, "CPU", told)
        else:
            self._compiled = core.compile_model(model, "CPU", told)
        self._free: SimpleQueue[openvino.InferRequest] = SimpleQueue()
        for _ in range(lanes):
            self._free.put(self._compiled.create_infer_request())

    def blob(self) -> bytes:
        """What it is made again from, by the same version on the same kind of processor."""
        made = self._compiled.export_model()
        return made if isinstance(made, bytes) else bytes(made.getbuffer())

    @contextmanager
    def request(self) -> Iterator[openvino.InferRequest]:
        """What calls it, for one thread."""
        request = self._free.get()
        try:
            yield request
        finally:
            self._free.put(request)

    def run(self, inputs: Sequence[NDArray[np.float32]] | Mapping[str, NDArray[np.float32]]) -> NDArray[Any]:
        """The output, for inputs in order or by name."""
        with self.request() as request:
            return np.array(request.infer(inputs, share_inputs=True)[0])


def compiled(
    make: Callable[[], openvino.Model],
    lanes: int,
    threads: int,
    rough: bool,
    group: int | None = None,
    cache: Path | None = None,
) -> Compiled:
    """See `Compiled`. cache: file of what was compiled, which is made where it is missing or cannot be used."""
    if cache is not None and (blob := kept.read(cache)) is not None:
        with suppress(RuntimeError):  # of another build of the same version, it may be
            return Compiled(blob, lanes, threads, rough, group)
    done = Compiled(make(), lanes, threads, rough, group)
    if cache is not None:
        kept.write(cache, done.blob(), most=_MOST)
    return done
