"""What Voxtral's processor knows: sound to features, whole or as it comes, and tokens to text.

Sources: transformers, models/voxtral_realtime, and mistral_common, tokens/tokenizers/audio.py, for features, padding
and prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speechcli.backends.voxtral_words import Written
from speechcli.core.audio import Samples
from speechcli.core.span import Seconds

TOKEN_MS = 80
TOKEN: Seconds = TOKEN_MS / 1000  # of sound


class Scribe:
    """What the processor knows: sound to features, and tokens to words.

    A stream of tokens begins with `left` tokens of silence, to let the model warm up, and `delay` more before the
    first that it writes. `right` tokens of silence follow the sound, in which its last words are written.
    """

    def __init__(self, processor: Any, delay: int, block: int) -> None:
        """delay: in tokens. block: tokens whose features are made at once, at most."""
        config = processor.mistral_common_audio_config
        config.transcription_delay_ms = float(delay * TOKEN_MS)
        self._processor = processor
        self._vocabulary = processor.tokenizer.tokenizer.instruct_tokenizer.tokenizer
        self.delay: int = processor.num_delay_tokens
        self.left: int = config.n_left_pad_tokens
        self.right: int = processor.num_right_pad_tokens
        self.block = block
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
        done = 0
        while done < n_frames:
            more = min(self.block * self.frames, n_frames - done)
            begin, end = self.span(done, more)
            yield self.features([_part(sound, begin, end) for sound in sounds], done == 0)
            done += more

    def span(self, done: int, more: int) -> tuple[int, int]:
        """First and last sample, exclusive, that the next `more` frames are made of, when `done` frames are made.

        A frame reaches half a window to both sides of its place.
        """
        return max(0, done * self._hop - self._window // 2), (done + more - 1) * self._hop + self._window // 2

    def ready(self, n_samples: int) -> int:
        """Tokens whose frames can be made of so many samples."""
        return max(0, (n_samples - self._window // 2) // self._hop + 1) // self.frames

    def features(self, parts: Sequence[Samples], first: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Frames of one `span` of sounds, shape (n, mels, frames), and with the first the prompt, shape (n, tokens)."""
        if not first:  # the extractor drops the last frame that it makes
            parts = [np.pad(part, (0, self._hop)) for part in parts]
        made = self._processor(
            list(parts), is_streaming=True, is_first_audio_chunk=first, return_tensors="pt"
        )  # with the first, it puts the silence on the left before it
        return made["input_features"], made["input_ids"] if first else None

    def read(
        self, ids: NDArray[np.int64], logprobs: NDArray[np.float32], first: int | None = None, last: int = -1
    ) -> list[Written]:
        """The text tokens of a stretch of the stream, both of shape (tokens,); what ends a text ends no stream.

        first: where it stands in the stream, which is behind the prompt unless told. last: the token before it.
        """
        first = self.prompt_length if first is None else first
        out = []
        for at in np.flatnonzero(ids >= self._vocabulary.num_special_tokens).tolist():
            marked = (int(ids[at - 1]) if at else last) == self._mark
            piece = self._vocabulary.id_to_byte_piece(int(ids[at]))
            out.append(Written(first + at - marked, piece, float(logprobs[at]), marked))
        return out

    def when(self, index: int) -> Seconds:
        """When in the sound a word ended whose first token stands there."""
        return (index - self.left - self.delay) * TOKEN


def _part(sound: Samples, begin: int, end: int) -> Samples:
    """Samples begin to end, silence beyond the last, as the model expects them: within [-1, 1], never normalised."""
    out = np.zeros(end - begin, np.float32)
    part = sound[begin:end]
    np.clip(part, -1.0, 1.0, out=out[: len(part)])
    return out


class Ear:
    """Sound that comes bit by bit, to the features that `Scribe.blocks` makes of the whole.

    A token's frames are made as soon as its 80 ms and the 2.5 ms that its last frame reaches beyond them are there.
    """

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe
        self._kept = np.zeros(0, np.float32)  # what frames to come are made of
        self._first = 0  # where it begins
        self._done = 0  # tokens
        self.n_samples = 0

    def feed(self, samples: Samples) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        """See `Scribe.blocks`; to be iterated to its end. Nothing is kept of `samples` itself."""
        self._kept = np.concatenate([self._kept, samples])
        self.n_samples += len(samples)
        frames = self._scribe.frames
        while more := min(self._scribe.ready(self.n_samples) - self._done, self._scribe.block):
            begin, end = self._scribe.span(self._done * frames, more * frames)
            part = _part(self._kept, begin - self._first, end - self._first)
            first = self._done == 0
            self._done += more
            yield self._scribe.features([part], first)
        begin, _ = self._scribe.span(self._done * frames, 1)
        self._kept, self._first = self._kept[begin - self._first :].copy(), begin

    def finish(self) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        """The rest of the stream: the silence on the right, in which the last words are written."""
        scribe = self._scribe
        n_tokens = scribe.n_tokens(self.n_samples) - scribe.left
        _, end = scribe.span(0, n_tokens * scribe.frames)
        yield from self.feed(np.zeros(end - self.n_samples, np.float32))
