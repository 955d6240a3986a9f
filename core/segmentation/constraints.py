"""The prompt as a hard rule on a window of the photo: bool (h, w), its first (row, column) being ``corner``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.segmentation.segmenter import Box, Click, pixel_box
from core.types import Mask

_TOUCH = 12.0
"""Largest radius, in pixels, of what a click alone paints."""

WindowBox = tuple[int, int, int, int]
"""x0, y0, x1, y1 of a window, in whole photo pixels."""


def apply_constraints(
    part: Mask, corner: tuple[int, int], clicks: Sequence[Click], box: Box | None
) -> tuple[Mask, tuple[int, int]]:
    """The window with positive clicks in, negative ones out, and nothing outside the box; ``part`` is changed.

    A click beside the outline moves the outline to it; one far from it sets its own pixel.
    """
    y0, x0 = corner
    frame = (x0, y0, x0 + part.shape[1], y0 + part.shape[0])
    part, frame = _holding(part, frame, [c for c in clicks if c.positive])
    _set_clicks(part, frame, clicks)
    if box is not None:
        _cut(part, frame, box)
        if not part.any():
            frame = pixel_box(box)
            part = np.ones((frame[3] - frame[1], frame[2] - frame[0]), np.bool_)
            _set_clicks(part, frame, clicks)
    return part, (frame[1], frame[0])


def _cut(part: Mask, frame: WindowBox, box: Box) -> None:
    left, top, right, bottom = pixel_box(box)
    x0, y0 = frame[:2]
    part[: max(top - y0, 0)] = part[max(bottom - y0, 0) :] = False
    part[:, : max(left - x0, 0)] = part[:, max(right - x0, 0) :] = False


def distance_to_agreeing_pixel(part: Mask, corner: tuple[int, int], click: Click, within: float) -> float | None:
    """How far from the click the nearest pixel is that the click asks for, or None if over ``within`` pixels."""
    y, x = int(click.y) - corner[0], int(click.x) - corner[1]
    reach = int(within)
    rows, columns = np.mgrid[y - reach : y + reach + 1, x - reach : x + reach + 1]
    h, w = part.shape
    inside = (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
    found = inside & part[np.clip(rows, 0, h - 1), np.clip(columns, 0, w - 1)]
    away = np.hypot(rows - y, columns - x)[found == click.positive]
    nearest = float(away.min()) if away.size else np.inf
    return nearest if nearest <= within else None


def _holding(part: Mask, frame: WindowBox, clicks: Sequence[Click]) -> tuple[Mask, WindowBox]:
    """The window enlarged, where it must be, so that it holds all ``clicks``."""
    xs, ys = [int(c.x) for c in clicks], [int(c.y) for c in clicks]
    x0, y0, x1, y1 = frame
    left, top = min([x0, *xs]), min([y0, *ys])
    right, bottom = max([x1, *(x + 1 for x in xs)]), max([y1, *(y + 1 for y in ys)])
    if (left, top, right, bottom) == frame:
        return part, frame
    return np.pad(part, ((y0 - top, bottom - y1), (x0 - left, right - x1))), (left, top, right, bottom)


def _set_clicks(part: Mask, frame: WindowBox, clicks: Sequence[Click]) -> None:
    x0, y0, x1, y1 = frame
    here = [c for c in clicks if x0 <= int(c.x) < x1 and y0 <= int(c.y) < y1]
    reach = min(_TOUCH, max(1.5, 0.06 * float(np.sqrt(np.count_nonzero(part))))) if here else 0.0
    for click in here:
        if away := distance_to_agreeing_pixel(part, (y0, x0), click, reach):
            _paint(part, int(click.x) - x0, int(click.y) - y0, away, click.positive)
    for click in here:
        part[int(click.y) - y0, int(click.x) - x0] = click.positive


def _paint(part: Mask, x: int, y: int, radius: float, value: bool) -> None:
    """A disc of ``radius`` pixels set to ``value``."""
    reach = int(radius)
    rows = np.arange(max(y - reach, 0), min(y + reach + 1, part.shape[0]))
    columns = np.arange(max(x - reach, 0), min(x + reach + 1, part.shape[1]))
    near = (rows[:, None] - y) ** 2 + (columns[None, :] - x) ** 2 <= radius**2
    part[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1][near] = value
