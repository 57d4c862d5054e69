"""What English tokens sound like because of their neighbours: "$5 million", "10 kg", "Chapter IV", "May 5"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from speechcli.spoken import english, english_numbers, english_tables
from speechcli.spoken.counting import Form, Forms, cardinal, distinct, ordinal, product

_MONEY = re.compile(rf"[(\"“'-]?(?:[A-Z]{{1,2}})?([$€£¥₹₩₽₿])({english_numbers.NUMBER})")
_PLAIN = re.compile(rf"[(\"“'~-]?({english_numbers.NUMBER})")
_DAY = re.compile(r"([1-9]|[12]\d|3[01])\W*")
_FRACTION = re.compile(r"(?:\d/\d|[½⅓⅔¼¾⅛⅜⅝⅞])\W*")
_LONG_SCALES = frozenset("hundred thousand million billion trillion mn bn tn".split())
_NUMBERED = frozenset(
    "chapter part war volume vol book section phase type act scene article title level stage step figure table appendix"
    " unit module lesson episode season bowl class grade tier mark canto psalm form group round division region".split()
)
_EDGES = ".,;:!?()[]\"“”'’"
_ROMAN = frozenset("IVXL")


def changes(tokens: Sequence[str]) -> Iterator[tuple[int, Forms]]:
    """Places and the forms that are likelier there than those of the token alone."""
    for i, token in enumerate(tokens):
        before = tokens[i - 1] if i else ""
        if forms := _behind(token, before):
            yield i, forms
        if i + 1 < len(tokens):
            yield from _ahead(i, token, tokens[i + 1])


def _behind(token: str, before: str) -> Forms:
    """What the token before makes of one."""
    if token[:1].isdigit() or token[:1] in english_tables.VULGAR:
        return _number(token, before)
    if before[-1:].isdigit():
        return _measured(token.strip(_EDGES), before)
    return () if _ROMAN.isdisjoint(token) else _counted(token.strip(_EDGES), before)


def _number(token: str, before: str) -> Forms:
    if before.isdigit() and _FRACTION.fullmatch(token):
        return product([(("and",),), english.alone(token.strip(_EDGES), dotted=False)[:2]])
    if (day := _DAY.fullmatch(token)) and before.rstrip(".").lower() in english_tables.MONTH:
        nth, plain = ordinal(int(day[1]), "en")[0], cardinal(int(day[1]), "en")[0]
        return nth, plain, ("the", *nth)
    return ()


def _measured(core: str, before: str) -> Forms:
    """A unit or a coin after a number."""
    found = _PLAIN.fullmatch(before)
    if found is None or not core:
        return ()
    one = english_numbers.is_one(found[1])
    if core in english_tables.COINS:
        return (english_numbers.coin(core, one),)
    if sign := english_tables.CODES.get(core.lower()):
        return distinct((english_numbers.coin(sign, one), english_numbers.spelled(core)))
    return english_numbers.unit(core, one)


def _counted(core: str, before: str) -> Forms:
    """A Roman numeral after a name or a word that is counted."""
    value = english_numbers.roman(core)
    if value is None or not before[:1].isupper() or before[-1] in ".,;:!?":
        return ()
    counted: Form = cardinal(value, "en")[0]
    if before.lower() in _NUMBERED:
        return (counted,)
    nth = ordinal(value, "en")[0]
    if core == "I":
        return ()  # "Then I": more often a person than a king
    return (("the", *nth), counted)


def _ahead(i: int, token: str, after: str) -> Iterator[tuple[int, Forms]]:
    """What is known only from the next token."""
    if "$" <= token[-1:] <= "9" and (money := _MONEY.fullmatch(token)):
        scale = after.strip(_EDGES).lower()
        if scale in _LONG_SCALES:
            name = english_tables.SCALES[scale]
            yield i, english_numbers.count(money[2])[:3]
            yield i + 1, ((name, *english_numbers.coin(money[1], one=False)), (name,))
    elif token in ("No.", "no.", "#", "№") and after[:1].isdigit():
        yield i, (("number",),)
