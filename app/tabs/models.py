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
from core.workbench.weights import WeightRow, Weights

STATES = {"present": "on this machine", "missing": "not here", "corrupt": "damaged: fetch it again"}


def build(shell: Shell) -> None:
    """The tab."""
    with gr.Tab("Models", id="models") as tab, gr.Row(equal_height=False):
        with gr.Column(scale=7, min_width=440), gr.Group(elem_classes="fs-card"):
            listed = gr.HTML(_table(), elem_id="fs-weights")
            with gr.Row(elem_classes="fs-inline"):
                wanted = gr.Dropdown(_names(), show_label=False, container=False, scale=4, min_width=200,
                                     elem_id="fs-wanted")  # fmt: skip
                fetch = gr.Button("Fetch", variant="primary", size="sm", scale=1, min_width=80, elem_id="fs-fetch")
                verify = gr.Button("Verify", size="sm", scale=1, min_width=80, elem_id="fs-verify")
            bar = JobBar(shell, "fetch_id")
            said = gr.HTML(_offline(), elem_id="fs-weights-said")
        with gr.Column(scale=4, min_width=320), gr.Group(elem_classes="fs-card"):
            segmenter = gr.Radio([], label="What answers clicks in Regions and Studio", elem_id="fs-segmenter",
                                 elem_classes="fs-formats")  # fmt: skip
            reasons = gr.HTML(elem_id="fs-reasons")

    def fill(session: Session) -> list[Any]:
        return [_table(), *_segmenters(session), *bar.look(session)]

    shell.refresh(tab, fill, [listed, segmenter, reasons, *bar.parts])

    def start(session: Session, name: str | None) -> list[Any]:
        if session.bench is None:
            raise InputError("open a project first: downloads run in its background")
        session.fetch_id = session.bench.weights.start_fetch(_chosen(name))
        return bar.look(session)

    def check(session: Session, name: str | None) -> list[Any]:
        row = Weights(None, None).verify(_chosen(name))
        return [_table(), _verified(row) + _offline()]

    def use(session: Session, name: str) -> list[Any]:
        session.open_bench.regions.use(name)
        return _segmenters(session)

    on(fetch.click, start, shell, [wanted], bar.parts)
    on(verify.click, check, shell, [wanted], [listed, said], show_progress="minimal")
    bar.on_end(shell, fill, outputs=[listed, segmenter, reasons, *bar.parts])
    on(segmenter.input, use, shell, [segmenter], [segmenter, reasons])


def _chosen(name: str | None) -> str:
    if not name:
        raise InputError("choose the weights in the list first")
    return name


def _names() -> list[tuple[str, str]]:
    return [(f"{row.title}, {_megabytes(row.size)}", row.name) for row in Weights(None, None).status()]


def _table() -> str:
    head = "".join(f"<th>{h}</th>" for h in ("Weights", "State", "Size", "Licence"))
    rows = "".join(
        f"<tr data-state='{row.state}'><th>{html.escape(row.title)}<br>"
        f"<span class='fs-quiet'>{html.escape(row.purpose)}</span></th>"
        f"<td>{STATES[row.state]}</td><td>{_megabytes(row.size)}</td><td>{html.escape(row.licence)}</td></tr>"
        for row in Weights(None, None).status()
    )
    return (
        "<h3>Weights</h3><p class='fs-hint'>Everything in Flawsmith works without weights; with them, a click finds "
        f"parts better.</p><table class='fs-table'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _offline() -> str:
    folder = html.escape(str(Weights.folder()))
    files = "".join(
        f"<tr><th>{html.escape(row.title)}</th><td><a href='{html.escape(row.url)}' target='_blank' rel='noopener'>"
        f"{html.escape(row.url.rsplit('/', 1)[-1])}</a></td></tr>"
        for row in Weights(None, None).status()
        if row.url
    )
    return (
        f"<details class='fs-fold'><summary>No internet on this machine?</summary><p>Download the file on another one "
        f"and put it into <code>{folder}</code> under its own name, then press Verify.</p>"
        f"<table class='fs-table'><tbody>{files}</tbody></table></details>"
    )


def _verified(row: WeightRow) -> str:
    words = {
        "present": "is whole: its sha256 is right.",
        "missing": "is not on this machine: press Fetch, or put the file into the folder below.",
        "corrupt": "is damaged or not complete: press Fetch to get it again.",
    }
    return f"<p class='fs-said' data-state='{row.state}'><b>{html.escape(row.title)}</b> {words[row.state]}</p>"


def _segmenters(session: Session) -> list[Any]:
    every = all_segmenters()
    usable = [(s.title, name) for name, s in every.items() if s.available() is None]
    chosen = session.bench.regions.segmenter().name if session.bench else None
    missing = "".join(
        f"<li><b>{html.escape(s.title)}</b> {html.escape(reason.removeprefix(s.title + ': '))}</li>"
        for s in every.values()
        if (reason := s.available())
    )
    text = f"<div class='fs-report'><h3>Not usable yet</h3><ul>{missing}</ul></div>" if missing else ""
    return [gr.update(choices=usable, value=chosen), text]


def _megabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
