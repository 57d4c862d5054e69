"""What written tokens sound like: words as they are, numbers, money, dates, addresses and short writing in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from speechcli.spoken import context, elsewhere, english, english_numbers, english_tables
from speechcli.spoken.counting import Forms, distinct
from speechcli.spoken.marks import core, readable

_WORD = re.compile(r"""["“‘(\[]*([A-Z]?[a-z]+|[A-Z])([.,;:!?…"”)\]]*)""")  # what nearly every token is
_LONGEST = 400  # characters of a token that are read; forty words have no more


def spoken(tokens: Sequence[str], language: str | None) -> list[Forms]:
    """For each written token the ways to say it, each a tuple of words, the likeliest first; () where it has no sound.

    language: its code; where it is not known, tokens stay as they are written. At most 6 ways of 40 words each. Case
    is kept; single capitals are letters said by their names. Linear in the number of tokens.

    >>> spoken(["$3.50", "—", "U.S."], "en")[0][0], spoken(["—"], "en"), spoken(["U.S."], "en")
    (('three', 'dollars', 'fifty', 'cents'), [()], [(('U', 'S'),)])
    """
    code = (language or "").lower().replace("_", "-").partition("-")[0]
    bare = [token.strip() for token in tokens]
    if code != "en":
        return [_elsewhere(token, code) for token in bare]
    out = [_english(token) for token in bare]
    for i, forms in context.changes(bare):
        out[i] = distinct((*forms, *out[i]))
    return out


@lru_cache(maxsize=65536)
def _english(token: str) -> Forms:
    if (found := _WORD.fullmatch(token)) and found[1].lower() not in english_tables.ABBREVIATIONS:
        return ((found[1],),)
    text = readable(token[:_LONGEST])
    if text in english_tables.SYMBOLS:
        return english_numbers.said(english_tables.SYMBOLS[text])
    if text.lower() in english_tables.SLASHED:
        return english_numbers.said(english_tables.SLASHED[text.lower()])
    bare, dotted = core(text)
    return english.alone(bare, dotted) if bare else ()


@lru_cache(maxsize=65536)
def _elsewhere(token: str, language: str) -> Forms:
    return elsewhere.alone(token[:_LONGEST], language)
