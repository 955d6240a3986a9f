"""Models: which weights are on this machine, how to get the others, which segmenter answers clicks."""

from __future__ import annotations

import html
from typing import Any

import gradio as gr

from app.jobbar import JobBar
from app.session import Session
from app.shell import Shell, on
from core.errors import InputError
from core.workbench.regions import all_segmenters
from core.workbench.weights import Weights


def build(shell: Shell) -> None:
    """The tab."""
    with gr.Tab("Models", id="models") as tab, gr.Row(equal_height=False):
        with gr.Column(scale=7, min_width=440):
            listed = gr.HTML(_table())
            with gr.Row(elem_classes="fs-buttons"):
                wanted = gr.Dropdown(_names(), label="Weights", scale=3)
                fetch = gr.Button("Fetch", variant="primary", scale=1, min_width=90)
                verify = gr.Button("Verify", scale=1, min_width=90)
            bar = JobBar(shell, "batch_id")
            said = gr.HTML()
        with gr.Column(scale=4, min_width=320):
            segmenter = gr.Radio([], label="Segmenter for clicks")
            reasons = gr.HTML()

    def fill(session: Session) -> list[Any]:
        return [_table(), *_segmenters(session), *bar.look(session)]

    shell.refresh(tab, fill, [listed, segmenter, reasons, *bar.parts])

    def start(session: Session, name: str | None) -> list[Any]:
        if not name:
            raise InputError("choose the weights to fetch")
        session.batch_id = session.open_bench.weights.start_fetch(name)
        return bar.look(session)

    def check(session: Session, name: str | None) -> list[Any]:
        if not name:
            raise InputError("choose the weights to verify")
        row = Weights(None, None).verify(name)
        return [_table(), f"<p>{html.escape(row.name)}: {html.escape(row.state)}</p>"]

    def use(session: Session, name: str) -> list[Any]:
        session.open_bench.regions.use(name)
        return _segmenters(session)

    on(fetch.click, start, shell, [wanted], bar.parts)
    on(verify.click, check, shell, [wanted], [listed, said], show_progress="minimal")
    on(bar.ended.change, fill, shell, outputs=[listed, segmenter, reasons, *bar.parts])
    on(segmenter.input, use, shell, [segmenter], [segmenter, reasons])


def _names() -> list[str]:
    return [row.name for row in Weights(None, None).status()]


def _table() -> str:
    rows = "".join(
        f"<tr data-state='{row.state}'><th>{html.escape(row.title)}<br><span class='fs-quiet'>{html.escape(row.purpose)}</span></th>"
        f"<td>{html.escape(row.state)}</td><td>{row.size / 1e6:,.0f} MB</td><td>{html.escape(row.licence)}</td></tr>"
        for row in Weights(None, None).status()
    )
    folder = html.escape(str(Weights.folder()))
    return (
        "<div class='fs-summary'><p>Everything in Flawsmith works without weights; with them, clicks find parts "
        "better.</p><table class='fs-table'><thead><tr><th>weights</th><th>state</th><th>size</th><th>licence</th></tr>"
        f"</thead><tbody>{rows}</tbody></table><p class='fs-quiet'>No internet here? Fetch a file elsewhere and put it "
        f"into <code>{folder}</code>; Verify checks it.</p></div>"
    )


def _segmenters(session: Session) -> list[Any]:
    every = all_segmenters()
    usable = [(s.title, name) for name, s in every.items() if s.available() is None]
    chosen = session.bench.regions.segmenter().name if session.bench else None
    missing = "".join(f"<li>{html.escape(reason)}</li>" for s in every.values() if (reason := s.available()))
    text = f"<div class='fs-report'><p>Not usable here:</p><ul>{missing}</ul></div>" if missing else ""
    return [gr.update(choices=usable, value=chosen), text]
