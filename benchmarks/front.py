"""B8: decoding, speech detection and window planning of an hour, without a model.

    python benchmarks/front.py --data FOLDER --pairs 3 [--recording FILE]

Ours through the functions `transcribe` uses (ours/front.py), the peer through faster-whisper's (peers/...front.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

from common import HERE, MB, Line, arguments, begin, cpu, in_turns, measure, publish, ratio
from recordings import recording


def main() -> int:
    """Runs the row."""
    parser = arguments(__doc__)
    parser.add_argument("--recording", type=Path, help="another recording than hour.m4a")
    args = begin(parser)
    path = args.recording or recording("hour.m4a", args)
    ours = [sys.executable, str(HERE / "ours" / "front.py")]
    peer = [sys.executable, str(HERE / "peers" / "faster_whisper_front.py")]
    pairs = in_turns(lambda: measure([*ours, path], watch=True), lambda: measure([*peer, path], watch=True), args.pairs)
    us, them = [run for run, _ in pairs], [run for _, run in pairs]
    our, their = max(r.rss for r in us) / MB, max(r.rss for r in them) / MB
    tree = max(r.tree for r in us) / MB, max(r.tree for r in them) / MB
    lines = [
        Line(f"{path.name}, with ffmpeg and start-up", "CPU-s", cpu(us), cpu(them), ratio(pairs), "ours", 7.0, 6.3),
        Line("largest process", "MB", our, their, None, "ours", 120, 80),
        Line("all processes", "MB", *tree),
    ]
    about = "Everything before the model: `media` decodes, `vad_silero` listens, `pipeline.windows` cuts."
    return publish(args, "B8: everything before the model", about, lines, {"pairs": pairs})


if __name__ == "__main__":
    sys.exit(main())
