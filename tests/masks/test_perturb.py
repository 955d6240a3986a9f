import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.errors import MaskError
from core.images.geometry import bounding_box
from core.masks import morphology
from core.masks.perturbation import MaskEnhancement, enhance_mask, local_width, rasterise, size_factor, trace_contours
from core.masks.shapes import draw_shape

seeds = st.integers(0, 2**32 - 1)
quick = settings(deadline=None, max_examples=40)


@quick
@given(arrays(np.bool_, (14, 17)).filter(lambda m: m.any()))
def test_tracing_and_drawing_return_the_mask(mask):
    y0, x0, y1, x1 = bounding_box(mask)
    assert np.array_equal(rasterise(trace_contours(mask)), mask[y0:y1, x0:x1])


@quick
@given(
    seeds,
    st.sampled_from(["spot", "blob", "chip", "stain"]),
    st.floats(200, 2500),
    st.floats(0, 1),
    st.floats(0.3, 3),
)
def test_area_follows_equation_6(seed, shape, area, alpha, ratio):
    mask = draw_shape(shape, (240, 240), area, np.random.default_rng(seed))
    params = MaskEnhancement(alpha=alpha)
    reshaped = enhance_mask(mask, params, np.random.default_rng(seed)).sum()
    mean = ratio * area
    result = enhance_mask(mask, params, np.random.default_rng(seed), mean_area=mean).sum()
    expected = reshaped * (alpha * (mean / reshaped) ** (1 / 2) + (1 - alpha) * (mean / reshaped) ** (1 / 3)) ** 2
    assert abs(result - expected) <= max(3, 0.05 * expected)


def test_factor_at_the_ends_of_alpha():
    assert size_factor(100, 400, 1) == pytest.approx(2)
    assert size_factor(100, 800, 0) == pytest.approx(2)
    assert size_factor(50, 50, 0.3) == pytest.approx(1)


@quick
@given(seeds, st.floats(0, 1), st.floats(0, 1), st.floats(0.2, 5))
def test_a_crack_stays_one_thin_line(seed, jitter, delta, ratio):
    rng = np.random.default_rng(seed)
    mask = np.zeros((120, 120), bool)
    column = 60 + np.cumsum(rng.integers(-1, 2, 80))
    for row, col in enumerate(column):
        mask[20 + row, col : col + 2] = True
    params = MaskEnhancement(jitter=jitter, delta=delta)
    result = enhance_mask(mask, params, rng, mean_area=ratio * mask.sum())
    assert len(morphology.components(result)) == 1
    assert np.percentile(local_width(result)[result], 90) <= 7
    rows, cols = np.nonzero(result)
    assert np.hypot(np.ptp(rows), np.ptp(cols)) > 3 * local_width(result).max()


@quick
@given(seeds, arrays(np.bool_, (15, 15)).filter(lambda m: m.any()), st.floats(1, 400))
def test_never_empty_and_always_in_the_frame(seed, mask, mean):
    result = enhance_mask(mask, MaskEnhancement(), np.random.default_rng(seed), mean)
    assert result.shape == mask.shape and result.dtype == bool and result.any()
    again = enhance_mask(mask, MaskEnhancement(), np.random.default_rng(seed), mean)
    assert np.array_equal(result, again)


def test_with_everything_off_the_mask_is_its_own():
    mask = draw_shape("blob", (80, 80), 500, np.random.default_rng(3))
    still = MaskEnhancement(close_px=0, delta=0, jitter=0, bend=0)
    assert np.array_equal(enhance_mask(mask, still, np.random.default_rng(0)), mask)


def test_seeds_give_different_masks_and_jitter_more_difference():
    mask = draw_shape("spot", (100, 100), 900, np.random.default_rng(1))

    def change(jitter: float) -> float:
        params = MaskEnhancement(jitter=jitter, bend=0, delta=0.1)
        return float(np.mean([(enhance_mask(mask, params, np.random.default_rng(s)) ^ mask).sum() for s in range(12)]))

    assert 0 < change(0.1) < change(0.3) < change(0.8)


def test_holes_are_kept_or_filled_as_asked():
    y, x = np.mgrid[:80, :80] - 40
    ring = (np.hypot(y, x) < 25) & (np.hypot(y, x) > 15)
    rng = np.random.default_rng
    kept = enhance_mask(ring, MaskEnhancement(), rng(0))
    filled = enhance_mask(ring, MaskEnhancement(keep_holes=False), rng(0))
    assert not np.array_equal(morphology.fill_holes(kept), kept)
    assert np.array_equal(morphology.fill_holes(filled), filled)


def test_local_width_of_a_bar_and_a_disc():
    mask = np.zeros((90, 120), bool)
    mask[5:11, 5:110] = True
    y, x = np.mgrid[:90, :120]
    mask |= np.hypot(y - 55, x - 50) <= 25
    width = local_width(mask)
    assert 3 <= np.median(width[5:11, 20:100]) <= 6
    assert np.median(width[30:80, 25:75][mask[30:80, 25:75]]) > 35


def test_an_empty_mask_is_refused():
    with pytest.raises(MaskError, match="empty"):
        enhance_mask(np.zeros((9, 9), bool), MaskEnhancement(), np.random.default_rng(0))
