"""The mask canvas: a ``gr.HTML`` subclass and ES modules, fast on photos of 4096x3072 pixels.

    canvas = MaskCanvas(handlers={"segment": segment, "put_mask": put_mask})
    demo.load(start, None, canvas)                          # returns canvas_value(...)
    generate.click(run, [canvas], out, js=FLUSH_JS)         # the newest mask is on the server before run starts
    canvas.confirmed(fn, None, out)                         # fn(event: gr.EventData): event.image_id, event.area

**Value** (Python to browser; build it with ``protocol.canvas_value``): ``{"v", "rev", "image_id", "url", "width",
"height", "sid", "mask_rle": [...] | null, "regions": [{"name", "color", "rle" | "url"}], "readonly", "segmenter",
"project", "lay_rle": [...] | null}``. The same ``image_id`` and ``url`` again keep zoom and undo: ``mask_rle`` then
becomes one undoable edit, and null leaves the mask alone. None says that there is no photo, ``{"loading": true}`` that
one is on its way. ``sid`` names the session (server functions are not told which one calls).

**Handlers** take one dict and return one; they run in a thread pool outside Gradio's queue, so they lock what they
share. A ``FlawsmithError`` becomes ``{"ok": false, "error": line}`` and a notice on the canvas. Every request holds
``v, sid, image_id, seq``; ``seq`` grows through the page's life and beyond a reload (it starts at the clock), so a
lower one than seen before is old and may be refused.

- ``segment``: ``points: [{"x", "y", "label": 1 | 0}]`` in image pixels, ``box: [x0, y0, x1, y1] | null``, ``rle``: the
  candidate being refined or null. Returns ``protocol.segment_reply``: ``candidates: [{"rle", "score"}]`` best first
  (key C goes through them), ``segmenter``, ``ms``. Answers to any but the newest click are dropped by the browser.
- ``preview`` (optional): as ``segment``, with one point; asked while the mouse rests or moves, one request at a time.
  ``ready: false`` where the photo is not prepared; else the first candidate is shown under the mouse.
- ``drop``: ``shape`` (a number, the same for the same shape), ``scale``, ``degrees``, ``x``, ``y`` or null. Returns
  ``rings``, the outline [[x, y], ...] from the shape's middle, without x and y; else ``rle``, the mask on the
  component there. A canvas without this handler has no Drop tool.
- ``put_mask``: ``size: [width, height]``, ``rle``; returns ``protocol.mask_reply``. Sent 150 ms after a change, one
  at a time, always the newest; ``protocol.parse_mask`` checks it.

Runs (rle) are row-major and start with the run of zeros, as in ``core.masks.rle``.

**Events** (``canvas.NAME(fn, ...)``, data in ``gr.EventData``); the mask is on the server before they fire:
``confirmed {image_id, area}`` Enter; ``mask_saved {image_id, area, seq}`` after each acknowledged change;
``next_photo`` and ``previous_photo {image_id}``; ``region_picked {image_id, name}`` with the Region and the Move tool;
``region_moved {image_id, name, dx, dy, angle, scale}``: the region turned clockwise by ``angle`` degrees and scaled
about the centre of its bounding box, then moved by (dx, dy) image pixels; (0, 0, 0, 1) puts it back;
``context_wanted {}`` the Context tool was taken up, or another photo came under it; ``context_changed {context,
turn}`` a person set the rectangle that a model sees, written as core.images.ContextRectangle, or took it off ("").

**In the page**: ``window.flawsmithContext(elem_id, json)`` says what a model sees around the mask: ``{"rectangle",
"margin", "least", "turn"}`` (core.api.studio.photo_context.SeenContext, and the turn of the change it answers, or 0),
or "" where that is not known. ``element.__mask.sees(true)`` offers the Context tool.
``await window.flawsmithFlush()`` resolves when every canvas's newest mask is acknowledged and rejects
with the server's reason otherwise. ``element.__mask`` (see ``js/start.js``) is for tests and for scripts of the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from app.canvas.markup import markup
from app.canvas.protocol import Handler, errors_as_replies
from app.modules import on_load

FOLDER = Path(__file__).parent
EVENTS = (
    "confirmed", "mask_saved", "next_photo", "previous_photo", "region_picked", "region_moved", "context_wanted",
    "context_changed",
)  # fmt: skip
LOADING = {"loading": True}
"""The value while the photo is not known yet."""
FLUSH_JS = "async (...values) => { await window.flawsmithFlush?.(); return values; }"
"""``js=`` of an event that needs the mask: waits until the server has the newest one."""


class MaskCanvas(gr.HTML):
    """Photo with a mask to draw; see the module for its value, handlers and events.

    ``tall`` is the stage's height in CSS; ``empty`` what it says without a photo.
    """

    def __init__(
        self,
        value: Any = None,
        handlers: Mapping[str, Handler] | None = None,
        *,
        tall: str = "clamp(360px, 66vh, 980px)",
        empty: str = "No photo yet. Import photos of good parts to begin.",
        **kw: Any,
    ) -> None:
        functions = [errors_as_replies(name, handler) for name, handler in (handlers or {}).items()]
        super().__init__(
            value=value,
            html_template=markup(empty),
            css_template=(FOLDER / "canvas.css").read_text("utf-8").replace("STAGE_HEIGHT", tall),
            js_on_load=on_load("app/canvas/js/start.js", *EVENTS),
            apply_default_css=False,
            server_functions=functions,
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
