"""Whisper's encoder in OpenVINO: attention without its 6 x 1500 x 1500 scores in memory, in one of three precisions.

Source: Radford et al. 2022 (arXiv:2212.04356), section 2.2; the names of the weights are CTranslate2's. CPU seconds of
a window of tiny.en in one thread, and how far the output is from float32's:

| | AMD with AVX512_BF16 | Intel without AMX | error |
|---|---|---|---|
| float32 | 0.18 | 0.28 | |
| bfloat16 | 0.11 | 0.48 | 1.2 % |
| int8 | not measured | 0.22 | 2.4 % |
| CTranslate2's int8 | 0.30 | 0.37 | 4.4 % |
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from speechcli.backends import ctranslate2_file
from speechcli.backends.quiet_openvino import Compiled, compiled, has_bfloat16, openvino, ops
from speechcli.errors import DataError

Precision: TypeAlias = Literal["float32", "bfloat16", "int8"]

FRAMES = 3000  # mel frames it was taught, 10 ms each; it gives half as many
GROUP = 32  # inputs of a layer that share a scale in int8; it divides the width of every Whisper
_HEAD = 64  # width of an attention head in every Whisper
_EPSILON = 1e-5

Tensors = dict[str, NDArray[Any]]


class Encoder:
    """The encoder, compiled for a number of threads that may call it at once. frames: of mel that it takes."""

    engine = "OpenVINO"

    def __init__(
        self,
        model: Path,
        lanes: int,
        threads: int,
        precision: Precision = "float32",
        frames: int = FRAMES,
        cache: Path | None = None,
    ) -> None:
        """`model`: a CTranslate2 model.bin. cache: file of what was compiled, to be made where it is missing.

        Raises DataError; RuntimeError where the processor, or OpenVINO, cannot.
        """
        if precision == "bfloat16" and not has_bfloat16():
            raise RuntimeError("this processor has no bfloat16")
        self.frames = frames
        self.precision = precision
        if precision == "int8":
            # Kept, for rounding and compiling take 0.22 s (tiny.en), reading it back 0.07.
            def make() -> openvino.Model:
                return _graph(in_groups(ctranslate2_file.tensors(model, "encoder/")), frames)

            self._compiled = compiled(make, lanes, threads, False, GROUP, cache)
            return
        # Not kept: what was compiled (0.18 s, tiny.en) is read back in 0.12 s, that of large models not faster at all.
        graph = _graph(ctranslate2_file.tensors(model, "encoder/"), frames)
        self._compiled = Compiled(graph, lanes, threads, rough=precision == "bfloat16")

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-mel features, shape (1, mels, frames), to hidden states, shape (1, frames / 2, width)."""
        return self._compiled.run([features])


def in_groups(weights: Tensors) -> Tensors:
    """The same weights, those of the linear layers as int8 of shape (outputs, groups, GROUP), and next to each its
    float32 scales, (outputs, groups, 1), as NAME_scale. Raises DataError for a width that GROUP does not divide.
    """
    found = dict(weights)
    for name in [name for name in weights if "/linear_" in name and name.endswith("/weight")]:
        n_outputs, n_inputs = weights[name].shape
        if n_inputs % GROUP:
            raise DataError(f"{name} has {n_inputs} inputs, which {GROUP} does not divide")
        groups = weights[name].astype(np.float32).reshape(n_outputs, -1, GROUP)
        most = np.maximum(groups.max(2, keepdims=True), -groups.min(2, keepdims=True))
        scales = np.maximum(most, np.finfo(np.float32).tiny) / 127  # of zeros alone: any
        found[name] = np.rint(groups / scales).astype(np.int8)
        found[f"{name}_scale"] = scales
    return found


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
    y = ops.matmul(x, _matrix(weights, f"encoder/{name}/weight"), False, True)
    return ops.add(y, _constant(weights[f"encoder/{name}/bias"]))


def _matrix(weights: Tensors, name: str) -> openvino.Node:
    """Weights of a linear layer, (outputs, inputs), in the pattern OpenVINO knows as int8 where they are in groups."""
    array, scales = weights[name], weights.get(f"{name}_scale")
    if scales is None:
        return _constant(array)
    scaled = ops.multiply(_constant(array), _constant(scales))
    return ops.reshape(scaled, ops.constant(np.array([array.shape[0], array.shape[1] * GROUP])), False)


def _norm(x: openvino.Node, weights: Tensors, name: str) -> openvino.Node:
    gamma, beta = (weights[f"encoder/{name}/{part}"] for part in ("gamma", "beta"))
    y = ops.mvn(x, ops.constant([-1]), True, _EPSILON, "inside_sqrt")
    return ops.add(ops.multiply(y, _constant(gamma)), _constant(beta))


def _constant(array: NDArray[Any]) -> openvino.Node:
    node = ops.constant(np.array(array), shared_memory=True)
    return node if array.dtype == np.float32 else ops.convert(node, "f32")
