"""Who speaks when, by community-1's segmentation and voices: on a processor, offline, in bounded memory.

The segmentation (pyannote, powerset; Plaquet and Bredin 2023) hears ten seconds at a time, every two seconds, and
tells where somebody talks, where two do, and who is who inside the ten seconds. Voices, each of the 1.5 s around a
moment, two a second, are clustered by average linkage, in which the segmentation's word on who is who counts too, and
by VBx. Then each frame goes to a speaker along the best path: by the voice around it, changing where the segmentation
hears a change. Where two talk at once, the second one is whoever the segmentation's local speaker is elsewhere.

Measured choices, and what else was tried: benchmarks/README.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from speechcli.backends import community1, graphs, settings, wespeaker
from speechcli.backends.base import Counts, Diarized, Setup, Traits
from speechcli.backends.clusters import Rules, clustered, means_of
from speechcli.backends.community1 import Community1
from speechcli.backends.machine import cores
from speechcli.backends.wespeaker import WeSpeaker
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds, Span, merged
from speechcli.core.transcript import Stage, Turn, Voice
from speechcli.core.turns import tidied_with
from speechcli.errors import UsageError
from speechcli.numerics import vbx
from speechcli.numerics.chunks import Chunks, changes, others, related, runs
from speechcli.numerics.switching import switching

RATE = 16000  # Hz
_CHUNK: Seconds = 10.0
_HOP: Seconds = 2.0  # from chunk to chunk: each moment is heard five times
_FRAME: Seconds = 0.016875
_FIELD: Seconds = 0.0619375  # seconds that a frame of the segmentation sees
_BATCH = 4  # chunks at once
_STRETCH: Seconds = 10.0  # sound that goes through the voices' network at once
_OWN = round(_STRETCH * 100)  # features of it
_MARGIN: Seconds = 1.0  # and what it hears on either side
_ROUND: Seconds = 60.0  # sound that is gathered before there is work enough for all threads
_MOST_THREADS = 8

_GRID = 50  # hundredths of a second from one voice to the next
_AROUND = 75  # and on either side of a voice's middle
_CLEAN = 40  # in which one talks alone, at least
_REACH: Seconds = 0.5  # how far from a voice a frame may be to be told by it

_SURE = 60.0  # nats a second for a cosine of one
_CHANGE = 0.02  # probability of a change that nobody heard, in speech
_CHANGE_A_SECOND = 0.2  # and over a pause, for each of its seconds
_RARE, _OFTEN = 2e-4, 0.5  # no change is less probable than this, nor more
_BRIEF: Seconds = 0.1  # overlaps that are shorter are none
_PAUSE: Seconds = 0.2  # of one speaker, over which a turn goes on
_SOUND: Seconds = 0.2  # less speech than this in all is none


@dataclass(frozen=True, slots=True)
class Settings:
    """threads: None for as many as there are cores, up to eight. engine: openvino or onnxruntime, None for the faster
    one here. The rest: see `clusters.Rules`.
    """

    threads: int | None = None
    engine: str | None = None
    cut: float = 0.7
    fa: float = 0.3
    fb: float = 1.0


def open(setup: Setup) -> Embedded:  # noqa: A001  # every backend's door
    """The diarizer, its models read from `setup.folder`. Raises UsageError, UnavailableError, DataError."""
    own = settings.parse(Settings, setup.settings, setup.before)
    if own.engine not in (None, *graphs.ENGINES):
        raise UsageError(f"--set {setup.before}engine={own.engine}: no such engine", " or ".join(graphs.ENGINES))
    if own.threads is not None and own.threads < 1:
        raise UsageError(f"--set {setup.before}threads={own.threads}: at least one")
    return Embedded(community1.load(setup.folder), own)


class Embedded:
    """A `Diarizer`."""

    def __init__(self, models: Community1, own: Settings = Settings()) -> None:
        self.traits = Traits(RATE, float("inf"), gives_speakers=True)
        threads = own.threads or min(cores(), _MOST_THREADS)
        self._segmentation = graphs.opened(models.segmentation, threads, rough=False, engine=own.engine)
        self._voices = WeSpeaker(models, threads, own.engine)
        told = (("cut", f"{own.cut:g}"), ("fa", f"{own.fa:g}"), ("fb", f"{own.fb:g}"), ("notice", community1.NOTICE))
        self.stage = Stage("diarize", self._segmentation.engine, "community-1", models.revision, told)
        self._plda = vbx.plda(
            models.xvec_mean1,
            models.xvec_mean2,
            models.xvec_lda,
            models.plda_mu,
            models.plda_tr,
            models.plda_psi,
        )
        self._rules = Rules(own.cut, own.fa, own.fb)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="diarize")

    def begin(self, counts: Counts) -> Listening:
        """A recording, from its start."""
        return Listening(self, counts)

    def close(self) -> None:
        """No hearing may be under way."""
        self._pool.shutdown()

    def segmented(self, sound: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Who is active in chunks, (chunks, frames, 3). sound: (chunks, samples)."""
        return self._segmentation({"waveforms": sound[:, None]}) > 0.5

    def embedded(
        self, sound: NDArray[np.float32], talking: NDArray[np.uint8], begin: Seconds, start: Seconds
    ) -> _Voices:
        """The voices of the stretch that starts at `start`.

        sound: (n,), from `begin` on. talking: (frames,), how many talk in each frame of its features.
        """
        if not (talking > 0).any():
            return _NOBODY
        features = wespeaker.fbank(sound)
        speech = talking > 0 if (talking > 0).sum() >= _CLEAN else np.ones(len(talking), np.bool_)
        first = round((start - begin) * 100)  # of the stretch's own features
        middles, weights = _weights(np.arange(first, min(first + _OWN, len(features)), _GRID), talking)
        if not len(middles):
            return _NOBODY
        return _Voices(begin + middles / 100, self._voices.embed(features - features[speech].mean(axis=0), weights))

    def all(self, tasks: list[Callable[[], _Result]]) -> list[_Result]:
        """What the tasks give, in their order."""
        return list(self._pool.map(lambda task: task(), tasks))

    def told(self, chunks: Chunks, heard: list[_Voices], duration: Seconds, counts: Counts) -> Diarized:
        """Turns and voices of a recording that was heard to its end."""
        n_frames = max(0, int(np.ceil((duration - _FIELD / 2) / _FRAME)))
        talking = chunks.counts(0, n_frames)
        if (talking > 0).sum() * _FRAME < _SOUND:
            return Diarized()
        speech = np.nonzero(talking)[0]
        voices = _joined(heard)
        if not len(voices.embeddings):
            return _diarized([talking > 0], [], duration, counts)
        starts, stops = (_frame(voices.centres + side * _AROUND / 100) for side in (-1, 1))
        labels = clustered(
            voices.embeddings,
            lambda a, b: related(chunks, starts[a:b], stops[a:b]),
            self._plda,
            counts,
            self._rules,
        )
        directions = vbx.unit(voices.embeddings)
        means = means_of(directions, labels)
        speaker = np.full(n_frames, -1)
        speaker[speech] = switching(*_path(chunks, speech, voices.centres, directions @ means.T))
        twice = [(a, b) for a, b in runs(talking >= 2) if (b - a) * _FRAME >= _BRIEF]
        second = others(chunks, speaker, twice if len(means) > 1 else [], len(means))
        masks = [(speaker == k) | (second == k) for k in range(len(means))]
        return _diarized(masks, [tuple(mean.round(5).tolist()) for mean in means], duration, counts)


class _Voices(NamedTuple):
    """Voices around some moments. centres: (n,), seconds in the recording. embeddings: (n, 256)."""

    centres: NDArray[np.float64]
    embeddings: NDArray[np.float32]


_Result: TypeAlias = NDArray[np.bool_] | _Voices
_NOBODY = _Voices(np.zeros(0), np.zeros((0, wespeaker.SIZE), np.float32))


@dataclass(slots=True, eq=False)
class Listening:
    """A `Hearing`: chunks are segmented when they are whole, stretches embedded when all chunks that hear them were."""

    _by: Embedded
    _counts: Counts
    _sound: list[NDArray[np.float32]] = field(default_factory=list)
    _first: int = 0  # sample where the sound that is kept begins
    _n_samples: int = 0
    _worked: int = 0  # samples at the last round
    _chunks: Chunks = field(default_factory=lambda: Chunks(_HOP / _FRAME))
    _stretch: int = 0  # the next one
    _voices: list[_Voices] = field(default_factory=list)

    def hear(self, block: Audio) -> None:
        """See `Hearing`."""
        self._sound.append(block.samples)
        self._n_samples += len(block.samples)
        if self._n_samples - self._worked >= _ROUND * RATE:
            self._worked = self._n_samples
            self._work(last=False)

    def end(self) -> Diarized:
        """See `Hearing`."""
        if not self._n_samples:
            return Diarized()
        self._work(last=True)
        self._work(last=True)  # the stretches that waited for the last chunks
        return self._by.told(self._chunks, self._voices, self._n_samples / RATE, self._counts)

    def _work(self, last: bool) -> None:
        self._sound = [np.concatenate(self._sound)] if len(self._sound) > 1 else self._sound
        groups = list(self._groups(last))
        stretches = list(self._ready(all_segmented=last and not groups))
        tasks: list[Callable[[], _Result]] = [self._embedding(start) for start in stretches]
        tasks += [self._segmenting(first, n) for first, n in groups]
        for result in self._by.all(tasks):
            if isinstance(result, _Voices):
                self._voices.append(result)
            else:
                self._chunks.active.extend(result)
        self._stretch += len(stretches)
        self._forget()

    def _groups(self, last: bool) -> Iterator[tuple[int, int]]:
        """The chunks that can be segmented: first and number, always the same ones together."""
        done = len(self._chunks.active)
        length = self._n_samples / RATE
        there = int(np.ceil(max(0.0, length - _CHUNK) / _HOP)) + 1 if last else int((length - _CHUNK) // _HOP) + 1
        for first in range(done, there, _BATCH):
            if last or first + _BATCH <= there:
                yield first, min(_BATCH, there - first)

    def _ready(self, all_segmented: bool) -> Iterator[Seconds]:
        """The stretches of which everything is known."""
        length = self._n_samples / RATE
        known = float("inf") if all_segmented else self._chunks.n_final * _FRAME
        start = self._stretch * _STRETCH
        while start < length and start + _STRETCH + _MARGIN + _FIELD <= known:
            yield start
            start += _STRETCH

    def _segmenting(self, first: int, n: int) -> Callable[[], _Result]:
        sound = np.zeros((n, int(_CHUNK * RATE)), np.float32)
        for i in range(n):
            start = round((first + i) * _HOP * RATE)
            part = self._cut(start, start + sound.shape[1])
            sound[i, : len(part)] = part
        return lambda: self._by.segmented(sound)

    def _embedding(self, start: Seconds) -> Callable[[], _Result]:
        begin = max(0.0, start - _MARGIN)
        stop = min(self._n_samples / RATE, start + _STRETCH + _MARGIN)
        sound = self._cut(round(begin * RATE), round(stop * RATE))
        frames = wespeaker.centres(wespeaker.n_frames(len(sound))) + begin
        at = np.maximum(_frame(frames), 0)
        first, last = (int(at[0]), int(at[-1]) + 1) if len(at) else (0, 0)
        talking = self._chunks.counts(first, last)[at - first]
        return lambda: self._by.embedded(sound, talking, begin, start)

    def _cut(self, start: int, stop: int) -> NDArray[np.float32]:
        (sound,) = self._sound
        return sound[max(0, start - self._first) : max(0, stop - self._first)]

    def _forget(self) -> None:
        """Lets go of the sound that nobody will ask for again."""
        chunk = len(self._chunks.active) * _HOP
        until = round(min(chunk, max(0.0, self._stretch * _STRETCH - _MARGIN)) * RATE)
        (sound,) = self._sound
        self._sound = [sound[until - self._first :].copy()]
        self._first = until


def _weights(middles: NDArray[np.intp], talking: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Of what lies around these features, that in which one talks alone: middles, and weights (n, features)."""
    rows = np.zeros((len(middles), len(talking)), np.float32)
    for row, middle in zip(rows, middles.tolist(), strict=True):
        around = slice(max(0, middle - _AROUND), middle + _AROUND)
        row[around] = talking[around] == 1
    kept = (rows.sum(axis=1) >= _CLEAN) & (talking[middles] > 0)
    return middles[kept], rows[kept]


def _frame(seconds: NDArray[np.float64]) -> NDArray[np.intp]:
    """The frames of the segmentation whose middles are nearest."""
    return np.floor((seconds - _FIELD / 2) / _FRAME + 0.5).astype(np.intp)


def _path(
    chunks: Chunks, speech: NDArray[np.intp], centres: NDArray[np.float64], likeness: vbx.Floats
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Scores and probabilities of a change at the frames with speech, for `switching`. likeness: (voices, K)."""
    times = speech * _FRAME + _FIELD / 2
    nearest = np.searchsorted((centres[1:] + centres[:-1]) / 2, times)
    scores = (likeness * (_SURE * _FRAME)).astype(np.float32)[nearest]
    scores[np.abs(centres[nearest] - times) > _REACH] = 0
    same, other = changes(chunks, speech)
    pause = np.diff(speech, prepend=speech[:1]) - 1
    prior = np.where(pause > 0, np.clip(_CHANGE_A_SECOND * pause * _FRAME, _CHANGE, _OFTEN), _CHANGE)
    return scores, np.clip((other + prior) / (same + other + 1), _RARE, _OFTEN)


def _joined(parts: list[_Voices]) -> _Voices:
    rows = parts or [_NOBODY]
    return _Voices(np.concatenate([r.centres for r in rows]), np.concatenate([r.embeddings for r in rows]))


def _diarized(
    masks: list[NDArray[np.bool_]], prints: list[tuple[float, ...]], duration: Seconds, counts: Counts
) -> Diarized:
    """masks: where each of the speakers talks."""
    raw: list[Turn] = []
    for k, mask in enumerate(masks):
        spans = [Span(a * _FRAME + _FIELD / 2, b * _FRAME + _FIELD / 2) for a, b in runs(mask)]
        raw += [Turn(span.start, span.end, str(k)) for span in merged(spans, _PAUSE)]
    seconds = [float(mask.sum()) * _FRAME for mask in masks]
    voices = [Voice(str(k), round(seconds[k], 3), print_) for k, print_ in enumerate(prints)]
    turns, voices_ = tidied_with(raw, voices, duration)
    n_found = len({turn.speaker for turn in turns})
    few = f"{counts.least} speakers were asked for, and {n_found} could be told apart"
    return Diarized(turns, voices_, (few,) if n_found < counts.least else ())
