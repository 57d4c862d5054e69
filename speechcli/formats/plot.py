"""Who speaks when, as a picture: a lane a speaker, a bar wherever he talks, darker where others do too.

By matplotlib (`pip install "speechcli[diarize]"`), which is imported when something is drawn. Nothing is told by colour
alone: a speaker is a lane, and what is talked at the same time is black. Names are text and never markup.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from speechcli.core.span import Seconds, to_ms, total
from speechcli.core.transcript import Transcript, Turn
from speechcli.errors import DataError, UnavailableError, UsageError
from speechcli.formats.clock import short
from speechcli.timeline.text import chopped, clean, width
from speechcli.timeline.turns import in_order, known, overlaps, stretches, talk

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind: TypeAlias = Literal["svg", "png"]

_MARK = "speechcli"
_METADATA = {"svg": {"Date": None, "Creator": _MARK}, "png": {"Software": _MARK}}
MOST: Final = 100  # lanes in a picture: those who talk most
LONGEST_NAME: Final = 28  # columns
_COLOURS = (
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#cc79a7",
    "#d55e00",
    "#999999",
)  # of Okabe and Ito 2008: not pale, not dark
_TURNING = dict.fromkeys((0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))  # marks of UAX #9
_FONTS = ("DejaVu Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Microsoft YaHei", "Yu Gothic", "Hiragino Sans")
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
_TICKS = 12  # at most
_LANE = 0.3  # inches
_WIDTH = 12.0
_MARGIN = 1.3
_EDGE = 0.4  # points: a word in an hour is seen
_ONE_AT_A_TIME = threading.Lock()  # matplotlib's settings are the process's


def kind_of(path: str | PurePath) -> Kind:
    """The kind of picture that a file's name asks for. Raises UsageError."""
    match PurePath(path).suffix.lower():
        case ".svg":
            return "svg"
        case ".png":
            return "png"
    raise UsageError(f"{PurePath(path).name}: a picture is a .svg or a .png")


def is_ours(head: bytes) -> bool:
    """Whether a picture that begins like this was drawn here."""
    return _MARK.encode() in head


def drawn(transcript: Transcript, kind: Kind = "svg", title: str = "") -> bytes:
    """The picture's file; the same transcript gives the same bytes. title: the recording's name where none is given.

    Raises DataError where speakers are not known, UnavailableError without matplotlib.
    """
    turns = in_order(known(transcript))
    if not turns and transcript.segments:
        raise DataError("a timeline needs speakers: none are known", "speechcli diarize finds out who speaks")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from matplotlib.font_manager import get_font_names
    except ImportError as error:
        raise UnavailableError("a picture needs matplotlib", 'pip install "speechcli[diarize]"') from error

    seconds = talk(turns)
    loudest = set(sorted(seconds, key=lambda s: -seconds[s])[:MOST])
    shown = [speaker for speaker in seconds if speaker in loudest]
    duration = max(transcript.duration, 1.0, *(turn.end for turn in turns))
    out = io.BytesIO()
    here = set(get_font_names())
    fonts = [name for name in _FONTS if name in here] or ["sans-serif"]
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "speechcli", "font.family": fonts}
    with _ONE_AT_A_TIME, mpl.rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that no font has is drawn as a box
        figure = Figure(figsize=(_WIDTH, _MARGIN + _LANE * max(len(shown), 1)), layout="constrained")
        axes = figure.add_subplot()
        _lanes(axes, turns, shown, duration)
        axes.set_yticks(
            range(len(shown)), [_label(s, seconds[s], sum(seconds.values())) for s in shown], parse_math=False
        )
        ticks = _ticks(duration)
        axes.set_xticks(ticks, [short(to_ms(tick)) for tick in ticks])
        name = _fitting(_plain(title or transcript.source), 70)
        axes.set_title(f"{name}: {_told(turns, shown, seconds)}", loc="left", fontsize=10, parse_math=False)
        figure.savefig(out, format=kind, dpi=150, metadata=_METADATA[kind])
    return out.getvalue()


def _lanes(axes: Axes, turns: Sequence[Turn], shown: Sequence[str], duration: Seconds) -> None:
    alone: dict[str, list[tuple[Seconds, Seconds]]] = {speaker: [] for speaker in shown}
    crowded: dict[str, list[tuple[Seconds, Seconds]]] = {speaker: [] for speaker in shown}
    for start, end, speakers in stretches(turns):
        for speaker in speakers:
            if speaker in alone:
                (crowded if len(speakers) > 1 else alone)[speaker].append((start, end - start))
    for lane, speaker in enumerate(shown):
        high = (lane - 0.36, 0.72)
        axes.broken_barh(alone[speaker], high, color=_COLOURS[lane % len(_COLOURS)], linewidth=_EDGE)
        axes.broken_barh(crowded[speaker], high, color="black", linewidth=_EDGE)
        axes.axhline(lane + 0.5, color="#dddddd", linewidth=0.5, zorder=0)
    axes.set_xlim(0, duration)
    axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)  # who speaks first stands first
    axes.tick_params(labelsize=8)
    axes.grid(axis="x", color="#cccccc", linewidth=0.5)
    axes.set_axisbelow(True)


def _label(speaker: str, seconds: Seconds, whole: Seconds) -> str:
    return f"{_fitting(_plain(speaker) or '?', LONGEST_NAME)}  {short(to_ms(seconds))}  {seconds / whole:4.0%}"


def _told(turns: Sequence[Turn], shown: Sequence[str], seconds: dict[str, Seconds]) -> str:
    if not shown:
        return "nobody speaks"
    speakers = "1 speaker" if len(seconds) == 1 else f"{len(seconds)} speakers"
    left = f", those {len(shown)} who talk most" if len(shown) < len(seconds) else ""
    both = total(overlaps(turns))
    return f"{speakers}{left}" + (f"; {short(to_ms(both))} at the same time (black)" if both else "")


def _plain(text: str) -> str:
    """On one line, and nothing in it that turns round what stands beside it."""
    return clean(text.translate(_TURNING))


def _fitting(text: str, columns: int) -> str:
    """The text, its end left out where it is longer than that."""
    return text if width(text) <= columns else chopped(text, columns - 1)[0] + "…"


def _ticks(duration: Seconds) -> list[Seconds]:
    step = next((step for step in _STEPS if duration / step < _TICKS), _STEPS[-1])
    return [float(at) for at in range(0, int(duration) + 1, step)]
