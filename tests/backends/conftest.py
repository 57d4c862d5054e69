"""What tests of several backends share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest


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
