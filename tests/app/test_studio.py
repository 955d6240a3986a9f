"""Studio as an inspector uses it: masks, layout by hand, recipes, keys, and what a reload finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.api import SampleFilter, SampleRow, Workbench
from tests.app.conftest import reload
from tests.app.hands import Hands, choose_engine, previews, set_value

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


@pytest.fixture
def project(discs_project: Path) -> Path:
    """A project whose first photo has its two discs named alike: "disc" and "disc_2"."""
    return discs_project


@pytest.fixture
def studio(new_page: Callable[..., Page], project: Path) -> Hands:
    """The Studio on that project."""
    return Hands(new_page(project), "studio").open(regions=2)


def made(project: Path) -> list[SampleRow]:
    with Workbench.open(project) as bench:
        return bench.review.page(SampleFilter(), 0, 100)


def photos(project: Path) -> list[str]:
    with Workbench.open(project) as bench:
        return [row.id for row in bench.photos.page()]


def test_mask_tools_edit_what_is_drawn_and_each_is_one_step_of_undo(studio: Hands) -> None:
    page = studio.page
    page.locator("#fs-edit-grow").click()
    expect(page.locator(".toast-body")).to_contain_text("there is no mask yet")
    drawn = studio.box((50, 20), (70, 40))
    assert drawn == 400
    set_value(page, "#fs-px", 2)
    for how, check in (("grow", f"> {drawn}"), ("invert", f"> {96 * 128 // 2}")):
        before = studio.area
        page.locator(f"#fs-edit-{how}").click()
        studio.until(f"M.count() !== {before} && M.count() {check}")
    for _ in range(2):
        before = studio.area
        studio.root.locator("[data-do=undo]").click()
        studio.until(f"M.count() !== {before}")
    assert studio.area == drawn
    # After an undo the server has the older mask again, and works on that.
    page.locator("#fs-edit-shrink").click()
    studio.until("M.count() === 16 * 16")


def test_place_by_rule_follows_the_anomaly_type(studio: Hands, project: Path) -> None:
    page = studio.page
    page.locator("#fs-place").click()
    studio.until("M.count() > 0 && !M.busy")
    first = studio.ask("M.runs().join()")
    page.locator("#fs-place").click()
    studio.until(f"M.runs().join() !== {first!r}")
    page.locator("#fs-anomaly-type input").click()
    page.get_by_role("option", name="a whole region").click()
    page.locator("#fs-place").click()
    with Workbench.open(project) as bench:
        regions = [r.mask for r in bench.regions.with_masks(studio.photo)]
        studio.until(f"M.count() > {0.9 * min(r.sum() for r in regions)}")
        placed = bench.masks.decode(studio.ask("M.runs()"), (96, 128))
    assert max((placed & r).sum() / (placed | r).sum() for r in regions) > 0.95


def test_outline_slider_varies_the_drawn_mask_and_not_the_varied_one(studio: Hands) -> None:
    page = studio.page
    studio.box((40, 60), (80, 80))
    as_drawn = studio.ask("M.runs().join()")
    page.locator("#fs-vary").click()
    studio.until(f"M.runs().join() !== '{as_drawn}'")
    page.locator("#fs-vary-fold > button").click()
    slider = page.locator("#fs-vary-fold input[type=range]").nth(2)
    seen = set()
    for key in ("End", "Home", "End"):
        before = studio.ask("M.runs().join()")
        slider.focus()
        page.keyboard.press(key)
        studio.until(f"M.runs().join() !== '{before}' && !M.busy")
        seen.add(studio.ask("M.runs().join()"))
    assert len(seen) == 2, "the same setting gives the same outline: it starts from the drawn mask every time"
    page.locator("#fs-vary-base").click()
    studio.until(f"M.runs().join() === '{as_drawn}'")


def test_dragging_a_part_moves_exactly_that_part(studio: Hands, project: Path) -> None:
    page = studio.page
    choose_engine(page, "Layout")
    studio.until("M.state.tool === 'move'")
    studio.drag((36, 48), (48, 70))
    previews(page, 1)
    expect(page.locator("#fs-part")).to_contain_text("disc")
    expect(page.locator("#fs-label input")).to_have_value("misplaced")
    row = made(project)[0]
    assert (row.engine, row.label) == ("layout", "misplaced")
    with Workbench.open(project) as bench:
        params = bench.studio.recipe(row.id).params
        assert (params["op"], params["region"], params["instance"]) == ("move", "disc", 1)
        assert (params["dx"], params["dy"]) == pytest.approx((12, 22), abs=1)
    # The part lies where it was again: the same drag makes the same move.
    studio.until("!M.busy")
    studio.drag((36, 48), (48, 70))
    previews(page, 2)
    with Workbench.open(project) as bench:
        again = bench.studio.recipe(made(project)[1].id).params
    assert (again["dx"], again["dy"]) == pytest.approx((12, 22), abs=1)


def test_buttons_act_on_the_picked_part_and_name_the_label(studio: Hands, project: Path) -> None:
    page = studio.page
    choose_engine(page, "Layout")
    page.locator("#fs-part-remove").click()
    expect(page.locator(".toast-body")).to_contain_text("no part is picked")
    studio.click(92, 46)
    expect(page.locator("#fs-part")).to_contain_text("disc_2")
    for button, label in (("remove", "missing"), ("recolour", "wrong_colour"), ("swap", "swapped")):
        shown = page.locator("#fs-strip [data-id]").count()
        page.locator(f"#fs-part-{button}").click()
        previews(page, shown + 1)
        expect(page.locator("#fs-label input")).to_have_value(label)
    with Workbench.open(project) as bench:
        for row, op in zip(made(project), ("remove", "recolour", "swap"), strict=True):
            params = bench.studio.recipe(row.id).params
            assert (params["op"], params["region"]) == (op, "disc_2")
        assert (params["partner"], params["partner_instance"]) == ("disc", 1)
    # A label of one's own stays.
    set_value(page, "#fs-label", "Loose disc")
    page.locator("#fs-part-remove").click()
    previews(page, 4)
    assert made(project)[-1].label == "loose_disc"


def test_copied_settings_make_the_same_sample_again(studio: Hands, project: Path) -> None:
    page = studio.page
    studio.box((50, 20), (74, 44))
    set_value(page, "#fs-variants", 1)
    page.locator("#fs-generate").click()
    previews(page, 1)
    first = made(project)[0]
    # Spoil everything: another mask, engine and photo.
    studio.box((20, 70), (30, 80))
    choose_engine(page, "Perlin damage")
    page.locator("#fs-studio-forth").click()
    studio.until(f"M.ready && M.state.image_id !== '{first.normal_id}'")
    page.locator("#fs-reuse").click()
    studio.until(f"M.ready && M.state.image_id === '{first.normal_id}'")
    expect(page.locator("#fs-seed input")).to_have_value(str(first.seed))
    page.locator("#fs-generate").click()
    expect(page.locator(".toast-body")).to_contain_text("Same settings, same sample")
    previews(page, 1)
    assert [r.id for r in made(project)] == [first.id], "bytes and recipe are the same, or it would be another row"
    # The same out of the file that holds it.
    choose_engine(page, "Perlin damage")
    page.locator("#fs-recipe > button").click()
    with page.expect_file_chooser() as chooser:
        page.locator("#fs-recipe-file").click()
    chooser.value.set_files(first.image_path)
    expect(page.locator("#fs-engine label.selected")).to_contain_text("Cut and paste")
    expect(page.locator("#fs-seed input")).to_have_value(str(first.seed))


def test_keys_make_and_judge(studio: Hands, project: Path) -> None:
    page = studio.page
    studio.box((50, 20), (74, 44))
    set_value(page, "#fs-variants", 2)
    page.locator("#fs-seed input").press("Control+Enter")
    previews(page, 2)
    newest = page.locator("#fs-strip [aria-selected=true]")
    shown = newest.get_attribute("data-id")
    page.mouse.move(5, 5)
    page.keyboard.press("a")
    expect(page.locator(f"#fs-strip [data-id='{shown}']")).to_have_attribute("data-verdict", "kept")
    other = newest.get_attribute("data-id")
    assert other != shown, "after a verdict the next one without is shown"
    page.keyboard.press("x")
    expect(page.locator(f"#fs-strip [data-id='{other}']")).to_have_attribute("data-verdict", "rejected")
    page.keyboard.press("u")
    expect(page.locator(f"#fs-strip [data-id='{other}']")).to_have_attribute("data-verdict", "new")
    assert {r.id: r.verdict for r in made(project)} == {shown: "kept", other: "new"}
    # Enter on the canvas, too, with what is drawn.
    studio.click(100, 10, button="middle")
    page.keyboard.press("Enter")
    previews(page, 4)
    # Typing is typing.
    page.locator("#fs-label input").click()
    page.keyboard.type("ax")
    expect(page.locator(f"#fs-strip [data-id='{other}']")).to_have_attribute("data-verdict", "new")
    # The film by arrow keys.
    page.locator("#fs-strip [data-id]").nth(1).click()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#fs-strip [data-id]").first).to_have_attribute("aria-selected", "true")


def test_generate_right_after_a_stroke_takes_the_newest_mask(studio: Hands, project: Path) -> None:
    page = studio.page
    set_value(page, "#fs-variants", 1)
    studio.page.keyboard.press("r")
    studio.drag((10, 10), (30, 30))
    # In the task after the release, before any delay can pass.
    studio.root.locator(".fsc-stage").evaluate(
        """(stage) => stage.addEventListener("pointerup", () => setTimeout(
        () => document.querySelector("#fs-generate").click(), 0), { once: true })"""
    )
    studio.drag((60, 70), (90, 90))
    previews(page, 1)
    with Workbench.open(project) as bench:
        row = made(project)[0]
        recipe = bench.studio.recipe(row.id)
        given = bench.masks.unpack(recipe.mask or "", (96, 128))
    assert given.sum() == 20 * 20 + 30 * 20 and given[80, 75] and given[20, 20]


def test_fast_turning_loses_no_press_and_a_late_job_disturbs_nothing(studio: Hands, project: Path) -> None:
    page, ids = studio.page, photos(project)
    studio.box((50, 20), (74, 44))
    page.locator("#fs-generate").click()
    for _ in range(3):
        page.locator("#fs-studio-forth").click(no_wait_after=True)
    studio.until(f"M.ready && M.state.image_id === '{ids[3]}'")
    assert studio.area == 0, "the mask stays with its photo"
    studio.box((10, 10), (20, 20))
    previews(page, 4)
    assert studio.photo == ids[3] and studio.area == 100
    assert {r.normal_id for r in made(project)} == {ids[0]}
    for _ in range(3):
        page.locator("#fs-studio-back").click(no_wait_after=True)
    studio.until(f"M.ready && M.state.image_id === '{ids[0]}' && M.count() === 24 * 24")


def test_a_reload_finds_the_form_as_it_was(studio: Hands) -> None:
    page = studio.page
    choose_engine(page, "GAA")
    expect(page.locator("#fs-engine-lack")).to_contain_text("has learned nothing in this project yet")
    expect(page.locator("#fs-engine label.selected")).to_contain_text("learn first")
    choose_engine(page, "Perlin damage")
    expect(page.locator("#fs-engine-lack")).to_be_hidden()
    set_value(page, "#fs-label", "oil_film")
    set_value(page, "#fs-variants", 2)
    studio.box((50, 20), (74, 44))
    page.locator("#fs-generate").click()
    previews(page, 2)
    reload(page)
    studio.open(regions=2)
    previews(page, 2)
    assert studio.area == 24 * 24
    expect(page.locator("#fs-engine label.selected")).to_contain_text("Perlin damage")
    expect(page.locator("#fs-label input")).to_have_value("oil_film")
    expect(page.locator("#fs-variants input")).to_have_value("2")
