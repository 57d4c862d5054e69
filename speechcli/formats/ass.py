"""Advanced SubStation Alpha captions, with `highlight_words` as karaoke (`{\\kf}`, centiseconds)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from speechcli.core.span import to_ms
from speechcli.formats.clock import centiseconds
from speechcli.formats.marked import moments, runs
from speechcli.timeline.cues import Cue, Style
from speechcli.timeline.text import clean, label

_HEADER = """\
[Script Info]
ScriptType: v4.00+
PlayResX: 1920
PlayResY: 1080
WrapStyle: 2
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,64,&H00FFFFFF,&H0000FFFF,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,3,1,2,60,60,60,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
# No escape is understood by every player: braces become wide ones, a backslash is parted from the letter it would
# command by a word joiner (as libass advises).
_ESCAPES = str.maketrans({"{": "｛", "}": "｝", "\\": "\\\u2060"})


def captions(cues: Iterable[Cue], style: Style = Style()) -> Iterator[str]:
    """The header, then one line a caption. A caption shorter than 0.01 s is made that long."""
    yield _HEADER
    for cue in cues:
        start = centiseconds(max(to_ms(cue.start), 0))
        end = max(centiseconds(to_ms(cue.end)), start + 1)
        text = (_karaoke(cue, start, end) if style.highlight_words else "") or _plain(cue)
        if not text:
            continue
        shown = _escaped(label(cue.speaker)) if style.labels and cue.speaker else ""
        yield f"Dialogue: 0,{_time(start)},{_time(end)},Default,{_name(cue.speaker)},0,0,0,,{shown}{text}\n"


def _plain(cue: Cue) -> str:
    return "\\N".join([_escaped(text) for line in cue.lines if (text := clean(line))])


def _karaoke(cue: Cue, start: int, end: int) -> str:
    """Every word after the time it takes; what nobody says takes time before the next word."""
    lines = runs(cue)
    if not lines:
        return ""
    until = {word: centiseconds(ends) for _, ends, word in moments(cue, start * 10, end * 10) if word is not None}
    begins = {word: centiseconds(at) for at, _, word in moments(cue, start * 10, end * 10) if word is not None}
    at, done, out = start, -1, []
    for line in lines:
        text = ""
        for run in line:
            if run.word is not None and run.word > done:
                done = run.word
                if (first := begins.get(done, at)) > at:
                    text += f"{{\\k{first - at}}}"
                    at = first
                last = until.get(done, at)
                text += f"{{\\kf{last - at}}}"
                at = last
            text += _escaped(run.text)
        out.append(text)
    return "\\N".join(out)


@lru_cache(maxsize=256)
def _name(speaker: str | None) -> str:
    """The speaker as a field of the line, where commas part."""
    return _escaped(clean(speaker or "")).replace(",", ";")


def _time(hundredths: int) -> str:
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest // 100:02d}.{rest % 100:02d}"


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES) if "{" in text or "}" in text or "\\" in text else text
