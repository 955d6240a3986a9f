"""A photo is known again however it was saved, and parts of one design are told apart."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.quality.photo_copies import PhotoPattern, find_copies


def part(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A photo of one design with grain of its own, and a scratch somewhere: uint8 (96, 128, 3), bool (96, 128)."""
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.normal(150, 22, (96, 128)).astype(np.float32), (0, 0), 1.2)
    cv2.circle(image, (64, 48), 30, 90, 3)
    mask = np.zeros((96, 128), np.uint8)
    at = rng.integers((20, 20), (100, 70))
    cv2.line(mask, tuple(map(int, at)), tuple(map(int, at + rng.integers(8, 20, 2))), 1, 3)
    image[mask > 0] = 235
    return np.repeat(np.clip(image, 0, 255).astype(np.uint8)[..., None], 3, axis=2), mask > 0


CHANGES = {
    "JPEG": lambda a: cv2.imdecode(cv2.imencode(".jpg", a, [1, 60])[1], 1) if a.dtype == np.uint8 else a,
    "half the size": lambda a: cv2.resize(a.astype(np.uint8), (64, 48), interpolation=cv2.INTER_AREA).astype(a.dtype),
    "other light": lambda a: np.clip(a * 1.15 + 12, 0, 255).astype(np.uint8) if a.dtype == np.uint8 else a,
    "mirrored": lambda a: np.ascontiguousarray(a[:, ::-1]),
    "turned": lambda a: np.ascontiguousarray(np.rot90(a)),
    "moved": lambda a: np.roll(a, (2, 4), (0, 1)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_photo_is_found_among_others_of_its_design(change: str) -> None:
    known = [part(seed) for seed in range(6)]
    good = [PhotoPattern.of(part(seed)[0]) for seed in range(50, 60)]
    asked = PhotoPattern.of(*(CHANGES[change](array) for array in known[4]))
    other = PhotoPattern.of(*part(99))
    assert find_copies([asked, other], [PhotoPattern.of(*pair) for pair in known], good) == [4, None]


def test_the_same_part_with_another_defect_is_no_copy() -> None:
    image, mask = part(3)
    elsewhere = np.zeros_like(mask)
    elsewhere[5:12, 110:124] = True
    good = [PhotoPattern.of(part(seed)[0]) for seed in range(50, 60)]
    assert find_copies([PhotoPattern.of(image, elsewhere)], [PhotoPattern.of(image, mask)], good) == [None]


def test_photos_of_one_pose_are_not_copies_where_good_ones_are_as_near() -> None:
    rng = np.random.default_rng(0)
    base, mask = part(1)
    near = [np.clip(base + rng.normal(0, 14, base.shape), 0, 255).astype(np.uint8) for _ in range(8)]
    patterns = [PhotoPattern.of(image, mask) for image in near]
    assert find_copies(patterns[:1], patterns[1:2], [PhotoPattern.of(image) for image in near[2:]]) == [None]
