"""VibeVoice-ASR through transformers: an hour in one pass, and who said what, when.

Two convolutional encoders turn 24 kHz sound into 7.5 frames a second, which stand in the prompt of a language model;
it answers in JSON (`vibevoice_answer`). The sound is fed to the encoders piece by piece from the caller's own array,
the prompt to the language model piece by piece too: transformers' processor and `generate` do the same to an hour in
one go, and copy it five times. A test holds that what the model is given equals what they would give it.

Sources: transformers 5.23, models/vibevoice_asr; the model card of microsoft/VibeVoice-ASR-HF.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForMultimodalLM,
    CompileConfig,
    DynamicCache,
    GenerationConfig,
    StaticCache,
)

from speechcli.backends import placement_torch, processors, settings, vibevoice_answer
from speechcli.backends.base import Hints, OutOfMemoryError, Setup, Traits
from speechcli.core.audio import Audio, Samples
from speechcli.core.span import Seconds
from speechcli.core.transcript import Heard, Stage
from speechcli.errors import DataError, UsageError

BATCH = 4
BATCH_SECONDS: Seconds = 3600.0  # unless told how many: an hour is alone in its batch, others would be padded to it
MOST_TOKENS = 32_768  # the model card
TOKENS_PER_SECOND = 12  # of answer; dense meetings have 9.7 (microsoft/VibeVoice, docs/vibevoice-asr.md)
SPARE_TOKENS = 128
HOP = 3200  # samples a frame of the encoders
CHUNK_SECONDS = {"cpu": 10}  # a cache's worth, measured: 2.5 times faster than a minute
GPU_CHUNK_SECONDS = 60
BLOCK = 1 << 20  # samples looked at together
CACHE_STEP = 1024  # tokens by which a static cache grows: each new length is compiled anew


@dataclass(frozen=True, slots=True)
class Settings:
    """What `--set` takes.

    max_new_tokens: tokens of an answer; by the length of the sound unless given. acoustic_tokenizer_chunk_size: samples
    at 24 kHz that the encoders see at a time. prefill_chunk_size: tokens of the prompt that the language model sees at
    a time. seed: of the noise that the model was trained with on its acoustic latents, and of sampling; without one
    there is no noise. do_sample, temperature, top_p, repetition_penalty: as in transformers. compile_backend: of
    `--compile`.
    """

    max_new_tokens: int | None = None
    acoustic_tokenizer_chunk_size: int | None = None
    prefill_chunk_size: int = 2048
    seed: int | None = None
    do_sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    compile_backend: str = "inductor"

    def __post_init__(self) -> None:
        size = self.acoustic_tokenizer_chunk_size
        if size is not None and (size < 1 or size % HOP):
            raise UsageError(
                f"acoustic_tokenizer_chunk_size={size} is no multiple of {HOP} samples",
                f"a minute is {60 * 24_000}, the next smaller {max(size // HOP, 1) * HOP}",
            )
        for name in ("max_new_tokens", "prefill_chunk_size"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise UsageError(f"{name} must be at least 1")
        for name in ("temperature", "top_p", "repetition_penalty"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be above 0")
        if self.top_p > 1:
            raise UsageError("top_p must be at most 1")
        known = torch.compiler.list_backends(exclude_tags=())
        if self.compile_backend not in known:
            raise UsageError(f"compile_backend={self.compile_backend} is none of {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class _Prompt:
    """One row of a batch. ids: tokens, the sound's placeholders among them. frames: (n, width). place: of the first."""

    ids: list[int]
    frames: torch.Tensor
    place: int


def open(setup: Setup) -> VibeVoice:  # noqa: A001  # the registry's name for it
    """The model, loaded. Raises UsageError, UnavailableError, DataError."""
    opened = VibeVoice(setup)
    opened.known(setup, opened.place)
    return opened


class VibeVoice(placement_torch.Learner):
    """A `Transcriber`."""

    def __init__(self, setup: Setup) -> None:
        self._settings = settings.parse(Settings, setup.settings)
        self.place = placement_torch.place(setup.device, setup.dtype)
        asked = placement_torch.attention(setup)
        # refused by the convolutional encoders, which have none: it is the language model's
        more: dict[str, object] = {"attn_implementation": {"text_config": asked}} if asked else {}
        room = placement_torch.fit(setup, self.place)
        self._model = placement_torch.load(AutoModelForMultimodalLM, setup, self.place, **more)
        self._processor = processors.load(setup.folder, asked=True)
        config = self._model.config
        if self._processor.audio_token_id != config.audio_token_id:  # a lost tokenizer.json gives an empty tokenizer
            raise DataError(f"the tokenizer in {setup.folder} is not that of its model", "is it whole?")
        self._hop: int = config.acoustic_tokenizer_encoder_config.hop_length
        kind = self.place.device.type
        self._chunk = self._settings.acoustic_tokenizer_chunk_size or (
            CHUNK_SECONDS.get(kind, GPU_CHUNK_SECONDS) * 24_000 // self._hop * self._hop
        )
        # transformers takes the chunk for the longest text, and warns at each longer one; the chunks here are our own
        config.acoustic_tokenizer_chunk_size = config.text_config.max_position_embeddings * self._hop
        self._compile = setup.compile
        self._cache: StaticCache | None = None
        self._cache_shape = (0, 0)  # rows, tokens
        self._ends = self._end_tokens()
        told_settings = tuple((f.name, str(getattr(self._settings, f.name))) for f in dataclasses.fields(Settings))
        precision = str(self.place.dtype).removeprefix("torch.")
        engine = f"transformers on {kind} in {precision}"
        self.stage = Stage("transcribe", engine, setup.name, setup.revision, told_settings)
        self.traits = Traits(
            rate=self._processor.feature_extractor.sampling_rate,
            longest=setup.longest,
            batch=setup.batch(BATCH),
            seconds=room if setup.batch_size else min(room, BATCH_SECONDS),
            gives_speakers=True,
            takes_prompt=True,
        )

    def transcribe(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        """One `Heard` per audio of at most an hour; see `Transcriber`.

        Raises OutOfMemoryError, UsageError, UnavailableError.
        """
        answers = [Heard() for _ in batch]
        there = [i for i, audio in enumerate(batch) if len(audio.samples)]
        for i in there:
            if batch[i].rate != self.traits.rate:
                raise ValueError(f"VibeVoice listens at {self.traits.rate} Hz, not at {batch[i].rate}")
            vibevoice_answer.check(hints[i])
        if not there:
            return answers
        try:
            with placement_torch.compiling(self.stage.model), placement_torch.memory(), torch.inference_mode():
                prompts = [self._prompt(batch[i], hints[i]) for i in there]
                rooms = [self._room(batch[i].duration) for i in there]
                self._check_length(max(len(prompt.ids) for prompt in prompts) + max(rooms))
                rows = self._generated(prompts, max(rooms))
        except OutOfMemoryError:
            self._cache = None  # the smaller batch that comes next needs its place
            raise
        for i, row, room in zip(there, rows, rooms, strict=True):
            answers[i] = self._heard(batch[i], hints[i], row[:room])
        return answers

    def close(self) -> None:
        """Frees the weights; the transcriber cannot be used any more."""
        self._model = self._cache = None
        placement_torch.give_back()

    def _end_tokens(self) -> list[int]:
        """The model's own, and the end of its turn, after which it only says that it has ended."""
        own = self._model.generation_config.eos_token_id
        turn = self._processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
        ends = dict.fromkeys([*(own if isinstance(own, list) else [own]), turn, self._processor.tokenizer.eos_token_id])
        return [end for end in ends if end is not None]

    def _room(self, duration: Seconds) -> int:
        """Tokens for the answer about so much sound."""
        return self._settings.max_new_tokens or min(MOST_TOKENS, SPARE_TOKENS + int(TOKENS_PER_SECOND * duration))

    def _check_length(self, tokens: int) -> None:
        """Raises UsageError for more tokens than the model can tell apart by their place."""
        most = self._model.config.text_config.max_position_embeddings
        if tokens > most:
            raise UsageError(
                f"sound, hotwords, context and answer need {tokens} tokens of the model's {most}",
                "give less context, a smaller --chunk-size or --set max_new_tokens",
            )

    # --- what the model is given

    def _prompt(self, audio: Audio, hints: Hints) -> _Prompt:
        frames = self._frames(audio.samples)
        ids = self._ids(len(audio.samples), len(frames), vibevoice_answer.told(hints))
        return _Prompt(ids, frames, ids.index(self._processor.audio_token_id))

    def _ids(self, n_samples: int, n_frames: int, prompt: str | None) -> list[int]:
        """Tokens of the processor's own template, with a placeholder a frame."""
        silent = np.zeros(1, np.float32)  # only its presence counts while the text is not tokenized
        (text,) = self._processor.apply_transcription_request(silent, prompt=prompt, tokenize=False)
        duration = f"{n_samples / self.traits.rate:.2f}"  # as in the processor's __call__
        text = text.replace(self._processor.audio_duration_token, duration)
        ids: list[int] = self._processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        at = ids.index(self._processor.audio_token_id)
        return [*ids[:at], *[ids[at]] * n_frames, *ids[at + 1 :]]

    def _frames(self, samples: Samples) -> torch.Tensor:
        """The sound as the language model sees it, shape (samples / 3200 rounded up, width).

        samples: (n,), as they come; loudness is put right here.
        """
        gain = self._gain(samples)
        model, device = self._model.model, self.place.device
        acoustic_cache = semantic_cache = None
        parts = []
        noise = self._noise()
        for first in range(0, len(samples), self._chunk):
            piece = samples[first : first + self._chunk] * gain  # a copy, of the size of a chunk
            chunk = torch.from_numpy(np.pad(piece, (0, -len(piece) % self._hop)))[None, None]
            if device.type == "cuda":
                chunk = chunk.pin_memory()  # else a copy beside the work might read what is gone already
            chunk = chunk.to(device, non_blocking=chunk.is_pinned()).to(self.place.dtype)
            acoustic = model.acoustic_tokenizer_encoder(chunk, padding_cache=acoustic_cache, use_cache=True)
            semantic = model.semantic_tokenizer_encoder(chunk, padding_cache=semantic_cache, use_cache=True)
            acoustic_cache, semantic_cache = acoustic.padding_cache, semantic.padding_cache
            latents = acoustic.latents
            if noise is not None:
                latents = latents + noise(latents)
            parts.append(model.multi_modal_projector(latents, semantic.latents)[0])
        return torch.cat(parts)

    def _noise(self) -> _Noise | None:
        deviation = self._model.config.acoustic_tokenizer_encoder_config.vae_std
        return None if self._settings.seed is None else _Noise(self._settings.seed, deviation)

    def _gain(self, samples: Samples) -> np.float32:
        """Of VibeVoiceAcousticTokenizerFeatureExtractor: to -25 dB of full scale, and peaks to 1."""
        extractor = self._processor.feature_extractor
        if not extractor.normalize_audio:
            return np.float32(1)
        square = peak = 0.0
        for first in range(0, len(samples), BLOCK):
            block = samples[first : first + BLOCK]
            square += float(np.dot(block, block))
            peak = max(peak, float(block.max()), -float(block.min()))
        gain = 10 ** (extractor.target_dB_FS / 20) / ((square / len(samples)) ** 0.5 + extractor.eps)
        return np.float32(gain / (peak * gain + extractor.eps) if peak * gain > 1 else gain)

    # --- what it answers

    def _generated(self, prompts: Sequence[_Prompt], room: int) -> list[list[int]]:
        """Tokens of each answer, up to `room`."""
        config = self._generation(room)
        ids, mask = padded([prompt.ids for prompt in prompts], config.pad_token_id)
        ids, mask = ids.to(self.place.device), mask.to(self.place.device)
        length = ids.shape[1]
        positions = (mask.cumsum(-1) - 1).clamp(min=0)  # a padded row is turned as it is alone
        cache = self._cache_for(len(prompts), length + room)
        self._prefill(prompts, ids[:, :-1], mask, positions, cache)
        with self._dice(config.do_sample):
            out = self._model.generate(
                ids, attention_mask=mask, position_ids=positions, past_key_values=cache, generation_config=config
            )
        rows: list[list[int]] = out[:, length:].tolist()
        return rows

    @contextlib.contextmanager
    def _dice(self, needed: bool) -> Iterator[None]:
        """Random numbers from the seed, those of others left alone."""
        if not needed:
            yield
            return
        device = self.place.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self._settings.seed or 0)
            yield

    def _prefill(
        self, prompts: Sequence[_Prompt], ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Any
    ) -> None:
        """Fills the cache with all of the prompts but their last token, which `generate` takes; no logits are made.

        ids: (rows, tokens). `generate` cannot do it piece by piece: it takes neither embeddings of this class nor
        splits raw sound.
        """
        step = self._settings.prefill_chunk_size
        for first in range(0, ids.shape[1], step):
            part = ids[:, first : first + step]
            stop = first + part.shape[1]
            embedded = self._model.get_input_embeddings()(part).clone()
            for row, prompt in enumerate(prompts):
                place = ids.shape[1] + 1 - len(prompt.ids) + prompt.place
                begin, end = max(first, place), min(stop, place + len(prompt.frames))
                if begin < end:
                    frames = prompt.frames[begin - place : end - place]
                    embedded[row, begin - first : end - first] = frames.to(embedded.device, embedded.dtype)
            self._model.model.language_model(
                inputs_embeds=embedded,
                attention_mask=mask[:, :stop],
                position_ids=positions[:, first:stop],
                past_key_values=cache,
                use_cache=True,
            )

    def _cache_for(self, rows: int, tokens: int) -> StaticCache | DynamicCache:
        text = self._model.config.text_config
        if not self._compile:
            return DynamicCache(config=text)
        held_rows, held = self._cache_shape
        if self._cache is None or rows != held_rows or tokens > held:
            self._cache = None  # before its successor takes memory
            before = held if rows == held_rows else 0  # an hour's length times four rows would not fit
            self._cache_shape = (rows, max(before, -(-tokens // CACHE_STEP) * CACHE_STEP))
            self._cache = StaticCache(config=text, max_cache_len=self._cache_shape[1])
        self._cache.reset()  # type: ignore[no-untyped-call]
        return self._cache

    def _generation(self, room: int) -> GenerationConfig:
        chosen = self._settings
        config: GenerationConfig = copy.deepcopy(self._model.generation_config)
        config.max_new_tokens, config.max_length, config.min_length = room, None, None
        config.eos_token_id = self._ends
        config.pad_token_id = self._ends[0] if config.pad_token_id is None else config.pad_token_id
        config.do_sample, config.num_beams = chosen.do_sample, 1
        config.temperature = chosen.temperature if chosen.do_sample else None
        config.top_p = chosen.top_p if chosen.do_sample else None
        config.top_k = 0 if chosen.do_sample else None
        config.repetition_penalty = chosen.repetition_penalty
        if self._compile:
            # CUDA graphs are the default compiler's; the other backends know no modes
            mode = "reduce-overhead" if chosen.compile_backend == "inductor" else "default"
            config.compile_config = CompileConfig(backend=chosen.compile_backend, mode=mode)
            config.compile_config._compile_all_devices = True
        else:
            config.disable_compile = True
        return config

    def _heard(self, audio: Audio, hints: Hints, row: list[int]) -> Heard:
        raw: str = self._processor.tokenizer.decode(row, skip_special_tokens=True)
        return vibevoice_answer.heard(raw, audio.duration, hints, len(row), bool(set(row) & set(self._ends)))


class _Noise:
    """The Gaussian noise of the sigma-VAE, as in get_audio_features: its size drawn once an audio, from the seed."""

    def __init__(self, seed: int, deviation: float) -> None:
        self._random = torch.Generator().manual_seed(seed)
        self._size = deviation * torch.randn(1, generator=self._random)

    def __call__(self, latents: torch.Tensor) -> torch.Tensor:
        drawn = self._size * torch.randn(latents.shape, generator=self._random)
        return drawn.to(latents.device, latents.dtype)


def padded(rows: Sequence[Sequence[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and attention mask, shape (rows, longest): padded in front, so that all prompts end together.

    >>> padded([[5], [6, 7]], 0)[0].tolist()
    [[0, 5], [6, 7]]
    """
    longest = max(map(len, rows))
    ids = torch.tensor([[pad] * (longest - len(row)) + list(row) for row in rows])
    before = torch.tensor([longest - len(row) for row in rows])
    return ids, (torch.arange(longest) >= before[:, None]).long()
