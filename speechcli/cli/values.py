"""What options say, in our terms: the text a person typed to numbers, names and stretches of time.

All raise UsageError with the option's name; those that read a file NoInputError, DeniedError or DataError too.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from speechcli.core.languages import code_of
from speechcli.core.span import Seconds, Span
from speechcli.errors import DataError, NoInputError, UsageError, from_os
from speechcli.formats import table
from speechcli.timeline.cues import Style

TO_THE_END: Seconds = 1e7  # of any recording: what is longer than this is refused long before

ASIA = Style(max_line_width=32, max_line_count=2, max_cps=18.0)
"""16 full-width characters a line; 9 of them a second, the figure for Chinese of Netflix's timed text guides."""

_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def formats(given: Sequence[str] | None) -> tuple[tuple[str, ...], bool]:
    """`--format`: the formats asked for, and whether each is demanded: those of `all` are not.

    Commas and repetition are the same; nothing given gives nothing. A page is no part of `all`, and can be added.
    """
    names = [name.strip().lower().lstrip(".") for text in given or () for name in text.split(",") if name.strip()]
    if "all" in names:
        pages = tuple(table.named(name).name for name in names if name != "all" and table.named(name).kind == "page")
        return tuple(dict.fromkeys((*table.ALL, *pages))), False
    return tuple(dict.fromkeys(table.named(name).name for name in names)), True


def languages(text: str | None) -> tuple[str, ...]:
    """`--language`: codes of the languages allowed; none for finding out.

    >>> languages("German, fr"), languages("auto"), languages("None")
    (('de', 'fr'), (), ())
    """
    codes = []
    for name in (text or "").split(","):
        if name.strip().lower() in ("", "auto", "none"):
            continue
        code = code_of(name)
        if code is None:
            raise UsageError(f"--language {name.strip()}: no such language", "a code (de), an English name, or auto")
        codes.append(code)
    return tuple(dict.fromkeys(codes))


def hotwords(text: str | None, file: Path | None) -> tuple[str, ...]:
    """`--hotwords` (commas) and `--hotwords-file` (a line each, `#` begins a remark)."""
    words = (text or "").split(",")
    if file is not None:
        words += [line.partition("#")[0] for line in _read(file, "--hotwords-file").splitlines()]
    return tuple(dict.fromkeys(word.strip() for word in words if word.strip()))


def speaker_names(text: str | None) -> dict[str, str]:
    """`--speaker-names`: a name for each speaker. Two with one name are one person: so is a voice mended that was taken
    for two.

    `SPEAKER_00=Anna,SPEAKER_01=Ben`; or a file, of a JSON object, or of lines `SPEAKER_00=Anna` or with a tab between
    (`#` begins a remark), where names may have commas.
    """
    if not text:
        return {}
    if "=" not in text or os.path.isfile(text):  # a long list is no name of a file: Path raises
        content = _read(Path(text), "--speaker-names")
        if content.lstrip().startswith("{"):
            return _names_in_json(content, text)
        return _names_in_lines(content, text)
    names: dict[str, str] = {}
    for pair in filter(str.strip, text.split(",")):
        try:
            speaker, name = _pair(pair, "--speaker-names", "SPEAKER_00=Anna")
        except UsageError as error:
            raise UsageError(error.message, f"{error.hint}; names with commas stand in a file") from error
        if names.setdefault(speaker, name) != name:
            raise UsageError(f"--speaker-names: {speaker} is named twice, {names[speaker]} and {name}")
    return names


def enrolled(given: Sequence[str] | None) -> dict[str, list[Path]]:
    """`--enroll NAME=FILE`, as often as it was given: clips of each voice."""
    clips: dict[str, list[Path]] = {}
    for pair in given or ():
        name, file = _pair(pair, "--enroll", "Anna=anna.wav")
        clips.setdefault(name, []).append(Path(file))
    return clips


def settings(given: Sequence[str] | None) -> dict[str, str]:
    """`--set KEY=VALUE`, as often as it was given."""
    return dict(_pair(pair, "--set", "beam_size=5") for pair in given or ())


def clips(text: str | None) -> tuple[Span, ...]:
    """`--clip-timestamps`: start,end,start,end…; without a last end, to the end.

    >>> clips("0,1:30, 300")
    (Span(start=0.0, end=90.0), Span(start=300.0, end=10000000.0))
    """
    times = [_time(part, "--clip-timestamps") for part in (text or "").split(",") if part.strip()]
    if len(times) % 2:
        times.append(TO_THE_END)
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise UsageError(f"--clip-timestamps {text}: each time must be later than the one before it")
    return tuple(Span(start, end) for start, end in zip(times[::2], times[1::2], strict=True))


def length(text: str, option: str) -> Seconds:
    """A length: seconds, h:mm:ss, or a number with s, m or h.

    >>> length("100h", ""), length("90", ""), length("1:30:00", "")
    (360000.0, 90.0, 5400.0)
    """
    found = re.fullmatch(r"([\d.]+)\s*([smh])", text.strip().lower())
    factor = {"s": 1.0, "m": 60.0, "h": 3600.0}[found[2]] if found else 1.0
    seconds = _time(found[1] if found else text, option) * factor
    if seconds <= 0:
        raise UsageError(f"{option} {text}: must be more than nothing")
    return seconds


def size(text: str, option: str) -> int:
    """A size in bytes; k, M, G and their binary kin are understood.

    >>> size("500MB", ""), size("2 GiB", ""), size("1000", "")
    (500000000, 2147483648, 1000)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?", text.strip().lower())
    if found is None or found[2] not in _UNITS or float(found[1]) <= 0:
        raise UsageError(f"{option} {text}: not a size", "500MB, for instance")
    return int(float(found[1]) * _UNITS[found[2]])


def style_of(standard_asia: bool = False, standard: bool = False, **given: float | bool | None) -> Style:
    """The captions' style: the default's or the preset's, and over it what was given (None: was not)."""
    if standard and standard_asia:
        raise UsageError("--standard and --standard-asia exclude each other")
    preset = ASIA if standard_asia else Style()
    chosen: Mapping[str, object] = {name: value for name, value in given.items() if value is not None}
    return replace(preset, **chosen)  # type: ignore[arg-type]  # the options have the names and types of the fields


def _pair(text: str, option: str, example: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not (sign and key.strip() and value.strip()):
        raise UsageError(f"{option} {text}: not KEY=VALUE", f"{option} {example}")
    return key.strip(), value.strip()


def _names_in_lines(content: str, where: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        speaker, _, name = (part.strip() for part in line.partition("\t" if "\t" in line.strip() else "="))
        if not (speaker and name):
            raise DataError(f"{where}, line {number}: {line.strip()[:40]!r} names nobody", "SPEAKER_00=Anna")
        if names.setdefault(speaker, name) != name:
            raise DataError(f"{where}, line {number}: {speaker} is named twice, {names[speaker]} and {name}")
    return names


def _names_in_json(content: str, where: str) -> dict[str, str]:
    try:
        names = json.loads(content)
    except ValueError as error:
        raise DataError(f"{where} is not JSON ({error})") from error
    if not (isinstance(names, dict) and all(isinstance(name, str) and name.strip() for name in names.values())):
        raise DataError(f"{where} must hold one JSON object of names", '{"SPEAKER_00": "Anna"}')
    return {speaker.strip(): name.strip() for speaker, name in names.items()}


def _time(text: str, option: str) -> Seconds:
    """Seconds of `90`, `1:30` or `0:01:30.5`."""
    if not re.fullmatch(r"\d+(:[0-5]?\d){0,2}(\.\d*)?", text.strip()):
        raise UsageError(f"{option} {text.strip()}: not a time", "seconds, or h:mm:ss")
    seconds = 0.0
    for part in text.strip().split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def _read(file: Path, option: str) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise NoInputError(f"{option} {file}: there is no such file") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{option} {file}: is not UTF-8 text") from error
    except OSError as error:
        raise from_os(error, f"reading {file}") from error
