"""Masks on one component: those that a person drops, and those that rules place."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import InputError
from core.masks.morphology import components
from core.masks.placement.drop import DropShape
from core.masks.placement.free_area import PlacementMap
from core.masks.placement.planner import plan_masks
from core.placement_rules import Placement
from core.types import Mask, Region

SHAPE = (120, 160)


def disc(x: int, y: int, radius: int) -> Mask:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.asarray(np.hypot(rows - y, columns - x) <= radius)


def tray() -> PlacementMap:
    """A part with a nut, which has a hole, and a plate with a pin on it."""
    nut = disc(40, 60, 28) & ~disc(40, 60, 9)
    plate = disc(115, 60, 35)
    named = [Region("nut", nut), Region("plate", plate), Region("pin", disc(115, 60, 10))]
    return PlacementMap.from_masks(np.ones(SHAPE, np.bool_), named)


def touched(terrain: PlacementMap, mask: Mask) -> int:
    return sum(bool((piece.mask & mask).any()) for piece in terrain.components)


def test_components_are_disjoint_and_cover_the_part() -> None:
    pieces = [piece.mask for piece in tray().components]
    assert len(pieces) == 4 and (np.sum(pieces, axis=0) == 1).all()
    assert not (tray().component_at(60, 115).mask & ~disc(115, 60, 10)).any(), "the pin is not the plate"


@pytest.mark.parametrize("label", ["scratch", "crack", "stain"])
@pytest.mark.parametrize("kind", ["structural", "edge"])
def test_a_placed_defect_stays_on_one_component_unless_it_may_run_on(label: str, kind: str) -> None:
    terrain = tray()
    rules = Placement(anomaly_type=kind, size_pct=(1.0, 4.0))  # type: ignore[arg-type]
    found = [m for seed in range(20) for m in plan_masks(rules, label, terrain, np.random.default_rng(seed))]
    assert all(touched(terrain, mask) == 1 for mask in found)
    hit = {int(np.argmax([(piece.mask & mask).sum() for piece in terrain.components])) for mask in found}
    assert len(hit) == 4, "each component gets its share"
    free = rules.model_copy(update={"within": "part"})
    loose = [m for seed in range(20) for m in plan_masks(free, label, terrain, np.random.default_rng(seed))]
    assert any(touched(terrain, mask) > 1 for mask in loose)


def test_a_defect_like_an_example_keeps_to_the_component_where_the_example_lies() -> None:
    terrain, example = tray(), np.zeros(SHAPE, np.bool_)
    example[58:62, 8:34] = True
    example &= disc(40, 60, 28)
    rules = Placement(position="examples")
    for seed in range(10):
        (mask,) = plan_masks(rules, "scratch", terrain, np.random.default_rng(seed), [example])
        assert touched(terrain, mask) == 1


def test_without_regions_nothing_changes() -> None:
    terrain = PlacementMap.from_masks(disc(80, 60, 50))
    a, b = (
        plan_masks(Placement(within=within), "crack", terrain, np.random.default_rng(3))[0]  # type: ignore[arg-type]
        for within in ("component", "part")
    )
    assert np.array_equal(a, b)


@pytest.mark.parametrize("label", ["scratch", "crack", "stain", "dent"])
def test_a_dropped_mask_lies_under_the_pointer_on_that_component_in_one_piece(label: str) -> None:
    terrain = tray()
    for seed in range(12):
        shape = DropShape.for_label(label, terrain, np.random.default_rng(seed))
        mask = shape.dropped_at(62, 60, terrain)
        assert touched(terrain, mask) == 1 and (mask & disc(40, 60, 28)).any() and len(components(mask)) == 1
        rows, columns = np.nonzero(mask)
        assert np.hypot(columns.mean() - 62, rows.mean() - 60) < max(shape.patch.shape)


def test_a_dropped_mask_is_shaped_and_sized_like_the_labels_real_ones() -> None:
    example = np.zeros(SHAPE, np.bool_)
    example[50:54, 20:60] = True
    shape = DropShape.for_label("anything", tray(), np.random.default_rng(0), [example])
    assert abs(int(shape.patch.sum()) - 160) <= 16
    assert np.array_equal(DropShape(shape.patch).changed(1, 360).patch, shape.patch)


def test_the_wheel_scales_and_alt_turns() -> None:
    flat = DropShape(np.ones((4, 30), np.bool_))
    assert flat.changed(2, 0).patch.sum() == pytest.approx(4 * 120, rel=0.1)
    rows, columns = np.nonzero(flat.changed(1, 90).patch)
    assert np.ptp(rows) > 25 and np.ptp(columns) < 6
    rows, columns = np.nonzero(flat.changed(1, 45).patch)
    assert np.corrcoef(rows, columns)[0, 1] > 0.9, "clockwise as seen"
    outer = max(flat.outline(), key=len)
    assert max(abs(x) for x, _ in outer) == pytest.approx(15, abs=1)
    with pytest.raises(InputError, match="factor from 0.1 to 10"):
        flat.changed(40, 0)


def test_beside_the_part_the_person_is_believed() -> None:
    terrain = PlacementMap.from_masks(disc(40, 60, 20))
    bar = DropShape(np.ones((4, 60), np.bool_))
    assert not (bar.dropped_at(66, 60, terrain) & terrain.part.mask).any()
    assert not (bar.dropped_at(50, 60, terrain) & ~terrain.part.mask).any()
    ring = DropShape(disc(80, 60, 40) & ~disc(80, 60, 35))
    with pytest.raises(InputError, match="nearer to its middle"):
        ring.dropped_at(40, 60, terrain)
