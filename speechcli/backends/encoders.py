"""Which engine runs Whisper's encoder: the one the user names, or the fastest on this processor, measured once.

What was measured is kept in the user's cache, one file for each processor and version of the engines: a recording that
is heard again is heard by the same one. Where nothing can be kept it is measured each time.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from speechcli.backends import catalog, kept
from speechcli.core.span import Seconds
from speechcli.errors import DataError, SpeechcliError, UnavailableError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from speechcli.backends.openvino_encoder import Precision
    from speechcli.backends.placement import Placement

T = TypeVar("T")

# Those of OpenVINO in the order of their exactness, which is that of their error in `openvino_encoder`.
PRECISIONS: Mapping[str, Precision] = {"openvino-f32": "float32", "openvino-bf16": "bfloat16", "openvino-int8": "int8"}
_ROUGH = ("openvino-bf16", "openvino-int8")
NAMES = ("auto", "openvino", *PRECISIONS, "onnxruntime", "ctranslate2")
OWN = "ctranslate2"  # whose decoder it is
_PACKAGES = ("openvino", "onnxruntime", "ctranslate2")
_WORTH = 0.9  # of the time of what is more exact: what is less exact must be below
_GENERATION = 1  # counted up when what was measured, or compiled, cannot be used any more


class Encoder(Protocol):
    """Log-mel features, shape (1, mels, frames), to hidden states, (1, frames / 2, width), from several threads."""

    engine: str
    frames: int

    @property
    def precision(self) -> str: ...

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Model:
    """Whose encoder is wanted, and how. folder: of a CTranslate2 Whisper. revision: what its weights are known by.

    seconds: of sound that it takes at once.
    """

    folder: Path
    revision: str
    place: Placement
    seconds: Seconds = 30.0

    @property
    def exact(self) -> bool:
        """Whether nothing but float32 will do."""
        return self.place.compute_type == "float32"

    @property
    def frames(self) -> int:
        return 2 * round(50 * self.seconds)


def opened(model: Model, wanted: str = "auto") -> Encoder | None:
    """The encoder that is wanted, one of NAMES; None where CTranslate2's own is to be used, which takes 30 seconds.

    Raises UsageError for one that is not exact where that was asked for, UnavailableError for one that cannot be had.
    """
    if model.exact and wanted in _ROUGH:
        raise UsageError(f"encoder={wanted} and --dtype float32 exclude each other", "leave one of them out")
    if wanted == "auto" and model.place.device != "cpu":
        return None

    def opening() -> Encoder | None:
        name = chosen(model.exact, wanted) if wanted in ("auto", "openvino") else wanted
        return None if name == OWN else _OPEN[name.partition("-")[0]](name, model)

    return had("encoder", wanted, opening)


def had(part: str, wanted: str, opening: Callable[[], T | None]) -> T | None:
    """A part of Whisper from another engine than CTranslate2, or None where that cannot be had and wanted is "auto".

    Raises UnavailableError where it was asked for by name.
    """
    try:
        return opening()
    except ImportError as error:
        if wanted == "auto":
            return None
        package = "ONNX Runtime" if wanted == "onnxruntime" else "OpenVINO"
        hint = f"pip install {wanted.partition('-')[0]}"
        raise UnavailableError(f"{part}={wanted} needs {package} ({error})", hint) from error
    except (RuntimeError, DataError, KeyError) as error:  # this processor, these shapes, this file are not known to it
        if wanted == "auto":
            return None  # CTranslate2 may know them, or says what is wrong
        told = str(error).strip().rpartition("\n")[2]  # where it was comes first
        raise UnavailableError(f"{part}={wanted} cannot be had here ({told})", f"use --set {part}=auto") from error


def chosen(exact: bool, wanted: str = "auto") -> str:
    """The engine for this machine: of all, or of OpenVINO's. exact: in float32. Raises ImportError, RuntimeError."""
    seconds = _seconds(_candidates(exact), exact)
    if wanted == "auto":
        return fastest(seconds)
    its = {name: taken for name, taken in seconds.items() if name in PRECISIONS}
    if its and not any(its.values()):
        raise RuntimeError("it does not run")
    return fastest(its) if its else next(iter(PRECISIONS))  # which is not installed, as its opening tells


def fastest(seconds: Mapping[str, float | None]) -> str:
    """The fastest, where those named first are preferred: they are more exact. CTranslate2's where none runs.

    >>> fastest({"openvino-f32": 0.28, "openvino-bf16": 0.48, "openvino-int8": 0.27, "ctranslate2": None})
    'openvino-f32'
    >>> fastest({"openvino-f32": 0.18, "openvino-bf16": 0.11, "openvino-int8": 0.10, "ctranslate2": 0.30})
    'openvino-bf16'
    """
    best, least = OWN, float("inf")
    for name, taken in seconds.items():
        if taken is not None and taken < _WORTH * least:
            best, least = name, taken
    return best


def known(exact: bool = False) -> dict[str, float | None] | None:
    """CPU seconds of a layer in each engine, as they were measured on this machine; None where they were not yet."""
    return _known(_candidates(exact), exact)


def _candidates(exact: bool) -> tuple[str, ...]:
    """The more exact first. ONNX Runtime stands in for OpenVINO."""
    fused = tuple(PRECISIONS) if find_spec("openvino") else ("onnxruntime",)
    return (*(name for name in fused if not (exact and name in _ROUGH)), OWN)


def _seconds(names: Sequence[str], exact: bool) -> Mapping[str, float | None]:
    """As measured, now or earlier; the first alone counts where nothing can be measured. Raises ImportError."""
    if (seconds := _known(names, exact)) is not None:
        return seconds
    try:
        seconds = _measured(names, exact)
    except (SpeechcliError, OSError):  # no model came along, or no room for the part of it
        return {names[0]: 1.0}
    if (earlier := _known(names, exact)) is not None:  # another process was first: all are to choose the same
        return earlier
    kept.write(place_of(names, exact), json.dumps(seconds).encode())
    return seconds


def _known(names: Sequence[str], exact: bool) -> dict[str, float | None] | None:
    try:
        found = json.loads(kept.read(place_of(names, exact)) or b"")
        return {name: None if found[name] is None else float(found[name]) for name in names}
    except (ValueError, KeyError, TypeError):
        return None


def _measured(names: Sequence[str], exact: bool) -> dict[str, float | None]:
    from speechcli.backends import encoder_speed, weights
    from speechcli.backends.placement import Placement

    embedded = catalog.find(catalog.EMBEDDED)
    assert embedded is not None
    compute_type = "float32" if exact else "int8"
    place = Placement("cpu", compute_type, lanes=1, threads=1)

    def open_one(name: str, folder: Path) -> encoder_speed.Run:
        return _OPEN[name.partition("-")[0]](name, Model(folder, "", place))

    ours = encoder_speed.of_ctranslate2(compute_type)
    engines = {name: ours if name == OWN else partial(open_one, name) for name in names}
    return encoder_speed.measured(weights.of_package(embedded).folder, engines)


def _openvino(name: str, model: Model) -> Encoder:
    from speechcli.backends import openvino_encoder

    place = model.place
    precision = PRECISIONS[name]
    cache = place_of((name, model.revision, str(model.frames)), False, ".blob") if model.revision else None
    file = model.folder / "model.bin"
    return openvino_encoder.Encoder(file, place.lanes, place.threads, precision, model.frames, cache)


def _onnxruntime(_name: str, model: Model) -> Encoder:
    from speechcli.backends import onnx_encoder

    return onnx_encoder.Encoder(model.folder / "model.bin", model.place.lanes, model.place.threads, model.frames)


_OPEN = {"openvino": _openvino, "onnxruntime": _onnxruntime}


def place_of(about: Sequence[str], exact: bool = False, suffix: str = ".json") -> Path:
    """Where something is kept that holds for this processor and these versions of the engines."""
    facts = (_GENERATION, _processor(), [_version(package) for package in _PACKAGES], list(about), exact)
    digest = hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()
    return kept.folder("encoders") / f"{digest}{suffix}"


@cache
def _processor() -> tuple[str, str]:
    """Name and abilities of the processor; not its number of cores, of which one alone is measured."""
    told: dict[str, str] = {}
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in takewhile(str.strip, file):  # of the first core
                key, _, value = line.partition(":")
                told[key.strip()] = value.strip()
    except OSError:  # Linux alone has it
        pass
    name = told.get("model name") or platform.processor() or platform.machine()
    return name, " ".join(sorted((told.get("flags") or told.get("Features") or "").split()))


@cache
def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
