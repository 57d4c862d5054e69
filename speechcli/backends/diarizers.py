"""Names to opened diarizers, and to what knows voices again. Their engine files are imported here, and late.

A diarizer is one that only tells who speaks when, or a transcriber that tells speakers too (`transcribes`), of which
the turns alone are taken; the latter is resolved and opened as for transcribing.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, cast

from speechcli.backends import catalog, community1, registry
from speechcli.backends.base import Diarizer, Setup, VoicePrinter
from speechcli.backends.catalog import FAMILIES
from speechcli.backends.registry import GENERIC, Resolved, Wanted
from speechcli.errors import UnavailableError, UsageError

NAMES = ("embedded", "pyannote", "vibevoice", "vibevoice-onnx")
_HINT = "one that does: embedded, pyannote, vibevoice, hf:nvidia/Nemotron-3-Diarization"
_EMBEDDED = ("auto", "embedded")  # here this means no Whisper
_OWN = "community-1"
_PYANNOTE = "pyannote"
_GENERIC = "hf-diarizer"
_KINDS = {"nemotron3_diarization": _GENERIC, "moss_transcribe_diarize": "hf", "vibevoice_asr": "vibevoice"}
"""transformers' model_type of those that tell speakers to our family."""
_NEEDS = {
    _OWN: (("kaldi_native_fbank", "kaldi-native-fbank"), ("scipy", "scipy")),
    _PYANNOTE: (("pyannote.audio", "pyannote.audio"),),
}
"""Packages of an extra, as they are imported and as they are installed."""
_HEEDED = {
    _OWN: (),
    _PYANNOTE: ("--batch-size", "--revision"),
    _GENERIC: ("--attn-implementation", "--quantize", "--revision"),
}
_DTYPES = {_OWN: (), _PYANNOTE: ("float32",)}  # others take what transformers does


def diarizer_for(wanted: Wanted) -> Wanted:
    """The diarizer meant: `auto` and `embedded` are community-1's that comes with the extra.

    Of an `hf:` model its config.json is read, and fetched where it is not there. Raises UsageError for what does not
    tell speakers, and for an option that would do nothing; UnavailableError, DataError.
    """
    if wanted.model.strip().lower() in _EMBEDDED:
        wanted = replace(wanted, model=catalog.EMBEDDED_DIARIZER)
    elif _is_id(wanted.model):
        wanted = replace(wanted, model=GENERIC + wanted.model.removeprefix(GENERIC))  # no other kind tells speakers
    _check_heeded(wanted, _family(wanted))
    return wanted


def transcribes(wanted: Wanted) -> bool:
    """Whether what `diarizer_for` gave is a transcriber, to be resolved and opened as such for its speakers."""
    return not FAMILIES[_family(wanted)].diarizes


def resolve(wanted: Wanted) -> Resolved:
    """Finds the diarizer's weights, fetching them from the hub when they are missing, and what else it needs.

    wanted: what `diarizer_for` gave. Raises UsageError, UnavailableError, DataError.
    """
    from speechcli.backends import weights

    family = _family(wanted)
    check_packages(family)
    if family == _OWN:
        folder = _at(wanted.model) or community1.find(wanted.model_dir)
        return Resolved(wanted, catalog.EMBEDDED_DIARIZER, family, folder, community1.REVISION)
    if family == _PYANNOTE and Path(wanted.model).is_dir():
        found = weights.of_folder(Path(wanted.model), family)
        return Resolved(wanted, str(Path(wanted.model).resolve()), family, found.folder, found.revision)
    return replace(registry.resolve(wanted), family=family)


def open_diarizer(resolved: Resolved) -> Diarizer:
    """The diarizer, loaded. Raises UsageError, UnavailableError, DataError."""
    family = FAMILIES[resolved.family]
    if not family.diarizes:
        raise UsageError(f"{resolved.name} transcribes: its speakers come with the words", _HINT)
    check_packages(resolved.family)
    module = importlib.import_module(f"speechcli.backends.{family.module}")
    return cast(_DiarizerModule, module).open(registry.setup_of(resolved))


def open_printer(model_dir: Path | None = None) -> VoicePrinter | None:
    """What knows voices again: community-1's embedding, where it is on this machine with what it needs; else None.

    Nothing is fetched. Raises DataError where other weights lie in its place.
    """
    try:
        check_packages(_OWN)
        found = community1.load(community1.find(model_dir))
    except UnavailableError:
        return None
    from speechcli.backends import wespeaker

    return wespeaker.open_printer(found)


def check_packages(family: str = _OWN) -> None:
    """Raises UnavailableError where a package of the family's extra is not installed."""
    for module, name in _NEEDS.get(family, ()):
        parent = module.partition(".")[0]
        if find_spec(parent) is None or find_spec(module) is None:
            extra = "pyannote" if family == _PYANNOTE else "diarize"
            raise UnavailableError(f"{name} is not installed", f'pip install "speechcli[{extra}]"')


class _DiarizerModule(Protocol):
    def open(self, setup: Setup) -> Diarizer: ...


def _family(wanted: Wanted) -> str:
    """Name of the family of a model that tells speakers. Raises UsageError, UnavailableError, DataError."""
    known = catalog.find(wanted.model)
    if known is not None:
        family: str | None = known.family
    elif _at(wanted.model) is not None:
        family = _OWN
    else:
        family = _family_of_path(wanted) if _lies_here(wanted.model) else _family_of_hub(wanted)
    if family is None or not (FAMILIES[family].diarizes or family in _KINDS.values() or family == "vibevoice-onnx"):
        raise UsageError(f"{wanted.model} does not tell who speaks", _HINT)
    return family


def _family_of_path(wanted: Wanted) -> str | None:
    from speechcli.backends import weights

    folder = Path(wanted.model.removeprefix(GENERIC))
    if (folder / "config.yaml").is_file():
        return _PYANNOTE
    family = weights.kind_of(folder)
    return _KINDS.get(str(weights.config_of(folder)["model_type"])) if family == "hf" else family


def _family_of_hub(wanted: Wanted) -> str | None:
    from speechcli.backends import weights

    name = registry.canonical(wanted.model)
    if not name.startswith(GENERIC):
        return None
    return _KINDS.get(weights.model_type(weights.source_of(name), wanted.revision, wanted.model_dir, wanted.offline))


def _lies_here(name: str) -> bool:
    return Path(name.removeprefix(GENERIC)).is_dir()


def _is_id(name: str) -> bool:
    """Whether it is of the hub and not of the catalogue."""
    here = _lies_here(name) or _at(name) is not None
    return "/" in name and catalog.find(name) is None and not here and not name.startswith(registry.CTC)


def _at(name: str) -> Path | None:
    """A folder or wheel of the user's own with the embedded diarizer's models."""
    return community1.inside(Path(name))


def _check_heeded(wanted: Wanted, family: str) -> None:
    """An option that would do nothing is refused. Raises UsageError."""
    if not FAMILIES[family].diarizes:
        registry.family_of(wanted)
        return
    if wanted.longest is not None:
        raise UsageError(f"--chunk-size is not for {wanted.model}, which hears any length", "leave it out")
    if family == _OWN and wanted.device not in ("auto", "cpu"):
        raise UsageError(f"--device {wanted.device}: {wanted.model} runs on the processor", "leave it out")
    given = {
        "--dtype": wanted.dtype not in ("auto", *_DTYPES.get(family, (wanted.dtype,))),
        "--attn-implementation": wanted.attention is not None,
        "--quantize": wanted.quantize is not None,
        "--compile": wanted.compile,
        "--batch-size": wanted.batch_size is not None,
        "--revision": wanted.revision is not None,
    }
    for option in (name for name, told in given.items() if told and name not in _HEEDED[family]):
        raise UsageError(f"{option} is not for {wanted.model}", "leave it out")
