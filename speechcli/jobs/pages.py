"""What an HTML page of a recording has beside its transcript: the recording, its outline, its errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from speechcli.core.transcript import Transcript
from speechcli.errors import NoInputError, SpeechcliError, UsageError
from speechcli.formats import table
from speechcli.formats.html import reading
from speechcli.formats.html.beside import Beside, Mark, Media, Peaks
from speechcli.jobs import listing
from speechcli.jobs.job import Job, Page, Rendering, digest
from speechcli.jobs.manifest import Manifest, Output, load, nearest
from speechcli.jobs.output import digest_of
from speechcli.media import embedding, ffmpeg, files, peaks, probe
from speechcli.scoring import references, words
from speechcli.scoring.references import Folder, Found

NORMALIZER = "english"  # Whisper's, which most figures are given in


@dataclass(frozen=True, slots=True)
class Source:
    """A recording that a page is about. name: what to call it to people. lasting: it stays where it is.

    track: the one that was heard; None for the one the file prefers.
    """

    path: Path
    name: str
    track: int | None = None
    lasting: bool = True


@dataclass(frozen=True, slots=True)
class Made:
    """What a page has, and why not more. notes: a line each for people. key: of its rendering, as it came out.

    errors: of what was asked and is not in it.
    """

    beside: Beside
    notes: tuple[str, ...] = ()
    errors: tuple[SpeechcliError, ...] = ()
    key: str = ""


def key(name: str, path: Path, job: Job, rendering: Rendering) -> str:
    """Digest of what determines the bytes of an output of that format.

    Of a page it has two parts: of the transcript in it, and of what is around that.
    """
    form = table.named(name)
    if form.kind != "page":
        return rendering.key(captions=form.kind == "captions")
    return _key(rendering, rendering.page.embed, reference_of(job, rendering.page), _home(job, rendering.page, path))


def holds_all(output: Output) -> bool:
    """Whether an output has the transcript with everything in it, so that all others can be made of it."""
    full = Rendering(()).key(captions=False)
    return output.rendering == full if output.format == "json" else output.rendering.startswith(f"{full}.")


def transcript_in(path: Path) -> Transcript:
    """The transcript of a json or a page. Raises DataError and its like."""
    form = table.by_suffix(path)
    return reading.transcript(path) if form is not None and form.kind == "page" else table.read(path)


def of_job(job: Job, rendering: Rendering, transcript: Transcript, path: Path | None) -> Made:
    """What the page of a finished recording has. path: of the page; None for stdout. Raises nothing that a user meets:
    what is asked and cannot be had is in `errors`, and the page is made without it.
    """
    page = rendering.page
    home = "" if path is None else _home(job, page, path)
    source = _heard(job, transcript)
    marks: tuple[Mark, ...] | None = None
    line = ""
    notes: tuple[str, ...] = ()
    errors: list[SpeechcliError] = []
    reference = reference_of(job, page)
    if page.references is not None:
        try:
            found = _found(page.references, page, job.media, job.tree)
            marks, line, notes = scored(transcript, found, Path(job.name).name)
        except SpeechcliError as error:
            errors.append(error)
            reference = ()
    embedded = page.embed
    try:
        made = beside(transcript, source, path, page)
    except SpeechcliError as error:
        errors += [error] if page.embed else []
        embedded = False
        try:
            made = beside(transcript, source, path, replace(page, embed=False))
        except SpeechcliError as other:  # not the recording any more that was heard
            made = Made(Beside(), (f"no player: {other}",))
    return Made(
        replace(made.beside, marks=marks, scored=line, home=home),
        (*made.notes, *notes),
        tuple(errors),
        _key(rendering, embedded, reference, home),
    )


def _heard(job: Job, transcript: Transcript) -> Source | None:
    """The recording of a job; where turns were given for one that was not heard, the one that is found by name."""
    if job.text is None or job.text.turns is None:
        return Source(job.media, job.name, job.question.track, job.lasting)
    try:
        recording = recording_of(transcript, job.text.path)
    except UsageError:  # several may be meant
        return None
    return None if recording is None else Source(recording, recording.name, job.question.track)


def page_of(embed: bool, spoken: Path | None, program: Path | None = None) -> Page:
    """What pages are to have. spoken: file or folder of references. program: ffmpeg.

    Raises NoInputError for references that are not there, DataError, UnavailableError where nothing can compare them.
    """
    if spoken is None:
        return Page(embed, ffmpeg=program)
    words.wer("one", "two", NORMALIZER)  # told before a night's work
    return Page(embed, references.folder(spoken, Ours()), spoken.is_file(), program)


def for_all(page: Page, jobs: Sequence[Job], program: Path) -> Page:
    """The same for these recordings, which several of a root have a list of. program: ffmpeg."""
    roots = Counter(job.root for job in jobs)
    listed = frozenset(root for root, n in roots.items() if n > 1)
    return replace(page, one=page.one and len(jobs) == 1, ffmpeg=program, listed=listed)


class Ours:
    """Whether speechcli wrote a file, by the manifests of the folders above."""

    def __init__(self) -> None:
        self._manifests: dict[Path, Manifest] = {}

    def __call__(self, path: Path) -> bool:
        root = nearest(path.parent)
        if root not in self._manifests:
            self._manifests[root] = load(root)
        return self._manifests[root].output(path) is not None


def of_file(
    transcript: Transcript, text: Path | None, path: Path | None, page: Page, media: Path | None, home: str = ""
) -> Made:
    """What the page of a transcript in a file has. text: the file, None for stdin. path: of the page, None for stdout.

    media: its recording, or the folder of it, None for the text's. Raises NoInputError, MediaError and their like for a
    recording that was named, or is to be embedded, and for a reference that cannot be read.
    """
    folder = media if media is not None and media.is_dir() else Path() if text is None else text.parent
    source = media
    if source is None or source == folder:
        source = recording_of(transcript, text or Path(transcript.source), folder)
    if source is None and media is None and text is not None:
        source = _made_from(text)
    name = Path(transcript.source).name if source is None else source.name
    marks: tuple[Mark, ...] | None = None
    line = ""
    notes: tuple[str, ...] = ()
    if page.references is not None:
        found = _found(page.references, page, source if source is not None else folder / name)
        marks, line, notes = scored(transcript, found, name)
    if source is None:
        if page.embed:
            raise NoInputError(f"{name}: the recording to embed is not in {folder}", "--media names it")
        why = f"no player: {name} is not in {folder}; --media names it"
        return Made(Beside(marks=marks, scored=line, home=home), (why, *notes))
    made = beside(transcript, Source(source, source.name), path, page)
    return Made(replace(made.beside, marks=marks, scored=line, home=home), (*made.notes, *notes))


def beside(transcript: Transcript, source: Source | None, path: Path | None, page: Page) -> Made:
    """The player and the outline of a recording. path: of the page, None for stdout, as if in the current folder.

    Raises MediaError and its like for a recording that cannot be read, or not be embedded, as `embedding.embedded`.
    """
    if source is None:
        return Made(Beside(), ("no player: the recording is not known",))
    try:
        program = page.ffmpeg or ffmpeg.find()
    except SpeechcliError as error:
        if page.embed:
            raise
        return Made(Beside(Media(_link(source, path))), (f"no waveform: {error}",))
    facts = probe.probe(source.path, program, Path(source.name).name)
    track = source.track if source.track is not None else _track_of(transcript)
    if track is not None and track >= len(facts.tracks):
        track = None
    drawn = peaks.outline(source.path, facts, program, track)
    outline = Peaks(drawn.values, drawn.rate) if drawn.values else None
    if page.embed:
        held = embedding.embedded(source.path, facts, program, track)
        return Made(Beside(Media("", held.data, held.mime, held.video), outline))
    if not source.lasting:
        return Made(
            Beside(peaks=outline), (f"no player: {_fleeting(source.name)}; --embed-media puts it into the page",)
        )
    how = embedding.playing(source.path, facts)
    notes = []
    if how.problem:
        notes.append(f"the page cannot play it: {how.problem}; --embed-media puts a copy into the page that they play")
    if how.roughly:
        kind = "MP3 of a variable bit rate" if how.mime == "audio/mpeg" else "a bare AAC file"
        notes.append(f"browsers find moments in {kind} only roughly; --embed-media puts a copy into the page")
    heard = facts.preferred if track is None else track
    if heard != 0:
        notes.append(f"the page plays track 0 and not {heard}, which was heard; --embed-media takes that one")
    return Made(Beside(Media(_link(source, path), b"", how.mime, how.video, how.problem), outline), tuple(notes))


def recording_of(
    transcript: Transcript, text: Path, folder: Path | None = None, option: str = "--media"
) -> Path | None:
    """The recording of a transcript in a file, by the name of its source, else by its own; None where there is none.

    folder: where it is looked for, None for beside the text. option: that names it. Raises UsageError where several may
    be meant.
    """
    folder = text.parent if folder is None else folder
    own = folder / Path(transcript.source).name
    if own.suffix.lower() in files.SUFFIXES and own.is_file():
        return own
    form = table.by_suffix(text)
    stem = text.name[: -len(form.suffix)] if form is not None else text.stem
    stems = {Path(transcript.source).stem, stem, stem.removesuffix(".aligned").removesuffix(".diarized")}
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return None
    found = [p for p in entries if p.suffix.lower() in files.SUFFIXES and p.stem in stems and p.is_file()]
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:3])
        raise UsageError(f"{text.name} may be of {names}", f"{option} names its recording")
    return found[0] if found else None


def reference_of(job: Job, page: Page) -> tuple[Path, ...]:
    """The files that say what was said in the recording of a job; none where they are not to be told."""
    try:
        return () if page.references is None else _found(page.references, page, job.media, job.tree).files
    except SpeechcliError:
        return ()


def _made_from(text: Path) -> Path | None:
    """The recording that we made a transcript from, as the manifest of its folder knows."""
    owner = load(nearest(text.parent)).owner(text)
    return owner if owner is not None and owner.suffix.lower() in files.SUFFIXES and owner.is_file() else None


def _found(known: Folder, page: Page, media: Path, tree: Path | None = None) -> Found:
    """The files among the references that are a recording's. Raises DataError."""
    if page.one:
        known = replace(known, by_place={media.stem: [path for paths in known.by_place.values() for path in paths]})
    return known.of(media, tree)


def scored(transcript: Transcript, found: Found, name: str) -> tuple[tuple[Mark, ...] | None, str, tuple[str, ...]]:
    """Marks, a line on how it was compared, and notes; no marks where there is no reference for the recording.

    Raises DataError for one that cannot be read, UnavailableError without jiwer.
    """
    if not found.files:
        return None, "", (f"no errors shown: {'; '.join(found.notes) or 'there is no reference for it'}",)
    reference = references.read(found, name, transcript.duration)
    if reference.text is None:
        return None, "", (f"no errors shown: {found.files[0].name} has no words", *reference.notes)
    marks, rate = words.marks(transcript, reference.text, NORMALIZER)
    return marks, words.told(rate, NORMALIZER), reference.notes


def _key(rendering: Rendering, embedded: bool, reference: tuple[Path, ...], home: str) -> str:
    around = {
        "style": asdict(rendering.style),
        "embedded": embedded,
        "reference": [digest_of(path) for path in reference],
        "home": home,
    }
    return f"{rendering.key(captions=False)}.{digest(around)}"


def _home(job: Job, page: Page, path: Path) -> str:
    return listing.home(job.root, path, job.root in page.listed)


def _link(source: Source, path: Path | None) -> str:
    return listing.address(source.path, Path() if path is None else path.parent)


def _track_of(transcript: Transcript) -> int | None:
    known = dict(transcript.recording).get("track", "")
    return int(known) if known.isdecimal() else None


def _fleeting(name: str) -> str:
    return f"{name} is not kept"
