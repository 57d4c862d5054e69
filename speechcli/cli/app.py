"""The command line: a table of commands, each loaded when it is asked for and not before."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Annotated, Any, TypeAlias

import typer
from typer.core import TyperCommand, TyperGroup

from speechcli import __version__
from speechcli.errors import UsageError

Context: TypeAlias = Any  # click's; Typer has it inside and exports a subclass only

COMMANDS = {
    "transcribe": "Turn recordings into subtitles, text and data.",
    "convert": "Write finished transcripts in other formats, without a model.",
    "models": "List the models; fetch or remove one.",
    "doctor": "Check this machine: ffmpeg, model, memory, devices.",
    "completion": "Print the completion script of a shell.",
}
"""Name and one line of help. The command NAME is the function NAME of speechcli/cli/NAME.py."""

COMPLETE_VARIABLE = "_SPEECHCLI_COMPLETE"  # what the completion scripts set

_ASK_FOR_INPUT = ("transcribe", "convert")  # without any argument these show their help

_CALLED_ELSEWHERE = {
    "compute-type": "dtype",
    "hf-cache-dir": "model-dir",
    "initial-prompt": "context",
    "lan": "language",
    "local-files-only": "offline",
    "model-cache-only": "offline",
    "no-vad-filter": "no-vad",
    "output-format": "format",
    "prompt": "context",
    "vad-filter": "vad",
}
"""Options as other tools spell them, and as we do."""


def normal(token: str) -> str:
    """The one spelling of an option, a command or a choice: dashes, and our names."""
    token = token.replace("_", "-")
    return _CALLED_ELSEWHERE.get(token, token)


_CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "token_normalize_func": normal}


class Command(TyperCommand):
    """A command that refuses values of flags."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:
            _judge_nothing(self, ctx)
        else:
            self._refuse_values_of_flags(args)
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Context, incomplete: str) -> list[Any]:
        return _bare(super().shell_complete(ctx, incomplete))

    def _refuse_values_of_flags(self, args: list[str]) -> None:
        """Older tools want `--vad_filter True`; here it would make True an input."""
        flags = {opt for param in self.params if getattr(param, "is_flag", False) for opt in param.opts}
        for arg, following in zip(args, [*args[1:], ""], strict=True):
            if arg == "--":
                return
            option = "--" + normal(arg[2:]) if arg.startswith("--") else arg
            if option in flags and following.lower() in ("true", "false") and not os.path.lexists(following):
                raise UsageError(f"{arg} {following}: flags take no value", f"use {option} or --no-{option[2:]}")


class Commands(TyperGroup):
    """The table of commands: help and completion of their names load none of them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=line) for name, line in COMMANDS.items()}

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:
            _judge_nothing(self, ctx)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, described, rest = super().resolve_command(ctx, args)
        return name, None if described is None else loaded(str(described.name)), rest

    def shell_complete(self, ctx: Context, incomplete: str) -> list[Any]:
        return _bare(super().shell_complete(ctx, incomplete))

    def main(self, *args: Any, **settings: Any) -> Any:
        if COMPLETE_VARIABLE in os.environ:
            from typer.completion import completion_init  # type: ignore[attr-defined]

            completion_init()
        return super().main(*args, **settings)


def loaded(name: str) -> Any:
    """The command itself; imports its module."""
    module = import_module(f"speechcli.cli.{name}")
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name, cls=Command, no_args_is_help=name in _ASK_FOR_INPUT)(getattr(module, name))
    return typer.main.get_command(alone)


def _bare(items: list[Any]) -> list[Any]:
    """Completions without their descriptions: Typer renders these by rich, three times the cost of all else."""
    for item in items:
        item.help = None
    return items


def _judge_nothing(command: Any, ctx: Context) -> None:
    """Values are taken as they stand, for a shell that completes: judging them costs as much as all else."""
    for param in command.get_params(ctx):
        param.process_value = lambda ctx, value: value


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"speechcli {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,  # there is a command for it
    pretty_exceptions_enable=False,
    context_settings=_CONTEXT,
)


@app.callback()
def speechcli(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Recordings to transcripts: who said what, and when. Offline, on the first command."""
