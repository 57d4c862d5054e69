"""Embeddings to speakers: made voices, known directions with noise around them, as many of them as are allowed."""

import numpy as np
import pytest

from speechcli.backends.base import Counts

pytest.importorskip("scipy", reason="needs the extra: pip install speechcli[diarize]")
from scipy.cluster import hierarchy

from speechcli.backends import clusters
from speechcli.backends.clusters import Rules, clustered
from speechcli.numerics import vbx
from speechcli.numerics.vbx import Plda

SIZE = 64
ANY = Counts()


def voices(sizes: tuple[int, ...], seed: int, spread: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Windows of speakers of whom each has so many, mixed, and whose they are; `spread` is their length of noise."""
    random = np.random.default_rng(seed)
    who = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    speakers = vbx.unit(random.normal(0, 1, (len(sizes), SIZE)))
    noise = vbx.unit(random.normal(0, 1, (len(who), SIZE))) * spread
    return (speakers[who] + noise).astype(np.float32), who


def of(spread: float = 0.8) -> Plda:
    """The PLDA of such voices: within one the variance is one, on every axis alike."""
    between = np.full(SIZE, 1 / spread**2)
    return Plda(
        np.zeros(SIZE), np.zeros(SIZE), np.eye(SIZE), np.zeros(SIZE), np.eye(SIZE) * np.sqrt(1 + 1 / spread**2), between
    )


def unrelated(first: int, stop: int) -> np.ndarray:
    return np.zeros((stop - first, stop - first), np.float32)


def agree(labels: np.ndarray, who: np.ndarray) -> bool:
    """Whether they are the same but for names."""
    pairs = set(zip(labels.tolist(), who.tolist(), strict=True))
    return len(pairs) == len(set(labels.tolist())) == len(set(who.tolist()))


def found(windows: np.ndarray, counts: Counts = ANY, related=unrelated) -> np.ndarray:
    labels = clustered(windows, related, of(), counts, Rules())
    assert labels.shape == (len(windows),)
    assert sorted(set(labels.tolist())) == list(range(labels.max(initial=-1) + 1)), "numbers without gaps"
    return labels


def two_alike(seed: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Two voices of fifty windows each, the second one with something of the first."""
    windows, who = voices((50, 50), seed)
    return windows + factor * windows[who == 0].mean(axis=0) * (who == 1)[:, None], who


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sizes", [(40,), (30, 50), (60, 20, 10), (15,) * 8, (100, 6)])
def test_speakers_are_found_and_each_window_is_its_own(sizes, seed):
    windows, who = voices(sizes, seed)

    assert agree(found(windows), who)


def test_the_same_windows_give_the_same_and_are_not_written_to():
    windows, _ = voices((20, 30, 10), 4)
    before = windows.copy()

    assert np.array_equal(found(windows), found(windows))
    assert np.array_equal(windows, before)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_there_are_no_more_than_may_be_and_those_that_are_alike_are_the_ones_put_together(most):
    windows, who = voices((30, 30, 30, 30), 7)
    near = windows + 0.3 * windows[who == 0].mean(axis=0) * (who == 1)[:, None]  # the second sounds like the first
    assert agree(found(near), who)

    labels = found(near, Counts(most=most))

    assert labels.max() + 1 == most
    assert len(set(labels[who <= 1].tolist())) == 1
    assert most < 3 or agree(labels, np.maximum(who, 1))


def test_more_than_there_are_do_not_hurt():
    windows, who = voices((30, 40), 8)

    assert agree(found(windows, Counts(most=9)), who)
    assert agree(found(windows, Counts(2, 2)), who)


@pytest.mark.parametrize("least", [2, 3, 5])
def test_there_are_as_many_as_are_asked_for(least):
    """Of one voice, and of two: more than anybody hears."""
    for sizes in ((80,), (60, 40)):
        windows, _ = voices(sizes, 9)

        assert found(windows, Counts(least)).max() + 1 >= least
        assert found(windows, Counts(least, least)).max() + 1 == least


def test_speakers_asked_for_who_are_there_are_found_though_they_are_close():
    """Two voices nearer to each other than any two that would be told apart unasked."""
    windows, who = two_alike(10, 1.2)

    assert found(windows).max() == 0
    assert agree(found(windows, Counts(2, 2)), who)


@pytest.mark.parametrize("sizes", [(150,), (100, 60), (50, 60, 40, 30, 20)])
def test_long_recordings_give_what_short_ones_do(sizes, monkeypatch):
    """Clustered part by part, and all at once."""
    windows, who = voices(sizes, 11)
    at_once = found(windows)

    for together in (17, 40, 64):
        monkeypatch.setattr(clusters, "_TOGETHER", together)
        parts = found(windows)
        assert agree(clusters._agglomerated(vbx.unit(windows), unrelated, 0.7), who)
        assert agree(parts, at_once)
        assert agree(parts, who)
        assert found(windows, Counts(4, 4)).max() + 1 == 4
        assert found(windows, Counts(most=1)).max() == 0


@pytest.mark.parametrize("cut", [0.5, 0.8, 1.05])
def test_clusters_of_parts_are_put_together_as_scipys_average_linkage_does(cut):
    """From single windows, and from pairs of them, which the tree puts together first."""
    random = np.random.default_rng(16)
    pairs = np.repeat(vbx.unit(random.normal(0, 1, (25, 6))), 2, axis=0)
    directions = vbx.unit(pairs + random.normal(0, 0.01, pairs.shape))
    whole = hierarchy.fcluster(hierarchy.linkage(directions, "average", metric="cosine"), cut, "distance")

    for begun in (np.arange(50), np.arange(50) // 2):
        assert agree(clusters._merged(directions, begun, 1, cut), whole)
    assert 2 < len(set(whole.tolist())) < 25


def test_clusters_that_point_the_same_way_are_one_though_vbx_keeps_them_apart():
    windows, who = voices((50, 50), 17)
    eager = Rules(cut=0.2, fa=5.0, fb=0.01)
    guess = clusters._agglomerated(vbx.unit(windows), unrelated, eager.cut)
    kept = vbx.vbx(of()(windows), guess, of().between, eager.fa, eager.fb).argmax(axis=1)
    assert len(set(kept.tolist())) > 10

    assert agree(clustered(windows, unrelated, of(), ANY, eager), who)


def test_a_speaker_asked_for_is_more_than_an_outlier():
    """Two close voices, and a window like neither that nobody would take for a speaker: the voices are the two."""
    windows, who = two_alike(10, 1.2)
    odd = vbx.unit(np.random.default_rng(18).normal(0, 1, SIZE)) + 0.4 * vbx.unit(windows.mean(axis=0))
    with_it = np.concatenate([windows, odd[None].astype(np.float32)])
    assert found(with_it).max() == 0

    assert agree(found(with_it, Counts(2, 2))[:-1], who)


def test_parts_are_asked_for_the_segmentations_word_on_them_alone(monkeypatch):
    windows, _ = voices((30, 30), 12)
    asked = []

    def related(first: int, stop: int) -> np.ndarray:
        asked.append((first, stop))
        return unrelated(first, stop)

    monkeypatch.setattr(clusters, "_TOGETHER", 25)
    found(windows, related=related)

    assert asked == [(0, 25), (25, 50), (50, 60)]


def test_the_segmentations_word_counts_where_voices_leave_it_open():
    """Two voices that are taken for one by themselves."""
    windows, who = two_alike(11, 0.7)
    says = np.where(who[:, None] == who, 1.0, -1.0).astype(np.float32)

    assert found(windows).max() == 0
    assert agree(found(windows, related=lambda first, stop: says[first:stop, first:stop]), who)


def test_the_segmentations_word_does_not_make_two_of_what_sounds_the_same():
    windows, _ = voices((60,), 13, spread=0.5)
    half = np.repeat([0, 1], 30)
    says = np.where(half[:, None] == half, 1.0, -1.0).astype(np.float32)

    assert found(windows, related=lambda first, stop: says[first:stop, first:stop]).max() == 0


def test_windows_all_alike_are_one_speaker_whatever_is_asked_for():
    windows = np.ones((12, SIZE), np.float32)

    for counts in (ANY, Counts(2, 2), Counts(5), Counts(most=1)):
        assert found(windows, counts).tolist() == [0] * 12


@pytest.mark.parametrize("n", [0, 1, 2, 3])
@pytest.mark.parametrize("counts", [ANY, Counts(5), Counts(2, 2), Counts(most=1)])
def test_fewer_windows_than_speakers_that_are_asked_for(n, counts):
    windows, _ = voices((1,) * n, 14) if n else (np.zeros((0, SIZE), np.float32), None)

    labels = found(windows, counts)

    assert labels.max(initial=0) + 1 <= max(1, min(n, counts.most or n))


def test_a_window_without_direction_is_somebodys():
    windows, _ = voices((20, 20), 15)
    windows[7] = 0

    assert found(windows).max() == 1


@pytest.mark.parametrize("sizes", [(8, 8), (5, 4, 3)])
def test_who_asks_for_more_than_there_are_is_not_given_fewer(sizes):
    windows, _ = voices(sizes, 19)
    by_itself = found(windows).max() + 1

    for n in range(1, 25):
        assert found(windows, Counts(n)).max() + 1 >= by_itself, n
