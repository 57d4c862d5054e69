"""B6: ten seconds of speech to SRT, start-up and loading of the model included.

python benchmarks/ten_seconds.py --data FOLDER --pairs 5
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from common import against_p, arguments, begin, costs, publish
from recordings import recording


def main() -> int:
    """Runs the row."""
    args = begin(arguments(__doc__))
    ten = recording("s10.mp3", args)
    with tempfile.TemporaryDirectory() as scratch:
        pairs = against_p([ten], ten, Path(scratch), args.pairs)
    lines = costs("10 s", pairs, "ours", 0.8, 0.5)
    return publish(args, "B6: ten seconds", "`speechcli transcribe s10.mp3 -f srt`.", lines, {"pairs": pairs})


if __name__ == "__main__":
    sys.exit(main())
