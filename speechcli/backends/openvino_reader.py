"""Where Whisper's decoder looks while it reads a text, in OpenVINO: what CTranslate2's `align` does, for a third of it.

Source: CTranslate2, `WhisperReplica::align`, and openai/whisper, timing.py, whose steps these are. Nothing is computed
that tells no time: no probabilities, nothing after the last head that is asked, and no keys and values of the sound,
which the decoder has made already. In float32, with the linear layers in int8 as CTranslate2's are: a scale for each
row of weights, and one for each token. Against float32 throughout, either moves 1.4 % of the edges by more than a
frame; with a scale for each 64 numbers, or in bfloat16, words after a pause went astray more often.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from speechcli.backends import ctranslate2_file
from speechcli.backends.openvino_decoder import Decoder, Memory
from speechcli.backends.openvino_layers import (
    HEAD,
    Tensors,
    constant,
    feed_forward,
    heads_of,
    in_rows,
    joined,
    linear,
    norm,
)
from speechcli.backends.quiet_openvino import compiled, openvino, ops
from speechcli.backends.whisper_times import REST, Look, Reading, Sound
from speechcli.numerics.warping import first_columns

_ROUND = 32  # frames, and
_ROUND_TOKENS = 8  # tokens of a reading are a multiple of: every new length costs the making of its kernels
_SILENCE = 96  # frames of silence that are enough: `REST`, and those that round
_LEAST = np.float32(1e-30)  # of what is divided by


class Aligner:
    """A `whisper_times.Aligner` of sound that the decoder has a memory of, for a number of threads at a time."""

    def __init__(
        self,
        model: Path,
        decoder: Decoder,
        heads: Sequence[tuple[int, int]],
        lanes: int,
        threads: int,
        silence: Callable[[], NDArray[Any]],
        cache: Path | None = None,
    ) -> None:
        """`model`: a CTranslate2 model.bin, the decoder's. heads: layer and head. silence: what the encoder makes of
        silence, (1, 1500, width). cache: see `compiled`. Raises DataError.
        """
        self._decoder = decoder
        self._silence = silence
        self._asked = sorted(heads)

        def make() -> openvino.Model:
            return _graph(ctranslate2_file.tensors(model, "decoder/layer_"), self._asked)

        self._read = compiled(make, lanes, threads, False, decoder.width, cache)

    def __call__(self, sound: Sound, tokenizer: Tokenizer) -> Look:
        rest = self._rest if sound.silence(_SILENCE) is None else sound.memory  # of either, the end
        return partial(self._look, sound.memory, rest, tokenizer)

    @cached_property
    def _rest(self) -> Memory:
        """What windows hear at their end that have no silence."""
        return self._decoder.memory(self._silence()[:, -_SILENCE:])

    def _look(
        self, memory: Memory, rest: Memory, tokenizer: Tokenizer, begin: int, end: int, tokens: Sequence[int]
    ) -> Reading:
        before = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        looked = self._looked(memory, begin, end, rest, [*before, *tokens, tokenizer.eot])
        # what is looked at when a token is read is what the one after it says
        return Reading(first_columns(_likeness(looked)[len(before) - 1 : -1]))

    def _looked(self, memory: Memory, begin: int, end: int, rest: Memory, tokens: Sequence[int]) -> NDArray[np.float32]:
        """How much each head looks at each frame of a part while it reads each token, (heads, tokens, frames)."""
        more = -(-(end - begin + REST) // _ROUND) * _ROUND - (end - begin)
        n_tokens = -(-len(tokens) // _ROUND_TOKENS) * _ROUND_TOKENS
        every = np.zeros((1, n_tokens), np.int64)
        every[0, : len(tokens)] = tokens  # nothing looks at what comes after it
        last = self._asked[-1][0]
        given: dict[str, Any] = {"tokens": self._decoder.placed(every)}
        arrays = []  # kept until they are read: OpenVINO does not
        for i in range(last + 1):
            asked = slice(None) if i < last else [head for layer, head in self._asked if layer == i]
            keys = memory.keys[i][asked, :, begin:end], rest.keys[i][asked, :, -more:]
            arrays.append((f"keys_{i}", np.concatenate(keys, 2)[None]))
            if i < last:
                values = memory.values[i][:, begin:end], rest.values[i][:, -more:]
                arrays.append((f"values_{i}", np.concatenate(values, 1)[None]))
        for name, array in arrays:
            given[name] = openvino.Tensor(array, array.shape, openvino.Type.bf16)
        looked: NDArray[np.float32] = self._read.run(given)[0, :, : len(tokens), : end - begin]
        return looked


def _likeness(looked: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much each frame is looked at for each token, more than it is for others: (tokens, frames).

    looked: (heads, tokens, frames), not negative. Some frames are looked at whatever is read: each is measured by what
    is usual for it.
    """
    likeness = np.zeros(looked.shape[1:], np.float32)
    for head in looked:  # one at a time stays in the cache: half the time
        share = head / np.maximum(head.sum(1, keepdims=True), _LEAST)  # of what is looked at in the sound
        share -= share.mean(0)
        usual = np.sqrt(np.einsum("tf,tf->f", share, share) / len(share))
        share /= np.where(usual > 0, usual, 1)
        likeness += _median(share)
    return likeness / np.float32(len(looked))


def _median(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each place and its neighbours along the last axis, which is two long at least; mirrored at its ends."""
    x = np.concatenate([x[..., 1:2], x, x[..., -2:-1]], -1)
    low, high = np.minimum(x[..., :-1], x[..., 1:]), np.maximum(x[..., :-1], x[..., 1:])
    middle: NDArray[np.float32] = np.maximum(low[..., :-1], np.minimum(high[..., :-1], x[..., 2:]))
    return middle


def _graph(weights: Tensors, asked: Sequence[tuple[int, int]]) -> openvino.Model:
    """Where the heads look, (1, heads, tokens, frames).

    asked: in order; of the last layer only their keys are taken.
    """
    width = weights["decoder/layer_0/attention/layer_norm/gamma"].shape[0]
    heads = width // HEAD
    last = asked[-1][0]
    mine = [[head for layer, head in asked if layer == i] for i in range(last + 1)]
    weights = in_rows({**weights, **_cut(weights, last, mine[last])})
    tokens = ops.parameter([1, -1, width], np.float32, name="tokens")
    n_keys = [heads] * last + [len(mine[last])]
    keys = [ops.parameter([1, n, HEAD, -1], openvino.Type.bf16, name=f"keys_{i}") for i, n in enumerate(n_keys)]
    values = [ops.parameter([1, heads, -1, HEAD], openvino.Type.bf16, name=f"values_{i}") for i in range(last)]
    x, found = tokens, []
    for i in range(last + 1):
        name = f"decoder/layer_{i}"
        normal = norm(x, weights, f"{name}/self_attention/layer_norm")
        three = heads_of(linear(normal, weights, f"{name}/self_attention/linear_0"), 3 * heads)
        attended = ops.scaled_dot_product_attention(*ops.split(three, constant(1), 3).outputs(), causal=True)
        x = ops.add(x, linear(joined(attended, width), weights, f"{name}/self_attention/linear_1"))
        query = linear(norm(x, weights, f"{name}/attention/layer_norm"), weights, f"{name}/attention/linear_0")
        query = ops.multiply(heads_of(query, n_keys[i]), constant(np.float32(HEAD**-0.5)))
        looked = ops.softmax(ops.matmul(query, ops.convert(keys[i], "f32"), False, False), -1)
        if i == last:
            found.append(looked)
            break
        if mine[i]:
            found.append(ops.gather(looked, constant(mine[i]), constant(1)))
        heard = ops.matmul(looked, ops.convert(values[i], "f32"), False, False)
        x = ops.add(x, linear(joined(heard, width), weights, f"{name}/attention/linear_2"))
        x = feed_forward(x, weights, f"{name}/ffn")
    return openvino.Model([ops.concat(found, 1)], [tokens, *keys, *values], "whisper_reader")


def _cut(weights: Tensors, layer: int, heads: Sequence[int]) -> Tensors:
    """What makes the queries of these heads of a layer."""
    names = [f"decoder/layer_{layer}/attention/linear_0/{part}" for part in ("weight", "bias")]
    return {name: np.concatenate([weights[name][head * HEAD :][:HEAD] for head in heads]) for name in names}
