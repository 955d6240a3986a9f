"""Plain surfaces: how they are told, and that grain and light go on over the hole."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.device import numpy_rng
from core.images import fill_hole
from core.images.fill.grain import fill_plain_surface, is_plain
from core.images.poisson_equation import membrane

SHAPE = (160, 170)


def disc(y: float, x: float, radius: float, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


def grain(seed: int, sigma: float = 1.5, strength: float = 7) -> np.ndarray:
    field = cv2.GaussianBlur(np.random.default_rng(seed).standard_normal(SHAPE), (0, 0), sigma)
    return field / field.std() * strength


def light() -> np.ndarray:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return 90 + 0.2 * rows + 0.15 * columns


HOLE = disc(80, 85, 28)
SURFACES = {
    "flat": np.full(SHAPE, 120.0),
    "lit": light(),
    "grain": light() + grain(1),
    "coarse grain": light() + grain(2, 2.5),
}
STRUCTURES = {
    "stripes": 120 + 12 * np.sin(np.arange(SHAPE[1]) / 2)[None] + 0 * light() + grain(3, 0.8, 2),
    "brushed": light() + cv2.GaussianBlur(grain(4, 0.5, 60), (1, 41), 0.1, sigmaY=9),
    "line": np.where(np.abs(np.arange(SHAPE[0])[:, None] - 80) < 4, 30.0, light() + grain(5)),
    "traces": np.where((np.mgrid[: SHAPE[0], : SHAPE[1]].sum(0) // 20) % 2, 240.0, 20.0),
    "two surfaces": np.where(np.arange(SHAPE[1])[None] < 85, 80.0, 130.0) + grain(6),
}


@pytest.mark.parametrize("name", sorted(SURFACES))
def test_even_grain_is_plain(name: str) -> None:
    assert is_plain(SURFACES[name].astype(np.float32), HOLE, ~HOLE)


@pytest.mark.parametrize("name", sorted(STRUCTURES))
def test_what_has_structure_is_not_plain(name: str) -> None:
    assert not is_plain(STRUCTURES[name].astype(np.float32), HOLE, ~HOLE)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("walled", [False, True])
def test_grain_keeps_its_variance_and_its_fineness(channels: int, walled: bool) -> None:
    one = (light() + grain(7)).astype(np.float32)
    image = one if channels == 1 else np.stack([one, one - 20, one + 20], 2)
    sources = ~HOLE
    if walled:
        # Strips too narrow for the hole as a whole: tiles must be laid.
        sources &= np.arange(SHAPE[1])[None] % 85 > 30
    out = fill_plain_surface(image, HOLE, sources, numpy_rng(0))
    assert out is not None and np.array_equal(out[~HOLE], image[~HOLE])
    filled, real = ((f if channels == 1 else f[..., 0]) - light() for f in (out, image))
    core = disc(80, 85, 24)
    assert 0.75 < filled[core].std() / real[~HOLE].std() < 1.3
    near = [np.corrcoef(f[:, :-1][m[:, :-1]], f[:, 1:][m[:, :-1]])[0, 1] for f, m in ((filled, core), (real, ~HOLE))]
    assert abs(near[0] - near[1]) < 0.08


@pytest.mark.parametrize("seed", range(4))
def test_light_goes_on(seed: int) -> None:
    steep = 3 * light() - 240
    out = fill_plain_surface((steep + grain(8 + seed)).astype(np.float32), HOLE, ~HOLE, numpy_rng(seed))
    assert out is not None
    # A fill without the slope would be off by up to 15 levels in a quarter.
    for rows in (slice(80), slice(80, None)):
        for columns in (slice(85), slice(85, None)):
            quarter = HOLE[rows, columns]
            assert np.ptp(steep[rows, columns][quarter]) > 19
            assert abs((out - steep)[rows, columns][quarter].mean()) < 5


def test_what_must_not_be_copied_does_not_stain_the_hole() -> None:
    field = light() + grain(9)
    wall = np.zeros(SHAPE, np.bool_)
    wall[102:] = True
    field[wall] = 20
    photo = np.repeat(np.rint(field).astype(np.uint8)[..., None], 3, axis=2)
    hole = HOLE & ~wall
    out = fill_hole(photo, hole, numpy_rng(2), avoid=wall)
    along = hole & (np.arange(SHAPE[0])[:, None] >= 97)
    assert abs(out[along].astype(float).mean() - light()[along].mean()) < 5


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 60), st.floats(0.01, 0.9))
def test_a_membrane_goes_through_what_is_fixed_and_never_beyond(seed: int, h: int, w: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.uniform(-50, 50, (h, w)).astype(np.float32)
    fixed = rng.random((h, w)) < share
    fixed[rng.integers(h), rng.integers(w)] = True
    sheet = membrane(values, fixed)
    assert np.abs(sheet[fixed] - values[fixed]).max() < 1e-3
    assert sheet.min() > values[fixed].min() - 1e-2 and sheet.max() < values[fixed].max() + 1e-2


def test_a_membrane_over_a_slope_is_the_slope() -> None:
    slope = light().astype(np.float32)
    rim = cv2.dilate(HOLE.view(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_) & ~HOLE
    for field in (slope, np.stack([slope, 2 * slope, -slope], 2)):
        assert np.abs(membrane(field, rim) - field)[HOLE].max() < 1.5


@pytest.mark.parametrize("seed", range(8))
def test_a_hole_with_little_rim_does_not_drift_away(seed: int) -> None:
    rng = np.random.default_rng(seed)
    photo = rng.integers(90, 110, (16, 28, 3), np.uint8)
    hole = np.zeros((16, 28), np.bool_)
    hole[8:, 8:] = True
    avoid = np.zeros_like(hole)
    avoid[:8, 12:] = True
    out = fill_hole(photo, hole, numpy_rng(seed), avoid)
    assert out.min() >= 75 and out.max() <= 125
