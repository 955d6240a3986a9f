"""The mask of a real defect, drawn on the same canvas as in Studio; several photos one after the other."""

from __future__ import annotations

import html
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import gradio as gr

from app.canvas.canvas import FLUSH_JS, MaskCanvas
from app.canvas.protocol import canvas_value, mask_reply, parse_mask, parse_segment, segment_reply
from app.components.labels import SUGGESTED_LABELS, normalized_label
from app.components.photo_panel import SERIAL_EVENTS
from app.page_context import PageContext, on
from app.session import Session, file_url, requested_session
from core.api.concepts.examples import ExamplesApi, MaskDraft
from core.errors import FlawsmithError, InputError
from core.types import Kind, Mask

CANVAS_HEIGHT = "clamp(300px, calc(100vh - 234px), 980px)"
KINDS = [("structural", "structural"), ("logical", "logical"), ("combined", "combined")]
HINT = """<p class="fs-hint">Click the defect; right-click or <kbd>Shift</kbd>-click what does not belong to it. Or
paint it with the brush <kbd>B</kbd>. Cover the whole defect and little else: everything inside the mask is learned as
the defect. <kbd>Enter</kbd> saves.</p>"""
FOCUS_JS = """() => setTimeout(() => {
  const stage = document.querySelector("#fs-concepts-canvas .fsc-stage");
  if (stage && stage.offsetParent) stage.focus({ preventScroll: true });
  window.scrollTo({ top: 0 });
}, 60)"""


class MaskDrawing:
    """Canvas in the main column. ``parts`` is what ``show`` updates; ``build_side`` adds the right-hand column."""

    def __init__(self, shell: PageContext) -> None:
        self.shell = shell
        with gr.Column(visible=False, elem_classes="fs-studio-photo", elem_id="fs-cx-draw") as self.box:
            with gr.Row(equal_height=True, elem_classes="fs-nav"):
                self.title = gr.HTML(elem_classes="fs-photo-title", elem_id="fs-concepts-title")
            self.canvas = MaskCanvas(
                handlers={"segment": _segment, "put_mask": _put_mask},
                tall=CANVAS_HEIGHT,
                elem_id="fs-concepts-canvas",
                empty="No photo here.",
            )

    def build_side(self) -> None:
        """Label and kind, save and cancel."""
        with gr.Column(visible=False, elem_classes="fs-side", elem_id="fs-cx-draw-side") as self.beside:
            with gr.Column(elem_classes="fs-side-scroll"), gr.Column(elem_classes="fs-panel"):
                gr.HTML(HINT)
                self.label = gr.Dropdown([], label="Label", allow_custom_value=True, elem_id="fs-cx-draw-label",
                                         info="What this defect is called, for example scratch.")  # fmt: skip
                self.kind = gr.Radio(KINDS, value="structural", label="Anomaly kind", elem_id="fs-cx-kind",
                                     elem_classes="fs-segments")  # fmt: skip
            with gr.Column(elem_classes="fs-side-foot"), gr.Row(elem_classes="fs-tight", equal_height=True):
                self.save = gr.Button("Save the example", variant="primary", scale=3, min_width=120,
                                      elem_id="fs-cx-save")  # fmt: skip
                self.cancel = gr.Button("Cancel", scale=1, min_width=70, elem_id="fs-cx-cancel")
        self.parts = [self.box, self.beside, self.canvas, self.title, self.label, self.kind, self.cancel]

    def is_drawing(self, session: Session) -> bool:
        """Whether a photo is on the canvas."""
        return bool(session.api is not None and session.memory.concepts.drafts)

    def add_photos(self, session: Session, paths: Sequence[str] | None) -> None:
        """Photos that a person uploaded; those that are none are named, the others come on the canvas."""
        desk, drafts, problems = session.required_api.concepts.examples, [], []
        for path in paths or ():
            try:
                drafts.append(desk.import_photo(Path(path)))
            except InputError as error:
                problems.append(str(error))
        if not drafts:
            raise InputError(problems[0] if problems else "no photo was chosen")
        for problem in problems:
            gr.Warning(problem, title="Left out", duration=12)
        start_drawing(session, drafts, None)

    def edit_example(self, session: Session, sent: dict[str, object]) -> None:
        """An example's mask on the canvas again."""
        edit_example(session, str(sent.get("id", "")))

    def save_example(self, session: Session, label: str | None, kind: str | None) -> None:
        """Save the drawn mask as an example and take up the next photo; InputError says what is missing."""
        draft = current_draft(session)
        if draft is None:
            raise InputError("there is no photo on the canvas any more: add it again")
        name = normalized_label(label)
        if not name:
            raise InputError("give the defect a label, for example scratch")
        drawn = session.masks.get(_key(draft))
        session.required_api.concepts.examples.save(draft, drawn, name, cast(Kind, kind or draft.kind))
        session.memory.concepts.draft_label, session.memory.concepts.draft_kind = name, kind or ""
        self.close_photo(session)

    def close_photo(self, session: Session) -> None:
        """Take the photo off the canvas; the next one comes."""
        drafts = session.memory.concepts.drafts
        if drafts:
            session.masks.drop(_key(drafts.pop(0)))
            session.memory.concepts.drafted += 1
        if drafts:
            _set_mask(session, None)

    def show(self, session: Session) -> list[object]:
        """Updates for ``parts``."""
        draft = current_draft(session)
        if draft is None:
            hidden = gr.update(visible=False)
            return [hidden, hidden, None, "", gr.skip(), gr.skip(), gr.skip()]
        bench = session.required_api
        runs = session.masks.runs(_key(draft), draft.shape)
        value = canvas_value(draft.id, file_url(draft.path), draft.width, draft.height, session.ticket, mask_rle=runs,
                             segmenter=bench.regions.segmenter().title)  # fmt: skip
        done, waiting = session.memory.concepts.drafted, len(session.memory.concepts.drafts)
        place = f"{done + 1:,} of {done + waiting:,} · " if done + waiting > 1 else ""
        title = (
            f"<span class='fs-photo-name'>{html.escape(draft.name)}</span> "
            f"<span class='fs-quiet'>{place}{draft.width} × {draft.height}</span>"
        )
        used = sorted({card.row.label for card in bench.concepts.examples.cards()})
        choices = list(dict.fromkeys([*used, *SUGGESTED_LABELS["structural"], *SUGGESTED_LABELS["logical"]]))
        label = draft.label or session.memory.concepts.draft_label or (used[0] if len(used) == 1 else None)
        kind = draft.kind if draft.replaces else session.memory.concepts.draft_kind or "structural"
        seen = gr.update(visible=True)
        cancel = gr.update(value="Skip" if waiting > 1 else "Cancel")
        return [seen, seen, value, title, gr.update(choices=choices, value=label), kind, cancel]

    def wire(self, handler: Any, outputs: Sequence[Any]) -> None:
        """Save, Enter and cancel; ``handler(session)`` gives updates for ``outputs`` after each."""

        def keep(session: Session, label: str | None, kind: str | None) -> Any:
            self.save_example(session, label, kind)
            return handler(session)

        def leave(session: Session) -> Any:
            self.close_photo(session)
            return handler(session)

        for press in (self.save.click, self.canvas.confirmed):
            on(press, keep, self.shell, [self.label, self.kind], outputs, js=FLUSH_JS, **SERIAL_EVENTS)
        on(self.cancel.click, leave, self.shell, outputs=outputs, **SERIAL_EVENTS)


def edit_example(session: Session, example_id: str) -> None:
    """Put a real anomaly on the canvas of the Concepts tab, with its mask; NotFound."""
    draft, mask = session.required_api.concepts.examples.edit_mask(example_id)
    start_drawing(session, [draft], mask)


def start_drawing(session: Session, drafts: Sequence[MaskDraft], mask: Mask | None) -> None:
    """Photos on the canvas, one after the other; ``mask`` belongs to the first."""
    session.memory.concepts.drafts = list(drafts)
    session.memory.concepts.drafted = 0
    _set_mask(session, mask)


def _set_mask(session: Session, mask: Mask | None) -> None:
    draft = session.memory.concepts.drafts[0]
    with session.lock:
        session.masks.drop(_key(draft))
        if mask is not None:
            session.masks.put(_key(draft), mask)
    desk = session.required_api.concepts.examples
    threading.Thread(target=_prepare, args=(desk, draft), daemon=True).start()


def current_draft(session: Session) -> MaskDraft | None:
    """The photo on the canvas."""
    drafts = session.memory.concepts.drafts if session.api is not None else []
    return drafts[0] if drafts else None


def _prepare(desk: ExamplesApi, draft: MaskDraft) -> None:
    try:
        desk.prepare(draft)
    except FlawsmithError:
        return  # the click itself will say what is wrong


def _key(draft: MaskDraft) -> str:
    return f"concepts/{draft.id}"


def _segment(data: dict[str, Any]) -> dict[str, Any]:
    """The canvas asks for masks at clicks."""
    session, draft = _session_and_draft(data)
    query = parse_segment(data, draft.width, draft.height)
    bench = session.required_api
    mask = bench.masks.decode(list(query.runs), draft.shape) if query.runs else None
    clicks = [(p.x, p.y, p.positive) for p in query.points]
    found = bench.concepts.examples.click(draft, clicks, query.box_xyxy, mask)
    return segment_reply([(c.run_lengths(), c.score) for c in found], query.seq, bench.regions.segmenter().title, 0.0)


def _put_mask(data: dict[str, Any]) -> dict[str, Any]:
    """The canvas hands over the mask as it is now; an older one than we have is acknowledged and dropped."""
    session, draft = _session_and_draft(data)
    update = parse_mask(data, draft.width, draft.height)
    with session.lock:
        session.masks.put_runs(_key(draft), update.runs, draft.shape, update.seq)
    return mask_reply(update)


def _session_and_draft(data: dict[str, Any]) -> tuple[Session, MaskDraft]:
    session = requested_session(data.get("sid"))
    draft = current_draft(session)
    if draft is None or draft.id != data.get("image_id"):
        raise InputError("canvas: this photo is not being drawn on any more; add it again")
    return session, draft
