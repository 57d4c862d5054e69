"""Exports a VibeVoice-ASR checkpoint to ONNX, in the layout of akkikiki/VibeVoice-ASR-onnx.

    python benchmarks/export_onnx.py CHECKPOINT OUT --kv
    python benchmarks/export_onnx.py CHECKPOINT OUT --weights q4 --encoder fp16 --encoder fp32 --shard-bytes 500000000

What OUT holds then, its tokenizer and configuration beside it (fp32 has no suffix, as with transformers.js):

    onnx/encoder_model_fp16.onnx          audio (1, 1, samples) -> speech_embeddings (1, frames, hidden)
    onnx/decoder_model_merged_int8.onnx   input_ids, speech_embeddings -> logits of every position
    onnx/decoder_with_past_int8.onnx      the same and past_key_values.N.key|value -> logits of the last position,
                                          present.N.key|value (with --kv)
    onnx/NAME.onnx_data, NAME.onnx_data_1, ...   the weights of NAME.onnx, each below 1.9 GB

The decoder hears [speech ; text]. With a cache, text, speech and past may each be of no length, so that an hour of
speech can be fed in slices, and then a token at a time; without, every token costs as much as the whole prompt.

Needs the extra `export`. A graph is made, quantised and forgotten before the next. The published decoder, 7.6 billion
weights, is 31 GB in float32: that much of disk below OUT and about twice of memory (computed, not run).
"""

from __future__ import annotations

import argparse
import gc
import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper
from transformers import AutoModelForMultimodalLM, DynamicCache
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

SHARD = 1_900_000_000  # bytes: what a browser takes as one array (the model card)
WEIGHTS = ("int8", "q4", "fp16", "fp32")
_OPSET = 20
_BLOCK = 32  # weights that share a scale in q4
_PAGE = 4096  # onnx.proto: external tensors begin at a page, to be mapped into memory
_SMALL = 1024  # bytes: tensors below stay in the graph
_MATMULS = 7  # of a decoder layer: q, k, v, o, gate, up, down
_BESIDE = ("*.json", "*.jinja", "*.txt")  # of the checkpoint, what is copied
_INDEX = ".index.json"


def export(
    checkpoint: Path,
    out: Path,
    weights: tuple[str, ...] = ("int8", "q4"),
    encoders: tuple[str, ...] = ("fp16",),
    kv: bool = False,
    merged: bool = True,
    shard_bytes: int = SHARD,
) -> list[Path]:
    """The .onnx files written below `out`. kv, merged: decoders with and without a cache."""
    folder = out / "onnx"
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in _BESIDE:
        for path in checkpoint.glob(pattern):
            if not path.name.endswith(_INDEX):
                shutil.copy(path, out)
    made = []
    for kind in encoders:
        with _scratch(out) as scratch:
            _export_encoder(checkpoint, kind, scratch / "encoder.onnx")
            name = "encoder_model" + _suffix(kind)
            made.append(
                shard(onnx.load(scratch / "encoder.onnx", load_external_data=False), scratch, folder, name, shard_bytes)
            )
    for name, cached in (("decoder_model_merged", False), ("decoder_with_past", True)):
        if kv if cached else merged:
            made += _decoders(checkpoint, folder, name, cached, weights, shard_bytes)
    return made


def _decoders(
    checkpoint: Path, folder: Path, name: str, cached: bool, weights: tuple[str, ...], shard_bytes: int
) -> Iterator[Path]:
    """One graph in every kind of weights; fp16 is a graph of its own, the others come of the one in float32."""
    for half in (False, True):
        wanted = [kind for kind in weights if (kind == "fp16") is half]
        if not wanted:
            continue
        with _scratch(folder.parent) as scratch:
            plain = scratch / "decoder.onnx"
            n_matmuls = _export_decoder(checkpoint, cached, torch.float16 if half else torch.float32, plain)
            gc.collect()
            for kind in wanted:
                model = _quantised(plain, kind, n_matmuls)
                yield shard(model, scratch, folder, name + _suffix(kind), shard_bytes)


def _suffix(kind: str) -> str:
    return "" if kind == "fp32" else f"_{kind}"


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """Where a graph lies between being made and being cut: on the disk that must hold the result anyway."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as path:
        yield Path(path)


# --- graphs ---


def _load(checkpoint: Path, **more: Any) -> Any:
    return AutoModelForMultimodalLM.from_pretrained(checkpoint, local_files_only=True, use_safetensors=True, **more)


class Encoder(torch.nn.Module):
    """Both tokenizers and the connector, without the noise that training adds; float32 outside, `dtype` inside."""

    def __init__(self, model: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.acoustic = model.acoustic_tokenizer_encoder.to(dtype)
        self.semantic = model.semantic_tokenizer_encoder.to(dtype)
        self.projector = model.multi_modal_projector.to(dtype)
        self.dtype = dtype

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        sound = audio.to(self.dtype)
        return self.projector(self.acoustic(sound).latents, self.semantic(sound).latents).float()


class Decoder(torch.nn.Module):
    """The language model over [speech ; text]. past: per layer key and value, (1, heads, positions, size) each.

    The table of embeddings is kept in float16, which holds bfloat16 weights exactly where they are not tiny: in
    float32 the published one alone is larger than a shard may be.
    """

    def __init__(self, model: Any, dtype: torch.dtype) -> None:
        super().__init__()
        self.table = model.get_input_embeddings().weight.detach().half()
        self.body = model.model.language_model.to(dtype)
        self.head = model.lm_head.to(dtype)
        self.dtype = dtype

    def embedded(self, input_ids: torch.Tensor, speech_embeddings: torch.Tensor) -> torch.Tensor:
        text = torch.nn.functional.embedding(input_ids, self.table)
        return torch.cat([speech_embeddings.to(self.dtype), text.to(self.dtype)], 1)

    def forward(self, input_ids: torch.Tensor, speech_embeddings: torch.Tensor) -> torch.Tensor:
        embeds = self.embedded(input_ids, speech_embeddings)
        return self.head(self.body(inputs_embeds=embeds, use_cache=False).last_hidden_state).float()


class CachedDecoder(Decoder):
    """The same with a cache; logits of the last position only."""

    def forward(  # type: ignore[override]
        self,
        input_ids: torch.Tensor,
        speech_embeddings: torch.Tensor,
        past: list[tuple[torch.Tensor, torch.Tensor]],
    ) -> tuple[torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]]:
        embeds = self.embedded(input_ids, speech_embeddings)
        out = self.body(inputs_embeds=embeds, past_key_values=DynamicCache(ddp_cache_data=past), use_cache=True)
        present = [(layer.keys, layer.values) for layer in out.past_key_values.layers]
        return self.head(out.last_hidden_state[:, -1:]).float(), present


def grouped(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention in which the heads of a group read one copy of their keys and values, shapes as in transformers.

    Its eager form repeats them: seven times the cache per token, for the published model.
    """
    batch, heads, length, size = query.shape
    shared = key.shape[1]
    scores = (query * scaling).reshape(batch, shared, -1, size) @ key.transpose(2, 3)
    scores = scores.reshape(batch, shared, heads // shared, length, -1)
    if attention_mask is not None:
        scores = scores + attention_mask[:, :, None]
    share = torch.softmax(scores, -1, dtype=torch.float32).to(value.dtype)
    mixed = share.reshape(batch, shared, heads // shared * length, -1) @ value
    return mixed.reshape(batch, heads, length, size).transpose(1, 2).contiguous(), None


ALL_ATTENTION_FUNCTIONS.register("grouped", grouped)
ALL_MASK_ATTENTION_FUNCTIONS.register("grouped", eager_mask)


def _export_encoder(checkpoint: Path, kind: str, path: Path) -> None:
    model = _load(checkpoint).model.eval()
    del model.language_model
    hop = model.config.acoustic_tokenizer_encoder_config.hop_length
    encoder = Encoder(model, torch.float16 if kind == "fp16" else torch.float32)
    frames = torch.export.Dim("frames", min=2, max=1_000_000)
    _save(encoder, (torch.zeros(1, 1, 7 * hop),), path, ["audio"], ["speech_embeddings"], {"audio": {2: frames * hop}})


def _export_decoder(checkpoint: Path, cached: bool, dtype: torch.dtype, path: Path) -> int:
    """Writes the decoder; how many of its products are by weights."""
    model = _load(checkpoint, attn_implementation={"text_config": "grouped"}).eval()
    for part in ("acoustic_tokenizer_encoder", "semantic_tokenizer_encoder", "multi_modal_projector"):
        delattr(model.model, part)
    config = model.config.text_config
    layers, shared = config.num_hidden_layers, config.num_key_value_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    ids, speech = torch.zeros(1, 7, dtype=torch.long), torch.zeros(1, 5, config.hidden_size)
    least = 0 if cached else 2
    shapes: dict[str, Any] = {
        "input_ids": {1: torch.export.Dim("text", min=min(least, 1), max=1_000_000)},
        "speech_embeddings": {1: torch.export.Dim("speech", min=least, max=1_000_000)},
    }
    names = ["input_ids", "speech_embeddings"]
    if cached:
        behind = torch.export.Dim("past", min=0, max=1_000_000)
        past = [tuple(torch.zeros(1, shared, 11, size, dtype=dtype) for _ in "kv") for _ in range(layers)]
        shapes["past"] = [({2: behind}, {2: behind})] * layers
        pasts, presents = (
            [f"{word}.{i}.{part}" for i in range(layers) for part in ("key", "value")]
            for word in ("past_key_values", "present")
        )
        _save(CachedDecoder(model, dtype), (ids, speech, past), path, names + pasts, ["logits", *presents], shapes)
    else:
        _save(Decoder(model, dtype), (ids, speech), path, names, ["logits"], shapes)
    return _MATMULS * layers + 1


@torch.no_grad()
def _save(module: Any, args: Any, path: Path, inputs: list[str], outputs: list[str], shapes: Any) -> None:
    program = torch.onnx.export(
        module.eval(),
        args,
        dynamo=True,
        input_names=inputs,
        output_names=outputs,
        dynamic_shapes=shapes,
        opset_version=_OPSET,
        verbose=False,
    )
    assert program is not None
    program.save(path, external_data=True)


# --- weights ---


def _quantised(plain: Path, kind: str, n_matmuls: int) -> onnx.ModelProto:
    """The graph with its products by weights in `kind`; what is not quantised may still lie beside `plain`.

    Each product is quantised as a graph of its own: onnxruntime's tools take five times the size of what they are
    given (4.2 GB of weights at once took 20 GB of memory).
    """
    model = onnx.load(plain, load_external_data=False)
    if kind in ("fp32", "fp16"):
        return model
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes: dict[str, onnx.NodeProto] = {}  # by the first output: several products share one input, quantised once
    made: dict[str, TensorProto] = {}
    found = 0
    for node in model.graph.node:
        if node.op_type != "MatMul" or node.input[1] not in weights:  # inside the attention there are no weights
            nodes[node.output[0]] = node
            continue
        found += 1
        alone = plain.with_name("alone.onnx")
        _save_alone(node, weights[node.input[1]], model, alone)
        part = _QUANTISERS[kind](alone)
        nodes |= {new.output[0]: new for new in part.graph.node if new.output[0] not in nodes}
        made |= {tensor.name: tensor for tensor in part.graph.initializer}
    if found != n_matmuls:  # an exporter that writes weights otherwise would leave them in float32, unnoticed
        raise RuntimeError(f"{found} products by weights, not {n_matmuls}")
    used = {name for node in nodes.values() for name in node.input}
    kept = [tensor for tensor in weights.values() if tensor.name in used]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes.values())
    model.graph.initializer.extend([*kept, *made.values()])
    if kind == "q4":
        model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    return model


def _save_alone(node: onnx.NodeProto, weight: TensorProto, model: onnx.ModelProto, path: Path) -> None:
    """One product as a graph of its own; its weight stays in the file where it lies."""
    value = onnx.helper.make_tensor_value_info
    given = value(node.input[0], TensorProto.FLOAT, [1, "positions", weight.dims[0]])
    wanted = value(node.output[0], TensorProto.FLOAT, [1, "positions", weight.dims[1]])
    graph = onnx.helper.make_graph([node], "alone", [given], [wanted], [weight])
    onnx.save(onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version), path)


def _int8(path: Path) -> onnx.ModelProto:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    out = path.with_name("int8.onnx")
    logging.disable(logging.WARNING)  # it would have each of them preprocessed
    try:
        quantize_dynamic(
            path,
            out,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            use_external_data_format=True,
            extra_options={"MatMulConstBOnly": True},
        )
    finally:
        logging.disable(logging.NOTSET)
    made = onnx.load(out)
    for file in path.parent.glob("int8.onnx*"):
        file.unlink()
    return made


def _q4(path: Path) -> onnx.ModelProto:
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    logging.disable(logging.INFO)
    try:  # accuracy_level 4: the other factor in int8
        quantizer = MatMulNBitsQuantizer(onnx.load(path), block_size=_BLOCK, is_symmetric=True, accuracy_level=4)
        quantizer.process()
    finally:
        logging.disable(logging.NOTSET)
    return quantizer.model.model


_QUANTISERS = {"int8": _int8, "q4": _q4}


def shard(model: onnx.ModelProto, beside: Path, folder: Path, name: str, limit: int = SHARD) -> Path:
    """Writes NAME.onnx and its weights: NAME.onnx_data, NAME.onnx_data_1, ... each at most `limit` bytes.

    beside: where the model's own external tensors lie. A tensor above the limit has a shard to itself.
    """
    shards: list[BinaryIO] = []
    try:
        for tensor in model.graph.initializer:
            raw = _bytes_of(tensor, beside)
            if raw.nbytes < _SMALL:
                keep = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
                keep.raw_data = raw.tobytes()
                tensor.CopyFrom(keep)
                continue
            if not shards or -(-shards[-1].tell() // _PAGE) * _PAGE + raw.nbytes > limit:
                number = f"_{len(shards)}" if shards else ""
                shards.append((folder / f"{name}.onnx_data{number}").open("wb"))
            file = shards[-1]
            file.write(bytes(-file.tell() % _PAGE))
            place = {"location": Path(file.name).name, "offset": file.tell(), "length": raw.nbytes}
            raw.tofile(file)
            tensor.CopyFrom(TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims))
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in place.items():
                tensor.external_data.add(key=key, value=str(value))
    finally:
        for file in shards:
            file.close()
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output, model.graph):
        part.ClearField("metadata_props")  # where in which Python file it came from: half of the graph
    path = folder / f"{name}.onnx"
    onnx.save(model, path)
    return path


def _bytes_of(tensor: TensorProto, folder: Path) -> np.ndarray:
    """What a tensor holds, uint8 (n,), mapped where it lies in a file."""
    if tensor.data_location != TensorProto.EXTERNAL:
        raw = tensor.raw_data if tensor.HasField("raw_data") else numpy_helper.to_array(tensor).tobytes()
        return np.frombuffer(raw, np.uint8)
    facts = {entry.key: entry.value for entry in tensor.external_data}
    first, n_bytes = int(facts.get("offset", 0)), int(facts["length"])
    return np.memmap(folder / facts["location"], np.uint8, "r", first, (n_bytes,)) if n_bytes else np.zeros(0, np.uint8)


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("checkpoint", type=Path, help="folder of microsoft/VibeVoice-ASR-HF or one like it")
    parser.add_argument("out", type=Path)
    parser.add_argument("--kv", action="store_true", help="also the decoder with a cache: for more than a minute")
    parser.add_argument("--kv-only", action="store_true", help="only the decoder with a cache")
    parser.add_argument("--weights", action="append", choices=WEIGHTS, help="of the decoder (int8 and q4)")
    parser.add_argument("--encoder", action="append", choices=("fp16", "fp32"), help="its arithmetic (fp16)")
    parser.add_argument("--shard-bytes", type=int, default=SHARD, help="the largest file (%(default)s)")
    args = parser.parse_args(given)
    made = export(
        args.checkpoint,
        args.out,
        tuple(args.weights or ("int8", "q4")),
        tuple(args.encoder or ("fp16",)),
        args.kv or args.kv_only,
        not args.kv_only,
        args.shard_bytes,
    )
    for path in made:
        shards = sorted(path.parent.glob(f"{path.name}_data*"))
        size = sum(p.stat().st_size for p in (path, *shards)) / 1e6
        print(f"{path}: {size:.1f} MB in {len(shards)} shards")


if __name__ == "__main__":
    main()
