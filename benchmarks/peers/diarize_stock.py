"""The recipe that community-1's weights were published with, on onnxruntime: pyannote.audio 4's SpeakerDiarization.

    python benchmarks/peers/diarize_stock.py FILE... --output-dir FOLDER

Chunks of 10 s every second; a print of each of their speakers, from the frames where that one talks alone; centroid
linkage to 0.6, VBx (Fa 0.07, Fb 0.8) of the prints with enough speech; each chunk's speakers given to different voices;
in each frame as many of the voices as are talking, those first that most chunks hear. (pyannote.audio itself runs the
same on torch, with weights behind a gate.)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from diarize_parts import (
    CHUNK,
    N_FRAMES,
    RATE,
    Floats,
    Models,
    Turns,
    at_once,
    chunk_places,
    fbank,
    main,
    stretches,
    unit,
    vbx,
)
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

_STEP = 1.0  # seconds
_APART = 0.6
_FA, _FB = 0.07, 0.8
_ENOUGH = 0.2  # of a chunk, spoken alone, for its print to count in the clustering
_MARGIN = 16  # frames of 10 ms around a speaker's frames that the network is shown


def diarizer(models: Models) -> Callable[[Floats], Turns]:
    """The pipeline with these weights."""

    def turns(samples: Floats) -> Turns:
        chunks = models.segmentation(samples, _STEP)
        if not chunks.any():
            return []
        prints = _prints(models, samples, chunks)
        given, n_voices = _given(models, prints, chunks)
        return _turns(chunks, given, n_voices, len(samples) / RATE)

    return turns


def _prints(models: Models, samples: Floats, chunks: Floats) -> Floats:
    """Of each speaker of each chunk, shape (chunks, 3, 256); NaN for who does not talk."""
    out = np.full((*chunks.shape[::2], 256), np.nan)
    alone = chunks * (chunks.sum(2, keepdims=True) < 2)
    hop = round(_STEP * RATE)
    for i, chunk in enumerate(chunks):
        who = np.flatnonzero(chunk.any(0))
        if not len(who):
            continue
        piece = samples[i * hop : i * hop + CHUNK]
        features = fbank(np.pad(piece, (0, CHUNK - len(piece))))
        frames = np.minimum(np.arange(len(features)) * N_FRAMES // len(features), N_FRAMES - 1)
        for k in who:
            weights = (alone if alone[i, :, k].sum() > 3 else chunks)[i, frames, k]
            at = np.flatnonzero(weights)
            if len(at) > 1:
                shown = slice(max(0, at[0] - _MARGIN), at[-1] + _MARGIN + 1)
                out[i, k] = models.print(features[shown], weights[shown])
    return out


def _given(models: Models, prints: Floats, chunks: Floats) -> tuple[Floats, int]:
    """The voice of each speaker of each chunk, -2 for who does not talk, and how many voices there are."""
    alone = (chunks * (chunks.sum(2, keepdims=True) == 1)).sum(1)
    known = ~np.isnan(prints).any(2)
    clear = prints[(alone >= _ENOUGH * N_FRAMES) & known]
    talks = chunks.any(1)
    if len(clear) < 2:
        return np.where(talks, 0, -2), 1
    labels = fcluster(linkage(unit(clear), "centroid", "euclidean"), _APART, "distance")
    gamma, share = vbx(models.plda(clear), models.phi, np.unique(labels, return_inverse=True)[1], _FA, _FB, 20)
    gamma = gamma[:, share > 1e-7]
    voices = gamma.T @ clear / gamma.sum(0)[:, None]
    alike = 2 - cdist(np.nan_to_num(prints.reshape(-1, 256), nan=1e-3), voices, "cosine").reshape(*known.shape, -1)
    alike[~talks] = alike.min() - 1
    out = np.full(known.shape, -2)
    for i, table in enumerate(alike):
        rows, columns = linear_sum_assignment(table, maximize=True)
        out[i, rows] = columns
    return np.where(talks, out, -2), len(voices)


def _turns(chunks: Floats, given: Floats, n_voices: int, duration: float) -> Turns:
    talking = np.minimum(at_once(chunks, _STEP), n_voices)
    heard = np.zeros((len(talking), n_voices))
    for place, chunk, voices in zip(chunk_places(len(chunks), _STEP), chunks, given, strict=True):
        for voice in set(voices) - {-2}:
            heard[place : place + N_FRAMES, voice] += chunk[:, voices == voice].max(1)
    ranks = np.argsort(np.argsort(-heard, axis=1, kind="stable"), axis=1)
    chosen = ranks < talking[:, None]
    return [(a, b, voice) for voice in range(n_voices) for a, b in stretches(chosen[:, voice], duration)]


if __name__ == "__main__":
    main(__doc__, diarizer)
