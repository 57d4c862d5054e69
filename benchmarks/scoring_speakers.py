"""How far off it is who spoke when, and who said what: seconds and words that add.

    python benchmarks/scoring_speakers.py REFERENCE.rttm FOUND.rttm [--seconds DURATION]

Nothing heavy is imported but where it is used, for the sake of the memory of what is measured: see common.py.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

_T = TypeVar("_T")
Turns: TypeAlias = list[tuple[float, float, str]]
"""Start and end, seconds, and the speaker."""
Said: TypeAlias = list[tuple[float, float, str, str]]
"""Start and end, seconds, the speaker, and the words."""

COLLARS = (0.0, 0.25)
"""Seconds before and after each edge of the reference that are not scored: none, and those of NIST's evaluations."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Speaker-seconds: spoken and not found, found and not spoken, given to another one; and all that are spoken."""

    missed: float = 0.0
    invented: float = 0.0
    confused: float = 0.0
    total: float = 0.0

    @property
    def der(self) -> float:
        """Diarization error rate, percent. Where nobody speaks: 0, or 100 when somebody was found."""
        wrong = self.missed + self.invented + self.confused
        return 100 * wrong / self.total if self.total else 100.0 * bool(wrong)

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            self.missed + other.missed,
            self.invented + other.invented,
            self.confused + other.confused,
            self.total + other.total,
        )

    def __str__(self) -> str:
        parts = ((name, getattr(self, name)) for name in ("missed", "invented", "confused"))
        told = ", ".join(f"{name} {100 * seconds / (self.total or 1):.1f}" for name, seconds in parts)
        return f"{self.der:5.1f} % ({told})"


@dataclass(frozen=True, slots=True)
class Scored:
    """One recording, or several pooled. errors: one for each of COLLARS. counts: speakers found less true, of each."""

    errors: tuple[Errors, ...]
    counts: tuple[int, ...]

    @property
    def right(self) -> float:
        """Percent of the recordings whose number of speakers was found."""
        return 100 * sum(not off for off in self.counts) / max(1, len(self.counts))

    def summary(self) -> dict[str, Any]:
        """For the raw numbers."""
        names = ("missed", "invented", "confused", "total")
        out: dict[str, Any] = {
            f"collar {collar:g}": {"der": round(e.der, 2), **{name: round(getattr(e, name), 2) for name in names}}
            for collar, e in zip(COLLARS, self.errors, strict=True)
        }
        return {**out, "speakers_off": list(self.counts)}

    def __str__(self) -> str:
        off = f"{self.counts[0]:+d}" if len(self.counts) == 1 else f"right in {self.right:.0f} %"
        return "; ".join(f"collar {c:g}: {e}" for c, e in zip(COLLARS, self.errors, strict=True)) + f"; speakers {off}"


def pooled(scored: Iterable[Scored]) -> Scored:
    """All of them as one, by seconds."""
    errors, counts = [Errors()] * len(COLLARS), list[int]()
    for one in scored:
        errors = [a + b for a, b in zip(errors, one.errors, strict=True)]
        counts += one.counts
    return Scored(tuple(errors), tuple(counts))


@dataclass(frozen=True, slots=True)
class Attributed:
    """Words with speakers: errors of all, and of the reference's words (cpWER: concatenated, the best permutation)."""

    errors: int = 0
    words: int = 0

    @property
    def cpwer(self) -> float:
        """Percent."""
        return 100 * self.errors / max(1, self.words)

    def __add__(self, other: Attributed) -> Attributed:
        return Attributed(self.errors + other.errors, self.words + other.words)


# --- files ---


def turns(rttm: Path) -> Turns:
    """The SPEAKER lines of an RTTM file, of 9 fields or of 10; none where there is no such file."""
    rows = [line.split() for line in rttm.read_text(encoding="utf-8").splitlines()] if rttm.is_file() else []
    return [(float(r[3]), float(r[3]) + float(r[4]), r[7]) for r in rows if r and r[0] == "SPEAKER"]


def said(stm: Path) -> Said:
    """The segments of a NIST STM file."""
    out: Said = []
    for line in stm.read_text(encoding="utf-8").splitlines():
        parts = line.split(maxsplit=5)
        if len(parts) == 6 and not line.startswith(";;"):
            words = re.sub(r"^<\S+>\s*", "", parts[5])  # labels
            out.append((float(parts[3]), float(parts[4]), parts[2], words))
    return out


def said_words(document: Path) -> Said:
    """What `speechcli transcribe --diarize -f json` has of words with speakers; a segment without words is one."""
    out: Said = []
    for segment in _segments(document):
        for word in segment.get("words") or [{**segment, "word": segment["text"]}]:
            who = word.get("speaker") or segment.get("speaker") or ""
            out.append((word["start"], word["end"], who, word["word"].strip()))
    return out


def said_segments(document: Path, rttm: Path) -> Said:
    """The segments of a transcript without speakers, each given to whoever talks longest in it."""
    row, out = turns(rttm), list[tuple[float, float, str, str]]()
    for segment in _segments(document):
        talked: dict[str, float] = {}
        for start, end, who in row:
            shared = min(end, segment["end"]) - max(start, segment["start"])
            if shared > 0:
                talked[who] = talked.get(who, 0.0) + shared
        out.append((segment["start"], segment["end"], max(talked, key=talked.__getitem__, default=""), segment["text"]))
    return out


def _segments(document: Path) -> list[dict[str, Any]]:
    """Of a JSON document; none where there is no such file."""
    if not document.is_file():
        return []
    found: list[dict[str, Any]] = json.loads(document.read_text(encoding="utf-8"))["segments"]
    return found


# --- scoring ---


def score(reference: Turns, found: Turns, seconds: float) -> Scored:
    """Of one recording, all of it, overlapped speech included, by pyannote.metrics."""
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    true, heard, whole = _annotation(reference), _annotation(found), Timeline([Segment(0.0, seconds)])
    errors = []
    for collar in COLLARS:
        metric = DiarizationErrorRate(collar=2 * collar, skip_overlap=False)  # its collar is both sides together
        parts = metric(true, heard, uem=whole, detailed=True)
        counted = (float(parts[name]) for name in ("missed detection", "false alarm", "confusion", "total"))
        errors.append(Errors(*counted))
    return Scored(tuple(errors), (len(heard.labels()) - len(true.labels()),))


def drift(reference: Turns, found: Turns, seconds: float, part: float) -> float:
    """Speaker-seconds that are given to another speaker in the whole, though right in their part by itself.

    What is lost because labels do not stay with their voices; seconds: of the recording, part: of each of its parts.
    """
    whole = score(reference, found, seconds).errors[0].confused
    n = max(1, round(seconds / part))
    edges = [seconds * i / n for i in range(n + 1)]
    alone = (score(_cut(reference, a, b), _cut(found, a, b), b - a) for a, b in pairwise(edges))
    return max(0.0, whole - sum(one.errors[0].confused for one in alone))


def _cut(rows: Turns, start: float, end: float) -> Turns:
    return [(max(a, start) - start, min(b, end) - start, who) for a, b, who in rows if a < end and b > start]


def _annotation(rows: Turns) -> Any:
    from pyannote.core import Annotation, Segment

    out = Annotation()
    for i, (start, end, who) in enumerate(rows):
        out[Segment(start, end), i] = who
    return out


def attributed(reference: Said, found: Said) -> Attributed:
    """Of one recording, after Whisper's English normalizer, by meeteval."""
    from meeteval.wer import cp_word_error_rate

    result = cp_word_error_rate(_texts(reference), _texts(found), reference_sort=False, hypothesis_sort=False)
    return Attributed(int(result.errors), int(result.length))


def _texts(rows: Said) -> dict[str, str]:
    """All that each speaker says, in order; normalized as one, for contractions and numbers of several words."""
    from scoring import normal

    out: dict[str, list[str]] = {}
    for _, _, who, words in sorted(rows, key=lambda row: row[0]):
        out.setdefault(who, []).append(words)
    return {who: normal(" ".join(words)) for who, words in out.items()}


Job: TypeAlias = tuple[Path, Path, float]
"""The reference, what was found (which may be missing: nothing was), and the seconds of the recording."""


def scores(jobs: Sequence[Job]) -> list[Scored]:
    """Of RTTM files, in a process of its own."""
    return _elsewhere(_scores, jobs)


def drifts(jobs: Sequence[Job], part: float) -> list[float]:
    """See drift; of RTTM files, in a process of its own."""
    return _elsewhere(_drifts, [(*job, part) for job in jobs])


def attributions(jobs: Sequence[tuple[Path, Path, Path | None]]) -> list[Attributed]:
    """Of STM files and JSON documents, in a process of its own; with RTTM files: segments, not words."""
    return _elsewhere(_attributions, jobs)


def _scores(jobs: Sequence[Job]) -> list[Scored]:
    return [score(turns(reference), turns(found), seconds) for reference, found, seconds in jobs]


def _drifts(jobs: Sequence[tuple[Path, Path, float, float]]) -> list[float]:
    return [drift(turns(reference), turns(found), seconds, part) for reference, found, seconds, part in jobs]


def _attributions(jobs: Sequence[tuple[Path, Path, Path | None]]) -> list[Attributed]:
    return [
        attributed(said(stm), said_words(found) if rttm is None else said_segments(found, rttm))
        for stm, found, rttm in jobs
    ]


def _elsewhere(work: Callable[..., list[_T]], jobs: Sequence[Any]) -> list[_T]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, jobs).result()


def main() -> None:
    """The manual page is above."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("reference", type=Path)
    parser.add_argument("found", type=Path)
    parser.add_argument("--seconds", type=float, help="length of the recording (the last end in either file)")
    args = parser.parse_args()
    true, heard = turns(args.reference), turns(args.found)
    print(score(true, heard, args.seconds or max((end for _, end, _ in true + heard), default=0.0)))


if __name__ == "__main__":
    main()
