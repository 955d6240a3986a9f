"""Work that goes on beside other work: two pages on one photo, and a batch through a reload."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.api import SampleFilter, SampleRow, Workbench
from tests.app.conftest import reload
from tests.app.hands import Hands, previews, set_value

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


def made(project: Path, most: int = 1000) -> list[SampleRow]:
    with Workbench.open(project) as bench:
        return bench.review.page(SampleFilter(), 0, most)


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
