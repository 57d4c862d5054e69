"""What a benchmark found: systems, what each did with each recording, and where that was. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from speechcli.core.span import Seconds
from speechcli.scoring.rates import Metric, Rate, pooled

OTHERS: Final = "other programs took"  # so begins the note of a system that was not alone on its machine


@dataclass(frozen=True, slots=True)
class Run:
    """One system on one recording.

    recording: its name, the same for all systems. duration: of its sound. seconds: of wall time from opening the file
    to the finished transcript, the model loaded and warm. cpu: CPU-seconds meanwhile. first: wall time until the first
    words were there. scores: what could be scored. text, reference: as compared by WER, normalised. error: why there is
    no transcript, "" where there is one. lacking: metrics asked for that could not be scored, and why not.
    """

    recording: str
    duration: Seconds
    seconds: Seconds | None = None
    cpu: Seconds | None = None
    first: Seconds | None = None
    scores: Mapping[Metric, Rate] = field(default_factory=dict)
    text: str = ""
    reference: str = ""
    error: str = ""
    lacking: Mapping[Metric, str] = field(default_factory=dict)
    distances: tuple[int, ...] = ()  # ms, of word edges from the reference's, signed


@dataclass(frozen=True, slots=True)
class System:
    """A model as it was run, or transcripts that somebody made.

    name: unique in a result. memory: peak of host memory of its process in bytes; device_memory: of the GPU. load:
    seconds until the model was ready; warm_up: of the first sound, which no run counts. energy: joules of all runs.
    notes: what is not known and why, one line each.
    """

    name: str
    runs: tuple[Run, ...]
    model: str = ""
    revision: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    device: str = ""
    load: Seconds | None = None
    warm_up: Seconds | None = None
    memory: int | None = None
    device_memory: int | None = None
    energy: float | None = None
    error: str = ""  # why it could not be run, or, where it has runs, not go on to the end
    notes: tuple[str, ...] = ()

    @property
    def disturbed(self) -> bool:
        """Whether other programs were at work while it was timed."""
        return any(note.startswith(OTHERS) for note in self.notes)

    @property
    def trouble(self) -> str:
        """What became of it, for people; "" where it came to its end.

        >>> System("a", (), error="no such model").trouble
        'a could not be run: no such model'
        """
        what = "did not come to its end" if self.done else "could not be run"
        return f"{self.name} {what}: {self.error}" if self.error else ""

    @property
    def done(self) -> tuple[Run, ...]:
        """Runs that gave a transcript."""
        return tuple(run for run in self.runs if not run.error)

    def score(self, metric: Metric) -> Rate | None:
        """Of all recordings that could be scored; None where none could."""
        found = [run.scores[metric] for run in self.runs if metric in run.scores]
        return pooled(found) if found else None

    @property
    def rtfx(self) -> float | None:
        """Seconds of sound a second of work (the inverse of the real-time factor); None where nothing was timed."""
        timed = [run for run in self.done if run.seconds]
        worked = sum(run.seconds or 0.0 for run in timed)
        return sum(run.duration for run in timed) / worked if worked else None


@dataclass(frozen=True, slots=True)
class Result:
    """A whole benchmark.

    made: date, ISO 8601. machine: processor, cores, memory, GPU, versions. normalizer: "english", "basic" or "none".
    collar: seconds each side of a boundary that DER does not score; tcp_collar: of tcpWER. complete: False where it was
    broken off.
    """

    systems: tuple[System, ...]
    metrics: tuple[Metric, ...]
    normalizer: str
    collar: Seconds
    tcp_collar: Seconds
    made: str
    machine: Mapping[str, str]
    complete: bool = True
