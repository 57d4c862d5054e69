"""Names to opened backends. The only place where engine files are imported, and late."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from speechcli.backends import catalog
from speechcli.backends import settings as own
from speechcli.backends.base import Setup, SpeechDetector, Transcriber
from speechcli.backends.catalog import FAMILIES, Family
from speechcli.core.span import Seconds
from speechcli.core.transcript import Stage
from speechcli.errors import DataError, UnavailableError, UsageError

ENTRY_POINTS = "speechcli.transcribers"  # other packages' backends: name = module:open(Wanted) -> Transcriber
GENERIC = "hf:"  # before an id or folder: any speech model of transformers, through its Auto classes

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

    from speechcli.backends.openvino_encoder import Encoder
    from speechcli.backends.placement import Placement


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which model, where, and how: see `base.Setup`.

    longest: seconds of a window, None for what the model likes. revision: a commit of the hub instead of the
    catalogue's. model_dir: cache of downloads.
    """

    model: str = catalog.EMBEDDED
    device: str = "auto"
    dtype: str = "auto"
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    batch_size: int | None = None
    model_dir: Path | None = None
    offline: bool = False
    attention: str | None = None
    quantize: str | None = None
    compile: bool = False
    longest: Seconds | None = None
    revision: str | None = None


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
    mark = GENERIC if name.startswith(GENERIC) else ""
    bare = name.removeprefix(GENERIC)
    for folder in (bare, bare.removeprefix("whisper-")):  # a folder may itself be called whisper-something
        if Path(folder).is_dir():
            return mark + str(Path(folder).resolve())
    if "/" in bare or name in _others().names:
        return name
    raise UsageError(f"no model is called {name!r}", catalog.hint_for(name))


@dataclass(frozen=True, slots=True)
class Resolved:
    """A model whose weights are on this machine, not yet loaded. revision: what job keys know it by."""

    wanted: Wanted
    name: str
    family: str
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
        return Resolved(wanted, name, "", None, "")
    bare = name.removeprefix(GENERIC)
    if known is not None and known.package:
        found = weights.of_package(known)
    elif known is None and Path(bare).is_dir():
        found = weights.of_folder(Path(bare), "hf" if name != bare else None)
    else:
        found = weights.of_hub(weights.source_of(name), wanted.revision, wanted.model_dir, wanted.offline)
    return Resolved(wanted, name, found.family, found.folder, found.revision)


def family_of(wanted: Wanted) -> Family:
    """How the recordings of this model are cut, without fetching it. Raises UsageError, DataError."""
    from speechcli.backends import weights

    name = canonical(wanted.model)
    known = catalog.find(name)
    bare = name.removeprefix(GENERIC)
    if known is not None:
        return FAMILIES[known.family]
    if name != bare:
        return FAMILIES["hf"]
    return FAMILIES[weights.kind_of(Path(bare)) if Path(bare).is_dir() else weights.source_of(name).family]


class _Module(Protocol):
    def open(self, setup: Setup) -> Transcriber: ...


def open_transcriber(resolved: Resolved) -> Transcriber:
    """The model, loaded. Raises UsageError, UnavailableError, DataError."""
    if resolved.folder is None:
        (entry,) = _others().select(name=resolved.name)
        opened: Transcriber = entry.load()(resolved.wanted)
        return opened
    if resolved.family == "whisper":
        return _whisper(resolved, resolved.folder)
    family, wanted = FAMILIES[resolved.family], resolved.wanted
    setup = Setup(
        resolved.name,
        resolved.folder,
        resolved.revision,
        wanted.longest or family.longest,
        wanted.device,
        wanted.dtype,
        wanted.attention,
        wanted.quantize,
        wanted.compile,
        wanted.batch_size,
        wanted.settings,
    )
    return cast(_Module, importlib.import_module(f"speechcli.backends.{family.module}")).open(setup)


def _whisper(resolved: Resolved, folder: Path) -> Transcriber:
    try:
        return _open_whisper(resolved, folder)
    except Exception as error:
        if not isinstance(error, RuntimeError | ValueError) and type(error) is not Exception:
            raise
        # CTranslate2 raises RuntimeError, json ValueError, tokenizers nothing narrower than Exception
        if "out of memory" in str(error).lower():
            raise UnavailableError(f"not enough memory for {resolved.name}", "try a smaller one, or cpu") from error
        raise DataError(f"the weights in {folder} cannot be loaded ({error})", "are they whole?") from error


@dataclass(frozen=True, slots=True)
class Outline:
    """What is known of a model without loading it."""

    longest: Seconds
    batch: int
    lanes: int
    size_mb: float


def outline(wanted: Wanted) -> Outline:
    """For a plan. Raises UsageError, UnavailableError."""
    from speechcli.backends import placement
    from speechcli.backends.whisper import LONGEST, Settings

    known = catalog.find(canonical(wanted.model))
    family = family_of(wanted)
    size = known.size_mb if known else 0.0
    if family is not FAMILIES["whisper"]:
        return Outline(wanted.longest or family.longest, max(wanted.batch_size or 1, 1), 1, size)
    settings = own.parse(Settings, wanted.settings)
    place = placement.for_ctranslate2(wanted.device, wanted.dtype)
    return Outline(LONGEST, wanted.batch_size or settings.batch_size, place.lanes, size)


def open_detector(listening: bool = True, rate: int = 16000) -> SpeechDetector:
    """The speech detector that comes with the install, or one that takes everything for speech.

    rate: Hz of the sound it will be given.
    """
    if not listening:
        from speechcli.backends.vad_none import Everything

        return Everything(rate)
    from speechcli.backends.vad_silero import RATE, Silero

    if rate == RATE:
        return Silero()
    from speechcli.backends.vad_resampled import Resampled

    return Resampled(Silero(), rate)


def _open_whisper(resolved: Resolved, folder: Path) -> Transcriber:
    from speechcli.backends import placement
    from speechcli.backends.whisper import Settings, Whisper

    wanted = resolved.wanted
    given = dict(wanted.settings)
    if wanted.batch_size is not None:
        given.setdefault("batch_size", str(wanted.batch_size))
    settings = own.parse(Settings, given)
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
