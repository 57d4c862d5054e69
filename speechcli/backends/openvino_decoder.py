"""Whisper's decoder in OpenVINO: what it hears kept in bfloat16, its weights in int8.

Source: Radford et al. 2022 (arXiv:2212.04356), section 2.2; the names of the weights are CTranslate2's. A token costs
what must be read from memory: keys and values of a window's sound, 18 MB in float32 (tiny.en), are half of that here,
are made once and serve every beam and every further reading. Where the processor has no bfloat16, CTranslate2's
decoder is as quick.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openvino import opset6

from speechcli.backends import ctranslate2_file
from speechcli.backends.openvino_layers import (
    GROUP,
    HEAD,
    Tensors,
    constant,
    feed_forward,
    grouped,
    heads_of,
    in_groups,
    joined,
    linear,
    matrix,
    norm,
)
from speechcli.backends.quiet_openvino import Compiled, compiled, openvino, ops
from speechcli.backends.whisper_search import Found, Rules, search

_TOKENS, _PLACES = "decoder/embeddings/weight", "decoder/position_encodings/encodings"
_ROUND = 32  # frames: what follows begins at a multiple of; tokens: so are prompts that say something
_SHORT = 8  # tokens of a prompt that says nothing
_NOT_THERE = -1e30  # added to what is not to be looked at

Half = NDArray[np.uint16]  # bfloat16, which numpy does not know


@dataclass(frozen=True, slots=True)
class Memory:
    """What the decoder looks at of a window's sound.

    keys: of each layer, (heads, 64, frames); values: (heads, frames, 64); bfloat16. begin: the first frame that is
    looked at.
    """

    keys: tuple[Half, ...]
    values: tuple[Half, ...]
    begin: int = 0

    @property
    def frames(self) -> int:
        return int(self.values[0].shape[1])


class Decoder:
    """A `whisper.Decoder`, for a number of batches at a time. It gives the same bits for a window whatever shares its
    batch. width: of hidden states.
    """

    def __init__(self, model: Path, lanes: int, threads: int, cache: Callable[[str], Path] | None = None) -> None:
        """`model`: a CTranslate2 model.bin. cache: for the name of a part, see `compiled`. Raises DataError."""
        self._tokens = ctranslate2_file.tensors(model, _TOKENS)[_TOKENS]
        self._places = ctranslate2_file.tensors(model, _PLACES)[_PLACES].astype(np.float32)
        self.width = self._places.shape[1]

        @functools.cache
        def weights() -> Tensors:
            return in_groups(ctranslate2_file.tensors(model, "decoder/"))

        def part(name: str, make: Callable[[], openvino.Model], rough: bool) -> Compiled:
            return compiled(make, lanes, threads, rough, GROUP, None if cache is None else cache(name))

        self._remember = part("memory", lambda: _memory_graph(weights()), False)
        self._read = part("decoder", lambda: _graph(weights()), True)
        self._judge = part("logits", lambda: _judging_graph(grouped(_TOKENS, self._tokens)), False)

    def placed(self, tokens: NDArray[np.int64], places: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """What the first layer reads of tokens, (rows, length), at their places; without: one after the other."""
        where = self._places[: tokens.shape[1]] if places is None else self._places[places]
        read: NDArray[np.float32] = self._tokens[tokens].astype(np.float32) + where
        return read

    def memory(self, encoded: NDArray[np.float32]) -> Memory:
        """What is looked at of the encoder's output, (1, frames, width).

        Of all of it, silence too: with less of that, the model is less sure of short sounds, and goes round in circles
        (two words in 0.7 s: mean log probability -0.71, with half a minute's silence cut to a second -1.68).
        """
        with self._remember.request() as request:
            request.infer([encoded], share_inputs=True)
            made = [np.array(tensor.data.view(np.uint16)[0]) for tensor in request.output_tensors]
        return Memory(tuple(made[0::2]), tuple(made[1::2]))

    def rest(self, memory: Memory, begin: int) -> Memory:
        """What follows frame `begin`, as long as it was: windows of one length give the same bits in every batch, and
        every new length costs the making of its kernels.
        """
        return replace(memory, begin=min(begin, memory.frames - _ROUND) // _ROUND * _ROUND)

    def decode(
        self,
        memories: Sequence[Memory],
        prompts: Sequence[list[int]],
        rules: Rules,
        beam_size: int,
        longest: Sequence[int],
    ) -> list[Found]:
        """See `whisper.Decoder`."""
        together: dict[int, list[int]] = {}  # how far a prompt is padded changes the last bits
        for i, prompt in enumerate(prompts):
            together.setdefault(_padded(prompt), []).append(i)
        found: dict[int, Found] = {}
        with self._read.request() as reading, self._judge.request() as judging:
            for length, places in together.items():
                batch = Batch(reading, judging, [memories[i] for i in places], self.placed)
                asked, rooms = [prompts[i] for i in places], [longest[i] for i in places]
                some = search(batch, asked, rules, beam_size, rooms, length)
                found.update(zip(places, some, strict=True))
        return [found[i] for i in range(len(memories))]


def _padded(prompt: Sequence[int]) -> int:
    """A length that prompts have in common; those of a few tokens, which say nothing of a context, have it anyway."""
    return len(prompt) if len(prompt) <= _SHORT else -(-len(prompt) // _ROUND) * _ROUND


class Batch:
    """See `whisper_search.Batch`."""

    def __init__(
        self,
        reading: openvino.InferRequest,
        judging: openvino.InferRequest,
        memories: Sequence[Memory],
        placed: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]],
    ) -> None:
        self._reading, self._judging, self._placed = reading, judging, placed
        layers = range(len(memories[0].keys))
        self._keys = [np.stack([memory.keys[i] for memory in memories]) for i in layers]
        self._values = [np.stack([memory.values[i] for memory in memories]) for i in layers]
        self._beyond = np.zeros((len(memories), 1, 1, memories[0].frames), np.float32)
        for i, memory in enumerate(memories):
            self._beyond[i, ..., : memory.begin] = _NOT_THERE
        self._read = 0
        self._nothing = np.zeros(0, np.int64)  # places at the start of each row at which there is no token
        for state in reading.query_state():
            state.reset()
        self._look(len(memories))

    def read(self, tokens: NDArray[np.int64], rows: NDArray[np.int32], at: NDArray[np.int64]) -> NDArray[np.float32]:
        n_rows, length = tokens.shape
        until = self._read + length
        if not self._read:
            self._nothing = (tokens < 0).sum(1)
        self._nothing = self._nothing[rows]
        place = np.arange(until) - self._nothing[:, None]
        x = self._placed(np.maximum(tokens, 0), np.maximum(place[:, self._read :], 0))
        ahead = np.where(place < 0, _NOT_THERE, 0).astype(np.float32)[:, None, None] + np.triu(
            np.full((length, until), _NOT_THERE, np.float32), self._read + 1
        )
        self._reading.set_tensor("tokens", openvino.Tensor(x))
        self._reading.set_tensor("rows", openvino.Tensor(rows))
        self._reading.set_tensor("ahead", openvino.Tensor(ahead))
        self._reading.infer()
        self._read = until
        hidden = np.take_along_axis(self._reading.get_output_tensor(0).data, at[..., None], 1)
        n_places = at.shape[1]
        logits = self._judging.infer([hidden.reshape(n_rows * n_places, -1)], share_inputs=True, share_outputs=True)[0]
        judged: NDArray[np.float32] = logits.reshape(n_rows, n_places, -1)
        return judged

    def keep(self, windows: Sequence[int]) -> None:
        everything: list[NDArray[Any]] = [*self._keys, *self._values, self._beyond]
        for every in everything:
            for to, window in enumerate(windows):
                if to != window:
                    every[to] = every[window]
        self._look(len(windows))

    def _look(self, n_windows: int) -> None:
        self._reading.set_tensor("beyond", openvino.Tensor(self._beyond[:n_windows]))
        for name, every in (("keys", self._keys), ("values", self._values)):
            for i, array in enumerate(every):
                part = array[:n_windows]
                self._reading.set_tensor(f"{name}_{i}", openvino.Tensor(part, part.shape, openvino.Type.bf16))


def _memory_graph(weights: Tensors) -> openvino.Model:
    """Keys, turned, and values of each layer, from what the encoder gives."""
    width = weights["decoder/layer_norm/gamma"].shape[0]
    layers = _layers(weights)
    encoded = ops.parameter([1, -1, width], np.float32, name="encoded")
    made = []
    for layer in range(layers):
        both = linear(encoded, weights, f"decoder/layer_{layer}/attention/linear_1")
        heads = heads_of(both, 2 * width // HEAD)
        keys, values = ops.split(heads, constant(1), 2).outputs()
        made += [ops.transpose(keys, constant([0, 1, 3, 2])), values]
    return openvino.Model([ops.convert(one, "bf16") for one in made], [encoded], "whisper_memory")


def _graph(weights: Tensors) -> openvino.Model:
    """Hidden states after the last layer, (rows, length, width)."""
    width = weights["decoder/layer_norm/gamma"].shape[0]
    heads, layers = width // HEAD, _layers(weights)
    tokens = ops.parameter([-1, -1, width], np.float32, name="tokens")
    rows = ops.parameter([-1], np.int32, name="rows")
    ahead = ops.parameter([-1, 1, -1, -1], np.float32, name="ahead")
    beyond = ops.parameter([-1, 1, 1, -1], np.float32, name="beyond")
    keys = [ops.parameter([-1, heads, HEAD, -1], openvino.Type.bf16, name=f"keys_{i}") for i in range(layers)]
    values = [ops.parameter([-1, heads, -1, HEAD], openvino.Type.bf16, name=f"values_{i}") for i in range(layers)]
    n_windows, n_rows = _length(keys[0]), _length(rows)
    nothing = ops.broadcast(constant(np.float32(0)), ops.concat([n_rows, constant([heads, 0, HEAD])], 0))
    by_window = ops.concat([n_windows, constant([-1, heads, HEAD])], 0)
    by_row = ops.concat([n_rows, constant([-1, width])], 0)
    x, kept = tokens, []
    for i in range(layers):
        name = f"decoder/layer_{i}"
        three = linear(
            norm(x, weights, f"{name}/self_attention/layer_norm"), weights, f"{name}/self_attention/linear_0"
        )
        queries, *new = ops.split(heads_of(three, 3 * heads), constant(1), 3).outputs()
        past = []
        for what, part in zip(("key", "value"), new, strict=True):
            variable = _variable(f"{what}_{i}", heads)
            before = ops.gather(opset6.read_value(nothing, variable), rows, constant(0))
            past.append(ops.concat([before, part], 2))
            kept.append(opset6.assign(past[-1], variable))
        attended = ops.scaled_dot_product_attention(queries, *past, ahead)
        x = ops.add(x, linear(joined(attended, width), weights, f"{name}/self_attention/linear_1"))
        # the rows of a window look at the same sound: its keys and values are read once for all of them
        query = linear(norm(x, weights, f"{name}/attention/layer_norm"), weights, f"{name}/attention/linear_0")
        query = ops.multiply(query, constant(np.float32(HEAD**-0.5)))
        query = ops.transpose(ops.reshape(query, by_window, False), constant([0, 2, 1, 3]))
        scores = ops.add(ops.matmul(query, ops.convert(keys[i], "f32"), False, False), beyond)
        heard = ops.matmul(ops.softmax(scores, -1), ops.convert(values[i], "f32"), False, False)
        again = ops.reshape(ops.transpose(heard, constant([0, 2, 1, 3])), by_row, False)
        x = feed_forward(ops.add(x, linear(again, weights, f"{name}/attention/linear_2")), weights, f"{name}/ffn")
    x = norm(x, weights, "decoder/layer_norm")
    return openvino.Model([x.output(0)], kept, [tokens, rows, ahead, beyond, *keys, *values], "whisper_decoder")


def _judging_graph(weights: Tensors) -> openvino.Model:
    """Logits of hidden states: in float32, for bfloat16 tells two of a size apart only by their first two digits."""
    hidden = ops.parameter([-1, weights[_TOKENS].shape[1] * GROUP], np.float32, name="hidden")
    made = ops.matmul(hidden, matrix(weights, _TOKENS), False, True)
    return openvino.Model([made], [hidden], "whisper_logits")


def _layers(weights: Tensors) -> int:
    return sum(name.endswith("/self_attention/linear_1/bias") for name in weights)


def _variable(name: str, heads: int) -> Any:
    from openvino.op.util import Variable, VariableInfo

    info = VariableInfo()
    info.data_shape = openvino.PartialShape([-1, heads, -1, HEAD])
    info.data_type = openvino.Type.f32
    info.variable_id = name
    return Variable(info)


def _length(x: openvino.Node) -> openvino.Node:
    return ops.gather(ops.shape_of(x, "i64"), constant([0]), constant(0))
