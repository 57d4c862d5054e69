"""Numbers in words, for the languages of num2words and for Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, TypeAlias

Form: TypeAlias = tuple[str, ...]
Forms: TypeAlias = tuple[Form, ...]
Kind: TypeAlias = Literal["cardinal", "ordinal", "year"]

MOST_FORMS = 6
MOST_WORDS = 40
LONGEST = 12  # digits of a number that is said as one; longer ones are said digit by digit

UNSPACED = frozenset(("zh", "yue", "ja"))
# num2words' names of languages, where it has several or another than ours
_NAMES = {"pt": ("pt_BR", "pt"), "nn": ("no",), "kk": ("kz",), "am": ()}  # its Amharic never comes back from 1234567
# its years are of an emperor's reign in Japanese, end in "year" in Korean, and are the cardinal in the others
_WITH_YEARS = frozenset(("en", "de", "nl", "da", "no", "nn"))


def distinct(forms: Iterable[Form]) -> Forms:
    """The first few different ones, none longer than is bearable."""
    return tuple(dict.fromkeys(form[:MOST_WORDS] for form in forms if form))[:MOST_FORMS]


def product(parts: Iterable[Forms]) -> Forms:
    """Every part one after another, in the likeliest combinations; a part without sound adds nothing."""
    ranked: list[tuple[int, Form]] = [(0, ())]
    for part in parts:
        if part:
            grown = [(rank + i, (*form, *more)) for i, more in enumerate(part) for rank, form in ranked]
            ranked = sorted(grown, key=lambda one: one[0])[:MOST_FORMS]
    return distinct(form for _, form in ranked)


def cardinal(number: int, language: str) -> Forms:
    """How one counts to it, () where that is not known; English without "and" first."""
    return _said(number, "cardinal", language)


def ordinal(number: int, language: str) -> Forms:
    """Its place in a row, () where that is not known."""
    return _said(number, "ordinal", language)


def year(number: int, language: str) -> Forms:
    """How it is said as a year, where that is another way than to count to it.

    >>> year(1984, "en"), year(1984, "fr")
    ((('nineteen', 'eighty', 'four'),), ())
    """
    return _said(number, "year", language) if language in _WITH_YEARS else ()


@lru_cache(maxsize=4096)
def digits(text: str, language: str) -> Forms:
    """Digit by digit, () where the language is not known; the first forty."""
    said = [cardinal(int(digit), language) for digit in text[:MOST_WORDS]]
    if not all(said):
        return ()
    plain = tuple(word for forms in said for word in forms[0])
    if language == "en":
        return distinct((plain, tuple("oh" if word == "zero" else word for word in plain)))
    return distinct((plain,))


@lru_cache(maxsize=16384)
def _said(number: int, kind: Kind, language: str) -> Forms:
    if not 0 <= number < 10**LONGEST:
        return ()
    if language in ("zh", "yue"):
        return (tuple(_chinese(number, language)),) if kind == "cardinal" else ()
    if language == "en" and kind == "cardinal" and number >= 1000:
        return _by_thousands(number)
    texts = [_num2words(number, kind, name) for name in _NAMES.get(language, (language,))]
    forms = [_words(text, language) for text in texts]
    if language == "en":
        forms = [tuple(word for word in form if word != "and") for form in forms] + forms
    return distinct(forms)


def _by_thousands(number: int) -> Forms:
    """English, put together from numbers below a thousand: a long text may hold many different ones."""
    plain, with_and = list[str](), list[str]()
    for name, power in (("billion", 10**9), ("million", 10**6), ("thousand", 10**3)):
        group, number = divmod(number, power)
        if group:
            forms = _said(group, "cardinal", "en")
            plain += [*forms[0], name]
            with_and += [*forms[-1], name]
    if number:
        forms = _said(number, "cardinal", "en")
        plain += forms[0]
        with_and += forms[-1] if number >= 100 else ("and", *forms[-1])
    return distinct((tuple(plain), tuple(with_and)))


def _words(text: str, language: str) -> Form:
    """What num2words wrote, as words; as characters where writing has no blanks."""
    words = re.sub(r"[,\-\u00ad]", " ", text).split()
    return tuple("".join(words)) if language in UNSPACED else tuple(words)


def _num2words(number: int, kind: Kind, name: str) -> str:
    from num2words import num2words  # it reads the rules of fifty languages: late

    try:
        return str(num2words(number, lang=name, to=kind))
    except (NotImplementedError, OverflowError, ArithmeticError, LookupError, ValueError, TypeError, AttributeError):
        return ""  # a language or a kind that it does not know, each says so in its own way


_DIGITS = {"zh": "零一二三四五六七八九", "yue": "零一二三四五六七八九"}
_PLACES = ("", "十", "百", "千")
_GROUPS = {"zh": ("", "万", "亿"), "yue": ("", "萬", "億")}


def _chinese(number: int, language: str) -> str:
    """Counted by ten thousands; a gap is one 零; ten to nineteen begin without one.

    >>> _chinese(12, "zh"), _chinese(10305, "zh"), _chinese(120_0000_0010, "zh")
    ('十二', '一万零三百零五', '一百二十亿零一十')
    """
    if number == 0:
        return "零"
    names = _DIGITS[language]
    out = ""
    gap = False
    text = str(number)
    for i, digit in enumerate(text):
        place = len(text) - 1 - i
        if digit == "0":
            gap = True
        else:
            out += ("零" if gap else "") + names[int(digit)] + _PLACES[place % 4]
            gap = False
        if place % 4 == 0 and place and int(text[max(0, i - 3) : i + 1]):
            out += _GROUPS[language][place // 4]
    return out.removeprefix("一") if out.startswith("一十") else out
