"""What is right: the references of a recording, found by name or by what they say inside, read and put together.

Several files of one recording complement each other: plain text has the words, an RTTM the turns, a CTM the times of
words. Where two have the same kind of fact, the first of ORDER that has it is taken, and where their words differ a
note says so.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PurePath
from typing import Any, Final, TypeAlias

from speechcli.core.span import Seconds, Span, merged, tidy
from speechcli.core.transcript import Segment, Transcript, Turn, Word
from speechcli.errors import DataError, NoInputError, SpeechcliError, from_os
from speechcli.formats import opened, plain, table
from speechcli.formats import rows as rows_of
from speechcli.scoring.turns import apart, of_rttm

ORDER: Final = ("stm", "txt", "textgrid", "json", "ctm", "vtt", "srt", "tsv", "rttm", "uem")
"""Formats by how far they are trusted: what is made for scoring, what people write, then captions, often abridged."""
SUFFIXES: Final[dict[str, str]] = {
    ".seglst.json": "json",
    ".verbose.json": "json",
    ".words.json": "json",
    ".textgrid": "textgrid",
    ".text": "txt",
    **{f".{name}": name for name in ("stm", "txt", "json", "ctm", "vtt", "srt", "tsv", "rttm", "uem")},
}
LATE: Final[Seconds] = 1.0  # a reference that goes on for longer than this after the recording is another one's
FASTEST: Final = 8.0  # words a second that nobody says: the fastest of readers say 6
ENOUGH: Final = 20  # words from which on this is judged

Ours: TypeAlias = Callable[[Path], bool]
"""Whether speechcli wrote what lies there, as manifests tell, which are no business of this room."""

_COLUMN = {"stm": 0, "ctm": 0, "uem": 0, "rttm": 1}  # where a line names its recording
_COMMENT = (";", "#")
_IGNORED = "ignore_time_segment_in_scoring"
_ALTERNATIVES = re.compile(r"\{([^{}/]*)/[^{}]*\}")  # of an STM (sclite): "{ going to / gonna }", "@" for nothing
_BY_MACHINE = ('"avg_logprob"', '"no_speech_prob"', '"compression_ratio"')  # nobody writes these by hand
_BY_HAND = frozenset(("align", "convert", "edit"))  # stages that leave the words as somebody wrote them


def _nobodys(_: Path) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Reference:
    """What is right about a recording, as far as its files say; None where they say nothing of the kind.

    text: all words in order. segments: what was said when, and by whom where that is known. words: with times.
    turns: who spoke when. uem: the only stretches that count. ignored: stretches that do not count (STM). notes: what
    is odd about it, one line each.
    """

    files: tuple[Path, ...]
    text: str | None = None
    segments: tuple[Segment, ...] | None = None
    words: tuple[Word, ...] | None = None
    turns: tuple[Turn, ...] | None = None
    uem: tuple[Span, ...] | None = None
    ignored: tuple[Span, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """Files that are a recording's references by their names. notes: which ones were passed over, and why."""

    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Folder:
    """The references under a folder, or in one file that has those of many recordings. Reads what it must, when asked.

    by_place: path without suffix, relative to the folder, to the files there.
    """

    root: Path
    by_place: Mapping[str, list[Path]]
    ours: Ours = _nobodys

    def of(self, recording: Path, root: Path | None = None) -> Found:
        """Those of a recording: of its name at the same place as under its `root`, else of its name anywhere; and
        collections whose lines name it. Raises DataError where its name is in several places.
        """
        own = self._named(recording, root)
        names = _ids(recording.name)
        lines = [path for path, held in self._held.items() if names & held and path not in own]
        if own:  # what is named for another recording of that name is no collection
            lines = [path for path in lines if (_stem(path) or "").casefold() not in self._held[path]]
        return _kept([*own, *lines], self.ours)

    def _named(self, recording: Path, root: Path | None) -> list[Path]:
        place = os.path.relpath(recording.parent, root) if root is not None else "."
        for name in _stems(recording):
            if found := self.by_place.get(os.path.normpath(os.path.join(place, name))):
                return found
        for name in _stems(recording):
            found = self._by_stem.get(name, [])
            if len(folders := {path.parent for path in found}) > 1:
                if (near := nearest(recording.parent, folders)) is None:
                    raise DataError(
                        f"{recording.name} has references in {len(folders)} places: {', '.join(map(str, found[:3]))}",
                        "give them the place that the recording has in its own folder",
                    )
                return [path for path in found if path.parent == near]
            if found:
                return found
        return []

    @cached_property
    def _by_stem(self) -> Mapping[str, list[Path]]:
        out: dict[str, list[Path]] = defaultdict(list)
        for place, paths in self.by_place.items():
            out[os.path.basename(place)] += paths
        return out

    @cached_property
    def _held(self) -> Mapping[Path, frozenset[str]]:
        """The recordings that each file is about, of those that tell; a broken one is told when it is read."""
        out = {}
        for path in sorted(path for paths in self.by_place.values() for path in paths):
            if _format(path) not in _COLUMN and not path.name.lower().endswith(".seglst.json"):
                continue
            try:
                out[path] = frozenset(_held(opened.text_of(path)[0], _format(path)))
            except SpeechcliError:
                continue
        return out


def beside(recording: Path, ours: Ours = _nobodys) -> Found:
    """The references that lie beside a recording under its name. What speechcli or a model wrote is none."""
    names = {name: rank for rank, name in enumerate(_stems(recording))}
    try:
        entries = sorted(recording.parent.iterdir())
    except OSError as error:
        raise from_os(error, f"reading {recording.parent}") from error
    found = [path for path in entries if path != recording and _stem(path) in names and _is_file(path)]
    return _kept(sorted(found, key=lambda path: names[_stem(path) or ""]), ours)


def folder(path: Path, ours: Ours = _nobodys) -> Folder:
    """The references in a folder, or in a file. Raises NoInputError where there are none, DeniedError."""
    if not path.is_dir():
        if not path.exists():
            raise NoInputError(f"{path} is not there", "--references takes a folder, or a file")
        if _format(path) is None:
            raise DataError(f"{path.name} is no kind of reference", f"they are {', '.join(ORDER)}")
        return Folder(path.parent, {_stem(path) or "": [path]}, ours)

    def stop(error: OSError) -> None:
        raise from_os(error, f"reading {error.filename}") from error

    by_place: dict[str, list[Path]] = defaultdict(list)
    for at, folders, names in os.walk(path, onerror=stop):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(map(Path(at).joinpath, names)):
            if (stem := _stem(file)) is not None and _is_file(file):
                by_place[os.path.normpath(os.path.join(os.path.relpath(at, path), stem))].append(file)
    if not by_place:
        raise NoInputError(f"{path} has no references", f"they are {', '.join(ORDER)}")
    return Folder(path, dict(by_place), ours)


def read(found: Found, recording: str, duration: Seconds | None = None) -> Reference:
    """What the files say of a recording. A broken one among others is noted; raises its error when none is left.

    recording: its name; where a file is about several, its lines alone are read. duration: of its sound, to tell
    references of another one.
    """
    if not found.files:
        raise NoInputError(f"{recording} has no reference", "; ".join(found.notes) or "see --references")
    notes = list(found.notes)
    good: list[tuple[str, Path, _Read]] = []
    first_error: SpeechcliError | None = None
    for path in found.files:
        try:
            one = _read(path, recording)
            _refuse_another(one, path, recording, duration)
        except SpeechcliError as error:
            first_error = first_error or error
            notes.append(f"{path.name} is not used: {error.message}")
        else:
            good.append((_format(path) or "txt", path, one))
    if not good:
        assert first_error is not None
        raise first_error
    good.sort(key=lambda row: ORDER.index(row[0]))
    return _together([(path, one) for _, path, one in good], recording, duration, notes)


# --- one file ---


@dataclass(frozen=True, slots=True)
class _Read:
    """What one file says. empty: whether it is of words, and has none."""

    text: str | None = None
    segments: tuple[Segment, ...] = ()
    turns: tuple[Turn, ...] = ()
    uem: tuple[Span, ...] | None = None
    ignored: tuple[Span, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def words(self) -> tuple[Word, ...]:
        """None where a segment has none."""
        spoken = [segment for segment in self.segments if segment.text.strip()]
        return tuple(w for s in spoken for w in s.words) if all(s.words for s in spoken) else ()

    @property
    def end(self) -> Seconds:
        spans: tuple[Span, ...] = (*self.segments, *self.turns)
        return max((span.end for span in spans), default=0.0)


def _read(path: Path, recording: str) -> _Read:
    raw = opened.bytes_of(path)
    if opened.is_sound(raw) or opened.is_office(raw):
        raise DataError(f"{path.name} is no text file", "save it as plain text")
    text, note = opened.decoded(raw, path.name)
    kind, shown = _format(path) or "txt", opened.kind_of(text)
    if shown and (kind, shown) != ("txt", "json"):  # captions are often called .txt; a text may begin with a bracket
        kind = shown
    notes = [note] if note else []
    text, told = _own_lines(text, kind, path.name, recording)
    notes += told
    if kind == "txt":
        words, about = said_in(text, path.name)
        return _Read(words, notes=(*notes, *about))
    if kind == "uem":
        return _Read(uem=tuple(merged(_uem(text, path.name))), notes=tuple(notes))
    transcript = table.parsed(kind, text, path.name)
    notes += transcript.verdict.notes
    if models := [stage.model or stage.engine for stage in transcript.made_by if stage.stage not in _BY_HAND]:
        edited = any(stage.stage == "edit" for stage in transcript.made_by)
        known = "and edited: what was left as it was counts as right" if edited else "and is compared with all the same"
        notes.append(f"{path.name} was made with {models[0]} {known}")
    if kind == "rttm":
        turns = of_rttm(text)
        if n := len(turns) - len(apart(turns)):
            which = "a turn overlaps" if n == 1 else f"{n} turns overlap"
            notes.append(
                f"{path.name}: {which} another one of the same speaker: both count, as pyannote.metrics has it"
            )
        return _Read(turns=turns, notes=tuple(notes))
    ignored: tuple[Span, ...] = ()
    if kind == "stm":
        transcript, ignored = _choices(transcript), tuple(merged(_not_scored(text)))
        if transcript.text != table.parsed("stm", text, path.name).text:
            notes.append(f"{path.name} gives alternatives: the first of each is taken")
    segments = tuple(sorted(transcript.segments, key=lambda s: s.start))
    said = "\n".join(s.text for s in segments) if segments or not transcript.turns else None
    return _Read(said, segments, transcript.turns, ignored=ignored, notes=tuple(notes))


def said_in(text: str, name: str) -> tuple[str, list[str]]:
    """The lines of a plain text, and notes. Who speaks, named before what is said ("ANNA: Hello."), is no word of it.

    >>> said_in("[anna]: Hello.\\n\\n[ben]: Good morning.", "talk.txt")
    ('Hello.\\nGood morning.', [])
    """
    rows, notes = plain.segments(text.lstrip("\ufeff"), name, lines=True)
    if any(row.speaker is not None for row in rows):
        return "\n".join(row.text for row in rows), notes
    return "\n".join(line for line in map(str.strip, text.lstrip("\ufeff").splitlines()) if line), []


def _own_lines(text: str, kind: str, name: str, recording: str) -> tuple[str, list[str]]:
    """The lines about the recording, and a note where the only ones there are call it something else.

    Raises DataError for a file about several others.
    """
    held = _held(text, kind)
    if not held:
        return text, []
    names = _ids(recording)
    own = [one for one in held if one in names]
    if not own and len(held) > 1:
        raise DataError(
            f"{name} is about {', '.join(held[:3])}{', ...' if len(held) > 3 else ''}, and not about {recording}",
            "its lines name the recording they are about",
        )
    if not own:
        return text, [f"{name} calls its recording {held[0]}, not {rows_of.file_id(recording)}"]
    if len(held) == 1:
        return text, []
    if kind == "json":
        return json.dumps([row for row in json.loads(text) if str(row["session_id"]).casefold() in names]), []
    column = _COLUMN[kind]
    kept = ((line, line.split()) for line in text.split("\n"))
    return "\n".join(line for line, parts in kept if len(parts) > column and parts[column].casefold() in names), []


def _held(text: str, kind: str | None) -> list[str]:
    """The recordings that a file names, casefolded as NIST's tools do, by first appearance; none for most formats."""
    if kind == "json":
        try:
            rows = json.loads(text) if text.lstrip("\ufeff \t\r\n").startswith("[") else []
        except (ValueError, RecursionError):
            return []  # its reader says what is wrong
        named = [row.get("session_id") if isinstance(row, dict) else None for row in rows]
        return list(dict.fromkeys(str(name).casefold() for name in named)) if all(named) else []
    column = _COLUMN.get(kind or "")
    if column is None:
        return []
    lines = (line.split() for line in text.split("\n") if not line.lstrip().startswith(_COMMENT))
    return list(dict.fromkeys(parts[column].casefold() for parts in lines if len(parts) > column))


def _uem(text: str, name: str) -> Iterator[Span]:
    """UEM (NIST): `<file> <channel> <start> <end>`. Raises DataError with the line."""
    for line, row in enumerate(text.split("\n"), 1):
        parts = row.split()
        if not parts or parts[0].startswith(_COMMENT):
            continue
        if len(parts) != 4:
            raise DataError(f"{name}, line {line}: {len(parts)} columns where UEM has 4")
        start, end = rows_of.number(parts[2], name, line), rows_of.number(parts[3], name, line)
        if end > start:
            yield Span(start, end)


def _not_scored(text: str) -> Iterator[Span]:
    """The stretches of an STM that its author wants out of the score."""
    for parts in (line.split() for line in text.split("\n")):
        if len(parts) > 5 and not parts[0].startswith(_COMMENT) and parts[-1].lower() == _IGNORED:
            yield Span(tidy(float(parts[3])), tidy(float(parts[4])))


def _choices(transcript: Transcript) -> Transcript:
    """An STM with the first of each of its alternatives, for no scorer here knows of them."""
    segments = []
    for segment in transcript.segments:
        text = " ".join(_ALTERNATIVES.sub(lambda match: match[1].replace("@", ""), segment.text).split())
        if text:
            segments.append(replace(segment, text=text) if text != segment.text else segment)
    return replace(transcript, segments=tuple(segments))


# --- several files ---


def _together(read: list[tuple[Path, _Read]], recording: str, duration: Seconds | None, notes: list[str]) -> Reference:
    for _, one in read:
        notes += one.notes
    spoken = [(path, one) for path, one in read if one.text is not None]
    text = next((one.text for _, one in spoken if one.text), spoken[0][1].text if spoken else None)
    if spoken and not text:
        notes.append(f"{spoken[0][0].name} is empty: all words that were heard count as inserted")
    source = next((path for path, one in spoken if one.text), None)
    for path, one in spoken:
        if source is not None and path != source and one.text and _folded(one.text) != _folded(text or ""):
            notes.append(f"{path.name} has other words than {source.name}: those of {source.name} count")
    if duration and (n := len((text or "").split())) > max(ENOUGH, FASTEST * duration):
        notes.append(f"{n} words in {duration:.0f} s of {recording}: is this the right reference?")
    timed = [one.segments for _, one in read if one.segments]
    attributed = [row for row in timed if all(s.speaker is not None for s in row)]
    segments = next(iter([*attributed, *timed]), None)
    turns = next((one.turns for _, one in read if one.turns), None)
    if turns is None and attributed:
        turns = tuple(apart(Turn(s.start, s.end, s.speaker) for s in attributed[0] if s.speaker is not None))
    if turns is None and any(_format(path) == "rttm" for path, _ in read):
        turns = ()  # nobody speaks
    return Reference(
        files=tuple(path for path, _ in read),
        text=text,
        segments=segments,
        words=next((one.words for _, one in read if one.words), None),
        turns=turns,
        uem=next((one.uem for _, one in read if one.uem is not None), None),
        ignored=tuple(merged(span for _, one in read for span in one.ignored)),
        notes=tuple(dict.fromkeys(notes)),
    )


def _refuse_another(one: _Read, path: Path, recording: str, duration: Seconds | None) -> None:
    if duration and one.end > duration + LATE:
        raise DataError(
            f"{path.name} goes on to {one.end:.1f} s and {recording} ends at {duration:.1f} s",
            "is it the reference of another recording?",
        )


def _folded(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


# --- names ---


def _kept(paths: Iterable[Path], ours: Ours) -> Found:
    """Without what speechcli or a model wrote: against itself everybody is right."""
    files, notes = [], []
    for path in paths:
        if why := "speechcli wrote it" if ours(path) else _made_by(path):
            notes.append(f"{path.name} is no reference: {why}")
        else:
            files.append(path)
    return Found(tuple(files), tuple(notes))


def _made_by(path: Path) -> str:
    """What in a JSON document shows that a model found its words; "" where nothing does."""
    if _format(path) != "json":
        return ""
    try:
        text, _ = opened.text_of(path)
        data: Any = json.loads(text)
        if isinstance(data, dict) and str(data.get("schema")).startswith("speechcli/"):
            stages = [(row["stage"], row["model"] or row["engine"]) for row in data["provenance"]["made_by"]]
            if any(stage == "edit" for stage, _ in stages):
                return ""
            made = next((model for stage, model in stages if stage not in _BY_HAND), None)
            return "" if made is None else f"speechcli made it with {made}"
    except (SpeechcliError, ValueError, KeyError, TypeError, RecursionError):
        return ""  # its reader says what is wrong
    return "a model's own figures are in it" if any(key in text for key in _BY_MACHINE) else ""


def _format(path: PurePath) -> str | None:
    """The kind of reference that a name promises."""
    stem = _stem(path)
    return None if stem is None else SUFFIXES[path.name[len(stem) :].lower()]


def _stem(path: PurePath) -> str | None:
    """The name without the suffix of a reference; None where it has none. Hidden files are none.

    >>> _stem(PurePath("talk.seglst.json")), _stem(PurePath("talk.labels.txt")), _stem(PurePath("talk.wav"))
    ('talk', 'talk.labels', None)
    """
    name = path.name
    for suffix in SUFFIXES:  # the long ones come first
        if name.lower().endswith(suffix) and len(name) > len(suffix) and not name.startswith("."):
            return name[: -len(suffix)]
    return None


def _stems(recording: PurePath) -> list[str]:
    """What a reference of the recording may be called, without its suffix.

    >>> _stems(PurePath("a/talk.wav"))
    ['talk', 'talk.ref', 'talk.wav']
    """
    return [recording.stem, f"{recording.stem}.ref", recording.name]


def nearest(folder: PurePath, others: Iterable[PurePath]) -> PurePath | None:
    """The one of `others` that ends in most of the folder's own last names; None where none or two do.

    >>> nearest(PurePath("talks/b"), [PurePath("kept/talks/b"), PurePath("kept/other/b"), PurePath("kept/c")])
    PurePosixPath('kept/talks/b')
    """

    def alike(other: PurePath) -> int:
        both = zip(reversed(folder.parts), reversed(other.parts), strict=False)
        return sum(1 for _ in takewhile(lambda names: names[0] == names[1], both))

    first, second = sorted(others, key=alike, reverse=True)[:2]
    return first if alike(first) > alike(second) else None


def _ids(recording: str) -> frozenset[str]:
    """What the lines of a file may call the recording, casefolded."""
    names = (recording, PurePath(recording).name, PurePath(recording).stem, rows_of.file_id(recording))
    return frozenset(rows_of.field(name, "").casefold() for name in names) | {name.casefold() for name in names}


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()  # a pipe would be waited for
    except OSError:
        return False
