"""When two words are the same word."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_APOSTROPHES = re.compile("[\u2018\u2019\u02bc\u00b4`\uff07]")
_LATIN_MARK = re.compile("(?<=[a-z])[\u0300-\u036f]+")


@lru_cache(maxsize=65536)
def normal(word: str) -> str:
    """The form in which written, spoken and heard words are compared: letters, digits and inner apostrophes.

    Case and width do not count, nor accents on Latin letters; marks of other scripts do. "" where nothing is left.

    >>> normal("“Café"), normal("Don’t!"), normal("STRASSE"), normal("—")
    ('cafe', "don't", 'strasse', '')
    """
    if word.isascii() and word.isalnum():
        return word.lower()
    folded = unicodedata.normalize("NFKC", _APOSTROPHES.sub("'", word)).casefold()
    apart = unicodedata.normalize("NFKD", folded)
    kept = "".join(c for c in apart if c == "'" or unicodedata.category(c)[0] in "LNM")
    return unicodedata.normalize("NFC", _LATIN_MARK.sub("", kept)).strip("'")
