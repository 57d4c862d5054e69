"""B1: one hour to SRT, against the fastest way to use faster-whisper on a CPU (P) and the one most people use (D).

python benchmarks/hour.py --data FOLDER --pairs 3 [--no-sequential] [--minutes]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from accuracy import accuracy, on_no_speech
from common import against_d, against_p, arguments, begin, costs, publish
from recordings import recording


def main() -> int:
    """Runs the row."""
    parser = arguments(__doc__)
    parser.add_argument("--no-sequential", action="store_true", help="leave out D, which takes minutes")
    parser.add_argument("--minutes", action="store_true", help="ten minutes instead of the hour")
    args = begin(parser)
    long, ten = recording("min10.mp3" if args.minutes else "hour.mp3", args), recording("s10.mp3", args)
    what = "ten minutes" if args.minutes else "hour"
    sides = ["P"] if args.no_sequential else ["P", "D"]
    with tempfile.TemporaryDirectory() as scratch:
        pairs = against_p([long], ten, Path(scratch), args.pairs)
        wall = None if args.minutes else (35.0, 20.0)
        lines = costs(f"{what}, against P", pairs, "ratio", 0.6, 0.4, wall)
        raw: dict[str, object] = {"pairs": pairs}
        if not args.no_sequential:
            line, raw["sequential"] = against_d(what, [long], Path(scratch), pairs, 0.3, 0.15)
            lines.insert(1, line)
        more, raw["errors"] = accuracy([long], Path(scratch), sides)
        lines += more
        if not args.no_sequential:
            more, raw["no speech"] = on_no_speech(args, Path(scratch))
            lines += more
    return publish(args, "B1: one hour", f"`speechcli transcribe {long.name} -f srt`.", lines, raw)


if __name__ == "__main__":
    sys.exit(main())
