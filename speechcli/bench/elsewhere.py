"""Transcripts that somebody has already, as a system of their own: scored like all others, and not timed."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Final

from speechcli.bench.measure import Measured, length
from speechcli.bench.result import System
from speechcli.core.transcript import Segment, Transcript
from speechcli.errors import DataError, NoInputError, SpeechcliError, from_os
from speechcli.formats import opened, table
from speechcli.media.files import Input
from speechcli.scoring.references import nearest, said_in
from speechcli.scoring.turns import of_rttm

ORDER: Final = ("json", "seglst", "verbose_json", "textgrid", "ctm", "stm", "vtt", "srt", "tsv", "txt", "rttm")
"""Formats by how much they tell: of several files of one recording the first is taken."""
_SUFFIXES = {table.FORMATS[name].suffix.lower(): name for name in ORDER} | {".text": "txt"}
_MARKS = ("", ".aligned", ".diarized")  # what our own commands put behind a recording's name


def transcripts(folder: Path, recordings: Sequence[Input], name: str = "") -> Iterator[Measured]:
    """The transcript of each recording, or why there is none; their system, which has no runs yet, is the same in all.

    By the place that a recording has under its own root, else by its name anywhere under the folder. name: of the
    system, that of the folder unless told. Raises NoInputError where there is nothing at all, DeniedError.
    """
    places = _found(folder)
    if not places:
        raise NoInputError(f"{folder} holds no transcripts", f"they are {', '.join(ORDER)}")
    by_name: dict[str, dict[str, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for place, files in places.items():
        by_name[os.path.basename(place)][os.path.dirname(place)] += files
    system = System(name or folder.resolve().name or str(folder), (), notes=("made elsewhere: nothing was timed",))
    for recording in recordings:
        seconds = length(recording)
        try:
            transcript = _read(_chosen(recording, places, by_name, folder), seconds)
        except SpeechcliError as error:
            yield Measured(system, recording, seconds, error=str(error))
        else:
            yield Measured(system, recording, seconds or transcript.duration, transcript=transcript)


def _chosen(
    recording: Input,
    places: Mapping[str, list[Path]],
    by_name: Mapping[str, Mapping[str, list[Path]]],
    folder: Path,
) -> Path:
    """Its file. Raises NoInputError where there is none, DataError where nobody can tell which one is meant."""
    root = recording.root
    place = os.path.relpath(recording.path.parent, root) if root is not None else "."
    names = [base + mark for base in (recording.path.stem, recording.path.name) for mark in _MARKS]
    for name in names:
        if found := places.get(os.path.normpath(os.path.join(place, name))):
            return _best(found)
    for name in names:
        folders = by_name.get(name, {})
        if len(folders) > 1:
            near = nearest(recording.path.parent, [folder / one for one in folders])
            if near is None:
                raise DataError(
                    f"{recording.name} has transcripts in {len(folders)} places under {folder}",
                    "give them the place that the recording has in its own folder",
                )
            return _best(folders[os.path.relpath(near, folder).removeprefix(".")])
        for found in folders.values():
            return _best(found)
    raise NoInputError(f"{folder} has no transcript of {recording.name}")


def _best(files: Sequence[Path]) -> Path:
    return min(files, key=lambda path: (ORDER.index(_parted(path)[1]), path.name))


def _found(folder: Path) -> dict[str, list[Path]]:
    """Files by their path under the folder without suffix."""
    if not folder.is_dir():
        raise NoInputError(f"{folder} is no folder", "name the folder with the transcripts")

    def stop(error: OSError) -> None:
        raise from_os(error, f"reading {error.filename}") from error

    out: dict[str, list[Path]] = defaultdict(list)
    for at, folders, names in os.walk(folder, onerror=stop):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in sorted(map(Path(at).joinpath, names)):
            stem, form = _parted(path)
            if form and path.is_file():  # a pipe would be waited for
                out[os.path.normpath(os.path.join(os.path.relpath(at, folder), stem))].append(path)
    return dict(out)


def _parted(path: PurePath) -> tuple[str, str]:
    """The name without its suffix, and the format that this promises; "" for what is no transcript.

    >>> _parted(PurePath("talk.seglst.json")), _parted(PurePath("talk.mp3.txt")), _parted(PurePath("talk.mp3"))
    (('talk', 'seglst'), ('talk.mp3', 'txt'), ('talk.mp3', ''))
    """
    name = path.name
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix) and len(name) > len(suffix) and not name.startswith("."):
            return name[: -len(suffix)], _SUFFIXES[suffix]
    return name, ""


def _read(path: Path, seconds: float) -> Transcript:
    """Plain text is one segment, as long as the recording; it says nothing of times."""
    kind = _parted(path)[1]
    if kind == "rttm":  # whose reader makes one of turns that touch or overlap, and scorers do not
        text, _ = opened.text_of(path)
        return replace(table.parsed("rttm", text, path.name), turns=of_rttm(text))
    if kind != "txt":
        return table.read(path)
    text, _ = opened.text_of(path)
    text = " ".join(said_in(text, path.name)[0].split())
    return Transcript(path.name, seconds, (Segment(0.0, seconds, text),) if text else ())
