"""What English writing sounds like: one token by itself. What its neighbours change is in context.py.

Each rule reads a whole token and gives its alternatives, the likeliest first; what no rule knows is read bit by bit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from speechcli.spoken import english_numbers as numbers
from speechcli.spoken import english_tables as tables
from speechcli.spoken.counting import MOST_WORDS, Forms, distinct, product
from speechcli.spoken.english_numbers import COIN, DASH, NUMBER, SCALE, WHOLE, number, said, spelled

Rule: TypeAlias = Callable[["re.Match[str]"], Forms]

_SIGNS = {
    "+": "plus", "~": "about/approximately", "≈": "about/approximately", "±": "plus or minus",
    "<": "less than/under", ">": "greater than/over", "-": "minus/negative", "\u2212": "minus/negative",
}  # fmt: skip
_MARKS = {
    ".": "dot", "/": "slash", "-": "dash", "_": "underscore", "@": "at", "?": "question|mark", "=": "equals",
    "&": "and", "#": "hash", "%": "percent", "+": "plus", ":": "colon", "~": "tilde",
}  # fmt: skip
_BIT = re.compile("[^\\W\\d_](?:[^\\W\\d_]|[\u0300-\u036f])*(?:['’][^\\W\\d_]+)*|\\d+|[^\\w\\s]")
_ADDRESS_BIT = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")
_CAPITALS = re.compile("([A-Z]{2,})((?:['’]?s)?)")
_IN_BITS = str.maketrans(tables.VULGAR | {"²": " squared ", "³": " cubed "})
_SPELLED_MOST = 8  # letters; a longer word in capitals is loud, not an acronym


def alone(text: str, dotted: bool) -> Forms:
    """A token without outer marks, its digits ASCII; `dotted` when a full stop came after it.

    >>> alone("e.g", True), alone("3pm", False)
    ((('for', 'example'), ('E', 'G')), (('three', 'P', 'M'),))
    """
    if forms := _abbreviated(text, dotted):
        return forms
    for pattern, rule in _NUMERIC if any(map(str.isnumeric, text)) else _VERBAL:
        if (found := pattern.fullmatch(text)) and (forms := rule(found)):
            return distinct(forms)
    return _bits(text)


def _abbreviated(text: str, dotted: bool) -> Forms:
    key = text.lower()
    if key in tables.UNDOTTED or "." in key:
        return said(tables.ABBREVIATIONS[key]) if key in tables.ABBREVIATIONS else ()
    if dotted and key in tables.ABBREVIATIONS:
        return distinct([*said(tables.ABBREVIATIONS[key]), (text,)])  # or a word at the end of a sentence
    return ()


def _signed(found: re.Match[str]) -> Forms:
    """-5%, ~20; a dash may be no minus."""
    rest = alone(found[2], dotted=False)
    return distinct([*product([said(_SIGNS[found[1]]), rest[:2]]), *rest[:1]])


def _apostrophes(found: re.Match[str]) -> Forms:
    return ((found[0].replace("’", "'"),),)


def _initials(found: re.Match[str]) -> Forms:
    """U.S, J.R.R, U.S.'s: letters that each have a full stop."""
    *letters, last = spelled(found[1].replace(".", ""))
    return ((*letters, last + "'s" * bool(found[2])),)


def _capitals(found: re.Match[str]) -> Forms:
    """NASA, DVDs: as a word, then letter by letter."""
    word = found[0].replace("’", "'")
    if len(found[1]) > _SPELLED_MOST:
        return ((word,),)
    *letters, last = spelled(found[1])
    return (word,), (*letters, last + "'s" * bool(found[2]))


def _camel(found: re.Match[str]) -> Forms:
    """YouTube, ChatGPT: as a word, then its parts."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z']+", found[0])
    if found[0].startswith(("Mc", "Mac")):
        return ((found[0],),)
    apart = tuple(word for part in parts for word in (spelled(part) if part.isupper() else (part,)))
    return (found[0],), tuple(parts), apart


def _hashtag(found: re.Match[str]) -> Forms:
    if re.fullmatch(NUMBER, found[1]):
        return product([said("number/hashtag/pound"), number(found[1])[:2]])
    inside = re.sub("(?<=[a-z])(?=[A-Z])|_", " ", found[1]).split()
    parts = product([alone(part, dotted=False)[:2] for part in inside[:MOST_WORDS]])
    return distinct([*product([said("hashtag"), parts[:2]]), *parts])


def _handle(found: re.Match[str]) -> Forms:
    rest = _bits(found[1])
    return distinct([*product([said("at"), rest[:2]]), *rest[:1]])


def _address(found: re.Match[str]) -> Forms:
    """example.com/a, user@example.com: its marks are said; "https" may be."""
    forms = _marked(found["rest"].rstrip("/"))
    if not (scheme := found["scheme"]):
        return forms
    called = (*spelled(scheme.partition(":")[0]), "colon", "slash", "slash")
    return distinct([*forms[:3], *((*called, *form) for form in forms[:2])])


def _marked(text: str) -> Forms:
    parts: list[Forms] = []
    for bit in _ADDRESS_BIT.findall(text.translate(_IN_BITS))[:MOST_WORDS]:
        if bit in _MARKS:
            parts.append(said(_MARKS[bit]) if bit != "/" else (("slash",),))
        elif bit == "www":
            parts.append((spelled(bit),))
        elif bit.isdecimal():
            parts.append(number(bit)[:2])
        elif bit.isalpha():
            parts.append(_letters(bit))
    return product(parts)


def _apart(found: re.Match[str]) -> Forms:
    """end.Next, file.py: two words, or one with its dot."""
    *parts, last = found[0].split(".")
    joined = product([*(alone(part, dotted=True) for part in parts), alone(last, dotted=False)])[:2]
    dotted = _marked(found[0])[:2]
    is_name = found[0].rpartition(".")[2] in tables.TOPS
    return (*dotted, *joined) if is_name else (*joined, *dotted)


def _slashed(found: re.Match[str]) -> Forms:
    """and/or"""
    parts = [_bits(part) for part in found[0].split("/")]
    with_mark = [forms for part in parts for forms in ((("slash",),), part)][1:]
    return distinct([*product(parts)[:4], *product(with_mark)[:2]])


def _hyphened(found: re.Match[str]) -> Forms:
    """twenty-one, COVID-19, e-mail, 10%-20%."""
    parts = [part for part in re.split(DASH, found[0]) if part][:MOST_WORDS]
    forms = product([alone(part.strip(".,"), dotted=False) for part in parts if part.strip(".,'’")])
    if len(parts) == 2 and all(any(map(str.isdigit, part)) for part in parts):
        ends = [alone(part, dotted=False)[:1] for part in parts]
        return distinct([*product([ends[0], (("to",),), ends[1]]), *forms])
    if len(parts) == 2 and min(map(len, parts)) <= 2 and all(part.isalpha() for part in parts):
        return distinct([*forms[:4], ("".join(parts),)])
    return forms


def _optional(found: re.Match[str]) -> Forms:
    """word(s)"""
    return (found[1] + found[2],), (found[1],)


def _bits(text: str) -> Forms:
    """Whatever it is: letters, digits and signs one after another."""
    parts: list[Forms] = []
    for bit in _BIT.findall(text.translate(_IN_BITS))[:MOST_WORDS]:
        if bit.isdecimal():
            parts.append(number(bit)[:3])
        elif bit in tables.SYMBOLS:
            parts.append(said(tables.SYMBOLS[bit]))
        elif bit[0].isalpha():
            parts.append(_letters(bit))
    return product(parts)


def _letters(bit: str) -> Forms:
    found = _CAPITALS.fullmatch(bit)
    return _capitals(found) if found else ((bit.replace("’", "'"),),)


def _compiled(*rules: tuple[str, Rule]) -> tuple[tuple[re.Pattern[str], Rule], ...]:
    return tuple((re.compile(pattern), rule) for pattern, rule in rules)


_NET = r"(?P<rest>[\w.+-]+@[\w-]+(?:\.[\w-]+)+|www\.\S+|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,4}/\S*)"
_EITHER = (
    (r"(?P<scheme>[a-z]{3,5}://)(?P<rest>\S+)", _address),
    (rf"(?P<scheme>){_NET}", _address),
    (r"#(\w+)", _hashtag),
    (r"@(\w+)", _handle),
    (r"[A-Za-z][\w-]*(?:\.[A-Za-z][\w-]*)+", _apart),
    (rf"[\w.,:'’$€£%°&+]+(?:{DASH}+[\w.,:'’$€£%°&+]+)+", _hyphened),
)
_VERBAL = _compiled(
    (_CAPITALS.pattern, _capitals),
    (r"[A-Z]?[a-z]+", lambda found: ((found[0],),)),
    (r"[A-Za-z]+(?:[a-z][A-Z]|[A-Z][a-z])[A-Za-z]*", _camel),
    (r"['’]?[^\W\d_]+(?:['’][^\W\d_]+)*", _apostrophes),
    (r"((?:[A-Za-z]\.)+[A-Za-z]|Ph\.D)(\.?['’]s)?", _initials),
    (r"[CF]#", lambda found: ((found[0][0], "sharp"),)),
    (r"([^\W\d_]+)\((e?s)\)", _optional),
    (r"[^\W\d_]+(?:/[^\W\d_]+)+", _slashed),
    *_EITHER,
)
_NUMERIC = _compiled(
    (NUMBER, lambda found: number(found[0])),
    (rf"(?:[A-Z]{{1,2}})?(?P<sign>{COIN})\s?(?P<amount>{NUMBER})(?P<scale>{SCALE})?"
     rf"|(?P<amount2>{NUMBER})(?P<scale2>{SCALE})?(?P<sign2>{COIN})", numbers.money),
    (rf"({WHOLE})(?i:st|nd|rd|th)", numbers.nth),
    (rf"['’]?({WHOLE})['’]?s", numbers.decade),
    (r"(\d*)([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒])", numbers.vulgar),
    (r"(\d{1,2})[:.](\d{2})(?::(\d{2}))?([AaPp]\.?[Mm])", numbers.clock),
    (r"([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?()", numbers.clock),
    (r"(\d{1,3}):(\d{1,3})", numbers.ratio),
    (r"(\d{1,2})['’′](\d{1,2})[\"″]?", numbers.feet),
    (rf"(?P<number>{NUMBER})(?P<symbol>[A-Za-zμ°%‰¢\"″′]{{1,4}}[23²³]?|km/h|m/s|[AaPp]\.[Mm])", numbers.measured),
    (r"(\d{1,2})(/)(\d{1,2})/(\d{4}|\d{2})", numbers.date),
    (r"(\d{1,2})([.-])(\d{1,2})\2(\d{4})", numbers.date),
    (r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})", numbers.date),
    (r"(\d{1,4})[/⁄](\d{1,4})", numbers.fraction),
    (rf"\+?\d{{1,4}}(?:{DASH}\d{{2,5}}){{2,4}}|\+\d{{6,15}}|\d{{3}}[.]\d{{3}}[.]\d{{4}}", numbers.telephone),
    (rf"(?P<sign>{COIN})?(?P<a>{NUMBER}){DASH}{COIN}?(?P<b>{NUMBER})(?P<symbol>[A-Za-z]{{1,3}}|%|°[CF]?)?",
     numbers.between),
    (rf"({NUMBER})[x×]({NUMBER})", numbers.times_by),
    (r"([vV])?(\d+(?:\.\d+){2,})", numbers.version),
    (r"([vV])(\d+(?:\.\d+)*)", numbers.version),
    (r"([-\u2212+~≈±<>])(.*\d.*)", _signed),
    (rf"({NUMBER})\+", numbers.or_more),
    *_EITHER,
)  # fmt: skip
