"""One Gradio app and one browser for the canvas tests; a new context, which is a new user, for each test."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

APP = Path(__file__).with_name("canvas_app.py")
HOOK = "document.querySelector('#mc .fsc').__mask"
WIDTH, HEIGHT = 1200, 800


@pytest.fixture(scope="session")
def canvas_url() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, str(APP), str(port), "--size", f"{WIDTH}x{HEIGHT}"], env=env)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for_server(url, process)
        yield url
        assert process.poll() is None, "the app died during the tests"
    finally:
        process.terminate()
        process.wait(10)


def wait_for_server(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(480):
        assert process.poll() is None, "the app did not start"
        try:
            urllib.request.urlopen(url, timeout=5)
            return
        except OSError:
            time.sleep(0.25)
    raise AssertionError("the app did not answer")


class Canvas:
    """The canvas as a user has it: positions are in pixels of the photo."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def js(self, code: str) -> Any:
        return self.page.evaluate(code.replace("M.", HOOK + "."))

    def wait(self, code: str) -> None:
        self.page.wait_for_function(code.replace("M.", HOOK + "."), timeout=15_000)

    def ready(self) -> None:
        self.wait("document.querySelector('#mc .fsc')?.__mask && M.ready")

    def settle(self) -> None:
        self.wait("!M.busy")

    @property
    def count(self) -> int:
        return int(self.js("M.count()"))

    @property
    def state(self) -> dict[str, Any]:
        return dict(self.js("M.state"))

    def to(self, x: float, y: float, steps: int = 1) -> None:
        self.page.mouse.move(*self.js(f"M.screen({x}, {y})"), steps=steps)

    def click(self, x: float, y: float, button: str = "left") -> None:
        self.page.mouse.click(*self.js(f"M.screen({x}, {y})"), button=button)

    def select(self, x: float, y: float, button: str = "left") -> None:
        """A click of the select tool, answered."""
        self.click(x, y, button)
        self.settle()

    def drag(self, *points: tuple[float, float], button: str = "left", steps: int = 4) -> None:
        self.to(*points[0])
        self.page.mouse.down(button=button)
        for p in points[1:]:
            self.to(*p, steps=steps)
        self.page.mouse.up(button=button)

    def key(self, name: str) -> None:
        self.page.keyboard.press(name)

    def do(self, name: str) -> None:
        self.page.locator(f"#mc [data-do={name}], #mc [data-mode={name}], #mc .fsc-tools [data-tool={name}]").click()

    def server_area(self) -> int:
        """What Python has, asked the way Generate does."""
        box = self.page.locator("#seen textarea, #seen input").first
        box.fill("?")
        self.page.locator("#generate").click()
        self.page.wait_for_function("/^[0-9]+$/.test(document.querySelector('#seen textarea, #seen input').value)")
        return int(box.input_value())

    def event(self, *parts: str) -> str:
        """The last event that Python got, once it holds all of ``parts``."""
        field = "document.querySelector('#event textarea, #event input').value"
        self.page.wait_for_function(f"(parts) => parts.every((p) => {field}.includes(p))", arg=list(parts))
        return str(self.page.evaluate(field))


def watched_page(context: Any, url: str, errors: list[str]) -> Canvas:
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda e: errors.append(f"pageerror: {e}"))
    page.on("console", lambda m: errors.append(f"console: {m.text}") if m.type == "error" else None)
    page.on("response", lambda r: errors.append(f"{r.status} {r.url}") if r.status >= 400 else None)
    page.goto(url)
    canvas = Canvas(page)
    canvas.ready()
    return canvas


VIEWPORT = {"width": 1280, "height": 1100}


@pytest.fixture
def open_canvas(browser: Any, canvas_url: str) -> Iterator[Callable[..., Canvas]]:
    """open_canvas(query="", **context options): a new user's page; any error in it fails the test."""
    contexts: list[Any] = []
    errors: list[str] = []

    def open_page(query: str = "", **options: Any) -> Canvas:
        contexts.append(browser.new_context(**{"viewport": VIEWPORT, **options}))
        return watched_page(contexts[-1], canvas_url + "/" + query, errors)

    yield open_page
    for context in contexts:
        context.close()
    assert not errors, errors


@pytest.fixture(scope="session")
def shared(browser: Any, canvas_url: str) -> Iterator[tuple[Canvas, list[str]]]:
    errors: list[str] = []
    context = browser.new_context(viewport=VIEWPORT)
    yield watched_page(context, canvas_url, errors), errors
    context.close()


@pytest.fixture
def canvas(shared: tuple[Canvas, list[str]]) -> Iterator[Canvas]:
    """The one page that most tests share, with a new session and nothing drawn."""
    canvas, errors = shared
    errors.clear()
    before = canvas.state["sid"]
    canvas.page.locator("#fresh").click()
    canvas.wait(f"M.ready && M.state.sid !== {before!r} && !M.busy")
    canvas.do("click")
    canvas.do("add")
    canvas.page.evaluate("""() => { for (const t of document.querySelectorAll('#event textarea, #seen textarea')) {
        t.value = ''; t.dispatchEvent(new Event('input')); } }""")
    yield canvas
    assert not errors, errors
