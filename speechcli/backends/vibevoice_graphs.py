"""VibeVoice's graphs in ONNX: which of them a folder holds, which to run, and what must be known to feed them.

Nothing is opened here but config.json and, for their names and sizes, the graphs. Sources: the card of
akkikiki/VibeVoice-ASR-onnx for names; transformers, models/vibevoice_acoustic_tokenizer, for the encoder's reach.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from speechcli.backends import onnx_files
from speechcli.backends.onnx_files import Graph, size_of
from speechcli.core.span import Seconds
from speechcli.errors import DataError, UnavailableError

RATE = 24_000  # Hz
KINDS = ("q4", "int8", "fp16", "fp32")
USUAL_PACE = 4.0  # tokens a second of an ordinary recording
_OVERHEAD = 1.2  # of memory over the files' sizes: weights are packed anew
_CPU_ORDER = ("int8", "q4", "fp32", "fp16")  # float16 is not computed in on CPUs, only converted
_CUDA_ORDER = ("fp16", "q4", "int8", "fp32")  # int8 goes back and forth between CUDA and the CPU
_RATIOS = (2, 2, 4, 5, 5, 8)  # as published
_DEPTHS = (3, 3, 3, 3, 3, 3, 8)

Config: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Files:
    """The graphs of a folder, by the kind of their weights."""

    folder: Path
    encoders: Mapping[str, Graph]
    cached: Mapping[str, Graph]  # decoders
    plain: Mapping[str, Graph]  # decoders without a cache


@dataclass(frozen=True, slots=True)
class Shape:
    """What must be known of the model, as its config.json says or else as it was published.

    hop: samples of a frame. reach: samples before its last one that a frame depends on. heads: of the attention.
    cache: numbers kept for a position.
    """

    hop: int
    reach: int
    heads: int
    cache: int

    @property
    def context(self) -> int:
        """Frames to hear before the first one that counts."""
        return max(0, -(-(self.reach - self.hop + 1) // self.hop))


def find(folder: Path) -> Files:
    """The graphs of a folder, none opened. Raises DataError where it holds no encoder or no decoder."""
    place = folder / "onnx" if any(folder.glob("onnx/encoder_model*.onnx")) else folder
    encoders = {kind: onnx_files.read(path) for kind, path in _kinds(place, "encoder_model")}
    cached: dict[str, Graph] = {}
    plain: dict[str, Graph] = {}
    for name in ("decoder_model_merged", "decoder_with_past"):
        for kind, path in _kinds(place, name):
            graph = onnx_files.read(path)
            (cached if any(i.startswith("past") for i in graph.inputs) else plain)[kind] = graph
    if not encoders or not (cached or plain):
        what = "decoder" if encoders else "encoder"
        raise DataError(f"{place} holds no {what} of VibeVoice in ONNX", "fetch it again: speechcli models pull")
    return Files(place, encoders, cached, plain)


def _kinds(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    for kind in KINDS:
        for path in (folder / f"{name}_{kind}.onnx", folder / f"{name}.onnx"):
            if path.is_file() and (kind == "fp32" or path.stem != name):  # no suffix: as it was made, in float32
                yield kind, path
                break


def encoder_of(files: Files, dtype: str, device: str) -> Graph:
    """The encoder in the arithmetic asked for where the folder has it; auto is float32 on a CPU."""
    half = dtype == "float16" or (dtype == "auto" and device != "cpu")
    order = ("fp16", "fp32") if half else ("fp32", "fp16")
    return _whole_first([files.encoders[kind] for kind in (*order, *files.encoders) if kind in files.encoders])


def pick(files: Files, wanted: str, encoder: Graph, room: int, free: int | None, cuda: bool) -> tuple[str, Graph]:
    """The decoder to run: with a cache where there is one, and in the best weights that fit into memory.

    wanted: a kind, or auto. room: bytes of the longest cache; where no weights leave so much, the smallest are taken.
    free: bytes; None: unknown. Raises UnavailableError.
    """
    both = (files.cached, files.plain)
    if wanted != "auto":
        found = [graphs[wanted] for graphs in both if wanted in graphs]
        if not found:
            known = ", ".join(kind for kind in KINDS if kind in files.cached or kind in files.plain)
            raise UnavailableError(f"{files.folder} holds no decoder in {wanted}", f"it has {known}")
        return wanted, _whole_first(found)
    whole = [{kind: graph for kind, graph in graphs.items() if not graph.missing} for graphs in both]
    decoders = next(graphs for graphs in (*whole, *both) if graphs)
    needed = {k: round((encoder.n_bytes + graph.n_bytes) * _OVERHEAD) for k, graph in decoders.items()}
    extra = room if decoders in (whole[0], files.cached) else 0
    order = _CUDA_ORDER if cuda else _CPU_ORDER
    smallest = min(needed, key=lambda kind: needed[kind])
    kind = onnx_files.choose({k: n + extra for k, n in needed.items()}, order, free)
    kind = kind or onnx_files.choose(needed, (smallest,), free)
    if kind is None:
        raise UnavailableError(
            f"not enough memory: {smallest} needs {size_of(needed[smallest])} and {size_of(free or 0)} are free",
            f"--set weights={smallest} tries all the same",
        )
    return kind, decoders[kind]


def _whole_first(graphs: Sequence[Graph]) -> Graph:
    return next((graph for graph in graphs if not graph.missing), graphs[0])


def config_of(folder: Path) -> Config:
    """Its config.json; nothing where there is none. Raises DataError."""
    path = folder / "config.json"
    try:
        return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error})", "is it whole?") from error


def shape_of(config: Config) -> Shape:
    """Of a config.json; what it does not say (the published one is written for a browser) is as published.

    >>> shape_of({}).reach, shape_of({}).context
    (188761, 58)
    """
    both = [config.get(f"{kind}_tokenizer_encoder_config") or {} for kind in ("acoustic", "semantic")]
    text = config.get("text_config") or {}
    heads = int(text.get("num_attention_heads", 28))
    size = int(text.get("head_dim") or int(text.get("hidden_size", 3584)) // heads)
    cache = 2 * int(text.get("num_hidden_layers", 28)) * int(text.get("num_key_value_heads", 4)) * size
    hop = math.prod(int(ratio) for ratio in both[0].get("downsampling_ratios", _RATIOS))
    return Shape(hop, max(reach(encoder) for encoder in both), heads, cache)


def reach(encoder: Config) -> int:
    """Samples before the last one of a frame that it depends on: each convolution adds its kernel less one.

    Source: transformers, modeling_vibevoice_acoustic_tokenizer.py: stem, blocks, then per ratio a convolution of
    twice its stride and blocks, and the head.
    """
    ratios, depths = encoder.get("downsampling_ratios", _RATIOS), encoder.get("depths", _DEPTHS)
    kernel = int(encoder.get("kernel_size", 7)) - 1
    step, total = 1, kernel + kernel * int(depths[0])
    for ratio, depth in zip(map(int, ratios), map(int, depths[1:]), strict=True):
        total += (2 * ratio - 1) * step
        step *= ratio
        total += kernel * depth * step
    return total + kernel * step


def cache_of(shape: Shape, longest: Seconds) -> int:
    """Bytes of the cache for a window, in float32, and once more of them while it grows by a token."""
    positions = longest * (RATE / shape.hop + USUAL_PACE)
    return round(positions * shape.cache * 4 * 2)


def without_cache(positions: int, heads: int, vocabulary: int) -> int:
    """Bytes for one token without a cache: two tables of the attention, and logits of every position, in float32."""
    return 4 * (2 * heads * positions**2 + positions * vocabulary)
