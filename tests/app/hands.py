"""A person's hands on the canvas: points are image pixels, presses are real mouse and keyboard events."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from tests.app.conftest import open_tab

Point = tuple[float, float]

RETYPED = 4
DRAWN_MS = 120
"""A field that has just been shown is drawn a second time within this while."""


class Hands:
    """``use`` is "studio" or "regions", as in the canvas' element id."""

    def __init__(self, page: Page, use: str) -> None:
        self.page, self.use = page, use
        self.root = page.locator(f"#fs-{use}-canvas .fsc")

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in which ``M`` is the canvas' hook."""
        return self.root.evaluate(f"(root) => {{ const M = root.__mask; return {expression}; }}")

    def until(self, expression: str) -> None:
        """Wait until the expression is true."""
        self.page.wait_for_function(
            f"""() => {{ const root = document.querySelector("#fs-{self.use}-canvas .fsc"), M = root && root.__mask;
            return M && root.offsetParent && ({expression}); }}"""
        )

    def open(self, regions: int | None = None) -> Hands:
        """Show the tab and wait for the photo, and for that many regions on it."""
        open_tab(self.page, self.use.capitalize())
        self.ready(regions)
        return self

    def ready(self, regions: int | None = None) -> None:
        """Wait for the photo, and for that many regions on it."""
        self.until("M.ready" + ("" if regions is None else f" && M.state.regions.length === {regions}"))

    def click(self, x: float, y: float, **more: Any) -> None:
        """Press on an image point."""
        self.page.mouse.click(*self.ask(f"M.screen({x}, {y})"), **more)

    def select(self, x: float, y: float) -> int:
        """Click a part; the area of the selection once it is saved."""
        before = self.ask("M.count()")
        self.click(x, y)
        self.until(f"!M.busy && M.count() !== {before}")
        return int(self.ask("M.count()"))

    def drag(self, start: Point, end: Point, steps: int = 6) -> None:
        """Press at one image point, move, release at the other."""
        self.page.mouse.move(*self.ask(f"M.screen({start[0]}, {start[1]})"))
        self.page.mouse.down()
        self.page.mouse.move(*self.ask(f"M.screen({end[0]}, {end[1]})"), steps=steps)
        self.page.mouse.up()

    def box(self, start: Point, end: Point) -> int:
        """Draw a box with its tool; the mask's area once it is saved."""
        self.page.keyboard.press("r")
        self.drag(start, end)
        self.until("!M.busy")
        return self.area

    @property
    def area(self) -> int:
        """Pixels in the mask, as the person sees it."""
        return int(self.ask("M.count()"))

    @property
    def photo(self) -> str:
        """The id of the photo on the canvas."""
        return str(self.ask("M.state.image_id"))


def choose_engine(page: Page, title: str) -> None:
    """Press an engine's button and wait until its description is there."""
    page.locator("#fs-engine label", has_text=title).click()
    expect(page.locator("#fs-engine label.selected")).to_contain_text(title)


def previews(page: Page, count: int) -> None:
    """Wait for that many previews in the film."""
    expect(page.locator("#fs-strip [data-id]")).to_have_count(count)


def set_value(page: Page, box: str, value: object) -> None:
    """Type into the field of a component and leave it; again where the app was still drawing it, and drew it anew."""
    field = page.locator(f"{box} :is(input, textarea)").first
    for _ in range(RETYPED):
        field.fill(str(value))
        field.press("Tab")
        page.wait_for_timeout(DRAWN_MS)
        if field.input_value() == str(value):
            return
    expect(field).to_have_value(str(value))
