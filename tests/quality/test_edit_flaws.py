"""What gives an edit away, on surfaces where it is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.device import numpy_rng
from core.quality.edit_flaws import edit_flaws
from core.types import Image, Mask

SIDE = 160


def surface(seed: int) -> np.ndarray:
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    return 100 + 25 * rows + 10 * columns + numpy_rng(seed).normal(0, 1.5, (SIDE, SIDE))


def picture(field: np.ndarray) -> Image:
    return np.clip(np.rint(field), 0, 255).astype(np.uint8)[..., None].repeat(3, 2)


def part() -> Mask:
    ring = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (80, 80), 34, 1, -1)
    return cv2.circle(ring, (80, 80), 14, 0, -1) > 0


def of(after: np.ndarray) -> dict[str, float]:
    """The flaws of an edit that took a bright ring away."""
    before = np.where(part(), 210, surface(1))
    return edit_flaws(picture(before), picture(np.where(part(), after, before)), part())


def test_a_surface_that_goes_on_has_no_flaw() -> None:
    found = of(surface(2))
    assert found["ghost"] < 0.3 and found["light_step"] < 2 and found["texture"] < 1.3


def test_a_shade_of_the_part_is_a_ghost() -> None:
    shade = cv2.GaussianBlur(part().astype(float), (0, 0), 2.0)
    outline = shade * (1 - shade) * 4
    assert of(surface(2) + 0.1 * (210 - 110) * shade)["ghost"] > 1
    assert of(surface(2) - 6 * outline)["ghost"] > of(surface(2))["ghost"]


def test_light_that_steps_at_the_edge_is_told_in_levels() -> None:
    assert abs(of(surface(2) + 6)["light_step"] - 6) < 1.5


def test_a_smear_and_a_rough_patch_are_foreign_textures() -> None:
    assert of(cv2.GaussianBlur(surface(2), (0, 0), 3.0))["texture"] > 2
    assert of(surface(2) + numpy_rng(4).normal(0, 6, (SIDE, SIDE)))["texture"] > 2


def test_a_part_that_comes_is_no_flaw() -> None:
    before = surface(1)
    found = edit_flaws(picture(before), picture(np.where(part(), 210, before)), part())
    assert not {"ghost", "light_step", "texture"} & found.keys()


@pytest.mark.parametrize("side", [256, 512, 1024])
def test_a_dark_wall_near_the_mask_is_no_texture_of_the_ground_at_any_size(side: int) -> None:
    rows, columns = np.mgrid[0:side, 0:side]
    hole = np.hypot(rows - side / 2, columns - side / 2) < 0.09 * side
    wall = np.clip((np.hypot(rows - side / 2, columns - side / 2) / side - 0.13) / 0.01, 0, 1)
    ground = 120 - 60 * wall + numpy_rng(3).normal(0, 1.5, (side, side))
    found = edit_flaws(picture(np.where(hole, 210, ground)), picture(ground), hole)
    assert found["texture"] < 1.5 and found["light_step"] < 2


@pytest.mark.parametrize("side", [512, 1024])
def test_a_fault_is_told_however_large_the_part_was(side: int) -> None:
    rows, columns = np.mgrid[0:side, 0:side]
    away = np.hypot(rows - side / 2, columns - side / 2) / side
    hole = away < 0.2
    ground = 120 + 20 * rows / side + numpy_rng(3).normal(0, 1.5, (side, side))
    before = picture(np.where(hole, 210, ground))
    assert edit_flaws(before, picture(ground), hole)["light_step"] < 1
    assert abs(edit_flaws(before, picture(np.where(hole, ground + 6, ground)), hole)["light_step"] - 6) < 1.5


def test_each_flaw_says_where_it_is_worst() -> None:
    corner = np.zeros((SIDE, SIDE), np.bool_)
    corner[:60] = True
    ghost = of(
        np.where(
            corner, surface(2) + 0.3 * (210 - 110) * cv2.GaussianBlur(part().astype(float), (0, 0), 2), surface(2)
        )
    )
    assert ghost["ghost_y"] < 64 and part()[int(ghost["ghost_y"]), int(ghost["ghost_x"])]
    rough = of(surface(2) + numpy_rng(4).normal(0, 1, (SIDE, SIDE)) * np.where(corner, 16, 6))
    assert rough["texture"] > 2 and rough["texture_y"] < 64
    step = of(surface(2) + np.where(corner, 14, 6))
    assert step["light_step"] > 3.5 and step["light_step_y"] < 64
