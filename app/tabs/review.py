"""Review: page through samples, compare with the photo, keep or reject with the keyboard, undo."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from app import forms
from app.session import Session
from app.shell import Shell, on, on_pick
from app.strip import facts
from core.errors import InputError
from core.types import Verdict
from core.workbench import SampleFilter
from core.workbench.review import Rules, believability

PAGE = 48
ORDERS = {
    "newest first": ("created", True), "oldest first": ("created", False),
    "strongest first": ("change_inside", True), "weakest first": ("change_inside", False),
    "least covered mask first": ("mask_covered", False), "hardest seam first": ("seam_contrast", True),
}  # fmt: skip
EMPTY = """<div class="fs-empty"><h2>Nothing to review here</h2><p>Make anomalies in <b>Studio</b>, one by one or in
bulk; they wait here for your verdict. If you set a filter above, loosen it.</p></div>"""


def build(shell: Shell) -> None:
    """The tab."""
    with gr.Tab("Review", id="review") as tab:
        with gr.Row(equal_height=True, elem_classes="fs-filters"):
            verdict = gr.Radio(["new", "kept", "rejected", "all"], value="new", label="Show", scale=3)
            label = gr.Dropdown(["all"], value="all", label="Label", scale=2, min_width=110)
            engine = gr.Dropdown(["all"], value="all", label="Engine", scale=2, min_width=110)
            order = gr.Dropdown(list(ORDERS), value="newest first", label="Order", scale=2, min_width=140)
            covered = gr.Slider(0, 1, value=0, step=0.05, label="Mask covered at least", scale=2, min_width=130)
        filters = [verdict, label, engine, order, covered]
        with gr.Row(equal_height=False):
            with gr.Column(scale=6, min_width=420):
                with gr.Row(equal_height=True, elem_classes="fs-pager"):
                    back = gr.Button("‹", size="sm", scale=0, min_width=36)
                    where = gr.HTML(elem_classes="fs-quiet", elem_id="fs-review-where")
                    forth = gr.Button("›", size="sm", scale=0, min_width=36)
                    outline = gr.Checkbox(True, label="Mask outline (M)", container=False, scale=0, min_width=150)
                    grouped = gr.Checkbox(False, label="Group look-alikes", container=False, scale=0, min_width=150)
                    flip = gr.Button("outline", visible="hidden", elem_id="fs-key-outline")
                gallery = gr.Gallery(show_label=False, columns=6, height="auto", allow_preview=False, visible=False,
                                     object_fit="contain", elem_classes="fs-gallery", elem_id="fs-review")  # fmt: skip
                empty = gr.HTML(EMPTY)
            with gr.Column(scale=5, min_width=360):
                slider = gr.ImageSlider(label="Photo and sample", max_height=520, interactive=False, format="png",
                                        buttons=["fullscreen"], visible=False)  # fmt: skip
                said = gr.HTML()
                with gr.Row():
                    keep = gr.Button("Keep (A)", variant="primary", elem_id="fs-key-keep", min_width=80)
                    reject = gr.Button("Reject (R)", elem_id="fs-key-reject", min_width=80)
                    undo = gr.Button("Undo (U)", elem_id="fs-key-undo", min_width=80)
                    redo = gr.Button("Redo", min_width=60)
                with gr.Row():
                    prev = gr.Button("← Previous", size="sm", elem_id="fs-key-back", min_width=90)
                    following = gr.Button("Next →", size="sm", elem_id="fs-key-next", min_width=90)
                with gr.Accordion("Keep or reject in bulk by score", open=False):
                    rules = forms.build(Rules)
                    apply = gr.Button("Apply to all new samples")
                    outcome = gr.HTML()
                counts = gr.HTML()
    shown = [gallery, empty, where, slider, said, counts, label, engine]

    def show(session: Session) -> list[Any]:
        return _show(session)

    shell.refresh(tab, show, shown)

    def refilter(session: Session, *values: Any) -> list[Any]:
        session.filter = _filter(*values)
        session.page, session.sample_id = 0, ""
        return _show(session)

    for control in filters:
        on(control.input, refilter, shell, filters, shown)

    def look(session: Session, outlined: bool, groups: bool) -> list[Any]:
        session.memory["outline"], session.memory["grouped"] = outlined, groups
        return _show(session)

    for box in (outline, grouped):
        on(box.input, look, shell, [outline, grouped], shown)
    flip.click(lambda on_now: not on_now, outline, outline, api_visibility="private").then(None)
    on(outline.change, look, shell, [outline, grouped], shown)
    on(back.click, lambda s: _turn(s, -1), shell, outputs=shown)
    on(forth.click, lambda s: _turn(s, 1), shell, outputs=shown)
    on_pick(gallery.select, _pick, shell, shown)
    on(prev.click, lambda s: _step(s, -1), shell, outputs=shown)
    on(following.click, lambda s: _step(s, 1), shell, outputs=shown)
    on(keep.click, lambda s: _judge(s, Verdict.KEPT), shell, outputs=shown)
    on(reject.click, lambda s: _judge(s, Verdict.REJECTED), shell, outputs=shown)
    on(undo.click, lambda s: _again(s, s.open_bench.review.undo(), "undo"), shell, outputs=shown)
    on(redo.click, lambda s: _again(s, s.open_bench.review.redo(), "redo"), shell, outputs=shown)

    def by_score(session: Session, *values: Any) -> list[Any]:
        desk = session.open_bench.review
        done = desk.auto(desk.rules(rules.read(values)))
        why = "".join(f"<li>{n} {html.escape(reason)}</li>" for reason, n in done["reasons"].items())
        text = f"<p>Kept {done['kept']}, rejected {done['rejected']}. Undo takes it back.</p><ul>{why}</ul>"
        return [*_show(session), text]

    on(apply.click, by_score, shell, rules.components, [*shown, outcome])


def _filter(verdict: str, label: str, engine: str, order: str, covered: float) -> SampleFilter:
    by, descending = ORDERS[order]
    return SampleFilter(
        label=None if label == "all" else label,
        engine=None if engine == "all" else engine,
        verdict=None if verdict == "all" else Verdict(verdict),
        min_score={"mask_covered": covered} if covered > 0 else {},
        order_by=by,
        descending=descending,
    )


def _show(session: Session) -> list[Any]:
    if session.bench is None:
        return [gr.update(visible=False), EMPTY, "", gr.update(visible=False), "", "", gr.skip(), gr.skip()]
    desk = session.bench.review
    chosen = session.filter if session.filter != SampleFilter() else _filter("new", "all", "all", "newest first", 0)
    session.filter = chosen
    total = desk.count(chosen)
    session.page = min(session.page, max(0, (total - 1) // PAGE))
    rows = desk.page(chosen, session.page * PAGE, PAGE)
    if session.memory.get("grouped") and rows:
        groups = desk.groups(rows)
        rows = [row for _, row in sorted(zip(groups, rows, strict=True), key=lambda pair: pair[0])]
        tags = {r.id: f"group {g + 1}" for g, r in zip(sorted(groups), rows, strict=True)}
    else:
        tags = {r.id: r.label for r in rows}
    session.memory["review"] = ids = [r.id for r in rows]
    if session.sample_id not in ids:
        session.sample_id = ids[0] if ids else ""
    outline = session.memory.get("outline", True)
    pictures = [(str(desk.thumbnail(r, outline)), tags[r.id]) for r in rows]
    place = ids.index(session.sample_id) if session.sample_id else None
    where = f"{session.page * PAGE + 1:,} to {session.page * PAGE + len(rows):,} of {total:,}" if rows else ""
    counts = desk.counts()
    return [
        gr.update(value=pictures, visible=bool(rows), selected_index=place),
        "" if rows else EMPTY,
        where,
        *_compare(session),
        _counts(counts),
        gr.update(choices=["all", *sorted(counts)]),
        gr.update(choices=["all", *sorted(session.bench.studio.engines())]),
    ]


def _compare(session: Session) -> list[Any]:
    if not session.sample_id:
        return [gr.update(visible=False), ""]
    desk = session.open_bench.review
    seen = desk.compare(session.sample_id)
    near = desk.distance_to_kept(seen.sample)
    extra = f"<p class='fs-quiet'>made from {html.escape(seen.normal.name)} · distance to the nearest kept {near:.2f} · believability {believability(dict(seen.sample.scores)):.2f}</p>"
    shown = desk.outlined(session.sample_id) if session.memory.get("outline", True) else seen.image_path
    pair = (str(seen.source_path), str(shown))
    return [gr.update(value=pair, visible=True), facts(seen) + extra]


def _pick(session: Session, index: int) -> list[Any]:
    session.sample_id = session.memory["review"][index]
    return [gr.skip(), gr.skip(), gr.skip(), *_compare(session), gr.skip(), gr.skip(), gr.skip()]


def _step(session: Session, step: int) -> list[Any]:
    ids = session.memory.get("review", [])
    if not ids:
        return _show(session)
    place = ids.index(session.sample_id) + step if session.sample_id in ids else 0
    if not 0 <= place < len(ids):
        return _turn(session, step)
    session.sample_id = ids[place]
    return _show(session)


def _turn(session: Session, step: int) -> list[Any]:
    pages = max(1, -(-session.open_bench.review.count(session.filter) // PAGE))
    session.page = (session.page + step) % pages
    session.sample_id = ""
    return _show(session)


def _judge(session: Session, verdict: Verdict) -> list[Any]:
    ids = session.memory.get("review", [])
    if not session.sample_id:
        raise InputError("there is no sample here: loosen the filter, or make some in Studio")
    place = ids.index(session.sample_id)
    session.open_bench.review.set_verdict([session.sample_id], verdict)
    session.sample_id = next(iter(ids[place + 1 : place + 2] or ids[max(0, place - 1) : place]), session.sample_id)
    return _show(session)


def _again(session: Session, ids: list[str], what: str) -> list[Any]:
    if not ids:
        gr.Info(f"Nothing to {what}.")
    elif len(ids) == 1:
        session.sample_id = ids[0]
    return _show(session)


def _counts(counts: dict[str, dict[str, int]]) -> str:
    if not counts:
        return ""
    rows = "".join(
        f"<tr><th>{html.escape(label)}</th>" + "".join(f"<td>{by.get(v, 0):,}</td>" for v in Verdict) + "</tr>"
        for label, by in sorted(counts.items())
    )
    head = "".join(f"<th>{v}</th>" for v in Verdict)
    return f"<table class='fs-table'><thead><tr><th>label</th>{head}</tr></thead><tbody>{rows}</tbody></table>"
