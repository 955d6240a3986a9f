"""What axe-core finds on every tab and in an import, light and dark: nothing of WCAG 2's levels A and AA."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.api import Workbench
from core.images.source_depth import deep_png_bytes
from core.types import ReviewStatus
from tests.app.conftest import ROOT, open_tab
from tests.app.learning import add_defect
from tests.importers.drawn import bad, good, mask, photo, write

pytestmark = [pytest.mark.browser, pytest.mark.thorough]

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
READY = {
    "Product": "#fs-album [data-id]",
    "Regions": "#fs-regions-canvas .fsc-stage",
    "Concepts": "#fs-cx-tiles .fs-cx-tile",
    "Studio": "#fs-studio-canvas .fsc-stage",
    "Review": "#fs-review .fsb-tile",
    "Export": "#fs-preview .fs-numbers",
    "Evaluate": "#fs-ev-plan :is(dl, p)",
    "Models": "#fs-weights tbody tr",
}
"""Each tab, and what shows that it is filled."""


def violations(page: Page) -> list[str]:
    """What axe says, one line for each element."""
    page.evaluate(AXE.read_text())
    found = page.evaluate(
        """async (levels) => (await axe.run(document, { runOnly: levels })).violations.flatMap(
          (one) => one.nodes.map((node) => one.id + ": " + node.target.join(" ") + " " + node.html.slice(0, 120)))""",
        LEVELS,
    )
    return [str(line) for line in found]


@pytest.fixture
def filled(new_project: Callable[..., Path], part_photos: list[np.ndarray], disc_masks: dict[str, np.ndarray]) -> Path:
    """A project with something on every tab."""
    path = new_project("filled", samples=6)
    with Workbench.open(path) as bench:
        add_defect(bench, part_photos[0], (64, 20), "hole")
        bench.regions.save(bench.photos.page()[0].id, "disc", disc_masks["left disc"])
        rows = bench.project.samples()
        bench.review.set_status([row.id for row in rows[:3]], ReviewStatus.KEPT)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_tab_has_a_violation(new_page: Callable[..., Page], filled: Path, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci")
    page = new_page(filled, color_scheme=scheme)
    found = {}
    for tab, ready in READY.items():
        open_tab(page, tab)
        expect(page.locator(ready).first).to_be_visible()
        if lines := violations(page):
            found[tab] = lines
    assert not found, "\n".join(f"{tab}: {line}" for tab, lines in found.items() for line in lines)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_an_import_found_has_no_violation(new_page: Callable[..., Page], filled: Path, scheme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci")
    files: dict[str, bytes | str] = {f"OK/{n}.png": good(n) for n in range(3)}
    files |= {"OK/deep.png": deep_png_bytes(photo(9)[..., 0].astype(np.uint16) * 14), "overlays/1.png": good(20)}
    files |= {
        "NG/dent/1.png": bad(),
        "NG/scratch/2.png": bad(2),
        "NG/scratch/2_mask.png": mask(),
        "broken.png": "text",
    }
    page = new_page(filled, color_scheme=scheme)
    open_tab(page, "Product")
    page.locator("#fs-path").get_by_role("textbox").fill(str(write(filled.parent / scheme, files)))
    page.locator("#fs-take").click()
    for part in ("figure", "tbody tr", "[data-label]", "[data-scale]", "details"):
        expect(page.locator("#fs-imp-found").locator(part).first).to_be_visible()
    assert not violations(page)
