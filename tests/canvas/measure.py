"""Milliseconds from a click to the frame that shows its mask, and frames a second while brushing.

    python tests/canvas/measure.py [--size 4096x3072] [--clicks 40]

One JSON object on the last line; the segmenter is the fake of canvas_app.py (some milliseconds).
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

HOOK = "document.querySelector('#mc .fsc').__mask"
STROKE = """async (seconds) => {
  const stage = document.querySelector('#mc .fsc-stage'), box = stage.getBoundingClientRect();
  const send = (type, x, y) => stage.dispatchEvent(new PointerEvent(type, {
    pointerId: 1, button: 0, buttons: 1, clientX: x, clientY: y, bubbles: true, pointerType: 'mouse'}));
  stage.setPointerCapture = () => {};
  const times = [], start = performance.now(), mid = [box.left + box.width / 2, box.top + box.height / 2];
  send('pointerdown', ...mid);
  for (let last = start; last - start < 1000 * seconds;) {
    const a = (last - start) / 180, r = box.height * 0.35;
    send('pointermove', mid[0] + r * Math.cos(a), mid[1] + r * Math.sin(a));
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
  }
  send('pointerup', ...mid);
  return times;
}"""


def quantile(values: list[float], q: float) -> float:
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def wait_ready(page: Page) -> None:
    page.wait_for_function("document.querySelector('#mc .fsc')?.__mask?.ready", timeout=60_000)


def clicks(page: Page, width: int, height: int, count: int) -> list[dict[str, float]]:
    pitch = min(width, height) / 4
    for n in range(count):
        if n % 8 == 0:
            page.keyboard.press("Enter")
            page.keyboard.press("Delete")
            page.wait_for_function(f"!{HOOK}.busy && {HOOK}.count() === 0")
        i, j = n % 5, (n // 5) % 4
        page.mouse.click(*page.evaluate(f"{HOOK}.screen({(i + 0.5) * pitch}, {(j + 0.5) * pitch})"))
        page.wait_for_function(f"{HOOK}.state.timings.length === {n + 1} && !{HOOK}.busy")
    timings: list[dict[str, float]] = page.evaluate(f"{HOOK}.state.timings")
    return timings


def measure(url: str, width: int, height: int, count: int) -> dict[str, Any]:
    with sync_playwright() as pw:
        args = ["--no-sandbox", "--disable-gpu"]
        browser = pw.chromium.launch(executable_path=shutil.which("chromium"), args=args, headless=True)
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.goto(url)
        wait_ready(page)
        timings = clicks(page, width, height, count)
        page.keyboard.press("b")
        frames = page.evaluate(STROKE, 3)
        undo = page.evaluate(f"{HOOK}.state.undoBytes")
        browser.close()
    total = [t["total"] for t in timings]
    return {
        "size": f"{width}x{height}",
        "clicks": len(total),
        "canvas_p50_ms": round(quantile(total, 0.5), 1),
        "canvas_p95_ms": round(quantile(total, 0.95), 1),
        "paint_p95_ms": round(quantile([t["paint"] for t in timings], 0.95), 1),
        "brush_fps_median": round(1000 / quantile(frames, 0.5), 1),
        "brush_fps_p5": round(1000 / quantile(frames, 0.95), 1),
        "undo_bytes": undo,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="4096x3072")
    parser.add_argument("--clicks", type=int, default=40)
    args = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = Path(__file__).with_name("canvas_app.py")
    process = subprocess.Popen([sys.executable, str(app), str(port), "--size", args.size])
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=2)
                break
            except OSError:
                time.sleep(0.25)
        width, height = map(int, args.size.split("x"))
        print(json.dumps(measure(f"http://127.0.0.1:{port}", width, height, args.clicks)))
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    main()
