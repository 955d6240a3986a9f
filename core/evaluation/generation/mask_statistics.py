"""Where anomalies lie, how large they are and what shape they have: generated ones beside real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.types import Mask

Floats = npt.NDArray[np.float64]

PROPERTIES = ("position", "size", "elongation", "solidity")
"""What is compared; each gives ``<name>_distance`` and ``<name>_spread``."""


@dataclass(frozen=True)
class MaskShape:
    """A mask in numbers.

    ``x``, ``y``: centre of mass, 0..1 across and down the photo. ``octaves``: log2 of its share of the photo, 0 is
    all of it, each step down halves the area. ``elongation``: log2 of length by width of the ellipse with the same
    second moments, 0 is round. ``solidity``: share of the convex hull that it fills, 0..1. Of several pieces, the
    last two are means weighted by area.
    """

    x: float
    y: float
    octaves: float
    elongation: float
    solidity: float


def shape_of(mask: Mask) -> MaskShape:
    """The shape of a bool (H, W) mask that is not empty."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    rows, cols = np.nonzero(mask)
    pieces = []
    for k in range(1, count):
        x, y, w, h = stats[k][:4]
        pieces.append(_piece(labels[y : y + h, x : x + w] == k))
    areas = stats[1:, cv2.CC_STAT_AREA]
    elongation, solidity = np.average(np.array(pieces), axis=0, weights=areas)
    return MaskShape(
        x=(float(cols.mean()) + 0.5) / mask.shape[1],
        y=(float(rows.mean()) + 0.5) / mask.shape[0],
        octaves=float(np.log2(len(rows) / mask.size)),
        elongation=float(elongation),
        solidity=float(solidity),
    )


def _piece(mask: Mask) -> tuple[float, float]:
    """Elongation and solidity of one connected piece."""
    points = np.argwhere(mask)
    # A pixel is a square with a moment of its own (1/12): a line of pixels is long, not infinitely so.
    spread = np.cov(points.T, bias=True) + np.eye(2) / 12 if len(points) > 1 else np.eye(2)
    small, large = np.linalg.eigvalsh(spread)
    outline = np.concatenate([c[:, 0] for c in cv2.findContours(
        mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]])  # fmt: skip
    corners = np.concatenate([outline + step for step in ((0, 0), (0, 1), (1, 0), (1, 1))])
    hull = cv2.contourArea(cv2.convexHull(corners.astype(np.int32)))
    return float(np.log2(large / small) / 2), min(1.0, len(points) / hull)


def compare_shapes(made: Sequence[MaskShape], real: Sequence[MaskShape]) -> dict[str, float]:
    """How unlike the real anomalies the generated ones lie and look, and how much they vary beside them.

    ``<property>_distance``: square root of the energy distance 2 E|X-Y| - E|X-X'| - E|Y-Y'| for the position (in
    the photo's width and height, 0..1.7), Wasserstein-1 distance for the others: octaves of area, of length by
    width, share of the hull. 0: the same distribution.
    ``<property>_spread``: mean distance of two generated anomalies by that of two real ones. 1: as varied, below:
    less, 0: all the same. Missing with fewer than two on a side, or where the real ones do not vary.
    """
    from scipy.spatial.distance import cdist
    from scipy.stats import wasserstein_distance

    found: dict[str, float] = {}
    for name in PROPERTIES:
        ours, theirs = _values(made, name), _values(real, name)
        if name == "position":
            energy = 2 * cdist(ours, theirs).mean() - cdist(ours, ours).mean() - cdist(theirs, theirs).mean()
            found[f"{name}_distance"] = float(np.sqrt(max(energy, 0.0)))
        else:
            found[f"{name}_distance"] = float(wasserstein_distance(ours[:, 0], theirs[:, 0]))
        if len(ours) > 1 and (natural := _variation(theirs)) > 1e-9:
            found[f"{name}_spread"] = _variation(ours) / natural
    return found


def _values(shapes: Sequence[MaskShape], name: str) -> Floats:
    fields = {"position": ("x", "y"), "size": ("octaves",)}.get(name, (name,))
    return np.array([[getattr(s, f) for f in fields] for s in shapes], np.float64)


def _variation(values: Floats) -> float:
    from scipy.spatial.distance import pdist

    return float(pdist(values).mean()) if len(values) > 1 else 0.0
