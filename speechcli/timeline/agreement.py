"""Which words of a hypothesis are settled: those that the next one, with more sound to go by, says again.

Source: Machacek, Dabre and Bojar 2023, "Turning Whisper into Real-Time Transcription System" (arXiv:2307.14743):
the longest common prefix of two successive hypotheses is final (LocalAgreement-2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from speechcli.core.transcript import Word

_MARKS = re.compile(r"[\W_]+")


def same(word: Word) -> str:
    """What must be equal for two words to be one: letters and digits, without case and marks.

    >>> same(Word(0.0, 0.1, " Don't,"))
    'dont'
    """
    return _MARKS.sub("", word.text).casefold() or word.text.strip()


def beyond(done: Sequence[Word], heard: Sequence[Word]) -> int:
    """Where in a hypothesis the words begin that come after those that are settled.

    done: settled words of the same sound. The start of the hypothesis that is most like them is theirs, however it is
    spelled this time; of starts that are alike the one that ends when they do.

    >>> beyond([Word(1.0, 1.4, " low")], [Word(1.5, 1.9, " and"), Word(1.9, 2.3, " high")])  # it is not heard again
    0
    """
    if not done:
        return 0
    settled, new, end = [same(word) for word in done], [same(word) for word in heard], done[-1].end
    first = max(0, len(done) - 8)

    def unlike(n: int) -> tuple[float, float]:
        early = heard[n - 1].end - end if n else 0.0
        late = end - heard[n].start if n < len(heard) else 0.0
        return Levenshtein.distance(settled, new[:n]), max(0.0, early, late)

    return min(range(min(first, len(heard)), len(heard) + 1), key=unlike)


def agreed(before: Sequence[Word], now: Sequence[Word]) -> int:
    """How many words two hypotheses begin with alike."""
    n = 0
    for first, second in zip(before, now, strict=False):
        if same(first) != same(second):
            break
        n += 1
    return n
