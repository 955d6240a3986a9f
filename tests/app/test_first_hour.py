"""The newcomer's hour, by mouse and keyboard alone: from own photos to two datasets that their libraries open.

Presses and keystrokes are counted by the page itself; the count is printed, and may not grow past what it is now.
Fields that the test fills at once (variants, how many, settings of learning) are not in it: a handful more.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.api import SampleFilter, Workbench
from core.api.datasets import DatasetsApi
from tests.app.conftest import PATIENCE_MS, Server, open_tab
from tests.app.hands import Hands, choose_engine, set_value
from tests.app.learning import CARDS, FIRST_MS, PLAN, defect, settings
from tests.diffusion.toy import write_toy

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MOST_PRESSES, MOST_KEYS = 36, 70
COUNT_JS = """
const add = (name) => sessionStorage.setItem(name, 1 + Number(sessionStorage.getItem(name) || 0));
window.addEventListener("pointerdown", (event) => { if (event.isTrusted) add("presses"); }, true);
window.addEventListener("keydown", (event) => { if (event.isTrusted) add("keys"); }, true);
"""


def type_in(page: Page, box: str, text: str) -> None:
    """Into an empty or a filled field, key by key, as a person does it who selects what is there first."""
    field = page.locator(f"{box} :is(input, textarea)").first
    field.click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(text)
    page.keyboard.press("Tab")


def paste_in(page: Page, box: str, path: Path) -> None:
    """A path, which a person copies rather than types: the keys that select what is there, and those that paste."""
    page.locator(f"{box} :is(input, textarea)").first.click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(str(path))
    page.keyboard.press("Tab")


def own_tiles(folder: Path, photos: list[np.ndarray]) -> None:
    """Six photos of good parts, and two of holes with their masks, as a plant has them."""
    (folder / "good").mkdir(parents=True)
    (folder / "defects" / "hole").mkdir(parents=True)
    for number, photo in enumerate(photos):
        cv2.imwrite(str(folder / "good" / f"tile {number}.png"), photo)
    for number, centre in enumerate(((64, 20), (70, 75))):
        data, mask = defect(photos[number], centre)
        (folder / "defects" / "hole" / f"{number}.png").write_bytes(data)
        cv2.imwrite(str(folder / "defects" / "hole" / f"{number}_mask.png"), mask.astype(np.uint8) * 255)


def import_tiles(page: Page, folder: Path) -> None:
    type_in(page, "#fs-new-name", "tiles")
    page.locator("#fs-new").click()
    expect(page.locator("#fs-project b")).to_have_text("tiles")
    paste_in(page, "#fs-path", folder / "good")
    paste_in(page, "#fs-anomalies", folder / "defects")
    page.locator("#fs-take").click()
    page.locator("#fs-imp-go").click()
    expect(page.locator("#fs-project")).to_contain_text("6 photos")


def keep_three_scratches(page: Page) -> None:
    studio = Hands(page, "studio").open()
    type_in(page, "#fs-label", "scratch")
    set_value(page, "#fs-variants", 3)
    page.keyboard.press("b")
    studio.drag((84, 70), (104, 84))
    studio.until("!M.busy && M.count() > 20")
    page.keyboard.press("ControlOrMeta+Enter")
    shown = page.locator("#fs-strip [data-id]")
    expect(shown).to_have_count(3)
    for kept in (1, 2, 3):
        page.keyboard.press("a")
        expect(page.locator("#fs-project")).to_contain_text(f"{kept} kept")


def name_the_washer_and_take_it_away(page: Page) -> None:
    regions = Hands(page, "regions").open(regions=0)
    regions.select(36, 48)
    page.keyboard.press("Enter")
    page.keyboard.type("washer")
    page.keyboard.press("Enter")
    regions.ready(regions=1)
    studio = Hands(page, "studio").open(regions=1)
    choose_engine(page, "Layout")
    studio.until("M.state.tool === 'move'")
    studio.click(36, 48)
    page.locator("#fs-part-remove").click()
    expect(page.locator("#fs-strip [data-id]")).to_have_count(4)
    page.keyboard.press("a")
    expect(page.locator("#fs-project")).to_contain_text("4 kept")


def learn_holes(page: Page, toy: Path) -> None:
    open_tab(page, "Concepts")
    expect(page.locator(PLAN)).to_contain_text("2 examples")
    settings(page, toy, 4)
    page.locator("#fs-learn-go").click()
    expect(page.locator(CARDS)).to_have_count(1, timeout=FIRST_MS)


def make_twenty(page: Page) -> None:
    Hands(page, "studio").open()
    choose_engine(page, "Perlin damage")
    page.locator("#fs-bulk > button").click()
    set_value(page, "#fs-bulk-count", 20)
    page.locator("#fs-bulk-go").click()
    expect(page.locator("#fs-bulk-said")).to_contain_text("20", timeout=3 * PATIENCE_MS)
    page.locator("#fs-bulk-review").click()


def review_them(page: Page) -> None:
    tiles = page.locator("#fs-review .fsb-tile")
    expect(tiles).to_have_count(20)
    for key in "aaxaaaxaaaaa":
        page.keyboard.press(key)
    expect(page.locator("#fs-project")).to_contain_text("14 kept")


def export_as(page: Page, format: str, out: Path) -> None:
    open_tab(page, "Export")
    page.locator("#fs-formats").get_by_text(DatasetsApi.formats[format].title).first.click()
    paste_in(page, "#fs-out", out)
    expect(page.locator("#fs-preview .fs-path")).to_contain_text(out.name)
    page.locator("#fs-export").click()
    expect(page.locator("#fs-report")).to_contain_text("Exported")
    expect(page.locator("#fs-report")).to_contain_text(str(out))


def test_from_the_first_screen_to_two_datasets(
    new_page: Callable[..., Page], server: Server, part_photos: list[np.ndarray], tmp_path: Path
) -> None:
    own_tiles(tmp_path, part_photos)
    toy = write_toy(tmp_path / "toy")
    page = new_page(viewport={"width": 1440, "height": 900})
    page.add_init_script(COUNT_JS)
    page.evaluate(COUNT_JS)
    import_tiles(page, tmp_path)
    keep_three_scratches(page)
    name_the_washer_and_take_it_away(page)
    learn_holes(page, toy)
    make_twenty(page)
    review_them(page)
    for format in ("coco", "mvtec-ad"):
        export_as(page, format, tmp_path / format)
    presses, keys = (page.evaluate(f"Number(sessionStorage.getItem('{name}'))") for name in ("presses", "keys"))
    print(f"the hour took {presses} presses and {keys} keystrokes")

    with Workbench.open(server.home / "projects" / "tiles") as bench:
        kept = bench.review.page(SampleFilter(verdict="kept"), 0, 100)
    assert {row.label for row in kept} >= {"scratch", "missing"} and len(kept) == 14
    coco_tools = pytest.importorskip("pycocotools.coco")
    found = 0
    for file in sorted((tmp_path / "coco" / "annotations").glob("instances_*.json")):
        dataset = coco_tools.COCO(str(file))
        found += len(dataset.getAnnIds())
        assert all(dataset.annToMask(one).any() for one in dataset.loadAnns(dataset.getAnnIds()))
    assert found >= len(kept)
    masks = list((tmp_path / "mvtec-ad").glob("*/ground_truth/*/*_mask.png"))
    assert len(masks) == len(kept)
    (marker,) = (tmp_path / "mvtec-ad").rglob("export.json")
    assert json.loads(marker.read_text())["format"] == "mvtec-ad"
    assert presses <= MOST_PRESSES and keys <= MOST_KEYS
