"""PLDA and VBx, held against the formulas as they are published, and against what they are for."""

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.special import logsumexp, softmax

from speechcli.numerics import vbx
from speechcli.numerics.vbx import Plda

FA, FB = 0.3, 1.0


def as_published(x, first, between, fa, fb, rounds=40) -> np.ndarray:
    """VBx without transitions, line by line as in pyannote.audio 4, `utils/vbx.py`."""
    gamma = softmax(7.0 * np.eye(first.max() + 1)[first], axis=1)
    pi = np.full(gamma.shape[1], 1 / gamma.shape[1])
    g = -0.5 * (np.sum(x**2, axis=1, keepdims=True) + x.shape[1] * np.log(2 * np.pi))
    rho = x * np.sqrt(between)
    elbo = None
    for _ in range(rounds):
        inverse = 1 / (1 + fa / fb * gamma.sum(axis=0, keepdims=True).T * between)
        alpha = fa / fb * inverse * (gamma.T @ rho)
        log_p = fa * (rho @ alpha.T - 0.5 * (inverse + alpha**2) @ between + g)
        log_px = logsumexp(log_p + np.log(pi + 1e-8), axis=-1)
        gamma = np.exp(log_p + np.log(pi + 1e-8) - log_px[:, None])
        pi = gamma.sum(axis=0) / gamma.sum()
        found = log_px.sum() + fb * 0.5 * np.sum(np.log(inverse) - inverse - alpha**2 + 1)
        if elbo is not None and found - elbo < 1e-4:
            break
        elbo = found
    return gamma


def voices(n_speakers: int, n_each: int, seed: int, size: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points in a PLDA's space, who each is of, and the variance between speakers."""
    random = np.random.default_rng(seed)
    between = np.sort(random.uniform(0.5, 8.0, size))[::-1]
    who = np.repeat(np.arange(n_speakers), n_each)
    means = random.normal(0, 1, (n_speakers, size)) * np.sqrt(between)
    return means[who] + random.normal(0, 1, (len(who), size)), who, between


def kaldi_plda(seed: int, size: int = 10, wide: int = 16) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "mean1": random.normal(0, 0.1, wide),
        "mean2": random.normal(0, 0.1, size),
        "lda": random.normal(0, 1, (wide, size)),
        "mean": random.normal(0, 0.1, size),
        "transform": random.normal(0, 1, (size, size)) + 3 * np.eye(size),
        "psi": np.sort(random.uniform(0.1, 5, size))[::-1],
    }


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("fa", "fb"), [(0.3, 1.0), (0.07, 0.8), (1.0, 5.0)])
def test_shares_are_those_of_the_published_formulas(seed, fa, fb):
    """Among them voices so close that it takes more than ten rounds."""
    x, _, between = voices(3, 20, seed, size=(40, 12, 3)[seed % 3])
    first = np.random.default_rng(seed).permutation(np.arange(len(x)) % 7)

    found = vbx.vbx(x, first, between, fa, fb)

    np.testing.assert_allclose(found, as_published(x, first, between, fa, fb), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("seed", range(5))
def test_of_too_many_speakers_those_that_are_none_get_nothing(seed):
    x, who, between = voices(3, 40, seed)
    first = who * 3 + np.arange(len(who)) % 3  # each of them as three

    shares = vbx.vbx(x, first, between, FA, FB)

    labels = shares.argmax(axis=1)
    assert len(set(labels)) == 3
    assert all(len(set(labels[who == k])) == 1 for k in range(3))
    gone = np.setdiff1d(np.arange(9), labels)
    assert shares[:, gone].max() < 1e-3


def test_the_more_speakers_are_held_back_the_fewer_there_are():
    x, _, between = voices(6, 15, 3)
    first = np.arange(len(x)) % 30

    found = [len(set(vbx.vbx(x, first, between, FA, fb).argmax(axis=1))) for fb in (0.3, 3.0, 300.0)]

    assert found[0] >= found[1] >= found[2]
    assert found[0] > found[2]


def test_there_are_no_more_rounds_than_were_asked_for():
    x, _, between = voices(3, 20, 2, size=3)
    first = np.arange(len(x)) % 7

    for rounds in (1, 3):
        found = vbx.vbx(x, first, between, FA, FB, rounds)
        np.testing.assert_allclose(found, as_published(x, first, between, FA, FB, rounds), rtol=1e-6, atol=1e-9)


def test_a_single_point_and_a_single_speaker_are_possible():
    x, _, between = voices(1, 5, 1)

    assert vbx.vbx(x[:1], np.zeros(1, np.intp), between, FA, FB).tolist() == [[1.0]]
    assert vbx.vbx(x, np.zeros(5, np.intp), between, FA, FB).tolist() == [[1.0]] * 5


def test_what_comes_in_is_not_written_to_and_gives_the_same_again():
    x, who, between = voices(3, 20, 2)
    given = (x.copy(), who.copy(), between.copy())

    one, two = (vbx.vbx(x, who, between, FA, FB) for _ in range(2))

    assert np.array_equal(one, two)
    assert all(np.array_equal(a, b) for a, b in zip(given, (x, who, between), strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_directions_of_the_plda_are_scipys_generalised_eigenvectors(seed):
    raw = kaldi_plda(seed)
    transform, psi = raw["transform"], raw["psi"]
    within, between = np.linalg.inv(transform.T @ transform), np.linalg.inv((transform.T / psi) @ transform)
    values, vectors = eigh(between, within)

    made = vbx.plda(**raw)

    np.testing.assert_allclose(made.between, values[::-1], rtol=1e-8)
    np.testing.assert_allclose(made.between, psi, rtol=1e-8)  # as Kaldi gave them
    signs = np.sign((made.to * vectors.T[::-1]).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(made.to * signs, vectors.T[::-1], rtol=1e-6, atol=1e-9)


def test_in_the_space_of_the_plda_a_speaker_has_variance_one_and_speakers_have_psi():
    raw = kaldi_plda(5)
    made = vbx.plda(**raw)
    within = np.linalg.inv(raw["transform"].T @ raw["transform"])
    between = np.linalg.inv((raw["transform"].T / raw["psi"]) @ raw["transform"])

    np.testing.assert_allclose(made.to @ within @ made.to.T, np.eye(10), atol=1e-9)
    np.testing.assert_allclose(made.to @ between @ made.to.T, np.diag(made.between), atol=1e-8)


def test_embeddings_are_centred_scaled_and_turned_as_pyannote_does():
    raw = kaldi_plda(6)
    made = vbx.plda(**raw)
    x = np.random.default_rng(7).normal(0, 1, (5, 16)).astype(np.float32)

    found = made(x)

    for row, one in zip(x.astype(np.float64), found, strict=True):
        row = row - raw["mean1"]
        row = np.sqrt(16) * row / np.sqrt(np.sum(row**2))
        row = row @ raw["lda"] - raw["mean2"]
        row = np.sqrt(10) * row / np.sqrt(np.sum(row**2))
        np.testing.assert_allclose(one, made.to @ (row - raw["mean"]), rtol=1e-5)
    assert isinstance(made, Plda)
    assert made(x[:0]).shape == (0, 10)


def test_rows_are_of_length_one_but_for_those_without_direction():
    rows = np.array([[3.0, 4.0], [0.0, 0.0], [0.0, -2.0]])

    assert vbx.unit(rows).tolist() == [[0.6, 0.8], [0.0, 0.0], [0.0, -1.0]]
