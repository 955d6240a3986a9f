"""The layout engine and the surface: places on one surface only, light that is no shadow, crumbs of a part."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.engines.api import Context
from core.engines.ground.aligned import OtherPhoto
from core.engines.ground.other_photos import taken_elsewhere
from core.engines.layout.cutout import cut_out_part
from core.engines.layout.ground_edges import ground_edges
from core.engines.layout.work_area import blur, sampled_pixels
from core.engines.registry import engine
from core.errors import InputError
from core.images.geometry import dilated
from core.types import NormalImage, Region, Request, Sample

SIDE = 200


def disc(y: float, x: float, radius: float) -> np.ndarray:
    rows, columns = np.ogrid[:SIDE, :SIDE]
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


def grain(seed: int = 0, strength: float = 5) -> np.ndarray:
    field = cv2.GaussianBlur(np.random.default_rng(seed).standard_normal((SIDE, SIDE)), (0, 0), 1.5)
    return field / field.std() * strength


def photo_of(field: np.ndarray) -> np.ndarray:
    return np.repeat(np.clip(np.rint(field), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def tray() -> tuple[np.ndarray, np.ndarray]:
    """Four slots of 84 pixels in a dark frame, and where the frame is."""
    frame = np.ones((SIDE, SIDE), np.bool_)
    for y in (10, 106):
        for x in (10, 106):
            frame[y : y + 84, x : x + 84] = False
    return np.where(frame, 50, 110) + grain(), frame


def run(field: np.ndarray, parts: dict[str, np.ndarray], seed: int = 0, **params: object) -> Sample:
    field = field.copy()
    for mask in parts.values():
        field[mask] = 210
    regions = tuple(Region(name, mask) for name, mask in parts.items())
    request = Request(NormalImage("id", "tray.png", photo_of(field)), "odd", params, seed, regions=regions)
    (sample,) = engine("layout").generate(request, Context())
    return sample


@pytest.mark.parametrize("op", ["duplicate", "move"])
@pytest.mark.parametrize("seed", range(6))
def test_parts_are_put_on_the_slots_not_on_the_frame(op: str, seed: int) -> None:
    field, frame = tray()
    sample = run(field, {"disc": disc(52, 52, 24)}, seed, op=op)
    bright = cv2.medianBlur(sample.image[..., 0], 3) > 170
    assert bright.sum() > 0.9 * disc(52, 52, 24).sum()
    assert (bright & frame).sum() < 0.1 * bright.sum()


def test_a_full_tray_has_no_place_for_one_more() -> None:
    field, _ = tray()
    parts = {f"disc_{i}": disc(y, x, 30) for i, (y, x) in enumerate([(52, 52), (52, 148), (148, 52), (148, 148)])}
    with pytest.raises(InputError, match="no free place for region 'disc_[0-3]' that is all one surface"):
        run(field, parts, op="duplicate")


def test_a_part_that_finds_no_place_as_it_lay_is_turned() -> None:
    field = 120 + grain(1, 1.5)
    bar, free = np.zeros(field.shape, bool), np.zeros(field.shape, bool)
    bar[20:32, 20:110] = True
    free[60:190, 130:170] = True
    walls = ~free & ~cv2.dilate(bar.astype(np.uint8), np.ones((9, 9))).astype(bool)
    sample = run(field, {"bar": bar, "walls": walls}, op="duplicate", region="bar", shadow=False)
    rows, columns = np.nonzero(sample.mask & free)
    assert np.ptp(rows) > 70 > 40 > np.ptp(columns)
    with pytest.raises(InputError, match="turned or not; drag the part"):
        run(field, {"bar": bar, "walls": walls}, op="duplicate", region="bar", shadow=False, angle=0)


def test_a_lively_surface_is_still_one() -> None:
    field = 120 + grain(1, 30)
    assert run(field, {"disc": disc(60, 60, 22)}, op="duplicate").mask.any()


def test_light_that_falls_off_is_not_taken_for_a_shadow() -> None:
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    field = 150 - 220 * (rows - 0.3) ** 2 - 40 * (columns - 0.6) ** 2 + grain(2, 1.5)
    part = disc(100, 100, 34)
    field[part] = 220
    lifted = cut_out_part(photo_of(field), part, np.zeros_like(part))
    about = dilated(part, 12) & ~dilated(part, 3)
    assert lifted.shadow.cast(part.astype(np.float32))[about].mean() > 0.985


def test_crumbs_of_a_part_that_its_region_misses_go_with_it() -> None:
    field = 110 + grain(3, 3)
    whole = disc(100, 100, 30)
    field[whole] = 215
    tip = (slice(66, 70), slice(98, 102))
    field[tip] = 215
    sample_of = Request(
        NormalImage("id", "x", photo_of(field)), "odd", {"op": "remove"}, 0, regions=(Region("disc", whole),)
    )
    (sample,) = engine("layout").generate(sample_of, Context())
    assert sample.image[tip].max() < 140


@pytest.mark.parametrize("sigma", [0.5, 3.0, 4.5, 8.0, 16.0])
def test_a_wide_blur_worked_out_small_is_the_blur(sigma: float) -> None:
    field = (disc(90, 110, 40) * 100).astype(np.float32)[:190]
    exact = cv2.GaussianBlur(field, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    assert np.abs(blur(field, sigma) - exact).max() < 2 and np.abs(blur(field, sigma) - exact).mean() < 0.4


def test_some_pixels_are_few_and_chosen() -> None:
    mask = disc(100, 100, 50)
    picked = sampled_pixels(np.where(mask, 1, 0), mask, 500)
    assert 500 <= picked.size < 1000 and (picked == 1).all()
    assert sampled_pixels(np.arange(9).reshape(3, 3), np.eye(3, dtype=bool), 100).tolist() == [0, 4, 8]


def test_widened_is_a_disc_about_each_pixel() -> None:
    point = np.zeros((21, 21), np.bool_)
    point[10, 10] = True
    wide = dilated(point, 5)
    assert wide[5, 10] and wide[10, 15] and not wide[4, 10] and not wide[5, 5]
    assert np.array_equal(dilated(point, 0), point)


def test_an_extra_part_does_not_lie_across_a_thin_wall() -> None:
    rng = np.random.default_rng(3)
    photo = 120 + rng.normal(0, 1.5, (300, 300))
    # Too thin to make the surface uneven, and plainly seen.
    photo[:, 150:152] = 100
    mask = cv2.circle(np.zeros((300, 300), np.uint8), (60, 60), 30, 1, -1) > 0
    photo[mask] = 200
    pixels = np.clip(photo, 0, 255).astype(np.uint8)[..., None].repeat(3, 2)
    for seed in range(6):
        request = Request(
            NormalImage("n", "n.png", pixels), "odd", {"op": "duplicate", "region": "disc"}, seed,
            regions=(Region("disc", mask),),
        )  # fmt: skip
        (sample,) = engine("layout").generate(request, Context())
        columns = np.flatnonzero((sample.mask & ~mask).any(axis=0))
        assert columns.max() < 150 or columns.min() >= 152


def test_an_extra_part_lies_near_where_parts_are_known_to_lie() -> None:
    field = 120 + grain(5, 1.5)
    parts = {"disc": disc(30, 30, 14), "ring": disc(30, 100, 14)}
    for seed in range(6):
        sample = run(field, parts, seed, op="duplicate", region="disc", shadow=False)
        assert np.flatnonzero(sample.mask.any(axis=1)).max() < 125


def test_an_extra_part_keeps_off_the_soft_foot_of_a_wall() -> None:
    field = 120 + grain(5, 1.0)
    # Rises by 18 levels in 24 pixels: no edge anywhere, and no flat floor.
    field += 18 / (1 + np.exp(-(np.arange(SIDE) - 110) / 5))
    for seed in range(6):
        sample = run(field, {"disc": disc(100, 40, 18)}, seed, op="duplicate", shadow=False)
        columns = np.flatnonzero(sample.mask.any(axis=0))
        assert columns.max() < 105 or columns.min() > 115


def test_what_lies_the_same_on_all_photos_tells_no_place_of_a_part() -> None:
    fixed, left, right = disc(150, 100, 20), disc(50, 50, 20), disc(50, 150, 20)
    photo = photo_of(120 + grain())
    others = [OtherPhoto(photo, np.eye(2, 3), fixed | moving) for moving in (left, right)]
    assert np.array_equal(taken_elsewhere(others, (SIDE, SIDE)), left | right)
    assert not taken_elsewhere(others[:1], (SIDE, SIDE)).any()


def test_several_photos_tell_a_faint_wall_from_grain_and_from_shade() -> None:
    field = np.full((SIDE, SIDE), 110.0)
    field[120:] += 5
    field[:, 20:60] += np.linspace(0, -40, 40)
    field[:, 60:] -= 40
    photos = [photo_of(field + grain(seed, 3)) for seed in range(8)]
    bare = np.zeros((SIDE, SIDE), np.bool_)
    ring = np.zeros((100, 100), np.bool_)
    ring[20:30, 60:70] = True
    alone = ground_edges(photos[0], bare, (), 2, ring)
    found = ground_edges(photos[0], bare, [OtherPhoto(one, np.eye(2, 3), bare) for one in photos[1:]], 2, ring)
    assert found.lasting and not alone.lasting
    assert found.cells[58:62, 35:].max(axis=0).mean() > 0.9 > 0.5 > alone.cells[58:62, 35:].max(axis=0).mean()
    assert found.cells[5:50].mean() < 0.02


def test_photos_whose_parts_nobody_named_tell_no_edges() -> None:
    photo = photo_of(120 + grain())
    none, ring = np.zeros((SIDE, SIDE), np.bool_), np.ones((100, 100), np.bool_)
    assert not ground_edges(photo, none, [OtherPhoto(photo, np.eye(2, 3))] * 5, 2, ring).lasting
