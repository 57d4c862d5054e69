"""Speech probabilities by the silero VAD (v6, MIT) that comes inside faster-whisper, its graph arranged anew.

Source: https://github.com/snakers4/silero-vad; the graph takes frames of 512 samples at 16 kHz, each with the 64
samples before it, and the LSTM state (h, c). In the file everything before the LSTM is a convolution over four steps
of time, which onnxruntime does frame by frame; here each is one product of matrices over many frames, with the same
weights: probabilities differ by 1e-5 at most, for a quarter of the time.

The Fourier transform of 256 samples is folded in its middle: cosines are even there and sines odd, so that either
needs half of the products.
"""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from speechcli.backends.onnx_bytes import Node, weights, written
from speechcli.core.audio import Audio
from speechcli.errors import UnavailableError

FRAME = 512  # samples
RATE = 16000  # Hz
_CONTEXT = 64  # samples before a frame, and, mirrored, after it
_WIDTH = 128  # numbers in either half of the LSTM's state
_STEPS = 4  # of time in a frame, each of which sees
_WINDOW = 256  # samples, and begins
_HOP = 128  # samples after the one before
_AT_ONCE = 125  # frames: what is made of them stays in the cache

Matrix = NDArray[np.float32]


class Silero:
    """A `SpeechDetector` for one recording after the other: `fresh()` gives one with a clean state."""

    frame = FRAME
    rate = RATE

    def __init__(self, session: onnxruntime.InferenceSession | None = None) -> None:
        self._session = session or _session()
        self._h = np.zeros((1, 1, _WIDTH), np.float32)
        self._c = np.zeros((1, 1, _WIDTH), np.float32)
        self._before = np.zeros(_CONTEXT, np.float32)

    def fresh(self) -> Silero:
        """A detector at the beginning of another recording, sharing the loaded graph."""
        return Silero(self._session)

    def __call__(self, audio: Audio) -> NDArray[np.float32]:
        """Probability of speech per frame, shape (frames,); see `SpeechDetector`."""
        samples = audio.samples
        probabilities = np.empty(-(-len(samples) // FRAME), np.float32)
        for first in range(0, len(probabilities), _AT_ONCE):
            part = samples[first * FRAME : (first + _AT_ONCE) * FRAME]
            probabilities[first : first + _AT_ONCE] = self._heard(part)
        return probabilities

    def _heard(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        n_frames = -(-len(samples) // FRAME)
        frames = np.zeros((n_frames, _CONTEXT + FRAME + _CONTEXT), np.float32)
        own, whole = frames[:, _CONTEXT:-_CONTEXT], len(samples) // FRAME
        own[:whole] = samples[: whole * FRAME].reshape(whole, FRAME)
        own[whole:, : len(samples) % FRAME] = samples[whole * FRAME :]
        frames[0, :_CONTEXT] = self._before
        frames[1:, :_CONTEXT] = own[:-1, -_CONTEXT:]
        frames[:, -_CONTEXT:] = own[:, -2 : -_CONTEXT - 2 : -1]
        self._before = own[-1, -_CONTEXT:].copy()
        row, sample = frames.strides
        steps = np.lib.stride_tricks.as_strided(frames, (n_frames, _STEPS, _WINDOW), (row, _HOP * sample, sample))
        forth, back = steps[:, :, 1 : _HOP + 1], steps[:, :, : _HOP - 1 : -1]  # samples 1 to 128, and 255 to 128
        given = {"even": (forth + back).reshape(-1, _HOP), "odd": (forth - back).reshape(-1, _HOP)}
        out, self._h, self._c = self._session.run(None, {**given, "h": self._h, "c": self._c})
        probabilities: NDArray[np.float32] = out.reshape(-1)
        return probabilities


def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # an LSTM: more threads only spin
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(_arranged(_file()), options, providers=["CPUExecutionProvider"])


def _file() -> Path:
    # Found beside the package, not through it: importing faster_whisper costs what the detector does not need.
    spec = find_spec("faster_whisper")
    path = Path(spec.origin).parent / "assets" / "silero_vad_v6.onnx" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise UnavailableError("the silero speech detector of faster-whisper is missing", "pip install faster-whisper")
    return path


def _arranged(path: Path) -> bytes:
    """The graph of the detector, after folding: from (4 frames, 128) "even" and "odd", h, c to probabilities, h, c."""
    told = weights(path)
    try:
        fourier = told["encoder.feature_extractor.forward_basis_buffer"][:, 0]
        layers = [(told[f"encoder.conv_layers.{k}.weight"], told[f"encoder.conv_layers.{k}.bias"]) for k in range(4)]
        lstm = [told[f"onnx::LSTM_{number}"] for number in (209, 210, 211)]
        last = told["decoder.conv1d.weight"][0], told["decoder.conv1d.bias"]
    except KeyError as error:
        raise UnavailableError(
            f"{path.name} of faster-whisper is not the one that is known here ({error} is missing)",
            "pip install 'faster-whisper==1.2.1'",
        ) from error
    n_bins = len(fourier) // 2
    even, odd = fourier[:n_bins, 1 : _HOP + 1].T.copy(), fourier[n_bins:, 1 : _HOP + 1].T
    even[-1] /= 2  # the sample in the middle is folded onto itself
    constants: dict[str, NDArray[Any]] = {
        "cosines": even,
        "sines": odd,
        "one row a frame": np.array([-1, _STEPS * n_bins]),
        "step of time": np.array([1]),
        "last weight": last[0],
        "last bias": last[1],
        **dict(zip(("inputs", "recurrence", "biases"), lstm, strict=True)),
    }
    nodes = [
        Node("MatMul", ["even", "cosines"], ["real"]),
        Node("MatMul", ["odd", "sines"], ["imaginary"]),
        Node("Mul", ["real", "real"], ["real squared"]),
        Node("Mul", ["imaginary", "imaginary"], ["imaginary squared"]),
        Node("Add", ["real squared", "imaginary squared"], ["power"]),
        Node("Sqrt", ["power"], ["magnitudes"]),
        Node("Reshape", ["magnitudes", "one row a frame"], ["layer 0"]),
    ]
    n_steps = (_STEPS, 4, 2, 1, 1)  # strides 1, 2, 2, 1
    for k, ((weight, bias), (n_in, n_out)) in enumerate(zip(layers, pairwise(n_steps), strict=True)):
        constants[f"weight {k}"], constants[f"bias {k}"] = _product(weight, n_in, n_out), np.tile(bias, n_out)
        nodes.append(Node("Gemm", [f"layer {k}", f"weight {k}", f"bias {k}"], [f"sum {k}"]))
        nodes.append(Node("Relu", [f"sum {k}"], [f"layer {k + 1}"]))
    nodes += [
        Node("Unsqueeze", [f"layer {len(layers)}", "step of time"], ["sequence"]),
        Node(
            "LSTM",
            ["sequence", "inputs", "recurrence", "biases", "", "h", "c"],
            ["states", "h after", "c after"],
            {"hidden_size": _WIDTH},
        ),
        Node("Relu", ["states"], ["positive"]),
        Node("MatMul", ["positive", "last weight"], ["unbiased"]),
        Node("Add", ["unbiased", "last bias"], ["logits"]),
        Node("Sigmoid", ["logits"], ["probabilities"]),
    ]
    return written(nodes, constants, ["even", "odd", "h", "c"], ["probabilities", "h after", "c after"])


def _product(weight: Matrix, n_in: int, n_out: int) -> Matrix:
    """A convolution over few steps of time as one matrix, shape (n_in * inputs, n_out * outputs).

    weight: shape (outputs, inputs, 3), the middle of its three taps on the step of time itself; zeros lie around.
    """
    stride = n_in // n_out
    _, n_inputs, _ = weight.shape
    n_outputs = len(weight)
    matrix = np.zeros((n_in, n_inputs, n_out, n_outputs), np.float32)
    for out in range(n_out):
        for tap in range(3):
            step = stride * out + tap - 1
            if 0 <= step < n_in:
                matrix[step, :, out] = weight[:, :, tap].T
    return matrix.reshape(n_in * n_inputs, n_out * n_outputs)
