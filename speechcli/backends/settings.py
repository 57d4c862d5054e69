"""`--set KEY=VALUE` to an engine's own settings: a frozen dataclass in the engine's file."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from speechcli.errors import UsageError

Settings = TypeVar("Settings")

HEEDED = {
    "device": "--device",
    "dtype": "--dtype",
    "batch_size": "--batch-size",
    "attention": "--attn-implementation",
}
"""What aligners on torch heed, beside a model and alone."""


def none(given: Mapping[str, str], name: str, before: str, known: Mapping[str, str]) -> None:
    """Refuses settings of an aligner that has none of its own. Raises UsageError.

    name: of the model. before: see `base.Setup`. known: what it heeds all the same, and the option that says it where
    nothing stands before.
    """
    for key in given:
        told = [f"{before}{setting}" if before else option for setting, option in known.items()]
        raise UsageError(f"--set {before}{key}: {name} has no such setting", f"known: {', '.join(told)}")


def parse(cls: type[Settings], given: Mapping[str, str]) -> Settings:
    """`--set` pairs as a settings record; an unknown key lists the known ones. Raises UsageError.

    A field's type is bool, int, float or str, or one of them or None.
    """
    kinds = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for raw, text in given.items():
        key = raw.replace("-", "_")
        if key not in kinds:
            raise UsageError(f"--set {raw}: no such setting", f"known: {', '.join(kinds)}")
        values[key] = _parsed(raw, text, kinds[key])
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
