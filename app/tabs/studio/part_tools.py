"""The layout engine by hand: drag a part on the photo, or press what shall happen to the picked one."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from app.components.labels import normalized_label
from app.components.photo_panel import SERIAL_EVENTS, region_colours
from app.page_context import on_html_event
from app.sent_values import sent_number
from app.session import Session
from app.tabs.studio.try_out import TryOutRunner, no_updates
from core.errors import InputError

LABEL_OF_ACTION = {
    "remove": "missing", "duplicate": "extra", "move": "misplaced", "rotate": "turned", "flip": "flipped",
    "swap": "swapped", "replace": "wrong_part", "recolour": "wrong_colour",
}  # fmt: skip
"""What a person would call the outcome; a label of one's own stays."""
ACTIONS = (
    ("Remove", "remove"), ("Duplicate", "duplicate"), ("Turn", "rotate"), ("Flip", "flip"), ("Recolour", "recolour"),
)  # fmt: skip


class PartTools:
    """Buttons for the picked part. ``shown`` is what ``show`` updates."""

    def __init__(self) -> None:
        with gr.Column(elem_classes="fs-panel", visible=False, elem_id="fs-part-tools") as self.box:
            self.picked = gr.HTML(elem_id="fs-part")
            with gr.Row(elem_classes="fs-tight", equal_height=True):
                self.action_buttons = [
                    (gr.Button(t, size="sm", min_width=52, elem_id=f"fs-part-{op}"), op) for t, op in ACTIONS
                ]
            with gr.Row(elem_classes="fs-tight fs-joined", equal_height=True):
                self.partner = gr.Dropdown([], label="With another part", scale=4, min_width=110,
                                           elem_id="fs-partner")  # fmt: skip
                self.pair_buttons = [
                    (gr.Button("Swap", size="sm", scale=1, min_width=52, elem_id="fs-part-swap"), "swap"),
                    (
                        gr.Button("Replace by it", size="sm", scale=2, min_width=80, elem_id="fs-part-replace"),
                        "replace",
                    ),
                ]
        self.shown = [self.picked, self.partner]

    def show(self, session: Session) -> list[object]:
        """Which part is picked, and which others there are on this photo."""
        photo = session.photo_id()
        names = [r.name for r in session.required_api.regions.of_photo(photo)] if photo else []
        at, name = session.memory.studio.part
        name = name if at == photo and name in names else ""
        others = session.required_api.studio.parts.swap_partners(photo, name) if photo else []
        return [_picked_html(session, names, name), gr.update(choices=others, value=others[0] if others else None)]


def wire(tools: PartTools, maker: TryOutRunner) -> None:
    """Drags and presses become orders at once."""
    controls, table, canvas = maker.controls, maker.table, maker.table.canvas
    outputs = [*maker.outputs, *tools.shown]

    def pick(session: Session, sent: dict[str, object]) -> list[object]:
        session.memory.studio.part = (str(sent.get("image_id", "")), str(sent.get("name", "")))
        return tools.show(session)

    on_html_event(canvas.region_picked, pick, maker.shell, tools.shown, **SERIAL_EVENTS)

    def moved(session: Session, sent: dict[str, object], *form: Any) -> list[object]:
        photo, name = str(sent.get("image_id", "")), str(sent.get("name", ""))
        dx, dy, angle, scale = (sent_number(sent, k) for k in ("dx", "dy", "angle", "scale"))
        if (dx, dy, angle, scale) == (0, 0, 0, 1):
            return no_updates(len(outputs))  # the part was put back
        session.memory.studio.part = (photo, name)
        params = session.required_api.studio.parts.move_params(photo, name, dx, dy, angle, scale)
        label = _label_for(form[1], "rotate" if (dx, dy, scale) == (0, 0, 1) else "move")
        return [*maker.start_layout_edit(session, photo, params, label, form), *tools.show(session)]

    on_html_event(canvas.region_moved, moved, maker.shell, outputs, controls.form, **SERIAL_EVENTS)

    def act(session: Session, seen: str, op: str, partner: str | None, form: tuple[Any, ...]) -> list[object]:
        at, name = session.memory.studio.part
        if not name or at != seen:
            raise InputError("no part is picked: click one on the photo first")
        studio = session.required_api.studio
        params = {"op": op, **studio.parts.region_params(seen, name), "dx": None, "dy": None, "scale": 1.0}
        if op in ("swap", "replace"):
            if not partner:
                raise InputError("there is no other part on this photo; name one in Regions first")
            other = studio.parts.region_params(seen, partner)
            params |= {"partner": other["region"], "partner_instance": other["instance"]}
        return [*maker.start_layout_edit(session, seen, params, _label_for(form[1], op), form), *tools.show(session)]

    for button, op in (*tools.action_buttons, *tools.pair_buttons):
        press = lambda s, seen, partner, *form, op=op: act(s, seen, op, partner, form)  # noqa: E731
        table.on_visible_photo(button.click, press, [tools.partner, *controls.form], outputs)


def _label_for(given: str | None, op: str) -> str:
    """The person's own label, or what the edit is called."""
    label = normalized_label(given)
    return label if label and label not in LABEL_OF_ACTION.values() else LABEL_OF_ACTION[op]


def _picked_html(session: Session, names: list[str], name: str) -> str:
    if not names:
        return "<p class='fs-hint'>No part of this photo has a name yet. Click and name parts in <b>Regions</b>.</p>"
    if not name:
        return "<p class='fs-hint'><b>Drag a part</b> on the photo, or click one and choose:</p>"
    colour = region_colours(session).get(name, "transparent")
    return (
        f"<p class='fs-part'><i style='background:{colour}'></i><b>{html.escape(name)}</b>"
        "<span class='fs-quiet'>drag it, turn it by its handle, or choose:</span></p>"
    )
