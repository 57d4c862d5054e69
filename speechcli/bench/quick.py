"""`bench --quick`: what this machine can do, on the recording that ships, with the models whose weights are here.

Speeds are measured or absent, never estimated. Whether a model fits is measured where it ran, and else the arithmetic
of `backends.budget` or `jobs.estimate`, and said to be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import soundfile

from speechcli.api import Diarization, Options
from speechcli.backends import budget, catalog, registry, weights
from speechcli.backends.catalog import FAMILIES, Model
from speechcli.bench import machine, measure
from speechcli.bench.measure import SAMPLE, USUAL, Conditions, Event, Measured, Subject
from speechcli.bench.meters import nvml
from speechcli.bench.result import System
from speechcli.core.span import Seconds
from speechcli.errors import SpeechcliError
from speechcli.jobs.estimate import estimate
from speechcli.media import decode, ffmpeg, probe
from speechcli.media.files import Input
from speechcli.scoring.references import Reference

Role: TypeAlias = Literal["transcribes", "tells speakers", "times words"]
Known: TypeAlias = Literal["measured", "estimated", "at least", ""]

TIMES = 7  # the sample one after the other: five minutes, of which batches are full as those of an hour are
PATIENCE: Seconds = 60.0  # who would take longer for that is judged by the sample alone
_HOUR: Seconds = 3600.0
DEFAULTS = Options()


@dataclass(frozen=True, slots=True)
class Row:
    """A model on this machine.

    needs: bytes, of the GPU's memory where it would run there; None where nobody knows. known: how; "at least" are its
    weights alone. fits: whether so much is free; None where nobody knows. here: whether its weights are. speed: seconds
    of sound a second of work, measured over `sound` seconds of it. load: seconds until it is ready. advice: what to do,
    where something is lacking. error: why it did not run.
    """

    model: str
    what: str
    role: Role
    size_mb: float
    here: bool
    needs: int | None = None
    fits: bool | None = None
    known: Known = ""
    speed: float | None = None
    sound: Seconds = 0.0
    load: Seconds | None = None
    advice: str = ""
    error: str = ""

    @property
    def hour(self) -> Seconds | None:
        """Load not included.

        >>> Row("m", "", "transcribes", 75, True, speed=36.0).hour
        100.0
        """
        return None if not self.speed else _HOUR / self.speed


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes that are free where models go by default. where: "host memory", or the GPU's name."""

    where: str
    free: int
    on_gpu: bool


@dataclass(frozen=True, slots=True)
class Quick:
    """rows: every model of the catalogue, measured ones by speed first. measured: as `bench` has them, to be scored."""

    rows: tuple[Row, ...]
    room: Room
    measured: tuple[Measured, ...]
    systems: tuple[System, ...]


def subjects(base: Options = DEFAULTS, models: Sequence[str] = ()) -> list[Subject]:
    """The models whose weights are here, or those named: what transcribes, and what tells speakers.

    Raises UsageError, UnavailableError, DataError for a named one.
    """
    found = []
    for model in catalog.MODELS:
        if models or _role(model) == "times words" or not weights.present(model, base.model_dir):
            continue
        subject = Subject(model.name, _options(model, base))
        try:
            measure.check(subject)
        except SpeechcliError:
            continue  # a package that it needs is not: its row says so
        found.append(subject)
    for name in models:
        known = catalog.find(name)
        options = replace(base, model=name) if known is None else _options(known, base)
        found.append(Subject(measure.check(Subject(name, options)) or name, options))
    return found


def measured(
    subjects: Sequence[Subject], folder: Path, conditions: Conditions = USUAL, times: int = TIMES
) -> Iterator[Event]:
    """What happens, as `measure.measured` tells it: each model hears the sample, and where it is fast enough the sample
    `times` over.

    folder: where that is made. Raises as `measure.measured` does.
    """
    long = _long(folder, times)
    length = _repeated(SAMPLE, long.path, times)

    def worth(recording: Input, before: Sequence[Measured]) -> bool:
        if recording is not long:
            return True
        took = [one.seconds / one.duration for one in before if one.seconds and one.duration]
        return bool(took) and took[-1] * length <= PATIENCE

    yield from measure.measured(subjects, [Input(SAMPLE, SAMPLE.name), long], conditions, worth)


def references(folder: Path, times: int = TIMES) -> dict[Path, Reference]:
    """What is said in the two recordings, by their paths."""
    return {SAMPLE: _reference(1), _long(folder, times).path: _reference(times)}


def quick(events: Sequence[Event], base: Options = DEFAULTS, room: Room | None = None) -> Quick:
    """The table, of what was measured. room: as `there` found it before anything ran."""
    room = room or there(base.device)
    found = tuple(event for event in events if isinstance(event, Measured))
    systems = tuple({event.system.name: event.system for event in events}.values())
    rows = [_row(model, base, room, found, systems) for model in catalog.MODELS]
    named = {row.model for row in rows}
    rows += [_timed(Row(s.name, "", "transcribes", 0.0, True), s, found) for s in systems if s.name not in named]
    return Quick(tuple(sorted(rows, key=lambda row: -(row.speed or 0.0))), room, found, systems)


def there(device: str = "auto") -> Room:
    """Free memory of the first GPU where models go there, else of the host."""
    from speechcli.backends import devices

    if devices.card(device):
        library, _ = nvml()
        if library is not None:
            index = int(device.partition(":")[2] or 0)
            try:
                handle = library.nvmlDeviceGetHandleByIndex(index)
                free = int(library.nvmlDeviceGetMemoryInfo(handle).free)
                return Room(str(library.nvmlDeviceGetName(handle)), free, True)
            except library.NVMLError:
                pass
    return Room("host memory", machine.free(), False)


def _row(model: Model, base: Options, room: Room, found: Sequence[Measured], systems: Sequence[System]) -> Row:
    here = weights.present(model, base.model_dir)
    row = Row(model.name, model.what, _role(model), model.size_mb, here)
    needs, known = _needs(model, base, room)
    fits = None
    if needs is not None:
        fits = needs <= room.free * budget.USABLE and (True if known == "estimated" else None)
    advice = "" if here else f"speechcli models pull {model.name}"
    row = replace(row, needs=needs, fits=fits, known=known, advice=advice)
    system = next((one for one in systems if one.name == model.name), None)
    return row if system is None else _timed(row, system, found)


def _timed(row: Row, system: System, found: Sequence[Measured]) -> Row:
    """The row with what was measured, over the longest sound that was."""
    own = [one for one in found if one.system.name == system.name]
    best = max((one for one in own if one.seconds), key=lambda one: one.duration, default=None)
    error = system.error or next((one.error for one in own if one.error), "")
    if best is None or not best.seconds:
        return replace(row, error=error, load=system.load)
    return replace(
        row,
        needs=system.device_memory or system.memory,
        fits=True,
        known="measured",
        speed=best.duration / best.seconds,
        sound=best.duration,
        load=system.load,
        error=error,
    )


def _needs(model: Model, base: Options, room: Room) -> tuple[int | None, Known]:
    """Bytes by arithmetic, for one batch of its longest windows; None where nobody knows."""
    if _role(model) != "transcribes":
        return None, ""
    wanted = registry.Wanted(
        model.name,
        base.device,
        base.dtype,
        batch_size=base.batch_size,
        model_dir=base.model_dir,
        quantize=base.quantize,
    )
    try:
        outline = registry.outline(wanted)
    except SpeechcliError:  # an option that is not for it
        return None, ""
    if (needs := outline.needs) is not None:
        whole = needs.device + (0 if room.on_gpu else needs.host)
        return (whole, "estimated") if needs.cache else (needs.weights, "at least")
    if room.on_gpu:
        return math.ceil(outline.size_mb * 1e6), "at least"
    mb = estimate([_HOUR], outline.longest, outline.batch, outline.lanes, model.name, outline.size_mb).memory
    return math.ceil(mb * 1e6), "estimated"


def _role(model: Model) -> Role:
    family = FAMILIES[model.family]
    return "times words" if family.aligns else "tells speakers" if family.diarizes else "transcribes"


def _options(model: Model, base: Options) -> Options | Diarization:
    if _role(model) != "tells speakers":
        return replace(base, model=model.name)
    same = ("device", "model_dir", "ffmpeg")
    return Diarization(model=model.name, **{name: getattr(base, name) for name in same})


def _repeated(path: Path, to: Path, times: int) -> Seconds:
    """The recording so many times, one after the other, as a WAV; its seconds. Raises MediaError, UnavailableError."""
    program = ffmpeg.find()
    take = decode.Take()
    n_samples = 0
    with soundfile.SoundFile(to, "w", take.rate, 1, "PCM_16") as file:
        for _ in range(times):
            with decode.decode(path, probe.probe(path, program), program, take) as blocks:
                for block in blocks:
                    file.write(block.samples)
                    n_samples += len(block.samples)
    return n_samples / take.rate


def _long(folder: Path, times: int) -> Input:
    return Input(folder / f"two_cities_x{times}.wav", f"two_cities x {times}")


def _reference(times: int) -> Reference:
    path = SAMPLE.with_suffix(".txt")
    return Reference((path,), " ".join([" ".join(path.read_text("utf-8").split())] * times))
