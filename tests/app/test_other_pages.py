"""Pages of other origins in the same browser: they can neither read the app nor change anything in it."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tests.app.conftest import Server, open_tab, running
from tests.conftest import CHROMIUM_FLAGS

pytestmark = [pytest.mark.browser, pytest.mark.thorough]

ATTACK = """async (url) => {
  const body = JSON.stringify({ session_hash: "x", component_id: 1, fn_name: "judge", data: { sid: "x", ids: [] } });
  const tries = [
    ["gradio_api/component_server", { method: "POST", body, headers: { "content-type": "text/plain" } }],
    ["gradio_api/component_server", { method: "POST", body, mode: "no-cors" }],
    ["gradio_api/queue/join", { method: "POST", body, headers: { "content-type": "application/json" } }],
    ["config", {}],
    ["logout", { mode: "no-cors" }],
  ];
  const read = [];
  for (const [path, options] of tries) {
    await fetch(url + path, options).then(async (a) => read.push([a.type, a.status, await a.text()]), () => 0);
  }
  return read.filter(([type, status, text]) => type !== "opaque" && status < 400).length;
}"""


@pytest.fixture
def foreign_page(tmp_path: Path) -> Iterator[str]:
    """A page on another port of this machine, which a browser takes for the same site but another origin."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<title>foreign</title>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}/"
        site.shutdown()


@pytest.fixture
def log(tmp_path: Path, new_project: Callable[..., Path]) -> Iterator[tuple[Server, Callable[[], str]]]:
    """A server of its own, and what it has logged."""
    with running(tmp_path, new_project("plates")) as server:
        port = urlsplit(server.url).port
        yield server, lambda: (tmp_path / f"server-{port}.log").read_text()


def refusals(text: str) -> list[str]:
    return [line for line in text.splitlines() if "refused" in line]


def test_pages_of_other_origins_are_turned_away(
    browser: Browser, foreign_page: str, log: tuple[Server, Callable[[], str]]
) -> None:
    server, told = log
    with browser.new_context() as window:
        page = window.new_page()
        page.goto(foreign_page)
        for url in (server.url, server.url.replace("127.0.0.1", "localhost")):
            assert page.evaluate(ATTACK, url) == 0
    lines = refusals(told())
    # Ten tries; the browser itself asks for leave before those with another content type, and is refused then.
    assert len(lines) == 10
    assert all("another page may not ask this" in line for line in lines)


def test_a_name_that_is_made_to_lead_here_is_turned_away(
    browser: Browser, log: tuple[Server, Callable[[], str]]
) -> None:
    server, told = log
    flags = [*CHROMIUM_FLAGS, "--host-resolver-rules=MAP evil.example 127.0.0.1"]
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    rebound = browser.browser_type.launch(executable_path=path, args=flags, headless=True)
    try:
        page = rebound.new_page()
        answer = page.goto(server.url.replace("127.0.0.1", "evil.example"))
        assert answer is not None and answer.status == 403
        assert "this server is not called 'evil.example" in page.content()
        own = rebound.new_page().goto(server.url)
        assert own is not None and own.status == 200
    finally:
        rebound.close()
    assert all("evil.example" in line for line in refusals(told()))


def test_the_app_works_under_its_own_policy(log: tuple[Server, Callable[[], str]], browser: Browser) -> None:
    server, told = log
    said: list[str] = []
    with browser.new_context() as window:
        page: Page = window.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(server.url)
        for tab in ("Regions", "Concepts", "Studio", "Review", "Export", "Evaluate", "Models"):
            open_tab(page, tab)
    assert not [line for line in said if "Content Security Policy" in line or "Refused to" in line]
    assert refusals(told()) == []
