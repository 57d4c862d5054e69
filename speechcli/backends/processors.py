"""The processor of a folder of transformers' layout: what turns sound and words into a model's input."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from transformers import AutoProcessor

from speechcli.errors import DataError, UnavailableError

_LACKS = re.compile(r"containing (?:a|the) (?:file named )?(\S+?)(?: file)?\.?$")
_WHOLE = "are its files whole?"


def load(folder: Path, asked: bool = False, auto: Any = AutoProcessor, hint: str = _WHOLE) -> Any:
    """The folder's processor, or what else `auto` makes of it.

    asked: whether the model is asked by a template, which must be there. hint: what to do about damage.
    Raises DataError, UnavailableError.
    """
    try:
        found = auto.from_pretrained(folder, local_files_only=True)
    except ImportError as error:
        raise UnavailableError(f"the processor in {folder} needs another package ({reason(error)})") from error
    except Exception as error:
        # json, tokenizers and transformers share no narrower ancestor; mistral-common asserts
        raise DataError(f"the processor in {folder} cannot be loaded ({reason(error)})", hint) from error
    tokenizer = found if hasattr(found, "get_vocab") else getattr(found, "tokenizer", None)
    if tokenizer is not None and not tokenizer.vocab_size:  # what transformers makes where there are no files of one
        raise DataError(f"the tokenizer in {folder} is empty: its tokenizer.json is missing", _WHOLE)
    if asked and not getattr(found, "chat_template", None):
        raise DataError(f"{folder} holds no chat_template.jinja, by which its model is asked", _WHOLE)
    return found


def reason(error: Exception) -> str:
    """What transformers says, in short: at a missing file it goes on about what else could be the matter.

    >>> reason(OSError("Can't load it. Make sure './a' is the correct path to a directory containing a b.json file"))
    'b.json is missing'
    """
    said = " ".join(str(error).split())
    if (lacking := _LACKS.search(said)) is not None:
        return f"{lacking[1]} is missing"
    said = f"no {said}" if isinstance(error, KeyError) else said
    return (said if len(said) <= 160 else said[:159] + "…") or type(error).__name__
