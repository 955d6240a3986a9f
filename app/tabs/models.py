"""Models: which diffusion models and weights are here, how to get the others, which segmenter answers clicks."""

from __future__ import annotations

import html
import re

import gradio as gr

from app.components.progress_bar import ProgressBar
from app.page_context import PageContext, on
from app.session import Session
from core.api.models import ModelRow, ModelsApi
from core.api.regions import all_segmenters
from core.errors import InputError

STATES = {"present": "present", "missing": "missing", "corrupt": "damaged", "incomplete": "incomplete"}
SECTIONS = (
    (
        "diffusion",
        "Diffusion models",
        "They draw anomalies from a text prompt. An engine whose model is set to auto takes the marked one. Put the "
        "folder of any inpainting or editing model (SD, SDXL, FLUX, Qwen-Image, Z-Image) into the models folder and "
        "name it in the setting Model of Inpaint by prompt.",
    ),
    (
        "adapter",
        "Adapters",
        "LoRA and textual-inversion files in the models folder; name one in the setting Adapter of Inpaint by prompt.",
    ),
    (
        "folder",
        "Models in folders",
        "Any folder of the SAM family (SAM, HQ-SAM, SAM 2, EdgeTAM, SAM 3), any encoder.onnx with its decoder.onnx, "
        "and any detector that takes words. Put it into the models folder and it is used.",
    ),
    ("weights", "Weights", "Everything else in Flawsmith works without them; with them, a click finds parts better."),
)


def build(shell: PageContext) -> None:
    """The tab."""
    with gr.Tab("Models", id="models") as tab, gr.Row(equal_height=False):
        with gr.Column(scale=8, min_width=440), gr.Group(elem_classes="fs-card"):
            listed = gr.HTML(_table(), elem_id="fs-weights")
            with gr.Row(elem_classes="fs-inline"):
                wanted = gr.Dropdown(_names(), show_label=False, container=False, scale=4, min_width=200,
                                     elem_id="fs-wanted")  # fmt: skip
                fetch = gr.Button("Fetch", variant="primary", size="sm", scale=1, min_width=80, elem_id="fs-fetch")
                verify = gr.Button("Verify", size="sm", scale=1, min_width=80, elem_id="fs-verify")
            bar = ProgressBar(shell, "fetch_id")
            said = gr.HTML(_offline(), elem_id="fs-weights-said")
        with gr.Column(scale=4, min_width=280), gr.Group(elem_classes="fs-card"):
            segmenter = gr.Radio([], label="Segmenter for clicks in Regions and Studio", elem_id="fs-segmenter",
                                 elem_classes="fs-formats")  # fmt: skip
            reasons = gr.HTML(elem_id="fs-reasons")

    def fill(session: Session) -> list[object]:
        return [_table(), _offline(), *_segmenters(session), *bar.refresh(session)]

    filled = [listed, said, segmenter, reasons, *bar.parts]
    shell.fill_on_select(tab, fill, filled)

    def start(session: Session, name: str | None) -> list[object]:
        if session.api is None:
            raise InputError("open a project first: downloads run in its background")
        session.fetch_id = session.api.weights.start_fetch(_chosen(name))
        return bar.refresh(session)

    def check(session: Session, name: str | None) -> list[object]:
        row = ModelsApi(None, None).verify(_chosen(name))
        return [_table(), _verified(row) + _offline()]

    def use(session: Session, name: str) -> list[object]:
        session.required_api.regions.choose_segmenter(name)
        return _segmenters(session)

    on(fetch.click, start, shell, [wanted], bar.parts, role="admin")
    on(verify.click, check, shell, [wanted], [listed, said], show_progress="minimal")
    bar.on_end(shell, fill, outputs=filled)
    on(segmenter.input, use, shell, [segmenter], [segmenter, reasons])


def _chosen(name: str | None) -> str:
    if not name:
        raise InputError("choose a model in the list first")
    return name


def _names() -> list[tuple[str, str]]:
    return [(f"{row.title}, {_megabytes(row.size)}", row.name) for row in ModelsApi(None, None).status()]


def _table() -> str:
    desk = ModelsApi(None, None)
    rows = [*desk.status(), *desk.folders()]
    elsewhere = "" if any(row.auto for row in rows) else f" Now auto is: {html.escape(ModelsApi.automatic_model())}."
    notes = {"diffusion": elsewhere}
    shown = {row.kind for row in rows} | {"diffusion", "folder", "weights"}
    return "".join(
        f"<h3>{title}</h3><p class='fs-hint'>{says}{notes.get(kind, '')}</p>"
        f"{_rows([row for row in rows if row.kind == kind])}"
        for kind, title, says in SECTIONS
        if kind in shown
    )


def _rows(rows: list[ModelRow]) -> str:
    head = "".join(f"<th>{h}</th>" for h in ("Name", "State", "Size", "Licence"))
    body = "".join(
        f"<tr data-state='{row.state}'><th>{_named(row)}</th><td>{STATES[row.state]}</td>"
        f"<td>{_megabytes(row.size)}</td><td>{html.escape(row.licence)}</td></tr>"
        for row in rows
    )
    return f"<table class='fs-table fs-models'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _named(row: ModelRow) -> str:
    """Title and purpose; then where it is, or what is wrong with it."""
    auto = "<span class='fs-chip'>auto takes this one</span>" if row.auto else ""
    more = [row.purpose]
    more += [f"{_megabytes(row.begun)} of it came so far; Fetch goes on there."] if row.begun else []
    more += [f"Press Fetch: {row.problems[0]}."] if row.problems and row.fetchable else list(row.problems[:1])
    lines = "".join(f"<br><span class='fs-quiet'>{html.escape(line)}</span>" for line in more)
    where = f"<br><code>{html.escape(row.path)}</code>" if row.state != "missing" else ""
    return f"<b>{html.escape(row.title)}</b>{auto}{lines}{where}"


def _offline() -> str:
    """How each missing thing gets here by hand; folders first, since they need more than a download."""
    desk = ModelsApi(None, None)
    rows = [row for row in [*desk.status(), *desk.folders()] if row.offline]
    folders = "".join(
        f"<li><b>{html.escape(r.title)}</b> {_with_code(r.offline)}</li>" for r in rows if r.kind != "weights"
    )
    files = "".join(
        f"<tr><th>{html.escape(row.title)}</th><td><a href='{html.escape(row.url)}' target='_blank' rel='noopener'>"
        f"{html.escape(row.url.rsplit('/', 1)[-1])}</a></td></tr>"
        for row in rows
        if row.kind == "weights" and row.url
    )
    place = html.escape(str(ModelsApi.folder()))
    by_hand = (
        f"<p>Weights: download the file on another machine and put it into <code>{place}</code> under its own name, "
        f"then press Verify.</p><table class='fs-table'><tbody>{files}</tbody></table>"
        if files
        else ""
    )
    return (
        "<details class='fs-fold'><summary>No internet on this machine?</summary>"
        f"<ul class='fs-offline'>{folders}</ul>{by_hand}</details>"
    )


def _with_code(text: str) -> str:
    """HTML of a line in which `commands` are set off."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(text))


def _verified(row: ModelRow) -> str:
    get = "press Fetch" if row.fetchable else f"it {row.offline}"
    words = {
        "present": "is whole: its files are what they should be.",
        "missing": "is not on this machine: "
        + ("press Fetch, or see below." if row.fetchable else f"it {row.offline}."),
        "corrupt": f"is damaged or not complete: {get} to get it again.",
        "incomplete": f"is not whole: {'; '.join(row.problems[:3])}. To mend it, {get}.",
    }
    return (
        f"<p class='fs-said' data-state='{row.state}'><b>{html.escape(row.title)}</b> "
        f"{_with_code(words[row.state])}</p>"
    )


def _segmenters(session: Session) -> list[object]:
    every = all_segmenters()
    usable = [(s.title, name) for name, s in every.items() if s.available() is None]
    chosen = session.api.regions.segmenter().name if session.api else None
    missing = "".join(
        f"<li><b>{html.escape(s.title)}</b> {html.escape(reason.removeprefix(s.title + ': '))}</li>"
        for s in every.values()
        if (reason := s.available())
    )
    text = f"<div class='fs-report'><h3>Not usable yet</h3><ul>{missing}</ul></div>" if missing else ""
    return [gr.update(choices=usable, value=chosen), text]


def _megabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"
