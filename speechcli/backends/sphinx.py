"""English words that are known, found in sound by pocketsphinx: the best path through a grammar of them alone.

Sources: cmusphinx/pocketsphinx 5.1 (src/fsg_search.c for the search) and its model en-us with CMUdict, which lie in the
package.

The grammar is our own instead of `Decoder.set_align_text`'s, where no word may be left out. Its path is final: a second
pass over the states (`set_alignment`) gives the same times for twice the work (80 utterances of TIMIT).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from pocketsphinx import Decoder

from speechcli.core.audio import Samples
from speechcli.core.span import Seconds
from speechcli.spoken.phones import pronounce

RATE = 16_000  # Hz
FRAME: Seconds = 0.01
SHORTEST: Seconds = 0.1  # of sound that is looked at

# The grammar's weights are probabilities (lw); silence costs next to nothing, fillers (cough, noise) are not used. On
# TIMIT 20 ms mean error, where pocketsphinx's own values give 24; with more silence words lose their ends in noise.
_SEARCH = {"lw": 1.0, "silprob": 1e-6, "fillprob": 1e-30}
# Tried one after the other. With the usual 1e-48 (7e-29 between words) 8 of 80 utterances find no end in noise of 10
# dB, and a word too many may cost its neighbours their place; the last holds 250 MB on half a minute, the first 20.
_BEAMS = (1e-100, 1e-200)
_LEFT_OUT = 1e-10  # probability of leaving out a word that may be
_LEAST = 1e-300  # probability, of leaving out many
_NO_WORD = "<[("  # how names of silence and fillers, and of the way past words left out, begin
_BASE = 1.0001  # of pocketsphinx's logarithms
_APOSTROPHES = str.maketrans(dict.fromkeys("’ʼ‘`´", "'"))


@dataclass(frozen=True, slots=True)
class Found:
    """Where a word was found: from frame `start` up to `stop`, and its score.

    score: logarithm of how likely its sounds are, against the likeliest of those that were looked for at each moment.
    """

    start: int
    stop: int
    score: float


class Finder:
    """A decoder, whose dictionary grows with the words that it lacks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._added: dict[str, str] = {}
        self._decoder = self._new()

    def sounds(self, token: str) -> tuple[str, ...]:
        """The words of the dictionary that a token consists of; those that it lacks are added. () without any sound."""
        text = token.translate(_APOSTROPHES)
        return tuple(name for part in _parts(text, self._knows) if (name := self._name(part)))

    def find(self, samples: Samples, words: Sequence[str], doubtful: Sequence[range] = ()) -> list[Found | None] | None:
        """Where each word is in the sound, None for those left out; None where the words do not go with the sound.

        words: of the dictionary. doubtful: runs of words, in order, each of which may be left out as a whole.
        """
        if not words or len(samples) < SHORTEST * RATE:
            return None
        ways = (self._path(samples, words, doubtful, beam) for beam in _BEAMS)
        return next((way for way in ways if way is not None), None)

    def _path(
        self, samples: Samples, words: Sequence[str], doubtful: Sequence[range], beam: float
    ) -> list[Found | None] | None:
        """What `find` gives, looking at paths that are up to `beam` times as likely as the best."""
        decoder = self._decoder
        decoder.config["beam"] = decoder.config["pbeam"] = decoder.config["wbeam"] = beam
        decoder.add_fsg("words", decoder.create_fsg("words", 0, len(words), list(_arcs(words, doubtful))))
        decoder.activate_search("words")
        try:
            decoder.reinit_feat()  # else its idea of the noise comes from what it heard before
            decoder.start_utt()
            decoder.process_raw(_pcm(samples), full_utt=True)
            decoder.end_utt()
        except RuntimeError:  # a decoder that failed is of no more use
            self._decoder = self._new()
            return None
        path = list(decoder.seg() or ())  # None: no way through
        if not path:
            return None
        said = [s for s in path if s.word[0] not in _NO_WORD]
        out: list[Found | None] = [None] * len(words)
        places = _places([re.sub(r"\(\d+\)$", "", s.word) for s in said], words, doubtful)
        for place, s in zip(places, said, strict=True):
            out[place] = Found(s.start_frame, s.end_frame + 1, math.log(s.ascore, _BASE))
        return out

    def _new(self) -> Decoder:
        files = {"hmm": str(self._folder), "dict": str(self._folder.parent / "cmudict-en-us.dict")}
        decoder = Decoder(**files, **_SEARCH, lm=None, bestpath=False, loglevel="FATAL")
        for name, phones in self._added.items():
            decoder.add_word(name, phones, update=False)
        return decoder

    def _knows(self, word: str) -> bool:
        return self._decoder.lookup_word(word.lower()) is not None

    def _phones(self, word: str) -> tuple[str, ...]:
        return tuple((self._decoder.lookup_word(word) or "").split())

    def _name(self, part: str) -> str:
        """The dictionary's name for a word, or one made of how it is said; "" without any sound."""
        if self._knows(part):
            return part.lower()
        phones = pronounce(part, self._phones)
        name = "=" + "=".join(phones)
        if phones and name not in self._added:
            self._added[name] = " ".join(phones)
            self._decoder.add_word(name, self._added[name], update=False)
        return name if phones else ""


def _pcm(samples: Samples) -> bytes:
    return (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()


def _parts(text: str, known: Callable[[str], bool]) -> Iterator[str]:
    """What of a token is looked up as one: all of it where it is known, else what stands between other signs.

    >>> list(_parts(" “well-known’—'Tis".translate(_APOSTROPHES), {"'tis"}.__contains__))
    ['well', 'known', "'Tis"]
    """
    whole = re.sub(r"^[^\w']+|[^\w']+$", "", text)
    for part in [whole] if known(whole.lower()) else re.findall(r"[\w']+", whole):
        for form in (part, bare := part.strip("'_")):
            if known(form.lower()):
                yield form
                break
        else:
            if bare:
                yield bare


def _runs(doubtful: Sequence[range]) -> Iterator[list[int]]:
    """Where ways past doubtful words begin and end, those that follow on one another together."""
    edges: list[int] = []
    for run in doubtful:
        if edges and run.start != edges[-1]:
            yield edges
            edges = []
        edges = edges or [run.start]
        edges.append(run.stop)
    if edges:
        yield edges


def _arcs(
    words: Sequence[str], doubtful: Sequence[range]
) -> Iterator[tuple[int, int, float, str] | tuple[int, int, float]]:
    """The grammar: state i is before word i. Ways past doubtful words are complete: the search takes one at once."""
    for i, word in enumerate(words):
        yield i, i + 1, 1.0, word
    for edges in _runs(doubtful):
        for (i, start), (j, stop) in combinations(enumerate(edges), 2):
            yield start, stop, max(_LEFT_OUT ** (j - i), _LEAST)


def _places(path: Sequence[str], words: Sequence[str], doubtful: Sequence[range]) -> list[int]:
    """Which word each word of the path is: the earliest that it can be.

    >>> _places(["a", "b"], ["a", "a", "b", "b"], [range(0, 1), range(3, 4)])
    [1, 2]
    """
    past = {i: [j for j in edges if j > i] for edges in _runs(doubtful) for i in edges}
    before: list[dict[int, int]] = []  # for each word of the path: where it may stand -> where the one before stood
    states = {0: -1}  # states that can be reached -> the last word on the way
    for name in path:
        reached = dict(states)
        for state, last in states.items():
            for other in past.get(state, ()):
                reached.setdefault(other, last)
        before.append({i: last for i, last in reached.items() if i < len(words) and words[i] == name})
        states = {i + 1: i for i in before[-1]}
    ends = {len(words)} | {i for edges in _runs(doubtful) if edges[-1] == len(words) for i in edges}
    place = min(i for i in states if i in ends) - 1
    out: list[int] = []
    for step in reversed(before):
        out.append(place)
        place = step[place]
    return out[::-1]
