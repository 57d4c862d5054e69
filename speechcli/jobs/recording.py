"""One recording from its file to its last sample: identity, decoding, and how it ended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from speechcli.core.audio import Audio
from speechcli.core.span import Seconds
from speechcli.jobs.job import Job
from speechcli.media import files
from speechcli.media.ffmpeg import Decoding, Facts, decode, probe

BLOCK = 512 * 256  # samples: 8 s at 16 kHz, a multiple of the speech detector's frame


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of a recording when its last sample was decoded.

    changed: the file was written to while it was read. facts: for the provenance.
    """

    duration: Seconds
    complete: bool
    notes: tuple[str, ...]
    changed: bool
    fingerprint: str
    size: int
    mtime_ns: int
    facts: tuple[tuple[str, str], ...]


class Recording:
    """An opened recording; its blocks can be read once."""

    def __init__(self, path: Path, fingerprint: str, facts: Facts, decoding: Decoding, track: int) -> None:
        self.fingerprint = fingerprint
        self.duration = facts.duration
        self._stat = os.stat(path)
        self._facts = facts
        self._decoding = decoding
        self._track = track

    def blocks(self) -> Iterator[Audio]:
        """Its sound, block by block. Raises MediaError."""
        return iter(self._decoding)

    def ending(self) -> Ending:
        """To be asked after the last block."""
        report = self._decoding.report()
        track = self._facts.tracks[self._track]
        facts = {
            "fingerprint": self.fingerprint,
            "container": self._facts.container,
            "codec": track.codec,
            "rate": str(track.rate),
            "channels": str(track.channels),
            "track": str(self._track),
        }
        return Ending(
            duration=report.duration,
            complete=report.complete,
            notes=report.notes,
            changed=report.changed,
            fingerprint=self.fingerprint,
            size=self._stat.st_size,
            mtime_ns=self._stat.st_mtime_ns,
            facts=tuple(facts.items()),
        )


@dataclass(frozen=True, slots=True)
class Recordings:
    """How recordings are opened. ffmpeg: the program. longest: refuse to decode more than this."""

    ffmpeg: Path
    rate: int
    longest: Seconds = 100 * 3600.0

    @contextmanager
    def open(self, job: Job) -> Iterator[Recording]:
        """The job's recording; its decoder is gone when the context is left. Raises MediaError, NoInputError."""
        question = job.question
        fingerprint = files.fingerprint(job.media)
        facts = probe(job.media, self.ffmpeg)
        with decode(
            job.media,
            facts,
            ffmpeg=self.ffmpeg,
            track=question.track,
            channel=question.channel,
            rate=self.rate,
            block=BLOCK,
            longest=self.longest,
        ) as decoding:
            yield Recording(job.media, fingerprint, facts, decoding, question.track)
