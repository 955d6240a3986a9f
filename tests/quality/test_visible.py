"""What counts as a visible change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import MaskError
from core.quality import VISIBLE_LEVELS, change_with_rim, visible_change


def photo(height: int = 48, width: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(90, 160, (height, width, 3), dtype=np.uint8)


def everywhere(image: np.ndarray) -> np.ndarray:
    return np.ones(image.shape[:2], np.bool_)


def test_the_threshold_is_exact_and_per_channel() -> None:
    before = photo()
    for channel in range(3):
        after = before.copy()
        after[10:20, 10:20, channel] += VISIBLE_LEVELS
        after[30:40, 10:20, channel] += VISIBLE_LEVELS - 1
        found = visible_change(before, after, everywhere(before))
        assert found[11:19, 11:19].all() and not found[25:].any()


def test_nothing_changed_gives_an_empty_mask() -> None:
    before = photo()
    assert not visible_change(before, before.copy(), everywhere(before)).any()
    assert not visible_change(before, 255 - before, np.zeros(before.shape[:2], np.bool_)).any()


def test_it_never_leaves_the_mask() -> None:
    before, within = photo(), np.zeros((48, 60), np.bool_)
    within[5:9, 7:50] = True
    within[20:40, 20] = True
    assert np.array_equal(visible_change(before, 255 - (before // 2), within), within)


def test_thin_lines_stay_whole_and_thin() -> None:
    before = np.full((40, 40, 3), 120, np.uint8)
    after = before.copy()
    line = np.zeros((40, 40), np.bool_)
    line[26, 3:37] = True
    np.fill_diagonal(line[2:18, 2:18], True)
    after[line] -= 12
    found = visible_change(before, after, everywhere(before))
    assert found[line].all()
    assert not found[~line].any()


def test_noise_inside_a_defect_leaves_no_holes() -> None:
    before = np.full((60, 60, 3), 120, np.uint8)
    rng = np.random.default_rng(3)
    after = before.copy()
    after[10:50, 10:50] = np.where(rng.random((40, 40, 1)) < 0.4, 150, 120)
    assert visible_change(before, after, everywhere(before))[13:47, 13:47].all()


def test_a_real_hole_in_a_ring_stays_open() -> None:
    before = np.full((80, 80, 3), 120, np.uint8)
    y, x = np.mgrid[:80, :80]
    radius = np.hypot(y - 40, x - 40)
    after = before.copy()
    after[(radius > 15) & (radius < 25)] = 60
    found = visible_change(before, after, everywhere(before))
    assert not found[radius < 12].any()
    ring = (radius > 15) & (radius < 25)
    assert found[ring].all() and (found & ~ring).sum() < 0.02 * ring.sum()


def test_lone_faint_specks_go_and_strong_ones_stay() -> None:
    before = np.full((40, 40, 3), 120, np.uint8)
    after = before.copy()
    after[5, 5] += VISIBLE_LEVELS
    after[30, 30] += 2 * VISIBLE_LEVELS
    found = visible_change(before, after, everywhere(before))
    assert not found[5, 5] and found[30, 30] and found.sum() == 1


def test_a_change_at_the_frame_is_found_whole() -> None:
    before = np.full((30, 30, 3), 120, np.uint8)
    after = before.copy()
    after[:6, :6] = 60
    after[-1, :] = 60
    found = visible_change(before, after, everywhere(before))
    assert np.array_equal(found, (after != before).any(axis=2))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), share=st.floats(0.005, 0.6), reach=st.integers(1, 60))
def test_undoing_what_is_outside_changes_nothing(seed: int, share: float, reach: int) -> None:
    rng = np.random.default_rng(seed)
    before = rng.integers(60, 180, (36, 44, 3), dtype=np.uint8)
    within = rng.random((36, 44)) < 0.8
    shift = rng.integers(-reach, reach + 1, (36, 44, 1)) * (rng.random((36, 44, 1)) < share)
    after = np.clip(before + shift, 0, 255).astype(np.uint8)
    found = visible_change(before, after, within)
    settled = np.where(found[..., None], after, before)
    assert np.array_equal(visible_change(before, settled, within), found)
    assert not (found & ~within).any()


def test_wrong_sizes_are_refused_in_one_line() -> None:
    with pytest.raises(MaskError, match="of one size") as caught:
        visible_change(photo(), photo(40, 40), np.ones((48, 60), np.bool_))
    assert "\n" not in str(caught.value)


def test_the_rim_reaches_to_the_end_of_a_fading_change() -> None:
    rng, (y, x) = np.random.default_rng(3), np.mgrid[:128, :160]
    image = np.clip(np.array((120, 124, 118)) + rng.normal(0, 3, (128, 160, 3)), 0, 255).round().astype(np.uint8)
    away = np.hypot(y - 64, x - 80)
    after = (image + 20 * np.clip(1 - (away - 10) / 8, 0, 1)[..., None]).clip(0, 255).astype(np.uint8)
    bounds = away < 30
    mask, sure = change_with_rim(image, after, bounds), visible_change(image, after, bounds)
    assert (sure & mask).sum() == sure.sum() < mask.sum() and not (mask & (away >= 18.5)).any()
    assert not change_with_rim(image, image, bounds).any()
