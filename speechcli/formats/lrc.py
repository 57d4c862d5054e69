"""LRC lyrics: `[mm:ss.xx]text`, one line a caption."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from speechcli.formats.clock import centiseconds
from speechcli.formats.marked import shown
from speechcli.timeline.cues import Cue, Style
from speechcli.timeline.text import clean

_STAMP = re.compile(r"[\[<](?=\s*[\w#]+:)")  # what a player would take for a time or an id tag


def captions(cues: Iterable[Cue], style: Style = Style()) -> Iterator[str]:
    """One line a caption, "SPEAKER_00: " before it; the format has no end times and no highlighting."""
    for start, _, lines, speaker in shown(cues, replace(style, highlight_words=False), _harmless):
        seconds, hundredths = divmod(centiseconds(start), 100)
        name = f"{_harmless(clean(speaker))}: " if style.labels and speaker else ""
        yield f"[{seconds // 60:02d}:{seconds % 60:02d}.{hundredths:02d}]{name}{' '.join(lines)}\n"


def _harmless(text: str) -> str:
    return _STAMP.sub("(", text) if "[" in text or "<" in text else text
