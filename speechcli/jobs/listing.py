"""The page above the pages of a tree: which recordings there are, and a search over all of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from speechcli.errors import OutputError, SpeechcliError
from speechcli.formats.html import reading
from speechcli.formats.html.index import BLOCK, Row, index
from speechcli.jobs.locks import lock
from speechcli.jobs.manifest import Manifest
from speechcli.jobs.output import write_atomically

NAME = "index.html"


def address(target: Path, folder: Path) -> str:
    """The address of a file as a page in `folder` links to it: relative where it can be, and percent-encoded, for a
    name may have any byte. On another drive of Windows it is a file: URI.

    >>> address(Path("/a/what? #1: 100%.mp3"), Path("/a/pages"))
    '../what%3F%20%231%3A%20100%25.mp3'
    """
    target = Path(os.path.abspath(target))
    try:
        relative = os.path.relpath(target, os.path.abspath(folder))
    except ValueError:
        return target.as_uri()
    return quote(os.fsencode(relative.replace(os.sep, "/")), safe="/")


def home(root: Path, page: Path, listed: bool) -> str:
    """The address of the list as a page links to it, "" where there is none. listed: this run will make it."""
    path = root / NAME
    there = os.path.lexists(path)
    if os.path.abspath(page) == os.path.abspath(path) or not (is_ours(path) if there else listed):
        return ""
    return address(path, page.parent)


def is_ours(path: Path) -> bool:
    """Whether a file is a list that we wrote."""
    try:
        return path.is_file() and reading.held(path, BLOCK) is not None
    except SpeechcliError:
        return False


def folders_of(manifest: Manifest) -> set[Path]:
    """The folders that have pages, as a manifest knows."""
    names = (
        name for entry in manifest.entries.values() for name, made in entry.outputs.items() if made.format == "html"
    )
    return {(manifest.root / name).parent for name in names}


def write(root: Path, folders: Iterable[Path]) -> Path | None:
    """Makes the list anew, of all our pages in these folders; None where there are none.

    Raises OutputError where something else has its name, DiskError, DeniedError.
    """
    path = root / NAME
    with _alone(root):
        if os.path.lexists(path) and not is_ours(path):
            raise OutputError(
                f"{path} is there and not ours: it stays, and nothing lists the recordings",
                "rename it, or write into another folder with --output-dir",
            )
        rows = tuple(_rows(root, folders))
        if not rows:
            return None
        write_atomically(path, index(Path(os.path.abspath(root)).name, rows))
    return path


def _rows(root: Path, folders: Iterable[Path]) -> Iterator[Row]:
    """By their names, folder by folder: the same bytes, whoever made which page when."""
    for page in sorted(page for folder in {root, *folders} for page in _pages(folder)):
        if page != root / NAME:
            with suppress(SpeechcliError):  # somebody else's page, or one that is gone by now
                place = os.path.relpath(page.parent, root)
                yield Row(address(page, root), "" if place == "." else place, reading.outline(page))


def _pages(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.suffix.lower() == ".html" and not path.name.startswith(".")]
    except OSError:
        return []


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One process at a time, or the list of the one that looked first would replace that of the one that saw more."""
    if os.name != "posix":  # folders have no locks
        yield
        return
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some network file systems have no locks
            lock(handle, wait=True)
        yield
    finally:
        os.close(handle)
