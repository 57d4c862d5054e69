"""What has been made under a folder, for ever: a line per finished recording."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from speechcli.core.span import Seconds
from speechcli.errors import from_os
from speechcli.jobs import lines
from speechcli.jobs.journal import lock
from speechcli.jobs.output import digest_of

NAME = ".speechcli-manifest.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished recording.

    input: its name, relative to the manifest. size, mtime_ns, fingerprint: of its file. question: key of the
    question. outputs: name (relative to the manifest) to what was written. verdict: ok, warning or failed.
    """

    input: str
    size: int
    mtime_ns: int
    fingerprint: str
    question: str
    outputs: Mapping[str, Output]
    verdict: str
    exit_code: int
    duration: Seconds
    left_out: tuple[str, ...] = ()  # formats the transcript could not fill


@dataclass(frozen=True, slots=True)
class Output:
    """One output: its format, the digest of its bytes, and the key of its rendering."""

    format: str
    digest: str
    rendering: str


@dataclass(slots=True)
class Manifest:
    """The manifest of one folder, read once and appended to."""

    root: Path
    entries: dict[str, Entry] = field(default_factory=dict)
    made: dict[str, Output] = field(default_factory=dict)  # every output ever made here

    def add(self, entry: Entry) -> None:
        """Appends a line; on disk when this returns. Raises DiskError, DeniedError."""
        path = self.root / NAME
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise from_os(error, f"writing {path}") from error
        try:
            lock(handle, wait=True)
            lines.append(handle, asdict(entry), NAME)
        finally:
            os.close(handle)
        self._take(entry)

    def output(self, path: Path) -> Output | None:
        """What we wrote under `path`, if it is still what lies there; None for somebody else's work."""
        made = self.made.get(self.name_of(path))
        return made if made is not None and digest_of(path) == made.digest else None

    def name_of(self, path: Path) -> str:
        """A path as the manifest writes it."""
        return os.path.relpath(path, self.root).replace(os.sep, "/")

    def _take(self, entry: Entry) -> None:
        self.entries[entry.input] = entry
        self.made.update(entry.outputs)


def load(root: Path) -> Manifest:
    """The manifest of `root`; empty where there is none, torn and foreign lines left out."""
    manifest = Manifest(root)
    for entry in _entries(root / NAME):
        manifest._take(entry)
    return manifest


def nearest(folder: Path) -> Path:
    """The folder whose manifest answers for `folder`: itself or the nearest parent that has one, else itself."""
    folder = Path(os.path.abspath(folder))
    return next((place for place in (folder, *folder.parents) if (place / NAME).is_file()), folder)


def _entries(path: Path) -> Iterator[Entry]:
    for value in lines.read(path):
        entry = _entry(value)
        if entry is not None:
            yield entry


def _entry(value: dict[str, Any]) -> Entry | None:
    try:
        outputs = {name: Output(**output) for name, output in value["outputs"].items()}
        return Entry(**{**value, "outputs": outputs, "left_out": tuple(value["left_out"])})
    except (KeyError, TypeError, AttributeError):
        return None
