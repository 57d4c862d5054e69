"""B4: how soon the first caption of a three-hour recording is there, on `-f srt -o -`.

    python benchmarks/first_cue.py --data FOLDER --pairs 3

Counted are the CPU-seconds of the process and its children when the last byte of the first caption has arrived; then
it is killed. The peer writes its first caption as soon as it has one, too.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from common import HERE, SPEECHCLI, Line, Run, arguments, begin, cpu, cpu_so_far, in_turns, publish, ratio
from recordings import recording


def main() -> int:
    """Runs the row."""
    parser = arguments(__doc__)
    parser.add_argument("--no-peer", action="store_true", help="leave the peer out: it takes gigabytes here")
    args = begin(parser)
    path, ten = str(recording("three_hours.mp3", args)), str(recording("s10.mp3", args))
    us = [*SPEECHCLI, "transcribe", "-f", "srt", "-o", "-", "--quiet"]
    them = [sys.executable, str(HERE / "peers" / "faster_whisper_batched.py")]
    first_cue([*us, ten])  # warm
    if args.no_peer:
        ours = [first_cue([*us, path]) for _ in range(args.pairs)]
        peer, gain = [], None
    else:
        pairs = in_turns(lambda: first_cue([*us, path]), lambda: first_cue([*them, path]), args.pairs)
        ours, peer, gain = [run for run, _ in pairs], [run for _, run in pairs], ratio(pairs)
    lines = [
        Line("first caption", "CPU-s", cpu(ours), cpu(peer) if peer else None, gain, "ours", 2.5, 1.2),
        Line("first caption", "wall s", min(r.wall for r in ours), min((r.wall for r in peer), default=None)),
    ]
    about = f"`speechcli transcribe {Path(path).name} -f srt -o - | head`: until the first caption is complete."
    return publish(args, "B4: the first caption", about, lines, {"ours": ours, "peer": peer})


def first_cue(command: Sequence[str]) -> Run:
    """The process so far, when a caption (number, times, text, blank line) has come through the pipe."""
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)
    assert child.stdout is not None
    got = b""
    while b"\n\n" not in got:
        piece = child.stdout.read(4096)
        if not piece:
            sys.exit(f"no caption came from {' '.join(command)}")
        got += piece
    wall, used = time.perf_counter() - began, cpu_so_far(child.pid)
    child.kill()
    child.stdout.close()
    child.wait()
    return Run(used, wall, 0, 0.0)


if __name__ == "__main__":
    sys.exit(main())
