"""Which component broke the logic, and where: eqs. 7 and 10 on maps whose truth is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.errors import InputError, MaskError
from core.methods.comgen.residual import FLOOR, SHARE, attention_diff, grown, refined, smoothed

NAMES = ("bolt", "nut", "washer")


def square(y: int, x: int, side: int = 3, value: float = 0.9) -> np.ndarray:
    cells = np.zeros((16, 16), np.float32)
    cells[y : y + side, x : x + side] = value
    return cells


NORM = np.stack([square(2, 2), square(2, 10), square(10, 4)])


def disc(shape: tuple[int, int], y: float, x: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(rows - y, columns - x) < radius


def test_equal_maps_leave_nothing() -> None:
    found = attention_diff(NORM, NORM, NAMES, (64, 64))
    assert not found.soft.any() and not found.unrefined.any() and found.top_component == ""


@pytest.mark.parametrize("gone", range(3))
def test_a_missing_component_is_named_and_found(gone: int) -> None:
    gen = NORM.copy()
    gen[gone] = 0
    found = attention_diff(NORM, gen, NAMES, (128, 128))
    assert found.top_component == NAMES[gone] and found.component_weights[NAMES[gone]] == pytest.approx(1)
    truth = cv2.resize(NORM[gone], (128, 128), interpolation=cv2.INTER_NEAREST) > 0.5
    assert (found.unrefined & truth).sum() / (found.unrefined | truth).sum() > 0.55
    assert found.soft.shape == (128, 128) and found.soft.dtype == np.float32 and 0 <= found.soft.max() <= 1


def test_the_soft_map_is_equation_10() -> None:
    gen = np.roll(NORM, 2, axis=2)
    found = attention_diff(NORM, gen, NAMES, (16, 16))
    by_hand = sum(np.abs(cv2.GaussianBlur(a, (3, 3), 0, borderType=cv2.BORDER_REPLICATE)
                         - cv2.GaussianBlur(b, (3, 3), 0, borderType=cv2.BORDER_REPLICATE))
                  for a, b in zip(NORM, gen, strict=True))  # fmt: skip
    assert found.soft == pytest.approx(np.clip(by_hand, 0, 1), abs=1e-6)
    assert np.array_equal(found.unrefined, found.soft >= SHARE * found.soft.max())
    assert sum(found.component_weights.values()) == pytest.approx(1)
    total = sum(found.components.values())
    assert np.clip(total, 0, 1) == pytest.approx(found.soft, abs=1e-6)


def test_it_does_not_matter_which_is_the_good_one() -> None:
    gen = NORM.copy()
    gen[1] = square(8, 12)
    one, other = attention_diff(NORM, gen, NAMES, (64, 64)), attention_diff(gen, NORM, NAMES, (64, 64))
    assert np.array_equal(one.soft, other.soft) and one.top_component == other.top_component == "nut"


def test_noise_below_the_floor_is_no_change() -> None:
    rng = np.random.default_rng(0)
    gen = NORM + rng.uniform(0, FLOOR / 8, NORM.shape).astype(np.float32)
    assert not attention_diff(NORM, gen, NAMES, (64, 64)).unrefined.any()


def test_smoothing_keeps_the_sum_and_the_flat() -> None:
    inner = square(6, 6)[None]
    assert smoothed(inner).sum() == pytest.approx(inner.sum(), rel=1e-5)
    flat = np.full((1, 16, 16), 0.3, np.float32)
    assert smoothed(flat) == pytest.approx(flat)


def test_maps_of_other_prompts_are_refused() -> None:
    for gen, names in ((NORM[:2], NAMES), (NORM, NAMES[:2])):
        with pytest.raises(InputError, match="same prompt"):
            attention_diff(NORM, gen, names, (64, 64))


def pictures(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A noisy plate with a disc, the same without it, and the disc."""
    rng = np.random.default_rng(seed)
    base = np.full((128, 128, 3), 120.0)
    truth = disc((128, 128), 40, 48, 17)
    with_disc = base.copy()
    with_disc[truth] = (190, 160, 90)
    noise = rng.normal(0, 1.0, base.shape)
    before, after = (np.clip(p + noise, 0, 255).round().astype(np.uint8) for p in (with_disc, base))
    return before, after, truth


@pytest.mark.parametrize("seed", range(3))
def test_refining_finds_the_edges(seed: int) -> None:
    before, after, truth = pictures(seed)
    coarse = np.zeros((128, 128), np.bool_)
    coarse[16:64, 32:72] = True
    mask = refined(coarse, before, after, 8)
    assert (mask & truth).sum() / (mask | truth).sum() > 0.88
    assert (coarse & truth).sum() / (coarse | truth).sum() < 0.6


def test_refining_stays_near_and_within() -> None:
    before, after, truth = pictures()
    other = disc((128, 128), 110, 110, 10)
    after[other] = 0
    coarse = disc((128, 128), 40, 48, 14)
    mask = refined(coarse, before, after, 8)
    assert not (mask & other).any() and not (mask & ~grown(coarse, 8)).any()
    left = np.zeros((128, 128), np.bool_)
    left[:, :48] = True
    assert not (refined(coarse, before, after, 8, within=left) & ~left).any()


def test_a_ring_keeps_its_hole_when_it_is_large() -> None:
    ring = disc((128, 128), 64, 64, 40) & ~disc((128, 128), 64, 64, 30)
    before = np.full((128, 128, 3), 120, np.uint8)
    after = before.copy()
    after[ring] = 30
    mask = refined(disc((128, 128), 64, 64, 44), before, after, 8)
    assert (mask & ring).sum() / (mask | ring).sum() > 0.8


def test_nothing_visible_is_an_empty_mask_and_sizes_must_fit() -> None:
    before, _, truth = pictures()
    assert not refined(truth, before, before, 8).any()
    assert not refined(np.zeros_like(truth), before, 255 - before, 8).any()
    with pytest.raises(MaskError, match="one size"):
        refined(truth[:64], before, before, 8)
