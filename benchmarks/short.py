"""B2: a hundred short recordings in one call, against P on the same files in one process.

python benchmarks/short.py --data FOLDER --pairs 3
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from common import Line, against_p, arguments, begin, costs, publish
from recordings import SOUND, recording, words
from scoring import Counts, counts, pooled, spoken


def main() -> int:
    """Runs the row."""
    args = begin(arguments(__doc__))
    files = sorted(path for path in recording("short", args).iterdir() if path.suffix.lower() in SOUND)
    with tempfile.TemporaryDirectory() as scratch:
        pairs = against_p(files, files[0], Path(scratch), args.pairs)
        lines = costs(f"{len(files)} files", pairs, "ratio", 1.0, 0.6)
        raw: dict[str, object] = {"pairs": pairs}
        if all(words(path) is not None for path in files):
            ours, peers = (_errors(files, Path(scratch, side)) for side in ("ours", "P"))
            print(f"  ours {ours}\n  P    {peers}")
            lines.append(Line("word error rate, pooled", "%", ours.wer, peers.wer, None, "difference", 0.3))
            raw["errors"] = {"ours": str(ours), "P": str(peers)}
    return publish(args, "B2: a hundred short files", "`speechcli transcribe short/*.mp3 -f srt`.", lines, raw)


def _errors(files: list[Path], folder: Path) -> Counts:
    return pooled(counts(words(path) or "", spoken(folder / f"{path.stem}.srt")) for path in files)


if __name__ == "__main__":
    sys.exit(main())
