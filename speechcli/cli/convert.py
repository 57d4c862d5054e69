"""`speechcli convert`: finished transcripts in other formats, without a model.

speechcli convert talk.json -f srt --max-cps 17
speechcli convert talks/*.json -f srt,vtt -o subtitles/
cat talk.vtt | speechcli convert - -f txt -o -
speechcli convert talk.json -f rttm --speaker-names SPEAKER_00=Anna,SPEAKER_01=Ben
speechcli convert talk.srt --lint --strict
speechcli convert talk.json -f html                     a page to listen, look and correct; talk.mp3 beside it
speechcli convert talks/*.json -f html -o pages/        and pages/index.html, which searches them all
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechcli.cli import show, values
from speechcli.cli.options import (
    Config,
    EmbedMedia,
    Format,
    HighlightWords,
    MaxCps,
    MaxDuration,
    MaxLineCount,
    MaxLineWidth,
    MaxWordsPerLine,
    MinDuration,
    MinGap,
    Output,
    OutputDir,
    Overwrite,
    Quiet,
    References,
    SpeakerNames,
    Standard,
    StandardAsia,
    Strict,
    WordTimestamps,
)
from speechcli.core.transcript import Transcript
from speechcli.errors import FAILED, DataError, NoInputError, OutputError, SpeechcliError, UsageError, from_os
from speechcli.formats import table
from speechcli.jobs.output import write_atomically
from speechcli.timeline.cues import Cue, Style, Violation, cues, lint

if TYPE_CHECKING:
    from speechcli.cli.paging import Pages

_UNITS = {
    "line_width": "columns wide",
    "line_count": "lines",
    "words_per_line": "words in a line",
    "cps": "characters a second",
    "min_duration": "s long",
    "max_duration": "s long",
    "min_gap": "s after the one before",
    "overlap": "s into the one before",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be made of each transcript. demanded: whether a format that cannot be filled is an error.

    media: the recording, where it was named. embed, references: of pages.
    """

    formats: tuple[str, ...]
    demanded: bool
    style: Style
    speakers: dict[str, str]
    words: bool
    overwrite: bool
    lint: bool
    media: Path | None = None
    embed: bool = False
    references: Path | None = None


def convert(
    results: Annotated[
        list[str], typer.Argument(metavar="RESULT", show_default=False, help="Transcripts to read, or - for stdin.")
    ],
    format_: Format = None,
    output: Output = None,
    output_dir: OutputDir = None,
    overwrite: Overwrite = False,
    media: Annotated[
        Path | None,
        typer.Option(
            "--media",
            metavar="FILE",
            help="With -f html: the recording to play.",
            show_default="the one of its name beside the transcript",
            rich_help_panel="Input",
        ),
    ] = None,
    embed_media: EmbedMedia = False,
    references: References = None,
    from_format: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FORMAT", help="What stdin holds, where it does not tell.", rich_help_panel="Input"
        ),
    ] = None,
    speaker_names: SpeakerNames = None,
    word_timestamps: WordTimestamps = None,
    max_line_width: MaxLineWidth = None,
    max_line_count: MaxLineCount = None,
    max_words_per_line: MaxWordsPerLine = None,
    max_cps: MaxCps = None,
    min_duration: MinDuration = None,
    max_duration: MaxDuration = None,
    min_gap: MinGap = None,
    highlight_words: HighlightWords = False,
    standard: Standard = False,
    standard_asia: StandardAsia = False,
    with_lint: Annotated[
        bool,
        typer.Option(
            "--lint/--no-lint",
            help="Say which captions break the style; without a format, of the files as they are.",
            rich_help_panel="Subtitles",
        ),
    ] = False,
    strict: Strict = False,
    quiet: Quiet = False,
    config: Config = None,
) -> None:
    """Write finished transcripts in other formats, without a model."""
    formats, demanded = values.formats(format_)
    style = values.style_of(
        standard_asia,
        standard,
        max_line_width=max_line_width,
        max_line_count=max_line_count,
        max_words_per_line=max_words_per_line,
        max_cps=max_cps,
        min_duration=min_duration,
        max_duration=max_duration,
        min_gap=min_gap,
        highlight_words=highlight_words,
    )
    if not formats and output is not None and (by_name := table.by_suffix(output)) is not None:
        formats = (by_name.name,)
    if not formats and not with_lint:
        raise UsageError("which format?", f"-f {', '.join(table.FORMATS)}")
    names = values.speaker_names(speaker_names)
    words = word_timestamps is not False
    wish = Wish(formats, demanded, style, names, words, overwrite, with_lint, media, embed_media, references)
    _check_paging(wish, results)
    targets = _targets(results, formats, output, output_dir)
    pages = _pages(wish, targets)
    errors: list[SpeechcliError] = []
    n_warnings = 0
    for result in results:
        try:
            n_warnings += _convert(result, targets[result], wish, from_format, quiet, pages)
        except SpeechcliError as error:
            if len(results) == 1:
                raise
            name = "" if str(error).startswith(Path(result).name) else f"{result}: "
            show.tell(f"error: {show.safe(name + str(error))}")
            errors.append(error)
    if pages is not None:
        n_warnings += pages.list_all(quiet)
    if errors or (strict and n_warnings):
        raise typer.Exit(FAILED)


def _check_paging(wish: Wish, results: Sequence[str]) -> None:
    """Raises UsageError for options of pages where none is written, and for one recording of several transcripts."""
    given = {"--media": wish.media, "--embed-media": wish.embed, "--references": wish.references}
    if "html" not in wish.formats and (names := [name for name, value in given.items() if value]):
        raise UsageError(f"{', '.join(names)}: only for pages", "add -f html")
    if wish.media is not None and len(results) > 1 and not wish.media.is_dir():
        raise UsageError(
            f"--media {wish.media}: one recording, and {len(results)} transcripts", "name the folder of the recordings"
        )


def _pages(wish: Wish, targets: dict[str, dict[str, Path | None]]) -> Pages | None:
    """What makes pages, where some are wanted."""
    if "html" not in wish.formats:
        return None
    from speechcli.cli.paging import Pages  # late: brings numpy along

    return Pages(wish.media, wish.embed, wish.references, [files.get("html") for files in targets.values()])


def _targets(
    results: Sequence[str], formats: Sequence[str], output: str | None, folder: Path | None
) -> dict[str, dict[str, Path | None]]:
    """For each input and format the file to write; None for stdout. Raises UsageError."""
    if output is not None and folder is not None:
        raise UsageError("--output and --output-dir exclude each other")
    one = len(results) == 1 and len(formats) == 1
    if output == "-" or (results == ["-"] and output is None and folder is None):
        if len(formats) > 1 or len(results) > 1:
            raise UsageError("stdout takes one input and one format", "name a folder with -o")
        return {results[0]: dict.fromkeys(formats)}
    if output is not None:
        path = Path(output)
        if table.by_suffix(path) is not None and not path.is_dir():
            if not one:
                raise UsageError(f"{output} is one file, for one input and one format", "name a folder with -o")
            return {results[0]: {formats[0]: path}}
        folder = path
    made = {result: {name: _beside(result, name, folder) for name in formats} for result in results}
    twice = [path for path, n in Counter(p for files in made.values() for p in files.values()).items() if n > 1]
    if twice:
        raise UsageError(f"two inputs would become {twice[0]}", "convert them one by one, or into different folders")
    return {result: dict(files) for result, files in made.items()}


def _beside(result: str, name: str, folder: Path | None) -> Path:
    source = Path("stdin" if result == "-" else result)
    known = table.by_suffix(source)
    stem = source.name[: -len(known.suffix)] if known is not None else source.stem
    home = folder if folder is not None else Path() if result == "-" else source.parent
    return home / (stem + table.named(name).suffix)


def _convert(
    result: str,
    targets: dict[str, Path | None],
    wish: Wish,
    stdin_format: str | None,
    quiet: bool,
    pages: Pages | None,
) -> int:
    """Converts one file; the number of captions that break the style, where that was asked for."""
    transcript = _read_stdin(stdin_format) if result == "-" else table.read(result)
    n_violations = _report(result, transcript, wish) if wish.lint else 0
    shown = _as_wished(transcript, wish)
    lacking = {name: lack for name in targets if (lack := table.missing(name, shown)) is not None}
    todo = {name: target for name, target in targets.items() if name not in lacking}
    if not wish.demanded:  # `all` leaves the file alone that was read
        todo = {name: target for name, target in todo.items() if target is None or not _same(target, result)}
    for target in todo.values():
        _refuse_to_spoil(target, wish.overwrite)
    failed: SpeechcliError | None = None
    for name, target in todo.items():
        try:
            if name == "html" and pages is not None:
                pieces = pages.pieces(result, shown, target, wish.style, quiet)
            else:
                pieces = table.pieces(name, shown, wish.style)
        except SpeechcliError as error:  # of its recording, or its reference: the other formats do without
            failed = error
            continue
        if target is None:
            show.out(pieces)
            continue
        write_atomically(target, pieces)
        if not quiet:
            show.tell(f"{show.safe(result)} -> {show.safe(target)}")
    if not quiet and (lost := _unknown_names(transcript, wish.speakers)) is not None:
        show.tell(f"{show.safe(result)}: --speaker-names: {show.safe(lost)}")
    if failed is not None:
        raise failed
    if lacking and wish.demanded:
        raise DataError(f"{result}: {'; '.join(lacking.values())}")
    if lacking and not quiet:
        show.tell(f"{show.safe(result)}: left out: {', '.join(lacking)}")
    return n_violations


def _refuse_to_spoil(target: Path | None, overwrite: bool) -> None:
    if target is not None and target.is_dir():
        raise OutputError(f"{target} is a folder", "choose another place with -o")
    if target is not None and target.exists() and not overwrite:
        raise OutputError(f"{target} exists", "--overwrite replaces it, -o FOLDER spares it")


def _read_stdin(stdin_format: str | None) -> Transcript:
    """What comes in, by way of a file: readers tell formats by content and name."""
    if sys.stdin is None:
        raise NoInputError("stdin is closed")
    suffix = table.named(stdin_format).suffix if stdin_format is not None else ""
    with tempfile.TemporaryDirectory(prefix="speechcli-") as folder:
        file = Path(folder, "stdin" + suffix)
        try:
            with file.open("wb") as spooled:
                shutil.copyfileobj(sys.stdin.buffer, spooled)
        except OSError as error:
            raise from_os(error, "reading stdin") from error
        return table.read(file)


def _as_wished(transcript: Transcript, wish: Wish) -> Transcript:
    """The transcript with its speakers' names, and with or without words."""
    from speechcli.jobs.deliver import rendered  # late: brings numpy along
    from speechcli.jobs.job import Rendering

    return rendered(transcript, Rendering(wish.formats, wish.style, wish.speakers, wish.words))


def _unknown_names(transcript: Transcript, names: dict[str, str]) -> str | None:
    from speechcli.jobs.deliver import unknown_names  # late: brings numpy along

    return unknown_names(transcript, names)


def _report(result: str, transcript: Transcript, wish: Wish) -> int:
    found = lint(_captions(transcript, wish), wish.style)
    for violation in found:
        show.tell(f"{show.safe(result)}: {told(violation)}")
    return len(found)


def _captions(transcript: Transcript, wish: Wish) -> Iterator[Cue]:
    """The captions to be judged: as they will be written, else as they stand in the file."""
    if wish.formats or transcript.words:
        return cues(transcript.segments, wish.style, lambda: transcript.duration)
    return (Cue(s.start, s.end, tuple(s.text.split("\n")), s.speaker) for s in transcript.segments)


def told(violation: Violation) -> str:
    """One violation in words.

    >>> told(Violation(3, "cps", 24.12, 20.0))
    'caption 3 is 24.1 characters a second (20)'
    """
    value = f"{violation.value:.3g}"
    limit = f" ({violation.limit:g})" if violation.rule != "overlap" else ""
    return f"caption {violation.cue} is {value} {_UNITS[violation.rule]}{limit}"


def _same(path: Path, result: str) -> bool:
    return result != "-" and path.exists() and Path(result).exists() and path.samefile(result)
