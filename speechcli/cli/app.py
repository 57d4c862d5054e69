"""The command line: a table of commands, each loaded when it is asked for and not before."""

from __future__ import annotations

import os
from importlib import import_module
from inspect import cleandoc
from typing import Annotated, Any, TypeAlias

import typer
from typer.core import TyperCommand, TyperGroup

from speechcli import __version__
from speechcli.errors import UsageError

Context: TypeAlias = Any  # click's; Typer has it inside and exports a subclass only

COMMANDS = {
    "transcribe": "Turn recordings into subtitles, text and data.",
    "align": "Give every word of a text its time in a recording.",
    "diarize": "Find out who speaks when.",
    "stream-mic": "Live captions of what is being said.",
    "convert": "Write finished transcripts in other formats, without a model.",
    "bench": "Measure models on your own recordings: errors, speed, memory, side by side.",
    "models": "List the models; fetch or remove one.",
    "doctor": "Check this machine: ffmpeg, model, memory, devices.",
    "completion": "Print the completion script of a shell.",
}
"""Name and one line of help. The command NAME is the function NAME of speechcli/cli/NAME.py, its dashes underscores."""

CONFIGURABLE = (
    "transcribe",
    "align",
    "diarize",
    "stream-mic",
    "convert",
    "bench",
    "models",
)  # what takes defaults from configuration files

COMPLETE_VARIABLE = "_SPEECHCLI_COMPLETE"  # what the completion scripts set

_SCREEN = "Screen"  # the panel of options about what is shown

_ASK_FOR_INPUT = ("transcribe", "align", "diarize", "convert", "bench")  # without any argument these show their help

_CALLED_ELSEWHERE = {
    "attn-impl": "attn-implementation",
    "compute-type": "dtype",
    "forced-aligner": "aligner",
    "hf-cache-dir": "model-dir",
    "initial-prompt": "context",
    "lan": "language",
    "max-inference-batch-size": "batch-size",
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


class _Quick:
    """What commands and their table have in common: completion that does not wait, and a plain help page."""

    def get_params(self, ctx: Context) -> list[Any]:
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""  # not "<bool>": flags take no value
            if ctx.resilient_parsing:  # a shell completes: to judge values would cost as much as all else
                param.process_value = lambda ctx, value: value
        return params

    def shell_complete(self, ctx: Context, incomplete: str) -> list[Any]:
        items: list[Any] = super().shell_complete(ctx, incomplete)  # type: ignore[misc]
        for item in items:
            item.help = None  # Typer would render it by rich, three times the cost of all else
        return items


class Command(_Quick, TyperCommand):
    """A command that refuses values of flags."""

    def get_params(self, ctx: Context) -> list[Any]:
        params = super().get_params(ctx)
        params[-1].rich_help_panel = _SCREEN  # --help
        return params

    def format_help(self, ctx: Context, formatter: Any) -> None:
        for param in self.get_params(ctx):
            _set_for_print(param, ctx)
        super().format_help(ctx, formatter)

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:
            self._refuse_values_of_flags(args)
        return super().parse_args(ctx, args)

    def _refuse_values_of_flags(self, args: list[str]) -> None:
        """Older tools want `--vad_filter True`; here it would make True an input."""
        flags = {opt: param for param in self.params if getattr(param, "is_flag", False) for opt in param.opts}
        for arg, following in zip(args, [*args[1:], ""], strict=False):
            if arg == "--":
                return
            option = "--" + normal(arg[2:]) if arg.startswith("--") else arg
            if option in flags and following.lower() in ("true", "false") and not os.path.lexists(following):
                ways = (max(flags[option].opts, key=len), *flags[option].secondary_opts)
                raise UsageError(f"{arg} {following}: flags take no value", f"use {' / '.join(ways)}")


class Commands(_Quick, TyperGroup):
    """The table of commands: help and completion of their names load none of them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=line) for name, line in COMMANDS.items()}

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, described, rest = super().resolve_command(ctx, args)
        return name, None if described is None else loaded(str(described.name)), rest

    def main(self, *args: Any, **settings: Any) -> Any:
        if COMPLETE_VARIABLE in os.environ:
            from typer.completion import completion_init  # type: ignore[attr-defined]

            completion_init()
        return super().main(*args, **settings)


def loaded(name: str) -> Any:
    """The command itself; imports its module."""
    function_name = name.replace("-", "_")
    module = import_module(f"speechcli.cli.{function_name}")
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    function = getattr(module, function_name)
    alone.command(
        name,
        cls=Command,
        help=_paragraphs(function.__doc__ or ""),
        epilog=_examples(module.__doc__ or ""),
        no_args_is_help=name in _ASK_FOR_INPUT,
    )(function)
    return typer.main.get_command(alone)


def _set_for_print(param: Any, ctx: Context) -> None:
    """Typer's page has six columns; 80 characters hold three: the name with its value, the short name, the help."""
    if param.param_type_name == "argument":
        vars(param)["display_type_rich"] = lambda ctx: ""
        return
    if isinstance(param.show_default, str):
        param.help, param.show_default = f"{param.help} [dim]\\[default: {param.show_default}][/dim]", False
    if param.is_flag:
        value = ""
        if param.secondary_opts and param.default is not False:
            param.opts = [opt.replace("--", "--[no-]", 1) for opt in param.opts]
        param.secondary_opts, param.show_default = [], False
    else:
        number = param.type_descriptor.annotation in (int, float)
        value = " N" if number and param.metavar is None else " " + str(param.display_type_rich(ctx)).strip("<>")
    param.opts = [opt + value if opt.startswith("--") else opt for opt in param.opts]
    param.metavar, param.min, param.max = "", None, None


def _paragraphs(text: str) -> str:
    """A docstring with a line a paragraph, never rich's markup."""
    return "\n\n".join(" ".join(part.split()) for part in cleandoc(text).split("\n\n")).replace("[", "\\[")


def _examples(manual: str) -> str:
    """The second paragraph of a module's docstring, its command lines, for the end of the help page."""
    return cleandoc(manual.split("\n\n")[1]).replace("[", "\\[") if "\n\n" in manual else ""


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
