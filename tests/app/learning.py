"""Real defects to learn from, and the settings of a learning in the Concepts tab."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Locator, Page, expect

from core.api import Workbench
from core.images import mask_png_bytes

CARDS = "#fs-cx-learned article"
PLAN = "#fs-learn-plan"
FIRST_MS = 150_000
"""Until the first thing is learned: the server loads the libraries for it."""


def defect(part: np.ndarray, centre: tuple[int, int], radius: int = 6) -> tuple[bytes, np.ndarray]:
    """A photo with a dark hole as PNG, and the hole's mask."""
    mask = cv2.circle(np.zeros(part.shape[:2], np.uint8), centre, radius, 1, -1).astype(bool)
    photo = part.copy()
    photo[mask] //= 5
    return cv2.imencode(".png", photo)[1].tobytes(), mask


def add_defect(bench: Workbench, part: np.ndarray, centre: tuple[int, int], label: str) -> bytes:
    """Import such a photo under a label; the PNG."""
    data, mask = defect(part, centre)
    size = (mask.shape[1], mask.shape[0])
    bench.project.add_example(data, "png", label, "structural", [mask_png_bytes(mask)], f"{label}.png", *size)
    return data


def field(page: Page, fold: str, title: str) -> Locator:
    """The input of this title in the engine's form that is shown."""
    label = page.locator(f"{fold} .fs-form:visible label", has=page.get_by_text(title, exact=True))
    return label.locator("input, textarea")


def settings(page: Page, toy: Path, steps: int) -> None:
    """Learn on the toy model, in so many steps."""
    page.get_by_role("button", name="Settings of the learning").click()
    for title, value in (("Steps", steps), ("Model", toy)):
        box = field(page, "#fs-learn-settings", title)
        box.fill(str(value))
        box.press("Tab")
    expect(page.locator(PLAN)).to_contain_text(f"{steps:,} at most")
