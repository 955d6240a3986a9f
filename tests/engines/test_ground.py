"""What is behind a part: from other good photos where they show it, else from the light and grain around."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.device import numpy_rng
from core.engines.api import Context
from core.engines.ground.aligned import OtherPhoto, aligned_crop
from core.engines.ground.other_photos import MOST, chosen_ids
from core.engines.ground.reveal import without_part
from core.engines.ground.shadow import fit_shadow
from core.engines.registry import engine
from core.errors import NotFound
from core.images.fill.sheet import fill_sheet
from core.types import Image, NormalImage, Region, Request, Sample

SIDE = 220
SPOT = (115, 70)
"""Where a mark lies on the ground, (x, y), under the part of the edited photo."""


def ground() -> np.ndarray:
    """A tray with two walls, a slope of light and a dark mark."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    field = 110 + 30 * rows + 12 * columns + 2 * cv2.GaussianBlur(numpy_rng(1).normal(0, 4, (SIDE, SIDE)), (0, 0), 1.5)
    field[:, 22:28] = 60
    field[190:196] = 170
    cv2.circle(field, SPOT, 7, 60.0, -1)
    return field


def photo(part: tuple[int, int] | None, seed: int, shift: tuple[float, float] = (0, 0), gain: float = 1.0) -> Image:
    """The tray with a bright part at (x, y) and its soft shadow, seen by a camera that moves, as uint8 (H, W, 3)."""
    field = ground()
    if part is not None:
        disc = cv2.circle(np.zeros_like(field), part, 22, 1.0, -1, cv2.LINE_8)
        field *= 1 - 0.35 * cv2.GaussianBlur(np.roll(disc, (4, 4), (0, 1)), (0, 0), 4)
        field = np.where(disc > 0, 215, field)
    move = np.float64([[1, 0, shift[0]], [0, 1, shift[1]]])
    field = cv2.warpAffine(field, move, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT) * gain
    noise = numpy_rng(seed, "noise").normal(0, 0.8, (SIDE, SIDE))
    return np.clip(np.rint(field + noise), 0, 255).astype(np.uint8)[..., None].repeat(3, 2)


def disc(part: tuple[int, int]) -> np.ndarray:
    return cv2.circle(np.zeros((SIDE, SIDE), np.uint8), part, 22, 1, -1) > 0


class Photos:
    """A product's good photos."""

    def __init__(self, photos: dict[str, Image]) -> None:
        self.photos = photos

    def normal_ids(self) -> tuple[str, ...]:
        return tuple(self.photos)

    def normal(self, normal_id: str) -> NormalImage:
        if normal_id not in self.photos:
            raise NotFound(normal_id)
        return NormalImage(normal_id, normal_id, self.photos[normal_id])

    def nearest(self, image: Image, cancelled: object = None) -> NormalImage:
        raise AssertionError


def others() -> dict[str, Image]:
    places = [(60, 120), (150, 130), (90, 150), (160, 60), (60, 60)]
    moves = [(1.5, -0.5), (-1, 2), (0.5, 0.5), (2, 1), (-1.5, -1)]
    return {f"o{i}": photo(p, i + 10, m, 1 + 0.03 * i) for i, (p, m) in enumerate(zip(places, moves, strict=True))}


def edited(goods: dict[str, Image], ids: tuple[str, ...] | None = None, **params: object) -> Sample:
    part = Region("disc", disc(SPOT))
    params = {"op": "remove", "region": "disc", **params}
    normal = NormalImage("n", "n.png", photo(SPOT, 3))
    request = Request(normal, "odd", params, 0, regions=(part,), normal_ids=ids)
    return next(iter(engine("layout").generate(request, Context(normals=Photos(goods) if goods else None))))


def test_other_photos_show_what_the_part_hides() -> None:
    truth, mark = photo(None, 3), cv2.circle(np.zeros((SIDE, SIDE), np.uint8), SPOT, 6, 1, -1) > 0
    alone, known = edited({}), edited(others())
    assert known.image[mark].mean() < 75 < 100 < alone.image[mark].mean()
    inside = disc(SPOT)
    off = np.abs(known.image[inside].astype(float) - truth[inside]).mean()
    assert off < 4 and off < 0.4 * np.abs(alone.image[inside].astype(float) - truth[inside]).mean()


def test_what_a_model_drew_is_shown_in_the_photos_light() -> None:
    truth, pixels = photo(None, 3), photo(SPOT, 3)
    drawn = (ground() - 25)[..., None].repeat(3, 2).astype(np.float32)
    parts = disc(SPOT), np.zeros((SIDE, SIDE), np.bool_)
    bared = without_part(pixels, *parts, 2.0, (), numpy_rng(0), fill=drawn)
    inside = disc(SPOT)
    assert np.abs(bared.image[inside].astype(float) - truth[inside]).mean() < 5
    assert np.array_equal(bared.image[~bared.place], pixels[~bared.place])


def test_photos_that_come_later_do_not_change_a_recipe() -> None:
    few = {name: image for name, image in others().items() if name != "o4"}
    first = edited(few)
    assert set(first.recipe.notes["normal_ids"]) == set(few)
    again = edited(others(), tuple(first.recipe.notes["normal_ids"]))
    assert (again.image == first.image).all() and (again.mask == first.mask).all()
    with pytest.raises(NotFound):
        edited({"o0": others()["o0"]}, ("o0", "gone"))


def test_photos_of_another_size_or_view_are_left_out() -> None:
    strange = {
        "small": np.full((64, 64, 3), 90, np.uint8),
        "flat": numpy_rng(5).integers(0, 255, (SIDE, SIDE, 3), np.uint8),
    }
    assert (edited(strange).image == edited({}).image).all()


def test_a_moved_part_takes_along_the_shadow_that_the_photo_has() -> None:
    sample, truth = edited({}, op="move", dx=30, dy=50), photo((SPOT[0] + 30, SPOT[1] + 50), 3)
    there = disc((SPOT[0] + 30, SPOT[1] + 50))
    ring = (cv2.dilate(there.astype(np.uint8), np.ones((9, 9))) > 0) & ~there
    # The ground is brighter there, so the part is made a little brighter too.
    assert np.abs(sample.image[there].astype(float) - truth[there]).mean() < 10
    assert np.abs(sample.image[ring].astype(float) - truth[ring]).mean() < 8


def test_at_most_so_many_photos_are_looked_at() -> None:
    many = Photos({f"p{i:03d}": np.zeros((8, 8, 3), np.uint8) for i in range(90)})
    chosen = chosen_ids(NormalImage("p000", "p", np.zeros((8, 8, 3), np.uint8)), many)
    assert len(set(chosen)) == MOST and "p000" not in chosen and chosen[0] == "p001" and chosen[-1] == "p089"


def test_stripes_are_carried_on_and_plain_grain_is_not_striped() -> None:
    stripes = cv2.GaussianBlur(numpy_rng(2).normal(0, 30, (120, 120)), (0, 0), sigmaX=25, sigmaY=1).astype(np.float32)
    field = (130 + stripes)[..., None].repeat(3, 2)
    hole = np.zeros((120, 120), np.bool_)
    hole[40:80, 45:75] = True
    filled = fill_sheet(field, hole, ~hole, numpy_rng(0), 12)
    found, true = filled[hole][:, 0], field[hole][:, 0]
    assert np.corrcoef(found, true)[0, 1] > 0.6
    assert (filled[~hole] == field[~hole]).all()


@pytest.mark.parametrize("blotch", [1.0, 5.0])
def test_a_filled_hole_has_the_surfaces_grain_and_shows_no_outline(blotch: float) -> None:
    rows, columns = np.mgrid[0:160, 0:160].astype(np.float32)
    grain = cv2.GaussianBlur(numpy_rng(3).normal(0, 1, (160, 160, 3)).astype(np.float32), (0, 0), blotch)
    field = (140 + 0.1 * rows - 0.15 * columns)[..., None] + 4 * grain / grain.std()
    hole = cv2.circle(np.zeros((160, 160), np.uint8), (80, 80), 34, 1, -1) > 0
    filled = fill_sheet(field.astype(np.float32), hole, ~hole, numpy_rng(0), 12)
    rest = filled - cv2.GaussianBlur(filled, (0, 0), 8.0)
    inside, around = cv2.erode(hole.astype(np.uint8), np.ones((9, 9))) > 0, ~hole & (np.abs(rows - 80) < 60)
    assert 0.75 < float(rest[inside].std() / rest[around].std()) < 1.25
    slopes = np.hypot(*np.gradient(filled.mean(axis=2)))
    outline = hole & (cv2.erode(hole.astype(np.uint8), np.ones((3, 3))) == 0)
    assert float(slopes[outline].mean() / slopes[around].mean()) < 1.3


def test_shadow_of_two_kinds_is_told_under_light_that_bends() -> None:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    light = 130 + 25 * rows - 15 * columns**2
    part = disc(SPOT).astype(np.float32)
    cast = cv2.warpAffine(part, np.float32([[1, 0, 4], [0, 1, 3]]), (SIDE, SIDE))
    left = (1 - 0.4 * cv2.GaussianBlur(cast, (0, 0), 3)) * (1 - 0.3 * cv2.GaussianBlur(part, (0, 0), 1.2))
    photo = (light * left + numpy_rng(4).normal(0, 2, light.shape)).astype(np.float32)
    free = cv2.dilate(part, np.ones((5, 5), np.uint8)) == 0
    size = float(np.sqrt(part.sum()))
    ring = free & (left < 0.97)
    alone = fit_shadow(photo, part > 0, free, size).cast(part)
    known = fit_shadow(photo, part > 0, free, size, light.astype(np.float32)).cast(part)
    assert abs(float((alone - left)[ring].mean())) < 0.02 and float(np.abs(alone - left)[ring].mean()) < 0.04
    assert float(np.abs(known - left)[ring].mean()) < 0.015
    none = fit_shadow((light + numpy_rng(4).normal(0, 2, light.shape)).astype(np.float32), part > 0, free, size)
    assert not none.copies


def test_photos_with_named_parts_are_not_taken_for_ground() -> None:
    here = photo(SPOT, 3)
    window = aligned_crop(here, ~disc((115, 70)), OtherPhoto(photo((60, 120), 9), np.eye(2, 3), disc((60, 120))), 0, 0)
    assert window is not None and window.parts is not None
    assert window.parts[120, 60] and not window.parts[70, 115]
