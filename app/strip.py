"""The strip of previews in the Studio: variants, the chosen one beside its photo, keep or discard."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from app.session import Session
from app.shell import Shell, on, on_pick
from core.errors import InputError
from core.types import Verdict
from core.workbench.review import Comparison

SCORES = (
    ("mask_covered", "mask that changed", "{:.0%}"),
    ("change_inside", "strength", "{:.1%}"),
    ("change_outside", "changed outside", "{:.0f} px"),
    ("seam_contrast", "seam", "{:.1f}×"),
)
MARKS = {"kept": "✓ ", "rejected": "✕ ", "new": ""}


class Strip:
    """Previews of the session's last studio job."""

    def __init__(self, shell: Shell) -> None:
        self.gallery = gr.Gallery(show_label=False, columns=8, height="auto", allow_preview=False, visible=False,
                                  object_fit="contain", elem_classes="fs-gallery fs-strip", elem_id="fs-strip")  # fmt: skip
        with gr.Row(visible=False, equal_height=False, elem_classes="fs-compare") as self.detail:
            with gr.Column(scale=5, min_width=260):
                self.slider = gr.ImageSlider(label="Photo and sample", max_height=420, interactive=False, format="png",
                                             elem_id="fs-slider", buttons=["fullscreen"])  # fmt: skip
            with gr.Column(scale=4, min_width=220):
                with gr.Row():
                    self.mask = gr.Image(label="Mask", interactive=False, height=180, format="png", buttons=[])
                    self.change = gr.Image(
                        label="What changed", interactive=False, height=180, format="png", buttons=[]
                    )
                self.facts = gr.HTML(elem_id="fs-facts")
                with gr.Row():
                    self.keep = gr.Button("Keep (A)", variant="primary", elem_id="fs-keep", elem_classes="fs-key-keep")
                    self.discard = gr.Button("Discard (R)", elem_id="fs-discard", elem_classes="fs-key-reject")
                    self.keep_all = gr.Button("Keep all", min_width=80, elem_id="fs-keep-all")
        self.parts = [self.gallery, self.detail, self.slider, self.mask, self.change, self.facts]
        on_pick(self.gallery.select, self._pick, shell, self.parts)
        on(self.keep.click, lambda s: self._judge(s, Verdict.KEPT), shell, outputs=self.parts)
        on(self.discard.click, lambda s: self._judge(s, Verdict.REJECTED), shell, outputs=self.parts)
        on(self.keep_all.click, self._keep_all, shell, outputs=self.parts)

    def show(self, session: Session) -> list[Any]:
        """Updates for ``parts``: the previews so far and the chosen one."""
        if session.bench is None or not session.job_id:
            return [gr.update(visible=False), gr.update(visible=False), *[gr.skip()] * 4]
        rows = session.bench.studio.samples_of(session.job_id)
        ids = [r.id for r in rows]
        if session.sample_id not in ids:
            session.sample_id = ids[0] if ids else ""
        desk = session.bench.review
        pictures = [(str(desk.thumbnail(r)), MARKS[r.verdict] + f"{i + 1}") for i, r in enumerate(rows)]
        chosen = ids.index(session.sample_id) if session.sample_id else None
        gallery = gr.update(value=pictures, visible=bool(rows), selected_index=chosen)
        session.memory["strip"] = ids
        return [gallery, gr.update(visible=bool(rows)), *(_detail(session) if rows else [gr.skip()] * 4)]

    def grow(self, session: Session) -> list[Any]:
        """The same, but nothing is touched while no new preview has come."""
        if session.bench is None or not session.job_id:
            return [gr.skip()] * len(self.parts)
        ids = [r.id for r in session.bench.studio.samples_of(session.job_id)]
        return [gr.skip()] * len(self.parts) if ids == session.memory.get("strip") else self.show(session)

    def _pick(self, session: Session, index: int) -> list[Any]:
        session.sample_id = session.memory["strip"][index]
        return [gr.skip(), gr.skip(), *_detail(session)]

    def _judge(self, session: Session, verdict: Verdict) -> list[Any]:
        if not session.sample_id:
            raise InputError("generate something first, then keep or discard it")
        session.open_bench.review.set_verdict([session.sample_id], verdict)
        ids = session.memory.get("strip", [])
        rows = {r.id: r for r in session.open_bench.studio.samples_of(session.job_id)}
        waiting = [i for i in ids if rows[i].verdict == Verdict.NEW]
        session.sample_id = waiting[0] if waiting else session.sample_id
        return self.show(session)

    def _keep_all(self, session: Session) -> list[Any]:
        rows = session.open_bench.studio.samples_of(session.job_id)
        session.open_bench.review.set_verdict([r.id for r in rows if r.verdict == Verdict.NEW], Verdict.KEPT)
        return self.show(session)


def _detail(session: Session) -> list[Any]:
    desk = session.open_bench.review
    seen = desk.compare(session.sample_id)
    pair = (str(seen.source_path), str(seen.image_path))
    change = seen.attention_path or desk.difference(session.sample_id)
    return [pair, str(seen.mask_path), str(change), facts(seen)]


def facts(seen: Comparison) -> str:
    """Scores and origin of a sample as a small table, HTML."""
    row = seen.sample
    cells = "".join(
        f"<div><dt>{title}</dt><dd>{form.format(row.scores[name])}</dd></div>"
        for name, title, form in SCORES
        if name in row.scores
    )
    why = f"<p class='fs-quiet'>{html.escape(row.reason)}</p>" if row.reason else ""
    return (
        f"<div class='fs-facts'><p><b>{html.escape(row.label)}</b> · {html.escape(row.engine)} · seed {row.seed}"
        f"<span class='fs-verdict' data-verdict='{row.verdict}'>{row.verdict}</span></p><dl>{cells}</dl>{why}</div>"
    )
