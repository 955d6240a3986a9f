"""Rules in Regions: read, confirmed, written, removed, broken on purpose, and what they say of the photo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.api import Workbench
from tests.app.hands import Hands, set_value

pytestmark = [pytest.mark.browser, pytest.mark.thorough]

RULE = "#fs-rules-list [data-rule='{}']"


@pytest.fixture
def regions(
    new_page: Callable[..., Page], new_project: Callable[..., Path], disc_masks: dict[str, np.ndarray]
) -> Hands:
    """The Regions tab on a product whose discs are named on every photo, one of them forgotten on the first."""
    project = new_project("ruled")
    with Workbench.open(project) as bench:
        for row in bench.photos.page():
            for name, mask in disc_masks.items():
                bench.regions.save(row.id, name, mask)
        bench.rules.learn(find=False)
        bench.regions.delete(bench.photos.page()[0].id, next(iter(disc_masks)))
    return Hands(new_page(project), "regions").open()


def test_a_person_confirms_writes_and_removes_rules(regions: Hands, disc_masks: dict[str, np.ndarray]) -> None:
    page, forgotten = regions.page, next(iter(disc_masks))
    missing = page.locator(RULE.format(f"count:{forgotten}"))
    expect(missing).to_have_attribute("data-broken", "true")
    expect(page.locator("#fs-rules-said")).to_contain_text("instead of 1")
    missing.get_by_title("Confirm").click()
    expect(missing).to_have_attribute("data-status", "confirmed")
    missing.get_by_title("Change").click()
    set_value(page, "#fs-rule-low", 0)
    page.locator("#fs-rule-save").click()
    expect(missing).to_contain_text("0 to 1")
    expect(missing).to_have_attribute("data-broken", "false")
    missing.get_by_title("Remove").click()
    expect(missing).to_have_count(0)
    page.locator("#fs-rules-read").click()
    expect(missing).to_be_visible()


def test_violations_fill_the_coverage_table(regions: Hands) -> None:
    page = regions.page
    set_value(page, "#fs-rules-count", 1)
    page.locator("#fs-rules-make").click()
    expect(page.locator("#fs-rules-coverage tr[data-made='1']").first).to_be_visible(timeout=60_000)
    page.locator("#fs-rules-review").click()
    expect(page.locator("#fs-tabs [role=tab][aria-selected=true]")).to_have_text("Review")
