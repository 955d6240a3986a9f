"""The whole way of an inspector, by mouse and keyboard: photos in, parts named, anomalies made, judged, exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.api import SampleFilter, SampleRow, Workbench
from tests.app.conftest import Server, open_tab, reload
from tests.app.hands import Hands, choose_engine, previews, set_value

pytestmark = pytest.mark.browser


def made(project: Path, most: int = 1000) -> list[SampleRow]:
    with Workbench.open(project) as bench:
        return bench.review.page(SampleFilter(), 0, most)


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


def generate_and_keep(studio: Hands, total: int) -> None:
    """Press Generate, look at what comes, keep it by its key."""
    page = studio.page
    page.locator("#fs-generate").click()
    keep_newest(page, total)


def keep_newest(page: Page, total: int) -> None:
    previews(page, total)
    shown = page.locator("#fs-strip [data-id]").first
    expect(shown).to_have_attribute("aria-selected", "true")
    page.keyboard.press("a")
    expect(shown).to_have_attribute("data-verdict", "kept")
    expect(page.locator("#fs-project")).to_contain_text(f"{total} kept")


def drag_divider(page: Page) -> None:
    """The before/after divider follows the mouse."""
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


def test_from_photos_to_a_dataset(page: Page, server: Server, photo_folder: Path, tmp_path: Path) -> None:
    project = begin(page, server, "flow", photo_folder)
    regions = Hands(page, "regions").open(regions=0)
    regions.select(36, 48)
    page.keyboard.press("Enter")
    page.keyboard.type("disc")
    page.keyboard.press("Enter")
    regions.ready(regions=1)

    studio = Hands(page, "studio").open(regions=1)
    set_value(page, "#fs-variants", 1)
    page.keyboard.press("b")
    studio.drag((84, 70), (104, 84))
    studio.until("!M.busy && M.count() > 20")
    drawn = studio.ask("M.runs().join()")
    page.locator("#fs-vary").click()
    studio.until(f"M.runs().join() !== '{drawn}'")
    generate_and_keep(studio, 1)
    drag_divider(page)
    choose_engine(page, "Perlin damage")
    generate_and_keep(studio, 2)

    before = (studio.photo, studio.ask("M.runs().join()"))
    reload(page)
    expect(page.locator("#fs-project b")).to_have_text("flow")
    studio.open(regions=1)
    assert (studio.photo, studio.ask("M.runs().join()")) == before
    previews(page, 2)

    choose_engine(page, "Seamless clone")
    generate_and_keep(studio, 3)
    choose_engine(page, "Layout")
    studio.drag((36, 48), (50, 68))
    keep_newest(page, 4)
    assert {r.engine for r in made(project)} == {"cut_paste", "perlin", "poisson", "layout"}

    open_tab(page, "Export")
    expect(page.locator("#fs-out :is(input, textarea)")).not_to_have_value("")
    set_value(page, "#fs-out", tmp_path / "out")
    page.locator("#fs-export").click()
    expect(page.locator("#fs-report")).to_contain_text("Exported")
    check_dataset(tmp_path / "out", photo_folder / "plate 0.png")


def check_dataset(folder: Path, source: Path) -> None:
    """Masks are 0 and 255, and outside them every image is the photo, bit for bit."""
    masks = sorted(folder.glob("*/ground_truth/*/*_mask.png"))
    assert sorted(m.parent.name for m in masks) == ["misplaced", "scratch", "scratch", "scratch"]
    photo = cv2.imread(str(source), cv2.IMREAD_COLOR)
    for path in masks:
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        image = cv2.imread(str(path.parents[2] / "test" / path.parent.name / path.name.replace("_mask", "")))
        assert set(np.unique(mask)) == {0, 255}
        assert np.array_equal(image[mask == 0], photo[mask == 0])
        assert (image[mask == 255] != photo[mask == 255]).any()


def test_two_sessions_on_one_photo_do_not_mix(new_page: Callable[..., Page], new_project: Callable[..., Path]) -> None:
    project = new_project("shared")
    both = [Hands(new_page(project), "studio").open() for _ in range(2)]
    corners = (((10, 10), (30, 25)), ((60, 70), (75, 90)))
    for hands, (start, end) in zip(both, corners, strict=True):
        set_value(hands.page, "#fs-variants", 1)
        hands.page.locator("#fs-studio-canvas .fsc-stage").click(position={"x": 5, "y": 5}, button="middle")
        hands.box(start, end)
    assert [h.area for h in both] == [20 * 15, 15 * 20]
    assert both[0].photo == both[1].photo
    for hands in both:
        hands.page.locator("#fs-generate").click()
    for hands in both:
        previews(hands.page, 1)
    ids = [h.page.locator("#fs-strip [data-id]").get_attribute("data-id") for h in both]
    assert ids[0] != ids[1]
    with Workbench.open(project) as bench:
        for sample, ((x0, y0), (x1, y1)) in zip(ids, corners, strict=True):
            given = bench.masks.unpack(bench.studio.recipe(str(sample)).mask or "", (96, 128))
            assert given.sum() == (x1 - x0) * (y1 - y0) and given[y0:y1, x0:x1].all()
    # And each keeps its own after a reload.
    reload(both[0].page)
    assert both[0].open().area == 300 and both[1].area == 300
    assert both[0].ask("M.at(12, 12)") == 1 and both[1].ask("M.at(12, 12)") == 0


def test_a_batch_shows_what_comes_survives_a_reload_and_stops_at_once(
    new_page: Callable[..., Page], new_project: Callable[..., Path]
) -> None:
    project = new_project("bulk")
    page = new_page(project)
    Hands(page, "studio").open()
    page.locator("#fs-bulk > button").click()
    set_value(page, "#fs-bulk-count", 50_000)
    page.locator("#fs-bulk-go").click()
    seen = page.locator("#fs-bulk-seen img")
    expect(seen.first).to_be_visible()
    reload(page)
    Hands(page, "studio").open()
    expect(seen.first).to_be_visible()
    expect(page.locator("#fs-bulk-box .fs-bar-text")).to_contain_text("of 50,000")
    page.locator("#fs-bulk-box .fs-job-stop").click()
    expect(page.locator("#fs-bulk-review")).to_be_visible()
    rows = made(project, 50_000)
    # However slow the page was to press Stop on a busy machine.
    assert 0 < len(rows) < 25_000
    expect(page.locator("#fs-bulk-said")).to_contain_text(f"{len(rows):,} sample")
    assert all(r.image_path.is_file() and r.mask_path.is_file() for r in rows)
    page.locator("#fs-bulk-review").click()
    expect(page.get_by_role("tab", name="Review", exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#fs-review .fsb-tile")).to_have_count(min(48, len(rows)))
    assert len(made(project, 50_000)) == len(rows), "nothing is made after the stop"
