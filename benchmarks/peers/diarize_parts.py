"""What the diarizing peers have in common: the weights of pyannote's community-1, features, VBx, RTTM out.

The weights are those that ours uses, from where ours has them.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import kaldi_native_fbank
import numpy as np
import onnxruntime
import scipy.linalg
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from speechcli.backends import community1
from speechcli.media.ffmpeg import find

Floats: TypeAlias = NDArray[Any]
Turns: TypeAlias = list[tuple[float, float, int]]
"""Start and end in seconds, and the number of the speaker."""

RATE = 16_000
CHUNK = 10 * RATE  # samples the segmentation hears at once
N_FRAMES = 589  # it gives of them
STEP = 0.016875  # seconds from frame to frame
FIRST = 0.0619375 / 2  # seconds: the middle of frame 0


def main(about: str | None, diarizer: Callable[[Models], Callable[[Floats], Turns]]) -> None:
    """The command of a peer. diarizer: of the weights, what gives the turns of a recording (float32, 16 kHz)."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("inputs", nargs="+", type=Path)
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--models", type=Path, help="folder with the arrays of community-1 (as speechcli finds them)")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    turns = diarizer(Models(community1.load(args.models or community1.find()), args.threads))
    ffmpeg = find(None)
    for path in args.inputs:
        found = turns(_decoded(path, ffmpeg))
        (args.output_dir / f"{path.stem}.rttm").write_text("".join(_lines(path.stem, found)), encoding="utf-8")


def _decoded(path: Path, ffmpeg: str | Path) -> Floats:
    command = [ffmpeg, "-v", "error", "-i", path, "-f", "f32le", "-ac", "1", "-ar", str(RATE), "-"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    return np.frombuffer(done.stdout, np.float32)


def _lines(name: str, turns: Turns) -> Iterable[str]:
    for start, end, speaker in sorted(turns):
        yield f"SPEAKER {name} 1 {start:.3f} {end - start:.3f} <NA> <NA> S{speaker:02d} <NA> <NA>\n"


class Models:
    """The two networks, and what brings the second one's prints into the space of the PLDA."""

    def __init__(self, weights: community1.Community1, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._segmentation, self._embedding = (
            onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            for model in (weights.segmentation, weights.embedding)
        )
        self._weights = weights
        within = np.linalg.inv(weights.plda_tr.T @ weights.plda_tr)
        between = np.linalg.inv((weights.plda_tr.T / weights.plda_psi) @ weights.plda_tr)
        self.phi, self._axes = (found[..., ::-1] for found in scipy.linalg.eigh(between, within))

    def segmentation(self, samples: Floats, step: float) -> Floats:
        """Who of three talks in each frame, 0 or 1, shape (chunks, frames, 3); a chunk begins every `step` seconds."""
        hop = round(step * RATE)
        n = max(0, -(-(len(samples) - CHUNK) // hop)) + 1
        out = []
        for first in range(0, n, 8):
            batch = np.zeros((min(8, n - first), 1, CHUNK), np.float32)
            for i, row in enumerate(batch):
                piece = samples[(first + i) * hop : (first + i) * hop + CHUNK]
                row[0, : len(piece)] = piece
            out.append(self._segmentation.run(None, {"waveforms": batch})[0])
        return np.concatenate(out)

    def print(self, features: Floats, weights: Floats | None = None) -> Floats:
        """The voice of a stretch, shape (256,). features: see fbank; weights: of its frames."""
        weights = np.ones(len(features), np.float32) if weights is None else weights.astype(np.float32)
        found: Floats = self._embedding.run(None, {"fbank": features[None], "weights": weights[None]})[0][0]
        return found

    def plda(self, prints: Floats) -> Floats:
        """Prints where the voices of one speaker vary alike in all directions, shape (n, 128)."""
        lower = unit(prints - self._weights.xvec_mean1) * np.sqrt(256) @ self._weights.xvec_lda
        spread: Floats = (unit(lower - self._weights.xvec_mean2) * np.sqrt(128) - self._weights.plda_mu) @ self._axes
        return spread


def fbank(samples: Floats) -> Floats:
    """Kaldi's log mel energies less their mean, shape (frames, 80); too few samples are filled up to 50 ms."""
    samples = np.pad(samples, (0, max(0, 800 - len(samples))))
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.dither = 0.0
    options.frame_opts.window_type = "hamming"
    options.mel_opts.num_bins = 80
    options.use_energy = False
    made = kaldi_native_fbank.OnlineFbank(options)
    made.accept_waveform(RATE, (samples * 32768).tolist())
    made.input_finished()
    out = np.stack([made.get_frame(i) for i in range(made.num_frames_ready)])
    return (out - out.mean(0)).astype(np.float32)


def unit(rows: Floats) -> Floats:
    """Rows of length 1."""
    out: Floats = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return out


def vbx(spread: Floats, phi: Floats, labels: Floats, fa: float, fb: float, rounds: int) -> tuple[Floats, Floats]:
    """How likely each row is of each speaker, and how much of all each speaker says.

    The Bayesian mixture of Landini et al. 2022 ("Bayesian HMM clustering of x-vector sequences", loop probability 0),
    started from hard labels.
    """
    start = np.zeros((len(labels), int(labels.max()) + 1))
    start[np.arange(len(labels)), labels] = 1
    gamma = softmax(start * 7.0, axis=1)
    share = np.full(gamma.shape[1], 1 / gamma.shape[1])
    base = -0.5 * ((spread**2).sum(1, keepdims=True) + spread.shape[1] * np.log(2 * np.pi))
    rho, last = spread * np.sqrt(phi), -np.inf
    for _ in range(rounds):
        inverse = 1 / (1 + fa / fb * gamma.sum(0)[:, None] * phi)
        alpha = fa / fb * inverse * (gamma.T @ rho)
        likely = fa * (rho @ alpha.T - 0.5 * (inverse + alpha**2) @ phi + base) + np.log(share + 1e-8)
        total = logsumexp(likely, axis=-1)
        gamma = np.exp(likely - total[:, None])
        share = gamma.sum(0) / len(gamma)
        bound = total.sum() + fb * 0.5 * np.sum(np.log(inverse) - inverse - alpha**2 + 1)
        if bound - last < 1e-4:
            break
        last = bound
    return gamma, share


def at_once(chunks: Floats, step: float) -> NDArray[np.int64]:
    """How many talk in each frame of the recording: the mean of the chunks that hear it."""
    places = chunk_places(len(chunks), step)
    counted, heard = np.zeros(places[-1] + N_FRAMES + 1), np.zeros(places[-1] + N_FRAMES + 1)
    for place, chunk in zip(places, chunks, strict=True):
        counted[place : place + N_FRAMES] += chunk.sum(1)
        heard[place : place + N_FRAMES] += 1
    return np.rint(counted / np.maximum(heard, 1)).astype(np.int64)


def chunk_places(n: int, step: float) -> list[int]:
    """Frames of the recording at which chunks begin."""
    return [round(i * step / STEP) for i in range(n)]


def stretches(frames: Floats, duration: float) -> list[tuple[float, float]]:
    """Seconds of the runs of true frames."""
    edges = np.diff(np.r_[0, frames.astype(np.int64), 0])
    runs = zip(np.flatnonzero(edges == 1) * STEP + FIRST, np.flatnonzero(edges == -1) * STEP + FIRST, strict=True)
    return [(float(start), float(min(end, duration))) for start, end in runs if min(end, duration) > start]


def merged(turns: Sequence[tuple[float, float, int]]) -> Turns:
    """Turns of one speaker that overlap or touch as one."""
    out: Turns = []
    for start, end, who in sorted(turns, key=lambda turn: (turn[2], turn[0])):
        if out and out[-1][2] == who and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]), who)
        else:
            out.append((start, end, who))
    return out
