"""The review board, a ``gr.HTML`` subclass: what a key means is decided in the browser, by the sample that is shown.

A verdict travels with the ids of the samples it is for, outside Gradio's queue and in the order of the keys, so
fast keys all count and none can hit a sample that nobody saw. The page of samples, its filter and place live in the
server's session.

**Value** (Python to browser): ``{"sid", "rev"}``; a new ``rev`` makes the board fetch its page again.

**Handlers** take one dict with ``sid`` and return one (see ``app.review_grid.server``): ``look``, ``turn``, ``judge``,
``best``, ``undo``, ``redo``, ``star``, ``relabel``, ``note``, ``verdicts``, ``about``, ``beside``, ``real`` and
``rules``.

**Events**: ``judged {}`` a moment after the last verdict was stored: counts elsewhere on the page are old.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gradio as gr

from app.modules import on_load
from app.review_grid import server

FOLDER = Path(__file__).parent


class ReviewGrid(gr.HTML):
    """Thumbnails on the left, the chosen one beside its photo on the right."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(
            value=None,
            html_template=(FOLDER / "grid.html").read_text("utf-8"),
            css_template=(FOLDER / "grid.css").read_text("utf-8"),
            js_on_load=on_load("app/review_grid/js/start.js", "judged"),
            apply_default_css=False,
            server_functions=[server.request_handler(h) for h in server.HANDLERS],
            **kw,
        )

    def preprocess(self, payload: Any) -> Any:
        """The value as the browser holds it."""
        return payload

    def postprocess(self, value: Any) -> Any:
        """The value unchanged: it is JSON already."""
        return value

    def api_info(self) -> dict[str, Any]:
        """What the value is, for the API page."""
        return {"type": "object"}


def refetch_value(sid: str) -> dict[str, Any]:
    """A value that makes the board fetch its page."""
    return {"sid": sid, "rev": time.time_ns()}
