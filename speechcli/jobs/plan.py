"""Inputs to jobs: where each answer goes, and what is still to be done."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from speechcli.errors import NoInputError, OutputError, SpeechcliError, UsageError, from_os
from speechcli.formats import table
from speechcli.jobs import manifest as manifests
from speechcli.jobs import pages
from speechcli.jobs.job import Job, Question, Rendering, Text
from speechcli.jobs.manifest import Entry, Manifest
from speechcli.media import files
from speechcli.media.files import Input

ALIGNED = ".aligned"  # before the suffix of what is written beside recordings and texts
DIARIZED = ".diarized"  # the same of transcripts whose speakers were found
_LONGEST_NAME = 255  # bytes, on every file system we know
_UNSEEN = dict.fromkeys([0, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])  # NUL, bidi overrides
_BYTES_A_SECOND = {
    ".wav": 150_000,
    ".aif": 150_000,
    ".aiff": 150_000,
    ".flac": 60_000,
    ".mkv": 200_000,
    ".mp4": 200_000,
    ".mov": 400_000,
}


@dataclass(frozen=True, slots=True)
class Do:
    """To be transcribed, and why."""

    job: Job
    why: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Nothing to do: all is there, made from the same recording by the same question."""

    job: Job
    entry: Entry


@dataclass(frozen=True, slots=True)
class Render:
    """To be written anew from our own json, without a model."""

    job: Job
    entry: Entry
    document: Path


@dataclass(frozen=True, slots=True)
class Refuse:
    """Not to be touched."""

    job: Job
    error: SpeechcliError


Decision: TypeAlias = Do | Skip | Render | Refuse


@dataclass(frozen=True, slots=True)
class Wish:
    """A recording and the question about it.

    lasting: False for what was spooled or fetched and will be gone. output: name that a list gave for its outputs,
    speakers: names that it gave for its speakers. text: what it is to be aligned with.
    """

    source: Input
    question: Question
    lasting: bool = True
    output: str | None = None
    speakers: Mapping[str, str] = field(default_factory=dict)
    text: Text | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where answers go. output: one file; folder: a tree; neither: beside the inputs. stdout: nowhere on disk."""

    formats: tuple[str, ...]
    output: Path | None = None
    folder: Path | None = None
    stdout: bool = False
    state: Path | None = None


def delivery(
    formats: Sequence[str],
    output: str | None,
    folder: Path | None,
    state: Path | None,
    n_inputs: int,
    default: str = "srt",
) -> Delivery:
    """The user's `-f`, `-o` and `--output-dir`, put together. Raises UsageError where they contradict."""
    if output is not None and folder is not None:
        raise UsageError("--output and --output-dir exclude each other")
    if output is None:
        return Delivery(tuple(formats) or (default,), folder=folder, state=state)
    of_suffix = table.by_suffix(Path(output))
    if not formats:
        formats = (of_suffix.name,) if of_suffix is not None else (default,)
    one = n_inputs == 1 and len(formats) == 1
    if output == "-":
        if not one:
            raise UsageError("-o - takes one input and one format", f"{n_inputs} inputs, formats: {', '.join(formats)}")
        return Delivery(tuple(formats), stdout=True, state=state)
    path = Path(output)
    if of_suffix is not None and not path.is_dir():
        if not one:
            raise UsageError(f"{output} is one file, for one input and one format", "name a folder")
        return Delivery(tuple(formats), output=path, state=state)
    return Delivery(tuple(formats), folder=path, state=state)


def jobs(wishes: Sequence[Wish], where: Delivery) -> list[Job]:
    """A job for each wish, longest recordings first.

    Raises UsageError when an output would be an input, or that of another recording too.
    """
    stems = [_stem(wish, where) for wish in wishes]
    twins = Counter(map(_same_name, stems))
    roots: dict[Path, Path] = {}
    made = []
    for wish, stem in zip(wishes, stems, strict=True):
        source = wish.source
        mark = _mark(wish)
        whole = _clean(_named_after(wish).name) + (mark if mark and stem.name.endswith(mark) else "")
        name = stem.name if twins[_same_name(stem)] == 1 else whole
        outputs = () if where.stdout else tuple((f, _file(where, stem.parent, name, f)) for f in where.formats)
        top = where.folder or (where.output.parent if where.output is not None else source.root or stem.parent)
        root = roots[top] if top in roots else roots.setdefault(top, manifests.nearest(top))
        state = where.state or (outputs[0][1].parent if outputs else None)
        entry = os.path.relpath(source.path, root).replace(os.sep, "/") if wish.lasting else source.name
        made.append(
            Job(
                source.path,
                source.name,
                entry,
                wish.question,
                outputs,
                root,
                state,
                _weight(source.path),
                source.explicit,
                wish.speakers,
                _known_to(root, wish.text),
                wish.lasting,
                source.root,
            )
        )
    taken = {os.path.realpath(job.media) for job in made}
    taken |= {os.path.realpath(job.text.path) for job in made if job.text is not None}
    owners: dict[Path, Job] = {}
    for job in made:
        for _, path in job.outputs:
            if os.path.realpath(path) in taken:
                raise UsageError(f"{path} is an input and would be overwritten", "choose another --output")
            if (other := owners.setdefault(path, job)) is not job:
                raise UsageError(
                    f"{other.name} and {job.name} would both become {path}",
                    "name the folder above them, whose tree is then kept",
                )
    return sorted(made, key=lambda job: -job.weight)


def decide(
    job: Job, manifest: Manifest, rendering: Rendering, overwrite: bool = False, skip_existing: bool = True
) -> Decision:
    """What is to be done about a job, from what lies on disk."""
    manifest.refresh()  # another process may be at work here
    foreign = [path for _, path in job.outputs if os.path.lexists(path) and manifest.output(path) is None]
    if foreign and not overwrite:
        problem = "is a folder" if foreign[0].is_dir() else "exists and is not what speechcli wrote there"
        return Refuse(job, OutputError(f"{foreign[0]} {problem}", "--overwrite replaces it, --output-dir spares it"))
    for _, path in job.outputs:
        owner = manifest.owner(path)
        if not overwrite and owner is not None and os.path.lexists(path) and _is_another(owner, job.media):
            problem = f"{path} is the transcript of {os.path.relpath(owner)}"
            return Refuse(job, OutputError(problem, "--overwrite replaces it, --output-dir spares it"))
        if not overwrite and manifest.kind(path) not in (None, job.kind) and os.path.lexists(path):
            other = "diarize" if manifest.kind(path) else "transcribe or align"
            problem = f"{path} was written by speechcli {other}, and holds something else"
            return Refuse(job, OutputError(problem, "--overwrite replaces it, --output-dir spares it"))
    entry = manifest.entries.get(job.key_of_entry)
    if entry is None or overwrite or not skip_existing:
        return Do(job, "--overwrite" if overwrite else "new" if entry is None else "--no-skip-existing")
    try:
        same = _same_recording(job.media, entry)
    except SpeechcliError as error:
        return Refuse(job, error)
    if not same:
        return Do(job, "the recording has changed")
    if entry.question != job.question.key():
        return Do(job, "model or options have changed")
    rendering = job.rendering(rendering)
    if all(_fresh(job, manifest, rendering, entry, name, path) for name, path in job.outputs):
        return Skip(job, entry)
    document = _document(manifest, entry)
    return Render(job, entry, document) if document is not None else Do(job, "an output is missing")


def _is_another(owner: Path, media: Path) -> bool:
    """Whether `owner` is a recording that is still there, and not `media` under another name."""
    try:
        return not os.path.samefile(owner, media)
    except OSError:
        return False


def _fresh(job: Job, manifest: Manifest, rendering: Rendering, entry: Entry, name: str, path: Path) -> bool:
    if name in entry.left_out and not rendering.demanded:
        return True
    made = manifest.output(path)
    return (
        made is not None
        and made == entry.outputs.get(manifest.name_of(path))
        and made.rendering == pages.key(name, path, job, rendering)
    )


def _document(manifest: Manifest, entry: Entry) -> Path | None:
    """Our json of this recording, as we wrote it with everything in it; else the page that holds it."""
    for name, output in sorted(entry.outputs.items(), key=lambda item: item[1].format != "json"):
        path = manifest.root / name
        if pages.holds_all(output) and manifest.output(path) == output:
            return path
    return None


def _same_recording(path: Path, entry: Entry) -> bool:
    try:
        stat = os.stat(path)
    except FileNotFoundError as error:
        raise NoInputError(f"{path} is gone") from error
    except OSError as error:
        raise from_os(error, f"reading {path}") from error
    if stat.st_size != entry.size:
        return False
    return stat.st_mtime_ns == entry.mtime_ns or files.fingerprint(path) == entry.fingerprint


def _stem(wish: Wish, where: Delivery) -> Path:
    """Folder and name of an input's outputs, without suffix."""
    source = wish.source
    if wish.output is not None:
        known = table.by_suffix(Path(wish.output))
        text = wish.output if known is None else wish.output[: -len(known.suffix)]
        return (where.folder or Path()) / text
    stem = _clean(_named_after(wish).stem)
    if wish.text is not None and (where.folder is None or _spoils(wish.text.path, where.folder)):
        stem += _mark(wish)  # beside recordings lie transcripts, and texts
    if where.output is not None:
        return where.output.parent / stem
    if where.folder is None:
        return (_named_after(wish).parent if wish.lasting else Path()) / stem
    if source.root is None:
        return where.folder / stem
    return where.folder / os.path.relpath(source.path.parent, source.root) / stem


def _named_after(wish: Wish) -> Path:
    """What gives an output its name and its place: the recording, or the transcript whose speakers are asked for."""
    if wish.question.turns and wish.text is not None:
        return wish.text.path
    return wish.source.path.parent / Path(wish.source.name).name


def _mark(wish: Wish) -> str:
    return "" if wish.text is None else DIARIZED if wish.question.turns else ALIGNED


def _spoils(text: Path, folder: Path) -> bool:
    """Whether a text lies in the tree of the outputs, where one of its name might come to lie."""
    return Path(os.path.realpath(text)).is_relative_to(os.path.realpath(folder))


def _known_to(root: Path, text: Text | None) -> Text | None:
    """The text under the name that the manifest of `root` knows it by."""
    if text is None or text.entry:
        return text
    return replace(text, entry=os.path.relpath(text.path, root).replace(os.sep, "/"))


def _file(where: Delivery, home: Path, name: str, format_name: str) -> Path:
    if where.output is not None:
        return where.output
    suffix = table.named(format_name).suffix
    encoded = os.fsencode(name)
    room = _LONGEST_NAME - len(suffix)
    if len(encoded) > room:
        mark = "~" + hashlib.blake2b(encoded, digest_size=4).hexdigest()
        name = os.fsdecode(encoded[: room - len(mark)]).encode("utf-8", "ignore").decode() + mark
    return home / (name + suffix)


def _clean(name: str) -> str:
    return name.translate(_UNSEEN) or "recording"


def _same_name(path: Path) -> str:
    """Equal for names that some file system takes for one."""
    return unicodedata.normalize("NFC", str(path)).casefold()


def _weight(path: Path) -> float:
    """Seconds of media, roughly, without opening the file."""
    try:
        return os.stat(path).st_size / _BYTES_A_SECOND.get(path.suffix.lower(), 16_000)
    except OSError:
        return 0.0


def top(jobs: Sequence[Job]) -> Path:
    """The folder above all the roots of these jobs. Raises UsageError."""
    try:
        return Path(os.path.commonpath({os.path.abspath(job.root) for job in jobs}))
    except ValueError as error:
        raise UsageError("the recordings lie on several drives, with no folder above", "give --output-dir") from error


def load_manifests(made: Sequence[Job]) -> Mapping[Path, Manifest]:
    """The manifest of every root."""
    return {root: manifests.load(root) for root in dict.fromkeys(job.root for job in made)}
