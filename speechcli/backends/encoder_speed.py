"""What a window costs in each of the engines that can run Whisper's encoder, on this processor.

One layer of the Whisper that comes along is enough: which engine is faster is the processor's doing and not the
weights', and a larger model has more layers and wider ones of the same kind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from speechcli.backends import ctranslate2_file
from speechcli.errors import SpeechcliError

Run: TypeAlias = Callable[[NDArray[np.float32]], object]

_ROUNDS = 3
_HOPELESS = 1.5  # times the fastest: not worth another round
_FRAMES, _MELS = 3000, 80


def measured(folder: Path, engines: Mapping[str, Callable[[Path], Run]]) -> dict[str, float | None]:
    """CPU seconds of one layer in each engine, None where it does not run here.

    folder: of a CTranslate2 Whisper. engines: by name, what opens the encoder of a model's folder. Turns are taken, so
    that another program's load falls on all; the least of each counts. Raises DataError, OSError, ImportError.
    """
    features = np.random.default_rng(0).normal(0, 0.5, (1, _MELS, _FRAMES)).astype(np.float32)
    found: dict[str, float | None] = dict.fromkeys(engines)
    with _cut(folder) as small:
        running: dict[str, Run] = {}
        for name, opened in engines.items():
            try:
                running[name] = opened(small)
                running[name](features)  # the first call packs the weights
            except (RuntimeError, ValueError, SpeechcliError):  # ValueError: CTranslate2 has no such arithmetic here
                running.pop(name, None)
        for _ in range(_ROUNDS):
            for name, run in running.items():
                found[name] = min(_seconds(run, features), found[name] or float("inf"))
            least = min((found[name] or 0.0 for name in running), default=0.0)
            running = {name: run for name, run in running.items() if (found[name] or 0.0) < _HOPELESS * least}
    return found


def of_ctranslate2(compute_type: str) -> Callable[[Path], Run]:
    """Opens CTranslate2's own encoder."""

    def opened(folder: Path) -> Run:
        model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type=compute_type, intra_threads=1)
        return lambda features: model.encode(ctranslate2.StorageView.from_array(features))

    return opened


@contextmanager
def _cut(folder: Path) -> Iterator[Path]:
    """The model of a folder with one layer, in a temporary one."""
    with TemporaryDirectory(prefix="speechcli-") as name:
        small = Path(name)
        for file in folder.resolve().iterdir():
            if file.is_file() and file.suffix in (".json", ".txt"):
                (small / file.name).write_bytes(file.read_bytes())
        ctranslate2_file.first_layers(folder / "model.bin", small / "model.bin")
        yield small


def _seconds(run: Run, features: NDArray[np.float32]) -> float:
    """Of the processor: other programs do not count. Some engines work in threads of their own."""
    begun = time.process_time()
    run(features)
    return time.process_time() - begun
