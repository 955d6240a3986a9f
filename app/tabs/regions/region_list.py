"""The regions of the photo as a list: edit the mask, rename, delete, undo."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import gradio as gr

from app.components.photo_panel import SERIAL_EVENTS, VISIBLE_PHOTO_JS, PhotoPanel, region_colours
from app.page_context import PageContext, on, on_html_event
from app.session import Session
from core.api import RegionRow
from core.errors import InputError

EMPTY = "<p class='fs-hint'>No region on this photo yet. Click the first part on it.</p>"
LIST_JS = """
const open = (row) => {
  const label = row.querySelector("b"), box = document.createElement("input"), old = row.dataset.name;
  if (row.querySelector("input")) return;
  Object.assign(box, { value: old, maxLength: 64 });
  box.setAttribute("aria-label", "New name of " + old);
  label.replaceWith(box);
  box.focus();
  box.select();
  let closed = false;
  const close = (keep) => {
    if (closed) return;
    closed = true;
    const name = box.value.trim();
    box.replaceWith(label);
    if (keep && name && name !== old) trigger("renamed", { old, name });
  };
  box.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") close(true);
    if (event.key === "Escape") close(false);
  });
  box.addEventListener("blur", () => close(true));
};
const act = (what, row) => {
  if (what === "rename") open(row);
  if (what === "edit") trigger("edited", { name: row.dataset.name });
  if (what === "delete") trigger("deleted", { name: row.dataset.name });
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button) act(button.dataset.act, button.closest("[data-name]"));
});
element.addEventListener("dblclick", (event) => {
  const row = event.target.closest("[data-name]");
  if (row && event.target.matches("b")) open(row);
});
"""
_SVG = "<svg viewBox='0 0 20 20' aria-hidden='true'><path d='{}'/></svg>"
ROW_ACTIONS = (
    ("edit", "Edit the mask", _SVG.format("M4 16l.7-3.3L13 4.4l2.6 2.6-8.3 8.3zM11.4 6l2.6 2.6")),
    ("rename", "Rename", _SVG.format("M3.5 6V4.5h13V6M10 4.5v11M7.5 15.5h5")),
    ("delete", "Delete", _SVG.format("M4 5.6h12M8 5.4V3.8h4v1.6M5.6 5.8l.6 10.4h7.6l.6-10.4")),
)


class RegionList:
    """``parts`` is what ``show`` updates."""

    def __init__(self) -> None:
        with gr.Column(elem_classes="fs-panel"):
            self.list = gr.HTML(js_on_load=LIST_JS, elem_id="fs-region-list")
            self.everywhere = gr.Checkbox(False, label="Rename and delete on every photo", container=False,
                                          elem_id="fs-everywhere")  # fmt: skip
            with gr.Row(visible=False, elem_classes="fs-tight fs-undone", equal_height=True) as self.undo_row:
                self.said = gr.HTML()
                self.undo = gr.Button("Undo", size="sm", scale=0, min_width=64, elem_id="fs-region-undo")
        self.parts = [self.list, self.undo_row, self.said]

    def show(self, session: Session) -> list[object]:
        """The list, and the way back while the last deletion can be undone."""
        photo = session.photo_id()
        if not photo:
            return ["", gr.update(visible=False), ""]
        gone = session.memory.regions.deleted
        said = ""
        if gone:
            where = f"on {len(gone):,} photos" if len(gone) > 1 else "here"
            said = f"<span class='fs-quiet'>Deleted <b>{html.escape(gone[0].name)}</b> {where}</span>"
        return [_list(session, photo), gr.update(visible=bool(gone)), said]


def wire(
    regions: RegionList, shell: PageContext, table: PhotoPanel, look: Callable[..., list[Any]], shown: list[Any]
) -> None:
    """What the buttons of a row do; ``look`` gives updates for ``shown``."""

    def edit(session: Session, sent: dict[str, object], seen: str) -> list[object]:
        seen = seen or table.photo_id(session)
        name = str(sent.get("name", ""))
        region = next((r for r in session.required_api.regions.with_masks(seen) if r.name == name), None)
        if region is None:
            raise InputError(f"region {name!r} is not on this photo any more")
        session.memory.regions.editing = (seen, name)
        table.set_mask(session, seen, region.mask)
        return look(session, name)

    def rename(session: Session, sent: dict[str, object], seen: str, everywhere: bool) -> list[object]:
        old, new = str(sent.get("old", "")), " ".join(str(sent.get("name", "")).split())
        session.required_api.regions.rename(None if everywhere else seen or table.photo_id(session), old, new)
        return look(session)

    def delete(session: Session, sent: dict[str, object], seen: str, everywhere: bool) -> list[object]:
        desk = session.required_api.regions
        at = None if everywhere else seen or table.photo_id(session)
        session.memory.regions.deleted = desk.delete(at, str(sent.get("name", "")))
        return look(session)

    def undo(session: Session) -> list[object]:
        session.required_api.regions.restore(session.memory.regions.deleted)
        session.memory.regions.deleted = []
        return look(session)

    more = {"js": VISIBLE_PHOTO_JS, **SERIAL_EVENTS}
    on_html_event(regions.list.edited, edit, shell, shown, [table.visible_photo], **more)
    on_html_event(regions.list.renamed, rename, shell, shown, [table.visible_photo, regions.everywhere], **more)
    on_html_event(regions.list.deleted, delete, shell, shown, [table.visible_photo, regions.everywhere], **more)
    on(regions.undo.click, undo, shell, outputs=shown)


def _list(session: Session, photo: str) -> str:
    desk, colours = session.required_api.regions, region_colours(session)
    names, total = desk.names(), session.required_api.photos.count()
    editing = session.memory.regions.editing
    rows = "".join(
        f"<li data-name='{html.escape(r.name, quote=True)}' data-editing='{str(editing == (photo, r.name)).lower()}'>"
        f"<i style='background:{colours.get(r.name)}'></i><b title='Double-click to rename'>{html.escape(r.name)}</b>"
        f"<span>{_source(r)} · {names[r.name]:,} of {total:,} photos</span><em>{_buttons(r.name)}</em></li>"
        for r in desk.of_photo(photo)
    )
    return f"<ul class='fs-list'>{rows}</ul>" if rows else EMPTY


def _buttons(name: str) -> str:
    called = html.escape(name, quote=True)
    return "".join(
        f"<button type='button' data-act='{act}' title='{title}' aria-label='{title}: {called}'>{icon}</button>"
        for act, title, icon in ROW_ACTIONS
    )


def _source(row: RegionRow) -> str:
    if row.source == "hand":
        return "drawn"
    if row.source == "auto":
        return "proposed"
    return "checked" if row.confidence >= 1 else f"{row.confidence:.0%} sure"
