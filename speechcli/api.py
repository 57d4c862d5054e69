"""The Python API: what the commands do, without the screen.

import speechcli
transcript = speechcli.transcribe("talk.mp3")
print(transcript.text)
speechcli.save(transcript, "talk.srt")
timed = speechcli.align("talk.mp3", Path("talk.txt"))
turns = speechcli.diarize("talk.mp3").turns
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, TypeAlias, TypeVar, overload

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechcli.backends import catalog, diarizers, printing, registry
from speechcli.backends.base import Hints
from speechcli.backends.catalog import FAMILIES
from speechcli.core.span import Seconds, Span
from speechcli.core.transcript import Transcript
from speechcli.errors import DataError, MediaError, UsageError
from speechcli.formats import table
from speechcli.formats.html.beside import NOTHING
from speechcli.jobs import aligned, batch, channels, diarized, pages, run
from speechcli.jobs.job import Job, Page, Question, Text, counts_of, hints_of, language_of, rules_of
from speechcli.jobs.output import write_atomically
from speechcli.jobs.recording import Recordings
from speechcli.media import ffmpeg, sources
from speechcli.media.mix import floats
from speechcli.media.probe import HIGHEST_RATE, LOWEST_RATE, MOST_CHANNELS
from speechcli.timeline.cues import Style
from speechcli.timeline.windows import Rules, listening_to_all

Sound: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO | tuple[NDArray[np.floating | np.integer], float]"
"""A path, the bytes of a media file, an open binary file, a base64 `data:` URL, or (samples, rate): samples of shape
(n,) or (n, channels), floats in [-1, 1] or integers (to 32 bits) in the range of their type, at `rate` Hz."""
_SOUNDS = "give a path, bytes, an open binary file, a data: URL or (samples, rate), or a list of these"
_Sound = TypeVar("_Sound", bound=Sound)
_LONGEST_PATH = 1024  # characters: a longer text is looked for on no disk


@dataclass(frozen=True, slots=True)
class Options:
    """How to transcribe; the commands' options of the same names say more.

    language: a code or English name, several for an allowed list, None to find out. track, channel: counted from 0;
    without, the track that the file prefers, and a mix of its channels. clips: (start, end) in seconds, all when empty.
    vad: whether to listen for speech first. settings: the engine's own. longest: refuse longer recordings. chunk_size:
    seconds of the longest window; rules: all about cutting, instead of the model's own. aligner: a model that times the
    words. raw: keep the model's own strings. diarize: find out who says each word, with the embedded diarizer or the
    one named; num_speakers and its bounds as in `Diarization`. channels: "split" where each channel is a speaker.
    """

    model: str = catalog.EMBEDDED
    language: str | Sequence[str] | None = None
    task: str = "transcribe"
    hotwords: Sequence[str] = ()
    context: str = ""
    device: str = "auto"
    dtype: str = "auto"
    batch_size: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    track: int | None = None
    channel: int | None = None
    channels: str | None = None
    clips: Sequence[tuple[Seconds, Seconds]] = ()
    vad: bool = True
    rules: Rules | None = None
    chunk_size: Seconds | None = None
    attention: str | None = None
    quantize: str | None = None
    compile: bool = False
    revision: str | None = None
    aligner: str | None = None
    raw: bool = False
    diarize: bool = False
    diarizer: str | None = None
    num_speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    model_dir: Path | None = None
    offline: bool = False
    ffmpeg: str | None = None
    longest: Seconds = 100 * 3600.0


@dataclass(frozen=True, slots=True)
class Alignment:
    """How to align; the options of `speechcli align` of the same names say more.

    language: of the text; else as its file or its letters say. anchor: a model that finds where the text is said, or
    "none" to follow it as it comes. lines: each line of a plain text is a segment, instead of each sentence.
    """

    model: str = "auto"
    anchor: str | None = None
    language: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    batch_size: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    track: int | None = None
    channel: int | None = None
    clips: Sequence[tuple[Seconds, Seconds]] = ()
    chunk_size: Seconds | None = None
    attention: str | None = None
    compile: bool = False
    revision: str | None = None
    lines: bool = False
    model_dir: Path | None = None
    offline: bool = False
    ffmpeg: str | None = None
    longest: Seconds = 100 * 3600.0


@dataclass(frozen=True, slots=True)
class Diarization:
    """How to find out who speaks when; the options of `speechcli diarize` of the same names say more.

    num_speakers: how many speak, which excludes the bounds min_speakers and max_speakers; without any, it is found out.
    transcript: of the recording, whose words' speakers are wanted; a list of them for a list of recordings. enroll:
    clips of voices by the names of whom they are. link_speakers: one voice, one label in all recordings of a list.
    channels: "split" where each channel is a speaker, for which no model is needed.
    """

    model: str = "embedded"
    num_speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    transcript: Transcript | os.PathLike[str] | Sequence[Transcript | os.PathLike[str]] | None = None
    enroll: Mapping[str, str | os.PathLike[str]] = field(default_factory=dict)
    link_speakers: bool = False
    device: str = "auto"
    dtype: str = "auto"
    batch_size: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    track: int | None = None
    channel: int | None = None
    channels: str | None = None
    clips: Sequence[tuple[Seconds, Seconds]] = ()
    chunk_size: Seconds | None = None
    attention: str | None = None
    quantize: str | None = None
    compile: bool = False
    revision: str | None = None
    model_dir: Path | None = None
    offline: bool = False
    ffmpeg: str | None = None
    longest: Seconds = 100 * 3600.0


Known: TypeAlias = "str | os.PathLike[str] | Transcript"
"""What is said: the words themselves, the path of a file that holds them (a `Path`), or a transcript."""


@overload
def transcribe(audio: list[Sound], options: Options | None = None, /, **more: object) -> list[Transcript]: ...
@overload
def transcribe(audio: list[_Sound], options: Options | None = None, /, **more: object) -> list[Transcript]: ...
@overload
def transcribe(audio: Sound, options: Options | None = None, /, **more: object) -> Transcript: ...
def transcribe(
    audio: Sound | list[_Sound], options: Options | None = None, /, **more: object
) -> Transcript | list[Transcript]:
    """The transcript of a recording, or of each of a list; recordings of a list share batches.

    more: fields of `Options` by name, as in `transcribe("talk.mp3", language="en")`; they win over `options`. Silence
    gives a transcript without segments. Calls share nothing, so several threads may call at once; each loads the model.
    Raises SpeechcliError: the first that any recording met.
    """
    asked = _asked("transcribe", Options, options, more)
    sounds: Sequence[Sound] = audio if isinstance(audio, list) else [audio]
    with tempfile.TemporaryDirectory(prefix="speechcli-") as folder:
        transcripts = _transcribed([(_on_disk(sound, Path(folder)), _name(sound)) for sound in sounds], asked)
    return transcripts if isinstance(audio, list) else transcripts[0]


_Options = TypeVar("_Options", Options, Alignment, Diarization)


@overload
def align(
    audio: list[Sound], text: Sequence[Known], options: Alignment | None = None, /, **more: object
) -> list[Transcript]: ...
@overload
def align(
    audio: list[_Sound], text: Sequence[Known], options: Alignment | None = None, /, **more: object
) -> list[Transcript]: ...
@overload
def align(audio: Sound, text: Known, options: Alignment | None = None, /, **more: object) -> Transcript: ...
def align(
    audio: Sound | list[_Sound], text: Known | Sequence[Known], options: Alignment | None = None, /, **more: object
) -> Transcript | list[Transcript]:
    """The text with a time for each of its words, as written; or each of a list of recordings with its text.

    more: fields of `Alignment` by name, as in `align("talk.mp3", "Well said.", language="en")`. How well it fits stands
    in `verdict.fit`. Raises SpeechcliError: the first that any recording met.
    """
    asked = _asked("align", Alignment, options, more)
    sounds: Sequence[Sound] = audio if isinstance(audio, list) else [audio]
    texts: Sequence[Known] = text if isinstance(audio, list) else [text]  # type: ignore[assignment, list-item]
    if not isinstance(texts, list | tuple) or len(texts) != len(sounds):
        raise UsageError(f"{len(sounds)} recordings take as many texts", "align([a, b], [text_of_a, text_of_b])")
    with tempfile.TemporaryDirectory(prefix="speechcli-") as folder:
        place = Path(folder)
        media = [(_on_disk(sound, place), _name(sound)) for sound in sounds]
        written = [_text_on_disk(known, place, i, asked) for i, known in enumerate(texts)]
        transcripts = _aligned(media, written, asked)
    return transcripts if isinstance(audio, list) else transcripts[0]


@overload
def diarize(audio: list[Sound], options: Diarization | None = None, /, **more: object) -> list[Transcript]: ...
@overload
def diarize(audio: list[_Sound], options: Diarization | None = None, /, **more: object) -> list[Transcript]: ...
@overload
def diarize(audio: Sound, options: Diarization | None = None, /, **more: object) -> Transcript: ...
def diarize(
    audio: Sound | list[_Sound], options: Diarization | None = None, /, **more: object
) -> Transcript | list[Transcript]:
    """Who speaks when: a transcript with `turns` and no text; or the `transcript` given, with who says each word.

    more: fields of `Diarization` by name, as in `diarize("talk.mp3", num_speakers=3)`. Where nobody speaks there are no
    turns. Raises SpeechcliError: the first that any recording met.
    """
    asked = _asked("diarize", Diarization, options, more)
    sounds: Sequence[Sound] = audio if isinstance(audio, list) else [audio]
    given = asked.transcript
    said = given if isinstance(given, list | tuple) else [given] * (1 if given is not None else len(sounds))
    if len(said) != len(sounds):
        raise UsageError(f"{len(sounds)} recordings take as many transcripts", "diarize([a, b], transcript=[a, b])")
    with tempfile.TemporaryDirectory(prefix="speechcli-") as folder:
        place = Path(folder)
        media = [(_on_disk(sound, place), _name(sound)) for sound in sounds]
        texts = [None if one is None else _transcript_on_disk(one, place, i) for i, one in enumerate(said)]
        transcripts = _diarized(media, texts, asked, place)
    return transcripts if isinstance(audio, list) else transcripts[0]


def load(path: str | Path) -> Transcript:
    """A transcript from a file: json (ours, Whisper's, whisperX's), srt, vtt, rttm, ctm, stm or TextGrid.

    Raises DataError, NoInputError.
    """
    return table.read(Path(path))


def save(
    transcript: Transcript,
    path: str | Path,
    format: str | None = None,  # noqa: A002
    style: Style = Style(),
    media: str | Path | None = None,
    embed_media: bool = False,
) -> None:
    """Writes a transcript; the suffix says the format unless it is named. Atomic: a failure leaves what was there.

    media: the recording that a page (html) plays, by a link, or out of the page itself. Raises DataError where the
    format needs what the transcript lacks, MediaError, UsageError, DiskError, OutputError.
    """
    known = table.named(format) if format is not None else table.by_suffix(Path(path))
    if known is None:
        raise UsageError(f"{path}: no format has this suffix", f"name one of {', '.join(table.FORMATS)}")
    if known.kind != "page" and (media is not None or embed_media):
        raise UsageError(f"media is for pages, and {path} is none", "talk.html, for instance")
    made = pages.Made(NOTHING)
    if media is not None:
        made = pages.of_file(transcript, None, Path(path), Page(embed_media), Path(media))
    elif embed_media:
        raise UsageError("embed_media: which recording?", "name it: media='talk.mp3'")
    write_atomically(Path(path), table.pieces(known.name, transcript, style, made.beside))


def question_of(options: Options, resolved: registry.Resolved) -> Question:
    """What determines the answer, of these options. Raises UsageError."""
    rules = options.rules or rules_of(
        FAMILIES[resolved.family or "whisper"],
        resolved.name,
        options.chunk_size,
        registry.aligner_family(resolved.wanted),
    )
    return Question(
        model=resolved.name,
        revision=resolved.revision,
        dtype=options.dtype,
        settings=resolved.wanted.told,
        hints=hints_of(options.language, options.task, options.hotwords, options.context),
        rules=rules if options.vad else listening_to_all(rules),
        judged=options.vad,
        track=options.track,
        channel=options.channel,
        clips=tuple(_clip(start, end) for start, end in options.clips),
        raw=options.raw,
        split=_split(options, {"channel": options.channel, "diarize": options.diarize, "diarizer": options.diarizer}),
    )


def _asked(function: str, kind: type[_Options], options: object, more: Mapping[str, object]) -> _Options:
    """The options with what was said by name. Raises UsageError."""
    if options is not None and not isinstance(options, kind):
        problem = f"{function}: options are of type {type(options).__name__}"
        raise UsageError(problem, f"give speechcli.api.{kind.__name__}(...), or each by name")
    try:
        return replace(options or kind(), **more)  # type: ignore[arg-type]
    except TypeError as error:
        known = ", ".join(kind.__dataclass_fields__)
        raise UsageError(f"{function}: {error}", f"known options: {known}") from error


def _split(options: Options | Diarization, excluded: Mapping[str, object]) -> bool:
    numbers = {name: getattr(options, name) for name in ("num_speakers", "min_speakers", "max_speakers")}
    return channels.by_channel(options.channels, {**excluded, **numbers})


def _clip(start: Seconds, end: Seconds) -> Span:
    if not start < end < float("inf"):
        raise UsageError(f"clip {start} to {end}: no stretch of time", "start before end, in seconds")
    return Span(start, end)


def _wanted(options: Options | Alignment | Diarization) -> registry.Wanted:
    """The model that all kinds of options name alike, and where and how it is to run."""
    return registry.Wanted(
        options.model,
        options.device,
        options.dtype,
        options.settings,
        options.batch_size,
        options.model_dir,
        options.offline,
        options.attention,
        compile=options.compile,
        longest=options.chunk_size,
        revision=options.revision,
    )


def check(options: Options | Diarization) -> str:
    """The model's one name, "" where none is needed: all that `opened` needs is here. Nothing is loaded.

    Fetches what is missing, unless `offline`. Raises UsageError, UnavailableError, DataError.
    """
    if isinstance(options, Options):
        return _asked_what(options)[2].name
    resolved = _asked_who(options)[2]
    return "" if resolved is None else resolved.name


def opened(options: Options | Diarization) -> tuple[Question, batch.Engines]:
    """What is asked of each recording by these options, and what answers it, its models loaded; to be closed.

    Without a diarization's `enroll` and `link_speakers`, which need to know the recordings. Raises UsageError,
    UnavailableError, DataError.
    """
    return _opened(options) if isinstance(options, Options) else _diarizing(options)[:2]


_Asked: TypeAlias = tuple[Path, Question, registry.Resolved, registry.Resolved | None, registry.Resolved | None]


def _asked_what(options: Options) -> _Asked:
    """ffmpeg, the question, and the models: what transcribes, aligns and tells speakers."""
    program = ffmpeg.find(options.ffmpeg)
    own, of_diarizer = diarized.apart(options.settings)
    wanted = replace(
        _wanted(options),
        settings=own,
        quantize=options.quantize,
        longest=options.chunk_size or (options.rules.longest if options.rules else None),
        aligner=options.aligner,
    )
    other = registry.aligner_of(wanted)
    counts = counts_of(options.num_speakers, options.min_speakers, options.max_speakers)
    its = diarized.diarizer_of(wanted, options.diarize, options.diarizer, of_diarizer, counts)
    resolved = registry.resolve(wanted)
    speakers = None if its is None else diarizers.resolve(its)
    question = question_of(options, resolved)
    if speakers is not None:
        question = replace(question, diarizer=(speakers.name, speakers.revision), speakers=counts)
    return program, question, resolved, None if other is None else registry.resolve(other), speakers


def _opened(options: Options) -> tuple[Question, batch.Engines]:
    program, question, resolved, other, speakers = _asked_what(options)
    aligner = None if other is None else registry.open_aligner(other)
    tells = None if speakers is None else diarizers.open_diarizer(speakers)
    transcriber = registry.open_transcriber(resolved)
    recordings = Recordings(program, transcriber.traits.rate, options.longest)
    detector = registry.open_detector(options.vad, transcriber.traits.rate)
    printer = printing.opened(transcriber.traits.gives_speakers, options.model_dir)
    return question, batch.Engines(transcriber, detector, recordings, aligner, tells, printer)


def _transcribed(recordings: Sequence[tuple[Path, str]], options: Options) -> list[Transcript]:
    question, engines = _opened(options)
    return _worked([Job(path, name, name, question, (), path.parent, None) for path, name in recordings], engines)


def _aligned(recordings: Sequence[tuple[Path, str]], texts: Sequence[Text], options: Alignment) -> list[Transcript]:
    program = ffmpeg.find(options.ffmpeg)
    wanted = registry.aligner_for(_wanted(options))
    language = None if options.language is None else language_of(options.language)
    anchor = registry.anchor_for(wanted, options.anchor, language)
    question = Question(
        model="" if anchor is None else anchor.model,
        revision="",
        hints=Hints(() if language is None else (language,)),
        rules=rules_of(FAMILIES["whisper"] if anchor is None else registry.family_of(anchor), "the anchor"),
        track=options.track,
        channel=options.channel,
        clips=tuple(_clip(start, end) for start, end in options.clips),
    )
    jobs = [
        Job(path, name, name, question, (), path.parent, None, text=replace(text, language=language or text.language))
        for (path, name), text in zip(recordings, texts, strict=True)
    ]
    for text in texts:
        aligned.script_of(text)  # told before a model is loaded
    ear = None if anchor is None else registry.resolve(anchor)
    return _worked(jobs, batch.aligning(registry.resolve(wanted), ear, program, options.longest))


def _diarized(
    recordings: Sequence[tuple[Path, str]], texts: Sequence[Text | None], options: Diarization, folder: Path
) -> list[Transcript]:
    """folder: where voices are kept meanwhile."""
    question, engines, knows = _diarizing(options)
    jobs = [
        Job(path, name, f"{i} {name}", question, (), folder, None, text=text)
        for i, ((path, name), text) in enumerate(zip(recordings, texts, strict=True))
    ]
    notes: Sequence[str] = ()
    if knows:
        clips = {name: [Path(path)] for name, path in options.enroll.items()}
        engines, notes = batch.knowing(engines, jobs, clips, options.link_speakers, options.model_dir)
    return [_noted(transcript, notes) for transcript in _worked(jobs, engines)]


def _asked_who(options: Diarization) -> tuple[Path, Question, registry.Resolved | None, bool]:
    """ffmpeg, the question, the model, and whether speakers are to be known by their voices."""
    program = ffmpeg.find(options.ffmpeg)
    wanted = diarizers.diarizer_for(replace(_wanted(options), quantize=options.quantize))
    counts = counts_of(options.num_speakers, options.min_speakers, options.max_speakers)
    split = _split(
        options,
        {
            "channel": options.channel,
            "model": None if options.model == "embedded" else options.model,
            "link_speakers": options.link_speakers,
            "enroll": options.enroll or None,
        },
    )
    resolved = None if split else diarized.resolve(wanted)
    knows = resolved is not None and bool(options.enroll or options.link_speakers)
    if resolved is not None and knows and resolved.name != catalog.EMBEDDED_DIARIZER:
        raise UsageError("enroll and link_speakers need the voice prints of the embedded diarizer", "its model")
    asked = Question(
        model="",
        revision="",
        dtype=options.dtype,
        track=options.track,
        channel=options.channel,
        clips=tuple(_clip(start, end) for start, end in options.clips),
        speakers=counts,
    )
    question = replace(asked, turns=True, split=True) if resolved is None else diarized.question_of(asked, resolved)
    return program, question, resolved, knows


def _diarizing(options: Diarization) -> tuple[Question, batch.Engines, bool]:
    """The question, what answers it, and whether speakers are to be known by their voices."""
    program, question, resolved, knows = _asked_who(options)
    return question, batch.diarizing(resolved, program, options.longest, question.split), knows


def _noted(transcript: Transcript, notes: Sequence[str]) -> Transcript:
    verdict = transcript.verdict
    return replace(transcript, verdict=replace(verdict, notes=(*verdict.notes, *notes))) if notes else transcript


def _worked(jobs: Sequence[Job], engines: batch.Engines) -> list[Transcript]:
    """The jobs' transcripts in their order; the engines are closed. Raises the first failure."""
    done: dict[int, Transcript] = {}
    try:
        for event in batch.worked(jobs, engines):
            match event:
                case batch.Finished(job, transcript):
                    done[id(job)] = transcript
                case run.Failed(_, error):
                    raise error
    finally:
        engines.close()
    return [done[id(job)] for job in jobs]


def _text_on_disk(known: Known, folder: Path, number: int, options: Alignment) -> Text:
    """The text as a file, which all texts are read from. Raises UsageError."""
    if isinstance(known, Transcript):
        path = folder / f"text-{number}.json"
        write_atomically(path, table.pieces("json", known))
        return Text(path, known.source, known.source, known.language)
    if isinstance(known, os.PathLike):
        return Text(Path(known), Path(known).name, str(known), lines=options.lines)
    if not isinstance(known, str):
        raise UsageError(f"a {type(known).__name__} is no text", "the words themselves, a Path, or a Transcript")
    if "\n" not in known and len(known) < _LONGEST_PATH and os.path.isfile(known):
        raise UsageError(f"{known} is a file, and a str is the text itself", f"give Path({known!r})")
    path = folder / f"text-{number}.txt"
    try:
        path.write_bytes(known.encode())
    except UnicodeEncodeError as error:
        problem = f"the text, character {error.start + 1}: {known[error.start]!a} is half of a character"
        raise DataError(problem, "read it with the encoding that it was written in") from error
    return Text(path, "the text", path.name, lines=options.lines)


def _transcript_on_disk(known: object, folder: Path, number: int) -> Text:
    """The transcript as a file. Raises UsageError; DataError for one without text."""
    if isinstance(known, Transcript):
        path = folder / f"transcript-{number}.json"
        write_atomically(path, table.pieces("json", known))
        text = Text(path, known.source, known.source)
    elif isinstance(known, str | os.PathLike):
        text = Text(Path(known), Path(known).name, str(known))
    else:
        raise UsageError(f"a {type(known).__name__} is no transcript", "a Path, or a Transcript")
    diarized.transcript_in(text)  # told before a model is loaded
    return text


def _name(sound: Sound) -> str:
    """What to call it to people: its file's name, where it has one."""
    path = sound if isinstance(sound, str | os.PathLike) else getattr(sound, "name", None)
    if not isinstance(path, str | os.PathLike) or str(path).startswith("data:"):
        return "recording"
    return Path(path).name or str(path)


def _on_disk(sound: Sound, folder: Path) -> Path:
    """The sound as a file: everything goes through the one decode door."""
    if isinstance(sound, tuple):
        if len(sound) != 2 or not hasattr(sound[0], "__array__"):
            raise UsageError("a tuple that is not (samples, rate) is no sound", _SOUNDS)
        return _wav(np.asarray(sound[0]), sound[1], folder)
    if isinstance(sound, io.TextIOBase):
        raise UsageError("the recording was opened as text", "open it in binary mode: open(path, 'rb')")
    if isinstance(sound, os.PathLike) or (isinstance(sound, str) and not sound.startswith("data:")):
        ffmpeg.regular(Path(sound), _name(sound))  # told before a large model is loaded
        return Path(sound)
    if not isinstance(sound, str | bytes | bytearray | memoryview) and not hasattr(sound, "read"):
        raise UsageError(f"a {type(sound).__name__} is no sound", _SOUNDS)
    return sources.on_disk(sound, folder)


def _wav(samples: NDArray[np.generic], rate: float, folder: Path) -> Path:
    """A new file in `folder`; RF64, for arrays may be longer than the 4 GB of a WAV."""
    if samples.ndim not in (1, 2) or not samples.size or samples.shape[1:] > (MOST_CHANNELS,):
        raise MediaError(f"samples of shape {samples.shape} are no sound", "give (n,) or (n, channels)")
    number = isinstance(rate, int | float | np.integer | np.floating)
    if not number or not LOWEST_RATE <= rate <= HIGHEST_RATE or rate != int(rate):
        raise MediaError(f"a sample rate of {rate} Hz is not accepted", "give (samples, rate)")
    path = folder / f"{len(list(folder.iterdir()))}.wav"
    soundfile.write(path, floats(samples), int(rate), subtype="FLOAT", format="RF64")
    return path
