"""The whole question: what is to be heard, how, and where the answers go."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from speechcli.backends.base import Counts, Hints
from speechcli.backends.catalog import SHORTEST, Family
from speechcli.backends.registry import Resolved
from speechcli.core.languages import code_of
from speechcli.core.span import Seconds, Span
from speechcli.errors import UsageError
from speechcli.scoring.references import Folder
from speechcli.timeline.cues import Style
from speechcli.timeline.units import Unit
from speechcli.timeline.windows import Rules

GENERATION = 2  # counted up when the same question gets another answer, so that old answers are made anew


@dataclass(frozen=True, slots=True)
class Question:
    """Everything but the recording that determines the answer.

    revision: digest or commit of the weights. clips: parts to listen to, all when empty. judged: whether a speech
    detector listens (`--vad`). aligner: name, revision and settings of the model that times the words. raw: whether the
    model's own strings are kept. text: digest of a text that is aligned, for which `model` only listens where it is,
    or of a transcript whose speakers are asked for. diarizer: name, revision and settings of the model that tells who
    speaks. speakers: how many there may be. turns: who speaks when is all that is asked (`diarize`); without a model
    nothing is transcribed. split: each channel is heard by itself, and is a speaker.
    """

    model: str
    revision: str
    dtype: str = "auto"
    settings: tuple[tuple[str, str], ...] = ()
    hints: Hints = Hints()
    rules: Rules = Rules()
    judged: bool = True
    track: int | None = None  # the one the file prefers
    channel: int | None = None
    clips: tuple[Span, ...] = ()
    aligner: tuple[str, ...] = ()
    raw: bool = False
    text: str = ""
    diarizer: tuple[str, ...] = ()
    speakers: Counts = field(default_factory=Counts)
    turns: bool = False
    split: bool = False

    def key(self) -> str:
        """Digest of the question; the same for the same answer."""
        asked = asdict(self)
        if not (self.diarizer or self.turns):  # as it was before anybody could ask for speakers
            for name in ("diarizer", "speakers", "turns"):
                del asked[name]
        if not self.split:
            del asked["split"]
        return digest({"generation": GENERATION, **asked})


@dataclass(frozen=True, slots=True)
class Page:
    """What a page (html) has beside the transcript.

    embed: the recording itself lies in it. references: what was really said; one: in one file, that of the only
    recording whatever its name. ffmpeg: None for the one that is found. listed: roots whose recordings get a page that
    lists them.
    """

    embed: bool = False
    references: Folder | None = None
    one: bool = False
    ffmpeg: Path | None = None
    listed: frozenset[Path] = frozenset()


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a transcript is written: which formats, in which style, under which names for speakers."""

    formats: tuple[str, ...]
    style: Style = Style()
    speakers: Mapping[str, str] = field(default_factory=dict)
    words: bool = True
    demanded: bool = True  # False: formats the transcript cannot fill are left out (`-f all`)
    unit: Unit = "word"
    page: Page = Page()

    def key(self, captions: bool) -> str:
        """Digest of what determines the bytes of an output; the style matters to captions only. Pages: `pages.key`."""
        style = asdict(self.style) if captions else None
        return digest({"style": style, "speakers": dict(self.speakers), "words": self.words, "unit": self.unit})


@dataclass(frozen=True, slots=True)
class Text:
    """A text that a recording is aligned with, or a transcript whose speakers are asked for.

    name: what to call it to people. entry: its name in the manifest, "" for that of its file. language: as the user, or
    the file, says. cues: it came as captions, which are to stay. lines: each of its lines is a unit of its own. turns:
    a file that says who speaks when, instead of a model.
    """

    path: Path
    name: str
    entry: str
    language: str | None = None
    cues: bool = False
    lines: bool = False
    turns: Path | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One recording, the question about it, and the files to fill.

    name: what to call it to people. entry: its name in the manifest. outputs: format and path; empty when it goes to
    stdout. root: where the manifest lies. state: folder of the journal; None for no journal. demanded: named by the
    user, not found in a folder. speakers: names that a list gives for this recording's. lasting: False for what was
    spooled or fetched and will be gone. tree: the folder that it was found under.
    """

    media: Path
    name: str
    entry: str
    question: Question
    outputs: tuple[tuple[str, Path], ...]
    root: Path
    state: Path | None
    weight: Seconds = 0.0  # longest first: seconds of media, roughly
    demanded: bool = True
    speakers: Mapping[str, str] = field(default_factory=dict)
    text: Text | None = None
    lasting: bool = True
    tree: Path | None = None

    @property
    def kind(self) -> str:
        """Which command's answer it is, "" for transcripts and texts with times."""
        return "diarize" if self.question.turns else ""

    @property
    def key_of_entry(self) -> tuple[str, str, str]:
        """What the manifest knows it by."""
        return self.entry, self.text.entry if self.text is not None else "", self.kind

    def rendering(self, for_all: Rendering) -> Rendering:
        """How this recording is written: as all others, but for the names of its speakers and captions that stay."""
        own = replace(for_all, speakers={**for_all.speakers, **self.speakers}) if self.speakers else for_all
        if self.text is not None and self.text.cues:
            return replace(own, style=replace(own.style, keep_cues=True))
        return own

    @property
    def journal(self) -> Path | None:
        """Where the finished windows are kept while the recording is in work."""
        if self.state is None:
            return None
        stem = self.outputs[0][1].name if self.outputs else self.media.name
        encoded = stem.encode("utf-8", "surrogateescape")
        if len(encoded) > 200:  # names end at 255 bytes
            stem = hashlib.blake2b(encoded, digest_size=16).hexdigest()
        return self.state / f".{stem}.journal"

    def key(self, fingerprint: str) -> str:
        """Digest of recording and question, as far as the windows' answers go: who speaks is asked of all of it."""
        windows = replace(self.question, diarizer=(), speakers=Counts(), turns=False)
        return digest({"question": windows.key(), "media": fingerprint})


def rules_of(family: Family, name: str, chunk: Seconds | None = None, aligner: Family | None = None) -> Rules:
    """How the recordings of a model are cut. chunk: seconds of a window as the user wants them. Raises UsageError.

    aligner: what times its words. A model without times gives a window as one segment, which that has to hear at once.
    """
    hears = family if aligner is None or family.times else aligner
    most = min(family.most, hears.most)
    longest = chunk or min(family.longest, hears.longest)
    if not SHORTEST <= longest <= most:
        why = f", {most:g} with word times" if most < family.most else ""
        raise UsageError(
            f"--chunk-size {longest:g}: {name} hears {SHORTEST:g} to {family.most:g} seconds in one pass{why}"
        )
    return Rules(
        longest,
        gap=min(family.gap, longest),
        reach=min(family.reach, longest / 3),
        overlap=min(family.overlap, longest / 10),
    )


def counts_of(num: int | None, least: int | None, most: int | None) -> Counts:
    """How many speakers there may be, where `num` excludes the others. Raises UsageError."""
    for option, n in (("num-speakers", num), ("min-speakers", least), ("max-speakers", most)):
        if n is not None and not isinstance(n, int):
            raise UsageError(f"{option} {n!r}: not a whole number")
        if n is not None and n < 1:
            raise UsageError(f"{option} {n}: at least one speaks", "leave it out to find out how many")
    if num is not None:
        if least is not None or most is not None:
            raise UsageError("num-speakers excludes min-speakers and max-speakers", "a number, or its bounds")
        return Counts(num, num)
    if least is not None and most is not None and least > most:
        raise UsageError(f"min-speakers {least} is more than max-speakers {most}")
    return Counts(least or 1, most)


def language_of(name: str) -> str:
    """The code of a language by its code or English name. Raises UsageError."""
    if (code := code_of(name)) is None:
        raise UsageError(f"language {name!r}: no such language", "a code (de) or an English name")
    return code


def hints_of(language: str | Sequence[str] | None, task: str, hotwords: Sequence[str], context: str) -> Hints:
    """What a model is told. language: one, several that are possible, None to find out. Raises UsageError."""
    names = (language,) if isinstance(language, str) else tuple(language or ())
    if task not in ("transcribe", "translate"):
        raise UsageError(f"task {task!r}: no such task", "transcribe or translate")
    return Hints(tuple(dict.fromkeys(map(language_of, names))), tuple(hotwords), context, task)


def told_of(aligner: Resolved | None) -> tuple[str, ...]:
    """What of an aligner, or a diarizer, determines the answer."""
    if aligner is None:
        return ()
    wanted = aligner.wanted
    settings = [f"{key}={text}" for key, text in wanted.told]
    if wanted.longest is not None:
        settings.append(f"longest={wanted.longest:g}")
    return (aligner.name, aligner.revision, wanted.dtype, *settings)


def digest(value: object) -> str:
    """Short digest of plain data."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
