"""Voxtral's language model, one token after the other: what it remembers, its step, and streams of sound through it.

What the language model remembers is a ring of fixed size, written in place: shapes and addresses are the same at each
step, so `--compile` takes the step as one graph (transformers' own static cache counts in Python, and is compiled anew
at each step).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.cache_utils import Cache, CacheLayerMixin


class _Layer(CacheLayerMixin):  # type: ignore[no-untyped-call]  # transformers' __init_subclass__
    """Keys and values of one layer, written in place; their order does not matter to attention."""

    is_compileable = True
    is_sliding = True

    def __init__(self, ring: Ring) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ring = ring

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        rows, heads, _, width = key_states.shape
        self.keys = key_states.new_zeros((rows, heads, self.ring.slots, width))
        self.values = value_states.new_zeros((rows, heads, self.ring.slots, value_states.shape[-1]))
        torch._dynamo.mark_static_address(self.keys)  # CUDA graphs write into them
        torch._dynamo.mark_static_address(self.values)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None
        assert self.values is not None
        places = self.ring.places.to(self.keys.device)  # layers may be spread over devices
        self.keys[:, :, places] = key_states
        self.values[:, :, places] = value_states
        return self.keys, self.values

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.ring.slots, 0

    def get_seq_length(self) -> int:
        return self.ring.length

    def get_max_length(self) -> int:
        return self.ring.slots


class Ring:
    """What the language model remembers of the last `slots` tokens of each row.

    length: tokens so far. positions, places: of the tokens that come next, in the stream and in the ring, (k,).
    """

    def __init__(self, model: Any, slots: int, device: torch.device) -> None:
        self.slots = slots
        self.length = 0
        self._position = torch.zeros(1, dtype=torch.long, device=device)
        self._place = torch.zeros(1, dtype=torch.long, device=device)
        self.positions, self.places = self._position, self._place
        self.cache = Cache([_Layer(self) for _ in range(model.config.text_config.num_hidden_layers)])

    @torch.inference_mode()
    def begin(self, n_tokens: int) -> None:
        """Forgets everything, and makes room for a prompt, which must not be longer than the ring."""
        self.cache.reset()  # type: ignore[no-untyped-call]
        self.length = n_tokens
        self.positions = self.places = torch.arange(n_tokens, device=self._position.device)

    def go_on(self) -> None:
        """Makes room for one token more. The tensors are the same each time, as compiled steps want them."""
        self.positions, self.places = self._position.fill_(self.length), self._place.fill_(self.length % self.slots)
        self.length += 1

    def seen(self) -> torch.Tensor:
        """Whether the tokens that come next may look at each slot, (k, slots): it holds nothing newer, nor too old."""
        return torch.arange(self.slots, device=self.positions.device) <= self.positions[:, None]


Step: TypeAlias = Callable[[Any, torch.Tensor, torch.Tensor, torch.Tensor, Ring], tuple[torch.Tensor, torch.Tensor]]


def step(
    model: Any, ids: torch.Tensor, sound: torch.Tensor, delay: torch.Tensor, ring: Ring
) -> tuple[torch.Tensor, torch.Tensor]:
    """The next token of each row, shape (n, 1), and its log probability.

    ids: the tokens before it that the ring has not seen, (n, k). sound: what was heard beside them, (n, k, width).
    delay: its embedding, (1, width).
    """
    inputs = model.get_input_embeddings()(ids)
    inputs = inputs + sound.to(inputs.device)
    mask = ring.seen()
    if model.config.text_config._attn_implementation == "eager":  # adds its mask
        mask = torch.zeros_like(mask, dtype=inputs.dtype).masked_fill(~mask, torch.finfo(inputs.dtype).min)
    heard = model.model.language_model(
        inputs_embeds=inputs,
        attention_mask=mask[None, None],
        position_ids=ring.positions[None],
        past_key_values=ring.cache,
        use_cache=True,
        t_cond=delay,
    ).last_hidden_state
    logits = model.lm_head(heard[:, -1]).float()
    best, chosen = logits.max(-1, keepdim=True)
    return chosen, best - logits.logsumexp(-1, keepdim=True)


class Stream:
    """Sounds that begin together, as far as they have been heard and written.

    What is fed may be of any length, in whole tokens; the same sound gives the same text, however it is cut.
    """

    def __init__(self, model: Any, prompt: torch.Tensor, delay: int, ring: Ring, step: Step = step) -> None:
        """Takes over the ring. prompt: shape (n, tokens). delay: in tokens. step: for one token, maybe compiled."""
        self._model, self._ring, self._step = model, ring, step
        ring.begin(prompt.shape[1])
        self._device = ring.positions.device
        self._ids = prompt.to(self._device)
        self._delay = model.model.time_embedding(torch.full((1,), delay, device=self._device, dtype=model.dtype))[None]
        self._encoder: dict[str, Any] = {"past_key_values": None, "padding_cache": None}
        self._unread: torch.Tensor | None = None  # sound heard before the prompt was over
        self._tokens: list[torch.Tensor] = []
        self._logprobs: list[torch.Tensor] = []

    @torch.inference_mode()
    def feed(self, features: torch.Tensor) -> None:
        """Hears on. features: shape (n, mels, frames), whole tokens of frames."""
        heard = self._model.get_audio_features(
            input_features=features.to(self._device, self._model.dtype), use_cache=True, **self._encoder
        )
        self._encoder = {"past_key_values": heard.past_key_values, "padding_cache": heard.padding_cache}
        sound = heard.pooler_output if self._unread is None else torch.cat([self._unread, heard.pooler_output], 1)
        begin = 0
        while begin + (width := self._ids.shape[1]) <= sound.shape[1]:
            write = self._step if width == 1 else step  # the prompt has a shape of its own
            beside = sound[:, begin : begin + width].clone(
                memory_format=torch.contiguous_format
            )  # strides are compiled in
            chosen, logprob = write(self._model, self._ids, beside, self._delay, self._ring)
            self._ring.go_on()
            begin += width
            self._ids = chosen.clone()  # a CUDA graph writes over what it gave
            self._tokens.append(self._ids)
            self._logprobs.append(logprob.clone())
        self._unread = sound[:, begin:] if begin < sound.shape[1] else None

    def take(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Tokens written since the last time, and their log probabilities, both of shape (n, tokens)."""
        if not self._tokens:
            return np.zeros((len(self._ids), 0), np.int64), np.zeros((len(self._ids), 0), np.float32)
        tokens, logprobs = torch.cat(self._tokens, 1), torch.cat(self._logprobs, 1)
        self._tokens, self._logprobs = [], []
        return tokens.cpu().numpy(), logprobs.cpu().numpy()
