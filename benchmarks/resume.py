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
from pathlib import Path

from common import SPEECHCLI, Line, arguments, begin, measure, publish
from recordings import duration, recording


def main() -> int:
    """Runs the row."""
    parser = arguments(__doc__, pairs=1)
    parser.add_argument("--at", type=float, default=0.5, help="the part that is done at the kill (%(default)s)")
    args = begin(parser)
    hour = recording("hour.mp3", args)
    until = args.at * duration(hour)
    with tempfile.TemporaryDirectory() as scratch:
        whole, broken = Path(scratch, "whole"), Path(scratch, "broken")
        unbroken = measure(_command(hour, whole))
        print(f"  unbroken: {unbroken.cpu:.1f} CPU-s", flush=True)
        done = kill_at(_command(hour, broken), broken, until)
        print(f"  killed after {done:.0f} s of the recording", flush=True)
        rerun = measure(_command(hour, broken))
        print(f"  again: {rerun.cpu:.1f} CPU-s", flush=True)
        names = [f"{hour.stem}.srt", f"{hour.stem}.json"]
        differ = [name for name in names if (whole / name).read_bytes() != (broken / name).read_bytes()]
        left = [path.name for path in broken.rglob("*.journal")]
    part = rerun.cpu / unbroken.cpu
    lines = [
        Line("second run, over an unbroken one", "x", part, None, None, "ours", 0.60, 0.53),
        Line("second run", "CPU-s", rerun.cpu, unbroken.cpu, part),
        Line("outputs whose bytes differ (srt, json)", "", len(differ), passes=0),
        Line("journals left behind", "", len(left), passes=0),
    ]
    about = f"`kill -9` when {done:.0f} s were done, then the same command again; the peer is an unbroken run."
    raw = {"unbroken": unbroken, "rerun": rerun, "differ": differ, "left": left}
    return publish(args, "B10: kill -9 and resume", about, lines, raw)


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
