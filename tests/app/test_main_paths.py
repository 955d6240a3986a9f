"""The main path of each tab, by mouse and keyboard: the browser tests of every run. All others are ``thorough``.

A mark ``browser`` names the tabs whose path the test walks; ``tests/test_tiers.py`` sees that none is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.api import SampleFilter, SampleRow, Workbench
from core.api.models import ModelsApi
from tests.app.conftest import Server, open_project, open_tab, reload
from tests.app.hands import Hands, choose_engine, previews, set_value
from tests.app.learning import CARDS, FIRST_MS, PLAN, add_defect, settings
from tests.app.score_maps import RESULT, evaluate, maps
from tests.diffusion.toy import write_toy


def made(project: Path) -> list[SampleRow]:
    with Workbench.open(project) as bench:
        return bench.review.page(SampleFilter(), 0, 1000)


def begin(page: Page, server: Server, name: str, photos: Path) -> Path:
    """A project made and filled in the Product tab."""
    open_tab(page, "Product")
    page.locator("#fs-new-name :is(input, textarea)").fill(name)
    page.locator("#fs-new").click()
    expect(page.locator("#fs-project")).to_contain_text(name)
    page.locator("#fs-path :is(input, textarea)").fill(str(photos))
    page.locator("#fs-take").click()
    page.locator("#fs-imp-go").click()
    expect(page.locator("#fs-project")).to_contain_text("6 photos")
    return server.home / "projects" / name


def keep_newest(page: Page, shown_in_all: int, kept: int) -> None:
    """Wait for what was made, and keep the newest by its key."""
    previews(page, shown_in_all)
    shown = page.locator("#fs-strip [data-id]").first
    expect(shown).to_have_attribute("aria-selected", "true")
    page.keyboard.press("a")
    expect(shown).to_have_attribute("data-verdict", "kept")
    expect(page.locator("#fs-project")).to_contain_text(f"{kept} kept")


def drag_divider(page: Page) -> None:
    """The before/after divider follows the mouse."""
    expect(page.locator("#fs-slider img").first).to_be_visible()
    frame = page.locator("#fs-slider img").first.bounding_box()
    handle = page.locator("#fs-slider .handle-wrap, #fs-slider [role=slider], #fs-slider .inner").first
    assert frame
    before = handle.bounding_box()
    assert before
    middle = frame["y"] + frame["height"] / 2
    page.mouse.move(before["x"] + before["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(frame["x"] + 0.8 * frame["width"], middle, steps=8)
    page.mouse.up()
    after = handle.bounding_box()
    assert after and after["x"] - before["x"] > 0.1 * frame["width"]


@pytest.mark.browser("Product", "Regions", "Studio", "Review", "Export")
def test_from_photos_to_a_dataset(page: Page, server: Server, photo_folder: Path, tmp_path: Path) -> None:
    project = begin(page, server, "flow", photo_folder)
    open_tab(page, "Export")
    expect(page.locator("#fs-preview")).to_contain_text("keep some samples in Review")
    expect(page.locator("#fs-export")).to_be_disabled()

    regions = Hands(page, "regions").open(regions=0)
    regions.select(36, 48)
    page.keyboard.press("Enter")
    page.keyboard.type("disc")
    page.keyboard.press("Enter")
    regions.ready(regions=1)
    make_samples(Hands(page, "studio").open(regions=1))
    assert [r.engine for r in made(project)] == ["cut_paste", "cut_paste", "layout"]

    open_tab(page, "Review")
    expect(page.locator("#fs-review .fsb-tile")).to_have_count(1)
    page.keyboard.press("a")
    expect(page.locator("#fs-project")).to_contain_text("3 kept")

    open_tab(page, "Export")
    expect(page.locator("#fs-out :is(input, textarea)")).not_to_have_value("")
    set_value(page, "#fs-out", tmp_path / "out")
    page.locator("#fs-export").click()
    expect(page.locator("#fs-report")).to_contain_text("Exported")
    check_dataset(tmp_path / "out", photo_folder / "plate 0.png")
    open_project(page, server.project)


def make_samples(studio: Hands) -> None:
    """Two scratches by a drawn mask, a reload, and a part moved by hand; one of each is kept."""
    page = studio.page
    set_value(page, "#fs-variants", 2)
    page.keyboard.press("b")
    studio.drag((84, 70), (104, 84))
    studio.until("!M.busy && M.count() > 20")
    page.locator("#fs-generate").click()
    previews(page, 2)
    drag_divider(page)  # before a verdict, which shows the next sample
    keep_newest(page, 2, kept=1)

    before = (studio.photo, studio.ask("M.runs().join()"))
    reload(page)
    expect(page.locator("#fs-project b")).to_have_text("flow")
    studio.open(regions=1)
    assert (studio.photo, studio.ask("M.runs().join()")) == before
    previews(page, 2)

    choose_engine(page, "Layout")
    studio.until("M.state.tool === 'move'")
    studio.drag((36, 48), (50, 68))
    keep_newest(page, 3, kept=2)


def check_dataset(folder: Path, source: Path) -> None:
    """Masks are 0 and 255, and outside them every image is the photo, bit for bit."""
    masks = sorted(folder.glob("*/ground_truth/*/*_mask.png"))
    assert sorted(m.parent.name for m in masks) == ["misplaced", "scratch", "scratch"]
    photo = cv2.imread(str(source), cv2.IMREAD_COLOR)
    for path in masks:
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        image = cv2.imread(str(path.parents[2] / "test" / path.parent.name / path.name.replace("_mask", "")))
        assert set(np.unique(mask)) == {0, 255}
        assert np.array_equal(image[mask == 0], photo[mask == 0])
        assert (image[mask == 255] != photo[mask == 255]).any()


@pytest.mark.browser("Concepts")
def test_a_defect_is_learned_and_tried(
    new_page: Callable[..., Page], new_project: Callable[..., Path], part_photos: list[np.ndarray], tmp_path: Path
) -> None:
    project = new_project("learned")
    with Workbench.open(project) as bench:
        for photo, centre in zip(part_photos[:2], ((64, 20), (70, 75)), strict=True):
            add_defect(bench, photo, centre, "hole")
    page = new_page(project)
    open_tab(page, "Concepts")
    expect(page.locator(PLAN)).to_contain_text("2 examples")
    settings(page, write_toy(tmp_path / "toy"), 4)
    page.locator("#fs-learn-go").click()
    card = page.locator(CARDS)
    expect(card).to_have_count(1, timeout=FIRST_MS)
    expect(card).to_contain_text("2 examples")
    card.locator("[data-try]").click()
    expect(page.locator("#fs-engine label.selected")).to_contain_text("AnomalyDiffusion")
    expect(page.locator("#fs-label input")).to_have_value("hole")


@pytest.mark.browser("Evaluate")
def test_score_maps_are_measured(
    new_page: Callable[..., Page], new_project: Callable[..., Path], tmp_path: Path
) -> None:
    page = new_page(new_project("measured"))
    open_tab(page, "Evaluate")
    expect(page.locator("#fs-ev-plan")).to_contain_text("There are no pairs yet")
    page.locator("#fs-ev-kind").get_by_label("Score maps").check(force=True)
    page.get_by_role("button", name="Details").click()
    evaluate(page, maps(tmp_path / "sharp", 9.0), "sharp")
    expect(page.locator(RESULT).locator(".ev-tiles")).to_contain_text("Pixel AUROC")
    expect(page.locator("#fs-ev-runs li")).to_have_count(1)


@pytest.mark.browser("Models")
def test_a_damaged_model_is_found_and_the_way_without_internet_said(page: Page, server: Server) -> None:
    rows = [*ModelsApi(None, None).status(), *ModelsApi(None, None).folders()]
    base = next(r for r in rows if r.name == "sam_vit_b")
    folder = server.home / "models"
    folder.mkdir(exist_ok=True)
    damaged = folder / base.path.rsplit("/", 1)[-1]
    damaged.write_bytes(b"half a download")
    try:
        open_tab(page, "Models")
        table = page.locator("#fs-weights")
        expect(table.locator("tbody tr")).to_have_count(len(rows))
        expect(table.locator("tr[data-state=corrupt]")).to_contain_text(base.title)
        expect(page.locator("#fs-reasons")).to_contain_text("SAM base")
        expect(page.locator("#fs-segmenter")).to_contain_text("Classic")
        page.locator("#fs-wanted input").click()
        page.locator("li[role=option]", has_text=base.title).click()
        page.locator("#fs-verify").click()
        expect(page.locator("#fs-weights-said")).to_contain_text("is damaged or not complete")
        page.get_by_text("No internet on this machine?").click()
        expect(page.locator("#fs-weights-said")).to_contain_text(str(folder))
        expect(page.locator("#fs-weights-said a").first).to_be_visible()
    finally:
        damaged.unlink()
