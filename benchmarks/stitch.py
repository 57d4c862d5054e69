"""Sound of which it is known what is said when: clips, pauses and music put together, noise added.

    python benchmarks/stitch.py PLAN.json

A process of its own, for it imports numpy: see common.py. PLAN is a list of {"out": FILE.wav, "pieces": [...], "snr":
dB or null, "seed": N}. A piece is {"clip": FILE}, {"pause": seconds} or {"music": seconds}; snr: white noise over all
of it, so much below its mean power. Written are 16 kHz, 16 bits, mono, and beside them FILE.json with the seconds at
which the pieces begin and, last, at which all ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
import wave
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recordings import RATE, ffmpeg

HISS = 3e-4  # of full scale: a quiet room
_MUSIC = 0.08  # of full scale
_CHORD = 2.0  # seconds
_CHORDS = ((0, 4, 7, 12), (9, 12, 16, 21), (5, 9, 12, 17), (7, 11, 14, 19))  # semitones above 220 Hz
_OVERTONES = (1.0, 0.5, 0.33, 0.2, 0.12)


def build(job: Mapping[str, Any]) -> None:
    """One recording of the plan."""
    random = np.random.default_rng(job["seed"])
    out = Path(job["out"])
    begins, n = [], 0
    with wave.open(str(out), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for piece in job["pieces"]:
            sound = _sound(piece)
            level = HISS if job["snr"] is None else float(np.sqrt(np.mean(sound**2))) * 10 ** (-job["snr"] / 20)
            if job["snr"] is not None or "clip" not in piece:
                sound = sound + random.normal(0.0, level, len(sound)).astype(np.float32)
            file.writeframes((np.clip(sound, -1, 1) * 32767).round().astype("<i2").tobytes())
            begins.append(n / RATE)
            n += len(sound)
    out.with_suffix(".json").write_text(json.dumps([*begins, n / RATE]))


def _sound(piece: Mapping[str, Any]) -> NDArray[np.float32]:
    if "clip" in piece:
        return _clip(piece["clip"])
    if "music" in piece:
        return music(piece["music"])
    return np.zeros(round(piece["pause"] * RATE), np.float32)


@lru_cache(maxsize=200)
def _clip(path: str) -> NDArray[np.float32]:
    command = [ffmpeg(), "-v", "error", "-i", path, "-f", "f32le", "-ac", "1", "-ar", str(RATE), "-"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    return np.frombuffer(done.stdout, np.float32)


def music(seconds: float) -> NDArray[np.float32]:
    """Chords of plucked strings, one every two seconds."""
    time = np.arange(round(_CHORD * RATE)) / RATE
    out = []
    for i in range(int(seconds / _CHORD) + 1):
        chord = np.zeros(len(time))
        for k, semitones in enumerate(_CHORDS[i % len(_CHORDS)]):
            tone = 220 * 2 ** (semitones / 12)
            struck = np.clip(time - 0.15 * k, 0, None)  # one string after the other
            for overtone, weight in enumerate(_OVERTONES, 1):
                chord += weight * np.sin(2 * np.pi * tone * overtone * struck) * np.exp(-1.5 * overtone * struck)
        out.append(chord)
    sound = np.concatenate(out)[: round(seconds * RATE)]
    played: NDArray[np.float32] = (_MUSIC * sound / np.abs(sound).max()).astype(np.float32)
    return played


def main() -> None:
    """The manual page is above."""
    for job in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        build(job)


if __name__ == "__main__":
    main()
