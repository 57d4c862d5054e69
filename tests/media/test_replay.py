import math
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from spoken import DATA, clip

from speechcli.errors import MediaError, NoInputError, UsageError
from speechcli.media import replay

NAME = "LJ001-0002"  # 1.9 s
PATH = DATA / f"{NAME}.flac"


def test_the_samples_are_those_of_the_file_in_blocks_of_20_to_50_ms(ffmpeg):
    source = replay.open(PATH, 0, ffmpeg)

    blocks = [block.frames for block in source.blocks()]

    assert (source.rate, source.channels, source.name) == (16_000, 1, PATH.name)
    assert np.array_equal(np.concatenate(blocks)[:, 0], clip(NAME).samples)
    assert all(20 <= len(block) / 16 <= 50 for block in blocks[:-1])


@pytest.mark.parametrize("speed", [1.0, 2.0])
def test_no_block_comes_before_it_would_have_been_spoken(ffmpeg, speed):
    source = replay.open(PATH, speed, ffmpeg)
    assert source.live

    got = [(time.monotonic(), block) for block in source.blocks()]
    spoken = np.cumsum([len(block.frames) for _, block in got]) / source.rate / speed
    start = got[0][1].arrived - spoken[0]

    assert all(now >= block.arrived for now, block in got)
    assert [block.arrived - start for _, block in got] == pytest.approx(spoken)  # nothing adds up


def test_whoever_comes_late_gets_what_was_due_at_once_and_when_it_was_due(ffmpeg):
    blocks = replay.open(PATH, 1.0, ffmpeg).blocks()
    first = next(blocks)

    time.sleep(0.5)
    before = time.monotonic()
    late = [next(blocks) for _ in range(10)]
    blocks.close()

    assert [b.arrived - a.arrived for a, b in pairwise([first, *late])] == pytest.approx([0.032] * 10)
    assert all(block.arrived < before for block in late)


@pytest.mark.parametrize("speed", [0, math.inf])
def test_as_fast_as_taken_it_waits_for_its_taker(ffmpeg, speed):
    source = replay.open(PATH, speed, ffmpeg)
    blocks = source.blocks()
    next(blocks)
    before = time.monotonic()

    assert not source.live
    assert next(blocks).arrived >= before
    source.close()


def test_closed_by_another_thread_it_ends(ffmpeg):
    source = replay.open(PATH, 0.01, ffmpeg)  # minutes
    closing = threading.Timer(0.5, source.close)
    closing.start()

    blocks = list(source.blocks())
    closing.join()

    assert blocks == []


def test_closed_in_the_middle_it_lets_the_decoder_go(ffmpeg):
    source = replay.open(PATH, 0, ffmpeg)
    blocks = source.blocks()
    next(blocks)

    source.close()
    source.close()

    assert list(blocks) == []


def test_a_file_cut_short_is_said_after_its_last_block(ffmpeg, tmp_path):
    cut = tmp_path / "cut.flac"
    cut.write_bytes(PATH.read_bytes()[:20_000])

    *blocks, last = list(replay.open(cut, 0, ffmpeg).blocks())

    assert all(not block.note for block in blocks[:1])
    assert not len(last.frames)
    assert "while decoding" in last.note or "cut short" in last.note


def test_what_is_no_recording_is_refused_when_it_is_opened(ffmpeg, tmp_path):
    (tmp_path / "text.txt").write_text("no sound")

    with pytest.raises(NoInputError):
        replay.open(Path("nowhere.wav"), 1.0, ffmpeg)
    with pytest.raises(MediaError):
        replay.open(tmp_path / "text.txt", 1.0, ffmpeg)


@pytest.mark.parametrize("speed", [-1.0, math.nan])
def test_a_speed_that_is_none_is_refused(ffmpeg, speed):
    with pytest.raises(UsageError, match="speed"):
        replay.open(PATH, speed, ffmpeg)
