"""Names to opened backends. The only place where engine files are imported, and late."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from speechcli.backends import catalog
from speechcli.backends import settings as own
from speechcli.backends.base import Aligner, Setup, SpeechDetector, Transcriber
from speechcli.backends.catalog import FAMILIES, Family
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds
from speechcli.core.transcript import Stage, Word
from speechcli.errors import DataError, UnavailableError, UsageError

ENTRY_POINTS = "speechcli.transcribers"  # other packages' backends: name = module:open(Wanted) -> Transcriber
_NO_LIMIT = 64  # windows a batch where the user wants no limit: more serve no CPU, and few GPUs
_ALIGNERS = "aligner."  # before a setting: it is the aligner's
_ALIGN_HINT = "one that does: embedded, qwen3-aligner, or any CTC model (ctc:facebook/wav2vec2-base-960h)"
_DTYPES = ("auto", "float32", "float16", "bfloat16")  # of what torch runs
_ATTENTIONS = ("sdpa", "eager", "flash_attention_2")
_LARGE_ALIGNER = "qwen3-aligner"
# Of the embedded Whisper where it only finds out what is said where: 425 MB, however many cores there are, where its
# defaults hold 630; 88 % of the words heard right instead of 89 (25 minutes of LibriSpeech and others, two cores).
ANCHOR = {"beam_size": "1", "lanes": "2", "encoder": "ctranslate2", "confidence": "false"}
ANCHOR_BATCH = 2
GENERIC = "hf:"  # before an id or folder: any speech model of transformers, through its Auto classes
CTC = "ctc:"  # before an id or folder: any CTC model of transformers, as an aligner

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

    from speechcli.backends.budget import Estimate
    from speechcli.backends.whisper import Whisper


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which model, where, and how: see `base.Setup`.

    longest: seconds of a window, None for what the model likes. revision: a commit of the hub instead of the
    catalogue's. model_dir: cache of downloads. aligner: another model, which times the words; settings that begin with
    "aligner." are its own, and device, dtype and batch_size among them where it runs. before: see `base.Setup`.
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
    aligner: str | None = None
    cards: tuple[str, ...] | None = None
    before: str = ""

    def __post_init__(self) -> None:
        if self.batch_size is not None and (self.batch_size == 0 or self.batch_size < -1):
            raise UsageError(f"a batch of {self.batch_size} windows", "at least one, or -1 for as many as fit")
        if self.quantize not in (None, "int8", "int4"):
            raise UsageError(f"quantize {self.quantize!r}: no such width of weights", "int8 or int4")

    @property
    def told(self) -> tuple[tuple[str, str], ...]:
        """Settings and width of the weights: what of the engine's own determines the answer."""
        return tuple(sorted({**self.settings, **({"quantize": self.quantize} if self.quantize else {})}.items()))


def _others() -> EntryPoints:
    """Backends of other packages; late, for looking costs more than all the rest of a start."""
    from importlib.metadata import entry_points

    return entry_points(group=ENTRY_POINTS)


def _marked(name: str) -> tuple[str, str]:
    """What a name is marked to be taken for, and the name without it.

    >>> _marked("ctc:facebook/wav2vec2-base-960h"), _marked("turbo")
    (('ctc:', 'facebook/wav2vec2-base-960h'), ('', 'turbo'))
    """
    mark = next((mark for mark in (GENERIC, CTC) if name.startswith(mark)), "")
    return mark, name.removeprefix(mark)


def canonical(name: str) -> str:
    """The model's one name, for job keys: catalogued name, or the folder or id as given.

    Raises UsageError for a name that is neither catalogued, nor a folder or hub id, nor another package's.
    """
    if (model := catalog.find(name)) is not None:
        return model.name
    mark, bare = _marked(name)
    for folder in (bare, bare.removeprefix("whisper-")):  # a folder may itself be called whisper-something
        if folder and Path(folder).is_dir():
            return mark + str(Path(folder).resolve())
    if Path(bare).is_file():
        raise UsageError(f"{bare} is a file, not a model's folder", "see: speechcli models")
    if bare.startswith(("/", "./", "../", "~")):
        raise UsageError(f"there is no folder {bare}", "see: speechcli models")
    if "/" in bare or name in _others().names:
        return name
    raise UsageError(f"no model is called {name!r}", catalog.hint_for(name))


@dataclass(frozen=True, slots=True)
class Resolved:
    """A model whose weights are on this machine, not yet loaded.

    revision: what job keys know it by. notice: a line for the user, where another model was asked for than is meant.
    """

    wanted: Wanted
    name: str
    family: str
    folder: Path | None  # None: another package's backend finds its own
    revision: str
    notice: str = ""


def resolve(wanted: Wanted) -> Resolved:
    """Finds the model's weights, fetching them from the hub when they are missing, and checks them.

    Raises UsageError, UnavailableError, DataError.
    """
    from speechcli.backends import weights

    name = canonical(wanted.model)
    known = catalog.find(name)
    if known is None and name in _others().names:
        return Resolved(wanted, name, "", None, "")
    mark, bare = _marked(name)
    if known is not None and known.package:
        found = weights.of_package(known)
    elif known is None and Path(bare).is_dir():
        if wanted.revision is not None:
            raise UsageError(f"--revision {wanted.revision}: {bare} is a folder and has no others", "leave it out")
        found = weights.of_folder(Path(bare), mark.rstrip(":") or None)
    else:
        source = weights.source_of(wanted.model, wanted.settings.get("weights"))
        found = weights.of_hub(source, wanted.revision, wanted.model_dir, wanted.offline)
    return Resolved(wanted, name, found.family, found.folder, found.revision, found.notice)


def family_of(wanted: Wanted) -> Family:
    """How the recordings of this model are cut, without fetching it.

    Raises UsageError, for a model that does not transcribe too; DataError.
    """
    family = _family(wanted)
    if family.aligns:
        name = wanted.model.removeprefix(GENERIC)
        raise UsageError(f"{name} aligns words and does not transcribe", f"--aligner {name}")
    if family.diarizes:
        raise UsageError(f"{wanted.model} tells who speaks and does not transcribe", "speechcli diarize, or --diarize")
    _check_heeded(wanted, family)
    return family


def aligning_family_of(wanted: Wanted) -> Family:
    """How long the pieces may be that this aligner times, without fetching it.

    Raises UsageError, for a model that does not align too, and for an option that would do nothing; DataError.
    """
    family = _family(wanted)
    if not family.aligns:
        raise UsageError(f"{wanted.model} does not align words", _ALIGN_HINT)
    _check_heeded(wanted, family)
    return family


def _check_heeded(wanted: Wanted, family: Family) -> None:
    """An option that would do nothing is refused. Raises UsageError."""
    if family.module == "whisper":
        if wanted.quantize is not None:
            raise UsageError(f"--quantize is not for {wanted.model}, which runs in CTranslate2", "use --dtype int8")
        for option, given in (("--attn-implementation", wanted.attention), ("--compile", wanted.compile)):
            if given:
                raise UsageError(f"{option} is not for {wanted.model}, which runs in CTranslate2", "leave it out")
    if family.module == "align_embedded":
        told = {"--quantize": wanted.quantize, "--attn-implementation": wanted.attention, "--compile": wanted.compile}
        for option in (name for name, given in told.items() if given):
            raise UsageError(f"{option} is not for {wanted.model}, which runs in pocketsphinx", "leave it out")
    if family.module in ("hf", "align_ctc") and wanted.compile:
        raise UsageError(f"--compile: {wanted.model} is of a kind that is not compiled here", "leave it out")


def _family(wanted: Wanted) -> Family:
    from speechcli.backends import weights

    name = canonical(wanted.model)
    known = catalog.find(name)
    mark, bare = _marked(name)
    if known is not None:
        return FAMILIES[known.family]
    if mark:
        return FAMILIES[mark.rstrip(":")]
    return FAMILIES[weights.kind_of(Path(bare)) if Path(bare).is_dir() else weights.source_of(name).family]


class _Module(Protocol):
    def open(self, setup: Setup) -> Transcriber: ...


class _AlignerModule(Protocol):
    def open(self, setup: Setup) -> Aligner: ...


def open_transcriber(resolved: Resolved) -> Transcriber:
    """The model, loaded. Raises UsageError, UnavailableError, DataError."""
    if resolved.folder is None:
        (entry,) = _others().select(name=resolved.name)
        opened: Transcriber = entry.load()(resolved.wanted)
        return opened
    if resolved.family == "whisper":
        return _whisper(resolved, resolved.folder)
    family = FAMILIES[resolved.family]
    if family.aligns:
        raise UsageError(f"{resolved.name} aligns words and does not transcribe", f"--aligner {resolved.name}")
    return cast(_Module, importlib.import_module(f"speechcli.backends.{family.module}")).open(setup_of(resolved))


def setup_of(resolved: Resolved) -> Setup:
    """How an engine is told to open what was found."""
    wanted = resolved.wanted
    assert resolved.folder is not None
    return Setup(
        resolved.name,
        resolved.folder,
        resolved.revision,
        wanted.longest or FAMILIES[resolved.family].longest,
        wanted.device,
        wanted.dtype,
        wanted.attention,
        wanted.quantize,
        wanted.compile,
        wanted.batch_size,
        {key: text for key, text in wanted.settings.items() if not key.startswith(_ALIGNERS)},
        wanted.cards,
        wanted.before,
    )


def aligner_of(wanted: Wanted) -> Wanted | None:
    """The aligner that goes with a model, as a wish of its own; None where none was asked for.

    Raises UsageError, for a model that does not align too, without fetching it; DataError.
    """
    given = {key.removeprefix(_ALIGNERS): text for key, text in wanted.settings.items() if key.startswith(_ALIGNERS)}
    if wanted.aligner is None:
        if given:
            raise UsageError(
                f"--set {_ALIGNERS}{next(iter(given))}: no aligner was asked for", "--aligner qwen3-aligner"
            )
        return None
    batch = given.pop("batch_size", None)
    if batch is not None and not batch.lstrip("-").isdigit():
        raise UsageError(f"--set {_ALIGNERS}batch_size={batch}: not a number")
    compiled = given.pop("compile", "false")
    if compiled not in ("true", "false"):
        raise UsageError(f"--set {_ALIGNERS}compile={compiled}: must be true or false")
    its = Wanted(
        _meant(wanted.aligner),
        given.pop("device", wanted.device),
        given.pop("dtype", wanted.dtype),
        given,
        None if batch is None else int(batch),
        wanted.model_dir,
        wanted.offline,
        given.pop("attention", None),
        compile=compiled == "true",
        before=_ALIGNERS,
    )
    family = aligning_family_of(its)
    if wanted.longest is not None:
        its = replace(its, longest=min(max(wanted.longest, family.longest), family.most))
    return its


def aligner_family(wanted: Wanted) -> Family | None:
    """The family of the aligner that goes with a model, if one does. Raises UsageError, DataError."""
    its = aligner_of(wanted)
    return None if its is None else aligning_family_of(its)


def _meant(aligner: str) -> str:
    """Where an aligner is meant, the embedded one is not Whisper."""
    return catalog.EMBEDDED_ALIGNER if aligner.strip().lower() == "embedded" else aligner


def aligner_for(wanted: Wanted) -> Wanted:
    """The aligner meant where a text is to be aligned: `auto` is Qwen's on a machine with a card and its weights.

    Raises UsageError for what does not align; DataError.
    """
    wanted = replace(wanted, model=_best_aligner(wanted) if wanted.model == "auto" else _meant(wanted.model))
    family = aligning_family_of(wanted)
    if family.module == "align_embedded":  # beside a model these are that model's
        if wanted.device not in ("auto", "cpu"):
            raise UsageError(f"--device {wanted.device}: {wanted.model} runs on the processor", "leave it out")
        if wanted.dtype != "auto":
            raise UsageError(f"--dtype is not for {wanted.model}, which runs in pocketsphinx", "leave it out")
    if wanted.longest is not None and not catalog.SHORTEST <= wanted.longest <= family.most:
        most = f"{catalog.SHORTEST:g} to {family.most:g}"
        raise UsageError(f"--chunk-size {wanted.longest:g}: {wanted.model} hears {most} seconds in one pass")
    return wanted


def usual_aligner(wanted: Wanted, languages: Sequence[str]) -> str:
    """The aligner for a model that tells no times of words, where none was named: Qwen's on a card, and for other
    languages than English; languages: of which one is spoken, as far as told.
    """
    from speechcli.backends import devices

    only_english = not languages or tuple(languages) == ("en",)
    return catalog.EMBEDDED_ALIGNER if only_english and not devices.card(wanted.device) else _LARGE_ALIGNER


def _best_aligner(wanted: Wanted) -> str:
    from speechcli.backends import devices, weights

    if devices.card(wanted.device):
        try:
            weights.of_hub(weights.source_of(_LARGE_ALIGNER), wanted.revision, wanted.model_dir, offline=True)
        except (UnavailableError, DataError):
            return catalog.EMBEDDED_ALIGNER
        return _LARGE_ALIGNER
    return catalog.EMBEDDED_ALIGNER


def anchor_for(aligner: Wanted, name: str | None, language: str | None) -> Wanted | None:
    """The recogniser that finds where a text is said; None where only the sound's speech is heard.

    name: as the user says, "none" for nobody; by default the Whisper that comes along, for English (or a language that
    is not told, for texts say theirs). Raises UsageError, DataError.
    """
    if name == "none" or (name is None and language not in (None, "en")):
        return None
    if name in (None, "embedded", catalog.EMBEDDED):
        return Wanted(settings=ANCHOR, batch_size=ANCHOR_BATCH, model_dir=aligner.model_dir, offline=aligner.offline)
    made = Wanted(name or "", aligner.device, model_dir=aligner.model_dir, offline=aligner.offline)
    if _family(made).aligns or not family_of(made).words:
        raise UsageError(f"--anchor {name}: it tells no times of words", "a Whisper, voxtral-realtime or parakeet does")
    return made


def open_aligner(resolved: Resolved, recogniser: Transcriber | None = None) -> Aligner:
    """The aligner, loaded. Raises UsageError, UnavailableError, DataError.

    recogniser: what is open already, for an aligner that asks Whisper where it is at a loss; unless it is one, the
    Whisper that comes along is opened when it is first asked.
    """
    family = FAMILIES.get(resolved.family)
    if family is None or not family.aligns or resolved.folder is None:
        raise UsageError(f"{resolved.name} does not align words", _ALIGN_HINT)
    if family.module == "align_embedded":
        from speechcli.backends import align_embedded

        return align_embedded.open(setup_of(resolved), _rough_times(resolved.wanted, recogniser))
    return cast(_AlignerModule, importlib.import_module(f"speechcli.backends.{family.module}")).open(setup_of(resolved))


def _rough_times(wanted: Wanted, recogniser: Transcriber | None) -> Callable[[Audio, Sequence[str]], list[Word]]:
    """What Whisper says on when words are said: the recogniser, if it is a Whisper, or the one that comes along."""

    @cache
    def whisper() -> Whisper:
        from speechcli.backends.whisper import Whisper

        if isinstance(recogniser, Whisper):
            return recogniser
        small = Wanted(settings=ANCHOR, batch_size=1, model_dir=wanted.model_dir, offline=wanted.offline)
        opened = open_transcriber(resolve(small))
        assert isinstance(opened, Whisper)
        return opened

    return lambda audio, tokens: whisper().times([audio], [tokens])[0]


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
    """What is known of a model without loading it. needs: bytes of one batch, where the arithmetic knows the model."""

    longest: Seconds
    batch: int
    lanes: int
    size_mb: float
    needs: Estimate | None = None


def outline(wanted: Wanted) -> Outline:
    """For a plan. Raises UsageError, UnavailableError."""
    family = family_of(wanted)
    known = catalog.find(canonical(wanted.model))
    size = known.size_mb if known else 0.0
    if family is not FAMILIES["whisper"]:
        return _large(wanted, family, size)
    from speechcli.backends import placement
    from speechcli.backends.whisper import LONGEST, Settings

    settings = own.parse(Settings, wanted.settings)
    place = placement.for_ctranslate2(wanted.device, wanted.dtype)
    return Outline(LONGEST, wanted.batch_size or settings.batch_size, settings.lanes or place.lanes, size)


def _large(wanted: Wanted, family: Family, size_mb: float) -> Outline:
    """By arithmetic on the configuration that lies in the model's folder, or was published."""
    from speechcli.backends import budget, checkpoint, devices

    _check_words(wanted, family)
    longest = wanted.longest or family.longest
    batch = max(wanted.batch_size or 1, 1)
    name = canonical(wanted.model)
    folder = Path(name.removeprefix(GENERIC))
    config = checkpoint.configuration(folder) if folder.is_dir() else budget.PUBLISHED.get(name)
    if config is None or "model_type" not in config:
        return Outline(longest, batch, 1, size_mb, budget.Estimate(int(size_mb * 1e6), 0, 0, 0, batch, longest))
    width = {"float32": 4, "float16": 2, "bfloat16": 2}.get(wanted.dtype) or devices.likely_width(wanted.device)
    stored = checkpoint.stored(folder) if folder.is_dir() else ()
    return Outline(longest, batch, 1, size_mb, budget.estimate(config, longest, batch, width, wanted.quantize, stored))


def _check_words(wanted: Wanted, family: Family) -> None:
    """What a run would refuse whatever the machine; the engine is imported for settings alone. Raises UsageError."""
    if re.fullmatch(r"auto|mps|(cpu|cuda)(:\d+)?", wanted.device) is None:
        raise UsageError(f"no device is called {wanted.device}", "auto, cpu, cuda, cuda:1 or mps")
    if family.module != "vibevoice_onnx":  # which has its own
        if wanted.dtype not in _DTYPES:
            raise UsageError(f"this model cannot compute in {wanted.dtype}", f"it can in {', '.join(_DTYPES[1:])}")
        if wanted.attention not in (None, *_ATTENTIONS):
            raise UsageError(f"no attention is called {wanted.attention}", f"one of: {', '.join(_ATTENTIONS)}")
    given = {key: text for key, text in wanted.settings.items() if not key.startswith(_ALIGNERS)}
    if given:
        own.parse(importlib.import_module(f"speechcli.backends.{family.module}").Settings, given)


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
    from speechcli.backends import decoders, encoders, placement
    from speechcli.backends.whisper import Settings, Whisper
    from speechcli.backends.whisper_times import OTHERS, TINY_EN

    wanted = resolved.wanted
    given = dict(setup_of(resolved).settings)
    if wanted.batch_size is not None:
        given.setdefault("batch_size", str(wanted.batch_size if wanted.batch_size > 0 else _NO_LIMIT))
    settings = own.parse(Settings, given)
    place = placement.for_ctranslate2(wanted.device, wanted.dtype)
    place = dataclasses.replace(place, lanes=settings.lanes or place.lanes)
    kind = place.device.partition(":")[0]
    engine = f"faster-whisper on {kind} in {place.compute_type}"
    model = encoders.Model(folder, resolved.revision, place, settings.encoder_seconds)
    encoder = encoders.opened(model, settings.encoder)
    if encoder is not None:
        engine += f", encoder of {encoder.engine} in {encoder.precision}"
    embedded = catalog.find(catalog.EMBEDDED)
    heads = TINY_EN if embedded and resolved.revision == f"sha256:{embedded.sha256}" else OTHERS
    decoder = decoders.opened(model, heads, settings.decoder)
    if decoder is not None:
        engine += ", decoder of OpenVINO"
    told = tuple((f.name, str(getattr(settings, f.name))) for f in dataclasses.fields(settings))
    stage = Stage("transcribe", engine, resolved.name, resolved.revision, told)
    return Whisper(folder, stage, place, settings, encoder, heads, decoder)
