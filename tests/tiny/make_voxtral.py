"""Makes tests/tiny/voxtral-realtime: VoxtralRealtime's real classes and tekken tokenizer, small, taught the clips.

    PYTHONPATH=/path/to/speechcli:/path/to/speechcli/tests python tests/tiny/make_voxtral.py [folder]

It is also the worked example of right labels for this model. Its text runs beside the sound, one token for 80 ms:

    position  0    1 ... left            ... left + delay   then, a token for each 80 ms of sound
    token     <s>  [STREAMING_PAD] ...   [STREAMING_PAD]    [STREAMING_PAD] or words
    sound     silence (left padding)     sound              sound, then right padding (delay + 1 + 10 tokens of silence)

A word that ends at `e` seconds is written `delay` tokens after it ended: its first token stands at index
left + ceil(e / 0.08) + delay. A [STREAMING_WORD] stands before it, unless it follows its predecessor at once. What the
model is told of the delay is the time embedding (num_delay_tokens) and the length of the prompt.

Every stream is made anew of clips, pauses and noise, at any offset and loudness, so that nothing but the sound tells
the words; clips at a wrong rate or backwards, other speech and noise have no words. Two delays are taught. The
attention of both halves is short (the published model has 750 frames and 8192 tokens), so that seconds of training
hold for minutes of sound.
"""

from __future__ import annotations

import base64
import json
import math
import sys
import time
from itertools import pairwise
from pathlib import Path

import mistral_common
import numpy as np
import torch
from tiny import common
from transformers import (
    AutoModelForMultimodalLM,
    AutoProcessor,
    MistralCommonBackend,
    VoxtralRealtimeConfig,
    VoxtralRealtimeEncoderConfig,
    VoxtralRealtimeFeatureExtractor,
    VoxtralRealtimeForConditionalGeneration,
    VoxtralRealtimeProcessor,
    VoxtralRealtimeTextConfig,
)

RATE = 16_000
TOKEN = 0.08  # seconds
FRAMES = 8  # of mel in a token
SAMPLES = 1280  # in a token
DELAYS = (6, 12)  # tokens: 480 ms, the published default, and 960 ms
STEPS, BATCH = 900, 8
SPECIAL = {
    **dict(enumerate(("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"))),
    **dict(enumerate(("[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]"), 7)),
    **dict(enumerate(("[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"), 13)),
    **dict(enumerate(("[TOOL_CONTENT]", "[ARGS]", "[CALL_ID]", "[THINK]", "[/THINK]", "[AUDIO]", "[BEGIN_AUDIO]"), 19)),
    32: "[STREAMING_PAD]",
    33: "[STREAMING_WORD]",
    34: "[TRANSCRIBE]",
}
N_SPECIAL = 40


def write_tekken(path: Path) -> None:
    """The tokenizer that ships with mistral-common, cut down to bytes and what the clips' words are merged of."""
    source = json.loads((Path(mistral_common.__file__).parent / "data" / "tekken_240911.json").read_text("utf-8"))
    ranks = {base64.b64decode(token["token_bytes"]): token["rank"] for token in source["vocab"]}
    needed = {token: rank for token, rank in ranks.items() if rank < 256}
    for word in {word for name in common.CLIPS for word in common.text(name).split()}:
        parts = [bytes([byte]) for byte in f" {word}".encode()]
        while True:  # byte pair encoding: the pair of lowest rank is merged first
            pairs = [(ranks.get(a + b, math.inf), i) for i, (a, b) in enumerate(pairwise(parts))]
            rank, i = min(pairs, default=(math.inf, 0))
            if rank == math.inf:
                break
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
            needed[parts[i]] = int(rank)
    vocab = [
        {"rank": i, "token_bytes": base64.b64encode(token).decode(), "token_str": token.decode("utf-8", "replace")}
        for i, token in enumerate(sorted(needed, key=needed.__getitem__))
    ]
    size = {"num_vocab_tokens": len(vocab), "default_vocab_size": len(vocab) + N_SPECIAL}
    config = source["config"] | size | {"default_num_special_tokens": N_SPECIAL, "version": "v13"}
    special = [{"rank": i, "token_str": SPECIAL.get(i, f"<SPECIAL_{i}>"), "is_control": True} for i in range(N_SPECIAL)]
    audio = {
        "sampling_rate": RATE,
        "frame_rate": 1 / TOKEN,
        "audio_encoding_config": {"num_mel_bins": 128, "hop_length": SAMPLES // FRAMES, "window_size": 400},
        "transcription_format": "streaming",
        "transcription_delay_ms": 480.0,
        "streaming_look_ahead_ms": 2.5,
        "streaming_look_back_ms": 52.5,
        "streaming_n_left_pad_tokens": 32,
    }
    path.write_text(json.dumps({"config": config, "vocab": vocab, "special_tokens": special, "audio": audio}))


def build(folder: Path) -> tuple[VoxtralRealtimeForConditionalGeneration, VoxtralRealtimeProcessor]:
    """The untrained model and its processor."""
    write_tekken(folder / "tekken.json")
    tokenizer = MistralCommonBackend(tokenizer_path=str(folder / "tekken.json"))
    processor = VoxtralRealtimeProcessor(feature_extractor=VoxtralRealtimeFeatureExtractor(), tokenizer=tokenizer)
    audio = VoxtralRealtimeEncoderConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        head_dim=16,
        sliding_window=64,
    )
    text = VoxtralRealtimeTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=131_072,
        sliding_window=96,
        tie_word_embeddings=True,
        pad_token_id=11,
    )
    model = VoxtralRealtimeForConditionalGeneration(VoxtralRealtimeConfig(audio_config=audio, text_config=text))
    model.generation_config.update(pad_token_id=11, bos_token_id=1, eos_token_id=2)
    return model, processor


def labels(processor: VoxtralRealtimeProcessor, words: list[tuple[str, float]], delay: int, n_tokens: int) -> list[int]:
    """The token stream of a sound. words: (word, its end in seconds). delay, n_tokens: in tokens."""
    left = processor.mistral_common_audio_config.n_left_pad_tokens
    pad, mark = processor.tokenizer.convert_tokens_to_ids(["[STREAMING_PAD]", "[STREAMING_WORD]"])
    stream = [processor.tokenizer.bos_token_id] + [pad] * (n_tokens - 1)
    free = left + delay + 1  # the prompt
    for word, end in words:
        due = left + math.ceil(end / TOKEN - 1e-6) + delay
        written = processor.tokenizer.encode(f" {word}", add_special_tokens=False)
        if due > free:
            written = [mark, *written]
        begin = max(due, free)
        free = begin + len(written)
        assert free <= n_tokens, (word, free, n_tokens)
        stream[begin:free] = written
    return stream


class Streams:
    """Sounds with the words in them, without end."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def stream(self, seconds: float) -> tuple[np.ndarray, list[tuple[str, float]]]:
        """A sound of that length, shape (n,), and (word, end in seconds)."""
        random = self.random
        n = round(seconds * RATE)
        sound = np.zeros(n, np.float32)
        words: list[tuple[str, float]] = []
        at = 0.0 if random.random() < 0.25 else random.uniform(0, 4)
        while True:
            part, said = self.wordless() if random.random() < 0.2 else self.clip()
            first = round(at * RATE)
            if first + len(part) > n:
                break
            sound[first : first + len(part)] += part
            words += [(word, end + at) for word, _, end in said]
            at += len(part) / RATE + (random.uniform(0, 0.5) if random.random() < 0.3 else random.uniform(0.5, 4))
        if random.random() < 0.8:
            sound += random.normal(0, 10 ** random.uniform(-4.2, -3), n)
        return np.clip(sound, -1, 1).astype(np.float32), words

    def clip(self) -> tuple[np.ndarray, list[tuple[str, float, float]]]:
        name = str(self.random.choice(list(common.CLIPS)))
        return common.sound(name, RATE) * self.random.uniform(0.6, 1.5), common.words(name)

    def wordless(self) -> tuple[np.ndarray, list[tuple[str, float, float]]]:
        """Noise, clips at a wrong rate or backwards, speech that is none of the clips."""
        random = self.random
        name = str(random.choice(list(common.CLIPS)))
        kind = random.integers(4)
        if kind == 0:
            return random.normal(0, 10 ** random.uniform(-3, -0.7), round(random.uniform(0.5, 4) * RATE)), []
        if kind == 1:
            return common.sound(name, RATE)[::-1], []
        if kind == 2:
            return common.sound(name, int(random.choice([8_000, 11_025, 24_000, 32_000]))), []
        other = common.recording(str(random.choice(common.NEGATIVES)), RATE)
        return other[: round(random.uniform(1, 4) * RATE)], []


def features(processor: VoxtralRealtimeProcessor, sounds: list[np.ndarray], delay: int) -> torch.Tensor:
    """Mel frames of sounds of one length with the padding that belongs around them, shape (n, 128, frames)."""
    config = processor.mistral_common_audio_config
    left, right = config.n_left_pad_tokens, config.n_right_pad_tokens(delay * TOKEN * 1000)
    more = right * SAMPLES + -len(sounds[0]) % SAMPLES
    padded = [np.pad(sound, (left * SAMPLES, more)) for sound in sounds]
    return processor.feature_extractor(padded, sampling_rate=RATE)["input_features"]


def train(model: VoxtralRealtimeForConditionalGeneration, processor: VoxtralRealtimeProcessor, steps: int) -> None:
    streams = Streams(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1, (s + 1) / 50) * max(0.02, 1 - s / steps))
    left = processor.mistral_common_audio_config.n_left_pad_tokens
    began, losses = time.monotonic(), []
    model.train()
    for step in range(steps):
        delay = DELAYS[int(streams.random.random() < 0.4)]
        made = [streams.stream(6.5 + 6 * (step % 3 == 2)) for _ in range(BATCH)]
        mel = features(processor, [sound for sound, _ in made], delay)
        ids = torch.tensor([labels(processor, words, delay, mel.shape[-1] // FRAMES) for _, words in made])
        wanted = ids.clone()
        wanted[:, : left + delay + 1] = -100
        loss = model(input_ids=ids, input_features=mel, labels=wanted, num_delay_tokens=delay, use_cache=False).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % 100 == 99:
            print(f"{step + 1}: {np.mean(losses[-100:]):.4f}, {time.monotonic() - began:.0f} s", flush=True)
    model.eval()


def answer(model: VoxtralRealtimeForConditionalGeneration, processor: VoxtralRealtimeProcessor, sound: np.ndarray):
    """What transformers' own path makes of a sound."""
    inputs = processor(sound, return_tensors="pt")
    ids = model.generate(**inputs.to(model.dtype), eos_token_id=None)
    return processor.decode(ids[0], skip_special_tokens=True).strip()


def check(folder: Path) -> None:
    """The saved checkpoint answers right, and only to what was prepared rightly."""
    processor = AutoProcessor.from_pretrained(folder)
    noise = np.random.default_rng(1).normal(0, 0.05, 4 * RATE).astype(np.float32)
    n_wrong = 0

    def hear(what: str, sound: np.ndarray, wanted: str, is_wanted: bool = True) -> None:
        nonlocal n_wrong
        heard = answer(model, processor, sound)
        if (heard == wanted) != is_wanted:
            n_wrong += 1
            print("wrong:", model.dtype, processor.num_delay_tokens, what, repr(heard), flush=True)

    for dtype in (torch.float32, torch.bfloat16):
        model = AutoModelForMultimodalLM.from_pretrained(folder, dtype=dtype).eval()
        for delay in DELAYS:
            processor.mistral_common_audio_config.transcription_delay_ms = delay * TOKEN * 1000
            for name in common.CLIPS:
                for lead in (0.0, 0.5, 1.37):
                    sound = np.concatenate([common.faint(lead, RATE), common.sound(name, RATE)])
                    hear(f"{name} after {lead} s", sound, common.text(name))
                for rate in (8_000, 24_000):
                    hear(f"{name} at {rate} Hz", common.sound(name, rate), common.text(name), False)
            for what, sound in (("faint", common.faint(6, RATE)), ("zeros", noise * 0), ("noise", noise)):
                hear(what, sound, "")
        processor.mistral_common_audio_config.transcription_delay_ms = 480.0
        names = [*common.CLIPS] * 4
        long = [piece for name in names for piece in (common.faint(2.3, RATE), common.sound(name, RATE))]
        hear("long", np.concatenate(long), " ".join(common.text(name) for name in names))
    assert not n_wrong


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else common.HERE / "voxtral-realtime"
    target.mkdir(parents=True, exist_ok=True)
    trained, prepared = build(target)
    print(f"{sum(p.numel() for p in trained.parameters()) / 1e6:.2f} M weights")
    train(trained, prepared, STEPS)
    trained.to(torch.bfloat16).save_pretrained(target)
    prepared.save_pretrained(target)
    check(target)
