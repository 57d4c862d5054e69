"""Streaming Sortformers of transformers that tell who speaks: nvidia/Nemotron-3-Diarization and its like.

Source: transformers, models/nemotron3_diarization, and its documentation strings; Medennikov et al. 2025 (arXiv
2507.18446) for the speaker cache in order of arrival, by which voices are known again at any distance.

A recording is heard in the chunks in which the model hears a whole one by itself (its "offline mode": 27 s and 3 s of
what follows, where its streaming modes take half a second to one), but each as soon as it is there: the answers are the
same, and what is kept is a chunk of sound and the speaker cache, however long the recording is.
"""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import dataclass

import numpy as np
import torch
from transformers import AutoModelForAudioFrameClassification
from transformers.models.nemotron3_diarization.modeling_nemotron3_diarization import Nemotron3DiarizationSpeakerCache

from speechcli.backends import placement_torch, processors, weights
from speechcli.backends import settings as own
from speechcli.backends.base import Counts, Diarized, Diarizer, Hearing, OutOfMemoryError, Setup, Traits
from speechcli.core.audio import Audio, Samples
from speechcli.core.transcript import Stage, Turn
from speechcli.core.turns import tidied
from speechcli.errors import UnavailableError, UsageError

_KIND = "nemotron3_diarization"
_WHOLE = "whole"  # our name of a streaming mode, among the processor's, with the chunks of the offline one
_TRANSCRIBING = ("vibevoice_asr", "moss_transcribe_diarize")


@dataclass(frozen=True, slots=True)
class Settings:
    """What `--set` takes. threshold: probability above which somebody speaks, 0..1."""

    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise UsageError("threshold must lie between 0 and 1")


def open(setup: Setup) -> Diarizer:  # noqa: A001  # every backend's door
    """The model of the folder. Raises UsageError, UnavailableError, DataError."""
    settings = own.parse(Settings, setup.settings, setup.before)
    config = weights.config_of(setup.folder)
    kind = config.get("model_type")
    if kind in _TRANSCRIBING:
        raise UsageError(f"{setup.name} ({kind}) transcribes, and tells speakers along with the words")
    if kind != _KIND:
        made = str((config.get("architectures") or [kind])[0])
        raise UsageError(f"{setup.name} is a {made}, which does not tell who speaks", f"a {_KIND} of transformers does")
    return Sortformer(setup, settings)


class Sortformer:
    """A `Diarizer` that keeps a chunk of sound and a cache of voices of each recording."""

    traits: Traits
    stage: Stage

    def __init__(self, setup: Setup, settings: Settings) -> None:
        place = placement_torch.place(setup.device, setup.dtype)
        attention = placement_torch.attention(setup)
        more = {"attn_implementation": attention} if attention else {}
        self.processor = processors.load(setup.folder)
        self.model = placement_torch.load(AutoModelForAudioFrameClassification, setup, place, **more)
        config, extractor = self.model.config, self.processor.feature_extractor
        modes = {**self.processor.streaming_modes, _WHOLE: (config.chunk_length, config.chunk_right_context)}
        self.processor.streaming_modes = modes
        self.processor.set_streaming_mode(_WHOLE)
        self.name, self.threshold = setup.name, settings.threshold
        self.most = int(config.head_config.num_speakers)
        self.place = place
        self.alone = threading.Lock()  # torch computes one chunk on all cores
        told = tuple((key, str(value)) for key, value in dataclasses.asdict(settings).items())
        engine = f"transformers ({_KIND}) on {place.device} in {str(place.dtype).removeprefix('torch.')}"
        self.stage = Stage("diarize", engine, setup.name, setup.revision, told)
        self.traits = Traits(int(extractor.sampling_rate), float("inf"), gives_speakers=True)

    def begin(self, counts: Counts) -> Hearing:
        """A recording to be heard."""
        return _Hearing(self, counts)

    def close(self) -> None:
        """Frees the weights; the diarizer cannot be used any more."""
        del self.model
        placement_torch.give_back()


class _Hearing:
    """One recording on its way. Frames are the spectrogram's, of 10 ms; `stack` of them are one of the model's.

    done: frames that were told about. sound: what is not done with, from `_begin` on. before: the frames that the model
    hears again before a chunk, where it was made so; shape (1, frames, mels).
    """

    def __init__(self, diarizer: Sortformer, counts: Counts) -> None:
        self._its, self._counts = diarizer, counts
        config, extractor = diarizer.model.config, diarizer.processor.feature_extractor
        self._stack = int(config.audio_config.subsampling_factor)
        self._chunk = int(config.chunk_length) * self._stack
        self._back = int(config.chunk_left_context) * self._stack
        self._hop = int(extractor.hop_length)
        self._cache = Nemotron3DiarizationSpeakerCache(
            config.streaming_config,
            fifo_length=config.fifo_length,
            speaker_cache_update_period=config.speaker_cache_update_period,
        )
        self._before: torch.Tensor | None = None
        self._done = 0
        self._sound: list[Samples] = []
        self._first = 0  # sample of the recording at which the kept sound begins
        self._n = 0  # samples of the recording so far
        self._turns: list[Turn] = []

    @property
    def _begin(self) -> int:
        """The first sample that the next chunk needs."""
        return int(self._its.processor.audio_chunk_start(self._done)) if self._done else 0

    @property
    def _needed(self) -> int:
        """Samples of the next chunk, what it looks ahead to included."""
        processor = self._its.processor
        return int(processor.num_samples_per_audio_chunk if self._done else processor.num_samples_first_audio_chunk)

    def hear(self, block: Audio) -> None:
        """See `Hearing`. Raises UnavailableError."""
        if block.rate != self._its.traits.rate:
            raise ValueError(f"sound at {block.rate} Hz, not {self._its.traits.rate}")
        self._sound.append(block.samples.copy())  # it may be a view of what is written to next
        self._n += len(block.samples)
        while self._n - self._begin >= self._needed:
            features = self._features(self._kept()[: self._needed], last=False)
            self._tell(features[:, : self._chunk], features[:, self._chunk :])
            self._sound = [self._kept()[self._begin - self._first :]]
            self._first = self._begin

    def end(self) -> Diarized:
        """See `Hearing`. Raises UnavailableError."""
        if self._n // self._hop > self._done:
            features = self._features(self._kept(), last=True)
            while features.shape[1]:  # the last chunk but one may look ahead to less than a whole context
                self._tell(features[:, : self._chunk], features[:, self._chunk :])
                features = features[:, self._chunk :]
        turns = tidied(self._turns, self._n / self._its.traits.rate)
        return Diarized(turns, (), self._notes(len({turn.speaker for turn in turns})))

    def _notes(self, n: int) -> tuple[str, ...]:
        counts, its = self._counts, self._its
        if n and not counts.least <= n <= (counts.most or n):
            found = f"{n} speaker{'s' * (n != 1)}"
            return (f"{its.name} cannot be told how many speakers there are, and found {found}",)
        return (f"{its.name} tells at most {n} speakers apart, and found as many",) if n == its.most else ()

    def _kept(self) -> Samples:
        if len(self._sound) != 1:
            self._sound = [np.concatenate(self._sound)]
        return self._sound[0]

    def _features(self, samples: Samples, last: bool) -> torch.Tensor:
        """The spectrogram of the frames from `done` on, shape (1, frames, mels)."""
        made = self._its.processor(
            samples,
            sampling_rate=self._its.traits.rate,
            is_streaming=True,
            is_first_audio_chunk=self._done == 0,
            is_last_audio_chunk=last,
            return_tensors="pt",
        )
        features: torch.Tensor = made["input_features"]
        return features

    def _tell(self, chunk: torch.Tensor, ahead: torch.Tensor) -> None:
        """Turns of a chunk, with what follows it, as far as the model looks; both of shape (1, frames, mels)."""
        its, config = self._its, self._its.model.config
        ahead = ahead[:, : int(config.chunk_right_context) * self._stack]
        parts = [chunk, ahead] if self._before is None else [self._before, chunk, ahead]
        n_before = 0 if self._before is None else self._before.shape[1]
        heard = torch.cat(parts, dim=1)
        try:
            with its.alone, placement_torch.memory(), torch.inference_mode():
                logits = its.model(
                    input_features=heard.to(its.model.device, its.place.dtype),
                    speaker_cache=self._cache,
                    num_lookahead_frames=-(-ahead.shape[1] // self._stack),
                    num_lookback_frames=n_before // self._stack,
                ).logits.float()
        except OutOfMemoryError as error:
            raise UnavailableError(f"not enough memory on {its.place.device} for {its.name}", "--device cpu") from error
        logits = logits[:, : chunk.shape[1]]
        offset = self._done * self._hop / its.traits.rate
        for found in its.processor.extract_speaker_dict(logits.cpu(), threshold=its.threshold)[0]:
            self._turns.append(Turn(found["Start"] + offset, found["End"] + offset, f"{found['Speaker']:03d}"))
        if self._back:
            self._before = torch.cat(parts[:-1], dim=1)[:, -self._back :]
        self._done += chunk.shape[1]
