"""Voices in the space of a PLDA, and their speakers by variational Bayes (VBx).

Sources: Landini, Profant, Diez, Burget 2022, "Bayesian HMM clustering of x-vector sequences (VBx) in speaker
diarization"; its form without transitions (a mixture) as in pyannote.audio 4 (`utils/vbx.py`, MIT). Kenny 2010 and
Ioffe 2006 for the PLDA.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SMOOTH = 7.0  # how sure the first guess is taken to be: odds of e^7 to one
_CONVERGED = 1e-4
_GONE = 1e-8  # a share of the speech that is none


@dataclass(frozen=True, slots=True)
class Plda:
    """A PLDA and what brings embeddings to it.

    mean1: (D,). lda: (D, d). mean2: (d,). mean: (d,). to: (d, d), rows are directions in which speakers differ, within
    a speaker of variance one. between: (d,), the variance between speakers, falling.
    """

    mean1: Floats
    mean2: Floats
    lda: Floats
    mean: Floats
    to: Floats
    between: Floats

    def __call__(self, embeddings: NDArray[np.floating]) -> Floats:
        """Embeddings (n, D) in the PLDA's space, (n, d)."""
        x = np.sqrt(len(self.mean1)) * unit(embeddings - self.mean1) @ self.lda - self.mean2
        return np.asarray((np.sqrt(len(self.mean)) * unit(x) - self.mean) @ self.to.T)


def plda(mean1: Floats, mean2: Floats, lda: Floats, mean: Floats, transform: Floats, psi: Floats) -> Plda:
    """Of the arrays as Kaldi has them. transform, psi: what makes the variance within one, and that between psi."""
    within = np.linalg.inv(transform.T @ transform)
    between = np.linalg.inv((transform.T / psi) @ transform)
    # between v = lambda within v, by the triangular root of `within`
    root = np.linalg.inv(np.linalg.cholesky(within))
    values, vectors = np.linalg.eigh(root @ between @ root.T)
    return Plda(mean1, mean2, lda, mean, (root.T @ vectors).T[::-1].copy(), values[::-1].copy())


@dataclass(frozen=True, slots=True)
class Speakers:
    """What VBx believes of K speakers: where they are in the PLDA's space, (K, d), and how surely."""

    means: Floats
    variances: Floats

    def likelihoods(self, x: Floats, between: Floats) -> Floats:
        """Log likelihood that each x, (n, d), is each speaker's, (n, K), up to what all speakers have in common."""
        rho = x * np.sqrt(between)
        return np.asarray(rho @ self.means.T - 0.5 * (self.variances + self.means**2) @ between)


def speakers(x: Floats, shares: Floats, between: Floats, fa: float, fb: float) -> Speakers:
    """The speakers, where `shares` (n, K) of each x are theirs. fa, fb: see `vbx`."""
    rho = x * np.sqrt(between)
    variances = 1 / (1 + fa / fb * shares.sum(axis=0)[:, None] * between)
    return Speakers(fa / fb * variances * (shares.T @ rho), variances)


def vbx(x: Floats, first: NDArray[np.intp], between: Floats, fa: float, fb: float, rounds: int = 40) -> Floats:
    """Which x is whose: shares (n, K), rows sum to one; a speaker that is none has none of them.

    x: (n, d) in the PLDA's space. first: (n,), speakers 0 to K - 1 to begin with, rather too many. fa: how far what one
    x tells counts, less where they overlap. fb: how far speakers are held back: the larger, the fewer.
    """
    start = np.full((len(x), int(first.max()) + 1), 0.0)
    start[np.arange(len(x)), first] = _SMOOTH
    shares = _softmax(start)
    prior = np.full(start.shape[1], 1 / start.shape[1])
    norm = -0.5 * ((x**2).sum(axis=1, keepdims=True) + x.shape[1] * np.log(2 * np.pi))
    last = -np.inf
    for _ in range(rounds):
        found = speakers(x, shares, between, fa, fb)
        scores = fa * (found.likelihoods(x, between) + norm) + np.log(prior + _GONE)
        top = scores.max(axis=1, keepdims=True)
        sums = top + np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
        shares = np.exp(scores - sums)
        prior = shares.sum(axis=0) / len(x)
        variances, means = found.variances, found.means
        evidence = float(sums.sum() + fb * 0.5 * np.sum(np.log(variances) - variances - means**2 + 1))
        if evidence - last < _CONVERGED:
            break
        last = evidence
    return shares


def unit(x: NDArray[np.floating]) -> Floats:
    """Rows of length one; of length zero where there is no direction."""
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12), np.float64)


def _softmax(x: Floats) -> Floats:
    raised = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
