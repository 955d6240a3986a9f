"""Import shows what it found first: readings, labels and odd photos are put right, then it is done."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.images.source_depth import deep_png_bytes
from core.jobs.import_images import import_images
from core.store import Project
from tests.app.conftest import open_tab
from tests.app.hands import Hands
from tests.importers.drawn import MASK, SIZE, bad, coded, good, photo, write

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


def cvat_zip() -> bytes:
    """CVAT's Segmentation mask 1.1 with three scratches, nine good photos of which one is flat, and an overview."""
    red = np.zeros((*SIZE, 3), np.uint8)
    red[MASK] = (250, 50, 83)
    files: dict[str, bytes | str] = {f"JPEGImages/{n}.png": bad(n) for n in range(3)}
    files |= {f"SegmentationClass/{n}.png": coded(red) for n in range(3)}
    files |= {f"JPEGImages/ok/{n}.png": good(20 + n) for n in range(8)}
    files |= {"JPEGImages/ok/8.png": coded(np.where(MASK, 90, 160).astype(np.uint8))}
    files |= {f"JPEGImages/overview/{n}.png": good(40 + n) for n in range(2)}
    files |= {"labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\nscratch:250,50,83::\n"}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_a_cvat_zip_is_looked_at_corrected_and_imported(page: Page) -> None:
    open_tab(page, "Product")
    page.locator("#fs-new-name input").fill("from cvat")
    page.locator("#fs-new").click()
    expect(page.locator("#fs-project")).to_contain_text("0 photos")
    zipped = {"name": "job 7.zip", "mimeType": "application/zip", "buffer": cvat_zip()}
    page.locator("#fs-drop input[type=file]").set_input_files([zipped])
    page.locator("#fs-drop [aria-label='job 7.zip']").wait_for()
    page.locator("#fs-take").click()

    found = page.locator("#fs-imp-found")
    expect(found.locator("header")).to_contain_text("CVAT Segmentation mask")
    expect(found.locator(".fs-chip")).to_have_text(["10 good", "3 scratch", "3 mask files", "1 to look at"])
    expect(found.locator("tbody tr")).to_have_count(5)
    expect(page.locator("#fs-project")).to_contain_text("0 photos")
    expect(page.locator("#fs-imp-go")).to_have_text("Import 13 photos")
    row = found.locator("tr[data-path='JPEGImages/overview']")
    expect(row.locator("img")).to_have_count(2)
    row.get_by_role("button", name="Ignore").press("Enter")
    expect(page.locator("#fs-imp-go")).to_have_text("Import 11 photos")
    expect(row.get_by_role("button", name="Ignore")).to_have_attribute("aria-pressed", "true")
    expect(row.get_by_role("button", name="Ignore")).to_be_focused()
    expect(row).to_contain_text("2 left out")
    found.locator("figure").get_by_role("button", name="Good part").click()
    expect(page.locator("#fs-imp-go")).to_have_text("Import 12 photos")
    expect(found.locator("figure")).to_have_count(0)
    found.locator("[data-label='scratch']").fill("Deep scratch")
    found.locator("[data-label='scratch']").press("Enter")
    expect(found.locator(".fs-chip").nth(1)).to_have_text("3 deep_scratch")

    page.locator("#fs-imp-go").click()
    expect(page.locator("#fs-project")).to_contain_text("9 photos")
    expect(page.locator("#fs-imp")).to_be_hidden()
    page.locator("#fs-album-kind").get_by_label("Real anomalies (3)").check(force=True)
    expect(page.locator(".fs-album .fs-chip")).to_have_text("deep_scratch 3")
    page.locator("#fs-album [data-id]").nth(0).click()
    page.locator("#fs-open-real").click()
    Hands(page, "concepts").until(f"M.ready && M.count() === {int(MASK.sum())}")


def test_the_scale_of_photos_above_8_bits_is_changed(tmp_path: Path, new_page: Callable[..., Page]) -> None:
    files = {f"OK/{n}.png": deep_png_bytes(photo(n)[..., 0].astype(np.uint16) * 14) for n in range(3)}
    with Project.create(tmp_path / "deep") as project:
        import_images(project, write(tmp_path / "in", files))
    page = new_page(tmp_path / "deep")
    open_tab(page, "Product")
    page.locator("#fs-scale").get_by_role("button", name="Scale of more than 8 bits").click()
    expect(page.locator("#fs-scale-says")).to_contain_text("uint16: 0 to 4095")
    field = page.locator("#fs-scale-ends input")
    expect(field).to_have_value("uint16=0..4095")
    field.fill("uint16=0..8190")
    field.press("Enter")
    expect(page.locator("#fs-scale-says")).to_contain_text("0 to 8190 (as a person said)")
    expect(field).to_have_value("uint16=0..8190")
