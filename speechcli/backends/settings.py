"""`--set KEY=VALUE` to an engine's own settings: a frozen dataclass in the engine's file."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from speechcli.errors import UsageError

Settings = TypeVar("Settings")

_NONE: Mapping[str, str] = {}
HEEDED = {
    "device": "--device",
    "dtype": "--dtype",
    "batch_size": "--batch-size",
    "attention": "--attn-implementation",
}
"""What aligners on torch heed, beside a model and alone."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Of an engine that has no settings of its own."""


def parse(
    cls: type[Settings], given: Mapping[str, str], before: str = "", heeded: Mapping[str, str] = _NONE
) -> Settings:
    """`--set` pairs as a settings record; an unknown key lists the known ones. Raises UsageError.

    A field's type is bool, int, float or str, or one of them or None. before: see `base.Setup`. heeded: names of what
    else may stand after `before`, and the options that say it where nothing stands before.
    """
    kinds = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for raw, text in given.items():
        key = raw.replace("-", "_")
        if key not in kinds:
            more = [before + name for name in heeded] if before else heeded.values()
            known = ", ".join([*(before + kind for kind in kinds), *more])
            raise UsageError(f"--set {before}{raw}: no such setting", f"known: {known}")
        values[key] = _parsed(before + raw, text, kinds[key])
    return cls(**values)


def _parsed(key: str, text: str, kind: Any) -> object:
    if isinstance(kind, types.UnionType):
        if text.lower() in ("none", "auto"):
            return None
        (kind,) = (k for k in kind.__args__ if k is not type(None))
    truth = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    try:
        return truth[text.lower()] if kind is bool else kind(text)
    except (ValueError, KeyError) as error:
        wants = {int: "a whole number", float: "a number", bool: "true or false"}
        raise UsageError(f"--set {key}={text}: must be {wants.get(kind, 'a text')}") from error
