"""Models in onnxruntime's own format (.ort), by OpenVINO where it is there, else by onnxruntime.

OpenVINO reads no .ort, but onnxruntime writes one as ONNX, weights and all. On a processor with AVX512_BF16 the
embedding of community-1 then costs 0.4 of what onnxruntime takes, its segmentation in float32 0.85.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from speechcli.errors import UnavailableError

ENGINES = ("openvino", "onnxruntime")
Inputs: TypeAlias = Mapping[str, NDArray[np.float32]]


class Graph(Protocol):
    """A model of one output, float32, that may be called from several threads at once, each call in its own."""

    engine: str

    def __call__(self, inputs: Inputs) -> NDArray[np.float32]: ...


def opened(model: bytes, threads: int, rough: bool, engine: str | None = None) -> Graph:
    """The model, for so many threads. rough: bfloat16 will do, where it is fast. engine: None for the faster one here.

    Raises UnavailableError where the engine that was asked for is not installed.
    """
    if engine != "onnxruntime":
        try:
            return _OpenVino(model, threads, rough)
        except (ImportError, RuntimeError) as error:  # RuntimeError: it knows no such processor, or no such model
            if engine is not None:
                raise UnavailableError(f"OpenVINO does not run here ({str(error).splitlines()[0]})") from error
    return _OnnxRuntime(model)


class _OnnxRuntime:
    engine = "onnxruntime"

    def __init__(self, model: bytes) -> None:
        self._session = _session(model, _options())

    def __call__(self, inputs: Inputs) -> NDArray[np.float32]:
        out: NDArray[np.float32] = self._session.run(None, dict(inputs))[0]
        return out


class _OpenVino:
    engine = "openvino"

    def __init__(self, model: bytes, threads: int, rough: bool) -> None:
        from speechcli.backends.quiet_openvino import Compiled, openvino

        graph = openvino.Core().read_model(_as_onnx(model), b"")
        self._compiled = Compiled(graph, threads, 1, rough)

    def __call__(self, inputs: Inputs) -> NDArray[np.float32]:
        return np.asarray(self._compiled.run(inputs), np.float32)


def _as_onnx(model: bytes) -> bytes:
    options = _options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # others could not read it
    options.add_session_config_entry("session.save_model_format", "ONNX")
    with tempfile.TemporaryDirectory(prefix="speechcli-") as folder:
        path = Path(folder, "model.onnx")
        options.optimized_model_filepath = str(path)
        _session(model, options)
        return path.read_bytes()


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it keeps the most that it ever held
    options.log_severity_level = 3
    return options


def _session(model: bytes, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
