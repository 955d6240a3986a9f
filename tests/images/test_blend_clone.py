"""Blending: exact outside, smooth inside, and equal to the closed forms where there are any."""

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ImageError, InputError, MaskError
from core.images import alpha_blend, inner_alpha, is_grey, poisson_blend
from core.images.poisson_equation import solve_poisson


def noise(shape: tuple[int, ...], seed: int = 0, low: int = 0, high: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, shape, np.uint8)


def disc(shape: tuple[int, int], y: float, x: float, radius: float) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


def exact(known: np.ndarray, inside: np.ndarray, source: np.ndarray) -> np.ndarray:
    """The same equation by a sparse direct solver."""
    index = np.full(inside.shape, -1)
    index[inside] = np.arange(inside.sum())
    matrix, right = scipy.sparse.lil_matrix((inside.sum(),) * 2), source[inside].astype(float)
    for y, x in np.argwhere(inside):
        for ny, nx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= ny < inside.shape[0] and 0 <= nx < inside.shape[1]:
                matrix[index[y, x], index[y, x]] += 1
                if inside[ny, nx]:
                    matrix[index[y, x], index[ny, nx]] -= 1
                else:
                    right[index[y, x]] += known[ny, nx]
    out = known.astype(float)
    out[inside] = scipy.sparse.linalg.spsolve(matrix.tocsc(), right)
    return out


MASKS = {
    "disc": disc((37, 45), 18, 22, 13),
    "at a border": disc((37, 45), 0, 30, 17),
    "in a corner": disc((37, 45), 0, 0, 25),
    "scattered": np.random.default_rng(3).random((37, 45)) < 0.4,
    "all but one pixel": ~disc((37, 45), 20, 20, 0.5),
    "one row": np.arange(37)[:, None] * np.ones(45) == 9,
}


@pytest.mark.parametrize("case", MASKS)
def test_the_solver_agrees_with_a_direct_one(case: str) -> None:
    rng, inside = np.random.default_rng(1), MASKS[case]
    known = rng.uniform(0, 255, inside.shape).astype(np.float32)
    source = rng.normal(0, 20, inside.shape).astype(np.float32)
    found = solve_poisson(known, inside, source, tolerance=0.02)
    assert np.array_equal(found[~inside], known[~inside])
    assert np.abs(found - exact(known, inside, source)).max() < 0.2


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from(sorted(MASKS)), st.booleans())
def test_cloning_is_exact_outside_and_does_not_touch_its_inputs(seed: int, case: str, mixed: bool) -> None:
    photo, patch, mask = noise((37, 45, 3), seed), noise((37, 45, 3), seed + 1), MASKS[case]
    before = photo.copy()
    out = poisson_blend(photo, patch, mask, mixed)
    assert np.array_equal(out[~mask], photo[~mask]) and np.array_equal(photo, before)
    assert out.dtype == np.uint8 and not np.shares_memory(out, photo)


@pytest.mark.parametrize("case", MASKS)
@pytest.mark.parametrize("mixed", [False, True])
def test_a_patch_that_is_the_photo_in_another_light_gives_the_photo(case: str, mixed: bool) -> None:
    photo = noise((37, 45, 3), 5, 60, 190)
    brighter = photo + np.array([30, 40, 50], np.uint8)
    difference = poisson_blend(photo, brighter, MASKS[case], mixed).astype(int) - photo
    assert np.abs(difference).max() <= 1


def test_a_flat_patch_continues_a_ramp() -> None:
    ramp = np.repeat((np.arange(80) * 2 + 20).astype(np.uint8)[None, :, None], 60, axis=0).repeat(3, axis=2)
    out = poisson_blend(ramp, np.full_like(ramp, 7), disc((60, 80), 30, 40, 20))
    assert np.abs(out.astype(int) - ramp).max() <= 1


def test_mixed_cloning_keeps_the_photos_own_lines() -> None:
    photo = np.full((60, 60, 3), 120, np.uint8)
    photo[:, 28:32] = 220
    mask = disc((60, 60), 30, 30, 15)
    plain, mixed = (poisson_blend(photo, np.full_like(photo, 90), mask, m) for m in (False, True))
    assert np.abs(mixed.astype(int) - photo).max() <= 1
    assert int(plain[30, 30, 0]) < 200


def test_cloning_is_not_shifted() -> None:
    photo, patch = np.full((51, 51, 3), 100, np.uint8), np.full((51, 51, 3), 100, np.uint8)
    patch[20, 31] = 200
    out = poisson_blend(photo, patch, disc((51, 51), 25, 25, 15))
    assert np.unravel_index(out[..., 0].argmax(), (51, 51)) == (20, 31)


def test_far_apart_parts_are_cloned_as_if_alone() -> None:
    photo, patch = noise((300, 400, 3), 1), noise((300, 400, 3), 2)
    one, two = disc((300, 400), 20, 20, 12), disc((300, 400), 280, 380, 12)
    both = poisson_blend(photo, patch, one | two)
    alone = poisson_blend(poisson_blend(photo, patch, one), patch, two)
    assert np.abs(both.astype(int) - alone).max() <= 1


def test_grey_stays_grey_and_the_whole_frame_is_the_patch() -> None:
    photo, patch = (np.repeat(noise((40, 40, 1), s), 3, axis=2) for s in (1, 2))
    assert is_grey(poisson_blend(photo, patch, disc((40, 40), 20, 20, 12), mixed=True))
    assert np.array_equal(poisson_blend(photo, patch, np.ones((40, 40), np.bool_)), patch)
    assert np.array_equal(poisson_blend(photo, patch, np.zeros((40, 40), np.bool_)), photo)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.floats(0, 20))
def test_inner_alpha_is_a_ramp_inside_the_mask(seed: int, radius: float) -> None:
    mask = np.random.default_rng(seed).random((8, 9)).repeat(6, 0).repeat(6, 1) < 0.6
    alpha = inner_alpha(mask, radius)
    assert alpha.dtype == np.float32 and ((alpha > 0) == mask).all() and alpha.max(initial=0) <= 1
    # One pixel's step is at most one pixel of distance.
    for axis in (0, 1):
        assert np.abs(np.diff(alpha, axis=axis)).max() <= 1 / (radius + 1) + 1e-4
    assert np.array_equal(inner_alpha(mask, 0), mask.astype(np.float32))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32))
def test_alpha_blend_is_exact_at_0_and_1_and_between_elsewhere(seed: int) -> None:
    rng = np.random.default_rng(seed)
    under, over = noise((20, 30, 3), seed), noise((20, 30, 3), seed + 1)
    alpha = np.clip(rng.uniform(-0.5, 1.5, (20, 30)), 0, 1).astype(np.float32)
    out = alpha_blend(under, over, alpha)
    assert np.array_equal(out[alpha == 0], under[alpha == 0])
    assert np.array_equal(out[alpha == 1], over[alpha == 1])
    assert (out >= np.minimum(under, over)).all() and (out <= np.maximum(under, over)).all()


def test_what_does_not_fit_is_refused() -> None:
    photo, mask = noise((20, 30, 3)), np.ones((20, 30), np.bool_)
    with pytest.raises(ImageError, match="expected the photo's 30x20 pixels, got 20x20"):
        poisson_blend(photo, photo[:, :20], mask)
    with pytest.raises(MaskError, match="expected the photo's 30x20"):
        poisson_blend(photo, photo, mask[:10])
    with pytest.raises(InputError, match="radius"):
        inner_alpha(mask, -1)
    with pytest.raises(InputError, match="alpha: expected"):
        alpha_blend(photo, photo, np.zeros((3, 3), np.float32))
