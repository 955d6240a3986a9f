"""Mask tools: a rule places it, buttons edit it, sliders vary its outline while they are dragged."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np

from app.canvas.protocol import parse_drop
from app.components import param_form
from app.components.fields import NumberField, whole_number
from app.components.labels import normalized_label, required_label
from app.components.photo_panel import PhotoPanel, session_and_photo
from app.page_context import PageContext
from app.session import Session
from app.tabs.studio.engine_form import EngineForm
from core.api.masks import MasksApi, PlacedMask
from core.errors import InputError
from core.types import Mask

EDIT_BUTTONS = (
    ("Grow", "grow"),
    ("Shrink", "shrink"),
    ("Smooth", "smooth"),
    ("Fill", "fill_holes"),
    ("Invert", "invert"),
)
TITLES = {
    "grow": "Grow the mask", "shrink": "Shrink the mask", "smooth": "Smooth the outline", "fill_holes": "Fill holes",
    "invert": "Swap inside and outside",
}  # fmt: skip
PLACEMENT_TYPES = [
    ("inside a region or the part", "structural"), ("along its edge", "edge"), ("a whole region", "logical"),
    ("several of these", "combined"),
]  # fmt: skip


class MaskTools:
    """The fold-out with the mask's tools."""

    def __init__(self) -> None:
        with gr.Column(elem_classes="fs-panel", elem_id="fs-mask-tools") as self.box:
            with gr.Row(elem_classes="fs-tight fs-joined", equal_height=True):
                self.type = gr.Dropdown(PLACEMENT_TYPES, value="structural", label="Place a mask by rule", scale=5,
                                        min_width=120, elem_id="fs-anomaly-type")  # fmt: skip
                self.place = gr.Button("Place", size="sm", scale=2, min_width=62, elem_id="fs-place")
            with gr.Row(elem_classes="fs-tight fs-edits", equal_height=True):
                self.edits = [
                    (gr.Button(title, size="sm", min_width=40, elem_id=f"fs-edit-{how}"), how)
                    for title, how in EDIT_BUTTONS
                ]
                self.px = NumberField(3, label="px", precision=0, minimum=1, maximum=200, min_width=46,
                                    elem_classes="fs-px", elem_id="fs-px")  # fmt: skip
            with gr.Row(elem_classes="fs-tight", equal_height=True):
                self.vary = gr.Button("Vary outline", size="sm", min_width=90, elem_id="fs-vary")
                self.base = gr.Button("Undo variation", size="sm", min_width=90, elem_id="fs-vary-base")
            with gr.Row(elem_classes="fs-tight fs-joined", equal_height=True):
                self.kept = gr.Dropdown([], label="Kept masks", allow_custom_value=True, scale=5, min_width=96,
                                        elem_id="fs-kept-masks")  # fmt: skip
                self.keep = gr.Button("Keep", size="sm", scale=1, min_width=48, elem_id="fs-mask-keep")
                self.stamp = gr.Button("Stamp", size="sm", scale=1, min_width=52, elem_id="fs-mask-stamp")
                self.forget = gr.Button("×", size="sm", scale=0, min_width=28, elem_id="fs-mask-forget")
            with gr.Accordion("Outline variation", open=False, elem_classes="fs-fold", elem_id="fs-vary-fold"):
                with gr.Column(elem_classes="fs-form"):
                    self.enhancement = param_form.build_param_form(MasksApi.Enhancement)
            with gr.Accordion("Placement rules, also for bulk", open=False, elem_classes="fs-fold"):
                with gr.Column(elem_classes="fs-form"):
                    self.regions = gr.Dropdown([], label="Only on these regions", multiselect=True,
                                               info="Empty: anywhere on the part.")  # fmt: skip
                    self.rules = param_form.build_param_form(MasksApi.Placement, skip=("anomaly_type", "regions"))

    @property
    def placement(self) -> list[object]:
        """Components that ``read_placement`` takes the values of."""
        return [self.type, self.regions, *self.rules.components]

    def read_placement(self, values: list[Any]) -> dict[str, Any]:
        """Placement rules from the values of ``placement``."""
        return {**self.rules.params_of(values[2:]), "anomaly_type": values[0], "regions": tuple(values[1] or ())}


def wire(tools: MaskTools, shell: PageContext, controls: EngineForm, table: PhotoPanel) -> None:
    """What the tools do; each edit is one step of the canvas' undo."""

    def edit(session: Session, seen: str, px: float, how: str) -> list[object]:
        mask = session.required_api.masks.edit(
            _required_mask(table, session, seen), how, whole_number("px", px, 1, 200)
        )
        if not mask.any():
            raise InputError(f"{how.replace('_', ' ')}: nothing would be left of the mask; use fewer pixels")
        return table.set_mask(session, seen, mask)

    for button, how in tools.edits:
        table.on_visible_photo(
            button.click, lambda s, seen, px, how=how: edit(s, seen, px, how), [tools.px], table.parts
        )

    def place(session: Session, seen: str, engine: str, label: str | None, *values: Any) -> list[object]:
        session.memory.studio.places = turn = session.memory.studio.places + 1
        rules = tools.read_placement(list(values[: len(tools.placement)]))
        params = controls.settings.engine_params(engine, values[len(tools.placement) :])
        placed = session.required_api.masks.place(seen, engine, required_label(label), params, rules, turn)
        session.memory.studio.placed = (seen, normalized_label(label), placed)
        return table.set_mask(session, seen, placed.mask)

    inputs = [controls.engine, controls.label, *tools.placement, *controls.settings.params]
    table.on_visible_photo(tools.place.click, place, inputs, table.parts)

    def vary(session: Session, seen: str, label: str | None, *values: Any, again: bool) -> list[object]:
        base = _unvaried_mask(table, session, seen)
        if base is None and again:
            return [gr.skip()] * len(table.parts)  # the sliders of an empty mask
        base = _required_mask(table, session, seen) if base is None else base
        turn = session.memory.studio.turn + (0 if again else 1)
        session.memory.studio.turn = turn
        params = tools.enhancement.params_of(list(values))
        varied = session.required_api.masks.perturb(base, params, turn, normalized_label(label))
        session.memory.studio.varied = (seen, base, varied)
        return table.set_mask(session, seen, varied)

    inputs = [controls.label, *tools.enhancement.components]
    table.on_visible_photo(tools.vary.click, lambda *a: vary(*a, again=False), inputs, table.parts)
    for control in tools.enhancement.components:
        live = lambda *a: vary(*a, again=True)  # noqa: E731
        table.on_visible_photo(control.input, live, inputs, table.parts, trigger_mode="always_last")

    def back(session: Session, seen: str) -> list[object]:
        varied = session.memory.studio.varied
        if varied is None or varied[0] != seen:
            raise InputError("the outline on this photo has not been varied yet")
        return table.set_mask(session, seen, varied[1])

    table.on_visible_photo(tools.base.click, back, [], table.parts)
    _wire_library(tools, table)


def kept_masks_update(session: Session, chosen: str | None = None) -> Any:
    """The list of kept masks, with ``chosen`` in its field."""
    return gr.update(choices=session.api.mask_library.names() if session.api else [], value=chosen)


def _wire_library(tools: MaskTools, table: PhotoPanel) -> None:
    """Keep the mask by the name in the field, stamp the kept one on the photo, or forget it."""

    def keep(session: Session, seen: str, name: str | None) -> Any:
        mask = _required_mask(table, session, seen)
        return kept_masks_update(session, session.required_api.mask_library.keep(name or "", mask))

    def stamp(session: Session, seen: str, name: str | None) -> list[Any]:
        row = session.required_api.photos.row(seen)
        return table.lay_mask(session, session.required_api.mask_library.stamp(name or "", (row.height, row.width)))

    def forget(session: Session, seen: str, name: str | None) -> Any:
        session.required_api.mask_library.delete(name or "")
        return kept_masks_update(session)

    table.on_visible_photo(tools.keep.click, keep, [tools.kept], [tools.kept])
    table.on_visible_photo(tools.stamp.click, stamp, [tools.kept], table.parts)
    table.on_visible_photo(tools.forget.click, forget, [tools.kept], [tools.kept])


def drop(data: dict[str, Any]) -> dict[str, Any]:
    """The canvas asks for a mask like the label of the form: its outline, or as it lies on a component."""
    session, row = session_and_photo(data)
    query = parse_drop(data, row.width, row.height)
    masks, label = session.required_api.masks, session.memory.studio.shown_label
    shape = masks.drop_shape(row.id, required_label(label), query.shape).changed(query.scale, query.degrees)
    if query.at is None:
        return {"rings": shape.outline()}
    return {"rle": masks.encode(masks.drop(row.id, shape, *query.at))}


def mask_of(table: PhotoPanel, session: Session, seen: str, label: str) -> Mask | PlacedMask | None:
    """The mask on the canvas; as long as nobody changed it, with what rules placed it for this label."""
    now = table.mask(session, seen)
    if now is None or session.memory.studio.placed is None:
        return now
    photo, placed_for, placed = session.memory.studio.placed
    if (photo, placed_for) != (seen, label):
        return now
    return placed if np.array_equal(now, placed.mask) else now


def _required_mask(table: PhotoPanel, session: Session, seen: str) -> Mask:
    mask = table.mask(session, seen)
    if mask is None:
        raise InputError("there is no mask yet: click a part, draw one, or press Place")
    return mask


def _unvaried_mask(table: PhotoPanel, session: Session, seen: str) -> Mask | None:
    """What the outline is varied from: the mask as drawn. Varying the varied one would wander off."""
    now = table.mask(session, seen)
    if now is not None and session.memory.studio.varied is not None:
        photo, base, varied = session.memory.studio.varied
        if photo == seen and np.array_equal(now, varied):
            return base
    return now
