"""Several people at work for a while: errors, how long a click takes, and whether the server grows.

Most pages are raw clients that send what a browser sends, with a pause between; some are real browsers where there is
one. What the server takes is noted all the while; ``growth`` compares the second fifth of the time with the last.
"""

from __future__ import annotations

import importlib.util
import shutil
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.api import GenerationBatch, Workbench
from core.bench.app import CHROMIUM
from core.bench.drawn_scenes import scene
from core.bench.hostile.page_client import Answer, PageClient
from core.bench.served_app import ServedApp, ServerUse
from core.bench.stats import p95
from core.errors import FlawsmithError

PAUSE_S = (0.5, 2.5)
"""A person waits so long between two presses."""
NOTED_EVERY_S = 5.0
SIZE = (480, 640)
"""Rows and columns of the photos."""


@dataclass
class SoakTally:
    """What the pages saw; all of them write here."""

    actions: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, name: str, answer: Answer) -> Answer:
        """Count an answer."""
        with self.lock:
            self.actions[name] += 1
            self.seconds.setdefault(name, []).append(answer.seconds)
            if answer.error:
                self.errors.append(f"{name}: {answer.error[:200]}")
        return answer


@dataclass
class WorkingPage:
    """A page that does what a person does, again and again, each in some order that ``seed`` draws."""

    page: PageClient
    tally: SoakTally
    seed: int
    upload: bytes

    def work(self, until: float) -> None:
        """Work until then (monotonic seconds)."""
        rng = np.random.default_rng(self.seed)
        often: dict[Callable[[np.random.Generator], None], float] = {
            self.click: 36, self.judge: 24, self.draw: 10, self.turn: 8, self.tabs: 8, self.generate: 1,
            self.reload: 1, self.bring: 1,
        }  # fmt: skip
        ways, shares = list(often), np.array(list(often.values()))
        self._guarded("load", self.page.load)
        while time.monotonic() < until:
            way = ways[int(rng.choice(len(ways), p=shares / shares.sum()))]
            self._guarded(way.__name__, partial(way, rng))
            time.sleep(float(rng.uniform(*PAUSE_S)))

    def click(self, rng: np.random.Generator) -> None:
        """A click on the photo in Regions."""
        canvas, shown = self._canvas("regions")
        point = {"x": float(rng.uniform(0, SIZE[1])), "y": float(rng.uniform(0, SIZE[0])), "label": 1}
        self.tally.note(
            "click", self.page.ask(canvas, "segment", {**shown, "points": [point], "box": None, "rle": None})
        )

    def draw(self, rng: np.random.Generator) -> None:
        """A mask on the photo in Studio."""
        canvas, shown = self._canvas("studio")
        before, inside = int(rng.integers(1, 9000)), int(rng.integers(1, 2000))
        runs = [before, inside, SIZE[0] * SIZE[1] - before - inside]
        self.tally.note("draw", self.page.ask(canvas, "put_mask", {**shown, "size": [SIZE[1], SIZE[0]], "rle": runs}))

    def judge(self, rng: np.random.Generator) -> None:
        """A look at Review, a thumbnail, a verdict, and one in four taken back."""
        board = self.page.answering("judge")
        rows = self.tally.note("look", self.page.ask(board, "look", {})).data.get("rows") or []
        if rows:
            row = rows[int(rng.integers(len(rows)))]
            self.page.fetch(row["thumb"])
            verdict = ("kept", "rejected")[int(rng.integers(2))]
            self.tally.note("judge", self.page.ask(board, "judge", {"ids": [row["id"]], "verdict": verdict}))
        if not rows or rng.random() < 0.25:
            self.tally.note("undo", self.page.ask(board, "undo", {}))

    def turn(self, rng: np.random.Generator) -> None:
        """The next photo."""
        self._press("turn", ("fs-regions-forth", "fs-studio-forth")[int(rng.integers(2))])

    def tabs(self, rng: np.random.Generator) -> None:
        """All tabs, one after the other."""
        for number, row in self.page.components.items():
            if row["type"] == "tabitem":
                self._send(f"tab {row['props']['id']}", number, "select")

    def generate(self, rng: np.random.Generator) -> None:
        """A mask, and samples of it on the photo in Studio, as its form stands."""
        self.draw(rng)
        self._press("generate", "fs-generate")

    def reload(self, rng: np.random.Generator) -> None:
        """Load the page anew, as the same browser."""
        self.tally.note("load", self.page.load())

    def bring(self, rng: np.random.Generator) -> None:
        """Give a photo to the import, look at what it found, and cancel."""
        given = self.page.upload("given.png", self.upload)
        event = self.page.event(self.page.component(elem_id="fs-take"), "click")
        self.tally.note("take", self.page.send(event, [self.page.ticket, [given], None, None]))
        self._press("cancel", "fs-imp-cancel")

    def _canvas(self, tab: str) -> tuple[int, dict[str, Any]]:
        canvas = self.page.component(elem_id=f"fs-{tab}-canvas")
        select = self._send(f"tab {tab}", self.page.tab(tab), "select")
        shown: Any = next(v for v in select.data if isinstance(v, dict) and "image_id" in v)
        return canvas, {"v": 1, "image_id": shown["image_id"], "seq": time.time_ns() // 1_000_000}

    def _press(self, name: str, button: str) -> Answer:
        return self._send(name, self.page.component(elem_id=button), "click")

    def _send(self, name: str, component: int, happens: str) -> Answer:
        event = self.page.event(component, happens)
        return self.tally.note(name, self.page.send(event, self.page.values_of(event)))

    def _guarded(self, name: str, work: Callable[[], object]) -> None:
        try:
            work()
        except (FlawsmithError, LookupError, StopIteration, ValueError) as error:
            with self.tally.lock:
                self.tally.errors.append(f"{name}: {type(error).__name__} {str(error)[:200]}")


def soak(minutes: float, place: Path, sessions: int = 8, browsers: int = 1, seed: int = 0) -> dict[str, Any]:
    """``sessions`` pages work for so long, ``browsers`` of them in Chromium where it is; ``_told`` has the answer."""
    project, upload = _project(place / "soaked")
    tally, chromium = SoakTally(), _chromium()
    real = min(browsers, sessions) if chromium else 0
    with ServedApp(place / "home", project) as app:
        until = time.monotonic() + 60 * minutes
        pages = [WorkingPage(PageClient(app.port), tally, seed + n, upload) for n in range(sessions - real)]
        threads = [threading.Thread(target=page.work, args=(until,), daemon=True) for page in pages]
        threads += [
            threading.Thread(target=_browse, args=(app.port, chromium, until, tally), daemon=True) for _ in range(real)
        ]
        with _noted(app) as uses:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        told = app.tracebacks()
    return _told(tally, uses, minutes, sessions, real) | {"tracebacks": [text.strip()[-300:] for text in told]}


def growth(uses: list[ServerUse]) -> dict[str, float]:
    """By how much each figure of the last fifth of the time is above that of the second fifth, percent of medians."""
    fifth = max(1, len(uses) // 5)
    early, late = uses[fifth : 2 * fifth] or uses, uses[-fifth:]
    grown = {}
    for name in (f.name for f in fields(ServerUse)):
        before, after = (statistics.median(getattr(use, name) for use in part) for part in (early, late))
        grown[name] = round(100 * (after - before) / max(before, 1), 1)
    return grown


def _told(tally: SoakTally, uses: list[ServerUse], minutes: float, sessions: int, real: int) -> dict[str, Any]:
    every = max(1, len(uses) // 16)
    return {
        "minutes": minutes, "sessions": sessions, "browsers": real, "actions": tally.actions.total(),
        "of": dict(tally.actions), "errors": tally.errors[:50], "error_count": len(tally.errors),
        "p95_ms": {name: round(1000 * p95(spent)) for name, spent in sorted(tally.seconds.items())},
        "growth_percent": growth(uses), "use": [asdict(use) for use in uses[::every]],
    }  # fmt: skip


@contextmanager
def _noted(app: ServedApp) -> Iterator[list[ServerUse]]:
    """What the server takes, from when it has answered on, every few seconds."""
    ended, uses = threading.Event(), [app.use()]

    def watch() -> None:
        while not ended.wait(NOTED_EVERY_S):
            uses.append(app.use())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield uses
    finally:
        ended.set()
        watcher.join()


def _browse(port: int, chromium: str, until: float, tally: SoakTally) -> None:
    """A page in a real browser, among the others."""
    from core.bench.browser import walk_tabs

    def painted(seconds: float) -> None:
        tally.note("browser click", Answer(seconds=seconds))

    problems = walk_tabs(f"http://127.0.0.1:{port}", chromium, list(CHROMIUM), until, painted)
    with tally.lock:
        tally.errors += [f"browser: {line}" for line in problems]


def _chromium() -> str:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return path if path and importlib.util.find_spec("playwright") else ""


def _project(folder: Path) -> tuple[Path, bytes]:
    """A project of twelve photos with samples, and the bytes of another photo to bring."""
    photos = folder / "photos"
    photos.mkdir(parents=True)
    pictures = [cv2.cvtColor(scene(SIZE[0], n, SIZE[1])[0].pixels, cv2.COLOR_RGB2BGR) for n in range(13)]
    for number, picture in enumerate(pictures[:12]):
        cv2.imwrite(str(photos / f"part {number}.png"), picture)
    path = folder / "project"
    with Workbench.create(path, "parts") as bench:
        bench.photos.import_images(photos)
        for engine in ("cut_paste", "perlin"):
            bench.studio.generate(GenerationBatch(engine=engine, label="dent", count=60, seed=3, workers=1))
    return path, cv2.imencode(".png", pictures[12])[1].tobytes()
