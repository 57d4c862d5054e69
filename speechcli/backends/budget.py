"""What a model needs of memory, by arithmetic on its config.json: weights, cache, activations, and the host.

Counts of parameters follow the modules of transformers 5.23 (models/*/modeling_*.py); rates of tokens and the host's
share were measured on an hour of sound. Activations are an estimate of the largest moment, good to a third.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from speechcli.backends.checkpoint import Stored
from speechcli.core.span import Seconds

Config: TypeAlias = Mapping[str, Any]

USABLE = 0.92  # of what is free: the allocator's rounding and fragments take the rest
_BYTES = {"int8": 1.03, "int4": 0.56}  # per number, scales included (bitsandbytes: a scale a row, or a block of 64)

# What a config.json leaves out because it is the class's default (models/*/configuration_*.py).
_DEFAULTS: dict[str, dict[str, Any]] = {
    "qwen2": {
        "vocab_size": 151936,
        "hidden_size": 4096,
        "intermediate_size": 22016,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "tie_word_embeddings": False,
    },
    "qwen3": {
        "vocab_size": 151936,
        "hidden_size": 4096,
        "intermediate_size": 22016,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "head_dim": 128,
    },
    "voxtral_realtime_text": {
        "vocab_size": 131072,
        "hidden_size": 3072,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "sliding_window": 8192,
    },
    "voxtral_realtime_encoder": {
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "head_dim": 64,
        "num_mel_bins": 128,
        "sliding_window": 750,
    },
    "qwen3_asr_encoder": {
        "num_mel_bins": 128,
        "encoder_layers": 24,
        "encoder_ffn_dim": 4096,
        "d_model": 1024,
        "output_dim": 3584,
        "downsample_hidden_size": 480,
        "n_window_infer": 800,
    },
    "vibevoice_acoustic_tokenizer_encoder": {
        "channels": 1,
        "hidden_size": 64,
        "kernel_size": 7,
        "num_filters": 32,
        "downsampling_ratios": (2, 2, 4, 5, 5, 8),
        "depths": (3, 3, 3, 3, 3, 3, 8),
        "ffn_expansion": 4,
    },
}

# What Qwen3ASRConfig itself fills in where there is no text_config at all.
_QWEN3_17: dict[str, Any] = {
    "model_type": "qwen3",
    "vocab_size": 151936,
    "hidden_size": 2048,
    "intermediate_size": 6144,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": 65536,
    "tie_word_embeddings": True,
}
_QWEN3_06 = {**_QWEN3_17, "hidden_size": 1024, "intermediate_size": 3072}

# As published (model cards and configurations on the hub): what is not there is the default above.
PUBLISHED: dict[str, dict[str, Any]] = {
    "vibevoice": {
        "model_type": "vibevoice_asr",
        "acoustic_tokenizer_encoder_config": {"hidden_size": 64},
        "semantic_tokenizer_encoder_config": {"hidden_size": 128},
        "text_config": {
            "model_type": "qwen2",
            "vocab_size": 152064,
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "max_position_embeddings": 131072,
        },
    },
    "qwen3-asr-1.7b": {
        "model_type": "qwen3_asr",
        "audio_config": {"output_dim": 2048},
        "text_config": _QWEN3_17,
    },
    "qwen3-asr-0.6b": {
        "model_type": "qwen3_asr",
        "audio_config": {
            "d_model": 896,
            "encoder_layers": 18,
            "encoder_attention_heads": 14,
            "encoder_ffn_dim": 3584,
            "output_dim": 1024,
        },
        "text_config": _QWEN3_06,
    },
    "qwen3-aligner": {
        "model_type": "qwen3_asr",
        "architectures": ["Qwen3ASRForTokenClassification"],
        "num_labels": 5000,
        "audio_config": {"output_dim": 1024},
        "text_config": _QWEN3_06,
    },
    "voxtral-realtime": {"model_type": "voxtral_realtime", "audio_config": {}, "text_config": {}},
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the arithmetic needs to know of a model.

    parameters: numbers in all. linear: those of them that --quantize shrinks. step: those read for one token more.
    kept: numbers a token leaves in the cache. kept_anyway: numbers a row keeps whatever its length. window: tokens
    the cache holds at most. heard, written: tokens a second of sound, and of what is said about it. hidden, wide:
    numbers a token is in the language model, and in its feed-forward layers. vocabulary: of the output. encoder:
    numbers alive in the encoder per second of the sound it hears at once. chunk: seconds it hears at once, of all rows
    together, or of each row where `rows`. host: bytes on the host per second of sound, processor included. prefill:
    tokens of the prompt that our backend takes at once.
    """

    family: str
    parameters: int
    linear: int
    step: int
    kept: int
    heard: float
    written: float
    hidden: int
    wide: int
    vocabulary: int
    encoder: float
    chunk: Seconds
    host: float
    kept_anyway: int = 0
    window: int | None = None
    prefill: int | None = None
    rows: bool = False

    def weights(self, dtype_bytes: int, quantize: str | None) -> int:
        """Bytes on the device."""
        small = self.linear if quantize else 0
        return int((self.parameters - small) * dtype_bytes + small * _BYTES.get(quantize or "", 0.0))

    def tokens(self, seconds: Seconds) -> int:
        """That pass through the language model for a window that long."""
        return int(seconds * (self.heard + self.written))


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes for `batch` windows of `seconds` at once: on the device weights, cache and activations; and on the host.

    once: those of the activations that do not grow with the batch.
    """

    weights: int
    cache: int
    activations: int
    host: int
    batch: int = 1
    seconds: Seconds = 0.0
    quantize: str | None = None
    once: int = 0

    @property
    def device(self) -> int:
        """All of it that lies on the device."""
        return self.weights + self.cache + self.activations

    @property
    def row(self) -> float:
        """What each window adds."""
        return (self.cache + self.activations - self.once) / self.batch


@dataclass(frozen=True, slots=True)
class Fit:
    """batch: windows at once that fit. reason: why not all of them, or none; knobs: what to turn, best first."""

    batch: int
    reason: str = ""
    knobs: tuple[str, ...] = ()


def facts(config: Config, tensors: Sequence[Stored] = ()) -> Facts:
    """Of a config.json; an unknown family is taken for a plain transformer, best with the headers of its weights."""
    known = {"vibevoice_asr": _vibevoice, "qwen3_asr": _qwen3_asr, "voxtral_realtime": _voxtral}
    family = known.get(str(config.get("model_type")))
    return family(config) if family else _generic(config, tensors)


def estimate(
    config: Config,
    seconds: Seconds,
    batch: int = 1,
    dtype_bytes: int = 2,
    quantize: str | None = None,
    tensors: Sequence[Stored] = (),
    chunk: Seconds | None = None,
    prefill: int | None = None,
) -> Estimate:
    """What `batch` windows of `seconds` need, all padded to that length.

    tensors: headers of the weights where they are at hand. chunk: seconds the encoder hears at once, where a setting
    changes it. prefill: tokens of the prompt taken at once, where a setting changes it.
    """
    model = facts(config, tensors)
    tokens = model.tokens(seconds)
    held = min(tokens, model.window or tokens)
    heard = int(seconds * model.heard)
    at_once = min(prefill or model.prefill or heard, heard)
    heard_at_once = min(chunk or model.chunk, seconds if model.rows else seconds * batch)
    encoder = int(heard_at_once * model.encoder * dtype_bytes)
    # gate, its activation, up, and about six copies of the hidden state (two of them float32, in the norms)
    layer = at_once * (3 * model.wide + 6 * model.hidden) * dtype_bytes
    # rows of different lengths need a mask: a byte a pair, and once more in the arithmetic's type
    mask = at_once * heard * (1 + dtype_bytes) if batch > 1 else 0
    prompt = heard * model.hidden * 2 * dtype_bytes + layer + mask
    logits = model.vocabulary * (4 + 2 * dtype_bytes)
    once = 0 if model.rows else encoder
    return Estimate(
        weights=model.weights(dtype_bytes, quantize),
        cache=batch * (held * model.kept + model.kept_anyway) * dtype_bytes,
        activations=batch * (prompt + logits + encoder * model.rows) + once,
        host=int(batch * seconds * model.host),
        batch=batch,
        seconds=seconds,
        quantize=quantize,
        once=once,
    )


def fits(needed: Estimate, free: float) -> Fit:
    """How many of the estimate's windows go into `free` bytes at once, none among the answers.

    >>> fits(Estimate(weights=10, cache=4, activations=4, host=0, batch=2, seconds=60), 100).batch
    20
    """
    usable = free * USABLE
    stronger = _stronger(needed.quantize)
    if needed.weights > usable:
        text = f"its weights take {told(needed.weights)} and {told(free)} are free"
        return Fit(0, text, weaker(needed.quantize))
    batch = max(0, int((usable - needed.weights - needed.once) // max(needed.row, 1.0)))
    if batch == 0:
        text = (
            f"a window of {needed.seconds:.0f} s takes {told(needed.row + needed.once)} besides the weights' "
            f"{told(needed.weights)}, "
            f"and {told(free)} are free"
        )
        return Fit(0, text, ("--chunk-size", *stronger))
    if batch < needed.batch:
        text = f"{needed.batch} windows of {needed.seconds:.0f} s take {told(needed.device)} and {told(free)} are free"
        return Fit(batch, text, (f"--batch-size {batch}", "--chunk-size", *stronger))
    return Fit(batch)


def weaker(quantize: str | None, kind: str = "cuda") -> tuple[str, ...]:
    """What to turn where the weights alone are too much. kind: of the device.

    >>> weaker("int8", "cpu")
    ('--quantize int4', 'a smaller model')
    """
    return (*_stronger(quantize), "a smaller model", *(() if kind == "cpu" else ("--device cpu",)))


def _stronger(quantize: str | None) -> tuple[str, ...]:
    return {None: ("--quantize int8", "--quantize int4"), "int8": ("--quantize int4",)}.get(quantize, ())


def seconds(needed: Estimate, room: float) -> Seconds:
    """Padded seconds that a batch may hold in `room` bytes besides the weights, by the estimate of its windows."""
    return max(0.0, room - needed.once) / max(needed.row, 1.0) * needed.seconds


def told(n_bytes: float) -> str:
    """Bytes for people."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 5e7 else f"{n_bytes / 1e6:.1f} MB"


# --- families ---


def _filled(config: Config | None, kind: str) -> dict[str, Any]:
    given = {k: v for k, v in (config or {}).items() if v is not None}
    return {**_DEFAULTS.get(str(given.get("model_type", kind)), _DEFAULTS[kind]), **given}


@dataclass(frozen=True, slots=True)
class _Decoder:
    """A language model. linear: its layers' matrices; small: its norms and biases; embedding: vocabulary x hidden."""

    linear: int
    small: int
    embedding: int
    kept: int
    hidden: int
    wide: int
    vocabulary: int


def _decoder(text: Config, biases: bool, extra: int) -> _Decoder:
    """Grouped-query attention with gated feed-forward layers. extra: further numbers in each layer."""
    hidden, wide, layers = text["hidden_size"], text["intermediate_size"], text["num_hidden_layers"]
    heads, groups = text["num_attention_heads"], text["num_key_value_heads"]
    each = text.get("head_dim") or hidden // heads
    inner, shared = heads * each, groups * each
    linear = 2 * hidden * inner + 2 * hidden * shared + 3 * hidden * wide
    small = 2 * hidden + extra + (inner + 2 * shared if biases else 0)
    return _Decoder(
        linear=layers * linear,
        small=layers * small + hidden,
        embedding=text["vocab_size"] * hidden,
        kept=2 * layers * shared,
        hidden=hidden,
        wide=wide,
        vocabulary=text["vocab_size"],
    )


def _vibevoice(config: Config) -> Facts:
    text = _filled(config.get("text_config"), "qwen2")
    lm = _decoder(text, biases=True, extra=0)
    kind = "vibevoice_acoustic_tokenizer_encoder"
    acoustic = _filled(config.get("acoustic_tokenizer_encoder_config"), kind)
    semantic = _filled({"hidden_size": 128, **(config.get("semantic_tokenizer_encoder_config") or {})}, kind)
    projector = sum(e["hidden_size"] * lm.hidden + lm.hidden * lm.hidden + 3 * lm.hidden for e in (acoustic, semantic))
    head = 0 if text.get("tie_word_embeddings") else lm.embedding
    hop = 1
    for ratio in acoustic["downsampling_ratios"]:
        hop *= ratio
    decoder = lm.linear + lm.small + lm.embedding
    # In its first stage: the feed-forward's inner values twice, and about four copies of the signal.
    alive = 24_000 * acoustic["num_filters"] * (2 * acoustic["ffn_expansion"] + 4)
    return Facts(
        family="vibevoice",
        parameters=decoder + head + _convnext(acoustic) + _convnext(semantic) + projector,
        linear=lm.linear,
        step=lm.linear + lm.small + lm.embedding,
        kept=lm.kept,
        heard=24_000 / hop,
        written=9.7,  # a dense meeting: half an hour gave 17,000 tokens of JSON; a monologue 3.6
        hidden=lm.hidden,
        wide=lm.wide,
        vocabulary=lm.vocabulary,
        encoder=alive,
        chunk=config.get("acoustic_tokenizer_chunk_size", 1_440_000) / 24_000,
        host=24_000 * 4 * 5,  # the processor holds five copies at its peak
        prefill=2048,
    )


def _convnext(encoder: Config) -> int:
    """Parameters of one acoustic tokenizer's encoder."""
    filters, kernel, wider = encoder["num_filters"], encoder["kernel_size"], encoder["ffn_expansion"]

    def blocks(depth: int, width: int) -> int:
        feed = 2 * wider * width * width + wider * width + width
        return int(depth * (4 * width + width * kernel + width + feed))

    total = int(encoder["channels"] * filters * kernel + filters + blocks(encoder["depths"][0], filters))
    width = filters
    for depth, ratio in zip(encoder["depths"][1:], encoder["downsampling_ratios"], strict=True):
        total += width * 2 * width * 2 * ratio + 2 * width
        width *= 2
        total += blocks(depth, width)
    return int(total + width * encoder["hidden_size"] * kernel + encoder["hidden_size"])


def _qwen3_asr(config: Config) -> Facts:
    text = _filled(config.get("text_config") or _QWEN3_17, "qwen3")
    audio = _filled(config.get("audio_config"), "qwen3_asr_encoder")
    lm = _decoder(text, biases=False, extra=2 * (text.get("head_dim") or 128))
    d, wide, c = audio["d_model"], audio["encoder_ffn_dim"], audio["downsample_hidden_size"]
    bins = ((audio["num_mel_bins"] + 1) // 2 + 1) // 2
    bins = (bins + 1) // 2
    layer = 4 * (d * d + d) + 2 * d * wide + wide + d + 4 * d
    convolutions = (9 * c + c) + 2 * (9 * c * c + c) + c * bins * d
    encoder = audio["encoder_layers"] * layer + 2 * d + convolutions
    projector = d * d + d + d * audio["output_dim"] + audio["output_dim"]
    aligner = "TokenClassification" in "".join(config.get("architectures") or ())
    labels = config.get("num_labels") or len(config.get("id2label") or ()) or 2
    tied = config.get("tie_word_embeddings", True)
    head = labels * lm.hidden if aligner else 0 if tied else lm.embedding
    decoder = lm.linear + lm.small + lm.embedding
    # A second is 100 frames of 128 bands; after the first convolution c channels of half of each, and their GELU.
    alive = 2 * c * 50 * (audio["num_mel_bins"] / 2)
    return Facts(
        family="qwen3-asr",
        parameters=decoder + head + encoder + projector,
        linear=lm.linear,
        step=lm.linear + lm.small + lm.embedding,
        kept=0 if aligner else lm.kept,
        heard=13.0,  # 100 frames, halved three times and rounded up each time (12.5 is the nominal rate)
        written=0.0 if aligner else 5.0,  # fast speech; 3.3 on average
        hidden=lm.hidden,
        wide=lm.wide,
        vocabulary=labels if aligner else lm.vocabulary,
        encoder=alive,
        chunk=600.0,  # its convolutions take all that they are given in one batch: we give them no more
        host=2.2 * 2**30 / 3600,  # measured: an hour peaks at 2.2 GiB
    )


def _voxtral(config: Config) -> Facts:
    text = _filled(config.get("text_config"), "voxtral_realtime_text")
    audio = _filled(config.get("audio_config"), "voxtral_realtime_encoder")
    lm = _decoder(text, biases=False, extra=2 * 32 * text["hidden_size"])
    d, wide, inner = audio["hidden_size"], audio["intermediate_size"], audio["num_attention_heads"] * audio["head_dim"]
    layer = 4 * d * inner + 2 * inner + d + 3 * d * wide + d + 2 * d
    embedder = 3 * audio["num_mel_bins"] * d + d + 3 * d * d + d
    encoder = audio["num_hidden_layers"] * layer + embedder + d
    factor = config.get("downsample_factor", 4)
    projector = factor * d * lm.hidden + lm.hidden * lm.hidden
    tied = config.get("tie_word_embeddings", True)
    per_token = config.get("audio_length_per_tok", 8)
    decoder = lm.linear + lm.small + lm.embedding
    return Facts(
        family="voxtral-realtime",
        parameters=decoder + (0 if tied else lm.embedding) + encoder + projector,
        linear=lm.linear,
        step=decoder,
        kept=lm.kept,
        heard=100 / per_token,
        written=0.0,  # a token of text for each of sound, at the same position
        hidden=lm.hidden,
        wide=lm.wide,
        vocabulary=lm.vocabulary,
        encoder=50 * (3 * wide + 6 * d),
        chunk=64 * per_token / 100,  # blocks of 64 tokens
        host=2.6 * 2**30 / 3600,  # measured: an hour peaks at 2.6 GiB
        kept_anyway=2 * audio["num_hidden_layers"] * inner * audio["sliding_window"],
        window=text["sliding_window"],
        prefill=64,
        rows=True,
    )


def _generic(config: Config, tensors: Sequence[Stored]) -> Facts:
    """An encoder, or an encoder and a decoder, of which little is known: 16 kHz, 50 tokens a second at most."""
    inner = config.get("text_config") or config.get("decoder") or config.get("encoder_config") or config
    hidden = _first(inner, ("hidden_size", "d_model"), 1024)
    wide = _first(inner, ("intermediate_size", "decoder_ffn_dim", "encoder_ffn_dim"), 4 * hidden)
    layers = _first(inner, ("num_hidden_layers", "decoder_layers", "encoder_layers"), 24)
    heads = _first(inner, ("num_attention_heads", "decoder_attention_heads"), 16)
    each = _first(inner, ("head_dim",), hidden // heads)
    shared = _first(inner, ("num_key_value_heads",), heads) * each
    vocabulary = _first({**config, **inner}, ("vocab_size",), 32_000)
    linear = layers * (2 * hidden * heads * each + 2 * hidden * shared + 2 * hidden * wide)
    counted = sum(tensor.values for tensor in tensors)
    parameters = counted or 2 * linear + vocabulary * hidden
    matrices = sum(t.values for t in tensors if len(t.shape) == 2 and t.shape[0] != vocabulary)
    return Facts(
        family="hf",
        parameters=parameters,
        linear=matrices or linear,
        step=parameters,
        kept=2 * layers * shared,
        heard=50.0,
        written=5.0,
        hidden=hidden,
        wide=wide,
        vocabulary=vocabulary,
        encoder=100 * (3 * wide + 6 * hidden),
        chunk=float("inf"),
        host=16_000 * 4 * 10,
        rows=True,
    )


def _first(config: Config, names: tuple[str, ...], otherwise: int) -> int:
    return next((int(config[name]) for name in names if isinstance(config.get(name), int)), otherwise)
