"""Draws the pictures of docs/demo.md from the shipped sheet."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from core.demo import scenes
from core.demo.scenes import FAULTS, PRODUCTS, Sheet

DOCS = Path(__file__).resolve().parents[2] / "docs" / "pictures"
SHOWN = {
    "fastener_tray": ("missing_nut", "foreign_pin"),
    "gear_unit": ("turned_lever", "missing_bearing"),
    "brushed_plate": ("crack", "stain"),
}


def draw(sheet: Sheet) -> None:
    """Write both pictures."""
    DOCS.mkdir(parents=True, exist_ok=True)
    rows = [np.hstack(_row(product, sheet)) for product in PRODUCTS]
    _write(DOCS / "demo_products.jpg", np.vstack(rows))
    varied = [
        scenes.make(scenes.varied(product, seed), 256, sheet).image for product in PRODUCTS for seed in range(20, 24)
    ]
    _write(DOCS / "demo_scenes.jpg", np.vstack([np.hstack(varied[i : i + 4]) for i in range(0, len(varied), 4)]))


def _row(product: str, sheet: Sheet) -> list[np.ndarray]:
    pictures = [scenes.make(scenes.normal(product, 1), 384, sheet).image]
    for label in SHOWN[product]:
        fault = next(f for f in FAULTS[product] if f.label == label)
        twin = scenes.faulty(product, 3000, fault, 384, sheet)
        picture = twin.after.image.copy()
        outlines, _ = cv2.findContours(twin.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, (255, 60, 40), 1, cv2.LINE_AA)
        pictures.append(picture)
    return pictures


def _write(path: Path, picture: np.ndarray) -> None:
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 84])
