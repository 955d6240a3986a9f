"""Results on the page: the list of runs, the one that is shown or those side by side, and curves as they grow."""

from __future__ import annotations

import html
import time
from typing import Any

import gradio as gr

from app.modules import on_load
from app.session import Session, file_url
from core.api.evaluation import evaluations as desk
from core.api.evaluation.evaluations import report_parts
from core.errors import InputError, NotFound

EMPTY = (
    "<div class='fs-empty'><h2>How good are the pairs?</h2>"
    "<p><b>Generation quality</b> looks at the pairs themselves: how varied they are, how well their masks fit, how "
    "near they come to real anomalies.</p>"
    "<p><b>Localization</b> and <b>Classification</b> ask what they are for: a detector learns from the pairs alone "
    "and is tested on real anomalies it has never seen.</p>"
    "<p><b>Score maps</b> measures any other detector by the same numbers.</p>"
    "<p>Results stay with the project; tick two of them to compare.</p></div>"
)


class RunList:
    """The left column's lower card."""

    def __init__(self) -> None:
        self.html = gr.HTML(
            js_on_load=on_load("app/components/result_list.js", "opened", "removed", "compared"), elem_id="fs-ev-runs"
        )


def run_list_updates(session: Session) -> list[object]:
    """The list of runs, and what the session looks at: the newest run if nothing was chosen."""
    if session.api is None:
        return ["", EMPTY]
    entries = session.api.evaluations.runs()
    known = {entry.id for entry in entries}
    chosen = [i for i in session.memory.evaluate.shown if i in known]
    if not chosen and entries:
        chosen = [entries[0].id]
    session.memory.evaluate.shown = chosen
    return [_runs(entries, chosen), _results_html(session, chosen)]


def open_run(session: Session, sent: dict[str, object]) -> None:
    """A person picked a run."""
    session.memory.evaluate.shown = [str(sent.get("id", ""))]


def compare(session: Session, sent: dict[str, Any]) -> None:
    """A person asked for the ticked runs side by side; InputError for fewer than two."""
    ids = [str(i) for i in sent.get("ids") or ()]
    if len(ids) < 2:
        raise InputError("tick at least two runs to compare them")
    session.memory.evaluate.shown = ids


def remove(session: Session, sent: dict[str, object]) -> None:
    """A person said twice that a run may go."""
    session.required_api.evaluations.remove(str(sent.get("id", "")))


def live_curves_html(session: Session) -> str:
    """The curves of the run in progress; "" while there are none."""
    if not is_running(session):
        return ""
    curves = session.required_api.evaluations.live_curves(session.evaluate_id)
    charts = report_parts.curve_charts([("", curves)])
    return f"<section class='fs-ev-card'><h3>As it learns</h3>{charts}</section>" if charts else ""


def is_running(session: Session) -> bool:
    """Whether this session's evaluation has not ended."""
    if session.api is None or not session.evaluate_id:
        return False
    try:
        return session.api.jobs.event(session.evaluate_id).status in ("queued", "running")
    except NotFound:
        return False


def _runs(entries: list[desk.EvaluationEntry], chosen: list[str]) -> str:
    if not entries:
        return ""
    rows = "".join(_row(entry, entry.id in chosen, len(chosen) > 1) for entry in entries)
    compare_button = (
        "<button type='button' class='fs-ev-button' data-compare disabled>Tick two runs to compare</button>"
        if len(entries) > 1
        else ""
    )
    return f"<section class='fs-ev-card'><h3>Runs</h3><ul class='fs-ev-runs'>{rows}</ul>{compare_button}</section>"


def _row(entry: desk.EvaluationEntry, current: bool, compared: bool) -> str:
    title, id = html.escape(entry.title), html.escape(entry.id)
    kind = report_parts.KIND_TITLES[entry.kind]
    when = time.strftime("%d %b %H:%M", time.localtime(entry.created))
    tick = " checked" if current and compared else ""
    return (
        f"<li data-id='{id}'{' aria-current=true' if current else ''}>"
        f"<input type='checkbox' value='{id}' aria-label='Compare {title}'{tick}>"
        f"<button type='button' class='fs-ev-open' data-open='{id}'><b>{title}</b>"
        f"<span>{kind} · {html.escape(entry.headline)} · {when}</span></button>"
        f"<button type='button' class='fs-ev-remove' data-remove='{id}' aria-label='Remove {title}' "
        f"title='Remove this run'>✕</button></li>"
    )


def _results_html(session: Session, ids: list[str]) -> str:
    if not ids:
        return EMPTY
    bench = session.required_api.evaluations
    named = bench.named_results(ids)
    link = (
        f"<a class='fs-ev-button' id='fs-ev-report' href='{file_url(bench.report(ids))}' "
        f"download='{html.escape(bench.report_name(ids), quote=True)}'>Save the report</a>"
    )
    if len(named) > 1:
        parts = [("Side by side", report_parts.compare_table(named)), ("Per label", report_parts.label_charts(named)),
                 ("Curves", report_parts.result_curve_charts(named))]  # fmt: skip
        return _result_page_html("Comparison", f"{len(named)} runs", link, parts)
    name, result = named[0]
    source = lambda picture: file_url(bench.picture(ids[0], picture.name))  # noqa: E731
    parts = [
        ("", report_parts.metric_tiles(result) + report_parts.notes(result)),
        ("Per label", report_parts.label_charts(named) + report_parts.confusion_table(result)),
        ("Curves", report_parts.result_curve_charts(named)),
        ("Pictures", report_parts.picture_gallery(result, source, link=True)),
        ("All numbers", report_parts.metric_table(result)),
        ("Every training", report_parts.seed_table(result)),
    ]
    config = (
        f"<details class='fs-fold'><summary>Settings</summary>{report_parts.config_table(result.config)}</details>"
    )
    return _result_page_html(name, report_parts.KIND_TITLES[result.kind], link, [*parts, ("", config)])


def _result_page_html(title: str, under: str, link: str, parts: list[tuple[str, str]]) -> str:
    sections = "".join(
        f"<section class='fs-ev-card'>{f'<h3>{heading}</h3>' if heading else ''}{inside}</section>"
        for heading, inside in parts
        if inside
    )
    head = f"<div><h2>{html.escape(title)}</h2><p>{html.escape(under)}</p></div>{link}"
    return f"<div class='fs-ev-page'><header>{head}</header>{sections}</div>"
