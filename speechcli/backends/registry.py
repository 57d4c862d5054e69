"""Names to opened backends. The only place where engine files are imported, and late."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from speechcli.backends import catalog
from speechcli.backends.base import SpeechDetector, Transcriber
from speechcli.core.transcript import Stage
from speechcli.errors import DataError, UnavailableError, UsageError

ENTRY_POINTS = "speechcli.transcribers"  # other packages' backends: name = module:open(Wanted) -> Transcriber

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

    from speechcli.backends.openvino_encoder import Encoder
    from speechcli.backends.placement import Placement

Settings = TypeVar("Settings")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which model, where, and how. settings: what `--set KEY=VALUE` gave; model_dir: cache of downloads."""

    model: str = catalog.EMBEDDED
    device: str = "auto"
    dtype: str = "auto"
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    batch_size: int | None = None
    model_dir: Path | None = None
    offline: bool = False


def _others() -> EntryPoints:
    """Backends of other packages; late, for looking costs more than all the rest of a start."""
    from importlib.metadata import entry_points

    return entry_points(group=ENTRY_POINTS)


def canonical(name: str) -> str:
    """The model's one name, for job keys: catalogued name, or the folder or id as given.

    Raises UsageError for a name that is neither catalogued, nor a folder or hub id, nor another package's.
    """
    if (model := catalog.find(name)) is not None:
        return model.name
    bare = name.removeprefix("whisper-")
    for folder in (name, bare):  # a folder may itself be called whisper-something
        if Path(folder).is_dir():
            return str(Path(folder).resolve())
    if "/" in bare or name in _others().names:
        return name
    raise UsageError(f"no model is called {name!r}", catalog.hint_for(name))


@dataclass(frozen=True, slots=True)
class Resolved:
    """A model whose weights are on this machine, not yet loaded. revision: what job keys know it by."""

    wanted: Wanted
    name: str
    folder: Path | None  # None: another package's backend finds its own
    revision: str


def resolve(wanted: Wanted) -> Resolved:
    """Finds the model's weights, fetching them from the hub when they are missing, and checks them.

    Raises UsageError, UnavailableError, DataError.
    """
    from speechcli.backends import weights

    name = canonical(wanted.model)
    known = catalog.find(name)
    if known is None and name in _others().names:
        return Resolved(wanted, name, None, "")
    if known is not None and known.package:
        found = weights.of_package(known)
    elif known is not None:
        found = weights.of_hub(known.repo, known.revision, wanted.model_dir, wanted.offline)
    elif Path(name).is_dir():
        found = weights.of_folder(Path(name))
    else:
        found = weights.of_hub(name.removeprefix("whisper-"), None, wanted.model_dir, wanted.offline)
    return Resolved(wanted, name, found.folder, found.revision)


def open_transcriber(resolved: Resolved) -> Transcriber:
    """The model, loaded. Raises UsageError, UnavailableError, DataError."""
    if resolved.folder is None:
        (entry,) = _others().select(name=resolved.name)
        opened: Transcriber = entry.load()(resolved.wanted)
        return opened
    try:
        return _open_whisper(resolved, resolved.folder)
    except Exception as error:
        if not isinstance(error, RuntimeError | ValueError) and type(error) is not Exception:
            raise
        # CTranslate2 raises RuntimeError, json ValueError, tokenizers nothing narrower than Exception
        if "out of memory" in str(error).lower():
            raise UnavailableError(f"not enough memory for {resolved.name}", "try a smaller one, or cpu") from error
        raise DataError(f"the weights in {resolved.folder} cannot be loaded ({error})", "are they whole?") from error


@dataclass(frozen=True, slots=True)
class Outline:
    """What is known of a model without loading it."""

    longest: float  # seconds
    batch: int
    lanes: int
    size_mb: float


def outline(wanted: Wanted) -> Outline:
    """For a plan. Raises UsageError, UnavailableError."""
    from speechcli.backends import placement
    from speechcli.backends.whisper import LONGEST, Settings

    known = catalog.find(canonical(wanted.model))
    settings = parse_settings(Settings, wanted.settings)
    place = placement.for_ctranslate2(wanted.device, wanted.dtype)
    return Outline(LONGEST, wanted.batch_size or settings.batch_size, place.lanes, known.size_mb if known else 0.0)


def open_detector(listening: bool = True) -> SpeechDetector:
    """The speech detector that comes with the install, or one that takes everything for speech."""
    if not listening:
        from speechcli.backends.vad_none import Everything

        return Everything()
    from speechcli.backends.vad_silero import Silero

    return Silero()


def parse_settings(cls: type[Settings], given: Mapping[str, str]) -> Settings:
    """`--set` pairs as a settings record; an unknown key lists the known ones. Raises UsageError."""
    types = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for raw, text in given.items():
        key = raw.replace("-", "_")
        if key not in types:
            raise UsageError(f"--set {raw}: no such setting", f"known: {', '.join(types)}")
        values[key] = _parsed(raw, text, types[key])
    return cls(**values)


def _parsed(key: str, text: str, kind: type) -> object:
    truth = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    try:
        return truth[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError) as error:
        raise UsageError(f"--set {key}={text}: not a {kind.__name__}") from error


def _open_whisper(resolved: Resolved, folder: Path) -> Transcriber:
    from speechcli.backends import placement
    from speechcli.backends.whisper import Settings, Whisper

    wanted = resolved.wanted
    given = dict(wanted.settings)
    if wanted.batch_size is not None:
        given.setdefault("batch_size", str(wanted.batch_size))
    settings = parse_settings(Settings, given)
    place = placement.for_ctranslate2(wanted.device, wanted.dtype)
    kind = place.device.partition(":")[0]
    engine = f"faster-whisper on {kind} in {place.compute_type}"
    encoder = _openvino_encoder(folder, place, settings.encoder)
    if encoder is not None:
        engine += f", encoder of OpenVINO in {encoder.precision}"
    told = tuple((f.name, str(getattr(settings, f.name))) for f in dataclasses.fields(settings))
    stage = Stage("transcribe", engine, resolved.name, resolved.revision, told)
    return Whisper(folder, stage, place, settings, encoder)


def _openvino_encoder(folder: Path, place: Placement, wanted: str) -> Encoder | None:
    """None where CTranslate2's own is to be used."""
    if wanted == "ctranslate2" or (wanted == "auto" and (place.device != "cpu" or not find_spec("openvino"))):
        return None
    try:
        from speechcli.backends.openvino_encoder import Encoder

        return Encoder(folder / "model.bin", place.lanes, place.threads, exact=place.compute_type == "float32")
    except ImportError as error:
        raise UnavailableError(f"encoder=openvino needs OpenVINO ({error})", "pip install openvino") from error
    except (RuntimeError, DataError, KeyError) as error:  # this processor, these shapes, this file are not known to it
        if wanted == "auto":
            return None  # CTranslate2 may know them, or says what is wrong
        raise UnavailableError(f"OpenVINO cannot run this encoder ({error})", "use --set encoder=auto") from error
