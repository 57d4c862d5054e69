"""Times of words that are known, from where Whisper's decoder looks while it reads them.

Sources: openai/whisper, timing.py (dynamic time warping through the cross-attention of chosen heads), as CTranslate2
computes it; Yeh et al. 2025 (arXiv:2509.09987) for reading a word in small pieces, which says where its letters are.

Measured with tiny.en on 695 words labelled by hand (80 utterances of TIMIT): 103 ms mean error of a word's edges with
the eight heads that come with the model and its own tokens, 34 ms with the three below and pairs of letters (37 ms
with single letters, which cost more). How probable pairs are says little about a word, so the model reads it in its
own tokens, too: exchanged words are told from the right ones with an area under the curve of 0.97 instead of 0.80.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Protocol

import ctranslate2
import numpy as np
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from speechcli.backends.lost import filled
from speechcli.core.span import Seconds, Span
from speechcli.core.transcript import Word
from speechcli.errors import from_os

FRAME: Seconds = 0.02  # of the encoder's output
_MEDIAN = 3  # frames; openai/whisper takes 7, which is no better
_ROOM = 440  # tokens of one reading: the decoder has 448 positions, and reads three before the text
_LONGEST = 60  # tokens that are read of one word
_FEWEST = 2  # frames that can be read
_AROUND = 10  # frames heard on either side of a part
REST = 50  # frames of silence after the sound: what has nothing to look at looks there, as in a padded window
_WORTH_CUTTING = 400  # frames; more sound is better read in parts, and costs less
_NEIGHBOURS = 2  # words read on either side of a half
_LATE: Seconds = 0.084  # by which words in the model's own tokens are read too early by the heads chosen
_SHORTEST: Seconds = 0.01  # of a word
_INSTANT: Seconds = 0.1  # at most, of a word without letters


@dataclass(frozen=True, slots=True)
class Heads:
    """Which heads of the decoder look at what is being said, and how their readings are best taken.

    pairs: words are read in pairs of letters; otherwise in the model's own tokens.
    """

    pairs: bool
    chosen: tuple[tuple[int, int], ...] = ()  # layer, head; none: those of the model's configuration


# Chosen on half of the utterances, measured on the others. The model's own heads are worse with letters (138 ms).
TINY_EN = Heads(True, ((3, 2), (2, 1), (2, 4)))
OTHERS = Heads(False)


@contextmanager
def with_heads(folder: Path, heads: Heads) -> Iterator[Path]:
    """A folder with the weights of `folder` and these heads in its configuration, for as long as they are loaded.

    CTranslate2 reads heads from config.json alone, and would keep weights given in memory twice. Raises
    DiskError.
    """
    if not heads.chosen:
        yield folder
        return
    with ExitStack() as temporary:
        try:
            own = Path(temporary.enter_context(tempfile.TemporaryDirectory(prefix="speechcli-")))
            for file in folder.resolve().iterdir():
                if file.is_file() and file.name != "config.json":
                    _link(file, own / file.name)
            config = json.loads((folder / "config.json").read_bytes())
            (own / "config.json").write_text(json.dumps({**config, "alignment_heads": heads.chosen}), "utf-8")
        except OSError as error:
            raise from_os(error, "writing to the temporary folder") from error
        yield own


def _link(file: Path, to: Path) -> None:
    try:
        to.symlink_to(file)
    except OSError:  # Windows, for most users
        shutil.copyfile(file, to)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a decoder did while it read a text.

    first: the frame where each token begins, and after the last of them where the text ends, counted from the first
    that it heard; (tokens + 1,). probabilities: of each token, where they are told.
    """

    first: NDArray[np.intp]
    probabilities: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Sound:
    """A window. encoded: the encoder's output, (1, 1500, width). frames: of it that are sound; the others are silence.
    memory: what a decoder made of it, if it did, of these frames at least.
    """

    encoded: NDArray[Any]
    frames: int
    memory: Any = None

    def silence(self, n_frames: int) -> NDArray[Any] | None:
        """The last frames of the window, where these are all silence.

        It must be the last: what is just after the sound still tells of it, and words are placed by it (measured: 40 ms
        mean error instead of 34).
        """
        return self.encoded[:, -n_frames:] if self.frames + n_frames <= self.encoded.shape[1] else None


class Look(Protocol):
    """Reads tokens while it hears a part of a window."""

    def __call__(self, begin: int, end: int, tokens: Sequence[int]) -> Reading:
        """What is heard: frames from `begin` on to before `end`, two or more, and then some `REST` of silence."""
        ...


class Aligner(Protocol):
    """Hears windows, for several threads at once."""

    def __call__(self, sound: Sound, tokenizer: Tokenizer) -> Look: ...


class CTranslate2:
    """The `Aligner` of every Whisper, which needs no memory, and tells probabilities."""

    def __init__(self, model: ctranslate2.models.Whisper, silence: Callable[[], NDArray[Any]]) -> None:
        """silence: what the encoder makes of silence, (1, 1500, width)."""
        self._model = model
        self._silence = silence

    def __call__(self, sound: Sound, tokenizer: Tokenizer) -> Look:
        rest = sound.silence(REST)
        if rest is None:
            rest = self._silence()[:, -REST:]
        return partial(self._look, sound.encoded, rest, tokenizer)

    def _look(
        self,
        encoded: NDArray[Any],
        rest: NDArray[Any],
        tokenizer: Tokenizer,
        begin: int,
        end: int,
        tokens: Sequence[int],
    ) -> Reading:
        (result,) = self._model.align(
            ctranslate2.StorageView.from_array(np.concatenate([encoded[:, begin:end], rest], 1)),
            tokenizer.sot_sequence,
            [list(tokens)],
            [2 * (end - begin)],  # the features have twice as many frames
            median_filter_width=_MEDIAN,
        )
        path = np.array(result.alignments)  # (token, frame), the end of the text as the last token
        return Reading(path[np.searchsorted(path[:, 0], np.arange(len(tokens) + 1)), 1], result.text_token_probs)


@dataclass(frozen=True, slots=True)
class _Read:
    """A word as it was read: seconds of its edges, and the mean probability of its tokens."""

    start: Seconds
    end: Seconds
    probability: float | None


@dataclass(frozen=True, slots=True)
class Part(Span):
    """So many texts that lie between two times."""

    n_texts: int


class Reader:
    """Times words against their sound."""

    def __init__(self, aligner: Aligner, pairs: bool) -> None:
        """pairs: words are read in pairs of letters; otherwise in the model's own tokens."""
        self._aligner = aligner
        self._pairs = pairs

    def words(
        self,
        tokenizer: Tokenizer,
        sound: Sound,
        duration: Seconds,
        texts: Sequence[str],
        parts: Sequence[Part] = (),
        sure: bool = True,
    ) -> list[Word]:
        """A Word for each text, in order, inside [0, duration].

        texts: words with the blank before them; those without letters and digits are interpolated, and so are all where
        there is no sound. parts: where the texts are known to lie. sure: whether to read how sure the model is of each,
        which takes about as long as their times, and not every aligner tells.
        """
        read: dict[int, _Read] = {}
        if sound.frames >= _FEWEST:
            look = self._aligner(sound, tokenizer)
            for first, stop, begin, end in _runs(texts, parts, sound.frames):
                spoken = [i for i in range(first, stop) if letters(texts[i])]
                found = self._read(look, tokenizer, begin, end, [texts[i] for i in spoken], sure)
                read.update(zip(spoken, found, strict=True))
        words = in_order(texts, read, duration)
        return words if sure else [replace(word, confidence=None) for word in words]

    def _read(
        self, look: Look, tokenizer: Tokenizer, begin: int, end: int, texts: Sequence[str], sure: bool
    ) -> list[_Read]:
        """In halves, each with neighbours of the other, where the decoder has no room for all of the words."""
        spelled = [self._spelled(tokenizer, text) for text in texts]
        if sum(map(len, spelled)) <= _ROOM:
            read = _align(look, tokenizer.no_timestamps, begin, end, spelled)
            whole = [_whole(tokenizer, text) for text in texts] if sure else spelled
            if whole == spelled or sum(map(len, whole)) > _ROOM:
                return read
            again = _align(look, tokenizer.no_timestamps, begin, end, whole)
            return [replace(r, probability=s.probability) for r, s in zip(read, again, strict=True)]
        half = len(texts) // 2
        edges = self._roughly(look, tokenizer, begin, end, texts)
        until = max(edges[half + _NEIGHBOURS] + _AROUND, begin + _FEWEST)
        since = max(min(edges[half - _NEIGHBOURS] - _AROUND, end - _FEWEST), begin)
        first = self._read(look, tokenizer, begin, min(until, end), texts[: half + _NEIGHBOURS], sure)
        second = self._read(look, tokenizer, since, end, texts[half - _NEIGHBOURS :], sure)
        return first[:half] + second[_NEIGHBOURS:]

    def _roughly(self, look: Look, tokenizer: Tokenizer, begin: int, end: int, texts: Sequence[str]) -> list[int]:
        """Frames where the words begin, and the last ends: read in the model's own tokens, or by their letters."""
        whole = [_whole(tokenizer, text) for text in texts]
        if sum(map(len, whole)) <= _ROOM and self._pairs:
            read = _align(look, tokenizer.no_timestamps, begin, end, whole)
            return [round((r.start + _LATE) / FRAME) for r in read] + [end]
        until = list(accumulate((len(text) for text in texts), initial=0))
        return [begin + (end - begin) * n // until[-1] for n in until]

    def _spelled(self, tokenizer: Tokenizer, text: str) -> list[int]:
        """Tokens of a word as it is read, as many as leave room for others."""
        if not self._pairs:
            return _whole(tokenizer, text)
        first, *more = _pairs(letters(text))
        blank = " " if text[:1].isspace() else ""
        return [token for piece in (blank + first, *more) for token in tokenizer.encode(piece)][:_LONGEST]


def _align(look: Look, before: int, begin: int, end: int, spelled: Sequence[Sequence[int]]) -> list[_Read]:
    """The edges of words by their tokens, which are said in these frames.

    What comes before the first word would be taken for a part of it: another token stands for that.
    """
    if not spelled:
        return []
    reading = look(begin, end, [before, *(token for word in spelled for token in word)])
    times = (begin + reading.first + 0.5) * FRAME
    edges = accumulate(map(len, spelled), initial=1)
    return [_Read(float(times[a]), float(times[b]), _mean(reading.probabilities[a:b])) for a, b in pairwise(edges)]


def _mean(probabilities: Sequence[float]) -> float | None:
    return float(np.mean(probabilities)) if probabilities else None


def _runs(texts: Sequence[str], parts: Sequence[Part], n_frames: int) -> list[tuple[int, int, int, int]]:
    """(first text, last + 1, first frame, last + 1) of what is read at once: parts, short ones together."""
    runs: list[tuple[int, int, int, int]] = []
    at = 0
    for part in parts:
        begin = max(0, min(round(part.start / FRAME) - _AROUND, n_frames - _FEWEST))
        end = min(max(round(part.end / FRAME) + _AROUND, begin + _FEWEST), n_frames)
        first = at
        at += part.n_texts
        if runs and runs[-1][3] - runs[-1][2] < _WORTH_CUTTING:
            first, _, earlier, _ = runs.pop()
            begin = min(begin, earlier)
        runs.append((first, at, begin, end))
    if len(runs) < 2:
        return [(0, len(texts), 0, n_frames)]
    runs[0] = (*runs[0][:2], 0, runs[0][3])
    runs[-1] = (*runs[-1][:3], n_frames)
    return runs


def _whole(tokenizer: Tokenizer, text: str) -> list[int]:
    """A word in the model's own tokens, as many as leave room for others."""
    return list(tokenizer.encode(text))[:_LONGEST]


def letters(text: str) -> str:
    """What is read of a word: its letters and digits, with their marks."""
    return "".join(c for c in text if unicodedata.category(c)[0] in "LMN")


def _pairs(word: str) -> list[str]:
    """The first letter alone, for where it begins is where the word does, and pairs of the others.

    >>> _pairs("greasy"), _pairs("year"), _pairs("a")
    (['g', 're', 'as', 'y'], ['y', 'ea', 'r'], ['a'])
    """
    return [word[:1], *(word[i : i + 2] for i in range(1, len(word), 2))]


def in_order(texts: Sequence[str], read: Mapping[int, _Read], duration: Seconds) -> list[Word]:
    """A Word for each text, none empty, one after the other; those that were not read right after the one before."""
    if not texts:
        return []
    shortest = min(_SHORTEST, duration / len(texts))
    known = [_word(text, read.get(i)) for i, text in enumerate(texts)]
    words = filled(texts, known, duration, _INSTANT)
    at = 0.0
    for i, word in enumerate(words):
        start = max(word.start, at)
        following = words[i + 1].start if i + 1 < len(words) else duration
        at = max(min(word.end, following), start + shortest)
        words[i] = word.moved(start, at)
    limit = duration
    for i in range(len(words) - 1, -1, -1):
        end = min(words[i].end, limit)
        limit = max(0.0, min(words[i].start, end - shortest))
        words[i] = words[i].moved(limit, end)
    return words


def _word(text: str, read: _Read | None) -> Word | None:
    if read is None:
        return None
    sure = None if read.probability is None else round(read.probability, 4)
    return Word(read.start, read.end, text, sure, placed="aligner")
