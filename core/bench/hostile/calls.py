"""Everything a page can send, sent with something wrong in it: each server function and each event of the app.

The answer has to be what was asked for, a notice of one line, or Gradio's refusal; a traceback through our code in the
server's log is a fault, and so is a server that is gone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.api import Workbench
from core.bench.hostile.attempts import Attempt
from core.bench.hostile.damage import damaged_json
from core.bench.hostile.page_client import Answer, NoAnswer, PageClient, PageEvent
from core.bench.served_app import ServedApp
from core.errors import LONGEST_LINE

TEXTS = (
    "/etc/passwd", "../../../etc", "/proc/self/environ", "a\0b", "con", "", " ", ".", "..", "x" * 5000, "\u202egnp.x",
    "<img src=x onerror=alert(1)>", "{{7*7}}", "'; DROP TABLE samples; --", "%41%2f..%2f", "dent", "1e999", "\ud800",
    "C:\\Windows\\win.ini", "http://127.0.0.1:1/x", "demo:nothing", "-1", "nan", "\u0000\u001b[31m",
)  # fmt: skip
LONG_WORK = ("fs-learn-go", "fs-bulk-go", "fs-ev-go", "fs-fetch", "fs-find-all", "fs-carry", "fs-verify")
"""Buttons that order minutes of work; pressed once in a while only, so that the others are not kept waiting."""
BOARD = {"ids": ["x"], "verdict": "kept", "step": 1, "left": 0}


class HostileCaller:
    """Sends damaged messages from one page and says what is wrong with how each was answered."""

    def __init__(self, app: ServedApp, project: Path) -> None:
        self._app, self._page = app, PageClient(app.port)
        self._page.load()
        self._said = 0
        with Workbench.open(project) as bench:
            photo = bench.photos.page()[0]
        self._canvas = {
            "v": 1, "image_id": photo.id, "seq": 2**50, "points": [{"x": 9.0, "y": 9.0, "label": 1}], "box": None,
            "rle": None, "size": [photo.width, photo.height], "shape": 3, "scale": 1.0, "degrees": 0.0, "x": 40,
            "y": 40,
        }  # fmt: skip
        ids = {"id": photo.id, "ids": [photo.id], "image_id": photo.id, "members": [photo.id], "number": 0}
        words = ("name", "old", "label", "title", "where", "way", "type", "reading", "place", "lender", "edit")
        self._event_data = {**ids, **dict.fromkeys(words, "dent"), "concept": "x", "ends": [0, 1], "anew": True}

    def attempts(self, rng: np.random.Generator, count: int) -> Iterator[Attempt]:
        """``count`` calls: a third to server functions, the others events."""
        functions = [(n, name) for n, names in self._page.server_functions().items() for name in names]
        for number in range(count):
            if number % 3 == 0:
                component, function = functions[int(rng.integers(len(functions)))]
                yield f"{function} {number}", self._asking(component, function, rng)
            else:
                event = self._event(rng)
                yield f"{self.name_of(event)} {number}", self._sending(event, rng)

    def name_of(self, event: PageEvent) -> str:
        """What a person would call it: what happens to which component."""
        if not event.triggers:
            return f"event {event.number}"
        component, happens = event.triggers[0]
        row = self._page.components.get(component, {"type": "page", "props": {}})
        return f"{row['props'].get('elem_id') or row['type']} {happens}"

    def _event(self, rng: np.random.Generator) -> PageEvent:
        while True:
            event = self._page.events[int(rng.integers(len(self._page.events)))]
            is_long = self.name_of(event).startswith(LONG_WORK)
            if event.inputs and (not is_long or rng.random() < 0.1):
                return event

    def _asking(self, component: int, function: str, rng: np.random.Generator) -> Callable[[], object]:
        base: dict[str, Any] = {"sid": self._page.ticket, **self._canvas, **BOARD}
        data = _changed(base, rng)
        return lambda: self._checked(lambda: self._page.ask(component, function, data))

    def _sending(self, event: PageEvent, rng: np.random.Generator) -> Callable[[], object]:
        values = _changed(self._page.values_of(event), rng)
        data = values if isinstance(values, list) else [self._page.ticket]
        if rng.random() < 0.9 and data:
            data[0] = self._page.ticket
        event_data = _changed(self._event_data, rng) if rng.random() < 0.8 else None
        return lambda: self._checked(lambda: self._page.send(event, data, event_data, patient=False))

    def _checked(self, call: Callable[[], Answer]) -> None:
        """Raise AssertionError, with what is wrong, where the answer is none that a person can use."""
        try:
            answer = call()
        except NoAnswer as error:
            answer = Answer(error=str(error))
        if not self._app.is_running:
            raise AssertionError("the server is gone")
        told = self._app.tracebacks()
        if len(told) > self._said:
            self._said = len(told)
            raise AssertionError(" | ".join(told[-1].strip().splitlines()[-3:])[:300])
        if answer.notice and ("\n" in answer.error or len(answer.error) > LONGEST_LINE):
            raise AssertionError(f"unclear line {answer.error[:200]!r}")
        if "reload the page" in answer.error or "no project is open" in answer.error:
            self._page = PageClient(self._app.port, cookie=self._page.cookie)
            self._page.load()


def call_attempts(rng: np.random.Generator, count: int, app: ServedApp, project: Path) -> Iterator[Attempt]:
    """Calls to ``app``, whose page shows ``project``."""
    return HostileCaller(app, project).attempts(rng, count)


def _changed(value: Any, rng: np.random.Generator) -> Any:
    """``value`` as JSON with something wrong in it; one in ten is sent as it is."""
    if rng.random() < 0.1:
        return value
    text = json.dumps(value)
    if rng.random() < 0.5:
        text = text.replace('"dent"', json.dumps(TEXTS[int(rng.integers(len(TEXTS)))]))
        text = text.replace(": null", f": {json.dumps(TEXTS[int(rng.integers(len(TEXTS)))])}", 1)
    try:
        return json.loads(damaged_json(text, rng))
    except (ValueError, RecursionError):
        return TEXTS[int(rng.integers(len(TEXTS)))]
