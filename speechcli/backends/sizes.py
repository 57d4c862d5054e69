"""How much sound a batch may hold for a model on a card, once memory was short there: kept for the next run.

A small file in the user's cache, `{"model": {"card": [seconds, day]}}`. Losing it costs one more halving.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

from speechcli.core.span import Seconds

_DAYS = 14  # then another try at the full size: other programs may have left the card, or drivers changed
_NAME = "batches.json"
_learnt: dict[tuple[str, str], Seconds] = {}  # this process's own, which holds without any file


def remember(model: str, card: str, seconds: Seconds, folder: Path | None = None) -> None:
    """A batch of more than `seconds`, counted with its padding, does not fit.

    model: what memory depends on: name, dtype, quantisation. card: `placement_torch.card`. folder: of the file, the
    user's cache when None. A file that cannot be written is left out: the process remembers anyhow.
    """
    _learnt[model, card] = min(seconds, _learnt.get((model, card), seconds))
    path = _path(folder)
    kept = _read(path)
    kept.setdefault(model, {})[card] = [_learnt[model, card], _today()]
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{_NAME}.{os.getpid()}")
        fresh.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", "utf-8")
        fresh.replace(path)


def known(model: str, card: str, folder: Path | None = None) -> Seconds | None:
    """What was remembered in this run, or in another within a fortnight; None: nothing."""
    if (model, card) in _learnt:
        return _learnt[model, card]
    try:
        seconds, day = _read(_path(folder))[model][card]
        return float(seconds) if seconds > 0 and _today() - day <= _DAYS else None
    except (KeyError, TypeError, ValueError):
        return None


def forget() -> None:
    """What this process has learnt; the file stays."""
    _learnt.clear()


def _path(folder: Path | None) -> Path:
    return (folder or user_cache_path("speechcli")) / _NAME


def _read(path: Path) -> dict[str, dict[str, list[float]]]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in found.items() if isinstance(v, dict)} if isinstance(found, dict) else {}


def _today() -> int:
    return int(time.time() // 86_400)
