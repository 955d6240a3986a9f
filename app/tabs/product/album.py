"""The right column of Product: what the project holds."""

from __future__ import annotations

import html
import logging
from collections.abc import Callable
from typing import Any

import gradio as gr

from app.components.import_review import current_draft
from app.components.photo_panel import SERIAL_EVENTS
from app.components.split_panel import SplitPanel, chip_html
from app.modules import on_load
from app.page_context import PageContext, on, on_html_event
from app.session import Session
from app.tab_memory import ProductMemory
from app.tabs.product.album_grid import example_grid_html, photo_grid_html
from app.tabs.product.picked_panel import GOOD, REAL, PickedPanel
from core.api.album import ORDERS
from core.errors import StoreError

PAGE_SIZE = 60

WELCOME = """<div class="fs-empty"><h2>Start with photos of good parts</h2>
<p>To look around first, choose a <b>demo</b> in the list of projects on the left.</p>
<p>Drop a folder, a zip or some files on the left, or give a path on this machine. Flawsmith reads PNG, JPEG, TIFF,
BMP and WebP, also greyscale and 16-bit, and whole MVTec AD or LOCO folders with their labelled anomalies.</p>
<p>Then: <b>Regions</b> names the parts of the product, <b>Studio</b> makes anomalies, <b>Review</b> keeps the good
ones, <b>Export</b> writes the dataset.</p></div>"""

logger = logging.getLogger(__name__)

_HIDDEN = gr.update(visible=False)
_NO_ALBUM = (_HIDDEN, _HIDDEN, *[gr.skip()] * 5, _HIDDEN)
"""Updates that hide the parts of ``ProjectGallery`` after the welcome, but for what is picked and the split."""


class ProjectGallery:
    """The right column: what the project holds. ``show`` updates ``parts``, ``fill`` the ``controls``."""

    def __init__(self) -> None:
        self.welcome = gr.HTML(WELCOME)
        with gr.Row(visible=False, elem_classes="fs-pager fs-album", equal_height=True) as self.head:
            self.kind = gr.Radio([("Good parts", GOOD), ("Real anomalies", REAL)], value=GOOD, show_label=False,
                                 container=False, elem_classes="fs-segments", elem_id="fs-album-kind")  # fmt: skip
            self.back = gr.Button("‹", size="sm", scale=0, min_width=36, elem_id="fs-album-back")
            self.where = gr.HTML(elem_classes="fs-quiet", elem_id="fs-album-where")
            self.forth = gr.Button("›", size="sm", scale=0, min_width=36, elem_id="fs-album-forth")
            self.summary = gr.HTML(elem_classes="fs-quiet fs-right")
        with gr.Row(visible=False, elem_classes="fs-tight fs-album-find", equal_height=True) as self.find:
            self.search = gr.Textbox(label="Search", show_label=False, container=False, max_lines=1, scale=0,
                                     placeholder="Search by name or label", min_width=240,
                                     elem_id="fs-album-search")  # fmt: skip
            orders = [(words, name) for name, words in ORDERS.items()]
            self.order = gr.Dropdown(orders, value="imported", label="Order", show_label=False, container=False,
                                     scale=0, min_width=150, interactive=True, elem_id="fs-album-order")  # fmt: skip
        above = gr.Column(min_width=0)
        self.picked = PickedPanel()
        with above:
            self.split = SplitPanel(self.picked.move)
        self.gallery = gr.HTML(js_on_load=on_load("app/tabs/product/album_grid.js", "album_chosen"), visible=False,
                               elem_id="fs-album")  # fmt: skip
        self.controls = [self.search, self.order]
        self.parts = [self.welcome, self.head, self.find, self.kind, self.back, self.where, self.forth, self.summary,
                      self.gallery, *self.picked.parts, *self.split.parts]  # fmt: skip

    def show(self, session: Session) -> list[Any]:
        """Updates for ``parts``: what the project holds, and its split where the real anomalies are shown."""
        updates = album_updates(session)
        real = session.memory.product.kind == REAL and _is_listed(session)
        return [*updates, *self.picked.show(session), *self.split.show(session, real)]

    @staticmethod
    def fill(session: Session) -> list[Any]:
        """Updates for ``controls``: as the session has them, so that a reload finds them."""
        return [session.memory.product.search, session.memory.product.order]

    def wire(self, shell: PageContext) -> None:
        """What a person does with what is shown."""
        shown = self.parts
        for button, step in ((self.back, -1), (self.forth, 1)):
            turn = self._then_show(lambda s, step=step: _turn_page(s, step))
            on(button.click, turn, shell, outputs=shown, role="viewer")
        on(self.kind.input, self._then_show(_switch), shell, [self.kind], shown, role="viewer")
        # A field's first input after the server filled it in goes unheard, its change does not.
        on(self.search.change, self._search, shell, [self.search], shown, role="viewer", trigger_mode="always_last")
        on(self.order.input, self._then_show(_sort), shell, [self.order], shown, role="viewer")
        on(self.split.share.input, self._then_show(self.split.choose), shell, [self.split.share], shown)
        on_html_event(
            self.gallery.album_chosen, self._choose, shell, self.picked.parts, role="viewer", **SERIAL_EVENTS
        )
        self.picked.wire(shell, self.show, shown)

    def _choose(self, session: Session, sent: dict[str, Any]) -> list[Any]:
        ids = sent.get("ids")
        session.memory.product.picked = [str(i) for i in ids][:PAGE_SIZE] if isinstance(ids, list) else []
        session.memory.product.removing = []
        return self.picked.show(session)

    def _search(self, session: Session, search: str) -> list[Any]:
        if search == session.memory.product.search:
            return [gr.skip()] * len(self.parts)
        session.memory.product.search, session.memory.product.page = search, 0
        return self.show(session)

    def _then_show(self, handler: Callable[..., None]) -> Callable[..., list[Any]]:
        def acted(session: Session, *values: Any) -> list[Any]:
            handler(session, *values)
            return self.show(session)

        return acted


def _switch(session: Session, kind: str) -> None:
    session.memory.product.kind, session.memory.product.page, session.memory.product.picked = kind, 0, []


def _sort(session: Session, order: str) -> None:
    session.memory.product.order, session.memory.product.page = order, 0


def _is_listed(session: Session) -> bool:
    """Whether the album shows real anomalies now, and no import is looked at; not where they cannot be read."""
    try:
        return session.api is not None and current_draft(session) is None and bool(session.api.photos.examples())
    except StoreError:
        return False


def album_updates(session: Session) -> list[Any]:
    """Updates for the parts of ``ProjectGallery`` up to its tiles; what is wrong where the project cannot be read."""
    try:
        return _content_updates(session)
    except StoreError as error:  # another project can still be chosen
        logger.warning("%s", error)
        said = f'<div class="fs-empty"><h2>This project cannot be shown</h2><p>{html.escape(str(error))}</p></div>'
        return [gr.update(value=said, visible=True), *_NO_ALBUM]


def _content_updates(session: Session) -> list[Any]:
    hidden, welcome, product = gr.update(visible=False), gr.update(value=WELCOME, visible=True), session.memory.product
    if session.api is None:
        return [welcome, *_NO_ALBUM]
    if current_draft(session) is not None:
        return [hidden, *_NO_ALBUM]
    photos = session.api.photos
    good, real = photos.count(), len(photos.examples())
    if not good and not real:
        return [welcome, *_NO_ALBUM]
    product.kind = (product.kind or GOOD) if real and good else (GOOD if good else REAL)
    pictures, span, many = _page_of(session)
    kinds = gr.update(choices=[(f"Good parts ({good:,})", GOOD), (f"Real anomalies ({real:,})", REAL)],
                      value=product.kind, visible=bool(real))  # fmt: skip
    seen, turns = gr.update(visible=True), gr.update(visible=many)
    gallery = gr.update(value=pictures, visible=True)
    return [hidden, seen, seen, kinds, turns, span, turns, _summary(session), gallery]


def _page_of(session: Session) -> tuple[str, str, bool]:
    """The tiles of the session's page, HTML, which of how many they are in words, and whether there are more pages."""
    product, photos = session.memory.product, session.required_api.photos
    if product.kind == GOOD:
        good = photos.find(product.search, product.order)
        part = _part_shown(product, [row.id for row in good])
        return photo_grid_html(session, good[part]), *_place_in_words(part, len(good))
    real = photos.find_examples(product.search, product.order)
    part = _part_shown(product, [row.id for row in real])
    return example_grid_html(session, real[part]), *_place_in_words(part, len(real))


def _part_shown(product: ProductMemory, ids: list[str]) -> slice:
    """The places of the page; only what is on it stays picked."""
    product.page = max(0, min(product.page, (len(ids) - 1) // PAGE_SIZE))
    part = slice(product.page * PAGE_SIZE, (product.page + 1) * PAGE_SIZE)
    shown = set(ids[part])
    product.picked = [i for i in product.picked if i in shown]
    return part


def _place_in_words(part: slice, total: int) -> tuple[str, bool]:
    said = f"{part.start + 1:,} to {min(part.stop, total):,} of {total:,}" if total else "none found"
    return said, total > PAGE_SIZE


def _summary(session: Session) -> str:
    desk = session.required_api.photos
    if session.memory.product.kind == REAL:
        parts = desk.part_counts().items()
        return "".join(chip_html(label, n.get("learn", 0) + n.get("", 0), n.get("test", 0)) for label, n in parts)
    sizes = desk.sizes()
    small, large = min(sizes, key=lambda s: s[0] * s[1]), max(sizes, key=lambda s: s[0] * s[1])
    size = f"{small[0]} × {small[1]}" + (f" to {large[0]} × {large[1]} px" if small != large else " px")
    grey, total = sum(many for _, many in sizes.values()), desk.count()
    colour = "greyscale" if grey == total else "colour" if not grey else f"{grey:,} of them greyscale"
    return f"{size}, {colour}"


def _turn_page(session: Session, step: int) -> None:
    product, photos = session.memory.product, session.required_api.photos
    find = photos.find if product.kind == GOOD else photos.find_examples
    total = len(find(product.search, product.order))
    product.page = (product.page + step) % max(1, -(-total // PAGE_SIZE))
    product.picked = []
