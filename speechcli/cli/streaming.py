"""What `speechcli stream-mic` does once its options are read."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

from speechcli.backends import registry, streaming
from speechcli.backends.base import Hints as Hints
from speechcli.backends.registry import Wanted as Wanted
from speechcli.backends.streaming import Listening as Listening
from speechcli.cli import allocator, environment, show, signals
from speechcli.cli.live_lines import Events, Lines
from speechcli.cli.live_screen import LEFT, live_screen, status
from speechcli.core.live import Event, Final, Missed
from speechcli.core.span import Seconds
from speechcli.core.transcript import Stage
from speechcli.errors import OK, Interrupted, SpeechcliError, UsageError
from speechcli.formats import growing, table
from speechcli.formats.growing import Growing
from speechcli.jobs.live import Live, Note, Status, Told
from speechcli.media import capture, ffmpeg, mic, pcm, replay, saving
from speechcli.media.places import check_free
from speechcli.media.saving import Saving
from speechcli.timeline.cues import Style


@dataclass(frozen=True, slots=True)
class Input:
    """Where the sound comes from, as the user said. rate, kind, channels: of bare samples on stdin."""

    source: str | None
    device: str | None
    rate: int | None
    kind: str | None
    channels: int | None
    speed: float | None


@dataclass(frozen=True, slots=True)
class Target:
    """Where the text and the sound go, and how captions look."""

    formats: Sequence[str]
    output: Path | None
    style: Style
    sound: Path | None
    overwrite: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """What the user wants to see."""

    events: bool
    clock: bool
    quiet: bool


class Sink(Protocol):
    """Where live text is shown."""

    def event(self, event: Event, latency: Seconds | None = None) -> None: ...
    def status(self, text: str) -> None: ...
    def note(self, text: str) -> None: ...
    def end(self, duration: Seconds) -> None: ...


def list_devices() -> int:
    """Prints what can be listened to. Raises UnavailableError where the system cannot be asked."""
    rows = [
        (str(n), device.name, f"{device.rate} Hz", str(device.channels), "yes" if device.default else "", device.id)
        for n, device in enumerate(mic.devices())
    ]
    show.table(("number", "name", "rate", "channels", "default", "id"), rows, right=("number", "rate", "channels"))
    if not rows:
        show.tell("there is no microphone here; plug one in, or start the sound server")
    return OK


def work(given: Input, wanted: Wanted, listening: Listening, hints: Hints, target: Target, shown: Shown) -> int:
    """Captions until the source ends or the user does; the exit code. Raises SpeechcliError."""
    _check(given, target)
    wanted = streaming.wish(wanted, listening)
    paths = _paths(target)
    _check_files(given, target, paths)  # before a model is loaded; made when nothing else can be wrong
    resolved = registry.resolve(wanted)
    if resolved.notice:
        show.tell(show.safe(resolved.notice))
    allocator.keep_large_blocks()
    with ExitStack() as stack:
        source = _open(given)
        stack.callback(source.close)
        if not shown.quiet and not shown.events:
            show.tell(f"loading {show.safe(resolved.name)} to listen to {show.safe(source.name)}")
        model = streaming.open_streaming(resolved, listening)
        stack.callback(model.close)
        session = model.listen(hints)
        kept = Kept(target, paths, source, model.stage)
        stack.callback(kept.close)
        sink = stack.enter_context(_sink(shown))
        live = Live(source, session, model.traits.rate, kept.hear)
        with _polite(live) as asked:
            for said in live.run():
                _show(said, live, sink, kept, source.name)
        kept.finish(live.duration)
        sink.end(live.duration)
    kept.raise_failure()
    if asked and asked[0] != signal.SIGINT:
        raise Interrupted("ended by a signal", asked[0])
    return OK


def _show(said: Told | Status | Note, live: Live, sink: Sink, kept: Kept, name: str) -> None:
    match said:
        case Told(event, latency):
            if note := kept.add(event):
                sink.note(note)
            sink.event(event, latency)
        case Status(heard, behind):
            sink.status(status(name, heard, behind, kept.missed))
        case Note(text):
            sink.note(text)


@dataclass
class Kept:
    """The files of a session. What cannot be written any more is said once, and the captions go on."""

    target: Target
    paths: Sequence[tuple[str, Path]]
    source: capture.Source
    stage: Stage
    missed: Seconds = 0.0
    _texts: list[Growing] = field(default_factory=list)
    _sound: Saving | None = None
    _failure: SpeechcliError | None = None

    def __post_init__(self) -> None:
        target, source = self.target, self.source
        for name, path in self.paths:
            made = (self.stage,)
            self._texts.append(Growing(path, name, target.style, source.name, made, target.overwrite))
        if target.sound is not None:
            self._sound = Saving(target.sound, source.rate, source.channels, target.overwrite)

    def hear(self, block: capture.Block) -> str:
        """Keeps the sound; what there is to say about it."""
        if self._sound is None:
            return ""
        try:
            return self._sound.add(block)
        except SpeechcliError as error:
            self._sound = None
            return self._failed(error)

    def add(self, event: Event) -> str:
        """Keeps what was said; what there is to say about it."""
        note = ""
        if isinstance(event, Missed):
            self.missed += event.duration
        for text in self._texts:
            try:
                if isinstance(event, Final):
                    text.add(event)
                elif isinstance(event, Missed):
                    text.missed(event)
            except SpeechcliError as error:
                note = self._failed(error) or note
        return note

    def finish(self, duration: Seconds, complete: bool = True) -> None:
        """The session has ended by itself or by the user's wish."""
        for text in self._texts:
            try:
                text.close(duration, complete)
            except SpeechcliError as error:
                self._failed(error)

    def close(self) -> None:
        """Lets the files be, however the session has ended."""
        self.finish(0.0, complete=False)
        if self._sound is not None:
            with suppress(SpeechcliError):
                self._sound.close()

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _failed(self, error: SpeechcliError) -> str:
        first, self._failure = self._failure is None, self._failure or error
        return f"{error.message}; the captions go on" if first else ""


def _check(given: Input, target: Target) -> None:
    """Options that contradict each other. Raises UsageError."""
    bare = {"--input-rate": given.rate, "--input-format": given.kind, "--input-channels": given.channels}
    for option in (name for name, value in bare.items() if value is not None and given.source != "-"):
        raise UsageError(f"{option} is of bare samples on stdin", "give - as the source")
    if given.device is not None and given.source is not None:
        raise UsageError(f"--input-device {given.device} and the source {given.source}", "give one of them")
    if given.speed is not None and given.source in (None, "-"):
        raise UsageError("--speed is for a file that is replayed", "name one")
    if target.formats and target.output is None:
        raise UsageError("-f without a file to write", f"add -o talk.{target.formats[0]}")
    if str(target.output) == "-":
        raise UsageError("-o - : stdout has the words already", "--events writes each change there as JSON")


def _paths(target: Target) -> list[tuple[str, Path]]:
    """(format, file) for each file of text. Raises UsageError."""
    if target.output is None:
        return []
    if not target.formats:
        known = table.by_suffix(target.output)
        if known is None:
            raise UsageError(f"{target.output}: no format has this suffix", "name one with -f srt, vtt, json or txt")
        return [(growing.checked(known.name), target.output)]
    if len(target.formats) == 1:
        return [(growing.checked(target.formats[0]), target.output)]
    return [(growing.checked(name), target.output.with_suffix(f".{name}")) for name in target.formats]


def _check_files(given: Input, target: Target, paths: Sequence[tuple[str, Path]]) -> None:
    """That all files can be made. Raises UsageError for one that has two parts to play, OutputError."""
    for _, path in paths:
        check_free(path, target.overwrite)
    if target.sound is not None:
        saving.check_place(target.sound, target.overwrite)
    named = [path for path in (*(path for _, path in paths), target.sound) if path is not None]
    if given.source not in (None, "-"):
        named.append(Path(str(given.source)))
    places = [os.path.realpath(path) for path in named]
    if twice := next((path for path, place in zip(named, places, strict=True) if places.count(place) > 1), None):
        raise UsageError(f"{twice} is named twice", "each file needs a name of its own")


def _open(given: Input) -> capture.Source:
    """The source. Raises what its kind does."""
    if given.source is None:
        return mic.open(given.device)
    if given.source == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("- reads sound from a pipe, and stdin is the terminal", "leave it out for the microphone")
        return pcm.open(sys.stdin.buffer, given.rate, given.kind, given.channels)
    return replay.open(
        Path(given.source), 1.0 if given.speed is None else given.speed, ffmpeg.find(environment.ffmpeg())
    )


def _sink(shown: Shown) -> AbstractContextManager[Sink]:
    if shown.events:
        return Events()
    if sys.stdout.isatty():
        return live_screen(show.console(), shown.clock)
    return Lines(clock=shown.clock)


@contextmanager
def _polite(live: Live) -> Iterator[list[int]]:
    """Inside, Ctrl-C and its like end the source, whose last words are still heard; a second one ends the process.

    Gives a list that holds the number of the signal, once there was one.
    """
    asked: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if asked:
            if sys.stdout.isatty():
                os.write(sys.stdout.fileno(), LEFT.encode())
            os._exit(128 + number)
        asked.append(number)
        threading.Thread(target=live.stop, daemon=True).start()  # a device may take its time to let go

    with signals.handled(stop):
        yield asked
