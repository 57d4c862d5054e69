"""The door to pyannote.audio's own diarization (pyannote/speaker-diarization-community-1), `speechcli[pyannote]`.

The engine lies behind it, in `pyannote_pipeline`, and is imported when it is opened: it may be missing, or not go with
the torch that is there, and that is to be one line.
"""

from __future__ import annotations

from importlib.util import find_spec

from speechcli.backends.base import Diarizer, Setup
from speechcli.errors import UnavailableError

EXTRA = 'pip install "speechcli[pyannote]"'


def open(setup: Setup) -> Diarizer:  # noqa: A001  # every backend's door
    """The pipeline of a folder with its config.yaml, on its device. Raises UsageError, UnavailableError, DataError."""
    # pyannote alone is a namespace, which its metrics bring along too
    if find_spec("pyannote") is None or find_spec("pyannote.audio") is None:
        raise UnavailableError(f"{setup.name} needs pyannote.audio, which is not installed", EXTRA)
    try:
        from speechcli.backends.pyannote_pipeline import Pyannote
    except (ImportError, OSError) as error:  # OSError: a torchaudio made for another torch, whose libraries it misses
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise UnavailableError(
            f"pyannote.audio cannot be loaded ({why})", f"{EXTRA}; torch and torchaudio must be of one kind"
        ) from error
    return Pyannote(setup)
