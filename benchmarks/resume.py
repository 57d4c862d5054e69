"""B10: kill -9 half way through an hour, run the same command again.

    python benchmarks/resume.py --data FOLDER [--at 0.5]

An unbroken run says what the whole costs and which bytes are right.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from common import SPEECHCLI, Line, Run, arguments, begin, cpu, measure, publish
from recordings import duration, recording


def main() -> int:
    """Runs the row."""
    parser = arguments(__doc__, pairs=1)
    parser.add_argument("--at", type=float, default=0.5, help="the part that is done at the kill (%(default)s)")
    args = begin(parser)
    hour = recording("hour.mp3", args)
    until = args.at * duration(hour)
    with tempfile.TemporaryDirectory() as scratch:
        trials = [_trial(hour, Path(scratch, str(i)), until) for i in range(args.pairs)]
    part = median(trial.rerun.cpu / trial.unbroken.cpu for trial in trials)
    lines = [
        Line("second run, over an unbroken one", "x", part, None, None, "ours", 0.60, 0.53),
        Line("second run", "CPU-s", cpu([t.rerun for t in trials]), cpu([t.unbroken for t in trials]), part),
        Line("outputs whose bytes differ (srt, json)", "", sum(len(t.differ) for t in trials), passes=0),
        Line("journals left behind", "", sum(len(t.left) for t in trials), passes=0),
    ]
    done = median(trial.done for trial in trials)
    about = f"`kill -9` when {done:.0f} s were done, then the same command again; the peer is an unbroken run."
    return publish(args, "B10: kill -9 and resume", about, lines, [asdict(trial) for trial in trials])


@dataclass(frozen=True, slots=True)
class _Trial:
    """done: seconds of the recording in the journal at the kill. differ, left: names of outputs, of journals."""

    unbroken: Run
    done: float
    rerun: Run
    differ: list[str]
    left: list[str]


def _trial(hour: Path, scratch: Path, until: float) -> _Trial:
    whole, broken = scratch / "whole", scratch / "broken"
    unbroken = measure(_command(hour, whole))
    done = kill_at(_command(hour, broken), broken, until)
    rerun = measure(_command(hour, broken))
    names = [f"{hour.stem}.srt", f"{hour.stem}.json"]
    differ = [name for name in names if (whole / name).read_bytes() != (broken / name).read_bytes()]
    left = [path.name for path in broken.rglob("*.journal")]
    print(f"  unbroken {unbroken.cpu:.1f} CPU-s; killed at {done:.0f} s; again {rerun.cpu:.1f} CPU-s", flush=True)
    return _Trial(unbroken, done, rerun, differ, left)


def kill_at(command: list[str], folder: Path, until: float) -> float:
    """Runs the command and kills it when its journal reaches `until`; the seconds of the recording then done."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while (reached := _reached(folder)) < until:
        if child.poll() is not None:
            sys.exit(f"it ended (status {child.returncode}) before the journal reached {until:.0f} s")
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    return reached


def _command(hour: Path, folder: Path) -> list[str]:
    return [*SPEECHCLI, "transcribe", str(hour), "-f", "srt,json", "--output-dir", str(folder), "--quiet"]


def _reached(folder: Path) -> float:
    """How far the windows in the journal reach."""
    done = 0.0
    for journal in folder.rglob("*.journal"):
        for line in journal.read_text(encoding="utf-8").split("\n")[1:-1]:
            done = max(done, json.loads(line)["at"][1])
    return done


if __name__ == "__main__":
    sys.exit(main())
