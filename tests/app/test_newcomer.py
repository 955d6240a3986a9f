"""What a newcomer meets: nothing changes silently, the first result is good, the address leads back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from app.page import place_of
from core.api import SampleFilter, Workbench
from tests.app.conftest import Server, arrived, open_tab, reload
from tests.app.hands import Hands, previews, set_value


@pytest.fixture
def project(new_project: Callable[..., Path], disc_masks: dict[str, np.ndarray]) -> Path:
    """A project whose first photo has a named disc."""
    path = new_project("newcomer")
    with Workbench.open(path) as bench:
        bench.regions.save(bench.photos.page()[0].id, "disc", disc_masks["left disc"])
    return path


@pytest.mark.browser
@pytest.mark.thorough
def test_a_click_and_generate_make_a_defect_on_that_component(
    new_page: Callable[..., Page], project: Path, disc_masks: dict[str, np.ndarray]
) -> None:
    page = new_page(project)
    studio = Hands(page, "studio").open(regions=1)
    assert studio.ask("M.state.tool") == "drop"
    set_value(page, "#fs-variants", 1)
    studio.click(36, 48)
    studio.until("!M.busy && M.count() > 0")
    assert studio.area < 0.7 * disc_masks["left disc"].sum(), "a scratch, not the whole part"
    page.keyboard.press("Control+Enter")
    previews(page, 1)
    with Workbench.open(project) as bench:
        (row,) = bench.review.page(SampleFilter(), 0, 9)
        asked = bench.masks.unpack(bench.studio.recipe(row.id).mask or "", (96, 128))
    assert row.label == "scratch" and (asked & ~disc_masks["left disc"]).sum() == 0


@pytest.mark.browser
@pytest.mark.thorough
def test_fields_keep_what_was_typed_and_empty_ones_are_refused_by_name(
    new_page: Callable[..., Page], project: Path
) -> None:
    page = new_page(project)
    Hands(page, "studio").open(regions=1)
    label = page.locator("#fs-label input")
    label.fill("oil film")
    label.press("Tab")
    expect(label).to_have_attribute("aria-expanded", "false")
    expect(page.locator("#fs-label ul[role=listbox]")).not_to_be_focused()
    open_tab(page, "Review")
    open_tab(page, "Studio")
    expect(label).to_have_value("oil film")
    reload(page)
    expect(label).to_have_value("oil film")
    for box, name in (("#fs-label", "Label is empty"), ("#fs-variants", "Variants is empty")):
        before = page.locator(f"{box} input").input_value()
        set_value(page, box, "")
        page.locator("#fs-generate").click()
        expect(page.locator(".toast-body").last).to_contain_text(name)
        set_value(page, box, before)


@pytest.mark.browser
@pytest.mark.thorough
def test_the_address_leads_to_project_and_tab(new_page: Callable[..., Page], project: Path, server: Server) -> None:
    page = new_page(project)
    open_tab(page, "Review")
    expect(page).to_have_url(f"{server.url}#/newcomer/review")
    page.wait_for_timeout(1600)  # until then the page is still opening
    open_tab(page, "Export")
    expect(page).to_have_url(f"{server.url}#/newcomer/export")
    page.go_back()
    expect(page.get_by_role("tab", name="Review", exact=True)).to_have_attribute("aria-selected", "true")
    other = page.context.new_page()
    other.goto(f"{server.url}#/newcomer/studio")
    arrived(other)
    expect(other.locator("#fs-project b")).to_have_text("newcomer")
    expect(other.get_by_role("tab", name="Studio", exact=True)).to_have_attribute("aria-selected", "true")
    other.close()


def test_addresses_that_name_nothing_lead_nowhere() -> None:
    assert place_of("#/K%C3%A4ppchen%20%232/studio") == ("Käppchen #2", "studio")
    assert [place_of(a) for a in ("", None, "#/a", "#/a/nowhere", "#/a/b/studio")] == [("", "")] * 5
