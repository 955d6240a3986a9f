"""The Studio's bulk card with a quota: progress, outcome, reasons, and where Review shows them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.api import SampleFilter, Workbench
from tests.app.conftest import PATIENCE_MS
from tests.app.hands import Hands, choose_engine, set_value

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


def test_a_quota_is_filled_and_each_rejected_sample_says_why(
    new_page: Callable[..., Page], new_project: Callable[..., Path]
) -> None:
    project = new_project("quota")
    page = new_page(project)
    Hands(page, "studio").open()
    choose_engine(page, "Perlin damage")
    page.locator("#fs-bulk > button").click()
    expect(page.locator("#fs-bulk-spend")).to_be_hidden()
    set_value(page, "#fs-bulk-best", 9)
    expect(page.locator("#fs-bulk-spend")).to_be_visible()
    set_value(page, "#fs-bulk-count", 8)
    page.locator("#fs-bulk-go").click()
    expect(page.locator(".toast-body")).to_contain_text("more than the 8 to be made")
    set_value(page, "#fs-bulk-best", 3)
    page.locator("#fs-bulk-spend input").check()
    page.locator("#fs-bulk-go").click()
    expect(page.locator("#fs-bulk-said")).to_contain_text("3 of 3 kept after 8 made", timeout=3 * PATIENCE_MS)
    with Workbench.open(project) as bench:
        rows = bench.review.page(SampleFilter(), 0, 100)
    rejected = {r.id: r.reason for r in rows if r.verdict == "rejected"}
    assert len(rows) == 8 and len(rejected) == 5
    counted = page.locator("#fs-bulk-why tbody td:last-child")
    assert sum(int(text) for text in counted.all_inner_texts()) == 5
    page.locator("#fs-bulk-review").click()
    tiles = page.locator("#fs-review .fsb-tile")
    expect(tiles).to_have_count(8)
    for tile in page.locator("#fs-review .fsb-tile[data-verdict=rejected]").all()[:2]:
        tile.click()
        expect(page.locator(".fsb-facts")).to_contain_text(rejected[str(tile.get_attribute("data-id"))])
    expect(page.locator("#fs-review-why tbody td:last-child")).to_have_count(counted.count())
