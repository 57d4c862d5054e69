"""Errors against speed, and errors per recording, as one picture by matplotlib, which is imported when it is drawn.

Nothing is told by colour alone: a system has its own marker and its own hatching. Names are text and never markup.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator, Sequence
from math import log
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from speechcli.bench import standing
from speechcli.bench.report.advice import advice
from speechcli.bench.report.scales import linear, logarithmic
from speechcli.bench.result import Result
from speechcli.bench.standing import Standing
from speechcli.bench.wording import SHORT, figure, several, tick, times
from speechcli.errors import UnavailableError
from speechcli.scoring.rates import METRICS, Metric
from speechcli.timeline.text import chopped, clean, width

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Picture: TypeAlias = Literal["svg", "png"]

MOST: Final = 20  # recordings with bars: the hardest
_METADATA = {"svg": {"Date": None, "Creator": "speechcli"}, "png": {"Software": "speechcli"}}
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#999999")  # of Okabe and Ito 2008
_MARKERS = "osD^vPX*"
_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "oo", "++", "--")
_FONTS = ("DejaVu Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Microsoft YaHei", "Yu Gothic", "Hiragino Sans")
_TURNING = dict.fromkeys((0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))  # marks of UAX #9
_NAME: Final = 32  # columns
_TITLE: Final = 110
_WIDE, _HIGH = 0.22, 0.09  # shares of the picture that a name takes
_ONE_AT_A_TIME = threading.Lock()  # matplotlib's settings are the process's


def drawn(result: Result, kind: Picture = "svg") -> bytes:
    """The picture's file; the same result gives the same bytes. Raises UnavailableError without matplotlib."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from matplotlib.font_manager import get_font_names
    except ImportError as error:
        raise UnavailableError("a picture needs matplotlib", 'pip install "speechcli[score]"') from error

    metric = standing.judged_by(result)
    found = standing.standings(result)
    hardest = _hardest(result, metric) if metric is not None else []
    out = io.BytesIO()
    here = set(get_font_names())
    fonts = [name for name in _FONTS if name in here] or ["sans-serif"]
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "speechcli", "font.family": fonts, "hatch.linewidth": 0.6}
    with _ONE_AT_A_TIME, mpl.rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that no font has is drawn as a box
        bars = 0.5 + 0.16 * len(hardest) * (len(found) + 1) if hardest else 0.0
        figure_ = Figure(figsize=(10.0, 5.2 + bars), layout="constrained")
        axes = figure_.subplots(2 if hardest else 1, 1, squeeze=False, height_ratios=[4.2, bars] if hardest else None)
        _against_speed(axes[0][0], found, metric)
        if hardest and metric is not None:
            _per_recording(axes[1][0], result, metric, hardest)
        figure_.suptitle(_fitting(_told(result), _TITLE), x=0.01, ha="left", fontsize=11, parse_math=False)
        figure_.savefig(out, format=kind, dpi=150, metadata=_METADATA[kind])
    return out.getvalue()


def _against_speed(axes: Axes, found: Sequence[Standing], metric: Metric | None) -> None:
    """Points with their intervals as whiskers; without references, or without times, what there is as bars."""
    points = [(n, s) for n, s in enumerate(found) if s.rate is not None and s.rtfx]
    if metric is None or not points:
        _plain_bars(axes, found, metric)
        return
    start, end, ticks = logarithmic([s.rtfx for _, s in points if s.rtfx])
    top, steps = linear(max(max(s.rate or 0.0, s.interval.high if s.interval else 0.0) for _, s in points))
    edge = [s for s in standing.unbeaten(found) if s.rtfx is not None]
    axes.plot(
        [s.rtfx or 0.0 for s in edge], [s.rate or 0.0 for s in edge], "--", color="#777777", linewidth=1, zorder=1
    )
    for n, s in points:
        rate, speed = s.rate or 0.0, s.rtfx or 0.0
        if s.interval is not None:
            axes.plot([speed, speed], s.interval, "_-", color="black", linewidth=1, markersize=8, zorder=2)
        colour, marker = _COLOURS[n % len(_COLOURS)], _MARKERS[n % len(_MARKERS)]
        axes.plot([speed], [rate], marker, color=colour, markeredgecolor="black", markersize=9, zorder=3)
    for n, (right, above) in _corners(
        [(log((s.rtfx or 1.0) / start) / log(end / start), (s.rate or 0.0) / top) for _, s in points]
    ):
        s = points[n][1]
        axes.annotate(
            f"{_fitting(s.name)}\n{figure(metric, s.rate)}, {times(s.rtfx)}x",
            (s.rtfx or 0.0, s.rate or 0.0),
            xytext=(9 if right else -9, 3 if above else -3),
            textcoords="offset points",
            ha="left" if right else "right",
            va="bottom" if above else "top",
            fontsize=9,
            parse_math=False,
        )
    axes.set_xscale("log")
    axes.set_xlim(start, end)
    axes.set_xticks(ticks, [f"{speed:g}" for speed in ticks])
    axes.set_xticks([], minor=True)
    axes.set_ylim(0, top * 1.08)
    axes.set_yticks(steps, [tick(metric, step) for step in steps])
    axes.set_xlabel("faster →   seconds of sound a second of work (RTFx)")
    axes.set_ylabel(f"{METRICS[metric]}\n← better")
    axes.grid(color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_title("whiskers: 95 % intervals; dashed: nobody is both better and faster", loc="right", fontsize=8)


def _corners(places: Sequence[tuple[float, float]]) -> Iterator[tuple[int, tuple[bool, bool]]]:
    """Whether the name of each point goes to its right, and whether above: where no other name stands.

    places: of the points, as shares of the picture from its lower left corner.
    """
    taken: list[tuple[float, float]] = []
    for n, (x, y) in enumerate(places):
        sides = sorted(
            ((True, True), (True, False), (False, True), (False, False)), key=lambda side: side[0] != (x < 0.5)
        )
        middles = [
            (x + (0.5 if right else -0.5) * _WIDE, y + (0.5 if above else -0.5) * _HIGH) for right, above in sides
        ]
        free = [i for i, middle in enumerate(middles) if _is_free(middle, taken)]
        chosen = free[0] if free else 0
        taken.append(middles[chosen])
        yield n, sides[chosen]


def _is_free(middle: tuple[float, float], taken: Sequence[tuple[float, float]]) -> bool:
    inside = _WIDE / 2 < middle[0] < 1 - _WIDE / 2 and middle[1] > _HIGH / 2
    return inside and not any(abs(middle[0] - x) < _WIDE and abs(middle[1] - y) < _HIGH for x, y in taken)


def _plain_bars(axes: Axes, found: Sequence[Standing], metric: Metric | None) -> None:
    values = [(s.rate if metric is not None else s.rtfx) or 0.0 for s in found]
    axes.barh(range(len(found)), values, color="white", edgecolor="black")
    for n, s in enumerate(found):
        told = figure(metric, s.rate) if metric is not None else f"{times(s.rtfx)}x" if s.rtfx else ""
        axes.annotate(told or "not known", (values[n], n), xytext=(4, -3), textcoords="offset points", fontsize=9)
    axes.set_yticks(range(len(found)), [_fitting(s.name) for s in found], parse_math=False)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel(METRICS[metric] if metric is not None else "seconds of sound a second of work (RTFx)")


def _per_recording(axes: Axes, result: Result, metric: Metric, names: Sequence[str]) -> None:
    """A bar a system at each recording."""
    high = 0.8 / len(result.systems)
    for n, system in enumerate(result.systems):
        rates = standing.rates(system, metric)
        places = [i for i, name in enumerate(names) if name in rates]
        values = [rates[names[i]].value or 0.0 for i in places]
        axes.barh(
            [i - 0.4 + high * (n + 0.5) for i in places],
            values,
            high,
            color=_COLOURS[n % len(_COLOURS)],
            hatch=_HATCHES[n % len(_HATCHES)],
            edgecolor="black",
            linewidth=0.5,
            label=_fitting(system.name).lstrip("_") or "?",  # matplotlib's legend leaves out what begins with _
        )
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [_fitting(name) for name in names], parse_math=False)
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_formatter(lambda value, _: tick(metric, value))
    whole = len({run.recording for system in result.systems for run in system.runs if metric in run.scores})
    which = f"the {len(names)} hardest of {whole} recordings" if len(names) < whole else several(whole, "recording")
    axes.set_xlabel(f"{SHORT[metric]} of {which}")
    for text in axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False).get_texts():
        text.set_parse_math(False)


def _hardest(result: Result, metric: Metric) -> list[str]:
    """Names of the recordings with most errors of all systems together, from the worst."""
    worst: dict[str, float] = {}
    for system in result.systems:
        for name, rate in standing.rates(system, metric).items():
            worst[name] = worst.get(name, 0.0) + (rate.value or 0.0)
    return sorted(worst, key=lambda name: (-worst[name], name))[:MOST]


def _told(result: Result) -> str:
    names = {run.recording for system in result.systems for run in system.runs}
    return f"{several(len(names), 'recording')}, {_plain(result.made)[:10]}. {_plain(advice(result).headline)}"


def _plain(text: str) -> str:
    """On one line, and nothing in it that turns round what stands beside it."""
    return clean(text.translate(_TURNING))


def _fitting(text: str, columns: int = _NAME) -> str:
    """The text, its end left out where it is longer than a label."""
    text = _plain(text) or "?"
    return text if width(text) <= columns else chopped(text, columns - 1)[0] + "…"
