"""Voxtral Realtime: text that runs beside the sound, one token for 80 ms, a fixed delay behind it.

Sources: Liu et al. 2026 (arXiv:2602.11298) for the delayed streams and their [P] and [W]; the card of
mistralai/Voxtral-Mini-4B-Realtime-2602 for languages and delays; transformers, models/voxtral_realtime, and
mistral_common, tokens/tokenizers/audio.py, for features, padding and prompt.

`generate` hears a whole file token by token: its encoder runs once for each of them. Here the encoder hears a block of
tokens at a time and only the language model steps, which gives the same tokens in less than half of the time. Each
block is heard and written before the next one is made into features, so an hour takes no more memory than a minute
but for the attention of the language model, which has an end too (8192 tokens in the published model).

A batch begins together and is padded with silence on the right. Nothing that is heard reaches back in time, so each
row reads as it would alone; it is cut where its own sound ends, for behind it the model makes words up.

What the language model remembers is a ring of fixed size, written in place: shapes and addresses are the same at each
step, so `--compile` takes the step as one graph (transformers' own static cache counts in Python, and is compiled anew
at each step). Then every batch is filled up to its full size, and the ring is that of the longest window.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from transformers import AutoModelForMultimodalLM
from transformers.cache_utils import Cache, CacheLayerMixin

from speechcli.backends import placement_torch, processors, settings
from speechcli.backends.base import Hints, OutOfMemoryError, Setup, Traits
from speechcli.core.audio import Audio, Samples
from speechcli.core.languages import VOXTRAL, name_of
from speechcli.core.span import Seconds
from speechcli.core.transcript import Heard, Segment, Stage, Word, joined
from speechcli.errors import DataError, UnavailableError, UsageError

NAME = "Voxtral Realtime"
RATE = 16_000  # Hz
TOKEN_MS = 80
TOKEN: Seconds = TOKEN_MS / 1000  # of sound
SHORTEST_DELAY, LONGEST_DELAY = TOKEN_MS, 2400  # ms: the range the model was taught
DELAY = 480  # ms: what the card recommends
BATCH = 8
ATTENTION = ("sdpa", "eager")  # the ring comes with its own mask, which flash attention cannot take
_PAUSE: Seconds = 1.0  # without a word ends a segment
_SENTENCE = re.compile(r"[.!?。！？…।؟][\"'”’»」』）)]*$")
_ABBREVIATION = re.compile(r"^\W*[A-Z][a-z]{0,2}\.$")
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # scripts without blanks


@dataclass(frozen=True, slots=True)
class Settings:
    """What `--set` takes for Voxtral Realtime.

    delay_ms, num_delay_tokens: how far the text stays behind the sound, said in one of two ways: 80 to 2400 ms in
    steps of 80 (480 unless set). Longer is more accurate; 960 ms is worth it for files. block: tokens that the encoder
    hears at once.
    """

    delay_ms: int | None = None
    num_delay_tokens: int | None = None
    block: int = 64

    def __post_init__(self) -> None:
        allowed = f"{SHORTEST_DELAY} to {LONGEST_DELAY} ms in steps of {TOKEN_MS}"
        if self.delay_ms is not None and (
            self.delay_ms % TOKEN_MS or not SHORTEST_DELAY <= self.delay_ms <= LONGEST_DELAY
        ):
            raise UsageError(f"delay_ms={self.delay_ms} is none of the model's delays", allowed)
        tokens = self.num_delay_tokens
        if tokens is not None and not SHORTEST_DELAY <= tokens * TOKEN_MS <= LONGEST_DELAY:
            raise UsageError(f"num_delay_tokens={tokens} is none of the model's delays", f"a token is 80 ms: {allowed}")
        if tokens is not None and self.delay_ms is not None and tokens * TOKEN_MS != self.delay_ms:
            raise UsageError(
                f"delay_ms={self.delay_ms} and num_delay_tokens={tokens} contradict each other", "give one of them"
            )
        if self.block < 1:
            raise UsageError("block must be at least 1")

    @property
    def delay(self) -> int:
        """In tokens."""
        return self.num_delay_tokens or (self.delay_ms or DELAY) // TOKEN_MS


def open(setup: Setup) -> VoxtralRealtime:  # noqa: A001  # the registry's name for it
    """The model of a folder. Raises UsageError, UnavailableError, DataError."""
    chosen = settings.parse(Settings, setup.settings)
    if setup.attention not in (None, *ATTENTION):
        raise UsageError(f"{NAME} runs with {' or '.join(ATTENTION)} attention, not {setup.attention}")
    if setup.compile and setup.batch_size == -1:
        raise UsageError(f"{NAME} is compiled for a batch of one size", "give --batch-size, such as 8")
    place = placement_torch.place(setup.device, setup.dtype)
    scribe = Scribe(_processor(setup.folder), chosen)
    seconds = placement_torch.fit(setup, place)  # before the model takes its share
    more = {"attn_implementation": setup.attention} if setup.attention else {}
    model = placement_torch.load(AutoModelForMultimodalLM, setup, place, **more)
    told = {
        "delay_ms": chosen.delay * TOKEN_MS,
        "block": chosen.block,
        "dtype": str(model.dtype).removeprefix("torch."),
        "attention": model.config._attn_implementation,
    }
    engine = f"transformers {transformers.__version__}"
    settled = tuple((key, str(value)) for key, value in told.items())
    stage = Stage("transcribe", engine, setup.name, setup.revision, settled)
    opened = VoxtralRealtime(model, scribe, setup, placement_torch.Room(place.device, seconds), stage)
    opened.known(setup, place)
    return opened


def _processor(folder: Path) -> Any:
    """The model's own processor. Raises DataError, UnavailableError."""
    if find_spec("mistral_common") is None:
        raise UnavailableError(f"{NAME} needs mistral-common", 'pip install "mistral-common[audio]"')
    if not (folder / "tekken.json").is_file():  # of which transformers says nothing
        raise DataError(f"{folder} holds no tekken.json, its tokenizer", "are all its files there?")
    return processors.load(folder, hint="is its tekken.json whole?")


@dataclass(frozen=True, slots=True)
class Written:
    """A token of text: where in the stream it stands, its bytes, its log probability. mark: a word begins with it."""

    index: int
    piece: bytes
    logprob: float
    mark: bool


class Scribe:
    """What the processor knows: sound to features, and tokens to words.

    A stream of tokens begins with `left` tokens of silence, to let the model warm up, and `delay` more before the
    first that it writes. `right` tokens of silence follow the sound, in which its last words are written.
    """

    def __init__(self, processor: Any, chosen: Settings) -> None:
        config = processor.mistral_common_audio_config
        config.transcription_delay_ms = float(chosen.delay * TOKEN_MS)
        self._processor = processor
        self._vocabulary = processor.tokenizer.tokenizer.instruct_tokenizer.tokenizer
        self.delay: int = processor.num_delay_tokens
        self.left: int = config.n_left_pad_tokens
        self.right: int = processor.num_right_pad_tokens
        self.block = chosen.block
        self.samples: int = processor.raw_audio_length_per_tok  # in a token
        self.frames: int = processor.audio_length_per_tok
        self._hop: int = processor.feature_extractor.hop_length
        self._window: int = processor.feature_extractor.win_length
        self._mark: int = processor.tokenizer.convert_tokens_to_ids("[STREAMING_WORD]")

    @property
    def prompt_length(self) -> int:
        """<s>, and the padding that stands for the silence on the left and for the delay."""
        return 1 + self.left + self.delay

    def n_tokens(self, n_samples: int) -> int:
        """Length of the stream of a sound, with what stands around it."""
        return self.left + -(-n_samples // self.samples) + self.right

    def blocks(self, sounds: Sequence[Samples]) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        """Features of sounds that begin together, block by block: shape (n, mels, frames), whole tokens of frames.

        With the first comes the prompt, shape (n, tokens). The features are those of the whole sounds at once, padded
        with silence to the longest: a frame reaches half a window to both sides, so blocks overlap by that.
        """
        n_frames = (max(self.n_tokens(len(sound)) for sound in sounds) - self.left) * self.frames
        reach = self._window // 2
        done = 0
        while done < n_frames:
            more = min(self.block * self.frames, n_frames - done)
            first = done == 0  # then the processor puts the silence on the left before it, and half a window at its end
            begin = 0 if first else done * self._hop - reach
            end = (done + more - first) * self._hop + reach  # the extractor drops the last frame that it makes
            made = self._processor(
                [_part(sound, begin, end) for sound in sounds],
                is_streaming=True,
                is_first_audio_chunk=first,
                return_tensors="pt",
            )
            yield made["input_features"], made["input_ids"] if first else None
            done += more

    def read(self, ids: NDArray[np.int64], logprobs: NDArray[np.float32]) -> list[Written]:
        """The text tokens of a stream, both of shape (tokens after the prompt,)."""
        out = []
        for at in np.flatnonzero(ids >= self._vocabulary.num_special_tokens).tolist():
            marked = at > 0 and int(ids[at - 1]) == self._mark
            piece = self._vocabulary.id_to_byte_piece(int(ids[at]))
            out.append(Written(self.prompt_length + at - marked, piece, float(logprobs[at]), marked))
        return out

    def when(self, index: int) -> Seconds:
        """When in the sound the word ended whose first token stands there."""
        return (index - self.left - self.delay) * TOKEN


def _part(sound: Samples, begin: int, end: int) -> Samples:
    """Samples begin to end, silence beyond the last, as the model expects them: within [-1, 1], never normalised."""
    out = np.zeros(end - begin, np.float32)
    part = sound[begin:end]
    np.clip(part, -1.0, 1.0, out=out[: len(part)])
    return out


class _Layer(CacheLayerMixin):  # type: ignore[no-untyped-call]  # transformers' __init_subclass__
    """Keys and values of one layer, written in place; their order does not matter to attention."""

    is_compileable = True
    is_sliding = True

    def __init__(self, ring: Ring) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ring = ring

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        rows, heads, _, width = key_states.shape
        self.keys = key_states.new_zeros((rows, heads, self.ring.slots, width))
        self.values = value_states.new_zeros((rows, heads, self.ring.slots, value_states.shape[-1]))
        torch._dynamo.mark_static_address(self.keys)  # CUDA graphs write into them
        torch._dynamo.mark_static_address(self.values)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None
        assert self.values is not None
        places = self.ring.places.to(self.keys.device)  # layers may be spread over devices
        self.keys[:, :, places] = key_states
        self.values[:, :, places] = value_states
        return self.keys, self.values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.ring.slots, 0

    def get_seq_length(self) -> int:
        return self.ring.length

    def get_max_length(self) -> int:
        return self.ring.slots


class Ring:
    """What the language model remembers of the last `slots` tokens of each row.

    length: tokens so far. positions, places: of the tokens that come next, in the stream and in the ring, (k,).
    """

    def __init__(self, model: Any, slots: int, device: torch.device) -> None:
        self.slots = slots
        self.length = 0
        self._position = torch.zeros(1, dtype=torch.long, device=device)
        self._place = torch.zeros(1, dtype=torch.long, device=device)
        self.positions, self.places = self._position, self._place
        self.cache = Cache([_Layer(self) for _ in range(model.config.text_config.num_hidden_layers)])

    @torch.inference_mode()
    def begin(self, n_tokens: int) -> None:
        """Forgets everything, and makes room for a prompt, which must not be longer than the ring."""
        self.cache.reset()  # type: ignore[no-untyped-call]
        self.length = n_tokens
        self.positions = self.places = torch.arange(n_tokens, device=self._position.device)

    def go_on(self) -> None:
        """Makes room for one token more. The tensors are the same each time, as compiled steps want them."""
        self.positions, self.places = self._position.fill_(self.length), self._place.fill_(self.length % self.slots)
        self.length += 1

    def seen(self) -> torch.Tensor:
        """Whether the tokens that come next may look at each slot, (k, slots): it holds nothing newer, nor too old."""
        return torch.arange(self.slots, device=self.positions.device) <= self.positions[:, None]


Step: TypeAlias = Callable[[Any, torch.Tensor, torch.Tensor, torch.Tensor, Ring], tuple[torch.Tensor, torch.Tensor]]


def _step(
    model: Any, ids: torch.Tensor, sound: torch.Tensor, delay: torch.Tensor, ring: Ring
) -> tuple[torch.Tensor, torch.Tensor]:
    """The next token of each row, shape (n, 1), and its log probability.

    ids: the tokens before it that the ring has not seen, (n, k). sound: what was heard beside them, (n, k, width).
    delay: its embedding, (1, width).
    """
    inputs = model.get_input_embeddings()(ids)
    inputs = inputs + sound.to(inputs.device)
    mask = ring.seen()
    if model.config.text_config._attn_implementation == "eager":  # adds its mask
        mask = torch.zeros_like(mask, dtype=inputs.dtype).masked_fill(~mask, torch.finfo(inputs.dtype).min)
    heard = model.model.language_model(
        inputs_embeds=inputs,
        attention_mask=mask[None, None],
        position_ids=ring.positions[None],
        past_key_values=ring.cache,
        use_cache=True,
        t_cond=delay,
    ).last_hidden_state
    logits = model.lm_head(heard[:, -1]).float()
    best, chosen = logits.max(-1, keepdim=True)
    return chosen, best - logits.logsumexp(-1, keepdim=True)


class Stream:
    """Sounds that begin together, as far as they have been heard and written.

    What is fed may be of any length, in whole tokens; the same sound gives the same text, however it is cut.
    """

    def __init__(self, model: Any, prompt: torch.Tensor, delay: int, ring: Ring, step: Step = _step) -> None:
        """Takes over the ring. prompt: shape (n, tokens). delay: in tokens. step: for one token, maybe compiled."""
        self._model, self._ring, self._step = model, ring, step
        ring.begin(prompt.shape[1])
        self._device = ring.positions.device
        self._ids = prompt.to(self._device)
        self._delay = model.model.time_embedding(torch.full((1,), delay, device=self._device, dtype=model.dtype))[None]
        self._encoder: dict[str, Any] = {"past_key_values": None, "padding_cache": None}
        self._unread: torch.Tensor | None = None  # sound heard before the prompt was over
        self._tokens: list[torch.Tensor] = []
        self._logprobs: list[torch.Tensor] = []

    @torch.inference_mode()
    def feed(self, features: torch.Tensor) -> None:
        """Hears on. features: shape (n, mels, frames), whole tokens of frames."""
        heard = self._model.get_audio_features(
            input_features=features.to(self._device, self._model.dtype), use_cache=True, **self._encoder
        )
        self._encoder = {"past_key_values": heard.past_key_values, "padding_cache": heard.padding_cache}
        sound = heard.pooler_output if self._unread is None else torch.cat([self._unread, heard.pooler_output], 1)
        begin = 0
        while begin + (width := self._ids.shape[1]) <= sound.shape[1]:
            step = self._step if width == 1 else _step  # the prompt has a shape of its own
            beside = sound[:, begin : begin + width].contiguous()  # strides are compiled in
            chosen, logprob = step(self._model, self._ids, beside, self._delay, self._ring)
            self._ring.go_on()
            begin += width
            self._ids = chosen.clone()  # a CUDA graph writes over what it gave
            self._tokens.append(self._ids)
            self._logprobs.append(logprob.clone())
        self._unread = sound[:, begin:] if begin < sound.shape[1] else None

    def take(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Tokens written since the last time, and their log probabilities, both of shape (n, tokens)."""
        if not self._tokens:
            return np.zeros((len(self._ids), 0), np.int64), np.zeros((len(self._ids), 0), np.float32)
        tokens, logprobs = torch.cat(self._tokens, 1), torch.cat(self._logprobs, 1)
        self._tokens, self._logprobs = [], []
        return tokens.cpu().numpy(), logprobs.cpu().numpy()


class VoxtralRealtime(placement_torch.Learner):
    """A `Transcriber`."""

    def __init__(self, model: Any, scribe: Scribe, setup: Setup, room: placement_torch.Room, stage: Stage) -> None:
        self._model, self._scribe, self._device = model, scribe, room.device
        self._step: Step = _step
        self._ring: Ring | None = None  # the one that a compiled step writes into
        self._rows = 0  # that a batch is filled up to for it
        self._ring_rows = 0
        self._compiled = setup.compile
        batch = setup.batch(BATCH)
        if setup.compile:
            self._step = torch.compile(_step, mode="reduce-overhead" if room.device.type == "cuda" else None)
            self._rows = batch
        self.stage = stage
        self.traits = Traits(
            rate=RATE,
            longest=setup.longest,
            batch=batch,
            seconds=room.seconds,
            gives_words=True,
            languages=VOXTRAL,
        )

    def transcribe(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        """One `Heard` per audio; see `Transcriber`. Raises OutOfMemoryError, UsageError, UnavailableError."""
        for hint in hints:
            self._check(hint)
        there = [i for i, audio in enumerate(batch) if len(audio.samples)]
        answers = [Heard() for _ in batch]
        try:
            with placement_torch.compiling(NAME), placement_torch.memory():
                streams = self._write([batch[i].samples for i in there]) if there else []
        except OutOfMemoryError:
            self._rows, self._ring = self._rows // 2, None
            raise
        for i, written in zip(there, streams, strict=True):
            answers[i] = self._heard(batch[i], hints[i], written)
        return answers

    def close(self) -> None:
        """Frees the weights; the transcriber cannot be used any more."""
        del self._model, self._ring
        placement_torch.give_back()

    def _check(self, hint: Hints) -> None:
        if hint.task != "transcribe":
            raise UsageError(f"{NAME} cannot translate", "it writes what is said, as it is said")
        if len(hint.languages) == 1 and hint.languages[0] not in VOXTRAL:
            known = ", ".join(name_of(code) for code in VOXTRAL)
            raise UsageError(f"{NAME} does not know {name_of(hint.languages[0])}", f"it knows {known}")

    def _memory(self, n_rows: int, n_tokens: int) -> Ring:
        """A new ring, or, for a compiled step, the same each time: that of the longest window."""
        window: int = self._model.config.text_config.sliding_window
        if not self._compiled:
            return Ring(self._model, min(n_tokens, window), self._device)
        if self._ring is None or self._ring_rows != n_rows:
            longest = self._scribe.n_tokens(round(self.traits.longest * RATE))
            self._ring, self._ring_rows = Ring(self._model, min(longest, window), self._device), n_rows
        return self._ring

    def _write(self, sounds: list[Samples]) -> list[list[Written]]:
        lengths = [self._scribe.n_tokens(len(sound)) for sound in sounds]
        padded = [*sounds, *[np.zeros(0, np.float32)] * (self._rows - len(sounds))]
        ring = self._memory(len(padded), max(lengths))
        stream = None
        for features, prompt in self._scribe.blocks(padded):
            if prompt is not None:
                stream = Stream(self._model, prompt, self._scribe.delay, ring, self._step)
            assert stream is not None
            stream.feed(features)
        assert stream is not None
        tokens, logprobs = stream.take()
        prompted = self._scribe.prompt_length
        return [
            self._scribe.read(ids[: length - prompted], row[: length - prompted])
            for length, ids, row in zip(lengths, tokens, logprobs, strict=False)
        ]

    def _heard(self, audio: Audio, hint: Hints, written: Sequence[Written]) -> Heard:
        language = hint.languages[0] if len(hint.languages) == 1 else None
        words = _words(written, self._scribe.when, audio.duration)
        raw = b"".join(token.piece for token in written).decode("utf-8", "replace")
        told = hint.hotwords or hint.context
        notes = (f"{NAME} takes no hotwords or context",) if told else ()
        return Heard(tuple(_segments(words, language)), language=language if words else None, notes=notes, raw=raw)


@dataclass(frozen=True, slots=True)
class _Timed:
    """A word and the logarithm of its probability, the sum over `n_tokens`."""

    word: Word
    logprob: float
    n_tokens: int


def _words(written: Sequence[Written], when: Callable[[int], Seconds], duration: Seconds) -> list[_Timed]:
    """Tokens grouped into words. A stream says when a word ended; it begins where the one before ended,
    or, after a pause, as long before its end as it takes to say.
    """
    groups: list[list[Written]] = []
    for token in written:
        if groups and not _begins(groups[-1], token):
            groups[-1].append(token)
        else:
            groups.append([token])
    out: list[_Timed] = []
    before: Seconds = 0.0
    for group in groups:
        text = b"".join(token.piece for token in group).decode("utf-8", "replace")
        if not text.strip():
            continue
        end = min(max(when(group[0].index), before), duration)
        spoken = _spoken(text.strip())
        pause = not out or end - before > 2 * spoken
        start = max(before, end - spoken) if pause else before
        total = sum(token.logprob for token in group)
        confidence = round(float(np.exp(total / len(group))), 4)
        out.append(_Timed(Word(min(start, end), end, text, confidence), total, len(group)))
        before = end
    return out


def _begins(word: Sequence[Written], token: Written) -> bool:
    """Whether a token begins a word of its own, after the tokens of another."""
    if token.mark or token.piece[:1].isspace():
        return True
    try:
        before, text = b"".join(t.piece for t in word).decode(), token.piece.decode()
    except UnicodeDecodeError:  # part of a character
        return False
    return bool(_UNSPACED.match(text) and before)


def _spoken(text: str) -> Seconds:
    """How long a word takes to say: about 12 letters a second, and three times that for ideographs and kana."""
    letters = sum(3 if _UNSPACED.match(char) else 1 for char in text if char.isalnum())
    return 0.12 + 0.08 * letters


def _segments(words: Sequence[_Timed], language: str | None) -> Iterator[Segment]:
    """Words parted where a sentence ends or nothing was said for a second."""
    run: list[_Timed] = []
    for word in words:
        if run and (word.word.start - run[-1].word.end > _PAUSE or _ends_sentence(run[-1].word.text)):
            yield _segment(run, language)
            run = []
        run.append(word)
    if run:
        yield _segment(run, language)


def _ends_sentence(word: str) -> bool:
    return _SENTENCE.search(word) is not None and _ABBREVIATION.match(word) is None


def _segment(run: Sequence[_Timed], language: str | None) -> Segment:
    words = tuple(timed.word for timed in run)
    mean = sum(timed.logprob for timed in run) / sum(timed.n_tokens for timed in run)
    return Segment(words[0].start, words[-1].end, joined(words), words, None, language, round(mean, 4))
