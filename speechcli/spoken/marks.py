"""The marks around a word, and the many ways to write a digit."""

from __future__ import annotations

import re
import unicodedata

_VULGAR = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"
_COIN = "[$€£¥₹₩₽₿]"
# where a word begins: a letter, or a sign that belongs to what follows it
_OPENS = re.compile(
    rf"[^\W_]|[-\u2212+~≈±<>]?(?:{_COIN}\s?)?\.?\d|[#@§]\w|['’](?=\d0s)|['’](?=(?:tis|twas|em|til|cause|bout)\W*$)|[{_VULGAR}]",
    re.IGNORECASE,
)
_KEPT_LAST = frozenset("%‰°¢$€£¥₹₩₽₿+#″′" + _VULGAR)
_AS_THEY_ARE = frozenset(_VULGAR + "ºª№²³")
_SILENT = frozenset("™℠©®\u00ad")
_RAISED = frozenset("⁰¹⁴⁵⁶⁷⁸⁹")
# a footnote's mark, behind a word or its punctuation
_NOTE = re.compile('(?:(?<=[^\\W\\d_]{2})(?<!km)(?<!cm)(?<!mm)|(?<=[.,;:!?)”"]))[⁰¹²³⁴-⁹]+(?=\\W*$)')
_PLURAL = re.compile(r"\w\(e?s$")


def readable(text: str) -> str:
    """The same text with digits of ASCII; of compatible characters the common one; ½, º, № and ² stay.

    >>> readable("３٣②ﬁ½"), readable("word.²")
    ('332fi½', 'word.')
    """
    if text.isascii():
        return text
    return "".join(c if c in _AS_THEY_ARE else _common(c) for c in _NOTE.sub("", text))


def _common(character: str) -> str:
    if character in _SILENT:
        return ""
    if character == "٪":
        return "%"
    same = unicodedata.normalize("NFKC", character)
    return " " * (character in _RAISED) + "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in same)


def core(text: str) -> tuple[str, bool]:
    """A token without the marks around it, "" if it is marks only; whether the first behind is a full stop.

    >>> core("“(Dr.)”"), core("'90s,"), core("-5%"), core("…")
    (('Dr', True), ("'90s", False), ('-5%', False), ('', False))
    """
    opened = _OPENS.search(text)
    if opened is None:
        return "", False
    start, end = opened.start(), len(text)
    while end > start and _is_mark(text[end - 1]) and text[end - 1] not in _KEPT_LAST:
        end -= 1
    if text[end : end + 1] == ")" and _PLURAL.search(text[:end]):
        end += 1
    if text[end - 1 : end] == "#" and not re.search("(?<![A-Za-z])[CF]#$", text[start:end]):
        end -= 1
    return text[start:end], text[end : end + 1] == "."


def outer_stripped(text: str) -> str:
    """A token without the punctuation and signs around it; combining marks are part of letters and stay.

    >>> outer_stripped("«Привет!»"), outer_stripped("—")
    ('Привет', '')
    """
    start, end = 0, len(text)
    while start < end and _is_mark(text[start]):
        start += 1
    while end > start and _is_mark(text[end - 1]):
        end -= 1
    return text[start:end]


def _is_mark(character: str) -> bool:
    return not character.isalnum() and unicodedata.category(character)[0] in "PSZC"
