"""Makes hf-diarizer: a streaming Sortformer of transformers (nemotron3_diarization) that knows three hums.

    PYTHONPATH=.:tests python tests/tiny/make_nemotron.py [steps]

It is trained on made conversations of three hums, which overlap now and then, as transformers runs a whole
recording: in chunks of 2 s, with 0.4 s of what follows and with the speaker cache. Each pitch has an output of its own,
which is less than the published model promises (speakers by order of arrival); all else is as there.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tiny.hums import PITCHES, RATE, hum, quiet
from transformers import (
    Nemotron3DiarizationConfig,
    Nemotron3DiarizationForAudioFrameClassification,
    Nemotron3DiarizationProcessor,
    NemotronAsrStreamingFeatureExtractor,
)

HOP = 160
OUT = Path(__file__).parent / "hf-diarizer"
SECONDS = 7.0


def conversation(
    random: np.random.Generator, seconds: float = SECONDS
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Sound (n,), and who hums, (n / HOP, 3)."""
    sound = quiet(seconds, int(random.integers(1 << 30))) * 10 ** random.uniform(-1, 0.5)
    active = np.zeros((len(sound) // HOP, len(PITCHES)), bool)
    if random.random() < 0.15:
        sound *= 0  # nothing at all
    at = len(active) if random.random() < 0.15 else round(random.uniform(0, 1.5) * 100)
    while at < len(active):
        voice, long = int(random.integers(len(PITCHES))), random.uniform(0.3, 3.0)
        part = hum(PITCHES[voice], long, int(random.integers(1 << 30))) * 10 ** random.uniform(-0.6, 0.3)
        part = part[: (len(active) - at) * HOP]
        sound[at * HOP : at * HOP + len(part)] += part
        active[at : at + len(part) // HOP, voice] = True
        at += max(10, len(part) // HOP + round(random.uniform(-1.5, 1.0) * 100))
    return sound.astype(np.float32), active


def made() -> tuple[Nemotron3DiarizationForAudioFrameClassification, Nemotron3DiarizationProcessor]:
    extractor = NemotronAsrStreamingFeatureExtractor(feature_size=40)
    processor = Nemotron3DiarizationProcessor(extractor)
    config = Nemotron3DiarizationConfig(
        audio_config={
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "intermediate_size": 128,
            "num_mel_bins": 40,
            "max_position_embeddings": 256,
        },
        head_config={"hidden_size": 32, "num_speakers": len(PITCHES), "audio_hidden_size": 64},
        streaming_config={
            "fifo_length": 10,
            "speaker_cache_update_period": 15,
            "speaker_cache_length": 24,
            "num_speakers": len(PITCHES),
        },
        chunk_length=25,
        chunk_right_context=5,
        fifo_length=10,
        speaker_cache_update_period=15,
    )
    return Nemotron3DiarizationForAudioFrameClassification(config), processor


def train(steps: int) -> None:
    torch.manual_seed(1)
    torch.set_num_threads(1)
    random = np.random.default_rng(1)
    model, processor = made()
    sounds, labels = zip(*(conversation(random) for _ in range(160)), strict=True)
    heard = processor(list(sounds), sampling_rate=RATE, return_tensors="pt")
    n = min(int(heard["attention_mask"].sum(-1).max()), len(labels[0]))
    features, wanted = heard["input_features"][:, :n], torch.from_numpy(np.stack(labels)).float()[:, :n]
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=0.01)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * min(1.0, step / 20) * (1 - step / steps)
        rows = torch.from_numpy(random.integers(len(features), size=8))
        logits = model(input_features=features[rows]).logits
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted[rows])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step % 20 == 0:
            wrong = ((logits > 0) != (wanted[rows] > 0)).any(-1).float().mean()
            took = time.process_time()
            print(f"{took:5.0f} s  step {step}  loss {loss:.3f}  frames wrong {100 * wrong:.1f} %", flush=True)
    model.eval().to(torch.bfloat16).save_pretrained(OUT)
    processor.save_pretrained(OUT)


if __name__ == "__main__":
    train(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
