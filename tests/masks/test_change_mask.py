"""What an editor changed, found where the truth is known: another light, noise and a shift are no change."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.errors import MaskError
from core.masks.change_mask import change_mask

HEIGHT, WIDTH = 240, 320


def texture(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 40, (HEIGHT, WIDTH, 3))
    return np.asarray((cv2.GaussianBlur(noise, (0, 0), 6) * 6 + 130).clip(0, 255), np.uint8)


def part() -> np.ndarray:
    photo = texture(0)
    cv2.circle(photo, (160, 120), 70, (60, 70, 80), -1)
    cv2.rectangle(photo, (20, 20), (90, 60), (200, 190, 180), -1)
    return photo


def edited(photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A scratch and a faint stain with soft rims, and where they are."""
    soft = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.line(soft, (120, 90), (190, 130), 255, 4)
    cv2.ellipse(soft, (250, 180), (18, 12), 20, 0, 360, 255, -1)
    soft = cv2.GaussianBlur(soft, (0, 0), 0.8)
    change = photo + soft[..., None] / 255.0 * np.where(np.arange(WIDTH) < 220, 90.0, -25.0)[None, :, None]
    after = np.rint(change.clip(0, 255)).astype(np.uint8)
    return after, np.abs(after.astype(int) - photo).max(axis=2) > 5


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_an_edit_is_found_to_the_pixel() -> None:
    after, truth = edited(part())
    found = change_mask(part(), after)
    assert iou(found.mask, truth) > 0.8
    assert found.confidence.dtype == np.float32 and found.confidence[truth].mean() > 0.9
    assert found.confidence[~cv2.dilate(truth.view(np.uint8), np.ones((9, 9))).astype(bool)].max() < 0.5


def test_light_and_noise_are_no_change() -> None:
    after, truth = edited(part())
    rng = np.random.default_rng(1)
    lit = after * np.linspace(0.96, 1.05, WIDTH)[None, :, None] + 4 + rng.normal(0, 2, after.shape)
    before = part() + rng.normal(0, 2, after.shape)
    first, second = (np.rint(photo.clip(0, 255)).astype(np.uint8) for photo in (before, lit))
    assert iou(change_mask(first, second).mask, truth) > 0.75


def test_a_part_that_was_turned_and_moved_between_the_photos_is_laid_back() -> None:
    after, truth = edited(part())
    motion = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 5, 0.98)
    motion[:, 2] += (12, -8)
    before = cv2.warpAffine(part(), motion, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    assert iou(change_mask(before, after).mask, truth) > 0.7


def test_nothing_changed_and_another_part_are_told() -> None:
    with pytest.raises(MaskError, match="nothing changed"):
        change_mask(part(), part())
    with pytest.raises(MaskError, match="two photos of one part"):
        change_mask(texture(1), texture(2))
