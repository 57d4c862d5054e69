"""Chunks put together, held against the same said in plain loops, frame by frame and pair by pair."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechcli.numerics import chunks as module
from speechcli.numerics.chunks import Chunks, changes, others, related, runs

HOPS = (3.0, 4.5, 7.31, 20.0)


@st.composite
def heard(draw: st.DrawFn) -> Chunks:
    """Chunks of up to three local speakers who talk in runs."""
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    n, size = draw(st.integers(0, 7)), draw(st.sampled_from((5, 13, 24)))
    run = draw(st.sampled_from((1, 3, 6)))
    active = [np.repeat(random.random((-(-size // run), 3)) < 0.4, run, axis=0)[:size] for _ in range(n)]
    return Chunks(draw(st.sampled_from(HOPS)), active)


def local(chunks: Chunks, frame: int) -> list[np.ndarray]:
    """Who is active at a frame, chunk by chunk of those that hear it."""
    at = [(frame - round(i * chunks.hop), active) for i, active in enumerate(chunks.active)]
    return [active[k] for k, active in at if 0 <= k < len(active)]


@given(heard(), st.integers(0, 60), st.integers(0, 80))
def test_how_many_talk_is_the_mean_of_the_chunks_that_hear(chunks, first, n):
    expected = []
    for frame in range(first, first + n):
        says = local(chunks, frame)
        talking = sum(int(row.sum()) for row in says) / max(1, len(says))
        anyone = sum(bool(row.any()) for row in says) / max(1, len(says))
        expected.append(2 if talking >= 1.5 else 1 if says and anyone >= 0.5 else 0)

    assert chunks.counts(first, first + n).tolist() == expected


@given(heard())
def test_frames_are_final_when_no_later_chunk_hears_them(chunks):
    before = chunks.counts(0, chunks.n_final)

    chunks.active.append(np.ones_like(chunks.active[0]) if chunks.active else np.ones((9, 3), np.bool_))

    assert chunks.counts(0, len(before)).tolist() == before.tolist()
    assert chunks.start(len(chunks.active) - 1) == len(before)


@given(heard(), st.sets(st.integers(0, 60)))
def test_changes_are_counted_between_frames_with_speech(chunks, frames):
    speech = np.array(sorted(frames), np.intp)
    same, other = np.zeros(len(speech)), np.zeros(len(speech))
    for i, active in enumerate(chunks.active):
        begin = round(i * chunks.hop)
        for k in range(1, len(speech)):
            a, b = int(speech[k - 1]) - begin, int(speech[k]) - begin
            if a < 0 or b >= len(active):
                continue
            if (active[a] & active[b]).any():
                same[k] += 1
            elif active[a].any() and active[b].any():
                other[k] += 1

    found = changes(chunks, speech)

    assert [one.tolist() for one in found] == [same.tolist(), other.tolist()]


@settings(max_examples=150)
@given(heard(), st.integers(0, 10_000), st.sampled_from((0, 1, 2, 9)))
def test_stretches_are_related_as_the_chunks_say_that_hear_both(chunks, seed, n):
    random = np.random.default_rng(seed)
    starts = np.sort(random.integers(-3, 50, n))
    stops = starts + 20

    found = related(chunks, starts, stops)

    assert found.shape == (n, n)
    for a, b in itertools.permutations(range(n), 2):
        says, n_chunks = 0.0, 0
        for i, active in enumerate(chunks.active):
            begin = round(i * chunks.hop)
            rows = [own_shares(active, int(starts[k]) - begin, int(stops[k]) - begin) for k in (a, b)]
            if rows[0] is not None and rows[1] is not None:
                says += float(rows[0] @ rows[1])
                n_chunks += 1
        assert found[a, b] == pytest.approx(2 * says / n_chunks - 1 if n_chunks else 0.0, abs=1e-5)


def own_shares(active: np.ndarray, start: int, stop: int) -> np.ndarray | None:
    """The local speakers' shares of a stretch, whose middle half must be in the chunk; None where hardly one talks."""
    quarter = (stop - start) / 4
    if start + quarter < 0 or stop - quarter > len(active):
        return None
    rows = [row for row in active[max(0, start) : stop] if row.sum() == 1]
    return np.sum(rows, axis=0) / len(rows) if len(rows) >= 12 else None


def test_stretches_of_one_speaker_and_of_two():
    """Two local speakers, one after the other, then the first one again."""
    active = np.zeros((90, 3), np.bool_)
    active[:30, 1] = active[60:, 1] = active[30:60, 0] = True
    starts = np.array([0, 30, 60])

    found = related(Chunks(40.0, [active]), starts, starts + 30)

    assert found.tolist() == [[1, -1, 1], [-1, 1, -1], [1, -1, 1]]


@pytest.mark.parametrize(("start", "heard_by_it"), [(-11, False), (-10, True), (30, True), (31, False)])
def test_a_chunk_speaks_of_stretches_whose_middle_half_it_hears(start, heard_by_it):
    """A stretch of forty frames beside one inside a chunk of sixty, where one speaker talks all the time."""
    starts = np.array(sorted([60 + start, 65]))

    found = related(Chunks(60.0, [np.zeros((60, 2), np.bool_), np.ones((60, 1), np.bool_)]), starts, starts + 40)

    assert found[0, 1] == heard_by_it


def test_stretches_that_no_chunk_hears_together_are_not_related():
    active = np.ones((40, 1), np.bool_)
    starts = np.array([0, 200])

    assert related(Chunks(200.0, [active, active]), starts, starts + 30)[0, 1] == 0


@settings(max_examples=150)
@given(heard(), st.integers(0, 10_000), st.integers(2, 4))
def test_who_else_talks_is_who_the_chunks_know_the_other_as(chunks, seed, n_speakers):
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 70))
    speaker = np.repeat(random.integers(-1, n_speakers, n), 4)[:n]
    both = runs(np.repeat(random.random(n) < 0.3, 3)[:n] & (speaker >= 0))
    votes = np.zeros((n, n_speakers))
    for i, active in enumerate(chunks.active):
        begin = round(i * chunks.hop)
        frames = [f for f in range(begin, begin + len(active)) if f < n]
        for one in range(active.shape[1]):
            alone = [speaker[f] for f in frames if active[f - begin, one] and active[f - begin].sum() == 1]
            known = [who for who in alone if who >= 0]
            for f in frames:
                if known and active[f - begin, one] and active[f - begin].sum() >= 2:
                    votes[f] += [known.count(k) / len(known) for k in range(n_speakers)]

    found = others(chunks, speaker, both, n_speakers)

    overlapped = [f for start, stop in both for f in range(start, stop)]
    assert all(found[f] == -1 for f in range(n) if f not in overlapped)
    for start, stop in both:
        for one in set(speaker[start:stop].tolist()):
            at = [f for f in range(start, stop) if speaker[f] == one]
            sums = votes[at].sum(axis=0)
            sums[one] = 0
            got = set(found[at].tolist())
            assert len(got) == 1
            (who,) = got
            assert who != one
            if sums.max() > 1e-9:
                assert sums[who] == pytest.approx(sums.max(), abs=1e-4)
            else:
                rest = [f for f in range(n) if speaker[f] >= 0 and speaker[f] != one]
                middle = at[len(at) // 2]
                nearest = {int(speaker[f]) for f in rest if abs(f - middle) == min(abs(g - middle) for g in rest)}
                assert who in nearest if rest else who == -1


def test_without_chunks_nothing_is_heard():
    none = Chunks(7.0)
    frames = np.arange(4)

    assert none.n_final == 0
    assert none.counts(3, 8).tolist() == [0] * 5
    assert none.counts(3, 3).tolist() == []
    assert [one.tolist() for one in changes(none, frames)] == [[0] * 4] * 2
    assert related(none, frames, frames + 20).tolist() == [[0] * 4] * 4
    assert others(none, np.array([0, 0, -1, 1]), [(0, 2)], 2).tolist() == [1, 1, -1, -1]


def test_where_one_speaker_is_all_there_is_nobody_else_talks():
    active = np.ones((10, 2), np.bool_)

    assert others(Chunks(5.0, [active]), np.zeros(10, np.intp), [(2, 6)], 1).tolist() == [-1] * 10


@given(st.lists(st.booleans()))
def test_runs_are_where_a_mask_holds_and_are_as_long_as_they_can_be(mask):
    found = runs(np.array(mask, np.bool_))

    assert [i for start, stop in found for i in range(start, stop)] == [i for i, on in enumerate(mask) if on]
    assert all(start < stop for start, stop in found)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(found))


def test_the_bounds_are_those_that_the_tests_have_written_out():
    assert (module.SPEECH, module.BOTH) == (0.5, 1.5)
