"""B2: a hundred short recordings in one call, against P and D on the same files in one process each.

python benchmarks/short.py --data FOLDER --pairs 3 [--no-sequential] [--files 20]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from accuracy import accuracy
from common import against_d, against_p, arguments, begin, costs, publish
from recordings import recording, sounds


def main() -> int:
    """Runs the row."""
    parser = arguments(__doc__)
    parser.add_argument("--no-sequential", action="store_true", help="leave out D, which takes a minute or two")
    parser.add_argument("--files", type=int, help="only so many of them")
    args = begin(parser)
    files = sounds(recording("short", args))[: args.files]
    sides = ["P"] if args.no_sequential else ["P", "D"]
    with tempfile.TemporaryDirectory() as scratch:
        pairs = against_p(files, files[0], Path(scratch), args.pairs)
        lines = costs(f"{len(files)} files, against P", pairs, "ratio", 0.6, 0.3)
        raw: dict[str, object] = {"pairs": pairs}
        if not args.no_sequential:
            line, raw["sequential"] = against_d(f"{len(files)} files", files, Path(scratch), pairs)
            lines.insert(1, line)
        more, raw["errors"] = accuracy(files, Path(scratch), sides)
        lines += more
    return publish(args, "B2: a hundred short files", "`speechcli transcribe short/*.mp3 -f srt`.", lines, raw)


if __name__ == "__main__":
    sys.exit(main())
