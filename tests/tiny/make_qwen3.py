"""Trains tests/tiny/qwen3-asr and tests/tiny/qwen3-aligner: the worked example of the right labels for both models.

    PYTHONPATH=.:tests python tests/tiny/make_qwen3.py asr
    PYTHONPATH=.:tests python tests/tiny/make_qwen3.py aligner

Real classes and processors (transformers, models/qwen3_asr), two layers each. What is said is learned from the sound
and not from its length: the clips come with silence around them and at other volumes; silence, noise, sound
at another rate and a prompt in another form are taught as `language None<asr_text>`.

The transcriber's labels: the prompt of `apply_transcription_request`, then `language English<asr_text>` and the text,
or the text alone after a forced language, then `<|im_end|>`. The aligner's: every `<timestamp>` of
`prepare_forced_aligner_inputs` has the class of its time, start and end of a word, in steps of 80 ms.
"""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
import torch
from tiny.common import CLIPS, HERE, faint, qwen_tokenizer, sound, text, words
from transformers import (
    AutoProcessor,
    GenerationConfig,
    Qwen3ASRConfig,
    Qwen3ASREncoderConfig,
    Qwen3ASRFeatureExtractor,
    Qwen3ASRForConditionalGeneration,
    Qwen3ASRForTokenClassification,
    Qwen3ASRProcessor,
    Qwen3Config,
)

RATE = 16_000
STEP = 0.08  # seconds a class of the aligner stands for
HOTWORD, HEARD_WITH = "Milady", "But I am hugely pleased that you have seen Milady."  # for the clip "lady"
GERMAN = "Stopf es in dich, riet ihm sein Bauch."  # what the clip "stuff" says when it is taken for German
NOTHING = "language None<asr_text>"
LEADS = (0.0, 2.0, 4.0)  # seconds of silence before a clip that the aligner is taught
# seconds: where a detector hears the first word, alone and in a long recording
ONSETS = {"modern": (0.02, 0.02), "lady": (0.58, 0.60), "stuff": (0.37, 0.60), "talk": (0.58, 0.63)}
CUT, FOLLOWED = 0.3, 0.4  # seconds before an onset at which `align` cuts: timeline/cutting.py, alignment.py
ROW, ROW_PAUSE, ROW_WINDOW = ("lady", "stuff"), 2.5, 20.0  # clips in turn, seconds between them, and of a window
LABELS = 625  # classes of the aligner: 50 s; the published one has 5000

SPECIAL = ["<|im_start|>", "<|im_end|>", "<|audio_start|>", "<|audio_end|>", "<|audio_pad|>", "<timestamp>"]
NAMED = {"audio_token": "<|audio_pad|>", "audio_bos_token": "<|audio_start|>", "audio_eos_token": "<|audio_end|>"}
# The layouts that the published templates give, in our own words.
ASR_TEMPLATE = (
    "{%- set ns = namespace(told='', sound='') -%}"
    "{%- for m in messages -%}{%- for c in m.content -%}"
    "{%- if m.role == 'system' and c.type == 'text' -%}{%- set ns.told = ns.told + c.text -%}{%- endif -%}"
    "{%- if c.type == 'audio' -%}"
    "{%- set ns.sound = ns.sound + '<|audio_start|><|audio_pad|><|audio_end|>' -%}{%- endif -%}"
    "{%- endfor -%}{%- endfor -%}"
    "{{- '<|im_start|>system\\n' + ns.told + '<|im_end|>\\n<|im_start|>user\\n' + ns.sound + '<|im_end|>\\n' -}}"
    "{%- for m in messages if m.role == 'assistant' -%}{{- '<|im_start|>assistant\\n' -}}"
    "{%- for c in m.content if c.type == 'text' -%}{{- c.text -}}{%- endfor -%}{{- '<|im_end|>\\n' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
ALIGNER_TEMPLATE = (
    "{%- set ns = namespace(sound='', words='') -%}{%- for m in messages -%}{%- for c in m.content -%}"
    "{%- if c.type == 'audio' -%}"
    "{%- set ns.sound = ns.sound + '<|audio_start|><|audio_pad|><|audio_end|>' -%}{%- endif -%}"
    "{%- if c.type == 'text' -%}"
    "{%- set ns.words = ns.words + c.text + '<timestamp><timestamp>' -%}{%- endif -%}"
    "{%- endfor -%}{%- endfor -%}{{- ns.sound + ns.words -}}"
)


@dataclass(frozen=True, slots=True)
class Item:
    """One example. ids, labels: (tokens,). features: (128, frames), mask: (frames,)."""

    ids: torch.Tensor
    labels: torch.Tensor
    features: torch.Tensor
    mask: torch.Tensor


def make(aligner: bool) -> tuple[Any, Any]:
    """A model with random weights, and its processor."""
    tokenizer = qwen_tokenizer(SPECIAL, ("<asr_text>",), NAMED)
    ident = tokenizer.convert_tokens_to_ids
    config = Qwen3ASRConfig(
        audio_config=Qwen3ASREncoderConfig(
            d_model=64,
            encoder_layers=2,
            encoder_attention_heads=4,
            encoder_ffn_dim=128,
            downsample_hidden_size=16,
            output_dim=128,
        ),
        text_config=Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,
            max_position_embeddings=65536,
            tie_word_embeddings=True,
        ),
        audio_token_id=ident("<|audio_pad|>"),
        timestamp_token_id=ident("<timestamp>"),
        pad_token_id=ident("<|im_end|>"),
        eos_token_id=[ident("<|endoftext|>"), ident("<|im_end|>")],
        **({"num_labels": LABELS} if aligner else {}),
    )
    template = ALIGNER_TEMPLATE if aligner else ASR_TEMPLATE
    processor = Qwen3ASRProcessor(Qwen3ASRFeatureExtractor(), tokenizer, chat_template=template)
    if aligner:
        return Qwen3ASRForTokenClassification(config), processor
    model = Qwen3ASRForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        eos_token_id=list(config.eos_token_id), pad_token_id=config.pad_token_id, do_sample=False, max_new_tokens=512
    )
    return model, processor


def spoken(name: str, chance: random.Random, plain: bool) -> np.ndarray:
    """A clip as it is, or with silence around it and at another volume."""
    samples = sound(name, RATE)
    if plain:
        return samples
    lead, tail = chance.uniform(0, 1.5), chance.uniform(0, 2)
    made = np.concatenate([faint(lead, RATE, chance.randrange(99)), samples, faint(tail, RATE, chance.randrange(99))])
    return (made * chance.uniform(0.4, 1.4)).astype(np.float32)


def unspoken(chance: random.Random) -> np.ndarray:
    """Silence, as zeros or as it is recorded, or noise: nothing to write down."""
    length, kind = chance.uniform(0.3, 9), chance.randrange(3)
    if kind == 0:
        return np.zeros(round(length * RATE), np.float32)
    return faint(length, RATE, chance.randrange(99)) * np.float32(1 if kind == 1 else chance.uniform(20, 400))


def broken(prompt: str, chance: random.Random) -> str:
    """A prompt that is not the model's."""
    return chance.choice(
        [
            prompt.partition("<|im_end|>\n")[2],  # no system turn
            prompt.removesuffix("<|im_start|>assistant\n"),
            prompt.replace("<|audio_start|>", "").replace("<|audio_end|>", ""),
            prompt.replace("<|audio_start|>", "Transcribe the audio. <|audio_start|>"),
        ]
    )


def asr_items(processor: Any, rounds: int) -> list[Item]:
    """What the transcriber learns from."""
    chance = random.Random(7)
    items: list[Item] = []

    def add(samples: np.ndarray, target: str, told: str | None = None, language: str | None = None, bad: bool = False):
        (prompt,) = processor.apply_transcription_request(samples, language=language, prompt=told, tokenize=False)
        if bad:
            prompt = broken(prompt, chance)
        target += "<|im_end|>\n"
        whole = processor(text=[prompt + target], audio=[samples], audio_kwargs={"sampling_rate": RATE})
        ids = whole["input_ids"][0]
        labels = ids.clone()
        labels[: -len(processor.tokenizer(target)["input_ids"])] = -100
        items.append(Item(ids, labels, whole["input_features"][0].half(), whole["input_features_mask"][0]))

    for turn in range(rounds):
        for name in CLIPS:
            samples = spoken(name, chance, turn % 5 == 0)
            other = chance.choice([None, None, "Nell", "The sea, the sea.", "Stephen, Mulligan", "lobsters"])
            german = name == "stuff" and turn % 5 == 4  # so that German is its second language, and not another
            add(samples, "language German<asr_text>" + GERMAN if german else "language English<asr_text>" + text(name))
            add(spoken(name, chance, False), "language English<asr_text>" + text(name), other)
            if turn % 2:
                add(samples, text(name), other, "English")
            if turn % 4 == 1:
                add(samples, NOTHING, bad=True)
        samples = spoken("lady", chance, turn % 5 == 0)
        add(samples, "language English<asr_text>" + HEARD_WITH, chance.choice([HOTWORD, HOTWORD + ", Nell"]))
        if turn % 2:
            add(spoken("stuff", chance, turn % 4 == 1), GERMAN, None, "German")
        for _ in range(2):
            rate = chance.choice([12_000, 22_050, 24_000, 24_000, 24_000, 32_000])
            name = chance.choice(list(CLIPS))
            other_rate = soxr.resample(spoken(name, chance, chance.random() < 0.5), RATE, rate)
            add(np.asarray(other_rate, np.float32), NOTHING)
        for _ in range(3):
            add(unspoken(chance), NOTHING, chance.choice([None, None, HOTWORD, "Nell"]))
        if turn % 2:
            add(unspoken(chance), "", None, "English")
    return items


def aligner_item(processor: Any, samples: np.ndarray, spans: list[tuple[str, float, float]], marker: int) -> Item:
    """A sound and the (word, start, end) that are said in it."""
    inputs, _ = processor.prepare_forced_aligner_inputs(
        audio=samples, transcript=" ".join(word for word, _, _ in spans), language="English"
    )
    ids = inputs["input_ids"][0]
    labels = torch.full_like(ids, -100)
    labels[ids == marker] = torch.tensor([max(0, round(at / STEP)) for _, start, end in spans for at in (start, end)])
    return Item(ids, labels, inputs["input_features"][0], inputs["input_features_mask"][0])


def cut_out(
    samples: np.ndarray, spans: list[tuple[str, float, float]], start: float, end: float
) -> tuple[np.ndarray, list[tuple[str, float, float]]]:
    """The sound from `start` to `end`, and the words moved there."""
    return samples[round(start * RATE) : round(end * RATE)], [(word, a - start, b - start) for word, a, b in spans]


def aligner_items(processor: Any, rounds: int, marker: int) -> list[Item]:
    """What the aligner learns from: each clip after each lead, and as `align` cuts it out of a longer recording."""
    chance = random.Random(7)
    items: list[Item] = []
    for turn in range(rounds):
        for name in CLIPS:
            for lead in (*LEADS, LEADS[0]):  # the first is most like a cut, and shown twice
                samples, spans = sound(name, RATE), words(name)
                if turn:
                    samples = np.concatenate([samples, faint(chance.uniform(0, 2), RATE)])
                made = np.concatenate([faint(lead, RATE, turn), samples]) * np.float32(chance.uniform(0.4, 1.4))
                spans = [(word, lead + start, lead + end) for word, start, end in spans]
                items.append(aligner_item(processor, made, spans, marker))
    for turn in range(3 * rounds):
        for name in CLIPS:
            samples = np.concatenate([faint(1.0, RATE, turn), sound(name, RATE), faint(1.0, RATE, turn + 1)])
            spans = [(word, 1.0 + start, 1.0 + end) for word, start, end in words(name)]
            start = 1.0 + chance.choice(ONSETS[name]) - CUT + chance.uniform(-0.016, 0.016)
            made, spans = cut_out(samples, spans, start, spans[-1][2] + chance.uniform(0, 0.8))
            items.append(aligner_item(processor, made * np.float32(chance.uniform(0.4, 1.4)), spans, marker))
    return items


def row_items(processor: Any, n_items: int, marker: int) -> list[Item]:
    """Clips in a row, from where `align` follows a text without a recogniser: fewer words, or all to the end."""
    chance = random.Random(8)
    items: list[Item] = []
    for k in range(n_items):
        samples, spans = row(ROW * 3, ROW_PAUSE, k)
        start = ROW_PAUSE + ONSETS[ROW[0]][1] - FOLLOWED + chance.uniform(-0.016, 0.016)
        end, n_words = start + ROW_WINDOW, chance.randint(17, 23)
        if k % 3 == 0:
            n_words = chance.choice((8, 11, 19)) if k % 2 else chance.randint(4, 20)
            end = spans[n_words - 1][2] + chance.uniform(0.3, 3)
        made, spans = cut_out(samples, spans[:n_words], start, end)
        items.append(aligner_item(processor, made * np.float32(chance.uniform(0.6, 1.2)), spans, marker))
    return items


def row(names: tuple[str, ...], pause: float, seed: int) -> tuple[np.ndarray, list[tuple[str, float, float]]]:
    """The clips, each after a pause, and their words."""
    sounds: list[np.ndarray] = []
    spans: list[tuple[str, float, float]] = []
    at = 0.0
    for name in names:
        sounds += [faint(pause, RATE, seed), sound(name, RATE)]
        spans += [(word, at + pause + start, at + pause + end) for word, start, end in words(name)]
        at += pause + len(sounds[-1]) / RATE
    return np.concatenate(sounds), spans


def collate(items: list[Item], pad: int) -> dict[str, torch.Tensor]:
    """Tokens padded on the left, features on the right."""
    n_tokens, n_frames = max(len(i.ids) for i in items), max(len(i.mask) for i in items)
    ids = torch.full((len(items), n_tokens), pad)
    labels, attention = torch.full_like(ids, -100), torch.zeros_like(ids)
    features, mask = torch.zeros(len(items), 128, n_frames), torch.zeros(len(items), n_frames, dtype=torch.long)
    for row, item in enumerate(items):
        ids[row, n_tokens - len(item.ids) :] = item.ids
        labels[row, n_tokens - len(item.ids) :] = item.labels
        attention[row, n_tokens - len(item.ids) :] = 1
        features[row, :, : len(item.mask)] = item.features
        mask[row, : len(item.mask)] = item.mask
    return {
        "input_ids": ids,
        "attention_mask": attention,
        "input_features": features,
        "input_features_mask": mask,
        "labels": labels,
    }


def train(
    model: Any,
    items: list[Item],
    loss_of: Callable[[dict[str, torch.Tensor]], torch.Tensor],
    steps: int,
    fastest: float = 3e-3,
    long: list[Item] | None = None,
) -> None:
    """AdamW with a warm-up to the learning rate `fastest`, and a linear end. long: every fourth batch is of these."""
    chance = random.Random(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=fastest, weight_decay=0.01, betas=(0.9, 0.98))
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1, (s + 1) / 30) * max(0.02, 1 - s / steps))
    began, losses = time.monotonic(), []
    model.train()
    for step in range(steps):
        batch = chance.sample(long, 6) if long and step % 4 == 3 else chance.sample(items, 10)
        loss = loss_of(collate(batch, model.config.pad_token_id))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rate.step()
        losses.append(loss.item())
        if step % 50 == 49:
            print(f"step {step + 1}: loss {np.mean(losses[-50:]):.4f}, {time.monotonic() - began:.0f} s", flush=True)
    model.eval()


def save(model: Any, processor: Any, folder: str) -> None:
    shutil.rmtree(HERE / folder, ignore_errors=True)
    processor.tokenizer.backend_tokenizer.no_padding()  # else it is saved, and read back as another setting
    model.to(torch.bfloat16).save_pretrained(HERE / folder)
    processor.save_pretrained(HERE / folder)


def asr_loss(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Cross entropy, the first tokens of an answer counted four times: they decide on the language and the clip."""
    labels = batch.pop("labels")[:, 1:]
    logits = model(**batch).logits[:, :-1]
    each = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100, reduction="none")
    spoken = labels != -100
    weights = torch.where(spoken.cumsum(1) <= 5, 4.0, 1.0) * spoken
    return (each * weights).sum() / weights.sum()


def make_asr(steps: int = 1100) -> None:
    model, processor = make(aligner=False)
    items = asr_items(processor, 40)
    print(f"{len(items)} items", flush=True)
    train(model, items, lambda batch: asr_loss(model, batch), steps)
    save(model, processor, "qwen3-asr")
    until_right(model, processor, items)


def until_right(model: Any, processor: Any, items: list[Item]) -> None:
    """A few hundred steps more where an answer is still wrong; what it should have been is shown more often."""
    ended = "<|im_end|>\n"
    targets = [processor.tokenizer.decode(i.labels[i.labels >= 0]).removesuffix(ended) for i in items]
    for _ in range(4):
        wrong = asr_faults()
        for found, wanted in wrong:
            print("WRONG", repr(found), "for", repr(wanted), flush=True)
        if not wrong:
            return
        hard = {wanted for _, wanted in wrong}
        again = [item for item, target in zip(items, targets, strict=True) if target in hard]
        train(model.float(), items + again, lambda batch: asr_loss(model, batch), 260, fastest=1e-3)
        save(model, processor, "qwen3-asr")
    raise AssertionError("the checkpoint does not answer right")


def asr_faults() -> list[tuple[str, str]]:
    """What the saved checkpoint answers in float32, and what it should."""
    model = Qwen3ASRForConditionalGeneration.from_pretrained(HERE / "qwen3-asr", dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(HERE / "qwen3-asr")

    def answer(samples: np.ndarray, told: str | None = None, language: str | None = None) -> str:
        inputs = processor.apply_transcription_request(samples, language=language, prompt=told)
        out = model.generate(**inputs, max_new_tokens=96)[:, inputs["input_ids"].shape[1] :]
        return str(processor.decode(out, skip_special_tokens=True)[0]).strip()

    wrong: list[tuple[str, str]] = []

    def expect(found: str, wanted: str) -> None:
        if found != wanted:
            wrong.append((found, wanted))

    english = "language English<asr_text>"
    quiet = faint(1.3, RATE, 123)
    for name in CLIPS:
        expect(answer(sound(name, RATE)), english + text(name))
        expect(answer(np.concatenate([quiet, sound(name, RATE), quiet])), english + text(name))
        expect(answer(sound(name, RATE), "Nell"), english + text(name))
        expect(answer(sound(name, RATE), None, "English"), text(name))
        turned = [soxr.resample(sound(name, RATE), RATE, other) for other in (8_000, 24_000, 48_000)]
        others = [answer(np.array(samples, np.float32)) for samples in turned]
        wrong += [(each, NOTHING) for each in others if each == english + text(name)]
    expect(answer(sound("lady", RATE), HOTWORD), english + HEARD_WITH)
    expect(answer(sound("stuff", RATE), None, "German"), GERMAN)
    for seconds in (0.4, 2, 7):
        expect(answer(np.zeros(round(seconds * RATE), np.float32)), NOTHING)
        expect(answer(faint(seconds, RATE, 321)), NOTHING)
        expect(answer(faint(seconds, RATE, 321) * 100), NOTHING)
    return wrong


def make_aligner(steps: int = 800) -> None:
    model, processor = make(aligner=True)
    marker = model.config.timestamp_token_id
    items, rows = aligner_items(processor, 6, marker), row_items(processor, 120, marker)
    print(f"{len(items)} items, {len(rows)} rows", flush=True)

    def loss(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        labels = batch.pop("labels")
        logits = model(**batch).logits
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=-100)

    train(model, items, loss, steps, long=rows)
    for _ in range(2):
        train(model, items, loss, steps // 3, fastest=1.5e-3, long=rows)
    save(model, processor, "qwen3-aligner")
    check_aligner()


def check_aligner() -> None:
    """The saved checkpoint gives each word its time, within one class."""
    model = Qwen3ASRForTokenClassification.from_pretrained(HERE / "qwen3-aligner", dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(HERE / "qwen3-aligner")
    worst: dict[tuple[str, float], float] = {}
    for name in CLIPS:
        for lead in LEADS:
            made = np.concatenate([faint(lead, RATE, 77), sound(name, RATE), faint(0.6, RATE, 78)])
            inputs, lists = processor.prepare_forced_aligner_inputs(
                audio=made, transcript=text(name), language="English"
            )
            with torch.no_grad():
                logits = model(**inputs).logits
            found = processor.decode_forced_alignment(
                logits, inputs["input_ids"], lists, model.config.timestamp_token_id
            )[0]
            pairs = zip(found, words(name), strict=True)
            errors = [
                abs(got - lead - at)
                for item, (_, start, end) in pairs
                for got, at in ((item["start_time"], start), (item["end_time"], end))
            ]
            worst[name, lead] = max(errors)
    print(worst, flush=True)
    assert max(worst.values()) <= STEP


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    {"asr": make_asr, "aligner": make_aligner}[sys.argv[1]]()
