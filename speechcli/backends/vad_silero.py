"""Speech probabilities by the silero VAD (v6, MIT) that comes inside faster-whisper.

Source: https://github.com/snakers4/silero-vad; the graph takes frames of 512 samples at 16 kHz, each with the 64
samples before it, and the LSTM state (h, c).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from speechcli.core.audio import Audio
from speechcli.errors import UnavailableError

FRAME = 512  # samples
RATE = 16000  # Hz
_CONTEXT = 64  # samples


class Silero:
    """A `SpeechDetector` for one recording after the other: `fresh()` gives one with a clean state."""

    frame = FRAME
    rate = RATE

    def __init__(self, session: onnxruntime.InferenceSession | None = None) -> None:
        self._session = session or _session()
        self._h = np.zeros((1, 1, 128), np.float32)
        self._c = np.zeros((1, 1, 128), np.float32)
        self._before = np.zeros(_CONTEXT, np.float32)

    def fresh(self) -> Silero:
        """A detector at the beginning of another recording, sharing the loaded graph."""
        return Silero(self._session)

    def __call__(self, audio: Audio) -> NDArray[np.float32]:
        """Probability of speech per frame, shape (frames,); see `SpeechDetector`."""
        if not len(audio.samples):
            return np.zeros(0, np.float32)
        n_frames = -(-len(audio.samples) // FRAME)
        padded = np.zeros(_CONTEXT + n_frames * FRAME, np.float32)
        padded[:_CONTEXT] = self._before
        padded[_CONTEXT : _CONTEXT + len(audio.samples)] = audio.samples
        frames = np.lib.stride_tricks.sliding_window_view(padded, _CONTEXT + FRAME)[::FRAME]
        out, self._h, self._c = self._session.run(
            None, {"input": np.ascontiguousarray(frames), "h": self._h, "c": self._c}
        )
        self._before = padded[-_CONTEXT:].copy()
        probabilities: NDArray[np.float32] = out.reshape(-1)
        return probabilities


def _session() -> onnxruntime.InferenceSession:
    # Found beside the package, not through it: importing faster_whisper costs what the detector does not need.
    spec = find_spec("faster_whisper")
    path = Path(spec.origin).parent / "assets" / "silero_vad_v6.onnx" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise UnavailableError("the silero speech detector of faster-whisper is missing", "pip install faster-whisper")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # an LSTM: more threads only spin
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
