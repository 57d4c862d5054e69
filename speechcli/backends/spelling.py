"""A word in the tokens of a CTC model's vocabulary: its letters, or the pieces that its tokenizer makes of it.

What the vocabulary lacks is a `WILDCARD`, one for each run of it. Punctuation is not said and has no token.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from speechcli.numerics.trellis import WILDCARD

_BEGINS = ("\u2581", "\u0120")  # SentencePiece's and byte-level BPE's blank, with which a word's first piece begins
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")  # SentencePiece's bytes of what it does not know: nobody says them
_APOSTROPHES = str.maketrans(dict.fromkeys("\u2019\u02bc\u2018`\u00b4", "'"))


class Speller(Protocol):
    """mark: the token between two words, where the vocabulary has one."""

    @property
    def mark(self) -> int | None: ...
    def spelt(self, word: str) -> list[int]:
        """The tokens of one word; none where nothing of it is said."""
        ...


@dataclass(frozen=True, slots=True)
class Letters:
    """A vocabulary of letters: in the case that it has them in, and without their accents where it has no others."""

    vocabulary: Mapping[str, int]
    mark: int | None = None

    def spelt(self, word: str) -> list[int]:
        """See `Speller`.

        >>> Letters({"A": 1, "E": 2, "'": 3, "C": 4}, mark=9).spelt("«caf\u00e9-AC'")
        [4, 1, -1, 2, 9, 1, 4]
        """
        parts = [[i for letter in part for i in self._letter(letter)] for part in _parts(word)]
        out: list[int] = []
        for part in parts:
            if part and out and self.mark is not None:
                out.append(self.mark)
            out += part
        return _once(out)

    def _letter(self, letter: str) -> list[int]:
        whole = unicodedata.normalize("NFKD", letter)
        for form in (*_cases(letter), letter.casefold(), *_cases(whole), *_cases(_bare(whole))):
            ids = [self.vocabulary[c] for c in form if c in self.vocabulary]
            if form and len(ids) == len(form):
                return ids
        return [WILDCARD] if letter.isalnum() else []


@dataclass(frozen=True, slots=True)
class Pieces:
    """A vocabulary of pieces of words, which the model's tokenizer finds.

    unknown: tokens that stand for what it does not know. blank: the token of a blank alone.
    """

    encode: Callable[[str], list[int]]
    unknown: frozenset[int]
    blank: int | None = None
    mark: int | None = None

    def spelt(self, word: str) -> list[int]:
        """See `Speller`."""
        return [token for part in _parts(word) for token in self._part(part)]

    def _part(self, part: str) -> list[int]:
        bare = _bare(unicodedata.normalize("NFKD", part))
        best: list[int] = []
        for form in dict.fromkeys((*_cases(part), *_cases(bare))):
            told = [WILDCARD if i in self.unknown else i for i in self.encode(form)]
            if not best or told.count(WILDCARD) < best.count(WILDCARD):
                best = told
        if best[1:2] == [WILDCARD] and best[0] == self.blank:  # no more of the word than that it begins
            best = best[1:]
        return _once(best)


def speller(tokenizer: Any) -> Speller:
    """What spells for a tokenizer of transformers."""
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    special = set(tokenizer.all_special_ids)
    begins = next((sign for sign in _BEGINS if any(p[0] == sign and len(p) > 1 for p in vocabulary if p)), None)
    if begins is not None:
        lead = "" if begins == _BEGINS[0] else " "  # SentencePiece's tokenizers put the blank there themselves

        def encode(text: str) -> list[int]:
            return list(tokenizer(lead + text, add_special_tokens=False)["input_ids"])

        unknown = special | {i for piece, i in vocabulary.items() if _BYTE.fullmatch(piece)}
        return Pieces(encode, frozenset(unknown), vocabulary.get(begins))
    delimiter = getattr(tokenizer, "word_delimiter_token", None)
    mark = vocabulary.get(delimiter) if delimiter is not None else None
    letters = {piece: i for piece, i in vocabulary.items() if len(piece) == 1 and i not in special and i != mark}
    return Letters(letters, mark)


def _parts(word: str) -> Iterator[str]:
    """What of a word is said as one: letters, digits, their marks, and apostrophes between them.

    >>> list(_parts(" “Twenty-one’s"))
    ['Twenty', "one's"]
    """
    text = unicodedata.normalize("NFC", word).translate(_APOSTROPHES)
    said = "".join(c if c == "'" or unicodedata.category(c)[0] in "LNM" else " " for c in text)
    for part in said.split():
        if bare := part.strip("'"):
            yield bare


def _cases(text: str) -> tuple[str, str, str]:
    return text, text.lower(), text.upper()


def _bare(text: str) -> str:
    """Without accents. text: decomposed."""
    return "".join(c for c in text if not unicodedata.combining(c))


def _once(tokens: Iterable[int]) -> list[int]:
    """Wildcards that follow each other taken together."""
    out: list[int] = []
    for token in tokens:
        if token != WILDCARD or out[-1:] != [WILDCARD]:
            out.append(token)
    return out
