"""What speechcli does before its model hears anything: decode, find the speech, plan the windows, as a stream.

    python benchmarks/ours/front.py RECORDING [FILE]

FILE gets the seconds of speech that the windows hold, by the detector of speechcli.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from speechcli import pipeline
from speechcli.backends import registry
from speechcli.core.span import total
from speechcli.jobs.recording import BLOCK
from speechcli.media.decode import Take, decode
from speechcli.media.ffmpeg import find
from speechcli.media.probe import probe
from speechcli.timeline.windows import Rules


def main(path: Path, told: Path | None = None) -> None:
    """Windows of a recording, counted."""
    ffmpeg = find(os.environ.get("SPEECHCLI_FFMPEG"))
    with decode(path, probe(path, ffmpeg), ffmpeg, Take(block=round(BLOCK * 16000))) as blocks:
        windows = [window for window, _ in pipeline.windows(blocks, registry.open_detector(), Rules())]
    print(len(windows), "windows")
    if told is not None:
        told.write_text(str(sum(total(window.speech) for window in windows)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
