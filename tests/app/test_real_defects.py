"""Studio's strip of real defects: one pressed, or dragged onto the photo, is what the samples are like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.api import SampleFilter, Workbench
from core.images import mask_png_bytes, png_bytes
from core.types import Recipe
from tests.app.hands import Hands, previews, set_value

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


def add_defect(path: Path, photo: np.ndarray, at: tuple[int, int], label: str) -> str:
    """A dark spot as a real anomaly of the project; its id."""
    mask = cv2.circle(np.zeros(photo.shape[:2], np.uint8), at, 7, 1, -1) != 0
    shown = photo.copy()
    shown[mask] //= 3
    with Workbench.open(path) as bench:
        row = bench.project.add_example(
            png_bytes(shown), "png", label, "structural", [mask_png_bytes(mask)], f"{label} {at[0]}.png",
            photo.shape[1], photo.shape[0],
        )  # fmt: skip
    return row.id


def test_a_pressed_or_dragged_defect_is_what_samples_are_like(
    new_project: Callable[..., Path], new_page: Callable[..., Page], part_photos: list[np.ndarray]
) -> None:
    project = new_project()
    spot, other = (add_defect(project, part_photos[0], at, "spot") for at in ((64, 20), (20, 80)))
    studio = Hands(new_page(project), "studio").open()
    page = studio.page
    set_value(page, "#fs-variants", 1)
    tile = page.locator(f"#fs-like [data-defect='{spot}']")
    tile.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".toast-body")).to_contain_text("mask")  # what is missing is said, and the choice stays
    expect(page.locator("#fs-engine label.selected")).to_contain_text("Graft")
    expect(page.locator("#fs-label input")).to_have_value("spot")
    expect(tile).to_have_attribute("aria-pressed", "true")

    studio.box((56, 60), (76, 80))
    page.locator(f"#fs-like [data-defect='{spot}']").press("Enter")
    previews(page, 1)
    page.locator(f"#fs-like [data-defect='{other}']").drag_to(studio.root)
    previews(page, 2)
    page.locator(f"#fs-like [data-defect='{spot}']").click(modifiers=["Shift"])
    previews(page, 3)
    with Workbench.open(project) as bench:
        rows = sorted(bench.review.page(SampleFilter(), 0, 9), key=lambda row: row.number)
        made = [Recipe.from_json(row.recipe_json) for row in rows]
    assert [recipe.params["reference"] for recipe in made] == [spot, other, f"{other},{spot}"]
    assert [set(recipe.example_ids) for recipe in made] == [{spot}, {other}, {spot, other}]
