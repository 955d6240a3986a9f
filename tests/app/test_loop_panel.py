"""The loop in Evaluate: a round that waits is opened in Review, a miss in Studio."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.api.loops import LoopSpec
from core.jobs.sample_scoring import SampleScorer
from core.loop import loop_training
from tests.app.conftest import open_tab
from tests.loop.toy_loop import CONTRACT, Darkness, toy_project

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose loop waits for a look at its first round."""
    monkeypatch.setattr(loop_training, "detector", lambda name: Darkness())
    monkeypatch.setattr("core.jobs.best_of.sample_scorer", lambda *_: SampleScorer())
    spec = LoopSpec(CONTRACT, "darkness", rounds=2, pairs=16, seeds=2, engines=("perlin",))
    with toy_project(tmp_path / "dents") as bench:
        assert bench.loops.run(spec).waits_for
    return bench.path


def test_a_round_is_looked_at_and_a_miss_opens_in_studio(new_page: Callable[..., Page], waiting: Path) -> None:
    page = new_page(waiting)
    open_tab(page, "Evaluate")
    page.locator("#fs-loop > button").click()
    state = page.locator("#fs-loop-state")
    expect(state).to_contain_text("Round 1: waiting for a look at the pairs.")
    expect(state.locator(".ev-table")).to_contain_text("baseline")
    expect(page.locator("#fs-loop-contract :is(input, textarea)")).to_have_value(CONTRACT)

    page.get_by_role("button", name="Look at the round's pairs in Review").click()
    expect(page.locator("#fs-review-chips")).to_contain_text("one batch")
    open_tab(page, "Evaluate")
    miss = state.locator("[data-miss]").first
    expect(miss.locator("img")).to_be_visible()
    miss.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="Studio")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#fs-label input")).to_have_value("dent")


def test_a_wrong_contract_is_told_and_nothing_runs(new_page: Callable[..., Page], waiting: Path) -> None:
    page = new_page(waiting)
    open_tab(page, "Evaluate")
    page.locator("#fs-loop > button").click()
    contract = page.locator("#fs-loop-contract :is(input, textarea)")
    expect(contract).to_have_value(CONTRACT)  # the tab is filled
    contract.fill("recall above all")
    page.locator("#fs-loop-go").click()
    expect(page.locator(".toast-body")).to_contain_text("expected METRIC>=VALUE")
