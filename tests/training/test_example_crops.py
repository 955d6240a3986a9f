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
from core.images.square_crop import Framing
from core.training.example_crops import (
    Augmentation,
    ExampleView,
    brightness_ratio,
    cropped_view,
    defect_targets,
    normal_crops,
    usable_examples,
)
from core.training.learning_settings import PRESETS
from core.types import AnomalyExample, NormalImage

SIDE = 64
SURROUNDINGS = Framing(SIDE, 0.5, SIDE)


def painted(mask: np.ndarray) -> AnomalyExample:
    """A black photo, white where the mask is."""
    return AnomalyExample("e", "hole", np.repeat(mask[..., None] * np.uint8(255), 3, axis=2), (mask,))


def box(y0: int, y1: int, x0: int, x1: int, shape: tuple[int, int] = (150, 200)) -> np.ndarray:
    mask = np.zeros(shape, np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


@pytest.mark.parametrize("mask", [box(60, 75, 80, 110), box(0, 9, 190, 200), box(10, 140, 20, 26), box(5, 7, 5, 7)])
@pytest.mark.parametrize("whole", [False, True])
def test_the_defect_is_whole_and_the_mask_true_however_it_is_turned(mask: np.ndarray, whole: bool) -> None:
    turned = Augmentation(quarter_turns=False, max_rotation=180, scale=(1, 1.5), shift=0.4)
    motion = turned if whole else Augmentation()
    (target,) = defect_targets(painted(mask), Framing(SIDE, 0.5, SIDE, whole))
    still = cropped_view(target, None, motion)
    expected = np.count_nonzero(mask) * (SIDE / target.extent) ** 2
    assert still.image.shape == (SIDE, SIDE, 3) and still.mask.shape == (SIDE, SIDE)
    for seed in range(20):
        seen = cropped_view(target, numpy_rng(seed), motion)
        level = seen.image[..., 0]
        assert seen.mask.any() and not ((level > 127) & ~wide(seen.mask, 1)).any()
        # What is smaller than a pixel of the view is grey in it.
        assert not (seen.mask & ~wide(level > 10, 2)).any()
        assert seen.mask.sum() > 0.6 * expected * (0.4 if whole else motion.scale[0]) ** 2


def wide(mask: np.ndarray, px: int) -> np.ndarray:
    return cv2.dilate(mask.view(np.uint8), np.ones((2 * px + 1, 2 * px + 1), np.uint8)) > 0


def test_views_differ_by_seed_and_are_the_same_for_one() -> None:
    (target,) = defect_targets(painted(box(60, 75, 80, 110)), SURROUNDINGS)
    one, again, other = (cropped_view(target, numpy_rng(seed), Augmentation()) for seed in (1, 1, 2))
    assert np.array_equal(one.image, again.image) and not np.array_equal(one.image, other.image)
    still = [cropped_view(target, rng, Augmentation(share=0.0)).image for rng in (None, numpy_rng(1))]
    assert np.array_equal(*still)


PLACES = [(y, x) for y in (0.04, 0.28, 0.5, 0.72, 0.97) for x in (0.03, 0.31, 0.5, 0.7, 0.96)]
SHAPES = [(64, 64), (150, 200), (256, 256), (48, 300), (400, 90)]
TOY = cast(Any, SimpleNamespace(side=SIDE, multiple=8, name="toy"))


def at_place(place: tuple[float, float], shape: tuple[int, int]) -> np.ndarray:
    y, x = (round(share * (n - 1)) for share, n in zip(place, shape, strict=True))
    return box(max(y - 3, 0), y + 4, max(x - 4, 0), x + 5, shape)


def middle(mask: np.ndarray) -> np.ndarray:
    """Where a mask lies, as shares of its sides."""
    return (np.argwhere(mask).mean(axis=0) + 0.5) / mask.shape


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", list(PRESETS))
def test_what_is_learned_from_is_what_is_drawn_in_wherever_the_defect_lies(shape: tuple[int, int], name: Any) -> None:
    preset = PRESETS[name]
    frame = CropSettings(preset.margin, framed=True, whole=preset.whole)
    for place in PLACES:
        mask = at_place(place, shape)
        (target,) = defect_targets(painted(mask), preset.framing(SIDE))
        window = crop_for_model(TOY, target.example.pixels, mask, frame)
        assert (window.photo_crop, window.before) == target.crop.pixels() and window.extent == target.extent
        learned, drawn = cropped_view(target, None, preset.motion), window.crop_mask(mask)
        # In a narrow photo's mirror image there are more of the defect, cut by the frame a pixel sooner or later.
        assert np.abs(middle(learned.mask) - middle(drawn)).max() < (0.02 if max(shape) < 2 * min(shape) else 0.04)
        assert np.abs(learned.image.astype(int) - window.pixels).mean() < 4


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.whole])
@pytest.mark.parametrize("shape", [(64, 64), (256, 256)])
def test_a_whole_photo_shows_the_defect_where_it_is(name: Any, shape: tuple[int, int]) -> None:
    for place in PLACES:
        mask = at_place(place, shape)
        (target,) = defect_targets(painted(mask), PRESETS[name].framing(SIDE))
        seen = cropped_view(target, None, PRESETS[name].motion).mask
        assert np.abs(middle(seen) - middle(mask)).max() < 0.02


def test_views_are_varied_on_the_photo_and_not_off_it() -> None:
    """Without a turn no mirror image comes in sight: a frame about the photo stays one frame."""
    mask = at_place((0.05, 0.1), (256, 256))
    photo = np.full((256, 256, 3), 90, np.uint8)
    photo[:2], photo[-2:], photo[:, :2], photo[:, -2:] = 255, 255, 255, 255
    example = AnomalyExample("e", "hole", photo, (mask,))
    for framing in (Framing(SIDE, 0.5, SIDE), Framing(SIDE, 0.0, SIDE, whole=True)):
        (target,) = defect_targets(example, framing)
        for seed in range(12):
            seen = cropped_view(
                target, numpy_rng(seed), Augmentation(max_rotation=0, quarter_turns=False, scale=(1, 1.5))
            )
            bright = seen.image[..., 0] > 170
            assert not bright[6:-6, 6:-6].any()


def test_near_defects_are_seen_together_and_far_ones_apart() -> None:
    near = box(60, 66, 40, 46) | box(60, 66, 49, 55)
    far = near | box(130, 136, 180, 190)
    assert len(defect_targets(painted(near), SURROUNDINGS)) == 1
    found = defect_targets(painted(far), SURROUNDINGS)
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
