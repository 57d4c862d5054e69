"""`speechcli doctor`: whether this machine can work, and what to install where it cannot.

speechcli doctor
speechcli doctor --json
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeAlias

import typer

from speechcli import __version__
from speechcli.backends import catalog
from speechcli.backends.machine import cores
from speechcli.cli import environment, show
from speechcli.cli.options import Json
from speechcli.errors import DataError, SpeechcliError, UnavailableError

State: TypeAlias = Literal["ok", "note", "bad"]

NEEDED = ("faster-whisper", "ctranslate2", "onnxruntime", "numpy", "ffmpeg-python")
WELCOME = ("torch", "transformers", "huggingface-hub", "soundfile")

_ENOUGH_MEMORY = 1.0  # GB: the embedded model takes up to 0.7
_ENOUGH_DISK = 1.0  # GB
_SHOWN = {"ok": "green", "note": "yellow", "bad": "bold red"}
_ISA = ("avx", "avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "neon", "asimd", "asimddp", "i8mm", "sve")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. cure: what to do about it, where something is to be done."""

    what: str
    state: State
    told: str
    cure: str = ""


def doctor(as_json: Json = False) -> None:
    """Check this machine: ffmpeg, model, memory, devices.

    Exits 69 when something needed is missing.
    """
    found = list(findings())
    broken = [finding for finding in found if finding.state == "bad"]
    if as_json:
        report = {"speechcli": __version__, "ok": not broken, "findings": [asdict(finding) for finding in found]}
        show.out([json.dumps(report, indent=2, ensure_ascii=False) + "\n"])
    else:
        _print(found)
    if broken:
        raise typer.Exit(UnavailableError.exit_code)


def findings() -> Iterator[Finding]:
    """All that is looked at, in the order it is shown."""
    yield Finding("speechcli", "ok", f"{__version__}, Python {platform.python_version()} ({sys.executable})")
    yield _ffmpeg()
    yield _model()
    yield _encoder()
    yield _diarization()
    yield from _packages()
    yield _cpu()
    yield _memory()
    yield _devices()
    yield _microphone()
    yield from _disks()
    yield from _configuration()


def _ffmpeg() -> Finding:
    from speechcli.media import ffmpeg

    try:
        program = ffmpeg.find(environment.ffmpeg())
    except UnavailableError as error:
        return Finding("ffmpeg", "bad", error.message, error.hint)
    return Finding("ffmpeg", "ok", f"{ffmpeg.version(program)} ({program})")


def _model() -> Finding:
    from speechcli.backends import weights

    model = catalog.find(catalog.EMBEDDED)
    assert model is not None
    try:
        found = weights.of_package(model)
    except SpeechcliError as error:
        return Finding("embedded model", "bad", error.message, error.hint)
    return Finding("embedded model", "ok", f"{model.name}, checksum right ({found.folder})")


def _encoder() -> Finding:
    """Which engine runs Whisper's encoder on this processor, as far as it was measured."""
    from speechcli.backends import encoders

    seconds = encoders.known()
    if seconds is None:
        return Finding("encoder", "ok", "not measured yet: the first transcription does, in two seconds")
    taken = ", ".join(f"{name} {value * 1e3:.0f} ms" for name, value in seconds.items() if value is not None)
    return Finding("encoder", "ok", f"{encoders.fastest(seconds)} (a layer: {taken or 'none runs'})")


def _diarization() -> Finding:
    """Not needed by all, so nothing is broken without."""
    from speechcli.backends import community1, diarizers

    try:
        diarizers.check_packages()
        found = community1.find()
        community1.load(found)
    except SpeechcliError as error:
        return Finding("diarization", "bad" if isinstance(error, DataError) else "note", error.message, error.hint)
    return Finding("diarization", "ok", f"{catalog.EMBEDDED_DIARIZER}, checksums right ({found})")


def _packages() -> Iterator[Finding]:
    for name in (*NEEDED, *WELCOME):
        try:
            yield Finding(name, "ok", metadata.version(name))
        except metadata.PackageNotFoundError:
            state: State = "bad" if name in NEEDED else "note"
            yield Finding(name, state, "not installed", f"pip install {name}" if name in NEEDED else "")


def _cpu() -> Finding:
    name, able = platform.processor() or platform.machine(), set[str]()
    for line in _lines(Path("/proc/cpuinfo")):
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        elif key.strip() in ("flags", "Features"):
            able |= set(value.split())
    isa = " ".join(word for word in _ISA if word in able)
    told = f"{cores()} cores, {name}" + (f", {isa}" if isa else "")
    if platform.machine() in ("x86_64", "AMD64") and able and "avx2" not in able:
        return Finding("CPU", "note", told, "without AVX2 this will be slow")
    return Finding("CPU", "ok", told)


def _memory() -> Finding:
    facts = dict(line.split(":", 1) for line in _lines(Path("/proc/meminfo")))
    if "MemAvailable" not in facts:
        return Finding("memory", "note", "not known")
    free, total = (int(facts[key].split()[0]) / 1e6 for key in ("MemAvailable", "MemTotal"))  # from kB to GB
    for line in _lines(Path("/sys/fs/cgroup/memory.max")):  # of a container
        if line.strip().isdigit():
            total = min(total, int(line) / 1e9)
            free = min(free, total)
    told = f"{free:.1f} GB of {total:.1f} GB free"
    if free < _ENOUGH_MEMORY:
        return Finding("memory", "note", told, "close something: the embedded model takes up to 0.7 GB")
    return Finding("memory", "ok", told)


def _devices() -> Finding:
    try:
        from speechcli.backends.devices import accelerators

        found = accelerators()
    except (ImportError, OSError) as error:  # a package is there and cannot be loaded: a library it needs is not
        return Finding("devices", "bad", f"an engine cannot be loaded: {error}", "reinstall it")
    return Finding("devices", "ok", "; ".join(["cpu", *found]))


def _microphone() -> Finding:
    """What live captions would listen to."""
    from speechcli.media import mic

    try:
        there = mic.devices()
    except SpeechcliError as error:
        return Finding("microphone", "note", error.message, error.hint)
    if not there:
        return Finding("microphone", "note", "none here", "plug one in, or start the sound server, for stream-mic")
    meant = next((device for device in there if device.default), there[0])
    return Finding("microphone", "ok", f"{meant.name}, {meant.rate} Hz ({len(there)} to choose from)")


def _disks() -> Iterator[Finding]:
    from huggingface_hub import constants

    for what, folder in (("models' cache", Path(constants.HF_HUB_CACHE)), ("temporary files", Path(_temporary()))):
        there = next((parent for parent in (folder, *folder.parents) if parent.is_dir()), Path())
        free = shutil.disk_usage(there).free / 1e9
        told = f"{folder}, {free:.0f} GB free" if free >= 1 else f"{folder}, {free:.1f} GB free"
        if not os.access(there, os.W_OK):
            yield Finding(what, "note", f"{told}, not writable", "set HF_HOME or TMPDIR to another folder")
        elif free < _ENOUGH_DISK:
            yield Finding(what, "note", told, "make room")
        else:
            yield Finding(what, "ok", told)


def _temporary() -> str:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:  # none is writable
        return os.sep


def _configuration() -> Iterator[Finding]:
    from speechcli.cli import config

    files = config.paths()
    if not files:
        yield Finding("configuration", "ok", "none: no speechcli.toml here or above, none of the user's")
    for path, trusted in files:
        try:
            _judge(config.load(path, trusted))
        except SpeechcliError as error:
            yield Finding("configuration", "bad", error.message, error.hint or "correct it")
        else:
            yield Finding("configuration", "ok", str(path))


def _judge(file: Any) -> None:
    """Raises ConfigError when a setting of the file cannot be taken."""
    from speechcli.cli import config
    from speechcli.cli.app import loaded

    for name in file.tables:
        command = loaded(name)
        list(config.settings(file, command, typer.Context(command, info_name=name)))


def _print(found: list[Finding]) -> None:
    if not sys.stdout.isatty():
        show.out("\t".join(show.safe(part) for part in (f.state, f.what, f.told, f.cure) if part) + "\n" for f in found)
        return
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, show_header=False, pad_edge=False)
    drawn.add_column(no_wrap=True)
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    for finding in found:
        told = Text(show.safe(finding.told))
        if finding.cure:
            told.append("\n" + show.safe(finding.cure), style=_SHOWN[finding.state])
        drawn.add_row(Text(finding.state, style=_SHOWN[finding.state]), finding.what, told)
    show.console().print(drawn)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
