"""Qwen3-ASR through transformers: text in 30 languages, found or told, of sound up to 20 minutes.

Sources: Qwen3-ASR technical report (arXiv:2601.21337); the model cards Qwen/Qwen3-ASR-1.7B-hf and -0.6B-hf;
transformers 5.23, models/qwen3_asr; QwenLM/Qwen3-ASR, qwen_asr/inference/utils.py.

Each audio is featurised alone, for the processor's own batches give its last frame another value, and encoded once,
for its answer may be decoded twice. What is decoded together is padded on the left, with sound already in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    CompileConfig,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    NoRepeatNGramLogitsProcessor,
    Qwen3ASRForConditionalGeneration,
    RepetitionPenaltyLogitsProcessor,
    StaticCache,
)
from transformers.models.qwen3_asr.processing_qwen3_asr import LANGUAGE_CODE_TO_NAME

from speechcli.backends import checkpoint, placement_torch, processors
from speechcli.backends import settings as own
from speechcli.backends.base import Hints, OutOfMemoryError, Setup, Traits
from speechcli.core.audio import Audio
from speechcli.core.languages import QWEN3_ASR, code_of, name_of
from speechcli.core.span import Seconds, Span, total
from speechcli.core.transcript import Dropped, Heard, Segment, Stage
from speechcli.errors import DataError, UsageError

RATE = 16_000  # Hz
ENCODED_AT_ONCE: Seconds = 600.0  # the convolutions hold 3 MB a second in bfloat16 (480 channels, 64 x 50 a second)
REACH = 800  # frames of 10 ms that the encoder's attention spans (n_window_infer)
TOKENS_AT_LEAST, TOKENS_A_SECOND = 64, 12  # of an answer; Chinese spoken fast has 7 a second
BATCH, BATCH_ON_CPU = 32, 8  # audios at once, where the memory allows
CACHE_STEP = 1024  # tokens: lengths of a static cache, so that few of them are compiled
SLOWEST = 0.25  # words a second: a name said once in so much speech was not said, but told
TOLD = 12  # letters: a shorter context may well be all that was said

_NAMES = {code_of(code) or code: name for code, name in LANGUAGE_CODE_TO_NAME.items()}  # ours to what the model writes
_NOTHING = "None"  # the language of silence
_MARK = "<asr_text>"
_SPECIAL = re.compile(r"<\|.*?\|>")


@dataclass(frozen=True, slots=True)
class Settings:
    """What `--set` takes for Qwen3-ASR.

    max_new_tokens: of an answer; None: 64 and 12 a second of sound (the model's own 512 end near 150 s of speech).
    do_sample, temperature, top_p, top_k, seed: drawn answers instead of the likeliest. repetition_penalty: above 1
    makes what an answer has said less likely. num_beams: answers followed at once. no_repeat_ngram_size: tokens that
    may not come twice when an answer without an end is tried again. compile_backend: of torch.compile.
    """

    max_new_tokens: int | None = None
    do_sample: bool = False
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int = 0
    repetition_penalty: float | None = None
    num_beams: int = 1
    no_repeat_ngram_size: int = 8
    compile_backend: str = "inductor"

    def __post_init__(self) -> None:
        for name in ("max_new_tokens", "top_k", "num_beams", "no_repeat_ngram_size"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise UsageError(f"{name} must be at least 1")
        for name in ("temperature", "top_p", "repetition_penalty"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise UsageError(f"{name} must be more than 0")
        if not self.do_sample and any(v is not None for v in (self.temperature, self.top_p, self.top_k)):
            raise UsageError("temperature, top_p and top_k are for drawn answers", "add --set do_sample=true")


@dataclass(frozen=True, slots=True)
class _Request:
    """One audio, ready for the model.

    embedded: prompt with the sound in it, shape (tokens, width). limit: tokens of the answer. allowed: languages that
    it may begin with; empty: any. forced: the language it is told, as an ISO code.
    """

    embedded: torch.Tensor
    limit: int
    allowed: tuple[str, ...] = ()
    forced: str | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """tokens: as the model gave them, without the end. ended: whether it came to one."""

    tokens: list[int]
    ended: bool
    notes: tuple[str, ...] = ()


class _OneOf(LogitsProcessor):
    """Lets the answers of a batch begin in the ways given for each; a row without ways is free.

    nothing: how an answer about silence begins. It is open to a row that likes it best of all, and to no other: of
    the languages left, silence would often be the likeliest.
    """

    def __init__(self, ways: Sequence[Sequence[tuple[int, ...]]], nothing: tuple[int, ...]) -> None:
        self._ways = ways
        self._nothing = nothing
        self._longest = max((len(way) for row in ways for way in row), default=0)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """input_ids: what has been said, (rows, tokens). scores: of the next token, (rows, vocabulary)."""
        at = input_ids.shape[1]
        if at >= self._longest:
            return scores
        barred = torch.zeros_like(scores, dtype=torch.bool)
        per_way = len(input_ids) // len(self._ways)  # beams of a row follow each other
        for row, (said, best) in enumerate(zip(input_ids.tolist(), scores.argmax(-1).tolist(), strict=True)):
            ways = self._ways[row // per_way]
            allowed = {way[at] for way in ways if len(way) > at and list(way[:at]) == said}
            if allowed and [*said, best] != list(self._nothing[: at + 1]):
                barred[row] = True
                barred[row, list(allowed)] = False
        return scores.masked_fill(barred, float("-inf"))


def open(setup: Setup) -> Qwen3Asr:  # noqa: A001  # the registry's name for it
    """The model of a folder. Raises UsageError, UnavailableError, DataError."""
    settings = own.parse(Settings, setup.settings)
    place = placement_torch.place(setup.device, setup.dtype)
    attention = placement_torch.attention(setup)
    processor = load_processor(setup.folder)
    seconds = placement_torch.fit(setup, place)  # before the model takes its share
    more = {"attn_implementation": attention} if attention else {}
    model = placement_torch.load(Qwen3ASRForConditionalGeneration, setup, place, **more)
    opened = Qwen3Asr(model, processor, setup, settings, placement_torch.Room(place.device, seconds))
    opened.known(setup, place)
    return opened


class Qwen3Asr(placement_torch.Learner):
    """A `Transcriber`."""

    def __init__(
        self, model: Any, processor: Any, setup: Setup, settings: Settings, room: placement_torch.Room
    ) -> None:
        self._model = model
        self._device = room.device
        self._features_on = str(room.device) if room.device.type == "cuda" else "cpu"
        self._processor = processor
        self._tokenizer = processor.tokenizer
        self._settings = settings
        self._compile = setup.compile
        self._cache: StaticCache | None = None  # that a compiled step writes into
        self._cache_rows = 0
        ends = model.generation_config.eos_token_id or model.config.eos_token_id
        self._ends = frozenset([ends] if isinstance(ends, int) else ends)
        # ours alone: what a checkpoint brings of its own would be warned about, or be mixed with --set
        model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
            eos_token_id=sorted(self._ends), pad_token_id=model.config.pad_token_id
        )
        self._ways = {
            name: tuple(self._tokenizer(f"language {name}{_MARK}", add_special_tokens=False)["input_ids"])
            for name in (*_NAMES.values(), _NOTHING)
        }
        likes = BATCH if room.device.type != "cpu" else BATCH_ON_CPU
        self.traits = Traits(
            rate=RATE,
            longest=setup.longest,
            batch=setup.batch(likes),
            seconds=room.seconds,
            gives_times=False,
            takes_prompt=True,
            languages=QWEN3_ASR,
        )
        told = asdict(settings) | {
            "dtype": str(model.dtype).removeprefix("torch."),
            "attention": model.config._attn_implementation,
        }
        self.stage = Stage(
            "transcribe",
            f"transformers {transformers.__version__}",
            setup.name,
            setup.revision,
            tuple((key, str(value)) for key, value in told.items()),
        )

    def transcribe(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[Heard]:
        """One `Heard` per audio, its text in one segment; see `Transcriber`.

        Raises OutOfMemoryError, UsageError, UnavailableError.
        """
        answers = [Heard() for _ in batch]
        there = [i for i, audio in enumerate(batch) if len(audio.samples)]
        if not there:
            return answers
        try:
            with placement_torch.compiling(self.stage.model), placement_torch.memory(), torch.no_grad():
                requests = self._requests([batch[i] for i in there], [hints[i] for i in there])
                found = self._answers(requests)
        except OutOfMemoryError:
            self._cache = None  # the smaller batch that comes next needs its place
            raise
        for i, request, answer in zip(there, requests, found, strict=True):
            answers[i] = self._heard(batch[i], hints[i], request, answer)
        return answers

    def close(self) -> None:
        """Frees the weights; the transcriber cannot be used any more."""
        self._model = self._cache = None
        placement_torch.give_back()

    def _requests(self, batch: Sequence[Audio], hints: Sequence[Hints]) -> list[_Request]:
        inputs = [self._inputs(audio, hint) for audio, hint in zip(batch, hints, strict=True)]
        sounds = self._encode(inputs)
        return [
            self._request(*one) for one in zip(batch, hints, (i["input_ids"][0] for i in inputs), sounds, strict=True)
        ]

    def _request(self, audio: Audio, hint: Hints, ids: torch.Tensor, sound: torch.Tensor) -> _Request:
        """ids: of the prompt, (tokens,). sound: for its audio tokens, (audio tokens, width)."""
        limit = self._settings.max_new_tokens or TOKENS_AT_LEAST + int(audio.duration * TOKENS_A_SECOND)
        room = self._model.config.text_config.max_position_embeddings
        if len(ids) + limit > room:
            raise UsageError(
                f"sound, context and answer need {len(ids) + limit} tokens of the model's {room}",
                "give less context, a smaller --chunk-size or --set max_new_tokens",
            )
        ids = ids.to(self._device)
        embedded = self._model.get_input_embeddings()(ids)
        embedded[ids == self._model.config.audio_token_id] = sound.to(embedded)
        allowed, forced = self._languages(hint)
        return _Request(embedded, limit, allowed, forced)

    def _inputs(self, audio: Audio, hint: Hints) -> Any:
        """The processor's tokens (1, tokens), features (1, 128, frames) and mask (1, frames) of one audio.

        It pads what is shorter than half a second with zeros, as the original did.
        """
        if hint.task != "transcribe":
            raise UsageError("this model writes what is said and cannot translate", "see: speechcli models")
        _, forced = self._languages(hint)
        prompts = self._processor.apply_transcription_request(
            audio.samples,
            language=None if forced is None else _NAMES[forced],
            prompt=self._told(hint) or None,
            tokenize=False,
        )
        return self._processor(
            text=prompts,
            audio=[audio.samples],
            audio_kwargs={"sampling_rate": audio.rate, "device": self._features_on},
        )

    def _languages(self, hint: Hints) -> tuple[tuple[str, ...], str | None]:
        """Languages allowed, empty for any, and the one that is sure."""
        for code in hint.languages:
            if code not in _NAMES:
                raise UsageError(
                    f"this model does not know {name_of(code)}", f"its {len(QWEN3_ASR)}: {' '.join(QWEN3_ASR)}"
                )
        return (hint.languages, None) if len(hint.languages) != 1 else ((), hint.languages[0])

    def _told(self, hint: Hints) -> str:
        """Hotwords, then the context: no special tokens, whatever they spell, and nothing that UTF-8 cannot hold."""
        text = "\n".join(part for part in (", ".join(hint.hotwords), hint.context.strip()) if part)
        text = _SPECIAL.sub(" ", text.encode("utf-8", "replace").decode())
        for token in self._tokenizer.get_added_vocab():
            text = text.replace(token, " ")
        return text.strip()

    def _encode(self, inputs: Sequence[Any]) -> list[torch.Tensor]:
        """The sound of each as the language model takes it, shape (tokens, width).

        It is encoded in parts that change nothing: the encoder looks no further than 8 s, counted from the start.
        """
        most = max(1, int(ENCODED_AT_ONCE * 100) // REACH) * REACH
        features = [piece for i in inputs for piece in i["input_features"][0].split(most, dim=1)]
        masks = [piece for i in inputs for piece in i["input_features_mask"][0].split(most)]
        found = []
        for part in _together([len(mask) for mask in masks], most):
            sound = _padded_right([features[k] for k in part]).to(self._device, self._model.dtype)
            mask = _padded_right([masks[k] for k in part]).to(self._device)
            found.append(self._model.get_audio_features(sound, mask).pooler_output)
        token = self._model.config.audio_token_id
        return list(torch.split(torch.cat(found), [int((i["input_ids"][0] == token).sum()) for i in inputs]))

    def _answers(self, requests: Sequence[_Request]) -> list[_Answer]:
        """What the model says; an answer without an end is tried once more, with n-grams forbidden to repeat."""
        found = self._generate(requests)
        endless = [i for i, answer in enumerate(found) if not answer.ended]
        if endless:
            size = self._settings.no_repeat_ngram_size
            again = self._generate([requests[i] for i in endless], [NoRepeatNGramLogitsProcessor(size)])
            for i, second in zip(endless, again, strict=True):
                if second.ended:
                    note = f"an answer without an end was tried again, no {size} tokens twice"
                    found[i] = _Answer(second.tokens, True, (note,))
                else:
                    note = f"an answer was cut off after {requests[i].limit} tokens (--set max_new_tokens)"
                    found[i] = _Answer(found[i].tokens, False, (note,))
        return found

    def _generate(self, requests: Sequence[_Request], rules: Sequence[LogitsProcessor] = ()) -> list[_Answer]:
        """rules: for the next token. They see the answers alone, for the prompts are given as embeddings."""
        settings = self._settings
        n_prompt, n_new = max(len(r.embedded) for r in requests), max(r.limit for r in requests)
        embedded = torch.stack([_padded_left(r.embedded, n_prompt) for r in requests])
        attention = torch.stack(
            [_padded_left(torch.ones_like(r.embedded[:, 0], dtype=torch.long), n_prompt) for r in requests]
        )
        names = [[_NAMES[code] for code in r.allowed] for r in requests]
        if any(names):
            rules = [*rules, _OneOf([[self._ways[name] for name in row] for row in names], self._ways[_NOTHING])]
        if settings.repetition_penalty is not None:
            # by hand: as an argument it would leave out as many tokens of an answer as its prompt has padding
            rules = [*rules, RepetitionPenaltyLogitsProcessor(settings.repetition_penalty)]
        with _drawn(settings.seed, self._device) if settings.do_sample else nullcontext():
            rows = self._model.generate(
                inputs_embeds=embedded,
                attention_mask=attention,
                max_new_tokens=n_new,
                do_sample=settings.do_sample,
                temperature=settings.temperature,
                top_p=settings.top_p,
                top_k=settings.top_k,
                num_beams=settings.num_beams,
                logits_processor=LogitsProcessorList(rules),
                **(self._compiled(len(requests), n_prompt + n_new) if self._compile else {}),
            ).tolist()
        return [self._ended(row, request.limit) for row, request in zip(rows, requests, strict=True)]

    def _compiled(self, n_rows: int, n_tokens: int) -> dict[str, Any]:
        """Arguments of `generate` for a compiled step, and the cache that it writes into.

        It is the same from batch to batch, unless it is too short or more than twice as long as needed: a CUDA graph is
        recorded anew for each address, and `generate` itself would make one for each batch, as long as the longest yet.
        """
        backend = self._settings.compile_backend
        compiled = CompileConfig(backend=backend, mode="reduce-overhead" if backend == "inductor" else "default")
        compiled._compile_all_devices = True  # type: ignore[assignment]  # transformers leaves CPUs out unless told
        size = -(-n_tokens // CACHE_STEP) * CACHE_STEP
        held = 0 if self._cache is None or n_rows != self._cache_rows else int(self._cache.get_max_length())
        if not size <= held <= 2 * size:
            self._cache = None  # before its successor takes memory
            self._cache = StaticCache(config=self._model.config.get_text_config(decoder=True), max_cache_len=size)
            self._cache_rows = n_rows
        assert self._cache is not None
        self._cache.reset()  # type: ignore[no-untyped-call]
        return {"past_key_values": self._cache, "compile_config": compiled}

    def _ended(self, row: list[int], limit: int) -> _Answer:
        """A row as its own limit would have cut it, had it been alone."""
        stop = next((i for i, token in enumerate(row[:limit]) if token in self._ends), None)
        return _Answer(row[:limit] if stop is None else row[:stop], stop is not None)

    def _heard(self, audio: Audio, hint: Hints, request: _Request, answer: _Answer) -> Heard:
        raw = self._tokenizer.decode(answer.tokens, skip_special_tokens=True)
        head, mark, rest = raw.partition(_MARK)
        language = request.forced
        if language is None and mark:
            language = code_of(head.strip().removeprefix("language ").partition(",")[0])
        elif language is None and head.startswith("language"):
            rest = ""  # cut off before its text
        else:
            rest = raw
        # The original's own repair: one sign or pattern more than 20 times in a row is a loop.
        text = self._processor.parse_output(_MARK + rest)["transcription"]
        loops = int(len(text) < len(rest.strip()))
        span = _spoken(audio, hint)
        if not text:
            return Heard(notes=answer.notes, raw=raw)
        if reason := _leak(text, hint):
            return Heard(dropped=(Dropped(span.start, span.end, text, reason),), notes=answer.notes, raw=raw)
        segment = Segment(span.start, span.end, text, language=language)
        return Heard((segment,), language=language, loops=loops, notes=answer.notes, raw=raw)


def load_processor(folder: Path) -> Any:
    """Tokenizer, features and prompt of a folder. Raises DataError, UnavailableError."""
    processor = processors.load(folder, asked=True)
    # transformers makes an empty tokenizer where there are no files of one
    if processor.audio_token_id != checkpoint.configuration(folder).get("audio_token_id"):
        raise DataError(f"the tokenizer in {folder} is not that of its config.json", "are its files whole?")
    return processor


def _together(n_frames: Sequence[int], most: int) -> Iterator[list[int]]:
    """Neighbours that are encoded at once: no more than `most` frames, all padded to the longest.

    >>> list(_together([200, 500, 400, 600], 1000))
    [[0, 1], [2], [3]]
    """
    part: list[int] = []
    for i in range(len(n_frames)):
        if part and max(n_frames[k] for k in (*part, i)) * (len(part) + 1) > most:
            yield part
            part = []
        part.append(i)
    yield part


def _padded_right(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    """The rows with zeros after the end of the last axis, stacked."""
    width = max(row.shape[-1] for row in rows)
    return torch.stack([torch.nn.functional.pad(row, (0, width - row.shape[-1])) for row in rows])


def _padded_left(tensor: torch.Tensor, length: int) -> torch.Tensor:
    return torch.cat([tensor.new_zeros(length - len(tensor), *tensor.shape[1:]), tensor])


@contextmanager
def _drawn(seed: int, device: torch.device) -> Iterator[None]:
    """The same draws each time, without touching anybody else's."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _spoken(audio: Audio, hint: Hints) -> Span:
    """From the first to the last speech in the audio; all of it when nobody listened for some."""
    if not hint.speech:
        return Span(0.0, audio.duration)
    start = min(max(0.0, min(s.start for s in hint.speech)), audio.duration)
    return Span(start, max(start, min(audio.duration, max(s.end for s in hint.speech))))


def _leak(text: str, hint: Hints) -> str:
    """Why the text was told and not heard; empty when it was heard."""
    said, hotwords, context = _bare(text), _bare("".join(hint.hotwords)), _bare(hint.context)
    if not said:
        return ""
    if hotwords and said == hotwords:
        spoken = total(hint.speech)
        if len(hint.hotwords) > 1 or len(hint.hotwords[0].split()) < SLOWEST * spoken:
            return "only the hotwords, in their order"
    if len(context) >= TOLD and said in (context, hotwords + context):
        return "the context, word for word"
    return ""


def _bare(text: str) -> str:
    """Letters and digits only."""
    return "".join(re.findall(r"\w", text.casefold()))
