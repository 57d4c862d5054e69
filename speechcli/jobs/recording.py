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
from speechcli.media.decode import Decoding, Take, decode
from speechcli.media.ffmpeg import version
from speechcli.media.probe import Facts, probe

BLOCK: Seconds = 8.0  # a whole number of the speech detector's frames of 32 ms


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

    def __init__(self, path: Path, fingerprint: str, facts: Facts, decoding: Decoding, ffmpeg: Path) -> None:
        self.fingerprint = fingerprint
        self.duration = facts.duration
        self._stat = os.stat(path)
        self._facts = facts
        self._decoding = decoding
        self._ffmpeg = ffmpeg

    def blocks(self) -> Iterator[Audio]:
        """Its sound, block by block. Raises MediaError."""
        return iter(self._decoding)

    def ending(self) -> Ending:
        """To be asked after the last block."""
        report = self._decoding.report()
        number = self._decoding.track
        track = self._facts.tracks[number]
        facts = {
            "fingerprint": self.fingerprint,
            "container": self._facts.container,
            "codec": track.codec,
            "rate": str(track.rate),
            "channels": str(track.channels),
            "track": str(number),
            "ffmpeg": version(self._ffmpeg) or "",
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
    """How recordings are opened. rate: Hz the model listens at. longest: refuse to decode more than this."""

    ffmpeg: Path
    rate: int
    longest: Seconds = 100 * 3600.0

    @contextmanager
    def open(self, job: Job) -> Iterator[Recording]:
        """The job's recording; its decoder is gone when the context is left. Raises MediaError, NoInputError."""
        question = job.question
        name = Path(job.name).name
        facts = probe(job.media, self.ffmpeg, name)
        fingerprint = files.fingerprint(job.media)
        take = Take(self.rate, question.track, question.channel, round(BLOCK * self.rate), self.longest)
        with decode(job.media, facts, self.ffmpeg, take) as decoding:
            yield Recording(job.media, fingerprint, facts, decoding, self.ffmpeg)
