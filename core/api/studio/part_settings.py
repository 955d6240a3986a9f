"""The layout engine's settings for a part that a person clicked or dragged on the canvas."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.errors import InputError
from core.jobs.product_data import ProductData
from core.types import base_name


class PartSettings:
    """Settings for the named regions of the project's photos."""

    def __init__(self, product_data: ProductData) -> None:
        self._product_data = product_data

    def region_params(self, normal_id: str, name: str) -> dict[str, Any]:
        """The layout engine's ``region`` and ``instance`` for exactly this region, not for its whole family."""
        names = [row.name for row in self._product_data.project.regions(normal_id)]
        if name not in names:
            raise InputError(f"region {name!r} is not on this photo any more; pick another one")
        family = [n for n in names if n == name or (base_name(name) == name and base_name(n) == name)]
        return {"region": name, "instance": family.index(name) + 1}

    def swap_partners(self, normal_id: str, name: str) -> list[str]:
        """The photo's other regions, those of another family first: two washers exchanged are no anomaly."""
        others = [row.name for row in self._product_data.project.regions(normal_id) if row.name != name]
        return sorted(others, key=lambda other: base_name(other) == base_name(name))

    def move_params(
        self, normal_id: str, name: str, dx: float, dy: float, clockwise: float = 0.0, scale: float = 1.0
    ) -> dict[str, Any]:
        """The layout engine's params for a region dragged on the canvas.

        There the part is turned ``clockwise`` by degrees and scaled about the middle of its box, then moved by
        (dx, dy) pixels; the engine turns counter-clockwise about the centroid, so the shift makes up for it.
        """
        params = self.region_params(normal_id, name)
        mask = next(r.mask for r in self._product_data.regions(normal_id) if r.name == name)
        rows, columns = np.nonzero(mask)
        off_x = (columns.min() + columns.max()) / 2 - columns.mean()
        off_y = (rows.min() + rows.max()) / 2 - rows.mean()
        scale = min(4.0, max(0.25, scale))
        cos, sin = scale * np.cos(np.radians(clockwise)), scale * np.sin(np.radians(clockwise))
        return params | {
            "op": "move",
            "dx": round(dx + off_x - (cos * off_x - sin * off_y)),
            "dy": round(dy + off_y - (sin * off_x + cos * off_y)),
            "angle": -float(clockwise),
            "scale": float(scale),
        }
