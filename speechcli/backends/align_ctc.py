"""Any CTC model of transformers as an aligner: wav2vec2, MMS, parakeet-ctc and their like.

The model says how likely each token is in each frame; the trellis finds the best path of the words through it. Letters
that the vocabulary lacks are wildcards there, and doubtful words may be left out. What is between the frames of two
words is shared between them, for such models name a sound in few of its frames.

Measured on 80 utterances of TIMIT by a small model of letters at 20 ms that was trained on them: starts and ends are
off by 47 ms instead of 52 (median 29 instead of 33); any reach from 50 to 250 ms does as well, and so does meeting at
the mark between words. Of doubtful words, 80 of 80 that were not said are left out, and 2 of 212 that were (75 and 1 at
8 nats a word whatever its length).
Sources: numerics/trellis.py; transformers' AutoModelForCTC.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import transformers
from numpy.typing import NDArray

from speechcli.backends import hf, placement_torch, weights
from speechcli.backends import settings as own
from speechcli.backends.base import Setup, Traits
from speechcli.backends.lost import filled
from speechcli.backends.spelling import Speller, speller
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds
from speechcli.core.transcript import Stage, Word
from speechcli.errors import UsageError
from speechcli.numerics.ctc import Run
from speechcli.numerics.trellis import Forced, forced

MOST: Seconds = 300.0  # beyond it attention and trellis take more memory than they are worth

_LEFT_OUT, _A_TOKEN = 2.0, 1.0  # nats that leaving out a doubtful word costs, and each of its tokens
_REACH: Seconds = 0.1  # of a word's sound beyond the frames of its tokens, besides a frame: a sound lasts about so long
_LEVEL: Seconds = 0.01  # of sound whose loudness is looked at
_QUIET = 0.35  # of the way from the quiet to the loud parts, in decibels: below it nothing is said


@dataclass(frozen=True, slots=True)
class _Text:
    """The words of one audio as tokens. places: of each word, half-open; empty for one of which nothing is said."""

    tokens: list[int]
    places: list[tuple[int, int]]
    optional: list[tuple[int, int]]

    @property
    def costs(self) -> list[float]:
        """Of leaving out each of `optional`."""
        return [_LEFT_OUT + _A_TOKEN * (stop - first) for first, stop in self.optional]


def open(setup: Setup) -> CtcAligner:  # noqa: A001  # the registry's name for it
    """The aligner of a folder. Raises UsageError, UnavailableError, DataError."""
    own.parse(own.Nothing, setup.settings, setup.before, own.HEEDED)
    kind = str((weights.config_of(setup.folder).get("architectures") or ["of no named kind"])[0])
    if not kind.endswith("ForCTC"):
        raise UsageError(f"{setup.name} ({kind}) is no CTC model", "wav2vec2, HuBERT, MMS and parakeet-ctc are")
    place = placement_torch.place(setup.device, setup.dtype)
    seconds = placement_torch.fit(setup, place)  # before the model takes its share
    opened = CtcAligner(hf.Ctc(setup, place, hf.Settings()), setup, seconds)
    opened.known(setup, place)
    return opened


class CtcAligner(placement_torch.Learner):
    """An `Aligner` for the languages whose letters the model writes, which are not told."""

    def __init__(self, model: hf.Ctc, setup: Setup, seconds: Seconds) -> None:
        """seconds: of sound, padded, that a batch may hold."""
        self._model = model
        self._speller = speller(model.tokenizer)
        self.traits = Traits(
            rate=model.traits.rate,
            longest=min(setup.longest, MOST),
            batch=model.traits.batch,
            seconds=seconds,
            gives_words=True,
        )
        told = {"dtype": str(model.model.dtype).removeprefix("torch.")}
        engine = f"transformers {transformers.__version__} (CTC)"
        self.stage = Stage("align", engine, setup.name, setup.revision, tuple(told.items()))

    def close(self) -> None:
        """Frees the weights; the aligner cannot be used any more."""
        self._model.close()

    def align(
        self,
        batch: Sequence[Audio],
        texts: Sequence[Sequence[str]],
        languages: Sequence[str | None],
        doubtful: Sequence[Collection[int]] = (),
    ) -> list[list[Word]]:
        """Per audio a Word for each of its tokens; see `Aligner`.

        A token is interpolated that is left out, or in which the vocabulary has not one letter, and all are where the
        frames are too few for the text. Confidence is the mean probability of a word's tokens. Raises OutOfMemoryError,
        UsageError for an audio above `MOST`, and ValueError for one at another rate.
        """
        for audio in batch:
            if audio.rate != self.traits.rate:
                raise ValueError(f"sampling rate {audio.rate}, not {self.traits.rate}")
            if audio.duration > MOST:
                raise UsageError(
                    f"the aligner hears {MOST:.0f} s at once and not {audio.duration:.0f}", "use a smaller --chunk-size"
                )
        unsure = doubtful or [()] * len(batch)
        told = [_text(tokens, self._speller, places) for tokens, places in zip(texts, unsure, strict=True)]
        todo = [i for i, audio in enumerate(batch) if len(audio.samples) and told[i].tokens]
        found: dict[int, Forced | None] = {}
        for i, scores in zip(todo, self._model.scores([batch[i] for i in todo]) if todo else (), strict=True):
            found[i] = forced(scores, told[i].tokens, self._model.blank, told[i].optional, told[i].costs)
        return [
            filled(texts[i], self._words(texts[i], told[i], path, audio), audio.duration)
            if (path := found.get(i)) is not None
            else filled(texts[i], [None] * len(texts[i]), audio.duration)
            for i, audio in enumerate(batch)
        ]

    def _words(self, tokens: Sequence[str], text: _Text, path: Forced, audio: Audio) -> list[Word | None]:
        """The words that are on the path, with what is between them shared."""
        step = self._model.step
        words: list[Word | None] = []
        for token, (first, stop) in zip(tokens, text.places, strict=True):
            runs = [run for run in path.runs[first:stop] if run is not None]
            if not runs:
                words.append(None)
                continue
            start, end = (min(frame * step, audio.duration) for frame in (runs[0].first, runs[-1].stop))
            words.append(_placed(token, start, end, runs))
        return _shared(words, _heard(audio), _REACH + step, audio.duration)


def _placed(token: str, start: Seconds, end: Seconds, runs: Sequence[Run]) -> Word:
    sure = [run.probability for run in runs if run.probability is not None]
    if not sure:
        return Word(start, end, token, None, placed="interpolated")
    return Word(start, end, token, round(min(sum(sure) / len(sure), 1.0), 4), placed="aligner")


def _text(tokens: Sequence[str], speller: Speller, doubtful: Collection[int]) -> _Text:
    """doubtful: places of words that may be left out, each with the mark after it, the last with the one before."""
    ids: list[int] = []
    places: list[tuple[int, int]] = []
    optional: list[tuple[int, int]] = []
    last = (0, 0)  # of which something is said
    for i, token in enumerate(tokens):
        spelt = speller.spelt(token)
        if spelt and ids and speller.mark is not None:
            ids.append(speller.mark)
            if optional and optional[-1] == last:
                optional[-1] = (last[0], len(ids))
        places.append((len(ids), len(ids) + len(spelt)))
        ids += spelt
        last = places[-1] if spelt else last
        if spelt and i in doubtful:
            optional.append(last)
    if optional and optional[-1] == last and speller.mark is not None:
        taken = optional[-2][1] if len(optional) > 1 else 0
        optional[-1] = (max(taken, last[0] - 1), last[1])
    return _Text(ids, places, optional)


def _heard(audio: Audio) -> NDArray[np.bool_]:
    """Whether something sounds, per `_LEVEL`; shape (n,). All of it does where the loud is hardly above the quiet."""
    size = round(_LEVEL * audio.rate)
    n = -(-len(audio.samples) // size)
    padded = np.zeros(n * size, np.float32)
    padded[: len(audio.samples)] = audio.samples
    level = 10 * np.log10(np.square(padded.reshape(n, size)).mean(axis=1) + 1e-10)
    quiet, loud = np.percentile(level, [10, 90]).tolist()
    return np.asarray(level >= quiet + _QUIET * (loud - quiet), np.bool_)


def _shared(
    words: Sequence[Word | None], heard: NDArray[np.bool_], reach: Seconds, duration: Seconds
) -> list[Word | None]:
    """The words, each longer by at most `reach` on both sides, as far as something sounds and halfway to the next."""
    there = [i for i, word in enumerate(words) if word is not None]
    out = list(words)
    edges = [0.0]
    for i, j in pairwise(there):
        a, b = words[i], words[j]
        assert a is not None
        assert b is not None
        edges.append((a.end + b.start) / 2)
    edges.append(duration)
    for k, i in enumerate(there):
        word = words[i]
        assert word is not None
        start = _sounding(heard, word.start, max(edges[k], word.start - reach))
        end = _sounding(heard, word.end, min(edges[k + 1], word.end + reach))
        out[i] = replace(word, start=min(start, word.start), end=max(end, word.end))
    return out


def _sounding(heard: NDArray[np.bool_], at: Seconds, limit: Seconds) -> Seconds:
    """How far from `at` towards `limit`, on either side of it, something sounds all the way."""
    if limit >= at:
        blocks = heard[int(at / _LEVEL + 1e-6) : int(np.ceil(limit / _LEVEL - 1e-6))]
        n = int(np.argmin(np.append(blocks, False)))
        return limit if n == len(blocks) else max(at, (int(at / _LEVEL + 1e-6) + n) * _LEVEL)
    first, stop = int(limit / _LEVEL + 1e-6), int(np.ceil(at / _LEVEL - 1e-6))
    blocks = heard[first:stop][::-1]
    n = int(np.argmin(np.append(blocks, False)))
    return limit if n == len(blocks) else min(at, (stop - n) * _LEVEL)
