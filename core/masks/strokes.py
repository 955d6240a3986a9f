"""Shapes that are lines: cracks and scratches, as fields that grow from the line outward."""

from __future__ import annotations

from math import ceil, cos, sin

import cv2
import numpy as np
import numpy.typing as npt

_Field = npt.NDArray[np.float32]


def crack(area: float, angle: float, longest: float, rng: np.random.Generator) -> _Field:
    """A jagged line that tapers and may branch; arguments and outcome as of core.masks.shapes.Shape."""
    # Real cracks of a few hundred pixels are two to four wide and widen slowly as they get longer.
    width = float(np.clip(0.55 * area**0.27 * rng.uniform(0.8, 1.3), 1.2, 40))
    length = min(area / width / 1.25, 0.5 * area, longest)
    main = _jagged(np.zeros(2), angle, length, 0.35, rng)
    lines = [(main, 1.0)]
    for _ in range(int(rng.integers(0, 3)) if length > 40 else 0):
        start = int(rng.integers(len(main) // 5 + 1, max(len(main) * 4 // 5, len(main) // 5 + 2)))
        turn = float(rng.uniform(0.4, 1.1)) * float(rng.choice([-1.0, 1.0]))
        branch = _jagged(main[start], angle + turn, length * float(rng.uniform(0.12, 0.35)), 0.4, rng)
        lines.append((branch, 0.6))
    return _line_field(lines, taper=0.75, rough=0.35, reach=width * 2 + 3, rng=rng)


def scratch(area: float, angle: float, longest: float, rng: np.random.Generator) -> _Field:
    """A long, slightly bowed line with thin ends; arguments and outcome as of core.masks.shapes.Shape."""
    width = float(np.clip(0.5 * area**0.25 * rng.uniform(0.8, 1.3), 1.1, 25))
    # A line's own pixels all have to fit into the area, corners of its stairs included.
    length = min(area / width / 0.9, 0.7 * area, longest)
    steps = max(3, int(length / 3))
    t = np.linspace(-0.5, 0.5, steps)
    bow = float(rng.normal(0, 0.07)) * (t**2 - 0.25) * 4 + float(rng.normal(0, 0.02)) * t * (t**2 - 0.25) * 20
    along, across = t * length, bow * length
    points = np.stack([along * cos(angle) - across * sin(angle), along * sin(angle) + across * cos(angle)], axis=1)
    return _line_field([(points, 1.0)], taper=0.85, rough=0.12, reach=width * 2 + 3, rng=rng)


def _jagged(
    start: npt.NDArray[np.float64], angle: float, length: float, swing: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """A line (N, 2) of short straight pieces that change direction abruptly but keep the general course."""
    points = [np.asarray(start, np.float64)]
    heading, done = 0.0, 0.0
    mean_step = max(1.5, 0.9 * length**0.45)
    while done < length:
        step = min(float(rng.exponential(mean_step)) + 1.0, length - done + 0.01)
        heading = 0.5 * heading + float(rng.normal(0, swing))
        points.append(points[-1] + step * np.array([cos(angle + heading), sin(angle + heading)]))
        done += step
    return np.asarray(points)


def _line_field(
    lines: list[tuple[npt.NDArray[np.float64], float]],
    taper: float,
    rough: float,
    reach: float,
    rng: np.random.Generator,
) -> _Field:
    """Distance to lines over their local width: 0 on them, so every level is as connected as the lines are."""
    # Wide lines are worked out on a coarser grid; the ratio of distance to width is smooth enough to enlarge.
    coarse = 2.0 if reach >= 12 else 1.0
    everything = np.concatenate([points for points, _ in lines])
    low = everything.min(axis=0) - reach
    size = np.ceil((everything.max(axis=0) + reach - low) / coarse).astype(int) + 1
    drawn = np.ones((int(size[1]), int(size[0])), np.uint8)
    width = np.zeros(drawn.shape, np.float32)
    for points, scale in lines:
        lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
        share = np.linspace(0, 1, max(2, ceil(2.5 * lengths[-1] / coarse)))
        cols, rows = (
            np.round((np.interp(share * lengths[-1], lengths, points[:, i]) - low[i]) / coarse).astype(np.int64)
            for i in (0, 1)
        )
        knots = max(4, int(lengths[-1] / (2.5 * reach)))
        waves = 1 + rough * np.interp(share, np.linspace(0, 1, knots), rng.normal(0, 1, knots))
        ends = 1 - taper * np.abs(2 * share - 1) ** 1.5 if scale == 1.0 else 1 - taper * share
        drawn[rows, cols] = 0
        width[rows, cols] = np.maximum(width[rows, cols], np.clip(scale * ends * waves, 0.15, 1.8))
    distance, labels = cv2.distanceTransformWithLabels(drawn, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    by_label = np.ones(int(labels.max()) + 1, np.float32)
    on_line = drawn == 0
    by_label[labels[on_line]] = width[on_line]
    field = np.asarray(distance / by_label[labels], np.float32)
    if coarse > 1:
        field = np.asarray(cv2.resize(field, None, fx=coarse, fy=coarse, interpolation=cv2.INTER_LINEAR), np.float32)
    return field
