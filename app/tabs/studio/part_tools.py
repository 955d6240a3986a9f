"""The layout engine by hand: drag a part on the photo, or press what shall happen to the picked one."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from app.components.photo_panel import ONE_BY_ONE, colours_of
from app.page_context import on_canvas
from app.session import Session
from app.tabs.studio.engine_form import clean
from app.tabs.studio.try_out import Maker, skips
from core.errors import InputError

LABELS = {
    "remove": "missing", "duplicate": "extra", "move": "misplaced", "rotate": "turned", "flip": "flipped",
    "swap": "swapped", "replace": "wrong_part", "recolour": "wrong_colour",
}  # fmt: skip
"""What a person would call the outcome; a label of one's own stays."""
ACTS = (
    ("Remove", "remove"), ("Duplicate", "duplicate"), ("Turn", "rotate"), ("Flip", "flip"), ("Recolour", "recolour"),
)  # fmt: skip


class PartTools:
    """Buttons for the picked part. ``shown`` is what ``show`` updates."""

    def __init__(self) -> None:
        with gr.Column(elem_classes="fs-panel", visible=False, elem_id="fs-part-tools") as self.box:
            self.picked = gr.HTML(elem_id="fs-part")
            with gr.Row(elem_classes="fs-tight", equal_height=True):
                self.acts = [(gr.Button(t, size="sm", min_width=52, elem_id=f"fs-part-{op}"), op) for t, op in ACTS]
            with gr.Row(elem_classes="fs-tight fs-joined", equal_height=True):
                self.partner = gr.Dropdown([], label="With another part", scale=4, min_width=110,
                                           elem_id="fs-partner")  # fmt: skip
                self.pairs = [
                    (gr.Button("Swap", size="sm", scale=1, min_width=52, elem_id="fs-part-swap"), "swap"),
                    (gr.Button("Put it here", size="sm", scale=2, min_width=80, elem_id="fs-part-replace"), "replace"),
                ]
        self.shown = [self.picked, self.partner]

    def show(self, session: Session) -> list[Any]:
        """Which part is picked, and which others there are on this photo."""
        photo = session.photo()
        names = [r.name for r in session.open_bench.regions.on(photo)] if photo else []
        at, name = session.memory.studio.part
        name = name if at == photo and name in names else ""
        others = session.open_bench.studio.partners(photo, name) if photo else []
        return [_picked(session, names, name), gr.update(choices=others, value=others[0] if others else None)]


def wire(tools: PartTools, maker: Maker) -> None:
    """Drags and presses become orders at once."""
    controls, table, canvas = maker.controls, maker.table, maker.table.canvas
    outputs = [*maker.outputs, *tools.shown]

    def pick(session: Session, sent: dict[str, Any]) -> list[Any]:
        session.memory.studio.part = (str(sent.get("image_id", "")), str(sent.get("name", "")))
        return tools.show(session)

    on_canvas(canvas.region_picked, pick, maker.shell, tools.shown, **ONE_BY_ONE)

    def moved(session: Session, sent: dict[str, Any], *form: Any) -> list[Any]:
        photo, name = str(sent.get("image_id", "")), str(sent.get("name", ""))
        dx, dy, angle, scale = (float(sent.get(k, 0)) for k in ("dx", "dy", "angle", "scale"))
        if (dx, dy, angle, scale) == (0, 0, 0, 1):
            return skips(len(outputs))  # the part was put back
        session.memory.studio.part = (photo, name)
        params = session.open_bench.studio.moved_part(photo, name, dx, dy, angle, scale)
        label = _label(form[1], "rotate" if (dx, dy, scale) == (0, 0, 1) else "move")
        return [*maker.layout(session, photo, params, label, form), *tools.show(session)]

    on_canvas(canvas.region_moved, moved, maker.shell, outputs, controls.form, **ONE_BY_ONE)

    def act(session: Session, seen: str, op: str, partner: str | None, form: tuple[Any, ...]) -> list[Any]:
        at, name = session.memory.studio.part
        if not name or at != seen:
            raise InputError("no part is picked: click one on the photo first")
        studio = session.open_bench.studio
        params = {"op": op, **studio.part(seen, name), "dx": None, "dy": None, "scale": 1.0}
        if op in ("swap", "replace"):
            if not partner:
                raise InputError("there is no other part on this photo; name one in Regions first")
            other = studio.part(seen, partner)
            params |= {"partner": other["region"], "partner_instance": other["instance"]}
        return [*maker.layout(session, seen, params, _label(form[1], op), form), *tools.show(session)]

    for button, op in (*tools.acts, *tools.pairs):
        press = lambda s, seen, partner, *form, op=op: act(s, seen, op, partner, form)  # noqa: E731
        table.on_seen(button.click, press, [tools.partner, *controls.form], outputs)


def _label(given: str | None, op: str) -> str:
    """The person's own label, or what the edit is called."""
    label = clean(given)
    return label if label and label not in LABELS.values() else LABELS[op]


def _picked(session: Session, names: list[str], name: str) -> str:
    if not names:
        return "<p class='fs-hint'>No part of this photo has a name yet. Click and name parts in <b>Regions</b>.</p>"
    if not name:
        return "<p class='fs-hint'><b>Drag a part</b> on the photo, or click one and choose:</p>"
    colour = colours_of(session).get(name, "transparent")
    return (
        f"<p class='fs-part'><i style='background:{colour}'></i><b>{html.escape(name)}</b>"
        "<span class='fs-quiet'>drag it, turn it by its grip, or:</span></p>"
    )
