"""`speechcli models`: which models there are, and getting rid of what is not needed.

speechcli models                         the table
speechcli models whisper-small           all about one
speechcli models pull whisper-small      fetch it now, to work offline later
speechcli models pull qwen3-asr-0.6b --revision 1a2b3c4    as it was then
speechcli models pull diarize            the models that tell who speaks, where the extra of that name has no wheel
speechcli models rm whisper-small        remove it from this machine
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import Annotated

import typer

from speechcli.backends import catalog
from speechcli.backends.catalog import Model
from speechcli.cli import show
from speechcli.cli.options import Config, Json, ModelDir, Offline
from speechcli.core.languages import name_of
from speechcli.errors import NoInputError, UsageError

_WIDE = 110  # columns of a terminal on which the whole table can be read
_IN_FULL = ("LICENCE", "PASS")  # else only told about one model
_NUMBERS = ("SIZE", "PASS")


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
    revision: Annotated[
        str | None,
        typer.Option(metavar="REV", help="A commit, branch or tag of the hub; with pull.", show_default=False),
    ] = None,
    config: Config = None,
) -> None:
    """List the models; fetch or remove one."""
    if revision is not None and (words or [""])[0] != "pull":
        raise UsageError("--revision is for models pull", "speechcli models pull NAME --revision REV")
    match words or []:
        case ["pull", *names]:
            for name in _some(names, "pull"):
                _pull(name, revision, model_dir, offline)
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
    from speechcli.backends import weights

    if as_json:
        facts = [asdict(model) | {"present": weights.present(model, folder)} for model in chosen]
        show.out([json.dumps(facts, indent=2, ensure_ascii=False) + "\n"])
        return
    rows = [
        {
            "NAME": model.name,
            "WHAT": model.what,
            "LANGUAGES": _languages(model),
            "SIZE": show.megabytes(model.size_mb),
            "LICENCE": model.licence,
            "PASS": f"{model.longest:g} s",
            "HERE": "yes" if weights.present(model, folder) else "",
        }
        for model in chosen
    ]
    narrow = sys.stdout.isatty() and get_terminal_size().columns < _WIDE
    columns = [name for name in rows[0] if not (narrow and name in _IN_FULL)]
    show.table(columns, [[row[name] for name in columns] for row in rows], right=[n for n in _NUMBERS if n in columns])


def _languages(model: Model) -> str:
    if not model.languages:
        return model.many.partition(",")[0]
    return name_of(model.languages[0]) if len(model.languages) == 1 else str(len(model.languages))


def _about(model: Model, folder: Path | None) -> str:
    from speechcli.backends import weights

    source = f"the package {model.distribution}" if model.package else f"https://huggingface.co/{model.repo}"
    unpinned = f"that of {model.distribution}" if model.package else "not pinned: the hub's latest"
    pinned = model.revision or (f"model.bin sha256 {model.sha256}" if model.sha256 else unpinned)
    also = (*model.aliases, model.name.removeprefix("whisper-"), *([model.repo] if model.repo else []), *model.older)
    facts = {
        "also called": ", ".join(name for name in dict.fromkeys(also) if name != model.name),
        "what": model.what,
        "languages": ", ".join(name_of(code) for code in model.languages) or model.many or "not told",
        "dialects": "of Chinese: " + ", ".join(model.dialects) if model.dialects else "",
        "weights": show.megabytes(model.size_mb),
        "licence": model.licence,
        "longest pass": f"{model.longest:g} s",
        "from": source,
        "revision": pinned,
        "on this machine": "yes" if weights.present(model, folder) else f"no (speechcli models pull {model.name})",
    }
    return f"{model.name}\n" + "".join(_fact(name, fact) for name, fact in facts.items() if fact)


def _fact(name: str, fact: str) -> str:
    first = f"  {name + ':':<17}"
    return (
        fill(fact, 80, initial_indent=first, subsequent_indent=" " * 19, break_long_words=False, break_on_hyphens=False)
        + "\n"
    )


def _pull(name: str, revision: str | None, folder: Path | None, offline: bool) -> None:
    from speechcli.backends import weights

    model = catalog.find(name)
    if model is None and "/" not in name:
        raise UsageError(f"no model is called {name!r}", catalog.hint_for(name))
    if model is None and Path(name.removeprefix("hf:")).is_dir():
        raise UsageError(f"{name} is a folder: nothing is to be fetched", f"transcribe with it: --model {name}")
    if model is not None and model.name == catalog.EMBEDDED_DIARIZER:
        _pull_diarizer(revision, folder, offline)
        return
    if model is not None and model.package:
        found = weights.of_package(model)
    else:
        source = weights.source_of(name)
        if source.notice:
            show.tell(show.safe(source.notice))
        size = f" ({show.megabytes(source.size_mb)})" if source.size_mb else ""
        show.tell(f"fetching {show.safe(source.repo)}{size}")
        found = weights.of_hub(source, revision, folder, offline)
    show.out([f"{found.folder}\n"])


def _pull_diarizer(revision: str | None, folder: Path | None, offline: bool) -> None:
    from speechcli.backends import community1

    if revision is not None:
        raise UsageError(f"--revision {revision}: {catalog.EMBEDDED_DIARIZER} has no others", "leave it out")
    if not community1.present(folder) and not offline:
        show.tell(f"fetching {catalog.MOONSHINE} (56 MB) through pip, to read the models of community-1 out of it")
    show.out([f"{community1.fetch(folder, offline)}\n"])


def _remove_diarizer(folder: Path | None) -> None:
    from speechcli.backends import community1

    freed = community1.forget(folder)
    if freed:
        show.out([f"removed {catalog.EMBEDDED_DIARIZER} ({show.megabytes(freed / 1e6)})\n"])
    elif community1.installed():
        raise UsageError(f"{catalog.EMBEDDED_DIARIZER} came with the install", "pip uninstall moonshine-voice")
    else:
        raise NoInputError(f"{catalog.EMBEDDED_DIARIZER} is not on this machine", "see: speechcli models")


def _remove(name: str, folder: Path | None) -> None:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    model = catalog.find(name)
    if model is not None and model.name == catalog.EMBEDDED_DIARIZER:
        _remove_diarizer(folder)
        return
    if model is not None and model.package:
        raise UsageError(f"{model.name} came with the install", f"pip uninstall {model.distribution}")
    repo = model.repo if model is not None else name.removeprefix("hf:")
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
