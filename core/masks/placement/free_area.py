"""Where on one photo a defect may lie, worked out once and used for every mask placed on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import atan2, pi, sqrt

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import InputError, MaskError, NotFound
from core.images.geometry import bounding_box, coverage
from core.masks.morphology import inner_distance
from core.types import Mask, Region, check_mask

GRID_SIDE = 192
"""Longest side in cells of the reduced grid from which places are proposed; each is then checked in full."""


MIN_REGION_PIXELS = 9
"""Pixels a region must have to bear a defect."""


@dataclass(frozen=True)
class FreeArea:
    """One piece of a photo that can bear defects: bool (H, W), not empty."""

    mask: Mask

    @cached_property
    def area(self) -> int:
        """Pixels."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def axis(self) -> float:
        """Direction of the long axis in radians, from x toward y, 0 <= axis < pi."""
        _, rows, cols = self._cells
        y, x = rows - rows.mean(), cols - cols.mean()
        return 0.5 * atan2(2 * float((x * y).mean()), float((x * x).mean() - (y * y).mean())) % pi

    @cached_property
    def extent(self) -> tuple[int, int]:
        """(height, width) in pixels of the box around the ground."""
        found = bounding_box(self.mask)
        return (found[2] - found[0], found[3] - found[1]) if found else (0, 0)

    @cached_property
    def step(self) -> int:
        """Pixels from one cell of the grid to the next."""
        return max(1, max(int(n) for n in self.mask.shape) // GRID_SIDE)

    @cached_property
    def _cells(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Depth in cells (frame counts as outside), and rows and columns in pixels of the cells on the ground."""
        s = self.step
        grid = self.mask[s // 2 :: s, s // 2 :: s]
        if not grid.any():  # thinner than a cell: every pixel is one
            rows, cols = np.nonzero(self.mask)
            return np.ones(1, np.float32), rows, cols
        inside = inner_distance(np.pad(grid, 1))[1:-1, 1:-1]
        rows, cols = np.nonzero(grid)
        return inside, rows * s + s // 2, cols * s + s // 2

    def draw_centres(self, rng: np.random.Generator, count: int, room: float) -> npt.NDArray[np.int64]:
        """(count, 2) rows and columns drawn evenly from the pixels of the ground, those at least ``room`` px deep
        if there are any, for a shape that reaches ``room`` px from its middle."""
        inside, rows, cols = self._cells
        if inside.size > 1:
            deep = inside[inside > 0] * self.step >= room
            if deep.any():
                rows, cols = rows[deep], cols[deep]
        pick = rng.integers(0, len(rows), count)
        shift = rng.integers(-(self.step // 2), self.step - self.step // 2, (count, 2)) if self.step > 1 else 0
        limit = np.array(self.mask.shape) - 1
        return np.asarray(np.clip(np.stack([rows[pick], cols[pick]], axis=1) + shift, 0, limit), np.int64)

    @cached_property
    def deepest(self) -> tuple[float, int, int]:
        """(depth in px, row, column) of the pixel farthest from the edge, to the grid's accuracy."""
        inside, _, _ = self._cells
        if inside.size == 1:
            rows, cols = np.nonzero(self.mask)
            return 1.0, int(rows[0]), int(cols[0])
        row, col = divmod(int(np.argmax(inside)), inside.shape[1])
        return float(inside[row, col]) * self.step, row * self.step + self.step // 2, col * self.step + self.step // 2

    @cached_property
    def edge(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Points (N, 2) x, y along the ground's edge and the unit normals (N, 2) there that point into it.

        The frame counts as an edge only where there is hardly any other.
        """
        points, normals = _edge_of(self.mask)
        height, width = self.mask.shape
        margin = max(2, self.step)
        inner = (
            (points[:, 0] >= margin) & (points[:, 0] < width - margin)
            & (points[:, 1] >= margin) & (points[:, 1] < height - margin)
        )  # fmt: skip
        if inner.sum() >= max(8, 0.02 * len(points)):
            return points[inner], normals[inner]
        return points, normals

    @cached_property
    def middle_line(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Points (N, 2) x, y on the ground's middle line, and its direction (N,) there in radians from x toward y."""
        return _middle_of(self.mask)


@dataclass(frozen=True)
class PlacementMap:
    """A photo's part and its named regions; make it with :meth:`of`, once per photo."""

    part: FreeArea
    regions: Mapping[str, FreeArea]

    @classmethod
    def from_masks(cls, object_mask: Mask, regions: Iterable[Region] = ()) -> PlacementMap:
        """Terrain of a photo: bool (H, W) of its part, and regions of the same size.

        A region is cut to the part, unless most of it lies off the part: then whoever drew it knows better than
        the automatic mask. MaskError if the part is empty or a region has another size.
        """
        check_mask(object_mask, what="object mask")
        if not object_mask.any():
            raise MaskError("object mask: it is empty; pass all True where the part fills the photo")
        shape = (object_mask.shape[0], object_mask.shape[1])
        grounds = {}
        for region in regions:
            check_mask(region.mask, shape, f"region {region.name!r}")
            common = region.mask & object_mask
            trusted = 2 * np.count_nonzero(common) >= np.count_nonzero(region.mask)
            mask = common if trusted else region.mask
            if mask.any():
                grounds[region.name] = FreeArea(mask)
        return cls(FreeArea(object_mask), grounds)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return (self.part.mask.shape[0], self.part.mask.shape[1])

    @cached_property
    def components(self) -> tuple[FreeArea, ...]:
        """The part in disjoint pieces: each region without the smaller ones on it, by name, then what none covers.

        The part alone where it has no regions. Pieces too small for a defect are left out.
        """
        covered = np.zeros(self.shape, np.bool_)
        pieces = []
        for name, region in sorted(self.regions.items(), key=lambda one: (one[1].area, one[0])):
            own = region if not (region.mask & covered).any() else FreeArea(region.mask & ~covered)
            covered |= region.mask
            pieces.append((name, own))
        found = [own for _, own in sorted(pieces, key=lambda one: one[0])]
        found.append(FreeArea(self.part.mask & ~covered))
        return tuple(piece for piece in found if piece.area >= MIN_REGION_PIXELS) or (self.part,)

    def component_at(self, row: float, column: float) -> FreeArea:
        """The piece that holds a pixel; what lies beside the part and its regions where none does."""
        y = min(max(int(row), 0), self.shape[0] - 1)
        x = min(max(int(column), 0), self.shape[1] - 1)
        return next((one for one in self.components if one.mask[y, x]), self._beside)

    @cached_property
    def _beside(self) -> FreeArea:
        return FreeArea(~np.logical_or.reduce([self.part.mask, *(region.mask for region in self.regions.values())]))

    def region(self, name: str) -> FreeArea:
        """The region called ``name``; NotFound names those there are, InputError says it is too small."""
        if name not in self.regions:
            known = ", ".join(sorted(self.regions)) or "none yet; draw one in the Regions tab"
            raise NotFound(f"region {name!r}: not on this photo (there are: {known})")
        ground = self.regions[name]
        if ground.area < MIN_REGION_PIXELS:
            raise InputError(
                f"region {name!r}: its {ground.area} px are too few for a defect (at least {MIN_REGION_PIXELS}); "
                "draw it larger"
            )
        return ground


def _middle_of(mask: Mask) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Points and directions along the skeleton of a mask, without the twigs that run into its corners."""
    from skimage.morphology import skeletonize

    found = bounding_box(mask)
    assert found is not None
    y0, x0, y1, x1 = found
    box = mask[y0:y1, x0:x1]
    step = max(1, max(box.shape) // GRID_SIDE)
    size = (-(-box.shape[1] // step), -(-box.shape[0] // step))
    # Every cell that the mask touches, so that a thin wire stays whole.
    grid = coverage(box, size[::-1]) > 0
    deep = inner_distance(np.pad(grid, 1))[1:-1, 1:-1]
    line = skeletonize(grid)
    line &= deep >= 0.6 * float(deep[line].max() if line.any() else 0)
    rows, cols = np.nonzero(line if line.any() else grid)
    cells = np.stack([cols, rows], axis=1).astype(np.float64)
    near = np.hypot(*(cells[:, None] - cells[None]).transpose(2, 0, 1)) <= max(4.0, 1.5 * float(deep.max()))
    directions = np.array([_direction(cells[one]) for one in near])
    scale = np.array([box.shape[1] / size[0], box.shape[0] / size[1]])
    return (cells + 0.5) * scale - 0.5 + (x0, y0), directions


def _direction(points: npt.NDArray[np.float64]) -> float:
    x, y = (points - points.mean(axis=0)).T
    return 0.5 * atan2(2 * float((x * y).mean()), float((x * x).mean() - (y * y).mean())) % pi


def _edge_of(mask: Mask) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Points and inward normals along all outlines of a mask, its holes' too, evenly thinned to a few thousand."""
    found = bounding_box(mask)
    assert found is not None
    y0, x0, y1, x1 = found
    rings, _ = cv2.findContours(np.pad(mask[y0:y1, x0:x1], 1).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    thin = max(1, sum(len(ring) for ring in rings) // 4000)
    all_points, all_normals = [], []
    for ring in rings:
        points = ring[:, 0, :].astype(np.float64)
        reach = min(max(2, round(sqrt(len(points)))), 12)
        # The direction over a few pixels either way: single steps know only eight directions.
        tangent = np.roll(points, -reach, axis=0) - np.roll(points, reach, axis=0)
        length = np.hypot(tangent[:, 0], tangent[:, 1])
        # OpenCV walks outer rings against the clock as seen and holes with it: the mask is always on this side.
        normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1) / np.maximum(length, 1e-9)[:, None]
        keep = np.flatnonzero(length > 0)[::thin]
        all_points.append(points[keep] + (x0 - 1, y0 - 1))
        all_normals.append(normal[keep])
    points, normals = np.concatenate(all_points), np.concatenate(all_normals)
    if not len(points):  # single pixels have no direction
        rows, cols = np.nonzero(mask)
        points = np.stack([cols, rows], axis=1).astype(np.float64)
        normals = np.tile([0.0, 1.0], (len(points), 1))
    return points, normals
