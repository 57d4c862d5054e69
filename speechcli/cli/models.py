"""`speechcli models`: which models there are, and getting rid of what is not needed.

speechcli models                         the table
speechcli models whisper-small           all about one
speechcli models pull whisper-small      fetch it now, to work offline later
speechcli models rm whisper-small        remove it from this machine
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import fill
from typing import Annotated

import typer

from speechcli.backends import catalog
from speechcli.backends.catalog import Model
from speechcli.cli import show
from speechcli.cli.options import Config, Json, ModelDir, Offline
from speechcli.core.languages import name_of
from speechcli.errors import NoInputError, UsageError


def _words(incomplete: str) -> list[str]:
    return [word for word in ("pull", "rm", *catalog.names()) if word.startswith(incomplete)]


def models(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME…|pull NAME…|rm NAME…",
            show_default=False,
            help="Nothing for the table; names for all about these; pull to fetch, rm to remove.",
            autocompletion=_words,
        ),
    ] = None,
    as_json: Json = False,
    model_dir: ModelDir = None,
    offline: Offline = False,
    config: Config = None,
) -> None:
    """List the models; fetch or remove one."""
    match words or []:
        case ["pull", *names]:
            for name in _some(names, "pull"):
                _pull(name, model_dir, offline)
        case ["rm", *names]:
            for name in _some(names, "rm"):
                _remove(name, model_dir)
        case []:
            _list(catalog.MODELS, model_dir, as_json)
        case names:
            chosen = [_known(name) for name in names]
            if as_json:
                _list(chosen, model_dir, as_json)
            else:
                show.out(_about(model, model_dir) for model in chosen)


def _some(names: Sequence[str], action: str) -> Sequence[str]:
    if not names:
        raise UsageError(f"models {action} needs a name", "see: speechcli models")
    return names


def _known(name: str) -> Model:
    model = catalog.find(name)
    if model is None:
        raise UsageError(f"no model is called {name!r}", catalog.hint_for(name))
    return model


def _list(chosen: Sequence[Model], folder: Path | None, as_json: bool) -> None:
    if as_json:
        facts = [asdict(model) | {"present": catalog.present(model, folder)} for model in chosen]
        show.out([json.dumps(facts, indent=2, ensure_ascii=False) + "\n"])
        return
    rows = [
        (
            model.name,
            model.what,
            _languages(model),
            show.megabytes(model.size_mb),
            model.licence,
            f"{model.longest:g} s",
            "yes" if catalog.present(model, folder) else "",
        )
        for model in chosen
    ]
    show.table(("NAME", "WHAT", "LANGUAGES", "SIZE", "LICENCE", "PASS", "HERE"), rows, right=("SIZE", "PASS"))


def _languages(model: Model) -> str:
    return name_of(model.languages[0]) if len(model.languages) == 1 else str(len(model.languages))


def _about(model: Model, folder: Path | None) -> str:
    source = f"the package {model.distribution}" if model.package else f"https://huggingface.co/{model.repo}"
    pinned = model.revision or (f"model.bin sha256 {model.sha256}" if model.sha256 else "not pinned: the hub's latest")
    facts = {
        "also called": ", ".join(dict.fromkeys((*model.aliases, model.name.removeprefix("whisper-")))),
        "what": model.what,
        "languages": ", ".join(name_of(code) for code in model.languages),
        "weights": show.megabytes(model.size_mb),
        "licence": model.licence,
        "longest pass": f"{model.longest:g} s",
        "from": source,
        "revision": pinned,
        "on this machine": "yes" if catalog.present(model, folder) else f"no (speechcli models pull {model.name})",
    }
    return f"{model.name}\n" + "".join(_fact(name, fact) for name, fact in facts.items())


def _fact(name: str, fact: str) -> str:
    first = f"  {name + ':':<17}"
    return (
        fill(fact, 80, initial_indent=first, subsequent_indent=" " * 19, break_long_words=False, break_on_hyphens=False)
        + "\n"
    )


def _pull(name: str, folder: Path | None, offline: bool) -> None:
    from speechcli.backends import weights

    model = catalog.find(name)
    if model is None and "/" not in name:
        raise UsageError(f"no model is called {name!r}", catalog.hint_for(name))
    if model is not None and model.package:
        found = weights.of_package(model)
    else:
        source = weights.source_of(name)
        size = f" ({show.megabytes(source.size_mb)})" if source.size_mb else ""
        show.tell(f"fetching {show.safe(source.repo)}{size}")
        found = weights.of_hub(source, None, folder, offline)
    show.out([f"{found.folder}\n"])


def _remove(name: str, folder: Path | None) -> None:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    model = catalog.find(name)
    if model is not None and model.package:
        raise UsageError(f"{model.name} came with the install", f"pip uninstall {model.distribution}")
    repo = model.repo if model is not None else name
    try:
        cache = scan_cache_dir(folder)
    except CacheNotFound as error:
        raise NoInputError(f"{name} is not on this machine", "see: speechcli models") from error
    found = [kept for kept in cache.repos if kept.repo_id == repo and kept.repo_type == "model"]
    if not found:
        raise NoInputError(f"{name} is not on this machine", "see: speechcli models")
    plan = cache.delete_revisions(*(revision.commit_hash for kept in found for revision in kept.revisions))
    plan.execute()
    show.out([f"removed {repo} ({show.megabytes(plan.expected_freed_size / 1e6)})\n"])
