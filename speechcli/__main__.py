"""The program: runs the command line and turns whatever ends it into one line and an exit code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from speechcli.cli import signals, streams
from speechcli.cli.show import safe
from speechcli.errors import USAGE, Interrupted, SpeechcliError

BUG = 70  # sysexits EX_SOFTWARE


def main() -> None:
    """The entry point; does not return."""
    streams.prepare()
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    code = streams.settle(run(sys.argv[1:]))
    # not sys.exit: engines at work in other threads abort when the interpreter ends under them, and take seconds
    with suppress(OSError):
        sys.stderr.flush()
    os._exit(code)


def run(args: list[str]) -> int:
    """The exit code of `speechcli ARGS`; errors are told on stderr."""
    try:
        with signals.polite():
            return _run(args)
    except (SpeechcliError, Interrupted) as error:
        return _failed(error.message, error.hint, error.exit_code)
    except BrokenPipeError:
        return streams.BROKEN_PIPE
    except Exception as error:  # nothing else may reach a user but as a request for a report
        code = streams.settle(BUG) if isinstance(error, OSError) else BUG
        return _bug(error, args) if code == BUG else code


def _run(args: list[str]) -> int:
    import typer.main
    from typer.exceptions import TyperException

    from speechcli.cli.app import app

    try:
        code = typer.main.get_command(app).main(args, prog_name="speechcli", standalone_mode=False)
    except TyperException as error:
        hint = ""
        if (ctx := getattr(error, "ctx", None)) is not None:
            hint = f"see {ctx.command_path} --help"
        if message := error.format_message():  # without one, the help has been shown
            return _failed(message.replace("Value error, ", "").rstrip("."), hint, error.exit_code)  # pydantic's
        return USAGE
    except SystemExit as error:
        # Typer ends a broken pipe by `sys.exit(1)`
        if isinstance(error.__context__, BrokenPipeError):
            raise error.__context__ from None
        return error.code if isinstance(error.code, int) else 0
    return code if isinstance(code, int) else 0


def _failed(message: str, hint: str, code: int) -> int:
    red, plain = ("\x1b[1;31m", "\x1b[0m") if _coloured() else ("", "")
    streams.tell(f"{red}speechcli: error:{plain} {safe(message)}" + (f"; {safe(hint)}" if hint else ""))
    return code


def _coloured() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _bug(error: Exception, args: list[str]) -> int:
    import platform
    import tempfile
    import traceback

    from speechcli import __version__

    trace = "".join(traceback.format_exception(error))
    if os.environ.get("SPEECHCLI_DEBUG") or "-v" in args or "--verbose" in args:
        streams.tell(trace)
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="speechcli-error-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(f"speechcli {__version__}, Python {platform.python_version()}, {platform.platform()}\n")
            file.write(f"{args}\n\n{trace}")
        where = f"please report it with {file.name}"
    except OSError:
        where = "please report it; SPEECHCLI_DEBUG=1 shows more"
    return _failed(f"internal error: {type(error).__name__}: {error}", where, BUG)


if __name__ == "__main__":
    main()
