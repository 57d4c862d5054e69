"""Batches: alike in length, no more sound than fits, nothing left behind."""

from hypothesis import given
from hypothesis import strategies as st

from speechcli.timeline.batches import choose


@given(st.lists(st.floats(0.1, 4000), max_size=40), st.integers(1, 64), st.floats(1, 10_000))
def test_a_batch_holds_no_more_than_it_may_and_takes_the_longest_first(durations, most, seconds):
    chosen = choose(durations, most, seconds)

    assert len(set(chosen)) == len(chosen) <= most
    assert bool(chosen) == bool(durations)
    if len(chosen) > 1:
        assert len(chosen) * max(durations[i] for i in chosen) <= seconds * (1 + 1e-9)
    left = [d for i, d in enumerate(durations) if i not in chosen]
    assert not left or min(durations[i] for i in chosen) >= max(left)


def test_an_hour_is_alone_in_its_batch():
    assert choose([30, 3600, 30], 8, 3600) == [1]
