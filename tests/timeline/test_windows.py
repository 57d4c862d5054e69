"""Plans of windows: they tile the recording, fit the model, and do not depend on how sound arrives."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechcli.core.span import Span
from speechcli.timeline.windows import Rules, Window, again, plan

FRAME = 0.032


def frames(*stretches: tuple[float, float]) -> list[float]:
    """(seconds, probability) pairs as probabilities per frame."""
    return [p for seconds, p in stretches for _ in range(round(seconds / FRAME))]


def planned(probabilities: list[float], rules: Rules = Rules(), block: int = 250) -> list[Window]:
    n = len(probabilities)
    blocks = ((min(i + block, n) * FRAME, probabilities[i : i + block]) for i in range(0, n, block))
    return list(plan(blocks, FRAME, rules))


stretches = st.lists(
    st.tuples(st.floats(0.05, 45), st.sampled_from([0.0, 0.05, 0.4, 0.6, 0.99])), min_size=1, max_size=25
)


@settings(max_examples=150, deadline=None)
@given(stretches, st.integers(1, 400))
def test_plan_tiles_the_recording_fits_the_model_and_ignores_block_sizes(parts, block):
    rules = Rules()
    probabilities = frames(*parts)

    windows = planned(probabilities, rules)

    assert windows == planned(probabilities, rules, block)
    at = 0.0
    for i, window in enumerate(windows):
        assert window.index == (i,)
        assert window.own.start == pytest.approx(at)
        at = window.own.end
        assert window.heard.duration <= rules.longest + 1e-9
        for span in window.speech:
            assert window.heard.start - 1e-9 <= span.start <= span.end <= window.heard.end + 1e-9
    assert at == pytest.approx(len(probabilities) * FRAME)


@settings(max_examples=100, deadline=None)
@given(stretches)
def test_plan_loses_no_speech(parts):
    """Every frame above the onset lies in the speech of exactly one window, unless its region is a blip."""
    probabilities = frames(*parts)
    windows = planned(probabilities, Rules(min_speech=0.0))
    spans = [s for w in windows for s in w.speech]

    for i, probability in enumerate(probabilities):
        if probability >= 0.5:
            middle = (i + 0.5) * FRAME
            assert sum(s.start <= middle < s.end for s in spans) == 1, middle


def test_plan_cuts_in_the_pause_and_keeps_its_silence_out():
    (first, second, _) = planned(frames((1, 0), (20, 1), (0.5, 0), (20, 1), (1, 0)))

    assert first.heard.start == pytest.approx(0.6, abs=FRAME)
    assert 20.9 < first.heard.end < 21.6
    assert second.heard.start == pytest.approx(first.own.end)


def test_plan_splits_at_a_long_silence():
    windows = planned(frames((5, 1), (6, 0), (5, 1)))

    assert [round(w.heard.duration) for w in windows] == [5, 5]
    assert windows[1].heard.start > 10


def test_plan_cuts_inside_endless_speech_at_its_weakest_moment_with_context_on_both_sides():
    (first, second) = planned(frames((25, 1), (0.2, 0.4), (14, 1)))

    assert first.own.end == pytest.approx(25.1, abs=0.15)
    assert first.heard.end == pytest.approx(first.own.end + 1.5)
    assert second.heard.start == pytest.approx(first.own.end - 1.5)


def test_plan_of_an_hour_of_silence_comes_while_it_is_heard():
    """Silence must not pile up: it leaves in windows of its own."""
    blocks = ((i * 8.0, [0.0] * 250) for i in range(1, 451))
    windows = plan(blocks, FRAME)

    assert next(windows).silent
    assert all(w.silent and w.own.duration <= 30.0 + 1e-9 for w in windows)


def test_plan_of_nothing_is_nothing():
    assert planned([]) == []


def test_again_is_a_part_with_an_index_of_its_own():
    window = Window((3,), Span(0, 30), Span(0, 30), (Span(1, 5), Span(8, 29)))

    part = again(window, 1, Span(7, 20), window.speech)

    assert part == Window((3, 1), Span(7, 20), Span(7, 20), (Span(8, 20),))


@pytest.mark.parametrize("wrong", [{"onset": 0.3}, {"offset": 0.0}, {"longest": 2.0}])
def test_rules_that_contradict_themselves_are_refused(wrong):
    with pytest.raises(ValueError):
        Rules(**wrong)


@settings(max_examples=100, deadline=None)
@given(stretches, st.integers(1, 400))
def test_windows_that_overlap_still_tile_the_recording_and_tell_all_speech_they_hear(parts, block):
    rules = Rules(longest=30, gap=20, reach=10, overlap=5)
    probabilities = frames(*parts)

    windows = planned(probabilities, rules)

    assert windows == planned(probabilities, rules, block)
    for before, after in itertools.pairwise(windows):
        assert after.own.start == pytest.approx(before.own.end)
        assert after.heard.duration <= rules.longest + 1e-9
        assert after.heard.start >= before.heard.start
        if before.speech and after.heard.start < after.own.start:  # it hears the end of the one before
            shared = Span(after.heard.start, before.own.end)
            own = [s for s in before.speech if s.overlap(shared) > 1e-6]
            assert all(any(s.overlap(t) > 0 for t in after.speech) for s in own)


def test_a_window_that_ends_for_its_length_is_heard_to_its_end_once_more():
    parts = [piece for _ in range(12) for piece in ((6.0, 0.99), (1.0, 0.0))]

    first, second, *_ = planned(frames(*parts), Rules(longest=30, gap=20, reach=10, overlap=5))

    assert second.own.start == first.own.end
    assert second.heard.start == pytest.approx(first.own.end - 5)
    assert second.speech[0].start == pytest.approx(second.heard.start)
