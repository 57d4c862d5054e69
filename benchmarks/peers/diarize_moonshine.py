"""moonshine-voice's own speakers: `identify_speakers`, inside the lines of its own recogniser, nothing fetched.

    python benchmarks/peers/diarize_moonshine.py FILE... --output-dir FOLDER

The package that ours reads the weights from; how many threads it takes is its own affair.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

from diarize_parts import RATE, Floats, Models, Turns, main


def diarizer(_: Models) -> Callable[[Floats], Turns]:
    """Its transcriber, asked for speakers."""
    sys.modules.setdefault("sounddevice", ModuleType("sounddevice"))  # for the microphone; wants a system library
    from moonshine_voice import ModelArch, get_model_path
    from moonshine_voice.transcriber import Transcriber

    transcriber = Transcriber(get_model_path("tiny-en"), ModelArch.TINY, options={"identify_speakers": "true"})

    def turns(samples: Floats) -> Turns:
        lines = transcriber.transcribe_without_streaming(samples.tolist(), RATE).lines
        spans = [span for line in lines for span in line.speaker_spans or ()]
        return [(span.start_time, span.start_time + span.duration, span.speaker_index) for span in spans]

    return turns


if __name__ == "__main__":
    main(__doc__, diarizer)
