"""One value or two: whether a colour, a size or a number comes in kinds that are well apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

APART = 4.0
"""How many times the spread within two kinds must be apart to be two."""
LEAST_COLOURS_APART = 12.0
"""Lab distance below which two colours are one under another light."""
LEAST_SHARE = 0.15
"""Share of the instances that a kind must have."""


def colour_clusters(colours: Floats) -> tuple[tuple[float, float, float], ...]:
    """The one or two middle colours of Lab ``colours`` float64 (n, 3)."""
    labels = two_kinds(colours * [0.5, 1, 1], LEAST_COLOURS_APART)
    groups = [colours] if labels is None else [colours[labels == k] for k in (0, 1)]
    middles = [np.median(group, axis=0) for group in groups]
    return tuple((float(m[0]), float(m[1]), float(m[2])) for m in middles)


def two_kinds(values: Floats, least: float) -> npt.NDArray[np.intp] | None:
    """0 or 1 for each row of ``values`` (n, d) where they fall into two kinds at least ``least`` apart, else None."""
    if len(values) < 4:
        return None
    middle = values.mean(axis=0)
    _, _, axes = np.linalg.svd(values - middle, full_matrices=False)
    labels: npt.NDArray[np.intp] = ((values - middle) @ axes[0] > 0).astype(np.intp)
    for _ in range(10):
        if min(np.bincount(labels, minlength=2)) == 0:
            return None
        centres = np.stack([values[labels == k].mean(axis=0) for k in (0, 1)])
        new = np.asarray(np.linalg.norm(values[:, None] - centres[None], axis=2).argmin(axis=1), np.intp)
        if (new == labels).all():
            break
        labels = new
    shares = np.bincount(labels, minlength=2) / len(values)
    within = float(np.sqrt(np.mean(np.sum((values - centres[labels]) ** 2, axis=1))))
    apart = float(np.linalg.norm(centres[0] - centres[1]))
    if shares.min() < LEAST_SHARE or apart < max(least, APART * within):
        return None
    return labels


def kinds_of(values: Sequence[Sequence[float]], least: float) -> npt.NDArray[np.intp] | None:
    """``two_kinds`` for numbers or colours as tuples."""
    return two_kinds(np.asarray(values, np.float64), least)
