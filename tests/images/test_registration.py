"""A photo that is shifted, turned and scaled is laid back; one that lies as it was is known as such."""

from __future__ import annotations

import cv2
import numpy as np

from core.images.registration import register

SIZE = 224
CORNERS = np.array([[30, 30, 1], [190, 40, 1], [60, 180, 1]], float).T


def part() -> np.ndarray:
    rng = np.random.default_rng(0)
    photo = np.clip(cv2.GaussianBlur(rng.normal(0, 40, (SIZE, SIZE, 3)), (0, 0), 4) * 3 + 130, 0, 255).astype(np.uint8)
    cv2.circle(photo, (80, 70), 28, (60, 70, 80), -1)
    cv2.rectangle(photo, (120, 120), (190, 165), (200, 190, 180), -1)
    return photo


def test_the_motion_is_given_back_at_every_size() -> None:
    matrix = cv2.getRotationMatrix2D((100, 100), -4.0, 0.98)
    matrix[:, 2] += (9.0, 3.0)
    target = cv2.warpAffine(part(), matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
    for side in (160, 384):
        found = register(part(), target, side=side)
        assert np.abs(found.matrix @ CORNERS - matrix @ CORNERS).max() < 1.0
        assert found.quality > 0.8 > found.quality_as_is


def test_a_photo_that_did_not_move_is_known() -> None:
    noisy = np.clip(part() + np.random.default_rng(1).normal(0, 2, (SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
    found = register(part(), noisy)
    assert found.quality - found.quality_as_is < 0.01
    assert np.abs(found.matrix @ CORNERS - CORNERS[:2]).max() < 0.5
