"""B15: the large models on one GPU, at their published sizes, with random weights: nothing is downloaded.

    python benchmarks/gpu_models.py --all                                          # every row, one process each
    python benchmarks/gpu_models.py --model vibevoice --row decode --batch 4 --compile
    python benchmarks/gpu_models.py --model qwen3-asr-1.7b --row peak --minutes 60
    python benchmarks/gpu_models.py --tiny --model voxtral-realtime --row decode   # the same code, small, on a CPU

Rows: `load` (safetensors in the page cache to the device), `prefill` (sound to the first token), `decode` (seconds a
token, by the difference of two lengths), `peak` (memory of 5, 30, 60 minutes, cut into windows and batches as the
command cuts them). What runs is speechcli's own backend of each model, opened as the command opens it; only its
weights are made instead of read, and its answer is told when to end. The tokenizers are those of tests/tiny.

Shares are of the bandwidth limit: the bytes of weights that a token needs, over the bandwidth of a copy measured in
the same process. RTFx is of the decoding alone, at the speaking rate that is printed (tokens a second of speech:
VibeVoice's JSON 3.6 for one who reads, 9.7 for a dense meeting; Qwen3-ASR 3.3; Voxtral writes 12.5 whatever is said).
Each row adds a line to results/gpu_models.jsonl.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from common import HERE, _commit
from transformers import (
    CONFIG_MAPPING,
    AutoModelForMultimodalLM,
    AutoModelForTokenClassification,
    GenerationConfig,
    PreTrainedModel,
)
from transformers.utils import logging as told

from speechcli.backends import budget, placement_torch
from speechcli.backends.base import Hints, Setup
from speechcli.backends.catalog import FAMILIES
from speechcli.core.audio import Audio
from speechcli.core.span import Span
from speechcli.timeline.batches import choose

TINY = HERE.parent / "tests" / "tiny"
BATCHES = (1, 4, 16, 32)
MINUTES = (5, 30, 60)
GIB = 2**30
SAID = slice(10, 300)  # tokens that an answer is made of: every tokenizer of tests/tiny has them, and they end nothing


@dataclass(frozen=True, slots=True)
class Model:
    """family: of the catalogue. folder: of tests/tiny. spoken: tokens a second of speech, with what is meant."""

    family: str
    folder: str
    rows: tuple[str, ...]
    spoken: tuple[tuple[str, float], ...] = ()


MODELS = {
    "vibevoice": Model(
        "vibevoice", "vibevoice", ("load", "prefill", "decode", "peak"), (("read", 3.6), ("dense meeting", 9.7))
    ),
    "qwen3-asr-1.7b": Model("qwen3-asr", "qwen3-asr", ("load", "prefill", "decode", "peak"), (("speech", 3.3),)),
    "qwen3-asr-0.6b": Model("qwen3-asr", "qwen3-asr", ("load", "prefill", "decode", "peak"), (("speech", 3.3),)),
    "qwen3-aligner": Model("qwen3-aligner", "qwen3-aligner", ("load", "prefill", "peak")),
    "voxtral-realtime": Model("voxtral-realtime", "voxtral-realtime", ("load", "decode", "peak"), (("any", 12.5),)),
}


class _Enough(Exception):
    """The measured part is over: what the backend would do with the answer does not matter."""


@dataclass(slots=True)
class _Answer:
    """Stands in for `generate`: as many tokens as wanted, timed. asked: when it was called."""

    generate: Callable[..., torch.Tensor]
    n_tokens: int = 1
    asked: float = 0.0
    took: float = 0.0

    def __call__(self, *args: Any, **more: Any) -> torch.Tensor:
        synchronize()
        self.asked = time.perf_counter()
        rows = self.generate(*args, **more | {"max_new_tokens": self.n_tokens})
        synchronize()
        self.took = time.perf_counter() - self.asked
        given = more.get("inputs_embeds")
        n_new = rows.shape[1] - (args[0].shape[1] if args else 0 if given is not None else more["input_ids"].shape[1])
        if n_new != self.n_tokens:
            sys.exit(f"{n_new} tokens came where {self.n_tokens} were wanted")
        raise _Enough


class Bench:
    """One model of random weights behind its own backend."""

    def __init__(self, args: argparse.Namespace, scratch: Path) -> None:
        self.args, self.scratch = args, scratch
        self.model_of = MODELS[args.model]
        self.family = FAMILIES[self.model_of.family]
        self.place = placement_torch.place("cpu" if args.tiny else args.device, args.dtype)
        self.tiny = TINY / self.model_of.folder
        self.config = self._config()
        self.plain = self.config.to_dict()
        self.model: Any = None
        self.answer: _Answer | None = None
        self.aligns = "aligner" in args.model

    def _config(self) -> Any:
        """The published configuration with the ids of the small tokenizer; or the small one."""
        small = json.loads((self.tiny / "config.json").read_text())
        if self.args.tiny:
            chosen = small
        else:
            chosen = dict(budget.PUBLISHED[self.args.model])
            chosen |= {key: value for key, value in small.items() if key.endswith("token_id")}
            ids = {k: v for k, v in small["text_config"].items() if k.endswith("token_id")}
            chosen["text_config"] = {**chosen["text_config"], **ids}
        return CONFIG_MAPPING[small["model_type"]](
            **{k: v for k, v in chosen.items() if k not in ("model_type", "architectures", "transformers_version")}
        )

    def made(self) -> Any:
        """The model on its device, with random weights; no token but `SAID` is ever the likeliest."""
        auto = AutoModelForTokenClassification if self.aligns else AutoModelForMultimodalLM
        torch.manual_seed(0)
        with self.place.device:
            model: PreTrainedModel = auto.from_config(self.config, dtype=self.place.dtype).eval()
        if not self.aligns:
            model.generation_config = GenerationConfig.from_pretrained(self.tiny)
            head = model.get_output_embeddings().weight.data
            kept = head[SAID].clone()
            head.zero_()
            head[SAID] = kept
        return model

    def open(self, longest: float, folder: Path | None = None) -> Any:
        """The backend, as the command opens it. folder: of weights to read; None: they are made."""
        module = importlib.import_module(f"speechcli.backends.{self.family.module}")
        chooses = hasattr(getattr(module, "Settings", None), "compile_backend")  # the aligner has no settings
        settings = {"compile_backend": "eager"} if self.args.tiny and chooses else {}
        setup = Setup(
            self.args.model,
            folder or self._folder(),
            "",
            longest,
            self.place.device.type if self.args.tiny else self.args.device,
            self.args.dtype,
            compile=self.args.compile,
            batch_size=self.args.batch if self.args.row == "decode" else None,
            settings=settings,
        )
        if folder is not None:
            return module.open(setup)
        self.model = self.made()
        if not self.aligns and self.model_of.family != "voxtral-realtime":
            self.answer = _Answer(self.model.generate)
            self.model.generate = self.answer
        with ExitStack() as stack:
            stack.enter_context(patch.object(placement_torch, "load", lambda *args, **more: self.model))
            stack.enter_context(patch.object(placement_torch, "fit", self._fit))
            return module.open(setup)

    def _fit(self, setup: Setup, where: Any = None) -> float:
        """As `placement_torch.fit`, which asks the weights' files for their sizes; the model is there already."""
        needed = self.estimate(setup.longest, 2)
        if self.place.device.type == "cpu":
            return max(setup.longest, 240.0)
        room = placement_torch.free(self.place) * budget.USABLE
        return max(setup.longest, budget.seconds(needed, room))

    def _folder(self) -> Path:
        """Processor and configuration, without weights."""
        folder = self.scratch / "model"
        if not folder.exists():
            shutil.copytree(self.tiny, folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
            self.config.save_pretrained(folder)
        return folder

    def estimate(self, seconds: float, batch: int) -> budget.Estimate:
        """What `budget` says that it takes."""
        plain = self.plain | ({"architectures": ["TokenClassification"]} if self.aligns else {})
        return budget.estimate(plain, seconds, batch, self.place.dtype.itemsize)

    def run(self, opened: Any, sounds: Sequence[Audio], n_tokens: int = 1) -> float:
        """Seconds of one call of the backend, up to `n_tokens` of each answer."""
        synchronize()
        began = time.perf_counter()
        if self.answer is not None:
            self.answer.n_tokens = n_tokens
        try:
            if self.aligns:
                texts = [[f" word{i}" for i in range(int(one.duration * 2.5) or 1)] for one in sounds]
                opened.align(sounds, texts, ["en"] * len(sounds))
            else:
                hints = [Hints(speech=(Span(0.0, one.duration),)) for one in sounds]
                opened.transcribe(sounds, hints)
        except _Enough:
            pass
        synchronize()
        return time.perf_counter() - began


# --- rows: each gives its numbers ---


def load(bench: Bench) -> dict[str, float]:
    """Files in the page cache to a model that is ready on its device, processor included."""
    folder = bench.scratch / "weights"
    shutil.copytree(bench.tiny, folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    model = bench.made()
    model.save_pretrained(folder, max_shard_size="4GB")
    del model
    placement_torch.give_back()
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    began = time.perf_counter()
    bench.open(bench.family.longest, folder).close()
    synchronize()
    took = time.perf_counter() - began
    return {"seconds": took, "weights_gb": size / 1e9, "gb_per_s": size / 1e9 / took}


def prefill(bench: Bench) -> dict[str, float]:
    """Sound to the first token (an aligner: to all of its stamps), after one call that does not count."""
    args = bench.args
    opened = bench.open(args.seconds)
    sounds = [sound(opened, args.seconds, seed) for seed in range(args.batch)]
    bench.run(opened, sounds)
    took = min(bench.run(opened, sounds) for _ in range(2))
    found = {"audio_s": args.seconds * args.batch, "seconds": took, "rtfx": args.seconds * args.batch / took}
    if bench.answer is not None:
        found["first_token_s"] = bench.answer.took  # of it, in generate
    return found


def decode(bench: Bench) -> dict[str, float]:
    """Seconds a step, the difference of a long and a short answer, and what part of the bandwidth that uses."""
    args = bench.args
    opened = bench.open(args.seconds)
    if bench.answer is None:  # Voxtral writes as it hears: a longer sound is a longer answer
        lengths = (args.seconds / 5, args.seconds)
        times = []
        for length in lengths:
            sounds = [sound(opened, length, seed) for seed in range(args.batch)]
            bench.run(opened, sounds)
            times.append(min(bench.run(opened, sounds) for _ in range(2)))
        n_steps = (lengths[1] - lengths[0]) * 12.5
    else:
        sounds = [sound(opened, args.seconds, seed) for seed in range(args.batch)]
        times = []
        for n_tokens in (args.tokens // 8, args.tokens):
            runs = []
            for _ in range(3):  # the first compiles
                bench.run(opened, sounds, n_tokens)
                runs.append(bench.answer.took)
            times.append(min(runs[1:]))
        n_steps = args.tokens - args.tokens // 8
    step = (times[1] - times[0]) / n_steps
    facts = budget.facts(bench.plain)
    size = bench.place.dtype.itemsize
    context = min(facts.tokens(args.seconds), facts.window or 10**9)
    copied = bandwidth(bench.place.device)
    weights, cache = facts.step * size, args.batch * context * facts.kept * size
    found = {
        "step_ms": step * 1e3,
        "tokens_per_s": args.batch / step,
        "copy_gb_per_s": copied / 1e9,
        "limit_ms": weights / copied * 1e3,
        "share_of_limit": weights / copied / step,
        "share_with_cache": (weights + cache) / copied / step,
    }
    return found | {f"rtfx_{what.replace(' ', '_')}": args.batch / step / rate for what, rate in bench.model_of.spoken}


def peak(bench: Bench) -> dict[str, float]:
    """Memory at its highest over a recording, in windows and batches as the command makes them."""
    total = bench.args.minutes * (1.0 if bench.args.tiny else 60.0)
    longest = min(bench.family.longest, total)
    opened = bench.open(longest)
    lengths = [longest] * int(total // longest) + ([total % longest] if total % longest >= 0.5 else [])
    before = allocated(bench.place.device)
    seconds, batches, most = 0.0, 0, 0
    while lengths:
        chosen = choose(lengths, opened.traits.batch, opened.traits.seconds)
        sounds = [sound(opened, lengths[i], i) for i in chosen]
        lengths = [length for i, length in enumerate(lengths) if i not in chosen]
        seconds += bench.run(opened, sounds, 16)
        batches, most = batches + 1, max(most, len(sounds))
    told_by_budget = bench.estimate(longest, most)
    return {
        "minutes": bench.args.minutes,
        "windows_at_once": most,
        "batches": batches,
        "seconds": seconds,
        "weights_gib": before / GIB,
        "peak_gib": highest(bench.place.device) / GIB,
        "estimated_gib": told_by_budget.device / GIB,
        "host_peak_gib": resident() / GIB,
    }


ROWS: dict[str, Callable[[Bench], dict[str, float]]] = {
    "load": load,
    "prefill": prefill,
    "decode": decode,
    "peak": peak,
}


# --- the machine ---


def sound(opened: Any, seconds: float, seed: int) -> Audio:
    """Noise that no model takes for silence."""
    n_samples = round(seconds * opened.traits.rate)
    return Audio(np.random.default_rng(seed).normal(0, 0.05, n_samples).astype(np.float32), opened.traits.rate)


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def bandwidth(device: torch.device) -> float:
    """Bytes a second that a copy reads and writes."""
    n_bytes = GIB if device.type == "cuda" else 1 << 25
    a = torch.empty(n_bytes, dtype=torch.uint8, device=device)
    b = torch.zeros_like(a)
    times = []
    for _ in range(8):
        synchronize()
        began = time.perf_counter()
        b.copy_(a)
        synchronize()
        times.append(time.perf_counter() - began)
    return 2 * n_bytes / min(times)


def allocated(device: torch.device) -> float:
    """Bytes in use on the device now, from where `highest` counts afresh."""
    gc.collect()
    if device.type != "cuda":
        return float(resident())
    torch.cuda.reset_peak_memory_stats(device)
    return float(torch.cuda.memory_allocated(device))


def highest(device: torch.device) -> float:
    return float(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else float(resident())


def resident() -> int:
    """Peak of this process on the host, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@contextmanager
def small_compiler(tiny: bool) -> Iterator[None]:
    """At tiny size graphs are traced and not compiled: what is tested is that they can be."""
    if not tiny:
        yield
        return
    real = torch.compile
    with patch.object(torch, "compile", lambda what, **more: real(what, **more | {"backend": "eager", "mode": None})):
        yield


# --- the command ---


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--all", action="store_true", help="every row of every model (or of --model), a process each")
    parser.add_argument("--model", choices=MODELS)
    parser.add_argument("--row", choices=ROWS)
    parser.add_argument("--batch", type=int, default=1, help="windows at once (%(default)s)")
    parser.add_argument("--compile", action="store_true", help="static cache and compiled steps")
    parser.add_argument("--seconds", type=float, help="of a window: 300 for prefill, 30 for decode")
    parser.add_argument("--tokens", type=int, default=160, help="of an answer that is timed (%(default)s)")
    parser.add_argument("--minutes", type=int, default=5, help="of the recording whose peak is measured (%(default)s)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--tiny", action="store_true", help="the models of tests/tiny on the CPU; minutes are seconds")
    parser.add_argument("--results", type=Path, default=HERE / "results" / "gpu_models.jsonl")
    return parser


def plans(model: str) -> Iterator[list[str]]:
    """Command lines of every row of a model."""
    for row in MODELS[model].rows:
        one = ["--model", model, "--row", row]
        if row == "decode":
            yield from ([*one, "--batch", str(n), *how] for n in BATCHES for how in ([], ["--compile"]))
        elif row == "peak":
            yield from ([*one, "--minutes", str(n)] for n in MINUTES)
        else:
            yield one


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one row, or all."""
    parser = arguments()
    args = parser.parse_args(argv)
    if args.all:
        same = ["--device", args.device, "--dtype", args.dtype, "--results", str(args.results)]
        same += ["--tiny"] if args.tiny else []
        lines = [line for model in ([args.model] if args.model else MODELS) for line in plans(model)]
        failed = [line for line in lines if subprocess.run([sys.executable, __file__, *line, *same]).returncode]
        for line in failed:
            print(f"failed: {' '.join(line)}", file=sys.stderr)
        return int(bool(failed))
    if not args.model or not args.row:
        parser.error("--all, or --model and --row")
    if args.row not in MODELS[args.model].rows:
        parser.error(f"{args.model} has the rows {', '.join(MODELS[args.model].rows)}")
    if not args.tiny and not torch.cuda.is_available():
        parser.error("no CUDA device here: --tiny runs the same code on the CPU")
    if args.seconds is None:
        args.seconds = 2.0 if args.tiny else 300.0 if args.row == "prefill" else 30.0
    told.disable_progress_bar()
    told.set_verbosity_error()
    with tempfile.TemporaryDirectory(prefix="speechcli-bench-") as scratch, small_compiler(args.tiny):
        bench = Bench(args, Path(scratch))
        numbers = {key: float(f"{value:.5g}") for key, value in ROWS[args.row](bench).items()}
    keep(args, bench, numbers)
    return 0


def keep(args: argparse.Namespace, bench: Bench, numbers: dict[str, float]) -> None:
    """Prints the row, and adds it to the results."""
    device = bench.place.device
    chosen = {"batch": args.batch, "compile": args.compile, "seconds_of_window": args.seconds}
    if args.row in ("load", "peak"):
        chosen = {}
    line = {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": _commit(),
        "model": args.model,
        "row": args.row,
        **chosen,
        **numbers,
        "tiny": args.tiny,
        "dtype": str(bench.place.dtype).removeprefix("torch."),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "driver_cuda": torch.version.cuda,
        "versions": {name: version(name) for name in ("torch", "transformers")},
    }
    args.results.parent.mkdir(parents=True, exist_ok=True)
    with args.results.open("a") as file:
        file.write(json.dumps(line) + "\n")
    what = " ".join(f"{key}={value:g}" if key != "compile" else f"compile={value}" for key, value in chosen.items())
    print(f"{args.model} {args.row} {what}: " + ", ".join(f"{key} {value:g}" for key, value in numbers.items()))


if __name__ == "__main__":
    sys.exit(main())
