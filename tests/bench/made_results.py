"""Benchmark results made up to measure: systems that err as often as a test wants."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from speechcli.bench.result import Result, Run, System
from speechcli.scoring.rates import Rate
from speechcli.scoring.words import cer, wer

MACHINE = {"processor": "Zen", "cores": "2", "memory": "24.0 GB", "python": "3.13.1"}
SPOKEN = "the harbour was quiet when we got there and nobody had told them about the meeting on friday".split()


def words(wrong: float, length: float = 100) -> Rate:
    return Rate((("substituted", wrong), ("deleted", 0), ("inserted", 0)), length)


def system(
    name: str,
    wrong: Sequence[float],
    speed: float | None = 10.0,
    length: float = 100,
    minute: float = 60.0,
    **known: Any,
) -> System:
    """wrong: words of each recording, of `length`. speed: times real time, None where it was not timed."""
    runs = tuple(
        Run(f"{i:02d}.wav", minute, seconds=minute / speed if speed else None, scores={"wer": words(n, length)})
        for i, n in enumerate(wrong)
    )
    return System(name, runs, **known)


def result(*systems: System, **changed: Any) -> Result:
    whole = Result(systems, ("wer",), "english", 0.25, 5.0, "2026-11-22T03:10:00+00:00", MACHINE)
    return replace(whole, **changed)


def heard(name: str, share: float, count: int, length: int = 60, prefix: str = "", speed: float = 10.0) -> System:
    """A system whose words are wrong at random; the texts are in its runs."""
    runs = []
    for i in range(count):
        rng, own = random.Random(i), random.Random(f"{name} {i}")
        reference = [rng.choice(SPOKEN) for _ in range(length)]
        text = [word for spoken in reference for word in _spoilt(spoken, share, own)]
        said, got = " ".join(reference), " ".join(text)
        seconds = length / 2.5
        scores = {"wer": wer(said, got, "none"), "cer": cer(said, got, "none")}
        runs.append(Run(f"{prefix}{i:03d}.wav", seconds, seconds / speed, scores=scores, text=got, reference=said))
    return System(name, tuple(runs), model=name, load=1.0, memory=700_000_000)


def _spoilt(word: str, share: float, rng: random.Random) -> list[str]:
    chance = rng.random() / share if share else 1.0
    return [f"{word}s"] if chance < 0.6 else [] if chance < 0.8 else [word, "uh"] if chance < 1 else [word]
