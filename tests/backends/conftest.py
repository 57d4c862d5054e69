"""What tests of several backends share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from spoken import clip

from speechcli.backends import catalog, kept, weights


@pytest.fixture(scope="session")
def tiny_en() -> Path:
    """The folder of the weights that ship."""
    return weights.of_package(catalog.find("embedded")).folder


@pytest.fixture(scope="session")
def features(tiny_en) -> np.ndarray:
    """A clip's log-mel features by faster-whisper, (1, mels, 3000)."""
    from faster_whisper import WhisperModel

    mel = WhisperModel(str(tiny_en), device="cpu").feature_extractor(clip("367-130732-0000").samples)[:, :3000]
    padded = np.zeros((1, mel.shape[0], 3000), np.float32)
    padded[0, :, : mel.shape[1]] = mel
    return padded


@pytest.fixture
def engines_cache(tmp_path, monkeypatch) -> Path:
    """Where engines keep what they measured and compiled, in a cache of the user's that is empty."""
    monkeypatch.setattr(kept, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache" / "speechcli" / "encoders"


@pytest.fixture
def broken_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend of torch.compile called "broken", on a machine without a C compiler."""
    import torch

    def broken(graph, inputs):
        raise RuntimeError("no C compiler was found")

    broken._tags = ()
    monkeypatch.setitem(torch._dynamo.backends.registry._BACKENDS, "broken", None)
    monkeypatch.setitem(torch._dynamo.backends.registry._COMPILER_FNS, "broken", broken)
    torch._dynamo.reset()


@pytest.fixture(scope="session")
def random_wav2vec2(tmp_path_factory) -> Callable[[str], Path]:
    """Makes the folder of a Wav2Vec2 of group norm with random weights: 20 ms frames, these letters, no attention mask.

    What it says means nothing, but it knows where it says it.
    """

    def made(letters: str) -> Path:
        import torch
        from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

        folder = tmp_path_factory.mktemp("wav2vec2")
        vocabulary = ["<pad>", "<s>", "</s>", "<unk>", "|", *letters]
        (folder / "vocab.json").write_text(json.dumps({letter: i for i, letter in enumerate(vocabulary)}))
        torch.manual_seed(0)
        config = Wav2Vec2Config(
            vocab_size=len(vocabulary),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            conv_dim=(16,) * 7,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=2,
        )
        model = Wav2Vec2ForCTC(config)
        torch.nn.init.normal_(model.lm_head.weight, std=3.0)
        model.lm_head.bias.data[1:4] = -1e4  # <s>, </s> and <unk> are not said
        model.save_pretrained(folder)
        Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
        Wav2Vec2FeatureExtractor(return_attention_mask=False).save_pretrained(folder)
        return folder

    return made
