"""What English writing sounds like: one token by itself. What its neighbours change is in context.py.

Each rule reads a whole token and gives its alternatives, the likeliest first; the last ones read it bit by bit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

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

Rule: TypeAlias = Callable[["re.Match[str]"], Forms]

_WHOLE = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
NUMBER = rf"(?:{_WHOLE}(?:\.\d+)?|\.\d+)"
_COIN = "[$€£¥₹₩₽₿]"
_SCALE = "(?:k|K|m|M|mn|mm|MM|bn|B|b|tn|T)"
_DASH = "[-\u2010-\u2015\u2212]"


def said(shorthand: str) -> Forms:
    """A table's shorthand in words: "for example/E G"."""
    return tuple(tuple(one.replace("|", " ").split()) for one in shorthand.split("/"))


def alone(text: str, dotted: bool) -> Forms:
    """A token without outer punctuation, of ASCII digits; `dotted` when a full stop came after it."""
    if forms := _abbreviated(text, dotted):
        return forms
    for pattern, rule in _RULES:
        if (found := pattern.fullmatch(text)) and (forms := rule(found)):
            return distinct(forms)
    return _bits(text)


def number(text: str) -> Forms:
    """A written number without sign: with or without thousands marks and decimals."""
    whole, _, decimals = text.replace(",", "").partition(".")
    if decimals:
        return _decimal(whole, decimals)
    if len(whole) > LONGEST or (whole[0] == "0" and len(whole) > 1):
        return digits(whole, "en")
    n = int(whole)
    forms = [*cardinal(n, "en"), *_with_a(n)]
    if "," in text:
        return distinct(forms)
    if len(whole) == 4 and (1100 <= n < 2000 or 2010 <= n < 2100):
        forms = [*year(n, "en"), *forms]
    elif len(whole) == 4:
        forms += [*year(n, "en"), *_pairs(whole)]
    elif len(whole) == 3:
        forms += [*digits(whole, "en")[:1], *_pairs(whole)]
    elif n == 0:
        forms.append(("oh",))
    elif len(whole) > 6 and not whole.endswith("000"):
        forms = [*digits(whole, "en"), *forms]
    elif len(whole) > 4:
        forms += digits(whole, "en")
    return distinct(forms)


def times(forms: Forms, symbol: str, one: bool) -> Forms:
    """Those numbers of a unit, in the singular when `one`; () for a symbol that is none."""
    known = tables.UNITS.get(symbol) or tables.UNITS.get(symbol.lower())
    if known is None:
        return ()
    return tuple((*form, *_unit(known, one)) for form in forms)


def unit(symbol: str, one: bool) -> Forms:
    """A unit's name, then its letters; () for a symbol that is none."""
    known = tables.UNITS.get(symbol) or tables.UNITS.get(symbol.lower())
    if known is None:
        return ()
    letters = (spelled(symbol),) if symbol.isalpha() else ()
    return distinct((_unit(known, one), *letters))


def is_one(text: str) -> bool:
    return text in ("1", "1/2", "1/4", "½", "¼")


def coins(sign: str, one: bool) -> Form:
    return (tables.COINS[sign][0 if one else 1],)


def spelled(text: str) -> Form:
    return tuple(text.upper()[:MOST_WORDS])


def roman(text: str) -> int | None:
    """The value of a Roman numeral in capitals, up to 89: kings, chapters and wars have no more."""
    if not re.fullmatch("(?=.)L?X{0,3}(IX|IV|V?I{0,3})", text):
        return None
    values = [{"I": 1, "V": 5, "X": 10, "L": 50}[letter] for letter in text]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def _unit(known: str, one: bool) -> Form:
    return said(known.split()[0 if one else 1])[0]


def _abbreviated(text: str, dotted: bool) -> Forms:
    key = text.lower()
    if key in tables.ABBREVIATIONS and (dotted or key in tables.UNDOTTED or "." in key):
        return distinct(said(tables.ABBREVIATIONS[key].replace("~", text)))
    return ()


def _with_a(n: int) -> Forms:
    """A hundred, a thousand."""
    return tuple(("a", *form[1:]) for form in cardinal(n, "en")[:1] if n in (100, 1000, 10**6, 10**9))


def _pairs(whole: str) -> Forms:
    """3 or 4 digits as two numbers: "seven forty seven", "three oh five"."""
    first, rest = int(whole[:-2]), int(whole[-2:])
    if rest == 0:
        return tuple((*form, "hundred") for form in cardinal(first, "en")[:1])
    return tuple(
        (*a, *(("oh",) if rest < 10 else ()), *b) for a in cardinal(first, "en")[:1] for b in cardinal(rest, "en")
    )


def _decimal(whole: str, decimals: str) -> Forms:
    parts = [*digits(decimals, "en")[:1]]
    if len(decimals) == 2 and decimals[0] != "0":
        parts += cardinal(int(decimals), "en")
    parts += digits(decimals, "en")[1:]
    if not whole:
        return product([(("point",),), tuple(parts)])
    before = number(whole) if len(whole) != 4 else cardinal(int(whole), "en")
    if not int(whole):
        before = (("zero",), ("oh",), ("point",))
    forms = product([before, (("point",),), tuple(parts)])
    return distinct(tuple(form[1:]) if form[:2] == ("point", "point") else form for form in forms)


def _scaled(found: re.Match[str]) -> Forms:
    """10k, 5bn, 1.5M, 2x, 3am: a number and what is glued to it."""
    amount, symbol = found["number"], found["symbol"]
    forms: list[Form] = []
    if symbol.lower().rstrip(".").replace(".", "") in ("am", "pm"):
        return product([number(amount)[:1], (spelled(symbol.replace(".", "")),)])
    forms += times(number(amount)[:2], symbol, is_one(amount))
    letters = product([number(amount)[:2], (spelled(symbol),)]) if symbol.isalpha() and len(symbol) <= 4 else ()
    if re.fullmatch(_SCALE, symbol):
        scaled = product([_counted(amount)[:2], ((tables.SCALES[symbol.lower()],),)])
        forms = [*scaled, *forms] if symbol in ("k", "M", "bn", "B", "mn", "tn") else [*forms, *scaled]
    if symbol.isupper() and len(symbol) == 1:
        return distinct([*letters, *forms])
    return distinct([*forms, *letters]) if forms else ()


def _counted(text: str) -> Forms:
    """A number that is surely no year."""
    whole = text.replace(",", "")
    if "." in whole or len(whole) > LONGEST:
        return number(text)
    return distinct([*cardinal(int(whole), "en"), *_with_a(int(whole))])


def _money(found: re.Match[str]) -> Forms:
    sign, amount = found["sign"] or found["sign2"], found["amount"] or found["amount2"]
    scale = found["scale"] or found["scale2"]
    one, many, cent, cents = tables.COINS[sign]
    if scale:
        return product([_counted(amount)[:3], ((tables.SCALES[scale.lower()],),), ((many,),)])
    whole, _, part = amount.replace(",", "").partition(".")
    whole = whole or "0"
    if len(whole) > LONGEST:
        return product([digits(whole, "en"), ((many,),)])
    coin = one if int(whole) == 1 else many
    if not part:
        return product([_counted(amount), ((coin,),)])
    as_decimal = product([number(amount)[:2], ((many,),)])
    if len(part) != 2:
        return as_decimal
    small = () if part == "00" else product([number(str(int(part)))[:1], ((cent if part == "01" else cents,),)])
    if not int(whole) and small:
        return distinct([*small, *as_decimal])
    big = product([_counted(whole), ((coin,),)])
    if not small:
        return distinct([*big, *as_decimal])
    bare = product([number(whole)[:1], _small(part)])
    return distinct(
        [
            *product([big[:1], small]),
            *bare,
            *product([big[:1], (("and",),), small]),
            *product([big[1:2], small]),
            *as_decimal,
        ]
    )


def _small(part: str) -> Forms:
    """Two digits after others: "fifty", "oh five"."""
    if part == "00":
        return (("hundred",),)
    return tuple((*(("oh",) if part[0] == "0" else ()), *form) for form in cardinal(int(part), "en")[:1])


def _ordinal(found: re.Match[str]) -> Forms:
    n = int(found[1].replace(",", ""))
    return ordinal(n, "en")


def _decade(found: re.Match[str]) -> Forms:
    text = found[1].replace(",", "")
    forms = [*number(text)]
    if len(text) == 2 and text[1] == "0" and int(text) >= 10:
        forms += [("nineteen", *form) for form in cardinal(int(text), "en")]
    return distinct((*form[:-1], _plural(form[-1])) for form in forms)


def _plural(word: str) -> str:
    if word.endswith("y"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith("x") else "s")


def _fraction(found: re.Match[str]) -> Forms:
    top, bottom = int(found[1]), int(found[2])
    forms: list[Form] = []
    if top > 0 and 2 <= bottom <= 100:
        names = tables.HALVES.get(bottom)
        if names:
            forms += product([cardinal(top, "en")[:1], ((names[top > 1],),)])
        if bottom > 2:
            forms += [
                (*cardinal(top, "en")[0], *form[:-1], form[-1] + "s" * (top > 1)) for form in ordinal(bottom, "en")[:1]
            ]
        if top == 1:
            forms[:0] = [("a", *forms[0][1:])] if bottom == 2 else []
            forms.append(("a", *forms[-1][1:]))
    a, b = number(found[1])[:1], number(found[2])[:2]
    plain = [*product([a, b]), *product([a, (("over",),), b[:1]]), *product([a, (("slash",),), b[:1]])]
    day = _day(top, bottom) if top <= 12 and bottom <= 31 else ()
    if 0 < top < bottom and bottom in (2, 3, 4, 5, 6, 8, 10, 16):
        return distinct([*forms[:3], *plain[:1], *plain[-2:]])
    return distinct([*plain[:1], *day[:2], *plain[1:], *forms[:1]])


def _mixed(found: re.Match[str]) -> Forms:
    """2½"""
    part = found[2]
    fraction = _fraction(re.fullmatch(r"(\d+)/(\d+)", tables.VULGAR[part]) or found)
    if not found[1]:
        return fraction
    return product([_counted(found[1])[:1], (("and",),), fraction[:3]])


def _day(month: int, day: int) -> Forms:
    """December twenty fifth, and how else one says it."""
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return ()
    name = tables.MONTHS[month - 1]
    nth, plain = ordinal(day, "en")[0], cardinal(day, "en")[0]
    return ((name, *nth), (name, *plain), ("the", *nth, "of", name), (name, "the", *nth))


def _date(found: re.Match[str]) -> Forms:
    a, b, c = found[1], found[3], found[4]
    if len(a) == 4:
        written, months = a, _day(int(b), int(c))
    else:
        written = c
        months = tuple(
            form for pair in zip(_day(int(a), int(b)), _day(int(b), int(a)), strict=False) for form in pair
        ) or (_day(int(a), int(b)) or _day(int(b), int(a)))
    years = number(written)[:2] if len(written) == 4 else _short_year(written)
    numbers = product([_two(a), _two(b), _two(c)])
    return distinct([*product([months[:3], years[:1]]), *numbers[:2], *product([months[:1], years[1:2]])])


def _short_year(text: str) -> Forms:
    century = "20" if int(text) < 50 else "19"
    return distinct([*_small(text), *number(century + text)[:1]])


def _two(text: str) -> Forms:
    if len(text) == 2 and text[0] == "0":
        return distinct([(("oh"), *cardinal(int(text), "en")[0]), cardinal(int(text), "en")[0]])
    return number(text)[:2]


def _clock(found: re.Match[str]) -> Forms:
    hour, minute, second, half = found[1], found[2], found[3], found[4]
    hours = cardinal(int(hour), "en")[:1]
    after: Forms = ((spelled(half.replace(".", "")),)) if half else ()
    if minute == "00" and not second:
        whole = [hours[0], (*hours[0], "o'clock"), (*hours[0], "hundred")]
        return product([tuple(whole), after]) if after else distinct(whole)
    minutes = _small(minute) + (cardinal(int(minute), "en")[:1] if minute[0] == "0" else ())
    if minute == "00":
        minutes = (("zero",), ("oh", "oh"))
    seconds = _small(second) if second and second != "00" else ()
    return product([hours, minutes, seconds, after])


def _range(found: re.Match[str]) -> Forms:
    a, b, symbol = found[1], found[2], found[3] or ""
    if re.fullmatch(r"\d{3}", a) and re.fullmatch(r"\d{4}", b):
        return product([digits(a, "en"), digits(b, "en")])
    ends = [number(a)[:2], number(b)[:2]]
    to = product([ends[0], (("to",),), ends[1]])
    bare = product([ends[0][:1], ends[1][:1]])
    forms = [*bare, *to] if a == b else [to[0], *bare, *to[1:]]
    forms.append((*ends[0][0], "dash", *ends[1][0]))
    if symbol:
        return times(tuple(forms), symbol, False)
    return distinct(forms)


def _ratio(found: re.Match[str]) -> Forms:
    a, b = number(found[1])[:1], number(found[2])[:1]
    return distinct([*product([a, (("to",),), b]), *product([a, b])])


def _times_by(found: re.Match[str]) -> Forms:
    a, b = number(found[1])[:1], number(found[2])[:1]
    return distinct(form for word in ("by", "times", "x") for form in product([a, ((word,),), b]))


def _telephone(found: re.Match[str]) -> Forms:
    plus: Forms = (("plus",),) if found[0].startswith("+") else ()
    return product([plus, digits(re.sub(r"\D", "", found[0]), "en")])


def _version(found: re.Match[str]) -> Forms:
    numbers = found[2].split(".")
    first: Forms = (("v",), ("version",)) if found[1] else ()

    def dotted(word: str) -> Forms:
        parts: list[Forms] = []
        for part in numbers[: MOST_WORDS // 2]:
            parts += [((word,),)] if parts else []
            parts.append(((("zero",), ("oh",))) if part == "0" else number(part)[:1])
        return product(parts)

    return product([first, distinct([*dotted("point")[:2], *dotted("dot")[:2]])])


def _signed(found: re.Match[str]) -> Forms:
    names = {"+": ("plus",), "~": ("about", "approximately"), "≈": ("about", "approximately"), "±": ("plus or minus",)}
    rest = alone(found[2], False)
    if found[1] in "<>":
        names[found[1]] = ("less than", "under") if found[1] == "<" else ("greater than", "over")
    signs = tuple(tuple(name.split()) for name in names.get(found[1], ("minus", "negative")))
    return distinct([*product([signs, rest[:2]]), *rest[:1]])


def _after(found: re.Match[str]) -> Forms:
    """5+, 50#: a number and a mark."""
    return product([number(found[1])[:2], (("plus",),)])


def _initials(found: re.Match[str]) -> Forms:
    """U.S., J.R.R.: letters that each have a full stop."""
    return distinct([spelled(re.sub("[^A-Za-z]", "", found[0]))])


def _capitals(found: re.Match[str]) -> Forms:
    """NASA, DVDs: as a word, then letter by letter."""
    letters = [*spelled(found[1])]
    if found[2]:
        letters[-1] += "'s"
    return distinct([(found[0],), tuple(letters)] if len(found[1]) <= 8 else [(found[0],)])


def _camel(found: re.Match[str]) -> Forms:
    """YouTube: as a word, then its parts."""
    parts = tuple(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z']+", found[0]))
    if found[0].startswith(("Mc", "Mac", "O'")) or len(parts) > MOST_WORDS:
        return ((found[0][:200],),)
    last: Forms = (tuple(part for part in parts[:-1]) + spelled(parts[-1]),) if parts[-1].isupper() else ()
    return distinct([(found[0],), parts, *last])


def _hashtag(found: re.Match[str]) -> Forms:
    name = found[1]
    if re.fullmatch(NUMBER, name):
        return product([(("number",), ("hashtag",), ("pound",)), number(name)[:2]])
    inside = re.sub("(?<=[a-z])(?=[A-Z])|_", " ", name).split()
    parts = product([alone(part, False)[:2] or () for part in inside])
    return distinct([*product([(("hashtag",),), parts[:2]]), *parts])


def _handle(found: re.Match[str]) -> Forms:
    rest = _bits(found[1])
    return distinct([*product([(("at",),), rest[:2]]), *rest[:1]])


def _address(found: re.Match[str]) -> Forms:
    """example.com/a, user@example.com: its marks are said."""
    scheme, rest = found["scheme"] or "", found["rest"].rstrip("/")
    forms = _marked(rest)
    if not scheme:
        return forms
    called = (*spelled(scheme.partition(":")[0]), "colon", "slash", "slash")
    return distinct([*forms[:3], *((*called, *form) for form in forms[:2])])


_MARKS = {".": "dot", "/": "slash", "-": "dash", "_": "underscore", "@": "at", "?": "question|mark", "=": "equals",
          "&": "and", "#": "hash", "%": "percent", "+": "plus", ":": "colon", "~": "tilde"}  # fmt: skip


def _marked(text: str) -> Forms:
    parts: list[Forms] = []
    for bit in re.findall(r"[^\W\d_]+|\d+|[^\w\s]|_", text)[:MOST_WORDS]:
        if bit in _MARKS:
            parts.append(said(_MARKS[bit]))
        elif bit == "www":
            parts.append((("W", "W", "W"),))
        elif bit.isalnum():
            parts.append(_letters(bit) if bit.isalpha() else number(bit)[:2])
    return product(parts)


def _apart(found: re.Match[str]) -> Forms:
    """end.Next, file.py: two words, or one with its dot."""
    parts = [_bits(part) for part in found[0].split(".")]
    joined = product(parts)
    dotted = _marked(found[0])
    is_name = found[0].rpartition(".")[2].lower() in tables.TOPS
    return distinct([*dotted[:2], *joined[:2]] if is_name else [*joined[:2], *dotted[:2]])


def _slashed(found: re.Match[str]) -> Forms:
    parts = [_bits(part) for part in found[0].split("/") if part]
    with_mark = [forms for part in parts for forms in ((("slash",),), part)][1:]
    return distinct([*product(parts)[:4], *product(with_mark)[:2]])


def _hyphened(found: re.Match[str]) -> Forms:
    """twenty-one, COVID-19, e-mail."""
    parts = [part for part in re.split(_DASH, found[0]) if part]
    forms = product([alone(part, False) for part in parts[:MOST_WORDS]])
    if len(parts) == 2 and min(map(len, parts)) <= 2 and all(part.isalpha() for part in parts):
        return distinct([*forms[:4], ("".join(parts),)])
    return forms


def _optional(found: re.Match[str]) -> Forms:
    """word(s)"""
    return ((found[1] + found[2],), (found[1],))


def _bits(text: str) -> Forms:
    """Whatever it is, letters, digits and signs one after another."""
    parts: list[Forms] = []
    for bit in re.findall(r"(?:[^\W\d_]|[\u0300-\u036f])+(?:['’](?:[^\W\d_])+)*|\d+|[^\w\s]", text)[:MOST_WORDS]:
        if bit.isdecimal():
            parts.append(number(bit)[:3])
        elif bit in tables.SYMBOLS:
            parts.append(said(tables.SYMBOLS[bit]))
        elif bit[0].isalpha():
            parts.append(_letters(bit))
    return product(parts)


def _letters(bit: str) -> Forms:
    if found := re.fullmatch("([A-Z]{2,})(s?)", bit):
        return _capitals(found)
    return ((bit.replace("’", "'"),),)


def _rules(*rules: tuple[str, Rule]) -> Iterable[tuple[re.Pattern[str], Rule]]:
    return [(re.compile(pattern), rule) for pattern, rule in rules]


_RULES = tuple(
    _rules(
        (r"[^\W\d_]+(?:['’][^\W\d_]+)+", lambda found: ((found[0].replace("’", "'"),),)),
        (r"([A-Z]{2,})(s?)", _capitals),
        (r"[A-Za-z]+(?:[a-z][A-Z]|[A-Z][a-z])[A-Za-z']*", _camel),
        (NUMBER, lambda found: number(found[0])),
        (rf"(?:[A-Z]{{1,2}})?(?P<sign>{_COIN})\s?(?P<amount>{NUMBER})(?P<scale>{_SCALE})?"
         rf"|(?P<amount2>{NUMBER})(?P<scale2>{_SCALE})?(?P<sign2>{_COIN})", _money),
        (rf"({_WHOLE})(?:st|nd|rd|th|ST|ND|RD|TH)", _ordinal),
        (r"['’]?(\d+|\d{1,3}(?:,\d{3})+)['’]?s", _decade),
        (r"(\d*)([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒])", _mixed),
        (r"(\d{1,2})[:.](\d{2})(?::(\d{2}))?([AaPp]\.?[Mm])", _clock),
        (r"([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?()", _clock),
        (r"(\d{1,3}):(\d{1,3})", _ratio),
        (rf"(?P<number>{NUMBER})(?P<symbol>[A-Za-zµ°%‰¢\"″′]{{1,4}}[23]?|km/h|m/s|[AaPp]\.[Mm])", _scaled),
        (r"(\d{1,2})(/)(\d{1,2})/(\d{4}|\d{2})", _date),
        (r"(\d{1,2})([.-])(\d{1,2})\2(\d{4})", _date),
        (r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})", _date),
        (r"(\d{1,4})[/⁄](\d{1,4})", _fraction),
        (rf"\+?\d{{1,4}}(?:{_DASH}\d{{2,5}}){{2,4}}|\+\d{{6,15}}|\d{{3}}[.]\d{{3}}[.]\d{{4}}", _telephone),
        (rf"({NUMBER}){_DASH}({NUMBER})([A-Za-z%°]{{1,3}})?", _range),
        (rf"({NUMBER})[x×]({NUMBER})", _times_by),
        (r"([vV])?(\d+(?:\.\d+){2,})", _version),
        (r"([vV])(\d+(?:\.\d+)*)", _version),
        (r"([-−+~≈±<>])(.*\d.*)", _signed),
        (rf"({NUMBER})\+", _after),
        (r"(?:[A-Za-z]\.)+[A-Za-z]|Ph\.D", _initials),
        (r"C#|F#", lambda found: ((found[0][0], "sharp"),)),
        (r"([^\W\d_]+)\((e?s)\)", _optional),
        (r"#(\w+)", _hashtag),
        (r"(?P<scheme>[a-z]{3,5}://)(?P<rest>\S+)", _address),
        (r"(?P<scheme>)(?P<rest>[\w.+-]+@[\w-]+(?:\.[\w-]+)+|www\.\S+|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,4}/\S*)", _address),
        (r"@(\w+)", _handle),
        (r"[A-Za-z][\w-]*(?:\.[A-Za-z][\w-]*)+", _apart),
        (r"[^\W\d_]+(?:/[^\W\d_]+)+", _slashed),
        (rf"[\w.,'’$€£%]+(?:{_DASH}+[\w.,'’$€£%]+)+", _hyphened),
    )
)  # fmt: skip
