"""ONNX graphs on disk: their inputs, the shards of weights they need, and whether all of it is there.

A graph file is a protobuf message that only names most of its weights. It is read here without them and without an
engine, so that a missing shard of 9 GB is told before the others are read, and a path that leads out of the folder
before anybody follows it. Source: onnx/onnx.proto for the numbers of the fields.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechcli.errors import DataError

_DEEPEST = 40  # graphs inside of nodes inside of graphs; the format has no bound

# message: number of a field -> the message it holds; "" is a text or a number that is wanted
_FIELDS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 11: "input", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "entry": {1: "", 2: ""},
    "input": {1: ""},
}


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of weights. n_bytes: what the graph needs of it, from its start."""

    path: Path
    n_bytes: int

    @property
    def whole(self) -> bool:
        return self.path.is_file() and self.path.stat().st_size >= self.n_bytes


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph file and its shards, in the order of their names. inputs: names."""

    path: Path
    inputs: tuple[str, ...]
    shards: tuple[Shard, ...]

    @property
    def n_bytes(self) -> int:
        """Of the whole, missing shards included."""
        return self.path.stat().st_size + sum(shard.n_bytes for shard in self.shards)

    @property
    def missing(self) -> tuple[Shard, ...]:
        return tuple(shard for shard in self.shards if not shard.whole)


def read(path: Path) -> Graph:
    """The graph of a file. Raises DataError for a file that is no whole graph, or names weights outside its folder."""
    inputs: list[str] = []
    needed: dict[str, int] = {}
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for kind, texts in _told(data, 0, len(data), "model", 0):
                if kind == "input":
                    inputs.append(texts[0].decode("utf-8"))
                else:
                    facts = {k.decode("utf-8"): v.decode("utf-8") for k, v in zip(texts[::2], texts[1::2], strict=True)}
                    end = int(facts.get("offset") or 0) + int(facts.get("length") or 0)
                    needed[facts["location"]] = max(needed.get(facts["location"], 0), end)
    except (ValueError, KeyError, IndexError) as error:  # UnicodeDecodeError is a ValueError
        raise DataError(f"{path} is no whole ONNX graph ({error})", "fetch it again") from error
    for location in needed:
        parts = location.replace("\\", "/").split("/")
        if ".." in parts or not parts[0] or ":" in location:
            raise DataError(f"{path.name} wants weights from outside its folder ({location})", "do not trust it")
    shards = (Shard(path.parent / name, n_bytes) for name, n_bytes in needed.items())
    return Graph(path, tuple(inputs), tuple(sorted(shards, key=lambda s: (len(s.path.name), s.path.name))))


def check(graphs: Sequence[Graph]) -> None:
    """Raises DataError where weights are missing, in one line with the size of all that these graphs need."""
    for graph in graphs:
        for number, shard in enumerate(graph.shards, 1):
            if shard.whole:
                continue
            what = "is cut short" if shard.path.is_file() else "is missing"
            whole = sum(g.n_bytes for g in graphs)
            raise DataError(
                f"{shard.path.name} {what} in {shard.path.parent} (shard {number} of {len(graph.shards)} of "
                f"{graph.path.name}; {size_of(whole)} in all)",
                "fetch it again: speechcli models pull",
            )


def size_of(n_bytes: int) -> str:
    """For people.

    >>> size_of(5_432_000_000), size_of(3_100_000)
    ('5.4 GB', '3.1 MB')
    """
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"


def choose(sizes: Mapping[str, int], order: Sequence[str], free: int | None) -> str | None:
    """The first in `order` that fits into `free` bytes (None: nobody knows how many there are); None where none does.

    >>> choose({"int8": 9, "q4": 5}, ("int8", "q4"), 6)
    'q4'
    """
    return next((kind for kind in order if kind in sizes and (free is None or sizes[kind] <= free)), None)


def _told(data: mmap.mmap, at: int, end: int, kind: str, depth: int) -> Iterator[tuple[str, list[bytes]]]:
    """Names of the graph's own inputs, and the entries (key, value, ...) of each tensor that lies elsewhere."""
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    texts: list[bytes] = []
    for number, first, last in _fields(data, at, end):
        inner = _FIELDS[kind].get(number)
        if inner == "":
            texts.append(data[first:last])
        elif inner == "entry":
            ((_, pair),) = _told(data, first, last, inner, depth + 1)
            texts += [*pair, b"", b""][:2]
        elif inner is not None and (inner != "input" or depth == 1):  # of the model's graph, not of one inside
            yield from _told(data, first, last, inner, depth + 1)
    if texts or kind == "entry":
        yield kind, texts


def _fields(data: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Of a message in data[at:end], the fields that have a length: number, where it begins and ends."""
    while at < end:
        tag, at = _varint(data, at, end)
        wire, length = tag & 7, 0
        if wire == 0:
            _, at = _varint(data, at, end)
        elif wire == 2:
            length, at = _varint(data, at, end)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError("not a protobuf message")
        if at + length > end:
            raise ValueError("cut short")
        if wire == 2:
            yield tag >> 3, at, at + length
        at += length


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """A number in seven bits a byte, and where the next field begins."""
    number = shift = 0
    while at < end and shift < 64:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
    raise ValueError("cut short")
