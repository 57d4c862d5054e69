"""What a folder of safetensors weights holds, told from its headers: nothing is loaded and no code of it is run.

Format: 8 bytes of length, little-endian, then that much JSON, then the numbers
(github.com/huggingface/safetensors, README, "Format").
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechcli.errors import DataError

_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
_RUNNABLE = (".bin", ".pt", ".pth", ".ckpt")
_CODED = ("config.json", "processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
_LONGEST_HEADER = 100_000_000  # bytes; the limit of safetensors itself
_AGAIN = "fetch it again: speechcli models pull"


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor of a file. size: bytes."""

    name: str
    dtype: str  # as safetensors writes it: BF16, F32, I8 ...
    shape: tuple[int, ...]
    size: int

    @property
    def values(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


def configuration(folder: Path) -> dict[str, Any]:
    """config.json of a model. Raises DataError."""
    found = _json(folder / "config.json")
    if not isinstance(found, dict):
        raise DataError(f"{folder / 'config.json'} is no model's configuration", "is it whole?")
    return found


def stored(folder: Path) -> tuple[Stored, ...]:
    """Every tensor of a model, its files checked for their sizes.

    Raises DataError for weights that are missing, cut short, or not safetensors.
    """
    return tuple(tensor for path in _files(folder) for tensor in _header(path))


def check(folder: Path) -> tuple[Stored, ...]:
    """`stored`, for a folder that may be opened: a model that brings its own code is refused, too. Raises DataError."""
    for name in _CODED:
        path = folder / name
        if path.is_file() and isinstance(found := _json(path), dict) and found.get("auto_map"):
            raise DataError(
                f"this model wants to run its own code, which is not supported ({name} of {folder} has an auto_map)",
                "take a version made for transformers itself; its id often ends in -hf",
            )
    return stored(folder)


def _files(folder: Path) -> list[Path]:
    if (folder / _INDEX).is_file():
        index = _json(folder / _INDEX)
        parts = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(parts, dict) or not parts:
            raise DataError(f"{folder / _INDEX} lists no weights", _AGAIN)
        names = sorted({str(part) for part in parts.values()})
        for name in names:
            if Path(name).name != name:
                raise DataError(f"{folder / _INDEX} points out of its folder ({name})", _AGAIN)
            if not (folder / name).is_file():
                n_missing = sum(not (folder / other).is_file() for other in names)
                more = f", one of {n_missing} missing" if n_missing > 1 else ""
                raise DataError(f"{folder} lacks {name} ({len(names)} files of weights{more})", _AGAIN)
        return [folder / name for name in names]
    if (folder / _SINGLE).is_file():
        return [folder / _SINGLE]
    unsafe = sorted(path.name for path in folder.glob("*") if path.suffix in _RUNNABLE)
    if unsafe:
        raise DataError(
            f"{folder} holds its weights as {unsafe[0]}, a format that can run code when it is read",
            "only safetensors are read: take another revision, or convert it where that is safe",
        )
    raise DataError(f"{folder} holds no {_SINGLE}", _AGAIN)


def _header(path: Path) -> list[Stored]:
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(size - 8, _LONGEST_HEADER):
                raise DataError(f"{path} is cut short or is not safetensors ({size} bytes)", _AGAIN)
            table = json.loads(file.read(length))
            told = [_tensor(name, entry) for name, entry in table.items() if name != "__metadata__"]
            end = max(
                (int(entry["data_offsets"][1]) for name, entry in table.items() if name != "__metadata__"), default=0
            )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DataError(f"{path} is damaged: its header cannot be read", _AGAIN) from error
    if 8 + length + end != size:
        raise DataError(f"{path} has {size} bytes where its header promises {8 + length + end}", _AGAIN)
    return told


def _tensor(name: str, entry: Mapping[str, Any]) -> Stored:
    start, end = entry["data_offsets"]
    return Stored(name, str(entry["dtype"]), tuple(map(int, entry["shape"])), int(end) - int(start))


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path.parent} holds no {path.name}", _AGAIN) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error})", "is it whole?") from error
