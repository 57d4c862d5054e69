"""speechcli: recordings to transcripts people can use, who said what, and when.

The public names are loaded on first touch (PEP 562), so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from speechcli.api import align as align
    from speechcli.api import diarize as diarize
    from speechcli.api import load as load
    from speechcli.api import save as save
    from speechcli.api import transcribe as transcribe
    from speechcli.core.live import Final as Final
    from speechcli.core.live import Partial as Partial
    from speechcli.core.transcript import Fit as Fit
    from speechcli.core.transcript import Segment as Segment
    from speechcli.core.transcript import Transcript as Transcript
    from speechcli.core.transcript import Turn as Turn
    from speechcli.core.transcript import Verdict as Verdict
    from speechcli.core.transcript import Word as Word
    from speechcli.errors import SpeechcliError as SpeechcliError
    from speechcli.live import stream as stream

_HOME = {
    "align": "speechcli.api",
    "diarize": "speechcli.api",
    "transcribe": "speechcli.api",
    "load": "speechcli.api",
    "save": "speechcli.api",
    "SpeechcliError": "speechcli.errors",
    "stream": "speechcli.live",
    **dict.fromkeys(("Final", "Partial"), "speechcli.core.live"),
    **dict.fromkeys(("Fit", "Segment", "Transcript", "Turn", "Verdict", "Word"), "speechcli.core.transcript"),
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
