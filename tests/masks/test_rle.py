"""Run lengths of whole masks and of windows of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.errors import MaskError
from core.masks import rle


def by_hand(mask):
    """The definition: walk over the pixels in row-major order and count, beginning with False."""
    runs, value, length = [], False, 0
    for pixel in mask.reshape(-1).tolist():
        if pixel != value:
            runs.append(length)
            value, length = pixel, 0
        length += 1
    return [*runs, length]


@settings(deadline=None, max_examples=120)
@given(arrays(np.bool_, st.tuples(st.integers(1, 6), st.integers(1, 6))))
def test_runs_are_what_counting_gives(mask):
    runs = rle.encode(mask)
    assert runs == by_hand(mask)
    assert all(type(n) is int for n in runs)
    assert np.array_equal(rle.decode(runs, mask.shape), mask)


@settings(deadline=None, max_examples=150)
@given(
    arrays(np.bool_, st.tuples(st.integers(1, 5), st.integers(1, 5))),
    st.tuples(*[st.integers(0, 2)] * 4),
)
def test_a_window_encodes_as_the_mask_it_stands_for(window, margins):
    top, bottom, left, right = margins
    whole = np.pad(window, ((top, bottom), (left, right)))
    assert rle.encode_window(window, top, left, whole.shape) == by_hand(whole)


@pytest.mark.parametrize("y0, x0", [(-1, 0), (0, -1), (3, 0), (0, 4)])
def test_a_window_off_the_frame_is_refused(y0, x0):
    with pytest.raises(MaskError, match="leaves the 6x5 frame"):
        rle.encode_window(np.ones((3, 3), np.bool_), y0, x0, (5, 6))


def test_a_large_mask_survives():
    rng = np.random.default_rng(0)
    mask = rng.random((700, 900)) < 0.3
    mask[:50] = False
    runs = rle.encode(mask)
    assert np.array_equal(rle.decode(runs, mask.shape), mask)
    assert min(runs[1:]) > 0
