"""B3: memory must not grow with the length of the recording.

python benchmarks/memory.py --data FOLDER [--three-hours] [--peer]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from common import MB, Line, P, Run, anew, arguments, begin, measure, ours, peer, publish
from recordings import recording


def main() -> int:
    """Runs the row."""
    parser = arguments(__doc__, pairs=1)
    parser.add_argument("--three-hours", action="store_true", help="also transcribe three hours")
    parser.add_argument("--peer", action="store_true", help="also run P on each")
    args = begin(parser)
    names = ["min10.mp3", "hour.mp3", *(["three_hours.mp3"] if args.three_hours else [])]
    files = [recording(name, args) for name in names]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "out")
        us = [_largest(ours([path], folder), folder, args.pairs) for path in files]
        them = [_largest(peer(P, [path], folder), folder, args.pairs) for path in files if args.peer]
    lines = []
    for i, (name, run) in enumerate(zip(names, us, strict=True)):
        their = them[i].rss / MB if them else None
        lines.append(Line(f"{name}, largest process", "MB", run.rss / MB, their, None, "ours", 700, 450))
        lines.append(Line(f"{name}, all processes", "MB", run.tree / MB, them[i].tree / MB if them else None))
        if i:
            growth = run.rss / us[0].rss
            peers = them[i].rss / them[0].rss if them else None
            lines.append(Line(f"{name} over {names[0]}", "x", growth, peers, None, "ours", 1.10, 1.05))
    about = "Peak memory of `speechcli transcribe FILE -f srt`; all processes: sampled ten times a second."
    return publish(args, "B3: memory against length", about, lines, {"names": names, "ours": us, "peer": them})


def _largest(command: list[str], folder: Path, times: int) -> Run:
    """The run of the highest peak."""
    runs = []
    for _ in range(times):
        anew(folder)
        runs.append(measure(command, watch=True))
        print(f"  {runs[-1].rss / MB:.0f} MB, {runs[-1].cpu:.1f} CPU-s", flush=True)
    return max(runs, key=lambda run: run.rss)


if __name__ == "__main__":
    sys.exit(main())
