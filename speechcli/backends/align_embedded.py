"""The aligner that comes with the install: English words by pocketsphinx, and by Whisper what it refuses.

Words are found in sound exactly by `sphinx.Finder`. What it refuses (a text that is too long for its sound, above all)
is cut in two at a pause, as Whisper hears it, and each half tried again; what is refused still has Whisper's times.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import accumulate
from typing import TypeAlias

import numpy as np

from speechcli.backends.base import Setup, Traits
from speechcli.backends.lost import filled
from speechcli.backends.sphinx import FRAME, RATE, Finder, Found
from speechcli.core.audio import Audio
from speechcli.core.span import Seconds, to_samples
from speechcli.core.transcript import Stage, Word
from speechcli.errors import UsageError

_Words: TypeAlias = list[Word | None]
Rough: TypeAlias = Callable[[Audio, Sequence[str]], list[Word]]
"""Another aligner's times of the tokens of an audio, for what is refused here: a Word for each."""

# A frame lies in the middle of what it is heard in, 25.6 ms from its start: its start is rather 5 ms later. On TIMIT,
# emu_ae and praatIO's recordings edges between two words were 4 to 6 ms early (median) without it.
_LATE: Seconds = 0.005
LONGEST: Seconds = 30.0  # of what Whisper hears at once
# Confidence: a logistic function of a word's score a frame and of the mean one around it, with which a text of
# another recording gives itself away. Fitted on 40 utterances of TIMIT, clean and with 10 dB of noise: the right text
# against that of another utterance, a word put in, and a word exchanged, all as likely. Of 40 others (clean; noise in
# brackets) it gives less than 0.5 to 100 % (100) of the words of another text, 97 % (97) of those put in, 75 % (88) of
# those exchanged, and 0.88 (0.20) or more to 95 % of the right ones.
_ALWAYS, _OWN, _AROUND = 6.39, 0.093, 0.113
_REACH = 4  # words on either side
_UNHEARD = 0.1  # below this a doubtful word was not said
_FASTEST: Seconds = 0.01  # a letter; Whisper puts what has no room into next to no time
_STEP = 1 / 32768  # of 16 bits: what is no louder is silence
_DEEPEST = 4  # cuts in two, one within the other
_FEWEST = 6  # tokens that are cut in two
_MOST = 20  # tokens a second; more are not looked for, which takes 10 ms each


def open(setup: Setup, rough: Rough | None = None) -> Embedded:  # noqa: A001  # the registry's name for it
    """The aligner of pocketsphinx's folder en-us. rough: asked for what pocketsphinx refuses. Raises UsageError."""
    for key in setup.settings:
        raise UsageError(f"--set {setup.before}{key}: {setup.name} has no settings", "leave it out")
    return Embedded(setup, rough)


@dataclass(frozen=True, slots=True)
class _Token:
    """doubtful: it may not have been said."""

    text: str
    doubtful: bool


class Embedded:
    """An `Aligner`. Threads may share it, and wait for each other: there is one decoder, and it would crash."""

    def __init__(self, setup: Setup, rough: Rough | None) -> None:
        self._finder = Finder(setup.folder)
        self._rough = rough
        self._turn = threading.Lock()
        self.traits = Traits(RATE, setup.longest, setup.batch(1), gives_words=True, languages=("en",))
        self.stage = Stage("align", f"pocketsphinx {version('pocketsphinx')}", setup.name, setup.revision)

    def close(self) -> None:
        """Nothing is held that would not go by itself."""

    def align(
        self,
        batch: Sequence[Audio],
        texts: Sequence[Sequence[str]],
        languages: Sequence[str | None],
        doubtful: Sequence[Collection[int]] = (),
    ) -> list[list[Word]]:
        """Per audio a Word for each of its tokens; see `Aligner`.

        Interpolated are tokens without a sound, doubtful ones that are not heard, and all in another language.
        """
        out = []
        for audio, tokens, language, places in zip(batch, texts, languages, doubtful or [()] * len(batch), strict=True):
            words: list[Word | None] = [None] * len(tokens)
            if language in (None, "en"):
                with self._turn:
                    words = self._placed(audio, [_Token(text, i in places) for i, text in enumerate(tokens)])
            out.append(filled(tokens, words, audio.duration))
        return out

    def _placed(self, audio: Audio, tokens: Sequence[_Token], rough: Sequence[Word] = (), depth: int = 0) -> _Words:
        """Words of the tokens, None for those that are lost. rough: their times by Whisper, where they are known."""
        if not np.any(np.abs(audio.samples) > _STEP):
            return [None] * len(tokens)  # the model would hear itself in silence: its features are differences
        if sum(not token.doubtful for token in tokens) > _MOST * audio.duration:
            return [None] * len(tokens)
        found = self._found(audio, tokens)
        if found is not None:
            return found
        if self._rough is None or audio.duration > LONGEST:
            return [None] * len(tokens)
        rough = rough or self._rough(audio, [token.text for token in tokens])
        cut = _cut(rough) if depth < _DEEPEST and len(tokens) >= _FEWEST else None
        if cut is None:
            return [replace(word, placed="aligner") if _credible(word) else None for word in rough]
        at, place = cut
        n = to_samples(at, RATE)
        at = n / RATE
        sides = Audio(audio.samples[:n], RATE), Audio(audio.samples[n:], RATE)
        after = [word.moved(max(0.0, word.start - at), max(0.0, word.end - at)) for word in rough[place:]]
        left = self._placed(sides[0], tokens[:place], rough[:place], depth + 1)
        right = self._placed(sides[1], tokens[place:], after, depth + 1)
        return left + [word and word.moved(word.start + at, word.end + at) for word in right]

    def _found(self, audio: Audio, tokens: Sequence[_Token]) -> _Words | None:
        """Words of the tokens by pocketsphinx, None for those that have no sound or were not said; None: refused."""
        sounds = [self._finder.sounds(token.text) for token in tokens]
        names = [name for parts in sounds for name in parts]
        if not names:
            return [None] * len(tokens)
        stops = list(accumulate(map(len, sounds), initial=0))
        shares = list(map(range, stops, stops[1:]))
        doubtful = [share for share, token in zip(shares, tokens, strict=True) if token.doubtful and share]
        found = self._finder.find(audio.samples, names, doubtful)
        if found is None:
            return None
        hits = [[hit for hit in found[share.start : share.stop] if hit is not None] for share in shares]
        sure = _confidences(hits)
        out: _Words = [None] * len(tokens)
        for i, (token, own) in enumerate(zip(tokens, hits, strict=True)):
            if own and not (token.doubtful and sure[i] < _UNHEARD):
                start = own[0].start * FRAME + _LATE if own[0].start else 0.0
                end = min(own[-1].stop * FRAME + _LATE, audio.duration)
                out[i] = Word(start, end, token.text, round(sure[i], 4), placed="aligner")
        return out


def _credible(rough: Word) -> bool:
    """Whether a word can have been said in its time, where Whisper claims one."""
    return rough.confidence is not None and rough.duration > _FASTEST * len(rough.text.strip())


def _confidences(hits: Sequence[Sequence[Found]]) -> list[float]:
    """How sure it is that words are where they were found, 0..1. hits: the parts of each; 0 without any."""
    n_frames = [sum(hit.stop - hit.start for hit in own) for own in hits]
    scores = [sum(hit.score for hit in own) for own in hits]
    out = []
    for i in range(len(hits)):
        near = slice(max(0, i - _REACH), i + _REACH + 1)
        if not n_frames[i]:
            out.append(0.0)
            continue
        around = sum(scores[near]) / sum(n_frames[near])
        fit = _ALWAYS + _OWN * scores[i] / n_frames[i] + _AROUND * around
        out.append(1 / (1 + math.exp(-max(-50.0, fit))))
    return out


def _cut(rough: Sequence[Word]) -> tuple[Seconds, int] | None:
    """Where to cut in two: the middle of the widest pause in the middle half, and the token after it."""
    n = len(rough)
    pauses = [(rough[i].start - rough[i - 1].end, i) for i in range(n // 4 + 1, n - n // 4)]
    if not pauses:
        return None
    _, place = max(pauses)
    at = (rough[place - 1].end + rough[place].start) / 2
    return (at, place) if rough[0].start < at < rough[-1].end else None
