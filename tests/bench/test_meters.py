"""What is measured of a process and its machine: counters that wrap, that are forbidden, that are not there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from speechcli.bench import machine, meters

MB = 1 << 20
RANGE = 262_143_328_850  # µJ, of an Intel package
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells so")


# --- energy of the processor ---


def zone(root: Path, place: str, name: str, microjoules: int, range_: int = RANGE) -> Path:
    """A zone of powercap: its files, as the kernel has them."""
    made = root / place
    made.mkdir(parents=True)
    (made / "name").write_text(f"{name}\n")
    (made / "energy_uj").write_text(f"{microjoules}\n")
    (made / "max_energy_range_uj").write_text(f"{range_}\n")
    return made / "energy_uj"


def test_packages_and_their_memory_count_and_nothing_that_is_in_them(tmp_path):
    counters = [
        zone(tmp_path, place, name, 0)
        for place, name in (
            ("intel-rapl:0", "package-0"),
            ("intel-rapl:0:0", "core"),
            ("intel-rapl:0:1", "dram"),
            ("intel-rapl:1", "package-1"),
            ("intel-rapl:2", "psys"),
            ("intel-rapl-mmio:0", "package-0"),
        )
    ]
    rapl = meters.Rapl(tmp_path)
    for i, counter in enumerate(counters):
        counter.write_text(str(10**6 * 10**i))

    assert rapl.joules() == pytest.approx(1 + 100 + 1000)
    assert rapl.known


def test_a_counter_that_begins_again_goes_on(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", "package-0", RANGE - 3_000_000)
    rapl = meters.Rapl(tmp_path)
    counter.write_text("2000000")
    wrapped = rapl.joules()
    counter.write_text("7000000")

    assert wrapped == pytest.approx(5)
    assert rapl.joules() == pytest.approx(10)


def test_a_counter_for_root_alone_is_a_note(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 5)
    tmp_path.chmod(0o755)
    counter.chmod(0)

    with nobody(tmp_path):
        rapl = meters.Rapl(tmp_path)

    assert rapl.joules() is None
    assert "root alone" in rapl.note


@contextmanager
def nobody(folder: Path) -> Iterator[None]:
    """Root may read everything, so for a moment we are not root; the folders above may be entered meanwhile."""
    if os.geteuid():
        yield
        return
    before = {parent: mode for parent in folder.parents if not (mode := parent.stat().st_mode) & 0o001}
    for parent in before:
        parent.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        for parent, mode in before.items():
            parent.chmod(mode)


@pytest.mark.parametrize("damage", ["gone", "no number"])
def test_a_counter_that_fails_on_the_way_makes_the_energy_unknown(tmp_path, damage):
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 5)
    rapl = meters.Rapl(tmp_path)
    counter.unlink() if damage == "gone" else counter.write_text("?")

    assert rapl.joules() is None
    assert "could not be read any more" in rapl.note
    assert rapl.joules() is None


def test_a_machine_without_counters_is_a_note(tmp_path):
    rapl = meters.Rapl(tmp_path / "powercap")

    assert rapl.joules() is None
    assert "no RAPL" in rapl.note


# --- memory and time ---


@linux
def test_the_peak_of_memory_is_that_of_the_kernel_in_bytes(tmp_path):
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmPeak:\t  900000 kB\nVmHWM:\t   1000 kB\nVmRSS:\t  900 kB\n")

    assert meters.peak_memory(status) == 1_024_000


@linux
def test_memory_that_was_given_back_stays_in_the_peak():
    before = meters.peak_memory()
    np.ones(200 * MB, np.uint8)

    assert meters.peak_memory() > 200 * MB
    assert meters.peak_memory() >= before


@linux
def test_the_peak_of_a_child_is_not_that_of_who_started_it():
    held = np.ones(200 * MB, np.uint8)
    code = "from speechcli.bench import meters; print(meters.peak_memory())"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert 5 * MB < int(done.stdout) < held.nbytes


def test_processor_time_counts_children_too():
    before = meters.cpu_seconds()
    code = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", code], check=True)

    assert meters.cpu_seconds() - before >= 0.25


def test_other_programs_at_work_are_noted_and_our_own_work_is_not():
    assert meters.others(wall=10, busy=20, own=20, n_processors=2) == ""
    assert "other programs took 50 %" in meters.others(wall=10, busy=12, own=2, n_processors=2)
    assert meters.others(wall=0.1, busy=5, own=0, n_processors=2) == ""


def test_the_machine_is_at_least_as_busy_as_we_are():
    busy, own = meters.busy_seconds(), meters.cpu_seconds()
    while meters.cpu_seconds() - own < 0.3:
        pass

    assert meters.busy_seconds() - busy >= 0.2


# --- NVIDIA ---


class LibraryError(Exception):
    """What the library raises."""


@dataclass
class Library:
    """What we ask of NVML, of GPUs that are plain numbers here."""

    taken: list[int]
    joules: list[float]
    processes: dict[int, list[tuple[int, int | None]]] = field(default_factory=dict)
    NVMLError: type[Exception] = LibraryError

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.taken)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(used=self.taken[handle])

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:  # noqa: N802
        return [SimpleNamespace(pid=pid, usedGpuMemory=n) for pid, n in self.processes.get(handle, [])]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> float:  # noqa: N802
        if self.joules[handle] < 0:
            raise self.NVMLError("not supported")
        return self.joules[handle] * 1000


def test_the_gpus_of_a_process_and_their_memory_at_its_highest():
    library = Library([0, 0, 0], [0, 0, 0])
    gpus = meters.Gpus(library, pid=7)
    for own in (100, 300, 200):
        library.processes = {1: [(7, own * MB), (8, 999 * MB)], 2: [(9, 50 * MB)]}
        gpus.look()

    assert gpus.peak() == (300 * MB, "")
    assert gpus.used == (1,)


def test_where_processes_have_other_numbers_the_growth_of_the_gpu_is_told_as_such():
    library = Library([1000 * MB, 500 * MB], [0, 0])
    gpus = meters.Gpus(library, pid=7)
    library.processes = {0: [(70_001, 3000 * MB)], 1: [(7, None)]}  # a container's own numbers; none told
    library.taken = [4000 * MB, 501 * MB]
    gpus.look()
    library.taken = [1000 * MB, 501 * MB]
    gpus.look()

    peak, note = gpus.peak()
    assert peak == 3000 * MB
    assert "other programs included" in note
    assert gpus.used == (0,)


def test_a_gpu_that_nobody_works_on_has_no_peak():
    gpus = meters.Gpus(Library([1000 * MB], [5]), pid=7)
    gpus.look()

    assert gpus.peak() == (None, "")
    assert gpus.used == ()


def test_a_library_that_refuses_everything_is_borne():
    class Refusing(Library):
        def nvmlDeviceGetCount(self) -> int:  # noqa: N802
            raise self.NVMLError("no permission")

    gpus = meters.Gpus(Refusing([0], [0]), pid=7)
    gpus.look()

    assert gpus.peak() == (None, "")
    assert gpus.joules() == {}


def test_energy_is_of_the_stretches_and_of_the_gpus_that_are_used(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 0)
    library = Library([0, 0], [50, 70], {1: [(7, MB)]})
    with meters.Meters(meters.Rapl(tmp_path), meters.Gpus(library, pid=7)) as meter:
        for i in range(2):
            counter.write_text(str(1_000_000 * (10 * i + 1)))
            library.joules = [100 * i + 60, 100 * i + 80]
            meter.begin()
            counter.write_text(str(1_000_000 * (10 * i + 3)))
            library.joules = [100 * i + 65, 100 * i + 90]
            meter.end()
        read = meter.read(on_gpu=True)

    assert read.energy == pytest.approx(2 * 2 + 2 * 10)
    assert read.notes == ("energy: of the whole processor, GPU 1, other programs included",)
    assert read.device_memory == MB


def test_energy_of_a_gpu_alone_says_so_and_of_nothing_is_none(tmp_path):
    told = Library([0], [50], {0: [(7, MB)]})
    silent = Library([0], [-1], {0: [(7, MB)]})
    readings = []
    for library in (told, silent):
        with meters.Meters(meters.Rapl(tmp_path), meters.Gpus(library, pid=7)) as meter:
            meter.begin()
            library.joules = [library.joules[0] * 2]
            meter.end()
            readings.append(meter.read(on_gpu=True))

    assert readings[0].energy == pytest.approx(50)
    assert "of GPU 0 alone" in readings[0].notes[0]
    assert readings[1].energy is None
    assert "no RAPL" in readings[1].notes[0]


def test_a_gpu_without_nvml_is_a_note_and_a_processor_needs_none(tmp_path):
    meter = meters.Meters(meters.Rapl(tmp_path), None, "NVML: Driver Not Loaded")

    assert "GPU memory is not known (NVML: Driver Not Loaded)" in meter.read(on_gpu=True).notes
    assert not any("GPU" in note for note in meter.read(on_gpu=False).notes)


def test_nvml_is_there_or_says_why_not():
    library, why = meters.nvml()

    assert (library is None) == bool(why)


# --- the machine ---


def test_the_facts_of_a_machine_are_those_of_its_files(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Bicycle 3000\n")
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text("500000000\n")

    found = machine.facts(tmp_path / "cpuinfo", tmp_path)

    assert found["processor"] == "Bicycle 3000"
    assert found["cores"].endswith(", 0.5 of them in time")
    assert found["memory"] == "0.5 GB"
    assert found["ctranslate2"]
    assert list(found)[:3] == ["processor", "cores", "memory"]


def test_a_machine_without_limits_has_all_of_its_memory(tmp_path):
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")

    found = machine.facts(tmp_path / "cpuinfo", tmp_path)

    assert "in time" not in found["cores"]
    assert machine.memory(tmp_path) == machine.memory(tmp_path / "nowhere") > 100 * MB


def test_free_is_what_a_container_has_left(tmp_path):
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 300000\n")

    assert machine.free(tmp_path) == 400_000
