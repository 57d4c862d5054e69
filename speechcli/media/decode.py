"""A media file as blocks of mono sound, and at the end a true word about how much of it there was.

The exit status of ffmpeg is no evidence: half an mp3, flac or mkv gives 0 and half the sound (FAULTS 3 A4). So
the seconds that came out are counted and compared with those announced, and its complaints are read.
Nothing is ever sized from a header: what a bomb unpacks to passes through block by block, up to a limit.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import ffmpeg as ffmpeg_python
import numpy as np

from speechcli.core.audio import Audio, Samples
from speechcli.core.span import Seconds, to_samples
from speechcli.errors import MediaError, UsageError
from speechcli.media.ffmpeg import PATIENCE, Child, argv, complaint, listen, regular, source
from speechcli.media.mix import Mixer
from speechcli.media.probe import Facts
from speechcli.media.whole import cut_wav, ogg_ends

CHUNK = 16_384  # frames mixed at a time: about a second; fixed, so that the same file gives the same samples
MANY = 10  # lines on stderr: a tag or a seam between two glued files gives one or two, damage gives dozens
_EARLY_END = re.compile(r"ended prematurely|partial file|truncat|unexpected end", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Take:
    """What of a file is wanted, and how.

    rate: Hz. track, channel: from 0; None is the track the file prefers, and a mix of all channels.
    block: samples per block. longest: seconds after which the file is refused. patience: seconds without a byte.
    """

    rate: int = 16_000
    track: int | None = None
    channel: int | None = None
    block: int = 512_000
    longest: Seconds = 360_000.0
    patience: Seconds = PATIENCE


@dataclass(frozen=True, slots=True)
class Report:
    """How the decoding went.

    duration: seconds that came out. complete: False when sound is missing, or decoding was stopped.
    changed: the file was written to meanwhile; it must not count as done. notes: sentences for people.
    """

    duration: Seconds
    complete: bool
    changed: bool = False
    notes: tuple[str, ...] = ()


def decode(path: Path, facts: Facts, ffmpeg: Path, take: Take = Take()) -> Decoding:
    """The sound of `path`, from its first sample at 0 s: a track that begins late begins with silence.

    facts: from `probe`. ffmpeg: from `find`. Raises UsageError for a track or channel that is not there.
    """
    return Decoding(path, facts, ffmpeg, take)


class Decoding:
    """An iterator of `Audio` blocks, all of `take.block` samples but the last, each where the one before ended.

    Also a context manager: leaving it, at the end or early, kills and reaps the decoder. Iterating raises
    MediaError for a file that cannot be decoded, hangs or crashes the decoder, or is longer than `take.longest`;
    no sound at all is no block.
    """

    def __init__(self, path: Path, facts: Facts, ffmpeg: Path, take: Take) -> None:
        self.track = facts.preferred if take.track is None else take.track
        if not 0 <= self.track < len(facts.tracks):
            listed = ", ".join(f"{n}: {track}" for n, track in enumerate(facts.tracks))
            raise UsageError(f"{facts.name} has no audio track {self.track}", f"--track takes one of {listed}")
        self._channels = max(1, facts.tracks[self.track].channels)
        if take.channel is not None and not 0 <= take.channel < self._channels:
            raise UsageError(
                f"{facts.name} has no channel {take.channel}", f"--channel takes 0 to {self._channels - 1} here"
            )
        self._path, self._facts, self._ffmpeg, self._take = path, facts, ffmpeg, take
        self._mixer = Mixer(self._channels, take.channel)
        self._samples = 0
        self._complete, self._changed = False, False
        self._notes: list[str] = []
        self._blocks = self._run()

    def __iter__(self) -> Iterator[Audio]:
        return self

    def __next__(self) -> Audio:
        return next(self._blocks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops the decoder; never raises, and may be called at any time."""
        self._blocks.close()

    def report(self) -> Report:
        """How it went, final once the blocks are exhausted; before that, or stopped, `complete` is False."""
        notes = (*self._notes, *self._mixer.notes)
        return Report(self._samples / self._take.rate, self._complete, self._changed, notes)

    def _run(self) -> Generator[Audio, None, None]:
        facts, take = self._facts, self._take
        before = regular(self._path, facts.name)
        late = to_samples(self._late(), take.rate)
        block = np.empty(take.block, dtype=np.float32)
        filled = 0
        with Child(self._command(), facts.name, cpu=600.0 + take.longest / 20) as child:
            for piece in self._pieces(child, late):
                at = 0
                while at < len(piece):
                    n = min(len(piece) - at, take.block - filled)
                    block[filled : filled + n] = piece[at : at + n]
                    filled, at = filled + n, at + n
                    if filled == take.block:
                        yield self._block(block)
                        block, filled = np.empty(take.block, dtype=np.float32), 0
            status = child.wait(take.patience)
            said, lines = child.said, child.lines
        total = self._samples + filled
        if total == late and not (status == 0 and not lines and facts.container == "wav"):
            raise MediaError(f"no sound could be decoded from {facts.name} ({complaint(said)})", "is it damaged?")
        self._mixer.refuse(facts.name)
        if filled:  # a copy, for a block's memory is many times a short file's
            yield self._block(block[:filled].copy())
        self._judge(status, said, lines)
        after = regular(self._path, facts.name)
        self._changed = (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
        if self._changed:
            self._notes.append("input changed while it was read")

    def _block(self, samples: Samples) -> Audio:
        audio = Audio(samples, self._take.rate, self._samples)
        self._samples += len(samples)
        return audio

    def _pieces(self, child: Child, late: int) -> Generator[Samples, None, None]:
        """Mono pieces: silence up to the first sample of a late track, then what the child gives."""
        take, name = self._take, self._facts.name
        most = to_samples(take.longest, take.rate)
        expected = to_samples(self._facts.duration or take.longest, take.rate) * self._channels
        total = 0
        while total < late and total <= most:
            silence = np.zeros(min(CHUNK, late - total), dtype=np.float32)
            total += len(silence)
            yield silence
        frames = np.empty((CHUNK, self._channels), dtype=np.float32)
        raw = frames.data.cast("B")
        width = 4 * self._channels
        got = len(raw)
        while got == len(raw) and total <= most:
            got = child.read_into(raw, take.patience)
            total += got // width
            yield self._mixer.mix(frames[: got // width])
            self._mixer.refuse(name, expected)
        if total > most:
            limit = f"{take.longest / 3600:g} h" if take.longest >= 3600 else f"{take.longest:g} s"
            raise MediaError(f"{name} is longer than {limit}", "--max-recording takes more")

    def _command(self) -> list[bytes]:
        """FAULTS 0.1, but for `first_pts=0`, which `_late` stands in for.

        When the number of channels or the rate changes midway (films on television, glued files, bit errors)
        ffmpeg builds its filters anew, and `first_pts=0` then puts silence of the whole length so far in front of
        what follows: 12 s of AC-3 with three changes came out as 30 s (9.0.2). Nor is the sound handed on in larger
        pieces (`asetnsamples`), which would save a tenth: what is in one when that happens is lost, up to a second.
        """
        node = source(v="error", filter_threads=1)[f"a:{self.track}"]
        form = {"format": "f32le", "ar": self._take.rate, "ac": self._channels, "af": "aresample=async=1"}
        bare = {"vn": None, "sn": None, "dn": None, "flush_packets": 0}
        return argv(self._ffmpeg, self._path, ffmpeg_python.output(node, "pipe:1", **form, **bare))

    def _late(self) -> Seconds:
        """Seconds from the start of the recording to the first sample of the track.

        0 where it is alone, but for MP4, whose edit lists may begin with nothing. It is the time stamp of the first
        decoded frame, as `framecrc` prints it: raw (`copyts`), for of a transport stream ffmpeg counts from the
        first stream that is used, and the picture is not.
        """
        start = self._facts.start
        if start is None or not (self._facts.others or self._facts.container.startswith("mov")):
            return 0.0
        node = source(v="error", filter_threads=1)[f"a:{self.track}"]
        output = ffmpeg_python.output(node, "pipe:1", format="framecrc", copyts=None, **{"frames:a": 1})
        _, out, _ = listen(argv(self._ffmpeg, self._path, output), self._facts.name, self._take.patience)
        base = re.search(rb"^#tb 0: (\d+)/(\d+)$", out, re.MULTILINE)
        first = re.search(rb"^0, +-?\d+, +(-?\d+),", out, re.MULTILINE)
        if not first or not base or not int(base[2]):
            return 0.0
        return max(0.0, int(first[1]) * int(base[1]) / int(base[2]) - start)

    def _judge(self, status: int, said: str, lines: int) -> None:
        """Whether the sound is all there, from what was announced, what came, and what ffmpeg complained about."""
        facts = self._facts
        came = self._samples / self._take.rate
        announced = cut_wav(self._path) if facts.container == "wav" else None
        if announced is None and not facts.estimated and not facts.others:
            # with other streams in it the header's duration is that of the longest
            announced = facts.duration
            if announced is not None and facts.container.startswith("matroska"):
                announced -= max(0.0, facts.start or 0.0)  # its duration counts from 0, not from the first sample
        self._complete = status == 0 and lines < MANY
        if announced is not None and announced - came > max(0.5, 0.01 * announced):
            self._complete = False
            self._notes.append(f"decoded {came:.1f} s of {announced:.1f} s announced (file cut short?)")
        elif _EARLY_END.search(said):
            self._complete = False
            self._notes.append(f"the file ends early, after {came:.1f} s (cut short?)")
        elif facts.container == "ogg" and not ogg_ends(self._path):
            self._complete = False
            self._notes.append(f"the file ends without its end mark, after {came:.1f} s (cut short?)")
        if lines or status:
            errors = f"{max(1, lines)} error{'s' if lines > 1 else ''}"
            self._notes.append(f"{errors} while decoding (last: {complaint(said)})")
