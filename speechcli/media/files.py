"""Which recordings are meant by what the user named, and what a recording's bytes are."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from speechcli.errors import NoInputError, from_os
from speechcli.media.ffmpeg import regular

SUFFIXES = frozenset(
    ".3g2 .3ga .3gp .aac .ac3 .aif .aifc .aiff .amr .ape .asf .au .avi .awb .caf .dsf .dts .eac3 .f4v .flac .flv .gsm "
    ".m2ts .m4a .m4b .m4v .mka .mkv .mov .mp2 .mp3 .mp4 .mpa .mpc .mpeg .mpg .mts .mxf .oga .ogg .ogv .oma .opus .qcp "
    ".ra .rf64 .rm .rmvb .snd .sph .spx .tak .ts .tta .vob .voc .w64 .wav .weba .webm .wma .wmv .wtv .wv".split()
)

STDIN = Path("-")


@dataclass(frozen=True, slots=True)
class Input:
    """A recording to work on.

    name: what to call it. root: the folder it was found under (for mirrored trees), None for one that was named.
    explicit: named by the user: taken whatever it looks like, and no sound in it is an error.
    """

    path: Path
    name: str
    root: Path | None = None
    explicit: bool = True


def find_inputs(patterns: Iterable[str], recursive: bool = True) -> list[Input]:
    """The recordings meant by files, folders, globs and `-`, in this order, folders sorted, each once.

    A name with `*?[` in it is a pattern only where no such file exists. In folders: regular files (or links to
    them) with a suffix of media and without a leading dot; folders behind links are not entered. A named file
    that is missing comes along among others, to be reported as such when it is opened. Raises NoInputError when
    there is nothing at all.
    """
    found: list[Input] = []
    places: set[str] = set()
    nodes: set[tuple[int, int]] = set()  # of files: a link and its target in one folder are one recording
    named = list(patterns)
    anything = False
    for pattern in named:
        there = _expanded(pattern)
        for one in (one for text in there or [pattern] for one in _meant(text, recursive)):
            anything = anything or bool(there)
            node = None if one.path == STDIN else _node(one.path)
            place = os.path.abspath(one.path)
            if place in places or (not one.explicit and node in nodes):
                continue
            places.add(place)
            if node is not None:
                nodes.add(node)
            found.append(one)
    if not anything:
        what = ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
        raise NoInputError(f"no recordings found: {what}" if named else "no recordings named", "are the names right?")
    return found


def _meant(text: str, recursive: bool) -> Iterable[Input]:
    if text == "-":
        return [Input(STDIN, "stdin")]
    path = Path(text) if Path(text) != STDIN else Path.cwd() / "-"  # "./-" is a file
    return _walk(path, recursive) if os.path.isdir(path) else [Input(path, text)]


def _expanded(pattern: str) -> list[str]:
    if pattern == "-" or os.path.lexists(pattern):
        return [pattern]
    return sorted(glob.glob(pattern, recursive=True)) if glob.has_magic(pattern) else []


def _node(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except (OSError, ValueError):
        return None
    return about.st_dev, about.st_ino


def _walk(root: Path, recursive: bool) -> Iterator[Input]:
    unreadable: list[str] = []

    def forbidden(error: OSError) -> None:
        unreadable.append(os.fspath(error.filename))

    for folder, folders, names in os.walk(root, onerror=forbidden):
        folders[:] = sorted(name for name in folders if recursive and not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith(".") and _is_regular(path):
                yield Input(path, str(path), root, explicit=False)
    for text in unreadable:  # recordings may be in there: reported when "opened"
        yield Input(Path(text), text, root)


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):  # a link to nowhere, or round and round
        return False


def fingerprint(path: Path) -> str:
    """`blake2b:` and 64 hex digits of the whole content. Raises NoInputError, DeniedError, MediaError, DiskError."""
    regular(path, path.name)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32))
    except OSError as error:
        raise from_os(error, f"reading {path.name}") from error
    return f"blake2b:{digest.hexdigest()}"
