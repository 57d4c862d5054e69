"""Search for the most probable transcript of a batch of windows, by the decoding rules of Whisper.

Sources: Radford et al. 2022 (arXiv:2212.04356), section 4.5; openai/whisper, decoding.py (`ApplyTimestampRules`,
`SuppressBlank`, `BeamSearchDecoder`), whose rules and order these are. Numbers only: what the decoder is, is a
`Batch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]
_NEVER = -np.inf
_HOPELESS = 10.0  # below the likeliest, as a logarithm
_LOOK_EVERY = 8  # tokens: to look for circles
_CIRCLE = 40  # tokens, the longest


class Batch(Protocol):
    """A decoder that has read nothing yet, over what the encoder made of some windows."""

    def read(self, tokens: NDArray[np.int64], rows: NDArray[np.int32], at: NDArray[np.int64]) -> Logits:
        """Reads one more piece of every row and gives the logits after some of its places.

        tokens: (rows, length); of the first piece those below 0, at its start, are no tokens. rows: (rows,), for each
        the row of the last call that it goes on from. Each window has as many rows as any other, side by side.
        at: (rows, places). Gives (rows, places, vocabulary), which the caller may change.
        """
        ...

    def keep(self, windows: Sequence[int]) -> None:
        """From now on there are only these of the windows, in this order."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What may follow what. sot, eot and so on: tokens of that name.

    suppressed: tokens that never come. first_timestamp_until: how many steps of 20 ms the first timestamp, which comes
    before any text, may lie after the start. ngram: how many tokens in a row must not come twice; 0: any may.
    """

    sot: int
    eot: int
    no_speech: int
    timestamp_begin: int
    suppressed: NDArray[np.int64]
    first_timestamp_until: int = 50
    ngram: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """tokens: of the transcript, timestamps among them. logprobs: of each, or none where they are not told.
    avg_logprob: over the tokens and the end, as openai/whisper counts it. no_speech: probability that nobody speaks.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    avg_logprob: float
    no_speech: float


@dataclass(slots=True)
class _Row:
    """A transcript that is being written. score: sum of its log probabilities, without those that were given."""

    tokens: list[int]
    logprobs: list[float]
    score: float = 0.0

    @property
    def mean(self) -> float:
        return self.score / (len(self.tokens) or 1)

    def with_token(self, token: int, logprob: float) -> _Row:
        return _Row([*self.tokens, token], [*self.logprobs, logprob], self.score + logprob)


@dataclass(slots=True)
class _Window:
    """place: in the batch that was asked for. room: for tokens. ended: transcripts that have come to their end."""

    place: int
    room: int
    rows: list[_Row]
    ended: list[_Row] = field(default_factory=list)

    def best(self) -> _Row:
        return max(self.ended or self.rows, key=lambda row: row.mean)

    def over(self, beam_size: int, n_tokens: int) -> bool:
        """Whether to go on is of no use: enough has ended, or nothing comes any more that has not been there."""
        if len(self.ended) >= beam_size or not self.rows or n_tokens >= self.room:
            return True
        look = n_tokens % _LOOK_EVERY == 0 and not self.ended
        return look and _in_circles(max(self.rows, key=lambda row: row.mean).tokens)


def search(
    batch: Batch,
    prompts: Sequence[Sequence[int]],
    rules: Rules,
    beam_size: int,
    longest: Sequence[int],
    length: int = 0,
) -> list[Found]:
    """The most probable transcript of each window, by beam search; a beam of one takes the best token each time.

    prompts: a timestamp at the end of one is where its transcript begins, and part of the answer. longest: tokens that
    each prompt and its answer may have together. length: places that prompts are read in, at least.
    """
    given = [list(prompt[-1:]) if prompt[-1] >= rules.timestamp_begin else [] for prompt in prompts]
    windows = [
        _Window(i, room - len(prompt), [_Row(tokens, [0.0] * len(tokens))])
        for i, (prompt, tokens, room) in enumerate(zip(prompts, given, longest, strict=True))
    ]
    length = max(length, *map(len, prompts))
    first = np.array([[-1] * (length - len(prompt)) + list(prompt) for prompt in prompts], np.int64)
    asked = [(length - len(prompt) + list(prompt).index(rules.sot), length - 1) for prompt in prompts]
    raw = batch.read(first, np.arange(len(prompts), dtype=np.int32), np.array(asked, np.int64))
    silences = [float(np.exp(row[rules.no_speech] - _logsumexp(row))) for row in raw[:, 0]]
    logits = raw[:, 1]
    found: dict[int, _Row] = {}
    for n_tokens in count(1):
        sources: list[int] = []  # rows that are gone on with
        going: list[int] = []
        at = 0
        for i, window in enumerate(windows):
            grown = _grown(window, logits[at : at + len(window.rows)], rules, beam_size)
            origins = [at + k for k in grown]
            at += logits.shape[0] // len(windows)
            if window.over(beam_size, n_tokens):
                found[window.place] = window.best()
            else:
                going.append(i)
                sources += origins
        if not going:
            break
        if len(going) < len(windows):
            batch.keep(going)
            windows = [windows[i] for i in going]
        tokens = np.array([[row.tokens[-1]] for window in windows for row in window.rows], np.int64)
        logits = batch.read(tokens, np.array(sources, np.int32), np.zeros((len(tokens), 1), np.int64))[:, 0]
    return [_found(found[i], silence) for i, silence in enumerate(silences)]


def _found(row: _Row, no_speech: float) -> Found:
    return Found(tuple(row.tokens), tuple(row.logprobs), row.score / (len(row.tokens) + 1), no_speech)


def _grown(window: _Window, logits: Logits, rules: Rules, beam_size: int) -> list[int]:
    """Lets the rows of a window grow by a token; gives for each new row the number of that it grew from."""
    candidates = []
    for k, row in enumerate(window.rows):
        if row.score == _NEVER:
            continue
        for token, logprob in _likeliest(row.tokens, logits[k], rules, 1 if beam_size == 1 else beam_size + 1):
            candidates.append((row.score + logprob, k, token, logprob))
    candidates.sort(key=lambda candidate: -candidate[0])
    rows: list[_Row] = []
    origins: list[int] = []
    for score, k, token, logprob in candidates:
        if token == rules.eot:
            row = window.rows[k]
            window.ended.append(_Row(row.tokens, row.logprobs, score))
        else:
            rows.append(window.rows[k].with_token(token, logprob))
            origins.append(k)
        if len(rows) == beam_size:
            break
    while rows and len(rows) < beam_size:  # a window has as many rows as any other
        rows.append(_Row(rows[0].tokens, rows[0].logprobs, _NEVER))
        origins.append(origins[0])
    window.rows = rows
    return origins


def _likeliest(tokens: Sequence[int], logits: Logits, rules: Rules, n: int) -> list[tuple[int, float]]:
    """The n tokens that may follow and are likeliest, with their log probabilities; changes `logits`."""
    logits[rules.suppressed] = _NEVER
    if rules.ngram:
        logits[_would_repeat(tokens, rules.ngram)] = _NEVER
    text_from, time_from, time_until = _allowed(tokens, rules, len(logits))
    text, times = logits[text_from : rules.timestamp_begin], logits[time_from:time_until]
    top = float(text.max()) if len(text) else _NEVER
    any_time = _logsumexp(times) if len(times) else _NEVER
    if any_time > top:  # together, timestamps are likelier than any other token
        text, total = text[:0], any_time
    else:
        total = float(np.logaddexp(any_time, _logsumexp(text)))
    if total == _NEVER:
        return []
    found = [
        (first + int(i), float(part[i]) - total)
        for part, first in ((text, text_from), (times, time_from))
        for i in _best(part, n)
    ]
    return sorted(found, key=lambda one: -one[1])[:n]


def _best(part: Logits, n: int) -> NDArray[np.intp]:
    """Where the n highest are, or as many as are not hopelessly low; in any order."""
    if not len(part):
        return np.zeros(0, np.intp)
    best = int(part.argmax())
    if n == 1 or part[best] == _NEVER:
        return np.array([best][: int(part[best] > _NEVER)], np.intp)
    near = np.flatnonzero(part > part[best] - _HOPELESS)
    return near if len(near) <= n else near[np.argpartition(part[near], -n)[-n:]]


def _allowed(tokens: Sequence[int], rules: Rules, n_vocabulary: int) -> tuple[int, int, int]:
    """The first token of text that may come; the first timestamp, and one past the last."""
    begin = rules.timestamp_begin
    if not tokens:
        return begin, begin, begin + rules.first_timestamp_until + 1
    after_time = tokens[-1] >= begin
    if after_time and (len(tokens) < 2 or tokens[-2] >= begin):
        return 0, n_vocabulary, n_vocabulary
    last = next((token for token in reversed(tokens) if token >= begin), begin - 1)
    return (rules.eot, last, n_vocabulary) if after_time else (0, last + 1, n_vocabulary)


def _would_repeat(tokens: Sequence[int], n: int) -> list[int]:
    """Tokens that would end a run of n which has been there before."""
    start = list(tokens[len(tokens) - n + 1 :]) if n > 1 else []
    places = range(len(tokens) - n + 1)
    return [tokens[i + n - 1] for i in places if list(tokens[i : i + n - 1]) == start]


def _in_circles(tokens: Sequence[int]) -> bool:
    """Whether a text ends with the same thing over and over: five times, twenty tokens or more."""
    end = tokens[-5 * _CIRCLE :]
    periods = range(1, len(end) // 5 + 1)
    return any(end[-n * _times(n) : -n] == end[n - n * _times(n) :] for n in periods if n * _times(n) <= len(end))


def _times(n: int) -> int:
    return max(5, -(-20 // n))


def _logsumexp(logits: Logits) -> float:
    top = logits.max()
    if top == _NEVER:
        return _NEVER
    shifted = logits - top
    return float(top + np.log(np.exp(shifted, out=shifted).sum()))
