"""What the rows have in common: measuring a command, comparing in pairs, keeping and showing results.

Nothing heavy is imported here: on Linux a child's peak memory counts what its parent had when it was started.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, Literal

import psutil  # type: ignore[import-untyped]

HERE = Path(__file__).resolve().parent
SPEECHCLI = (sys.executable, "-m", "speechcli")
MB = 1_000_000
P = "faster_whisper_batched"  # the best peer: see peers/
D = "faster_whisper_sequential"  # what most people run
QUIET = 0.25  # cores that others may use while a wall time is judged
_PACKAGES = (
    *("speechcli", "faster-whisper", "ctranslate2", "onnxruntime", "numpy", "typer", "imageio-ffmpeg"),
    *("scipy", "kaldi-native-fbank", "moonshine-voice", "pyannote.metrics", "meeteval"),
)


def arguments(description: str | None, pairs: int = 5) -> argparse.ArgumentParser:
    """The options every row has."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("SPEECHCLI_BENCH_DATA"), help="your recordings")
    parser.add_argument("--cache", type=Path, help="where recordings that are built are kept")
    parser.add_argument("--pairs", type=int, default=pairs, help="times each side is run, in turns (%(default)s)")
    parser.add_argument("--cores", type=int, default=2, help="cores both sides may use (%(default)s)")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    return parser


def begin(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options as given; from here on this process and its children keep to --cores cores."""
    args = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cores])
    return args


# --- commands ---


def ours(inputs: Sequence[Path], folder: Path, *options: str) -> list[str]:
    """`speechcli transcribe` of these, to SRT files in a folder, with its defaults."""
    return [*SPEECHCLI, "transcribe", *map(str, inputs), "-f", "srt", "--output-dir", str(folder), "--quiet", *options]


def peer(name: str, inputs: Sequence[Path], folder: Path, *options: str) -> list[str]:
    """A program of peers/ on these, to SRT files in a folder."""
    program = str(HERE / "peers" / f"{name}.py")
    return [sys.executable, program, *map(str, inputs), "--output-dir", str(folder), *options]


# --- measuring ---


@dataclass(frozen=True, slots=True)
class Run:
    """One command, start-up included.

    cpu: user + system seconds of it and its waited-for children. rss: bytes, peak of its largest process; tree:
    bytes, peak of all its processes together, sampled (0 when not asked for). others: cores that the rest of the
    machine was using meanwhile: a wall time is worth quoting below 0.25.
    """

    cpu: float
    wall: float
    rss: int
    others: float
    tree: int = 0


def measure(
    command: Sequence[str | Path], env: Mapping[str, str] | None = None, watch: bool = False, may_fail: bool = False
) -> Run:
    """Runs a command to its end. watch: sample the memory of all its processes. Ends the program when it fails.

    may_fail: what it could not do is counted by its outputs.
    """
    with tempfile.TemporaryFile() as told:
        before, began = busy(), time.perf_counter()
        child = subprocess.Popen(
            list(map(str, command)), env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL, stderr=told
        )
        watcher = _Watcher(child.pid) if watch else None
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall, used_by_all = time.perf_counter() - began, busy() - before
        if child.returncode and not may_fail:
            told.seek(0)
            line = " ".join(map(str, command))
            sys.exit(f"status {child.returncode}: {line}\n{told.read()[-2000:].decode(errors='replace')}")
    cpu = used.ru_utime + used.ru_stime
    rss = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Run(cpu, wall, rss, max(0.0, used_by_all - cpu) / wall, watcher.peak() if watcher else 0)


def in_turns(ours: Callable[[], Run], peer: Callable[[], Run], pairs: int) -> list[tuple[Run, Run]]:
    """A B A B: what slows the machine for a while slows both."""
    done = []
    for i in range(pairs):
        a, b = ours(), peer()
        done.append((a, b))
        costs = f"ours {a.cpu:.2f} CPU-s, {a.wall:.1f} s; peer {b.cpu:.2f} CPU-s, {b.wall:.1f} s"
        print(f"  pair {i + 1} of {pairs}: {costs}", flush=True)
    return done


def ratio(pairs: Sequence[tuple[Run, Run]]) -> float:
    """Median over the pairs of our CPU-seconds over the peer's."""
    return median(ours.cpu / peer.cpu for ours, peer in pairs)


def cpu(runs: Sequence[Run]) -> float:
    """Median CPU-seconds."""
    return median(run.cpu for run in runs)


def cpu_so_far(pid: int) -> float:
    """User + system seconds that a running process, its children and its finished children have used."""
    total = 0.0
    process = psutil.Process(pid)
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def busy() -> float:
    """Core-seconds this machine has worked since it started."""
    times = psutil.cpu_times()
    at_rest = times.idle + getattr(times, "iowait", 0.0) + getattr(times, "guest", 0.0)  # guest is in user, too
    return float(sum(times) - at_rest)


class _Watcher:
    """Samples the memory of a process and its children, ten times a second."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def peak(self) -> int:
        self._over.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            try:
                family = [self._process, *self._process.children(recursive=True)]
                self._peak = max(self._peak, sum(one.memory_info().rss for one in family))
            except psutil.Error:
                continue


# --- results ---


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a row's table.

    bound: what `passes` and `stretch` are upper bounds of: ours, ratio (to the peer), difference (ours - peer), or
    shortfall (peer - ours). judged: whether the bounds count this time; else they are only shown.
    """

    what: str
    unit: str
    ours: float
    peer: float | None = None
    ratio: float | None = None
    bound: Literal["ours", "ratio", "difference", "shortfall"] = "ours"
    passes: float | None = None
    stretch: float | None = None
    judged: bool = True

    @property
    def value(self) -> float:
        """What is compared with the bounds."""
        if self.bound in ("difference", "shortfall"):
            return (self.ours - (self.peer or 0.0)) * (1 if self.bound == "difference" else -1)
        return self.ours if self.bound == "ours" or self.ratio is None else self.ratio

    @property
    def met(self) -> bool | None:
        return None if self.passes is None or not self.judged else self.value <= self.passes

    def cells(self) -> list[str]:
        mark = {"ours": "<= ", "ratio": "<= x ", "difference": "<= + ", "shortfall": ">= - "}[self.bound]
        bounds = ["" if limit is None else f"{mark}{limit:g}" for limit in (self.passes, self.stretch)]
        met = {None: "", True: "yes", False: "**no**"}[self.met]
        if self.judged and self.met is not False and self.stretch is not None and self.value <= self.stretch:
            met = "stretch"
        return [self.what, self.unit, _number(self.ours), _number(self.peer), _number(self.ratio), *bounds, met]


def against_p(inputs: Sequence[Path], warm: Path, scratch: Path, pairs: int) -> list[tuple[Run, Run]]:
    """Ours and P on these, after one uncounted run of each on `warm`; SRT files in scratch/ours and scratch/P."""
    a, b = scratch / "ours", scratch / "P"
    measure(ours([warm], anew(a)))
    measure(peer(P, [warm], anew(b)))
    return in_turns(
        lambda: measure(ours(inputs, anew(a))),
        lambda: measure(peer(P, inputs, anew(b))),
        pairs,
    )


def against_d(
    what: str,
    inputs: Sequence[Path],
    scratch: Path,
    pairs: Sequence[tuple[Run, Run]],
    passes: float | None = None,
    stretch: float | None = None,
) -> tuple[Line, Run]:
    """D on these, once, next to the CPU-seconds of ours in the pairs; SRT files in scratch/D."""
    alone = measure(peer(D, inputs, anew(scratch / "D")))
    print(f"  D: {alone.cpu:.2f} CPU-s, {alone.wall:.1f} s", flush=True)
    us = cpu([run for run, _ in pairs])
    return Line(f"{what}, against D", "CPU-s", us, alone.cpu, us / alone.cpu, "ratio", passes, stretch), alone


def anew(folder: Path) -> Path:
    """The folder, empty: what is finished there would not be done again."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def costs(
    what: str,
    pairs: Sequence[tuple[Run, Run]],
    bound: Literal["ours", "ratio"],
    passes: float,
    stretch: float | None = None,
    wall: tuple[float, float] | None = None,
) -> list[Line]:
    """CPU-seconds (the median) with their bounds, wall (the quickest) and memory (the largest) of both sides.

    wall: seconds to pass and to stretch; judged when our quickest run had the machine for itself.
    """
    us, them = [run for run, _ in pairs], [run for _, run in pairs]
    quickest = min(us, key=lambda run: run.wall)
    quiet = quickest.others < QUIET
    busy = "" if wall is None or quiet else f" ({quickest.others:.1f} cores used by others: not judged)"
    limits = wall or (None, None)
    return [
        Line(what, "CPU-s", cpu(us), cpu(them), ratio(pairs), bound, passes, stretch),
        Line(f"{what}{busy}", "wall s", quickest.wall, min(r.wall for r in them), None, "ours", *limits, quiet),
        Line(f"{what}, largest process", "MB", max(r.rss for r in us) / MB, max(r.rss for r in them) / MB),
    ]


def publish(args: argparse.Namespace, row: str, about: str, lines: Sequence[Line], raw: object, name: str = "") -> int:
    """Prints a row's table, keeps it with the raw numbers in results/ROW.json, and renews results/RESULTS.md.

    name: of the file, where it is not the script's. Gives the exit status: 1 when a line does not pass.
    """
    machine = _machine(args.cores)
    result = {
        "row": row,
        "about": about,
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": _commit(),
        "machine": machine,
        "versions": _versions(),
        "command": " ".join(map(_short, sys.argv)),
        "lines": [asdict(line) for line in lines],
        "raw": raw,
    }
    args.results.mkdir(parents=True, exist_ok=True)
    (args.results / f"{name or Path(sys.argv[0]).stem}.json").write_text(
        json.dumps(result, indent=1, default=_plain) + "\n"
    )
    print("\n".join(_section(result)))
    documents = [json.loads(path.read_text()) for path in sorted(args.results.glob("*.json"))]
    sections = [_section(one) for one in sorted(documents, key=_order)]
    head = ["# Results", "", "Made by the scripts in `benchmarks/`; README.md there says what is measured and how.", ""]
    (args.results / "RESULTS.md").write_text("\n".join(head + [line for section in sections for line in section]))
    return int(any(line.met is False for line in lines))


def _section(result: Mapping[str, Any]) -> list[str]:
    machine = result["machine"]
    header = ["what", "unit", "ours", "peer", "ratio", "pass", "stretch", "met"]
    rows = [header, ["---"] * len(header), *(Line(**line).cells() for line in result["lines"])]
    return [
        f"## {result['row']}",
        "",
        result["about"],
        "",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        f"{result['date']}, commit {result['commit']}, {machine['cpu']}, {machine['used']} of {machine['cores']} "
        f"cores, {machine['memory_gb']} GB: `{result['command']}`",
        "",
    ]


def _order(result: Mapping[str, Any]) -> tuple[int, str]:
    """Rows as BENCHMARKS numbers them (B2 before B10), the others after."""
    name = str(result["row"]).split()[0].rstrip(":")
    return (int(name[1:]) if name[:1] == "B" and name[1:].isdigit() else 99, name)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 20 else f"{value:.3g}"


def _plain(value: object) -> object:
    if isinstance(value, Run):
        return {name: round(number, 4) for name, number in asdict(value).items()}
    return str(value)


def _short(argument: str) -> str:
    """An argument of the command line without the folders of this machine."""
    path = Path(argument)
    if path.suffix == ".py":
        return f"benchmarks/{path.name}"
    return path.name if path.is_absolute() else argument


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _machine(used: int) -> dict[str, Any]:
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "used": used,
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str:
    """The commit of this checkout, with a + when files of the package were changed since."""
    try:
        git = ["git", "-C", str(HERE)]
        commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run(
            [*git, "status", "--porcelain", "../speechcli"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "")
