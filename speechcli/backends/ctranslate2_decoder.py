"""Whisper's decoder in CTranslate2, which searches by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ctranslate2
import numpy as np
from numpy.typing import NDArray

from speechcli.backends.whisper_search import Found, Rules

_SHARE = 250  # frames, 5 s: what is cut to the same multiple shares a batch


class Decoder:
    """A `whisper.Decoder`. In int8 on a CPU it gives the same bits for a window whatever shares its batch."""

    def __init__(self, model: ctranslate2.models.Whisper) -> None:
        self._model = model

    def memory(self, encoded: NDArray[Any]) -> NDArray[Any]:
        """All of it."""
        return encoded

    def rest(self, memory: NDArray[Any], begin: int) -> NDArray[Any]:
        """What follows frame `begin`, and what was before for a length that others have, too."""
        left = -(-(memory.shape[1] - begin) // _SHARE) * _SHARE
        return memory[:, -left:]

    def decode(
        self,
        memories: Sequence[NDArray[Any]],
        prompts: Sequence[list[int]],
        rules: Rules,
        beam_size: int,
        longest: Sequence[int],
    ) -> list[Found]:
        """See `whisper.Decoder`; of log probabilities only the mean is told."""
        together: dict[tuple[int, int, int], list[int]] = {}  # it wants the transcript to begin at one place
        for i, (memory, prompt, room) in enumerate(zip(memories, prompts, longest, strict=True)):
            together.setdefault((prompt.index(rules.sot), memory.shape[1], room), []).append(i)
        found: dict[int, Found] = {}
        for (_, _, room), places in together.items():
            asked = [prompts[i] for i in places]
            some = self._search([memories[i] for i in places], asked, rules, beam_size, room)
            found.update(zip(places, some, strict=True))
        return [found[i] for i in range(len(memories))]

    def _search(
        self, memories: Sequence[NDArray[Any]], prompts: Sequence[list[int]], rules: Rules, beam_size: int, longest: int
    ) -> list[Found]:
        results = self._model.generate(
            ctranslate2.StorageView.from_array(np.ascontiguousarray(np.concatenate(memories))),
            prompts,
            beam_size=beam_size,
            no_repeat_ngram_size=rules.ngram,
            suppress_blank=True,
            suppress_tokens=[int(token) for token in rules.suppressed],
            max_length=longest,
            max_initial_timestamp_index=rules.first_timestamp_until,
            return_scores=True,
            return_no_speech_prob=True,
        )
        found = []
        for result in results:
            tokens = tuple(result.sequences_ids[0])
            # scores are means over the tokens; the mean of Radford et al. counts the end of text too
            mean = result.scores[0] * len(tokens) / (len(tokens) + 1)
            found.append(Found(tokens, (), mean, result.no_speech_prob))
        return found
