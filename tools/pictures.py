"""Take the pictures of the docs: the app on the demo product, driven in a real browser.

    python -m tools.pictures

Needs Chromium and `pip install playwright`. Each screen goes to docs/pictures three times: as NAME.jpg (1440 wide,
light), NAME-dark.jpg and NAME-1024.jpg.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, sync_playwright

HOUSE = Path(__file__).resolve().parents[1]
TARGET = HOUSE / "docs" / "pictures"
PORT = 7877
WIDE: ViewportSize = {"width": 1440, "height": 900}
SMALL: ViewportSize = {"width": 1024, "height": 768}
URL = f"http://127.0.0.1:{PORT}/"
CHROMIUM = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
CANVAS = "[...document.querySelectorAll('.fsc')].find(e => e.offsetParent)?.__mask"

PICTURES_ARE_THERE_JS = """() => [...document.images].every((image) => {
  const { top, bottom, width } = image.getBoundingClientRect();
  const seen = width > 0 && bottom > 0 && top < innerHeight;
  return !seen || !image.currentSrc || (image.complete && image.naturalWidth > 0);
})"""
"""Thumbnails come one by one; a busy machine takes longer than any fixed wait."""

PLAIN_PATHS_JS = """() => {
  const plain = (text) => window.shownPaths.reduce((said, [path, short]) => said.replaceAll(path, short), text);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const said = plain(texts.currentNode.data);
    if (said !== texts.currentNode.data) texts.currentNode.data = said;
  }
  for (const field of document.querySelectorAll("input, textarea")) {
    const said = plain(field.value);
    if (said !== field.value) field.value = said;
  }
}"""
"""The pictures show no folder of the machine that they were taken on; ``shownPaths`` says what stands for each."""


def main() -> None:
    """Make a project from the demo, fill it from the command line, and walk through the tabs."""
    home = Path(tempfile.mkdtemp(prefix="flawsmith-pictures-"))
    environment = {**os.environ, "FLAWSMITH_VENV": "none", "FLAWSMITH_STATE": str(home / "state"),
                   "FLAWSMITH_MODELS": "~/.local/share/flawsmith/models"}  # fmt: skip
    project = home / "fastener_tray"
    for command in (
        ["demo", str(project)],
        [
            "generate",
            str(project),
            "--engine",
            "layout",
            "--label",
            "missing",
            "--count",
            "12",
            "--param",
            "op=remove",
        ],
        ["generate", str(project), "--engine", "perlin", "--label", "stain", "--count", "12", "--seed", "3"],
        ["generate", str(project), "--engine", "cut_paste", "--label", "scratch", "--count", "12", "--seed", "5"],
        ["review", str(project), "--auto"],
        ["learn", str(project), "--engine", "anomaly_diffusion", "--label", "crack", "--steps", "120"],
        ["generate", str(project), "--engine", "poisson", "--label", "dent", "--count", "24", "--seed", "8"],
    ):
        subprocess.run([sys.executable, "launch.py", *command], cwd=HOUSE, env=environment, check=True)
    serve = [sys.executable, "launch.py", "ui", str(project), "--port", str(PORT), "--no-browser"]
    server = subprocess.Popen(serve, cwd=HOUSE, env=environment)
    try:
        wait_for_server()
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=[*CHROMIUM], headless=True)
            page = browser.new_page(viewport=WIDE)
            page.add_init_script("localStorage.setItem('flawsmith-tour', 'seen')")
            shown = [[str(home), "~/projects"], [str(HOUSE), "~/flawsmith"], [str(Path.home()), "~"]]
            page.add_init_script(f"window.shownPaths = {json.dumps(shown)}")
            walk(page)
            browser.close()
    finally:
        server.terminate()
        server.wait(10)
        shutil.rmtree(home, ignore_errors=True)


def walk(page: Page) -> None:
    """Every tab once."""
    page.goto(URL)
    page.wait_for_selector("body.fs-ready")
    take(page, "Product", "product")
    open_tab(page, "Regions")
    page.wait_for_function(f"{CANVAS}?.ready && {CANVAS}.state.regions.length > 0")
    click(page, 720, 310)
    shot(page, "regions")
    open_tab(page, "Concepts")
    page.wait_for_selector("#fs-cx-learned article")
    shot(page, "concepts")
    studio(page)
    components(page)
    open_tab(page, "Review")
    page.wait_for_timeout(2500)
    page.get_by_text("Looking for the good part").wait_for(state="hidden", timeout=60_000)
    shot(page, "review")
    open_tab(page, "Export")
    shot(page, "export")
    evaluation(page)
    take(page, "Models", "models")


def evaluation(page: Page) -> None:
    """What was kept, measured beside the demo's real anomalies."""
    open_tab(page, "Evaluate")
    page.locator("#fs-ev-go:enabled").click()
    page.wait_for_selector("#fs-ev-result .ev-tiles", timeout=600_000)
    shot(page, "evaluate")


def studio(page: Page) -> None:
    """A mask by rule, four variants, the slider half way."""
    open_tab(page, "Studio")
    page.wait_for_function(f"{CANVAS}?.ready")
    page.locator("#fs-engine label", has_text="Perlin").click()
    page.locator("#fs-label input").fill("crack")
    page.locator("#fs-label input").press("Enter")
    page.locator("#fs-place").click()
    page.wait_for_function(f"{CANVAS}.count() > 0")
    page.locator("#fs-generate").click()
    page.wait_for_function("document.querySelectorAll('#fs-strip [data-id]').length >= 4", timeout=60_000)
    shot(page, "studio")


def components(page: Page) -> None:
    """A washer struck out by hand, with what each component did."""
    open_tab(page, "Studio")
    page.wait_for_function(f"{CANVAS}?.ready")
    page.locator("#fs-engine label", has_text="Component edit").click()
    title = page.locator("[data-title]")
    title.fill("a fastener tray")
    title.press("Enter")
    page.wait_for_timeout(1500)
    page.locator("[data-chip=washer] [data-press=fewer]").click()
    page.locator("[data-chip=washer][data-state=changed]").wait_for()
    page.locator("[data-preview]").click()
    page.locator(".fs-near").wait_for(timeout=180_000)
    shot(page, "comgen")


def click(page: Page, x: float, y: float) -> None:
    """Click an image point and wait for the mask."""
    page.mouse.click(*page.evaluate(f"{CANVAS}.screen({x}, {y})"))
    page.wait_for_function(f"!{CANVAS}.busy && {CANVAS}.count() > 0")


def take(page: Page, tab: str, name: str) -> None:
    """Open a tab and take its picture."""
    open_tab(page, tab)
    shot(page, name)


def open_tab(page: Page, tab: str) -> None:
    """Choose a tab by its title."""
    page.get_by_role("tab", name=tab, exact=True).click()


def shot(page: Page, name: str) -> None:
    """The page once it has come to rest: light, dark, and in a small window."""
    page.wait_for_timeout(2500)
    page.wait_for_function(PICTURES_ARE_THERE_JS, timeout=60_000)
    picture(page, f"{name}.jpg", 82)
    page.evaluate("flawsmithDark()")
    page.wait_for_timeout(600)
    picture(page, f"{name}-dark.jpg", 78)
    page.evaluate("flawsmithDark()")
    page.set_viewport_size(SMALL)
    page.wait_for_timeout(1200)
    picture(page, f"{name}-1024.jpg", 78)
    page.set_viewport_size(WIDE)
    page.wait_for_timeout(600)


def picture(page: Page, file: str, quality: int) -> None:
    """The window as it is, without the machine's own folders."""
    page.evaluate(PLAIN_PATHS_JS)
    page.screenshot(path=TARGET / file, type="jpeg", quality=quality)


def wait_for_server() -> None:
    """Until the page answers, at most a minute."""
    for _ in range(120):
        try:
            urllib.request.urlopen(URL, timeout=2).close()
            return
        except OSError:
            time.sleep(0.5)
    raise SystemExit("the app did not start")


if __name__ == "__main__":
    main()
