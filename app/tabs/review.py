"""Review: page through samples, compare with the photo, keep or reject with the keyboard, undo."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import Any

import gradio as gr

from app.components import param_form
from app.components.agreement_panel import AgreementPanel
from app.components.reject_reasons import reject_reasons_html
from app.page_context import PageContext, on, on_html_event
from app.review_grid.grid import ReviewGrid, refetch_value
from app.review_grid.server import LOWER_IS_BETTER, SCORES
from app.session import Session
from core.api import SampleFilter
from core.api.review import ReviewRules
from core.types import ReviewStatus

ANY, STARRED, SPLIT = "any", "starred", "split"
"""What the filters show beside one verdict: all samples, the favourites of every verdict, and disagreements."""
ORDERS = {
    "newest first": ("created", True), "oldest first": ("created", False),
    "strongest first": ("change_inside", True), "weakest first": ("change_inside", False),
    "least covered mask first": ("mask_covered", False), "hardest seam first": ("seam_contrast", True),
}  # fmt: skip
MINIMA = {
    "mask_covered": (1.0, 0.05), "change_inside": (0.5, 0.01), "change_outside": (500, 1), "seam_contrast": (50, 1),
    "ars": (1.0, 0.05),
}  # fmt: skip
"""Upper end and step of each score's slider; the share of the visible change hardly ever passes 0.5."""


CHIPS_JS = """
element.addEventListener("click", (event) => {
  const chip = event.target.closest("[data-off]");
  if (chip) trigger("taken_off", { name: chip.dataset.off });
});
"""


VERDICTS = {v.value: v for v in ReviewStatus} | {SPLIT: ReviewStatus.NEW}
"""The verdict that each choice of Show filters by; the others show all verdicts."""


def verdict_choices(two: bool) -> list[tuple[str, str]]:
    """What Show offers, with the disagreements where ``two`` people are asked."""
    new = "needs my opinion" if two else ReviewStatus.NEW.value
    settled = [(v.value, v.value) for v in (ReviewStatus.KEPT, ReviewStatus.REJECTED)]
    split = [("disagreements", SPLIT)] if two else []
    return [(new, ReviewStatus.NEW.value), *split, *settled, ("★", STARRED), ("all", ANY)]


class ReviewFilters:
    """The row above the board."""

    def __init__(self) -> None:
        with gr.Row(equal_height=True, elem_classes="fs-filters"):
            self.verdict = gr.Radio(verdict_choices(two=False), value="new", label="Show", scale=3, min_width=280,
                                    elem_classes="fs-segments", elem_id="fs-review-verdict")  # fmt: skip
            self.label = gr.Dropdown([ANY], value=ANY, label="Label", scale=2, min_width=100,
                                     elem_id="fs-review-label")  # fmt: skip
            self.engine = gr.Dropdown([ANY], value=ANY, label="Engine", scale=2, min_width=100)
            self.order = gr.Dropdown(list(ORDERS), value="newest first", label="Order", scale=2, min_width=130)
            self.grouped = gr.Checkbox(False, label="Group look-alikes", scale=1, min_width=150,
                                       elem_id="fs-review-grouped")  # fmt: skip
        with gr.Accordion("Scores at least", open=False, elem_classes="fs-scores"), gr.Row():
            self.minima = [
                gr.Slider(
                    0,
                    MINIMA[name][0],
                    value=0,
                    step=MINIMA[name][1],
                    min_width=150,
                    label=title.capitalize() + (", lower is better" if name in LOWER_IS_BETTER else ""),
                )  # fmt: skip
                for name, title, _ in SCORES
            ]
        self.chips = gr.HTML(js_on_load=CHIPS_JS, elem_id="fs-review-chips", padding=False)
        self.controls = [self.verdict, self.label, self.engine, self.order, self.grouped, *self.minima]

    def read(self, session: Session, values: tuple[Any, ...]) -> bool:
        """Put the controls' values into the session; False if they are there already."""
        verdict, label, engine, order, grouped, *minima = values
        by, descending = ORDERS.get(order or "", ORDERS["newest first"])
        chosen = SampleFilter(
            job_id=session.filter.job_id,
            label=None if label == ANY else label,
            engine=None if engine == ANY else engine,
            verdict=VERDICTS.get(verdict),
            opinions="split" if verdict == SPLIT else "",
            favourite=True if verdict == STARRED else None,
            min_score={name: least for (name, _, _), least in zip(SCORES, minima, strict=True) if least > 0},
            order_by=by,
            descending=descending,
        )
        if (chosen, grouped) == (session.filter, session.grouped):
            return False
        session.filter, session.grouped, session.offset = chosen, grouped, 0
        return True

    @staticmethod
    def active(chosen: SampleFilter) -> dict[str, str]:
        """What is filtered by beside the verdict, in words by name; each can be taken off."""
        found = {"job": "one batch"} if chosen.job_id else {}
        found |= {"label": f"label {chosen.label}"} if chosen.label else {}
        found |= {"engine": f"engine {chosen.engine}"} if chosen.engine else {}
        titles = {name: title for name, title, _ in SCORES}
        return found | {
            name: f"{titles.get(name, name)} at least {least:g}" for name, least in chosen.min_score.items()
        }

    @staticmethod
    def without(chosen: SampleFilter, name: str) -> SampleFilter:
        """The filter without what ``active`` calls ``name``; without all of it for "all"."""
        if name == "all":
            return replace(chosen, job_id=None, label=None, engine=None, min_score={})
        if name == "job":
            return replace(chosen, job_id=None)
        if name == "label":
            return replace(chosen, label=None)
        if name == "engine":
            return replace(chosen, engine=None)
        return replace(chosen, min_score={n: least for n, least in chosen.min_score.items() if n != name})

    def chips_html(self, session: Session) -> str:
        """A chip for each active filter, with a button that takes it off; HTML, "" where none is."""
        found = self.active(session.filter)
        more = {"all": "all of them"} if len(found) > 1 else {}
        chips = "".join(
            f"<button type='button' data-off='{name}' aria-label='Take off the filter: {html.escape(words)}'>"
            f"{html.escape(words)}<i aria-hidden='true'>×</i></button>"
            for name, words in (found | more).items()
        )
        return f"<div class='fs-filter-chips'><span>Filtered by</span>{chips}</div>" if chips else ""

    def show(self, session: Session) -> list[object]:
        """Updates for ``controls`` from the session, so that a reload finds them as they were."""
        chosen = session.filter
        counts = session.api.review.counts() if session.api else {}
        labels = [(f"{label} ({sum(by.values()):,})", label) for label, by in sorted(counts.items())]
        cards = session.api.studio.engines() if session.api else {}
        engines = [(card.title, name) for name, card in cards.items()]
        order = next((n for n, how in ORDERS.items() if how == (chosen.order_by, chosen.descending)), "newest first")
        two = session.api is not None and session.api.review.opinions.asked()
        shown = SPLIT if chosen.opinions == "split" else STARRED if chosen.favourite else str(chosen.verdict or ANY)
        return [
            gr.update(choices=verdict_choices(two), value=shown if two or shown != SPLIT else ReviewStatus.NEW.value),
            gr.update(choices=[ANY, *labels], value=chosen.label or ANY),
            gr.update(choices=[ANY, *engines], value=chosen.engine or ANY),
            order,
            session.grouped,
            *(chosen.min_score.get(name, 0) for name, _, _ in SCORES),
        ]


def build(shell: PageContext) -> None:
    """The tab."""
    with gr.Tab("Review", id="review") as tab:
        filters = ReviewFilters()
        board = ReviewGrid()
        with gr.Row(equal_height=False):
            with gr.Column(scale=6, min_width=420):
                counts = gr.HTML(elem_id="fs-review-counts")
                why = gr.HTML(elem_id="fs-review-why")
            with gr.Column(scale=5, min_width=340):
                with gr.Accordion("Keep or reject in bulk by score", open=False):
                    rules = param_form.build_param_form(ReviewRules)
                    apply = gr.Button("Apply to the new samples of this filter", elem_id="fs-review-auto")
                    outcome = gr.HTML()
                opinions = AgreementPanel()
    shown = [board, counts, why, filters.chips]

    def show(session: Session) -> list[Any]:
        return [*_show(session), filters.chips_html(session)]

    shell.fill_on_select(tab, lambda s: [*show(s), *filters.show(s), "", *opinions.show(s)],
                         [*shown, *filters.controls, outcome, *opinions.parts])  # fmt: skip

    def refilter(session: Session, *values: Any) -> list[object]:
        return show(session) if filters.read(session, values) else [gr.skip()] * len(shown)

    def take_off(session: Session, sent: dict[str, Any]) -> list[object]:
        session.filter, session.offset = filters.without(session.filter, str(sent.get("name", ""))), 0
        return [*show(session), *filters.show(session)]

    on_html_event(filters.chips.taken_off, take_off, shell, [*shown, *filters.controls], role="viewer")

    for control in filters.controls:
        # A number typed beside a slider is neither its release nor its input.
        happens = control.change if isinstance(control, gr.Slider) else control.input
        on(happens, refilter, shell, filters.controls, shown, role="viewer", trigger_mode="always_last")

    last = {"trigger_mode": "always_last"}
    on(board.judged, lambda s: _counts(s), shell, outputs=[counts], role="viewer", **last)
    on_html_event(shell.pulse.verdicts_changed, lambda s, _: _counts(s), shell, [counts], role="viewer", **last)

    def ask_two(session: Session, two: bool) -> list[object]:
        changed = session.required_api.review.opinions.ask(bool(two))
        if changed:
            gr.Info(f"{changed:,} samples have another verdict by that.")
        return [*show(session), *filters.show(session), *opinions.show(session)]

    on(opinions.two.input, ask_two, shell, [opinions.two], [*shown, *filters.controls, *opinions.parts], role="admin")

    def by_score(session: Session, *values: Any) -> list[object]:
        desk = session.required_api.review
        fresh = SampleFilter(**{**vars(session.filter), "verdict": ReviewStatus.NEW})
        done = desk.apply_rules(desk.parse_rules(rules.params_of(values)), fresh, session.login)
        said = f"<p>Kept {done['kept']:,}, rejected {done['rejected']:,}. Undo takes it back.</p>"
        return [*show(session), f"<div class='fs-report'>{said}{reject_reasons_html(done['reasons'])}</div>"]

    on(apply.click, by_score, shell, rules.components, [*shown, outcome])


def _show(session: Session) -> list[object]:
    chosen = session.filter
    value = refetch_value(session.ticket) | {
        "verdict": None if chosen.opinions else chosen.verdict,
        "why": _empty_html(session),
    }
    return [value, _counts(session), _reject_reasons_html(session)]


def _empty_html(session: Session) -> str:
    if session.api is None:
        return "Open a project in <b>Product</b> first."
    if not session.api.review.count(SampleFilter()):
        return "Make anomalies in <b>Studio</b>, one by one or in bulk; they wait here for your verdict."
    if session.filter == SampleFilter(verdict=ReviewStatus.NEW, descending=True):
        return "Every sample has its verdict. <b>Export</b> writes what you kept; <b>Studio</b> makes more."
    return "No sample passes this filter: loosen it above."


def _counts(session: Session) -> str:
    counts = session.api.review.counts() if session.api else {}
    if not counts:
        return ""
    head = "".join(f"<th>{v}</th>" for v in ReviewStatus)
    rows = "".join(
        f"<tr><th>{html.escape(label)}</th>" + "".join(f"<td>{by.get(v, 0):,}</td>" for v in ReviewStatus) + "</tr>"
        for label, by in sorted(counts.items())
    )
    total = "".join(f"<td>{sum(by.get(v, 0) for by in counts.values()):,}</td>" for v in ReviewStatus)
    foot = f"<tfoot><tr><th>all</th>{total}</tr></tfoot>" if len(counts) > 1 else ""
    return (
        f"<table class='fs-table fs-narrow'><thead><tr><th>label</th>{head}</tr></thead>"
        f"<tbody>{rows}</tbody>{foot}</table>"
    )


def _reject_reasons_html(session: Session) -> str:
    if session.api is None or session.filter.verdict not in (None, ReviewStatus.REJECTED):
        return ""
    return reject_reasons_html(session.api.review.reject_reasons(session.filter))
