"""Concepts: masks are drawn, anomalies learned, stopped, taken up again, kept, tried, removed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.api import Workbench
from core.images import mask_png_bytes
from core.methods.gaa.clustering import Clustering, features_name
from core.methods.gaa.clustering.clusters import build_clusters
from core.methods.gaa.groups import GaaGrouping
from tests.app.conftest import open_tab, reload
from tests.app.hands import Hands, set_value
from tests.app.learning import CARDS, FIRST_MS, PLAN, add_defect, defect, field, settings
from tests.diffusion.toy import write_toy

pytestmark = [pytest.mark.browser, pytest.mark.thorough]

TILES = "#fs-cx-tiles .fs-cx-tile"
LOOKS = "#fs-cg [data-group]"


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("models") / "toy")


def test_a_defect_is_drawn_redrawn_and_removed(
    new_page: Callable[..., Page], new_project: Callable[..., Path], part_photos: list[np.ndarray],
    tmp_path: Path,
) -> None:  # fmt: skip
    photo = tmp_path / "hole 1.png"
    photo.write_bytes(defect(part_photos[0], (64, 20))[0])
    page = new_page(new_project("drawn"))
    open_tab(page, "Concepts")
    expect(page.locator("#fs-cx-tiles")).to_contain_text("Show it some real defects")
    expect(page.locator(PLAN)).to_contain_text("No real anomaly yet")
    expect(page.locator("#fs-learn-go")).to_be_disabled()

    with page.expect_file_chooser() as chooser:
        page.locator("#fs-cx-add").click()
    chooser.value.set_files(photo)
    hands = Hands(page, "concepts")
    hands.ready()
    expect(page.locator("#fs-cx-side")).to_be_hidden()
    page.locator("#fs-cx-save").click()
    expect(page.get_by_text("give the defect a label")).to_be_visible()
    page.locator("#fs-concepts-canvas .fsc-stage").focus()
    drawn = hands.box((56, 12), (72, 28))
    set_value(page, "#fs-cx-draw-label", "Hole")
    page.locator("#fs-cx-save").click()
    expect(page.locator(TILES)).to_have_count(1)
    expect(page.locator("#fs-cx-tiles h4")).to_have_text("hole 1")

    # The tile opens its mask again; a smaller one takes its place.
    page.locator(TILES).locator("[data-open]").press("Enter")
    hands.until(f"M.ready && M.count() === {drawn}")
    page.locator("#fs-concepts-canvas .fsc-stage").focus()
    page.keyboard.press("Delete")
    hands.box((58, 14), (70, 26))
    page.keyboard.press("Enter")
    expect(page.locator("#fs-cx-side")).to_be_visible()
    expect(page.locator(TILES)).to_have_count(1)

    expect(page.locator(PLAN)).to_contain_text("Only one example of hole")
    tile = page.locator(TILES).locator("[data-open]")
    tile.press("Delete")
    expect(page.locator(TILES)).to_have_attribute("data-sure", "1")
    tile.press("Delete")
    expect(page.locator("#fs-cx-tiles")).to_contain_text("Show it some real defects")


def test_learning_survives_a_reload_and_a_stop_and_is_tried(
    new_page: Callable[..., Page], new_project: Callable[..., Path], part_photos: list[np.ndarray], toy: Path
) -> None:
    project = new_project("stopped")
    with Workbench.open(project) as bench:
        for number, (label, centre) in enumerate((("hole", (64, 20)), ("hole", (70, 75)), ("pit", (30, 15)))):
            data = add_defect(bench, part_photos[number], centre, label)
        speck = np.zeros((96, 128), bool)
        speck[3, 3:5] = True
        bench.project.add_example(data, "png", "pit", "structural", [mask_png_bytes(speck)], "speck.png", 128, 96)
        ids = tuple(row.id for row in bench.project.examples("hole"))
        vectors = np.array([[0, 0], [9, 9]], np.float32)
        built = build_clusters(vectors, ids, np.array([0, 1]), ["dark", "round"])
        GaaGrouping().save(
            bench.material.concepts,
            "hole",
            bench.material.examples("hole"),
            Clustering(built, ids, vectors, features_name("flawsmith"), "flawsmith", 0),
        )
    page = new_page(project)
    open_tab(page, "Concepts")
    expect(page.locator(TILES)).to_have_count(4)
    expect(page.locator(TILES + "[data-fault]")).to_have_count(1)
    expect(page.locator(".fs-cx-why")).to_contain_text("its mask has 2 px")
    expect(page.locator(PLAN)).to_contain_text("3 examples")
    page.locator("#fs-learn-label input").click()
    page.get_by_role("option", name="hole (2)").click()
    expect(page.locator(PLAN)).to_contain_text("2 examples")
    settings(page, toy, 60_000)
    page.locator("#fs-learn-go").click()
    live = page.locator("#fs-cx-live")
    expect(live.locator(".ev-chart path.line")).to_be_visible(timeout=FIRST_MS)
    reload(page)
    expect(page.locator("#fs-learn-label input")).to_have_value("hole (2)")
    expect(page.locator("#fs-learn-go")).to_be_disabled()
    expect(live.locator(".ev-chart path.line")).to_be_visible()
    page.locator("#fs-cx-side .fs-job-stop").click()
    expect(live.locator("h3").first).to_contain_text("Stopped at step")
    expect(page.locator("#fs-learn-go")).to_have_text("Go on")
    live.locator("[data-keep]").click()
    expect(page.locator(CARDS)).to_have_count(1)
    expect(page.locator(CARDS + "[data-new]")).to_contain_text("2 examples")
    expect(live.locator("section")).to_have_count(0)

    card = page.locator(CARDS)
    expect(card.locator("figure img").first).to_be_visible()
    card.locator("[data-rename]").press("Enter")
    page.keyboard.type("small <holes>")
    page.keyboard.press("Enter")
    expect(card.locator("h4")).to_have_text("small <holes>")

    id = card.get_attribute("data-id")
    card.locator("[data-try]").click()
    expect(page.locator("#fs-engine label.selected")).to_contain_text("AnomalyDiffusion")
    expect(page.locator("#fs-label input")).to_have_value("hole")
    page.locator("#fs-settings button").first.click()
    expect(field(page, "#fs-settings", "Concept")).to_have_value(str(id))

    open_tab(page, "Concepts")
    delete = card.locator("[data-delete]")
    delete.click()
    expect(delete).to_have_text("Really?")
    delete.click()
    expect(page.locator(CARDS)).to_have_count(0)

    # The looks of the label: one dragged onto the other is taken back, then merged by keys.
    page.locator("#fs-learn-engine label", has_text="GAA").click()
    looks = page.locator(LOOKS)
    expect(looks).to_have_count(2)
    looks.nth(0).locator("[data-member]").drag_to(looks.nth(1))
    expect(looks).to_have_count(1)
    expect(looks.locator("[data-member]")).to_have_count(2)
    page.locator("#fs-cg [data-undo]").press("Enter")
    expect(looks).to_have_count(2)
    looks.nth(0).locator("[data-merge]").select_option("round")
    expect(looks).to_have_count(1)
    looks.locator("[data-rename]").press("Enter")
    page.keyboard.type("Dark spots")
    page.keyboard.press("Enter")
    expect(looks.locator("h4 b")).to_have_text("dark_spots")
