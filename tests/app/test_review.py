"""Review as an inspector uses it: keys, mouse, filters, groups, undo, reload."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import Page, expect

from app.tabs.review import ReviewFilters
from core.api import SampleFilter, Workbench
from tests.app.conftest import open_tab, reload

pytestmark = [pytest.mark.browser, pytest.mark.thorough]

SHOWN = "#fs-review .fsb-tile"


@pytest.fixture
def project(new_project: Callable[..., Path]) -> Path:
    """Eight new samples: four scratches, then four stains."""
    return new_project("samples", samples=8)


@pytest.fixture
def board(new_page: Callable[..., Page], project: Path) -> Page:
    """Review with eight new samples."""
    page = new_page(project)
    open_tab(page, "Review")
    expect(page.locator(SHOWN)).to_have_count(8)
    return page


def verdicts(project: Path) -> dict[str, str]:
    with Workbench.open(project) as bench:
        return {r.id: str(r.verdict) for r in bench.review.page(SampleFilter(), 0, 100)}


def ids(page: Page) -> list[str]:
    return page.locator(SHOWN).evaluate_all("tiles => tiles.map((t) => t.dataset.id)")


def current(page: Page) -> str:
    return str(page.locator(".fsb-current").get_attribute("data-id"))


def choose_label(page: Page, label: str) -> None:
    page.locator("#fs-review-label input").click()
    page.locator("li[role=option]", has_text=re.compile(rf"^\W*{label}")).click()


def show(page: Page, verdict: str) -> None:
    page.locator("#fs-review-verdict").get_by_label(verdict, exact=True).check(force=True)


def kept_in_header(page: Page, count: int) -> None:
    expect(page.locator("#fs-project")).to_contain_text(f" {count} kept")


def test_verdicts_by_key(board: Page, project: Path) -> None:
    shown = ids(board)
    # Faster than the server answers: each key is for the sample that was marked when it was pressed.
    for key in "AARAR":
        board.keyboard.press(key)
    kept_in_header(board, 3)
    said = verdicts(project)
    assert [said[i] for i in shown] == ["kept", "kept", "rejected", "kept", "rejected", "new", "new", "new"]
    assert current(board) == shown[5]
    expect(board.locator(f"[data-id='{shown[2]}']")).to_have_attribute("data-verdict", "rejected")

    board.keyboard.press("u")
    expect(board.locator(f"[data-id='{shown[4]}']")).to_have_attribute("data-verdict", "new")
    assert current(board) == shown[4]
    board.keyboard.press("u")
    kept_in_header(board, 2)
    board.locator("#fs-review-redo").click()
    kept_in_header(board, 3)
    for _ in range(5):
        board.keyboard.press("u")
    expect(board.locator(".fsb-note")).to_have_text("Nothing to undo.")
    assert set(verdicts(project).values()) == {"new"}

    # Letters typed into a field, and keys in another tab, are no verdicts.
    board.locator("#fs-review-label input").click()
    board.keyboard.type("ara")
    board.keyboard.press("Escape")
    open_tab(board, "Export")
    board.keyboard.press("a")
    assert set(verdicts(project).values()) == {"new"}


def test_several_at_once_and_the_comparison(board: Page, project: Path) -> None:
    shown = ids(board)
    tiles = board.locator(SHOWN)
    tiles.nth(1).click()
    tiles.nth(3).click(modifiers=["Shift"])
    expect(board.locator("#fs-review-keep")).to_contain_text("Keep 3")
    tiles.nth(6).click(modifiers=["ControlOrMeta"])
    board.locator("#fs-review-reject").click()
    expect(board.locator(f"{SHOWN}[data-verdict=rejected]")).to_have_count(4)
    board.keyboard.press("u")
    expect(board.locator(f"{SHOWN}[data-verdict=rejected]")).to_have_count(0)
    board.keyboard.press("ControlOrMeta+a")
    board.keyboard.press("a")
    kept_in_header(board, 8)
    assert verdicts(project) == dict.fromkeys(shown, "kept")
    compare(board)


def compare(board: Page) -> None:
    """Slider, side by side, outline, zoom, the photo for as long as a key is held."""
    stage = board.locator("#fs-stage")
    expect(stage).to_have_attribute("data-view", "slider")
    images = stage.locator("img")
    for image in (images.nth(0), images.nth(1)):
        expect(image).to_have_js_property("naturalWidth", 128)
    box = stage.bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    board.mouse.move(box["x"] + box["width"] * 0.6, y)
    board.mouse.down()
    board.mouse.move(box["x"] + box["width"] * 0.4, y)
    board.mouse.up()
    at = stage.locator(".fsb-handle").evaluate("h => parseFloat(h.style.left)")
    assert abs(at - box["width"] * 0.4) < 3

    outline = stage.locator(".fsb-line")
    expect(outline).to_be_visible()
    board.keyboard.press("m")
    expect(outline).to_be_hidden()
    board.get_by_role("button", name="Side by side").click()
    left, right = images.nth(0).bounding_box(), images.nth(1).bounding_box()
    assert left and right and left["x"] + left["width"] <= right["x"] and left["width"] == right["width"]
    board.keyboard.press("z")
    zoomed = images.nth(1).bounding_box()
    assert zoomed and zoomed["width"] > right["width"]
    board.keyboard.down("o")
    assert images.nth(1).get_attribute("src") == images.nth(0).get_attribute("src")
    board.keyboard.up("o")
    assert images.nth(1).get_attribute("src") != images.nth(0).get_attribute("src")


def test_filters_and_reload(board: Page, project: Path) -> None:
    board.keyboard.press("a")
    kept_in_header(board, 1)
    show(board, "kept")
    expect(board.locator(SHOWN)).to_have_count(1)
    show(board, "rejected")
    expect(board.locator(".fsb-empty")).to_contain_text("loosen it")
    show(board, "all")
    expect(board.locator(SHOWN)).to_have_count(8)
    choose_label(board, "scratch")
    expect(board.locator(SHOWN)).to_have_count(4)
    expect(board.locator(".fsb-label").first).to_have_text("scratch")
    board.keyboard.press("ArrowRight")
    board.keyboard.press("ArrowRight")
    at = current(board)

    reload(board)
    expect(board.get_by_role("tab", name="Review", exact=True)).to_have_attribute("aria-selected", "true")
    expect(board.locator(SHOWN)).to_have_count(4)
    expect(board.locator("#fs-review-label input")).to_have_value(re.compile("^scratch"))
    assert current(board) == at

    with Workbench.open(project) as bench:
        found = [r.scores["change_inside"] for r in bench.review.page(SampleFilter(label="scratch"), 0, 9)]
    least = int(100 * max(found)) / 100
    board.get_by_role("button", name="Scores at least").click()
    box = board.get_by_label("number input for Strength")
    box.fill(str(least))
    box.press("Tab")
    expect(board.locator(SHOWN)).to_have_count(sum(strength >= least for strength in found))


def test_look_alikes_and_bulk(new_page: Callable[..., Page], project: Path) -> None:
    with Workbench.open(project) as bench:
        row = bench.review.page(SampleFilter(label="stain"), 0, 1)[0]
        twin = cv2.imread(str(row.image_path))
        twin[0, 0] ^= 1
        bench.project.add_sample(
            cv2.imencode(".png", twin)[1].tobytes(), row.mask_path.read_bytes(), normal_id=row.normal_id,
            label=row.label, kind=row.kind, engine=row.engine, seed=row.seed, recipe_json=row.recipe_json,
            scores=dict(row.scores), descriptor=row.descriptor,
        )  # fmt: skip
    page = new_page(project)
    open_tab(page, "Review")
    expect(page.locator(SHOWN)).to_have_count(9)
    page.get_by_label("Group look-alikes").check()
    expect(page.locator(".fsb-group").first).to_be_visible()
    best = page.locator(".fsb-best").first
    many = int(str(best.text_content()).rsplit(" ", 1)[1]) + 1
    best.click()
    kept_in_header(page, 1)
    expect(page.locator(f"{SHOWN}[data-verdict=rejected]")).to_have_count(many - 1)
    page.keyboard.press("u")
    kept_in_header(page, 0)

    page.get_by_role("button", name="Keep or reject in bulk by score").click()
    page.locator("#fs-review-auto").click()
    expect(page.locator(".fsb-empty")).to_be_visible()
    said = list(verdicts(project).values())
    assert "new" not in said and len(said) == 9
    kept_in_header(page, said.count("kept"))
    cells = page.locator("#fs-review-counts tfoot td")
    expect(cells).to_have_text(["0", str(said.count("kept")), str(said.count("rejected"))])


def test_pages_turn_without_missing_a_sample(new_page: Callable[..., Page], new_project: Callable[..., Path]) -> None:
    project = new_project("many", samples=100)
    page = new_page(project)
    open_tab(page, "Review")
    expect(page.locator(SHOWN)).to_have_count(48)
    for _ in range(5):
        page.keyboard.press("a")
    seen = ids(page)
    page.keyboard.press("PageDown")
    expect(page.locator("#fs-review-where")).to_have_text("44 to 91 of 95")
    seen += ids(page)
    page.keyboard.press("PageDown")
    expect(page.locator("#fs-review-where")).to_have_text("92 to 95 of 95")
    seen += ids(page)
    assert len(seen) == len(set(seen)) == 100
    reload(page)
    expect(page.locator("#fs-review-where")).to_have_text("92 to 95 of 95")
    assert [verdicts(project)[i] for i in seen[:6]] == [*["kept"] * 5, "new"]


def test_each_filter_is_a_chip_that_takes_it_off(board: Page, project: Path) -> None:
    chips = board.locator("#fs-review-chips [data-off]")
    expect(chips).to_have_count(0)
    choose_label(board, "stain")
    expect(board.locator(SHOWN)).to_have_count(4)
    expect(chips).to_have_text([re.compile("label stain")])
    chips.click()
    expect(board.locator(SHOWN)).to_have_count(8)
    expect(chips).to_have_count(0)
    expect(board.locator("#fs-review-label input")).to_have_value("any")


def test_filters_are_told_and_taken_off_one_by_one() -> None:
    chosen = SampleFilter(job_id="j", label="stain", min_score={"ars": 0.5, "change_inside": 0.1})
    assert list(ReviewFilters.active(chosen)) == ["job", "label", "ars", "change_inside"]
    assert ReviewFilters.without(chosen, "ars").min_score == {"change_inside": 0.1}
    assert ReviewFilters.without(chosen, "job").label == "stain"
    assert ReviewFilters.active(ReviewFilters.without(chosen, "all")) == {}


def test_a_star_another_label_and_a_note(board: Page, project: Path) -> None:
    shown = ids(board)
    board.keyboard.press("s")
    expect(board.locator(f"[data-id='{shown[0]}'] .fsb-star")).to_be_visible()
    board.keyboard.press("t")
    board.keyboard.type("seam at the left")
    board.keyboard.press("Enter")
    expect(board.locator(".fsb-note")).to_have_text("Noted")
    board.keyboard.press("Shift+ArrowRight")
    board.keyboard.press("l")
    board.keyboard.type("Water Mark")
    board.keyboard.press("Enter")
    expect(board.locator(".fsb-label")).to_have_text(["water_mark"] * 2 + ["stain"] * 2 + ["scratch"] * 4)
    expect(board.locator("#fs-review-counts tbody th")).to_have_text(["scratch", "stain", "water_mark"])
    expect(board.locator(".fsb-facts")).to_contain_text("lower is better")
    with Workbench.open(project) as bench:
        row = bench.review.row(shown[0])
        assert (row.favourite, row.note, row.label) == (True, "seam at the left", "water_mark")
    show(board, "★")
    expect(board.locator(SHOWN)).to_have_count(1)
    expect(board.locator("#fs-review-note")).to_have_value("seam at the left")


def test_two_windows_see_each_others_verdicts(board: Page, project: Path) -> None:
    shown = ids(board)
    board.locator(SHOWN).nth(2).click()
    with Workbench.open(project) as elsewhere:
        elsewhere.review.set_status([shown[5]], "kept")
    expect(board.locator(f"[data-id='{shown[5]}']")).to_have_attribute("data-verdict", "kept")
    kept_in_header(board, 1)
    assert current(board) == shown[2]
