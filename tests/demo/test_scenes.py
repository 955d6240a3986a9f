"""Scenes of the demo products: the same for a seed, true to the pixel, named right. No renderer is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.demo import scenes
from core.demo.scenes import FAULTS, PRODUCTS, VISIBLE, load_sheet
from core.errors import Unavailable

SIDE = 192
CASES = [(product, fault) for product in PRODUCTS for fault in FAULTS[product]]


@pytest.fixture(scope="module")
def sheet() -> scenes.Sheet:
    return load_sheet()


def test_no_renderer_is_needed() -> None:
    code = "import sys, core.demo.scenes as s; s.load_sheet(); sys.exit('mitsuba' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0


def test_a_missing_sheet_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no sprite sheet; make it with python -m tools.demo_product render"):
        load_sheet.__wrapped__(tmp_path)


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_seed_is_a_scene(product: str, sheet: scenes.Sheet) -> None:
    for build in (scenes.normal, scenes.varied):
        first = scenes.make(build(product, 3), SIDE, sheet)
        again = scenes.make(build(product, 3), SIDE, load_sheet.__wrapped__())
        other = scenes.make(build(product, 4), SIDE, sheet)
        assert first.image.dtype == np.uint8 and first.image.shape == (SIDE, SIDE, 3)
        assert (first.image == again.image).all()
        assert (first.image != other.image).mean() > 0.5
        assert all((first.instances[k] == again.instances[k]).all() for k in first.instances)


@pytest.mark.parametrize(("product", "fault"), CASES, ids=[f"{p}-{f.label}" for p, f in CASES])
def test_the_mask_is_what_differs(product: str, fault: scenes.Fault, sheet: scenes.Sheet) -> None:
    twin = scenes.faulty(product, 5, fault, SIDE, sheet)
    strength = np.abs(twin.after.levels - twin.before.levels).max(axis=2)
    specks = (strength > VISIBLE) & ~twin.mask
    assert twin.mask.any()
    # Noise is the same in both, so the pictures show the mask too, but for rounding at its threshold.
    shown = np.abs(twin.after.image.astype(int) - twin.before.image).max(axis=2)
    parts = np.logical_or.reduce([np.zeros_like(twin.mask), *twin.before.instances.values()])
    parts |= np.logical_or.reduce([np.zeros_like(twin.mask), *twin.after.instances.values()])
    assert (shown[twin.mask & ~parts] > VISIBLE - 2).all()
    assert (shown[twin.mask] > VISIBLE - 2).mean() > 0.8
    assert shown[~twin.mask & ~specks].max() <= VISIBLE + 1
    assert not (strength[twin.mask & ~parts] <= VISIBLE).any()
    assert specks.sum() <= 0.05 * twin.mask.sum() + 8
    # Far from the change nothing at all differs.
    assert (twin.after.image == twin.before.image).all(axis=2)[strength == 0].all()


@pytest.mark.parametrize(("product", "fault"), CASES, ids=[f"{p}-{f.label}" for p, f in CASES])
def test_changes_make_up_the_mask(product: str, fault: scenes.Fault, sheet: scenes.Sheet) -> None:
    twin = scenes.faulty(product, 6, fault, SIDE, sheet)
    assert all((change <= twin.mask).all() and change.any() for change in twin.changes)
    union = np.logical_or.reduce(twin.changes)
    assert (union & twin.mask).sum() / twin.mask.sum() > 0.9
    assert len(twin.changes) == {"swapped": 2, "scratch_and_dent": 2}.get(fault.label, 1)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), product=st.sampled_from(PRODUCTS[:2]))
def test_instances_are_apart_and_a_gone_part_covers_its_mask(seed: int, product: str) -> None:
    sheet = load_sheet()
    spec = scenes.normal(product, seed)
    slot = spec.items[seed % len(spec.items)].slot
    twin = scenes.twins(spec, spec.without(slot), SIDE, sheet)
    assert np.sum(list(twin.before.instances.values()), axis=0).max() <= 1
    assert slot not in twin.after.instances
    seen = twin.before.instances[slot]
    assert seen.sum() > 40
    assert twin.mask[seen].all()
    # Beyond the part only its shadow and what it hid change: the neighbourhood of the part.
    near = cv2.dilate(seen.astype(np.uint8), np.ones((31, 31), np.uint8)) > 0
    assert not (twin.mask & ~near).any()
    assert all(
        (twin.after.instances[n] & ~m).sum() < 0.35 * seen.sum()
        for n, m in twin.before.instances.items()
        if n in twin.after.instances
    )


def test_captions_name_what_is_there() -> None:
    spec = scenes.normal("fastener_tray", 0)
    assert scenes.caption(spec) == "a fastener tray with a bolt, a nut, two washers, a spring, a clip and a cap"
    assert "a washer" in scenes.caption(spec.without("washer_1")) and "nut" not in scenes.caption(spec.without("nut"))
    empty = spec
    for item in spec.items:
        empty = empty.without(item.slot)
    assert scenes.caption(empty) == "an empty fastener tray"
    assert "four screws" in scenes.caption(scenes.normal("gear_unit", 0))
    plate = scenes.faulty("brushed_plate", 0, FAULTS["brushed_plate"][-1], 64).after
    assert plate.caption == "a brushed steel plate with a scratch and a dent"


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), product=st.sampled_from(PRODUCTS))
def test_a_caption_counts_its_components(seed: int, product: str) -> None:
    spec = scenes.varied(product, seed)
    text = scenes.caption(spec)
    for item in spec.items:
        assert item.word in text
    for word in {"bolt", "nut", "spring", "clip", "cap", "gear", "pinion", "bearing", "lever"} - {
        i.word for i in spec.items
    }:
        assert word not in text.replace("gear unit", "").replace("fastener", "").split("with")[-1]


def test_twins_refuse_other_cameras() -> None:
    with pytest.raises(ValueError, match="camera"):
        scenes.twins(scenes.normal("gear_unit", 1), scenes.normal("gear_unit", 2), 64)


def test_an_empty_slot_is_named() -> None:
    with pytest.raises(KeyError, match="widget"):
        scenes.normal("fastener_tray", 1).without("widget")


def test_gears_mesh(sheet: scenes.Sheet) -> None:
    """Whatever the gear's angle, teeth stand in gaps: the two parts share next to no ground."""
    for seed in range(6):
        spec = scenes.normal("gear_unit", seed)
        alone = scenes.make(spec.without("pinion"), 256, sheet).instances["gear"]
        both = scenes.make(spec, 256, sheet).instances["gear"]
        pinion = scenes.make(spec, 256, sheet).instances["pinion"]
        assert (alone & ~both).sum() < 0.03 * pinion.sum()
