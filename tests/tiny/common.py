"""What the scripts that train the small checkpoints share: real clips with words and times, and a small tokenizer.

Each checkpoint beside this file (a folder a model) is made by the script of its name, on one thread, in minutes:
real classes, real processors, few weights, overfitted on the clips below. Tests load it as a user loads the full one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speechcli.media.decode import Take, decode
from speechcli.media.ffmpeg import find
from speechcli.media.probe import probe

HERE = Path(__file__).parent
DATA = HERE.parent / "data"
PAUSE = 0.4  # seconds between the parts of a clip


@dataclass(frozen=True, slots=True)
class Part:
    """A recording of data/ by one speaker. words: (text, start, end) in seconds, as Whisper's word times have them."""

    file: str
    speaker: int
    text: str
    times: tuple[tuple[float, float], ...]

    @property
    def words(self) -> list[tuple[str, float, float]]:
        return [(word, *time) for word, time in zip(self.text.split(), self.times, strict=True)]


_LADY = ((0.56, 0.99), (1.26, 1.57), (1.57, 1.77), (1.77, 2.17), (2.17, 2.65), (2.65, 2.91), (2.91, 3.05))
_LADY += ((3.05, 3.33), (3.33, 3.55), (3.55, 3.75), (3.75, 3.97))
_STUFF = ((0.3, 0.8), (0.8, 0.96), (0.96, 1.26), (1.26, 1.64), (1.74, 1.88), (1.88, 2.18), (2.18, 2.7), (2.7, 2.98))
_UNTO = ((0.49, 1.0), (1.0, 1.42), (1.42, 1.86), (1.86, 2.28), (2.28, 2.75))

CLIPS: dict[str, tuple[Part, ...]] = {
    "modern": (
        Part(
            "LJ001-0002", 0, "in being comparatively modern.", ((0.0, 0.24), (0.24, 0.52), (0.52, 1.24), (1.24, 1.68))
        ),
    ),
    "lady": (Part("3080-5032-0000", 0, "But I am hugely pleased that you have seen my lady.", _LADY),),
    "stuff": (Part("1089-134686-0001", 0, "Stuff it into you, his belly counselled him.", _STUFF),),
    "talk": (
        Part("2414-128291-0000", 0, "What hath happened unto me?", _UNTO),
        Part("367-130732-0000", 1, "Lobsters and lobsters.", ((0.46, 1.11), (1.11, 1.43), (1.43, 1.91))),
    ),
}
NEGATIVES = ("LJ001-0016", "1089-134691-0000")  # speech that a checkpoint may be taught to pass over


@cache
def recording(file: str, rate: int) -> NDArray[np.float32]:
    """A recording of data/, mono, shape (n,), through the one decode door."""
    path, program = DATA / f"{file}.flac", find()
    with decode(path, probe(path, program), program, Take(rate)) as blocks:
        samples = np.concatenate([block.samples for block in blocks])
    samples.flags.writeable = False
    return samples


@cache
def sound(name: str, rate: int) -> NDArray[np.float32]:
    """A clip at `rate` Hz, shape (n,): its parts with `PAUSE` seconds of faint noise between them."""
    pieces: list[NDArray[np.float32]] = []
    for part in CLIPS[name]:
        if pieces:
            pieces.append(faint(PAUSE, rate))
        pieces.append(recording(part.file, rate))
    samples = np.concatenate(pieces)
    samples.flags.writeable = False
    return samples


def faint(seconds: float, rate: int, seed: int = 5) -> NDArray[np.float32]:
    """Silence as it is recorded: noise at -70 dB."""
    return np.random.default_rng(seed).normal(0, 3e-4, round(seconds * rate)).astype(np.float32)


def text(name: str) -> str:
    """All that is said in a clip."""
    return " ".join(part.text for part in CLIPS[name])


def words(name: str) -> list[tuple[str, float, float]]:
    """(word, start, end) in seconds from the start of the clip."""
    out: list[tuple[str, float, float]] = []
    at = 0.0
    for part in CLIPS[name]:
        out += [(word, start + at, end + at) for word, start, end in part.words]
        at += len(recording(part.file, 16_000)) / 16_000 + PAUSE
    return out


def turns(name: str) -> list[tuple[float, float, int, str]]:
    """(start, end, speaker, text) of each part, in seconds to two places."""
    out: list[tuple[float, float, int, str]] = []
    spoken = iter(words(name))
    for part in CLIPS[name]:
        own = [next(spoken) for _ in part.words]
        out.append((round(own[0][1], 2), round(own[-1][2], 2), part.speaker, part.text))
    return out


def qwen_tokenizer(
    special: list[str], plain: tuple[str, ...] = (), named: dict[str, str] | None = None, size: int = 640
):
    """A byte-level BPE of Qwen's kind, trained here in under a second on what the checkpoints say.

    special, plain: added tokens. named: extra_special_tokens, such as {"audio_token": "<|audio_pad|>"}.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2TokenizerFast
    from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

    corpus = [text(name) for name in CLIPS] * 6 + [
        json.dumps([{"Start": a, "End": b, "Speaker": s, "Content": t} for a, b, s, t in turns(name)]) for name in CLIPS
    ] * 3
    corpus += ["You are a helpful assistant that transcribes audio input into text output in JSON format."] * 2
    corpus += [
        "This is a 10.00 seconds audio, please transcribe it with these keys: Start time, End time, Speaker ID, Content"
    ]
    corpus += [
        "with extra info: Please transcribe it",
        "system\nuser\nassistant\n",
        "language English",
        "language None",
    ] * 2
    corpus += [" ".join(str(i) for i in range(100))]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        corpus, trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    )
    made = json.loads(bpe.to_str())["model"]
    end = "<|endoftext|>"
    more = {"extra_special_tokens": named} if named else {}
    tokenizer = Qwen2TokenizerFast(
        vocab=made["vocab"],
        merges=[tuple(merge) for merge in made["merges"]],
        eos_token=end,
        pad_token=end,
        unk_token=end,
        **more,
    )
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in plain])
    return tokenizer
