"""The formats by name and by suffix. Their modules are imported when one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path, PurePath
from typing import Any, Literal, TypeAlias

from speechcli.core.span import Seconds
from speechcli.core.transcript import Segment, Transcript
from speechcli.errors import DataError, UsageError
from speechcli.formats.html.beside import NOTHING, Beside
from speechcli.timeline.cues import Style, cues

Kind: TypeAlias = Literal["captions", "lines", "document", "page"]
Needs: TypeAlias = Literal["", "words", "speakers", "segments", "talk"]


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write a transcript.

    kind: what its module offers: `captions(cues, style)`, `lines(segments)`, `document(transcript)` or
    `page(transcript, style, beside)`, all to pieces of text. reads: whether files of it can be read. streams: whether
    it can be written as segments come. needs: what a transcript must have to fill it; talk: segments or turns.
    """

    name: str
    suffix: str
    kind: Kind
    reads: bool
    streams: bool
    needs: Needs
    summary: str
    module: str


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("json", ".json", "document", True, False, "", "everything we know; whisperX's JSON and more", "jsondoc"),
        Format("srt", ".srt", "captions", True, True, "segments", "SubRip subtitles", "srt"),
        Format("vtt", ".vtt", "captions", True, True, "segments", "WebVTT subtitles for the web", "vtt"),
        Format("txt", ".txt", "lines", False, True, "segments", "plain text, a line a segment or a speech", "txt"),
        Format("tsv", ".tsv", "lines", True, True, "segments", "start, end (ms) and text, as Whisper has it", "tsv"),
        Format("lrc", ".lrc", "captions", False, True, "segments", "lyrics for music players", "lrc"),
        Format("ass", ".ass", "captions", False, True, "segments", "styled subtitles, karaoke", "ass"),
        Format("ctm", ".ctm", "document", True, False, "words", "words with times, for scoring", "ctm"),
        Format("stm", ".stm", "document", True, False, "segments", "segments, for scoring", "stm"),
        Format("rttm", ".rttm", "document", True, False, "speakers", "who spoke when", "rttm"),
        Format("textgrid", ".TextGrid", "document", True, False, "talk", "tiers for Praat", "textgrid"),
        Format("audacity", ".labels.txt", "document", False, False, "talk", "labels for Audacity", "audacity"),
        Format("verbose_json", ".verbose.json", "document", True, False, "segments", "OpenAI's answer", "verbose_json"),
        Format("seglst", ".seglst.json", "document", True, False, "segments", "segments for meeteval", "seglst"),
        Format("html", ".html", "page", False, False, "", "a page to listen, look and correct", "html.page"),
    )
}
_ALIASES = {
    "aud": "audacity",
    "labels": "audacity",
    "webvtt": "vtt",
    "subrip": "srt",
    "text": "txt",
    "verbose": "verbose_json",
    "jsondoc": "json",
    "grid": "textgrid",
    "htm": "html",
    "page": "html",
}
ALL = tuple(name for name, form in FORMATS.items() if form.kind != "page")
"""What `-f all` means. No page: for one the recording is decoded once more, and it is asked for by name."""
_READ_AS = {"verbose_json": "json", "seglst": "json"}  # what a JSON is, its content tells
_CURES = {
    "words": "use a model that gives words, or convert to a format without them",
    "speakers": "speechcli diarize finds out who speaks",
    "segments": "transcribe --diarize gives text and speakers; rttm, json, textgrid and audacity do without text",
}


def named(name: str) -> Format:
    """The format of that name, in any spelling. Raises UsageError with the names there are.

    >>> named("TextGrid").suffix
    '.TextGrid'
    """
    key = name.strip().lower().lstrip(".").replace("-", "_")
    key = _ALIASES.get(key, key)
    if key in FORMATS:
        return FORMATS[key]
    near = get_close_matches(key, [*FORMATS, *_ALIASES], n=1)
    question = f"did you mean {_ALIASES.get(near[0], near[0])}? " if near else ""
    raise UsageError(f"there is no format {name!r}", f"{question}there are {', '.join(FORMATS)}")


def by_suffix(path: str | PurePath) -> Format | None:
    """The format that a file's name asks for; the longest suffix wins.

    >>> by_suffix("talk.labels.txt").name, by_suffix("talk.mp3")
    ('audacity', None)
    """
    name = PurePath(path).name.lower()
    matches = [f for f in FORMATS.values() if name.endswith(f.suffix.lower()) and len(name) > len(f.suffix)]
    return max(matches, key=lambda f: len(f.suffix), default=None)


def pieces(name: str, transcript: Transcript, style: Style = Style(), beside: Beside = NOTHING) -> Iterator[str]:
    """The transcript in a format, piece by piece. Raises DataError when it lacks what the format needs.

    beside: what a page shows besides; the other formats have no place for it.
    """
    form = named(name)
    if (lack := missing(form.name, transcript)) is not None:
        raise DataError(lack, _CURES[form.needs])
    if form.kind == "page":
        page: Callable[[Transcript, Style, Beside], Iterator[str]] = _module(form).page
        return page(transcript, style, beside)
    if form.kind == "document":
        document: Callable[[Transcript], Iterator[str]] = _module(form).document
        return document(transcript)
    return stream(form.name, transcript.segments, style, lambda: transcript.duration)


def stream(
    name: str, segments: Iterable[Segment], style: Style = Style(), duration: Callable[[], Seconds] | None = None
) -> Iterator[str]:
    """Segments in a format as they come: the same bytes as `pieces` of the finished transcript.

    duration: of the recording, asked for when the segments have ended. Raises UsageError for a format that is written
    only as a whole.
    """
    form = named(name)
    if not form.streams:
        raise UsageError(
            f"{form.name} can only be written as a whole",
            f"{', '.join(f.name for f in FORMATS.values() if f.streams)} appear as they are heard",
        )
    module = _module(form)
    if form.kind == "lines":
        lines: Callable[[Iterable[Segment]], Iterator[str]] = module.lines
        return lines(segments)
    if form.name == "vtt":
        style = replace(style, labels=False)  # the voice is no part of the text
    captions: Callable[..., Iterator[str]] = module.captions
    return captions(cues(segments, style, duration), style)


def read(path: str | Path) -> Transcript:
    """The transcript in a file of any format we read, told by its content, else by its suffix.

    Raises NoInputError and its like for a file that cannot be opened, DataError for one that cannot be understood.
    """
    from speechcli.formats.opened import kind_of, text_of

    path = Path(path)
    text, note = text_of(path)
    form = FORMATS[shown] if (shown := kind_of(text)) else by_suffix(path)
    if form is None or not form.reads:
        raise DataError(
            f"{path.name} is in no format we read", f"we read {', '.join(f.name for f in FORMATS.values() if f.reads)}"
        )
    transcript = parsed(form.name, text, path.name)
    if note:
        verdict = transcript.verdict
        return replace(transcript, verdict=replace(verdict, notes=(*verdict.notes, note)))
    return transcript


def parsed(name: str, text: str, source: str) -> Transcript:
    """The transcript in a text of that format, one we read. Raises DataError when it cannot be understood."""
    reader: Callable[[str, str], Transcript] = _module(FORMATS[_READ_AS.get(name, name)]).read
    return reader(text, source)


def fillable(transcript: Transcript) -> list[str]:
    """Names of the formats that the transcript can fill."""
    return [name for name in FORMATS if missing(name, transcript) is None]


def missing(name: str, transcript: Transcript) -> str | None:
    """What the format needs and the transcript lacks; None when nothing. Without speech every format is filled."""
    form = named(name)
    n_segments = len(transcript.segments)
    if form.needs in ("words", "segments") and transcript.turns and not n_segments:
        return f"{form.name} needs text: only who spoke when is known"
    without = sum(not s.words for s in transcript.segments if s.text.strip())
    if form.needs == "words" and without:
        return f"{form.name} needs words with times: {without} of {n_segments} segments have none"
    if form.needs == "speakers" and n_segments and not transcript.speakers:
        return f"{form.name} needs speakers: none are known"
    return None


def left_out(name: str, transcript: Transcript) -> str | None:
    """What a filled format does not show of the transcript, worth a line; None when nothing."""
    without = sum(s.speaker is None for s in transcript.segments)
    if named(name).needs == "speakers" and not transcript.turns and without:
        return f"{named(name).name} leaves out {without} of {len(transcript.segments)} segments: nobody knows who spoke"
    return None


def _module(form: Format) -> Any:
    return import_module(f"speechcli.formats.{form.module}")
