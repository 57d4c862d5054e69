"""Recordings with known words: the clips of data/, made recordings of several, and counts of wrong words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from speechcli.core.audio import Audio
from speechcli.core.span import Span
from speechcli.media.decode import Take, decode
from speechcli.media.ffmpeg import find
from speechcli.media.probe import probe

DATA = Path(__file__).parent / "data"
RATE = 16_000
# LJ001-0007 is left out: a model may as well write its "forty-two" and "fourteen fifty-five" in figures
CLIPS = tuple(sorted(path.stem for path in DATA.glob("*-*.flac") if path.stem != "LJ001-0007"))


@cache
def clip(name: str) -> Audio:
    """The clip at 16 kHz, through the one decode door."""
    path, program = DATA / f"{name}.flac", find()
    with decode(path, probe(path, program), program, Take(RATE)) as blocks:
        samples = np.concatenate([block.samples for block in blocks])
    samples.flags.writeable = False
    return Audio(samples, RATE)


def said(name: str) -> list[str]:
    """The words of a clip."""
    return words((DATA / f"{name}.txt").read_text("utf-8"))


def words(text: str) -> list[str]:
    """Bare words, for comparing."""
    return re.findall(r"[a-z0-9']+", text.lower())


def wrong(spoken: Sequence[str], heard: Sequence[str]) -> int:
    """Words put in, left out and exchanged: Levenshtein's distance.

    >>> wrong(["a", "b", "c"], ["a", "x", "c", "d"])
    2
    """
    row = list(range(len(heard) + 1))
    for i, word in enumerate(spoken, 1):
        before, row = row, [i]
        for j, other in enumerate(heard, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != other)))
    return row[-1]


@dataclass(frozen=True, slots=True)
class Made:
    """Clips one after the other. spans: where each of them speaks, to 26 dB below its loudest."""

    audio: Audio
    names: tuple[str, ...]
    spans: tuple[Span, ...]

    def __post_init__(self) -> None:
        assert len(self.names) == len(self.spans)

    @property
    def said(self) -> list[str]:
        return [word for name in self.names for word in said(name)]


def made(names: Sequence[str], pauses: Iterable[float]) -> Made:
    """The clips, cut where they are 40 dB below their loudest, each after a pause (seconds) of faint noise."""
    random = np.random.default_rng(5)
    parts: list[np.ndarray] = []
    spans: list[Span] = []
    at = 0
    for name, pause in zip(names, pauses, strict=True):
        quiet = random.normal(0, 3e-4, round(pause * RATE)).astype(np.float32)
        sound = clip(name).samples
        sound = sound[slice(*_louder(sound, 0.01))]
        begin, end = _louder(sound, 0.05)
        parts += [quiet, sound]
        at += len(quiet)
        spans.append(Span((at + begin) / RATE, (at + end) / RATE))
        at += len(sound)
    parts.append(random.normal(0, 3e-4, RATE).astype(np.float32))
    return Made(Audio(np.concatenate(parts), RATE), tuple(names), tuple(spans))


def blocks(audio: Audio, size: int) -> Iterable[Audio]:
    """The recording as it comes from the decoder, `size` samples at a time."""
    for first in range(0, len(audio.samples), size):
        yield Audio(audio.samples[first : first + size], audio.rate, first)


def _louder(samples: np.ndarray, share: float) -> tuple[int, int]:
    """From the first to the last sample whose 10 ms are louder than `share` of the loudest ones."""
    n_frames = len(samples) // 160
    level = np.sqrt(np.mean(samples[: n_frames * 160].reshape(n_frames, 160) ** 2, axis=1))
    loud = np.flatnonzero(level > share * level.max())
    return int(loud[0]) * 160, (int(loud[-1]) + 1) * 160
