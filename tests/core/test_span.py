"""Rounding of time and arithmetic of stretches."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechcli.core.span import Span, clipped, merged, tidy, to_ms, to_samples, total, uncovered

spans = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 20)).map(lambda p: Span(p[0], p[0] + p[1])), max_size=12)


@pytest.mark.parametrize(("seconds", "ms"), [(1.9996, 2000), (0.0004999, 0), (0.0005, 1), (59.9999, 60000)])
def test_milliseconds_round_halves_up_with_carry(seconds, ms):
    assert to_ms(seconds) == ms
    assert tidy(seconds) == ms / 1000


def test_samples():
    assert to_samples(1.5, 16000) == 24000


@pytest.mark.parametrize(("start", "end"), [(2, 1), (float("nan"), 1), (0, float("inf"))])
def test_a_span_is_finite_and_forward(start, end):
    with pytest.raises(ValueError):
        Span(start, end)


@given(spans, spans)
def test_covered_and_uncovered_make_the_whole(bounds, covers):
    missing = uncovered(bounds, covers)
    covered = sum(total(clipped(covers, bound)) for bound in merged(bounds))

    assert total(missing) + covered == pytest.approx(total(bounds), abs=1e-6)
    assert all(total(clipped(covers, span)) == 0 for span in missing)


@given(spans)
def test_merged_spans_do_not_touch(given_spans):
    out = merged(given_spans)

    assert all(a.end < b.start for a, b in itertools.pairwise(out))
