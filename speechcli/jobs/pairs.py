"""Which text belongs to which recording: by name, or as a list says."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from speechcli.core.languages import code_of
from speechcli.errors import DataError, NoInputError, SpeechcliError, UsageError, from_os
from speechcli.formats import table
from speechcli.jobs.plan import ALIGNED
from speechcli.media.files import Input

_PLAIN = (".txt", ".text")  # besides the suffixes of the formats we read


@dataclass(frozen=True, slots=True)
class Pair:
    """A recording and its text. error: why there is none. language: where a list says so."""

    source: Input
    text: Path | None
    language: str | None = None
    error: SpeechcliError | None = None


def by_name(sources: Sequence[Input], folder: Path) -> tuple[list[Pair], list[Path]]:
    """Each recording with the text of its name in `folder`, and the texts that belong to none.

    A recording that was found in a folder has its text in the same place of the other tree, or, where its name is there
    once only, anywhere. What we wrote ourselves (`talk.aligned.json`) is no text. Raises NoInputError.
    """
    texts: dict[str, list[Path]] = defaultdict(list)
    for path, stem in _texts(folder):
        texts[stem].append(path)
    anywhere: dict[str, list[Path]] = defaultdict(list)
    for stem, paths in texts.items():
        anywhere[os.path.basename(stem)] += paths
    pairs = [_paired(source, folder, texts, anywhere) for source in sources]
    taken = {pair.text for pair in pairs}
    wanted = {str(path) for pair in pairs if pair.error is not None for path in _of(pair.source, texts, anywhere)}
    orphans = [p for paths in texts.values() for p in paths if p not in taken and str(p) not in wanted]
    return pairs, sorted(orphans)


def listed(data: bytes, name: str) -> list[Pair]:
    """The pairs of a list: `AUDIO<TAB>TEXT` a line, then perhaps a language; relative to the current folder.

    A first line `audio<TAB>text` is a heading. Raises DataError with the number of the line.
    """
    pairs = []
    lines: dict[str, int] = {}
    for n, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        cells = [os.fsdecode(cell).strip() for cell in line.rstrip(b"\r").split(b"\t")]
        if not any(cells) or (n == 1 and [cell.lower() for cell in cells[:2]] == ["audio", "text"]):
            continue
        if len(cells) not in (2, 3) or not all(cells[:2]):
            raise DataError(f"{name}, line {n}: not AUDIO<TAB>TEXT", "one pair a line; a third column is a language")
        language = code_of(cells[2]) if len(cells) == 3 and cells[2] else None
        if len(cells) == 3 and cells[2] and language is None:
            raise DataError(f"{name}, line {n}: no language is called {cells[2]!r}", "a code (de) or an English name")
        if "\0" in cells[0] + cells[1]:
            raise DataError(f"{name}, line {n}: a NUL in a name", "no file can be called that")
        if any(cell.startswith(("https://", "http://")) for cell in cells[:2]):
            raise DataError(f"{name}, line {n}: an address; a list names files", "fetch it first")
        if (other := lines.setdefault(os.path.abspath(cells[0]), n)) != n:
            raise DataError(
                f"{name}, lines {other} and {n}: {cells[0]} twice",
                "a recording has one text; give the other to a second run",
            )
        pairs.append(Pair(Input(Path(cells[0]), cells[0]), Path(cells[1]), language))
    if not pairs:
        raise NoInputError(f"{name}: the list is empty", "AUDIO<TAB>TEXT, a pair a line")
    return pairs


def one(source: Input, text: Path) -> Pair:
    """A recording and a text that were both named. Raises UsageError when one is the other."""
    if os.path.realpath(source.path) == os.path.realpath(text):
        raise UsageError(f"{text} is the recording itself", "speechcli align AUDIO TEXT")
    return Pair(source, text)


def _texts(folder: Path) -> list[tuple[Path, str]]:
    """(path, its place in the folder without the suffix) of what may be a text."""
    suffixes = sorted({*(form.suffix.lower() for form in table.FORMATS.values() if form.reads), *_PLAIN}, key=len)

    def stop(error: OSError) -> None:
        raise from_os(error, f"reading {error.filename}") from error

    found = []
    for place, folders, names in os.walk(folder, onerror=stop):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            suffix = next((s for s in reversed(suffixes) if name.lower().endswith(s) and len(name) > len(s)), None)
            stem = name[: -len(suffix)] if suffix else ""
            whole = suffix and not name.startswith(".") and not stem.endswith(ALIGNED)
            if whole and os.path.isfile(os.path.join(place, name)):  # a pipe would be waited for
                found.append((Path(place, name), os.path.join(os.path.relpath(place, folder), stem)))
    return found


def _of(source: Input, texts: dict[str, list[Path]], anywhere: dict[str, list[Path]]) -> list[Path]:
    stem = Path(source.name).stem
    place = os.path.relpath(source.path.parent, source.root) if source.root is not None else "."
    return texts.get(os.path.join(place, stem)) or anywhere.get(stem) or []


def _paired(source: Input, folder: Path, texts: dict[str, list[Path]], anywhere: dict[str, list[Path]]) -> Pair:
    found = _of(source, texts, anywhere)
    if len(found) == 1:
        return Pair(source, found[0])
    if not found:
        error: SpeechcliError = NoInputError(
            f"{source.name} has no text in {folder}", "texts have the recording's name"
        )
    else:
        names = ", ".join(path.name for path in found[:3])
        error = UsageError(f"{source.name} has several texts: {names}", "--pairs LIST.tsv says which")
    return Pair(source, None, error=error)
