"""What has been made under a folder, for ever: a line per finished recording, and one for each output before.

An output is announced before it gets its name: whatever is ours is known for ours from its first moment on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from speechcli.core.span import Seconds
from speechcli.errors import from_os
from speechcli.jobs import lines
from speechcli.jobs.locks import lock
from speechcli.jobs.output import digest_of

NAME = ".speechcli-manifest.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished recording, or one with its text.

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
    text: str = ""  # name of the text that it was aligned with, relative to the manifest
    kind: str = ""  # of the answer: "diarize" where who speaks when was asked, not what

    @property
    def key(self) -> tuple[str, str, str]:
        """What is to be found again: a recording can be transcribed, aligned with several texts, and diarized."""
        return self.input, self.text, self.kind


@dataclass(frozen=True, slots=True)
class Output:
    """One output: its format, the digest of its bytes, and the key of its rendering."""

    format: str
    digest: str
    rendering: str


@dataclass(slots=True)
class Manifest:
    """The manifest of one folder."""

    root: Path
    entries: dict[tuple[str, str, str], Entry] = field(default_factory=dict)  # by `Entry.key`
    made: dict[str, dict[str, Output]] = field(default_factory=dict)  # every output ever made here, name and digest
    owners: dict[str, Entry] = field(default_factory=dict)  # name of an output to the entry that last made it
    _n_read: int = field(default=0, init=False)  # bytes

    def refresh(self) -> None:
        """Takes over what has been added since, by whomever; torn and foreign lines are left out."""
        values, self._n_read = lines.since(self.root / NAME, self._n_read)
        for value in values:
            self._take(value)

    def add(self, entry: Entry) -> None:
        """Records a finished recording; on disk when this returns. Raises DiskError, DeniedError."""
        self._append(asdict(entry))

    def announce(self, path: Path, output: Output) -> None:
        """Records what is about to stand under `path`; on disk when this returns. Raises DiskError, DeniedError."""
        if self.made.get(self.name_of(path), {}).get(output.digest) != output:
            self._append({"announced": {self.name_of(path): asdict(output)}})

    def _append(self, value: dict[str, Any]) -> None:
        path = self.root / NAME
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise from_os(error, f"writing {path}") from error
        try:
            lock(handle, wait=True)
            lines.append(handle, value, NAME)
        finally:
            os.close(handle)
        self._take(value)

    def output(self, path: Path) -> Output | None:
        """What we wrote under `path`, if it is still what lies there; None for somebody else's work."""
        made = self.made.get(self.name_of(path))
        return made.get(digest_of(path) or "") if made else None

    def owner(self, path: Path) -> Path | None:
        """The recording that the output under `path` was last made from, wherever that is by now."""
        owner = self.owners.get(self.name_of(path))
        return None if owner is None else self.root / owner.input

    def kind(self, path: Path) -> str | None:
        """What kind of answer the output under `path` is; None where nobody knows."""
        owner = self.owners.get(self.name_of(path))
        return None if owner is None else owner.kind

    def name_of(self, path: Path) -> str:
        """A path as the manifest writes it."""
        return os.path.relpath(path, self.root).replace(os.sep, "/")

    def _take(self, value: dict[str, Any]) -> None:
        outputs: Mapping[str, Output]
        try:
            if "announced" in value:
                outputs = _outputs(value["announced"])
            else:
                entry = _entry(value)
                self.entries[entry.key] = entry
                outputs = entry.outputs
                self.owners |= dict.fromkeys(outputs, entry)
        except (KeyError, TypeError, AttributeError):
            return
        for name, output in outputs.items():
            self.made.setdefault(name, {})[output.digest] = output


def load(root: Path) -> Manifest:
    """The manifest of `root`; empty where there is none."""
    manifest = Manifest(root)
    manifest.refresh()
    return manifest


def nearest(folder: Path) -> Path:
    """The folder whose manifest answers for `folder`: itself or the nearest parent that has one, else itself."""
    folder = Path(os.path.abspath(folder))
    return next((place for place in (folder, *folder.parents) if (place / NAME).is_file()), folder)


def _entry(value: dict[str, Any]) -> Entry:
    return Entry(**{**value, "outputs": _outputs(value["outputs"]), "left_out": tuple(value["left_out"])})


def _outputs(value: dict[str, Any]) -> dict[str, Output]:
    return {name: Output(**output) for name, output in value.items()}
