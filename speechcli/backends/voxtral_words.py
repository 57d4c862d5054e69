"""Voxtral's tokens become words with their times: those of a whole stream at once, or one by one while it goes on.

A stream says when a word ended: its first token, or the [W] before it, stands a fixed number of tokens behind that
moment (Liu et al. 2026, arXiv:2602.11298).
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from speechcli.core.span import Seconds
from speechcli.core.transcript import Segment, Word, joined
from speechcli.timeline.text import ends_sentence

PAUSE: Seconds = 1.0  # without a word ends a segment
_UNSPACED = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")  # scripts without blanks


@dataclass(frozen=True, slots=True)
class Written:
    """A token of text: where in the stream it stands, its bytes, its log probability.

    mark: a word begins with it; the index is that of the mark, just before the token itself.
    """

    index: int
    piece: bytes
    logprob: float
    mark: bool


@dataclass(frozen=True, slots=True)
class Timed:
    """A word and the logarithm of its probability, the sum over `n_tokens`."""

    word: Word
    logprob: float
    n_tokens: int


def text_of(word: Sequence[Written]) -> str:
    """What is written so far; of a character whose last bytes are missing, nothing."""
    return _decoded(word)[0]


def is_whole(word: Sequence[Written]) -> bool:
    """Whether the last character has all its bytes."""
    return not _decoded(word)[1]


def _decoded(word: Sequence[Written]) -> tuple[str, bytes]:
    """The text, and the first bytes of a character whose last are missing.

    >>> _decoded([Written(7, " ok \\u4f60".encode()[:-1], 0.0, False)])
    (' ok ', b'\\xe4\\xbd')
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    return decoder.decode(b"".join(token.piece for token in word)), decoder.getstate()[0]


def begins(word: Sequence[Written], token: Written) -> bool:
    """Whether a token begins a word of its own, after the tokens of another."""
    if token.mark or token.piece[:1].isspace():
        return True
    try:
        before, text = b"".join(t.piece for t in word).decode(), token.piece.decode()
    except UnicodeDecodeError:  # part of a character
        return False
    return bool(_UNSPACED.match(text) and before)


def timed(word: Sequence[Written], end: Seconds, before: Seconds, follows: bool) -> Timed | None:
    """The word of these tokens, which ended at `end`; None where they are blank.

    It begins at `before`, where the word before it ended, or, after a pause, as long before its end as it takes to say.
    follows: whether there was a word before it; else `before` is where the sound begins.
    """
    text = text_of(word)
    if not text.strip():
        return None
    spoken = _spoken(text.strip())
    pause = not follows or end - before > 2 * spoken
    start = max(before, end - spoken) if pause else before
    total = sum(token.logprob for token in word)
    confidence = round(math.exp(total / len(word)), 4)
    return Timed(Word(min(start, end), end, text, confidence), total, len(word))


def words(written: Sequence[Written], when: Callable[[int], Seconds], duration: Seconds) -> list[Timed]:
    """Tokens grouped into words. when: the time that an index stands for; duration: of the sound."""
    groups: list[list[Written]] = []
    for token in written:
        if groups and not begins(groups[-1], token):
            groups[-1].append(token)
        else:
            groups.append([token])
    out: list[Timed] = []
    before: Seconds = 0.0
    for group in groups:
        word = timed(group, min(max(when(group[0].index), before), duration), before, bool(out))
        if word is not None:
            out.append(word)
            before = word.word.end
    return out


def segments(words: Sequence[Timed], language: str | None) -> Iterator[Segment]:
    """Words parted where a sentence ends or nothing was said for a second."""
    run: list[Timed] = []
    for word in words:
        if run and (word.word.start - run[-1].word.end > PAUSE or ends_sentence(run[-1].word.text)):
            yield _segment(run, language)
            run = []
        run.append(word)
    if run:
        yield _segment(run, language)


def _spoken(text: str) -> Seconds:
    """How long a word takes to say: about 12 letters a second, and three times that for ideographs and kana."""
    letters = sum(3 if _UNSPACED.match(char) else 1 for char in text if char.isalnum())
    return 0.12 + 0.08 * letters


def _segment(run: Sequence[Timed], language: str | None) -> Segment:
    words = tuple(timed.word for timed in run)
    mean = sum(timed.logprob for timed in run) / sum(timed.n_tokens for timed in run)
    return Segment(words[0].start, words[-1].end, joined(words), words, None, language, round(mean, 4))
