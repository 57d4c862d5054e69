"""Text as it is shown: one clean line, its width in columns, where it may break, where a sentence ends."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_BLANKS = re.compile(r"[^\S\u00a0\u2007\u202f\u3000]+")  # but no-break and ideographic ones
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
_SENTENCE = re.compile(r"[.!?…。！？｡؟۔।։][\"'”’»」』）)\]]*$")
_CLAUSE = re.compile(r"(?:[,;:，、；：،؛–—]|(?:^|\s)-)[\"'”’»」』）)\]]*$")
_ABBREVIATION = re.compile(r"(?:^|[\s(\"“])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|e\.g|i\.e|cf|Nr|bzw|z\.B)\.$")
_SCRIPTS = (
    ("en", re.compile("[A-Za-z\u00c0-\u024f]"), 1),
    ("zh", re.compile("[\u3040-\u30ff\u4e00-\u9fff]"), 3),  # a character says as much as several letters
    ("ko", re.compile("[\uac00-\ud7af]"), 3),
    ("ru", re.compile("[\u0400-\u04ff]"), 1),
    ("el", re.compile("[\u0370-\u03ff]"), 1),
    ("he", re.compile("[\u0590-\u05ff]"), 1),
    ("ar", re.compile("[\u0600-\u06ff]"), 1),
    ("hi", re.compile("[\u0900-\u097f]"), 1),
    ("th", re.compile("[\u0e00-\u0e7f]"), 1),
)
_KANA = re.compile("[\u3040-\u30ff]")
_ENOUGH = 50_000  # characters that tell a text's script
# Kinsoku: what a line may not begin or end with (JIS X 4051; UAX #14 classes CL, EX, NS and OP).
_NOT_FIRST = frozenset(
    "、。，．・：；？！゛゜ヽヾゝゞ々ー）］｝〕〉》」』】’”…‥％‰ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ｡､･,.!?:;)]}%\u3000\u00a0\u2007\u202f"
)
_NOT_LAST = frozenset("（［｛〔〈《「『【‘“([{￥＄\u00a0\u2007\u202f")


def clean(text: str) -> str:
    """One line of text that can do no harm: no control characters, no lone surrogates, no double blanks.

    No-break and ideographic blanks stay. Blank text gives "".

    >>> clean(" two\\r\\n\\x1b[31mlines ")
    'two [31mlines'
    """
    if not text.isprintable():
        text = text.replace("\n", " ")
    if text.isprintable():  # then its only blank is the space; nearly every text is like that
        text = text.strip(" ")
        if "  " not in text:
            return text
    kept = _HARMFUL.sub("", _BLANKS.sub(" ", text))
    return " ".join(token for token in kept.split(" ") if token.strip()).strip()


def width(text: str) -> int:
    """Columns of a terminal that the text takes: wide characters two, combining ones none.

    >>> width("abc"), width("字幕"), width("e\\u0301")
    (3, 4, 1)
    """
    return len(text) if text.isascii() else sum(map(_columns, text))


def ends_sentence(text: str) -> bool:
    """Whether a sentence ends with this text; an abbreviation or an initial ends none.

    >>> ends_sentence("He said so.”"), ends_sentence("by Dr."), ends_sentence("and")
    (True, False, False)
    """
    return _SENTENCE.search(text) is not None and not (text.endswith(".") and _ABBREVIATION.search(text))


def ends_clause(text: str) -> bool:
    return _CLAUSE.search(text) is not None


def language_by_script(text: str) -> str:
    """The language that a text of nobody-knows-which is most likely in, by most of its letters; English for Latin ones.

    >>> language_by_script("今日は"), language_by_script("你好"), language_by_script("안녕"), language_by_script("да")
    ('ja', 'zh', 'ko', 'ru')
    """
    text = text[:_ENOUGH]
    if text.isascii():
        return "en"
    counts = {code: weight * len(letters.findall(text)) for code, letters, weight in _SCRIPTS}
    code = max(counts, key=lambda code: counts[code])
    return "ja" if code == "zh" and _KANA.search(text) else code


def breakable(before: str, after: str) -> bool:
    """Whether a line may end between these two characters without a blank between them."""
    if not (_ideographic(before) or _ideographic(after)) or after in _NOT_FIRST or before in _NOT_LAST:
        return False
    return _columns(after) > 0 and before != "\u200d"


def pieces(token: str) -> list[str]:
    """A token without blanks, cut wherever a line may end inside it: Chinese and Japanese, not English.

    >>> pieces("今日は、Python")
    ['今', '日', 'は、', 'Python']
    """
    if token.isascii():
        return [token]
    cuts = [i for i in range(1, len(token)) if breakable(token[i - 1], token[i])]
    return [token[a:b] for a, b in zip([0, *cuts], [*cuts, len(token)], strict=True)]


def chopped(token: str, limit: int) -> list[str]:
    """A token cut into pieces of at most `limit` columns: where a line may end, else anywhere but before a mark.

    >>> chopped("Donaudampf", 4)
    ['Dona', 'udam', 'pf']
    """
    out: list[str] = []
    room = 0
    for piece in pieces(token):
        if out and width(piece) <= room:
            out[-1] += piece
            room -= width(piece)
            continue
        room = 0
        for character in piece:
            if out and _columns(character) <= room:
                out[-1] += character
            else:
                out.append(character)
                room = limit
            room -= _columns(character)
    return out


@lru_cache(maxsize=256)
def label(speaker: str | None) -> str:
    """The name before what was said, as Whisper's descendants write it; "" when nobody is known.

    >>> label("SPEAKER_00")
    '[SPEAKER_00]: '
    """
    name = clean(speaker or "").replace("[", "(").replace("]", ")")
    return f"[{name}]: " if name else ""


@lru_cache(maxsize=4096)
def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


@lru_cache(maxsize=4096)
def _ideographic(character: str) -> bool:
    """Wide, and of a script written without blanks: Korean is wide and has them."""
    return unicodedata.east_asian_width(character) in "WF" and not unicodedata.name(character, "").startswith("HANGUL")
