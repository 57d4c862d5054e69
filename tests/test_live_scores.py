from __future__ import annotations

import importlib
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"

pytest.importorskip("jiwer", reason='scoring live captions wants pip install "speechcli[bench]"')
pytest.importorskip("whisper_normalizer", reason='scoring live captions wants pip install "speechcli[bench]"')


@pytest.fixture(scope="module")
def live() -> Iterator[ModuleType]:
    """benchmarks/scoring_live.py, which is no part of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("scoring_live")


def partial(at: float, text: str) -> tuple[float, dict[str, Any]]:
    return at, {"type": "partial", "text": text}


def final(at: float, text: str) -> tuple[float, dict[str, Any]]:
    return at, {"type": "final", "text": text}


def said(live: ModuleType, text: str, step: float = 1.0) -> list[Any]:
    """A word each second: the first from 0 to 1 s."""
    words = text.split()
    return [live.Said(word, i * step, (i + 1) * step) for i, word in enumerate(words)]


def looks(live: ModuleType, *events: tuple[float, dict[str, Any]]) -> list[Any]:
    return list(live.normalized(live.written(events)))


SESSION = (
    partial(1.5, "We"),
    partial(2.5, "We want"),
    partial(3.5, "We went to"),
    final(3.6, "We went"),
    partial(4.5, "to the"),
    final(5.0, "to the hall."),
)


def test_a_word_is_shown_when_it_first_stands_at_its_place_and_final_with_its_final(live: ModuleType) -> None:
    found = live.delays(looks(live, *SESSION), said(live, "we went to the hall"))
    assert [one.shown for one in found] == pytest.approx([0.5, 1.5, 0.5, 0.5, 0.0])
    assert [one.final for one in found] == pytest.approx([2.6, 1.6, 2.0, 1.0, 0.0])


def test_what_is_never_recognized_is_never_shown_and_what_stays_a_partial_never_final(live: ModuleType) -> None:
    found = live.delays(looks(live, final(2.0, "a bird"), partial(4.0, "in hand")), said(live, "a bart in hand"))
    assert [one.shown for one in found] == pytest.approx([1.0, None, 1.0, 0.0])
    assert [one.final for one in found] == pytest.approx([1.0, None, None, None])


def test_a_word_said_twice_is_shown_where_it_is_said_first(live: ModuleType) -> None:
    events = (partial(3.5, "went to the"), partial(6.5, "went to the left of the"))
    found = live.delays(looks(live, *events), said(live, "went to the left of the"))
    assert [one.shown for one in found] == pytest.approx([2.5, 1.5, 0.5, 2.5, 1.5, 0.5])


def test_a_word_after_one_that_was_not_heard_is_found_rather_than_taken_for_a_wrong_one(live: ModuleType) -> None:
    found = live.delays(looks(live, partial(2.5, "went"), final(4.5, "went the")), said(live, "we went to the"))
    assert [one.shown for one in found] == pytest.approx([None, 0.5, None, 0.5])


def test_a_word_cannot_be_shown_before_it_is_begun(live: ModuleType) -> None:
    # a wrong guess of what comes, which happens to be what is said two seconds later
    found = live.delays(looks(live, partial(1.5, "we went to"), partial(3.5, "we went to")), said(live, "we went to"))
    assert [one.shown for one in found] == pytest.approx([0.5, -0.5, 0.5])


def test_a_word_lost_and_one_invented_do_not_shift_those_after_them(live: ModuleType) -> None:
    events = (final(5.0, "alpha um yes gamma delta"), final(6.5, "oh omega too"))
    found = live.delays(looks(live, *events), said(live, "alpha beta gamma delta omega too"))
    assert [one.final for one in found] == pytest.approx([4.0, None, 2.0, 1.0, 1.5, 0.5])


def test_thousands_of_words_are_followed_to_the_last_one(live: ModuleType) -> None:
    text = [f"{'abcdefghij'[i % 10]}{'klmnopqrst'[i // 10 % 10]}{'uvwxyz'[i // 100 % 6]}x" for i in range(3000)]
    events = []
    for i in range(0, 3000, 3):
        heard = [word if (i + j) % 11 else "wrong" for j, word in enumerate(text[i : i + 3])]
        events += [partial(i + 3.5, " ".join(heard)), final(i + 4.0, " ".join([*heard, "extra"][: 3 + (i % 33 == 0)]))]
    found = live.delays(looks(live, *events), said(live, " ".join(text)))
    assert [i for i, one in enumerate(found) if one.final is None] == list(range(0, 3000, 11))
    assert {one.final for one in found[1::3] if one.final is not None} == {2.0}
    assert {one.shown for one in found[1::3] if one.shown is not None} == {1.5}


def test_the_last_words_are_followed_under_their_numbers_when_a_peer_changes_old_ones_too(live: ModuleType) -> None:
    text = [f"{'abcdefghij'[i % 10]}{'klmnopqrst'[i // 10 % 10]}x" for i in range(100)]
    steps = [live.Look(float(i), i, (text[i], "next"), i + 1) for i in range(100)]
    steps.insert(90, live.Look(89.5, 10, (*text[10:80], "other", *text[81:90]), 90))
    shown = list[str]()
    for one in live.followed(steps, text):
        shown[one.look.kept :] = one.look.words
        assert list(one.words) == shown[one.first :]
        assert [place.index for place in one.places[:-1]] == list(range(one.first, len(shown) - 1))
        assert one.look.settled - one.first < 30


def test_what_fits_nowhere_is_given_up_on_and_what_comes_after_it_is_found(live: ModuleType) -> None:
    text = [f"{'abcdefghij'[i % 10]}{'klmnopqrst'[i // 10 % 10]}{'uvwxyz'[i // 100 % 6]}x" for i in range(600)]
    events = [final(i + 1.0, "again" if i < 400 else text[i]) for i in range(600)]
    found = live.delays(looks(live, *events), said(live, " ".join(text)))
    assert [one.final for one in found[450:]] == [0.0] * 150
    assert not any(one.shown is not None for one in found[:400])


def test_changed_words_are_those_that_are_not_in_the_final_text_at_their_place(live: ModuleType) -> None:
    found = live.changes(looks(live, *SESSION))
    # shown while they could change: we, want, went, to, the; only "want" is not in the final text
    assert (found.shown, found.changed, found.final) == (5, 1, 5)
    assert found.share == pytest.approx(20.0)


def test_the_same_wrong_word_shown_again_and_again_counts_once(live: ModuleType) -> None:
    events = [partial(1.0 + i, "a bart") for i in range(5)]
    found = live.changes(looks(live, *events, final(7.0, "a bird")))
    assert (found.shown, found.changed) == (2, 1)


def test_a_word_shown_where_the_final_text_has_none_is_changed(live: ModuleType) -> None:
    found = live.changes(looks(live, partial(1.0, "over and out there"), final(2.0, "over there")))
    assert (found.shown, found.changed) == (4, 2)


def test_punctuation_case_and_fillers_are_no_change(live: ModuleType) -> None:
    found = live.changes(looks(live, partial(1.0, "so um we don't"), final(2.0, "So, we do not.")))
    assert found.changed == 0


def test_words_taken_back_count_each_time_and_with_all_that_follows_them(live: ModuleType) -> None:
    events = (partial(1.0, "a b c"), partial(2.0, "a x c"), partial(3.0, "a b c"), final(4.0, "a b"), partial(5.0, "c"))
    found = live.changes(looks(live, *events, final(6.0, "c")))
    # b c, then x c, and c when the final leaves nothing pending
    assert found.erased == 5
    assert found.erasure == pytest.approx(5 / 3)


def test_events_within_a_frame_are_one_look(live: ModuleType) -> None:
    shown = looks(live, partial(1.0, "a b c"), final(2.0, "a b"), partial(2.001, "c"))
    assert [(look.at, look.words, look.settled) for look in shown] == [
        (1.0, ("a", "b", "c"), 0),
        (2.0, ("a", "b", "c"), 2),
    ]
    assert live.changes(shown).erased == 0


def test_what_is_joined_goes_on_with_the_last_final_word_and_only_as_long_as_it_is_shown(live: ModuleType) -> None:
    events = [final(1.0, "a key"), partial(2.0, "board"), partial(3.0, "is here"), final(4.0, "board")]
    for at, event in (events[1], events[3]):
        event["joined"] = at > 0
    shown = list(live.written(events))
    text = list[str]()
    told = []
    for look in shown:
        text[look.kept :] = look.words
        told.append((" ".join(text), look.settled))
    assert told == [("a key", 2), ("a keyboard", 1), ("a key is here", 2), ("a keyboard", 2)]


def test_a_peer_may_change_what_it_called_final(live: ModuleType) -> None:
    rows = [live.Look(1.0, 0, ("a", "bart"), 2), live.Look(2.0, 1, ("bird", "sings"), 2)]
    found = live.delays(live.normalized(rows), said(live, "a bird sings", 0.5))
    assert [one.final for one in found] == pytest.approx([0.5, 1.0, None])
    assert live.final_words(rows) == ["a", "bird"]


def test_missed_sound_shows_nothing(live: ModuleType) -> None:
    events: list[tuple[float, dict[str, Any]]] = [(1.0, {"type": "missed", "start": 0.0, "end": 1.0, "reason": "slow"})]
    assert looks(live, *events) == []
    assert live.changes([]).share == 0.0


def test_measured_times_take_the_place_of_found_ones_only_where_they_are_of_the_same_word(live: ModuleType) -> None:
    found = said(live, "in the long run in")
    labelled = [live.Said("in", 4.2, 4.6, labelled=True), live.Said("on", 2.1, 2.9, labelled=True)]
    better = live.better(found, sorted(labelled, key=lambda one: float(one.start)))
    assert [(one.word, one.end, one.labelled) for one in better[-2:]] == [("run", 4.0, False), ("in", 4.6, True)]
    assert [one.end for one in better[:4]] == [1.0, 2.0, 3.0, 4.0]


def test_a_measured_time_is_used_once(live: ModuleType) -> None:
    found = [live.Said("ha", 1.0, 1.2), live.Said("ha", 1.2, 1.4)]
    assert [one.end for one in live.better(found, [live.Said("ha", 1.05, 1.25)])] == [1.25, 1.4]


def test_interpolated_words_are_words_without_times(live: ModuleType) -> None:
    words = [
        {"word": "It's", "start": 0.0, "end": 0.4, "placed": "aligner"},
        {"word": "so", "start": 0.4, "end": 0.5, "interpolated": True},
    ]
    assert [(one.word, one.end, one.timed) for one in live.reference(words)] == [
        ("it", 0.4, True),
        ("is", 0.4, True),
        ("so", 0.5, False),
    ]


def test_a_recording_played_again_has_its_words_again(live: ModuleType) -> None:
    again = live.repeated(said(live, "a b"), 3, 10.0)
    assert [(one.word, one.end) for one in again] == [
        ("a", 1.0),
        ("b", 2.0),
        ("a", 11.0),
        ("b", 12.0),
        ("a", 21.0),
        ("b", 22.0),
    ]


def test_percentiles_lie_between_the_nearest_values_and_nothing_has_none(live: ModuleType) -> None:
    assert live.percentile([4.0, 1.0, 2.0, 3.0], 50) == pytest.approx(2.5)
    assert live.percentile([float(i) for i in range(101)], 95) == pytest.approx(95.0)
    assert live.percentile([], 95) is None


# --- playing, judging ---


@pytest.fixture(scope="module")
def player(live: ModuleType) -> ModuleType:
    """benchmarks/live.py, which finds its neighbours by the same path."""
    return importlib.import_module("live")


PROGRAM = """
import json, sys
sound = sys.stdin.buffer.read()
print(json.dumps({"type": "final", "text": "we went", "latency_ms": 20}))
print(json.dumps({"type": "missed", "start": 1.0, "end": 1.5, "reason": "slow"}))
print(json.dumps({"type": "end", "bytes": len(sound), "last": sound[-1]}))
"""


def test_a_program_is_given_silence_and_then_all_of_the_sound_no_sooner_than_it_is_due(
    player: ModuleType, live: ModuleType, tmp_path: Path
) -> None:
    pcm = tmp_path / "sound.s16le"
    pcm.write_bytes(bytes(2 * 16_000 * 2 - 1) + b"7")
    sound = player.Sound(tmp_path / "sound.wav", pcm, 2.0, said(live, "we want", 0.5), "we want")

    played = player.replay([sys.executable, "-c", PROGRAM], sound, Namespace(lead=0.5, speed=4.0))
    one = player.judged("ours", played, sound)

    at, end = played.lines[-1]
    assert (end["bytes"], end["last"]) == ((8_000 + 32_000) * 2, ord("7"))
    assert at >= 2.0
    assert (one.n_finals, one.missed) == (1, 0.5)
    assert one.delays[0].final == pytest.approx(played.lines[0][0] - 0.5)
    assert one.delays[1].final is None
    assert (one.errors.s, one.errors.n) == (1, 2)


def test_a_program_that_fails_ends_the_benchmark_with_what_it_said(player: ModuleType, tmp_path: Path) -> None:
    pcm = tmp_path / "sound.s16le"
    pcm.write_bytes(bytes(640_000))
    sound = player.Sound(tmp_path / "sound.wav", pcm, 20.0, [], "")
    with pytest.raises(SystemExit, match="no such weights"):
        player.replay(
            [sys.executable, "-c", "raise SystemExit('no such weights')"], sound, Namespace(lead=0.0, speed=20.0)
        )


def test_numbers_leave_out_times_that_nobody_knows_and_count_words_that_never_came(
    player: ModuleType, live: ModuleType
) -> None:
    words = [live.Said("a", 0.0, 1.0), live.Said("b", 1.0, 2.0, timed=False), live.Said("c", 2.0, 3.0)]
    found = player.numbers(
        [live.Delay(words[0], 1.0, 2.0), live.Delay(words[1], 9.0, 9.0), live.Delay(words[2], 2.0, None)]
    )
    assert (found["shown_median"], found["final_median"], found["final_p95"]) == (1.5, 2.0, 2.0)
    assert (found["words"], found["timed"], found["never_shown"], found["never_final"]) == (3, 2, 0, 1)


def test_the_parts_of_an_hour_are_ten_minutes_each(player: ModuleType, live: ModuleType) -> None:
    found = player.parts([live.Delay(live.Said("a", end - 1, end), 0.5, 1.0) for end in (1.0, 599.0, 601.0, 1900.0)])
    assert [len(part) for part in found] == [2, 1, 0, 1]


def test_a_recording_is_cut_in_its_longest_pause_before_the_limit(player: ModuleType, live: ModuleType) -> None:
    words = [
        live.Said("a", 0.0, 40.0),
        live.Said("b", 45.0, 50.0),
        live.Said("c", 51.0, 55.0),
        live.Said("d", 58.0, 70.0),
    ]
    assert player.cut(words, 60.0, reach=25.0) == 42.5
    assert player.cut(words, 60.0) == 56.5
    assert player.cut(words, 80.0) == 80.0
