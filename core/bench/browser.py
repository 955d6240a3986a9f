"""Click → painted mask, measured inside a real page with the canvas' own clock."""

from __future__ import annotations

from playwright.sync_api import TimeoutError, sync_playwright

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
