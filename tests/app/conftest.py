"""A server of our own on a project of drawn photos, and a browser that fails on every error it sees."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core.api import GenerationBatch, Workbench

ROOT = Path(__file__).resolve().parents[2]
DESK = {"width": 1440, "height": 900}
PATIENCE_MS = 90_000
"""Only failures wait this long; a busy machine needs it."""
BROWSER_LIMIT_S = 600
TOUR_SEEN = "localStorage.setItem('flawsmith-tour', 'seen');"
"""The tour is offered to newcomers; these tests know the way."""

expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser test gets a second try: on a machine where everything else runs too, a press can come too early.

    The first failure is still told, as a rerun ("R") with its reason under ``-rR``. Every wait is on a condition, so a
    long limit costs nothing where all is well, and beside six busy processes a flow of a minute takes four.
    """
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))
            item.add_marker(pytest.mark.timeout(BROWSER_LIMIT_S))


@dataclass(frozen=True)
class Server:
    """A running app: where it answers, the project it was started on, and its folders."""

    url: str
    project: Path
    home: Path


@pytest.fixture(scope="session")
def template_project(tmp_path_factory: pytest.TempPathFactory, photo_folder: Path) -> Path:
    """A project of six drawn photos; copy it, do not change it."""
    path = tmp_path_factory.mktemp("template") / "plates"
    with Workbench.create(path, "plates") as bench:
        bench.photos.import_images(photo_folder)
    return path


@pytest.fixture
def new_project(tmp_path: Path, template_project: Path) -> Callable[..., Path]:
    """``new_project(name, samples=0)`` copies the drawn photos into a project of its own for one test."""

    def make(name: str = "plates", samples: int = 0) -> Path:
        path = tmp_path / name
        shutil.copytree(template_project, path)
        with Workbench.open(path) as bench:
            bench.project.set_setting("name", name)
            if samples:
                scratches = GenerationBatch(
                    engine="cut_paste", label="scratch", count=-(-samples // 2), seed=1, workers=1
                )
                bench.studio.generate(scratches)
            if samples > 1:
                bench.studio.generate(
                    GenerationBatch(engine="perlin", label="stain", count=samples // 2, seed=2, workers=1)
                )
        return path

    return make


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, template_project: Path) -> Iterator[Server]:
    """The app as a person starts it who last had a copy of the drawn photos open."""
    home = tmp_path_factory.mktemp("server")
    project = home / "projects" / "plates"
    shutil.copytree(template_project, project)
    with running(home, None) as started:
        yield dataclasses.replace(started, project=project)
        assert not refusals(home), "the app turned away what its own pages asked"


def refusals(home: Path) -> list[str]:
    """What the servers with this home logged when they turned a request away."""
    return [line for log in home.glob("server-*.log") for line in log.read_text().splitlines() if "refused '" in line]


class running:  # noqa: N801  used as a context manager
    """The app in a process of its own: ``with running(home, project, "--auth", file) as server``."""

    def __init__(self, home: Path, project: Path | None, *more: str) -> None:
        self.home, self.project, self.more = home, project, more

    def __enter__(self) -> Server:
        port = free_port()
        folders = {f"FLAWSMITH_{n.upper()}": str(self.home / n) for n in ("state", "projects", "models")}
        alone = {"FLAWSMITH_VENV": "none", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TMPDIR": str(self.home)}
        given = [str(self.project)] if self.project else []
        command = [sys.executable, "launch.py", "ui", *given, "--port", str(port), "--no-browser", "--no-demo"]
        command += self.more
        self.log = (self.home / f"server-{port}.log").open("w+")
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | folders | alone, stdout=self.log, stderr=subprocess.STDOUT
        )
        url = f"http://127.0.0.1:{port}/"
        until = time.monotonic() + 90
        while not _answers(url):
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"the app does not start:\n{Path(self.log.name).read_text()[-3000:]}")
            time.sleep(0.1)
        return Server(url, self.project or self.home, self.home)

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


@pytest.fixture(scope="session")
def window(browser: Browser) -> Iterator[BrowserContext]:
    """One browser window for all tests: its pages share what was loaded, but each is a session of its own."""
    context = browser.new_context(viewport=DESK)
    context.add_init_script(TOUR_SEEN)
    yield context
    context.close()


@pytest.fixture
def new_page(browser: Browser, server: Server, window: BrowserContext) -> Iterator[Callable[..., Page]]:
    """``new_page(project=None, **context)`` opens the app on a project; errors of the page fail the test.

    A new page shows the project that was open last, so that one is made the last: typing its folder into the Product
    tab would load the page twice. With options for the context (``viewport``, ``color_scheme`` ...) it is a browser
    of its own. Projects that the test makes in the app are removed after it, so that a second try finds none of the
    first.
    """
    projects = server.home / "projects"
    before = set(projects.iterdir())
    pages: list[Page] = []
    problems: list[str] = []

    def open_page(project: Path | None = None, url: str = server.url, **options: object) -> Page:
        own = browser.new_context(**({"viewport": DESK} | options)) if options else None  # type: ignore[arg-type]
        if own is not None:
            own.add_init_script(TOUR_SEEN)
        page = (own or window).new_page()
        page.set_default_timeout(PATIENCE_MS)
        pages.append(page)
        watch(page, problems)
        path = project or server.project
        last_open(server.home, path)
        page.goto(url)
        arrived(page)
        expect(page.locator("#fs-project b")).to_have_text(path.name)
        return page

    yield open_page
    for page in pages:
        page.evaluate("localStorage.clear()")
        page.close() if page.context is window else page.context.close()
    for made in set(projects.iterdir()) - before:
        shutil.rmtree(made)
    assert not problems, "\n".join(problems)


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """The app on the server's own project."""
    return new_page()


def watch(page: Page, problems: list[str]) -> None:
    """Note every error that the page meets, but for requests that its own reload cuts off."""

    def note(problem: str) -> None:
        if not getattr(page, "reloading", False):
            problems.append(problem)

    page.on("pageerror", lambda e: note(f"page error: {e}"))
    page.on("console", lambda m: note(f"console: {m.text}") if m.type == "error" else None)
    page.on("response", lambda r: note(f"HTTP {r.status}: {r.url}") if r.status >= 400 else None)


def reload(page: Page) -> None:
    """Reload in the middle of whatever the page is doing."""
    page.reloading = True  # type: ignore[attr-defined]
    page.reload()
    page.reloading = False  # type: ignore[attr-defined]
    arrived(page)


def arrived(page: Page) -> None:
    """Wait until the page is built and knows its session."""
    expect(page.locator("#fs-project")).not_to_be_empty()
    expect(page.locator("#fs-project .prose")).to_be_visible()


def last_open(home: Path, project: Path) -> None:
    """Have the app with this home show the project on the next new page."""
    state = home / "state"
    state.mkdir(exist_ok=True)
    (state / "recent.json").write_text(json.dumps([str(project.resolve())]))


def open_tab(page: Page, name: str) -> None:
    """Show a tab."""
    tab = page.get_by_role("tab", name=name, exact=True)
    tab.click()
    expect(tab).to_have_attribute("aria-selected", "true")


def open_project(page: Page, path: Path) -> None:
    """Open a project by its folder, as a person types it."""
    open_tab(page, "Product")
    box = page.locator("#fs-open input")
    box.fill(str(path))
    box.press("Enter")
    expect(page.locator("#fs-project b")).to_have_text(path.name)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def discs_project(new_project: Callable[..., Path], disc_masks: dict[str, np.ndarray]) -> Path:
    """A project whose first photo has its two discs named alike: "disc" and "disc_2"."""
    path = new_project("studio")
    with Workbench.open(path) as bench:
        first = bench.photos.page()[0].id
        bench.regions.save(first, "disc", disc_masks["left disc"])
        bench.regions.save(first, "disc_2", disc_masks["right disc"])
    return path
