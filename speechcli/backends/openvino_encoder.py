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
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from speechcli.backends import ctranslate2_file
from speechcli.backends.openvino_layers import (
    GROUP,
    HEAD,
    Tensors,
    constant,
    feed_forward,
    in_groups,
    joined,
    linear,
    norm,
    weight,
)
from speechcli.backends.quiet_openvino import Compiled, compiled, has_bfloat16, openvino, ops

Precision: TypeAlias = Literal["float32", "bfloat16", "int8"]

FRAMES = 3000  # mel frames it was taught, 10 ms each; it gives half as many


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


def _graph(weights: Tensors, n_frames: int = FRAMES) -> openvino.Model:
    n_mels = weights["encoder/conv1/weight"].shape[1]
    features = ops.parameter([1, n_mels, n_frames], np.float32, name="features")
    x = _convolution(_convolution(features, weights, "conv1", 1), weights, "conv2", 2)
    x = ops.transpose(x, constant([0, 2, 1]))
    x = ops.add(x, weight(weights["encoder/position_encodings/encodings"][None, : n_frames // 2]))
    layer = 0
    while f"encoder/layer_{layer}/ffn/layer_norm/gamma" in weights:
        name = f"encoder/layer_{layer}"
        attended = _attention(norm(x, weights, f"{name}/self_attention/layer_norm"), weights, f"{name}/self_attention")
        x = feed_forward(ops.add(x, attended), weights, f"{name}/ffn")
        layer += 1
    return openvino.Model([norm(x, weights, "encoder/layer_norm")], [features], "whisper_encoder")


def _attention(x: openvino.Node, weights: Tensors, name: str) -> openvino.Node:
    width = weights[f"{name}/linear_1/bias"].shape[0]
    projected = linear(x, weights, f"{name}/linear_0")  # queries, keys and values side by side
    split = ops.reshape(projected, constant([0, 0, 3, width // HEAD, HEAD]), True)
    three = ops.split(ops.transpose(split, constant([2, 0, 3, 1, 4])), constant(0), 3).outputs()
    heads = ops.scaled_dot_product_attention(*(ops.squeeze(part, constant(0)) for part in three))
    return linear(joined(heads, width), weights, f"{name}/linear_1")


def _convolution(x: openvino.Node, weights: Tensors, name: str, stride: int) -> openvino.Node:
    y = ops.convolution(x, weight(weights[f"encoder/{name}/weight"]), [stride], [1], [1], [1])
    return ops.gelu(ops.add(y, weight(weights[f"encoder/{name}/bias"].reshape(1, -1, 1))), "erf")
