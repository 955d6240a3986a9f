"""Toy photos that a small detector can learn within seconds: grainy plates with bright dots and dark lines."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from core.evaluation.photo_sets import Shot

SIZE = (72, 96)


def plate(seed: int, label: str = "good") -> tuple[np.ndarray, np.ndarray]:
    """A photo, uint8 (72, 96, 3), and where its defect is, bool (72, 96)."""
    rng = np.random.default_rng([seed, len(label)])
    canvas = np.clip(rng.normal(120, 6, SIZE), 0, 255).astype(np.uint8)
    mask = np.zeros(SIZE, np.uint8)
    y, x = int(rng.integers(14, 58)), int(rng.integers(14, 82))
    if label == "dot":
        cv2.circle(mask, (x, y), int(rng.integers(5, 9)), 1, -1)
        canvas[mask > 0] = 215
    elif label == "line":
        cv2.line(mask, (x - 12, y), (x + 12, y + int(rng.integers(-10, 11))), 1, 4)
        canvas[mask > 0] = 30
    return np.repeat(canvas[..., None], 3, axis=2), mask.astype(bool)


def shots(counts: dict[str, int], start: int) -> list[Shot]:
    """Shots in memory: so many of each label; ``start`` keeps sets apart."""
    made = []
    for label, count in counts.items():
        for i in range(count):
            image, mask = plate(start + i, label)
            made.append(Shot(f"{label}/{i:03d}", image, label, () if label == "good" else (mask,)))
    return made


def dataset(root: Path, train_good: int, test: dict[str, int], start: int) -> Path:
    """The same as files in MVTec AD's layout."""
    (root / "train" / "good").mkdir(parents=True)
    for i in range(train_good):
        cv2.imwrite(str(root / "train" / "good" / f"{i:03d}.png"), plate(start + i)[0])
    for label, count in test.items():
        (root / "test" / label).mkdir(parents=True)
        (root / "ground_truth" / label).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            image, mask = plate(start + 500 + i, label)
            cv2.imwrite(str(root / "test" / label / f"{i:03d}.png"), image)
            if label != "good":
                cv2.imwrite(str(root / "ground_truth" / label / f"{i:03d}_mask.png"), mask.astype(np.uint8) * 255)
    return root
