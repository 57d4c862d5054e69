"""What a process takes of its machine: processor time, memory of the host and of the GPU, energy.

Memory of the host is the process's own at its highest, what it shares and what it reads from mapped files included;
ffmpeg, a process of its own of some 50 MB, is not. Energy is that of the whole processor and of the whole GPU, whoever
else uses them; what the rest of the machine draws is not measured. Where nothing can be told there is None, and a note.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import psutil  # type: ignore[import-untyped]

from speechcli.bench.result import OTHERS
from speechcli.core.span import Seconds

_OFTEN: Seconds = 0.1  # between two looks at the GPU's memory
_SELDOM: Seconds = 20.0  # between two looks at counters that wrap: at 3 kW they do within a minute and a half
_JUDGED: Seconds = 1.0  # of work, below which nothing is said of other programs
_MUCH = 0.15  # of the processors
_PACKAGE = re.compile(r"intel-rapl:\d+")  # AMD's are called so too; intel-rapl-mmio counts the same once more
_MEMORY = re.compile(r"intel-rapl:\d+:\d+")
_GROWN = 64 << 20  # bytes more of a GPU taken than before: somebody began to work on it


def cpu_seconds() -> Seconds:
    """Processor time of this process and of its children that have ended, all cores together."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


def peak_memory(status: Path = Path("/proc/self/status")) -> int | None:
    """Bytes of host memory that this process held at most. status: where Linux tells.

    Not getrusage(2) on Linux: its figure begins with that of the process which started this one.
    """
    with suppress(OSError, ValueError, IndexError):
        for line in status.read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None


def busy_seconds() -> Seconds:
    """Processor time of all programs of this machine, since it was started."""
    times = psutil.cpu_times()
    return float(times.user + times.system)


def others(wall: Seconds, busy: Seconds, own: Seconds, n_processors: int) -> str:
    """A note where other programs took a good part of the machine while something was timed, else "".

    busy: processor time of all, own: ours, within `wall`.

    >>> others(10.0, 25.0, 10.0, 2)
    'other programs took 75 % of the processors meanwhile: on an idle machine it is faster'
    """
    if wall < _JUDGED:
        return ""
    share = (busy - own) / (wall * n_processors)
    if share < _MUCH:
        return ""
    return f"{OTHERS} {min(share, 1.0):.0%} of the processors meanwhile".replace("%", " %") + (
        ": on an idle machine it is faster"
    )


class Rapl:
    """What the processor's packages, and their memory where it is told apart, have used since this was made.

    Linux' powercap interface (Documentation/power/powercap/powercap.rst): `energy_uj` counts microjoules and begins
    again at `max_energy_range_uj`, so it is to be asked before it has gone round twice. note: why nothing is known, "".
    """

    def __init__(self, root: Path = Path("/sys/class/powercap")) -> None:
        self.note = ""
        self._used = 0.0  # J
        self._lock = threading.Lock()
        self._zones = [zone for zone in sorted(root.glob("intel-rapl:*")) if _counts(zone)]
        self._last: dict[Path, tuple[int, int]] = {}  # last reading and range, µJ
        if not self._zones:
            self.note = "the processor's energy is not told here (no RAPL counters)"
            return
        try:
            for zone in self._zones:
                self._last[zone] = _microjoules(zone), int((zone / "max_energy_range_uj").read_text())
        except PermissionError:
            self._give_up(f"the processor's energy may be read by root alone (chmod a+r {root}/*/energy_uj)")
        except (OSError, ValueError) as error:
            self._give_up(f"the processor's energy cannot be read ({error})")

    @property
    def known(self) -> bool:
        return not self.note

    def joules(self) -> float | None:
        """So far; None where it is not known."""
        with self._lock:
            if not self.known:
                return None
            try:
                for zone, (before, range_) in self._last.items():
                    now = _microjoules(zone)
                    self._used += (now - before if now >= before else now - before + range_) / 1e6
                    self._last[zone] = now, range_
            except (OSError, ValueError) as error:
                self._give_up(f"the processor's energy could not be read any more ({error})")
                return None
            return self._used

    def _give_up(self, why: str) -> None:
        self._zones, self._last, self.note = [], {}, why


def _counts(zone: Path) -> bool:
    """A package, or its memory, which packages leave out; never "psys", which holds the packages once more."""
    try:
        name = (zone / "name").read_text().strip()
    except OSError:
        return False
    if _PACKAGE.fullmatch(zone.name):
        return name.startswith("package")
    return name == "dram" and _MEMORY.fullmatch(zone.name) is not None


def _microjoules(zone: Path) -> int:
    return int((zone / "energy_uj").read_text())


def nvml() -> tuple[ModuleType | None, str]:
    """NVIDIA's management library, ready; or None and why not."""
    try:
        import pynvml  # type: ignore[import-untyped]
    except ImportError:
        return None, 'nvidia-ml-py is not installed (pip install "speechcli[score]")'
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return None, f"NVML: {error}"
    return pynvml, ""


class Gpus:
    """NVIDIA's GPUs as one process uses them.

    library: `nvml()`, or what has its functions. pid: of the process. A GPU counts from when the process is seen on it;
    in a container, where processes have other numbers outside, from when more of its memory is taken than before.
    """

    def __init__(self, library: Any, pid: int) -> None:
        self._library = library
        self._pid = pid
        self._handles: list[Any] = []
        with suppress(library.NVMLError):
            self._handles = [library.nvmlDeviceGetHandleByIndex(i) for i in range(library.nvmlDeviceGetCount())]
        self._before = [self._taken(handle) for handle in self._handles]
        self._own = 0  # bytes at most, of all GPUs together
        self._grown = 0
        self._seen: set[int] = set()
        self._suspected: set[int] = set()

    def look(self) -> None:
        """To be called often: nobody else keeps the peak."""
        own = grown = 0
        for i, handle in enumerate(self._handles):
            mine = self._mine(handle)
            own += mine
            more = self._taken(handle) - self._before[i]
            if mine:
                self._seen.add(i)
            if more > _GROWN:
                self._suspected.add(i)
                grown += more
        self._own = max(self._own, own)
        self._grown = max(self._grown, grown)

    @property
    def used(self) -> tuple[int, ...]:
        """Numbers of the GPUs that the process works on, as NVML counts them."""
        return tuple(sorted(self._seen or self._suspected))

    def peak(self) -> tuple[int | None, str]:
        """Bytes of their memory at most, and a note where that is not the process's alone; None on no GPU."""
        if self._own:
            return self._own, ""
        if self._grown:
            return self._grown, "GPU memory: by how much more of the GPU was taken, other programs included"
        return None, ""

    def joules(self) -> Mapping[int, float]:
        """Of each GPU since its driver was loaded; those that tell (Volta and later)."""
        found = {}
        for i, handle in enumerate(self._handles):
            with suppress(self._library.NVMLError):
                found[i] = self._library.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3
        return found

    def _taken(self, handle: Any) -> int:
        try:
            return int(self._library.nvmlDeviceGetMemoryInfo(handle).used)
        except self._library.NVMLError:
            return 0

    def _mine(self, handle: Any) -> int:
        try:
            there = self._library.nvmlDeviceGetComputeRunningProcesses(handle)
        except self._library.NVMLError:
            return 0
        return sum(one.usedGpuMemory or 0 for one in there if one.pid == self._pid)  # None: the driver does not tell


@dataclass(frozen=True, slots=True)
class Reading:
    """What a process took so far.

    memory, device_memory: bytes at most. energy: joules of the stretches measured. notes: what is not known, and why,
    and what the figures are of where that is not the process alone.
    """

    memory: int | None
    device_memory: int | None
    energy: float | None
    notes: tuple[str, ...]


class Meters:
    """What this process takes from now on; a thread looks after what has to be looked at often.

    Energy is counted between `begin` and `end` only, memory all the time. A context, left when nothing more is read.
    """

    def __init__(self, rapl: Rapl | None = None, gpus: Gpus | None = None, why_no_gpus: str = "") -> None:
        self._rapl = rapl or Rapl()
        self._gpus = gpus
        self._why_no_gpus = why_no_gpus
        self._stretch: tuple[float | None, Mapping[int, float]] = None, {}
        self._of_processor = 0.0
        self._of_gpus: dict[int, float] = {}
        self._began = 0.0, 0.0, 0.0  # wall, busy, own
        self._timed = 0.0, 0.0, 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True, name="meters")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stopped.set()
        self._thread.join()

    def begin(self) -> None:
        """A stretch whose energy counts."""
        self._began = time.monotonic(), busy_seconds(), cpu_seconds()
        self._stretch = self._rapl.joules(), {} if self._gpus is None else self._gpus.joules()

    def end(self) -> None:
        """The stretch ends."""
        now_at = time.monotonic(), busy_seconds(), cpu_seconds()
        wall, busy, own = (t + n - b for t, n, b in zip(self._timed, now_at, self._began, strict=True))
        self._timed = wall, busy, own
        processor, gpus = self._stretch
        now = self._rapl.joules()
        if processor is not None and now is not None:
            self._of_processor += now - processor
        for i, joules in ({} if self._gpus is None else self._gpus.joules()).items():
            self._of_gpus[i] = self._of_gpus.get(i, 0.0) + joules - gpus.get(i, joules)

    def read(self, on_gpu: bool) -> Reading:
        """All that is known by now. on_gpu: whether the model runs on one, be it seen there or not."""
        notes = []
        device_memory: int | None = None
        used: tuple[int, ...] = ()
        if self._gpus is not None:
            self._gpus.look()
            device_memory, note = self._gpus.peak()
            used = self._gpus.used
            notes += [note] if note else []
        own = torchs_peak()
        if own is not None and own > (device_memory or 0):
            device_memory = own
            notes = ["GPU memory: torch's own, without what CUDA itself takes"]
        if on_gpu and device_memory is None:
            notes.append(f"GPU memory is not known ({self._why_no_gpus or 'NVML does not tell'})")
        energy, note = self._energy(used, on_gpu)
        notes += [note] if note else []
        note = others(*self._timed, psutil.cpu_count() or 1)
        notes += [note] if note else []
        return Reading(peak_memory(), device_memory, energy, tuple(notes))

    def _energy(self, used: tuple[int, ...], on_gpu: bool) -> tuple[float | None, str]:
        """Joules, and what they are of."""
        gpus = {i: self._of_gpus[i] for i in used if i in self._of_gpus}
        named = [f"GPU {i}" for i in gpus]
        if not self._rapl.known:
            if not gpus:
                return None, f"energy: {self._rapl.note}"
            return sum(
                gpus.values()
            ), f"energy: of {', '.join(named)} alone, other programs included; {self._rapl.note}"
        lacking = "; the GPU's is not known" if on_gpu and not gpus else ""
        whole = ", ".join(["the whole processor", *named])
        return self._of_processor + sum(gpus.values()), f"energy: of {whole}, other programs included{lacking}"

    def _look(self) -> None:
        every = _OFTEN if self._gpus is not None else _SELDOM
        looked = time.monotonic()
        while not self._stopped.wait(every):
            if self._gpus is not None:
                self._gpus.look()
            if time.monotonic() - looked >= _SELDOM:
                looked = time.monotonic()
                self._rapl.joules()


def opened() -> Meters:
    """All the meters of this machine, of this process."""
    library, why = nvml()
    return Meters(gpus=None if library is None else Gpus(library, os.getpid()), why_no_gpus=why)


def torchs_peak() -> int | None:
    """Bytes that torch took of all GPUs at most, its cache included; None where it has not used any."""
    torch: Any = sys.modules.get("torch")  # where the engine is torch's it is there; nobody else waits for its import
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    peak = sum(torch.cuda.max_memory_reserved(i) for i in range(torch.cuda.device_count()))
    return int(peak) or None
