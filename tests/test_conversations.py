from __future__ import annotations

import importlib
import random
import wave
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
RATE = 16_000


@pytest.fixture(scope="module")
def conversations() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("conversations")


@pytest.fixture(scope="module")
def voices(conversations: ModuleType) -> dict[str, list[object]]:
    found: dict[str, list[object]] = conversations.speakers(None)
    return found


def samples(path: Path) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)


def test_clips_of_one_speaker_are_one_voice(voices: dict[str, list[object]]) -> None:
    assert {"1089", "2414", "LJ"} <= set(voices)
    assert all(len(voices[who]) > 1 for who in ("1089", "2414", "LJ"))


def test_a_conversation_is_loud_where_its_turns_are_and_quiet_elsewhere(
    conversations: ModuleType, voices: dict[str, list[object]], tmp_path: Path
) -> None:
    kind = conversations.Kind("talk", 3, 0.75, overlap=0.2)
    score = conversations.conversation(kind, voices, random.Random(3))
    entry = conversations.write("talk", score, kind, 3, tmp_path)
    sound, spoken = samples(tmp_path / "talk.wav"), np.zeros(45 * RATE, bool)
    rows = [line.split() for line in (tmp_path / "talk.rttm").read_text().splitlines()]
    for row in rows:
        start, length = round(float(row[3]) * RATE), round(float(row[4]) * RATE)
        spoken[max(0, start - RATE // 10) : start + length + RATE // 10] = True
    assert len(sound) == 45 * RATE == entry["duration_s"] * RATE
    assert {row[7] for row in rows} == {who for *_, who in score.turns}
    assert entry["speakers"] == 3
    assert 0.3 < spoken.mean() < 0.99
    assert np.sqrt(np.mean(sound[spoken] ** 2)) > 10 * np.sqrt(np.mean(sound[~spoken] ** 2))


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(
    conversations: ModuleType, voices: dict[str, list[object]], tmp_path: Path
) -> None:
    kind = conversations.Kind("talk", 2, 0.5, echo=0.3, snr=15)
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        conversations.write(name, conversations.conversation(kind, voices, random.Random(seed)), kind, seed, tmp_path)
    a, b, c = ((tmp_path / f"{name}.wav").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_the_telephone_has_8_khz(conversations: ModuleType, voices: dict[str, list[object]], tmp_path: Path) -> None:
    kind = conversations.Kind("call", 2, 0.25, telephone=True, snr=20)
    conversations.write("call", conversations.conversation(kind, voices, random.Random(1)), kind, 1, tmp_path)
    head = (tmp_path / "call.wav").read_bytes()[:64]
    assert head[20:22] == b"\x07\x00"  # mu-law
    assert int.from_bytes(head[24:28], "little") == 8000


def test_hours_are_parts_with_rests_in_which_nobody_speaks(
    conversations: ModuleType, voices: dict[str, list[object]]
) -> None:
    score = conversations.programme(1, voices, random.Random(2))
    assert 55 * 60 * RATE < score.length < 66 * 60 * RATE
    ends = np.maximum.accumulate([end for _, end, _ in sorted(score.turns)])
    starts = [start for start, _, _ in sorted(score.turns)]
    assert sum(b - a > 50 * RATE for a, b in zip(ends, starts[1:], strict=False)) == 4
    assert any(event.clip is None for event in score.events)
