"""How an English word that is in no dictionary is said: letters -> phones.

The network and its weights are g2p-en's (https://github.com/Kyubyong/g2p, Apache-2.0; see SOURCE.md): an encoder and a
decoder of one GRU layer each, trained on CMUdict. Its own package is not used: importing it fetches data of nltk.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Phones: TypeAlias = tuple[str, ...]
Floats: TypeAlias = NDArray[np.float32]

# CMUdict's phones without stress, as pocketsphinx's en-us model has them
PHONES = frozenset(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()
)

# The order of the weights' rows (g2p_en/g2p.py)
_LETTERS = {letter: row for row, letter in enumerate("abcdefghijklmnopqrstuvwxyz", start=3)}
_LETTERS_END = 2
_BEGIN, _END = 2, 3
_OUT = [
    *("", "", "", ""),
    *(v + s for v in "AA AE AH AO AW AY".split() for s in "012"),
    *("B", "CH", "D", "DH"),
    *(v + s for v in "EH ER EY".split() for s in "012"),
    *("F", "G", "HH"),
    *(v + s for v in ("IH", "IY") for s in "012"),
    *("JH", "K", "L", "M", "N", "NG"),
    *(v + s for v in ("OW", "OY") for s in "012"),
    *("P", "R", "S", "SH", "T", "TH"),
    *("UH0", "UH1", "UH2", "UW", "UW0", "UW1", "UW2", "V", "W", "Y", "Z", "ZH"),
]
_SOUNDS = tuple(name.rstrip("012") for name in _OUT)

# CMUdict's names of letters and digits
_NAMES = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY", "h": "EY CH", "i": "AY",
    "j": "JH EY", "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N", "o": "OW", "p": "P IY", "q": "K Y UW",
    "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW", "v": "V IY", "w": "D AH B AH L Y UW", "x": "EH K S",
    "y": "W AY", "z": "Z IY", "0": "Z IH R OW", "1": "W AH N", "2": "T UW", "3": "TH R IY", "4": "F AO R",
    "5": "F AY V", "6": "S IH K S", "7": "S EH V AH N", "8": "EY T", "9": "N AY N",
}  # fmt: skip
_ENDINGS = {"n't": "AH N T", "'ll": "AH L", "'re": "ER", "'ve": "V", "'d": "D", "'m": "M"}

# Latin letters that do not fall apart into a letter and a mark
_FOLDED = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D",
     "ð": "th", "Ð": "Th", "þ": "th", "Þ": "Th", "ı": "i", "’": "'", "ʼ": "'", "‘": "'", "＇": "'"}
)  # fmt: skip
_LONGEST = 100  # letters; what is longer is no word
_AT_ONCE = 24  # letters; the network was trained on words, of which CMUdict's are shorter but for a dozen
_PARTS = re.compile(r"Mc(?=[A-Z])|[A-Z]{2,}s?(?![a-z])|[A-Z]?[a-z]+|[A-Z]|[0-9]")
_VOWELS = frozenset("aeiouy")


def pronounce(word: str, known: Callable[[str], Sequence[str]] | None = None) -> Phones:
    """The phones of an English word, without stress; () where no Latin letter or digit is in it.

    known: phones of a lower-case word in a dictionary, none for others; asked for the parts of a compound.
    Acronyms are spelled, digits named one by one, accents dropped; of very long words the beginning only.

    >>> pronounce("FBI")
    ('EH', 'F', 'B', 'IY', 'AY')
    >>> pronounce("Zoë’s")
    ('Z', 'OW', 'Z')
    """
    text = _plain(word[:_LONGEST])
    bare = text.replace("'", "").lower()
    if not bare:
        return ()
    if known is not None and (found := tuple(known(text.lower())) or tuple(known(bare))):
        return found
    base, ending = _ending(text)
    phones: list[str] = []
    for part in _PARTS.findall(base.replace("'", "")):
        phones += _part(part, known)
    if ending == "'s":
        return (*phones, *_plural(phones))
    return (*phones, *_ENDINGS.get(ending, "").split())


def _plain(word: str) -> str:
    """ASCII letters, digits and inner apostrophes; other marks are where a word may be cut, so they stay as "-"."""
    marked = unicodedata.normalize("NFKD", word.translate(_FOLDED)).translate(_FOLDED)
    letters = "".join(c for c in marked if not unicodedata.combining(c))
    return re.sub(r"[^A-Za-z0-9']+", "-", letters).strip("'-")


def _ending(text: str) -> tuple[str, str]:
    for ending in ("'s", *_ENDINGS):
        if text.lower().endswith(ending) and len(text) > len(ending):
            return text[: -len(ending)], ending
    return text, ""


def _plural(phones: Sequence[str]) -> Phones:
    """How "s" sounds after these phones."""
    if not phones:
        return ("EH", "S")
    if phones[-1] in ("S", "Z", "SH", "ZH", "CH", "JH"):
        return ("IH", "Z")
    return ("S",) if phones[-1] in ("P", "T", "K", "F", "TH") else ("Z",)


def _part(part: str, known: Callable[[str], Sequence[str]] | None) -> Phones:
    if part == "Mc":
        return ("M", "AH", "K")
    if len(part) > 2 and part[-1] == "s" and part[:-1].isupper():
        letters = _part(part[:-1], known)
        return (*letters, *_plural(letters))
    if len(part) > 1 and known is not None and (found := tuple(known(part.lower()))):
        return found
    if _is_spelled(part):
        return tuple(sound for letter in part.lower() for sound in _NAMES[letter].split())
    lower = part.lower()
    n_pieces = -(-len(lower) // _AT_ONCE)
    size = -(-len(lower) // n_pieces)
    return tuple(sound for i in range(0, len(lower), size) for sound in _predicted(lower[i : i + size]))


def _is_spelled(part: str) -> bool:
    """Whether letters are said by their names: "FBI", "html", "ESPN"; not "NATO", nor "shh"."""
    if len(part) == 1 or (part.isupper() and len(part) <= 3):
        return True
    if not _VOWELS & set(part.lower()):
        return part.isupper() or part[-1] != part[-2]
    return part.isupper() and not _VOWELS & set(part[-3:].lower())


@dataclass(frozen=True, slots=True)
class _Gru:
    """One layer; rows of the arrays: reset gate, update gate, new state (PyTorch's order).

    inputs: shape (symbols, 3 * state), what each symbol adds; weights: shape (3 * state, state); bias: (3 * state,).
    """

    inputs: Floats
    weights: Floats
    bias: Floats

    def step(self, symbol: int, state: Floats) -> Floats:
        """The state of shape (state,) after one more symbol."""
        n = len(state)
        given, held = self.inputs[symbol], self.weights @ state + self.bias
        gates = 0.5 + 0.5 * np.tanh(0.5 * (given[: 2 * n] + held[: 2 * n]))  # the logistic function, without overflow
        new = np.tanh(given[2 * n :] + gates[:n] * held[2 * n :])
        after: Floats = new + gates[n:] * (state - new)
        return after


@dataclass(frozen=True, slots=True)
class _Network:
    encoder: _Gru
    decoder: _Gru
    weights: Floats
    bias: Floats


@cache
def _network() -> _Network:
    with np.load(Path(__file__).with_name("g2p_en.npz")) as file:  # plain arrays: numpy reads no objects unasked
        a = {name: file[name].astype(np.float32) for name in file.files}
    encoder, decoder = (
        _Gru(a[f"{k}_emb"] @ a[f"{k}_w_ih"].T + a[f"{k}_b_ih"], a[f"{k}_w_hh"], a[f"{k}_b_hh"]) for k in ("enc", "dec")
    )
    return _Network(encoder, decoder, a["fc_w"], a["fc_b"])


@lru_cache(maxsize=65536)
def _predicted(letters: str) -> Phones:
    """Phones of lower-case ASCII letters by the network, the likeliest each time; few enough that it cannot loop."""
    return tuple(_SOUNDS[row] for row in _rows(_network(), letters) if _SOUNDS[row])


def _rows(network: _Network, letters: str) -> Iterator[int]:
    state = np.zeros(network.encoder.weights.shape[1], np.float32)
    for letter in letters:
        state = network.encoder.step(_LETTERS[letter], state)
    state = network.encoder.step(_LETTERS_END, state)
    row = _BEGIN
    for _ in range(2 * len(letters) + 2):
        state = network.decoder.step(row, state)
        row = int(np.argmax(network.weights @ state + network.bias))
        if row == _END:
            return
        yield row
