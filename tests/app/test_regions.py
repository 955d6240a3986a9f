"""Regions as an inspector uses them: click, name, correct, find all, carry over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.api import RegionRow, Workbench
from tests.app.hands import Hands, set_value

pytestmark = [pytest.mark.browser, pytest.mark.thorough]

NAMES = "#fs-region-list [data-name] b"


@pytest.fixture
def project(new_project: Callable[..., Path]) -> Path:
    return new_project("regions")


@pytest.fixture
def regions(new_page: Callable[..., Page], project: Path) -> Hands:
    """The Regions tab on six photos without regions."""
    return Hands(new_page(project), "regions").open(regions=0)


def drawn(project: Path, photo: int = 0) -> dict[str, RegionRow]:
    with Workbench.open(project) as bench:
        return {row.name: row for row in bench.regions.of_photo(bench.photos.page()[photo].id)}


def name(hands: Hands, text: str) -> None:
    """Enter, the name, Enter: keyboard only."""
    hands.page.keyboard.press("Enter")
    expect(hands.page.locator("#fs-region-name input")).to_be_focused()
    hands.page.keyboard.type(text)
    hands.page.keyboard.press("Enter")


def named(project: Path, discs: dict[str, np.ndarray]) -> None:
    with Workbench.open(project) as bench:
        first = bench.photos.page()[0].id
        for which, mask in discs.items():
            bench.regions.save(first, which, mask)


def test_click_enter_name_enter(regions: Hands, project: Path, disc_masks: dict[str, np.ndarray]) -> None:
    page = regions.page
    expect(page.locator("#fs-segmenter")).to_contain_text("Clicks are answered by")
    for (x, y), text in (((36, 48), "left disc"), ((92, 46), "right disc")):
        regions.select(x, y)
        name(regions, text)
        expect(page.locator(NAMES, has_text=text)).to_be_visible()
        regions.until("M.count() === 0")
        expect(page.locator("#fs-regions-canvas .fsc-stage")).to_be_focused()
    regions.ready(regions=2)
    for text, row in drawn(project).items():
        with Workbench.open(project) as bench:
            mask = next(r.mask for r in bench.regions.with_masks(row.normal_id) if r.name == text)
        assert (mask & disc_masks[text]).sum() / (mask | disc_masks[text]).sum() > 0.9
    # On the next photo the names are offered; one press saves the selection under one.
    page.keyboard.press("ArrowRight")
    regions.ready(regions=0)
    regions.select(36, 48)
    page.locator("#fs-region-known [data-name='left disc']").click()
    expect(page.locator(NAMES)).to_have_text(["left disc"])
    assert drawn(project, 1)["left disc"].source == "hand"


def test_a_name_twice_and_nothing_selected(regions: Hands, project: Path) -> None:
    page = regions.page
    set_value(page, "#fs-region-name", "disc")
    page.locator("#fs-region-save").click()
    expect(page.locator(".toast-body")).to_contain_text("nothing is selected")
    regions.select(36, 48)
    name(regions, "disc")
    regions.until("M.count() === 0")
    regions.select(92, 46)
    name(regions, "disc")
    expect(page.locator("#fs-region-taken")).to_contain_text("has a region 'disc' already")
    assert list(drawn(project)) == ["disc"] and regions.area
    page.locator("#fs-region-taken .fs-ask-both", has_text="disc_2").click()
    regions.until("M.count() === 0")
    expect(page.locator("#fs-region-taken")).to_have_count(0)
    expect(page.locator(NAMES)).to_have_text(["disc", "disc_2"])
    assert sorted(drawn(project)) == ["disc", "disc_2"]


def test_edit_rename_delete_and_undo(
    new_page: Callable[..., Page], project: Path, disc_masks: dict[str, np.ndarray]
) -> None:
    named(project, disc_masks)
    with Workbench.open(project) as bench:
        second = bench.photos.page()[1].id
        bench.regions.save(second, "left disc", disc_masks["left disc"])
    regions = Hands(new_page(project), "regions").open(regions=2)
    page, row = regions.page, "#fs-region-list [data-name='{}'] [data-act={}]"
    page.locator(row.format("left disc", "edit")).click()
    regions.until(f"M.count() === {int(disc_masks['left disc'].sum())}")
    expect(page.locator("#fs-region-name input")).to_have_value("left disc")
    smaller = regions.area
    page.keyboard.press("r")
    regions.drag((0, 0), (36, 96))
    regions.until(f"M.count() > {smaller} && !M.busy")
    page.locator("#fs-region-save").click()
    regions.until("M.count() === 0")
    assert sorted(drawn(project)) == ["left disc", "right disc"], "edited in place"
    with Workbench.open(project) as bench:
        first = bench.photos.page()[0].id
        assert next(r for r in bench.regions.with_masks(first) if r.name == "left disc").mask[:, :36].all()
    page.locator(row.format("right disc", "rename")).click()
    page.keyboard.type("knob")
    page.keyboard.press("Enter")
    expect(page.locator(NAMES)).to_have_text(["knob", "left disc"])
    # A name that is taken is refused in one line, and nothing changes.
    page.locator(row.format("knob", "rename")).click()
    page.keyboard.type("left disc")
    page.keyboard.press("Enter")
    expect(page.locator(".toast-body")).to_contain_text("already")
    expect(page.locator(NAMES)).to_have_text(["knob", "left disc"])
    page.locator("#fs-everywhere input").check()
    page.locator(row.format("left disc", "delete")).click()
    expect(page.locator(NAMES)).to_have_text(["knob"])
    assert not drawn(project, 1)
    page.locator("#fs-region-undo").click()
    expect(page.locator(NAMES)).to_have_text(["knob", "left disc"])
    assert "left disc" in drawn(project, 1)


def test_proposals_are_named_one_by_one(regions: Hands, project: Path) -> None:
    page = regions.page
    page.locator("#fs-find-all").click()
    chips = page.locator("#fs-proposal-chips [data-number]")
    expect(chips.first).to_be_visible()
    total = chips.count()
    assert total >= 2
    regions.until("M.count() > 0")
    expect(page.locator("#fs-region-name input")).to_be_focused()
    first = regions.area
    page.keyboard.type("knob")
    page.keyboard.press("Enter")
    expect(chips).to_have_count(total - 1)
    expect(page.locator(NAMES)).to_have_text(["knob"])
    expect(page.locator("#fs-region-name input")).to_be_focused()
    with Workbench.open(project) as bench:
        row = drawn(project)["knob"]
        assert next(r for r in bench.regions.with_masks(row.normal_id)).mask.sum() == first
    page.locator("#fs-proposal-all").click()
    expect(page.locator("#fs-proposals")).to_be_hidden()
    expect(page.locator(NAMES)).to_have_count(total)
    regions.until("M.count() === 0")
    page.locator("#fs-find-all").click()
    expect(page.locator(".toast-body")).to_contain_text("No further part was found")


def test_carry_over_then_look_at_the_least_sure_first(
    new_page: Callable[..., Page], project: Path, disc_masks: dict[str, np.ndarray]
) -> None:
    named(project, disc_masks)
    regions = Hands(new_page(project), "regions").open(regions=2)
    page = regions.page
    page.locator("#fs-carry").click()
    shown = page.locator("#fs-check [data-id]")
    expect(shown).to_have_count(5)
    sure = [int(t.rstrip("%")) for t in page.locator("#fs-check span").all_inner_texts()]
    assert sure == sorted(sure)
    target = shown.first.get_attribute("data-id")
    shown.first.click()
    regions.until(f"M.ready && M.state.image_id === '{target}' && M.state.regions.length === 2")
    page.locator("#fs-approve").click()
    expect(shown).to_have_count(4)
    following = shown.first.get_attribute("data-id")
    regions.until(f"M.ready && M.state.image_id === '{following}'")
    with Workbench.open(project) as bench:
        assert {r.confidence for r in bench.regions.of_photo(str(target))} == {1.0}
