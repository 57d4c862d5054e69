"""English numbers and what is counted with them: money, units, fractions, ranges, telephones."""

from __future__ import annotations

import re

from speechcli.spoken import english_tables as tables
from speechcli.spoken.counting import (
    LONGEST,
    MOST_WORDS,
    Form,
    Forms,
    cardinal,
    digits,
    distinct,
    ordinal,
    product,
    year,
)

WHOLE = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
NUMBER = rf"(?:{WHOLE}(?:\.\d+)?|\.\d+)"
COIN = "[$€£¥₹₩₽₿]"
SCALE = "(?:k|K|m|M|mn|mm|MM|bn|B|b|tn|T)"
DASH = "[-\u2010-\u2015\u2212]"
_COMMON = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 32, 64, 100)  # what things are divided by; others are dates and names
_POINT: Forms = (("point",),)


def said(shorthand: str) -> Forms:
    """A table's shorthand in words.

    >>> said("for example/E G")
    (('for', 'example'), ('E', 'G'))
    """
    return tuple(tuple(one.replace("|", " ").split()) for one in shorthand.split("/"))


def spelled(text: str) -> Form:
    return tuple(text.upper()[:MOST_WORDS])


def number(text: str) -> Forms:
    """A written number without sign: a year, a count, a room or digits.

    >>> number("747")[2:], number("2,000")
    ((('seven', 'four', 'seven'), ('seven', 'forty', 'seven')), (('two', 'thousand'),))
    """
    whole, _, decimals = text.replace(",", "").partition(".")
    if decimals:
        return _decimal(whole, decimals)
    if "," in text or len(whole) > LONGEST or whole[0] == "0":
        return (("zero",), ("oh",)) if whole == "0" else count(text)
    n = int(whole)
    forms = [*count(whole)]
    if len(whole) == 3:
        forms += [*digits(whole, "en")[:1], *_pairs(whole)]
    elif len(whole) == 4 and (1100 <= n < 2000 or 2010 <= n < 2100):
        forms = [*year(n, "en"), *forms[:2], *_hundreds(n), *_pairs(whole)]
    elif len(whole) == 4:
        forms += [*year(n, "en"), *_pairs(whole), *digits(whole, "en")[:1]]
    elif len(whole) > 6 and not whole.endswith("000"):
        forms = [*digits(whole, "en"), *forms]
    elif len(whole) > 4:
        forms += digits(whole, "en")
    return distinct(forms)


def count(text: str) -> Forms:
    """A number that is surely no year: "one hundred", "a hundred"; digit by digit when it is too long or begins so."""
    whole = text.replace(",", "")
    if "." in whole:
        return number(text)
    if len(whole) > LONGEST or (whole[0] == "0" and len(whole) > 1):
        return digits(whole, "en")
    n = int(whole)
    forms = cardinal(n, "en")
    return distinct([*forms, ("a", *forms[0][1:])]) if n in (100, 1000, 10**6, 10**9) else forms


def two_digits(text: str) -> Forms:
    """Two digits behind others: "fifty", "oh five", "hundred".

    >>> two_digits("05"), two_digits("00")
    ((('oh', 'five'),), (('hundred',),))
    """
    if text == "00":
        return (("hundred",),)
    return tuple((*(("oh",) if text[0] == "0" else ()), *form) for form in cardinal(int(text), "en")[:1])


def unit(symbol: str, one: bool) -> Forms:
    """A unit's name, then its letters; () for a symbol that is none."""
    known = tables.UNITS.get(symbol) or tables.UNITS.get(symbol.lower())
    if known is None:
        return ()
    name = said(known.split()[0 if one else 1])
    return distinct((*name, spelled(symbol))) if symbol.isalpha() and symbol.isascii() else name


def coin(sign: str, one: bool) -> Form:
    return (tables.COINS[sign][0 if one else 1],)


def is_one(text: str) -> bool:
    return text in ("1", "1/2", "1/4", "½", "¼")


def roman(text: str) -> int | None:
    """The value of a Roman numeral in capitals, up to 89: kings, chapters and wars have no more.

    >>> roman("XIV"), roman("MIX")
    (14, None)
    """
    if not re.fullmatch("(?=.)L?X{0,3}(IX|IV|V?I{0,3})", text):
        return None
    values = [{"I": 1, "V": 5, "X": 10, "L": 50}[letter] for letter in text]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def measured(found: re.Match[str]) -> Forms:
    """5km, 10k, 2x, 3pm, 5G, 6'2": a number and what is glued to it."""
    text, symbol = found["number"], found["symbol"]
    if symbol.lower().replace(".", "") in ("am", "pm"):
        return product([number(text)[:1], (spelled(symbol.replace(".", "")),)])
    numbers = number(text)[:2]
    names = unit(symbol, is_one(text))
    with_unit = product([numbers, names[:1]]) if names else ()
    letters = product([numbers, (spelled(symbol),)]) if symbol.isalpha() and symbol.isascii() else ()
    scaled: Forms = ()
    if re.fullmatch(SCALE, symbol):
        scaled = product([count(text)[:2], ((tables.SCALES[symbol.lower()],),)])
    if len(symbol) == 1 and symbol.isupper() and symbol not in "CF":
        return distinct([*letters[:1], *scaled[:2], *with_unit, *letters])
    if symbol in ("k", "bn", "mn", "tn"):
        return distinct([*scaled, *with_unit, *letters])
    return distinct([*with_unit, *scaled, *letters]) if names or scaled else ()


def feet(found: re.Match[str]) -> Forms:
    """6'2": six feet two inches, six foot two."""
    high, more = cardinal(int(found[1]), "en")[0], cardinal(int(found[2]), "en")[0]
    inches = "inch" if found[2] == "1" else "inches"
    return (*high, "foot", *more), (*high, "feet", *more, inches), (*high, "foot", *more, inches), (*high, *more)


def money(found: re.Match[str]) -> Forms:
    """$3.50, 5€, £2m."""
    sign, text = found["sign"] or found["sign2"], found["amount"] or found["amount2"]
    scale = found["scale"] or found["scale2"]
    many: Forms = (coin(sign, one=False),)
    if scale:
        return product([count(text)[:3], ((tables.SCALES[scale.lower()],),), many])
    whole, _, part = text.replace(",", "").partition(".")
    if not part:
        return product([count(whole), (coin(sign, whole == "1"),)])
    as_decimal = product([number(text)[:2], many])
    if len(part) != 2:
        return as_decimal
    return distinct([*_with_cents(sign, whole or "0", part), *as_decimal])


def _with_cents(sign: str, whole: str, part: str) -> Forms:
    big = product([count(whole), (coin(sign, whole == "1"),)])
    if part == "00":
        return big
    name = tables.COINS[sign][2 if part == "01" else 3]
    small = product([cardinal(int(part), "en")[:1], ((name,),)])
    if not whole.strip("0"):
        return small
    bare = product([number(whole)[:1], two_digits(part)])
    with_and = product([big[:1], (("and",),), small])
    return distinct([*product([big[:1], small]), *bare, *with_and, *product([big[:2], small])])


def nth(found: re.Match[str]) -> Forms:
    """21st; of what is too long the digits."""
    whole = found[1].replace(",", "")
    return ordinal(int(whole), "en") if len(whole) <= LONGEST else digits(whole, "en")


def decade(found: re.Match[str]) -> Forms:
    """1990s, '80s, 747s."""
    text = found[1].replace(",", "")
    forms = number(text)
    if len(text) == 4 and text[3] == "0":
        forms = forms[:1]  # "nineteen ninety", "two thousand"
    if len(text) == 2 and text[1] == "0" and int(text) >= 10:
        forms = distinct([*forms, *(("nineteen", *form) for form in forms)])
    return distinct((*form[:-1], _plural(form[-1])) for form in forms)


def _plural(word: str) -> str:
    if word.endswith("y"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith("x") else "s")


def fraction(found: re.Match[str]) -> Forms:
    """1/2, 3/4, 24/7."""
    top, bottom = int(found[1]), int(found[2])
    parts = _parts_of_one(top, bottom)
    a, b = number(found[1])[:1], number(found[2])[:1]
    plain = [product([a, middle, b]) for middle in ((), (("over",),), (("slash",),), (("out", "of"),))]
    if parts and top < bottom and bottom in _COMMON:
        return distinct([*parts[:3], *plain[1], *plain[2], *plain[3]])
    days = date_of(top, bottom)
    return distinct([*plain[0], *days[:2], *plain[1], *plain[2], *plain[3], *parts[:1]])


def _parts_of_one(top: int, bottom: int) -> Forms:
    """Three quarters, three fourths; a half, one half."""
    if not (0 < top <= 100 and 2 <= bottom <= 100):
        return ()
    names = [tables.PARTS[bottom][top > 1]] if bottom in tables.PARTS else []
    forms: list[Form] = [(name,) for name in names]
    if bottom > 2:
        bottoms = ordinal(bottom, "en")[0]
        forms.append((*bottoms[:-1], bottoms[-1] + "s" * (top > 1)))
    counted: list[Form] = [*cardinal(top, "en")[:1]]
    if top == 1:
        counted = [("a",), *counted] if bottom == 2 else [*counted, ("a",)]
    return distinct((*some, *form) for some in counted for form in forms)


def vulgar(found: re.Match[str]) -> Forms:
    """½, 2½."""
    top, _, bottom = tables.VULGAR[found[2]].partition("/")
    parts = _parts_of_one(int(top), int(bottom))
    return product([count(found[1])[:1], (("and",),), parts[:3]]) if found[1] else parts


def date_of(month: int, day: int) -> Forms:
    """December twenty fifth, and how else one says it; () for numbers that are none."""
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return ()
    name = tables.MONTHS[month - 1]
    place, plain = ordinal(day, "en")[0], cardinal(day, "en")[0]
    return (name, *place), (name, *plain), ("the", *place, "of", name), (name, "the", *place)


def date(found: re.Match[str]) -> Forms:
    """12/25/2020, 25.12.20, 2020-12-25; where both orders make sense, America's first."""
    a, b, c = found[1], found[3], found[4]
    if len(a) == 4:
        written, days = a, date_of(int(b), int(c))
    else:
        american, european = date_of(int(a), int(b)), date_of(int(b), int(a))
        written, days = c, (american[:1] + european[2:3] + american[1:]) if american else european[2:3] + european
    years = number(written)[:2] if len(written) == 4 else _short_year(written)
    numbers = product([_part_of_date(part) for part in (a, b, c)])
    if not days:
        return numbers
    return distinct([*product([days[:3], years[:1]]), *numbers[:2], *product([days[:1], years[1:2] or years])])


def _short_year(text: str) -> Forms:
    century = "20" if int(text) < 50 else "19"  # POSIX has 68 for the border; recordings are of the living
    return distinct([*two_digits(text), *number(century + text)[:1]])


def _part_of_date(text: str) -> Forms:
    if len(text) == 2 and text[0] == "0":
        return distinct([*two_digits(text), *cardinal(int(text), "en")[:1]])
    return number(text)[:2]


def clock(found: re.Match[str]) -> Forms:
    """10:30, 7:05am, 12:00, 10:30:15."""
    minute, second = found[2], found[3]
    hours = cardinal(int(found[1]), "en")[:1]
    half: Forms = (spelled(found[4].replace(".", "")),) if found[4] else ()
    if minute == "00" and not second:
        return product([distinct([*hours, (*hours[0], "o'clock"), (*hours[0], "hundred")]), half])
    minutes = distinct([*two_digits(minute), *cardinal(int(minute), "en")[:1]])
    if minute == "00":
        minutes = (("zero",), ("oh", "oh"))
    seconds = distinct([*two_digits(second), *cardinal(int(second), "en")[:1]]) if second and second != "00" else ()
    return product([hours, minutes, seconds, half])


def between(found: re.Match[str]) -> Forms:
    """10-15, 1914–1918, 50-60%, $5-10."""
    sign, a, b, symbol = found["sign"], found["a"], found["b"], found["symbol"]
    if re.fullmatch(r"\d{3}", a) and re.fullmatch(r"\d{4}", b):
        return product([digits(a, "en"), digits(b, "en")])
    first, last = number(a)[:2], number(b)[:2]
    to, bare = product([first, (("to",),), last]), product([first[:1], last[:1]])
    dash = product([first[:1], (("dash",),), last[:1]])
    forms = distinct([*bare, *to] if a == b else [*to[:1], *bare, *dash, *to])
    if sign:
        return product([forms, (coin(sign, one=False),)])
    if symbol:
        return product([forms, unit(symbol, one=False)[:1] or (spelled(symbol),)])
    return forms


def ratio(found: re.Match[str]) -> Forms:
    """2:1, 3:16."""
    a, b = number(found[1])[:1], number(found[2])[:1]
    return distinct([*product([a, (("to",),), b]), *product([a, b])])


def times_by(found: re.Match[str]) -> Forms:
    """1920x1080."""
    a, b = number(found[1])[:1], number(found[2])[:1]
    return distinct(form for word in ("by", "times", "x") for form in product([a, ((word,),), b]))


def telephone(found: re.Match[str]) -> Forms:
    plus: Forms = (("plus",),) if found[0].startswith("+") else ()
    return product([plus, digits(re.sub(r"\D", "", found[0]), "en")])


def version(found: re.Match[str]) -> Forms:
    """v2.0, 1.2.3."""
    numbers = found[2].split(".")[: MOST_WORDS // 2]
    parts: list[Forms] = [number(part)[: 2 if part == "0" else 1] for part in numbers]
    forms: list[Form] = []
    for word in ("point", "dot"):
        between_them = [part for one in parts for part in (((word,),), one)][1:]
        forms += product(between_them)[:2]
    return product([(("v",), ("version",)) if found[1] else (), distinct(forms)])


def or_more(found: re.Match[str]) -> Forms:
    """18+"""
    return product([number(found[1])[:2], (("plus",),)])


def _pairs(whole: str) -> Forms:
    """3 or 4 digits as two numbers: "seven forty seven", "three oh five"."""
    return product([cardinal(int(whole[:-2]), "en")[:1], two_digits(whole[-2:])])


def _hundreds(n: int) -> Forms:
    """Nineteen hundred eighty four."""
    if n % 100 == 0 or n % 1000 < 100:
        return ()
    return product([cardinal(n // 100, "en")[:1], (("hundred",),), cardinal(n % 100, "en")[:1]])


def _decimal(whole: str, decimals: str) -> Forms:
    one_by_one = digits(decimals, "en")
    parts = one_by_one[:1]
    if len(decimals) == 2 and decimals[0] != "0":
        parts += cardinal(int(decimals), "en")
    parts = distinct([*parts, *one_by_one])
    without = product([_POINT, parts])
    if not whole:
        return without
    if whole.strip("0"):
        return product([count(whole), _POINT, parts])
    return distinct([*product([(("zero",), ("oh",)), _POINT, parts])[:2], *without])
