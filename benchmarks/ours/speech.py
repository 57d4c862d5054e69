"""How many seconds of speech speechcli's windows of a recording hold, by its own detector."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from speechcli import pipeline
from speechcli.backends import registry
from speechcli.core.span import total
from speechcli.media.decode import Take, decode
from speechcli.media.ffmpeg import find
from speechcli.media.probe import probe
from speechcli.timeline.windows import Rules


def main(path: Path) -> None:
    """One number."""
    ffmpeg = find(os.environ.get("SPEECHCLI_FFMPEG"))
    with decode(path, probe(path, ffmpeg), ffmpeg, Take()) as blocks:
        print(sum(total(window.speech) for window, _ in pipeline.windows(blocks, registry.open_detector(), Rules())))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
