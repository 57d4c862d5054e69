"""Whisper's encoder in ONNX Runtime, for machines without OpenVINO: its attention keeps its scores in the cache too.

The graph is written here from CTranslate2's weights, a few kilobytes that only name them: the `onnx` package is not
needed, no file is, and the 2 GB a protobuf may have are no bound. Source: onnxruntime/docs/ContribOperators.md for
MultiHeadAttention.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from speechcli.backends import ctranslate2_file
from speechcli.backends.onnx_bytes import Attribute, Node, written
from speechcli.errors import DataError

FRAMES = 3000  # mel frames it was taught, 10 ms each; it gives half as many
_HEAD = 64  # width of an attention head in every Whisper
_EPSILON = 1e-5
_OURS = "com.microsoft"  # the domain of onnxruntime's own operators
_OPERATORS = {"": 17, _OURS: 1}  # versions: the first with LayerNormalization
# They share no ancestor but Exception.
_FAILURES = (failures.Fail, failures.InvalidArgument, failures.InvalidGraph, failures.NotImplemented)

Tensors: TypeAlias = dict[str, NDArray[np.floating[Any]]]


class Encoder:
    """The encoder, for a number of threads that may call it at once. frames: of mel that it takes."""

    engine = "ONNX Runtime"
    precision = "float32"

    def __init__(self, model: Path, lanes: int, threads: int, frames: int = FRAMES) -> None:
        """`model`: a CTranslate2 model.bin. lanes: calls at a time. threads: of each.

        Raises DataError; RuntimeError where ONNX Runtime cannot.
        """
        self.frames = frames
        try:
            graph = _Graph(ctranslate2_file.tensors(model, "encoder/"), frames)
        except KeyError as error:
            raise DataError(f"{model} has no {error}: is it a Whisper?") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1 + lanes * (threads - 1)  # the caller's and those all callers share
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others use these cores too
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # it keeps the most that it ever held
        options.log_severity_level = 3
        held = {name: onnxruntime.OrtValue.ortvalue_from_numpy(array) for name, array in graph.weights.items()}
        options.add_external_initializers(list(held), list(held.values()))
        self._held = held  # the session reads what it has not packed from here
        try:
            self._session = onnxruntime.InferenceSession(graph.model(), options, providers=["CPUExecutionProvider"])
        except _FAILURES as error:
            raise RuntimeError(str(error)) from error

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-mel features, shape (1, mels, frames), to hidden states, shape (1, frames / 2, width)."""
        out: NDArray[np.float32] = self._session.run(None, {"features": features})[0]
        return out


class _Graph:
    """The encoder as nodes, in the order they are computed. weights: by the name the nodes know them by."""

    def __init__(self, stored: Tensors, n_frames: int) -> None:
        self.weights: dict[str, NDArray[np.float32]] = {}
        self._stored = stored
        self._nodes: list[Node] = []
        n_mels = stored["encoder/conv1/weight"].shape[1]
        self._output = self._encoded(n_frames)
        width = stored["encoder/conv2/bias"].shape[0]
        self._shapes = {"features": (1, n_mels, n_frames), self._output: (1, n_frames // 2, width)}

    def model(self) -> bytes:
        """A whole ModelProto."""
        ends = (["features"], [self._output])
        return written(self._nodes, self.weights, *ends, shapes=self._shapes, operators=_OPERATORS, apart=True)

    def _encoded(self, n_frames: int) -> str:
        x = self._convolution(self._convolution("features", "conv1", 1), "conv2", 2)
        x = self._node("Transpose", x, perm=[0, 2, 1])
        places = self._stored["encoder/position_encodings/encodings"][None, : n_frames // 2]
        x = self._node("Add", x, self._weight("positions", places))
        layer = 0
        while f"encoder/layer_{layer}/ffn/layer_norm/gamma" in self._stored:
            x = self._node("Add", x, self._attention(x, f"layer_{layer}/self_attention"))
            x = self._node("Add", x, self._feed_forward(x, f"layer_{layer}/ffn"))
            layer += 1
        return self._norm(x, "layer_norm")

    def _attention(self, x: str, name: str) -> str:
        x = self._norm(x, f"{name}/layer_norm")
        width = self._stored[f"encoder/{name}/linear_1/bias"].shape[0]
        both, bias = (self._stored[f"encoder/{name}/linear_0/{part}"] for part in ("weight", "bias"))
        parts = [
            self._node("MatMul", x, self._weight(f"{name}/{part}", both[i * width : (i + 1) * width].T))
            for i, part in enumerate(("queries", "keys", "values"))
        ]
        heads = self._node("MultiHeadAttention", *parts, self._weight(f"{name}/bias", bias), num_heads=width // _HEAD)
        return self._linear(heads, f"{name}/linear_1")

    def _feed_forward(self, x: str, name: str) -> str:
        x = self._norm(x, f"{name}/layer_norm")
        return self._linear(self._node("Gelu", self._linear(x, f"{name}/linear_0")), f"{name}/linear_1")

    def _convolution(self, x: str, name: str, stride: int) -> str:
        weight, bias = (self._own(f"{name}/{part}") for part in ("weight", "bias"))
        return self._node("Gelu", self._node("Conv", x, weight, bias, strides=[stride], pads=[1, 1]))

    def _linear(self, x: str, name: str) -> str:
        weight = self._weight(f"{name}/weight", self._stored[f"encoder/{name}/weight"].T)
        return self._node("Add", self._node("MatMul", x, weight), self._own(f"{name}/bias"))

    def _norm(self, x: str, name: str) -> str:
        gamma, beta = (self._own(f"{name}/{part}") for part in ("gamma", "beta"))
        return self._node("LayerNormalization", x, gamma, beta, axis=-1, epsilon=_EPSILON)

    def _own(self, name: str) -> str:
        return self._weight(name, self._stored[f"encoder/{name}"])

    def _weight(self, name: str, array: NDArray[np.floating[Any]]) -> str:
        self.weights[name] = np.ascontiguousarray(array, np.float32)
        return name

    def _node(self, operator: str, *inputs: str, **attributes: Attribute) -> str:
        """Appends a node; the name of what it gives."""
        output = f"{operator}_{len(self._nodes)}"
        domain = _OURS if operator in ("MultiHeadAttention", "Gelu") else ""
        self._nodes.append(Node(operator, inputs, [output], attributes, domain))
        return output
