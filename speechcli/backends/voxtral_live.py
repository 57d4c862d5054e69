"""Voxtral Realtime heard live: one stream of any length, a token written for each 80 ms as soon as they are there.

Sources: Liu et al. 2026 (arXiv:2602.11298); transformers, models/voxtral_realtime, whose incremental path (the caches
of the encoder and of its convolutions) is used without `generate` and its thread: that picks a token only when the
next sound has come, ends at a sampled </s>, and keeps all that it wrote.

A word is written when it has been said and the delay is over; its text never changes after that, but nobody says that
it is complete. So it is final when the next word begins, or when nothing follows: a moment after the end of a
sentence, a second anywhere else. Until then it is the partial. The text is that which `voxtral_realtime` makes of the
same sound at once.

Nothing grows: the encoder and the language model look back so far and no further (15 s and 11 minutes in the published
model), features are made of the last tenth of a second, and what was written is handed on. Positions only ever count
up, but attention sees their differences, to which rounding does less in a day than bfloat16 does to begin with.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from speechcli.backends import placement_torch
from speechcli.backends.base import Hints, OutOfMemoryError, Setup, Traits
from speechcli.backends.voxtral_realtime import NAME, RATE, Loaded, check, load
from speechcli.backends.voxtral_scribe import TOKEN, Ear
from speechcli.backends.voxtral_stream import Ring, Step, Stream
from speechcli.backends.voxtral_words import PAUSE, Written, begins, is_whole, text_of, timed
from speechcli.core.audio import Samples
from speechcli.core.languages import VOXTRAL
from speechcli.core.live import Final, Partial
from speechcli.core.span import Seconds
from speechcli.core.transcript import Word
from speechcli.errors import UnavailableError
from speechcli.timeline.text import ends_sentence

WAIT = 3  # tokens without text after the end of a sentence, in which its quotation mark would come
LONG_WAIT = math.ceil(PAUSE / TOKEN)  # anywhere else
LONGEST = 100  # tokens of a word: a model that has lost its way may write without blanks for ever
GAP = 2 * RATE  # samples: more that was lost is not made up for by silence, which the model must hear too


def open(setup: Setup) -> VoxtralLive:  # noqa: A001  # the registry's name for it
    """The model of a folder, to be listened with. Raises UsageError, UnavailableError, DataError."""
    opened = VoxtralLive(load(setup, placement_torch.place(setup.device, setup.dtype)), setup)
    warm = opened.listen(Hints())  # compiled and allocated now, the first words need not wait
    for _ in itertools.chain(warm.feed(np.zeros(RATE, np.float32)), warm.finish()):
        pass
    return opened


class VoxtralLive:
    """A `StreamingTranscriber`."""

    def __init__(self, loaded: Loaded, setup: Setup) -> None:
        self.loaded = loaded
        self.step: Step = loaded.step(setup)
        self.stage = loaded.stage
        self.traits = Traits(rate=RATE, longest=math.inf, gives_words=True, languages=VOXTRAL)
        self._rings: list[Ring] = []  # of sessions that are over: a compiled step knows them

    def listen(self, hints: Hints) -> Listening:
        """A new stream; hotwords and context change nothing. Raises UsageError."""
        check(hints)
        return Listening(self, hints.languages[0] if len(hints.languages) == 1 else None)

    def close(self) -> None:
        """Frees the weights; neither this nor its sessions can be used any more."""
        del self.loaded
        self._rings.clear()
        placement_torch.give_back()

    def borrow(self) -> Ring:
        """A memory for one session."""
        loaded = self.loaded
        return self._rings.pop() if self._rings else Ring(loaded.model, loaded.window, loaded.device)

    def bring_back(self, ring: Ring) -> None:
        self._rings.append(ring)


class Listening:
    """A `Session`. Samples are finite; what is louder than can be is cut off at ±1."""

    def __init__(self, of: VoxtralLive, language: str | None) -> None:
        self._of = of
        self._ring: Ring | None = None
        self._saying = Saying(language, of.loaded.scribe.when)
        self._begin(0)

    def _begin(self, first: int) -> None:
        """A new stream of tokens. first: its first sample, counted from that of the session."""
        self._first = first
        self._ear = Ear(self._of.loaded.scribe)
        self._stream: Stream | None = None
        self._last = -1  # token
        self._next = self._of.loaded.scribe.prompt_length  # where in the stream the next one stands
        self._saying.begin(first / RATE)

    def feed(self, samples: Samples) -> Iterator[Partial | Final]:
        """See `Session`. Raises UnavailableError."""
        for features, prompt in self._ear.feed(samples):
            yield from self._hear(features, prompt, math.inf)

    def skip(self, n_samples: int) -> Iterator[Partial | Final]:
        """See `Session`. A short gap is silence to the model, which goes on; behind a longer one it begins anew.

        The words that are still in the delay before a short gap become final behind it.

        Raises UnavailableError.
        """
        if n_samples <= GAP:
            yield from self.feed(np.zeros(n_samples, np.float32))
            return
        end = self._first + self._ear.n_samples + n_samples
        yield from self._end()
        self._begin(end)

    def finish(self) -> Iterator[Partial | Final]:
        """See `Session`. Raises UnavailableError."""
        yield from self._end()
        if self._ring is not None:
            self._of.bring_back(self._ring)
            self._ring = self._stream = None  # they are another's now

    def _end(self) -> Iterator[Partial | Final]:
        """Flushes the stream: the words that are still in the delay, written in the silence on the right."""
        n_samples = self._ear.n_samples
        if not n_samples:
            return
        self._saying.duration = (self._first + n_samples) / RATE
        n_tokens = self._of.loaded.scribe.n_tokens(n_samples)
        for features, prompt in self._ear.finish():
            yield from self._hear(features, prompt, n_tokens)
        yield from self._saying.finish()

    def _hear(self, features: torch.Tensor, prompt: torch.Tensor | None, n_tokens: float) -> Iterator[Partial | Final]:
        """Hears and writes on. n_tokens: length of the stream; what the model writes beyond it is not meant."""
        loaded = self._of.loaded
        try:
            with placement_torch.compiling(NAME), placement_torch.memory():
                if prompt is not None:
                    self._ring = self._ring or self._of.borrow()
                    self._stream = Stream(loaded.model, prompt, loaded.scribe.delay, self._ring, self._of.step)
                assert self._stream is not None
                self._stream.feed(features)
                tokens, logprobs = self._stream.take()
        except OutOfMemoryError as error:
            raise UnavailableError(f"not enough memory to listen with {NAME} ({error})", "try --quantize") from error
        n_new = int(min(tokens.shape[1], n_tokens - self._next))
        written = loaded.scribe.read(tokens[0, :n_new], logprobs[0, :n_new], self._next, self._last)
        if n_new:
            self._next, self._last = self._next + n_new, int(tokens[0, n_new - 1])
        yield from self._saying.go_on(written, self._next)


class Saying:
    """Words that become final one after the other while their tokens come in.

    duration: where the sound ends, in seconds from the first sample of the session, once that is known.
    """

    def __init__(self, language: str | None, when: Callable[[int], Seconds]) -> None:
        """when: in its stream of tokens, the time that an index stands for."""
        self.duration: Seconds = math.inf
        self._language, self._when = language, when
        self._id = 0
        self._word: list[Written] = []  # that may go on
        self._behind = 0  # the index behind it
        self._shown = ""  # of it
        self.begin(0.0)

    def begin(self, at: Seconds) -> None:
        """A stream of tokens begins there; the words of the one before are final."""
        self.duration = math.inf
        self._begun = self._before = at
        self._follows = False

    def go_on(self, written: Sequence[Written], n_tokens: int) -> Iterator[Partial | Final]:
        """What is new with these tokens of text. n_tokens: length of the stream so far."""
        for token in written:
            place = token.index + token.mark
            yield from self._rest(place)
            if self._word and begins(self._word, token):
                yield from self._close(ends_sentence(text_of(self._word)))
            self._word.append(token)
            self._behind = place + 1
        yield from self._rest(n_tokens)
        found = self._timed()
        if found is not None and found.text != self._shown:
            self._shown = found.text
            yield Partial(found.start, found.end, self._id, (found,))

    def finish(self) -> Iterator[Final]:
        """Nothing follows."""
        yield from self._close(True)

    def _rest(self, place: int) -> Iterator[Final]:
        """The word, if there was no text behind it for long enough, up to that place."""
        if not self._word or not is_whole(self._word):
            return
        quiet = place - self._behind
        if quiet >= LONG_WAIT or (quiet >= WAIT and ends_sentence(text_of(self._word))):
            yield from self._close(True)
        elif len(self._word) >= LONGEST:
            yield from self._close(False)

    def _close(self, ends: bool) -> Iterator[Final]:
        word = self._timed()
        self._word, self._shown = [], ""
        if word is None:
            return
        yield Final(word.start, word.end, self._id, (word,), self._language, ends)
        self._id += 1
        self._before, self._follows = word.end, True

    def _timed(self) -> Word | None:
        if not self._word:
            return None
        end = min(max(self._begun + self._when(self._word[0].index), self._before), self.duration)
        found = timed(self._word, end, self._before, self._follows)
        return None if found is None else found.word
