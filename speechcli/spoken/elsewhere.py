"""What writing of other languages than English sounds like: numbers, money and shares; words stay as they are.

Only what tongues.py or num2words knows of a language is said in it; anything else stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

from speechcli.spoken.counting import (
    LONGEST,
    MOST_WORDS,
    UNSPACED,
    Form,
    Forms,
    cardinal,
    digits,
    distinct,
    ordinal,
    product,
    year,
)
from speechcli.spoken.marks import core, outer_stripped, readable
from speechcli.spoken.tongues import tongue

Rule: TypeAlias = Callable[["re.Match[str]", str], Forms]

_COIN = r"(?:R\$|[$€£¥₹₩₽])"
_BITS = re.compile(r"\d+|[^\W\d]+(?:[^\w\s]+[^\W\d]+)*|[^\w\s]")


def alone(token: str, language: str) -> Forms:
    """One token by itself; as it is written, without outer marks, where it holds no number or nothing is known."""
    signs = tongue(language).symbols
    if token in signs:
        return (_form(signs[token], language),)
    as_written: Forms = (tuple(bare.split()),) if (bare := outer_stripped(token)) else ()
    if not any(c.isdigit() for c in token) or not cardinal(1, language):
        return as_written
    text, dotted = core(readable(token))
    if dotted and language == "de" and re.fullmatch(r"[1-9]|[12]\d|3[01]", text):
        return _day(int(text))
    for pattern, rule in _rules(language):
        if (found := pattern.fullmatch(text)) and (forms := rule(found, language)):
            return distinct(forms)
    return _bits(text, language) or as_written


@cache
def _rules(language: str) -> tuple[tuple[re.Pattern[str], Rule], ...]:
    own = tongue(language)
    number = rf"(?:\d{{1,3}}(?:[{re.escape(own.grouping)}]\d{{3}})+|\d+)(?:{re.escape(own.decimal)}\d+)?"
    rules: list[tuple[str, Rule]] = [
        (number, lambda found, name: _number(found[0], name)),
        (rf"(?P<sign>{_COIN})\s?(?P<number>{number})", _money),
        (rf"(?P<number>{number})\s?(?P<sign>{_COIN})", _money),
        (rf"({number})\s?%", lambda found, name: _percent(_number(found[1], name)[:2], found[1], name)),
        (rf"({number})[-\u2010-\u2015~〜～]({number})(%?)", _range),
        (r"([01]?\d|2[0-4])[:h]([0-5]\d)", _clock),
        (rf"[-\u2212]({number})", _negative),
    ]
    if own.ordinal_marks:
        rules.insert(0, (rf"(\d{{1,4}})(?:{own.ordinal_marks})", lambda found, name: ordinal(int(found[1]), name)))
    return tuple((re.compile(pattern), rule) for pattern, rule in rules)


def _day(n: int) -> Forms:
    """German "3.": of a date, as it may be inflected; or a number at the end of a sentence."""
    stems = [form[0] for form in ordinal(n, "de")]
    return distinct([*((stem + end,) for end in ("n", "", "r") for stem in stems), *cardinal(n, "de")])


def _form(said: str, language: str) -> Form:
    """Words of a table: characters where writing has no blanks."""
    return tuple(said.replace(" ", "")) if language in UNSPACED else tuple(said.split())


def _parts(text: str, language: str) -> tuple[str, str]:
    """The digits before and behind the decimal mark."""
    whole, _, decimals = text.partition(tongue(language).decimal)
    return re.sub(r"\D", "", whole), decimals


def _number(text: str, language: str) -> Forms:
    whole, decimals = _parts(text, language)
    if decimals:
        point = _form(tongue(language).point, language)
        return product([_counted(whole, language)[:2], (point,) if point else (), _behind(decimals, language)])
    if len(whole) == 4 and text == whole:
        n = int(whole)
        if language in ("zh", "yue"):
            return distinct([*digits(whole, language), *cardinal(n, language)])
        if 1100 <= n < 2100:
            as_year = year(n, language) if n < 2000 else ()
            nth = ordinal(n, language) if language == "ru" else ()
            return distinct([*as_year, *cardinal(n, language), *nth])
    if whole == "2" and language in ("zh", "yue"):
        return (("二",), ("两" if language == "zh" else "兩",))
    return _counted(whole, language)


def _counted(whole: str, language: str) -> Forms:
    """So many; digit by digit when they are too many or begin with nought."""
    if len(whole) > LONGEST or (whole[0] == "0" and len(whole) > 1):
        return digits(whole, language)
    forms = cardinal(int(whole), language)
    return distinct([*forms, *digits(whole, language)]) if len(whole) > 4 else forms


def _behind(decimals: str, language: str) -> Forms:
    one_by_one = digits(decimals, language)
    if language in UNSPACED or len(decimals) != 2 or decimals[0] == "0":
        return one_by_one
    whole = cardinal(int(decimals), language)  # "trois virgule quatorze"
    return distinct([*whole, *one_by_one] if language in ("fr", "it", "es", "pt") else [*one_by_one, *whole])


def _inflected(names: tuple[str, ...], n: int, language: str) -> str:
    """The name for so many; in Russian as its last digits ask (CLDR plural rules)."""
    if len(names) == 3:
        if n % 10 == 1 and n % 100 != 11:
            return names[0]
        return names[1] if n % 10 in (2, 3, 4) and n % 100 not in (12, 13, 14) else names[2]
    many = n > 1 if language == "fr" else n != 1
    return names[-1] if many else names[0]


def _of(whole: str, names: tuple[str, ...], language: str) -> Forms:
    """A number of things."""
    own = tongue(language)
    n = int(whole[-LONGEST:])
    forms: Forms = (_form(own.one, language),) if n == 1 and own.one else _counted(whole, language)[:2]
    return product([forms, (_form(_inflected(names, n, language), language),)])


def _money(found: re.Match[str], language: str) -> Forms:
    own = tongue(language)
    names = own.coins.get(found["sign"])
    whole, decimals = _parts(found["number"], language)
    if names is None or not whole:
        return ()
    big = _of(whole, names, language)
    if not decimals.strip("0"):
        return big
    last = names[1] if len(names) == 3 else names[-1]  # Russian: "пять десятых рубля"
    as_decimal = product([_number(found["number"], language)[:2], (_form(last, language),)])
    if len(decimals) != 2 or language in UNSPACED or language == "ko":
        return as_decimal
    joined: Forms = (_form(own.joined, language),) if own.joined else ()
    small = cardinal(int(decimals), language)[:1]
    forms = [*product([big[:1], joined, small]), *product([big[:1], small])]
    if cents := own.cents.get(found["sign"]):
        of_cents = _of(decimals.lstrip("0"), cents, language)[:1]
        forms += [*product([big[:1], of_cents]), *product([big[:1], joined, of_cents])]
    return distinct([*forms, *as_decimal])


def _percent(forms: Forms, text: str, language: str) -> Forms:
    own = tongue(language)
    if not own.percent:
        return forms
    whole, decimals = _parts(text, language)
    name = own.percent[1] if decimals and len(own.percent) == 3 else _inflected(own.percent, int(whole[-3:]), language)
    share = (_form(name, language),)
    return product([share, forms] if own.percent_first else [forms, share])


def _range(found: re.Match[str], language: str) -> Forms:
    ends = [_number(found[1], language)[:2], _number(found[2], language)[:2]]
    to = _form(tongue(language).to, language)
    forms = distinct([*product([ends[0], (to,) if to else (), ends[1]])[:4], *product([ends[0][:1], ends[1][:1]])])
    return _percent(forms, found[2], language) if found[3] else forms


def _clock(found: re.Match[str], language: str) -> Forms:
    hours, minutes = cardinal(int(found[1]), language)[:1], cardinal(int(found[2]), language)[:1]
    word = _form(tongue(language).hour, language)
    if found[2] == "00":
        return distinct([(*hours[0], *word), hours[0]])
    return distinct([*product([hours, (word,) if word else (), minutes]), *product([hours, minutes])])


def _negative(found: re.Match[str], language: str) -> Forms:
    forms = _number(found[1], language)
    minus = _form(tongue(language).minus, language)
    return distinct([*product([(minus,) if minus else (), forms[:3]]), *forms[:1]])


def _bits(text: str, language: str) -> Forms:
    """Numbers in words, all else as it is, one after another."""
    signs = tongue(language).symbols
    parts: list[Forms] = []
    for bit in _BITS.findall(text)[:MOST_WORDS]:
        if bit.isdecimal():
            parts.append(_number(bit, language)[:2])
        elif bit in signs:
            parts.append((_form(signs[bit], language),))
        elif bit[0].isalpha():
            parts.append(((bit,),))
    return product(parts)
