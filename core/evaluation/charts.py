"""Curves and bars as SVG text: no script, no library, light and dark by the page's own colours.

The colours are CSS: series ``i`` has the class ``s<i>``; assets/css/figures.css gives each its colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from core.evaluation.glossary import format_number
from core.evaluation.results import Curve

COLOURS = 6
"""Series that have a colour of their own; further ones begin again."""

_WIDE, _TALL = 380, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 8, 38
_NAME, _VALUE = 118, 48
_BAR, _GAP = 13, 9
_MOST_LETTERS = 18
_FLAT = 1e-12
"""A range below this is drawn as if it were 1."""


def line_chart(title: str, lines: Sequence[tuple[str, Curve | None]], chance: bool = False) -> str:
    """A figure of named curves with one pair of axes, taken from the first one.

    A name without a curve keeps its colour for other figures. ``chance`` draws the diagonal that guessing gives.
    "" without a curve that has points.
    """
    drawn = [(place % COLOURS, name, curve) for place, (name, curve) in enumerate(lines) if curve and curve.x]
    if not drawn:
        return ""
    xs = _ticks(min(min(c.x) for _, _, c in drawn), max(max(c.x) for _, _, c in drawn))
    ys = _ticks(min(min(c.y) for _, _, c in drawn), max(max(c.y) for _, _, c in drawn))
    across, up = _AxisScale(xs, _LEFT, _WIDE - _RIGHT), _AxisScale(ys, _TALL - _BOTTOM, _TOP)
    grid = "".join(
        f"<path class='grid' d='M{across(x):.1f} {up(ys[0]):.1f}V{up(ys[-1]):.1f}'/>"
        f"<text x='{across(x):.1f}' y='{_TALL - _BOTTOM + 14}' text-anchor='middle'>{x:g}</text>"
        for x in xs
    ) + "".join(
        f"<path class='grid' d='M{across(xs[0]):.1f} {up(y):.1f}H{across(xs[-1]):.1f}'/>"
        f"<text x='{_LEFT - 6}' y='{up(y) + 3.6:.1f}' text-anchor='end'>{y:g}</text>"
        for y in ys
    )
    diagonal = f"<path class='chance' d='{_path((0, 1), (0, 1), across, up)}'/>" if chance else ""
    paths = "".join(
        f"<path class='line s{colour}' d='{_path(c.x, c.y, across, up)}'><title>{escape(name)}</title></path>"
        if len(c.x) > 1
        else f"<circle class='dot s{colour}' cx='{across(c.x[0]):.1f}' cy='{up(c.y[0]):.1f}' r='3'/>"
        for colour, name, c in drawn
    )
    first = drawn[0][2]
    middle = (_TOP + _TALL - _BOTTOM) / 2
    axes = (
        f"<text class='axis' x='{(_LEFT + _WIDE - _RIGHT) / 2:.0f}' y='{_TALL - 5}' text-anchor='middle'>"
        f"{escape(first.x_label)}</text><text class='axis' transform='translate(11 {middle:.0f}) rotate(-90)' "
        f"text-anchor='middle'>{escape(first.y_label)}</text>"
    )
    legend = _legend([(colour, name) for colour, name, _ in drawn]) if len(lines) > 1 else ""
    return _figure(title, f"{grid}{diagonal}{paths}{axes}", _TALL, legend)


def bar_chart(title: str, rows: Sequence[tuple[str, Sequence[float | None]]], names: Sequence[str] = ("",)) -> str:
    """A figure of horizontal bars: each row a label and one value per name.

    None leaves its bar out, nothing but None the row. Values within 0..1 are drawn on that scale, others from 0
    to the largest. "" without rows.
    """
    rows = [(label, given) for label, given in rows if any(v is not None for v in given)]
    values = [v for _, vs in rows for v in vs if v is not None]
    if not values:
        return ""
    full = 1.0 if 0 <= min(values) and max(values) <= 1 else max(max(values), 1e-12)
    room = _WIDE - _NAME - _VALUE
    parts, y = [], 4
    for label, given in rows:
        middle = y + len(given) * _BAR / 2 + 3.8
        parts.append(
            f"<text class='name' x='{_NAME - 8}' y='{middle:.1f}' text-anchor='end'>{escape(_short(label))}"
            f"<title>{escape(label)}</title></text>"
        )
        for place, value in enumerate(given):
            if value is not None:
                length = room * min(1.0, max(0.0, value / full))
                whose = f"{names[place]}: " if names[place] else ""
                number = format_number(value)
                parts.append(
                    f"<rect class='track' x='{_NAME}' y='{y + 1}' width='{room}' height='{_BAR - 2}' rx='2'/>"
                    f"<rect class='bar s{place % COLOURS}' x='{_NAME}' y='{y + 1}' width='{length:.1f}' "
                    f"height='{_BAR - 2}' rx='2'><title>{escape(whose)}{escape(label)} {number}</title></rect>"
                    f"<text class='value' x='{_NAME + room + 6}' y='{y + _BAR - 2.6:.1f}'>{number}</text>"
                )
            y += _BAR
        y += _GAP
    return _figure(title, "".join(parts), y, _legend(list(enumerate(names))) if len(names) > 1 else "")


class _AxisScale:
    def __init__(self, ticks: Sequence[float], start: float, end: float) -> None:
        self.low, self.span = ticks[0], (ticks[-1] - ticks[0]) or 1.0
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / self.span * (self.end - self.start)


def _path(xs: Sequence[float], ys: Sequence[float], across: _AxisScale, up: _AxisScale) -> str:
    return "M" + "L".join(f"{across(x):.1f} {up(y):.1f}" for x, y in zip(xs, ys, strict=True))


def _ticks(low: float, high: float) -> list[float]:
    """A few round numbers from 0, or from below ``low`` where that is negative, to ``high`` or above."""
    low = min(low, 0.0)
    span = high - low if high - low > _FLAT else 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if span / (power * m) <= 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * i, 12) for i in range(first, max(last, first + 1) + 1)]


def _short(label: str) -> str:
    return label if len(label) <= _MOST_LETTERS else label[: _MOST_LETTERS - 1] + "…"


def _legend(series: Sequence[tuple[int, str]]) -> str:
    items = "".join(f"<li><i class='s{colour % COLOURS}'></i>{escape(name)}</li>" for colour, name in series)
    return f"<ul class='ev-legend'>{items}</ul>"


def _figure(title: str, inside: str, tall: float, legend: str) -> str:
    return (
        f"<figure class='ev-chart'><figcaption>{escape(title)}</figcaption>"
        f"<svg viewBox='0 0 {_WIDE} {tall:g}' role='img' aria-label='{escape(title)}'>{inside}</svg>{legend}</figure>"
    )
