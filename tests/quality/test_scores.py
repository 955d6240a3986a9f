"""Scores against closed forms."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.quality import scores
from core.types import EVERYWHERE, Recipe, Sample


def sample_of(image: np.ndarray, mask: np.ndarray, feather: int = 0) -> Sample:
    recipe = Recipe("perlin", "crack", "structural", "n", 1, feather=feather)
    return Sample(image, mask, "crack", "structural", recipe)


def square(side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((side, side), np.bool_)
    mask[20:40, 20:40] = True
    return np.full((side, side, 3), 100, np.uint8), mask


def test_a_uniform_shift_has_known_scores() -> None:
    before, mask = square()
    after = before.copy()
    after[mask] += 51
    found = scores(before, sample_of(after, mask))
    assert found["change_inside"] == pytest.approx(0.2)
    assert found["change_outside"] == 0
    assert found["mask_covered"] == 1
    assert found["seam_contrast"] == pytest.approx((51 + 2) / 2)
    json.dumps(found, allow_nan=False)


def test_every_pixel_outside_is_counted_beyond_the_feather() -> None:
    before, mask = square()
    after = before.copy()
    after[mask] = 0
    after[19, 20:40] += 1
    after[0, 0] += 1
    assert scores(before, sample_of(after, mask))["change_outside"] == 21
    assert scores(before, sample_of(after, mask, feather=1))["change_outside"] == 1
    assert "change_outside" not in scores(before, sample_of(after, mask, feather=EVERYWHERE))


def test_covered_is_the_share_that_changed() -> None:
    before, mask = square()
    after = before.copy()
    after[20:40, 20:25] = 30
    assert scores(before, sample_of(after, mask))["mask_covered"] == pytest.approx(0.25)


def test_a_soft_edge_has_less_seam_than_a_hard_one() -> None:
    before, mask = square()
    y, x = np.mgrid[:64, :64]
    depth = np.minimum.reduce([y - 19, 40 - y, x - 19, 40 - x]).clip(0)
    hard, soft = before.copy(), before.copy()
    hard[mask] = 40
    soft[mask] = (100 - np.minimum(depth * 8, 60))[mask][:, None]
    seams = [scores(before, sample_of(image, mask))["seam_contrast"] for image in (soft, hard)]
    assert 1 <= seams[0] < seams[1] / 4


def test_texture_hides_a_seam() -> None:
    flat, mask = square()
    rough = np.random.default_rng(0).integers(60, 140, flat.shape, dtype=np.uint8)
    seams = []
    for before in (rough, flat):
        after = before.copy()
        after[mask] += 30
        seams.append(scores(before, sample_of(after, mask))["seam_contrast"])
    assert seams[0] < 2 < seams[1]


def test_a_mask_of_the_whole_frame_and_of_one_pixel() -> None:
    before = np.full((20, 20, 3), 50, np.uint8)
    whole = scores(before, sample_of(before + 20, np.ones((20, 20), np.bool_)))
    assert whole["seam_contrast"] == 0 and whole["change_outside"] == 0 and whole["mask_covered"] == 1
    one = np.zeros((20, 20), np.bool_)
    one[3, 3] = True
    after = before.copy()
    after[3, 3] += 51
    assert scores(before, sample_of(after, one))["change_inside"] == pytest.approx(0.2)
