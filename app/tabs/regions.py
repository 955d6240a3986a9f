"""Regions: click the parts of the product, name them, carry them to every photo."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from app.canvas.canvas import FLUSH_JS
from app.jobbar import JobBar
from app.session import Session
from app.shell import Shell, on, on_pick
from app.table import COLOURS, Table
from core.errors import InputError

HINT = """<p class="fs-hint">Click a part on the photo; right-click or Shift-click what does not belong to it, drag a box
around a difficult one. Press <b>Enter</b>, type its name, save. Then carry the regions over to all photos.</p>"""


def build(shell: Shell) -> None:
    """The tab."""
    with gr.Tab("Regions", id="regions") as tab, gr.Row(equal_height=False):
        with gr.Column(scale=8, min_width=480):
            table = Table(shell)
        with gr.Column(scale=3, min_width=300):
            gr.HTML(HINT)
            with gr.Row(elem_classes="fs-buttons"):
                name = gr.Dropdown([], label="Name of the selection", allow_custom_value=True, scale=3)
                save = gr.Button("Save region", variant="primary", scale=2, min_width=110)
            known = gr.HTML(elem_classes="fs-regions")
            with gr.Row(equal_height=True):
                chosen = gr.Dropdown([], label="Edit a region", scale=3)
                fresh = gr.Textbox(label="New name", max_lines=1, scale=3)
            everywhere = gr.Checkbox(False, label="On every photo, not only this one")
            with gr.Row():
                load = gr.Button("Edit mask", size="sm", min_width=80)
                rename = gr.Button("Rename", size="sm", min_width=80)
                delete = gr.Button("Delete", size="sm", min_width=80, variant="stop")
            with gr.Row():
                every = gr.Button("Find all regions", min_width=130)
                carry = gr.Button("Carry over to all photos", min_width=160)
            bar = JobBar(shell, "batch_id")
            doubtful = gr.Gallery(label="Doubtful: look at these", columns=4, height="auto", visible=False,
                                  allow_preview=False, object_fit="contain", elem_classes="fs-gallery")  # fmt: skip
    lists = [known, name, chosen]
    all_parts = [*table.parts, *lists]

    def fill(session: Session) -> list[Any]:
        return [*table.show(session), *_lists(session), *bar.look(session), _doubtful(session)]

    shell.refresh(tab, fill, [*all_parts, *bar.parts, doubtful])
    on(table.moved.change, _lists, shell, outputs=lists)
    on(save.click, lambda s, n: _save(table, s, n), shell, [name], all_parts, js=FLUSH_JS)
    on(load.click, lambda s, n: _load(table, s, n), shell, [chosen], table.parts)
    on(
        rename.click,
        lambda s, o, n, e: _rename(table, s, o, n, e),
        shell,
        [chosen, fresh, everywhere],
        [*all_parts, fresh],
    )
    on(delete.click, lambda s, n, e: _delete(table, s, n, e), shell, [chosen, everywhere], all_parts)
    on(every.click, lambda s: _every(table, s), shell, outputs=all_parts, show_progress="minimal")
    on(carry.click, lambda s: _carry(bar, s), shell, outputs=bar.parts)
    on(bar.ended.change, lambda s: [*table.show(s), *_lists(s), _doubtful(s)], shell, outputs=[*all_parts, doubtful])
    on_pick(doubtful.select, lambda s, i: table.go(s, s.memory["doubtful"][i]), shell, [*table.parts, table.moved])


def _lists(session: Session) -> list[Any]:
    photo = session.photo()
    if not photo:
        return ["", gr.update(choices=[]), gr.update(choices=[], value=None)]
    desk = session.open_bench.regions
    names = sorted(desk.names())
    here = desk.on(photo)
    total = session.open_bench.photos.count()
    rows = "".join(
        f"<li><i style='background:{COLOURS[names.index(r.name) % len(COLOURS)]}'></i>"
        f"<b>{html.escape(r.name)}</b><span>{_source(r)}</span><span>on {desk.names()[r.name]:,} of {total:,} photos</span></li>"
        for r in here
    )
    listed = f"<ul>{rows}</ul>" if rows else "<p class='fs-quiet'>No region on this photo yet.</p>"
    mine = [r.name for r in here]
    return [listed, gr.update(choices=names), gr.update(choices=mine, value=mine[0] if mine else None)]


def _source(row: Any) -> str:
    return "drawn" if row.source == "hand" else f"{row.source} {row.confidence:.0%}"


def _save(table: Table, session: Session, name: str | None) -> list[Any]:
    mask = session.mask()
    if mask is None:
        raise InputError("nothing is selected: click the part on the photo first")
    if not (name or "").strip():
        raise InputError("give the region a name, for example 'washer'")
    photo = session.photo()
    desk = session.open_bench.regions
    editing = session.memory.pop("editing", None)
    free = name if editing == name else desk.free_name(photo, str(name).strip())
    desk.save(photo, str(free), mask)
    session.masks.pop(photo, None)
    return [*table.show(session), *_lists(session)]


def _load(table: Table, session: Session, name: str | None) -> list[Any]:
    region = next((r for r in session.open_bench.regions.masks(session.photo()) if r.name == name), None)
    if region is None:
        raise InputError("choose a region of this photo to edit")
    session.set_mask(session.photo(), region.mask)
    session.memory["editing"] = region.name
    return table.show(session)


def _rename(table: Table, session: Session, old: str | None, new: str, everywhere: bool) -> list[Any]:
    if not old or not new.strip():
        raise InputError("rename: choose a region and give its new name")
    session.open_bench.regions.rename(None if everywhere else session.photo(), old, " ".join(new.split()))
    return [*table.show(session), *_lists(session), ""]


def _delete(table: Table, session: Session, name: str | None, everywhere: bool) -> list[Any]:
    if not name:
        raise InputError("delete: choose a region of this photo")
    session.open_bench.regions.delete(None if everywhere else session.photo(), name)
    return [*table.show(session), *_lists(session)]


def _every(table: Table, session: Session) -> list[Any]:
    found = session.open_bench.regions.auto(session.photo())
    gr.Info(f"{len(found)} regions found; rename the ones you need, delete the others.")
    return [*table.show(session), *_lists(session)]


def _carry(bar: JobBar, session: Session) -> list[Any]:
    session.batch_id = session.open_bench.regions.start_propagate()
    return bar.look(session)


def _doubtful(session: Session) -> Any:
    if session.bench is None:
        return gr.update(visible=False)
    doubtful = session.bench.regions.doubtful()[:40]
    session.memory["doubtful"] = [row.id for row, _ in doubtful]
    pictures = [(str(session.bench.photos.thumbnail(r.id)), f"{Path(r.name).name} {c:.0%}") for r, c in doubtful]
    return gr.update(value=pictures, visible=bool(pictures))
