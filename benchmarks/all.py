"""All rows, with settings for a coffee break or two, and results/RESULTS.md of them.

python benchmarks/all.py [--data FOLDER] [--pairs 3] [--only hour,short]
"""

from __future__ import annotations

import subprocess
import sys

from common import HERE, arguments, begin

ROWS: dict[str, list[str]] = {
    "startup": ["--pairs", "15"],
    "writers": ["--pairs", "3"],
    "ten_seconds": ["--pairs", "5"],
    "front": [],
    "first_cue": [],
    "short": [],
    "silence": [],
    "loaded": [],
    "stages": [],
    "memory": ["--pairs", "1", "--three-hours"],
    "hour": [],
    "resume": ["--pairs", "1"],
    "wer": [],
    "align": [],
    "diarize": [],
    "live": ["--peer", "whisperlivekit"],
    "page": [],
}


def main() -> int:
    """Runs the rows one after the other, each in a process of its own; 1 when one does not pass."""
    parser = arguments(__doc__, pairs=3)
    parser.add_argument("--only", default=",".join(ROWS), help="some of %(default)s")
    args = begin(parser)
    given = ["--results", str(args.results), "--cores", str(args.cores)]
    given += ["--data", str(args.data)] if args.data else []
    given += ["--cache", str(args.cache)] if args.cache else []
    failed = []
    for row in args.only.split(","):
        print(f"\n=== {row}", flush=True)
        command = [sys.executable, str(HERE / f"{row}.py"), "--pairs", str(args.pairs), *ROWS[row], *given]
        if subprocess.run(command).returncode:
            failed.append(row)
    print(f"\nresults: {args.results / 'RESULTS.md'}" + (f"; not passed: {', '.join(failed)}" if failed else ""))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
