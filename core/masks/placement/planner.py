"""Where a defect goes and how large it is: from a label and a photo's terrain to masks.

GAA's region-guided mask synthesis (its section 3.3). Name here ↔ symbol in the paper: example masks ↔ M_a,
their enhanced forms ↔ M_G (eq. 6, :mod:`core.masks.perturbation`), regions ↔ M_R, "structural" and "edge" ↔ M_Struct
("at random locations or along the edges of M_R"), "logical" ↔ M_Logic, "combined" ↔ M_Cob, outcome ↔ M_Align.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import exp, log, pi

import numpy as np

from core.errors import InputError
from core.masks.morphology import dilate
from core.masks.perturbation import MaskEnhancement, size_factor
from core.masks.placement.context_match import ContextMatch
from core.masks.placement.fitting import (
    MAX_TRIES,
    Direction,
    ShapeDrawer,
    fit_along_edge,
    fit_at,
    fit_inside,
    fit_near,
)
from core.masks.placement.free_area import FreeArea, PlacementMap
from core.masks.placement.mask_template import MaskTemplate, scale_to_photo
from core.masks.shapes import shape_for_label, shape_patch
from core.placement_rules import Placement
from core.types import Mask, Region

_LARGEST_SHARE = 0.5
"""Of the free ground that one defect may take."""

_LARGEST_SHARE_OF_COMPONENT = 0.15
"""Of a component that nobody chose: a washer is scratched, not covered."""

_SIZE_JITTER = (0.8, 1.25)


@dataclass(frozen=True)
class AnchorExample:
    """The example's mask that all defects on a photo are like, where that photo looks as around it, if known, and
    whether they may be turned and mirrored."""

    mask: Mask
    context: ContextMatch | None = None
    turns: bool = True


@dataclass(frozen=True)
class ExampleMasks:
    """The non-empty masks of a label's examples and their mean area in pixels on the photo (A_avg of eq. 6).

    With a ``lead`` all defects are like that one; else each is like any of them.
    """

    masks: tuple[Mask, ...]
    mean_area: float
    anchor: AnchorExample | None = None

    @classmethod
    def for_photo(cls, masks: Sequence[Mask], shape_hw: tuple[int, int]) -> ExampleMasks:
        """Masks of any size, for a photo of (H, W) pixels."""
        areas = [int(np.count_nonzero(mask)) * scale_to_photo(mask, shape_hw) ** 2 for mask in masks]
        filled = [area for area in areas if area]
        kept = tuple(mask for mask, area in zip(masks, areas, strict=True) if area)
        return cls(kept, sum(filled) / len(filled) if filled else 0.0)

    def choose(self, rng: np.random.Generator) -> Mask:
        """The mask that a defect is like."""
        return self.masks[int(rng.integers(len(self.masks)))] if self.anchor is None else self.anchor.mask


def plan_mask(
    placement: Placement,
    label: str,
    shape_hw: tuple[int, int],
    rng: np.random.Generator,
    regions: Sequence[Region],
    object_mask: Mask,
    example_masks: Sequence[Mask] = (),
    terrain: PlacementMap | None = None,
) -> Mask:
    """The union of :func:`plan_masks`. Pass ``terrain`` when placing many masks on one photo."""
    if object_mask.shape != tuple(shape_hw):
        raise InputError(
            f"placement: expected an object mask of {shape_hw[1]}x{shape_hw[0]} pixels, "
            f"got {object_mask.shape[1]}x{object_mask.shape[0]}"
        )
    terrain = terrain or PlacementMap.from_masks(object_mask, regions)
    return np.asarray(np.logical_or.reduce(plan_masks(placement, label, terrain, rng, example_masks)))


def plan_masks(
    placement: Placement,
    label: str,
    terrain: PlacementMap,
    rng: np.random.Generator,
    example_masks: Sequence[Mask] = (),
    lead: AnchorExample | None = None,
) -> list[Mask]:
    """One bool (H, W) mask for each defect: not empty, on its region or the part, disjoint with the asked gap.

    With a ``lead`` all are like that one of ``example_masks``, the sizes of all of which count (eq. 6).

    Same arguments and generator state, same masks. NotFound for a region that is not on this photo; InputError
    where the label has no examples but they were asked for, where logical defects lack regions, and where no
    room is left.
    """
    examples = replace(ExampleMasks.for_photo(example_masks, terrain.shape), anchor=lead)
    if placement.source in ("examples", "learned") and not examples.masks:
        raise InputError(f"label {label!r}: it has no example masks; import examples or set source=shapes")
    for name in placement.regions:
        terrain.region(name)
    if placement.anomaly_type == "combined":
        return _combined(placement, label, terrain, rng, examples)
    if placement.anomaly_type == "logical" or placement.source == "regions":
        return _whole_regions(placement, terrain, rng, placement.count)
    taken = np.zeros(terrain.shape, np.bool_)
    return [
        _structural(placement, label, terrain, rng, examples, taken, edge=placement.anomaly_type == "edge")
        for _ in range(placement.count)
    ]


def _combined(
    placement: Placement, label: str, terrain: PlacementMap, rng: np.random.Generator, examples: ExampleMasks
) -> list[Mask]:
    """At least two defects: a whole region first where there is a small enough one, then structural ones."""
    count = max(2, placement.count)
    if placement.source == "regions":
        return _whole_regions(placement, terrain, rng, count)
    taken = np.zeros(terrain.shape, np.bool_)
    names = placement.regions or tuple(sorted(terrain.regions))
    small = [n for n in names if terrain.regions[n].area < _LARGEST_SHARE * terrain.part.area]
    masks = []
    if small:
        masks.append(terrain.regions[small[int(rng.integers(len(small)))]].mask.copy())
        taken |= dilate(masks[0], placement.gap_px)
    elsewhere = placement.model_copy(update={"regions": _open_regions(placement, terrain, taken)})
    for _ in range(count - len(masks)):
        edge = bool(rng.random() < 0.35)
        masks.append(_structural(elsewhere, label, terrain, rng, examples, taken, edge))
    return masks


def _open_regions(placement: Placement, terrain: PlacementMap, taken: Mask) -> tuple[str, ...]:
    """The named regions that are still mostly free; none, which means the whole part, if there is no such."""
    return tuple(
        n for n in placement.regions if (terrain.regions[n].mask & ~taken).sum() > terrain.regions[n].area / 2
    )


def _whole_regions(placement: Placement, terrain: PlacementMap, rng: np.random.Generator, count: int) -> list[Mask]:
    names = list(placement.regions or sorted(terrain.regions))
    if not names:
        raise InputError("placement: logical anomalies need a region; draw and name one in the Regions tab")
    masks: list[Mask] = []
    taken = np.zeros(terrain.shape, np.bool_)
    for index in rng.permutation(len(names)):
        mask = terrain.region(names[index]).mask
        if len(masks) < count and not (mask & taken).any():
            masks.append(mask.copy())
            taken |= mask
    if len(masks) < count:
        raise InputError(
            f"placement: {count} whole regions asked for, but this photo has {len(masks)} that do not overlap "
            f"(of {', '.join(names)}); lower the count or name more regions"
        )
    return masks


def _structural(
    placement: Placement,
    label: str,
    terrain: PlacementMap,
    rng: np.random.Generator,
    examples: ExampleMasks,
    taken: Mask,
    edge: bool,
) -> Mask:
    """One defect on free ground; what it takes, with the gap around it, is added to ``taken``."""
    name = placement.regions[int(rng.integers(len(placement.regions)))] if placement.regions else None
    by_component = name is None and placement.within == "component" and bool(terrain.regions)
    whole = terrain.region(name) if name else terrain.part
    if by_component and not placement.follows_example:
        whole = _draw_component(terrain, taken, rng)
    ground = _free(whole, taken, f"region {name!r}" if name else "the part")
    stencil, maker, area = _shape_drawer(placement, label, terrain, ground, rng, examples)
    largest = _LARGEST_SHARE_OF_COMPONENT if whole is not terrain.part and not name else _LARGEST_SHARE
    area = max(1.0, min(area, largest * ground.area))
    if stencil is not None and placement.follows_example:
        component_at = terrain.component_at if by_component else lambda row, column: terrain.part
        mask = _like_example(stencil, maker, area, ground, rng, examples, component_at)
        if mask is not None:
            taken |= dilate(mask, placement.gap_px)
            return mask
    align = placement.align
    if align == "auto":
        align = "edge" if edge and _shape_name(placement, label) != "crack" else "none"
    if examples.anchor is not None and not examples.anchor.turns:
        align = "none"
    direction: Direction = whole.axis if align == "axis" else align if align in ("edge", "middle") else None
    mask = (
        fit_along_edge(maker, area, whole, ground, rng, None if direction == "middle" else direction) if edge else None
    )
    if mask is None:
        room = (terrain.part.mask | whole.mask) & ~taken if name and placement.overflow else None
        mask = fit_inside(maker, area, ground, rng, direction, placement.overflow, room)
    taken |= dilate(mask, placement.gap_px)
    return mask


def _draw_component(terrain: PlacementMap, taken: Mask, rng: np.random.Generator) -> FreeArea:
    """A component with room, drawn by the square root of its area, so that small ones get their share too."""
    pieces = terrain.components
    room = [int(np.count_nonzero(piece.mask & ~taken)) for piece in pieces]
    weights = np.sqrt([free if 2 * free > piece.area else 0 for piece, free in zip(pieces, room, strict=True)])
    if not weights.any():
        return terrain.part
    return pieces[int(rng.choice(len(pieces), p=weights / weights.sum()))]


def _like_example(
    stencil: MaskTemplate,
    maker: ShapeDrawer,
    area: float,
    ground: FreeArea,
    rng: np.random.Generator,
    examples: ExampleMasks,
    component_at: Callable[[float, float], FreeArea],
) -> Mask | None:
    """The shape about where the example lies, on the component there if it fits, else across; None if it does not."""
    alike = examples.anchor.context if examples.anchor else None
    if alike is not None:
        places = alike.draw(rng, MAX_TRIES)
        for on in _narrowed(ground, component_at(*places[0])):
            mask = fit_at(maker, area, on, rng, places, stencil.axis)
            if mask is not None:
                return mask
    height, width = ground.mask.shape
    for on in _narrowed(ground, component_at(stencil.centre[0] * height, stencil.centre[1] * width)):
        mask = fit_near(maker, area, on, rng, stencil.centre, stencil.axis)
        if mask is not None:
            return mask
    return None


def _narrowed(ground: FreeArea, component: FreeArea) -> tuple[FreeArea, ...]:
    """The ground on the component, if that is less and not nothing, then the ground."""
    common = ground.mask & component.mask
    covered = int(np.count_nonzero(common))
    return (ground,) if covered in (0, ground.area) else (FreeArea(common), ground)


def _enhancement(placement: Placement) -> MaskEnhancement:
    """How example masks are changed (GAA, eq. 5)."""
    return MaskEnhancement(
        close_px=placement.close_px, delta=placement.delta, jitter=placement.jitter, bend=placement.bend
    )


def _shape_name(placement: Placement, label: str) -> str:
    return shape_for_label(label) if placement.shape == "auto" else placement.shape


def _free(ground: FreeArea, taken: Mask, what: str) -> FreeArea:
    if not taken.any():
        return ground
    free = ground.mask & ~taken
    if not free.any():
        raise InputError(f"placement: no room left on {what} for another defect; lower the count, the size or the gap")
    return FreeArea(free)


def _shape_drawer(
    placement: Placement,
    label: str,
    terrain: PlacementMap,
    ground: FreeArea,
    rng: np.random.Generator,
    examples: ExampleMasks,
) -> tuple[MaskTemplate | None, ShapeDrawer, float]:
    """The example it is like, what draws it at a given area and direction, and the area it should have in pixels."""
    stencil = None
    as_there = placement.follows_example
    area = exp(rng.uniform(log(placement.size_pct[0]), log(placement.size_pct[1]))) / 100 * terrain.part.area
    if examples.masks:
        stencil = MaskTemplate.from_mask(examples.choose(rng), terrain.shape)
        if as_there:
            area = stencil.area * rng.uniform(*_SIZE_JITTER)
        elif placement.size_like_examples:
            area = stencil.area * size_factor(stencil.area, examples.mean_area, placement.alpha) ** 2
    seed = int(rng.integers(2**63))
    if stencil is not None and placement.source != "shapes":
        params = _enhancement(placement) if placement.perturb and not as_there else None
        turns = placement.rotate and not as_there and (examples.anchor is None or examples.anchor.turns)
        return stencil, stencil.drawer(params, seed, turns), area
    name = _shape_name(placement, label)

    def draw(area_px: float, angle: float | None) -> Mask:
        own = np.random.default_rng(seed)
        drawn = float(own.uniform(0, pi))
        if angle is None:
            angle = drawn if placement.rotate else ground.axis
        return shape_patch(name, area_px, own, angle, ground.extent)

    return None, draw, area
