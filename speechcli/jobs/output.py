"""Files that have their final name only when they are whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from speechcli.errors import OutputError, from_os
from speechcli.jobs.locks import lock, names
from speechcli.media.places import check_file

PART = ".speechcli-part-"  # short: a temporary name must not be longer than the file system allows


def write_atomically(
    path: Path,
    pieces: Iterable[str | bytes],
    announce: Callable[[str], None] = lambda digest: None,
    private: bool = False,
) -> str:
    """Writes `pieces` as UTF-8 under `path`, replacing what was there, and gives the digest of its bytes.

    The text goes to a temporary name in the same folder, is synced, renamed, and the folder synced. On any
    failure the temporary file is removed and what stood under `path` is untouched. A symbolic link is
    followed: its target is replaced; a device or a pipe never is. announce: told of the digest before the new file gets
    its name. private: only the owner may read it. Raises DiskError, DeniedError or OutputError.
    """
    check_file(path)
    target = Path(os.path.realpath(path)) if os.path.islink(path) else path
    digest = hashlib.blake2b(digest_size=16)
    part: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = _part(target.parent)  # named before it is made: a signal may come at any moment
        with open(_opened(part), "wb") as out:
            for piece in pieces:
                data = piece if isinstance(piece, bytes) else piece.encode("utf-8", "replace")
                digest.update(data)
                out.write(data)
            out.flush()
            os.fchmod(out.fileno(), (0o600 if private else 0o666) & ~_umask()) if hasattr(os, "fchmod") else None
            os.fsync(out.fileno())
            announce(digest.hexdigest())
            if os.name == "posix":  # under the lock, that nobody sweeps it away; elsewhere open files keep their names
                os.replace(part, target)
        if os.name != "posix":
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
        Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder} ({error.strerror})", "choose another place with --output-dir"
        ) from error


def sweep(folder: Path) -> None:
    """Removes the temporary files that killed processes left in `folder`, not those that a process is writing."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(PART) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError), open(entry.path, "rb") as left:
                    if lock(left.fileno()):
                        os.unlink(entry.path)


def _part(folder: Path) -> Path:
    """A name for a new temporary file in `folder`."""
    return folder / f"{PART}{secrets.token_hex(4)}"


def _opened(part: Path) -> int:
    """That file made, open and locked."""
    while True:
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            with contextlib.suppress(OSError):  # some network file systems have no locks
                lock(handle)
            if names(part, handle):  # else swept away in between
                return handle
        except BaseException:  # a signal
            os.close(handle)
            raise
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
