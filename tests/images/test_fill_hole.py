"""Filling holes: exact outside, the surface's own texture and light inside, nothing foreign."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.device import numpy_rng
from core.errors import MaskError
from core.images import fill_hole, is_grey, read_image


def disc(shape: tuple[int, int], y: float, x: float, radius: float) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


def grain(shape: tuple[int, int], seed: int, sigma: float = 1.2, strength: float = 12) -> np.ndarray:
    field = cv2.GaussianBlur(np.random.default_rng(seed).standard_normal(shape), (0, 0), sigma)
    return field / field.std() * strength


def photo_of(field: np.ndarray, tint: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    return np.clip(np.rint(field[..., None] + np.array(tint)), 0, 255).astype(np.uint8)


def local_variance(photo: np.ndarray) -> np.ndarray:
    grey = photo.astype(np.float32).mean(axis=2)
    return cv2.GaussianBlur(grey * grey, (0, 0), 3) - cv2.GaussianBlur(grey, (0, 0), 3) ** 2


HOLES = {
    "middle": disc((120, 140), 60, 70, 22),
    "border": disc((120, 140), 0, 60, 25),
    "corner": disc((120, 140), 119, 139, 30),
    "two": disc((120, 140), 30, 30, 12) | disc((120, 140), 90, 100, 14),
    "thin": np.abs(np.arange(120)[:, None] - np.arange(140)[None] * 0.8) < 1.5,
    "one pixel": disc((120, 140), 50, 50, 0.5),
    "a fifth": disc((120, 140), 60, 70, 33),
}


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from(sorted(HOLES)))
def test_the_photo_is_exact_outside_and_the_same_seed_gives_the_same_bytes(seed: int, case: str) -> None:
    photo, hole = photo_of(120 + grain((120, 140), seed), (20, 0, -20)), HOLES[case]
    before = photo.copy()
    out = fill_hole(photo, hole, numpy_rng(seed))
    assert np.array_equal(out[~hole], photo[~hole]) and np.array_equal(photo, before)
    assert np.array_equal(out, fill_hole(photo, hole, numpy_rng(seed)))


@pytest.mark.parametrize("case", [c for c in HOLES if c != "one pixel"])
def test_grain_goes_on_and_what_was_removed_is_gone(case: str) -> None:
    hole, photo = HOLES[case], photo_of(110 + grain((120, 140), 4), (10, 0, -10))
    with_part = photo.copy()
    with_part[hole] = (250, 250, 30)
    out = fill_hole(with_part, hole, numpy_rng(1))
    ratio = np.median(local_variance(out)[hole]) / np.median(local_variance(photo)[hole])
    assert 0.5 < ratio < 2, ratio
    assert out[hole].max() < 200


def test_grey_stays_grey() -> None:
    photo = photo_of(100 + grain((120, 140), 2))
    assert is_grey(fill_hole(photo, HOLES["middle"], numpy_rng(0)))


def test_light_runs_on_across_the_hole() -> None:
    rows, columns = np.mgrid[:160, :160]
    light = 60 + 0.5 * columns + 0.3 * rows
    hole = disc((160, 160), 80, 80, 30)
    out = fill_hole(photo_of(light + grain((160, 160), 3, strength=4)), hole, numpy_rng(5))
    left = cv2.GaussianBlur(out[..., 0].astype(np.float32), (0, 0), 4) - light
    assert np.abs(left[hole]).max() < 8


def test_a_flat_surface_is_filled_flat() -> None:
    photo = np.full((100, 100, 3), (90, 120, 60), np.uint8)
    out = fill_hole(photo, disc((100, 100), 50, 50, 20), numpy_rng(0))
    assert np.array_equal(out, photo)


def test_a_periodic_pattern_is_continued_exactly() -> None:
    rows, columns = np.mgrid[:160, :160]
    photo = photo_of(np.where((columns % 16 < 6) | (rows % 40 < 4), 0, 255))
    hole = disc((160, 160), 78, 84, 24)
    out = fill_hole(photo, hole, numpy_rng(2))
    assert (out != photo).any(axis=2).sum() <= 0.02 * hole.sum()


def test_a_line_through_the_hole_is_joined() -> None:
    photo = np.full((140, 140, 3), 230, np.uint8)
    photo[60:72] = 20
    hole = disc((140, 140), 66, 70, 25)
    out = fill_hole(photo, hole, numpy_rng(3))
    assert np.count_nonzero((out != photo).any(axis=2)) <= 0.05 * hole.sum()


def test_another_component_is_not_copied_and_none_is_taken_from_what_to_avoid() -> None:
    photo = photo_of(100 + grain((200, 200), 7, strength=6))
    part, other = disc((200, 200), 60, 60, 30), disc((200, 200), 140, 140, 30)
    photo[part | other] = (200, 170, 90)
    out = fill_hole(photo, disc((200, 200), 60, 60, 33), numpy_rng(4))
    assert out[disc((200, 200), 60, 60, 33)].max() < 150
    # A like-coloured stain beside the hole makes the other part familiar; avoiding it still keeps it away.
    marked = photo_of(100 + grain((200, 200), 7, strength=6))
    marked[100:] = 104
    out = fill_hole(
        marked, disc((200, 200), 50, 100, 25), numpy_rng(4), avoid=np.arange(200)[:, None] * np.ones(200) > 99
    )
    ratio = np.median(local_variance(out)[disc((200, 200), 50, 100, 22)]) / np.median(local_variance(marked)[:90])
    assert ratio > 0.5


def test_large_photos_are_sought_small_and_copied_whole() -> None:
    photo = photo_of(120 + grain((700, 700), 5, sigma=0.8))
    hole = disc((700, 700), 350, 350, 110)
    out = fill_hole(photo, hole, numpy_rng(1))
    assert 0.6 < np.median(local_variance(out)[hole]) / np.median(local_variance(photo)[hole]) < 1.6


@pytest.mark.parametrize("cover", ["hole", "avoid"])
def test_too_little_left_to_copy_is_said(cover: str) -> None:
    photo = photo_of(120 + grain((100, 100), 5))
    rest = disc((100, 100), 10, 10, 9)
    hole = ~rest if cover == "hole" else disc((100, 100), 60, 60, 20)
    avoid = None if cover == "hole" else ~rest & ~hole
    with pytest.raises(MaskError, match="at least 10% of the photo left"):
        fill_hole(photo, hole, numpy_rng(0), avoid)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(16, 40), st.integers(16, 40), st.integers(1, 9))
def test_any_hole_and_anything_to_avoid_is_filled_from_what_may_be_copied(
    seed: int, height: int, width: int, block: int
) -> None:
    rng = np.random.default_rng(seed)
    kind = np.kron(rng.integers(0, 3, (height, width)), np.ones((block, block)))[:height, :width]
    hole, avoid, sources = kind == 0, kind == 1, kind == 2
    photo = rng.integers(90, 110, (height, width, 3), np.uint8)
    photo[hole] = 255
    if sources.mean() < 0.1:
        with pytest.raises(MaskError):
            fill_hole(photo, hole, numpy_rng(seed), avoid)
        return
    out = fill_hole(photo, hole, numpy_rng(seed), avoid)
    assert np.array_equal(out[~hole], photo[~hole])
    assert out.max() < 160


def test_what_stands_in_one_hole_does_not_guide_the_filling_of_another() -> None:
    photo = photo_of(120 + grain((200, 200), 5))
    one, two = disc((200, 200), 60, 70, 20), disc((200, 200), 60, 125, 20)
    bright, dark = photo.copy(), photo.copy()
    bright[one | two], dark[one | two] = 255, 0
    filled = [fill_hole(p, one | two, numpy_rng(0)) for p in (bright, dark)]
    assert np.array_equal(filled[0], filled[1])


def test_an_empty_hole_changes_nothing() -> None:
    photo = photo_of(120 + grain((60, 60), 5))
    assert np.array_equal(fill_hole(photo, np.zeros((60, 60), np.bool_), numpy_rng(0)), photo)


@pytest.mark.skipif("FLAWSMITH_DATA" not in os.environ, reason="set FLAWSMITH_DATA to the folder of real photos")
def test_real_grain_keeps_its_strength_where_smooth_inpainting_loses_it() -> None:
    folder = Path(os.environ["FLAWSMITH_DATA"]) / "magnetic_tile" / "train" / "good"
    better = []
    for path in sorted(folder.glob("*.png"))[5:200:40]:
        photo = read_image(path)
        height, width = photo.shape[:2]
        hole = disc((height, width), height / 2, width / 2, min(height, width) / 6)
        out = fill_hole(photo, hole, numpy_rng(0))
        smooth = cv2.inpaint(photo, hole.view(np.uint8), 4, cv2.INPAINT_TELEA)
        truth, ours, theirs = (np.median(local_variance(p)[hole]) + 0.5 for p in (photo, out, smooth))
        better.append(abs(np.log(ours / truth)) < abs(np.log(theirs / truth)))
    assert all(better)
