"""How voices sound: WeSpeaker's ResNet34 (voxceleb, large margin) as in pyannote's community-1.

Many stretches of one sound share one pass through the network: only its last layer, the mean and spread of the frames,
is told apart by weights (weighted statistics pooling, Wang et al. 2023, "Wespeaker"), for which the graph takes any
number of rows beside one of features. So stretches may overlap as they like and cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import kaldi_native_fbank
import numpy as np
from numpy.typing import NDArray

from speechcli.backends import graphs
from speechcli.backends.community1 import Community1
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds, Span, total
from speechcli.numerics.vbx import unit

RATE = 16000  # Hz
FRAME: Seconds = 0.010
_CENTRE: Seconds = 0.0125  # of the first frame
_MELS = 80
SIZE = 256
_LEAST: Seconds = 0.5  # of speech that a print is made of


class WeSpeaker:
    """A `VoicePrinter`."""

    rate = RATE
    name = "community-1"
    # Cosines of prints of one voice and of two, by seconds of speech: see jobs/roster.py.
    alike = 0.5

    def __init__(self, models: Community1, threads: int = 1, engine: str | None = None) -> None:
        """threads: that may call it at once. engine: see `graphs.opened`."""
        self._graph = graphs.opened(models.embedding, threads, rough=True, engine=engine)

    def embed(self, features: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embeddings (stretches, 256). features: (frames, 80), see `fbank`. weights: (stretches, frames), 0..1."""
        return self._graph({"fbank": features[None], "weights": weights})

    def voice(self, audio: Audio, spans: Sequence[Span]) -> tuple[float, ...] | None:
        """See `VoicePrinter`: the mean of what the stretches give, by their seconds."""
        if total(spans) < _LEAST:
            return None
        sums, n_heard = np.zeros(SIZE), 0
        for span in spans:
            sound = audio.samples[round(span.start * RATE) : round(span.end * RATE)]
            if len(features := fbank(sound)):
                one = self.embed(_centred(features), np.ones((1, len(features)), np.float32))[0]
                sums += unit(one) * len(sound)
                n_heard += len(sound)
        return tuple(round(x, 5) for x in unit(sums).tolist()) if n_heard >= _LEAST * RATE else None


def _centred(features: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(features - features.mean(axis=0), np.float32)


def fbank(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log mel energies as Kaldi's (hamming window, no dither, 80 bands, 25 ms each 10 ms), (frames, 80).

    samples: (n,) at 16 kHz; less than 25 ms give no frames.
    """
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.dither = 0.0
    options.frame_opts.window_type = "hamming"
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = _MELS
    options.use_energy = False
    computer = kaldi_native_fbank.OnlineFbank(options)
    computer.accept_waveform(RATE, samples * 32768)
    computer.input_finished()
    frames = [computer.get_frame(i) for i in range(computer.num_frames_ready)]
    return np.stack(frames).astype(np.float32) if frames else np.zeros((0, _MELS), np.float32)


def n_frames(n_samples: int) -> int:
    """How many frames `fbank` gives of so many samples.

    >>> n_frames(399), n_frames(400), n_frames(16000)
    (0, 1, 98)
    """
    return max(0, (n_samples - 400) // 160 + 1)


def centres(n_frames: int) -> NDArray[np.float64]:
    """The middles of so many frames of `fbank`, in seconds from the start of the sound."""
    return np.asarray(np.arange(n_frames) * FRAME + _CENTRE, np.float64)


def open_printer(models: Community1) -> WeSpeaker:
    """What knows voices again."""
    return WeSpeaker(models)
