"""Texts as they are compared: the normalisers by name, whose name belongs to every score."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from typing import Final

from speechcli.errors import UnavailableError, UsageError

INSTALL: Final = 'pip install "speechcli[score]"'
INSTALL_ALL: Final = 'pip install "speechcli[bench]"'  # with meeteval, which wants a C++ compiler

NORMALIZERS: Final[dict[str, str]] = {
    "english": "Whisper's for English: lower case, no punctuation or fillers, numbers and spellings in one form",
    "basic": "Whisper's for any language: lower case, no punctuation, nothing in brackets",
    "none": "as it stands, but blanks",
}


def normalizer(name: str) -> str:
    """The normaliser of that name. Raises UsageError with the names there are."""
    if name in NORMALIZERS:
        return name
    near = get_close_matches(name.lower(), NORMALIZERS, n=1)
    question = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"there is no normalizer {name!r}", f"{question}there are {', '.join(NORMALIZERS)}")


def normal(text: str, name: str = "english") -> str:
    """The text after a normaliser, its words parted by one blank each.

    "english" and "basic" are those of Whisper's paper (Radford et al. 2022, appendix C). Raises UsageError,
    UnavailableError.

    >>> normal("Two  lines\\nof it.", "none")
    'Two lines of it.'
    """
    return " ".join(_function(normalizer(name))(text).split())


@cache
def _function(name: str) -> Callable[[str], str]:
    if name == "none":
        return str
    try:
        from whisper_normalizer.basic import BasicTextNormalizer
        from whisper_normalizer.english import EnglishTextNormalizer
    except ImportError as error:
        hint = f"{INSTALL}, or choose the normalizer none"
        raise UnavailableError("whisper-normalizer is not installed", hint) from error
    function: Callable[[str], str] = EnglishTextNormalizer() if name == "english" else BasicTextNormalizer()
    return function
