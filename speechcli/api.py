"""The Python API: what the commands do, without the screen.

import speechcli
transcript = speechcli.transcribe("talk.mp3")
print(transcript.text)
speechcli.save(transcript, "talk.srt")
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeAlias, overload

import numpy as np
import soundfile
from numpy.typing import NDArray

from speechcli.backends import catalog, registry
from speechcli.backends.base import Hints
from speechcli.core.languages import code_of
from speechcli.core.span import Seconds, Span
from speechcli.core.transcript import Transcript
from speechcli.errors import MediaError, UsageError
from speechcli.formats import table
from speechcli.jobs import batch, run
from speechcli.jobs.job import Job, Question
from speechcli.jobs.output import write_atomically
from speechcli.jobs.recording import Recordings
from speechcli.media import ffmpeg, sources
from speechcli.timeline.cues import Style
from speechcli.timeline.stitch import Answer
from speechcli.timeline.windows import Rules, listening_to_all

Sound: TypeAlias = "str | Path | bytes | BinaryIO | tuple[NDArray[np.floating], int]"
"""A path, the bytes of a media file, an open binary file, a base64 `data:` URL, or (samples, rate): samples of shape
(n,) or (n, channels), in [-1, 1], at `rate` Hz."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to transcribe; the commands' options of the same names say more.

    language: a code or English name, several for an allowed list, None to find out. track, channel: counted from 0;
    without, the track that the file prefers, and a mix of its channels. clips: (start, end) in seconds, all when empty.
    vad: whether to listen for speech first. settings: the engine's own. longest: refuse longer recordings.
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
    clips: Sequence[tuple[Seconds, Seconds]] = ()
    vad: bool = True
    rules: Rules = Rules()
    model_dir: Path | None = None
    offline: bool = False
    ffmpeg: str | None = None
    longest: Seconds = 100 * 3600.0


@overload
def transcribe(audio: list[Sound], options: Options | None = None, /, **more: object) -> list[Transcript]: ...
@overload
def transcribe(audio: Sound, options: Options | None = None, /, **more: object) -> Transcript: ...
def transcribe(
    audio: Sound | list[Sound], options: Options | None = None, /, **more: object
) -> Transcript | list[Transcript]:
    """The transcript of a recording, or of each of a list; recordings of a list share batches.

    more: fields of `Options` by name, as in `transcribe("talk.mp3", language="en")`. Silence gives a transcript without
    segments. Raises SpeechcliError: the first that any recording met.
    """
    try:
        asked = Options(**more) if options is None else options  # type: ignore[arg-type]
    except TypeError as error:
        raise UsageError(f"transcribe: {error}", f"known options: {', '.join(Options.__dataclass_fields__)}") from error
    sounds = audio if isinstance(audio, list) else [audio]
    with tempfile.TemporaryDirectory(prefix="speechcli-") as folder:
        paths = [_on_disk(sound, Path(folder)) for sound in sounds]
        transcripts = _transcribed(paths, asked)
    return transcripts if isinstance(audio, list) else transcripts[0]


def load(path: str | Path) -> Transcript:
    """A transcript from a file: json (ours, Whisper's, whisperX's), srt, vtt, rttm, ctm, stm or TextGrid.

    Raises DataError, NoInputError.
    """
    return table.read(Path(path))


def save(transcript: Transcript, path: str | Path, format: str | None = None, style: Style = Style()) -> None:  # noqa: A002
    """Writes a transcript; the suffix says the format unless it is named. Atomic: a failure leaves what was there.

    Raises DataError where the format needs what the transcript lacks, UsageError, DiskError, OutputError.
    """
    known = table.named(format) if format is not None else table.by_suffix(Path(path))
    if known is None:
        raise UsageError(f"{path}: no format has this suffix", f"name one of {', '.join(table.FORMATS)}")
    write_atomically(Path(path), table.pieces(known.name, transcript, style))


def question_of(options: Options, resolved: registry.Resolved) -> Question:
    """What determines the answer, of these options. Raises UsageError."""
    given = options.language
    names = (given,) if isinstance(given, str) else tuple(given or ())
    codes = {name: code_of(name) for name in names}
    if unknown := [name for name, code in codes.items() if code is None]:
        raise UsageError(f"language {unknown[0]!r}: no such language", "a code (de) or an English name")
    return Question(
        model=resolved.name,
        revision=resolved.revision,
        dtype=options.dtype,
        settings=tuple(sorted(options.settings.items())),
        hints=Hints(
            tuple(code for code in codes.values() if code is not None),
            tuple(options.hotwords),
            options.context,
            options.task,
        ),
        rules=options.rules if options.vad else listening_to_all(options.rules),
        judged=options.vad,
        track=options.track,
        channel=options.channel,
        clips=tuple(Span(start, end) for start, end in options.clips),
    )


def _transcribed(paths: Sequence[Path], options: Options) -> list[Transcript]:
    program = ffmpeg.find(options.ffmpeg)
    wanted = registry.Wanted(
        options.model,
        options.device,
        options.dtype,
        options.settings,
        options.batch_size,
        options.model_dir,
        options.offline,
    )
    resolved = registry.resolve(wanted)
    question = question_of(options, resolved)
    transcriber = registry.open_transcriber(resolved)
    jobs = [Job(path, path.name, path.name, question, (), path.parent, None) for path in paths]
    place = {id(job): i for i, job in enumerate(jobs)}
    groups: list[list[Sequence[Answer]]] = [[] for _ in jobs]
    done: dict[int, Transcript] = {}
    try:
        recordings = Recordings(program, transcriber.traits.rate, options.longest)
        for event in run.work(jobs, transcriber, registry.open_detector(options.vad), recordings):
            match event:
                case run.Group(job, answers):
                    groups[place[id(job)]].append(answers)
                case run.Ended(job, ending, _):
                    i = place[id(job)]
                    done[i] = batch.finished(job, groups[i], ending, transcriber)
                case run.Failed(_, error):
                    raise error
    finally:
        transcriber.close()
    return [done[i] for i in range(len(jobs))]


def _on_disk(sound: Sound, folder: Path) -> Path:
    """The sound as a file: everything goes through the one decode door."""
    if isinstance(sound, tuple):
        samples, rate = sound
        if samples.ndim not in (1, 2) or not len(samples):
            raise MediaError(f"samples of shape {samples.shape} are no sound", "give (n,) or (n, channels)")
        path = folder / f"{len(list(folder.iterdir()))}.wav"
        soundfile.write(path, np.asarray(samples, np.float32), rate, subtype="FLOAT", format="RF64")
        return path
    return sources.on_disk(sound, folder)
