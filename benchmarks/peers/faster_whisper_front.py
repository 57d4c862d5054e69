"""What faster-whisper does before its model hears anything: decode the whole file, find the speech in all of it."""

from __future__ import annotations

import sys

from faster_whisper.audio import decode_audio
from faster_whisper.vad import get_speech_timestamps

if __name__ == "__main__":
    print(len(get_speech_timestamps(decode_audio(sys.argv[1]))), "stretches of speech")
