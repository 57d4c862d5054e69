"""Recordings with a speaker on each channel, as telephones and conference bridges make them: no model is needed.

The channels are decoded side by side, what leaked from one into another is silenced, and each is then heard as if it
were a recording by itself, its windows among those of all others. A channel is a speaker: SPEAKER_00 is on the first.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechcli import pipeline
from speechcli.backends.base import SpeechDetector
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds, Span
from speechcli.core.transcript import Stage, Transcript, Verdict
from speechcli.errors import MediaError, UsageError
from speechcli.jobs.job import Job
from speechcli.jobs.recording import BLOCK, Ending, Recording, Recordings
from speechcli.media import files
from speechcli.media.decode import Decoding, Take, decode
from speechcli.media.probe import Facts, probe
from speechcli.numerics.crosstalk import Crosstalk
from speechcli.timeline.channels import joined, turns_of
from speechcli.timeline.stitch import Answer
from speechcli.timeline.windows import Rules, Window

SPLIT = "split"
MOST = 16  # channels: each has a decoder of its own
STAGE = Stage("diarize", "speechcli", "channels")

_PIECE: Seconds = 0.5  # channels are compared by pieces of this length
_LOUD = 1e-6  # mean square (-60 dBFS) of a piece that is worth it
_ALIKE = 0.98  # correlation
_AS_LOUD = 2.0  # energies within this factor
_ENOUGH = 4  # pieces that are not alike
_RARE = 0.1  # share of them that still is one sound on all channels


def by_channel(channels: str | None, excluded: Mapping[str, object]) -> bool:
    """Whether each channel is a speaker. excluded: what does not go with that, by its name. Raises UsageError."""
    if channels is None:
        return False
    if channels != SPLIT:
        raise UsageError(f"channels {channels!r}: no such choice", f"{SPLIT}: a speaker on each")
    for option, value in excluded.items():
        if value is not None and value is not False:
            ours = "--channels" if option.startswith("--") else "channels"
            raise UsageError(f"{ours} {SPLIT} and {option} exclude each other", "each channel is one speaker")
    return True


class Channels:
    """An opened recording, all of its channels; its windows can be read once."""

    def __init__(self, rows: Sequence[Recording], rate: int) -> None:
        self.fingerprint = rows[0].fingerprint
        self.duration = rows[0].duration
        self._rows = rows
        self._rate = rate

    def windows(
        self, detector: SpeechDetector, rules: Rules, only: Sequence[Span] = ()
    ) -> Iterator[tuple[Window, Audio]]:
        """The windows of all channels with their sound, numbered through; whichever has come least far comes next."""
        beside = _Beside([row.blocks() for row in self._rows], self._rate)
        rows = [pipeline.windows(beside.channel(i), detector.fresh(), rules, only) for i in range(len(self._rows))]
        waiting = [(0.0, channel) for channel in range(len(rows))]
        n_windows = 0
        while waiting:
            _, channel = heapq.heappop(waiting)
            for window, audio in rows[channel]:
                yield replace(window, index=(n_windows,), channel=channel), audio
                n_windows += 1
                heapq.heappush(waiting, (window.own.end, channel))
                break

    def ending(self) -> Ending:
        """To be asked after the last window."""
        endings = [row.ending() for row in self._rows]
        return replace(
            endings[0],
            complete=all(ending.complete for ending in endings),
            notes=tuple(dict.fromkeys(note for ending in endings for note in ending.notes)),
            changed=any(ending.changed for ending in endings),
        )


@contextmanager
def opened(recordings: Recordings, job: Job) -> Iterator[Channels]:
    """The job's recording; its decoders are gone when the context is left.

    Raises MediaError and its like; UsageError where there is one channel, or the same sound on all of them.
    """
    facts = probe(job.media, recordings.ffmpeg, Path(job.name).name)
    fingerprint = files.fingerprint(job.media)
    _check(job, facts, recordings)
    with ExitStack() as stack:
        rows = [
            Recording(job.media, fingerprint, facts, stack.enter_context(decoding), recordings.ffmpeg)
            for decoding in _decodings(job, facts, recordings)
        ]
        yield Channels(rows, recordings.rate)


def made(job: Job, groups: Sequence[Sequence[Answer]], assembled: Callable[..., Transcript]) -> Transcript:
    """The transcript of a recording whose every window has been heard; without a model only who speaks when.

    assembled: makes that of one channel, of its groups.
    """
    rows: dict[int, list[Sequence[Answer]]] = defaultdict(list)
    for group in groups:
        rows[group[0].window.channel].append(group)
    parts = {channel: assembled(rows[channel]) for channel in sorted(rows)} or {0: assembled([])}
    speech = {c: [span for group in rows[c] for span in group[0].window.speech] for c in parts}
    if not job.question.judged:  # everything was taken for speech
        speech = {c: list(part.segments) for c, part in parts.items()}
    whole = joined(parts, turns_of(speech, parts[min(parts)].duration))
    if job.question.model:
        return replace(whole, made_by=(*whole.made_by, STAGE))
    verdict = Verdict(speech=whole.verdict.speech, complete=whole.verdict.complete, notes=whole.verdict.notes)
    return replace(whole, made_by=(STAGE,), verdict=verdict)


class _Beside:
    """The blocks of all channels, read together and handed out one by one."""

    def __init__(self, rows: Sequence[Iterator[Audio]], rate: int) -> None:
        self._together = zip_longest(*rows)  # to the end of all, or a decoder cannot say how it went
        self._crosstalk = Crosstalk(len(rows), rate)
        self._read: list[deque[Audio]] = [deque() for _ in rows]

    def channel(self, number: int) -> Iterator[Audio]:
        """Its blocks, without what leaked from others."""
        while True:
            if self._read[number]:
                yield self._read[number].popleft()
                continue
            blocks = next(self._together, None)
            if blocks is None or None in blocks:
                return
            shortest = min(len(block.samples) for block in blocks)  # alike, but for a file that is being written to
            clean = self._crosstalk([block.samples[:shortest] for block in blocks])
            for row, block, samples in zip(self._read, blocks, clean, strict=True):
                row.append(replace(block, samples=samples))


def _decodings(job: Job, facts: Facts, recordings: Recordings) -> list[Decoding]:
    """A decoder a channel; nothing runs before it is asked for a block. Raises UsageError."""
    take = Take(recordings.rate, job.question.track, None, round(BLOCK * recordings.rate), recordings.longest)
    track = decode(job.media, facts, recordings.ffmpeg, take).track
    n_channels = max(1, facts.tracks[track].channels)
    if n_channels == 1:
        raise UsageError(f"{job.name} has one channel", f"leave out --channels {SPLIT}: nothing can be split")
    if n_channels > MOST:
        raise UsageError(f"{job.name} has {n_channels} channels", f"--channels {SPLIT} takes {MOST} at most")
    return [decode(job.media, facts, recordings.ffmpeg, replace(take, channel=i)) for i in range(n_channels)]


def _check(job: Job, facts: Facts, recordings: Recordings) -> None:
    """Whether the channels differ: mostly known after seconds. Raises MediaError for the same sound on all of them."""
    n_loud = n_apart = 0
    with ExitStack() as stack:
        rows = [stack.enter_context(decoding) for decoding in _decodings(job, facts, recordings)]
        for blocks in zip(*rows, strict=False):
            shortest = min(len(block.samples) for block in blocks)
            loud, apart = _compared(np.stack([block.samples[:shortest] for block in blocks]), recordings.rate)
            n_loud, n_apart = n_loud + loud, n_apart + apart
            if n_apart >= _ENOUGH and n_apart > _RARE * n_loud:
                return
    if n_loud and n_apart <= _RARE * n_loud:
        raise MediaError(
            f"{job.name}: all channels have the same sound", f"leave out --channels {SPLIT}: nobody is on one alone"
        )


def _compared(samples: NDArray[np.float32], rate: int) -> tuple[int, int]:
    """Pieces with sound, and those of them in which the channels differ. samples: shape (channels, n)."""
    size = round(_PIECE * rate)
    n_loud = n_apart = 0
    for at in range(0, samples.shape[1], size):
        piece = samples[:, at : at + size].astype(np.float64)
        energy = np.mean(piece**2, axis=1)
        if energy.max() < _LOUD:
            continue
        alike = np.mean(piece * piece[0], axis=1) / np.sqrt(energy * energy[0] + 1e-20)
        unlike = (np.abs(alike) < _ALIKE) | (energy * _AS_LOUD < energy[0]) | (energy > energy[0] * _AS_LOUD)
        n_loud, n_apart = n_loud + 1, n_apart + bool(unlike.any())
    return n_loud, n_apart
