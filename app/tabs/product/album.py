"""The right column of Product: what the project holds."""

from __future__ import annotations

import html
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from app.components.import_review import current_draft
from app.components.split_panel import TO_TEST, SplitPanel, chip_html
from app.page_context import PageContext, on, on_gallery_select
from app.session import Session
from app.tabs.concepts.mask_drawing import FOCUS_JS, edit_example
from core.errors import StoreError

PAGE_SIZE = 60
GOOD, REAL = "good", "real"
REMOVE = "Remove from project"

WELCOME = """<div class="fs-empty"><h2>Start with photos of good parts</h2>
<p>To look around first, choose a <b>demo</b> in the list of projects on the left.</p>
<p>Drop a folder, a zip or some files on the left, or give a path on this machine. Flawsmith reads PNG, JPEG, TIFF,
BMP and WebP, also greyscale and 16-bit, and whole MVTec AD or LOCO folders with their labelled anomalies.</p>
<p>Then: <b>Regions</b> names the parts of the product, <b>Studio</b> makes anomalies, <b>Review</b> keeps the good
ones, <b>Export</b> writes the dataset.</p></div>"""

logger = logging.getLogger(__name__)

_HIDDEN = gr.update(visible=False)
_NO_ALBUM = (_HIDDEN, *[gr.skip()] * 5, _HIDDEN, "", _HIDDEN)
"""Updates that hide all of ``ProjectGallery.parts`` after the welcome."""


class ProjectGallery:
    """The right column: what the project holds."""

    def __init__(self) -> None:
        self.welcome = gr.HTML(WELCOME)
        with gr.Row(visible=False, elem_classes="fs-pager fs-album", equal_height=True) as self.head:
            self.kind = gr.Radio([("Good parts", GOOD), ("Real anomalies", REAL)], value=GOOD, show_label=False,
                                 container=False, elem_classes="fs-segments", elem_id="fs-album-kind")  # fmt: skip
            self.back = gr.Button("‹", size="sm", scale=0, min_width=36, elem_id="fs-album-back")
            self.where = gr.HTML(elem_classes="fs-quiet")
            self.forth = gr.Button("›", size="sm", scale=0, min_width=36, elem_id="fs-album-forth")
            self.summary = gr.HTML(elem_classes="fs-quiet fs-right")
        above = gr.Column(min_width=0)
        with gr.Row(visible=False, elem_classes="fs-picked", equal_height=True) as self.picked:
            self.about = gr.HTML(elem_id="fs-picked")
            self.work = gr.Button("Work on it in Studio", size="sm", scale=0, min_width=150, elem_id="fs-to-studio")
            self.open = gr.Button("Open: mask and label", size="sm", scale=0, min_width=150, elem_id="fs-open-real")
            self.move = gr.Button(TO_TEST, visible=False, size="sm", scale=0, min_width=130, elem_id="fs-split-move")
            self.remove = gr.Button(REMOVE, size="sm", scale=0, min_width=150, elem_id="fs-remove")
        with above:
            self.split = SplitPanel(self.move)
        self.gallery = gr.Gallery(show_label=False, height="auto", allow_preview=False, visible=False, buttons=[],
                                  object_fit="contain", elem_classes="fs-gallery", elem_id="fs-album")  # fmt: skip
        self.parts = [self.welcome, self.head, self.kind, self.back, self.where, self.forth, self.summary,
                      self.picked, self.about, self.gallery, *self.split.parts]  # fmt: skip

    def show(self, session: Session) -> list[Any]:
        """Updates for ``parts``: what the project holds, and its split where the real anomalies are shown."""
        updates = album_updates(session)
        real = session.memory.product.kind == REAL and _is_listed(session)
        return [*updates, *self.split.show(session, real)]

    def wire(self, shell: PageContext) -> None:
        """What a person does with what is shown."""
        shown = self.parts
        for button, step in ((self.back, -1), (self.forth, 1)):
            on(button.click, self._then_show(lambda s, step=step: _turn_page(s, step)), shell, outputs=shown)
        on(self.kind.input, self._then_show(_switch), shell, [self.kind], shown)
        on(self.split.share.input, self._share, shell, [self.split.share], [*shown, self.move])
        on(self.move.click, self._move, shell, outputs=[*shown, self.move])
        picked = [self.picked, self.about, self.work, self.remove, self.open, self.move]
        on_gallery_select(self.gallery.select, _pick, shell, picked, trigger_mode="always_last")
        on(self.open.click, _open_real, shell, outputs=[shell.tabs]).success(None, js=FOCUS_JS)
        on(self.work.click, _work_on, shell, outputs=[shell.tabs])
        on(self.remove.click, self._remove, shell, outputs=[*shown, self.remove])

    def _then_show(self, handler: Callable[..., None]) -> Callable[..., list[Any]]:
        def acted(session: Session, *values: Any) -> list[Any]:
            handler(session, *values)
            return self.show(session)

        return acted

    def _share(self, session: Session, chosen: str) -> list[Any]:
        self.split.choose(session, chosen)
        return [*self.show(session), self.split.move_update(session, session.memory.product.picked)]

    def _move(self, session: Session) -> list[Any]:
        self.split.move_picked(session, session.memory.product.picked)
        return [*self.show(session), self.split.move_update(session, session.memory.product.picked)]

    def _remove(self, session: Session) -> list[Any]:
        at = session.memory.product.picked
        good, photos = session.memory.product.kind == GOOD, session.required_api.photos
        if not at or session.memory.product.removing != at:
            session.memory.product.removing = at
            sure = "Remove it with its samples?" if good else "Remove this anomaly?"
            return [*[gr.skip()] * len(self.parts), gr.update(value=sure, variant="stop")]
        photos.remove([at]) if good else photos.remove_examples([at])
        session.memory.product.picked = session.memory.product.removing = ""
        return [*self.show(session), gr.update(value=REMOVE, variant="secondary")]


def _switch(session: Session, kind: str) -> None:
    session.memory.product.kind, session.memory.product.page, session.memory.product.picked = kind, 0, ""


def _pick(session: Session, index: int) -> list[Any]:
    session.memory.product.picked = session.memory.product.ids[index]
    return _picked_updates(session)


def _work_on(session: Session) -> Any:
    session.normal_id = session.memory.product.picked
    return gr.Tabs(selected="studio")


def _open_real(session: Session) -> Any:
    edit_example(session, session.memory.product.picked)
    return gr.Tabs(selected="concepts")


def _is_listed(session: Session) -> bool:
    """Whether the album shows real anomalies now, and no import is looked at; not where they cannot be read."""
    try:
        return session.api is not None and current_draft(session) is None and bool(session.api.photos.examples())
    except StoreError:
        return False


def album_updates(session: Session) -> list[Any]:
    """Updates for the parts of ``ProjectGallery`` but its split; what is wrong where the project cannot be read."""
    try:
        return _content_updates(session)
    except StoreError as error:  # another project can still be chosen
        logger.warning("%s", error)
        said = f'<div class="fs-empty"><h2>This project cannot be shown</h2><p>{html.escape(str(error))}</p></div>'
        return [gr.update(value=said, visible=True), *_NO_ALBUM]


def _content_updates(session: Session) -> list[Any]:
    hidden, welcome = gr.update(visible=False), gr.update(value=WELCOME, visible=True)
    if session.api is None:
        return [welcome, *_NO_ALBUM]
    if current_draft(session) is not None:
        return [hidden, *_NO_ALBUM]
    good, real = session.api.photos.count(), len(session.api.photos.examples())
    if not good and not real:
        return [welcome, *_NO_ALBUM]
    kind = (session.memory.product.kind or GOOD) if real and good else (GOOD if good else REAL)
    session.memory.product.kind = kind
    total = good if kind == GOOD else real
    page = min(session.memory.product.page, (total - 1) // PAGE_SIZE)
    session.memory.product.page = page
    pictures, session.memory.product.ids = _pictures(session, kind, page)
    kinds = gr.update(choices=[(f"Good parts ({good:,})", GOOD), (f"Real anomalies ({real:,})", REAL)], value=kind,
                      visible=bool(real))  # fmt: skip
    ids = session.memory.product.ids
    at = ids.index(session.memory.product.picked) if session.memory.product.picked in ids else None
    if at is None:
        session.memory.product.picked = ""
    picked, about, *_ = _picked_updates(session)
    many = gr.update(visible=total > PAGE_SIZE)
    gallery = gr.update(value=pictures, visible=True, selected_index=at)
    span = f"{page * PAGE_SIZE + 1:,} to {page * PAGE_SIZE + len(pictures):,} of {total:,}"
    return [hidden, gr.update(visible=True), kinds, many, span, many, _summary(session), picked, about, gallery]


def _pictures(session: Session, kind: str, page: int) -> tuple[list[tuple[str, str]], list[str]]:
    desk = session.required_api.photos
    if kind == GOOD:
        rows = desk.page(page * PAGE_SIZE, PAGE_SIZE)
        return [(str(desk.thumbnail(r.id)), Path(r.name).name) for r in rows], [r.id for r in rows]
    examples = desk.examples()[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
    named = [(str(desk.example_thumbnail(e)), f"{e.label} · test" if e.part == "test" else e.label) for e in examples]
    return named, [e.id for e in examples]


def _summary(session: Session) -> str:
    desk = session.required_api.photos
    if session.memory.product.kind == REAL:
        parts = desk.part_counts().items()
        return "".join(chip_html(label, n.get("learn", 0) + n.get("", 0), n.get("test", 0)) for label, n in parts)
    rows = desk.page()
    sizes = {(r.width, r.height) for r in rows}
    small, large = min(sizes, key=lambda s: s[0] * s[1]), max(sizes, key=lambda s: s[0] * s[1])
    size = f"{small[0]} × {small[1]}" + (f" to {large[0]} × {large[1]} px" if small != large else " px")
    grey = sum(r.grey for r in rows)
    colour = "greyscale" if grey == len(rows) else "colour" if not grey else f"{grey:,} of them greyscale"
    return f"{size}, {colour}"


def _picked_updates(session: Session) -> list[Any]:
    at = session.memory.product.picked
    if not at or session.api is None:
        return [gr.update(visible=False), "", gr.skip(), gr.skip(), gr.skip(), gr.skip()]
    session.memory.product.removing = ""
    desk, good = session.api.photos, session.memory.product.kind == GOOD
    if good:
        photo = desk.row(at)
        name, said = photo.name, ", ".join((f"{photo.width} × {photo.height}", *photo.notes))
    else:
        real = desk.example(at)
        name, said = real.name, f"{real.width} × {real.height}, {real.label}, {len(real.mask_paths)} masked defects"
        said += {"": "", "learn": ", learned from", "test": ", kept for the test"}[real.part]
    text = f"<b>{html.escape(name)}</b> <span class='fs-quiet'>{html.escape(said)}</span>"
    remove = gr.update(value=REMOVE, variant="secondary")
    move = SplitPanel.move_update(session, "" if good else at)
    return [gr.update(visible=True), text, gr.update(visible=good), remove, gr.update(visible=not good), move]


def _turn_page(session: Session, step: int) -> None:
    desk = session.required_api.photos
    total = desk.count() if (session.memory.product.kind or GOOD) == GOOD else len(desk.examples())
    session.memory.product.page = (session.memory.product.page + step) % max(1, -(-total // PAGE_SIZE))
    session.memory.product.picked = ""
