"""Product: make or open a project, import photos of good parts and real anomalies, look through them."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import gradio as gr

from app.jobbar import JobBar
from app.session import Session, sessions
from app.shell import Shell, on
from core.errors import InputError
from core.workbench.recent import projects_folder, recent

PAGE = 60

WELCOME = """<div class="fs-empty"><h2>Start with photos of good parts</h2>
<p>Drop a folder, a zip or some files on the left, or give a path on this machine. Flawsmith reads PNG, JPEG, TIFF,
BMP and WebP, also greyscale and 16-bit, and whole MVTec AD or LOCO folders with their labelled anomalies.</p>
<p>Then: <b>Regions</b> names the parts of the product, <b>Studio</b> makes anomalies, <b>Review</b> keeps the good
ones, <b>Export</b> writes the dataset.</p></div>"""


def build(shell: Shell) -> None:
    """The tab."""
    with gr.Tab("Product", id="product") as tab, gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=320):
            with gr.Accordion("Project", open=True):
                pick = gr.Dropdown([], label="Open a project", info="Recent ones; or type a folder.",
                                   allow_custom_value=True, interactive=True, elem_id="fs-open")  # fmt: skip
                name = gr.Textbox(label="New project", placeholder="for example bearing cap, line 3", max_lines=1)
                make = gr.Button("Make project", size="sm")
            with gr.Accordion("Import photos", open=True):
                files = gr.File(label="Photos of good parts, or a zip", file_count="multiple", height=150)
                path = gr.Textbox(label="or a folder on this machine", max_lines=1,
                                  placeholder="/data/line3/good  (an MVTec layout brings its anomalies along)")  # fmt: skip
                anomalies = gr.Textbox(label="Real anomalies (optional)", max_lines=1,
                                       placeholder="folder with one sub-folder per label, masks beside")  # fmt: skip
                take = gr.Button("Import", variant="primary")
                bar = JobBar(shell, "job_id")
                report = gr.HTML()
        with gr.Column(scale=7, min_width=420):
            summary = gr.HTML(WELCOME)
            with gr.Row(visible=False, elem_classes="fs-pager", equal_height=True) as pager:
                back = gr.Button("‹", size="sm", scale=0, min_width=36)
                where = gr.HTML(elem_classes="fs-quiet")
                forth = gr.Button("›", size="sm", scale=0, min_width=36)
            photos = gr.Gallery(label="Photos of good parts", columns=6, height="auto", allow_preview=False,
                                show_label=False, visible=False, object_fit="contain", elem_classes="fs-gallery")  # fmt: skip
            real = gr.Gallery(label="Real anomalies", columns=6, height="auto", allow_preview=False,
                              visible=False, object_fit="contain", elem_classes="fs-gallery")  # fmt: skip
    shown = [pick, summary, pager, where, photos, real]

    def turn(session: Session, step: int) -> list[Any]:
        pages = max(1, -(-session.open_bench.photos.count() // PAGE))
        session.memory["product-page"] = (session.memory.get("product-page", 0) + step) % pages
        return _show(session)

    def on_opened(session: Session) -> list[Any]:
        return [*_show(session), *bar.look(session)]

    shell.refresh(tab, on_opened, [*shown, *bar.parts])
    on(pick.input, _open, shell, [pick], [shell.opened])
    for event in (make.click, name.submit):
        on(event, _make, shell, [name], [shell.opened, name])
    starts = on(take.click, _take, shell, [files, path, anomalies], [shell.opened, files, *bar.parts])
    starts.then(lambda sid: bar.look(sessions.get(sid)), shell.sid, bar.parts, show_progress="hidden")

    def ended(session: Session) -> list[Any]:
        return [*_show(session), _report(session)]

    on(bar.ended.change, ended, shell, outputs=[*shown, report])
    on(back.click, lambda s: turn(s, -1), shell, outputs=shown)
    on(forth.click, lambda s: turn(s, 1), shell, outputs=shown)


def _show(session: Session) -> list[Any]:
    choices = [(f"{p.name}   {p.parent}", str(p)) for p in recent()]
    if session.bench is None:
        return [gr.update(choices=choices, value=None), WELCOME, gr.update(visible=False), "",
                gr.update(visible=False), gr.update(visible=False)]  # fmt: skip
    desk = session.bench.photos
    count, page = desk.count(), session.memory.get("product-page", 0)
    rows = desk.page(page * PAGE, PAGE)
    pictures = [(str(desk.thumbnail(r.id)), Path(r.name).name) for r in rows]
    examples = desk.examples()
    real = [(str(desk.example_thumbnail(e)), e.label) for e in examples[:PAGE]]
    here = str(session.bench.path)
    if here not in [c[1] for c in choices]:
        choices.insert(0, (f"{session.bench.path.name}   {session.bench.path.parent}", here))
    pages = -(-count // PAGE)
    return [
        gr.update(choices=choices, value=here),
        _summary(session) if count or examples else WELCOME,
        gr.update(visible=pages > 1),
        f"{page * PAGE + 1:,} to {page * PAGE + len(rows):,} of {count:,}",
        gr.update(value=pictures, visible=bool(pictures)),
        gr.update(value=real, visible=bool(real), label=f"Real anomalies ({len(examples)})"),
    ]


def _summary(session: Session) -> str:
    desk = session.open_bench.photos
    rows, labels = desk.page(), {}
    for example in desk.examples():
        labels[example.label] = labels.get(example.label, 0) + 1
    sizes = {(r.width, r.height) for r in rows}
    size = "{} × {} px".format(*next(iter(sizes))) if len(sizes) == 1 else f"{len(sizes)} sizes"
    chips = "".join(f"<span class='fs-chip'>{html.escape(k)} <b>{v}</b></span>" for k, v in sorted(labels.items()))
    real = f"<p>Real anomalies {chips}</p>" if chips else ""
    return f"<div class='fs-summary'><p><b>{len(rows):,}</b> photos of good parts · {size}</p>{real}</div>"


def _open(session: Session, path: str | None) -> str:
    if not path:
        raise InputError("choose a project, or type the folder of one")
    return f"{sessions.open(session.id, Path(path)).open_bench.path}"


def _make(session: Session, name: str) -> tuple[str, str]:
    path = projects_folder() / (re.sub(r"[^\w.-]+", "_", name.strip()) or "")
    if not name.strip():
        raise InputError("give the new project a name, for example 'bearing cap, line 3'")
    return str(sessions.create(session.id, path, name.strip()).open_bench.path), ""


def _take(session: Session, files: list[str] | None, path: str, anomalies: str) -> list[Any]:
    sources = [Path(f) for f in files or []] or ([Path(path.strip()).expanduser()] if path.strip() else [])
    extra = Path(anomalies.strip()).expanduser() if anomalies.strip() else None
    if not sources and extra is None:
        raise InputError("import: drop photos or a zip, or give a folder on this machine")
    for place in [*sources, *([extra] if extra else [])]:
        if not place.exists():
            raise InputError(f"{place}: there is no such file or folder on the machine that runs Flawsmith")
    if session.bench is None:
        stem = re.sub(r"[^\w.-]+", "_", sources[0].stem if sources else extra.stem) or "product"  # type: ignore[union-attr]
        session = sessions.create(session.id, _free(projects_folder() / stem), stem)
    source = sources[0] if len(sources) == 1 else sources
    session.job_id = session.open_bench.photos.start_take_in(source, extra)
    return [str(session.open_bench.path), None, gr.update(visible=True), "", gr.Timer(active=True), ""]


def _free(path: Path) -> Path:
    return next(p for p in (path, *(path.with_name(f"{path.name}_{i}") for i in range(2, 10_000))) if not p.exists())


def _report(session: Session) -> str:
    result = session.open_bench.jobs.result(session.job_id) if session.bench and session.job_id else {}
    problems = result.get("problems", [])
    if not result:
        return ""
    lines = "".join(
        f"<li><b>{html.escape(str(p['path']))}</b> {html.escape(str(p['reason']))}</li>" for p in problems[:100]
    )
    more = f"<li>and {len(problems) - 100} more</li>" if len(problems) > 100 else ""
    left_out = (
        f"<details open><summary>{len(problems)} left out</summary><ul>{lines}{more}</ul></details>"
        if problems
        else ""
    )
    notes = "".join(f"<li>{html.escape(str(n))}</li>" for n in result.get("notes", [])[:50])
    said = f"<details><summary>Notes</summary><ul>{notes}</ul></details>" if notes else ""
    return f"<div class='fs-report'><p>{html.escape(str(result.get('message', 'Imported')))}</p>{left_out}{said}</div>"
