"""The photo on the table: the canvas, the way to the next photo, and the server's side of both.

Regions and Studio each have a table. The photo is the session's, the mask drawn on it is the table's own: a
selection to be named is not the mask of an anomaly.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import gradio as gr

from app.canvas.canvas import LOADING, MaskCanvas
from app.canvas.protocol import Handler, canvas_value, mask_reply, parse_mask, parse_segment, segment_reply
from app.page_context import PageContext, on
from app.server.accounts import Role
from app.session import Session, file_url, requested_session
from app.tab_memory import ClickPreparation
from core.errors import FlawsmithError, InputError
from core.types import Mask

PanelUse = Literal["regions", "studio"]

COLOURS = (
    "#2f7ed8", "#c2571a", "#3f9b4f", "#8a56b8", "#b8860b", "#c0436b", "#1f9aa8", "#6b7a2f", "#5b6bd6", "#a0522d",
)  # fmt: skip
"""Regions' colours, told apart on grey photos and by most colour-blind people; they repeat after ten."""

VISIBLE_PHOTO_JS = """async (sid, seen, ...values) => {
  await window.flawsmithFlush();
  const shown = [...document.querySelectorAll(".fsc")].find((e) => e.offsetParent !== null);
  return [sid, (shown && shown.__mask.state.image_id) || "", ...values];
}"""
"""The newest mask is on the server, and the second value is the photo that the person sees."""

PREPARATION_POLL_S = 0.7
"""Between two looks at how far the preparation for clicks is."""
SERIAL_EVENTS: dict[str, Any] = {"trigger_mode": "multiple", "concurrency_limit": 1, "concurrency_id": "table"}
"""No press is lost, and answers come in the order of the presses."""


class PhotoPanel:
    """Canvas and navigation inside the current Gradio layout.

    ``photo_changed`` changes when another photo lies on the table; other parts of the tab listen to it.
    ``drop`` answers the canvas' Drop tool, which is not there without. ``proposed_regions`` gives regions to be drawn
    that are not stored, as the canvas takes them.
    """

    def __init__(self, shell: PageContext, use: PanelUse, tall: str, drop: Handler | None = None) -> None:
        self.shell, self.use = shell, use
        self.proposed_regions: Callable[[Session, str], list[dict[str, Any]]] = lambda session, photo: []
        with gr.Row(equal_height=True, elem_classes="fs-nav"):
            self.previous_button = gr.Button("‹", size="sm", scale=0, min_width=36, elem_id=f"fs-{use}-back")
            self.title = gr.HTML(elem_classes="fs-photo-title", elem_id=f"fs-{use}-title")
            self.next_button = gr.Button("›", size="sm", scale=0, min_width=36, elem_id=f"fs-{use}-forth")
        handlers = {"segment": segment, "preview": preview, "put_mask": self._put_mask} | (
            {"drop": drop} if drop else {}
        )
        self.canvas = MaskCanvas(
            LOADING, handlers, tall=tall, elem_id=f"fs-{use}-canvas",
            empty="No photo yet. Import photos of good parts in the Product tab.",
        )  # fmt: skip
        self.photo_changed = gr.State(0)
        self.visible_photo = gr.Textbox(visible=False)
        self.timer = gr.Timer(PREPARATION_POLL_S, active=False)
        self.parts = [self.canvas, self.title, self.timer]
        on(self.timer.tick, self._preparation_updates, shell, outputs=self.parts[1:], role="viewer")
        shell.project_opened.change(None, js="() => window.flawsmithForget?.()", api_visibility="private")
        for event, forward in (
            (self.previous_button.click, False), (self.next_button.click, True),
            (self.canvas.previous_photo, False), (self.canvas.next_photo, True),
        ):  # fmt: skip
            turn = lambda session, forward=forward: self.turn(session, forward)  # noqa: E731
            on(event, turn, shell, outputs=[*self.parts, self.photo_changed], role="viewer", **SERIAL_EVENTS)

    def on_visible_photo(
        self,
        event: Callable[..., Any],
        handler: Callable[..., Any],
        inputs: Sequence[Any] = (),
        outputs: Sequence[Any] = (),
        **more: Any,
    ) -> Any:
        """``event`` calls ``handler(session, photo, *inputs)`` with the photo the person sees, newest mask saved."""

        def handle(session: Session, seen: str, *values: Any) -> Any:
            return handler(session, seen or self.photo_id(session), *values)

        return on(
            event,
            handle,
            self.shell,
            [self.visible_photo, *inputs],
            outputs,
            js=VISIBLE_PHOTO_JS,
            **(SERIAL_EVENTS | more),
        )

    def photo_id(self, session: Session) -> str:
        """The id of the photo on the table; InputError if there is none."""
        if not (found := session.required_api and session.photo_id()):
            raise InputError("there is no photo yet: import photos of good parts in the Product tab")
        return found

    def show(self, session: Session) -> list[Any]:
        """Updates for ``parts``: the session's photo, its regions and the mask drawn on it."""
        if not session.photo_id():
            return [None, '<span class="fs-quiet">No photos yet</span>', gr.Timer(active=False)]
        value = self._canvas_value(session)
        ready = session.required_api.regions.is_ready(session.normal_id)
        return [value, photo_title(session), gr.Timer(active=not ready)]

    def turn(self, session: Session, forward: bool) -> list[object]:
        """Put the next photo on the table, or the one before; updates for ``parts`` and ``photo_changed``."""
        current = session.photo_id()
        if not current:
            return [gr.skip()] * (len(self.parts) + 1)
        return self.open_photo(session, session.required_api.photos.photo_beside(current, forward).id)

    def open_photo(self, session: Session, normal_id: str) -> list[object]:
        """Put a photo on the table; updates for ``parts`` and ``photo_changed``."""
        session.normal_id = normal_id
        return [*self.show(session), time.time_ns()]

    def mask(self, session: Session, normal_id: str) -> Mask | None:
        """What is drawn on a photo, or None where nothing is."""
        with session.lock:
            return session.masks.get(self._key(normal_id))

    def set_mask(self, session: Session, normal_id: str, mask: Mask | None) -> list[object]:
        """Lay a mask on a photo, or take it off; updates for ``parts``."""
        with session.lock:
            if mask is None:
                session.masks.drop(self._key(normal_id))
            else:
                session.masks.put(self._key(normal_id), mask)
        return self.show(session)

    def lay_mask(self, session: Session, mask: Mask) -> list[Any]:
        """Lay a mask over the one on the session's photo, for the person to move; updates for ``parts``."""
        value, *rest = self.show(session)
        return [{**value, "lay_rle": session.required_api.masks.encode(mask)}, *rest]

    def _key(self, normal_id: str) -> str:
        return f"{self.use}/{normal_id}"

    def _preparation_updates(self, session: Session) -> list[object]:
        """How far the photo is prepared for clicks, while a slow segmenter looks at it."""
        warming = session.memory.warming
        if warming is None or warming.normal_id != session.normal_id or warming.finished:
            return [photo_title(session) if session.photo_id() else gr.skip(), gr.Timer(active=False)]
        share = f" {100 * warming.done // warming.total} %" if warming.total else ""
        return [f'{photo_title(session)} <span class="fs-quiet">· preparing for clicks{share}</span>', gr.skip()]

    def _put_mask(self, data: dict[str, Any]) -> dict[str, Any]:
        """The canvas hands over the mask as it is now; an older one than we have is acknowledged and dropped."""
        session, row = session_and_photo(data)
        update = parse_mask(data, row.width, row.height)
        with session.lock:
            session.masks.put_runs(self._key(row.id), update.runs, (row.height, row.width), update.seq)
        return mask_reply(update)

    def _canvas_value(self, session: Session) -> dict[str, Any]:
        bench = session.required_api
        row = bench.photos.row(session.photo_id())
        with session.lock:
            runs = session.masks.runs(self._key(row.id), (row.height, row.width))
        colours = region_colours(session)
        regions = [
            {"name": r.name, "color": colours.get(r.name, COLOURS[0]), "url": file_url(r.mask_path)}
            for r in bench.regions.of_photo(row.id)
        ]
        prepare_for_clicks(session, row.id)
        return canvas_value(
            row.id, file_url(row.path), row.width, row.height, session.ticket,
            mask_rle=runs, regions=[*regions, *self.proposed_regions(session, row.id)],
            segmenter=bench.regions.segmenter().title, project=str(bench.path),
        )  # fmt: skip


def region_colours(session: Session) -> dict[str, str]:
    """Each region name's colour, the same on every photo of the project."""
    names = sorted(session.required_api.regions.names())
    return {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}


def photo_title(session: Session) -> str:
    """Name, place and size of the session's photo, as HTML."""
    bench = session.required_api
    row = bench.photos.row(session.photo_id())
    place = bench.photos.place(row.id) + 1
    return (
        f'<span class="fs-photo-name">{html.escape(row.name)}</span> '
        f'<span class="fs-quiet">{place:,} of {bench.photos.count():,} · {row.width} × {row.height}</span>'
    )


def segment(data: dict[str, Any]) -> dict[str, Any]:
    """The canvas asks for masks at clicks."""
    session, row = session_and_photo(data, Role.VIEWER)
    query = parse_segment(data, row.width, row.height)
    bench = session.required_api
    began = time.perf_counter()
    mask = bench.masks.decode(list(query.runs), (row.height, row.width)) if query.runs else None
    clicks = [(p.x, p.y, p.positive) for p in query.points]
    found = bench.regions.click(row.id, clicks, query.box_xyxy, mask)
    candidates = [(c.run_lengths(), c.score) for c in found]
    spent = (time.perf_counter() - began) * 1000
    return segment_reply(candidates, query.seq, bench.regions.segmenter().title, spent)


def preview(data: dict[str, Any]) -> dict[str, Any]:
    """The canvas asks what a click would select; nothing is done, and ``ready`` is False, before it is prepared."""
    session, row = session_and_photo(data, Role.VIEWER)
    if not session.required_api.regions.is_ready(row.id):
        return {"ready": False, "candidates": []}
    reply = segment(data)
    return {**reply, "ready": True, "candidates": reply["candidates"][:1]}


def prepare_for_clicks(session: Session, normal_id: str) -> None:
    """Prepare the photo for clicks in the background, so that the first one is as quick as the others."""
    regions = session.required_api.regions
    running = session.memory.warming
    if regions.is_ready(normal_id) or (running and running.normal_id == normal_id and not running.finished):
        return
    session.memory.warming = warming = ClickPreparation(normal_id)
    # Another photo may be on the table by the time an encoder gets to this one.
    stale = lambda: session.normal_id != normal_id  # noqa: E731
    threading.Thread(target=_prepare, args=(regions, warming, stale), daemon=True).start()


def _prepare(regions: Any, warming: ClickPreparation, stale: Callable[[], bool]) -> None:
    try:
        regions.prepare(warming.normal_id, warming.progress, stale)
    except FlawsmithError:
        return  # the click itself will say what is wrong
    finally:
        warming.finished = True


def session_and_photo(data: dict[str, Any], role: Role = Role.INSPECTOR) -> tuple[Session, Any]:
    """Whose canvas asks, and the photo on it; InputError where the request names none, or the person has no right."""
    session, normal_id = requested_session(data.get("sid"), role), data.get("image_id")
    if not isinstance(normal_id, str):
        raise InputError("canvas: the request names no photo; reload the page")
    return session, session.required_api.photos.row(normal_id)
