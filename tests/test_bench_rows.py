"""What the rows of benchmarks/ judge by, and that their stopwatch still finds the stages of the program."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SPEECH = Path(__file__).parent / "data" / "1089-134686-0000.flac"


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[Any]:
    """Imports a module of benchmarks/, which is no part of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS / "ours"))
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module


def spin(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_bounds_are_on_ours_on_the_ratio_and_on_differences_either_way(benchmarks: Any):
    line = benchmarks("common").Line

    assert line("cost", "s", 5.0, 10.0, 0.5, "ratio", 0.6, 0.4).met is True
    assert line("cost", "s", 5.0, 10.0, 0.5, "ratio", 0.4).met is False
    assert line("errors", "%", 10.2, 10.0, None, "difference", 0.3).met is True
    assert line("errors", "%", 10.4, 10.0, None, "difference", 0.3).met is False
    assert line("coverage", "%", 99.8, 100.0, None, "shortfall", 0.3).met is True
    assert line("coverage", "%", 99.6, 100.0, None, "shortfall", 0.3).met is False
    assert line("coverage", "%", 101.0, 100.0, None, "shortfall", 0.3).met is True


def test_a_stretch_that_is_reached_is_told(benchmarks: Any):
    line = benchmarks("common").Line

    assert line("cost", "s", 4.0, 10.0, 0.4, "ratio", 0.6, 0.4).cells()[-3:] == ["<= x 0.6", "<= x 0.4", "stretch"]
    assert line("cost", "s", 5.0, 10.0, 0.5, "ratio", 0.6, 0.4).cells()[-1] == "yes"
    assert line("cost", "s", 7.0, 10.0, 0.7, "ratio", 0.6, 0.4).cells()[-1] == "**no**"


@pytest.mark.parametrize(("others", "met"), [(0.1, False), (1.0, None)])
def test_a_wall_time_is_judged_only_on_a_quiet_machine(benchmarks: Any, others: float, met: bool | None):
    common = benchmarks("common")
    pair = common.Run(30.0, 40.0, 0, others), common.Run(80.0, 60.0, 0, others)

    lines = common.costs("hour", [pair], "ratio", 0.6, 0.3, (35.0, 20.0))

    assert [line.met for line in lines] == [True, met, None]
    assert lines[1].cells()[5] == "<= 35"


def test_words_written_and_words_left_out(benchmarks: Any):
    counts = benchmarks("scoring").counts("one fine day we walked to the sea", "one fine day uh we ran to sea")

    assert (counts.s, counts.d, counts.i, counts.n) == (1, 1, 0, 8)
    assert counts.given == 7
    assert counts.coverage == pytest.approx(87.5)
    assert counts.left_out == pytest.approx(12.5)


def test_a_stage_is_charged_for_itself_alone(benchmarks: Any):
    """Neither for a stage inside it, nor for what another thread does meanwhile."""
    stopwatch = benchmarks("staged").Stopwatch()
    inner = stopwatch.on("inner", lambda: spin(0.3))

    def work() -> None:
        spin(0.1)
        inner()

    outer = stopwatch.on("outer", work)
    over = threading.Event()
    other = threading.Thread(target=lambda: [spin(0.01) for _ in iter(over.is_set, True)])
    other.start()
    outer()
    over.set()
    other.join()

    assert stopwatch.spent["inner"].cpu == pytest.approx(0.3, abs=0.1)
    assert stopwatch.spent["outer"].cpu == pytest.approx(0.1, abs=0.1)
    assert stopwatch.spent["outer"].calls == 1


def test_every_stage_of_the_program_is_found(tmp_path: Path):
    """Where this fails, a function has another name: mend STAGES in benchmarks/ours/staged.py."""
    told = tmp_path / "told.json"
    command = ["transcribe", str(SPEECH), "-f", "srt", "--output-dir", str(tmp_path / "out"), "--quiet"]

    subprocess.run([sys.executable, str(BENCHMARKS / "ours" / "staged.py"), str(told), *command], check=True)

    found = json.loads(told.read_text())
    assert {stage for stage, (calls, _) in found["stages"].items() if calls} == {
        *("mixing", "VAD", "mel", "encoder", "decoder", "word times")
    }
    assert all(cpu >= 0 for _, cpu in found["stages"].values())
    assert sum(cpu for _, cpu in found["stages"].values()) + found["children"] < found["whole"]
    assert found["stages"]["encoder"][1] > found["stages"]["mel"][1]
    assert (tmp_path / "out" / SPEECH.with_suffix(".srt").name).is_file()
