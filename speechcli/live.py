"""The Python API of speech that goes on.

import speechcli
with speechcli.stream(rate=48_000) as session:
    for block in microphone:
        for event in session.feed(block):
            print(event.text)
    print(session.finish())
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from speechcli.backends import catalog, registry, streaming
from speechcli.core.live import Final, Partial
from speechcli.core.span import Seconds
from speechcli.core.transcript import Stage
from speechcli.errors import MediaError, SpeechcliError, UsageError
from speechcli.jobs.job import hints_of
from speechcli.jobs.live import Ear
from speechcli.media.mix import floats
from speechcli.media.probe import HIGHEST_RATE, LOWEST_RATE, MOST_CHANNELS


@dataclass(frozen=True, slots=True)
class Streaming:
    """How to listen; the options of `speechcli stream-mic` of the same names say more.

    rate: Hz of what will be fed. language: a code or English name, several for an allowed list, None to find out.
    delay_ms: of models that write behind the sound. endpoint_silence_ms, max_utterance (seconds), vad_threshold: of all
    others.
    """

    model: str = catalog.EMBEDDED
    rate: int = 16_000
    language: str | Sequence[str] | None = None
    task: str = "transcribe"
    hotwords: Sequence[str] = ()
    context: str = ""
    delay_ms: int | None = None
    endpoint_silence_ms: int | None = None
    max_utterance: Seconds | None = None
    vad_threshold: float | None = None
    device: str = "auto"
    dtype: str = "auto"
    settings: Mapping[str, str] = field(default_factory=dict)
    attention: str | None = None
    quantize: str | None = None
    compile: bool = False
    revision: str | None = None
    model_dir: Path | None = None
    offline: bool = False


def stream(options: Streaming | None = None, /, **more: object) -> Stream:
    """A model that listens; to be used as a context manager, by one thread.

    more: fields of `Streaming` by name, as in `stream(model="whisper-small", rate=48_000)`; they win over `options`.
    Raises SpeechcliError.
    """
    if options is not None and not isinstance(options, Streaming):
        problem = f"stream: options are of type {type(options).__name__}"
        raise UsageError(problem, "give speechcli.live.Streaming(...), or each by name")
    try:
        asked = replace(options or Streaming(), **more)  # type: ignore[arg-type]
    except TypeError as error:
        raise UsageError(f"stream: {error}", f"known options: {', '.join(Streaming.__dataclass_fields__)}") from error
    _check_types(asked)
    if not isinstance(asked.rate, int | np.integer) or not LOWEST_RATE <= asked.rate <= HIGHEST_RATE:
        raise UsageError(f"a sample rate of {asked.rate} Hz is not accepted", f"{LOWEST_RATE} to {HIGHEST_RATE}")
    return Stream(asked)


class Stream:
    """One stream of sound. `stage`: which model listens; `duration`: seconds of what was fed."""

    def __init__(self, options: Streaming) -> None:
        silence = options.endpoint_silence_ms
        listening = streaming.Listening(
            options.delay_ms,
            None if silence is None else silence / 1000,
            options.max_utterance,
            options.vad_threshold,
        )
        wanted = registry.Wanted(
            options.model,
            options.device,
            options.dtype,
            options.settings,
            None,
            options.model_dir,
            options.offline,
            options.attention,
            options.quantize,
            options.compile,
            revision=options.revision,
        )
        resolved = registry.resolve(streaming.wish(wanted, listening))
        hints = hints_of(options.language, options.task, options.hotwords, options.context)
        self._model = streaming.open_streaming(resolved, listening)
        self.stage: Stage = self._model.stage
        try:
            self._session = self._model.listen(hints)
        except SpeechcliError:
            self._model.close()
            raise
        self._rate = int(options.rate)
        self._ear: Ear | None = None  # once the first block tells how many channels there are
        self._channels = 0
        self._n_frames = 0
        self._over = False

    @property
    def duration(self) -> Seconds:
        return self._n_frames / self._rate

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def feed(self, block: NDArray[np.floating | np.integer]) -> list[Partial | Final]:
        """What is new with a block that follows the one before.

        block: shape (n,) or (n, channels), floats in [-1, 1] or integers in the range of their type, at `rate` Hz; n
        may be anything, 0 too, and small is quick. Raises MediaError for what is no sound, UsageError after `finish`.
        """
        self._check_open()
        try:
            frames = floats(np.asarray(block))
        except ValueError as error:
            raise MediaError(f"a block that is no array is no sound ({error})", "give (n,) or (n, channels)") from error
        frames = frames[:, None] if frames.ndim == 1 else frames
        if frames.ndim != 2 or not 1 <= frames.shape[1] <= MOST_CHANNELS:
            raise MediaError(f"samples of shape {np.shape(block)} are no sound", "give (n,) or (n, channels)")
        if self._ear is None:
            self._channels = frames.shape[1]
            self._ear = Ear(self._rate, self._channels, self._model.traits.rate)
        if frames.shape[1] != self._channels:
            raise MediaError(f"a block of {frames.shape[1]} channels after others of {self._channels}")
        if not np.isfinite(frames).all():
            raise MediaError("some samples are not numbers (NaN or infinite)", "make them 0")
        self._n_frames += len(frames)
        return list(self._session.feed(self._ear.hear(frames)))

    def finish(self) -> list[Partial | Final]:
        """The last words; nothing can be fed any more."""
        self._check_open()
        self._over = True
        rest = [] if self._ear is None else list(self._session.feed(self._ear.rest()))
        return [*rest, *self._session.finish()]

    def close(self) -> None:
        """Frees the model; a second call does nothing."""
        self._over = True
        model, self._model = self._model, None  # type: ignore[assignment]
        if model is not None:
            model.close()

    def _check_open(self) -> None:
        if self._over:
            raise UsageError("this stream is over", "open another with speechcli.stream()")


def _check_types(options: Streaming) -> None:
    """Raises UsageError for what cannot be compared or listed."""
    for name in ("delay_ms", "endpoint_silence_ms", "max_utterance", "vad_threshold"):
        value = getattr(options, name)
        if value is not None and not isinstance(value, int | float | np.number):
            raise UsageError(f"{name}={value!r} is no number")
    if not isinstance(options.model, str):
        raise UsageError(f"model={options.model!r} is no name", "see: speechcli models")
    if options.language is not None and not isinstance(options.language, Sequence):
        raise UsageError(f"language={options.language!r} is no language", "a code (de) or an English name")
