"""Export: what was kept, as a dataset that detector libraries load unchanged."""

from __future__ import annotations

import html
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from app.components import param_form
from app.components.progress_bar import ProgressBar
from app.page_context import PRIVATE_EVENT, PageContext, on
from app.server.roots import roots
from app.session import Session, file_url
from core.api.datasets import DatasetsApi
from core.api.last_export import ExportChanges
from core.errors import FlawsmithError, InputError

SPLIT_TITLES = {"train": "training", "val": "validation", "test": "test"}
SEPARATE_OPTIONS = ("category", "saturation")
"""Options with a control of their own."""
DEFAULT_FORMAT = "mvtec-ad"


class ExportForm:
    """The left column: format, place, what goes in, how it is split."""

    def __init__(self) -> None:
        choices = [(f"{f.title}\n{f.summary}", name) for name, f in DatasetsApi.formats.items()]
        with gr.Group(elem_classes="fs-card"):
            self.format = gr.Radio(choices, value=DEFAULT_FORMAT, label="Format", elem_classes="fs-formats",
                                   elem_id="fs-formats")  # fmt: skip
        with gr.Group(elem_classes="fs-card"):
            with gr.Row(elem_classes="fs-plain"):
                self.out = gr.Textbox(label="Folder to write", max_lines=1, scale=3, min_width=220, elem_id="fs-out",
                                      info=f"A new folder on the machine that runs Flawsmith{_below()}.")  # fmt: skip
                self.category = gr.Textbox(label="Category", max_lines=1, scale=2, min_width=120,
                                           info="The product's name in the dataset.")  # fmt: skip
            with gr.Row(elem_classes="fs-plain"):
                self.everything = gr.Checkbox(False, label="Unreviewed samples too", min_width=150)
                self.real = gr.Checkbox(False, label="Imported real anomalies too", min_width=150)
                self.overwrite = gr.Checkbox(False, label="Replace an earlier export", min_width=150)
        with gr.Accordion("Split and details", open=False, elem_classes="fs-card"):
            self.options = param_form.build_param_form(DatasetsApi.Options, skip=SEPARATE_OPTIONS)
            self.saturation = gr.Textbox(label="Saturation per label", max_lines=1,
                                         placeholder="scratch=0.5, missing=1",
                                         info="How much of a defect must be found to count in full: up to 1 a share "
                                         "of its area, above 1 pixels. Labels not named: 1.",
                                         visible=False)  # fmt: skip

    @property
    def inputs(self) -> list[Any]:
        """All controls, in the order that ``read`` takes their values."""
        return [self.format, self.out, self.category, self.everything, self.real, self.overwrite, self.saturation,
                *self.options.components]  # fmt: skip

    def defaults(self, session: Session) -> list[object]:
        """Values of ``inputs`` for a project that was not exported yet."""
        out, category = "", ""
        if session.api is not None:
            out = str(session.api.path.parent / f"{session.api.path.name}-export")
            category = session.api.datasets.default_category()
        return [DEFAULT_FORMAT, out, category, False, False, False, "", *self.options.values_of({})]

    def read(self, values: Sequence[Any]) -> tuple[str, Path, dict[str, Any], dict[str, bool]]:
        """Format, folder, options, and the switches everything, real and overwrite; InputError if one is wrong."""
        format, out, category, everything, real, overwrite, saturation, *rest = values
        if not out.strip():
            raise InputError("give a folder to write, for example /data/exports/bearing")
        fits = self.fits(format)
        options = {name: value for name, value in self.options.params_of(rest).items() if fits.get(name, True)}
        options |= {"category": category.strip(), "saturation": _saturation(saturation) if fits["saturation"] else {}}
        switches = {"everything": everything, "real": real, "overwrite": overwrite}
        return format, roots.checked(Path(out.strip())), options, switches

    def fitting(self, format: str) -> list[object]:
        """Updates that hide the options that mean nothing to ``format``."""
        fits = self.fits(format)
        names = [name for name, width in self.options.fields for _ in range(width)]
        return [gr.update(visible=fits.get(name, True)) for name in ["saturation", *names]]

    @staticmethod
    def fits(format: str) -> dict[str, bool]:
        """Whether each of the options that some formats have no use for means something to ``format``."""
        chosen, loco = DatasetsApi.formats[format], format == "mvtec-loco"
        return {
            "normal_val": chosen.has_val, "anomaly_train": chosen.trains_on_anomalies,
            "pixel_codes": loco, "saturation": loco,
        }  # fmt: skip


def _below() -> str:
    return f", below {roots.in_words()}" if roots.folders else ""


COPY_PATH_JS = """async () => {
  const path = document.querySelector("#fs-report .fs-path code"), button = document.querySelector("#fs-export-copy");
  await navigator.clipboard.writeText(path.textContent);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy the path"; }, 1500);
}"""


def build(shell: PageContext) -> None:
    """The tab."""
    with gr.Tab("Export", id="export") as tab, gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=380):
            controls = ExportForm()
        with gr.Column(scale=5, min_width=340), gr.Group(elem_classes="fs-card"):
            preview = gr.HTML(elem_id="fs-preview")
            go = gr.Button("Export", variant="primary", elem_id="fs-export")
            bar = ProgressBar(shell, "export_id")
            report = gr.HTML(elem_id="fs-report")
            with gr.Row(visible=False, elem_classes="fs-tight", equal_height=True) as ways:
                copy = gr.Button("Copy the path", size="sm", min_width=110, elem_id="fs-export-copy")
                pack = gr.Button("Download as zip", size="sm", min_width=130, elem_id="fs-export-zip")
            link = gr.HTML(elem_id="fs-export-link", padding=False)
            sheet = gr.Button("Contact sheet of what was kept (PDF)", size="sm", elem_id="fs-export-sheet")
            sheet_link = gr.HTML(elem_id="fs-sheet-link", padding=False)
            snippet = gr.Code(language="python", label="Load it: load_me.py in the export", visible=False,
                              interactive=False, elem_id="fs-snippet")  # fmt: skip
    shown = [preview, go]

    def look(session: Session, *values: Any) -> list[object]:
        session.memory.export = list(values)
        return _preview(session, controls, values)

    def fill(session: Session) -> list[object]:
        values = session.memory.export or controls.defaults(session)
        return [*values, *_preview(session, controls, values), *bar.refresh(session), *_result(session), ""]

    shell.fill_on_select(tab, fill, [*controls.inputs, *shown, *bar.parts, report, snippet, ways, link])
    for control in controls.inputs:
        # A field's first input after the server filled it in goes unheard, and so does a number beside a slider.
        happens = control.change if isinstance(control, gr.Textbox | gr.Slider | gr.Number) else control.input
        on(happens, look, shell, controls.inputs, shown, role="viewer", trigger_mode="always_last")
    controls.format.change(controls.fitting, controls.format, [controls.saturation, *controls.options.components],
                           show_progress_on=[controls.format], **PRIVATE_EVENT)  # fmt: skip

    def start(session: Session, *values: Any) -> list[object]:
        format, out, options, switches = controls.read(values)
        session.export_id = session.required_api.datasets.start_export(format, out, options, **switches)
        hidden = gr.update(visible=False)
        return ["", hidden, hidden, "", *bar.refresh(session)]

    on(go.click, start, shell, controls.inputs, [report, snippet, ways, link, *bar.parts])
    bar.on_end(shell, _result, outputs=[report, snippet, ways])
    copy.click(None, js=COPY_PATH_JS, api_visibility="private")
    packed = on(pack.click, _zip_link, shell, outputs=[link], show_progress="minimal", trigger_mode="once")
    packed.success(None, js="() => document.querySelector('#fs-export-link a').click()")
    drawn = on(sheet.click, _sheet_link, shell, outputs=[sheet_link], show_progress="minimal", trigger_mode="once")
    drawn.success(None, js="() => document.querySelector('#fs-sheet-link a').click()")


def _preview(session: Session, controls: ExportForm, values: Sequence[Any]) -> list[object]:
    if session.api is None:
        return [_empty_html("Open a project in <b>Product</b> first."), gr.update(interactive=False)]
    try:
        format, out, options, switches = controls.read(values)
        overwrite = switches.pop("overwrite")
        found = session.api.datasets.preview(format, out, options, **switches)
    except FlawsmithError as error:
        return [_empty_html(html.escape(_sentence(str(error)))), gr.update(interactive=False)]
    there = ""
    if out.exists() and not overwrite:
        there = _warning("This folder exists already: choose another one, or tick “Replace an earlier export”.")
    warnings = "".join(map(_warning, map(_sentence, found["warnings"])))
    files = "".join(
        f"<li><code>{html.escape(path)}</code><span>{html.escape(what)}</span></li>" for path, what in found["files"]
    )
    text = (
        f"<h3>What will be written</h3><p class='fs-path'><code>{html.escape(found['path'])}/</code></p>"
        f"<ul class='fs-tree'>{files}<li><code>README.md, load_me.py</code><span>what it is, and how to load it</span>"
        f"</li></ul>{_counts(found['images'])}{_splits(found['splits'])}{_changes(found['changes'])}{there}{warnings}"
    )
    return [text, gr.update(interactive=True)]


def _counts(images: dict[str, int]) -> str:
    cells = "".join(
        f"<div><dt>{html.escape(name.replace('_good', ', good'))}</dt><dd>{n:,}</dd></div>"
        for name, n in images.items()
    )
    return f"<dl class='fs-numbers'>{cells}</dl>"


def _splits(splits: Mapping[str, Mapping[str, int]]) -> str:
    """How many anomalies of each label go where, HTML; "" where all go into one split, as the numbers say."""
    names = [name for name in SPLIT_TITLES if any(name in by for by in splits.values())]
    if len(names) < 2:
        return ""
    head = "".join(f"<th>{SPLIT_TITLES[name]}</th>" for name in names)
    rows = "".join(
        f"<tr><th>{html.escape(label)}</th>" + "".join(f"<td>{by.get(name, 0):,}</td>" for name in names) + "</tr>"
        for label, by in splits.items()
    )
    return (
        f"<table class='fs-table fs-narrow' id='fs-export-splits'><thead><tr><th>anomalies</th>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _changes(found: ExportChanges | None) -> str:
    """What is other than in the last export, in words, HTML; "" where there was none."""
    if found is None:
        return ""
    counted = ((found.added, "more"), (found.gone, "not any more"), (found.relabelled, "with another label"))
    said = ", ".join(f"<b>{n:,}</b> {words}" for n, words in counted if n) or "the same samples"
    when = time.strftime("%d %b %H:%M", time.localtime(found.when))
    return (
        f"<p class='fs-hint' id='fs-export-changes'>Since the last export ({html.escape(found.format)}, {when}, "
        f"<code>{html.escape(found.path)}</code>): {said}.</p>"
    )


def _empty_html(text: str) -> str:
    return f"<h3>What will be written</h3><p class='fs-hint'>{text}</p>"


def _warning(text: str) -> str:
    return f"<p class='fs-warn'>{html.escape(text)}</p>"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _saturation(text: str) -> dict[str, float]:
    found = {}
    for part in filter(None, (p.strip() for p in (text or "").split(","))):
        label, _, value = part.partition("=")
        try:
            found[label.strip()] = float(value)
        except ValueError:
            raise InputError(f"saturation {part!r}: expected label=number, for example scratch=0.5") from None
    return found


def _zip_link(session: Session) -> str:
    """Packs the export and links to it; the page presses the link at once."""
    path = session.required_api.jobs.result(session.export_id).get("path")
    if not path:
        raise InputError("there is no export to download yet: press Export first")
    packed = session.required_api.datasets.zipped(Path(path))
    name, size = html.escape(packed.name), f"{packed.stat().st_size / 1e6:,.1f} MB"
    return f"<p class='fs-hint'><a href='{html.escape(file_url(packed))}' download='{name}'>{name}</a>, {size}</p>"


def _sheet_link(session: Session) -> str:
    """Draws the contact sheet and links to it; the page presses the link at once."""
    bench = session.required_api
    pdf = bench.review.contact_sheet()
    folder = bench.project.cache_dir / "sheets"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{bench.path.name}-kept.pdf"
    file.write_bytes(pdf)
    name, size = html.escape(file.name, quote=True), f"{len(pdf) / 1e6:,.1f} MB"
    return f"<p class='fs-hint'><a href='{html.escape(file_url(file))}' download='{name}'>{name}</a>, {size}</p>"


def _result(session: Session) -> list[object]:
    result = session.api.jobs.result(session.export_id) if session.api and session.export_id else {}
    if not result or "images" not in result:
        return ["", gr.update(visible=False), gr.update(visible=False)]
    path = Path(result["path"])
    total = sum(result["images"].values())
    warnings = "".join(map(_warning, map(_sentence, result["warnings"])))
    text = (
        f"<div class='fs-report fs-done'><h3>Exported {total:,} images</h3>"
        f"<p class='fs-path'><code>{html.escape(str(path))}</code></p>{_counts(result['images'])}{warnings}</div>"
    )
    code = session.required_api.datasets.loader_snippet(path) if (path / "load_me.py").is_file() else ""
    return [text, gr.update(value=code, visible=bool(code)), gr.update(visible=bool(code))]
