"""Export: what was kept, as a dataset that detector libraries load unchanged."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from app import forms
from app.jobbar import JobBar
from app.session import Session
from app.shell import Shell, on
from core.errors import InputError
from core.workbench.datasets import Datasets

HIDDEN = ("category", "saturation")
"""Options with a control of their own, or for the command line only (one number per label)."""


def build(shell: Shell) -> None:
    """The tab."""
    formats = Datasets.formats
    with gr.Tab("Export", id="export") as tab, gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=360):
            format = gr.Radio([(f.title, name) for name, f in formats.items()], value="mvtec-ad", label="Format",
                              elem_classes="fs-formats")  # fmt: skip
            about = gr.HTML(_about("mvtec-ad"))
            with gr.Row(equal_height=True):
                out = gr.Textbox(label="Folder to write", max_lines=1, scale=3,
                                 info="On the machine that runs Flawsmith; it must not exist yet.")  # fmt: skip
                category = gr.Textbox(
                    label="Category", max_lines=1, scale=2, info="Name of the product in the dataset."
                )
            with gr.Row():
                everything = gr.Checkbox(False, label="Unreviewed samples too")
                real = gr.Checkbox(True, label="Real anomalies too")
                overwrite = gr.Checkbox(False, label="Replace an earlier export")
            with gr.Accordion("Split and details", open=False):
                options = forms.build(Datasets.Options, skip=HIDDEN)
            go = gr.Button("Export", variant="primary", elem_id="fs-export")
            bar = JobBar(shell, "batch_id")
        with gr.Column(scale=5, min_width=360):
            preview = gr.HTML()
            report = gr.HTML(elem_id="fs-report")
            snippet = gr.Code(language="python", label="Load it", visible=False, interactive=False)

    def fill(session: Session) -> list[Any]:
        if session.bench is None:
            return ["", gr.skip(), gr.skip(), *bar.look(session)]
        name = session.bench.datasets.default_category()
        target = session.bench.path.parent / f"{session.bench.path.name}-export"
        return [_preview(session, False), str(target), name, *bar.look(session)]

    shell.refresh(tab, fill, [preview, out, category, *bar.parts])
    format.change(_about, format, about, show_progress="hidden", api_visibility="private")
    on(everything.input, _preview, shell, [everything], [preview])

    def start(session: Session, chosen: str, out: str, category: str, everything: bool, real: bool, overwrite: bool,
              *values: Any) -> list[Any]:  # fmt: skip
        if not out.strip():
            raise InputError("export: give a folder to write, for example /data/exports/bearing")
        given = {**options.read(values), "category": category.strip()}
        session.batch_id = session.open_bench.datasets.start_export(
            chosen, Path(out.strip()).expanduser(), given, everything=everything, real=real, overwrite=overwrite
        )
        return ["", gr.update(visible=False), *bar.look(session)]

    inputs = [format, out, category, everything, real, overwrite, *options.components]
    on(go.click, start, shell, inputs, [report, snippet, *bar.parts])
    on(bar.ended.change, _result, shell, outputs=[report, snippet])


def _about(name: str) -> str:
    return f"<p class='fs-hint'>{html.escape(Datasets.formats[name].summary)}</p>"


def _preview(session: Session, everything: bool) -> str:
    if session.bench is None:
        return ""
    samples, warning = session.bench.datasets.chosen(everything)
    labels: dict[str, int] = {}
    for row in samples:
        labels[row.label] = labels.get(row.label, 0) + 1
    chips = "".join(f"<span class='fs-chip'>{html.escape(k)} <b>{v:,}</b></span>" for k, v in sorted(labels.items()))
    said = f"<p class='fs-warn'>{html.escape(warning)}</p>" if warning else ""
    none = "" if samples else "<p class='fs-hint'>No samples yet: make some in Studio and keep the good ones.</p>"
    photos = session.bench.photos.count()
    return f"<div class='fs-summary'><p><b>{photos:,}</b> photos of good parts {chips}</p>{said}{none}</div>"


def _result(session: Session) -> list[Any]:
    result = session.open_bench.jobs.result(session.batch_id)
    if not result or "images" not in result:
        return [gr.skip(), gr.skip()]
    rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{v:,}</td></tr>" for k, v in result["images"].items())
    warnings = "".join(f"<p class='fs-warn'>{html.escape(w)}</p>" for w in result["warnings"])
    text = (
        f"<div class='fs-report'><p>Written to <code>{html.escape(result['path'])}</code></p>"
        f"<table class='fs-table'><tbody>{rows}</tbody></table>{warnings}</div>"
    )
    return [text, gr.update(value=session.open_bench.datasets.snippet(Path(result["path"])), visible=True)]
