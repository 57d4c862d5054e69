"""B1: one hour to SRT, against the fastest way to use faster-whisper on a CPU (P), and both error rates.

python benchmarks/hour.py --data FOLDER --pairs 3 [--sequential]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from common import Line, against_p, anew, arguments, begin, costs, cpu, measure, peer, publish
from recordings import recording, words
from scoring import counts, spoken


def main() -> int:
    """Runs the row."""
    parser = arguments(__doc__)
    parser.add_argument("--sequential", action="store_true", help="also run D, faster-whisper's default decoding, once")
    args = begin(parser)
    hour, ten = recording("hour.mp3", args), recording("s10.mp3", args)
    with tempfile.TemporaryDirectory() as scratch:
        pairs = against_p([hour], ten, Path(scratch), args.pairs)
        lines = costs("hour, against P", pairs, "ratio", 1.0, 0.6)
        raw: dict[str, object] = {"pairs": pairs}
        if args.sequential:
            alone = measure(peer("faster_whisper_sequential", [hour], anew(Path(scratch, "D"))))
            raw["sequential"], us = alone, cpu([run for run, _ in pairs])
            lines.append(Line("hour, against D", "CPU-s", us, alone.cpu, us / alone.cpu))
        if (said := words(hour)) is not None:
            ours, peers = (counts(said, spoken(Path(scratch, side, f"{hour.stem}.srt"))) for side in ("ours", "P"))
            print(f"  ours {ours}\n  P    {peers}")
            lines.append(Line("hour, word error rate against P", "%", ours.wer, peers.wer, None, "difference", 0.3))
            raw["errors"] = {"ours": str(ours), "P": str(peers)}
    return publish(args, "B1: one hour", "`speechcli transcribe hour.mp3 -f srt`.", lines, raw)


if __name__ == "__main__":
    sys.exit(main())
