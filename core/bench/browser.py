"""Click → painted mask, measured inside a real page with the canvas' own clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import Error, Page, TimeoutError, sync_playwright

FIND = "[...document.querySelectorAll('.fsc')].find(e => e.offsetParent)?.__mask"
READY = f"{FIND}?.ready"


def click_to_paint(url: str, chromium: str, arguments: list[str], clicks: int) -> list[float]:
    """Milliseconds from the mouse button to the frame that shows the mask, for each of ``clicks`` clicks."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=arguments, headless=True)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(url)
        page.wait_for_selector("body.fs-ready")
        page.get_by_role("tab", name="Studio").click()
        # What is measured is the canvas: a tab that the arriving page put back is pressed again.
        for patience_ms in (10_000, 20_000, 60_000):
            try:
                page.wait_for_function(READY, timeout=patience_ms)
                break
            except TimeoutError:
                page.get_by_role("tab", name="Studio").click()
        for i in range(clicks + 2):
            x, y = 400 + (i * 977) % 3300, 350 + (i * 613) % 2400
            page.mouse.click(*page.evaluate(f"{FIND}.screen({x}, {y})"))
            page.wait_for_function(f"{FIND}.state.timings.length > {i} && !{FIND}.busy", timeout=60_000)
            page.keyboard.press("Escape")
        spent = [float(t["total"]) for t in page.evaluate(f"{FIND}.state.timings")]
        browser.close()
    return spent[2:]


def walk_tabs(
    url: str, chromium: str, arguments: list[str], until: float, painted: Callable[[float], None]
) -> list[str]:
    """Walk through the tabs and click on the canvas until then (monotonic seconds); the errors that the page met.

    ``painted`` is told the seconds from each click to the frame that shows its mask.
    """
    problems: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=arguments, headless=True)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
        page.on("console", lambda said: problems.append(f"console: {said.text}") if said.type == "error" else None)
        page.on("response", lambda r: problems.append(f"HTTP {r.status}: {r.url}") if r.status >= 400 else None)
        page.goto(url)
        page.wait_for_selector("body.fs-ready", timeout=120_000)
        while time.monotonic() < until:
            try:
                _one_round(page, painted)
            except Error as error:
                problems.append(str(error).splitlines()[0])
        browser.close()
    return problems


def _one_round(page: Page, painted: Callable[[float], None]) -> None:
    """Each tab once, and three clicks on the photo in Regions."""
    for name in ("Product", "Concepts", "Studio", "Review", "Export", "Evaluate", "Models", "Regions"):
        page.get_by_role("tab", name=name, exact=True).click()
        page.wait_for_timeout(1500)
    page.wait_for_function(READY, timeout=60_000)
    for x, y in ((160, 120), (420, 130), (330, 330)):
        before = page.evaluate(f"{FIND}.state.timings.length")
        page.mouse.click(*page.evaluate(f"{FIND}.screen({x}, {y})"))
        page.wait_for_function(f"{FIND}.state.timings.length > {before} && !{FIND}.busy", timeout=60_000)
        painted(float(page.evaluate(f"{FIND}.state.timings.at(-1).total")) / 1000)
        page.keyboard.press("Escape")
        page.wait_for_timeout(1000)
