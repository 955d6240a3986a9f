"""Product: make or open a project, import photos of good parts and real anomalies, look through them."""

from __future__ import annotations

import html
import logging
import re
from pathlib import Path
from typing import Any

import gradio as gr

from app.components.fields import required_text
from app.components.import_review import ImportDraftPanel, current_draft, release_uploads
from app.components.import_review_html import fold
from app.components.name_question import NameQuestion
from app.components.progress_bar import ProgressBar
from app.components.project_care import ProjectCare
from app.components.split_panel import TO_TEST, SplitPanel, chip_html
from app.open_projects import known_projects
from app.page_context import PageContext, on, on_gallery_select
from app.server.roots import roots
from app.session import Session, sessions
from app.tabs.concepts.mask_drawing import FOCUS_JS, edit_example
from core.api.demo import DEMO_PRODUCTS, demo_project
from core.api.recent import project_damage, projects_folder
from core.errors import InputError, StoreError

PAGE_SIZE = 60
DEMO_PREFIX = "demo:"
"""Before a demo's name among the choices of projects: it is made when it is chosen."""
GOOD, REAL = "good", "real"
REMOVE = "Remove from project"

WELCOME = """<div class="fs-empty"><h2>Start with photos of good parts</h2>
<p>To look around first, choose a <b>demo</b> in the list of projects on the left.</p>
<p>Drop a folder, a zip or some files on the left, or give a path on this machine. Flawsmith reads PNG, JPEG, TIFF,
BMP and WebP, also greyscale and 16-bit, and whole MVTec AD or LOCO folders with their labelled anomalies.</p>
<p>Then: <b>Regions</b> names the parts of the product, <b>Studio</b> makes anomalies, <b>Review</b> keeps the good
ones, <b>Export</b> writes the dataset.</p></div>"""


logger = logging.getLogger(__name__)

_HIDDEN = gr.update(visible=False)
_NO_ALBUM = (_HIDDEN, *[gr.skip()] * 5, _HIDDEN, "", _HIDDEN)
"""Updates that hide all of ``ProjectGallery.parts`` after the welcome."""


class ImportPanel:
    """The left column: which project, and what comes into it."""

    def __init__(self, shell: PageContext) -> None:
        with gr.Group(elem_classes="fs-card"):
            self.pick = gr.Dropdown([], label="Project", info="Choose a recent one, or type a project's folder.",
                                    allow_custom_value=True, interactive=True, elem_id="fs-open")  # fmt: skip
            with gr.Row(elem_classes="fs-inline"):
                self.name = gr.Textbox(show_label=False, placeholder="Name of a new project", max_lines=1, scale=3,
                                       min_width=140, elem_id="fs-new-name", container=False)  # fmt: skip
                self.make = gr.Button("New project", size="sm", scale=1, min_width=96, elem_id="fs-new")
            self.question = NameQuestion("fs-project-taken", "Open that one")
            self.care = ProjectCare()
        with gr.Group(elem_classes="fs-card"):
            gr.HTML("<h3>Import</h3>")
            self.files = gr.File(label="Drop photos of good parts, a folder or a zip", file_count="multiple",
                                 height=128, elem_id="fs-drop", show_label=False)  # fmt: skip
            self.path = gr.Textbox(label="or a folder or zip on this machine", max_lines=1, elem_id="fs-path",
                                   placeholder="/data/line3/good",
                                   info="An MVTec AD or LOCO folder brings its anomalies along." + _below(),
                                   )  # fmt: skip
            self.anomalies = gr.Textbox(label="Real anomalies (optional)", max_lines=1, elem_id="fs-anomalies",
                                        placeholder="/data/line3/defects",
                                        info="One sub-folder per label, masks beside the photos.")  # fmt: skip
            self.take = gr.Button("Import", variant="primary", elem_id="fs-take")
            self.bar = ProgressBar(shell, "import_id")
            self.report = gr.HTML(elem_id="fs-import-report")
        self.given = [self.files, self.path, self.anomalies]


def _below() -> str:
    """Where paths have to lie, after the help of a field for one."""
    return f" Below {roots.in_words()}." if roots.folders else ""


class ProjectGallery:
    """The right column: what the project holds."""

    def __init__(self) -> None:
        self.welcome = gr.HTML(WELCOME)
        with gr.Row(visible=False, elem_classes="fs-pager fs-album", equal_height=True) as self.head:
            self.kind = gr.Radio([("Good parts", GOOD), ("Real anomalies", REAL)], value=GOOD, show_label=False,
                                 container=False, elem_classes="fs-segments", elem_id="fs-album-kind")  # fmt: skip
            self.back = gr.Button("‹", size="sm", scale=0, min_width=36, elem_id="fs-album-back")
            self.where = gr.HTML(elem_classes="fs-quiet")
            self.forth = gr.Button("›", size="sm", scale=0, min_width=36, elem_id="fs-album-forth")
            self.summary = gr.HTML(elem_classes="fs-quiet fs-right")
        above = gr.Column(min_width=0)
        with gr.Row(visible=False, elem_classes="fs-picked", equal_height=True) as self.picked:
            self.about = gr.HTML(elem_id="fs-picked")
            self.work = gr.Button("Work on it in Studio", size="sm", scale=0, min_width=150, elem_id="fs-to-studio")
            self.open = gr.Button("Open: mask and label", size="sm", scale=0, min_width=150, elem_id="fs-open-real")
            self.move = gr.Button(TO_TEST, visible=False, size="sm", scale=0, min_width=130, elem_id="fs-split-move")
            self.remove = gr.Button(REMOVE, size="sm", scale=0, min_width=150, elem_id="fs-remove")
        with above:
            self.split = SplitPanel(self.move)
        self.gallery = gr.Gallery(show_label=False, height="auto", allow_preview=False, visible=False, buttons=[],
                                  object_fit="contain", elem_classes="fs-gallery", elem_id="fs-album")  # fmt: skip
        self.parts = [self.welcome, self.head, self.kind, self.back, self.where, self.forth, self.summary,
                      self.picked, self.about, self.gallery]  # fmt: skip


def build(shell: PageContext) -> None:
    """The tab."""
    with gr.Tab("Product", id="product") as tab, gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=300):
            intake = ImportPanel(shell)
        with gr.Column(scale=8, min_width=420):
            review = ImportDraftPanel()
            album = ProjectGallery()
    shown = [intake.pick, *album.parts, *album.split.parts, *review.parts, *intake.care.parts]
    on_tab = [*shown, *intake.bar.parts, intake.report]

    def show(session: Session) -> list[Any]:
        return [*_show_all(session, album), *review.show(session), *intake.care.show(session)]

    made = [shell.project_opened, intake.name, *intake.question.parts]

    def make(session: Session, name: str, beside: bool = False) -> list[Any]:
        called = required_text("Name of a new project", name, "bearing cap, line 3")
        path = projects_folder() / _stem(called)
        if path.exists() and not beside:
            other = _free_path(path).name
            return [gr.skip(), gr.skip(), *intake.question.ask(f"There is a project {path.name!r} already.", other)]
        opened = sessions.create(session.id, _free_path(path), _free_path(path).name if path.exists() else called)
        return [str(opened.required_api.path), "", *intake.question.hide()]

    def open_that(session: Session, name: str) -> list[Any]:
        path = projects_folder() / _stem(required_text("Name of a new project", name, "bearing cap, line 3"))
        return [_open_project(session, str(path)), "", *intake.question.hide()]

    shell.fill_on_select(tab, lambda s: [*show(s), *intake.bar.refresh(s), _import_report_html(s)], on_tab)
    on(intake.pick.input, _open_project, shell, [intake.pick], [shell.project_opened])
    for event in (intake.make.click, intake.name.submit):
        asked = on(event, make, shell, [intake.name], made)
        asked.success(None, js=intake.question.focus_js)
    on(intake.question.both.click, lambda s, name: make(s, name, True), shell, [intake.name], made)
    on(intake.question.use.click, open_that, shell, [intake.name], made)
    starts = on(
        intake.take.click, _start_import, shell, intake.given, [shell.project_opened, *intake.given, intake.report]
    )
    on(starts.success, intake.bar.refresh, shell, outputs=intake.bar.parts)

    def ended(session: Session) -> list[Any]:
        if current_draft(session) is None:
            release_uploads(session)
        return [*show(session), _import_report_html(session)]

    intake.bar.on_end(shell, ended, outputs=[*shown, intake.report])
    review.wire(shell, intake.bar, show, shown)
    intake.care.wire(shell, show, shown)
    _wire_album(shell, album, [intake.pick, *album.parts, *album.split.parts])


def _wire_album(shell: PageContext, album: ProjectGallery, shown: list[Any]) -> None:
    def show(session: Session) -> list[Any]:
        return _show_all(session, album)

    for button, step in ((album.back, -1), (album.forth, 1)):

        def turn(session: Session, step: int = step) -> list[Any]:
            _turn_page(session, step)
            return show(session)

        on(button.click, turn, shell, outputs=shown)

    def switch(session: Session, kind: str) -> list[Any]:
        session.memory.product.kind, session.memory.product.page, session.memory.product.picked = kind, 0, ""
        return show(session)

    def pick(session: Session, index: int) -> list[Any]:
        session.memory.product.picked = session.memory.product.ids[index]
        return _picked_updates(session)

    def work_on(session: Session) -> Any:
        session.normal_id = session.memory.product.picked
        return gr.Tabs(selected="studio")

    def remove(session: Session) -> list[Any]:
        at = session.memory.product.picked
        good, photos = session.memory.product.kind == GOOD, session.required_api.photos
        if not at or session.memory.product.removing != at:
            session.memory.product.removing = at
            sure = "Remove it with its samples?" if good else "Remove this anomaly?"
            return [*[gr.skip()] * len(shown), gr.update(value=sure, variant="stop")]
        photos.remove([at]) if good else photos.remove_examples([at])
        session.memory.product.picked = session.memory.product.removing = ""
        return [*show(session), gr.update(value=REMOVE, variant="secondary")]

    def share(session: Session, chosen: str) -> list[Any]:
        album.split.choose(session, chosen)
        return [*show(session), album.split.move_update(session, session.memory.product.picked)]

    def move(session: Session) -> list[Any]:
        album.split.move_picked(session, session.memory.product.picked)
        return [*show(session), album.split.move_update(session, session.memory.product.picked)]

    def open_real(session: Session) -> Any:
        edit_example(session, session.memory.product.picked)
        return gr.Tabs(selected="concepts")

    on(album.kind.input, switch, shell, [album.kind], shown)
    on(album.split.share.input, share, shell, [album.split.share], [*shown, album.move])
    on(album.move.click, move, shell, outputs=[*shown, album.move])
    picked = [album.picked, album.about, album.work, album.remove, album.open, album.move]
    on_gallery_select(album.gallery.select, pick, shell, picked, trigger_mode="always_last")
    on(album.open.click, open_real, shell, outputs=[shell.tabs]).success(None, js=FOCUS_JS)
    on(album.work.click, work_on, shell, outputs=[shell.tabs])
    on(album.remove.click, remove, shell, outputs=[*shown, album.remove])


def _show_all(session: Session, album: ProjectGallery) -> list[Any]:
    """What the project holds, and its split where the real anomalies are shown."""
    updates = _show(session)
    return [*updates, *album.split.show(session, session.memory.product.kind == REAL and _is_listed(session))]


def _is_listed(session: Session) -> bool:
    """Whether the album shows real anomalies now, and no import is looked at; not where they cannot be read."""
    try:
        return session.api is not None and current_draft(session) is None and bool(session.api.photos.examples())
    except StoreError:
        return False


def _show(session: Session) -> list[Any]:
    pick = _project_choices(session)
    try:
        return [pick, *_album_updates(session)]
    except StoreError as error:  # another project can still be chosen
        logger.warning("%s", error)
        said = f'<div class="fs-empty"><h2>This project cannot be shown</h2><p>{html.escape(str(error))}</p></div>'
        return [pick, gr.update(value=said, visible=True), *_NO_ALBUM]


def _project_choices(session: Session) -> Any:
    known = known_projects()
    choices = [(f"{p.name}   {p.parent}{_damage_in_words(p)}", str(p)) for p in known]
    made = {p.name for p in known}
    choices += [(f"Demo: {d.title}", DEMO_PREFIX + d.name) for d in DEMO_PRODUCTS if d.name not in made]
    here = None if session.api is None else str(session.api.path)
    if session.api is not None and here not in [c[1] for c in choices]:
        choices.insert(0, (f"{session.api.path.name}   {session.api.path.parent}", str(session.api.path)))
    return gr.update(choices=choices, value=here)


def _damage_in_words(path: Path) -> str:
    return "   (damaged)" if project_damage(path) else ""


def _album_updates(session: Session) -> list[Any]:
    hidden, welcome = gr.update(visible=False), gr.update(value=WELCOME, visible=True)
    if session.api is None:
        return [welcome, *_NO_ALBUM]
    if current_draft(session) is not None:
        return [hidden, *_NO_ALBUM]
    good, real = session.api.photos.count(), len(session.api.photos.examples())
    if not good and not real:
        return [welcome, *_NO_ALBUM]
    kind = (session.memory.product.kind or GOOD) if real and good else (GOOD if good else REAL)
    session.memory.product.kind = kind
    total = good if kind == GOOD else real
    page = min(session.memory.product.page, (total - 1) // PAGE_SIZE)
    session.memory.product.page = page
    pictures, session.memory.product.ids = _pictures(session, kind, page)
    kinds = gr.update(choices=[(f"Good parts ({good:,})", GOOD), (f"Real anomalies ({real:,})", REAL)], value=kind,
                      visible=bool(real))  # fmt: skip
    ids = session.memory.product.ids
    at = ids.index(session.memory.product.picked) if session.memory.product.picked in ids else None
    if at is None:
        session.memory.product.picked = ""
    picked, about, *_ = _picked_updates(session)
    many = gr.update(visible=total > PAGE_SIZE)
    gallery = gr.update(value=pictures, visible=True, selected_index=at)
    span = f"{page * PAGE_SIZE + 1:,} to {page * PAGE_SIZE + len(pictures):,} of {total:,}"
    return [hidden, gr.update(visible=True), kinds, many, span, many, _summary(session), picked, about, gallery]


def _pictures(session: Session, kind: str, page: int) -> tuple[list[tuple[str, str]], list[str]]:
    desk = session.required_api.photos
    if kind == GOOD:
        rows = desk.page(page * PAGE_SIZE, PAGE_SIZE)
        return [(str(desk.thumbnail(r.id)), Path(r.name).name) for r in rows], [r.id for r in rows]
    examples = desk.examples()[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
    named = [(str(desk.example_thumbnail(e)), f"{e.label} · test" if e.part == "test" else e.label) for e in examples]
    return named, [e.id for e in examples]


def _summary(session: Session) -> str:
    desk = session.required_api.photos
    if session.memory.product.kind == REAL:
        parts = desk.part_counts().items()
        return "".join(chip_html(label, n.get("learn", 0) + n.get("", 0), n.get("test", 0)) for label, n in parts)
    rows = desk.page()
    sizes = {(r.width, r.height) for r in rows}
    small, large = min(sizes, key=lambda s: s[0] * s[1]), max(sizes, key=lambda s: s[0] * s[1])
    size = f"{small[0]} × {small[1]}" + (f" to {large[0]} × {large[1]} px" if small != large else " px")
    grey = sum(r.grey for r in rows)
    colour = "greyscale" if grey == len(rows) else "colour" if not grey else f"{grey:,} of them greyscale"
    return f"{size}, {colour}"


def _picked_updates(session: Session) -> list[Any]:
    at = session.memory.product.picked
    if not at or session.api is None:
        return [gr.update(visible=False), "", gr.skip(), gr.skip(), gr.skip(), gr.skip()]
    session.memory.product.removing = ""
    desk, good = session.api.photos, session.memory.product.kind == GOOD
    if good:
        photo = desk.row(at)
        name, said = photo.name, ", ".join((f"{photo.width} × {photo.height}", *photo.notes))
    else:
        real = desk.example(at)
        name, said = real.name, f"{real.width} × {real.height}, {real.label}, {len(real.mask_paths)} masked defects"
        said += {"": "", "learn": ", learned from", "test": ", kept for the test"}[real.part]
    text = f"<b>{html.escape(name)}</b> <span class='fs-quiet'>{html.escape(said)}</span>"
    remove = gr.update(value=REMOVE, variant="secondary")
    move = SplitPanel.move_update(session, "" if good else at)
    return [gr.update(visible=True), text, gr.update(visible=good), remove, gr.update(visible=not good), move]


def _turn_page(session: Session, step: int) -> None:
    desk = session.required_api.photos
    total = desk.count() if (session.memory.product.kind or GOOD) == GOOD else len(desk.examples())
    session.memory.product.page = (session.memory.product.page + step) % max(1, -(-total // PAGE_SIZE))
    session.memory.product.picked = ""


def _open_project(session: Session, path: str | None) -> str:
    if not path or not path.strip():
        raise InputError("choose a project, or type the folder of one")
    if path.startswith(DEMO_PREFIX):
        path = str(demo_project(path.removeprefix(DEMO_PREFIX)))
    return str(sessions.open(session.id, Path(path.strip())).required_api.path)


def _start_import(session: Session, files: list[str] | None, path: str, anomalies: str) -> list[Any]:
    sources = [Path(f) for f in files or []] + ([roots.checked(Path(path.strip()))] if path.strip() else [])
    extra = roots.checked(Path(anomalies.strip())) if anomalies.strip() else None
    if not sources and extra is None:
        raise InputError("nothing to import yet: drop photos or a zip, or give a folder on this machine")
    for place in [*sources, *([extra] if extra else [])]:
        if not place.exists():
            raise InputError(f"{place}: there is no such file or folder on the machine that runs Flawsmith")
    if session.api is None:
        name = sources[0].stem if sources else str(extra and extra.stem)
        session = sessions.create(session.id, _free_path(projects_folder() / _stem(name)), name)
    source = sources[0] if len(sources) == 1 else sources
    product = session.memory.product
    release_uploads(session)
    product.uploaded = [Path(f) for f in files or []]
    session.required_api.photos.drafts.discard(product.draft_id)
    product.draft_id, session.import_id = session.required_api.photos.drafts.start(source, extra)
    return [str(session.required_api.path), None, "", "", ""]


def _stem(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name.strip()).strip("._") or "product"


def _free_path(path: Path) -> Path:
    return next(p for p in (path, *(path.with_name(f"{path.name}_{i}") for i in range(2, 10_000))) if not p.exists())


def _import_report_html(session: Session) -> str:
    if session.api is None or not session.import_id:
        return ""
    result = session.api.jobs.result(session.import_id)
    if "problems" not in result:  # the source was looked at, and nothing imported yet
        return ""
    problems, notes = [*result.get("look_at", []), *result["problems"]], result.get("notes", [])
    left_out = [f"<b>{html.escape(str(p['path']))}</b> {html.escape(str(p['reason']))}" for p in problems]
    said = [html.escape(str(n)) for n in notes]
    return (
        f"<div class='fs-report'><p>{html.escape(str(result.get('message', 'Imported')))}</p>"
        + fold(f"{len(problems):,} left out, with the reason", left_out, "open")
        + fold(f"{len(notes):,} notes", said)
        + "</div>"
    )
