"""Files that have their final name only when they are whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from speechcli.errors import OutputError, from_os

PART = ".speechcli-part-"  # short: a temporary name must not be longer than the file system allows


def write_atomically(path: Path, pieces: Iterable[str]) -> str:
    """Writes `pieces` as UTF-8 under `path`, replacing what was there, and gives the digest of its bytes.

    The text goes to a temporary name in the same folder, is synced, renamed, and the folder synced. On any
    failure the temporary file is removed and what stood under `path` is untouched. A symbolic link is
    followed: its target is replaced. Raises DiskError, DeniedError or OutputError.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    digest = hashlib.blake2b(digest_size=16)
    part: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=PART, dir=target.parent)
        part = Path(name)
        with open(handle, "wb") as out:
            for piece in pieces:
                data = piece.encode("utf-8", "replace")
                digest.update(data)
                out.write(data)
            out.flush()
            os.fchmod(out.fileno(), 0o666 & ~_umask()) if hasattr(os, "fchmod") else None
            os.fsync(out.fileno())
        os.replace(part, target)
        sync_folder(target.parent)
    except OSError as error:
        raise from_os(error, f"writing {path.name}") from error
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
    return digest.hexdigest()


def digest_of(path: Path) -> str | None:
    """The digest `write_atomically` gave for these bytes; None where no file can be read."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Makes a rename in `folder` last through a power cut, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # some network file systems refuse to sync a folder
            os.fsync(handle)
    finally:
        os.close(handle)


def check_folder(folder: Path) -> None:
    """Raises unless a file can be made in `folder` (made itself, with its parents, where missing)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=PART, dir=folder)
        os.close(handle)
        os.unlink(name)
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder} ({error.strerror})", "choose another place with --output-dir"
        ) from error


def sweep(folder: Path, older_than: float) -> None:
    """Removes temporary files in `folder` last touched before `older_than` (seconds of the epoch)."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if entry.name.startswith(PART):
                with contextlib.suppress(OSError):
                    if entry.stat().st_mtime < older_than:
                        os.unlink(entry.path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
