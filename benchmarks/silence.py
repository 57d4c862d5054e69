"""B7: an hour of which 15 % is speech, against P; and whether the silence costs no more than to be listened to.

    python benchmarks/silence.py --data FOLDER --pairs 3 [--no-share]

The second: what decoding and speech detection of the hour cost (ours/front.py), and as much of the model's part of ten
minutes full of speech as there is speech in the hour. Ours should cost no more than a tenth above that.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from accuracy import accuracy
from common import HERE, Line, against_p, anew, arguments, begin, costs, cpu, measure, ours, publish
from recordings import recording


def main() -> int:
    """Runs the row."""
    parser = arguments(__doc__, pairs=3)
    parser.add_argument("--no-share", action="store_true", help="leave out what the speech alone would cost")
    args = begin(parser)
    sparse, ten = recording("sparse_hour.mp3", args), recording("s10.mp3", args)
    with tempfile.TemporaryDirectory() as scratch:
        pairs = against_p([sparse], ten, Path(scratch), args.pairs)
        lines = costs(f"{sparse.name}, against P", pairs, "ratio", 0.5)
        more, errors = accuracy([sparse], Path(scratch), ["P"])
        lines += more
        raw: dict[str, object] = {"pairs": pairs, "errors": errors}
        if not args.no_share:
            expected, raw["expected"] = _expected(args, sparse, Path(scratch))
            us = cpu([run for run, _ in pairs])
            lines.append(Line("over what its speech alone costs", "x", us / expected, bound="ours", stretch=1.1))
    return publish(args, "B7: an hour with 15 % speech", f"`speechcli transcribe {sparse.name} -f srt`.", lines, raw)


def _expected(args: argparse.Namespace, sparse: Path, scratch: Path) -> tuple[float, dict[str, float]]:
    """CPU-seconds: the front of the sparse hour, and the model's of ten minutes for each second of speech."""
    full = recording("min10.mp3", args)
    (sparse_front, sparse_speech), (full_front, full_speech) = (_front(path, scratch) for path in (sparse, full))
    parts = {
        "front, sparse": sparse_front,
        "front, full": full_front,
        "all, full": measure(ours([full], anew(scratch / "ours"))).cpu,
        "speech, sparse": sparse_speech,
        "speech, full": full_speech,
    }
    share = parts["speech, sparse"] / parts["speech, full"]
    expected = parts["front, sparse"] + (parts["all, full"] - parts["front, full"]) * share
    print("  " + ", ".join(f"{name} {value:.1f}" for name, value in parts.items()), flush=True)
    return expected, parts


def _front(path: Path, scratch: Path) -> tuple[float, float]:
    """CPU-seconds of all before the model, and seconds of speech found there."""
    told = scratch / "speech"
    spent = measure([sys.executable, HERE / "ours" / "front.py", path, told]).cpu
    return spent, float(told.read_text())


if __name__ == "__main__":
    sys.exit(main())
