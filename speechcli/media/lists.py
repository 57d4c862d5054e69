"""Lists of recordings (`--files-from`): lines, NUL-separated names, or JSON Lines with hints for each."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from speechcli.core.turns import speaker_name
from speechcli.errors import DataError


@dataclass(frozen=True, slots=True)
class FileHints:
    """What a list says about one recording; None and empty: as for all others."""

    language: str | None = None
    hotwords: tuple[str, ...] = ()
    context: str | None = None
    track: int | None = None
    output: str | None = None
    speakers: tuple[tuple[str, str], ...] = ()  # labels and the names to write for them


@dataclass(frozen=True, slots=True)
class Listed:
    """One name of a list, as it stands there: relative to the current directory."""

    audio: str
    hints: FileHints = FileHints()


def read_list(data: bytes, nul: bool = False, jsonl: bool = False) -> list[Listed]:
    """The names in a list, in order; empty lines are skipped, and nothing is a comment (a name may begin with #).

    nul: names are separated by NUL, and may hold newlines. jsonl: an object a line, `{"audio": PATH}` and any of
    language, hotwords, context, speakers (names in the order of their first words, or an object of labels and names),
    track, output. Raises DataError with the number of the line.
    """
    if jsonl:
        return [_object(line, n) for n, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    if nul:
        return [Listed(os.fsdecode(name)) for name in data.split(b"\0") if name]
    lines = [line.removesuffix(b"\r") for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    for n, line in enumerate(lines, 1):
        if b"\0" in line:
            raise DataError(f"line {n} of the list holds a NUL", "for NUL-separated names use -0")
    return [Listed(os.fsdecode(line)) for line in lines if line.strip()]


def _object(line: bytes, n: int) -> Listed:
    try:
        entry = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"line {n} of the list is not JSON ({error})", 'one {"audio": PATH} a line') from error
    if not isinstance(entry, dict) or not entry.get("audio") or not isinstance(entry["audio"], str):
        raise DataError(f"line {n} of the list names no recording", 'one {"audio": PATH} a line')
    known = {"audio", "language", "hotwords", "context", "speakers", "track", "output"}
    if stray := sorted(entry.keys() - known):
        raise DataError(
            f"line {n} of the list has an unknown key {stray[0]!r}", f"known are {', '.join(sorted(known))}"
        )
    if "\0" in entry["audio"]:
        raise DataError(f"line {n} of the list holds a NUL", "no file can be called that")
    track = entry.get("track")
    if track is not None and (not isinstance(track, int) or isinstance(track, bool) or track < 0):
        raise DataError(f"line {n} of the list: track is a number from 0", "")
    hotwords = entry.get("hotwords")
    if isinstance(hotwords, str):  # as the flag takes them
        hotwords = [word.strip() for word in hotwords.split(",") if word.strip()]
    if hotwords is not None and not (isinstance(hotwords, list) and all(isinstance(word, str) for word in hotwords)):
        raise DataError(f"line {n} of the list: hotwords are a list of words", "")
    hints = FileHints(
        _text(entry, "language", n),
        tuple(hotwords or ()),
        _text(entry, "context", n),
        track,
        _text(entry, "output", n),
        _speakers(entry.get("speakers"), n),
    )
    return Listed(entry["audio"], hints)


def _speakers(value: object, n: int) -> tuple[tuple[str, str], ...]:
    names = dict(enumerate(value)) if isinstance(value, list) else {} if value is None else value
    if not isinstance(names, dict) or not all(isinstance(name, str) and name.strip() for name in names.values()):
        raise DataError(f"line {n} of the list: speakers are names", '["Anna", "Ben"] or {"SPEAKER_00": "Anna"}')
    return tuple((speaker_name(key) if isinstance(key, int) else key, name) for key, name in names.items())


def _text(entry: Mapping[str, object], key: str, n: int) -> str | None:
    value = entry.get(key)
    if value is not None and not isinstance(value, str):
        raise DataError(f"line {n} of the list: {key} is a text")
    return value
