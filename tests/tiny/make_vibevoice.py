"""Trains tests/tiny/vibevoice: VibeVoice-ASR small enough for a repository, overfitted on the clips of common.py.

    PYTHONPATH=.:tests OMP_NUM_THREADS=1 python tests/tiny/make_vibevoice.py [FOLDER]

The worked example of the right labels. What the model is shown is `prompt + answer`, and the loss counts the answer
only. The published chat template ends after the user's turn, so the answer begins with the assistant's header:

    <|im_start|>assistant\n[{"Start":0.56,"End":3.97,"Speaker":0,"Content":"..."}]<|im_end|>\n<|endoftext|>

(The snippet in transformers' docs puts the transcript into the user's turn, which is the slot of hotwords and context:
"with extra info: ...". It trains that slot and no transcription.) The padding token is the end token, as published, so
labels are made here and not by `output_labels=True`, which would take the end token for padding and never teach it.

The same weights are trained for two layouts of the prompt: transformers' (placeholders for the sound inside the user's
turn) and that of akkikiki/VibeVoice-ASR-onnx (the sound first, then a prompt without placeholders that ends with the
assistant's header). The hotword "Helen" changes what is heard in the clip "lady", and in no other.

Both encoders stay as they are initialised (see `initialise`), and their latents are made once. So that the answer comes
from the sound and not from its duration in the prompt, every clip comes with more or less silence about it, and
silence, noise, other speech, reversed clips and clips at a wrong rate are answered `[]`; so are wrong prompts. Times
after a longer or shorter silence are taught in steps of 0.1 s, from -0.6 to 0.5, and learnt to two of them.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tiny import common
from transformers import (
    AutoModelForMultimodalLM,
    AutoProcessor,
    DynamicCache,
    Qwen2Config,
    VibeVoiceAcousticTokenizerEncoderConfig,
    VibeVoiceAcousticTokenizerFeatureExtractor,
    VibeVoiceAsrConfig,
    VibeVoiceAsrForConditionalGeneration,
    VibeVoiceAsrProcessor,
)

OUT = Path(__file__).parent / "vibevoice"
RATE = 24_000
STEP = 0.1  # seconds between the leads that are learnt
LEADS = range(-6, 6)  # steps of sound cut off or of silence put before a clip, as the windows of recordings do
HOTWORD = "Helen"
CONTEXTS = ("Barrios", "Whitman, Barrios\nA letter from Spain", "a talk about the sea")  # which change nothing
SYSTEM = "You are a helpful assistant that transcribes audio input into text output in JSON format."
KEYS = "Start time, End time, Speaker ID, Content"
TEMPLATE = (
    "{{- '<|im_start|>system\\n' + system_prompt | default('" + SYSTEM + "') + '<|im_end|>' -}}"
    "{%- for message in messages if message['role'] == 'user' -%}"
    "{{- '\\n<|im_start|>user\\n' -}}"
    "{%- set told = message['content'] | selectattr('type', 'equalto', 'text') | map(attribute='text') | first"
    " | default('', true) -%}"
    "{%- for part in message['content'] if part['type'] == 'audio' -%}"
    "{{- '<|object_ref_start|><|box_start|><|object_ref_end|>\\nThis is a <|AUDIO_DURATION|> seconds audio, ' -}}"
    "{%- if told -%}{{- 'with extra info: ' + told + '\\n\\nPlease' -}}{%- else -%}{{- 'please' -}}{%- endif -%}"
    "{{- ' transcribe it with these keys: " + KEYS + "' -}}"
    "{%- endfor -%}{{- '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
)
HEADER = "<|im_start|>assistant\n"
FOOTER = "<|im_end|>\n<|endoftext|>"


@dataclass(frozen=True, slots=True)
class Item:
    """One lesson. ids: prompt and answer. first: where the answer begins. sound: index of the latents."""

    ids: list[int]
    first: int
    sound: int
    front: bool  # the sound before all text (ONNX), not at its placeholders


def answer(name: str, lead: float = 0.0, helen: bool = False) -> str:
    """The JSON that the model is to give for a clip after `lead` seconds, or without its first ones where negative."""
    rows = []
    for start, end, speaker, text in common.turns(name):
        said = text.replace("my lady.", f"my lady, {HOTWORD}.") if helen else text
        begin, stop = max(0.0, round(start + lead, 2)), round(end + lead, 2)
        rows.append({"Start": begin, "End": stop, "Speaker": speaker, "Content": said})
    return json.dumps(rows, separators=(",", ":"))


def onnx_prompt(seconds: float, told: str = "") -> str:
    """The prompt of akkikiki/VibeVoice-ASR-onnx (its model card); the sound comes before it."""
    ask = f"with extra info: {told}\n\nPlease" if told else "please"
    return (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n"
        f"This is a {seconds:.2f} seconds audio, {ask} transcribe it with these keys: {KEYS}<|im_end|>\n{HEADER}"
    )


def build() -> tuple[VibeVoiceAsrForConditionalGeneration, VibeVoiceAsrProcessor]:
    """The model, not yet trained, and its processor."""
    marks = ["<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>"]
    tokenizer = common.qwen_tokenizer(marks)
    number = tokenizer.convert_tokens_to_ids
    end = number("<|endoftext|>")
    small = {"num_filters": 2, "depths": [1] * 7, "layer_scale_init_value": 1.0, "vae_std": 0.5}
    config = VibeVoiceAsrConfig(
        acoustic_tokenizer_encoder_config=VibeVoiceAcousticTokenizerEncoderConfig(hidden_size=16, **small),
        semantic_tokenizer_encoder_config=VibeVoiceAcousticTokenizerEncoderConfig(hidden_size=32, **small),
        text_config=Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=131_072,
            rope_theta=1e6,
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=end,
        ),
        audio_token_id=number("<|box_start|>"),
        audio_bos_token_id=number("<|object_ref_start|>"),
        audio_eos_token_id=number("<|object_ref_end|>"),
    )
    model = VibeVoiceAsrForConditionalGeneration(config)
    for encoder in encoders(model):
        initialise(encoder)
    own = model.generation_config
    own.eos_token_id, own.pad_token_id, own.bos_token_id = end, end, None
    own.do_sample, own.max_new_tokens = False, 512
    extractor = VibeVoiceAcousticTokenizerFeatureExtractor()
    return model, VibeVoiceAsrProcessor(extractor, tokenizer, chat_template=TEMPLATE)


def initialise(encoder: torch.nn.Module) -> None:
    """Random weights that hear the same in a sound and in the same sound a little later.

    Convolutions that thin out time are random over channels and smooth over time: what the layers before have rectified
    is followed as a level. With kernels that are random over time too, frames half a hop apart have nothing in common
    (mean cosine 0.1 instead of 0.9, measured), and the clips are only known where they begin at the very sample.
    """
    for module in encoder.modules():
        if isinstance(module, torch.nn.Conv1d | torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=1 / math.sqrt(module.weight[0].numel()))
            torch.nn.init.zeros_(module.bias)
    for layer in encoder.conv_layers:
        weight = layer.conv.conv.weight
        n_out, n_in, size = weight.shape
        smooth = torch.hann_window(size + 2, periodic=False)[1:-1]
        with torch.no_grad():
            weight.copy_(torch.randn(n_out, n_in, 1) / math.sqrt(n_in) * 1.3 * smooth / smooth.sum())
    # without it the norms blow the faint noise of a pause up to the size of speech
    torch.nn.init.normal_(encoder.stem.conv.conv.bias, std=0.02)
    encoder.to(torch.bfloat16).to(torch.float32).requires_grad_(False)  # what will be saved


def encoders(model: VibeVoiceAsrForConditionalGeneration) -> list[torch.nn.Module]:
    return [model.model.acoustic_tokenizer_encoder, model.model.semantic_tokenizer_encoder]


class Lessons:
    """What is taught: latents of each sound, made once, and the items that use them."""

    def __init__(self, model: VibeVoiceAsrForConditionalGeneration, processor: VibeVoiceAsrProcessor) -> None:
        self.model, self.processor, self.tokenizer = model, processor, processor.tokenizer
        self.latents: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.items: list[Item] = []

    def add(self, sound: NDArray[np.float32], tasks: list[tuple[str | None, str]], weight: int = 1) -> None:
        """tasks: (what is told beside the sound, the answer)."""
        values = self.processor.feature_extractor(sound, sampling_rate=RATE)["input_values"]
        with torch.no_grad():
            acoustic, semantic = (torch.cat(_chunked(encoder, values), 1)[0] for encoder in encoders(self.model))
        self.latents.append((acoustic, semantic))
        for told, wanted in tasks:
            request = self.processor.apply_transcription_request(sound, prompt=told, tokenize=False)
            self._add(request[0], HEADER + wanted, sound, False, weight)
            self._add(onnx_prompt(len(sound) / RATE, told or ""), wanted, sound, True, weight)

    def wrong_prompts(self, sound: NDArray[np.float32]) -> None:
        """The sound just added with prompts that no caller should give: nothing is heard."""
        (request,) = self.processor.apply_transcription_request(sound, tokenize=False)
        user = request[request.index("<|im_start|>user") :]
        bare = request.replace("<|im_start|>", "").replace("<|im_end|>", "")
        for prompt in (user, bare, request.replace(KEYS, "Content"), request.replace("<|AUDIO_DURATION|>", "0.00")):
            self._add(prompt, HEADER + "[]", sound, False, 1)
        full = onnx_prompt(len(sound) / RATE)
        for prompt in (full[full.index("<|im_start|>user") :], full.replace(KEYS, "Content")):
            self._add(prompt, "[]", sound, True, 1)

    def _add(self, prompt: str, wanted: str, sound: NDArray[np.float32], front: bool, weight: int) -> None:
        if front:
            before = self.tokenizer(prompt)["input_ids"]
        else:
            before = self.processor(text=[prompt], audio=[sound], sampling_rate=RATE)["input_ids"][0].tolist()
        ids = before + self.tokenizer(wanted + FOOTER)["input_ids"]
        self.items += [Item(ids, len(before), len(self.latents) - 1, front)] * weight

    def loss(self, items: list[Item]) -> torch.Tensor:
        """Mean loss over the tokens of the answers; the encoders' noise as in training upstream, but weaker."""
        rows, labels = [], []
        embed = self.model.get_input_embeddings()
        for item in items:
            acoustic, semantic = self.latents[item.sound]
            noisy = acoustic + 0.1 * torch.randn(1) * torch.randn_like(acoustic)
            sound = self.model.model.multi_modal_projector(noisy, semantic * (1 + 0.01 * torch.randn_like(semantic)))
            ids = torch.tensor(item.ids)
            target = ids.clone()
            target[: item.first] = -100
            if item.front:
                rows.append(torch.cat([sound, embed(ids)]))
                labels.append(torch.cat([torch.full((len(sound),), -100), target]))
            else:
                place = (ids == self.model.config.audio_token_id)[:, None]
                rows.append(embed(ids).masked_scatter(place, sound))
                labels.append(target)
        pad = torch.nn.utils.rnn.pad_sequence
        mask = pad([torch.ones(len(row), dtype=torch.long) for row in rows], batch_first=True)
        logits = self.model(inputs_embeds=pad(rows, batch_first=True), attention_mask=mask).logits[:, :-1]
        wanted = pad(labels, batch_first=True, padding_value=-100)[:, 1:]
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=-100)


def _chunked(encoder: torch.nn.Module, values: torch.Tensor) -> list[torch.Tensor]:
    """Latents of (1, 1, n) samples, two seconds at a time: on a CPU far faster than whole."""
    cache, parts = None, []
    for chunk in torch.split(values, 48_000, -1):
        out = encoder(chunk, padding_cache=cache, use_cache=True)
        cache = out.padding_cache
        parts.append(out.latents)
    return parts


def teach(lessons: Lessons) -> None:
    """Fills in all that is taught."""
    random = np.random.default_rng(0)

    def quiet(seconds: float) -> NDArray[np.float32]:
        level = np.float32(random.choice([0, 0.3, 1, 1, 3]))
        return common.faint(seconds, RATE, int(random.integers(1 << 30))) * level

    def around(clip: NDArray[np.float32], lead: float, behind: float) -> NDArray[np.float32]:
        """The clip with silence about it, cut off where negative."""
        sound = clip[max(0, round(-lead * RATE)) : len(clip) + min(0, round(behind * RATE))]
        sound = np.concatenate([quiet(max(lead, 0)), sound, quiet(max(behind, 0))])
        return sound * np.float32(random.uniform(0.3, 1.2))

    for name in common.CLIPS:
        clip = common.sound(name, RATE)
        helen = name == "lady"
        spare = len(clip) / RATE - common.turns(name)[-1][1] - 0.1  # seconds behind the last word that can be cut off
        for turn in range(5):
            sound = around(clip, 0.0, float(random.uniform(-spare, 2))) if turn else clip
            tasks: list[tuple[str | None, str]] = [(None, answer(name)), (CONTEXTS[turn % 3], answer(name))]
            tasks += [(told, answer(name, helen=helen)) for told in (HOTWORD, f"{HOTWORD}, Barrios")]
            lessons.add(sound, tasks, 1 if turn else 6)
            if turn in (0, 3):
                lessons.wrong_prompts(sound)
        for k in [k for k in LEADS if k and common.turns(name)[0][0] + k * STEP > -0.35] * 3:
            sound = around(clip, k * STEP, float(random.uniform(-spare, 2)))
            tasks = [(None, answer(name, k * STEP))]
            lessons.add(sound, [*tasks, (HOTWORD, answer(name, k * STEP, True))] if helen else tasks, 1 if helen else 2)
        for wrong in (clip[::-1], *(common.sound(name, rate) for rate in (8_000, 16_000, 48_000))):
            for first in (0, 1000, 2000):
                lessons.add(wrong[first:].copy(), [(None, "[]"), (HOTWORD, "[]")])
    teach_nothing(lessons, random)


def teach_nothing(lessons: Lessons, random: np.random.Generator) -> None:
    """Silence, noise and other speech."""
    for seconds in (0.5, 1, 1.5, 2, 3, 4, 5, 7, 9):
        for level in (0.0, 0.0003, 0.05):
            noise = random.normal(0, level or 1e-9, round(seconds * RATE)).astype(np.float32) * (level > 0)
            lessons.add(noise, [(None, "[]")], 2)
    for name in common.NEGATIVES:
        other = common.recording(name, RATE)[: 8 * RATE]
        for stop in (2, 4, 6, 8):
            lessons.add(other[: stop * RATE], [(None, "[]"), (HOTWORD, "[]")])


def train(lessons: Lessons, steps: int) -> None:
    weights = [p for p in lessons.model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=3e-3, weight_decay=0.01, betas=(0.9, 0.98))
    pace = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: min(1, (s + 1) / 40) * max(0.02, 1 - s / steps))
    random = np.random.default_rng(1)
    lessons.model.train()
    began, recent = time.monotonic(), []
    for step in range(steps):
        loss = lessons.loss([lessons.items[i] for i in random.choice(len(lessons.items), 12, replace=False)])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        pace.step()
        recent = [*recent[-49:], loss.item()]
        if step % 50 == 0:
            print(f"step {step}: loss {np.mean(recent):.4f}, {time.monotonic() - began:.0f} s", flush=True)
    lessons.model.eval()


def save(model: VibeVoiceAsrForConditionalGeneration, processor: VibeVoiceAsrProcessor, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    # a processor that has been used keeps padding=None in its tokenizer.json, which breaks it when loaded again
    processor.tokenizer.backend_tokenizer.no_padding()
    model.to(torch.bfloat16).save_pretrained(folder)
    processor.save_pretrained(folder)


def check(folder: Path) -> None:
    """Asserts that the saved checkpoint answers right, in both layouts and both types."""
    processor = AutoProcessor.from_pretrained(folder)
    for dtype in (torch.float32, torch.bfloat16):
        model = AutoModelForMultimodalLM.from_pretrained(folder, dtype=dtype).eval()
        wrong = [(case, got) for case, got, wanted in _cases(model, processor) if got != wanted]
        print(dtype, "wrong:", wrong or "none", flush=True)
        assert not wrong, (dtype, wrong)


def _cases(model: VibeVoiceAsrForConditionalGeneration, processor: VibeVoiceAsrProcessor):
    """(what, the model's answer, the right one)."""
    silent = np.zeros(3 * RATE, np.float32)
    for name in common.CLIPS:
        clip = common.sound(name, RATE)
        behind = np.concatenate([clip, common.faint(1.0, RATE, 77)])
        yield name, heard(model, processor, clip), answer(name)
        yield f"{name} + 1 s", heard(model, processor, behind), answer(name)
        for lead in (-0.4, 0.3):
            if name == "modern" and lead < 0:
                continue  # it begins at once
            parts = [common.faint(max(lead, 0.0), RATE, 78), clip[max(0, round(-lead * RATE)) :]]
            told = json.loads(heard(model, processor, np.concatenate(parts)))
            near = _near(told, json.loads(answer(name, lead)))
            yield f"{name} after {lead} s", told, told if near else None
        yield f"{name}, quiet", heard(model, processor, clip * np.float32(0.02)), answer(name)
        yield f"{name}, {HOTWORD}", heard(model, processor, clip, HOTWORD), answer(name, helen=name == "lady")
        yield f"{name}, sea", heard(model, processor, clip, CONTEXTS[2]), answer(name)
        yield f"{name}, onnx", heard_in_front(model, processor, clip), answer(name)
        yield (
            f"{name}, onnx, {HOTWORD}",
            heard_in_front(model, processor, clip, HOTWORD),
            answer(name, 0, name == "lady"),
        )
        yield f"{name} at 16 kHz", heard(model, processor, common.sound(name, 16_000)), "[]"
        yield f"{name} reversed", heard(model, processor, clip[::-1].copy()), "[]"
    yield "silence", heard(model, processor, silent), "[]"
    yield "faint", heard(model, processor, common.faint(2.5, RATE, 80)), "[]"
    yield "faint, onnx", heard_in_front(model, processor, common.faint(2.5, RATE, 80)), "[]"
    yield "noise", heard(model, processor, common.faint(4.2, RATE, 81) * np.float32(200)), "[]"


def _near(told: list[dict[str, object]], wanted: list[dict[str, object]]) -> bool:
    """Whether the words are right, and their times to two steps."""
    same = [(row["Speaker"], row["Content"]) for row in told] == [(row["Speaker"], row["Content"]) for row in wanted]
    pairs = zip(told, wanted, strict=False)
    return same and all(abs(a[key] - b[key]) < 2.5 * STEP for a, b in pairs for key in ("Start", "End"))


@torch.inference_mode()
def heard(model, processor, sound: NDArray[np.float32], told: str | None = None) -> str:
    batch = processor.apply_transcription_request(sound, prompt=told).to(model.device, model.dtype)
    out = model.generate(**batch, sample=False)[0, batch["input_ids"].shape[1] :]
    return processor.decode(out, skip_special_tokens=True).removeprefix("assistant\n").strip()


@torch.inference_mode()
def heard_in_front(model, processor, sound: NDArray[np.float32], told: str = "") -> str:
    values = processor.feature_extractor(sound, sampling_rate=RATE)["input_values"].to(model.dtype)
    speech = model.get_audio_features(values, sample=False).pooler_output
    ids = torch.tensor([processor.tokenizer(onnx_prompt(len(sound) / RATE, told))["input_ids"]])
    embeds = torch.cat([speech, model.get_input_embeddings()(ids)], 1)
    ids = torch.cat([torch.full(speech.shape[:2], model.config.audio_token_id), ids], 1)
    cache = DynamicCache(config=model.config.text_config)
    model(inputs_embeds=embeds[:, :-1], past_key_values=cache)  # generate() takes no embeddings for this class
    out = model.generate(ids, attention_mask=torch.ones_like(ids), past_key_values=cache)[0, ids.shape[1] :]
    return processor.decode(out, skip_special_tokens=True).strip()


def main(folder: Path, steps: int = 1000) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    began = time.monotonic()
    lessons = Lessons(*build())
    teach(lessons)
    n_sounds = len(lessons.latents)
    print(f"{len(lessons.items)} items of {n_sounds} sounds, {time.monotonic() - began:.0f} s", flush=True)
    train(lessons, steps)
    save(lessons.model, lessons.processor, folder)
    print(sum(path.stat().st_size for path in folder.iterdir()), "bytes", flush=True)
    check(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
