"""Rules of the product: read from the regions, confirmed, changed or removed by a person, and broken on purpose."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from app.components.photo_panel import SERIAL_EVENTS, PhotoPanel
from app.components.progress_bar import ProgressBar
from app.page_context import PageContext, go_to_tab_js, on, on_html_event
from app.session import Session
from app.tabs.regions.rule_form import RuleForm
from core.api.rules import CoverageRow, PhotoCheck, Rule
from core.errors import InputError

PER_RULE = 5
"""Violations of each rule that are offered."""
HINT = (
    "<p class='fs-hint'>What all good photos have in common: how many parts, where, how turned, of what colour. "
    "Name the parts on 4 photos or more, then read the rules.</p>"
)
RULES_JS = """
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button) trigger("acted", { act: button.dataset.act, rule: button.closest("[data-rule]").dataset.rule });
});
"""
_SVG = "<svg viewBox='0 0 20 20' aria-hidden='true'><path d='{}'/></svg>"
ACTIONS = (
    ("confirm", "Confirm", _SVG.format("M4 10.5l4 4 8-9")),
    ("edit", "Change", _SVG.format("M4 16l.7-3.3L13 4.4l2.6 2.6-8.3 8.3zM11.4 6l2.6 2.6")),
    ("remove", "Remove", _SVG.format("M5 5l10 10M15 5L5 15")),
)


class RulesPanel:
    """``parts`` is what ``show`` updates."""

    def __init__(self, shell: PageContext) -> None:
        with gr.Column(elem_classes="fs-panel"):
            self.said = gr.HTML(HINT, elem_id="fs-rules-said")
            self.read = gr.Button("Read rules from the regions", size="sm", elem_id="fs-rules-read")
            self.bar = ProgressBar(shell, "rules_id")
            self.list = gr.HTML(js_on_load=RULES_JS, elem_id="fs-rules-list")
            self.form = RuleForm()
            with gr.Row(visible=False, elem_classes="fs-tight fs-joined", equal_height=True) as self.make_row:
                self.per_rule = gr.Number(PER_RULE, label="For each rule", precision=0, minimum=1,
                                          maximum=1000, scale=3, min_width=120, elem_id="fs-rules-count")  # fmt: skip
                self.make = gr.Button("Make violations", size="sm", scale=3, min_width=110, elem_id="fs-rules-make")
            self.breaking = ProgressBar(shell, "breaking_id")
            self.coverage = gr.HTML(elem_id="fs-rules-coverage")
            self.review = gr.Button("Look at them in Review", size="sm", visible=False, elem_id="fs-rules-review")
        self.parts = [self.said, self.list, *self.form.parts, self.make_row, self.coverage, self.review]

    def show(self, session: Session) -> list[object]:
        """The rules, what this photo makes of them, and how far each is covered by samples."""
        hidden, closed = gr.update(visible=False), self.form.close()
        if not session.photo_id():
            return [HINT, "", *closed, hidden, "", hidden]
        desk = session.required_api.rules
        rules = desk.current().rules
        if not rules:
            return [HINT, "", *closed, hidden, "", hidden]
        check = desk.check_regions(session.photo_id())
        rows = desk.coverage()
        made = gr.update(visible=any(row.made for row in rows))
        return [_said(check), _list(rules, check), *closed, gr.update(visible=True), coverage_table(rows), made]


def wire(panel: RulesPanel, shell: PageContext, table: PhotoPanel) -> None:
    """What the buttons do."""
    shown = panel.parts

    def read(session: Session) -> list[object]:
        session.rules_id = session.required_api.rules.start_learn()
        return panel.bar.refresh(session)

    on(panel.read.click, read, shell, outputs=panel.bar.parts)
    panel.bar.on_end(shell, panel.show, outputs=shown)

    def act(session: Session, sent: dict[str, object]) -> list[object]:
        desk, what, id = session.required_api.rules, str(sent.get("act", "")), str(sent.get("rule", ""))
        rule = desk.current().rule(id)
        if what == "edit":
            if not panel.form.can_edit(rule):
                raise InputError(f"{rule.words()}: this kind of rule is confirmed or removed, not written")
            return [*[gr.skip()] * 2, *panel.form.open(rule), *[gr.skip()] * 3]
        if what == "confirm":
            desk.confirm(id, rule.status != "confirmed")
        elif what == "remove":
            desk.remove(id)
        return panel.show(session)

    on_html_event(panel.list.acted, act, shell, shown, **SERIAL_EVENTS)

    def save(session: Session, *given: Any) -> list[object]:
        session.required_api.rules.put(panel.form.rule(session, *given))
        return panel.show(session)

    on(panel.form.save.click, save, shell, panel.form.inputs, shown)
    on(panel.form.cancel.click, lambda session: panel.form.close(), shell, outputs=panel.form.parts)
    on(panel.form.add.click, lambda session: panel.form.open_new(session), shell, outputs=panel.form.parts)
    on(panel.form.kind.change, lambda session, kind: panel.form.relabelled(kind), shell, [panel.form.kind],
       panel.form.numbers)  # fmt: skip

    def make(session: Session, per_rule: float | None) -> list[object]:
        if not per_rule or per_rule < 1:
            raise InputError(f"For each rule: expected a whole number from 1, got {per_rule}")
        session.breaking_id = session.required_api.rules.start_generate(per_rule=int(per_rule))
        return panel.breaking.refresh(session)

    on(panel.make.click, make, shell, [panel.per_rule], panel.breaking.parts)
    panel.breaking.on_end(shell, panel.show, outputs=shown)
    panel.review.click(None, None, None, js=go_to_tab_js("Review"), api_visibility="private")
    on(table.photo_changed.change, panel.show, shell, outputs=shown, role="viewer")


def refresh_bars(panel: RulesPanel, session: Session) -> list[object]:
    """Updates for both bars after a page load."""
    return [*panel.bar.refresh(session), *panel.breaking.refresh(session)]


def _said(check: PhotoCheck) -> str:
    if not check.parts:
        return "<p class='fs-hint'>This photo has no regions, so no rule is asked about it.</p>"
    if not check.broken:
        return "<p class='fs-hint'>This photo keeps all rules.</p>"
    words = "; ".join(html.escape(broken.words) for one in check.broken for broken in one.breaks)
    return f"<p class='fs-hint fs-rule-broken'>This photo: {words}.</p>"


def _list(rules: tuple[Rule, ...], check: PhotoCheck) -> str:
    broken = {one.rule.id for one in check.broken}
    rows = "".join(
        f"<li data-rule='{html.escape(rule.id, quote=True)}' data-status='{rule.status}' "
        f"data-broken='{str(rule.id in broken).lower()}'><i></i>"
        f"<b title='{html.escape(rule.id, quote=True)}, sharpness {rule.sharpness:.2f}'>"
        f"{html.escape(rule.words())}</b><span>{_facts(rule)}</span><em>{_buttons(rule)}</em></li>"
        for rule in rules
    )
    return f"<ul class='fs-list fs-rules'>{rows}</ul>"


def _facts(rule: Rule) -> str:
    who = "by hand" if rule.source == "person" else f"{rule.support:,} photos"
    return f"{rule.kind} · {who}" + (" · confirmed" if rule.status == "confirmed" else "")


def _buttons(rule: Rule) -> str:
    called = html.escape(rule.words(), quote=True)
    return "".join(
        f"<button type='button' data-act='{act}' title='{_title(rule, act, title)}' "
        f"aria-label='{_title(rule, act, title)}: {called}'>{icon}</button>"
        for act, title, icon in ACTIONS
        if act != "edit" or RuleForm.can_edit(rule)
    )


def _title(rule: Rule, act: str, title: str) -> str:
    return "Take the confirmation back" if act == "confirm" and rule.status == "confirmed" else title


def coverage_table(rows: list[CoverageRow]) -> str:
    """Rule × violation: how many samples were made and kept; nothing before any were."""
    if not any(row.made for row in rows):
        return ""
    body = "".join(
        f"<tr data-made='{row.made}'><td>{html.escape(row.words)}</td><td>{row.violation.replace('_', ' ')}</td>"
        f"<td>{row.made:,}</td><td>{row.kept:,}</td></tr>"
        for row in rows
    )
    head = "<tr><th>Rule</th><th>Broken by</th><th>Made</th><th>Kept</th></tr>"
    return f"<div class='fs-coverage'><table><thead>{head}</thead><tbody>{body}</tbody></table></div>"
