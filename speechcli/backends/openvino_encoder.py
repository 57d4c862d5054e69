"""Whisper's encoder in OpenVINO: attention without its 6 x 1500 x 1500 scores in memory, in bfloat16 where there is.

Source: Radford et al. 2022 (arXiv:2212.04356), section 2.2; the names of the weights are CTranslate2's. On a processor
with AVX512_BF16 a window costs half of what CTranslate2's int8 costs and comes closer to float32 (1.2 % error of the
output instead of 4.4 %, tiny.en); without, it costs the same and is float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechcli.backends import ctranslate2_file
from speechcli.backends.quiet_openvino import Compiled, openvino, ops

FRAMES = 3000  # mel frames it was taught, 10 ms each; it gives half as many
_HEAD = 64  # width of an attention head in every Whisper
_EPSILON = 1e-5

Tensors = dict[str, NDArray[np.floating[Any]]]


class Encoder:
    """The encoder, compiled for a number of threads that may call it at once. frames: of mel that it takes."""

    def __init__(self, model: Path, lanes: int, threads: int, exact: bool, frames: int = FRAMES) -> None:
        """`model`: a CTranslate2 model.bin. `exact`: float32 even where bfloat16 is fast. Raises DataError."""
        self.frames = frames
        graph = _graph(ctranslate2_file.tensors(model, "encoder/"), frames)
        self._compiled = Compiled(graph, lanes, threads, rough=not exact)
        self.precision = self._compiled.precision

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-mel features, shape (1, mels, frames), to hidden states, shape (1, frames / 2, width)."""
        return self._compiled.run([features])


def _graph(weights: Tensors, n_frames: int = FRAMES) -> openvino.Model:
    n_mels = weights["encoder/conv1/weight"].shape[1]
    features = ops.parameter([1, n_mels, n_frames], np.float32, name="features")
    x = _convolution(_convolution(features, weights, "conv1", 1), weights, "conv2", 2)
    x = ops.transpose(x, ops.constant([0, 2, 1]))
    x = ops.add(x, _constant(weights["encoder/position_encodings/encodings"][None, : n_frames // 2]))
    layer = 0
    while f"encoder/layer_{layer}/ffn/layer_norm/gamma" in weights:
        attended = _attention(_norm(x, weights, f"layer_{layer}/self_attention/layer_norm"), weights, layer)
        x = ops.add(x, attended)
        y = _norm(x, weights, f"layer_{layer}/ffn/layer_norm")
        wide = ops.gelu(_linear(y, weights, f"layer_{layer}/ffn/linear_0"), "erf")
        x = ops.add(x, _linear(wide, weights, f"layer_{layer}/ffn/linear_1"))
        layer += 1
    return openvino.Model([_norm(x, weights, "layer_norm")], [features], "whisper_encoder")


def _attention(x: openvino.Node, weights: Tensors, layer: int) -> openvino.Node:
    name = f"layer_{layer}/self_attention"
    width = weights[f"encoder/{name}/linear_1/bias"].shape[0]
    projected = _linear(x, weights, f"{name}/linear_0")  # queries, keys and values side by side
    split = ops.reshape(projected, ops.constant([0, 0, 3, width // _HEAD, _HEAD]), True)
    queries, keys, values = ops.split(ops.transpose(split, ops.constant([2, 0, 3, 1, 4])), ops.constant(0), 3).outputs()
    flat = [ops.squeeze(part, ops.constant(0)) for part in (queries, keys, values)]
    heads = ops.scaled_dot_product_attention(*flat)
    joined = ops.reshape(ops.transpose(heads, ops.constant([0, 2, 1, 3])), ops.constant([0, 0, width]), True)
    return _linear(joined, weights, f"{name}/linear_1")


def _convolution(x: openvino.Node, weights: Tensors, name: str, stride: int) -> openvino.Node:
    y = ops.convolution(x, _constant(weights[f"encoder/{name}/weight"]), [stride], [1], [1], [1])
    return ops.gelu(ops.add(y, _constant(weights[f"encoder/{name}/bias"].reshape(1, -1, 1))), "erf")


def _linear(x: openvino.Node, weights: Tensors, name: str) -> openvino.Node:
    y = ops.matmul(x, _constant(weights[f"encoder/{name}/weight"]), False, True)
    return ops.add(y, _constant(weights[f"encoder/{name}/bias"]))


def _norm(x: openvino.Node, weights: Tensors, name: str) -> openvino.Node:
    gamma, beta = (weights[f"encoder/{name}/{part}"] for part in ("gamma", "beta"))
    y = ops.mvn(x, ops.constant([-1]), True, _EPSILON, "inside_sqrt")
    return ops.add(ops.multiply(y, _constant(gamma)), _constant(beta))


def _constant(array: NDArray[np.floating[Any]]) -> openvino.Node:
    node = ops.constant(np.array(array), shared_memory=True)
    return node if array.dtype == np.float32 else ops.convert(node, "f32")
