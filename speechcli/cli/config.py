"""Defaults of options from configuration files: `speechcli.toml`.

The user's comes first (`config.toml` in the folder that platformdirs gives), then the project's: the nearest
`speechcli.toml` of the current folder and those above it. `--config FILE` replaces both; flags win over all.

    [transcribe]
    format = ["srt", "json"]
    max-line-width = 37

A table is a command, a key the long name of one of its options. Names of files are relative to the file they stand
in. A project's file may come with a downloaded folder, so the files it names must lie inside that folder.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from typer.exceptions import TyperException

from speechcli.cli.app import CONFIGURABLE, normal
from speechcli.cli.options import FILES
from speechcli.errors import ConfigError, NoInputError, SpeechcliError, from_os

NAME = "speechcli.toml"


@dataclass(frozen=True, slots=True)
class File:
    """A configuration file, parsed. trusted: the user's own; else the project's."""

    path: Path
    text: str
    tables: Mapping[str, Any]
    trusted: bool


def paths(explicit: Path | None = None) -> list[tuple[Path, bool]]:
    """The files in effect and whether each is the user's own, the weakest first."""
    if explicit is not None:
        if not explicit.is_file():
            raise NoInputError(f"--config {explicit}: there is no such file")
        return [(explicit, True)]
    from platformdirs import user_config_path

    users = user_config_path("speechcli", appauthor=False) / "config.toml"
    found = [(users, True)] if users.is_file() else []
    here = Path.cwd()
    projects = next((folder / NAME for folder in (here, *here.parents) if (folder / NAME).is_file()), None)
    return [*found, (projects, False)] if projects is not None else found


def load(path: Path, trusted: bool) -> File:
    """The file, its tables known to be commands. Raises ConfigError, DeniedError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        tables = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    except OSError as error:
        raise from_os(error, f"reading {path}") from error
    file = File(path, text, tables, trusted)
    for name, table in tables.items():
        if name not in CONFIGURABLE:
            raise ConfigError(
                f"{_place(file, name)}: there is no table [{name}]", f"there are {', '.join(CONFIGURABLE)}"
            )
        if not isinstance(table, dict):
            raise ConfigError(f"{_place(file, name)}: {name} is a command and must be a table", f"write [{name}]")
    return file


def defaults(command: Any, ctx: Any, explicit: Path | None) -> dict[str, Any]:
    """What the files say about a command's options, by the names of its parameters. Raises ConfigError."""
    found: dict[str, Any] = {}
    for path, trusted in paths(explicit):
        found |= dict(settings(load(path, trusted), command, ctx))
    return found


def settings(file: File, command: Any, ctx: Any) -> Iterator[tuple[str, Any]]:
    """The settings of one command in one file, each checked."""
    options = {
        normal(opt.removeprefix("--")): param
        for param in command.params
        if param.param_type_name == "option" and not param.is_eager
        for opt in param.opts
        if opt.startswith("--")
    }
    for key, value in file.tables.get(command.name, {}).items():
        place = _place(file, command.name, key)
        param = options.get(normal(key))
        if param is None:
            raise ConfigError(f"{place}: {command.name} has no option --{normal(key)}", _near(normal(key), options))
        value = _of_its_type(value, param, place)
        if param.name in FILES:
            value = _inside(file, value, place)
        elif param.name == "enroll":
            value = [_clip(file, pair, place) for pair in value]
        try:
            param.process_value(ctx, value)
        except (TyperException, SpeechcliError) as error:
            raise ConfigError(f"{place}: {error}") from error
        yield param.name, value


def _of_its_type(value: Any, param: Any, place: str) -> Any:
    """The value in the type the option wants; a list is wrapped, nothing else is bent."""
    if param.multiple:
        value = value if isinstance(value, list) else [value]
        if all(isinstance(item, str) for item in value):
            return value
        raise ConfigError(f"{place}: {param.opts[0]} takes text, or a list of texts")
    if param.is_flag:
        wanted, right = "true or false", isinstance(value, bool)
    else:
        numeric = param.type_descriptor.annotation in (int, float)
        wanted = "a number" if numeric else "text"
        right = not isinstance(value, bool) and isinstance(value, (int, float) if numeric else str)
    if right:
        return value
    raise ConfigError(f"{place}: {param.opts[0]} takes {wanted}, not {_shown(value)}")


def _inside(file: File, value: str, place: str) -> str:
    """A file's name, relative names taken from the folder of the configuration file."""
    if value == "-" or "=" in value:  # stdin, stdout; names of speakers, not a file of them
        return value
    folder = file.path.parent.resolve()
    path = os.path.join(folder, os.path.expanduser(value) if file.trusted else value)
    if not file.trusted and not Path(path).resolve().is_relative_to(folder):
        raise ConfigError(f"{place}: {value} lies outside {folder}", "a project's file may name files inside it only")
    return path


def _clip(file: File, pair: str, place: str) -> str:
    """NAME=FILE, the file as `_inside` gives it."""
    name, sign, path = pair.partition("=")
    return f"{name}={_inside(file, path, place)}" if sign else pair


def _place(file: File, command: str, key: str = "") -> str:
    """The file, and the line where it can be found."""
    inside = False
    for number, line in enumerate(file.text.splitlines(), 1):
        header = re.match(rf'\s*\[\s*"?{re.escape(command)}"?\s*\]', line)
        bare = re.match(rf'\s*"?{re.escape(command)}"?\s*[=.]', line)
        if not key and (header or bare):
            return f"{file.path}:{number}"
        if line.lstrip().startswith("["):
            inside = header is not None
        elif inside and key and re.match(rf'\s*["\']?{re.escape(key)}["\']?\s*=', line):
            return f"{file.path}:{number}"
    return str(file.path)


def _near(word: str, known: Mapping[str, object]) -> str:
    close = get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else "its --help lists them"


def _shown(value: object) -> str:
    return repr(value) if not isinstance(value, bool) else str(value).lower()
