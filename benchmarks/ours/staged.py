"""`speechcli` with a stopwatch on each stage: where its CPU-seconds go.

    python benchmarks/ours/staged.py FILE.json transcribe hour.mp3 -f srt --output-dir FOLDER

FILE.json gets the CPU-seconds of each stage, of the children (ffmpeg) and of the whole.

One stage runs at a time. What it costs is what the process used meanwhile, threads of OpenVINO, ONNX Runtime and
CTranslate2 included, less what its other Python threads used; so no stage is charged for another, and other programs on
the same cores do not count as they would by the clock. A stage inside a stage counts for itself alone.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

# To be mended when the program changes: where a stage's work is done, and its name. Each must compute, and wait for no
# other stage of the table: while it runs, no other does.
STAGES = (
    ("speechcli.media.mix", "Mixer.mix", "mixing"),
    ("speechcli.backends.vad_silero", "Silero.__call__", "VAD"),
    ("faster_whisper.feature_extractor", "FeatureExtractor.__call__", "mel"),
    ("speechcli.backends.log_mel", "features", "mel"),
    ("speechcli.backends.whisper", "Whisper._encode", "encoder"),
    ("speechcli.backends.whisper", "Whisper._window", "decoder"),  # beside the encoder: what it gives made ready
    ("speechcli.backends.whisper", "Whisper._generate", "decoder"),
    ("speechcli.backends.whisper", "Whisper._words", "word times"),
)


@dataclass(slots=True)
class Spent:
    """By one stage. cpu: seconds, those of stages inside it left out."""

    calls: int = 0
    cpu: float = 0.0


class Stopwatch:
    """Counts what the stages use."""

    def __init__(self) -> None:
        self.spent: dict[str, Spent] = {}
        self._turn = threading.RLock()
        self._inside: list[float] = []  # seconds of stages inside each that runs

    def on(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, watched."""
        spent = self.spent.setdefault(stage, Spent())

        @functools.wraps(work)
        def watched(*given: Any, **named: Any) -> Any:
            with self._turn:
                self._inside.append(0.0)
                before = _used()
                try:
                    return work(*given, **named)
                finally:
                    whole = max(0.0, _since(before))
                    spent.calls += 1
                    spent.cpu += whole - self._inside.pop()
                    if self._inside:
                        self._inside[-1] += whole

        return watched


def _used() -> tuple[float, dict[int, float]]:
    """CPU-seconds of the process, and of its Python threads but this one."""
    others = {}
    for thread in threading.enumerate():
        if thread.ident is not None and thread is not threading.current_thread():
            others[thread.ident] = _thread(thread.ident)
    return time.process_time(), others


def _since(before: tuple[float, dict[int, float]]) -> float:
    now, others = _used()
    return now - before[0] - sum(used - before[1].get(ident, 0.0) for ident, used in others.items())


def _thread(ident: int) -> float:
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(ident))
    except OSError:  # it has ended
        return 0.0


def watch(stopwatch: Stopwatch) -> None:
    """Puts the stopwatch on every stage of the table. An engine that is not installed has none; a changed name ends."""
    for module, name, stage in STAGES:
        own = module.startswith("speechcli.")
        if not own and module not in sys.modules:
            continue  # the program does without
        try:
            holder: Any = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if not own or str(error.name).startswith("speechcli"):
                sys.exit(f"{module} is gone: mend STAGES in {__file__}")
            continue
        *classes, last = name.split(".")
        try:
            for part in classes:
                holder = getattr(holder, part)
            work = getattr(holder, last)
        except AttributeError:
            sys.exit(f"{module} has no {name}: mend STAGES in {__file__}")
        watched = stopwatch.on(stage, work)
        setattr(holder, last, watched)
        for loaded in list(sys.modules.values()):  # where somebody has it by its own name
            for key, value in list(vars(loaded).items()) if not classes else ():
                if value is work:
                    setattr(loaded, key, watched)


def main() -> NoReturn:
    """The command."""
    told, sys.argv = Path(sys.argv[1]), ["speechcli", *sys.argv[2:]]
    from speechcli import __main__ as program

    importlib.import_module("speechcli.backends.whisper")  # and what it takes from others
    stopwatch = Stopwatch()
    watch(stopwatch)
    code = program.run(sys.argv[1:])
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    report = {
        "stages": {stage: [spent.calls, spent.cpu] for stage, spent in stopwatch.spent.items()},
        "children": children.ru_utime + children.ru_stime,
        "whole": own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
    }
    told.write_text(json.dumps(report))
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
