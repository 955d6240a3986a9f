"""Evaluate: runs are started, kept, opened, compared, written down and removed; what is missing is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.evaluation.localization import evaluate_localization
from core.evaluation.photo_sets import Shot
from core.evaluation.results import save_result
from tests.app.conftest import open_tab, reload
from tests.app.hands import set_value
from tests.app.score_maps import RESULT, evaluate, maps
from tests.evaluation.plates import plate

pytestmark = [pytest.mark.browser, pytest.mark.thorough]

RUNS = "#fs-ev-runs li"


def test_runs_are_kept_compared_and_written_down(
    new_page: Callable[..., Page], new_project: Callable[..., Path], tmp_path: Path
) -> None:
    page = new_page(new_project("judged"))
    open_tab(page, "Evaluate")
    result = page.locator(RESULT)
    expect(result).to_contain_text("How good are the pairs?")
    expect(page.locator("#fs-ev-plan")).to_contain_text("There are no pairs yet")
    expect(page.locator("#fs-ev-go")).to_be_disabled()

    page.locator("#fs-ev-kind").get_by_label("Score maps").check(force=True)
    expect(page.locator("#fs-ev-plan")).to_contain_text("Give the folder of score maps")
    page.get_by_role("button", name="Details").click()
    evaluate(page, maps(tmp_path / "weak", 0.5), "weak <b>")
    expect(result.locator(".ev-tiles")).to_contain_text("Pixel AUROC")
    expect(result.locator(".ev-chart", has_text="PRO").first).to_be_visible()
    expect(page.locator(".ev-pictures img").first).to_be_visible()
    evaluate(page, maps(tmp_path / "sharp", 9.0), "sharp")
    expect(page.locator(RUNS)).to_have_count(2)
    expect(page.locator(RUNS).first).to_have_attribute("aria-current", "true")

    # An earlier run by the keyboard; a reload keeps it in front.
    page.locator(RUNS).first.locator(".fs-ev-open").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(result.locator("h2")).to_have_text("weak <b>")
    reload(page)
    expect(result.locator("h2")).to_have_text("weak <b>")

    compare = page.locator("[data-compare]")
    expect(compare).to_be_disabled()
    for run in page.locator(RUNS).all():
        run.locator("input").check()
    compare.click()
    expect(result.locator("h2")).to_have_text("Comparison")
    row = result.locator("tr", has_text="Pixel AP").first
    expect(row.locator("td[data-best]")).to_have_count(1)
    titles = result.locator(".ev-table thead th").all_inner_texts()[1:]
    best = row.locator("td").evaluate_all("cells => cells.findIndex((c) => 'best' in c.dataset)")
    assert titles[best] == "sharp"
    with page.expect_download() as saved:
        page.locator("#fs-ev-report").click()
    text = saved.value.path().read_text()
    assert "weak &lt;b&gt;" in text and "weak <b>" not in text and "://" not in text

    first = page.locator(RUNS).first.locator(".fs-ev-remove")
    first.click()
    expect(first).to_have_text("Really?")
    first.click()
    expect(page.locator(RUNS)).to_have_count(1)
    expect(result.locator("h2")).to_have_text("weak <b>")


def trained(project: Path) -> None:
    """A run in the project that kept its detector."""
    made = [plate(i, ("good", "dot")[i % 2]) for i in range(8)]
    shots = [
        Shot(f"{i}", image, ("good", "dot")[i % 2], (mask,) if i % 2 else ()) for i, (image, mask) in enumerate(made)
    ]
    tiny = {"width": 4, "side": 32, "epochs": 1, "samples": 8, "test_every": 1}
    result = evaluate_localization(shots[:4], shots[4:], params=tiny, seeds=(0,), side=32)
    save_result(project / "evaluations", result)


def looked_at(page: Page, more: Path) -> None:
    """A photo of the project, and one of the person's own, shown to the run's detector."""
    said = page.locator("#fs-ev-one-said")
    page.locator("#fs-ev-one-pick input").click()
    page.get_by_role("option", name="good: plate 0.png").click()
    expect(said).to_contain_text("of the good test photos")
    expect(said.locator("img")).to_have_count(2)
    first = said.locator("img").first.get_attribute("src")
    page.locator("#fs-ev-one input[type=file]").set_input_files(more)
    expect(said.locator("img").first).not_to_have_attribute("src", str(first))
    expect(said.locator("img").last).to_have_js_property("complete", True)
    assert all(said.locator("img").evaluate_all("all => all.map((one) => one.naturalWidth > 0)"))


def test_a_person_is_told_what_a_training_needs_and_tries_a_detector_on_photos(
    new_page: Callable[..., Page], new_project: Callable[..., Path], tmp_path: Path, photo_folder: Path
) -> None:
    project = new_project("untested", samples=2)
    trained(project)
    page = new_page(project)
    open_tab(page, "Evaluate")
    plan, go = page.locator("#fs-ev-plan"), page.locator("#fs-ev-go")
    # Without imported anomalies the folder is what is asked for.
    expect(plan).to_contain_text("Give a folder of real anomalies")
    page.locator("#fs-ev-kind").get_by_label("Localization").check(force=True)
    page.locator("#fs-ev-against").get_by_label("Imported real anomalies").check(force=True)
    expect(plan).to_contain_text("The project has no real anomalies: import some in Product")
    expect(go).to_be_disabled()
    page.locator("#fs-ev-against").get_by_label("A folder").check(force=True)
    set_value(page, "#fs-ev-folder", tmp_path / "nowhere")
    expect(plan).to_contain_text("there is no such file or folder")
    looked_at(page, photo_folder / "plate 1.png")
