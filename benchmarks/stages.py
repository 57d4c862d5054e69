"""Where the CPU-seconds of `transcribe` go: by stage, for an hour of sound, next to what the arithmetic needs.

    python benchmarks/stages.py --data FOLDER [--hour] [--set encoder=ctranslate2 ...]

The command runs on one core (on Linux) with a stopwatch in it (ours/staged.py), on ten minutes and on one second: what
the second costs beside its stages is the start. The whole as it runs on --cores, unwatched, stands beside the sum.
The floors are BENCHMARKS 2.6's for tiny.en on a Zen 5: other processors have others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from common import HERE, Line, anew, arguments, begin, measure, ours, publish
from recordings import duration, ffmpeg, recording

FLOORS = {  # CPU-seconds an hour
    "ffmpeg": "floor 3",
    "mixing": "with ffmpeg",
    "VAD": "floor 3",
    "mel": "floor 0.2",
    "encoder": "floor 7 to 9",
    "decoder": "floor 4 to 8.5, word times included",
    "start": "floor 0.5, once",
}


@dataclass(frozen=True, slots=True)
class Staged:
    """CPU-seconds by stage with their calls, and of the whole command."""

    whole: float
    children: float
    stages: dict[str, tuple[int, float]]

    @property
    def rest(self) -> float:
        return self.whole - self.children - sum(cpu for _, cpu in self.stages.values())


def main() -> int:
    """Runs the row."""
    parser = arguments(__doc__, pairs=1)
    parser.add_argument("--hour", action="store_true", help="the hour instead of ten minutes")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="as `transcribe --set`")
    args = begin(parser)
    path, ten = recording("hour.mp3" if args.hour else "min10.mp3", args), recording("s10.mp3", args)
    options = [part for one in args.set for part in ("--set", one)]
    with tempfile.TemporaryDirectory() as scratch:
        folder, second = Path(scratch, "out"), Path(scratch, "second.wav")
        subprocess.run([ffmpeg(), "-v", "error", "-i", ten, "-t", "1", second], check=True)
        measure(ours([ten], anew(folder), *options))  # files in the page cache, and what is made at first use
        plain = measure(ours([path], anew(folder), *options))
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
        short = min((_staged(second, folder, options) for _ in range(args.pairs)), key=lambda one: one.rest)
        long = min((_staged(path, folder, options) for _ in range(args.pairs)), key=lambda one: one.whole)
    hours = duration(path) / 3600
    lines = _lines(long, short.rest, hours)
    whole = short.rest + (plain.cpu - short.rest) / hours
    lines.append(Line(f"as it runs on {args.cores} cores, unwatched", "CPU-s", whole))
    calls = ", ".join(f"{stage} {n}" for stage, (n, _) in long.stages.items())
    print(f"  calls: {calls}; start {short.rest:.2f} s")
    about = f"`speechcli {' '.join(['transcribe', path.name, *options])}`, CPU-seconds for an hour of it."
    raw = {"long": repr(long), "second": repr(short), "plain": plain}
    return publish(args, "Stages: where the time goes", about, lines, raw)


def _lines(long: Staged, start: float, hours: float) -> list[Line]:
    """An hour's CPU-seconds by stage; the start is paid once."""
    spent = {"ffmpeg": long.children} | {stage: cpu for stage, (_, cpu) in long.stages.items()}
    an_hour = {stage: cpu / hours for stage, cpu in spent.items()}
    an_hour |= {"start": start, "rest": (long.rest - start) / hours}
    lines = [
        Line(f"{stage} ({FLOORS[stage]})" if stage in FLOORS else stage, "CPU-s", cpu) for stage, cpu in an_hour.items()
    ]
    return [*lines, Line("sum (floor 18 to 24)", "CPU-s", sum(an_hour.values()))]


def _staged(path: Path, folder: Path, options: list[str]) -> Staged:
    told = folder.with_suffix(".json")
    command = ours([path], anew(folder), *options)
    run = measure([sys.executable, str(HERE / "ours" / "staged.py"), told, *command[3:]])  # less python -m speechcli
    found = json.loads(told.read_text())
    stages = {stage: (n, cpu) for stage, (n, cpu) in found["stages"].items()}
    return Staged(run.cpu, found["children"], stages)


if __name__ == "__main__":
    sys.exit(main())
