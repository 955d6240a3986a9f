"""The left column of Product: which project, and what comes into it."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from app.components.fields import required_text
from app.components.import_review import release_uploads
from app.components.import_review_html import fold
from app.components.name_question import NameQuestion
from app.components.progress_bar import ProgressBar
from app.components.project_care import ProjectCare
from app.components.scale_panel import ScalePanel
from app.page_context import PageContext, on
from app.server.roots import roots
from app.session import Session, sessions
from core.api.demo import DEMO_PRODUCTS, demo_project
from core.api.project_archive import SUFFIX, open_archive, unused_folder
from core.api.projects import folder_name, free_path
from core.api.recent import project_damage, projects_folder
from core.errors import InputError

DEMO_PREFIX = "demo:"
"""Before a demo's name among the choices of projects: it is made when it is chosen."""


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
            self.care = ProjectCare(shell)
            self.scale = ScalePanel()
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

    def wire(self, shell: PageContext) -> None:
        """Making and opening projects, and the start of an import."""
        made = [shell.project_opened, self.name, *self.question.parts]
        on(self.pick.input, _open_project, shell, [self.pick], [shell.project_opened], role="viewer")
        for event in (self.make.click, self.name.submit):
            asked = on(event, self._make, shell, [self.name], made)
            asked.success(None, js=self.question.focus_js)
        on(self.question.both.click, self._make_beside, shell, [self.name], made)
        on(self.question.use.click, self._open_that, shell, [self.name], made)
        begun = [shell.project_opened, *self.given, self.report]
        starts = on(self.take.click, _start_import, shell, self.given, begun)
        on(starts.success, self.bar.refresh, shell, outputs=self.bar.parts)

    def _make(self, session: Session, name: str) -> list[Any]:
        called = _named(name)
        path = projects_folder() / folder_name(called)
        if path.exists():
            other = free_path(path).name
            return [gr.skip(), gr.skip(), *self.question.ask(f"There is a project {path.name!r} already.", other)]
        return self._opened(sessions.create(session.id, path, called))

    def _make_beside(self, session: Session, name: str) -> list[Any]:
        path = free_path(projects_folder() / folder_name(_named(name)))
        return self._opened(sessions.create(session.id, path, path.name))

    def _open_that(self, session: Session, name: str) -> list[Any]:
        return self._opened(sessions.open(session.id, projects_folder() / folder_name(_named(name))))

    def _opened(self, session: Session) -> list[Any]:
        return [str(session.required_api.path), "", *self.question.hide()]


def _below() -> str:
    """Where paths have to lie, after the help of a field for one."""
    return f" Below {roots.in_words()}." if roots.folders else ""


def _named(name: str) -> str:
    return required_text("Name of a new project", name, "bearing cap, line 3")


def project_choices(session: Session) -> Any:
    """An update of the choice of projects: those known, the demos, and the one that is open."""
    known = sessions.known_to(session)
    choices = [(f"{p.name}   {p.parent}{_damage_in_words(p)}", str(p)) for p in known]
    made = {p.name for p in known}
    choices += [(f"Demo: {d.title}", DEMO_PREFIX + d.name) for d in DEMO_PRODUCTS if d.name not in made]
    here = None if session.api is None else str(session.api.path)
    if session.api is not None and here not in [c[1] for c in choices]:
        choices.insert(0, (f"{session.api.path.name}   {session.api.path.parent}", str(session.api.path)))
    return gr.update(choices=choices, value=here)


def _damage_in_words(path: Path) -> str:
    return "   (damaged)" if project_damage(path) else ""


def _open_project(session: Session, path: str | None) -> str:
    if not path or not path.strip():
        raise InputError("choose a project, or type the folder of one")
    if path.startswith(DEMO_PREFIX):
        sessions.check_new_project(session)
        path = str(demo_project(path.removeprefix(DEMO_PREFIX)))
    if path.strip().endswith(SUFFIX):
        return _open_packed(session, roots.checked(Path(path.strip())))
    return str(sessions.open(session.id, Path(path.strip())).required_api.path)


def _open_packed(session: Session, file: Path) -> str:
    """Unpack a project that was packed as one file, into the folder of all projects, and open it."""
    sessions.check_new_project(session)
    project = open_archive(file, unused_folder(file, projects_folder())).path
    return str(sessions.open(session.id, project).required_api.path)


def _start_import(session: Session, files: list[str] | None, path: str, anomalies: str) -> list[Any]:
    sources = [Path(f) for f in files or []] + ([roots.checked(Path(path.strip()))] if path.strip() else [])
    extra = roots.checked(Path(anomalies.strip())) if anomalies.strip() else None
    if not sources and extra is None:
        raise InputError("nothing to import yet: drop photos or a zip, or give a folder on this machine")
    for place in [*sources, *([extra] if extra else [])]:
        if not place.exists():
            raise InputError(f"{place}: there is no such file or folder on the machine that runs Flawsmith")
    if len(sources) == 1 and extra is None and sources[0].suffix == SUFFIX:
        return [_open_packed(session, sources[0]), None, "", "", ""]
    if session.api is None:
        name = sources[0].stem if sources else str(extra and extra.stem)
        session = sessions.create(session.id, free_path(projects_folder() / folder_name(name)), name)
    source = sources[0] if len(sources) == 1 else sources
    product = session.memory.product
    release_uploads(session)
    product.uploaded = [Path(f) for f in files or []]
    session.required_api.photos.drafts.discard(product.draft_id)
    product.draft_id, session.import_id = session.required_api.photos.drafts.start(source, extra)
    return [str(session.required_api.path), None, "", "", ""]


def import_report_html(session: Session) -> str:
    """What the last import of this window took and left out, HTML; "" where none was."""
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
