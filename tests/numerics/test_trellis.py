"""The trellis of forced alignment, held against the list of all paths, torch's sum over them, and what it must mean."""

import itertools
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechcli.numerics import trellis
from speechcli.numerics.trellis import WILDCARD, forced

BLANK = 0


def log_probabilities(n_frames: int, n_words: int, seed: int) -> np.ndarray:
    raw = np.random.default_rng(seed).normal(0, 2, (n_frames, n_words))
    return raw - np.log(np.exp(raw).sum(axis=1, keepdims=True))


def heard(scores: np.ndarray, t: int, token: int) -> float:
    return scores[t].max() - trellis._STRANGE if token == WILDCARD else scores[t, token]


def all_paths(scores: np.ndarray, tokens: list[int], optional=(), costs=()) -> float:
    """The best score by trying everything: each choice of what is left out, each state in each frame."""
    best = -math.inf
    for out in itertools.product((False, True), repeat=len(optional)):
        gone = {k for yes, (a, b) in zip(out, optional, strict=True) if yes for k in range(a, b)}
        states: list[tuple[int | None, bool]] = [(None, False)]  # token or blank; must it be passed through?
        for k, token in enumerate(tokens):
            if k in gone:
                inside = any(j not in gone for j in range(k)) and any(j not in gone for j in range(k, len(tokens)))
                states[-1] = (None, states[-1][1] or inside)
                continue
            states += [(token, True), (None, False)]
        for i in range(2, len(states) - 1, 2):
            if states[i - 1][0] == states[i + 1][0] != WILDCARD:
                states[i] = (None, True)
        needed = {i for i, (_, must) in enumerate(states) if must}
        for path in itertools.combinations_with_replacement(range(len(states)), len(scores)):
            if needed <= set(path):
                said = sum(
                    heard(scores, t, BLANK if states[s][0] is None else states[s][0]) for t, s in enumerate(path)
                )
                best = max(best, said - sum(itertools.compress(costs, out)))
    return best


def told(scores: np.ndarray, tokens: list[int], found: trellis.Forced, optional=(), costs=()) -> float:
    """The score of a path as its runs have it, which are held against the rules on the way."""
    places = [BLANK] * len(scores)
    there = [(k, run) for k, run in enumerate(found.runs) if run is not None]
    for k, run in there:
        assert run.token == tokens[k]
        assert 0 <= run.first < run.stop <= len(scores)
        places[run.first : run.stop] = [run.token] * (run.stop - run.first)
    for (j, a), (k, b) in pairwise(there):
        assert a.stop <= b.first
        if k != j + 1 or a.token == b.token != WILDCARD:
            assert a.stop < b.first, "a blank is between"
    gone = {k for k, run in enumerate(found.runs) if run is None}
    left_out = [a in gone for a, _ in optional]
    assert gone == {k for a, b in itertools.compress(optional, left_out) for k in range(a, b)}, "all of a range or none"
    return sum(heard(scores, t, token) for t, token in enumerate(places)) - sum(itertools.compress(costs, left_out))


@st.composite
def cases(draw, most_frames: int = 6, most_tokens: int = 4, wild: bool = True):
    tokens = draw(st.lists(st.sampled_from([1, 2, WILDCARD] if wild else [1, 2, 3]), max_size=most_tokens))
    cuts = sorted(draw(st.sets(st.integers(0, len(tokens)))))
    optional = [pair for pair in pairwise(cuts) if draw(st.booleans())]
    scores = log_probabilities(draw(st.integers(0, most_frames)), 4, draw(st.integers(0, 10_000)))
    return scores, tokens, optional, [draw(st.sampled_from([0.0, 0.5, 3.0])) for _ in optional]


@settings(deadline=None, max_examples=200)
@given(cases())
def test_the_path_is_the_best_of_all_that_there_are(case):
    scores, tokens, optional, costs = case

    found = forced(scores, tokens, BLANK, optional, costs)

    best = all_paths(scores, tokens, optional, costs)
    if found is None:
        assert best == -math.inf
    else:
        assert found.score == pytest.approx(best, abs=1e-9)
        assert told(scores, tokens, found, optional, costs) == pytest.approx(best, abs=1e-9)


def textbook(scores: np.ndarray, tokens: list[int]) -> float:
    """Graves et al. 2006, equations 6 to 8, with the greatest instead of the sum: state by state."""
    labels = [BLANK, *(label for token in tokens for label in (token, BLANK))]
    best = [-math.inf] * len(labels)
    for t in range(len(scores)):
        new = []
        for s, label in enumerate(labels):
            if t == 0:
                new.append(scores[0, label] if s < 2 else -math.inf)
                continue
            ways = [best[s]] + [best[s - 1]] * (s > 0)
            if s > 1 and label not in (BLANK, labels[s - 2]):
                ways.append(best[s - 2])
            new.append(max(ways) + scores[t, label])
        best = new
    return max(best[-2:])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 120), st.lists(st.integers(1, 5), min_size=1, max_size=30))
def test_longer_texts_have_the_textbooks_score(seed, n_frames, tokens):
    scores = log_probabilities(n_frames, 6, seed)

    found = forced(scores, tokens, BLANK)

    if found is None:
        assert n_frames < len(tokens) + sum(a == b for a, b in pairwise(tokens))
    else:
        assert found.score == pytest.approx(textbook(scores, tokens), abs=1e-8)
        assert told(scores, tokens, found) == pytest.approx(found.score, abs=1e-8)


def test_torchs_sum_over_all_paths_comes_to_the_best_of_them_where_it_outweighs_all_others():
    scores, tokens = log_probabilities(80, 9, 3), [1, 2, 2, 3, 8, 8, 1]
    sharp = 500.0

    loss = torch.nn.functional.ctc_loss(
        torch.tensor(scores * sharp)[:, None], torch.tensor([tokens]), torch.tensor([80]), torch.tensor([len(tokens)])
    )

    found = forced(scores, tokens, BLANK)
    # the mean over a batch is taken after a division by the length of the text
    assert found.score == pytest.approx(-loss.item() * len(tokens) / sharp, abs=0.1)


def peaks(*frames: int, n_words: int = 5) -> np.ndarray:
    """Log-probabilities of a model that is sure of itself."""
    flat = np.full((len(frames), n_words), 0.01)
    flat[np.arange(len(frames)), frames] = 1 - 0.01 * (n_words - 1)
    return np.log(flat)


def where(found: trellis.Forced) -> list[tuple[int, int] | None]:
    return [run and (run.first, run.stop) for run in found.runs]


def test_tokens_lie_where_they_are_heard_with_their_probability():
    found = forced(peaks(0, 1, 1, 0, 2, 0, 2, 0), [1, 2, 2], BLANK)

    assert where(found) == [(1, 3), (4, 5), (6, 7)]
    assert [run.probability for run in found.runs] == pytest.approx([0.96] * 3)


def test_a_wildcard_takes_what_is_between_its_neighbours_and_leaves_the_silence():
    found = forced(peaks(0, 1, 0, 3, 0, 4, 4, 0, 0, 2, 0), [1, WILDCARD, 2], BLANK)

    assert where(found) == [(1, 2), (3, 7), (9, 10)]
    assert found.runs[1].probability is None


def test_a_wildcard_leaves_frames_to_a_neighbour_that_fits_as_well():
    found = forced(peaks(1, 1, 1, 3, 2, 2, 2), [1, WILDCARD, 2], BLANK)

    assert where(found) == [(0, 3), (3, 4), (4, 7)]


def test_what_may_be_left_out_is_kept_where_it_is_said_and_left_out_where_it_is_not():
    said, unsaid = peaks(0, 1, 0, 3, 4, 0, 2, 0), peaks(0, 1, 0, 0, 0, 0, 2, 0)

    assert where(forced(said, [1, 3, 4, 2], BLANK, [(1, 3)], [2.0])) == [(1, 2), (3, 4), (4, 5), (6, 7)]
    assert where(forced(unsaid, [1, 3, 4, 2], BLANK, [(1, 3)], [2.0])) == [(1, 2), None, None, (6, 7)]
    assert where(forced(unsaid, [1, 3, 4, 2], BLANK)) != [(1, 2), None, None, (6, 7)]


def test_a_range_is_left_out_when_it_saves_more_than_it_costs():
    unsaid = peaks(1, 0, 0, 2)

    assert where(forced(unsaid, [1, 3, 2], BLANK, [(1, 2)], [3.0]))[1] is None
    assert where(forced(unsaid, [1, 3, 2], BLANK, [(1, 2)], [6.0]))[1] is not None


def test_all_may_be_left_out_even_of_no_sound_at_all():
    nothing = np.zeros((0, 5))

    assert where(forced(nothing, [1, 2], BLANK, [(0, 1), (1, 2)], [1.0, 2.0])) == [None, None]
    assert forced(nothing, [1, 2], BLANK, [(0, 1)]) is None
    assert forced(nothing, [], BLANK) == trellis.Forced((), 0.0)
    assert forced(peaks(0, 1), [], BLANK).runs == ()


def test_too_many_tokens_for_the_frames_have_no_path():
    assert forced(peaks(1, 1), [1, 1], BLANK) is None
    assert forced(peaks(1, 0, 1), [1, 1], BLANK) is not None
    assert forced(peaks(1, 2), [1, 2, 3], BLANK) is None
    assert forced(peaks(1, 0, 3), [1, 2, 3, 3], BLANK, [(1, 3)]) is not None
    assert forced(peaks(*[0, 1] * 50), [1] * 10_000_000, BLANK) is None, "however many they are"


def test_more_than_one_trellis_holds_is_refused_and_not_tried():
    scores = np.broadcast_to(np.zeros((1, 2), np.float32), (100_000, 2))

    with pytest.raises(ValueError, match="3000 tokens in 100000 frames are too many"):
        forced(scores, [1] * 3000, BLANK)


@pytest.mark.parametrize("optional", [[(1, 1)], [(0, 2), (1, 3)], [(2, 3), (0, 1)], [(2, 4)]])
def test_ranges_that_are_no_ranges_of_the_text_are_refused(optional):
    with pytest.raises(ValueError, match="cannot be left out"):
        forced(peaks(0, 0, 0), [1, 2, 3], BLANK, optional)


def test_scores_are_not_written_to():
    scores = peaks(0, 1, 0, 3, 0, 2).astype(np.float32)
    scores.flags.writeable = False

    assert where(forced(scores, [1, WILDCARD, 2], BLANK, [(1, 2)], [9.0])) == [(1, 2), (3, 4), (5, 6)]


def test_three_minutes_of_speech_are_one_trellis():
    random = np.random.default_rng(2)
    tokens = random.integers(1, 30, 2700).tolist()
    frames = [0] * 9000
    for k, token in enumerate(tokens):
        frames[3 * k + 1] = token
    scores = peaks(*frames, n_words=32).astype(np.float32)

    found = forced(scores, tokens, BLANK, [(k, k + 5) for k in range(0, 2700, 5)], [4.0] * 540)

    assert [run and run.first for run in found.runs] == [3 * k + 1 for k in range(2700)]
