"""Regions of interest: paste is the inverse of crop, and the region holds its mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError, MaskError
from core.images import PhotoCrop, crop_around_mask


@st.composite
def frames_and_boxes(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    height, width = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    y0, x0 = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    return (height, width), (y0, x0, draw(st.integers(y0 + 1, height)), draw(st.integers(x0 + 1, width)))


@settings(deadline=None, max_examples=60)
@given(frames_and_boxes(), st.integers(0, 2**32))
def test_paste_is_the_inverse_of_crop(case, seed: int) -> None:
    shape, box = case
    rng, roi = np.random.default_rng(seed), PhotoCrop(*box)
    for array in (rng.integers(0, 256, (*shape, 3), np.uint8), rng.random(shape) < 0.5):
        before = array.copy()
        assert np.array_equal(roi.paste(array, roi.crop(array)), array)
        patch = np.zeros_like(roi.crop(array))
        pasted = roi.paste(array, patch)
        assert not pasted[roi.slices].any()
        pasted[roi.slices] = array[roi.slices]
        assert np.array_equal(pasted, array) and np.array_equal(array, before)


@settings(deadline=None, max_examples=80)
@given(frames_and_boxes(), st.floats(0, 2), st.integers(1, 120))
def test_the_region_holds_the_mask_with_its_margin(case, margin: float, least: int) -> None:
    shape, (y0, x0, y1, x1) = case
    mask = np.zeros(shape, np.bool_)
    mask[y0:y1, x0:x1] = True
    roi = crop_around_mask(mask, margin, least)
    assert roi.y1 <= shape[0] and roi.x1 <= shape[1]
    assert mask[roi.slices].sum() == mask.sum()
    wanted = round(margin * max(y1 - y0, x1 - x0))
    for length, own, limit in zip(roi.shape, (y1 - y0, x1 - x0), shape, strict=True):
        assert length == min(limit, max(own + 2 * wanted, least))


def test_wrong_regions_and_patches_are_refused() -> None:
    with pytest.raises(InputError, match="start < end"):
        PhotoCrop(3, 3, 3, 9)
    roi, photo = PhotoCrop(0, 0, 10, 10), np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(InputError, match="inside 5x5 pixels"):
        roi.crop(photo[:5, :5])
    with pytest.raises(InputError, match="expected uint8"):
        roi.paste(photo, np.zeros((10, 9, 3), np.uint8))
    with pytest.raises(InputError, match="expected uint8"):
        roi.paste(photo, np.zeros((10, 10, 3)))
    with pytest.raises(MaskError, match="it is empty"):
        crop_around_mask(np.zeros((9, 9), np.bool_))
