"""Views of defects: whole, true to their masks, and as large as when they are generated."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import cv2
import numpy as np
import pytest

from core.device import numpy_rng
from core.diffusion.model_crop import CropSettings, crop_for_model
from core.errors import MaskError
from core.training.example_crops import (
    Augmentation,
    ExampleView,
    brightness_ratio,
    cropped_view,
    defect_targets,
    normal_crops,
    usable_examples,
)
from core.types import AnomalyExample, NormalImage

SIDE = 64


def painted(mask: np.ndarray) -> AnomalyExample:
    """A black photo, white where the mask is."""
    return AnomalyExample("e", "hole", np.repeat(mask[..., None] * np.uint8(255), 3, axis=2), (mask,))


def box(y0: int, y1: int, x0: int, x1: int, shape: tuple[int, int] = (150, 200)) -> np.ndarray:
    mask = np.zeros(shape, np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.mark.parametrize("mask", [box(60, 75, 80, 110), box(0, 9, 190, 200), box(10, 140, 20, 26), box(5, 7, 5, 7)])
@pytest.mark.parametrize(
    "motion",
    [Augmentation(), Augmentation(quarter_turns=False, max_rotation=180, scale=(1, 1.5), shift=0.4, whole=True)],
)
def test_the_defect_is_whole_and_the_mask_true_however_it_is_turned(mask: np.ndarray, motion: Augmentation) -> None:
    (target,) = defect_targets(painted(mask), SIDE, 0.5, motion.whole)
    still = cropped_view(target, SIDE, None, motion)
    expected = np.count_nonzero(mask) * (SIDE / target.extent) ** 2
    assert still.image.shape == (SIDE, SIDE, 3) and still.mask.shape == (SIDE, SIDE)
    for seed in range(20):
        seen = cropped_view(target, SIDE, numpy_rng(seed), motion)
        level = seen.image[..., 0]
        assert seen.mask.any() and not ((level > 127) & ~wide(seen.mask, 1)).any()
        # What is smaller than a pixel of the view is grey in it.
        assert not (seen.mask & ~wide(level > 10, 2)).any()
        assert seen.mask.sum() > 0.6 * expected * (0.4 if motion.whole else motion.scale[0]) ** 2


def wide(mask: np.ndarray, px: int) -> np.ndarray:
    return cv2.dilate(mask.view(np.uint8), np.ones((2 * px + 1, 2 * px + 1), np.uint8)) > 0


def test_views_differ_by_seed_and_are_the_same_for_one() -> None:
    (target,) = defect_targets(painted(box(60, 75, 80, 110)), SIDE, 0.5)
    one, again, other = (cropped_view(target, SIDE, numpy_rng(seed), Augmentation()) for seed in (1, 1, 2))
    assert np.array_equal(one.image, again.image) and not np.array_equal(one.image, other.image)
    still = [cropped_view(target, SIDE, rng, Augmentation(share=0.0)).image for rng in (None, numpy_rng(1))]
    assert np.array_equal(*still)


@pytest.mark.parametrize("mask", [box(60, 75, 80, 110), box(10, 140, 20, 26), box(70, 72, 90, 92)])
def test_a_window_is_as_large_as_when_it_is_generated(mask: np.ndarray) -> None:
    (target,) = defect_targets(painted(mask), SIDE, 0.5)
    backbone = cast(Any, SimpleNamespace(side=SIDE, multiple=8, name="toy"))
    window = crop_for_model(backbone, target.example.pixels, mask, CropSettings(margin=0.5, square=True))
    assert target.extent == max(window.photo_crop.shape)
    assert window.photo_crop.shape[0] == window.photo_crop.shape[1] and window.pixels.shape == (SIDE, SIDE, 3)


def test_near_defects_are_seen_together_and_far_ones_apart() -> None:
    near = box(60, 66, 40, 46) | box(60, 66, 49, 55)
    far = near | box(130, 136, 180, 190)
    assert len(defect_targets(painted(near), SIDE, 0.5)) == 1
    found = defect_targets(painted(far), SIDE, 0.5)
    assert [np.count_nonzero(t.defect) for t in found] == [72, 60]
    assert np.array_equal(np.logical_or.reduce([t.defect for t in found]), far)


def test_masks_that_show_no_defect_are_left_out_with_a_reason() -> None:
    good, dot, all_over = painted(box(60, 75, 80, 110)), painted(box(3, 4, 3, 4)), painted(box(0, 150, 0, 200))
    kept, notes = usable_examples([good, dot, all_over])
    assert kept == [good] and len(notes) == 2
    assert "1 px" in notes[0] and "100%" in notes[1] and not any("\n" in note for note in notes)
    for alone, what in ((dot, "too few"), (all_over, "covers 100%")):
        with pytest.raises(MaskError, match=what) as caught:
            usable_examples([alone])
        assert "\n" not in str(caught.value)


def test_tone_is_the_ratio_to_the_surroundings() -> None:
    image = np.full((40, 40, 3), (96, 116, 196), np.uint8)
    mask = box(15, 25, 15, 25, (40, 40))
    image[mask] = (46, 56, 21)
    assert brightness_ratio(ExampleView(image, mask)) == pytest.approx((0.5, 0.5, 0.125))
    assert brightness_ratio(ExampleView(image, np.ones((40, 40), np.bool_))) is None


def test_surfaces_are_squares_of_the_photos(normals: list[NormalImage]) -> None:
    crops = normal_crops(normals, 5, SIDE, 50.0, numpy_rng(1))
    assert len(crops) == 5 and {c.shape for c in crops} == {(SIDE, SIDE, 3)}
    again = normal_crops(normals, 5, SIDE, 50.0, numpy_rng(1))
    assert all(np.array_equal(a, b) for a, b in zip(crops, again, strict=True))
    tiny = NormalImage("t", "t.png", normals[0].pixels[:9, :30])
    assert normal_crops([tiny], 1, SIDE, 500.0, numpy_rng(1))[0].shape == (SIDE, SIDE, 3)
