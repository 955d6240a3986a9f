"""Score maps to measure in the Evaluate tab."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect

from core.images import mask_png_bytes
from tests.app.hands import set_value

RESULT = "#fs-ev-result"


def maps(folder: Path, sharp: float) -> Path:
    """Score maps of six photos, 40 by 48; ``sharp`` is how far the two defects stand out from the noise."""
    masks = folder.parent / "ground_truth" / "scratch"
    masks.mkdir(parents=True, exist_ok=True)
    for i in range(6):
        rng = np.random.default_rng(i)
        label = "scratch" if i < 2 else "good"
        values = rng.normal(0, 1, (40, 48)).astype(np.float32)
        if label == "scratch":
            mask = np.zeros((40, 48), np.bool_)
            mask[10 + i : 20, 8:30] = True
            values[mask] += np.float32(sharp)
            (masks / f"{i:03d}_mask.png").write_bytes(mask_png_bytes(mask))
        (folder / label).mkdir(parents=True, exist_ok=True)
        np.save(folder / label / f"{i:03d}.npy", values)
    return folder


def evaluate(page: Page, scores: Path, name: str) -> None:
    """Measure a folder of score maps under a name."""
    set_value(page, "#fs-ev-scores", scores)
    set_value(page, "#fs-ev-masks", scores.parent / "ground_truth")
    set_value(page, "#fs-ev-name", name)
    expect(page.locator("#fs-ev-plan")).to_contain_text("6 score maps")
    expect(page.locator("#fs-ev-go")).to_be_enabled()
    page.locator("#fs-ev-go").click()
    expect(page.locator(RESULT).locator("h2")).to_have_text(name)
