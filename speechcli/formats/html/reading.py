"""The transcript that a page of ours holds. Standard library only; nothing of a page is run."""

from __future__ import annotations

import json
import mmap
from pathlib import Path

from speechcli.core.transcript import Transcript
from speechcli.errors import DataError, from_os
from speechcli.formats import jsondoc

_OPENING = b'<script type="application/json" id="%s">'
_CLOSING = b"</script>"  # never in the block: the shell writes "<" as an escape


def transcript(path: Path) -> Transcript:
    """The transcript of a page as it was written. Raises DataError for another file, DiskError, DeniedError."""
    found = held(path, "document")
    if found is None:
        raise DataError(f"{path.name} is no page of a transcript", "speechcli writes them: -f html")
    return jsondoc.read(found.decode("utf-8", "replace"), path.name)


def outline(path: Path) -> Transcript:
    """The transcript of a page without its words, in a tenth of the time. Raises as `transcript`."""
    try:
        data = json.loads(held(path, "document") or b"")
        for segment in data["segments"]:
            segment.pop("words", None)
    except (ValueError, LookupError, TypeError, RecursionError):
        return transcript(path)  # says what is wrong
    data.pop("word_segments", None)
    return jsondoc.read(json.dumps(data), path.name)


def held(path: Path, block: str) -> bytes | None:
    """The JSON in a data block of a page; None where there is none. A recording in it is not read into memory.

    Raises DiskError, DeniedError.
    """
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:  # nothing cannot be mapped
                return None
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                opening = _OPENING % block.encode()
                if (start := mapped.find(opening)) < 0:
                    return None
                end = mapped.find(_CLOSING, start)
                return mapped[start + len(opening) : end] if end >= 0 else None
    except OSError as error:
        raise from_os(error, f"reading {path.name}") from error
