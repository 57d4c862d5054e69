"""Media files made when they are needed, and the whole way from a file to its samples."""

from __future__ import annotations

import itertools
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from ports import listening

from speechcli.media.decode import Report, Take, decode
from speechcli.media.probe import Facts, probe

RATE = 16_000


@dataclass(frozen=True)
class Sound:
    samples: NDArray[np.float32]
    report: Report
    facts: Facts

    def level(self, start: float, end: float) -> float:
        """Root mean square between two times."""
        part = self.samples[int(start * RATE) : int(end * RATE)]
        return float(np.sqrt(np.mean(part.astype(np.float64) ** 2)))

    def pitch(self, start: float, end: float) -> float:
        """The strongest frequency (Hz) between two times."""
        part = self.samples[int(start * RATE) : int(end * RATE)]
        return float(np.abs(np.fft.rfft(part * np.hanning(len(part)))).argmax() * RATE / len(part))


@pytest.fixture
def hear(ffmpeg: Path) -> Callable[..., Sound]:
    """Probes and decodes a file to its end, with `Take` fields by name."""

    def hear(path: Path, **take: object) -> Sound:
        facts = probe(path, ffmpeg)
        with decode(path, facts, ffmpeg, Take(**take)) as blocks:
            parts = list(blocks)
        for before, after in itertools.pairwise(parts):
            assert after.first == before.first + len(before.samples)
        samples = np.concatenate([part.samples for part in parts]) if parts else np.zeros(0, np.float32)
        return Sound(samples, blocks.report(), facts)

    return hear


@pytest.fixture
def make(ffmpeg: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a file under tmp_path with ffmpeg's own arguments: make("a.wav", "-i", ...)."""

    def make(name: str, *arguments: str | Path) -> Path:
        path = tmp_path / name
        command = [ffmpeg, "-nostdin", "-v", "error", "-y", *arguments, f"file:{path}"]
        subprocess.run(list(map(str, command)), check=True)
        return path

    return make


@pytest.fixture
def tone(make: Callable[..., Path]) -> Callable[..., Path]:
    """A sine of `hertz` and `seconds` in any container: tone("a.mp3", 440, 3, "-b:a", "64k")."""

    def tone(name: str, hertz: int, seconds: float, *more: str) -> Path:
        return make(name, "-f", "lavfi", "-i", f"sine={hertz}:d={seconds}:r={RATE}", "-af", "volume=4", *more)

    return tone


@pytest.fixture
def wav(tmp_path: Path) -> Callable[..., Path]:
    """Writes a WAV of int16 or float32 frames (n,) or (n, channels); `lies` replace fields of its header."""

    def wav(frames: NDArray[np.generic], rate: int = RATE, **lies: int) -> Path:
        data = frames.tobytes()
        channels, size = frames.shape[1] if frames.ndim == 2 else 1, frames.dtype.itemsize
        coding = 3 if frames.dtype.kind == "f" else 1
        field = {"coding": coding, "channels": channels, "rate": rate, "data": len(data), **lies}
        speed, width = rate * channels * size, channels * size
        fmt = struct.pack("<HHIIHH", field["coding"], field["channels"], field["rate"], speed, width, 8 * size)
        body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", field["data"]) + data
        path = tmp_path / "a.wav"
        path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
        return path

    return wav


@pytest.fixture
def listener() -> Iterator[tuple[int, list[str]]]:
    """A loopback port and the connections it has seen: none is what every test wants."""
    with listening() as there:
        yield there
