"""Small ONNX graphs as bytes: the weights of one are read, another is written, without the package onnx.

Enough to arrange a graph anew for onnxruntime. Source: onnx/onnx.proto (IR version 8) for the numbers of the fields,
and https://protobuf.dev/programming-guides/encoding for how they are written.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from speechcli.errors import DataError

_IR_VERSION = 8
_OPERATORS: Mapping[str, int] = {"": 18}  # the version of each domain
_FLOAT, _INT, _INTS = 1, 2, 7  # AttributeProto.AttributeType
_TYPES: Mapping[int, np.dtype[Any]] = {1: np.dtype("<f4"), 7: np.dtype("<i8")}  # TensorProto.DataType
_Value: TypeAlias = float | int | str | bytes  # a message, as its bytes, too
Attribute: TypeAlias = float | int | Sequence[int]


@dataclass(frozen=True, slots=True)
class Node:
    """An operator of a domain, ONNX's own by default. inputs, outputs: names of values; "" for one that is left out.

    settings: its attributes. It goes by the name of its first output where onnxruntime speaks of it.
    """

    op: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    settings: Mapping[str, Attribute] = field(default_factory=dict)
    domain: str = ""


def weights(path: Path) -> dict[str, NDArray[Any]]:
    """The initializers of a graph by name, those in float32 and int64. Raises DataError for what is no such file."""
    try:
        graph = next(value for number, value in _read(path.read_bytes()) if number == 7)
        tensors = (_tensor(value) for number, value in _read(_bytes(graph)) if number == 5)
        return {name: array for name, array in tensors if array is not None}
    except (ValueError, IndexError, StopIteration, struct.error) as error:
        raise DataError(f"{path} cannot be read as an ONNX graph ({error})") from error


def written(
    nodes: Sequence[Node],
    initializers: Mapping[str, NDArray[Any]],
    inputs: Sequence[str],
    outputs: Sequence[str],
    *,
    shapes: Mapping[str, Sequence[int]] = {},
    operators: Mapping[str, int] = _OPERATORS,
    apart: bool = False,
) -> bytes:
    """A model of one graph; inputs and outputs are float32, the initializers float32 or int64.

    shapes: of inputs and outputs by name; the others may have any. operators: the version of each domain.
    apart: the numbers of the initializers are not written, but given to the session; the 2 GB that a protobuf may
    have are no bound then.
    """
    graph = b"".join(_field(1, _node(node)) for node in nodes) + _field(2, "graph")
    graph += b"".join(_field(5, _initializer(name, array, apart)) for name, array in initializers.items())
    graph += b"".join(_field(11, _end(name, shapes.get(name))) for name in inputs)
    graph += b"".join(_field(12, _end(name, shapes.get(name))) for name in outputs)
    versions = (_field(8, _field(1, domain) + _field(2, version)) for domain, version in operators.items())
    return _field(1, _IR_VERSION) + _field(7, graph) + b"".join(versions)


def _node(node: Node) -> bytes:
    made = b"".join(_field(1, name) for name in node.inputs) + b"".join(_field(2, name) for name in node.outputs)
    made += _field(3, node.outputs[0]) + _field(4, node.op)
    return made + b"".join(_field(5, _attribute(*item)) for item in node.settings.items()) + _field(7, node.domain)


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, float):
        return _field(1, name) + _field(2, value) + _field(20, _FLOAT)
    if isinstance(value, int):
        return _field(1, name) + _field(3, value) + _field(20, _INT)
    return _field(1, name) + b"".join(_field(8, number) for number in value) + _field(20, _INTS)


def _initializer(name: str, array: NDArray[Any], apart: bool) -> bytes:
    kind = next(kind for kind, dtype in _TYPES.items() if dtype == array.dtype)
    made = b"".join(_field(1, size) for size in array.shape) + _field(2, kind) + _field(8, name)
    if not apart:
        return made + _field(9, np.ascontiguousarray(array, _TYPES[kind]).tobytes())
    place = {"location": "given", "offset": "0", "length": str(array.nbytes)}  # as if they lay in another file
    return made + b"".join(_field(13, _field(1, k) + _field(2, v)) for k, v in place.items()) + _field(14, 1)


def _end(name: str, shape: Sequence[int] | None) -> bytes:
    """A ValueInfoProto of an input or output: TypeProto.tensor_type with elem_type 1, float32, and its shape."""
    dims = b"" if shape is None else _field(2, b"".join(_field(1, _field(1, size)) for size in shape))
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + dims))


def _tensor(data: _Value) -> tuple[str, NDArray[Any] | None]:
    """Name and content of a TensorProto; None for another type, or one whose numbers are not plain bytes."""
    shape: list[int] = []
    name, kind, raw = "", 0, None
    for number, value in _read(_bytes(data)):
        if number == 1 and isinstance(value, int):
            shape.append(value)
        elif number == 2 and isinstance(value, int):
            kind = value
        elif number == 8:
            name = _bytes(value).decode("utf-8")
        elif number == 9:
            raw = _bytes(value)
    if raw is None or kind not in _TYPES:
        return name, None
    return name, np.frombuffer(raw, _TYPES[kind]).reshape(shape)


def _read(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: numbers, and what they hold."""
    at = 0
    while at < len(data):
        tag, at = _number(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = _number(data, at)
            yield tag >> 3, value
            continue
        if wire not in (1, 2, 5):
            raise ValueError("not a protobuf message")
        size, at = _number(data, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
        if at + size > len(data):
            raise ValueError("cut short")
        yield tag >> 3, data[at : at + size]
        at += size


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number in seven bits a byte, the lowest first, and where the next begins. Raises IndexError at the end."""
    number = shift = 0
    while data[at] & 0x80:
        number |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return number | data[at] << shift, at + 1


def _field(number: int, value: _Value) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    """A number in seven bits a byte, the lowest first; one that is negative as 64 bits.

    >>> _varint(1), _varint(300).hex(), len(_varint(-1))
    (b'\\x01', 'ac02', 10)
    """
    number &= (1 << 64) - 1
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


def _bytes(value: _Value) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number where a message was expected")
    return value
