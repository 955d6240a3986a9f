"""Boxes, sizes and dilation: each function against what it says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.images import geometry
from core.images.crop import crop_of_mask
from core.masks import morphology


def blobs(seed: int = 0, shape: tuple[int, int] = (40, 56)) -> np.ndarray:
    return cv2.GaussianBlur(np.random.default_rng(seed).normal(size=shape), (0, 0), 3) > 0.12


EMPTY = np.zeros((40, 56), np.bool_)


def test_every_box_is_the_same_box() -> None:
    mask = EMPTY.copy()
    mask[5:9, 50:56] = True
    assert geometry.bounding_box(mask) == (5, 50, 9, 56) == geometry.bounding_box(np.asfortranarray(mask))
    assert geometry.mask_box(mask) == np.s_[5:9, 50:56] and geometry.mask_box(mask, 3) == np.s_[2:12, 47:56]
    for grow in (0, 1, 7):
        assert (box := crop_of_mask(mask, grow)) is not None and box.slices == geometry.mask_box(mask, grow)
    assert (
        geometry.bounding_box(EMPTY) is None is crop_of_mask(EMPTY) and geometry.mask_box(EMPTY, 3) == np.s_[0:0, 0:0]
    )


@pytest.mark.parametrize("shape", [(20, 28), (80, 112), (28, 80), (40, 56)])
@pytest.mark.parametrize("array", [np.uint8, np.float32])
def test_a_photo_is_averaged_down_and_interpolated_up(shape: tuple[int, int], array: type) -> None:
    photo = np.random.default_rng(1).integers(0, 255, (40, 56, 3)).astype(array)
    for up, how in (("cubic", cv2.INTER_CUBIC), ("linear", cv2.INTER_LINEAR)):
        found = geometry.resized(photo, shape, up)
        down = shape[0] * shape[1] < 40 * 56
        wanted = cv2.resize(photo, shape[::-1], interpolation=cv2.INTER_AREA if down else how)
        assert found.dtype == array and np.array_equal(found, wanted) and not np.shares_memory(found, photo)


def test_a_photo_is_shrunk_and_never_enlarged() -> None:
    photo = np.full((30, 200, 3), 7, np.uint8)
    assert geometry.shrunk_to(photo, 200) is photo
    assert geometry.shrunk_to(photo, 50).shape == (8, 50, 3) and geometry.shrunk_to(photo[:1], 10).shape == (1, 10, 3)


def test_coverage_keeps_the_area_and_the_thinnest_defect() -> None:
    mask = blobs()
    assert geometry.coverage(mask, (10, 14)).mean() == pytest.approx(mask.mean(), abs=1e-6)
    wire = EMPTY.copy()
    wire[:, 20] = True
    assert geometry.covered(wire, (10, 14)).sum() == 10 and not geometry.covered(EMPTY, (10, 14)).any()
    half = np.zeros((4, 4), np.bool_)
    half[:2, :1] = half[2:, 2:] = True
    assert geometry.covered(half, (2, 2)).tolist() == [[True, False], [False, True]]
    assert geometry.covered(half, (2, 2), 0.6).tolist() == [[False, False], [False, True]]


@pytest.mark.parametrize("reach", [1, 2, 5])
def test_a_square_reaches_rows_and_columns_and_an_ellipse_less(reach: int) -> None:
    dot = EMPTY.copy()
    dot[20, 30] = True
    square, ellipse = geometry.dilated_square(dot, reach), geometry.dilated(dot, reach)
    assert square.sum() == (2 * reach + 1) ** 2 and square[20 - reach, 30 - reach]
    assert ellipse[20 - reach, 30] and ellipse[20, 30 + reach] and not (ellipse & ~square).any()
    assert ellipse.dtype == square.dtype == np.bool_ and (ellipse.sum() < square.sum())


def test_an_ellipse_is_no_euclidean_disc() -> None:
    """Why the two are apart: at one radius they are different pixels."""
    dot = EMPTY.copy()
    dot[20, 30] = True
    assert not np.array_equal(geometry.dilated(dot, 5), morphology.dilate(dot, 5))


def test_a_rim_lies_outside_and_touches() -> None:
    mask = blobs(2)
    rim = geometry.outer_rim(mask)
    assert not (rim & mask).any() and np.array_equal(rim | mask, geometry.dilated_square(mask, 1))
    assert not geometry.outer_rim(EMPTY).any() and np.array_equal(geometry.dilated(mask, 0), mask)


def test_false_colours_are_rgb() -> None:
    hot, cold = geometry.false_colours(np.array([[1.0, 0.0]]), cv2.COLORMAP_TURBO)[0].astype(int)
    assert hot[0] > hot[2] and cold[2] > cold[0]
