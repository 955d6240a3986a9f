from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.errors import InputError, MaskError, NotFound
from core.masks.morphology import components, dilate, distance_to_mask
from core.masks.placement.free_area import FreeArea, PlacementMap
from core.masks.placement.mask_template import long_axis
from core.masks.placement.planner import plan_mask, plan_masks
from core.masks.shapes import SHAPES, draw_shape
from core.placement_rules import Placement
from core.types import Region

seeds = st.integers(0, 2**32 - 1)


def disc(shape, cy, cx, radius):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(y - cy, x - cx) <= radius


def bar(shape, angle, length, width):
    y, x = np.mgrid[: shape[0], : shape[1]]
    y, x = y - shape[0] / 2, x - shape[1] / 2
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return (abs(along) < length / 2) & (abs(across) < width / 2)


@st.composite
def photos(draw):
    """(object mask, regions on it, examples): blobs at random, from dots to most of a frame of up to 150 px."""
    shape = draw(st.tuples(st.integers(24, 150), st.integers(24, 150)))
    rng = np.random.default_rng(draw(seeds))
    part = np.ones(shape, bool)
    if draw(st.booleans()):
        part = draw_shape("blob", shape, rng.uniform(0.2, 0.6) * part.size, rng)
    regions = []
    for name in "abc"[: draw(st.integers(0, 3))]:
        row, col = rng.permutation(np.argwhere(part))[0]
        mask = disc(shape, row, col, rng.uniform(2, 0.4 * min(shape))) & part
        if mask.sum() >= 9:
            regions.append(Region(name, mask))
    examples = [draw_shape("crack", (90, 90), rng.uniform(20, 300), rng) for _ in range(draw(st.integers(0, 3)))]
    return part, regions, examples


@settings(deadline=None, max_examples=120)
@given(photos(), seeds, st.data())
def test_masks_lie_on_their_ground_disjoint_and_not_empty(photo, seed, data):
    part, regions, examples = photo
    names = [r.name for r in regions]
    kinds = ["structural", "edge", "combined"] + (["logical"] if regions else [])
    low = data.draw(st.floats(0.05, 5))
    settings_ = Placement(
        anomaly_type=data.draw(st.sampled_from(kinds)),
        shape=data.draw(st.sampled_from(["auto", "crack", "scratch", "pits", "chip", "stain"])),
        regions=tuple(data.draw(st.sets(st.sampled_from(names), max_size=2))) if names else (),
        count=1,
        size_pct=(low, low * 2),
        size_like_examples=data.draw(st.booleans()),
        align=data.draw(st.sampled_from(["auto", "none", "axis", "edge"])),
        position=data.draw(st.sampled_from(["anywhere", "examples"])),
        rotate=data.draw(st.booleans()),
        gap_px=1,
    )
    terrain = PlacementMap.from_masks(part, regions)
    try:
        masks = plan_masks(settings_, "crack", terrain, np.random.default_rng(seed), examples)
    except InputError as error:
        assert "no room left" in str(error) and settings_.anomaly_type == "combined"
        return
    assert len(masks) == (2 if settings_.anomaly_type == "combined" else 1)
    for mask in masks:
        assert mask.shape == part.shape and mask.dtype == bool and mask.any()
        assert not (mask & ~part).any()
        if settings_.regions and settings_.anomaly_type != "combined":
            assert any(not (mask & ~r.mask).any() for r in regions if r.name in settings_.regions)
    if len(masks) == 2:
        assert not (dilate(masks[0], 1) & masks[1]).any()
    union = plan_mask(
        settings_, "crack", part.shape, np.random.default_rng(seed), regions, part, examples, terrain=terrain
    )
    assert np.array_equal(union, np.any(masks, axis=0))


@pytest.mark.parametrize("shape", ["crack", "scratch", "spot", "blob", "chip", "stain", "pits"])
def test_sizes_are_within_the_range_asked_for(shape):
    part = disc((300, 400), 150, 200, 130)
    terrain = PlacementMap.from_masks(part)
    shares = [
        100 * plan_masks(Placement(shape=shape, size_pct=(0.5, 1.5)), "x", terrain, np.random.default_rng(s))[0].sum()
        / part.sum()
        for s in range(15)
    ]  # fmt: skip
    assert 0.4 < min(shares) and max(shares) < 1.75
    assert np.ptp(shares) > 0.3


def test_sizes_like_the_examples_follow_equation_6():
    rng = np.random.default_rng(0)
    examples = [draw_shape("spot", (200, 200), area, rng) for area in (150, 300, 600)]
    terrain = PlacementMap.from_masks(np.ones((200, 200), bool))
    for source in ("examples", "shapes"):
        for alpha, spread in ((1.0, 0.08), (0.0, 0.35)):
            settings_ = Placement(alpha=alpha, source=source, shape="spot")
            areas = [
                plan_masks(settings_, "x", terrain, np.random.default_rng(s), examples)[0].sum() for s in range(9)
            ]
            assert all(abs(area / 350 - 1) < spread for area in areas)


def test_example_masks_are_moved_unchanged_where_nothing_may_vary():
    example = draw_shape("chip", (80, 80), 200, np.random.default_rng(5))
    rows, cols = np.nonzero(example)
    patch = example[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1]
    still = Placement(source="examples", perturb=False, rotate=False)
    corners = set()
    for seed in range(8):
        mask = plan_masks(
            still, "chip", PlacementMap.from_masks(np.ones((120, 120), bool)), np.random.default_rng(seed), [example]
        )[0]
        rows, cols = np.nonzero(mask)
        corners.add((rows.min(), cols.min()))
        assert np.array_equal(mask[rows.min() : rows.max() + 1, cols.min() : cols.max() + 1], patch)
    assert len(corners) > 5


def test_examples_of_a_much_larger_photo_are_brought_to_scale():
    example = draw_shape("spot", (900, 900), 8100, np.random.default_rng(5))
    terrain = PlacementMap.from_masks(np.ones((90, 90), bool))
    mask = plan_masks(Placement(source="examples"), "x", terrain, np.random.default_rng(0), [example])[0]
    assert 60 <= mask.sum() <= 105


@pytest.mark.parametrize("angle", [0.3, 1.2, 2.4])
@pytest.mark.parametrize("source", ["shapes", "examples"])
def test_aligned_masks_follow_the_long_axis(angle, source):
    terrain = PlacementMap.from_masks(bar((240, 240), angle, 220, 50))
    assert abs((terrain.part.axis - angle + np.pi / 2) % np.pi - np.pi / 2) < 0.03
    examples = [draw_shape("scratch", (200, 200), 150, np.random.default_rng(s)) for s in range(3)]
    settings_ = Placement(align="axis", source=source, shape="scratch", size_pct=(1, 2))
    for seed in range(8):
        mask = plan_masks(settings_, "scratch", terrain, np.random.default_rng(seed), examples)[0]
        assert abs((long_axis(mask) - angle + np.pi / 2) % np.pi - np.pi / 2) < 0.35


def wire(width):
    """Half a ring of radius 80 and ``width`` on a part of 260x260 that is a disc of radius 120."""
    part, y = disc((260, 260), 130, 130, 120), np.mgrid[:260, :260][0]
    ring = disc((260, 260), 130, 130, 80 + width / 2) & ~disc((260, 260), 130, 130, 80 - width / 2)
    return PlacementMap.from_masks(part, [Region("wire", ring & (y < 130))])


@pytest.mark.parametrize("width", [4, 12])
def test_masks_on_the_middle_line_follow_a_bent_region(width):
    terrain = wire(width)
    points, directions = terrain.regions["wire"].middle_line
    assert len(points) > 100 and np.abs(np.hypot(*(points - 130).T) - 80).max() < 2.5
    for seed in range(8):
        rng = np.random.default_rng(seed)
        placed = Placement(align="middle", regions=("wire",), shape="scratch", size_pct=(0.2, 0.4))
        mask = plan_masks(placed, "x", terrain, rng)[0]
        assert not (mask & ~terrain.regions["wire"].mask).any()
        rows, cols = np.nonzero(mask)
        assert abs(np.hypot(rows.mean() - 130, cols.mean() - 130) - 80) < 4
        radial = np.arctan2(rows.mean() - 130, cols.mean() - 130)
        assert abs((long_axis(mask) - radial) % np.pi - np.pi / 2) < 0.45


def test_defects_may_reach_past_their_region_but_not_past_the_part():
    terrain = wire(12)
    region = terrain.regions["wire"].mask
    shares = []
    for seed in range(16):
        for align in ("none", "middle"):
            placed = Placement(align=align, regions=("wire",), shape="blob", size_pct=(0.3, 0.6), overflow=0.4)
            mask = plan_masks(placed, "x", terrain, np.random.default_rng(seed))[0]
            assert not (mask & ~terrain.part.mask).any()
            shares.append((mask & ~region).sum() / mask.sum())
    assert 0.1 < np.median(shares) and max(shares) <= 0.45


def test_every_ground_has_a_middle_line():
    spots = (disc((40, 60), 20, 30, 0.4), disc((40, 60), 20, 30, 12), np.ones((40, 60), bool), bar((40, 60), 1, 30, 1))
    for mask in spots:
        points, directions = FreeArea(mask).middle_line
        assert len(points) == len(directions) > 0 and ((0 <= directions) & (directions < np.pi)).all()
        assert mask[np.round(points[:, 1]).astype(int), np.round(points[:, 0]).astype(int)].all()


def test_edge_masks_touch_the_edge_and_run_along_it():
    part = disc((260, 260), 130, 130, 100)
    terrain = PlacementMap.from_masks(part)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        mask = plan_masks(Placement(anomaly_type="edge", shape="scratch", size_pct=(0.5, 1)), "x", terrain, rng)[0]
        assert distance_to_mask(~part)[mask].min() <= 4
        rows, cols = np.nonzero(mask)
        radial = np.arctan2(rows.mean() - 130, cols.mean() - 130)
        assert abs((long_axis(mask) - radial) % np.pi - np.pi / 2) < 0.5


def test_places_cover_the_region_evenly():
    terrain = PlacementMap.from_masks(np.ones((128, 128), bool), [Region("left", disc((128, 128), 64, 40, 34))])
    settings_ = Placement(regions=("left",), shape="spot", size_pct=(0.1, 0.2))
    centres = np.array(
        [
            np.argwhere(plan_masks(settings_, "x", terrain, np.random.default_rng(s))[0]).mean(axis=0)
            for s in range(150)
        ]
    )
    assert np.allclose(centres.mean(axis=0), (64, 40), atol=4)
    assert centres.std(axis=0).min() > 0.4 * 34


def test_logical_is_the_region_itself_and_count_takes_several():
    shape = (100, 100)
    regions = [Region("nut", disc(shape, 30, 30, 12)), Region("bolt", disc(shape, 70, 70, 15))]
    terrain = PlacementMap.from_masks(np.ones(shape, bool), regions)
    one = plan_masks(
        Placement(anomaly_type="logical", regions=("bolt",)), "missing", terrain, np.random.default_rng(0)
    )
    assert len(one) == 1 and np.array_equal(one[0], regions[1].mask)
    two = plan_masks(Placement(source="regions", count=2), "missing", terrain, np.random.default_rng(0))
    assert {m.tobytes() for m in two} == {r.mask.tobytes() for r in regions}
    with pytest.raises(InputError, match="3 whole regions"):
        plan_masks(Placement(anomaly_type="logical", count=3), "missing", terrain, np.random.default_rng(0))


def test_combined_mixes_a_whole_region_with_defects_elsewhere():
    shape = (140, 140)
    nut = disc(shape, 40, 40, 18)
    terrain = PlacementMap.from_masks(np.ones(shape, bool), [Region("nut", nut)])
    masks = plan_masks(Placement(anomaly_type="combined", count=4, gap_px=3), "x", terrain, np.random.default_rng(0))
    assert len(masks) == 4 and np.array_equal(masks[0], nut)
    for i, mask in enumerate(masks):
        others = np.any(masks[:i] + masks[i + 1 :], axis=0)
        assert not (dilate(mask, 3) & others).any()


def test_a_region_off_the_part_is_believed_and_one_across_its_edge_is_cut():
    part = np.zeros((80, 80), bool)
    part[:, :40] = True
    off, across = disc((80, 80), 40, 65, 10), disc((80, 80), 40, 35, 10)
    terrain = PlacementMap.from_masks(part, [Region("off", off), Region("across", across)])
    assert np.array_equal(terrain.region("off").mask, off)
    assert np.array_equal(terrain.region("across").mask, across & part)


def test_a_ground_thinner_than_a_cell_still_bears_a_mask():
    part = np.zeros((1000, 900), bool)
    part[501, 100:800] = True
    mask = plan_masks(Placement(size_pct=(5, 5)), "spot", PlacementMap.from_masks(part), np.random.default_rng(0))[0]
    assert mask.any() and not (mask & ~part).any()
    assert FreeArea(part).deepest[1] == 501


def test_every_shape_can_be_chosen():
    assert set(get_args(Placement.model_fields["shape"].annotation)) == {"auto", *SHAPES}


def test_mistakes_are_named():
    rng = np.random.default_rng(0)
    terrain = PlacementMap.from_masks(np.ones((60, 60), bool), [Region("nut", disc((60, 60), 30, 30, 9))])
    with pytest.raises(NotFound, match="'bolt': not on this photo .there are: nut"):
        plan_masks(Placement(regions=("bolt",)), "x", terrain, rng)
    with pytest.raises(InputError, match="no example masks"):
        plan_masks(Placement(source="examples"), "x", terrain, rng, [np.zeros((60, 60), bool)])
    with pytest.raises(InputError, match="need a region"):
        plan_masks(Placement(anomaly_type="logical"), "x", PlacementMap.from_masks(np.ones((60, 60), bool)), rng)
    tiny = PlacementMap.from_masks(np.ones((60, 60), bool), [Region("dot", disc((60, 60), 30, 30, 1))])
    with pytest.raises(InputError, match="5 px are too few"):
        plan_masks(Placement(regions=("dot",)), "x", tiny, rng)
    with pytest.raises(InputError, match="no room left"):
        plan_masks(Placement(count=50, gap_px=40), "x", terrain, rng)
    with pytest.raises(MaskError, match="object mask: it is empty"):
        PlacementMap.from_masks(np.zeros((60, 60), bool))
    with pytest.raises(ValidationError, match="size_pct: expected 0 < smallest"):
        Placement(size_pct=(3, 1))
    with pytest.raises(ValidationError, match="Extra inputs"):
        Placement(sise_pct=(1, 2))


def test_a_given_range_wins_over_the_examples_and_survives_a_round_trip():
    assert Placement().size_like_examples
    ranged = Placement(size_pct=(1, 2))
    assert not ranged.size_like_examples
    assert Placement(**ranged.model_dump(mode="json")) == ranged
    assert Placement(**Placement().model_dump(mode="json")) == Placement()


def test_one_piece_shapes_stay_in_one_piece_when_cut():
    terrain = PlacementMap.from_masks(disc((200, 200), 100, 100, 60))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        mask = plan_masks(Placement(anomaly_type="edge", shape="crack", size_pct=(2, 4)), "x", terrain, rng)[0]
        assert len(components(mask)) == 1


@settings(deadline=None, max_examples=40)
@given(seeds, st.sampled_from([(0.1, 0.1), (0.5, 0.9), (0.5, 0.5)]), st.floats(0, np.pi))
def test_a_defect_goes_where_its_example_lies_and_lies_as_it_does(seed, where, angle):
    example = np.roll(bar((100, 140), angle, 24, 6), (int(100 * where[0]) - 50, int(140 * where[1]) - 70), (0, 1))
    example &= disc(example.shape, 100 * where[0], 140 * where[1], 20)
    part = np.ones((150, 210), bool)
    rule = Placement(position="examples", alpha=0)
    mask = plan_mask(rule, "crack", part.shape, np.random.default_rng(seed), [], part, [example])
    rows, cols = np.nonzero(mask)
    assert abs(rows.mean() / 150 - where[0]) < 0.2 and abs(cols.mean() / 210 - where[1]) < 0.2
    if where == (0.5, 0.5):
        turn = (long_axis(mask) - angle + np.pi / 2) % np.pi - np.pi / 2
        assert abs(turn) < 0.5


def test_a_defect_whose_example_lies_off_this_part_goes_elsewhere_on_it():
    part = disc((120, 120), 60, 95, 20)
    example = disc((120, 120), 20, 15, 6)
    rule = Placement(position="examples")
    mask = plan_mask(rule, "spot", part.shape, np.random.default_rng(0), [], part, [example])
    assert mask.any() and not (mask & ~part).any()
