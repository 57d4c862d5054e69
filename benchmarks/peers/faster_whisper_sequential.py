"""D, faster-whisper as most people run it: one window after the other, beam 5, with its VAD; the mark for accuracy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from faster_whisper import WhisperModel
from peer import main


def heard(model: WhisperModel, path: str) -> Iterable[Any]:
    """Segments of a file."""
    segments: Iterable[Any] = model.transcribe(path, beam_size=5, vad_filter=True)[0]
    return segments


if __name__ == "__main__":
    main(__doc__, heard)
