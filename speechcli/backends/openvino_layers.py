"""The layers of Whisper as nodes of OpenVINO, and their weights in int8, for the encoder, the decoder and the reader.

Source: Radford et al. 2022 (arXiv:2212.04356), section 2.2; the names of the weights are CTranslate2's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechcli.backends.quiet_openvino import openvino, ops
from speechcli.errors import DataError

HEAD = 64  # width of an attention head in every Whisper
GROUP = 32  # inputs of a layer that share a scale in int8; it divides the width of every Whisper
_EPSILON = 1e-5

Tensors = dict[str, NDArray[Any]]


def in_groups(weights: Tensors) -> Tensors:
    """The same weights, those of the linear layers as int8 of shape (outputs, groups, GROUP), and next to each its
    float32 scales, (outputs, groups, 1), as NAME_scale. Raises DataError for a width that GROUP does not divide.
    """
    found = dict(weights)
    for name in _linear_layers(weights):
        found |= grouped(name, weights[name])
    return found


def grouped(name: str, matrix: NDArray[Any]) -> Tensors:
    """One of them."""
    n_outputs, n_inputs = matrix.shape
    if n_inputs % GROUP:
        raise DataError(f"{name} has {n_inputs} inputs, which {GROUP} does not divide")
    return _rounded(name, matrix.astype(np.float32).reshape(n_outputs, -1, GROUP))


def in_rows(weights: Tensors) -> Tensors:
    """As `in_groups`, with one scale for each row: int8 of shape (outputs, inputs), scales (outputs, 1)."""
    found = dict(weights)
    for name in _linear_layers(weights):
        found |= _rounded(name, weights[name].astype(np.float32))
    return found


def linear(x: openvino.Node, weights: Tensors, name: str) -> openvino.Node:
    """A layer whose weights are floating, in groups or in rows."""
    return ops.add(ops.matmul(x, matrix(weights, f"{name}/weight"), False, True), weight(weights[f"{name}/bias"]))


def matrix(weights: Tensors, name: str) -> openvino.Node:
    """Weights, (outputs, inputs), in the pattern OpenVINO knows as int8 where they are that."""
    array, scales = weights[name], weights.get(f"{name}_scale")
    if scales is None:
        return weight(array)
    scaled = ops.multiply(weight(array), weight(scales))
    return scaled if array.ndim == 2 else ops.reshape(scaled, constant([array.shape[0], -1]), False)


def norm(x: openvino.Node, weights: Tensors, name: str) -> openvino.Node:
    """Layer normalization."""
    gamma, beta = (weight(weights[f"{name}/{part}"]) for part in ("gamma", "beta"))
    return ops.add(ops.multiply(ops.mvn(x, constant([-1]), True, _EPSILON, "inside_sqrt"), gamma), beta)


def feed_forward(x: openvino.Node, weights: Tensors, name: str) -> openvino.Node:
    """x, and what two layers make of it."""
    wide = ops.gelu(linear(norm(x, weights, f"{name}/layer_norm"), weights, f"{name}/linear_0"), "erf")
    return ops.add(x, linear(wide, weights, f"{name}/linear_1"))


def heads_of(x: openvino.Node, n: int) -> openvino.Node:
    """(batch, length, n * 64) to (batch, n, length, 64)."""
    return ops.transpose(ops.reshape(x, constant([0, 0, n, HEAD]), True), constant([0, 2, 1, 3]))


def joined(x: openvino.Node, width: int) -> openvino.Node:
    """And back, (batch, length, width)."""
    return ops.reshape(ops.transpose(x, constant([0, 2, 1, 3])), constant([0, 0, width]), True)


def weight(array: NDArray[Any]) -> openvino.Node:
    """Numbers of any type as float32 ones."""
    node = ops.constant(np.array(array), shared_memory=True)
    return node if array.dtype == np.float32 else ops.convert(node, "f32")


def constant(value: Any) -> openvino.Node:
    """A number or some, as they are."""
    return ops.constant(np.array(value))


def _linear_layers(weights: Tensors) -> list[str]:
    return [name for name in weights if "/linear_" in name and name.endswith("/weight")]


def _rounded(name: str, parts: NDArray[np.float32]) -> Tensors:
    """In int8, with a scale for the numbers along the last axis."""
    most = np.maximum(parts.max(-1, keepdims=True), -parts.min(-1, keepdims=True))
    scales = np.maximum(most, np.finfo(np.float32).tiny) / 127  # of zeros alone: any
    return {name: np.rint(parts / scales).astype(np.int8), f"{name}_scale": scales}
