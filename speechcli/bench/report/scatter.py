"""Errors against speed, drawn into the page: SVG as wide as the page, its text always as large as the page's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, TypeAlias

from speechcli.bench import standing
from speechcli.bench.report.scales import linear, logarithmic
from speechcli.bench.standing import Standing
from speechcli.bench.wording import SHORT, figure, tick, times
from speechcli.formats.html.shell import escaped, isolated
from speechcli.scoring.rates import METRICS, Metric

_Scale: TypeAlias = Callable[[float], float]

_TOP: Final = 14  # px: where the highest error lies
_BOTTOM: Final = 330  # px: where none lies
_LINE: Final = 17  # px of a label
_ROUND: Final = 2.0  # percent of the width that half a point takes where names are shown
_LETTER: Final = 0.9  # percent of it that a letter takes
_NAME: Final = 30  # characters


@dataclass(frozen=True, slots=True)
class _Box:
    """A line's height of the picture. left, right: percent of its width; y: px."""

    left: float
    right: float
    y: float

    @property
    def inside(self) -> bool:
        return self.left >= 0 and self.right <= 100 and self.y <= _BOTTOM

    def covers(self, other: _Box) -> bool:
        return self.left < other.right and other.left < self.right and abs(self.y - other.y) < _LINE


@dataclass(frozen=True, slots=True)
class _Point:
    number: int  # in the table
    standing: Standing
    x: float  # percent of the width
    y: float  # px from above
    low: float  # px: the ends of the whisker
    high: float
    label: float = 0.0  # px: where its name stands
    right: bool = True  # of the point


def scatter(found: Sequence[Standing], metric: Metric, picks: Sequence[str]) -> Iterator[str]:
    """The section of the page; nothing where no system has both figures."""
    some = [(n, s) for n, s in enumerate(found, 1) if s.rate is not None and s.rtfx]
    if not some:
        return
    start, end, ticks = logarithmic([s.rtfx for _, s in some if s.rtfx])
    top, steps = linear(max(max(s.rate or 0.0, s.interval.high if s.interval else 0.0) for _, s in some))

    def across(speed: float) -> float:
        return 100 * math.log(speed / start) / math.log(end / start)

    def down(rate: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * rate / top

    points = _labelled([_placed(n, s, across, down) for n, s in some])
    yield '<section aria-labelledby="chart"><h2 id="chart">Errors against speed</h2>\n<figure><div class="plot">\n'
    yield f'<svg class="rates" width="56" height="{_BOTTOM + 40}" aria-hidden="true">'
    yield "".join(f'<text x="50" y="{down(s) + 4:.1f}" text-anchor="end">{tick(metric, s)}</text>' for s in steps)
    yield f'</svg>\n<svg width="100%" height="{_BOTTOM + 40}" role="img" aria-label="{_described(points, metric)}">'
    yield "".join(f'<line class="grid" x1="0" x2="100%" y1="{down(s):.1f}" y2="{down(s):.1f}"/>' for s in steps)
    few = sum(f"{speed:e}".startswith("1.0") for speed in ticks) < 2  # tens, which a phone has room for
    for speed in ticks:
        x, anchor = across(speed), "start" if speed == start else "end" if speed == end else "middle"
        yield f'<line class="grid" x1="{x:.2f}%" x2="{x:.2f}%" y1="{_TOP}" y2="{_BOTTOM}"/>'
        between = "" if few or f"{speed:e}".startswith("1.0") else ' class="between"'
        yield f'<text{between} x="{x:.2f}%" y="{_BOTTOM + 20}" text-anchor="{anchor}">{speed:g}×</text>'
    yield from _edge(found, across, down)
    yield "".join(_whisker(p) for p in points)
    yield "".join(_point(p, p.standing.name in picks) for p in points)
    yield "</svg></div>\n<figcaption>"
    yield f"Lower is more accurate ({escaped(METRICS[metric])}), further right is faster (seconds of sound a second of "
    yield "work): the lower right corner is best. Numbers are those of the table above"
    yield ", whiskers are 95 % intervals" if any(s.interval for _, s in some) else ""
    yield ", and along the dashed line no other system is both more accurate and faster." if len(some) > 1 else "."
    missing = [s for s in found if s.rate is None or not s.rtfx]
    if missing:
        yield f" Not shown, for want of one of the figures: {', '.join(isolated(s.name) for s in missing)}."
    yield "</figcaption></figure></section>\n"


def _placed(number: int, s: Standing, across: _Scale, down: _Scale) -> _Point:
    y = down(s.rate or 0.0)
    ends = (down(s.interval.low), down(s.interval.high)) if s.interval is not None else (y, y)
    return _Point(number, s, across(s.rtfx or 1.0), y, *ends)


def _labelled(points: Sequence[_Point]) -> list[_Point]:
    """Each name beside its point, or as near as it covers neither another name nor another point."""
    out: list[_Point] = []
    taken = [_Box(p.x - _ROUND, p.x + _ROUND, p.y) for p in points]
    for n, p in enumerate(points):
        others = taken[:n] + taken[n + 1 :]
        width = len(_short(p.standing.name)) * _LETTER
        sides = (True, False) if p.x < 50 else (False, True)
        places = [(right, p.y + line * _LINE) for line in (0, 1, -1, 2, -2, 3) for right in sides]
        boxes = [
            _Box(p.x, p.x + _ROUND + width, y) if right else _Box(p.x - _ROUND - width, p.x, y) for right, y in places
        ]
        free = [i for i, box in enumerate(boxes) if box.inside and not any(box.covers(other) for other in others)]
        chosen = free[0] if free else 0
        taken.append(boxes[chosen])
        right, y = places[chosen]
        out.append(replace(p, label=y, right=right))
    return out


def _whisker(p: _Point) -> str:
    if p.low == p.high:
        return ""
    ends = "".join(f'<line x1="-5" x2="5" y1="{y:.1f}" y2="{y:.1f}"/>' for y in (p.low, p.high))
    middle = f'<line x1="0" x2="0" y1="{p.high:.1f}" y2="{p.low:.1f}"/>'
    return f'<svg class="whisker" x="{p.x:.2f}%" overflow="visible">{middle}{ends}</svg>'


def _point(p: _Point, pick: bool) -> str:
    name = escaped(_short(p.standing.name))
    return (
        f'<svg class="point{" chosen" if pick else ""}" x="{p.x:.2f}%" overflow="visible">'
        f'<circle cy="{p.y:.1f}" r="10"/><text class="inside" y="{p.y + 4:.1f}" text-anchor="middle">{p.number}</text>'
        f'<text class="name" x="{15 if p.right else -15}" y="{p.label + 4:.1f}" '
        f'text-anchor="{"start" if p.right else "end"}">{name}</text></svg>'
    )


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"


def _edge(found: Sequence[Standing], across: _Scale, down: _Scale) -> Iterator[str]:
    best = [(across(s.rtfx or 1.0), down(s.rate or 0.0)) for s in standing.unbeaten(found)]
    for (x1, y1), (x2, y2) in pairwise(best):
        yield f'<line class="edge" x1="{x1:.2f}%" y1="{y1:.1f}" x2="{x2:.2f}%" y2="{y2:.1f}"/>'


def _described(points: Sequence[_Point], metric: Metric) -> str:
    rows = [p.standing for p in sorted(points, key=lambda p: p.number)]
    each = "; ".join(
        f"{s.name}: {SHORT[metric]} {figure(metric, s.rate)}, {times(s.rtfx)} times real time" for s in rows
    )
    return escaped(f"Errors against speed. {each}.")
