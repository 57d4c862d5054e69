"""B11: B1 while every core has something else to do: wall time next to P's in the same state.

    python benchmarks/loaded.py --data FOLDER --pairs 3 [--hour]

One busy loop on each core. A program whose threads wait for each other turning in circles loses there.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from accuracy import accuracy
from common import Line, against_p, arguments, begin, cpu, publish, ratio
from recordings import recording

# It ends with us, however we end: nobody writes to its stdin.
_LOOP = (
    "import os, sys, threading\n"
    "threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()\n"
    "while True: pass"
)


def main() -> int:
    """Runs the row."""
    parser = arguments(__doc__, pairs=3)
    parser.add_argument("--hour", action="store_true", help="the hour instead of ten minutes")
    args = begin(parser)
    path, ten = recording("hour.mp3" if args.hour else "min10.mp3", args), recording("s10.mp3", args)
    with tempfile.TemporaryDirectory() as scratch:
        with _busy(args.cores):
            pairs = against_p([path], ten, Path(scratch), args.pairs)
        errors, said = accuracy([path], Path(scratch), ["P"])
    us, them = [run for run, _ in pairs], [run for _, run in pairs]
    walls = median(run.wall for run in us), median(run.wall for run in them)
    over = median(a.wall / b.wall for a, b in pairs)
    lines = [
        Line(f"{path.name}, against P", "wall s", *walls, over, "ratio", 0.6, 0.4),
        Line(f"{path.name}, against P", "CPU-s", cpu(us), cpu(them), ratio(pairs)),
        *errors,
    ]
    about = f"`speechcli transcribe {path.name} -f srt` beside {args.cores} busy loops on {args.cores} cores."
    return publish(args, "B11: on a busy machine", about, lines, {"pairs": pairs, "errors": said})


@contextmanager
def _busy(n: int) -> Iterator[None]:
    """So many loops, on the cores that this process and its children keep to."""
    loops = [subprocess.Popen([sys.executable, "-c", _LOOP], stdin=subprocess.PIPE) for _ in range(n)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


if __name__ == "__main__":
    sys.exit(main())
