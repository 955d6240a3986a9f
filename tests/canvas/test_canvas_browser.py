"""The canvas driven with mouse and keyboard in a real Chromium; the photo is 1200x800, discs on a grid of 200 px."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.canvas.markup import CLICKS, EDITS, FLIPS, MODES, TOOLS, VIEWS

pytestmark = [pytest.mark.browser, pytest.mark.thorough]

RADIUS, PITCH = 72.0, 200


def disc_area(radius: float, x: float = 100.0, y: float = 100.0) -> int:
    """Pixels whose centre lies within ``radius`` of (x, y)."""
    ys, xs = np.mgrid[:800, :1200] + 0.5
    return int((np.hypot(xs - x, ys - y) <= radius).sum())


DISC = disc_area(RADIUS)


def png(mask: np.ndarray) -> dict[str, Any]:
    out = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(out, "PNG")
    return {"name": "mask.png", "mimeType": "image/png", "buffer": out.getvalue()}


def test_clicks_select_and_remove_and_undo_goes_back_click_by_click(canvas: Any) -> None:
    canvas.select(500, 300)
    assert canvas.count == DISC
    canvas.select(700, 300)
    assert canvas.count == 2 * DISC
    canvas.select(500, 300, button="right")
    assert canvas.count == DISC
    assert [p["label"] for p in canvas.state["points"]] == [1, 1, 0]
    canvas.key("Control+z")
    assert canvas.count == 2 * DISC and len(canvas.state["points"]) == 2
    canvas.key("Control+z")
    canvas.key("Control+z")
    assert canvas.count == 0 and canvas.state["points"] == []
    for expected in (DISC, 2 * DISC):
        canvas.key("Control+y")
        assert canvas.count == expected
    canvas.key("Control+Shift+z")
    assert canvas.count == DISC
    assert canvas.server_area() == DISC


def test_candidates_cancel_and_confirm(canvas: Any) -> None:
    canvas.select(700, 300)
    canvas.key("c")
    inner = canvas.count
    assert inner == disc_area(RADIUS * 0.72)
    canvas.key("c")
    canvas.key("c")
    assert canvas.count == DISC, "the cycle closes"
    canvas.key("c")
    assert canvas.state["undo"] == 1, "candidates are one step of undo"
    canvas.key("Enter")
    assert f"'area': {inner}" in canvas.event("confirmed")
    assert canvas.state["points"] == [] and canvas.count == inner
    canvas.select(700, 500)
    assert canvas.count == inner + DISC
    canvas.key("Escape")
    assert canvas.count == inner and canvas.state["points"] == []
    canvas.drag((610, 210), (790, 390))
    canvas.settle()
    assert canvas.state["box"] == pytest.approx({"x0": 610, "y0": 210, "x1": 790, "y1": 390}, abs=1)
    assert canvas.count == pytest.approx(180 * 180, rel=0.02), "a drag is a box prompt"


def test_shapes_join_in_every_mode_exactly(canvas: Any) -> None:
    canvas.do("box")
    canvas.key("1")
    canvas.drag((500, 300), (700, 400))
    assert canvas.count == 200 * 100
    canvas.drag((650, 350), (750, 450), button="right")
    assert canvas.count == 20_000 - 50 * 50, "right takes away"
    canvas.key("Control+z")
    areas = {"add": 20_000 + 10_000 - 2500, "subtract": 17_500, "intersect": 2500, "replace": 10_000}
    for mode, expected in areas.items():
        canvas.do(mode)
        canvas.drag((650, 350), (750, 450))
        assert canvas.count == expected, mode
        canvas.key("Control+z")
        assert canvas.count == 20_000
    canvas.key("Delete")
    assert canvas.count == 0
    assert canvas.server_area() == 0


def test_brush_eraser_and_polygon(canvas: Any) -> None:
    canvas.key("b")
    size = canvas.state["size"]
    canvas.key("]")
    assert canvas.state["size"] > size
    size = canvas.state["size"]
    canvas.drag((300, 300), (600, 300), steps=7)
    drawn = canvas.count
    assert drawn == pytest.approx(300 * size + np.pi * size**2 / 4, rel=0.05)
    canvas.key("e")
    canvas.drag((450, 200), (450, 400), steps=7)
    erased = canvas.count
    assert erased == pytest.approx(drawn - size * size, rel=0.05)
    canvas.key("Control+z")
    assert canvas.count == drawn
    canvas.key("Control+Shift+z")
    assert canvas.count == erased
    canvas.key("Control+z")
    canvas.key("Control+z")
    assert canvas.count == 0
    canvas.key("p")
    for corner in ((200, 200), (600, 200), (600, 500)):
        canvas.click(*corner)
    canvas.key("Enter")
    assert canvas.count == pytest.approx(400 * 300 / 2, rel=0.01)
    for corner in ((700, 500), (800, 500), (800, 600), (900, 700)):
        canvas.click(*corner)
    canvas.key("Backspace")
    canvas.click(700, 600)
    canvas.click(700, 500)
    assert canvas.count == pytest.approx(60_000 + 10_000, rel=0.01), "a click on the first corner closes"
    assert canvas.server_area() == canvas.count


@pytest.mark.parametrize("scale", [1, 2])
def test_positions_stay_exact_after_zoom_and_pan(open_canvas: Any, scale: int) -> None:
    canvas = open_canvas(device_scale_factor=scale)
    # Wheel events come in whole CSS pixels: aim at one of those.
    x, y = (round(v) for v in canvas.js("M.screen(900, 600)"))
    (left, top), (right, bottom) = canvas.js("M.screen(0, 0)"), canvas.js("M.screen(1200, 800)")
    at = f"M.screen({(x - left) / (right - left) * 1200}, {(y - top) / (bottom - top) * 800})"
    canvas.page.mouse.move(x, y)
    for _ in range(10):
        canvas.page.mouse.wheel(0, -120)
    canvas.wait("M.state.scale > 4")
    assert canvas.js(at) == pytest.approx([x, y], abs=0.01), "the pixel under the pointer stays"
    canvas.page.mouse.down(button="middle")
    canvas.page.mouse.move(x - 37, y - 21, steps=3)
    canvas.page.mouse.up(button="middle")
    assert canvas.js(at) == pytest.approx([x - 37, y - 21], abs=0.01)
    canvas.page.keyboard.down(" ")
    canvas.page.mouse.down()
    canvas.page.mouse.move(x - 20, y, steps=3)
    canvas.page.mouse.up()
    canvas.page.keyboard.up(" ")
    assert canvas.count == 0 and canvas.js(at) == pytest.approx([x - 20, y], abs=0.01)
    canvas.key("r")
    canvas.drag((890, 590), (907, 601))
    assert canvas.count == 17 * 11
    inside = {(889, 590): 0, (890, 590): 1, (906, 600): 1, (907, 600): 0, (906, 601): 0}
    assert {p: canvas.js(f"M.at({p[0]}, {p[1]})") for p in inside} == inside
    canvas.key("b")
    for _ in range(20):
        canvas.key("[")
    canvas.click(880.5, 580.5)
    assert canvas.state["size"] == 1 and canvas.count == 17 * 11 + 1 and canvas.js("M.at(880, 580)") == 1
    canvas.key("0")
    assert canvas.state["scale"] < 2 * scale


def test_newest_click_wins_over_a_slow_answer(canvas: Any) -> None:
    canvas.page.locator("#slow").click()
    canvas.event("slow")
    canvas.click(100, 300)
    canvas.click(300, 300)
    canvas.settle()
    assert canvas.count == 2 * DISC
    canvas.page.wait_for_timeout(1400)
    assert canvas.count == 2 * DISC and canvas.state["undo"] == 1, "the late answer changed the mask"
    canvas.page.locator("#slow").click()
    canvas.page.wait_for_timeout(300)
    canvas.click(500, 300)
    canvas.key("Escape")
    canvas.page.wait_for_timeout(1500)
    assert canvas.count == 0, "Esc drops the click under way and the ones before"


def test_generate_at_once_sees_the_newest_mask(canvas: Any) -> None:
    canvas.key("r")
    canvas.drag((100, 100), (500, 500))
    # The press of Generate follows in the same task as the release: no delay can hide an old mask.
    stage, end = "document.querySelector('#mc .fsc-stage')", canvas.js("M.screen(900, 700)")
    canvas.to(600, 600)
    canvas.page.mouse.down()
    canvas.page.mouse.move(*end, steps=3)
    canvas.page.evaluate(
        f"""([x, y]) => {{ {stage}.addEventListener('pointerup', () => setTimeout(
        () => document.querySelector('#generate').click(), 0), {{once: true}}); }}""",
        end,
    )
    canvas.page.mouse.up()
    canvas.page.wait_for_function("/^[0-9]+$/.test(document.querySelector('#seen textarea, #seen input').value)")
    seen = int(canvas.page.locator("#seen textarea, #seen input").first.input_value())
    assert seen == canvas.count > 180_000
    # The same while a click is unanswered.
    canvas.page.locator("#slow").click()
    canvas.event("slow")
    canvas.key("s")
    canvas.click(1100, 100)
    assert canvas.server_area() == canvas.count == seen + DISC


def test_a_mask_that_cannot_be_saved_is_said_and_generate_does_not_run(canvas: Any) -> None:
    canvas.page.locator("#lose").click()
    canvas.event("lost")
    canvas.key("r")
    canvas.drag((100, 100), (300, 300))
    canvas.page.wait_for_selector("#mc .fsc-note.fsc-bad:has-text('session')")
    assert canvas.page.locator("#mc .fsc-saved").inner_text() == "Not saved"
    reason = canvas.js("M.flush().then(() => '', (e) => e.message)")
    assert "reload the page" in reason
    box = canvas.page.locator("#seen textarea, #seen input").first
    box.fill("?")
    canvas.page.locator("#generate").click()
    canvas.page.wait_for_timeout(1000)
    assert box.input_value() == "?", "Generate ran on a mask that the server does not have"


def test_reload_and_two_sessions(open_canvas: Any) -> None:
    one, two = open_canvas("?project=p1"), open_canvas("?project=p2")
    one.select(500, 300)
    two.key("r")
    two.drag((100, 100), (200, 200))
    assert two.server_area() == two.count != one.count
    assert one.server_area() == one.count == DISC
    one.page.reload()
    one.ready()
    assert one.count == DISC, "the mask survives a reload"
    one.select(700, 300)
    assert one.server_area() == 2 * DISC, "the server takes what a reloaded page sends"


def test_regions_are_taken_and_moved(canvas: Any) -> None:
    assert sorted(canvas.state["regions"]) == ["disc 1", "disc 2", "disc 3"]
    canvas.key("g")
    canvas.click(500, 300)
    assert canvas.count == DISC
    assert "'name': 'disc 2'" in canvas.event("region_picked")
    canvas.click(300, 500)
    assert canvas.count == DISC, "no region, no change"
    canvas.key("v")
    canvas.drag((100, 100), (180, 190))
    moved = canvas.event("region_moved")
    assert "'name': 'disc 1'" in moved and "'dx': 80" in moved and "'dy': 90" in moved and "'angle': 0" in moved
    for _ in range(3):
        canvas.key(".")
    canvas.event("region_moved", "'angle': 3")
    canvas.page.keyboard.down("Alt")
    canvas.to(180, 190)
    canvas.page.mouse.wheel(0, 100)
    canvas.page.keyboard.up("Alt")
    canvas.event("region_moved", "'angle': 5")
    canvas.key("Escape")
    canvas.event("region_moved", "'dx': 0")
    assert canvas.count == DISC, "moving a region leaves the mask alone"


def test_import_a_mask_picture(canvas: Any) -> None:
    mask = np.zeros((800, 1200), bool)
    mask[100:140, 300:350] = True
    canvas.page.locator("#mc .fsc-file").set_input_files(png(mask))
    canvas.wait("M.count() > 0")
    assert canvas.count == 2000 and canvas.js("M.at(300, 100)") == 1 and canvas.js("M.at(299, 100)") == 0
    canvas.page.locator("#mc .fsc-file").set_input_files(png(mask[:400]))
    canvas.page.wait_for_selector("#mc .fsc-note.fsc-bad:has-text('1200x400')")
    assert canvas.count == 2000
    assert canvas.server_area() == 2000


def test_values_from_python(canvas: Any) -> None:
    canvas.select(500, 300)
    canvas.page.locator("#push").click()
    canvas.wait("M.count() === 200")
    canvas.key("Escape")
    canvas.page.locator("#mc .fsc-stage").focus()
    canvas.key("Control+z")
    assert canvas.count == DISC, "a mask from Python is one step of undo"
    canvas.page.locator("#other").click()
    canvas.wait("M.ready && M.state.image_id === 'b'")
    assert canvas.count == 0 and canvas.state["undo"] == 0
    canvas.to(300, 300)
    canvas.key("r")
    canvas.drag((10, 10), (110, 60))
    b = canvas.count
    canvas.key("ArrowRight")
    canvas.wait("M.ready && M.state.image_id === 'a'")
    assert canvas.count == DISC, "the other photo's mask came back"
    canvas.key("ArrowRight")
    canvas.wait("M.ready && M.state.image_id === 'b'")
    assert canvas.count == b
    canvas.key("ArrowLeft")
    canvas.event("previous_photo")
    canvas.page.locator("#fixed").click()
    canvas.wait("M.state.readonly")
    canvas.drag((200, 200), (300, 300))
    canvas.key("Delete")
    assert canvas.count == b, "read-only"


def test_keys_work_on_the_canvas_and_not_while_typing(canvas: Any) -> None:
    canvas.select(500, 300)
    box = canvas.page.locator("#seen textarea, #seen input").first
    box.click()
    canvas.page.keyboard.type("bpe10?")
    assert box.input_value() == "bpe10?" and canvas.state["tool"] == "click"
    canvas.page.locator("#mc .fsc-stage").focus()
    canvas.key("b")
    assert canvas.state["tool"] == "brush"
    canvas.page.keyboard.down("h")
    assert canvas.page.locator("#mc .fsc-over").evaluate("e => getComputedStyle(e).visibility") == "hidden"
    canvas.page.keyboard.up("h")
    assert canvas.page.locator("#mc .fsc-over").evaluate("e => getComputedStyle(e).visibility") == "visible"
    canvas.key("?")
    assert canvas.page.locator("#mc .fsc-help").is_visible()
    canvas.key("Escape")
    assert not canvas.page.locator("#mc .fsc-help").is_visible() and canvas.count == DISC
    buttons = canvas.page.locator("#mc button")
    assert all(buttons.evaluate_all("all => all.map(b => b.getAttribute('aria-label') && b.title)"))
    assert buttons.count() == len((*TOOLS, *MODES, *EDITS, *CLICKS, *FLIPS, *VIEWS)) + 1


def test_the_screen_shows_the_mask_even_a_thin_one_zoomed_out(open_canvas: Any) -> None:
    canvas = open_canvas()
    canvas.key("r")
    canvas.key("n")
    canvas.page.set_viewport_size({"width": 420, "height": 700})
    canvas.wait("M.state.scale < 0.35")
    reds = """() => { const c = document.querySelector('#mc .fsc-over'), d = c.getContext('2d').getImageData(
        0, 0, c.width, c.height).data; let n = 0; for (let i = 3; i < d.length; i += 4) if (d[i]) n++; return n; }"""
    assert canvas.page.evaluate(reds) == 0
    runs = [400 * 1200 + 100, 1000, 399 * 1200 + 100]
    mask = np.repeat(np.arange(3) % 2, runs).reshape(800, 1200).astype(bool)
    canvas.page.locator("#mc .fsc-file").set_input_files(png(mask))
    canvas.wait("M.count() === 1000")
    canvas.page.wait_for_timeout(100)
    assert canvas.page.evaluate(reds) >= 1000 * canvas.state["scale"] - 2, "a line one pixel thin has vanished"


def test_two_fingers_zoom_and_pan(open_canvas: Any) -> None:
    canvas = open_canvas()
    fingers = """(steps) => {
      const stage = document.querySelector('#mc .fsc-stage'), box = stage.getBoundingClientRect();
      stage.setPointerCapture = () => {};
      for (const [type, pointerId, x, y] of steps) stage.dispatchEvent(new PointerEvent(type, {
        pointerId, pointerType: 'touch', button: 0, clientX: box.left + x, clientY: box.top + y, bubbles: true}));
    }"""
    canvas.key("b")
    before = canvas.state["scale"]
    canvas.page.evaluate(
        fingers,
        [
            ["pointerdown", 1, 300, 300],
            ["pointerdown", 2, 400, 300],
            ["pointermove", 2, 500, 300],
            ["pointerup", 1, 300, 300],
            ["pointerup", 2, 500, 300],
        ],
    )
    assert canvas.state["scale"] == pytest.approx(2 * before, rel=0.01)
    assert canvas.count == 0, "the first finger's dab is taken back"
    canvas.page.evaluate(fingers, [["pointerdown", 1, 300, 300], ["pointerup", 1, 300, 300]])
    assert canvas.count > 0, "one finger paints"
