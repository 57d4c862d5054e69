"""Reports that people read: one HTML page, or a picture."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Literal, TypeAlias

from speechcli.errors import OutputError, UnavailableError, UsageError
from speechcli.jobs.output import check_folder
from speechcli.media.places import check_file

if TYPE_CHECKING:
    from speechcli.bench.compare import Comparison
    from speechcli.bench.result import Result

Kind: TypeAlias = Literal["html", "svg", "png"]


def kind_of(path: str | PurePath) -> Kind:
    """The kind of report that a file's name asks for. Raises UsageError."""
    match PurePath(path).suffix.lower():
        case ".html" | ".htm":
            return "html"
        case ".svg":
            return "svg"
        case ".png":
            return "png"
    raise UsageError(f"{PurePath(path).name}: a report is a .html, a .png or a .svg", "name it so")


def check(path: Path) -> None:
    """Whether a report can be made and written there: before the work, not after it.

    Raises UsageError for another suffix, UnavailableError without the packages, OutputError and its like for the place.
    """
    need = "jiwer" if kind_of(path) == "html" else "matplotlib"
    if find_spec(need) is None:
        raise UnavailableError(f"a report needs {need}", 'pip install "speechcli[score]"')
    check_file(path)
    try:
        check_folder(path.parent)
    except OutputError as error:
        raise OutputError(error.message, "name another place for the report") from error


def report(result: Result, kind: Kind = "html", comparison: Comparison | None = None) -> Iterable[str | bytes]:
    """The report's file in pieces, for `jobs.output.write_atomically`. comparison: shown on the page, not in pictures.

    Raises UnavailableError where a package is missing.
    """
    if kind == "html":
        from speechcli.bench.report.page import page

        return page(result, comparison)
    from speechcli.bench.report.charts import drawn

    return (drawn(result, kind),)
