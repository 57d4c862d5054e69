"""Embeddings to speakers: agglomerative clustering for a first guess, VBx for the rest, as many as are allowed.

Agglomerative clustering takes the square of what it is given, so of long recordings first the parts are clustered, and
then their clusters, as the same average linkage (UPGMA, Sokal and Michener 1958) goes on from there: the mean cosine
between two clusters is the product of the means of their unit vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from speechcli.backends.base import Counts
from speechcli.numerics.vbx import Floats, Plda, unit, vbx

Labels = NDArray[np.intp]
Related = Callable[[int, int], NDArray[np.float32]]
"""Of the windows from one to before another: (n, n), -1 to 1, see `numerics.chunks.related`."""

_TOGETHER = 2400  # windows that are clustered at once: 20 minutes of speech, 200 MB while it lasts
_ONE = ((3, 0.30), (9, 0.45), (np.inf, 0.55))
"""Up to so many windows in the smaller of two clusters, and the cosine of their means from which on they are one
speaker: hardly two seconds are seldom somebody else, though all alike, for they overlap."""
_BELIEF = 0.1  # how far the segmentation's word moves a cosine distance
_MOST = 100  # speakers that VBx begins with
_SMALL = 0.02  # share of the speech that a speaker has, at least, where more were asked for than were found
_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Rules:
    """cut: mean cosine distance from which on two clusters are two speakers. fa, fb: see `vbx`."""

    cut: float = 0.7
    fa: float = 0.3
    fb: float = 1.0


def clustered(windows: NDArray[np.float32], related: Related, plda: Plda, counts: Counts, rules: Rules) -> Labels:
    """The speaker of each window, (n,), from 0 to K - 1.

    windows: (n, D), embeddings. K is what `counts` allows as far as the windows can be told apart at all.
    """
    directions = unit(windows)
    if len(windows) < 2:
        return np.zeros(len(windows), np.intp)
    guess = _largest(directions, _agglomerated(directions, related, rules.cut), _MOST)
    x = plda(windows)
    labels = _numbered(vbx(x, guess, plda.between, rules.fa, rules.fb).argmax(axis=1))
    labels = _melted(directions, labels)
    n_found = int(labels.max()) + 1
    if counts.most is not None and n_found > counts.most:
        small = int((np.bincount(labels) < _SMALL * len(labels)).sum())  # outliers: no speakers to be kept for others
        return _merged(directions, _largest(directions, labels, max(counts.most, n_found - small)), counts.most)
    if n_found < counts.least:
        more = _refined(directions, _split(directions, related, counts.least))
        return more if more.max() > labels.max() else labels
    return labels


def _agglomerated(directions: Floats, related: Related, cut: float) -> Labels:
    labels, first = np.zeros(len(directions), np.intp), 0
    for start in range(0, len(directions), _TOGETHER):
        stop = min(start + _TOGETHER, len(directions))
        own = _tree_cut(directions[start:stop], related(start, stop), cut)
        labels[start:stop] = own + first
        first += int(own.max()) + 1
    return labels if len(directions) <= _TOGETHER else _merged(directions, labels, 1, cut)


def _tree(directions: Floats, related: NDArray[np.float32]) -> Floats:
    distances = 1 - (directions @ directions.T).astype(np.float32) - _BELIEF * related
    np.fill_diagonal(distances, 0)
    return np.asarray(linkage(squareform(np.maximum(distances, 0), checks=False), "average"))


def _tree_cut(directions: Floats, related: NDArray[np.float32], cut: float) -> Labels:
    if len(directions) < 2:
        return np.zeros(len(directions), np.intp)
    return _numbered(fcluster(_tree(directions, related), cut, "distance"))


def _largest(directions: Floats, labels: Labels, most: int) -> Labels:
    """At most so many clusters; what is in the others goes to the nearest of them."""
    sizes = np.bincount(labels)
    if len(sizes) <= most:
        return labels
    kept = np.sort(np.argsort(-sizes, kind="stable")[:most])
    return _numbered(_nearest(directions, means_of(directions, labels)[kept]))


def _merged(directions: Floats, labels: Labels, most: int, cut: float = np.inf) -> Labels:
    """Clusters merged by average linkage while they are nearer than `cut`, and more than `most`."""
    sizes = np.bincount(labels).astype(np.float64)
    means = np.zeros((len(sizes), directions.shape[1]))
    np.add.at(means, labels, directions)
    means /= sizes[:, None]
    belongs = np.arange(len(sizes))
    near = means @ means.T
    np.fill_diagonal(near, -np.inf)
    for _ in range(len(sizes) - most):
        keep, gone = np.unravel_index(int(near.argmax()), near.shape)
        if 1 - near[keep, gone] >= cut:
            break
        both = sizes[keep] + sizes[gone]
        means[keep] = (means[keep] * sizes[keep] + means[gone] * sizes[gone]) / both
        sizes[keep] = both
        belongs[belongs == gone] = keep
        near[keep] = near[:, keep] = np.where(np.isfinite(near[keep]), means @ means[keep], -np.inf)
        near[gone] = near[:, gone] = -np.inf
    return _numbered(belongs[labels])


def _melted(directions: Floats, labels: Labels) -> Labels:
    """Clusters whose means point the same way are one, the more easily the smaller one of them is; nearest first."""
    while labels.max() > 0:
        sizes = np.bincount(labels)
        means = means_of(directions, labels)
        smaller = np.minimum(sizes[:, None], sizes)
        enough = np.select([smaller <= most for most, _ in _ONE], [cosine for _, cosine in _ONE])
        near = np.where(np.eye(len(means), dtype=bool), -np.inf, means @ means.T - enough)
        a, b = np.unravel_index(int(near.argmax()), near.shape)
        if near[a, b] < 0:
            break
        labels = _numbered(np.where(labels == b, a, labels))
    return labels


def _split(directions: Floats, related: Related, least: int) -> Labels:
    """At least so many clusters that are no mere outliers, as far as there are any."""
    step = -(-len(directions) // _TOGETHER)  # of long recordings every so many-th window
    some = directions[::step]
    tree = _tree(some, related(0, len(some)) if step == 1 else np.zeros((len(some), len(some)), np.float32))
    small = max(2, round(_SMALL * len(some)))
    best, n_best = np.zeros(len(some), np.intp), 1
    for n in range(least, min(len(some), 4 * least + 40) + 1):
        labels = _numbered(fcluster(tree, n, "maxclust"))
        sizes = np.bincount(labels)
        large = np.argsort(-sizes, kind="stable")[:least]
        n_large = int((sizes[large] >= small).sum())
        if n_large > n_best:
            kept = large[sizes[large] >= small]
            best, n_best = _nearest(some, means_of(some, labels)[kept]), n_large
        if n_best >= least:
            break
    return _nearest(directions, means_of(some, best))


def _refined(directions: Floats, labels: Labels) -> Labels:
    """The clusters by spherical k-means (Dhillon and Modha 2001), begun with what they are."""
    for _ in range(_ROUNDS):
        found = _numbered(_nearest(directions, means_of(directions, labels)))
        if np.array_equal(found, labels):
            break
        labels = found
    return labels


def means_of(directions: Floats, labels: Labels) -> Floats:
    """The directions of clusters, (K, D), of those of their windows, (n, D)."""
    sums = np.zeros((int(labels.max()) + 1, directions.shape[1]))
    np.add.at(sums, labels, directions)
    return unit(sums)


def _nearest(directions: Floats, means: Floats) -> Labels:
    return np.asarray((directions @ means.T).argmax(axis=1), np.intp)


def _numbered(labels: NDArray[np.integer]) -> Labels:
    return np.asarray(np.unique(labels, return_inverse=True)[1], np.intp)
