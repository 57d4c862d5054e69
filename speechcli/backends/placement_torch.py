"""Where a torch model runs and how it is loaded: device, dtype, attention, quantised weights, memory.

Sources: transformers' from_pretrained (modeling_utils.py), accelerate's big model inference, bitsandbytes.

Quantised weights are bitsandbytes' (LLM.int8, arXiv 2208.07339; NF4, arXiv 2305.14314), for it is the one library of
three that keeps both promises on a CPU as on CUDA. Tried here on torch 2.13 without a GPU, a language model of 100 MB
in bfloat16: bitsandbytes 0.50 in int8 gives 52 MB and the speed of float32, in int4 27 MB and twice that speed;
torchao 0.18 has its int4 kernels for GPUs only ("Requires mslk"), and its intx runs at a tenth of the speed;
optimum-quanto 0.2.7 (no longer developed) fails on int4 in inference mode.
"""

from __future__ import annotations

import dataclasses
import gc
import importlib
import logging
import re
import shutil
import sys
import tempfile
import threading
import traceback
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import torch
from transformers import BitsAndBytesConfig
from transformers.utils import logging as told

from speechcli.backends import budget, checkpoint, sizes
from speechcli.backends.base import OutOfMemoryError, Setup, Traits
from speechcli.core.span import Seconds
from speechcli.errors import DataError, SpeechcliError, UnavailableError, UsageError

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_ATTENTIONS = ("sdpa", "eager", "flash_attention_2")
_QUANTIZED = ("int8", "int4")
_CPU_SECONDS = 240.0  # of sound in a batch: beyond it a CPU computes as long and only the memory grows

# Patterns of transformers' should_convert_module: from the start of a module's name, up to a dot. Convolutional and
# audio encoders are a small part of the weights and feel the rounding most; heads decide between words.
_HEADS = (".*lm_head", ".*proj_out", ".*_head", ".*score", ".*classifier")
_WHOLE = (
    *_HEADS,
    ".*audio_tower",
    ".*acoustic_tokenizer_encoder",
    ".*semantic_tokenizer_encoder",
    ".*multi_modal_projector",
    ".*ada_rms_norm",
)

# How torch says it: CUDA, HIP and XPU ("CUDA out of memory.", "CUDA error: out of memory"), Metal, the CPU's
# allocator, and the libraries of CUDA whose own workspace did not fit.
_SHORT = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "Cannot allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_NOT_SUPPORTED",  # accelerate's should_reduce_batch_size: convolutions too large for any algorithm
    "Invalid buffer size",  # Metal: one buffer larger than the GPU takes
)


@dataclass(frozen=True, slots=True)
class Place:
    """device: "cpu", "cuda:N" or "mps". dtype: of the arithmetic."""

    device: torch.device
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class Room:
    """device: where input goes, for weights may lie on several. seconds: of sound, padded, that a batch may hold."""

    device: torch.device
    seconds: Seconds


def place(device: str, dtype: str) -> Place:
    """auto: the first CUDA device, else Apple's, else the CPU; bfloat16 where the device has it, else float32.

    Raises UnavailableError, UsageError.
    """
    if device == "auto":
        device = "cuda:0" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = device.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not index.isdigit()):
        raise UsageError(f"no device is called {device}", "auto, cpu, cuda, cuda:1 or mps")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        n_cuda = torch.cuda.device_count()
        raise UnavailableError(
            f"no CUDA device {index or 0} here ({n_cuda} found)", "use --device cpu; see speechcli doctor"
        )
    if kind == "cuda":
        device = f"cuda:{int(index or 0)}"
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UnavailableError("no Apple GPU here", "use --device cpu")
    if dtype == "auto":
        fast = kind == "cuda" and torch.cuda.is_bf16_supported()
        return Place(torch.device(device), torch.bfloat16 if fast else torch.float32)
    if dtype not in _DTYPES:
        raise UsageError(f"this model cannot compute in {dtype}", f"it can in {', '.join(_DTYPES)}")
    return Place(torch.device(device), _DTYPES[dtype])


def attention(setup: Setup) -> str | None:
    """What was asked for, where it can be had; None: transformers' own choice, which is sdpa where a model has it.

    Raises UsageError, UnavailableError.
    """
    asked = setup.attention
    if asked is None:
        return None
    if asked not in _ATTENTIONS:
        raise UsageError(f"no attention is called {asked}", f"one of: {', '.join(_ATTENTIONS)}")
    if asked == "flash_attention_2":
        where = place(setup.device, setup.dtype)
        if where.device.type != "cuda" or where.dtype == torch.float32:
            raise UnavailableError(
                "flash_attention_2 runs on CUDA in bfloat16 or float16 only", "use --attn-implementation sdpa"
            )
        if find_spec("flash_attn") is None:
            raise UnavailableError(
                "flash_attention_2 needs flash-attn, which is not installed",
                "pip install flash-attn, or use --attn-implementation sdpa",
            )
    return asked


def load(auto: Any, setup: Setup, where: Place, *, max_memory: Any = None, **more: object) -> Any:
    """The model of `setup.folder` by one of transformers' Auto classes, in evaluation mode, on its device.

    It is spread over all cards, then the host, then the disk, when `setup.device` is auto and the first card cannot
    hold it, or by `max_memory`, accelerate's mapping ({0: "10GiB", "cpu": "30GiB"}). more: further arguments of
    from_pretrained. Raises DataError for weights that cannot be read, are missing or are another model's, UsageError
    and UnavailableError for what cannot be had: a quantisation, or room on the device.
    """
    tensors = checkpoint.check(setup.folder)
    config = checkpoint.configuration(setup.folder)
    quantized = _quantized(setup, where, config, tensors)
    offload: Path | None = None
    if max_memory is None:
        max_memory = _elsewhere(setup, where, config, tensors)
    if max_memory is not None:
        offload = Path(tempfile.mkdtemp(prefix="speechcli-offload-"))
        more |= {"device_map": "auto", "max_memory": dict(max_memory), "offload_folder": str(offload)}
    elif where.device.type != "cpu" or quantized:
        more |= {"device_map": {"": where.device}}  # straight to it, no copy on the host
    try:
        model = _loaded(auto, setup, where, {**quantized, **more})
    except BaseException:
        if offload is not None:
            shutil.rmtree(offload, ignore_errors=True)
        raise
    if offload is not None:
        weakref.finalize(model, shutil.rmtree, offload, ignore_errors=True)
    return model


_LOADING = threading.Lock()
"""from_pretrained puts other functions in the place of transformers' own while it works (`no_tie_weights`), for the
whole process: of two at once, the one that ends last leaves the other's there for ever."""


def _loaded(auto: Any, setup: Setup, where: Place, more: Mapping[str, object]) -> Any:
    try:
        with _LOADING, memory(), _quietly():
            model, report = auto.from_pretrained(
                setup.folder,
                dtype=where.dtype,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # told below, with the name
                **more,
            )
    except OutOfMemoryError as error:
        raise UnavailableError(
            f"not enough memory on {where.device} for {setup.name}",
            ", ".join(budget.weaker(setup.quantize, where.device.type)),
        ) from error
    except SpeechcliError:
        raise
    except ImportError as error:
        raise UnavailableError(f"{setup.name} needs a package that is missing ({_line(error)})") from error
    except Exception as error:
        if "dispatched on the CPU or the disk" in str(error):  # bitsandbytes keeps its weights on the one device
            raise UnavailableError(
                f"not enough memory for {setup.name} in {setup.quantize}, which cannot be split over host and disk",
                ", ".join(budget.weaker(setup.quantize, where.device.type)),
            ) from error
        # safetensors, json and transformers share no narrower ancestor (SafetensorError derives from Exception)
        raise DataError(
            f"the weights in {setup.folder} cannot be loaded ({_line(error)})", "are they whole?"
        ) from error
    # masked_spec_embed is of training only: checkpoints of CTC models often lack it
    missing = sorted(name for name in report["missing_keys"] if not name.endswith("masked_spec_embed"))
    wrong = [f"{name} is {_by(there)}, not {_by(wanted)}" for name, there, wanted in report["mismatched_keys"]]
    wrong += [f"{name} is missing" for name in missing]
    if wrong:
        more_wrong = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise DataError(
            f"the weights in {setup.folder} are not those of its config.json ({wrong[0]}{more_wrong})",
            "take both from one revision: speechcli models pull",
        )
    return model.eval()


def _quantized(
    setup: Setup, where: Place, config: Mapping[str, Any], tensors: Sequence[checkpoint.Stored]
) -> dict[str, object]:
    """Arguments of from_pretrained for `setup.quantize`. Raises UsageError, UnavailableError."""
    if setup.quantize is None:
        return {}
    if setup.quantize not in _QUANTIZED:
        raise UsageError(f"--quantize {setup.quantize}: no such weights", f"one of: {', '.join(_QUANTIZED)}")
    if find_spec("bitsandbytes") is None:
        raise UnavailableError(
            f"--quantize {setup.quantize} needs bitsandbytes, which is not installed",
            "pip install 'speechcli[quantize]'",
        )
    # It tells of kernels it could fetch, and at every layer that float32 is rounded on the way: that was asked for.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    _import_bitsandbytes()
    skipped = list(_WHOLE) if budget.facts(config).family != "hf" else None  # None: what transformers leaves out itself
    if setup.quantize == "int4" and (odd := _odd(tensors)):
        skipped = [*(skipped or _HEADS), *odd]
    kind: dict[str, object] = {"load_in_8bit": True}
    if setup.quantize == "int4":
        kind = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": where.dtype}
    made = BitsAndBytesConfig(llm_int8_skip_modules=skipped, **kind)  # type: ignore[no-untyped-call]
    return {"quantization_config": made}


def _odd(tensors: Sequence[checkpoint.Stored]) -> list[str]:
    """Modules whose rows are no whole blocks of 64: bitsandbytes' int4 cannot multiply by them on every CPU."""
    return [
        re.escape(tensor.name.removesuffix(".weight"))
        for tensor in tensors
        if len(tensor.shape) == 2 and tensor.shape[1] % 64 and tensor.name.endswith(".weight")
    ]


def _import_bitsandbytes() -> None:
    """Without the package `kernels`: on some CPUs bitsandbytes would fetch compiled code from the hub and run it."""
    if "bitsandbytes" in sys.modules:
        return
    hidden = sys.modules.get("kernels")
    sys.modules["kernels"] = None  # type: ignore[assignment]  # makes an import of it fail, and that is caught there
    try:
        importlib.import_module("bitsandbytes")
    finally:
        del sys.modules["kernels"]
        if hidden is not None:
            sys.modules["kernels"] = hidden


# --- memory ---


@contextmanager
def memory() -> Iterator[None]:
    """Torch's ways of saying that memory is short become ours, and what the device kept is given back.

    Raises OutOfMemoryError.
    """
    short = None
    try:
        yield
    except (RuntimeError, MemoryError, OSError) as error:  # OutOfMemoryError and AcceleratorError are RuntimeErrors
        if not _is_short(error):
            raise
        short = _line(error)
        traceback.clear_frames(error.__traceback__)  # their locals are the tensors that filled the device
    if short is not None:  # out of the except block, which would hold on to them
        give_back()
        raise OutOfMemoryError(short)


@contextmanager
def compiling(name: str) -> Iterator[None]:
    """Torch's ways of saying that it cannot compile here: no C compiler, no Triton, a card too old.

    Raises UnavailableError.
    """
    try:
        yield
    except (torch._dynamo.exc.ShortenTraceback, torch._dynamo.exc.InvalidBackend) as error:
        reason = _line(getattr(error, "inner_exception", error))
        raise UnavailableError(f"{name} cannot be compiled here ({reason})", "leave --compile out") from error


def give_back() -> None:
    """Unused memory goes from torch's caches back to the devices."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _is_short(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return any(sign in str(error) for sign in _SHORT)


def free(where: Place) -> int:
    """Bytes that are free for a model: of the card, torch's own unused cache included, or of the host."""
    if where.device.type == "cuda":
        unused = torch.cuda.memory_reserved(where.device) - torch.cuda.memory_allocated(where.device)
        return int(torch.cuda.mem_get_info(where.device)[0] + unused)
    if where.device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return int(psutil.virtual_memory().available)


def card(where: Place) -> str:
    """The device as `sizes` knows it: what holds on one card holds on every card of that name and size."""
    if where.device.type == "cuda":
        facts = torch.cuda.get_device_properties(where.device)
        return f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB"
    return f"{where.device.type}, {psutil.virtual_memory().total / 2**30:.0f} GiB"


def known_as(setup: Setup, where: Place) -> str:
    """The model as `sizes` knows it: its name and what else decides how much it takes."""
    return f"{setup.name} in {setup.quantize or str(where.dtype).removeprefix('torch.')}"


class Learner:
    """A `base.Learning` backend on torch: what was too much is halved for this run, and kept for the next ones."""

    traits: Traits
    _names: tuple[str, str] | None = None  # of the model and the card, as `sizes` knows them

    def known(self, setup: Setup, where: Place) -> None:
        """To be called once, when the model is opened."""
        self._names = (known_as(setup, where), card(where))

    def too_much(self, seconds: Seconds) -> None:
        """See `base.Learning`."""
        least = self.traits.longest
        self.traits = dataclasses.replace(self.traits, seconds=max(least, min(self.traits.seconds, seconds / 2)))
        if self._names is not None:
            sizes.remember(*self._names, seconds / 2)


def fit(setup: Setup, where: Place | None = None, folder: Path | None = None) -> Seconds:
    """Seconds of sound, padded, that a batch may hold: by what is free now, before the model is loaded.

    At least one window is always allowed: whether it fits is seen when it is tried. folder: of `sizes`.
    """
    where = where or place(setup.device, setup.dtype)
    config = checkpoint.configuration(setup.folder)
    needed = _needed(setup, where, config, checkpoint.stored(setup.folder))
    room = free(where) * budget.USABLE - needed.weights
    found = budget.seconds(needed, room)
    if where.device.type == "cpu":
        found = min(found, _CPU_SECONDS)
    learnt = sizes.known(known_as(setup, where), card(where), folder)
    return max(setup.longest, found if learnt is None else min(found, learnt))


def _needed(
    setup: Setup, where: Place, config: Mapping[str, Any], tensors: Sequence[checkpoint.Stored]
) -> budget.Estimate:
    """Two windows: in a batch of several, rows need a mask."""
    return budget.estimate(config, setup.longest, 2, where.dtype.itemsize, setup.quantize, tensors)


def _elsewhere(
    setup: Setup, where: Place, config: Mapping[str, Any], tensors: Sequence[checkpoint.Stored]
) -> dict[int | str, int] | None:
    """None where the device can hold the weights; accelerate's max_memory where they are to be spread.

    A card that was chosen for the user may be too small: a fifth of each is left for cache and activations, and a third
    of the host's memory for itself. Where they chose, or there is but the host, it is refused before anything is read
    that the system would end us for. Raises UnavailableError.
    """
    weights, there = _needed(setup, where, config, tensors).weights, free(where)
    if weights <= there * budget.USABLE:
        return None
    if setup.device == "auto" and where.device.type == "cuda" and setup.quantize is None:
        host: dict[int | str, int] = {"cpu": int(psutil.virtual_memory().available * 0.67)}
        return {i: int(torch.cuda.mem_get_info(i)[0] * 0.8) for i in range(torch.cuda.device_count())} | host
    smaller = "--dtype bfloat16, " if where.dtype == torch.float32 and setup.quantize is None else ""
    raise UnavailableError(
        f"{setup.name} takes {budget.told(weights)} of memory, and {budget.told(there)} are free on {where.device}",
        smaller + ", ".join(budget.weaker(setup.quantize, where.device.type)),
    )


# --- words ---


@contextmanager
def _quietly() -> Iterator[None]:
    """No bar is drawn and nothing reported by transformers while it loads: what matters of it is raised."""
    level, bar = told.get_verbosity(), told.is_progress_bar_enabled()
    placing = logging.getLogger("accelerate.big_modeling")  # says what lies on the disk
    before = placing.level
    told.set_verbosity(logging.ERROR)
    placing.setLevel(logging.ERROR)
    told.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        told.set_verbosity(level)
        placing.setLevel(before)
        if bar:
            told.enable_progress_bar()  # type: ignore[no-untyped-call]


def _by(shape: Sequence[int]) -> str:
    return " by ".join(map(str, shape)) or "one number"


def _line(error: BaseException) -> str:
    """The first line of what went wrong, for a sentence."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return first if len(first) <= 160 else first[:159] + "…"
