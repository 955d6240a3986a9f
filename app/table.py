"""The photo on the table: the canvas, the way to the next photo, and the server's side of both."""

from __future__ import annotations

import threading
import time
from typing import Any

import gradio as gr
import numpy as np

from app.canvas.canvas import MaskCanvas
from app.canvas.protocol import canvas_value, mask_reply, parse_mask, parse_segment, segment_reply
from app.session import Session, file_url, sessions
from app.shell import Shell, on
from core.errors import InputError
from core.types import Mask

COLOURS = (
    "#2f7ed8", "#c2571a", "#3f9b4f", "#8a56b8", "#b8860b", "#c0436b", "#1f9aa8", "#6b7a2f", "#5b6bd6", "#a0522d",
)  # fmt: skip
"""Regions' colours, told apart on grey photos and by most colour-blind people; they repeat after ten."""


class Table:
    """Canvas and navigation inside the current Gradio layout.

    ``moved`` changes when another photo lies on the table; other tabs listen to it.
    """

    def __init__(self, shell: Shell, tall: str = "clamp(380px, 62vh, 900px)") -> None:
        self.shell = shell
        with gr.Row(equal_height=True, elem_classes="fs-nav"):
            self.back = gr.Button("‹", size="sm", scale=0, min_width=36, elem_id=None)
            self.title = gr.HTML(elem_classes="fs-photo-title")
            self.forth = gr.Button("›", size="sm", scale=0, min_width=36)
        self.canvas = MaskCanvas(handlers={"segment": segment, "put_mask": put_mask}, tall=tall)
        self.moved = gr.State(0)
        self.parts = [self.canvas, self.title]
        outputs = [*self.parts, self.moved]
        for event, step in (
            (self.back.click, -1), (self.forth.click, 1),
            (self.canvas.previous_photo, -1), (self.canvas.next_photo, 1),
        ):  # fmt: skip
            on(event, lambda session, step=step: self._step(session, step), shell, outputs=outputs)

    def show(self, session: Session, with_mask: bool = True) -> list[Any]:
        """Updates for ``parts``: the session's photo, its regions and the mask drawn on it."""
        normal_id = session.photo()
        if not normal_id:
            return [None, '<span class="fs-quiet">No photos yet: import some in Product.</span>']
        return [value(session, with_mask), title(session)]

    def go(self, session: Session, normal_id: str) -> list[Any]:
        """Put a photo on the table; updates for ``parts`` and ``moved``."""
        session.normal_id = normal_id
        return [*self.show(session), time.time_ns()]

    def _step(self, session: Session, step: int) -> list[Any]:
        current = session.photo()
        if not current:
            return [gr.skip(), gr.skip(), gr.skip()]
        return self.go(session, session.open_bench.photos.neighbour(current, step).id)


def value(session: Session, with_mask: bool = True) -> dict[str, Any]:
    """The canvas' value for the session's photo."""
    bench = session.open_bench
    row = bench.photos.row(session.photo())
    shape = (row.height, row.width)
    mask = session.masks.get(row.id) if with_mask else None
    runs = bench.masks.encode(mask if mask is not None else np.zeros(shape, np.bool_))
    names = sorted(bench.regions.names())
    regions = [
        {"name": r.name, "color": COLOURS[names.index(r.name) % len(COLOURS)], "url": file_url(r.mask_path)}
        for r in bench.regions.on(row.id)
        if r.name in names
    ]
    segmenter = bench.regions.segmenter().title
    warm(session, row.id)
    return canvas_value(
        row.id, file_url(row.path), row.width, row.height, session.id,
        mask_rle=runs, regions=regions, segmenter=segmenter,
    )  # fmt: skip


def title(session: Session) -> str:
    """Name, place and size of the session's photo, as HTML."""
    bench = session.open_bench
    row = bench.photos.row(session.photo())
    place = next((i for i, r in enumerate(bench.photos.page()) if r.id == row.id), 0) + 1
    return (
        f'<span class="fs-photo-name">{_escape(row.name)}</span> '
        f'<span class="fs-quiet">{place} of {bench.photos.count()} · {row.width} × {row.height}</span>'
    )


def segment(data: dict[str, Any]) -> dict[str, Any]:
    """The canvas asks for masks at clicks."""
    session, row = _addressed(data)
    query = parse_segment(data, row.width, row.height)
    bench = session.open_bench
    began = time.perf_counter()
    mask = bench.masks.decode(list(query.runs), (row.height, row.width)) if query.runs else None
    clicks = [(p.x, p.y, p.positive) for p in query.points]
    found = bench.regions.click(row.id, clicks, query.box_xyxy, mask)
    candidates = [(bench.masks.encode(c.mask), c.score) for c in found]
    spent = (time.perf_counter() - began) * 1000
    return segment_reply(candidates, query.seq, bench.regions.segmenter().title, spent)


def put_mask(data: dict[str, Any]) -> dict[str, Any]:
    """The canvas hands over the mask as it is now; an older one than we have is acknowledged and dropped."""
    session, row = _addressed(data)
    update = parse_mask(data, row.width, row.height)
    mask: Mask = session.open_bench.masks.decode(list(update.runs), (row.height, row.width))
    with session.lock:
        if update.seq >= session.mask_seq.get(row.id, -1):
            session.mask_seq[row.id] = update.seq
            session.set_mask(row.id, mask)
    return mask_reply(update)


def warm(session: Session, normal_id: str) -> None:
    """Prepare the photo for clicks in the background, so that the first one is as quick as the others."""
    regions = session.open_bench.regions
    if not regions.is_ready(normal_id):
        # Another photo may be on the table by the time an encoder gets to this one.
        stale = lambda: session.normal_id != normal_id  # noqa: E731
        threading.Thread(target=_prepare, args=(regions, normal_id, stale), daemon=True).start()


def _prepare(regions: Any, normal_id: str, stale: Any) -> None:
    from core.errors import FlawsmithError

    try:
        regions.prepare(normal_id, None, stale)
    except FlawsmithError:
        return  # the click itself will say what is wrong


def _addressed(data: dict[str, Any]) -> tuple[Session, Any]:
    sid, normal_id = data.get("sid"), data.get("image_id")
    if not isinstance(sid, str) or not isinstance(normal_id, str):
        raise InputError("canvas: the request names no session or photo; reload the page")
    session = sessions.get(sid)
    return session, session.open_bench.photos.row(normal_id)


def _escape(text: str) -> str:
    import html

    return html.escape(text)
