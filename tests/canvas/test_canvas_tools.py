"""Tools of the canvas by mouse and keyboard, on the photo of test_canvas_browser."""

from __future__ import annotations

from typing import Any

import pytest

from tests.canvas.test_canvas_browser import DISC, RADIUS, disc_area

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


def test_a_click_takes_the_region_first_and_tab_what_the_segmenter_sees(canvas: Any) -> None:
    canvas.page.locator("#mc .fsc-stage").focus()
    canvas.select(500, 300)
    assert canvas.count == DISC and "'name': 'disc 2'" in canvas.event("region_picked")
    canvas.wait("document.querySelector('#mc .fsc-seg').textContent.includes('region disc 2, 1 of 3')")
    canvas.key("Tab")
    assert canvas.count == disc_area(RADIUS * 0.72)
    canvas.key("Tab")
    canvas.key("Tab")
    assert canvas.count == DISC and canvas.state["undo"] == 1
    canvas.select(700, 500)
    assert canvas.count == 2 * DISC, "another region is added as it is"
    canvas.key("Enter")
    canvas.key("Tab")
    focused = canvas.page.evaluate("document.activeElement.className")
    assert "fsc-stage" not in focused, "without a selection Tab leaves the photo"


def test_the_mask_under_the_mouse_is_shown_before_the_click(canvas: Any) -> None:
    preview = disc_area(RADIUS, 300, 300)
    canvas.to(300, 300)
    canvas.wait(f"M.preview() === {preview}")
    assert canvas.count == 0
    canvas.to(500, 300)
    canvas.wait(f"M.preview() === {DISC}")
    canvas.to(305, 305)
    canvas.wait(f"M.preview() === {preview}")
    canvas.click(305, 305)
    canvas.settle()
    assert canvas.count == preview and canvas.js("M.preview()") == 0, "what was shown is what the click gives"
    canvas.key("Enter")
    canvas.key("i")
    canvas.to(700, 300)
    canvas.to(710, 300)
    canvas.page.wait_for_timeout(150)
    assert canvas.js("M.preview()") == 0
    canvas.key("i")
    canvas.wait("M.preview() > 0")


def test_the_mask_is_moved_by_keys_and_taken_to_the_next_photo(canvas: Any) -> None:
    canvas.key("r")
    canvas.drag((400, 300), (500, 340))
    canvas.key("t")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowLeft"):
        canvas.key(key)
    corners = {(392, 301): 1, (391, 301): 0, (392, 300): 0, (491, 340): 1, (492, 340): 0, (491, 341): 0}
    assert {p: canvas.js(f"M.at({p[0]}, {p[1]})") for p in corners} == corners
    canvas.drag((442, 321), (542, 421))
    assert canvas.count == 4000 and canvas.js("M.at(492, 401)") == 1 and canvas.js("M.at(491, 401)") == 0
    canvas.drag((592, 441), (642, 461))
    assert canvas.count == pytest.approx(4000 * 4, rel=0.02), "the corner's grip scales about the centre"
    assert canvas.state["undo"] == 2, "all of it is one step after the box"
    canvas.key("Control+z")
    canvas.key("s")
    canvas.key("Control+c")
    canvas.page.locator("#other").click()
    canvas.wait("M.ready && M.state.image_id === 'b'")
    assert canvas.count == 0
    canvas.page.locator("#mc .fsc-stage").focus()
    canvas.key("Control+v")
    assert canvas.count == 4000 and canvas.state["tool"] == "transform"
    canvas.key("ArrowRight")
    assert canvas.js("M.at(401, 300)") == 1 and canvas.js("M.at(400, 300)") == 0
    assert canvas.server_area() == 4000


def test_lasso_wand_and_the_corners_of_a_closed_polygon(canvas: Any) -> None:
    canvas.key("l")
    canvas.drag((400, 200), (600, 200), (600, 400), (400, 400), steps=8)
    assert canvas.count == pytest.approx(200 * 200, rel=0.02)
    canvas.key("Control+z")
    canvas.key("w")
    canvas.to(300, 300)
    canvas.page.mouse.down()
    disc = canvas.count
    assert disc == pytest.approx(disc_area(RADIUS * 0.36), rel=0.05), "the dark middle of a disc"
    x, y = canvas.js("M.screen(300, 300)")
    canvas.page.mouse.move(x + 200, y, steps=4)
    canvas.page.mouse.up()
    canvas.wait(f"M.count() > {disc * 4}")
    assert canvas.state["undo"] == 1, "one step, however the tolerance was dragged"
    canvas.key("Control+z")
    canvas.key("p")
    for corner in ((200, 200), (600, 200), (600, 500)):
        canvas.click(*corner)
    canvas.key("Enter")
    canvas.drag((200, 200), (200, 500))
    assert canvas.count == pytest.approx(400 * 300 / 2, rel=0.02) and canvas.js("M.at(230, 490)") == 1
    canvas.drag((400, 500), (400, 700))
    assert canvas.count == pytest.approx(400 * 300 / 2 + 400 * 200 / 2, rel=0.02), "a corner pulled out of an edge"
    canvas.click(400, 700, button="right")
    assert canvas.count == pytest.approx(400 * 300 / 2, rel=0.02) and canvas.state["undo"] == 1
    assert canvas.server_area() == canvas.count


def test_the_old_photo_makes_room_while_the_next_one_loads(canvas: Any) -> None:
    canvas.page.route("**/b.png*", lambda route: (canvas.page.wait_for_timeout(700), route.continue_()))
    canvas.page.locator("#other").click()
    canvas.page.wait_for_selector("#mc .fsc-wait", state="visible")
    assert canvas.page.locator("#mc .fsc-photo").evaluate("e => getComputedStyle(e).visibility") == "hidden"
    canvas.wait("M.ready && M.state.image_id === 'b'")
    assert not canvas.page.locator("#mc .fsc-wait").is_visible()
    canvas.page.unroute("**/b.png*")


def test_the_view_is_adjusted_by_keys_and_no_pixel_is(canvas: Any) -> None:
    filtered = "getComputedStyle(document.querySelector('#mc .fsc-photo')).filter"
    canvas.page.locator("#mc .fsc-stage").focus()
    assert canvas.js(filtered) == "none"
    for key in ("=", "=", "+", "'", "{"):
        canvas.key(key)
    assert "fsc-look" in canvas.js(filtered)
    canvas.key("d")
    shown = canvas.page.locator("#mc .fsc-look output").all_inner_texts()
    assert shown == ["90 %", "10", "5", "1.1"]
    canvas.key("ArrowLeft")
    assert canvas.page.locator("#mc .fsc-look output").first.inner_text() == "80 %", "the keys are the slider's"
    canvas.key("Escape")
    assert canvas.page.evaluate("document.activeElement.className") == "fsc-stage"
    canvas.page.reload()
    canvas.ready()
    assert "fsc-look" in canvas.js(filtered), "remembered"
    canvas.page.locator("#mc .fsc-stage").focus()
    canvas.key("9")
    assert canvas.js(filtered) == "none"


def test_everything_is_done_without_a_mouse(canvas: Any) -> None:
    canvas.page.locator("#mc .fsc-stage").focus()
    canvas.key("k")
    x, y = canvas.js("M.crosshair()")
    assert (x, y) == pytest.approx((600, 400), abs=2), "it begins in the middle of what is seen"
    canvas.key("Control+ArrowRight")
    assert canvas.js("M.crosshair()") == [x + 1, y]
    canvas.key("Space")
    canvas.settle()
    assert canvas.count == DISC, "a click at the crosshair"
    canvas.key("Shift+ArrowRight")
    moved = canvas.js("M.crosshair()")[0] - x
    assert moved > 20
    canvas.key("Enter")
    canvas.key("Delete")
    canvas.key("b")
    canvas.page.keyboard.down("Space")
    for _ in range(3):
        canvas.key("ArrowDown")
    canvas.page.keyboard.up("Space")
    assert canvas.count > 3 * canvas.state["size"], "a stroke while Space is held"
    canvas.key("Escape")
    assert canvas.js("M.crosshair()") is None
    assert canvas.server_area() == canvas.count
