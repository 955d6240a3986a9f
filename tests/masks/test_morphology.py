import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from core.errors import InputError, MaskError
from core.masks import morphology, rle

masks = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=18))
pairs = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=18).flatmap(
    lambda shape: st.tuples(arrays(np.bool_, shape), arrays(np.bool_, shape))
)
radii = st.sampled_from([0, 0.5, 1, 1.5, 2, 3, 4.2])
quick = settings(deadline=None, max_examples=60)


def disc(radius: float) -> np.ndarray:
    reach = int(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return x**2 + y**2 <= radius**2


@quick
@given(masks)
def test_run_lengths_return_the_mask(mask):
    runs = rle.encode(mask)
    assert sum(runs) == mask.size and all(run > 0 for run in runs[1:])
    assert np.array_equal(rle.decode(runs, mask.shape), mask)


@pytest.mark.parametrize("runs", [[3, 2], [-1, 10], [], [4.5, 4.5], [[9]], [9, 9]])
def test_run_lengths_that_do_not_fill_the_frame_are_refused(runs):
    with pytest.raises(MaskError, match="run lengths"):
        rle.decode(runs, (3, 3))


@quick
@given(masks, radii)
def test_grow_is_dilation_by_a_disc_and_shrink_its_dual(mask, radius):
    expected = ndimage.binary_dilation(mask, disc(radius))
    assert np.array_equal(morphology.dilate(mask, radius), expected)
    assert np.array_equal(morphology.erode(~mask, radius), ~expected)


@quick
@given(pairs, radii)
def test_grow_and_shrink_are_an_adjunction(pair, radius):
    a, b = pair
    fits_grown = not (morphology.dilate(a, radius) & ~b).any()
    fits_shrunk = not (a & ~morphology.erode(b, radius)).any()
    assert fits_grown == fits_shrunk


@quick
@given(masks, radii)
def test_closing_only_adds_and_is_idempotent(mask, radius):
    closed = morphology.close(mask, radius)
    assert not (mask & ~closed).any()
    assert np.array_equal(morphology.close(closed, radius), closed)


@quick
@given(pairs)
def test_combine_obeys_set_algebra(pair):
    a, b = pair
    add, subtract, intersect = (morphology.combine(a, b, how) for how in ("add", "subtract", "intersect"))
    assert np.array_equal(add, morphology.combine(b, a, "add"))
    assert np.array_equal(add, subtract | b) and np.array_equal(a, subtract | intersect)
    assert not (subtract & b).any()
    assert np.array_equal(morphology.invert(add), morphology.invert(a) & morphology.invert(b))
    replaced = morphology.combine(a, b, "replace")
    assert np.array_equal(replaced, b) and replaced is not b


@quick
@given(masks, st.integers(1, 20))
def test_parts_are_the_mask_taken_apart(mask, area):
    parts = morphology.components(mask)
    assert len(parts) == ndimage.label(mask, np.ones((3, 3)))[1]
    assert np.array_equal(sum((p.astype(int) for p in parts), np.zeros(mask.shape, int)), mask.astype(int))
    starts = [int(np.argmax(part)) for part in parts]
    assert starts == sorted(starts)
    kept = morphology.drop_small(mask, area)
    assert np.array_equal(kept, np.any([p for p in parts if p.sum() >= area] or [np.zeros_like(mask)], axis=0))
    assert morphology.largest_component(mask).sum() == max((p.sum() for p in parts), default=0)


@quick
@given(masks)
def test_fill_holes_agrees_with_scipy(mask):
    assert np.array_equal(morphology.fill_holes(mask), ndimage.binary_fill_holes(mask))


def test_fill_holes_leaves_the_large_ones():
    mask = np.ones((30, 40), bool)
    mask[5:7, 5:7] = False
    mask[10:20, 10:20] = False
    mask[29, 30] = False
    filled = morphology.fill_holes(mask, max_area=4)
    assert filled[5:7, 5:7].all() and not filled[10:20, 10:20].any() and not filled[29, 30]


@quick
@given(masks, st.sampled_from([1, 2, 3]))
def test_outline_is_what_shrinking_away_from_a_frame_takes(mask, width):
    room = np.pad(mask, 1)
    expected = (room & ~morphology.erode(room, width))[1:-1, 1:-1]
    assert np.array_equal(morphology.outline(mask, width), expected)


def test_smooth_rounds_a_corner_keeps_the_area_and_never_deletes_a_crack():
    mask = np.zeros((80, 80), bool)
    mask[10:60, 10:50] = True
    mask[70, 5:75] = True
    smooth = morphology.smooth(mask, 6)
    assert not smooth[10, 10] and smooth[35, 30]
    assert abs(int(smooth[:66].sum()) - 2000) < 60
    assert smooth[70, 5:75].all()


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.floats(-10, 70), st.floats(-10, 70)), min_size=3, max_size=9),
    st.tuples(st.integers(5, 60), st.integers(5, 60)),
)
def test_polygon_holds_the_pixels_whose_centres_are_inside(points, shape):
    crossings = np.zeros(shape, int)
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        if y0 != y1:
            at = x0 + (y - y0) * ((x1 - x0) / (y1 - y0))
            crossings += ((y0 > y) != (y1 > y)) & (at <= x)
    expected = crossings % 2 == 1
    if expected.any():
        mask = morphology.polygon(points, shape)
        # An edge that runs through a centre may be decided either way by the last bit.
        assert (mask ^ expected).sum() <= 1
    else:
        with pytest.raises(MaskError, match="no pixel"):
            morphology.polygon(points, shape)


def test_polygon_of_a_rectangle_is_the_box():
    corners = [[3, 4], [13, 4], [13, 9], [3, 9]]
    assert np.array_equal(morphology.polygon(corners, (20, 20)), morphology.box(3, 4, 13, 9, (20, 20)))
    assert morphology.box(13, 9, 3, 4, (20, 20)).sum() == 50
    assert morphology.box(-5, -5, 2.2, 1.5, (20, 20)).sum() == 3 * 2


def test_bad_input_says_what_to_do():
    mask = np.zeros((8, 8), bool)
    with pytest.raises(InputError, match="grow: expected a length"):
        morphology.dilate(mask, -1)
    with pytest.raises(MaskError, match="at least 3"):
        morphology.polygon([[0, 0], [1, 1]], (8, 8))
    with pytest.raises(MaskError, match="outside the 8x8 photo"):
        morphology.box(20, 20, 30, 30, (8, 8))
    with pytest.raises(MaskError, match="photo's 8x8"):
        morphology.combine(mask, np.zeros((9, 8), bool), "add")
    with pytest.raises(InputError, match="combine: expected add"):
        morphology.combine(mask, mask, "xor")
