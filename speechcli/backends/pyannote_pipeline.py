"""The engine behind `diarize_pyannote`: pyannote.audio 4's SpeakerDiarization, put together from a folder.

Source: pyannote.audio, pipelines/speaker_diarization.py and core/model.py; Plaquet and Bredin 2023 for the powerset.

pyannote.audio's own loader would run code that comes with a model: it reads checkpoints with `weights_only=False`, and
makes any class that config.yaml names. So neither is asked. The checkpoints, which are torch's and not safetensors, are
read with `weights_only=True`, where nothing but tensors, plain values and the few records of `_RECORDS` can come out;
the classes are those of `_MODELS`; the PLDA is numpy's, without objects. What is put together is what the loader would
have made.

Nothing is told to pyannote's makers, who else hear of every model and recording (telemetry, PYANNOTE_METRICS_ENABLED).
"""

from __future__ import annotations

import dataclasses
import inspect
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of torchcodec, which reads files: we bring sound
    import pyannote.audio
    from pyannote.audio.core.plda import PLDA
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import WeSpeakerResNet34
    from pyannote.audio.models.segmentation import PyanNet
    from pyannote.audio.pipelines import SpeakerDiarization
    from pyannote.audio.telemetry import set_telemetry_metrics
    from pyannote.audio.utils.dependencies import check_dependencies

from speechcli.backends import placement_torch, processors
from speechcli.backends import settings as own
from speechcli.backends.base import Counts, Diarized, Hearing, OutOfMemoryError, Setup, Traits
from speechcli.backends.diarize_pyannote import EXTRA
from speechcli.core.audio import Audio
from speechcli.core.transcript import Stage, Turn, Voice
from speechcli.core.turns import tidied_with
from speechcli.errors import DataError, UnavailableError, UsageError

set_telemetry_metrics(False)

_MODELS = {kind.__name__: kind for kind in (PyanNet, WeSpeakerResNet34)}
_RECORDS = [Specifications, Problem, Resolution, torch.torch_version.TorchVersion]
_PIPELINE = "SpeakerDiarization"
_BATCH = 32  # of config.yaml: chunks of 10 s to the segmentation, voices of a chunk to the embedding


@dataclass(frozen=True, slots=True)
class Settings:
    """What `--set` takes; without, what config.yaml says.

    threshold: distance at which the first clustering stops. fa, fb: of VBx, how much evidence counts, and how much it
    takes for one more speaker. min_duration_off: seconds of a pause that is not one.
    """

    threshold: float | None = None
    fa: float | None = None
    fb: float | None = None
    min_duration_off: float | None = None


class Pyannote:
    """A `Diarizer`. It hears a recording whole: its sound is kept as float32, 230 MB an hour, until it ends."""

    traits: Traits
    stage: Stage

    def __init__(self, setup: Setup) -> None:
        settings = own.parse(Settings, setup.settings, setup.before)
        if setup.dtype not in ("auto", "float32"):
            raise UsageError(f"--dtype {setup.dtype}: {setup.name} computes in float32", "leave it out")
        device = placement_torch.place(setup.device, "float32").device
        self.pipeline = _pipeline(setup, settings)
        try:
            with placement_torch.memory():
                self.pipeline.to(device)
        except OutOfMemoryError as error:
            raise UnavailableError(f"not enough memory on {device} for {setup.name}", "--device cpu") from error
        self._device, self._name = device, setup.name
        self._one = threading.Lock()  # torch computes on all cores anyway, and a seed is kept for the whole process
        told = tuple((key, str(value)) for key, value in dataclasses.asdict(settings).items() if value is not None)
        engine = f"pyannote.audio {pyannote.audio.__version__} on {device} in float32"
        self.stage = Stage("diarize", engine, setup.name, setup.revision, told)
        self.traits = Traits(int(self.pipeline._embedding.sample_rate), float("inf"), gives_speakers=True)

    def begin(self, counts: Counts) -> Hearing:
        """A recording to be heard."""
        return _Hearing(self, counts)

    def close(self) -> None:
        """Frees the weights; the diarizer cannot be used any more."""
        del self.pipeline
        placement_torch.give_back()

    def turns(self, samples: np.ndarray[Any, Any], counts: Counts) -> Diarized:
        """samples: float32 (n,), n > 0. Raises UnavailableError where the device is too small."""
        file = {
            "waveform": torch.from_numpy(samples)[None],
            "sample_rate": self.traits.rate,
            "uri": "recording",
        }
        try:
            with self._one, placement_torch.memory(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about counts: told in notes; about stretches too short to be heard
                found, notes = self._apply(file, counts)
        except OutOfMemoryError as error:
            raise UnavailableError(
                f"not enough memory on {self._device} for {self._name}", "--batch-size 1, --device cpu"
            ) from error
        duration = len(samples) / self.traits.rate
        annotation = found.speaker_diarization
        turns = [Turn(span.start, span.end, str(who)) for span, _, who in annotation.itertracks(yield_label=True)]
        prints = found.speaker_embeddings if found.speaker_embeddings is not None else []
        seconds = {str(who): float(annotation.label_duration(who)) for who in annotation.labels()}
        voices = [
            Voice(who, seconds[who], tuple((row / length).tolist()))
            for who, row in zip(seconds, prints, strict=False)
            if (length := float(np.linalg.norm(row))) > 0  # not of those who never talk alone; NaN is not either
        ]
        tidy, heard = tidied_with(turns, voices, duration)
        n = len({turn.speaker for turn in tidy})
        if n and not counts.least <= n <= (counts.most or n):
            notes = (*notes, f"{self._name} found {n} speaker{'s' * (n != 1)}, not as many as were asked for")
        return Diarized(tidy, heard, notes)

    def _apply(self, file: dict[str, Any], counts: Counts) -> tuple[Any, tuple[str, ...]]:
        if counts.least == counts.most:
            asked = {"num_speakers": counts.least}
        else:
            asked = {"min_speakers": counts.least, **({"max_speakers": counts.most} if counts.most else {})}
        try:
            return self.pipeline(dict(file), **asked), ()
        except ValueError as error:
            if "n_clusters" not in str(error):  # scikit-learn's KMeans, of more clusters than there are voices
                raise
            return self.pipeline(dict(file)), ()


class _Hearing:
    """One recording on its way."""

    def __init__(self, diarizer: Pyannote, counts: Counts) -> None:
        self._diarizer, self._counts = diarizer, counts
        self._sound = bytearray()  # grows in place: a list of blocks would be there twice when they are joined

    def hear(self, block: Audio) -> None:
        """See `Hearing`."""
        if block.rate != self._diarizer.traits.rate:
            raise ValueError(f"sound at {block.rate} Hz, not {self._diarizer.traits.rate}")
        self._sound.extend(block.samples.tobytes())

    def end(self) -> Diarized:
        """See `Hearing`. Raises UnavailableError."""
        samples = np.frombuffer(self._sound, np.float32)
        return self._diarizer.turns(samples, self._counts) if len(samples) else Diarized()


def _pipeline(setup: Setup, settings: Settings) -> Any:
    """The pipeline that config.yaml describes. Raises UsageError, UnavailableError, DataError."""
    path = setup.folder / "config.yaml"
    try:
        config = yaml.safe_load(path.read_text("utf-8"))
        name, params = config["pipeline"]["name"], dict(config["pipeline"].get("params") or {})
        wanted = {key: dict(value or {}) for key, value in (config.get("params") or {}).items()}
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} describes no pipeline ({processors.reason(error)})", "is it whole?") from error
    if str(name).rpartition(".")[2] != _PIPELINE:
        raise DataError(f"{path} describes another pipeline than {_PIPELINE} ({name})")
    if config.get("preprocessors"):
        raise DataError(f"{path} wants to run code that it names (preprocessors), which is never done")
    _check_versions(config, setup.name)
    parts = {key: _part(setup.folder, key, params.pop(key, None)) for key in ("segmentation", "embedding", "plda")}
    batch = setup.batch(_BATCH) if setup.batch_size and setup.batch_size > 0 else None
    for key in ("segmentation_batch_size", "embedding_batch_size"):
        params[key] = batch or params.get(key, _BATCH)
    try:
        pipeline = SpeakerDiarization(
            segmentation=_model(parts["segmentation"] / "pytorch_model.bin", PyanNet),
            embedding=_model(parts["embedding"] / "pytorch_model.bin", WeSpeakerResNet34),
            plda=_plda(parts["plda"]),
            **{**params, "legacy": False},
        )
        pipeline.instantiate(wanted)
    except (TypeError, ValueError, KeyError) as error:
        raise DataError(f"{path} describes no pipeline of pyannote.audio ({processors.reason(error)})") from error
    given = {"threshold": "clustering", "fa": "clustering", "fb": "clustering", "min_duration_off": "segmentation"}
    for key, group in given.items():
        value, its = getattr(settings, key), {"fa": "Fa", "fb": "Fb"}.get(key, key)
        if value is not None:
            try:
                pipeline.instantiate({group: {its: value}})
            except ValueError as error:
                raise UsageError(f"--set {setup.before}{key}={value:g}: {processors.reason(error)}") from error
    return pipeline


def _check_versions(config: dict[str, Any], name: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_dependencies(dict(config.get("dependencies") or {}), "the pipeline")
    except Exception as error:  # its own, which share no ancestor; those of packaging, of a version that is none
        raise UnavailableError(
            f"{name} does not go with what is installed ({processors.reason(error)})", EXTRA
        ) from error


def _part(folder: Path, key: str, told: object) -> Path:
    """The folder of a part. Raises DataError for a part that lies elsewhere."""
    if not isinstance(told, str) or not told.startswith("$model/") or ".." in told:
        raise DataError(
            f"{folder / 'config.yaml'} takes its {key} from elsewhere ({told})", "only parts in its own folder are read"
        )
    return folder / told.removeprefix("$model/").partition("@")[0]


def _model(path: Path, kind: type[Any]) -> Any:
    """A checkpoint of pyannote.audio, ready to be asked. Raises DataError."""
    try:
        with torch.serialization.safe_globals(_RECORDS):
            held = torch.load(path, map_location="cpu", weights_only=True)
        told = held["pyannote.audio"]["architecture"]["class"]
        if _MODELS.get(told) is not kind:
            raise DataError(f"{path} holds a {told}, not a {kind.__name__}")
        known = inspect.signature(kind).parameters
        model = kind(**{key: value for key, value in held["hyper_parameters"].items() if key in known})
        model.on_load_checkpoint(held)
        lost = model.load_state_dict(held["state_dict"], strict=False).missing_keys
    except DataError:
        raise
    except Exception as error:  # zip, torch and lightning share no narrower ancestor
        raise DataError(
            f"the weights in {path} cannot be loaded ({processors.reason(error)})", "are they whole?"
        ) from error
    if lost:
        raise DataError(f"the weights in {path} are not those of its architecture ({lost[0]} is missing)")
    return model.eval()


def _plda(folder: Path) -> PLDA:
    try:
        return PLDA(folder / "xvec_transform.npz", folder / "plda.npz")
    except Exception as error:  # of zip, numpy and scipy
        raise DataError(
            f"the PLDA in {folder} cannot be loaded ({processors.reason(error)})", "is it whole?"
        ) from error
