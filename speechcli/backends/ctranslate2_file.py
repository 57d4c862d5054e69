"""Reads the weights in a CTranslate2 `model.bin`, which the engine itself does not give out, and cuts one down.

Source: OpenNMT/CTranslate2, python/ctranslate2/specs/model_spec.py (`ModelSpec._serialize`), binary version 6: little
endian; version, name and revision of the specification; then each variable as name, shape, type, size and bytes; then
pairs of names, of which the first stands for the second.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from speechcli.errors import DataError

_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16, np.uint16)  # uint16: the upper half of float32s
_BFLOAT16 = 5
_VERSIONS = (4, 5, 6)
_LATER = re.compile(r"/layer_[1-9]")


@dataclass(frozen=True, slots=True)
class _Variable:
    """One in a file. begin: where its name is told. at, size: bytes of its array."""

    name: str
    shape: tuple[int, ...]
    kind: int
    begin: int
    at: int
    size: int


def tensors(path: Path, prefix: str) -> dict[str, NDArray[np.floating[Any]]]:
    """Variables whose names begin with `prefix`, in float16 or float32 as they are stored, others as float32.

    Raises DataError for another version of the format, and for a file that ends too early.
    """
    try:
        with path.open("rb") as file:
            wanted = [variable for variable in _variables(file) if variable.name.startswith(prefix)]
            found = {variable.name: _array(file, variable) for variable in wanted}
    except (struct.error, ValueError, IndexError) as error:
        raise DataError(f"{path} cannot be read as a CTranslate2 model ({error})") from error
    scales = {name for name in found if name.endswith("_scale")}
    return {name: _float(name, array, found) for name, array in found.items() if name not in scales}


def first_layers(source: Path, target: Path) -> None:
    """Writes a model of the first layer of each of the parts of another. Raises DataError as above, OSError."""
    try:
        with source.open("rb") as file:
            every = list(_variables(file))
            end = file.tell()
            kept = [variable for variable in every if not _LATER.search(variable.name)]
            file.seek(0)
            head = file.read(every[0].begin - 4) if every else b""
            with target.open("wb") as cut:
                cut.write(head + struct.pack("<I", len(kept)))
                for variable in kept:
                    file.seek(variable.begin)
                    cut.write(file.read(variable.at - variable.begin + variable.size))
                file.seek(end)
                cut.write(file.read())
    except (struct.error, ValueError, IndexError) as error:
        raise DataError(f"{source} cannot be read as a CTranslate2 model ({error})") from error


def _variables(file: BinaryIO) -> Iterator[_Variable]:
    """All of them; the file is left at the end of the last."""
    (version,) = _read(file, "<I")
    if version not in _VERSIONS:
        raise ValueError(f"version {version}")
    _name(file)
    _revision, n_variables = _read(file, "<II")
    for _ in range(n_variables):
        begin = file.tell()
        name = _name(file)
        (rank,) = _read(file, "<B")
        shape = _read(file, f"<{rank}I")
        kind, size = _read(file, "<BI")
        at = file.tell()
        yield _Variable(name, shape, kind, begin, at, size)
        file.seek(at + size)


def _array(file: BinaryIO, variable: _Variable) -> NDArray[Any]:
    file.seek(variable.at)
    array = np.frombuffer(file.read(variable.size), _TYPES[variable.kind]).reshape(variable.shape)
    return _widened(array) if variable.kind == _BFLOAT16 else array


def _read(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _name(file: BinaryIO) -> str:
    (size,) = _read(file, "<H")
    return file.read(size)[:-1].decode()  # ends with a zero


def _widened(array: NDArray[Any]) -> NDArray[np.float32]:
    return (array.astype(np.uint32) << 16).view(np.float32)


def _float(name: str, array: NDArray[Any], found: dict[str, NDArray[Any]]) -> NDArray[np.floating[Any]]:
    scale = found.get(f"{name}_scale")  # one a row
    if scale is None:
        return array if array.dtype in (np.float16, np.float32) else array.astype(np.float32)
    per_row: NDArray[np.float32] = scale.astype(np.float32).reshape(-1, *[1] * (array.ndim - 1))
    return array / per_row
