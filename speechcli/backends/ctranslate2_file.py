"""Reads the weights in a CTranslate2 `model.bin`, which the engine itself does not give out.

Source: OpenNMT/CTranslate2, python/ctranslate2/specs/model_spec.py (`ModelSpec._serialize`), binary version 6: little
endian; version, name and revision of the specification; then each variable as name, shape, type, size and bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from speechcli.errors import DataError

_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16, np.uint16)  # uint16: the upper half of float32s
_BFLOAT16 = 5
_VERSIONS = (4, 5, 6)


def tensors(path: Path, prefix: str) -> dict[str, NDArray[np.floating[Any]]]:
    """Variables whose names begin with `prefix`, in float16 or float32 as they are stored, others as float32.

    Raises DataError for another version of the format, and for a file that ends too early.
    """
    try:
        with path.open("rb") as file:
            found = dict(_wanted(file, prefix))
    except (struct.error, ValueError, IndexError) as error:
        raise DataError(f"{path} cannot be read as a CTranslate2 model ({error})") from error
    scales = {name for name in found if name.endswith("_scale")}
    return {name: _float(name, array, found) for name, array in found.items() if name not in scales}


def _wanted(file: BinaryIO, prefix: str) -> Iterator[tuple[str, NDArray[Any]]]:
    (version,) = _read(file, "<I")
    if version not in _VERSIONS:
        raise ValueError(f"version {version}")
    _name(file)
    _revision, n_variables = _read(file, "<II")
    for _ in range(n_variables):
        name = _name(file)
        (rank,) = _read(file, "<B")
        shape = _read(file, f"<{rank}I")
        kind, size = _read(file, "<BI")
        if not name.startswith(prefix):
            file.seek(size, 1)
            continue
        array = np.frombuffer(file.read(size), _TYPES[kind]).reshape(shape)
        yield name, _widened(array) if kind == _BFLOAT16 else array


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
