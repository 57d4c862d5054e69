"""Makes pyannote/segmentation.safetensors: a small PyanNet of pyannote.audio that knows two hums, and a folder for it.

    PYTHONPATH=.:tests python tests/tiny/make_pyannote.py [steps]

`folder` puts it into the layout of pyannote/speaker-diarization-community-1, as `diarize_pyannote` reads it: with the
embedding's real architecture, whose weights are drawn (one seed, always the same), and a PLDA that changes nothing. So
pyannote.audio's own pipeline runs as a whole, in seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from pyannote.audio.core.task import Problem, Resolution, Specifications
from pyannote.audio.models.embedding import WeSpeakerResNet34
from pyannote.audio.models.segmentation import PyanNet
from safetensors.torch import load_file, save_file
from tiny.hums import PITCHES, RATE, hum, quiet, scene

CHUNK = 2.0  # seconds that the segmentation hears at once
OUT = Path(__file__).parent / "pyannote" / "segmentation.safetensors"


def segmentation() -> PyanNet:
    """The small PyanNet, its weights drawn: classes nobody, the first, the second, both."""
    torch.manual_seed(0)
    model = PyanNet(lstm={"hidden_size": 16, "num_layers": 1}, linear={"hidden_size": 16, "num_layers": 1})
    model.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=CHUNK,
        classes=["speaker#1", "speaker#2"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    model.setup()
    return model


def embedding() -> WeSpeakerResNet34:
    """The real architecture; its weights are drawn, but the last layer looks at what tells the two hums apart."""
    torch.manual_seed(0)
    model = WeSpeakerResNet34()
    model.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=5.0, classes=["somebody"]
    )
    chunks, masks = zip(*(alone(pitch, seed) for pitch in PITCHES[:2] for seed in range(6)), strict=True)
    sounds, weights = torch.from_numpy(np.stack(chunks))[:, None], torch.from_numpy(np.stack(masks))
    pooled: list[torch.Tensor] = []  # what the last layer is given, (hums, width)
    model.resnet.seg_1.register_forward_pre_hook(lambda _, given: pooled.append(given[0]))
    with torch.no_grad():
        for norm in (part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)):
            norm.momentum = 1.0
        model.train()(sounds, weights=weights)
        model.eval()(sounds, weights=weights)
        apart = pooled[-1][:6].mean(0) - pooled[-1][6:].mean(0)
        last = model.resnet.seg_1
        last.weight *= 0.05
        last.weight[:32] += apart / apart.norm()
        last.bias[:] = -last.weight @ pooled[-1].mean(0)
    return model


def alone(pitch: float, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A chunk with a hum among others, and the frames in which it is, (200,): what the pipeline embeds."""
    other = PITCHES[1] if pitch == PITCHES[0] else PITCHES[0]
    start, end = ((0.0, 2.0), (0.1, 1.0), (0.9, 1.8), (0.5, 1.5), (1.2, 2.0), (0.0, 0.7))[seed]
    parts = [(start, end, pitch)]
    if seed in (1, 5):
        parts.append((end + 0.3, 2.0, other))
    if seed in (2, 4):
        parts.append((0.0, start - 0.3, other))
    frames = np.arange(200) / 100
    return scene(CHUNK, *parts), ((frames >= start) & (frames < end)).astype(np.float32)


def checkpoint(model: PyanNet | WeSpeakerResNet34) -> dict[str, object]:
    """What lightning writes for it, with what pyannote.audio adds."""
    held: dict[str, object] = {"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams)}
    model.on_save_checkpoint(held)
    return held


def folder(at: Path) -> Path:
    """The whole pipeline, in a folder that this makes."""
    known = segmentation()
    known.load_state_dict({name: tensor.float() for name, tensor in load_file(OUT).items()})
    for name, model in (("segmentation", known), ("embedding", embedding())):
        (at / name).mkdir(parents=True)
        torch.save(checkpoint(model), at / name / "pytorch_model.bin")
    (at / "plda").mkdir()
    turned, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(256, 128)))
    np.savez(at / "plda" / "xvec_transform.npz", mean1=np.zeros(256), mean2=np.zeros(128), lda=turned)
    np.savez(at / "plda" / "plda.npz", mu=np.zeros(128), tr=np.eye(128), psi=np.linspace(3.0, 0.1, 128))
    params = {
        "clustering": "VBxClustering",
        "segmentation": "$model/segmentation",
        "segmentation_step": 0.5,
        "segmentation_batch_size": 32,
        "embedding": "$model/embedding",
        "embedding_batch_size": 32,
        "embedding_exclude_overlap": True,
        "plda": "$model/plda",
    }
    config = {
        "dependencies": {"pyannote.audio": "4.0.0"},
        "pipeline": {"name": "pyannote.audio.pipelines.SpeakerDiarization", "params": params},
        "params": {
            "clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8},
            "segmentation": {"min_duration_off": 0.0},
        },
    }
    (at / "config.yaml").write_text(yaml.safe_dump(config))
    return at


def example(random: np.random.Generator, n_frames: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """A chunk, and its class per frame."""
    sound, classes = quiet(CHUNK, int(random.integers(1 << 30))), np.zeros(n_frames, np.int64)
    at = CHUNK if random.random() < 0.15 else random.uniform(0, 0.6) * (random.random() < 0.7)
    while at < CHUNK:
        who, long = int(random.integers(2)), random.uniform(0.3, 2.0)
        end = min(at + long, CHUNK)
        made = hum(PITCHES[who], end - at, int(random.integers(1 << 30))) * 10 ** random.uniform(-0.6, 0.3)
        first = round(at * RATE)
        sound[first : first + len(made)] += made[: len(sound) - first]
        classes[round(at / CHUNK * n_frames) : round(end / CHUNK * n_frames)] = 1 + who
        at = end + random.uniform(0, 0.5) * (random.random() < 0.6)
    return sound, classes


def train(steps: int) -> None:
    """The filters stay as they were made; what follows them learns on a few chunks."""
    torch.set_num_threads(1)
    random, model = np.random.default_rng(0), segmentation()
    n_frames = model.num_frames(round(CHUNK * RATE))
    sounds, classes = zip(*(example(random, n_frames) for _ in range(160)), strict=True)
    wanted = torch.from_numpy(np.stack(classes))
    with torch.inference_mode():
        heard = torch.cat([model.sincnet(torch.from_numpy(sound)[None, None]) for sound in sounds])
    heard = heard.transpose(1, 2).clone()
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(steps):
        rows = torch.from_numpy(random.integers(len(heard), size=32))
        outputs, _ = model.lstm(heard[rows])
        for linear in model.linear:
            outputs = torch.nn.functional.leaky_relu(linear(outputs))
        scores = model.activation(model.classifier(outputs))
        loss = torch.nn.functional.nll_loss(scores.flatten(0, 1), wanted[rows].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 20 == 0:
            wrong = (scores.argmax(-1) != wanted[rows]).float().mean()
            print(f"step {step}  loss {loss:.3f}  frames wrong {100 * wrong:.1f} %", flush=True)
    OUT.parent.mkdir(exist_ok=True)
    save_file({name: tensor.half() for name, tensor in model.state_dict().items()}, OUT)


if __name__ == "__main__":
    train(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
